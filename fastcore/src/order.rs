//! Life of one child order, as one table (design 06).

use crate::decimal::Dec;
use serde::{Deserialize, Serialize};

/// Where an order stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum State {
    /// Intended; waits for its route.
    Held,
    /// Handed to the route; not known whether it left.
    Dispatched,
    /// The route wrote OUT: it may be at the broker.
    Out,
    /// The broker has it.
    Acknowledged,
    /// The broker has it and filled a part.
    PartlyFilled,
    /// No answer in time: being asked about, never sent again meanwhile.
    Unknown,
    /// Filled whole.
    Filled,
    /// Canceled, with or without part fills.
    Canceled,
    /// Refused by the broker.
    Rejected,
    /// Expired at the broker.
    Expired,
    /// Never sent, or proven absent and too old to send.
    Missed,
}

impl State {
    /// Every state.
    pub const ALL: [State; 11] = [
        State::Held,
        State::Dispatched,
        State::Out,
        State::Acknowledged,
        State::PartlyFilled,
        State::Unknown,
        State::Filled,
        State::Canceled,
        State::Rejected,
        State::Expired,
        State::Missed,
    ];

    /// Nothing more is expected; late fills still count.
    #[must_use]
    pub const fn is_done(self) -> bool {
        matches!(self, State::Filled | State::Canceled | State::Rejected | State::Expired | State::Missed)
    }

    /// The name in status and audit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            State::Held => "held",
            State::Dispatched => "dispatched",
            State::Out => "out",
            State::Acknowledged => "acknowledged",
            State::PartlyFilled => "partial",
            State::Unknown => "unknown",
            State::Filled => "filled",
            State::Canceled => "canceled",
            State::Rejected => "rejected",
            State::Expired => "expired",
            State::Missed => "missed",
        }
    }
}

/// What can happen to an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// Handed to a synced route.
    Dispatch,
    /// The route wrote OUT.
    OutRow,
    /// The route wrote NOT_SENT, or a SYNC proved that it never left.
    NotSent,
    /// New, pending new, or a status that shows it alive.
    Acknowledge,
    /// A fill that leaves something open.
    PartFill,
    /// A fill that leaves nothing open.
    Fill,
    /// Canceled.
    Cancel,
    /// Rejected.
    Reject,
    /// Expired.
    Expire,
    /// No report in time.
    Silence,
    /// Proven not to be at the broker.
    Absent,
    /// Given up before it left.
    Withdraw,
}

impl Input {
    /// Every input.
    pub const ALL: [Input; 12] = [
        Input::Dispatch,
        Input::OutRow,
        Input::NotSent,
        Input::Acknowledge,
        Input::PartFill,
        Input::Fill,
        Input::Cancel,
        Input::Reject,
        Input::Expire,
        Input::Silence,
        Input::Absent,
        Input::Withdraw,
    ];
}

/// The table: the state after `input`, or `None` where the pair is illegal and changes nothing.
///
/// A broker's word is accepted in every state that may have reached it, also when our own state says otherwise:
/// a late fill of an order thought dead moves the books.
#[must_use]
pub const fn next(state: State, input: Input) -> Option<State> {
    use Input as I;
    use State as S;
    Some(match (state, input) {
        (S::Held, I::Dispatch) => S::Dispatched,
        (S::Held, I::Withdraw) => S::Missed,
        (S::Dispatched, I::OutRow) => S::Out,
        (S::Out | S::Acknowledged | S::PartlyFilled | S::Unknown, I::OutRow) => state,
        (S::Dispatched, I::NotSent) => S::Held,
        (S::Unknown, I::Absent) => S::Held,
        (S::Out | S::Acknowledged | S::PartlyFilled, I::Silence) => S::Unknown,
        (S::Dispatched | S::Out | S::Unknown | S::Acknowledged, I::Acknowledge) => S::Acknowledged,
        (S::PartlyFilled, I::Acknowledge | I::PartFill) => S::PartlyFilled,
        (S::Dispatched | S::Out | S::Unknown | S::Acknowledged, I::PartFill) => S::PartlyFilled,
        (S::Held, I::PartFill) => S::PartlyFilled,
        (S::Dispatched | S::Out | S::Unknown | S::Acknowledged | S::PartlyFilled | S::Held, I::Fill) => {
            S::Filled
        }
        (S::Dispatched | S::Out | S::Unknown | S::Acknowledged | S::PartlyFilled, I::Cancel) => S::Canceled,
        (S::Dispatched | S::Out | S::Unknown | S::Acknowledged | S::PartlyFilled, I::Reject) => S::Rejected,
        (S::Dispatched | S::Out | S::Unknown | S::Acknowledged | S::PartlyFilled, I::Expire) => S::Expired,
        // A fill after the end: the books move, the order stays ended.
        (S::Filled | S::Canceled | S::Rejected | S::Expired | S::Missed, I::PartFill | I::Fill) => state,
        _ => return None,
    })
}

/// ClOrdID(11) as text.
pub type ClOrdId = smallvec::SmallVec<[u8; 24]>;

/// One order of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// ClOrdID(11).
    pub cl_ord_id: Vec<u8>,
    /// Subscription.
    pub sub: u32,
    /// Ledger line.
    pub line: u32,
    /// True for a buy.
    pub buy: bool,
    /// True when it reduces the subscription's filled position.
    pub reduces: bool,
    /// OrderQty(38), units.
    pub qty: Dec,
    /// Price(44) of a limit order.
    pub px: Option<Dec>,
    /// Highest CumQty(14) counted, units.
    pub cum: Dec,
    /// Busts taken off, units.
    pub busted: Dec,
    /// Where it stands.
    pub state: State,
    /// Send attempts: answers for another try are ignored.
    pub try_no: u16,
    /// Not to be sent after this; 0 for closes, which have no deadline.
    pub deadline_ns: i64,
    /// When its state last changed.
    pub since_ns: i64,
    /// OrderID(37) of the broker.
    pub order_id: Vec<u8>,
    /// Cancel in flight: its ClOrdID(11).
    pub cancel_id: Option<Vec<u8>>,
    /// Cancels made so far.
    pub cancels: u16,
    /// No further cancel before this, after a cancel reject.
    pub cancel_after_ns: i64,
    /// Status queries made so far; an answer to another is ignored.
    pub query_no: u16,
    /// Incarnation of the route that it was handed to.
    pub incarnation: u64,
    /// Core epoch that handed it over.
    pub epoch: u64,
}

impl Order {
    /// What can still fill, units.
    #[must_use]
    pub fn leaves(&self) -> Dec {
        if self.state.is_done() {
            return Dec::ZERO;
        }
        Dec::from_raw(self.qty.raw().saturating_sub(self.cum.raw()).max(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pair that the table does not name changes nothing; an ended order never lives again.
    #[test]
    fn an_ended_order_never_lives_again() {
        for s in State::ALL.into_iter().filter(|s| s.is_done()) {
            for i in Input::ALL {
                let after = next(s, i);
                assert!(after.is_none() || after == Some(s), "{s:?} {i:?} gives {after:?}");
            }
        }
    }

    /// Only a held order can be handed to a route: nothing is sent twice.
    #[test]
    fn only_a_held_order_is_dispatched() {
        for s in State::ALL {
            assert_eq!(next(s, Input::Dispatch).is_some(), s == State::Held, "{s:?}");
        }
    }

    /// An order returns to held only by proof: NOT_SENT of a dispatched one, or absence of an unknown one.
    #[test]
    fn an_order_is_held_again_only_by_proof() {
        for s in State::ALL {
            for i in Input::ALL {
                if next(s, i) == Some(State::Held) {
                    let proof = matches!(
                        (s, i),
                        (State::Dispatched, Input::NotSent) | (State::Unknown, Input::Absent)
                    );
                    assert!(proof, "{s:?} {i:?}");
                }
            }
        }
    }

    /// A fill is accepted in every state: the broker's word moves the books.
    #[test]
    fn a_fill_is_accepted_in_every_state() {
        for s in State::ALL {
            assert!(next(s, Input::Fill).is_some(), "{s:?}");
            assert!(next(s, Input::PartFill).is_some(), "{s:?}");
        }
    }
}
