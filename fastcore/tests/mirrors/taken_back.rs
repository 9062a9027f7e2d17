//! Fills of resting mirrors that the follower's broker takes back, and stops that take another's place: what is held has one stop,
//! and no order is left behind.

use crate::play::*;
use crate::support::{Sent, World, d};

/// The broker takes back a fill of the order: what it says of the order is CumQty(14), LeavesQty(151) and OrdStatus(39).
fn taken_back(w: &mut World, order: &Sent, qty: &str, cum: &str, leaves: &str) -> Vec<Sent> {
    let (id, of, side) = (&order.id, format!("X{}", w.exec), if order.buy { 1 } else { 2 });
    acts(w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=Z{of}|19={of}|150=H|39=1|55=EURUSD|54={side}|38={}|32={qty}|31=1.1|14={cum}|151={leaves}|",
        order.qty
    )))
}

fn with_stop(mut w: World) -> (World, Sent) {
    let open = w.leader("first", 1, "10", "10", "10");
    w.out(&open[0]);
    w.fill(&open[0], "10", "10");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    (w, stop)
}

/// Four of a stop's ten are filled and taken back. Whether CumQty(14) has them still is not known: no replace asks for a quantity.
#[test]
fn a_stop_of_which_a_fill_was_taken_back_is_placed_anew() {
    for (cum, leaves) in [("0", "10"), ("4", "6")] {
        let (mut w, stop) = with_stop(world(""));
        assert!(acts(w.fill(&stop, "4", "4")).is_empty());
        let gone = only(&taken_back(&mut w, &stop, "4", cum, leaves), "cancel");
        only(&ended(&mut w, &stop, &gone, cum), "new sell 10 3 /1 1");
        assert_eq!(w.filled(), d("10"));
    }
}

/// And while the cancel is not answered all of it may fill: nothing is sold beside it.
#[test]
fn what_was_taken_back_of_a_stop_may_work_again() {
    let (mut w, stop) = with_stop(plain_world(""));
    w.fill(&stop, "4", "4");
    let gone = only(&taken_back(&mut w, &stop, "4", "0", "10"), "cancel");
    let flat = acts(w.leader("out", 2, "10", "10", "10"));
    assert!(words(&flat).iter().all(|s| !s.starts_with("new")), "{:?}", words(&flat));
    only(&ended(&mut w, &stop, &gone, "0"), "new sell 10 1 /");
}

/// One of three is filled, taken back, and works again: the order is not done when the two others are filled: it is
/// asked to end, and what it still fills is closed with the leader's.
#[test]
fn an_order_that_works_again_is_not_left_behind() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "3", LIMIT), "new buy 3 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "1", "1");
    assert!(taken_back(&mut w, &m, "1", "0", "3").is_empty());
    let id = &m.id;
    let two = format!("35=8|37=B{id}|11={id}|17=Y1|150=F|39=1|55=EURUSD|54=1|38=3|32=2|31=1.1|14=2|151=1|");
    only(&w.broker(&two), "cancel");
    only(&canceled(&mut w, "o", 1, "3", "0"), "new sell 2 1 /");
    let gone = format!("35=8|37=B{id}|11={id}|17=Y2|150=F|39=2|55=EURUSD|54=1|38=3|32=1|31=1.1|14=3|151=0|");
    only(&w.broker(&gone), "new sell 1 1 /");
}

/// A replace of the first stop is not answered when the leader cancels it and places a second one, which waits until the first is
/// asked to go. One that rested before keeps all of what it has.
#[test]
fn a_leader_who_moves_his_stop_by_a_cancel_and_a_new_one_has_one_stop() {
    let (mut w, stop) = with_stop(world(""));
    let moved =
        only(&replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.01|59=1|"), "replace sell 10 3 /1.01 1");
    assert!(canceled(&mut w, "sl", 2, "10", "0").is_empty());
    assert!(new(&mut w, "s2", 2, "10", "40=3|99=1.02|59=1|").is_empty());
    let sent = acts(accepted(&mut w, &stop, &moved, "0"));
    assert_eq!(words(&sent), ["cancel", "new sell 10 3 /1.02 1"]);

    let (mut w, _) = with_stop(world(""));
    let other = only(&new(&mut w, "s2", 2, "10", "40=3|99=1.02|59=1|"), "new sell 10 3 /1.02 1");
    work(&mut w, &other);
    only(&replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.01|59=1|"), "replace sell 10 3 /1.01 1");
    assert!(canceled(&mut w, "sl", 2, "10", "0").is_empty());
}
