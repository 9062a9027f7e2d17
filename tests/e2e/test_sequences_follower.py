"""The copy trader's own log (`ctrader-copytrader-2023`) with us in its place: units, refusal, new logon."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway import control, demo
from gateway.clock import wait_until
from gateway.config import load
from gateway.demo_config import DemoDeployment
from gateway.sim.fix_server import free_port
from tests.e2e.sequence_rig import Venue, listening, sequences, tag
from tests.session.harness import RawPeer, field

CONFIG = """
[gateway]
deployment = "copytrader"
[instruments.EURJPY]
contract_size = 100000
lot_step = "0.01"
min_lot = "0.01"
tick = "0.001"
currency = "JPY"
[sessions.LEADER]
role = "acceptor"
begin_string = "FIX.4.4"
sender_comp_id = "COPYGATE"
target_comp_id = "LEADERBROKER"
host = "127.0.0.1"
port = {LEADER}
profile = "copygate44"
[sessions.CTRADER]
role = "acceptor"
begin_string = "FIX.4.4"
sender_comp_id = "demo.ctrader.3697899"
target_comp_id = "CServer"
sender_sub_id = "TRADE"
target_sub_id = "TRADE"
host = "127.0.0.1"
port = {CTRADER}
profile = "ctrader"
reset = "on_logon"
[leaders.alpha]
session = "LEADER"
assume_flat = true
[routes.ctrader]
session = "CTRADER"
[followers.c1]
route = "ctrader"
symbols = {{ "3" = "EURJPY" }}
[[subscriptions]]
follower = "c1"
leader = "alpha"
sizing = {{ mode = "lots_multiplier", k = "0.1" }}
"""
START_MS, SEEN_MS = 60_000, 30_000


@dataclass
class Exchange:
    """A gateway, the leader's broker, and the follower's cTrader."""

    deployment: DemoDeployment
    leader: Venue
    fills: int = 0

    def ctrader(self) -> Venue:
        """A new connection of the follower's broker, logged on with number 1."""
        peer = RawPeer.connect(self.deployment.ports["CTRADER"])
        venue = Venue(peer, "FIX.4.4", "CServer", "demo.ctrader.3697899")
        venue.log_on()
        return venue

    def sold(self, units: int) -> None:
        """The leader sells EURJPY."""
        self.fills += 1
        now, n = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3], self.fills
        self.leader.peer.say(
            self.leader.framed(
                "8",
                f"37=L{n}|17=E{n}|150=F|39=2|1=L|55=EURJPY|54=2|38={units}|32={units}|31=157|14={units}|151=0|60={now}|",
            )
        )

    def status(self) -> dict[str, Any]:
        """The core's view."""
        return control.ask(load(self.deployment.config), {"cmd": "status"})

    def route_is(self, up: bool) -> bool:
        """Whether the core knows that the line is there, or gone."""
        return bool(self.status()["routes"][0]["up"]) is up


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """The running gateway; both counterparties are ours."""
    deployment = DemoDeployment(tmp_path, (), {"LEADER": free_port(), "CTRADER": free_port()})
    deployment.config.write_text(CONFIG.format(**deployment.ports), encoding="utf-8")
    gateway = demo.start_gateway(deployment)
    try:
        for port in deployment.ports.values():
            assert wait_until(lambda port=port: listening(port), START_MS, 50), port  # type: ignore[misc]
        leader = Venue(RawPeer.connect(deployment.ports["LEADER"]), "FIX.4.4", "LEADERBROKER", "COPYGATE")
        leader.log_on()
        yield Exchange(deployment, leader)
    finally:
        RawPeer.close_all()
        demo.stop_gateway(gateway)


@pytest.mark.slow
def test_the_copy_traders_order_is_in_units_and_its_refusal_is_final(exchange: Exchange) -> None:
    """1.2 leader lots at a tenth are 12000 units of symbol 3; a refusal by 35=j drops the open, the next
    one after a new logon is accepted and filled."""
    refusal, _, accepted = sequences()["ctrader-copytrader-2023"]["messages"]
    broker = exchange.ctrader()
    assert wait_until(lambda: exchange.route_is(True), START_MS, 50)
    exchange.sold(120_000)
    order = broker.peer.hear_type("D")
    assert (field(order, 38), field(order, 55), field(order, 54)) == ("12000", "3", "2")
    assert (field(order, 50), field(order, 57), field(order, 1)) == ("TRADE", "TRADE", "")
    broker.peer.say(broker.reframed(refusal.replace(tag(refusal, 379), field(order, 11))))
    assert wait_until(lambda: exchange.status()["refusals"] == {"broker_reject": 1}, SEEN_MS, 50)
    broker.peer.close()
    assert wait_until(lambda: exchange.route_is(False), SEEN_MS, 50)

    broker = exchange.ctrader()
    assert wait_until(lambda: exchange.route_is(True), SEEN_MS, 50)
    exchange.sold(120_000)
    second = broker.peer.hear_type("D")
    assert field(second, 38) == "12000"
    assert field(second, 11) != field(order, 11)
    news = accepted.replace(tag(accepted, 11), field(second, 11))
    broker.peer.say(broker.reframed(news))
    fill = (
        news.replace("|39=0|", "|39=2|").replace("|150=0|", "|150=F|").replace("|14=0|", "|14=12000|6=157.7|")
    )
    broker.peer.say(broker.reframed(fill.replace("|151=12000|", "|151=0|32=12000|")))
    assert wait_until(lambda: exchange.status()["follower_fills"] == 1, SEEN_MS, 50)
    line = exchange.status()["subscriptions"][0]
    assert (line["filled"], line["working"], line["unknown"]) == ("-12000", "0", 0)
    assert exchange.status()["orders_sent"] == 2
