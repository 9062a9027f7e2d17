"""The counterparties of a bench on raw sockets: the leader's broker and the followers' brokers, in one loop.

Latency is taken from the time a fill was meant to be sent. A loop that is late counts against what it
measures, and the same loop measures the baseline.
"""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from hdrh.histogram import HdrHistogram

from tests.bench.deployment import LEADER_ACCOUNT, SYMBOL, UNITS, Shape, account
from tests.bench.rawfix import Session, broker_fill, leader_fill

_ACCOUNT = re.compile(rb"\x011=([^\x01]*)\x01")
_NEW_ORDER = b"\x0135=D\x01"
READ_BYTES = 262_144
LATENCY_NS_MAX = 60_000_000_000
HEARTBEAT_S = 10.0
SPIN_S = 0.0015
"""The loop does not sleep this close to an intended time: epoll rounds up to 1 ms, which blurs figures."""


class BenchError(Exception):
    """The bench did not see what it must see; its figures mean nothing."""


def utc_now() -> bytes:
    """SendingTime(52) with milliseconds."""
    return datetime.now(UTC).strftime("%Y%m%d-%H:%M:%S.%f")[:-3].encode()


@dataclass(eq=False, slots=True)
class Peer:
    """One counterparty: its listener and its connection."""

    session: Session
    listener: socket.socket
    connection: socket.socket | None = None
    out: bytearray = field(default_factory=bytearray)
    reported: int = 0

    @property
    def port(self) -> int:
        """TCP port, chosen by the system."""
        return int(self.listener.getsockname()[1])


@dataclass(slots=True)
class Result:
    """What one run measured, ns."""

    first: HdrHistogram
    last: HdrHistogram
    other_messages: Counter[str]


class Plant:
    """Leader and brokers. Call `wait_ready`, then `run`; `close` at the end."""

    def __init__(self, shape: Shape) -> None:
        self.shape = shape
        self._poll = selectors.DefaultSelector()
        self.leader = self._listen(b"LEADERBRK")
        self.brokers = [self._listen(f"BROKER{s}".encode()) for s in range(shape.sessions)]
        names = [account(s, a).encode() for s in range(shape.sessions) for a in range(shape.accounts)]
        self._orders: dict[bytes, int] = dict.fromkeys(names, 0)
        """Orders seen by account. Each account gets one order per fill, so the count is the fill's number."""
        self._arrived: Counter[int] = Counter()
        self._intended: list[int] = []
        self._pending: list[tuple[Peer, bytes]] = []
        self._beat_s = time.monotonic()
        self._measured_from = 0
        self.result = Result(_histogram(), _histogram(), Counter())

    def _listen(self, name: bytes) -> Peer:
        listener = socket.create_server(("127.0.0.1", 0))
        listener.setblocking(False)
        peer = Peer(Session(b"FIX.4.4", name, b"COPYGATE"), listener)
        self._poll.register(listener, selectors.EVENT_READ, peer)
        return peer

    def wait_ready(self, deadline_s: float, alive: Callable[[], bool]) -> None:
        """Until every session is logged on. BenchError when not in time or the measured process ended."""
        peers = (self.leader, *self.brokers)
        self._until(lambda: all(peer.session.logged_on for peer in peers), deadline_s, "logon", alive)

    def wait(self, done: Callable[[], bool], deadline_s: float, what: str, alive: Callable[[], bool]) -> None:
        """Keeps the sessions up until it is done. BenchError when that is not in time."""
        self._until(done, deadline_s, what, alive)

    def run(self, warm_up: int, deadline_s: float, alive: Callable[[], bool]) -> Result:
        """Warms up, then sends the shape's fills at their intended times and waits for every order."""
        for _ in range(warm_up):
            self._send_fill(time.perf_counter_ns())
            self._until(self._all_arrived, deadline_s, "warm-up orders", alive)
        self._until(lambda: not self._pending, deadline_s, "answers", alive)
        self._measured_from = len(self._intended)
        start = time.perf_counter_ns() + 100_000_000
        for number in range(self.shape.events):
            due = start + number * self.shape.interval_ms * 1_000_000
            while (left := due - time.perf_counter_ns()) > 0:
                self._turn(max(0.0, left / 1e9 - SPIN_S))
            self._send_fill(due)
        self._until(self._all_arrived, deadline_s, "orders", alive)
        self._until(lambda: not self._pending, deadline_s, "answers", alive)
        self._check()
        return self.result

    def _check(self) -> None:
        wrong = {a.decode(): n for a, n in self._orders.items() if n != len(self._intended)}
        if wrong:
            some = dict(list(wrong.items())[:5])
            raise BenchError(f"{len(wrong)} accounts with orders other than {len(self._intended)}: {some}")

    def _all_arrived(self) -> bool:
        return self._arrived[len(self._intended) - 1] >= self.shape.followers

    def _until(
        self, done: Callable[[], bool], deadline_s: float, what: str, alive: Callable[[], bool] = lambda: True
    ) -> None:
        end = time.monotonic() + deadline_s
        while not done():
            if not alive():
                raise BenchError(f"the measured process ended while waiting for {what}")
            if time.monotonic() > end:
                seen = sum(self._orders.values())
                want = len(self._intended) * self.shape.followers
                on = sum(p.session.logged_on for p in (self.leader, *self.brokers))
                raise BenchError(
                    f"no {what} in {deadline_s} s: {seen} of {want} orders, {on} of {1 + len(self.brokers)} "
                    f"sessions, other messages {dict(self.result.other_messages)}"
                )
            self._turn(0.01)

    def _send_fill(self, intended_ns: int) -> None:
        number = len(self._intended)
        self._intended.append(intended_ns)
        utc = utc_now()
        body = leader_fill(number, LEADER_ACCOUNT.encode(), SYMBOL.encode(), UNITS, utc)
        self._send(self.leader, self.leader.session.message(b"8", body, utc))

    def _turn(self, wait_s: float) -> None:
        """One turn of the loop: reads what there is; answers orders only when nothing is being measured."""
        events = self._poll.select(0 if self._pending and self._all_arrived() else min(wait_s, 0.05))
        for key, mask in events:
            peer: Peer = key.data
            if key.fileobj is peer.listener:
                self._accept(peer)
                continue
            if mask & selectors.EVENT_WRITE:
                self._flush(peer)
            if mask & selectors.EVENT_READ:
                self._read(peer)
        if not events and self._pending and self._all_arrived():
            self._answer(50)
        if time.monotonic() - self._beat_s > HEARTBEAT_S:
            self._beat_s = time.monotonic()
            for peer in (self.leader, *self.brokers):
                if peer.session.logged_on:
                    self._send(peer, peer.session.message(b"0", b"", utc_now()))

    def _answer(self, count: int) -> None:
        utc = utc_now()
        batch, self._pending = self._pending[:count], self._pending[count:]
        for peer, order in batch:
            peer.reported += 1
            self._send(peer, peer.session.message(b"8", broker_fill(peer.reported, order, utc), utc))

    def _accept(self, peer: Peer) -> None:
        connection, _ = peer.listener.accept()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self._drop(peer)
        peer.connection = connection
        self._poll.register(connection, selectors.EVENT_READ, peer)

    def _read(self, peer: Peer) -> None:
        assert peer.connection is not None
        try:
            data = peer.connection.recv(READ_BYTES)
        except ConnectionError:
            data = b""
        at_ns = time.perf_counter_ns()
        if not data:
            self._drop(peer)
            return
        for message in peer.session.framer.feed(data):
            if _NEW_ORDER in message:
                self._order(peer, message, at_ns)
                continue
            answer, application = peer.session.reply(message, utc_now())
            if answer:
                self._send(peer, answer)
            if application:
                kind = message.split(b"\x0135=", 1)[-1].split(b"\x01", 1)[0].decode("ascii", "replace")
                self.result.other_messages[kind] += 1

    def _order(self, peer: Peer, message: bytes, at_ns: int) -> None:
        found = _ACCOUNT.search(message)
        name = found.group(1) if found else b""
        if name not in self._orders:
            raise BenchError(f"order for an account that is not ours: {name!r}")
        number = self._orders[name]
        self._orders[name] = number + 1
        if number >= len(self._intended):
            raise BenchError(f"account {name!r} got order {number + 1} after {len(self._intended)} fills")
        self._arrived[number] += 1
        self._pending.append((peer, message))
        if number < self._measured_from or not self._measured_from:
            return
        latency_ns = at_ns - self._intended[number]
        if self._arrived[number] == 1:
            self.result.first.record_value(latency_ns)
        if self._arrived[number] == self.shape.followers:
            self.result.last.record_value(latency_ns)

    def _send(self, peer: Peer, data: bytes) -> None:
        peer.out += data
        self._flush(peer)

    def _flush(self, peer: Peer) -> None:
        if peer.connection is None:
            return
        try:
            while peer.out:
                sent = peer.connection.send(peer.out)
                del peer.out[:sent]
        except BlockingIOError:
            self._poll.modify(peer.connection, selectors.EVENT_READ | selectors.EVENT_WRITE, peer)
            return
        except ConnectionError:
            self._drop(peer)
            return
        self._poll.modify(peer.connection, selectors.EVENT_READ, peer)

    def _drop(self, peer: Peer) -> None:
        if peer.connection is not None:
            self._poll.unregister(peer.connection)
            peer.connection.close()
            peer.connection = None
        peer.out.clear()
        peer.session.logged_on = False

    def close(self) -> None:
        """Closes every socket."""
        for peer in (self.leader, *self.brokers):
            self._drop(peer)
            self._poll.unregister(peer.listener)
            peer.listener.close()
        self._poll.close()


def _histogram() -> HdrHistogram:
    return HdrHistogram(1, LATENCY_NS_MAX, 3)
