"""Rules about capital: subscriptions of one follower that size by its account share it."""

from __future__ import annotations

from decimal import Decimal

from gateway.config_model import ACCOUNT_MODES, ByBlock, SubscriptionConfig
from gateway.config_read import Draft
from gateway.config_types import decimal_text
from gateway.errors import Severity

WHOLE = Decimal(1)


def by_account(item: SubscriptionConfig) -> bool:
    """What it opens depends on what the follower's account is worth."""
    rule = item.sizing
    return rule.mode in ACCOUNT_MODES or (isinstance(rule, ByBlock) and rule.by != "weight")


def capital_shares(draft: Draft) -> None:
    """A share has to be of something, and all of one follower are no more than its account."""
    for number, item in draft.subscriptions.items():
        if item.capital_share is not None and not (by_account(item) or _leverage(draft, item)):
            text = (
                f"a share of nothing: {item.sizing.mode} takes no account values, and it has no max_leverage"
            )
            hint = "Take it out, or size by equity, balance, free_margin or percent_equity."
            at = ("subscriptions", number, "capital_share")
            draft.report(at, text, value=decimal_text(item.capital_share), hint=hint)
    for name in draft.followers:
        of_one = [
            (number, item)
            for number, item in draft.subscriptions.items()
            if item.follower == name and item.leaving is None and by_account(item)
        ]
        _together(draft, name, of_one)


def _leverage(draft: Draft, item: SubscriptionConfig) -> bool:
    leader = draft.leaders.get(item.leader)
    sections = [draft.limits, item.limits, *([leader.limits] if leader is not None else [])]
    return any(limits is not None and limits.max_leverage is not None for limits in sections)


def _together(draft: Draft, name: str, of_one: list[tuple[int, SubscriptionConfig]]) -> None:
    """Those that do not say a share take all. What is split by instrument among subscriptions to one leader
    is one copy of him: the largest share counts."""
    shares: dict[str, Decimal] = {}
    for _, item in of_one:
        shares[item.leader] = max(shares.get(item.leader, Decimal(0)), item.capital_share or WHOLE)
    whole = sum(shares.values(), Decimal(0))
    if len(shares) < 2 or whole <= WHOLE:
        return
    number, said = of_one[-1][0], any(item.capital_share is not None for _, item in of_one)
    text = f"{len(shares)} leaders are sized by the account of {name}, and count {decimal_text(whole)} of it"
    hint = "Give each subscription a capital_share, at most 1 together; one without has all of it."
    severity: Severity = "error" if said else "warning"
    at = ("subscriptions", number, "capital_share")
    draft.report(at, text, bound="at most 1 together", hint=hint, severity=severity)
