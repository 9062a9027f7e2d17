//! The journal file: numbered rows, each with its checksum and the digest of everything decided before it.

use crate::checkpoint::Checkpointer;
use crate::error::{JournalError, Result};
use crate::store::{Durability, FolderLock, open_reader, open_writer, resolve, signed, unsigned};
use crate::sync::Gate;
use fastcore::event::EventKind;
use rusqlite::{Connection, OptionalExtension, Row as SqlRow, params};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::Xxh3;

const APPLICATION_ID: i32 = 0x4347_4a31;
const SCHEMA: &str = "
CREATE TABLE rows (seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, kind TEXT NOT NULL, session TEXT NOT NULL,
  payload BLOB NOT NULL, prev_digest BLOB NOT NULL, sum BLOB NOT NULL) STRICT;
CREATE TABLE stages (seq INTEGER PRIMARY KEY, received_ns INTEGER NOT NULL, journaled_ns INTEGER NOT NULL,
  decided_ns INTEGER NOT NULL, queued_ns INTEGER NOT NULL) STRICT;
CREATE TABLE snapshots (seq INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, digest BLOB NOT NULL, state BLOB NOT NULL,
  sum BLOB NOT NULL) STRICT;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
";
const ROW_COLUMNS: &str = "SELECT seq, at_ns, kind, session, payload, prev_digest, sum FROM rows";
/// Snapshots kept: the newest, and one before it should the newest be damaged.
const SNAPSHOTS_KEPT: i64 = 2;

/// One row as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JournalRow {
    /// Number, from 1, without gaps.
    pub seq: u64,
    /// Time, nanoseconds since 1970, rising.
    pub at_ns: i64,
    /// What happened.
    pub kind: EventKind,
    /// Leader session or route.
    pub session: String,
    /// Bytes as received.
    pub payload: Vec<u8>,
    /// Digest of all decisions before this row.
    pub prev_digest: u128,
}

/// When a row passed each stage, nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Row.
    pub seq: u64,
    /// Handed to us.
    pub received_ns: i64,
    /// Committed.
    pub journaled_ns: i64,
    /// Applied.
    pub decided_ns: i64,
    /// In the outbox.
    pub queued_ns: i64,
}

/// A stored engine state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The row after which it was taken.
    pub seq: u64,
    /// Digest at that point.
    pub digest: u128,
    /// `Engine::snapshot` bytes.
    pub state: Vec<u8>,
}

/// The writing side. One per file: the folder is locked while it lives.
#[derive(Debug)]
pub struct Journal {
    /// First: it ends before the connection that closes the file.
    _checkpointer: Checkpointer,
    conn: Connection,
    path: PathBuf,
    head: u64,
    last_at_ns: i64,
    durability: Durability,
    _lock: FolderLock,
}

impl Journal {
    /// Opens or makes the journal behind `path` (a `.db` file or a folder).
    ///
    /// # Errors
    /// [`JournalError`] when the folder is locked, or the file cannot be used.
    pub fn open(path: &Path, durability: Durability) -> Result<Self> {
        let path = resolve(path, "journal.db");
        let mut lock = FolderLock::take(&path)?;
        let conn = open_writer(&path, APPLICATION_ID, SCHEMA, &mut lock)?;
        let last: Option<(i64, i64)> = conn
            .query_row("SELECT seq, at_ns FROM rows ORDER BY seq DESC LIMIT 1", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })
            .optional()
            .map_err(|e| JournalError::sqlite(&path, "read the last row", e))?;
        let (head, last_at_ns) = last.unwrap_or((0, 0));
        let _checkpointer = Checkpointer::start(&path)?;
        Ok(Self { _checkpointer, conn, path, head: unsigned(head), last_at_ns, durability, _lock: lock })
    }

    /// The gate that rows pass to be durable; every row so far has passed it.
    ///
    /// # Errors
    /// [`JournalError`] as for any write.
    pub(crate) fn gate(&self) -> Result<Gate> {
        self.durability.gate(&self.conn, &self.path, self.head)
    }

    /// Caps the file's size, so that tests can fill the disk.
    #[doc(hidden)]
    pub fn limit_pages(&self, pages: u32) -> Result<()> {
        let limit = |_: &SqlRow<'_>| Ok(());
        self.conn
            .query_row(&format!("PRAGMA max_page_count={pages}"), [], limit)
            .map_err(|e| JournalError::sqlite(&self.path, "cap the file", e))
    }

    /// Forgets that the last row was written, as after a commit that was answered with an error; for tests.
    #[doc(hidden)]
    pub fn forget_head(&mut self) {
        self.head = self.head.saturating_sub(1);
    }

    /// Number of the last row; 0 when empty.
    #[must_use]
    pub const fn head(&self) -> u64 {
        self.head
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The time of the last row; 0 when empty.
    #[must_use]
    pub const fn last_at_ns(&self) -> i64 {
        self.last_at_ns
    }

    /// Appends one row, and the stages of earlier rows in the same commit.
    ///
    /// A commit that was made but answered with an error is recognised when the caller tries again.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`] naming the row; then nothing counts as written and the same row may be tried again.
    pub fn append(&mut self, row: &JournalRow, stages: &[Stage]) -> Result<()> {
        let seq = signed(row.seq)?;
        if row.seq != self.head.saturating_add(1) {
            return Err(JournalError::Internal(format!("row {} does not follow row {}", row.seq, self.head)));
        }
        match self.insert(seq, row, stages) {
            Ok(()) => {}
            Err(error) => {
                if !self.conn.is_autocommit() {
                    // A failed rollback leaves the transaction open; the next try then fails loudly too.
                    self.conn.execute_batch("ROLLBACK").unwrap_or_default();
                }
                if !(is_duplicate(&error) && self.holds(row)?) {
                    return Err(JournalError::sqlite(&self.path, format!("append row {seq}"), error));
                }
            }
        }
        self.head = row.seq;
        self.last_at_ns = row.at_ns;
        Ok(())
    }

    fn insert(&self, seq: i64, row: &JournalRow, stages: &[Stage]) -> rusqlite::Result<()> {
        let digest = row.prev_digest.to_be_bytes();
        let values = params![seq, row.at_ns, row.kind.as_str(), row.session, row.payload, digest, sum(row)];
        let sql = "INSERT INTO rows VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        if stages.is_empty() {
            return self.conn.prepare_cached(sql)?.execute(values).map(|_| ());
        }
        let tx = self.conn.unchecked_transaction()?;
        tx.prepare_cached(sql)?.execute(values)?;
        write_stages(&tx, stages)?;
        tx.commit()
    }

    fn holds(&self, row: &JournalRow) -> Result<bool> {
        Ok(read_rows(&self.conn, &self.path, row.seq.saturating_sub(1), 1)?.first() == Some(row))
    }

    /// Writes stages that no later row carried: at a clean stop.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn flush_stages(&mut self, stages: &[Stage]) -> Result<()> {
        let write = || -> rusqlite::Result<()> {
            let tx = self.conn.unchecked_transaction()?;
            write_stages(&tx, stages)?;
            tx.commit()
        };
        write().map_err(|e| JournalError::sqlite(&self.path, "write stages", e))
    }

    /// Rows after `after`, at most `limit`, checked.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] naming the row.
    pub fn rows(&self, after: u64, limit: usize) -> Result<Vec<JournalRow>> {
        read_rows(&self.conn, &self.path, after, limit)
    }

    /// The newest START row at or before `seq`.
    ///
    /// # Errors
    /// As [`Journal::rows`].
    pub fn last_start(&self, seq: u64) -> Result<Option<JournalRow>> {
        read_last_start(&self.conn, &self.path, seq)
    }

    /// Stores an engine state taken after the last row.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn put_snapshot(&mut self, at_ns: i64, snapshot: &Snapshot) -> Result<()> {
        let seq = signed(snapshot.seq)?;
        let write = || -> rusqlite::Result<()> {
            let tx = self.conn.unchecked_transaction()?;
            let (digest, sum) = (snapshot.digest.to_be_bytes(), state_sum(snapshot));
            let values = params![seq, at_ns, digest, snapshot.state, sum];
            tx.execute("INSERT OR REPLACE INTO snapshots VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
            tx.execute(
                "DELETE FROM snapshots WHERE seq NOT IN (SELECT seq FROM snapshots ORDER BY seq DESC LIMIT ?1)",
                [SNAPSHOTS_KEPT],
            )?;
            tx.commit()
        };
        write().map_err(|e| JournalError::sqlite(&self.path, format!("store snapshot after row {seq}"), e))
    }

    /// The newest snapshot at or before `seq`.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] when its checksum does not hold.
    pub fn snapshot(&self, seq: u64) -> Result<Option<Snapshot>> {
        read_snapshot(&self.conn, &self.path, seq)
    }

    /// The row behind which the newest snapshot was taken; 0: there is none.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn snapshot_seq(&self) -> Result<u64> {
        let found: Option<i64> = self
            .conn
            .query_row("SELECT max(seq) FROM snapshots", [], |r| r.get(0))
            .map_err(|e| JournalError::sqlite(&self.path, "read the newest snapshot's row", e))?;
        Ok(unsigned(found.unwrap_or(0)))
    }

    /// The core epoch: higher at each start.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn raise_epoch(&mut self) -> Result<u64> {
        let sql = "INSERT INTO meta VALUES ('epoch', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1 RETURNING value";
        let epoch: i64 = self
            .conn
            .query_row(sql, [], |r| r.get(0))
            .map_err(|e| JournalError::sqlite(&self.path, "raise the epoch", e))?;
        Ok(unsigned(epoch))
    }
}

fn write_stages(conn: &Connection, stages: &[Stage]) -> rusqlite::Result<()> {
    let mut statement = conn.prepare_cached("INSERT OR REPLACE INTO stages VALUES (?1, ?2, ?3, ?4, ?5)")?;
    for s in stages {
        let seq = i64::try_from(s.seq).unwrap_or(i64::MAX);
        statement.execute(params![seq, s.received_ns, s.journaled_ns, s.decided_ns, s.queued_ns])?;
    }
    Ok(())
}

fn is_duplicate(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation)
}

fn sum(row: &JournalRow) -> [u8; 8] {
    let mut hasher = Xxh3::new();
    hasher.update(&row.seq.to_le_bytes());
    hasher.update(&row.at_ns.to_le_bytes());
    for part in [row.kind.as_str().as_bytes(), row.session.as_bytes(), &row.payload] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.update(&row.prev_digest.to_be_bytes());
    hasher.digest().to_be_bytes()
}

fn state_sum(snapshot: &Snapshot) -> [u8; 8] {
    let mut hasher = Xxh3::with_seed(snapshot.seq);
    hasher.update(&snapshot.digest.to_be_bytes());
    hasher.update(&snapshot.state);
    hasher.digest().to_be_bytes()
}

fn digest_of(path: &Path, row: u64, bytes: &[u8]) -> Result<u128> {
    let bytes =
        bytes.try_into().map_err(|_| JournalError::corrupt(path, row, "its digest is not 16 bytes"))?;
    Ok(u128::from_be_bytes(bytes))
}

struct RawRow {
    row: JournalRow,
    kind: String,
    digest: Vec<u8>,
    sum: Vec<u8>,
}

fn raw_row(r: &SqlRow<'_>) -> rusqlite::Result<RawRow> {
    let row = JournalRow {
        seq: unsigned(r.get(0)?),
        at_ns: r.get(1)?,
        kind: EventKind::Timer,
        session: r.get(3)?,
        payload: r.get(4)?,
        prev_digest: 0,
    };
    Ok(RawRow { row, kind: r.get(2)?, digest: r.get(5)?, sum: r.get(6)? })
}

fn checked(path: &Path, raw: RawRow) -> Result<JournalRow> {
    let RawRow { mut row, kind, digest, sum: stored } = raw;
    let unknown = || JournalError::corrupt(path, row.seq, format!("unknown event kind {kind:?}"));
    row.kind = EventKind::parse(&kind).ok_or_else(unknown)?;
    row.prev_digest = digest_of(path, row.seq, &digest)?;
    if sum(&row)[..] != stored[..] {
        return Err(JournalError::corrupt(path, row.seq, "its bytes do not match its checksum"));
    }
    Ok(row)
}

/// Reads rows after `after` and checks that none is missing.
pub(crate) fn read_rows(conn: &Connection, path: &Path, after: u64, limit: usize) -> Result<Vec<JournalRow>> {
    let fail = |e| JournalError::sqlite(path, format!("read rows after {after}"), e);
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let mut statement =
        conn.prepare_cached(&format!("{ROW_COLUMNS} WHERE seq > ?1 ORDER BY seq LIMIT ?2")).map_err(fail)?;
    let mut found = statement.query(params![signed(after)?, limit]).map_err(fail)?;
    let mut rows = Vec::new();
    let mut expected = after;
    while let Some(r) = found
        .next()
        .map_err(|e| JournalError::sqlite(path, format!("read row {}", expected.saturating_add(1)), e))?
    {
        expected = expected.saturating_add(1);
        let row = raw_row(r).map_err(|e| JournalError::sqlite(path, format!("read row {expected}"), e))?;
        if row.row.seq != expected {
            let why = format!("it is missing, the next one is {}", row.row.seq);
            return Err(JournalError::corrupt(path, expected, why));
        }
        rows.push(checked(path, row)?);
    }
    Ok(rows)
}

/// Rows read in one short transaction.
const BATCH: usize = 1024;

/// Hands on the rows behind `after` up to `upto`, in order. A thread of its own reads ahead, by two batches at most:
/// reading and checking is a fifth of a replay.
pub(crate) fn read_ahead(
    path: &Path,
    after: u64,
    upto: u64,
    mut apply: impl FnMut(&JournalRow) -> Result<()>,
) -> Result<()> {
    std::thread::scope(|scope| {
        let (to, from) = std::sync::mpsc::sync_channel(2);
        scope.spawn(move || {
            let batches = Batches { path, at: after, upto, conn: None };
            for batch in batches {
                let last = batch.is_err();
                // Nobody takes it any more where applying has failed.
                if to.send(batch).is_err() || last {
                    return;
                }
            }
        });
        for batch in from {
            batch?.iter().try_for_each(&mut apply)?;
        }
        Ok(())
    })
}

struct Batches<'a> {
    path: &'a Path,
    at: u64,
    upto: u64,
    conn: Option<Connection>,
}

impl Batches<'_> {
    fn read(&mut self) -> Result<Vec<JournalRow>> {
        let conn = match self.conn.take() {
            Some(conn) => conn,
            None => reader(self.path)?.0,
        };
        let left = usize::try_from(self.upto.saturating_sub(self.at)).unwrap_or(BATCH);
        let rows = read_rows(&conn, self.path, self.at, BATCH.min(left))?;
        let Some(last) = rows.last() else {
            let why = format!("the journal ends at row {}, before it", self.at);
            return Err(JournalError::corrupt(self.path, self.upto, why));
        };
        self.at = last.seq;
        self.conn = Some(conn);
        Ok(rows)
    }
}

impl Iterator for Batches<'_> {
    type Item = Result<Vec<JournalRow>>;

    fn next(&mut self) -> Option<Self::Item> {
        (self.at < self.upto).then(|| self.read())
    }
}

pub(crate) fn read_last_start(conn: &Connection, path: &Path, seq: u64) -> Result<Option<JournalRow>> {
    let sql = format!("{ROW_COLUMNS} WHERE kind = 'start' AND seq <= ?1 ORDER BY seq DESC LIMIT 1");
    let raw = conn
        .query_row(&sql, [signed(seq)?], raw_row)
        .optional()
        .map_err(|e| JournalError::sqlite(path, format!("read the START row before row {seq}"), e))?;
    raw.map(|raw| checked(path, raw)).transpose()
}

pub(crate) fn read_snapshot(conn: &Connection, path: &Path, seq: u64) -> Result<Option<Snapshot>> {
    let sql = "SELECT seq, digest, state, sum FROM snapshots WHERE seq <= ?1 ORDER BY seq DESC LIMIT 1";
    type Found = (i64, Vec<u8>, Vec<u8>, Vec<u8>);
    let found: Option<Found> = conn
        .query_row(sql, [signed(seq)?], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
        .optional()
        .map_err(|e| JournalError::sqlite(path, "read the snapshot", e))?;
    let Some((seq, digest, state, sum)) = found else { return Ok(None) };
    let seq = unsigned(seq);
    let snapshot = Snapshot { seq, digest: digest_of(path, seq, &digest)?, state };
    if state_sum(&snapshot)[..] != sum[..] {
        return Err(JournalError::corrupt(path, seq, "the snapshot after it does not match its checksum"));
    }
    Ok(Some(snapshot))
}

/// Number of the last row, for a reader.
pub(crate) fn read_head(conn: &Connection, path: &Path) -> Result<u64> {
    let head: Option<i64> = conn
        .query_row("SELECT max(seq) FROM rows", [], |r| r.get(0))
        .map_err(|e| JournalError::sqlite(path, "read the last row number", e))?;
    Ok(unsigned(head.unwrap_or(0)))
}

/// A reading connection to the journal behind `path`.
pub(crate) fn reader(path: &Path) -> Result<(Connection, PathBuf)> {
    let path = resolve(path, "journal.db");
    Ok((open_reader(&path)?, path))
}

/// Refuses a database that is not a journal: SQLite opens any of them, and an empty file as a new one.
pub(crate) fn require_journal(conn: &Connection, path: &Path) -> Result<()> {
    let found: i32 = conn
        .query_row("PRAGMA application_id", [], |r| r.get(0))
        .map_err(|e| JournalError::sqlite(path, "read the header", e))?;
    if found == APPLICATION_ID {
        return Ok(());
    }
    let empty = std::fs::metadata(path).is_ok_and(|file| file.len() == 0);
    let why = if empty { "the file is empty" } else { "the file is a database, but not a journal" };
    Err(JournalError::corrupt(path, 0, why))
}
