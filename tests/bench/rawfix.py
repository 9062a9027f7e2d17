"""The least of a FIX session that keeps a real engine content: logon, heartbeats, gap fill, reports.

Pure: bytes in, bytes out, no socket and no clock.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

SOH = b"\x01"
_TRAILER = re.compile(rb"\x0110=\d{3}\x01")
_FIELD = re.compile(rb"(\d+)=([^\x01]*)\x01")
MESSAGE_BYTES_MAX = 65_536
"""More without a trailer is not FIX."""


def fields(message: bytes) -> dict[int, bytes]:
    """First value of every tag. No data fields: none are sent to us here."""
    found: dict[int, bytes] = {}
    for tag, value in _FIELD.findall(message):
        found.setdefault(int(tag), value)
    return found


def encode(begin: bytes, body: bytes) -> bytes:
    """Puts BeginString(8), BodyLength(9) and CheckSum(10) around a body that ends with SOH."""
    head = b"8=%b\x019=%d\x01%b" % (begin, len(body), body)
    return b"%b10=%03d\x01" % (head, sum(head) & 255)


@dataclass(slots=True)
class Framer:
    """Cuts a byte stream into messages."""

    rest: bytes = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """The messages that are complete now."""
        self.rest += data
        start = 0
        for trailer in _TRAILER.finditer(self.rest):
            yield self.rest[start : trailer.end()]
            start = trailer.end()
        self.rest = self.rest[start:]
        assert len(self.rest) < MESSAGE_BYTES_MAX, "no CheckSum(10) in 64 KiB"


@dataclass(slots=True)
class Session:
    """One side of a session that accepts. `reply` answers session messages and hands the others on."""

    begin: bytes
    sender: bytes
    target: bytes
    next_out: int = 1
    logged_on: bool = False
    framer: Framer = field(default_factory=Framer)

    def message(self, msg_type: bytes, body: bytes, utc: bytes) -> bytes:
        """A message with the next MsgSeqNum(34). `utc` is SendingTime(52)."""
        seq, self.next_out = self.next_out, self.next_out + 1
        return encode(self.begin, self._head(msg_type, seq, utc) + body)

    def _head(self, msg_type: bytes, seq: int, utc: bytes) -> bytes:
        values = (msg_type, seq, self.sender, self.target, utc)
        return b"35=%b\x0134=%d\x0149=%b\x0156=%b\x0152=%b\x01" % values

    def reply(self, raw: bytes, utc: bytes) -> tuple[bytes, bool]:
        """The answer to a session message (may be empty), and whether the message is the application's."""
        found = fields(raw)
        kind = found.get(35, b"")
        if kind == b"A":
            self.logged_on = True
            reset = b"141=Y\x01" if found.get(141) == b"Y" else b""
            if reset:
                self.next_out = 1
            body = b"98=0\x01108=%b\x01%b" % (found.get(108, b"10"), reset)
            if 1137 in found:
                body += b"1137=%b\x01" % found[1137]
            return self.message(b"A", body, utc), False
        if kind == b"1":
            return self.message(b"0", b"112=%b\x01" % found.get(112, b""), utc), False
        if kind == b"2":
            return self._gap_fill(int(found.get(7, b"1")), utc), False
        if kind == b"5":
            self.logged_on = False
            return self.message(b"5", b"", utc), False
        return b"", kind not in (b"0", b"3", b"4")

    def _gap_fill(self, start: int, utc: bytes) -> bytes:
        """Everything we sent counts as gone: a bench repeats nothing."""
        body = b"43=Y\x01122=%b\x01123=Y\x0136=%d\x01" % (utc, self.next_out)
        return encode(self.begin, self._head(b"4", start, utc) + body)


def leader_fill(
    number: int, account: bytes, symbol: bytes, units: int, utc: bytes, side: bytes = b"1"
) -> bytes:
    """Body of the leader's report: `units`, filled whole. A buy where no Side(54) is given."""
    return (
        b"37=LO%d\x0117=LE%d\x01150=F\x0139=2\x0111=LC%d\x011=%b\x0155=%b\x0154=%b\x01"
        b"38=%d\x0132=%d\x0131=1.1\x01"
        b"14=%d\x01151=0\x016=1.1\x0160=%b\x01"
        % (number, number, number, account, symbol, side, units, units, units, utc)
    )


def broker_fill(number: int, order: bytes, utc: bytes) -> bytes:
    """Body of the broker's report to a NewOrderSingle(D): filled whole."""
    found = fields(order)
    qty = found[38]
    return (
        b"37=BO%d\x0117=BE%d\x01150=F\x0139=2\x0111=%b\x011=%b\x0155=%b\x0154=%b\x01"
        b"38=%b\x0132=%b\x0131=1.1\x0114=%b\x01151=0\x016=1.1\x0160=%b\x01"
        % (number, number, found[11], found.get(1, b""), found[55], found[54], qty, qty, qty, utc)
    )
