//! Each bound by itself, several at once, and what no bound touches.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

fn int(n: i64) -> Dec {
    Dec::from_int(n)
}

fn bounds() -> (Bounds, Bounds) {
    let sub = Bounds { max_order_qty: Some(int(5)), ..Bounds::default() };
    (sub, Bounds { max_position: Some(int(8)), ..Bounds::default() })
}

fn scope(bounds: &Bounds, position: i64) -> Scope<'_> {
    let equity = Err(Code::BadAccount);
    Scope { bounds, off_range: None, position: int(position), orders: 0, exposure: None, equity }
}

fn open((sub, follower): &(Bounds, Bounds), qty: i64) -> Open<'_> {
    Open {
        qty: int(qty),
        px: None,
        venue_max: None,
        beside: Dec::ZERO,
        replaces: false,
        off_market_bps: None,
        sub: scope(sub, 0),
        follower: scope(follower, 4),
        together: &[],
        amplification: None,
        drift: None,
        messages: None,
    }
}

fn run(o: &Open<'_>) -> (Dec, Vec<Code>) {
    let mut r = Vec::new();
    let left = admit(o, &mut r);
    (left, r.into_iter().map(|r| r.code).collect())
}

fn totals(of: Totals, on_breach: OnBreach) -> (Bounds, Bounds) {
    (Bounds::default(), Bounds { totals: of, on_breach, ..Bounds::default() })
}

/// The smallest clip wins and every code is recorded.
#[test]
fn several_clips_leave_the_smallest_and_all_codes() {
    assert_eq!(run(&open(&bounds(), 3)), (int(3), vec![]));
    assert_eq!(run(&open(&bounds(), 9)), (int(4), vec![Code::MaxOrderQty, Code::MaxPosition]));
}

/// `refuse` sends nothing where `clip` would send less.
#[test]
fn refuse_sends_nothing() {
    let mut bounds = bounds();
    bounds.0.on_breach = OnBreach::Refuse;
    assert_eq!(run(&open(&bounds, 9)), (Dec::ZERO, vec![Code::MaxOrderQty]));
}

/// What is held and entered leaves no room: nothing is opened, and never a negative quantity.
#[test]
fn a_bound_that_is_passed_already_leaves_nothing() {
    let bounds = bounds();
    let mut o = open(&bounds, 1);
    o.follower.position = int(11);
    assert_eq!(run(&o), (Dec::ZERO, vec![Code::MaxPosition]));
}

/// One order is one place; what the venue takes in parts is as many.
#[test]
fn open_orders_are_counted_by_the_parts_that_the_venue_makes() {
    let of = Totals { max_open_orders: Some(4), ..Totals::default() };
    let found = |orders, venue_max: Option<i64>, qty, on_breach| {
        let bounds = totals(of, on_breach);
        let mut o = open(&bounds, qty);
        (o.follower.orders, o.venue_max) = (orders, venue_max.map(int));
        let mut r = Vec::new();
        (admit(&o, &mut r), r.first().map(|r| (r.code, r.limit, r.value)))
    };
    let over = |value| Some((Code::MaxOpenOrders, int(4), int(value)));
    assert_eq!(found(3, None, 9, OnBreach::Clip), (int(9), None));
    assert_eq!(found(4, None, 9, OnBreach::Clip), (Dec::ZERO, over(5)));
    assert_eq!(found(9, None, 9, OnBreach::Clip), (Dec::ZERO, over(10)));
    assert_eq!(found(2, Some(3), 6, OnBreach::Clip), (int(6), None));
    assert_eq!(found(2, Some(3), 7, OnBreach::Clip), (int(6), over(5)));
    assert_eq!(found(2, Some(3), 7, OnBreach::Refuse), (Dec::ZERO, over(5)));
}

/// Each part is a message; what does not fit is cut off, or refused with all.
#[test]
fn messages_that_are_left_bound_the_parts_of_an_open() {
    let found = |room, qty, on_breach| {
        let bounds = (Bounds { on_breach, ..Bounds::default() }, Bounds::default());
        let messages = Some(Messages { limit: 9, room });
        let mut r = Vec::new();
        let left = admit(&Open { messages, venue_max: Some(int(3)), ..open(&bounds, qty) }, &mut r);
        (left, r.first().map(|r| (r.code, r.limit, r.value)))
    };
    assert_eq!(found(2, 6, OnBreach::Clip), (int(6), None));
    assert_eq!(found(2, 7, OnBreach::Clip), (int(6), Some((Code::MaxMessages, int(9), int(10)))));
    assert_eq!(found(2, 7, OnBreach::Refuse).0, Dec::ZERO);
    assert_eq!(found(0, 1, OnBreach::Clip), (Dec::ZERO, Some((Code::MaxMessages, int(9), int(10)))));
}

/// A line is worth its larger side, at the price of now; what others hold is added.
#[test]
fn exposure_counts_the_larger_side_of_the_line_and_all_others() {
    let of = Totals { max_exposure: Some(int(100)), ..Totals::default() };
    let found = |others, same, opposite, qty| {
        let bounds = totals(of, OnBreach::Clip);
        let mut o = open(&bounds, qty);
        let (others, same, opposite) = (int(others), int(same), int(opposite));
        o.follower.exposure = Some(Exposure::of(others, (same, opposite), Unit::plain(int(3)), o.qty));
        let mut r = Vec::new();
        (admit(&o, &mut r), r.first().map(|r| r.value))
    };
    // 10 + 3 x 30 is the bound itself; one unit more is not.
    assert_eq!(found(10, 10, 0, 20), (int(20), None));
    assert_eq!(found(10, 10, 0, 21), (int(20), Some(int(103))));
    // Turning 30 short into 30 long never holds 60.
    assert_eq!(found(10, 0, 30, 30), (int(30), None));
    assert_eq!(found(10, 0, 30, 31), (int(30), Some(int(103))));
    // The other side alone is above it: nothing more is opened.
    assert_eq!(found(10, 0, 31, 5), (Dec::ZERO, Some(int(103))));
    assert_eq!(found(200, 0, 0, 5), (Dec::ZERO, Some(int(215))));
}

/// Leverage is exposure by equity: without an equity, or a price, nothing is opened.
#[test]
fn leverage_compares_exposure_with_equity() {
    let of = Totals { max_leverage: Some(int(2)), ..Totals::default() };
    let found = |equity: Result<i64, Code>, priced: bool, qty| {
        let bounds = totals(of, OnBreach::Clip);
        let mut o = open(&bounds, qty);
        o.follower.equity = equity.map(int);
        let exposure = Exposure::of(Dec::ZERO, (Dec::ZERO, Dec::ZERO), Unit::plain(int(5)), o.qty);
        o.follower.exposure = priced.then_some(exposure);
        run(&o)
    };
    assert_eq!(found(Ok(50), true, 20), (int(20), vec![]));
    assert_eq!(found(Ok(50), true, 21), (int(20), vec![Code::MaxLeverage]));
    assert_eq!(found(Ok(0), true, 1), (Dec::ZERO, vec![Code::BadAccount]));
    assert_eq!(found(Ok(-9), true, 1), (Dec::ZERO, vec![Code::BadAccount]));
    assert_eq!(found(Err(Code::StaleAccount), true, 1), (Dec::ZERO, vec![Code::StaleAccount]));
    assert_eq!(found(Ok(50), false, 1), (Dec::ZERO, vec![Code::NoQuote]));
}

/// At the collar it may be opened, beyond it not, and not where nobody knows; the tighter of two collars counts.
#[test]
fn a_price_outside_its_collar_opens_nothing() {
    let collar = |bps| Bounds { price_collar_bps: Some(int(bps)), ..Bounds::default() };
    let found = |off: Option<i64>| {
        let bounds = (collar(9), collar(5));
        run(&Open { off_market_bps: off.map(int), ..open(&bounds, 3) })
    };
    assert_eq!(found(Some(5)), (int(3), vec![]));
    assert_eq!(found(Some(6)), (Dec::ZERO, vec![Code::PriceCollar]));
    assert_eq!(found(None), (Dec::ZERO, vec![Code::NoQuote]));
}

/// Positions are compared: what is held counts, what is left of the bound is opened.
#[test]
fn a_copy_is_cut_to_what_the_leaders_position_allows() {
    let found = |position, qty, on_breach| {
        let bounds = (Bounds { on_breach, ..Bounds::default() }, Bounds::default());
        let amplification = Some(Amplification { limit: int(10), position: int(position) });
        run(&Open { amplification, ..open(&bounds, qty) })
    };
    assert_eq!(found(4, 6, OnBreach::Clip), (int(6), vec![]));
    assert_eq!(found(4, 7, OnBreach::Clip), (int(6), vec![Code::Amplification]));
    assert_eq!(found(12, 7, OnBreach::Clip), (Dec::ZERO, vec![Code::Amplification]));
    assert_eq!(found(4, 7, OnBreach::Refuse), (Dec::ZERO, vec![Code::Amplification]));
}

/// At the bound it may be opened, above it not, and not where nobody knows.
#[test]
fn a_price_that_moved_too_far_or_is_not_known_opens_nothing() {
    let bounds = <(Bounds, Bounds)>::default();
    let found = |found: Option<i64>| {
        let drift = Some(Drift { limit: int(5), found: found.map(int) });
        run(&Open { drift, ..open(&bounds, 3) })
    };
    assert_eq!(found(Some(5)), (int(3), vec![]));
    assert_eq!(found(Some(6)), (Dec::ZERO, vec![Code::Drift]));
    assert_eq!(found(None), (Dec::ZERO, vec![Code::NoQuote]));
}

/// At 3 a unit an order worth 10 is 3 units and a rest; at the bound it passes, and without a price nothing does.
#[test]
fn an_order_worth_too_much_is_cut_to_its_value() {
    let of = |on_breach, limit| Bounds { max_order_value: Some(int(limit)), on_breach, ..Bounds::default() };
    let found = |px: Option<i64>, qty, on_breach| {
        let bounds = (of(on_breach, 12), of(OnBreach::Clip, 10));
        run(&Open { px: px.map(|px| Unit::plain(int(px))), ..open(&bounds, qty) })
    };
    assert_eq!(found(Some(2), 5, OnBreach::Clip), (int(5), vec![]));
    let (left, codes) = found(Some(3), 9, OnBreach::Clip);
    assert_eq!((left, codes), (int(10).div(int(3), Round::Down).unwrap(), vec![Code::MaxOrderValue]));
    assert_eq!(found(Some(3), 9, OnBreach::Refuse), (Dec::ZERO, vec![Code::MaxOrderValue]));
    assert_eq!(found(None, 1, OnBreach::Clip), (Dec::ZERO, vec![Code::NoQuote]));
    assert_eq!(found(Some(i64::MAX), i64::MAX, OnBreach::Clip).1, vec![Code::MaxOrderValue]);
}

proptest! {
    /// What is free by its lane passes every check whole.
    #[test]
    fn what_is_free_passes_the_whole_list(
        of in proptest::collection::vec(proptest::option::of(1_i64..20), 16),
        asked: bool, qty in 1_i64..25, entered in 0_i64..20, clips: bool,
    ) {
        let set = |of: &[Option<i64>]| Bounds {
            max_order_qty: of[0].map(int),
            max_position: of[1].map(int),
            max_order_value: of[2].map(int),
            price_collar_bps: of[3].map(int),
            price_windows: of[7].map(|n| [PriceWindow { bps: int(n), window_ms: 0 }].into()),
            on_breach: if clips { OnBreach::Clip } else { OnBreach::Refuse },
            totals: Totals {
                max_open_orders: of[4].map(|n| u32::try_from(n).unwrap()),
                max_exposure: of[5].map(int),
                max_leverage: of[6].map(int),
            },
        };
        let both = (set(&of[..8]), set(&of[8..]));
        let mut o = open(&both, qty);
        (o.sub.position, o.follower.position) = (int(entered), int(entered));
        o.follower.orders = u32::try_from(entered).unwrap();
        let free = free_up_to(o.sub.bounds, o.follower.bounds, asked);
        if free.is_some_and(|most| o.qty <= most) {
            prop_assert_eq!(run(&o), (o.qty, vec![]));
        }
        let nothing_set = of.iter().all(Option::is_none) && !asked;
        prop_assert!(!nothing_set || free.is_some());
    }

    /// Whatever is cut off, what is left is within every bound and not below zero.
    #[test]
    fn what_is_left_is_within_every_bound(
        qty in 1_i64..1_000, others in 0_i64..1_000, same in 0_i64..1_000, opposite in 0_i64..1_000,
        unit in 1_i64..50, limit in 1_i64..5_000, equity in 1_i64..500, times in 1_i64..20, orders in 0_u32..9,
        most in 1_i64..40, allowed in 0_u32..9,
    ) {
        let of = Totals {
            max_open_orders: Some(allowed),
            max_exposure: Some(int(limit)),
            max_leverage: Some(int(times)),
        };
        let bounds = totals(of, OnBreach::Clip);
        let mut o = open(&bounds, qty);
        let (others, same, opposite, unit) = (int(others), int(same), int(opposite), int(unit));
        let exposure = |qty| Exposure::of(others, (same, opposite), Unit::plain(unit), qty);
        o.venue_max = Some(int(most));
        o.follower = Scope { exposure: Some(exposure(o.qty)), orders, equity: Ok(int(equity)), ..o.follower };
        let (left, codes) = run(&o);
        prop_assert!(left >= Dec::ZERO && left <= o.qty);
        prop_assert_eq!(codes.is_empty(), left == o.qty);
        if left.is_positive() {
            let worth = exposure(left).after;
            prop_assert!(worth <= int(limit) && worth <= int(equity * times), "{worth}");
            let parts = parts(&Open { qty: left, ..o });
            prop_assert!(parts + orders <= allowed);
        }
    }

    /// Numbers at the ends of their type neither panic nor open anything that a bound forbids.
    #[test]
    fn extreme_numbers_neither_panic_nor_pass(raw in proptest::collection::vec(any::<i128>(), 6)) {
        let n = |i: usize| Dec::from_raw(raw[i].saturating_abs().max(1));
        let of = Totals { max_open_orders: Some(1), max_exposure: Some(n(0)), max_leverage: Some(n(1)) };
        let bounds = totals(of, OnBreach::Clip);
        let mut o = open(&bounds, 1);
        let exposure = |qty| Exposure::of(n(2), (n(3), n(4)), Unit::plain(n(5)), qty);
        (o.qty, o.venue_max) = (n(1), Some(n(3)));
        o.follower = Scope { exposure: Some(exposure(o.qty)), equity: Ok(n(0)), ..o.follower };
        let (left, _) = run(&o);
        prop_assert!(left >= Dec::ZERO && left <= o.qty);
        if left.is_positive() {
            prop_assert!(exposure(left).after <= n(0));
        }
    }
}
