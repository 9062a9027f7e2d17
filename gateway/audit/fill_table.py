"""The table of fills in an audit file: one row for each outcome that moved a position. Pure.

Made beside the other tables, and into a file that an older version began: what such a version wrote has none.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.audit.entry import Entry

SCHEMA = """
CREATE TABLE IF NOT EXISTS fill(id INTEGER PRIMARY KEY REFERENCES entry(id), journal INTEGER NOT NULL,
  at_ns INTEGER, leader TEXT, subscription TEXT, follower TEXT, cl_ord_id TEXT, px TEXT, act TEXT, side TEXT,
  units TEXT, exec_id TEXT, execution TEXT, instrument TEXT, traded TEXT, contract TEXT,
  currency TEXT) STRICT;
CREATE INDEX IF NOT EXISTS fill_subscription ON fill(subscription);
CREATE VIEW IF NOT EXISTS fills AS SELECT id, strftime('%Y-%m-%dT%H:%M:%S', at_ns / 1000000000, 'unixepoch')
  || printf('.%06dZ', at_ns / 1000 % 1000000) AS at, leader, follower, subscription, instrument, traded, act,
  side, units, px, currency, exec_id, cl_ord_id, journal FROM fill;
"""

OUTER = ("leader", "subscription", "follower", "cl_ord_id", "px")
MOVED = ("act", "side", "units", "exec_id", "execution", "instrument", "traded", "contract", "currency")
"""Text columns in the order of the table, by their names in the entry and in its `moved`."""

INSERT = f"INSERT INTO fill VALUES({','.join('?' * 17)})"


def has_fills(db: sqlite3.Connection) -> bool:
    """Whether the file has the table. An older version's has none."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'fill'").fetchone() is not None


def rows(number: int, entry: Entry, fields: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    """What an outcome leaves in the table: a row where something moved. A field it does not have is NULL."""
    moved = fields.get("moved")
    if not isinstance(moved, dict):
        return []
    outer, inner = (
        [_text(of.get(name)) for name in names] for of, names in ((fields, OUTER), (moved, MOVED))
    )
    return [(number, entry.journal, entry.at_ns, *outer, *inner)]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
