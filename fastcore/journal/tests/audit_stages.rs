//! Audit entries carry stage times, and are the same bytes whenever the journal is read.
#![allow(clippy::unwrap_used)]
mod common;

use common::{CONFIG, Toy};
use fastcore::action::{Decision, Outcome, Sink};
use fastcore::decimal::Dec;
use fastcore::event::{Event, EventKind};
use journal::{Core, Durability, Pipeline, Replay, Result};
use serde_json::{Value, json};
use std::path::Path;

/// The toy core, with one decision for each leader row; a row "fill" also fills its order.
struct Decider(Toy);

impl Core for Decider {
    fn fresh(config_json: &str) -> Result<Self> {
        Toy::fresh(config_json).map(Self)
    }
    fn restored(config_json: &str, state: &[u8]) -> Result<Self> {
        Toy::restored(config_json, state).map(Self)
    }
    fn apply<S: Sink>(&mut self, event: &Event<'_>, sink: &mut S) {
        self.0.apply(event, sink);
        if event.kind != EventKind::Leader {
            return;
        }
        sink.decision(&Decision {
            sub: 0,
            order_id: b"O1",
            cl_ord_id: b"L1",
            exec_id: b"E1",
            instrument: "EURUSD",
            leader_delta: Dec::ONE,
            leader_position: Dec::ONE,
            px: None,
            ratio: None,
            target_before: 0,
            target_after: 1,
            step: Dec::ONE,
            conversion: None,
            refusals: &[],
            orders: &[],
            held_back: None,
            k: 1,
            n: 1,
        });
        let filled = |px| Outcome {
            sub: 0,
            cl_ord_id: b"C1",
            state: "filled",
            qty: Dec::ONE,
            cum_qty: Dec::ONE,
            px,
            moved: None,
            at_ns: 77,
        };
        if event.payload == b"fill" {
            sink.outcome(&filled(None));
            sink.outcome(&filled(Some(Dec::ONE)));
        }
    }
    fn next_due_ns(&self) -> Option<i64> {
        self.0.next_due_ns()
    }
    fn digest(&self) -> u128 {
        self.0.digest()
    }
    fn snapshot(&self) -> Vec<u8> {
        self.0.snapshot()
    }
    fn status(&self) -> Value {
        self.0.status()
    }
    fn route_name(&self, route: u32) -> &str {
        self.0.route_name(route)
    }
    fn route_index(&self, name: &str) -> Option<u32> {
        self.0.route_index(name)
    }
    fn last_msg_seq_num(&self, session: &str) -> Option<u64> {
        self.0.last_msg_seq_num(session)
    }
}

type Entries = Vec<(u64, String, String)>;

fn open(folder: &Path, now_ns: i64) -> Pipeline<Decider> {
    Pipeline::open(folder, CONFIG, Durability::Process, now_ns).unwrap()
}

fn follow(folder: &Path) -> Replay<Decider> {
    Replay::open(folder, 0, None).unwrap()
}

fn stages(entries: &Entries, kind: &str) -> Vec<(u64, Value)> {
    let read = |e: &(u64, String, String)| serde_json::from_str::<Value>(&e.2).unwrap()["stages"].clone();
    entries.iter().filter(|e| e.1 == kind).map(|e| (e.0, read(e))).collect()
}

/// A decision has its four times in order, and waits for them.
#[test]
fn a_decision_waits_for_its_stage_times() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path(), 1_000);
    pipeline.submit("leader", "L", b"x", 2_000).unwrap();
    let mut replay = follow(folder.path());
    assert!(replay.step(9).unwrap().is_empty());
    pipeline.beat(3_000).unwrap();
    let found = stages(&replay.step(9).unwrap(), "decision");
    assert_eq!(found.len(), 1);
    let at = |name: &str| found[0].1[name].as_str().unwrap().parse::<i64>().unwrap();
    let times = ["received_ns", "journaled_ns", "decided_ns", "queued_ns"].map(at);
    assert_eq!(times[0], 2_000);
    assert!(times.is_sorted(), "{times:?}");
}

/// Times that a killed core took with it are absent, once its successor's START proves that they never come.
#[test]
fn times_lost_with_a_killed_core_are_absent_for_every_reader() {
    let folder = tempfile::tempdir().unwrap();
    let killed = open(folder.path(), 1_000);
    killed.submit("leader", "L", b"x", 2_000).unwrap();
    killed.beat(2_500).unwrap();
    killed.submit("leader", "L", b"y", 3_000).unwrap();
    drop(killed);
    let mut early = follow(folder.path());
    let mut seen = early.step(9).unwrap();
    assert_eq!(early.position(), 2, "row 3 is not final yet");
    let next = open(folder.path(), 4_000);
    seen.extend(early.step(9).unwrap());
    assert_eq!(early.position(), 3, "the successor's own START still waits for its times");
    next.submit("leader", "L", b"z", 5_000).unwrap();
    next.close().unwrap();
    // One row at a time, as a reader that is always close behind.
    while early.position() < 5 {
        seen.extend(early.step(1).unwrap());
    }
    assert_eq!(seen, follow(folder.path()).step(99).unwrap(), "late and early reader say the same");
    let found = stages(&seen, "decision");
    assert_eq!(
        found.iter().map(|(row, s)| (*row, s.is_null())).collect::<Vec<_>>(),
        [(2, false), (3, true), (5, false)]
    );
}

/// A fill is one outcome: with its price, and the time at which the route wrote it down.
#[test]
fn a_fill_is_one_outcome_with_the_routes_time() {
    let folder = tempfile::tempdir().unwrap();
    let pipeline = open(folder.path(), 1_000);
    pipeline.submit("leader", "L", b"fill", 2_000).unwrap();
    pipeline.close().unwrap();
    let entries = follow(folder.path()).step(9).unwrap();
    assert_eq!(stages(&entries, "outcome"), [(2, json!({"filled_ns": "77"}))]);
    assert!(entries.iter().any(|e| e.1 == "outcome" && e.2.contains(r#""px":"1""#)), "{entries:?}");
}
