"""A follower whose broker keeps positions side by side: every close names one, and nothing is left of any."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gateway.control_cli import app
from gateway.resources import profiles
from gateway.sim.broker import Behaviour
from gateway.sim.fix_server import FixServer, SimSession
from tests.e2e.plant import GOOD, LOT, Plant, started


class Hedging(Plant):
    """A plant whose good broker is a hedging one, and fills in parts."""

    BROKERS = "H"

    def _write(self) -> None:
        super()._write()
        text = self.config.read_text("utf-8")
        head, tail = text.split(f"[sessions.{self.name(GOOD)}]")
        tail = tail.replace('profile = "copygate44"', 'profile = "apart"', 1)
        head = head.replace("[gateway]", '[gateway]\nprofiles_dir = "profiles"', 1)
        self.config.write_text(f"{head}[sessions.{self.name(GOOD)}]{tail}", "utf-8")
        ours = (profiles() / "copygate44.toml").read_text("utf-8").replace('"copygate44"', '"apart"')
        keys = 'position_model = "hedging"\nposition_id_tag = 721\n[supports]'
        (self.folder / "profiles").mkdir()
        (self.folder / "profiles" / "apart.toml").write_text(ours.replace("[supports]", keys), "utf-8")

    def _broker(self, n: int, behaviour: Behaviour, *more: SimSession) -> FixServer:
        if n == GOOD:
            behaviour = Behaviour(hedging=True, partial_per_10k=5_000)
        return super()._broker(n, behaviour, *more)

    def tickets(self) -> list[Decimal]:
        """Signed units of every position in the broker's own book, the oldest first."""
        return self.good.call(
            lambda: [units for _, units in self.good.broker.book.accounts[f"F{GOOD}"].tickets.values()]
        )

    def closes(self) -> int:
        """Orders that named a position."""
        return self.read(self.good, lambda book: sum(order.closes for order in book.orders.values()))

    def names(self) -> dict[str, Decimal]:
        """Positions by the core's own books."""
        return {one["id"]: Decimal(one["units"]) for one in self.line(GOOD).get("positions", [])}


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Hedging]:
    """A running deployment."""
    with started(Hedging(tmp_path)) as running:
        yield running


def settled(plant: Hedging, *units: int) -> None:
    """The broker holds these positions, and the core knows them by their names."""
    wanted = [Decimal(one * LOT) for one in units]
    plant.until(lambda: plant.tickets() == wanted, f"the broker does not hold {units}: {plant.tickets()}")
    plant.until(lambda: plant.rests(GOOD) and list(plant.names().values()) == wanted, "not counted")


@pytest.mark.slow
def test_closes_name_positions_and_nothing_is_left(plant: Hedging) -> None:
    """Opens stand side by side; a part, a flip and the end are closed by name, the oldest first."""
    plant.fill(1)
    settled(plant, 1)
    plant.fill(1, 2 * LOT)
    settled(plant, 1, 2)
    plant.fill(2, 2 * LOT)
    settled(plant, 1)
    plant.fill(2, 4 * LOT)
    settled(plant, -3)
    plant.fill(1, 3 * LOT)
    settled(plant)
    assert plant.closes() == 4, "two for the part, one for the flip, one for the end"
    assert plant.doubled() == 0
    assert not [row for row in plant.log if row.get("code", "").startswith(("position_", "close_"))]


@pytest.mark.slow
def test_a_bust_and_a_restart_keep_the_names(plant: Hedging) -> None:
    """A close that is taken back is closed again; a core that was killed knows the positions by replay."""
    plant.fill(1)
    settled(plant, 1)
    plant.good.call(plant.good.bust_newest)
    plant.until(lambda: plant.rests(GOOD) and plant.position(plant.good) == plant.held(GOOD), "not counted")
    plant.fill(2)
    settled(plant)
    plant.fill(1)
    settled(plant, 1)
    plant.fill(2)
    settled(plant)
    plant.good.call(plant.good.bust_newest)
    settled(plant)
    assert plant.alerts("broker_bust")
    plant.fill(1)
    settled(plant, 1)

    starts = len(plant.said("run.started"))
    os.kill(plant.pid("core"), signal.SIGKILL)
    plant.until(lambda: len(plant.said("run.started")) > starts and plant.is_ready(), "the core is not back")
    settled(plant, 1)
    plant.fill(2)
    settled(plant)


@pytest.mark.slow
def test_a_position_that_was_closed_by_hand_is_given_up(plant: Hedging) -> None:
    """The broker rejects a close of what is not there; a person says so, and the rest is closed."""
    plant.fill(1)
    settled(plant, 1)
    plant.fill(1)
    settled(plant, 1, 1)
    gone = next(iter(plant.names()))

    def by_hand() -> None:
        account = plant.good.broker.book.accounts[f"F{GOOD}"]
        account.move_ticket(gone, "EURUSD", Decimal(-LOT))
        account.positions["EURUSD"] -= LOT

    plant.good.call(by_hand)
    plant.fill(2, 2 * LOT)
    plant.until(lambda: bool(plant.alerts("close_rejected")), "the close is not rejected")

    def said() -> bool:
        words = [
            "position",
            f"f{GOOD}<alpha",
            "EURUSD",
            gone,
            "--units",
            "0",
            "--reason",
            "by hand",
            "--json",
        ]
        done = CliRunner().invoke(app, [str(plant.config), *words, "--as", "ann"])
        return done.exit_code == 0 and "holds 0 units" in json.loads(done.output)["said"]

    plant.until(said, "the command is not taken between two tries")
    settled(plant)
    assert plant.position(plant.good) == 0
