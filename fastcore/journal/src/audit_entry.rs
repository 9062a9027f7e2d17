//! What the engine derived, as canonical JSON: keys sorted, no spaces, decimals and nanoseconds as strings.

use crate::audit_mirror;
use crate::log::{JournalRow, Stage};
use fastcore::action::{Alert, Conversion, Dealt, Decision, Later, Moved, Outcome, Sink};
use fastcore::event::EventKind;
use fastcore::mirrored::Mirrored;
use serde_json::{Value, json};
use std::collections::VecDeque;

/// (journal number, kind of entry, JSON text).
pub type Entry = (u64, String, String);

/// Collects entries of the rows that are applied.
#[derive(Debug, Default)]
pub(crate) struct Collector {
    /// Number, kind and the end in `text` of each entry.
    lines: Vec<(u64, &'static str, usize)>,
    /// The entries' JSON, one behind the other: strings of their own would lie between the small things that the
    /// engine keeps, and hold 12 MB of pages for a fill to 10,000 followers.
    text: String,
    pub(crate) subscriptions: Vec<[String; 5]>,
    /// Stage times of the rows to come, in order; a row that lost its times has none.
    pub(crate) stages: VecDeque<Stage>,
    seq: u64,
    at_ns: i64,
    /// Kind of the present row.
    cause: &'static str,
    /// Stage times of the present row.
    times: Value,
    /// The newest entry while it is an outcome, with its row.
    last_outcome: Option<(u64, Value)>,
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn times(s: &Stage) -> Value {
    json!({"received_ns": s.received_ns.to_string(), "journaled_ns": s.journaled_ns.to_string(),
        "decided_ns": s.decided_ns.to_string(), "queued_ns": s.queued_ns.to_string()})
}

/// The numbers that lead from the leader's quantity to the target.
fn conversion(c: &Conversion) -> Value {
    let (sized, open) = c.shared.unzip();
    json!({"position_before": c.position_before.to_string(), "reduce": c.reduce.to_string(),
        "increase": c.increase.to_string(), "counted": c.counted.to_string(), "reverse": c.reverse,
        "qty_factor": c.qty_factor.to_string(), "leader_contract": c.leader_contract.to_string(),
        "follower_contract": c.follower_contract.to_string(), "sized": sized.map(|v| v.to_string()),
        "order_open": open.map(|v| v.to_string()), "recomputed": c.recomputed, "target_moved": c.target_moved.to_string(),
        "rounded": c.line.rounded.to_string(), "filled": c.line.filled.to_string(),
        "block": c.dealt.as_ref().map(dealt),
        "working_buy": c.line.working_buy.to_string(), "working_sell": c.line.working_sell.to_string()})
}

/// A member's part of its block, lot steps.
fn dealt(d: &Dealt) -> Value {
    json!({"before": d.before.to_string(), "kept": d.kept.to_string(), "after": d.after.to_string(),
        "lots": d.block.to_string(), "weights": d.weights.to_string()})
}

/// What a target of zero without an order is: nothing was held; or what was on its way is being withdrawn; or the close
/// waits for something.
fn given_up(c: Option<&Conversion>) -> &'static str {
    let held = c.map(|c| c.line).unwrap_or_default();
    match (held.filled.is_zero(), held.working_buy.is_zero() && held.working_sell.is_zero()) {
        (true, true) => "none",
        (true, false) => "withdrawn",
        (false, _) => "waits",
    }
}

/// The stage that an order reaches with this state.
fn reached(state: &str) -> Option<&'static str> {
    match state {
        "out" => Some("sent_ns"),
        "acknowledged" => Some("acknowledged_ns"),
        "partial" | "filled" => Some("filled_ns"),
        "canceled" | "rejected" | "expired" => Some("ended_ns"),
        _ => None,
    }
}

impl Collector {
    /// Reads the names of the subscriptions out of a configuration.
    pub(crate) fn learn(&mut self, config_json: &str) {
        let config: Value = serde_json::from_str(config_json).unwrap_or_default();
        let list = config.get("subscriptions").and_then(Value::as_array).cloned().unwrap_or_default();
        let name = |sub: &Value, key: &str| sub.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        self.subscriptions = list
            .iter()
            .map(|s| {
                let mode = s.get("sizing").map_or_else(String::new, |z| name(z, "mode"));
                let rounding = match name(s, "rounding") {
                    r if r.is_empty() => "toward_zero".to_owned(),
                    r => r,
                };
                [name(s, "name"), name(s, "follower"), name(s, "leader"), mode, rounding]
            })
            .collect();
    }

    /// Begins a row; rows that are no FIX message get an entry of their own.
    pub(crate) fn row(&mut self, row: &JournalRow) {
        (self.seq, self.at_ns, self.cause) = (row.seq, row.at_ns, row.kind.as_str());
        while self.stages.front().is_some_and(|s| s.seq < row.seq) {
            self.stages.pop_front();
        }
        self.times = self.stages.front().filter(|s| s.seq == row.seq).map_or(Value::Null, times);
        let payload = || text(&row.payload);
        match row.kind {
            EventKind::Start => {
                let value: Value = serde_json::from_slice(&row.payload).unwrap_or_default();
                self.push("start", value);
            }
            EventKind::Operator => {
                let value: Value = serde_json::from_slice(&row.payload).unwrap_or_else(|_| json!(payload()));
                self.push("operator", json!({"command": value}));
            }
            EventKind::Session => self.push("session", json!({"session": row.session, "state": payload()})),
            _ => {}
        }
    }

    /// Whether the newest entry is this outcome, of the same row, but for its price.
    fn said_without_price(&self, body: &Value) -> bool {
        let Some((seq, last)) = &self.last_outcome else { return false };
        let newest = self.lines.last().is_some_and(|e| e.0 == *seq && e.1 == "outcome");
        let same = |key| last.get(key) == body.get(key);
        newest
            && *seq == self.seq
            && last.get("px").is_some_and(Value::is_null)
            && ["cl_ord_id", "state", "cum_qty"].into_iter().all(same)
    }

    fn push(&mut self, kind: &'static str, mut body: Value) {
        if let Some(object) = body.as_object_mut() {
            object.insert("journal".into(), json!(self.seq));
            object.entry("at_ns").or_insert_with(|| json!(self.at_ns.to_string()));
            object.insert("kind".into(), json!(kind));
        }
        self.text.push_str(&body.to_string());
        self.lines.push((self.seq, kind, self.text.len()));
    }

    fn pop(&mut self) {
        self.lines.pop();
        self.text.truncate(self.lines.last().map_or(0, |line| line.2));
    }

    /// What was collected; nothing is left.
    pub(crate) fn take(&mut self) -> Vec<Entry> {
        let (lines, text) = (std::mem::take(&mut self.lines), std::mem::take(&mut self.text));
        let mut from = 0;
        let cut = |(seq, kind, to): (u64, &str, usize)| {
            let body = text.get(from..to).unwrap_or_default().to_owned();
            from = to;
            (seq, kind.to_owned(), body)
        };
        lines.into_iter().map(cut).collect()
    }

    fn sub(&self, index: u32) -> [String; 5] {
        self.subscriptions.get(index as usize).cloned().unwrap_or_default()
    }
}

fn moved(m: &Moved<'_>) -> Value {
    json!({"act": m.act, "side": if m.buy { "buy" } else { "sell" }, "units": m.units.to_string(),
        "exec_id": text(m.exec_id), "execution": format!("{:032x}", m.execution), "instrument": m.instrument,
        "traded": m.traded.name, "contract": m.traded.contract_size.to_string(),
        "currency": m.traded.currency, "inverse": m.traded.inverse})
}

impl Sink for Collector {
    const WANTS_DECISIONS: bool = true;

    fn frame(&mut self, _route: u32, _frame: &[u8]) {}

    fn decision(&mut self, d: &Decision<'_>) {
        let [subscription, follower, leader, mode, rounding] = self.sub(d.sub);
        let code = d.refusals.first().map(|r| r.code.as_str());
        let result = match (d.orders.is_empty(), code) {
            (false, _) => "ordered",
            (true, Some(_)) => "refused",
            (true, None) if d.target_after == d.target_before => "none",
            (true, None) if d.target_after == 0 => given_up(d.conversion.as_ref()),
            (true, None) => "waits",
        };
        let side = if d.leader_delta.is_negative() { "sell" } else { "buy" };
        let leader_qty = fastcore::ledger::abs(d.leader_delta);
        let orders: Vec<Value> =
            d.orders.iter().map(|(id, qty)| json!({"cl_ord_id": text(id), "qty": qty.to_string()})).collect();
        let refusals = serde_json::to_value(d.refusals).unwrap_or_default();
        self.push(
            "decision",
            json!({"subscription": subscription, "follower": follower, "leader": leader,
                "order_id": text(d.order_id), "cl_ord_id": text(d.cl_ord_id), "exec_id": text(d.exec_id),
                "mode": mode, "rounding": rounding, "result": result, "code": code, "side": side,
                "leader_qty": leader_qty.to_string(),
                "instrument": d.instrument, "leader_delta": d.leader_delta.to_string(),
                "leader_position": d.leader_position.to_string(), "px": d.px.map(|v| v.to_string()),
                "ratio": d.ratio.map(|v| v.to_string()), "target_before": d.target_before.to_string(),
                "target_after": d.target_after.to_string(), "step": d.step.to_string(),
                "conversion": d.conversion.as_ref().map(conversion), "refusals": refusals, "orders": orders,
                "held_back": d.held_back.map(|h| json!({"why": h.why, "units": h.units.to_string()})), "k": d.k, "n": d.n, "stages": self.times}),
        );
    }

    fn later(&mut self, o: &Later<'_>) {
        let [subscription, follower, leader, ..] = self.sub(o.sub);
        let side = if o.qty.is_negative() { "sell" } else { "buy" };
        self.push(
            "order",
            json!({"subscription": subscription, "follower": follower, "leader": leader,
                "instrument": o.instrument, "cl_ord_id": text(o.cl_ord_id), "side": side,
                "qty": fastcore::ledger::abs(o.qty).to_string()}),
        );
    }

    fn mirrored(&mut self, m: &Mirrored<'_>) {
        let [subscription, follower, leader, ..] = self.sub(m.sub);
        let mut body = audit_mirror::body(m, self.cause);
        if let Some(object) = body.as_object_mut() {
            object.insert("subscription".into(), json!(subscription));
            object.insert("follower".into(), json!(follower));
            object.insert("leader".into(), json!(leader));
        }
        self.push("mirror", body);
    }

    fn outcome(&mut self, o: &Outcome<'_>) {
        let [subscription, follower, leader, ..] = self.sub(o.sub);
        // What is taken back or corrected gets the order nowhere: its times stay those of its fills.
        let corrects = o.moved.is_some_and(|m| m.act != "fill");
        let stage = reached(o.state).filter(|_| !corrects);
        let stages = stage.map_or_else(|| json!({}), |stage| json!({stage: o.at_ns.to_string()}));
        let body = json!({"subscription": subscription, "follower": follower, "leader": leader,
            "cl_ord_id": text(o.cl_ord_id), "state": o.state, "qty": o.qty.to_string(),
            "cum_qty": o.cum_qty.to_string(), "px": o.px.map(|v| v.to_string()),
            "moved": o.moved.as_ref().map(moved), "stages": stages});
        if (o.px.is_some() || o.moved.is_some()) && !corrects && self.said_without_price(&body) {
            // The order's new state and the fill that caused it are one outcome.
            self.pop();
        }
        self.last_outcome = Some((self.seq, body.clone()));
        self.push("outcome", body);
    }

    fn alert(&mut self, alert: &Alert) {
        self.push("alert", json!({"code": alert.code, "text": alert.text}));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use fastcore::config::InstrumentConfig;
    use fastcore::decimal::Dec;

    /// What a fill won is counted by what its contract pays: the log says which one it is.
    #[test]
    fn what_a_fill_moved_says_whether_its_contract_is_inverse() {
        for inverse in [false, true] {
            let traded: InstrumentConfig = serde_json::from_value(json!({"name": "XBTUSD", "contract_size": "100",
                "lot_step": "1", "min_lot": "1", "tick": "0.5", "base": "USD", "currency": "XBT", "inverse": inverse}))
            .unwrap();
            let (units, exec_id, instrument) = (Dec::ONE, b"x".as_slice(), "XBTUSD");
            let fill =
                Moved { act: "fill", buy: true, units, exec_id, execution: 1, instrument, traded: &traded };
            assert_eq!(moved(&fill).get("inverse"), Some(&json!(inverse)));
        }
    }
}
