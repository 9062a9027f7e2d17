"""A QuickFIX acceptor around the broker model. One thread owns the model; callbacks only hand bytes over.

Reports to a counterparty that is logged off stay in QuickFIX's store and are resent at its next logon, as
a real broker does. Orders would be dangerous that way; reports are what resending exists for.
"""

from __future__ import annotations

import itertools
import os
import queue
import socket
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from gateway.errors import EnvironmentProblem
from gateway.fix.swig import fix
from gateway.sim.book import Execution
from gateway.sim.broker import Broker
from gateway.sim.reports import Outgoing
from gateway.sim.text import decode, encode

T = TypeVar("T")
MS = 1_000_000
POLL_S = 0.001
"""Pause between two looks at the sockets; it adds to the simulated broker's delays."""
IDLE_NS = 200_000_000
"""Longest wait of the model's thread; it also looks at its stop flag then."""


@dataclass(frozen=True)
class SimSession:
    """One session of the acceptor. `comp_id` is ours, `peer_comp_id` the gateway's."""

    comp_id: str
    peer_comp_id: str = "COPYGATE"
    begin_string: str = "FIX.4.4"
    appl_ver_id: str = "9"
    """DefaultApplVerID(1137), used with FIXT.1.1 only; 9 is FIX 5.0SP2."""


class Ticker(Protocol):
    """Something that acts on the model by itself: a market, a leader."""

    def next_due_ns(self) -> int | None:
        """When it wants to run next."""

    def run(self, server: FixServer, now_ns: int) -> list[Outgoing]:
        """Acts; called on the model's thread."""


class _Application(fix.Application):  # type: ignore[misc]
    """QuickFIX's callbacks: every body hands over and returns, and no exception leaves it."""

    def __init__(self, inbox: queue.SimpleQueue[Any]) -> None:
        super().__init__()
        self._inbox = inbox

    def onCreate(self, session_id: Any) -> None:
        """A session exists; nothing to do."""

    def onLogon(self, session_id: Any) -> None:
        """A counterparty is there."""
        self._hand_over("logon", session_id, None)

    def onLogout(self, session_id: Any) -> None:
        """A counterparty is gone."""
        self._hand_over("logout", session_id, None)

    def toAdmin(self, message: Any, session_id: Any) -> None:
        """Session messages out: as QuickFIX makes them."""

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        """Session messages in: QuickFIX's business."""

    def toApp(self, message: Any, session_id: Any) -> None:
        """Application messages out: resends are wanted here."""

    def fromApp(self, message: Any, session_id: Any) -> None:
        """An order or request: its bytes go to the model."""
        self._hand_over("message", session_id, message)

    def _hand_over(self, what: str, session_id: Any, message: Any) -> None:
        # An exception that leaves a callback leaves a process that hangs, so it ends here and loudly.
        try:
            raw = message.toString().encode("utf-8", "surrogateescape") if message is not None else b""
            self._inbox.put((what, session_id.getSenderCompID().getString(), raw))
        except BaseException:  # noqa: BLE001 - see above
            traceback.print_exc()
            os._exit(70)


class FixServer:
    """One broker behind one port: `start`, `call` for all that touches the model, then `stop`."""

    def __init__(
        self,
        broker: Broker,
        sessions: list[SimSession],
        port: int,
        folder: Path,
        tickers: list[Ticker] | None = None,
    ) -> None:
        self.broker = broker
        self.sessions = {s.comp_id: s for s in sessions}
        self.port = port
        self.logged_on: set[str] = set()
        self.failure: str = ""
        """Why the model's thread ended early; empty while all is well."""
        self._tickers = tickers or []
        self._inbox: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._folder = folder
        self._threads: list[threading.Thread] = []
        self._acceptor: Any = None
        self._kept: list[Any] = []

    def start(self) -> None:
        """Opens the port and starts both threads. Raises EnvironmentProblem when port or session is taken."""
        self._check_port()
        self._check_sessions()
        settings = fix.SessionSettings(str(self._write_settings()))
        application = _Application(self._inbox)
        store = fix.FileStoreFactory(settings)
        try:
            self._acceptor = fix.SocketAcceptor(application, store, settings)
        except (fix.ConfigError, fix.RuntimeError) as error:
            place = str(self._folder)
            raise EnvironmentProblem("QuickFIX cannot start", path=place, hint=str(error)) from error
        self._kept = [settings, application, store]  # QuickFIX borrows them; Python must not collect them
        engine = threading.Thread(target=self._run_engine, name=f"sim-fix-{self.port}", daemon=True)
        model = threading.Thread(target=self._serve, name=f"sim-model-{self.port}", daemon=True)
        self._threads = [engine, model]
        for thread in self._threads:
            thread.start()

    def stop(self, patience_s: int = 5) -> None:
        """Drops the sessions and ends both threads."""
        self._stopping.set()
        for thread in self._threads:
            thread.join(patience_s)
        if not any(thread.is_alive() for thread in self._threads):
            # QuickFIX forgets the sessions with their acceptor.
            self._acceptor = None
            self._kept.clear()

    def call(self, action: Callable[[], T], patience_s: int = 10) -> T:
        """Runs an action on the model's thread and returns its result: nothing else may touch the broker."""
        future: Future[T] = Future()
        self._inbox.put(("call", action, future))
        return future.result(patience_s)

    def bust_newest(self) -> Execution | None:
        """Takes the newest fill back and reports it; None when there is none. To be run by `call`."""
        execution = self.broker.newest_fill()
        if execution is not None:
            for message in self.broker.bust(execution.exec_id, time.time_ns()):
                self._send(message)
        return execution

    def _run_engine(self) -> None:
        """Polls and stops QuickFIX on one thread.

        Its `stop` and `logout` crash when another thread runs `block` and drops a connection at that moment
        (measured on 1.16.0, one stop in six).
        """
        try:
            while not self._stopping.is_set():
                self._acceptor.poll()
                self._stopping.wait(POLL_S)
            self._acceptor.stop(True)
        except Exception as error:  # noqa: BLE001 - a thread has no caller; the reason must not get lost
            self.failure = f"{type(error).__name__}: {error}"
            traceback.print_exc()

    # ---- the model's thread -------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while not self._stopping.is_set():
                self._step()
        except Exception as error:  # noqa: BLE001 - a thread has no caller; the reason must not get lost
            self.failure = f"{type(error).__name__}: {error}"
            traceback.print_exc()

    def _step(self) -> None:
        """Waits for input or the next due time, then sends everything that is due."""
        wait_ms = min(max(self._next_due_ns() - time.time_ns(), 0) + MS - 1, IDLE_NS) // MS
        out: list[Outgoing] = []
        try:
            out += self._handle(self._inbox.get(timeout=wait_ms / 1000))
            while True:
                out += self._handle(self._inbox.get_nowait())
        except queue.Empty:
            now_ns = time.time_ns()
        out += self.broker.advance(now_ns)
        for ticker in self._tickers:
            due_ns = ticker.next_due_ns()
            if due_ns is not None and due_ns <= now_ns:
                out += ticker.run(self, now_ns)
        for message in out:
            self._send(message)

    def _next_due_ns(self) -> int:
        due = [self.broker.next_due_ns(), *(t.next_due_ns() for t in self._tickers)]
        return min((d for d in due if d is not None), default=time.time_ns() + IDLE_NS)

    def _handle(self, item: tuple[Any, Any, Any]) -> list[Outgoing]:
        what, subject, payload = item
        now_ns = time.time_ns()
        if what == "call":
            _resolve(payload, subject)
            return []
        if what == "logon":
            self.logged_on.add(subject)
            return self._greeting(subject, now_ns)
        if what == "logout":
            self.logged_on.discard(subject)
            return []
        return self.broker.receive(subject, decode(payload), now_ns)

    def _greeting(self, session: str, now_ns: int) -> list[Outgoing]:
        """Account values and quotes, so that no copy waits for them. FIX 4.2 knows no CollateralReport."""
        quotes = self.broker.quote_messages(session, now_ns)
        if self.broker.dialect.old:
            return quotes
        return self.broker.account_values(session, now_ns) + quotes

    def _send(self, message: Outgoing) -> None:
        """Sends by raw string; groups are added by QuickFIX's own call, which keeps their order."""
        session = self.sessions.get(message.session)
        if session is None:
            raise ValueError(f"sim: no session {message.session!r} on port {self.port}")
        raw = encode(session.begin_string, message.fields).decode("utf-8", "surrogateescape")
        outgoing = fix.Message(raw, False)
        for group in message.groups:
            for entry in group.entries:
                part = fix.Group(group.count_tag, group.delimiter)
                for tag, value in entry:
                    part.setField(tag, value)
                outgoing.addGroup(part)
        fix.Session.sendToTarget(outgoing, self._session_id(session))

    @staticmethod
    def _session_id(session: SimSession) -> Any:
        return fix.SessionID(session.begin_string, session.comp_id, session.peer_comp_id)

    # ---- settings -----------------------------------------------------------------------------------

    def _check_sessions(self) -> None:
        """QuickFIX knows each session once in a process, and drops a second one's logons without a word."""
        for name, session in self.sessions.items():
            if fix.Session.lookupSession(self._session_id(session)) is not None:
                raise EnvironmentProblem(
                    "a simulator of this process has the session", path="session", value=name,
                    hint="Stop it first, or give this one another name.",
                )  # fmt: skip

    def _check_port(self) -> None:
        """QuickFIX reports a taken port late and without a name, so it is tried here first."""
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", self.port))
            except OSError as error:
                raise EnvironmentProblem(
                    "the simulator's port cannot be opened",
                    path="port",
                    value=self.port,
                    hint=f"{error.strerror}. Choose another port or stop the program that holds it.",
                ) from error

    def _write_settings(self) -> Path:
        self._folder.mkdir(parents=True, exist_ok=True)
        lines = [
            "[DEFAULT]", "ConnectionType=acceptor", f"SocketAcceptPort={self.port}",
            "SocketAcceptHost=127.0.0.1", "SocketReuseAddress=Y", "SocketNodelay=Y", "StartTime=00:00:00",
            "EndTime=00:00:00", "UseDataDictionary=N", "CheckLatency=N", "ResetOnLogon=N",
            "ResetOnLogout=N", "ResetOnDisconnect=N", "PersistMessages=Y", f"FileStorePath={self._folder}",
        ]  # fmt: skip
        for session in self.sessions.values():
            lines += ["[SESSION]", f"BeginString={session.begin_string}", f"SenderCompID={session.comp_id}",
                      f"TargetCompID={session.peer_comp_id}"]  # fmt: skip
            if session.begin_string == "FIXT.1.1":
                lines.append(f"DefaultApplVerID={session.appl_ver_id}")
        path = self._folder / "acceptor.cfg"
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        return path


def _resolve(future: Future[Any], action: Callable[[], Any]) -> None:
    """Runs an action for a caller on another thread; its error is the caller's, not the model's."""
    try:
        future.set_result(action())
    except Exception as error:  # noqa: BLE001 - handed to the caller
        future.set_exception(error)


PORTS = range(28_000, 32_000)
"""Below those that the kernel gives to connections: one of these could take a port before its server does."""
_turns = itertools.count(os.getpid() * 7_919)
"""Each process begins elsewhere, so that two that run beside each other do not choose the same."""


def free_port() -> int:
    """A port that nothing listens on at this moment, and no connection is given."""
    for turn in itertools.islice(_turns, len(PORTS)):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", PORTS[turn % len(PORTS)]))
            return PORTS[turn % len(PORTS)]
    raise EnvironmentProblem("no port is free on 127.0.0.1: end what listens there")
