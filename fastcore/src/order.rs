//! Life of one child order, as one table (design 06).

use crate::decimal::Dec;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

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
        // Held again after the broker did not know it: it knows it now.
        (S::Held, I::Acknowledge) => S::Acknowledged,
        (S::Held, I::Cancel) => S::Canceled,
        (S::Held, I::Expire) => S::Expired,
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

/// Longest ClOrdID(11) that we make: 20 characters of base32 are 100 bits of a hash.
pub const CL_ORD_ID_MAX: usize = 20;

/// ClOrdID(11) of ours, kept in place: an order costs no allocation.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClOrdId {
    text: [u8; CL_ORD_ID_MAX],
    len: u8,
}

impl ClOrdId {
    /// The id of a text; none when it is longer than any that we make.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        let mut id = Self { text: [0; CL_ORD_ID_MAX], len: u8::try_from(text.len()).ok()? };
        id.text.get_mut(..text.len())?.copy_from_slice(text);
        Some(id)
    }

    /// Its place and how much of it is used.
    #[must_use]
    pub const fn parts(&self) -> (&[u8; CL_ORD_ID_MAX], u8) {
        (&self.text, self.len)
    }

    /// What it is found by; an id is looked at again after it was found.
    #[must_use]
    pub fn key(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(&self.text)
    }

    /// The ClOrdID(11) of request number `n` about this order.
    #[must_use]
    pub fn of_cancel(&self, n: u32) -> ClOrdId {
        let mut seed = SmallVec::<[u8; 32]>::new();
        for part in [&self[..], b"cancel", &n.to_le_bytes()] {
            seed.extend_from_slice(part);
        }
        ClOrdId::from_hash(xxhash_rust::xxh3::xxh3_128(&seed), self.len())
    }

    /// Letters and digits of a hash, which every venue accepts; at most [`CL_ORD_ID_MAX`].
    #[must_use]
    pub fn from_hash(hash: u128, len: usize) -> Self {
        let mut text = [0; CL_ORD_ID_MAX];
        // Ten bits are two characters; 60 of them at a time, since a u64 shifts much faster than a u128.
        let mut bits = low_60(hash);
        for (n, pair) in text.chunks_exact_mut(2).enumerate() {
            if n == 6 {
                bits = low_60(hash >> 60);
            }
            let at = usize::try_from(bits & 1_023).unwrap_or(0);
            pair.copy_from_slice(PAIRS.get(at).unwrap_or(b"AA"));
            bits >>= 10;
        }
        let len = len.min(CL_ORD_ID_MAX);
        if let Some(unused) = text.get_mut(len..) {
            unused.fill(0);
        }
        Self { text, len: u8::try_from(len).unwrap_or(0) }
    }
}

fn low_60(hash: u128) -> u64 {
    u64::try_from(hash & 0xFFF_FFFF_FFFF_FFFF).unwrap_or(0)
}

/// Every two characters of base32, the low five bits first.
static PAIRS: [[u8; 2]; 1_024] = pairs();

const fn pairs() -> [[u8; 2]; 1_024] {
    const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let mut out = [[0; 2]; 1_024];
    let mut n = 0;
    while n < 1_024 {
        out[n] = [BASE32[n & 31], BASE32[n >> 5]];
        n = n.wrapping_add(1);
    }
    out
}

impl std::ops::Deref for ClOrdId {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.text.get(..usize::from(self.len)).unwrap_or(&[])
    }
}

impl std::fmt::Debug for ClOrdId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self))
    }
}

/// Longest name of a position that is kept, bytes: brokers' own have ten to twenty.
pub const POSITION_ID_MAX: usize = 64;

/// A position of a hedging account, as its broker names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct PositionId(Box<[u8]>);

impl PositionId {
    /// The name of a text; none where it is empty or longer than any that we keep.
    #[must_use]
    pub fn from_text(text: &[u8]) -> Option<Self> {
        (1..=POSITION_ID_MAX).contains(&text.len()).then(|| Self(text.into()))
    }
}

/// Looked up by the text of a report, which makes no name of it.
impl std::borrow::Borrow<[u8]> for PositionId {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl std::ops::Deref for PositionId {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Display for PositionId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from_utf8_lossy(self))
    }
}

/// One order of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// ClOrdID(11).
    pub cl_ord_id: ClOrdId,
    /// Subscription.
    pub sub: u32,
    /// Ledger line.
    pub line: u32,
    /// True for a buy.
    pub buy: bool,
    /// True when it reduces the subscription's filled position.
    pub reduces: bool,
    /// True when it mirrors a working order of the leader: it stands outside of what is committed.
    pub mirror: bool,
    /// The broker had it: it is never sent a second time.
    pub taken: bool,
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
    /// The route that carries it; another one may, as long as it is held.
    pub route: u32,
    /// Send attempts: answers for another try are ignored.
    pub try_no: u16,
    /// It was sent before, and its broker said that it does not know it.
    pub again: bool,
    /// Not to be sent after this; 0 for closes, which have no deadline.
    pub deadline_ns: i64,
    /// When its state last changed, or the broker first denied an order whose outcome is not known.
    pub since_ns: i64,
    /// The broker denied it since its outcome is not known: so it has read everything that we sent before it was asked.
    pub denied: bool,
    /// OrderID(37) of the broker.
    pub order_id: Box<[u8]>,
    /// At a hedging venue: the position that it closes, or the one that its trades opened.
    pub position: Option<Box<PositionId>>,
    /// Cancel in flight: its ClOrdID(11).
    pub cancel_id: Option<ClOrdId>,
    /// Requests to cancel or replace it made so far.
    pub cancels: u32,
    /// No further request before this: one was refused, or is to be answered by then.
    pub cancel_after_ns: i64,
    /// Status queries made so far; an answer to another is ignored.
    pub query_no: u32,
    /// When the newest status query was made; 0: never.
    pub asked_ns: i64,
    /// Incarnation of the route that it was handed to.
    pub incarnation: u64,
    /// Core epoch that handed it over.
    pub epoch: u64,
}

// Thousands of orders are made in one event: what one more costs is memory that is touched.
const _: () = assert!(std::mem::size_of::<Order>() <= 224);

impl Order {
    /// A buy of nothing that waits for its route: what is made of it is set field by field.
    #[must_use]
    pub fn new(cl_ord_id: ClOrdId, sub: u32, line: u32) -> Self {
        Order {
            cl_ord_id,
            sub,
            line,
            buy: true,
            reduces: false,
            mirror: false,
            taken: false,
            qty: Dec::ZERO,
            px: None,
            cum: Dec::ZERO,
            busted: Dec::ZERO,
            state: State::Held,
            route: 0,
            try_no: 1,
            again: false,
            deadline_ns: 0,
            since_ns: 0,
            denied: false,
            order_id: Box::default(),
            position: None,
            cancel_id: None,
            cancels: 0,
            cancel_after_ns: 0,
            query_no: 0,
            asked_ns: 0,
            incarnation: 0,
            epoch: 0,
        }
    }

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

    /// What every pair leads to, written down a second time; `-` changes nothing. Columns are the inputs in their order:
    /// Dispatch, OutRow, NotSent, Acknowledge, PartFill, Fill, Cancel, Reject, Expire, Silence, Absent, Withdraw.
    const PAIRS: [(State, &str); 11] = [
        (State::Held, "Dispatched - - Acknowledged PartlyFilled Filled Canceled - Expired - - Missed"),
        (State::Dispatched, "- Out Held Acknowledged PartlyFilled Filled Canceled Rejected Expired - - -"),
        (State::Out, "- Out - Acknowledged PartlyFilled Filled Canceled Rejected Expired Unknown - -"),
        (
            State::Acknowledged,
            "- Acknowledged - Acknowledged PartlyFilled Filled Canceled Rejected Expired Unknown - -",
        ),
        (
            State::PartlyFilled,
            "- PartlyFilled - PartlyFilled PartlyFilled Filled Canceled Rejected Expired Unknown - -",
        ),
        (State::Unknown, "- Unknown - Acknowledged PartlyFilled Filled Canceled Rejected Expired - Held -"),
        (State::Filled, "- - - - Filled Filled - - - - - -"),
        (State::Canceled, "- - - - Canceled Canceled - - - - - -"),
        (State::Rejected, "- - - - Rejected Rejected - - - - - -"),
        (State::Expired, "- - - - Expired Expired - - - - - -"),
        (State::Missed, "- - - - Missed Missed - - - - - -"),
    ];

    /// Every state with every input leads where the table of the test says, and nowhere else.
    #[test]
    fn every_pair_of_state_and_input_is_as_written_down() {
        assert_eq!(PAIRS.map(|row| row.0), State::ALL);
        for (state, row) in PAIRS {
            let cells: Vec<&str> = row.split(' ').collect();
            assert_eq!(cells.len(), Input::ALL.len(), "{state:?}");
            for (input, cell) in Input::ALL.into_iter().zip(cells) {
                let found = next(state, input).map_or("-".to_owned(), |after| format!("{after:?}"));
                assert_eq!(found, cell, "{state:?} and {input:?}");
            }
        }
    }

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

    /// Held again after the broker did not know it, an order may still live, or have ended, at the broker.
    #[test]
    fn the_brokers_word_about_a_held_order_is_accepted() {
        for (input, after) in [
            (Input::Acknowledge, State::Acknowledged),
            (Input::Cancel, State::Canceled),
            (Input::Expire, State::Expired),
        ] {
            assert_eq!(next(State::Held, input), Some(after));
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

#[cfg(test)]
#[path = "order_edges.rs"]
mod edges;
