//! Mirrors of a leader's working orders (`copy = "orders"`), from FIX bytes to frames and back.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod any;
mod bounds;
mod capped;
mod closes;
mod decided;
mod entries;
mod once;
mod opens;
mod others;
mod play;
mod races;
mod reviewed;
mod same_second;
mod stops;
mod taken_back;
mod told;
mod told_any;
