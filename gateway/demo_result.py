"""What the demo proves: the brokers' own books beside the gateway's ledger.

The ledger is the core's own status, asked over its control socket. Used from it:

    leader_executions, follower_fills, journal_rows: counts
    subscriptions: [{name, follower, instrument, target, filled, working}]   decimals as text, units
    refusals: {code: count}     latency_us, latency_stages_us: percentiles of the core, for the live view

Latencies at the end come from the audit log: there every order has its own times.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway.audit.stats import PERCENTILES, Stats
from gateway.sim.book import Book
from gateway.sim.text import number

ZERO = Decimal(0)
Positions = dict[tuple[str, str], Decimal]
"""(follower account, instrument) to signed units."""


@dataclass
class Ledger:
    """The gateway's view. `known` is false when no status could be read: then nothing is proven."""

    known: bool = False
    raw: dict[str, Any] = field(default_factory=dict)
    targets: Positions = field(default_factory=dict)
    filled: Positions = field(default_factory=dict)
    working: bool = False

    def count(self, name: str) -> int:
        """A counter of the status, 0 when it is not there."""
        value = self.raw.get(name, 0)
        return value if isinstance(value, int) else 0


def ledger_of(raw: dict[str, Any], accounts: dict[str, str]) -> Ledger:
    """Reads a status; `accounts` maps follower names to accounts. An empty status is an unknown ledger."""
    if not raw:
        return Ledger()
    ledger = Ledger(known=True, raw=raw)
    for row in raw.get("subscriptions", []):
        key = (accounts.get(row["follower"], row["follower"]), row["instrument"])
        ledger.targets[key] = ledger.targets.get(key, ZERO) + Decimal(row["target"])
        ledger.filled[key] = ledger.filled.get(key, ZERO) + Decimal(row["filled"])
        ledger.working = ledger.working or Decimal(row.get("working", "0")) != 0
    return ledger


def broker_positions(books: Iterable[Book]) -> Positions:
    """Every open position of the brokers' books."""
    return {
        (account.name, symbol): qty
        for book in books
        for account in book.accounts.values()
        for symbol, qty in account.positions.items()
        if qty
    }


@dataclass(frozen=True)
class Compared:
    """One line of the comparison: what was counted or held, in the brokers' books and in the ledger."""

    what: str
    broker: str
    ledger: str

    @property
    def equal(self) -> bool:
        """Whether the two agree."""
        return self.broker == self.ledger


@dataclass(frozen=True)
class Verdict:
    """The comparison. `reasons` say in words what is wrong; empty is good."""

    compared: tuple[Compared, ...]
    lost: int
    duplicated: int
    off_target: tuple[str, ...]
    reasons: tuple[str, ...]

    @property
    def good(self) -> bool:
        """Nothing lost, doubled or off target."""
        return not (self.lost or self.duplicated or self.off_target)


def judge(leader: Book, brokers: list[Book], ledger: Ledger, steps: dict[str, Decimal]) -> Verdict:
    """Compares. `steps` is one lot step in units per instrument: what rounding may leave open."""
    reasons: list[str] = []
    executions = _fills([leader])
    fills = _fills(brokers)
    if not ledger.known:
        reasons.append("the gateway left no status: nothing is proven")
        return Verdict((), executions, 0, (), tuple(reasons))
    compared: list[Compared] = []
    lost = doubled = 0
    for what, ours, theirs in (
        ("leader executions", ledger.count("leader_executions"), executions),
        ("follower fills", ledger.count("follower_fills"), fills),
    ):
        compared.append(Compared(what, str(theirs), str(ours)))
        if ours != theirs:
            reasons.append(f"{what}: the brokers' books hold {theirs}, the ledger {ours}")
        lost += max(theirs - ours, 0)
        doubled += max(ours - theirs, 0)
    repeats = sum(book.duplicate_requests for book in brokers)
    compared.append(Compared("orders received twice", str(repeats), "0"))
    if repeats:
        reasons.append(f"{repeats} ClOrdIDs were sent twice")
    held = broker_positions(brokers)
    off: set[str] = set()
    equal = 0
    leader_flat = not broker_positions([leader])
    for key in sorted(held.keys() | ledger.filled.keys() | ledger.targets.keys()):
        broker, booked, target = (p.get(key, ZERO) for p in (held, ledger.filled, ledger.targets))
        equal += broker == booked
        if broker != booked:
            lost += 1
            compared.append(Compared(f"{key[0]} {key[1]}, units", number(broker), number(booked)))
            reasons.append(f"{key[0]} {key[1]}: the broker holds {broker}, the ledger {booked}")
        room = ZERO if leader_flat else steps.get(key[1], ZERO)
        if abs(broker - target) > room or (leader_flat and broker):
            off.add(key[0])
            reasons.append(f"{key[0]} {key[1]}: the broker holds {broker}, the target is {target}")
    positions = len(held.keys() | ledger.filled.keys() | ledger.targets.keys())
    compared.append(Compared("positions that agree", str(positions), str(equal)))
    return Verdict(tuple(compared), lost, doubled + repeats, tuple(sorted(off)), tuple(reasons))


def _fills(books: Iterable[Book]) -> int:
    return sum(not e.busted for book in books for e in book.executions.values())


def summary(
    leader: Book, brokers: list[Book], ledger: Ledger, verdict: Verdict, audit: Stats
) -> dict[str, Any]:
    """The closing figures, with the keys that scripts rely on.

    `latency_us` is from the leader's report to the follower's order at its route, for every order that it
    caused at once.
    """
    latency = audit.latency_us
    zero = dict.fromkeys(("count", *(name for name, _ in PERCENTILES), "max"), 0)
    return {
        "leader_executions": _fills([leader]),
        "orders_sent": sum(len(book.orders) for book in brokers),
        "follower_fills": _fills(brokers),
        "refusals": ledger.raw.get("refusals", {}),
        "lost": verdict.lost,
        "duplicated": verdict.duplicated,
        "off_target_followers": len(verdict.off_target),
        "journal_rows": ledger.count("journal_rows"),
        "audit_entries": audit.entries,
        "latency_us": latency.get("received_to_sent", zero),
        "latency_stages_us": {name: found for name, found in latency.items() if name != "received_to_sent"},
        "reasons": list(verdict.reasons),
    }
