//! What of a recording can be played again under a configuration, and what names something that it does not have.

use crate::log::JournalRow;
use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::sizing::Values;
use fastcore::time::write_utc_digits;
use serde_json::{Value, json};

/// What becomes of a recorded row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fact {
    /// It happened, whatever the configuration.
    Plays,
    /// It follows from the orders that were sent then: nobody sends them now.
    Past,
    /// The configuration does not have what it is about: what it is, and the name.
    Unknown(&'static str, String),
}

/// Who acts where the comparison itself gives a command.
pub(crate) const WHO: &str = "whatif";

/// What becomes of a row under a configuration.
pub(crate) fn fact(cfg: &Config, row: &JournalRow) -> Fact {
    match row.kind {
        EventKind::Leader | EventKind::Session => {
            let known = cfg.leaders.iter().any(|l| l.session == row.session);
            known_or(known, "messages of leader session", &row.session)
        }
        EventKind::Operator => command(cfg, &row.payload),
        EventKind::Quote => {
            let quote: Value = serde_json::from_slice(&row.payload).unwrap_or_default();
            let name = quote.get("instrument").and_then(Value::as_str).unwrap_or("?");
            known_or(cfg.instruments.iter().any(|i| i.name == name), "quotes of instrument", name)
        }
        EventKind::Start | EventKind::Link | EventKind::Route | EventKind::Unsent | EventKind::Timer => {
            Fact::Past
        }
    }
}

fn known_or(known: bool, what: &'static str, name: &str) -> Fact {
    if known { Fact::Plays } else { Fact::Unknown(what, name.to_owned()) }
}

/// An operator's command: everything that is no word about orders of then is played; what it names has to be there.
fn command(cfg: &Config, payload: &[u8]) -> Fact {
    let Ok(command) = serde_json::from_slice::<Value>(payload) else { return Fact::Past };
    let text = |key: &str| command.get(key).and_then(Value::as_str);
    let leader = |name: &str| cfg.leaders.iter().any(|x| x.name == name);
    let follower = |name: &str| cfg.followers.iter().any(|x| x.name == name);
    match text("cmd") {
        Some(cmd @ ("kill" | "arm")) => {
            let [of_leader, of_follower, of_instrument, of_route] = if cmd == "arm" {
                ["releases of leader", "releases of follower", "releases of instrument", "releases of route"]
            } else {
                ["stops of leader", "stops of follower", "stops of instrument", "stops of route"]
            };
            let unknown = |key: &str, what: &'static str, known: &dyn Fn(&str) -> bool| {
                text(key).filter(|name| !known(name)).map(|name| Fact::Unknown(what, name.to_owned()))
            };
            let instrument = |name: &str| cfg.instruments.iter().any(|x| x.name == name);
            let route = |name: &str| cfg.routes.iter().any(|x| x.name == name);
            unknown("leader", of_leader, &leader)
                .or_else(|| unknown("follower", of_follower, &follower))
                .or_else(|| unknown("instrument", of_instrument, &instrument))
                .or_else(|| unknown("route", of_route, &route))
                .unwrap_or(Fact::Plays)
        }
        Some("account") => {
            let name = text("account").unwrap_or("?");
            known_or(leader(name) || follower(name), "account values of", name)
        }
        // What the machine knew of its clock then.
        Some("clock" | "clock_step") => Fact::Plays,
        Some("pause" | "resume" | "leave" | "join" | "resync") => {
            let name = text("subscription").unwrap_or("?");
            let known = cfg.subscriptions.iter().any(|s| s.name == name);
            known_or(known, "commands about subscription", name)
        }
        // Positions follow; what was earned on them is not known then: the paper broker rescales nothing.
        Some("adjust") => {
            let (name, instrument) = (text("leader").unwrap_or("?"), text("instrument").unwrap_or("?"));
            if leader(name) {
                let known = cfg.instruments.iter().any(|x| x.name == instrument);
                known_or(known, "adjustments of instrument", instrument)
            } else {
                known_or(false, "adjustments of leader", name)
            }
        }
        Some("bust_resume") => {
            let name = text("leader").unwrap_or("?");
            known_or(leader(name), "resumes after busts of leader", name)
        }
        _ => Fact::Past,
    }
}

/// Whether a command stops or releases everything.
pub(crate) fn is_global_stop(payload: &[u8]) -> Option<bool> {
    let command: Value = serde_json::from_slice(payload).ok()?;
    let scoped = ["leader", "follower", "instrument", "route"].iter().any(|key| command.get(key).is_some());
    match command.get("cmd").and_then(Value::as_str) {
        Some("kill") if !scoped => Some(true),
        Some("arm") if !scoped => Some(false),
        _ => None,
    }
}

/// A command of the comparison itself that stops everything, or releases it.
pub(crate) fn own_stop(stop: bool) -> Vec<u8> {
    let cmd = if stop { "kill" } else { "arm" };
    json!({"cmd": cmd, "who": WHO}).to_string().into_bytes()
}

/// A measurement that finds the machine's clock right.
pub(crate) fn right_clock() -> Vec<u8> {
    json!({"cmd": "clock", "error_us": 0}).to_string().into_bytes()
}

/// Account values that followers' brokers told with the row that the recording's engine has just applied: name and
/// command, each as old as the broker said. Read off the engine that heard them, so that no other profile has to read the
/// venue's message. `known`: what was passed on before, by follower.
pub(crate) fn account_values(
    recorded: &Engine,
    row: &JournalRow,
    known: &mut Vec<Values>,
) -> Vec<(String, Vec<u8>)> {
    const REPORT: &[u8] = b"\x0135=BA\x01";
    if row.kind != EventKind::Route || !row.payload.windows(REPORT.len()).any(|w| w == REPORT) {
        return Vec::new();
    }
    let followers = recorded.index().cfg.followers.iter().zip(&recorded.state().followers);
    let mut told = Vec::new();
    for (n, (cfg, v)) in followers.enumerate() {
        if known.len() <= n {
            known.push(Values::default());
        }
        let Some(before) = known.get_mut(n) else { continue };
        let was = std::mem::replace(before, *v);
        let values = [
            ("balance", (v.balance, v.balance_ns), (was.balance, was.balance_ns)),
            ("equity", (v.equity, v.equity_ns), (was.equity, was.equity_ns)),
            ("free_margin", (v.free_margin, v.free_margin_ns), (was.free_margin, was.free_margin_ns)),
        ];
        for (key, (value, at_ns), _) in values.into_iter().filter(|(_, now, was)| now != was) {
            let mut as_of = Vec::new();
            write_utc_digits(at_ns, 9, &mut as_of);
            let command = json!({"cmd": "account", "who": WHO, "account": cfg.name, key: value.to_string(),
                "as_of": String::from_utf8_lossy(&as_of)});
            told.push((cfg.name.clone(), command.to_string().into_bytes()));
        }
    }
    told
}
