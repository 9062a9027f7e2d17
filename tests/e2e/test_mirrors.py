"""Working orders are mirrored over real FIX sessions: placed, changed, cancelled and filled as his."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.demo_config import LEADER_ACCOUNT
from gateway.sim.book import LIVE, Order
from gateway.sim.fix_server import FixServer
from gateway.sim.text import Fields, number
from tests.e2e.trading import BACK_MS, TRADE_MS, Run, started

SYMBOL, LOTS = "EURUSD", Decimal(100_000)


def mirrored(text: str) -> str:
    """The demo's file, where every subscription mirrors orders, in whole lots, never above its share."""
    whole = re.sub(r'rounding = "\w+"\n?', "", text)
    return whole.replace('leader = "alpha"', 'leader = "alpha"\ncopy = "orders"')


def read(server: FixServer) -> list[Order]:
    """Every order of a broker, as copies: its thread goes on."""
    return server.call(lambda: [replace(order) for order in server.broker.book.orders.values()])


def working(run: Run) -> list[Order]:
    """Limit and stop orders that work at the followers' brokers."""
    books = [read(server) for server in run.parties.brokers]
    return [order for book in books for order in book if order.state in LIVE and order.order_type != "1"]


def positions(server: FixServer) -> dict[str, Decimal]:
    """What the accounts of one broker hold."""
    accounts = server.broker.book.accounts
    return server.call(
        lambda: {name: one.positions.get(SYMBOL, Decimal(0)) for name, one in accounts.items()}
    )


def holdings(run: Run) -> dict[str, Decimal]:
    """What followers hold at their brokers."""
    return {name: qty for server in run.parties.brokers for name, qty in positions(server).items()}


def until_all(run: Run, what: str, names: set[str], fits: Callable[[Order], bool]) -> None:
    """Waits until these accounts have one order each that works, and all of them fit."""

    def done() -> bool:
        orders = working(run)
        return sorted(order.account for order in orders) == sorted(names) and all(map(fits, orders))

    run.until(f"{what}: {working(run)}", BACK_MS, done)


def ask(run: Run, kind: str, cl_ord_id: str, lots: int, rest: Fields) -> None:
    """The leader sends his broker an order, or asks to replace or cancel one."""
    order: Fields = [
        (35, kind),
        (11, cl_ord_id),
        (1, LEADER_ACCOUNT),
        (55, SYMBOL),
        (38, number(lots * LOTS)),
    ]
    run.parties.leader.call(lambda: run.parties.trader.ask([*order, (59, "1"), *rest]))


def limit(px: str, of: str = "") -> Fields:
    """A limit buy; `of`: in the place of that order."""
    return [(54, "1"), (40, "2"), (44, px), *([(41, of)] if of else [])]


def stop(px: str, of: str = "") -> Fields:
    """A stop that sells."""
    return [(54, "2"), (40, "3"), (99, px), *([(41, of)] if of else [])]


@pytest.mark.slow
def test_a_working_order_lives_and_ends_with_the_leaders(tmp_path: Path) -> None:
    """One order for each of four followers: placed, replaced, cancelled, filled, protected by a stop."""
    with started(tmp_path, 4, 2, mirrored, trades=False) as run:
        run.until("no prices", TRADE_MS, lambda: SYMBOL in run.parties.leader.broker.quotes)
        names = {follower.account for follower in run.deployment.followers}
        amount = {
            follower.account for follower in run.deployment.followers if "fixed" in follower.shape.label
        }
        ask(run, "D", "W1", 2, limit("0.5"))
        until_all(run, "not placed", names, lambda o: o.px == Decimal("0.5"))
        sizes = {order.account: order.order_qty for order in working(run)}
        ask(run, "G", "W2", 2, limit("0.6", "W1"))
        until_all(run, "not replaced", names, lambda o: o.px == Decimal("0.6"))
        ask(run, "G", "W3", 4, limit("0.6", "W2"))
        grown = {name: size * (1 if name in amount else 2) for name, size in sizes.items()}
        until_all(run, "not grown", names, lambda o: o.order_qty == grown[o.account])
        ask(run, "F", "W4", 4, limit("0.6", "W3"))
        until_all(run, "not cancelled", set(), lambda _: True)
        before = run.fills()
        ask(run, "D", "W5", 2, limit("9"))
        run.until("not filled", BACK_MS, lambda: run.fills() >= before + len(names))
        until_all(run, "still working", set(), lambda _: True)
        protected(run, names)


def protected(run: Run, names: set[str]) -> None:
    """The leader's stop: of what each follower holds; moved beyond the market it closes everybody."""
    ask(run, "D", "S1", 2, stop("0.4"))
    until_all(run, "no stops", names, lambda o: o.order_type == "3" and o.stop_px == Decimal("0.4"))
    held = holdings(run)
    assert {order.account: order.order_qty for order in working(run)} == {name: held[name] for name in names}
    ask(run, "G", "S2", 2, stop("8", "S1"))
    run.until("not flat", BACK_MS, lambda: not any(holdings(run).values()))
    run.finish()
    verdict = run.verdict()
    assert verdict.good, verdict.reasons


def beside_fills(text: str) -> str:
    """The demo's file, where every subscription copies fills, and stops."""
    return text.replace('leader = "alpha"', 'leader = "alpha"\ncopy_stops = true')


@pytest.mark.slow
def test_stops_are_copied_beside_fills(tmp_path: Path) -> None:
    """What the leader's entry and take profit do is copied when they fill; his stop rests at every broker."""
    with started(tmp_path, 4, 2, beside_fills, trades=False) as run:
        run.until("no prices", TRADE_MS, lambda: SYMBOL in run.parties.leader.broker.quotes)
        names = {follower.account for follower in run.deployment.followers}
        ask(run, "D", "W1", 2, limit("0.5"))
        ask(run, "D", "W2", 2, limit("9"))
        run.until("not copied", BACK_MS, lambda: all(holdings(run).get(name) for name in names))
        assert not working(run), "the entry that waits is his alone"
        ask(run, "F", "W3", 2, limit("0.5", "W1"))
        protected(run, names)


@pytest.mark.slow
def test_a_trading_leader_is_mirrored_and_ends_flat(tmp_path: Path) -> None:
    """The demo's leader, whose market orders are mirrored as they begin: adds, part closes, flips. Books and
    ledger agree, and everybody is flat with him."""
    with started(tmp_path, 4, 2, mirrored) as run:
        run.traded(40)
        run.finish()
        verdict = run.verdict()
        assert verdict.good, verdict.reasons
