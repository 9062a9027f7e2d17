//! A follower's broker: its own books, told in FIX text. It decides nothing by itself but what its rules say, so that a
//! history says everything that happens.

use crate::setup::SYMBOLS;
use std::collections::{BTreeMap, VecDeque};

/// One order at the follower's broker.
pub struct BrokerOrder {
    pub symbol: String,
    pub buy: bool,
    pub qty: i64,
    pub cum: i64,
    pub live: bool,
    /// What is not filled at once expires.
    pub ioc: bool,
    /// A cancel that is not answered.
    pub cancel: Option<String>,
    pub executions: Vec<(String, i64)>,
    /// A fill was taken back: what follows counts by LastQty(32) alone, and a lost report is nowhere else.
    pub busted: bool,
    /// A report is lost: it is known by CumQty(14) alone, which counts no more after a bust.
    lost: bool,
}

/// The follower's broker.
#[derive(Default)]
pub struct Broker {
    /// By ClOrdID(11).
    pub orders: BTreeMap<String, BrokerOrder>,
    /// Reports on their way, oldest first.
    pub says: VecDeque<(String, String)>,
    /// Reports on their way have overtaken each other.
    pub swapped: bool,
    /// Less than this is rejected.
    pub min: i64,
    pub ids: u64,
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
                let (buy, ioc) = (field(&text, "54") == "1", field(&text, "59") == "3");
                let (symbol, live) = (field(&text, "55").to_owned(), true);
                let (busted, lost, executions) = (false, false, vec![]);
                let cancel = None;
                let order =
                    BrokerOrder { symbol, buy, qty, cum: 0, live, ioc, cancel, executions, busted, lost };
                self.orders.insert(id.clone(), order);
                if qty < self.min {
                    self.end(&id, '8');
                }
            }
            "F" => {
                let orig = field(&text, "41").to_owned();
                match self.orders.get_mut(&orig) {
                    Some(o) if o.live => o.cancel = Some(id),
                    _ => self.say(&orig, format!("35=9|11={id}|41={orig}|37=B{orig}|39=8|434=1|102=1|")),
                }
            }
            "H" => self.status(&id, field(&text, "790")),
            "AN" => self.positions(field(&text, "710")),
            other => panic!("we sent 35={other}"),
        }
    }

    /// All positions, as they are now: one report each of what is not flat, or that nothing is held.
    fn positions(&mut self, request: &str) {
        let held: Vec<(&str, i64)> =
            SYMBOLS.into_iter().map(|s| (s, self.position(s))).filter(|(_, q)| *q != 0).collect();
        let total = held.len();
        for (symbol, qty) in &held {
            self.tell_position(symbol, *qty, &format!("710={request}|728=0|727={total}|"));
        }
        if held.is_empty() {
            self.say("", format!("35=AP|1=F|710={request}|728=2|727=0|702=0|"));
        }
    }

    /// Tells the position of a symbol by itself, true when it is told.
    pub fn volunteer(&mut self, symbol: &str) {
        self.tell_position(symbol, self.position(symbol), "");
    }

    fn tell_position(&mut self, symbol: &str, qty: i64, more: &str) {
        let (long, short) = (qty.max(0), (-qty).max(0));
        self.say("", format!("35=AP|1=F|55={symbol}|{more}702=1|703=TQ|704={long}|705={short}|"));
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
            "35=8|37=B{id}|11={cl}|17=X{}|150={kind}|39={status}|55={}|54={side}|38={}|14={}|151=0|{more}",
            self.ids, o.symbol, o.qty, o.cum
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
        let rest_expires = o.live && o.ioc;
        let (status, late) = (if o.live { '1' } else { '2' }, o.cancel.take_if(|_| !o.live));
        self.report(id, id, 'F', status, &format!("32={qty}|31=1.2|"));
        if let Some(cancel) = late {
            self.say(id, format!("35=9|11={cancel}|41={id}|37=B{id}|39=2|434=1|102=0|"));
        }
        if rest_expires {
            self.end(id, 'C');
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

    /// Takes only a part of a live order (378=5): at least what is filled, and something.
    pub fn decline(&mut self, id: &str, keep: i64) {
        let Some(o) = self.orders.get_mut(id) else { return };
        let kept = o.cum + keep.min(o.qty - o.cum);
        if !o.live || kept == o.qty {
            return;
        }
        o.qty = kept;
        let status = if o.cum > 0 { '1' } else { '0' };
        self.report(id, id, 'D', status, "378=5|");
        let told = self.says.back_mut().unwrap();
        told.1 = told.1.replace("|151=0|", &format!("|151={}|", keep));
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
        let Some((exec, qty)) = o.executions.pop().filter(|_| !o.lost) else { return };
        o.cum -= qty;
        o.busted = true;
        let status = if o.live { '1' } else { '4' };
        self.report(id, id, 'H', status, &format!("19={exec}|32={qty}|"));
    }

    /// Loses all reports on their way. False: there is none, or one that no status tells again.
    pub fn gap(&mut self) -> bool {
        let told_once = |id: &String| self.orders.get(id).is_some_and(|o| o.busted);
        if self.swapped || self.says.is_empty() || self.says.iter().any(|(id, _)| told_once(id)) {
            return false;
        }
        for (id, _) in std::mem::take(&mut self.says) {
            if let Some(o) = self.orders.get_mut(&id) {
                o.lost = true;
            }
        }
        true
    }

    /// Signed units that the account holds.
    pub fn position(&self, symbol: &str) -> i64 {
        let of = self.orders.values().filter(|o| o.symbol == symbol);
        of.map(|o| if o.buy { o.cum } else { -o.cum }).sum()
    }
}
