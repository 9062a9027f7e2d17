//! What histories of the reference model showed to be open, as decision 0017 has it by now.

use crate::play::*;
use crate::support::{d, tell};

/// The leader's order is over and the follower's is to grow. What a bound refuses of that is asked for by nobody any more: it
/// leaves the target at once, whether an order is placed or not.
#[test]
fn what_is_refused_of_an_order_that_is_over_is_given_up_at_once() {
    for (bound, placed) in [("12", vec!["new buy 11 2 1.1/ 1"]), ("1", vec![])] {
        let mut w = world(&format!(r#","limits":{{"default":{{"max_position_lots":"{bound}"}}}}"#));
        let small = only(&new(&mut w, "o", 1, "1", LIMIT), "new buy 1 2 1.1/ 1");
        w.out(&small);
        assert!(
            replaced(&mut w, "o", 1, "15", "0", LIMIT).is_empty(),
            "the broker has not said that he has it"
        );
        assert!(traded(&mut w, "o", 1, "15", "15", "15").is_empty());
        assert_eq!(words(&w.fill(&small, "1", "1")), placed);
        assert_eq!(w.target(), d(bound));
    }
}

/// A halt comes and goes while a replace is not answered, so nothing was cancelled: the order works on, also under a later stop
/// that lets nothing grow.
#[test]
fn a_stop_that_cancelled_nothing_is_over_when_it_is_released() {
    let mut w = world("");
    let mirror = only(&new(&mut w, "o", 1, "1", LIMIT), "new buy 1 2 1.1/ 1");
    work(&mut w, &mirror);
    let grow = only(&replaced(&mut w, "o", 1, "2", "0", LIMIT), "replace buy 2 2 1.1/ 1");
    assert!(tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"halt"}"#).is_empty());
    assert!(tell(&mut w, r#"{"cmd":"arm","who":"ann"}"#).is_empty());
    assert!(acts(accepted(&mut w, &mirror, &grow, "0")).is_empty());
    assert!(tell(&mut w, r#"{"cmd":"kill","who":"ann"}"#).is_empty());
    assert!(traded(&mut w, "o", 1, "2", "2", "2").is_empty());
    assert!(w.fill(&grow, "2", "2").is_empty());
    assert_eq!((w.filled(), w.target()), (d("2"), d("2")));
}

/// Two take profits have filled ahead, each more than its share of what the leader holds by now. What one takes off the target is
/// less for the other: it comes down once, to where each has just closed its share, and stays there.
#[test]
fn what_two_closes_have_closed_ahead_is_settled_at_once() {
    let mut w = world("");
    let entry = only(&new(&mut w, "a", 2, "2", LIMIT), "new sell 2 2 1.1/ 1");
    work(&mut w, &entry);
    assert!(traded(&mut w, "a", 2, "2", "2", "2").is_empty());
    let more = only(&new(&mut w, "b", 2, "10", LIMIT), "new sell 10 2 1.1/ 1");
    work(&mut w, &more);
    assert!(w.fill(&more, "5", "5").is_empty());
    let takes = ["c", "d"].map(|order| {
        let take = only(&new(&mut w, order, 1, "1", "40=2|44=1|59=1|"), "new buy 2 2 1/ 1");
        work(&mut w, &take);
        take
    });
    for take in &takes {
        assert!(acts(w.fill(take, "2", "2")).is_empty());
    }
    traded(&mut w, "b", 2, "10", "10", "10");
    assert_eq!(w.target(), d("-9.6"));
    for px in ["1.01", "1.02"] {
        replaced(&mut w, "c", 1, "1", "0", &format!("40=2|44={px}|59=1|"));
        assert_eq!(w.target(), d("-9.6"));
    }
}

/// An open at the market is asked to be cancelled, and would sell what the follower holds by now. While that may still come, no order
/// to sell is placed beside it: both would turn him around.
#[test]
fn a_close_is_not_placed_beside_an_open_that_would_close_as_much() {
    let mut w = world("");
    let buy = only(&new(&mut w, "a", 1, "1", LIMIT), "new buy 1 2 1.1/ 1");
    work(&mut w, &buy);
    assert!(traded(&mut w, "a", 1, "1", "1", "1").is_empty());
    assert!(new(&mut w, "b", 2, "3", TAKE).is_empty(), "nothing is held");
    only(&acts(traded(&mut w, "b", 2, "3", "1", "1")), "cancel");
    let sell = only(&acts(traded(&mut w, "b", 2, "3", "1", "2")), "new sell 1 1 /");
    work(&mut w, &sell);
    assert!(acts(w.fill(&buy, "1", "1")).is_empty());
    let gone = only(&acts(w.leader("c", 1, "2", "2", "2")), "cancel");
    only(&acts(ended(&mut w, &sell, &gone, "0")), "new sell 1 2 1.2/ 1");
}
