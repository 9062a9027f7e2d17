"""Amounts as a person reads them: dollars to the cent, bitcoin to what it is worth."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest
from rich.console import Console

from gateway.amounts import amount
from gateway.control_view import status_screen
from gateway.whatif_compare import Numbers, Part, compare, rows
from gateway.whatif_view import summary


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *(
            ("0", "0.00"),
            ("5000", "5000.00"),
            ("5000.5", "5000.50"),
            ("-12.25", "-12.25"),
            ("1e9", "1000000000.00"),
        ),
        *(("0.5", "0.50"), ("0.02", "0.02"), ("0.001", "0.001"), ("-0.00012345", "-0.00012345")),
        *(("0.123456785", "0.12345678"), ("0.123456795", "0.1234568"), ("0.0001234567851", "0.00012345679")),
        *(("12.3456785", "12.345678"), ("123456.785", "123456.78"), ("1234567.895", "1234567.90")),
        *(
            ("0.999999999", "1.00"),
            ("9.99999999", "10.00"),
            ("1e-18", "0.000000000000000001"),
            ("4e-19", "0.00"),
        ),
        *(
            ("-4e-19", "0.00"),
            ("1/3", "0.33333333"),
            ("-200/3", "-66.666667"),
            ("123456789012345678901.236", "123456789012345678901.24"),
        ),
    ],
)
def test_an_amount_has_two_decimals_and_eight_digits_where_they_count(value: str, text: str) -> None:
    """What is large has cents; what is small has what it needs. Ties go to even; nothing is minus nothing."""
    assert amount(Fraction(value)) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("0.005", "0.00"),
        ("0.015", "0.02"),
        ("-0.005", "0.00"),
        ("-12.345", "-12.34"),
        ("-200/3", "-66.67"),
        ("7", "7.00"),
    ],
)
def test_money_that_has_cents_is_rounded_to_them(value: str, text: str) -> None:
    """Nobody counts less of a dollar, whatever an average came to."""
    assert amount(Fraction(value), "USD") == text


def test_whatif_shows_what_bitcoin_accounts_won() -> None:
    """A result of 0.00123 bitcoin is not 0.00."""
    old, new = (Numbers(realised={"XBT": Fraction(value)}) for value in ("0.00123", "0.0013"))
    (row,) = rows(Part("f1", old, new))
    assert (row.label, row.old, row.new, row.difference) == ("realised XBT", "0.00123", "0.0013", "+0.00007")


def test_whatif_shows_dollars_to_the_cent() -> None:
    """Also what differs."""
    old, new = (Numbers(realised={"USD": Fraction(value)}) for value in ("200/3", "100"))
    (row,) = rows(Part("f1", old, new))
    assert (row.old, row.new, row.difference) == ("66.67", "100.00", "+33.33")


def report(realised: dict[str, str], currency: str = "XBT") -> dict[str, Any]:
    """The least that a summary reads: one line of f1, by side."""
    whole: dict[str, Any] = {"first_row": 1, "last_row": 2, "first_ns": "0", "last_ns": "0"}
    for side, value in realised.items():
        line = {
            "instrument": "XBTUSD", "contract_size": "1", "orders": 1, "opened": "1", "position": "0",
            "currency": currency, "realised": value, "floating": "0",
        }  # fmt: skip
        own = {"name": "f1<alpha", "follower": "f1", "refusals": {}, "lines": [line]}
        whole[side] = {"subscriptions": [own], "leaders": [], "refusals": {}, "alerts": {}}
    return whole


def test_the_last_line_of_whatif_shows_it_too() -> None:
    """Old and new, each with the digits that it needs."""
    found = compare(report({"new": "-0.00007", "old": "0.00123", "recorded": "0"}))
    assert "profit and loss 0.00123 → -0.00007 XBT" in summary(found)
    dollars = compare(report({"new": "12.3456", "old": "0.5", "recorded": "0"}, "USD"))
    assert "profit and loss 0.50 → 12.35 USD" in summary(dollars)


def screen(**parts: Any) -> str:
    """The status screen of these parts, as text."""
    console = Console(width=160)
    with console.capture() as found:
        console.print(status_screen("demo", {"journal_rows": 1, **parts}))
    return " ".join(found.get().split())


def test_status_shows_what_a_bitcoin_account_is_worth() -> None:
    """An account of 0.0421 bitcoin and its floor of 0.0418 are two numbers, and a break of 0.0015 is one."""
    guard: dict[str, Any] = {"follower": "f1", "equity": "0.0421", "floor": "0.0418", "currency": "XBT"}
    guard |= {"code": "daily_loss", "stopped": None}
    assert "0.0421 XBT 0.0418" in screen(guards=[guard])
    dollars = guard | {"equity": "10000.125", "floor": "9666.6667", "currency": "USD"}
    assert "10000.12 USD 9666.67" in screen(guards=[dollars])
    one: dict[str, Any] = {
        "follower": "f1",
        "instrument": "XBTUSD",
        "units": "100",
        "lots": "1",
        "accepted": "0",
    }
    one |= {"value": "0.0015", "since_ns": "0", "confirmed": True}
    assert "XBTUSD 1 0.0015" in screen(breaks=[one])


def test_a_target_in_coins_is_not_nothing() -> None:
    """A thousandth of a bitcoin is a lot at some venues; whole units have no decimals."""
    line = {"follower": "f1", "subscription": "f1<alpha", "instrument": "BTCUSD", "filled": "0"}
    line |= {"working": "0.001", "step": "0.001", "min": "0.001"}
    assert "BTCUSD 0 0.0015 0.001" in screen(subscriptions=[line | {"target": "0.0015"}])
    assert "BTCUSD 0 13827.306 0.001" in screen(subscriptions=[line | {"target": "13827.306164213088006"}])
    assert "BTCUSD 0 50000 0.001" in screen(subscriptions=[line | {"target": "50000"}])
