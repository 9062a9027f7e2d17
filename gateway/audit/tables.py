"""Tables of an audit file, and what an entry leaves in the narrow ones.

`bundle` holds the log itself; everything else can be rebuilt from it and is there for people, Datasette and
sqlite-utils: plain integer keys, snake_case, views with readable times. Quantities stay text: exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.audit.entry import Entry, canonical, whole_number

BUNDLE_ENTRIES = 256
"""Width of a full bundle (tlog-tiles): entry i is in bundle i // 256."""

STAGES = ("received_ns", "journaled_ns", "decided_ns", "queued_ns")
"""Stage times of a decision, in order. Sent, acknowledged and filled are the outcomes of its orders."""

# fmt: off
DECISION_TEXTS = (
    "leader", "exec_id", "order_id", "instrument", "side", "leader_qty", "subscription", "follower",
    "mode", "ratio", "target_before", "target_after", "rounding", "result", "code", "numbers",
)
# fmt: on
"""Text columns of `decision`, in the order of the table."""

SCHEMA = """
CREATE TABLE entries(n INTEGER PRIMARY KEY, width INTEGER NOT NULL, data BLOB NOT NULL) STRICT;
CREATE TABLE tile(id TEXT PRIMARY KEY, width INTEGER NOT NULL, hashes BLOB NOT NULL) STRICT;
CREATE TABLE checkpoint(size INTEGER PRIMARY KEY, root BLOB, note TEXT, at_ns INTEGER NOT NULL) STRICT;
CREATE TABLE sealed(file TEXT PRIMARY KEY, sha256 TEXT NOT NULL) STRICT;
CREATE TABLE place(id INTEGER PRIMARY KEY CHECK (id = 1), journal INTEGER NOT NULL, size INTEGER NOT NULL,
  at_ns INTEGER NOT NULL) STRICT;

CREATE TABLE entry(id INTEGER PRIMARY KEY, journal INTEGER NOT NULL, kind TEXT NOT NULL,
  at_ns INTEGER) STRICT;
CREATE TABLE decision(id INTEGER PRIMARY KEY REFERENCES entry(id), journal INTEGER NOT NULL, at_ns INTEGER,
  leader TEXT, exec_id TEXT, order_id TEXT, instrument TEXT, side TEXT, leader_qty TEXT, subscription TEXT,
  follower TEXT, mode TEXT, ratio TEXT, target_before TEXT, target_after TEXT, rounding TEXT, result TEXT,
  code TEXT, numbers TEXT, k INTEGER, n INTEGER, received_ns INTEGER, journaled_ns INTEGER,
  decided_ns INTEGER,  queued_ns INTEGER) STRICT;
CREATE TABLE child_order(id INTEGER PRIMARY KEY, decision_id INTEGER NOT NULL REFERENCES decision(id),
  cl_ord_id TEXT NOT NULL, side TEXT, qty TEXT) STRICT;
CREATE TABLE outcome(id INTEGER PRIMARY KEY REFERENCES entry(id), journal INTEGER NOT NULL, at_ns INTEGER,
  subscription TEXT, cl_ord_id TEXT, state TEXT, qty TEXT, cum_qty TEXT, px TEXT) STRICT;
CREATE INDEX decision_exec ON decision(exec_id);
CREATE INDEX child_order_decision ON child_order(decision_id);
CREATE INDEX child_order_cl_ord ON child_order(cl_ord_id);
CREATE INDEX outcome_cl_ord ON outcome(cl_ord_id);

CREATE VIEW decisions AS SELECT id, strftime('%Y-%m-%dT%H:%M:%S', at_ns / 1000000000, 'unixepoch')
  || printf('.%06dZ', at_ns / 1000 % 1000000) AS at, leader, exec_id, instrument, side, leader_qty, follower,
  subscription, mode, ratio, target_before, target_after, result, code, k, n, journal FROM decision;
CREATE VIEW outcomes AS SELECT id, strftime('%Y-%m-%dT%H:%M:%S', at_ns / 1000000000, 'unixepoch')
  || printf('.%06dZ', at_ns / 1000 % 1000000) AS at, subscription, cl_ord_id, state, qty, cum_qty, px, journal
  FROM outcome;
CREATE VIEW refusals AS SELECT code, count(*) AS decisions, min(id) AS first_id, max(id) AS last_id
  FROM decision WHERE result = 'refused' GROUP BY code;
CREATE VIEW latency AS SELECT id, follower, journaled_ns - received_ns AS journal_ns,
  decided_ns - journaled_ns AS decide_ns, queued_ns - decided_ns AS queue_ns,
  queued_ns - received_ns AS whole_ns
  FROM decision WHERE queued_ns IS NOT NULL;
"""

INSERT: Mapping[str, str] = {
    "entry": "INSERT INTO entry VALUES(?,?,?,?)",
    "decision": f"INSERT INTO decision VALUES({','.join('?' * 25)})",
    "child_order": "INSERT INTO child_order(decision_id, cl_ord_id, side, qty) VALUES(?,?,?,?)",
    "outcome": "INSERT INTO outcome VALUES(?,?,?,?,?,?,?,?,?)",
}

Rows = dict[str, list[tuple[Any, ...]]]


def index_rows(number: int, entry: Entry, rows: Rows) -> None:
    """Adds what entry `number` leaves in the narrow tables to `rows`. A field it does not have is NULL."""
    rows["entry"].append((number, entry.journal, entry.kind, entry.at_ns))
    if entry.kind == "decision":
        _decision(number, entry, rows)
    elif entry.kind == "outcome":
        get = entry.fields.get
        names = ("subscription", "cl_ord_id", "state", "qty", "cum_qty", "px")
        rows["outcome"].append((number, entry.journal, entry.at_ns, *(_text(get(name)) for name in names)))


def _decision(number: int, entry: Entry, rows: Rows) -> None:
    get = with_derived(entry.fields).get
    stages = get("stages")
    times = [whole_number(stages.get(name)) if isinstance(stages, dict) else None for name in STAGES]
    rows["decision"].append(
        (
            *(number, entry.journal, entry.at_ns),
            *(_text(get(name)) for name in DECISION_TEXTS),
            *(whole_number(get("k")), whole_number(get("n"))),
            *times,
        )
    )
    orders = get("orders")
    for order in orders if isinstance(orders, list) else []:
        if isinstance(order, dict) and order.get("cl_ord_id"):
            side, qty = _side(order.get("side"), order.get("qty"))
            rows["child_order"].append((number, _text(order["cl_ord_id"]), side, qty))


def with_derived(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Fields for the table, with what an engine says otherwise: signed quantities, a list of refusals."""
    found = dict(fields)
    if "leader_delta" in found and "leader_qty" not in found:
        found["side"], found["leader_qty"] = _side(found.get("side"), found["leader_delta"])
    refusals = found.get("refusals")
    refusals = refusals if isinstance(refusals, list) else []
    if refusals and "numbers" not in found:
        found["numbers"] = refusals
    if refusals and isinstance(refusals[0], dict) and "code" not in found:
        found["code"] = refusals[0].get("code")
    if "result" not in found:
        changed = found.get("target_before") != found.get("target_after")
        quiet = "waits" if changed else "none"
        found["result"] = "ordered" if found.get("orders") else "refused" if refusals else quiet
    return found


def _side(side: Any, qty: Any) -> tuple[str | None, str | None]:
    """Side and unsigned quantity; a sign says the side where nothing else does."""
    text = _text(qty)
    if text is None or isinstance(side, str):
        return _text(side), text
    return ("sell", text[1:]) if text.startswith("-") else ("buy", text)


def _text(value: Any) -> str | None:
    """Text as it is; anything else in its canonical JSON form."""
    return value if value is None or isinstance(value, str) else canonical(value).decode()
