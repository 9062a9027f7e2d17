//! Hostile bytes: no panic, no wrap, no hang, and what always holds, holds.
//!
//! `cargo test` runs 20,000 inputs, the same each time. `make fuzz FUZZ_INPUTS=10000000 FUZZ_SEED=7` runs others, says what they
//! reached and how fast, and a failure names the command that repeats it.
#![allow(clippy::panic, clippy::cast_possible_truncation)]

mod frames;
mod hunt;
mod invariants;
mod messages;
mod mutate;
mod rng;
mod setup;
mod story;
#[allow(dead_code)] // the real messages' own test uses all of it
#[path = "../real_messages/support.rs"]
mod support;

use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use hunt::{hunt, reached};
use messages::{Memory, Seeds};

/// The FIX reader takes any bytes, and what it reads it can write.
#[test]
fn the_fix_reader_takes_any_bytes() {
    let (seeds, mut memory) = (Seeds::new(), Memory::default());
    let tally =
        hunt("the_fix_reader", 250, |rng, tally| messages::fix_reader(&seeds, rng, tally, &mut memory));
    reached(
        &tally,
        &["framed", "written again", "garbled: data length", "garbled: bad tag", "garbled: CheckSum"],
    );
}

/// Any message has a meaning under every venue's profile, or names the value that cannot be read.
#[test]
fn a_report_means_something_or_says_why_not() {
    let (seeds, all, mut fields) = (Seeds::new(), messages::profiles(), Vec::new());
    let tally = hunt("a_report", 250, |rng, tally| messages::meaning(&seeds, &all, rng, tally, &mut fields));
    reached(
        &tally,
        &["a fill", "trade cancel", "trade correct", "restated", "position", "quote", "is negative"],
    );
}

/// Frames and rows: what is read is written again byte for byte.
#[test]
fn a_frame_is_read_one_way() {
    let seeds = Seeds::new();
    let tally = hunt("a_frame", 150, |rng, tally| frames::decoder(&seeds, rng, tally));
    reached(&tally, &["orders", "rows", "a stored row", "not a frame"]);
}

/// The engine over events that lie, repeat, arrive late and make no sense.
#[test]
fn the_engine_keeps_its_books_whatever_comes() {
    let tally = hunt("the_engine", 300, story::play);
    reached(
        &tally,
        &[
            "orders",
            "closes",
            "cancels",
            "fills of followers",
            "order unknown",
            "order rejected",
            "refusal stale",
            "alert bust",
        ],
    );
}

/// A damaged snapshot is refused, or is a state that goes on: nothing else comes of it.
#[test]
fn a_damaged_snapshot_is_refused_or_goes_on() {
    let tally = hunt("a_damaged", 50, |rng, tally| {
        let (config, whole) = story::snapshot(rng);
        for _ in 0..32 {
            let mut bytes = whole.clone();
            mutate::bytes(rng, &mut bytes);
            let Ok(mut engine) = Engine::restore(config.clone(), &bytes) else {
                tally.note("refused");
                continue;
            };
            tally.note("read");
            for seq in 1..4 {
                let event =
                    Event { seq, at_ns: i64::MAX / 2, kind: EventKind::Timer, session: "", payload: b"" };
                engine.apply(&event, &mut fastcore::action::Discard);
            }
            let _shown = engine.status();
        }
        32
    });
    reached(&tally, &["refused", "read"]);
}
