//! Bounds over everything that an account, or one subscription, holds and has entered.

use crate::support::d;
use crate::{
    DAX, EURUSD, OTHER, S, account, at_most, copied, desk, equity, quantities, quote, refused, restarted,
    trade,
};
use fastcore::config::OnBreach;

/// Orders of all instruments and subscriptions count while they are not done; a done one makes room.
#[test]
fn open_orders_of_the_whole_account_are_counted() {
    let mut w = desk(|c| account(c).max_open_orders = Some(2));
    let first = trade(&mut w, EURUSD, true, "5", "1.1");
    assert_eq!(trade(&mut w, DAX, true, "1", "100").len(), 1);
    assert!(trade(&mut w, OTHER, true, "5", "1.1").is_empty());
    assert_eq!(refused(&w, "max_open_orders"), 1);
    crate::fill_all(&mut w, first);
    assert_eq!(quantities(&trade(&mut w, OTHER, true, "7", "1.1")), ["7"]);
    // A close needs no room.
    assert_eq!(quantities(&trade(&mut w, EURUSD, false, "5", "1.1")), ["5"]);
}

/// A bound of one subscription does not count the orders of another one.
#[test]
fn open_orders_of_a_subscription_are_its_own() {
    let mut w = desk(|c| c.subscriptions[1].limits.totals.max_open_orders = Some(1));
    assert_eq!(trade(&mut w, EURUSD, true, "5", "1.1").len(), 1);
    assert_eq!(trade(&mut w, OTHER, true, "5", "1.1").len(), 1);
    assert!(trade(&mut w, OTHER, true, "5", "1.1").is_empty());
    assert_eq!(trade(&mut w, EURUSD, true, "5", "1.1").len(), 1);
}

/// 1,000 USD in all: 500 x 1.1 of one leader and 2 DAX at 100 EUR, of which one EUR is 1.1 USD; the rest is for the other.
#[test]
fn exposure_adds_instruments_currencies_and_leaders() {
    let mut w = desk(|c| account(c).max_exposure = at_most("1000"));
    quote(&mut w, "EURUSD", "1.1", "1.1");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "500", "1.1")), ["500"]);
    assert_eq!(quantities(&copied(&mut w, DAX, true, "2", "100")), ["2"]);
    // 550 + 220 = 770; 230 are left, or 209 units at 1.1. A short is worth what a long is.
    assert_eq!(quantities(&copied(&mut w, OTHER, false, "300", "1.1")), ["209"]);
    assert_eq!(refused(&w, "max_exposure"), 1);
    // Closes are not asked, and make room.
    assert_eq!(quantities(&copied(&mut w, EURUSD, false, "500", "1.1")), ["500"]);
    assert_eq!(quantities(&copied(&mut w, DAX, true, "9", "100")), ["5"]);
}

/// What is entered counts before it is filled, and what was rejected no more.
#[test]
fn exposure_counts_orders_entered() {
    let mut w = desk(|c| account(c).max_exposure = at_most("110"));
    quote(&mut w, "EURUSD", "1.1", "1.1");
    let open = trade(&mut w, EURUSD, true, "80", "1.1");
    assert_eq!(quantities(&trade(&mut w, OTHER, true, "80", "1.1")), ["20"]);
    w.out(&open[0]);
    w.reject(&open[0]);
    assert_eq!(quantities(&trade(&mut w, EURUSD, true, "90", "1.1")), ["80"]);
}

/// Turning a position around is worth the larger of both sides, not their sum.
#[test]
fn a_flip_is_worth_its_larger_side() {
    let mut w = desk(|c| account(c).max_exposure = at_most("110"));
    quote(&mut w, "EURUSD", "1.1", "1.1");
    copied(&mut w, EURUSD, false, "100", "1.1");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "250", "1.1")), ["100", "100"]);
}

/// Without a price or an exchange rate nobody can say what it is worth: not opened, closed all the same.
#[test]
fn without_a_rate_nothing_is_opened() {
    let mut w = desk(|c| account(c).max_exposure = at_most("1000"));
    assert!(trade(&mut w, DAX, true, "1", "100").is_empty(), "no quote of EURUSD, so no rate");
    assert_eq!(refused(&w, "no_quote"), 1);
    quote(&mut w, "EURUSD", "1.1", "1.1");
    copied(&mut w, DAX, true, "1", "100");
    w.now += 3_601 * S;
    // The rate is too old now, for what is held as well.
    assert!(trade(&mut w, EURUSD, true, "1", "1.1").is_empty());
    assert_eq!(quantities(&copied(&mut w, DAX, false, "1", "100")), ["1"]);
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "1", "1.1")), ["1"]);
}

/// Twice an equity of 100 is 200; the equity is the broker's or a person's, and must be known and young.
#[test]
fn leverage_is_exposure_by_equity() {
    let mut w = desk(|c| account(c).max_leverage = at_most("2"));
    quote(&mut w, "EURUSD", "1.25", "1.25");
    assert!(trade(&mut w, EURUSD, true, "1", "1.25").is_empty());
    assert_eq!(refused(&w, "bad_account"), 1);
    equity(&mut w, "100");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "200", "1.25")), ["160"]);
    assert_eq!(refused(&w, "max_leverage"), 1);
    equity(&mut w, "150");
    assert_eq!(quantities(&copied(&mut w, OTHER, true, "100", "1.25")), ["80"]);
    equity(&mut w, "-1");
    assert!(trade(&mut w, OTHER, true, "1", "1.25").is_empty());
    assert_eq!(refused(&w, "bad_account"), 2);
    equity(&mut w, "5000");
    w.now += 3_601 * S;
    quote(&mut w, "EURUSD", "1.25", "1.25");
    assert!(trade(&mut w, OTHER, true, "1", "1.25").is_empty());
    assert_eq!(refused(&w, "stale_account"), 1);
}

/// A guarded account's equity is the one of now: what was lost since the broker's word leaves less to open.
#[test]
fn leverage_goes_by_the_equity_that_guards_work_out() {
    let mut w = desk(|c| {
        account(c).max_leverage = at_most("2");
        let rules = r#"{"zone":"UTC","day_begins_s":0,"max_age_ms":3600000,"rules":[{"rule":"equity_floor","amount":"1"}]}"#;
        c.followers[0].guards = Some(Box::new(serde_json::from_str(rules).unwrap()));
    });
    quote(&mut w, "EURUSD", "1", "1");
    equity(&mut w, "100");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "100", "1")), ["100"]);
    // Bought at 1.1 by the broker's fill, worth 1: 10 are lost, and 2 x 90 less 100 are left.
    assert_eq!(quantities(&copied(&mut w, OTHER, true, "100", "1")), ["80"]);
    assert_eq!(refused(&w, "max_leverage"), 1);
}

/// A rate that is missing is told before an equity that is.
#[test]
fn leverage_asks_for_rates_before_it_asks_for_the_equity() {
    let mut w = desk(|c| account(c).max_leverage = at_most("2"));
    assert!(trade(&mut w, DAX, true, "1", "1.1").is_empty());
    assert_eq!((refused(&w, "no_quote"), refused(&w, "bad_account")), (1, 0));
    quote(&mut w, "EURUSD", "1.1", "1.1");
    assert!(trade(&mut w, DAX, true, "1", "1.1").is_empty());
    assert_eq!((refused(&w, "no_quote"), refused(&w, "bad_account")), (1, 1));
}

/// Each of several leaders has its own share of the account: three at k = 1 are not three times the leverage.
#[test]
fn each_subscription_has_its_share_of_the_account() {
    let mut w = desk(|c| {
        account(c).max_leverage = at_most("1");
        for s in &mut c.subscriptions {
            s.limits.totals.max_leverage = at_most("0.6");
        }
    });
    quote(&mut w, "EURUSD", "1", "1");
    equity(&mut w, "100");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "100", "1")), ["60"]);
    assert_eq!(quantities(&copied(&mut w, OTHER, true, "100", "1")), ["40"]);
    assert_eq!(refused(&w, "max_leverage"), 2);
}

/// Leverage of a subscription is measured by its part of the account; that of the account by all of it.
#[test]
fn leverage_of_a_subscription_is_of_its_capital() {
    let mut w = desk(|c| {
        account(c).max_leverage = at_most("2");
        for (s, share) in c.subscriptions.iter_mut().zip(["0.3", "0.7"]) {
            s.limits.totals.max_leverage = at_most("2");
            s.capital_share = d(share);
        }
    });
    quote(&mut w, "EURUSD", "1", "1");
    equity(&mut w, "100");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "100", "1")), ["60"]);
    assert_eq!(quantities(&copied(&mut w, OTHER, true, "200", "1")), ["140"]);
    assert_eq!(refused(&w, "max_leverage"), 2);
}

/// `refuse` opens nothing where `clip` opens a part, and a restart forgets nothing of what is held.
#[test]
fn a_restart_keeps_what_is_counted() {
    let limits = |c: &mut fastcore::config::Config| {
        account(c).max_exposure = at_most("110");
        c.followers[0].limits.default.on_breach = OnBreach::Refuse;
    };
    let mut w = desk(limits);
    quote(&mut w, "EURUSD", "1.1", "1.1");
    copied(&mut w, EURUSD, true, "60", "1.1");
    restarted(&mut w, limits);
    w.link(8);
    assert!(trade(&mut w, OTHER, true, "41", "1.1").is_empty());
    assert_eq!(quantities(&trade(&mut w, OTHER, true, "40", "1.1")), ["40"]);
}

/// A bound that is added while positions are held counts them.
#[test]
fn a_bound_that_is_new_counts_what_is_held() {
    let mut w = desk(|_| {});
    quote(&mut w, "EURUSD", "1.1", "1.1");
    copied(&mut w, EURUSD, true, "60", "1.1");
    restarted(&mut w, |c| account(c).max_exposure = at_most("110"));
    w.link(8);
    assert_eq!(quantities(&trade(&mut w, OTHER, true, "41", "1.1")), ["40"]);
    assert_eq!(w.engine.status().subscriptions[0].filled, d("60"));
}

/// The venue of the follower has another name for it and gives no quotes: the leader's fresh quote counts, not his last
/// trade, with the factor of the map.
#[test]
fn worth_goes_by_the_leaders_quote_where_the_follower_has_none() {
    let mut w = desk(|c| {
        let map = c.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap();
        (map.instrument, map.price_factor) = ("DAX".to_owned(), d("2"));
        c.instruments[1].currency = "USD".to_owned();
        account(c).max_exposure = at_most("100");
    });
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "4", "10")), ["4"], "80 by his trade");
    quote(&mut w, "EURUSD", "6", "6");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "9", "10")), ["4"], "8 at 12 are 96");
    quote(&mut w, "DAX", "11", "11");
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "9", "10")), ["1"], "its own quote comes first");
}
