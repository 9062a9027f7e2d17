//! What the leader did: from reports in any order to exact changes of position (design 02, step 1). Pure.

use crate::decimal::Dec;
use crate::report::{Kind, Report, Side};
use crate::sizing::Rule;
use rustc_hash::{FxHashMap, FxHashSet};
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// What is remembered of one leader order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LeaderOrder {
    /// CumQty(14) that is counted.
    pub known: Dec,
    /// Latest OrderQty(38).
    pub order_qty: Option<Dec>,
    /// TransactTime(60) of the newest report.
    pub last_ns: i64,
    /// A bust was seen: reports count by LastQty.
    pub busted: bool,
    /// Busts seen so far: part of an order's cause.
    pub busts: u32,
    /// Quantities contradict each other: increases are refused.
    pub frozen: bool,
    /// The order was asked for before trading was understood.
    pub rules: Vec<(u32, Frozen)>,
}

/// A subscription's rule for one leader order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Frozen {
    /// Rate or amount.
    pub rule: Rule,
    /// Part of an amount that is used up, refused parts included; units.
    pub sized: Dec,
    /// Trade date of the freeze.
    pub date: u32,
}

/// One execution that a bust may name later.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Execution {
    /// Units, unsigned.
    pub qty: Dec,
    /// True for a buy.
    pub buy: bool,
    /// Taken back already.
    pub busted: bool,
}

/// Memory of one side's reports: a leader's, or a follower's broker's.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Reports that are known, for ever: (OrderID, ExecID, ExecType, LastQty, CumQty).
    pub reports: FxHashSet<u128>,
    /// Executions by order and ExecID(17).
    pub executions: FxHashMap<u128, Execution>,
}

/// What a report says about the order's filled quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing new.
    None,
    /// The same report again.
    Duplicate,
    /// More was filled: all of it, and the part that has the report's own age.
    Fill {
        /// Units, positive.
        qty: Dec,
        /// Units that carry the report's TransactTime.
        timed: Dec,
    },
    /// An execution was taken back or corrected: signed change in the order's direction.
    Bust {
        /// Units; negative takes away.
        delta: Dec,
    },
    /// CumQty fell without a bust, or exceeds OrderQty: contradiction.
    Contradiction,
    /// A bust or correction of an execution that is not known and names no quantity.
    UnknownBust,
}

fn hash_parts(parts: &[&[u8]]) -> u128 {
    let mut bytes: smallvec::SmallVec<[u8; 160]> = smallvec::SmallVec::new();
    for p in parts {
        bytes.extend_from_slice(p);
        bytes.push(1);
    }
    xxh3_128(&bytes)
}

fn dec_bytes(d: Option<Dec>) -> [u8; 17] {
    let mut out = [0_u8; 17];
    if let Some(d) = d {
        out[0] = 1;
        out[1..].copy_from_slice(&d.raw().to_le_bytes());
    }
    out
}

/// Key of an order within its account.
#[must_use]
pub fn order_key(report: &Report<'_>) -> u128 {
    hash_parts(&[report.order_key])
}

fn report_key(report: &Report<'_>, kind: u8) -> u128 {
    let (last, cum) = (dec_bytes(report.last_qty), dec_bytes(report.cum_qty));
    hash_parts(&[report.order_key, report.exec_id, report.exec_ref_id, &[kind], &last, &cum])
}

fn kind_byte(kind: Kind) -> u8 {
    match kind {
        Kind::Trade => b'F',
        Kind::Bust => b'H',
        Kind::Correct => b'G',
        Kind::Status => b'I',
        Kind::New => b'0',
        Kind::PendingNew => b'A',
        Kind::DoneForDay => b'3',
        Kind::Canceled => b'4',
        Kind::Replaced => b'5',
        Kind::PendingCancel => b'6',
        Kind::PendingReplace => b'E',
        Kind::Rejected => b'8',
        Kind::Expired => b'C',
        Kind::Restated { .. } => b'D',
        Kind::Note(b) => b,
    }
}

/// How a venue counts: from its profile.
#[derive(Clone, Copy, Debug)]
pub struct Counting {
    /// Quantities come from LastQty(32), not from CumQty(14).
    pub by_last: bool,
    /// A bust lowers CumQty(14).
    pub bust_reduces_cum: bool,
    /// Quantity of one unit in the report: contract size where the venue counts lots.
    pub factor: Dec,
}

fn scaled(q: Option<Dec>, c: &Counting) -> Option<Dec> {
    if c.factor == Dec::ONE { q } else { q?.mul(c.factor, crate::decimal::Round::HalfEven) }
}

/// Reads what a report changes, and remembers it.
pub fn observe(
    seen: &mut Seen,
    order: &mut LeaderOrder,
    first: bool,
    report: &Report<'_>,
    c: &Counting,
) -> Change {
    if !seen.reports.insert(report_key(report, kind_byte(report.kind))) {
        return Change::Duplicate;
    }
    let last = scaled(report.last_qty, c).filter(|q| q.is_positive());
    let cum = scaled(report.cum_qty, c);
    if let Some(q) = scaled(report.order_qty, c).filter(|q| q.is_positive()) {
        if matches!(report.kind, Kind::Bust | Kind::Correct) || order.busted {
            // Some venues print the trade's quantity there: the order's own is kept.
            order.order_qty = order.order_qty.or(Some(q));
        } else {
            order.order_qty = Some(q);
        }
    }
    let late = report.transact_ns.is_some_and(|t| t < order.last_ns);
    let change = match report.kind {
        Kind::Bust | Kind::Correct => bust(seen, order, report, last, cum, c),
        Kind::Restated { reason: Some(0) } => {
            order.known = cum.unwrap_or(order.known);
            Change::None
        }
        Kind::Trade if order.busted || c.by_last => by_last(order, last, cum),
        _ if order.busted => Change::None,
        _ => by_cum(order, first, report.kind == Kind::Trade, last, cum, late),
    };
    if let Change::Fill { .. } = change {
        remember(seen, report, last);
    }
    if let Some(t) = report.transact_ns {
        order.last_ns = order.last_ns.max(t);
    }
    change
}

fn remember(seen: &mut Seen, report: &Report<'_>, last: Option<Dec>) {
    if let (Some(qty), false) = (last, report.exec_id.is_empty()) {
        let key = hash_parts(&[report.order_key, report.exec_id]);
        seen.executions.insert(key, Execution { qty, buy: report.side == Side::Buy, busted: false });
    }
}

fn by_last(order: &mut LeaderOrder, last: Option<Dec>, cum: Option<Dec>) -> Change {
    let Some(qty) = last else { return Change::None };
    let counted = order.known.checked_add(qty).unwrap_or(order.known);
    order.known = if order.busted { counted } else { counted.max(cum.unwrap_or(counted)) };
    Change::Fill { qty, timed: qty }
}

fn by_cum(
    order: &mut LeaderOrder,
    first: bool,
    trade: bool,
    last: Option<Dec>,
    cum: Option<Dec>,
    late: bool,
) -> Change {
    let last_qty = last.unwrap_or(Dec::ZERO);
    let Some(cum) = cum.filter(|q| !q.is_negative()) else {
        return if trade && last_qty.is_positive() { by_last(order, last, None) } else { Change::None };
    };
    if trade && cum.is_zero() && last_qty.is_positive() {
        // A venue that leaves CumQty at 0 on fills: LastQty is all there is.
        return by_last(order, last, None);
    }
    if first {
        // Begun before we listened: what it filled then is part of the leader's starting position.
        let before = if trade { cum.checked_sub(last_qty).unwrap_or(cum) } else { cum };
        order.known = if trade { before.max(Dec::ZERO) } else { before };
    }
    if cum < order.known {
        let inside = trade && last_qty.is_positive();
        return if late || inside || cum.is_zero() { Change::None } else { contradiction(order) };
    }
    let qty = cum.checked_sub(order.known).unwrap_or(Dec::ZERO);
    order.known = cum;
    if order.order_qty.is_some_and(|q| cum > q) {
        order.frozen = true;
    }
    if qty.is_zero() {
        return Change::None;
    }
    Change::Fill { qty, timed: if trade { qty.min(last_qty) } else { Dec::ZERO } }
}

fn contradiction(order: &mut LeaderOrder) -> Change {
    order.frozen = true;
    Change::Contradiction
}

fn bust(
    seen: &mut Seen,
    order: &mut LeaderOrder,
    report: &Report<'_>,
    last: Option<Dec>,
    cum: Option<Dec>,
    c: &Counting,
) -> Change {
    let key = hash_parts(&[report.order_key, report.exec_ref_id]);
    let known = seen.executions.get(&key).copied();
    order.busted = true;
    order.busts = order.busts.saturating_add(1);
    if known.is_some_and(|e| e.busted) {
        return Change::None;
    }
    let Some(old) = known.map(|e| e.qty).or(if report.kind == Kind::Bust { last } else { None }) else {
        return Change::UnknownBust;
    };
    let new = if report.kind == Kind::Correct { last.unwrap_or(old) } else { Dec::ZERO };
    if let Some(e) = seen.executions.get_mut(&key) {
        e.qty = new;
        e.busted = new.is_zero();
    }
    let delta = new.checked_sub(old).unwrap_or(Dec::ZERO);
    order.known = match (c.bust_reduces_cum, cum) {
        (true, Some(cum)) => cum,
        _ => order.known.checked_add(delta).unwrap_or(order.known),
    };
    Change::Bust { delta }
}
