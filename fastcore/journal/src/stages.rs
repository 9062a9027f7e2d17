//! When rows passed each stage: kept in memory, written with a later commit, summed up for the status.

use crate::log::Stage;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Instant;

/// Stages written at once.
const BATCH: usize = 64;
/// Rows that the percentiles look back on.
const WINDOW: usize = 4096;

/// A wall clock that runs on the monotonic one for the length of one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    wall_ns: i64,
    from: Instant,
}

impl Clock {
    pub(crate) fn now_ns(&self) -> i64 {
        let elapsed = i64::try_from(self.from.elapsed().as_nanos()).unwrap_or(i64::MAX);
        self.wall_ns.saturating_add(elapsed)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Stages {
    waiting: Vec<Stage>,
    in_flight: usize,
    window: VecDeque<[i64; 3]>,
}

impl Stages {
    pub(crate) fn begin(&self, wall_ns: i64) -> Clock {
        Clock { wall_ns, from: Instant::now() }
    }

    /// What the next commit should carry: nothing, or a full batch.
    pub(crate) fn due(&mut self) -> &[Stage] {
        self.in_flight = if self.waiting.len() >= BATCH { self.waiting.len() } else { 0 };
        self.waiting.get(..self.in_flight).unwrap_or(&[])
    }

    /// Everything, for a clean stop.
    pub(crate) fn take_all(&mut self) -> Vec<Stage> {
        self.in_flight = self.waiting.len();
        self.waiting.clone()
    }

    /// The commit that carried them was made.
    pub(crate) fn written(&mut self) {
        self.waiting.drain(..self.in_flight.min(self.waiting.len()));
        self.in_flight = 0;
    }

    pub(crate) fn push(&mut self, stage: Stage) {
        if self.window.len() >= WINDOW {
            self.window.pop_front();
        }
        self.window.push_back([
            stage.journaled_ns.saturating_sub(stage.received_ns),
            stage.decided_ns.saturating_sub(stage.journaled_ns),
            stage.queued_ns.saturating_sub(stage.received_ns),
        ]);
        self.waiting.push(stage);
    }

    /// Percentiles from the report's arrival in the core to its orders in the outbox, whole microseconds.
    pub(crate) fn latency_us(&self) -> Value {
        self.percentiles(2)
    }

    /// The same by stage: the journal's commit, then the decision.
    pub(crate) fn stages_us(&self) -> Value {
        json!({"journal": self.percentiles(0), "decide": self.percentiles(1)})
    }

    fn percentiles(&self, stage: usize) -> Value {
        let mut sorted: Vec<i64> = self.window.iter().filter_map(|s| s.get(stage)).copied().collect();
        sorted.sort_unstable();
        let at = |per_mille: usize| {
            let rank = sorted.len().saturating_mul(per_mille).div_ceil(1000);
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0).saturating_div(1000)
        };
        json!({"n": sorted.len(), "p50": at(500), "p90": at(900), "p99": at(990), "p99_9": at(999), "max": at(1000)})
    }
}
