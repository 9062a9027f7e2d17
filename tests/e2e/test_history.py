"""Four real account histories through the real core: every row, three followers, and the statement."""

from __future__ import annotations

import csv
from decimal import Decimal
from fractions import Fraction
from functools import cache
from pathlib import Path

import pytest

from gateway.sim import history_copy
from gateway.sim.broker import Behaviour
from gateway.sim.history import contract_units, instrument_name, load
from gateway.sim.history_copy import CopyResult

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = ("heiken-ashi", "jsacap", "mt4-ntfy", "tianye")
ROWS = {"heiken-ashi": 26, "jsacap": 129, "mt4-ntfy": 1097, "tianye": 1921}


def rows_of(name: str) -> list[dict[str, str]]:
    """The statement's rows, read without the code under test; a missing folder is a failure with a hint."""
    path = DATA / f"history-mt4-{name}.csv"
    assert path.is_file(), f"test data missing: put the shared data folder at {DATA}"
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


@cache
def copied(name: str) -> CopyResult:
    """The copied statement; each is run once for all tests."""
    rows_of(name)
    return history_copy.run(load(DATA / f"history-mt4-{name}.csv"))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_full_copy_earns_the_statement_total_to_the_cent(name: str) -> None:
    """From the simulated broker's own fills at the leader's prices; the total is the csv's."""
    traded = [r for r in rows_of(name) if r["section"] == "closed" and r["type"] in ("buy", "sell")]
    columns = ("profit", "commission", "taxes", "swap")
    total = sum((Decimal(r[c]) for r in traded for c in columns), Decimal(0))
    follower = copied(name).followers[0]
    assert (follower.name, follower.share, follower.total) == ("percent", Fraction(1), Fraction(total))


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_every_row_is_played_and_nothing_is_refused(name: str) -> None:
    """All rows are read, every fill reaches the core, and no row is left out by a refusal or an alert."""
    rows, result = rows_of(name), copied(name)
    closed = [r for r in rows if r["section"] == "closed" and r["type"] in ("buy", "sell")]
    assert (result.rows, len(rows)) == (ROWS[name], ROWS[name])
    assert (
        len(closed) < result.leader_executions <= 2 * len(closed) + sum(r["section"] == "open" for r in rows)
    )
    assert (result.refusals, result.alerts) == ({}, {})


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_no_follower_is_ever_a_step_off_its_target(name: str) -> None:
    """After each report: |filled - target| below a lot step, nothing works, and flat where the leader is."""
    assert copied(name).off_target == []


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_no_order_goes_out_twice(name: str) -> None:
    """Every ClOrdID once; the broker saw each of the core's orders, and filled it."""
    result = copied(name)
    assert result.duplicated == 0
    assert result.orders == result.fills > 0


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_followers_end_flat_where_the_leader_does(name: str) -> None:
    """The leader's end is the statement's open rows; a follower holds nothing else, and the full copy all."""
    held: dict[str, Decimal] = {}
    for row in rows_of(name):
        if row["section"] == "open":
            units = Decimal(row["lots"]) * contract_units(row["symbol"])
            signed = units if row["type"] == "buy" else -units
            symbol = instrument_name(row["symbol"])
            held[symbol] = held.get(symbol, Decimal(0)) + signed
    leader = {symbol: qty for symbol, qty in held.items() if qty}
    result = copied(name)
    assert result.leader_positions == leader
    assert result.followers[0].positions == leader
    for follower in result.followers:
        assert all(qty * leader[symbol] > 0 for symbol, qty in follower.positions.items()), follower.name


@pytest.mark.slow
@pytest.mark.parametrize(("name", "seed"), [("heiken-ashi", 1), ("jsacap", 2), ("mt4-ntfy", 3)])
def test_a_rough_broker_costs_opens_and_never_a_close(name: str, seed: int) -> None:
    """Rejects, expiries and fills in parts: at each quiet moment every follower is on its target, and flat
    where the leader is; nothing goes out twice."""
    rows_of(name)
    moods = Behaviour(
        ack_ms=0, fill_ms=0, jitter_ms=0, cancel_ms=0, reject_per_10k=1_500, partial_per_10k=3_000,
        expire_per_10k=2_000,
    )  # fmt: skip
    result = history_copy.run(load(DATA / f"history-mt4-{name}.csv"), moods, seed)
    assert result.off_target == []
    assert result.duplicated == 0
    # Who is left in what others could close may lose all that he has: then nothing is sized by it.
    assert set(result.refusals) - {"bad_account", "max_ratio"} == {"broker_reject"}
    assert result.refusals["broker_reject"] > 10
    assert result.fills > result.orders - result.refusals["broker_reject"]
    leader = result.leader_positions
    for follower in result.followers:
        assert all(qty * leader[symbol] > 0 for symbol, qty in follower.positions.items()), follower.name
