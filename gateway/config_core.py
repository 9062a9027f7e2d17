"""Compiles the configuration to the core's JSON: names resolved, limits folded, decimals as text."""

from __future__ import annotations

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from gateway.config_guards import GuardsConfig
from gateway.config_limits import LimitsConfig, MessagesConfig, core_limits
from gateway.config_model import (
    FollowerConfig,
    GatewayConfig,
    LeaderConfig,
    RouteConfig,
    SubscriptionConfig,
    SymbolMap,
)
from gateway.config_together import TogetherConfig
from gateway.config_types import decimal_text

RATIO_UNBOUNDED = Decimal(10) ** 18
"""max_ratio of modes whose ratio stands in the file itself: nothing from outside can enlarge it."""


def core_json(config: GatewayConfig) -> str:
    """The core's configuration as JSON text, the same text for the same configuration."""
    return json.dumps(core_config(config), ensure_ascii=False, separators=(",", ":"))


def core_config(config: GatewayConfig) -> dict[str, Any]:
    """The core's configuration as plain data: text, integers, booleans, lists and objects only."""
    return {
        "deployment": config.gateway.deployment,
        "timing": config.timing.model_dump(),
        "faults": config.faults.model_dump(),
        "reconcile": config.reconcile.core(),
        "retire_after_ms": config.core.retire_after_s * 1_000,
        **_messages(config.messages),
        **_together(config.together),
        **({} if config.clock is None else {"clock": config.clock.model_dump()}),
        "profiles": [config.profiles[name] for name in sorted(config.profiles)],
        "instruments": [{"name": n, **i.model_dump(mode="json")} for n, i in config.instruments.items()],
        "leaders": [_leader(config, name, leader) for name, leader in config.leaders.items()],
        "routes": [
            {
                "name": name,
                "session": route.session,
                "profile": config.sessions[route.session].profile,
                **_messages(route.messages),
                **({} if route.reserve is None else _reserve(route)),
            }
            for name, route in config.routes.items()
        ],
        "followers": [_follower(config, name, follower) for name, follower in config.followers.items()],
        "subscriptions": [_subscription(config, item) for item in config.subscriptions],
        "dispatch": config.gateway.dispatch,
    }


def symbols_of(config: GatewayConfig, owner: LeaderConfig | FollowerConfig) -> dict[str, str]:
    """Symbol text of the venue → instrument; every instrument under its own name where none is given."""
    return {name: name for name in config.instruments} if owner.symbols is None else dict(owner.symbols)


def traded(instruments: Iterable[str], owner: LeaderConfig | FollowerConfig) -> list[str]:
    """What an account trades, each once: every instrument where it names none."""
    return list(dict.fromkeys(instruments if owner.symbols is None else owner.symbols.values()))


def full_symbol_map(config: GatewayConfig, subscription: SubscriptionConfig) -> dict[str, SymbolMap]:
    """Leader instrument → follower instrument, identity where the file is silent and both trade it."""
    leader, follower = config.leaders[subscription.leader], config.followers[subscription.follower]
    return copied(config.instruments, leader, follower, subscription)


def copied(
    instruments: Iterable[str],
    leader: LeaderConfig,
    follower: FollowerConfig,
    subscription: SubscriptionConfig,
) -> dict[str, SymbolMap]:
    """The same of sections alone, while others of the file may have mistakes."""
    targets = set(traded(instruments, follower))
    full: dict[str, SymbolMap] = {}
    for source in traded(instruments, leader):
        if source in subscription.symbol_map:
            full[source] = subscription.symbol_map[source]
        elif source in targets:
            full[source] = SymbolMap(instrument=source)
    return full


def max_ratio(subscription: SubscriptionConfig) -> Decimal:
    """The bound of the ratio; a mode whose factor stands in the file has none of its own."""
    return RATIO_UNBOUNDED if subscription.max_ratio is None else subscription.max_ratio


def follower_limits(config: GatewayConfig, follower: FollowerConfig) -> tuple[LimitsConfig, ...]:
    """Sections with bounds over all subscriptions of a follower: global and its own."""
    return (config.limits, follower.limits)


def subscription_limits(config: GatewayConfig, subscription: SubscriptionConfig) -> tuple[LimitsConfig, ...]:
    """Sections with bounds of one subscription: global, its leader's and its own."""
    return (config.limits, config.leaders[subscription.leader].limits, subscription.limits)


def effective_guards(config: GatewayConfig, follower: FollowerConfig) -> GuardsConfig | None:
    """All rules of a follower: the global ones and its own; None where there are none. What its section
    leaves out is as for everybody."""
    ours, of_all = follower.guards, config.guards
    if ours is None or of_all is None:
        return ours or of_all
    own = {name: getattr(ours, name) for name in ours.model_fields_set if name != "rules"}
    return of_all.model_copy(update={**own, "rules": of_all.rules + ours.rules})


def subscription_guards(config: GatewayConfig, item: SubscriptionConfig) -> GuardsConfig | None:
    """Rules of a subscription; what its section leaves out is as in the guards of its follower."""
    outer = effective_guards(config, config.followers[item.follower])
    if item.guards is None or outer is None:
        return item.guards
    own = {name: getattr(item.guards, name) for name in item.guards.model_fields_set}
    return outer.model_copy(update=own)


def _leader(config: GatewayConfig, name: str, leader: LeaderConfig) -> dict[str, Any]:
    return {
        "name": name,
        "session": leader.session,
        "profile": config.sessions[leader.session].profile,
        "account": leader.account,
        "currency": leader.currency,
        "symbols": symbols_of(config, leader),
        "assume_flat": leader.assume_flat,
        "initial_positions": {key: decimal_text(value) for key, value in leader.initial_positions.items()},
        **({} if leader.inactive is None else {"inactive": leader.inactive.core()}),
        **_together(leader.together),
    }


def _follower(config: GatewayConfig, name: str, follower: FollowerConfig) -> dict[str, Any]:
    guards = effective_guards(config, follower)
    return {
        "name": name,
        "route": follower.route,
        "account": follower.account,
        "currency": follower.currency,
        "symbols": symbols_of(config, follower),
        "restricted": list(follower.restricted),
        "limits": core_limits(*follower_limits(config, follower)),
        **_messages(follower.messages),
        "on_break": follower.on_break,
        **({} if guards is None else {"guards": _guards(guards)}),
    }


def _reserve(route: RouteConfig) -> dict[str, Any]:
    return {"reserve": route.reserve, "switch": route.switch.model_dump()}


def _messages(allowance: MessagesConfig | None) -> dict[str, Any]:
    return {} if allowance is None else {"messages": allowance.core()}


def _together(bounds: TogetherConfig | None) -> dict[str, Any]:
    return {} if bounds is None else {"together": bounds.core()}


def _guards(guards: GuardsConfig) -> dict[str, Any]:
    return {
        "zone": guards.zone,
        "day_begins_s": guards.day_begins_s,
        "max_age_ms": guards.max_age_ms,
        "rules": [rule.model_dump(mode="json", exclude_none=True) for rule in guards.rules],
    }


def _subscription(config: GatewayConfig, item: SubscriptionConfig) -> dict[str, Any]:
    plain = item.model_dump(mode="json")
    mapped, guards = full_symbol_map(config, item), subscription_guards(config, item)
    return {
        "name": item.label,
        "follower": item.follower,
        "leader": item.leader,
        "sizing": plain["sizing"],
        "max_ratio": decimal_text(max_ratio(item)),
        "capital_share": decimal_text(item.capital_share or Decimal(1)),
        "rounding": item.rounding,
        "max_inflation": plain["max_inflation"],
        "reverse": item.reverse,
        "symbol_map": {source: target.model_dump(mode="json") for source, target in mapped.items()},
        "filters": plain["filters"],
        "order_type": item.order_type,
        "max_slippage_bps": plain["max_slippage_bps"],
        "max_drift_bps": plain["max_drift_bps"],
        "max_amplification": plain["max_amplification"],
        "max_age_ms": item.max_age_ms,
        "account_max_age_ms": item.account_max_age_ms,
        "on_bust": item.on_bust,
        "on_reject": item.on_reject,
        "retry_window_ms": item.retry_window_ms,
        "joining": item.joining,
        "leaving": item.leaving,
        "copy": item.copy_,
        "copy_stops": item.copy_stops,
        "ahead": item.ahead,
        "leader_filled": item.leader_filled,
        "leader_filled_ms": item.leader_filled_s * 1_000,
        "stop_multiplier": plain["stop_multiplier"],
        "limits": core_limits(*subscription_limits(config, item)),
        **({} if guards is None else {"guards": _guards(guards)}),
    }
