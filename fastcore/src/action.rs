//! What the engine tells the outside while it applies an event.

use crate::config::InstrumentConfig;
use crate::decimal::Dec;
use crate::mirrored::Mirrored;
use crate::refusal::Refusal;
use serde::Serialize;

/// How a leader's execution moved one target: the numbers that a reader needs to do it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conversion {
    /// Leader's position before, signed units.
    pub position_before: Dec,
    /// Units of the execution that lowered it, as far as the target followed; a bust waits for the operator.
    pub reduce: Dec,
    /// Units of the execution that raised it.
    pub increase: Dec,
    /// The part of the increase that was sized; the rest was refused.
    pub counted: Dec,
    /// The copy goes the other way.
    pub reverse: bool,
    /// Follower units per leader unit from the symbol map; it is part of the ratio.
    pub qty_factor: Dec,
    /// Units in one lot at the leader's venue.
    pub leader_contract: Dec,
    /// Units in one lot at the follower's venue.
    pub follower_contract: Dec,
    /// For a member of a block: what of it is its own.
    pub dealt: Option<Dealt>,
    /// For amounts: units that the leader's order had been given before, and the leader units the rest is for.
    pub shared: Option<(Dec, Dec)>,
    /// The execution takes back or corrects an earlier one, and the target was worked out again without that one.
    pub recomputed: bool,
    /// Target as the leader moved it, quanta; limits and refusals may have taken some of it back since.
    pub target_moved: i128,
    /// What the line of the follower was then; the orders are made from it and the target.
    pub line: Held,
}

/// A member's part of a block, lot steps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dealt {
    /// Its lots before the execution.
    pub before: i128,
    /// Its lots after what the leader closed was taken back.
    pub kept: i128,
    /// Its lots after what the leader opened was dealt.
    pub after: i128,
    /// All lots of the block after that.
    pub block: i128,
    /// All weights of this deal; of nobody where nothing was opened.
    pub weights: Dec,
}

impl Dealt {
    /// The target after lots were taken back: what was refused before stays refused.
    #[must_use]
    pub fn reduced(&self, target: i128) -> i128 {
        let back = self.before.saturating_sub(self.kept);
        if back == 0 && self.before > 0 {
            return target;
        }
        crate::ledger::reduced(target, Dec::from_raw(self.before), Dec::from_raw(back))
    }
}

/// What a follower holds and has on its way for one subscription and instrument, units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// The target rounded to lots, signed.
    pub rounded: Dec,
    /// Filled by our orders, signed.
    pub filled: Dec,
    /// Leaves of our buy orders.
    pub working_buy: Dec,
    /// Leaves of our sell orders.
    pub working_sell: Dec,
}

/// One subscription's answer to one leader execution.
#[derive(Clone, Debug)]
pub struct Decision<'a> {
    /// Subscription index.
    pub sub: u32,
    /// OrderID(37), ClOrdID(11) and ExecID(17) of the leader's report; empty where there was none.
    pub order_id: &'a [u8],
    /// ClOrdID(11) of the leader.
    pub cl_ord_id: &'a [u8],
    /// ExecID(17) of the leader.
    pub exec_id: &'a [u8],
    /// Leader instrument.
    pub instrument: &'a str,
    /// Signed units of the leader's execution.
    pub leader_delta: Dec,
    /// Leader's position after it.
    pub leader_position: Dec,
    /// Price of the execution.
    pub px: Option<Dec>,
    /// Follower units per leader unit, or the amount in units for amount modes.
    pub ratio: Option<Dec>,
    /// Target before, quanta of the follower's step.
    pub target_before: i128,
    /// Target after.
    pub target_after: i128,
    /// Units in one step of the follower instrument.
    pub step: Dec,
    /// How the target moved; none where there is no target to move.
    pub conversion: Option<Conversion>,
    /// Why nothing or less was sent.
    pub refusals: &'a [Refusal],
    /// Orders made: ClOrdID, signed units.
    pub orders: &'a [(Vec<u8>, Dec)],
    /// What is missing and was not sent, though nothing refused it.
    pub held_back: Option<HeldBack>,
    /// This is the k-th of n decisions.
    pub k: u32,
    /// Number of subscriptions of the leader.
    pub n: u32,
}

/// What is missing beside a target, and waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeldBack {
    /// `halt`, `order_in_doubt`, `broker_position`, `unnamed_position`, `refused_lately`, `self_match`.
    pub why: &'static str,
    /// Units.
    pub units: Dec,
}

/// An order that no decision has: a close that is tried again, an open that waited, a close that a guard asked for.
#[derive(Clone, Debug)]
pub struct Later<'a> {
    /// Subscription index.
    pub sub: u32,
    /// ClOrdID(11) of ours.
    pub cl_ord_id: &'a [u8],
    /// Leader instrument.
    pub instrument: &'a str,
    /// Signed units.
    pub qty: Dec,
}

/// What became of one order.
#[derive(Clone, Debug)]
pub struct Outcome<'a> {
    /// Subscription index.
    pub sub: u32,
    /// ClOrdID(11) of ours.
    pub cl_ord_id: &'a [u8],
    /// State's name.
    pub state: &'static str,
    /// OrderQty(38), units.
    pub qty: Dec,
    /// CumQty(14), units.
    pub cum_qty: Dec,
    /// Price of the fill, where there was one.
    pub px: Option<Dec>,
    /// What moved a position; none where only the state changed.
    pub moved: Option<Moved<'a>>,
    /// When the route wrote it down; the journal row's time where no route did.
    pub at_ns: i64,
}

/// What a fill, or one that is taken back or corrected, moved.
#[derive(Clone, Copy, Debug)]
pub struct Moved<'a> {
    /// `fill`, `bust` or `correct`.
    pub act: &'static str,
    /// The order buys.
    pub buy: bool,
    /// Units in the order's direction; negative where they are taken back.
    pub units: Dec,
    /// ExecID(17) of the report.
    pub exec_id: &'a [u8],
    /// The execution, by a number of ours that a bust of it has too; 0 where it has no name.
    pub execution: u128,
    /// Leader instrument.
    pub instrument: &'a str,
    /// Follower instrument, with its contract size and the currency of its price.
    pub traded: &'a InstrumentConfig,
}

/// Something a person should see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Alert {
    /// Stable code.
    pub code: &'static str,
    /// What, with values and units.
    pub text: String,
}

/// Receives what the engine derives. The hot path wants frames only.
pub trait Sink {
    /// Whether decisions and outcomes are wanted: building them costs time.
    const WANTS_DECISIONS: bool;
    /// Whether frames of orders are wanted: a replay derives the same orders without writing them.
    const WANTS_FRAMES: bool = true;
    /// An encoded frame for a route, in the order of decision.
    fn frame(&mut self, route: u32, frame: &[u8]);
    /// A question to a leader's broker: a whole FIX message but for its sequence number and comp ids.
    fn question(&mut self, _session: &str, _message: &[u8]) {}
    /// A decision on a leader execution.
    fn decision(&mut self, _decision: &Decision<'_>) {}
    /// An order that was made without a leader's execution.
    fn later(&mut self, _later: &Later<'_>) {}
    /// A step of the mirror of a leader's working order.
    fn mirrored(&mut self, _mirrored: &Mirrored<'_>) {}
    /// A change of an order of ours.
    fn outcome(&mut self, _outcome: &Outcome<'_>) {}
    /// Something a person should see.
    fn alert(&mut self, _alert: &Alert) {}
}

/// A sink that forgets everything: for replay and baselines.
#[derive(Debug, Default)]
pub struct Discard;

impl Sink for Discard {
    const WANTS_DECISIONS: bool = false;
    const WANTS_FRAMES: bool = false;
    fn frame(&mut self, _route: u32, _frame: &[u8]) {}
}
