//! The deciding core of Copygate.
//!
//! Events go in, actions come out. This crate does no I/O, reads no clock, uses no randomness, holds no float and
//! knows no Python: the same events give the same actions on every machine, live, in recovery and in audit.
#![forbid(unsafe_code)]

pub mod action;
pub mod block;
pub mod bucket;
mod canonical;
pub mod config;
pub mod decimal;
pub mod engine;
pub mod event;
pub mod fix;
pub mod guard;
pub mod instrument;
pub mod leader;
pub mod leader_tickets;
pub mod ledger;
pub mod link;
pub mod mirror;
pub mod mirrored;
pub mod order;
pub mod outbound;
pub mod profile;
pub mod refusal;
pub mod report;
pub mod risk;
pub mod route;
pub mod rules;
pub mod sent;
pub mod sizing;
pub mod slots;
pub mod snapshot;
pub mod status;
pub mod stores;
pub mod table;
pub mod time;
pub mod worth;

/// Version of the decisions: a journal segment is replayed only by the version that wrote it.
pub const ENGINE_VERSION: &str = env!("CARGO_PKG_VERSION");
