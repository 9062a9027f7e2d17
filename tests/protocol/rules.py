"""What the protocol promises, each promise a switch; the venues and the faults that it is tried with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Rules:
    """One switch for each rule of delivery. Off: the gateway does the obvious thing instead."""

    leader_row_first: bool = True
    """A leader's report whose row is refused ends the process. Off: the callback returns without a row."""
    leader_recognised: bool = True
    """A leader's report that comes again after a restart is no new trade. Off: it is copied again."""
    broker_row_first: bool = True
    """A broker's report has its row before the callback returns. Off: the row is written later."""
    rows_until_taken: bool = True
    """A row stays in the route's file until the core has it. Off: until it is sent."""
    out_row_first: bool = True
    """The OUT row is written before the order is handed over. Off: after."""
    sync_behind_rows: bool = True
    """What never left is known at the SYNC row, behind all older rows. Off: as soon as the route is there."""
    sync_older_only: bool = True
    """SYNC speaks of orders of another incarnation or epoch. Off: of all that are dispatched."""
    names_incarnation: bool = True
    """The route refuses what was meant for another incarnation. Off: it sends it."""
    names_epoch: bool = True
    """The route refuses what another core epoch decided. Off: it sends it."""
    try_numbers: bool = True
    """An answer about another try is ignored. Off: it counts for the try of now."""
    dispatch_timeout: bool = True
    """A dispatched order without an answer is probed. Off: the core waits."""
    probe_looks: bool = True
    """A probe is answered from the set of tries that left. Off: always NOT_SENT."""
    probe_bars: bool = True
    """What was answered NOT_SENT never leaves. Off: its frame may still come, and is sent."""
    asks: bool = True
    """An order without a report is asked about. Off: it is sent again."""
    ack_timeout: bool = True
    """An order that is out and not reported becomes unknown. Off: the core waits."""
    query_id: bool = True
    """The answer to an older question is ignored. Off: it counts."""
    asks_again: bool = True
    """An unanswered question is asked again. Off: once only."""
    settles: bool = True
    """"Not known" counts for a question asked after the settle time only. Off: at once."""
    duplicate_asks: bool = True
    """A reject as duplicate makes the core ask. Off: the order counts as rejected."""
    close_again: bool = True
    """A close that is proven absent is sent again. Off: it is given up."""
    reduces_filled: bool = True
    """A close is sized on what is filled. Off: also on what is on its way."""
    no_replay: bool = True
    """QuickFIX may not send an application message a second time. Off: it does when the broker asks."""
    asks_after_logon: bool = True
    """At a venue without resend recovery all live orders are asked about after a logon. Off: none is."""
    hello_again: bool = True
    """A route that the core does not know is told to say HELLO. Off: the core waits for a new connection."""
    greet_again: bool = True
    """A HELLO without GREET is said again. Off: once for each connection and epoch."""
    settles_from_answer: bool = True
    """The settle time begins with a first "not known" of the broker. Off: when the order became unknown."""
    counts_answers: bool = True
    """An answer that names no question is that to the oldest open one. Off: to the newest."""
    denial_no_reject: bool = True
    """A reject as unknown (103=5) ends no order that was sent since. Off: it counts as any other reject."""


class Venue(NamedTuple):
    """How a follower's broker behaves where brokers differ."""

    name: str
    resends: bool
    """Reports lost with a connection come again after the next logon."""
    checks_ids: bool
    """A ClOrdID that it has accepted is rejected the second time."""
    names_question: bool = True
    """Its answer to a status request says which request it answers."""
    denies_by_reject: bool = False
    """It answers about an order that it does not know with ExecType(150)=8 and OrdRejReason(103)=5."""


TRUSTING = Venue("trusting", resends=True, checks_ids=False)
CHECKING = Venue("checking", resends=True, checks_ids=True)
FORGETFUL = Venue("forgetful", resends=False, checks_ids=False)
VENUES = (TRUSTING, CHECKING, FORGETFUL)
REJECTING = Venue("rejecting", resends=True, checks_ids=True, names_question=False, denies_by_reject=True)
"""Its denials name no question and look like rejects. Explored apart: old answers count, so it is large."""
UNNAMED = Venue("unnamed", resends=True, checks_ids=False, names_question=False)
"""The rule of query ids cannot be kept here: answers are counted."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What one exploration is about."""

    rules: Rules = Rules()
    venue: Venue = TRUSTING
    faults: int = 1
    held: bool = False
    """It begins with the open filled: only the close is explored."""
