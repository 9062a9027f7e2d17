"""Rules about worth: what is counted in a currency needs quotes, and quotes come from leaders' sessions."""

from __future__ import annotations

from decimal import Decimal

from gateway.config_limits import LimitsConfig
from gateway.config_model import SubscriptionConfig
from gateway.config_read import Draft
from gateway.config_rules_lots import all_limits, convertible, currency_of, quoted
from gateway.config_rules_names import by_scope, copied
from gateway.config_types import decimal_text
from gateway.errors import Severity

WORTH_MODES = ("percent_equity", "notional")
"""Modes that ask what a unit is worth in the currency of the account."""


def unit_values(draft: Draft) -> None:
    """Without a quote of what is ordered, and a rate into the account's currency, nothing is ever opened."""
    seen = quoted(draft)
    for number, item in draft.subscriptions.items():
        follower = draft.followers.get(item.follower)
        if item.sizing.mode not in WORTH_MODES or follower is None:
            continue
        if follower.currency is None:
            if item.sizing.mode == "notional":
                why = f"sizing notional of subscription {item.label} compares values in it"
                currency_of(draft, ("followers", item.follower), follower, why)
            continue
        names = _valued(draft, item)
        for source, target in _pairs(draft, item):
            # A quote of what the leader trades, times `price_factor`, is one of what the follower trades.
            enough = {source} if item.sizing.mode == "notional" else {source, target}
            if seen is not None and seen.isdisjoint(enough):
                # A leader has symbols for what is copied of him: another one reads the quotes of his session.
                text = f"needs the value of {source}: the first leader of its session has no symbol for it"
                hint = "Quotes of a session are read by the symbols of its first leader: add it there."
                draft.report(("subscriptions", number, "sizing"), text, hint=hint)
        for currency in dict.fromkeys(draft.instruments[name].currency for name in names):
            convertible(draft, ("subscriptions", number, "sizing"), currency, follower.currency)


def _valued(draft: Draft, item: SubscriptionConfig) -> list[str]:
    """Instruments whose units are valued: what is ordered, and with notional what is copied as well."""
    both = item.sizing.mode == "notional"
    names = dict.fromkeys(
        name
        for pair in _pairs(draft, item)
        for name in (pair if both else pair[1:])
        if name in draft.instruments
    )
    return list(names)


def _pairs(draft: Draft, item: SubscriptionConfig) -> list[tuple[str, str]]:
    """What is copied into what, as far as the filter lets it."""
    passed = item.filters.instruments
    return [pair for pair in copied(draft, item) if passed is None or pair[0] in passed]


def values_of_orders(draft: Draft) -> None:
    """`max_order_value` is in the currency of each instrument, and nothing is converted: 10,000 dollars are
    10,000 yen, and 10,000 bitcoin, which bound nothing."""
    sections, pairs = dict(all_limits(draft)), by_scope(draft)
    everywhere = sections.get(("limits",), LimitsConfig())
    for path, limits in sections.items():
        if (bound := limits.max_order_value) is None:
            continue
        names = dict.fromkeys(target for _, target in pairs.get(path[:-1], ()) if target in draft.instruments)
        bounded = [name for name in names if not _tighter(bound, name, limits, everywhere)]
        currencies: dict[str, list[str]] = {}
        for name in bounded:
            currencies.setdefault(draft.instruments[name].currency, []).append(name)
        if len(currencies) < 2:
            continue
        said = [f"{decimal_text(bound)} {one} for {', '.join(of[:4])}" for one, of in currencies.items()]
        inverse = [name for name in bounded if draft.instruments[name].inverse]
        text = f"is {' and '.join(said)}: it is in the currency of each price, and nothing is converted"
        hint = "Bound each by its own limits.instruments.NAME.max_order_value, and remove this: of two the"
        hint += " smaller number binds."
        if inverse:
            hint = f"Say limits.instruments.{inverse[0]}.max_order_value beside it, in its own currency."
        severity: Severity = "error" if inverse else "warning"
        draft.report((*path, "max_order_value"), text, hint=hint, severity=severity)


def _tighter(bound: Decimal, name: str, *sections: LimitsConfig) -> bool:
    """Whether an instrument has a bound of its own that binds before this one."""
    own = [section.instruments[name].max_order_value for section in sections if name in section.instruments]
    return any(one is not None and one <= bound for one in own)
