//! The orders that one quantity is sent in, where the venue or a limit takes less at once (design 02, step 3).

use super::Engine;
use crate::decimal::{Dec, div_rem};
use crate::ledger::Grid;

/// Orders that one event may make on one line; what is left goes out with the next event of the line.
pub(super) const PARTS_MAX: i128 = 100;

impl Engine {
    /// The parts of what is to be sent on a line now, no more than this event may still make there. An event is often many
    /// rows, and each works the line: of a hundred orders that went out, every one would make a hundred more.
    pub(super) fn parts(&mut self, at: u32, qty: Dec, chunk: Option<Dec>, grid: Grid) -> Parts {
        let mut parts = Parts::of(qty, chunk, grid);
        if let Parts::Steps { left, .. } = &mut parts {
            let made = self.parts.entry(at).or_default();
            *left = (*left).min(PARTS_MAX.saturating_sub(*made));
            *made = made.saturating_add(*left);
        }
        parts
    }
}

/// Splits a quantity into parts of at most `chunk`, equal within one step; nothing for nothing. Where equal parts would
/// be below the minimum lot, full ones: what is left over is for later.
pub(super) enum Parts {
    /// All at once, the usual case.
    Whole(Option<Dec>),
    /// So many parts of `each` steps, `more` of them with a step more.
    Steps { left: i128, each: i128, more: i128, step: Dec, rest: Dec },
}

impl Parts {
    pub(super) fn of(qty: Dec, chunk: Option<Dec>, grid: Grid) -> Parts {
        let whole = Parts::Whole(qty.is_positive().then_some(qty));
        let Some(max) = chunk.filter(|c| *c < qty && qty.is_positive()) else { return whole };
        let step = grid.step.raw();
        let (Some((steps, rest)), Some((max, _))) = (div_rem(qty.raw(), step), div_rem(max.raw(), step))
        else {
            return whole;
        };
        let max = max.max(1);
        let n = steps.saturating_add(max).saturating_sub(1).checked_div(max).unwrap_or(1).max(1);
        let (each, more) = (steps.checked_div(n).unwrap_or(0), steps.checked_rem(n).unwrap_or(0));
        if n > 1 && each.saturating_mul(step) < grid.min.raw() {
            let full = n.saturating_sub(1).min(PARTS_MAX);
            return Parts::Steps { left: full, each: max, more: 0, step: grid.step, rest: Dec::ZERO };
        }
        Parts::Steps { left: n.min(PARTS_MAX), each, more, step: grid.step, rest: Dec::from_raw(rest) }
    }
}

impl Iterator for Parts {
    type Item = Dec;

    fn next(&mut self) -> Option<Dec> {
        let (left, each, more, step, rest) = match self {
            Parts::Whole(qty) => return qty.take(),
            Parts::Steps { left, each, more, step, rest } => (left, each, more, step, rest),
        };
        if *left <= 0 {
            return None;
        }
        *left = left.saturating_sub(1);
        let steps = each.saturating_add(i128::from(*more > 0));
        *more = more.saturating_sub(1);
        // What is no whole step, a broker's odd part fill, goes with the first part.
        let raw = steps.saturating_mul(step.raw()).saturating_add(rest.raw());
        *rest = Dec::ZERO;
        Some(Dec::from_raw(raw))
    }
}
