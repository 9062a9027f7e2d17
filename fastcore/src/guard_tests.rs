//! Guards: periods of real time zones, floors with worked numbers, and profit by average cost against plain cash.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use super::*;
use crate::time::parse_utc;
use proptest::prelude::*;

fn d(t: &str) -> Dec {
    Dec::parse(t.as_bytes()).unwrap()
}

fn rule(text: &str) -> Rule {
    serde_json::from_str(text).unwrap()
}

fn at(utc: &str) -> i64 {
    parse_utc(utc.as_bytes()).unwrap()
}

/// A day begins at the local time that was asked for, also on the days of a clock change: New York goes to summer time on
/// 2026-03-08, and back on 2026-11-01.
#[test]
fn periods_end_by_local_time() {
    let ny = Calendar::new("America/New_York", 17 * 3600).unwrap();
    let utc = Calendar::new("UTC", 0).unwrap();
    let cases = [
        (&utc, Period::Day, "20261125-23:59:59", "20261126-00:00:00"),
        (&utc, Period::Day, "20261126-00:00:00", "20261127-00:00:00"),
        (&utc, Period::Week, "20261126-12:00:00", "20261130-00:00:00"),
        (&utc, Period::Week, "20261130-00:00:00", "20261207-00:00:00"),
        (&utc, Period::Month, "20261231-23:00:00", "20270101-00:00:00"),
        (&ny, Period::Day, "20260307-21:59:59", "20260307-22:00:00"),
        (&ny, Period::Day, "20260307-22:00:00", "20260308-21:00:00"),
        (&ny, Period::Day, "20261031-21:00:00", "20261101-22:00:00"),
        // The day of Monday begins on Sunday at 17:00, and that of the first on the evening before it.
        (&ny, Period::Week, "20261127-12:00:00", "20261129-22:00:00"),
        (&ny, Period::Month, "20261127-12:00:00", "20261130-22:00:00"),
    ];
    for (calendar, period, now, end) in cases {
        assert_eq!(calendar.end(period, at(now)), at(end), "{period:?} after {now}");
    }
    assert_eq!(utc.end(Period::Lifetime, at("20261125-00:00:00")), i64::MAX);
    // 02:30 does not exist in Berlin on 2026-03-29: the day begins at 03:30, an hour of summer time.
    let gap = Calendar::new("Europe/Berlin", 9_000).unwrap();
    assert_eq!(gap.end(Period::Day, at("20260328-12:00:00")), at("20260329-01:30:00"));
    assert!(Calendar::new("Europe/Atlantis", 0).unwrap_err().contains("Atlantis"));
    assert!(Calendar::new("UTC", 86_400).is_err());
}

/// Floors of the documentation.
#[test]
fn every_rule_gives_its_documented_floor() {
    let cases = [
        (r#"{"rule":"equity_floor","amount":"8000"}"#, "10000", "8000"),
        (r#"{"rule":"equity_floor","percent":"80"}"#, "10000", "8000"),
        (r#"{"rule":"equity_floor","percent":"80","of":"high_water"}"#, "12000", "9600"),
        (r#"{"rule":"daily_loss","amount":"500"}"#, "10000", "9500"),
        (r#"{"rule":"daily_loss","percent":"5"}"#, "10000", "9500"),
        (r#"{"rule":"drawdown","period":"week","percent":"10"}"#, "11000", "9900"),
        (r#"{"rule":"drawdown","amount":"100"}"#, "50", "-50"),
        // Nothing is left to lose a part of: stopped at once.
        (r#"{"rule":"daily_loss","percent":"5"}"#, "-10", "-10"),
        (r#"{"rule":"equity_floor","percent":"80"}"#, "0", "0"),
    ];
    for (text, base, floor) in cases {
        assert_eq!(rule(text).floor(d(base)), d(floor), "{text} of {base}");
    }
}

/// A daily loss keeps the equity of the morning, a drawdown follows the highest, and both begin anew the next day.
#[test]
fn a_base_lasts_as_long_as_its_period() {
    let utc = Calendar::new("UTC", 0).unwrap();
    let (loss, fall) = (r#"{"rule":"daily_loss","amount":"1"}"#, r#"{"rule":"drawdown","amount":"1"}"#);
    for (text, second, third) in [(loss, "100", "90"), (fall, "120", "90")] {
        let rule = rule(text);
        let first = rule.base(None, d("100"), at("20261126-08:00:00"), &utc);
        let second_base = rule.base(Some(first), d("120"), at("20261126-23:59:59"), &utc);
        assert_eq!(second_base, rule.measured(d(second), at("20261127-00:00:00")), "{text}");
        let third_base = rule.base(Some(second_base), d("90"), at("20261127-00:00:00"), &utc);
        assert_eq!(third_base, rule.measured(d(third), at("20261128-00:00:00")), "{text}");
    }
}

proptest! {
    /// However it was filled, profit by average cost is the cash that came in and what is held is worth now.
    #[test]
    fn profit_is_cash_and_what_is_held(
        fills in proptest::collection::vec((-50_i64..50, 1_i64..2_000_000), 1..40), last in 1_i64..2_000_000,
    ) {
        let (mut pnl, mut held, mut cash) = (Pnl::default(), Dec::ZERO, Dec::ZERO);
        let px = |n: i64| Dec::from_int(n).div(Dec::from_int(10_000), Round::HalfEven).unwrap();
        for (units, n) in fills {
            let units = Dec::from_int(units);
            pnl.book(Pays::Linear, held, units, px(n), 7);
            held = held.checked_add(units).unwrap();
            cash = cash.checked_sub(units.mul(px(n), Round::HalfEven).unwrap()).unwrap();
        }
        let want = cash.checked_add(held.mul(px(last), Round::HalfEven).unwrap()).unwrap();
        let off = abs(pnl.total(Pays::Linear, held, px(last)).unwrap().checked_sub(want).unwrap());
        prop_assert!(off <= d("0.00000000000001"), "off by {off}");
        prop_assert!(!pnl.unknown);
        // A new account value begins at nothing.
        pnl.start(Pays::Linear, held, px(last));
        prop_assert_eq!(pnl.total(Pays::Linear, held, px(last)), Some(Dec::ZERO));
    }
}

/// What does not fit in a number makes the profit unknown; it does not wrap.
#[test]
fn what_does_not_fit_is_unknown() {
    let mut pnl = Pnl::default();
    pnl.book(Pays::Linear, Dec::ZERO, Dec::from_int(1 << 40), Dec::from_int(1 << 40), 7);
    assert!(pnl.unknown);
    pnl.start(Pays::Linear, Dec::ZERO, Dec::ONE);
    assert!(!pnl.unknown);
}
