//! What a stop is measured from: the leader's average entry, as far as his executions stand (decision 0031).

use crate::play::*;
use crate::support::{Sent, World, texts};
use fastcore::event::EventKind;

/// The leader buys at a price, and the follower too; the ExecID of that.
pub fn holds(w: &mut World, order: &str, qty: &str, px: &str) -> String {
    w.exec += 1;
    let (e, at) = (w.exec, time(w.now));
    let raw = format!(
        "35=8|34={e}|37={order}|17=E{e}|150=F|39=2|55=EURUSD|54=1|38={qty}|32={qty}|31={px}|14={qty}|151=0|60={at}|"
    );
    let open = w.apply(EventKind::Leader, "L", &crate::support::fix(&raw));
    let mut cum = 0;
    for o in &open {
        w.out(o);
        w.fill(o, &o.qty, &o.qty);
        cum += o.qty.parse::<i64>().unwrap();
    }
    assert_eq!(cum.to_string(), qty);
    format!("E{e}")
}

fn bust(w: &mut World, order: &str, exec: &str, rest: &str) -> Vec<Sent> {
    report(w, ('H', '0'), order, 1, "10", "0", &format!("19={exec}|32=10|31=120|{rest}"))
}

/// The entry is that of the executions that stand: a bust takes its price with it.
#[test]
fn a_stop_multiplier_is_measured_without_what_was_taken_back() {
    let mut w = world(r#","stop_multiplier":"2""#);
    holds(&mut w, "a", "10", "100");
    let second = holds(&mut w, "b", "10", "120");
    bust(&mut w, "b", &second, "");
    only(&new(&mut w, "sl", 2, "10", "40=3|99=90|59=1|"), "new sell 20 3 /80 1");
}

/// A venue that repeats an ExecID on real fills takes all of them back with it.
#[test]
fn a_bust_of_a_name_that_came_twice_takes_both() {
    let mut w = world(r#","stop_multiplier":"2""#);
    holds(&mut w, "a", "10", "100");
    for (px, cum) in [("120", "5"), ("140", "10")] {
        let (e, at) = (w.exec + 1, time(w.now));
        w.exec = e;
        let raw = format!(
            "35=8|34={e}|37=b|17=X|150=F|39=1|55=EURUSD|54=1|38=10|32=5|31={px}|14={cum}|151=0|60={at}|"
        );
        for o in w.apply(EventKind::Leader, "L", &crate::support::fix(&raw)) {
            w.out(&o);
            w.fill(&o, &o.qty, &o.qty);
        }
    }
    bust(&mut w, "b", "X", "");
    only(&new(&mut w, "sl", 2, "10", "40=3|99=90|59=1|"), "new sell 20 3 /80 1");
}

/// What was corrected before the last flat is nothing of what is held.
#[test]
fn a_correction_of_before_the_last_flat_moves_nothing() {
    let mut w = world(r#","stop_multiplier":"2""#);
    let first = holds(&mut w, "a", "10", "100");
    for o in traded(&mut w, "x", 2, "10", "10", "10") {
        w.out(&o);
        w.fill(&o, &o.qty, &o.qty);
    }
    holds(&mut w, "b", "10", "200");
    let stop = only(&new(&mut w, "sl", 2, "10", "40=3|99=190|59=1|"), "new sell 10 3 /180 1");
    work(&mut w, &stop);
    let corrected = format!("19={first}|32=10|31=104|");
    assert!(report(&mut w, ('G', '2'), "a", 1, "10", "10", &corrected).is_empty());
    assert!(!texts(&w, "bust").iter().any(|t| t.contains("stops are where his own are")));
}

/// A wider stop gives way: the leader's fills first, and the follower closes at the market.
#[test]
fn a_wider_stop_gives_way_to_the_leaders() {
    let mut w = world(r#","stop_multiplier":"2""#);
    holds(&mut w, "a", "10", "100");
    let stop = only(&new(&mut w, "sl", 2, "10", "40=3|99=90|59=1|"), "new sell 10 3 /80 1");
    work(&mut w, &stop);
    let gone = only(&traded(&mut w, "sl", 2, "10", "10", "10"), "cancel");
    only(&ended(&mut w, &stop, &gone, "0"), "new sell 10 1 /");
}

/// So does a correction of the price alone, and a stop that works moves with it.
#[test]
fn a_corrected_price_moves_the_stop() {
    let mut w = world(r#","stop_multiplier":"2""#);
    let first = holds(&mut w, "a", "10", "100");
    let stop = only(&new(&mut w, "sl", 2, "10", "40=3|99=90|59=1|"), "new sell 10 3 /80 1");
    work(&mut w, &stop);
    let corrected = format!("19={first}|32=10|31=104|");
    only(&report(&mut w, ('G', '2'), "a", 1, "10", "10", &corrected), "replace sell 10 3 /76 1");
}

/// Where the entry without it is not known the stop is the leader's own, and that is told.
#[test]
fn an_entry_that_nobody_knows_is_told() {
    let mut w = world(r#","stop_multiplier":"2""#);
    holds(&mut w, "a", "10", "100");
    // A fill without a name of its own.
    w.exec += 1;
    let (e, at) = (w.exec, time(w.now));
    let raw =
        format!("35=8|34={e}|37=b|17=|150=F|39=2|55=EURUSD|54=1|38=10|32=10|31=120|14=10|151=0|60={at}|");
    for o in w.apply(EventKind::Leader, "L", &crate::support::fix(&raw)) {
        w.out(&o);
        w.fill(&o, "10", "10");
    }
    bust(&mut w, "b", "whatever", "");
    only(&new(&mut w, "sl", 2, "10", "40=3|99=90|59=1|"), "new sell 20 3 /90 1");
    let told = texts(&w, "bust");
    assert!(told.iter().any(|t| t.contains("stops are where his own are")), "{told:?}");
}
