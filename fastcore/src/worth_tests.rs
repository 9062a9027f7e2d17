//! Values of linear and inverse contracts against whole numbers: prices that divide one number make every fraction exact.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use super::*;
use crate::guard::Pnl;
use proptest::prelude::*;

fn d(t: &str) -> Dec {
    Dec::parse(t.as_bytes()).unwrap()
}

const SCALE: i128 = Dec::ONE.raw();
const PRICES: [i64; 7] = [3, 7, 11, 13, 17, 19, 23];
/// Every price divides it.
const COMMON: i128 = 3 * 7 * 11 * 13 * 17 * 19 * 23;

/// The documented numbers: 6,000 dollars of contracts at 60,000 are 0.1 bitcoin; at 50,000 they are 0.12, and a long has lost
/// the difference.
#[test]
fn an_inverse_contract_is_worth_units_by_price() {
    let pays = Pays::Inverse;
    let won = |units, entry, px| {
        let (bought, now) = (pays.value(d(units), d(entry)).unwrap(), pays.value(d(units), d(px)).unwrap());
        now.checked_sub(bought).unwrap()
    };
    assert_eq!(won("6000", "60000", "50000"), d("-0.02"));
    assert_eq!(won("6000", "60000", "75000"), d("0.02"));
    assert_eq!(won("-6000", "60000", "50000"), d("0.02"));
    let unit = pays.unit(d("60000"), d("2"), Round::Ceil).unwrap();
    assert_eq!(unit.worth(d("6000"), Round::Ceil), Some(d("0.2")));
    assert_eq!(unit.units(d("0.2"), Round::Floor), Some(d("6000")), "no digit of 1 / 60,000 is lost");
}

/// A price that is no price values nothing: it is not known, and does not wrap. Nothing is worth nothing.
#[test]
fn a_price_that_is_not_positive_values_no_inverse_contract() {
    for px in ["0", "-1"] {
        assert_eq!(Pays::Inverse.value(d("1"), d(px)), None);
        assert!(!Pays::Inverse.unit(d(px), d("1"), Round::Ceil).unwrap().is_positive());
    }
    assert_eq!(Pays::Inverse.unit(d("0"), d("1"), Round::Ceil).unwrap().worth(d("1"), Round::Ceil), None);
    assert_eq!(Pays::Inverse.value(d("0"), d("0")), Some(d("0")));
    assert_eq!(Pays::Inverse.value(Dec::from_raw(i128::MAX), d("0.1")), None, "beyond every number");
    let mut pnl = Pnl::default();
    pnl.book(Pays::Inverse, d("0"), d("1"), d("0"), 7);
    assert!(pnl.unknown);
}

/// A bound rounds worth up and units down.
#[test]
fn a_bound_is_rounded_toward_the_safe_side() {
    let third = Pays::Inverse.unit(d("3"), d("1"), Round::Ceil).unwrap();
    assert_eq!(third.worth(d("1"), Round::Ceil), Some(d("0.333333333333333334")));
    let dear = Pays::Inverse.unit(d("1"), d("3"), Round::Ceil).unwrap();
    assert_eq!(dear.units(d("1"), Round::Floor), Some(d("0.333333333333333333")));
}

/// 100 at 50,000 and 100 at 100,000 are 0.003 together, as 200 at 66,666.67 are: no average of prices.
#[test]
fn an_inverse_average_is_of_what_was_paid() {
    let px = harmonic((d("100"), d("50000")), (d("100"), d("100000")));
    assert_eq!(px, Some(d("66666.666666666666666667")));
    assert_eq!(harmonic((d("1"), d("1000")), (d("3"), d("1000"))), Some(d("1000")));
    assert_eq!(harmonic((d("0"), d("1")), (d("0"), d("1"))), None);
}

/// A pair gives both ways: a dollar of contracts at 50,000 is 0.00002 bitcoin.
#[test]
fn a_rate_is_what_the_contract_says_it_is() {
    let px = d("50000");
    assert_eq!([true, false].map(|u| Pays::Inverse.rate(px, u).unwrap()), [d("0.00002"), px]);
    assert_eq!([true, false].map(|u| Pays::Linear.rate(px, u).unwrap()), [px, d("0.00002")]);
}

/// The same worth: dollars of one inverse contract into another, into coins, and back.
#[test]
fn the_same_worth_is_counted_across_contracts() {
    let inverse = |px, rate| Pays::Inverse.unit(d(px), d(rate), Round::HalfEven).unwrap();
    let linear = |px, rate| Pays::Linear.unit(d(px), d(rate), Round::HalfEven).unwrap();
    // An account in dollars: a unit of the inverse contract is worth 50,000 / 50,000.
    assert_eq!(linear("50000", "1").in_units_of(inverse("50000", "50000"), d("1")), Some(d("50000")));
    assert_eq!(inverse("50000", "50000").in_units_of(linear("50000", "1"), d("1")), Some(d("0.00002")));
    assert_eq!(inverse("60000", "1").in_units_of(inverse("3000", "1"), d("2")), Some(d("0.1")));
    assert_eq!(inverse("7", "3").in_units_of(inverse("7", "3"), d("0.3")), Some(d("0.3")));
}

/// What happens to a position.
#[derive(Clone, Copy, Debug)]
enum Step {
    Fill(i64, i64),
    /// An earlier fill is taken back.
    Bust(usize),
    /// An earlier fill was of other units, at another price.
    Correct(usize, i64, i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let px = || proptest::sample::select(PRICES.to_vec());
    let one = prop_oneof![
        4 => (-50_i64..50, px()).prop_map(|(units, px)| Step::Fill(units, px)),
        1 => (0_usize..40).prop_map(Step::Bust),
        1 => (0_usize..40, 0_i64..60, px()).prop_map(|(n, units, px)| Step::Correct(n, units, px)),
    ];
    proptest::collection::vec(one, 1..40)
}

/// What all fills that count won by a price, times `COMMON` and 10¹⁸: exact.
fn exact(pays: Pays, fills: &[(i64, i64)], px: i64) -> i128 {
    let value = |px: i64| match pays {
        Pays::Linear => i128::from(px) * COMMON,
        Pays::Inverse => -COMMON / i128::from(px),
    };
    fills.iter().map(|(units, at)| i128::from(*units) * (value(px) - value(*at))).sum::<i128>() * SCALE
}

proptest! {
    /// Of any sequence of fills, busts and corrections, what was won is the exact fraction, within two last digits for each
    /// step and half of one for the price that is asked.
    #[test]
    fn what_was_won_is_the_exact_fraction(
        inverse in proptest::bool::weighted(0.8), steps in steps(), last in proptest::sample::select(PRICES.to_vec()),
    ) {
        let (pays, int) = (Pays::of(inverse), Dec::from_int);
        let (mut pnl, mut fills) = (Pnl::default(), Vec::<(i64, i64)>::new());
        for step in &steps {
            let held = int(fills.iter().map(|f| f.0).sum());
            match *step {
                Step::Fill(units, px) => {
                    pnl.book(pays, held, int(units), int(px), 7);
                    fills.push((units, px));
                }
                Step::Bust(n) => if let Some(f) = fills.get_mut(n) {
                    pnl.take_back(pays, held, int(-f.0), int(f.1));
                    f.0 = 0;
                },
                Step::Correct(n, units, px) => if let Some(f) = fills.get_mut(n).filter(|f| f.0 != 0) {
                    let new = (units * f.0.signum(), px);
                    pnl.correct(pays, held, 9, [(int(f.0), int(f.1)), (int(new.0), int(new.1))]);
                    *f = new;
                },
            }
        }
        let held: i64 = fills.iter().map(|f| f.0).sum();
        let found = pnl.total(pays, int(held), int(last)).unwrap().raw() * COMMON;
        let off = (found - exact(pays, &fills, last)).abs();
        let digits = 4 * i128::try_from(steps.len()).unwrap() + 1;
        prop_assert!(2 * off <= digits * COMMON, "off by {off} / {COMMON}");
        prop_assert!(!pnl.unknown);
        // A new account value begins at nothing.
        pnl.start(pays, int(held), int(last));
        prop_assert_eq!(pnl.total(pays, int(held), int(last)), Some(Dec::ZERO));
    }

    /// What money buys is never worth more than it, and one last digit of units more is.
    #[test]
    fn units_of_an_amount_are_the_most_that_it_buys(
        inverse: bool, px in 1_i64..200_000_000, rate in 1_i64..1_000_000, money in 1_i64..1_000_000,
    ) {
        let cents = |n: i64| Dec::from_int(n).div(Dec::from_int(100), Round::HalfEven).unwrap();
        let (px, rate, money) = (cents(px), cents(rate), cents(money));
        let unit = Pays::of(inverse).unit(px, rate, Round::Ceil).unwrap();
        let units = unit.units(money, Round::Floor).unwrap();
        prop_assert!(unit.worth(units, Round::Ceil).unwrap() <= money);
        let more = Dec::from_raw(units.raw() + 1 + px.raw().max(SCALE));
        prop_assert!(unit.worth(more, Round::Floor).unwrap() >= money);
    }
}
