//! Followers whose venue keeps positions side by side (decision 0025): every close names the position that it closes.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod any;
mod names;
mod positions;
mod worth;

use fastcore::config::Config;
use fastcore::profile::PositionModel;
use support::{SAME, Sent, World, d};

/// A deployment whose only venue is a hedging one.
pub fn hedges(c: &mut Config) {
    c.profiles[0].position_model = PositionModel::Hedging;
}

pub fn world() -> World {
    World::with(SAME, "", hedges)
}

/// The position that a message names; empty: none.
pub fn named(s: &Sent) -> String {
    tag(s, 721)
}

pub fn tag(s: &Sent, tag: u32) -> String {
    let prefix = format!("{tag}=");
    s.text.split('|').find_map(|f| f.strip_prefix(&prefix).map(str::to_owned)).unwrap_or_default()
}

/// Side, quantity and position of what was sent.
pub fn told(sent: &[Sent]) -> Vec<(bool, String, String)> {
    sent.iter().map(|s| (s.buy, s.qty.clone(), named(s))).collect()
}

pub fn expect(of: &[(bool, &str, &str)]) -> Vec<(bool, String, String)> {
    of.iter().map(|(buy, qty, id)| (*buy, (*qty).to_owned(), (*id).to_owned())).collect()
}

/// A report of an order: its type and status, what it fills and has filled, and what else it says.
pub fn report(w: &mut World, s: &Sent, kind: (&str, &str), last: &str, cum: &str, more: &str) -> Vec<Sent> {
    w.exec += 1;
    let (e, side, id, qty) = (w.exec, if s.buy { 1 } else { 2 }, &s.id, &s.qty);
    let fill = if last == "0" { String::new() } else { format!("32={last}|31=1.1|") };
    let (exec, status) = kind;
    w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=X{e}|150={exec}|39={status}|55=EURUSD|54={side}|38={qty}|{fill}14={cum}|151=0|{more}"
    ))
}

/// A fill that names its position.
pub fn fill(w: &mut World, s: &Sent, last: &str, cum: &str, position: &str) -> Vec<Sent> {
    let status = if d(cum) >= d(&s.qty) { "2" } else { "1" };
    report(w, s, ("F", status), last, cum, &format!("721={position}|"))
}

/// The leader opens, and the follower holds it as this position.
pub fn opened(w: &mut World, order: &str, side: u8, qty: &str, position: &str) {
    for s in w.leader(order, side, qty, qty, qty) {
        fill(w, &s, &s.qty.clone(), &s.qty.clone(), position);
    }
}

/// Positions of the first line, and what has no name.
pub fn held(w: &World) -> (Vec<(String, String)>, String) {
    let line = w.engine.status().subscriptions.into_iter().next().unwrap();
    let list = line.positions.into_iter().map(|p| (p.id, p.units.to_string())).collect();
    (list, line.unnamed.to_string())
}

pub fn holds(w: &World, of: &[(&str, &str)]) {
    let list = of.iter().map(|(id, units)| ((*id).to_owned(), (*units).to_owned())).collect();
    assert_eq!(held(w), (list, "0".to_owned()));
}

pub fn alerts(w: &World, code: &str) -> usize {
    w.alerts.iter().filter(|a| a.code == code).count()
}
