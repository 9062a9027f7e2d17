//! Price collars, and copies that are too large for what the leader holds.

use crate::support::d;
use crate::{EURUSD, OTHER, S, at_most, copied, desk, quantities, quote, refused, split, trade, window};
use fastcore::config::OrderType;

/// A market order is judged by the price that it is copied at, against the middle of a fresh quote, both ways.
#[test]
fn a_trade_far_from_the_market_is_not_copied() {
    let mut w = desk(|c| c.subscriptions[0].limits.default.price_collar_bps = at_most("50"));
    assert!(trade(&mut w, EURUSD, true, "5", "1").is_empty(), "nobody knows the market");
    assert_eq!(refused(&w, "no_quote"), 1);
    quote(&mut w, "EURUSD", "0.999", "1.001");
    assert_eq!(copied(&mut w, EURUSD, true, "5", "1.005").len(), 1, "at the collar");
    assert!(trade(&mut w, EURUSD, true, "5", "1.00501").is_empty());
    assert_eq!(copied(&mut w, EURUSD, true, "5", "0.995").len(), 1);
    assert!(trade(&mut w, EURUSD, true, "5", "0.99499").is_empty());
    assert_eq!(refused(&w, "price_collar"), 2);
    // What was refused is not in the target: the close is of what is held, whatever its price.
    assert_eq!(quantities(&copied(&mut w, EURUSD, false, "25", "3")), ["10"]);
    w.now += 61 * S;
    assert!(trade(&mut w, EURUSD, true, "5", "1").is_empty(), "the quote is too old");
}

/// A limit is judged by its own price: the allowed slippage counts.
#[test]
fn a_limit_far_from_the_market_is_not_sent() {
    let mut w = desk(|c| {
        let s = &mut c.subscriptions[0];
        (s.order_type, s.max_slippage_bps) = (OrderType::Limit, d("40"));
        s.limits.default.price_collar_bps = at_most("50");
    });
    quote(&mut w, "EURUSD", "1", "1");
    assert_eq!(copied(&mut w, EURUSD, true, "5", "1.001").len(), 1);
    assert!(trade(&mut w, EURUSD, true, "5", "1.0012").is_empty());
    assert_eq!(trade(&mut w, EURUSD, false, "50", "0.999").len(), 2, "a close, and an open below the market");
}

/// Where the follower's instrument has another price scale, the leader's quote is scaled as the leader's price is.
#[test]
fn a_collar_knows_the_price_factor() {
    let mut w = desk(|c| {
        let s = &mut c.subscriptions[0];
        s.symbol_map.get_mut("EURUSD").unwrap().price_factor = d("100");
        s.limits.default.price_collar_bps = at_most("50");
    });
    quote(&mut w, "EURUSD", "1", "1");
    assert_eq!(trade(&mut w, EURUSD, true, "5", "1.005").len(), 1);
    assert!(trade(&mut w, EURUSD, true, "5", "1.006").is_empty());
}

/// Fixed lots: the leader holds 3, of which the follower's 10 are more than three times as much.
#[test]
fn a_copy_is_never_so_many_times_the_leaders_position() {
    let fixed = serde_json::from_str(r#"{"mode":"fixed","lots":"10"}"#).unwrap();
    let mut w = desk(|c| {
        c.subscriptions[0].sizing = fixed;
        c.subscriptions[0].max_amplification = at_most("3");
    });
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "3", "1.1")), ["9"]);
    assert_eq!(refused(&w, "amplification"), 1);
    // 3 + 4 = 7 allow 21: 9 are held, 10 are asked for.
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "4", "1.1")), ["10"]);
    // Positions are compared: 8 of the leader allow 24, of which 19 are held.
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "1", "1.1")), ["5"]);
    // A close is not asked.
    assert_eq!(quantities(&copied(&mut w, EURUSD, false, "8", "1.1")), ["24"]);
    assert_eq!(copied(&mut w, OTHER, true, "3", "1.1").len(), 1, "another subscription has no such bound");
}

/// What waits for its smallest lot is many times one fill, and no more than the leader's position.
#[test]
fn what_waited_for_its_smallest_lot_is_no_amplification() {
    let mut w = desk(|c| {
        c.subscriptions[0].max_amplification = at_most("1");
        c.instruments[0].min_lot = crate::support::lots("10");
    });
    for _ in 0..9 {
        assert!(trade(&mut w, EURUSD, true, "1", "1.1").is_empty());
    }
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "1", "1.1")), ["10"]);
    assert_eq!(refused(&w, "amplification"), 0);
}

/// The map's factor is a part of what is compared.
#[test]
fn amplification_compares_units_with_their_factor() {
    let mut w = desk(|c| {
        c.subscriptions[0].max_amplification = at_most("1");
        c.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap().qty_factor = d("2");
        c.subscriptions[0].reverse = true;
    });
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "3", "1.1")), ["6"]);
    assert_eq!(refused(&w, "amplification"), 0);
}

/// 100 bps around a window of 10 s: a market that fell by 2 % within it opens nothing, at any price near its newest quote;
/// when the window has passed it opens again. Closes go out.
#[test]
fn a_fast_market_opens_nothing_until_its_window_has_passed() {
    let mut w = desk(|c| {
        let set = &mut c.followers[0].limits.default;
        set.price_windows = window(Some("100"), 10_000);
    });
    assert!(trade(&mut w, EURUSD, true, "1", "1").is_empty(), "no quote: nobody can say");
    assert_eq!(refused(&w, "no_quote"), 1);
    quote(&mut w, "EURUSD", "1", "1");
    assert_eq!(copied(&mut w, EURUSD, true, "5", "1.01").len(), 1, "at the bound");
    w.now += 4 * S;
    quote(&mut w, "EURUSD", "0.98", "0.98");
    assert!(trade(&mut w, EURUSD, true, "1", "0.98").is_empty(), "far from where it was");
    assert!(trade(&mut w, EURUSD, true, "1", "1").is_empty(), "far from where it is");
    assert_eq!(refused(&w, "price_collar_window"), 2);
    assert_eq!(copied(&mut w, EURUSD, false, "2", "0.98").len(), 1);
    w.now += 11 * S;
    assert_eq!(copied(&mut w, EURUSD, true, "1", "0.98").len(), 1, "a quiet quote is the market");
    w.now += 60 * S;
    assert!(trade(&mut w, EURUSD, true, "1", "0.98").is_empty(), "older than max_age_ms");
    assert_eq!(refused(&w, "no_quote"), 2);
}

/// Two for one, at half the price: where the market was before is no window of now.
#[test]
fn a_split_is_no_fast_market() {
    let mut w = desk(|c| {
        c.followers[0].limits.default.price_windows = window(Some("100"), 10_000);
    });
    quote(&mut w, "EURUSD", "1", "1");
    copied(&mut w, EURUSD, true, "4", "1");
    split(&mut w, "2");
    assert!(trade(&mut w, EURUSD, true, "1", "0.5").is_empty(), "no quote of now");
    quote(&mut w, "EURUSD", "0.5", "0.5");
    assert_eq!(copied(&mut w, EURUSD, true, "1", "0.5").len(), 1);
    assert_eq!((refused(&w, "price_collar_window"), refused(&w, "no_quote")), (0, 1));
}

/// 50 bps of 5 s and 500 bps of an hour are two bounds: a quick move within one and a slow one within the other are each
/// refused, and a move within both is copied.
#[test]
fn every_window_keeps_its_own_bound() {
    let mut w = desk(|c| {
        c.followers[0].limits.default.price_windows =
            [window(Some("50"), 5_000), window(Some("500"), 3_600_000)].concat();
    });
    quote(&mut w, "EURUSD", "1", "1");
    assert_eq!(copied(&mut w, EURUSD, true, "1", "1").len(), 1);
    w.now += 60 * S;
    quote(&mut w, "EURUSD", "1.03", "1.03");
    w.now += 6 * S;
    quote(&mut w, "EURUSD", "1.03", "1.03");
    w.now += 58 * S;
    quote(&mut w, "EURUSD", "1.04", "1.04");
    assert_eq!(copied(&mut w, EURUSD, true, "1", "1.04").len(), 1, "4 % within the hour, nothing within 5 s");
    assert!(trade(&mut w, EURUSD, true, "1", "1.05").is_empty(), "0.96 % within 5 s");
    let refused_at = |w: &crate::support::World| refused(w, "price_collar_window");
    assert_eq!(refused_at(&w), 1);
    w.now += 58 * S;
    quote(&mut w, "EURUSD", "1.06", "1.06");
    assert!(trade(&mut w, EURUSD, true, "1", "1.06").is_empty(), "6 % within the hour");
    assert_eq!(refused_at(&w), 2);
}

/// Five seconds are five seconds beside an hour: what was quoted 46 s ago is none of them.
#[test]
fn a_short_window_is_as_short_beside_a_long_one() {
    for hour in [None, Some("500")] {
        let mut w = desk(|c| {
            c.followers[0].limits.default.price_windows =
                [window(Some("50"), 5_000), window(hour, 3_600_000)].concat();
        });
        quote(&mut w, "EURUSD", "1", "1");
        w.now += 40 * S;
        quote(&mut w, "EURUSD", "1.04", "1.04");
        assert!(trade(&mut w, EURUSD, true, "1", "1.05").is_empty(), "0.96 % within 5 s");
        w.now += 6 * S;
        quote(&mut w, "EURUSD", "1.04", "1.04");
        assert_eq!(
            copied(&mut w, EURUSD, true, "1", "1.04").len(),
            1,
            "4 % within the hour, nothing within 5 s"
        );
    }
}

/// When the market has been still for longer than the window only its newest quote counts, and not those just before it.
#[test]
fn of_a_market_that_has_been_still_only_the_newest_quote_counts() {
    let mut w = desk(|c| c.followers[0].limits.default.price_windows = window(Some("50"), 5_000));
    quote(&mut w, "EURUSD", "1", "1");
    quote(&mut w, "EURUSD", "1.04", "1.04");
    assert!(trade(&mut w, EURUSD, true, "1", "1.04").is_empty());
    w.now += 6 * S;
    assert_eq!(copied(&mut w, EURUSD, true, "1", "1.04").len(), 1);
    assert_eq!(refused(&w, "price_collar_window"), 1);
}

/// A quote of the longer window that is beyond any number leaves nobody to say how far it is: nothing is opened, whatever
/// the shorter window says.
#[test]
fn what_one_window_cannot_say_no_other_says_for_it() {
    let mut w = desk(|c| {
        c.followers[0].limits.default.price_windows =
            [window(Some("50"), 5_000), window(Some("500"), 3_600_000)].concat();
        c.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap().price_factor = d("1000");
    });
    quote(&mut w, "EURUSD", "1000000000000000000", "1000000000000000000");
    for _ in 0..2 {
        w.now += 60 * S;
        quote(&mut w, "EURUSD", "1", "1");
    }
    assert!(trade(&mut w, EURUSD, true, "1", "1").is_empty());
    assert_eq!((refused(&w, "no_quote"), refused(&w, "price_collar_window")), (1, 0));
}

/// A quote that comes late is in the window of its own time: 12 s after it was so it is no part of 10 s any more.
#[test]
fn a_quote_that_comes_late_is_in_the_window_of_its_own_time() {
    for (late, opens) in [(8, true), (4, false)] {
        let mut w = desk(|c| c.followers[0].limits.default.price_windows = window(Some("100"), 10_000));
        let mut time = Vec::new();
        fastcore::time::write_utc(w.now - late * S, &mut time);
        let time = String::from_utf8(time).unwrap();
        let raw = format!("35=W|34=1|52={time}|55=EURUSD|268=2|269=0|270=2|269=1|270=2|");
        w.apply(fastcore::event::EventKind::Leader, "L", &crate::support::fix(&raw));
        w.now += 4 * S;
        quote(&mut w, "EURUSD", "1", "1");
        assert_eq!(trade(&mut w, EURUSD, true, "1", "1").len(), usize::from(opens), "{late} s late");
    }
}

/// However many quotes come: their parts are bounded, and the lowest of each is remembered until the window has passed.
#[test]
fn many_quotes_take_bounded_room() {
    let mut w = desk(|c| {
        let set = &mut c.subscriptions[0].limits.default;
        set.price_windows = window(Some("100"), 10_000);
    });
    quote(&mut w, "EURUSD", "0.5", "0.5");
    for _ in 0..9_000 {
        quote(&mut w, "EURUSD", "1", "1");
        w.now += 1_000_000;
    }
    assert!(trade(&mut w, EURUSD, true, "1", "1").is_empty());
    for _ in 0..2_000 {
        quote(&mut w, "EURUSD", "1", "1");
        w.now += 1_000_000;
    }
    assert_eq!(trade(&mut w, EURUSD, true, "1", "1").len(), 1);
    assert!(w.engine.state().ranges.values().all(|list| list.len() <= 66));
}
