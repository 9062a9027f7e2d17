//! The engine between leaders, real route guards and brokers; everything that can go wrong is a step of a history.

use crate::checks::Books;
use crate::leaders::Leaders;
use crate::setup::{FOLLOWERS, LEADERS, LEVELS, SCOPES, SYMBOLS, Setup, Told, Version};
use crate::story::Out;
use crate::way::Way;
use fastcore::action::Discard;
use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use fastcore::link;
use fastcore::route::NotSent;

pub const START: i64 = 1_700_000_000_000_000_000;
pub const MS: i64 = 1_000_000;

struct Recorded {
    kind: EventKind,
    session: String,
    payload: Vec<u8>,
    seq: u64,
    at_ns: i64,
    /// The configuration that was in force before it.
    version: Version,
}

pub struct World {
    pub engine: Engine,
    pub setup: Setup,
    pub version: Version,
    /// The configuration before the present one.
    was: Version,
    pub leaders: Leaders,
    pub ways: Vec<Way>,
    pub now: i64,
    /// What happened, if anybody wants to read it.
    pub story: Option<Vec<String>>,
    pub books: Books,
    epoch: u64,
    events: Vec<Recorded>,
}

pub fn fix(text: &str) -> Vec<u8> {
    let body = text.replace('|', "\u{1}");
    let all = format!("8=FIX.4.4\u{1}9={}\u{1}{body}", body.len());
    let sum: u32 = all.bytes().map(u32::from).sum::<u32>() % 256;
    format!("{all}10={sum:03}\u{1}").into_bytes()
}

/// The subscription whose targets were set from its leader's position.
fn asked(alert: &fastcore::action::Alert) -> usize {
    let name = alert.text.split('"').nth(1).expect("a name");
    name.strip_prefix('s').and_then(|n| n.parse().ok()).expect("a subscription of ours")
}

impl World {
    pub fn new(setup: Setup, told: bool) -> World {
        let version = Version::default();
        let engine = Engine::new(Config::from_json(&setup.json(version)).unwrap()).unwrap();
        let mut w = World {
            engine,
            version,
            was: version,
            leaders: Leaders { by_client: setup.by_client, ..Leaders::default() },
            ways: (0..FOLLOWERS).map(|n| Way::new(n, &setup)).collect(),
            setup,
            now: START,
            story: told.then(Vec::new),
            books: Books::default(),
            epoch: 0,
            events: vec![],
        };
        w.leaders.now = START;
        w.start_core();
        for way in 0..FOLLOWERS {
            w.session(way, true);
        }
        for account in ["l0", "l1", "f0", "f1"] {
            w.equity(account, 1_000);
        }
        for symbol in SYMBOLS {
            let quote = format!(r#"{{"instrument":"{symbol}","bid":"10","ask":"10"}}"#);
            w.apply(EventKind::Quote, "", quote.as_bytes());
        }
        w
    }

    pub fn tell(&mut self, text: impl FnOnce() -> String) {
        if let Some(story) = &mut self.story {
            story.push(text());
        }
    }

    /// Journals and applies one event, and checks everything that must hold after every event.
    pub fn apply(&mut self, kind: EventKind, session: &str, payload: &[u8]) {
        self.now += MS;
        self.leaders.now = self.now;
        let seq = self.events.len() as u64 + 1;
        let before = self.books.before(&self.engine);
        let mut out = Out::default();
        self.engine.apply(&Event { seq, at_ns: self.now, kind, session, payload }, &mut out);
        assert!(self.engine.together_is_exact(), "sums over all followers are not what a walk finds");
        let (session, payload) = (session.to_owned(), payload.to_vec());
        let version = if kind == EventKind::Start { self.was } else { self.version };
        self.events.push(Recorded { kind, session, payload, seq, at_ns: self.now, version });
        if let Some(story) = &mut self.story {
            out.tell(story, &self.engine, &self.setup);
        }
        assert!(out.alerts.iter().all(|a| a.code != "bad_start"), "a configuration was refused");
        self.books.asked =
            out.alerts.iter().filter(|a| matches!(a.code, "join" | "resync")).map(asked).collect();
        self.books.note_asked(&self.engine, &self.setup, self.now);
        for (_, frame) in &out.frames {
            self.books.hands_over(frame, &self.engine, &self.setup);
        }
        for (route, frame) in out.frames {
            // What the socket does not take any more is lost with the link.
            if self.ways[route].linked {
                self.ways[route].to_route.push_back(frame);
            }
        }
        self.books.check(&self.engine, &self.setup, self.version, kind == EventKind::Leader, before);
        self.books.asked.clear();
    }

    pub fn hear(&mut self, o: usize, which: usize) {
        let order = &mut self.leaders.orders[o];
        order.told[which].heard = true;
        let (text, session) = (order.told[which].text.clone(), format!("L{}", order.leader));
        let amends = text.contains("|150=H|") || text.contains("|150=G|");
        let (leader, symbol) = (order.leader, order.symbol);
        self.tell(|| format!("leader says {text}"));
        self.books.told = Some((o, amends.then_some((leader, symbol))));
        self.apply(EventKind::Leader, &session, &fix(&text));
        self.books.told = None;
    }

    /// The oldest report of the broker arrives at the route and becomes a row.
    pub fn broker_says(&mut self, way: usize) -> bool {
        let text = self.ways[way].broker_says(self.now);
        if let Some(text) = &text {
            self.tell(|| format!("broker {way} says {text}"));
        }
        text.is_some()
    }

    /// The core takes the rows that it was not sent on this link.
    pub fn drain_rows(&mut self, way: usize) -> bool {
        let Some((count, frame)) = self.ways[way].fresh_rows() else { return false };
        let name = self.ways[way].name.clone();
        self.books.several = count > 1;
        self.apply(EventKind::Route, &name, &frame);
        self.books.several = false;
        true
    }

    /// The route takes one frame of the core.
    pub fn route_takes(&mut self, way: usize) -> bool {
        let beat = link::encode_beat(self.epoch, self.events.len() as u64);
        let Some(sends) = self.ways[way].takes(&beat, self.now) else { return false };
        for raw in sends {
            self.books.sent(&raw, &self.engine, &self.setup, &self.leaders, self.now);
            if std::mem::take(&mut self.ways[way].lose_next) {
                self.tell(|| "    lost behind its OUT row".to_owned());
            } else {
                self.ways[way].broker.receive(&raw);
            }
        }
        true
    }

    pub fn lose_frame(&mut self, way: usize) {
        if self.ways[way].lose_frame().is_some() {
            self.tell(|| format!("a frame for r{way} is lost"));
        }
    }

    /// The route or, where its socket refuses the frame, the core writes NOT_SENT for the next frame of orders.
    pub fn bars(&mut self, way: usize, reason: u8) {
        let reason = NotSent::ALL[usize::from(reason) % NotSent::ALL.len()];
        if reason != NotSent::SocketRefused {
            return self.ways[way].bars(reason, self.now);
        }
        if let Some(frame) = self.ways[way].lose_frame() {
            let name = self.ways[way].name.clone();
            self.apply(EventKind::Unsent, &name, &frame);
        }
    }

    pub fn session(&mut self, way: usize, up: bool) {
        if self.ways[way].is_up() != up {
            self.tell(|| format!("session R{way} up: {up}"));
            self.ways[way].set_up(up, self.now);
        }
    }

    /// The link between core and route ends or begins again.
    pub fn link(&mut self, way: usize, up: bool) {
        if self.ways[way].linked == up {
            return;
        }
        self.tell(|| format!("link to r{way} up: {up}"));
        if up {
            return self.hello(way);
        }
        self.ways[way].linked = false;
        self.ways[way].to_route.clear();
        let name = self.ways[way].name.clone();
        self.apply(EventKind::Link, &name, b"");
    }

    pub fn restart_route(&mut self, way: usize) {
        self.tell(|| format!("route r{way} is killed and starts again"));
        self.ways[way].restart(self.epoch);
        self.hello(way);
        self.session(way, true);
    }

    pub fn lose_log(&mut self, way: usize) {
        if self.ways[way].lose_log(self.epoch) {
            self.tell(|| format!("route r{way} starts again with an empty file"));
            self.hello(way);
            self.session(way, true);
        }
    }

    /// `kill -9` of the core: a snapshot that is `percent` of the journal old and the rows after it decide the same.
    pub fn restart_core(&mut self, percent: u8) {
        self.tell(|| format!("the core is killed and starts again, from a snapshot at {percent} %"));
        self.engine = self.replayed(usize::from(percent));
        self.was = self.version;
        self.start_core();
    }

    /// The core starts with another configuration.
    pub fn reload(&mut self, to: Version) {
        let v = self.version;
        self.was = v;
        let last_rule = v.last_rule || to.last_rule;
        self.version = Version { symbol: v.symbol || to.symbol, last_rule, ..to };
        self.tell(|| format!("reload: {:?}", to));
        self.start_core();
    }

    fn start_core(&mut self) {
        self.epoch += 1;
        let config = self.setup.json(self.version);
        let start = format!(r#"{{"epoch":{},"config":{config}}}"#, self.epoch);
        for way in &mut self.ways {
            way.linked = false;
            way.to_route.clear();
        }
        self.apply(EventKind::Start, "", start.as_bytes());
        for way in 0..FOLLOWERS {
            self.hello(way);
        }
    }

    fn hello(&mut self, way: usize) {
        let (hello, name) = (self.ways[way].hello(), self.ways[way].name.clone());
        self.apply(EventKind::Link, &name, &hello);
    }

    /// A fresh engine after the same rows; panics when it decided otherwise.
    fn replayed(&self, percent: usize) -> Engine {
        let config = |v| Config::from_json(&self.setup.json(v)).unwrap();
        let mut twin = Engine::new(config(Version::default())).unwrap();
        let cut = self.events.len() * percent / 100;
        for (n, e) in self.events.iter().enumerate() {
            if n == cut {
                twin = Engine::restore(config(e.version), &twin.snapshot()).unwrap();
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
        self.leaders.now = self.now;
        if self.engine.next_due_ns().is_some_and(|due| due <= self.now) {
            self.tell(|| format!("{ms} ms later"));
            self.apply(EventKind::Timer, "", b"");
        }
    }

    pub fn operator(&mut self, text: &str) {
        self.tell(|| text.to_owned());
        self.apply(EventKind::Operator, "", text.as_bytes());
    }

    /// Stops a scope at a level, or releases it at level 0. A stop is never lowered.
    pub fn stop(&mut self, scope: usize, level: usize) {
        let (kind, name) = SCOPES[scope];
        let named = if kind.is_empty() { String::new() } else { format!(r#","{kind}":"{name}""#) };
        let there = &mut self.books.stops[scope];
        *there = if level == 0 { 0 } else { level.max(*there) };
        if level == 0 {
            return self.operator(&format!(r#"{{"cmd":"arm","who":"ann"{named}}}"#));
        }
        self.operator(&format!(r#"{{"cmd":"kill","who":"ann","level":"{}"{named}}}"#, LEVELS[level]));
    }

    /// Subscriptions that there are by now.
    pub fn listed(&self) -> usize {
        self.setup.rules.len() - usize::from(!self.version.last_rule && self.setup.rules.len() > 2)
    }

    /// What a person does to one subscription. A pause is never lowered, and ends with a leave.
    pub fn life(&mut self, sub: usize, told: Told) {
        let life = &mut self.books.lives[sub];
        life.pause = match told {
            // Who leaves opens nothing anyway.
            Told::Pause(level) if life.leaves.is_none() => level.max(life.pause),
            Told::Pause(_) => 0,
            Told::Resume | Told::Leave(_) => 0,
            Told::Resync | Told::Join(_) => life.pause,
        };
        let st = self.engine.state();
        let holds = st.lines.iter().any(|l| l.sub as usize == sub && !l.line.filled.is_zero());
        let (cmd, more) = match told {
            Told::Pause(level) => ("pause", format!(r#","level":"{}""#, LEVELS[level])),
            Told::Resume => ("resume", String::new()),
            Told::Leave(rule) => {
                life.leaves = Some(rule);
                ("leave", format!(r#","rule":"{rule}""#))
            }
            Told::Resync => ("resync", String::new()),
            Told::Join(target) => {
                // What was kept is nobody's here: it has to be closed first.
                life.leaves = life.leaves.filter(|rule| *rule == "keep" && holds);
                ("join", format!(r#","joining":"{}""#, if target { "target" } else { "flat" }))
            }
        };
        self.books.commanded = Some(sub);
        self.operator(&format!(r#"{{"cmd":"{cmd}","who":"ann","subscription":"s{sub}"{more}}}"#));
        self.books.commanded = None;
    }

    pub fn equity(&mut self, account: &str, value: i64) {
        if let Some(n) = account.strip_prefix('f').and_then(|n| n.parse::<usize>().ok()) {
            self.books.equity[n] = value;
        }
        let values = format!(r#""equity":"{value}","balance":"{value}","free_margin":"{value}""#);
        self.operator(&format!(r#"{{"cmd":"account","account":"{account}",{values}}}"#));
    }

    /// Faults end: everything is delivered, answered and filled until nothing moves any more.
    pub fn settle(&mut self) {
        for way in 0..FOLLOWERS {
            self.ways[way].lose_next = false;
            self.session(way, true);
            self.link(way, true);
        }
        for scope in 0..SCOPES.len() {
            self.stop(scope, 0);
        }
        for _ in 0..20_000 {
            let mut moved = self.hear_next();
            for way in 0..FOLLOWERS {
                moved |= self.route_takes(way);
                moved |= self.drain_rows(way);
                moved |= self.broker_answers(way);
                moved |= self.broker_says(way);
                moved |= self.drain_rows(way);
            }
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
        let waiting = |o: &crate::leaders::LeaderOrder| o.told.iter().position(|t| !t.heard);
        let found = self.leaders.orders.iter().enumerate().find_map(|(n, o)| Some((n, waiting(o)?)));
        if let Some((o, which)) = found {
            self.hear(o, which);
        }
        found.is_some()
    }

    fn broker_answers(&mut self, way: usize) -> bool {
        let broker = &mut self.ways[way].broker;
        let Some(id) = broker.orders.iter().find(|(_, o)| o.live).map(|(id, _)| id.clone()) else {
            return false;
        };
        if broker.orders[&id].cancel.is_some() {
            broker.answer_cancel(&id, true);
        } else {
            broker.fill(&id, i64::MAX);
        }
        true
    }

    /// What must hold when everything was said and nothing works.
    fn at_rest(&self) {
        for (n, symbol) in SYMBOLS.iter().enumerate() {
            for leader in 0..LEADERS {
                let known = self.engine.state().leaders[leader].positions[&(n as u32)];
                let truth = Dec::from_int(self.leaders.position(leader, n));
                assert_eq!(known, truth, "position of leader {leader} in {symbol}");
            }
        }
        self.books.at_rest(&self.engine, &self.setup, &self.ways);
    }

    /// The journal gives the same engine again.
    pub fn replays(&self) {
        self.replayed(50);
    }
}
