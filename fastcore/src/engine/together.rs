//! Bounds over all followers together (design 03: scope leader, global): what everybody, or everybody who copies one leader,
//! holds and has entered.
//!
//! An open may not walk over a thousand followers: sums are kept while orders come and go, and made anew from the lines when
//! the configuration changes. Each line remembers what it stands in the sums with, so nothing is counted twice.

use super::admission::Wish;
use super::lanes::Lane;
use super::prices::{Of, Source};
use super::stops::Scope;
use super::{Engine, Index};
use crate::config::{Config, Together};
use crate::decimal::{Dec, Round};
use crate::risk::{self, Bounds, Exposure};
use crate::slots::Slots;
use crate::worth::Unit;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;

const MS: i64 = 1_000_000;

/// What the configuration bounds, worked out.
#[derive(Clone, Debug, Default)]
pub struct Bounded {
    /// Scopes whose sums are kept, each with its bounds by follower instrument, units.
    scopes: Vec<(Scope, Slots<Bounds>)>,
    /// By leader: the places in that list that its copies count in.
    of_leader: Vec<Places>,
    /// Some scope bounds worth: prices are remembered.
    worth: bool,
}

/// Places of scopes: that of everything, that of a leader.
type Places = SmallVec<[usize; 2]>;

impl Bounded {
    /// Something is counted.
    #[must_use]
    pub(super) fn any(&self) -> bool {
        !self.scopes.is_empty()
    }

    /// Opens of a leader's copies have to be asked.
    #[must_use]
    pub(super) fn asks(&self, leader: u32) -> bool {
        !self.of(leader).is_empty()
    }

    /// Places of the scopes that copies of a leader count in.
    fn of(&self, leader: u32) -> &[usize] {
        self.of_leader.get(leader as usize).map_or(&[], SmallVec::as_slice)
    }

    fn bounds(&self, place: usize, instrument: u32) -> Option<&Bounds> {
        self.scopes.get(place)?.1.get(instrument)
    }
}

fn section(cfg: &Config, scope: Scope) -> Option<&Together> {
    match scope {
        Scope::Leader(l) => cfg.leaders.get(l as usize)?.together.as_ref(),
        _ => cfg.together.as_ref(),
    }
}

/// Bounds of every scope that has some, for the instruments that are copied into. `ix` holds everything but the lanes.
pub(super) fn bounded(ix: &Index, cfg: &Config) -> Bounded {
    let mut out = Bounded { of_leader: vec![Places::new(); cfg.leaders.len()], ..Bounded::default() };
    let leaders = (0_u32..).zip(&cfg.leaders).map(|(l, _)| Scope::Leader(l));
    for scope in std::iter::once(Scope::Global).chain(leaders) {
        let Some(of) = section(cfg, scope) else { continue };
        let counts = |leader: u32| scope == Scope::Global || scope == Scope::Leader(leader);
        let mut bounds = Slots::default();
        for s in ix.subs.iter().filter(|s| counts(s.leader)) {
            for (_, (fi, _, _)) in &s.map {
                if let Some(i) = cfg.instruments.get(*fi as usize).filter(|_| !bounds.has(*fi)) {
                    bounds.insert(*fi, super::lanes::bounds(&of.limits, &i.name, i.contract_size));
                }
            }
        }
        let places = (0_u32..).zip(&mut out.of_leader).filter(|(l, _)| counts(*l));
        places.for_each(|(_, places)| places.push(out.scopes.len()));
        out.worth |= of.limits.totals.ask_worth();
        out.scopes.push((scope, bounds));
    }
    out
}

/// A sum of units of many lines that never leaves its range: high and low halves by themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wide {
    high: i128,
    low: i128,
}

impl Wide {
    fn moved(&mut self, from: Dec, to: Dec) {
        let halves = |d: Dec| (d.raw() >> 64, d.raw() & i128::from(u64::MAX));
        let ((h0, l0), (h1, l1)) = (halves(from), halves(to));
        // Both are far from their ends whatever is held; whatever wraps would wrap back.
        self.high = self.high.wrapping_sub(h0).wrapping_add(h1);
        self.low = self.low.wrapping_sub(l0).wrapping_add(l1);
    }

    /// What does not fit in a number is beyond every bound.
    fn units(self) -> Dec {
        let high = self.high.checked_mul(1 << 64);
        Dec::from_raw(high.and_then(|h| h.checked_add(self.low)).unwrap_or(i128::MAX))
    }
}

/// What one line stands in the sums with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Counted {
    long: Dec,
    short: Dec,
    orders: u32,
}

impl Counted {
    /// Only one of both sides can be held.
    fn larger(self) -> Dec {
        self.long.max(self.short)
    }
}

/// One follower instrument of one scope, units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Held {
    long: Wide,
    short: Wide,
    /// Of each line its larger side.
    larger: Wide,
}

/// Everything of one scope.
#[derive(Clone, Debug, Default)]
struct Sum {
    orders: u64,
    /// By follower instrument.
    held: Slots<Held>,
    /// Worth of all instruments but one in the event that it was asked in: (event, instrument, worth).
    others: Option<(u64, u32, Option<Dec>)>,
}

impl Sum {
    fn moved(&mut self, instrument: u32, from: Counted, to: Counted) {
        self.orders = self.orders.saturating_sub(u64::from(from.orders)).saturating_add(u64::from(to.orders));
        let Some(held) = self.held.get_or_default(instrument) else { return };
        held.long.moved(from.long, to.long);
        held.short.moved(from.short, to.short);
        held.larger.moved(from.larger(), to.larger());
        if self.others.is_some_and(|(_, asked, _)| asked != instrument) {
            self.others = None;
        }
        if *held == Held::default() {
            self.held.remove(instrument);
        }
    }
}

/// Where the price of a follower instrument comes from, when it has no fresh quote of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Priced {
    source: Source,
    /// The newest trade of a leader, as a price of the follower's instrument.
    px: Option<Dec>,
}

/// What is counted.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Sums {
    #[serde(skip)]
    lines: Vec<Counted>,
    /// By the place of the scope.
    #[serde(skip)]
    of: Vec<Sum>,
    /// By follower instrument, where worth is bounded.
    priced: Slots<Priced>,
}

/// Everything of one scope and instrument, for people.
#[derive(Clone, Copy, Debug)]
pub struct Used {
    /// The deployment, or a leader.
    pub scope: Scope,
    /// Follower instrument.
    pub instrument: u32,
    /// Units held and entered long.
    pub long: Dec,
    /// The same short.
    pub short: Dec,
    /// The largest position that is allowed.
    pub max_position: Option<Dec>,
}

impl Sums {
    /// What trades said of an instrument counts no more.
    pub(super) fn forget_price(&mut self, instrument: u32) {
        if let Some(priced) = self.priced.get_mut(instrument) {
            priced.px = None;
        }
    }
}

impl Engine {
    /// Makes all sums anew.
    pub(super) fn fit_together(&mut self) {
        let ix = std::sync::Arc::clone(&self.ix);
        self.st.together.lines.clear();
        self.st.together.of = vec![Sum::default(); ix.together.scopes.len()];
        if !ix.together.worth {
            self.st.together.priced = Slots::default();
        }
        for at in 0..u32::try_from(self.st.lines.len()).unwrap_or(0) {
            self.recount(&ix, at);
        }
    }

    /// What a line holds and has entered may have changed.
    pub(super) fn recount(&mut self, ix: &Index, at: u32) {
        if !ix.together.any() {
            return;
        }
        let Some(to) = self.counted_now(at) else { return };
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let (instrument, sub) = (ls.follower_instrument, ls.sub);
        let Some(leader) = ix.subs.get(sub as usize).map(|s| s.leader) else { return };
        super::grow(&mut self.st.together.lines, (at as usize).saturating_add(1));
        let Some(slot) = self.st.together.lines.get_mut(at as usize) else { return };
        let from = std::mem::replace(slot, to);
        if from == to {
            return;
        }
        for place in ix.together.of(leader) {
            if let Some(sum) = self.st.together.of.get_mut(*place) {
                sum.moved(instrument, from, to);
            }
        }
        if ix.together.worth && !self.st.together.priced.has(instrument) {
            self.note_price(ix, at);
        }
    }

    fn counted_now(&self, at: u32) -> Option<Counted> {
        let ls = self.st.lines.get(at as usize)?;
        let orders = ls.live.len().saturating_add(self.mirrors_live(at));
        Some(Counted {
            long: self.entered_at(at, ls, true),
            short: self.entered_at(at, ls, false),
            orders: u32::try_from(orders).unwrap_or(u32::MAX),
        })
    }

    /// An instrument goes by the prices of the line that was asked last.
    fn note_price(&mut self, ix: &Index, at: u32) {
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let Some(source) = ix.lane(ls).map(|lane| Source::of(ls, lane)) else { return };
        let (instrument, px) = (ls.follower_instrument, ls.leader_px.and_then(|px| source.scaled(px)));
        let known = self.st.together.priced.get(instrument).and_then(|p| p.px);
        let priced = Priced { source, px: px.or(known) };
        self.st.together.priced.insert(instrument, priced);
    }

    /// What an open of a line is compared with, in both scopes that it is in.
    pub(super) fn together<'a>(
        &mut self,
        ix: &'a Index,
        at: u32,
        lane: &Lane,
        wish: &Wish,
    ) -> SmallVec<[risk::Scope<'a>; 2]> {
        let (mut out, buy) = (SmallVec::new(), wish.buy);
        let Some(sub) = self.st.lines.get(at as usize).map(|ls| ls.sub) else { return out };
        let Some(leader) = ix.subs.get(sub as usize).map(|s| s.leader).filter(|l| ix.together.asks(*l))
        else {
            return out;
        };
        self.recount(ix, at);
        if ix.together.worth {
            self.note_price(ix, at);
        }
        let instrument = lane.follower_instrument;
        for place in ix.together.of(leader).iter().copied() {
            let bounds = ix.together.bounds(place, instrument);
            let (Some(bounds), Some(sum)) = (bounds, self.st.together.of.get(place)) else { continue };
            let held = sum.held.get(instrument).copied().unwrap_or_default();
            let orders = u32::try_from(sum.orders).unwrap_or(u32::MAX);
            let worth = bounds.totals.max_exposure;
            out.push(risk::Scope {
                bounds,
                off_range: None,
                position: if buy { held.long } else { held.short }.units(),
                orders,
                exposure: worth.and_then(|_| self.exposure_together(ix, place, at, instrument, wish)),
                equity: Err(crate::refusal::Code::BadAccount),
            });
        }
        out
    }

    /// What everybody of a scope holds and has entered, in its currency; none where a price or exchange rate is missing.
    fn exposure_together(
        &mut self,
        ix: &Index,
        place: usize,
        at: u32,
        instrument: u32,
        wish: &Wish,
    ) -> Option<Exposure> {
        let (event, (scope, _), buy) = (self.st.seq, ix.together.scopes.get(place)?, wish.buy);
        let unit = self.worth_together(ix, *scope, instrument, buy)?;
        let sum = self.st.together.of.get(place)?;
        let others = match sum.others.filter(|(e, i, _)| (*e, *i) == (event, instrument)) {
            Some((_, _, others)) => others,
            None => {
                let others = self.others_together(ix, *scope, sum, instrument);
                self.st.together.of.get_mut(place)?.others = Some((event, instrument, others));
                others
            }
        }?;
        let held = self.st.together.of.get(place)?.held.get(instrument).copied();
        let own = self.st.together.lines.get(at as usize).copied().unwrap_or_default();
        let rest = held.unwrap_or_default().larger.units().checked_sub(own.larger())?;
        let (same, opposite) = if buy { (own.long, own.short) } else { (own.short, own.long) };
        let others = others.checked_add(unit.worth(rest, Round::Ceil)?)?;
        Some(Exposure::of(others, (same, opposite), unit, wish.qty))
    }

    /// Worth of every instrument of a scope but one.
    fn others_together(&self, ix: &Index, scope: Scope, sum: &Sum, but: u32) -> Option<Dec> {
        let mut worth = Dec::ZERO;
        for (i, held) in sum.held.iter() {
            let units = held.larger.units();
            if i != but && units.is_positive() {
                let unit = self.worth_together(ix, scope, i, ix.pays(i).dearer_to_buy())?;
                worth = worth.checked_add(unit.worth(units, Round::Ceil)?)?;
            }
        }
        Some(worth)
    }

    /// What one unit is worth in the currency of a scope: by the market, else by the newest trade.
    fn worth_together(&self, ix: &Index, scope: Scope, instrument: u32, buy: bool) -> Option<Unit> {
        let of = section(&ix.cfg, scope)?;
        let oldest_ns = self.st.at_ns.saturating_sub(of.max_age_ms.saturating_mul(MS));
        let priced = self.st.together.priced.get(instrument)?;
        let market = self.market_px(&priced.source, Of::trade(buy), oldest_ns);
        let px = market.or(priced.px).filter(|px| px.is_positive())?;
        let into = (of.currency.as_deref()?, oldest_ns);
        self.unit_at(ix, instrument, px, into, Round::Ceil).filter(|unit| unit.is_positive())
    }

    /// What is counted now, for people.
    #[must_use]
    pub fn together_used(&self) -> Vec<Used> {
        let scopes = self.ix.together.scopes.iter().zip(&self.st.together.of);
        let of = |((scope, bounds), sum): (&'_ (Scope, Slots<Bounds>), &'_ Sum)| {
            let used = |(instrument, h): (u32, &Held)| {
                let max_position = bounds.get(instrument).and_then(|b| b.max_position);
                let (long, short) = (h.long.units(), h.short.units());
                Used { scope: *scope, instrument, long, short, max_position }
            };
            sum.held.iter().map(used).collect::<Vec<_>>()
        };
        scopes.flat_map(of).collect()
    }

    /// Whether the sums are what a walk over all lines finds; for tests.
    #[must_use]
    pub fn together_is_exact(&self) -> bool {
        let ix = &self.ix;
        let mut found = vec![Sum::default(); ix.together.scopes.len()];
        for at in 0..u32::try_from(self.st.lines.len()).unwrap_or(0) {
            let (Some(ls), Some(to)) = (self.st.lines.get(at as usize), self.counted_now(at)) else {
                continue;
            };
            let Some(leader) = ix.subs.get(ls.sub as usize).map(|s| s.leader) else { continue };
            for place in ix.together.of(leader) {
                if let Some(sum) = found.get_mut(*place) {
                    sum.moved(ls.follower_instrument, Counted::default(), to);
                }
            }
        }
        let plain = |sum: &Sum| (sum.orders, sum.held.clone());
        found.iter().map(plain).eq(self.st.together.of.iter().map(plain))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Many of the largest positions that a line can have, put in and taken out again: nothing is lost on the way.
    #[test]
    fn a_sum_beyond_the_range_of_a_number_comes_back_exactly() {
        let (large, small) = (Dec::from_raw((1 << 125) - 7), Dec::from_raw(-3));
        let mut sum = Wide::default();
        for _ in 0..1_000 {
            sum.moved(Dec::ZERO, large);
        }
        sum.moved(Dec::ZERO, small);
        assert_eq!(sum.units(), Dec::from_raw(i128::MAX));
        for _ in 0..1_000 {
            sum.moved(large, Dec::ZERO);
        }
        assert_eq!(sum.units(), small);
        sum.moved(small, Dec::ZERO);
        assert_eq!(sum, Wide::default());
    }
}
