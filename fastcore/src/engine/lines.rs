//! Ledger lines: from a target to orders (design 02, steps 3 and 4): cancels, closes, and what ends unsent.

use super::lanes::{Closes, Lane};
use super::making::Draft;
use super::state::Few;
use super::stops::Level;
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::config::{Rounding, SubscriptionConfig};
use crate::decimal::{Dec, div_rem};
use crate::ledger::{Grid, Line, abs};
use crate::link::SendKind;
use crate::order::{ClOrdId, Input, State, next};
use crate::refusal::{Code, Refusal};
use std::sync::Arc;

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
        let held =
            self.st.leaders.get(leader as usize).is_some_and(|l| l.bust_holds.contains_key(&instrument));
        self.st.groups.get_mut(found.group as usize)?.push(*slot);
        let follower = ix.subs.get(sub as usize)?.follower;
        self.st.accounts.get_mut(follower as usize)?.push(*slot);
        self.st.lines.push(LineState {
            sub,
            instrument,
            follower_instrument: found.follower_instrument,
            lane,
            line: Line { bust_hold: held, ..Line::default() },
            live: Few::new(),
            leader_px: None,
            leader_px_ns: 0,
            unquoted: false,
            retry_at_ns: 0,
            open_retry_at_ns: 0,
            backoff_ms: 0,
            open_backoff_ms: 0,
            waiting: Vec::new(),
            needless: Vec::new(),
            stuck_residue: false,
            close_waits: false,
            mode: self.mode_of(sub),
            capped: Dec::ZERO,
            close_tries: 0,
            joined: None,
        });
        Some(*slot)
    }

    /// Works the difference between target and what is filled.
    #[inline]
    pub(super) fn work_line<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, sink: &mut S) {
        if self.st.mirrors.is_empty() {
            self.work_plain(ix, at, sink);
        } else {
            self.work_mirrored(ix, at, sink);
        }
        if ix.together.any() {
            self.recount(ix, at);
        }
        if ix.lanes.shared && self.shared(ix, at) {
            self.look_for_crosses(ix, at, sink);
        }
    }

    /// The same without regard to mirrors.
    pub(super) fn work_plain<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, sink: &mut S) {
        let now = self.st.at_ns;
        let level = if self.free(at) { None } else { self.stopped_at(ix, at) };
        if level >= Some(Level::CloseOnly) {
            self.cancel_opens(ix, at, sink);
        }
        if level.is_some() && self.leaves(ix, at, sink) {
            return;
        }
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let (Some(cfg), Some(lane)) = (ix.cfg.subscriptions.get(ls.sub as usize), ix.lane(ls)) else {
            return;
        };
        let grid = lane.grid;
        let mut plan = ls.line.plan(grid, lane.rounding, lane.max_inflation, now);
        let nothing = plan.cancel_buy.is_zero() && plan.cancel_sell.is_zero();
        let withdrawn = !nothing
            && (self.withdraw(ix, at, true, plan.cancel_buy, sink)
                | self.withdraw(ix, at, false, plan.cancel_sell, sink));
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        if withdrawn {
            // What was held is gone at once: it no longer stands in for a close, and the target may be lower.
            plan = ls.line.plan(grid, lane.rounding, lane.max_inflation, now);
        }
        if !nothing || !ls.needless.is_empty() {
            let desired = ls.line.filled.checked_add(plan.need).unwrap_or(ls.line.filled);
            // Made needless by a bust: nobody asked for it lately, and it is late when it is wanted.
            let window = if self.cause.bust { 0 } else { newest_ns(&ls.line, self.cause.until_ns) };
            ls.note_needless(desired, window);
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
            // Whole steps away from what is committed: nothing is held on the other side.
            let flips = !plan.whole && self.st.lines.get(at as usize).is_some_and(LineState::unclosed);
            // Held side by side, an open would not close what is still held, but pair it.
            let pairs = lane.closes == Closes::ByName && self.holds_against(at, plan.increase.is_positive());
            let crosses =
                ix.lanes.shared && lane.shared && self.waits_for_others(ix, at, plan.increase.is_positive());
            let waits = open_at > now || flips || pairs || crosses;
            self.open(ix, at, &plan, lane, cfg, waits, sink);
        } else if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.waiting.clear();
            // It waits for the next increase. The leader's asked for it now, and is told why nothing came of it.
            let asked = lane.rounding == Rounding::MinLotIfNonzero && self.cause.until_ns != 0;
            if asked && let Some(times) = ls.line.inflated(grid, lane.max_inflation, now) {
                self.refuse(Refusal::over(Code::MaxInflation, lane.max_inflation, times));
            }
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
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let at = order.line;
        // A cancel of an order that may not have left yet would be refused: it follows the first report.
        if matches!(order.state, State::Out | State::Acknowledged | State::PartlyFilled)
            && self.request(ix, o).is_some()
            && let Some(ls) = self.st.lines.get_mut(at as usize)
        {
            ls.line.cancels = ls.line.cancels.saturating_add(1);
        }
    }

    /// A request to cancel or replace an order goes out under this ClOrdID(11). None: not now, one is not answered yet or
    /// was refused a moment ago.
    pub(super) fn request(&mut self, ix: &Index, o: u32) -> Option<ClOrdId> {
        let now = self.st.at_ns;
        let order = self.st.orders.get_mut(o as usize)?;
        let route = order.route;
        let ready = self.st.routes.get(route as usize).is_some_and(super::RouteState::ready);
        if !ready || order.cancel_id.is_some() {
            return None;
        }
        if now < order.cancel_after_ns {
            self.st.due.insert((order.cancel_after_ns, DUE_LINE, order.line));
            return None;
        }
        let id = order.cl_ord_id.of_cancel(order.cancels);
        let late_ns = now.saturating_add(ix.cfg.timing.ack_timeout_ms.saturating_mul(MS));
        (order.cancel_id, order.cancels) = (Some(id), order.cancels.saturating_add(1));
        order.cancel_after_ns = late_ns;
        self.st.ids.insert_new(id.key(), o).unwrap_or_default();
        self.st.due.insert((late_ns, DUE_CANCEL, o));
        self.push(route, o, SendKind::Cancel);
        Some(id)
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
        if lane.closes == Closes::ByName {
            return self.close_by_name(
                at,
                &Draft { buy, qty, reduces: true, px, deadline_ns: 0 },
                lane,
                sink,
            );
        }
        for part in self.parts(at, qty, lane.close_max, lane.grid) {
            let draft = Draft { buy, qty: part, reduces: true, px, deadline_ns: 0 };
            self.make_order(at, lane, &draft, sink);
        }
    }

    /// Ends an order that is proven not to be at the broker.
    pub(super) fn end_unsent<S: Sink>(&mut self, ix: &Arc<Index>, o: u32, end: End, sink: &mut S) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let (line, leaves, reduces, route) = (order.line, order.leaves(), order.reduces, order.route);
        let (buy, until, mirror) = (order.buy, order.deadline_ns, order.mirror);
        if next(order.state, Input::Withdraw).is_none() {
            return;
        }
        self.set_state(o, Input::Withdraw, sink);
        if let Some(r) = self.st.routes.get_mut(route as usize) {
            r.held.remove(&o);
        }
        if mirror {
            return self.mirror_unsent(o, end);
        }
        let code = match end {
            End::Withdrawn if reduces => return,
            End::Withdrawn => return self.wait_again(line, until, signed(leaves, buy)),
            End::Missed => Code::Missed,
            End::Refused(code) => code,
        };
        self.refuse(Refusal::bare(code));
        if !reduces {
            self.lower(ix, line, buy, leaves);
        }
    }

    /// Step 4 for one line: `m` units of one side will not be held. They were a part of what is committed only where the
    /// target is on that side.
    pub(super) fn lower(&mut self, ix: &Index, at: u32, buy: bool, m: Dec) {
        if self.st.mirrors.is_empty() {
            return self.lower_plain(ix, at, buy, m);
        }
        let shift = self.mirror_shift(ix, at);
        let before = self.move_target(at, shift);
        self.lower_plain(ix, at, buy, m);
        self.move_target_back(at, shift, before);
    }

    fn lower_plain(&mut self, ix: &Index, at: u32, buy: bool, m: Dec) {
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        if (ls.line.target > 0) != buy {
            return;
        }
        let (cfg, grid) =
            (ix.cfg.subscriptions.get(ls.sub as usize), ix.grids.get(ls.follower_instrument as usize));
        if let (Some(cfg), Some(grid)) = (cfg, grid) {
            ls.line.lower(m, *grid, cfg.rounding, cfg.max_inflation);
        }
    }
}

impl LineState {
    /// A part of what is held against the target has no close on its way, and will have one: what opens on the other side
    /// would close it instead, and be counted twice.
    fn unclosed(&self) -> bool {
        let l = &self.line;
        let against = i128::from(l.filled.signum()).saturating_mul(l.target.signum()) < 0;
        let closing = if l.filled.is_positive() { l.closing_sell } else { l.closing_buy };
        against && abs(l.filled) > closing && !self.stuck_residue
    }
}

/// What is asked for now has the window of the trade that asks (0: none does), which may be older than one heard before it.
pub(super) fn newest_ns(line: &Line, asked_ns: i64) -> i64 {
    if asked_ns > 0 { asked_ns } else { line.open_until_ns }
}

/// A quantity to buy is positive, one to sell negative.
pub(super) fn signed(qty: Dec, buy: bool) -> Dec {
    if buy { qty } else { Dec::from_raw(qty.raw().saturating_neg()) }
}

pub(super) fn whole_steps(qty: Dec, grid: Grid) -> Dec {
    let (_, rest) = div_rem(qty.raw(), grid.step.raw()).unwrap_or((0, 0));
    Dec::from_raw(qty.raw().saturating_sub(rest))
}
