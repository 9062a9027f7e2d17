//! Mirrors that close where nothing of the venue's own keeps a close from opening: they are no larger than what the broker says
//! is held (decision 0011).

use super::Mirror;
use super::work::Wanted;
use crate::action::Sink;
use crate::decimal::Dec;
use crate::engine::lanes::{Closes, Lane};
use crate::engine::{Engine, Index};
use crate::ledger::{less, sum};
use crate::mirror::{Standing, standing};
use crate::order::State;
use std::sync::Arc;

const MS: i64 = 1_000_000;

impl Engine {
    /// Units that a mirror may have open as a close of `rest` units, none where nothing bounds it; and those that no order is
    /// for.
    ///
    /// An order that rests has time, and may be all that protects a follower: a report that a fill overtook takes nothing off
    /// it. One that is placed, or grows, goes by the newest report, as every close does.
    pub(super) fn resting_room(
        &self,
        ix: &Index,
        at: u32,
        m: &Mirror,
        lane: &Lane,
        rest: Dec,
    ) -> (Option<Dec>, Dec) {
        let room = if lane.closes == Closes::Capped { self.room(ix, at, lane, m.buy) } else { None };
        let Some(room) = room else { return (None, Dec::ZERO) };
        let doubted = room < rest && !self.said_twice(ix, at);
        let room = if doubted { room.max(self.resting(at, m).min(rest)) } else { room };
        (Some(room), less(rest, room).max(Dec::ZERO))
    }

    /// Units that the orders of a mirror have open.
    pub(super) fn resting(&self, at: u32, m: &Mirror) -> Dec {
        let parts = self.st.mirrors.of(at).iter().filter(|p| p.key == m.key && p.live && p.buy == m.buy);
        let open = parts.filter_map(|p| Some(p.open(self.st.orders.get(*p.orders.last()? as usize)?)));
        open.fold(Dec::ZERO, |sum, units| sum.checked_add(units).unwrap_or(sum))
    }

    /// Units that other mirrors have open as closes whose leader's orders have ended, and that are not asked to be cancelled yet:
    /// one request at a time. A leader who moves his stop by a cancel and a new one has one stop.
    pub(super) fn not_asked_to_go(&self, at: u32, m: &Mirror) -> Dec {
        let others = self.st.mirrors.of(at).iter().filter(|p| p.live && p.key != m.key && p.buy == m.buy);
        let open = others.filter(|p| p.ended_ns != 0).filter_map(|p| {
            let order = self.st.orders.get(*p.orders.last()? as usize)?;
            let asked = p.asked(order.cancel_id);
            // Of one in doubt nobody knows that it protects anything.
            let waits = matches!(standing(order.state, asked), Standing::Away | Standing::Replacing);
            (waits && order.state != State::Unknown).then(|| p.open(order))
        });
        open.fold(Dec::ZERO, sum)
    }

    /// What a line's account holds was reported more than once, `settle_ms` apart, and the same each time: one report, or two in a
    /// row, may be older than a fill of ours.
    fn said_twice(&self, ix: &Index, at: u32) -> bool {
        let stands = || {
            let ls = self.st.lines.get(at as usize)?;
            let follower = ix.subs.get(ls.sub as usize)?.follower;
            let (first, last) =
                self.st.holdings.get(follower as usize)?.stands.get(&ls.follower_instrument)?;
            Some(last.saturating_sub(*first) >= ix.cfg.timing.settle_ms.saturating_mul(MS))
        };
        stands().unwrap_or(false)
    }

    /// What is kept back is told once, and its broker is asked until it is not. One that reports another position than our books
    /// have is asked anyway (`compare`).
    pub(super) fn keep_back<S: Sink>(
        &mut self,
        ix: &Index,
        (at, n): (u32, usize),
        wanted: &Wanted,
        lane: &Lane,
        sink: &mut S,
    ) {
        let units = wanted.kept_back;
        let Some(sub) = self.st.lines.get(at as usize).map(|ls| ls.sub) else { return };
        let Some(m) = self.st.mirrors.get_mut(at, n).filter(|m| m.part == 0) else { return };
        let begins = units.is_positive() && !m.capped;
        m.capped = units.is_positive();
        if units.is_zero() {
            return;
        }
        if begins {
            self.tell_capped(ix, sub, lane, units, sink);
        }
        let pause_ms = if begins { 0 } else { ix.cfg.timing.close_retry_max_ms };
        let follower = ix.subs.get(sub as usize).map_or(u32::MAX, |s| s.follower);
        if self.answers_positions(ix, follower) {
            self.plan_question(follower, self.st.at_ns.saturating_add(pause_ms.saturating_mul(MS)));
        }
    }

    /// Some mirror of a follower's is kept back.
    pub(in crate::engine) fn mirrors_capped(&self, follower: u32) -> bool {
        self.lines_of_account(follower).iter().any(|at| self.st.mirrors.of(*at).iter().any(|m| m.capped))
    }

    /// What an account holds was reported, or is asked for: its mirrors that close may have to be of another size.
    pub(in crate::engine) fn work_resting<S: Sink>(&mut self, ix: &Arc<Index>, follower: u32, sink: &mut S) {
        if self.st.mirrors.is_empty() {
            return;
        }
        let lane = |at: u32| self.st.lines.get(at as usize).and_then(|ls| ix.lane(ls));
        let caps = |at: &u32| {
            !self.st.mirrors.of(*at).is_empty() && lane(*at).is_some_and(|l| l.closes == Closes::Capped)
        };
        let lines: Vec<u32> = self.lines_of_account(follower).iter().copied().filter(caps).collect();
        for at in lines {
            self.work_line(ix, at, sink);
        }
    }

    /// Every order of a line's mirrors is at its broker as it was asked for, and nothing of them is ahead of the leader or behind.
    pub(in crate::engine) fn mirrors_rest(&self, at: u32) -> bool {
        self.st.mirrors.of(at).iter().all(|m| {
            let order = m.orders.last().filter(|_| m.live).and_then(|o| self.st.orders.get(*o as usize));
            let rests = order.is_none_or(|o| {
                matches!(o.state, State::Acknowledged | State::PartlyFilled) && o.cancel_id.is_none()
            });
            rests && m.ahead == 0 && m.unanswered.is_zero()
        })
    }
}
