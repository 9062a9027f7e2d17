"""The watchdogs of a running deployment: what turns bad is told, acted on, and told again when it is good."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from gateway import clock, control
from gateway.watch_process import LOOK_MS
from tests.e2e.plant import LOT, RAW, Plant
from tests.session.harness import field

WATCH = """
[watch]
memory_mib = 1
route_rows = 60
route_rows_action = "no_opens"
window_full_ms = 500
"""
ROWS = 150
"""Less than the core takes in one turn: it must see a heartbeat behind them before it looks."""
ATTEMPTS = 5
HELD_MS = LOOK_MS + 300
"""The core looks again as soon as it goes on."""
ROUTE = f"r{RAW}"


class Watched(Plant):
    """A plant whose bounds are so low that they are met, and whose sessions take one order at a time."""

    BROKERS = "W"

    def _write(self) -> None:
        super()._write()
        text = self.config.read_text(encoding="utf-8")
        text = text.replace("reconnect_s = 1\n", "reconnect_s = 1\nmax_unacked = 1\n")
        self.config.write_text(text + WATCH, encoding="utf-8")

    def turns(self, event: str, code: str, **where: str) -> list[str]:
        """What the log says of one watchdog, in order."""
        rows = [row for row in self.said(event) if row["code"] == code]
        return [row["turn"] for row in rows if where.items() <= row.items()]

    def hold_core(self, number: signal.Signals) -> None:
        """Stops the core as its machine would, or lets it go on."""
        os.kill(self.pid("core"), number)

    def pile_up(self) -> bool:
        """A broker talks while the core hangs. True: the core has seen how many rows its route kept."""
        told = len(self.turns("route.watch", "route_rows"))
        self.hold_core(signal.SIGSTOP)
        try:
            for number in range(ROWS):
                self.raw.say("B", f"148=headline {number}|33=0|")
            until_ms = clock.steady_ms() + HELD_MS
            self.until(
                lambda: clock.steady_ms() > until_ms and len(self.turns("route.watch", "route_rows")) > told,
                "the route tells",
            )
        finally:
            self.hold_core(signal.SIGCONT)
        done = ["bad", "good again"]
        self.until(lambda: self.turns("route.watch", "route_rows")[-2:] == done, "and that they are taken")
        return bool(self.turns("core.watch", "route_rows", route=ROUTE))

    def tell(self, command: dict[str, Any]) -> None:
        """An operator's command."""
        control.ask(self._read_config, {**command, "who": "test"})

    def stops(self) -> list[tuple[str, str, str]]:
        """What is stopped: scope, name, level."""
        return [(one["scope"], one["name"], one["level"]) for one in self.status().get("stops", [])]


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    """One for both tests: a start costs seconds."""
    made = Watched(tmp_path_factory.mktemp("watched"))
    try:
        made.until(made.is_ready, "the deployment does not start")
        yield made
    finally:
        made.close()


@pytest.mark.slow
def test_a_broker_that_does_not_read_is_told_and_told_again_when_it_does(plant: Watched) -> None:
    """Also: memory above its bound, in every process."""
    plant.until(lambda: plant.turns("core.watch", "memory") == ["bad"], "the core's memory is told")
    plant.until(
        lambda: {row["process"] for row in plant.said("route.watch")} >= {f"route:r{n}" for n in (1, 2, 4)},
        "the routes' memory is told",
    )
    process = {"process": f"route:{ROUTE}"}
    plant.raw.answers_fences = False
    plant.fill(1)
    plant.until(lambda: plant.turns("route.watch", "window", **process) == ["bad"], "a full window is told")
    plant.raw.answers_fences = True
    plant.raw.say("0", f"112={plant.raw.fences[-1]}|")
    plant.until(
        lambda: plant.turns("route.watch", "window", **process) == ["bad", "good again"],
        "and that it is open",
    )
    plant.fill(2)
    plant.until(lambda: plant.rests(RAW) and plant.held(RAW) == 0, "and the close is copied")


@pytest.mark.slow
def test_a_route_whose_rows_nobody_takes_opens_nothing_more_and_closes(plant: Watched) -> None:
    """The core hangs while a broker talks: told by both, and held back until a person releases it."""
    plant.fill(1)
    plant.until(lambda: plant.held(RAW) == LOT, "the fill is copied")
    # A core that was stopped between its sockets and its heartbeat takes the rows before it looks.
    assert any(plant.pile_up() for _ in range(ATTEMPTS))
    turns = ["bad", "good again"]
    plant.until(
        lambda: plant.turns("core.watch", "route_rows", route=ROUTE) == turns, "the core tells of both"
    )
    plant.until(lambda: ("route", ROUTE, "no_opens") in plant.stops(), "the route is stopped")
    orders = len(plant.raw.heard_of("D"))
    plant.fill(1)
    plant.until(lambda: plant.position(plant.good) == 2 * LOT, "the others open")
    plant.fill(2, 2 * LOT)
    plant.until(lambda: plant.rests(RAW) and plant.held(RAW) == 0, "the close is not held back")
    assert [field(raw, 54) for raw in plant.raw.heard_of("D")[orders:]] == ["2"], "and nothing was opened"
    plant.tell({"cmd": "arm", "route": ROUTE})
    plant.until(lambda: not plant.stops(), "a person releases it")
    plant.copies_a_round_trip()
