//! A pause holds back the opens of one subscription, until somebody resumes it by name.

use crate::support::{World, d, one};
use crate::{canceled, config, fill_all, lines, refused, tell, texts, two};
use fastcore::engine::Engine;
use fastcore::link::{Row, SendKind};
use fastcore::refusal::Code;

/// A paused subscription opens nothing and closes everything; the other one goes on; what was missed is not made up.
#[test]
fn a_pause_holds_back_the_opens_of_one_subscription_and_no_close() {
    let mut w = two();
    let sent = w.leader("o1", 1, "5", "5", "5");
    fill_all(&mut w, &sent);
    assert!(tell(&mut w, r#"{"cmd":"pause","who":"ann","subscription":"s"}"#).is_empty());
    let sent = w.leader("o2", 1, "4", "4", "4");
    one(&sent, true, "4");
    fill_all(&mut w, &sent);
    assert_eq!(lines(&w), [(d("5"), d("5")), (d("9"), d("9"))]);
    assert_eq!((refused(&w, Code::Paused), refused(&w, Code::Kill)), (1, 0));
    let sent = w.leader("o3", 2, "9", "9", "9");
    assert_eq!(
        sent.iter().map(|s| (s.buy, s.qty.as_str())).collect::<Vec<_>>(),
        [(false, "5"), (false, "9")]
    );
    fill_all(&mut w, &sent);
    tell(&mut w, r#"{"cmd":"resume","who":"ann","subscription":"s"}"#);
    let sent = w.leader("o4", 1, "3", "3", "3");
    assert_eq!(sent.len(), 2, "nothing is made up, and new opens are copied");
    assert_eq!(texts(&w, "pause"), [r#"subscription "s" paused at no_opens by ann"#]);
    assert_eq!(texts(&w, "resume"), [r#"subscription "s" resumed by ann; it was no_opens"#]);
}

/// At `close_only` an open that works is cancelled, and is not sent again; at `no_opens` it goes on.
#[test]
fn a_pause_at_close_only_cancels_what_would_still_open() {
    for (level, cancels) in [("no_opens", 0), ("close_only", 1)] {
        let mut w = two();
        let sent = w.leader("o1", 1, "5", "5", "5");
        for s in &sent {
            w.out(s);
            w.acknowledge(s);
        }
        w.fill(&sent[0], "2", "2");
        let asked =
            tell(&mut w, &format!(r#"{{"cmd":"pause","who":"ann","subscription":"s","level":"{level}"}}"#));
        assert_eq!(asked.len(), cancels, "{level}");
        if cancels == 0 {
            continue;
        }
        assert_eq!(asked[0].kind, SendKind::Cancel);
        assert!(canceled(&mut w, &sent[0], "2").is_empty());
        assert_eq!(lines(&w)[0], (d("2"), d("2")), "the target gives up what was cancelled");
        let end = w.now + 120_000_000_000;
        assert!(w.run_to(end).iter().all(|s| s.kind != SendKind::New));
    }
}

/// An open that waits for its route is refused when the route is back; a close that waits goes out.
#[test]
fn what_waits_for_a_route_keeps_to_a_pause() {
    let mut w = two();
    let sent = w.leader("o1", 1, "5", "5", "5");
    fill_all(&mut w, &sent);
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(w.leader("o2", 1, "3", "3", "3").is_empty());
    tell(&mut w, r#"{"cmd":"pause","who":"ann","subscription":"s"}"#);
    let sent = w.rows(&[Row::Logon { session: "R" }]);
    one(&sent, true, "3");
    assert_eq!((lines(&w)[0], refused(&w, Code::Paused)), ((d("5"), d("5")), 1));
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(w.leader("o3", 2, "8", "8", "8").is_empty());
    let closes = w.rows(&[Row::Logon { session: "R" }]);
    assert!(closes.iter().any(|s| !s.buy && s.qty == "5"), "{closes:?}");
}

/// A pause is state: it survives a restart, and holds for instruments that are copied for the first time after it.
#[test]
fn a_pause_survives_and_holds_for_new_lines() {
    let mut w = two();
    tell(&mut w, r#"{"cmd":"pause","who":"ann","subscription":"s","level":"close_only"}"#);
    let mut fresh = two();
    fresh.engine = Engine::restore(config(), &w.engine.snapshot()).unwrap();
    let stops = fresh.engine.status().stops;
    assert_eq!(stops.len(), 1);
    let stop = &stops[0];
    assert_eq!(
        (stop.scope, stop.name.as_str(), stop.level, stop.code, stop.who.as_str()),
        ("subscription", "s", "close_only", "paused", "ann")
    );
    let sent = fresh.leader("o1", 1, "5", "5", "5");
    one(&sent, true, "5");
    assert_eq!(refused(&fresh, Code::Paused), 1);
}

/// A pause is never lowered, never a halt, and only ended by name; a person's kill and a pause end apart.
#[test]
fn a_pause_ends_only_by_its_own_resume() {
    let mut w = two();
    tell(&mut w, r#"{"cmd":"pause","who":"ann","subscription":"s","level":"close_only"}"#);
    for (command, says) in [
        (r#"{"cmd":"pause","who":"bob","subscription":"s"}"#, "pause"),
        (r#"{"cmd":"pause","who":"bob","subscription":"t","level":"halt"}"#, "bad_command"),
        (r#"{"cmd":"pause","who":"bob","subscription":"x"}"#, "bad_command"),
        (r#"{"cmd":"pause","who":"","subscription":"t"}"#, "bad_command"),
        (r#"{"cmd":"pause","who":"bob","subscripton":"t"}"#, "bad_command"),
        (r#"{"cmd":"resume","who":"","subscription":"s"}"#, "bad_command"),
        (r#"{"cmd":"resume","who":"bob","subscription":"t"}"#, "resume"),
        (r#"{"cmd":"arm","who":"bob","follower":"f"}"#, "arm"),
        (r#"{"cmd":"kill","who":"bob","follower":"f"}"#, "kill"),
    ] {
        let before = texts(&w, says).len();
        tell(&mut w, command);
        assert_eq!(texts(&w, says).len(), before + 1, "{command}");
    }
    let stops = |w: &World| w.engine.status().stops.iter().map(|s| (s.scope, s.level)).collect::<Vec<_>>();
    assert_eq!(stops(&w), [("follower", "no_opens"), ("subscription", "close_only")]);
    tell(&mut w, r#"{"cmd":"arm","who":"bob","follower":"f"}"#);
    assert_eq!(stops(&w), [("subscription", "close_only")]);
    one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    tell(&mut w, r#"{"cmd":"resume","who":"ann","subscription":"s"}"#);
    assert!(stops(&w).is_empty() && w.engine.state().lives.is_empty(), "nothing of it is left");
    assert_eq!(w.leader("o2", 1, "5", "5", "5").len(), 2);
}
