//! `WhatIf`: a recording under another configuration.

use crate::errors::{FastcoreError, raise};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::Mutex;

/// Plays a journal under its own and under another configuration.
#[pyclass(frozen)]
pub struct WhatIf {
    inner: Mutex<journal::WhatIf>,
}

impl WhatIf {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        call: impl Send + FnOnce(&mut journal::WhatIf) -> journal::Result<T>,
    ) -> PyResult<T> {
        let run = || match self.inner.lock() {
            Ok(mut inner) => call(&mut inner).map_err(raise),
            Err(_) => Err(FastcoreError::new_err("a panic left the comparison half done")),
        };
        py.detach(run)
    }
}

#[pymethods]
impl WhatIf {
    /// Opens a journal read-only. Rows before `from_ns` are played with everything stopped; from `to_ns` on none is read.
    #[staticmethod]
    #[pyo3(signature = (path, config_json, from_ns=None, to_ns=None))]
    fn open(
        py: Python<'_>,
        path: PathBuf,
        config_json: &str,
        from_ns: Option<i64>,
        to_ns: Option<i64>,
    ) -> PyResult<Self> {
        let open = || journal::WhatIf::open(&path, config_json, from_ns, to_ns);
        py.detach(open).map(|inner| Self { inner: Mutex::new(inner) }).map_err(raise)
    }

    /// The first configuration of the recording, as JSON text.
    #[getter]
    fn recorded_config(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |inner| Ok(inner.recorded_config().to_owned()))
    }

    /// Plays at most `max_rows` rows; answers how many, 0 at the end.
    fn step(&self, py: Python<'_>, max_rows: usize) -> PyResult<usize> {
        self.with(py, |inner| inner.step(max_rows))
    }

    /// What both sides came to, and what was recorded, as JSON text.
    fn report(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |inner| Ok(inner.report()))
    }
}
