"""The delivery protocol keeps its promises in every interleaving, and each rule of it is needed."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields, replace
from functools import cache
from pathlib import Path

import pytest

from tests.protocol.explore import Found, explore
from tests.protocol.rules import (
    CHECKING,
    FORGETFUL,
    REJECTING,
    UNNAMED,
    VENUES,
    Rules,
    Setup,
    Venue,
)
from tests.protocol.state import DOUBLE, LOST_CLOSE, OVER, STUCK

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "explanation" / "delivery-model.md"

BREAKS = {
    "leader_row_first": (Setup(), LOST_CLOSE),
    "leader_recognised": (Setup(), DOUBLE),
    "broker_row_first": (Setup(), STUCK),
    "rows_until_taken": (Setup(), DOUBLE),
    "out_row_first": (Setup(), DOUBLE),
    "sync_behind_rows": (Setup(), DOUBLE),
    "sync_older_only": (Setup(), DOUBLE),
    "names_incarnation": (Setup(), DOUBLE),
    "names_epoch": (Setup(), DOUBLE),
    "try_numbers": (Setup(), DOUBLE),
    "dispatch_timeout": (Setup(), STUCK),
    "probe_looks": (Setup(), DOUBLE),
    "probe_bars": (Setup(), DOUBLE),
    "asks": (Setup(faults=0), DOUBLE),
    "ack_timeout": (Setup(), STUCK),
    "query_id": (Setup(faults=0), DOUBLE),
    "asks_again": (Setup(), STUCK),
    "settles": (Setup(faults=0), DOUBLE),
    "duplicate_asks": (Setup(venue=CHECKING), DOUBLE),
    "close_again": (Setup(), LOST_CLOSE),
    "reduces_filled": (Setup(faults=0), OVER),
    "no_replay": (Setup(), DOUBLE),
    "asks_after_logon": (Setup(venue=FORGETFUL), STUCK),
    "hello_again": (Setup(), STUCK),
    "greet_again": (Setup(faults=2, held=True), STUCK),
    "settles_from_answer": (Setup(), DOUBLE),
    "counts_answers": (Setup(venue=UNNAMED, faults=0), DOUBLE),
    "denial_no_reject": (Setup(venue=REJECTING, held=True), DOUBLE),
}
"""For each rule: what shows why it is there (by itself the trusting venue, one fault), and what breaks."""


@cache
def found(setup: Setup) -> Found:
    """The broken promise; the exploration must not end without one."""
    broken = explore(setup).found
    assert broken is not None, "nothing was found"
    return broken


def without(rule: str) -> Found:
    """What breaks when a rule is left out."""
    return found(replace(BREAKS[rule][0], rules=replace(Rules(), **{rule: False})))


@pytest.mark.parametrize("venue", [*VENUES, UNNAMED], ids=lambda venue: venue.name)
def test_with_all_rules_nothing_is_found(venue: Venue) -> None:
    """No double send, no stuck intent, no lost close in any interleaving with one fault."""
    result = explore(Setup(venue=venue, faults=1))
    assert result.found is None
    assert result.states > 5_000


CLOSES = {
    "two faults": Setup(faults=2, held=True),
    "rejecting": Setup(venue=REJECTING, held=True),
}
"""What is too large for a test with the open before it."""


@pytest.mark.slow
@pytest.mark.parametrize("name", CLOSES)
def test_with_all_rules_nothing_is_found_about_a_close(name: str) -> None:
    """The same with two faults, and at a venue whose denials look like rejects."""
    result = explore(CLOSES[name])
    assert result.found is None
    assert result.states > 50_000


@pytest.mark.parametrize("rule", BREAKS)
def test_without_a_rule_its_promise_is_broken(rule: str) -> None:
    """Each rule is there because leaving it out breaks this."""
    assert without(rule).promise == BREAKS[rule][1]


def test_every_rule_is_left_out_once() -> None:
    """A rule that is added is shown to be needed, and has its line on the page."""
    names = [rule.name for rule in fields(Rules)]
    assert set(BREAKS) == set(names)
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in names if f"| `{name}` |" not in page] == []


@pytest.mark.parametrize(
    ("rule", "step"),
    [
        ("hello_again", "FAULT route is silent"),
        ("greet_again", "FAULT frame is lost: ('greet', 1, 1)"),
        ("settles_from_answer", "broker accepts order 0 (open)"),
        ("denial_no_reject", "broker accepts order 2 (close)"),
        ("counts_answers", "broker accepts order 0 (open)"),
    ],
)
def test_what_the_model_found_in_the_code_is_found_by_this_step(rule: str, step: str) -> None:
    """Five defects were mended: each comes back when its rule is left out, and by nothing else."""
    assert without(rule).steps[-1] == step


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
