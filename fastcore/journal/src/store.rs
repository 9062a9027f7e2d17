//! Opening SQLite files the same way everywhere, and the lock of a state folder.

use crate::error::{JournalError, Result};
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much a row survives once `submit` has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// kill -9 (WAL, synchronous=NORMAL).
    Process,
    /// Power loss (WAL, synchronous=FULL: one fsync per commit).
    Power,
}

impl Durability {
    /// Reads the configuration's word.
    ///
    /// # Errors
    /// [`JournalError::Config`] for another word.
    pub fn parse(text: &str) -> Result<Self> {
        match text {
            "process" => Ok(Self::Process),
            "power" => Ok(Self::Power),
            _ => Err(JournalError::Config(format!("durability: must be process or power, got {text:?}"))),
        }
    }

    const fn synchronous(self) -> &'static str {
        match self {
            Self::Process => "NORMAL",
            Self::Power => "FULL",
        }
    }
}

/// The file behind a path that may name a folder.
#[must_use]
pub fn resolve(path: &Path, file_name: &str) -> PathBuf {
    let is_file = path.extension().is_some_and(|ext| ext == "db") && !path.is_dir();
    if is_file { path.to_owned() } else { path.join(file_name) }
}

/// The exclusive lock of a state folder; given back when dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub struct FolderLock {
    _file: File,
}

impl FolderLock {
    /// Takes the lock of the folder that holds `file`, making the folder where it is missing.
    ///
    /// # Errors
    /// [`JournalError::Locked`] when another process has it, [`JournalError::Io`] when the folder is not usable.
    pub fn take(file: &Path) -> Result<Self> {
        let folder = file.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let io = |doing| move |source| JournalError::Io { path: folder.to_owned(), doing, source };
        std::fs::create_dir_all(folder).map_err(io("make the state folder"))?;
        let path = folder.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(io("open the lock file"))?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(Self { _file: lock }),
            Err(rustix::io::Errno::WOULDBLOCK) => Err(JournalError::Locked(folder.to_owned())),
            Err(error) => Err(io("lock the state folder")(error.into())),
        }
    }
}

/// Opens the one writing connection and applies `schema` to a new file.
///
/// # Errors
/// [`JournalError::Sqlite`] for anything SQLite refuses; [`JournalError::Corrupt`] for a file of another program.
pub fn open_writer(
    path: &Path,
    application_id: i32,
    schema: &str,
    durability: Durability,
) -> Result<Connection> {
    let fail = |doing: &'static str| move |e| JournalError::sqlite(path, doing, e);
    let conn = Connection::open(path).map_err(fail("open"))?;
    conn.busy_timeout(Duration::from_millis(200)).map_err(fail("set the busy timeout"))?;
    let found: i32 =
        conn.query_row("PRAGMA application_id", [], |r| r.get(0)).map_err(fail("read the header"))?;
    let tables: i64 = conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |r| r.get(0))
        .map_err(fail("read the schema"))?;
    if found != application_id && (found != 0 || tables != 0) {
        return Err(JournalError::corrupt(path, 0, format!("application id {found} is not ours")));
    }
    let pragmas = format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous={}; PRAGMA temp_store=MEMORY; PRAGMA wal_autocheckpoint=4000;",
        durability.synchronous()
    );
    conn.execute_batch(&pragmas).map_err(fail("set WAL mode"))?;
    if tables == 0 {
        let batch = format!("BEGIN; PRAGMA application_id={application_id}; {schema} COMMIT;");
        conn.execute_batch(&batch).map_err(fail("make the tables"))?;
    }
    conn.set_prepared_statement_cache_capacity(32);
    Ok(conn)
}

/// Opens a read-only connection beside a running writer.
///
/// # Errors
/// [`JournalError::Sqlite`] when the file is missing or damaged.
pub fn open_reader(path: &Path) -> Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags)
        .map_err(|e| JournalError::sqlite(path, "open for reading", e))?;
    conn.busy_timeout(Duration::from_millis(200))
        .map_err(|e| JournalError::sqlite(path, "set the busy timeout", e))?;
    Ok(conn)
}

/// SQLite holds signed integers; ours are below 2^63 by construction, and what is not is an error.
pub(crate) fn signed(value: u64) -> Result<i64> {
    i64::try_from(value).map_err(|_| JournalError::Internal(format!("number {value} is above 2^63")))
}

/// The way back; a negative number in a file is damage and shows as 0, which no row has.
pub(crate) fn unsigned(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}
