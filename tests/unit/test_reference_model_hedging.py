"""The core decides what the reference model decides where positions stand side by side."""

from __future__ import annotations

from collections import Counter

from tests.model.compared import examples, reached_by, seldom
from tests.model.hedging_histories import hedged, play, steps

EXAMPLES = examples(120)
"""Histories of each kind (docs/explanation/reference-model.md)."""
WELL = ("own",) * 4 + ("each",)
"""A broker names every fill: one position of each order, or one of each fill."""
BADLY = ("own",) * 6 + ("each", "none", "none", "long")
OTHERS = ("own",) * 6 + ("each", "none", "other")
NAMED = ("yes",) * 9 + ("none", "unknown", "other", "long")


def test_closes_name_the_oldest_positions() -> None:
    """Leader and follower hedge; everything that a broker fills has a name."""
    reached = reached_by(play, hedged(), steps(WELL, ("yes",)), EXAMPLES)
    wanted = {
        "the leader holds a pair": 25, "several positions were closed": 1,
        "a part of a position was closed": 3, "a flip waits for its close": 6,
    }  # fmt: skip
    assert not seldom(reached, wanted)
    assert not reached["a fill named nothing"]


def test_what_has_no_name_is_not_closed() -> None:
    """A follower's broker leaves names out, says them later, or says what is no name."""
    reached = reached_by(play, hedged(), steps(BADLY, NAMED), EXAMPLES)
    wanted = {"a fill named nothing": 2, "named late": 1, "a close is held back": 1}
    assert not seldom(reached, wanted)


def test_pairs_are_parted() -> None:
    """A broker closes another position than the one that was named, or opens one."""
    reached = reached_by(play, hedged(), steps(OTHERS, ("yes",)), EXAMPLES)
    assert not seldom(reached, {"a pair was parted": 1, "several positions were closed": 1})


def test_a_leader_is_copied_by_his_net_whatever_he_names() -> None:
    """The follower nets."""
    reached = reached_by(play, hedged(follower=False), steps(WELL, NAMED), EXAMPLES)
    wanted = {
        "the leader holds a pair": 25, "the leader named late": 1, "the leader named nothing": 5,
        "closed by each other": 1, "bust of a leader's trade": 10,
    }  # fmt: skip
    assert not seldom(reached, wanted)


def test_a_leader_who_nets_is_copied_into_positions() -> None:
    """His reports' names are nothing then."""
    reached: Counter[str] = reached_by(play, hedged(leader=False), steps(WELL, NAMED), EXAMPLES)
    assert not seldom(reached, {"a flip waits for its close": 6, "a part of a position was closed": 2})
