"""What the demo's live view shows of one moment: copied from the books, each on its own model's thread."""

from __future__ import annotations

import json
import sqlite3
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path

from gateway import demo_result, demo_view
from gateway.audit.store import day_files, open_reader
from gateway.demo_config import LEADER_ACCOUNT
from gateway.sim.book import Book, Order
from gateway.sim.fix_server import FixServer

REFUSED = (
    "SELECT follower, instrument, code, numbers FROM decision"
    " WHERE code <> '' AND code <> 'filtered' AND id > (SELECT max(id) FROM decision) - 2000"
    " ORDER BY id DESC LIMIT ?"
)
"""The newest refusals. Filters are what somebody asked for, and would push the others off the screen."""


class Watch:
    """Looks at all books, again and again, and remembers which orders it saw last."""

    def __init__(self, leader: FixServer, brokers: Sequence[FixServer], audit: Path) -> None:
        self._leader, self._brokers, self._audit = leader, brokers, audit
        self._seen = [0] * len(brokers)
        self._recent: deque[Order] = deque(maxlen=demo_view.NEWEST_MAX)

    def look(self) -> demo_view.Snapshot:
        """One moment."""
        snapshot = demo_view.Snapshot()
        self._leader.call(lambda: _read_leader(self._leader.broker.book, snapshot))
        for index, server in enumerate(self._brokers):
            server.call(lambda i=index, s=server: self._read_broker(i, s.broker.book, snapshot))  # type: ignore[misc]
        snapshot.newest_orders = [
            (o.account, o.side, o.order_qty, o.symbol, f"{o.state}") for o in self._recent
        ]
        snapshot.refused = refused(self._audit)
        return snapshot

    def _read_broker(self, index: int, book: Book, snapshot: demo_view.Snapshot) -> None:
        self._recent.extend(islice(book.orders.values(), self._seen[index], None))
        self._seen[index] = len(book.orders)
        snapshot.orders += len(book.orders)
        snapshot.fills += len(book.executions)
        snapshot.live_orders += sum(o.live for o in book.orders.values())
        snapshot.positions |= demo_result.broker_positions([book])


def _read_leader(book: Book, snapshot: demo_view.Snapshot) -> None:
    snapshot.leader_positions = dict(book.accounts[LEADER_ACCOUNT].positions)
    snapshot.leader_executions = len(book.executions)
    newest = list(book.executions.values())[-demo_view.NEWEST_MAX :]
    snapshot.leader_fills = [(e.symbol, e.side, e.qty, e.px) for e in newest]


def refused(audit: Path) -> list[tuple[str, str, str, str]]:
    """The newest refusals in the audit log, newest last. The log may not be there yet."""
    files = day_files(audit)
    if not files:
        return []
    try:
        with closing(open_reader(files[-1])) as db:
            found = db.execute(REFUSED, (demo_view.REFUSALS_SHOWN,)).fetchall()
    except sqlite3.OperationalError:
        return []
    return [
        (row["follower"], row["instrument"], row["code"], numbers_text(row["numbers"]))
        for row in reversed(found)
    ]


def numbers_text(numbers: str | None) -> str:
    """` (0.08 allowed, 0.15 wanted)`-like words for the first refusal's numbers; empty where it has none."""
    found = json.loads(numbers) if numbers else []
    first = found[0] if isinstance(found, list) and found else {}
    if not first or first.get("limit") in (None, "0"):
        return ""
    return f" (limit {first['limit']}, value {first['value']})"
