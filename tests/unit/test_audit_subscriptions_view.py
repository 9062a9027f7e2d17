"""`audit subscriptions` on screens of 80 and 120 columns: every number whole, whatever the names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.testing

from gateway.audit.cli import app
from gateway.audit.entry import from_replay
from gateway.audit.store import Store
from tests.unit.audit_rows import Row, decision, moved

LONG = "a-follower-of-thirty-two-letters<a-leader-of-thirty-two-letters-X"
"""Both names as long as a configuration takes them, but for one."""
PRICES = ("--price", "XBTUSD=75000.5", "--price", "EURUSD=1.15", "--price", "GOLD=4000.25")


def asked(folder: Path | None, columns: int, *words: str) -> typer.testing.Result:
    """The command on a screen of so many columns, with a state folder where one is given."""
    wanted = ["subscriptions", *(["--state", str(folder)] if folder else []), *words]
    return typer.testing.CliRunner().invoke(app, wanted, env={"COLUMNS": str(columns)})


def written(folder: Path, rows: list[Row]) -> None:
    """A log of these rows."""
    with Store(folder / "audit") as store:
        store.append([from_replay(*row) for row in rows], rows[-1][0])


def traded(subscription: str) -> list[Row]:
    """Long numbers everywhere: an inverse contract, a currency pair and gold under another name."""
    follower, leader = subscription.split("<")
    names: dict[str, Any] = {"subscription": subscription, "follower": follower, "leader": leader}
    return [
        decision(1, result="refused", code="stale", orders=[], **names),
        decision(2, result="refused", code="max_position_value", orders=[], **names),
        decision(3, instrument="XBTUSD", **names),
        moved(4, subscription, "fill", 123_456_700, "61234.5", instrument="XBTUSD"),
        moved(5, subscription, "fill", -23_456_700, "70001.25", instrument="XBTUSD"),
        moved(6, subscription, "fill", 1_234_567, "1.123456"),
        moved(7, subscription, "fill", -1_000_001, "1.654321"),
        moved(8, subscription, "fill", -250, "4000.123456789", instrument="XAUUSD"),
    ]


FIGURES = (
    *("1234567", "234567", "1000000", "61234.5", "47.97373858", "299.74188249"),
    *("12.34567", "10.00001", "2.34566", "1.123456", "530865.530865"),
    *("-2.5", "4000.12345679", "-31.63580275"),
)
"""What the screen shows of `traded`, by hand and to eight decimals: lots, averages, won, floating."""


def words_of(text: str) -> set[str]:
    """All that stands between white space."""
    return set(text.split())


@pytest.mark.parametrize("columns", [40, 80, 120, 200])
@pytest.mark.parametrize("subscription", ["f1<alpha", LONG])
def test_numbers_are_whole_on_every_screen(tmp_path: Path, columns: int, subscription: str) -> None:
    """No number is cut or goes on in the next line, and no line is longer than the screen."""
    written(tmp_path, traded(subscription))
    text = asked(tmp_path, columns, *PRICES).stdout
    assert set(FIGURES) <= words_of(text), text
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= columns
    assert subscription in re.sub(r"\s", "", text)


def test_a_table_where_it_fits_and_a_few_lines_where_not(tmp_path: Path) -> None:
    """The same figures by the same names; amounts with their currency."""
    written(tmp_path, [decision(1), moved(2, "f1<alpha", "fill", 150_000, "1.1")])
    wide, narrow = asked(tmp_path, 120).stdout, asked(tmp_path, 60).stdout
    assert wide.splitlines()[1].split() == [
        "f1<alpha",
        "EURUSD",
        *("1", "1", "1", "1.5", "0", "1.5", "1.1", "0"),
        "USD",
    ]
    assert narrow.splitlines()[:3] == [
        "f1<alpha  EURUSD",
        "  decisions 1  orders 1  fills 1  bought 1.5  sold 0",
        "  position 1.5  average 1.1  realised 0 USD",
    ]


def test_refusals_go_on_below_and_not_through_a_word(tmp_path: Path) -> None:
    """Many codes do not push the numbers off the screen."""
    codes = ("stale", "max_position_value", "price_collar", "kill", "market_closed", "max_inflation")
    written(
        tmp_path, [decision(n, result="refused", code=code, orders=[]) for n, code in enumerate(codes, 1)]
    )
    for columns in (60, 120):
        text = asked(tmp_path, columns).stdout
        assert {word.rstrip(",") for word in words_of(text)} >= set(codes)
