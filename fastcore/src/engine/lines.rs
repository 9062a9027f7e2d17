//! Ledger lines: from a target to orders (design 02, steps 3 and 4). Every order of ours is made here.

use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::config::{LimitSet, OrderType, SubscriptionConfig};
use crate::decimal::{Dec, Round};
use crate::ledger::{Grid, Line, abs};
use crate::link::SendKind;
use crate::order::{Input, Order, State, next};
use crate::refusal::{Code, Refusal};
use crate::risk::{Open, admit};
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// Timer kinds, stored in snapshots.
pub(super) const DUE_LINE: u8 = 0;
pub(super) const DUE_HELD: u8 = 1;
pub(super) const DUE_QUERY: u8 = 2;
/// Orders that one event may make on one line; what is left goes out after the next fill.
const PARTS_MAX: i128 = 100;
/// Why an order that was not sent ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// By our own plan, which asks for another quantity: the target stays, what is still wanted is sent anew.
    Withdrawn,
    /// Too late: the target gives it up.
    Missed,
}

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

impl Engine {
    /// The line of a subscription for a leader instrument; none where the symbol map has no entry.
    pub(super) fn line_of(&mut self, ix: &Index, leader: u32, instrument: u32, sub: u32) -> Option<u32> {
        let place = ix.subs_of.get(leader as usize)?.iter().position(|s| *s == sub)?;
        let lines = self.st.leaders.get_mut(leader as usize)?.lines.entry(instrument).or_default();
        while lines.len() <= place {
            lines.push(u32::MAX);
        }
        let slot = lines.get_mut(place)?;
        if *slot == u32::MAX {
            let (follower_instrument, ..) = *ix.subs.get(sub as usize)?.map.get(&instrument)?;
            *slot = u32::try_from(self.st.lines.len()).ok()?;
            self.st.lines.push(LineState {
                sub,
                instrument,
                follower_instrument,
                line: Line::default(),
                live: Vec::new(),
                leader_px: None,
                retry_at_ns: 0,
                open_retry_at_ns: 0,
                backoff_ms: 0,
            });
        }
        Some(*slot)
    }

    /// Works the difference between target and what is filled.
    pub(super) fn work_line<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, sink: &mut S) {
        let now = self.st.at_ns;
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let (sub, fi) = (ls.sub, ls.follower_instrument);
        let (Some(cfg), Some(grid)) =
            (ix.cfg.subscriptions.get(sub as usize), ix.grids.get(fi as usize).copied())
        else {
            return;
        };
        let mut plan = ls.line.plan(grid, cfg.rounding, cfg.max_inflation, now);
        let withdrawn = self.withdraw(ix, at, true, plan.cancel_buy, sink)
            | self.withdraw(ix, at, false, plan.cancel_sell, sink);
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        if withdrawn {
            // What was held is gone at once: it no longer stands in for a close, and the target may be lower.
            plan = ls.line.plan(grid, cfg.rounding, cfg.max_inflation, now);
        }
        let (close_at, open_at) = (ls.retry_at_ns, ls.open_retry_at_ns);
        if !plan.reduce.is_zero() && close_at > now {
            self.st.due.insert((close_at, DUE_LINE, at));
        } else if !plan.reduce.is_zero() {
            self.close(ix, at, plan.reduce, grid, sink);
        }
        if !plan.increase.is_zero() {
            if open_at > now {
                self.st.due.insert((open_at, DUE_LINE, at));
            }
            self.open(ix, at, plan.increase, plan.blocked, grid, cfg, open_at > now, sink);
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

    fn ask_cancel(&mut self, ix: &Index, o: u32) {
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
        let seed = [&order.cl_ord_id[..], b"cancel", &order.cancels.to_le_bytes()].concat();
        let id = cl_ord_id(xxh3_128(&seed), order.cl_ord_id.len());
        let line = order.line;
        self.st.ids.insert(id.clone(), o);
        if let Some(order) = self.st.orders.get_mut(o as usize) {
            order.cancel_id = Some(id);
            order.cancels = order.cancels.saturating_add(1);
        }
        if let Some(ls) = self.st.lines.get_mut(line as usize) {
            ls.line.cancels = ls.line.cancels.saturating_add(1);
        }
        self.pending.push((route, o, SendKind::Cancel));
    }

    fn close<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, reduce: Dec, grid: Grid, sink: &mut S) {
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let qty = abs(reduce);
        // Less than the minimum lot goes out only when it is all that is left.
        if qty < grid.min && qty < abs(ls.line.filled) {
            return;
        }
        let (order_max, _, _) = self.bounds(ix, at);
        let mut chunk = order_max;
        if let Some(v) = self.venue_max(ix, at) {
            chunk = Some(chunk.map_or(v, |c| c.min(v)));
        }
        for part in parts(qty, chunk, grid) {
            self.make_order(ix, at, reduce.is_positive(), part, true, None, 0, sink);
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn open<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        increase: Dec,
        blocked: bool,
        grid: Grid,
        cfg: &SubscriptionConfig,
        waits: bool,
        sink: &mut S,
    ) {
        let now = self.st.at_ns;
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let until = ls.line.open_until_ns;
        let wanted = whole_steps(abs(increase), grid);
        if wanted < grid.min {
            return; // waits for the next increase; not a refusal
        }
        if until > now && (blocked || waits) {
            self.st.due.insert((until, DUE_LINE, at));
            return;
        }
        let mut sent = Dec::ZERO;
        if until > now {
            let px = self.limit_px(ix, at, increase.is_positive(), cfg);
            let admitted = self.admitted(ix, at, wanted, increase.is_positive());
            let units = whole_steps(admitted, grid);
            let units = if units < grid.min { Dec::ZERO } else { units };
            for part in parts(units, self.venue_max(ix, at), grid) {
                if self.make_order(ix, at, increase.is_positive(), part, false, px, until, sink) {
                    sent = sent.checked_add(part).unwrap_or(sent);
                }
            }
        } else if until > 0 {
            let limit = Dec::from_int(cfg.max_age_ms);
            self.refuse(Refusal::over(Code::Stale, limit, limit));
        }
        let unsent = wanted.checked_sub(sent).unwrap_or(Dec::ZERO);
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.line.lower(unsent, grid, cfg.rounding, cfg.max_inflation);
        }
    }

    fn venue_max(&self, ix: &Index, at: u32) -> Option<Dec> {
        let ls = self.st.lines.get(at as usize)?;
        let i = ix.cfg.instruments.get(ls.follower_instrument as usize)?;
        i.max_lot?.mul(i.contract_size, Round::Down)
    }

    fn bounds(&self, ix: &Index, at: u32) -> (Option<Dec>, LimitSet, LimitSet) {
        let none = (None, LimitSet::default(), LimitSet::default());
        let Some(ls) = self.st.lines.get(at as usize) else { return none };
        let (Some(cfg), Some(s)) = (ix.cfg.subscriptions.get(ls.sub as usize), ix.subs.get(ls.sub as usize))
        else {
            return none;
        };
        let Some(i) = ix.cfg.instruments.get(ls.follower_instrument as usize) else { return none };
        let sub = cfg.limits.of(&i.name);
        let follower = ix
            .cfg
            .followers
            .get(s.follower as usize)
            .map_or_else(LimitSet::default, |f| f.limits.of(&i.name));
        let order = [sub.max_order_qty_lots, follower.max_order_qty_lots].into_iter().flatten().min();
        (order.and_then(|o| o.mul(i.contract_size, Round::Down)), sub, follower)
    }

    fn admitted(&mut self, ix: &Index, at: u32, qty: Dec, buy: bool) -> Dec {
        let (_, sub, follower) = self.bounds(ix, at);
        let Some(ls) = self.st.lines.get(at as usize) else { return Dec::ZERO };
        let (s, fi) = (ix.subs.get(ls.sub as usize), ls.follower_instrument);
        let owner = s.map_or(0, |s| s.follower);
        let counts = sub.max_position_lots.is_some() || follower.max_position_lots.is_some();
        let open = Open {
            qty,
            killed: self.st.killed,
            restricted: ix.restricted.get(owner as usize).is_some_and(|r| r.contains(&fi)),
            bust_hold: ls.line.bust_hold,
            sub_entered: entered(&ls.line, buy),
            follower_entered: if counts { self.entered_by(ix, owner, fi, buy) } else { Dec::ZERO },
            sub,
            follower,
            contract: ix.cfg.instruments.get(fi as usize).map_or(Dec::ONE, |i| i.contract_size),
        };
        let mut refusals = Vec::new();
        let left = admit(&open, &mut refusals);
        for r in refusals {
            self.refuse(r);
        }
        left
    }

    fn entered_by(&self, ix: &Index, follower: u32, fi: u32, buy: bool) -> Dec {
        let mine = |l: &&LineState| {
            l.follower_instrument == fi && ix.subs.get(l.sub as usize).is_some_and(|s| s.follower == follower)
        };
        let lines = self.st.lines.iter().filter(mine).map(|l| entered(&l.line, buy));
        lines.fold(Dec::ZERO, |sum, e| sum.checked_add(e).unwrap_or(sum))
    }

    fn limit_px(&self, ix: &Index, at: u32, buy: bool, cfg: &SubscriptionConfig) -> Option<Dec> {
        if cfg.order_type == OrderType::Market {
            return None;
        }
        let ls = self.st.lines.get(at as usize)?;
        let (_, _, factor) = *ix.subs.get(ls.sub as usize)?.map.get(&ls.instrument)?;
        let i = ix.cfg.instruments.get(ls.follower_instrument as usize)?;
        let px = ls.leader_px?.mul(factor, Round::HalfEven)?;
        let slip = px.mul_div(cfg.max_slippage_bps, Dec::from_int(10_000), Round::HalfEven)?;
        let raw = if buy { px.checked_add(slip)? } else { px.checked_sub(slip)? };
        // Never beyond the allowed slippage: a buy limit rounds down, a sell limit up.
        let ticks = raw.div(i.tick, Round::HalfEven)?.raw();
        let one = Dec::ONE.raw();
        let whole = ticks.div_euclid(one);
        let up = i128::from(!buy && ticks.rem_euclid(one) != 0);
        whole.checked_add(up)?.checked_mul(i.tick.raw()).map(Dec::from_raw)
    }

    /// Makes one order: derived ClOrdID, digest, books. False when the same identity was made before.
    #[allow(clippy::too_many_arguments)]
    fn make_order<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        buy: bool,
        qty: Dec,
        reduces: bool,
        px: Option<Dec>,
        deadline_ns: i64,
        _sink: &mut S,
    ) -> bool {
        let Some(ls) = self.st.lines.get(at as usize) else { return false };
        let sub = ls.sub;
        let Some(s) = ix.subs.get(sub as usize) else { return false };
        let profile = ix.route_profiles.get(s.route as usize).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let len = profile.map_or(20, |p| p.cl_ord_id.max_len).min(20);
        let mut id = self.derive(s.hash, at, len);
        if self.st.ids.contains_key(&id) {
            if !reduces {
                self.refuse(Refusal::bare(Code::Duplicate));
                return false;
            }
            for _ in 0..8 {
                id = self.derive(s.hash, at, len);
                if !self.st.ids.contains_key(&id) {
                    break;
                }
            }
        }
        let Ok(o) = u32::try_from(self.st.orders.len()) else { return false };
        self.buffer.clear();
        self.buffer.extend_from_slice(&self.st.digest.to_le_bytes());
        self.buffer.extend_from_slice(&id);
        self.buffer.push(u8::from(buy));
        self.buffer.extend_from_slice(&qty.raw().to_le_bytes());
        self.buffer.extend_from_slice(&px.map_or(i128::MIN, Dec::raw).to_le_bytes());
        self.st.digest = xxh3_128(&self.buffer);
        if S::WANTS_DECISIONS {
            let signed = if buy { qty } else { Dec::from_raw(qty.raw().saturating_neg()) };
            self.cause.orders.push((id.clone(), signed));
        }
        self.st.ids.insert(id.clone(), o);
        self.st.orders.push(Order {
            cl_ord_id: id,
            sub,
            line: at,
            buy,
            reduces,
            qty,
            px,
            cum: Dec::ZERO,
            busted: Dec::ZERO,
            state: State::Held,
            try_no: 1,
            deadline_ns,
            since_ns: self.st.at_ns,
            order_id: Vec::new(),
            cancel_id: None,
            cancels: 0,
            cancel_after_ns: 0,
            query_no: 0,
            incarnation: 0,
            epoch: 0,
        });
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.live.push(o);
            add_working(&mut ls.line, buy, reduces, qty);
        }
        self.pending.push((s.route, o, SendKind::New));
        true
    }

    fn derive(&mut self, sub_hash: u64, at: u32, len: usize) -> Vec<u8> {
        let mut seed = [0_u8; 30];
        seed[..16].copy_from_slice(&self.cause.id.to_le_bytes());
        seed[16..24].copy_from_slice(&sub_hash.to_le_bytes());
        seed[24..28].copy_from_slice(&at.to_le_bytes());
        seed[28..30].copy_from_slice(&self.cause.slices.to_le_bytes());
        self.cause.slices = self.cause.slices.saturating_add(1);
        cl_ord_id(xxh3_128(&seed), len)
    }

    /// Ends an order that is proven not to be at the broker.
    pub(super) fn end_unsent<S: Sink>(&mut self, ix: &Arc<Index>, o: u32, end: End, sink: &mut S) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let (line, leaves, reduces, sub) = (order.line, order.leaves(), order.reduces, order.sub);
        let route = ix.subs.get(sub as usize).map_or(0, |s| s.route);
        if next(order.state, Input::Withdraw).is_none() {
            return;
        }
        self.set_state(o, Input::Withdraw, sink);
        if let Some(r) = self.st.routes.get_mut(route as usize) {
            r.held.remove(&o);
        }
        if end == End::Missed {
            self.refuse(Refusal::bare(Code::Missed));
            if !reduces {
                self.lower(ix, line, leaves);
            }
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

pub(super) fn add_working(line: &mut Line, buy: bool, closes: bool, qty: Dec) {
    let add = |slot: &mut Dec| *slot = Dec::from_raw(slot.raw().saturating_add(qty.raw()));
    add(if buy { &mut line.working_buy } else { &mut line.working_sell });
    if closes {
        add(if buy { &mut line.closing_buy } else { &mut line.closing_sell });
    }
}

fn entered(line: &Line, buy: bool) -> Dec {
    let (filled, working) = if buy {
        (line.filled, line.working_buy)
    } else {
        (Dec::from_raw(line.filled.raw().saturating_neg()), line.working_sell)
    };
    working.checked_add(filled.max(Dec::ZERO)).unwrap_or(working)
}

fn whole_steps(qty: Dec, grid: Grid) -> Dec {
    let rest = qty.raw().checked_rem(grid.step.raw()).unwrap_or(0);
    Dec::from_raw(qty.raw().saturating_sub(rest))
}

/// Splits a quantity into parts of at most `chunk`, equal within one step.
fn parts(qty: Dec, chunk: Option<Dec>, grid: Grid) -> Vec<Dec> {
    if !qty.is_positive() {
        return Vec::new();
    }
    let steps_max = chunk.and_then(|c| c.raw().checked_div(grid.step.raw())).map(|s| s.max(1));
    let steps = qty.raw().checked_div(grid.step.raw()).unwrap_or(0);
    let n = match steps_max {
        Some(max) if steps > max => steps.saturating_add(max).saturating_sub(1).checked_div(max).unwrap_or(1),
        _ => return vec![qty],
    };
    let (each, more) = (steps.checked_div(n).unwrap_or(0), steps.checked_rem(n).unwrap_or(0));
    let rest = qty.raw().saturating_sub(steps.saturating_mul(grid.step.raw()));
    let count = n.min(PARTS_MAX);
    let mut out = Vec::new();
    for k in 0..count {
        let mut raw = each.saturating_add(i128::from(k < more)).saturating_mul(grid.step.raw());
        if k.saturating_add(1) == n {
            raw = raw.saturating_add(rest);
        }
        out.push(Dec::from_raw(raw));
    }
    out
}

/// Base32 text of a hash: letters and digits, which every venue accepts.
fn cl_ord_id(hash: u128, len: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(len);
    let mut bits = hash;
    for _ in 0..len {
        let at = usize::try_from(bits & 31).unwrap_or(0);
        out.push(BASE32.get(at).copied().unwrap_or(b'A'));
        bits >>= 5;
    }
    out
}
