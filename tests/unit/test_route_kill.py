"""A stop of one part, left without a core: what the route sends, and what it holds back by itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway._fastcore import Pipeline, RoutePipeline
from gateway.config import core_json, load
from gateway.kill_file import LeftStop, leave, place_of
from gateway.kill_parts import packed
from gateway.route import OwnKill
from gateway.sim.text import Fields, decode, encode, first, utc
from tests.unit.config_text import changed, write

START_NS = 1_700_000_000_000_000_000
FIX = "FIX.4.4"
TEXT = changed(
    'route = "r2"\naccount = "F2"',
    'route = "r1"\naccount = "F2"\nsymbols = { "EUR/USD" = "EURUSD", GOLD = "GOLD" }',
).replace('sizing = { mode = "equity", k = 1 }\nmax_ratio = 10', 'sizing = { mode = "multiplier", k = 1 }')


class Rig:
    """A core and one route with two followers, f1 and f2, whose broker fills everything at once."""

    def __init__(self, folder: Path) -> None:
        config = load(write(folder, TEXT))
        self.state = config.state_dir
        self.now, self.seq = START_NS, 0
        self.core = Pipeline.open(folder / "journal.db", core_json(config), "process", self.now)
        self.route = RoutePipeline.open(folder / "route" / "route.db", "r1", ["R1"], 60_000, self.now)
        self.own = OwnKill(self.state, "r1", packed(config), self.route)
        self.core.receive(self.route.identity, self.route.hello(self.now), self.now)
        self.route.session("R1", True, self.now)
        self.pump()

    def pump(self) -> list[str]:
        """Frames both ways; account and symbol of what left."""
        left = []
        for _ in range(4):
            for _, frame in (*self.core.beat(self.now), *self.core.drain()):
                for message in (decode(raw) for _, raw in self.route.receive(frame, self.now)):
                    if first(message, 35) == "D":
                        left.append(f"{first(message, 1)} {first(message, 55)}")
                        self.fill(message)
            for frame in self.route.pending():
                self.core.receive(self.route.identity, frame, self.now)
        return sorted(left)

    def fill(self, order: Fields) -> None:
        self.seq += 1
        kept = [(tag, value) for tag, value in order if tag in (11, 1, 55, 54, 38)]
        qty = first(order, 38)
        body: Fields = [(35, "8"), (34, str(self.seq)), (37, f"b{self.seq}"), (17, f"x{self.seq}"), *kept,
                        (150, "F"), (39, "2"), (32, qty), (31, "1.1"), (14, qty), (151, "0"),
                        (60, utc(self.now))]  # fmt: skip
        self.route.record("R1", self.seq, encode(FIX, body), self.now)

    def leader(self, side: str, symbol: str, qty: str) -> list[str]:
        """What leaves for a leader's trade."""
        self.now += 1_000_000_000
        self.seq += 1
        self.own.look()
        body: Fields = [(35, "8"), (34, str(self.seq)), (1, "L1"), (37, f"o{self.seq}"), (17, f"e{self.seq}"),
                        (150, "F"), (39, "2"), (55, symbol), (54, side), (38, qty), (32, qty), (31, "1.1"),
                        (14, qty), (151, "0"), (60, utc(self.now))]  # fmt: skip
        self.core.submit("leader", "LEADER", encode(FIX, body), self.now)
        return self.pump()


BUY, SELL = "1", "2"


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    """Both followers hold gold."""
    made = Rig(tmp_path)
    assert made.leader(BUY, "GOLD", "100") == ["F1 GOLD", "F2 GOLD"]
    yield made
    made.core.close()


@pytest.mark.parametrize(
    ("stop", "opens", "closes"),
    [
        (LeftStop("no_opens", "ann", "follower", "f1"), ["F2 EUR/USD"], ["F1 GOLD", "F2 GOLD"]),
        (LeftStop("close_only", "ann", "follower", "f1"), ["F2 EUR/USD"], ["F1 GOLD", "F2 GOLD"]),
        (LeftStop("halt", "ann", "follower", "f1"), ["F2 EUR/USD"], ["F2 GOLD"]),
        (LeftStop("halt", "ann", "instrument", "GOLD"), ["F1 EURUSD", "F2 EUR/USD"], []),
        (LeftStop("no_opens", "ann", "instrument", "EURUSD"), [], ["F1 GOLD", "F2 GOLD"]),
        (LeftStop("close_only", "ann", "route", "r1"), [], ["F1 GOLD", "F2 GOLD"]),
        (LeftStop("halt", "ann", "route", "r2"), ["F1 EURUSD", "F2 EUR/USD"], ["F1 GOLD", "F2 GOLD"]),
    ],
)
def test_a_route_holds_back_one_part_by_itself(
    rig: Rig, stop: LeftStop, opens: list[str], closes: list[str]
) -> None:
    """The core knows of no stop; closes go out below `halt`, and everything again once it is gone."""
    leave(rig.state, stop)
    assert rig.leader(BUY, "EURUSD", "100000") == opens
    assert rig.leader(SELL, "GOLD", "100") == closes
    place_of(rig.state, stop.scope, stop.name).unlink()
    # Closes that were held back go out by themselves before, or with this trade.
    assert {"F1 EURUSD", "F2 EUR/USD"} <= set(rig.leader(BUY, "EURUSD", "100000"))


def test_two_parts_are_held_back_together(rig: Rig) -> None:
    """The second stop does not release the first."""
    leave(rig.state, LeftStop("no_opens", "ann", "follower", "f1"))
    assert rig.leader(BUY, "EURUSD", "100000") == ["F2 EUR/USD"]
    leave(rig.state, LeftStop("no_opens", "ann", "instrument", "EURUSD"))
    assert rig.leader(BUY, "EURUSD", "100000") == []
    assert rig.leader(BUY, "GOLD", "100") == ["F2 GOLD"]
