"""Rules about worth: what is counted in a currency needs quotes, and quotes come from leaders' sessions."""

from __future__ import annotations

from gateway.config_model import SubscriptionConfig
from gateway.config_read import Draft
from gateway.config_rules_lots import convertible, currency_of, quoted
from gateway.config_rules_names import copied

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
