"""Numbers of the log as a person reads them: exact fractions in, text out. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from gateway.audit.tables import in_units

DECIMALS = 18
"""Places that the core computes with; a number that has more is shown with this many and a mark."""

Fields = Mapping[str, Any]
"""An entry, or a part of one."""


def quanta(count: str, entry: Fields) -> Fraction:
    """Units of what an entry counts in 10⁻¹⁸ of its step."""
    return Fraction(in_units(count, entry["step"]))


def units(size: Fraction, contract: str | None) -> str:
    """Units with lots beside, where a lot is not a unit."""
    if contract is None or Fraction(contract) in (0, 1):
        return f"{number(size)} units"
    return f"{number(size)} units ({number(size / Fraction(contract))} lots)"


def number(value: Fraction) -> str:
    """Exact decimal text; a number that has no end is cut after DECIMALS places and says so."""
    cut = abs(value.numerator) * 10**DECIMALS // value.denominator
    whole, places = divmod(cut, 10**DECIMALS)
    digits = f"{places:0{DECIMALS}d}".rstrip("0")
    exact = cut * value.denominator == abs(value.numerator) * 10**DECIMALS
    return f"{'-' if value < 0 else ''}{whole}{'.' if digits else ''}{digits}{'' if exact else '…'}"
