//! How long a start takes: a journal of a million rows replayed, without a snapshot, and from the newest one.
//!
//! `cargo bench -p journal --bench recovery`; a number asks for so many rows, a second one for so many followers.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::cast_precision_loss)]
#![allow(clippy::float_arithmetic)]

mod shared;

use fastcore::engine::Engine;
use journal::{Durability, Pipeline, Replay};
use serde_json::{Value, json};
use shared::{NOW, Trade, config};
use std::path::Path;
use std::time::Instant;

/// `snapshot_rows` of the configuration: at most so many rows lie behind the newest snapshot.
const SNAPSHOT_ROWS: u64 = 100_000;

struct Bench<'a> {
    folder: &'a Path,
    text: String,
    followers: u64,
}

impl Bench<'_> {
    fn open(&self) -> Pipeline<Engine> {
        Pipeline::open(self.folder, &self.text, Durability::Process, NOW).unwrap()
    }

    /// A start as the core makes it, and the figures that go with it.
    fn start(&self, what: &str, replayed: u64) -> Pipeline<Engine> {
        let from = Instant::now();
        let pipeline = self.open();
        let seconds = from.elapsed().as_secs_f64();
        println!(
            "start {what}: {seconds:.3} s, {replayed} rows replayed, {:.0} rows/s, file {}",
            replayed as f64 / seconds,
            self.size()
        );
        pipeline
    }

    fn size(&self) -> String {
        let bytes: u64 =
            std::fs::read_dir(self.folder).unwrap().map(|f| f.unwrap().metadata().unwrap().len()).sum();
        format!("{} MiB", bytes / 1024 / 1024)
    }

    /// What a snapshot holds, and how long it takes to write it into memory alone.
    fn state_bytes(&self, head: u64) {
        let replay = Replay::<Engine>::open(self.folder, head, None).unwrap();
        let from = Instant::now();
        let bytes = replay.snapshot().len();
        println!(
            "state: {} MiB, written into memory in {:.3} s",
            bytes / 1024 / 1024,
            from.elapsed().as_secs_f64()
        );
    }

    /// Every fill was copied by every follower, and every copy filled.
    fn check(&self, pipeline: &Pipeline<Engine>, fills: u64) -> u64 {
        let status: Value = serde_json::from_str(&pipeline.status().unwrap()).unwrap();
        assert_eq!(status["leader_executions"], json!(fills), "fills");
        assert_eq!(status["follower_fills"], json!(fills * self.followers), "orders that were filled");
        status["pipeline"]["head"].as_u64().unwrap()
    }
}

fn bench(rows: u64, followers: u64) {
    let folder = tempfile::tempdir().unwrap();
    let text = config(usize::try_from(followers).unwrap()).to_string();
    let bench = Bench { folder: folder.path(), text, followers };
    let side = |n: u64| if n.is_multiple_of(2) { 1 } else { 2 };
    let pipeline = bench.open();
    let mut trade = Trade::begin(&pipeline);
    let fills = (rows - 3) / 2;
    let from = Instant::now();
    let events = trade.go_on(&pipeline, fills, side);
    println!(
        "written: {rows} rows with {events} events, {} orders of {followers} followers, in {:.1} s, file {}",
        fills * followers,
        from.elapsed().as_secs_f64(),
        bench.size()
    );
    let head = bench.check(&pipeline, fills);
    drop(pipeline);
    let pipeline = bench.start("without a snapshot", head);
    bench.check(&pipeline, fills);
    bench.state_bytes(head + 1);
    let from = Instant::now();
    pipeline.snapshot(NOW).unwrap();
    println!(
        "snapshot: taken in {:.3} s, during which the core stands; file {}",
        from.elapsed().as_secs_f64(),
        bench.size()
    );
    drop(pipeline);
    let pipeline = bench.start("from a snapshot alone", 1);
    let tail = SNAPSHOT_ROWS.min(rows / 10);
    let mut trade = trade.link(&pipeline);
    trade.go_on(&pipeline, tail / 2, side);
    drop(pipeline);
    let pipeline = bench.start("from a snapshot and the rows behind it", tail);
    bench.check(&pipeline, fills + tail / 2);
}

fn main() {
    // Only `cargo bench` says --bench: `cargo test` runs it small, so that it does not rot.
    let quick = !std::env::args().any(|arg| arg == "--bench");
    let asked: Vec<u64> = std::env::args().filter_map(|arg| arg.parse().ok()).collect();
    let rows = asked.first().copied().unwrap_or(if quick { 200 } else { 1_000_000 });
    bench(rows, asked.get(1).copied().unwrap_or(3));
}
