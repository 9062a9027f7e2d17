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

/// What a recording holds, in order: leader's reports and quotes, one second apart.
fn told(folder: &Path, messages: &[&str]) {
    let pipeline =
        Pipeline::<Engine>::open(folder, &venue("1", json!({})), Durability::Process, T0_NS).unwrap();
    for (n, text) in (1..).zip(messages) {
        let at_ns = T0_NS + n * 1_000_000_000;
        let submitted = match text.strip_prefix("quote ") {
            Some(px) => {
                let quote = json!({"instrument": "E", "bid": px, "ask": px}).to_string();
                pipeline.submit("quote", "", quote.as_bytes(), at_ns)
            }
            None => {
                let raw =
                    format!("8=FIX.4.4|35=8|34={n}|17=E{n}|55=E|151=0|60=20261125-09:46:{}|{text}", 40 + n);
                pipeline.submit("leader", "L", raw.replace('|', "\u{1}").as_bytes(), at_ns)
            }
        };
        submitted.unwrap();
    }
}

/// A venue that takes every order; `also`: keys of the subscription.
fn venue(k: &str, also: Value) -> String {
    let mut c: Value = serde_json::from_str(&config(k)).unwrap();
    c["profiles"][0]["order_types"] = json!(["market", "limit", "stop", "stop_limit"]);
    c["profiles"][0]["tifs"] = json!(["day", "gtc", "ioc"]);
    c["profiles"][0]["supports"]["replace"] = json!(true);
    for (key, value) in also.as_object().unwrap() {
        c["subscriptions"][0][key] = value.clone();
    }
    c.to_string()
}

/// What a side made of it: orders, position, and profit and loss.
fn made(side: &Value) -> (u64, String, String) {
    let line = &side["subscriptions"][0]["lines"][0];
    let text = |key: &str| line[key].as_str().unwrap().to_owned();
    (side["orders"].as_u64().unwrap(), text("position"), text("realised"))
}

fn played(folder: &Path, config: &str) -> Value {
    let mut played = WhatIf::open(folder, config, None, None).unwrap();
    while played.step(2).unwrap() > 0 {}
    serde_json::from_str(&played.report()).unwrap()
}

const BOUGHT: &str = "37=O1|150=F|39=2|54=1|38=100000|14=100000|32=100000|31=1.1|";

/// The leader's stop at 1.09 and the market at 1.08: the follower's own fills there, before the leader's late fill at 1.07.
#[test]
fn a_stop_rests_until_the_market_reaches_it() {
    let folder = tempfile::tempdir().unwrap();
    let stop = "37=S|150=0|39=0|54=2|38=100000|14=0|40=3|99=1.09|59=1|";
    let moved = "37=S|150=5|39=5|54=2|38=100000|14=0|40=3|99=1.095|59=1|";
    let filled = "37=S|150=F|39=2|54=2|38=100000|14=100000|32=100000|31=1.07|";
    let story = ["quote 1.1", BOUGHT, stop, "quote 1.092", moved, "quote 1.08", "quote 1.07", filled];
    told(folder.path(), &story[..4]);
    let waits = played(folder.path(), &venue("1", json!({"copy_stops": true})));
    assert_eq!(made(&waits["new"]), (2, "100000".into(), "0".into()), "not reached");
    assert_eq!(made(&waits["old"]), (1, "100000".into(), "0".into()));
    let folder = tempfile::tempdir().unwrap();
    told(folder.path(), &story);
    let found = played(folder.path(), &venue("1", json!({"copy_stops": true})));
    assert_eq!(made(&found["old"]), (2, "0".into(), "-3000".into()), "with the leader, at 1.07");
    assert_eq!(
        made(&found["new"]),
        (2, "0".into(), "-800".into()),
        "moved to 1.095 when the market was at 1.092"
    );
}

/// A limit waits for its price and fills at it; one that is cancelled before never fills.
#[test]
fn a_limit_rests_until_the_market_comes_to_it() {
    let limit = "37=O1|150=0|39=0|54=1|38=100000|14=0|40=2|44=1.09|59=1|";
    let orders = venue("1", json!({"copy": "orders"}));
    let folder = tempfile::tempdir().unwrap();
    told(folder.path(), &["quote 1.1", limit, "quote 1.085"]);
    let found = played(folder.path(), &orders);
    assert_eq!(made(&found["new"]).1, "100000");
    assert_eq!(
        found["new"]["subscriptions"][0]["lines"][0]["floating"], "-500",
        "bought at 1.09, now at 1.085"
    );
    assert_eq!(found["old"]["orders"], 0);
    let nearer = "37=O1|150=5|39=5|54=1|38=100000|14=0|40=2|44=1.2|59=1|";
    let folder = tempfile::tempdir().unwrap();
    told(folder.path(), &["quote 1.1", limit, nearer, "quote 1.085"]);
    let found = played(folder.path(), &orders);
    assert_eq!(found["new"]["subscriptions"][0]["lines"][0]["floating"], "-1500", "replaced: bought at 1.1");
    let folder = tempfile::tempdir().unwrap();
    let canceled = "37=O1|150=4|39=4|54=1|38=100000|14=0|";
    told(folder.path(), &["quote 1.1", limit, canceled, "quote 1.085"]);
    let found = played(folder.path(), &orders);
    assert_eq!(made(&found["new"]), (1, "0".into(), "0".into()));
}

/// What names somebody whom the new configuration does not have is counted as what it was.
#[test]
fn a_release_of_an_unknown_name_is_no_stop() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = Pipeline::<Engine>::open(folder.path(), &config("1"), Durability::Process, T0_NS).unwrap();
    for (n, cmd) in (1..).zip(["kill", "arm", "arm"]) {
        for scope in ["leader", "follower", "instrument", "route"] {
            let name = &json!({"leader": "l", "follower": "f", "instrument": "E", "route": "r"})[scope];
            let command = json!({"cmd": cmd, "who": "ann", scope: name}).to_string();
            pipeline.submit("operator", "", command.as_bytes(), T0_NS + n * 1_000_000_000).unwrap();
        }
    }
    drop(pipeline);
    // Every name is another one there; the deployment is the same.
    let other = config("1").replace("\"l\"", "\"l2\"").replace("\"f\"", "\"f2\"");
    let other = other.replace("\"E\"", "\"E2\"").replace("\"r\"", "\"r2\"");
    let mut played = WhatIf::open(folder.path(), &other, None, None).unwrap();
    while played.step(2).unwrap() > 0 {}
    let found: Value = serde_json::from_str(&played.report()).unwrap();
    let named = |what: &str, count: u64| {
        ["follower f", "instrument E", "leader l", "route r"].map(|of| format!("{count} {what} of {of}"))
    };
    let said: Vec<String> = found["unknown"].as_array().unwrap().iter().map(said_as).collect();
    let mut wanted = [named("releases", 2), named("stops", 1)].concat();
    let mut said = said;
    said.sort();
    wanted.sort();
    assert_eq!(said, wanted);
}

fn said_as(unknown: &Value) -> String {
    let text = |key: &str| unknown[key].as_str().unwrap();
    format!("{} {} {}", unknown["count"], text("what"), text("name"))
}
