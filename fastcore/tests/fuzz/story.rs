//! Sequences of events for the whole engine: leaders, links, rows of routes, operators, quotes, timers, frames that come
//! back, and restarts, coherent enough to reach deep and changed often enough to be wrong.

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

    /// A part or all of a new or known order of a leader.
    fn leader_fill(&mut self) {
        let open: Vec<usize> =
            (0..self.orders.len()).filter(|n| self.orders[*n].cum < self.orders[*n].qty).collect();
        let at = if open.is_empty() || self.rng.one_in(2) {
            let id = format!("O{}", self.next_number());
            let huge = self.rng.one_in(60);
            let sizes: &[i64] =
                if huge { &[1_000_000, 30_000_000_000_000_000] } else { &[1, 2, 5, 10, 12, 40] };
            let qty = *self.rng.pick(sizes);
            let (leader, side) = (self.rng.below(LEADERS), *self.rng.pick(b"1122225"));
            let symbol = *self.rng.pick(&SYMBOLS);
            self.orders.push(LeaderOrder { leader, id, side, symbol, qty, cum: 0, executions: vec![] });
            self.orders.len() - 1
        } else {
            *self.rng.pick(&open)
        };
        let o = &self.orders[at];
        let last = if self.rng.one_in(3) { (o.qty - o.cum).min(1) } else { o.qty - o.cum };
        let exec = format!("E{}", self.next_number());
        let o = &mut self.orders[at];
        o.cum += last;
        o.executions.push((exec.clone(), last));
        let o = o.clone();
        let status = if o.cum == o.qty { "2" } else { "1" };
        let kind = *self.rng.pick(&["F", "F", "F", status]);
        self.leader_report(&o, kind, status, last, &[(17, exec)]);
    }

    fn leader_report(
        &mut self,
        o: &LeaderOrder,
        kind: &str,
        status: &str,
        last: i64,
        more: &[(u32, String)],
    ) {
        let number = self.next_number();
        let ago = if self.rng.one_in(12) { 70_000 } else { self.rng.below(500) as i64 };
        let text = |v: i64| v.to_string();
        let mut list: Fields = vec![(35, b"8".to_vec()), (34, number.to_string().into_bytes())];
        list.extend([(52, self.time(0)), (60, self.time(ago))]);
        let (qty, cum, left) = (text(o.qty), text(o.cum), text(o.qty - o.cum));
        let (side, last) = (char::from(o.side).to_string(), text(last));
        let own: [(u32, &str); 12] = [
            (37, &o.id),
            (11, &o.id),
            (150, kind),
            (39, status),
            (55, o.symbol),
            (54, &side),
            (38, &qty),
            (32, &last),
            (31, "1.1"),
            (6, "1.1"),
            (14, &cum),
            (151, &left),
        ];
        list.extend(own.map(|(tag, value)| (tag, value.as_bytes().to_vec())));
        list.extend(more.iter().map(|(tag, value)| (*tag, value.clone().into_bytes())));
        let raw = self.message(list);
        self.leader_says(o.leader, raw);
    }

    fn leader_says(&mut self, leader: usize, raw: Vec<u8>) {
        if self.told.len() < 64 {
            self.told.push((leader, raw.clone()));
        }
        let session = if self.rng.one_in(100) { "NONE".to_owned() } else { format!("L{leader}") };
        self.apply(EventKind::Leader, &session, raw);
    }

    /// Takes back, corrects, replaces, ends or asks about an order; or says something about the account.
    fn leader_other(&mut self) {
        if self.orders.is_empty() || self.rng.one_in(6) {
            let list = self.about_account("X", 5);
            let raw = self.message(list);
            let leader = self.rng.below(LEADERS);
            return self.leader_says(leader, raw);
        }
        let at = self.rng.below(self.orders.len());
        let exec = format!("E{}", self.next_number());
        let mut o = self.orders[at].clone();
        let named =
            if o.executions.is_empty() { ("E0".to_owned(), 1) } else { self.rng.pick(&o.executions).clone() };
        match self.rng.below(7) {
            0 | 1 => {
                o.cum = (o.cum - named.1).max(0);
                self.leader_report(&o, "H", "1", named.1, &[(17, exec), (19, named.0)]);
            }
            2 => {
                o.cum = (o.cum - named.1 + 1).max(0);
                self.leader_report(&o, "G", "1", 1, &[(17, exec), (19, named.0)]);
            }
            3 => {
                o.qty = o.qty.saturating_mul(2);
                self.leader_report(&o, "5", "5", 0, &[(17, exec), (41, o.id.clone())]);
            }
            4 => self.leader_report(&o, "I", "1", 0, &[(17, exec)]),
            5 => {
                let reason = self.rng.pick(&["0", "5", "8"]).to_string();
                self.leader_report(&o, "D", "1", 0, &[(17, exec), (378, reason)]);
            }
            _ => {
                let end = *self.rng.pick(&["4", "C", "8", "3", "0", "A", "6"]);
                self.leader_report(&o, end, end, 0, &[(17, exec)]);
            }
        }
        self.orders[at] = o;
    }

    /// A quote, the account's values or a position.
    fn about_account(&mut self, symbol: &str, held: i64) -> Fields {
        let id = format!("Q{}.{}", self.rng.below(200), self.rng.below(FOLLOWERS));
        let text = match self.rng.below(3) {
            0 => format!("35=W|55={symbol}|269=0|270=1.09|269=1|270=1.11|"),
            1 => "35=BA|900=1000|901=900|899=800|15=USD|1=A0|".to_owned(),
            _ => format!("35=AP|710={id}|727=1|728=0|1=A0|55={symbol}|703=TQ|704={held}|705=0|"),
        };
        mutate::fields_of(&text)
    }

    /// The same message once more: sent again, or a replay of the broker.
    fn leader_again(&mut self) {
        if !self.told.is_empty() {
            let (leader, raw) = self.rng.pick(&self.told).clone();
            self.apply(EventKind::Leader, &format!("L{leader}"), raw);
        }
    }

    fn hello(&mut self, route: usize) {
        self.incarnations[route] += u64::from(!self.rng.one_in(4));
        let log_id = if self.rng.one_in(12) { 2 } else { 1 };
        let seen = if self.rng.one_in(60) { u64::MAX } else { 0 };
        let session = format!("R{route}");
        let sessions: &[&str] = if self.rng.one_in(5) { &[] } else { &[&session] };
        let (name, next) = (format!("r{route}"), self.rows[route] + 1);
        let mut frame =
            link::encode_hello(&name, self.incarnations[route], log_id, next, seen, sessions).unwrap();
        match self.rng.below(30) {
            0 => frame.clear(),
            1 => mutate::bytes(self.rng, &mut frame),
            _ => {}
        }
        self.apply(EventKind::Link, &name, frame);
    }

    fn sync(&mut self, route: usize) {
        let (incarnation, epoch) = (self.incarnations[route], self.epoch);
        let session = format!("R{route}");
        self.rows_of(route, &[Row::Sync { incarnation, epoch }, Row::Logon { session: &session }]);
    }

    fn rows_of(&mut self, route: usize, rows: &[Row<'_>]) {
        let first = if self.rng.one_in(40) { self.rows[route] } else { self.rows[route] + 1 };
        self.rows[route] = first + rows.len() as u64 - 1;
        let refs: Vec<RowRef<'_>> =
            (first..).zip(rows).map(|(row_no, row)| RowRef { row_no, at_ns: self.now, row: *row }).collect();
        let mut frame = link::encode_rows(self.incarnations[route], &refs).unwrap();
        if self.rng.one_in(40) {
            mutate::bytes(self.rng, &mut frame);
        }
        self.apply(EventKind::Route, &format!("r{route}"), frame);
    }

    /// Everything that a route has and did not send yet went out.
    fn out(&mut self) {
        let some = |s: &Sent| !s.out;
        let Some(route) = self.sent.iter().rev().find(|s| some(s)).map(|s| s.route) else { return };
        let mut keys = KeysBuf::default();
        for s in self.sent.iter_mut().filter(|s| s.route == route && !s.out).take(SENT_MAX) {
            s.out = true;
            keys.push(&s.id, s.try_no).unwrap();
        }
        self.rows_of(route, &[Row::Out { journal_no: 1, keys: keys.as_keys() }]);
    }

    /// Reports of a broker on some of our messages, in one frame.
    fn broker(&mut self) {
        if self.sent.is_empty() {
            return;
        }
        let route = self.rng.pick(&self.sent).route;
        let mine: Vec<usize> = (0..self.sent.len()).filter(|n| self.sent[*n].route == route).collect();
        let reports: Vec<Vec<u8>> = (0..1 + self.rng.below(4))
            .map(|_| {
                // Of the newest mostly: older ones are done.
                let back = self.rng.below(mine.len().min(6));
                let at = if self.rng.one_in(6) { *self.rng.pick(&mine) } else { mine[mine.len() - 1 - back] };
                self.report(at)
            })
            .collect();
        let session = format!("R{route}");
        let rows: Vec<Row<'_>> =
            reports.iter().map(|raw| Row::In { session: &session, msg_seq_num: 1, raw }).collect();
        self.rows_of(route, &rows);
    }

    fn report(&mut self, at: usize) -> Vec<u8> {
        let exec = format!("X{}", self.next_number());
        let get = |list: &Fields, tag: u32| {
            list.iter()
                .find(|f| f.0 == tag)
                .map(|f| String::from_utf8_lossy(&f.1).into_owned())
                .unwrap_or_default()
        };
        let s = &self.sent[at];
        let (qty, kind, symbol) = (get(&s.fields, 38), get(&s.fields, 35), get(&s.fields, 55));
        let whole: i64 = qty.parse().unwrap_or(1);
        let cum = s.cum;
        let (fill, status) = if self.rng.one_in(3) { (1, "1") } else { (whole.saturating_sub(cum), "2") };
        let (exec_type, status, last) = match self.rng.below(12) {
            0..=4 => ("F", status, fill),
            5 => ("8", "8", 0),
            6 => ("4", "4", 0),
            7 => ("C", "C", 0),
            8 => ("I", *self.rng.pick(&["0", "1", "4", "8"]), 0),
            9 => ("H", "1", 1),
            10 => (*self.rng.pick(&["5", "6", "D", "3", "E", "G", "L"]), "1", 1),
            _ => ("0", "0", 0),
        };
        if exec_type == "F" {
            self.sent[at].cum = self.sent[at].cum.saturating_add(last);
        }
        let s = &self.sent[at];
        let (id, cum) = (&s.id, s.cum);
        let (side, named) = (get(&s.fields, 54), get(&s.fields, 41));
        let text = match (kind.as_str(), self.rng.below(8)) {
            ("F", 0..=3) => format!("35=9|11={id}|41={named}|37=B|39=1|434=1|102=0|"),
            ("F", _) => format!(
                "35=8|37=B{named}|11={id}|41={named}|17={exec}|150=4|39=4|55={symbol}|54={side}|38={qty}|14={cum}|151=0|"
            ),
            ("H", 0..=3) => format!(
                "35=8|37=NONE|11={id}|17={exec}|150=8|39=8|103=5|55={symbol}|54={side}|38=1|14=0|151=0|"
            ),
            ("AN", _) => {
                format!("35=AP|710={id}|727=1|728=0|1={}|55=X|703=TQ|704={whole}|705=0|", get(&s.fields, 1))
            }
            (_, 0) => format!("35=j|45=1|372=D|379={id}|380=3|58=no|"),
            _ => format!(
                "35=8|37=B{id}|11={id}|17={exec}|19=X{}|378=5|150={exec_type}|39={status}|55={symbol}|54={side}|38={qty}|32={last}|31=1.1|14={cum}|151=0|",
                self.number.saturating_sub(3)
            ),
        };
        self.message(mutate::fields_of(&text))
    }

    /// What a route writes beside reports.
    fn other_row(&mut self) {
        let route = self.rng.below(ROUTES);
        let session = format!("R{route}");
        let found = self.sent.iter().rev().find(|s| s.route == route).cloned();
        let (id, try_no) = found.map_or(("NONE".to_owned(), 1), |s| (s.id, s.try_no));
        let list = self.about_account("X", 3);
        let (told, raw) =
            (self.message(list), mutate::framed(self.rng, &mutate::fields_of("35=3|45=2|58=no|")));
        let row = match self.rng.below(8) {
            0 | 1 => Row::NotSent { cl_ord_id: &id, try_no, reason: 1 },
            2 => Row::Rejected { session: &session, msg_seq_num: 4, cl_ord_id: &id, raw: &raw },
            3 => Row::Refused { session: &session, raw: &raw },
            4 => Row::Logout { session: &session },
            5 => Row::Logon { session: &session },
            6 => Row::Gap { session: &session, from: 3, to: 9 },
            _ => Row::In { session: &session, msg_seq_num: 5, raw: &told },
        };
        self.rows_of(route, &[row]);
    }

    /// What accounts are worth and what things cost, in most stories: without it most sizing rules refuse.
    fn accounts(&mut self) {
        if self.rng.one_in(5) {
            return;
        }
        let names = (0..LEADERS).map(|n| format!("l{n}")).chain((0..FOLLOWERS).map(|n| format!("f{n}")));
        for name in names.collect::<Vec<_>>() {
            let text = json!({"cmd": "account", "account": name, "balance": "1000", "equity": "1000", "free_margin": "900"});
            self.apply(EventKind::Operator, "", text.to_string().into_bytes());
        }
        for name in SYMBOLS {
            let text = json!({"instrument": name, "bid": "1.09", "ask": "1.11"});
            self.apply(EventKind::Quote, "", text.to_string().into_bytes());
        }
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
