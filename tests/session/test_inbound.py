"""What counterparties say reaches the sink, byte for byte, or is refused in the open."""

from __future__ import annotations

from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.errors import EnvironmentProblem
from gateway.sim.fix_server import free_port
from tests.session.harness import Died, Gate, RawPeer, RecordingSink, field, message, until

FILL = "37=O1|11=C1|17=E1|150=F|39=2|55=EURUSD|54=1|38=1000|32=1000|31=1.1|14=1000|151=0|6=1.1|"


def test_a_report_arrives_with_its_bytes_in_the_broker_s_own_order(gate: Gate) -> None:
    """Fact 3: bytes are taken as they came, not from a borrowed object and not re-sorted."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    sent = [message("8", seq, f"58=first|{FILL}") for seq in range(2, 202)]
    for raw in sent:
        peer.say(raw)
    until(lambda: len(gate.sink.records) == len(sent), "all reports arrive")
    assert [raw for _, _, raw in gate.sink.records] == sent
    assert [seq for _, seq, _ in gate.sink.records] == list(range(2, 202))


def test_text_that_is_not_utf8_arrives_unchanged(gate: Gate) -> None:
    """Fact 4: QuickFIX gives surrogates for such bytes; the journal gets the bytes."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    raw = message("8", 2, f"{FILL}58=caf\xe9 \xff\x80|")
    peer.say(raw)
    until(lambda: len(gate.sink.records) == 1, "the report arrives")
    assert gate.sink.records[0][2] == raw


@pytest.mark.parametrize("begin_string", ["FIX.4.2", "FIX.4.3", "FIX.4.4"])
def test_groups_of_other_versions_are_not_refused(tmp_path: Path, begin_string: str) -> None:
    """QuickFIX answers an undeclared group with Reject(3); the structural dictionary declares what any
    version has."""
    gate = Gate(tmp_path, begin_string=begin_string).start()
    peer = RawPeer.connect(gate.spec.port)
    groups = "453=2|448=A|447=D|452=1|448=B|447=D|452=3|382=2|375=X|337=T|375=Y|337=U|555=2|600=L1|600=L2|"
    logon = message("A", 1, "98=0|108=30|", version=begin_string)
    report = message("8", 2, FILL + groups + "9001=own|", version=begin_string)
    peer.say(logon)
    peer.hear_type("A")
    peer.say(report)
    until(lambda: bool(gate.sink.records or gate.sink.refusals), "the report arrives")
    gate.stop()
    assert gate.sink.refusals == []
    assert gate.sink.records[0][2] == report


@pytest.mark.parametrize("kind", ["9", "j", "BA", "W", "AP", "8"])
def test_usual_groups_are_not_refused_in_any_message_we_act_on(gate: Gate, kind: str) -> None:
    """Brokers move groups about: parties on a cancel reject are no reason to refuse it."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    groups = "453=2|448=A|447=D|452=1|802=1|523=S|803=2|448=B|447=D|452=3|555=2|600=L1|600=L2|"
    prices = "268=2|269=0|270=1.1|269=1|270=1.2|" if kind == "W" else ""
    peer.say(message(kind, 2, f"1=F1|{prices}{groups}"))
    until(lambda: bool(gate.sink.records or gate.sink.refusals), "it arrives")
    assert gate.sink.refusals == []


def test_account_values_and_venue_types_are_not_refused(gate: Gate) -> None:
    """An unknown MsgType would be rejected before we see it."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    for seq, kind in enumerate(("BA", "U5", "AP", "h"), start=2):
        peer.say(message(kind, seq, "1=F1|900=10|"))
    until(lambda: len(gate.sink.records) == 4, "all four arrive")


def test_what_we_refuse_is_an_event(gate: Gate) -> None:
    """A repeated field outside any group makes QuickFIX send Reject(3): the core must hear of it."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    peer.say(message("8", 2, f"{FILL}58=a|58=b|"))
    reject = peer.hear_type("3")
    until(lambda: len(gate.sink.refusals) == 1, "the refusal is recorded")
    assert gate.sink.refusals[0][1] == reject
    assert field(reject, 45) == "2"


def test_reports_behind_a_gap_keep_their_own_bytes(gate: Gate) -> None:
    """QuickFIX holds them until the gap is filled, long after their bytes were seen."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    late = [message("8", seq, f"58=late{seq}|{FILL}") for seq in (3, 4)]
    for raw in late:
        peer.say(raw)
    assert field(peer.hear_type("2"), 7) == "2"
    first = message("8", 2, f"43=Y|122=20260101-00:00:00|58=resent|{FILL}")
    peer.say(first)
    until(lambda: len(gate.sink.records) == 3, "all three arrive")
    assert [raw for _, _, raw in gate.sink.records] == [first, *late]


def test_a_gap_that_stays_is_asked_for_by_the_main_loop(gate: Gate) -> None:
    """QuickFIX tells of it while it holds a lock of the session's state. To send from there is to wait for
    the session's own lock; a thread that sends has that one, and waits for the first: the process hangs."""
    asked: list[str] = []
    tell = gate.application.still_waits

    def told(*args: Any) -> None:
        asked.append(field(gate.application.tap(gate.spec.key)._newest.encode(), 34))
        tell(*args)

    gate.application.still_waits = told  # type: ignore[method-assign,assignment]
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    peer.say(message("8", 5, FILL))
    assert field(peer.hear_type("2"), 7) == "2"
    # A part of what was asked for: number 2 does not come.
    peer.say(message("8", 3, f"43=Y|122=20260101-00:00:00|{FILL}"))
    peer.say(message("1", 6, "112=are you there|"))
    until(lambda: "3" in asked, "QuickFIX tells that it waits")
    assert gate.application.tap(gate.spec.key)._gap._asked_ms is None, "nothing was sent from inside QuickFIX"
    gate.engine.check()
    assert field(peer.hear_type("2"), 7) == "2"


def test_what_came_before_the_loop_looked_is_not_asked_for(gate: Gate) -> None:
    """A second request for what is there already would be answered with all of it once more."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    peer.say(message("8", 4, FILL))
    peer.hear_type("2")
    peer.say(message("8", 3, f"43=Y|122=20260101-00:00:00|{FILL}"))
    peer.say(message("8", 2, f"43=Y|122=20260101-00:00:00|{FILL}"))
    until(lambda: len(gate.sink.records) == 3, "the gap is filled")
    with capture_logs() as log:
        gate.engine.check()
    assert [row for row in log if row["event"] == "fix.gap_stays"] == []


def test_a_main_loop_that_hangs_ends_the_process(tmp_path: Path) -> None:
    """Its session would look alive, and its orders would wait for ever."""
    gate = Gate(tmp_path)  # not started: its own watchdog would count the same looks
    application = gate.application
    application.turned()
    application.watch(500)
    looks = application.watchdog_ms // 500
    for _ in range(looks):
        application.watch(500)
    assert not gate.died.is_set()
    with pytest.raises(Died), capture_logs() as log:
        application.watch(500)
    assert gate.died.is_set()
    assert "main loop" in str(log)


def test_a_main_loop_that_turns_lives_and_one_that_has_not_begun_too(tmp_path: Path) -> None:
    """A start may take as long as it likes: the journal is read before the first round."""
    gate = Gate(tmp_path)
    for _ in range(100):
        gate.application.watch(500)
    for _ in range(100):
        gate.application.turned()
        gate.application.watch(500)
    assert not gate.died.is_set()


def test_garbled_bytes_are_passed_over_and_the_session_lives(gate: Gate) -> None:
    """A wrong CheckSum(10) is noise: it is not a message, and its number is asked for again."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    good = message("8", 2, FILL)
    peer.say(good[:-4] + (b"000" if good[-4:-1] != b"000" else b"001") + b"\x01")
    peer.say(message("8", 3, FILL))
    assert field(peer.hear_type("2"), 7) == "2"
    assert gate.sink.records == []


def warnings(log: list[MutableMapping[str, Any]]) -> list[MutableMapping[str, Any]]:
    """What the log says to a person, not for the record only."""
    return [row for row in log if row["log_level"] == "warning"]


def test_a_wrong_comp_id_gets_no_session(gate: Gate) -> None:
    """A stranger is disconnected without a word; the operator reads what it sent, and what to compare."""
    peer = RawPeer.connect(gate.spec.port)
    with capture_logs() as log:
        peer.say(message("A", 1, "98=0|108=30|553=joe|554=hunter2|925=hunter3|", sender="STRANGER"))
        assert peer.hear() is None
    assert gate.sink.records == []
    assert not gate.is_up()
    (said,) = warnings(log)
    assert said["text"].startswith("Session not found")
    assert "|49=STRANGER|56=COPYGATE|" in said["text"]
    assert "|553=joe|554=***|925=***|" in said["text"], "a password is in no log"
    assert "hunter" not in str(log)
    assert "49 must be our `target_comp_id`, 56 our `sender_comp_id`" in said["advice"]


def test_a_sequence_number_too_low_ends_the_session_with_a_reason(gate: Gate) -> None:
    """The text names both numbers, so that a person can put it right."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    peer.say(message("8", 2, FILL))
    with capture_logs() as log:
        peer.say(message("8", 1, FILL))
        assert "too low" in field(peer.hear_type("5"), 58)
        until(lambda: not gate.is_up(), "the session ends")
    assert len(gate.sink.records) == 1
    (said,) = warnings(log)
    assert said["text"] == "MsgSeqNum too low, expecting 3 but received 1"
    assert "`reset` of the session" in said["advice"]


def test_the_counterparty_s_reason_for_a_logout_is_a_warning(gate: Gate) -> None:
    """What it says about our numbers stands in its log, which we cannot read, and in this message."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    with capture_logs() as log:
        peer.say(message("5", 2, "58=MsgSeqNum too low, expecting 9 but received 2|"))
        until(lambda: any(one["event"] == "fix.logout" for one in log), "the reason is told")
    (said,) = warnings(log)
    assert (said["log_level"], said["text"]) == ("warning", "MsgSeqNum too low, expecting 9 but received 2")
    assert "who resets" in said["advice"]


def test_a_logon_with_a_number_too_low_is_a_warning_with_advice(gate: Gate) -> None:
    """The counterparty lost its numbers over night: the line stays down until somebody acts."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    peer.close()
    until(lambda: not gate.is_up(), "the session ends")
    again = RawPeer.connect(gate.spec.port)
    with capture_logs() as log:
        again.say(message("A", 1, "98=0|108=30|"))
        assert "too low, expecting 2" in field(again.hear_type("5"), 58)
        assert again.hear() is None
    (said,) = warnings(log)
    assert said["session"] == "LEADER"
    assert "Compare both numbers" in said["advice"]


def test_a_second_logon_is_refused_without_a_word_and_the_first_lives(gate: Gate) -> None:
    """Fact 18: the last fence against two nodes trading one session."""
    first = RawPeer.connect(gate.spec.port)
    first.log_on()
    second = RawPeer.connect(gate.spec.port)
    with capture_logs() as log:
        second.say(message("A", 2, "98=0|108=30|"))
        assert second.hear() is None
    assert ["is logged on already" in row["advice"] for row in warnings(log)] == [True]
    first.say(message("8", 2, FILL))
    until(lambda: len(gate.sink.records) == 1, "the first session still works")


def test_a_restart_asks_again_for_what_was_not_journaled(tmp_path: Path) -> None:
    """Fact 8, and a store that ran ahead: the expected number is never above the last durable row's plus
    one."""
    gate = Gate(tmp_path, reset="never").start()
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    for seq in (2, 3, 4):
        peer.say(message("8", seq, FILL))
    until(lambda: len(gate.sink.records) == 3, "three reports arrive")
    gate.stop()
    peer.close()
    again = Gate(tmp_path, RecordingSink(expected=3), port=free_port())
    again.start()
    peer = RawPeer.connect(again.spec.port)
    peer.log_on(seq=6)
    assert field(peer.hear_type("2"), 7) == "3"
    again.stop()


def gap_fill(seq: int, to: int) -> bytes:
    """SequenceReset(4) in answer to our ResendRequest(2)."""
    return message("4", seq, f"43=Y|122=20260101-00:00:00|123=Y|36={to}|")


def test_a_resend_of_heartbeats_only_is_no_gap(tmp_path: Path) -> None:
    """Every restart asks for what came behind the last report: an alert for each would hide the real one."""
    gate = Gate(tmp_path, reset="never").start()
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    peer.say(message("8", 2, FILL))
    for seq in (3, 4, 5):
        peer.say(message("0", seq))
    peer.say(message("8", 6, FILL))
    until(lambda: len(gate.sink.records) == 2, "both reports arrive")
    gate.stop()
    again = Gate(tmp_path, RecordingSink(expected=3), port=free_port(), reset="never").start()
    peer = RawPeer.connect(again.spec.port)
    peer.log_on(seq=7)
    assert field(peer.hear_type("2"), 7) == "3"
    peer.say(gap_fill(3, 6))
    peer.say(message("8", 6, f"43=Y|122=20260101-00:00:00|{FILL}"))
    peer.say(gap_fill(7, 8))
    peer.say(message("8", 8, FILL))
    until(lambda: len(again.sink.records) == 2, "the resent and the new report arrive")
    again.stop()
    assert again.sink.gaps == []


def test_a_gap_fill_over_what_we_never_read_is_told(gate: Gate) -> None:
    """The broker does not resend a report: whoever waits for it must ask."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    peer.say(message("8", 4, FILL))
    assert field(peer.hear_type("2"), 7) == "2"
    peer.say(gap_fill(2, 4))
    peer.say(message("8", 4, f"43=Y|122=20260101-00:00:00|{FILL}"))
    until(lambda: bool(gate.sink.records), "the report behind the gap arrives")
    assert gate.sink.gaps == [(2, 3)]


def test_a_port_in_use_is_named(tmp_path: Path, gate: Gate) -> None:
    """The operator reads which port, and what to do."""
    other = Gate(tmp_path / "other", port=gate.spec.port, target_comp_id="OTHER")
    RawPeer.connect(gate.spec.port)
    with pytest.raises(EnvironmentProblem, match=str(gate.spec.port)):
        other.start()


def test_a_missing_dictionary_is_named(tmp_path: Path) -> None:
    """The operator reads which file is missing."""
    from gateway.fix import dictionary

    with pytest.raises(EnvironmentProblem, match=r"FIX44\.xml"):
        dictionary.transport("FIX.4.4", tmp_path)
