//! The leader's side of mirrors: an order of his begins, changes, fills and ends.

use super::Mirror;
use crate::action::Sink;
use crate::config::{Copied, SubscriptionConfig};
use crate::decimal::Dec;
use crate::engine::increase::filters;
use crate::engine::lanes::Lane;
use crate::engine::leaders::{Execution, Moved};
use crate::engine::lines::DUE_LINE;
use crate::engine::turns::Served;
use crate::engine::{Engine, Index};
use crate::fix::Message;
use crate::leader::{Change, LeaderOrder};
use crate::ledger::quanta;
use crate::mirror::{Mapping, Terms};
use crate::refusal::{Code, Refusal};
use crate::report::{Kind, Report};
use crate::sizing::Rule;
use crate::time::trade_date;
use std::sync::Arc;

const MS: i64 = 1_000_000;

/// What the leader's order may still fill; nothing when it has ended, or contradicts itself.
pub(super) fn left(order: &LeaderOrder) -> Dec {
    let open = order.order_qty.and_then(|qty| qty.checked_sub(order.known));
    open.filter(|q| q.is_positive() && !order.ended && !order.frozen).unwrap_or(Dec::ZERO)
}

/// The leader's order is a stop, also where its terms cannot be read: OrdType(40) 3, 4 or P (pegged: it trails), or a
/// StopPx(99).
fn is_stop(message: &Message<'_>) -> bool {
    matches!(message.get(40), Some(b"3" | b"4" | b"P"))
        || message.get(99).and_then(|px| Dec::parse(px).ok()).is_some_and(Dec::is_positive)
}

impl Engine {
    /// A report of a leader's order, before its fill is counted: what mirrors of it may still be ahead by.
    pub(in crate::engine) fn note_leader_order(
        &mut self,
        ix: &Index,
        (leader, instrument): (u32, u32),
        order: &LeaderOrder,
        change: &Change,
        report: &Report<'_>,
        message: &Message<'_>,
    ) {
        self.note_said(ix, leader, report);
        if self.st.mirrors.is_empty() {
            return;
        }
        let said = self.cause.said.clone().filter(|_| *change != Change::Duplicate);
        let lines = self.st.leaders.get(leader as usize).and_then(|l| l.lines.get(&instrument));
        let lines: Vec<u32> = lines.into_iter().flatten().copied().collect();
        // Only the newest word changes an order: a report that was overtaken shows what it was.
        let newest = report.transact_ns.is_none_or(|t| t >= order.last_ns) && *change != Change::Duplicate;
        let shows = matches!(report.kind, Kind::Replaced | Kind::Restated { .. } | Kind::Status | Kind::New);
        let terms = if newest && shows { Terms::read(message).ok() } else { None };
        let changes = newest && report.kind == Kind::Replaced;
        let (left, now) = (left(order), self.st.at_ns);
        let over = order.ended || order.frozen;
        for at in lines {
            let sub = self.st.lines.get(at as usize).map_or(u32::MAX, |ls| ls.sub);
            let after_ms = ix.cfg.subscriptions.get(sub as usize).map_or(0, |s| s.leader_filled_ms);
            let mut due = false;
            for m in self.st.mirrors.list_mut(at).iter_mut().filter(|m| m.key == order.id) {
                if let Some(said) = &said {
                    m.said = Arc::clone(said);
                }
                let ends = over && m.ended_ns == 0;
                if ends {
                    m.ended_ns = now;
                } else if !over {
                    m.ended_ns = 0;
                }
                if changes || terms.is_some_and(|t| t != m.terms) || left > m.left {
                    // The leader has changed it: what was lost may be there again, but not what he filled meanwhile.
                    m.lost = false;
                    let filled = m.rejected.min(m.ahead.saturating_neg()).max(0);
                    (m.gone, m.rejected) = (m.gone.saturating_add(filled), 0);
                }
                m.left = left;
                m.terms = terms.unwrap_or(m.terms);
                due |= ends && after_ms > 0;
            }
            if due {
                self.st.due.insert((now.saturating_add(after_ms.saturating_mul(MS)), DUE_LINE, at));
            }
        }
    }

    /// The rule that an increase is sized by because its order is mirrored; none: as any other. The open part of an order
    /// that closes first is no part of its mirror.
    #[inline(never)]
    pub(in crate::engine) fn mirror_rule(
        &self,
        at: u32,
        x: &Execution<'_>,
        order: &LeaderOrder,
    ) -> Option<Rule> {
        let opens = x.reduce.is_zero() && !order.frozen;
        let mirrors = self.st.mirrors.of(at).iter();
        mirrors.filter(|_| opens).find(|m| m.key == order.id && !m.closing).map(|m| m.rule)
    }

    /// The target moved by an execution of an order: `grew`, its increase was sized.
    pub(in crate::engine) fn mirrors_follow(
        &mut self,
        x: &Execution<'_>,
        at: u32,
        key: u128,
        before: i128,
        grew: bool,
    ) {
        let grown = if grew { self.cause.size } else { 0 };
        self.mirrors_count(at, Some(key), before, grown, !x.reduce.is_zero() && !x.increase.is_zero());
    }

    /// The target moved: from `before` by a reduce, then by `grown` quanta of an increase. What its own mirror was ahead
    /// by is made good; what mirrors were behind shrinks with the position.
    pub(in crate::engine) fn mirrors_count(
        &mut self,
        at: u32,
        key: Option<u128>,
        before: i128,
        grown: i128,
        crossed: bool,
    ) {
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let after = ls.line.target.saturating_abs().saturating_sub(grown);
        let rest = if crossed { 0 } else { after.max(0) };
        let lower = before.saturating_abs().saturating_sub(rest).max(0);
        let mut unnamed = if key.is_none() { lower } else { 0 };
        let until_ns = self.cause.until_ns;
        for m in self.st.mirrors.list_mut(at) {
            if lower > 0 && m.ahead < 0 && before.signum() == m.dir() {
                let part = crate::decimal::mul_div(
                    m.ahead,
                    rest,
                    before.saturating_abs(),
                    crate::decimal::Round::HalfEven,
                );
                m.ahead = part.unwrap_or(0);
            }
            if m.part != 0 {
                continue;
            }
            // A report of the position names no order: what closes have closed ahead is what it has less.
            if unnamed > 0 && m.ahead > 0 && before.signum() == m.dir().saturating_neg() {
                let part = unnamed.min(m.ahead);
                (m.ahead, unnamed) = (m.ahead.saturating_sub(part), unnamed.saturating_sub(part));
            }
            if key != Some(m.key) {
                continue;
            }
            if lower > 0 && m.ahead > 0 {
                m.ahead = m.ahead.saturating_sub(lower).max(0);
            }
            if grown > 0 && !m.closing && !crossed {
                m.ahead = m.ahead.saturating_sub(grown);
                m.counted = m.counted.saturating_add(grown);
                m.until_ns = until_ns;
            }
        }
    }

    /// After a report of a leader's order: followers that mirror get their order, changed or ended. `held`: his position
    /// before it.
    pub(in crate::engine) fn mirror_leader_order<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        (leader, instrument, held): (u32, u32, Option<Dec>),
        order: &mut LeaderOrder,
        report: &Report<'_>,
        message: &Message<'_>,
        sink: &mut S,
    ) {
        if ix.mirrored.get(leader as usize) != Some(&true) {
            return;
        }
        // The execution's own cause numbers what it made; what comes now has a cause of its own.
        (self.cause.id, self.cause.slices) = (self.seed("mirror", self.st.seq), 0);
        (self.cause.repeated, self.cause.until_ns) = (false, 0);
        let left = left(order);
        let stop = is_stop(message);
        let begins = left.is_positive()
            && matches!(report.kind, Kind::New | Kind::Replaced | Kind::Restated { .. } | Kind::Status);
        let position =
            self.st.leaders.get(leader as usize).and_then(|l| l.positions.get(&instrument)).copied();
        let subs = ix.subs_of.get(leader as usize).map_or(&[][..], Vec::as_slice);
        let n = u32::try_from(subs.len()).unwrap_or(u32::MAX);
        let closes = order
            .bought
            .is_some_and(|buys| held.is_some_and(|p| if buys { p.is_negative() } else { p.is_positive() }));
        let start = self.served_first(ix, leader, Served::Mirror(report.kind, closes), subs.len());
        let in_turn = subs.iter().enumerate().cycle().skip(start).take(subs.len());
        for (k, (place, sub)) in (1_u32..).zip(in_turn) {
            let Some(cfg) = ix.cfg.subscriptions.get(*sub as usize).filter(|s| s.mirrors()) else { continue };
            self.cause.refusals.clear();
            let at = self.line_of(ix, leader, instrument, place);
            let known = at.is_some_and(|at| self.st.mirrors.of(at).iter().any(|m| m.key == order.id));
            if !(known || begins && cfg.mirrors_type(stop)) {
                continue;
            }
            let before = position.unwrap_or(Dec::ZERO);
            let mut x =
                Execution::of_position(leader, instrument, report, message, before, before, Dec::ZERO);
            if !known {
                let opens = if order.bought == Some(true) {
                    left
                } else {
                    Dec::from_raw(left.raw().saturating_neg())
                };
                x.delta = opens;
                let begun = at
                    .ok_or(Refusal::bare(Code::Restricted))
                    .and_then(|at| self.begin_mirror(ix, &x, order, (*sub, place, at), cfg, position));
                if let Err(refusal) = begun {
                    self.refuse(refusal);
                    self.tell_unmirrored(ix, &x, order, (*sub, at), sink);
                }
            }
            x.delta = Dec::ZERO;
            let Some(at) = at else { continue };
            self.cause.own = Some(order.id);
            self.work_line(ix, at, sink);
            self.cause.own = None;
            if S::WANTS_DECISIONS && !(self.cause.orders.is_empty() && self.cause.refusals.is_empty()) {
                self.tell_mirror(ix, &x, *sub, at, (k, n), sink);
            }
        }
    }

    /// A decision about an order of the leader's that moved no target.
    fn tell_mirror<S: Sink>(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        sub: u32,
        at: u32,
        place: (u32, u32),
        sink: &mut S,
    ) {
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let (target, step) = (ls.line.target, ix.lane(ls).map_or(Dec::ONE, |l| l.grid.step));
        let moved =
            Moved { ratio: None, before: target, after: target, step, conversion: None, line: Some(at) };
        self.decided(ix, x, sub, &moved, place, sink);
    }

    /// A leader's order that is not mirrored yet.
    ///
    /// # Errors
    /// Why it is not; its fills are copied as they come.
    fn begin_mirror(
        &mut self,
        ix: &Arc<Index>,
        x: &Execution<'_>,
        order: &mut LeaderOrder,
        (sub, place, at): (u32, usize, u32),
        cfg: &SubscriptionConfig,
        position: Option<Dec>,
    ) -> Result<(), Refusal> {
        let leader_buy = order.bought.ok_or(Refusal::bare(Code::BadSide))?;
        let ls = self.st.lines.get(at as usize).ok_or(Refusal::bare(Code::Restricted))?;
        let lane = ix.lane(ls).ok_or(Refusal::bare(Code::Restricted))?;
        // A stop that is copied beside fills only closes: it waits for the position that it protects.
        let closing = cfg.copy == Copied::Fills || {
            let sign = position.ok_or(Refusal::bare(Code::LeaderPositionUnknown))?.signum();
            if leader_buy { sign < 0 } else { sign > 0 }
        };
        if !ls.follows() || ls.mode.leaves() && !closing {
            return Err(Refusal::bare(Code::Leaving));
        }
        let terms = self.mirrored_terms(ix, x, lane, leader_buy)?;
        let mut rule = Rule::Rate(Dec::ZERO);
        if !closing {
            if lane.filtered {
                filters(ix, x, order, sub, cfg)?;
            }
            self.fresh_order(x, lane)?;
            let date = trade_date(x.report.transact_ns.unwrap_or(self.st.at_ns));
            rule = self.frozen(x, order, (sub, place, at), cfg, lane, date)?;
        }
        // What an amount was used up by before counts, also where an earlier mirror of the same order is forgotten.
        let sized = order.sized(place);
        let counted = if matches!(rule, Rule::Amount(_)) { quanta(sized, lane.grid).unwrap_or(0) } else { 0 };
        let mirror = Mirror {
            key: order.id,
            part: 0,
            short: Dec::ZERO,
            capped: false,
            begun: self.st.seq,
            said: self.cause.said.clone().unwrap_or_default(),
            leader_buy,
            buy: leader_buy != lane.reverse,
            closing,
            rule,
            terms,
            left: left(order),
            ended_ns: 0,
            until_ns: 0,
            counted,
            ahead: 0,
            refused: 0,
            rejected: 0,
            gone: 0,
            lost: false,
            barred: false,
            stopped: false,
            orders: Vec::new(),
            live: false,
            ours: false,
            has: None,
            replace: None,
            unanswered: Dec::ZERO,
            irreplaceable: false,
            name: None,
            asked_as: None,
        };
        self.st.mirrors.lines.entry(at).or_default().push(mirror);
        Ok(())
    }

    /// The leader's terms, where the follower's venue takes what becomes of them.
    fn mirrored_terms(
        &self,
        ix: &Index,
        x: &Execution<'_>,
        lane: &Lane,
        leader_buy: bool,
    ) -> Result<Terms, Refusal> {
        let refused = Refusal::bare(Code::OrderTerms);
        let profile =
            ix.route_profiles.get(lane.route as usize).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let terms = Terms::read(x.message).map_err(|_| refused)?;
        let (price_factor, tick, reverse) = (lane.price_factor, lane.tick, lane.reverse);
        let mapping = Mapping {
            profile: profile.ok_or(refused)?,
            price_factor,
            tick,
            reverse,
            buy: leader_buy != reverse,
        };
        mapping.terms(&terms).map(|_| terms).map_err(|_| refused)
    }

    /// An order that was placed long ago, or nobody knows when, opens nothing.
    fn fresh_order(&self, x: &Execution<'_>, lane: &Lane) -> Result<(), Refusal> {
        let now = self.st.at_ns;
        let placed = x.report.transact_ns;
        if placed.is_some_and(|t| t >= now.saturating_sub(lane.max_age_ns)) {
            return Ok(());
        }
        let age_ms = now.saturating_sub(placed.unwrap_or(0)).checked_div(MS).unwrap_or(0);
        let limit_ms = lane.max_age_ns.checked_div(MS).unwrap_or(0);
        Err(Refusal::over(Code::Stale, Dec::from_int(limit_ms), Dec::from_int(age_ms)))
    }
}
