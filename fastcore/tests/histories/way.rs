//! One route process as it is played: its guard, its durable rows, and the broker at its end.

use crate::broker::Broker;
use crate::setup::Setup;
use fastcore::link::{self, Frame, Row};
use fastcore::route::{NewRow, NotSent, RouteGuard, Seen};
use std::collections::VecDeque;

/// A row of the route's durable file: number, time, bytes.
type StoredRow = (u64, i64, Vec<u8>);

pub struct Way {
    pub name: String,
    pub session: String,
    pub broker: Broker,
    pub incarnation: u64,
    /// The core hears it.
    pub linked: bool,
    /// Frames of the core on their way.
    pub to_route: VecDeque<Vec<u8>>,
    /// The next message that leaves is lost behind its OUT row.
    pub lose_next: bool,
    guard: RouteGuard,
    rows: Vec<StoredRow>,
    /// Rows that this link has carried.
    sent: usize,
    log: u64,
}

impl Way {
    pub fn new(n: usize, setup: &Setup) -> Way {
        let (name, session) = (format!("r{n}"), format!("R{n}"));
        let min = if setup.strict { setup.min } else { 0 };
        Way {
            guard: RouteGuard::new(1, 0, 0, std::slice::from_ref(&session), i64::MAX),
            name,
            session,
            broker: Broker { min, ..Broker::default() },
            incarnation: 1,
            linked: false,
            to_route: VecDeque::new(),
            lose_next: false,
            rows: vec![],
            sent: 0,
            log: 1,
        }
    }

    pub fn hello(&mut self) -> Vec<u8> {
        self.linked = true;
        self.sent = self.sent.saturating_sub(2); // rows that the core has already come again
        let up: Vec<&str> = self.guard.sessions_up().collect();
        let first = self.sent as u64 + 1;
        link::encode_hello(&self.name, self.incarnation, self.log, first, 0, &up).unwrap()
    }

    pub fn row(&mut self, row: &Row<'_>, now: i64) {
        let mut bytes = Vec::new();
        link::encode_row(row, &mut bytes).unwrap();
        self.rows.push((self.rows.len() as u64 + 1, now, bytes));
    }

    /// The rows that this link has not carried, as one frame, and how many they are.
    pub fn fresh_rows(&mut self) -> Option<(usize, Vec<u8>)> {
        if !self.linked || self.sent == self.rows.len() {
            return None;
        }
        let refs = self.rows[self.sent..].iter().map(|(no, at, bytes)| (*no, *at, bytes.as_slice()));
        let frame = link::rows_frame(self.incarnation, refs).unwrap();
        let count = self.rows.len() - self.sent;
        self.sent = self.rows.len();
        Some((count, frame))
    }

    /// Takes one frame of the core; gives what leaves for the broker.
    pub fn takes(&mut self, beat: &[u8], now: i64) -> Option<Vec<Vec<u8>>> {
        let frame = self.to_route.pop_front()?;
        self.guard.decide(beat, now).unwrap();
        let decided = self.guard.decide(&frame, now).unwrap();
        let rows: Vec<NewRow> = decided.rows.clone();
        let sends = decided.sends.iter().map(|(_, raw)| raw.to_vec()).collect();
        for row in &rows {
            self.row(&row.as_row(), now);
        }
        Some(sends)
    }

    /// The next frame of orders, if that is what comes next.
    fn next_orders(&mut self) -> Option<Vec<u8>> {
        // GREET is repeated on the next link only; the link itself is not lost here.
        let orders = matches!(link::decode(self.to_route.front()?), Ok(Frame::Orders(_)));
        if orders { self.to_route.pop_front() } else { None }
    }

    pub fn lose_frame(&mut self) -> Option<Vec<u8>> {
        self.next_orders()
    }

    /// The route sends nothing of the next frame, for this reason.
    pub fn bars(&mut self, reason: NotSent, now: i64) {
        let Some(frame) = self.next_orders() else { return };
        let Ok(Frame::Orders(orders)) = link::decode(&frame) else { return };
        for o in orders.iter() {
            let (cl_ord_id, try_no, mut reason) = (o.cl_ord_id, o.try_no, reason.byte());
            match self.guard.seen(cl_ord_id, try_no) {
                Some(Seen::Out) => continue,
                Some(Seen::NotSent(before)) => reason = before,
                None => self.guard.remember(cl_ord_id, try_no, Seen::NotSent(reason)),
            }
            self.row(&Row::NotSent { cl_ord_id, try_no, reason }, now);
        }
    }

    pub fn is_up(&self) -> bool {
        self.guard.sessions_up().next().is_some()
    }

    pub fn set_up(&mut self, up: bool, now: i64) {
        let session = self.session.clone();
        self.guard.session(&session, up);
        self.row(&if up { Row::Logon { session: &session } } else { Row::Logout { session: &session } }, now);
    }

    /// The broker's oldest report becomes a row.
    pub fn broker_says(&mut self, now: i64) -> Option<String> {
        if !self.is_up() {
            return None;
        }
        let (_, text) = self.broker.says.pop_front()?;
        self.broker.swapped &= !self.broker.says.is_empty();
        let session = self.session.clone();
        self.guard.heard(&session);
        self.row(&Row::In { session: &session, msg_seq_num: 1, raw: &crate::world::fix(&text) }, now);
        Some(text)
    }

    /// The broker fills a gap over all that was on its way. False: nothing was, or what a status does not tell.
    pub fn gap(&mut self, now: i64) -> bool {
        if !self.is_up() || !self.broker.gap() {
            return false;
        }
        let session = self.session.clone();
        self.row(&Row::Gap { session: &session, from: 1, to: 2 }, now);
        true
    }

    /// `kill -9`: rows and the set of tries survive, frames on their way do not.
    pub fn restart(&mut self, epoch: u64) {
        self.begin(epoch);
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
    }

    /// It starts again with an empty file. False: reports would be lost with it, which a person has to look for.
    pub fn lose_log(&mut self, epoch: u64) -> bool {
        let report = |r: &StoredRow| matches!(link::decode_row(&r.2), Ok(Row::In { .. }));
        if self.rows[self.sent..].iter().any(report) {
            return false;
        }
        self.rows.clear();
        (self.sent, self.log) = (0, self.log + 1);
        self.begin(epoch);
        true
    }

    fn begin(&mut self, epoch: u64) {
        self.incarnation += 1;
        let sessions = std::slice::from_ref(&self.session);
        self.guard = RouteGuard::new(self.incarnation, epoch, 0, sessions, i64::MAX);
        self.to_route.clear();
    }
}
