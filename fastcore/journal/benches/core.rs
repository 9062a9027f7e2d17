//! What one leader fill costs: bytes in, frames out. Plain numbers beside a baseline, and the result is checked.
//!
//! `cargo bench -p journal --bench core` prints nanoseconds. For a profiler, `-- 100` measures 100 followers alone, and
//! `-- 100 core` no replay, `-- 100 core plain` no limits either.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::cast_precision_loss)]
#![allow(clippy::float_arithmetic)]

mod shared;

use fastcore::action::Sink;
use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use fastcore::link::{self, Row, RowRef};
use journal::{Durability, Journal, JournalRow, Pipeline, Replay};
use serde_json::{Value, json};
use shared::{NOW, Trade, config, fill};
use std::hint::black_box;
use std::time::Instant;

/// Takes frames as a socket would: their bytes are written, and nothing else is paid for.
#[derive(Default)]
struct Count {
    frames: usize,
    bytes: usize,
}

impl Sink for Count {
    const WANTS_DECISIONS: bool = false;
    fn frame(&mut self, _route: u32, frame: &[u8]) {
        self.frames += 1;
        self.bytes += black_box(frame).len();
    }
}

/// The same deployment with every limit set that design 03 has, in every scope that it has; none is reached.
fn limited(followers: usize) -> Value {
    let mut config = config(followers);
    let limits = json!({"totals": {"max_open_orders": 1_000_000, "max_exposure": "1000000000000", "max_leverage": "1000000"},
        "default": {"max_order_qty_lots": "100", "max_order_value": "1000000000", "price_collar_bps": "100",
            "price_windows": [{"bps": "100", "window_ms": 60_000}], "max_position_lots": "1000000", "on_breach": "clip"}, "instruments": {}});
    let messages = json!({"per_s": 100_000, "burst": 1_000_000, "kept": 200_000});
    let guards = json!({"zone": "UTC", "day_begins_s": 0, "max_age_ms": 3_600_000, "rules": [
        {"rule": "equity_floor", "amount": "1"}, {"rule": "daily_loss", "percent": "50"},
        {"rule": "drawdown", "period": "week", "percent": "60"}]});
    let of_sub = json!({"zone": "UTC", "day_begins_s": 0, "max_age_ms": 3_600_000, "rules": [
        {"rule": "daily_loss", "amount": "100000"}, {"rule": "drawdown", "period": "week", "amount": "200000"}]});
    let together = json!({"currency": "USD", "max_age_ms": 3_600_000, "limits": {
        "totals": {"max_open_orders": 1_000_000, "max_exposure": "1000000000000000"},
        "default": {"max_position_lots": "1000000000"}, "instruments": {}}});
    let part = |config: &mut Value, key: &str, changes: &Value| {
        for one in config[key].as_array_mut().unwrap() {
            one.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        }
    };
    part(&mut config, "followers", &json!({"limits": limits, "messages": messages, "guards": guards}));
    part(&mut config, "routes", &json!({"messages": messages}));
    part(
        &mut config,
        "leaders",
        &json!({"together": together,
        "inactive": {"down_ms": 60_000, "silent_ms": 60_000}}),
    );
    let own = json!({"limits": limits, "guards": of_sub, "max_drift_bps": "100", "max_amplification": "100"});
    part(&mut config, "subscriptions", &own);
    (config["messages"], config["together"]) = (messages, together);
    config["clock"] = json!({"max_error_us": 1_000});
    config["faults"] = json!({"reject_burst": 20, "reject_window_ms": 60_000, "repeated_copies": 100_000,
        "repeated_window_ms": 60_000});
    config
}

/// An engine whose route is linked, synced and logged on.
fn engine(config: &Value) -> (Engine, u64) {
    let mut engine = Engine::new(Config::from_json(&config.to_string()).unwrap()).unwrap();
    let start =
        json!({"epoch": 1, "engine": fastcore::ENGINE_VERSION, "config": config, "digest": "0"}).to_string();
    let hello = link::encode_hello("r1", 1, 1, 1, 0, &["R1"]).unwrap();
    let row = |row_no, row| RowRef { row_no, at_ns: NOW, row };
    let rows = [row(1, Row::Logon { session: "R1" }), row(2, Row::Sync { incarnation: 1, epoch: 1 })];
    let rows = link::encode_rows(1, &rows).unwrap();
    let steps: [(EventKind, &str, &[u8]); 4] = [
        (EventKind::Start, "", start.as_bytes()),
        (EventKind::Link, "r1", &hello),
        (EventKind::Route, "r1", &rows),
        (EventKind::Session, "LEADER", b"up"),
    ];
    let mut seq = 0;
    for (kind, session, payload) in steps {
        seq += 1;
        engine.apply(&Event { seq, at_ns: NOW, kind, session, payload }, &mut Count::default());
    }
    let quote = json!({"instrument": "EURUSD", "bid": "1.1", "ask": "1.1"}).to_string();
    let mut told = vec![
        (EventKind::Quote, quote),
        (EventKind::Operator, json!({"cmd": "clock", "error_us": 9}).to_string()),
    ];
    for follower in config["followers"].as_array().unwrap() {
        let account =
            json!({"cmd": "account", "who": "bench", "account": follower["name"], "equity": "1000000"});
        told.push((EventKind::Operator, account.to_string()));
    }
    for (kind, payload) in told {
        seq += 1;
        let payload = payload.as_bytes();
        engine.apply(&Event { seq, at_ns: NOW, kind, session: "", payload }, &mut Count::default());
    }
    (engine, seq)
}

fn median(mut times: Vec<u128>) -> u128 {
    times.sort_unstable();
    times[times.len() / 2]
}

fn bench_core(followers: usize, fills: u64, all_limits: bool) {
    let config = if all_limits { limited(followers) } else { config(followers) };
    let (mut engine, mut seq) = engine(&config);
    let mut sink = Count::default();
    let (mut with_fill, mut empty) = (Vec::new(), Vec::new());
    for n in 0..fills {
        let message = fill(n, 1);
        for (payload, kind, times) in
            [(&message[..], EventKind::Leader, &mut with_fill), (&b""[..], EventKind::Timer, &mut empty)]
        {
            seq += 1;
            let event = Event { seq, at_ns: NOW + seq as i64, kind, session: "LEADER", payload };
            let from = Instant::now();
            engine.apply(black_box(&event), &mut sink);
            times.push(from.elapsed().as_nanos());
        }
    }
    // Every fill is a buy, so every fill makes one order for every follower.
    let expected = followers * usize::try_from(fills).unwrap();
    let orders = usize::try_from(engine.state().orders_sent).unwrap();
    assert_eq!(orders, expected, "orders of {followers} followers");
    assert!(sink.bytes > 100 * orders, "{} bytes in {} frames", sink.bytes, sink.frames);
    let (fill_ns, empty_ns) = (median(with_fill), median(empty));
    println!(
        "core apply, {followers:>4} followers{}: {fill_ns:>9} ns per fill, {empty_ns:>6} ns empty timer, {} ns per follower, orders {orders}",
        if all_limits { ", all limits on" } else { "" },
        fill_ns / followers as u128
    );
}

fn bench_journal(rows: u64) {
    let folder = tempfile::tempdir().unwrap();
    let mut journal = Journal::open(folder.path(), Durability::Process).unwrap();
    let mut times = Vec::new();
    let whole = Instant::now();
    for seq in 1..=rows {
        let payload = fill(seq, 1);
        let (kind, session) = (EventKind::Leader, "LEADER".to_owned());
        let row = JournalRow { seq, at_ns: seq as i64, kind, session, payload, prev_digest: 1 };
        let from = Instant::now();
        journal.append(&row, &[]).unwrap();
        times.push(from.elapsed().as_nanos());
    }
    assert_eq!(journal.head(), rows);
    let rate = rows as f64 / whole.elapsed().as_secs_f64();
    println!("journal append: {} ns median, {rate:.0} rows/s", median(times));
    let from = Instant::now();
    let mut read = 0;
    while read < rows {
        read = journal.rows(read, 1024).unwrap().last().unwrap().seq;
    }
    println!("journal read with checksums: {:.0} rows/s", rows as f64 / from.elapsed().as_secs_f64());
}

/// Rows that must survive a power loss, from several threads, a second. Not `grouped` is the baseline: each row is synced
/// by itself, in turn, as one more lock makes it.
fn power_rate(threads: u64, rows: u64, grouped: bool) -> u128 {
    let folder = tempfile::tempdir().unwrap();
    let text = config(1).to_string();
    let pipeline = Pipeline::<Engine>::open(folder.path(), &text, Durability::Power, NOW).unwrap();
    let turn = std::sync::Mutex::new(());
    let from = Instant::now();
    std::thread::scope(|s| {
        for thread in 0..threads {
            let (pipeline, turn) = (&pipeline, &turn);
            s.spawn(move || {
                for n in 0..rows / threads {
                    let alone = (!grouped).then(|| turn.lock().unwrap());
                    pipeline.submit("leader", "LEADER", &fill(thread * rows + n, 1), NOW).unwrap();
                    drop(alone);
                }
            });
        }
    });
    let took = from.elapsed();
    let status: Value = serde_json::from_str(&pipeline.status().unwrap()).unwrap();
    assert_eq!(status["pipeline"]["head"], rows / threads * threads + 1);
    u128::from(rows) * 1_000_000 / took.as_micros().max(1)
}

/// Both ways in turn, and the median of several runs: disks are moody.
fn bench_power(threads: u64, rows: u64, runs: usize) {
    let (mut alone, mut grouped) = (Vec::new(), Vec::new());
    for _ in 0..runs {
        alone.push(power_rate(threads, rows, false));
        grouped.push(power_rate(threads, rows, true));
    }
    let (alone, grouped) = (median(alone), median(grouped));
    println!(
        "pipeline submit, Power, {threads:>2} threads: {grouped} rows/s grouped, {alone} rows/s one by one"
    );
}

fn bench_replay(followers: usize, fills: u64) {
    let folder = tempfile::tempdir().unwrap();
    let text = config(followers).to_string();
    let pipeline = Pipeline::<Engine>::open(folder.path(), &text, Durability::Process, NOW).unwrap();
    let from = Instant::now();
    let events = Trade::begin(&pipeline).go_on(&pipeline, fills, |_| 1);
    let per_s = |n: u64, from: Instant| n as f64 / from.elapsed().as_secs_f64();
    println!("pipeline live, {followers:>2} followers: {:.0} events/s", per_s(events, from));
    let status: Value = serde_json::from_str(&pipeline.status().unwrap()).unwrap();
    assert_eq!(status["follower_fills"], json!(fills * followers as u64), "every order is filled");
    drop(pipeline);
    let from = Instant::now();
    let replay = Replay::<Engine>::open(folder.path(), 2 * fills + 3, None).unwrap();
    assert_eq!(replay.position(), 2 * fills + 3);
    let rows = 2 * fills + 3;
    println!(
        "replay, {followers:>2} followers: {:.0} events/s in {rows} rows, {:.0} rows/s",
        per_s(events, from),
        per_s(rows, from)
    );
}

fn main() {
    // Only `cargo bench` says --bench: `cargo test` runs it small, so that it does not rot.
    let quick = !std::env::args().any(|arg| arg == "--bench");
    // A number asks for that many followers alone: for a profiler.
    let asked: Vec<usize> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let plain = std::env::args().any(|arg| arg == "plain");
    let sizes = if asked.is_empty() { vec![1, 10, 100, 1000] } else { asked.clone() };
    for followers in sizes {
        // Not more open orders than a busy day has.
        for all_limits in if plain { vec![false] } else { vec![false, true] } {
            bench_core(followers, if quick { 4 } else { 400.min(100_000 / followers as u64) }, all_limits);
        }
    }
    if !asked.is_empty() {
        if std::env::args().any(|arg| arg == "core") {
            return;
        }
        return asked.into_iter().for_each(|followers| bench_replay(followers, 200_000 / followers as u64));
    }
    bench_journal(if quick { 100 } else { 100_000 });
    for threads in [1, 4, 16] {
        bench_power(threads, if quick { 32 } else { 1_600 }, if quick { 1 } else { 5 });
    }
    bench_replay(1, if quick { 50 } else { 100_000 });
    bench_replay(10, if quick { 20 } else { 20_000 });
}
