//! Orders that close: take profit and stop, sized on what is held; alternatives, never summed.

use crate::play::*;
use crate::support::{Sent, World, d};
use fastcore::decimal::Dec;
use fastcore::event::EventKind;

/// A leader and a follower who hold 10.
fn held(extra: &str) -> World {
    let mut w = world(extra);
    holds(&mut w, "10");
    w
}

fn holds(w: &mut World, qty: &str) {
    let open = w.leader("first", 1, qty, qty, qty);
    w.out(&open[0]);
    w.fill(&open[0], qty, qty);
    assert_eq!(w.filled(), d(qty));
}

/// A protective stop and a take profit, each of the whole position; no lot is closed twice for it.
#[test]
fn stop_and_take_profit_are_alternatives() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let take = only(&new(&mut w, "tp", 2, "10", TAKE), "new sell 10 2 1.2/ 1");
    assert!(work(&mut w, &take).is_empty());
    // The follower's take profit fills first: his stop goes, his position is not opened again.
    only(&w.fill(&take, "10", "10"), "cancel");
    assert!(traded(&mut w, "tp", 2, "10", "10", "10").is_empty());
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
}

/// A part of the take profit: the stop is cut to what is left.
#[test]
fn a_part_of_one_alternative_cuts_the_other() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let take = only(&new(&mut w, "tp", 2, "10", TAKE), "new sell 10 2 1.2/ 1");
    work(&mut w, &take);
    let cut = only(&w.fill(&take, "4", "4"), "replace sell 6 3 /1 1");
    assert!(accepted(&mut w, &stop, &cut, "0").is_empty());
    assert!(traded(&mut w, "tp", 2, "10", "4", "4").is_empty());
    assert_eq!((w.filled(), w.target()), (d("6"), d("6")));
}

/// The leader's stop fills first: the follower closes at once, when his own stop cannot fill any more.
#[test]
fn a_leaders_close_goes_to_the_market_after_its_mirror_is_gone() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let gone = only(&traded(&mut w, "sl", 2, "10", "10", "10"), "cancel");
    assert_eq!(w.target(), Dec::ZERO);
    let close = only(&ended(&mut w, &stop, &gone, "0"), "new sell 10 1 /");
    w.out(&close);
    w.fill(&close, "10", "10");
    assert_eq!(w.filled(), Dec::ZERO);
    assert!(w.engine.state().mirrors.is_empty());
}

/// It filled while its cancel was on the way: nothing is sold a second time.
#[test]
fn a_mirror_that_fills_during_its_cancel_is_the_close() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let gone = only(&traded(&mut w, "sl", 2, "10", "10", "10"), "cancel");
    assert!(w.fill(&stop, "10", "10").is_empty());
    assert!(acts(refused(&mut w, &stop, &gone, b'0')).is_empty());
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
}

/// The leader sells a part by hand: the stop is cut first, then the part is sold. What is left keeps its stop.
#[test]
fn a_reduce_cuts_the_stop_before_it_sells() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let cut = only(&w.leader("x", 2, "4", "4", "4"), "replace sell 6 3 /1 1");
    let close = only(&accepted(&mut w, &stop, &cut, "0"), "new sell 4 1 /");
    w.out(&close);
    assert!(w.fill(&close, "4", "4").is_empty());
    assert_eq!(w.filled(), d("6"));
}

/// A stop of a part leaves room: the rest is sold at once.
#[test]
fn a_reduce_that_leaves_the_stop_its_part_goes_out_at_once() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "4", STOP), "new sell 4 3 /1 1");
    work(&mut w, &stop);
    only(&w.leader("x", 2, "6", "6", "6"), "new sell 6 1 /");
}

/// The leader adds: a stop of his whole position grows with what the follower holds.
#[test]
fn a_stop_has_the_share_of_the_position_that_the_leaders_has() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "5", STOP), "new sell 5 3 /1 1");
    work(&mut w, &stop);
    let sent = w.leader("y", 1, "10", "10", "10");
    // 5 of 20 with 10 held is 2 and a half.
    assert_eq!(words(&sent), ["replace sell 2 3 /1 1", "new buy 10 1 /"]);
    accepted(&mut w, &stop, &sent[0], "0");
    w.out(&sent[1]);
    only(&w.fill(&sent[1], "10", "10"), "replace sell 5 3 /1 1");
}

/// The leader moves his stop.
#[test]
fn a_moved_stop_moves() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let moved =
        only(&replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.05|59=1|"), "replace sell 10 3 /1.05 1");
    accepted(&mut w, &stop, &moved, "0");
    only(&canceled(&mut w, "sl", 2, "10", "0"), "cancel");
}

/// It arrives before the follower holds anything: placed as the position fills.
#[test]
fn a_stop_that_arrives_first_is_placed_with_the_position() {
    let mut w = world("");
    let open = w.leader("o", 1, "10", "10", "10");
    assert!(new(&mut w, "sl", 2, "10", STOP).is_empty());
    w.out(&open[0]);
    let stop = only(&w.fill(&open[0], "4", "4"), "new sell 4 3 /1 1");
    work(&mut w, &stop);
    only(&w.fill(&open[0], "6", "10"), "replace sell 10 3 /1 1");
}

/// However it arrives: in a status, or with an old time. A protective stop is never too old.
#[test]
fn a_stop_is_mirrored_however_it_arrives() {
    for raw in [
        "35=8|37=sl|17=I1|150=I|39=0|55=EURUSD|54=2|38=10|14=0|151=10|40=3|99=1|59=1|",
        "35=8|37=sl|17=I1|150=0|39=0|55=EURUSD|54=2|38=10|14=0|151=10|40=3|99=1|59=1|60=20200101-00:00:00|",
        "35=8|37=sl|17=I1|150=D|39=0|378=1|55=EURUSD|54=2|38=10|14=0|151=10|40=3|99=1|59=1|",
    ] {
        let mut w = held("");
        only(&w.apply(EventKind::Leader, "L", &crate::support::fix(raw)), "new sell 10 3 /1 1");
    }
}

/// A kill that cancels what opens holds back no protective stop, and none of its changes.
#[test]
fn a_kill_holds_back_no_protective_stop() {
    let mut w = held("");
    w.apply(EventKind::Operator, "", br#"{"cmd":"kill","who":"ann","level":"close_only"}"#);
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    assert!(work(&mut w, &stop).is_empty());
    only(&replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.05|59=1|"), "replace sell 10 3 /1.05 1");
}

/// A halt leaves what protects; what would change it waits until it is released.
#[test]
fn a_halt_leaves_the_stop_and_its_change_waits() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    w.apply(EventKind::Operator, "", br#"{"cmd":"kill","who":"ann","level":"halt"}"#);
    assert!(replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.05|59=1|").is_empty());
    only(&w.apply(EventKind::Operator, "", br#"{"cmd":"arm","who":"ann"}"#), "replace sell 10 3 /1.05 1");
}

/// The venue's own tag keeps a close from opening, on mirrors as on every close.
#[test]
fn a_closing_mirror_carries_the_reduce_only_tag() {
    let mut w = World::with(crate::support::SAME, r#","copy":"orders""#, |c| {
        takes_all(c);
        c.profiles[0].reduce_only = Some((77, "C".to_owned()));
    });
    holds(&mut w, "10");
    assert!(only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1").text.contains("|77=C|"));
    assert!(!new(&mut w, "o", 1, "5", LIMIT)[0].text.contains("|77="));
}

/// The leader entered at 1.1 with a stop at 1: twice as far is 0.9, and his take profit stays where it is.
#[test]
fn a_stop_multiplier_moves_the_stop_from_the_entry() {
    let mut w = held(r#","stop_multiplier":"2""#);
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /0.9 1");
    work(&mut w, &stop);
    only(&new(&mut w, "tp", 2, "10", TAKE), "new sell 10 2 1.2/ 1");
    only(&replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.05|59=1|"), "replace sell 10 3 /1 1");
}

/// The leader closes by hand and leaves his stop: without a position it protects nothing, and opens nothing.
#[test]
fn a_stop_without_a_position_is_taken_back() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let gone = only(&w.leader("x", 2, "10", "10", "10"), "cancel");
    let close = only(&ended(&mut w, &stop, &gone, "0"), "new sell 10 1 /");
    w.out(&close);
    assert!(w.fill(&close, "10", "10").is_empty());
    assert!(w.run_to(w.now + 3_600_000_000_000).is_empty());
}

/// A flip by one order: the mirror closes, the leader's fill opens the rest.
#[test]
fn a_flip_closes_by_its_mirror_and_opens_by_the_leaders_fill() {
    let mut w = held("");
    let m = only(&new(&mut w, "o", 2, "25", "40=2|44=1.2|59=1|"), "new sell 10 2 1.2/ 1");
    work(&mut w, &m);
    assert!(w.fill(&m, "10", "10").is_empty());
    let open = only(&traded(&mut w, "o", 2, "25", "25", "25"), "new sell 15 1 /");
    w.out(&open);
    w.fill(&open, "15", "15");
    assert_eq!((w.filled(), w.target()), (d("-15"), d("-15")));
}

/// Both alternatives filled before either could be taken back: what was closed twice is bought back.
#[test]
fn what_two_alternatives_closed_twice_is_put_right() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let take = only(&new(&mut w, "tp", 2, "10", TAKE), "new sell 10 2 1.2/ 1");
    work(&mut w, &take);
    only(&w.fill(&take, "10", "10"), "cancel");
    traded(&mut w, "tp", 2, "10", "10", "10");
    let back = only(&w.fill(&stop, "10", "10"), "new buy 10 1 /");
    w.out(&back);
    w.fill(&back, "10", "10");
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
}

/// A rejected protective stop is told, and not sent again and again; the leader's close still closes.
#[test]
fn a_rejected_stop_is_told_and_the_position_still_closes() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    w.out(&stop);
    assert!(w.reject(&stop).is_empty());
    assert!(w.alerts.iter().any(|a| a.code == "close_rejected"));
    assert!(w.run_to(w.now + 60_000_000_000).is_empty());
    only(&traded(&mut w, "sl", 2, "10", "10", "10"), "new sell 10 1 /");
}

/// The follower's stop fills and the leader cancels his: nothing is opened again.
#[test]
fn a_stop_that_only_the_follower_filled_stays_closed() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    w.fill(&stop, "10", "10");
    assert!(canceled(&mut w, "sl", 2, "10", "0").is_empty());
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
    let more: Vec<Sent> = w.leader("y", 1, "1", "1", "1");
    only(&more, "new buy 1 1 /");
}

/// A protective stop that somebody cancels at the follower's broker is told: the leader is protected, and he is not.
#[test]
fn a_stop_that_is_lost_is_told() {
    let mut w = held("");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let id = &stop.id;
    let hand = format!("35=8|37=B{id}|11={id}|17=H1|150=4|39=4|55=EURUSD|54=2|38=10|14=0|151=0|378=0|");
    assert!(w.broker(&hand).is_empty());
    assert_eq!(w.alerts.last().map(|a| a.code), Some("mirror_lost"));
    only(&replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.05|59=1|"), "new sell 10 3 /1.05 1");
}

/// Where nothing keeps a close from opening, a stop is no larger than the position that the broker reported.
#[test]
fn a_stop_is_capped_by_the_brokers_position() {
    let mut w = held("");
    w.broker("35=AP|710=Q|727=1|728=0|1=F|55=EURUSD|702=1|703=TQ|704=6|705=0|");
    only(&new(&mut w, "sl", 2, "10", STOP), "new sell 6 3 /1 1");
}
