"""`copygate ctl` for one subscription, against a real core: what is in effect is what is said, by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.control_rig import Core, core, ctl, file, last_line, state

__all__ = ["core", "file"]

SUB = "f1<alpha"


def stops(file: Path) -> list[tuple[str, str, str, str, str]]:
    """What `stops` lists."""
    found = json.loads(last_line(ctl(file, "stops", "--json")))
    return [(one["scope"], one["name"], one["level"], one["code"], one["who"]) for one in found]


def test_a_pause_says_what_is_in_effect_and_how_to_go_on(file: Path, core: Core) -> None:
    """It is listed by `stops` and `status`, and ends by a resume with a name."""
    done = ctl(file, "pause", SUB, "--as", "maria", "--level", "close_only")
    assert done.exit_code == 0, done.output
    assert f'Subscription "{SUB}" paused at close_only by maria. Journal row 2' in done.output
    assert f"resume '{SUB}' --as NAME" in done.output
    assert stops(file) == [("subscription", SUB, "close_only", "paused", "maria")]
    assert "1 stop ON" in ctl(file, "status").output
    assert SUB in ctl(file, "stops").output
    assert state(core)["killed"] is False
    released = ctl(file, "resume", SUB, "--as", "maria", "--json")
    assert json.loads(last_line(released))["said"].endswith("it was close_only")
    assert stops(file) == []


def test_a_pause_survives_a_restart(file: Path) -> None:
    """Only resume ends it."""
    first = Core(file)
    paused = ctl(file, "pause", SUB).exit_code
    first.stop()
    again = Core(file)
    found = stops(file)
    again.stop()
    assert (paused, [one[:3] for one in found]) == (0, [("subscription", SUB, "no_opens")])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["pause", SUB, "--level", "halt"], "no_opens, close_only"),
        (["pause", "f1"], 'subscription "f1" is not defined'),
        (["resume", SUB], "resume needs a named operator"),
        (["resume", SUB, "--as", "x" * 65], "printable characters"),
        (["resume", "f1", "--as", "ann"], 'subscription "f1" is not defined'),
        (["leave", SUB, "--rule", "keep"], "leave needs a named operator"),
        (["leave", SUB, "--rule", "close", "--as", "ann"], "keep, close_now, close_with_leader"),
        (["leave", SUB, "--as", "ann"], "Missing option '--rule'"),
        (["leave", "f1", "--rule", "keep", "--as", "ann"], 'subscription "f1" is not defined'),
        (["pause"], "Missing argument 'SUBSCRIPTION'"),
    ],
)
def test_what_cannot_be_is_a_usage_error_and_does_nothing(
    file: Path, core: Core, words: list[str], said: str
) -> None:
    """Exit code 2, with the core's reason where it is the core's."""
    refused = ctl(file, *words)
    assert (refused.exit_code, said in refused.output) == (2, True), refused.output
    assert stops(file) == []
    assert state(core)["leaving"] == []


@pytest.mark.parametrize("rule", ["keep", "close_now", "close_with_leader"])
def test_who_left_is_shown_and_stays_so(file: Path, rule: str) -> None:
    """A flat subscription has left at once; the next start of the core knows it."""
    first = Core(file)
    done = ctl(file, "leave", SUB, "--rule", rule, "--as", "ann")
    shown = ctl(file, "status").output
    first.stop()
    assert done.exit_code == 0, done.output
    assert f'Subscription "{SUB}" leaves by {rule}: nothing is opened any more, by ann.' in done.output
    assert "1 of 1 leaving subscriptions have left" in shown
    again = Core(file)
    (leaving,) = json.loads(last_line(ctl(file, "status", "--json")))["leaving"]
    again.stop()
    known = {key: leaving[key] for key in ("subscription", "rule", "who", "done")}
    assert known == {"subscription": SUB, "rule": rule, "who": "ann", "done": True}


def test_the_file_ends_a_subscription(file: Path) -> None:
    """`leaving` in the file is followed when the core starts with it."""
    text = file.read_text("utf-8").replace('k = "0.5" }', 'k = "0.5" }\nleaving = "keep"')
    file.write_text(text, "utf-8")
    core = Core(file)
    found = json.loads(last_line(ctl(file, "status", "--json")))["leaving"]
    core.stop()
    assert [(one["rule"], one["who"]) for one in found] == [("keep", "the configuration")]


def test_close_only_is_a_kill_at_that_level(file: Path, core: Core) -> None:
    """The short form has the scopes of `kill`, and `arm` ends it."""
    done = ctl(file, "close-only", "--as", "ann", "--follower", "f1")
    assert (done.exit_code, "are being cancelled" in done.output) == (0, True), done.output
    assert stops(file) == [("follower", "f1", "close_only", "kill", "ann")]
    assert ctl(file, "arm", "--as", "ann", "--follower", "f1").exit_code == 0
    assert stops(file) == []


@pytest.mark.parametrize("words", [["pause", SUB], ["resume", SUB, "--as", "ann"], ["close-only"]])
def test_without_a_core_nothing_is_said_to_be_in_effect(file: Path, words: list[str]) -> None:
    """Exit code 3; a close-only of everything is left for the routes, as a kill is."""
    refused = ctl(file, *words)
    assert (refused.exit_code, "no core runs" in refused.output) == (3, True)
    assert (file.parent / "state" / "kill.json").exists() is (words == ["close-only"])
