//! What can go wrong with the files, in words that name the file and the row.

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

/// Short form.
pub type Result<T> = std::result::Result<T, JournalError>;

impl JournalError {
    /// Wraps an error of SQLite with the file and the step.
    pub fn sqlite(path: &Path, doing: impl Into<String>, source: rusqlite::Error) -> Self {
        let hint = hint(&source);
        Self::Sqlite { path: path.to_owned(), doing: doing.into(), hint, source: Box::new(source) }
    }

    /// Names a damaged row.
    pub fn corrupt(path: &Path, row: u64, why: impl Into<String>) -> Self {
        Self::Corrupt { path: path.to_owned(), row, why: why.into() }
    }
}

fn hint(error: &rusqlite::Error) -> &'static str {
    use rusqlite::ErrorCode as Code;
    match error.sqlite_error_code() {
        Some(Code::DiskFull) => "the disk is full: ",
        Some(Code::ReadOnly) => "the file or its folder is read-only: ",
        Some(Code::DatabaseCorrupt) => "the file is torn or truncated, restore it from a copy: ",
        Some(Code::NotADatabase) => "the file is not a journal: ",
        Some(Code::CannotOpen) => "the file cannot be opened: ",
        Some(Code::DatabaseBusy | Code::DatabaseLocked) => "another program holds the file: ",
        Some(Code::SystemIoFailure) => "the disk failed: ",
        _ => "",
    }
}
