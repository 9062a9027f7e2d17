//! Dividing a leader's position among the members of a block, lot by lot (design 02, mode `block`).
//!
//! Each lot goes to the member that is furthest behind its weight, and each lot that is taken back comes from the one furthest
//! ahead, measured by `(lots + 1/2) / weight` (Sainte-Laguë's divisors). Taking back is dealing in reverse: under the same
//! weights what a block of n lots is made of depends on n alone, however it came about.

use crate::decimal::{Round, mul_div};
use crate::ledger::QUANTA;
use serde::{Deserialize, Serialize};

/// No weight has more parts, and the heaviest one more than half of them: 2⁻⁴⁰ of it is the smallest that counts.
const PARTS: i128 = 1 << 40;
/// No block has more lots: twice their number times a weight fits its type.
const LOTS_MAX: i128 = 1 << 80;
/// A block this close to a whole number of lots is that number, as a target is: 10⁻⁶ lot.
const SNAP: i128 = 1_000_000_000_000;

/// What a block holds of one instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Block {
    /// The copied part of the leader's position, quanta of a lot step, without sign.
    pub target: i128,
    /// Who takes part, by number of the subscription.
    pub members: Vec<u32>,
    /// Lot steps that each member was dealt.
    pub dealt: Vec<i128>,
    /// Weights of the last deal, as they were given: those of different deals are compared. A member that has none now
    /// gives back by the one it had.
    pub weights: Vec<i128>,
}

impl Block {
    /// Whole lots of the target.
    #[must_use]
    pub fn lots(&self) -> i128 {
        self.target.max(0).saturating_add(SNAP).checked_div(QUANTA).unwrap_or(0).min(LOTS_MAX)
    }

    /// Takes the members of now: new ones have nothing, and what one that is gone had is no part of the block any more.
    pub fn seat(&mut self, members: &[u32]) {
        if self.members == members {
            return;
        }
        let place = |member: &u32| self.members.iter().position(|m| m == member);
        let known = |list: &[i128]| -> Vec<i128> {
            members.iter().map(|m| place(m).and_then(|i| list.get(i)).copied().unwrap_or(0)).collect()
        };
        let (dealt, weights) = (known(&self.dealt), known(&self.weights));
        let gone = sum(&self.dealt).saturating_sub(sum(&dealt));
        self.target = self.target.saturating_sub(gone.saturating_mul(QUANTA)).max(0);
        (self.members, self.dealt, self.weights) = (members.to_vec(), dealt, weights);
    }

    /// Deals until the members have the block's lots, none of them less than before. A weight of 0 takes no part; where
    /// nobody has one, nothing is dealt.
    pub fn deal(&mut self, weights: &[i128]) {
        let parts = normal(weights);
        for (known, given) in self.weights.iter_mut().zip(weights) {
            if *given > 0 {
                *known = *given;
            }
        }
        let missing = self.lots().saturating_sub(sum(&self.dealt));
        if missing > 0 && parts.iter().any(|w| *w > 0) {
            // The heaviest member alone takes every lot at this level.
            let high = self.lots().saturating_mul(4).saturating_add(4);
            self.settle(&parts, high, |has, due| has.max(due));
        }
    }

    /// Takes back until the members have the block's lots, none of them more than before.
    pub fn take_back(&mut self) {
        let lots = self.lots();
        if lots >= sum(&self.dealt) {
            return;
        }
        let (parts, most) = (normal(&self.weights), self.dealt.iter().copied().max().unwrap_or(0));
        // The lightest member keeps all of its lots at this level.
        let high = most.saturating_mul(2).saturating_add(2).saturating_mul(PARTS);
        self.settle(&parts, high, |has, due| has.min(due));
    }

    /// The largest level at which all members together have no more than the block, then one lot each to those that are
    /// furthest behind.
    fn settle(&mut self, weights: &[i128], mut high: i128, bound: impl Fn(i128, i128) -> i128) {
        let lots = self.lots();
        let at = |level: i128| -> Vec<i128> {
            let members = self.dealt.iter().zip(weights);
            members.map(|(has, w)| bound(*has, due(*w, level, *has))).collect()
        };
        let mut low = 0_i128;
        while low < high {
            let level = low.saturating_add(high).saturating_add(1).checked_div(2).unwrap_or(high);
            if sum(&at(level)) <= lots { low = level } else { high = level.saturating_sub(1) }
        }
        let (mut dealt, above) = (at(low), at(low.saturating_add(1)));
        let mut next: Vec<usize> = (0..dealt.len()).filter(|i| above.get(*i) > dealt.get(*i)).collect();
        // Equals in the order of the configuration: the sort is stable.
        next.sort_by(|a, b| behind(&dealt, weights, *a, *b));
        let missing = usize::try_from(lots.saturating_sub(sum(&dealt)).max(0)).unwrap_or(usize::MAX);
        for i in next.into_iter().take(missing) {
            if let Some(has) = dealt.get_mut(i) {
                *has = has.saturating_add(1);
            }
        }
        self.dealt = dealt;
    }
}

fn sum(lots: &[i128]) -> i128 {
    lots.iter().fold(0, |all, n| all.saturating_add(*n))
}

/// Weights in parts: exactly, so that equals are equals, where they have whole numbers of them; else as parts of the
/// largest one.
fn normal(weights: &[i128]) -> Vec<i128> {
    let given = weights.iter().map(|w| (*w).max(0));
    let (unit, most) = given.clone().fold((0, 1), |(unit, most), w| (common(unit, w), w.max(most)));
    let unit = unit.max(1);
    let each = most.checked_div(unit).and_then(|most| PARTS.checked_div(most)).unwrap_or(0);
    let exact = |w: i128| w.checked_div(unit).unwrap_or(0).saturating_mul(each);
    let part = |w: i128| mul_div(w, PARTS, most, Round::Ceil).unwrap_or(0);
    if each > 0 { given.map(exact).collect() } else { given.map(part).collect() }
}

/// The greatest common divisor.
fn common(a: i128, b: i128) -> i128 {
    if b == 0 { a } else { common(b, a.checked_rem(b).unwrap_or(0)) }
}

/// Lots of a weight at a level: as many as have `(2 lots - 1) / weight` up to it. Without a weight, what it has.
fn due(weight: i128, level: i128, has: i128) -> i128 {
    if weight <= 0 {
        return has;
    }
    let reach = weight.saturating_mul(level).checked_div(PARTS).unwrap_or(0);
    reach.saturating_add(1).checked_div(2).unwrap_or(0)
}

/// Who comes first: the smaller `(2 lots + 1) / weight`.
fn behind(dealt: &[i128], weights: &[i128], a: usize, b: usize) -> std::cmp::Ordering {
    let key = |i: usize| {
        let lots = dealt.get(i).copied().unwrap_or(0).saturating_mul(2).saturating_add(1);
        (lots, weights.get(i).copied().unwrap_or(0))
    };
    let ((lots_a, w_a), (lots_b, w_b)) = (key(a), key(b));
    lots_a.saturating_mul(w_b).cmp(&lots_b.saturating_mul(w_a))
}

#[cfg(test)]
#[path = "block_tests.rs"]
mod tests;
