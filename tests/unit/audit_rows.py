"""Rows as the core's replay gives them, and a replay made of such rows."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

DAY_NS = 86_400_000_000_000
T0_NS = 20_000 * DAY_NS + 36_000_000_000_000

STAGE_OF = {
    "out": "sent_ns",
    "acknowledged": "acknowledged_ns",
    "filled": "filled_ns",
    "rejected": "ended_ns",
}

Row = tuple[int, str, str]


def decision(journal: int, k: int = 1, n: int = 1, at_ns: int | None = None, **fields: Any) -> Row:
    """A decision as CONTRACTS says, with one order unless `orders` is given."""
    at = T0_NS + journal * 1_000_000 if at_ns is None else at_ns
    cl_ord_id = f"C{journal}-{k}"
    row = {
        "kind": "decision", "journal": str(journal), "at_ns": str(at), "leader": "alpha",
        "exec_id": f"E{journal}", "order_id": f"O{journal}", "cl_ord_id": "L1", "instrument": "EURUSD",
        "side": "buy", "leader_qty": "1000",
        "subscription": f"f{k}<alpha", "follower": f"f{k}", "mode": "multiplier", "ratio": "0.5",
        "target_before": "0", "target_after": "500", "rounding": "toward_zero",
        "result": "ordered", "code": "",
        "numbers": {}, "orders": [{"cl_ord_id": cl_ord_id, "side": "buy", "qty": "500"}],
        "k": str(k), "n": str(n),
        "stages": {"received_ns": str(at), "journaled_ns": str(at + 20_000), "decided_ns": str(at + 25_000),
                   "queued_ns": str(at + 30_000)},
    }  # fmt: skip
    row.update(fields)
    return journal, "decision", json.dumps(row)


def outcome(journal: int, cl_ord_id: str, state: str, at_ns: int | None = None, **fields: Any) -> Row:
    """An outcome of one order."""
    at = T0_NS + journal * 1_000_000 if at_ns is None else at_ns
    row = {
        "kind": "outcome", "journal": str(journal), "subscription": "f1<alpha",
        "cl_ord_id": cl_ord_id, "state": state, "qty": "500",
        "cum_qty": "500" if state == "filled" else "0", "px": "1.1", "at_ns": str(at),
        "stages": {STAGE_OF[state]: str(at)} if state in STAGE_OF else {},
    }  # fmt: skip
    row.update(fields)
    return journal, "outcome", json.dumps(row)


def later(journal: int, cl_ord_id: str, qty: str, k: int = 1, at_ns: int | None = None) -> Row:
    """An order that no decision of its row has."""
    at = T0_NS + journal * 1_000_000 if at_ns is None else at_ns
    row = {
        "kind": "order", "journal": str(journal), "at_ns": str(at), "leader": "alpha",
        "subscription": f"f{k}<alpha", "follower": f"f{k}", "instrument": "EURUSD",
        "cl_ord_id": cl_ord_id, "side": "sell", "qty": qty,
    }  # fmt: skip
    return journal, "order", json.dumps(row)


CONTRACT = {"EURUSD": 100_000, "XAUUSD": 100, "XBTUSD": 100}
TRADED = {"EURUSD": "EURUSD", "XAUUSD": "GOLD", "XBTUSD": "XBTUSD"}
PAID = {"XBTUSD": "XBT"}
"""Currency of inverse contracts; others pay dollars."""


def moved(
    journal: int, sub: str, act: str, units: object, px: str | None, name: str = "", **other: Any
) -> Row:
    """An outcome that moves a position: signed units are bought, a bust of them has the other sign."""
    instrument = other.pop("instrument", "EURUSD")
    side = other.pop("side", "sell" if str(units).startswith("-") else "buy")
    follower, leader = sub.split("<")
    fields = {
        "act": act, "side": side, "units": str(units).lstrip("-") if act == "fill" else str(units),
        "exec_id": f"x{journal}", "execution": name or f"{journal:032x}", "instrument": instrument,
        "traded": TRADED[instrument], "contract": str(CONTRACT[instrument]),
        "currency": PAID.get(instrument, "USD"), "inverse": instrument in PAID,
    }  # fmt: skip
    of: dict[str, Any] = {
        "subscription": sub,
        "follower": follower,
        "leader": leader,
        "px": px,
        "moved": fields,
    }
    return outcome(journal, f"C{journal}", "partly_filled", **of, **other)


def told(*values: object) -> tuple[object, ...]:
    """Numbers side by side, whatever kind they are of."""
    return values


class FakeReplay:
    """A journal that is a list of rows; rows not in the list have no entries."""

    def __init__(self, rows: Sequence[Row], head: int, position: int = 0) -> None:
        self.rows = list(rows)
        self.last = head
        self.position = position
        self.config = ""

    def head(self) -> int:
        """The last row."""
        return self.last

    def step(self, max_rows: int) -> list[Row]:
        """The entries of the next rows; a row is never cut."""
        start, self.position = self.position, min(self.last, self.position + max_rows)
        return [row for row in self.rows if start < row[0] <= self.position]
