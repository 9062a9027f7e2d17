"""Inverse contracts, whose unit is worth 1 / price: what cannot be valued, or would be copied as a coin."""

from __future__ import annotations

from gateway.config_model import SubscriptionConfig
from gateway.config_read import Draft
from gateway.config_rules_names import copied

EXAMPLE = 'XBTUSD has base = "USD" and currency = "XBT", which it is settled in.'
BY_VALUE_OR_LOTS = frozenset({"notional", "percent_equity", "fixed"})
"""Modes whose result does not depend on what a unit of the leader's is."""


def inverse_contracts(draft: Draft) -> None:
    """The unit is of the currency of the price, and the contract is settled in another one."""
    for name, item in draft.instruments.items():
        if not item.inverse:
            continue
        if item.base is None:
            text = "is missing: an inverse contract is so many units of the currency of its price"
            draft.report(("instruments", name, "base"), text, hint=EXAMPLE)
        elif item.base == item.currency:
            text = "is its own currency: one unit would be worth 1 / price of itself"
            draft.report(("instruments", name, "base"), text, value=item.base, hint=EXAMPLE)


def mixed_contracts(draft: Draft) -> None:
    """A coin into dollars of contracts, or back: what is one to the other changes with the price."""
    for number, item in draft.subscriptions.items():
        for source, target in copied(draft, item):
            theirs, ours = draft.instruments.get(source), draft.instruments.get(target)
            if theirs is None or ours is None or theirs.inverse == ours.inverse:
                continue
            if item.sizing.mode in BY_VALUE_OR_LOTS and item.max_amplification is None:
                continue
            key = "max_amplification" if item.sizing.mode in BY_VALUE_OR_LOTS else "sizing"
            text = f"compares units of {source} with units of {target}, and one of both is inverse"
            if _factor(item, source) == 1:
                hint = 'A coin would be a dollar. Use mode = "notional", or a qty_factor near the price.'
                draft.report(("subscriptions", number, key), text, hint=hint)
            else:
                text += ": its qty_factor is right at one price only"
                hint = 'mode = "notional" copies the same value at any price.'
                draft.report(("subscriptions", number, key), text, hint=hint, severity="warning")


def _factor(item: SubscriptionConfig, source: str) -> object:
    mapped = (item.symbol_map or {}).get(source)
    return 1 if mapped is None else mapped.qty_factor
