//! What a leader's broker is asked, and what its answers change.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::event::EventKind;
use fastcore::profile::Recovery;
use support::{SAME, Sent, World, d, field, fix, one};

fn asking(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", |c| {
        c.profiles[0].supports.positions = true;
        c.profiles[0].supports.mass_status = true;
        change(c);
    })
}

fn types(w: &mut World) -> Vec<String> {
    let asked = std::mem::take(&mut w.questions);
    asked.iter().map(|q| field(q.replace('|', "\u{1}").as_bytes(), "35")).collect()
}

fn holding(w: &mut World, qty: &str) {
    let open = one(&w.leader("o1", 1, qty, qty, qty), true, qty);
    w.out(&open);
    w.fill(&open, qty, qty);
}

fn answer(w: &mut World, request: &str, text: &str) -> Vec<Sent> {
    w.apply(EventKind::Leader, "L", &fix(&format!("35=AP|710={request}|{text}|")))
}

/// An order whose quantities contradict each other is asked about, and the answer's CumQty counts.
#[test]
fn a_contradiction_asks_for_the_orders_status() {
    let mut w = asking(|_| {});
    holding(&mut w, "10");
    w.leader("o1", 1, "10", "1", "4");
    assert_eq!(w.questions.len(), 1, "{:?}", w.questions);
    assert!(w.questions[0].contains("|35=H|37=o1|55=EURUSD|54=1|790=Q"), "{:?}", w.questions);
    assert_eq!(types(&mut w), ["H"]);
    w.leader("o1", 1, "10", "1", "3");
    assert!(types(&mut w).is_empty(), "once");
}

/// A gap that the leader's broker does not fill may hide a fill: orders and positions are asked for, and a position
/// that is smaller, said twice, closes what was missed.
#[test]
fn a_gap_asks_for_orders_and_positions() {
    let mut w = asking(|_| {});
    holding(&mut w, "10");
    w.apply(EventKind::Leader, "L", &fix("35=4|34=5|43=Y|123=Y|36=9|"));
    assert_eq!(types(&mut w), ["AF", "AN"]);
    assert!(answer(&mut w, "Q1", "727=1|728=0|55=EURUSD|702=1|703=TQ|704=4").is_empty(), "said once");
    w.now = w.engine.next_due_ns().unwrap();
    w.apply(EventKind::Timer, "", b"");
    assert_eq!(types(&mut w), ["AN"], "nobody says it again unless he is asked");
    one(&answer(&mut w, "Q2", "727=1|728=0|55=EURUSD|702=1|703=TQ|704=4"), false, "6");
    assert!(types(&mut w).is_empty());
}

/// An answer that is complete and does not name an instrument says that it is flat.
#[test]
fn what_a_complete_answer_does_not_name_is_flat() {
    for none in ["727=0|728=2", "727=1|728=0|55=XAUUSD|702=1|703=TQ|704=4"] {
        let mut w = asking(|_| {});
        holding(&mut w, "10");
        for _ in 0..2 {
            assert!(answer(&mut w, "Q1", none).is_empty(), "the same answer twice is one");
        }
        one(&answer(&mut w, "Q2", none), false, "10");
    }
    let mut w = asking(|_| {});
    holding(&mut w, "10");
    for request in ["Q1", "Q2"] {
        assert!(answer(&mut w, request, "727=2|728=0|55=XAUUSD|702=1|703=TQ|704=4").is_empty(), "one of two");
        assert!(
            answer(&mut w, request, "727=2|728=0|55=EURUSD|702=1|703=TQ|704=10").is_empty(),
            "as counted"
        );
    }
    // The first of two comes twice: the second one, which may name what is held, has not come.
    for request in ["Q5", "Q6"] {
        for _ in 0..2 {
            let again = answer(&mut w, request, "727=2|728=0|55=XAUUSD|702=1|703=TQ|704=4");
            assert!(again.is_empty(), "one of two, twice");
        }
    }
    for request in ["Q3", "Q4"] {
        assert!(answer(&mut w, request, "727=0|728=3").is_empty(), "an answer that refuses says nothing");
    }
    assert_eq!(w.filled(), d("10"));
}

/// A venue that resends nothing is asked at every logon; one that resends only for positions that nobody knows.
#[test]
fn a_logon_asks_for_what_the_venue_does_not_resend() {
    let up = |w: &mut World| {
        w.apply(EventKind::Session, "L", b"up");
        types(w)
    };
    let mut w = asking(|_| {});
    assert!(up(&mut w).is_empty());
    let mut w = asking(|c| c.profiles[0].recovery = Recovery::None);
    assert_eq!(up(&mut w), ["AF", "AN"]);
    w.apply(EventKind::Session, "L", b"down");
    assert!(types(&mut w).is_empty());
    let mut w = asking(|c| c.leaders[0].assume_flat = false);
    assert_eq!(up(&mut w), ["AN"]);
    assert!(answer(&mut w, "Q1", "727=0|728=2").is_empty());
    one(&w.leader("o1", 1, "2", "2", "2"), true, "2");
}

/// A venue that answers nothing is asked nothing.
#[test]
fn a_venue_that_answers_nothing_is_not_asked() {
    let mut w = asking(|c| {
        c.profiles[0].supports = fastcore::profile::Supports::default();
        c.profiles[0].recovery = Recovery::None;
    });
    w.apply(EventKind::Session, "L", b"up");
    w.apply(EventKind::Leader, "L", &fix("35=4|34=5|43=Y|123=Y|36=9|"));
    holding(&mut w, "10");
    w.leader("o1", 1, "10", "1", "4");
    assert!(types(&mut w).is_empty());
}
