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
  currency TEXT, inverse INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE INDEX IF NOT EXISTS fill_subscription ON fill(subscription);
CREATE VIEW IF NOT EXISTS fills AS SELECT id, strftime('%Y-%m-%dT%H:%M:%S', at_ns / 1000000000, 'unixepoch')
  || printf('.%06dZ', at_ns / 1000 % 1000000) AS at, leader, follower, subscription, instrument, traded, act,
  side, units, px, currency, exec_id, cl_ord_id, journal FROM fill;
"""

OUTER = ("leader", "subscription", "follower", "cl_ord_id", "px")
MOVED = ("act", "side", "units", "exec_id", "execution", "instrument", "traded", "contract", "currency")
"""Text columns in the order of the table, by their names in the entry and in its `moved`."""

INSERT = f"INSERT INTO fill VALUES({','.join('?' * 18)})"

ADD_INVERSE = "ALTER TABLE fill ADD COLUMN inverse INTEGER NOT NULL DEFAULT 0"
"""For a day that a version without inverse contracts began: what it wrote was linear."""


def prepare(db: sqlite3.Connection) -> None:
    """Makes the table, and gives one of an older version what it lacks."""
    db.executescript(f"BEGIN;{SCHEMA}COMMIT;")
    if not _says_inverse(db):
        db.execute(ADD_INVERSE)


def select(db: sqlite3.Connection, columns: str) -> sqlite3.Cursor:
    """These columns of every fill in order, and `inverse`: 0 where an older version's table has none."""
    inverse = "inverse" if _says_inverse(db) else "0 AS inverse"
    return db.execute(f"SELECT {columns}, {inverse} FROM fill ORDER BY id")


def _says_inverse(db: sqlite3.Connection) -> bool:
    return any(row[1] == "inverse" for row in db.execute("PRAGMA table_info(fill)"))


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
    return [(number, entry.journal, entry.at_ns, *outer, *inner, int(moved.get("inverse") is True))]


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
