"""Tables of an audit file, and what an entry leaves in the narrow ones.

`bundle` holds the log itself; everything else can be rebuilt from it and is there for people, Datasette and
sqlite-utils: plain integer keys, snake_case, views with readable times. Quantities stay text: exact.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal, localcontext
from typing import Any

from gateway.audit import fill_table, mirror_table
from gateway.audit.entry import Entry, canonical, whole_number

BUNDLE_ENTRIES = 256
"""Width of a full bundle (tlog-tiles): entry i is in bundle i // 256."""

STAGES = ("received_ns", "journaled_ns", "decided_ns", "queued_ns")
"""Stage times of a decision, in order: those of its journal row. Absent where a killed core lost them."""

ORDER_STAGES = ("sent_ns", "acknowledged_ns", "filled_ns", "ended_ns")
"""Stage times of an order. An outcome has one of them: when the route wrote down that it got there."""

QUANTA_PER_STEP = Decimal(10) ** 18
"""Targets in an entry are whole numbers of this part of a step."""

EXACT_DIGITS = 100
"""More than a target of 128 bits times a step of 128 bits can have: nothing is rounded."""

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
  decided_ns INTEGER, queued_ns INTEGER) STRICT;
CREATE TABLE child_order(id INTEGER PRIMARY KEY, decision_id INTEGER REFERENCES decision(id),
  cl_ord_id TEXT NOT NULL, side TEXT, qty TEXT, later INTEGER NOT NULL) STRICT;
CREATE TABLE outcome(id INTEGER PRIMARY KEY REFERENCES entry(id), journal INTEGER NOT NULL, at_ns INTEGER,
  subscription TEXT, cl_ord_id TEXT, state TEXT, qty TEXT, cum_qty TEXT, px TEXT, sent_ns INTEGER,
  acknowledged_ns INTEGER, filled_ns INTEGER, ended_ns INTEGER) STRICT;
CREATE INDEX entry_kind ON entry(kind);
CREATE INDEX decision_journal ON decision(journal);
CREATE INDEX decision_follower ON decision(follower);
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
CREATE VIEW orders AS SELECT c.id, c.cl_ord_id, d.leader, d.exec_id, d.follower, d.instrument, c.side, c.qty,
  (SELECT state FROM outcome o WHERE o.cl_ord_id = c.cl_ord_id ORDER BY o.id DESC LIMIT 1) AS state,
  (SELECT cum_qty FROM outcome o WHERE o.cl_ord_id = c.cl_ord_id ORDER BY o.id DESC LIMIT 1) AS filled_qty,
  (SELECT px FROM outcome o WHERE o.cl_ord_id = c.cl_ord_id AND px IS NOT NULL ORDER BY o.id DESC LIMIT 1)
  AS last_px, d.received_ns, d.journaled_ns, d.decided_ns, d.queued_ns, t.sent_ns, t.acknowledged_ns,
  t.filled_ns, t.ended_ns, c.decision_id, c.later FROM child_order c
  LEFT JOIN decision d ON d.id = c.decision_id LEFT JOIN (
    SELECT cl_ord_id, min(sent_ns) AS sent_ns, min(coalesce(acknowledged_ns, filled_ns)) AS acknowledged_ns,
    max(filled_ns) AS filled_ns, max(ended_ns) AS ended_ns FROM outcome GROUP BY cl_ord_id
  ) t ON t.cl_ord_id = c.cl_ord_id;
CREATE VIEW order_latency AS SELECT id, cl_ord_id, follower,
  (journaled_ns - received_ns) / 1000 AS journal_us,
  (decided_ns - journaled_ns) / 1000 AS decide_us, (queued_ns - decided_ns) / 1000 AS queue_us,
  (sent_ns - queued_ns) / 1000 AS send_us, (acknowledged_ns - sent_ns) / 1000 AS acknowledge_us,
  (filled_ns - acknowledged_ns) / 1000 AS fill_us, (filled_ns - received_ns) / 1000 AS received_to_filled_us
  FROM orders WHERE NOT later;
CREATE VIEW refusals AS SELECT code, count(*) AS decisions, min(id) AS first_id, max(id) AS last_id
  FROM decision WHERE result = 'refused' GROUP BY code;
CREATE VIEW latency AS SELECT id, follower, journaled_ns - received_ns AS journal_ns,
  decided_ns - journaled_ns AS decide_ns, queued_ns - decided_ns AS queue_ns,
  queued_ns - received_ns AS whole_ns
  FROM decision WHERE queued_ns IS NOT NULL;
"""

LATER = (
    "INSERT INTO child_order(decision_id, cl_ord_id, side, qty, later) VALUES((SELECT id FROM decision"
    " WHERE follower = ? AND subscription = ? AND instrument = ? AND id < ?"
    " ORDER BY id DESC LIMIT 1),?,?,?,1)"
)
"""An order without a decision of its own works for the newest one of its ledger line. After midnight, before
the line's first decision, it has none."""

INSERT: Mapping[str, str] = {
    "entry": "INSERT INTO entry VALUES(?,?,?,?)",
    "decision": f"INSERT INTO decision VALUES({','.join('?' * 25)})",
    "child_order": "INSERT INTO child_order(decision_id, cl_ord_id, side, qty, later) VALUES(?,?,?,?,0)",
    "later": LATER,
    "mirror": mirror_table.INSERT,
    "fill": fill_table.INSERT,
    "outcome": f"INSERT INTO outcome VALUES({','.join('?' * 13)})",
}

Rows = dict[str, list[tuple[Any, ...]]]


def index_rows(number: int, entry: Entry, rows: Rows) -> None:
    """Adds what entry `number` leaves in the narrow tables to `rows`. A field it does not have is NULL."""
    rows["entry"].append((number, entry.journal, entry.kind, entry.at_ns))
    if entry.kind == "decision":
        _decision(number, entry, rows)
    elif entry.kind == "order":
        get = entry.fields.get
        line = (_text(get(name)) for name in ("follower", "subscription", "instrument"))
        side, qty = _side(get("side"), get("qty"))
        rows["later"].append((*line, number, _text(get("cl_ord_id")), side, qty))
    elif entry.kind == "mirror":
        rows["mirror"].append(mirror_table.row(number, entry))
    elif entry.kind == "outcome":
        fields = entry.fields
        get = fields.get
        names = ("subscription", "cl_ord_id", "state", "qty", "cum_qty", "px")
        texts, times = (_text(get(name)) for name in names), stage_times(fields, ORDER_STAGES)
        rows["outcome"].append((number, entry.journal, entry.at_ns, *texts, *times))
        rows["fill"] += fill_table.rows(number, entry, fields)


def _decision(number: int, entry: Entry, rows: Rows) -> None:
    fields = entry.fields
    get = with_derived(fields).get
    times = stage_times(fields, STAGES)
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


def stage_times(fields: Mapping[str, Any], names: tuple[str, ...]) -> list[int | None]:
    """The stage times of an entry by name, ns; None where it has none."""
    stages = fields.get("stages")
    return [whole_number(stages.get(name)) if isinstance(stages, dict) else None for name in names]


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
    for name in ("target_before", "target_after"):
        found[name] = in_units(found.get(name), found.get("step"))
    if "result" not in found:
        changed = found.get("target_before") != found.get("target_after")
        quiet = "waits" if changed else "none"
        found["result"] = "ordered" if found.get("orders") else "refused" if refusals else quiet
    return found


def in_units(quanta: Any, step: Any) -> Any:
    """A target as signed units. The core counts it in 10^-18 of the follower's step; the product is exact."""
    if not isinstance(quanta, str) or not isinstance(step, str):
        return quanta
    with localcontext() as context:
        context.prec = EXACT_DIGITS
        units = Decimal(quanta) * Decimal(step) / QUANTA_PER_STEP
        return format(units.normalize() if units else Decimal(0), "f")


def _side(side: Any, qty: Any) -> tuple[str | None, str | None]:
    """Side and unsigned quantity; a sign says the side where nothing else does."""
    text = _text(qty)
    if text is None or isinstance(side, str):
        return _text(side), text
    return ("sell", text[1:]) if text.startswith("-") else ("buy", text)


def _text(value: Any) -> str | None:
    """Text as it is; anything else in its canonical JSON form."""
    return value if value is None or isinstance(value, str) else canonical(value).decode()
