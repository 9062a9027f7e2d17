//! `Replay`: the audit process's half.

use crate::errors::{FastcoreError, raise};
use fastcore::engine::Engine;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::path::PathBuf;
use std::sync::Mutex;

/// Follows a journal read-only and derives audit entries.
#[pyclass(frozen)]
pub struct Replay {
    inner: Mutex<journal::Replay<Engine>>,
}

impl Replay {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl Send + FnOnce(&mut journal::Replay<Engine>) -> journal::Result<T>,
    ) -> PyResult<T> {
        let run = || match self.inner.lock() {
            Ok(mut replay) => call(&mut replay).map_err(raise),
            Err(_) => Err(FastcoreError::new_err("a panic left the replay half done")),
        };
        py.detach(run)
    }
}

#[pymethods]
impl Replay {
    /// Opens the journal so that the first entry comes from the row after `from_seq`.
    #[staticmethod]
    #[pyo3(signature = (path, from_seq, state=None))]
    fn open(py: Python<'_>, path: PathBuf, from_seq: u64, state: Option<Vec<u8>>) -> PyResult<Self> {
        let open = || journal::Replay::open(&path, from_seq, state.as_deref());
        py.detach(open).map(|replay| Self { inner: Mutex::new(replay) }).map_err(raise)
    }

    /// Applies at most `max_rows` rows; answers (journal number, kind, JSON text).
    fn step(&self, py: Python<'_>, max_rows: usize) -> PyResult<Vec<(u64, String, String)>> {
        self.with(py, |replay| replay.step(max_rows))
    }

    /// Last row that was applied.
    #[getter]
    fn position(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |replay| Ok(replay.position()))
    }

    /// The configuration in force at `position`, as JSON text; empty before the first row.
    #[getter]
    fn config(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |replay| replay.config())
    }

    /// Last row in the journal.
    fn head(&self, py: Python<'_>) -> PyResult<u64> {
        self.with(py, |replay| replay.head())
    }

    /// The state at `position`, for `open`.
    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let state = self.with(py, |replay| Ok(replay.snapshot()))?;
        Ok(PyBytes::new(py, &state))
    }

    /// The engine's status at `position`, as JSON text.
    fn status(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |replay| Ok(replay.status()))
    }
}
