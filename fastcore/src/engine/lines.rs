//! Ledger lines: from a target to orders (design 02, steps 3 and 4). Every order of ours is made here.

use super::lanes::Lane;
use super::parts::Parts;
use super::stops::Level;
use super::{Engine, Index, LineState, windows};
use crate::action::Sink;
use crate::config::{OrderType, SubscriptionConfig};
use crate::decimal::{Dec, Round, div_rem, mul_div};
use crate::ledger::{Grid, Line, Plan, abs};
use crate::link::SendKind;
use crate::order::{ClOrdId, Input, Order, State, next};
use crate::refusal::{Code, Refusal};
use crate::risk::{Open, admit};
use smallvec::SmallVec;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

const MS: i64 = 1_000_000;
/// Timer kinds, stored in snapshots.
pub(super) const DUE_LINE: u8 = 0;
pub(super) const DUE_HELD: u8 = 1;
pub(super) const DUE_QUERY: u8 = 2;
pub(super) const DUE_CANCEL: u8 = 3;
/// Why an order that was not sent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By our own plan, which asks for another quantity: the target stays, what is still wanted is sent anew.
    Withdrawn,
    /// Too late: the target gives it up.
    Missed,
    /// It may not leave any more: the target gives it up.
    Refused(Code),
}

impl Engine {
    /// The line of a subscription for a leader instrument; none where the symbol map has no entry. `place` is the
    /// subscription's among those of its leader.
    pub(super) fn line_of(&mut self, ix: &Index, leader: u32, instrument: u32, place: usize) -> Option<u32> {
        let mut lines = self.take_lines(leader, instrument);
        let found = self.line_in(ix, &mut lines, leader, instrument, place);
        self.put_lines(leader, instrument, lines);
        found
    }

    /// The lines of a leader's instrument by place, to be looked up once for many of them and put back.
    pub(super) fn take_lines(&mut self, leader: u32, instrument: u32) -> Vec<u32> {
        let of_leader =
            self.st.leaders.get_mut(leader as usize).map(|l| l.lines.entry(instrument).or_default());
        of_leader.map(std::mem::take).unwrap_or_default()
    }

    pub(super) fn put_lines(&mut self, leader: u32, instrument: u32, lines: Vec<u32>) {
        if let Some(l) = self.st.leaders.get_mut(leader as usize) {
            l.lines.insert(instrument, lines);
        }
    }

    pub(super) fn line_in(
        &mut self,
        ix: &Index,
        lines: &mut Vec<u32>,
        leader: u32,
        instrument: u32,
        place: usize,
    ) -> Option<u32> {
        if let Some(at) = lines.get(place).filter(|at| **at != u32::MAX) {
            return Some(*at);
        }
        while lines.len() <= place {
            lines.push(u32::MAX);
        }
        let slot = lines.get_mut(place)?;
        let sub = *ix.subs_of.get(leader as usize)?.get(place)?;
        let lane = *ix.lanes.at.get(&(sub, instrument))?;
        let found = ix.lanes.list.get(lane as usize)?;
        *slot = u32::try_from(self.st.lines.len()).ok()?;
        let held = self.st.leaders.get(leader as usize).is_some_and(|l| l.bust_holds.contains(&instrument));
        self.st.groups.get_mut(found.group as usize)?.push(*slot);
        self.st.lines.push(LineState {
            sub,
            instrument,
            follower_instrument: found.follower_instrument,
            lane,
            line: Line { bust_hold: held, ..Line::default() },
            live: Vec::new(),
            leader_px: None,
            retry_at_ns: 0,
            open_retry_at_ns: 0,
            backoff_ms: 0,
            waiting: Vec::new(),
            needless: Vec::new(),
            stuck_residue: false,
            close_waits: false,
            capped: Dec::ZERO,
            close_tries: 0,
        });
        Some(*slot)
    }

    /// Works the difference between target and what is filled.
    pub(super) fn work_line<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, sink: &mut S) {
        let now = self.st.at_ns;
        let level = if self.st.stops.is_empty() { None } else { self.stopped_at(ix, at) };
        if level >= Some(Level::CloseOnly) {
            self.cancel_opens(ix, at, sink);
        }
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let (Some(cfg), Some(lane)) = (ix.cfg.subscriptions.get(ls.sub as usize), ix.lane(ls)) else {
            return;
        };
        let grid = lane.grid;
        let mut plan = ls.line.plan(grid, cfg.rounding, cfg.max_inflation, now);
        let nothing = plan.cancel_buy.is_zero() && plan.cancel_sell.is_zero();
        let withdrawn = !nothing
            && (self.withdraw(ix, at, true, plan.cancel_buy, sink)
                | self.withdraw(ix, at, false, plan.cancel_sell, sink));
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        if withdrawn {
            // What was held is gone at once: it no longer stands in for a close, and the target may be lower.
            plan = ls.line.plan(grid, cfg.rounding, cfg.max_inflation, now);
        }
        if !nothing || !ls.needless.is_empty() {
            let desired = ls.line.filled.checked_add(plan.need).unwrap_or(ls.line.filled);
            ls.note_needless(desired, newest_ns(&ls.line, self.cause.until_ns));
        }
        let (close_at, open_at) = (ls.retry_at_ns, ls.open_retry_at_ns);
        let kept_back = !ls.capped.is_zero() || ls.close_tries > 0;
        let halted = level == Some(Level::Halt) && !plan.reduce.is_zero();
        let close_waits = plan.close_waits || halted;
        if close_waits != ls.close_waits {
            ls.close_waits = close_waits;
            let until = if halted { "it is released" } else { "it is known what became of an earlier order" };
            self.tell_close_waits(cfg, close_waits, until, sink);
        }
        if plan.reduce.is_zero() {
            if (kept_back || !self.st.unpriced.is_empty()) && !plan.close_waits {
                self.closed(ix, at);
            }
        } else if halted {
            // Shown, and made when somebody releases it.
        } else if close_at > now {
            self.st.due.insert((close_at, DUE_LINE, at));
        } else {
            self.close(ix, at, plan.reduce, lane, sink);
        }
        if !plan.increase.is_zero() {
            if open_at > now {
                self.st.due.insert((open_at, DUE_LINE, at));
            }
            // What is not closed yet would be closed by the open of a flip, and counted twice.
            let waits = open_at > now || (lane.capped && self.st.capped.contains(&at));
            self.open(ix, at, &plan, lane, cfg, waits, sink);
        } else if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.waiting.clear();
        }
    }

    /// A close must not wait in silence: how long it takes is up to whoever knows what became of the order.
    fn tell_close_waits<S: Sink>(
        &mut self,
        cfg: &SubscriptionConfig,
        waits: bool,
        until: &str,
        sink: &mut S,
    ) {
        if waits {
            self.alert("close_waits", format!("{}: a close waits until {until}", cfg.name), sink);
        }
    }

    /// Takes `units` off what works on one side: newest orders first, whole orders only. True: something ended at once.
    fn withdraw<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, buy: bool, units: Dec, sink: &mut S) -> bool {
        if !units.is_positive() {
            return false;
        }
        let Some(ls) = self.st.lines.get(at as usize) else { return false };
        let mut ended = false;
        let mut left = units;
        for o in ls.live.clone().into_iter().rev() {
            let Some(order) = self.st.orders.get(o as usize) else { continue };
            if order.buy != buy || !left.is_positive() {
                continue;
            }
            let leaves = order.leaves();
            if order.state == State::Held {
                self.end_unsent(ix, o, End::Withdrawn, sink);
                ended = true;
            } else {
                self.ask_cancel(ix, o);
            }
            left = left.checked_sub(leaves).unwrap_or(Dec::ZERO);
        }
        ended
    }

    pub(super) fn ask_cancel(&mut self, ix: &Index, o: u32) {
        let now = self.st.at_ns;
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let route = ix.subs.get(order.sub as usize).map_or(0, |s| s.route);
        let ready = self.st.routes.get(route as usize).is_some_and(super::RouteState::ready);
        // A cancel of an order that may not have left yet would be refused: it follows the first report.
        let at_broker = matches!(order.state, State::Out | State::Acknowledged | State::PartlyFilled);
        if !ready || order.cancel_id.is_some() || !at_broker {
            return;
        }
        if now < order.cancel_after_ns {
            self.st.due.insert((order.cancel_after_ns, DUE_LINE, order.line));
            return;
        }
        let id = order.cl_ord_id.of_cancel(order.cancels);
        let line = order.line;
        self.st.ids.insert_new(id.key(), o).unwrap_or_default();
        if let Some(order) = self.st.orders.get_mut(o as usize) {
            order.cancel_id = Some(id);
            order.cancels = order.cancels.saturating_add(1);
        }
        if let Some(ls) = self.st.lines.get_mut(line as usize) {
            ls.line.cancels = ls.line.cancels.saturating_add(1);
        }
        let patience = ix.cfg.timing.ack_timeout_ms.saturating_mul(MS);
        self.st.due.insert((now.saturating_add(patience), DUE_CANCEL, o));
        self.push(route, o, SendKind::Cancel);
    }

    fn close<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, reduce: Dec, lane: &Lane, sink: &mut S) {
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let qty = abs(reduce);
        // Less than the minimum lot goes out only when it is all that is left, and until the broker refuses it.
        if qty < lane.grid.min && (ls.stuck_residue || qty < abs(ls.line.filled)) {
            return self.uncap(ix, at);
        }
        let (qty, buy) = (self.cap(ix, at, reduce, lane, sink), reduce.is_positive());
        let Ok(px) = self.priced(ix, at, lane, buy, sink) else { return };
        for part in Parts::of(qty, lane.close_max, lane.grid) {
            let draft = Draft { buy, qty: part, reduces: true, px, deadline_ns: 0 };
            self.make_order(ix, at, lane, &draft, sink);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn open<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        plan: &Plan,
        lane: &Lane,
        cfg: &SubscriptionConfig,
        waits: bool,
        sink: &mut S,
    ) {
        let (now, grid) = (self.st.at_ns, lane.grid);
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let (asked, buy) = (abs(plan.increase), plan.increase.is_positive());
        let wanted = if plan.whole { asked } else { whole_steps(asked, grid) };
        if wanted < grid.min {
            // The next part of a needless close may make it enough.
            if ls.needless.is_empty() {
                ls.waiting.clear();
            }
            return; // waits for the next increase; not a refusal
        }
        let newest = newest_ns(&ls.line, self.cause.until_ns);
        let blocked = plan.blocked || waits;
        let unsent = if !blocked && newest > now && ls.waiting.is_empty() {
            self.open_now(ix, at, (wanted, buy), lane, cfg, newest, sink)
        } else {
            self.open_by_window(ix, at, (wanted, buy), lane, cfg, (newest, blocked), sink)
        };
        if let (true, Some(ls)) = (unsent.is_positive(), self.st.lines.get_mut(at as usize)) {
            ls.line.lower(unsent, grid, cfg.rounding, cfg.max_inflation);
        }
    }

    /// An increase of which parts waited, or have to: each as long as its own window. What is not wanted any more is
    /// returned.
    #[allow(clippy::too_many_arguments)]
    fn open_by_window<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        (wanted, buy): (Dec, bool),
        lane: &Lane,
        cfg: &SubscriptionConfig,
        (newest, blocked): (i64, bool),
        sink: &mut S,
    ) -> Dec {
        let (now, grid) = (self.st.at_ns, lane.grid);
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return Dec::ZERO };
        let (late, until) = if blocked || !ls.waiting.is_empty() {
            windows::trim(&mut ls.waiting, signed(wanted, buy), newest);
            windows::take_late(&mut ls.waiting, now)
        } else {
            (wanted, newest)
        };
        if late.is_positive() && newest > 0 {
            let limit = Dec::from_int(cfg.max_age_ms);
            self.refuse(Refusal::over(Code::Stale, limit, limit));
        }
        // A part of an order that was declined or canceled may be no whole step: what is left without it neither.
        let young = match wanted.checked_sub(late).unwrap_or(Dec::ZERO) {
            all if late.is_zero() => all,
            rest => whole_steps(rest, grid),
        };
        if young >= grid.min && blocked {
            self.st.due.insert((until, DUE_LINE, at));
        } else if young >= grid.min {
            let left = self.open_now(ix, at, (young, buy), lane, cfg, until, sink);
            return late.checked_add(left).unwrap_or(late);
        }
        late
    }

    /// Sends an increase as far as the limits allow; what they refuse is returned.
    #[allow(clippy::too_many_arguments)]
    fn open_now<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        (wanted, buy): (Dec, bool),
        lane: &Lane,
        cfg: &SubscriptionConfig,
        until: i64,
        sink: &mut S,
    ) -> Dec {
        let grid = lane.grid;
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return wanted };
        ls.waiting.clear();
        let px = match limit_px(ls, lane, buy, cfg) {
            Ok(px) => px,
            Err(refusal) => {
                self.refuse(refusal);
                return wanted;
            }
        };
        let admitted = self.admitted(ix, at, lane, wanted, buy);
        let units = if admitted == wanted { admitted } else { whole_steps(admitted, grid) };
        if units < grid.min {
            return wanted;
        }
        let refused = wanted.checked_sub(units).unwrap_or(Dec::ZERO);
        let draft = Draft { buy, qty: units, reduces: false, px, deadline_ns: until };
        let lost = if lane.venue_max.is_none_or(|most| units <= most) {
            if self.make_order(ix, at, lane, &draft, sink) { Dec::ZERO } else { units }
        } else {
            self.open_in_parts(ix, at, lane, draft, sink)
        };
        refused.checked_add(lost).unwrap_or(refused)
    }

    /// Sends more than the venue takes at once; what was sent before under the same identity is returned.
    fn open_in_parts<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        lane: &Lane,
        mut draft: Draft,
        sink: &mut S,
    ) -> Dec {
        let (mut lost, mut later) = (Dec::ZERO, draft.qty);
        for qty in Parts::of(draft.qty, lane.venue_max, lane.grid) {
            draft.qty = qty;
            later = later.checked_sub(qty).unwrap_or(later);
            if !self.make_order(ix, at, lane, &draft, sink) {
                lost = lost.checked_add(qty).unwrap_or(lost);
            }
        }
        // More parts than one event makes, or less than a part may be: it goes out with the next event of the line that
        // can take it, within the same window.
        if later.is_positive() {
            self.wait_again(at, draft.deadline_ns, signed(later, draft.buy));
            self.st.due.insert((draft.deadline_ns, DUE_LINE, at));
        }
        lost
    }

    /// What an order was to open and did not is still wanted within the order's own window.
    pub(super) fn wait_again(&mut self, at: u32, until: i64, units: Dec) {
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            windows::insert(&mut ls.waiting, until, units);
        }
    }

    fn admitted(&mut self, ix: &Index, at: u32, lane: &Lane, qty: Dec, buy: bool) -> Dec {
        let Some(ls) = self.st.lines.get(at as usize) else { return Dec::ZERO };
        let held = !self.st.stops.is_empty() || ls.line.bust_hold;
        if !held && lane.free_up_to.is_some_and(|most| qty <= most) {
            return qty;
        }
        self.checked(ix, at, lane, qty, buy)
    }

    /// Asks every check.
    #[inline(never)]
    fn checked(&mut self, ix: &Index, at: u32, lane: &Lane, qty: Dec, buy: bool) -> Dec {
        let Some(ls) = self.st.lines.get(at as usize) else { return Dec::ZERO };
        let counts = lane.follower_bounds.max_position.is_some();
        let open = Open {
            qty,
            killed: self.stopped(ix, ls).is_some(),
            drift: self.drift(ix, ls, buy),
            restricted: lane.restricted,
            bust_hold: ls.line.bust_hold,
            sub_entered: entered(&ls.line, buy),
            follower_entered: if counts { self.entered_by(lane.group, buy) } else { Dec::ZERO },
            sub: &lane.sub_bounds,
            follower: &lane.follower_bounds,
        };
        let mut refusals = SmallVec::<[Refusal; 4]>::new();
        let left = admit(&open, &mut refusals);
        for r in &refusals {
            self.refuse(*r);
        }
        left
    }

    fn entered_by(&self, group: u32, buy: bool) -> Dec {
        let lines = self.st.groups.get(group as usize).map_or(&[][..], Vec::as_slice);
        let entries =
            lines.iter().filter_map(|l| self.st.lines.get(*l as usize)).map(|l| entered(&l.line, buy));
        entries.fold(Dec::ZERO, |sum, e| sum.checked_add(e).unwrap_or(sum))
    }

    /// Makes one order: derived ClOrdID, digest, books. False when the same identity was made before.
    fn make_order<S: Sink>(
        &mut self,
        ix: &Index,
        at: u32,
        lane: &Lane,
        draft: &Draft,
        _sink: &mut S,
    ) -> bool {
        let Some(ls) = self.st.lines.get(at as usize) else { return false };
        let sub = ls.sub;
        let Some(s) = ix.subs.get(sub as usize) else { return false };
        let Ok(o) = u32::try_from(self.st.orders.len()) else { return false };
        let Some(id) = self.new_id(s.hash, at, lane.id_len, draft.reduces) else {
            self.refuse(Refusal::bare(Code::Duplicate));
            return false;
        };
        self.add_to_digest(&id, draft);
        if S::WANTS_DECISIONS {
            self.cause.orders.push((id.to_vec(), signed(draft.qty, draft.buy)));
        }
        self.st.orders.push(Order {
            buy: draft.buy,
            reduces: draft.reduces,
            qty: draft.qty,
            px: draft.px,
            deadline_ns: draft.deadline_ns,
            since_ns: self.st.at_ns,
            ..Order::new(id, sub, at)
        });
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.live.push(o);
            ls.line.add_working(draft.buy, draft.reduces, draft.qty);
        }
        self.push(s.route, o, SendKind::New);
        true
    }

    /// A new ClOrdID. An open whose identity was made before is a duplicate; a close takes the next slice, because it
    /// must never be lost.
    fn new_id(&mut self, sub_hash: u64, at: u32, len: usize, reduces: bool) -> Option<ClOrdId> {
        let mut id = self.derive(sub_hash, at, len);
        // Only a cause that came before can have made it.
        while self.cause.repeated && self.known(&id).is_some() {
            if !reduces {
                return None;
            }
            id = self.derive(sub_hash, at, len);
        }
        Some(id)
    }

    /// Enters the ClOrdIDs of this event's new orders, all in one go: the table is larger than the caches, and misses
    /// that do not wait for each other cost a fraction of those that do.
    pub(super) fn enter_ids(&mut self, list: &[(u32, SendKind)]) {
        for (o, _) in list.iter().filter(|(_, kind)| *kind == SendKind::New) {
            let Some(order) = self.st.orders.get_mut(*o as usize) else { continue };
            // An id whose key another order has, by chance of the hash, gives way before anything is sent.
            while self.st.ids.insert_new(order.cl_ord_id.key(), *o).is_err_and(|owner| owner != *o) {
                order.cl_ord_id = order.cl_ord_id.of_cancel(u16::MAX);
            }
        }
    }

    /// Running digest over (ClOrdID, side, qty, px).
    fn add_to_digest(&mut self, id: &ClOrdId, draft: &Draft) {
        // Every part has its own place: fixed copies cost a fraction of growing ones.
        let mut bytes = [0_u8; 80];
        let (text, len) = id.parts();
        bytes[..16].copy_from_slice(&self.st.digest.to_le_bytes());
        bytes[16..32].copy_from_slice(&draft.qty.raw().to_le_bytes());
        bytes[32..48].copy_from_slice(&draft.px.map_or(i128::MIN, Dec::raw).to_le_bytes());
        bytes[48..68].copy_from_slice(text);
        bytes[68] = len;
        bytes[69] = u8::from(draft.buy);
        self.st.digest = xxh3_128(&bytes);
    }

    fn derive(&mut self, sub_hash: u64, at: u32, len: usize) -> ClOrdId {
        let mut seed = [0_u8; 32];
        seed[..16].copy_from_slice(&self.cause.id.to_le_bytes());
        seed[16..24].copy_from_slice(&sub_hash.to_le_bytes());
        seed[24..28].copy_from_slice(&at.to_le_bytes());
        seed[28..32].copy_from_slice(&self.cause.slices.to_le_bytes());
        self.cause.slices = self.cause.slices.saturating_add(1);
        ClOrdId::from_hash(xxh3_128(&seed), len)
    }

    /// Ends an order that is proven not to be at the broker.
    pub(super) fn end_unsent<S: Sink>(&mut self, ix: &Arc<Index>, o: u32, end: End, sink: &mut S) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let (line, leaves, reduces, sub) = (order.line, order.leaves(), order.reduces, order.sub);
        let (buy, until) = (order.buy, order.deadline_ns);
        let route = ix.subs.get(sub as usize).map_or(0, |s| s.route);
        if next(order.state, Input::Withdraw).is_none() {
            return;
        }
        self.set_state(o, Input::Withdraw, sink);
        if let Some(r) = self.st.routes.get_mut(route as usize) {
            r.held.remove(&o);
        }
        let code = match end {
            End::Withdrawn if reduces => return,
            End::Withdrawn => return self.wait_again(line, until, signed(leaves, buy)),
            End::Missed => Code::Missed,
            End::Refused(code) => code,
        };
        self.refuse(Refusal::bare(code));
        if !reduces {
            self.lower(ix, line, leaves);
        }
    }

    /// Step 4 for one line.
    pub(super) fn lower(&mut self, ix: &Index, at: u32, m: Dec) {
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let (cfg, grid) =
            (ix.cfg.subscriptions.get(ls.sub as usize), ix.grids.get(ls.follower_instrument as usize));
        if let (Some(cfg), Some(grid)) = (cfg, grid) {
            ls.line.lower(m, *grid, cfg.rounding, cfg.max_inflation);
        }
    }
}

/// What is asked for now has the window of the trade that asks (0: none does), which may be older than one heard before it.
fn newest_ns(line: &Line, asked_ns: i64) -> i64 {
    if asked_ns > 0 { asked_ns } else { line.open_until_ns }
}

/// The largest position on one side that what is held and entered can become: a close on its way only leads to zero.
fn entered(line: &Line, buy: bool) -> Dec {
    let (filled, working) = if buy {
        (line.filled, line.working_buy)
    } else {
        (Dec::from_raw(line.filled.raw().saturating_neg()), line.working_sell)
    };
    working.checked_add(filled).unwrap_or(working).max(Dec::ZERO)
}

/// A quantity to buy is positive, one to sell negative.
pub(super) fn signed(qty: Dec, buy: bool) -> Dec {
    if buy { qty } else { Dec::from_raw(qty.raw().saturating_neg()) }
}

pub(super) fn whole_steps(qty: Dec, grid: Grid) -> Dec {
    let (_, rest) = div_rem(qty.raw(), grid.step.raw()).unwrap_or((0, 0));
    Dec::from_raw(qty.raw().saturating_sub(rest))
}

/// The limit of an opening order: the leader's price and the allowed slippage, on the tick; none for market orders.
///
/// # Errors
/// `no_quote`: a limit was asked for and there is no leader price to set it by. A market order would have no bound.
fn limit_px(
    ls: &LineState,
    lane: &Lane,
    buy: bool,
    cfg: &SubscriptionConfig,
) -> Result<Option<Dec>, Refusal> {
    if cfg.order_type == OrderType::Market {
        return Ok(None);
    }
    let limit = || {
        let px = ls.leader_px?.mul(lane.price_factor, Round::HalfEven)?;
        let slip = px.mul_div(cfg.max_slippage_bps, Dec::from_int(10_000), Round::HalfEven)?;
        let raw = if buy { px.checked_add(slip)? } else { px.checked_sub(slip)? };
        // Never beyond the allowed slippage: a buy limit rounds down, a sell limit up.
        let ticks = raw.div(lane.tick, if buy { Round::Floor } else { Round::Ceil })?.raw();
        let whole = mul_div(ticks, 1, Dec::ONE.raw(), if buy { Round::Floor } else { Round::Ceil })?;
        whole.checked_mul(lane.tick.raw()).map(Dec::from_raw).filter(|px| px.is_positive())
    };
    limit().map(Some).ok_or(Refusal::bare(Code::NoQuote))
}

/// What an order is to be, before it has an identity.
struct Draft {
    buy: bool,
    qty: Dec,
    reduces: bool,
    px: Option<Dec>,
    deadline_ns: i64,
}
