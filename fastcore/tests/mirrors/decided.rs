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
