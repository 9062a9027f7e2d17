"""We connect: what QuickFIX reads from its common section only must stand there, or it has no effect."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.session.harness import Gate, RawPeer, message

ACCEPT_S = 20


@pytest.fixture
def broker() -> Iterator[socket.socket]:
    """A listener of a counterparty."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(ACCEPT_S)
    yield listener
    listener.close()


@pytest.fixture
def gate(tmp_path: Path, broker: socket.socket) -> Iterator[Gate]:
    """Our FIX layer as an initiator to that counterparty."""
    running = Gate(tmp_path, role="initiator", port=broker.getsockname()[1]).start()
    yield running
    running.stop()


def connections_to(port: int) -> list[socket.socket]:
    """This process's own sockets that are connected to a port, as copies."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            copy = socket.socket(fileno=os.dup(int(entry.name)))
        except OSError:
            continue
        try:
            if copy.getpeername()[1] == port:
                found.append(copy)
                continue
        except (OSError, IndexError):
            pass
        copy.close()
    return found


def test_an_order_does_not_wait_for_the_acknowledgement_of_the_one_before(
    gate: Gate, broker: socket.socket
) -> None:
    """TCP_NODELAY is on; with Nagle's algorithm a second order lay for up to 40 ms."""
    peer = RawPeer(broker.accept()[0])
    assert peer.hear_type("A")
    ours = connections_to(gate.spec.port)
    assert [one.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) for one in ours] == [1]
    for one in ours:
        one.close()


def test_a_logon_answered_under_another_comp_id_is_a_warning_with_advice(
    gate: Gate, broker: socket.socket
) -> None:
    """We reached somebody else, or one side's CompIDs are wrong: a person has to compare them."""
    peer = RawPeer(broker.accept()[0])
    assert peer.hear_type("A")
    with capture_logs() as log:
        peer.say(message("A", 1, "98=0|108=30|", sender="STRANGER"))
        assert peer.hear() is None
    (said,) = [row for row in log if row["log_level"] == "warning"]
    assert (said["session"], said["text"]) == ("LEADER", "Message 1 Rejected: CompID problem")
    assert "49 must be our `target_comp_id`, 56 our `sender_comp_id`" in said["advice"]
