//! The leaders of a history: their trades are the truth, told in FIX text.

use crate::setup::SYMBOLS;

/// One report of a leader order, and whether it was delivered.
pub struct Told {
    pub text: String,
    pub heard: bool,
    /// Nothing overtakes it.
    pub fence: bool,
}

/// One leader order with everything that its broker says about it.
pub struct LeaderOrder {
    pub leader: usize,
    /// Place of its symbol.
    pub symbol: usize,
    pub id: String,
    /// ClOrdID(11), which changes with a replace.
    client: String,
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
    /// The most that it ever was.
    pub most: i64,
    /// When it was traded.
    pub at_ns: i64,
}

/// All leaders: their orders and true positions.
#[derive(Default)]
pub struct Leaders {
    pub orders: Vec<LeaderOrder>,
    pub executions: Vec<Execution>,
    /// The second leader's venue names orders by ClOrdID(11).
    pub by_client: bool,
    /// Time of what happens now.
    pub now: i64,
    pub ids: u64,
}

impl Leaders {
    /// The true position of one leader in one symbol, units.
    pub fn position(&self, leader: usize, symbol: usize) -> i64 {
        let signed = |e: &Execution| {
            let o = &self.orders[e.order];
            match (o.leader == leader && o.symbol == symbol, o.buy) {
                (false, _) => 0,
                (true, true) => e.qty,
                (true, false) => -e.qty,
            }
        };
        self.executions.iter().map(signed).sum()
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub fn order(&mut self, leader: usize, symbol: usize, buy: bool, qty: i64) -> usize {
        let id = format!("o{}", self.next_id());
        let client = format!("c{id}");
        let (cum, done) = (0, false);
        self.orders.push(LeaderOrder { leader, symbol, id, client, buy, qty, cum, done, told: vec![] });
        let o = self.orders.len() - 1;
        self.tell(o, '0', '0', "");
        o
    }

    fn tell(&mut self, o: usize, exec_type: char, status: char, more: &str) {
        let exec = self.next_id();
        let mut at = Vec::new();
        fastcore::time::write_utc(self.now, &mut at);
        let at = String::from_utf8(at).unwrap();
        let x = &mut self.orders[o];
        let side = if x.buy { 1 } else { 2 };
        let text = format!(
            "35=8|34={exec}|37={}|11={}|17=E{exec}|150={exec_type}|39={status}|55={}|54={side}|38={}|14={}|\
             151=0|60={at}|{more}",
            x.id, x.client, SYMBOLS[x.symbol], x.qty, x.cum
        );
        // Nothing overtakes a bust or correction: a fill of the quantity that it gave back would look like one fill that
        // is told under two ExecIDs. (They themselves may overtake what they take back.) And what carries a new name
        // comes after the report that gave it.
        let fence = matches!(exec_type, 'G' | 'H') || (exec_type == '5' && self.by_client && x.leader == 1);
        x.told.push(Told { text, heard: false, fence });
    }

    pub fn fill(&mut self, o: usize, qty: i64) {
        let qty = qty.min(self.orders[o].qty - self.orders[o].cum);
        if self.orders[o].done || qty <= 0 {
            return;
        }
        self.orders[o].cum += qty;
        let whole = self.orders[o].cum == self.orders[o].qty;
        self.orders[o].done = whole;
        let id = format!("E{}", self.ids + 1);
        self.executions.push(Execution { order: o, id, qty, most: qty, at_ns: self.now });
        self.tell(o, 'F', if whole { '2' } else { '1' }, &format!("32={qty}|31=1.1|"));
    }

    pub fn cancel(&mut self, o: usize) {
        if !self.orders[o].done {
            self.orders[o].done = true;
            self.tell(o, '4', '4', "");
        }
    }

    /// The leader replaces a live order by one of another quantity, under a new ClOrdID(11).
    pub fn replace(&mut self, o: usize, more: i64) {
        let n = self.next_id();
        let x = &mut self.orders[o];
        if x.done {
            return;
        }
        x.qty = x.cum + more;
        let old = std::mem::replace(&mut x.client, format!("c{n}"));
        self.tell(o, '5', '5', &format!("41={old}|"));
    }

    /// Takes an execution back (new quantity 0) or corrects it.
    pub fn amend(&mut self, e: usize, qty: i64) {
        let (o, old, id) = (self.executions[e].order, self.executions[e].qty, self.executions[e].id.clone());
        if old == qty || old == 0 {
            return;
        }
        self.executions[e].qty = qty;
        self.executions[e].most = self.executions[e].most.max(qty);
        self.orders[o].cum += qty - old;
        let (kind, last) = if qty == 0 { ('H', old) } else { ('G', qty) };
        self.tell(o, kind, '1', &format!("19={id}|32={last}|31=1.1|"));
        // What amends it next may name the execution, or its correction.
        if qty > 0 && self.ids.is_multiple_of(2) {
            self.executions[e].id = format!("E{}", self.ids);
        }
    }
}
