//! What a second model of mirrors found: no lot is closed twice, opened again, or given up for a while only (decision 0017).

use crate::play::*;
use crate::support::{SAME, Sent, World, d};
use fastcore::decimal::Dec;

/// A leader and a follower who hold 10, and the leader's order that sells so many of them.
fn held(order: &str, qty: &str, terms: &str) -> (World, Sent) {
    let mut w = world("");
    let open = w.leader("first", 1, "10", "10", "10");
    w.out(&open[0]);
    w.fill(&open[0], "10", "10");
    let mirror = new(&mut w, order, 2, qty, terms)[0].clone();
    work(&mut w, &mirror);
    (w, mirror)
}

fn has(w: &World, filled: &str, target: &str) {
    assert_eq!((w.filled(), w.target()), (d(filled), d(target)));
}

/// Both sell 4 of 10, and the leader's report comes first: the follower's fill is the close that was wanted, whether his
/// order is replaced then or not.
#[test]
fn a_take_profit_that_fills_in_parts_is_closed_once() {
    for asks_first in [true, false] {
        let (mut w, take) = held("tp", "10", TAKE);
        let cut = only(&traded(&mut w, "tp", 2, "10", "4", "4"), "replace sell 6 2 1.2/ 1");
        if asks_first {
            assert!(acts(w.fill(&take, "4", "4")).is_empty());
        }
        // The broker has it as 6 in all: 2 are left of it, and it grows back to what the leader's may still sell.
        let more = acts(accepted(&mut w, &take, &cut, if asks_first { "4" } else { "0" }));
        if asks_first {
            only(&more, "replace sell 10 2 1.2/ 1");
            has(&w, "6", "6");
        } else {
            assert_eq!(words(&more), ["new sell 4 1 /"], "nothing of it had filled");
        }
    }
}

/// The leader's take profit of 4 fills whole, and he keeps 6: the follower's may have filled too, so nothing goes to the market
/// before its broker has answered.
#[test]
fn a_close_of_a_part_waits_for_its_mirror() {
    for filled in ["0", "4"] {
        let (mut w, take) = held("tp", "4", TAKE);
        let gone = only(&traded(&mut w, "tp", 2, "4", "4", "4"), "cancel");
        if filled == "4" {
            assert!(w.fill(&take, "4", "4").is_empty());
            assert!(acts(refused(&mut w, &take, &gone, 0)).is_empty());
        } else {
            let close = only(&ended(&mut w, &take, &gone, "0"), "new sell 4 1 /");
            w.out(&close);
            w.fill(&close, "4", "4");
        }
        has(&w, "6", "6");
    }
}

/// The follower's entry fills whole when the leader has 1 of 10. A take profit of that 1 protects all 10 of the follower's, and
/// fills: he is out, and buys nothing again, whatever the leader does with his take profit.
#[test]
fn a_close_that_fills_ahead_of_an_open_stays_closed() {
    for leader in ["waits", "fills", "cancels"] {
        let mut w = world("");
        let entry = only(&new(&mut w, "in", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
        work(&mut w, &entry);
        assert!(w.fill(&entry, "10", "10").is_empty());
        assert!(traded(&mut w, "in", 1, "10", "1", "1").is_empty());
        let take = only(&new(&mut w, "tp", 2, "1", TAKE), "new sell 10 2 1.2/ 1");
        work(&mut w, &take);
        assert!(w.fill(&take, "10", "10").is_empty(), "nothing is bought again");
        let then = match leader {
            "fills" => traded(&mut w, "tp", 2, "1", "1", "1"),
            "cancels" => canceled(&mut w, "tp", 2, "1", "0"),
            _ => vec![],
        };
        assert!(then.is_empty(), "{leader}: {then:?}");
        assert_eq!(w.filled(), Dec::ZERO);
    }
}

/// A part of it: half of what is held is sold, of what was copied and of what is ahead alike.
#[test]
fn a_close_takes_its_share_of_what_is_ahead() {
    let mut w = world("");
    let entry = only(&new(&mut w, "in", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &entry);
    w.fill(&entry, "10", "10");
    traded(&mut w, "in", 1, "10", "2", "2");
    let take = only(&new(&mut w, "tp", 2, "1", TAKE), "new sell 5 2 1.2/ 1");
    work(&mut w, &take);
    assert!(w.fill(&take, "5", "5").is_empty());
    has(&w, "5", "2");
    // The leader buys 3 more: what the follower had ahead of them is there, and what he has sold of it is not bought again.
    assert!(acts(traded(&mut w, "in", 1, "10", "3", "5")).is_empty());
    assert_eq!(w.filled(), d("5"));
}

/// The leader cuts a take profit that filled ahead to half of his position: the target comes down at once by all that it will,
/// and the reports behind it change nothing.
#[test]
fn what_was_closed_ahead_is_settled_once() {
    let (mut w, take) = held("tp", "10", TAKE);
    assert!(w.fill(&take, "10", "10").is_empty());
    assert!(replaced(&mut w, "tp", 2, "5", "0", TAKE).is_empty());
    has(&w, "0", "0");
    for px in ["1.21", "1.22"] {
        assert!(replaced(&mut w, "tp", 2, "5", "0", &format!("40=2|44={px}|59=1|")).is_empty());
        has(&w, "0", "0");
    }
    // What the leader adds is copied, and his halving halves it.
    let more = only(&w.leader("more", 1, "10", "10", "10"), "new buy 10 1 /");
    w.out(&more);
    let stop = w.fill(&more, "10", "10");
    assert_eq!(words(&stop), ["new sell 2 2 1.22/ 1"], "5 of the leader's 20");
    work(&mut w, &stop[0]);
    let half = w.leader("half", 2, "10", "10", "10");
    assert_eq!(words(&half), ["new sell 5 1 /", "replace sell 5 2 1.22/ 1"]);
}

/// Rejected; the leader fills 5 of 10 and changes his price: 5 are given up for good, also when the new order has filled.
#[test]
fn what_a_reject_gave_up_is_given_up_for_good() {
    let mut w = world("");
    let first = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    w.out(&first);
    w.reject(&first);
    assert!(traded(&mut w, "o", 1, "10", "5", "5").is_empty());
    let rest = only(&replaced(&mut w, "o", 1, "10", "5", "40=2|44=1.2|59=1|"), "new buy 5 2 1.2/ 1");
    work(&mut w, &rest);
    w.fill(&rest, "3", "3");
    let moved = replaced(&mut w, "o", 1, "10", "5", "40=2|44=1.3|59=1|");
    only(&moved, "replace buy 5 2 1.3/ 1");
    accepted(&mut w, &rest, &moved[0], "3");
    w.fill(&moved[0], "2", "5");
    assert!(replaced(&mut w, "o", 1, "10", "5", "40=2|44=1.4|59=1|").is_empty(), "it has filled");
    assert_eq!(w.filled(), d("5"));
    assert!(traded(&mut w, "o", 1, "10", "5", "10").is_empty());
    has(&w, "5", "5");
}

/// A smaller order is a change like any other: what was lost is there again.
#[test]
fn an_order_that_was_lost_is_placed_again_when_the_leader_cuts_his() {
    let mut w = world("");
    let first = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    w.out(&first);
    w.reject(&first);
    only(&replaced(&mut w, "o", 1, "8", "0", LIMIT), "new buy 8 2 1.1/ 1");
}

/// Nobody knows what the leader holds any more, and a person ends the subscription: his stop goes, and the close follows it.
#[test]
fn a_close_that_a_person_asked_for_does_not_wait_for_a_leader_who_is_not_known() {
    let mut w =
        World::with(SAME, r#","copy":"orders","limits":{"default":{"max_position_lots":"10"}}"#, takes_all);
    let open = w.leader("first", 1, "10", "10", "10");
    w.out(&open[0]);
    w.fill(&open[0], "10", "10");
    let huge = "100000000000000000000";
    assert!(w.leader("huge", 1, huge, huge, huge).is_empty());
    let stop = new(&mut w, "sl", 2, huge, STOP)[0].clone();
    work(&mut w, &stop);
    assert!(acts(w.leader("more", 1, huge, huge, huge)).is_empty());
    assert!(w.engine.state().leaders[0].positions.is_empty());
    let leave = r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"close_now"}"#;
    let sent = crate::support::tell(&mut w, leave);
    let gone = sent.iter().find(|s| s.kind == fastcore::link::SendKind::Cancel).unwrap().clone();
    let close = acts(ended(&mut w, &stop, &gone, "0"));
    let all: Vec<Sent> = sent.into_iter().filter(|s| s.id != gone.id).chain(close).collect();
    let closed: i64 = all.iter().map(|s| s.qty.parse::<i64>().unwrap()).sum();
    assert_eq!((closed, all.iter().all(|s| !s.buy)), (10, true), "{all:?}");
}

/// Half of 10 is held. A take profit of 2 filled its lot, and the leader half of his: half a lot of that is ahead, and counts
/// in what his stop of 8 protects.
#[test]
fn a_part_of_a_lot_that_is_ahead_counts_in_what_a_stop_protects() {
    let mut w = World::with(crate::support::HALF, r#","copy":"orders""#, takes_all);
    let open = w.leader("first", 1, "10", "10", "10");
    w.out(&open[0]);
    w.fill(&open[0], "5", "5");
    let take = only(&new(&mut w, "tp", 2, "2", TAKE), "new sell 1 2 1.2/ 1");
    work(&mut w, &take);
    let stop = only(&new(&mut w, "sl", 2, "8", STOP), "new sell 4 3 /1 1");
    work(&mut w, &stop);
    assert!(w.fill(&take, "1", "1").is_empty());
    assert!(traded(&mut w, "tp", 2, "2", "1", "1").is_empty(), "8 of 9 of four and a half are four");
    has(&w, "4", "4.5");
}

/// The leader makes his take profit larger and smaller again while the broker has not answered: what may fill too much is not
/// made room for by a close that works at the market already.
#[test]
fn a_close_that_works_is_not_taken_back_for_a_mirror() {
    let mut w = world("");
    let open = w.leader("first", 1, "10", "10", "10");
    w.out(&open[0]);
    w.fill(&open[0], "10", "10");
    let close = only(&w.leader("half", 2, "4", "4", "4"), "new sell 4 1 /");
    work(&mut w, &close);
    let take = only(&new(&mut w, "tp", 2, "3", TAKE), "new sell 5 2 1.2/ 1");
    work(&mut w, &take);
    only(&replaced(&mut w, "tp", 2, "6", "0", TAKE), "replace sell 6 2 1.2/ 1");
    assert!(replaced(&mut w, "tp", 2, "3", "0", TAKE).is_empty());
    has(&w, "10", "6");
}

/// Take profit and stop both fill before either could be taken back, and what they turned is bought back. That is done with
/// then: what the leader adds later, and the follower has first, is not sold for it a second time.
#[test]
fn what_turned_the_account_is_closed_once() {
    for bought_back in [true, false] {
        let (mut w, take) = held("tp", "10", TAKE);
        let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
        work(&mut w, &stop);
        only(&w.fill(&take, "10", "10"), "cancel");
        let back = only(&w.fill(&stop, "10", "10"), "new buy 10 1 /");
        work(&mut w, &back);
        let buy_back = |w: &mut World| w.fill(&back, "10", "10");
        if bought_back {
            assert!(buy_back(&mut w).is_empty());
        }
        let more = only(&new(&mut w, "more", 1, "5", LIMIT), "new buy 5 2 1.1/ 1");
        work(&mut w, &more);
        let filled = w.fill(&more, "5", "5");
        let protected = if bought_back {
            filled
        } else {
            assert!(filled.is_empty());
            buy_back(&mut w)
        };
        assert_eq!(words(&protected), ["new sell 5 2 1.2/ 1", "new sell 5 3 /1 1"]);
        has(&w, "5", "10");
    }
}

/// The leader turns around by another order, and his stop works on: what is held is closed, and what he opened is opened with it,
/// as where nothing is mirrored.
#[test]
fn the_open_of_a_flip_goes_out_with_its_close_beside_a_mirror() {
    let (mut w, stop) = held("sl", "10", STOP);
    let gone = only(&acts(w.leader("turn", 2, "16", "16", "16")), "cancel");
    assert_eq!(words(&ended(&mut w, &stop, &gone, "0")), ["new sell 10 1 /", "new sell 6 1 /"]);
}

/// A pause cancels what opens. What the leader's order may still fill is placed again when it is released, at once: nothing else
/// may come that would bring it.
#[test]
fn what_still_works_is_placed_again_when_a_pause_ends() {
    let mut w = world("");
    let pause = r#"{"cmd":"pause","who":"ann","subscription":"s","level":"close_only"}"#;
    crate::support::tell(&mut w, pause);
    assert!(new(&mut w, "o", 1, "10", LIMIT).is_empty());
    let sent = crate::support::tell(&mut w, r#"{"cmd":"resume","who":"ann","subscription":"s"}"#);
    only(&sent, "new buy 10 2 1.1/ 1");
}

/// The follower's order is cut to what it has filled meanwhile, and the broker has accepted that: it is over. Nobody asks for its
/// end, and what the leader's order is to have next is a new one.
#[test]
fn an_order_that_is_cut_to_what_it_has_filled_is_over() {
    let (mut w, take) = held("tp", "10", TAKE);
    let half = traded(&mut w, "half", 2, "4", "4", "4");
    let cut = only(&half[..1], "replace sell 6 2 1.2/ 1");
    assert!(acts(w.fill(&take, "6", "6")).is_empty());
    only(&acts(accepted(&mut w, &take, &cut, "6")), "new sell 4 2 1.2/ 1");
}

/// A stop that was placed before the leader had a position, and would close it by now. He sells a part by another order, and the
/// follower's stop fills that much before it is cut: that was the close, and no more is sold.
#[test]
fn an_order_that_was_to_open_closes_once() {
    let mut w = world("");
    let entry = only(&new(&mut w, "in", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &entry);
    assert!(w.fill(&entry, "10", "10").is_empty());
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    assert!(traded(&mut w, "in", 1, "10", "10", "10").is_empty());
    let cut = only(&acts(w.leader("part", 2, "4", "4", "4")), "replace sell 6 3 /1 1");
    assert!(acts(w.fill(&stop, "4", "4")).is_empty());
    only(&acts(accepted(&mut w, &stop, &cut, "4")), "replace sell 10 3 /1 1");
    has(&w, "6", "6");
}

/// The same the other way round: an order that closes what the leader was short, and opens by now. It is cancelled, and what it
/// fills until then is the close of what was held, and no part of what it opens.
#[test]
fn an_order_that_was_to_close_opens_what_is_left() {
    let mut w = world("");
    let open = only(&w.leader("first", 2, "2", "2", "2"), "new sell 2 1 /");
    let order = new(&mut w, "o", 1, "10", "40=2|44=1|59=1|");
    assert!(order.is_empty(), "nothing is held");
    w.out(&open);
    let order = only(&w.fill(&open, "2", "2"), "new buy 2 2 1/ 1");
    work(&mut w, &order);
    let gone = only(&acts(w.leader("turn", 1, "5", "5", "5")), "cancel");
    let opened = only(&acts(w.fill(&order, "2", "2")), "new buy 3 1 /");
    assert!(acts(refused(&mut w, &order, &gone, 0)).is_empty());
    w.out(&opened);
    w.fill(&opened, "3", "3");
    has(&w, "3", "3");
}

/// The leader has cancelled an order to sell, has nothing yet, and buys; the follower's fills before it could be taken back, and he
/// has nothing either. That is bought back, and nothing is taken off what he is to hold for it.
#[test]
fn what_sold_nothing_that_was_held_is_no_close() {
    let mut w = world("");
    let buy = only(&new(&mut w, "buy", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &buy);
    let sell = only(&new(&mut w, "sell", 2, "2", TAKE), "new sell 2 2 1.2/ 1");
    work(&mut w, &sell);
    only(&canceled(&mut w, "sell", 2, "2", "0"), "cancel");
    assert!(acts(traded(&mut w, "buy", 1, "10", "5", "5")).is_empty());
    let back = only(&acts(w.fill(&sell, "1", "1")), "new buy 1 1 /");
    w.out(&back);
    assert!(acts(w.fill(&back, "1", "1")).is_empty());
    w.fill(&buy, "10", "10");
    assert!(acts(traded(&mut w, "buy", 1, "10", "5", "10")).is_empty());
    has(&w, "10", "10");
}

/// The follower's take profit fills 4, and the leader's report of his is late; his position tells it. It is what the follower has closed
/// ahead, whatever the late report says then.
#[test]
fn a_position_that_tells_what_a_mirror_has_closed_closes_it_once() {
    let (mut w, take) = held("tp", "10", TAKE);
    let sold_ns = w.now;
    assert!(acts(w.fill(&take, "4", "4")).is_empty());
    w.now += 1_000_000_000;
    let mut sent = vec![];
    for _ in 0..2 {
        w.exec += 1;
        let said = format!("35=AP|34={}|721=1|55=EURUSD|702=1|703=TQ|704=6|705=0|", w.exec);
        sent.extend(acts(w.apply(fastcore::event::EventKind::Leader, "L", &crate::support::fix(&said))));
        w.now += 1_000_000_000;
    }
    assert!(words(&sent).iter().all(|s| !s.starts_with("new")), "{:?}", words(&sent));
    has(&w, "6", "6");
    let (now, late) = (w.now, sold_ns);
    w.now = late;
    let sent = acts(traded(&mut w, "tp", 2, "10", "4", "4"));
    w.now = now;
    assert!(words(&sent).iter().all(|s| !s.starts_with("new")), "{:?}", words(&sent));
    has(&w, "6", "6");
    let sent = acts(traded(&mut w, "tp", 2, "10", "4", "8"));
    assert!(!words(&sent).is_empty(), "what he sells now is news: {:?}", words(&sent));
}
