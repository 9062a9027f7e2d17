"""The options of `audit subscriptions` against the names that there are. Pure.

A name that nothing knows would show nothing, or no floating result, and look like an answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from pydantic_core import PydanticCustomError

from gateway.config_types import read_decimal
from gateway.errors import UsageError
from gateway.hints import did_you_mean


def check_follower(name: str, known: Iterable[str]) -> None:
    """UsageError where it is none."""
    names = sorted(set(known))
    if name not in names:
        raise UsageError("no such follower", path="--follower", value=name, hint=did_you_mean(name, names))


def price_pairs(texts: Iterable[str]) -> dict[str, Fraction]:
    """Instruments and prices of all `--price`. UsageError where one is none, or its instrument has two."""
    found: dict[str, Fraction] = {}
    for text in texts:
        instrument, px = _price(text)
        if instrument in found:
            raise UsageError(f"two prices of {instrument}", path="--price", value=text, hint="Give one.")
        found[instrument] = px
    return found


def check_instruments(
    prices: Iterable[str], traded: Iterable[tuple[str, str]], configured: Iterable[str]
) -> None:
    """UsageError where a price is of an instrument that no follower trades.

    `traded`: what followers trade, each with a leader's name of it. A leader's own name that is traded under
    another one is a mistake, though the configuration has it.
    """
    pairs = set(traded)
    known = {own for own, _ in pairs}
    names = sorted({*known, *configured})
    for instrument in prices:
        own = sorted(name for name, leaders in pairs if leaders == instrument)
        if instrument in known or (instrument in names and not own):
            continue
        hint = f"Followers trade it as {', '.join(own)}." if own else did_you_mean(instrument, names)
        raise UsageError("no follower trades this instrument", path="--price", value=instrument, hint=hint)


def _price(text: str) -> tuple[str, Fraction]:
    instrument, _, px = text.rpartition("=")
    if not instrument:
        raise UsageError(
            "not INSTRUMENT=PRICE", path="--price", value=text, hint="As in --price EURUSD=1.16."
        )
    try:
        price = Fraction(read_decimal(px))
    except PydanticCustomError as error:
        raise UsageError(error.message(), path="--price", value=text) from error
    if price <= 0:
        raise UsageError("no price", path="--price", value=text, bound="above 0")
    return instrument, price
