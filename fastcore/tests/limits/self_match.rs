//! Orders of one account that could fill each other: told, and where the policy says so the later open waits. No close does.

use crate::{EURUSD, OTHER, S, alerts, copied, desk, fill_all, quantities, trade};
use fastcore::config::SelfMatch;

/// The account's two subscriptions buy and sell at once: both go out, and both are named, once as long as it lasts.
#[test]
fn opposite_orders_of_two_subscriptions_are_told_once() {
    let mut w = desk(|_| {});
    let buy = trade(&mut w, EURUSD, true, "5", "1.1");
    assert_eq!(alerts(&w, "self_match"), 0);
    let sell = trade(&mut w, OTHER, false, "3", "1.1");
    let more = trade(&mut w, OTHER, false, "2", "1.1");
    assert_eq!((quantities(&sell), quantities(&more)), (vec!["3"], vec!["2"]));
    let told = crate::support::texts(&w, "self_match");
    assert_eq!(told, ["t, EURUSD sells 3 units while s, EURUSD buys 5: one account could trade with itself"]);
    // Over, and again: told again.
    for all in [buy, sell, more] {
        fill_all(&mut w, all);
    }
    trade(&mut w, EURUSD, true, "1", "1.1");
    assert_eq!(alerts(&w, "self_match"), 1, "one side only");
    trade(&mut w, OTHER, false, "1", "1.1");
    assert_eq!(alerts(&w, "self_match"), 2);
    assert_eq!(w.engine.status().notes.get("orders of one account that could fill each other"), Some(&2));
}

/// With `wait` the later open goes out when the earlier one is done, and is given up when its window ends before that.
#[test]
fn a_later_open_waits_until_the_earlier_one_is_done() {
    let mut w = desk(|c| c.faults.self_match = SelfMatch::Wait);
    let buy = trade(&mut w, EURUSD, true, "5", "1.1");
    assert!(trade(&mut w, OTHER, false, "3", "1.1").is_empty());
    assert_eq!(alerts(&w, "self_match"), 0, "nothing crosses");
    assert_eq!(w.held_back, [("self_match".to_owned(), "3".to_owned())], "and its decision says so");
    w.out(&buy[0]);
    let sell = w.fill(&buy[0], "5", "5");
    assert_eq!(quantities(&sell), ["3"]);
    w.out(&sell[0]);
    // The 3 work: a buy of the other waits, and is too late a minute later.
    assert!(trade(&mut w, EURUSD, true, "4", "1.1").is_empty());
    let end = w.now + 90 * S;
    assert!(w.run_to(end).iter().all(|s| s.kind != fastcore::link::SendKind::New));
    assert_eq!(w.engine.status().refusals.get("stale"), Some(&1));
}

/// A close goes out whatever the other subscription has at work, and it is told.
#[test]
fn a_close_never_waits_for_another_subscription() {
    let mut w = desk(|c| c.faults.self_match = SelfMatch::Wait);
    copied(&mut w, EURUSD, true, "5", "1.1");
    trade(&mut w, OTHER, true, "3", "1.1");
    assert_eq!(quantities(&trade(&mut w, EURUSD, false, "5", "1.1")), ["5"]);
    assert_eq!(alerts(&w, "self_match"), 1);
}

/// Nothing is said where it is off.
#[test]
fn self_match_can_be_off() {
    let mut w = desk(|c| c.faults.self_match = SelfMatch::Off);
    trade(&mut w, EURUSD, true, "5", "1.1");
    trade(&mut w, OTHER, false, "3", "1.1");
    assert_eq!(alerts(&w, "self_match"), 0);
}
