//! The same count over the whole pipeline: journal row, engine and the real outbox, on the thread that took the fill.
#![allow(clippy::indexing_slicing)]

#[path = "../../tests/allocations/counting.rs"]
mod counting;
#[allow(dead_code)] // the core's own test uses all of it
#[path = "../../tests/allocations/deployment.rs"]
mod deployment;

use counting::allocations;
use deployment::{config, leader_fill};
use fastcore::engine::Engine;
use fastcore::link::{self, Frame, Row, RowRef};
use journal::{Durability, Pipeline};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const NOW: i64 = 1_700_000_000_000_000_000;
/// Fills up to the one that is measured. No broker answers: the fifth makes a list of every line's orders.
const FILLS: u64 = 8;
/// Row, frame and identity are copied; SQLite's own memory is not Rust's.
const OF_THE_FILL_MAX: u64 = 24;

/// Allocations of the last fill, from the report's bytes to the frame in the outbox.
fn measured(followers: usize) -> u64 {
    let folder = tempfile::tempdir().unwrap();
    let text = config(followers, |_| {});
    let pipeline = Pipeline::<Engine>::open(folder.path(), &text, Durability::Process, NOW).unwrap();
    let sync = RowRef { row_no: 1, at_ns: NOW, row: Row::Sync { incarnation: 1, epoch: pipeline.epoch() } };
    let hello = link::encode_hello("r", 1, pipeline.epoch(), 1, 0, &["R"]).unwrap();
    pipeline.receive(b"r/1", &hello, NOW).unwrap();
    pipeline.receive(b"r/1", &link::encode_rows(1, &[sync]).unwrap(), NOW).unwrap();
    let mut last = 0;
    for n in 1..=FILLS {
        // Time passes: memory for what comes is made.
        (0..40).for_each(|_| assert!(pipeline.submit("session", "L", b"up", NOW).unwrap() > 0));
        pipeline.drain(64).unwrap();
        let raw = leader_fill(n, true, 10, NOW);
        last = allocations(|| assert!(pipeline.submit("leader", "L", &raw, NOW).unwrap() > 0));
        let frames = pipeline.drain(64).unwrap();
        let Ok(Frame::Orders(orders)) = link::decode(&frames[0].1) else { panic!("no orders") };
        assert_eq!((frames.len(), orders.iter().count()), (1, followers));
    }
    last
}

/// A thousand followers cost the thread of the leader's session as many allocations as ten do.
#[test]
fn a_fill_through_the_pipeline_asks_for_no_memory_per_follower() {
    let (few, many) = (measured(10), measured(1_000));
    assert_eq!(few, many);
    assert!(many <= OF_THE_FILL_MAX, "{many}");
}
