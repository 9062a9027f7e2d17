"""Rules about bounds over all followers together, guards of one subscription, and collars over a window."""

from __future__ import annotations

from collections.abc import Iterator

from gateway.config_limits import LimitSet
from gateway.config_read import Draft
from gateway.config_rules_lots import all_limits, convertible, counts_in_account, traded_currencies
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


def subscription_guards(draft: Draft) -> None:
    """A subscription has a profit and a loss, and no equity: no floor of it, and no percentage."""
    for number, item in draft.subscriptions.items():
        for n, rule in enumerate(item.guards.rules if item.guards else ()):
            path: tuple[Key, ...] = ("subscriptions", number, "guards", "rules", n)
            if rule.rule == "equity_floor":
                hint = "Use daily_loss or drawdown, or the guards of the follower."
                draft.report((*path, "rule"), "a subscription has no equity", value=rule.rule, hint=hint)
            elif rule.percent is not None:
                draft.report(
                    (*path, "percent"),
                    "a subscription has no equity to take a percentage of",
                    hint="Use amount.",
                )
        follower = draft.followers.get(item.follower)
        if item.guards is None or follower is None:
            continue
        why = f"guards of subscription {item.label} count in it"
        counts_in_account(draft, item.follower, ("subscriptions", number, "guards"), why)


def price_windows(draft: Draft) -> None:
    """A collar over a window has both numbers, or inherits the other one from the same scope."""
    for path, limits in all_limits(draft):
        sets: list[tuple[tuple[Key, ...], LimitSet]] = [(path, limits)]
        sets += [((*path, "instruments", name), item) for name, item in limits.instruments.items()]
        for where, item in sets:
            window_s = item.price_collar_window_s or limits.price_collar_window_s
            bps = item.price_collar_window_bps is not None or limits.price_collar_window_bps is not None
            if item.price_collar_window_bps is not None and window_s is None:
                text = "needs price_collar_window_s: where the market was within which time"
                draft.report((*where, "price_collar_window_bps"), text, hint="Add it, seconds.")
            if item.price_collar_window_s is not None and not bps:
                text = "bounds nothing without price_collar_window_bps"
                draft.report((*where, "price_collar_window_s"), text, hint="Add it, basis points.")
