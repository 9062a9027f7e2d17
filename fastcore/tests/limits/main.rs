//! Limits at work (design 03): what each of them counts (`totals`, `prices`), for each follower by itself (`alone`), limits over time (`over_time`), leaders that
//! nobody hears (`provider`), venues that do not trade (`halts`), all followers together (`together`), orders of one account
//! that could fill each other (`self_match`), and that none of them, in any combination, holds back a close (`closes`).
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod alone;
mod closes;
mod halts;
mod over_time;
mod prices;
mod provider;
mod self_match;
mod together;
mod totals;

use fastcore::config::{Config, InstrumentConfig, PriceWindow};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
pub use support::tell;
use support::{SAME, Sent, World, config, d, fix};

pub const S: i64 = 1_000_000_000;

/// Two leaders, `l` and `m`, with one session each; one follower who copies both, in EURUSD (USD) and DAX (EUR).
pub fn desk(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", |c| {
        build(c);
        change(c);
    })
}

fn build(c: &mut Config) {
    let euro = InstrumentConfig { base: Some("EUR".to_owned()), ..c.instruments[0].clone() };
    let dax = InstrumentConfig {
        name: "DAX".to_owned(),
        currency: "EUR".to_owned(),
        base: None,
        ..c.instruments[0].clone()
    };
    c.instruments = vec![euro, dax];
    c.followers[0].currency = Some("USD".to_owned());
    c.followers[0].symbols.insert("DAX".to_owned(), "DAX".to_owned());
    c.leaders[0].symbols.insert("DAX".to_owned(), "DAX".to_owned());
    let mut other = c.leaders[0].clone();
    (other.name, other.session) = ("m".to_owned(), "M".to_owned());
    c.leaders.push(other);
    let map = c.subscriptions[0].symbol_map.get("EURUSD").unwrap().clone();
    let dax = fastcore::config::SymbolMap { instrument: "DAX".to_owned(), ..map };
    c.subscriptions[0].symbol_map.insert("DAX".to_owned(), dax);
    let mut sub = c.subscriptions[0].clone();
    (sub.name, sub.leader) = ("t".to_owned(), "m".to_owned());
    c.subscriptions.push(sub);
}

/// The same world after a restart, under a configuration that differs by `change`.
pub fn restarted(w: &mut World, change: impl FnOnce(&mut Config)) {
    let bytes = w.engine.snapshot();
    let mut c = config(SAME, "");
    build(&mut c);
    change(&mut c);
    w.engine = Engine::restore(c, &bytes).unwrap();
    w.apply(EventKind::Timer, "", b"");
}

/// A leader's trade with an order of its own; what is sent.
pub fn trade(w: &mut World, (session, symbol): (&str, &str), buy: bool, qty: &str, px: &str) -> Vec<Sent> {
    w.exec += 1;
    let (e, side) = (w.exec, if buy { 1 } else { 2 });
    let mut time = Vec::new();
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    let raw = fix(&format!(
        "35=8|34={e}|37=o{e}|17=E{e}|150=F|39=2|55={symbol}|54={side}|38={qty}|32={qty}|31={px}|14={qty}|151=0|60={time}|"
    ));
    w.apply(EventKind::Leader, session, &raw)
}

/// The same, with everything that is sent filled at once.
pub fn copied(w: &mut World, of: (&str, &str), buy: bool, qty: &str, px: &str) -> Vec<Sent> {
    let sent = trade(w, of, buy, qty, px);
    fill_all(w, sent.clone());
    sent
}

pub fn fill_all(w: &mut World, mut sent: Vec<Sent>) {
    while let Some(s) = sent.pop() {
        sent.extend(w.out(&s));
        sent.extend(w.fill(&s, &s.qty, &s.qty));
    }
}

pub fn quote(w: &mut World, instrument: &str, bid: &str, ask: &str) -> Vec<Sent> {
    let text = format!(r#"{{"instrument":"{instrument}","bid":"{bid}","ask":"{ask}"}}"#);
    w.apply(EventKind::Quote, "", text.as_bytes())
}

/// What a corporate action did to EURUSD of the leader `l` and of all who copy it.
pub fn split(w: &mut World, factor: &str) {
    let said = r#""cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","reason":"split""#;
    tell(w, &format!(r#"{{{said},"factor":"{factor}"}}"#));
}

pub fn equity(w: &mut World, amount: &str) {
    tell(w, &format!(r#"{{"cmd":"account","who":"ann","account":"f","equity":"{amount}"}}"#));
}

pub fn quantities(sent: &[Sent]) -> Vec<&str> {
    sent.iter().map(|s| s.qty.as_str()).collect()
}

pub fn refused(w: &World, code: &str) -> u64 {
    w.engine.status().refusals.get(code).copied().unwrap_or(0)
}

pub fn alerts(w: &World, code: &str) -> usize {
    w.alerts.iter().filter(|a| a.code == code).count()
}

pub const EURUSD: (&str, &str) = ("L", "EURUSD");
pub const DAX: (&str, &str) = ("L", "DAX");
pub const OTHER: (&str, &str) = ("M", "EURUSD");

/// The follower's bounds over all instruments.
pub fn account(c: &mut Config) -> &mut fastcore::risk::Totals {
    &mut c.followers[0].limits.totals
}

/// A collar over one window, where there is a bound.
pub fn window(bps: Option<&str>, window_ms: i64) -> Vec<PriceWindow> {
    bps.into_iter().map(|bps| PriceWindow { bps: d(bps), window_ms }).collect()
}

/// A number of text, for bounds.
pub fn at_most(text: &str) -> Option<fastcore::decimal::Dec> {
    Some(d(text))
}
