//! What the audit log is told of every fill, bust and correction: side, units, price and name, guarded or not.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use support::{SAME, Sent, World};

/// A follower's order of 10 at the broker, bought or sold.
fn ordered(w: &mut World, buy: bool) -> Sent {
    w.exec += 1;
    let order = format!("o{}", w.exec);
    let sent = w.leader(&order, if buy { 1 } else { 2 }, "10", "10", "10");
    w.out(&sent[0]);
    sent[0].clone()
}

fn says(w: &mut World, s: &Sent, kind: &str, exec: &str, more: &str) {
    let (id, side) = (&s.id, if s.buy { 1 } else { 2 });
    w.broker(&format!("35=8|37=B{id}|11={id}|17={exec}|150={kind}|55=EURUSD|54={side}|38=10|{more}"));
}

fn texts(w: &World) -> Vec<&str> {
    w.moved.iter().map(|(text, _)| text.as_str()).collect()
}

/// Each fill once, with its own quantity and price; an acknowledgement and a repeated report move nothing.
#[test]
fn fills_are_told_once_with_their_own_price() {
    let mut w = World::new(SAME, "");
    let s = ordered(&mut w, true);
    says(&mut w, &s, "0", "x0", "39=0|14=0|151=10|");
    for _ in 0..2 {
        says(&mut w, &s, "F", "x1", "39=1|32=4|31=100|14=4|151=6|");
    }
    says(&mut w, &s, "F", "x2", "39=2|32=6|31=101|14=10|151=0|");
    assert_eq!(texts(&w), ["fill buy 4 100 x1 EURUSD USD", "fill buy 6 101 x2 EURUSD USD"]);
    assert!(w.moved[0].1 != w.moved[1].1 && w.moved.iter().all(|(_, execution)| *execution != 0));
}

/// A bust and a correction name the execution of their fill, say what they move, and a new price alone is told too.
#[test]
fn what_is_taken_back_or_corrected_names_its_fill() {
    let mut w = World::new(SAME, "");
    let s = ordered(&mut w, false);
    says(&mut w, &s, "F", "x1", "39=2|32=10|31=100|14=10|151=0|");
    says(&mut w, &s, "G", "x2", "19=x1|39=2|32=10|31=99|14=10|151=0|");
    says(&mut w, &s, "G", "x3", "19=x2|39=1|32=8|31=98|14=8|151=2|");
    says(&mut w, &s, "H", "x4", "19=x1|39=0|32=8|31=98|14=0|151=0|");
    let want = [
        "fill sell 10 100 x1 EURUSD USD",
        "correct sell 0 99 x2 EURUSD USD",
        "correct sell -2 98 x3 EURUSD USD",
        "bust sell -8 98 x4 EURUSD USD",
    ];
    assert_eq!(texts(&w)[..4], want);
    let names: Vec<u128> = w.moved[..4].iter().map(|(_, execution)| *execution).collect();
    assert!(names.iter().all(|name| *name == names[0] && *name != 0), "{names:?}");
}
