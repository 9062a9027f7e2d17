//! Busts that are followed where a leader's order is worth an amount (`fixed`): it opens that much in all, whatever is taken back.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::OnBust;
use fastcore::event::EventKind;
use fastcore::link::SendKind;
use support::{Sent, World, d, fix, one};

const S: i64 = 1_000_000_000;
const EIGHT: &str = r#"{"mode":"fixed","lots":"8"}"#;

fn with(sizing: &str, extra: &str) -> World {
    World::with(sizing, extra, |c| c.subscriptions[0].on_bust = OnBust::Follow)
}

fn orders(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|s| s.kind == SendKind::New).collect()
}

/// The leader's order fills, at its broker, so long ago; what follows is filled at once. The number of the ExecID(17).
fn filled(w: &mut World, order: &str, side: u8, (qty, last, cum): (u32, u32, u32), ago_s: i64) -> u64 {
    w.exec += 1;
    let (e, time) = (w.exec, at(w, ago_s));
    let raw = fix(&format!(
        "35=8|34={e}|37={order}|17=E{e}|150=F|39=1|55=EURUSD|54={side}|38={qty}|32={last}|31=1.1|14={cum}|151=0|60={time}|"
    ));
    let sent = w.apply(EventKind::Leader, "L", &raw);
    fill_all(w, sent);
    e
}

fn fill_all(w: &mut World, sent: Vec<Sent>) {
    let mut left = orders(sent);
    while let Some(s) = left.pop() {
        w.out(&s);
        left.extend(orders(w.fill(&s, &s.qty.clone(), &s.qty.clone())));
    }
}

fn at(w: &World, ago_s: i64) -> String {
    let mut time = Vec::new();
    fastcore::time::write_utc(w.now - ago_s * S, &mut time);
    String::from_utf8(time).unwrap()
}

/// An execution of an order is of another quantity; 0: it never was.
fn amended(w: &mut World, order: &str, side: u8, exec: u64, (had, qty): (u32, u32)) {
    w.exec += 1;
    let (e, time, kind) = (w.exec, at(w, 0), if qty == 0 { 'H' } else { 'G' });
    let last = if qty == 0 { had } else { qty };
    let raw = fix(&format!(
        "35=8|34={e}|37={order}|17=E{e}|19=E{exec}|150={kind}|39=1|55=EURUSD|54={side}|38=40|32={last}|31=1.1|14=0|151=0|60={time}|"
    ));
    let sent = w.apply(EventKind::Leader, "L", &raw);
    fill_all(w, sent);
}

/// Its venue takes a trade back and fills the order again: it opens its amount, no more and no less.
#[test]
fn what_a_bust_takes_off_an_amount_comes_back_to_its_order() {
    let mut w = with(EIGHT, "");
    let all = filled(&mut w, "o", 1, (20, 20, 20), 0);
    assert_eq!((w.target(), w.filled()), (d("8"), d("8")));
    amended(&mut w, "o", 1, all, (20, 0));
    assert_eq!((w.target(), w.filled()), (d("0"), d("0")));
    filled(&mut w, "o", 1, (20, 5, 5), 0);
    assert_eq!((w.target(), w.filled()), (d("2"), d("2")), "a quarter of it");
    filled(&mut w, "o", 1, (20, 15, 20), 0);
    assert_eq!((w.target(), w.filled()), (d("8"), d("8")), "and all of it");
}

/// A correction gives back the part that it takes away, and takes what it adds.
#[test]
fn a_correction_changes_what_is_left_of_an_amount() {
    for (to, target) in [(10, "2"), (30, "6"), (5, "1")] {
        let mut w = with(EIGHT, "");
        let first = filled(&mut w, "o", 1, (40, 20, 20), 0);
        amended(&mut w, "o", 1, first, (20, to));
        assert_eq!(w.target(), d(target), "20 is {to}");
        filled(&mut w, "o", 1, (40, 40 - to, 40), 0);
        assert_eq!((w.target(), w.filled()), (d("8"), d("8")), "20 is {to}");
    }
}

/// A part that was refused counts; without its execution it never was.
#[test]
fn a_refused_part_of_an_amount_comes_back_too() {
    let mut w = with(EIGHT, "");
    let late = filled(&mut w, "o", 1, (20, 10, 10), 61);
    assert_eq!(w.target(), d("0"), "half of it was too late");
    amended(&mut w, "o", 1, late, (10, 0));
    filled(&mut w, "o", 1, (20, 20, 20), 0);
    assert_eq!((w.target(), w.filled()), (d("8"), d("8")));
}

/// More of an order opens, because another one's execution never was: still no more than its amount.
#[test]
fn an_order_never_opens_more_than_its_amount() {
    let mut w = with(EIGHT, "");
    let short = filled(&mut w, "a", 2, (5, 5, 5), 0);
    filled(&mut w, "b", 1, (10, 10, 10), 0);
    assert_eq!((w.target(), w.filled()), (d("8"), d("8")));
    amended(&mut w, "a", 2, short, (5, 0));
    assert_eq!((w.target(), w.filled()), (d("8"), d("8")), "10 units of one order, not 5");
    // The same where it had filled half: 5 of 10 that opened were a third, 10 of them are two, and the rest is the rest.
    let mut w = with(EIGHT, "");
    let short = filled(&mut w, "a", 2, (5, 5, 5), 0);
    filled(&mut w, "b", 1, (20, 10, 10), 0);
    amended(&mut w, "a", 2, short, (5, 0));
    assert_eq!(w.filled(), d("5"), "two thirds of 8, in whole lots");
    filled(&mut w, "b", 1, (20, 10, 20), 0);
    assert_eq!((w.target(), w.filled()), (d("8"), d("8")));
}

/// An order whose amount is used up asks for nothing: its next trade brings no smallest lot for a rest that was lost before.
#[test]
fn an_order_that_has_opened_its_amount_asks_for_no_lot() {
    let least = r#","rounding":"min_lot_if_nonzero","max_inflation":"100""#;
    let mut w = with(r#"{"mode":"fixed","lots":"1.3"}"#, least);
    let sent = orders(w.leader("o", 1, "10", "10", "10"));
    let first = one(&sent, true, "1");
    w.out(&first);
    w.reject(&first);
    assert_eq!((w.target(), w.filled()), (d("0.3"), d("0")));
    let sent = orders(w.leader("o", 1, "20", "10", "20"));
    assert!(sent.is_empty(), "{sent:?}");
    assert_eq!(w.target(), d("0.3"));
}

/// What an order had filled before anybody copied it stays used up, whatever is taken back behind it.
#[test]
fn a_bust_gives_back_nothing_of_what_was_missed() {
    let ten = r#"{"mode":"fixed","lots":"10"}"#;
    let mut w = with(ten, "");
    let e = filled(&mut w, "E", 1, (10, 3, 7), 0);
    assert_eq!(w.target(), d("3"), "4 of its 10 were filled before");
    amended(&mut w, "E", 1, e, (3, 0));
    assert_eq!(w.target(), d("0"));
    filled(&mut w, "E", 1, (10, 6, 10), 0);
    assert_eq!(w.target(), d("6"));

    let mut w = with(ten, "");
    let e = filled(&mut w, "E", 1, (10, 3, 7), 0);
    amended(&mut w, "E", 1, e, (3, 5));
    assert_eq!(w.target(), d("5"), "nor does a correction have less left");
}
