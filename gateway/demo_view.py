"""The demo's terminal view: pure functions from a snapshot of the books to something rich can draw.

The live screen is laid out for the terminal's size, 80 x 24 and up: nothing scrolls, so nothing flickers.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.layout import Layout
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.demo_config import DemoDeployment
from gateway.demo_result import Ledger, Positions, Verdict
from gateway.refusal_texts import reason
from gateway.sim.market import DEMO_INSTRUMENTS
from gateway.sim.text import number

ZERO = Decimal(0)
LOTS = {i.name: i.lot_units for i in DEMO_INSTRUMENTS}
STEP_LOTS = Decimal("0.01")
NEWEST_MAX = 24
"""Fills and orders kept for one screen."""
REFUSALS_SHOWN = 6
"""Refusals kept for one screen."""


@dataclass
class Snapshot:
    """What the books say at one moment, copied on the models' threads."""

    leader_positions: dict[str, Decimal] = field(default_factory=dict)
    leader_fills: list[tuple[str, str, Decimal, Decimal]] = field(default_factory=list)
    """(instrument, side, units, price), newest last."""
    leader_executions: int = 0
    orders: int = 0
    fills: int = 0
    live_orders: int = 0
    newest_orders: list[tuple[str, str, Decimal, str, str]] = field(default_factory=list)
    """(account, side, units, instrument, state), newest last."""
    positions: Positions = field(default_factory=dict)
    refused: list[tuple[str, str, str, str]] = field(default_factory=list)
    """(follower, instrument, code, numbers) as the audit log has them, newest last."""


def screen(
    deployment: DemoDeployment, snapshot: Snapshot, ledger: Ledger, phase: str, height: int
) -> RenderableType:
    """The whole view, for a terminal of this height."""
    refusals = 5 if height < 32 else 8
    rest = height - 1 - refusals - 3
    followers = min(len(deployment.followers), max(3, rest - 4 - 5))
    top = max(5, rest - (followers + 4))
    layout = Layout()
    layout.split_column(
        Layout(_head(snapshot, phase), size=1),
        Layout(name="top", size=top),
        Layout(_followers(deployment, snapshot, ledger, followers), size=followers + 4),
        Layout(_refusals(snapshot, ledger, refusals - 2), size=refusals),
        Layout(_latency(ledger), size=3),
    )
    layout["top"].split_row(
        Layout(_leader(snapshot, top - 2)), Layout(_orders(deployment, snapshot, top - 2), ratio=1)
    )
    return layout


def _head(snapshot: Snapshot, phase: str) -> Text:
    counts = (
        f"  leader fills {snapshot.leader_executions}  orders {snapshot.orders}"
        f"  fills {snapshot.fills}  working {snapshot.live_orders}"
    )
    return Text.assemble((f" {phase} ", "bold reverse"), counts, no_wrap=True, overflow="ellipsis")


def _grid() -> Table:
    return Table(box=None, show_header=False, padding=(0, 1, 0, 0), expand=True)


def _leader(snapshot: Snapshot, rows: int) -> Panel:
    table = _grid()
    for justify in ("left", "left", "right", "right"):
        table.add_column(justify=justify, no_wrap=True)
    for symbol, side, qty, px in snapshot.leader_fills[-max(1, rows) :]:
        table.add_row(_side(side), symbol, f"{_lots(symbol, qty)} lots", number(px))
    return Panel(table, title="Leader's fills, newest last", padding=(0, 1))


def _orders(deployment: DemoDeployment, snapshot: Snapshot, rows: int) -> Panel:
    table = _grid()
    for justify in ("left", "left", "left", "right", "right"):
        table.add_column(justify=justify, no_wrap=True)
    names = {account: name for name, account in deployment.accounts.items()}
    for account, side, qty, symbol, state in snapshot.newest_orders[-max(1, rows) :]:
        style = {"filled": "green", "rejected": "red", "expired": "red"}.get(state, "yellow")
        table.add_row(
            names.get(account, account), _side(side), symbol, _lots(symbol, qty), f"[{style}]{state}[/]"
        )
    return Panel(table, title="Followers' orders, lots", padding=(0, 1))


def _followers(deployment: DemoDeployment, snapshot: Snapshot, ledger: Ledger, rows: int) -> Panel:
    table = Table(box=None, padding=(0, 1, 0, 0), expand=True, header_style="bold")
    table.add_column("who", no_wrap=True)
    table.add_column("sizing", no_wrap=True, overflow="ellipsis", ratio=1)
    for name in LOTS:
        table.add_column(name, justify="right", no_wrap=True, min_width=9)
    mine = [_lots(name, snapshot.leader_positions.get(name, ZERO)) for name in LOTS]
    table.add_row("alpha", "the leader", *mine, style="bold")
    for follower in deployment.followers[:rows]:
        cells = [_position((follower.account, name), snapshot, ledger) for name in LOTS]
        table.add_row(follower.name, follower.shape.label, *cells)
    hidden = len(deployment.followers) - rows
    more = f" (the first {rows} of {len(deployment.followers)})" if hidden > 0 else ""
    return Panel(table, title=f"Positions in lots: held, or held→target{more}", padding=(0, 1))


def _position(key: tuple[str, str], snapshot: Snapshot, ledger: Ledger) -> str:
    """Green: within one step of the target. Yellow: being worked."""
    held, target = snapshot.positions.get(key, ZERO), ledger.targets.get(key, ZERO)
    shown = _lots(key[1], held)
    if abs(held - target) < STEP_LOTS * LOTS[key[1]]:
        return f"[green]{shown}[/]" if held else "[dim]0[/]"
    return f"[yellow]{shown}→{_lots(key[1], target)}[/]"


def _refusals(snapshot: Snapshot, ledger: Ledger, rows: int) -> Panel:
    counts: dict[str, int] = ledger.raw.get("refusals") or {}
    said = ", ".join(f"{code} {n}" for code, n in sorted(counts.items(), key=lambda one: -one[1]))
    lines = [Text(said or "none so far", style="bold", no_wrap=True, overflow="ellipsis")]
    for follower, instrument, code, numbers in snapshot.refused[-(rows - 1) :]:
        text = f"{follower} {instrument} {code}{numbers}: {reason(code)}"
        lines.append(Text(text, no_wrap=True, overflow="ellipsis", style="red"))
    return Panel(Group(*lines), title="Refusals: not copied, or less, and why", padding=(0, 1))


def _latency(ledger: Ledger) -> Panel:
    stages = ledger.raw.get("latency_stages_us") or {}
    parts = []
    for name, found in (
        *(("journal", stages.get("journal")), ("decide", stages.get("decide"))),
        ("both", ledger.raw.get("latency_us")),
    ):
        if found and found.get("n"):
            parts.append(f"{name} {found['p50']} / {found['p99']} / {found['max']}")
    text = Text("   ".join(parts) or "nothing measured yet", no_wrap=True, overflow="ellipsis")
    return Panel(text, title="Latency in the core, µs: p50 / p99 / max of recent events", padding=(0, 1))


def _lots(symbol: str, units: Decimal) -> str:
    return number((units / LOTS[symbol]).quantize(STEP_LOTS))


def _side(side: str) -> str:
    return "[cyan]buy[/]" if side == "1" else "[magenta]sell[/]"


def closing(result: dict[str, Any], verdict: Verdict) -> RenderableType:
    """The summary at the end, for any width from 80 columns on."""
    counts = _plain("", "")
    for key in ("leader_executions", "orders_sent", "follower_fills", "journal_rows", "audit_entries"):
        counts.add_row(key.replace("_", " "), str(result[key]))
    refusals = _plain("refused or cut", "", "")
    for code, count in sorted(result["refusals"].items(), key=lambda one: -one[1]):
        refusals.add_row(code, str(count), reason(code))
    if not result["refusals"]:
        refusals.add_row("nothing", "", "")
    compared = _plain("compared", "brokers", "ledger", "")
    for line in verdict.compared:
        compared.add_row(line.what, line.broker, line.ledger, "equal" if line.equal else "[red]differs[/]")
    good = verdict.good
    words = "Nothing lost, nothing doubled, nobody off target." if good else "\n".join(verdict.reasons)
    return Group(
        *(counts, Text(), refusals, Text(), latency_table(result), Text()),
        Panel(compared, title="The brokers' own books against the ledger", padding=(0, 1)),
        Panel(words, style="bold green" if good else "bold red"),
    )


def afterwards(place: str) -> list[str]:
    """The lines behind it. A command has a line of its own: it fits into 80 columns, and is copied whole."""
    return [
        f"Journal, audit log and configuration: {place}",
        "Follow the newest fill:",
        f"  {command()} audit trace -c {place}/gateway.toml",
    ]


def command() -> str:
    """What to type for `copygate`: its path, where it stands in an environment that is not activated."""
    own = Path(sys.prefix) / "bin" / "copygate"
    if sys.prefix in (sys.base_prefix, os.environ.get("VIRTUAL_ENV")) or not own.is_file():
        return "copygate"
    return str(own.relative_to(Path.cwd())) if own.is_relative_to(Path.cwd()) else str(own)


def latency_table(result: dict[str, Any]) -> Table:
    """Percentiles by stage."""
    names = ("p50", "p90", "p99", "p99_9", "max")
    table = _plain("latency, µs", *(name.replace("_", ".") for name in names))
    whole = {"leader report → order sent": result["latency_us"]}
    for stage, found in {**whole, **result["latency_stages_us"]}.items():
        table.add_row(STAGE_WORDS.get(stage, stage), *(str(found.get(name, "")) for name in names))
    return table


STAGE_WORDS = {
    "journal": "  received → journaled",
    "decide": "  journaled → decided",
    "queue": "  decided → queued",
    "send": "  queued → sent by the route",
    "acknowledge": "sent → broker's first word",
    "fill": "broker's first word → filled",
    "received_to_filled": "leader report → follower's fill",
}


def _plain(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", show_header=any(columns))
    for i, name in enumerate(columns):
        table.add_column(name, justify="left" if i == 0 or not _is_number(name) else "right")
    return table


def _is_number(heading: str) -> bool:
    return heading.startswith("p") or heading in ("max", "brokers", "ledger")
