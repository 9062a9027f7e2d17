"""What `copygate sim history` prints."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

from gateway.sim.history_copy import COPIERS, CopyResult
from gateway.sim.text import number

OFF_TARGET_SHOWN = 5
CENTS = 100


def as_json(result: CopyResult) -> dict[str, Any]:
    """The result as JSON values; amounts are text, rounded to cents, `difference` before rounding."""
    return {
        "rows": result.rows,
        "reports": result.reports,
        "leader_executions": result.leader_executions,
        "orders": result.orders,
        "fills": result.fills,
        "duplicated": result.duplicated,
        "off_target": result.off_target,
        "refusals": result.refusals,
        "alerts": result.alerts,
        "leader_positions": _positions(result.leader_positions),
        "followers": {
            follower.name: {
                "sizing": COPIERS[follower.name][0],
                "fills": follower.orders,
                "positions": _positions(follower.positions),
                "profit": cents(follower.total),
            }
            for follower in result.followers
        },
        "statement_total": number(result.statement_total),
        "difference": str(result.difference),
        "good": result.good,
    }


def text(result: CopyResult) -> str:
    """The result for people."""
    lines = [
        f"{result.rows} rows, {result.reports} reports, {result.orders} orders, {result.fills} fills",
        f"{'':10}{'fills':>7}{'profit':>16}  open at the end",
    ]
    leader = ("leader", result.leader_executions, Fraction(result.statement_total), result.leader_positions)
    followers = ((f.name, f.orders, f.total, f.positions) for f in result.followers)
    for name, fills, total, held in (leader, *followers):
        lines.append(f"{name:10}{fills:>7}{cents(total):>16}  {_shown(held)}")
    codes = ", ".join(f"{code} {n}" for code, n in {**result.refusals, **result.alerts}.items()) or "none"
    lines.append(f"refusals and alerts: {codes}")
    lines.append(f"sent twice: {result.duplicated}; off target: {len(result.off_target)} times")
    lines += [f"  {line}" for line in result.off_target[:OFF_TARGET_SHOWN]]
    lines.append(f"100 % follower minus statement: {result.difference}")
    return "\n".join(lines)


def cents(value: Fraction) -> str:
    """An exact amount rounded to cents, ties to even."""
    return f"{Decimal(round(value * CENTS)) / CENTS:.2f}"


def _positions(positions: dict[str, Decimal]) -> dict[str, str]:
    return {name: number(qty) for name, qty in sorted(positions.items())}


def _shown(positions: dict[str, Decimal]) -> str:
    return " ".join(f"{name} {qty}" for name, qty in _positions(positions).items()) or "flat"
