//! What the benches of this crate share: a deployment, its leader's fills, and trading that leaves a journal.
#![allow(dead_code, clippy::unwrap_used, clippy::arithmetic_side_effects)]

use fastcore::engine::Engine;
use fastcore::link::{self, Row};
use journal::Pipeline;
use serde_json::{Value, json};

pub const NOW: i64 = 1_700_000_000_000_000_000;

/// One leader, one route, so many followers that copy him one to one.
pub fn config(followers: usize) -> Value {
    let limits = json!({"default": {"max_order_qty_lots": "100", "max_position_lots": null, "on_breach": "clip"},
        "instruments": {}});
    let accounts: Vec<Value> = (0..followers)
        .map(|n| {
            json!({"name": format!("f{n}"), "route": "r1", "account": format!("F{n}"), "currency": "USD",
                "symbols": {"EURUSD": "EURUSD"}, "restricted": [], "limits": limits})
        })
        .collect();
    let subscriptions: Vec<Value> = (0..followers)
        .map(|n| {
            json!({"name": format!("f{n}<alpha"), "follower": format!("f{n}"), "leader": "alpha",
                "sizing": {"mode": "multiplier", "k": "1"}, "max_ratio": "10", "rounding": "toward_zero",
                "max_inflation": "3", "reverse": false,
                "symbol_map": {"EURUSD": {"instrument": "EURUSD", "qty_factor": "1", "price_factor": "1"}},
                "filters": {"instruments": null, "side": "both", "min_order_qty": "0", "tags": []},
                "order_type": "market", "max_slippage_bps": "0", "max_age_ms": 60000,
                "account_max_age_ms": 3_600_000, "on_bust": "alert", "on_reject": "drop", "retry_window_ms": 0,
                "limits": limits})
        })
        .collect();
    json!({"deployment": "bench",
        "timing": {"dispatch_timeout_ms": 2000, "ack_timeout_ms": 5000, "settle_ms": 3000, "query_retry_ms": 5000,
            "close_retry_ms": 500, "close_retry_max_ms": 30000},
        "profiles": [{"name": "copygate44", "begin_string": "FIX.4.4"}],
        "instruments": [{"name": "EURUSD", "contract_size": "100000", "lot_step": "0.01", "min_lot": "0.01",
            "max_lot": null, "tick": "0.00001", "base": "EUR", "currency": "USD"}],
        "leaders": [{"name": "alpha", "session": "LEADER", "profile": "copygate44", "account": null,
            "currency": "USD", "symbols": {"EURUSD": "EURUSD"}, "assume_flat": true, "initial_positions": {}}],
        "routes": [{"name": "r1", "session": "R1", "profile": "copygate44"}],
        "followers": accounts, "subscriptions": subscriptions, "dispatch": "rotate"})
}

/// A leader's fill of 10,000 EURUSD: a new order each time. `side` is 1 for a buy, 2 for a sell.
pub fn fill(n: u64, side: u8) -> Vec<u8> {
    let body = format!(
        "35=8|34={}|49=B|56=G|52=20231114-22:13:20.000|37=O{n}|11=C{n}|17=E{n}|150=F|39=2|55=EURUSD|54={side}|38=10000|\
         32=10000|31=1.1|151=0|14=10000|6=1.1|60=20231114-22:13:20.000|",
        n + 1
    );
    let mut message = format!("8=FIX.4.4|9={}|{body}", body.len()).replace('|', "\x01").into_bytes();
    let sum = message.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    message.extend_from_slice(format!("10={sum:03}\x01").as_bytes());
    message
}

/// A broker's report that an order of 10,000 EURUSD is filled.
fn broker_fill(cl_ord_id: &str, side: u8) -> Vec<u8> {
    let body = format!(
        "35=8|34=7|49=B|56=G|52=20231114-22:13:20.100|37=B{cl_ord_id}|11={cl_ord_id}|17=X{cl_ord_id}|150=F|39=2|\
         55=EURUSD|54={side}|38=10000|32=10000|31=1.1|151=0|14=10000|6=1.1|60=20231114-22:13:20.100|"
    );
    format!("8=FIX.4.4|9={}|{body}10=000|", body.len()).replace('|', "\x01").into_bytes()
}

/// Trading against one route, as a journal has it: fills, and for each the route's rows: OUT, and every broker's report of
/// the fill. A route's rows are journaled in groups, and each of them is one event.
pub struct Trade {
    row_no: u64,
    fills: u64,
}

impl Trade {
    /// The route says HELLO, is logged on and synced: two rows.
    pub fn begin(pipeline: &Pipeline<Engine>) -> Self {
        Self { row_no: 0, fills: 0 }.link(pipeline)
    }

    /// The route greets a core that was started again.
    pub fn link(mut self, pipeline: &Pipeline<Engine>) -> Self {
        let hello = link::encode_hello("r1", 1, 1, self.row_no + 1, 0, &["R1"]).unwrap();
        pipeline.receive(b"r1/1", &hello, NOW).unwrap();
        let sync = Row::Sync { incarnation: 1, epoch: pipeline.epoch() };
        self.rows(pipeline, &[encoded(&Row::Logon { session: "R1" }), encoded(&sync)]);
        self
    }

    /// So many fills on the sides that `side` gives by their number, each answered in full. Answers how many events that
    /// made; of rows two for each fill.
    pub fn go_on(&mut self, pipeline: &Pipeline<Engine>, fills: u64, side: impl Fn(u64) -> u8) -> u64 {
        let mut events = 0;
        for _ in 0..fills {
            let n = self.fills;
            self.fills += 1;
            pipeline.drain(64).unwrap();
            pipeline.submit("leader", "LEADER", &fill(n, side(n)), NOW).unwrap();
            let list = answers(&pipeline.drain(64).unwrap(), n, side(n));
            events += 1 + list.len() as u64;
            self.rows(pipeline, &list);
        }
        events
    }

    fn rows(&mut self, pipeline: &Pipeline<Engine>, list: &[Vec<u8>]) {
        let first = self.row_no + 1;
        self.row_no += list.len() as u64;
        let numbered = (first..).zip(list).map(|(no, bytes)| (no, NOW, bytes.as_slice()));
        let frame = link::rows_frame(1, numbered.collect::<Vec<_>>().into_iter()).unwrap();
        pipeline.receive(b"r1/1", &frame, NOW).unwrap();
    }
}

/// What the route writes down about these frames: each order went out, and was filled.
fn answers(frames: &[journal::Addressed], n: u64, side: u8) -> Vec<Vec<u8>> {
    let mut list = Vec::new();
    for (_, frame) in frames {
        if let Ok(link::Frame::Orders(orders)) = link::decode(frame) {
            let mut keys = link::KeysBuf::default();
            orders.iter().for_each(|o| keys.push(o.cl_ord_id, o.try_no).unwrap());
            list.push(encoded(&Row::Out { journal_no: orders.journal_no, keys: keys.as_keys() }));
            for o in orders.iter() {
                let raw = broker_fill(o.cl_ord_id, side);
                list.push(encoded(&Row::In { session: "R1", msg_seq_num: n, raw: &raw }));
            }
        }
    }
    list
}

fn encoded(row: &Row<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    link::encode_row(row, &mut bytes).unwrap();
    bytes
}
