//! The engine as the pipeline sees it: a seam, so that the journal is tested with a core that fails on demand.

use crate::error::{JournalError, Result};
use fastcore::action::Sink;
use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::Event;

/// A deciding core.
pub trait Core: Sized + Send {
    /// A core without history.
    ///
    /// # Errors
    /// [`JournalError::Config`].
    fn fresh(config_json: &str) -> Result<Self>;
    /// A core with the state that [`Core::snapshot`] gave, under a configuration that may have changed since.
    ///
    /// # Errors
    /// [`JournalError::Config`] when the state cannot be carried over.
    fn restored(config_json: &str, state: &[u8]) -> Result<Self>;
    /// Whether a configuration may follow the present one.
    ///
    /// # Errors
    /// [`JournalError::Config`] when it would change what the state means.
    fn accepts(&self, _config_json: &str) -> Result<()> {
        Ok(())
    }
    /// Applies one event.
    fn apply<S: Sink>(&mut self, event: &Event<'_>, sink: &mut S);
    /// When the next timer is due.
    fn next_due_ns(&self) -> Option<i64>;
    /// Running digest over all decisions.
    fn digest(&self) -> u128;
    /// The state as bytes.
    fn snapshot(&self) -> Vec<u8>;
    /// The state as JSON for people.
    fn status(&self) -> serde_json::Value;
    /// Name of a route.
    fn route_name(&self, route: u32) -> &str;
    /// Index of a route.
    fn route_index(&self, name: &str) -> Option<u32>;
    /// Last MsgSeqNum(34) journaled for a leader session.
    fn last_msg_seq_num(&self, session: &str) -> Option<u64>;
}

fn config(config_json: &str) -> Result<Config> {
    Config::from_json(config_json).map_err(|e| JournalError::Config(e.to_string()))
}

impl Core for Engine {
    fn fresh(config_json: &str) -> Result<Self> {
        Self::new(config(config_json)?).map_err(|e| JournalError::Config(e.to_string()))
    }
    fn restored(config_json: &str, state: &[u8]) -> Result<Self> {
        Self::restore(config(config_json)?, state).map_err(|e| JournalError::Config(e.to_string()))
    }
    fn accepts(&self, config_json: &str) -> Result<()> {
        Self::accepts(self, &config(config_json)?).map_err(|e| JournalError::Config(e.to_string()))
    }
    fn apply<S: Sink>(&mut self, event: &Event<'_>, sink: &mut S) {
        Self::apply(self, event, sink);
    }
    fn next_due_ns(&self) -> Option<i64> {
        Self::next_due_ns(self)
    }
    fn digest(&self) -> u128 {
        Self::digest(self)
    }
    fn snapshot(&self) -> Vec<u8> {
        Self::snapshot(self)
    }
    fn status(&self) -> serde_json::Value {
        serde_json::to_value(Self::status(self)).unwrap_or_default()
    }
    fn route_name(&self, route: u32) -> &str {
        Self::route_name(self, route)
    }
    fn route_index(&self, name: &str) -> Option<u32> {
        Self::route_index(self, name)
    }
    fn last_msg_seq_num(&self, session: &str) -> Option<u64> {
        Self::last_msg_seq_num(self, session)
    }
}
