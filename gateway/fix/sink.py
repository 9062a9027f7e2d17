"""What the FIX layer hands over, and to whom: the core's pipeline, a route's rows, or a test's list."""

from __future__ import annotations

from typing import Protocol


class Sink(Protocol):
    """Takes what sessions say. Each call returns only when its row is durable; an exception means it is
    not."""

    def record(self, session: str, msg_seq_num: int, raw: bytes) -> None:
        """An inbound message that means something: application messages, Reject(3), GapFill."""

    def refused(self, session: str, raw: bytes) -> None:
        """Our own Reject(3) or BusinessMessageReject(j): the counterparty said something we could not
        take."""

    def sent(self, session: str, raw: bytes) -> None:
        """An order, cancel or replace on its way to the wire. Called inside QuickFIX, which holds its lock:
        nothing may wait here."""

    def gap(self, session: str, first: int, last: int, raw: bytes) -> None:
        """The counterparty skips numbers that we asked for: whatever they were, they do not come."""

    def session(self, session: str, up: bool) -> None:
        """A session logged on or off."""

    def expected(self, session: str) -> int | None:
        """The MsgSeqNum(34) after the last durable one, or None when that is not known."""
