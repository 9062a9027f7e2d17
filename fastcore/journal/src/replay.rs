//! A read-only follower of a journal: the audit process derives its entries with the engine that decided.

use crate::audit_entry::Collector;
use crate::core::Core;
use crate::error::{JournalError, Result};
use crate::log::{
    JournalRow, Snapshot, read_ahead, read_head, read_last_start, read_rows, read_snapshot, reader,
};
use crate::segment::{Follower, durability_of, start_config};
use crate::stages;
use crate::store::Durability;
use crate::sync::Gate;
use fastcore::action::Discard;
use fastcore::event::EventKind;
use rusqlite::Connection;
use std::path::{Path, PathBuf};

pub use crate::audit_entry::Entry;

/// Follows the tail of a journal beside its writer.
pub struct Replay<C> {
    conn: Connection,
    path: PathBuf,
    follower: Option<Follower<C>>,
    collector: Collector,
    /// Syncs what it read, where rows must survive a power loss: what is derived from them must not outlive them.
    gate: Option<Gate>,
}

impl<C: Core> Replay<C> {
    /// Opens the journal so that the first entry comes from the row after `from_seq`.
    ///
    /// `state` is what [`Replay::snapshot`] gave at `from_seq`; without it the journal's own snapshot or its first
    /// row is the beginning, and the rows up to `from_seq` are replayed silently.
    ///
    /// # Errors
    /// [`JournalError`]: missing or damaged file, another engine version, a replay that decides otherwise.
    pub fn open(path: &Path, from_seq: u64, state: Option<&[u8]>) -> Result<Self> {
        let (conn, path) = reader(path)?;
        let given = state.map(|bytes| unpack(&path, from_seq, bytes)).transpose()?;
        let snapshot = match given {
            Some(snapshot) => Some(snapshot),
            None => read_snapshot(&conn, &path, from_seq)?,
        };
        let mut gate = None;
        let follower = match snapshot {
            None => None,
            Some(snapshot) => {
                let start = read_last_start(&conn, &path, snapshot.seq)?
                    .ok_or_else(|| JournalError::corrupt(&path, 1, "a journal begins with a START row"))?;
                gate = gate_of(&path, &start)?;
                Some(Follower::at(&path, &start, &snapshot)?)
            }
        };
        let mut replay = Self { conn, path, follower, collector: Collector::default(), gate };
        let (file, position) = (replay.path.clone(), replay.position());
        read_ahead(&file, position, from_seq, |row| replay.silently(row))?;
        replay.settle(from_seq)?;
        let config = replay.config()?;
        if !config.is_empty() {
            replay.collector.learn(&config);
        }
        Ok(replay)
    }

    /// Applies at most `max_rows` rows and answers what they derived.
    ///
    /// Stops before rows whose stage times may still come: the entries are a function of the journal alone.
    ///
    /// # Errors
    /// [`JournalError::Mismatch`] when the live run decided otherwise; [`JournalError::Corrupt`].
    pub fn step(&mut self, max_rows: usize) -> Result<Vec<Entry>> {
        // Asked for first: what is final now, the reads below see.
        let settled = stages::settled(&self.conn, &self.path)?.saturating_sub(self.position());
        let limit = max_rows.min(usize::try_from(settled).unwrap_or(max_rows));
        let first = self.position().saturating_add(1);
        let rows = read_rows(&self.conn, &self.path, self.position(), limit)?;
        let Some(last) = rows.last() else { return Ok(self.collector.take()) };
        self.collector.stages = stages::between(&self.conn, &self.path, first, last.seq)?;
        for row in &rows {
            self.begins(row)?;
            let Some(follower) = self.follower.as_mut() else { continue };
            self.collector.row(row);
            if row.kind == EventKind::Start {
                self.collector.learn(&start_config(&self.path, row)?);
            }
            follower.step(&self.path, row, &mut self.collector)?;
        }
        self.settle(last.seq)?;
        Ok(self.collector.take())
    }

    /// What a row needs before it is applied: START rows say what rows survive, the first one makes the core.
    fn begins(&mut self, row: &JournalRow) -> Result<()> {
        if row.kind == EventKind::Start {
            self.gate = gate_of(&self.path, row)?;
        }
        if self.follower.is_none() {
            self.follower = Some(Follower::begin(&self.path, row)?);
        }
        Ok(())
    }

    fn silently(&mut self, row: &JournalRow) -> Result<()> {
        self.begins(row)?;
        self.follower.as_mut().map_or(Ok(()), |follower| follower.step(&self.path, row, &mut Discard))
    }

    /// Rows up to `seq` were read: what is derived from them may be told once they are durable.
    fn settle(&self, seq: u64) -> Result<()> {
        self.gate.as_ref().map_or(Ok(()), |gate| {
            gate.wrote(seq);
            gate.wait(seq)
        })
    }

    /// Last row that was applied.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.follower.as_ref().map_or(0, |f| f.seq)
    }

    /// The configuration in force at [`Replay::position`], as JSON; empty before the first row.
    ///
    /// # Errors
    /// [`JournalError`]: the journal's START row cannot be read.
    pub fn config(&self) -> Result<String> {
        let start = read_last_start(&self.conn, &self.path, self.position())?;
        start.map_or_else(|| Ok(String::new()), |row| start_config(&self.path, &row))
    }

    /// Last row in the journal.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn head(&self) -> Result<u64> {
        read_head(&self.conn, &self.path)
    }

    /// The state at [`Replay::position`], for [`Replay::open`]; empty before the first row.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        let Some(follower) = &self.follower else { return Vec::new() };
        let mut bytes = follower.seq.to_be_bytes().to_vec();
        bytes.extend_from_slice(&follower.core.digest().to_be_bytes());
        bytes.extend_from_slice(&follower.core.snapshot());
        bytes
    }

    /// The engine's status at this row, as JSON.
    #[must_use]
    pub fn status(&self) -> String {
        self.follower.as_ref().map_or_else(|| "{}".to_owned(), |f| f.core.status().to_string())
    }
}

/// The gate of rows behind this START row; none where a commit is enough, or where the log is written back already.
fn gate_of(path: &Path, start: &JournalRow) -> Result<Option<Gate>> {
    let power = durability_of(start) == Some(Durability::Power);
    if power {
        Gate::over(path).map(Some).or_else(|e| if is_missing(&e) { Ok(None) } else { Err(e) })
    } else {
        Ok(None)
    }
}

fn is_missing(error: &JournalError) -> bool {
    matches!(error, JournalError::Io { source, .. } if source.kind() == std::io::ErrorKind::NotFound)
}

fn unpack(path: &Path, from_seq: u64, bytes: &[u8]) -> Result<Snapshot> {
    let wrong = || JournalError::corrupt(path, from_seq, "the given state is not of this row");
    let (seq, rest) = bytes.split_first_chunk::<8>().ok_or_else(wrong)?;
    let (digest, state) = rest.split_first_chunk::<16>().ok_or_else(wrong)?;
    if u64::from_be_bytes(*seq) != from_seq {
        return Err(wrong());
    }
    Ok(Snapshot { seq: from_seq, digest: u128::from_be_bytes(*digest), state: state.to_vec() })
}
