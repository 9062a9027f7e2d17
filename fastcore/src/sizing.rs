//! Sizing modes: what one leader unit, or one leader order, is worth at a follower (design 02, step 2).

use crate::config::{By, Sizing};
use crate::decimal::{Dec, Round};
use crate::decimal::{div_rem, mul_div, times};
use crate::ledger::{Grid, QUANTA};
use crate::refusal::{Code, Refusal};
use crate::worth::Unit;
use serde::{Deserialize, Serialize};
use std::cell::Cell;

/// Account values, each with its as-of time. Missing values are zero and refuse.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Values {
    /// Equity in the account's currency.
    pub equity: Dec,
    /// Balance in the account's currency.
    pub balance: Dec,
    /// Free margin in the account's currency.
    pub free_margin: Dec,
    /// When equity was true; 0: never given.
    pub equity_ns: i64,
    /// When balance was true.
    pub balance_ns: i64,
    /// When free margin was true.
    pub free_margin_ns: i64,
}

/// A sizing rule that is frozen for one leader order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rule {
    /// Follower units per leader unit; of a member of a block, its weight.
    Rate(Dec),
    /// Follower units for the whole leader order.
    Amount(Dec),
}

/// Everything a mode may need, gathered by the engine.
#[derive(Clone, Copy, Debug)]
pub struct Inputs {
    /// Follower units per leader unit from the symbol map.
    pub qty_factor: Dec,
    /// Units per lot at the leader's and the follower's venue.
    pub leader_contract: Dec,
    /// Units per lot at the follower's venue.
    pub follower_contract: Dec,
    /// Values of the leader's account.
    pub leader: Values,
    /// Values of the follower's account.
    pub follower: Values,
    /// Follower currency per leader currency; `None` without quotes.
    pub account_fx: Option<Dec>,
    /// What one leader unit is worth in the follower's account currency.
    pub leader_unit_value: Option<Unit>,
    /// What one follower unit is worth in the follower's account currency.
    pub follower_unit_value: Option<Unit>,
    /// Bound of the follower lots that one leader lot may become.
    pub max_ratio: Dec,
    /// Time of the event.
    pub now_ns: i64,
    /// Age of the oldest account value that counts.
    pub max_age_ms: i64,
}

const MS: i64 = 1_000_000;
const OVERFLOW: Refusal = Refusal::bare(Code::Overflow);

fn mul(a: Dec, b: Dec) -> Result<Dec, Refusal> {
    a.mul(b, Round::HalfEven).ok_or(OVERFLOW)
}

fn div(a: Dec, b: Dec) -> Result<Dec, Refusal> {
    a.div(b, Round::HalfEven).ok_or(OVERFLOW)
}

fn positive(v: Dec) -> Result<Dec, Refusal> {
    if v.is_positive() { Ok(v) } else { Err(Refusal::over(Code::BadAccount, Dec::ZERO, v)) }
}

/// What a unit is worth, which is something.
fn worth_of(unit: Option<Unit>) -> Result<Unit, Refusal> {
    let unit = unit.ok_or(Refusal::bare(Code::NoQuote))?;
    if unit.is_positive() { Ok(unit) } else { Err(Refusal::over(Code::BadAccount, Dec::ZERO, Dec::ZERO)) }
}

/// A value that was never given has no age to compare.
fn fresh(as_of_ns: i64, x: &Inputs) -> Result<(), Refusal> {
    let max_age_ns = x.max_age_ms.saturating_mul(MS);
    if as_of_ns >= x.now_ns.saturating_sub(max_age_ns).max(1) {
        return Ok(());
    }
    let age_ms = x.now_ns.saturating_sub(as_of_ns).checked_div(MS).unwrap_or(0);
    let found = Refusal::over(Code::StaleAccount, Dec::from_int(x.max_age_ms), Dec::from_int(age_ms));
    Err(if as_of_ns > 0 { found } else { Refusal::bare(Code::StaleAccount) })
}

/// Works out the rule for one leader order.
///
/// # Errors
/// `bad_account`, `stale_account`, `max_ratio`, `no_quote` or `overflow`; nothing wraps, nothing is guessed.
pub fn rule(sizing: &Sizing, x: &Inputs) -> Result<Rule, Refusal> {
    let rate = match *sizing {
        Sizing::Multiplier { k } => mul(k, x.qty_factor)?,
        Sizing::Percent { percent } => mul(div(percent, Dec::from_int(100))?, x.qty_factor)?,
        Sizing::LotsMultiplier { k } => {
            let lots = mul(k, x.qty_factor)?;
            lots.mul_div(x.follower_contract, x.leader_contract, Round::HalfEven).ok_or(OVERFLOW)?
        }
        Sizing::Fixed { lots } => {
            return Ok(Rule::Amount(lots.units(x.follower_contract, Round::HalfEven).ok_or(OVERFLOW)?));
        }
        Sizing::Equity { k } => by_account(k, |v| (v.equity, v.equity_ns), x)?,
        Sizing::Balance { k } => by_account(k, |v| (v.balance, v.balance_ns), x)?,
        Sizing::FreeMargin { k } => by_account(k, |v| (v.free_margin, v.free_margin_ns), x)?,
        Sizing::Notional { k } => {
            let (theirs, ours) = (worth_of(x.leader_unit_value)?, worth_of(x.follower_unit_value)?);
            theirs.in_units_of(ours, k).ok_or(OVERFLOW)?
        }
        Sizing::PercentEquity { percent } => {
            fresh(x.follower.equity_ns, x)?;
            let equity = positive(x.follower.equity)?;
            let unit = worth_of(x.follower_unit_value)?;
            let money = equity.mul_div(percent, Dec::from_int(100), Round::HalfEven).ok_or(OVERFLOW)?;
            return Ok(Rule::Amount(unit.units(money, Round::HalfEven).ok_or(OVERFLOW)?));
        }
        Sizing::Block { weight, by } => return weight_of(weight, by, x).map(Rule::Rate),
    };
    bounded(rate, x).map(Rule::Rate)
}

/// A member's weight in its block; account values count in the leader's currency.
fn weight_of(weight: Dec, by: By, x: &Inputs) -> Result<Dec, Refusal> {
    let v = &x.follower;
    let (value, as_of_ns) = match by {
        By::Weight => return positive(weight),
        By::Equity => (v.equity, v.equity_ns),
        By::Balance => (v.balance, v.balance_ns),
        By::FreeMargin => (v.free_margin, v.free_margin_ns),
    };
    fresh(as_of_ns, x)?;
    let fx = positive(x.account_fx.ok_or(Refusal::bare(Code::NoQuote))?)?;
    weight.mul_div(positive(value)?, fx, Round::HalfEven).ok_or(OVERFLOW)
}

/// The bound counts follower lots per leader lot, as `check` shows it, with everything that makes them.
fn bounded(rate: Dec, x: &Inputs) -> Result<Dec, Refusal> {
    let lots = rate.mul_div(x.leader_contract, x.follower_contract, Round::Ceil).ok_or(OVERFLOW)?;
    if lots > x.max_ratio { Err(Refusal::over(Code::MaxRatio, x.max_ratio, lots)) } else { Ok(rate) }
}

fn by_account(k: Dec, value: impl Fn(&Values) -> (Dec, i64), x: &Inputs) -> Result<Dec, Refusal> {
    let ((leader, leader_ns), (follower, follower_ns)) = (value(&x.leader), value(&x.follower));
    fresh(leader_ns, x)?;
    fresh(follower_ns, x)?;
    let (leader, follower) = (positive(leader)?, positive(follower)?);
    let fx = x.account_fx.ok_or(Refusal::bare(Code::NoQuote))?;
    let theirs = positive(mul(leader, fx)?)?;
    mul(k.mul_div(follower, theirs, Round::HalfEven).ok_or(OVERFLOW)?, x.qty_factor)
}

/// What a leader order had left before this increase: `OrderQty - (CumQty - i)`.
#[must_use]
pub fn open_qty(increase: Dec, order_qty: Dec, cum: Dec) -> Option<Dec> {
    order_qty.checked_sub(cum.checked_sub(increase)?)
}

/// A leader order's share of an amount: `(A - sized) x min(1, i / open)`, with what the order had left.
///
/// Gives the follower units of this increase. A divisor that is not positive means all of the rest. An amount that was made
/// anew and is smaller than what was sized has nothing left; it gives nothing back.
#[must_use]
pub fn amount_share(amount: Dec, sized: Dec, increase: Dec, open: Dec) -> Option<Dec> {
    let rest = amount.checked_sub(sized)?.max(Dec::ZERO);
    if !open.is_positive() || increase >= open {
        return Some(rest);
    }
    rest.mul_div(increase, open, Round::HalfEven)
}

/// Quanta of `rate x increase` for many followers of one increase: its steps are counted once for all on the same grid.
#[derive(Debug, Default)]
pub struct Sizes {
    /// Of which increase, in which step (never 0: none was counted), and how many they are where they are whole.
    last: Cell<(Dec, Dec, Option<i128>)>,
}

impl Sizes {
    /// Quanta of `rate x increase`; none where they do not fit.
    #[must_use]
    #[inline]
    pub fn rate(&self, rate: Dec, increase: Dec, grid: Grid) -> Option<i128> {
        // (rate e-18)(increase e-18) / (step e-18), in quanta of 1e-18 step: the scales cancel.
        const { assert!(QUANTA == Dec::ONE.raw()) };
        let (of, step, steps) = self.last.get();
        let known = of == increase && step == grid.step;
        let steps = if known { steps } else { self.count(increase, grid.step) };
        match steps {
            // An increase of whole steps, the usual one, needs no wide division: nothing is rounded.
            Some(steps) => times(steps, rate.raw()),
            None => mul_div(rate.raw(), increase.raw(), grid.step.raw(), Round::HalfEven),
        }
    }

    #[cold]
    fn count(&self, increase: Dec, step: Dec) -> Option<i128> {
        let steps =
            div_rem(increase.raw(), step.raw()).and_then(|(steps, rest)| (rest == 0).then_some(steps));
        self.last.set((increase, step, steps));
        steps
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::instrument::Lots;

    fn d(t: &str) -> Dec {
        Dec::parse(t.as_bytes()).unwrap()
    }

    fn inputs() -> Inputs {
        let values = |equity: &str, balance: &str, free: &str| Values {
            equity: d(equity),
            balance: d(balance),
            free_margin: d(free),
            equity_ns: 10,
            balance_ns: 10,
            free_margin_ns: 10,
        };
        Inputs {
            qty_factor: Dec::ONE,
            leader_contract: d("100000"),
            follower_contract: d("1000"),
            leader: values("4000", "4000", "4000"),
            follower: values("1000", "2000", "500"),
            account_fx: Some(Dec::ONE),
            leader_unit_value: Some(Unit::plain(d("2"))),
            follower_unit_value: Some(Unit::plain(d("4"))),
            max_ratio: d("300"),
            now_ns: 10,
            max_age_ms: 1,
        }
    }

    /// Worked numbers of the documentation, mode by mode.
    #[test]
    fn every_mode_gives_its_documented_number() {
        let cases = [
            (Sizing::Multiplier { k: d("0.5") }, Rule::Rate(d("0.5"))),
            (Sizing::Percent { percent: d("25") }, Rule::Rate(d("0.25"))),
            (Sizing::LotsMultiplier { k: d("2") }, Rule::Rate(d("0.02"))),
            (Sizing::Fixed { lots: Lots::new(d("3")) }, Rule::Amount(d("3000"))),
            (Sizing::Equity { k: d("1") }, Rule::Rate(d("0.25"))),
            (Sizing::Balance { k: d("1") }, Rule::Rate(d("0.5"))),
            (Sizing::FreeMargin { k: d("2") }, Rule::Rate(d("0.25"))),
            (Sizing::Notional { k: d("1") }, Rule::Rate(d("0.5"))),
            (Sizing::PercentEquity { percent: d("10") }, Rule::Amount(d("25"))),
        ];
        for (sizing, want) in cases {
            assert_eq!(rule(&sizing, &inputs()), Ok(want), "{}", sizing.name());
        }
    }

    /// Every rate that counts in units has the symbol map's factor; an amount has none.
    #[test]
    fn the_quantity_factor_is_part_of_every_rate() {
        let x = Inputs { qty_factor: d("3"), ..inputs() };
        for (sizing, want) in [
            (Sizing::Multiplier { k: d("0.5") }, Rule::Rate(d("1.5"))),
            (Sizing::Percent { percent: d("25") }, Rule::Rate(d("0.75"))),
            (Sizing::LotsMultiplier { k: d("2") }, Rule::Rate(d("0.06"))),
            (Sizing::Equity { k: d("1") }, Rule::Rate(d("0.75"))),
            (Sizing::Balance { k: d("1") }, Rule::Rate(d("1.5"))),
            (Sizing::Fixed { lots: Lots::new(d("3")) }, Rule::Amount(d("3000"))),
        ] {
            assert_eq!(rule(&sizing, &x), Ok(want), "{}", sizing.name());
        }
    }

    /// A value that is not positive, or too old, refuses; so does a ratio beyond its bound.
    #[test]
    fn bad_stale_and_excessive_values_are_refused() {
        let mut x = inputs();
        x.leader.equity = Dec::ZERO;
        let code = |s: Sizing, x: &Inputs| rule(&s, x).unwrap_err().code;
        assert_eq!(code(Sizing::Equity { k: d("1") }, &x), Code::BadAccount);
        x.now_ns = 3_000_011;
        let stale = rule(&Sizing::Balance { k: d("1") }, &x).unwrap_err();
        assert_eq!(stale, Refusal::over(Code::StaleAccount, d("1"), d("3")), "limit and age, ms");
        x.leader.balance_ns = 0;
        let never = rule(&Sizing::Balance { k: d("1") }, &x).unwrap_err();
        assert_eq!(never, Refusal::bare(Code::StaleAccount));
        x.leader.balance_ns = 10;
        x.account_fx = None;
        x.now_ns = 10;
        assert_eq!(code(Sizing::Balance { k: d("1") }, &x), Code::NoQuote);
    }

    /// One leader lot is 100,000 units and a follower lot 1,000: half as many units are 50 lots.
    #[test]
    fn max_ratio_bounds_the_follower_lots_of_a_leader_lot() {
        let (half, three) = (Sizing::Multiplier { k: d("0.5") }, Sizing::LotsMultiplier { k: d("3") });
        let cases = [
            (half, "1", "50", "49.9"),
            (half, "3", "150", "149"),
            (Sizing::Percent { percent: d("50") }, "3", "150", "149"),
            (three, "1", "3", "2.999"),
            (three, "0.1", "0.3", "0.29"),
            (Sizing::Equity { k: d("1") }, "2", "50", "49"),
            (Sizing::Notional { k: d("1") }, "2", "50", "49"),
        ];
        for (sizing, factor, enough, less) in cases {
            let x = Inputs { qty_factor: d(factor), max_ratio: d(enough), ..inputs() };
            assert!(rule(&sizing, &x).is_ok(), "{} x {factor} is {enough} lots", sizing.name());
            let refusal = rule(&sizing, &Inputs { max_ratio: d(less), ..x }).unwrap_err();
            assert_eq!(refusal, Refusal::over(Code::MaxRatio, d(less), d(enough)), "{}", sizing.name());
        }
    }

    /// 02: OrderQty 10→100→1000 while filling opened 3.3 lots with a share of the order alone.
    #[test]
    fn an_amount_is_opened_once_however_the_order_is_replaced() {
        let a = d("1");
        let mut sized = Dec::ZERO;
        for (qty, cum, inc) in [("10", "5", "5"), ("100", "50", "45"), ("1000", "1000", "950")] {
            let open = open_qty(d(inc), d(qty), d(cum)).unwrap();
            let s = amount_share(a, sized, d(inc), open).unwrap();
            sized = sized.checked_add(s).unwrap();
        }
        assert_eq!(sized, a);
    }

    proptest::proptest! {
        /// The short way for whole steps gives what the wide division gives.
        #[test]
        fn a_rate_of_whole_steps_is_what_the_wide_division_gives(
            rate in 0_i64..i64::MAX, steps in 0_i64..1_000_000, odd in 0_i64..3, step in 1_i64..1_000_000_000,
        ) {
            let grid = Grid { step: Dec::from_raw(i128::from(step) * 1_000_003), min: Dec::ONE };
            let raw = grid.step.raw() * i128::from(steps) + i128::from(odd);
            let wide = mul_div(i128::from(rate), raw, grid.step.raw(), Round::HalfEven);
            let (sizes, rate) = (Sizes::default(), Dec::from_raw(i128::from(rate)));
            let other = Grid { step: Dec::ONE, min: Dec::ONE };
            let in_ones = mul_div(rate.raw(), raw, Dec::ONE.raw(), Round::HalfEven);
            // Asked for the first time, again, for another grid between, and for another increase.
            for (qty, grid, want) in [(raw, grid, wide), (raw, grid, wide), (raw, other, in_ones), (raw, grid, wide)] {
                proptest::prop_assert_eq!(sizes.rate(rate, Dec::from_raw(qty), grid), want);
            }
            proptest::prop_assert_eq!(sizes.rate(rate, Dec::ZERO, grid), Some(0));
        }
    }
}

#[cfg(test)]
#[path = "sizing_edges.rs"]
mod edges;
