"""Rules about bounds over all followers together: instruments that exist, currencies that can be compared."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config_read import Draft
from gateway.config_rules_lots import convertible, traded_currencies
from gateway.config_together import TogetherConfig
from gateway.toml_lines import Key


def all_together(draft: Draft) -> Iterator[tuple[tuple[Key, ...], TogetherConfig]]:
    """Every section with its place."""
    if draft.together is not None:
        yield ("together",), draft.together
    for name, leader in draft.leaders.items():
        if leader.together is not None:
            yield ("leaders", name, "together"), leader.together


def together(draft: Draft) -> None:
    """Worth is in one currency: every price that is copied at has to be converted into it."""
    for path, bounds in all_together(draft):
        if bounds.max_exposure is None or bounds.currency is None:
            continue
        leader = path[1] if path[0] == "leaders" else None
        names = {
            item.follower: None
            for item in draft.subscriptions.values()
            if leader in (None, item.leader) and item.follower in draft.followers
        }
        followers = (draft.followers[name] for name in names)
        currencies = {one: None for follower in followers for one in traded_currencies(draft, follower)}
        for currency in currencies:
            convertible(draft, path, currency, bounds.currency)
