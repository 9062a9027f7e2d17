//! The target ledger of one subscription and instrument (design 02, steps 2 to 4). Pure arithmetic, no orders.
//!
//! Targets are counted in quanta of 10⁻¹⁸ step, so that thirds of a fill add up again; quantities are exact units.

use crate::action::Held;
use crate::config::Rounding;
use crate::decimal::{Dec, Round, by_scale, div_rem, mul_div, times};
use serde::{Deserialize, Serialize};

/// Quanta in one lot step.
pub const QUANTA: i128 = 1_000_000_000_000_000_000;
/// A target this close to a whole number of steps is that number: 10⁻⁶ step.
pub(crate) const SNAP: i128 = 1_000_000_000_000;

/// No quantity of a line is further from zero, 2¹²⁵ x 10⁻¹⁸ or 4 x 10¹⁹ units: the sum of any two fits its type.
const UNITS_MAX: i128 = 1 << 125;

/// Lot grid of the follower instrument, units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid {
    /// Units in one lot step; positive.
    pub step: Dec,
    /// Smallest order; a whole number of steps.
    pub min: Dec,
}

impl Grid {
    /// Largest minimum lot, 10¹⁹ units: far enough from [`UNITS_MAX`] for a few of them.
    pub const MIN_MAX: Dec = Dec::from_raw(10_i128.pow(37));
}

/// State of one subscription and leader instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// What the follower should hold, signed, in quanta of the follower's step.
    pub target: i128,
    /// What our own orders filled, signed units.
    pub filled: Dec,
    /// Leaves of our live buy orders, units.
    pub working_buy: Dec,
    /// Leaves of our live sell orders, units.
    pub working_sell: Dec,
    /// The part of `working_buy` that closes.
    pub closing_buy: Dec,
    /// The part of `working_sell` that closes.
    pub closing_sell: Dec,
    /// Live orders whose outcome is not known.
    pub unknown: u32,
    /// Cancels that are not answered.
    pub cancels: u32,
    /// The target fell below the minimum lot: everything is being closed.
    pub draining: bool,
    /// An increase may go out until then (0: none was caused).
    pub open_until_ns: i64,
    /// A bust waits for the operator: no opens.
    pub bust_hold: bool,
    /// Something was refused or lost since the leader's last increase: what that left asks for no smallest lot.
    pub declined: bool,
}

/// What step 3 asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `need`: signed units between the rounded target and what is filled.
    pub need: Dec,
    /// Working units to withdraw on the buy side.
    pub cancel_buy: Dec,
    /// Working units to withdraw on the sell side.
    pub cancel_sell: Dec,
    /// Units towards zero to send now; signed.
    pub reduce: Dec,
    /// Units away from zero to send now or to wait with; signed.
    pub increase: Dec,
    /// The increase has to wait for a cancel, an unknown order or an order the other way.
    pub blocked: bool,
    /// A close waits for an order whose outcome is not known.
    pub close_waits: bool,
    /// The increase is known to be a whole number of steps: nobody needs to divide again.
    pub whole: bool,
}

/// Leader position and change, split at zero: a flip is a reduce to zero, then an increase.
#[must_use]
pub fn split(position: Dec, delta: Dec) -> (Dec, Dec) {
    let zero = Dec::ZERO;
    if position.signum().saturating_mul(delta.signum()) >= 0 {
        return (zero, abs(delta));
    }
    let (held, change) = (abs(position), abs(delta));
    let reduce = held.min(change);
    (reduce, change.checked_sub(reduce).unwrap_or(zero))
}

/// The size without its sign; the extreme value, which text cannot give, saturates.
#[must_use]
pub fn abs(d: Dec) -> Dec {
    Dec::from_raw(d.raw().saturating_abs())
}

/// The sum; beyond the range, which text cannot give, it saturates.
#[must_use]
pub fn sum(a: Dec, b: Dec) -> Dec {
    Dec::from_raw(a.raw().saturating_add(b.raw()))
}

/// The difference; beyond the range it saturates.
#[must_use]
pub fn less(a: Dec, b: Dec) -> Dec {
    Dec::from_raw(a.raw().saturating_sub(b.raw()))
}

fn neg_if(negative: bool, d: Dec) -> Dec {
    if negative { Dec::from_raw(d.raw().wrapping_neg()) } else { d }
}

fn bounded(raw: i128) -> Dec {
    Dec::from_raw(raw.clamp(-UNITS_MAX, UNITS_MAX))
}

/// Target after the leader reduced `r` of `position`: `T x (1 - r/|P|)`, exactly 0 when the leader is flat.
#[must_use]
pub fn reduced(target: i128, position: Dec, r: Dec) -> i128 {
    let held = abs(position);
    if r >= held {
        return 0;
    }
    let left = held.raw().saturating_sub(r.raw());
    // left < held, so the result cannot leave the range of `target`.
    mul_div(target, left, held.raw(), Round::HalfEven).unwrap_or(0)
}

/// Whether a target can be worked: its units are no further from zero than [`UNITS_MAX`].
#[must_use]
pub fn fits(target: i128, grid: Grid) -> bool {
    // Two numbers of together at most 183 bits have a product below 2¹⁸³, and a quantum is more than 2⁵⁹ of them.
    let bits = |n: i128| 128_u32.saturating_sub(n.saturating_abs().leading_zeros());
    // Room for the sums of a few targets.
    bits(target) <= 125
        && (bits(target).saturating_add(bits(grid.step.raw())) <= 183
            || mul_div(target.saturating_abs(), grid.step.raw(), QUANTA, Round::Up)
                .is_some_and(|u| u <= UNITS_MAX))
}

/// Quanta of a quantity of units.
#[must_use]
pub fn quanta(units: Dec, grid: Grid) -> Option<i128> {
    mul_div(units.raw(), QUANTA, grid.step.raw(), Round::HalfEven)
}

/// Units of a target in quanta of one lot step, at the last decimal; none beyond the range.
#[must_use]
pub fn units(target: i128, step: Dec) -> Option<Dec> {
    mul_div(target, step.raw(), QUANTA, Round::HalfEven).map(Dec::from_raw)
}

/// Steps of a target by its size alone, with the target's sign.
fn by_size(t: i128, steps: impl FnOnce(u128) -> u128) -> i128 {
    // |t| is at most 2¹²⁷, and its steps far less: the sign fits.
    let steps = steps(t.unsigned_abs()).cast_signed();
    if t < 0 { steps.wrapping_neg() } else { steps }
}

/// A target that is at most 10⁻⁶ step below a whole number is that number.
fn steps_toward_zero(t: i128) -> i128 {
    // Quanta are counted by the same 10¹⁸ as decimals.
    const { assert!(QUANTA == Dec::ONE.raw()) };
    by_size(t, |size| by_scale(size.wrapping_add(SNAP.unsigned_abs())).0)
}

/// Within 10⁻⁶ step of a whole number it is nearest to that one anyway; ties go toward zero.
fn steps_nearest(t: i128) -> i128 {
    by_size(t, |size| {
        let (whole, rest) = by_scale(size);
        whole.wrapping_add(u128::from(rest.wrapping_mul(2) > QUANTA.unsigned_abs()))
    })
}

impl Line {
    /// Moves what is filled, signed units.
    pub fn add_filled(&mut self, units: Dec) {
        self.filled = bounded(self.filled.raw().saturating_add(units.raw()));
    }

    /// Moves what works on one side; `closes`: as a part of what closes there.
    #[inline]
    pub fn add_working(&mut self, buy: bool, closes: bool, units: Dec) {
        let add = |slot: &mut Dec| *slot = bounded(slot.raw().saturating_add(units.raw()));
        add(if buy { &mut self.working_buy } else { &mut self.working_sell });
        if closes {
            add(if buy { &mut self.closing_buy } else { &mut self.closing_sell });
        }
    }

    /// Filled plus what works on the target's side, signed.
    #[must_use]
    pub fn committed(&self) -> Dec {
        let working = if self.target < 0 { neg_if(true, self.working_sell) } else { self.working_buy };
        Dec::from_raw(self.filled.raw().wrapping_add(working.raw()))
    }

    /// Nothing of ours is at the broker or on its way.
    #[must_use]
    pub fn quiet(&self) -> bool {
        self.working_buy.is_zero() && self.working_sell.is_zero() && self.unknown == 0 && self.cancels == 0
    }

    /// The target rounded to lots, signed units (02 step 3, rounding policy).
    #[must_use]
    pub fn desired(&self, grid: Grid, policy: Rounding, max_inflation: Dec, may_open: bool) -> Dec {
        self.rounded(grid, policy, max_inflation, may_open).0
    }

    /// The rounded target, and whether it is known to be whole steps away from what is committed.
    ///
    /// Here and in [`Self::plan`] numbers are added without asking whether the sum fits: see [`UNITS_MAX`].
    #[inline]
    fn rounded(&self, grid: Grid, policy: Rounding, max_inflation: Dec, may_open: bool) -> (Dec, bool) {
        if self.target.unsigned_abs() <= SNAP.unsigned_abs() {
            return (Dec::ZERO, false);
        }
        let negative = self.target < 0;
        let target = self.target.wrapping_abs();
        let held = neg_if(negative, self.committed()).max(Dec::ZERO);
        // A broker may fill less than a step. Whole steps lead only to positions with the same odd rest, or to zero.
        let (held, rest) = div_rem(held.raw(), grid.step.raw()).unwrap_or((0, 0));
        let odd = if rest == 0 { 0 } else { quanta(Dec::from_raw(rest), grid).unwrap_or(0) };
        if target < odd {
            // Nearer to zero than the odd rest is: no whole step leads there.
            return (self.below_min(grid, policy, max_inflation, may_open), false);
        }
        let target = target.wrapping_sub(odd);
        let steps = match policy {
            Rounding::TowardZero | Rounding::MinLotIfNonzero => steps_toward_zero(target),
            Rounding::Nearest => steps_nearest(target),
            Rounding::Hold => {
                let beyond = target.saturating_sub(held.saturating_mul(QUANTA));
                held.saturating_add(steps_toward_zero(beyond))
            }
        };
        let wanted = times(steps, grid.step.raw()).map(|raw| raw.saturating_add(rest));
        let Some(wanted) = wanted.filter(|raw| *raw <= UNITS_MAX) else { return (self.filled, false) };
        if wanted >= grid.min.raw() {
            return (neg_if(negative, Dec::from_raw(wanted)), true);
        }
        (self.below_min(grid, policy, max_inflation, may_open), false)
    }

    fn below_min(&self, grid: Grid, policy: Rounding, max_inflation: Dec, may_open: bool) -> Dec {
        let negative = self.target < 0;
        let held = neg_if(negative, self.filled); // positive when it is on the target's side
        if policy == Rounding::MinLotIfNonzero {
            if held.is_positive() {
                // Less than a minimum lot cannot be sold: from above it, one minimum lot is, and what is left stays.
                let rest = held.checked_sub(grid.min).filter(|r| r.is_positive()).unwrap_or(held);
                return neg_if(negative, rest.min(grid.min));
            }
            let works = neg_if(negative, self.committed()).is_positive();
            let min = quanta(grid.min, grid).unwrap_or(i128::MAX);
            let bound =
                mul_div(self.target.saturating_abs(), max_inflation.raw(), Dec::ONE.raw(), Round::Down);
            if works || (may_open && bound.is_none_or(|b| min <= b)) {
                return neg_if(negative, grid.min);
            }
            return Dec::ZERO;
        }
        // A part fill below the minimum lot is kept until the target is 0; anything larger is closed.
        let part_fill = held.is_positive() && held < grid.min && !self.draining;
        if part_fill { self.filled } else { Dec::ZERO }
    }

    /// How many times the target the smallest lot is, where that alone keeps a leader's increase from opening it.
    #[must_use]
    pub fn inflated(&self, grid: Grid, max_inflation: Dec, now_ns: i64) -> Option<Dec> {
        let held = neg_if(self.target < 0, self.committed());
        let (min, target) = (quanta(grid.min, grid)?, self.target.saturating_abs());
        let small = target > SNAP && target < min && !held.is_positive();
        let times =
            mul_div(min, Dec::ONE.raw(), Some(target).filter(|_| small && self.may_open(now_ns))?, Round::Up);
        Some(Dec::from_raw(times?)).filter(|times| *times > max_inflation)
    }

    /// The smallest lot may stand for less than it: a leader increase asks for it.
    fn may_open(&self, now_ns: i64) -> bool {
        self.open_until_ns > now_ns && !self.bust_hold && !self.declined
    }

    /// What [`Self::plan`] starts from, for those who want to follow it.
    #[must_use]
    pub fn held(&self, grid: Grid, policy: Rounding, max_inflation: Dec, now_ns: i64) -> Held {
        let rounded = self.desired(grid, policy, max_inflation, self.may_open(now_ns));
        let (filled, working_buy, working_sell) = (self.filled, self.working_buy, self.working_sell);
        Held { rounded, filled, working_buy, working_sell }
    }

    /// Works the difference (02 step 3). `now_ns` decides whether an increase may still go out.
    pub fn plan(&mut self, grid: Grid, policy: Rounding, max_inflation: Dec, now_ns: i64) -> Plan {
        let (desired, whole) = self.rounded(grid, policy, max_inflation, self.may_open(now_ns));
        self.draining = desired.is_zero() && !self.filled.is_zero() && self.target != 0;
        let filled = self.filled.raw();
        let need = desired.raw().wrapping_sub(filled);
        let (want, selling) = (need.wrapping_abs(), need < 0);
        let (same, other, closing) = if selling {
            (self.working_sell.raw(), self.working_buy, self.closing_sell.raw())
        } else {
            (self.working_buy.raw(), self.working_sell, self.closing_buy.raw())
        };
        let beyond = Dec::from_raw(same.wrapping_sub(want).max(0));
        let (cancel_buy, cancel_sell) = if selling { (other, beyond) } else { (beyond, other) };
        let opposite = filled != 0 && selling != (filled < 0);
        let towards_zero = if opposite { want.min(filled.wrapping_abs()) } else { 0 };
        // Opens of a flip work the same way as its close: they never stand in for the close, and never add to it.
        let room = want.wrapping_sub(same).max(0);
        let reduce = towards_zero.wrapping_sub(closing).clamp(0, room);
        let increase = room.wrapping_sub(reduce);
        // An order whose outcome is unknown may already have closed: a close is sized on what is known to be filled.
        let close_waits = self.unknown > 0 && reduce > 0;
        let reduce = if self.unknown > 0 { 0 } else { reduce };
        Plan {
            need: Dec::from_raw(need),
            cancel_buy,
            cancel_sell,
            reduce: neg_if(selling, Dec::from_raw(reduce)),
            increase: neg_if(selling, Dec::from_raw(increase)),
            blocked: !other.is_zero() || self.cancels > 0 || self.unknown > 0,
            close_waits,
            // Then it is the distance between the rounded target and what is committed, which have the same odd rest.
            whole: whole && !opposite,
        }
    }

    /// Units that the rounded target exceeds what is committed by; `may_open`: with the smallest lot for less than one.
    #[must_use]
    pub fn gap(&self, grid: Grid, policy: Rounding, max_inflation: Dec, may_open: bool) -> Dec {
        let desired = abs(self.desired(grid, policy, max_inflation, may_open));
        let held = neg_if(self.target < 0, self.committed());
        Dec::from_raw(desired.raw().saturating_sub(held.raw()).max(0))
    }

    /// Step 4: `m` units will not be held; the target gives up what no order stands for, never past 0.
    pub fn lower(&mut self, m: Dec, grid: Grid, policy: Rounding, max_inflation: Dec) {
        self.lower_within(m, i128::MAX, grid, policy, max_inflation);
    }

    /// The same, by `most` quanta at the most.
    pub fn lower_within(&mut self, m: Dec, most: i128, grid: Grid, policy: Rounding, max_inflation: Dec) {
        if self.target == 0 || !m.is_positive() {
            return;
        }
        let negative = self.target < 0;
        let gap = self.gap(grid, policy, max_inflation, true);
        self.declined = true;
        let drop = quanta(gap.min(m), grid).unwrap_or(i128::MAX).min(most);
        let left = self.target.saturating_abs().saturating_sub(drop).max(0);
        self.target = if negative { left.saturating_neg() } else { left };
    }
}

#[cfg(test)]
#[path = "ledger_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "ledger_edges.rs"]
mod edges;
