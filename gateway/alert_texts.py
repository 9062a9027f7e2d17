"""What each alert means, for the page of alerts and for whoever is told of one.

What to do about an alert of the core is in `alerts.py`; what processes and sessions say has both here.
"""

from __future__ import annotations

MEANS = {
    "account": "an operator gave account values",
    "adjust": "an operator changed a leader's position",
    "arm": "a stop was released by name",
    "bad_command": "an operator command could not be read, or changes nothing",
    "bad_quote": "a quote without a price, crossed, or of zero",
    "bad_side": "a trade of a leader whose Side(54) is neither a buy nor a sell",
    "bad_start": "the configuration at a start was refused by the core",
    "broker_bust": "a follower's broker took back or corrected a fill",
    "bust": "a leader's broker took back or corrected a trade",
    "bust_resume": "an operator let opens go on after a bust",
    "business_reject": "a broker did not take a message of ours (BusinessMessageReject)",
    "clock": "this machine's clock turned too far from UTC, or good again",
    "clock_step": "this machine's clock was put forward",
    "close_capped": "a close is larger than the position that the follower's broker reported",
    "close_no_price": "a close waits for a price: the venue takes limit orders only",
    "close_rejected": "a broker rejected a close",
    "close_waits": "closes wait: a route is down, or the fate of an earlier order is not known",
    "contradiction": "reports of one order cannot all be true",
    "corporate_action": "a broker rescaled an order (ExecRestatementReason 0)",
    "empty_fill": "a trade report without any quantity",
    "fill_missing": "a broker's CumQty(14) is above the trades that it reported",
    "foreign_order": "a report on our session about an order that we never sent",
    "gap": "a follower's broker skipped messages that we asked for again",
    "garbled": "a message that is no FIX message",
    "garbled_rows": "a route sent what the core cannot read",
    "guard": "an equity guard stopped a follower, or let it go on",
    "join": "a subscription joins, or could not open all that its leader holds",
    "journal_tail_lost": "a route or the audit log has seen journal rows that are gone",
    "kill": "somebody stopped everything, a leader, a follower, an instrument or a route",
    "leader_drift": "the leader's broker reports another position than his trades add up to",
    "leader_gap": "a leader's broker skipped messages that we asked for again",
    "leader_position": "a leader's position was set by a report",
    "leader_position_lost": "a leader's position is not known any more",
    "leader_reject": "a leader's broker refused a question of ours",
    "leave": "a subscription leaves",
    "left": "a subscription has left: nothing of it works any more",
    "mirror_lost": "an order of the leader's could not be mirrored, or its mirror is gone",
    "order_rejected": "a broker's FIX engine refused an order of ours",
    "order_settled": "what became of an order in doubt is known, by its account or a person",
    "pause": "an operator paused a subscription",
    "close_unnamed": "a close at a hedging venue is held back: nobody named the position that it closes",
    "position_break": "a follower's broker holds another position than our orders filled",
    "position_break_ends": "a follower's broker and our books agree again",
    "position_other": "a close at a hedging venue traded as another position than the one that it named",
    "position_pair": "positions of both sides stood beside each other at a hedging venue: one side is closed",
    "position": "an operator said what a position at a hedging venue holds",
    "position_unnamed": "a fill at a hedging venue named no position",
    "provider_active": "a leader whose opens were stopped is active again",
    "provider_inactive": "a leader's session is down or silent for longer than allowed",
    "query_rejected": "a broker refused a question about an order",
    "reconcile": "an operator, or the rule `on_break`, decided about a position break",
    "repeated_copies": "one line was copied more often than allowed",
    "repeated_execution": "an ExecID(17) that was counted on another day came again",
    "reroute": "an operator decided by which of two routes new orders go",
    "resume": "an operator ended a pause",
    "resync": "an operator asked for a subscription's targets anew",
    "retired_order": "a fill or bust of an order that ended longer ago than `retire_after_s`",
    "route_log_lost": "rows of a route are lost: its file is new, or our journal lost what it had taken",
    "route_switched": "new orders go by a reserve route, or by the primary again",
    "session_reject": "a broker's FIX engine refused a message of ours (Reject)",
    "stuck_residue": "a rest of a position is smaller than the broker lets us close",
    "trading_halt": "a venue stopped an instrument",
    "unexpected_fill": "an order that was thought dead was filled, or filled beyond its quantity",
    "unknown_account": "a leader's report is about an account that no leader has",
    "unknown_order": "nobody can tell what became of an order",
    "unknown_route": "a frame of a route that the configuration has not",
    "unknown_session": "a message of a session that no leader has",
    "unknown_symbol": "a leader traded a symbol that is not mapped",
    "unreadable": "a field that we need has no value that can be read",
    "unwritable": "an order cannot be written: its account, symbol or quantity does not fit the venue",
    "we_rejected": "our FIX engine rejected a counterparty's message",
}
"""Alerts of the core, by code."""
_PEER = "find out who; or list the key"
_ENGINE = "it ends or is started again; report it with the log"
PROCESSES = {
    "alerts.not_taken": (
        "a sink refused one alert for what it says, and was not asked again",
        "read the alert in the log, and mend what receives it",
    ),
    "alerts.sink_down": (
        "a sink does not take alerts: they wait for it, and it is tried again",
        "what it says; `copygate alerts test CONFIG` tries every sink",
    ),
    "alerts.sink_gone": (
        "alerts waited for a sink that the configuration has no more",
        "nothing: they are in the log",
    ),
    "alerts.spool_full": (
        "nobody reads the alerts' spool: of each process only the first alert of each code is kept from here",
        "start `copygate run CONFIG --only alerts` beside the other parts, or read why it ends",
    ),
    "alerts.spool_torn": (
        "an alert was written in part, when its process or the disk ended",
        "read the log of that time",
    ),
    "alerts.spool_fails": (
        "an alert could not be spooled: it is in the log only",
        "make room, or give this user the right to write there",
    ),
    "alerts.state_not_kept": (
        "the alerts process could not write what it knows: it goes on, and alerts may come twice",
        "make room, or give this user the right to write there",
    ),
    "alerts.state_lost": (
        "what the alerts process knew could not be read: it was set aside, and alerts may come twice",
        "nothing; find out who wrote to the file",
    ),
    "alerts.test": ("somebody tries the sinks", "nothing: it is a test"),
    "audit.no_status": (
        "the audit process could not say how it is",
        "make room, or give it the right to write there",
    ),
    "control.left_stop": (
        "a stop that was left while no core answered is in the journal now",
        "nothing: it says what holds",
    ),
    "control.left_stop_stays": (
        "a stop was taken up, and its file cannot be removed",
        "remove the file, or give this user the right to",
    ),
    "core.clock_back": (
        "the clock is behind the journal's last row, or there again",
        "have it corrected slowly; opens may be refused as stale until it is there",
    ),
    "core.route_lost": (
        "a route was silent for `orphan_ms` or its connection broke",
        "nothing at first: it is started again, or asked who it is. If it stays away, read its own lines",
    ),
    "core.routes_missing": (
        "the core has started and a route has not",
        "read the route's lines; leaders are followed, orders of that route wait",
    ),
    "fix.callback_failed": (
        "a process ends itself: it could not keep what it was told, or it hangs",
        "nothing: it is started again and the counterparty repeats it. If it comes again, report it",
    ),
    "fix.doorbell_dead": ("the FIX engine of a process failed", _ENGINE),
    "fix.event": ("the FIX engine says what keeps a line down", "what it says"),
    "fix.gap_stays": (
        "a counterparty sent a part of what was asked for again",
        "nothing at first. If it comes every 5 seconds, ask the counterparty for the numbers",
    ),
    "fix.host_unknown": ("a name does not resolve", "the session's `host`, the machine's name service"),
    "fix.journal_stalls": (
        "a row could not be written, and is tried again",
        "make room, or look after the disk: in a moment the process ends rather than lose it",
    ),
    "fix.logout": ("a counterparty ended the session and said why", "act on its words"),
    "fix.refused": (
        "our FIX engine rejected a message",
        "ask the counterparty to correct it; what it reported was not applied",
    ),
    "fix.thread_ended": ("the FIX engine of a process failed", _ENGINE),
    "fix.thread_hangs": ("the FIX engine of a process failed", _ENGINE),
    "route.kill": (
        "a route heeds a stop that was left while no core answered",
        "nothing: it says what holds",
    ),
    "route.kill_ends": ("the core took that stop up, and decides again", "nothing: it says what holds"),
    "route.not_handed_over": (
        "an order had its row, and the session went down before it left",
        "nothing: the broker is asked, and it is sent again if it is not known there",
    ),
    "run.ended": (
        "a process ended; `exit_code` and `action` say how and what next",
        "2: mend the configuration. 4: no start heals it. 75: make room. Below 0: find out who killed it",
    ),
    "run.failed": ("why a process ended, with what to do", "what it says"),
    "run.killed": ("a process did not stop in time", "nothing is lost; report it if it comes again"),
    "wire.identity_refused": ("somebody wanted to connect under another route's name", _PEER),
    "wire.key_refused": ("somebody without a listed key wanted to connect", _PEER),
    "wire.peer_refused": ("somebody without a listed key wanted to connect", _PEER),
}
"""What processes and sessions say, by event: what it means, and what to do."""
