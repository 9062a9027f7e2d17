//! The engine from FIX bytes to frames and back, with a route that is played by the test.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::{Row, SendKind};
use support::{HALF, SAME, Sent, World, config, d, fix, one};

/// The main job: a leader's fill becomes the follower's order, its close the follower's close.
#[test]
fn a_fill_is_copied_and_closed() {
    let mut w = World::new(HALF, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "5");
    w.out(&open);
    assert!(w.fill(&open, "5", "5").is_empty());
    assert_eq!(w.filled(), d("5"));
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "5");
    w.out(&close);
    w.fill(&close, "5", "5");
    assert_eq!(w.filled(), Dec::ZERO);
}

/// The same report twice, and a report that says nothing new, copy nothing.
#[test]
fn a_repeated_report_copies_nothing() {
    let mut w = World::new(SAME, "");
    let raw = fix(
        "35=8|34=9|37=o|17=E|150=F|39=2|55=EURUSD|54=1|38=1|32=1|31=1|14=1|151=0|60=20231114-22:13:20.000|",
    );
    assert_eq!(w.apply(EventKind::Leader, "L", &raw).len(), 1);
    assert!(w.apply(EventKind::Leader, "L", &raw).is_empty());
    assert_eq!(w.engine.last_msg_seq_num("L"), Some(9));
}

/// Three fills in one second are three real orders; thirds add up.
#[test]
fn any_partition_gives_the_same_lots() {
    let mut w = World::new(HALF, "");
    let mut total = 0;
    for (last, cum) in [("1", "1"), ("2", "3"), ("3", "6"), ("4", "10")] {
        for s in w.leader("o1", 1, "10", last, cum) {
            total += s.qty.parse::<i32>().unwrap();
        }
    }
    assert_eq!(total, 5);
}

/// A rejected open is not opened again by the next increase.
#[test]
fn a_rejected_open_stays_dropped() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    assert!(w.reject(&open).is_empty());
    one(&w.leader("o2", 1, "1", "1", "1"), true, "1");
}

/// A session reject that is about our order ends it as any reject does: an open lowers the target (09.10).
#[test]
fn an_order_rejected_by_its_number_is_rejected() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    assert!(w.rejected(&open, "35=3|34=5|45=2|371=38|373=5|58=bad value|").is_empty());
    assert_eq!(w.alerts.last().map(|a| a.code), Some("order_rejected"));
    assert_eq!(w.engine.status().refusals.get("broker_reject"), Some(&1));
    one(&w.leader("o2", 1, "1", "1", "1"), true, "1");
    assert!(w.leader("o3", 2, "11", "11", "11").is_empty(), "the open of 1 is in flight, nothing is held");
}

/// The same about an order that is unknown meanwhile: it is certain, nobody needs to be asked any more.
#[test]
fn a_reject_by_number_ends_an_unknown_order() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    assert_eq!(w.link(8).first().map(|s| s.kind), Some(SendKind::Status));
    w.rejected(&open, "35=j|34=5|45=2|372=D|380=0|58=no|");
    assert_eq!(w.engine.status().refusals.get("broker_reject"), Some(&1));
}

/// A reject by number of a message that is not ours is looked at like any other.
#[test]
fn a_reject_by_an_unknown_number_only_alerts() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.broker("35=3|34=5|45=2|58=what|");
    assert_eq!(w.alerts.last().map(|a| a.code), Some("session_reject"));
    w.rejected(&Sent { id: "OTHER".into(), ..open.clone() }, "35=3|34=5|45=2|58=what|");
    assert_eq!(w.alerts.last().map(|a| a.code), Some("session_reject"));
    assert!(w.engine.status().refusals.is_empty());
}

/// A venue that refuses status requests has not refused the order: sent again, it would be held twice.
#[test]
fn a_rejected_question_does_not_end_its_order() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    let id = open.id.clone();
    w.broker(&format!("35=8|37=B1|11={id}|17=A1|150=0|39=0|55=EURUSD|54=1|38=10|14=0|151=10|"));
    w.broker(&format!("35=j|45=3|372=H|379={id}|380=3|58=not supported|"));
    assert_eq!(w.alerts.last().map(|a| a.code), Some("query_rejected"));
    assert!(w.engine.status().refusals.is_empty());
    w.fill(&open, "10", "10");
    assert_eq!(w.filled(), d("10"));
}

/// A rejected close is tried again until it is done.
#[test]
fn a_rejected_close_is_tried_again() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    w.out(&close);
    assert!(w.reject(&close).is_empty());
    w.now = w.engine.next_due_ns().unwrap();
    let again = one(&w.apply(EventKind::Timer, "", b""), false, "10");
    assert_ne!(again.id, close.id);
}

/// 02: buy 10 in flight, leader flat: nothing is sold before the buy is known; a late fill is closed.
#[test]
fn a_fill_during_the_leaders_exit_is_closed() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    let after = w.leader("o2", 2, "10", "10", "10");
    assert_eq!(after.iter().map(|s| s.kind).collect::<Vec<_>>(), vec![SendKind::Cancel]);
    let close = w.fill(&open, "10", "10");
    one(&close, false, "10");
}

/// A dispatched order without OUT row never left: after a SYNC it goes out again under the next try.
#[test]
fn a_lost_frame_is_sent_again_after_sync_with_the_next_try() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    let again = w.link(8);
    assert_eq!((again[0].id.as_str(), again[0].try_no), (open.id.as_str(), 2));
}

/// Two greetings in flight: the second SYNC says nothing of an order that was handed over after the first
/// (found by `kill -9` of the core under load: 12 ClOrdIDs went out twice).
#[test]
fn a_second_sync_of_the_same_link_sends_nothing_again() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    assert!(w.rows(&[Row::Sync { incarnation: 7, epoch: 0 }]).is_empty());
    assert!(w.out(&open).is_empty());
}

/// An order that went out is never sent again: after a restart it is asked about.
#[test]
fn an_order_that_went_out_is_asked_about_never_resent() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    let after = w.link(8);
    assert_eq!(after.iter().map(|s| s.kind).collect::<Vec<_>>(), vec![SendKind::Status]);
}

/// Opens older than allowed are refused; closes never.
#[test]
fn a_stale_open_is_refused_and_a_stale_close_goes_out() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let old = "35=8|37=o3|17=S1|150=F|39=2|55=EURUSD|54=1|38=1|32=1|31=1|14=1|151=0|60=20200101-00:00:00|";
    assert!(w.apply(EventKind::Leader, "L", &fix(old)).is_empty());
    let close =
        "35=8|37=o4|17=S2|150=F|39=2|55=EURUSD|54=2|38=11|32=11|31=1|14=11|151=0|60=20200101-00:00:00|";
    one(&w.apply(EventKind::Leader, "L", &fix(close)), false, "10");
    assert_eq!(w.engine.status().refusals.get("stale"), Some(&1));
}

/// The kill switch stops opens, never closes.
#[test]
fn the_kill_switch_never_blocks_a_close() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    w.apply(EventKind::Operator, "", br#"{"cmd":"kill","who":"ann"}"#);
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty());
    one(&w.leader("o3", 2, "15", "15", "15"), false, "10");
}

/// A leader flip is a close and an open, in that order.
#[test]
fn a_flip_is_a_close_then_an_open() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let flip = w.leader("o2", 2, "25", "25", "25");
    assert_eq!(
        flip.iter().map(|s| (s.buy, s.qty.as_str())).collect::<Vec<_>>(),
        vec![(false, "10"), (false, "15")]
    );
}

/// A flip whose close is rejected retries the close as a close: no limit, deadline or kill switch holds it.
#[test]
fn a_rejected_close_of_a_flip_is_retried_as_a_close() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let flip = w.leader("o2", 2, "25", "25", "25");
    w.out(&flip[0]);
    w.out(&flip[1]);
    w.apply(EventKind::Operator, "", br#"{"cmd":"kill","who":"ann"}"#);
    assert!(w.reject(&flip[0]).is_empty());
    w.now = w.engine.next_due_ns().unwrap();
    one(&w.apply(EventKind::Timer, "", b""), false, "10");
}

/// A leader that reduces while our open is on its way: the order is withdrawn, and what is still wanted is sent anew.
#[test]
fn an_open_that_became_too_large_is_sent_anew_in_the_right_size() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    let cancel = w.leader("o2", 2, "3", "3", "3");
    assert_eq!(cancel.iter().map(|s| s.kind).collect::<Vec<_>>(), vec![SendKind::Cancel]);
    let (id, by) = (&open.id, &cancel[0].id);
    let text = format!("35=8|37=B{id}|11={by}|41={id}|17=X1|150=4|39=4|55=EURUSD|54=1|38=10|14=0|151=0|");
    one(&w.broker(&text), true, "7");
}

/// A leader's reduce is tried at once, however long the pause after a rejected close; a rejected open holds no close.
#[test]
fn a_new_reduce_does_not_wait_for_an_old_reject() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o2", 2, "4", "4", "4"), false, "4");
    w.out(&close);
    assert!(w.reject(&close).is_empty());
    one(&w.leader("o3", 2, "6", "6", "6"), false, "10");
}

/// 02 step 2: what was refused of an amount counts as sized; the rest of the order does not make up for it.
#[test]
fn a_stale_half_of_a_fixed_amount_is_not_opened_by_the_other_half() {
    let mut w = World::new(r#"{"mode":"fixed","lots":"8"}"#, "");
    let old = "35=8|37=o1|17=S1|150=F|39=1|55=EURUSD|54=1|38=10|32=5|31=1|14=5|151=5|60=20200101-00:00:00|";
    assert!(w.apply(EventKind::Leader, "L", &fix(old)).is_empty());
    one(&w.leader("o1", 1, "10", "5", "10"), true, "4");
}

fn position(w: &mut World, long: &str) -> Vec<Sent> {
    let text = format!("35=AP|710=1|55=EURUSD|702=1|703=TQ|704={long}|705=0|");
    w.apply(EventKind::Leader, "L", &fix(&text))
}

/// A leader position that is smaller than ours counts when it is said twice with no execution between.
#[test]
fn a_smaller_leader_position_is_a_missed_reduce_once_confirmed() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    assert!(position(&mut w, "4").is_empty());
    let more = one(&w.leader("o2", 1, "1", "1", "1"), true, "1");
    w.out(&more);
    w.fill(&more, "1", "1");
    assert!(position(&mut w, "4").is_empty());
    one(&position(&mut w, "4"), false, "7");
    assert!(w.alerts.iter().any(|a| a.code == "leader_drift"));
}

/// A larger leader position is shown and never opened.
#[test]
fn a_larger_leader_position_is_only_an_alert() {
    let mut w = World::new(SAME, "");
    assert!(position(&mut w, "9").is_empty());
    assert!(position(&mut w, "9").is_empty());
    assert!(w.alerts.iter().any(|a| a.code == "leader_drift"));
    assert_eq!(w.filled(), Dec::ZERO);
}

/// Where the starting position is not known, a PositionReport gives it; what is held then is never opened later.
#[test]
fn a_position_report_makes_the_starting_position_known() {
    let mut w = World::new(SAME, "");
    w.engine = Engine::new(unknown_start()).unwrap();
    w.row = 0;
    w.link(7);
    assert!(position(&mut w, "5").is_empty());
    assert!(w.leader("o1", 2, "5", "5", "5").is_empty());
    one(&w.leader("o2", 1, "2", "2", "2"), true, "2");
    assert_eq!(w.engine.status().refusals.get("leader_position_unknown"), None);
}

fn unknown_start() -> Config {
    let mut c = config(SAME, "");
    c.leaders[0].assume_flat = false;
    c
}

/// A leader whose position is not known opens nothing: its close could not be told from an open.
#[test]
fn an_unknown_leader_position_opens_nothing() {
    let mut w = World::new(SAME, "");
    w.engine = Engine::new(unknown_start()).unwrap();
    w.row = 0;
    w.link(7);
    assert!(w.leader("o1", 2, "5", "5", "5").is_empty());
    assert_eq!(w.engine.status().refusals.get("leader_position_unknown"), Some(&1));
}

/// What has no policy yet is alerted, what has no consequence is counted; nothing is dropped in silence.
#[test]
fn nothing_from_a_leader_is_dropped_in_silence() {
    let mut w = World::new(SAME, "");
    let cases = [
        ("35=f|55=EURUSD|326=2|", "trading_halt"),
        (
            "35=8|37=o1|17=R|150=D|39=1|378=0|55=EURUSD|54=1|38=20|14=0|151=20|60=20231114-22:13:20|",
            "corporate_action",
        ),
        ("35=4|34=12|123=Y|36=15|", "leader_gap"),
        ("35=8|37=o2|17=H|19=E77|150=H|39=1|55=EURUSD|54=1|38=20|14=0|151=20|60=20231114-22:13:20|", "bust"),
        (
            "35=8|37=o9|17=E|150=F|39=1|55=NOPE|54=1|38=20|14=1|32=1|151=20|60=20231114-22:13:20|",
            "unknown_symbol",
        ),
    ];
    for (text, code) in cases {
        let before = w.alerts.len();
        w.apply(EventKind::Leader, "L", &fix(text));
        assert!(w.alerts[before..].iter().any(|a| a.code == code), "{text}: {:?}", &w.alerts[before..]);
    }
    for (text, note) in [
        ("35=B|148=end|", "news"),
        ("35=8|37=o3|17=N|150=7|39=7|55=EURUSD|54=1|38=20|14=0|151=20|60=20231114-22:13:20|", "other report"),
        (
            "35=8|37=o3|17=N2|150=3|39=3|55=EURUSD|54=1|38=20|14=0|151=20|60=20231114-22:13:20|",
            "done for day",
        ),
    ] {
        w.apply(EventKind::Leader, "L", &fix(text));
        assert_eq!(w.engine.status().notes.get(note), Some(&1), "{text}");
    }
}

/// A CumQty above OrderQty freezes the order's increases, with an alert; its closes go on.
#[test]
fn a_contradiction_freezes_increases_only() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    assert!(w.leader("o1", 1, "10", "2", "12").is_empty());
    assert!(w.alerts.iter().any(|a| a.code == "contradiction"));
    assert_eq!(w.engine.status().refusals.get("frozen_order"), Some(&1));
    one(&w.leader("o2", 2, "12", "12", "12"), false, "10");
}

/// 39=2 with less filled than was ordered proves no fill: the order is asked about, and never sent again meanwhile.
#[test]
fn a_filled_status_without_the_fills_is_asked_about() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    let id = &open.id;
    let text = format!("35=8|37=B{id}|11={id}|17=X1|150=F|39=2|55=EURUSD|54=1|38=10|32=4|31=1.1|14=4|151=6|");
    let asked = w.broker(&text);
    assert_eq!(asked.iter().map(|s| s.kind).collect::<Vec<_>>(), vec![SendKind::Status]);
    assert_eq!(w.filled(), d("4"));
}

/// A venue that answers no status request is not asked: the order stays unknown, is shown, and is never sent again.
#[test]
fn an_unknown_order_at_a_venue_without_queries_is_shown_not_asked_for() {
    let mut w = World::new(SAME, "");
    let mut c = config(SAME, "");
    c.profiles[0].supports.status_request = false;
    w.engine = Engine::new(c).unwrap();
    w.row = 0;
    w.link(7);
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.now = w.engine.next_due_ns().unwrap();
    assert!(w.apply(EventKind::Timer, "", b"").is_empty());
    assert!(w.alerts.iter().any(|a| a.code == "unknown_order"));
    assert!(w.link(8).is_empty());
}

/// What a follower's broker says beside reports is counted or alerted, as on a leader's session.
#[test]
fn nothing_from_a_broker_is_dropped_in_silence() {
    let mut w = World::new(SAME, "");
    w.broker("35=f|55=EURUSD|326=2|");
    assert!(w.alerts.iter().any(|a| a.code == "trading_halt"));
    w.broker("35=AP|710=1|55=EURUSD|702=1|703=TQ|704=1|705=0|");
    assert_eq!(w.engine.status().notes.get("position of an account that is no follower"), Some(&1));
    w.broker("35=AP|710=1|1=F|55=XAUUSD|702=1|703=TQ|704=1|705=0|");
    assert_eq!(w.engine.status().notes.get("position of a symbol that is not mapped"), Some(&1));
}

/// A status that leaves out the side is of the order's own: what it says was filled is a close that must not be lost.
#[test]
fn a_status_without_a_side_still_closes() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let new = "35=8|37=o2|17=N1|150=0|39=0|55=EURUSD|54=2|38=10|14=0|151=10|60=20231114-22:13:20|";
    assert!(w.apply(EventKind::Leader, "L", &fix(new)).is_empty());
    let status = "35=8|37=o2|17=0|150=I|39=2|55=EURUSD|38=10|14=10|151=0|60=20231114-22:13:21|";
    one(&w.apply(EventKind::Leader, "L", &fix(status)), false, "10");
}

/// A bust moves P, holds the target and stops opens until the operator resumes.
#[test]
fn a_bust_waits_for_the_operator() {
    let mut w = World::new(SAME, "");
    for (last, cum) in [("4", "4"), ("6", "10")] {
        let open = one(&w.leader("o1", 1, "10", last, cum), true, last);
        w.out(&open);
        w.fill(&open, last, last);
    }
    let bust = "35=8|37=o1|17=B1|19=E1|150=H|39=1|55=EURUSD|54=1|38=10|32=4|14=6|151=0|60=20231114-22:13:20|";
    assert!(w.apply(EventKind::Leader, "L", &fix(bust)).is_empty());
    assert!(w.alerts.iter().any(|a| a.code == "bust"));
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty());
    w.apply(EventKind::Operator, "", br#"{"cmd":"bust_resume","who":"ann","leader":"l"}"#);
    one(&w.leader("o3", 1, "5", "5", "5"), true, "5");
}

/// An order that never reaches its route before the deadline is missed, and the target gives it up.
#[test]
fn an_open_behind_a_dead_route_is_missed_not_sent_late() {
    let mut w = World::new(SAME, "");
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
    w.now += 61_000_000_000;
    assert!(w.apply(EventKind::Timer, "", b"").is_empty());
    assert!(w.rows(&[Row::Logon { session: "R" }]).is_empty());
    assert_eq!(w.engine.status().refusals.get("missed"), Some(&1));
}

/// A close waits for its route without a deadline.
#[test]
fn a_close_waits_for_its_route_and_goes_out() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(w.leader("o2", 2, "10", "10", "10").is_empty());
    w.now += 610_000_000_000;
    one(&w.rows(&[Row::Logon { session: "R" }]), false, "10");
}

/// A snapshot carries everything: the restored engine decides the same.
#[test]
fn a_restored_engine_decides_the_same() {
    let mut w = World::new(HALF, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "5");
    let bytes = w.engine.snapshot();
    let mut twin = World { engine: Engine::restore(config(HALF, ""), &bytes).unwrap(), alerts: vec![], ..w };
    assert_eq!(twin.engine.digest(), Engine::restore(config(HALF, ""), &bytes).unwrap().digest());
    twin.out(&open);
    twin.fill(&open, "5", "5");
    one(&twin.leader("o2", 2, "4", "4", "4"), false, "2");
}

/// What was decided has one digest, and every part of an order changes it: quantity, side, price, and what came before.
#[test]
fn the_digest_tells_every_order_apart() {
    let digest = |sizing: &str, extra: &str, fills: &[&str]| {
        let mut w = World::new(sizing, extra);
        (1..).zip(fills).for_each(|(n, qty)| drop(w.leader(&format!("o{n}"), 1, qty, qty, qty)));
        w.apply(EventKind::Timer, "", b"");
        w.engine.digest()
    };
    let limit = r#","order_type":"limit","max_slippage_bps":"5""#;
    let further = r#","order_type":"limit","max_slippage_bps":"6""#;
    let all = [
        digest(SAME, "", &[]),
        digest(SAME, "", &["10"]),
        digest(SAME, "", &["10", "10"]),
        digest(SAME, "", &["20", "10"]),
        digest(HALF, "", &["10"]),
        digest(SAME, r#","reverse":true"#, &["10"]),
        digest(SAME, limit, &["10"]),
        digest(SAME, further, &["10"]),
    ];
    assert_eq!(all[1], digest(SAME, "", &["10"]), "the same decisions");
    for (n, one) in all.iter().enumerate() {
        assert!(!all[..n].contains(one), "number {n} of {all:?}");
    }
}

/// Whatever bytes arrive, nothing panics and nothing is sent.
#[test]
fn bad_quantities_are_alerts_not_orders() {
    let mut w = World::new(SAME, "");
    for q in ["0", "-5", "1e30", "NaN", "0.12345678901234567890", "999999999999999999999999999999"] {
        let t = format!(
            "35=8|37=o{q}|17=E{q}|150=F|39=2|55=EURUSD|54=1|38=1|32={q}|31=1|14={q}|151=0|60=20231114-22:13:20|"
        );
        assert!(w.apply(EventKind::Leader, "L", &fix(&t)).is_empty(), "{q}");
    }
    assert_eq!(w.engine.status().subscriptions.iter().filter(|l| !l.target.is_zero()).count(), 0);
}
