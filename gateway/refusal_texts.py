"""Refusal codes in words, for screens. The core gives codes and numbers; documents have the long form."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "kill": "somebody stopped it",
    "restricted": "the follower may not open it",
    "filtered": "left out by the subscription's filter",
    "leader_position_unknown": "the leader's position is not known",
    "stale": "the leader's trade is too old, or of unknown age",
    "bad_account": "an account value is missing or not positive",
    "stale_account": "an account value is too old",
    "max_ratio": "the ratio is above its bound",
    "no_quote": "a quote or exchange rate is missing",
    "max_order_qty": "order too large",
    "max_order_value": "order worth too much",
    "price_collar": "its price is too far from the market",
    "price_collar_window": "its price is too far from where the market was lately",
    "max_messages": "too many messages were sent",
    "max_position": "position too large",
    "max_open_orders": "too many open orders",
    "max_exposure": "everything held and entered would be worth too much",
    "max_leverage": "everything held and entered would be worth too much for the equity",
    "amplification": "the copy would be too large for the leader's position",
    "duplicate": "the same order was made before",
    "overflow": "arithmetic left its range",
    "bust_hold": "an execution was busted; an operator decides",
    "frozen_order": "the leader order's quantities contradict each other",
    "bad_side": "neither buy, sell nor short sale",
    "broker_reject": "the follower's broker refused the order",
    "missed": "could not be sent while it was fresh",
    "suspended_equity": "the account's equity is at or below its floor",
    "daily_loss": "the account lost too much today",
    "period_drawdown": "the account lost too much since its highest equity",
    "drift": "the price moved too far since the leader's trade",
    "repeated_execution": "too many copies of it in a short time",
    "provider_inactive": "the leader was not heard for too long",
    "clock": "the machine's clock is too far from UTC, or nobody knows",
    "paused": "the subscription is paused",
    "leaving": "the subscription leaves, or has left",
    "order_terms": "the follower's venue takes no order like the leader's; its fills are copied",
    "not_filled": "the leader's order ended, and the follower's had not filled as much",
    "max_inflation": "the smallest lot would enlarge the copy too much",
}


def reason(code: str) -> str:
    """The words for a code; a code that is newer than this list speaks for itself."""
    return REASONS.get(code, code)
