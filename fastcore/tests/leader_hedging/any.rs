//! Any history of a leader on a hedging account, told well or badly: his net is copied to the order as if there were no
//! positions, and what each of them holds is what a small model of its own has.

use crate::support::{SAME, Sent, World, d, fix};
use crate::{answer, hedging_leader, held_by, row};
use fastcore::action::Discard;
use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::{Event, EventKind};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Step {
    /// A new position; its report names it or not.
    Open { buy: bool, qty: i64, named: bool },
    /// More or less of a position, beyond zero too.
    Trade { position: usize, buy: bool, qty: i64, named: bool },
    /// One fill more of an order.
    More { order: usize, qty: i64, named: bool },
    /// A fill is taken back, or corrected to another quantity.
    Amend { fill: usize, qty: i64, named: bool },
    /// A status of an order, which names its position.
    Status(usize),
    /// The newest report once more.
    Again,
    /// His broker's positions, said twice, from a row on.
    Answers(usize),
    /// Positions that are not his, said once.
    Wrong,
    /// One row of an answer of many.
    Row,
    /// Time for questions.
    Wait,
}

struct Order {
    position: String,
    buy: bool,
    cum: i64,
    busted: bool,
    /// A report has named its position.
    known: bool,
    /// Units that none has.
    unnamed: i64,
}

struct Fill {
    order: usize,
    exec: usize,
    qty: i64,
}

/// What his broker has, and what we can know of it. Nothing of it is taken from the core.
#[derive(Default)]
struct Model {
    truth: BTreeMap<String, i64>,
    ours: BTreeMap<String, i64>,
    orders: Vec<Order>,
    fills: Vec<Fill>,
    execs: usize,
}

fn sign(buy: bool) -> i64 {
    if buy { 1 } else { -1 }
}

impl Model {
    fn moves(&mut self, o: usize, units: i64, named: bool) {
        let order = &mut self.orders[o];
        *self.truth.entry(order.position.clone()).or_default() += units;
        order.unnamed += units;
        order.known |= named;
        self.names(o);
    }

    fn names(&mut self, o: usize) {
        let order = &mut self.orders[o];
        if order.known {
            *self.ours.entry(order.position.clone()).or_default() += std::mem::take(&mut order.unnamed);
        }
    }

    fn net(&self) -> i64 {
        self.truth.values().sum()
    }

    fn rows(&self) -> Vec<(String, i64)> {
        self.truth.iter().filter(|(_, u)| **u != 0).map(|(id, u)| (id.clone(), *u)).collect()
    }
}

struct Play {
    w: World,
    /// The same reports at an account that nets: what it sends is what is to be sent.
    nets: World,
    m: Model,
    serial: usize,
    last: Option<String>,
}

fn config() -> Config {
    let mut c = crate::support::config(SAME, "");
    hedging_leader(&mut c);
    c
}

impl Play {
    fn new() -> Play {
        let nets = World::with(SAME, "", |c| {
            hedging_leader(c);
            c.profiles[1].position_model = fastcore::profile::PositionModel::Netting;
        });
        Play { w: World::with(SAME, "", |c| *c = config()), nets, m: Model::default(), serial: 0, last: None }
    }

    /// To both: what it makes is the same.
    fn report(&mut self, text: &str) {
        let mut time = Vec::new();
        fastcore::time::write_utc(self.w.now, &mut time);
        let raw = fix(&format!("35=8|{text}|55=EURUSD|60={}|", String::from_utf8(time).unwrap()));
        let sent = self.w.apply(EventKind::Leader, "L", &raw);
        assert_eq!(self.nets.apply(EventKind::Leader, "L", &raw), sent);
    }

    /// The other hears nothing at the same times, and sends the same.
    fn only_here(&mut self, says: impl FnOnce(&mut World) -> Vec<Sent>) {
        let from = self.w.log.len();
        let sent = says(&mut self.w);
        let mut same = Vec::new();
        for (at_ns, ..) in &self.w.log[from..] {
            self.nets.now = at_ns - 1_000;
            same.extend(self.nets.apply(EventKind::Timer, "", b""));
        }
        self.nets.now = self.w.now;
        assert_eq!(same, sent);
    }

    fn fill(&mut self, o: usize, qty: i64, named: bool) {
        self.m.execs += 1;
        let exec = self.m.execs;
        self.m.orders[o].cum += qty;
        self.m.fills.push(Fill { order: o, exec, qty });
        let units = qty * sign(self.m.orders[o].buy);
        self.m.moves(o, units, named);
        let text = self.text(o, &format!("17=e{exec}|150=F|39=1|32={qty}|31=1.1"), named);
        self.report(&text);
        self.last = Some(text);
    }

    fn text(&self, o: usize, what: &str, named: bool) -> String {
        let order = &self.m.orders[o];
        let (side, cum) = (if order.buy { 1 } else { 2 }, order.cum);
        let name = if named { format!("|721={}", order.position) } else { String::new() };
        format!("37=o{o}|{what}|54={side}|38=100000|14={cum}{name}")
    }

    fn order(&mut self, position: String, buy: bool, qty: i64, named: bool) {
        self.m.orders.push(Order { position, buy, cum: 0, busted: false, known: false, unnamed: 0 });
        self.fill(self.m.orders.len() - 1, qty, named);
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Open { buy, qty, named } => {
                self.order(format!("P{}", self.m.orders.len()), buy, qty, named)
            }
            Step::Trade { position, buy, qty, named } => {
                let ids: Vec<String> = self.m.truth.keys().cloned().collect();
                if !ids.is_empty() {
                    self.order(ids[position % ids.len()].clone(), buy, qty, named);
                }
            }
            Step::More { order, qty, named } => {
                let n = self.m.orders.len();
                if n > 0 {
                    self.fill(order % n, qty, named);
                }
            }
            Step::Amend { fill, qty, named } => self.amend(fill, qty, named),
            Step::Status(order) => {
                if !self.m.orders.is_empty() {
                    let o = order % self.m.orders.len();
                    self.serial += 1;
                    let text = self.text(o, &format!("17=s{}|150=I|39=1", self.serial), true);
                    let traded = self.m.orders[o].cum > 0 || self.m.orders[o].busted;
                    self.m.orders[o].known |= traded;
                    self.m.names(o);
                    self.report(&text);
                }
            }
            Step::Again => {
                if let Some(text) = self.last.clone() {
                    self.report(&text);
                }
            }
            Step::Answers(from) => self.answers(from),
            Step::Wrong => {
                self.serial += 1;
                let (request, other) = (format!("W{}", self.serial), 1_000_000 + self.serial as i64);
                self.only_here(|w| answer(w, &request, &[("P0", 1), ("X", other)]));
            }
            Step::Row => {
                self.serial += 1;
                let request = format!("R{}", self.serial);
                self.only_here(|w| row(w, &request, 9, "P0", 1));
            }
            Step::Wait => self.only_here(|w| {
                let end = w.now + 3_000_000_000;
                w.run_to(end)
            }),
        }
        self.check();
    }

    fn amend(&mut self, fill: usize, qty: i64, named: bool) {
        if self.m.fills.is_empty() {
            return;
        }
        let n = fill % self.m.fills.len();
        let Fill { order: o, exec, qty: old } = self.m.fills[n];
        if old == qty || (old == 0) {
            return;
        }
        self.m.fills[n].qty = qty;
        self.serial += 1;
        let order = &mut self.m.orders[o];
        (order.cum, order.busted) = (order.cum + qty - old, true);
        let units = (qty - old) * sign(order.buy);
        self.m.moves(o, units, named);
        let kind = if qty == 0 { format!("150=H|39=1|32={old}") } else { format!("150=G|39=1|32={qty}") };
        let text = self.text(o, &format!("17=a{}|19=e{exec}|{kind}|31=1.1", self.serial), named);
        self.report(&text);
    }

    fn answers(&mut self, from: usize) {
        let mut rows = self.m.rows();
        if !rows.is_empty() {
            let by = from % rows.len();
            rows.rotate_left(by);
        }
        for _ in 0..2 {
            self.serial += 1;
            let request = format!("Q{}", self.serial);
            let rows: Vec<(&str, i64)> = rows.iter().map(|(id, u)| (id.as_str(), *u)).collect();
            self.only_here(|w| answer(w, &request, &rows));
        }
        self.m.ours = self.m.truth.clone();
        self.m.orders.iter_mut().for_each(|o| o.unnamed = 0);
    }

    fn check(&self) {
        let (net, held, unnamed) = held_by(&self.w.engine);
        let ours: Vec<(String, String)> =
            self.m.ours.iter().filter(|(_, u)| **u != 0).map(|(id, u)| (id.clone(), u.to_string())).collect();
        let named: i64 = self.m.ours.values().sum();
        assert_eq!(held, ours);
        assert_eq!(unnamed, (self.m.net() - named).to_string());
        let copied = self.w.engine.state().leaders[0].positions[&0];
        assert_eq!(copied, d(&self.m.net().to_string()));
        assert!(net == copied.to_string() || held.is_empty() && unnamed == "0");
        let drift = self.w.alerts.iter().find(|a| a.code == "leader_drift");
        assert!(drift.is_none(), "{drift:?}");
    }
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let n = || 0..50_usize;
    let named = || prop::bool::weighted(0.7);
    let step = prop_oneof![
        4 => (any::<bool>(), 1..12_i64, named()).prop_map(|(buy, qty, named)| Step::Open { buy, qty, named }),
        6 => (n(), any::<bool>(), 1..12_i64, named())
            .prop_map(|(position, buy, qty, named)| Step::Trade { position, buy, qty, named }),
        2 => (n(), 1..12_i64, named()).prop_map(|(order, qty, named)| Step::More { order, qty, named }),
        1 => (n(), 0..12_i64, named()).prop_map(|(fill, qty, named)| Step::Amend { fill, qty, named }),
        2 => n().prop_map(Step::Status),
        1 => Just(Step::Again),
        2 => n().prop_map(Step::Answers),
        1 => Just(Step::Wrong),
        1 => Just(Step::Row),
        1 => Just(Step::Wait),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]
    /// Positions are the model's after every step, their sum and what has no name are the net, the orders are those of an
    /// account that nets, no answer makes a false break; a core that went through a snapshot ends as one that replayed all.
    #[test]
    fn positions_add_up_and_the_net_is_copied(steps in steps(), cut in 0..60_usize) {
        let mut p = Play::new();
        for (at, step) in steps.iter().enumerate() {
            if at == cut {
                let state = p.w.engine.snapshot();
                p.w.engine = Engine::restore(config(), &state).unwrap();
            }
            p.step(step);
        }
        prop_assert_eq!(p.w.engine.digest(), p.nets.engine.digest());
        let mut again = Engine::new(config()).unwrap();
        for (seq, (at_ns, kind, session, payload)) in (1_u64..).zip(&p.w.log) {
            let event = Event { seq, at_ns: *at_ns, kind: *kind, session, payload };
            again.apply(&event, &mut Discard);
        }
        prop_assert!(again.snapshot() == p.w.engine.snapshot());
    }
}
