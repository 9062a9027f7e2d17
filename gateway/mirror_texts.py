"""Steps of mirrors in words, for screens. The core gives the names; documents have the long form."""

from __future__ import annotations

from collections.abc import Mapping

ACTS: Mapping[str, str] = {
    "place": "an order was placed",
    "replace": "the broker was asked to replace the order",
    "cancel": "the broker was asked to cancel the order",
    "withdraw": "the order was taken back before it left",
    "keep": "the order stays as it is",
    "wait": "nothing could be asked for yet",
    "none": "there is no order, and none is wanted",
    "refuse": "no order was made",
    "fill": "the broker filled some of the order",
    "bust": "the broker took back, or corrected, a fill",
    "accepted": "the broker has replaced the order",
    "replace_refused": "the broker refused to replace the order",
    "cancel_refused": "the broker refused to cancel the order",
    "ended": "the order can not fill any more",
    "settled": "what it was ahead or behind by was settled",
    "over": "the mirror is over, and forgotten",
}

REASONS: Mapping[str, str] = {
    "begins": "it is the first order for the leader's",
    "anew": "in the place of an earlier one",
    "changed": "quantity or terms are to be other ones",
    "unanswered": "an earlier request was never answered, so nobody knows what there is",
    "as_wanted": "it is what is wanted",
    "limited": "limits refused what it was to grow by",
    "leader_ended": "the leader's order has ended, or has nothing left to fill",
    "leader_filled": "the leader's order ended, and the time of `leader_filled` is over",
    "filled": "it is filled, and nothing of it is left to fill",
    "small": "what is left is less than the smallest lot",
    "refused": "it was refused, and is not asked for again by itself",
    "lost": "its order ended without our asking; none is placed before the leader changes his",
    "barred": "a guard closed everything, or the subscription leaves",
    "left": "the subscription has left and keeps what it holds",
    "stopped": "a stop cancels what opens",
    "nothing_to_close": "there is nothing that it could close",
    "other_closes": "other closes take all that is to be closed",
    "capped": "the position that the follower's broker reported leaves no room for it",
    "terms": "the follower's venue does not take what the leader's order has become",
    "turned": "it was made as a close and would open by now; it is placed anew as an open",
    "no_replace": "the venue does not replace orders; it is placed anew when the broker has answered",
    "irreplaceable": "the broker refused to replace it; it is placed anew when the broker has answered",
    "requests": "it was asked for too many changes; it is placed anew when the broker has answered",
    "away": "the order was on its way, and a request could overtake it",
    "replacing": "a request to replace it was not answered yet",
    "canceling": "a request to cancel it was not answered yet",
    "pause": "the route was down, or a request was refused or is repeated a moment later",
    "halt": "a halt leaves closes as they are",
    "unknown_position": "the leader's position is not known",
    "working": "nothing was asked of it",
    "late": "the order had ended before",
    "too_late": "too late: it was filled or gone already",
    "unknown_order": "the broker says that it does not know the order",
    "brokers_choice": "for a reason of the broker's own",
    "asked": "as we had asked",
    "unasked": "nobody had asked for it",
    "closed": "the leader's order can not bring as much any more; the rest is closed at the market",
    "kept": 'the leader\'s order can not bring as much any more; the rest is kept (ahead = "keep")',
    "stays_closed": "it closed more than the leader's order can any more; that stays closed",
    "close_done": "it was the close that was still wanted",
    "given_up": "the leader filled more; that is given up",
    "to_market": "the leader filled more; that is opened at the market",
    "not_copied": "the leader's order is no stop, and only his stops are copied, or none is any more",
    "too_little": "what is missing is too little for an order; it counts later",
    "shrunk": "the leader has reduced, so less is missing",
}


def act(name: str) -> str:
    """The words for what was done; a name that is newer than this list speaks for itself."""
    return ACTS.get(name, name)


def why(name: str) -> str:
    """The words for why."""
    return REASONS.get(name, name)
