//! Sequences of events for the whole engine: leaders, links, rows of routes, operators, quotes, timers, frames that come
//! back, and restarts, coherent enough to reach deep and changed often enough to be wrong.

mod leaders;
mod routes;

use crate::hunt::Tally;
use crate::invariants;
use crate::mutate::{self, Fields};
use crate::rng::Rng;
use crate::setup::{FOLLOWERS, LEADERS, ROUTES, SYMBOLS, config};
use fastcore::action::{Discard, Sink};
use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use fastcore::link::{self, Frame, KeysBuf, Row, RowRef};
use serde_json::{Value, json};

const NOW: i64 = 1_700_000_000_000_000_000;
const MS: i64 = 1_000_000;
/// Events of one story at most.
const EVENTS_MAX: usize = 160;
/// Messages to routes after which a story ends: a huge target at a venue of small orders makes 100 in every event.
const SENT_MAX: usize = 2_000;
/// A snapshot is taken and read after so many.
const SNAPSHOT_EACH: usize = 48;
/// Timers that may be due one after another at the same time.
const DUE_MAX: usize = 64;
const OPERATOR: &str = include_str!("corpus/operator.txt");

/// What was sent to a route.
#[derive(Clone)]
struct Sent {
    route: usize,
    id: String,
    try_no: u16,
    fields: Fields,
    cum: i64,
    out: bool,
}

#[derive(Clone)]
struct LeaderOrder {
    leader: usize,
    id: String,
    side: u8,
    symbol: &'static str,
    qty: i64,
    cum: i64,
    executions: Vec<(String, i64)>,
}

/// Keeps frames, checks what leaves.
#[derive(Default)]
struct Out {
    frames: Vec<(u32, Vec<u8>)>,
    questions: usize,
}

impl Sink for Out {
    const WANTS_DECISIONS: bool = false;
    fn frame(&mut self, route: u32, frame: &[u8]) {
        invariants::leaves(frame);
        self.frames.push((route, frame.to_vec()));
    }
    fn question(&mut self, _session: &str, message: &[u8]) {
        let mut fields = Vec::new();
        assert!(fastcore::fix::parse(message, &mut fields).is_ok());
        self.questions += 1;
    }
}

/// An audit's sink: it asks for decisions, and decides the same.
struct Audit;

impl Sink for Audit {
    const WANTS_DECISIONS: bool = true;
    const WANTS_FRAMES: bool = false;
    fn frame(&mut self, _route: u32, _frame: &[u8]) {}
}

struct Kept {
    kind: EventKind,
    session: String,
    payload: Vec<u8>,
    at_ns: i64,
}

pub struct Story<'a> {
    rng: &'a mut Rng,
    engine: Engine,
    config: Value,
    begun_with: String,
    events: Vec<Kept>,
    now: i64,
    epoch: u64,
    rows: [u64; ROUTES],
    incarnations: [u64; ROUTES],
    sent: Vec<Sent>,
    orders: Vec<LeaderOrder>,
    told: Vec<(usize, Vec<u8>)>,
    frames: Vec<(u32, Vec<u8>)>,
    number: u64,
    questions: usize,
    beyond: std::collections::BTreeSet<usize>,
}

/// One story; how many events it had.
pub fn play(rng: &mut Rng, tally: &mut Tally) -> u64 {
    let mut story = Story::new(rng);
    for route in 0..ROUTES {
        story.hello(route);
        story.sync(route);
    }
    story.accounts();
    let events = 20 + story.rng.below(EVENTS_MAX);
    while story.events.len() < events && story.sent.len() < SENT_MAX {
        story.happen();
        if story.events.len().is_multiple_of(SNAPSHOT_EACH) {
            story.through_snapshot();
        }
    }
    invariants::nothing_forgotten(story.engine.state());
    let _shown = serde_json::to_string(&story.engine.status()).unwrap();
    story.replayed();
    story.count(tally);
    story.events.len() as u64
}

/// A state worth damaging: a story's snapshot, and what it is read with.
pub fn snapshot(rng: &mut Rng) -> (Config, Vec<u8>) {
    let mut story = Story::new(rng);
    (0..ROUTES).for_each(|route| {
        story.hello(route);
        story.sync(route);
    });
    (0..60).for_each(|_| story.happen());
    (read(&story.config.to_string()), story.engine.snapshot())
}

fn read(text: &str) -> Config {
    Config::from_json(text).unwrap()
}

/// `field=value` pairs of what was sent.
fn taken_apart(raw: &[u8]) -> Fields {
    let mut fields = Vec::new();
    let message = fastcore::fix::parse(raw, &mut fields).unwrap();
    message.fields().map(|(tag, value)| (tag, value.to_vec())).collect()
}

impl Story<'_> {
    fn new(rng: &mut Rng) -> Story<'_> {
        // Not every throw of the switches is a deployment.
        let (config, engine) = loop {
            let config = config(rng);
            if let Ok(engine) = Engine::new(read(&config.to_string())) {
                break (config, engine);
            }
        };
        let begun_with = config.to_string();
        Story {
            rng,
            engine,
            config,
            begun_with,
            events: vec![],
            now: NOW,
            epoch: 0,
            rows: [0; ROUTES],
            incarnations: [0; ROUTES],
            sent: vec![],
            orders: vec![],
            told: vec![],
            frames: vec![],
            number: 0,
            questions: 0,
            beyond: std::collections::BTreeSet::new(),
        }
    }

    fn apply(&mut self, kind: EventKind, session: &str, payload: Vec<u8>) {
        let mut out = Out::default();
        let seq = self.events.len() as u64 + 1;
        self.engine.apply(&Event { seq, at_ns: self.now, kind, session, payload: &payload }, &mut out);
        self.events.push(Kept { kind, session: session.to_owned(), payload, at_ns: self.now });
        invariants::books(&self.engine, &mut self.beyond);
        self.questions += out.questions;
        for (route, frame) in out.frames {
            if let Ok(Frame::Orders(orders)) = link::decode(&frame) {
                self.sent.extend(orders.iter().map(|o| Sent {
                    route: route as usize,
                    id: o.cl_ord_id.to_owned(),
                    try_no: o.try_no,
                    fields: taken_apart(o.fix),
                    cum: 0,
                    out: false,
                }));
                self.frames.push((route, frame));
            }
        }
    }

    /// A message of fields: one in six is changed by fields, one in sixteen by bytes.
    fn message(&mut self, mut list: Fields) -> Vec<u8> {
        if self.rng.one_in(6) {
            mutate::fields(self.rng, &mut list);
        }
        let mut raw = mutate::framed(self.rng, &list);
        if self.rng.one_in(16) {
            mutate::bytes(self.rng, &mut raw);
        }
        raw
    }

    fn happen(&mut self) {
        self.now += match self.rng.below(200) {
            0 => 86_400_000 * MS,
            1..=3 => 90_000 * MS,
            4..=40 => self.rng.below(6_000) as i64 * MS,
            41..=60 => 0,
            _ => self.rng.below(50) as i64 * MS,
        };
        match self.rng.below(32) {
            0..=7 => {
                self.leader_fill();
                if !self.rng.one_in(4) {
                    self.out();
                }
            }
            8 | 9 => self.leader_other(),
            10 | 11 => self.leader_again(),
            12..=15 => self.out(),
            16..=22 => self.broker(),
            23 => self.other_row(),
            24 => {
                let route = self.rng.below(ROUTES);
                self.hello(route);
                self.sync(route);
            }
            25 => self.operator(),
            26 => self.quote(),
            27 => self.unsent(),
            28 => self.session(),
            29 => self.restart(),
            _ => self.timer(),
        }
    }

    fn next_number(&mut self) -> u64 {
        self.number += 1;
        self.number
    }

    fn time(&self, ago_ms: i64) -> Vec<u8> {
        let mut text = Vec::new();
        fastcore::time::write_utc(self.now - ago_ms * MS, &mut text);
        text
    }

    fn operator(&mut self) {
        let lines: Vec<&str> = OPERATOR.lines().collect();
        let mut command = self.rng.pick(&lines).as_bytes().to_vec();
        if command.starts_with(b"{\"cmd\":\"kill") && self.rng.one_in(2) {
            command = b"{\"cmd\":\"arm\",\"who\":\"anna\"}".to_vec();
        }
        if self.rng.one_in(5) {
            mutate::bytes(self.rng, &mut command);
        }
        self.apply(EventKind::Operator, "", command);
    }

    fn quote(&mut self) {
        let (name, bid) =
            (*self.rng.pick(&SYMBOLS), *self.rng.pick(&["1.09", "1.0", "0.5", "99999999999999999999", "0"]));
        let ask = *self.rng.pick(&["1.11", "1.2", "99999999999999999999", "-1"]);
        let mut text = json!({"instrument": name, "bid": bid, "ask": ask}).to_string().into_bytes();
        if self.rng.one_in(8) {
            mutate::bytes(self.rng, &mut text);
        }
        self.apply(EventKind::Quote, "", text);
    }

    /// A frame that the socket refused comes back; another one may be anything.
    fn unsent(&mut self) {
        if let Some((route, mut frame)) = self.frames.pop() {
            if self.rng.one_in(6) {
                mutate::bytes(self.rng, &mut frame);
            }
            self.apply(EventKind::Unsent, &format!("r{route}"), frame);
        }
    }

    fn session(&mut self) {
        let (leader, what) =
            (self.rng.below(LEADERS), *self.rng.pick(&["up", "down", "up", "down", "", "sideways"]));
        self.apply(EventKind::Session, &format!("L{leader}"), what.as_bytes().to_vec());
    }

    /// The core starts anew, sometimes with another configuration, which may be refused.
    fn restart(&mut self) {
        self.epoch += 1;
        let changed = if self.rng.one_in(3) { config(self.rng) } else { self.config.clone() };
        let digest = self.engine.digest().to_string();
        let start = json!({"epoch": self.epoch, "engine": fastcore::ENGINE_VERSION, "config": changed, "digest": digest});
        // What is refused is refused before the row is written.
        let accepted = Config::from_json(&changed.to_string()).is_ok_and(|c| self.engine.accepts(&c).is_ok());
        if accepted {
            self.config = changed;
            self.apply(EventKind::Start, "", start.to_string().into_bytes());
        } else {
            let mut text = start.to_string().into_bytes();
            text.truncate(self.rng.below(text.len()));
            self.apply(EventKind::Start, "", text);
        }
        for route in 0..ROUTES {
            self.hello(route);
            self.sync(route);
        }
    }

    /// Runs what is due; what is due again at once, for ever, would stop the core.
    fn timer(&mut self) {
        if let Some(due) = self.engine.next_due_ns() {
            self.now = self.now.max(due.min(self.now + 86_400_000 * MS));
        }
        let due = |s: &Self| s.engine.next_due_ns().is_some_and(|due| due <= s.now);
        for _ in 0..DUE_MAX {
            self.apply(EventKind::Timer, "", vec![]);
            if !due(self) {
                return;
            }
        }
        panic!("{:?} is due at {} after {DUE_MAX} timers", self.engine.next_due_ns(), self.now);
    }

    /// The state comes back from its bytes as it was, and goes on.
    fn through_snapshot(&mut self) {
        let bytes = self.engine.snapshot();
        let restored = Engine::restore(read(&self.config.to_string()), &bytes).unwrap();
        assert_eq!(restored.snapshot(), bytes, "a snapshot that was read is written again");
        self.engine = restored;
    }

    /// The same bytes again, without frames and with decisions: the same orders and the same state.
    fn replayed(&self) {
        let mut plain = Engine::new(read(&self.begun_with)).unwrap();
        let mut audit = Engine::new(read(&self.begun_with)).unwrap();
        for (seq, e) in (1..).zip(&self.events) {
            let event = Event { seq, at_ns: e.at_ns, kind: e.kind, session: &e.session, payload: &e.payload };
            plain.apply(&event, &mut Discard);
            audit.apply(&event, &mut Audit);
        }
        assert_eq!(plain.digest(), self.engine.digest());
        assert_eq!(audit.digest(), self.engine.digest());
        let live = self.engine.snapshot();
        assert!(plain.snapshot() == live, "a replay has another state");
        assert!(audit.snapshot() == live, "an audit has another state");
    }

    fn count(&self, tally: &mut Tally) {
        let st = self.engine.state();
        tally.note("stories");
        tally.add("orders", st.orders.len() as u64);
        tally.add("closes", st.orders.iter().filter(|o| o.reduces).count() as u64);
        tally.add("cancels", st.orders.iter().map(|o| u64::from(o.cancels)).sum());
        tally.add("fills of followers", st.follower_fills);
        tally.add("executions of leaders", st.leaders.iter().map(|l| l.executions).sum());
        tally.add("questions to leaders' brokers", self.questions as u64);
        st.orders.iter().for_each(|o| tally.note(&format!("order {}", o.state.name())));
        st.refusals.iter().for_each(|(code, n)| tally.add(&format!("refusal {}", code.as_str()), *n));
        st.alerts.iter().for_each(|(code, n)| tally.add(&format!("alert {code}"), *n));
        st.notes.iter().for_each(|(what, n)| tally.add(&format!("note {what}"), *n));
    }
}
