"""What a person can do about an alert of the core or an event of QuickFIX: they say what happened, the advice
is ours."""

from __future__ import annotations

import re

ADVICE = {
    "account": "Send account values by the venue or by an operator command.",
    "bad_command": "Correct the command and send it again.",
    "bad_quote": "Ask the price source; until it sends a good quote, what needs one is refused.",
    "bad_start": "Run `copygate check` on the configuration; the earlier one stays in force.",
    "bad_side": "Nothing was copied. Ask the leader's broker which Side(54) it means.",
    "broker_bust": "Compare the follower's position with its broker.",
    "bust": "Decide whether the followers follow it; until then nothing is opened on that instrument.",
    "business_reject": "Read the broker's text. An order without an outcome is asked about.",
    "clock_step": "Nothing is lost: what may be on its way to a broker is waited for anew. Have the clock "
    "corrected slowly (chrony without makestep) while the gateway trades.",
    "clock": "Closes go on. Bring the clock back (chrony, ntpd): opens follow by themselves.",
    "account_currency": "The value of before stays. Correct `currency` of the account, or ask the broker.",
    "close_capped": "Look at the account. What was not closed by hand is sent when a report allows it.",
    "close_no_price": "Give the instrument a quote: the venue takes no market orders.",
    "close_rejected": "It is tried again until it is done. If the broker goes on refusing, close by hand.",
    "close_waits": "Bring the route up, or ask the broker what became of the earlier order.",
    "close_unnamed": "Find the position in the account. `ctl CONFIG position` names it; or close by hand.",
    "contradiction": "Compare both books. Opens of that order are frozen, closes are not.",
    "correction_unpriced": "Tell what the account is worth: `ctl CONFIG account` with an equity.",
    "corporate_action": "Opens of the instrument wait: tell what it did by `adjust`, then `bust-resume`.",
    "fill_missing": "Compare both books and ask the broker: a trade is not counted without its report.",
    "empty_fill": "Nothing was counted. Ask the counterparty; its status or the trade again tells.",
    "foreign_order": "Somebody else trades this account, or another deployment has the same name.",
    "gap": "The broker passed over messages that never came. Orders without an outcome are asked about.",
    "garbled": "Ask the counterparty what it sent; the bytes are in the journal.",
    "garbled_rows": "Run the same version of copygate on core and routes.",
    "guard": "Closes go on. Decide with the account's owner, then release the follower by name.",
    "join": "What was refused is not tried again: `resync` asks once more when the reason is gone.",
    "journal_tail_lost": "Opens are stopped. Compare positions with the brokers before you arm again.",
    "look_alike": "If it was one trade that came twice, close one of them; nothing was refused.",
    "mirror_lost": "The leader is protected there and the follower is not: place it by hand, or close.",
    "position_break": "Find out who traded there. `ctl CONFIG reconcile` adopts, closes or ignores it.",
    "position_other": "Look at the account: what was named was not closed. Check the profile's tag.",
    "position_pair": "Look at the account: it came of a late fill or a bust.",
    "position_unnamed": "A later report may name it; else `ctl CONFIG position` does.",
    "provider_active": "Nothing: opens of its copies go on.",
    "provider_inactive": "Look after the leader's session. What was closed needs a release by name.",
    "repeated_copies": "Closes go on. Find out what trades so often, then release the follower by name.",
    "leader_drift": "What the leader holds less of was reduced here too; more is not copied. Find out why.",
    "leader_gap": "A fill may be lost. Where the venue answers, positions are asked for; else compare.",
    "leader_position_break": "Nothing: the net is copied. A report of his was lost: find out which.",
    "leader_position_odd": "The net is copied. Compare with his broker; check the profile's position_id_tag.",
    "leader_position_lost": "Nothing is copied. Compare with the leader's broker; its PositionReport helps.",
    "leader_unnamed": "The net is copied, his broker is asked. Check the profile's position_id_tag.",
    "leader_reject": "The leader's venue does not take one of our requests: check its profile.",
    "order_rejected": "The broker's FIX engine refuses our dialect: check the route's profile.",
    "query_rejected": "The venue does not answer status requests: check the route's profile.",
    "repeated_execution": "It was counted on its own day. If it is a new fill, copy it by hand.",
    "retired_order": "Compare the follower's position with its broker's: `reconcile` settles a difference.",
    "route_log_lost": "Orders on their way are asked about. Find out who removed rows or files.",
    "route_switched": "Look after the route that ails. `ctl CONFIG reroute` decides by hand.",
    "self_match": 'Venues ask for this to be prevented: `faults.self_match = "wait"`, or one leader less.',
    "session_reject": "The broker's FIX engine refuses our dialect: check the route's profile.",
    "stuck_residue": "Close it by hand at the broker.",
    "trading_halt": "Orders wait or are refused by the venue until trading goes on.",
    "unexpected_fill": "Compare the follower's position with its broker.",
    "unknown_account": "Name the account in a leader's section, or ignore it.",
    "unknown_order": "Ask the broker; `ctl CONFIG reconcile` with `filled` or `gone` books what it says.",
    "unknown_route": "Give core and routes the same configuration.",
    "unknown_session": "Give the session a leader in the configuration.",
    "unknown_symbol": "Add the symbol to the leader's `symbols` to have it copied.",
    "unreadable": "Nothing was copied. Ask the counterparty for a correction; the journal has the bytes.",
    "unwritable": "Add the account and the symbol to the follower's section.",
    "we_rejected": "A message could not be taken: ask the counterparty to correct it and send it again.",
}
"""By code."""
PLAIN = frozenset(
    {
        *("arm", "bust_resume", "kill", "leader_position"),
        *(
            "adjust",
            "leave",
            "left",
            "order_settled",
            "pause",
            "position_break_ends",
            "position",
            "reconcile",
            "reroute",
            "resume",
            "resync",
        ),
    }
)
"""Codes that only confirm what somebody did or said."""
_NUMBERS = (
    "The counterparty counts from a lower MsgSeqNum(34) than we expect, and the line was dropped. Compare "
    "both numbers with it: either it goes on at the expected one, or both sides agree who resets and when, "
    "and `reset` of the session says so."
)
_COMP_IDS = "49 must be our `target_comp_id`, 56 our `sender_comp_id`"
_STRANGER = (
    "Compare BeginString(8), SenderCompID(49) and TargetCompID(56) of the message with the sessions of the "
    f"configuration: {_COMP_IDS}, the port that session's. If all agree, the session is logged on already, "
    "and a second one is refused."
)
_OTHER_NAME = (
    "Compare SenderCompID(49) and TargetCompID(56) of the counterparty's message with the session: "
    f"{_COMP_IDS}. Correct them on the side that is wrong."
)
EVENTS = (
    (re.compile("MsgSeqNum too low"), _NUMBERS),
    (re.compile("Session not found for incoming message"), _STRANGER),
    (re.compile(r"Message \d+ Rejected: CompID problem"), _OTHER_NAME),
)
"""QuickFIX's events that keep a line down until a person acts, by the beginning of their text. The end may be
the counterparty's own words, and decides nothing."""


def advice(code: str) -> str:
    """What to do; empty where the alert says all."""
    return ADVICE.get(code, "")


def event_advice(text: str) -> str:
    """What to do about an event of QuickFIX; empty for those that only tell its life."""
    return next((words for beginning, words in EVENTS if beginning.match(text)), "")
