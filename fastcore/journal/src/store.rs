//! Opening SQLite files the same way everywhere, and the lock of a state folder.

use crate::checkpoint::WRITERS_OWN_PAGES;
use crate::error::{JournalError, Result};
use crate::sync::Gate;
use rusqlite::{Connection, OpenFlags};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How much a row survives once `submit` has returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// kill -9 (WAL, synchronous=NORMAL).
    Process,
    /// Power loss (WAL, synchronous=NORMAL, and our own sync of the log that rows of many threads share).
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

    /// The configuration's word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Power => "power",
        }
    }

    /// The gate that rows of this database pass. Called once the start has written and found everything in order.
    ///
    /// # Errors
    /// [`JournalError`]: the log cannot be opened, written back or synced.
    pub(crate) fn gate(self, conn: &Connection, database: &Path, last: u64) -> Result<Gate> {
        if self == Self::Process {
            return Ok(Gate::open(database));
        }
        // What an earlier process wrote may never have reached the disk: its last sync may have failed. A checkpoint
        // writes it again, from what the system shows us, and syncs it. A busy reader only makes it smaller.
        conn.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(()))
            .map_err(|e| JournalError::sqlite(database, "checkpoint", e))?;
        let gate = Gate::over(database)?;
        gate.wrote(last);
        gate.wait(last)?;
        Ok(gate)
    }
}

/// The file behind a path that may name a folder.
#[must_use]
pub fn resolve(path: &Path, file_name: &str) -> PathBuf {
    let is_file = path.extension().is_some_and(|ext| ext == "db") && !path.is_dir();
    if is_file { path.to_owned() } else { path.join(file_name) }
}

/// Written into the lock file once the database beside it exists. A database that is then empty or gone was there
/// before: starting anew would forget positions that followers still hold.
const BORN: &str = "A database was begun beside this file.\n";

/// The exclusive lock of a state folder; given back when dropped, and by the kernel when the process dies.
#[derive(Debug)]
pub struct FolderLock {
    file: File,
    path: PathBuf,
    born: bool,
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
        let mut lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(&path)
            .map_err(io("open the lock file"))?;
        match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(JournalError::Locked(folder.to_owned())),
            Err(error) => return Err(io("lock the state folder")(error.into())),
        }
        let mut text = Vec::new();
        let mark = (&mut lock).take(BORN.len() as u64);
        { mark }.read_to_end(&mut text).map_err(io("read the lock file"))?;
        Ok(Self { file: lock, path, born: text == BORN.as_bytes() })
    }

    /// Remembers that the database exists, for every later start.
    fn mark_born(&mut self) -> Result<()> {
        if self.born {
            return Ok(());
        }
        let mut write = || {
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(BORN.as_bytes())?;
            self.file.sync_all()
        };
        write().map_err(|source| JournalError::Io {
            path: self.path.clone(),
            doing: "write the lock file",
            source,
        })?;
        self.born = true;
        Ok(())
    }
}

/// Refuses a database that lost everything. SQLite itself would delete the write-ahead log beside an empty file, and
/// with it the last copy of the rows. An empty file without history is a start that was cut short: that one is new.
fn refuse_emptied(path: &Path, lock: &FolderLock) -> Result<()> {
    let length = |file: &Path| match std::fs::metadata(file) {
        Ok(found) => Ok(found.len()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(0),
        Err(source) => Err(JournalError::Io { path: file.to_owned(), doing: "look at the file", source }),
    };
    if length(path)? > 0 {
        return Ok(());
    }
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    let left = length(Path::new(&wal))?;
    if left > 0 {
        let why = format!("the file is empty or missing, beside a write-ahead log of {left} bytes");
        return Err(JournalError::corrupt(path, 0, why));
    }
    if lock.born {
        return Err(JournalError::corrupt(path, 0, "the file is empty or missing, but it had rows before"));
    }
    Ok(())
}

/// Opens the one writing connection and applies `schema` to a new file.
///
/// # Errors
/// [`JournalError::Sqlite`] for anything SQLite refuses; [`JournalError::Corrupt`] for a file of another program.
pub fn open_writer(
    path: &Path,
    application_id: i32,
    schema: &str,
    lock: &mut FolderLock,
) -> Result<Connection> {
    refuse_emptied(path, lock)?;
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
    if tables == 0 && lock.born {
        return Err(JournalError::corrupt(path, 0, "the file has no tables, but it had rows before"));
    }
    let pragmas = format!(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; \
         PRAGMA wal_autocheckpoint={WRITERS_OWN_PAGES};"
    );
    conn.execute_batch(&pragmas).map_err(fail("set WAL mode"))?;
    if tables == 0 {
        let batch = format!("BEGIN; PRAGMA application_id={application_id}; {schema} COMMIT;");
        conn.execute_batch(&batch).map_err(fail("make the tables"))?;
    }
    lock.mark_born()?;
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
