"""What `copygate whatif` prints: a table by follower, notes before it, one line behind it."""

from __future__ import annotations

from datetime import UTC, datetime
from fractions import Fraction
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from gateway.amounts import amount
from gateway.refusal_texts import reason
from gateway.screen import say_line
from gateway.whatif_compare import Comparison, FollowerPart, Numbers, Part, as_json, rows

FOLLOWERS_SHOWN = 20
"""A screen or two; --all shows every follower."""
MARK = "≠"
LEGEND = (
    "old and new: every order filled whole, at the quote or the leader's price: at once, limits and stops "
    "that rest when a recorded price reaches theirs. recorded: what the brokers did."
)


def render(
    console: Console, found: Comparison, notes: list[str], *, by_subscription: bool, every: bool
) -> None:
    """Prints the comparison for people."""
    for note in notes:
        say_line(console, f"Note: {note}")
    shown = found.followers if every else found.differing[:FOLLOWERS_SHOWN]
    if shown:
        console.print(_table(shown, by_subscription))
        console.print(LEGEND, markup=False, emoji=False, highlight=False)
    for line in _rest(found, shown, every=every):
        say_line(console, line)
    say_line(console, summary(found))


def _table(parts: list[FollowerPart], by_subscription: bool) -> Table:
    table = Table()
    for heading in ("follower", ""):
        table.add_column(heading, overflow="fold")
    for heading in ("old", "new"):
        table.add_column(heading, justify="right", overflow="fold")
    table.add_column("", width=1)
    for heading in ("difference", "recorded"):
        table.add_column(heading, justify="right", overflow="fold")
    for follower in parts:
        _section(table, follower, follower.name)
        if by_subscription and len(follower.subscriptions) > 1:
            for own in follower.subscriptions.values():
                _section(table, own, f"  {own.name}")
        table.add_section()
    return table


def _section(table: Table, part: Part, name: str) -> None:
    heading = name + _absent(part)
    found = rows(part)
    if not found:
        table.add_row(heading, "no orders, no refusals", "", "", "", "", "")
    for row in found:
        style = "bold yellow" if row.differs else ""
        cells = (row.label, row.old, row.new, MARK if row.differs else "", row.difference, row.recorded)
        table.add_row(heading, *(Text(cell, style=style) for cell in cells))
        heading = ""


def _absent(part: Part) -> str:
    if part.new is None:
        return " (not in the new configuration)"
    return " (new)" if part.old is None else ""


def _rest(found: Comparison, shown: list[FollowerPart], *, every: bool) -> list[str]:
    """What the table does not show."""
    lines = []
    if not every:
        hidden = len(found.differing) - len(shown)
        if hidden > 0:
            lines.append(f"{hidden} more followers differ: --all shows every follower.")
        equal = [part.name for part in found.followers if not part.differs]
        names = ", ".join(equal[:FOLLOWERS_SHOWN]) + (", …" if len(equal) > FOLLOWERS_SHOWN else "")
        if equal:
            lines.append(f"No difference for {len(equal)} follower(s): {names}")
    for code, (old, new) in found.changes("refusals").items():
        lines.append(f"Refused over all, {code} ({reason(code)}): {old} → {new}")
    for code, (old, new) in found.changes("alerts").items():
        lines.append(f"Alerts {code}: {old} → {new}")
    return lines


def summary(found: Comparison) -> str:
    """One line: what was played, and what it comes to."""
    report, total = found.report, found.total
    executions = sum(leader["executions"] for leader in report["old"]["leaders"])
    played = (
        f"Rows {report['first_row']} to {report['last_row']} of the journal, {utc(report['first_ns'])} to "
        f"{utc(report['last_ns'])}: {executions} leader executions."
    )
    if not found.differing:
        return f"{played} No difference for any of {len(found.followers)} follower(s). Nothing was sent."
    old, new = total.old or Numbers(), total.new or Numbers()
    parts = [f"orders {old.orders} → {new.orders}"]
    refused = (sum(old.refusals.values()), sum(new.refusals.values()))
    parts.append(f"refusals {refused[0]} → {refused[1]}")
    for currency in sorted({*old.realised, *new.realised}):
        pair = [_earned(side, currency) for side in (old, new)]
        parts.append(f"profit and loss {pair[0]} → {pair[1]} {currency}")
    return (
        f"{played} {len(found.differing)} of {len(found.followers)} follower(s) differ: {', '.join(parts)}. "
        "Nothing was sent."
    )


def _earned(numbers: Numbers, currency: str) -> str:
    amounts = [table.get(currency, Fraction(0)) for table in (numbers.realised, numbers.floating)]
    known = [one for one in amounts if one is not None]
    return amount(sum(known, Fraction(0)), currency) if len(known) == len(amounts) else "?"


def utc(ns: str) -> str:
    """A journal time to the second."""
    return datetime.fromtimestamp(int(ns) // 1_000_000_000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def report_json(found: Comparison, notes: list[str]) -> dict[str, Any]:
    """The comparison as JSON values: exact numbers as text."""
    report = found.report
    keys = ("first_row", "last_row", "rows", "rows_read", "first_ns", "last_ns", "config_changes", "unknown")
    return {
        **{key: report[key] for key in keys},
        "notes": notes,
        "differs": bool(found.differing),
        "followers_differing": len(found.differing),
        "total": as_json(found.total),
        "core": {
            side: {key: report[side][key] for key in ("orders", "refusals", "alerts", "leaders")}
            for side in ("old", "new", "recorded")
        },
        "followers": [as_json(part) for part in found.followers],
    }
