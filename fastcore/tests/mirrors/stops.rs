//! Stops of a leader whose fills are copied (`copy_stops`): whatever closes by a stop rests at the follower's broker too.

use crate::play::*;
use crate::support::{SAME, Sent, World, d};
use fastcore::config::{Config, OnBust, OnReject, Rounding};
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::mirrored::Why;

/// Fills are copied, and stops.
fn beside(sizing: &str, change: impl FnOnce(&mut Config)) -> World {
    World::with(sizing, r#","copy_stops":true"#, |c| {
        takes_all(c);
        change(c);
    })
}

/// The leader buys at the market; what is sent for it fills.
fn buys(w: &mut World, order: &str, qty: &str) -> Sent {
    let open = w.leader(order, 1, qty, qty, qty)[0].clone();
    w.out(&open);
    open
}

/// Both hold 10.
fn held() -> World {
    let mut w = beside(SAME, |_| {});
    let open = buys(&mut w, "first", "10");
    w.fill(&open, "10", "10");
    w
}

fn stopped() -> (World, Sent) {
    let mut w = held();
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    (w, stop)
}

fn last_why(w: &World) -> Option<Why> {
    w.told.last().map(|t| t.why)
}

/// Entries and take profits are copied by what they fill, a stop that closes is placed.
#[test]
fn only_stops_rest_at_the_followers_broker() {
    let mut w = held();
    assert!(new(&mut w, "tp", 2, "10", TAKE).is_empty());
    assert!(new(&mut w, "more", 1, "10", LIMIT).is_empty());
    assert!(w.engine.state().mirrors.is_empty());
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    // The take profit fills: the stop goes, and the follower closes.
    let gone = only(&traded(&mut w, "tp", 2, "10", "10", "10"), "cancel");
    only(&ended(&mut w, &stop, &gone, "0"), "new sell 10 1 /");
}

/// A stop that opens is copied by its fills: no order of the follower's waits for it.
#[test]
fn a_stop_that_opens_is_copied_by_its_fills() {
    let mut w = beside(SAME, |_| {});
    assert!(new(&mut w, "in", 1, "10", "40=3|99=1.3|59=1|").is_empty());
    let open = only(&traded(&mut w, "in", 1, "10", "4", "4"), "new buy 4 1 /");
    w.out(&open);
    assert!(w.fill(&open, "4", "4").is_empty());
    only(&traded(&mut w, "in", 1, "10", "6", "10"), "new buy 6 1 /");
}

/// The part of it that closes is: what it opens beyond is copied by fills.
#[test]
fn a_stop_that_turns_the_leader_closes_the_follower_and_opens_by_fills() {
    let mut w = held();
    let stop = only(&new(&mut w, "sl", 2, "25", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    w.fill(&stop, "10", "10");
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, d("10")));
    only(&traded(&mut w, "sl", 2, "25", "25", "25"), "new sell 15 1 /");
    assert_eq!(w.target(), d("-15"));
}

/// Placed with the entry, before anything is held: it comes when there is something to protect, and grows with it.
#[test]
fn a_stop_that_comes_before_its_position_waits_for_it() {
    let mut w = beside(SAME, |_| {});
    assert!(new(&mut w, "sl", 2, "10", STOP).is_empty());
    assert_eq!(last_why(&w), Some(Why::NothingToClose));
    let open = only(&traded(&mut w, "in", 1, "10", "4", "4"), "new buy 4 1 /");
    w.out(&open);
    let stop = only(&w.fill(&open, "4", "4"), "new sell 4 3 /1 1");
    work(&mut w, &stop);
    let more = only(&traded(&mut w, "in", 1, "10", "6", "10"), "new buy 6 1 /");
    w.out(&more);
    only(&w.fill(&more, "6", "6"), "replace sell 10 3 /1 1");
}

/// The leader's position is not known: his stop is remembered until it is.
#[test]
fn a_stop_waits_until_the_leaders_position_is_known() {
    let mut w = held();
    let l = &w.engine.state().leaders[0];
    assert_eq!(l.positions.len(), 1);
    let stop = only(&new(&mut w, "sl", 2, "5", STOP), "new sell 5 3 /1 1");
    work(&mut w, &stop);
    let cut = only(&w.leader("x", 2, "5", "5", "5"), "new sell 5 1 /");
    assert_eq!(cut.qty, "5", "the stop has room beside it");
}

/// The follower's fills first: he is out, and nothing that the leader does opens it again.
#[test]
fn a_follower_who_is_stopped_out_stays_out() {
    for fills in [true, false] {
        let (mut w, stop) = stopped();
        assert!(w.fill(&stop, "10", "10").is_empty());
        assert_eq!((w.filled(), w.target()), (Dec::ZERO, d("10")));
        if fills {
            assert!(traded(&mut w, "sl", 2, "10", "10", "10").is_empty());
        } else {
            assert!(canceled(&mut w, "sl", 2, "10", "0").is_empty());
        }
        assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
        assert!(w.engine.state().mirrors.is_empty());
        let more = w.leader("more", 1, "2", "2", "2");
        only(&more, "new buy 2 1 /");
    }
}

/// The leader's fills first: the follower's is taken back, and what it has not closed goes to the market at once.
#[test]
fn a_leader_who_is_stopped_out_takes_the_follower_along() {
    let (mut w, stop) = stopped();
    let gone = only(&traded(&mut w, "sl", 2, "10", "10", "10"), "cancel");
    assert!(w.fill(&stop, "3", "3").is_empty());
    let close = only(&ended(&mut w, &stop, &gone, "3"), "new sell 7 1 /");
    w.out(&close);
    w.fill(&close, "7", "7");
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
    assert!(w.engine.state().mirrors.is_empty());
}

/// His order becomes a stop: it is placed. It becomes a limit: it is taken back, and comes again as a stop.
#[test]
fn an_order_that_becomes_a_stop_is_one() {
    let mut w = held();
    assert!(new(&mut w, "o", 2, "10", TAKE).is_empty());
    let stop = only(&replaced(&mut w, "o", 2, "10", "0", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let gone = only(&replaced(&mut w, "o", 2, "10", "0", TAKE), "cancel");
    assert_eq!(last_why(&w), Some(Why::NotCopied));
    assert!(ended(&mut w, &stop, &gone, "0").is_empty());
    only(&replaced(&mut w, "o", 2, "10", "0", "40=4|44=0.9|99=1|59=1|"), "new sell 10 4 0.9/1 1");
}

/// His broker names it in a list after a logon: it is placed as if it were new.
#[test]
fn a_stop_that_a_status_tells_of_is_placed() {
    let mut w = held();
    let sent = report(&mut w, ('I', '0'), "sl", 2, "10", "0", STOP);
    only(&sent, "new sell 10 3 /1 1");
}

/// It trails, or lacks its type: nobody can place it, and that is told. A limit without a type is not asked about.
#[test]
fn a_stop_that_cannot_be_read_is_told() {
    for terms in ["40=P|99=1|59=1|", "99=1|59=1|"] {
        let mut w = held();
        assert!(new(&mut w, "sl", 2, "10", terms).is_empty());
        assert_eq!(last_why(&w), Some(Why::Refused), "{terms}");
        let told = w.told.len();
        assert!(new(&mut w, "tp", 2, "10", "44=1.2|59=1|").is_empty());
        assert_eq!(w.told.len(), told);
    }
}

/// Three lots are held for 2.6 by `nearest`, one for 0.4 by `min_lot_if_nonzero`: all of it is protected, and closed once.
#[test]
fn what_rounding_held_is_protected_too() {
    let percent = |p: &str| format!(r#"{{"mode":"percent","percent":"{p}"}}"#);
    for (rounding, sizing, lots) in [
        (Rounding::Nearest, percent("26"), "3"),
        (Rounding::MinLotIfNonzero, percent("4"), "1"),
        (Rounding::TowardZero, percent("26"), "2"),
        (Rounding::Hold, percent("26"), "2"),
    ] {
        for ends in ["fills", "canceled"] {
            let mut w = beside(&sizing, |c| c.subscriptions[0].rounding = rounding);
            let open = buys(&mut w, "first", "10");
            assert_eq!(open.qty, lots);
            w.fill(&open, lots, lots);
            let stop = only(&new(&mut w, "sl", 2, "10", STOP), &format!("new sell {lots} 3 /1 1"));
            work(&mut w, &stop);
            let target = w.target();
            assert!(w.fill(&stop, lots, lots).is_empty());
            assert_eq!((w.filled(), w.target()), (Dec::ZERO, target), "nothing wears off");
            if ends == "fills" {
                assert!(traded(&mut w, "sl", 2, "10", "10", "10").is_empty());
            } else {
                assert!(canceled(&mut w, "sl", 2, "10", "0").is_empty());
            }
            // What was too little for a lot stays in the target, and counts later.
            let rest = if ends == "canceled" && lots == "2" { "0.6" } else { "0" };
            assert_eq!((w.filled(), w.target()), (Dec::ZERO, d(rest)), "{rounding:?}");
        }
    }
}

/// A stop of half the position closes half of what is held, however that was rounded.
#[test]
fn a_stop_of_a_part_closes_that_part() {
    let sizing = r#"{"mode":"percent","percent":"56"}"#;
    let mut w = beside(sizing, |c| c.subscriptions[0].rounding = Rounding::Nearest);
    let open = buys(&mut w, "first", "10");
    assert_eq!(open.qty, "6");
    w.fill(&open, "6", "6");
    only(&new(&mut w, "sl", 2, "5", STOP), "new sell 3 3 /1 1");
}

/// Twice as far from the entry of 1.1 as the leader's.
#[test]
fn a_stop_is_stretched() {
    let mut w = beside(SAME, |c| c.subscriptions[0].stop_multiplier = d("2"));
    let open = buys(&mut w, "first", "10");
    w.fill(&open, "10", "10");
    only(&new(&mut w, "sl", 2, "10", "40=3|99=1.05|59=1|"), "new sell 10 3 /1 1");
}

/// A rejected open is tried again while a stop protects what is held: neither is counted for the other.
#[test]
fn a_rejected_open_is_tried_again_beside_a_stop() {
    let mut w = beside(SAME, |c| {
        c.subscriptions[0].on_reject = OnReject::Retry;
        c.subscriptions[0].retry_window_ms = 60_000;
    });
    let open = buys(&mut w, "first", "10");
    w.fill(&open, "10", "10");
    let stop = only(&new(&mut w, "sl", 2, "15", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let more = buys(&mut w, "more", "5");
    w.reject(&more);
    let again = w.run_to(w.now + 30_000_000_000);
    let again = only(&again, "new buy 5 1 /");
    w.out(&again);
    only(&w.fill(&again, "5", "5"), "replace sell 15 3 /1 1");
}

/// A new subscription takes over what its leader holds while his stop works: the stop comes with it.
#[test]
fn who_joins_gets_the_stop_as_well() {
    let mut w = beside(SAME, |_| {});
    assert!(new(&mut w, "sl", 2, "10", STOP).is_empty());
    crate::support::tell(&mut w, r#"{"cmd":"pause","who":"A","subscription":"s"}"#);
    w.leader("first", 1, "10", "10", "10");
    assert_eq!(w.target(), Dec::ZERO);
    crate::support::tell(&mut w, r#"{"cmd":"resume","who":"A","subscription":"s"}"#);
    let sent = crate::support::tell(&mut w, r#"{"cmd":"resync","who":"A","subscription":"s"}"#);
    let open = only(&sent, "new buy 10 1 /");
    w.out(&open);
    only(&w.fill(&open, "10", "10"), "new sell 10 3 /1 1");
}

/// The core starts again on its own state, by another configuration.
fn restarted(w: &mut World, c: Config) {
    w.engine = Engine::restore(c, &w.engine.snapshot()).unwrap();
}

/// Switched off, what rests is taken back as soon as the route is there; switched on, it comes
/// back as the leader has it by now.
#[test]
fn copying_stops_can_be_switched_while_something_is_held() {
    let (mut w, stop) = stopped();
    let with = |on: bool| {
        let mut c = crate::support::config(SAME, "");
        takes_all(&mut c);
        c.subscriptions[0].copy_stops = on;
        c
    };
    assert_eq!(w.engine.accepts(&with(false)).map_err(|e| e.to_string()), Ok(()));
    restarted(&mut w, with(false));
    let gone = acts(w.link(8));
    let gone = only(&gone, "cancel");
    assert_eq!(last_why(&w), Some(Why::NotCopied));
    assert!(ended(&mut w, &stop, &gone, "0").is_empty());
    assert!(replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.01|59=1|").is_empty());
    restarted(&mut w, with(true));
    only(&acts(w.link(9)), "new sell 10 3 /1.01 1");
}

/// What the leader traded while nobody copied his stops is in no entry: they are where his own are until he is flat.
#[test]
fn an_entry_that_was_not_followed_is_not_known() {
    let with = |on: bool| {
        let mut c = crate::support::config(SAME, "");
        takes_all(&mut c);
        (c.subscriptions[0].copy_stops, c.subscriptions[0].stop_multiplier) = (on, d("2"));
        c
    };
    let mut w = World::with(SAME, "", |c| *c = with(true));
    let open = buys(&mut w, "first", "10");
    w.fill(&open, "10", "10");
    restarted(&mut w, with(false));
    w.link(8);
    let more = report(&mut w, ('F', '2'), "more", 1, "10", "10", "32=10|31=1.3|");
    w.out(&more[0]);
    w.fill(&more[0], "10", "10");
    restarted(&mut w, with(true));
    w.link(9);
    let more = report(&mut w, ('F', '2'), "again", 1, "1", "1", "32=1|31=1.2|");
    w.out(&more[0]);
    w.fill(&more[0], "1", "1");
    only(&new(&mut w, "sl", 2, "21", "40=3|99=1.05|59=1|"), "new sell 21 3 /1.05 1");
}

/// A block divides fills, and what was dealt is not closed by one member's stop; a bust is not followed past a stop.
#[test]
fn what_stops_do_not_go_with_is_refused() {
    let mut c = crate::support::config(r#"{"mode":"block"}"#, "");
    c.subscriptions[0].copy_stops = true;
    let said = Engine::new(c).err().unwrap().to_string();
    assert!(said.contains("a block divides fills"), "{said}");
    let mut w = beside(SAME, |c| c.subscriptions[0].on_bust = OnBust::Follow);
    let open = w.leader("first", 1, "10", "10", "10")[0].clone();
    w.out(&open);
    w.fill(&open, "10", "10");
    report(&mut w, ('H', '4'), "first", 1, "10", "0", "19=E1|32=10|31=1.1|");
    let said = crate::support::texts(&w, "bust");
    assert!(said.iter().any(|t| t.ends_with("opens wait for the operator")), "{said:?}");
}
