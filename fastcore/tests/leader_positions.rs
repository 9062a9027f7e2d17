//! What is believed of a leader's position: by the configuration, by his broker, and by executions that come late.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use serde_json::{Value, json};
use support::{SAME, Sent, World, config_text, d, fix, one, texts};

const S: i64 = 1_000_000_000;

/// Two instruments, of which the leader's symbols, and the copies, are these.
fn of(symbols: &[&str], initial: &Value) -> Config {
    let mut c: Value = serde_json::from_str(&config_text(SAME, "")).unwrap();
    let mut second = c["instruments"][0].clone();
    second["name"] = json!("GBPUSD");
    c["instruments"].as_array_mut().unwrap().push(second);
    c["followers"][0]["symbols"]["GBPUSD"] = json!("GBPUSD");
    c["leaders"][0]["initial_positions"] = initial.clone();
    for name in ["EURUSD", "GBPUSD"] {
        let (leader, sub) = (&mut c["leaders"][0]["symbols"], name);
        leader.as_object_mut().unwrap().remove(sub);
        c["subscriptions"][0]["symbol_map"].as_object_mut().unwrap().remove(sub);
    }
    for name in symbols {
        c["leaders"][0]["symbols"][name] = json!(name);
        c["subscriptions"][0]["symbol_map"][name] = json!({"instrument": name});
    }
    Config::from_json(&c.to_string()).unwrap()
}

/// Goes on under another configuration.
fn goes_on(w: &mut World, symbols: &[&str], initial: &Value) {
    let bytes = w.engine.snapshot();
    w.engine = Engine::restore(of(symbols, initial), &bytes).unwrap();
}

fn begun(symbols: &[&str]) -> World {
    World::with(SAME, "", |c| *c = of(symbols, &json!({})))
}

/// The leader trades so many units of a symbol, and says when.
fn trades(w: &mut World, symbol: &str, units: i64, at_ns: Option<i64>) -> Vec<Sent> {
    w.exec += 1;
    let (e, side, qty) = (w.exec, if units > 0 { 1 } else { 2 }, units.abs());
    let mut at = Vec::new();
    fastcore::time::write_utc(at_ns.unwrap_or(w.now), &mut at);
    let at = String::from_utf8(at).unwrap();
    let text = format!(
        "35=8|34={e}|37=o{e}|17=E{e}|150=F|39=2|55={symbol}|54={side}|38={qty}|32={qty}|31=1.1|14={qty}|151=0|60={at}|"
    );
    w.apply(EventKind::Leader, "L", &fix(&text))
}

fn copied(w: &mut World, units: i64) {
    let sent = trades(w, "EURUSD", units, None);
    let order = one(&sent, units > 0, &units.abs().to_string());
    w.out(&order);
    w.fill(&order, &order.qty, &order.qty);
}

fn broker_says(w: &mut World, long: &str) -> Vec<Sent> {
    w.exec += 1;
    let text = format!("35=AP|34={}|721=1|55=EURUSD|702=1|703=TQ|704={long}|705=0|", w.exec);
    w.apply(EventKind::Leader, "L", &fix(&text))
}

fn positions(w: &World) -> Vec<(u32, Dec)> {
    w.engine.state().leaders[0].positions.iter().map(|(at, units)| (*at, *units)).collect()
}

/// He buys what is not mapped. It is mapped; he sells it. `assume_flat` was said of what was mapped when it was said: nothing is
/// opened for a close.
#[test]
fn what_is_mapped_later_is_not_assumed_to_be_flat() {
    let mut w = begun(&["EURUSD"]);
    assert!(trades(&mut w, "GBPUSD", 10, None).is_empty());
    assert_eq!(texts(&w, "unknown_symbol").len(), 1);
    goes_on(&mut w, &["EURUSD", "GBPUSD"], &json!({}));
    assert_eq!(positions(&w), [(0, Dec::ZERO)]);
    assert!(trades(&mut w, "GBPUSD", -10, None).is_empty(), "no short for his close");
    assert!(w.engine.status().refusals.contains_key("leader_position_unknown"));
}

/// The file says what he holds of it.
#[test]
fn what_is_mapped_later_has_the_position_that_the_file_gives() {
    let mut w = begun(&["EURUSD"]);
    goes_on(&mut w, &["EURUSD", "GBPUSD"], &json!({"GBPUSD": "0"}));
    assert_eq!(one(&trades(&mut w, "GBPUSD", 10, None), true, "10").qty, "10");
}

/// What is taken out of the file is counted by nobody, and is not known when it comes back.
#[test]
fn what_was_not_mapped_for_a_while_is_not_known_any_more() {
    let mut w = begun(&["EURUSD", "GBPUSD"]);
    goes_on(&mut w, &["EURUSD"], &json!({}));
    assert!(trades(&mut w, "GBPUSD", 10, None).is_empty());
    goes_on(&mut w, &["EURUSD", "GBPUSD"], &json!({}));
    assert!(trades(&mut w, "GBPUSD", -10, None).is_empty(), "no short for his close");
}

/// A copy that is held keeps the position that it is reduced by.
#[test]
fn a_position_that_is_copied_stays_known() {
    let mut w = begun(&["EURUSD", "GBPUSD"]);
    copied(&mut w, 10);
    goes_on(&mut w, &["EURUSD", "GBPUSD"], &json!({"EURUSD": "3"}));
    assert_eq!(positions(&w), [(0, d("10")), (1, Dec::ZERO)]);
}

/// His broker's position is ahead of the execution that leads to it: it is copied once.
#[test]
fn a_position_that_is_ahead_of_its_execution_is_copied_once() {
    let mut w = begun(&["EURUSD"]);
    copied(&mut w, 10);
    let sold_ns = w.now;
    w.now += S;
    assert!(broker_says(&mut w, "4").iter().all(|s| s.qty.is_empty()));
    w.now += S;
    let sent = broker_says(&mut w, "4");
    let close = sent.iter().find(|s| s.qty == "6").unwrap().clone();
    assert!(!close.buy);
    w.out(&close);
    w.fill(&close, "6", "6");
    // The report of that sale, and in two parts.
    for units in [-2, -4] {
        w.now += S;
        assert!(trades(&mut w, "EURUSD", units, Some(sold_ns)).is_empty());
    }
    assert_eq!((w.filled(), w.target(), positions(&w)), (d("4"), d("4"), vec![(0, d("4"))]));
    assert_eq!(texts(&w, "leader_drift").len(), 3, "each is told: {:?}", texts(&w, "leader_drift"));
    // What he sells now, and what comes without being foretold, is copied.
    one(&trades(&mut w, "EURUSD", -1, None), false, "1");
    assert_eq!(w.target(), d("3"));
    one(&trades(&mut w, "EURUSD", -1, Some(sold_ns)), false, "1");
    assert_eq!(w.target(), d("2"));
}

/// An execution that is larger than what was foretold is copied for the rest, and a trade of the other side whole.
#[test]
fn what_was_not_foretold_is_copied() {
    let mut w = begun(&["EURUSD"]);
    copied(&mut w, 10);
    let before_ns = w.now;
    for _ in 0..2 {
        w.now += S;
        broker_says(&mut w, "4");
    }
    trades(&mut w, "EURUSD", 1, Some(before_ns));
    assert_eq!(positions(&w), [(0, d("5"))], "a buy was not foretold");
    trades(&mut w, "EURUSD", -8, Some(before_ns));
    assert_eq!(positions(&w), [(0, d("3"))], "6 of 8 were");
    // Without a time it may be of now.
    let text = "35=8|34=99|37=o99|17=E99|150=F|39=2|55=EURUSD|54=2|38=1|32=1|31=1.1|14=1|151=0|";
    w.apply(EventKind::Leader, "L", &fix(text));
    assert_eq!(positions(&w), [(0, d("2"))]);
}
