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
    goes_on(&mut w, &["GBPUSD"], &json!({}));
    assert_eq!(positions(&w), [(0, d("10")), (1, Dec::ZERO)], "also where it is not mapped for a while");
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

/// What he trades behind the report is not in it, also between the first and the second one, and whatever is still foretold.
#[test]
fn what_comes_behind_the_report_is_copied() {
    let mut w = begun(&["EURUSD"]);
    copied(&mut w, 10);
    w.now += S;
    broker_says(&mut w, "4");
    w.now += S;
    let between_ns = w.now;
    w.now += S;
    broker_says(&mut w, "4");
    w.now += S;
    trades(&mut w, "EURUSD", -1, Some(between_ns));
    assert_eq!(positions(&w), [(0, d("3"))], "the position was 4 before that");
    trades(&mut w, "EURUSD", -1, None);
    assert_eq!(positions(&w), [(0, d("2"))]);
}

/// A person says what he holds: what was foretold before is no part of it.
#[test]
fn a_position_that_a_person_gives_has_nothing_foretold() {
    let mut w = begun(&["EURUSD"]);
    copied(&mut w, 10);
    let before_ns = w.now;
    for _ in 0..2 {
        w.now += S;
        for s in broker_says(&mut w, "4").iter().filter(|s| s.qty == "6") {
            w.out(s);
            w.fill(s, "6", "6");
        }
    }
    let said = r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","position":"8","reason":"transfer"}"#;
    support::tell(&mut w, said);
    assert_eq!(positions(&w), [(0, d("8"))], "{:?}", texts(&w, "bad_command"));
    trades(&mut w, "EURUSD", -1, Some(before_ns));
    assert_eq!(positions(&w), [(0, d("7"))]);
}

fn reported(w: &mut World, order: &str, kind: (char, char), cum: &str, more: &str) -> Vec<Sent> {
    w.exec += 1;
    let (e, (exec, status)) = (w.exec, kind);
    let mut at = Vec::new();
    fastcore::time::write_utc(w.now, &mut at);
    let at = String::from_utf8(at).unwrap();
    let text = format!(
        "35=8|34={e}|37={order}|17=E{e}|150={exec}|39={status}|55=EURUSD|54=2|38=10|14={cum}|151=0|60={at}|{more}"
    );
    w.apply(EventKind::Leader, "L", &fix(&text))
}

fn filled(w: &mut World, sent: &[Sent]) {
    for s in sent.iter().filter(|s| s.kind == fastcore::link::SendKind::New) {
        w.out(s);
        w.fill(s, &s.qty.clone(), &s.qty.clone());
    }
}

/// The report of a fill of 4 is lost, and his position tells it. CumQty(14) of a later report tells it again: copied once.
#[test]
fn what_cum_qty_tells_later_is_what_the_position_told() {
    for (kind, cum, more, left) in
        [(('F', '2'), "10", "32=6|31=1.1|", "0"), (('4', '4'), "4", "", "6"), (('I', '1'), "4", "", "6")]
    {
        let mut w = begun(&["EURUSD"]);
        copied(&mut w, 10);
        reported(&mut w, "S", ('0', '0'), "0", "");
        for _ in 0..2 {
            w.now += S;
            let sent = broker_says(&mut w, "6");
            filled(&mut w, &sent);
        }
        w.now += S;
        let sent = reported(&mut w, "S", kind, cum, more);
        filled(&mut w, &sent);
        assert_eq!((w.filled(), positions(&w)), (d(left), vec![(0, d(left))]), "{kind:?}");
    }
}

/// A time in whole seconds may be of the end of its second, and a sale of now must not be taken for one of before. What was taken
/// wrongly all the same, by a clock that is behind, is asked for, and found.
#[test]
fn a_sale_that_was_taken_for_one_of_before_is_found() {
    let mut w = World::with(SAME, "", |c| {
        *c = of(&["EURUSD"], &json!({}));
        c.profiles[0].supports.positions = true;
    });
    w.now -= w.now % S;
    copied(&mut w, 10);
    w.now += 10 * S + S / 2;
    let second_ns = w.now - w.now % S;
    for _ in 0..2 {
        let sent = broker_says(&mut w, "6");
        filled(&mut w, &sent);
        w.now += S / 10;
    }
    let sent = trades(&mut w, "EURUSD", -1, Some(second_ns));
    filled(&mut w, &sent);
    assert_eq!(w.filled(), d("5"), "of the same second");
    w.run_to(w.now + 2 * S);
    let questions = w.questions.len();
    assert!(trades(&mut w, "EURUSD", -3, Some(second_ns - S)).is_empty(), "a clock that is behind");
    w.run_to(w.now + 2 * S);
    assert!(w.questions.len() > questions);
    for _ in 0..2 {
        let sent = broker_says(&mut w, "2");
        filled(&mut w, &sent);
    }
    assert_eq!((w.filled(), positions(&w)), (d("2"), vec![(0, d("2"))]));
}

/// What the file said once is no news when it is read again: he has traded since. Another number is.
#[test]
fn initial_positions_count_once() {
    let first = json!({"EURUSD": "10"});
    let mut w = World::with(SAME, "", |c| *c = of(&["EURUSD", "GBPUSD"], &first));
    assert_eq!(positions(&w), [(0, d("10")), (1, Dec::ZERO)]);
    trades(&mut w, "EURUSD", -10, None);
    broker_says(&mut w, "7");
    goes_on(&mut w, &["GBPUSD"], &first);
    goes_on(&mut w, &["EURUSD", "GBPUSD"], &first);
    assert_eq!(positions(&w), [(1, Dec::ZERO)], "not 10 again");
    broker_says(&mut w, "7");
    assert_eq!(positions(&w), [(1, Dec::ZERO)], "a report of before confirms none of now");
    goes_on(&mut w, &["EURUSD", "GBPUSD"], &json!({"EURUSD": "4"}));
    assert_eq!(positions(&w), [(0, d("4")), (1, Dec::ZERO)]);
}
