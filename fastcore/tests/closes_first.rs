//! Closes go first: of everything that one event sends to a route, and of what waited for it (decision 0033).
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, Dispatch};
use fastcore::event::EventKind;
use fastcore::link::{Row, SendKind};
use support::{SAME, Sent, World, add_second, field, fix};

/// Account, side and quantity of each new order, in the order of the wire.
fn wire(sent: &[Sent]) -> Vec<(String, bool, String)> {
    let account = |s: &Sent| field(s.text.replace('|', "\u{1}").as_bytes(), "1");
    let new = sent.iter().filter(|s| s.kind == SendKind::New);
    new.map(|s| (account(s), s.buy, s.qty.clone())).collect()
}

fn wired(expected: &[(&str, bool, &str)]) -> Vec<(String, bool, String)> {
    expected.iter().map(|(f, buy, qty)| ((*f).to_owned(), *buy, (*qty).to_owned())).collect()
}

/// Followers F, G and H, served as listed.
fn three(c: &mut Config) {
    add_second(c);
    add_second(c);
    (c.followers[2].name, c.followers[2].account) = ("h".to_owned(), Some("H".to_owned()));
    (c.subscriptions[2].name, c.subscriptions[2].follower) = ("u".to_owned(), "h".to_owned());
    c.dispatch = Dispatch::Listed;
}

fn fill_all(w: &mut World, sent: &[Sent]) {
    for s in sent {
        w.out(s);
        w.fill(s, &s.qty, &s.qty);
    }
}

/// A flip is a close and an open of each follower: no close stands behind anybody's open, and each kind keeps its turns.
#[test]
fn in_one_event_the_closes_of_all_stand_before_the_opens_of_all() {
    let mut w = World::with(SAME, "", three);
    let opens = w.leader("o1", 1, "10", "10", "10");
    fill_all(&mut w, &opens);
    let flip = w.leader("o2", 2, "25", "25", "25");
    let closes = [("F", false, "10"), ("G", false, "10"), ("H", false, "10")];
    let opens = [("F", false, "15"), ("G", false, "15"), ("H", false, "15")];
    // The opens wait for the closes, or follow them; what is sent now begins with all closes.
    assert_eq!(wire(&flip), wired(&[closes, opens].concat()));
}

/// An open that still works is asked to end before the next open of anybody leaves; its own waits for the answer.
#[test]
fn a_cancel_stands_before_the_opens_of_others() {
    let mut w = World::with(SAME, "", three);
    let opens = w.leader("o1", 1, "10", "10", "10");
    fill_all(&mut w, &opens[..2]);
    w.out(&opens[2]);
    w.acknowledge(&opens[2]);
    let flip = w.leader("o2", 2, "25", "25", "25");
    let sent: Vec<_> = flip.iter().map(|s| (s.kind, s.qty.as_str())).collect();
    let (close, open) = ((SendKind::New, "10"), (SendKind::New, "15"));
    assert_eq!(sent, [close, close, (SendKind::Cancel, "10"), open, open]);
}

fn two_instruments(c: &mut Config) {
    let mut gold = c.instruments[0].clone();
    gold.name = "GOLD".to_owned();
    c.instruments.push(gold);
    c.leaders[0].symbols.insert("GOLD".to_owned(), "GOLD".to_owned());
    c.followers[0].symbols.insert("GOLD".to_owned(), "GOLD".to_owned());
    let mut map = c.subscriptions[0].symbol_map.get("EURUSD").unwrap().clone();
    map.instrument = "GOLD".to_owned();
    c.subscriptions[0].symbol_map.insert("GOLD".to_owned(), map);
}

fn trade(w: &mut World, symbol: &str, order: &str, side: u8, qty: &str) -> Vec<Sent> {
    w.exec += 1;
    let (e, mut time) = (w.exec, Vec::new());
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    let raw = fix(&format!(
        "35=8|34={e}|37={order}|17=E{e}|150=F|39=2|55={symbol}|54={side}|38={qty}|32={qty}|31=1.1|14={qty}|151=0|60={time}|"
    ));
    w.apply(EventKind::Leader, "L", &raw)
}

/// Three opens waited longer than the close: the close goes out first, and the opens in the order of their decisions.
#[test]
fn after_a_line_was_down_the_close_that_waited_goes_first() {
    let mut w = World::with(SAME, "", two_instruments);
    let open = trade(&mut w, "EURUSD", "o1", 1, "10");
    fill_all(&mut w, &open);
    w.rows(&[Row::Logout { session: "R" }]);
    for (order, qty) in [("a1", "1"), ("a2", "2"), ("a3", "3")] {
        assert!(trade(&mut w, "GOLD", order, 1, qty).is_empty());
    }
    assert!(trade(&mut w, "EURUSD", "o2", 2, "10").is_empty());
    let sent = w.rows(&[Row::Logon { session: "R" }]);
    let expected = [("F", false, "10"), ("F", true, "1"), ("F", true, "2"), ("F", true, "3")];
    assert_eq!(wire(&sent), wired(&expected));
}

/// Where the venue is asked about what works, the questions stand behind closes too.
#[test]
fn questions_stand_behind_a_close_that_waited() {
    let none = |c: &mut Config| {
        two_instruments(c);
        c.profiles[0].recovery = fastcore::profile::Recovery::None;
    };
    let mut w = World::with(SAME, "", none);
    let open = trade(&mut w, "EURUSD", "o1", 1, "10");
    fill_all(&mut w, &open);
    let works = trade(&mut w, "GOLD", "a1", 1, "1");
    w.out(&works[0]);
    w.acknowledge(&works[0]);
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(trade(&mut w, "EURUSD", "o2", 2, "10").is_empty());
    let sent = w.rows(&[Row::Logon { session: "R" }]);
    let kinds: Vec<_> = sent.iter().map(|s| (s.kind, s.buy)).collect();
    assert_eq!(kinds, [(SendKind::New, false), (SendKind::Status, true)]);
}
