"""The link between core and routes: bounded, never waiting, closed to strangers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
import zmq

from gateway.errors import EnvironmentProblem
from gateway.wire import CoreSocket, Curve, RouteSocket, Waiter, Wakeup
from tests.session.harness import until

T = TypeVar("T")
CORE_KEYS, ROUTE_KEYS, STRANGER_KEYS = zmq.curve_keypair(), zmq.curve_keypair(), zmq.curve_keypair()


@pytest.fixture
def core() -> Iterator[CoreSocket]:
    """A core socket on loopback that knows one route's key."""
    socket = CoreSocket("tcp://127.0.0.1:*", 100, Curve(*CORE_KEYS, None, {ROUTE_KEYS[0]: "r1"}))
    yield socket
    socket.close()


def route(core: CoreSocket, identity: bytes, keys: tuple[bytes, bytes]) -> RouteSocket:
    """A route's end with these keys."""
    return RouteSocket(core.address, identity, 100, Curve(*keys, CORE_KEYS[0]))


def arrived(into: list[T], source: Iterable[T]) -> bool:
    """Collects what has come; tells whether anything did."""
    into.extend(source)
    return bool(into)


def test_a_listed_route_is_heard_and_answered(core: CoreSocket) -> None:
    """Frames go both ways, whole."""
    end = route(core, b"r1/1", ROUTE_KEYS)
    got: list[tuple[bytes, bytes]] = []
    until(lambda: end.reconnected(), "the handshake")
    assert end.send(b"hello")
    until(lambda: arrived(got, core.receive()), "the frame arrives")
    assert got == [(b"r1/1", b"hello")]
    assert core.send(b"r1/1", b"greet")
    answers: list[bytes] = []
    until(lambda: arrived(answers, end.receive()), "the answer arrives")
    assert answers == [b"greet"]
    end.close()


def test_a_peer_whose_key_is_not_listed_gets_no_connection(core: CoreSocket) -> None:
    """A stranger's handshake fails, so nothing it says is queued; the listed route still works."""
    stranger = route(core, b"r1/1", STRANGER_KEYS)
    end = route(core, b"r1/2", ROUTE_KEYS)
    until(end.reconnected, "the listed route's handshake")
    assert not stranger.reconnected()
    assert not stranger.send(b"let me in")
    stranger.close()
    end.close()


def test_a_listed_key_speaks_for_its_own_route_only(core: CoreSocket) -> None:
    """A stolen identity is dropped before the core reads the frame."""
    thief, honest = route(core, b"r2/1", ROUTE_KEYS), route(core, b"r1/1", ROUTE_KEYS)
    until(thief.reconnected, "the handshake")
    assert thief.send(b"orders for r2")
    until(honest.reconnected, "the handshake")
    assert honest.send(b"hello")
    got: list[tuple[bytes, bytes]] = []
    until(lambda: arrived(got, core.receive()), "a frame arrives")
    assert got == [(b"r1/1", b"hello")]
    thief.close()
    honest.close()


def test_a_frame_for_an_absent_route_stays_here(tmp_path: Path) -> None:
    """ROUTER_MANDATORY: the core learns at once and books NOT_SENT."""
    core = CoreSocket(f"ipc://{tmp_path}/run/core.ipc", 100)
    assert not core.send(b"r1/1", b"orders")
    core.close()


def test_tcp_without_keys_is_refused() -> None:
    """Orders never travel a network in the clear."""
    with pytest.raises(EnvironmentProblem, match="CURVE"):
        CoreSocket("tcp://127.0.0.1:*", 100)


def test_a_wake_up_ends_a_poll_and_is_forgotten() -> None:
    """Any number of rings is one."""
    wakeup = Wakeup()
    wakeup.ring()
    wakeup.ring()
    waiter = Waiter([], wakeup)
    assert waiter.wait(1_000) == {wakeup.fd}
    assert waiter.wait(0) == set()
    wakeup.close()
