//! The engine between leaders, a real route guard and a broker; everything that can go wrong is a step of a history.

use crate::parties::{Broker, Leaders};
use crate::setup::Setup;
use fastcore::action::{Alert, Discard, Sink};
use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use fastcore::link::{self, Row};
use fastcore::route::{NewRow, RouteGuard, Seen};
use std::collections::VecDeque;

pub const START: i64 = 1_700_000_000_000_000_000;
pub const MS: i64 = 1_000_000;

struct Recorded {
    kind: EventKind,
    session: String,
    payload: Vec<u8>,
    seq: u64,
    at_ns: i64,
}

/// What a ledger line was, to compare with after an event; units as raw decimals.
#[derive(Clone, Copy, Default)]
struct Before {
    target: i128,
    lo: i128,
    hi: i128,
}

#[derive(Default)]
struct Out {
    frames: Vec<Vec<u8>>,
    alerts: Vec<Alert>,
}

impl Sink for Out {
    const WANTS_DECISIONS: bool = true;
    fn frame(&mut self, _route: u32, frame: &[u8]) {
        self.frames.push(frame.to_vec());
    }
    fn alert(&mut self, alert: &Alert) {
        self.alerts.push(alert.clone());
    }
}

/// A row of the route's durable file: number, time, bytes.
type StoredRow = (u64, i64, Vec<u8>);

pub struct World {
    pub engine: Engine,
    pub setup: Setup,
    pub leaders: Leaders,
    pub broker: Broker,
    pub now: i64,
    pub story: Vec<String>,
    guard: RouteGuard,
    incarnation: u64,
    epoch: u64,
    rows: Vec<StoredRow>,
    rows_sent: usize,
    to_route: VecDeque<Vec<u8>>,
    events: Vec<Recorded>,
    before: Vec<Before>,
    /// The next message that leaves is lost behind its OUT row.
    pub lose_next: bool,
}

pub fn fix(text: &str) -> Vec<u8> {
    let body = text.replace('|', "\u{1}");
    let all = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
    let sum: u32 = all.bytes().map(u32::from).sum::<u32>() % 256;
    format!("{all}10={sum:03}\u{1}").into_bytes()
}

fn guard(incarnation: u64, epoch: u64) -> RouteGuard {
    RouteGuard::new(incarnation, epoch, 0, &["R".to_owned()], i64::MAX)
}

impl World {
    pub fn new(setup: Setup) -> World {
        let engine = Engine::new(Config::from_json(&setup.json()).unwrap()).unwrap();
        let mut w = World {
            engine,
            setup,
            leaders: Leaders::default(),
            broker: Broker::default(),
            now: START,
            story: vec![],
            guard: guard(1, 0),
            incarnation: 1,
            epoch: 0,
            rows: vec![],
            rows_sent: 0,
            to_route: VecDeque::new(),
            events: vec![],
            before: vec![],
            lose_next: false,
        };
        w.start_core();
        w.session(true);
        for account in ["l0", "l1", "f"] {
            let command = format!(r#"{{"cmd":"account","account":"{account}","equity":"1000"}}"#);
            w.apply(EventKind::Operator, "", command.as_bytes());
        }
        w
    }

    pub fn clock(&self) -> String {
        let mut time = Vec::new();
        fastcore::time::write_utc(self.now, &mut time);
        String::from_utf8(time).unwrap()
    }

    /// Journals and applies one event, and checks everything that must hold after every event.
    pub fn apply(&mut self, kind: EventKind, session: &str, payload: &[u8]) {
        self.now += MS;
        let seq = self.events.len() as u64 + 1;
        let reduces_only = self.positions();
        let mut out = Out::default();
        self.engine.apply(&Event { seq, at_ns: self.now, kind, session, payload }, &mut out);
        let (session, payload) = (session.to_owned(), payload.to_vec());
        self.events.push(Recorded { kind, session, payload, seq, at_ns: self.now });
        for alert in out.alerts {
            self.story.push(format!("    alert {}: {}", alert.code, alert.text));
        }
        for frame in out.frames {
            if let Ok(link::Frame::Orders(orders)) = link::decode(&frame) {
                for o in orders.iter() {
                    let text = String::from_utf8_lossy(o.fix).replace('\u{1}', "|");
                    self.story.push(format!("    → try {} {text}", o.try_no));
                }
            }
            self.to_route.push_back(frame);
        }
        for l in &self.engine.state().lines {
            let (line, target) = (&l.line, Dec::from_raw(self.units(l.line.target)));
            let works = (
                line.working_buy,
                line.working_sell,
                line.closing_buy,
                line.closing_sell,
                line.unknown,
                line.cancels,
            );
            let text = format!(
                "      s{}: T {target}, filled {}, buys, sells, closing both, unknown, cancels {works:?}",
                l.sub, line.filled
            );
            if self.story.iter().rev().find(|t| t.starts_with(&text[..9])).is_none_or(|t| *t != text) {
                self.story.push(text);
            }
        }
        self.check(kind, &reduces_only);
    }

    /// A target in raw units; one quantum is 10⁻¹⁸ of a step.
    fn units(&self, target: i128) -> i128 {
        target * i128::from(self.setup.step)
    }

    /// Leader positions as the engine knows them.
    fn positions(&self) -> Vec<i128> {
        let of = |l: &fastcore::engine::LeaderState| l.positions.get(&0).map_or(0, |p| p.raw());
        self.engine.state().leaders.iter().map(of).collect()
    }

    fn check(&mut self, kind: EventKind, positions: &[i128]) {
        let after = self.positions();
        let st = self.engine.state();
        self.before.resize(st.lines.len(), Before::default());
        for (l, b) in st.lines.iter().zip(&mut self.before) {
            let (line, rule) = (&l.line, &self.setup.rules[l.sub as usize]);
            let (p, was) = (after[rule.leader], positions[rule.leader]);
            assert!(p != 0 || line.target == 0, "P = 0 but T = {}", line.target);
            let grew = line.target.abs() > b.target.abs() || line.target.signum() * b.target.signum() < 0;
            let leader_grew =
                kind == EventKind::Leader && (p.abs() > was.abs() || p.signum() * was.signum() < 0);
            assert!(
                !grew || leader_grew,
                "T grew from {} to {} without a leader increase",
                b.target,
                line.target
            );
            b.target = line.target;
            let live = l.live.iter().map(|o| &st.orders[*o as usize]);
            let sum = |buy: bool, closes: bool| {
                live.clone()
                    .filter(|o| o.buy == buy && (!closes || o.reduces))
                    .map(|o| o.leaves().raw())
                    .sum::<i128>()
            };
            assert_eq!(line.working_buy.raw(), sum(true, false), "working buys");
            assert_eq!(line.working_sell.raw(), sum(false, false), "working sells");
            assert_eq!(line.closing_buy.raw(), sum(true, true), "closing buys");
            assert_eq!(line.closing_sell.raw(), sum(false, true), "closing sells");
            if line.filled.is_zero() && line.target == 0 && l.live.is_empty() {
                (b.lo, b.hi) = (0, 0);
            }
            let step = i128::from(self.setup.step) * Dec::ONE.raw();
            let slack = match rule.rounding {
                "nearest" => step / 2,
                "min_lot_if_nonzero" => i128::from(self.setup.min) * Dec::ONE.raw(),
                _ => step / 1_000_000,
            };
            // A broker's bust moves what is held without us; what is told out of order after it, counts late.
            let of_line = |o: &&fastcore::order::Order| st.lines[o.line as usize].sub == l.sub;
            let busted = st.orders.iter().filter(of_line).filter(|o| !o.busted.is_zero());
            let slack = slack + busted.map(|o| o.qty.raw()).sum::<i128>();
            let target = line.target * i128::from(self.setup.step);
            b.lo = b.lo.min(target);
            b.hi = b.hi.max(target);
            let filled = line.filled.raw();
            assert!(
                filled >= b.lo - slack && filled <= b.hi + slack,
                "filled {} is outside of its targets {}..{}",
                line.filled,
                Dec::from_raw(b.lo),
                Dec::from_raw(b.hi)
            );
        }
    }

    pub fn hear(&mut self, o: usize, which: usize) {
        let order = &mut self.leaders.orders[o];
        order.told[which].heard = true;
        let (text, session) = (order.told[which].text.clone(), format!("L{}", order.leader));
        self.story.push(format!("leader says {text}"));
        self.apply(EventKind::Leader, &session, &fix(&text));
    }

    /// The oldest report of the broker arrives at the route and becomes a row.
    pub fn broker_says(&mut self) -> bool {
        let up = self.is_up();
        let Some((_, text)) = self.broker.says.front().filter(|_| up).cloned() else { return false };
        self.broker.says.pop_front();
        self.story.push(format!("broker says {text}"));
        let raw = fix(&text);
        self.guard.heard("R");
        self.row(&Row::In { session: "R", msg_seq_num: 1, raw: &raw });
        true
    }

    fn row(&mut self, row: &Row<'_>) {
        let mut bytes = Vec::new();
        link::encode_row(row, &mut bytes).unwrap();
        self.rows.push((self.rows.len() as u64 + 1, self.now, bytes));
    }

    /// The core takes the rows that it was not sent on this link.
    pub fn drain_rows(&mut self) -> bool {
        if self.rows_sent == self.rows.len() {
            return false;
        }
        let fresh = &self.rows[self.rows_sent..];
        let refs = fresh.iter().map(|(no, at, bytes)| (*no, *at, bytes.as_slice()));
        let frame = link::rows_frame(self.incarnation, refs).unwrap();
        self.rows_sent = self.rows.len();
        self.apply(EventKind::Route, "r", &frame);
        true
    }

    /// The route takes one frame of the core.
    pub fn route_takes(&mut self) -> bool {
        let Some(frame) = self.to_route.pop_front() else { return false };
        let beat = link::encode_beat(self.epoch, self.events.len() as u64);
        self.guard.decide(&beat, self.now).unwrap();
        let decided = self.guard.decide(&frame, self.now).unwrap();
        let rows: Vec<NewRow> = decided.rows.clone();
        let sends: Vec<Vec<u8>> = decided.sends.iter().map(|(_, raw)| raw.to_vec()).collect();
        for row in &rows {
            self.row(&row.as_row());
        }
        for raw in sends {
            if std::mem::take(&mut self.lose_next) {
                self.story.push("    lost behind its OUT row".to_owned());
            } else {
                self.broker.receive(&raw);
            }
        }
        true
    }

    pub fn lose_frame(&mut self) {
        // GREET is repeated on the next link only; the link itself is not lost here.
        if matches!(self.to_route.front().map(|f| link::decode(f)), Some(Ok(link::Frame::Orders(_)))) {
            self.to_route.pop_front();
            self.story.push("a frame is lost".to_owned());
        }
    }

    pub fn is_up(&self) -> bool {
        self.guard.sessions_up().next().is_some()
    }

    pub fn session(&mut self, up: bool) {
        if self.is_up() == up {
            return;
        }
        self.story.push(format!("route session up: {up}"));
        self.guard.session("R", up);
        self.row(&if up { Row::Logon { session: "R" } } else { Row::Logout { session: "R" } });
    }

    /// `kill -9` of the route: rows and the set of tries survive, frames on their way do not.
    pub fn restart_route(&mut self) {
        self.story.push("the route is killed and starts again".to_owned());
        self.incarnation += 1;
        let old = std::mem::replace(&mut self.guard, guard(self.incarnation, self.epoch));
        for (_, _, bytes) in &self.rows {
            match link::decode_row(bytes).unwrap() {
                Row::Out { keys, .. } => {
                    keys.iter().for_each(|(id, n)| self.guard.remember(id, n, Seen::Out));
                }
                Row::NotSent { cl_ord_id, try_no, reason } => {
                    self.guard.remember(cl_ord_id, try_no, Seen::NotSent(reason));
                }
                _ => {}
            }
        }
        drop(old);
        self.to_route.clear();
        self.hello();
        self.session(true);
    }

    /// `kill -9` of the core: the journal is replayed and must decide the same.
    pub fn restart_core(&mut self) {
        self.story.push("the core is killed and starts again".to_owned());
        self.engine = self.replayed();
        self.to_route.clear();
        self.start_core();
    }

    fn start_core(&mut self) {
        self.epoch += 1;
        let start = format!(r#"{{"epoch":{},"config":{}}}"#, self.epoch, self.setup.json());
        self.apply(EventKind::Start, "", start.as_bytes());
        self.hello();
    }

    fn hello(&mut self) {
        self.rows_sent = self.rows_sent.saturating_sub(2); // rows that the core has already come again
        let up: Vec<&str> = self.guard.sessions_up().collect();
        let next = self.rows.len() as u64 + 1;
        let hello = link::encode_hello("r", self.incarnation, 1, next, 0, &up).unwrap();
        self.apply(EventKind::Link, "r", &hello);
    }

    /// A fresh engine after the same rows; panics when it decided otherwise.
    fn replayed(&self) -> Engine {
        let mut twin = Engine::new(Config::from_json(&self.setup.json()).unwrap()).unwrap();
        let half = self.events.len() / 2;
        for (n, e) in self.events.iter().enumerate() {
            if n == half {
                // In between, through a snapshot.
                let config = Config::from_json(&self.setup.json()).unwrap();
                twin = Engine::restore(config, &twin.snapshot()).unwrap();
            }
            let (seq, at_ns) = (e.seq, e.at_ns);
            let event = Event { seq, at_ns, kind: e.kind, session: &e.session, payload: &e.payload };
            twin.apply(&event, &mut Discard);
        }
        assert_eq!(twin.digest(), self.engine.digest(), "replay decides otherwise");
        assert_eq!(twin.snapshot(), self.engine.snapshot(), "replay holds another state");
        twin
    }

    /// Time passes; what is due is done.
    pub fn wait(&mut self, ms: i64) {
        self.now += ms * MS;
        if self.engine.next_due_ns().is_some_and(|due| due <= self.now) {
            self.story.push(format!("{ms} ms later"));
            self.apply(EventKind::Timer, "", b"");
        }
    }

    pub fn operator(&mut self, text: &str) {
        self.story.push(text.to_owned());
        self.apply(EventKind::Operator, "", text.as_bytes());
    }

    /// Faults end: everything is delivered, answered and filled until nothing moves any more.
    pub fn settle(&mut self) {
        self.lose_next = false;
        self.session(true);
        for _ in 0..2_000 {
            let mut moved = self.hear_next();
            moved |= self.route_takes();
            moved |= self.drain_rows();
            moved |= self.broker_answers();
            moved |= self.broker_says();
            moved |= self.drain_rows();
            if moved {
                continue;
            }
            let Some(due) = self.engine.next_due_ns() else { return self.at_rest() };
            self.now = self.now.max(due);
            self.apply(EventKind::Timer, "", b"");
        }
        panic!("nothing comes to rest");
    }

    fn hear_next(&mut self) -> bool {
        let waiting = |o: &crate::parties::LeaderOrder| o.told.iter().position(|t| !t.heard);
        let found = self.leaders.orders.iter().enumerate().find_map(|(n, o)| Some((n, waiting(o)?)));
        if let Some((o, which)) = found {
            self.hear(o, which);
        }
        found.is_some()
    }

    fn broker_answers(&mut self) -> bool {
        let live = |o: &crate::parties::BrokerOrder| o.live;
        let Some(id) = self.broker.orders.iter().find(|(_, o)| live(o)).map(|(id, _)| id.clone()) else {
            return false;
        };
        if self.broker.orders[&id].cancel.is_some() {
            self.broker.answer_cancel(&id, true);
        } else {
            self.broker.fill(&id, i64::MAX);
        }
        true
    }

    /// What must hold when everything was said and nothing works.
    fn at_rest(&mut self) {
        self.replayed();
        let st = self.engine.state();
        let positions = self.positions();
        for (n, p) in positions.iter().enumerate() {
            let truth = i128::from(self.leaders.position(n)) * Dec::ONE.raw();
            assert_eq!(*p, truth, "position of leader {n}");
        }
        let mut held = 0_i128;
        for l in &st.lines {
            let (line, p) = (&l.line, positions[self.setup.rules[l.sub as usize].leader]);
            assert!(line.quiet() && l.live.is_empty(), "orders are left: {line:?}");
            let bound = i128::from(self.setup.min) * Dec::ONE.raw();
            // Shown to a person, and only less than a minimum lot.
            let told = st.alerts.contains_key("stuck_residue");
            let stuck = l.stuck_residue && told && line.filled.raw().abs() < bound;
            assert!(p != 0 || stuck || line.filled.is_zero(), "leader flat, follower holds {}", line.filled);
            let target = self.units(line.target);
            let off = (line.filled.raw() - target).abs();
            assert!(
                off < if stuck { 2 * bound } else { bound },
                "filled {} is off its target {}",
                line.filled,
                Dec::from_raw(target)
            );
            held += line.filled.raw();
        }
        assert_eq!(held, i128::from(self.broker.position()) * Dec::ONE.raw(), "the broker's books differ");
    }
}
