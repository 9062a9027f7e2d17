//! Another configuration over a recording, at the crate's own door; what it comes to is tested from Python.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::profile::Profile;
use journal::{Durability, Journal, JournalError, JournalRow, Pipeline, WhatIf};
use serde_json::{Value, json};
use std::path::Path;

fn config(k: &str) -> String {
    let profile = serde_json::to_value(Profile::standard("p", "FIX.4.4")).unwrap();
    let instrument = json!({"name": "E", "contract_size": "100000", "lot_step": "0.01", "min_lot": "0.01",
        "tick": "0.00001", "currency": "USD"});
    let leader =
        json!({"name": "l", "session": "L", "profile": "p", "symbols": {"E": "E"}, "assume_flat": true});
    let follower = json!({"name": "f", "route": "r", "account": "F", "symbols": {"E": "E"}});
    let sub = json!({"name": "f<l", "follower": "f", "leader": "l", "max_ratio": "100",
        "sizing": {"mode": "multiplier", "k": k}, "symbol_map": {"E": {"instrument": "E"}}});
    json!({"deployment": "t", "profiles": [profile], "instruments": [instrument], "leaders": [leader],
        "routes": [{"name": "r", "session": "R", "profile": "p"}], "followers": [follower], "subscriptions": [sub]})
    .to_string()
}

fn trade(n: u32, side: char, qty: u32) -> Vec<u8> {
    format!(
        "8=FIX.4.4|35=8|37=O{n}|11=O{n}|17=E{n}|150=F|39=2|55=E|54={side}|38={qty}|14={qty}|32={qty}|31=1.1|151=0|\
         60=20261125-09:46:4{n}|"
    )
    .replace('|', "\u{1}")
    .into_bytes()
}

/// 2026-11-25 09:46:40 UTC.
const T0_NS: i64 = 1_795_600_000_000_000_000;

fn record(folder: &Path) {
    let pipeline = Pipeline::<Engine>::open(folder, &config("1"), Durability::Process, T0_NS).unwrap();
    for (n, side, qty) in [(1, '1', 100_000), (2, '1', 50_000), (3, '2', 120_000)] {
        pipeline.submit("leader", "L", &trade(n, side, qty), T0_NS + i64::from(n) * 1_000_000_000).unwrap();
    }
}

fn report(folder: &Path, k: &str) -> Value {
    let mut played = WhatIf::open(folder, &config(k), None, None).unwrap();
    while played.step(2).unwrap() > 0 {}
    serde_json::from_str(&played.report()).unwrap()
}

/// Both sides are the same function of the recording, and the recording itself is replayed beside them.
#[test]
fn one_configuration_on_both_sides_comes_to_the_same() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path());
    let same = report(folder.path(), "1");
    assert_eq!(same["old"], same["new"]);
    assert_eq!(same["new"]["orders"], 3);
    assert_eq!(same["recorded"]["orders"], 0, "no route was there: nothing was handed over");
    let other = report(folder.path(), "2");
    assert_eq!(other["old"], same["old"]);
    assert_eq!(other["new"]["subscriptions"][0]["lines"][0]["position"], "60000");
}

/// The paper broker of a hedging venue names positions: the close of 1.2 lots takes the first whole and a part of the second.
#[test]
fn a_hedging_venue_is_closed_by_name() {
    let folder = tempfile::tempdir().unwrap();
    record(folder.path());
    let mut hedging: Value = serde_json::from_str(&config("1")).unwrap();
    hedging["profiles"][0]["position_model"] = json!("hedging");
    let mut played = WhatIf::open(folder.path(), &hedging.to_string(), None, None).unwrap();
    while played.step(2).unwrap() > 0 {}
    let found: Value = serde_json::from_str(&played.report()).unwrap();
    assert_eq!((&found["old"]["orders"], &found["new"]["orders"]), (&json!(3), &json!(4)));
    assert_eq!(found["new"]["subscriptions"][0]["lines"][0]["position"], "30000");
}

/// What an older engine wrote is not decided again by this one: the row and both versions are named.
#[test]
fn a_recording_of_another_engine_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), Durability::Process).unwrap();
    let config: Value = serde_json::from_str(&config("1")).unwrap();
    let payload =
        json!({"config": config, "engine": "0.0.1", "epoch": 1, "digest": "0", "durability": "process"});
    let payload = payload.to_string().into_bytes();
    let (kind, session) = (EventKind::Start, String::new());
    let row = JournalRow { seq: 1, at_ns: T0_NS, kind, session, payload, prev_digest: 0 };
    journal.append(&row, &[]).unwrap();
    let refused = WhatIf::open(folder.path(), &self::config("1"), None, None).err().unwrap();
    assert!(matches!(&refused, JournalError::Version { row: 1, wrote, .. } if wrote == "0.0.1"), "{refused}");
}

/// A configuration that the engine cannot use is refused before the journal is looked at.
#[test]
fn a_configuration_that_cannot_be_used_is_refused_first() {
    let refused = WhatIf::open(Path::new("/nowhere"), "{}", None, None).err().unwrap();
    assert!(matches!(refused, JournalError::Config(_)), "{refused}");
}
