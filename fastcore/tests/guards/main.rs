//! Equity guards: what an account is worth after fills and quotes (`worth`), what each rule stops and how it is released
//! (`stopping`), guards of one subscription (`subscriptions`), and what a broker corrects (`corrections`). Closes are never held back.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod corrections;
mod stopping;
mod subscriptions;
mod worth;

use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
pub use support::tell;
use support::{SAME, Sent, World, config};

/// A follower with rules as JSON, in the zone UTC.
pub fn guarded(rules: &str) -> World {
    let mut w = World::with(SAME, "", |c| guard(c, rules));
    w.alerts.clear();
    w
}

pub fn guard(c: &mut Config, rules: &str) {
    let text = format!(r#"{{"zone":"UTC","day_begins_s":0,"max_age_ms":3600000,"rules":[{rules}]}}"#);
    c.followers[0].guards = Some(Box::new(serde_json::from_str(&text).unwrap()));
    c.followers[0].currency = Some("USD".to_owned());
}

/// The same world after a restart, under another configuration.
pub fn restarted(w: &mut World, change: impl FnOnce(&mut Config)) {
    let bytes = w.engine.snapshot();
    let mut c = config(SAME, "");
    change(&mut c);
    w.engine = Engine::restore(c, &bytes).unwrap();
    w.apply(EventKind::Timer, "", b"");
}

pub fn worth(w: &mut World, equity: &str) {
    let text = format!(r#"{{"cmd":"account","who":"ann","account":"f","equity":"{equity}"}}"#);
    assert!(tell(w, &text).is_empty());
}

pub fn quote(w: &mut World, bid: &str, ask: &str) -> Vec<Sent> {
    let text = format!(r#"{{"instrument":"EURUSD","bid":"{bid}","ask":"{ask}"}}"#);
    let mut sent = w.apply(EventKind::Quote, "", text.as_bytes());
    // Accounts are valued within a quarter of a second, however many quotes come.
    sent.extend(w.run_to(w.now + 260_000_000));
    sent
}

/// The leader trades with a new order, and what the follower is to do is filled at 1.1, with what comes of it.
pub fn copied(w: &mut World, order: &str, side: u8, qty: &str) -> Vec<Sent> {
    let sent = w.leader(order, side, qty, qty, qty);
    fill_all(w, sent.clone());
    sent
}

pub fn fill_all(w: &mut World, mut sent: Vec<Sent>) {
    while let Some(s) = sent.pop() {
        sent.extend(w.out(&s));
        sent.extend(w.fill(&s, &s.qty, &s.qty));
    }
}

pub fn equity(w: &World) -> Option<Dec> {
    w.engine.status().guards[0].equity
}

pub fn refused(w: &World, code: &str) -> u64 {
    w.engine.status().refusals.get(code).copied().unwrap_or(0)
}

pub fn stops(w: &World) -> Vec<(String, &'static str, &'static str)> {
    w.engine.status().stops.into_iter().map(|s| (s.name, s.level, s.code)).collect()
}

pub const FLOOR: &str = r#"{"rule":"equity_floor","amount":"900"}"#;
pub const DAY: &str = r#"{"rule":"daily_loss","amount":"50","auto_reset":true}"#;
pub const FALL: &str = r#"{"rule":"drawdown","period":"week","percent":"10"}"#;
pub const CLOSE: &str = r#"{"rule":"equity_floor","percent":"80","action":"close_all"}"#;
