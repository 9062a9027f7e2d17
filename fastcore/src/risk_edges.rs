//! Where one answer of a bound becomes another: at the bound, in the last decimal, and between two that are equal.
#![allow(clippy::unwrap_used)]

use super::*;

fn d(t: &str) -> Dec {
    Dec::parse(t.as_bytes()).unwrap()
}

fn none() -> Bounds {
    Bounds::default()
}

fn scope(bounds: &Bounds) -> Scope<'_> {
    let (position, equity) = (Dec::ZERO, Err(Code::BadAccount));
    Scope { bounds, off_range: None, position, orders: 0, exposure: None, equity }
}

fn open<'a>(sub: &'a Bounds, follower: &'a Bounds, qty: &str) -> Open<'a> {
    Open {
        qty: d(qty),
        px: None,
        venue_max: None,
        off_market_bps: None,
        sub: scope(sub),
        follower: scope(follower),
        together: &[],
        amplification: None,
        beside: Dec::ZERO,
        replaces: false,
        drift: None,
        messages: None,
    }
}

/// What is left, and the limit and value of the only refusal.
fn told(o: &Open<'_>) -> (Dec, Option<(Dec, Dec)>) {
    let mut refusals = Vec::new();
    let left = admit(o, &mut refusals);
    assert!(refusals.len() <= 1, "{refusals:?}");
    (left, refusals.first().map(|r| (r.limit, r.value)))
}

/// A bound may be reached: only what is beyond it is cut, and says the limit and what was compared.
#[test]
fn a_bound_may_be_reached_and_tells_what_was_compared() {
    let qty = Bounds { max_order_qty: Some(d("5")), ..none() };
    assert_eq!(told(&open(&qty, &none(), "5")), (d("5"), None));
    assert_eq!(told(&open(&qty, &none(), "6")), (d("5"), Some((d("5"), d("6")))));
    let position = Bounds { max_position: Some(d("9")), ..none() };
    let held = |qty| {
        let none = none();
        let mut o = open(&none, &position, qty);
        o.follower.position = d("4");
        told(&o)
    };
    assert_eq!(held("5"), (d("5"), None));
    assert_eq!(held("7"), (d("5"), Some((d("9"), d("11")))));
    let amplified = |qty| {
        let amplification = Some(Amplification { limit: d("9"), position: d("4") });
        told(&Open { amplification, ..open(&none(), &none(), qty) })
    };
    assert_eq!(amplified("5"), (d("5"), None));
    assert_eq!(amplified("7"), (d("5"), Some((d("9"), d("11")))));
}

/// Of two answers that leave the same, the first is told: the subscription's before its follower's.
#[test]
fn of_equal_answers_the_subscriptions_is_told() {
    let bound = |limit| Bounds { max_position: Some(d(limit)), ..Bounds::default() };
    let (sub, follower) = (bound("5"), bound("8"));
    let mut o = open(&sub, &follower, "7");
    (o.sub.position, o.follower.position) = (d("1"), d("4"));
    assert_eq!(told(&o), (d("4"), Some((d("5"), d("8")))));
}

/// Half of three parts of the last decimal is two of them against a bound of one: worth is rounded up.
#[test]
fn worth_is_rounded_up_against_its_bound() {
    let (one, two, three) = (d("0.000000000000000001"), d("0.000000000000000002"), d("0.000000000000000003"));
    let value = Bounds { max_order_value: Some(one), on_breach: OnBreach::Refuse, ..Bounds::default() };
    let o = Open { px: Some(Unit::plain(three)), ..open(&value, &value, "0.5") };
    assert_eq!(told(&o), (Dec::ZERO, Some((one, two))));
    let totals = Totals { max_exposure: Some(one), ..Totals::default() };
    let exposed = Bounds { totals, on_breach: OnBreach::Refuse, ..Bounds::default() };
    let mut o = open(&exposed, &exposed, "0.5");
    o.sub.exposure = Some(Exposure::of(Dec::ZERO, (Dec::ZERO, Dec::ZERO), Unit::plain(three), o.qty));
    o.follower.exposure = o.sub.exposure;
    assert_eq!(told(&o), (Dec::ZERO, Some((one, two))));
}

/// What fits below a worth is rounded down: two thirds of a unit end in a six.
#[test]
fn room_below_a_worth_is_rounded_down() {
    let exposure = Exposure::of(Dec::ZERO, (Dec::ZERO, Dec::ZERO), Unit::plain(d("3")), d("1"));
    assert_eq!(exposure.room(d("2")), Some(d("0.666666666666666666")));
    // As much as the other side holds may stand on this one; less may not.
    let turned = Exposure::of(Dec::ZERO, (Dec::ZERO, d("7")), Unit::plain(d("1")), d("9"));
    assert_eq!((turned.room(d("7")), turned.room(d("6"))), (Some(d("7")), None));
}

/// The worth that an equity allows is rounded down, and the leverage that is told is rounded up.
#[test]
fn leverage_is_rounded_against_the_open() {
    let of = |limit| Totals { max_leverage: Some(limit), ..Totals::default() };
    let found = |limit: &str, equity: &str, worth: &str| {
        let bounds = Bounds { totals: of(d(limit)), on_breach: OnBreach::Refuse, ..Bounds::default() };
        let mut o = open(&bounds, &bounds, "1");
        o.sub.exposure = Some(Exposure::of(Dec::ZERO, (Dec::ZERO, Dec::ZERO), Unit::plain(d(worth)), o.qty));
        o.sub.equity = Ok(d(equity));
        (o.follower.exposure, o.follower.equity) = (o.sub.exposure, o.sub.equity);
        told(&o)
    };
    assert_eq!(found("2", "3", "6"), (d("1"), None));
    assert_eq!(found("2", "3", "10"), (Dec::ZERO, Some((d("2"), d("3.333333333333333334")))));
    // Half of three parts of the last decimal allows one of them.
    let (left, refused) = found("0.5", "0.000000000000000003", "0.000000000000000002");
    assert_eq!((left, refused.is_some()), (Dec::ZERO, true));
}

/// Only bounds that compare a price or a worth ask for one: without quotes the others still let pass.
#[test]
fn a_price_and_a_worth_are_asked_for_by_the_bounds_that_need_them() {
    let some = Some(d("1"));
    let totals = |totals| Bounds { totals, ..none() };
    for (bounds, price, worth) in [
        (none(), false, false),
        (Bounds { max_order_qty: some, ..none() }, false, false),
        (Bounds { max_position: some, ..none() }, false, false),
        (Bounds { price_collar_bps: some, ..none() }, false, false),
        (totals(Totals { max_open_orders: Some(1), ..Totals::default() }), false, false),
        (Bounds { max_order_value: some, ..none() }, true, false),
        (totals(Totals { max_exposure: some, ..Totals::default() }), true, true),
        (totals(Totals { max_leverage: some, ..Totals::default() }), true, true),
    ] {
        assert_eq!((bounds.ask_price(), bounds.totals.ask_worth()), (price, worth), "{bounds:?}");
    }
}

/// Only the size of the order, and nothing that has to be asked: then a lane is free up to its smaller bound.
#[test]
fn a_lane_is_free_up_to_its_smaller_size_unless_something_is_asked() {
    let some = Some(d("1"));
    let size = |limit| Bounds { max_order_qty: Some(d(limit)), ..none() };
    assert_eq!(free_up_to(&none(), &none(), false), Some(Dec::from_raw(i128::MAX)));
    assert_eq!(free_up_to(&none(), &none(), true), None);
    assert_eq!(free_up_to(&size("7"), &size("5"), false), Some(d("5")));
    assert_eq!(free_up_to(&none(), &size("5"), false), Some(d("5")));
    for asks in [
        Bounds { max_position: some, ..none() },
        Bounds { max_order_value: some, ..none() },
        Bounds { price_collar_bps: some, ..none() },
        Bounds {
            price_windows: Some([crate::config::PriceWindow { bps: d("1"), window_ms: 1 }].into()),
            ..none()
        },
        Bounds { totals: Totals { max_open_orders: Some(1), ..Totals::default() }, ..none() },
    ] {
        assert_eq!(free_up_to(&asks, &none(), false), None, "{asks:?}");
        assert_eq!(free_up_to(&none(), &asks, false), None, "{asks:?}");
    }
}
