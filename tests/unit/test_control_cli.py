"""`copygate ctl` against a real core's control socket: clear answers, exit codes, journaled names."""

from __future__ import annotations

import json
import os
import socket
from pathlib import Path

import pytest

from gateway import clock
from gateway.config import load
from gateway.control import socket_of
from gateway.kill_file import LeftStop, leave, place_of
from gateway.kill_parts import keep, packed
from tests.unit.config_text import GOOD, write
from tests.unit.control_rig import Core, core, ctl, file, last_line, state

__all__ = ["core", "file"]


def test_kill_stops_opens_and_arm_lets_them_go_on(file: Path, core: Core) -> None:
    """The answer says what is in effect, the journal row, who did it, and how to go back."""
    done = ctl(file, "kill", "--who", "maria")
    assert done.exit_code == 0, done.output
    assert state(core)["killed"] is True
    for words in ("Everything is stopped", "closes go on", "Journal row 2, by maria", "arm --who NAME"):
        assert words in done.output
    assert "1 stop ON" in ctl(file, "status").output
    released = ctl(file, "arm", "--who", "Maria Lopez")
    assert (released.exit_code, "it was no_opens" in released.output) == (0, True)
    assert state(core)["killed"] is False
    assert "nothing is stopped" in ctl(file, "status").output


def test_a_clock_that_is_off_hides_no_release(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It stops everything as well, and is nothing that somebody could release."""
    file = write(tmp_path_factory.mktemp("c"), GOOD + "\n[clock]\nmax_error_us = 1000\n")
    core = Core(file)
    try:
        assert ctl(file, "kill", "--level", "halt").exit_code == 0
        released = ctl(file, "arm", "--who", "ann")
        assert (released.exit_code, "it was halt" in released.output) == (0, True), released.output
        assert [one["code"] for one in state(core)["stops"]] == ["clock"]  # type: ignore[attr-defined]
    finally:
        core.stop()


@pytest.mark.parametrize("name", ["f1", "alpha"])
def test_a_deposit_that_changes_nothing_is_said_to(file: Path, core: Core, name: str) -> None:
    """Without guards, and for a leader, nobody counts it: code 2 with the core's own word."""
    done = ctl(file, "account", name, "--deposit", "-500")
    assert (done.exit_code, "changes nothing" in done.output) == (2, True), done.output


@pytest.mark.parametrize("scope", [["--follower", "f1"], ["--leader", "alpha"], ["--instrument", "GOLD"], []])
def test_each_scope_is_stopped_and_released_by_itself(file: Path, core: Core, scope: list[str]) -> None:
    """`stops` says what, how much, who and since when; another scope's release does not touch it."""
    done = ctl(file, "kill", "--who", "ann", "--level", "close_only", *scope)
    assert done.exit_code == 0, done.output
    assert "are being cancelled" in done.output
    assert " ".join(["arm --who NAME", *scope]) in done.output.replace("\n", " ")
    (stop,) = json.loads(last_line(ctl(file, "stops", "--json")))
    kind, name = (scope[0].removeprefix("--"), scope[1]) if scope else ("global", "")
    assert (stop["scope"], stop["name"], stop["level"], stop["who"]) == (kind, name, "close_only", "ann")
    shown = ctl(file, "stops").output
    assert all(word in shown for word in (name or "everything", "close_only", "ann", "UTC"))
    other = ["--route", "r1"] if scope else ["--follower", "f1"]
    untouched = ctl(file, "arm", "--who", "bob", *other)
    at = "follower f1" if not scope else "route r1"
    said = f"Nothing was stopped at {at}: nothing is released." in untouched.output
    assert (untouched.exit_code, said) == (0, True), untouched.output
    assert ctl(file, "arm", "--who", "bob", *scope).exit_code == 0
    assert "Nothing is stopped." in ctl(file, "stops").output


@pytest.mark.parametrize("command", ["kill", "arm", "close-only"])
@pytest.mark.parametrize(
    ("scope", "known"),
    [
        (["--follower", "f9"], "Known: f1, f2"),
        (["--leader", "alfa"], "Did you mean 'alpha'?"),
        (["--instrument", "SILVER"], "Known: EURUSD, GOLD"),
        (["--route", "x"], "Known: r1, r2"),
    ],
)
def test_a_name_that_the_core_does_not_know_is_refused_with_those_that_it_does(
    file: Path, core: Core, command: str, scope: list[str], known: str
) -> None:
    """A name that is spelt wrong must not look as if something was done."""
    keep(file.parent / "state", packed(load(file)))
    refused = ctl(file, command, "--who", "ann", *scope)
    assert (refused.exit_code, known in refused.output) == (2, True), refused.output
    assert "is not defined" in refused.output
    assert "Nothing was stopped" not in refused.output


def test_a_release_of_what_was_not_stopped_says_so(file: Path, core: Core) -> None:
    """It is no error: what was wanted is so."""
    done = ctl(file, "arm", "--who", "ann")
    assert (done.exit_code, "Nothing was stopped at everything as a whole" in done.output) == (0, True)


def test_the_core_says_that_a_left_stop_stands_since_it_was_left(file: Path) -> None:
    """By the core itself, over a start."""
    folder = load(file).state_dir
    leave(folder, LeftStop("halt", "ann", "follower", "f1"))
    os.utime(place_of(folder, "follower", "f1"), ns=(1, 1_577_836_800_000_001_000))
    running = Core(file)
    try:
        running.take_up()
        (stop,) = json.loads(running.pipeline.status())["stops"]
        assert (stop["at_ns"], stop["who"], stop["level"]) == ("1577836800000001000", "ann", "halt")
        assert "2020-01-01 00:00:00 UTC" in ctl(file, "stops").output
    finally:
        running.stop()


def test_a_lower_level_does_not_release_a_higher_one(file: Path, core: Core) -> None:
    """The answer says what is in effect, not what was asked for."""
    assert ctl(file, "kill", "--level", "halt").exit_code == 0
    done = ctl(file, "kill", "--level", "no_opens")
    assert (done.exit_code, "closes wait until the release" in done.output) == (0, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kill", "--level", "all"], "no_opens, close_only, halt"),
        (["kill", "--follower", "f1", "--leader", "alpha"], "a stop has one scope"),
        (["kill", "--follower", "nobody"], 'follower "nobody" is not defined'),
    ],
)
def test_a_stop_that_cannot_be_is_a_usage_error(file: Path, core: Core, words: list[str], said: str) -> None:
    """Exit code 2, and nothing is stopped that was not meant."""
    refused = ctl(file, *words)
    assert (refused.exit_code, said in refused.output) == (2, True), refused.output
    assert state(core)["stops"] == []


def test_a_kill_survives_a_restart(file: Path) -> None:
    """Only arm ends it."""
    first = Core(file)
    killed = ctl(file, "kill").exit_code
    first.stop()
    assert killed == 0
    again = Core(file)
    said = last_line(ctl(file, "status", "--json"))
    again.stop()
    assert json.loads(said)["killed"] is True


@pytest.mark.parametrize("who", [[], ["--who", ""], ["--who", "  "], ["--who", "x" * 65], ["--who", "a\nb"]])
def test_arm_needs_a_named_operator(file: Path, core: Core, who: list[str]) -> None:
    """Exit code 2, and the switch stays on."""
    ctl(file, "kill")
    refused = ctl(file, "arm", *who)
    assert refused.exit_code == 2
    assert "--who" in refused.output
    assert state(core)["killed"] is True


def test_account_values_are_exact_and_journaled(file: Path, core: Core) -> None:
    """Decimals as text, by name of leader or follower."""
    done = ctl(file, "account", "f1", "--equity", "1000.50", "--free-margin", "-3", "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(last_line(done))
    assert (said["equity"], said["free_margin"], said["account"]) == ("1000.5", "-3", "f1")
    assert said["journal_no"] == state(core)["journal_rows"]
    assert "bad_command" not in json.dumps(state(core))


def test_an_account_value_has_the_time_when_it_was_true(file: Path, core: Core) -> None:
    """The core takes it as such: an older one after it is refused, with a reason. Written as every time of an
    option, or as FIX does."""
    for at, code in (("2020-01-02T10:30:00.5+01:00", 0), ("20200102-09:30:00", 2)):
        done = ctl(file, "account", "f1", "--equity", "1000", "--as-of", at, "--json")
        assert (done.exit_code, "older than the one that is known" in done.output) == (code, code > 0)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["account", "f99", "--equity", "1"], "Known: alpha"),
        (["account", "f1"], "no value given"),
        (["account", "f1", "--equity", "1e5"], "not a decimal"),
        (["account", "f1", "--equity", "NaN"], "not a decimal"),
        (["account", "f1", "--equity", "1", "--as-of", "2026-11-27 09h30"], "not a time"),
        (["account", "f1", "--equity", "1", "--as-of", "2026-13-32"], "not a time"),
        (["bust-resume", "alfa"], "Did you mean 'alpha'?"),
        (["bust-resume", "f1"], "not a leader"),
        (["frob"], "No such command"),
        ([], "Missing command"),
    ],
)
def test_a_wrong_name_or_number_is_refused_before_it_is_journaled(
    file: Path, core: Core, words: list[str], says: str
) -> None:
    """Exit code 2 with what is known, and no row."""
    rows = state(core)["journal_rows"]
    refused = ctl(file, *words)
    assert refused.exit_code == 2
    assert says in refused.output
    assert state(core)["journal_rows"] == rows


def test_bust_resume_names_its_leader(file: Path, core: Core) -> None:
    """The journal has who looked at it."""
    assert "by maria" in ctl(file, "bust-resume", "alpha", "--who", "maria").output


def test_equal_alerts_are_one_line_with_a_count(file: Path, core: Core) -> None:
    """A leader that trades what is not mapped must not push every other alert out of the list."""
    core.pipeline.submit("leader", "NOBODY", b"8=FIX.4.4\x01", clock.wall_ns())
    for _ in range(20):
        core.pipeline.submit("operator", "", b"{}", clock.wall_ns())
    said = json.loads(last_line(ctl(file, "status", "--json")))["pipeline"]["alerts"]
    assert [(alert["code"], alert["count"]) for alert in said] == [
        ("unknown_session", 1),
        ("bad_command", 20),
    ]
    assert (said[1]["first"], said[1]["journal"]) == (3, 22)
    shown = ctl(file, "status").output
    assert shown.count("bad_command") == 1
    assert "unknown_session" in shown


@pytest.mark.parametrize(
    "command", [["status"], ["kill"], ["arm", "--who", "x"], ["account", "f1", "--equity", "1"]]
)
def test_without_a_core_every_command_says_so(file: Path, command: list[str]) -> None:
    """Exit code 3 at once, and what it means for the orders."""
    refused = ctl(file, *command)
    assert refused.exit_code == 3
    assert "no core runs" in refused.output
    assert "copygate run" in refused.output


def test_a_core_that_is_gone_is_no_core_that_is_slow(file: Path) -> None:
    """A killed core leaves its socket's file behind: the answer is the same, and at once."""
    place = socket_of(load(file).state_dir)
    place.parent.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as gone:
        gone.bind(str(place))
    refused = ctl(file, "status")
    assert (refused.exit_code, "no core runs" in refused.output) == (3, True)


def test_a_gateway_can_be_stopped_while_its_file_is_broken(file: Path, core: Core) -> None:
    """Somebody is changing the configuration: kill needs no more of it than the state folder."""
    file.write_text(file.read_text("utf-8").replace('follower = "f1"', 'follower = "gone"'), "utf-8")
    assert ctl(file, "kill").exit_code == 0
    assert state(core)["killed"] is True
    assert ctl(file, "account", "f1", "--equity", "1").exit_code == 2
