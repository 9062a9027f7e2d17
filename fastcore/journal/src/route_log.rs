//! The one durable file of a route: rows until the core has them, and every (ClOrdID, try) that it answered for, as long
//! as anybody may ask for it (decision 0024).

use crate::checkpoint::Checkpointer;
use crate::error::{JournalError, Result};
use crate::store::{Durability, FolderLock, open_writer, resolve, signed, unsigned};
use crate::sync::Gate;
use fastcore::link::{Row, decode_row, encode_row};
use fastcore::route::{RouteGuard, Seen};
use rusqlite::{Connection, OptionalExtension, params};
use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

const APPLICATION_ID: i32 = 0x4347_5231;
const SCHEMA: &str = "
CREATE TABLE rows (row_no INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL, body BLOB NOT NULL, sum INTEGER NOT NULL) STRICT;
CREATE TABLE seen (cl_ord_id TEXT NOT NULL, try_no INTEGER NOT NULL, reason INTEGER NOT NULL, row_no INTEGER NOT NULL,
  PRIMARY KEY (cl_ord_id, try_no)) STRICT, WITHOUT ROWID;
CREATE TABLE heard (session TEXT PRIMARY KEY, msg_seq_num INTEGER NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
";
/// How old tries are, and what finds the old ones. Files of earlier versions get it when they are opened.
const SCHEMA_OF_AGE: &str = "
CREATE TABLE IF NOT EXISTS marks (row_no INTEGER PRIMARY KEY, at_ns INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS seen_by_row ON seen (row_no);
";
/// Rows of one such span are of one age.
const MARK_NS: i64 = 10_000_000_000;
/// Tries that are forgotten in one go, in about 10 ms.
const FORGOTTEN_AT_ONCE: i64 = 2_000;
/// `reason` of a try that has an OUT row.
const REASON_OUT: i64 = 0;

/// A stored row: number, time, bytes.
pub type StoredRow = (u64, i64, Vec<u8>);

/// The file, locked by this process.
#[derive(Debug)]
pub struct RouteLog {
    /// First: it ends before the connection that closes the file.
    _checkpointer: Checkpointer,
    conn: Connection,
    path: PathBuf,
    next_row: u64,
    acked: u64,
    last_at_ns: i64,
    marked_ns: i64,
    incarnation: u64,
    log_id: u64,
    epoch: u64,
    highest_journal_no: u64,
    durability: Durability,
    _lock: FolderLock,
}

impl RouteLog {
    /// Opens or makes the file behind `path` (a `.db` file or a folder) and raises the incarnation.
    ///
    /// # Errors
    /// [`JournalError`]: locked folder, damaged or foreign file, full or read-only disk.
    pub fn open(path: &Path, durability: Durability, now_ns: i64) -> Result<Self> {
        let path = resolve(path, "route.db");
        let mut lock = FolderLock::take(&path)?;
        let conn = open_writer(&path, APPLICATION_ID, SCHEMA, &mut lock)?;
        conn.execute_batch(SCHEMA_OF_AGE)
            .map_err(|e| JournalError::sqlite(&path, "make the tables of age", e))?;
        let fresh_id = xxh3_64(format!("{now_ns} {}", std::process::id()).as_bytes()) >> 1;
        let mut log = Self {
            _checkpointer: Checkpointer::start(&path)?,
            conn,
            path,
            next_row: 1,
            acked: 0,
            last_at_ns: 0,
            marked_ns: 0,
            incarnation: 0,
            log_id: 0,
            epoch: 0,
            highest_journal_no: 0,
            durability,
            _lock: lock,
        };
        log.load(signed(fresh_id)?).map_err(|e| JournalError::sqlite(&log.path, "open the route file", e))?;
        Ok(log)
    }

    fn load(&mut self, fresh_id: i64) -> rusqlite::Result<()> {
        let tx = self.conn.unchecked_transaction()?;
        tx.execute("INSERT OR IGNORE INTO meta VALUES ('log_id', ?1)", [fresh_id])?;
        tx.execute(
            "INSERT INTO meta VALUES ('incarnation', 1) ON CONFLICT (key) DO UPDATE SET value = value + 1",
            [],
        )?;
        let meta = |key: &str| -> rusqlite::Result<u64> {
            let sql = "SELECT coalesce((SELECT value FROM meta WHERE key = ?1), 0)";
            tx.query_row(sql, [key], |r| r.get::<_, i64>(0)).map(unsigned)
        };
        (self.log_id, self.incarnation) = (meta("log_id")?, meta("incarnation")?);
        (self.acked, self.epoch, self.highest_journal_no) =
            (meta("acked")?, meta("epoch")?, meta("journal_no")?);
        let (last, at_ns): (i64, i64) =
            tx.query_row("SELECT coalesce(max(row_no), 0), coalesce(max(at_ns), 0) FROM rows", [], |r| {
                Ok((r.get(0)?, r.get(1)?))
            })?;
        self.next_row = unsigned(last).max(self.acked).saturating_add(1);
        self.last_at_ns = at_ns;
        tx.commit()
    }

    /// The gate that rows pass to be durable; every row so far has passed it.
    ///
    /// # Errors
    /// [`JournalError`] as for any write.
    pub(crate) fn gate(&self) -> Result<Gate> {
        self.durability.gate(&self.conn, &self.path, self.next_row.saturating_sub(1))
    }

    /// Tells a guard everything that this file answered for.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn teach(&self, guard: &mut RouteGuard) -> Result<()> {
        let fail = |e| JournalError::sqlite(&self.path, "read the seen set", e);
        let mut statement = self.conn.prepare("SELECT cl_ord_id, try_no, reason FROM seen").map_err(fail)?;
        let mut found = statement.query([]).map_err(fail)?;
        while let Some(r) = found.next().map_err(fail)? {
            let id: String = r.get(0).map_err(fail)?;
            let try_no: u16 = r.get(1).map_err(fail)?;
            let reason: i64 = r.get(2).map_err(fail)?;
            let barred = u8::try_from(reason).unwrap_or(u8::MAX);
            guard.remember(&id, try_no, if reason == REASON_OUT { Seen::Out } else { Seen::NotSent(barred) });
        }
        Ok(())
    }

    /// Writes rows and what they say about tries in one commit; durable when it returns. Answers the last number.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`]; then no row of the group is written, and the group may be tried again.
    pub fn append(&mut self, rows: &[Row<'_>], journal_no: u64, now_ns: i64) -> Result<u64> {
        let first = self.next_row;
        let mut at_ns = self.last_at_ns;
        let mut stored = Vec::with_capacity(rows.len());
        for row in rows {
            at_ns = now_ns.max(at_ns.saturating_add(1));
            let mut body = Vec::with_capacity(64);
            encode_row(row, &mut body).map_err(|e| JournalError::Internal(e.to_string()))?;
            stored.push((at_ns, body));
        }
        self.insert(rows, &stored, journal_no)
            .map_err(|e| JournalError::sqlite(&self.path, format!("append row {first}"), e))?;
        let count = u64::try_from(rows.len()).unwrap_or(u64::MAX);
        self.next_row = first.saturating_add(count);
        (self.last_at_ns, self.marked_ns) = (at_ns, self.mark_at(at_ns));
        self.highest_journal_no = self.highest_journal_no.max(journal_no);
        if let Some(Row::Sync { epoch, .. }) = rows.iter().rfind(|r| matches!(r, Row::Sync { .. })) {
            self.epoch = self.epoch.max(*epoch);
        }
        Ok(self.next_row.saturating_sub(1))
    }

    fn insert(&self, rows: &[Row<'_>], stored: &[(i64, Vec<u8>)], journal_no: u64) -> rusqlite::Result<()> {
        let tx = self.conn.unchecked_transaction()?;
        for ((row, (at_ns, body)), row_no) in rows.iter().zip(stored).zip(self.next_row..) {
            let row_no = i64::try_from(row_no).unwrap_or(i64::MAX);
            // REPLACE: a commit that was made but answered with an error is tried again with the same numbers.
            tx.prepare_cached("INSERT OR REPLACE INTO rows VALUES (?1, ?2, ?3, ?4)")?.execute(params![
                row_no,
                at_ns,
                body,
                row_sum(row_no, *at_ns, body)
            ])?;
            self.note(&tx, row, row_no)?;
        }
        if journal_no > self.highest_journal_no {
            put_meta(&tx, "journal_no", journal_no)?;
        }
        if let Some((at_ns, _)) = stored.last().filter(|(at_ns, _)| self.mark_at(*at_ns) == *at_ns) {
            // Behind the newest row: those before it are at least as old.
            let row_no = self.next_row.saturating_add(stored.len() as u64).saturating_sub(1);
            let sql = "INSERT OR REPLACE INTO marks VALUES (?1, ?2)";
            tx.prepare_cached(sql)?.execute(params![i64::try_from(row_no).unwrap_or(i64::MAX), at_ns])?;
        }
        tx.commit()
    }

    /// When the newest mark is made, if a row is written now.
    fn mark_at(&self, at_ns: i64) -> i64 {
        if at_ns.saturating_sub(self.marked_ns) >= MARK_NS { at_ns } else { self.marked_ns }
    }

    /// Forgets tries that are older than `before_ns` and whose rows the core has, some at a time: it knows what became of
    /// them, and never sends or asks for the same try again. Answers which.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`]; then nothing was forgotten.
    pub fn forget(&mut self, before_ns: i64) -> Result<Vec<(String, u16)>> {
        let write = || -> rusqlite::Result<Vec<(String, u16)>> {
            let tx = self.conn.unchecked_transaction()?;
            let sql = "SELECT max(row_no) FROM marks WHERE at_ns < ?1 AND row_no <= ?2";
            let acked = i64::try_from(self.acked).unwrap_or(i64::MAX);
            let mut found = tx.prepare_cached(sql)?;
            let Some(upto) = found.query_row(params![before_ns, acked], |r| r.get::<_, Option<i64>>(0))?
            else {
                return Ok(Vec::new());
            };
            let sql = "DELETE FROM seen WHERE (cl_ord_id, try_no) IN \
                (SELECT cl_ord_id, try_no FROM seen WHERE row_no <= ?1 ORDER BY row_no LIMIT ?2) \
                RETURNING cl_ord_id, try_no";
            let mut deleted = tx.prepare_cached(sql)?;
            let keys = deleted.query_map(params![upto, FORGOTTEN_AT_ONCE], |r| Ok((r.get(0)?, r.get(1)?)))?;
            let keys = keys.collect::<rusqlite::Result<Vec<_>>>()?;
            if keys.is_empty() {
                tx.prepare_cached("DELETE FROM marks WHERE row_no <= ?1")?.execute([upto])?;
            }
            drop((found, deleted));
            tx.commit()?;
            Ok(keys)
        };
        write().map_err(|e| JournalError::sqlite(&self.path, "forget old tries", e))
    }

    fn note(&self, tx: &Connection, row: &Row<'_>, row_no: i64) -> rusqlite::Result<()> {
        let sql = "INSERT INTO seen VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING";
        match row {
            Row::Out { keys, .. } => {
                let mut statement = tx.prepare_cached(sql)?;
                for (id, try_no) in keys {
                    statement.execute(params![id, try_no, REASON_OUT, row_no])?;
                }
            }
            Row::NotSent { cl_ord_id, try_no, reason } => {
                tx.prepare_cached(sql)?.execute(params![cl_ord_id, try_no, reason, row_no])?;
            }
            Row::Sync { epoch, .. } => put_meta(tx, "epoch", *epoch)?,
            Row::In { session, msg_seq_num, .. }
            | Row::Rejected { session, msg_seq_num, .. }
            | Row::Gap { session, to: msg_seq_num, .. } => {
                // The last one, not the highest: numbers begin again when the session is reset.
                let sql = "INSERT OR REPLACE INTO heard VALUES (?1, ?2)";
                let number = i64::try_from(*msg_seq_num).unwrap_or(i64::MAX);
                tx.prepare_cached(sql)?.execute(params![session, number])?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Stored rows after `after`, at most `limit` and about `max_bytes`.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] naming the row.
    pub fn rows(&self, after: u64, limit: usize, max_bytes: usize) -> Result<Vec<StoredRow>> {
        let fail = |e| JournalError::sqlite(&self.path, format!("read rows after {after}"), e);
        let sql = "SELECT row_no, at_ns, body, sum FROM rows WHERE row_no > ?1 ORDER BY row_no LIMIT ?2";
        let mut statement = self.conn.prepare_cached(sql).map_err(fail)?;
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        let mut found = statement.query(params![signed(after)?, limit]).map_err(fail)?;
        let (mut rows, mut bytes, mut expected) = (Vec::new(), 0_usize, after);
        while let Some(r) = found.next().map_err(fail)? {
            expected = expected.saturating_add(1);
            let (row_no, at_ns): (i64, i64) = (r.get(0).map_err(fail)?, r.get(1).map_err(fail)?);
            let (body, sum): (Vec<u8>, i64) = (r.get(2).map_err(fail)?, r.get(3).map_err(fail)?);
            if unsigned(row_no) != expected {
                return Err(JournalError::corrupt(&self.path, expected, "it is missing"));
            }
            if sum != row_sum(row_no, at_ns, &body) || decode_row(&body).is_err() {
                return Err(JournalError::corrupt(
                    &self.path,
                    expected,
                    "its bytes do not match its checksum",
                ));
            }
            bytes = bytes.saturating_add(body.len());
            if bytes > max_bytes && !rows.is_empty() {
                break;
            }
            rows.push((expected, at_ns, body));
        }
        Ok(rows)
    }

    /// The core has rows up to this one: they are deleted. A number that was never written is ignored.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn ack(&mut self, row_no: u64) -> Result<()> {
        if row_no <= self.acked || row_no >= self.next_row {
            return Ok(());
        }
        let upto = signed(row_no)?;
        let write = || -> rusqlite::Result<()> {
            let tx = self.conn.unchecked_transaction()?;
            tx.prepare_cached("DELETE FROM rows WHERE row_no <= ?1")?.execute([upto])?;
            put_meta(&tx, "acked", row_no)?;
            tx.commit()
        };
        write().map_err(|e| JournalError::sqlite(&self.path, format!("delete rows up to {row_no}"), e))?;
        self.acked = row_no;
        Ok(())
    }

    /// The MsgSeqNum(34) after the last message of a session that has a row; outlives acknowledged rows.
    ///
    /// # Errors
    /// [`JournalError::Sqlite`].
    pub fn expected_seq_num(&self, session: &str) -> Result<Option<u64>> {
        self.conn
            .query_row("SELECT msg_seq_num FROM heard WHERE session = ?1", [session], |r| r.get(0))
            .optional()
            .map(|last: Option<i64>| last.map(|n| unsigned(n).saturating_add(1)))
            .map_err(|e| JournalError::sqlite(&self.path, "read the last number of a session", e))
    }

    /// Number that the next row gets.
    #[must_use]
    pub const fn next_row(&self) -> u64 {
        self.next_row
    }
    /// Highest acknowledged row.
    #[must_use]
    pub const fn acked(&self) -> u64 {
        self.acked
    }
    /// Raised at each open.
    #[must_use]
    pub const fn incarnation(&self) -> u64 {
        self.incarnation
    }
    /// Identity of the file.
    #[must_use]
    pub const fn log_id(&self) -> u64 {
        self.log_id
    }
    /// Highest core epoch that greeted.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.epoch
    }
    /// Highest core journal number that came with orders.
    #[must_use]
    pub const fn highest_journal_no(&self) -> u64 {
        self.highest_journal_no
    }
}

fn put_meta(conn: &Connection, key: &str, value: u64) -> rusqlite::Result<()> {
    let sql =
        "INSERT INTO meta VALUES (?1, ?2) ON CONFLICT (key) DO UPDATE SET value = max(value, excluded.value)";
    conn.prepare_cached(sql)?.execute(params![key, i64::try_from(value).unwrap_or(i64::MAX)]).map(|_| ())
}

fn row_sum(row_no: i64, at_ns: i64, body: &[u8]) -> i64 {
    let mut hasher = xxhash_rust::xxh3::Xxh3::new();
    hasher.update(&row_no.to_le_bytes());
    hasher.update(&at_ns.to_le_bytes());
    hasher.update(body);
    i64::from_le_bytes(hasher.digest().to_le_bytes())
}
