"""Rules between the sections: what names lead to, who copies whom. Works on drafts with holes in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from gateway.config_core import traded
from gateway.config_model import SubscriptionConfig
from gateway.config_read import Draft
from gateway.config_rules_alerts import alerts
from gateway.config_rules_block import blocks
from gateway.config_rules_capital import capital_shares
from gateway.config_rules_inverse import inverse_contracts, mixed_contracts
from gateway.config_rules_lots import (
    all_limits,
    guards,
    keys_that_belong_together,
    lots,
    order_types,
    position_breaks,
    position_models,
    sizing,
    totals,
    venue_takes_our_orders,
)
from gateway.config_rules_mirrors import mirrors, mirrors_name_no_position
from gateway.config_rules_money import unit_values, values_of_orders
from gateway.config_rules_names import filtered_instruments, named_instruments
from gateway.config_rules_rings import cycles
from gateway.config_rules_together import all_together, price_windows, subscription_guards, together
from gateway.config_rules_wire import (
    accounts,
    comp_ids,
    leader_accounts,
    ports,
    reserves,
    secrets,
    session_use,
    socket_paths,
    versions,
)
from gateway.hints import did_you_mean
from gateway.toml_lines import Key

Reference = tuple[str, tuple[Key, ...], str]
"""A section, the place in the file that names one of its parts, and the name."""


def apply_rules(draft: Draft) -> None:
    """Adds every problem between sections to the draft."""
    for rule in RULES:
        rule(draft)


def references(draft: Draft) -> None:
    """Every name must lead to a section."""
    for section, path, name in _references(draft):
        names = draft.names.get(section, [])
        if name not in names:
            draft.report(path, f"names nothing in [{section}]", value=name, hint=did_you_mean(name, names))


def _references(draft: Draft) -> Iterator[Reference]:
    """Every name that stands in the file for a section: that section, the place, the name."""
    for name, route in draft.routes.items():
        yield "sessions", ("routes", name, "session"), route.session
        if route.reserve is not None:
            yield "routes", ("routes", name, "reserve"), route.reserve
    for name, leader in draft.leaders.items():
        yield "sessions", ("leaders", name, "session"), leader.session
        if leader.follower is not None:
            yield "followers", ("leaders", name, "follower"), leader.follower
        yield from _instruments(("leaders", name, "symbols"), leader.symbols or {})
        held = {instrument: instrument for instrument in leader.initial_positions}
        yield from _instruments(("leaders", name, "initial_positions"), held)
    for name, follower in draft.followers.items():
        yield "routes", ("followers", name, "route"), follower.route
        yield from _instruments(("followers", name, "symbols"), follower.symbols or {})
        yield from _instruments(("followers", name, "restricted"), dict(enumerate(follower.restricted)))
    for number, subscription in draft.subscriptions.items():
        yield from _references_of(("subscriptions", number), subscription)
    for path, limits in all_limits(draft):
        yield from _instruments((*path, "instruments"), {name: name for name in limits.instruments})
    for path, bounds in all_together(draft):
        yield from _instruments((*path, "instruments"), {name: name for name in bounds.instruments})
    yield from _references_of_broken(draft)


PLAIN_REFERENCES = (
    ("routes", "session", "sessions"),
    ("routes", "reserve", "routes"),
    ("leaders", "session", "sessions"),
    ("leaders", "follower", "followers"),
    ("followers", "route", "routes"),
    ("subscriptions", "leader", "leaders"),
    ("subscriptions", "follower", "followers"),
)
"""Section, key, and the section that the key's text names a part of."""


def _references_of_broken(draft: Draft) -> Iterator[Reference]:
    """The names in parts that have another mistake: one mistake must not hide the next."""
    for owner, key, section in PLAIN_REFERENCES:
        table = draft.raw.get(owner)
        parts = (
            table.items() if isinstance(table, dict) else enumerate(table) if isinstance(table, list) else ()
        )
        for name, part in parts:
            named = part.get(key) if isinstance(part, dict) else None
            if isinstance(named, str) and name not in getattr(draft, owner):
                yield section, (owner, name, key), named


def _references_of(at: tuple[Key, ...], subscription: SubscriptionConfig) -> Iterator[Reference]:
    yield "leaders", (*at, "leader"), subscription.leader
    yield "followers", (*at, "follower"), subscription.follower
    for source, mapped in subscription.symbol_map.items():
        yield "instruments", (*at, "symbol_map", source), source
        yield "instruments", (*at, "symbol_map", source, "instrument"), mapped.instrument
    named = subscription.filters.instruments or ()
    yield from _instruments((*at, "filters", "instruments"), dict(enumerate(named)))


def _instruments(path: tuple[Key, ...], names: Mapping[str, str] | Mapping[int, str]) -> Iterator[Reference]:
    for key, name in names.items():
        yield "instruments", (*path, key), name


def symbols(draft: Draft) -> None:
    """A follower's instrument must have one symbol, or the way out is ambiguous."""
    for name, follower in draft.followers.items():
        seen: dict[str, str] = {}
        for symbol, instrument in (follower.symbols or {}).items():
            if instrument in seen:
                hint = f"Its orders could name {seen[instrument]!r} or {symbol!r}; keep one."
                path = ("followers", name, "symbols", symbol)
                draft.report(path, "a second symbol for one instrument", value=instrument, hint=hint)
            seen.setdefault(instrument, symbol)


def traded_instruments(draft: Draft) -> None:
    """What a subscription maps must be traded on both sides."""
    for number, subscription in draft.subscriptions.items():
        leader, follower = draft.leaders.get(subscription.leader), draft.followers.get(subscription.follower)
        if leader is None or follower is None:
            continue
        names = draft.names.get("instruments", [])
        source_names, target_names = (set(traded(names, one)) for one in (leader, follower))
        at = ("subscriptions", number, "symbol_map")
        for source, mapped in subscription.symbol_map.items():
            if source in names and source not in source_names:
                hint = did_you_mean(source, source_names)
                draft.report(
                    (*at, source),
                    f"leader {subscription.leader} has no such instrument",
                    value=source,
                    hint=hint,
                )
            if mapped.instrument in names and mapped.instrument not in target_names:
                hint = did_you_mean(mapped.instrument, target_names)
                text = f"follower {subscription.follower} has no symbol for this instrument"
                draft.report((*at, source, "instrument"), text, value=mapped.instrument, hint=hint)
        missing = sorted(source_names - target_names - set(subscription.symbol_map))
        if missing:
            text = f"not copied: follower {subscription.follower} does not trade {', '.join(missing[:8])}"
            hint = "Add a symbol_map or a symbol, if it should be copied."
            draft.report(("subscriptions", number), text, hint=hint, severity="warning")


def subscription_names(draft: Draft) -> None:
    """A name is used once, and nobody is copied twice by accident."""
    names: dict[str, int] = {}
    copies: dict[tuple[str, str, str], int] = {}
    for number, subscription in draft.subscriptions.items():
        copy = (subscription.follower, subscription.leader, subscription.filters.model_dump_json())
        if subscription.label in names:
            text = f"the same name as subscriptions[{names[subscription.label]}]"
            hint = (
                "The pair would be copied twice. To copy it twice on purpose, give each a name and filters."
            )
            draft.report(("subscriptions", number), text, value=subscription.label, hint=hint)
        elif copy in copies and subscription.leaving is None:
            text = f"copies the same leader to the same follower as subscriptions[{copies[copy]}]"
            draft.report(
                ("subscriptions", number), text, hint="Give the two different filters, or remove one."
            )
        names.setdefault(subscription.label, number)
        if subscription.leaving is None:
            copies.setdefault(copy, number)


RULES: tuple[Callable[[Draft], None], ...] = (
    references,
    symbols,
    traded_instruments,
    accounts,
    leader_accounts,
    session_use,
    reserves,
    comp_ids,
    ports,
    versions,
    secrets,
    alerts,
    lots,
    keys_that_belong_together,
    sizing,
    capital_shares,
    unit_values,
    inverse_contracts,
    mixed_contracts,
    values_of_orders,
    totals,
    together,
    named_instruments,
    filtered_instruments,
    price_windows,
    blocks,
    guards,
    subscription_guards,
    subscription_names,
    order_types,
    mirrors,
    venue_takes_our_orders,
    position_models,
    mirrors_name_no_position,
    position_breaks,
    cycles,
    socket_paths,
)
"""Every rule, in the order of the report. A new rule is added here and nowhere else."""
