//! The life of a subscription: it joins, is paused and resumed, resynced, and leaves; and what a person tells of its
//! leader's position. Nothing of it holds back a close but `keep`, or touches another subscription.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod adjusting;
mod amounts;
mod joining;
mod leaving;
mod pausing;
#[path = "../support/mod.rs"]
mod support;

use fastcore::config::{Config, Dispatch};
use fastcore::decimal::Dec;
use fastcore::event::EventKind;
use fastcore::link::{self, Row};
use fastcore::refusal::Code;
use support::{SAME, Sent, World, tell, texts};

/// Subscription `s` of the follower `f`, and `t` of `g`, who copies the same leader on the same route.
fn config() -> Config {
    let mut c = support::config(SAME, "");
    c.dispatch = Dispatch::Listed;
    support::add_second(&mut c);
    c
}

fn two() -> World {
    World::with(SAME, "", |c: &mut Config| *c = config())
}

fn fill_all(w: &mut World, sent: &[Sent]) {
    for s in sent {
        w.out(s);
        w.fill(s, &s.qty, &s.qty);
    }
}

fn canceled(w: &mut World, s: &Sent, cum: &str) -> Vec<Sent> {
    let (id, qty, side) = (&s.id, &s.qty, if s.buy { 1 } else { 2 });
    w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=C{id}|150=4|39=4|55=EURUSD|54={side}|38={qty}|14={cum}|151=0|"
    ))
}

fn refused(w: &World, code: Code) -> u64 {
    w.engine.state().refusals.get(&code).copied().unwrap_or(0)
}

/// Target and filled of both lines.
fn lines(w: &World) -> [(Dec, Dec); 2] {
    let s = w.engine.status().subscriptions;
    [0, 1].map(|n| (s[n].target, s[n].filled))
}

fn leave(w: &mut World, sub: &str, rule: &str) -> Vec<Sent> {
    tell(w, &format!(r#"{{"cmd":"leave","who":"ann","subscription":"{sub}","rule":"{rule}"}}"#))
}

/// Both followers hold what the leader bought.
fn holding(qty: &str) -> World {
    let mut w = two();
    let sent = w.leader("o1", 1, qty, qty, qty);
    fill_all(&mut w, &sent);
    w
}

/// A start of the core with a configuration, and its route.
fn start_with(w: &mut World, config: &str) -> Vec<Sent> {
    let epoch = w.engine.state().epoch + 1;
    w.apply(EventKind::Start, "", format!(r#"{{"epoch":{epoch},"config":{config}}}"#).as_bytes());
    link_up(w)
}

/// The route is linked and synced.
fn link_up(w: &mut World) -> Vec<Sent> {
    let epoch = w.engine.state().epoch;
    let hello = link::encode_hello("r", 8, 1, w.row + 1, 0, &["R"]).unwrap();
    w.apply(EventKind::Link, "r", &hello);
    w.rows(&[Row::Sync { incarnation: 8, epoch }])
}

fn start(w: &mut World, extra: &str) -> Vec<Sent> {
    start_with(w, &support::config_text(SAME, extra))
}

fn sides(sent: &[Sent]) -> Vec<(bool, &str)> {
    sent.iter().map(|s| (s.buy, s.qty.as_str())).collect()
}
