//! State to bytes and back.

use crate::config::{Config, ConfigError};
use crate::engine::{Engine, State};

impl Engine {
    /// The whole state as bytes; empty only if serialisation fails, which `restore` refuses.
    #[must_use]
    pub fn snapshot(&self) -> Vec<u8> {
        postcard::to_stdvec(self.state()).unwrap_or_default()
    }

    /// An engine from a snapshot and a configuration that extends the one it was taken with.
    ///
    /// # Errors
    /// `ConfigError` when the bytes are not a snapshot of this version.
    pub fn restore(config: Config, bytes: &[u8]) -> Result<Engine, ConfigError> {
        let state: State = postcard::from_bytes(bytes)
            .map_err(|e| ConfigError(format!("snapshot of {} bytes cannot be read: {e}", bytes.len())))?;
        Engine::with_state(config, state)
    }
}
