"""`audit subscriptions` as JSON and as a screen. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from gateway.audit.figures import DECIMALS, number
from gateway.audit.sheet import Row, Sheet
from gateway.audit.subscriptions import Account, Copied, Subscriptions

PLACES = 8
"""Decimals of a price or a result on the screen; the JSON has them all."""

Prices = Mapping[str, Fraction]
"""Follower instrument → the price at which open positions are valued."""


def as_json(found: Subscriptions, prices: Prices) -> str:
    """One object: `subscriptions`, `accounts`, and what these figures do not know.

    Numbers are text, exact to 18 decimals; null where they are not known.
    """
    return json.dumps(
        {
            "subscriptions": [_subscription(one, prices) for one in found.lines],
            "accounts": [_account(one, prices) for one in found.accounts()],
            "by_hand": dict(found.by_hand),
            "without_fills": found.without_fills,
        },
        sort_keys=True,
    )


def _subscription(one: Copied, prices: Prices) -> dict[str, Any]:
    line = one.line
    return {
        "subscription": one.subscription, "leader": one.leader, "follower": one.follower,
        "instrument": one.instrument, "traded": one.traded or None, "currency": one.currency or None,
        "inverse": line.inverse,
        "decisions": one.decisions, "orders": one.orders, "fills": one.fills, "busts": one.busts,
        "corrections": one.corrections, "refusals": dict(sorted(one.refusals.items())),
        "bought_lots": _exact(line.bought / one.contract), "sold_lots": _exact(line.sold / one.contract),
        "position_lots": _exact(line.position / one.contract), "average_px": _exact(line.average),
        "realised": _exact(line.realised), "unpriced_fills": line.unpriced,
        "floating": _exact(_floating(one, prices)),
    }  # fmt: skip


def _account(one: Account, prices: Prices) -> dict[str, Any]:
    return {
        "follower": one.follower, "traded": one.traded, "currency": one.currency,
        "position_lots": _exact(one.line.position / one.contract), "realised": _exact(one.line.realised),
        "floating": _exact(_floating(one, prices)),
    }  # fmt: skip


def _exact(value: Fraction | None) -> str | None:
    return None if value is None else number(Fraction(round(value, DECIMALS)))


def render(found: Subscriptions, prices: Prices) -> RenderableType:
    """A line for each subscription and instrument, one for each account, and what to know about them."""
    parts: list[RenderableType] = [_lines(found, prices)]
    if found.accounts():
        parts += [Text(), _accounts(found, prices)]
    parts += [Text(note) for note in _notes(found)]
    return Group(*parts)


DONE = ("decisions", "orders", "fills", "bought", "sold")
MONEY = frozenset(("realised", "floating"))


def _lines(found: Subscriptions, prices: Prices) -> Sheet:
    won = ("position", "average", "realised", *(("floating",) if prices else ()))
    sheet = Sheet(("subscription", "instrument"), (DONE, won), MONEY, note="refusals")
    for one in found.lines:
        line = one.line
        lots = (number(units / one.contract) for units in (line.bought, line.sold, line.position))
        counts = (str(one.decisions), str(one.orders), str(one.fills))
        values = [line.average, line.realised, *([_floating(one, prices)] if prices else [])]
        name = one.instrument if one.traded in ("", one.instrument) else f"{one.instrument} > {one.traded}"
        figures = (*counts, *lots, *map(_short, values))
        sheet.rows.append(Row((one.subscription, name), figures, one.currency, _refusals(one)))
    return sheet


def _accounts(found: Subscriptions, prices: Prices) -> Sheet:
    won = ("position", "realised", *(("floating",) if prices else ()))
    sheet = Sheet(("account of", "trades"), (won,), MONEY, title="account of ")
    for one in found.accounts():
        values = [one.line.realised, *([_floating(one, prices)] if prices else [])]
        figures = (number(one.line.position / one.contract), *map(_short, values))
        sheet.rows.append(Row((one.follower, one.traded), figures, one.currency))
    return sheet


def _floating(one: Copied | Account, prices: Prices) -> Fraction | None:
    px = prices.get(one.traded)
    return None if px is None else one.line.floating(px)


def _short(value: Fraction | None) -> str:
    return "" if value is None else number(Fraction(round(value, PLACES)))


def _refusals(one: Copied) -> str:
    said = [f"{count} {code}" for code, count in sorted(one.refusals.items())]
    said += [f"{one.busts} busts"] if one.busts else []
    said += [f"{one.corrections} corrections"] if one.corrections else []
    return ", ".join(said)


def _notes(found: Subscriptions) -> list[str]:
    notes = []
    if unpriced := sum(one.line.unpriced for one in found.lines):
        notes.append(f"{unpriced} fills have no price, or closed what had none: they moved positions only.")
    if found.by_hand:
        said = ", ".join(f"{count} {name}" for name, count in sorted(found.by_hand.items()))
        notes.append(
            f"Positions and results are those of fills. Commands may have moved what is held: {said}."
        )
    if found.without_fills:
        notes.append(f"Fills of an older version are not counted: {', '.join(found.without_fills)}.")
    return [f"\n{note}" if not i else note for i, note in enumerate(notes)]
