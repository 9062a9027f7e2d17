//! What crosses on the way: fills during a cancel or replace, requests that are refused or lost, routes that are down.

use crate::play::*;
use crate::support::{Sent, World, d};
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::link::{Row, SendKind};

const SECOND: i64 = 1_000_000_000;

/// A mirror of 10 that works.
fn working(w: &mut World) -> Sent {
    let m = only(&new(w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    assert!(work(w, &m).is_empty());
    m
}

/// A fill while the replace is on its way is a fill of the replaced order: its quantity counts from the beginning.
#[test]
fn a_fill_during_a_replace_is_part_of_it() {
    let mut w = world("");
    let m = working(&mut w);
    let r = only(&replaced(&mut w, "o", 1, "8", "0", LIMIT), "replace buy 8 2 1.1/ 1");
    assert!(w.fill(&m, "3", "3").is_empty());
    assert!(accepted(&mut w, &m, &r, "3").is_empty(), "5 are left, as the leader's order asks");
    w.fill(&Sent { id: r.id, qty: "8".into(), ..m }, "5", "8");
    assert_eq!(w.filled(), d("8"));
}

/// The leader changes his order again while the first change is on its way: one request at a time, the last word wins.
#[test]
fn the_last_word_of_the_leader_follows_the_answer() {
    let mut w = world("");
    let m = working(&mut w);
    let r = only(&replaced(&mut w, "o", 1, "8", "0", LIMIT), "replace buy 8 2 1.1/ 1");
    assert!(replaced(&mut w, "o", 1, "6", "0", LIMIT).is_empty());
    assert!(replaced(&mut w, "o", 1, "5", "0", LIMIT).is_empty());
    only(&accepted(&mut w, &m, &r, "0"), "replace buy 5 2 1.1/ 1");
    let mut w = world("");
    let m = working(&mut w);
    let r = only(&replaced(&mut w, "o", 1, "8", "0", LIMIT), "replace buy 8 2 1.1/ 1");
    assert!(canceled(&mut w, "o", 1, "8", "0").is_empty());
    only(&accepted(&mut w, &m, &r, "0"), "cancel");
}

/// A broker that refuses to replace is asked to cancel instead, and the order is placed anew.
#[test]
fn a_refused_replace_becomes_a_cancel_and_a_new_order() {
    let mut w = world("");
    let m = working(&mut w);
    let r = only(&replaced(&mut w, "o", 1, "8", "0", LIMIT), "replace buy 8 2 1.1/ 1");
    assert!(acts(refused(&mut w, &m, &r, b'2')).is_empty(), "not at once: its end may be on the way");
    let gone = only(&acts(w.run_to(w.now + 2 * SECOND)), "cancel");
    let anew = only(&ended(&mut w, &m, &gone, "0"), "new buy 8 2 1.1/ 1");
    work(&mut w, &anew);
    only(&replaced(&mut w, "o", 1, "7", "0", LIMIT), "replace buy 7 2 1.1/ 1");
}

/// A cancel that is refused for no reason is asked for again; the fill that came first ends it.
#[test]
fn a_refused_cancel_is_asked_for_again() {
    let mut w = world("");
    let m = working(&mut w);
    let gone = only(&canceled(&mut w, "o", 1, "10", "0"), "cancel");
    assert!(acts(refused(&mut w, &m, &gone, b'2')).is_empty());
    let again = only(&acts(w.run_to(w.now + 2 * SECOND)), "cancel");
    assert_ne!(again.id, gone.id);
    assert!(acts(refused(&mut w, &m, &again, b'0')).is_empty());
    only(&w.fill(&m, "10", "10"), "new sell 10 1 /");
    assert!(acts(w.run_to(w.now + 60 * SECOND)).iter().all(|s| s.kind == SendKind::New));
}

/// Its report is lost: a status that names the order by the request says that it was accepted.
#[test]
fn a_status_tells_of_an_accepted_replace() {
    let mut w = world("");
    let m = working(&mut w);
    let r = only(&replaced(&mut w, "o", 1, "8", "0", LIMIT), "replace buy 8 2 1.1/ 1");
    let id = &r.id;
    let text = format!("35=8|37=B{0}|11={id}|17=I1|150=I|39=0|55=EURUSD|54=1|38=8|14=0|151=8|", m.id);
    assert!(w.broker(&text).is_empty());
    let gone = only(&canceled(&mut w, "o", 1, "8", "0"), "cancel");
    assert!(gone.text.contains(&format!("|41={id}|")), "{}", gone.text);
}

/// While the route is down nothing of it leaves: what the leader takes back is withdrawn, what he changes is sent as it
/// is by then.
#[test]
fn an_order_that_waits_for_its_route_is_sent_as_it_is_wanted_then() {
    let mut w = world("");
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(new(&mut w, "o", 1, "10", LIMIT).is_empty());
    assert!(new(&mut w, "p", 1, "5", LIMIT).is_empty());
    assert!(replaced(&mut w, "o", 1, "8", "0", "40=2|44=1.12|59=1|").is_empty());
    assert!(canceled(&mut w, "p", 1, "5", "0").is_empty());
    only(&w.rows(&[Row::Logon { session: "R" }]), "new buy 8 2 1.12/ 1");
}

/// What waits too long is not placed; the leader's fill does not open it either.
#[test]
fn an_open_that_waits_too_long_is_missed() {
    let mut w = world("");
    w.rows(&[Row::Logout { session: "R" }]);
    new(&mut w, "o", 1, "10", LIMIT);
    w.run_to(w.now + 61 * SECOND);
    assert!(w.rows(&[Row::Logon { session: "R" }]).is_empty());
    assert_eq!(w.engine.status().refusals.get("missed"), Some(&1));
    assert!(traded(&mut w, "o", 1, "10", "10", "10").is_empty());
    assert_eq!(w.target(), Dec::ZERO);
}

/// An order whose outcome is not known is asked about, never sent a second time; the leader's end follows the answer.
#[test]
fn an_unknown_mirror_is_asked_about() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    w.out(&m);
    only(&w.link(8), "status");
    assert!(canceled(&mut w, "o", 1, "10", "0").is_empty());
    let id = &m.id;
    let alive = format!("35=8|37=B{id}|11={id}|17=I1|150=I|39=0|55=EURUSD|54=1|38=10|14=0|151=10|");
    only(&w.broker(&alive), "cancel");
}

/// A frame that was lost on its way is sent again after the next greeting, once.
#[test]
fn a_mirror_that_never_left_is_sent_again() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    let again = only(&w.link(8), "new buy 10 2 1.1/ 1");
    assert_eq!((again.id, again.try_no), (m.id, 2));
}

/// Cancelled and placed anew, and then a fill of the first comes after all: the second is cut by it.
#[test]
fn a_late_fill_of_the_first_cuts_the_second() {
    let mut w = plain_world("");
    let m = working(&mut w);
    let gone = only(&replaced(&mut w, "o", 1, "10", "0", "40=2|44=1.12|59=1|"), "cancel");
    let second = only(&ended(&mut w, &m, &gone, "0"), "new buy 10 2 1.12/ 1");
    work(&mut w, &second);
    let gone = only(&w.fill(&m, "4", "4"), "cancel");
    assert!(w.alerts.iter().any(|a| a.code == "unexpected_fill"));
    only(&ended(&mut w, &second, &gone, "0"), "new buy 6 2 1.12/ 1");
    assert_eq!(w.filled(), d("4"));
}

/// A fill that the follower's broker takes back is not asked for a second time: nobody says how much of it works again.
#[test]
fn a_bust_of_a_mirrors_fill_is_given_up() {
    let mut w = world("");
    let m = working(&mut w);
    w.fill(&m, "4", "4");
    let (id, ref_id) = (&m.id, format!("X{}", w.exec));
    let bust = format!(
        "35=8|37=B{id}|11={id}|17=Z1|19={ref_id}|150=H|39=0|55=EURUSD|54=1|38=10|32=4|31=1.1|14=0|151=10|"
    );
    assert!(w.broker(&bust).is_empty());
    assert_eq!(w.filled(), Dec::ZERO);
    w.fill(&m, "6", "6");
    assert!(traded(&mut w, "o", 1, "10", "10", "10").is_empty());
    assert_eq!((w.filled(), w.target()), (d("6"), d("6")));
}

/// A mirror in the middle of its life survives a snapshot.
#[test]
fn a_snapshot_keeps_mirrors() {
    let mut w = world("");
    let m = working(&mut w);
    let r = only(&replaced(&mut w, "o", 1, "8", "0", LIMIT), "replace buy 8 2 1.1/ 1");
    let bytes = w.engine.snapshot();
    let mut config = crate::support::config(crate::support::SAME, r#","copy":"orders""#);
    takes_all(&mut config);
    w.engine = Engine::restore(config, &bytes).unwrap();
    assert_eq!(w.engine.snapshot(), bytes);
    assert!(accepted(&mut w, &m, &r, "0").is_empty());
    only(&canceled(&mut w, "o", 1, "8", "0"), "cancel");
}
