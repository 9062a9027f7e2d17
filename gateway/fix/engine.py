"""Starts, feeds and stops QuickFIX for the sessions of one process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import structlog

from gateway import clock
from gateway.errors import EnvironmentProblem
from gateway.fix import dictionary
from gateway.fix.application import Application, TapFactory
from gateway.fix.settings import SessionSpec, session_settings
from gateway.fix.swig import fix

LOGOUT_MS = 3_000
"""How long counterparties get to answer our Logout(5). A clean stop of a process must take less than 5 s."""
JOIN_S = 3.0
"""QuickFIX's own loop wakes once a second; longer than three means that it hangs."""
WATCH_S = 0.5
"""How often the watchdog looks."""

BLOCK = {
    fix.SocketInitiator: fix._quickfix.Initiator_block,
    fix.SocketAcceptor: fix._quickfix.Acceptor_block,
}
"""`block` without its Python wrapper, whose frame a leaked traceback (see `_block`) would keep alive."""

ORDER_TAGS = (1, 8, 9, 10, 11, 21, 34, 35, 37, 38, 40, 41, 44, 49, 52, 54, 55, 56, 59, 60, 77)
QUESTION_TAGS = (584, 585, 710, 715, 724, 790)
"""What OrderStatusRequest(H), OrderMassStatusRequest(AF) and RequestForPositions(AN) of ours have besides."""
PLAIN_TAGS = frozenset(["", *map(str, ORDER_TAGS + QUESTION_TAGS)])
"""Fields that are in no repeating group and hold no raw data: a message of these only is read without a
dictionary, which takes 7 to 12 MB. Empty is what follows the last SOH."""

log = structlog.get_logger("fix")


class FixEngine:
    """The initiators and acceptors of one process, each kind in one thread of ours."""

    def __init__(
        self,
        specs: Sequence[SessionSpec],
        application: Application,
        store_dir: Path,
        dictionaries: Path | None = None,
    ) -> None:
        self._specs = {spec.name: spec for spec in specs}
        self._application = application
        self._store_dir = store_dir
        self._dictionaries = dictionaries
        self._connectors: list[Any] = []
        self._kept: list[Any] = []
        self._threads: list[threading.Thread] = []
        self._failure: BaseException | None = None
        self._watched = threading.Event()
        self._ids = {
            spec.name: fix.SessionID(spec.begin_string, spec.sender_comp_id, spec.target_comp_id)
            for spec in specs
        }
        self._readers = {spec.name: self._reader(spec) for spec in specs if spec.sends_groups}

    def start(self) -> None:
        """Opens ports and begins to connect.

        Raises `EnvironmentProblem` when a port is in use, a dictionary is missing or the store cannot be
        written.
        """
        self._store_dir.mkdir(parents=True, exist_ok=True)
        threading.Thread(target=self._watch, name="fix-watchdog", daemon=True).start()
        for role, kind in (("initiator", fix.SocketInitiator), ("acceptor", fix.SocketAcceptor)):
            specs = [spec for spec in self._specs.values() if spec.role == role]
            if specs:
                self._start(role, kind, specs)

    def _watch(self) -> None:
        """A thread of its own: the main loop may wait for the very lock that hangs."""
        while not self._watched.wait(WATCH_S):
            self._application.watch(int(WATCH_S * 1000))

    def check(self) -> None:
        """What the main loop does for FIX in each round. Raises what ended a FIX thread, if one ended."""
        self._application.turned()
        self._application.ask_again()
        if self._failure is not None:
            raise EnvironmentProblem("the FIX engine ended", hint=f"{self._failure}") from self._failure

    def logged_on(self, session: str) -> bool:
        """Whether the session is logged on, as its callbacks and QuickFIX both see it."""
        if not self._application.up.get(session, False):
            return False
        found = fix.Session.lookupSession(self._ids[session])
        return found is not None and bool(found.isLoggedOn())

    def room(self, session: str) -> int:
        """How many messages the session's window has room for; none: the counterparty does not read."""
        return self._application.windows[session].room

    def send(self, session: str, raw: bytes) -> bool:
        """Hands one application message to QuickFIX; False when it was certainly not sent.

        QuickFIX itself says yes while logged off and sends at the next logon: a stale order would trade.
        """
        if not self.logged_on(session) or self.room(session) == 0:
            return False
        message = self._read(session, raw)
        if not fix.Session.sendToTarget(message, self._ids[session]):
            return False
        fence = self._application.windows[session].count()
        if fence is not None:
            self._send_fence(session, fence)
        return True

    def stop(self) -> None:
        """Logs out, then stops the threads. Returns within 5 seconds, whatever counterparties do."""
        for session_id in self._ids.values():
            found = fix.Session.lookupSession(session_id)
            if found is not None:
                found.logout()
        clock.wait_until(lambda: not any(c.isLoggedOn() for c in self._connectors), LOGOUT_MS)
        for connector in self._connectors:
            self._stop(connector)
        self._watched.set()
        for thread in self._threads:
            thread.join(JOIN_S)
            if thread.is_alive():
                log.error("fix.thread_hangs", thread=thread.name)
                return
        # QuickFIX forgets a session only when its connector goes; a later engine would otherwise find the
        # old one.
        self._connectors.clear()
        self._kept.clear()

    def _start(self, role: str, kind: Any, specs: list[SessionSpec]) -> None:
        if role == "initiator" and len(specs) > 1:
            specs = [resolved(spec) for spec in specs]
        settings = session_settings(specs, self._store_dir, self._dictionaries)
        stores, taps = fix.FileStoreFactory(settings), TapFactory(self._application)
        for port in sorted({spec.port for spec in specs if role == "acceptor"}):
            _claim(port)
        try:
            connector = kind(self._application, stores, settings, taps)
        except (fix.ConfigError, fix.RuntimeError) as error:
            raise EnvironmentProblem("QuickFIX cannot start", path=role, hint=str(error)) from error
        self._kept += [settings, stores, taps]
        self._connectors.append(connector)
        thread = threading.Thread(target=self._block, args=(connector,), name=f"fix-{role}", daemon=True)
        self._threads.append(thread)
        thread.start()

    def _stop(self, connector: Any) -> None:
        """Stops one connector.

        An acceptor deletes its server in its own thread while `stop` of another thread still uses it (a
        crash, seen with 1.16.0). So `stop` is called in its own thread: a connection to its port makes it
        log, and there we are.
        """
        ports = [spec.port for spec in self._specs.values() if spec.role == "acceptor"]
        if not isinstance(connector, fix.SocketAcceptor):
            connector.stop(True)
            return
        self._application.doorbell = lambda: connector.stop(True)
        try:
            socket.create_connection(("127.0.0.1", ports[0]), timeout=1).close()
        except OSError as error:
            log.error("fix.doorbell_dead", error=str(error))
        clock.wait_until(connector.isStopped, LOGOUT_MS)

    def _block(self, connector: Any) -> None:
        try:
            BLOCK[type(connector)](connector)
        except BaseException as error:  # noqa: BLE001
            # Kept for check(): a thread that ends in silence would leave a process without sessions.
            self._failure = error
            log.critical("fix.thread_ended", error=repr(error))
        finally:
            # A raised DoNotSend leaks its traceback, which would keep this frame and with it the sessions
            # alive.
            del connector

    def _reader(self, spec: SessionSpec) -> tuple[Any, Any]:
        own = fix.DataDictionary(str(dictionary.transport(spec.begin_string, self._dictionaries)))
        if spec.begin_string != "FIXT.1.1":
            return own, None
        return own, fix.DataDictionary(str(dictionary.application(self._dictionaries)))

    def _read(self, session: str, raw: bytes) -> Any:
        text = raw.decode("utf-8", "surrogateescape")
        if PLAIN_TAGS.issuperset([entry.partition("=")[0] for entry in text.split("\x01")]):
            return fix.Message(text, False)
        if session not in self._readers:
            self._readers[session] = self._reader(self._specs[session])
        own, application = self._readers[session]
        if "\x0110=" not in text[-10:]:
            # QuickFIX drops the last entry of a group that nothing follows.
            text += "10=000\x01"
        if application is None:
            return fix.Message(text, own, False)
        return fix.Message(text, own, application, False)

    def _send_fence(self, session: str, test_req_id: str) -> None:
        message = fix.Message()
        message.getHeader().setField(35, "1")
        message.setField(112, test_req_id)
        fix.Session.sendToTarget(message, self._ids[session])


def resolved(spec: SessionSpec) -> SessionSpec:
    """The session with the address of its host: QuickFIX looks a name up in the thread of all sessions, which
    then wait for it. A name that does not resolve now is left to QuickFIX."""
    try:
        found = socket.getaddrinfo(spec.host, spec.port, socket.AF_INET, socket.SOCK_STREAM)
    except OSError as error:
        log.error("fix.host_unknown", session=spec.name, host=spec.host, error=str(error))
        return spec
    return replace(spec, host=str(found[0][4][0]))


def _claim(port: int) -> None:
    """Tells at once, and by name, that a port is taken; QuickFIX would tell a log only."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            # Not listening: a counterparty that connects in this moment would be accepted, and dropped.
            probe.bind(("", port))
        except OSError as error:
            raise EnvironmentProblem(
                "the port cannot be opened",
                path="port",
                value=str(port),
                hint=f"{error.strerror}. Stop the program that uses it, or choose another.",
            ) from error
