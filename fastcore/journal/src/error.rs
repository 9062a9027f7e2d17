//! What can go wrong with the files, in words that name the file and the row.

use rusqlite::ErrorCode as Code;
use std::path::{Path, PathBuf};

/// Any failure of the journal, the route file, or the replay.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process owns the folder.
    #[error("{}: another process holds the lock of this state folder", .0.display())]
    Locked(PathBuf),
    /// The operating system refused.
    #[error("{}: {doing}: {source}", .path.display())]
    Io {
        /// File or folder.
        path: PathBuf,
        /// What was tried.
        doing: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// SQLite refused; disk full, read-only and damaged files arrive here.
    #[error("{}: {doing}: {hint}{source}", .path.display())]
    Sqlite {
        /// File.
        path: PathBuf,
        /// What was tried, with the row where there is one.
        doing: String,
        /// Plain words in front of SQLite's.
        hint: &'static str,
        /// SQLite's answer.
        source: Box<rusqlite::Error>,
    },
    /// The file is readable but not what was written.
    #[error("{}: row {row}: {why}", .path.display())]
    Corrupt {
        /// File.
        path: PathBuf,
        /// Row number; 0 where it is the file itself.
        row: u64,
        /// What is wrong.
        why: String,
    },
    /// Replay derived other actions than the live run.
    #[error("{}: row {row}: replay derived digest {derived}, the journal has {journaled}: {why}", .path.display())]
    Mismatch {
        /// File.
        path: PathBuf,
        /// The row whose actions differ.
        row: u64,
        /// Digest in the journal.
        journaled: String,
        /// Digest of this replay.
        derived: String,
        /// What usually causes it.
        why: &'static str,
    },
    /// The segment belongs to another engine version.
    #[error(
        "{}: row {row}: written by engine {wrote}, this is {running}: replay it with {wrote}, or begin a new segment",
        .path.display()
    )]
    Version {
        /// File.
        path: PathBuf,
        /// START row.
        row: u64,
        /// Version in the row.
        wrote: String,
        /// Version that runs.
        running: &'static str,
    },
    /// The configuration was refused by the engine.
    #[error("{0}")]
    Config(String),
    /// A caller passed what no caller should pass, or a lock was left by a panic.
    #[error("{0}")]
    Internal(String),
}

/// What can be done about a failure: a supervisor acts on this, a person on the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// The disk takes no more: it may heal by itself, so the start is tried again.
    Room,
    /// The file is not what was written: no start will succeed until a person puts it right.
    Restore,
    /// Replay decides otherwise, or the segment is of another version: final too.
    Replay,
    /// The configuration must change.
    Config,
    /// Something else outside the program: a lock, a permission, a mount.
    Environment,
    /// Nothing: the program itself failed.
    Bug,
}

/// Short form.
pub type Result<T> = std::result::Result<T, JournalError>;

impl JournalError {
    /// Wraps an error of SQLite with the file and the step.
    pub fn sqlite(path: &Path, doing: impl Into<String>, source: rusqlite::Error) -> Self {
        let hint = hint(&source);
        Self::Sqlite { path: path.to_owned(), doing: doing.into(), hint, source: Box::new(source) }
    }

    /// What can be done about it.
    #[must_use]
    pub fn remedy(&self) -> Remedy {
        use std::io::ErrorKind;
        match self {
            Self::Corrupt { .. } => Remedy::Restore,
            Self::Mismatch { .. } | Self::Version { .. } => Remedy::Replay,
            Self::Config(_) => Remedy::Config,
            Self::Io { source, .. } => match source.kind() {
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => Remedy::Room,
                _ => Remedy::Environment,
            },
            Self::Sqlite { source, .. } => match source.sqlite_error_code() {
                Some(Code::DiskFull) => Remedy::Room,
                Some(Code::SystemIoFailure) if is_write(source) => Remedy::Room,
                Some(Code::DatabaseCorrupt | Code::NotADatabase) => Remedy::Restore,
                _ => Remedy::Environment,
            },
            Self::Locked(_) => Remedy::Environment,
            Self::Internal(_) => Remedy::Bug,
        }
    }

    /// Names a damaged row.
    pub fn corrupt(path: &Path, row: u64, why: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), row, why: why.into() }
    }
}

/// SQLite knows only ENOSPC as a full disk: a quota and a file-size limit arrive as a failed write.
fn is_write(error: &rusqlite::Error) -> bool {
    use rusqlite::ffi;
    let extended = error.sqlite_error().map_or(0, |e| e.extended_code);
    matches!(
        extended,
        ffi::SQLITE_IOERR_WRITE
            | ffi::SQLITE_IOERR_FSYNC
            | ffi::SQLITE_IOERR_DIR_FSYNC
            | ffi::SQLITE_IOERR_TRUNCATE
            | ffi::SQLITE_IOERR_SHMSIZE
            | ffi::SQLITE_IOERR_SHMOPEN
    )
}

fn hint(error: &rusqlite::Error) -> &'static str {
    match error.sqlite_error_code() {
        Some(Code::DiskFull) => "the disk is full: ",
        Some(Code::ReadOnly) => "the file or its folder is read-only: ",
        Some(Code::DatabaseCorrupt) => "the file is torn or truncated, restore it from a copy: ",
        Some(Code::NotADatabase) => "the file is not a journal: ",
        Some(Code::CannotOpen) => "the file cannot be opened: ",
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => "another program holds the file: ",
        Some(Code::SystemIoFailure) if is_write(error) => {
            "the disk is full, a quota or size limit is reached, or the disk failed: "
        }
        Some(Code::SystemIoFailure) => "the disk failed: ",
        _ => "",
    }
}
