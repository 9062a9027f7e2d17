//! Lots as a type: what the configuration and venues count in lots becomes units in one place, and is never mixed with them.

use crate::decimal::{Dec, Round};
use serde::Deserialize;

/// A quantity in lots. Every other quantity of the core is in units, which `Dec` stands for: only [`Lots::units`] leads
/// from one to the other, and the compiler refuses a mixture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct Lots(Dec);

impl Lots {
    /// That many lots.
    #[must_use]
    pub const fn new(count: Dec) -> Self {
        Self(count)
    }

    /// Units of so many lots, with the units of one lot; `None` when they do not fit in a number.
    #[must_use]
    pub fn units(self, contract_size: Dec, round: Round) -> Option<Dec> {
        self.0.mul(contract_size, round)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// A lot of EURUSD is 100,000 units; a bound in lots is rounded down, so that it is never wider than it was written.
    #[test]
    fn lots_become_units_by_the_contract_size() {
        let d = |text: &str| Dec::parse(text.as_bytes()).unwrap();
        assert_eq!(Lots::new(d("0.01")).units(d("100000"), Round::HalfEven), Some(d("1000")));
        let third = d("0.333333333333333333");
        assert_eq!(Lots::new(third).units(d("0.1"), Round::Down), Some(d("0.033333333333333333")));
        assert_eq!(Lots::new(Dec::from_int(i64::MAX)).units(Dec::from_int(i64::MAX), Round::Down), None);
    }
}
