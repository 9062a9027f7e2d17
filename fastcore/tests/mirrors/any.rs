//! Any history of a leader's orders and a broker's answers: the invariants of design 02.

use crate::play::{takes_all, time};
use crate::support::{HALF, SAME, Sent, World, d, fix};
use fastcore::action::Discard;
use fastcore::config::{Config, Copied, OnReject, Rounding};
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::engine::mirrors::Mirror;
use fastcore::event::{Event, EventKind};
use fastcore::ledger::abs;
use fastcore::link::SendKind;
use fastcore::order::Order;
use proptest::prelude::*;

#[derive(Clone, Debug)]
struct LeaderOrder {
    name: String,
    buy: bool,
    qty: i64,
    cum: i64,
    terms: &'static str,
    live: bool,
}

/// An order as the broker has it.
#[derive(Clone, Debug)]
struct Held {
    id: String,
    name: String,
    buy: bool,
    qty: i64,
    cum: i64,
    market: bool,
    acknowledged: bool,
    live: bool,
    /// The newest request about it that waits for an answer.
    asked: Option<Sent>,
}

pub struct Play {
    pub w: World,
    leader: Vec<LeaderOrder>,
    position: i64,
    broker: Vec<Held>,
    /// What the leader held, and both had open, when the follower was flat last, and all that the leader asked for since.
    hull: i64,
    links: u64,
    /// Everything that was sent.
    pub sent: Vec<Sent>,
}

pub const SIZINGS: [&str; 4] =
    [SAME, HALF, r#"{"mode":"fixed","lots":"3"}"#, r#"{"mode":"percent","percent":"170"}"#];

pub fn config(replaces: bool, sizing: &str, extra: &str) -> Config {
    let mut c = crate::support::config(sizing, &format!(r#","copy":"orders"{extra}"#));
    takes_all(&mut c);
    c.profiles[0].supports.replace = replaces;
    if replaces {
        // Never reached: that the sums are exact is what is asked after each event.
        let mut together = fastcore::config::Together { max_age_ms: 60_000, ..Default::default() };
        together.limits.default.max_position_lots = Some(crate::support::lots("1000000000"));
        c.together = Some(together);
    }
    c
}

fn number(s: &str) -> i64 {
    s.parse().unwrap()
}

pub fn tag(s: &Sent, tag: &str) -> String {
    let prefix = format!("{tag}=");
    s.text.split('|').find_map(|f| f.strip_prefix(&prefix).map(str::to_owned)).unwrap_or_default()
}

impl Play {
    pub fn new(config: Config) -> Play {
        let w = World::with(crate::support::SAME, "", |c| *c = config);
        Play { w, leader: vec![], position: 0, broker: vec![], hull: 0, links: 0, sent: vec![] }
    }

    fn report(&mut self, n: usize, kind: (char, char), last: i64) {
        self.w.exec += 1;
        let (e, at) = (self.w.exec, time(self.w.now));
        let o = self.leader[n].clone();
        let (exec, status, side) = (kind.0, kind.1, if o.buy { 1 } else { 2 });
        let last = if last > 0 { format!("32={last}|31=1.1|") } else { String::new() };
        let raw = fix(&format!(
            "35=8|34={e}|37={}|17=E{e}|150={exec}|39={status}|55=EURUSD|54={side}|38={}|14={}|151=0|60={at}|{last}{}",
            o.name, o.qty, o.cum, o.terms
        ));
        let sent = self.w.apply(EventKind::Leader, "L", &raw);
        self.take(sent);
    }

    /// What the core sent reaches the broker.
    fn take(&mut self, sent: Vec<Sent>) {
        let mut sent = std::collections::VecDeque::from(sent);
        while let Some(s) = sent.pop_front() {
            self.sent.push(s.clone());
            match s.kind {
                SendKind::New => {
                    assert!(self.broker.iter().all(|o| o.id != s.id), "sent twice: {s:?}");
                    self.never_twice(&s);
                    let market = tag(&s, "40") == "1" && tag(&s, "59").is_empty();
                    self.broker.push(Held {
                        id: s.id.clone(),
                        name: s.id.clone(),
                        buy: s.buy,
                        qty: number(&s.qty),
                        cum: 0,
                        market,
                        acknowledged: false,
                        live: true,
                        asked: None,
                    });
                    sent.extend(self.w.out(&s));
                }
                SendKind::Cancel => {
                    let of = tag(&s, "41");
                    let held = self
                        .broker
                        .iter_mut()
                        .find(|o| o.name == of)
                        .unwrap_or_else(|| panic!("names no order: {s:?}"));
                    held.asked = Some(s);
                }
                _ => {}
            }
        }
    }

    /// What is sent to close is never more than what is held and not left to others: beside closes at the market, and for
    /// a close at the market beside the largest mirror that closes. Mirrors are alternatives. Orders that open on the same
    /// side are left out: they are to fill beside it.
    fn never_twice(&self, s: &Sent) {
        let st = self.w.engine.state();
        let Some(sent) = st.orders.into_iter().find(|o| o.cl_ord_id[..] == *s.id.as_bytes()) else { return };
        let line = &st.lines[sent.line as usize].line;
        let of = |m: &Mirror| {
            let order = st.orders.get(*m.orders.last()? as usize).filter(|o| m.live && o.buy == sent.buy)?;
            Some((order, self.most(m, order), m.key))
        };
        let mirrors: Vec<_> = st.mirrors.iter().filter_map(|(_, m)| of(m)).collect();
        if !sent.reduces || mirrors.iter().any(|(o, ..)| !o.reduces) {
            return;
        }
        let closing = if sent.buy { line.closing_buy } else { line.closing_sell };
        // A mirror may have several orders.
        let whole = |key: u128| {
            let parts = mirrors.iter().filter(|(.., k)| *k == key);
            parts.fold(Dec::ZERO, |sum, (_, most, _)| sum.checked_add(*most).unwrap())
        };
        let most = mirrors.iter().map(|(.., key)| whole(*key)).max().unwrap_or(Dec::ZERO);
        let own = mirrors.iter().find(|(o, ..)| o.cl_ord_id == sent.cl_ord_id).map(|(.., key)| whole(*key));
        let held = abs(line.filled);
        let beside = if sent.mirror { own.unwrap() } else { most.min(held) };
        let all = closing.checked_add(beside).unwrap();
        assert!(all <= held, "{s:?}: {closing} and {beside} of {}", line.filled);
    }

    /// What a mirror's order may still fill: as the broker has it, or as he was asked to replace it and has not answered.
    fn most(&self, m: &Mirror, order: &Order) -> Dec {
        let own = |o: &&Held| *o.id.as_bytes() == order.cl_ord_id[..];
        let Some(held) = self.broker.iter().find(own) else { return m.open(order) };
        let asked = held.asked.iter().filter(|s| tag(s, "35") == "G").map(|s| number(&s.qty));
        let qty = asked.chain([held.qty]).max().unwrap_or(0);
        if held.live { Dec::from_int((qty - held.cum).max(0)) } else { Dec::ZERO }
    }

    /// ClOrdID(11) of the order that a request is about, under whatever name it was asked.
    pub fn order_named(&self, request: &Sent) -> Option<String> {
        let mut name = tag(request, "41");
        // A replaced order is known by the request's name: back to the first one.
        while let Some(by) = self.sent.iter().find(|s| s.id == name && s.kind == SendKind::Cancel) {
            name = tag(by, "41");
        }
        Some(name).filter(|n| !n.is_empty())
    }

    fn flat(&mut self) {
        let open: i64 = self.leader.iter().filter(|o| o.live).map(|o| o.qty - o.cum).sum();
        // An order that is being cancelled may fill before.
        let late: i64 = self.broker.iter().filter(|o| o.live).map(|o| o.qty - o.cum).sum();
        self.hull = self.position.abs() + open + late;
    }

    pub fn act(&mut self, op: u8, a: u8, b: u8) {
        let pick = |len: usize, by: u8| (len > 0).then(|| usize::from(by) % len);
        let live: Vec<usize> = (0..self.leader.len()).filter(|n| self.leader[*n].live).collect();
        let of_leader = pick(live.len(), a).map(|n| live[n]);
        let working: Vec<usize> = (0..self.broker.len()).filter(|n| self.broker[*n].live).collect();
        let of_broker = pick(working.len(), a).map(|n| working[n]);
        match op {
            0..=2 => self.place(a, b),
            3..=5 => {
                if let Some(n) = of_leader {
                    let left = self.leader[n].qty - self.leader[n].cum;
                    self.leader_fills(n, 1 + i64::from(b) % left);
                }
            }
            6 => {
                if let Some(n) = of_leader {
                    self.leader[n].live = false;
                    self.report(n, ('4', '4'), 0);
                }
            }
            7 | 8 => {
                if let Some(n) = of_leader {
                    let o = &mut self.leader[n];
                    let before = o.qty;
                    o.qty = o.cum + 1 + i64::from(b) % 12;
                    if b.is_multiple_of(3) {
                        o.terms = "40=2|44=1.15|59=1|";
                    }
                    self.hull += (o.qty - before).max(0);
                    self.report(n, ('5', '5'), 0);
                }
            }
            9..=11 => {
                if let Some(n) = of_broker {
                    self.acknowledge(n);
                }
            }
            12..=15 => {
                if let Some(n) = of_broker.filter(|n| self.broker[*n].acknowledged) {
                    let left = self.broker[n].qty - self.broker[n].cum;
                    if left > 0 {
                        self.fills(n, 1 + i64::from(b) % left);
                    }
                }
            }
            16..=18 => {
                if let Some(n) = of_broker {
                    self.answer(n, !b.is_multiple_of(4));
                }
            }
            19 => {
                if let Some(n) = of_broker.filter(|n| !self.broker[*n].acknowledged) {
                    self.ends(n, ('8', '8'));
                }
            }
            20 => {
                if let Some(n) = of_broker.filter(|n| self.broker[*n].acknowledged) {
                    self.ends(n, ('C', 'C'));
                }
            }
            21 => {
                // The route is there again: what nobody has answered is asked about.
                self.links += 1;
                let sent = self.w.link(7 + self.links);
                self.take(sent);
            }
            _ => {
                let end = self.w.now + 700_000_000 * i64::from(b % 4);
                let sent = self.w.run_to(end);
                self.take(sent);
            }
        }
    }

    fn place(&mut self, a: u8, b: u8) {
        let terms = ["40=2|44=1.1|59=1|", "40=3|99=1|59=1|", "40=1|59=0|", ""][usize::from(a / 2) % 4];
        let name = format!("o{}", self.leader.len());
        let (buy, qty) = (a.is_multiple_of(2), 1 + i64::from(b) % 12);
        self.leader.push(LeaderOrder { name, buy, qty, cum: 0, terms, live: true });
        self.hull += qty;
        self.report(self.leader.len() - 1, ('0', '0'), 0);
    }

    fn leader_fills(&mut self, n: usize, qty: i64) {
        let o = &mut self.leader[n];
        o.cum += qty;
        o.live = o.cum < o.qty;
        self.position += if o.buy { qty } else { -qty };
        let status = if o.live { '1' } else { '2' };
        self.report(n, ('F', status), qty);
    }

    fn said(&mut self, n: usize, kind: (char, char), id: &str, rest: &str) {
        self.w.exec += 1;
        let (e, o) = (self.w.exec, self.broker[n].clone());
        let (exec, status, side) = (kind.0, kind.1, if o.buy { 1 } else { 2 });
        let sent = self.w.broker(&format!(
            "35=8|37=B{}|11={id}|17=X{e}|150={exec}|39={status}|55=EURUSD|54={side}|38={}|14={}|151=0|{rest}",
            o.id, o.qty, o.cum
        ));
        self.take(sent);
    }

    fn acknowledge(&mut self, n: usize) {
        if !self.broker[n].acknowledged {
            self.broker[n].acknowledged = true;
            let name = self.broker[n].name.clone();
            self.said(n, ('0', '0'), &name, "");
        }
    }

    fn fills(&mut self, n: usize, qty: i64) {
        let o = &mut self.broker[n];
        o.cum += qty;
        o.live = o.cum < o.qty;
        let (name, status) = (o.name.clone(), if o.live { '1' } else { '2' });
        self.said(n, ('F', status), &name, &format!("32={qty}|31=1.1|"));
        let after = self.w.filled();
        if after.is_zero() {
            self.flat();
        }
    }

    fn ends(&mut self, n: usize, kind: (char, char)) {
        self.broker[n].live = false;
        let name = self.broker[n].name.clone();
        self.said(n, kind, &name, "");
    }

    /// The broker answers what it was asked about an order, as a broker may: too late when the order is done.
    fn answer(&mut self, n: usize, willing: bool) {
        let Some(by) = self.broker[n].asked.take() else { return };
        let o = self.broker[n].clone();
        let replace = tag(&by, "35") == "G";
        if !willing || !o.live || (replace && number(&by.qty) <= o.cum) {
            let text = format!("35=9|37=B{}|11={}|41={}|39=0|102=0|434=1|", o.id, by.id, o.name);
            let sent = self.w.broker(&text);
            return self.take(sent);
        }
        if replace {
            let b = &mut self.broker[n];
            (b.qty, b.name) = (number(&by.qty), by.id.clone());
            self.said(n, ('5', '5'), &by.id, &format!("41={}|", o.name));
        } else {
            self.broker[n].live = false;
            self.said(n, ('4', '4'), &by.id, &format!("41={}|", o.name));
        }
    }

    /// The leader cancels everything and goes flat; the broker answers and fills all that closes.
    pub fn quiet(&mut self) {
        for n in 0..self.leader.len() {
            if self.leader[n].live {
                self.leader[n].live = false;
                self.report(n, ('4', '4'), 0);
            }
        }
        if self.position != 0 {
            let (name, buy, qty) =
                (format!("o{}", self.leader.len()), self.position < 0, self.position.abs());
            self.leader.push(LeaderOrder { name, buy, qty, cum: 0, terms: "", live: true });
            let n = self.leader.len() - 1;
            self.leader_fills(n, qty);
        }
        for _ in 0..60 {
            for n in 0..self.broker.len() {
                if self.broker[n].asked.is_some() {
                    self.answer(n, true);
                }
                if self.broker[n].live {
                    self.acknowledge(n);
                }
                if self.broker[n].live && self.broker[n].market {
                    let left = self.broker[n].qty - self.broker[n].cum;
                    self.fills(n, left);
                }
            }
            let end = self.w.now + 40_000_000_000;
            let sent = self.w.run_to(end);
            self.take(sent);
        }
    }

    fn check(&self) {
        let filled = abs(self.w.filled());
        assert!(filled <= Dec::from_int(self.hull), "{filled} held, the leader's hull is {}", self.hull);
    }
}

/// Fills are copied, and stops; whatever the rounding, and with opens that are tried again.
pub fn only_stops(c: &mut Config, n: usize) {
    let s = &mut c.subscriptions[0];
    (s.copy, s.copy_stops) = (Copied::Fills, true);
    s.rounding = [Rounding::TowardZero, Rounding::Nearest, Rounding::Hold, Rounding::MinLotIfNonzero][n % 4];
    if n % 2 == 1 {
        (s.on_reject, s.retry_window_ms) = (OnReject::Retry, 60_000);
    }
}

/// What one order may be: anything, what the venue takes, or what a bound allows.
pub fn largest_order(c: &mut Config, which: usize) {
    match which {
        1 => c.instruments[0].max_lot = Some(crate::support::lots("3")),
        2 => c.subscriptions[0].limits.default.max_order_qty_lots = Some(crate::support::lots("4")),
        _ => {}
    }
}

/// Histories to play: 600, or more by `PROPTEST_CASES`.
pub fn cases() -> u32 {
    ProptestConfig::default().cases.max(600)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 40_000, ..ProptestConfig::default() })]

    /// Whatever happens: when the leader is flat and all is quiet the follower is flat; nothing is sent twice, no lot is
    /// closed twice, and the follower never holds what no order of the leader's could have brought him. So it is where
    /// all his orders are mirrored, and where only his stops are.
    #[test]
    fn a_flat_leader_has_a_flat_follower(
        replaces: bool, reverse: bool, rule in 0..9_usize, sizing in 0..SIZINGS.len(), largest in 0..3_usize,
        steps in prop::collection::vec((0..23_u8, any::<u8>(), any::<u8>()), 1..60),
    ) {
        let rules = [
            "",
            r#","ahead":"keep""#,
            r#","leader_filled":"market_after_s","leader_filled_ms":1000"#,
            r#","leader_filled":"cancel_after_s","leader_filled_ms":1000"#,
            r#","ahead":"keep","leader_filled":"cancel_after_s","leader_filled_ms":1000"#,
        ];
        let of_orders = rules.get(rule).unwrap_or(&"");
        let mut config = config(replaces, SIZINGS[sizing], &format!(r#"{of_orders},"reverse":{reverse}"#));
        if let Some(n) = rule.checked_sub(rules.len()) {
            only_stops(&mut config, n);
        }
        largest_order(&mut config, largest);
        let mut p = Play::new(config.clone());
        for (op, a, b) in steps {
            p.act(op, a, b);
            if sizing == 0 {
                p.check();
            }
        }
        p.quiet();
        let st = p.w.engine.state();
        prop_assert_eq!((p.w.filled(), p.w.target()), (d("0"), d("0")));
        prop_assert!(st.mirrors.is_empty(), "{:?}", st.mirrors);
        prop_assert!(p.broker.iter().all(|o| !o.live), "{:?}", p.broker);
        let mut again = Engine::new(config).unwrap();
        for (seq, (at_ns, kind, session, payload)) in (1..).zip(&p.w.log) {
            again.apply(&Event { seq, at_ns: *at_ns, kind: *kind, session, payload }, &mut Discard);
        }
        prop_assert_eq!(again.digest(), p.w.engine.digest(), "a replay decides the same");
        prop_assert!(again.snapshot() == p.w.engine.snapshot(), "and leads to the same state");
    }
}
