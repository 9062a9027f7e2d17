//! The journal and the pipeline around the core, and the durable file of a route.
#![forbid(unsafe_code)]

mod audit_entry;
mod audit_mirror;
mod checkpoint;
mod core;
mod error;
mod log;
mod outbox;
mod pipeline;
mod replay;
mod rising;
mod route_log;
mod route_pipeline;
mod segment;
mod stages;
mod store;
mod sync;
mod whatif;

pub use core::Core;
pub use error::{JournalError, Remedy, Result};
pub use log::{Journal, JournalRow, Snapshot, Stage};
pub use outbox::{ALERTS_MAX, OUTBOX_MAX};
pub use pipeline::{Addressed, Pipeline, Watched};
pub use replay::{Entry, Replay};
pub use route_log::RouteLog;
pub use route_pipeline::RoutePipeline;
pub use store::Durability;
pub use sync::Syncer;
pub use whatif::WhatIf;

/// Version of the bundled SQLite, as it says itself.
#[must_use]
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}
