"""MT4 statements as leaders: the messages must carry the statement, to the cent."""

from __future__ import annotations

import csv
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest

from gateway.errors import UsageError
from gateway.sim.history import contract_units, follow, instrument_name, load
from gateway.sim.text import decode, first

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FILES = ("heiken-ashi", "jsacap", "mt4-ntfy", "tianye")


def statement(name: str) -> Path:
    """The history file; a missing folder is a failure with a hint, never a skip."""
    path = DATA / f"history-mt4-{name}.csv"
    assert path.is_file(), f"test data missing: put the shared data folder at {DATA}"
    return path


def rows_of(path: Path) -> list[dict[str, str]]:
    """The csv rows, read without the code under test."""
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def closed_trades(path: Path) -> list[dict[str, str]]:
    """Closed buys and sells."""
    return [r for r in rows_of(path) if r["section"] == "closed" and r["type"] in ("buy", "sell")]


def left_open(path: Path) -> list[dict[str, str]]:
    """Positions that are open at the end of the statement."""
    return [r for r in rows_of(path) if r["section"] == "open"]


def signed_units(row: dict[str, str]) -> Decimal:
    """Units of a row, negative for a sale."""
    units = Decimal(row["lots"]) * contract_units(row["symbol"])
    return units if row["type"] == "buy" else -units


@pytest.mark.parametrize("name", FILES)
def test_a_full_follower_earns_exactly_the_statement_total(name: str) -> None:
    """P&L from the FIX bytes at 100 % equals profit + commission + taxes + swap of the closed trades."""
    path = statement(name)
    history = load(path)
    columns = ("profit", "commission", "taxes", "swap")
    total = sum((Decimal(r[c]) for r in closed_trades(path) for c in columns), Decimal(0))
    assert follow(history.messages, history.rates).total == Fraction(total)
    assert history.statement_total == total


@pytest.mark.parametrize("name", FILES)
def test_only_what_is_open_in_the_statement_stays_open(name: str) -> None:
    """Fills of the closed trades cancel out in every symbol; a proportional follower keeps its share of the
    rest."""
    path = statement(name)
    wanted: dict[str, Decimal] = {}
    for row in left_open(path):
        wanted[row["symbol"]] = wanted.get(row["symbol"], Decimal(0)) + signed_units(row)
    history = load(path)
    for percent in (100, 37):
        positions = follow(history.messages, history.rates, percent).positions
        assert {s: q for s, q in positions.items() if q} == {
            s: Fraction(q) * percent / 100 for s, q in wanted.items() if q
        }


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_filled_once_in_and_each_closed_one_once_out(name: str) -> None:
    """Filled quantity is twice the closed rows' units and once the open ones', per symbol; each closed row
    has its own closing fill."""
    path = statement(name)
    wanted: dict[str, Decimal] = {}
    for row in closed_trades(path):
        units = Decimal(row["lots"]) * contract_units(row["symbol"])
        wanted[row["symbol"]] = wanted.get(row["symbol"], Decimal(0)) + 2 * units
    for row in left_open(path):
        wanted[row["symbol"]] = wanted.get(row["symbol"], Decimal(0)) + abs(signed_units(row))
    got: dict[str, Decimal] = {}
    closing: list[str] = []
    for message in load(path).messages:
        fields = decode(message.raw)
        if first(fields, 150) == "F":
            got[first(fields, 55)] = got.get(first(fields, 55), Decimal(0)) + Decimal(first(fields, 32))
            if first(fields, 37).endswith("C"):
                closing.append(first(fields, 37))
    assert got == wanted
    assert sorted(closing) == sorted(r["ticket"] + "C" for r in closed_trades(path))


@pytest.mark.parametrize("name", FILES)
def test_messages_are_in_time_order_and_correctly_framed(name: str) -> None:
    """Times never go back; BodyLength(9) and CheckSum(10) hold on every message."""
    messages = load(statement(name)).messages
    times = [m.at_ns for m in messages]
    assert times == sorted(times)
    for message in messages:
        body, trailer = message.raw[:-7], message.raw[-7:]
        assert trailer == b"10=%03d\x01" % (sum(body) % 256)
        head_end = body.index(b"\x01", body.index(b"\x019=") + 1) + 1
        assert int(first(decode(message.raw), 9)) == len(body) - head_end


@pytest.mark.parametrize("name", FILES)
def test_a_position_is_opened_before_it_is_closed(name: str) -> None:
    """No closing fill comes before the fill of its position id, even inside one second."""
    path = statement(name)
    held: dict[str, Decimal] = {}
    for message in load(path).messages:
        fields = decode(message.raw)
        if first(fields, 150) != "F":
            continue
        position_id, qty = first(fields, 721), Decimal(first(fields, 32))
        held[position_id] = held.get(position_id, Decimal(0)) + (-qty if "C" in first(fields, 37) else qty)
        assert held[position_id] >= 0
    assert sum(held.values()) == sum(abs(signed_units(row)) for row in left_open(path))


@pytest.mark.parametrize("name", FILES)
def test_cancelled_orders_never_fill(name: str) -> None:
    """Each cancelled row gives a New and a Canceled, in that order, with nothing filled."""
    path = statement(name)
    lives: dict[str, list[str]] = {}
    for message in load(path).messages:
        fields = decode(message.raw)
        if first(fields, 37).endswith("P"):
            lives.setdefault(first(fields, 37), []).append(first(fields, 150))
    wanted = {r["ticket"] + "P": ["0", "4"] for r in rows_of(path) if r["section"] == "cancelled"}
    wanted |= {r["ticket"] + "P": ["0"] for r in rows_of(path) if r["section"] == "working"}
    assert lives == wanted


@pytest.mark.parametrize("name", ["jsacap", "mt4-ntfy"])
def test_contract_sizes_give_the_printed_profit_where_no_conversion_is_needed(name: str) -> None:
    """In a USD account, a pair quoted in USD earns move x units, to half a cent: rates are not fudged."""
    checked = 0
    for row in load(statement(name)).rows:
        if row.traded and instrument_name(row.symbol).endswith("USD"):
            move = (row.close_px - row.open_px) * (1 if row.kind == "buy" else -1)
            assert abs(move * row.units - row.profit) <= Decimal("0.005"), row
            checked += 1
    assert checked > 50


def test_partly_closed_positions_share_one_opening_fill() -> None:
    """The JPY account's 0.05 lot GBPUSD position of two rows is one order of 5,000 units, closed in two."""
    fills = []
    for message in load(statement("tianye")).messages:
        fields = decode(message.raw)
        if first(fields, 721) == "10884298":
            fills.append((first(fields, 37), first(fields, 54), first(fields, 32)))
    assert fills == [("10884298O", "2", "5000"), ("10884298C", "1", "4000"), ("10888957C", "1", "1000")]


def test_the_balance_follows_deposits_and_results() -> None:
    """The first account report is the deposit, the last one deposits plus the statement's total."""
    history = load(statement("jsacap"))
    balances = [first(decode(m.raw), 901) for m in history.messages if first(decode(m.raw), 35) == "BA"]
    assert balances[0] == "100000"
    assert Decimal(balances[-1]) == Decimal(100_000) + history.statement_total


def test_suffixes_are_kept_on_the_wire_and_mapped_to_instruments() -> None:
    """`usdjpy.` stays the venue's text and maps to USDJPY; an underscore is part of a name."""
    symbols = load(statement("tianye")).symbols
    assert symbols["usdjpy."] == "USDJPY"
    assert symbols["us_oil"] == "US_OIL"


def test_a_missing_file_says_which(tmp_path: Path) -> None:
    """The error names the path and what to give."""
    with pytest.raises(UsageError, match=r"none\.csv: does not exist"):
        load(tmp_path / "none.csv")
