"""Rules about instruments' names: limits and restrictions are by the follower's, filters by the leader's."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from gateway import config_core
from gateway.config_model import SubscriptionConfig
from gateway.config_read import Draft
from gateway.config_rules_lots import all_limits
from gateway.config_rules_together import all_together
from gateway.toml_lines import Key

Pair = tuple[str, str]
"""An instrument of the leader, and what the follower trades for it."""


def copied(draft: Draft, item: SubscriptionConfig) -> list[Pair]:
    """What a subscription copies, where the file is silent under the same name; empty while a part of the
    way is missing."""
    leader, follower = draft.leaders.get(item.leader), draft.followers.get(item.follower)
    if leader is None or follower is None:
        return []
    full = config_core.copied(draft.instruments, leader, follower, item)
    return [(source, target.instrument) for source, target in full.items()]


def named_instruments(draft: Draft) -> None:
    """A bound of what nobody trades bounds nothing, and nobody would notice."""
    pairs = by_scope(draft)
    for scope, path, names in _named(draft):
        reached = pairs.get(scope, {})
        targets = {target for _, target in reached}
        for key, name in names:
            if reached and name in draft.instruments and name not in targets:
                _bounds_nothing(draft, (*path, key), name, reached)


def by_scope(draft: Draft) -> dict[tuple[Key, ...], dict[Pair, None]]:
    """What the bounds of every section reach, by the place of the section without its last key; () is the
    deployment."""
    found: dict[tuple[Key, ...], dict[Pair, None]] = {}
    for number, item in draft.subscriptions.items():
        pairs = dict.fromkeys(copied(draft, item))
        owners = (("leaders", item.leader), ("followers", item.follower), ("subscriptions", number))
        for scope in ((), *owners):
            found.setdefault(scope, {}).update(pairs)
    return found


def _bounds_nothing(draft: Draft, path: tuple[Key, ...], name: str, reached: Iterable[Pair]) -> None:
    instead = list(dict.fromkeys(target for source, target in reached if source == name))
    if instead:
        text = "bounds nothing: it is a leader's instrument, and this is by the follower's"
        hint = f"Write {' and '.join(instead[:4])}, which is traded for it."
        draft.report(path, text, value=name, hint=hint)
    else:
        text = "bounds nothing: no subscription here trades this instrument"
        draft.report(path, text, value=name, hint="Remove it, or copy it.", severity="warning")


def _named(draft: Draft) -> Iterator[tuple[tuple[Key, ...], tuple[Key, ...], list[tuple[Key, str]]]]:
    """Every section with bounds by follower instrument: whose it is, where, and the names with their keys."""
    for path, limits in all_limits(draft):
        yield path[:-1], (*path, "instruments"), [(name, name) for name in limits.instruments]
    for path, bounds in all_together(draft):
        yield path[:-1], (*path, "instruments"), [(name, name) for name in bounds.instruments]
    for follower, item in draft.followers.items():
        yield ("followers", follower), ("followers", follower, "restricted"), [*enumerate(item.restricted)]


def filtered_instruments(draft: Draft) -> None:
    """A filter is by leader instrument: a name that is not copied filters everything out."""
    for number, item in draft.subscriptions.items():
        pairs = copied(draft, item)
        for place, name in enumerate(item.filters.instruments or ()):
            if not pairs or name not in draft.instruments or name in dict(pairs):
                continue
            instead = [source for source, target in pairs if target == name]
            hint = f"Write {instead[0]}, which becomes {name}." if instead else "Remove it, or map it."
            path = ("subscriptions", number, "filters", "instruments", place)
            text = "lets nothing through: the leader's instruments are meant, and it is none that is copied"
            draft.report(path, text, value=name, hint=hint)
