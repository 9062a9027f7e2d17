"""Counterparties for session tests: a raw socket that speaks FIX text, and a sink that keeps what it gets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, NoReturn

from gateway.clock import wait_until
from gateway.fix.application import Application
from gateway.fix.engine import FixEngine
from gateway.fix.settings import SessionSpec
from gateway.sim.fix_server import free_port

DEADLINE_MS = 30_000


class Died(BaseException):
    """Stands for the end of the process, where a test lets a callback run by itself."""


class RecordingSink:
    """Keeps everything; can be told to fail."""

    def __init__(self, expected: int | None = None) -> None:
        self.records: list[tuple[str, int, bytes]] = []
        self.refusals: list[tuple[str, bytes]] = []
        self.sessions: list[tuple[str, bool]] = []
        self.orders: list[bytes] = []
        self.gaps: list[tuple[int, int]] = []
        self.failures_left = 0
        self._expected = expected

    def record(self, session: str, msg_seq_num: int, raw: bytes) -> None:
        if self.failures_left:
            self.failures_left -= 1
            raise OSError("no space left on device")
        self.records.append((session, msg_seq_num, raw))

    def refused(self, session: str, raw: bytes) -> None:
        self.refusals.append((session, raw))

    def gap(self, session: str, first: int, last: int, raw: bytes) -> None:
        self.gaps.append((first, last))

    def sent(self, session: str, raw: bytes) -> None:
        self.orders.append(raw)

    def session(self, session: str, up: bool) -> None:
        self.sessions.append((session, up))

    def expected(self, session: str) -> int | None:
        return self._expected


def until(condition: Callable[[], bool], what: str) -> None:
    """Polls until the condition holds; fails the test with `what` after a generous deadline."""
    assert wait_until(condition, DEADLINE_MS), what


def frame(body: str, begin_string: str = "FIX.4.4") -> bytes:
    """FIX text with `|` for SOH, framed with BodyLength(9) and CheckSum(10)."""
    inner = body.replace("|", "\x01").encode("latin-1")
    head = f"8={begin_string}\x019={len(inner)}\x01".encode()
    return head + inner + f"10={sum(head + inner) % 256:03d}\x01".encode()


def message(
    kind: str, seq: int, rest: str = "", *, sender: str = "BROKER", version: str = "FIX.4.4"
) -> bytes:
    """A framed message of the counterparty; `rest` is its body, each field ended by `|`."""
    now = datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]
    return frame(f"35={kind}|49={sender}|56=COPYGATE|34={seq}|52={now}|{rest}", version)


def field(raw: bytes, tag: int) -> str:
    """The first value of a tag, or nothing."""
    mark = f"\x01{tag}=".encode()
    start = raw.find(mark) + len(mark)
    return raw[start : raw.find(b"\x01", start)].decode("latin-1") if start >= len(mark) else ""


class RawPeer:
    """A counterparty on a bare socket, which says exactly what it is told to."""

    opened: ClassVar[list[RawPeer]] = []

    def __init__(self, connection: socket.socket) -> None:
        RawPeer.opened.append(self)
        self._connection = connection
        self._connection.settimeout(DEADLINE_MS / 1000)
        self._buffer = b""
        self.closed = False

    @classmethod
    def connect(cls, port: int) -> RawPeer:
        """Connects to our acceptor, as soon as it listens."""
        found: list[socket.socket] = []

        def attempt() -> bool:
            try:
                found.append(socket.create_connection(("127.0.0.1", port), timeout=1))
            except ConnectionRefusedError:
                return False
            return True

        until(attempt, "our acceptor listens")
        return cls(found[0])

    def patience_s(self, seconds: int) -> None:
        """How long `hear` waits, where a test wants to hear nothing."""
        self._connection.settimeout(seconds)

    def say(self, raw: bytes) -> None:
        """Sends bytes as they are."""
        self._connection.sendall(raw)

    def hear(self) -> bytes | None:
        """The next message, or None when we were disconnected."""
        while b"\x0110=" not in self._buffer or not self._buffer[self._buffer.find(b"\x0110=") + 1 :].count(
            b"\x01"
        ):
            try:
                data = self._connection.recv(65_536)
            except ConnectionResetError:
                data = b""
            if not data:
                self.closed = True
                return None
            self._buffer += data
        end = self._buffer.find(b"\x01", self._buffer.find(b"\x0110=") + 1) + 1
        raw, self._buffer = self._buffer[:end], self._buffer[end:]
        return raw

    def hear_type(self, kind: str) -> bytes:
        """The next message of a type; others are passed over."""
        while (raw := self.hear()) is not None:
            if field(raw, 35) == kind:
                return raw
        raise AssertionError(f"disconnected before a 35={kind} came")

    def log_on(self, seq: int = 1, rest: str = "", sender: str = "BROKER") -> bytes:
        """Sends Logon(A) and returns the answer."""
        self.say(message("A", seq, f"98=0|108=30|{rest}", sender=sender))
        return self.hear_type("A")

    def close(self) -> None:
        self._connection.close()

    @classmethod
    def close_all(cls) -> None:
        """Closes every peer of the test."""
        while cls.opened:
            cls.opened.pop().close()


class Gate:
    """Our FIX layer as an acceptor, with a recording sink."""

    def __init__(self, folder: Path, sink: RecordingSink | None = None, **changes: object) -> None:
        values: dict[str, object] = {
            "name": "LEADER",
            "role": "acceptor",
            "begin_string": "FIX.4.4",
            "sender_comp_id": "COPYGATE",
            "target_comp_id": "BROKER",
            "host": "127.0.0.1",
            "port": free_port(),
            "heartbeat_s": 30,
        }
        self.spec = SessionSpec(**{**values, **changes})  # type: ignore[arg-type]
        self.sink = sink or RecordingSink()
        self.died = threading.Event()
        self.application = Application([self.spec], self.sink, journal_stall_ms=200, die=self._die)
        self.engine = FixEngine([self.spec], self.application, folder / "store")

    def start(self) -> Gate:
        self.engine.start()
        return self

    def stop(self) -> None:
        RawPeer.close_all()
        self.engine.stop()

    def is_up(self) -> bool:
        return self.engine.logged_on(self.spec.name)

    def _die(self, code: int) -> NoReturn:
        self.died.set()
        raise Died(code)
