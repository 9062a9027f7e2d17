"""Rules about circles: a copy must not come back to the account it began at.

A leader is a follower's account where the file says so, or where both have one broker and one account there.
Where a leader names no account, its reports may be of any account of that broker: then a circle may be one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from gateway.config_model import FollowerConfig, LeaderConfig
from gateway.config_read import Draft
from gateway.config_sections import SessionConfig
from gateway.toml_lines import Key

Same = Literal["yes", "maybe", "no"]
Edges = dict[str, list[tuple[str, int]]]
"""Leader → the leaders that its copies become, each with the subscription that does it."""
SESSION_IS_ACCOUNT = frozenset({"comp_id", "none"})
"""`account_field` of venues that have one account for each session: no text names it."""


def cycles(draft: Draft) -> None:
    """Copies must not come back to the account they began at: each round would enlarge them."""
    certain = _edges(draft, ("yes",))
    reported: set[frozenset[str]] = set()
    for ring, path in _each(certain, reported):
        text = f"copies in a circle: {' → '.join([*ring, ring[0]])}"
        hint = "Remove one of the subscriptions; each round would enlarge the positions."
        draft.report(path, text, hint=hint)
    for ring, path in _each(_edges(draft, ("yes", "maybe")), reported):
        text = f"may copy in a circle: {' → '.join([*ring, ring[0]])}"
        # Of leaders that have an account it is certain.
        unknown = next((name for name in ring if draft.leaders[name].account is None), ring[0])
        hint = (
            f"Nothing says which account of its broker leader {unknown} is, and the follower has one there: "
            'add account = "…", the text of its own reports, or follower = "…", if it is a follower.'
        )
        draft.report(path, text, hint=hint, severity="warning")


def same_account(draft: Draft, leader_name: str, follower_name: str) -> Same:
    """Whether a leader is a follower's account: said so, or by broker and account there."""
    leader, follower = draft.leaders[leader_name], draft.followers.get(follower_name)
    if leader.follower == follower_name:
        return "yes"
    route = draft.routes.get(follower.route) if follower else None
    ours = draft.sessions.get(route.session) if route else None
    theirs = draft.sessions.get(leader.session)
    if follower is None or ours is None or theirs is None or ours.target_comp_id != theirs.target_comp_id:
        return "no"
    if follower.account is not None and follower.account == leader.account:
        return "yes"
    one, other = _account(draft, follower, ours), _account(draft, leader, theirs)
    if one is None or other is None:
        # A leader that is said to be another follower's account is not this one's.
        return "maybe" if leader.follower is None else "no"
    return "yes" if one == other else "no"


def _account(draft: Draft, owner: LeaderConfig | FollowerConfig, session: SessionConfig) -> str | None:
    """What an account is known by at its broker; None where nothing says it."""
    field = draft.profiles.get(session.profile, {}).get("account_field", "tag1")
    # A session that is the account is known by our own CompID, whatever text the file has for it.
    return session.sender_comp_id if field in SESSION_IS_ACCOUNT else owner.account


def _edges(draft: Draft, wanted: tuple[Same, ...]) -> Edges:
    edges: Edges = {}
    found: dict[str, list[str]] = {}
    for number, item in draft.subscriptions.items():
        if item.follower not in found:
            found[item.follower] = [
                name for name in draft.leaders if same_account(draft, name, item.follower) in wanted
            ]
        edges.setdefault(item.leader, []).extend((name, number) for name in found[item.follower])
    return edges


def _each(edges: Edges, reported: set[frozenset[str]]) -> Iterator[tuple[list[str], tuple[Key, ...]]]:
    """Every circle that was not reported yet, and the subscription that closes it."""
    done: set[str] = set()
    for start in edges:
        for ring, number in _rings(edges, start, done):
            if frozenset(ring) not in reported:
                reported.add(frozenset(ring))
                yield ring, ("subscriptions", number)


def _rings(edges: Edges, start: str, done: set[str]) -> Iterator[tuple[list[str], int]]:
    """Depth first, without recursion: a leader met again on the trail closes a circle."""
    if start in done:
        return
    trail, open_edges = [start], [iter(edges.get(start, []))]
    while trail:
        step = next(open_edges[-1], None)
        if step is None:
            done.add(trail.pop())
            open_edges.pop()
            continue
        leader, number = step
        if leader in trail:
            yield trail[trail.index(leader) :], number
        elif leader not in done:
            trail.append(leader)
            open_edges.append(iter(edges.get(leader, [])))
