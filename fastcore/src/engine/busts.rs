//! A leader's bust or correction that a subscription follows (`on_bust = "follow"`): its target is worked out again from a
//! position before it, without it, by the ratios and refusals of then (design 02, step 1; decision 0028).

use super::leaders::Execution;
use super::{Engine, Index};
use crate::action::Sink;
use crate::config::{OnBust, Sizing, SubscriptionConfig};
use crate::decimal::{Dec, Round, mul_div};
use crate::leader::{Frozen, LeaderOrder};
use crate::ledger::{abs, fits, reduced, split};
use crate::refusal::{Code, Refusal};
use crate::sizing::Rule;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

const MS: i64 = 1_000_000;
/// Changes that a line remembers. A bust of something older is for a person.
const STEPS_MAX: usize = 1_000;

/// The leader's position, signed units, and the target that belongs to it, quanta.
type Place = (Dec, i128);

/// One execution of the leader, as one line counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fill {
    /// What a bust names it by.
    execution: u128,
    /// The leader's order.
    order: u128,
    /// Signed units of the leader.
    delta: Dec,
    /// Units of it that increase his position.
    increase: Dec,
    /// By what they moved the target, quanta with sign, less what was refused or lost of them.
    grown: i128,
    /// What another increase is worth.
    each: Each,
}

/// An increase of an execution, and what that was worth. Zero units: it has only closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Each {
    units: Dec,
    /// Quanta with sign, less what was refused or lost of them.
    worth: i128,
    /// Where the order is worth an amount: what it counted of that, refused parts included. Follower units.
    counted: Dec,
}

/// What a replay needs to know beside the steps.
struct Terms<'a> {
    /// What units of the leader are worth that had increased nothing, quanta with sign.
    size: &'a dyn Fn(Dec, bool) -> Option<i128>,
    /// What is left of the amounts of the leader's orders.
    left: BTreeMap<u128, Dec>,
}

/// One change of a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Step {
    /// By the leader.
    Fill(Fill),
    /// Towards zero by as many quanta, with the sign of what lost them: what was refused or lost after he had moved it.
    Lost(i128),
}

/// How the target of one line came about.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Trail {
    from: Place,
    steps: VecDeque<Step>,
    to: Place,
}

impl Default for Terms<'_> {
    fn default() -> Self {
        Self { size: &|_, _| None, left: BTreeMap::new() }
    }
}

impl Step {
    /// Where it leads.
    fn lead(&mut self, (position, target): Place, terms: &mut Terms<'_>) -> Option<Place> {
        let fill = match self {
            // What one side has lost is nothing that the other one has.
            Step::Lost(lost) if lost.signum() != target.signum() => return Some((position, target)),
            Step::Lost(lost) => return Some((position, nearer_zero(target, lost.saturating_abs()))),
            Step::Fill(fill) => fill,
        };
        let (reduce, increase) = split(position, fill.delta);
        let kept = if reduce.is_positive() { reduced(target, position, reduce) } else { target };
        if increase != fill.increase {
            fill.resize(increase, terms)?;
        }
        Some((position.checked_add(fill.delta)?, kept.checked_add(fill.grown)?))
    }

    fn fill(&self) -> Option<&Fill> {
        match self {
            Step::Fill(fill) => Some(fill),
            Step::Lost(_) => None,
        }
    }
}

impl Fill {
    /// Another part of it increases: it adds and counts in proportion, but never more than is left of its order's amount.
    fn resize(&mut self, increase: Dec, terms: &mut Terms<'_>) -> Option<()> {
        let (had, Each { units, worth, .. }) = (self.counted()?, self.each);
        self.increase = increase;
        self.grown = match increase.is_positive() {
            false => 0,
            true if units.is_positive() => mul_div(worth, increase.raw(), units.raw(), Round::HalfEven)?,
            true => (terms.size)(increase, self.delta.is_negative())?,
        };
        if !units.is_positive() {
            self.each = Each { units: increase, worth: self.grown, counted: Dec::ZERO };
        }
        let counts = self.counted()?;
        let Some(left) = terms.left.get_mut(&self.order) else { return Some(()) };
        let most = had.checked_add((*left).max(Dec::ZERO))?;
        if counts > most {
            self.grown = mul_div(self.grown, most.raw(), counts.raw(), Round::HalfEven)?;
            self.each = Each { units: increase, worth: self.grown, counted: most };
        }
        *left = left.checked_sub(counts.min(most).checked_sub(had)?)?;
        Some(())
    }

    /// What it counts of its order's amount now, follower units.
    fn counted(&self) -> Option<Dec> {
        let Each { units, counted, .. } = self.each;
        let all = self.increase == units || counted.is_zero();
        if all { Some(counted) } else { counted.mul_div(self.increase, units, Round::HalfEven) }
    }

    /// Takes quanta off what it added, as far as it has them; what is left to take.
    fn lose(&mut self, lost: i128) -> i128 {
        let left = nearer_zero(self.grown, lost);
        let taken = self.grown.saturating_sub(left).saturating_abs();
        if taken > 0 {
            let counted = self.counted().unwrap_or(self.each.counted);
            (self.grown, self.each) = (left, Each { units: self.increase, worth: left, counted });
        }
        lost.saturating_sub(taken)
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
            self.lose(was.signum(), lost);
            self.to = at;
        } else {
            // Set by a person, a report or another rule: from here on it counts anew.
            *self = Trail { from: at, steps: VecDeque::new(), to: at };
        }
    }

    /// What is refused or rejected is of the newest increases, as a rule: without them nothing of it is missing. Behind a
    /// reduce nobody can tell any more; what turned the leader around is all that there is on its side.
    fn lose(&mut self, side: i128, mut lost: i128) {
        for step in self.steps.iter_mut().rev() {
            let Step::Fill(fill) = step else { continue };
            if fill.grown.signum() == side {
                lost = fill.lose(lost);
            }
            if lost == 0 || fill.increase != abs(fill.delta) {
                break;
            }
        }
        if lost > 0 {
            self.steps.push_back(Step::Lost(side.saturating_mul(lost)));
        }
    }

    fn push(&mut self, fill: Fill, to: Place) {
        self.steps.push_back(Step::Fill(fill));
        self.to = to;
        while self.steps.len() > STEPS_MAX {
            let first = self.steps.pop_front();
            match first.and_then(|mut step| step.lead(self.from, &mut Terms::default())) {
                Some(next) => self.from = next,
                None => *self = Trail { from: to, steps: VecDeque::new(), to },
            }
        }
    }

    /// The steps with an execution changed by signed units of the leader; none where it is not among them, or not with as many:
    /// what is left of it has the side of its order.
    fn without(&self, execution: u128, delta: Dec, bought: Option<bool>) -> Option<VecDeque<Step>> {
        let mut steps = self.steps.clone();
        let of = steps.iter_mut().rev().filter_map(|step| match step {
            Step::Fill(fill) if fill.execution == execution => Some(&mut fill.delta),
            _ => None,
        });
        let known = change(of, delta);
        let turned = |fill: &Fill| fill.execution == execution && bought == Some(fill.delta.is_negative());
        let turned = steps.iter().filter_map(Step::fill).any(|fill| !fill.delta.is_zero() && turned(fill));
        (known && !turned).then_some(steps)
    }

    /// Where steps lead; they are as they count then.
    fn replay(&self, steps: &mut VecDeque<Step>, terms: &mut Terms<'_>) -> Option<Place> {
        steps.iter_mut().try_fold(self.from, |place, step| step.lead(place, terms))
    }

    /// Orders that are worth amounts, and by what other steps count more of those than these; units of the follower.
    fn counts_more(&self, steps: &VecDeque<Step>) -> Vec<(u128, Dec)> {
        let pairs = self.steps.iter().zip(steps).filter_map(|(was, is)| was.fill().zip(is.fill()));
        let more = |(was, is): (&Fill, &Fill)| {
            let more = is.counted()?.checked_sub(was.counted()?)?;
            (!is.each.counted.is_zero() || !was.each.counted.is_zero()).then_some((is.order, more))
        };
        pairs.filter_map(more).collect()
    }

    /// What came too late of an execution that was corrected: it adds no more than it did before.
    fn no_more(&self, steps: &mut VecDeque<Step>, execution: u128) {
        for (step, before) in steps.iter_mut().zip(&self.steps) {
            if let (Step::Fill(fill), Step::Fill(before)) = (step, before)
                && fill.execution == execution
            {
                fill.lose(fill.grown.saturating_abs().saturating_sub(before.grown.saturating_abs()).max(0));
            }
        }
    }
}

/// Changes signed units of executions of one name, the newest first, each to nothing at most: a venue that repeats a name
/// means all of them. One that was taken back whole is meant where nothing of the name is left: it was there after all. False
/// where they have not as much.
pub(super) fn change<'a>(newest_first: impl Iterator<Item = &'a mut Dec>, delta: Dec) -> bool {
    let mut left = delta;
    let (mut gone, mut some) = (None, false);
    for units in newest_first {
        if units.is_zero() {
            gone = gone.or(Some(units));
            continue;
        }
        some = true;
        let Some(after) = units.checked_add(left) else { return false };
        let turned = after.signum().saturating_mul(units.signum()) < 0;
        (*units, left) = if turned { (Dec::ZERO, after) } else { (after, Dec::ZERO) };
    }
    if let (Some(units), false) = (gone, some) {
        (*units, left) = (left, Dec::ZERO);
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
    pub(super) fn cannot_follow<S: Sink>(
        &mut self,
        at: u32,
        x: &Execution<'_>,
        cfg: &SubscriptionConfig,
        sink: &mut S,
    ) {
        let Some(ls) = self.st.lines.get_mut(at as usize).filter(|ls| ls.follows()) else { return };
        ls.line.bust_hold = true;
        self.hold_line(at, &super::bust_holds::why(x.report));
        let why = "the execution is not among those that it remembers, or has no name";
        let text =
            format!("subscription {:?} cannot follow it: {why}; opens wait for the operator", cfg.name);
        self.alert("bust", text, sink);
    }

    /// A person or a report has set a target, which was another one before: that is no loss of executions, and how it had
    /// come about says nothing any more.
    pub(super) fn set_by_hand(&mut self, at: u32, before: i128) {
        if self.st.lines.get(at as usize).is_some_and(|ls| ls.line.target != before) {
            self.st.trails.remove(&at);
        }
    }

    /// Remembers what an execution did to a target; `before`: the target before it, `counted`: what it took of its order's
    /// amount.
    pub(super) fn note_step(
        &mut self,
        at: u32,
        x: &Execution<'_>,
        before: i128,
        (order, counted): (u128, Dec),
    ) {
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
        let each = Each { units: increase, worth: grown, counted };
        trail.push(Fill { execution, order, delta, increase, grown, each }, (after, target));
    }

    /// The target of a line without an execution that was taken back, or as it was corrected. False: it is not known here,
    /// or cannot be worked out again.
    pub(super) fn follow_bust(
        &mut self,
        ix: &Index,
        at: u32,
        (cfg, place): (&SubscriptionConfig, usize),
        x: &Execution<'_>,
        order: &mut LeaderOrder,
    ) -> bool {
        let Some(ls) = self.st.lines.get(at as usize).filter(|ls| can_follow(cfg) && ls.follows()) else {
            return false;
        };
        let (Some(lane), Some(after), before) = (ix.lane(ls), x.before.checked_add(x.delta), ls.line.target)
        else {
            return false;
        };
        let now = self.st.at_ns;
        let left = self.amounts_left(at, x.leader, place, order);
        let Some(trail) = self.st.trails.get_mut(&at) else { return false };
        trail.meet((x.before, before));
        let size = |units: Dec, sells: bool| {
            let grown = mul_div(lane.rate?.raw(), units.raw(), lane.grid.step.raw(), Round::HalfEven)?;
            Some(if sells == lane.reverse { grown } else { grown.saturating_neg() })
        };
        let mut terms = Terms { size: &size, left };
        let Some(mut steps) = trail.without(x.execution, x.delta, order.bought) else { return false };
        let sound = |(p, t): &Place| *p == after && fits(*t, lane.grid);
        let Some((_, target)) = trail.replay(&mut steps, &mut terms).filter(sound) else { return false };
        let until = x.report.transact_ns.unwrap_or(0).min(now).saturating_add(lane.max_age_ns);
        let late = until <= now && not_beyond(target, before) != target;
        let target = if late {
            trail.no_more(&mut steps, x.execution);
            let Some((_, target)) = trail.replay(&mut steps, &mut terms).filter(sound) else { return false };
            target
        } else {
            target
        };
        // A flat leader always means a flat follower.
        let target = if after.is_zero() { 0 } else { target };
        let counts_more = trail.counts_more(&steps);
        (trail.steps, trail.to) = (steps, (after, target));
        if late {
            let limit = Dec::from_int(lane.max_age_ns.checked_div(MS).unwrap_or(0));
            let age = now.saturating_sub(x.report.transact_ns.unwrap_or(0)).checked_div(MS).unwrap_or(0);
            self.refuse(Refusal::over(Code::Stale, limit, Dec::from_int(age)));
        }
        self.work_out(at, before, if late { not_beyond(target, before) } else { target }, until);
        for (of, more) in counts_more {
            if let Some(slot) = self.amount_of(x.leader, place, order, of) {
                slot.sized = slot.sized.checked_add(more).unwrap_or(slot.sized).max(Dec::ZERO);
            }
        }
        true
    }

    /// The amount that an order of the leader's is worth to a subscription; `order` is the one that was reported. None: it has
    /// a rate, or ended long ago.
    fn amount_of<'a>(
        &'a mut self,
        leader: u32,
        place: usize,
        order: &'a mut LeaderOrder,
        of: u128,
    ) -> Option<&'a mut Frozen> {
        let order = match order.id == of {
            true => order,
            false => self.st.leaders.get_mut(leader as usize)?.orders.get_mut(&of)?,
        };
        order.rules.get_mut(place)?.as_mut().filter(|slot| matches!(slot.rule, Rule::Amount(_)))
    }

    /// What is left of the amounts that the executions of a line count from. Of an order that ended long ago it is nothing.
    fn amounts_left(
        &mut self,
        at: u32,
        leader: u32,
        place: usize,
        order: &mut LeaderOrder,
    ) -> BTreeMap<u128, Dec> {
        let steps = self.st.trails.get(&at).map(|trail| trail.steps.iter().filter_map(Step::fill));
        let counting = steps.into_iter().flatten().filter(|fill| !fill.each.counted.is_zero());
        let mut left: BTreeMap<u128, Dec> = counting.map(|fill| (fill.order, Dec::ZERO)).collect();
        for (of, left) in &mut left {
            if let Some(Frozen { rule: Rule::Amount(amount), sized, .. }) =
                self.amount_of(leader, place, order, *of)
            {
                *left = amount.checked_sub(*sized).unwrap_or(Dec::ZERO).max(Dec::ZERO);
            }
        }
        left
    }

    /// Sets what was worked out. What it adds is an open.
    fn work_out(&mut self, at: u32, before: i128, target: i128, until: i64) {
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        ls.retry_at_ns = 0;
        ls.line.target = target;
        let added = target.saturating_sub(not_beyond(target, before)).saturating_abs();
        if added > 0 {
            let same_side = before.signum() == target.signum();
            ls.line.declined = false;
            ls.line.open_until_ns = if same_side { ls.line.open_until_ns.max(until) } else { until };
            (self.cause.until_ns, self.cause.size) = (until, added);
        }
    }
}
