"""The counterparties of a soak: a leader who trades at a steady rate, and brokers who answer at once.

On raw sockets, as in the other benches: the program's own simulators keep every order and look at all of them
at each quote, so that after some minutes they, not the gateway, would be what is measured.
"""

from __future__ import annotations

import time
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from typing import Any

from hdrh.histogram import HdrHistogram

from tests.bench.deployment import LEADER_ACCOUNT, UNITS, Shape
from tests.bench.plant import BenchError, Peer, Plant, _histogram, utc_now
from tests.bench.rawfix import fields, leader_fill

BASES = ("EUR", "GBP", "AUD", "NZD", "XAU", "XAG", "CHF", "CAD", "SEK", "NOK")
SYMBOLS = tuple(f"{base}USD" for base in BASES)
"""The leader opens one after the other, then closes them in the same order: two seconds lie between an open
and its close at five fills a second, so that every fill is one order for every follower."""
WINDOW_S = 60.0
PARTS_EVERY = 3
"""Every third order is filled in two parts."""
RECENT_FILLS = 10_000
"""Fills whose time is kept: an order that answers to an older one came half an hour late."""
BUY, SELL = b"1", b"2"
PERCENTILES = (("p50", 50.0), ("p90", 90.0), ("p99", 99.0))


class SteadyPlant(Plant):
    """Leader and brokers with books of their own."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape)
        self.fills = 0
        self.orders = 0
        self.reported_fills = 0
        self.unmatched = 0
        """Orders without a fill of their side lately: closes that were made again, or joined."""
        self.leader: Peer
        self.held: defaultdict[tuple[str, str], int] = defaultdict(int)
        """Units by account and symbol."""
        self._ids: set[bytes] = set()
        self.doubled = 0
        self._recent: deque[tuple[int, int]] = deque(maxlen=RECENT_FILLS)
        """(number, intended time) of the newest fills."""
        self._window = _histogram()

    def take_window(self) -> dict[str, float]:
        """Latencies since the last call, ms; empty when nothing came."""
        window: HdrHistogram
        window, self._window = self._window, _histogram()
        count = window.get_total_count()
        if not count:
            return {}
        found = {name: window.get_value_at_percentile(rank) / 1e6 for name, rank in PERCENTILES}
        return {**found, "max": window.get_max_value() / 1e6, "count": count}

    def trade(
        self, seconds: float, alive: Callable[[], bool], each_window: Callable[[dict[str, float]], None]
    ) -> None:
        """Sends fills at their intended times, whatever comes back, until all is closed again."""
        start = time.perf_counter_ns() + 100_000_000
        interval_ns = self.shape.interval_ms * 1_000_000
        fills_max = int(seconds * 1e9) // interval_ns
        # Whole rounds of opens and closes: at the end nobody holds anything.
        fills_max = max(1, fills_max // (2 * len(SYMBOLS))) * 2 * len(SYMBOLS)
        window_end = time.monotonic() + WINDOW_S
        for number in range(fills_max):
            due = start + number * interval_ns
            while (left := due - time.perf_counter_ns()) > 0:
                self._turn(max(0.0, left / 1e9 - 0.0015))
            self._fill(due)
            if time.monotonic() >= window_end:
                window_end += WINDOW_S
                if not alive():
                    raise BenchError("the gateway ended")
                each_window(self.take_window())

    def settled(self) -> bool:
        """Nobody holds anything."""
        return not any(self.held.values())

    def _fill(self, intended_ns: int) -> None:
        number = self.fills
        self.fills += 1
        side = self._side(number)
        self._recent.append((number, intended_ns))
        utc = utc_now()
        symbol = SYMBOLS[number % len(SYMBOLS)].encode()
        body = leader_fill(number, LEADER_ACCOUNT.encode(), symbol, UNITS, utc, side)
        self._send(self.leader, self.leader.session.message(b"8", body, utc))

    @staticmethod
    def _side(number: int) -> bytes:
        return SELL if (number // len(SYMBOLS)) % 2 else BUY

    def _order(self, peer: Peer, message: bytes, at_ns: int) -> None:
        found = fields(message)
        self.orders += 1
        if found[11] in self._ids:
            self.doubled += 1
        self._ids.add(found[11])
        symbol, side, units = found[55].decode(), found[54], int(found[38])
        self.held[found[1].decode(), symbol] += units if side == BUY else -units
        intended_ns = self._intended_of(symbol, side)
        if intended_ns is None:
            self.unmatched += 1
        else:
            self._window.record_value(max(1, at_ns - intended_ns))
        self._answer_order(peer, found, units)

    def _intended_of(self, symbol: str, side: bytes) -> int | None:
        """When the newest fill of this symbol was meant to be sent, if it was on this side."""
        for number, intended_ns in reversed(self._recent):
            if SYMBOLS[number % len(SYMBOLS)] == symbol:
                return intended_ns if self._side(number) == side else None
        return None

    def _answer_order(self, peer: Peer, order: dict[int, bytes], units: int) -> None:
        """New, then filled, every third one in two parts."""
        peer.reported += 1
        number, utc = peer.reported, utc_now()
        self._report(peer, order, b"0", 0, 0, f"{number}N", utc)
        parts = [units] if number % PARTS_EVERY else [units // 2, units - units // 2]
        done = 0
        for at, part in enumerate(parts):
            done += part
            self.reported_fills += 1
            self._report(peer, order, b"F", part, done, f"{number}F{at}", utc)

    def _report(
        self, peer: Peer, order: dict[int, bytes], kind: bytes, part: int, done: int, exec_id: str, utc: bytes
    ) -> None:
        units = int(order[38])
        state = b"0" if not done else (b"2" if done == units else b"1")
        traded = b"32=%d\x0131=1.1\x01" % part if part else b""
        body = (
            b"37=BO%d\x0117=BE%b\x01150=%b\x0139=%b\x0111=%b\x011=%b\x0155=%b\x0154=%b\x0138=%d\x01%b"
            b"14=%d\x01151=%d\x016=1.1\x0160=%b\x01"
            % (
                peer.reported, exec_id.encode(), kind, state, order[11], order[1], order[55], order[54],
                units, traded, done, units - done, utc,
            )
        )  # fmt: skip
        self._send(peer, peer.session.message(b"8", body, utc))


def wrong_in(plant: SteadyPlant, status: dict[str, Any], lines: Counter[str]) -> list[str]:
    """What does not agree between the brokers' books and the core's ledger; empty is good."""
    held = {key: units for key, units in plant.held.items() if units}
    compared = (
        ("leader executions", plant.fills, status.get("leader_executions")),
        ("follower fills", plant.reported_fills, status.get("follower_fills")),
        ("orders that were filled", plant.orders, (status.get("orders") or {}).get("filled")),
        ("ClOrdIDs that came twice", plant.doubled, 0),
        ("positions that brokers hold", len(held), 0),
        ("ledger lines that hold, want or work something", lines["open"], 0),
        ("orders whose outcome is not known", lines["unknown"], 0),
    )
    return [f"{what}: {ours}, and {theirs}" for what, ours, theirs in compared if ours != theirs]
