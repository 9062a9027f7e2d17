//! What a broker's and a route's answers prove about an order of ours, and what they do not.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, OnReject};
use fastcore::decimal::Dec;
use fastcore::event::EventKind;
use fastcore::link::{self, Row, SendKind};
use fastcore::order::State;
use fastcore::profile::{BustCum, QueryCovers};
use support::{SAME, Sent, World, d, one};

const S: i64 = 1_000_000_000;

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", change)
}

fn state(w: &World) -> State {
    w.engine.state().orders[0].state
}

fn asks(sent: &[Sent]) -> bool {
    sent.len() == 1 && sent[0].kind == SendKind::Status
}

/// An open of 10 that left.
fn open(w: &mut World) -> Sent {
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    open
}

fn reject(w: &mut World, s: &Sent, reason: u8) -> Vec<Sent> {
    let id = &s.id;
    w.broker(&format!("35=8|37=NONE|11={id}|17=R{reason}|150=8|39=8|103={reason}|55=EURUSD|54=1|38=10|14=0|"))
}

/// "Not known" in answer to the newest question.
fn deny(w: &mut World, s: &Sent) -> Vec<Sent> {
    let (id, no) = (&s.id, w.engine.state().orders[0].query_no);
    w.broker(&format!("35=8|37=NONE|11={id}|17=S{no}|150=I|39=8|103=5|54=1|38=0|14=0|790={no}|"))
}

/// A close of 10 that left, which no deadline ends.
fn close(w: &mut World) -> Sent {
    let open = open(w);
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    w.out(&close);
    close
}

/// The next question, when it is due.
fn asked_again(w: &mut World) {
    w.now = w.engine.next_due_ns().unwrap();
    assert!(asks(&w.apply(EventKind::Timer, "", b"")));
}

/// A line that stalls holds an order and all questions about it, and then lets them through together: the order is in the
/// broker's gateway when they are answered. The settle time begins with the first answer, which proves that it was read.
#[test]
fn what_a_line_held_back_together_proves_nothing() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    for _ in 0..8 {
        asked_again(&mut w);
    }
    assert!(deny(&mut w, &open).is_empty());
    asked_again(&mut w);
    assert_eq!(one(&deny(&mut w, &open), true, "10").try_no, 2);
}

/// FIX 4.2 has no OrdStatusReqID(790): its answers come in the order of the questions. The one to a question from before
/// the settle time does not count for the newest.
#[test]
fn an_answer_that_names_no_question_is_that_to_the_oldest() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    asked_again(&mut w);
    asked_again(&mut w);
    assert!(reject(&mut w, &open, 5).is_empty(), "to the first question: the settle time begins");
    asked_again(&mut w);
    assert!(reject(&mut w, &open, 5).is_empty(), "to the second, which was asked before it began");
    assert_eq!(
        one(&reject(&mut w, &open, 5), true, "10").try_no,
        2,
        "to the third, which was asked behind it"
    );
}

/// What answers nothing that we asked proves nothing, however often it comes.
#[test]
fn more_denials_than_questions_prove_nothing() {
    let mut w = with(|c| c.timing.query_retry_ms = 100_000);
    let close = close(&mut w);
    asked_again(&mut w);
    for _ in 0..5 {
        assert!(reject(&mut w, &close, 5).is_empty());
        w.now += 4 * S;
    }
}

/// A question that did not leave the route is answered by nobody: the next answer is that to the next question.
#[test]
fn a_question_that_did_not_leave_is_not_waited_for() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    asked_again(&mut w);
    let id = format!("{}.1", open.id);
    w.rows(&[Row::NotSent { cl_ord_id: &id, try_no: 1, reason: 1 }]);
    asked_again(&mut w);
    assert!(reject(&mut w, &open, 5).is_empty(), "to the second: the settle time begins");
    asked_again(&mut w);
    assert_eq!(one(&reject(&mut w, &open, 5), true, "10").try_no, 2);
}

/// Answers that are left over from a try do not begin the settle time of the next one.
#[test]
fn answers_to_an_earlier_try_are_not_counted_for_a_later_one() {
    let mut w = with(|_| {});
    let close = close(&mut w);
    asked_again(&mut w);
    assert!(reject(&mut w, &close, 5).is_empty());
    for _ in 0..2 {
        asked_again(&mut w);
    }
    let again = one(&reject(&mut w, &close, 5), false, "10");
    w.out(&again);
    let asked = w.run_to(w.now + 6 * S);
    assert!(asks(&asked), "{asked:?}");
    assert!(reject(&mut w, &close, 5).is_empty(), "left over from the first try");
    asked_again(&mut w);
    assert!(reject(&mut w, &close, 5).is_empty(), "to the first question about this try: it begins here");
    assert!(reject(&mut w, &close, 5).is_empty(), "asked before it began");
    asked_again(&mut w);
    assert_eq!(one(&reject(&mut w, &close, 5), false, "10").try_no, 3);
}

/// A broker may name the newest request about an order, its cancel, in a status of the order: it is the answer all the same.
#[test]
fn a_status_under_the_name_of_a_cancel_is_an_answer() {
    let mut w = with(|_| {});
    let first = open(&mut w);
    w.acknowledge(&first);
    let cancel = w.leader("o2", 2, "10", "10", "10");
    assert_eq!(cancel.iter().map(|s| s.kind).collect::<Vec<_>>(), [SendKind::Cancel]);
    reject(&mut w, &first, 5);
    let (id, no) = (&cancel[0].id, w.engine.state().orders[0].query_no);
    assert_eq!((state(&w), no), (State::Unknown, 1));
    w.broker(&format!("35=8|37=B|11={id}|41={}|17=S1|150=I|39=6|54=1|38=10|14=0|151=10|790={no}|", first.id));
    assert_ne!(state(&w), State::Unknown);
}

/// An order that its broker denied says so when it comes again, where the venue understands it (PossResend, 97). One that
/// never left does not.
#[test]
fn an_order_that_may_have_come_before_says_so() {
    for understood in [true, false] {
        let mut w = with(|c| c.profiles[0].supports.poss_resend = understood);
        let open = open(&mut w);
        assert!(!open.text.contains("|97="), "{}", open.text);
        asked_again(&mut w);
        assert!(reject(&mut w, &open, 5).is_empty());
        asked_again(&mut w);
        let again = one(&reject(&mut w, &open, 5), true, "10");
        assert_eq!(again.text.contains("|35=D|97=Y|11="), understood, "{}", again.text);
        let rest = |text: &str| {
            let fields = text
                .split('|')
                .filter(|f| !["9", "10", "60", "97"].iter().any(|t| f.starts_with(&format!("{t}="))));
            fields.map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(rest(&again.text), rest(&open.text), "all else is the same order");
    }
    let mut w = with(|c| c.profiles[0].supports.poss_resend = true);
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    let id = open.id.clone();
    let mut sent = w.rows(&[Row::NotSent { cl_ord_id: &id, try_no: 1, reason: 1 }]);
    sent.extend(w.run_to(w.now + S));
    assert!(!one(&sent, true, "10").text.contains("|97="));
}

/// More open questions than are remembered one by one are counted all the same.
#[test]
fn answers_beyond_what_is_remembered_are_counted() {
    let mut w = with(|_| {});
    let close = close(&mut w);
    for _ in 0..12 {
        asked_again(&mut w);
    }
    for _ in 0..12 {
        assert!(reject(&mut w, &close, 5).is_empty());
    }
    asked_again(&mut w);
    assert_eq!(one(&reject(&mut w, &close, 5), false, "10").try_no, 2);
}

/// Two questions, two answers, and between them the close is sent again: the second answer is about the try before.
#[test]
fn an_old_denial_rejects_no_later_try() {
    for out in [false, true] {
        let mut w = with(|_| {});
        let first = open(&mut w);
        w.fill(&first, "10", "10");
        let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
        w.out(&close);
        for _ in 0..2 {
            asked_again(&mut w);
        }
        assert!(reject(&mut w, &close, 5).is_empty());
        asked_again(&mut w);
        assert!(reject(&mut w, &close, 5).is_empty(), "to the second question");
        let again = one(&reject(&mut w, &close, 5), false, "10");
        assert_eq!((again.try_no, &again.id), (2, &close.id));
        if out {
            w.out(&again);
        }
        assert!(reject(&mut w, &close, 5).is_empty());
        let newer = w.run_to(w.now + 4 * S);
        assert!(newer.iter().all(|s| s.kind != SendKind::New), "{newer:?}");
    }
}

/// What was heard of an order since it was denied begins it all anew.
#[test]
fn a_denial_of_an_order_that_was_seen_since_is_forgotten() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    asked_again(&mut w);
    assert!(deny(&mut w, &open).is_empty());
    w.acknowledge(&open);
    assert!(asks(&reject(&mut w, &open, 5)));
    w.now += 6 * S;
    w.apply(EventKind::Timer, "", b"");
    assert!(deny(&mut w, &open).is_empty());
}

/// "Duplicate" (103=6) says that the broker has such an order: it is asked about, and stays what it is.
#[test]
fn a_duplicate_is_asked_about_and_not_rejected() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    assert!(asks(&reject(&mut w, &open, 6)));
    assert_eq!((state(&w), w.target()), (State::Out, d("10")));
}

/// "Unknown" (103=5) about an order that the broker had is no reject: it may have been filled meanwhile.
#[test]
fn an_order_that_the_broker_had_is_not_rejected_as_unknown() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    let id = &open.id;
    w.broker(&format!("35=8|37=B|11={id}|17=A|150=0|39=0|55=EURUSD|54=1|38=10|14=0|151=10|"));
    assert!(asks(&reject(&mut w, &open, 5)));
    assert_eq!((state(&w), w.target()), (State::Unknown, d("10")));
}

/// Proven absent, what the broker had is not sent again: what is left of it is an order of its own, within the window of the
/// first, and too late it is given up once.
#[test]
fn what_the_broker_had_is_never_sent_again() {
    for (later, qty, target) in [(6 * S, Some("6"), "10"), (61 * S, None, "4")] {
        let mut w = with(|_| {});
        let open = open(&mut w);
        w.acknowledge(&open);
        w.fill(&open, "4", "4");
        assert!(asks(&reject(&mut w, &open, 5)));
        assert!(deny(&mut w, &open).is_empty(), "not settled");
        w.now += later;
        w.apply(EventKind::Timer, "", b"");
        let sent = deny(&mut w, &open);
        assert_eq!(sent.iter().map(|s| s.qty.as_str()).collect::<Vec<_>>(), Vec::from_iter(qty));
        assert!(sent.iter().all(|s| s.id != open.id && s.buy));
        assert_eq!((w.filled(), w.target()), (d("4"), d(target)));
    }
}

/// A cancel that is refused says that the order fills or is gone: it is asked which.
#[test]
fn a_refused_cancel_is_followed_by_a_question() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    let cancel = w.leader("o2", 2, "10", "10", "10");
    assert_eq!(cancel.iter().map(|s| s.kind).collect::<Vec<_>>(), [SendKind::Cancel]);
    let (id, of) = (&cancel[0].id, &open.id);
    assert!(asks(&w.broker(&format!("35=9|37=B|11={id}|41={of}|39=0|434=1|102=3|"))));
}

/// A cancel that is answered after we gave up waiting is still ours: what is wanted again is sent again.
#[test]
fn a_late_answer_to_a_cancel_is_still_ours() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    let cancel = w.leader("o2", 2, "10", "10", "10");
    assert!(w.leader("o3", 1, "10", "10", "10").is_empty(), "waits for the cancel");
    w.now += 6 * S;
    w.apply(EventKind::Timer, "", b"");
    let (id, of) = (&cancel[0].id, &open.id);
    let canceled = format!("35=8|37=B|11={id}|41={of}|17=C|150=4|39=4|55=EURUSD|54=1|38=10|14=0|151=0|");
    one(&w.broker(&canceled), true, "10");
    assert_eq!(w.target(), d("10"));
}

/// The answer to an older question does not prove absence: the order may have come after it.
#[test]
fn an_old_answer_proves_no_absence() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    let id = &open.id;
    while w.engine.state().orders[0].query_no < 2 {
        w.now = w.engine.next_due_ns().unwrap();
        w.apply(EventKind::Timer, "", b"");
    }
    assert_eq!(state(&w), State::Unknown);
    let mut answer =
        |n| w.broker(&format!("35=8|37=NONE|11={id}|17=S{n}|150=I|39=8|103=5|54=1|38=0|14=0|790={n}|"));
    assert!(answer(1).is_empty());
    assert!(answer(2).is_empty(), "from now on it settles");
    w.now = w.engine.next_due_ns().unwrap();
    w.apply(EventKind::Timer, "", b"");
    let mut answer =
        |n| w.broker(&format!("35=8|37=NONE|11={id}|17=S{n}|150=I|39=8|103=5|54=1|38=0|14=0|790={n}|"));
    assert!(answer(2).is_empty());
    assert_eq!(one(&answer(3), true, "10").try_no, 2);
}

/// The clock was put forward between the order and the question: nothing has settled in the time that seems to have
/// passed, so that answer proves nothing, and the next one counts.
#[test]
fn a_clock_that_was_put_forward_settles_nothing() {
    for told in [false, true] {
        let mut w = with(|_| {});
        let open = open(&mut w);
        asked_again(&mut w);
        assert!(deny(&mut w, &open).is_empty());
        w.now += 6 * S;
        let step = br#"{"cmd":"clock_step","by_ms":6000}"#;
        let (kind, payload) =
            if told { (EventKind::Operator, &step[..]) } else { (EventKind::Timer, &b""[..]) };
        assert!(asks(&w.apply(kind, "", payload)), "asked again");
        let sent = deny(&mut w, &open);
        assert_eq!(sent.is_empty(), told, "{sent:?}");
        if told {
            assert_eq!(state(&w), State::Unknown);
            assert!(w.alerts.iter().any(|a| a.code == "clock_step" && a.text.contains("6000 ms")));
        }
    }
}

/// Rows that were lost on their way are not passed over: to acknowledge what came behind them would have the route delete
/// them. The route is asked who it is, and says all of it again.
#[test]
fn a_row_that_is_missing_is_asked_for() {
    let mut w = with(|_| {});
    let open = open(&mut w);
    let before = w.engine.state().routes[0].last_row;
    w.row += 1;
    assert!(w.fill(&open, "10", "10").is_empty());
    assert_eq!(w.engine.state().routes[0].last_row, before, "neither taken nor acknowledged");
    assert_eq!(w.filled(), Dec::ZERO);
    w.row = before;
    w.fill(&open, "10", "10");
    assert_eq!((w.engine.state().routes[0].last_row, w.filled()), (before + 1, d("10")));
}

/// Rows about an earlier try say nothing about this one.
#[test]
fn an_out_row_of_an_earlier_try_is_ignored() {
    let mut w = with(|_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.rows(&[Row::NotSent { cl_ord_id: &open.id, try_no: 1, reason: 1 }]);
    w.now = w.engine.next_due_ns().unwrap();
    let again = one(&w.apply(EventKind::Timer, "", b""), true, "10");
    assert_eq!(again.try_no, 2);
    w.out(&open);
    assert_eq!(state(&w), State::Dispatched);
    w.out(&again);
    assert_eq!(state(&w), State::Out);
}

/// The greeting of a process that is gone opens no route.
#[test]
fn the_sync_of_another_incarnation_opens_no_route() {
    let mut w = with(|_| {});
    let hello = link::encode_hello("r", 8, 1, w.row + 1, 0, &["R"]).unwrap();
    w.apply(EventKind::Link, "r", &hello);
    w.rows(&[Row::Sync { incarnation: 7, epoch: 0 }]);
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
    one(&w.rows(&[Row::Sync { incarnation: 8, epoch: 0 }]), true, "10");
}

/// Where queries cover working orders only, "unknown" may mean filled: nothing is sent again.
#[test]
fn absence_is_no_proof_where_queries_cover_working_orders() {
    let mut w = with(|c| c.profiles[0].query_covers = QueryCovers::Working);
    let open = open(&mut w);
    let mut asked = Vec::new();
    for _ in 0..3 {
        w.now = w.engine.next_due_ns().unwrap();
        asked.extend(w.apply(EventKind::Timer, "", b""));
    }
    assert!(asked.iter().all(|s| s.kind == SendKind::Status) && asked.len() > 1, "{asked:?}");
    for _ in &asked {
        assert!(reject(&mut w, &open, 5).is_empty());
    }
    asked_again(&mut w);
    assert!(reject(&mut w, &open, 5).is_empty());
    assert_eq!(state(&w), State::Unknown);
    assert_eq!(w.alerts.last().map(|a| a.code), Some("unknown_order"));
}

/// `drop` gives a rejected open up at once; `retry` tries it again, but not beyond its window.
#[test]
fn a_rejected_open_is_dropped_or_tried_again_within_its_window() {
    for (on_reject, after_s, left) in
        [(OnReject::Drop, 1, "0"), (OnReject::Retry, 1, "10"), (OnReject::Retry, 31, "0")]
    {
        let mut w = with(|c| {
            c.subscriptions[0].on_reject = on_reject;
            c.subscriptions[0].retry_window_ms = 30_000;
            c.timing.ack_timeout_ms = 100_000;
        });
        let open = open(&mut w);
        w.now += after_s * S;
        reject(&mut w, &open, 99);
        assert_eq!(w.target(), d(left), "{on_reject:?} after {after_s} s");
    }
}

/// Neither does the greeting of another core.
#[test]
fn the_sync_for_another_epoch_opens_no_route() {
    let mut w = with(|_| {});
    let hello = link::encode_hello("r", 8, 1, w.row + 1, 0, &["R"]).unwrap();
    w.apply(EventKind::Link, "r", &hello);
    w.rows(&[Row::Sync { incarnation: 8, epoch: 1 }]);
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
}

/// What is to be canceled is canceled as soon as it may have left, and as soon as its route is back.
#[test]
fn a_cancel_follows_the_out_row_and_the_route() {
    let mut w = with(|_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    assert!(w.leader("o2", 2, "10", "10", "10").is_empty(), "it may not have left");
    let sent = w.out(&open);
    assert_eq!(sent.iter().map(|s| s.kind).collect::<Vec<_>>(), [SendKind::Cancel]);

    let mut w = with(|_| {});
    let open = open_and_acknowledge(&mut w);
    w.apply(EventKind::Link, "r", b"");
    assert!(w.leader("o2", 2, "10", "10", "10").is_empty(), "the route is not there");
    let sent = w.link(7);
    assert_eq!(sent.iter().map(|s| s.kind).collect::<Vec<_>>(), [SendKind::Cancel], "of {}", open.id);
}

fn open_and_acknowledge(w: &mut World) -> Sent {
    let open = open(w);
    let id = &open.id;
    w.broker(&format!("35=8|37=B|11={id}|17=A|150=0|39=0|55=EURUSD|54=1|38=10|14=0|151=10|"));
    open
}

/// A route whose file is new may have lost reports: what works is asked about.
#[test]
fn a_lost_route_file_asks_about_what_works() {
    let mut w = with(|_| {});
    open_and_acknowledge(&mut w);
    let hello = link::encode_hello("r", 8, 2, 1, 0, &["R"]).unwrap();
    w.apply(EventKind::Link, "r", &hello);
    assert_eq!(state(&w), State::Unknown);
}

/// An open that waits for its route ends with its window, not with the route's return.
#[test]
fn an_open_that_waits_for_its_route_ends_with_its_window() {
    let mut w = with(|_| {});
    w.apply(EventKind::Link, "r", b"");
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
    assert_eq!((state(&w), w.target()), (State::Held, d("10")));
    w.now = w.engine.next_due_ns().unwrap();
    w.apply(EventKind::Timer, "", b"");
    assert_eq!((state(&w), w.target()), (State::Missed, d("0")));
}

/// An instrument that is restricted is not opened, whatever the limits are.
#[test]
fn a_restricted_instrument_is_not_opened() {
    let mut w = with(|c| c.followers[0].restricted = vec!["EURUSD".into()]);
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
    assert_eq!(w.target(), d("0"));
    assert!(w.engine.status().refusals.contains_key("restricted"));
}

/// After a bust only trade reports count: a CumQty(14) that none explains is shown and asked about, once.
#[test]
fn a_cum_qty_that_no_trade_explains_after_a_bust_is_asked_about() {
    for (kept, explained, higher) in [(BustCum::Reduced, 0, 4), (BustCum::Kept, 6, 10)] {
        let mut w = with(|c| c.profiles[0].bust_cum = kept);
        let open = open(&mut w);
        w.fill(&open, "6", "6");
        let (id, exec) = (open.id.clone(), w.exec);
        let report =
            |n: u8, more: &str| format!("35=8|37=B{id}|11={id}|17=S{n}|55=EURUSD|54=1|38=10|{more}|");
        w.broker(&report(1, &format!("19=X{exec}|150=H|39=1|32=6|14={explained}")));
        w.alerts.clear();
        assert!(w.broker(&report(2, &format!("150=I|39=1|14={explained}"))).is_empty());
        assert!(w.alerts.is_empty(), "{kept:?}: {:?}", w.alerts);
        assert!(asks(&w.broker(&report(3, &format!("150=I|39=1|14={higher}")))), "{kept:?}");
        assert_eq!(w.alerts.iter().map(|a| a.code).collect::<Vec<_>>(), ["fill_missing"]);
        assert!(w.broker(&report(4, &format!("150=I|39=1|14={higher}"))).is_empty(), "once");
        assert_eq!((w.alerts.len(), w.filled()), (1, d("0")));
        // The trade itself, late, is counted and explains it.
        w.broker(&report(5, &format!("150=F|39=1|32=4|31=1|14={higher}")));
        assert_eq!((w.alerts.len(), w.filled()), (1, d("4")));
    }
}
