//! Runs inputs by number, watches their time, counts what they reached, and says how to run one again.

use crate::rng::Rng;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// Inputs of all targets together when nobody asks for more: a few seconds.
const INPUTS: u64 = 20_000;
/// Of one target at least.
const INPUTS_MIN: u64 = 200;
/// A unit that takes longer hangs, and the program is ended: the slowest that were seen take milliseconds.
const HANG: Duration = Duration::from_secs(20);

/// What inputs came to, and how many of each.
#[derive(Default)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    pub fn add(&mut self, what: &str, times: u64) {
        match self.0.get_mut(what) {
            Some(n) => *n += times,
            None => drop(self.0.insert(what.to_owned(), times)),
        }
    }

    pub fn note(&mut self, what: &str) {
        self.add(what, 1);
    }

    pub fn has(&self, what: &str) -> bool {
        self.0.contains_key(what)
    }
}

fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|n| n.parse().ok())
}

fn again(target: &str, seed: u64, number: u64) -> String {
    format!(
        "FUZZ_SEED={seed} FUZZ_ONLY={number} cargo test --profile tested -p {} --test fuzz {target} -- --nocapture",
        env!("CARGO_PKG_NAME")
    )
}

/// Ends the program when one unit takes too long: a loop that never ends would say nothing.
fn watch(target: &'static str, seed: u64, at: Arc<AtomicU64>) -> mpsc::Sender<()> {
    let (done, waits) = mpsc::channel();
    std::thread::spawn(move || {
        let mut last = u64::MAX;
        while waits.recv_timeout(HANG) == Err(RecvTimeoutError::Timeout) {
            let now = at.load(Ordering::Relaxed);
            if now == last {
                eprintln!("{target}: unit {now} does not end: {}", again(target, seed, now));
                std::process::abort();
            }
            last = now;
        }
    });
    done
}

/// Runs units until `per_mille` of the inputs that are asked for (`FUZZ_INPUTS`) are done, and some hundred at least. A unit
/// answers how many inputs it was. `FUZZ_SEED` makes other ones, `FUZZ_ONLY` runs one unit alone.
pub fn hunt(
    target: &'static str,
    per_mille: u64,
    mut unit: impl FnMut(&mut Rng, &mut Tally) -> u64,
) -> Tally {
    let (seed, only) = (asked("FUZZ_SEED").unwrap_or(1), asked("FUZZ_ONLY"));
    let wanted = asked("FUZZ_INPUTS").unwrap_or(INPUTS) * per_mille / 1_000;
    let wanted = wanted.max(INPUTS_MIN);
    let at = Arc::new(AtomicU64::new(0));
    let done = watch(target, seed, Arc::clone(&at));
    let (mut tally, mut inputs, mut slowest) = (Tally::default(), 0, (Duration::ZERO, 0));
    let from = Instant::now();
    let mut number = only.unwrap_or(0);
    while inputs < wanted {
        at.store(number, Ordering::Relaxed);
        let mut rng = Rng::of(seed, target, number);
        let began = Instant::now();
        match catch_unwind(AssertUnwindSafe(|| unit(&mut rng, &mut tally))) {
            Ok(n) => {
                let each = began.elapsed() / u32::try_from(n.max(1)).unwrap_or(1);
                slowest = slowest.max((each, number));
                inputs += n.max(1);
            }
            Err(why) => {
                eprintln!("{target}: unit {number} fails. Again: {}", again(target, seed, number));
                resume_unwind(why);
            }
        }
        if only.is_some() {
            break;
        }
        number += 1;
    }
    drop(done);
    let rate = u128::from(inputs) * 1_000 / from.elapsed().as_millis().max(1);
    println!(
        "{target}: {inputs} inputs, {rate}/s, seed {seed}, slowest {} µs an input (unit {})",
        slowest.0.as_micros(),
        slowest.1
    );
    let mut kinds: Vec<_> = tally.0.iter().collect();
    kinds.sort_by_key(|(_, n)| std::cmp::Reverse(**n));
    kinds.iter().for_each(|(what, n)| println!("  {n:>12}  {what}"));
    tally
}

/// At the usual number of inputs and above, each of these was reached: else the inputs do not get where they should.
pub fn reached(tally: &Tally, what: &[&str]) {
    if asked("FUZZ_ONLY").is_none() && asked("FUZZ_INPUTS").unwrap_or(INPUTS) >= INPUTS {
        what.iter().for_each(|kind| assert!(tally.has(kind), "no input came to {kind:?}"));
    }
}
