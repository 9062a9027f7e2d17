//! Replay: the same steps live, in recovery and in audit (rule 7 of the style).

use crate::core::Core;
use crate::error::{JournalError, Result};
use crate::log::{JournalRow, Snapshot};
use crate::store::Durability;
use fastcore::ENGINE_VERSION;
use fastcore::action::Sink;
use fastcore::event::{Event, EventKind};
use serde_json::{Value, json};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

/// A hash of a configuration's canonical text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ConfigSum(u128);

impl ConfigSum {
    pub(crate) fn of(text: &str) -> Self {
        Self(xxh3_128(text.as_bytes()))
    }
}

/// A core that has followed a journal up to a row.
#[derive(Debug)]
pub(crate) struct Follower<C> {
    pub(crate) core: C,
    /// Of the configuration in force. Its text takes 8 MB with 10,000 followers; the journal has it.
    pub(crate) config: ConfigSum,
    pub(crate) seq: u64,
}

/// The configuration inside a START row, as canonical text; refuses a row of another engine version.
pub(crate) fn start_config(path: &Path, row: &JournalRow) -> Result<String> {
    let value: Value = serde_json::from_slice(&row.payload)
        .map_err(|e| JournalError::corrupt(path, row.seq, format!("its START payload is not JSON: {e}")))?;
    let wrote = value.get("engine").and_then(Value::as_str).unwrap_or("?");
    if wrote != ENGINE_VERSION {
        let (path, row, wrote) = (path.to_owned(), row.seq, wrote.to_owned());
        return Err(JournalError::Version { path, row, wrote, running: ENGINE_VERSION });
    }
    let config =
        value.get("config").ok_or_else(|| JournalError::corrupt(path, row.seq, "START has no config"))?;
    Ok(config.to_string())
}

/// The same configuration with its keys sorted: one text for one configuration.
pub(crate) fn canonical(config_json: &str) -> Result<String> {
    let config: Value =
        serde_json::from_str(config_json).map_err(|e| JournalError::Config(format!("core config: {e}")))?;
    Ok(config.to_string())
}

/// The payload of a START row. The configuration goes in as text: as values it takes ten times its length.
pub(crate) fn start_payload(config: String, digest: u128, durability: Durability, epoch: u64) -> String {
    let digest = format!("{digest:032x}");
    let durability = durability.as_str();
    let rest = json!({"digest": digest, "durability": durability, "engine": ENGINE_VERSION, "epoch": epoch});
    let mut payload = config;
    payload.insert_str(0, "{\"config\":");
    payload.push(',');
    payload.push_str(rest.to_string().trim_start_matches('{'));
    payload
}

/// What the rows behind a START row survive.
pub(crate) fn durability_of(row: &JournalRow) -> Option<Durability> {
    let value: Value = serde_json::from_slice(&row.payload).ok()?;
    Durability::parse(value.get("durability")?.as_str()?).ok()
}

impl<C: Core> Follower<C> {
    /// A core before the first row; the first row must be START.
    pub(crate) fn begin(path: &Path, first: &JournalRow) -> Result<Self> {
        if first.kind != EventKind::Start {
            return Err(JournalError::corrupt(path, first.seq, "a journal begins with a START row"));
        }
        let config = start_config(path, first)?;
        Ok(Self {
            core: C::fresh(&config)?,
            config: ConfigSum::of(&config),
            seq: first.seq.saturating_sub(1),
        })
    }

    /// A core at a snapshot; `start` is the newest START row at or before it.
    pub(crate) fn at(path: &Path, start: &JournalRow, snapshot: &Snapshot) -> Result<Self> {
        let config = start_config(path, start)?;
        let core = C::restored(&config, &snapshot.state)?;
        if core.digest() != snapshot.digest {
            return Err(mismatch(
                path,
                snapshot.seq,
                snapshot.digest,
                core.digest(),
                "the snapshot is of another core",
            ));
        }
        Ok(Self { core, config: ConfigSum::of(&config), seq: snapshot.seq })
    }

    /// Applies the next row, after checking that everything before it was decided alike.
    pub(crate) fn step<S: Sink>(&mut self, path: &Path, row: &JournalRow, sink: &mut S) -> Result<()> {
        if row.seq != self.seq.saturating_add(1) {
            return Err(JournalError::corrupt(path, row.seq, format!("it does not follow row {}", self.seq)));
        }
        if row.prev_digest != self.core.digest() {
            let why = "code, configuration or data changed under it";
            return Err(mismatch(path, self.seq, row.prev_digest, self.core.digest(), why));
        }
        if row.kind == EventKind::Start {
            self.adopt(&start_config(path, row)?)?;
        }
        self.apply(row, sink);
        Ok(())
    }

    /// Changes the configuration: only ever at a START row, live and in replay alike.
    pub(crate) fn adopt(&mut self, config: &str) -> Result<()> {
        let sum = ConfigSum::of(config);
        if sum != self.config {
            // Asked before the state is carried over: afterwards the core compares the new one with itself.
            self.core.accepts(config)?;
            self.core = C::restored(config, &self.core.snapshot())?;
            self.config = sum;
        }
        Ok(())
    }

    pub(crate) fn apply<S: Sink>(&mut self, row: &JournalRow, sink: &mut S) {
        let JournalRow { seq, at_ns, kind, .. } = *row;
        self.core.apply(&Event { seq, at_ns, kind, session: &row.session, payload: &row.payload }, sink);
        self.seq = seq;
    }
}

fn mismatch(path: &Path, row: u64, journaled: u128, derived: u128, why: &'static str) -> JournalError {
    let (journaled, derived) = (format!("{journaled:032x}"), format!("{derived:032x}"));
    JournalError::Mismatch { path: path.to_owned(), row, journaled, derived, why }
}

#[cfg(test)]
mod tests {
    use super::{canonical, start_payload};
    use crate::store::Durability;
    use fastcore::ENGINE_VERSION;
    use serde_json::{Value, json};

    /// Rows of one version have one form: keys sorted, as serde writes a whole object.
    #[test]
    fn a_start_payload_is_canonical_json() {
        let text = canonical(r#"{ "b": [1, {"y": "}", "x": null}], "a": "{" }"#).unwrap();
        let config: Value = serde_json::from_str(&text).unwrap();
        let whole = json!({"epoch": 7, "engine": ENGINE_VERSION, "config": config,
            "digest": format!("{:032x}", 11), "durability": "power"});
        assert_eq!(start_payload(text, 11, Durability::Power, 7), whole.to_string());
    }
}
