//! Errors of the crates as Python exceptions.

use journal::{JournalError as Failure, Remedy};
use pyo3::create_exception;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

create_exception!(_fastcore, FastcoreError, PyException, "Base of every error of the core.");
create_exception!(
    _fastcore,
    JournalError,
    FastcoreError,
    "A journal or route file refused; names file and row."
);
create_exception!(_fastcore, JournalDamaged, JournalError, "The file is not what was written: restore it.");
create_exception!(_fastcore, DiskFull, JournalError, "The disk takes no more rows; nothing was written.");
create_exception!(_fastcore, ConfigError, FastcoreError, "The configuration was refused.");
create_exception!(_fastcore, ReplayMismatch, FastcoreError, "Replay decided otherwise than the live run.");

/// The Python exception of a failure.
pub fn raise(failure: Failure) -> PyErr {
    let text = failure.to_string();
    match failure.remedy() {
        Remedy::Config => ConfigError::new_err(text),
        Remedy::Replay => ReplayMismatch::new_err(text),
        Remedy::Restore => JournalDamaged::new_err(text),
        Remedy::Room => DiskFull::new_err(text),
        Remedy::Bug => FastcoreError::new_err(text),
        Remedy::Environment => JournalError::new_err(text),
    }
}

/// Adds the exceptions to the module.
pub fn add(module: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = module.py();
    module.add("FastcoreError", py.get_type::<FastcoreError>())?;
    module.add("JournalError", py.get_type::<JournalError>())?;
    module.add("JournalDamaged", py.get_type::<JournalDamaged>())?;
    module.add("DiskFull", py.get_type::<DiskFull>())?;
    module.add("ConfigError", py.get_type::<ConfigError>())?;
    module.add("ReplayMismatch", py.get_type::<ReplayMismatch>())
}
