//! What units are worth at a price (decision 0036). A linear contract is worth units x price; an inverse one is worth
//! units / price in the currency that it is settled in, and its long wins units x (1 / entry - 1 / price).
//!
//! Everything that values something asks here: sizing, bounds, guards, averages. No price is turned into 1 / price first: a
//! last digit that is lost there counts once for every unit.

use crate::decimal::{Dec, Round};

/// How a contract pays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Pays {
    /// Units x price.
    #[default]
    Linear,
    /// Units / price: its units are of the currency of the price.
    Inverse,
}

/// What one unit is worth, as a fraction of two decimals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unit {
    num: Dec,
    den: Dec,
}

impl Pays {
    /// Of an instrument that is, or is not, inverse.
    #[must_use]
    pub const fn of(inverse: bool) -> Self {
        if inverse { Pays::Inverse } else { Pays::Linear }
    }

    /// The signed number of signed units at a price whose differences are what is won: units x price, of an inverse
    /// contract -units / price. Half-even at 10⁻¹⁸ of the currency, once.
    ///
    /// None where it does not fit in a number, and of an inverse contract at a price that is not positive. Nothing is worth
    /// nothing at any price.
    #[must_use]
    pub fn value(self, units: Dec, px: Dec) -> Option<Dec> {
        match self {
            Pays::Linear => units.mul(px, Round::HalfEven),
            Pays::Inverse if units.is_zero() => Some(Dec::ZERO),
            Pays::Inverse if !px.is_positive() => None,
            Pays::Inverse => units.div(px, Round::HalfEven)?.checked_neg(),
        }
    }

    /// What a unit is worth at a price, in a currency of which the contract's own one buys `rate`. Of a linear contract that
    /// is a decimal, rounded; of an inverse one both numbers are kept, so nothing is.
    #[must_use]
    #[inline]
    pub fn unit(self, px: Dec, rate: Dec, round: Round) -> Option<Unit> {
        match self {
            Pays::Linear => Some(Unit::plain(px.mul(rate, round)?)),
            Pays::Inverse => Some(Unit { num: rate, den: px }),
        }
    }

    /// Which side of the market a unit is worth more at: the ask, of an inverse contract the bid.
    #[must_use]
    pub const fn dearer_to_buy(self) -> bool {
        matches!(self, Pays::Linear)
    }

    /// The price at which a unit is worth more.
    #[must_use]
    pub fn dearer(self, a: Dec, b: Dec) -> Dec {
        match self {
            Pays::Linear => a.max(b),
            Pays::Inverse => a.min(b),
        }
    }

    /// What the currency of a pair's unit costs in that of its price, and the other way: a price says the first, of an
    /// inverse contract the second.
    #[must_use]
    pub fn rate(self, px: Dec, of_unit: bool) -> Option<Dec> {
        if of_unit == (self == Pays::Linear) { Some(px) } else { Dec::ONE.div(px, Round::HalfEven) }
    }
}

impl Unit {
    /// A unit that is worth a decimal.
    #[must_use]
    pub const fn plain(worth: Dec) -> Self {
        Unit { num: worth, den: Dec::ONE }
    }

    /// It is worth something.
    #[must_use]
    pub const fn is_positive(self) -> bool {
        self.num.is_positive() && self.den.is_positive()
    }

    /// What units are worth; none where that does not fit in a number.
    #[must_use]
    pub fn worth(self, units: Dec, round: Round) -> Option<Dec> {
        units.mul_div(self.num, self.den, round)
    }

    /// Units that are worth an amount.
    #[must_use]
    pub fn units(self, amount: Dec, round: Round) -> Option<Dec> {
        amount.mul_div(self.den, self.num, round)
    }

    /// `k` times the units of `other` that are worth as much as one of these. Linear units on both sides are one division.
    #[must_use]
    pub fn in_units_of(self, other: Self, k: Dec) -> Option<Dec> {
        let ratio = k.mul_div(self.num, other.num, Round::HalfEven)?;
        if self.den == other.den { Some(ratio) } else { ratio.mul_div(other.den, self.den, Round::HalfEven) }
    }
}

/// The price at which two parts of an inverse position cost what both did at their own: (a + b) / (a / a_px + b / b_px),
/// rounded once as long as the product of both prices has no more than 18 decimals.
#[must_use]
pub fn harmonic((a, a_px): (Dec, Dec), (b, b_px): (Dec, Dec)) -> Option<Dec> {
    let of_prices = a_px.mul(b_px, Round::HalfEven)?;
    let across = a.mul(b_px, Round::HalfEven)?.checked_add(b.mul(a_px, Round::HalfEven)?)?;
    a.checked_add(b)?.mul_div(of_prices, across, Round::HalfEven).filter(|px| px.is_positive())
}

#[cfg(test)]
#[path = "worth_tests.rs"]
mod tests;
