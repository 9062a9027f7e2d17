//! Closes at venues that take no market orders: limits that cross the market, further at every attempt.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::profile::{OrderType, Tif};
use support::{SAME, Sent, World, d, one};

const S: i64 = 1_000_000_000;

fn limits_only(c: &mut Config) {
    c.profiles[0].order_types = vec![OrderType::Limit];
    c.subscriptions[0].order_type = fastcore::config::OrderType::Limit;
    c.subscriptions[0].max_slippage_bps = d("50");
}

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", |c| {
        limits_only(c);
        change(c);
    })
}

/// The leader trades at 1.1; everything of ours is filled at once.
fn copied(w: &mut World, order: &str, side: u8, qty: &str) {
    for s in w.leader(order, side, qty, qty, qty) {
        w.fill(&s, &s.qty.clone(), &s.qty.clone());
    }
}

fn quote(w: &mut World, bid: &str, ask: &str) -> Vec<Sent> {
    let text = format!(r#"{{"instrument":"EURUSD","bid":"{bid}","ask":"{ask}"}}"#);
    w.apply(EventKind::Quote, "", text.as_bytes())
}

/// The broker ends an immediate-or-cancel order; after the pause, what is sent instead.
fn expired(w: &mut World, s: &Sent, cum: &str) -> Sent {
    let (id, side) = (&s.id, if s.buy { 1 } else { 2 });
    let sent = w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=C{id}|150=C|39=C|55=EURUSD|54={side}|38={}|14={cum}|151=0|",
        s.qty
    ));
    assert!(sent.is_empty(), "a pause first: {sent:?}");
    loop {
        w.now = w.now.max(w.engine.next_due_ns().unwrap());
        let sent = w.apply(EventKind::Timer, "", b"");
        if let [one] = &sent[..] {
            return one.clone();
        }
    }
}

fn count(w: &World, code: &str) -> usize {
    w.alerts.iter().filter(|a| a.code == code).count()
}

/// Below the bid for a sell, above the offer for a buy, on the tick, immediate or cancel.
#[test]
fn a_close_is_a_limit_beyond_the_market() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    quote(&mut w, "1.20000", "1.20010");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    assert_eq!(close.terms, "2|1.194|3");
    w.fill(&close, "10", "10");
    copied(&mut w, "o3", 2, "10");
    let close = one(&w.leader("o4", 1, "10", "10", "10"), true, "10");
    assert_eq!(close.terms, "2|1.20611|3", "1.2061005, on the tick beyond");
}

/// Where the venue takes market orders, closes stay what they are: no price to be wrong about.
#[test]
fn a_close_is_a_market_order_where_the_venue_takes_them() {
    let mut w = with(|c| c.profiles[0].order_types = vec![OrderType::Market, OrderType::Limit]);
    copied(&mut w, "o1", 1, "10");
    assert_eq!(one(&w.leader("o2", 2, "10", "10", "10"), false, "10").terms, "1||");
}

/// Fill-or-kill where the venue takes no immediate-or-cancel; a limit that would rest is not what a close is.
#[test]
fn a_close_takes_a_time_in_force_of_the_venue() {
    let mut w = with(|c| c.profiles[0].tifs = vec![Tif::Day, Tif::Fok]);
    copied(&mut w, "o1", 1, "10");
    assert_eq!(one(&w.leader("o2", 2, "10", "10", "10"), false, "10").terms, "2|1.0945|4");
    let mut w = with(|c| c.profiles[0].tifs = vec![Tif::Day]);
    copied(&mut w, "o1", 1, "10");
    assert_eq!(one(&w.leader("o2", 2, "10", "10", "10"), false, "10").terms, "1||");
}

/// Without a quote, or with one from long ago, the leader's own price is the market, by the symbol map's factor.
#[test]
fn the_leaders_price_stands_in_for_a_quote() {
    let mut w = with(|c| {
        c.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap().price_factor = d("2");
        c.subscriptions[0].account_max_age_ms = 10_000;
    });
    quote(&mut w, "1.20000", "1.20010");
    w.now += 11 * S;
    copied(&mut w, "o1", 1, "10");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    assert_eq!(close.terms, "2|2.189|3", "1.1 x 2 less 50 bps");
}

/// What is taken back was traded long ago: the leader's last trade stays the market, and no quote of an hour ago is.
#[test]
fn a_bust_is_no_trade_of_now() {
    let mut w = with(|_| {});
    let first = w.exec + 1;
    copied(&mut w, "o0", 1, "5");
    quote(&mut w, "1.00000", "1.00000");
    w.now += 3_600 * S;
    copied(&mut w, "o1", 1, "10");
    w.exec += 1;
    let e = w.exec;
    let bust = format!(
        "35=8|34={e}|37=o0|17=E{e}|150=H|39=0|19=E{first}|55=EURUSD|54=1|38=5|32=5|31=0.9|14=0|151=5|"
    );
    w.apply(EventKind::Leader, "L", &support::fix(&bust));
    assert_eq!(w.engine.state().leaders[0].positions[&0], d("10"));
    let leave = r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"close_now"}"#;
    let close = w.apply(EventKind::Operator, "", leave.as_bytes());
    assert_eq!(one(&close, false, "15").terms, "2|1.0945|3");
}

/// Each attempt that leaves something goes twice as far, until it is closed; the next close begins anew.
#[test]
fn every_failed_attempt_goes_further() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    quote(&mut w, "1.00000", "1.00000");
    let mut close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    for px in ["0.995", "0.99", "0.98", "0.96"] {
        assert_eq!(close.terms, format!("2|{px}|3"));
        close = expired(&mut w, &close, "0");
    }
    // A part was filled at this distance: the rest goes no nearer.
    w.fill(&close, "4", "4");
    close = expired(&mut w, &close, "4");
    assert_eq!((close.terms.as_str(), close.qty.as_str()), ("2|0.84|3", "6"));
    w.fill(&close, "6", "6");
    copied(&mut w, "o3", 1, "10");
    // By now the leader's trade at 1.1 is the newest price.
    assert_eq!(one(&w.leader("o4", 2, "10", "10", "10"), false, "10").terms, "2|1.0945|3");
}

/// Without bound, and still a price: positive and on the tick, however often.
#[test]
fn a_price_stays_a_price_after_any_number_of_attempts() {
    for (side, back) in [(1, 2), (2, 1)] {
        let mut w = with(|_| {});
        copied(&mut w, "o1", side, "10");
        let mut last = w.leader("o2", back, "10", "10", "10")[0].clone();
        for _ in 0..120 {
            last = expired(&mut w, &last, "0");
        }
        let px = d(last.terms.split('|').nth(1).unwrap());
        assert!(if back == 2 { px == d("0.00001") } else { px > d("1000000") }, "{px}");
        assert_eq!(last.qty, "10");
    }
}

/// A price near the end of what numbers hold goes as far as they do.
#[test]
fn a_distance_that_does_not_fit_in_a_number_is_not_gone() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 2, "10");
    quote(&mut w, "100000000000000", "100000000000000");
    let mut last = one(&w.leader("o2", 1, "10", "10", "10"), true, "10");
    for _ in 0..40 {
        last = expired(&mut w, &last, "0");
        let orders = &w.engine.state().orders;
        let px = orders[orders.len() - 1].px.unwrap();
        assert!(px > d("100000000000000"), "{px}");
    }
}

/// No slippage is allowed for opens: closes still cross the market.
#[test]
fn a_close_crosses_the_market_where_opens_may_not_slip() {
    let mut w = with(|c| c.subscriptions[0].max_slippage_bps = d("0"));
    copied(&mut w, "o1", 1, "10");
    assert_eq!(one(&w.leader("o2", 2, "10", "10", "10"), false, "10").terms, "2|1.0989|3", "10 bps");
}

/// A close without any price is told once, waits, and goes out with the first price that is known.
#[test]
fn a_close_without_a_price_goes_out_with_the_first_that_is_known() {
    let nothing = |w: &mut World, order: &str, qty: &str| {
        w.exec += 1;
        let (e, mut time) = (w.exec, Vec::new());
        fastcore::time::write_utc(w.now, &mut time);
        let time = String::from_utf8(time).unwrap();
        let trade = support::fix(&format!(
            "35=8|34={e}|37={order}|17=E{e}|150=F|39=1|55=EURUSD|54=2|38={qty}|32={qty}|14={qty}|151=0|60={time}|"
        ));
        w.apply(EventKind::Leader, "L", &trade)
    };
    let mut w = with(|_| {});
    // A position from a time when the venue took market orders, and a leader whose reports have no price.
    let mut markets = World::new(SAME, "");
    let open = {
        markets.exec += 1;
        let mut time = Vec::new();
        fastcore::time::write_utc(markets.now, &mut time);
        let time = String::from_utf8(time).unwrap();
        let trade = support::fix(&format!(
            "35=8|34=1|37=o1|17=E1|150=F|39=1|55=EURUSD|54=1|38=10|32=10|14=10|151=0|60={time}|"
        ));
        one(&markets.apply(EventKind::Leader, "L", &trade), true, "10")
    };
    markets.fill(&open, "10", "10");
    let mut config = support::config(SAME, "");
    limits_only(&mut config);
    w.engine = Engine::restore(config.clone(), &markets.engine.snapshot()).unwrap();
    (w.seq, w.row, w.exec, w.now) = (markets.seq, markets.row, markets.exec, markets.now);
    assert!(nothing(&mut w, "o2", "4").is_empty());
    assert!(nothing(&mut w, "o3", "6").is_empty());
    assert_eq!(count(&w, "close_no_price"), 1);
    w.engine = Engine::restore(config, &w.engine.snapshot()).unwrap();
    let close = one(&quote(&mut w, "1.00000", "1.00000"), false, "10");
    assert_eq!(close.terms, "2|0.995|3");
    assert!(quote(&mut w, "1.00000", "1.00000").is_empty());
    w.fill(&close, "10", "10");
    assert_eq!((w.filled(), count(&w, "close_no_price")), (d("0"), 1));
}
