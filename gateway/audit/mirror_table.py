"""The table of mirrors in an audit file: one row for each entry of kind `mirror`. Pure.

Made beside the other tables, and into a file that an older version began: what such a version wrote has no
mirrors in it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.audit.entry import Entry, whole_number

SCHEMA = """
CREATE TABLE IF NOT EXISTS mirror(id INTEGER PRIMARY KEY REFERENCES entry(id), journal INTEGER NOT NULL,
  at_ns INTEGER, begun INTEGER, report INTEGER, leader TEXT, subscription TEXT, follower TEXT,
  instrument TEXT, order_id TEXT, leader_cl_ord_id TEXT, exec_id TEXT, cause TEXT, cause_exec_id TEXT,
  act TEXT, why TEXT, side TEXT, cl_ord_id TEXT, to_cl_ord_id TEXT, qty TEXT, px TEXT,
  stop_px TEXT, code TEXT) STRICT;
CREATE INDEX IF NOT EXISTS mirror_exec ON mirror(exec_id);
CREATE INDEX IF NOT EXISTS mirror_cause ON mirror(cause_exec_id);
CREATE INDEX IF NOT EXISTS mirror_follower ON mirror(follower);
CREATE INDEX IF NOT EXISTS mirror_cl_ord ON mirror(cl_ord_id);
CREATE VIEW IF NOT EXISTS mirrors AS SELECT id, strftime('%Y-%m-%dT%H:%M:%S', at_ns / 1000000000, 'unixepoch')
  || printf('.%06dZ', at_ns / 1000 % 1000000) AS at, leader, leader_cl_ord_id, exec_id, follower, instrument,
  act, why, side, qty, px, stop_px, code, cl_ord_id, to_cl_ord_id, cause, cause_exec_id, journal FROM mirror;
"""

# fmt: off
TEXTS = (
    "leader", "subscription", "follower", "instrument", "order_id", "cl_ord_id", "exec_id", "cause",
    "cause_exec_id", "act", "why", "side",
)
# fmt: on
"""Text columns in the order of the table, by their names in the entry."""

INSERT = f"INSERT INTO mirror VALUES({','.join('?' * 23)})"


def has_mirrors(db: sqlite3.Connection) -> bool:
    """Whether the file has the table. An older version's has none."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE name = 'mirror'").fetchone() is not None


def row(number: int, entry: Entry) -> tuple[Any, ...]:
    """What entry `number` leaves in the table. A field that it does not have is NULL."""
    fields = entry.fields
    had, to = (_part(fields, name) for name in ("order", "to"))
    return (
        *(number, entry.journal, entry.at_ns),
        *(whole_number(fields.get(name)) for name in ("begun", "report")),
        *(_text(fields.get(name)) for name in TEXTS),
        *(_text(had.get("cl_ord_id")), _text(to.get("cl_ord_id"))),
        *(_text(to.get(name)) for name in ("qty", "px", "stop_px")),
        _text(fields.get("code")),
    )


def _part(fields: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = fields.get(name)
    return found if isinstance(found, dict) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
