//! `adjust`: what a corporate action, a give-up or a transfer did to a leader's position, by a person's word (design 02,
//! step 1: 378=0 and PositionReports move nothing by themselves).
//!
//! A factor rescales position, targets and what is filled alike: nothing is traded. A position is the leader's alone. No
//! target ever grows by it in lots: only the leader, a join or a resync opens anything.

use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::decimal::{Dec, Round, mul_div};
use crate::ledger::{abs, fits, reduced};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a person tells of a leader's position.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AdjustText {
    who: String,
    leader: String,
    instrument: String,
    reason: String,
    /// `2`, `1.5` or `1/3`: units after it for each unit before it.
    #[serde(default)]
    factor: Option<String>,
    /// Followers whose broker does not rescale.
    #[serde(default)]
    except: Vec<String>,
    /// Signed units that the leader holds.
    #[serde(default)]
    position: Option<Dec>,
    /// With a position nearer to zero: targets come nearer by the same share.
    #[serde(default)]
    rescale: bool,
}

/// One line after it.
struct Moved {
    at: u32,
    target: i128,
    filled: Dec,
}

/// All that changes, worked out before anything does.
struct Plan {
    leader: u32,
    instrument: u32,
    before: Option<Dec>,
    after: Dec,
    /// By which fraction lines were rescaled; none: only targets moved.
    by: Option<(Dec, Dec)>,
    /// What followers trade whose brokers rescale too, also where nothing of it is held yet.
    instruments: BTreeSet<u32>,
    lines: Vec<Moved>,
}

impl Engine {
    /// Adjusts a leader's position, or says why nothing changes.
    pub(super) fn adjust<S: Sink>(&mut self, text: &AdjustText, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        let plan = match self.planned(&ix, text) {
            Ok(plan) => plan,
            Err(why) => return self.alert("bad_command", format!("adjust: {why}"), sink),
        };
        let before = plan.before.map_or("not known".to_owned(), |p| p.to_string());
        let held = self.st.leaders.get(plan.leader as usize).map(|l| &l.bust_holds);
        let waits = held.is_some_and(|h| h.contains_key(&plan.instrument));
        let what = match (&text.factor, text.rescale) {
            (Some(factor), _) => format!("x {factor}, {} positions of followers with it", plan.lines.len()),
            (None, true) => format!("{} targets by the same share", plan.lines.len()),
            (None, false) => "targets stay".to_owned(),
        };
        let said = format!(
            "leader {:?} {}: position {before} → {}, {what}, by {}: {}{}",
            text.leader,
            text.instrument,
            plan.after,
            text.who,
            text.reason,
            if waits { "; opens wait for `bust-resume`" } else { "" }
        );
        self.alert("adjust", said, sink);
        self.carry_out(&ix, &plan, sink);
        self.join_due(sink);
    }

    fn planned(&self, ix: &Index, text: &AdjustText) -> Result<Plan, String> {
        for (key, value) in [("operator", &text.who), ("reason", &text.reason)] {
            if value.trim().is_empty() {
                return Err(format!("needs a named {key}"));
            }
        }
        let leader = (0_u32..).zip(&ix.cfg.leaders).find(|(_, l)| l.name == text.leader).map(|(n, _)| n);
        let leader = leader.ok_or_else(|| format!("leader {:?} is not defined", text.leader))?;
        let instrument = (0_u32..).zip(&ix.cfg.instruments).find(|(_, i)| i.name == text.instrument);
        let instrument =
            instrument.ok_or_else(|| format!("instrument {:?} is not defined", text.instrument))?.0;
        let state = self.st.leaders.get(leader as usize).ok_or("no such leader")?;
        let lines = state.lines.get(&instrument).map_or(&[][..], Vec::as_slice);
        let lines: Vec<(u32, &LineState)> =
            lines.iter().filter_map(|at| Some((*at, self.st.lines.get(*at as usize)?))).collect();
        for (at, l) in &lines {
            if text.factor.is_some() && self.st.tickets.get(at).is_some_and(|t| !t.list.is_empty()) {
                let name = ix.cfg.subscriptions.get(l.sub as usize).map_or("", |s| s.name.as_str());
                return Err(format!(
                    "subscription {name:?} holds positions of a hedging account, and nobody knows how its broker \
                     rescales each: close them first"
                ));
            }
            if !(self.st.mirrors.idle(*at)
                && l.live.is_empty()
                && l.waiting.is_empty()
                && l.needless.is_empty())
            {
                let name = ix.cfg.subscriptions.get(l.sub as usize).map_or("", |s| s.name.as_str());
                return Err(format!(
                    "orders of subscription {name:?} work or wait: adjust when they are done; `close-only --leader \
                     {}` lets nothing new in",
                    text.leader
                ));
            }
        }
        if self.st.blocks.get(&(leader, instrument)).is_some_and(|block| block.target != 0) {
            let why = "a block divides it lot by lot, and what was dealt is not rescaled: close it first";
            return Err(format!("{:?} of leader {:?}: {why}", text.instrument, text.leader));
        }
        let before = state.positions.get(&instrument).copied();
        let (by, instruments, none) = (None, BTreeSet::new(), Vec::new());
        let plan = Plan { leader, instrument, before, after: Dec::ZERO, by, instruments, lines: none };
        match (&text.factor, text.position) {
            (Some(factor), None) if !text.rescale => {
                let plan = rescaled(ix, plan, factor, &text.except, &lines)?;
                self.rescales_what_was_let_be(ix, &plan, factor).map(|()| plan)
            }
            (None, Some(position)) if text.except.is_empty() => {
                moved(ix, Plan { after: position, ..plan }, text.rescale, &lines)
            }
            _ => Err("one of factor (with except) and position (with rescale)".to_owned()),
        }
    }

    /// What a person holds beside a copy has to be a quantity afterwards too.
    fn rescales_what_was_let_be(&self, ix: &Index, plan: &Plan, factor: &str) -> Result<(), String> {
        let Some(by) = plan.by else { return Ok(()) };
        for m in &plan.lines {
            let instrument = self.st.lines.get(m.at as usize).map(|l| l.follower_instrument);
            let Some(key) = self.follower_of_line(ix, m.at).zip(instrument) else { continue };
            self.let_be_by(ix, key, plan.leader, by)
                .map_err(|units| odd(&format!("{}, let be:", Self::position_name(ix, key)), units, factor))?;
        }
        Ok(())
    }

    fn carry_out<S: Sink>(&mut self, ix: &Arc<Index>, plan: &Plan, sink: &mut S) {
        if let Some(state) = self.st.leaders.get_mut(plan.leader as usize) {
            state.positions.insert(plan.instrument, plan.after);
            state.lost.remove(&plan.instrument);
            // A report of before must not be confirmed by another one of before, and which of his positions it was nobody said:
            // his broker will.
            state.forget_words(plan.instrument);
        }
        if Self::hedges(ix, plan.leader) {
            self.ask_positions_soon(plan.leader);
        }
        if plan.after.is_zero() || plan.before.is_some_and(|was| was.signum() != plan.after.signum()) {
            self.left_behind(plan.leader, plan.instrument);
        }
        // Distances of stops are measured from prices of before.
        self.st.mirrors.forget_entry(plan.leader, plan.instrument);
        let mut accounts = BTreeSet::new();
        for m in &plan.lines {
            let follower = self.follower_of_line(ix, m.at);
            let Some(ls) = self.st.lines.get_mut(m.at as usize) else { continue };
            (ls.line.target, ls.line.filled) = (m.target, m.filled);
            if plan.by.is_some() {
                // Whole lots that only rescaling made have no window: they are given up as what comes too late is. No price of
                // before counts.
                (ls.line.open_until_ns, ls.leader_px) = (0, None);
                accounts.extend(follower.map(|f| (f, ls.follower_instrument)));
            }
            for pnl in [self.st.pnl.get_mut(m.at), self.st.sub_pnl.get_mut(m.at)].into_iter().flatten() {
                if plan.by.is_some() {
                    pnl.px = Dec::ZERO;
                }
            }
        }
        if let Some(by) = plan.by {
            self.forget_prices(plan.instrument);
            for instrument in &plan.instruments {
                self.forget_prices(*instrument);
            }
            for (follower, instrument) in accounts {
                self.account_rescaled(ix, (follower, instrument), plan.leader, by);
            }
        }
        for m in &plan.lines {
            self.work_line(ix, m.at, sink);
        }
    }

    /// The leader has been flat: no order of his that comes is a part of what an amount was opened for.
    fn left_behind(&mut self, leader: u32, instrument: u32) {
        let lines = self.st.leaders.get(leader as usize).and_then(|l| l.lines.get(&instrument));
        for at in lines.into_iter().flatten() {
            if let Some(ls) = self.st.lines.get_mut(*at as usize) {
                ls.joined = None;
            }
        }
    }

    /// Prices of before say nothing about what is held from now on: the newest, where they were, and what trades said.
    fn forget_prices(&mut self, instrument: u32) {
        self.st.quotes.remove(instrument);
        self.st.ranges.remove(&instrument);
        self.st.together.forget_price(instrument);
    }
}

/// A fraction of two positive decimals.
fn fraction(text: &str) -> Option<(Dec, Dec)> {
    let (num, den) = text.split_once('/').unwrap_or((text, "1"));
    let read = |t: &str| Dec::parse(t.trim().as_bytes()).ok().filter(|d| d.is_positive());
    Some((read(num)?, read(den)?))
}

/// `units` by a fraction, where that is a number.
pub(super) fn exact(units: Dec, (num, den): (Dec, Dec)) -> Option<Dec> {
    let down = units.mul_div(num, den, Round::Down)?;
    (units.mul_div(num, den, Round::Up)? == down).then_some(down)
}

fn odd(what: &str, units: Dec, factor: &str) -> String {
    format!(
        "{what} {units} x {factor} is no quantity of at most 18 decimals: a broker rounds it; give positions"
    )
}

fn rescaled(
    ix: &Index,
    mut plan: Plan,
    factor: &str,
    except: &[String],
    lines: &[(u32, &LineState)],
) -> Result<Plan, String> {
    let by =
        fraction(factor).ok_or_else(|| format!("factor {factor:?} is no positive number or fraction"))?;
    if let Some(name) = except.iter().find(|n| ix.cfg.followers.iter().all(|f| f.name != **n)) {
        return Err(format!("follower {name:?} is not defined"));
    }
    let before = plan.before.ok_or("the leader's position is not known: give a position")?;
    plan.after = exact(before, by).ok_or_else(|| odd("the leader's", before, factor))?;
    plan.by = Some(by);
    plan.instruments = copied_into(ix, plan.leader, plan.instrument, except);
    for (at, l) in lines {
        let Some(cfg) = ix.cfg.subscriptions.get(l.sub as usize) else { continue };
        if except.contains(&cfg.follower) {
            let guarded = ix.subs.get(l.sub as usize).is_some_and(|s| ix.guards.has(s.follower));
            if (guarded || ix.sub_guards.has(l.sub)) && !l.line.filled.is_zero() {
                return Err(format!(
                    "a guard values what {:?} holds at the leader's quotes, which are of other units from now on: \
                     close it first, or let it leave",
                    cfg.name
                ));
            }
            continue;
        }
        let filled = exact(l.line.filled, by)
            .ok_or_else(|| odd(&format!("{:?}:", cfg.name), l.line.filled, factor))?;
        let target = mul_div(l.line.target, by.0.raw(), by.1.raw(), Round::HalfEven);
        let grid = ix.grids.get(l.follower_instrument as usize);
        let target = target.zip(grid).filter(|(t, g)| fits(*t, **g)).map(|(t, _)| t);
        let target = target.ok_or_else(|| format!("the target of {:?} leaves its range", cfg.name))?;
        plan.lines.push(Moved { at: *at, target, filled });
    }
    Ok(plan)
}

/// What a leader's instrument is copied into, but for the excepted followers.
fn copied_into(ix: &Index, leader: u32, instrument: u32, except: &[String]) -> BTreeSet<u32> {
    let subs = ix.subs_of.get(leader as usize).map_or(&[][..], Vec::as_slice);
    let rescaled = |sub: &&u32| {
        ix.cfg.subscriptions.get(**sub as usize).is_some_and(|cfg| !except.contains(&cfg.follower))
    };
    let lane = |sub: &u32| ix.lanes.list.get(*ix.lanes.at.get(&(*sub, instrument))? as usize);
    subs.iter().filter(rescaled).filter_map(lane).map(|lane| lane.follower_instrument).collect()
}

fn moved(ix: &Index, mut plan: Plan, rescale: bool, lines: &[(u32, &LineState)]) -> Result<Plan, String> {
    let after = plan.after;
    if rescale {
        let before =
            plan.before.ok_or("the leader's position is not known: nothing to rescale targets by")?;
        let nearer = abs(after) <= abs(before) && (after.is_zero() || after.signum() == before.signum());
        if !nearer {
            let why = "is not nearer to zero than";
            return Err(format!(
                "position {after} {why} {before}: only the leader enlarges a target; `resync` after it"
            ));
        }
        let reduce = abs(before).checked_sub(abs(after)).unwrap_or(Dec::ZERO);
        let follow = lines.iter().filter(|(_, l)| l.follows());
        let target = |l: &LineState| reduced(l.line.target, before, reduce);
        plan.lines =
            follow.map(|(at, l)| Moved { at: *at, target: target(l), filled: l.line.filled }).collect();
        return Ok(plan);
    }
    for (_, l) in lines.iter().filter(|(_, l)| l.follows() && l.line.target != 0) {
        let Some(cfg) = ix.cfg.subscriptions.get(l.sub as usize) else { continue };
        if l.is_on_another_side(cfg.reverse, after) {
            return Err(format!(
                "position {after}, and subscription {:?} has a target on the side that is left: nobody would close \
                 it. Rescale the targets, or let it leave first",
                cfg.name
            ));
        }
    }
    Ok(plan)
}
