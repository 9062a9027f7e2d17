"""The dangerous facts of QuickFIX 1.16.0, each twice: with our guard the promise holds, without it the danger
is real. So a guard that goes missing fails here, and a QuickFIX that heals shows which guard may go."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest
import quickfix as fix

from gateway import demo_config
from gateway.fix.application import Application
from gateway.fix.engine import BLOCK, resolved
from gateway.fix.settings import settings_of
from gateway.fix.window import SendWindow
from gateway.resources import root
from gateway.sim.fix_server import free_port
from tests.session.harness import Gate, RawPeer, field, message, until

FILL = "37=O1|17=E1|150=F|39=2|55=EURUSD|54=1|38=1000|14=1000|151=0|6=1.1|"
AGAIN = "43=Y|122=20260101-00:00:00|"
QUEUED = 2_000
"""Far more orders than any window allows and any socket buffer of a peer that does not read would excuse."""


class Running:
    """A process of `dangers.py`."""

    def __init__(self, how: str, folder: Path) -> None:
        self.port = free_port()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.session.dangers", how, str(folder), str(self.port)],
            cwd=root(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def ask(self, line: str) -> bytes:
        """One line in, one line out; nothing when the process is gone."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            self.process.stdin.write(f"{line}\n".encode())
            self.process.stdin.flush()
        except BrokenPipeError:
            return b""
        return self.process.stdout.readline().removesuffix(b"\n")

    def kill(self) -> None:
        """`kill -9`, safe to call twice."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@contextmanager
def running(how: str, folder: Path) -> Iterator[Running]:
    """The process, killed at the end."""
    one = Running(how, folder)
    try:
        yield one
    finally:
        one.kill()
        for pipe in (one.process.stdin, one.process.stdout):
            if pipe is not None:
                pipe.close()


def handled(peer: RawPeer, seq: int) -> None:
    """Returns when everything before is through: QuickFIX answers in order."""
    peer.say(message("1", seq, f"112=T{seq}|"))
    assert field(peer.hear_type("0"), 112) == f"T{seq}"


def order(number: int) -> bytes:
    """One NewOrderSingle(D), as the core writes it into a frame."""
    text = f"8=FIX.4.4|35=D|11=C{number}|1=F1|55=EURUSD|54=1|38=1000|40=1|60=20260101-00:00:00|"
    return text.replace("|", "\x01").encode()


def test_fact_1_a_bug_in_a_callback_ends_the_process(tmp_path: Path) -> None:
    """It ends with code 70: the supervisor starts it again, and the broker sends the report again."""
    with running("failing", tmp_path) as one:
        peer = RawPeer.connect(one.port)
        peer.log_on()
        peer.say(message("8", 2, FILL))
        assert one.process.wait(timeout=30) == 70
        assert peer.hear() is None


def test_fact_1_without_the_guard_a_session_looks_alive_and_is_dead(tmp_path: Path) -> None:
    """The danger: the process lives, `isLoggedOn` says yes, and nobody answers any more."""
    with running("raising", tmp_path) as one:
        peer = RawPeer.connect(one.port)
        peer.log_on()
        handled(peer, 2)
        peer.say(message("8", 3, FILL))
        peer.say(message("1", 4, "112=ALIVE|"))
        peer.patience_s(2)
        with pytest.raises(TimeoutError):
            peer.hear()
        assert one.process.poll() is None
        assert one.ask("up") == b"True"


def test_fact_3_bytes_that_were_handed_on_stay_right(gate: Gate) -> None:
    """What the sink got is what was on the line, long after."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    sent = [message("8", seq, f"58={seq}{'x' * 64}|{FILL}") for seq in range(2, 52)]
    for raw in sent:
        peer.say(raw)
    until(lambda: len(gate.sink.records) == len(sent), "all arrive")
    assert [raw for _, _, raw in gate.sink.records] == sent


def test_fact_3_without_the_guard_a_kept_message_is_garbage(tmp_path: Path) -> None:
    """The danger: the object that a callback kept is another message later, or ends the process."""
    with running("keeping", tmp_path) as one:
        peer = RawPeer.connect(one.port)
        peer.log_on()
        texts = [f"58={seq}{'x' * 64}" for seq in range(2, 52)]
        for seq, text in enumerate(texts, start=2):
            peer.say(message("8", seq, f"{text}|{FILL}"))
        handled(peer, 52)
        kept = one.ask("kept").split(b"\t")
        right = [raw for raw, text in zip(kept, texts, strict=False) if text.encode() in raw]
        assert len(right) < len(texts)


@pytest.mark.parametrize("kept", ["N", "Y"])
def test_fact_6_an_order_for_a_line_that_is_down_never_leaves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    """Refused while logged off, and never replayed: a resend request gets a GapFill, even if QuickFIX kept
    it."""
    monkeypatch.setattr("gateway.fix.settings.PERSIST_MESSAGES", kept)
    gate = Gate(tmp_path).start()
    assert not gate.engine.send("LEADER", order(1))
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    until(gate.is_up, "the session is up")
    assert gate.engine.send("LEADER", order(2))
    assert field(peer.hear_type("D"), 11) == "C2"
    peer.say(message("2", 2, "7=1|16=0|"))
    answer = peer.hear()
    assert answer is not None
    assert (field(answer, 35), field(answer, 123)) == ("4", "Y")
    gate.stop()


def test_fact_6_without_the_guards_an_old_order_trades_at_the_next_logon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The danger: QuickFIX says yes while logged off, and sends the order with 43=Y when the line is back."""
    monkeypatch.setattr("gateway.fix.settings.PERSIST_MESSAGES", "Y")
    gate = Gate(tmp_path).start()
    monkeypatch.setattr(Application, "_is_replayed", lambda *_: False)
    stale = gate.engine._read("LEADER", order(1))
    assert fix.Session.sendToTarget(stale, gate.engine._ids["LEADER"])
    peer = RawPeer.connect(gate.spec.port)
    assert field(peer.log_on(), 34) == "2", "number 1 is the order that nobody saw"
    peer.say(message("2", 2, "7=1|16=0|"))
    heard = peer.hear_type("D")
    assert (field(heard, 11), field(heard, 43)) == ("C1", "Y")
    gate.stop()


@pytest.mark.parametrize(
    ("how", "asked_again"), [("good", False), ("late_asks", True)], ids=["row first", "rows decide"]
)
def test_fact_8_a_crash_behind_the_callback_loses_no_report(
    tmp_path: Path, how: str, asked_again: bool
) -> None:
    """The row is there before QuickFIX counts; and what is counted without a row is asked for again."""
    killed_behind_a_report(tmp_path, how)
    with running("good", tmp_path) as one:
        peer = RawPeer.connect(one.port)
        peer.log_on(seq=4)
        # Logon(1) and TestRequest(3) have no row either; asking for them costs nothing.
        assert field(peer.hear_type("2"), 7) == ("1" if asked_again else "3")
        if asked_again:
            peer.say(message("4", 1, f"{AGAIN}123=Y|36=2|"))
            peer.say(message("8", 2, AGAIN + FILL))
        peer.say(message("4", 3, f"{AGAIN}123=Y|36=5|"))
        handled(peer, 5)
    assert "2" in (tmp_path / "rows").read_text("ascii").split()


def test_fact_8_without_the_guards_a_crash_behind_the_callback_loses_the_report(tmp_path: Path) -> None:
    """The danger: QuickFIX has counted it, nobody has written it, and nobody asks for it."""
    killed_behind_a_report(tmp_path, "late")
    with running("trusting", tmp_path) as one:
        peer = RawPeer.connect(one.port)
        peer.log_on(seq=4)
        # Whether the killed process counted the TestRequest(3) is open; the report before it was counted.
        peer.say(message("4", 3, f"{AGAIN}123=Y|36=5|"))
        handled(peer, 5)
    assert not (tmp_path / "rows").exists()


def killed_behind_a_report(folder: Path, how: str) -> None:
    """A process takes report 2 and TestRequest 3, and is killed."""
    with running(how, folder) as one:
        peer = RawPeer.connect(one.port)
        peer.log_on()
        peer.say(message("8", 2, FILL))
        handled(peer, 3)


def test_a_route_asks_again_for_what_its_store_counted_but_no_row_has(tmp_path: Path) -> None:
    """QuickFIX's store is ahead of the rows, as after a loss of power: the rows decide."""
    reports_and_kill(tmp_path, first=1, reports=(2,))
    older = tmp_path / "older"
    older.mkdir()
    for name in ("route.db", "route.db-wal"):
        shutil.copy(tmp_path / name, older / name)
    reports_and_kill(tmp_path, first=4, reports=(5, 6))
    (tmp_path / "route.db-shm").unlink()
    for name in ("route.db", "route.db-wal"):
        shutil.copy(older / name, tmp_path / name)
    with running("route", tmp_path) as one:
        peer = RawPeer.connect(one.port)
        peer.log_on(seq=8)
        assert field(peer.hear_type("2"), 7) == "3"


def reports_and_kill(folder: Path, first: int, reports: tuple[int, ...]) -> None:
    """A route process takes reports behind a logon numbered `first`, and is killed."""
    with running("route", folder) as one:
        peer = RawPeer.connect(one.port)
        peer.log_on(seq=first)
        if first > 1:
            begin = int(field(peer.hear_type("2"), 7))
            peer.say(message("4", begin, f"{AGAIN}123=Y|36={first + 1}|"))
        for seq in reports:
            peer.say(message("8", seq, FILL))
        handled(peer, reports[-1] + 1)


def test_fact_12_a_peer_that_does_not_read_gets_a_bounded_number_of_orders(tmp_path: Path) -> None:
    """The window closes; what it holds back stays with us, where its deadline still counts."""
    assert handed_over(tmp_path) == 20


def test_fact_12_without_the_window_the_queue_has_no_bound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The danger: QuickFIX takes every order for a peer that reads nothing."""
    monkeypatch.setattr(SendWindow, "room", property(lambda _: 1_000_000))
    assert handed_over(tmp_path) == QUEUED


def handed_over(folder: Path) -> int:
    """How many of many orders QuickFIX takes for a peer that does not read."""
    gate = Gate(folder, max_unacked=20).start()
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    until(gate.is_up, "the session is up")
    taken = sum(gate.engine.send("LEADER", order(number)) for number in range(QUEUED))
    gate.stop()
    return taken


def test_fact_1_a_callback_that_hangs_is_noticed(tmp_path: Path) -> None:
    """The watchdog ends the process: the session would look alive as long as the disk hangs."""
    with running("hanging", tmp_path) as one:
        peer = RawPeer.connect(one.port)
        peer.log_on()
        peer.say(message("8", 2, FILL))
        assert one.process.wait(timeout=30) == 70


def test_fact_2_ctrl_c_stops_cleanly(tmp_path: Path) -> None:
    """Importing QuickFIX takes SIGINT away: our handlers are installed behind it."""
    deployment = demo_config.plan(tmp_path, 1, 1)
    demo_config.write(deployment)
    command = [sys.executable, "-m", "gateway", "run", str(deployment.config), "--only", "route:r1"]
    with subprocess.Popen(command, cwd=root(), stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        while '"route.started"' not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        process.stderr.read()
        assert process.wait(timeout=30) == 0


def test_fact_5_callbacks_run_in_the_one_thread_that_we_started(gate: Gate) -> None:
    """`start()` would make a new Python thread state for each of them."""
    threads: set[str] = set()
    gate.sink.record = lambda *_: threads.add(threading.current_thread().name)  # type: ignore[method-assign]
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    for seq in range(2, 12):
        peer.say(message("8", seq, FILL))
    handled(peer, 12)
    assert threads == {"fix-acceptor"}


def test_facts_11_and_17_every_setting_that_can_surprise_is_set(tmp_path: Path) -> None:
    """A default that changes in a later QuickFIX changes nothing here."""
    settings = settings_of(Gate(tmp_path).spec, tmp_path)
    assert settings.items() >= {
        "ResetOnLogon": "N", "ResetOnLogout": "N", "ResetOnDisconnect": "N", "RefreshOnLogon": "N",
        "SendRedundantResendRequests": "N", "PersistMessages": "N", "CheckLatency": "N", "MaxLatency": "120",
        "CheckCompID": "Y", "AllowedRemoteAddresses": "127.0.0.1", "ValidateFieldsOutOfOrder": "N",
        "ValidateFieldsHaveValues": "N", "ValidateUserDefinedFields": "N", "AllowUnknownMsgFields": "Y",
    }.items()  # fmt: skip
    assert set(BLOCK) == {fix.SocketInitiator, fix.SocketAcceptor}, "the Threaded ones corrupt data"


def test_fact_14_names_are_looked_up_before_the_sessions_share_a_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slow look-up in QuickFIX's thread would stop the heartbeats of every session."""
    spec = replace(Gate(tmp_path).spec, role="initiator", host="fix.example", port=9001)
    found = [(2, 1, 6, "", ("192.0.2.7", 9001))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_: found)
    assert resolved(spec).host == "192.0.2.7"

    def unknown(*_: object) -> NoReturn:
        raise socket.gaierror("unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert resolved(spec) == spec


def test_a_gap_fill_over_what_we_asked_for_is_recorded_as_a_gap(gate: Gate) -> None:
    """What a broker does not send again may have been a fill: the orders are asked about."""
    peer = RawPeer.connect(gate.spec.port)
    peer.log_on()
    peer.say(message("8", 5, FILL))
    assert field(peer.hear_type("2"), 7) == "2"
    peer.say(message("4", 2, f"{AGAIN}123=Y|36=5|"))
    until(lambda: len(gate.sink.records) == 1, "the report behind the gap arrives")
    assert gate.sink.gaps == [(2, 4)]
