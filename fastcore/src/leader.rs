//! What the leader did: from reports in any order to exact changes of position (design 02, step 1). Pure.

use crate::decimal::{Dec, Round};
use crate::profile::{BustCum, FillKey, FillQty, OrderKey, Profile};
use crate::report::{Kind, Report, Side};
use crate::rules::{self, kept};
use crate::sizing::Rule;
use crate::stores::Growing;
use crate::time::trade_date;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

/// What is remembered of one leader order.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LeaderOrder {
    /// What its reports and executions are remembered by; see [`identify`].
    pub id: u128,
    /// What it trades.
    pub instrument: u32,
    /// Filled, canceled, rejected or expired, as far as reports say.
    pub ended: bool,
    /// It outlives its day: TimeInForce(59) is GTC or GTD, as the newest report with one says.
    pub outlives_day: bool,
    /// CumQty(14) that is counted.
    pub known: Dec,
    /// Latest OrderQty(38).
    pub order_qty: Option<Dec>,
    /// TransactTime(60) of the newest report.
    pub last_ns: i64,
    /// Bought (true) or sold, as the last report with a Side(54) said: a status may leave it out.
    pub bought: Option<bool>,
    /// A bust was seen: reports count by LastQty.
    pub busted: bool,
    /// Busts seen so far: part of an order's cause.
    pub busts: u32,
    /// What CumQty(14) may say after a bust; none before the first. Few orders have one, so it is kept apart.
    pub after_bust: Option<Box<AfterBust>>,
    /// Quantities contradict each other: increases are refused.
    pub frozen: bool,
    /// Each subscription's rule, frozen at the order's first increase; by its place among those of the leader.
    pub rules: Vec<Option<Frozen>>,
    /// Counted through CumQty(14) alone: the trade reports are on their way, or lost.
    pub unexplained: Dec,
    /// Counted from trades without an ExecID(17): a bust that names one of them finds no name.
    pub unnamed: Dec,
    /// Filled before we listened: part of the starting position, never counted.
    pub before: Dec,
    /// What it had filled before subscriptions copied it, and did not take off the other side: of an amount only the part
    /// behind it is opened. By the first place, among those of the leader, that it counts for, rising.
    pub missed: Vec<(u32, Dec)>,
}

impl LeaderOrder {
    /// What it had filled before the subscription at this place copied it; none where that opened nothing.
    #[must_use]
    pub fn missed_by(&self, place: usize) -> Option<Dec> {
        let counts = |(from, _): &&(u32, Dec)| usize::try_from(*from).is_ok_and(|from| from <= place);
        self.missed.iter().rev().find(counts).map(|(_, qty)| *qty)
    }

    /// A corporate action: what was filled is another number of other units, and what was missed of it with it.
    fn rescale(&mut self, known: Dec) {
        for (_, qty) in &mut self.missed {
            *qty = qty.mul_div(known, self.known, Round::HalfEven).unwrap_or(*qty);
        }
        self.known = known;
    }

    /// All of it is filled, as far as reports say.
    #[must_use]
    pub fn is_filled(&self) -> bool {
        self.order_qty.is_some_and(|qty| self.known >= qty)
    }

    /// Subscriptions from this place on begin to copy it now, with the leader's position as it is known.
    pub fn missed_from(&mut self, place: u32, qty: Dec, position: Option<Dec>) {
        // What closed the other side, or a part of it, has opened nothing: its amount is still to come.
        let against =
            position.map_or(0, Dec::signum).saturating_mul(self.bought.map_or(0, |b| if b { 1 } else { -1 }))
                < 0;
        if qty.is_positive() && !against {
            self.missed.retain(|(from, _)| *from < place);
            self.missed.push((place, qty));
        }
    }
}

/// What explains a CumQty(14) that is above what is counted, after a bust.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct AfterBust {
    /// Taken back so far: it stays in CumQty where a bust does not reduce that.
    pub taken: Dec,
    /// The highest CumQty that was shown.
    pub shown: Dec,
}

/// A subscription's rule for one leader order.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Frozen {
    /// Rate or amount.
    pub rule: Rule,
    /// Part of an amount that is used up, refused parts included; units.
    pub sized: Dec,
    /// Trade date of the freeze: an order that outlives its day is frozen anew on each.
    pub date: u32,
}

impl LeaderOrder {
    /// What the subscription at a place has used up of the amount that this order is worth to it, units.
    #[must_use]
    pub fn sized(&self, place: usize) -> Dec {
        self.rules.get(place).and_then(Option::as_ref).map_or(Dec::ZERO, |rule| rule.sized)
    }
}

/// One execution that a bust or correction names.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Execution {
    /// Units that count now, unsigned.
    pub qty: Dec,
    /// How far its own trade report is.
    pub trade: Trade,
}

/// How far the trade report of an execution is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trade {
    /// Seen and counted.
    Counted,
    /// Overtaken by its bust, which took off what was counted already: nothing is left to do when it comes.
    Settled,
    /// Overtaken by its bust or correction, which could not tell how much it had counted.
    Awaited,
}

/// Memory of a leader's reports, or of one of our own orders' ones.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Seen {
    /// Reports that are known, as long as their order is: (OrderID, ExecID, ExecType, LastQty, CumQty).
    pub reports: Growing<u128, ()>,
    /// Executions by order and ExecID(17).
    pub executions: Growing<u128, Execution>,
    /// ExecID(17) of a correction → the execution that it corrects.
    #[serde(serialize_with = "crate::canonical::map")]
    pub corrections: FxHashMap<u128, u128>,
}

impl Seen {
    /// It is a leader's: millions will come.
    pub fn expect_many(&mut self) {
        self.reports.expect_many();
        self.executions.expect_many();
    }

    /// Remembers an execution that is not known yet.
    fn learn(&mut self, key: u128, qty: Dec, trade: Trade) {
        let known = self.executions.insert_new(key, Execution { qty, trade });
        debug_assert!(known.is_ok(), "asked for before");
    }
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
    /// A bust or correction of an execution that was never seen: nothing moved yet, and nothing may be opened.
    UnknownBust,
    /// A corporate action (378 = 0): CumQty was set to the new scale.
    Rescaled,
    /// A quantity that does not fit in units: nothing was counted or remembered.
    Overflow,
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

/// Key of the name that a report gives its order, within the account.
#[must_use]
pub fn order_key(report: &Report<'_>) -> u128 {
    hash_parts(&[report.order_key])
}

/// Which order a report is about, decided once for each name that is not the order's own (decision 0010).
///
/// A venue that names orders by ClOrdID(11) gives a replaced order a new name: 41 leads to the order itself. FIX lets
/// a venue use an OrderID(37) again on a later trade date: such an order is another one.
pub fn identify(
    names: &mut FxHashMap<u128, u128>,
    orders: &FxHashMap<u128, LeaderOrder>,
    seen: &Seen,
    report: &Report<'_>,
    c: &Counting,
) -> u128 {
    let key = order_key(report);
    let of = |key: u128| names.get(&key).copied().unwrap_or(key);
    let id = of(key);
    match orders.get(&id) {
        Some(order) if begins_anew(seen, order, report, c) => {
            let date = trade_date(report.transact_ns.unwrap_or(0)).to_le_bytes();
            let next = hash_parts(&[&key.to_le_bytes(), &date]);
            names.insert(key, next);
            next
        }
        Some(_) => id,
        None if c.by_client && !report.orig_cl_ord_id.is_empty() => {
            let replaced = of(hash_parts(&[report.orig_cl_ord_id]));
            if orders.contains_key(&replaced) {
                names.insert(key, replaced);
                return replaced;
            }
            id
        }
        None => id,
    }
}

/// Its trade date is later than that of every report of the order that had this name.
fn on_a_later_day(order: &LeaderOrder, report: &Report<'_>) -> bool {
    order.last_ns > 0 && report.transact_ns.is_some_and(|t| trade_date(t) > trade_date(order.last_ns))
}

/// The report cannot belong to the order of this name: a New after its end, or a first fill (CumQty = LastQty) after
/// others, on a later trade date. Word for word the same execution is taken for a repetition.
fn begins_anew(seen: &Seen, order: &LeaderOrder, report: &Report<'_>, c: &Counting) -> bool {
    if !on_a_later_day(order, report) {
        return false;
    }
    match report.kind {
        Kind::New | Kind::PendingNew => order.ended,
        Kind::Trade => {
            let first_fill =
                report.last_qty.is_some_and(Dec::is_positive) && report.cum_qty == report.last_qty;
            let counts = first_fill && order.known.is_positive() && !order.busted && !c.by_last;
            counts && !repeats(seen, order, report, c)
        }
        _ => false,
    }
}

fn repeats(seen: &Seen, order: &LeaderOrder, report: &Report<'_>, c: &Counting) -> bool {
    let side = match report.side {
        Side::Buy => order.bought != Some(false),
        Side::Sell => order.bought != Some(true),
        Side::Other(_) | Side::Missing => true,
    };
    side && seen.reports.get(&report_key(order.id, report, c)).is_some()
}

/// An execution that is known, reported with a later trade date: taken for a repetition, and worth a look.
#[must_use]
pub fn repeated_later(order: &LeaderOrder, report: &Report<'_>) -> bool {
    report.kind == Kind::Trade && on_a_later_day(order, report)
}

fn report_key(id: u128, report: &Report<'_>, c: &Counting) -> u128 {
    let (last, cum) = (dec_bytes(report.last_qty), dec_bytes(report.cum_qty));
    // Where there is no ExecID(17), the time tells two fills of one size apart.
    let time = if c.by_time { report.transact_ns.unwrap_or(0).to_le_bytes() } else { [0; 8] };
    let kind = [kind_byte(report.kind)];
    let key = hash_parts(&[&id.to_le_bytes(), report.exec_id, report.exec_ref_id, &kind, &last, &cum, &time]);
    let fills = matches!(report.kind, Kind::Trade | Kind::Bust | Kind::Correct);
    if fills || !(c.by_time || report.exec_id.is_empty()) {
        return key;
    }
    // Two changes of one order within one tick of the venue's clock differ by what they say of the order alone.
    let [qty, px, stop] = [report.order_qty, report.px, report.stop_px].map(dec_bytes);
    hash_parts(&[&key.to_le_bytes(), &qty, &px, &stop, report.cl_ord_id])
}

fn execution_key(id: u128, exec_id: &[u8]) -> u128 {
    hash_parts(&[&id.to_le_bytes(), exec_id])
}

/// What a bust or correction names: the execution of a trade report, or the one that is taken back; 0 for other reports.
#[must_use]
pub fn named_execution(seen: &Seen, order: &LeaderOrder, report: &Report<'_>) -> u128 {
    match report.kind {
        Kind::Trade if !report.exec_id.is_empty() => execution_key(order.id, report.exec_id),
        Kind::Bust | Kind::Correct => {
            let named = execution_key(order.id, report.exec_ref_id);
            seen.corrections.get(&named).copied().unwrap_or(named)
        }
        _ => 0,
    }
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
    /// Two fills are told apart by TransactTime(60): there is no ExecID(17).
    pub by_time: bool,
    /// Orders are named by ClOrdID(11), which changes with every replace.
    pub by_client: bool,
    /// Quantity of one unit in the report: contract size where the venue counts lots.
    pub factor: Dec,
}

impl Counting {
    /// As the profile says; `factor` as [`crate::engine::Index::unit`] gives it.
    #[must_use]
    pub fn of(p: &Profile, factor: Dec) -> Self {
        Counting {
            by_last: p.fill_qty == FillQty::LastQty,
            bust_reduces_cum: p.bust_cum == BustCum::Reduced,
            by_time: p.fill_key == FillKey::OrderCumTime,
            by_client: p.order_key == OrderKey::ClOrdId,
            factor,
        }
    }

    /// Units of a reported quantity; none where there is none, or it does not fit.
    #[must_use]
    pub fn in_units(&self, q: Option<Dec>) -> Option<Dec> {
        self.units(q).unwrap_or(None)
    }

    /// Units of a reported quantity; an error where they do not fit.
    fn units(&self, q: Option<Dec>) -> Result<Option<Dec>, Change> {
        match q {
            Some(q) if self.factor != Dec::ONE => {
                q.mul(self.factor, Round::HalfEven).map(Some).ok_or(Change::Overflow)
            }
            q => Ok(q),
        }
    }
}

/// Reads what a report changes, and remembers it.
pub fn observe(
    seen: &mut Seen,
    order: &mut LeaderOrder,
    first: bool,
    report: &Report<'_>,
    c: &Counting,
) -> Change {
    let (last, cum) = match (c.units(report.last_qty), c.units(report.cum_qty)) {
        (Ok(last), Ok(cum)) => (last.filter(|q| q.is_positive()), cum),
        (Err(overflow), _) | (_, Err(overflow)) => {
            order.frozen = true;
            return overflow;
        }
    };
    if seen.reports.insert_new(report_key(order.id, report, c), ()).is_err() && kept(rules::Rule::Dedupe) {
        return Change::Duplicate;
    }
    if let Some(q) = c.in_units(report.order_qty).filter(|q| q.is_positive()) {
        if matches!(report.kind, Kind::Bust | Kind::Correct) || order.busted {
            // Some venues print the trade's quantity there: the order's own is kept.
            order.order_qty = order.order_qty.or(Some(q));
        } else {
            order.order_qty = Some(q);
        }
    }
    let late = report.transact_ns.is_some_and(|t| t < order.last_ns);
    let change = match report.kind {
        Kind::Bust | Kind::Correct => amend(seen, order, report, last, cum, c),
        Kind::Restated { reason: Some(0) } => {
            order.rescale(cum.unwrap_or(order.known));
            Change::Rescaled
        }
        Kind::Trade => trade(seen, order, first, report, last, cum, c),
        // After a bust, or where the venue's CumQty is not to be trusted, only trades count.
        _ if order.busted || c.by_last => Change::None,
        _ => by_cum(order, first, cum, late),
    };
    if let Some(t) = report.transact_ns {
        order.last_ns = order.last_ns.max(t);
    }
    let terminal = matches!(report.ord_status, b'2' | b'4' | b'8' | b'C')
        || matches!(report.kind, Kind::Canceled | Kind::Expired | Kind::Rejected);
    // A filled order lives on when a replace raises its quantity.
    order.ended = terminal || (order.ended && report.kind != Kind::Replaced);
    change
}

fn minus(a: Dec, b: Dec) -> Dec {
    a.checked_sub(b).filter(|d| d.is_positive()).unwrap_or(Dec::ZERO)
}

fn plus(a: Dec, b: Dec) -> Dec {
    a.checked_add(b).unwrap_or(a)
}

fn fill(qty: Dec, timed: Dec) -> Change {
    if qty.is_positive() { Change::Fill { qty, timed: timed.min(qty) } } else { Change::None }
}

/// A trade report: counted by CumQty(14) where that can be trusted, else by LastQty(32).
fn trade(
    seen: &mut Seen,
    order: &mut LeaderOrder,
    first: bool,
    report: &Report<'_>,
    last: Option<Dec>,
    cum: Option<Dec>,
    c: &Counting,
) -> Change {
    let last_qty = last.unwrap_or(Dec::ZERO);
    let named = last_qty.is_positive() && !report.exec_id.is_empty();
    if named {
        let key = execution_key(order.id, report.exec_id);
        match seen.executions.get_mut(&key) {
            Some(e) if e.trade != Trade::Counted => return overtaken(order, e, last_qty),
            // Venues that repeat an ExecID on real fills: the sum can be busted.
            Some(e) => e.qty = plus(e.qty, last_qty),
            None => {
                seen.learn(key, last_qty, Trade::Counted);
            }
        }
    }
    let cum = cum.filter(|q| !q.is_negative());
    // A venue that leaves CumQty at 0 on fills: LastQty is all there is.
    let useless = cum.is_none_or(|q| q.is_zero()) && last_qty.is_positive();
    match cum {
        Some(cum) if !(order.busted || c.by_last || useless) && kept(rules::Rule::Dedupe) => {
            if first {
                order.before = minus(cum, last_qty);
                order.known = order.before;
            }
            counted_by_cum(order, last_qty, cum, named)
        }
        _ => counted_by_last(order, last_qty, cum, named),
    }
}

/// The trade of an execution whose bust or correction came first.
fn overtaken(order: &mut LeaderOrder, e: &mut Execution, last: Dec) -> Change {
    let settled = e.trade == Trade::Settled;
    e.trade = Trade::Counted;
    if settled {
        return Change::None;
    }
    let counted = last.min(order.unexplained);
    order.unexplained = minus(order.unexplained, counted);
    let delta = e.qty.checked_sub(counted).unwrap_or(Dec::ZERO);
    order.known = plus(order.known, delta);
    Change::Bust { delta }
}

fn counted_by_cum(order: &mut LeaderOrder, last: Dec, cum: Dec, named: bool) -> Change {
    if cum < order.known && order.unexplained < last {
        // Not a report that was overtaken: its quantity is not missing anywhere.
        return contradiction(order);
    }
    let qty = minus(cum, order.known);
    // What this trade explains: its own part, or what CumQty of a later report counted before.
    let explained = if named { last } else { last.min(order.unexplained) };
    order.unexplained = minus(plus(order.unexplained, qty), explained);
    if !named {
        order.unnamed = plus(order.unnamed, last);
    }
    order.known = order.known.max(cum);
    order.frozen |= order.order_qty.is_some_and(|q| cum > q);
    fill(qty, last)
}

fn counted_by_last(order: &mut LeaderOrder, last: Dec, cum: Option<Dec>, named: bool) -> Change {
    let before = last.min(order.unexplained);
    order.unexplained = minus(order.unexplained, before);
    let qty = minus(last, before);
    if !named {
        order.unnamed = plus(order.unnamed, last);
    }
    let counted = plus(order.known, qty);
    order.known = if order.busted { counted } else { counted.max(cum.unwrap_or(counted)) };
    fill(qty, qty)
}

/// Any other report: a CumQty(14) above what is known is a fill of unknown age.
fn by_cum(order: &mut LeaderOrder, first: bool, cum: Option<Dec>, late: bool) -> Change {
    let Some(cum) = cum.filter(|q| !q.is_negative()) else { return Change::None };
    if first {
        // Begun before we listened: what it filled then is part of the leader's starting position.
        (order.before, order.known) = (cum, cum);
    }
    if cum < order.known {
        return if late || cum.is_zero() { Change::None } else { contradiction(order) };
    }
    let qty = minus(cum, order.known);
    order.unexplained = plus(order.unexplained, qty);
    order.known = cum;
    order.frozen |= order.order_qty.is_some_and(|q| cum > q);
    fill(qty, Dec::ZERO)
}

/// After a bust only trades count. Their reports do not explain a CumQty(14) this high: some are missing, or on their way.
/// True once for each such CumQty; to be asked after [`observe`].
pub fn fill_missing(order: &mut LeaderOrder, report: &Report<'_>, c: &Counting) -> bool {
    let amends = matches!(report.kind, Kind::Bust | Kind::Correct | Kind::Restated { reason: Some(0) });
    let late = report.transact_ns.is_some_and(|t| t < order.last_ns);
    let Some(cum) = c.in_units(report.cum_qty).filter(|_| order.busted && !c.by_last && !amends && !late)
    else {
        return false;
    };
    let known = order.known;
    let after = order.after_bust.get_or_insert_default();
    let explained = if c.bust_reduces_cum { known } else { plus(known, after.taken) };
    if cum <= explained.max(after.shown) {
        return false;
    }
    after.shown = cum;
    true
}

fn contradiction(order: &mut LeaderOrder) -> Change {
    order.frozen = true;
    Change::Contradiction
}

/// A bust, or a correction to another quantity.
fn amend(
    seen: &mut Seen,
    order: &mut LeaderOrder,
    report: &Report<'_>,
    last: Option<Dec>,
    cum: Option<Dec>,
    c: &Counting,
) -> Change {
    order.busted = true;
    order.busts = order.busts.saturating_add(1);
    let named = execution_key(order.id, report.exec_ref_id);
    let key = seen.corrections.get(&named).copied().unwrap_or(named);
    if report.kind == Kind::Correct && !report.exec_id.is_empty() {
        seen.corrections.insert(execution_key(order.id, report.exec_id), key);
    }
    let new = if report.kind == Kind::Bust { Some(Dec::ZERO) } else { last };
    let Some(new) = new else { return Change::UnknownBust };
    if let Some(e) = seen.executions.get_mut(&key) {
        let delta = if e.trade == Trade::Counted { new.checked_sub(e.qty) } else { None };
        e.qty = new;
        return moved_by(order, delta.unwrap_or(Dec::ZERO));
    }
    amend_unseen(seen, order, key, new, if report.kind == Kind::Bust { last } else { None }, cum, c)
}

fn took_back(order: &mut LeaderOrder, qty: Dec) {
    let after = order.after_bust.get_or_insert_default();
    after.taken = plus(after.taken, qty);
}

fn moved_by(order: &mut LeaderOrder, delta: Dec) -> Change {
    order.known = plus(order.known, delta);
    took_back(order, minus(Dec::ZERO, delta));
    if delta.is_zero() { Change::None } else { Change::Bust { delta } }
}

/// Its trade report was never seen under that name: it is late, has no name, or was made before we listened.
fn amend_unseen(
    seen: &mut Seen,
    order: &mut LeaderOrder,
    key: u128,
    new: Dec,
    busted: Option<Dec>,
    cum: Option<Dec>,
    c: &Counting,
) -> Change {
    let nameless = plus(plus(order.unexplained, order.unnamed), order.before);
    if let Some(old) = busted.filter(|_| nameless.is_positive()) {
        let delta = old.min(nameless);
        let mut left = delta;
        for part in [&mut order.unexplained, &mut order.unnamed, &mut order.before] {
            let taken = left.min(*part);
            *part = minus(*part, taken);
            left = minus(left, taken);
        }
        seen.learn(key, new, Trade::Settled);
        return moved_by(order, Dec::from_raw(delta.raw().saturating_neg()));
    }
    if let (true, true, Some(cum)) = (order.before.is_positive(), c.bust_reduces_cum, cum) {
        seen.learn(key, new, Trade::Settled);
        return moved_by(order, cum.checked_sub(order.known).unwrap_or(Dec::ZERO));
    }
    // Never counted, and in CumQty for ever where a bust does not reduce that.
    took_back(order, busted.unwrap_or(Dec::ZERO));
    seen.learn(key, new, Trade::Awaited);
    Change::UnknownBust
}
