//! Guards of one subscription (design 03: `daily_loss` and `period_drawdown`, scope subscription): what its own orders won and
//! lost, realised and floating, stops that subscription alone.
//!
//! Its profit and loss is its own account: new equities of the follower's account, which begin that account's measures anew,
//! do not touch it. Amounts are in the currency of the follower's account.

use super::corrections::Booking;
use super::guards::{Trip, found, hardest_of};
use super::prices::newest;
use super::stops::Level;
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::config::Config;
use crate::decimal::{Dec, Round};
use crate::guard::{Base, Calendar, Guards, Kind, Pnl, Rule};
use crate::refusal::{Code, Refusal};
use crate::slots::Slots;
use crate::worth::Pays;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// Timer kind, stored in snapshots: one subscription.
pub(super) const DUE_SUB_GUARD: u8 = 12;

/// What is known of one guarded subscription.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct SubGuard {
    /// The rules that the bases belong to.
    pub rules: Vec<Rule>,
    /// By rule: what its floor is measured from.
    pub bases: Vec<Option<Base>>,
    /// Currency of the bases.
    pub currency: Option<String>,
}

/// Calendars of all guarded subscriptions.
///
/// # Errors
/// What is wrong with a subscription's guards.
pub(super) fn calendars(cfg: &Config) -> Result<Slots<Calendar>, String> {
    let mut out = Slots::default();
    for (n, s) in (0_u32..).zip(&cfg.subscriptions) {
        let Some(guards) = &s.guards else { continue };
        let wrong = |why: String| format!("subscription {:?}: guards: {why}", s.name);
        for rule in &guards.rules {
            if rule.rule == Kind::EquityFloor || rule.amount.is_none() || rule.percent.is_some() {
                return Err(wrong("a rule is a daily loss or a drawdown, as an amount".to_owned()));
            }
        }
        out.insert(n, Calendar::new(&guards.zone, guards.day_begins_s).map_err(wrong)?);
    }
    Ok(out)
}

impl Index {
    fn guards_of_sub(&self, sub: u32) -> Option<&Guards> {
        self.cfg.subscriptions.get(sub as usize)?.guards.as_deref()
    }

    fn currency_of_sub(&self, sub: u32) -> Option<&str> {
        let follower = self.subs.get(sub as usize)?.follower;
        self.cfg.followers.get(follower as usize)?.currency.as_deref()
    }
}

/// What is held costs what it is worth from now on; what was won or lost stays.
fn begin(pnl: &mut Pnl, pays: Pays, held: Dec, px: Dec) {
    let realised = pnl.realised;
    pnl.start(pays, held, px);
    pnl.realised = realised;
}

/// A cost that nobody knows: what is held begins at the first price that is heard.
fn wait(pnl: &mut Pnl, now: i64) {
    (pnl.basis, pnl.unknown, pnl.waits_since_ns) = (Dec::ZERO, false, Some(now));
}

impl Engine {
    /// Room for every guarded subscription. What it holds already has a cost that nobody knows.
    pub(super) fn fit_sub_guards(&mut self) {
        let (ix, now) = (Arc::clone(&self.ix), self.st.at_ns);
        // A stop stays, also of a rule that is no more: only a person ends it.
        self.st.sub_guards.retain(|s| ix.sub_guards.has(s));
        let lines = &self.st.lines;
        self.st.sub_pnl.retain(|at| lines.get(at as usize).is_some_and(|ls| ix.sub_guards.has(ls.sub)));
        for s in ix.sub_guards.keys() {
            let (Some(guards), Some(state)) = (ix.guards_of_sub(s), self.st.sub_guards.get_or_default(s))
            else {
                continue;
            };
            let currency = ix.currency_of_sub(s).map(str::to_owned);
            if state.currency != currency {
                *state = SubGuard { currency, ..SubGuard::default() };
            }
            // A rule that was there before goes on from what it measured.
            let known =
                |rule: &Rule| state.rules.iter().position(|r| r == rule).and_then(|at| state.bases.get(at));
            let bases = guards.rules.iter().map(|rule| known(rule).copied().flatten()).collect();
            (state.bases, state.rules) = (bases, guards.rules.clone());
        }
        for (at, ls) in (0_u32..).zip(&self.st.lines) {
            if ix.sub_guards.has(ls.sub) && !ls.line.filled.is_zero() && !self.st.sub_pnl.has(at) {
                self.st.sub_pnl.insert(at, Pnl { waits_since_ns: Some(now), ..Pnl::default() });
            }
        }
    }

    /// Counts units that a line of a guarded subscription gets, before its books move: at a price, else at what they are worth.
    pub(super) fn book_sub(&mut self, ix: &Index, at: u32, units: Dec, px: Option<Dec>) {
        let given = px.filter(|px| px.is_positive()).map(|px| (px, self.st.at_ns));
        let px = given.or_else(|| self.sub_mark(ix, at, units));
        let pays = self.pays_of_line(ix, at);
        self.with_sub_pnl(ix, at, |pnl, held, now| match px {
            None => wait(pnl, now),
            Some((px, at_ns)) => {
                if pnl.waits_since_ns.is_some() {
                    begin(pnl, pays, held, px);
                }
                pnl.book(pays, held, units, px, at_ns);
            }
        });
    }

    /// The same for a fill of an order, or for what is taken back or corrected of it.
    pub(super) fn book_sub_order(&mut self, ix: &Index, at: u32, booking: Booking) {
        let pays = self.pays_of_line(ix, at);
        match booking {
            Booking::Fill(units, px, of) => {
                self.book_sub(ix, at, units, px);
                self.with_sub_pnl(ix, at, |pnl, _, _| pnl.px_of = px.map_or(0, |_| of));
            }
            // What is taken back had a price of its own.
            Booking::Amend(_, None) => self.with_sub_pnl(ix, at, |pnl, _, now| wait(pnl, now)),
            Booking::Amend(units, Some(px)) => self.with_sub_pnl(ix, at, |pnl, held, _| {
                if pnl.waits_since_ns.is_none() {
                    pnl.take_back(pays, held, units, px);
                }
            }),
            Booking::Correct(of, parts) => self.with_sub_pnl(ix, at, |pnl, held, _| {
                if pnl.waits_since_ns.is_none() {
                    pnl.correct(pays, held, of, parts);
                }
            }),
        }
    }

    /// Changes the profit and loss of a line whose subscription is guarded; what does not fit in a number waits for a price.
    fn with_sub_pnl(&mut self, ix: &Index, at: u32, change: impl FnOnce(&mut Pnl, Dec, i64)) {
        let Some(ls) = self.st.lines.get(at as usize).filter(|ls| ix.sub_guards.has(ls.sub)) else {
            return;
        };
        let (sub, held, now) = (ls.sub, ls.line.filled, self.st.at_ns);
        let Some(pnl) = self.st.sub_pnl.get_or_default(at) else { return };
        change(pnl, held, now);
        if pnl.unknown {
            wait(pnl, now);
        }
        self.st.due.insert((now, DUE_SUB_GUARD, sub));
    }

    /// The quote at which `held` signed units of a line could be closed, where it is fresh; else the newest price that is
    /// known, fills included. And when it was heard.
    pub(super) fn sub_mark(&self, ix: &Index, at: u32, held: Dec) -> Option<(Dec, i64)> {
        let sub = self.st.lines.get(at as usize)?.sub;
        let max_age_ms = ix.guards_of_sub(sub)?.max_age_ms;
        let oldest_ns = self.st.at_ns.saturating_sub(max_age_ms.saturating_mul(MS));
        let quoted = self.quote_of(ix, at, held);
        let filled = self.st.sub_pnl.get(at).filter(|pnl| pnl.px.is_positive());
        let known = || newest(quoted, filled.map(|pnl| (pnl.px, pnl.px_ns)));
        quoted.filter(|(_, at_ns)| *at_ns >= oldest_ns).or_else(known)
    }

    /// Lines of a guarded subscription that ever held something.
    fn won_lines(&self, ix: &Index, sub: u32) -> impl Iterator<Item = (u32, &LineState, &Pnl)> {
        let follower = ix.subs.get(sub as usize).map_or(u32::MAX, |s| s.follower);
        let lines = self.lines_of_account(follower).iter();
        let lines =
            lines.filter_map(|at| Some((*at, self.st.lines.get(*at as usize)?, self.st.sub_pnl.get(*at)?)));
        lines.filter(move |(_, ls, _)| ls.sub == sub)
    }

    /// What a subscription won and lost; none while a price or an exchange rate is missing, or older than `oldest_ns`.
    fn won(&self, ix: &Index, sub: u32, oldest_ns: i64) -> Option<Dec> {
        let (ours, mut sum) = (ix.currency_of_sub(sub), Dec::ZERO);
        for (at, ls, pnl) in self.won_lines(ix, sub) {
            let waits = pnl.waits_since_ns.is_some();
            let held = if waits { Dec::ZERO } else { ls.line.filled };
            if waits && !ls.line.filled.is_zero() && oldest_ns > i64::MIN {
                return None;
            }
            let px = if held.is_zero() {
                Dec::ZERO
            } else {
                self.sub_mark(ix, at, held).filter(|(_, at_ns)| *at_ns >= oldest_ns)?.0
            };
            let of = ix.cfg.instruments.get(ls.follower_instrument as usize)?;
            let won = pnl.total(of.pays(), held, px)?;
            let rate = if won.is_zero() { Dec::ZERO } else { self.fx(&of.currency, ours?, oldest_ns)? };
            sum = sum.checked_add(won.mul(rate, Round::HalfEven)?)?;
        }
        Some(sum)
    }

    /// What a guarded subscription won and lost, by prices that are not too old.
    #[must_use]
    pub fn won_by(&self, sub: u32) -> Option<Dec> {
        let max_age_ms = self.ix.guards_of_sub(sub)?.max_age_ms;
        let oldest_ns = self.st.at_ns.saturating_sub(max_age_ms.saturating_mul(MS));
        self.won(&self.ix, sub, oldest_ns.max(0))
    }

    /// Why a guard of the subscription opens nothing now. A breach that is found here stops it before the event ends.
    pub(super) fn sub_guarded(&mut self, ix: &Index, sub: u32) -> Option<Refusal> {
        if let Some(trip) = self.hardest_of_sub(sub) {
            return Some(Refusal::over(trip.code, trip.floor, trip.equity));
        }
        ix.sub_guards.get(sub)?;
        let Some(won) = self.won_by(sub) else { return Some(Refusal::bare(Code::StaleAccount)) };
        let trip = self.judge_sub(ix, sub, won).into_iter().next()?;
        self.st.due.insert((self.st.at_ns, DUE_SUB_GUARD, sub));
        Some(Refusal::over(trip.code, trip.floor, trip.equity))
    }

    /// The stop of a subscription that stops most, the first of equals.
    pub(super) fn hardest_of_sub(&self, sub: u32) -> Option<&Trip> {
        if self.st.sub_tripped.is_empty() {
            return None;
        }
        hardest_of(self.st.sub_tripped.get(&sub)?)
    }

    fn judge_sub(&mut self, ix: &Index, sub: u32, won: Dec) -> Vec<Trip> {
        let now = self.st.at_ns;
        let (Some(calendar), Some(state)) = (ix.sub_guards.get(sub), self.st.sub_guards.get_mut(sub)) else {
            return Vec::new();
        };
        let (trips, ends) = found(&state.rules, &mut state.bases, won, now, calendar);
        self.st.due.extend(ends.into_iter().map(|end_ns| (end_ns, DUE_SUB_GUARD, sub)));
        trips
    }

    /// The timer of a guarded subscription: begins what waited for a price, lets go what a new period releases, and stops.
    pub(super) fn sub_guard_due<S: Sink>(&mut self, ix: &Arc<Index>, sub: u32, sink: &mut S) {
        self.begin_sub(ix, sub);
        self.end_sub_periods(ix, sub, sink);
        // A breach is judged by the newest prices that are known, however old.
        let Some(won) = self.won(ix, sub, i64::MIN) else { return };
        let before = self.hardest_of_sub(sub).map(|t| t.level);
        for trip in self.judge_sub(ix, sub, won) {
            let trips = self.st.sub_tripped.entry(sub).or_default();
            if trips.iter().any(|t| t.rule == trip.rule) {
                continue;
            }
            let text = format!(
                "subscription {:?} stopped at {} by {}: {}",
                sub_name(ix, sub),
                trip.level.name(),
                trip.code.as_str(),
                trip.won()
            );
            trips.push(trip);
            self.cause.calm = false;
            self.alert("guard", text, sink);
        }
        let after = self.hardest_of_sub(sub).map(|t| t.level);
        let Some(own) = ix.subs.get(sub as usize) else { return };
        if after > before && after > Some(Level::NoOpens) {
            self.close_lines(ix, |s| std::ptr::eq(s, own), sink);
        }
    }

    /// Lines whose cost is not known begin with a price that is younger.
    fn begin_sub(&mut self, ix: &Index, sub: u32) {
        let waits = self.won_lines(ix, sub).filter_map(|(at, _, pnl)| Some((at, pnl.waits_since_ns?)));
        let waits: Vec<(u32, i64)> = waits.collect();
        for (at, since_ns) in waits {
            let held = self.st.lines.get(at as usize).map_or(Dec::ZERO, |ls| ls.line.filled);
            let quoted = self.quote_of(ix, at, held).filter(|(_, at_ns)| *at_ns > since_ns);
            let px = if held.is_zero() { Some(Dec::ZERO) } else { quoted.map(|(px, _)| px) };
            let pays = self.pays_of_line(ix, at);
            if let (Some(px), Some(pnl)) = (px, self.st.sub_pnl.get_mut(at)) {
                begin(pnl, pays, held, px);
            }
        }
    }

    fn end_sub_periods<S: Sink>(&mut self, ix: &Arc<Index>, sub: u32, sink: &mut S) {
        let now = self.st.at_ns;
        let Some(trips) = self.st.sub_tripped.get_mut(&sub) else { return };
        let before = trips.len();
        trips.retain(|t| !t.rule.auto_reset || now < t.until_ns);
        let (ended, left) = (trips.len() < before, trips.len());
        if left == 0 {
            self.st.sub_tripped.remove(&sub);
        }
        if ended {
            let rest = if left > 0 { "; other stops of it stay" } else { "" };
            let text = format!("subscription {:?} released: a new period has begun{rest}", sub_name(ix, sub));
            self.alert("arm", text, sink);
        }
    }

    /// A person lets a follower go, with its subscriptions: what they measure from begins anew. False where none was stopped.
    pub(super) fn release_sub_guards(&mut self, ix: &Index, follower: u32) -> bool {
        let own = |sub: &u32| ix.subs.get(*sub as usize).is_some_and(|s| s.follower == follower);
        let stopped: Vec<u32> = self.st.sub_tripped.keys().copied().filter(own).collect();
        for sub in &stopped {
            self.st.sub_tripped.remove(sub);
            if let Some(state) = self.st.sub_guards.get_mut(*sub) {
                state.bases.iter_mut().for_each(|base| *base = None);
            }
            self.st.due.insert((self.st.at_ns, DUE_SUB_GUARD, *sub));
        }
        !stopped.is_empty()
    }
}

fn sub_name(ix: &Index, sub: u32) -> &str {
    ix.cfg.subscriptions.get(sub as usize).map_or("", |s| s.name.as_str())
}
