"""Orders leave once, in time, or not at all; and a callback that cannot do its work ends the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from gateway.fix.engine import FixEngine
from gateway.sim.fix_server import free_port
from tests.session.harness import Gate, RawPeer, RecordingSink, field, message, until

FILL = "37=O1|17=E1|150=F|39=2|55=EURUSD|54=1|38=1000|14=1000|151=0|6=1.1|"


def order(number: int) -> bytes:
    """One NewOrderSingle(D), as the core writes it into a frame."""
    text = f"8=FIX.4.4|35=D|11=C{number}|1=F1|55=EURUSD|54=1|38=1000|40=1|60=20260101-00:00:00|"
    return text.replace("|", "\x01").encode()


def test_an_order_is_sent_with_the_session_s_own_header(gate: Gate) -> None:
    """The core writes the body; QuickFIX writes CompIDs, number and time."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    until(gate.is_up, "the session is up")
    assert gate.engine.send("LEADER", order(1))
    heard = peer.hear_type("D")
    assert (field(heard, 11), field(heard, 49), field(heard, 34)) == ("C1", "COPYGATE", "2")


def test_an_order_with_party_groups_keeps_them(gate: Gate) -> None:
    """Without a dictionary QuickFIX would sort the group apart."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    until(gate.is_up, "the session is up")
    parties = b"453=2\x01448=A\x01447=D\x01452=24\x01448=B\x01447=D\x01452=3\x01"
    assert gate.engine.send("LEADER", order(1) + parties)
    assert parties in peer.hear_type("D")


@pytest.mark.parametrize(
    "question",
    [
        "35=H|11=C1|37=O1|55=EURUSD|54=1|1=F1|790=Q1|",
        "35=AF|584=Q1|585=7|1=F1|",
        "35=AN|710=Q1|724=0|1=F1|715=20260101|60=20260101-00:00:00|",
    ],
)
def test_a_question_to_a_broker_needs_no_dictionary(
    gate: Gate, monkeypatch: pytest.MonkeyPatch, question: str
) -> None:
    """A route that asks once for the positions of its accounts would keep 7 MB for it."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    until(gate.is_up, "the session is up")
    monkeypatch.delattr(FixEngine, "_reader")
    gate.engine._readers.clear()
    assert gate.engine.send("LEADER", f"8=FIX.4.4|{question}".replace("|", "\x01").encode())
    kind, *told = question.strip("|").split("|")
    heard = peer.hear_type(kind.removeprefix("35="))
    assert set(told) <= set(heard.decode().split("\x01"))


def test_nothing_is_stored_for_later_while_logged_off(gate: Gate) -> None:
    """Fact 6: QuickFIX would say yes, store the order and send it at the next logon."""
    assert not gate.engine.send("LEADER", order(1))
    peer = RawPeer.connect(gate.spec.port)
    assert field(peer.log_on(), 34) == "1"
    until(gate.is_up, "the session is up")
    assert gate.engine.send("LEADER", order(2))
    heard = peer.hear_type("D")
    assert (field(heard, 11), field(heard, 34)) == ("C2", "2")


def test_a_resend_request_never_brings_an_order_back(gate: Gate) -> None:
    """Fact 6: orders with PossDupFlag(43)=Y become a GapFill, whoever asks."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    until(gate.is_up, "the session is up")
    for number in (1, 2, 3):
        assert gate.engine.send("LEADER", order(number))
        peer.hear_type("D")
    peer.say(message("2", 2, "7=1|16=0|"))
    filled = peer.hear()
    assert filled is not None
    assert (field(filled, 35), field(filled, 123), field(filled, 36)) == ("4", "Y", "5")


def test_a_counterparty_that_does_not_read_gets_a_bounded_number_of_orders(tmp_path: Path) -> None:
    """Fact 12: QuickFIX queues without bound; our window closes until a fence is answered."""
    gate = Gate(tmp_path, max_unacked=20).start()
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    until(gate.is_up, "the session is up")
    assert sum(gate.engine.send("LEADER", order(number)) for number in range(100)) == 20
    fence = ""
    for _ in range(4):
        fence = field(peer.hear_type("1"), 112)
    peer.say(message("0", 2, f"112={fence}|"))
    until(lambda: gate.engine.room("LEADER") > 0, "the answered fence opens the window")
    assert gate.engine.send("LEADER", order(100))
    gate.stop()


def test_a_stalled_journal_is_tried_again_and_the_report_kept(tmp_path: Path) -> None:
    """A short stall costs time, not a fill."""
    sink = RecordingSink()
    gate = Gate(tmp_path, sink).start()
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    until(gate.is_up, "the session is up")
    sink.failures_left = 3
    peer.say(message("8", 2, FILL))
    until(lambda: len(sink.records) == 1, "the report is kept at last")
    assert not gate.died.is_set()
    gate.stop()


PROCESS = """
import sys
from pathlib import Path
from tests.session.harness import RecordingSink
from gateway.fix.application import Application
from gateway.fix.engine import FixEngine
from gateway.fix.settings import SessionSpec

folder, port, fails = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]


class Sink(RecordingSink):
    def record(self, session, msg_seq_num, raw):
        if fails == "error":
            raise OSError("disk full")
        if fails == "bug":
            raise SystemExit("a bug")
        with (folder / "rows").open("ab") as rows:
            rows.write(raw + b"\\n")


spec = SessionSpec("LEADER", "acceptor", "FIX.4.4", "COPYGATE", "BROKER", "127.0.0.1", port)
engine = FixEngine([spec], Application([spec], Sink(), journal_stall_ms=100), folder / "store")
engine.start()
sys.stdin.read()
engine.stop()
"""


@pytest.mark.parametrize("fails", ["error", "bug"])
def test_a_report_that_cannot_be_kept_ends_the_process_and_is_asked_for_again(
    tmp_path: Path, fails: str
) -> None:
    """Facts 1 and 8: no exception leaves the callback, the number does not advance, the broker sends
    again."""
    port = free_port()
    assert _run(tmp_path, port, fails, logon_seq=1) == 70
    assert _run(tmp_path, port, "never", logon_seq=3) == 0
    assert (tmp_path / "rows").read_bytes().count(b"\x0117=E1\x01") == 1


def _run(folder: Path, port: int, fails: str, logon_seq: int) -> int:
    command = [sys.executable, "-c", PROCESS, str(folder), str(port), fails]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as process:
        assert process.stdin is not None
        peer = RawPeer.connect(port)
        peer.log_on(seq=logon_seq)
        if logon_seq == 1:
            peer.say(message("8", 2, FILL))
        else:
            assert field(peer.hear_type("2"), 7) == "2"
            peer.say(message("8", 2, f"43=Y|122=20260101-00:00:00|{FILL}"))
            until(lambda: (folder / "rows").exists(), "the report is kept")
            process.stdin.close()
        return process.wait(timeout=15)
