//! Corners of one ledger line: windows of opens, residues, parts, declined orders, and closes that wait.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, OnReject, Rounding};
use fastcore::event::EventKind;
use fastcore::link::{Row, SendKind};
use support::{SAME, Sent, World, config_text, d, lots, one};

const S: i64 = 1_000_000_000;

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", change)
}

fn codes(w: &World) -> Vec<&'static str> {
    w.alerts.iter().map(|a| a.code).collect()
}

/// A trade that is heard after a younger one opens within its own window, not within the younger one's.
#[test]
fn an_older_trade_that_is_heard_late_keeps_its_own_window() {
    let mut w = with(|_| {});
    w.apply(EventKind::Link, "r", b""); // opens wait for the route
    w.now += 30 * S;
    w.leader("o1", 1, "1", "1", "1");
    w.now -= 30 * S; // TransactTime(60) of what happened before, heard now
    w.leader("o2", 1, "6", "6", "6");
    w.now += 61 * S;
    let sent = w.link(7);
    assert_eq!(one(&sent, true, "1").qty, "1", "six are 61 s old, one is 31 s old");
    assert_eq!(w.target(), d("1"));
}

/// A minimum lot is opened within the window of what the leader did on its side, not of a younger trade on the other.
#[test]
fn a_minimum_lot_does_not_ride_on_a_trade_of_the_other_side() {
    let mut w = with(|c| c.subscriptions[0].rounding = Rounding::MinLotIfNonzero);
    w.apply(EventKind::Link, "r", b""); // opens wait for the route
    w.now += 30 * S;
    w.leader("o1", 2, "1", "1", "1");
    w.now -= 30 * S; // TransactTime(60) of what happened before, heard now
    w.leader("o2", 1, "9.5", "9.5", "9.5");
    w.now += 61 * S;
    assert!(w.link(7).is_empty(), "eight are too late, and half a lot is no younger");
    assert_eq!(w.target(), d("0.5"));
}

/// An open that is withdrawn unsent takes nothing from the windows of what waits on the other side.
#[test]
fn a_withdrawn_open_leaves_the_other_sides_windows_alone() {
    let mut w = with(|_| {});
    let sell = one(&w.leader("o1", 2, "2", "2", "2"), false, "2");
    assert!(w.leader("o2", 1, "7", "7", "7").is_empty(), "five wait until it is known whether the sell left");
    w.now += 30 * S;
    w.rows(&[Row::NotSent { cl_ord_id: &sell.id, try_no: 1, reason: 1 }]);
    w.apply(EventKind::Link, "r", b"");
    w.leader("o3", 1, "1", "1", "1");
    w.now += 31 * S;
    assert!(w.link(7).is_empty(), "five of the six are 61 s old");
}

/// An open that waits is too late at the end of its own window, whatever the leader opens after it.
#[test]
fn a_waiting_open_does_not_ride_on_a_newer_one() {
    let mut w = with(|_| {});
    let first = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&first);
    let start = w.now;
    w.run_to(start + 10 * S); // no report in time: unknown, what comes after it waits
    assert!(w.leader("o2", 1, "5", "5", "5").iter().all(|s| s.kind == SendKind::Status));
    w.run_to(start + 60 * S);
    assert!(w.leader("o3", 1, "3", "3", "3").iter().all(|s| s.kind == SendKind::Status));
    w.run_to(start + 75 * S);
    assert_eq!(w.engine.status().refusals.get("stale"), Some(&1), "the 5, asked for 65 seconds ago");
    one(&w.fill(&first, "10", "10"), true, "3");
    assert_eq!(w.target(), d("13"));
}

/// What a leader takes back of two waiting opens is taken from the newer: the older gains no time.
#[test]
fn what_is_no_longer_wanted_goes_from_the_newest_window() {
    let mut w = with(|_| {});
    let first = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&first);
    let start = w.now;
    w.run_to(start + 10 * S);
    w.leader("o2", 1, "10", "10", "10");
    w.run_to(start + 60 * S);
    w.leader("o3", 1, "10", "10", "10");
    w.leader("o4", 2, "15", "15", "15"); // 30 x (1 - 15/30) = 15: 5 wanted beyond the first
    w.run_to(start + 75 * S);
    assert!(w.fill(&first, "10", "10").is_empty(), "the window of the 5 that are left is over");
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")));
}

/// A rejected open is tried again within its own window, not within that of a newer open.
#[test]
fn a_retry_does_not_ride_on_a_newer_open() {
    let mut w = with(|c| {
        c.subscriptions[0].on_reject = OnReject::Retry;
        c.subscriptions[0].retry_window_ms = 60_000;
    });
    let start = w.now;
    let first = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&first);
    w.acknowledge(&first);
    w.run_to(start + 58 * S);
    let second = one(&w.leader("o2", 1, "5", "5", "5"), true, "5");
    w.out(&second);
    w.acknowledge(&second);
    w.reject(&first);
    let sent = w.run_to(start + 100 * S);
    let opened: Vec<&str> = sent.iter().filter(|s| s.kind == SendKind::New).map(|s| s.qty.as_str()).collect();
    assert!(opened.iter().all(|q| *q == "10") && opened.len() <= 1, "{opened:?}");
    w.fill(&second, "5", "5");
    if opened.is_empty() {
        assert_eq!(w.target(), d("5"), "10 were given up when their window ended");
    }
}

/// What is less than a minimum lot stays in the target, however long, and counts with the next increase.
#[test]
fn what_is_too_little_for_an_order_counts_with_the_next_increase() {
    let mut w = with(|c| c.instruments[0].min_lot = lots("3"));
    let open = one(&w.leader("o1", 1, "3", "3", "3"), true, "3");
    w.out(&open);
    w.fill(&open, "3", "3");
    assert!(w.leader("o2", 1, "2", "2", "2").is_empty());
    w.now += 61 * S;
    w.acknowledge(&open);
    assert_eq!(w.target(), d("5"));
    one(&w.leader("o3", 1, "1", "1", "1"), true, "3");
}

/// An open of 4, the minimum lot, that is 70 s old when its broker declines it down to `left`: that is canceled. The ids of
/// the open and of the cancel.
fn declined_below_the_minimum(step: &str, left: &str) -> (World, String, String) {
    let mut w = with(|c| {
        c.instruments[0].lot_step = lots(step);
        c.instruments[0].min_lot = lots("4");
    });
    let open = one(&w.leader("o1", 1, "4", "4", "4"), true, "4");
    w.out(&open);
    w.now += 70 * S;
    w.apply(EventKind::Timer, "", b"");
    let id = open.id;
    let declined = format!("17=D|150=D|39=0|378=5|55=EURUSD|54=1|38={left}|14=0|151={left}");
    let cancel = w.broker(&format!("35=8|37=B|11={id}|{declined}|"));
    assert_eq!(cancel.iter().map(|s| s.kind).collect::<Vec<_>>(), [SendKind::Cancel]);
    (w, id, cancel[0].id.clone())
}

/// What is left beside an odd part that is too late goes out in whole steps.
#[test]
fn beside_an_odd_part_that_is_too_late_whole_steps_go_out() {
    let (mut w, open, cancel) = declined_below_the_minimum("2", "3");
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty(), "waits for the cancel");
    let canceled = "17=C|150=4|39=4|55=EURUSD|54=1|38=3|14=0|151=0";
    let sent = w.broker(&format!("35=8|37=B|11={cancel}|41={open}|{canceled}|"));
    one(&sent, true, "4");
    assert_eq!(w.target(), d("6"), "three of nine were too late");
}

/// Late and refused parts that are no whole steps leave no step that nobody asks for: what waits for nothing is given up.
#[test]
fn a_step_made_of_late_and_refused_parts_is_not_wanted_any_more() {
    let (mut w, open, cancel) = declined_below_the_minimum("4", "2");
    assert!(w.leader("o2", 1, "10", "10", "10").is_empty(), "waits for the cancel");
    w.apply(EventKind::Operator, "", br#"{"cmd":"kill","who":"ann"}"#);
    let canceled = "17=C|150=4|39=4|55=EURUSD|54=1|38=2|14=0|151=0";
    assert!(w.broker(&format!("35=8|37=B|11={cancel}|41={open}|{canceled}|")).is_empty());
    assert!(w.target() < d("4"), "{} is wanted, and nothing would send it", w.target());
}

/// A close of 3, all that is held and less than the minimum lot of 5, on its way to the broker.
fn closing_a_residue() -> (World, Sent) {
    let mut w = with(|c| c.instruments[0].min_lot = lots("5"));
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "3", "3");
    w.broker(&format!("35=8|37=B|11={}|17=C1|150=C|39=C|55=EURUSD|54=1|38=10|14=3|151=0|", open.id));
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "3");
    w.out(&close);
    (w, close)
}

/// Less than the minimum lot that the broker refuses to close is latched and shown, and closes once it can.
#[test]
fn a_residue_that_the_broker_refuses_is_not_asked_for_ever() {
    let (mut w, close) = closing_a_residue();
    assert!(w.reject(&close).is_empty());
    assert_eq!(codes(&w), ["stuck_residue"]);
    let hour = w.now + 3_600 * S;
    assert!(w.run_to(hour).is_empty(), "not tried again");
    let again = one(&w.leader("o3", 1, "10", "10", "10"), true, "7");
    w.out(&again);
    w.fill(&again, "7", "7");
    one(&w.leader("o4", 2, "10", "10", "10"), false, "10");
}

/// A market that is closed refuses every close: that is no residue.
#[test]
fn a_closed_market_latches_no_residue() {
    let (mut w, close) = closing_a_residue();
    let id = &close.id;
    w.broker(&format!("35=8|37=NONE|11={id}|17=R1|150=8|39=8|103=2|55=EURUSD|54=2|38=3|14=0|151=0|"));
    assert_eq!(codes(&w), ["close_rejected"]);
    let later = w.now + 60 * S;
    one(&w.run_to(later)[..1], false, "3");
}

/// Parts that cannot all reach the minimum lot: full parts first, what is left waits or goes when it is all that is left.
#[test]
fn no_part_is_below_the_minimum_lot() {
    let mut w = with(|c| {
        c.instruments[0].min_lot = lots("6");
        c.instruments[0].max_lot = Some(lots("10"));
    });
    let open = one(&w.leader("o1", 1, "11", "11", "11"), true, "10");
    w.out(&open);
    assert!(w.fill(&open, "10", "10").is_empty(), "1 is below the minimum lot and waits");
    assert_eq!(w.target(), d("11"), "nothing was refused: it counts later");
    let more = one(&w.leader("o2", 1, "5", "5", "5"), true, "6");
    w.out(&more);
    w.fill(&more, "6", "6");
    let parts: Vec<String> = w.leader("o3", 2, "16", "16", "16").into_iter().map(|s| s.qty).collect();
    assert_eq!(parts, ["8", "8"], "equal within one step where all can reach it");
}

/// A close whose last part would be below the minimum lot: full parts first, the rest when it is all that is left.
#[test]
fn a_close_in_parts_leaves_nothing() {
    let mut w = with(|c| {
        c.instruments[0].min_lot = lots("6");
        c.instruments[0].max_lot = Some(lots("10"));
    });
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let part = one(&w.leader("o2", 1, "6", "6", "6"), true, "6");
    w.out(&part);
    w.fill(&part, "1", "1");
    w.broker(&format!("35=8|37=B|11={}|17=C1|150=C|39=C|55=EURUSD|54=1|38=6|14=1|151=0|", part.id));
    let close = one(&w.leader("o3", 2, "16", "16", "16"), false, "10");
    w.out(&close);
    let rest = one(&w.fill(&close, "10", "10"), false, "1");
    w.out(&rest);
    w.fill(&rest, "1", "1");
    assert_eq!(w.filled(), d("0"));
}

/// A broker that takes less of an open than was asked for (378=5): the rest is given up, as if it were canceled.
#[test]
fn a_partly_declined_open_gives_up_the_rest() {
    for leaves in ["38=10|14=0|151=4", "38=4|14=0|151=4"] {
        let mut w = with(|_| {});
        let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
        w.out(&open);
        w.acknowledge(&open);
        let id = open.id.clone();
        w.broker(&format!("35=8|37=B|11={id}|17=D1|150=D|378=5|39=0|55=EURUSD|54=1|{leaves}|"));
        assert_eq!(w.target(), d("4"), "{leaves}");
        w.broker(&format!("35=8|37=B|11={id}|17=F1|150=F|39=2|55=EURUSD|54=1|38=4|32=4|31=1|14=4|151=0|"));
        assert_eq!(w.filled(), d("4"));
        assert_eq!(w.engine.status().orders.get("filled"), Some(&1), "{leaves}");
        one(&w.leader("o2", 2, "10", "10", "10"), false, "4");
    }
}

/// What a broker declines of a close is closed by another order.
#[test]
fn a_partly_declined_close_is_closed_by_another_order() {
    let mut w = with(|_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    w.out(&close);
    w.acknowledge(&close);
    let id = close.id.clone();
    w.broker(&format!("35=8|37=B|11={id}|17=D1|150=D|378=5|39=0|55=EURUSD|54=2|38=6|14=0|151=6|"));
    let later = w.now + 40 * S;
    let rest: Vec<Sent> = w.run_to(later).into_iter().filter(|s| s.kind == SendKind::New).collect();
    one(&rest, false, "4");
}

/// "Filled", where only trade reports count and none came, is not "canceled": the order stays unknown and is shown.
#[test]
fn a_filled_status_without_its_trades_leaves_the_order_unknown() {
    let mut w = with(|c| c.profiles[0].fill_qty = fastcore::profile::FillQty::LastQty);
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.now = w.engine.next_due_ns().unwrap();
    w.apply(EventKind::Timer, "", b"");
    let id = open.id.clone();
    w.broker(&format!("35=8|37=B|11={id}|17=S|150=I|39=2|55=EURUSD|54=1|38=10|14=10|151=0|790=1|"));
    assert_eq!(w.engine.status().orders.get("unknown"), Some(&1));
    assert_eq!(codes(&w), ["unknown_order"]);
    w.fill(&open, "10", "10");
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")));
}

/// A close that cannot go out yet is shown: behind a route that is down, or an order whose outcome is not known.
#[test]
fn a_close_that_waits_is_shown() {
    let mut w = with(|_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let more = one(&w.leader("o2", 1, "5", "5", "5"), true, "5");
    w.out(&more);
    let end = w.now + 10 * S;
    w.run_to(end); // unknown now
    w.leader("o3", 2, "15", "15", "15");
    w.leader("o4", 1, "1", "1", "1");
    assert_eq!(codes(&w), ["close_waits"], "once");
    one(&w.fill(&more, "5", "5"), false, "14");
    w.alerts.clear();
    let mut w = with(|_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(w.leader("o2", 2, "10", "10", "10").is_empty());
    assert_eq!(codes(&w), ["close_waits"]);
    one(&w.rows(&[Row::Logon { session: "R" }]), false, "10");
}

/// A position read anew from the broker is worked at once, also while a rejected close is paused.
#[test]
fn a_smaller_leader_position_is_tried_at_once() {
    let mut w = with(|_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o2", 2, "5", "5", "5"), false, "5");
    w.out(&close);
    w.reject(&close);
    let flat = support::fix("35=AP|721=1|55=EURUSD|702=1|703=TQ|704=0|705=0|");
    let mut sent = w.apply(EventKind::Leader, "L", &flat);
    sent.extend(w.apply(EventKind::Leader, "L", &flat));
    one(&sent, false, "10");
}

/// A start of the core: its row, with the configuration that is in force.
fn start(w: &mut World, min_lot: &str) -> Vec<Sent> {
    let config = config_text(SAME, "").replace(r#""min_lot":"1""#, &format!(r#""min_lot":"{min_lot}""#));
    let text = format!(r#"{{"epoch":1,"config":{config}}}"#);
    w.apply(EventKind::Start, "", text.as_bytes())
}

/// A residue that the broker refused is asked for once more after a start: a person may have seen to it.
#[test]
fn a_start_asks_for_a_stuck_residue_once_more() {
    let (mut w, close) = closing_a_residue();
    assert!(w.reject(&close).is_empty());
    let later = w.now + 60 * S;
    assert!(w.run_to(later).is_empty());
    assert!(start(&mut w, "5").is_empty());
    let hello = fastcore::link::encode_hello("r", 8, 1, w.row + 1, 0, &["R"]).unwrap();
    w.apply(EventKind::Link, "r", &hello);
    one(&w.rows(&[Row::Sync { incarnation: 8, epoch: 1 }]), false, "3");
}

/// After a start nothing is handed to a route that the new core has not greeted: it may have sent meanwhile.
#[test]
fn a_start_hands_nothing_to_a_route_before_its_sync() {
    let mut w = with(|_| {});
    assert!(start(&mut w, "1").is_empty());
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty(), "held");
    let hello = fastcore::link::encode_hello("r", 8, 1, w.row + 1, 0, &["R"]).unwrap();
    assert!(w.apply(EventKind::Link, "r", &hello).is_empty());
    one(&w.rows(&[Row::Sync { incarnation: 8, epoch: 1 }]), true, "10");
}

/// `max_drift_bps`: an open waits for no better price. It is refused where the market left the leader's trade behind on
/// the follower's side, or where nobody knows; a close is never asked.
#[test]
fn an_open_is_refused_when_the_price_went_away() {
    let quote = |w: &mut World, bid: &str, ask: &str| {
        let text = format!(r#"{{"instrument":"EURUSD","bid":"{bid}","ask":"{ask}"}}"#);
        w.apply(EventKind::Quote, "", text.as_bytes());
    };
    let refused = |w: &World, code: &str| w.engine.status().refusals.get(code).copied().unwrap_or_default();
    // The leader trades at 1.1: 10 bps are 0.0011.
    let mut w = with(|c| c.subscriptions[0].max_drift_bps = Some(d("10")));
    assert!(w.leader("o1", 1, "5", "5", "5").is_empty(), "no quote");
    assert_eq!((refused(&w, "no_quote"), w.target()), (1, d("0")));
    quote(&mut w, "1.1", "1.1012");
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty(), "to buy costs 10.9 bps more");
    assert_eq!((refused(&w, "drift"), w.target()), (1, d("0")));
    quote(&mut w, "1.09", "1.1011");
    let s = one(&w.leader("o3", 1, "5", "5", "5"), true, "5");
    w.out(&s);
    w.fill(&s, "5", "5");
    // A sell is measured at the bid, and a better one is no drift.
    quote(&mut w, "1.0", "1.0");
    let s = one(&w.leader("o4", 2, "15", "15", "15"), false, "5");
    w.out(&s);
    w.fill(&s, "5", "5");
    w.now += 61 * S;
    assert!(w.leader("o5", 1, "1", "1", "1").is_empty(), "the quote is older than a trade may be");
    assert_eq!(refused(&w, "no_quote"), 2);
}
