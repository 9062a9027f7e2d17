//! Leaders that nobody hears: sessions that are down or silent for too long.

use crate::support::World;
use crate::{EURUSD, OTHER, S, alerts, copied, desk, quantities, refused, restarted, tell, trade};
use fastcore::config::{Config, InactiveRule};
use fastcore::event::EventKind;
use fastcore::guard::Action;

fn rule(down_ms: i64, silent_ms: i64, action: Action) -> Option<InactiveRule> {
    Some(InactiveRule { down_ms, silent_ms, action })
}

fn session(w: &mut World, up: bool) {
    w.apply(EventKind::Session, "L", if up { b"up" } else { b"down" });
}

/// The copy of one leader is stopped when its session is down for a minute, and goes on when it comes back.
#[test]
fn a_leader_that_is_down_too_long_opens_nothing_until_it_is_back() {
    let mut w = desk(|c| c.leaders[0].inactive = rule(60_000, 0, Action::NoOpens));
    session(&mut w, true);
    let waits = trade(&mut w, EURUSD, true, "5", "1.1");
    crate::fill_all(&mut w, waits);
    session(&mut w, false);
    w.run_to(w.now + 59 * S);
    assert_eq!(alerts(&w, "provider_inactive"), 0);
    w.run_to(w.now + 2 * S);
    assert_eq!(alerts(&w, "provider_inactive"), 1);
    let stops = w.engine.status().stops;
    assert_eq!(
        (stops[0].scope, stops[0].name.as_str(), stops[0].code, stops[0].level),
        ("leader", "l", "provider_inactive", "no_opens")
    );
    assert_eq!(copied(&mut w, OTHER, true, "5", "1.1").len(), 1, "the other leader is heard");
    session(&mut w, true);
    assert_eq!(alerts(&w, "provider_active"), 1);
    assert!(w.engine.status().stops.is_empty());
    assert_eq!(copied(&mut w, EURUSD, true, "5", "1.1").len(), 1);
}

/// What comes back in time is no fault, however often it goes.
#[test]
fn short_cuts_are_no_inactivity() {
    let mut w = desk(|c| c.leaders[0].inactive = rule(60_000, 0, Action::NoOpens));
    session(&mut w, true);
    for _ in 0..5 {
        session(&mut w, false);
        w.run_to(w.now + 59 * S);
        session(&mut w, true);
    }
    w.run_to(w.now + 600 * S);
    assert_eq!(alerts(&w, "provider_inactive"), 0);
}

/// A reject leaves a part of an open that is tried again; while the leader is inactive it is refused instead.
#[test]
fn an_open_that_waits_is_refused_while_its_leader_is_inactive() {
    let mut w = desk(|c| {
        c.leaders[0].inactive = rule(1_000, 0, Action::NoOpens);
        let s = &mut c.subscriptions[0];
        (s.on_reject, s.retry_window_ms) = (fastcore::config::OnReject::Retry, 60_000);
    });
    session(&mut w, true);
    let open = trade(&mut w, EURUSD, true, "5", "1.1");
    w.out(&open[0]);
    session(&mut w, false);
    w.now += 2 * S;
    w.apply(EventKind::Timer, "", b"");
    assert!(w.reject(&open[0]).is_empty());
    assert!(w.run_to(w.now + 60 * S).is_empty());
    assert_eq!((refused(&w, "provider_inactive"), w.target()), (1, crate::support::d("0")));
}

/// `close_all` closes what is held, once, and needs a person: that the leader is back opens nothing.
#[test]
fn close_all_closes_and_waits_for_a_person() {
    let mut w = desk(|c| c.leaders[0].inactive = rule(60_000, 0, Action::CloseAll));
    session(&mut w, true);
    copied(&mut w, EURUSD, true, "5", "1.1");
    copied(&mut w, OTHER, true, "3", "1.1");
    session(&mut w, false);
    let closes = w.run_to(w.now + 61 * S);
    assert_eq!(quantities(&closes), ["5"]);
    crate::fill_all(&mut w, closes);
    session(&mut w, true);
    assert!(trade(&mut w, EURUSD, true, "5", "1.1").is_empty());
    assert_eq!(refused(&w, "provider_inactive"), 1);
    tell(&mut w, r#"{"cmd":"arm","who":"ann","leader":"l"}"#);
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "2", "1.1")), ["2"]);
    // The leader's 12 are not copied again: of 2 held for 12, half is closed with half of them.
    assert_eq!(quantities(&copied(&mut w, EURUSD, false, "6", "1.1")), ["1"]);
}

/// A session that is up and says nothing is silent; any message of it ends that.
#[test]
fn a_silent_leader_is_inactive_until_it_says_anything() {
    let mut w = desk(|c| c.leaders[0].inactive = rule(0, 30_000, Action::NoOpens));
    session(&mut w, true);
    w.run_to(w.now + 29 * S);
    w.apply(EventKind::Leader, "L", &crate::support::fix("35=0|34=2|"));
    w.run_to(w.now + 29 * S);
    assert_eq!(alerts(&w, "provider_inactive"), 0);
    w.run_to(w.now + 2 * S);
    assert_eq!(alerts(&w, "provider_inactive"), 1);
    // The trade that ends the silence is copied.
    assert_eq!(copied(&mut w, EURUSD, true, "5", "1.1").len(), 1);
}

/// However much a leader says, and however often he comes and goes, he has one timer.
#[test]
fn a_leader_has_one_timer_whatever_he_says() {
    let mut w = desk(|c| c.leaders[0].inactive = rule(60_000, 30_000, Action::NoOpens));
    session(&mut w, true);
    for n in 0..500 {
        crate::quote(&mut w, "EURUSD", "1", "1");
        w.apply(EventKind::Leader, "L", &crate::support::fix("35=0|34=2|"));
        if n % 50 == 0 {
            session(&mut w, false);
            session(&mut w, true);
        }
        w.now += S / 100;
    }
    assert_eq!(w.engine.state().due.len(), 1, "{:?}", w.engine.state().due);
    // Still found, by that timer: counted from what was heard last.
    let last = w.now - S / 100;
    w.run_to(last + 30 * S - 1);
    assert_eq!(alerts(&w, "provider_inactive"), 0);
    w.run_to(last + 31 * S);
    assert_eq!(alerts(&w, "provider_inactive"), 1);
}

/// After a start sessions are down until they come up, and what was inactive stays so over a restart.
#[test]
fn a_restart_keeps_an_inactive_leader_and_begins_with_sessions_down() {
    let with = |c: &mut Config| c.leaders[0].inactive = rule(60_000, 0, Action::CloseAll);
    let mut w = desk(with);
    w.apply(EventKind::Start, "", b"{}");
    let start = |w: &mut World| {
        let payload = br#"{"epoch":2,"config":{"deployment":"t"}}"#;
        w.apply(EventKind::Start, "", payload);
    };
    start(&mut w);
    w.run_to(w.now + 61 * S);
    assert_eq!(alerts(&w, "provider_inactive"), 0, "a start that cannot be read starts nothing");
    session(&mut w, false);
    w.run_to(w.now + 61 * S);
    assert_eq!(alerts(&w, "provider_inactive"), 1);
    restarted(&mut w, with);
    assert_eq!(w.engine.status().stops[0].code, "provider_inactive");
    tell(&mut w, r#"{"cmd":"arm","who":"ann","leader":"l"}"#);
    w.run_to(w.now + 59 * S);
    assert!(w.engine.status().stops.is_empty(), "asked anew");
    w.run_to(w.now + 2 * S);
    assert_eq!(w.engine.status().stops.len(), 1);
}
