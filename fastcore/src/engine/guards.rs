//! Equity guards at work: what a follower's account is worth after each fill, quote and account value, and what a breach
//! does (design 03, `suspended_equity`, `daily_loss`, `period_drawdown`).
//!
//! Equity is the last account value and what our own orders won or lost since, at quotes: longs at the bid, shorts at the
//! ask. Fees, interest and trades by hand come with the next account value.

use super::lines::signed;
use super::stops::{Level, Scope};
use super::{Engine, Index};
use crate::action::Sink;
use crate::decimal::{Dec, Round};
use crate::guard::{Action, Base, Calendar, Guards, Pnl, Rule};
use crate::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// Timer kinds, stored in snapshots: one follower, or all of them after a quote.
pub(super) const DUE_GUARD: u8 = 6;
pub(super) const DUE_GUARDS: u8 = 7;
/// All guarded accounts are valued this often at most, however many quotes come.
const SWEEP_NS: i64 = 250 * MS;

/// What is known of one guarded follower.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct GuardState {
    /// The account value that profit is added to; none: nothing is opened.
    pub anchor: Option<Anchor>,
    /// The rules that the bases belong to.
    pub rules: Vec<Rule>,
    /// By rule: what its floor is measured from.
    pub bases: Vec<Option<Base>>,
}

/// An account value and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Amount in the account's currency.
    pub amount: Dec,
    /// An equity, which has what is held in it; else a balance, which has not.
    pub is_equity: bool,
}

/// A follower that a guard has stopped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// Which rule.
    pub rule: u32,
    /// Its code.
    pub code: Code,
    /// How much is stopped.
    pub level: Level,
    /// The floor at that time.
    pub floor: Dec,
    /// The equity at that time.
    pub equity: Dec,
    /// When.
    pub at_ns: i64,
}

impl Trip {
    fn refusal(&self) -> Refusal {
        Refusal::over(self.code, self.floor, self.equity)
    }

    /// The numbers that were compared, for people.
    #[must_use]
    pub fn numbers(&self) -> String {
        format!("equity {} at or below {}", self.equity, self.floor)
    }
}

impl Engine {
    /// Room for every guarded follower. What it holds already has a cost that nobody knows.
    pub(super) fn fit_guards(&mut self) {
        let ix = Arc::clone(&self.ix);
        self.st.guards.retain(|f, _| ix.guards.contains_key(f));
        self.st.tripped.retain(|f, _| ix.guards.contains_key(f));
        self.st.pnl.retain(|(f, _), _| ix.guards.contains_key(f));
        for f in ix.guards.keys() {
            let Some(guards) = ix.guards_of(*f) else { continue };
            let state = self.st.guards.entry(*f).or_default();
            if state.rules != guards.rules {
                (state.rules, state.bases) = (guards.rules.clone(), vec![None; guards.rules.len()]);
            }
        }
        for (at, ls) in (0_u32..).zip(&self.st.lines) {
            let Some(follower) = ix.subs.get(ls.sub as usize).map(|s| s.follower) else { continue };
            if ix.guards.contains_key(&follower) && !ls.line.filled.is_zero() {
                let unknown = Pnl { unknown: true, ..Pnl::default() };
                self.st.pnl.entry((follower, at)).or_insert(unknown);
            }
        }
    }

    /// Counts a fill, or what a bust takes back, before the books move: signed units at the broker's price.
    pub(super) fn book_pnl(&mut self, ix: &Index, at: u32, units: Dec, px: Option<Dec>) {
        if ix.guards.is_empty() {
            return;
        }
        let Some((follower, held)) = self.held_by(ix, at) else { return };
        let now = self.st.at_ns;
        // Without a price of the broker's own, the newest one that is known.
        let px = px.filter(|px| px.is_positive()).or_else(|| self.mark(ix, at, units).map(|(px, _)| px));
        let pnl = self.st.pnl.entry((follower, at)).or_default();
        match px {
            Some(px) => pnl.book(held, units, px, now),
            None => pnl.unknown = true,
        }
        self.st.due.insert((now, DUE_GUARD, follower));
    }

    /// The follower of a line.
    pub(super) fn follower_of_line(&self, ix: &Index, at: u32) -> Option<u32> {
        Some(ix.subs.get(self.st.lines.get(at as usize)?.sub as usize)?.follower)
    }

    /// The guarded follower of a line, and what the line holds.
    fn held_by(&self, ix: &Index, at: u32) -> Option<(u32, Dec)> {
        let ls = self.st.lines.get(at as usize)?;
        let follower = ix.subs.get(ls.sub as usize)?.follower;
        ix.guards.contains_key(&follower).then_some((follower, ls.line.filled))
    }

    /// The price at which `held` signed units could be closed, and when it was true: a quote of the follower's
    /// instrument, else of the leader's, else the price of the last fill, whichever is newest.
    fn mark(&self, ix: &Index, at: u32, held: Dec) -> Option<(Dec, i64)> {
        let ls = self.st.lines.get(at as usize)?;
        let follower = ix.subs.get(ls.sub as usize)?.follower;
        let side = |q: &super::state::Quote| if held.is_negative() { q.ask } else { q.bid };
        let own = self.st.quotes.get(&ls.follower_instrument).map(|q| (side(q), q.at_ns));
        let leaders = || {
            let (q, lane) = (self.st.quotes.get(&ls.instrument)?, ix.lane(ls)?);
            Some((side(q).mul(lane.price_factor, Round::HalfEven)?, q.at_ns))
        };
        let filled = self.st.pnl.get(&(follower, at)).filter(|p| p.px.is_positive()).map(|p| (p.px, p.px_ns));
        [own.or_else(leaders), filled].into_iter().flatten().max_by_key(|(_, at_ns)| *at_ns)
    }

    /// A new account value of a follower. A balance counts only where the equity was never given.
    pub(super) fn anchor(&mut self, ix: &Index, follower: u32, balance: Option<Dec>, equity: Option<Dec>) {
        let Some(state) = self.st.guards.get_mut(&follower) else { return };
        let had_equity = state.anchor.is_some_and(|a| a.is_equity);
        let is_equity = equity.is_some();
        let Some(amount) = equity.or(balance.filter(|_| !had_equity)) else { return };
        state.anchor = Some(Anchor { amount, is_equity });
        for at in self.lines_of(follower) {
            let held = self.st.lines.get(at as usize).map_or(Dec::ZERO, |ls| ls.line.filled);
            let px = self.mark(ix, at, held).map(|(px, _)| px);
            let Some(pnl) = self.st.pnl.get_mut(&(follower, at)) else { continue };
            if !is_equity {
                pnl.realised = Dec::ZERO;
            } else if let Some(px) = px.or(held.is_zero().then_some(Dec::ZERO)) {
                pnl.start(held, px);
            } else {
                pnl.unknown = true;
            }
        }
        self.st.due.insert((self.st.at_ns, DUE_GUARD, follower));
    }

    /// Money that was paid in (or out, where it is negative): it is neither profit nor loss.
    pub(super) fn deposit<S: Sink>(&mut self, follower: u32, amount: Dec, sink: &mut S) {
        let Some(state) = self.st.guards.get_mut(&follower) else { return };
        let moved = |value: Dec| value.checked_add(amount).unwrap_or(value);
        match &mut state.anchor {
            Some(anchor) => anchor.amount = moved(anchor.amount),
            None => {
                let text = "a deposit before any account value changes nothing".to_owned();
                return self.alert("bad_command", text, sink);
            }
        }
        state.bases.iter_mut().flatten().for_each(|base| base.equity = moved(base.equity));
        self.st.due.insert((self.st.at_ns, DUE_GUARD, follower));
    }

    fn lines_of(&self, follower: u32) -> Vec<u32> {
        self.st.pnl.range((follower, 0)..=(follower, u32::MAX)).map(|((_, at), _)| *at).collect()
    }

    /// What a guarded account is worth now; none while an account value, a price or an exchange rate is missing or old.
    pub(crate) fn equity(&self, ix: &Index, follower: u32) -> Option<Dec> {
        let (guards, anchor) = (ix.guards_of(follower)?, self.st.guards.get(&follower)?.anchor?);
        let oldest_ns = self.st.at_ns.saturating_sub(guards.max_age_ms.saturating_mul(MS));
        let ours = ix.cfg.followers.get(follower as usize)?.currency.as_deref();
        let mut sum = anchor.amount;
        for ((_, at), pnl) in self.st.pnl.range((follower, 0)..=(follower, u32::MAX)) {
            let ls = self.st.lines.get(*at as usize)?;
            let held = ls.line.filled;
            if pnl.unknown {
                return None;
            }
            let px = if held.is_zero() {
                Dec::ZERO
            } else {
                self.mark(ix, *at, held).filter(|(_, at_ns)| *at_ns >= oldest_ns)?.0
            };
            let won = pnl.total(held, px)?;
            let theirs = ix.cfg.instruments.get(ls.follower_instrument as usize)?.currency.as_str();
            let rate = if won.is_zero() { Dec::ZERO } else { self.fx(theirs, ours?, oldest_ns)? };
            sum = sum.checked_add(won.mul(rate, Round::HalfEven)?)?;
        }
        Some(sum)
    }

    /// Why a guard opens nothing now. A breach that is found here stops the follower before the event ends.
    pub(super) fn guarded(&mut self, ix: &Index, follower: u32) -> Option<Refusal> {
        ix.guards.get(&follower)?;
        if let Some(trip) = self.st.tripped.get(&follower) {
            return Some(trip.refusal());
        }
        let Some(equity) = self.equity(ix, follower) else {
            return Some(Refusal::bare(Code::StaleAccount));
        };
        let trip = self.judge(ix, follower, equity)?;
        self.st.due.insert((self.st.at_ns, DUE_GUARD, follower));
        Some(trip.refusal())
    }

    /// Moves the bases of all rules, and says which rule is breached: the one that stops most, the first of equals.
    fn judge(&mut self, ix: &Index, follower: u32, equity: Dec) -> Option<Trip> {
        let (now, calendar) = (self.st.at_ns, ix.guards.get(&follower)?);
        let state = self.st.guards.get_mut(&follower)?;
        let mut found: Option<Trip> = None;
        for (n, (rule, base)) in (0_u32..).zip(state.rules.iter().zip(&mut state.bases)) {
            let fresh = rule.base(*base, equity, now, calendar);
            if base.is_none_or(|b| b.until_ns != fresh.until_ns) && fresh.until_ns != i64::MAX {
                self.st.due.insert((fresh.until_ns, DUE_GUARD, follower));
            }
            *base = Some(fresh);
            let floor = rule.floor(fresh.equity);
            let level = match rule.action {
                Action::NoOpens => Level::NoOpens,
                Action::CloseAll => Level::CloseOnly,
            };
            if equity <= floor && found.as_ref().is_none_or(|t| level > t.level) {
                found = Some(Trip { rule: n, code: rule.code(), level, floor, equity, at_ns: now });
            }
        }
        found
    }

    /// A guard's timer: values the account and stops it, or lets it go at the beginning of a new period.
    pub(super) fn guard_due<S: Sink>(&mut self, ix: &Arc<Index>, follower: u32, sink: &mut S) {
        let Some(equity) = self.equity(ix, follower) else { return };
        let ended = self.period_ended(follower);
        let breach = self.judge(ix, follower, equity);
        if ended && breach.is_none() {
            self.st.tripped.remove(&follower);
            let what = Scope::Follower(follower).text(ix);
            self.alert("arm", format!("{what} released: a new period has begun"), sink);
        }
        let stopped = self.st.tripped.get(&follower).map(|t| t.level);
        if let Some(trip) = breach.filter(|t| stopped.is_none_or(|level| t.level > level)) {
            self.trip(ix, follower, trip, sink);
        }
    }

    /// The rule that stopped a follower may let it go, and the time that it counted for is over.
    fn period_ended(&self, follower: u32) -> bool {
        let (Some(trip), Some(state)) = (self.st.tripped.get(&follower), self.st.guards.get(&follower))
        else {
            return false;
        };
        let at = trip.rule as usize;
        let resets = state.rules.get(at).is_some_and(|rule| rule.auto_reset);
        let over = state.bases.get(at).copied().flatten().is_some_and(|base| self.st.at_ns >= base.until_ns);
        resets && over
    }

    fn trip<S: Sink>(&mut self, ix: &Arc<Index>, follower: u32, trip: Trip, sink: &mut S) {
        let what = Scope::Follower(follower).text(ix);
        let text =
            format!("{what} stopped at {} by {}: {}", trip.level.name(), trip.code.as_str(), trip.numbers());
        self.alert("guard", text, sink);
        let close_all = trip.level > Level::NoOpens;
        self.st.tripped.insert(follower, trip);
        if !close_all {
            return;
        }
        for at in 0..u32::try_from(self.st.lines.len()).unwrap_or(0) {
            let Some(ls) = self.st.lines.get_mut(at as usize) else { continue };
            if ix.subs.get(ls.sub as usize).is_none_or(|s| s.follower != follower) {
                continue;
            }
            ls.line.target = 0;
            (ls.waiting, ls.needless) = (Vec::new(), Vec::new());
            self.work_line(ix, at, sink);
        }
    }

    /// A person lets a guarded follower go: what it measures from begins anew. False where it is not stopped.
    pub(super) fn release_guard(&mut self, follower: u32) -> bool {
        if self.st.tripped.remove(&follower).is_none() {
            return false;
        }
        if let Some(state) = self.st.guards.get_mut(&follower) {
            state.bases.iter_mut().for_each(|base| *base = None);
        }
        self.st.due.insert((self.st.at_ns, DUE_GUARD, follower));
        true
    }

    /// A price moved: all guarded accounts are valued, soon.
    pub(super) fn guards_after_quote(&mut self) {
        if !self.ix.guards.is_empty() {
            self.st.due.insert((self.st.sweep_ns.max(self.st.at_ns), DUE_GUARDS, 0));
        }
    }

    /// Values all guarded accounts that hold something.
    pub(super) fn guards_due<S: Sink>(&mut self, ix: &Arc<Index>, sink: &mut S) {
        self.st.sweep_ns = self.st.at_ns.saturating_add(SWEEP_NS);
        for follower in ix.guards.keys() {
            self.guard_due(ix, *follower, sink);
        }
    }

    /// What a fill, or a bust, moved on a line: see [`Self::book_pnl`].
    pub(super) fn book_fill(&mut self, ix: &Index, o: u32, units: Dec, px: Option<Dec>) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let (at, buy) = (order.line, order.buy);
        self.book_pnl(ix, at, signed(units, buy), px);
    }
}

impl Index {
    /// The guards of a follower, where it has any.
    #[must_use]
    pub fn guards_of(&self, follower: u32) -> Option<&Guards> {
        self.cfg.followers.get(follower as usize)?.guards.as_deref()
    }
}

/// Calendars of all guarded followers.
///
/// # Errors
/// What is wrong with a follower's guards.
pub(super) fn calendars(
    cfg: &crate::config::Config,
) -> Result<std::collections::BTreeMap<u32, Calendar>, String> {
    let mut out = std::collections::BTreeMap::new();
    for (n, f) in (0_u32..).zip(&cfg.followers) {
        let Some(guards) = &f.guards else { continue };
        let wrong = |why: String| format!("follower {:?}: guards: {why}", f.name);
        for rule in &guards.rules {
            if rule.amount.is_some() == rule.percent.is_some() {
                return Err(wrong("a rule has an amount or a percentage, and not both".to_owned()));
            }
        }
        out.insert(n, Calendar::new(&guards.zone, guards.day_begins_s).map_err(wrong)?);
    }
    Ok(out)
}
