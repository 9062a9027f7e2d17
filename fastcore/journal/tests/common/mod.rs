//! A core for tests: it counts, and what it decides is a function of the rows (and of a `salt` in its config).
#![allow(dead_code, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use fastcore::action::{Alert, Sink};
use fastcore::event::{Event, EventKind};
use fastcore::link::{Frame, OrdersWriter, SendKind, decode};
use journal::{Core, JournalError, Pipeline, Result};
use std::path::Path;

pub const CONFIG: &str = r#"{"salt":"1","subscriptions":[{"name":"s","follower":"f","leader":"l"}]}"#;

pub type Toy = ToyOf<0>;

/// With `BUG` above 0 it is another program: rows whose payload holds a `b` are decided otherwise.
pub struct ToyOf<const BUG: u64> {
    salt: u64,
    digest: u128,
    applied: u64,
}

impl<const BUG: u64> Core for ToyOf<BUG> {
    fn fresh(config_json: &str) -> Result<Self> {
        let value: serde_json::Value = serde_json::from_str(config_json).unwrap();
        let salt = value["salt"].as_str().and_then(|s| s.parse().ok());
        let salt = salt.ok_or_else(|| JournalError::Config("salt: must be a number".into()))?;
        Ok(Self { salt, digest: 7, applied: 0 })
    }
    fn restored(config_json: &str, state: &[u8]) -> Result<Self> {
        let fresh = Self::fresh(config_json)?;
        let digest = u128::from_be_bytes(state[..16].try_into().unwrap());
        let applied = u64::from_be_bytes(state[16..].try_into().unwrap());
        Ok(Self { digest, applied, ..fresh })
    }
    fn apply<S: Sink>(&mut self, event: &Event<'_>, sink: &mut S) {
        self.applied += 1;
        let bug = if event.kind != EventKind::Start && event.payload.contains(&b'b') { BUG } else { 0 };
        let bytes: u64 = event.payload.iter().map(|b| u64::from(*b)).sum::<u64>() + bug;
        self.digest = self.digest.wrapping_mul(31).wrapping_add(u128::from(bytes * self.salt + event.seq));
        if event.kind == EventKind::Leader {
            let mut frame = Vec::new();
            let mut writer = OrdersWriter::begin(&mut frame, 1, 1, event.seq);
            let id = format!("ID{}", event.seq);
            writer.order(&id, 1, SendKind::New, 0, "R1", |o| o.extend_from_slice(event.payload)).unwrap();
            writer.finish();
            sink.frame(0, &frame);
            sink.alert(&Alert { code: "seen", text: event.session.to_owned() });
        }
    }
    fn next_due_ns(&self) -> Option<i64> {
        Some(5_000)
    }
    fn digest(&self) -> u128 {
        self.digest
    }
    fn snapshot(&self) -> Vec<u8> {
        [&self.digest.to_be_bytes()[..], &self.applied.to_be_bytes()].concat()
    }
    fn status(&self) -> serde_json::Value {
        serde_json::json!({"applied": self.applied})
    }
    fn route_name(&self, _route: u32) -> &str {
        "r1"
    }
    fn route_index(&self, name: &str) -> Option<u32> {
        (name == "r1").then_some(0)
    }
    fn last_msg_seq_num(&self, _session: &str) -> Option<u64> {
        Some(self.applied)
    }
}

pub fn open(path: &Path) -> Result<Pipeline<Toy>> {
    Pipeline::open(path, CONFIG, journal::Durability::Process, 1_000)
}

pub fn status(pipeline: &Pipeline<Toy>) -> serde_json::Value {
    serde_json::from_str(&pipeline.status().unwrap()).unwrap()
}

/// (ClOrdID, FIX text) of each order in drained frames.
pub fn orders(frames: &[(Vec<u8>, Vec<u8>)]) -> Vec<(String, String)> {
    let mut list = Vec::new();
    for (_, frame) in frames {
        if let Ok(Frame::Orders(orders)) = decode(frame) {
            list.extend(
                orders.iter().map(|o| (o.cl_ord_id.into(), String::from_utf8_lossy(o.fix).into_owned())),
            );
        }
    }
    list
}
