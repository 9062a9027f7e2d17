//! Corners of the delivery rules and of the ledger, each found by reading the rule against the code.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::{self, Row, SendKind};
use support::{SAME, Sent, World, config, d, fix, one};

fn kinds(sent: &[Sent]) -> Vec<SendKind> {
    sent.iter().map(|s| s.kind).collect()
}

/// An open of 10 whose outcome is unknown, long enough ago for an answer to count.
fn unknown_open() -> (World, Sent) {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.now = w.engine.next_due_ns().unwrap();
    assert_eq!(kinds(&w.apply(EventKind::Timer, "", b"")), vec![SendKind::Status]);
    w.now = w.engine.next_due_ns().unwrap();
    assert_eq!(kinds(&w.apply(EventKind::Timer, "", b"")), vec![SendKind::Status]);
    (w, open)
}

/// A question that the broker refused is no answer: an order sent again on it would be held twice.
#[test]
fn a_refused_question_about_an_unknown_order_proves_nothing() {
    for reason in ["0", "3", "4", "6", "8"] {
        let (mut w, open) = unknown_open();
        let id = &open.id;
        let sent = w.broker(&format!("35=j|45=3|372=H|379={id}|380={reason}|58=busy|"));
        assert!(sent.iter().all(|s| s.kind != SendKind::New), "380={reason}: {sent:?}");
        assert_eq!(w.alerts.last().map(|a| a.code), Some("query_rejected"));
    }
    let (mut w, open) = unknown_open();
    let sent = w.broker(&format!("35=j|45=3|372=H|379={}|380=1|58=unknown id|", open.id));
    assert_eq!((sent[0].kind, sent[0].try_no), (SendKind::New, 2), "380=1 is the answer: not known");
}
