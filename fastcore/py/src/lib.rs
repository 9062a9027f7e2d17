//! Binding `gateway._fastcore`: converts, calls and maps errors. No rule lives here.
//!
//! Every call that may touch the disk or wait for the pipeline's lock gives the GIL back first.
// The signatures are Python's: pyo3 hands over owned and borrowed values as it does.
#![allow(clippy::needless_pass_by_value)]

mod errors;
mod pipeline;
mod replay;
mod route;
mod whatif;

use pyo3::prelude::*;

/// Version of the decisions.
#[pyfunction]
fn engine_version() -> &'static str {
    fastcore::ENGINE_VERSION
}

/// Version of the package that this core was built from.
#[pyfunction]
fn core_version() -> &'static str {
    env!("CARGO_PKG_VERSION")
}

/// Version of the SQLite that writes journals and route files.
#[pyfunction]
fn sqlite_version() -> &'static str {
    journal::sqlite_version()
}

/// The meaning of one FIX message under a venue profile, as JSON text for tests and tools.
#[pyfunction]
fn read_message(py: Python<'_>, raw: &[u8], profile_json: &str) -> PyResult<String> {
    py.detach(|| meaning::read(raw, profile_json)).map_err(errors::FastcoreError::new_err)
}

/// Builds the engine of a configuration and lets it go: what the core would refuse at its start is refused here.
#[pyfunction]
fn prove_config(py: Python<'_>, config_json: &str) -> PyResult<()> {
    let built = || fastcore::config::Config::from_json(config_json).and_then(fastcore::engine::Engine::new);
    py.detach(built).map(drop).map_err(|e| errors::ConfigError::new_err(e.to_string()))
}

/// Whether days can be counted in a time zone, by its IANA name.
#[pyfunction]
fn time_zone_known(name: &str) -> bool {
    fastcore::guard::Calendar::new(name, 0).is_ok()
}

mod meaning;

/// Leaves a rule of delivery out of this process, in a test build.
#[cfg(feature = "leave_out")]
#[pyfunction]
fn leave_out(name: &str) -> bool {
    fastcore::rules::leave_out(name)
}

/// The Rust core of Copygate.
#[pymodule]
fn _fastcore(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<pipeline::Pipeline>()?;
    module.add_class::<route::RoutePipeline>()?;
    module.add_class::<replay::Replay>()?;
    module.add_class::<whatif::WhatIf>()?;
    module.add_function(wrap_pyfunction!(engine_version, module)?)?;
    module.add_function(wrap_pyfunction!(core_version, module)?)?;
    module.add_function(wrap_pyfunction!(sqlite_version, module)?)?;
    module.add_function(wrap_pyfunction!(read_message, module)?)?;
    module.add_function(wrap_pyfunction!(prove_config, module)?)?;
    module.add_function(wrap_pyfunction!(time_zone_known, module)?)?;
    #[cfg(feature = "leave_out")]
    module.add_function(wrap_pyfunction!(leave_out, module)?)?;
    errors::add(module)
}
