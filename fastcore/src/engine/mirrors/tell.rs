//! What is said about mirrors to whoever listens (decision 0030). Nothing here changes an order, a target or a mirror.

use super::leader::left;
use super::parts::{self, Share};
use super::settle::whole_units;
use super::work::Wanted;
use super::{Given, Mirror};
use crate::action::Sink;
use crate::config::{LeaderFilled, SubscriptionConfig};
use crate::decimal::Dec;
use crate::engine::lanes::Lane;
use crate::engine::leaders::Execution;
use crate::engine::{Engine, Index};
use crate::leader;
use crate::mirror::{Mapping, Standing, Terms, Wish, standing};
use crate::mirrored::{
    Between, Had, LeaderOrder, Limits, Mirrored, Moved, Part, Prices, Said, Size, Step, To, Why,
};
use crate::order::State;
use crate::report::Report;
use std::sync::Arc;

/// What became of the attempt to bring an order nearer to what is wanted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Done {
    pub(super) step: Step,
    pub(super) why: Why,
    pub(super) to: Option<To>,
    pub(super) limits: Option<Limits>,
}

impl Done {
    pub(super) const fn of(step: Step, why: Why) -> Self {
        Done { step, why, to: None, limits: None }
    }

    /// Nothing was done; `gone`: why no order is wanted, where none is.
    pub(super) const fn nothing(standing: Standing, wish: Wish, gone: Why) -> Self {
        match (standing, wish) {
            (Standing::Absent, _) => Self::of(Step::Nothing, gone),
            (Standing::Replacing, _) => Self::of(Step::Wait, Why::Replacing),
            (Standing::Canceling, _) => Self::of(Step::Wait, Why::Canceling),
            (Standing::Away, Wish::Gone | Wish::Change) => Self::of(Step::Wait, Why::Away),
            _ => Self::of(Step::Keep, Why::AsWanted),
        }
    }

    /// Something leaves, or does not although it was wanted.
    const fn acts(&self) -> bool {
        matches!(self.step, Step::Place | Step::Replace | Step::Cancel | Step::Withdraw | Step::Refuse)
    }
}

/// What settling did to one mirror: what it is ahead by, and the target.
#[derive(Clone, Copy, Debug)]
pub(super) struct Settled {
    pub(super) before: (i128, i128),
    pub(super) after: (i128, i128),
}

impl Settled {
    fn why(&self, m: &Mirror, g: &Given) -> Why {
        let ((ahead, target), (_, after)) = (self.before, self.after);
        if ahead > 0 {
            return match (m.opens(g.position), target == after) {
                (true, true) => Why::Closed,
                (true, false) => Why::Kept,
                (false, true) => Why::CloseDone,
                (false, false) => Why::StaysClosed,
            };
        }
        let behind = whole_units(ahead.saturating_neg(), g.grid);
        match () {
            () if target != after => Why::GivenUp,
            () if g.leader_filled == LeaderFilled::MarketAfterS && m.timed_out(g) => Why::ToMarket,
            () if behind < g.grid.min => Why::TooLittle,
            () => Why::Shrunk,
        }
    }
}

/// What came to an end.
pub(super) enum End<'a> {
    /// Its order.
    Order(Had, Why),
    /// What it was ahead or behind by.
    Settled(Settled, &'a Given),
    /// All of it.
    Over,
}

impl Wanted {
    /// No order, for a reason that is still to be told.
    pub(super) const fn nothing(m: &Mirror, opens: bool, lane: &Lane) -> Self {
        let size = Size {
            part: None,
            min: lane.grid.min,
            venue_max: lane.venue_max,
            parts: 1,
            others: Dec::ZERO,
            units: Dec::ZERO,
        };
        let (units, terms, leaders) = (Dec::ZERO, m.terms, m.terms);
        let share = Share { units, others: units, parts: 1, short: units };
        Wanted {
            units,
            terms,
            whole: units,
            share,
            opens,
            size,
            leaders,
            entry: None,
            kept_back: units,
            why: Why::Left,
            unmirrored: None,
        }
    }
}

impl Mirror {
    /// Why its order is to have nothing open.
    pub(super) fn why_nothing(&self, part: &Part, g: &Given) -> Why {
        match part {
            _ if self.barred => Why::Barred,
            _ if self.lost => Why::Lost,
            Part::Open { .. } if self.timed_out(g) => Why::LeaderFilled,
            _ if !self.left.is_positive() => Why::LeaderEnded,
            Part::Open { opening, .. } if *opening > 0 && *opening <= self.ahead => Why::Filled,
            Part::Open { .. } if self.refused > 0 || self.rejected > 0 => Why::Refused,
            Part::Close { share, .. } if share.is_zero() => Why::NothingToClose,
            Part::Close { share, done, .. } if share <= done => Why::Filled,
            Part::Close { room, .. } if *room < g.grid.min => Why::OtherCloses,
            Part::Close { broker: Some(room), .. } if *room < g.grid.min => Why::Capped,
            _ => Why::Small,
        }
    }
}

impl Engine {
    /// The leader's report that is applied, as far as mirrors may be told of it.
    pub(super) fn note_said(&mut self, ix: &Index, leader: u32, r: &Report<'_>) {
        if ix.mirrored.get(leader as usize) != Some(&true) {
            return;
        }
        self.cause.said = Some(Arc::new(Said {
            row: self.st.seq,
            order_id: r.order_id.into(),
            cl_ord_id: r.cl_ord_id.into(),
            exec_id: r.exec_id.into(),
        }));
    }

    /// CxlRejReason(102) of the answer that is applied.
    pub(in crate::engine) fn note_why_refused(&mut self, reason: &[u8]) {
        self.cause.refused = Some(match reason {
            b"0" => Why::TooLate,
            b"1" => Why::UnknownOrder,
            _ => Why::BrokersChoice,
        });
    }

    /// A step of a mirror, with what is the same for each.
    fn step_of<'a>(&'a self, at: u32, m: &'a Mirror, step: Step, why: Why) -> Option<Mirrored<'a>> {
        let ls = self.st.lines.get(at as usize)?;
        let leader = self.ix.subs.get(ls.sub as usize)?.leader;
        let position = self.st.leaders.get(leader as usize)?.positions.get(&ls.instrument).copied();
        let (ended, terms) = (m.ended_ns != 0, Some(m.terms));
        Some(Mirrored {
            sub: ls.sub,
            instrument: self.ix.cfg.instruments.get(ls.instrument as usize).map_or("", |i| &i.name),
            said: &m.said,
            cause: self.cause.said.as_ref().map_or(&[], |said| &said.exec_id),
            begun: m.begun,
            step,
            why,
            buy: m.buy,
            leader: LeaderOrder { buy: m.leader_buy, left: m.left, ended, terms, position },
            between: Between {
                ahead: m.ahead,
                refused: m.refused,
                rejected: m.rejected,
                step: self.ix.lane(ls)?.grid.step,
            },
            size: None,
            prices: None,
            order: None,
            to: None,
            limits: None,
            moved: None,
            refusals: &[],
        })
    }

    /// An order of a mirror as it stands.
    fn had_of(&self, m: &Mirror, o: u32) -> Option<Had> {
        let order = self.st.orders.get(o as usize)?;
        let newest = m.orders.last() == Some(&o);
        Some(Had {
            cl_ord_id: order.cl_ord_id,
            state: order.state.name(),
            reduces: order.reduces,
            qty: order.qty,
            cum: order.cum,
            terms: m.has.filter(|_| newest),
            asked: m.asked(order.cancel_id),
            unanswered: if newest { m.unanswered } else { Dec::ZERO },
        })
    }

    /// The order of a mirror that may still fill.
    pub(super) fn had(&self, m: &Mirror) -> Option<Had> {
        self.had_of(m, *m.orders.last().filter(|_| m.live)?)
    }

    /// What was done to bring a mirror's order nearer to what is wanted. That it is kept, or waits, is told of the mirror
    /// that the leader's report is about, and once.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn tell_driven<S: Sink>(
        &mut self,
        at: u32,
        m: &Mirror,
        mapping: &Mapping<'_>,
        cfg: &SubscriptionConfig,
        wanted: &Wanted,
        had: Option<Had>,
        done: &Done,
        mark: usize,
        sink: &mut S,
    ) {
        let refusals = self.cause.refusals.get(mark..).unwrap_or(&[]);
        if !done.acts() && refusals.is_empty() && !self.asks_about(at, m) {
            return;
        }
        let Some(told) = self.step_of(at, m, done.step, done.why) else { return };
        let some = wanted.units.is_positive();
        let prices = Prices {
            entry: wanted.entry,
            multiplier: wanted.entry.map_or(Dec::ONE, |_| cfg.stop_multiplier),
            reverse: mapping.reverse,
            factor: mapping.price_factor,
            tick: mapping.tick,
            exact: mapping.exact(&wanted.leaders),
            terms: some.then_some(wanted.terms),
            unmirrored: wanted.unmirrored,
        };
        let prices = (some || wanted.unmirrored.is_some()).then_some(prices);
        let size = Some(wanted.size);
        let (order, to, limits) = (had, done.to, done.limits);
        sink.mirrored(&Mirrored { size, prices, order, to, limits, refusals, ..told });
        self.cause.told.push((at, m.key));
    }

    /// The leader's report is about this mirror, and nothing was said of it yet.
    fn asks_about(&self, at: u32, m: &Mirror) -> bool {
        self.cause.own == Some(m.key) && !self.cause.told.contains(&(at, m.key))
    }

    /// Nothing can be worked out for it now.
    pub(super) fn tell_stuck<S: Sink>(&mut self, at: u32, m: &Mirror, why: Why, sink: &mut S) {
        if !S::WANTS_DECISIONS || !self.asks_about(at, m) {
            return;
        }
        if let Some(told) = self.step_of(at, m, Step::Wait, why) {
            sink.mirrored(&Mirrored { order: self.had(m), ..told });
        }
        self.cause.told.push((at, m.key));
    }

    /// A leader's order that is not mirrored.
    pub(super) fn tell_unmirrored<S: Sink>(
        &self,
        ix: &Index,
        x: &Execution<'_>,
        order: &leader::LeaderOrder,
        (sub, at): (u32, Option<u32>),
        sink: &mut S,
    ) {
        let Some(said) = self.cause.said.as_ref().filter(|_| S::WANTS_DECISIONS) else { return };
        let lane = at.and_then(|at| ix.lane(self.st.lines.get(at as usize)?));
        let positions = self.st.leaders.get(x.leader as usize).map(|l| &l.positions);
        let buy = order.bought == Some(true);
        let terms = Terms::read(x.message);
        let leader = LeaderOrder {
            buy,
            left: left(order),
            ended: order.ended,
            terms: terms.ok(),
            position: positions.and_then(|p| p.get(&x.instrument)).copied(),
        };
        let prices = lane.and_then(|lane| {
            let profile = ix.cfg.profiles.get(*ix.route_profiles.get(lane.route as usize)? as usize)?;
            let (reverse, factor, tick) = (lane.reverse, lane.price_factor, lane.tick);
            let mapping = Mapping::between(profile, factor, tick, reverse, buy != reverse);
            let mapped = terms.and_then(|t| mapping.terms(&t));
            let (entry, multiplier) = (None, Dec::ONE);
            let exact = terms.map_or((None, None), |t| mapping.exact(&t));
            let (terms, unmirrored) = (mapped.ok(), mapped.err());
            Some(Prices { entry, multiplier, reverse, factor, tick, exact, terms, unmirrored })
        });
        let refusals = self.cause.refusals.last().map_or(&[][..], std::slice::from_ref);
        sink.mirrored(&Mirrored {
            sub,
            instrument: ix.cfg.instruments.get(x.instrument as usize).map_or("", |i| &i.name),
            said,
            cause: &said.exec_id,
            begun: 0,
            step: Step::Refuse,
            why: Why::Refused,
            buy: buy != lane.is_some_and(|l| l.reverse),
            leader,
            between: Between {
                ahead: 0,
                refused: 0,
                rejected: 0,
                step: lane.map_or(Dec::ONE, |l| l.grid.step),
            },
            size: None,
            prices,
            order: None,
            to: None,
            limits: None,
            moved: None,
            refusals,
        });
    }

    /// Orders of a line's mirrors that have ended since it was worked last.
    pub(super) fn ended(&self, list: &[Mirror]) -> Vec<(usize, Had, Why)> {
        let live = list.iter().enumerate().filter(|(_, m)| m.live);
        let ended = live.filter_map(|(n, m)| {
            let o = *m.orders.last()?;
            let state = self.st.orders.get(o as usize)?.state;
            let why = match state {
                State::Filled => Why::Filled,
                _ if m.ours => Why::Asked,
                _ => Why::Unasked,
            };
            state.is_done().then_some((n, self.had_of(m, o)?, why))
        });
        ended.collect()
    }

    /// Something of a mirror has come to its end.
    pub(super) fn tell_end<S: Sink>(&self, at: u32, list: &[Mirror], n: usize, end: End<'_>, sink: &mut S) {
        let Some(m) = &parts::whole(list, n) else { return };
        let (step, why) = match &end {
            End::Order(_, why) => (Step::Ended, *why),
            End::Settled(settled, given) => (Step::Settled, settled.why(m, given)),
            End::Over if m.left.is_positive() => (Step::Over, Why::Lost),
            End::Over => (Step::Over, Why::LeaderEnded),
        };
        let Some(told) = self.step_of(at, m, step, why) else { return };
        let order = if let End::Order(had, _) = end { Some(had) } else { None };
        let moved = if let End::Settled(Settled { before, after }, _) = end {
            Some(Moved {
                units: None,
                ahead_before: before.0,
                ahead_after: after.0,
                target_before: Some(before.1),
                target_after: Some(after.1),
            })
        } else {
            None
        };
        sink.mirrored(&Mirrored { order, moved, ..told });
    }

    /// A fill of a mirror's order, or its bust, and what was asked of the order when it came.
    pub(super) fn tell_fill<S: Sink>(&self, at: u32, o: u32, units: Dec, q: i128, sink: &mut S) {
        let Some(m) = &self.told_mirror::<S>(at, o) else { return };
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let why = match standing(order.state, m.asked(order.cancel_id)) {
            _ if m.orders.last() != Some(&o) => Why::Late,
            Standing::Absent => Why::Late,
            Standing::Held | Standing::Away => Why::Away,
            Standing::Working => Why::Working,
            Standing::Replacing => Why::Replacing,
            Standing::Canceling => Why::Canceling,
        };
        let step = if units.is_negative() { Step::Bust } else { Step::Fill };
        let Some(told) = self.step_of(at, m, step, why) else { return };
        let moved = Moved {
            units: Some(units),
            ahead_before: m.ahead.saturating_sub(q),
            ahead_after: m.ahead,
            target_before: None,
            target_after: None,
        };
        sink.mirrored(&Mirrored { order: self.had_of(m, o), moved: Some(moved), ..told });
    }

    /// What the broker said about a mirror's order.
    pub(super) fn tell_heard<S: Sink>(&self, at: u32, o: u32, step: Step, why: Why, sink: &mut S) {
        let Some(m) = &self.told_mirror::<S>(at, o) else { return };
        if let Some(told) = self.step_of(at, m, step, why) {
            sink.mirrored(&Mirrored { order: self.had_of(m, o), ..told });
        }
    }

    /// The broker refused a request about a mirror's order.
    pub(super) fn tell_request_refused<S: Sink>(&self, at: u32, o: u32, id: &[u8], sink: &mut S) {
        let replace = self.told_mirror::<S>(at, o).and_then(|m| m.replace).is_some_and(|r| r.id[..] == *id);
        let step = if replace { Step::ReplaceRefused } else { Step::CancelRefused };
        self.tell_heard(at, o, step, self.cause.refused.unwrap_or(Why::BrokersChoice), sink);
    }

    /// The mirror that has an order, where somebody listens.
    fn told_mirror<S: Sink>(&self, at: u32, o: u32) -> Option<Mirror> {
        if !S::WANTS_DECISIONS {
            return None;
        }
        let list = self.st.mirrors.of(at);
        parts::whole(list, list.iter().position(|m| m.orders.contains(&o))?)
    }
}
