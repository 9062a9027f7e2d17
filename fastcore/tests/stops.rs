//! Stops: what each level and scope holds back, that nothing lowers one but a release by name, and that closes which
//! waited go out.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::{Row, SendKind};
use support::{SAME, Sent, World, d, one, tell, texts};

/// The follower `f` on route `r`, and a follower `g` on the same route who copies the same leader.
fn two() -> World {
    two_with(|_| {})
}

fn two_with(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", |c: &mut Config| {
        support::add_second(c);
        change(c);
    })
}

fn fill_all(w: &mut World, sent: &[Sent]) {
    for s in sent {
        w.out(s);
        w.fill(s, &s.qty, &s.qty);
    }
}

fn canceled(w: &mut World, s: &Sent, cum: &str) -> Vec<Sent> {
    let id = &s.id;
    let qty = &s.qty;
    w.broker(&format!("35=8|37=B{id}|11={id}|17=C{id}|150=4|39=4|55=EURUSD|54=1|38={qty}|14={cum}|151=0|"))
}

/// Every scope stops the opens of its lines, and no others; closes go on.
#[test]
fn each_scope_stops_the_opens_of_its_own_lines() {
    let cases = [
        ("", 0),
        (r#","leader":"l""#, 0),
        (r#","instrument":"EURUSD""#, 0),
        (r#","route":"r""#, 0),
        (r#","follower":"f""#, 1),
        (r#","follower":"g""#, 1),
    ];
    for (scope, opens) in cases {
        let mut w = two();
        let sent = w.leader("o1", 1, "5", "5", "5");
        fill_all(&mut w, &sent);
        tell(&mut w, &format!(r#"{{"cmd":"kill","who":"ann"{scope}}}"#));
        let sent = w.leader("o2", 1, "3", "3", "3");
        assert_eq!(sent.len(), opens, "opens under {scope:?}");
        fill_all(&mut w, &sent);
        let sent = w.leader("o3", 2, "8", "8", "8");
        assert_eq!(sent.iter().filter(|s| !s.buy).count(), 2, "closes under {scope:?}");
        fill_all(&mut w, &sent);
        tell(&mut w, &format!(r#"{{"cmd":"arm","who":"ann"{scope}}}"#));
        assert_eq!(w.leader("o4", 1, "2", "2", "2").len(), 2, "after the release of {scope:?}");
    }
}

/// An instrument is stopped under the leader's name for it and under the follower's.
#[test]
fn an_instrument_is_stopped_under_both_of_its_names() {
    let text = support::config_text(SAME, "")
        .replacen(r#"[{"name":"EURUSD","#, r#"[{"name":"EURUSDx","contract_size":"1","lot_step":"1","min_lot":"1","tick":"0.00001","currency":"USD"},{"name":"EURUSD","#, 1)
        .replace(r#""symbols":{"EURUSD":"EURUSD"}}],"#, r#""symbols":{"EURUSD":"EURUSDx"}}],"#)
        .replace(r#"{"EURUSD":{"instrument":"EURUSD"}}"#, r#"{"EURUSD":{"instrument":"EURUSDx"}}"#);
    for name in ["EURUSD", "EURUSDx"] {
        let mut w = World::with(SAME, "", |c| *c = Config::from_json(&text).unwrap());
        tell(&mut w, &format!(r#"{{"cmd":"kill","who":"ann","instrument":"{name}"}}"#));
        assert!(w.leader("o1", 1, "5", "5", "5").is_empty(), "{name}");
        tell(&mut w, &format!(r#"{{"cmd":"arm","who":"ann","instrument":"{name}"}}"#));
        assert_eq!(w.leader("o2", 1, "5", "5", "5").len(), 1, "{name}");
    }
}

/// `close_only` takes back what works: at the broker by a cancel, unsent at once. The target gives it up.
#[test]
fn close_only_cancels_opens_and_lets_closes_go() {
    let mut w = World::new(SAME, "");
    let s = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&s);
    w.fill(&s, "2", "2");
    let asked = tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"close_only"}"#);
    assert_eq!(asked.iter().map(|s| s.kind).collect::<Vec<_>>(), [SendKind::Cancel]);
    assert!(canceled(&mut w, &s, "2").is_empty(), "what was cancelled is not opened again");
    assert_eq!(w.target(), d("2"));
    assert_eq!(one(&w.leader("o2", 2, "5", "5", "5"), false, "2").qty, "2", "a close goes out");
}

/// What is on its way to the broker when it is stopped is cancelled as soon as the broker has it.
#[test]
fn close_only_cancels_an_open_that_was_on_its_way() {
    let mut w = World::new(SAME, "");
    let s = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    assert!(tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"close_only"}"#).is_empty());
    let asked = w.out(&s);
    assert_eq!(asked.iter().map(|s| s.kind).collect::<Vec<_>>(), [SendKind::Cancel]);
}

/// An open that waits for its route ends with the stop; a close that waits does not.
#[test]
fn close_only_ends_what_is_held_but_no_close() {
    let mut w = World::new(SAME, "");
    let s = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&s);
    w.fill(&s, "5", "5");
    w.apply(EventKind::Link, "r", b"");
    w.leader("o2", 2, "3", "3", "3");
    w.leader("o3", 1, "9", "9", "9");
    tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"close_only","follower":"f"}"#);
    let sent = w.link(8);
    assert!(sent.iter().all(|s| !s.buy), "{sent:?}");
}

/// Under `halt` a close waits, is told once, and goes out when somebody releases it.
#[test]
fn halt_holds_closes_until_it_is_released() {
    let mut w = World::new(SAME, "");
    let s = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&s);
    w.fill(&s, "5", "5");
    tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"halt","instrument":"EURUSD"}"#);
    assert!(w.leader("o2", 2, "2", "2", "2").is_empty());
    assert!(w.leader("o3", 2, "3", "3", "3").is_empty());
    assert_eq!(texts(&w, "close_waits"), ["s: a close waits until it is released"]);
    assert!(w.engine.status().subscriptions[0].close_waits);
    let sent = tell(&mut w, r#"{"cmd":"arm","who":"bob","instrument":"EURUSD"}"#);
    assert_eq!(one(&sent, false, "5").qty, "5");
    assert!(!w.engine.status().subscriptions[0].close_waits);
}

/// A close that its route hands back under `halt` is not lost: it leaves after the release, once.
#[test]
fn a_close_that_comes_back_under_halt_leaves_after_the_release() {
    let mut w = World::new(SAME, "");
    let s = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&s);
    w.fill(&s, "5", "5");
    let close = one(&w.leader("o2", 2, "5", "5", "5"), false, "5");
    tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"halt"}"#);
    w.rows(&[Row::NotSent { cl_ord_id: &close.id, try_no: 1, reason: 1 }]);
    w.now += 10_000_000_000;
    assert!(w.apply(EventKind::Timer, "", b"").is_empty());
    let sent = tell(&mut w, r#"{"cmd":"arm","who":"bob"}"#);
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!((sent[0].id.clone(), sent[0].try_no), (close.id, 2));
}

/// A stop is only raised; each scope is released by itself; a release names a person.
#[test]
fn only_a_named_release_lowers_a_stop() {
    let mut w = World::new(SAME, "");
    let level = |w: &World| w.engine.status().stops.iter().map(|s| (s.scope, s.level)).collect::<Vec<_>>();
    tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"halt"}"#);
    tell(&mut w, r#"{"cmd":"kill","who":"bob","level":"no_opens"}"#);
    tell(&mut w, r#"{"cmd":"kill","who":"bob","level":"close_only","follower":"f"}"#);
    assert_eq!(level(&w), [("global", "halt"), ("follower", "close_only")]);
    tell(&mut w, r#"{"cmd":"arm","who":""}"#);
    assert_eq!(texts(&w, "bad_command"), ["arm needs a named operator"]);
    tell(&mut w, r#"{"cmd":"arm","who":"ann"}"#);
    assert_eq!(level(&w), [("follower", "close_only")]);
    assert!(!w.engine.status().killed);
    assert!(w.leader("o1", 1, "5", "5", "5").is_empty(), "the follower is still stopped");
}

/// A name that is not there, a word that is spelt wrong, or two scopes at once change nothing and say so.
#[test]
fn a_stop_that_is_not_understood_stops_and_releases_nothing() {
    let mut w = World::new(SAME, "");
    tell(&mut w, r#"{"cmd":"kill","who":"ann"}"#);
    let wrong = [
        r#"{"cmd":"kill","who":"ann","follower":"nobody"}"#,
        r#"{"cmd":"kill","who":"ann","folower":"f"}"#,
        r#"{"cmd":"arm","who":"ann","folower":"f"}"#,
        r#"{"cmd":"kill","who":"ann","level":"all"}"#,
        r#"{"cmd":"arm","who":"ann","follower":"f","leader":"l"}"#,
        r#"{"cmd":"kill"}"#,
    ];
    for command in wrong {
        tell(&mut w, command);
    }
    assert_eq!(texts(&w, "bad_command").len(), wrong.len());
    let stops = w.engine.status().stops;
    assert_eq!(stops.len(), 1);
    assert_eq!((stops[0].scope, stops[0].level, stops[0].who.as_str()), ("global", "no_opens", "ann"));
    // To release what is not stopped is told, and does nothing.
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert_eq!(texts(&w, "arm"), [r#"follower "f" is not stopped; ann asked for it"#]);
    assert!(w.engine.status().killed);
}

/// A stop survives: a snapshot has it, with its level, name and time.
#[test]
fn a_stop_survives_a_restart() {
    let mut w = World::new(SAME, "");
    tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"halt","route":"r"}"#);
    let back = Engine::restore(support::config(SAME, ""), &w.engine.snapshot());
    let stops = back.map(|e| e.state().stops.clone()).unwrap();
    assert_eq!(stops, w.engine.state().stops);
    assert_eq!(stops.len(), 1);
}

/// Acknowledged or not, an open under `close_only` is asked to be cancelled once, not at every event.
#[test]
fn an_open_is_asked_to_be_cancelled_once() {
    let mut w = World::new(SAME, "");
    let s = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&s);
    tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"close_only"}"#);
    assert!(w.acknowledge(&s).is_empty());
    assert!(w.leader("o2", 1, "1", "1", "1").is_empty());
}

/// Three opens rejected in a second stop their follower, and nobody else; a person releases it, and it counts anew.
#[test]
fn a_burst_of_rejected_opens_stops_their_follower() {
    let mut w = two_with(|c| {
        c.dispatch = fastcore::config::Dispatch::Listed;
        c.faults.reject_burst = 3;
        c.faults.reject_window_ms = 1_000;
    });
    let mut n = 0;
    let mut open = |w: &mut World, reject: bool| {
        n += 1;
        let sent = w.leader(&format!("o{n}"), 1, "5", "5", "5");
        for s in &sent {
            w.out(s);
        }
        if let (Some(first), true) = (sent.first(), reject) {
            w.reject(first);
        }
        sent.len()
    };
    assert_eq!([open(&mut w, true), open(&mut w, true)], [2, 2]);
    // The first two are too long ago by then.
    w.now += 1_500_000_000;
    assert_eq!(
        [open(&mut w, true), open(&mut w, true), open(&mut w, false), open(&mut w, true)],
        [2, 2, 2, 2]
    );
    let stops = w.engine.status().stops;
    assert_eq!((stops.len(), stops[0].name.as_str(), stops[0].level), (1, "f", "no_opens"));
    assert!(stops[0].who.contains("fault: 3 opens rejected in 1 s"), "{}", stops[0].who);
    assert_eq!(open(&mut w, false), 1, "the other follower goes on");
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert_eq!([open(&mut w, true), open(&mut w, true), open(&mut w, false)], [2, 2, 2]);
    assert!(w.engine.status().stops.is_empty());
}

/// Rejects of closes and of a closed market (103=2) do not count, and nothing counts where no number is set.
#[test]
fn rejects_that_are_no_fault_stop_nothing() {
    let with = |burst: u32| {
        World::with(SAME, "", |c: &mut Config| {
            c.faults.reject_burst = burst;
            c.faults.reject_window_ms = 60_000;
        })
    };
    let mut w = with(2);
    let open = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&open);
    w.fill(&open, "5", "5");
    let mut close = one(&w.leader("o2", 2, "5", "5", "5"), false, "5");
    for _ in 0..4 {
        w.out(&close);
        w.reject(&close);
        let end = w.now + 10_000_000_000;
        close = one(&w.run_to(end), false, "5");
    }
    assert!(w.engine.status().stops.is_empty());
    let mut w = with(2);
    for n in 0..4 {
        let open = one(&w.leader(&format!("p{n}"), 1, "9", "9", "9"), true, "9");
        w.out(&open);
        let id = &open.id;
        w.broker(&format!("35=8|37=NONE|11={id}|17=R{n}|150=8|39=8|103=2|55=EURUSD|54=1|38=9|14=0|151=0|"));
    }
    assert!(w.engine.status().stops.is_empty());
    let mut w = with(0);
    for n in 0..40 {
        let open = one(&w.leader(&format!("p{n}"), 1, "9", "9", "9"), true, "9");
        w.out(&open);
        w.reject(&open);
    }
    assert!(w.engine.status().stops.is_empty());
}

/// However a broker says it, one order is one reject: two words about it are not two, and a reject of the very message is one.
#[test]
fn a_reject_counts_once_for_each_order() {
    let mut w = World::with(SAME, "", |c: &mut Config| {
        c.faults.reject_burst = 2;
        c.faults.reject_window_ms = 60_000;
    });
    let open = one(&w.leader("o1", 1, "9", "9", "9"), true, "9");
    w.out(&open);
    w.reject(&open);
    w.reject(&open);
    assert!(w.engine.status().stops.is_empty());
    let open = one(&w.leader("o2", 1, "9", "9", "9"), true, "9");
    w.out(&open);
    w.rejected(&open, "35=3|45=5|58=no|");
    assert_eq!(w.engine.status().stops.len(), 1);
}

/// A stop that was left while no core answered is as old as its file, however late it is taken up; never younger than now,
/// and a time that cannot be read holds no stop back.
#[test]
fn a_stop_that_was_left_is_as_old_as_it_says() {
    let since = |said: &str| {
        let mut w = two();
        tell(&mut w, &format!(r#"{{"cmd":"kill","who":"ann","since":"{said}"}}"#));
        let (at, taken) = (w.engine.status().stops[0].at_ns.clone(), w.now.to_string());
        (at, taken)
    };
    let (at, taken) = since("20200101-00:00:00.000000001");
    assert_eq!((at.as_str(), at < taken), ("1577836800000000001", true));
    for said in ["22000101-00:00:00", "yesterday", ""] {
        let (at, taken) = since(said);
        assert_eq!(at, taken, "{said:?}");
    }
}
