//! What a unit of the follower's instrument costs (decision 0032): one answer for sizing, limits and closes, whether it has
//! quotes of its own or stands for an instrument of the leader's at another price.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, InstrumentConfig};
use fastcore::event::EventKind;
use support::{SAME, Sent, World, d, one, tell};

const S: i64 = 1_000_000_000;
const TENTH: &str = r#"{"mode":"percent_equity","percent":"10"}"#;
const NOTIONAL: &str = r#"{"mode":"notional","k":"1"}"#;

/// EURUSD of the leader into an instrument of the follower, at so many times its price; the follower's account is in USD.
fn into(sizing: &str, instrument: &str, factor: &str, change: impl FnOnce(&mut Config)) -> World {
    World::with(sizing, "", |c| {
        let mini = InstrumentConfig { name: "MINI".to_owned(), ..c.instruments[0].clone() };
        c.instruments.push(mini);
        c.followers[0].currency = Some("USD".to_owned());
        c.followers[0].symbols.insert("MINI".to_owned(), "MINI".to_owned());
        let map = c.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap();
        (map.instrument, map.price_factor) = (instrument.to_owned(), d(factor));
        c.subscriptions[0].max_ratio = d("1000000");
        change(c);
    })
}

fn quote(w: &mut World, instrument: &str, bid: &str, ask: &str) -> Vec<Sent> {
    let text = format!(r#"{{"instrument":"{instrument}","bid":"{bid}","ask":"{ask}"}}"#);
    w.apply(EventKind::Quote, "", text.as_bytes())
}

fn account(w: &mut World, name: &str, equity: &str) {
    let text = format!(r#"{{"cmd":"account","who":"ann","account":"{name}","equity":"{equity}"}}"#);
    assert!(tell(w, &text).is_empty());
}

/// The leader buys, or sells, with an order of its own.
fn trade(w: &mut World, buy: bool, qty: &str, px: &str) -> Vec<Sent> {
    w.exec += 1;
    let (e, side, mut time) = (w.exec, if buy { 1 } else { 2 }, Vec::new());
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    let raw = support::fix(&format!(
        "35=8|34={e}|37=o{e}|17=E{e}|150=F|39=2|55=EURUSD|54={side}|38={qty}|32={qty}|31={px}|14={qty}|151=0|60={time}|"
    ));
    w.apply(EventKind::Leader, "L", &raw)
}

fn refused(w: &World, code: &str) -> u64 {
    w.engine.status().refusals.get(code).copied().unwrap_or(0)
}

// What an open is worth.

/// 10 % of 100,000 are 10,000: one unit at 100 x 100, by the sizing and by the limit that compares it.
#[test]
fn a_part_of_the_equity_is_counted_at_the_followers_price() {
    for instrument in ["EURUSD", "MINI"] {
        let mut w = into(TENTH, instrument, "100", |c| {
            c.subscriptions[0].limits.default.max_order_value = Some(d("10000"));
        });
        account(&mut w, "f", "100000");
        quote(&mut w, "EURUSD", "100", "100");
        one(&trade(&mut w, true, "5", "100"), true, "1");
        assert_eq!(refused(&w, "max_order_value"), 0, "10,000 is what it may be worth");
    }
}

/// A unit of the follower's costs 100 of the leader's: the same contract value is a hundredth of the units.
#[test]
fn the_same_contract_value_is_counted_at_the_followers_price() {
    for instrument in ["EURUSD", "MINI"] {
        let mut w = into(NOTIONAL, instrument, "100", |_| {});
        quote(&mut w, "EURUSD", "100", "100");
        one(&trade(&mut w, true, "700", "100"), true, "7");
    }
}

/// The middle of bid and ask, times the factor: neither side of the market gets more.
#[test]
fn sizing_goes_by_the_middle_of_the_market() {
    for buy in [true, false] {
        let mut w = into(TENTH, "MINI", "10", |_| {});
        account(&mut w, "f", "100000");
        quote(&mut w, "EURUSD", "90", "110");
        one(&trade(&mut w, buy, "5", "100"), buy, "10");
    }
}

/// The follower's instrument has quotes of its own: the leader's, times the factor, stands in only for one that is too old.
#[test]
fn a_fresh_quote_of_its_own_comes_first() {
    let mut w = into(TENTH, "MINI", "100", |c| c.subscriptions[0].account_max_age_ms = 10_000);
    account(&mut w, "f", "100000");
    quote(&mut w, "MINI", "5000", "5000");
    quote(&mut w, "EURUSD", "100", "100");
    one(&trade(&mut w, true, "5", "100"), true, "2");
    w.now += 11 * S;
    account(&mut w, "f", "100000");
    quote(&mut w, "EURUSD", "100", "100");
    one(&trade(&mut w, true, "5", "100"), true, "1");
}

/// A trade is the leader's word, and no market: without a quote nobody is sized by it.
#[test]
fn without_any_quote_nothing_is_sized() {
    for sizing in [TENTH, NOTIONAL] {
        let mut w = into(sizing, "MINI", "100", |_| {});
        account(&mut w, "f", "100000");
        assert!(trade(&mut w, true, "5", "100").is_empty());
        assert_eq!(refused(&w, "no_quote"), 1);
    }
}

// Exchange rates.

/// The leader has euros and the follower dollars. Two sections name EUR and USD, and one of them is quoted.
fn two_pairs(order: [&str; 2], change: impl FnOnce(&mut Config)) -> World {
    let equity = r#"{"mode":"equity","k":"1"}"#;
    World::with(equity, "", |c| {
        let pair = |name: &&str| InstrumentConfig {
            name: (*name).to_owned(),
            base: Some("EUR".to_owned()),
            ..c.instruments[0].clone()
        };
        c.instruments.extend(order.iter().map(pair).collect::<Vec<_>>());
        (c.leaders[0].currency, c.followers[0].currency) = (Some("EUR".to_owned()), Some("USD".to_owned()));
        change(c);
    })
}

/// The follower's 11,000 USD are 10,000 EUR at 1.1: as much as the leader has, by whichever section is quoted.
#[test]
fn a_rate_comes_from_the_pair_that_is_quoted_not_from_the_first_of_the_file() {
    for order in [["SPOT", "SWAP"], ["SWAP", "SPOT"]] {
        let mut w = two_pairs(order, |_| {});
        account(&mut w, "l", "10000");
        account(&mut w, "f", "11000");
        quote(&mut w, "SPOT", "1.1", "1.1");
        one(&trade(&mut w, true, "50", "1"), true, "50");
    }
}

/// Both are quoted: the newer quote counts, whichever section comes first.
#[test]
fn a_rate_comes_from_the_newest_quote() {
    for order in [["SPOT", "SWAP"], ["SWAP", "SPOT"]] {
        let mut w = two_pairs(order, |_| {});
        account(&mut w, "l", "10000");
        account(&mut w, "f", "11000");
        quote(&mut w, "SWAP", "2.2", "2.2");
        quote(&mut w, "SPOT", "1.1", "1.1");
        one(&trade(&mut w, true, "50", "1"), true, "50");
        w.now += S;
        quote(&mut w, "SWAP", "2.2", "2.2");
        one(&trade(&mut w, true, "50", "1"), true, "25");
    }
}

/// Dollars per euro, or euros per dollar: the newer of both.
#[test]
fn a_rate_may_be_the_inverse_of_the_newest_quote() {
    let mut w = two_pairs(["SPOT", "BACK"], |c| {
        let back = c.instruments.last_mut().unwrap();
        (back.base, back.currency) = (Some("USD".to_owned()), "EUR".to_owned());
    });
    account(&mut w, "l", "10000");
    account(&mut w, "f", "10000");
    quote(&mut w, "SPOT", "4", "4");
    quote(&mut w, "BACK", "0.5", "0.5");
    one(&trade(&mut w, true, "50", "1"), true, "25");
    quote(&mut w, "SPOT", "4", "4");
    one(&trade(&mut w, true, "48", "1"), true, "12");
}

/// Two quotes of one time: the first of the file counts, in whichever order they came.
#[test]
fn of_two_quotes_of_one_time_the_first_of_the_file_is_the_rate() {
    for came in [["SPOT", "SWAP"], ["SWAP", "SPOT"]] {
        let mut w = two_pairs(["SPOT", "SWAP"], |_| {});
        account(&mut w, "l", "10000");
        account(&mut w, "f", "11000");
        for name in came {
            let px = if name == "SPOT" { "1.1" } else { "2.2" };
            quote(&mut w, name, px, px);
            w.now -= 1_000;
        }
        one(&trade(&mut w, true, "50", "1"), true, "50");
    }
}

/// A currency that no section has beside the account's is never converted: opens are refused, by name.
#[test]
fn a_currency_without_a_pair_is_refused() {
    for sizing in [TENTH, NOTIONAL] {
        let mut w = into(sizing, "MINI", "1", |c| c.followers[0].currency = Some("CHF".to_owned()));
        account(&mut w, "f", "100000");
        quote(&mut w, "EURUSD", "100", "100");
        assert!(trade(&mut w, true, "5", "100").is_empty());
        assert_eq!(refused(&w, "no_quote"), 1);
    }
}

// Closes where the venue takes no market orders.

fn limit_only(instrument: &str, factor: &str) -> World {
    into(SAME, instrument, factor, |c| {
        c.profiles[0].order_types = vec![fastcore::profile::OrderType::Limit];
        c.subscriptions[0].order_type = fastcore::config::OrderType::Limit;
        c.subscriptions[0].max_slippage_bps = d("10");
        c.subscriptions[0].account_max_age_ms = 3_600_000;
    })
}

/// Everything that is sent is filled at once.
fn copied(w: &mut World, buy: bool, qty: &str, px: &str) {
    for s in trade(w, buy, qty, px) {
        w.fill(&s, &s.qty.clone(), &s.qty.clone());
    }
}

const CLOSE_NOW: &str = r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"close_now"}"#;

/// The market of the follower is at 10,000: a limit at 100.1 would never be met.
#[test]
fn a_close_goes_by_the_leaders_quote_times_the_factor() {
    for instrument in ["EURUSD", "MINI"] {
        let mut w = limit_only(instrument, "100");
        copied(&mut w, false, "5", "100");
        w.now += S;
        quote(&mut w, "EURUSD", "100", "100");
        assert_eq!(one(&tell(&mut w, CLOSE_NOW), true, "5").terms, "2|10010|3");
    }
}

/// Sold at 100 a minute ago, and quoted at 150 now: a limit at 100.1 would never be met.
#[test]
fn a_close_goes_by_the_quote_that_is_newer_than_the_trade() {
    for (instrument, quoted) in [("EURUSD", "EURUSD"), ("MINI", "EURUSD"), ("MINI", "MINI")] {
        let mut w = limit_only(instrument, "1");
        copied(&mut w, false, "5", "100");
        w.now += 60 * S;
        quote(&mut w, quoted, "150", "150");
        assert_eq!(one(&tell(&mut w, CLOSE_NOW), true, "5").terms, "2|150.15|3", "{instrument} {quoted}");
    }
}

/// The follower's instrument was quoted at 150 a minute ago, and the leader's at 100 now: a close goes by the newer one.
#[test]
fn a_close_goes_by_the_newer_one_of_both_quotes() {
    for (older, newer) in [("MINI", "EURUSD"), ("EURUSD", "MINI")] {
        let mut w = limit_only("MINI", "1");
        copied(&mut w, false, "5", "100");
        quote(&mut w, older, "150", "150");
        w.now += 60 * S;
        quote(&mut w, newer, "100", "100");
        assert_eq!(one(&tell(&mut w, CLOSE_NOW), true, "5").terms, "2|100.1|3", "{newer}");
    }
}

/// Quoted at 100 fifty minutes ago, and the leader buys back at 150 now: his trade is the market.
#[test]
fn a_close_goes_by_the_trade_that_is_newer_than_the_quote() {
    for (instrument, quoted) in [("EURUSD", "EURUSD"), ("MINI", "EURUSD"), ("MINI", "MINI")] {
        let mut w = limit_only(instrument, "1");
        copied(&mut w, false, "5", "100");
        quote(&mut w, quoted, "100", "100");
        w.now += 3_000 * S;
        assert_eq!(one(&trade(&mut w, true, "5", "150"), true, "5").terms, "2|150.15|3");
    }
}

/// A trade is as old as its TransactTime(60) says, not as young as its report.
#[test]
fn a_report_that_comes_late_is_no_newer_than_its_trade() {
    let mut w = limit_only("EURUSD", "1");
    copied(&mut w, false, "5", "100");
    quote(&mut w, "EURUSD", "150", "150");
    let late = w.now + 600 * S;
    w.now -= 5 * S;
    let mut time = Vec::new();
    fastcore::time::write_utc(w.now, &mut time);
    w.now = late;
    let time = String::from_utf8(time).unwrap();
    let raw = support::fix(&format!(
        "35=8|34=9|37=o9|17=E9|150=F|39=2|55=EURUSD|54=1|38=5|32=5|31=100|14=5|151=0|60={time}|"
    ));
    let close = one(&w.apply(EventKind::Leader, "L", &raw), true, "5");
    assert_eq!(close.terms, "2|150.15|3");
}

/// A quote and a trade of the same time: the quote is the market of both sides.
#[test]
fn of_one_time_the_quote_counts() {
    let mut w = limit_only("EURUSD", "1");
    copied(&mut w, false, "5", "100");
    w.now += S - w.now % S;
    w.now -= 1_000;
    quote(&mut w, "EURUSD", "150", "150");
    let close = one(&trade(&mut w, true, "5", "100"), true, "5");
    assert_eq!(close.terms, "2|150.15|3");
}

/// A close that waits for any price goes out with the first quote, of the leader's instrument or of its own.
#[test]
fn a_close_without_a_price_goes_out_with_a_quote_of_either() {
    for (instrument, px) in [("EURUSD", "50"), ("MINI", "5000")] {
        let mut w = limit_only("MINI", "100");
        copied(&mut w, false, "5", "100");
        // A split: no price of before counts.
        let split = r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","reason":"split","factor":"2"}"#;
        tell(&mut w, split);
        assert!(tell(&mut w, CLOSE_NOW).is_empty());
        assert_eq!(one(&quote(&mut w, instrument, px, px), true, "10").terms, "2|5005|3");
    }
}
