"""Whether the audit process is there, and how old its log is: what doctor and audit commands say of it."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gateway import control
from gateway.audit import alive
from gateway.audit.alive import Word, ago, last_word, trouble
from gateway.audit.entry import from_replay
from gateway.audit.store import Store
from gateway.clock import wall_ns
from gateway.doctor.checks import examine
from gateway.doctor.facts import Result
from gateway.doctor.gather import gather
from tests.unit.audit_rows import decision
from tests.unit.config_text import write
from tests.unit.test_audit_read import invoke
from tests.unit.test_explain import entry

SECOND_NS = 1_000_000_000
COMMANDS = [
    ("export", "-"), ("trace",), ("explain", "E1", "f1"), ("fairness",), ("stats",), ("subscriptions",),
    ("explain", "E1", "f1", "--json"), ("fairness", "--json"), ("stats", "--json"),
    ("subscriptions", "--json"),
]  # fmt: skip
GONE = "the audit process does not run while the core does: the log ends"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder whose log has one decision."""
    with Store(tmp_path / "state" / "audit") as store:
        store.append([from_replay(*decision(1, **entry(5, exec_id="E1")))], 1)
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody in these tests lives in another container."""
    monkeypatch.setattr(last_word, "__defaults__", (wall_ns, 1))


@contextmanager
def core(state: Path) -> Iterator[None]:
    """A core holds its folder."""
    (state / "core").mkdir()
    with (state / "core" / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ended() -> int:
    """The number of a process that is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


def says(state: Path, pid: object, age_s: float = 0, **values: object) -> None:
    """The last word of an audit process."""
    at_ns = time.time_ns() - int(age_s * SECOND_NS)
    word = {"state": "following", "detail": "", "pid": pid, "at_ns": str(at_ns), "journal": 1,
            "journal_head": 1, "lag_rows": 0, "lag_ns": "0", "entries": 2, "file": "", **values}  # fmt: skip
    (state / "audit" / "status.json").write_text(json.dumps(word), "utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_beside_its_answer_that_nobody_writes_the_log(
    state: Path, command: tuple[str, ...]
) -> None:
    """On stderr: what reads stdout, and the exit code, are as they were."""
    words = (*command, "--state", str(state))
    says(state, os.getpid())
    with core(state):
        well = invoke(*words)
        assert "the audit process" not in well.stderr
        says(state, ended(), 7_200)
        gone = invoke(*words)
    assert f"{GONE} 2 h ago, at row 1 of 1" in gone.stderr
    assert gone.exit_code == well.exit_code == 0, gone.output
    if command[0] != "stats":
        assert gone.stdout == well.stdout


def test_stats_says_that_the_process_is_gone_and_how_old_its_word_is(state: Path) -> None:
    """Its last word is "following", whatever ended it. In JSON there is the word alone, as before."""
    says(state, ended(), 7_200)
    with core(state):
        assert (
            "audit process: ended, without a word, row 1 of 1, lag 0 rows, 0 ms, 2 h ago"
            in invoke("stats", "--state", str(state)).stdout
        )
        found = json.loads(invoke("stats", "--json", "--state", str(state)).stdout)
    assert found["status"]["state"] == "following"
    assert "word" not in found


@pytest.mark.parametrize(("age_s", "result"), [(0, Result.FAIL), (7_200, Result.FAIL)])
def test_the_doctor_says_that_a_dead_audit_process_does_not_run(
    tmp_path: Path, state: Path, monkeypatch: pytest.MonkeyPatch, age_s: int, result: Result
) -> None:
    """Its file is well, and as young as its last second; or was copied since."""
    path = write(tmp_path)
    monkeypatch.setattr(control, "ask", lambda *_: {"epoch": 1, "journal_rows": 1})
    says(state, ended(), age_s)
    (finding,) = [one for one in examine(gather(path, True)) if one.name == "audit"]
    assert (finding.result, "does not run while the core does" in finding.seen) == (result, True), finding
    assert "starts it again" in finding.advice
    says(state, os.getpid())
    (finding,) = [one for one in examine(gather(path, True)) if one.name == "audit"]
    assert finding.result is Result.OK, finding
    says(state, os.getpid(), 60)
    (finding,) = [one for one in examine(gather(path, True)) if one.name == "audit"]
    assert (finding.result, "60 s ago" in finding.seen) == (Result.WARN, True), finding


FOLLOWING = {"state": "following", "journal": 5, "journal_head": 9, "lag_rows": 4}
CUT = "the log ends {} ago, at row 5 of 9, and was not finished"
SILENT = "the audit process says nothing: the log may end"
FAILED = {**FOLLOWING, "state": "failed", "detail": "t"}
STOPPED = {**FOLLOWING, "state": "stopped", "journal": 9, "lag_rows": 0}


@pytest.mark.parametrize(
    ("word", "core_runs", "said"),
    [
        (Word(), False, ""),
        (Word(), True, "the audit process never ran here, and the core runs"),
        (Word(FOLLOWING, 1), True, ""),
        (Word(FOLLOWING, 10), True, ""),
        (Word(FOLLOWING, 11), True, f"{SILENT} 11 s ago, at row 5 of 9"),
        (Word(FOLLOWING, 1, False), True, f"{GONE} 1 s ago, at row 5 of 9"),
        (Word(STOPPED, 300), True, f"{GONE} 5 min ago, at row 9 of 9"),
        (Word(FAILED, 300), True, f"{GONE} 5 min ago, at row 5 of 9: t"),
        (Word(STOPPED, 10**6, False), False, ""),
        (Word(FAILED, 10**6, False), False, f"{CUT.format('12 days')}: t"),
        (Word(FOLLOWING, 300, False), False, CUT.format("5 min")),
        (Word({**FOLLOWING, "lag_rows": 10_000}), True, ""),
        (Word({**FOLLOWING, "lag_rows": 10_001}), True, "the log is behind: it has row 5 of 9"),
    ],
)  # fmt: skip
def test_what_the_log_may_lack_is_said_with_its_reason(word: Word, core_runs: bool, said: str) -> None:
    """And nothing where it has all of it."""
    assert trouble(word, core_runs) == said


@pytest.mark.parametrize("text", ["", "[]", "{", '"x"', None])
def test_a_word_that_nobody_can_read_is_none(tmp_path: Path, text: str | None) -> None:
    """Half a file, or no file, ends no command."""
    if text is not None:
        (tmp_path / "status.json").write_text(text, "utf-8")
    assert last_word(tmp_path) == Word()


@pytest.mark.parametrize("pid", [0, -1, 10**30, "x", None])
def test_a_number_that_is_no_process_is_nobody(state: Path, pid: object) -> None:
    """Also one of another machine."""
    says(state, pid, 60)
    assert not last_word(state / "audit").lives


def test_a_process_that_is_not_seen_here_lives_where_its_word_goes_on(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may run in another container, with the state folder on a volume."""
    pid = ended()
    says(state, pid)

    def wait(condition: Callable[[], bool], timeout_ms: int) -> bool:
        assert timeout_ms == 5_000
        assert not condition()
        says(state, pid)
        return condition()

    monkeypatch.setattr(alive, "wait_until", wait)
    assert last_word(state / "audit", again_ms=5_000).runs


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_199, "120 min"), (7_200, "2 h"), (172_800, "2 days")],
)
def test_a_span_is_short_for_a_person(seconds: int, text: str) -> None:
    """The unit of which there are two."""
    assert ago(seconds) == text
