//! A follower's venue says that it does not trade an instrument: nothing is opened there, and closes go out.

use crate::support::World;
use crate::{DAX, EURUSD, alerts, copied, desk, quantities, refused, restarted, trade};

fn said(w: &mut World, symbol: &str, status: u8) {
    assert!(w.broker(&format!("35=f|55={symbol}|326={status}|58=circuit breaker|")).is_empty());
}

/// What stands still at one venue is `restricted` there, until it says that trading goes on. Other instruments trade on, and a
/// close is the venue's to refuse.
#[test]
fn an_instrument_that_stands_still_opens_nothing_until_it_trades_again() {
    let mut w = desk(|_| {});
    copied(&mut w, EURUSD, true, "10", "1.1");
    said(&mut w, "EURUSD", 2);
    assert_eq!(alerts(&w, "trading_halt"), 1);
    assert!(trade(&mut w, EURUSD, true, "5", "1.1").is_empty());
    assert_eq!(refused(&w, "restricted"), 1);
    assert_eq!(quantities(&copied(&mut w, DAX, true, "5", "1.1")), ["5"]);
    assert_eq!(copied(&mut w, EURUSD, false, "3", "1.1").len(), 1);
    let stops = w.engine.status().stops;
    assert_eq!((stops.len(), stops[0].scope, stops[0].name.as_str()), (1, "venue", "r EURUSD"));
    assert_eq!((stops[0].code, stops[0].level), ("restricted", "no_opens"));
    said(&mut w, "EURUSD", 17);
    assert_eq!(quantities(&copied(&mut w, EURUSD, true, "5", "1.1")), ["5"]);
    assert!(w.engine.status().stops.is_empty());
}

/// It outlives a restart of the core, and not the session that it was said in: the next one says it again.
#[test]
fn a_halt_lasts_as_long_as_the_session_that_said_it() {
    let mut w = desk(|_| {});
    said(&mut w, "EURUSD", 18);
    restarted(&mut w, |_| {});
    w.broker("35=h|336=day|340=2|");
    assert!(trade(&mut w, EURUSD, true, "5", "1.1").is_empty());
    w.rows(&[fastcore::link::Row::Logout { session: "R" }, fastcore::link::Row::Logon { session: "R" }]);
    assert_eq!(quantities(&trade(&mut w, EURUSD, true, "5", "1.1")), ["5"]);
}

/// A session of trading names no instrument, and a status that nobody knows stops nothing: both are told.
#[test]
fn what_names_no_instrument_stops_nothing() {
    let mut w = desk(|_| {});
    w.broker("35=h|336=evening|340=3|58=closed|");
    w.broker("35=f|55=EURUSD|326=7|");
    assert_eq!(alerts(&w, "trading_halt"), 1);
    w.broker("35=f|326=2|");
    assert!(w.engine.state().halts.is_empty());
    assert_eq!(quantities(&trade(&mut w, EURUSD, true, "5", "1.1")), ["5"]);
}

/// Said again it stands still since it was said first.
#[test]
fn a_halt_that_is_said_again_is_the_same_halt() {
    let mut w = desk(|_| {});
    said(&mut w, "EURUSD", 2);
    let first = w.engine.state().halts.clone();
    said(&mut w, "EURUSD", 18);
    assert_eq!((first.len(), &w.engine.state().halts), (1, &first));
}
