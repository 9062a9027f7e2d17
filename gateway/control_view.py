"""The status of a running gateway as a person reads it: stops first, then what is open, then counts."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from gateway.amounts import amount, rounded
from gateway.audit.entry import NS_PER_S
from gateway.refusal_texts import reason

SCOPES = {"global": "everything", "copies": "copies of "}
"""Scopes of stops that are not told by their own word."""
LINES_MAX = 40
"""Ledger lines shown; those off target come first, the rest are counted. `--json` has all."""
GUARDS_MAX = 10
"""Guarded accounts shown. `--json` has all."""
POSITIONS_MAX = 6
"""Positions of a hedging leader shown for each instrument. `--json` has all."""
ALERTS_MAX = 8
"""Newest alerts shown, equal ones as one."""


def status_screen(deployment: str, status: dict[str, Any]) -> RenderableType:
    """The whole screen."""
    stops = status.get("stops") or []
    switch = f"{len(stops)} stop{'s' if len(stops) > 1 else ''} ON" if stops else "nothing is stopped"
    parts: list[RenderableType] = [
        Text.assemble((deployment, "bold"), "   ", (switch, "bold red" if stops else "green")),
        *_stops(stops),
        *_leaving(status.get("leaving") or []),
        *_joining(status.get("joining") or []),
        *_guards(status.get("guards") or []),
        *_together(status.get("together") or []),
        *_breaks(status.get("breaks") or []),
        *_leader_positions(status.get("leader_positions") or []),
        Text(_counts(status)),
        Text(),
        _routes(status.get("routes") or []),
        *_refusals(status.get("refusals") or {}),
        *_lines(status.get("subscriptions") or [], status.get("leaving") or []),
        *_won(deployment, status.get("follower_fills") or 0),
        *_alerts((status.get("pipeline") or {}).get("alerts") or []),
    ]
    return Group(*parts)


def _counts(status: dict[str, Any]) -> str:
    orders = ", ".join(f"{count} {state}" for state, count in sorted((status.get("orders") or {}).items()))
    return (
        f"journal row {status.get('journal_rows')}, core start {status.get('epoch')}, "
        f"leader executions {status.get('leader_executions')}, orders {status.get('orders_sent')}"
        f"{f' ({orders})' if orders else ''}, fills {status.get('follower_fills')}"
    )


def _table(*columns: str, right: tuple[str, ...] = ()) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in columns:
        table.add_column(name, justify="right" if name in right else "left", overflow="fold")
    return table


def _stops(stops: list[dict[str, Any]]) -> list[RenderableType]:
    return [Text(), stops_table(stops), Text()] if stops else []


def _leaving(leaving: list[dict[str, Any]]) -> list[RenderableType]:
    """Subscriptions on their way out; of those that have left, how many there are."""
    if not leaving:
        return []
    going = [one for one in leaving if not one["done"]]
    table = _table("leaving", "rule", "by", "since")
    for one in going[:LINES_MAX]:
        table.add_row(escape(one["subscription"]), one["rule"], escape(one["who"]), _when(one["at_ns"]))
    left = Text(f"{len(leaving) - len(going)} of {len(leaving)} leaving subscriptions have left", style="dim")
    return [*([table] if going else []), left, Text()]


def _joining(joining: list[dict[str, Any]]) -> list[RenderableType]:
    """New subscriptions that are still to open what their leaders hold."""
    if not joining:
        return []
    table = _table("waits to join", "with", "for")
    for one in joining[:LINES_MAX]:
        table.add_row(escape(one["subscription"]), ", ".join(one["instruments"]), "route, leader's position")
    return [table, Text()]


def _when(at_ns: str) -> str:
    return f"{datetime.fromtimestamp(int(at_ns) // NS_PER_S, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def _guards(guards: list[dict[str, Any]]) -> list[RenderableType]:
    """Guarded accounts, those nearest to their floor first."""
    if not guards:
        return []
    table = _table("guarded account", "equity", "floor", "of", "", right=("equity", "floor"))
    for one in sorted(guards, key=_room)[:GUARDS_MAX]:
        known = one["equity"] is not None
        note = (
            "[bold red]stopped[/]" if one["stopped"] else ("" if known else "[yellow]not known: no opens[/]")
        )
        equity = f"{amount(Fraction(one['equity']), one['currency'])} {one['currency']}" if known else "?"
        floor = "" if one["floor"] is None else amount(Fraction(one["floor"]), one["currency"])
        table.add_row(one["follower"], equity, floor, one["code"] or "", note)
    rest = len(guards) - GUARDS_MAX
    more = [Text(f"… and {rest} more; --json has all", style="dim")] if rest > 0 else []
    return [table, *more, Text()]


def _together(sums: list[dict[str, Any]]) -> list[RenderableType]:
    """What all followers together hold where a position is bounded, the fullest first."""
    bounded = [one for one in sums if one["max_position_lots"] is not None]
    if not bounded:
        return []
    table = _table("together", "instrument", "long", "short", "at most", right=("long", "short", "at most"))
    for one in sorted(bounded, key=_fullness, reverse=True)[:GUARDS_MAX]:
        lots = (_plain(Decimal(one[key])) for key in ("long_lots", "short_lots", "max_position_lots"))
        table.add_row(escape(one["name"]) or "all", one["instrument"], *lots)
    return [table, Text()]


def _fullness(one: dict[str, Any]) -> Decimal:
    held, most = max(Decimal(one["long_lots"]), Decimal(one["short_lots"])), Decimal(one["max_position_lots"])
    return held / most if most else held


def _breaks(breaks: list[dict[str, Any]]) -> list[RenderableType]:
    """Positions that brokers report otherwise, the confirmed ones first, then what was let be."""
    if not breaks:
        return []
    table = _table(*("position break", "instrument", "lots", "worth", "since", ""), right=("lots", "worth"))
    for one in sorted(breaks, key=lambda one: not one["confirmed"])[:LINES_MAX]:
        accepted = Decimal(one["accepted"])
        note = f"{_plain(accepted)} units more are let be" if accepted else ""
        if not one["confirmed"]:
            note = note or "reported once"
        since = _when(one["since_ns"]) if Decimal(one["units"]) else ""
        worth = "?" if one["value"] is None else amount(Fraction(one["value"]))
        style = "bold red" if one["confirmed"] else ""
        names = (escape(one["follower"]), one["instrument"])
        table.add_row(*names, _plain(Decimal(one["lots"])), worth, since, note, style=style)
    return [table, Text()]


def _leader_positions(held: list[dict[str, Any]]) -> list[RenderableType]:
    """What leaders on hedging accounts hold: the net, which is copied, and what it is the sum of."""
    if not held:
        return []
    table = _table("hedging leader", "instrument", "net", "positions", right=("net",))
    for one in held[:LINES_MAX]:
        named = [f"{escape(p['id'])} {_plain(Decimal(p['units']))}" for p in one["positions"][:POSITIONS_MAX]]
        rest = len(one["positions"]) - POSITIONS_MAX
        named += [f"and {rest} more"] if rest > 0 else []
        unnamed = Decimal(one["unnamed"])
        named += [f"[yellow]{_plain(unnamed)} without a name[/]"] if unnamed else []
        net = "?" if one["net"] is None else _plain(Decimal(one["net"]))
        table.add_row(escape(one["leader"]), one["instrument"], net, ", ".join(named))
    return [table, Text()]


def _plain(number: Decimal) -> str:
    return format(number.normalize(), "f")


def _room(guard: dict[str, Any]) -> tuple[bool, Decimal]:
    """Stopped and unknown ones first, then by what is left in parts of the equity."""
    equity, floor = (Decimal(guard[key] or 0) for key in ("equity", "floor"))
    return not guard["stopped"], (equity - floor) / equity if equity > 0 else Decimal(-1)


def stops_table(stops: list[dict[str, Any]]) -> Table:
    """What is stopped, how much, by whom or by which numbers and until when or what, and since when."""
    table = _table("stopped", "level", "why", "by", "since")
    for one in stops:
        what = SCOPES.get(one["scope"], one["scope"] + " ") + one["name"]
        until = f", until {_when(one['until_ns'])}" if one["until_ns"] else ""
        until += f", until `{escape(one['release'])}`" if one.get("release") else ""
        table.add_row(
            *(f"[bold red]{escape(what)}[/]", one["level"], one["code"]),
            escape(one["who"] or one["numbers"]) + until,
            _when(one["at_ns"]),
        )
    return table


def _routes(routes: list[dict[str, Any]]) -> Table:
    table = _table("route", "process", "FIX session", "orders that wait", "", right=("orders that wait",))
    for route in routes:
        process = "[green]linked[/]" if route["synced"] else "[red]not linked[/]"
        session = "[green]logged on[/]" if route["up"] else "[red]down[/]"
        table.add_row(route["name"], process, session, str(route["held"]), _way(route))
    return table


def _way(route: dict[str, Any]) -> str:
    """By which of two routes new orders go, and why."""
    if not route.get("reserve"):
        return ""
    by = "" if route["choice"] == "auto" else ", until a person says otherwise"
    why = escape(f": {route['switched']}" if route["switched"] else "")
    if route["on_reserve"]:
        return f"[bold yellow]new orders go by {escape(route['reserve'])}[/]{why}{by}"
    return f"reserve {escape(route['reserve'])}{by}"


def _refusals(refusals: dict[str, int]) -> list[RenderableType]:
    if not refusals:
        return []
    table = _table("refusal", "times", "because", right=("times",))
    for code, count in sorted(refusals.items(), key=lambda one: -one[1]):
        table.add_row(code, str(count), reason(code))
    return [Text(), table]


def _lines(lines: list[dict[str, Any]], leaving: list[dict[str, Any]]) -> list[RenderableType]:
    """Ledger lines that hold, want or work something, those away from their target first."""
    live = [one for one in lines if any(Decimal(one[key]) for key in ("target", "filled", "working"))]
    live.sort(key=_on_target)
    rules = {one["subscription"]: one["rule"] for one in leaving}
    table = _table(
        *("follower", "subscription", "instrument", "held", "target", "working", "note"),
        right=("held", "target", "working"),
    )
    for one in live[:LINES_MAX]:
        style = "" if _on_target(one) else "yellow"
        note = "waits for bust-resume" if one.get("bust_hold") else ""
        if not note and Decimal(one.get("close_capped", 0)):
            note = f"{one['close_capped']} less to close: not held at the broker"
        if not note and Decimal(one.get("unnamed", 0)):
            note = f"{one['unnamed']} in a position without a name"
        note = note or (f"{one['unknown']} unknown" if one.get("unknown") else "")
        note = note or ("a close waits" if one.get("close_waits") else "")
        note = note or (f"leaves by {rules[one['subscription']]}" if one["subscription"] in rules else "")
        names, held = (one["follower"], one["subscription"], one["instrument"]), one["filled"]
        table.add_row(*names, held, rounded(Fraction(one["target"])), one["working"], note, style=style)
    parts: list[RenderableType] = [Text(), table if live else Text("No positions, no targets.")]
    if live:
        parts.insert(1, Text("Positions in units; yellow: not on target yet", style="dim"))
    if len(live) > LINES_MAX:
        parts.append(Text(f"… and {len(live) - LINES_MAX} more; --json has all", style="dim"))
    return parts


def _won(deployment: str, fills: int) -> list[RenderableType]:
    """Where results are: the core knows only those that a guard asks for, the log has everybody's."""
    if not fills:
        return []
    command = f"copygate audit subscriptions --config {shlex.quote(deployment)}"
    # On a line of its own: it is there to be copied, and goes on below rather than lose its end.
    return [Text("Won, traded and refused, of each subscription:", style="dim"), Text(command)]


def _on_target(line: dict[str, Any]) -> bool:
    return abs(Decimal(line["filled"]) - Decimal(line["target"])) < max(
        Decimal(line["step"]), Decimal(line["min"])
    )


def _alerts(alerts: list[dict[str, Any]]) -> list[RenderableType]:
    if not alerts:
        return []
    table = _table("newest row", "alert", "times", "text", right=("newest row", "times"))
    for alert in alerts[-ALERTS_MAX:]:
        table.add_row(str(alert["journal"]), alert["code"], str(alert["count"]), alert["text"])
    return [Text(), table]


def grouped(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Equal alerts as one, with their `count`, the row of the `first` and of the newest, in `journal`.

    In the order of the newest: what repeats with every trade must not push the rest out of sight.
    """
    groups: dict[tuple[str, str], dict[str, Any]] = {}
    for alert in alerts:
        known = groups.pop((alert["code"], alert["text"]), {"count": 0, "first": alert["journal"]})
        groups[alert["code"], alert["text"]] = {**alert, "first": known["first"], "count": known["count"] + 1}
    return list(groups.values())
