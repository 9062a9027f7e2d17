"""`copygate ctl` for one subscription, against a real core: what is in effect is what is said, by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.control_rig import Core, core, ctl, file, last_line, state

__all__ = ["core", "file"]

SUB = "f1<alpha"
POSITION = ["position", SUB, "EURUSD", "P1", "--units", "0", "--reason", "by hand"]
RECONCILE = ["reconcile", "f1", "EURUSD", "--remedy", "adopt"]
ADJUST = ["adjust", "alpha", "EURUSD", "--reason", "split"]


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
        (["join", SUB], "join needs a named operator"),
        (["join", SUB, "--as", "ann", "--joining", "now"], "flat, target"),
        (["resync", SUB], "resync needs a named operator"),
        (["resync", "f1", "--as", "ann"], 'subscription "f1" is not defined'),
        (
            ["adjust", "alpha", "EURUSD", "--factor", "2", "--reason", "split"],
            "adjust needs a named operator",
        ),
        (["adjust", "alpha", "EURUSD", "--factor", "2", "--as", "ann"], "Missing option '--reason'"),
        ([*ADJUST, "--as", "ann"], "one of factor"),
        ([*ADJUST, "--factor", "2x", "--as", "ann"], "no positive number or fraction"),
        ([*ADJUST, "--position", "1e3", "--as", "ann"], "not a decimal"),
        ([*ADJUST, "--position", "1", "--targets", "all", "--as", "ann"], "unchanged, rescaled"),
        (["adjust", "alfa", "GOLD", "--reason", "x", "--factor", "2", "--as", "ann"], 'leader "alfa" is not'),
        (RECONCILE, "reconcile needs a named operator"),
        ([*RECONCILE[:-1], "sell", "--as", "ann"], "adopt, close, ignore, ask"),
        ([*RECONCILE, "--as", "ann"], "f1 EURUSD: no break is known"),
        (["reconcile", "f9", "EURUSD", "--remedy", "adopt", "--as", "ann"], '"f9" is no follower'),
        (["reconcile", "f1", "XX", "--remedy", "adopt", "--as", "ann"], '"XX" is no instrument'),
        ([*RECONCILE[:-1], "ask", "--as", "ann"], "its route is not ready"),
        (POSITION, "position needs a named operator"),
        ([*POSITION, "--as", "ann"], "f1<alpha EURUSD: no such position"),
        ([*POSITION[:-4], "--reason", "x", "--as", "ann"], "Missing option '--units'"),
        ([*POSITION[:-1], " ", "--as", "ann"], "a reason"),
        (["reroute", "r1", "--to", "reserve"], "reroute needs a named operator"),
        (["reroute", "r1", "--to", "left", "--as", "ann"], "auto, primary, reserve"),
        (["reroute", "r1", "--to", "reserve", "--as", "ann"], '"r1" has no reserve'),
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
    assert set(json.loads(core.pipeline.status())["alerts"]) <= {"bad_command"}


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


def test_who_was_leaving_joins_again(file: Path, core: Core) -> None:
    """By name; `status` shows nobody on the way out any more."""
    ctl(file, "leave", SUB, "--rule", "close_with_leader", "--as", "ann")
    refused = ctl(file, "resync", SUB, "--as", "ann")
    assert (refused.exit_code, "`join` makes it copy again" in refused.output) == (2, True)
    done = ctl(file, "join", SUB, "--as", "bob", "--json")
    assert json.loads(last_line(done))["said"] == f'subscription "{SUB}" copies again, by bob'
    assert state(core)["leaving"] == []


def test_a_resync_says_what_became_of_the_targets(file: Path, core: Core) -> None:
    """A leader without a position changes nothing; one whose position was told is opened."""
    assert "nothing changes" in ctl(file, "resync", SUB, "--as", "ann").output
    assert ctl(file, *ADJUST, "--position", "300000", "--as", "ann").exit_code == 0
    done = ctl(file, "resync", SUB, "--as", "ann")
    assert (done.exit_code, "EURUSD: target 150000 units, it was 0" in done.output) == (0, True), done.output
    refused = ctl(file, *ADJUST, "--factor", "2", "--as", "ann")
    assert (refused.exit_code, "work or wait" in refused.output) == (2, True), refused.output


def test_an_adjustment_is_exact_and_says_what_it_did(file: Path, core: Core) -> None:
    """A split of what nobody copied yet; the reason and both numbers are in the answer and in the alerts."""
    ctl(file, *ADJUST, "--position", "-0.3", "--as", "ann")
    done = ctl(file, *ADJUST, "--factor", "1/3", "--as", "ann")
    assert done.exit_code == 0, done.output
    said = (
        'Leader "alpha" EURUSD: position -0.3 → -0.1, x 1/3, 0 positions of followers with it, by ann: split'
    )
    assert said in done.output
    assert said[1:] in json.dumps(state(core), ensure_ascii=False).replace('\\"', '"')


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


def test_who_waits_to_join_is_shown(file: Path) -> None:
    """A new subscription whose route is not there yet: what it waits for is on the screen."""
    text = file.read_text("utf-8").replace('k = "0.5" }', 'k = "0.5" }\njoining = "target"')
    file.write_text(text, "utf-8")
    core = Core(file)
    found = json.loads(last_line(ctl(file, "status", "--json")))["joining"]
    shown = ctl(file, "status").output
    core.stop()
    assert found == [{"subscription": SUB, "instruments": ["EURUSD", "GOLD"]}]
    assert "waits to join" in shown
