"""The demo's terminal view: pure functions from a snapshot of the books to something rich can draw."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table

from gateway.demo_config import DemoDeployment
from gateway.demo_result import Ledger, Positions, Verdict
from gateway.sim.text import number

ZERO = Decimal(0)
ROWS_MAX = 24
"""Position rows on one screen; further ones are counted, not shown."""
FILLS_SHOWN = 8


@dataclass
class Snapshot:
    """What the books say at one moment, copied on the models' threads."""

    leader_positions: dict[str, Decimal] = field(default_factory=dict)
    leader_fills: list[tuple[str, str, Decimal, Decimal]] = field(default_factory=list)
    """(instrument, side, units, price), newest last."""
    leader_executions: int = 0
    orders: int = 0
    fills: int = 0
    rejects: int = 0
    positions: Positions = field(default_factory=dict)
    live_orders: int = 0


def screen(deployment: DemoDeployment, snapshot: Snapshot, ledger: Ledger, phase: str) -> RenderableType:
    """The whole view."""
    head = (
        f"{phase}   leader executions {snapshot.leader_executions}   orders {snapshot.orders}"
        f"   fills {snapshot.fills}   working {snapshot.live_orders}"
    )
    return Group(
        Panel(head, title="copygate demo"),
        _leader(snapshot),
        _followers(deployment, snapshot, ledger),
        _refusals(ledger),
        _latency(ledger),
    )


def closing(result: dict[str, Any], verdict: Verdict, place: str) -> RenderableType:
    """The summary at the end."""
    table = Table(title="The brokers' books against the ledger", show_header=False)
    for key, value in result.items():
        if key != "reasons":
            table.add_row(key, _words(value))
    words = "Nothing lost, doubled or off target." if verdict.good else "\n".join(verdict.reasons)
    return Group(table, Panel(words, style="green" if verdict.good else "red"), f"Journal and audit: {place}")


def _words(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return str(value)


def _leader(snapshot: Snapshot) -> Table:
    table = Table(title="Leader")
    for column in ("fill", "units", "price"):
        table.add_column(column)
    for symbol, side, qty, px in snapshot.leader_fills[-FILLS_SHOWN:]:
        table.add_row(f"{'buy' if side == '1' else 'sell'} {symbol}", number(qty), number(px))
    held = ", ".join(f"{s} {number(q)}" for s, q in sorted(snapshot.leader_positions.items()) if q)
    table.caption = f"holds {held or 'nothing'}"
    return table


def _followers(deployment: DemoDeployment, snapshot: Snapshot, ledger: Ledger) -> Table:
    table = Table(title="Followers: the broker's position against our target, units")
    for column in ("follower", "sizing", "instrument", "at the broker", "target"):
        table.add_column(column)
    sizing = {f.account: (f.name, f.sizing.strip("{} ")) for f in deployment.followers}
    keys = sorted(snapshot.positions.keys() | {k for k, t in ledger.targets.items() if t})
    for key in keys[:ROWS_MAX]:
        name, rule = sizing.get(key[0], (key[0], ""))
        target = number(ledger.targets[key].quantize(Decimal("0.01"))) if key in ledger.targets else "-"
        table.add_row(name, rule, key[1], number(snapshot.positions.get(key, ZERO)), target)
    if len(keys) > ROWS_MAX:
        table.caption = f"and {len(keys) - ROWS_MAX} more"
    return table


def _refusals(ledger: Ledger) -> RenderableType:
    refusals = ledger.raw.get("refusals") or {}
    words = ", ".join(f"{code} {count}" for code, count in sorted(refusals.items()))
    return Panel(words or "none", title="Refusals")


def _latency(ledger: Ledger) -> RenderableType:
    latency = ledger.raw.get("latency_us") or {}
    words = "   ".join(f"{name} {value} µs" for name, value in latency.items())
    return Panel(words or "not measured yet", title="Latency, received to queued")
