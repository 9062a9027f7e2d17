# ruff: noqa: BLE001 (no exception may leave a callback, so each one catches everything and ends the process)
"""QuickFIX's callbacks. They hand bytes on and decide nothing.

Three rules, each measured on QuickFIX 1.16.0: no exception leaves a callback (it would leave a zombie that
still looks logged on); Message and SessionID are borrowed, so nothing of them is kept; and when a row cannot
be made durable the callback does not return, because returning would consume the message: the process ends
instead, the sequence number stays, and the counterparty sends the message again.
"""

from __future__ import annotations

import os
import re
import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import structlog

from gateway import clock
from gateway.alerts import event_advice
from gateway.errors import ExitCode
from gateway.failures import operating
from gateway.fix.gaps import STILL_WAITING, GapWatch, Heard
from gateway.fix.settings import SessionSpec
from gateway.fix.sink import Sink
from gateway.fix.swig import fix
from gateway.fix.window import SendWindow

PARKED_MAX = 8_192
"""Raw messages kept until their callback: one, or as many as arrive behind a gap that is being resent."""
OWN_LOG = "quickfix"
"""Name of QuickFIX's own log, which speaks of connections before they belong to a session."""
RETRY_MS = 10
"""Pause between two attempts at a failing journal."""
WATCHDOG_MS = 10_000
"""A row that takes this much longer than a stalling journal may is a callback that hangs."""
GAPS_MAX = 64
"""Messages behind a gap that are remembered until the main loop looks; each says the same."""

PER_MESSAGE = ("MsgSeqNum too high", "Processing QUEUED message", "Resending Message", STILL_WAITING)
"""Beginnings of QuickFIX's events that come once for every message of a resend."""
ORDERS = ("D", "F", "G")
"""Messages of ours that a reject may name by their number only."""

LOGOUT_ADVICE = "The counterparty's own words. If it misses numbers, agree with it who resets, and when."
SECRET = re.compile(r"(^|\x01)(554|925|1402|1404)=[^\x01]*")
"""Password(554), NewPassword(925) and their encrypted forms. QuickFIX's events may quote a whole Logon."""

log = structlog.get_logger("fix")


def readable(text: str) -> str:
    """A text of QuickFIX or of a counterparty for the log: fields behind |, no password."""
    return SECRET.sub(r"\1\2=***", text).replace("\x01", "|")


class SessionTap(fix.Log):  # type: ignore[misc]
    """QuickFIX's log of one session, used as a tap for the bytes as they came.

    `Message.toString()` sorts fields, so the bytes of `onIncoming` are what is journaled. A message behind a
    gap waits inside QuickFIX and reaches `fromApp` much later than `onIncoming`, so bytes are parked by
    MsgSeqNum(34).
    """

    def __init__(self, name: str, application: Application) -> None:
        super().__init__()
        self.name = name
        self._application = application
        self._parked: dict[int, str] = {}
        self._newest = ""
        self._gap = GapWatch()
        self.heard = Heard()

    def onIncoming(self, text: str) -> None:
        try:
            self._park(text)
        except BaseException as error:
            self._application.stop_now("onIncoming", error)

    def onOutgoing(self, text: str) -> None:
        try:
            self._application.leaves(self.name, text)
        except BaseException as error:
            self._application.stop_now("onOutgoing", error)

    def onEvent(self, text: str) -> None:
        try:
            self._application.note(self.name, text)
            if text.startswith(STILL_WAITING):
                self._application.still_waits(self.name, self._gap, "\x0143=Y\x01" in self._newest)
        except BaseException as error:
            self._application.stop_now("onEvent", error)

    def clear(self) -> None:
        """Nothing is kept that could be cleared."""

    def backup(self) -> None:
        """Nothing is kept that could be backed up."""

    def take(self, msg_seq_num: int, message: Any) -> bytes:
        """The bytes of a message as they came; QuickFIX's own rendering when they are gone."""
        text = self._parked.pop(msg_seq_num, None)
        return as_bytes(message.toString() if text is None else text)

    def _park(self, text: str) -> None:
        self._newest = text
        start = text.find("\x0134=") + 4
        digits = text[start : text.find("\x01", start)]
        if start > 3 and digits.isdecimal():
            if len(self._parked) >= PARKED_MAX:
                del self._parked[next(iter(self._parked))]
            self._parked[int(digits)] = text
            self.heard.came(msg_type_of(text), int(digits), "\x01141=Y\x01" in text)


class TapFactory(fix.LogFactory):  # type: ignore[misc]
    """Makes the taps. QuickFIX owns what it gets, hence `__disown__`: else Python frees it under QuickFIX's
    feet."""

    def __init__(self, application: Application) -> None:
        super().__init__()
        self._application = application

    def create(self, *args: Any) -> Any:
        try:
            tap = self._application.tap(args[0].toString() if args else "")
            tap.__disown__()
        except BaseException as error:
            self._application.stop_now("create", error)
        return tap

    def destroy(self, _tap: Any) -> None:
        """Left to the process's end: a session lives as long as its process."""


class Application(fix.Application):  # type: ignore[misc]
    """The callbacks of all sessions of one process."""

    def __init__(
        self,
        specs: Sequence[SessionSpec],
        sink: Sink,
        journal_stall_ms: int = 2_000,
        die: Callable[[int], NoReturn] = os._exit,
    ) -> None:
        super().__init__()
        self._specs = {spec.key: spec for spec in specs}
        self._by_name = {spec.name: spec for spec in specs}
        self._with_sub_ids = any(spec.sender_sub_id or spec.target_sub_id for spec in specs)
        self._sink = sink
        self._journal_stall_ms = journal_stall_ms
        self._die = die
        self.watchdog_ms = journal_stall_ms + WATCHDOG_MS
        self._insists_since_ms: int | None = None
        self._taps: dict[str, SessionTap] = {}
        self._pause = threading.Event()
        self._gaps: deque[tuple[str, GapWatch, int, bool]] = deque(maxlen=GAPS_MAX)
        self._turns = self._seen_turns = self._looks = 0
        self.doorbell: Callable[[], None] | None = None
        self.windows = {spec.name: SendWindow(spec.max_unacked) for spec in specs}
        self.up: dict[str, bool] = dict.fromkeys((spec.name for spec in specs), False)

    def onCreate(self, session_id: Any) -> None:
        try:
            self._expect(session_id.toString(), session_id)
        except BaseException as error:
            self.stop_now("onCreate", error)

    def onLogon(self, session_id: Any) -> None:
        try:
            self._changed(session_id.toString(), up=True)
        except BaseException as error:
            self.stop_now("onLogon", error)

    def onLogout(self, session_id: Any) -> None:
        try:
            self._changed(session_id.toString(), up=False)
        except BaseException as error:
            self.stop_now("onLogout", error)

    def toAdmin(self, message: Any, session_id: Any) -> None:
        try:
            self._address(message, session_id.toString())
        except BaseException as error:
            self.stop_now("toAdmin", error)

    def fromAdmin(self, message: Any, session_id: Any) -> None:
        try:
            self._hear(message, session_id.toString())
        except BaseException as error:
            self.stop_now("fromAdmin", error)

    def toApp(self, message: Any, session_id: Any) -> None:
        try:
            replayed = self._is_replayed(message, session_id)
        except BaseException as error:
            self.stop_now("toApp", error)
        if replayed:
            raise fix.DoNotSend

    def fromApp(self, message: Any, session_id: Any) -> None:
        try:
            self._deliver(message, session_id.toString())
        except BaseException as error:
            self.stop_now("fromApp", error)

    def tap(self, key: str) -> SessionTap:
        """The tap of a session, made on first use; the empty key is QuickFIX's own log."""
        name = self._specs[key].name if key in self._specs else OWN_LOG
        return self._taps.setdefault(key, SessionTap(name, self))

    def note(self, name: str, text: str) -> None:
        """Passes QuickFIX's events to the log stream, and rings its own thread when a doorbell is set."""
        said = {"session": name, "text": readable(text)}
        if advice := event_advice(text):
            log.warning("fix.event", **said, advice=advice)
        elif text.startswith(PER_MESSAGE):
            log.debug("fix.event", **said)
        else:
            log.info("fix.event", **said)
        if name == OWN_LOG and self.doorbell is not None:
            ring, self.doorbell = self.doorbell, None
            ring()

    def leaves(self, name: str, text: str) -> None:
        """Looks at a message of ours: orders are remembered by their number, our own rejects recorded."""
        kind = msg_type_of(text)
        if kind in ORDERS:
            self._sink.sent(name, as_bytes(text))
        elif kind in ("3", "j"):
            self._refuse(name, text)

    def still_waits(self, name: str, gap: GapWatch, resent: bool) -> None:
        """A message came behind a gap that QuickFIX asked for once: `ask_again` may have to do it again.

        Called inside QuickFIX, which holds a lock of the session's state: to send from here would take the
        session's own lock behind it, while a thread that sends takes them the other way round, and both
        would wait for ever.
        """
        self._gaps.append((name, gap, self._session(name).getExpectedTargetNum(), resent))

    def ask_again(self) -> None:
        """Sends a ResendRequest(2) of our own where QuickFIX would wait for ever. Called by the main loop."""
        while self._gaps:
            name, gap, missing, resent = self._gaps.popleft()
            session = self._session(name)
            # What came meanwhile needs no second request.
            if session.getExpectedTargetNum() == missing and gap.ask(missing, resent, clock.steady_ms()):
                log.error("fix.gap_stays", session=name, msg_seq_num=missing, action="asked again")
                request = fix.Message()
                request.getHeader().setField(35, "2")
                request.setField(7, str(missing))
                request.setField(16, "0")
                session.send(request)

    def _session(self, name: str) -> Any:
        spec = self._by_name[name]
        return fix.Session.lookupSession(
            fix.SessionID(spec.begin_string, spec.sender_comp_id, spec.target_comp_id)
        )

    def _refuse(self, name: str, text: str) -> None:
        """Makes our own reject an event: what was rejected may have been a fill."""
        log.error("fix.refused", session=name, text=text.replace("\x01", "|"))
        self._insist(lambda: self._sink.refused(name, as_bytes(text)))

    def stop_now(self, where: str, error: BaseException) -> NoReturn:
        """Ends the process inside the callback. There is no other safe way out of it."""
        try:
            text = operating(error).text()
            log.critical("fix.callback_failed", callback=where, error=text, action="the process ends")
        finally:
            self._die(int(ExitCode.INTERNAL))

    def _expect(self, key: str, session_id: Any) -> None:
        expected = self._sink.expected(self._specs[key].name)
        session = fix.Session.lookupSession(session_id)
        self.tap(key).heard.starts(session.getExpectedTargetNum())
        if expected is not None and expected < session.getExpectedTargetNum():
            session.setNextTargetMsgSeqNum(expected)

    def _changed(self, key: str, *, up: bool) -> None:
        name = self._specs[key].name
        self.windows[name].reset()
        self.up[name] = up
        log.info("fix.session", session=name, up=up)
        self._insist(lambda: self._sink.session(name, up))

    def _address(self, message: Any, key: str) -> None:
        spec, header = self._specs[key], message.getHeader()
        for tag, value in ((50, spec.sender_sub_id), (57, spec.target_sub_id)):
            if value is not None:
                header.setField(tag, value)
        if header.getField(35) == "A":
            for tag, value in ((553, spec.username), (554, spec.password)):
                if value is not None:
                    message.setField(tag, value)

    def _is_replayed(self, message: Any, session_id: Any) -> bool:
        """An order that QuickFIX wants to send again after a resend request would trade at a stale price."""
        header = message.getHeader()
        if header.isSetField(43) and header.getField(43) == "Y":
            return True
        if self._with_sub_ids:
            self._address(message, session_id.toString())
        return False

    def _hear(self, message: Any, key: str) -> None:
        name, kind = self._specs[key].name, message.getHeader().getField(35)
        if kind == "0" and message.isSetField(112):
            self.windows[name].answered(message.getField(112))
        if kind == "3":
            self._deliver(message, key)
            return
        if kind == "5" and message.isSetField(58):
            # Why the counterparty ends the line: its log is not ours to read.
            log.warning("fix.logout", session=name, text=readable(message.getField(58)), advice=LOGOUT_ADVICE)
        seq = int(message.getHeader().getField(34))
        raw = self._taps[key].take(seq, message)
        if kind == "4" and message.isSetField(36):
            last = int(message.getField(36)) - 1
            if self._taps[key].heard.hides_news(seq, last):
                self._insist(lambda: self._sink.gap(name, seq, last, raw))

    def _deliver(self, message: Any, key: str) -> None:
        tap, seq = self._taps[key], int(message.getHeader().getField(34))
        raw = tap.take(seq, message)
        self._insist(lambda: self._sink.record(tap.name, seq, raw))

    def turned(self) -> None:
        """The main loop did one round."""
        self._turns += 1

    def watch(self, every_ms: int = 0) -> None:
        """Ends the process when a callback or the main loop hangs: its session would look alive for ever.

        Called every `every_ms`. The loop's rounds are counted in looks and not in time: a process that was
        stopped for an hour has hung for one look.
        """
        began_ms = self._insists_since_ms
        if began_ms is not None and clock.steady_ms() - began_ms > self.watchdog_ms:
            self.stop_now("watchdog", TimeoutError("a callback has not returned from writing its row"))
        self._looks = 0 if self._turns != self._seen_turns else self._looks + 1
        self._seen_turns = self._turns
        if self._turns and self._looks * every_ms > self.watchdog_ms:
            self.stop_now("watchdog", TimeoutError("the main loop does not turn"))

    def _insist(self, write: Callable[[], None]) -> None:
        """Retries a failing journal for a while. Its last failure goes up and ends the process."""
        self._insists_since_ms = clock.steady_ms()
        self._write(write)
        self._insists_since_ms = None

    def _write(self, write: Callable[[], None]) -> None:
        deadline_ms = clock.steady_ms() + self._journal_stall_ms
        said = False
        while True:
            try:
                write()
                return
            except Exception as error:
                if clock.steady_ms() >= deadline_ms:
                    raise
                if not said:
                    log.error("fix.journal_stalls", error=operating(error).text())
                said = True
            self._pause.wait(RETRY_MS / 1000)


def as_bytes(text: str) -> bytes:
    """QuickFIX's text as the bytes that were on the wire."""
    return text.encode("utf-8", "surrogateescape")


def msg_type_of(text: str) -> str:
    """MsgType(35) of a framed message, or nothing."""
    start = text.find("\x0135=") + 4
    return text[start : text.find("\x01", start)] if start > 3 else ""
