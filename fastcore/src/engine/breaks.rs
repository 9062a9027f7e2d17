//! Position breaks: what a follower's broker reports beside what our own orders filled, and what a person, or a rule of the
//! configuration, does about it (design 06, reconciliation).
//!
//! A PositionReport(AP) has no time, so a difference counts only when it is reported twice, `settle_ms` apart, with no fill of
//! ours between and no order whose outcome is not known. A break is shown and told once; nothing is traded for it unless
//! somebody says so.

use super::life::Mode;
use super::proofs::Became;
use super::stops::{Scope, Stop};
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::config::OnBreak;
use crate::decimal::Dec;
use crate::ledger::{abs, less, sum};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// A broker that answers is asked again before the books follow it, or anything is sold, on an older word than this.
const FRESH_S: i64 = 60;

/// What one account holds of one instrument beside our books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Break {
    /// Signed units that the broker twice reported beyond ours and what was accepted: the break that is told; zero: none.
    pub units: Dec,
    /// When it was reported first.
    pub since_ns: i64,
    /// When it was reported last.
    pub said_ns: i64,
    /// Signed units that are not ours and were accepted: traded by hand, and let be.
    pub accepted: Dec,
    /// Another difference, reported once: it may be a report that a fill overtook.
    pub once: Option<Once>,
}

/// A difference that was reported once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Once {
    /// Signed units.
    pub units: Dec,
    /// When.
    pub at_ns: i64,
    /// Fills of the account then.
    pub moves: u32,
}

impl Break {
    /// Reported twice.
    #[must_use]
    pub const fn confirmed(&self) -> bool {
        self.units.raw() != 0
    }
}

/// What an operator says of a break.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Reconcile {
    who: String,
    follower: String,
    instrument: String,
    remedy: Remedy,
}

/// What is done about a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Remedy {
    /// The books follow the broker: what is missing is gone for good, what is more is ours as far as the targets go.
    Adopt,
    /// The same for what is missing; what is more is closed.
    Close,
    /// The difference is let be, and told again only when it changes.
    Ignore,
    /// The broker is asked now.
    Ask,
    /// Orders of ours in doubt were filled whole.
    Filled,
    /// Orders of ours in doubt are not at the broker, and nothing more of them was filled.
    Gone,
}

impl Remedy {
    const fn name(self) -> &'static str {
        match self {
            Self::Adopt => "adopt",
            Self::Close => "close",
            Self::Ignore => "ignore",
            Self::Ask => "ask",
            Self::Filled => "filled",
            Self::Gone => "gone",
        }
    }
}

impl Engine {
    /// A broker's word about one position, set against our books.
    pub(super) fn compare<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        follower: u32,
        instrument: u32,
        held: Dec,
        sink: &mut S,
    ) {
        let lines = self.one_position(ix, follower, instrument);
        let key = (follower, instrument);
        let beyond = less(held, Dec::from_raw(self.ours(&lines)));
        let accepted = self.let_be(key, beyond, tolerance(ix, instrument));
        let known = Break { accepted, ..self.st.breaks.get(&key).copied().unwrap_or_default() };
        let units = less(beyond, known.accepted);
        let now = self.st.at_ns;
        let moves = self.st.holdings.get(follower as usize).map_or(0, |h| h.moves);
        if abs(units) <= tolerance(ix, instrument) {
            return self.agrees(ix, key, known, sink);
        }
        if lines.iter().any(|at| self.in_doubt(*at)) {
            return; // an answer about the order comes first
        }
        if known.units == units {
            self.st.breaks.insert(key, Break { said_ns: now, once: None, ..known });
            return self.remedied_by_rule(ix, key, sink);
        }
        let settle_ns = ix.cfg.timing.settle_ms.saturating_mul(MS);
        let once = known.once.filter(|o| o.units == units && o.moves == moves);
        let first = once.unwrap_or(Once { units, at_ns: now, moves });
        if first.at_ns.saturating_add(settle_ns) > now || once.is_none() {
            self.st.breaks.insert(key, Break { once: Some(first), ..known });
            return self.plan_question(follower, first.at_ns.saturating_add(settle_ns));
        }
        let found = Break { units, since_ns: first.at_ns, said_ns: now, once: None, ..known };
        self.st.breaks.insert(key, found);
        self.tell_break(ix, key, held, sink);
        if self.rule_of(ix, key) == OnBreak::NoOpens {
            let who = "fault: position break".to_owned();
            self.latch(ix, Scope::Follower(follower), Stop::of_opens(who, self.st.at_ns), sink);
        }
        self.remedied_by_rule(ix, key, sink);
    }

    fn agrees<S: Sink>(&mut self, ix: &Index, key: (u32, u32), known: Break, sink: &mut S) {
        self.rescaling_agrees(ix, key, known.accepted);
        // Let be in the units of before: it is not rescaled yet.
        let scaled = self.st.breaks.get(&key).map_or(Dec::ZERO, |b| b.accepted);
        let accepted = if self.is_rescaling(key) { scaled } else { known.accepted };
        if accepted.is_zero() {
            self.st.breaks.remove(&key);
        } else {
            self.st.breaks.insert(key, Break { accepted, ..Break::default() });
        }
        if known.confirmed() {
            let text =
                format!("{}: the broker's position and ours agree again", Self::position_name(ix, key));
            self.alert("position_break_ends", text, sink);
        }
    }

    fn tell_break<S: Sink>(&mut self, ix: &Index, key: (u32, u32), held: Dec, sink: &mut S) {
        let units = self.st.breaks.get(&key).map_or(Dec::ZERO, |b| b.units);
        let ours = Dec::from_raw(held.raw().saturating_sub(units.raw()));
        let waits = if self.is_rescaling(key) {
            ". An adjustment is not confirmed: no rule trades for it before both agree"
        } else {
            ""
        };
        let text = format!(
            "{}: its broker holds {held} units and our books {ours}: {units} units of difference{waits}",
            Self::position_name(ix, key)
        );
        self.alert("position_break", text, sink);
    }

    /// Follower and instrument, as people name them.
    pub(super) fn position_name(ix: &Index, (follower, instrument): (u32, u32)) -> String {
        let name = ix.cfg.followers.get(follower as usize).map_or("", |f| f.name.as_str());
        format!("{name} {}", ix.cfg.instruments.get(instrument as usize).map_or("", |i| i.name.as_str()))
    }

    fn rule_of(&self, ix: &Index, key: (u32, u32)) -> OnBreak {
        let rule = ix.cfg.followers.get(key.0 as usize).map_or(OnBreak::Alert, |f| f.on_break);
        if self.is_rescaling(key) { OnBreak::Alert } else { rule }
    }

    /// Lines of ours that become one position at the broker.
    pub(super) fn one_position(&self, ix: &Index, follower: u32, instrument: u32) -> Vec<u32> {
        let of = |l: &LineState| ix.subs.get(l.sub as usize).is_some_and(|s| s.follower == follower);
        let mine = |l: &LineState| l.follower_instrument == instrument && of(l);
        (0_u32..).zip(&self.st.lines).filter(|(_, l)| mine(l)).map(|(at, _)| at).collect()
    }

    fn ours(&self, lines: &[u32]) -> i128 {
        let filled = |at: &u32| self.st.lines.get(*at as usize).map_or(0, |l| l.line.filled.raw());
        lines.iter().fold(0_i128, |sum, at| sum.saturating_add(filled(at)))
    }

    /// Raw units that an account holds beyond our books and what was let be.
    pub(super) fn beyond_books(&self, ix: &Index, follower: u32, instrument: u32, held: Dec) -> i128 {
        let beyond = less(held, Dec::from_raw(self.ours(&self.one_position(ix, follower, instrument))));
        less(beyond, self.let_be((follower, instrument), beyond, Dec::ZERO)).raw()
    }

    fn in_doubt(&self, at: u32) -> bool {
        self.st.lines.get(at as usize).is_some_and(|l| l.line.unknown > 0)
    }

    /// A line that has left with its position closes nothing any more.
    fn works(&self, at: u32) -> bool {
        self.st.lines.get(at as usize).is_some_and(|l| l.mode != Mode::Kept)
    }

    /// Nothing of these lines is on its way: what is filled stays what it is. A mirror may rest for weeks, and changes nothing
    /// before it fills.
    fn at_rest(&self, lines: &[u32]) -> bool {
        lines.iter().all(|at| {
            let line = self.st.lines.get(*at as usize);
            line.is_none_or(|l| l.live.is_empty()) && self.mirrors_rest(*at)
        })
    }

    fn remedied_by_rule<S: Sink>(&mut self, ix: &Arc<Index>, key: (u32, u32), sink: &mut S) {
        let remedy = match self.rule_of(ix, key) {
            OnBreak::Alert | OnBreak::NoOpens => return,
            OnBreak::Adopt => Remedy::Adopt,
            OnBreak::Close => Remedy::Close,
            OnBreak::Ignore => Remedy::Ignore,
        };
        let lines = self.one_position(ix, key.0, key.1);
        if self.at_rest(&lines) {
            self.remedy(ix, key, remedy, "on_break", sink);
        }
    }

    /// An operator's word about a break.
    pub(super) fn reconcile<S: Sink>(&mut self, said: &Reconcile, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        if let Err(why) = self.reconciled(&ix, said, sink) {
            self.alert("bad_command", format!("reconcile: {why}"), sink);
        }
    }

    fn reconciled<S: Sink>(&mut self, ix: &Arc<Index>, said: &Reconcile, sink: &mut S) -> Result<(), String> {
        let Reconcile { who, follower, instrument, remedy } = said;
        if who.is_empty() {
            return Err("it needs a named operator".to_owned());
        }
        let f = (0_u32..).zip(&ix.cfg.followers).find(|(_, f)| f.name == *follower).map(|(n, _)| n);
        let i = (0_u32..).zip(&ix.cfg.instruments).find(|(_, i)| i.name == *instrument).map(|(n, _)| n);
        let f = f.ok_or_else(|| format!("{follower:?} is no follower"))?;
        let i = i.ok_or_else(|| format!("{instrument:?} is no instrument"))?;
        if *remedy == Remedy::Ask {
            self.ask_holdings(ix, f)
                .ok_or("its route is not ready, or its venue answers no such question")?;
            self.alert("reconcile", format!("{follower} {instrument}: its broker is asked, by {who}"), sink);
            return Ok(());
        }
        let became = match remedy {
            Remedy::Filled => Some(Became::Filled),
            Remedy::Gone => Some(Became::Gone),
            _ => None,
        };
        if let Some(became) = became {
            let settled = self.settled_by_hand(ix, (f, i), became, who, sink);
            return if settled > 0 {
                Ok(())
            } else {
                Err(format!("{follower} {instrument}: no order is in doubt"))
            };
        }
        let found = self.st.breaks.get(&(f, i)).filter(|b| b.confirmed());
        let found = found.ok_or_else(|| format!("{follower} {instrument}: no break is known"))?;
        if found.once.is_some() {
            return Err(format!(
                "{follower} {instrument}: its broker said another number since: `ask` first"
            ));
        }
        let old_s = self.st.at_ns.saturating_sub(found.said_ns).checked_div(1_000_000_000).unwrap_or(0);
        if *remedy != Remedy::Ignore && old_s > FRESH_S && self.answers_positions(ix, f) {
            return Err(format!(
                "{follower} {instrument}: its broker's last word is {old_s} s old: `ask` first, and again in a moment"
            ));
        }
        let lines = self.one_position(ix, f, i);
        if !self.at_rest(&lines) {
            return Err(format!(
                "{follower} {instrument}: orders of ours are on their way there; again when they are done"
            ));
        }
        if *remedy == Remedy::Close && !lines.iter().any(|at| self.works(*at)) {
            return Err(format!("{follower} {instrument}: nothing of ours trades it; close it by hand"));
        }
        self.remedy(ix, (f, i), *remedy, who, sink);
        Ok(())
    }

    fn remedy<S: Sink>(&mut self, ix: &Arc<Index>, key: (u32, u32), remedy: Remedy, who: &str, sink: &mut S) {
        let Some(known) = self.st.breaks.get(&key).copied() else { return };
        let lines = self.one_position(ix, key.0, key.1);
        // Whoever undoes what was let be trades their own: only what is beyond it concerns what is copied.
        let undone = undone(known.accepted, known.units);
        let mut left = less(known.units, undone);
        if remedy != Remedy::Ignore {
            left = self.give_up(ix, &lines, left);
            left = self.take_over(ix, &lines, left, remedy == Remedy::Close);
        }
        let accepted = sum(sum(known.accepted, undone), left);
        self.st.breaks.insert(key, Break { accepted, ..Break::default() });
        if accepted.is_zero() {
            self.st.breaks.remove(&key);
        }
        self.rescaling_ends(key);
        let back =
            if undone.is_zero() { String::new() } else { format!(", and {undone} undo what was let be") };
        let text = format!(
            "{}: {} of {} units by {who}; {left} of them are let be{back}",
            Self::position_name(ix, key),
            remedy.name(),
            known.units
        );
        self.alert("reconcile", text, sink);
        for at in lines {
            self.work_line(ix, at, sink);
        }
    }

    /// What our books have and the account has not: gone, and its target with it; what was kept, which is the person's, before
    /// what is copied. Gives what is left of the difference.
    fn give_up(&mut self, ix: &Index, lines: &[u32], units: Dec) -> Dec {
        let mut left = units;
        let mut lines = lines.to_vec();
        lines.sort_by_key(|at| self.works(*at));
        for at in &lines {
            let line = self.st.lines.get(*at as usize).map(|l| (l.line.filled, l.line.target));
            let (filled, target) = line.unwrap_or_default();
            if filled.is_zero() || left.is_zero() || filled.is_positive() == left.is_positive() {
                continue;
            }
            let gone = abs(filled).min(abs(left));
            let moved = if left.is_positive() { gone } else { Dec::from_raw(gone.raw().saturating_neg()) };
            self.attribute(ix, *at, moved);
            self.lower(ix, *at, filled.is_positive(), gone);
            self.set_by_hand(*at, target);
            left = Dec::from_raw(left.raw().saturating_sub(moved.raw()));
        }
        left
    }

    /// What the account has and our books have not: ours up to the targets. With `all`, the rest is some line's as well,
    /// which closes it: it is beyond what that line wants.
    fn take_over(&mut self, ix: &Index, lines: &[u32], units: Dec, all: bool) -> Dec {
        let mut left = units;
        for at in lines {
            let Some(ls) = self.st.lines.get(*at as usize).filter(|_| !left.is_zero()) else { continue };
            let wanted = self.in_lots(ix, ls);
            let missing = Dec::from_raw(wanted.raw().saturating_sub(ls.line.filled.raw()));
            if missing.is_zero() || missing.is_positive() != left.is_positive() {
                continue;
            }
            let ours = if left.is_positive() { missing.min(left) } else { missing.max(left) };
            self.attribute(ix, *at, ours);
            left = Dec::from_raw(left.raw().saturating_sub(ours.raw()));
        }
        let closes = lines.iter().copied().find(|at| self.works(*at));
        if let (true, false, Some(at)) = (all, left.is_zero(), closes) {
            self.attribute(ix, at, left);
            left = Dec::ZERO;
        }
        left
    }

    /// What a line is to hold, in lots that its venue takes.
    fn in_lots(&self, ix: &Index, ls: &LineState) -> Dec {
        let lane = ix.lane(ls);
        lane.map_or(Dec::ZERO, |l| ls.line.desired(l.grid, l.rounding, l.max_inflation, false))
    }

    /// Units that a line holds from now on, without an order of ours.
    pub(super) fn attribute(&mut self, ix: &Index, at: u32, units: Dec) {
        self.book_at_mark(ix, at, units);
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.line.add_filled(units);
            (ls.stuck_residue, ls.backoff_ms, ls.open_backoff_ms) = (false, 0, 0);
        }
    }
}

/// The part of a difference that takes back what was let be, signed as the difference.
fn undone(accepted: Dec, units: Dec) -> Dec {
    let back = Dec::from_raw(accepted.raw().saturating_neg());
    if units.is_positive() { back.clamp(Dec::ZERO, units) } else { back.clamp(units, Dec::ZERO) }
}

/// Units that two books may differ by.
fn tolerance(ix: &Index, instrument: u32) -> Dec {
    let lots = ix.cfg.reconcile.tolerance_lots;
    let contract = ix.cfg.instruments.get(instrument as usize).map_or(Dec::ZERO, |i| i.contract_size);
    lots.mul(contract, crate::decimal::Round::Down).unwrap_or(Dec::ZERO)
}
