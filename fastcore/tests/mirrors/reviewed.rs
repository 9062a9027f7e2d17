//! Mirrors whose orders are replaced, lost, forgotten or held back while the other side acts.

use crate::play::*;
use crate::support::{Sent, World, d};
use fastcore::link::Row;

const SECOND: i64 = 1_000_000_000;

/// Both hold `qty`.
fn held(w: &mut World, qty: &str) {
    let open = w.leader("first", 1, qty, qty, qty);
    w.out(&open[0]);
    w.fill(&open[0], qty, qty);
    assert_eq!(w.filled(), d(qty));
}

/// The order under the name of a request that was accepted.
fn renamed(m: &Sent, by: &Sent) -> Sent {
    Sent { id: by.id.clone(), qty: by.qty.clone(), ..m.clone() }
}

/// The broker says "unknown" to the newest question about an order.
fn unknown(w: &mut World, asked: &Sent) -> Vec<Sent> {
    w.exec += 1;
    let (e, id) = (w.exec, crate::support::field(asked.text.replace('|', "\u{1}").as_bytes(), "11"));
    let no = asked.id.rsplit_once('.').map(|(_, no)| no.to_owned()).unwrap();
    w.broker(&format!("35=8|37=NONE|11={id}|17=S{e}|150=I|39=8|103=5|55=EURUSD|54=1|38=0|14=0|790={no}|"))
}

/// It was at the broker, was replaced and filled in part, and is gone: what is left of it is placed anew, as an order of its
/// own. Sent again as it once was it would be larger than what is held.
#[test]
fn what_the_broker_has_lost_is_placed_anew_with_what_is_left() {
    let mut w = world("");
    held(&mut w, "10");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let r = only(&replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.05|59=1|"), "replace sell 10 3 /1.05 1");
    assert!(accepted(&mut w, &stop, &r, "0").is_empty());
    assert!(w.fill(&renamed(&stop, &r), "4", "4").is_empty());
    let first = only(&w.rows(&[Row::Gap { session: "R", from: 1, to: 2 }]), "status");
    assert!(unknown(&mut w, &first).is_empty(), "not settled");
    let again = only(&w.run_to(w.now + 6 * SECOND), "status");
    let anew = only(&unknown(&mut w, &again), "new sell 6 3 /1.05 1");
    assert_ne!(anew.id, stop.id);
    work(&mut w, &anew);
    let moved = only(&replaced(&mut w, "sl", 2, "10", "0", STOP), "replace sell 6 3 /1 1");
    assert!(moved.text.contains(&format!("|41={}|", anew.id)), "{}", moved.text);
}

/// The same of an open that was never larger than it is: it has an identity of its own as well.
#[test]
fn an_open_that_the_broker_has_lost_is_placed_anew() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "3", "3");
    only(&w.rows(&[Row::Gap { session: "R", from: 1, to: 2 }]), "status");
    let again = only(&w.run_to(w.now + 6 * SECOND), "status");
    let anew = only(&unknown(&mut w, &again), "new buy 7 2 1.1/ 1");
    assert_ne!(anew.id, m.id);
}
