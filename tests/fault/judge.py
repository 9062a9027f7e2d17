"""What the counterparties' own books say about a run. Pure: books and records in, findings out.

Nothing here believes the gateway. Its status is asked for two things only, and both are held against it: what
it does not know, and what it thinks that followers should hold.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from gateway.sim.book import Book

ZERO = Decimal(0)


@dataclass(frozen=True)
class Copier:
    """A follower account: what it multiplies the leader by, and for how long an open may be late."""

    name: str
    account: str
    session: str
    k: Decimal
    max_age_ms: int


@dataclass(frozen=True)
class Arrival:
    """An order that reached a broker's book."""

    at_ns: int
    cl_ord_id: str
    account: str
    symbol: str
    opens: bool


@dataclass
class Finding:
    """What was found, in the words of the issue; `reasons` names each."""

    intents: int = 0
    sent: int = 0
    accepted_twice: int = 0
    unknown_left: int = 0
    lost_closes: int = 0
    off_target: int = 0
    stale_opens: int = 0
    not_copied: int = 0
    """Followers that did not take part in the round behind the faults."""
    broken: int = 0
    """The gateway did not come back, or a file of it is damaged."""
    reasons: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.reasons

    def add(self, what: str, reason: str) -> None:
        """Counts one more of this kind."""
        setattr(self, what, getattr(self, what) + 1)
        self.reasons.append(f"{what}: {reason}")


def positions(book: Book, account: str) -> dict[str, Decimal]:
    """Units by symbol that the account holds."""
    return {symbol: qty for symbol, qty in book.accounts[account].positions.items() if qty}


def accepted_twice(arrivals: Iterable[Arrival], finding: Finding) -> None:
    """One intent is one ClOrdID(11): a broker may have it once."""
    counts = Counter((a.account, a.cl_ord_id) for a in arrivals)
    for (account, cl_ord_id), count in counts.items():
        if count > 1:
            finding.add("accepted_twice", f"{account}: {cl_ord_id} {count} times")


def volume(leader: Book, leader_account: str, book: Book, who: Copier, finding: Finding) -> None:
    """Who multiplies by k cannot trade more than k times what the leader traded: more is a copy
    made twice under another name."""
    theirs, ours = _traded(leader, leader_account), _traded(book, who.account)
    for symbol, units in ours.items():
        most = theirs.get(symbol, ZERO) * who.k
        if units > most:
            finding.add(
                "accepted_twice", f"{who.name}: {symbol}: traded {units} units, the leader's make {most}"
            )


def _traded(book: Book, account: str) -> dict[str, Decimal]:
    traded: dict[str, Decimal] = {}
    for execution in book.executions.values():
        if execution.account == account and not execution.busted:
            traded[execution.symbol] = traded.get(execution.symbol, ZERO) + execution.qty
    return traded


def within_leader(
    held: dict[str, Decimal], leader: dict[str, Decimal], who: Copier, finding: Finding
) -> None:
    """A follower may hold less than its share, where opens were missed; never more, never the other way."""
    for symbol, units in held.items():
        share = leader.get(symbol, ZERO) * who.k
        if units * share < 0 or abs(units) > abs(share):
            finding.add(
                "off_target", f"{who.name}: {symbol}: holds {units}, its share of the leader is {share}"
            )


def equal(
    held: dict[str, Decimal], wanted: dict[str, Decimal], what: str, who: str, finding: Finding
) -> None:
    """Position by position; `what` is the kind of finding."""
    for symbol in sorted(held.keys() | wanted.keys()):
        if held.get(symbol, ZERO) != wanted.get(symbol, ZERO):
            text = f"{who}: {symbol}: holds {held.get(symbol, ZERO)}, not {wanted.get(symbol, ZERO)}"
            finding.add(what, text)


def targets(status: dict[str, Any], follower: str) -> dict[str, Decimal]:
    """What the gateway thinks that the follower should hold, in whole steps."""
    found: dict[str, Decimal] = {}
    for line in status["subscriptions"]:
        if line["follower"] == follower:
            step = Decimal(line["step"])
            units = Decimal(line["target"])
            found[line["instrument"]] = found.get(line["instrument"], ZERO) + int(units / step) * step
    return {symbol: units for symbol, units in found.items() if units}


def unknown(status: dict[str, Any], finding: Finding) -> None:
    """Orders without a known outcome."""
    done = {"filled", "canceled", "rejected", "missed", "done", "expired"}
    for state, count in status["orders"].items():
        if state not in done and count:
            finding.unknown_left += count - 1
            finding.add("unknown_left", f"{count} orders are {state}")


def stale(
    arrivals: Iterable[Arrival],
    caused_ns: dict[str, int],
    copiers: dict[str, Copier],
    slack_ms: int,
    finding: Finding,
) -> None:
    """An open must not reach a broker long behind the trade. `caused_ns`: ClOrdID to the trade's time."""
    for arrival in arrivals:
        who, at_ns = copiers[arrival.account], caused_ns.get(arrival.cl_ord_id)
        if at_ns is None or not arrival.opens:
            continue
        age_ms = (arrival.at_ns - at_ns) // 1_000_000
        if age_ms > who.max_age_ms + slack_ms:
            finding.add(
                "stale_opens", f"{who.name}: {arrival.cl_ord_id} is {age_ms} ms behind the leader's trade"
            )
