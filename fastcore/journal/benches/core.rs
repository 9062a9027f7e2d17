//! What one leader fill costs: bytes in, frames out. Plain numbers beside a baseline, and the result is checked.
//!
//! `cargo bench -p journal --bench core` prints nanoseconds. For a profiler, `-- 100` measures 100 followers alone, and
//! `-- 100 core` no replay, `-- 100 core plain` no limits either.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::cast_precision_loss)]
#![allow(clippy::float_arithmetic)]

use fastcore::action::Sink;
use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use fastcore::link::{self, Row, RowRef};
use journal::{Durability, Journal, JournalRow, Pipeline, Replay};
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;

const NOW: i64 = 1_700_000_000_000_000_000;

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

fn config(followers: usize) -> Value {
    let limits = json!({"default": {"max_order_qty_lots": "100", "max_position_lots": null, "on_breach": "clip"},
        "instruments": {}});
    let accounts: Vec<Value> = (0..followers)
        .map(|n| {
            json!({"name": format!("f{n}"), "route": "r1", "account": format!("F{n}"), "currency": "USD",
                "symbols": {"EURUSD": "EURUSD"}, "restricted": [], "limits": limits})
        })
        .collect();
    let subscriptions: Vec<Value> = (0..followers)
        .map(|n| {
            json!({"name": format!("f{n}<alpha"), "follower": format!("f{n}"), "leader": "alpha",
                "sizing": {"mode": "multiplier", "k": "1"}, "max_ratio": "10", "rounding": "toward_zero",
                "max_inflation": "3", "reverse": false,
                "symbol_map": {"EURUSD": {"instrument": "EURUSD", "qty_factor": "1", "price_factor": "1"}},
                "filters": {"instruments": null, "side": "both", "min_order_qty": "0", "tags": []},
                "order_type": "market", "max_slippage_bps": "0", "max_age_ms": 60000,
                "account_max_age_ms": 3_600_000, "on_bust": "alert", "on_reject": "drop", "retry_window_ms": 0,
                "limits": limits})
        })
        .collect();
    json!({"deployment": "bench",
        "timing": {"dispatch_timeout_ms": 2000, "ack_timeout_ms": 5000, "settle_ms": 3000, "query_retry_ms": 5000,
            "close_retry_ms": 500, "close_retry_max_ms": 30000},
        "profiles": [{"name": "copygate44", "begin_string": "FIX.4.4"}],
        "instruments": [{"name": "EURUSD", "contract_size": "100000", "lot_step": "0.01", "min_lot": "0.01",
            "max_lot": null, "tick": "0.00001", "base": "EUR", "currency": "USD"}],
        "leaders": [{"name": "alpha", "session": "LEADER", "profile": "copygate44", "account": null,
            "currency": "USD", "symbols": {"EURUSD": "EURUSD"}, "assume_flat": true, "initial_positions": {}}],
        "routes": [{"name": "r1", "session": "R1", "profile": "copygate44"}],
        "followers": accounts, "subscriptions": subscriptions, "dispatch": "rotate"})
}

/// The same deployment with every limit set, none of which is reached.
fn limited(followers: usize) -> Value {
    let mut config = config(followers);
    let limits = json!({"totals": {"max_open_orders": 1_000_000, "max_exposure": "1000000000000", "max_leverage": "1000000"},
        "default": {"max_order_qty_lots": "100", "max_order_value": "1000000000", "price_collar_bps": "100",
            "max_position_lots": "1000000", "on_breach": "clip"}, "instruments": {}});
    let messages = json!({"per_s": 100_000, "burst": 1_000_000, "kept": 200_000});
    let guards = json!({"zone": "UTC", "day_begins_s": 0, "max_age_ms": 3_600_000, "rules": [
        {"rule": "equity_floor", "amount": "1"}, {"rule": "daily_loss", "percent": "50"},
        {"rule": "drawdown", "period": "week", "percent": "60"}]});
    let part = |config: &mut Value, key: &str, changes: &Value| {
        for one in config[key].as_array_mut().unwrap() {
            one.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        }
    };
    part(&mut config, "followers", &json!({"limits": limits, "messages": messages, "guards": guards}));
    part(&mut config, "routes", &json!({"messages": messages}));
    part(&mut config, "leaders", &json!({"inactive": {"down_ms": 60_000, "silent_ms": 60_000}}));
    let own = json!({"limits": limits, "max_drift_bps": "100", "max_amplification": "100"});
    part(&mut config, "subscriptions", &own);
    config["messages"] = messages;
    config["clock"] = json!({"max_error_us": 1_000});
    config["faults"] = json!({"reject_burst": 20, "reject_window_ms": 60_000, "repeated_copies": 100_000,
        "repeated_window_ms": 60_000});
    config
}

/// A leader's fill of 10,000 EURUSD: a new order each time.
fn fill(n: u64) -> Vec<u8> {
    let side = 1;
    let body = format!(
        "35=8|34={}|49=B|56=G|52=20231114-22:13:20.000|37=O{n}|11=C{n}|17=E{n}|150=F|39=2|55=EURUSD|54={side}|38=10000|\
         32=10000|31=1.1|151=0|14=10000|6=1.1|60=20231114-22:13:20.000|",
        n + 1
    );
    let mut message = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01").into_bytes();
    let sum = message.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    message.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    message
}

/// A broker's report that an order of 10,000 EURUSD is filled.
fn broker_fill(cl_ord_id: &str) -> Vec<u8> {
    let body = format!(
        "35=8|34=7|49=B|56=G|52=20231114-22:13:20.100|37=B{cl_ord_id}|11={cl_ord_id}|17=X{cl_ord_id}|150=F|39=2|\
         55=EURUSD|54=1|38=10000|32=10000|31=1.1|151=0|14=10000|6=1.1|60=20231114-22:13:20.100|"
    );
    format!("8=FIX.4.4|9={}|{body}10=000|", body.len()).replace('|', "\x01").into_bytes()
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
        let message = fill(n);
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
        let payload = fill(seq);
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
                    pipeline.submit("leader", "LEADER", &fill(thread * rows + n), NOW).unwrap();
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

/// A journal as trading leaves it: fills, and for each the route's rows: OUT, and every broker's report of the fill.
/// Answers how many events it holds: a route's rows are journaled in groups, and each of them is one.
fn trade(pipeline: &Pipeline<Engine>, fills: u64) -> u64 {
    let identity = b"r1/1";
    let hello = link::encode_hello("r1", 1, 1, 1, 0, &["R1"]).unwrap();
    pipeline.receive(identity, &hello, NOW).unwrap();
    let (mut row_no, mut events) = (0, 2);
    let mut rows = |list: Vec<Vec<u8>>| {
        let first = row_no + 1;
        row_no += list.len() as u64;
        let numbered =
            (first..).zip(&list).map(|(no, bytes)| (no, NOW, bytes.as_slice())).collect::<Vec<_>>();
        link::rows_frame(1, numbered.into_iter()).unwrap()
    };
    let encoded = |row: &Row<'_>| {
        let mut bytes = Vec::new();
        link::encode_row(row, &mut bytes).unwrap();
        bytes
    };
    let sync =
        rows(vec![encoded(&Row::Logon { session: "R1" }), encoded(&Row::Sync { incarnation: 1, epoch: 1 })]);
    pipeline.receive(identity, &sync, NOW).unwrap();
    for n in 0..fills {
        pipeline.drain(64).unwrap();
        pipeline.submit("leader", "LEADER", &fill(n), NOW).unwrap();
        let frames = pipeline.drain(64).unwrap();
        let mut list = Vec::new();
        for (_, frame) in &frames {
            if let Ok(link::Frame::Orders(orders)) = link::decode(frame) {
                let mut keys = link::KeysBuf::default();
                orders.iter().for_each(|o| keys.push(o.cl_ord_id, o.try_no).unwrap());
                list.push(encoded(&Row::Out { journal_no: orders.journal_no, keys: keys.as_keys() }));
                for o in orders.iter() {
                    let raw = broker_fill(o.cl_ord_id);
                    list.push(encoded(&Row::In { session: "R1", msg_seq_num: n, raw: &raw }));
                }
            }
        }
        events += 1 + list.len() as u64;
        pipeline.receive(identity, &rows(list), NOW).unwrap();
    }
    events
}

fn bench_replay(followers: usize, fills: u64) {
    let folder = tempfile::tempdir().unwrap();
    let text = config(followers).to_string();
    let pipeline = Pipeline::<Engine>::open(folder.path(), &text, Durability::Process, NOW).unwrap();
    let from = Instant::now();
    let events = trade(&pipeline, fills);
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
