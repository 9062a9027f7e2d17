//! Group commit: rows of many threads share one sync of the write-ahead log.
//!
//! SQLite commits with `synchronous=NORMAL`, which writes a row to the log and leaves the sync to us. We sync the log
//! through a descriptor of our own, outside the pipeline's lock. Who needs a row that is not yet synced becomes the
//! leader and syncs for everybody whose row is in the file by then; the others wait for it.
//! `docs/decisions/0005-group-commit.md` says why a checkpoint in between loses nothing.

use crate::error::{JournalError, Result};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::time::Instant;

/// Makes everything written so far durable. Tests put a slow or a failing one here.
pub type Syncer = Box<dyn Fn() -> std::io::Result<()> + Send + Sync>;

#[derive(Debug, Default)]
struct State {
    synced: u64,
    syncing: bool,
    failed: bool,
}

/// Knows which rows are durable.
pub struct Gate {
    path: PathBuf,
    written: AtomicU64,
    slowest_ns: AtomicU64,
    state: Mutex<State>,
    done: Condvar,
    /// None where a commit is enough (`durability = "process"`).
    sync: Option<Syncer>,
}

impl Gate {
    /// A gate over the write-ahead log of `database`.
    ///
    /// # Errors
    /// [`JournalError::Io`] when the log cannot be opened.
    pub fn over(database: &Path) -> Result<Self> {
        let mut path = database.as_os_str().to_owned();
        path.push("-wal");
        let path = PathBuf::from(path);
        // Only for reading: a sync covers the file, whoever wrote it. SQLite takes no locks on this file that closing
        // our descriptor could drop, and it neither renames nor replaces it while a connection is open.
        let file = File::open(&path).map_err(|source| JournalError::Io {
            path: path.clone(),
            doing: "open the write-ahead log for syncing",
            source,
        })?;
        Ok(Self::new(path, Some(Box::new(move || file.sync_data()))))
    }

    /// A gate that is always open.
    #[must_use]
    pub fn open(database: &Path) -> Self {
        Self::new(database.to_owned(), None)
    }

    fn new(path: PathBuf, sync: Option<Syncer>) -> Self {
        Self {
            path,
            written: AtomicU64::new(0),
            slowest_ns: AtomicU64::new(0),
            state: Mutex::default(),
            done: Condvar::new(),
            sync,
        }
    }

    /// Puts another way to sync in place; for tests.
    pub fn replace(&mut self, sync: Syncer) {
        self.sync = Some(sync);
    }

    /// A row was committed. Called under the lock under which rows are numbered.
    pub fn wrote(&self, row: u64) {
        self.written.store(row, Ordering::Release);
    }

    /// The last durable row, when `head` is the last one written.
    ///
    /// # Errors
    /// [`JournalError::Internal`] after a panic.
    pub fn durable(&self, head: u64) -> Result<u64> {
        if self.sync.is_none() { Ok(head) } else { Ok(self.lock()?.synced) }
    }

    /// Returns when the row is durable, syncing if nobody else does.
    ///
    /// # Errors
    /// [`JournalError::Io`] after a failed sync, from then on for every row: the system may have dropped what it could
    /// not write, so a later sync that succeeds would prove nothing. The process must end.
    pub fn wait(&self, row: u64) -> Result<()> {
        let Some(sync) = &self.sync else { return Ok(()) };
        let from = Instant::now();
        let mut state = self.lock()?;
        loop {
            if state.failed {
                return Err(self.failure(std::io::Error::other("an earlier sync failed")));
            }
            if state.synced >= row {
                self.took(from);
                return Ok(());
            }
            if state.syncing {
                state = self.done.wait(state).map_err(|_| poisoned())?;
                continue;
            }
            state.syncing = true;
            drop(state);
            let mut lead = Lead { gate: self, synced: None };
            let upto = self.written.load(Ordering::Acquire);
            sync().map_err(|source| self.failure(source))?;
            lead.synced = Some(upto);
            drop(lead);
            state = self.lock()?;
        }
    }

    /// Something of a row's way to the disk took the time since `from`.
    pub(crate) fn took(&self, from: Instant) {
        let ns = u64::try_from(from.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.slowest_ns.fetch_max(ns, Ordering::Relaxed);
    }

    /// The longest such time since the last call, nanoseconds.
    pub(crate) fn take_slowest_ns(&self) -> u64 {
        self.slowest_ns.swap(0, Ordering::Relaxed)
    }

    fn lock(&self) -> Result<MutexGuard<'_, State>> {
        self.state.lock().map_err(|_| poisoned())
    }

    fn failure(&self, source: std::io::Error) -> JournalError {
        JournalError::Io { path: self.path.clone(), doing: "sync the write-ahead log", source }
    }
}

/// The turn of the thread that syncs. However it ends, by a panic too, the others are told.
struct Lead<'a> {
    gate: &'a Gate,
    /// What became durable; None is a failure.
    synced: Option<u64>,
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        if let Ok(mut state) = self.gate.state.lock() {
            state.syncing = false;
            match self.synced {
                Some(upto) => state.synced = state.synced.max(upto),
                None => state.failed = true,
            }
        }
        self.gate.done.notify_all();
    }
}

fn poisoned() -> JournalError {
    JournalError::Internal("a panic left a sync half done".into())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
    use super::Gate;
    use std::path::Path;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{Arc, Barrier, mpsc};

    /// Rows that are written while a sync runs share the next one: many threads, two syncs.
    #[test]
    fn waiting_rows_share_one_sync() {
        let (count, entered, go) = (Arc::new(AtomicU64::new(0)), mpsc::channel(), mpsc::channel::<()>());
        let mut gate = Gate::open(Path::new("x"));
        let (counted, told, may) = (Arc::clone(&count), entered.0, std::sync::Mutex::new(go.1));
        gate.replace(Box::new(move || {
            counted.fetch_add(1, Ordering::SeqCst);
            told.send(()).unwrap();
            may.lock().unwrap().recv().unwrap();
            Ok(())
        }));
        let gate = &gate;
        std::thread::scope(|s| {
            gate.wrote(1);
            let first = s.spawn(move || gate.wait(1));
            entered.1.recv().unwrap();
            gate.wrote(17);
            let all = Arc::new(Barrier::new(17));
            let rest: Vec<_> = (2..=17)
                .map(|row| {
                    let all = Arc::clone(&all);
                    s.spawn(move || {
                        all.wait();
                        gate.wait(row)
                    })
                })
                .collect();
            all.wait();
            go.0.send(()).unwrap();
            entered.1.recv().unwrap();
            go.0.send(()).unwrap();
            first.join().unwrap().unwrap();
            for thread in rest {
                thread.join().unwrap().unwrap();
            }
        });
        assert_eq!(count.load(Ordering::SeqCst), 2);
    }

    /// A failed sync is never forgiven: a later one would say yes to what was lost.
    #[test]
    fn a_failed_sync_is_final() {
        let mut gate = Gate::open(Path::new("x"));
        let calls = AtomicU64::new(0);
        gate.replace(Box::new(move || match calls.fetch_add(1, Ordering::SeqCst) {
            0 => Err(std::io::Error::other("lost")),
            _ => Ok(()),
        }));
        gate.wrote(1);
        assert!(gate.wait(1).unwrap_err().to_string().contains("sync the write-ahead log: lost"));
        gate.wrote(2);
        assert!(gate.wait(2).is_err());
    }
}
