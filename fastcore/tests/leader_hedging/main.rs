//! Leaders on accounts that keep positions side by side (decision 0029): the net is copied, whatever their names say, and
//! what each position holds is known, compared and told.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod answers;
mod any;
mod fills;
mod together;

use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::profile::PositionModel;
use support::{SAME, Sent, World, d, field, fix};

/// The leader's account is a hedging one, at a venue that answers for positions; the follower's nets.
pub fn hedging_leader(c: &mut Config) {
    let mut profile = c.profiles[0].clone();
    profile.name = "h".to_owned();
    profile.position_model = PositionModel::Hedging;
    profile.supports.positions = true;
    c.profiles.push(profile);
    c.leaders[0].profile = "h".to_owned();
}

pub fn world() -> World {
    World::with(SAME, "", hedging_leader)
}

/// The same, and what the leader holds at the start has to be said by his broker.
pub fn unknown() -> World {
    World::with(SAME, "", |c| {
        hedging_leader(c);
        c.leaders[0].assume_flat = false;
    })
}

/// A report of the leader's: `text` is what stands in it beside its symbol and its time.
pub fn tell(w: &mut World, text: &str) -> Vec<Sent> {
    w.now += 1_000_000;
    let mut time = Vec::new();
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    w.apply(EventKind::Leader, "L", &fix(&format!("35=8|{text}|55=EURUSD|60={time}|")))
}

/// An order of the leader's that is filled whole, as a trade of this position; empty: the report names none.
pub fn trade(w: &mut World, side: u8, qty: &str, position: &str) -> Vec<Sent> {
    w.exec += 1;
    let (e, named) = (w.exec, if position.is_empty() { String::new() } else { format!("|721={position}") });
    tell(w, &format!("37=o{e}|17=e{e}|150=F|39=2|54={side}|38={qty}|32={qty}|31=1.1|14={qty}|151=0{named}"))
}

/// The same, and the follower's broker fills what it made.
pub fn copied(w: &mut World, side: u8, qty: &str, position: &str) {
    let sent = trade(w, side, qty, position);
    filled(w, &sent);
}

pub fn filled(w: &mut World, sent: &[Sent]) {
    for s in sent {
        w.out(s);
        w.fill(s, &s.qty.clone(), &s.qty.clone());
    }
}

/// An answer of the leader's broker: name and signed units of each position.
pub fn answer(w: &mut World, request: &str, rows: &[(&str, i64)]) -> Vec<Sent> {
    let n = rows.len();
    if n == 0 {
        return said(w, &format!("710={request}|721=none|727=0|728=2|"));
    }
    rows.iter().flat_map(|(id, units)| row(w, request, n, id, *units)).collect()
}

/// One position of an answer that has `n`.
pub fn row(w: &mut World, request: &str, n: usize, id: &str, units: i64) -> Vec<Sent> {
    let side = if units < 0 { "705" } else { "704" };
    let units = units.abs();
    said(w, &format!("710={request}|721={id}|727={n}|728=0|55=EURUSD|702=1|703=TQ|{side}={units}|"))
}

pub fn said(w: &mut World, text: &str) -> Vec<Sent> {
    w.apply(EventKind::Leader, "L", &fix(&format!("35=AP|{text}")))
}

/// The net, the positions by name, and what has none.
pub type Held = (String, Vec<(String, String)>, String);

pub fn held_by(engine: &Engine) -> Held {
    let all = engine.status().leader_positions;
    assert!(all.len() <= 1, "{all:?}");
    let Some(one) = all.into_iter().next() else { return ("0".into(), vec![], "0".into()) };
    let positions = one.positions.into_iter().map(|p| (p.id, p.units.to_string())).collect();
    (one.net.map_or("?".into(), |n| n.to_string()), positions, one.unnamed.to_string())
}

pub fn holds(w: &World, net: &str, of: &[(&str, &str)], unnamed: &str) {
    let of = of.iter().map(|(id, units)| ((*id).to_owned(), (*units).to_owned())).collect();
    assert_eq!(held_by(&w.engine), (net.to_owned(), of, unnamed.to_owned()), "{:?}", w.alerts);
    assert_eq!(w.engine.state().leaders[0].positions[&0], d(net));
}

pub fn codes(w: &World) -> Vec<String> {
    w.alerts.iter().map(|a| a.code.to_string()).collect()
}

/// What his broker was asked since, by MsgType(35).
pub fn asked(w: &mut World) -> Vec<String> {
    let asked = std::mem::take(&mut w.questions);
    asked.iter().map(|q| field(q.replace('|', "\u{1}").as_bytes(), "35")).collect()
}

/// What is asked when the time of it has come.
pub fn asked_soon(w: &mut World) -> Vec<String> {
    w.run_to(w.now + 2_000_000_000);
    asked(w)
}
