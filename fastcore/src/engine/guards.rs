//! Equity guards at work: what a follower's account is worth after each fill, quote and account value, and what a breach
//! does (design 03, `suspended_equity`, `daily_loss`, `period_drawdown`).
//!
//! Equity is the last account value and what our own orders won or lost since, at quotes: longs at the bid, shorts at the
//! ask. Fees, interest and trades by hand come with the next account value.

use super::prices::{Of, Source, newest};
use super::state::SubIndex;
use super::stops::{Level, Scope};
use super::{Engine, Index};
use crate::action::Sink;
use crate::decimal::{Dec, Round};
use crate::guard::{Action, Base, Calendar, Guards, Pnl, Rule};
use crate::refusal::{Code, Refusal};
use crate::slots::Slots;
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
    /// Hash of the account that all of this is of.
    pub account: u64,
}

/// An account value and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Amount in the account's currency.
    pub amount: Dec,
    /// An equity, which has what is held in it; else a balance, which has not.
    pub is_equity: bool,
}

/// A rule that has stopped a follower. Each stops by itself, and ends by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    /// Which rule.
    pub rule: Rule,
    /// Its code.
    pub code: Code,
    /// The period that it was reached in ends then; `i64::MAX`: never.
    pub until_ns: i64,
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

    /// The same of a subscription, whose profit and loss is compared.
    #[must_use]
    pub fn won(&self) -> String {
        format!("profit and loss {} at or below {}", self.equity, self.floor)
    }
}

impl Engine {
    /// Room for every guarded follower. What it holds already has a cost that nobody knows.
    pub(super) fn fit_guards(&mut self) {
        let ix = Arc::clone(&self.ix);
        // A stop stays, also of a rule that is no more: only a person ends it.
        self.st.guards.retain(|f| ix.guards.has(f));
        let lines = &self.st.lines;
        let follower = |at: u32| Some(ix.subs.get(lines.get(at as usize)?.sub as usize)?.follower);
        self.st.pnl.retain(|at| follower(at).is_some_and(|f| ix.guards.has(f)));
        for f in ix.guards.keys() {
            let (Some(guards), Some(state)) = (ix.guards_of(f), self.st.guards.get_or_default(f)) else {
                continue;
            };
            let account = account_of(&ix, f);
            if state.account != account {
                // Another account has another worth, and what it holds is not known here.
                *state = GuardState { account, ..GuardState::default() };
                for at in self.st.accounts.get(f as usize).into_iter().flatten() {
                    if let Some(pnl) = self.st.pnl.get_mut(*at) {
                        *pnl = Pnl { unknown: true, ..Pnl::default() };
                    }
                }
            }
            // A rule that was there before goes on from what it measured.
            let known =
                |rule: &Rule| state.rules.iter().position(|r| r == rule).and_then(|at| state.bases.get(at));
            let bases = guards.rules.iter().map(|rule| known(rule).copied().flatten()).collect();
            (state.bases, state.rules) = (bases, guards.rules.clone());
        }
        for (at, ls) in (0_u32..).zip(&self.st.lines) {
            let Some(follower) = ix.subs.get(ls.sub as usize).map(|s| s.follower) else { continue };
            if ix.guards.has(follower) && !ls.line.filled.is_zero() && !self.st.pnl.has(at) {
                self.st.pnl.insert(at, Pnl { unknown: true, ..Pnl::default() });
            }
        }
    }

    /// The follower of a line.
    pub(crate) fn follower_of_line(&self, ix: &Index, at: u32) -> Option<u32> {
        Some(ix.subs.get(self.st.lines.get(at as usize)?.sub as usize)?.follower)
    }

    pub(super) fn held(&self, at: u32) -> Dec {
        self.st.lines.get(at as usize).map_or(Dec::ZERO, |ls| ls.line.filled)
    }

    /// The newest quote at which `held` signed units of a line could be closed, and when it came.
    pub(super) fn quote_of(&self, ix: &Index, at: u32, held: Dec) -> Option<(Dec, i64)> {
        let ls = self.st.lines.get(at as usize)?;
        self.newest_quote(&Source::of(ls, ix.lane(ls)?), Of::trade(held.is_negative()))
    }

    /// That price where it is not too old; else the newest that is known, fills included.
    pub(super) fn mark(&self, ix: &Index, at: u32, held: Dec, oldest_ns: i64) -> Option<(Dec, i64)> {
        let quoted = self.quote_of(ix, at, held);
        let filled = || {
            let pnl = self.st.pnl.get(at)?;
            pnl.px.is_positive().then_some((pnl.px, pnl.px_ns))
        };
        quoted.filter(|(_, at_ns)| *at_ns >= oldest_ns).or_else(|| newest(quoted, filled()))
    }

    /// A new account value of a follower. A balance counts where nothing is held, and where no equity was ever given.
    pub(super) fn anchor(&mut self, ix: &Index, follower: u32, balance: Option<Dec>, equity: Option<Dec>) {
        let (now, lines) = (self.st.at_ns, self.lines_of(follower));
        let flat = lines.iter().all(|at| self.held(*at).is_zero());
        let Some(state) = self.st.guards.get_mut(follower) else { return };
        let had_equity = state.anchor.is_some_and(|a| a.is_equity);
        let Some(amount) = equity.or(balance.filter(|_| flat || !had_equity)) else { return };
        state.anchor = Some(Anchor { amount, is_equity: equity.is_some() });
        let oldest_ns = self.oldest_ns(ix, follower);
        for at in lines {
            let held = self.held(at);
            let quoted = self.quote_of(ix, at, held).filter(|(_, at_ns)| *at_ns >= oldest_ns);
            let pays = self.pays_of_line(ix, at);
            let Some(pnl) = self.st.pnl.get_mut(at) else { continue };
            match quoted {
                _ if equity.is_none() && !flat => pnl.realised = Dec::ZERO,
                _ if held.is_zero() => pnl.start(pays, held, Dec::ZERO),
                Some((px, _)) => pnl.start(pays, held, px),
                // What is held is in the value, at a price that nobody told: it begins at the first one that is heard.
                None => pnl.wait(now),
            }
        }
        self.st.due.insert((now, DUE_GUARD, follower));
    }

    pub(super) fn oldest_ns(&self, ix: &Index, follower: u32) -> i64 {
        let max_age_ms = ix.guards_of(follower).map_or(0, |g| g.max_age_ms);
        self.st.at_ns.saturating_sub(max_age_ms.saturating_mul(MS))
    }

    /// Lines whose worth waited for a price begin with a quote that is younger than their account value.
    fn begin_waiting(&mut self, ix: &Index, follower: u32) {
        for at in self.lines_of(follower) {
            let held = self.held(at);
            let quoted = self.quote_of(ix, at, held);
            let pays = self.pays_of_line(ix, at);
            let Some(pnl) = self.st.pnl.get_mut(at) else { continue };
            let younger = |(_, at_ns): &(Dec, i64)| pnl.waits_since_ns.is_some_and(|since| *at_ns > since);
            if let Some((px, _)) = quoted.filter(younger) {
                pnl.begin(pays, held, px);
            }
        }
    }

    /// Money that was paid in (or out, where it is negative): it is neither profit nor loss.
    pub(super) fn deposit<S: Sink>(&mut self, follower: u32, amount: Dec, sink: &mut S) {
        let Some(state) = self.st.guards.get_mut(follower) else {
            let text = "a deposit to an account without guards changes nothing".to_owned();
            return self.alert("bad_command", text, sink);
        };
        let moved = |value: Dec| value.checked_add(amount).unwrap_or(value);
        match &mut state.anchor {
            Some(anchor) => anchor.amount = moved(anchor.amount),
            None => {
                let text = "a deposit before any account value changes nothing".to_owned();
                return self.alert("bad_command", text, sink);
            }
        }
        for (rule, base) in state.rules.iter().zip(&mut state.bases) {
            *base = base.map(|b| rule.measured(moved(b.equity), b.until_ns));
        }
        self.st.due.insert((self.st.at_ns, DUE_GUARD, follower));
    }

    /// Lines of a guarded follower that ever held something.
    fn lines_of(&self, follower: u32) -> Vec<u32> {
        self.lines_of_account(follower).iter().copied().filter(|at| self.st.pnl.has(*at)).collect()
    }

    /// What a guarded account is worth now; none while an account value, a price or an exchange rate is missing, or older
    /// than `oldest_ns`.
    fn equity_since(&self, ix: &Index, follower: u32, oldest_ns: i64) -> Option<Dec> {
        let anchor = self.st.guards.get(follower)?.anchor?;
        let ours = ix.cfg.followers.get(follower as usize)?.currency.as_deref();
        let fresh_ns = self.oldest_ns(ix, follower);
        let mut sum = anchor.amount;
        for at in self.lines_of_account(follower) {
            let (Some(pnl), Some(ls)) = (self.st.pnl.get(*at), self.st.lines.get(*at as usize)) else {
                continue;
            };
            let held = ls.line.filled;
            if pnl.unknown || pnl.waits_since_ns.is_some_and(|since| since < oldest_ns) {
                return None;
            }
            if pnl.waits_since_ns.is_some() {
                continue; // in the account value, at its own price
            }
            let px = if held.is_zero() {
                Dec::ZERO
            } else {
                self.mark(ix, *at, held, fresh_ns).filter(|(_, at_ns)| *at_ns >= oldest_ns)?.0
            };
            let of = ix.cfg.instruments.get(ls.follower_instrument as usize)?;
            let won = pnl.total(of.pays(), held, px)?;
            let rate = if won.is_zero() { Dec::ZERO } else { self.fx(&of.currency, ours?, oldest_ns)? };
            sum = sum.checked_add(won.mul(rate, Round::HalfEven)?)?;
        }
        Some(sum)
    }

    /// The same with prices that are not too old: what an open may rely on.
    pub(crate) fn equity(&self, ix: &Index, follower: u32) -> Option<Dec> {
        self.equity_since(ix, follower, self.oldest_ns(ix, follower))
    }

    /// Why a guard opens nothing now, with the account at `equity`. A breach that is found here stops the follower before the
    /// event ends.
    pub(super) fn guarded(&mut self, ix: &Index, follower: u32, equity: Option<Dec>) -> Option<Refusal> {
        if let Some(trip) = self.hardest(follower) {
            return Some(trip.refusal());
        }
        ix.guards.get(follower)?;
        let Some(equity) = equity else { return Some(Refusal::bare(Code::StaleAccount)) };
        let refusal = self.judge(ix, follower, equity).first().map(Trip::refusal)?;
        self.st.due.insert((self.st.at_ns, DUE_GUARD, follower));
        Some(refusal)
    }

    /// The stop of a follower that stops most, the first of equals.
    pub(super) fn hardest(&self, follower: u32) -> Option<&Trip> {
        hardest_of(self.st.tripped.get(&follower)?)
    }

    /// Moves the bases of all rules, and says which rules are breached.
    fn judge(&mut self, ix: &Index, follower: u32, equity: Dec) -> Vec<Trip> {
        let now = self.st.at_ns;
        let (Some(calendar), Some(state)) = (ix.guards.get(follower), self.st.guards.get_mut(follower))
        else {
            return Vec::new();
        };
        let (trips, ends) = found(&state.rules, &mut state.bases, equity, now, calendar);
        self.st.due.extend(ends.into_iter().map(|end_ns| (end_ns, DUE_GUARD, follower)));
        trips
    }

    /// A guard's timer: values the account, stops it, and lets it go at the beginning of a new period. A breach is judged
    /// by the newest prices that are known, however old: only opens need fresh ones.
    pub(super) fn guard_due<S: Sink>(&mut self, ix: &Arc<Index>, follower: u32, sink: &mut S) {
        self.begin_waiting(ix, follower);
        self.end_periods(ix, follower, sink);
        let Some(equity) = self.equity_since(ix, follower, i64::MIN) else { return };
        let before = self.hardest(follower).map(|t| t.level);
        for trip in self.judge(ix, follower, equity) {
            let trips = self.st.tripped.entry(follower).or_default();
            if trips.iter().any(|t| t.rule == trip.rule) {
                continue;
            }
            trips.push(trip.clone());
            self.cause.calm = false;
            let (what, level, code) =
                (Scope::Follower(follower).text(ix), trip.level.name(), trip.code.as_str());
            let text = format!("{what} stopped at {level} by {code}: {}", trip.numbers());
            self.alert("guard", text, sink);
        }
        let after = self.hardest(follower).map(|t| t.level);
        if after > before && after > Some(Level::NoOpens) {
            self.close_lines(ix, |s| s.follower == follower, sink);
        }
    }

    /// Ends the stops that reset themselves and whose period is over.
    fn end_periods<S: Sink>(&mut self, ix: &Arc<Index>, follower: u32, sink: &mut S) {
        let now = self.st.at_ns;
        let Some(trips) = self.st.tripped.get_mut(&follower) else { return };
        let before = trips.len();
        trips.retain(|t| !t.rule.auto_reset || now < t.until_ns);
        let (ended, left) = (trips.len() < before, trips.len());
        if left == 0 {
            self.st.tripped.remove(&follower);
        }
        if ended {
            let what = Scope::Follower(follower).text(ix);
            let rest = if left > 0 { "; other stops of it stay" } else { "" };
            self.alert("arm", format!("{what} released: a new period has begun{rest}"), sink);
        }
    }

    /// The targets of some subscriptions are 0 from now on.
    pub(super) fn close_lines<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        of: impl Fn(&SubIndex) -> bool,
        sink: &mut S,
    ) {
        for at in 0..u32::try_from(self.st.lines.len()).unwrap_or(0) {
            let Some(ls) = self.st.lines.get_mut(at as usize) else { continue };
            if ix.subs.get(ls.sub as usize).is_none_or(|s| !of(s)) {
                continue;
            }
            if ls.line.target != 0 {
                // As after a leader's turn: tried at once, whatever the broker said to the last close.
                ls.retry_at_ns = 0;
            }
            ls.line.target = 0;
            (ls.waiting, ls.needless) = (Vec::new(), Vec::new());
            self.end_mirrors(at);
            self.work_line(ix, at, sink);
        }
    }

    /// A person lets a guarded follower go: what it measures from begins anew. False where it is not stopped.
    pub(super) fn release_guard(&mut self, follower: u32) -> bool {
        if self.st.tripped.remove(&follower).is_none() {
            return false;
        }
        if let Some(state) = self.st.guards.get_mut(follower) {
            state.bases.iter_mut().for_each(|base| *base = None);
        }
        self.st.due.insert((self.st.at_ns, DUE_GUARD, follower));
        true
    }

    /// A price moved: all guarded accounts are valued, soon.
    pub(super) fn guards_after_quote(&mut self) {
        if !self.ix.guards.is_empty() || !self.ix.sub_guards.is_empty() {
            self.st.due.insert((self.st.sweep_ns.max(self.st.at_ns), DUE_GUARDS, 0));
        }
    }

    /// Values all guarded accounts.
    pub(super) fn guards_due<S: Sink>(&mut self, ix: &Arc<Index>, sink: &mut S) {
        self.st.sweep_ns = self.st.at_ns.saturating_add(SWEEP_NS);
        for follower in ix.guards.keys() {
            self.guard_due(ix, follower, sink);
        }
        for sub in ix.sub_guards.keys() {
            self.sub_guard_due(ix, sub, sink);
        }
    }
}

/// The stop that stops most, the first of equals.
pub(super) fn hardest_of(trips: &[Trip]) -> Option<&Trip> {
    let highest = trips.iter().map(|t| t.level).max()?;
    trips.iter().find(|t| t.level == highest)
}

/// Moves the bases of all rules; which of them are breached, and when periods end that begin now.
pub(super) fn found(
    rules: &[Rule],
    bases: &mut [Option<Base>],
    equity: Dec,
    now: i64,
    calendar: &Calendar,
) -> (Vec<Trip>, Vec<i64>) {
    let (mut trips, mut ends) = (Vec::new(), Vec::new());
    for (rule, base) in rules.iter().zip(bases) {
        let fresh = rule.base(*base, equity, now, calendar);
        if base.is_none_or(|b| b.until_ns != fresh.until_ns) && fresh.until_ns != i64::MAX {
            ends.push(fresh.until_ns);
        }
        *base = Some(fresh);
        let floor = fresh.floor;
        let level = match rule.action {
            Action::NoOpens => Level::NoOpens,
            Action::CloseAll => Level::CloseOnly,
        };
        if equity <= floor {
            let (code, until_ns) = (rule.code(), fresh.until_ns);
            trips.push(Trip { rule: rule.clone(), code, until_ns, level, floor, equity, at_ns: now });
        }
    }
    (trips, ends)
}

/// Hash of the account, its session and its currency.
fn account_of(ix: &Index, follower: u32) -> u64 {
    let Some(f) = ix.cfg.followers.get(follower as usize) else { return 0 };
    let session = ix.cfg.routes.iter().find(|r| r.name == f.route).map_or("", |r| r.session.as_str());
    xxhash_rust::xxh3::xxh3_64(format!("{session}\u{1}{:?}\u{1}{:?}", f.account, f.currency).as_bytes())
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
pub(super) fn calendars(cfg: &crate::config::Config) -> Result<Slots<Calendar>, String> {
    let mut out = Slots::default();
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
