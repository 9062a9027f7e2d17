//! Accounts whose broker holds other units of the same: between an adjustment by a factor and the broker's word that agrees
//! with it. Nobody knows which day it rescales, and leaders of one account are adjusted one by one: a difference of now is
//! told, and no rule trades for it.

use super::adjust::exact;
use super::breaks::Break;
use super::{Engine, Index};
use crate::decimal::{Dec, Round};
use crate::ledger::{abs, less};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One account's units of one instrument, by one factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rescaling {
    /// Units after it for each unit before it.
    pub by: (Dec, Dec),
    /// Leaders who are copied into the same and are not adjusted yet.
    pub others: BTreeSet<u32>,
    /// What was let be before, in signed units.
    pub accepted: Dec,
    /// The broker's word has not agreed with the books since the newest command.
    pub open: bool,
}

impl Engine {
    /// The command for this leader is of the same event as the one before. Where the broker's word has agreed since, all who
    /// hold something there are adjusted.
    fn goes_on(&self, ix: &Index, key: (u32, u32), leader: u32, (num, den): (Dec, Dec)) -> bool {
        let Some(known) = self.st.rescaling.get(&key).filter(|r| r.others.contains(&leader)) else {
            return false;
        };
        let cross = |a: Dec, b: Dec| a.mul(b, Round::Down);
        let his = |at: &u32| {
            let line = self.st.lines.get(*at as usize)?;
            Some(ix.subs.get(line.sub as usize)?.leader == leader && !line.line.filled.is_zero())
        };
        let same = cross(known.by.0, den) == cross(num, known.by.1);
        same && (known.open || !self.one_position(ix, key.0, key.1).iter().any(|at| his(at) == Some(true)))
    }

    /// What was let be in an account after its broker rescaled it, where that is a quantity; else what it was.
    pub(super) fn let_be_by(
        &self,
        ix: &Index,
        key: (u32, u32),
        leader: u32,
        by: (Dec, Dec),
    ) -> Result<Dec, Dec> {
        let accepted = self.st.breaks.get(&key).map_or(Dec::ZERO, |b| b.accepted);
        if self.goes_on(ix, key, leader, by) {
            return Ok(accepted);
        }
        exact(accepted, by).ok_or(accepted)
    }

    /// An account was rescaled, and what was let be with it. A difference of before is no number of now: it is found anew.
    pub(super) fn account_rescaled(&mut self, ix: &Index, key: (u32, u32), leader: u32, by: (Dec, Dec)) {
        let again = self.goes_on(ix, key, leader, by);
        self.holding_rescaled(key, by, again);
        let before = self.st.breaks.get(&key).map_or(Dec::ZERO, |b| b.accepted);
        let accepted = self.let_be_by(ix, key, leader, by).unwrap_or(before);
        self.st.breaks.remove(&key);
        if !accepted.is_zero() {
            self.st.breaks.insert(key, Break { accepted, ..Break::default() });
        }
        if let (true, Some(known)) = (again, self.st.rescaling.get_mut(&key)) {
            known.others.remove(&leader);
            known.open = true;
            return;
        }
        let mut others = leaders_of(ix, key);
        others.remove(&leader);
        self.st.rescaling.insert(key, Rescaling { by, others, accepted: before, open: true });
    }

    /// Of both readings of what was let be the one that the broker agrees with: `beyond` our books it holds so many units.
    pub(super) fn let_be(&self, key: (u32, u32), beyond: Dec, tolerance: Dec) -> Dec {
        let accepted = self.st.breaks.get(&key).map_or(Dec::ZERO, |b| b.accepted);
        let fits = |accepted: Dec| abs(less(beyond, accepted)) <= tolerance;
        let before = self.st.rescaling.get(&key).filter(|r| r.open).map(|r| r.accepted);
        before.filter(|was| fits(*was) && !fits(accepted)).unwrap_or(accepted)
    }

    /// The broker's word agrees with the books; `accepted`: the reading of what was let be that it agrees with. It may still be of
    /// before: where another leader's units are not adjusted yet and what was adjusted shows nothing, and in the units of before.
    pub(super) fn rescaling_agrees(&mut self, ix: &Index, key: (u32, u32), accepted: Dec) {
        let scaled = self.st.breaks.get(&key).map_or(Dec::ZERO, |b| b.accepted);
        let waits = self.one_position(ix, key.0, key.1).iter().any(|at| self.is_not_adjusted(ix, key, *at));
        if accepted == scaled && !waits {
            self.rescaling_ends(key);
        }
    }

    /// A line that holds units of before.
    pub(super) fn is_not_adjusted(&self, ix: &Index, key: (u32, u32), at: u32) -> bool {
        let Some(known) = self.st.rescaling.get(&key).filter(|r| r.open) else { return false };
        let line = self.st.lines.get(at as usize).filter(|l| !l.line.filled.is_zero());
        let leader = line.and_then(|l| ix.subs.get(l.sub as usize)).map(|s| s.leader);
        leader.is_some_and(|leader| known.others.contains(&leader))
    }

    /// An account of which a part is adjusted has less of it now than before (true), or more.
    pub(super) fn shrinks(&self, key: (u32, u32)) -> bool {
        self.st.rescaling.get(&key).is_some_and(|r| r.by.0 < r.by.1)
    }

    /// A person has settled what differs, or the broker's word agrees.
    pub(super) fn rescaling_ends(&mut self, key: (u32, u32)) {
        let Some(known) = self.st.rescaling.get_mut(&key) else { return };
        known.open = false;
        known.accepted = self.st.breaks.get(&key).map_or(Dec::ZERO, |b| b.accepted);
        if known.others.is_empty() {
            self.st.rescaling.remove(&key);
        }
    }

    /// No rule trades for what the account differs by: it may be rescaled today, or tomorrow.
    pub(super) fn is_rescaling(&self, key: (u32, u32)) -> bool {
        self.st.rescaling.get(&key).is_some_and(|r| r.open)
    }
}

/// Leaders who are copied into an account's instrument.
fn leaders_of(ix: &Index, (follower, instrument): (u32, u32)) -> BTreeSet<u32> {
    let subs = ix.subs.iter().filter(|s| s.follower == follower);
    subs.filter(|s| s.map.iter().any(|(_, m)| m.0 == instrument)).map(|s| s.leader).collect()
}
