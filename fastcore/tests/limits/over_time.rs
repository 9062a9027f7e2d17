//! Limits that count over time: messages, and automatic copies of one subscription and instrument.

use crate::support::{SAME, World, add_second, field};
use crate::{
    DAX, EURUSD, OTHER, S, alerts, copied, desk, fill_all, quantities, refused, restarted, tell, trade,
};
use fastcore::bucket::Allowance;
use fastcore::config::{Config, Faults};

fn allowed(burst: u32, kept: u32) -> Option<Allowance> {
    Some(Allowance { per_s: 1, burst, kept })
}

/// Everything, a route and a follower have an allowance each; the least that is left counts.
#[test]
fn messages_count_against_everything_the_route_and_the_follower() {
    let places: [fn(&mut Config, Option<Allowance>); 3] =
        [|c, a| c.messages = a, |c, a| c.routes[0].messages = a, |c, a| c.followers[0].messages = a];
    for place in places {
        let mut w = desk(|c| {
            (c.messages, c.routes[0].messages) = (allowed(50, 0), allowed(40, 0));
            place(c, allowed(3, 1));
        });
        assert_eq!(copied(&mut w, EURUSD, true, "5", "1.1").len(), 1);
        assert_eq!(copied(&mut w, OTHER, true, "5", "1.1").len(), 1);
        assert!(trade(&mut w, DAX, true, "1", "100").is_empty());
        assert_eq!(refused(&w, "max_messages"), 1);
        // The share of closes is theirs, and they go out beyond it.
        assert_eq!(copied(&mut w, EURUSD, false, "5", "1.1").len(), 1);
        assert_eq!(copied(&mut w, OTHER, false, "5", "1.1").len(), 1);
        w.now += 2 * S;
        assert!(trade(&mut w, DAX, true, "1", "100").is_empty(), "two came back, one of them is owed");
        w.now += S;
        assert_eq!(copied(&mut w, DAX, true, "1", "100").len(), 1);
    }
}

/// Two followers of one fill: what one has sent is not owed by the other.
#[test]
fn each_follower_has_an_allowance_of_its_own() {
    let mut w = World::with(SAME, "", |c| {
        add_second(c);
        (c.followers[0].messages, c.followers[1].messages) = (allowed(1, 0), allowed(2, 0));
    });
    let accounts = |w: &mut World| {
        let sent = copied(w, EURUSD, true, "5", "1.1");
        let mut of: Vec<String> =
            sent.iter().map(|s| field(s.text.replace('|', "\u{1}").as_bytes(), "1")).collect();
        of.sort();
        of
    };
    assert_eq!(accounts(&mut w), ["F", "G"]);
    assert_eq!(accounts(&mut w), ["G"]);
    assert!(accounts(&mut w).is_empty());
    assert_eq!(refused(&w, "max_messages"), 3);
}

/// Every part of a large order is a message, and so is a cancel.
#[test]
fn parts_and_cancels_are_messages() {
    let mut w = desk(|c| {
        c.instruments[0].max_lot = Some(crate::support::lots("2"));
        c.messages = allowed(4, 0);
    });
    let open = trade(&mut w, EURUSD, true, "10", "1.1");
    assert_eq!(quantities(&open), ["2", "2", "2", "2"]);
    assert_eq!(refused(&w, "max_messages"), 1);
    w.now += 3 * S;
    for s in &open {
        w.out(s);
        w.acknowledge(s);
    }
    // The leader goes: three messages came back, four cancels go out.
    let cancels = trade(&mut w, EURUSD, false, "10", "1.1");
    assert_eq!(cancels.len(), 4);
    w.now += S;
    assert!(trade(&mut w, DAX, true, "1", "100").is_empty(), "one came back, and one was owed");
    w.now += S;
    assert_eq!(trade(&mut w, DAX, true, "1", "100").len(), 1);
}

/// What is left is kept over a restart.
#[test]
fn a_restart_fills_no_bucket() {
    let limits = |c: &mut Config| c.messages = allowed(1, 0);
    let mut w = desk(limits);
    copied(&mut w, EURUSD, true, "5", "1.1");
    restarted(&mut w, limits);
    w.link(8);
    assert!(trade(&mut w, EURUSD, true, "5", "1.1").is_empty());
    w.now += S;
    assert_eq!(trade(&mut w, EURUSD, true, "5", "1.1").len(), 1);
}

/// A clock that nobody can vouch for opens nothing, closes go on, and it is said once when it turns.
#[test]
fn a_clock_that_is_off_or_unknown_opens_nothing() {
    let measured =
        |w: &mut crate::support::World, us: &str| tell(w, &format!(r#"{{"cmd":"clock","error_us":{us}}}"#));
    let limit = |c: &mut Config| c.clock = Some(fastcore::config::ClockRule { max_error_us: 1_000 });
    let mut w = desk(limit);
    assert!(trade(&mut w, EURUSD, true, "5", "1.1").is_empty(), "not measured yet");
    measured(&mut w, "1000");
    assert_eq!(copied(&mut w, EURUSD, true, "5", "1.1").len(), 1);
    for bad in ["1001", "null", "9000"] {
        measured(&mut w, bad);
        assert!(trade(&mut w, OTHER, true, "5", "1.1").is_empty());
        let stop = &w.engine.status().stops[0];
        assert_eq!((stop.scope, stop.code, stop.level), ("global", "clock", "no_opens"));
    }
    assert_eq!((alerts(&w, "clock"), refused(&w, "clock")), (1, 4));
    assert_eq!(quantities(&copied(&mut w, EURUSD, false, "10", "1.1")), ["5"]);
    restarted(&mut w, limit);
    w.link(8);
    assert!(trade(&mut w, OTHER, true, "5", "1.1").is_empty());
    measured(&mut w, "3");
    assert_eq!(alerts(&w, "clock"), 2);
    assert_eq!(copied(&mut w, OTHER, true, "5", "1.1").len(), 1);
    // Without a rule a measurement stops nothing.
    let mut w = desk(|_| {});
    measured(&mut w, "null");
    assert_eq!((copied(&mut w, EURUSD, true, "5", "1.1").len(), alerts(&w, "clock")), (1, 0));
}

fn three_in_a_minute(c: &mut Config) {
    c.faults = Faults { repeated_copies: 3, repeated_window_ms: 60_000, ..Faults::default() };
}

/// The third copy of a line within a minute disables its opens, and nothing else, until a person releases the follower.
#[test]
fn too_many_copies_of_one_line_disable_it_until_somebody_looks() {
    let mut w = desk(three_in_a_minute);
    for _ in 0..3 {
        assert_eq!(copied(&mut w, EURUSD, true, "5", "1.1").len(), 1);
    }
    assert_eq!(alerts(&w, "repeated_copies"), 1);
    assert!(trade(&mut w, EURUSD, true, "5", "1.1").is_empty());
    assert_eq!(refused(&w, "repeated_execution"), 1);
    assert_eq!(copied(&mut w, OTHER, true, "5", "1.1").len(), 1, "the other leader's copy");
    assert_eq!(copied(&mut w, DAX, true, "1", "100").len(), 1, "another instrument");
    assert_eq!(quantities(&copied(&mut w, EURUSD, false, "10", "1.1")), ["8"], "15 are held for 20: half");
    // Neither a day nor a restart ends it.
    w.now += 86_400 * S;
    restarted(&mut w, three_in_a_minute);
    w.link(8);
    assert!(trade(&mut w, EURUSD, true, "5", "1.1").is_empty());
    let stops = w.engine.status().stops;
    assert_eq!((stops.len(), stops[0].scope, stops[0].code), (1, "follower", "repeated_execution"));
    assert!(stops[0].numbers.contains("s, EURUSD"), "{}", stops[0].numbers);
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert!(w.engine.status().stops.is_empty());
    assert_eq!(copied(&mut w, EURUSD, true, "5", "1.1").len(), 1);
}

/// Copies that are further apart are trading; an open that was refused, and a close, are no copies.
#[test]
fn only_copies_within_the_window_count() {
    let mut w = desk(three_in_a_minute);
    for _ in 0..6 {
        assert_eq!(copied(&mut w, EURUSD, true, "5", "1.1").len(), 1);
        w.now += 30 * S;
    }
    for _ in 0..6 {
        let sent = trade(&mut w, EURUSD, false, "1", "1.1");
        fill_all(&mut w, sent);
    }
    assert_eq!(copied(&mut w, EURUSD, true, "5", "1.1").len(), 1);
    assert_eq!(alerts(&w, "repeated_copies"), 0);
}

/// Equal opens by two trades are both sent; the second is told, once in a window, and every one is counted. Another side,
/// quantity or subscription is another thing, and closes are not looked at.
#[test]
fn look_alikes_are_told_and_never_refused() {
    let mut w = desk(|c| c.faults.lookalike_window_ms = 500);
    let two = |w: &mut crate::support::World| {
        for qty in ["3", "3", "3", "2"] {
            assert_eq!(copied(w, EURUSD, true, qty, "1.1").len(), 1);
        }
        assert_eq!(copied(w, OTHER, true, "3", "1.1").len(), 1);
        assert_eq!(copied(w, DAX, true, "3", "100").len(), 1);
        assert_eq!(copied(w, EURUSD, false, "3", "1.1").len(), 1);
        assert_eq!(copied(w, EURUSD, false, "3", "1.1").len(), 1);
    };
    two(&mut w);
    let counted = |w: &crate::support::World| {
        w.engine.status().notes.get("open that looks like another one").copied().unwrap_or(0)
    };
    assert_eq!((alerts(&w, "look_alike"), counted(&w)), (1, 2));
    w.now += S;
    two(&mut w);
    assert_eq!((alerts(&w, "look_alike"), counted(&w)), (2, 4));
}
