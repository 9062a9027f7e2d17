"""Rules about working orders and stops that are mirrored: what goes together, and which venues take them."""

from __future__ import annotations

from typing import Any

from gateway.config_model import SubscriptionConfig
from gateway.config_read import Draft
from gateway.config_rules_lots import meaning
from gateway.config_rules_wire import follower_profile
from gateway.toml_lines import Key

ORDERS_KEYS = ("ahead", "leader_filled", "leader_filled_s")
"""Keys that say something about mirrored orders only."""
STOP_TYPES = ("stop", "stop_limit")


def mirrors(draft: Draft) -> None:
    """Working orders can be mirrored in some combinations only, and at venues that take them."""
    for number, subscription in draft.subscriptions.items():
        if subscription.copy_ == "orders":
            _orders(draft, number, subscription)
            continue
        for key in ORDERS_KEYS:
            if key in subscription.model_fields_set:
                hint = 'Remove it, or add copy = "orders".'
                draft.report(
                    ("subscriptions", number, key), 'says nothing without copy = "orders"', hint=hint
                )
        if subscription.copy_stops:
            _stops(draft, number, subscription)
        elif "stop_multiplier" in subscription.model_fields_set:
            text = 'says nothing without copy_stops = true or copy = "orders"'
            path = ("subscriptions", number, "stop_multiplier")
            draft.report(path, text, hint="Remove it, or add one of both.")


def _orders(draft: Draft, number: int, subscription: SubscriptionConfig) -> None:
    """All working orders are mirrored."""
    at = ("subscriptions", number)
    if "copy_stops" in subscription.model_fields_set:
        text = 'says nothing with copy = "orders", which mirrors the leader\'s stops with all his orders'
        draft.report((*at, "copy_stops"), text, hint="Remove copy_stops.")
    if subscription.sizing.mode == "block":
        text = "a block divides what the leader fills: its orders are not mirrored"
        draft.report((*at, "copy"), text, value="orders", bound="fills")
    if subscription.rounding != "toward_zero":
        text = 'copy = "orders" mirrors whole lots, never more than the leader\'s share'
        path = (*at, "rounding")
        draft.report(path, text, value=subscription.rounding, bound="toward_zero")
    if subscription.on_reject == "retry":
        text = 'copy = "orders" sends a rejected order again when the leader changes his, and not before'
        draft.report((*at, "on_reject"), text, value="retry", bound="drop")
    if (subscription.leader_filled == "none") == (subscription.leader_filled_s > 0):
        text = "market_after_s and cancel_after_s belong together with leader_filled_s above 0"
        draft.report((*at, "leader_filled"), text, hint=meaning("leader_filled"))
    late = subscription.leader_filled_s * 1_000 >= subscription.max_age_ms
    if subscription.leader_filled == "market_after_s" and late:
        text = "by then the leader's fill is too old to be opened"
        bound = f"below max_age_ms {subscription.max_age_ms}"
        value = f"{subscription.leader_filled_s} s"
        draft.report((*at, "leader_filled_s"), text, value=value, bound=bound)
    _mirrored_at(draft, number, subscription)


def _stops(draft: Draft, number: int, subscription: SubscriptionConfig) -> None:
    """Stops beside fills: what they protect, and where they can rest."""
    path = ("subscriptions", number, "copy_stops")
    if subscription.sizing.mode == "block":
        text = "not possible with a block, which divides what the leader fills: a stop of one member would"
        text += " close lots of its own"
        draft.report(path, text, hint="Remove copy_stops, or size by another mode.")
    if subscription.reverse:
        text = "who goes the other way loses where the leader takes his profit: the leader's stop protects"
        text += " nothing here"
        hint = "Remove it: bound the loss with guards or limits,"
        hint += ' or use copy = "orders", where his limits become stops.'
        draft.report(path, text, hint=hint)
    profile = follower_profile(draft, subscription.follower)
    if not profile:
        return
    _stays_in_force(draft, path, profile)
    missing = [name for name in STOP_TYPES if name not in profile.get("order_types", ["market", "limit"])]
    if not missing:
        return
    text = f"orders of type {', '.join(missing)} are not copied: {_refused_by(profile)}"
    none = len(missing) == len(STOP_TYPES)
    hint = "Ask the venue, and name them in order_types of a profile of your own."
    draft.report(path, text, hint=hint, severity="error" if none else "warning")


def _refused_by(profile: dict[str, Any]) -> str:
    return f"the follower's venue does not take them, by its profile {profile['name']}"


def _stays_in_force(draft: Draft, path: tuple[Key, ...], profile: dict[str, Any]) -> None:
    """An order that waits in the market needs a time in force that lasts."""
    if not {"gtc", "day"}.intersection(profile.get("tifs", ["day", "gtc", "ioc"])):
        text = "the follower's venue is not known to take orders that stay in force (day, gtc), by its"
        text += f" profile {profile['name']}"
        hint = "Ask the venue, and name them in tifs of a profile of your own"
        hint += ', or use copy = "fills".' if path[-1] == "copy" else "."
        draft.report(path, text, hint=hint)


def _mirrored_at(draft: Draft, number: int, subscription: SubscriptionConfig) -> None:
    """What the follower's venue takes: an order that it does not is copied by its fills."""
    profile = follower_profile(draft, subscription.follower)
    if not profile:
        return
    path = ("subscriptions", number, "copy")
    accepted = profile.get("order_types", ["market", "limit"])
    _stays_in_force(draft, path, profile)
    missing = [name for name in ("limit", *STOP_TYPES) if name not in accepted]
    if missing:
        text = f"orders of type {', '.join(missing)} are not mirrored: {_refused_by(profile)}"
        hint = 'Their fills are copied, as with copy = "fills".'
        draft.report(path, text, hint=hint, severity="warning")


def mirrors_name_no_position(draft: Draft) -> None:
    """What rests at a venue where positions stand side by side would have to name the one that it closes."""
    for number, subscription in draft.subscriptions.items():
        profile = follower_profile(draft, subscription.follower)
        if not subscription.mirrors or profile.get("position_model") != "hedging":
            continue
        key, what = (
            "copy",
            "a mirrored order that closes rests there before the position that it would have to",
        )
        what += " name is known, and would open a second one"
        if subscription.copy_ == "fills":
            key, what = "copy_stops", "a stop of everything that is held names no position, and would open"
            what += " another one"
        text = (
            f"the follower's venue keeps positions apart (hedging), by its profile {profile['name']}: {what}"
        )
        draft.report(("subscriptions", number, key), text, hint="Remove it.")
