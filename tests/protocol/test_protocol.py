"""The delivery protocol keeps its promises in every interleaving, and each rule of it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path

import pytest

from tests.protocol.explore import Found, explore
from tests.protocol.rules import (
    CHECKING,
    FORGETFUL,
    REJECTING,
    TRUSTING,
    UNNAMED,
    VENUES,
    Hole,
    Rules,
    Setup,
    Venue,
)
from tests.protocol.state import DOUBLE, LOST_CLOSE, OVER, STUCK

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "delivery-model.md"

BREAKS = {
    "leader_row_first": (TRUSTING, 1, LOST_CLOSE),
    "leader_recognised": (TRUSTING, 1, DOUBLE),
    "broker_row_first": (TRUSTING, 1, STUCK),
    "rows_until_taken": (TRUSTING, 1, DOUBLE),
    "out_row_first": (TRUSTING, 1, DOUBLE),
    "sync_behind_rows": (TRUSTING, 1, DOUBLE),
    "sync_older_only": (TRUSTING, 1, DOUBLE),
    "names_incarnation": (TRUSTING, 1, DOUBLE),
    "names_epoch": (TRUSTING, 1, DOUBLE),
    "try_numbers": (TRUSTING, 1, DOUBLE),
    "dispatch_timeout": (TRUSTING, 1, STUCK),
    "probe_looks": (TRUSTING, 1, DOUBLE),
    "probe_bars": (TRUSTING, 1, DOUBLE),
    "asks": (TRUSTING, 0, DOUBLE),
    "ack_timeout": (TRUSTING, 1, STUCK),
    "query_id": (TRUSTING, 0, DOUBLE),
    "asks_again": (TRUSTING, 1, STUCK),
    "settles": (TRUSTING, 0, DOUBLE),
    "duplicate_asks": (CHECKING, 1, DOUBLE),
    "close_again": (TRUSTING, 1, LOST_CLOSE),
    "reduces_filled": (TRUSTING, 0, OVER),
    "no_replay": (TRUSTING, 1, DOUBLE),
    "asks_after_logon": (FORGETFUL, 1, STUCK),
}
"""For each rule: the venue and the number of faults that show why it is there, and what breaks."""


def found(setup: Setup) -> Found:
    """The broken promise; the exploration must not end without one."""
    broken = explore(setup).found
    assert broken is not None, "nothing was found"
    return broken


@pytest.mark.parametrize("venue", VENUES, ids=lambda venue: venue.name)
def test_with_all_rules_nothing_is_found(venue: Venue) -> None:
    """No double send, no stuck intent, no lost close in any interleaving with one fault."""
    result = explore(Setup(venue=venue, faults=1))
    assert result.found is None
    assert result.states > 5_000


@pytest.mark.slow
def test_with_all_rules_nothing_is_found_with_two_faults() -> None:
    """The same with two faults, at the venue that catches least of our mistakes."""
    result = explore(Setup(venue=TRUSTING, faults=2))
    assert result.found is None
    assert result.states > 50_000


@pytest.mark.parametrize("rule", BREAKS)
def test_without_a_rule_its_promise_is_broken(rule: str) -> None:
    """Each rule is there because leaving it out breaks this."""
    venue, faults, promise = BREAKS[rule]
    rules = replace(Rules(), **{rule: False})
    assert found(Setup(rules, venue, faults)).promise == promise


def test_every_rule_that_the_code_keeps_is_left_out_once() -> None:
    """A rule that is added is shown to be needed, and has its line on the page."""
    assert set(BREAKS) == set(Rules.kept())
    page = PAGE.read_text(encoding="utf-8")
    assert [rule.name for rule in fields(Rules) if f"`{rule.name}`" not in page] == []


@pytest.mark.parametrize(
    ("hole", "promise", "rule"),
    [(Hole.SILENCE, STUCK, "hello_again"), (Hole.STALL, DOUBLE, "settles_from_answer")],
)
def test_what_the_code_does_not_survive_is_known_and_so_is_what_would_help(
    hole: str, promise: str, rule: str
) -> None:
    """A hole that is closed in the code is closed here: the rule becomes one that is kept."""
    holes = frozenset((hole,))
    assert found(Setup(holes=holes)).promise == promise
    closed = Setup(replace(Rules(), **{rule: True}), holes=holes)
    assert explore(closed).found is None


def test_a_venue_that_does_not_name_the_question_proves_nothing_by_its_answer() -> None:
    """Without OrdStatusReqID(790) in the answer an old "not known" counts, and the order is sent twice."""
    assert found(Setup(venue=UNNAMED, faults=0)).promise == DOUBLE


def test_an_old_answer_that_is_a_reject_makes_a_second_close() -> None:
    """It counts as a reject of what was sent since; read as what it is, it harms nobody."""
    setup = Setup(venue=REJECTING, faults=1, held=True)
    broken = found(setup)
    assert (broken.promise, broken.steps[-1]) == (DOUBLE, "broker accepts order 2 (close)")
    assert explore(replace(setup, rules=replace(Rules(), denial_no_reject=True))).found is None


def test_a_greeting_that_is_lost_leaves_the_route_unused() -> None:
    """One fault ends the connection, another one loses the GREET of the next: nothing asks for it again."""
    broken = found(Setup(faults=2, holes=frozenset((Hole.GREET,)), held=True))
    assert broken.promise == STUCK
    assert broken.steps[-1].startswith("FAULT frame is lost: ('greet'")


def test_a_counterexample_is_printed_as_steps() -> None:
    """Whoever leaves a rule out reads what happens then, and the exit code says that something was found."""
    command = [
        sys.executable,
        "-m",
        "tests.protocol",
        "--venue",
        "trusting",
        "--without",
        "settles",
        "--faults",
    ]
    done = subprocess.run([*command, "0", "--json"], cwd=ROOT, capture_output=True, text=True, check=False)
    said = json.loads(done.stdout)
    assert (done.returncode, said["found"]["promise"]) == (1, DOUBLE)
    assert said["found"]["steps"][0] == "core takes the leader's report"
    assert said["found"]["steps"][-1].startswith("broker accepts order 0 (open)")
