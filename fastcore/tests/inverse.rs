//! Inverse contracts (decision 0036): a unit is a dollar, and worth 1 / price in bitcoin. Sizing, bounds, guards, corrections
//! and splits count it so, at numbers that anybody can follow: 6,000 dollars are 0.1 at 60,000, 0.12 at 50,000, 0.08 at 75,000.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, InstrumentConfig, Limits, Together};
use fastcore::decimal::Dec;
use fastcore::event::EventKind;
use fastcore::risk::Totals;
use support::{SAME, Sent, World, d, one, tell};

const TENTH: &str = r#"{"mode":"percent_equity","percent":"10"}"#;
const NOTIONAL: &str = r#"{"mode":"notional","k":"1"}"#;
const LOSS: &str = r#"{"rule":"daily_loss","amount":"0.02"}"#;

/// Contracts of 100 dollars, settled in bitcoin, as the account is.
fn inverse(c: &mut Config) {
    let i = &mut c.instruments[0];
    (i.inverse, i.contract_size, i.tick) = (true, d("100"), d("0.5"));
    (i.base, i.currency) = (Some("USD".to_owned()), "XBT".to_owned());
    c.followers[0].currency = Some("XBT".to_owned());
}

fn world(sizing: &str, change: impl FnOnce(&mut Config)) -> World {
    let mut w = World::with(sizing, "", |c| {
        inverse(c);
        change(c);
    });
    w.alerts.clear();
    w
}

/// The coin itself beside it, as `COIN`: its unit is a bitcoin, and its price in dollars.
fn coin(c: &mut Config) {
    let one = c.instruments[0].clone();
    let one =
        InstrumentConfig { inverse: false, contract_size: d("1"), lot_step: support::lots("0.001"), ..one };
    let (name, base, currency) = ("COIN".to_owned(), Some("XBT".to_owned()), "USD".to_owned());
    c.instruments.push(InstrumentConfig { name, base, currency, min_lot: support::lots("0.001"), ..one });
    c.followers[0].symbols.insert("COIN".to_owned(), "COIN".to_owned());
    c.leaders[0].symbols.insert("COIN".to_owned(), "COIN".to_owned());
    c.subscriptions[0].max_ratio = d("1000000");
}

fn guards(rules: &str) -> Option<Box<fastcore::guard::Guards>> {
    let text = format!(r#"{{"zone":"UTC","day_begins_s":0,"max_age_ms":3600000,"rules":[{rules}]}}"#);
    Some(Box::new(serde_json::from_str(&text).unwrap()))
}

fn quote_of(w: &mut World, instrument: &str, bid: &str, ask: &str) -> Vec<Sent> {
    let text = format!(r#"{{"instrument":"{instrument}","bid":"{bid}","ask":"{ask}"}}"#);
    let mut sent = w.apply(EventKind::Quote, "", text.as_bytes());
    sent.extend(w.run_to(w.now + 260_000_000));
    sent
}

fn quote(w: &mut World, bid: &str, ask: &str) -> Vec<Sent> {
    quote_of(w, "EURUSD", bid, ask)
}

fn account(w: &mut World, equity: &str) {
    let text = format!(r#"{{"cmd":"account","who":"ann","account":"f","equity":"{equity}"}}"#);
    assert!(tell(w, &text).is_empty());
}

/// The leader of a session trades with an order of its own.
fn trade(w: &mut World, session: &str, symbol: &str, buy: bool, qty: &str, px: &str) -> Vec<Sent> {
    w.exec += 1;
    let (e, side, mut time) = (w.exec, if buy { 1 } else { 2 }, Vec::new());
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    let raw = support::fix(&format!(
        "35=8|34={e}|37=o{e}|17=E{e}|150=F|39=2|55={symbol}|54={side}|38={qty}|32={qty}|31={px}|14={qty}|151=0|60={time}|"
    ));
    w.apply(EventKind::Leader, session, &raw)
}

fn does(w: &mut World, buy: bool, qty: &str) -> Vec<Sent> {
    trade(w, "L", "EURUSD", buy, qty, "60000")
}

/// A report of the broker's about a whole order: what it is, its name, and its other fields.
fn says(w: &mut World, s: &Sent, kind: &str, exec: &str, more: &str) {
    let (id, side, qty) = (&s.id, if s.buy { 1 } else { 2 }, &s.qty);
    w.broker(&format!(
        "35=8|37=B{id}|11={id}|17={exec}|150={kind}|39=2|55=EURUSD|54={side}|38={qty}|151=0|{more}"
    ));
}

/// The leader trades, and what is sent is filled at a price.
fn filled(w: &mut World, buy: bool, qty: &str, px: &str) -> Sent {
    let sent = does(w, buy, qty);
    let s = one(&sent, buy, qty);
    w.out(&s);
    let exec = format!("X{}", w.exec);
    says(w, &s, "F", &exec, &format!("32={qty}|14={qty}|31={px}|"));
    s
}

fn equity(w: &World) -> Option<Dec> {
    w.engine.status().guards[0].equity
}

fn refused(w: &World, code: &str) -> u64 {
    w.engine.status().refusals.get(code).copied().unwrap_or(0)
}

// Sizing.

/// A tenth of 2 bitcoin at 60,000 are 12,000 dollars. No digit of 1 / 60,000 is lost: a last one would be a lot less.
#[test]
fn a_part_of_the_equity_buys_dollars_by_the_price() {
    for (px, qty) in [("60000", "12000"), ("30000", "6000"), ("64123.5", "12800")] {
        let mut w = world(TENTH, |_| {});
        account(&mut w, "2");
        quote(&mut w, px, px);
        one(&does(&mut w, true, "100"), true, qty);
    }
}

/// An account in dollars: the contract's own quote is the exchange rate, and a dollar of contracts is a dollar.
#[test]
fn an_account_in_dollars_is_converted_by_the_contract_itself() {
    for px in ["60000", "30000", "7"] {
        let mut w = world(TENTH, |c| c.followers[0].currency = Some("USD".to_owned()));
        account(&mut w, "50000");
        quote(&mut w, px, px);
        one(&does(&mut w, true, "100"), true, "5000");
    }
}

/// The same contract value: half a coin at 60,000 is 30,000 dollars of contracts, and the other way round.
#[test]
fn the_same_value_is_copied_from_coins_into_contracts_and_back() {
    for (from, into, qty, want) in [
        ("COIN", "EURUSD", "0.5", "30000"),
        ("EURUSD", "COIN", "30000", "0.5"),
        ("EURUSD", "EURUSD", "700", "700"),
    ] {
        for currency in ["XBT", "USD"] {
            let mut w = world(NOTIONAL, |c| {
                coin(c);
                c.followers[0].currency = Some(currency.to_owned());
                let map = c.subscriptions[0].symbol_map.get("EURUSD").unwrap().clone();
                let map = fastcore::config::SymbolMap { instrument: into.to_owned(), ..map };
                c.subscriptions[0].symbol_map = [(from.to_owned(), map)].into_iter().collect();
            });
            quote_of(&mut w, "EURUSD", "60000", "60000");
            quote_of(&mut w, "COIN", "60000", "60000");
            one(&trade(&mut w, "L", from, true, qty, "60000"), true, want);
        }
    }
}

// Bounds.

/// 0.1 bitcoin for one order: 6,000 dollars at 60,000, and 3,000 at 30,000.
#[test]
fn the_value_of_an_order_is_in_bitcoin() {
    for (px, left) in [("60000", "6000"), ("30000", "3000"), ("64123.45", "6400")] {
        let mut w = world(SAME, |c| c.subscriptions[0].limits.default.max_order_value = Some(d("0.1")));
        quote(&mut w, px, px);
        one(&does(&mut w, true, left), true, left);
        assert_eq!(refused(&w, "max_order_value"), 0, "at {px} {left} are within it");
        one(&does(&mut w, true, "10000"), true, left);
        assert_eq!(refused(&w, "max_order_value"), 1);
    }
}

/// Twice an equity of 1 bitcoin is 120,000 dollars at 60,000; at half of the price what is held is worth twice as much.
#[test]
fn leverage_counts_dollars_by_their_price() {
    let mut w = world(SAME, |c| c.followers[0].limits.totals.max_leverage = Some(d("2")));
    account(&mut w, "1");
    quote(&mut w, "60000", "60000");
    let s = one(&does(&mut w, true, "200000"), true, "120000");
    w.out(&s);
    says(&mut w, &s, "F", "X1", "32=120000|14=120000|31=60000|");
    quote(&mut w, "120000", "120000");
    one(&does(&mut w, true, "200000"), true, "120000");
    quote(&mut w, "30000", "30000");
    assert!(does(&mut w, true, "100").is_empty());
    assert_eq!(refused(&w, "max_leverage"), 3);
}

/// An account in dollars is exposed to as many dollars as it has contracts of, whatever the price.
#[test]
fn exposure_in_dollars_is_the_number_of_dollars() {
    let mut w = world(SAME, |c| {
        c.followers[0].currency = Some("USD".to_owned());
        c.followers[0].limits.totals.max_exposure = Some(d("9000"));
    });
    for (px, left) in [("60000", "5000"), ("7", "4000")] {
        quote(&mut w, px, px);
        one(&does(&mut w, true, "5000"), true, left);
    }
}

/// What other lines hold is worth what it is at the dearer side: of an inverse contract the bid. 6,000 dollars at 50,000 are
/// 0.12, and the 0.18 that are left of 0.3 buy 10,800 at the ask of 60,000: of one account, and of all together.
#[test]
fn what_is_held_is_valued_at_the_bid() {
    let totals = Totals { max_exposure: Some(d("0.3")), ..Totals::default() };
    for together in [false, true] {
        let mut w = world(SAME, |c| {
            let mut other = c.leaders[0].clone();
            (other.name, other.session) = ("m".to_owned(), "M".to_owned());
            c.leaders.push(other);
            let mut sub = c.subscriptions[0].clone();
            (sub.name, sub.leader) = ("t".to_owned(), "m".to_owned());
            c.subscriptions.push(sub);
            // Over all followers only other instruments are at the other side: one instrument has one price.
            let limits = Limits { totals, ..Limits::default() };
            if together {
                let currency = Some("XBT".to_owned());
                c.together = Some(Together { currency, max_age_ms: 60_000, limits });
            } else {
                c.followers[0].limits.totals = totals;
            }
        });
        quote(&mut w, "50000", "60000");
        filled(&mut w, true, "6000", "60000");
        let left = if together { "12000" } else { "10800" };
        one(&trade(&mut w, "M", "EURUSD", true, "50000", "60000"), true, left);
    }
}

/// Over all followers the instruments that are not opened are at their dearer side: 5,000 dollars of contracts at the bid of
/// 50,000 are 0.1, and a tenth of a coin is another.
#[test]
fn other_instruments_of_all_followers_are_valued_at_their_dearer_side() {
    let mut w = world(SAME, |c| {
        coin(c);
        let map = c.subscriptions[0].symbol_map.get("EURUSD").unwrap().clone();
        let coin = fastcore::config::SymbolMap { instrument: "COIN".to_owned(), ..map };
        c.subscriptions[0].symbol_map.insert("COIN".to_owned(), coin);
        let totals = Totals { max_exposure: Some(d("0.2")), ..Totals::default() };
        let limits = Limits { totals, ..Limits::default() };
        c.together = Some(Together { currency: Some("XBT".to_owned()), max_age_ms: 60_000, limits });
    });
    quote(&mut w, "50000", "100000");
    filled(&mut w, true, "5000", "100000");
    // The rate is the newest pair's: a coin at 50,000 dollars is 1.
    quote_of(&mut w, "COIN", "50000", "50000");
    one(&trade(&mut w, "L", "COIN", true, "5", "50000"), true, "0.1");
}

// Guards.

fn guarded() -> World {
    let mut w = world(SAME, |c| c.followers[0].guards = guards(LOSS));
    account(&mut w, "1");
    quote(&mut w, "60000", "60000");
    w
}

/// A long of 6,000 that cost 0.1 is worth 0.12 at 50,000, which is a loss of 0.02: what it stops at.
#[test]
fn a_long_loses_when_more_bitcoin_buy_its_dollars() {
    let mut w = guarded();
    filled(&mut w, true, "6000", "60000");
    assert_eq!(equity(&w), Some(d("1")));
    quote(&mut w, "75000", "75001");
    assert_eq!(equity(&w), Some(d("1.02")), "at the bid");
    // 3,000 are sold at 75,000: 0.05 - 0.04 earned, and the other 3,000 lose 0.01 at 50,000.
    filled(&mut w, false, "3000", "75000");
    quote(&mut w, "50000", "50001");
    assert_eq!(equity(&w), Some(d("1")));
    assert!(w.engine.status().stops.is_empty());
    // 0.08 at 37,500, and 0.01 was earned: down 0.02.
    quote(&mut w, "37500", "37501");
    assert_eq!(equity(&w), Some(d("0.98")));
    assert_eq!(w.engine.status().stops[0].code, "daily_loss");
}

/// A short wins there, and turns into a long at one price; it costs the ask.
#[test]
fn a_short_wins_and_turns() {
    let mut w = guarded();
    filled(&mut w, false, "6000", "60000");
    quote(&mut w, "40000", "50000");
    assert_eq!(equity(&w), Some(d("1.02")), "0.12 at the ask of 50,000 cost 0.1");
    let sent = does(&mut w, true, "9000");
    for s in &sent {
        w.out(s);
        let qty = s.qty.clone();
        says(&mut w, s, "F", &format!("T{qty}"), &format!("32={qty}|14={qty}|31=50000|"));
    }
    assert_eq!(w.filled(), d("3000"));
    assert_eq!(equity(&w), Some(d("1.005")), "3,000 at 50,000 are 0.06, and 0.075 at the bid of 40,000");
}

/// A subscription's own guard, and an account in dollars: 0.02 bitcoin lost are 1,000 dollars at 50,000.
#[test]
fn what_was_won_is_converted_at_the_rate_of_now() {
    for (currency, amount, won) in [("XBT", "0.02", "-0.02"), ("USD", "1000", "-1000")] {
        let mut w = world(SAME, |c| {
            c.followers[0].currency = Some(currency.to_owned());
            c.subscriptions[0].guards = guards(&LOSS.replace("0.02", amount));
        });
        quote(&mut w, "60000", "60000");
        filled(&mut w, true, "6000", "60000");
        quote(&mut w, "50000", "50000");
        assert_eq!(w.engine.won_by(0), Some(d(won)));
        assert_eq!(w.engine.status().stops[0].code, "daily_loss");
    }
}

/// A broker corrects the price, then the quantity, then takes all of it back: each time it is as if it had been so from the
/// beginning.
#[test]
fn a_corrected_fill_counts_at_both_prices() {
    let mut w = guarded();
    let s = filled(&mut w, true, "6000", "60000");
    let exec = format!("X{}", w.exec);
    quote(&mut w, "60000", "60000");
    says(&mut w, &s, "G", "C1", &format!("19={exec}|32=6000|14=6000|31=75000|"));
    assert_eq!(equity(&w), Some(d("0.98")), "0.08 was paid, and 0.1 it is worth");
    says(&mut w, &s, "G", "C2", "19=C1|32=3000|14=3000|31=75000|");
    assert_eq!(equity(&w), Some(d("0.99")));
    says(&mut w, &s, "H", "C3", &format!("19={exec}|32=3000|14=0|31=75000|"));
    assert_eq!(equity(&w), Some(d("1")));
}

/// A venue that repeats an ExecID on two fills: what is corrected cost what both did, 0.06 and 0.04, which no average of
/// 50,000 and 75,000 says.
#[test]
fn two_fills_of_one_name_are_corrected_as_both() {
    let mut w = guarded();
    let sent = does(&mut w, true, "6000");
    let s = one(&sent, true, "6000");
    w.out(&s);
    says(&mut w, &s, "F", "X", "32=3000|14=3000|31=50000|");
    says(&mut w, &s, "F", "X", "32=3000|14=6000|31=75000|");
    assert_eq!(equity(&w), Some(d("1")), "0.1 was paid, and it is worth that at 60,000");
    says(&mut w, &s, "G", "C1", "19=X|32=6000|14=6000|31=75000|");
    assert_eq!(equity(&w), Some(d("0.98")));
}

/// A split leaves the cost as it is: twice the dollars, at twice the price, are worth the same.
#[test]
fn a_split_leaves_what_was_paid() {
    let mut w = guarded();
    filled(&mut w, true, "6000", "60000");
    let said =
        r#""cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","reason":"split","factor":"2""#;
    assert!(tell(&mut w, &format!("{{{said}}}")).is_empty());
    quote(&mut w, "120000", "120000");
    assert_eq!((w.filled(), equity(&w)), (d("12000"), Some(d("1"))));
    quote(&mut w, "150000", "150000");
    assert_eq!(equity(&w), Some(d("1.02")));
}

/// What a broker reports too much of is shown with its worth in bitcoin.
#[test]
fn a_position_break_is_worth_bitcoin() {
    let mut w = world(SAME, |c| {
        c.profiles[0].supports.positions = true;
        c.reconcile.every_ms = 60_000;
    });
    quote(&mut w, "60000", "60001");
    w.broker("35=AP|1=F|55=EURUSD|702=1|703=TQ|704=0|705=6000|");
    let found = &w.engine.status().breaks[0];
    assert_eq!((found.units, found.value), (d("-6000"), Some(d("-0.1"))));
}

/// What is held was counted one way: the file cannot say another one while it is.
#[test]
fn how_a_contract_pays_does_not_change_while_it_is_held() {
    let mut w = guarded();
    let mut next = support::config(SAME, "");
    inverse(&mut next);
    next.followers[0].guards = guards(LOSS);
    next.instruments[0].inverse = false;
    w.engine.accepts(&next).unwrap();
    filled(&mut w, true, "6000", "60000");
    let why = w.engine.accepts(&next).unwrap_err().to_string();
    assert!(why.contains("how it pays"), "{why}");
    next.instruments[0].inverse = true;
    w.engine.accepts(&next).unwrap();
}

/// The numbers of the page about sizing rules: what 120 contracts that were bought at 60,000 have won at each price, and what
/// that is in dollars at 40,000.
#[test]
fn what_the_page_says_was_won_is_what_a_guard_counts() {
    let page = include_str!("../../docs/how-to/choose-a-sizing-rule.md");
    let numbers = |row: &str| -> Option<[Dec; 4]> {
        let cells: Vec<_> = row.split('|').filter_map(|c| Dec::parse(c.trim().as_bytes()).ok()).collect();
        cells.try_into().ok()
    };
    let rows: Vec<_> = page.lines().filter_map(numbers).collect();
    assert_eq!(rows.len(), 5, "the page has its rows");
    let close = |a: Dec, b: Dec| a.checked_sub(b).unwrap().abs().unwrap() < d("0.000001");
    for [px, worth, won, _] in rows {
        let (mut w, px) = (guarded(), px.to_string());
        filled(&mut w, true, "12000", "60000");
        quote(&mut w, &px, &px);
        assert!(close(equity(&w).unwrap(), d("1").checked_add(won).unwrap()), "{won} at {px}");
        assert!(close(d("0.2").checked_sub(worth).unwrap(), won));
    }
    let mut w = world(SAME, |c| {
        c.followers[0].currency = Some("USD".to_owned());
        c.followers[0].guards = guards(LOSS);
    });
    account(&mut w, "10000");
    quote(&mut w, "60000", "60000");
    filled(&mut w, true, "12000", "60000");
    quote(&mut w, "40000", "40000");
    assert_eq!(equity(&w), Some(d("6000")));
}
