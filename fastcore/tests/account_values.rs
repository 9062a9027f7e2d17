//! Which account values are believed: in the account's own currency, and no older than they say (decision 0033).
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::decimal::Dec;
use fastcore::event::EventKind;
use fastcore::profile::TimeSource;
use fastcore::refusal::Code;
use support::{SAME, World, d, fix, one, tell, texts};

const MS: i64 = 1_000_000;
const S: i64 = 1_000 * MS;

const EQUITY: &str = r#"{"mode":"equity","k":"1"}"#;

fn world() -> World {
    World::with(EQUITY, "", |c| {
        c.leaders[0].currency = Some("USD".to_owned());
        c.followers[0].currency = Some("USD".to_owned());
    })
}

/// A CollateralReport(BA) of the leader's broker.
fn leader_says(w: &mut World, fields: &str) {
    let raw = fix(&format!("35=BA|34=900|{fields}"));
    w.apply(EventKind::Leader, "L", &raw);
}

fn follower_says(w: &mut World, fields: &str) {
    w.broker(&format!("35=BA|1=F|{fields}"));
}

fn equities(w: &World) -> (Dec, Dec) {
    (w.engine.state().leaders[0].values.equity, w.engine.state().followers[0].equity)
}

/// A million yen is no million dollars: the value is not taken, the one of before sizes, and it is told once for each
/// value.
#[test]
fn a_value_in_another_currency_is_not_believed() {
    let mut w = world();
    leader_says(&mut w, "900=10000|15=USD|");
    follower_says(&mut w, "900=10000|15=usd|");
    for _ in 0..3 {
        follower_says(&mut w, "900=1000000|15=JPY|");
        leader_says(&mut w, "900=5|15=EUR|");
    }
    assert_eq!(equities(&w), (d("10000"), d("10000")));
    assert_eq!(texts(&w, "account_currency").len(), 2, "{:?}", texts(&w, "account_currency"));
    follower_says(&mut w, "900=2000000|15=JPY|");
    assert_eq!(texts(&w, "account_currency").len(), 3, "another value is told again");
    one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
}

/// A value that is taken ends what was told: the same foreign one is news again.
#[test]
fn a_foreign_value_that_comes_back_is_told_again() {
    let mut w = world();
    for fields in ["900=5|15=JPY|", "900=5|15=JPY|", "900=7|15= USD |", "900=5|15=JPY|"] {
        follower_says(&mut w, fields);
    }
    assert_eq!((equities(&w).1, texts(&w, "account_currency").len()), (d("7"), 2));
}

/// Where the message or the configuration names no currency, the value is taken.
#[test]
fn a_value_without_a_currency_is_in_the_configured_one() {
    let mut w = world();
    follower_says(&mut w, "900=5000|");
    assert_eq!(equities(&w).1, d("5000"));
    let mut w = World::new(EQUITY, "");
    follower_says(&mut w, "900=7000|15=EUR|");
    assert_eq!(equities(&w).1, d("7000"));
    assert!(texts(&w, "account_currency").is_empty());
}

fn utc(at_ns: i64) -> String {
    let mut text = Vec::new();
    fastcore::time::write_utc(at_ns, &mut text);
    String::from_utf8(text).unwrap()
}

fn as_of(w: &World) -> (i64, i64) {
    (w.engine.state().leaders[0].values.equity_ns, w.engine.state().followers[0].equity_ns)
}

/// A message's own time: TransactTime(60), else OrigSendingTime(122), else SendingTime(52); to the millisecond here.
#[test]
fn a_value_is_as_old_as_its_message_says() {
    let old = |w: &World, s: i64| (w.now / MS - s * 1_000) * MS;
    let mut w = world();
    let (by_60, by_122, by_52) = (old(&w, 300), old(&w, 200), old(&w, 100));
    let times = format!("60={}|122={}|52={}|", utc(by_60), utc(by_122), utc(by_52));
    follower_says(&mut w, &format!("900=1|{times}"));
    leader_says(&mut w, &format!("900=1|{times}"));
    assert_eq!(as_of(&w), (by_60, by_60));
    follower_says(&mut w, &format!("900=2|43=Y|122={}|52={}|", utc(by_122), utc(by_52)));
    leader_says(&mut w, &format!("900=2|52={}|", utc(by_52)));
    assert_eq!(as_of(&w), (by_52, by_122));
    // A venue whose TransactTime(60) is not to be trusted is not asked for it.
    let mut w = World::with(EQUITY, "", |c| c.profiles[0].time_source = TimeSource::SendingTime);
    follower_says(&mut w, &format!("900=2|60={}|52={}|", utc(by_60), utc(by_52)));
    assert_eq!(as_of(&w).1, by_52);
}

/// Without a time, or with one that is yet to come, a value is as old as its arrival.
#[test]
fn a_clock_that_goes_ahead_makes_no_value_younger_than_new() {
    let mut w = world();
    follower_says(&mut w, "900=1|");
    assert_eq!(as_of(&w).1, w.now);
    let later = w.now + 3_600 * S;
    follower_says(&mut w, &format!("900=2|52={}|", utc(later)));
    assert_eq!(as_of(&w).1, w.now);
    follower_says(&mut w, "900=3|");
    assert_eq!(equities(&w).1, d("3"), "what comes after it is taken");
}

/// What was sent again, or overtaken, never replaces what is newer; each value by itself.
#[test]
fn an_older_value_never_replaces_a_newer_one() {
    let mut w = world();
    let at = utc(w.now);
    follower_says(&mut w, &format!("900=10|52={at}|"));
    let at = utc(w.now - 60 * S);
    follower_says(&mut w, &format!("900=7|901=8|52={at}|"));
    let v = w.engine.state().followers[0];
    assert_eq!((v.equity, v.balance), (d("10"), d("8")));
}

/// Equity, balance and free margin: none of them is replaced by an older one, each is by another of the same time.
#[test]
fn each_of_three_values_has_an_age_of_its_own() {
    for tag in ["900", "901", "899"] {
        let mut w = world();
        let (at, older) = (utc(w.now), utc(w.now - S));
        for (value, time) in [("10", &at), ("7", &older), ("11", &at), ("8", &older)] {
            follower_says(&mut w, &format!("{tag}={value}|52={time}|"));
            leader_says(&mut w, &format!("{tag}={value}|52={time}|"));
        }
        for v in [w.engine.state().leaders[0].values, w.engine.state().followers[0]] {
            assert_eq!(v.equity.max(v.balance).max(v.free_margin), d("11"), "{tag}");
            assert_eq!([v.equity, v.balance, v.free_margin].iter().filter(|v| v.is_zero()).count(), 2);
        }
    }
}

/// A day-old value that is sent again sizes nothing where account values may be a minute old.
#[test]
fn a_value_of_yesterday_that_is_sent_again_sizes_nothing() {
    let mut w = World::new(EQUITY, r#","account_max_age_ms":60000"#);
    leader_says(&mut w, "900=10000|");
    let yesterday = utc(w.now - 86_400 * S);
    let at = utc(w.now);
    follower_says(&mut w, &format!("900=5000|43=Y|122={yesterday}|52={at}|"));
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
    assert_eq!(w.engine.state().refusals.get(&Code::StaleAccount), Some(&1));
}

/// A person says when a value was true; a text that is no time takes nothing, and an older value is told.
#[test]
fn an_operator_dates_a_value() {
    let mut w = world();
    let at = (w.now / MS - 5_000) * MS;
    tell(&mut w, &format!(r#"{{"cmd":"account","account":"f","equity":"5","as_of":"{}"}}"#, utc(at)));
    assert_eq!((equities(&w).1, as_of(&w).1), (d("5"), at));
    assert!(texts(&w, "bad_command").is_empty());
    tell(&mut w, r#"{"cmd":"account","account":"f","equity":"6","as_of":"yesterday"}"#);
    tell(&mut w, &format!(r#"{{"cmd":"account","account":"f","equity":"7","as_of":"{}"}}"#, utc(at - S)));
    assert_eq!(
        (equities(&w).1, texts(&w, "bad_command").len()),
        (d("5"), 2),
        "{:?}",
        texts(&w, "bad_command")
    );
    tell(&mut w, r#"{"cmd":"account","account":"f","equity":"8"}"#);
    assert_eq!((equities(&w).1, as_of(&w).1), (d("8"), w.now));
}

fn quoted(w: &mut World, px: &str, fields: &str) {
    let raw = fix(&format!("35=W|34=900|55=EURUSD|268=2|269=0|270={px}|269=1|270={px}|{fields}"));
    w.apply(EventKind::Leader, "L", &raw);
}

/// An hour-old quote that is sent again is no fresh market, and takes the place of none.
#[test]
fn a_quote_is_as_old_as_its_message_says() {
    let collared = r#","limits":{"default":{"price_collar_bps":"100"}}"#;
    let mut w = World::new(SAME, collared);
    let hour = utc(w.now - 3_600 * S);
    let at = utc(w.now);
    quoted(&mut w, "1.1", &format!("43=Y|122={hour}|52={at}|"));
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
    assert_eq!(w.engine.state().refusals.get(&Code::NoQuote), Some(&1));

    let mut w = World::new(SAME, collared);
    let at = utc(w.now);
    quoted(&mut w, "1.1", &format!("52={at}|"));
    let at = utc(w.now);
    quoted(&mut w, "2.2", &format!("43=Y|122={hour}|52={at}|"));
    one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
}

/// Of two quotes of one time the later one is the market.
#[test]
fn a_quote_of_the_same_time_is_taken() {
    let mut w = world();
    let at = utc(w.now);
    for px in ["1.1", "1.2"] {
        quoted(&mut w, px, &format!("52={at}|"));
    }
    assert_eq!(w.engine.state().quotes.get(0).map(|q| q.bid), Some(d("1.2")));
}

/// A follower with 20,000 beside a leader with 10,000, whose subscription has a quarter of it: the leader's 10 are 5 and not 20. A
/// share that is changed changes opens only.
#[test]
fn a_subscription_sizes_by_its_share_of_the_account() {
    let values = |w: &mut World| {
        leader_says(w, "900=10000|901=10000|15=USD|");
        follower_says(w, "900=20000|901=20000|15=USD|");
    };
    let shared = |sizing: &str, share: &str| {
        let mut w = World::with(sizing, "", |c| {
            c.leaders[0].currency = Some("USD".to_owned());
            c.followers[0].currency = Some("USD".to_owned());
            c.subscriptions[0].capital_share = d(share);
        });
        values(&mut w);
        w
    };
    let mut w = shared(EQUITY, "0.25");
    one(&w.leader("o1", 1, "10", "10", "10"), true, "5");
    one(&shared(EQUITY, "1").leader("o1", 1, "10", "10", "10"), true, "20");
    let balance = r#"{"mode":"balance","k":"1"}"#;
    let mut by_balance = shared(balance, "0.25");
    for (account, units) in [("l", "10000"), ("f", "20000")] {
        tell(
            &mut by_balance,
            &format!(r#"{{"cmd":"account","who":"ann","account":"{account}","balance":"{units}"}}"#),
        );
    }
    one(&by_balance.leader("o1", 1, "10", "10", "10"), true, "5");
    let mut config = support::config(EQUITY, "");
    (config.leaders[0].currency, config.followers[0].currency) = (Some("USD".into()), Some("USD".into()));
    config.subscriptions[0].capital_share = d("0.5");
    let bytes = w.engine.snapshot();
    w.engine = fastcore::engine::Engine::restore(config, &bytes).unwrap();
    assert_eq!(w.target(), d("5"));
    w.link(8);
    values(&mut w);
    w.leader("o2", 1, "10", "10", "10");
    assert_eq!(w.target(), d("15"));
}
