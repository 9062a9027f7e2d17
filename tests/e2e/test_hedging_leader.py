"""A leader whose broker keeps positions side by side: followers hold his net, and his broker's answers break
nothing."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gateway.control_cli import app
from gateway.resources import profiles
from gateway.sim.actors import LeaderTicker, MarketTicker, demo_accounts
from gateway.sim.broker import Behaviour, Broker
from gateway.sim.fix_server import FixServer, SimSession, free_port
from gateway.sim.market import DEMO_INSTRUMENTS, Market
from gateway.sim.reports import Outgoing
from gateway.sim.scenario import LeaderScenario
from gateway.sim.text import Fields, first, number
from tests.e2e.plant import GOOD, LOT, RAW, Plant, started

HIS = "HLEAD"
"""CompID of his broker."""


class Asked(Broker):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__(5, demo_accounts(["LEADER"]), Behaviour(hedging=True, partial_per_10k=5_000))
        self.kinds: list[str] = []

    def receive(self, session: str, fields: Fields, now_ns: int) -> list[Outgoing]:
        """As the broker does."""
        self.kinds.append(first(fields, 35))
        return super().receive(session, fields, now_ns)


class HedgingLeader(Plant):
    """A plant whose leader is a client of a hedging broker, and holds a pair before anybody listens."""

    BROKERS = "L"

    def _write(self) -> None:
        super()._write()
        self.leader.close()
        port = free_port()
        text = self.config.read_text("utf-8").replace("assume_flat = true\n", "")
        text = text.replace("[gateway]", '[gateway]\nprofiles_dir = "profiles"', 1)
        old = f'port = {self._ports["LEADER"]}\nprofile = "copygate44"'
        assert old in text
        text = text.replace(old, f'port = {port}\nprofile = "apart"')
        text = text.replace('target_comp_id = "LEADER"', f'target_comp_id = "{HIS}"')
        self.config.write_text(text, "utf-8")
        ours = (profiles() / "copygate44.toml").read_text("utf-8").replace('"copygate44"', '"apart"')
        keys = 'position_model = "hedging"\nposition_id_tag = 721\n[supports]'
        ours = ours.replace('recovery = "resend"', 'recovery = "none"').replace("[supports]", keys)
        (self.folder / "profiles").mkdir()
        (self.folder / "profiles" / "apart.toml").write_text(ours, "utf-8")
        self.his = Asked()
        account = self.his.book.accounts["LEADER"]
        self.trader = LeaderTicker(LeaderScenario(1, DEMO_INSTRUMENTS), account, HIS)
        market = MarketTicker(Market(9), self.his)
        self.desk = FixServer(self.his, [SimSession(HIS)], port, self.folder / "his", [market, self.trader])
        self.before = [self._held_before("1", LOT), self._held_before("2", LOT)]
        self.desk.start()
        self._stack.callback(self.desk.stop)

    def _held_before(self, side: str, qty: int) -> str:
        """A position that he opened when nobody listened: its reports were never sent."""
        self._serial += 1
        request: Fields = [(35, "D"), (11, f"B{self._serial}"), (1, "LEADER"), (55, "EURUSD")]
        request += [(54, side), (38, str(qty)), (40, "1")]
        then_ns = time.time_ns() - 3_600 * 10**9
        self.his.receive("NOBODY", request, then_ns)
        self.his.advance(then_ns + 10**9)
        self.his.kinds.clear()
        return next(reversed(self.his.book.orders.values())).position_id

    def is_ready(self) -> bool:
        """His session is up, his answer is known, and every route but the silent one is linked."""
        status = self.status()
        ready = {route["name"] for route in status.get("routes", []) if route["up"] and route["synced"]}
        return HIS in self.desk.logged_on and ready >= {"r1", "r2", "r4"} and bool(self.his_positions())

    def his_positions(self) -> dict[str, Any]:
        """What the core has of him: net, positions and what has no name."""
        held = self.status().get("leader_positions", [])
        return held[0] if held else {}

    def trade(self, side: str, qty: int, position: str = "") -> str:
        """His order, filled; gives the position."""
        self._serial += 1
        name = f"T{self._serial}"
        request: Fields = [(35, "D"), (11, name), (1, "LEADER"), (55, "EURUSD"), (54, side)]
        request += [(38, number(Decimal(qty))), (40, "1"), (59, "0")]
        request += [(721, position)] if position else []
        self.desk.call(lambda: self.trader.ask(request))

        def done() -> bool:
            order = self.desk.call(lambda: self.his.book.find("LEADER", name))
            return order is not None and order.ord_status == "2"

        self.until(done, f"{name} is not filled")
        order = self.desk.call(lambda: self.his.book.find("LEADER", name))
        assert order is not None
        return order.position_id

    def nets(self, net: int, *positions: tuple[str, int]) -> None:
        """His net, what it consists of, and what each follower holds."""
        wanted = sorted((one, str(units)) for one, units in positions)

        def known() -> bool:
            held = self.his_positions()
            named = sorted((p["id"], p["units"]) for p in held.get("positions", []))
            return named == wanted and held.get("unnamed", "0") == "0"

        self.until(known, f"the core does not know {wanted}")
        self.until(lambda: self.held(GOOD) == self.held(RAW) == net, f"followers do not hold {net}")
        self.until(lambda: self.position(self.good) == net, "the follower's broker has something else")


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[HedgingLeader]:
    """A running deployment."""
    with started(HedgingLeader(tmp_path)) as running:
        yield running


@pytest.mark.slow
def test_a_hedging_leader_is_copied_by_his_net(plant: HedgingLeader) -> None:
    """What he held before is known by an answer of two rows. Long A, short B, half of B closed, A closed; a
    core that was killed asks again, and the rows of the answer make no break."""
    old_long, old_short = plant.before
    plant.nets(0, (old_long, LOT), (old_short, -LOT))
    a = plant.trade("1", 2 * LOT)
    plant.nets(2 * LOT, (old_long, LOT), (old_short, -LOT), (a, 2 * LOT))
    plant.trade("2", LOT, old_long)
    plant.trade("1", LOT, old_short)
    b = plant.trade("2", LOT)
    plant.nets(LOT, (a, 2 * LOT), (b, -LOT))
    plant.trade("1", LOT // 2, b)
    plant.nets(LOT + LOT // 2, (a, 2 * LOT), (b, -LOT // 2))
    shown = CliRunner().invoke(app, [str(plant.config), "status"]).output
    assert all(word in shown for word in ("hedging leader", a, b)), shown

    for _ in range(2):
        asked, starts = plant.his.kinds.count("AN"), len(plant.said("run.started"))
        os.kill(plant.pid("core"), signal.SIGKILL)
        plant.until(lambda n=starts: len(plant.said("run.started")) > n and plant.is_ready(), "no core")  # type: ignore[misc]
        plant.until(lambda n=asked: plant.his.kinds.count("AN") > n, "his broker is not asked")  # type: ignore[misc]
        plant.nets(LOT + LOT // 2, (a, 2 * LOT), (b, -LOT // 2))

    plant.trade("2", 2 * LOT, a)
    plant.nets(-LOT // 2, (b, -LOT // 2))
    plant.trade("1", LOT // 2, b)
    plant.nets(0)
    assert plant.doubled() == 0
    odd = ("leader_drift", "leader_unnamed", "leader_position_odd", "leader_position_break", "position_break")
    assert not [row for row in plant.log if row.get("code") in odd]
