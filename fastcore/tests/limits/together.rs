//! Bounds over all followers together: of the deployment, and of those that copy one leader.

use crate::support::{World, add_second, d, lots};
use crate::{
    DAX, EURUSD, OTHER, S, at_most, copied, desk, fill_all, quantities, quote, refused, restarted, split,
    tell, trade,
};
use fastcore::config::{Config, Dispatch, LimitSet, OnBreach, Together};

fn bounds(set: impl FnOnce(&mut Together)) -> Option<Together> {
    let mut of = Together { currency: Some("USD".to_owned()), max_age_ms: 3_600_000, ..Together::default() };
    set(&mut of);
    Some(of)
}

/// Two followers of `l`, the first of which copies `m` too.
fn two(change: impl FnOnce(&mut Config)) -> World {
    desk(|c| {
        c.dispatch = Dispatch::Listed;
        second(c);
        change(c);
    })
}

fn second(c: &mut Config) {
    add_second(c);
    c.subscriptions.last_mut().unwrap().name = "u".to_owned();
}

fn position(units: &str) -> Option<Together> {
    bounds(|of| of.limits.default.max_position_lots = Some(lots(units)))
}

/// 15 for all: the first of two followers opens 10, the second what is left; a third open finds no room, and closes are
/// not asked.
#[test]
fn a_position_counts_over_all_followers() {
    let mut w = two(|c| c.together = position("15"));
    let open = trade(&mut w, EURUSD, true, "10", "1.1");
    assert_eq!(quantities(&open), ["10", "5"], "entered is enough: nothing is filled yet");
    fill_all(&mut w, open);
    assert!(trade(&mut w, OTHER, true, "1", "1.1").is_empty());
    assert_eq!(refused(&w, "max_position"), 2);
    // Longs and shorts apart: somebody else's short is no room for a long, and has its own.
    let close = copied(&mut w, EURUSD, false, "4", "1.1");
    assert_eq!(quantities(&close), ["4", "2"]);
    assert_eq!(quantities(&copied(&mut w, OTHER, true, "20", "1.1")), ["6"]);
    assert_eq!(quantities(&copied(&mut w, OTHER, false, "40", "1.1")), ["6", "15"]);
}

/// The bound of one leader counts his copies, at all followers; another leader's have their own.
#[test]
fn a_leaders_bound_counts_his_copies_only() {
    let mut w = two(|c| c.leaders[0].together = position("15"));
    assert_eq!(quantities(&copied(&mut w, OTHER, true, "100", "1.1")), ["100"]);
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "10", "1.1")), ["10", "5"]);
    assert_eq!(quantities(&copied(&mut w, DAX, true, "20", "1.1")), ["15"], "another instrument");
}

/// What is opened is worth the side of the quote that would be traded: a sale at 10 and 20 is worth the 10.
#[test]
fn what_is_opened_is_worth_the_side_that_is_traded() {
    for (buy, opened) in [(true, "5"), (false, "10")] {
        let mut w = two(|c| c.together = bounds(|of| of.limits.totals.max_exposure = at_most("100")));
        quote(&mut w, "EURUSD", "10", "20");
        assert_eq!(quantities(&trade(&mut w, EURUSD, buy, "100", "10")), [opened]);
    }
}

/// An instrument of its own bound, and an open that is refused whole.
#[test]
fn an_instrument_may_have_a_bound_of_its_own() {
    let mut w = two(|c| {
        c.together = position("100");
        let tight = LimitSet {
            max_position_lots: Some(lots("15")),
            on_breach: OnBreach::Refuse,
            ..LimitSet::default()
        };
        c.together.as_mut().unwrap().limits.instruments.insert("EURUSD".to_owned(), tight);
    });
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "10", "1.1")), ["10"]);
    assert_eq!(quantities(&copied(&mut w, DAX, true, "90", "1.1")), ["90", "10"]);
}

/// An order that was rejected, or is done, makes room again; closes count.
#[test]
fn open_orders_count_over_all_followers() {
    let mut w = two(|c| c.together = bounds(|of| of.limits.totals.max_open_orders = Some(2)));
    let open = trade(&mut w, EURUSD, true, "1", "1.1");
    assert_eq!(open.len(), 2);
    assert!(trade(&mut w, OTHER, true, "1", "1.1").is_empty());
    assert_eq!(refused(&w, "max_open_orders"), 1);
    w.out(&open[0]);
    w.reject(&open[0]);
    assert_eq!(trade(&mut w, OTHER, true, "1", "1.1").len(), 1);
}

/// Of 100 USD: 30 EURUSD of each at 1.25 are 75; the DAX is in EUR. A line counts its larger side, all lines are added.
#[test]
fn worth_counts_over_all_followers_and_instruments() {
    let mut w = two(|c| c.together = bounds(|of| of.limits.totals.max_exposure = at_most("100")));
    quote(&mut w, "EURUSD", "1.25", "1.25");
    quote(&mut w, "DAX", "2", "2");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "30", "1.25")), ["30", "30"]);
    assert_eq!(quantities(&copied(&mut w, DAX, true, "20", "2")), ["10"], "25 USD are 20 EUR");
    assert!(trade(&mut w, OTHER, false, "1", "1.25").is_empty(), "a short is added to the longs");
    assert_eq!(refused(&w, "max_exposure"), 3);
    // The price falls: there is room again, for the first that asks.
    quote(&mut w, "EURUSD", "1", "1");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "30", "1")), ["20"]);
}

/// One for ten, at ten times the price: what is held is worth what it was, and not a tenth of it.
#[test]
fn a_split_changes_no_worth() {
    let mut w = two(|c| {
        c.together = bounds(|of| of.limits.totals.max_exposure = at_most("100"));
        c.instruments[1].currency = "USD".to_owned();
    });
    copied(&mut w, EURUSD, true, "40", "1");
    split(&mut w, "1/10");
    quote(&mut w, "DAX", "1", "1");
    assert!(trade(&mut w, DAX, true, "20", "1").is_empty(), "nobody knows what 8 are worth");
    assert_eq!(refused(&w, "no_quote"), 2);
    quote(&mut w, "EURUSD", "10", "10");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "2", "10")), ["2"], "80 are held");
}

/// Without a price or a rate nobody can say: not opened. Closes go out.
#[test]
fn what_cannot_be_valued_together_is_not_opened() {
    let mut w = two(|c| c.together = bounds(|of| of.limits.totals.max_exposure = at_most("1000")));
    assert!(trade(&mut w, DAX, true, "1", "2").is_empty(), "no rate from EUR to USD");
    assert_eq!(refused(&w, "no_quote"), 2);
    assert_eq!(copied(&mut w, EURUSD, true, "1", "1.1").len(), 2, "by the leader's trade");
    quote(&mut w, "EURUSD", "1.25", "1.25");
    assert_eq!(copied(&mut w, DAX, true, "1", "2").len(), 2);
    w.now += 3_601 * S;
    assert!(trade(&mut w, EURUSD, true, "1", "1.1").is_empty(), "the rate of what is held is too old");
    assert_eq!(copied(&mut w, EURUSD, false, "1", "1.1").len(), 2);
}

/// What is held counts for a bound that a new configuration brings, and after a restart.
#[test]
fn a_new_bound_and_a_restart_count_what_is_held() {
    let limits = |c: &mut Config| {
        second(c);
        c.together = position("25");
    };
    let mut w = two(|_| {});
    copied(&mut w, EURUSD, true, "10", "1.1");
    for incarnation in [8, 9] {
        restarted(&mut w, limits);
        w.link(incarnation);
        assert!(w.engine.together_is_exact());
        let open = trade(&mut w, OTHER, true, if incarnation == 8 { "4" } else { "9" }, "1.1");
        assert_eq!(quantities(&open), [if incarnation == 8 { "4" } else { "1" }]);
        fill_all(&mut w, open);
    }
    assert_eq!(w.engine.together_used().iter().map(|u| u.long).collect::<Vec<_>>(), [d("25")]);
    tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"no_opens"}"#);
}
