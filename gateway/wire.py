"""The sockets between core and routes. One thread owns each socket; others wake it by an eventfd."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
import zmq
import zmq.auth
from zmq.auth.thread import ThreadAuthenticator

from gateway import clock
from gateway.errors import EnvironmentProblem

FRAME_BYTES_MAX = 16 * 1024 * 1024
"""Largest frame taken: 1,000 orders of 1 KB make 1 MB; more is not ours."""
RECONNECT_MS = 50
RECONNECT_MS_MAX = 1_000
BURST_FRAMES = 256
"""Frames taken before the loop looks at its other duties."""
REFUSALS = (
    zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
    | zmq.EVENT_HANDSHAKE_FAILED_AUTH
)
SAY_AGAIN_MS = 5_000
"""A refused peer tries again several times a second; the log hears of it this often."""
REFUSED_HINT = (
    "A peer without a listed key tried to connect. A route of yours: make its keys with `copygate keys`, "
    "name them in its section. Anybody else: close the port to them."
)

log = structlog.get_logger("wire")


@dataclass(frozen=True, slots=True)
class Curve:
    """Our key pair, and whom we talk to. Keys are Z85 text."""

    public_key: bytes
    secret_key: bytes
    server_key: bytes | None = None
    """The core's public key, at a route."""
    allowed: dict[bytes, str] | None = None
    """Public key → route name, at the core. A peer whose key is not listed is refused."""


class Wakeup:
    """Lets another thread end a poll. Any number of rings before the poll count as one."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ring(self) -> None:
        """Wakes the owner of the poll."""
        os.eventfd_write(self.fd, 1)

    def clear(self) -> None:
        """Forgets all rings so far."""
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            return

    def close(self) -> None:
        """Frees the descriptor."""
        os.close(self.fd)


class Waiter:
    """Waits for the same sockets again and again. Made once, for each turn of a loop waits on a hot path."""

    def __init__(self, sockets: list[Any], wakeup: Wakeup) -> None:
        self._wakeup = wakeup
        self._poller = zmq.Poller()
        for socket in [*sockets, wakeup.fd]:
            self._poller.register(socket, zmq.POLLIN)

    def wait(self, timeout_ms: int) -> set[Any]:
        """Waits for any of the sockets, a wake-up or the timeout; gives the sockets that have something."""
        ready = {socket for socket, _ in self._poller.poll(max(0, timeout_ms))}
        if self._wakeup.fd in ready:
            self._wakeup.clear()
        return ready


class CoreSocket:
    """The core's ROUTER: mandatory, bounded, never waiting."""

    def __init__(self, address: str, queue_frames_max: int, curve: Curve | None = None) -> None:
        if address.startswith("tcp://") and curve is None:
            raise EnvironmentProblem(
                "tcp:// needs CURVE keys", path="core.bind", hint="Make them: `copygate keys`."
            )
        self._context = zmq.Context()
        self._refused = 0
        self._say_at_ms = 0
        self._curve = curve
        self._authenticator = self._authenticate(curve) if curve is not None else None
        self._socket = self._context.socket(zmq.ROUTER)
        _bound(self._socket, queue_frames_max)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        # A route that reconnects under its old identity replaces its dead connection.
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        if curve is not None:
            self._socket.curve_server = True
            self._socket.curve_publickey, self._socket.curve_secretkey = curve.public_key, curve.secret_key
        self._monitor: Any = self._socket.get_monitor_socket(REFUSALS) if curve is not None else None
        try:
            _folder_of(address)
            self._socket.bind(address)
        except (zmq.ZMQError, OSError) as error:
            raise EnvironmentProblem(
                "the core's socket cannot be opened", path=address, hint=str(error)
            ) from error
        self.address: str = self._socket.getsockopt_string(zmq.LAST_ENDPOINT)

    @property
    def socket(self) -> Any:
        """For a poller."""
        return self._socket

    def receive(self) -> Iterator[tuple[bytes, bytes]]:
        """What has arrived: (identity, frame), at most one burst."""
        self._say_refusals()
        for _ in range(BURST_FRAMES):
            try:
                parts = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return
            if len(parts) == 2 and self._may(parts):
                yield parts[0].bytes, parts[1].bytes

    def send(self, identity: bytes, frame: bytes) -> bool:
        """False when the route is not there or its queue is full: the frame certainly stays here."""
        try:
            self._socket.send_multipart([identity, frame], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno in (zmq.EHOSTUNREACH, zmq.EAGAIN):
                return False
            raise
        return True

    def close(self) -> None:
        """Closes at once; unsent frames are NOT_SENT by the next core's SYNC."""
        if self._monitor is not None:
            self._socket.disable_monitor()
            self._monitor.close(0)
        self._socket.close(0)
        if self._authenticator is not None:
            self._authenticator.stop()
        self._context.term()

    def _say_refusals(self) -> None:
        """A peer that fails the handshake is told nothing; the operator is, but not at every attempt."""
        if self._monitor is None:
            return
        count = 0
        while self._monitor.poll(0):
            self._monitor.recv_multipart()
            count += 1
        self._refused += count
        if self._refused and clock.steady_ms() >= self._say_at_ms:
            self._say_at_ms = clock.steady_ms() + SAY_AGAIN_MS
            log.error("wire.peer_refused", times=self._refused, hint=REFUSED_HINT)
            self._refused = 0

    def _may(self, parts: list[Any]) -> bool:
        """With CURVE, a key speaks for its own route only."""
        if self._curve is None or self._curve.allowed is None:
            return True
        route = parts[0].bytes.split(b"/")[0].decode("utf-8", "replace")
        key = str(parts[1].get("User-Id")).encode()
        if self._curve.allowed.get(key) == route:
            return True
        log.error("wire.identity_refused", route=route, key=key.decode())
        return False

    def _authenticate(self, curve: Curve) -> ThreadAuthenticator:
        authenticator = ThreadAuthenticator(self._context)
        authenticator.start()
        authenticator.configure_curve_callback("*", _AllowList(curve.allowed or {}))
        return authenticator


class RouteSocket:
    """A route's DEALER, with a monitor that tells each new connection."""

    def __init__(
        self, address: str, identity: bytes, queue_frames_max: int, curve: Curve | None = None
    ) -> None:
        if address.startswith("tcp://") and curve is None:
            raise EnvironmentProblem(
                "tcp:// needs CURVE keys", path="core.connect", hint="Make them: `copygate keys`."
            )
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        _bound(self._socket, queue_frames_max)
        self._socket.setsockopt(zmq.IDENTITY, identity)
        # Without a connection nothing is queued: rows stay in the route's file, and HELLO must come first.
        self._socket.setsockopt(zmq.IMMEDIATE, 1)
        self._socket.setsockopt(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.setsockopt(zmq.RECONNECT_IVL_MAX, RECONNECT_MS_MAX)
        if curve is not None and curve.server_key is not None:
            self._socket.curve_serverkey = curve.server_key
            self._socket.curve_publickey, self._socket.curve_secretkey = curve.public_key, curve.secret_key
        self.monitor: Any = self._socket.get_monitor_socket(zmq.EVENT_HANDSHAKE_SUCCEEDED)
        self._socket.connect(address)

    @property
    def socket(self) -> Any:
        """For a poller."""
        return self._socket

    def reconnected(self) -> bool:
        """Whether a connection was made since the last call."""
        fresh = False
        while self.monitor.poll(0):
            self.monitor.recv_multipart()
            fresh = True
        return fresh

    def receive(self) -> Iterator[bytes]:
        """What has arrived, at most one burst."""
        for _ in range(BURST_FRAMES):
            try:
                yield self._socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return

    def send(self, frame: bytes) -> bool:
        """False when the queue is full or nobody is there."""
        try:
            self._socket.send(frame, zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def close(self) -> None:
        """Closes at once; rows not acknowledged are sent on the next link."""
        self._socket.disable_monitor()
        # An open monitor would keep the context from ending, for ever.
        self.monitor.close(0)
        self._socket.close(0)
        self._context.term()


class _AllowList:
    """The authenticator's question: may this key connect?"""

    def __init__(self, allowed: dict[bytes, str]) -> None:
        self._allowed = allowed

    def callback(self, _domain: str, key: bytes) -> bool:
        """Answers by the list, and says so when it refuses."""
        if key in self._allowed:
            return True
        log.error("wire.key_refused", key=key.decode("ascii", "replace"))
        return False


def forward(
    frames: list[tuple[bytes, bytes]], send: Callable[[bytes, bytes], bool]
) -> list[tuple[bytes, bytes]]:
    """Sends frames; gives those that could not be sent."""
    return [(identity, frame) for identity, frame in frames if not send(identity, frame)]


def _bound(socket: Any, queue_frames_max: int) -> None:
    socket.setsockopt(zmq.SNDHWM, queue_frames_max)
    socket.setsockopt(zmq.RCVHWM, queue_frames_max)
    socket.setsockopt(zmq.LINGER, 0)
    socket.setsockopt(zmq.MAXMSGSIZE, FRAME_BYTES_MAX)


def _folder_of(address: str) -> None:
    if address.startswith("ipc://"):
        Path(address.removeprefix("ipc://")).parent.mkdir(parents=True, exist_ok=True)
