"""What sinks are told, and how often: the gate and the queue as pure state machines, and one alert's JSON."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from gateway.notify import gate as gates
from gateway.notify.alert import Alert, of_line, of_state
from gateway.notify.gate import WINDOW_MS, Gate, windows_of
from gateway.notify.waiting import Waiting, alerts_of

START_MS = 1_000_000


def alert(code: str = "close_rejected", number: int = 1, level: str = "warning") -> Alert:
    """An alert with its number in the text."""
    return Alert(f"{code}{number}", "2026-11-26T10:00:00Z", "core", level, code, f"n{number}", "act")


# Limit 2. At a time (ms) an alert of a code comes (or None: the clock only), and this is told.
TABLE: list[tuple[str, list[tuple[int, str | None, list[tuple[str, int]]]]]] = [
    ("the first of a code is told at once", [(0, "a", [("n0", 0)])]),
    ("each code has its own minute", [(0, "a", [("n0", 0)]), (1, "b", [("n1", 0)])]),
    ("so many as the limit says", [(0, "a", [("n0", 0)]), (1, "a", [("n1", 0)]), (2, "a", [])]),
    ("nothing held, nothing told at the end", [(0, "a", [("n0", 0)]), (WINDOW_MS, None, [])]),
    (
        "the newest of three that were held, with the number of the others",
        [
            (0, "a", [("n0", 0)]),
            (1, "a", [("n1", 0)]),
            (2, "a", []),
            (3, "a", []),
            (4, "a", []),
            (WINDOW_MS - 1, None, []),
            (WINDOW_MS, None, [("n4", 2)]),
        ],
    ),
    (
        "an alert finds the minute over: first what was held, and then it",
        [
            (0, "a", [("n0", 0)]),
            (1, "a", [("n1", 0)]),
            (2, "a", []),
            (WINDOW_MS, "a", [("n2", 0), ("n3", 0)]),
            (WINDOW_MS + 1, "a", []),
        ],
    ),
    (
        "what is told of the held ones begins a minute, and counts in it",
        [
            (0, "a", [("n0", 0)]),
            (1, "a", [("n1", 0)]),
            (2, "a", []),
            (WINDOW_MS, None, [("n2", 0)]),
            (WINDOW_MS + 1, "a", [("n4", 0)]),
            (WINDOW_MS + 2, "a", []),
            (2 * WINDOW_MS - 1, None, []),
            (2 * WINDOW_MS, None, [("n5", 0)]),
        ],
    ),
    (
        "quiet after a minute: a new alert is a first one",
        [(0, "a", [("n0", 0)]), (1, "a", [("n1", 0)]), (WINDOW_MS + 1, "a", [("n2", 0)])],
    ),
    (
        "a clock that is put back by an hour makes the minute no longer",
        [
            (0, "a", [("n0", 0)]),
            (1, "a", [("n1", 0)]),
            (-3_600_000, "a", []),
            (-3_600_000 + WINDOW_MS, None, [("n2", 0)]),
        ],
    ),
]


@pytest.mark.parametrize(("_claim", "steps"), TABLE, ids=[claim for claim, _ in TABLE])
def test_a_gate_tells_the_first_and_counts_the_rest(
    _claim: str, steps: list[tuple[int, str | None, list[tuple[str, int]]]]
) -> None:
    """Every state and input of the table; after each step the state goes through a restart."""
    gate = Gate(2)
    for number, (at_ms, code, wanted) in enumerate(steps):
        now_ms = START_MS + 10_000_000 + at_ms
        found = gate.due(now_ms) if code is None else gate.offer(alert(code, number), now_ms)
        assert [(one.text, one.held_back) for one in found] == wanted, f"step {number}"
        gate = Gate(2, windows_of(json.loads(json.dumps(gate.state()))))


def test_no_alert_is_uncounted_in_a_storm() -> None:
    """Ten thousand alerts of one code: seven messages a minute, and their counts add up to all of them."""
    gate, out = Gate(6), []
    for number in range(10_000):
        out += gate.offer(alert(number=number), START_MS + 30 * number)
    out += gate.due(START_MS + 30 * 10_000 + WINDOW_MS)
    assert sum(1 + one.held_back for one in out) == 10_000
    assert out[0].text == "n0"
    assert len(out) <= 6 * 6 + 1


def test_what_was_held_has_the_level_of_the_worst() -> None:
    """A critical one among the held ones is not told as a warning."""
    gate = Gate(1)
    gate.offer(alert(), START_MS)
    gate.offer(alert(number=2, level="critical"), START_MS)
    gate.offer(alert(number=3), START_MS)
    (summary,) = gate.due(START_MS + WINDOW_MS)
    assert (summary.level, summary.text, summary.held_back) == ("critical", "n3", 1)


def test_a_spool_of_made_up_codes_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond the bound codes share a minute: they are held back sooner, and still counted."""
    monkeypatch.setattr(gates, "CODES_MAX", 3)
    gate, out = Gate(1), []
    for number in range(10):
        out += gate.offer(alert(f"made_up_{number}", number), START_MS)
    assert len(gate.state()) == 4
    out += gate.due(START_MS + WINDOW_MS)
    assert sum(1 + one.held_back for one in out) == 10


def test_the_oldest_repeat_goes_first_and_is_counted() -> None:
    """A sink that is down for long: the first of each code stays, and nothing vanishes uncounted."""
    waiting = Waiting(room=4)
    for number, code in enumerate(["a", "b", "a", "a", "a", "c"]):
        waiting.put(alert(code, number))
    found = [values["text"] for values in waiting.state()]
    assert found == ["n0", "n1", "n4", "n5"]
    first = waiting.take()
    assert first is not None
    assert (first.text, first.held_back) == ("n0", 2)


def test_firsts_of_all_codes_stay_even_without_room() -> None:
    """There are fewer codes than the last bound: the room is exceeded rather than a first one lost."""
    waiting = Waiting(room=2)
    for number, code in enumerate("abcde"):
        waiting.put(alert(code, number))
    assert [values["code"] for values in waiting.state()] == list("abcde")


def test_what_is_being_told_waits_until_it_is() -> None:
    """Nothing overtakes it, a failure gives it back as the oldest, and a restart finds it."""
    waiting = Waiting([alert(number=1), alert(number=2)])
    assert waiting.take() == alert(number=1)
    assert waiting.take() is None
    assert [one.text for one in alerts_of(waiting.state())] == ["n1", "n2"]
    waiting.give_back()
    assert waiting.take() == alert(number=1)
    waiting.told()
    assert waiting.take() == alert(number=2)
    assert len(waiting) == 1


def test_an_alert_of_the_core_says_what_who_and_what_to_do() -> None:
    """Its own code and advice, not those of the line; and the row that the audit log has."""
    line = {
        "event": "core.alert", "code": "close_rejected", "text": "f1 EURUSD: no", "journal": 7,
        "level": "warning", "process": "core", "timestamp": "2026-11-26T10:00:00.1Z", "advice": "wait",
    }  # fmt: skip
    body = json.loads(of_line(line, b"raw").body("desk"))
    assert body | {"id": ""} == {
        "deployment": "desk", "id": "", "time": "2026-11-26T10:00:00.1Z", "process": "core",
        "level": "warning", "code": "close_rejected", "text": "f1 EURUSD: no (journal 7)", "advice": "wait",
        "held_back": 0,
    }  # fmt: skip


def test_an_alert_of_a_process_has_its_event_as_code_and_the_pages_advice() -> None:
    """The supervisor's lines have no text of their own: their fields are the text."""
    line = {"event": "run.ended", "child": "core", "exit_code": -9, "level": "error", "process": "run"}
    found = of_line(line, b"raw")
    assert (found.code, found.text) == ("run.ended", "child core, exit_code -9")
    assert "find out who killed it" in found.advice


def test_what_was_held_back_stands_in_the_text_too() -> None:
    """Who gets only the text, on a telephone, learns that there is more."""
    body = json.loads(replace(alert(), held_back=36).body("desk"))
    assert body["text"] == "n1 (36 more of close_rejected were held back)"
    assert body["held_back"] == 36


def test_a_line_of_any_length_and_bytes_makes_an_alert() -> None:
    """A counterparty's words may hold anything."""
    body = of_line({"event": "fix.refused", "text": "\ud800" * 5_000, "level": "x"}, b"").body("d")
    assert len(body) < 16_384
    assert json.loads(body)["level"] == "error"


def test_a_state_that_is_no_alert_is_refused() -> None:
    """The reader of the kept file must not fail later, in the middle of its loop."""
    with pytest.raises((TypeError, ValueError)):
        of_state({"id": 1})
    with pytest.raises(ValueError, match="not an alert"):
        of_state({**dict.fromkeys(("id", "time", "process", "level", "text", "advice"), "x"), "code": 3})
