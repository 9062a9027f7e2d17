"""`copygate check`: every problem of a file, and the effective table of who copies whom."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal, localcontext
from pathlib import Path

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from gateway.config import examine
from gateway.config_core import (
    effective_guards,
    follower_limits,
    full_symbol_map,
    max_ratio,
    subscription_guards,
    subscription_limits,
)
from gateway.config_guards import rule_text as rule_text_of_guard
from gateway.config_limits import LimitsConfig, fold, limit_of, price_windows
from gateway.config_model import (
    OUTSIDE_MODES,
    ByAccounts,
    ByBlock,
    ByEquityShare,
    ByFactor,
    ByLots,
    ByPercent,
    GatewayConfig,
    SubscriptionConfig,
    SymbolMap,
)
from gateway.config_together import together_text
from gateway.config_types import decimal_text
from gateway.errors import ExitCode, Problem
from gateway.screen import say_line

FILTERED = "filtered: not opened"
"""Rows with this note stay out of the printed table: another subscription's rule shows there."""

TABLE_COLUMNS = 140
"""A terminal narrower than this would break words and numbers of the table apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """One leader instrument of one subscription, as it will be copied."""

    subscription: str
    leader: str
    follower: str
    route: str
    account: str
    instrument: str
    copies: str
    """What of the leader is copied: fills, stops, orders."""
    rule: str
    one_lot: str
    """What 1 leader lot becomes, follower lots, before rounding."""
    limits: str
    note: str


def check(path: Path, *, as_json: bool, console: Console) -> ExitCode:
    """Prints the report and returns the exit code: 0, or 2 when there is an error."""
    config, problems = examine(path)
    rows = [] if config is None else effective_table(config)
    if as_json:
        report = {
            "ok": config is not None,
            "problems": [problem.as_dict() for problem in problems],
            "effective": [asdict(row) for row in rows],
        }
        say_line(console, json.dumps(report, ensure_ascii=False, indent=2))
    else:
        _print(console, path, config, problems, rows)
    return ExitCode.USAGE if config is None else ExitCode.OK


def effective_table(config: GatewayConfig) -> list[Row]:
    """Who copies whom, by which rule, with which limits: one row per subscription and instrument."""
    return [
        _row(config, item, source, mapped)
        for item in config.subscriptions
        for source, mapped in full_symbol_map(config, item).items()
    ]


def rule_text(item: SubscriptionConfig) -> str:
    """The sizing rule in words."""
    rule = item.sizing
    if isinstance(rule, ByFactor):
        text = f"{rule.mode} {decimal_text(rule.k)}"
    elif isinstance(rule, ByPercent):
        text = f"percent {decimal_text(rule.percent)} %"
    elif isinstance(rule, ByLots):
        text = f"fixed {decimal_text(rule.lots)} lots"
    elif isinstance(rule, ByBlock):
        by = "" if rule.by == "weight" else f" x {rule.by}"
        text = f"block, weight {decimal_text(rule.weight)}{by}"
    elif isinstance(rule, ByEquityShare):
        text = f"percent_equity {decimal_text(rule.percent)} %"
    else:
        text = f"{rule.mode} x {decimal_text(rule.k)}"
    if item.capital_share is not None:
        text += f", by {decimal_text(item.capital_share)} of the account"
    if rule.mode in OUTSIDE_MODES:
        text += f", ratio at most {decimal_text(max_ratio(item))}"
    if item.rounding != "toward_zero":
        text += f", {item.rounding}"
    return text + (", reverse" if item.reverse else "")


def copies_text(item: SubscriptionConfig) -> str:
    """What of the leader is copied, in words."""
    times = decimal_text(item.stop_multiplier)
    far = "" if item.stop_multiplier == 1 else f" at {times} times their distance"
    if item.copy_ == "fills":
        return f"fills, and the leader's stops{far}" if item.copy_stops else "fills"
    parts = [f"protective stops{far}"] if far else []
    if item.ahead != "close":
        parts.append(f"ahead: {item.ahead}")
    if item.leader_filled != "none":
        parts.append(f"leader_filled: {item.leader_filled}, {item.leader_filled_s} s")
    return "; ".join(["orders", *parts])


def one_leader_lot(
    config: GatewayConfig, item: SubscriptionConfig, source: str, mapped: SymbolMap
) -> Decimal | None:
    """Follower lots for one leader lot, before rounding; None where it depends on accounts or quotes."""
    rule = item.sizing
    with localcontext() as context:
        context.prec = 50
        ours, theirs = config.instruments[mapped.instrument], config.instruments[source]
        units = theirs.contract_size * mapped.qty_factor / ours.contract_size
        if isinstance(rule, ByLots):
            return rule.lots
        if isinstance(rule, ByAccounts | ByEquityShare | ByBlock):
            return None
        if isinstance(rule, ByPercent):
            return units * rule.percent / 100
        return rule.k * mapped.qty_factor if rule.mode == "lots_multiplier" else units * rule.k


def _row(config: GatewayConfig, item: SubscriptionConfig, source: str, mapped: SymbolMap) -> Row:
    follower = config.followers[item.follower]
    ours = config.instruments[mapped.instrument]
    lots = one_leader_lot(config, item, source, mapped)
    notes = []
    if item.filters.instruments is not None and source not in item.filters.instruments:
        notes.append(FILTERED)
    if ours.inverse:
        lot = f"{decimal_text(ours.contract_size)} {ours.base or 'units'}"
        notes.append(f"inverse: a lot is {lot}, settled in {ours.currency}")
    if mapped.instrument in follower.restricted:
        notes.append("restricted: not opened")
    if item.filters.side != "both":
        notes.append(f"{item.filters.side} only")
    if (guards := effective_guards(config, follower)) is not None:
        day = f"day from {guards.day_begins} {guards.zone}"
        notes.append("guards: " + ", ".join([*map(rule_text_of_guard, guards.rules), day]))
    if (own := subscription_guards(config, item)) is not None:
        day = f"day from {own.day_begins} {own.zone}"
        notes.append("its own guards: " + ", ".join([*map(rule_text_of_guard, own.rules), day]))
    if item.joining == "target" and item.leaving is None:
        notes.append("joins with its leader's position")
    if item.leaving is not None:
        notes.append(f"leaves by {item.leaving}: not opened")
    if item.max_drift_bps is not None:
        notes.append(f"drift at most {decimal_text(item.max_drift_bps)} bps")
    if item.max_amplification is not None:
        notes.append(f"copy at most {decimal_text(item.max_amplification)} times the leader's position")
    notes += _together(config, item, mapped.instrument)
    notes += _over_time(config, item)
    if lots is not None and lots < ours.min_lot:
        notes.append(f"1 leader lot is below min_lot {decimal_text(ours.min_lot)}: it waits")
    return Row(
        subscription=item.label,
        leader=item.leader,
        follower=item.follower,
        route=_route_text(config, follower.route),
        account=follower.account or "",
        instrument=source if source == mapped.instrument else f"{source} → {mapped.instrument}",
        copies=copies_text(item),
        rule=rule_text(item),
        one_lot=_one_lot_text(item, lots),
        limits=_limits_of_both(config, item, mapped.instrument),
        note="; ".join(notes),
    )


def _route_text(config: GatewayConfig, route: str) -> str:
    """The route and its reserve."""
    reserve = config.routes[route].reserve
    return route if reserve is None else f"{route}, reserve {reserve}"


def _together(config: GatewayConfig, item: SubscriptionConfig, instrument: str) -> list[str]:
    """Bounds over all followers, of the deployment and of the leader."""
    scopes = (
        ("all followers together", config.together),
        (f"all copies of {item.leader} together", config.leaders[item.leader].together),
    )
    texts = [(who, together_text(of, instrument)) for who, of in scopes if of is not None]
    return [f"{who}: {text}" for who, text in texts if text]


def _over_time(config: GatewayConfig, item: SubscriptionConfig) -> list[str]:
    """Message allowances, and what makes the leader inactive."""
    follower = config.followers[item.follower]
    route, inactive = config.routes[follower.route], config.leaders[item.leader].inactive
    allowances = (("all", config.messages), ("route", route.messages), ("follower", follower.messages))
    notes = [
        f"messages ({name}): {of.per_s}/s, {of.burst} at once, {of.core()['kept']} of them kept for closes"
        for name, of in allowances
        if of is not None
    ]
    if inactive is not None:
        bounds = (("down", inactive.down_s), ("silent", inactive.silent_s))
        after = " or ".join(f"{state} for {s} s" for state, s in bounds if s is not None)
        notes.append(f"leader {after}: {inactive.action}")
    if config.clock is not None:
        notes.append(f"clock within {config.clock.max_error_us} us")
    if config.faults.repeated_copies:
        window_s = config.faults.repeated_window_ms / 1000
        notes.append(f"stops after {config.faults.repeated_copies} copies in {window_s:g} s")
    return notes


def _one_lot_text(item: SubscriptionConfig, lots: Decimal | None) -> str:
    if isinstance(item.sizing, ByEquityShare):
        return f"1 leader order → {decimal_text(item.sizing.percent)} % of equity"
    if isinstance(item.sizing, ByBlock):
        return "1 leader lot → one member's lot"
    if lots is None:
        return f"1 leader lot → at most {decimal_text(max_ratio(item))} follower lots"
    with localcontext() as context:
        context.prec = 12
        text = decimal_text(+lots)
    if isinstance(item.sizing, ByLots):
        return f"1 leader order → {text} follower lots"
    return f"1 leader lot → {text} follower lots"


def _limits_of_both(config: GatewayConfig, item: SubscriptionConfig, instrument: str) -> str:
    """The bounds of the subscription and of its account: they count different things, and each one holds."""
    follower = config.followers[item.follower]
    currencies = (config.instruments[instrument].currency, follower.currency or "")
    account = limits_text(follower_limits(config, follower), instrument, currencies)
    own = limits_text(subscription_limits(config, item), instrument, currencies)
    if account == own:
        return own
    found = [(who, text) for who, text in (("copy", own), ("account", account)) if text != "none"]
    return "; ".join(f"{who}: {text}" for who, text in found)


def limits_text(scopes: Sequence[LimitsConfig], instrument: str, currencies: tuple[str, str]) -> str:
    """What holds of several sections for an instrument, and over all instruments, in words; `currencies` are
    those of the instrument's price and of the account."""
    price, account = currencies
    limits = fold(*scopes)
    bound = limit_of(limits, instrument)
    windows = price_windows(scopes, instrument)
    words = (
        (bound.max_order_qty_lots, "order {} lots"),
        (bound.max_order_value, f"order worth {{}} {price}"),
        (bound.price_collar_bps, "price within {} bps"),
        *((bps, f"price within {{}} bps of {window_s} s") for bps, window_s in windows),
        (bound.max_position_lots, "position {} lots"),
        (limits.max_open_orders, "{} open orders in all"),
        (limits.max_exposure, f"worth {{}} {account} in all"),
        (limits.max_leverage, "{} times the equity in all"),
    )
    parts = [text.format(decimal_text(Decimal(value))) for value, text in words if value is not None]
    return f"{', '.join(parts)} ({bound.on_breach or 'clip'})" if parts else "none"


def _print(
    console: Console, path: Path, config: GatewayConfig | None, problems: list[Problem], rows: list[Row]
) -> None:
    for problem in problems:
        say_line(console, problem.text())
    errors = sum(1 for problem in problems if problem.severity == "error")
    warnings = len(problems) - errors
    if config is None:
        text = f"{path}: {errors} error(s), {warnings} warning(s). Nothing was started."
        say_line(console, text)
        return
    shown = _merged([row for row in rows if FILTERED not in row.note])
    title = f"{config.gateway.deployment}: who copies whom"
    if console.width >= TABLE_COLUMNS:
        _print_table(console, title, shown)
    else:
        _print_lines(console, title, shown)
    summary = (
        f"{path}: no errors, {warnings} warning(s). {len(config.leaders)} leader(s), {len(config.followers)} "
        f"follower(s), {len(config.routes)} route(s), {len(config.subscriptions)} subscription(s)."
    )
    say_line(console, summary)


def _merged(rows: list[Row]) -> list[Row]:
    """Rows that differ in their instrument only become one: a desk reads rules, not repetitions."""
    merged: list[Row] = []
    for row in rows:
        last = merged[-1] if merged else None
        if last is not None and replace(row, instrument="") == replace(last, instrument=""):
            merged[-1] = replace(last, instrument=f"{last.instrument}, {row.instrument}")
        else:
            merged.append(row)
    return merged


def _print_table(console: Console, title: str, rows: list[Row]) -> None:
    table = Table(title=title, show_lines=False)
    # Words are folded rather than numbers hidden: this table is read before money moves.
    for heading in ("leader", "follower", "route / account", "instruments", "rule", "size", "limits", "note"):
        table.add_column(heading, overflow="fold")
    for row in rows:
        place, rule = f"{row.route} / {row.account}", f"{row.rule}; copies {row.copies}"
        table.add_row(
            row.leader, row.follower, place, row.instrument, rule, row.one_lot, row.limits, row.note
        )
    console.print(table)


def _print_lines(console: Console, title: str, rows: list[Row]) -> None:
    """The same for a terminal too narrow for eight columns: what belongs together on lines of its own."""
    console.print(Text(title, style="bold"))
    before = ""
    for row in rows:
        who = f"{row.leader} → {row.follower}   (route {row.route}, account {row.account})"
        if who != before:
            console.print(Text(f"\n{who}"))
        before = who
        for text in (
            f"{row.instrument}: {row.rule}",
            f"  {row.one_lot}",
            f"  copies: {row.copies}",
            f"  limits: {row.limits}",
            *([f"  note: {row.note}"] if row.note else []),
        ):
            console.print(Padding(Text(text), (0, 0, 0, 2)))
    console.print()
