"""The core decides what the reference model decides about a leader's working orders."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.model.compared import examples, reached_by, seldom
from tests.model.mirror_histories import (
    Answer,
    Begin,
    Book,
    Change,
    End,
    Fill,
    Step,
    Trade,
    beside_fills,
    bounded,
    closings,
    openings,
    play,
    rules,
    stopping,
    stops,
    turning,
    turning_rules,
    whole_rules,
)
from tests.model.mirror_rig import Rig
from tests.model.mirror_terms import Rule

EXAMPLES = examples(300)
"""Histories of each kind (docs/explanation/reference-model.md)."""


def test_orders_that_open_are_mirrored_as_the_reference_model_says() -> None:
    """Placed, replaced, cancelled, lost and placed again; ahead, behind, and what becomes of both."""
    reached = reached_by(play, rules(), openings(), EXAMPLES)
    wanted = {
        "ahead and closed": 8, "ahead and kept": 2, "given up": 3, "opened at the market": 1,
        "placed again": 1, "behind, to the market": 1,
    }  # fmt: skip
    assert not seldom(reached, wanted)


def test_take_profits_and_stops_are_mirrored_as_the_reference_model_says() -> None:
    """Alternatives of each other, cut together, filled ahead; what the leader closes goes to the market."""
    reached = reached_by(play, whole_rules(), closings(), EXAMPLES)
    wanted = {
        "a close filled": 8, "a close filled ahead": 8, "a close was cut": 10, "a close was lost": 2,
        "a close waits for its mirror": 8, "closed at the market": 15,
    }  # fmt: skip
    assert not seldom(reached, wanted)


def test_stops_beside_fills_are_as_the_reference_model_says() -> None:
    """Stops alone rest, also early ones and those with a multiplier; all else is copied by fills."""
    reached = reached_by(play, stops(), beside_fills(), EXAMPLES, first=2)
    wanted = {
        "a close filled": 3, "a close was cut": 3,
        "opened at the market": 60, "closed at the market": 4,
    }  # fmt: skip
    assert not seldom(reached, wanted)


def test_leaders_who_turn_around_are_mirrored_as_the_reference_model_says() -> None:
    """Orders of both sides at once; what began as an open closes, what turns him closes and opens."""
    reached = reached_by(turned, turning_rules(), turning(), EXAMPLES)
    wanted = {"turned around": 10, "a close filled ahead": 10, "turned": 2, "ahead and closed": 20}
    assert not seldom(reached, wanted)


def test_what_persons_stop_is_mirrored_as_the_reference_model_says() -> None:
    """Opens are refused, or cancelled and placed again; closes go on, or wait for the end of a halt."""
    reached = reached_by(play, whole_rules(), stopping(), EXAMPLES, first=2)
    wanted = {"a mirror was refused": 10, "given up in a stop": 5, "a close held by a halt": 5}
    assert not seldom(reached, wanted)


def test_what_bounds_mirrors_is_as_the_reference_model_says() -> None:
    """Positions and orders that are not done, cut or refused; a replace that nobody has answered counts."""
    reached = reached_by(play, bounded(), closings(), EXAMPLES)
    wanted = {"a mirror was refused": 40, "a close filled": 10}
    assert not seldom(reached, wanted)


def turned(rules: list[Rule], history: list[Step]) -> Counter[str]:
    """Plays a history of a leader who turns around."""
    return play(rules, history, turns=True)


def opens(qty: int) -> Begin:
    """The leader's limit order to buy."""
    return Begin(buy=True, closes=False, kind="limit", steps=qty, px=1)


def closes(qty: int) -> Begin:
    """His limit order that sells what he holds."""
    return Begin(buy=True, closes=True, kind="limit", steps=qty, px=1)


HELD: list[Step] = [opens(10), Fill(0, 10), Trade(0, 10, 1)]
"""Leader and follower have bought 10."""

SMALL: dict[str, list[Step]] = {
    # 0017, 4: what a live mirror may still fill is left to it, also when the leader keeps a part
    "closes wait": [*HELD, closes(5), Trade(0, 10, 1)],
    # how-to: what was lost is placed again when the leader changes his order; that he cuts it is a change
    "cuts place again": [opens(10), End(0, "rejected"), Change(0, 8, 1)],
    # 0017, 10: what he filled of a rejected one is given up, also when the next one has filled
    "given up for good": [
        opens(10), End(0, "rejected"), Trade(0, 5, 1), Change(0, 0, 2), Fill(0, 3), Change(0, 0, 3),
    ],
    # "it was the close that was still wanted": both fill 3 of 10, the leader's report comes first; then the
    # follower's order is replaced, and 3 more are closed at the market
    "late closes count": [*HELD, closes(10), Trade(0, 3, 1), Fill(0, 3), Answer()],
}  # fmt: skip


@pytest.mark.parametrize("rule", sorted(SMALL))
def test_the_core_keeps_what_this_model_once_found_it_not_to(rule: str) -> None:
    """The smallest history of each difference that there was."""
    play([Rule()], SMALL[rule])


def played(rig: Rig, history: list[Step], book: Book) -> list[str]:
    """Plays on; what the core sent in the last step."""
    for step in history:
        before = len(rig.story)
        step.play(rig, book)
    return [line for line in rig.story[before:] if "core" in line]


def test_a_close_that_fills_ahead_of_an_open_stays_closed() -> None:
    """The follower has 10, 9 of them ahead; the leader's take profit of 1 is one of 10 here, and fills."""
    with Rig([Rule()]) as rig:
        history: list[Step] = [opens(10), Fill(0, 10), Trade(0, 1, 1), closes(1), Fill(0, 10)]
        assert played(rig, history, Book()) == []


def test_a_report_that_changes_nothing_moves_no_target() -> None:
    """A close that filled ahead, and that the leader cuts to a half: the target comes down once."""
    with Rig([Rule()]) as rig:
        book = Book()
        played(rig, [*HELD, closes(10), Fill(0, 10), Change(0, 5, 1)], book)
        first = rig.targets()
        played(rig, [Change(0, 0, 1)], book)
        assert rig.targets() == first
