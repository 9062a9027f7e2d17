//! What a follower's broker sees of us when something fails: the claims of docs/reference/what-brokers-see.md.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::event::EventKind;
use fastcore::link::{Row, SendKind};
use fastcore::profile::Recovery;
use support::{SAME, Sent, World, d, field, one};

const MS: i64 = 1_000_000;
const S: i64 = 1_000 * MS;

fn world() -> World {
    World::new(SAME, "")
}

/// An open of 10 that left.
fn open(w: &mut World) -> Sent {
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    open
}

/// Everything that timers send up to `end`, with its time since `from` in milliseconds.
fn timeline(w: &mut World, from: i64, end: i64) -> Vec<(i64, Sent)> {
    let mut seen = Vec::new();
    while let Some(due) = w.engine.next_due_ns().filter(|due| *due < end) {
        w.now = w.now.max(due);
        let sent = w.apply(EventKind::Timer, "", b"");
        seen.extend(sent.into_iter().map(|s| ((w.now - from) / MS, s)));
    }
    w.now = end;
    seen
}

fn tag(s: &Sent, tag: &str) -> String {
    field(s.text.replace('|', "\u{1}").as_bytes(), tag)
}

/// A broker that says nothing is asked after `ack_timeout_ms`, then every `query_retry_ms` under the next number, for ever;
/// the order is not sent again.
#[test]
fn a_silent_broker_is_asked_and_never_sent_the_order_again() {
    let mut w = world();
    let open = open(&mut w);
    let from = w.now;
    let seen = timeline(&mut w, from, from + 60 * S);
    assert!(seen.iter().all(|(_, s)| s.kind == SendKind::Status && tag(s, "11") == open.id));
    let times: Vec<i64> = seen.iter().map(|(at_ms, _)| *at_ms).collect();
    assert_eq!(times, (1..12).map(|n| 5_000 * n).collect::<Vec<_>>());
    let numbers: Vec<String> = seen.iter().map(|(_, s)| tag(s, "790")).collect();
    assert_eq!(numbers, (1..12).map(|n| n.to_string()).collect::<Vec<_>>());
}

/// "Not known", and once more to a question asked a settle time later: the same order is sent under the same ClOrdID(11),
/// without PossResend(97).
#[test]
fn an_order_that_is_denied_twice_is_sent_under_its_own_name() {
    let mut w = world();
    let open = open(&mut w);
    let from = w.now;
    for expected in [0, 1] {
        let asked = timeline(&mut w, from, from + (5 * expected + 6) * S);
        let (id, no) = (&open.id, tag(&asked.last().unwrap().1, "790"));
        let sent =
            w.broker(&format!("35=8|37=NONE|11={id}|17=S{no}|150=I|39=8|103=5|54=1|38=0|14=0|790={no}|"));
        assert_eq!(sent.len() as i64, expected, "{sent:?}");
        if let Some(again) = sent.first() {
            assert_eq!((&again.id, again.kind, tag(again, "97")), (&open.id, SendKind::New, String::new()));
        }
    }
}

/// A close that is rejected comes again under another ClOrdID(11), after a pause that doubles up to `close_retry_max_ms`.
#[test]
fn a_rejected_close_comes_again_under_another_name() {
    let mut w = world();
    let open = open(&mut w);
    w.fill(&open, "10", "10");
    let mut close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    let mut pauses = Vec::new();
    for _ in 0..9 {
        w.out(&close);
        assert!(w.reject(&close).is_empty());
        let from = w.now;
        let due = timeline(&mut w, from, from + 31 * S);
        let (at_ms, again) = due.first().unwrap().clone();
        assert_ne!(again.id, close.id);
        pauses.push(at_ms);
        close = one(&[again], false, "10");
    }
    assert_eq!(pauses, [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
}

/// What a broker fills beyond the order is his word: the books follow, and the excess is closed by an order of its own.
#[test]
fn an_overfill_is_closed() {
    let mut w = world();
    let open = open(&mut w);
    let close = one(&w.fill(&open, "13", "13"), false, "3");
    assert_ne!(close.id, open.id);
    assert!(w.alerts.iter().any(|a| a.code == "unexpected_fill"));
    w.out(&close);
    w.fill(&close, "3", "3");
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")));
}

/// A busted open is not bought again; a busted close leaves a position that is closed again.
#[test]
fn a_bust_is_followed_by_a_close_only() {
    let bust = |w: &mut World, of: &Sent, exec: u64, side: u8| {
        let id = &of.id;
        w.broker(&format!(
            "35=8|37=B{id}|11={id}|17=H{exec}|19=X{exec}|150=H|39=4|55=EURUSD|54={side}|38=10|32=10|31=1.1|14=0|151=0|"
        ))
    };
    let mut w = world();
    let first = open(&mut w);
    w.fill(&first, "10", "10");
    let exec = w.exec;
    assert!(bust(&mut w, &first, exec, 1).is_empty());
    assert_eq!((w.filled(), w.target()), (d("0"), d("0")));

    let mut w = world();
    let first = open(&mut w);
    w.fill(&first, "10", "10");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    w.out(&close);
    w.fill(&close, "10", "10");
    let exec = w.exec;
    let again = one(&bust(&mut w, &close, exec, 2), false, "10");
    assert_ne!(again.id, close.id);
}

/// After a logon a venue that resends is asked about nothing, and one that does not about everything that works.
#[test]
fn a_logon_asks_only_where_nothing_is_resent() {
    for (recovery, asked) in [(Recovery::Resend, 0), (Recovery::None, 1)] {
        let mut w = World::with(SAME, "", |c| c.profiles[0].recovery = recovery);
        let open = open(&mut w);
        w.acknowledge(&open);
        w.rows(&[Row::Logout { session: "R" }]);
        let sent = w.rows(&[Row::Logon { session: "R" }]);
        assert_eq!(sent.len(), asked, "{sent:?}");
        assert!(sent.iter().all(|s| s.kind == SendKind::Status));
    }
}

/// A GapFill over what we asked for may hide a report: every order that has no end is asked about.
#[test]
fn a_gap_that_is_passed_over_is_asked_about() {
    let mut w = world();
    let open = open(&mut w);
    w.acknowledge(&open);
    let sent = w.rows(&[Row::Gap { session: "R", from: 3, to: 5 }]);
    assert_eq!(
        sent.iter().map(|s| (s.kind, s.id.starts_with(&open.id))).collect::<Vec<_>>(),
        [(SendKind::Status, true)]
    );
    assert!(w.alerts.iter().any(|a| a.code == "gap"));
}
