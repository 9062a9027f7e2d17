//! When rows passed each stage: kept in memory, written with a later commit, summed up for the status.
//!
//! A reader must know whether the times of a row are still to come, or the log that it writes would depend on when it
//! looked. Times are written in the order of the rows and only by the process that wrote the rows. So the times of
//! row N are final once later times are there, or a later START: the process that held them in memory is gone.

use crate::error::{JournalError, Result};
use crate::log::Stage;
use crate::store::{signed, unsigned};
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::Path;
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

    /// Whether a quiet journal holds times back from its readers.
    pub(crate) fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
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

/// The last row whose stage times are final: written, or lost for good.
///
/// # Errors
/// [`JournalError::Sqlite`].
pub(crate) fn settled(conn: &Connection, path: &Path) -> Result<u64> {
    let fail = |e| JournalError::sqlite(path, "read which stages are final", e);
    let written: i64 =
        conn.query_row("SELECT coalesce(max(seq), 0) FROM stages", [], |r| r.get(0)).map_err(fail)?;
    // Few rows lie behind the last stage, so this needs no index.
    let started: Option<i64> = conn
        .query_row("SELECT max(seq) FROM rows WHERE seq > ?1 AND kind = 'start'", [written], |r| r.get(0))
        .map_err(fail)?;
    let lost = started.unwrap_or(0).saturating_sub(1);
    Ok(unsigned(written.max(lost)))
}

/// The stage times of the rows `first..=last`, in order; a row without any is left out.
///
/// Read after [`settled`] said that `last` is final, so that nothing can come later.
///
/// # Errors
/// [`JournalError::Sqlite`].
pub(crate) fn between(conn: &Connection, path: &Path, first: u64, last: u64) -> Result<VecDeque<Stage>> {
    let fail = |e| JournalError::sqlite(path, format!("read stages from {first} to {last}"), e);
    let sql = "SELECT seq, received_ns, journaled_ns, decided_ns, queued_ns FROM stages \
               WHERE seq BETWEEN ?1 AND ?2 ORDER BY seq";
    let mut statement = conn.prepare_cached(sql).map_err(fail)?;
    let found = statement
        .query_map(params![signed(first)?, signed(last)?], |r| {
            Ok(Stage {
                seq: unsigned(r.get(0)?),
                received_ns: r.get(1)?,
                journaled_ns: r.get(2)?,
                decided_ns: r.get(3)?,
                queued_ns: r.get(4)?,
            })
        })
        .map_err(fail)?;
    found.collect::<rusqlite::Result<_>>().map_err(fail)
}
