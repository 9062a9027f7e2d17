//! What another configuration would have made of a recording (decision 0015).
//!
//! Three engines go through the same rows. The first one replays what happened, with its digests. The other two play the
//! leaders, quotes, account values and commands of the recording on brokers on paper: one under the recording's own
//! configuration, one under the other. What differs between these two is the configurations' doing and nothing else's.

mod facts;
mod paper;
mod prices;
mod resting;
mod side;
mod tally;

use crate::error::{JournalError, Result};
use crate::log::{JournalRow, read_head, read_last_start, read_rows, reader, require_journal};
use crate::segment::{Follower, canonical, start_config};
use crate::store::open_reader;
use facts::{account_values, is_global_stop, own_stop};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::sizing::Values;
use rusqlite::Connection;
use serde_json::{Value, json};
use side::{Side, Step};
use std::path::{Path, PathBuf};
use tally::{Tally, Told};

/// Rows read in one short transaction: a writer beside us is not held up.
const BATCH: usize = 1_024;

/// The recording's own engine, as in any replay.
struct Recorded {
    follower: Follower<Engine>,
    tally: Tally,
    told: Told<false>,
    /// Account values that were passed on, by follower.
    values: Vec<Values>,
}

/// A recording that is played under two configurations.
pub struct WhatIf {
    conn: Connection,
    path: PathBuf,
    /// The first configuration of the recording.
    first_config: String,
    from_ns: Option<i64>,
    to_ns: Option<i64>,
    /// Last row that is read: what is written meanwhile is not.
    upto: u64,
    position: u64,
    recorded: Recorded,
    old: Side,
    new: Side,
    /// Counting has begun.
    begun: bool,
    /// Stops of everything before it began, since the last release.
    stops: Vec<Vec<u8>>,
    /// First and last row that was counted, with their times.
    first: Option<(u64, i64)>,
    last: (u64, i64),
    /// START rows that changed the recording's configuration, counted or not.
    changes: Vec<u64>,
}

impl WhatIf {
    /// Opens a journal, beside its writer if it has one, with another configuration as JSON.
    ///
    /// Rows before `from_ns` are played with everything stopped: both sides begin flat, and know the leaders' positions,
    /// account values and prices. Rows at or after `to_ns` are not read.
    ///
    /// # Errors
    /// [`JournalError`]: missing, damaged or empty file, another engine version, a configuration that the engine refuses.
    pub fn open(path: &Path, config_json: &str, from_ns: Option<i64>, to_ns: Option<i64>) -> Result<Self> {
        let config = canonical(config_json)?;
        let new = Side::keeping(config)?;
        let (conn, path) = named(path)?;
        require_journal(&conn, &path)?;
        let upto = read_head(&conn, &path)?;
        let first = read_rows(&conn, &path, 0, 1)?.pop();
        let first =
            first.ok_or_else(|| JournalError::Config(format!("{}: it has no rows yet", path.display())))?;
        let follower = Follower::begin(&path, &first)?;
        let first_config = start_config(&path, &first)?;
        Ok(Self {
            recorded: Recorded {
                follower,
                tally: Tally::default(),
                told: Told::default(),
                values: Vec::new(),
            },
            old: Side::following(&first_config)?,
            new,
            conn,
            path,
            first_config,
            from_ns,
            to_ns,
            upto,
            position: 0,
            begun: from_ns.is_none(),
            stops: Vec::new(),
            first: None,
            last: (0, 0),
            changes: Vec::new(),
        })
    }

    /// The first configuration of the recording, as JSON.
    #[must_use]
    pub fn recorded_config(&self) -> &str {
        &self.first_config
    }

    /// Plays at most `max_rows` rows; answers how many, 0 at the end.
    ///
    /// # Errors
    /// [`JournalError::Mismatch`] when the live run decided otherwise; [`JournalError::Corrupt`]; [`JournalError::Config`]
    /// when the recording changed its configuration in a way that its own side cannot follow.
    pub fn step(&mut self, max_rows: usize) -> Result<usize> {
        let left = usize::try_from(self.upto.saturating_sub(self.position)).unwrap_or(BATCH);
        let rows = read_rows(&self.conn, &self.path, self.position, max_rows.min(BATCH).min(left))?;
        let mut script = Vec::with_capacity(rows.len());
        for row in &rows {
            if self.to_ns.is_some_and(|to| row.at_ns >= to) {
                self.upto = self.position;
                break;
            }
            self.row(row, &mut script)?;
            self.position = row.seq;
        }
        self.play(&script)?;
        Ok(rows.len())
    }

    /// Replays a row as it was, and writes down what both sides play of it.
    fn row<'a>(&mut self, row: &'a JournalRow, script: &mut Vec<Step<'a>>) -> Result<()> {
        if !self.begun && self.from_ns.is_some_and(|from| row.at_ns >= from) {
            self.begin(row.at_ns, script);
        }
        if self.begun {
            self.first = self.first.or(Some((row.seq, row.at_ns)));
            self.last = (row.seq, row.at_ns);
        }
        if row.kind == EventKind::Start {
            self.start(row, script)?;
        }
        let Recorded { follower, tally, told, values } = &mut self.recorded;
        follower.step(&self.path, row, told)?;
        if row.kind == EventKind::Start {
            tally.trades.learn(&follower.core);
        }
        tally.take(&follower.core, told);
        let values = account_values(&follower.core, row, values);
        script.extend(values.into_iter().map(|(name, command)| Step::Values(name, command, row.at_ns)));
        if self.begun || row.kind != EventKind::Operator || !self.held_back(&row.payload) {
            script.push(Step::Row(row));
        }
        Ok(())
    }

    fn start(&mut self, row: &JournalRow, script: &mut Vec<Step<'_>>) -> Result<()> {
        let config = start_config(&self.path, row)?;
        if row.seq > 1 {
            let before = read_last_start(&self.conn, &self.path, row.seq.saturating_sub(1))?;
            let before = before.map(|start| start_config(&self.path, &start)).transpose()?;
            if before.as_ref() != Some(&config) {
                self.changes.push(row.seq);
            }
        }
        script.push(Step::Start { row: row.seq, at_ns: row.at_ns, config });
        if !self.begun {
            script.push(Step::Command(own_stop(true), row.at_ns));
        }
        Ok(())
    }

    /// Counting begins: what was stopped for it is released, and what was recorded as stopped is stopped.
    fn begin(&mut self, at_ns: i64, script: &mut Vec<Step<'_>>) {
        self.begun = true;
        if self.recorded.follower.seq > 0 {
            script.push(Step::Command(own_stop(false), at_ns));
            let stops = std::mem::take(&mut self.stops).into_iter();
            script.extend(stops.map(|stop| Step::Command(stop, at_ns)));
        }
        script.push(Step::Begin);
        self.recorded.tally.begin(&self.recorded.follower.core);
    }

    /// Everything is stopped before counting begins: a recorded stop of everything waits, its release ends the wait.
    fn held_back(&mut self, payload: &[u8]) -> bool {
        match is_global_stop(payload) {
            Some(true) => self.stops.push(payload.to_vec()),
            Some(false) => self.stops.clear(),
            None => return false,
        }
        true
    }

    /// Both sides know nothing of each other: each has a thread.
    fn play(&mut self, script: &[Step<'_>]) -> Result<()> {
        let (old, new) = (&mut self.old, &mut self.new);
        let (old, new) = std::thread::scope(|scope| {
            let old = scope.spawn(|| old.play(script));
            let new = new.play(script);
            let bug = |_| Err(JournalError::Internal("what-if: a panic left one side half done".to_owned()));
            (old.join().unwrap_or_else(bug), new)
        });
        old.map_err(|e| self.of_this_file(e))?;
        new
    }

    fn of_this_file(&self, error: JournalError) -> JournalError {
        match error {
            JournalError::Config(why) => JournalError::Config(format!("{}: {why}", self.path.display())),
            other => other,
        }
    }

    /// What both sides came to, and what was recorded, as JSON. Quantities are units, decimals and times text.
    #[must_use]
    pub fn report(&self) -> String {
        let (first, first_ns) = self.first.unwrap_or_default();
        let (last, last_ns) = self.last;
        let rows = if self.first.is_some() { last.saturating_sub(first).saturating_add(1) } else { 0 };
        let recorded: Value = self.recorded.tally.report(&self.recorded.follower.core);
        json!({"rows": rows, "rows_read": self.position, "first_row": first, "last_row": last,
            "first_ns": first_ns.to_string(), "last_ns": last_ns.to_string(), "config_changes": self.changes,
            "unknown": self.new.unknown(), "recorded": recorded, "old": self.old.report(), "new": self.new.report()})
        .to_string()
    }
}

/// A recording may have any name: only a folder is looked into.
fn named(path: &Path) -> Result<(Connection, PathBuf)> {
    if path.is_file() { Ok((open_reader(path)?, path.to_owned())) } else { reader(path) }
}
