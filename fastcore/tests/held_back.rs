//! A decision says what it holds back, and why, where nothing was refused: a reader is not told that orders are on their way.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::link::SendKind;
use fastcore::profile::PositionModel;
use support::{SAME, Sent, World, one, tell};

fn holding(change: impl FnOnce(&mut Config)) -> (World, Sent) {
    let mut w = World::with(SAME, "", change);
    let open = w.leader("o1", 1, "10", "10", "10")[0].clone();
    w.out(&open);
    (w, open)
}

fn said(w: &World) -> Vec<(&str, &str)> {
    w.held_back.iter().map(|(why, units)| (why.as_str(), units.as_str())).collect()
}

/// What goes out, and what is less than a lot, is not held back.
#[test]
fn a_plain_copy_holds_nothing_back() {
    let (mut w, open) = holding(|c| c.subscriptions[0].sizing = serde_json::from_str(support::HALF).unwrap());
    w.fill(&open, "5", "5");
    w.leader("o2", 1, "1", "1", "1");
    w.leader("o3", 2, "11", "11", "11");
    assert!(said(&w).is_empty());
}

#[test]
fn a_close_under_halt_is_held_back() {
    let (mut w, open) = holding(|_| {});
    w.fill(&open, "10", "10");
    tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"halt"}"#);
    assert!(w.leader("o2", 2, "4", "4", "4").is_empty());
    assert_eq!(said(&w), [("halt", "4")]);
    one(&tell(&mut w, r#"{"cmd":"arm","who":"ann"}"#), false, "4");
}

#[test]
fn a_close_beside_an_order_in_doubt_is_held_back() {
    let (mut w, open) = holding(|_| {});
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o2", 2, "4", "4", "4"), false, "4");
    w.out(&close);
    w.run_to(w.now + 60_000_000_000);
    assert!(w.leader("o3", 2, "6", "6", "6").iter().all(|s| s.kind != SendKind::New));
    assert_eq!(said(&w), [("order_in_doubt", "0")]);
}

#[test]
fn the_rest_of_a_close_that_the_brokers_position_caps_is_held_back() {
    let (mut w, open) = holding(|_| {});
    w.fill(&open, "10", "10");
    w.broker("35=AP|1=F|55=EURUSD|702=1|703=TQ|704=4|705=0|");
    let sent = w.leader("o2", 2, "10", "10", "10");
    assert_eq!(sent.iter().filter(|s| s.kind == SendKind::New).map(|s| &*s.qty).collect::<Vec<_>>(), ["4"]);
    assert_eq!(said(&w), [("broker_position", "6")]);
}

#[test]
fn a_close_of_a_position_without_a_name_is_held_back() {
    let (mut w, open) = holding(|c| c.profiles[0].position_model = PositionModel::Hedging);
    w.fill(&open, "10", "10");
    assert!(w.leader("o2", 2, "10", "10", "10").iter().all(|s| s.kind != SendKind::New));
    assert_eq!(said(&w), [("unnamed_position", "10")]);
}

#[test]
fn an_open_behind_a_reject_is_held_back() {
    let (mut w, open) = holding(|c| {
        c.subscriptions[0].on_reject = fastcore::config::OnReject::Retry;
        c.subscriptions[0].retry_window_ms = 60_000;
    });
    w.reject(&open);
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty());
    assert_eq!(said(&w), [("refused_lately", "15")]);
}

/// A stop that rests for what is held opens nothing, and explains no open that is missing.
#[test]
fn an_open_behind_a_reject_is_held_back_beside_a_stop_that_rests() {
    let mut w = World::with(SAME, r#","copy_stops":true"#, |c| {
        c.profiles[0].order_types.push(fastcore::profile::OrderType::Stop);
        c.subscriptions[0].on_reject = fastcore::config::OnReject::Retry;
        c.subscriptions[0].retry_window_ms = 60_000;
    });
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let mut time = Vec::new();
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    w.exec += 1;
    let placed = support::fix(&format!(
        "35=8|34={0}|37=sl|17=E{0}|150=0|39=0|55=EURUSD|54=2|38=10|40=3|99=1|59=0|14=0|151=10|60={time}|",
        w.exec
    ));
    let stop = one(&w.apply(fastcore::event::EventKind::Leader, "L", &placed), false, "10");
    w.out(&stop);
    let more = one(&w.leader("o2", 1, "5", "5", "5"), true, "5");
    w.out(&more);
    w.reject(&more);
    w.leader("o3", 1, "1", "1", "1");
    assert_eq!(said(&w), [("refused_lately", "6")]);
}
