//! The engine from FIX bytes to frames and back, with a route that is played by the test.
#![allow(dead_code)] // each test file uses a part of it

use fastcore::action::{Alert, Decision, Outcome, Sink};
use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use fastcore::instrument::Lots;
use fastcore::link::{self, Frame, KeysBuf, Row, RowRef, SendKind};
use fastcore::mirrored::Mirrored;

mod told;
pub use told::Told;

pub const NOW: i64 = 1_700_000_000_000_000_000;

pub fn d(t: &str) -> Dec {
    Dec::parse(t.as_bytes()).unwrap()
}

pub fn lots(t: &str) -> Lots {
    Lots::new(d(t))
}

pub fn config(sizing: &str, extra: &str) -> Config {
    Config::from_json(&config_text(sizing, extra)).unwrap()
}

pub fn config_text(sizing: &str, extra: &str) -> String {
    format!(
        r#"{{"deployment":"t","profiles":[{{"name":"p","begin_string":"FIX.4.4","query_covers":"all","supports":{{"status_request":true}}}}],
        "instruments":[{{"name":"EURUSD","contract_size":"1","lot_step":"1","min_lot":"1","tick":"0.00001","currency":"USD"}}],
        "leaders":[{{"name":"l","session":"L","profile":"p","symbols":{{"EURUSD":"EURUSD"}},"assume_flat":true}}],
        "routes":[{{"name":"r","session":"R","profile":"p"}}],
        "followers":[{{"name":"f","route":"r","account":"F","symbols":{{"EURUSD":"EURUSD"}}}}],
        "subscriptions":[{{"name":"s","follower":"f","leader":"l","sizing":{sizing},"max_ratio":"100",
          "symbol_map":{{"EURUSD":{{"instrument":"EURUSD"}}}}{extra}}}]}}"#
    )
}

#[derive(Default)]
pub struct Out {
    frames: Vec<Vec<u8>>,
    pub told: Vec<Told>,
    moved: Vec<(String, u128)>,
    alerts: Vec<Alert>,
    questions: Vec<String>,
    held_back: Vec<(String, String)>,
}

impl Sink for Out {
    const WANTS_DECISIONS: bool = true;
    fn frame(&mut self, _route: u32, frame: &[u8]) {
        self.frames.push(frame.to_vec());
    }
    fn question(&mut self, session: &str, message: &[u8]) {
        let text = String::from_utf8_lossy(message).replace('\u{1}', "|");
        self.questions.push(format!("{session}: {text}"));
    }
    fn decision(&mut self, d: &Decision<'_>) {
        self.held_back.extend(d.held_back.map(|h| (h.why.to_owned(), h.units.to_string())));
    }
    fn mirrored(&mut self, m: &Mirrored<'_>) {
        self.told.push(Told::of(m));
    }
    fn outcome(&mut self, o: &Outcome<'_>) {
        let Some(m) = o.moved else { return };
        let (side, px) =
            (if m.buy { "buy" } else { "sell" }, o.px.map_or("-".to_owned(), |px| px.to_string()));
        let (id, currency) = (String::from_utf8_lossy(m.exec_id), &m.traded.currency);
        let text = format!("{} {side} {} {px} {id} {} {currency}", m.act, m.units, m.traded.name);
        self.moved.push((text, m.execution));
    }
    fn alert(&mut self, alert: &Alert) {
        self.alerts.push(alert.clone());
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    pub id: String,
    pub try_no: u16,
    pub kind: SendKind,
    pub buy: bool,
    pub qty: String,
    /// OrdType(40), Price(44) and TimeInForce(59).
    pub terms: String,
    /// The whole message, fields ended by `|`.
    pub text: String,
    /// FIX session that carries it.
    pub session: String,
}

pub struct World {
    pub engine: Engine,
    pub seq: u64,
    pub row: u64,
    pub now: i64,
    pub exec: u64,
    pub alerts: Vec<Alert>,
    /// Steps of mirrors, the oldest first.
    pub told: Vec<Told>,
    /// What outcomes moved: `fill buy 10 100 x1 EURUSD USD`, and the number of the execution.
    pub moved: Vec<(String, u128)>,
    /// What decisions held back: why, and units.
    pub held_back: Vec<(String, String)>,
    /// What leaders' brokers were asked: session and message.
    pub questions: Vec<String>,
    /// Every event: time, kind, session, payload.
    pub log: Vec<(i64, EventKind, String, Vec<u8>)>,
}

pub fn field(fix: &[u8], tag: &str) -> String {
    let text = String::from_utf8_lossy(fix).into_owned();
    let found = text.split('\u{1}').find_map(|f| f.strip_prefix(&format!("{tag}=")).map(str::to_owned));
    found.unwrap_or_default()
}

pub fn fix(text: &str) -> Vec<u8> {
    let body = text.replace('|', "\u{1}");
    let head = format!("8=FIX.4.4\u{1}9={}\u{1}", body.len());
    let all = format!("{head}{body}");
    let sum: u32 = all.bytes().map(u32::from).sum::<u32>() % 256;
    format!("{all}10={sum:03}\u{1}").into_bytes()
}

impl World {
    pub fn new(sizing: &str, extra: &str) -> World {
        World::with(sizing, extra, |_| {})
    }

    /// A world whose configuration was changed before it began.
    pub fn with(sizing: &str, extra: &str, change: impl FnOnce(&mut Config)) -> World {
        let mut config = config(sizing, extra);
        change(&mut config);
        let mut w = World {
            engine: Engine::new(config).unwrap(),
            seq: 0,
            row: 0,
            now: NOW,
            exec: 0,
            alerts: vec![],
            told: vec![],
            moved: vec![],
            questions: vec![],
            held_back: vec![],
            log: vec![],
        };
        w.link(7);
        w
    }

    pub fn apply(&mut self, kind: EventKind, session: &str, payload: &[u8]) -> Vec<Sent> {
        self.seq += 1;
        self.now += 1_000;
        let mut out = Out::default();
        self.log.push((self.now, kind, session.to_owned(), payload.to_vec()));
        self.engine.apply(&Event { seq: self.seq, at_ns: self.now, kind, session, payload }, &mut out);
        assert!(self.engine.together_is_exact(), "sums over all followers are not what a walk finds");
        self.alerts.append(&mut out.alerts);
        self.told.extend(out.told.drain(..).map(|told| Told { seq: self.seq, ..told }));
        self.moved.append(&mut out.moved);
        self.questions.append(&mut out.questions);
        self.held_back.append(&mut out.held_back);
        let mut sent = Vec::new();
        for f in &out.frames {
            if let Ok(Frame::Orders(orders)) = link::decode(f) {
                sent.extend(orders.iter().map(|o| Sent {
                    id: o.cl_ord_id.to_owned(),
                    try_no: o.try_no,
                    kind: o.kind,
                    buy: field(o.fix, "54") == "1",
                    qty: field(o.fix, "38"),
                    terms: ["40", "44", "59"].map(|tag| field(o.fix, tag)).join("|"),
                    text: String::from_utf8_lossy(o.fix).replace('\u{1}', "|"),
                    session: o.session.to_owned(),
                }));
            }
        }
        sent
    }

    pub fn link(&mut self, incarnation: u64) -> Vec<Sent> {
        let hello = link::encode_hello("r", incarnation, 1, self.row + 1, 0, &["R"]).unwrap();
        self.apply(EventKind::Link, "r", &hello);
        self.rows(&[Row::Sync { incarnation, epoch: 0 }])
    }

    pub fn rows(&mut self, rows: &[Row<'_>]) -> Vec<Sent> {
        let first = self.row + 1;
        self.row += rows.len() as u64;
        let refs: Vec<RowRef<'_>> = rows
            .iter()
            .enumerate()
            .map(|(i, row)| RowRef { row_no: first + i as u64, at_ns: self.now, row: *row })
            .collect();
        let frame = link::encode_rows(7, &refs).unwrap();
        self.apply(EventKind::Route, "r", &frame)
    }

    pub fn out(&mut self, sent: &Sent) -> Vec<Sent> {
        let mut keys = KeysBuf::default();
        keys.push(&sent.id, sent.try_no).unwrap();
        self.rows(&[Row::Out { journal_no: self.seq, keys: keys.as_keys() }])
    }

    pub fn broker(&mut self, text: &str) -> Vec<Sent> {
        let raw = fix(text);
        self.rows(&[Row::In { session: "R", msg_seq_num: 1, raw: &raw }])
    }

    pub fn leader(&mut self, order: &str, side: u8, qty: &str, last: &str, cum: &str) -> Vec<Sent> {
        self.exec += 1;
        let mut time = Vec::new();
        fastcore::time::write_utc(self.now, &mut time);
        let time = String::from_utf8(time).unwrap();
        let e = self.exec;
        let raw = fix(&format!(
            "35=8|34={e}|37={order}|17=E{e}|150=F|39=1|55=EURUSD|54={side}|38={qty}|32={last}|31=1.1|14={cum}|151=0|60={time}|"
        ));
        self.apply(EventKind::Leader, "L", &raw)
    }

    pub fn fill(&mut self, s: &Sent, last: &str, cum: &str) -> Vec<Sent> {
        self.exec += 1;
        let (e, side) = (self.exec, if s.buy { 1 } else { 2 });
        let status = if cum == s.qty { 2 } else { 1 };
        let id = &s.id;
        let qty = &s.qty;
        self.broker(&format!(
            "35=8|37=B{id}|11={id}|17=X{e}|150=F|39={status}|55=EURUSD|54={side}|38={qty}|32={last}|31=1.1|14={cum}|151=0|"
        ))
    }

    /// An order's acknowledgement, and what it is then asked to do.
    pub fn acknowledge(&mut self, s: &Sent) -> Vec<Sent> {
        let (id, qty, side) = (&s.id, &s.qty, if s.buy { 1 } else { 2 });
        self.broker(&format!(
            "35=8|37=B{id}|11={id}|17=A{id}|150=0|39=0|55=EURUSD|54={side}|38={qty}|14=0|151={qty}|"
        ))
    }

    /// Runs all timers up to a time; what was sent.
    pub fn run_to(&mut self, end: i64) -> Vec<Sent> {
        let mut sent = Vec::new();
        while let Some(due) = self.engine.next_due_ns().filter(|due| *due < end) {
            self.now = self.now.max(due);
            sent.extend(self.apply(EventKind::Timer, "", b""));
        }
        self.now = end;
        sent
    }

    /// A reject that the route matched to an order by RefSeqNum(45).
    pub fn rejected(&mut self, s: &Sent, text: &str) -> Vec<Sent> {
        let raw = fix(text);
        self.rows(&[Row::Rejected { session: "R", msg_seq_num: 5, cl_ord_id: &s.id, raw: &raw }])
    }

    pub fn reject(&mut self, s: &Sent) -> Vec<Sent> {
        self.exec += 1;
        let (e, id) = (self.exec, &s.id);
        self.broker(&format!("35=8|37=NONE|11={id}|17=R{e}|150=8|39=8|55=EURUSD|54=1|38=1|14=0|151=0|"))
    }

    /// Target of the first subscription.
    pub fn target(&self) -> Dec {
        self.engine.status().subscriptions.first().map_or(Dec::ZERO, |l| l.target)
    }

    pub fn filled(&self) -> Dec {
        self.engine.status().subscriptions.first().map_or(Dec::ZERO, |l| l.filled)
    }
}

/// Adds a follower `g` on the same route, whose subscription `t` copies the same leader.
pub fn add_second(c: &mut Config) {
    let mut follower = c.followers[0].clone();
    (follower.name, follower.account) = ("g".to_owned(), Some("G".to_owned()));
    c.followers.push(follower);
    let mut sub = c.subscriptions[0].clone();
    (sub.name, sub.follower) = ("t".to_owned(), "g".to_owned());
    c.subscriptions.push(sub);
}

/// An operator's command.
pub fn tell(w: &mut World, command: &str) -> Vec<Sent> {
    w.apply(EventKind::Operator, "", command.as_bytes())
}

/// Texts of the alerts with a code.
pub fn texts(w: &World, code: &str) -> Vec<String> {
    w.alerts.iter().filter(|a| a.code == code).map(|a| a.text.clone()).collect()
}

pub fn one(sent: &[Sent], buy: bool, qty: &str) -> Sent {
    assert_eq!(sent.len(), 1, "{sent:?}");
    assert_eq!((sent[0].buy, sent[0].qty.as_str(), sent[0].kind), (buy, qty, SendKind::New));
    sent[0].clone()
}

pub const HALF: &str = r#"{"mode":"multiplier","k":"0.5"}"#;
pub const SAME: &str = r#"{"mode":"multiplier","k":"1"}"#;
