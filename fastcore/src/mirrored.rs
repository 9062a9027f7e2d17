//! What the engine says about mirrors (decision 0030): every decision with the numbers that led to it, and what the
//! follower's broker answered meanwhile. Data: nothing here decides.

use crate::decimal::Dec;
use crate::mirror::{Asked, Terms, Unmirrored};
use crate::order::ClOrdId;
use crate::refusal::Refusal;
use crate::sizing::Rule;
use serde::{Deserialize, Serialize};

macro_rules! words {
    ($(#[$of:meta])* $kind:ident { $($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)? }) => {
        $(#[$of])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $kind { $($(#[$doc])* $name),+ }

        impl $kind {
            /// Every word, in documentation order: added, never renamed.
            pub const ALL: &'static [$kind] = &[$($kind::$name),+];

            /// The word in the audit log.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $($kind::$name => $text),+ }
            }
        }
    };
}

words! {
    /// What was decided about a mirror, or heard of it.
    Step {
        /// A new order was made.
        Place = "place",
        /// The broker is asked to replace the order.
        Replace = "replace",
        /// The broker is asked to cancel the order.
        Cancel = "cancel",
        /// The order was taken back before it left.
        Withdraw = "withdraw",
        /// The order stays as it is.
        Keep = "keep",
        /// Something else is wanted, and cannot be asked for now.
        Wait = "wait",
        /// There is no order, and none is wanted.
        Nothing = "none",
        /// The leader's order is not mirrored, or no order is made for it.
        Refuse = "refuse",
        /// The broker filled some of the order.
        Fill = "fill",
        /// The broker took back, or corrected, a fill.
        Bust = "bust",
        /// The broker has replaced the order.
        Accepted = "accepted",
        /// The broker refused to replace the order.
        ReplaceRefused = "replace_refused",
        /// The broker refused to cancel the order.
        CancelRefused = "cancel_refused",
        /// The order can not fill any more.
        Ended = "ended",
        /// What the mirror was ahead or behind by was settled.
        Settled = "settled",
        /// The mirror is forgotten: both orders are over and nothing is open between them.
        Over = "over",
    }
}

words! {
    /// Why.
    Why {
        /// Its first order.
        Begins = "begins",
        /// In the place of an earlier order of the same mirror.
        Anew = "anew",
        /// Quantity or terms are other ones than the order has.
        Changed = "changed",
        /// A request to replace it was never answered: nobody knows what there is.
        Unanswered = "unanswered",
        /// It is what is wanted.
        AsWanted = "as_wanted",
        /// Limits refused what it was to grow by.
        Limited = "limited",
        /// The leader's order has ended, or has nothing left to fill.
        LeaderEnded = "leader_ended",
        /// The leader's order ended long enough ago for `leader_filled` to act.
        LeaderFilled = "leader_filled",
        /// It has filled all that the leader's order may still bring.
        Filled = "filled",
        /// What is left is less than the smallest lot.
        Small = "small",
        /// What limits, or the broker, refused is not asked for again.
        Refused = "refused",
        /// Its order ended without our asking: none is placed before the leader changes his.
        Lost = "lost",
        /// A guard closed everything, or the subscription leaves.
        Barred = "barred",
        /// The subscription has left, and keeps what it holds.
        Left = "left",
        /// A stop cancels opens.
        Stopped = "stopped",
        /// It closes, and there is nothing that it could close.
        NothingToClose = "nothing_to_close",
        /// Other closes take all that is to be closed.
        OtherCloses = "other_closes",
        /// The broker's position leaves no room for it.
        Capped = "capped",
        /// The follower's venue does not take what the leader's order has become.
        Terms = "terms",
        /// It was made as a close, and would open by now.
        Turned = "turned",
        /// The venue does not replace orders: it is cancelled and placed anew.
        NoReplace = "no_replace",
        /// The broker refused to replace this one: it is cancelled and placed anew.
        Irreplaceable = "irreplaceable",
        /// It was asked for changes too often: it is cancelled and placed anew.
        Requests = "requests",
        /// The order is on its way, or nobody knows where: a request could overtake it.
        Away = "away",
        /// A replace is not answered yet.
        Replacing = "replacing",
        /// A cancel is not answered yet.
        Canceling = "canceling",
        /// The route is down, or a request was refused a moment ago.
        Pause = "pause",
        /// A stop at `halt` leaves closes as they are.
        Halt = "halt",
        /// The leader's position is not known.
        UnknownPosition = "unknown_position",
        /// The broker has the order, and nothing is asked of it.
        Working = "working",
        /// The order had ended before.
        Late = "late",
        /// CxlRejReason(102) is 0: too late to cancel or replace.
        TooLate = "too_late",
        /// CxlRejReason(102) is 1: the broker does not know the order.
        UnknownOrder = "unknown_order",
        /// Another CxlRejReason(102), or none.
        BrokersChoice = "brokers_choice",
        /// We had asked for it.
        Asked = "asked",
        /// Nobody had asked for it.
        Unasked = "unasked",
        /// Ahead by more than the leader's order can bring: that is closed at the market.
        Closed = "closed",
        /// Ahead by more than the leader's order can bring: that is kept (`ahead = "keep"`).
        Kept = "kept",
        /// What a closing mirror closed beyond the leader's order stays closed: the target comes down to it.
        StaysClosed = "stays_closed",
        /// What a closing mirror filled after the leader's order had brought it is the close that was wanted.
        CloseDone = "close_done",
        /// What the leader filled and the follower did not is given up.
        GivenUp = "given_up",
        /// What the leader filled and the follower did not is opened at the market.
        ToMarket = "to_market",
        /// The leader's order is no stop (any more), and only his stops are copied; or none of his orders is, any more.
        NotCopied = "not_copied",
        /// Too little for an order: it stays in the target and counts later.
        TooLittle = "too_little",
        /// What was behind shrank with what is wanted: the leader has reduced.
        Shrunk = "shrunk",
    }
}

/// What a leader's report called his order and itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Said {
    /// Journal row of the report.
    pub row: u64,
    /// OrderID(37).
    pub order_id: Box<[u8]>,
    /// ClOrdID(11).
    pub cl_ord_id: Box<[u8]>,
    /// ExecID(17).
    pub exec_id: Box<[u8]>,
}

/// The leader's order, and what he holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaderOrder {
    /// He buys.
    pub buy: bool,
    /// What it may still fill, leader units.
    pub left: Dec,
    /// It has ended.
    pub ended: bool,
    /// His terms; none where they cannot be read.
    pub terms: Option<Terms>,
    /// What he holds, signed leader units; none: not known.
    pub position: Option<Dec>,
}

/// What is known of a mirror beside its order, quanta of the follower's lot step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Between {
    /// Its fills are ahead of what the leader's moved the target by; negative: behind.
    pub ahead: i128,
    /// What limits refused.
    pub refused: i128,
    /// What a reject refused.
    pub rejected: i128,
    /// Units in one lot step.
    pub step: Dec,
}

/// How the size of an order came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// The part that is special to opens and closes; none: nothing was worked out.
    pub part: Option<Part>,
    /// Units in the smallest order.
    pub min: Dec,
    /// The largest order that the venue takes, of a close that bounds of one order allow too; units.
    pub venue_max: Option<Dec>,
    /// Orders of the mirror: more than one where it is to have more open than that.
    pub parts: u32,
    /// Units that its other orders may still fill.
    pub others: Dec,
    /// Units that the order is to have open.
    pub units: Dec,
}

/// How many units are wanted, before the venue's bounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// It adds to the leader's position.
    Open {
        /// What one leader unit, or the whole order, is worth: frozen when the order began.
        rule: Rule,
        /// Quanta of an amount that the target gained by it already.
        counted: i128,
        /// Quanta that the leader's order would still open.
        opening: i128,
        /// `opening` less what it is ahead by and what was refused, not below zero; quanta.
        rest: i128,
    },
    /// It takes off the leader's position.
    Close {
        /// Units that the follower's orders filled, signed.
        held: Dec,
        /// `held` without sign, with what closing mirrors are ahead by.
        base: Dec,
        /// The share of `base` that the leader's order has of the leader's position.
        share: Dec,
        /// Units of it that the mirror has closed ahead of the leader.
        done: Dec,
        /// The most that other closes and the target leave to it.
        room: Dec,
        /// The most that the broker's position allows; none: not asked.
        broker: Option<Dec>,
    },
}

/// How the terms of an order came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prices {
    /// The leader's average entry, where a stop is measured by it.
    pub entry: Option<Dec>,
    /// `stop_multiplier`.
    pub multiplier: Dec,
    /// The copy goes the other way: a limit becomes a stop, a stop a limit.
    pub reverse: bool,
    /// Follower price per leader price.
    pub factor: Dec,
    /// Smallest change of price.
    pub tick: Dec,
    /// Price(44) and StopPx(99) before they were put on the tick.
    pub exact: (Option<Dec>, Option<Dec>),
    /// The follower's terms.
    pub terms: Option<Terms>,
    /// Why there are none.
    pub unmirrored: Option<Unmirrored>,
}

/// The follower's order before the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Had {
    /// ClOrdID(11) that it was made under.
    pub cl_ord_id: ClOrdId,
    /// Name of its state.
    pub state: &'static str,
    /// It was made to close.
    pub reduces: bool,
    /// OrderQty(38), units.
    pub qty: Dec,
    /// CumQty(14), units.
    pub cum: Dec,
    /// Its terms, where they are known.
    pub terms: Option<Terms>,
    /// The request that is not answered.
    pub asked: Asked,
    /// The largest OrderQty(38) of requests to replace it that are not answered, units; zero: none.
    pub unanswered: Dec,
}

/// What leaves because of the step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct To {
    /// ClOrdID(11) of the new order, or of the request.
    pub cl_ord_id: ClOrdId,
    /// OrderQty(38), units; none for a cancel.
    pub qty: Option<Dec>,
    /// Its terms; none for a cancel.
    pub terms: Option<Terms>,
}

/// What limits said to an open, units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// They were asked for so much.
    pub asked: Dec,
    /// They let through so much.
    pub admitted: Dec,
}

/// What a fill, or the end of a wait, moved; quanta of the follower's lot step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Units of a fill; negative where one was taken back.
    pub units: Option<Dec>,
    /// What the mirror was ahead by before.
    pub ahead_before: i128,
    /// And after.
    pub ahead_after: i128,
    /// Target before, where it was settled.
    pub target_before: Option<i128>,
    /// And after.
    pub target_after: Option<i128>,
}

/// One step of a mirror.
#[derive(Clone, Debug)]
pub struct Mirrored<'a> {
    /// Subscription index.
    pub sub: u32,
    /// Leader instrument.
    pub instrument: &'a str,
    /// The newest report of the leader's order.
    pub said: &'a Said,
    /// ExecID(17) of the leader's report in this row, be it about this order or another one; empty: another cause.
    pub cause: &'a [u8],
    /// Journal row in which the mirror began; 0: there is none.
    pub begun: u64,
    /// What was decided or heard.
    pub step: Step,
    /// Why.
    pub why: Why,
    /// The follower buys.
    pub buy: bool,
    /// The leader's side.
    pub leader: LeaderOrder,
    /// What stands between both orders.
    pub between: Between,
    /// How the size came about.
    pub size: Option<Size>,
    /// How the terms came about.
    pub prices: Option<Prices>,
    /// The follower's order.
    pub order: Option<Had>,
    /// What leaves.
    pub to: Option<To>,
    /// What limits said.
    pub limits: Option<Limits>,
    /// What moved.
    pub moved: Option<Moved>,
    /// Refusals of this step.
    pub refusals: &'a [Refusal],
}
