"""The generated market and the simulated leader: seeded, whole ticks, always ending flat."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.sim.market import DEMO_INSTRUMENTS, Market, SimInstrument
from gateway.sim.scenario import BUY, LeaderScenario

ZERO = Decimal(0)


def apply(positions: dict[str, Decimal], symbol: str, side: str, qty: Decimal) -> None:
    """Books one filled trade."""
    positions[symbol] = positions.get(symbol, ZERO) + (qty if side == BUY else -qty)


@given(seed=st.integers(0, 2**32), steps=st.integers(1, 60))
def test_the_same_seed_gives_the_same_quotes(seed: int, steps: int) -> None:
    """Two markets of one seed never differ."""
    one, other = Market(seed), Market(seed)
    for _ in range(steps):
        assert one.step() == other.step()


@given(seed=st.integers(0, 2**32))
def test_quotes_are_whole_ticks_with_the_bid_below_the_ask(seed: int) -> None:
    """Every price divides by its tick, is positive, and the spread is the instrument's."""
    market = Market(seed)
    for _ in range(50):
        for quote in market.step():
            instrument = market.instruments[quote.symbol]
            assert quote.bid % instrument.tick == 0
            assert quote.bid > 0
            assert quote.ask - quote.bid == instrument.tick * instrument.spread_ticks


def test_a_price_never_walks_below_its_floor() -> None:
    """An instrument that starts at the floor with large moves stays positive."""
    wild = SimInstrument("WILD", Decimal("0.01"), 5, 2, 1000, Decimal(1))
    market = Market(1, (wild,))
    assert all(market.step()[0].bid > 0 for _ in range(2000))


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), trades=st.integers(0, 120))
def test_the_leader_always_ends_flat(seed: int, trades: int) -> None:
    """Whatever was traded, filling the flatten trades leaves no position."""
    scenario = LeaderScenario(seed, DEMO_INSTRUMENTS)
    positions: dict[str, Decimal] = {}
    for _ in range(trades):
        trade = scenario.next_trade(positions)
        assert trade.qty > 0
        apply(positions, trade.symbol, trade.side, trade.qty)
    for trade in scenario.flatten(positions):
        apply(positions, trade.symbol, trade.side, trade.qty)
    assert not any(positions.values())
    assert scenario.flatten(positions) == []


def test_the_leader_shows_every_kind_of_trade() -> None:
    """A hundred trades hold opens, adds, partial closes, flips, closes, and both sides."""
    scenario = LeaderScenario(7, DEMO_INSTRUMENTS)
    positions: dict[str, Decimal] = {}
    seen: set[str] = set()
    sides: set[str] = set()
    for _ in range(200):
        trade = scenario.next_trade(positions)
        before = positions.get(trade.symbol, ZERO)
        apply(positions, trade.symbol, trade.side, trade.qty)
        after = positions[trade.symbol]
        assert (before * after < 0) == (trade.why == "flip")
        seen.add(trade.why)
        sides.add(trade.side)
    assert seen == {"open", "add", "part", "flip", "close"}
    assert sides == {"1", "2"}


def test_a_leader_without_lots_is_refused() -> None:
    """The bound is named in the error."""
    with pytest.raises(ValueError, match="lots_max: must be at least 1 lot, got 0"):
        LeaderScenario(1, DEMO_INSTRUMENTS, lots_max=0)
