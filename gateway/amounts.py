"""Amounts of money for people: cents of a dollar, and what a bitcoin has instead of cents. Pure."""

from __future__ import annotations

from fractions import Fraction

from gateway.audit.figures import DECIMALS, number

CENTS = 2
# fmt: off
WITH_CENTS = frozenset((
    "USD", "EUR", "GBP", "JPY", "CHF", "AUD", "NZD", "CAD", "SEK", "NOK", "DKK", "PLN", "CZK", "HUF", "RON",
    "TRY", "ZAR", "MXN", "BRL", "SGD", "HKD", "CNH", "CNY", "INR", "THB", "ILS", "KRW", "TWD", "AED", "SAR",
))
# fmt: on
"""Currencies of which nobody counts less than a hundredth. Any other one may be a coin."""
DIGITS = 8
"""Digits that count. 0.00123456 of a bitcoin is a hundred dollars, and nothing to two decimals."""


def amount(value: Fraction, currency: str = "") -> str:
    """An amount of a currency, ties to even: to the cent, or to eight digits that count and never less than
    two decimals where that is no money with cents. Empty: nobody knows the currency."""
    text = number(Fraction(round(value, CENTS))) if currency in WITH_CENTS else rounded(value)
    whole, _, places = text.partition(".")
    return f"{whole}.{places:<0{CENTS}}"


def rounded(value: Fraction) -> str:
    """A number to eight digits that count, ties to even: never to fewer than two decimals, nor to more than
    the core computes with. Zeros at its end are left out."""
    return number(Fraction(round(value, _places(abs(value)))))


def _places(size: Fraction) -> int:
    """Decimals that eight digits take: the first of them stands before the point, or behind zeros."""
    if size >= 1:
        return max(DIGITS - len(str(int(size))), CENTS)
    places = DIGITS
    while places < DECIMALS and size * 10 ** (places - DIGITS + 1) < 1:
        places += 1
    return places
