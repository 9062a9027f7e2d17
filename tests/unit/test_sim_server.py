"""The simulated broker behind a real socket, spoken to in raw bytes."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from gateway.clock import wait_until
from gateway.errors import EnvironmentProblem
from gateway.sim.actors import LeaderTicker, MarketTicker
from gateway.sim.book import Account
from gateway.sim.broker import Broker
from gateway.sim.fix_server import FixServer, SimSession, Ticker, free_port
from gateway.sim.market import DEMO_INSTRUMENTS, Market
from gateway.sim.reports import Dialect
from gateway.sim.scenario import LeaderScenario
from gateway.sim.text import Fields, decode, encode, first, utc

PATIENCE_S = 10


class Client:
    """A counterparty of a few lines: frames, sequence numbers, and a deadline on every read."""

    def __init__(self, port: int, begin_string: str) -> None:
        self._begin = begin_string
        # QuickFIX begins to listen in a thread of its own.
        assert wait_until(lambda: self._reaches(port), int(PATIENCE_S * 1000)), "nobody listens"
        self._buffer = b""
        self._number = 0

    def _reaches(self, port: int) -> bool:
        try:
            self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE_S)
        except ConnectionRefusedError:
            return False
        return True

    def send(self, msg_type: str, text: str) -> None:
        """Sends one message given as FIX text with `|`."""
        self._number += 1
        head: Fields = [(35, msg_type), (49, "COPYGATE"), (56, "R1"), (34, str(self._number))]
        body = [*head, (52, utc(time.time_ns())), *decode(text.replace("|", "\x01").encode())]
        self._socket.sendall(encode(self._begin, body))

    def until(self, tag: int, value: str) -> Fields:
        """Reads messages until one carries the value."""
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            end = self._buffer.find(b"\x0110=")
            stop = self._buffer.find(b"\x01", end + 1) if end >= 0 else -1
            if stop < 0:
                data = self._socket.recv(65536)
                assert data, "the simulator closed the connection"
                self._buffer += data
                continue
            raw, self._buffer = self._buffer[: stop + 1], self._buffer[stop + 1 :]
            if (tag, value) in (fields := decode(raw)):
                return fields
        raise AssertionError(f"no message with {tag}={value} within {PATIENCE_S} s")

    def close(self) -> None:
        """Drops the connection."""
        self._socket.close()


@pytest.fixture(params=["FIX.4.2", "FIX.4.4", "FIXT.1.1"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[FixServer, Client]]:
    """A running simulator and a logged-on client, for each version of our dialect."""
    begin: str = request.param
    model = Broker(1, [Account("F1")], dialect=Dialect(begin))
    tickers: list[Ticker] = [MarketTicker(Market(1), model)]
    server = FixServer(model, [SimSession("R1", begin_string=begin)], free_port(), tmp_path, tickers)
    server.start()
    client = Client(server.port, begin)
    client.send("A", "98=0|108=30" + ("|1137=9" if begin == "FIXT.1.1" else ""))
    client.until(35, "A")
    yield server, client
    client.close()
    server.stop()


def test_an_order_on_a_real_session_is_filled_and_booked(served: tuple[FixServer, Client]) -> None:
    """D in, ExecutionReports out, and the exported book holds the position."""
    server, client = served
    client.send("D", "11=A1|1=F1|55=EURUSD|54=1|38=20000|40=1|59=0|60=20260101-00:00:00.000")
    fill = client.until(39, "2")
    assert [first(fill, t) for t in (11, 32, 14)] == ["A1", "20000", "20000"]
    assert server.call(lambda: server.broker.book.accounts["F1"].positions) == {"EURUSD": Decimal(20000)}
    assert server.failure == ""


def test_quotes_arrive_with_their_group_in_order(served: tuple[FixServer, Client]) -> None:
    """W: NoMDEntries(268)=2, the bid's pair before the offer's; a sorted body would mix them."""
    _, client = served
    fields = client.until(35, "W")
    start = fields.index((268, "2"))
    assert [t for t, _ in fields[start : start + 5]] == [268, 269, 270, 269, 270]
    assert Decimal(fields[start + 2][1]) < Decimal(fields[start + 4][1])


def test_a_taken_port_is_named_before_quickfix_sees_it(tmp_path: Path) -> None:
    """The error carries the port and says what to do."""
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        server = FixServer(Broker(1, [Account("F1")]), [SimSession("R1")], port, tmp_path)
        with pytest.raises(EnvironmentProblem, match=str(port)):
            server.start()


def test_the_leader_on_his_server_trades_and_ends_flat(tmp_path: Path) -> None:
    """Begin, some trades, finish: no position is left and every order is terminal."""
    model = Broker(3, [Account("LEADER")])
    trader = LeaderTicker(
        LeaderScenario(3, DEMO_INSTRUMENTS), model.book.accounts["LEADER"], "LEADER", trade_ms=2, trading=True
    )
    tickers: list[Ticker] = [MarketTicker(Market(3), model), trader]
    server = FixServer(model, [SimSession("LEADER")], free_port(), tmp_path, tickers)
    server.start()
    deadline = time.monotonic() + PATIENCE_S
    while server.call(lambda: len(trader.trades)) < 20:
        assert time.monotonic() < deadline
    server.call(trader.finish)
    while not server.call(lambda: trader.flat):
        assert time.monotonic() < deadline
    assert not any(server.call(lambda: dict(model.book.accounts["LEADER"].positions)).values())
    server.stop()
    assert server.failure == ""


def test_two_servers_of_one_session_are_refused_by_name(tmp_path: Path) -> None:
    """QuickFIX would drop the second one's logons without a word; behind a stop the name is free again."""
    first = FixServer(Broker(1, []), [SimSession("TWICE")], free_port(), tmp_path / "1")
    first.start()
    try:
        with pytest.raises(EnvironmentProblem, match="TWICE"):
            FixServer(Broker(1, []), [SimSession("TWICE")], free_port(), tmp_path / "2").start()
    finally:
        first.stop()
    again = FixServer(Broker(1, []), [SimSession("TWICE")], free_port(), tmp_path / "3")
    again.start()
    again.stop()
