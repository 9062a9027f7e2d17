//! The counterparties of a history: leaders whose trades are the truth, and a broker with its own books.
//!
//! Both speak FIX text; the broker decides nothing by itself, so that a history says everything that happens.

use std::collections::{BTreeMap, VecDeque};

/// One report of a leader order, and whether it was delivered.
pub struct Told {
    pub text: String,
    pub heard: bool,
}

/// One leader order with everything that its broker says about it.
pub struct LeaderOrder {
    pub leader: usize,
    pub id: String,
    pub buy: bool,
    pub qty: i64,
    pub cum: i64,
    pub done: bool,
    pub told: Vec<Told>,
}

/// One leader execution.
pub struct Execution {
    pub order: usize,
    pub id: String,
    pub qty: i64,
}

/// All leaders: their orders and true positions.
#[derive(Default)]
pub struct Leaders {
    pub orders: Vec<LeaderOrder>,
    pub executions: Vec<Execution>,
    pub ids: u64,
}

impl Leaders {
    /// The true position of one leader, units.
    pub fn position(&self, leader: usize) -> i64 {
        let signed = |e: &Execution| {
            let o = &self.orders[e.order];
            if o.leader != leader {
                0
            } else if o.buy {
                e.qty
            } else {
                -e.qty
            }
        };
        self.executions.iter().map(signed).sum()
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub fn order(&mut self, leader: usize, buy: bool, qty: i64, at: &str) -> usize {
        let id = format!("o{}", self.next_id());
        self.orders.push(LeaderOrder { leader, id, buy, qty, cum: 0, done: false, told: vec![] });
        let o = self.orders.len() - 1;
        self.tell(o, '0', '0', "", at);
        o
    }

    fn tell(&mut self, o: usize, exec_type: char, status: char, more: &str, at: &str) {
        let exec = self.next_id();
        let x = &mut self.orders[o];
        let side = if x.buy { 1 } else { 2 };
        let text = format!(
            "35=8|34={exec}|37={}|11=c{}|17=E{exec}|150={exec_type}|39={status}|55=X|54={side}|38={}|14={}|\
             151=0|60={at}|{more}",
            x.id, x.id, x.qty, x.cum
        );
        x.told.push(Told { text, heard: false });
    }

    pub fn fill(&mut self, o: usize, qty: i64, at: &str) {
        let qty = qty.min(self.orders[o].qty - self.orders[o].cum);
        if self.orders[o].done || qty <= 0 {
            return;
        }
        self.orders[o].cum += qty;
        let whole = self.orders[o].cum == self.orders[o].qty;
        self.orders[o].done = whole;
        let id = format!("E{}", self.ids + 1);
        self.executions.push(Execution { order: o, id, qty });
        self.tell(o, 'F', if whole { '2' } else { '1' }, &format!("32={qty}|31=1.1|"), at);
    }

    pub fn cancel(&mut self, o: usize, at: &str) {
        if !self.orders[o].done {
            self.orders[o].done = true;
            self.tell(o, '4', '4', "", at);
        }
    }

    /// Takes an execution back (new quantity 0) or corrects it.
    pub fn amend(&mut self, e: usize, qty: i64, at: &str) {
        let (o, old, id) = (self.executions[e].order, self.executions[e].qty, self.executions[e].id.clone());
        if old == qty || old == 0 {
            return;
        }
        self.executions[e].qty = qty;
        self.orders[o].cum += qty - old;
        let (kind, last) = if qty == 0 { ('H', old) } else { ('G', qty) };
        self.tell(o, kind, '1', &format!("19={id}|32={last}|31=1.1|"), at);
    }
}

/// One order at the follower's broker.
pub struct BrokerOrder {
    pub buy: bool,
    pub qty: i64,
    pub cum: i64,
    pub live: bool,
    /// A cancel that is not answered.
    pub cancel: Option<String>,
    pub executions: Vec<(String, i64)>,
}

/// The follower's broker.
#[derive(Default)]
pub struct Broker {
    /// By ClOrdID(11).
    pub orders: BTreeMap<String, BrokerOrder>,
    /// ClOrdIDs as they came.
    pub arrived: Vec<String>,
    /// Reports on their way, oldest first.
    pub says: VecDeque<(String, String)>,
    ids: u64,
}

pub fn field<'a>(text: &'a str, tag: &str) -> &'a str {
    text.split('\u{1}').find_map(|f| f.strip_prefix(tag)?.strip_prefix('=')).unwrap_or("")
}

impl Broker {
    /// Takes one message of ours.
    pub fn receive(&mut self, raw: &[u8]) {
        let text = String::from_utf8_lossy(raw).into_owned();
        let id = field(&text, "11").to_owned();
        match field(&text, "35") {
            "D" => {
                assert!(!self.orders.contains_key(&id), "ClOrdID {id} reached the broker twice");
                let qty = field(&text, "38").parse().unwrap();
                let buy = field(&text, "54") == "1";
                let order = BrokerOrder { buy, qty, cum: 0, live: true, cancel: None, executions: vec![] };
                self.orders.insert(id.clone(), order);
                self.arrived.push(id);
            }
            "F" => {
                let orig = field(&text, "41").to_owned();
                match self.orders.get_mut(&orig) {
                    Some(o) if o.live => o.cancel = Some(id),
                    _ => self.say(&orig, format!("35=9|11={id}|41={orig}|37=B{orig}|39=8|434=1|102=1|")),
                }
            }
            "H" => self.status(&id, field(&text, "790")),
            other => panic!("we sent 35={other}"),
        }
    }

    fn say(&mut self, id: &str, text: String) {
        self.says.push_back((id.to_owned(), text));
    }

    fn status(&mut self, id: &str, query: &str) {
        let text = match self.orders.get(id) {
            Some(o) => {
                let state = match (o.live, o.cum) {
                    (true, 0) => '0',
                    (true, _) => '1',
                    (false, cum) if cum >= o.qty => '2',
                    (false, _) => '4',
                };
                let side = if o.buy { 1 } else { 2 };
                format!(
                    "35=8|37=B{id}|11={id}|17=S{query}|150=I|39={state}|54={side}|38={}|14={}|790={query}|",
                    o.qty, o.cum
                )
            }
            None => {
                format!("35=8|37=NONE|11={id}|17=S{query}|150=I|39=8|103=5|54=1|38=0|14=0|790={query}|")
            }
        };
        self.say(id, text);
    }

    fn report(&mut self, id: &str, cl: &str, kind: char, status: char, more: &str) {
        self.ids += 1;
        let o = &self.orders[id];
        let side = if o.buy { 1 } else { 2 };
        let text = format!(
            "35=8|37=B{id}|11={cl}|17=X{}|150={kind}|39={status}|55=X|54={side}|38={}|14={}|151=0|{more}",
            self.ids, o.qty, o.cum
        );
        self.say(id, text);
    }

    pub fn acknowledge(&mut self, id: &str) {
        self.report(id, id, '0', '0', "");
    }

    pub fn fill(&mut self, id: &str, qty: i64) {
        let Some(o) = self.orders.get_mut(id) else { return };
        let qty = qty.min(o.qty - o.cum);
        if !o.live || qty <= 0 {
            return;
        }
        o.cum += qty;
        o.live = o.cum < o.qty;
        o.executions.push((format!("X{}", self.ids + 1), qty));
        let (status, late) = (if o.live { '1' } else { '2' }, o.cancel.take_if(|_| !o.live));
        self.report(id, id, 'F', status, &format!("32={qty}|31=1.2|"));
        if let Some(cancel) = late {
            self.say(id, format!("35=9|11={cancel}|41={id}|37=B{id}|39=2|434=1|102=0|"));
        }
    }

    /// Ends a live order: 4 canceled, C expired, 8 rejected (only when nothing is filled).
    pub fn end(&mut self, id: &str, how: char) {
        let Some(o) = self.orders.get_mut(id) else { return };
        if !o.live || (how == '8' && o.cum > 0) {
            return;
        }
        o.live = false;
        let cancel = o.cancel.take();
        self.report(id, id, how, how, "");
        if let Some(cancel) = cancel {
            self.say(id, format!("35=9|11={cancel}|41={id}|37=B{id}|39={how}|434=1|102=0|"));
        }
    }

    pub fn answer_cancel(&mut self, id: &str, accept: bool) {
        let Some(o) = self.orders.get_mut(id) else { return };
        let Some(cancel) = o.cancel.take() else { return };
        if accept {
            o.live = false;
            self.report(id, &cancel, '4', '4', &format!("41={id}|"));
        } else {
            self.say(id, format!("35=9|11={cancel}|41={id}|37=B{id}|39=1|434=1|102=3|"));
        }
    }

    /// Takes the last fill of an order back.
    pub fn bust(&mut self, id: &str) {
        let Some(o) = self.orders.get_mut(id) else { return };
        let Some((exec, qty)) = o.executions.pop() else { return };
        o.cum -= qty;
        let status = if o.live { '1' } else { '4' };
        self.report(id, id, 'H', status, &format!("19={exec}|32={qty}|"));
    }

    /// Signed units that the account holds.
    pub fn position(&self) -> i64 {
        self.orders.values().map(|o| if o.buy { o.cum } else { -o.cum }).sum()
    }
}
