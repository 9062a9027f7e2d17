//! Why a decision sent less than was missing, or nothing, although nothing was refused: for a reader of the audit log.

use super::stops::Level;
use super::{Engine, Index};
use crate::action::HeldBack;
use crate::decimal::Dec;
use crate::ledger::abs;

impl Engine {
    /// What stands between a line and its target, the first that does; none where it is only on its way, or too little.
    pub(super) fn held_back(&self, ix: &Index, at: u32) -> Option<HeldBack> {
        let ls = self.st.lines.get(at as usize)?;
        let (lane, now) = (ix.lane(ls)?, self.st.at_ns);
        let mut line = ls.line.clone();
        // What mirrors may still fill is theirs to tell.
        line.target = line.target.saturating_add(self.mirror_shift(ix, at));
        let plan = line.plan(lane.grid, lane.rounding, lane.max_inflation, now);
        let of = |why, units| Some(HeldBack { why, units });
        if ls.close_waits {
            let halted = self.stopped(ix, ls) == Some(Level::Halt);
            return of(if halted { "halt" } else { "order_in_doubt" }, abs(plan.reduce));
        }
        if !ls.capped.is_zero() {
            return of("broker_position", ls.capped);
        }
        if !plan.reduce.is_zero() && self.st.tickets.get(&at).is_some_and(|t| t.told) {
            return of("unnamed_position", abs(plan.reduce));
        }
        let (close, open) = (abs(plan.reduce), abs(plan.increase));
        match () {
            () if !close.is_zero() && ls.retry_at_ns > now => of("refused_lately", close),
            () if open < lane.grid.min || open == Dec::ZERO => None,
            () if ls.open_retry_at_ns > now => of("refused_lately", open),
            () if lane.shared && self.waits_for_others(ix, at, plan.increase.is_positive()) => {
                of("self_match", open)
            }
            () => None,
        }
    }
}
