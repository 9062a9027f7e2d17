"""Inverse contracts in `audit subscriptions`: by hand, by the formula of 0036, and in older files."""

from __future__ import annotations

import json
import random
import sqlite3
from fractions import Fraction
from pathlib import Path

import pytest
import typer.testing

from gateway.audit.cli import app
from gateway.audit.entry import from_replay
from gateway.audit.pnl import COST_PLACES, DENOMINATOR_MAX, VALUE_PLACES, Line
from gateway.audit.store import Store, day_files, reading
from gateway.audit.subscriptions import Copied, collect
from tests.unit.audit_rows import Row, moved, told

SUB = "f1<alpha"
KEY = (SUB, "XBTUSD")
BOUGHT = moved(1, SUB, "fill", 6_000, "60000", instrument="XBTUSD")
SOLD = moved(2, SUB, "fill", -6_000, "75000", instrument="XBTUSD")


def lines_of(folder: Path, rows: list[Row]) -> dict[tuple[str, str], Copied]:
    """A log of these rows, written and read."""
    with Store(folder / "audit") as store:
        store.append([from_replay(*row) for row in rows], rows[-1][0])
    return {(one.subscription, one.instrument): one for one in collect(folder / "audit").lines}


def test_an_inverse_contract_wins_units_by_reciprocals(tmp_path: Path) -> None:
    """6,000 dollars bought at 60,000 and sold at 75,000 win 6,000 x (1/60,000 - 1/75,000) = 0.02 bitcoin."""
    line = lines_of(tmp_path, [BOUGHT, SOLD])[KEY].line
    assert told(line.realised, line.position, line.unpriced) == (Fraction("0.02"), 0, 0)


def test_a_short_of_an_inverse_contract_wins_when_the_price_falls() -> None:
    """Through zero: the long loses 0.02 bitcoin, the short that is opened at 60,000 wins 0.02 at 50,000."""
    line = Line(inverse=True)
    for units, px in ((6_000, 75_000), (-12_000, 60_000)):
        line.fill(Fraction(units), Fraction(px))
    assert told(line.position, line.realised, line.average) == (-6_000, Fraction("-0.02"), 60_000)
    assert line.floating(Fraction(50_000)) == Fraction("0.02")


def test_the_average_of_an_inverse_contract_is_harmonic() -> None:
    """6,000 dollars at 60,000 and 6,000 at 40,000 are 0.25 bitcoin: 48,000 each, where nothing is won."""
    line = Line(inverse=True)
    for px in (60_000, 40_000):
        line.fill(Fraction(6_000), Fraction(px))
    assert line.average == 48_000
    assert line.floating(Fraction(48_000)) == 0


@pytest.mark.parametrize("px", ["0", "-1"])
def test_a_price_that_is_not_positive_values_no_inverse_contract(px: str) -> None:
    """As in the core: it is not known what such a fill is worth, and the position moves alone."""
    line = Line(inverse=True)
    line.fill(Fraction(100), Fraction(px))
    assert told(line.position, line.cost, line.unpriced) == (100, None, 1)
    line = Line(inverse=True)
    line.fill(Fraction(100), Fraction(50_000))
    assert line.floating(Fraction(px)) is None


def test_an_inverse_line_agrees_with_the_formula_and_does_not_grow() -> None:
    """What is won and floating is the sum of units x (1 / entry - 1 / price), to the last rounded place."""
    draw, line, at_px, total, fills = (
        random.Random(5),
        Line(inverse=True),
        Fraction(61_234),
        Fraction(0),
        2_000,
    )
    for _ in range(fills):
        units, px = (
            Fraction(draw.choice((-900, -700, 300, 1_100))),
            Fraction(draw.randrange(80_000, 150_000), 2),
        )
        line.fill(units, px)
        total += round(units / px - units / at_px, 60)
    floating = line.floating(at_px)
    assert floating is not None
    assert line.cost is not None
    assert abs(line.realised + floating - total) < Fraction(2 * fills, 10**VALUE_PLACES)
    for held in (line.realised, line.cost):
        assert held.denominator <= DENOMINATOR_MAX * 10**VALUE_PLACES
    assert COST_PLACES < VALUE_PLACES


def test_the_command_values_an_inverse_contract_at_a_price(tmp_path: Path) -> None:
    """As text: position, average, and what it and its account would win."""
    lines_of(tmp_path, [BOUGHT])
    words = ["subscriptions", "--state", str(tmp_path), "--json", "--price", "XBTUSD=75000"]
    found = json.loads(typer.testing.CliRunner().invoke(app, words).stdout)
    (one,), (account,) = found["subscriptions"], found["accounts"]
    assert (one["average_px"], one["floating"], one["position_lots"]) == ("60000", "0.02", "60")
    assert (one["inverse"], one["currency"], account["floating"]) == (True, "XBT", "0.02")


def without_inverse(path: Path) -> None:
    """The file as a version before made it: the table of fills does not say how a contract pays."""
    db = sqlite3.connect(path)
    db.executescript("ALTER TABLE fill DROP COLUMN inverse;")
    db.close()


def test_a_day_that_an_older_version_began_is_read_and_gone_on_with(tmp_path: Path) -> None:
    """What it wrote counts as linear; what comes behind it in the same file says what it is."""
    linear = moved(1, SUB, "fill", 1_000, "1.5")
    assert lines_of(tmp_path, [linear])
    (path,) = day_files(tmp_path / "audit")
    without_inverse(path)
    (one,) = collect(tmp_path / "audit").lines
    assert told(one.line.position, one.line.average) == (1_000, Fraction("1.5"))
    rows = [moved(2, SUB, "fill", 6_000, "60000", instrument="XBTUSD")]
    found = lines_of(tmp_path, rows)
    assert found[SUB, "EURUSD"].line.average == Fraction("1.5")
    assert found[KEY].line.cost == Fraction("-0.1")
    with reading(path) as db:
        assert [row[0] for row in db.execute("SELECT inverse FROM fill ORDER BY id")] == [0, 1]
