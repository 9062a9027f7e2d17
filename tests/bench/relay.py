"""The baseline: connects to the leader and the brokers, and copies each report as one send per account.

No session rules, no checks, no journal: what sockets, kernel and Python cost alone.
Run as `python -m tests.bench.relay LEADER_PORT ACCOUNTS BROKER_PORT…`.
"""

from __future__ import annotations

import socket
import sys

from tests.bench.deployment import SYMBOL, UNITS, account
from tests.bench.rawfix import Framer, Session

UTC = b"20260101-00:00:00.000"


def connect(port: int, target: bytes) -> tuple[socket.socket, Session]:
    """Logs on as the gateway would."""
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    session = Session(b"FIX.4.4", b"COPYGATE", target)
    connection.sendall(session.message(b"A", b"98=0\x01108=30\x01", UTC))
    return connection, session


def main(words: list[str]) -> int:
    """Relays until the leader closes the connection."""
    leader_port, accounts, *ports = (int(word) for word in words)
    links: list[tuple[socket.socket, list[bytes]]] = []
    for s, port in enumerate(ports):
        connection, session = connect(port, f"BROKER{s}".encode())
        orders = [
            session.message(
                b"D",
                b"11=C%d-%d\x011=%b\x0155=%b\x0154=1\x0138=%d\x0140=1\x0160=%b\x01"
                % (s, a, account(s, a).encode(), SYMBOL.encode(), UNITS, UTC),
                UTC,
            )
            for a in range(accounts)
        ]
        links.append((connection, orders))
    leader, _ = connect(leader_port, b"LEADERBRK")
    framer = Framer()
    while data := leader.recv(65_536):
        for message in framer.feed(data):
            if b"\x0135=8\x01" in message:
                for connection, orders in links:
                    for order in orders:
                        connection.sendall(order)
        _discard(links)
    return 0


def _discard(links: list[tuple[socket.socket, list[bytes]]]) -> None:
    """Empties the brokers' answers, so that their side never blocks."""
    for connection, _ in links:
        try:
            while connection.recv(262_144, socket.MSG_DONTWAIT):
                continue
        except BlockingIOError:
            continue


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
