//! Where one answer of a sizing rule becomes another: the last decimal, and the last nanosecond.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use super::*;
use crate::instrument::Lots;

fn d(t: &str) -> Dec {
    Dec::parse(t.as_bytes()).unwrap()
}

fn account(value: &str, as_of_ns: i64) -> Values {
    let (value, at) = (d(value), as_of_ns);
    Values {
        equity: value,
        balance: value,
        free_margin: value,
        equity_ns: at,
        balance_ns: at,
        free_margin_ns: at,
    }
}

fn inputs() -> Inputs {
    Inputs {
        qty_factor: Dec::ONE,
        leader_contract: Dec::ONE,
        follower_contract: Dec::ONE,
        leader: account("1", 1),
        follower: account("1", 1),
        account_fx: Some(Dec::ONE),
        leader_unit_value: Some(Unit::plain(Dec::ONE)),
        follower_unit_value: Some(Unit::plain(Dec::ONE)),
        max_ratio: d("1000"),
        now_ns: 1,
        max_age_ms: 1,
    }
}

/// Halves of the last decimal go to the even neighbour, in every product that makes a rule.
#[test]
fn every_rule_is_rounded_half_even_at_its_last_decimal() {
    let (half, tiny) = (d("0.5"), d("0.000000000000000003"));
    let even = d("0.000000000000000002");
    let small = Inputs { qty_factor: tiny, ..inputs() };
    let contract = Inputs { follower_contract: tiny, ..inputs() };
    let rich = Inputs { follower: account("0.000000000000000003", 1), ..inputs() };
    for (sizing, x, rule_of) in [
        (Sizing::Multiplier { k: half }, small, Rule::Rate(even)),
        (Sizing::Percent { percent: d("0.00000000000000015") }, inputs(), Rule::Rate(even)),
        (Sizing::LotsMultiplier { k: half }, Inputs { max_ratio: d("1000"), ..contract }, Rule::Rate(even)),
        (Sizing::Fixed { lots: Lots::new(half) }, contract, Rule::Amount(even)),
        (Sizing::PercentEquity { percent: d("50") }, rich, Rule::Amount(even)),
        (Sizing::Equity { k: half }, rich, Rule::Rate(even)),
        (Sizing::Block { weight: half, by: By::Equity }, rich, Rule::Rate(even)),
    ] {
        assert_eq!(rule(&sizing, &x), Ok(rule_of), "{}", sizing.name());
    }
}

/// Two thirds end in a seven: quotients of account values, of prices and of money are not cut off.
#[test]
fn every_quotient_is_rounded_to_the_nearest() {
    let two_thirds = d("0.666666666666666667");
    let x = Inputs { leader: account("3", 1), follower: account("2", 1), ..inputs() };
    assert_eq!(rule(&Sizing::Balance { k: Dec::ONE }, &x), Ok(Rule::Rate(two_thirds)));
    let worth = |t: &str| Some(Unit::plain(d(t)));
    let x = Inputs { leader_unit_value: worth("2"), follower_unit_value: worth("3"), ..inputs() };
    assert_eq!(rule(&Sizing::Notional { k: Dec::ONE }, &x), Ok(Rule::Rate(two_thirds)));
    let x = Inputs { follower: account("2", 1), ..x };
    assert_eq!(rule(&Sizing::PercentEquity { percent: d("100") }, &x), Ok(Rule::Amount(two_thirds)));
    let x = Inputs { follower: account("2", 1), account_fx: Some(d("3")), ..inputs() };
    let weight = Sizing::Block { weight: Dec::ONE, by: By::FreeMargin };
    assert_eq!(rule(&weight, &x), Ok(Rule::Rate(two_thirds)));
    assert_eq!(amount_share(d("2"), Dec::ZERO, d("1"), d("3")), Some(two_thirds));
}

/// Two thirds of a lot are more than a bound of 0.666666666666666666: the bound is compared with what is rounded up.
#[test]
fn a_ratio_is_rounded_up_before_it_is_compared() {
    let (less, more) = (d("0.666666666666666666"), d("0.666666666666666667"));
    let x = Inputs { leader_contract: d("2"), follower_contract: d("3"), max_ratio: less, ..inputs() };
    let one = Sizing::Multiplier { k: Dec::ONE };
    assert_eq!(rule(&one, &x), Err(Refusal::over(Code::MaxRatio, less, more)));
    assert_eq!(rule(&one, &Inputs { max_ratio: more, ..x }), Ok(Rule::Rate(Dec::ONE)));
}

/// A value is fresh to the end of its last nanosecond; at the very beginning of time one that was never given is not.
#[test]
fn an_account_value_ages_to_the_nanosecond() {
    let at = |as_of_ns, now_ns| {
        let x = Inputs { follower: account("1", as_of_ns), now_ns, max_age_ms: 2, ..inputs() };
        rule(&Sizing::PercentEquity { percent: d("1") }, &x).map_err(|r| (r.code, r.value))
    };
    let one = Ok(Rule::Amount(d("0.01")));
    assert_eq!(at(7, 2_000_007), one);
    assert_eq!(at(7, 2_000_008), Err((Code::StaleAccount, d("2"))), "2 ms and a nanosecond");
    assert_eq!(at(1, 5), one);
    assert_eq!(at(1, 2_000_002), Err((Code::StaleAccount, d("2"))));
    assert_eq!(at(0, 5).map_err(|r| r.0), Err(Code::StaleAccount), "never given");
}

/// A block weighs by the account value that it names, and by no other.
#[test]
fn a_blocks_weight_is_of_the_value_that_it_names() {
    let mut x = inputs();
    x.follower = Values { equity: d("2"), balance: d("3"), free_margin: d("5"), ..x.follower };
    for (by, weight) in [(By::Weight, "7"), (By::Equity, "14"), (By::Balance, "21"), (By::FreeMargin, "35")] {
        assert_eq!(rule(&Sizing::Block { weight: d("7"), by }, &x), Ok(Rule::Rate(d(weight))), "{by:?}");
    }
}

/// More than the leader's order had left takes the rest of the amount, and no more.
#[test]
fn an_increase_beyond_its_order_takes_the_rest_and_no_more() {
    for (increase, open) in [("4", "4"), ("9", "4"), ("9", "0"), ("9", "-4")] {
        assert_eq!(amount_share(d("10"), d("3"), d(increase), d(open)), Some(d("7")), "{increase} of {open}");
    }
    assert_eq!(amount_share(d("10"), d("3"), d("2"), d("4")), Some(d("3.5")));
}
