//! A leader's bust or correction that a subscription follows (`on_bust = "follow"`): its target is worked out again from a
//! position before it, without it, by the ratios and refusals of then (design 02, step 1; decision 0028).

use super::leaders::Execution;
use super::{Engine, Index};
use crate::action::Sink;
use crate::config::{OnBust, Sizing, SubscriptionConfig};
use crate::decimal::{Dec, Round, mul_div};
use crate::ledger::{abs, fits, reduced, split};
use crate::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const MS: i64 = 1_000_000;
/// Changes that a line remembers. A bust of something older is for a person.
const STEPS_MAX: usize = 1_000;

/// The leader's position, signed units, and the target that belongs to it, quanta.
type Place = (Dec, i128);

/// One execution of the leader, as one line counted it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// What a bust names it by.
    execution: u128,
    /// Signed units of the leader.
    delta: Dec,
    /// Units of it that increased his position.
    increase: Dec,
    /// By what they moved the target, quanta: 0 where they were refused.
    grown: i128,
}

/// One change of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// By the leader.
    Fill(Fill),
    /// Towards zero by as many quanta: what was refused or lost after he had moved it.
    Lost(i128),
}

/// How the target of one line came about.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trail {
    from: Place,
    steps: VecDeque<Step>,
    to: Place,
}

impl Step {
    /// Where it leads; `size` gives what units of the leader are worth that had increased nothing, quanta with sign.
    fn lead(&self, (position, target): Place, size: &dyn Fn(Dec, bool) -> Option<i128>) -> Option<Place> {
        let fill = match self {
            Step::Lost(lost) => return Some((position, nearer_zero(target, *lost))),
            Step::Fill(fill) => fill,
        };
        let (reduce, increase) = split(position, fill.delta);
        let kept = if reduce.is_positive() { reduced(target, position, reduce) } else { target };
        let grown = if increase == fill.increase {
            fill.grown
        } else if fill.increase.is_positive() {
            mul_div(fill.grown, increase.raw(), fill.increase.raw(), Round::HalfEven)?
        } else {
            size(increase, fill.delta.is_negative())?
        };
        Some((position.checked_add(fill.delta)?, kept.checked_add(grown)?))
    }
}

/// A target that lost some quanta, never past zero.
fn nearer_zero(target: i128, lost: i128) -> i128 {
    let left = target.saturating_abs().saturating_sub(lost).max(0);
    if target < 0 { left.saturating_neg() } else { left }
}

/// The target that is no further from zero than both, on the side of what there is.
fn not_beyond(target: i128, held: i128) -> i128 {
    if target.signum() == held.signum() {
        nearer_zero(held, held.saturating_abs().saturating_sub(target.saturating_abs()).max(0))
    } else {
        0
    }
}

impl Trail {
    /// Takes in what happened to position and target since the last step.
    fn meet(&mut self, at: Place) {
        if self.to == at {
            return;
        }
        let ((position, target), (was_at, was)) = (at, self.to);
        let lost = was.saturating_abs().saturating_sub(target.saturating_abs());
        if position == was_at && lost >= 0 && (target == 0 || target.signum() == was.signum()) {
            self.lose(lost);
            self.to = at;
        } else {
            // Set by a person, a report or another rule: from here on it counts anew.
            *self = Trail { from: at, steps: VecDeque::new(), to: at };
        }
    }

    /// What is refused or rejected is of the newest increase, as a rule: without that one nothing of it is missing. Behind a
    /// reduce nobody can tell any more.
    fn lose(&mut self, mut lost: i128) {
        for step in self.steps.iter_mut().rev() {
            let Step::Fill(fill) = step else { break };
            if fill.increase != abs(fill.delta) {
                break;
            }
            let left = nearer_zero(fill.grown, lost);
            lost = lost.saturating_sub(fill.grown.saturating_sub(left).saturating_abs());
            fill.grown = left;
        }
        if lost > 0 {
            self.steps.push_back(Step::Lost(lost));
        }
    }

    fn push(&mut self, fill: Fill, to: Place) {
        self.steps.push_back(Step::Fill(fill));
        self.to = to;
        while self.steps.len() > STEPS_MAX {
            let first = self.steps.pop_front();
            match first.and_then(|step| step.lead(self.from, &|_, _| None)) {
                Some(next) => self.from = next,
                None => *self = Trail { from: to, steps: VecDeque::new(), to },
            }
        }
    }

    /// The steps with an execution changed by signed units of the leader; none where it is not among them.
    fn without(&self, execution: u128, delta: Dec) -> Option<VecDeque<Step>> {
        let mut steps = self.steps.clone();
        let of = steps.iter_mut().rev().filter_map(|step| match step {
            Step::Fill(fill) if fill.execution == execution => Some(&mut fill.delta),
            _ => None,
        });
        change(of, delta).then_some(steps)
    }

    fn replay(&self, steps: &VecDeque<Step>, size: &dyn Fn(Dec, bool) -> Option<i128>) -> Option<Place> {
        steps.iter().try_fold(self.from, |place, step| step.lead(place, size))
    }
}

/// Changes signed units of executions of one name, the newest first, each to nothing at most: a venue that repeats a name
/// means all of them. False where they have not as much.
pub(super) fn change<'a>(newest_first: impl Iterator<Item = &'a mut Dec>, delta: Dec) -> bool {
    let mut left = delta;
    // What was taken back whole has nothing left: the next of the name is meant.
    for units in newest_first.filter(|units| !units.is_zero()) {
        let Some(after) = units.checked_add(left) else { return false };
        let turned = after.signum().saturating_mul(units.signum()) < 0;
        (*units, left) = if turned { (Dec::ZERO, after) } else { (after, Dec::ZERO) };
    }
    left.is_zero()
}

/// Its targets can be worked out again.
pub(super) fn can_follow(cfg: &SubscriptionConfig) -> bool {
    let alone = !cfg.mirrors() && !matches!(cfg.sizing, Sizing::Block { .. });
    cfg.on_bust == OnBust::Follow && alone
}

impl Engine {
    /// Says that an execution was taken back, and who decides about it.
    pub(super) fn told_bust<S: Sink>(&mut self, ix: &Index, leader: u32, sink: &mut S) {
        let subs = ix.subs_of.get(leader as usize).map_or(&[][..], Vec::as_slice);
        let subs = subs.iter().filter_map(|s| ix.cfg.subscriptions.get(*s as usize));
        let (follow, wait): (Vec<_>, Vec<_>) = subs.partition(|cfg| can_follow(cfg));
        let text = match (follow.len(), wait.len()) {
            (0, _) => "opens wait for the operator".to_owned(),
            (n, 0) => format!("{n} subscriptions follow it"),
            (n, m) => format!("{n} subscriptions follow it, opens of {m} wait for the operator"),
        };
        self.alert("bust", format!("a leader execution was taken back or corrected: {text}"), sink);
    }

    /// A line that should have followed a bust and cannot: it waits as others do.
    pub(super) fn cannot_follow<S: Sink>(&mut self, at: u32, cfg: &SubscriptionConfig, sink: &mut S) {
        let Some(ls) = self.st.lines.get_mut(at as usize).filter(|ls| ls.follows()) else { return };
        ls.line.bust_hold = true;
        let why = "the execution is not among those that it remembers, or has no name";
        let text =
            format!("subscription {:?} cannot follow it: {why}; opens wait for the operator", cfg.name);
        self.alert("bust", text, sink);
    }

    /// Remembers what an execution did to a target; `before`: the target before it.
    pub(super) fn note_step(&mut self, at: u32, x: &Execution<'_>, before: i128) {
        if x.hold {
            return;
        }
        let followed = self.st.lines.get(at as usize).filter(|ls| ls.follows());
        let Some(target) = followed.map(|ls| ls.line.target) else { return };
        let Some(after) = x.before.checked_add(x.delta) else { return };
        let kept = if x.reduce.is_positive() { reduced(before, x.before, x.reduce) } else { before };
        let grown = target.saturating_sub(kept);
        let trail = self.st.trails.entry(at).or_default();
        trail.meet((x.before, before));
        let (execution, delta, increase) = (x.execution, x.delta, x.increase);
        trail.push(Fill { execution, delta, increase, grown }, (after, target));
    }

    /// The target of a line without an execution that was taken back, or as it was corrected. False: it is not known here,
    /// or cannot be worked out again.
    pub(super) fn follow_bust(
        &mut self,
        ix: &Index,
        at: u32,
        cfg: &SubscriptionConfig,
        x: &Execution<'_>,
    ) -> bool {
        let Some(ls) = self.st.lines.get(at as usize).filter(|ls| can_follow(cfg) && ls.follows()) else {
            return false;
        };
        let (Some(lane), Some(after), before) = (ix.lane(ls), x.before.checked_add(x.delta), ls.line.target)
        else {
            return false;
        };
        let Some(trail) = self.st.trails.get_mut(&at) else { return false };
        trail.meet((x.before, before));
        let size = |units: Dec, sells: bool| {
            let grown = mul_div(lane.rate?.raw(), units.raw(), lane.grid.step.raw(), Round::HalfEven)?;
            Some(if sells == lane.reverse { grown } else { grown.saturating_neg() })
        };
        let Some(steps) = trail.without(x.execution, x.delta) else { return false };
        let led = trail.replay(&steps, &size).filter(|(p, t)| *p == after && fits(*t, lane.grid));
        let Some((_, target)) = led else { return false };
        // A flat leader always means a flat follower.
        let target = if after.is_zero() { 0 } else { target };
        (trail.steps, trail.to) = (steps, (after, target));
        self.work_out(at, x, lane.max_age_ns, before, target);
        true
    }

    /// Sets what was worked out. What it adds is an open, and may be too late for one.
    fn work_out(&mut self, at: u32, x: &Execution<'_>, max_age_ns: i64, before: i128, target: i128) {
        let now = self.st.at_ns;
        let added = target.saturating_sub(not_beyond(target, before)).saturating_abs();
        let until = x.report.transact_ns.unwrap_or(0).min(now).saturating_add(max_age_ns);
        let late = added > 0 && until <= now;
        if late {
            let limit = Dec::from_int(max_age_ns.checked_div(MS).unwrap_or(0));
            let age = now.saturating_sub(x.report.transact_ns.unwrap_or(0)).checked_div(MS).unwrap_or(0);
            self.refuse(Refusal::over(Code::Stale, limit, Dec::from_int(age)));
        }
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        ls.retry_at_ns = 0;
        ls.line.target = if late { not_beyond(target, before) } else { target };
        if added > 0 && !late {
            let same_side = before.signum() == target.signum();
            ls.line.declined = false;
            ls.line.open_until_ns = if same_side { ls.line.open_until_ns.max(until) } else { until };
            (self.cause.until_ns, self.cause.size) = (until, added);
        }
    }
}
