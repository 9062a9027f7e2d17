//! What a bound counts, and what is left of a target after a refusal (design 02, rounding and step 4; 03).
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, Rounding};
use fastcore::link::SendKind;
use support::{HALF, SAME, Sent, World, d, lots, one};

const S: i64 = 1_000_000_000;

fn least_lot(sizing: &str, change: impl FnOnce(&mut Config)) -> World {
    World::with(sizing, "", |c| {
        c.subscriptions[0].rounding = Rounding::MinLotIfNonzero;
        change(c);
    })
}

/// One leader lot of 1 unit would become 100 follower lots.
#[test]
fn a_quantity_factor_counts_against_max_ratio() {
    let mut w = World::with(SAME, "", |c| {
        let s = &mut c.subscriptions[0];
        s.max_ratio = d("99");
        s.symbol_map.get_mut("EURUSD").unwrap().qty_factor = d("100");
    });
    assert!(w.leader("o1", 1, "1", "1", "1").is_empty());
    assert_eq!(w.engine.status().refusals.get("max_ratio"), Some(&1));
    assert_eq!(w.target(), d("0"));
}

/// Two instruments of the leader that are one at the follower's venue share the subscription's bound.
#[test]
fn the_bound_of_a_subscription_counts_all_that_becomes_one_instrument() {
    let mut w = World::with(SAME, "", |c| {
        c.instruments
            .push(fastcore::config::InstrumentConfig { name: "EURO".to_owned(), ..c.instruments[0].clone() });
        c.leaders[0].symbols.insert("EURO".to_owned(), "EURO".to_owned());
        let s = &mut c.subscriptions[0];
        let map = s.symbol_map.get("EURUSD").unwrap().clone();
        s.symbol_map.insert("EURO".to_owned(), map);
        s.limits.default.max_position_lots = Some(lots("5"));
    });
    one(&w.leader("o1", 1, "3", "3", "3"), true, "3");
    let raw = support::fix(
        "35=8|34=9|37=o2|17=E9|150=F|39=1|55=EURO|54=1|38=3|32=3|31=1.1|14=3|151=0|60=20231114-22:13:20|",
    );
    let sent = w.apply(fastcore::event::EventKind::Leader, "L", &raw);
    one(&sent, true, "2");
}

/// 1.1 a unit by the leader's trade, then 2 by a fresh quote: an open is cut to what may be ordered at once, a close is not.
#[test]
fn an_open_is_cut_to_the_value_of_an_order() {
    let mut w = World::with(SAME, "", |c| c.followers[0].limits.default.max_order_value = Some(d("5.6")));
    let open = one(&w.leader("o1", 1, "8", "8", "8"), true, "5");
    w.out(&open);
    w.fill(&open, "5", "5");
    w.apply(fastcore::event::EventKind::Quote, "", br#"{"instrument":"EURUSD","bid":"1.8","ask":"2"}"#);
    let open = one(&w.leader("o2", 1, "8", "8", "8"), true, "2");
    w.out(&open);
    w.fill(&open, "2", "2");
    assert_eq!(w.engine.status().refusals.get("max_order_value"), Some(&2));
    // The close is worth 12.6; what opens on the other side has the bid.
    let flip = w.leader("o3", 2, "24", "24", "24");
    assert_eq!(quantities(&flip), ["7", "3"]);
}

/// A quote of a minute ago is none: an order is worth what the leader paid.
#[test]
fn an_old_quote_does_not_say_what_an_order_is_worth() {
    let mut w = World::with(SAME, "", |c| c.subscriptions[0].limits.default.max_order_value = Some(d("5.6")));
    w.apply(fastcore::event::EventKind::Quote, "", br#"{"instrument":"EURUSD","bid":"1.9","ask":"2"}"#);
    w.now += 61 * S;
    one(&w.leader("o1", 1, "8", "8", "8"), true, "5");
}

/// The smallest lot is 3. Of 5 held for a target of 2 one smallest lot is sold, and 2 stay until the leader is flat; of 2
/// held no part is sold.
#[test]
fn a_position_above_the_smallest_lot_comes_down_by_one() {
    let mut w = least_lot(SAME, |c| c.instruments[0].min_lot = lots("3"));
    let open = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&open);
    w.fill(&open, "5", "5");
    let close = one(&w.leader("o2", 2, "3", "3", "3"), false, "3");
    w.out(&close);
    w.fill(&close, "3", "3");
    assert!(w.leader("o3", 2, "1", "1", "1").is_empty());
    assert_eq!((w.filled(), w.target()), (d("2"), d("1")));
    one(&w.leader("o4", 2, "1", "1", "1"), false, "2");
}

/// The leader turns below the smallest lot and back: what is held is kept, and its close taken back.
#[test]
fn the_smallest_lot_is_kept_when_the_leader_comes_back_to_its_side() {
    let mut w = least_lot(r#"{"mode":"multiplier","k":"0.1"}"#, |_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "1");
    w.out(&open);
    w.fill(&open, "1", "1");
    let close = one(&w.leader("o2", 2, "11", "11", "11"), false, "1");
    w.out(&close);
    w.acknowledge(&close);
    let sent = w.leader("o3", 1, "6", "6", "6");
    assert_eq!(sent.iter().map(|s| s.kind).collect::<Vec<_>>(), [SendKind::Cancel], "{sent:?}");
    assert_eq!(w.target(), d("0.5"));
}

/// k = 0.5: 3 of the leader are 1.5, of which 1 is opened; what a reject leaves of it is no increase of the leader.
#[test]
fn the_smallest_lot_is_not_opened_again_after_a_reject() {
    let mut w = least_lot(HALF, |_| {});
    let open = one(&w.leader("o1", 1, "3", "3", "3"), true, "1");
    w.out(&open);
    assert!(w.reject(&open).is_empty());
    assert_eq!(w.target(), d("0.5"));
    let end = w.now + 90 * S;
    assert!(w.run_to(end).is_empty());
    one(&w.leader("o2", 1, "1", "1", "1"), true, "1");
}

/// The same where a bound refused it.
#[test]
fn the_smallest_lot_is_not_opened_for_what_a_bound_left() {
    let mut w = least_lot(HALF, |c| c.subscriptions[0].limits.default.max_position_lots = Some(lots("0")));
    assert!(w.leader("o1", 1, "3", "3", "3").is_empty());
    assert_eq!(w.engine.status().refusals.get("max_position"), Some(&1), "asked once");
    assert!(w.leader("o2", 2, "1", "1", "1").is_empty());
    assert_eq!(w.engine.status().refusals.get("max_position"), Some(&1), "a reduce opens nothing");
}

/// k = 0.1: the leader holds 10 and sells 11; a tenth of the 1 that is left is beyond `max_inflation`.
#[test]
fn a_flip_opens_the_smallest_lot_within_max_inflation_only() {
    let mut w = least_lot(r#"{"mode":"multiplier","k":"0.1"}"#, |_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "1");
    w.out(&open);
    w.fill(&open, "1", "1");
    let close = one(&w.leader("o2", 2, "11", "11", "11"), false, "1");
    w.out(&close);
    w.fill(&close, "1", "1");
    assert_eq!((w.filled(), w.target()), (d("0"), d("-0.1")));
    assert_eq!(w.engine.status().refusals.get("max_inflation"), Some(&1), "the leader asked, and is told");
    assert!(w.leader("o3", 1, "1", "1", "1").is_empty());
    assert_eq!(w.engine.status().refusals.get("max_inflation"), Some(&1), "a reduce asks for nothing");
}

/// A flip to a target that the smallest lot may stand for opens it, and keeps it while it works.
#[test]
fn a_flip_opens_the_smallest_lot_where_it_may() {
    let mut w = least_lot(HALF, |_| {});
    let open = one(&w.leader("o1", 1, "2", "2", "2"), true, "1");
    w.out(&open);
    w.fill(&open, "1", "1");
    let sent = w.leader("o2", 2, "3", "3", "3");
    assert_eq!(
        sent.iter().map(|s| (s.buy, s.qty.as_str())).collect::<Vec<_>>(),
        [(false, "1"), (false, "1")]
    );
    for s in &sent {
        w.out(s);
        assert!(w.acknowledge(s).is_empty());
    }
    assert!(w.fill(&sent[0], "1", "1").is_empty());
    assert!(w.fill(&sent[1], "1", "1").is_empty());
    assert_eq!((w.filled(), w.target()), (d("-1"), d("-0.5")));
}

/// The lot is 2: 1 waits, 4 are asked for with the next 3, and refused. The 1 was asked for before, and counts later.
#[test]
fn a_refused_increase_leaves_what_waited_before_it() {
    let mut w = World::with(SAME, "", |c| {
        (c.instruments[0].lot_step, c.instruments[0].min_lot) = (lots("2"), lots("2"));
        c.subscriptions[0].limits.default.max_position_lots = Some(lots("2"));
        c.subscriptions[0].limits.default.on_breach = fastcore::config::OnBreach::Refuse;
    });
    assert!(w.leader("o1", 1, "1", "1", "1").is_empty());
    assert!(w.leader("o2", 1, "3", "3", "3").is_empty());
    assert_eq!(w.target(), d("1"));
    one(&w.leader("o3", 1, "1", "1", "1"), true, "2");
}

/// Held 3, and the leader has sold 11: the close of 3 and the open of 8, both at the broker.
fn flip() -> (World, Sent, Sent) {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "3", "3", "3"), true, "3");
    w.out(&open);
    w.fill(&open, "3", "3");
    let sent = w.leader("o2", 2, "11", "11", "11");
    assert_eq!(quantities(&sent), ["3", "8"]);
    w.out(&sent[0]);
    w.out(&sent[1]);
    (w, sent[0].clone(), sent[1].clone())
}

fn quantities(sent: &[Sent]) -> Vec<&str> {
    sent.iter().map(|s| s.qty.as_str()).collect()
}

/// Close and open of a flip are rejected, and while the close is paused the leader sells 2 more.
#[test]
fn the_open_of_a_flip_does_not_go_out_before_its_close() {
    let (mut w, close, open) = flip();
    assert!(w.reject(&close).is_empty(), "tried again after a pause");
    assert!(w.reject(&open).is_empty());
    assert!(w.leader("o3", 2, "2", "2", "2").is_empty(), "2 would close what is held");
    let end = w.now + S;
    let sent = w.run_to(end);
    assert_eq!(quantities(&sent), ["3", "2"]);
    for s in &sent {
        w.out(s);
        w.fill(s, &s.qty, &s.qty);
    }
    assert_eq!((w.filled(), w.target()), (d("-2"), d("-2")));
}

/// The same while the first open works.
#[test]
fn a_second_open_of_a_flip_waits_for_the_close_too() {
    let (mut w, close, open) = flip();
    w.acknowledge(&close);
    w.acknowledge(&open);
    w.broker(&format!("35=8|37=B|11={}|17=C|150=4|39=4|55=EURUSD|54=2|38=3|14=0|151=0|", close.id));
    assert!(w.leader("o3", 2, "6", "6", "6").is_empty(), "3 are held and not on their way to be closed");
    let end = w.now + S;
    assert_eq!(quantities(&w.run_to(end)), ["3", "6"]);
}

/// The close of 3 is lost, and the open of 8 closes it: it is lost to the target like an open that the broker refused.
#[test]
fn what_the_open_of_a_flip_closed_for_a_lost_close_is_given_up() {
    let (mut w, close, open) = flip();
    w.reject(&close);
    assert!(w.fill(&open, "2", "2").is_empty());
    assert_eq!((w.filled(), w.target()), (d("1"), d("-6")));
    assert!(w.fill(&open, "6", "8").is_empty());
    assert_eq!((w.filled(), w.target()), (d("-5"), d("-5")));
}

/// The same when the open fills first and the close is lost then.
#[test]
fn a_close_that_is_lost_after_the_open_of_its_flip_filled_is_given_up() {
    let (mut w, close, open) = flip();
    assert!(w.fill(&open, "8", "8").is_empty());
    assert_eq!(w.target(), d("-8"), "it works on, and may sell the rest");
    assert!(w.reject(&close).is_empty());
    assert_eq!((w.filled(), w.target()), (d("-5"), d("-5")));
}

/// The leader turns while close and open of a flip work: what its broker refuses of the old side is not of the new one.
#[test]
fn an_order_that_is_lost_on_the_other_side_takes_nothing_off_the_target() {
    let (mut w, close, open) = flip();
    w.acknowledge(&close);
    w.acknowledge(&open);
    w.fill(&open, "8", "8");
    let sent = w.leader("o3", 1, "14", "14", "14");
    assert_eq!(w.target(), d("6"));
    let news: Vec<Sent> = sent.into_iter().filter(|s| s.kind == SendKind::New).collect();
    one(&news, true, "5");
    one(&w.reject(&close), true, "6");
    assert_eq!(w.target(), d("6"));
}

/// The same with an open: 5 to buy, and the leader is short 3 before the broker has answered.
#[test]
fn an_open_that_is_refused_after_the_leader_turned_takes_nothing_off_the_target() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&open);
    w.acknowledge(&open);
    assert!(w.leader("o2", 2, "8", "8", "8").iter().all(|s| s.kind == SendKind::Cancel));
    one(&w.reject(&open), false, "3");
    assert_eq!(w.target(), d("-3"));
}

/// A residue that cannot be closed does not keep the follower out of the market.
#[test]
fn a_stuck_residue_does_not_hold_back_the_open_of_a_flip() {
    let mut w = World::with(SAME, "", |c| c.instruments[0].min_lot = lots("3"));
    let open = one(&w.leader("o1", 1, "3", "3", "3"), true, "3");
    w.out(&open);
    w.fill(&open, "2", "2");
    w.broker(&format!("35=8|37=B|11={}|17=C|150=4|39=4|55=EURUSD|54=1|38=3|14=2|151=0|", open.id));
    let close = one(&w.leader("o2", 2, "3", "3", "3"), false, "2");
    w.out(&close);
    w.reject(&close);
    one(&w.leader("o3", 2, "8", "8", "8"), false, "8");
}

/// A residue is one as long as the position does not change: a bust that makes it more than the smallest lot is closed, and the open
/// of a flip waits for that.
#[test]
fn a_residue_that_a_bust_makes_a_position_is_closed() {
    let mut w = World::with(SAME, "", |c| c.instruments[0].min_lot = lots("3"));
    let open = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&open);
    w.fill(&open, "5", "5");
    let close = one(&w.leader("o2", 2, "5", "5", "5"), false, "5");
    w.out(&close);
    w.fill(&close, "3", "3");
    let (id, exec) = (close.id.clone(), w.exec);
    w.broker(&format!("35=8|37=B{id}|11={id}|17=C|150=4|39=4|55=EURUSD|54=2|38=5|14=3|151=0|"));
    let rest = one(&w.run_to(w.now + S), false, "2");
    w.out(&rest);
    w.reject(&rest);
    let mut sent = w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=D|19=X{exec}|150=H|39=4|55=EURUSD|54=2|38=5|32=3|31=1.1|14=0|151=0|"
    ));
    assert_eq!(w.filled(), d("5"));
    sent.extend(w.leader("o3", 2, "8", "8", "8"));
    assert!(sent.is_empty(), "an open would close in the place of the close, which has a pause: {sent:?}");
    let sent: Vec<_> = w.run_to(w.now + 2 * S).iter().map(|s| (s.buy, s.qty.clone())).collect();
    assert_eq!(sent, [(false, "5".to_owned()), (false, "8".to_owned())]);
}
