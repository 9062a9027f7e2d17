"""Rules about quantities: lots a venue could accept, limits that leave room, sizing that has its numbers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, localcontext

from gateway.config_core import traded
from gateway.config_limits import LimitsConfig, LimitSet
from gateway.config_model import (
    ACCOUNT_MODES,
    COMPARING_MODES,
    OUTSIDE_MODES,
    UNBOUNDED_MODES,
    ByLots,
    FollowerConfig,
    InstrumentConfig,
    LeaderConfig,
    SubscriptionConfig,
)
from gateway.config_read import Draft
from gateway.config_rules_wire import follower_profile, keeps_apart, leader_profile
from gateway.toml_lines import Key

UNITS_MAX = Decimal(10**19)
"""Largest minimum lot that the core counts with, units."""


def lots(draft: Draft) -> None:
    """Lots that no venue could accept."""
    for name, item in draft.instruments.items():
        at = ("instruments", name)
        step, low, high = item.lot_step, item.min_lot, item.max_lot
        if not multiple(low, step):
            bound = f"a multiple of lot_step {step}"
            draft.report((*at, "min_lot"), "impossible lot", value=str(low), bound=bound)
        if low * item.contract_size > UNITS_MAX:
            bound = f"at most 10^19 units, with contract_size {item.contract_size}"
            draft.report((*at, "min_lot"), "impossible lot", value=str(low), bound=bound)
        if high is not None and high < low:
            draft.report((*at, "max_lot"), "impossible lot", value=str(high), bound=f"at least min_lot {low}")
        elif high is not None and not multiple(high, step):
            bound = f"a multiple of lot_step {step}"
            draft.report((*at, "max_lot"), "impossible lot", value=str(high), bound=bound)
    smallest = min(draft.instruments.items(), key=lambda entry: entry[1].min_lot, default=None)
    for path, limits in all_limits(draft):
        for name, bound_set in limits.instruments.items():
            item_or_none = draft.instruments.get(name)
            if item_or_none is not None:
                _possible(draft, (*path, "instruments", name), bound_set, name, item_or_none)
        if smallest is not None:
            _possible(draft, path, limits, *smallest)


def _possible(
    draft: Draft, path: tuple[Key, ...], limits: LimitSet, name: str, item: InstrumentConfig
) -> None:
    largest = limits.max_order_qty_lots
    if largest is not None and largest < item.min_lot:
        bound = f"at least min_lot {item.min_lot} of {name}"
        hint = "No order could ever be sent."
        draft.report(
            (*path, "max_order_qty_lots"), "impossible limit", value=str(largest), bound=bound, hint=hint
        )
    position = limits.max_position_lots
    if position is not None and 0 < position < item.min_lot:
        bound = f"0, or at least min_lot {item.min_lot} of {name}"
        draft.report((*path, "max_position_lots"), "impossible limit", value=str(position), bound=bound)


def multiple(value: Decimal, step: Decimal) -> bool:
    """Whether the value is a whole number of steps, exactly."""
    with localcontext() as context:
        context.prec = 80
        return value % step == 0


def keys_that_belong_together(draft: Draft) -> None:
    """Keys of one subscription that need, or exclude, each other. Not asked by the section itself: a mistake
    there would hide what the other rules find."""
    for number, subscription in draft.subscriptions.items():
        at = ("subscriptions", number)
        mode, bounded = subscription.sizing.mode, subscription.max_ratio is not None
        if mode in OUTSIDE_MODES and not bounded:
            text = "max_ratio is mandatory with this sizing mode: its ratio comes from outside"
            draft.report((*at, "max_ratio"), text, hint=meaning("max_ratio"))
        if mode in UNBOUNDED_MODES and bounded:
            text = "max_ratio bounds nothing with this sizing mode: it is an amount, or the leader's own;"
            text += " use limits.max_order_qty_lots"
            draft.report((*at, "max_ratio"), text, hint=meaning("max_ratio"))
        if mode == "block" and subscription.joining == "target":
            text = "a block deals what comes: it cannot join with what its leader holds"
            draft.report((*at, "joining"), text, value="target", bound="flat")
        if subscription.on_bust == "follow" and (mode == "block" or subscription.mirrors):
            _bust_waits(draft, number, subscription)
        retried, window = subscription.on_reject == "retry", subscription.retry_window_ms > 0
        if retried and not window:
            text = "needs retry_window_ms: for how long a rejected open is tried again"
            hint = "Add retry_window_ms = 3000, milliseconds."
            draft.report((*at, "on_reject"), text, hint=hint)
        if window and not retried:
            text, hint = 'says nothing without on_reject = "retry"', 'Remove it, or add on_reject = "retry".'
            draft.report((*at, "retry_window_ms"), text, hint=hint)


def _bust_waits(draft: Draft, number: int, subscription: SubscriptionConfig) -> None:
    """What was dealt, or rests at the broker, is not worked out again."""
    key, what = 'copy = "orders"', "mirrored orders are"
    if subscription.copy_ == "fills" and subscription.copy_stops:
        key, what = "copy_stops", "stops are"
    if subscription.sizing.mode == "block":
        key, what = 'mode = "block"', "lots that were dealt are"
    text = f"not possible with {key}: {what} not worked out again, and a bust waits for a person"
    hint = f'Remove on_bust = "follow", or {key}.'
    draft.report(("subscriptions", number, "on_bust"), text, hint=hint)


TOTALS_OF_WORTH = ("max_exposure", "max_leverage")


def totals(draft: Draft) -> None:
    """Worth over all instruments is in the currency of the follower's account: it must have one."""
    told: set[str] = set()
    for subscription in draft.subscriptions.values():
        leader, follower = draft.leaders.get(subscription.leader), draft.followers.get(subscription.follower)
        if leader is None or follower is None or subscription.follower in told:
            continue
        scopes = [draft.limits or LimitsConfig(), leader.limits, follower.limits, subscription.limits]
        asked = [key for key in TOTALS_OF_WORTH if any(getattr(scope, key) is not None for scope in scopes)]
        if not asked:
            continue
        told.add(subscription.follower)
        why = f"{asked[0]} of subscription {subscription.label} is in the account's currency"
        counts_in_account(draft, subscription.follower, ("followers", subscription.follower, "limits"), why)


def meaning(field: str) -> str:
    """What a key of a subscription means, as a hint."""
    description = SubscriptionConfig.model_fields[field].description or ""
    return f"It means: {' '.join(description.split())}"


def sizing(draft: Draft) -> None:
    """A sizing mode must have the numbers it needs."""
    for number, subscription in draft.subscriptions.items():
        at = ("subscriptions", number)
        rule = subscription.sizing
        leader, follower = draft.leaders.get(subscription.leader), draft.followers.get(subscription.follower)
        why = f"sizing {rule.mode} of subscription {subscription.label} needs it"
        if rule.mode in ACCOUNT_MODES and follower is not None:
            currency_of(draft, ("followers", subscription.follower), follower, why)
        if rule.mode in COMPARING_MODES and leader is not None:
            currency_of(draft, ("leaders", subscription.leader), leader, why)
        if rule.mode in COMPARING_MODES and leader and follower and leader.currency and follower.currency:
            convertible(draft, (*at, "sizing"), leader.currency, follower.currency)
        if isinstance(rule, ByLots):
            _fixed_lots(draft, number, subscription, rule)


def guards(draft: Draft) -> None:
    """Equity is counted in the account's currency: what is won in another one must be converted."""
    for name, follower in draft.followers.items():
        if follower.guards is None and draft.guards is None:
            continue
        counts_in_account(draft, name, ("followers", name, "guards"), "its guards count in it")


def currency_of(
    draft: Draft, path: tuple[Key, ...], owner: LeaderConfig | FollowerConfig, why: str
) -> str | None:
    """The currency of an account that something needs; one that is missing is reported, with the reason."""
    if owner.currency is None:
        draft.report((*path, "currency"), f"is missing: {why}", hint='Add currency = "USD".')
    return owner.currency


def counts_in_account(draft: Draft, name: str, path: tuple[Key, ...], why: str) -> None:
    """What counts a follower's instruments in the currency of its account needs one, and rates into it."""
    follower = draft.followers[name]
    if (currency := currency_of(draft, ("followers", name), follower, why)) is not None:
        for other in traded_currencies(draft, follower):
            convertible(draft, path, other, currency)


def traded_currencies(draft: Draft, follower: FollowerConfig) -> list[str]:
    """Currencies of the prices of what a follower trades."""
    names = [name for name in traded(draft.instruments, follower) if name in draft.instruments]
    return list(dict.fromkeys(draft.instruments[name].currency for name in names))


def convertible(draft: Draft, path: tuple[Key, ...], one: str, other: str) -> None:
    """Two currencies need an instrument that converts one into the other."""
    if one == other:
        return
    pair = {one, other}
    by = [name for name, item in draft.instruments.items() if {item.base, item.currency} == pair]
    if not by:
        text = f"accounts in {one} and {other} cannot be compared: no instrument converts them"
        hint = f"Add an instrument with base and currency {one} and {other}, quoted on a leader session."
        draft.report(path, text, hint=hint)
        return
    seen = quoted(draft)
    if seen is not None and seen.isdisjoint(by):
        text = f"{by[0]} would convert {one} and {other}, and nobody quotes it: no leader has a symbol for it"
        draft.report(path, text, hint="Quotes come from leaders' sessions: add a symbol there.")


def quoted(draft: Draft) -> set[str] | None:
    """Instruments that quotes can come of; None while a leader has a mistake of his own. A quote of a session
    is read by the symbols of its first leader."""
    if len(draft.leaders) != len(draft.names.get("leaders", [])):
        return None
    first = {leader.session: leader for leader in reversed(draft.leaders.values())}
    if any(leader.symbols is None for leader in first.values()):
        return set(draft.instruments)
    return {name for leader in first.values() for name in (leader.symbols or {}).values()}


def _fixed_lots(draft: Draft, number: int, subscription: SubscriptionConfig, rule: ByLots) -> None:
    follower = draft.followers.get(subscription.follower)
    if follower is None:
        return
    for name in traded(draft.instruments, follower):
        item = draft.instruments.get(name)
        if item is not None and not multiple(rule.lots, item.lot_step):
            text = f"not a whole number of lot steps ({item.lot_step}) of {name}: the residue waits"
            path = ("subscriptions", number, "sizing", "lots")
            draft.report(path, text, value=str(rule.lots), severity="warning")
            return


def order_types(draft: Draft) -> None:
    """The venue must take the type of order that a subscription asks for. Our limit orders are IOC."""
    for number, subscription in draft.subscriptions.items():
        profile = follower_profile(draft, subscription.follower)
        accepted, tifs = profile.get("order_types"), profile.get("tifs")
        if subscription.order_type == "limit" and isinstance(tifs, list) and "ioc" not in tifs:
            path = ("subscriptions", number, "order_type")
            text = "limit orders are IOC, which the follower's venue is not known to take"
            hint = "Use market, or name ioc in tifs of a profile of your own."
            draft.report(path, text, value="limit", bound=" or ".join(map(str, tifs)), hint=hint)
        if isinstance(accepted, list) and subscription.order_type not in accepted:
            bound = " or ".join(str(name) for name in accepted)
            path = ("subscriptions", number, "order_type")
            draft.report(
                path, "the follower's venue does not take it", value=subscription.order_type, bound=bound
            )


def venue_takes_our_orders(draft: Draft) -> None:
    """What every order of ours is must be possible at the venue, whatever a subscription asks for."""
    for name in draft.followers:
        profile = follower_profile(draft, name)
        rule = profile.get("cl_ord_id")
        if isinstance(rule, dict) and rule.get("charset") == "digits":
            text = (
                "its venue takes ClOrdIDs of digits only, and ours have letters: every order would be refused"
            )
            hint = "This venue can be a leader's, not a follower's."
            draft.report(("followers", name), text, hint=hint)
        accepted = profile.get("order_types")
        # As Profile::closes_by_limit in the core decides it.
        by_limit = isinstance(accepted, list) and "limit" in accepted
        by_limit = by_limit and bool({"ioc", "fok"}.intersection(profile.get("tifs", ["ioc"])))
        if isinstance(accepted, list) and "market" not in accepted and not by_limit:
            text = "closes are market orders, or limit orders that fill at once (ioc, fok): its venue is not "
            text += "known to take either"
            hint = "Ask the venue, and name market in order_types, or ioc in tifs, of a profile of your own."
            draft.report(("followers", name), text, hint=hint, severity="warning")


def position_models(draft: Draft) -> None:
    """Where positions stand side by side, a close must name its position: else it would open a second one.
    A leader is copied by their sum, whatever their names are."""
    for name in draft.leaders:
        profile = leader_profile(draft, name)
        if keeps_apart(profile) and "position_id_tag" not in profile:
            text = "his venue keeps positions apart (hedging), and its profile does not say which tag names"
            text += " them: 721 is read, and what it names may be no position"
            hint = "Name position_id_tag in a profile of your own. Their sum is copied all the same."
            draft.report(("leaders", name), text, hint=hint, severity="warning")
    for name in draft.followers:
        profile = follower_profile(draft, name)
        if profile.get("position_model") == "hedging" and "position_id_tag" not in profile:
            text = "its venue keeps positions apart (hedging), and its profile does not say which tag names"
            text += " them: a close without a name would open a second position"
            hint = "Name position_id_tag in a profile of your own, as the venue's specification has it; or "
            hint += 'position_model = "netting" if this account nets.'
            draft.report(("followers", name), text, hint=hint)


def all_limits(draft: Draft) -> Iterator[tuple[tuple[Key, ...], LimitsConfig]]:
    if draft.limits is not None:
        yield ("limits",), draft.limits
    for name, leader in draft.leaders.items():
        yield ("leaders", name, "limits"), leader.limits
    for name, follower in draft.followers.items():
        yield ("followers", name, "limits"), follower.limits
    for number, subscription in draft.subscriptions.items():
        yield ("subscriptions", number, "limits"), subscription.limits


def position_breaks(draft: Draft) -> None:
    """A rule about position breaks needs a broker that reports whole positions."""
    for name, follower in draft.followers.items():
        profile = follower_profile(draft, name)
        if follower.on_break == "alert" or not profile:
            continue
        path: tuple[Key, ...] = ("followers", name, "on_break")
        value = follower.on_break
        if profile.get("position_model") == "hedging":
            text = "never applies: positions of a hedging venue are not compared"
            draft.report(path, text, value=value, severity="warning", hint="Remove it.")
        elif not profile.get("supports", {}).get("positions", False):
            text = "applies to what the venue reports by itself: it answers no request for positions"
            hint = "Ask the broker whether it sends PositionReports."
            draft.report(path, text, value=value, severity="warning", hint=hint)
        elif not (draft.reconcile and draft.reconcile.every_s):
            text = "applies at a logon's answer only: reconcile.every_s is 0"
            draft.report(path, text, value=value, severity="warning", hint="Set reconcile.every_s.")
