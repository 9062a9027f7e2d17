"""The network between the gateway and one counterparty: a relay that can be cut, held, slowed and garbled."""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections import deque
from dataclasses import dataclass, field

READ_BYTES = 65_536
POLL_S = 0.005
RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time: a close is an RST, as of a line that breaks."""


@dataclass(eq=False)
class End:
    """One socket of a relayed connection, and what is on its way to it."""

    socket: socket.socket
    to_gateway: bool
    """Whether what is sent here goes to the gateway."""
    queue: deque[tuple[float, bytes]] = field(default_factory=deque)
    """Due time and bytes."""
    peer: End | None = None


@dataclass
class Weather:
    """What the line is like. Times are of the monotonic clock; one that has passed means: as usual."""

    held_until: float = 0.0
    """Nothing moves, and nobody is told."""
    cut_behind: bool = False
    """When the hold ends the line breaks; otherwise all that waited goes on."""
    down_until: float = 0.0
    """Connections are refused."""
    slow_until: float = 0.0
    delay_s: float = 0.0
    pieces_until: float = 0.0
    """Bytes are passed on in pieces of one to seven."""
    garble_to_gateway: int = 0
    garble_to_broker: int = 0
    """So many of the next chunks come with one byte changed."""


class Proxy:
    """Relays connections to `target`; `port` is the gateway's end. Faults are set from any thread."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self.port: int = self._listener.getsockname()[1]
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ, None)
        self._ends: set[End] = set()
        self._weather = Weather()
        self._lock = threading.Lock()
        self._cut = False
        self._stopping = False
        self.connections = 0
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()

    def cut(self, down_s: float = 0.0) -> None:
        """Breaks the connection now; what is on its way is lost. New ones are refused for a while."""
        with self._lock:
            self._weather.down_until = time.monotonic() + down_s
            self._cut = True

    def hold(self, seconds: float, *, cut_behind: bool) -> None:
        """Nothing moves in either direction, and neither side hears of it."""
        with self._lock:
            self._weather.held_until = time.monotonic() + seconds
            self._weather.cut_behind = cut_behind

    def slow(self, seconds: float, delay_s: float) -> None:
        """All bytes are late by `delay_s`."""
        with self._lock:
            self._weather.slow_until, self._weather.delay_s = time.monotonic() + seconds, delay_s

    def tear(self, seconds: float) -> None:
        """Messages arrive in pieces of a few bytes."""
        with self._lock:
            self._weather.pieces_until = time.monotonic() + seconds

    def garble(self, *, to_gateway: bool) -> None:
        """The next bytes in this direction arrive with one of them changed."""
        with self._lock:
            if to_gateway:
                self._weather.garble_to_gateway = 1
            else:
                self._weather.garble_to_broker = 1

    def lift(self) -> None:
        """The line is as usual again; a hold that was to end in a cut does."""
        with self._lock:
            self._cut = self._cut or (
                self._weather.cut_behind and self._weather.held_until > time.monotonic()
            )
            self._weather = Weather()

    def close(self) -> None:
        """Ends the thread and all connections."""
        self._stopping = True
        self._thread.join(5)
        self._listener.close()
        self._selector.close()

    # ---- the relay's thread -------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._stopping:
            with self._lock:
                cut, self._cut = self._cut, False
                weather = self._weather
            if cut:
                self._break_all()
            if self._is_held(weather):
                time.sleep(POLL_S)
                continue
            for key, _ in self._selector.select(self._patience_s()):
                # It may have begun while we waited.
                if time.monotonic() < weather.held_until:
                    break
                if key.data is None:
                    self._accept(weather)
                elif key.data in self._ends:
                    self._read(key.data, weather)
            self._pass_on(weather)
        self._break_all()

    def _patience_s(self) -> float:
        due = min((end.queue[0][0] for end in self._ends if end.queue), default=None)
        return POLL_S if due is None else min(POLL_S, max(0.0, due - time.monotonic()))

    def _is_held(self, weather: Weather) -> bool:
        if weather.held_until == 0.0:
            return False
        if time.monotonic() < weather.held_until:
            return True
        with self._lock:
            weather.held_until = 0.0
            cuts, weather.cut_behind = weather.cut_behind, False
        if cuts:
            self._break_all()
        return False

    def _accept(self, weather: Weather) -> None:
        inner, _ = self._listener.accept()
        if time.monotonic() < weather.down_until:
            self._reset(inner)
            return
        try:
            outer = socket.create_connection(("127.0.0.1", self._target), timeout=2)
        except OSError:
            self._reset(inner)
            return
        self.connections += 1
        gateway, broker = End(inner, to_gateway=True), End(outer, to_gateway=False)
        gateway.peer, broker.peer = broker, gateway
        for end in (gateway, broker):
            end.socket.setblocking(False)
            end.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._selector.register(end.socket, selectors.EVENT_READ, end)
            self._ends.add(end)

    def _read(self, end: End, weather: Weather) -> None:
        try:
            data = end.socket.recv(READ_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data or end.peer is None:
            self._end(end)
            return
        now = time.monotonic()
        late = weather.delay_s if now < weather.slow_until else 0.0
        other = end.peer
        data = self._garbled(data, weather, to_gateway=other.to_gateway)
        size = len(data)
        if now < weather.pieces_until:
            size = 1 + len(data) % 7
        for at in range(0, len(data), size):
            # Order is kept also where the line gets faster.
            due = max(now + late, other.queue[-1][0] if other.queue else 0.0)
            other.queue.append((due, data[at : at + size]))

    def _garbled(self, data: bytes, weather: Weather, *, to_gateway: bool) -> bytes:
        with self._lock:
            if to_gateway:
                wanted, weather.garble_to_gateway = weather.garble_to_gateway, 0
            else:
                wanted, weather.garble_to_broker = weather.garble_to_broker, 0
        if not wanted:
            return data
        # CheckSum(10) is a sum: it sees a byte that changed, and is blind to two that changed places.
        at = len(data) // 2
        return data[:at] + bytes([data[at] ^ 0x40]) + data[at + 1 :]

    def _pass_on(self, weather: Weather) -> None:
        now = time.monotonic()
        for end in list(self._ends):
            while end in self._ends and end.queue and end.queue[0][0] <= now:
                due, data = end.queue[0]
                try:
                    sent = end.socket.send(data)
                except BlockingIOError:
                    break
                except OSError:
                    self._end(end)
                    break
                if sent < len(data):
                    end.queue[0] = (due, data[sent:])
                    break
                end.queue.popleft()

    def _end(self, end: End) -> None:
        """One side closed: the other is told, behind what is on its way to it."""
        other = end.peer
        self._drop(end, reset=False)
        if other is not None and other in self._ends:
            # A close does not outrun bytes, but nobody here waits for a slow line to empty.
            for _, data in other.queue:
                try:
                    other.socket.setblocking(True)
                    other.socket.settimeout(1)
                    other.socket.sendall(data)
                except OSError:
                    break
            self._drop(other, reset=False)

    def _break_all(self) -> None:
        for end in list(self._ends):
            self._drop(end, reset=True)

    def _drop(self, end: End, *, reset: bool) -> None:
        self._ends.discard(end)
        try:
            self._selector.unregister(end.socket)
        except KeyError:
            return
        if reset:
            self._reset(end.socket)
        else:
            end.socket.close()

    @staticmethod
    def _reset(connection: socket.socket) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        connection.close()
