"""A line breaks for longer than allowed: orders go by the reserve, and come back, each one once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.control_cli import app
from gateway.keys import write_pair
from gateway.sim.broker import Behaviour
from gateway.sim.fix_server import FixServer, SimSession
from tests.e2e.plant import GOOD, LOT, SESSION, Plant, started
from tests.fault.proxy import Proxy

RESERVE = """
[routes.r1.switch]
down_ms = 1000
back_ms = 2000

[routes.r1b]
session = "Q1B"
public_key_file = "keys/r1b.public"
secret_key_file = "keys/r1b.secret"
"""


class TwoLines(Plant):
    """A plant whose good broker has two sessions; the first one goes by a cable that can be cut."""

    BROKERS = "Q"
    cable: Proxy

    def close(self) -> None:
        super().close()
        self.cable.close()

    def _write(self) -> None:
        primary = self.name(GOOD)
        real = self._ports[primary]
        self.cable = Proxy(real)
        self._ports[primary] = self.cable.port
        super()._write()
        self._ports[primary] = real
        route = f'session = "{primary}"\n'
        text = self.config.read_text("utf-8").replace(route, f'{route}reserve = "r1b"\n')
        self.config.write_text(text + SESSION.format(name="Q1B", port=real) + RESERVE, "utf-8")
        write_pair(self.folder / "keys", "r1b")

    def _broker(self, n: int, behaviour: Behaviour, *more: SimSession) -> FixServer:
        return super()._broker(n, behaviour, *(SimSession("Q1B") for _ in range(n == GOOD)), *more)

    def is_ready(self) -> bool:
        return super().is_ready() and self.route("r1b")["up"] is True

    def route(self, name: str) -> dict[str, Any]:
        """A route in the status; empty while there is none."""
        routes = self.status().get("routes", [])
        return next((one for one in routes if one["name"] == name), {"up": False, "on_reserve": None})


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[TwoLines]:
    """A running deployment."""
    with started(TwoLines(tmp_path)) as running:
        yield running


@pytest.mark.slow
def test_orders_go_by_the_reserve_and_come_back_each_one_once(plant: TwoLines) -> None:
    """The leader trades on while the line is down; an order that waits for it goes the other way too."""
    plant.copies_a_round_trip()
    plant.cable.cut(600)
    plant.until(lambda: not plant.route("r1")["up"], "the line is not down")
    before = plant.orders(plant.good)
    plant.fill(1)
    plant.until(lambda: plant.position(plant.good) == LOT, "the fill is not copied by the reserve")
    plant.until(lambda: plant.held(GOOD) == LOT, "its report is not counted")
    assert plant.route("r1")["on_reserve"] is True
    assert "by r1b: it is down for 1000 ms" in str(plant.alerts("route_switched"))
    plant.fill(2)
    plant.until(lambda: plant.position(plant.good) == 0, "the close is not copied by the reserve")
    plant.cable.cut(0)
    plant.until(lambda: plant.route("r1")["on_reserve"] is False, "orders do not come back")
    plant.copies_a_round_trip()
    assert plant.orders(plant.good) == before + 4
    assert plant.doubled() == 0


@pytest.mark.slow
def test_a_person_sends_orders_by_the_reserve(plant: TwoLines) -> None:
    """By hand, and back; what the broker has from the first session is closed by the second."""
    plant.fill(1)
    plant.until(lambda: plant.held(GOOD) == LOT, "the fill is not copied")
    for to, on_reserve in (("reserve", True), ("primary", False)):
        words = ["reroute", "r1", "--to", to, "--as", "ann"]
        done = CliRunner().invoke(app, [str(plant.config), *words])
        assert done.exit_code == 0, done.output
        assert f"by the {to}, by ann" in done.output
        plant.until(lambda on=on_reserve: plant.route("r1")["on_reserve"] is on, f"not by the {to}")  # type: ignore[misc]
        plant.fill(2 if on_reserve else 1)
        plant.until(lambda on=on_reserve: plant.held(GOOD) == (0 if on else LOT), "not copied")  # type: ignore[misc]
    assert (
        "reserve r1b, until a person says otherwise"
        in CliRunner().invoke(app, [str(plant.config), "status"], env={"COLUMNS": "200"}).output
    )
    assert plant.doubled() == 0
