"""A counterparty on a bare socket: keeps its numbers, resends, and says what a test tells it to."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress

from tests.session.harness import field, message

ADMIN = ("0", "1", "2", "3", "4", "5", "A")
READ_BYTES = 65_536


class Venue:
    """One FIX session's other end. It never logs off by itself, and takes one connection after the other."""

    def __init__(self, comp_id: str, answer: Callable[[Venue, bytes], None] | None = None) -> None:
        self.comp_id = comp_id
        self.heard: list[bytes] = []
        """Application messages of the gateway, and its rejects and logouts."""
        self.logons = 0
        self.answers_fences = True
        """Whether our window's TestRequests(1) are answered; those of the session layer always are."""
        self.fences: list[str] = []
        self.answer = answer
        self._sent: dict[int, tuple[str, str]] = {}
        self._seq = 1
        self._lock = threading.RLock()
        self._peer: socket.socket | None = None
        self._ears = threading.Event()
        self._ears.set()
        self._stopped = False
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._thread = threading.Thread(target=self._accept, name=f"venue-{comp_id}", daemon=True)
        self._thread.start()

    @property
    def is_up(self) -> bool:
        """Whether the gateway is logged on."""
        return self._peer is not None

    def heard_of(self, kind: str) -> list[bytes]:
        """What it heard of one MsgType(35)."""
        return [raw for raw in list(self.heard) if field(raw, 35) == kind]

    def say(self, kind: str, rest: str) -> int:
        """Sends a message under the next number; kept, so that it is resent when it is asked for."""
        with self._lock:
            seq = self._take(kind, rest)
            self._put(message(kind, seq, rest, sender=self.comp_id))
            return seq

    def garble(self, kind: str, rest: str) -> int:
        """The same with a wrong CheckSum(10) on the line: resent, it is right."""
        with self._lock:
            seq = self._take(kind, rest)
            raw = message(kind, seq, rest, sender=self.comp_id)
            self._put(raw[:-4] + (b"000" if raw[-4:-1] != b"000" else b"001") + b"\x01")
            return seq

    def lose(self) -> None:
        """Uses up a number for a message that is never sent, and passed over when it is asked for."""
        with self._lock:
            self._take("0", "")

    def hold_nothing(self, account: str, request: bytes) -> None:
        """Answers a RequestForPositions(AN): none."""
        if field(request, 35) == "AN":
            self.say("AP", f"710={field(request, 710)}|1={account}|721=P{self._seq}|727=0|728=2|581=1|")

    def say_as(self, sender: str, kind: str, rest: str) -> None:
        """A message under the next number with another SenderCompID(49); the number is used up."""
        with self._lock:
            self._put(message(kind, self._take("0", ""), rest, sender=sender))

    def repeat_number(self, seq: int, kind: str, rest: str) -> None:
        """A new message under a number that was used before, without PossDupFlag(43)."""
        with self._lock:
            self._put(message(kind, seq, rest, sender=self.comp_id))

    def put(self, raw: bytes) -> None:
        """Bytes as they are, under no number."""
        with self._lock:
            self._put(raw)

    def deafen(self) -> Callable[[], None]:
        """Reads nothing more, until what is returned is called."""
        self._ears.clear()
        return self._ears.set

    def close(self) -> None:
        """Ends the venue; safe to call twice."""
        self._stopped = True
        self._ears.set()
        self._server.close()
        self._drop()
        # Wakes accept, where closing alone does not.
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), timeout=0.2).close()
        self._thread.join(5)

    def _take(self, kind: str, rest: str) -> int:
        seq, self._seq = self._seq, self._seq + 1
        if kind not in ADMIN:
            self._sent[seq] = (kind, rest)
        return seq

    def _put(self, raw: bytes) -> None:
        if self._peer is not None:
            with suppress(OSError):
                self._peer.sendall(raw)

    def _drop(self) -> None:
        with self._lock:
            peer, self._peer = self._peer, None
        if peer is not None:
            with suppress(OSError):
                peer.shutdown(socket.SHUT_RDWR)
            peer.close()

    def _accept(self) -> None:
        while not self._stopped:
            try:
                peer, _ = self._server.accept()
            except OSError:
                return
            with suppress(OSError):
                self._serve(peer)
            self._drop()
            peer.close()

    def _serve(self, peer: socket.socket) -> None:
        buffer = b""
        while self._ears.wait() and (data := peer.recv(READ_BYTES)):
            buffer += data
            while (at := buffer.find(b"\x0110=")) >= 0 and (end := buffer.find(b"\x01", at + 1)) >= 0:
                raw, buffer = buffer[: end + 1], buffer[end + 1 :]
                self._hear(peer, raw)

    def _hear(self, peer: socket.socket, raw: bytes) -> None:
        kind = field(raw, 35)
        if kind == "A":
            with self._lock:
                self._peer = peer
                self.logons += 1
                self._put(message("A", self._take("A", ""), "98=0|108=30|", sender=self.comp_id))
        elif kind == "1":
            test_req_id = field(raw, 112)
            if test_req_id.startswith("FENCE"):
                self.fences.append(test_req_id)
            if self.answers_fences or not test_req_id.startswith("FENCE"):
                self.say("0", f"112={test_req_id}|")
        elif kind == "2":
            self._resend(int(field(raw, 7)))
        elif kind not in ("0", "4"):
            self.heard.append(raw)
            if self.answer is not None and kind not in ADMIN:
                self.answer(self, raw)

    def _resend(self, begin: int) -> None:
        with self._lock:
            for seq in range(begin, self._seq):
                again = "43=Y|122=20260101-00:00:00.000|"
                kind, rest = self._sent.get(seq, ("4", f"123=Y|36={seq + 1}|"))
                self._put(message(kind, seq, again + rest, sender=self.comp_id))
