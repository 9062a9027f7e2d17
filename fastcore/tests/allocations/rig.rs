//! The core driven by bytes, with a route that the test plays. Every event is kept: a replay applies them again.

use crate::counting::allocations;
use crate::deployment::{Change, config, leader_fill, report};
use fastcore::action::{Discard, Sink};
use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use fastcore::link::{self, Frame, KeysBuf, Row, RowRef, SendKind};

const NOW: i64 = 1_700_000_000_000_000_000;
/// A route journals its rows in groups of at most this many.
const ROWS_MAX: usize = 256;
/// Room for the frames of one event: the test's own sink must not ask for memory.
const FRAME_ROOM: usize = 4 << 20;
/// Events without orders between two fills: each grows 2 of 64 tables, so that all have had their turn.
const QUIET: usize = 40;

pub const FILLED: &str = "150=F|39=2|32=*|31=1.1|14=*|151=0|";
pub const NEW: &str = "150=0|39=0|14=0|151=*|";
pub const REJECTED: &str = "150=8|39=8|14=0|151=0|";

/// A message that the route was given.
#[derive(Clone, Debug)]
pub struct Sent {
    pub id: String,
    pub try_no: u16,
    pub kind: SendKind,
    pub fix: Vec<u8>,
}

/// Takes frames as the buffer of a socket does.
struct Frames {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl Sink for Frames {
    const WANTS_DECISIONS: bool = false;
    fn frame(&mut self, _route: u32, frame: &[u8]) {
        self.bytes.extend_from_slice(frame);
        self.ends.push(self.bytes.len());
    }
}

struct Kept {
    kind: EventKind,
    session: &'static str,
    payload: Vec<u8>,
    at_ns: i64,
}

pub struct Rig {
    engine: Engine,
    config: String,
    events: Vec<Kept>,
    now: i64,
    row: u64,
    fills: u64,
    sink: Frames,
    calls: u64,
}

impl Rig {
    /// Linked, synced and logged on.
    pub fn new(followers: usize, change: Change) -> Rig {
        let config = config(followers, change);
        let engine = Engine::new(Config::from_json(&config).unwrap()).unwrap();
        let sink = Frames { bytes: Vec::with_capacity(FRAME_ROOM), ends: Vec::with_capacity(64) };
        let mut rig = Rig { engine, config, events: vec![], now: NOW, row: 0, fills: 0, sink, calls: 0 };
        rig.apply(EventKind::Link, "r", link::encode_hello("r", 1, 1, 1, 0, &["R"]).unwrap());
        rig.rows(&[Row::Sync { incarnation: 1, epoch: 0 }]);
        rig.apply(EventKind::Session, "L", b"up".to_vec());
        rig.apply(EventKind::Quote, "", br#"{"instrument":"I","bid":"1.1","ask":"1.1"}"#.to_vec());
        rig
    }

    pub fn apply(&mut self, kind: EventKind, session: &'static str, payload: Vec<u8>) -> Vec<Sent> {
        self.now += 1_000_000;
        self.sink.bytes.clear();
        self.sink.ends.clear();
        let seq = self.events.len() as u64 + 1;
        let event = Event { seq, at_ns: self.now, kind, session, payload: &payload };
        let (engine, sink) = (&mut self.engine, &mut self.sink);
        self.calls = allocations(|| engine.apply(&event, sink));
        self.events.push(Kept { kind, session, payload, at_ns: self.now });
        let (mut sent, mut from) = (Vec::new(), 0);
        for end in &self.sink.ends {
            if let Frame::Orders(orders) = link::decode(&self.sink.bytes[from..*end]).unwrap() {
                sent.extend(orders.iter().map(|o| Sent {
                    id: o.cl_ord_id.to_owned(),
                    try_no: o.try_no,
                    kind: o.kind,
                    fix: o.fix.to_vec(),
                }));
            }
            from = *end;
        }
        sent
    }

    fn rows(&mut self, rows: &[Row<'_>]) -> Vec<Sent> {
        let mut sent = Vec::new();
        for group in rows.chunks(ROWS_MAX) {
            let first = self.row + 1;
            self.row += group.len() as u64;
            let at_ns = self.now;
            let numbered = (first..).zip(group).map(|(row_no, row)| RowRef { row_no, at_ns, row: *row });
            let frame = link::encode_rows(1, &numbered.collect::<Vec<_>>()).unwrap();
            sent.extend(self.apply(EventKind::Route, "r", frame));
        }
        sent
    }

    /// Time passes and nothing happens: memory for what comes is made now.
    pub fn quiet(&mut self) {
        (0..QUIET).for_each(|_| drop(self.apply(EventKind::Timer, "", vec![])));
    }

    /// A command of an operator; with a `*` one for the number of each follower.
    pub fn operator(&mut self, followers: usize, command: &str) {
        let times = if command.contains('*') { followers } else { 1 };
        for n in 0..times {
            let command = command.replace('*', &n.to_string()).into_bytes();
            self.apply(EventKind::Operator, "", command);
        }
    }

    pub fn pass(&mut self, ms: i64) {
        self.now += ms * 1_000_000;
        self.quiet();
    }

    /// A fill of the leader after a quiet while: what it makes, and how often memory was asked for.
    pub fn leader(&mut self, buys: bool, qty: u32) -> (Vec<Sent>, u64) {
        self.quiet();
        self.fills += 1;
        let raw = leader_fill(self.fills, buys, qty, self.now);
        let sent = self.apply(EventKind::Leader, "L", raw);
        (sent, self.calls)
    }

    /// The route sent them, and the brokers answer each.
    pub fn answer(&mut self, sent: &[Sent], state: &str) -> Vec<Sent> {
        let mut keys = KeysBuf::default();
        sent.iter().for_each(|s| keys.push(&s.id, s.try_no).unwrap());
        if sent.is_empty() {
            return vec![];
        }
        let mut more = self.rows(&[Row::Out { journal_no: 1, keys: keys.as_keys() }]);
        let reports: Vec<Vec<u8>> = sent.iter().map(|s| report(&s.fix, state)).collect();
        let rows: Vec<Row<'_>> =
            reports.iter().map(|raw| Row::In { session: "R", msg_seq_num: 1, raw }).collect();
        more.extend(self.rows(&rows));
        more
    }

    /// Everything is filled until nothing is sent any more.
    pub fn fill(&mut self, mut sent: Vec<Sent>) {
        while !sent.is_empty() {
            sent = self.answer(&sent, FILLED);
        }
    }

    /// The same events without frames, as a replay applies them: allocations of the leader's.
    pub fn replayed(&self) -> Vec<u64> {
        let mut engine = Engine::new(Config::from_json(&self.config).unwrap()).unwrap();
        let mut calls = Vec::new();
        for (seq, e) in (1..).zip(&self.events) {
            let event = Event { seq, at_ns: e.at_ns, kind: e.kind, session: e.session, payload: &e.payload };
            let of_this = allocations(|| engine.apply(&event, &mut Discard));
            calls.extend((e.kind == EventKind::Leader).then_some(of_this));
        }
        assert_eq!(engine.digest(), self.engine.digest(), "a replay decides the same");
        calls
    }
}
