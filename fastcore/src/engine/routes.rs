//! Routes: what was sent, what was not, and who is asked (design 06).

use super::Engine;
use super::guards::{DUE_GUARD, DUE_GUARDS};
use super::holdings::DUE_HOLDINGS;
use super::inactive::DUE_LEADER;
use super::lines::{DUE_CANCEL, DUE_HELD, DUE_LINE, DUE_QUERY, End};
use super::mass::DUE_MASS;
use super::questions::DUE_ASK;
use super::stops::{Level, Scope, Stop};
use super::sub_guards::DUE_SUB_GUARD;
use super::ways::DUE_WAY;
use crate::action::{Moved, Outcome, Sink};
use crate::decimal::Dec;
use crate::event::Event;
use crate::link::{self, Frame, Greet, Hello, Row, SendKind};
use crate::order::{ClOrdId, Input, Order, State, next};
use crate::profile::Recovery;
use crate::refusal::Code;
use crate::rules::{Rule, kept};
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// A try that the route could not send is dispatched again after this.
const AGAIN_NS: i64 = 200 * MS;

impl Engine {
    /// Moves an order along the table and keeps the line's working quantities true. False: illegal, nothing changed.
    pub(super) fn set_state<S: Sink>(&mut self, o: u32, input: Input, sink: &mut S) -> bool {
        let now = self.st.at_ns;
        let Some(order) = self.st.orders.get_mut(o as usize) else { return false };
        let Some(after) = next(order.state, input) else { return false };
        let (before, leaves) = (order.state, order.leaves());
        order.state = after;
        order.since_ns = now;
        order.denied = false;
        order.taken |= matches!(after, State::Acknowledged | State::PartlyFilled);
        let left = order.leaves();
        let (closes, mirror) = (order.reduces, order.mirror);
        let (at, buy, ended) = (order.line, order.buy, after.is_done() && !before.is_done());
        let cancel = if ended { order.cancel_id.take() } else { None };
        if ended {
            self.st.asked.remove(&o);
        }
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            if !mirror {
                ls.line.add_working(buy, closes, Dec::from_raw(left.raw().saturating_sub(leaves.raw())));
            }
            match (before == State::Unknown, after == State::Unknown) {
                (false, true) => ls.line.unknown = ls.line.unknown.saturating_add(1),
                (true, false) => {
                    ls.line.unknown = ls.line.unknown.saturating_sub(1);
                    self.st.proofs.remove(&o);
                }
                _ => {}
            }
            if ended {
                ls.live.retain(|x| *x != o);
                ls.line.cancels = ls.line.cancels.saturating_sub(u32::from(cancel.is_some() && !mirror));
            }
        }
        if ended {
            let ix = Arc::clone(&self.ix);
            self.recount(&ix, at);
            self.wake_others(&ix, at);
        }
        if S::WANTS_DECISIONS && before != after {
            self.outcome(o, None, None, sink);
        }
        true
    }

    pub(super) fn outcome<S: Sink>(&self, o: u32, px: Option<Dec>, moved: Option<Moved<'_>>, sink: &mut S) {
        if let Some(x) = self.st.orders.get(o as usize) {
            sink.outcome(&Outcome {
                sub: x.sub,
                cl_ord_id: &x.cl_ord_id,
                state: x.state.name(),
                qty: x.qty,
                cum_qty: x.cum,
                px,
                moved,
                at_ns: if self.route_ns > 0 { self.route_ns } else { self.st.at_ns },
            });
        }
    }

    pub(super) fn on_start<S: Sink>(&mut self, ev: &Event<'_>, sink: &mut S) {
        #[derive(serde::Deserialize)]
        struct Start {
            epoch: u64,
            config: crate::config::Config,
        }
        let read: Result<Start, _> = serde_json::from_slice(ev.payload);
        let start = match read {
            Ok(s) => s,
            Err(e) => return self.alert("bad_start", format!("START row: {e}"), sink),
        };
        self.st.epoch = start.epoch;
        // Another configuration may stop what the one before did not.
        self.cause.calm = false;
        for r in &mut self.st.routes {
            (r.incarnation, r.synced, r.up) = (0, false, false);
        }
        // A person has been here: what the broker refused once is asked for once more.
        self.st.lines.iter_mut().for_each(|l| l.stuck_residue = false);
        let made = self.accepted(start.config);
        match made {
            Ok(ix) => {
                self.ix = Arc::new(ix);
                self.fit();
                self.begin_new();
                self.leave_by_file(sink);
            }
            Err(e) => self.alert("bad_start", e.to_string(), sink),
        }
        self.unheard();
    }

    pub(super) fn on_link<S: Sink>(&mut self, ev: &Event<'_>, sink: &mut S) {
        let Some(at) = self.route_index(ev.session) else {
            return self.alert("unknown_route", format!("{} is no route", ev.session), sink);
        };
        let hello = match link::decode(ev.payload) {
            Ok(Frame::Hello(h)) if !ev.payload.is_empty() => h,
            _ => {
                if let Some(r) = self.st.routes.get_mut(at as usize) {
                    (r.incarnation, r.synced, r.up) = (0, false, false);
                }
                return;
            }
        };
        if hello.highest_journal_no > ev.seq {
            let text = format!(
                "route {} saw journal row {}, ours ends at {}",
                ev.session, hello.highest_journal_no, ev.seq
            );
            self.alert("journal_tail_lost", text, sink);
            let ix = Arc::clone(&self.ix);
            let stop = Stop::of_opens("journal_tail_lost".to_owned(), self.st.at_ns);
            self.latch(&ix, Scope::Global, stop, sink);
        }
        self.missed_rows(at, &hello, sink);
        let session = self.ix.cfg.routes.get(at as usize).map_or("", |r| r.session.as_str()).to_owned();
        let (epoch, kill) = (self.st.epoch, 0);
        if let Some(r) = self.st.routes.get_mut(at as usize) {
            r.incarnation = hello.incarnation;
            r.synced = false;
            r.up = hello.sessions().any(|s| s == session);
            let greet = Greet { epoch, incarnation: hello.incarnation, acked_row: r.last_row, kill };
            self.frames.push((at, link::encode_greet(&greet)));
        }
        if !kept(Rule::Sync) {
            self.synced(at, hello.incarnation, epoch, sink);
        }
    }

    /// Rows that will never come: the route's file is new, or it deleted rows that our journal has lost again (its tail, or
    /// a new journal beside an old route).
    fn missed_rows<S: Sink>(&mut self, at: u32, hello: &Hello<'_>, sink: &mut S) {
        let Some(r) = self.st.routes.get_mut(at as usize) else { return };
        let (same, last) = (r.log_id == hello.log_id, r.last_row);
        let begun = hello.first_row.saturating_sub(1);
        let (known, gone) = (r.log_id != 0, if same { begun.saturating_sub(last) } else { begun });
        (r.log_id, r.last_row) = (hello.log_id, if same { last.max(begun) } else { begun });
        if known && !same {
            self.log_lost(at, "its file is new, rows that were not taken are lost", sink);
        } else if gone > 0 {
            self.log_lost(at, &format!("{gone} rows that it deleted are not in our journal"), sink);
        }
    }

    /// OUT rows that we never saw are gone, so a missing OUT row proves nothing. What was on its way is asked about.
    fn log_lost<S: Sink>(&mut self, at: u32, why: &str, sink: &mut S) {
        let text = format!("route {}: {why}", self.route_name(at));
        self.alert("route_log_lost", text, sink);
        for o in self.live_of(at) {
            let state = self.st.orders.get(o as usize).map(|x| x.state);
            if state == Some(State::Dispatched) {
                self.set_state(o, Input::OutRow, sink);
            }
            if matches!(
                state,
                Some(State::Dispatched | State::Out | State::Acknowledged | State::PartlyFilled)
            ) {
                self.doubt(o, sink);
            }
        }
    }

    pub(super) fn on_route<S: Sink>(&mut self, ev: &Event<'_>, sink: &mut S) {
        let Some(at) = self.route_index(ev.session) else {
            return self.alert("unknown_route", format!("{} is no route", ev.session), sink);
        };
        let rows = match link::decode(ev.payload) {
            Ok(Frame::Rows(rows)) => rows,
            _ => {
                return self.alert(
                    "garbled_rows",
                    format!("route {}: not a frame of rows", ev.session),
                    sink,
                );
            }
        };
        let event = ev.seq.to_string();
        for row in rows.iter() {
            let Some(r) = self.st.routes.get_mut(at as usize) else { return };
            if row.row_no <= r.last_row {
                continue;
            }
            if row.row_no > r.last_row.saturating_add(1) {
                // Rows between were lost on the way. To go on would acknowledge them, and the route would delete them: its
                // answer to this is HELLO, and all rows from the last one that we have.
                self.frames.push((at, link::encode_who()));
                break;
            }
            r.last_row = row.row_no;
            self.route_ns = row.at_ns;
            (self.cause.slices, self.cause.repeated, self.cause.bust) = (0, false, false);
            self.cause.id = self.seed(&event, row.row_no);
            self.row(at, &row.row, sink);
        }
        self.route_ns = 0;
        let last = self.st.routes.get(at as usize).map_or(0, |r| r.last_row);
        self.frames.push((at, link::encode_ack(last)));
    }

    fn row<S: Sink>(&mut self, at: u32, row: &Row<'_>, sink: &mut S) {
        match row {
            Row::Out { keys, .. } => {
                for (id, try_no) in keys.iter() {
                    self.went_out(at, id.as_bytes(), try_no, sink);
                }
            }
            Row::NotSent { cl_ord_id, try_no, .. } => self.not_sent(cl_ord_id.as_bytes(), *try_no, sink),
            Row::In { raw, .. } => self.on_report(at, raw, sink),
            Row::Rejected { cl_ord_id, raw, .. } => self.on_rejected(at, cl_ord_id, raw, sink),
            Row::Refused { session, .. } => {
                self.alert(
                    "we_rejected",
                    format!("{session}: our FIX engine rejected a broker's message"),
                    sink,
                );
            }
            Row::Sync { incarnation, epoch } => self.synced(at, *incarnation, *epoch, sink),
            Row::Logon { .. } => {
                self.forget_listings(at);
                self.forget_halts(at);
                if let Some(r) = self.st.routes.get_mut(at as usize) {
                    r.up = true;
                }
                let p = self
                    .ix
                    .route_profiles
                    .get(at as usize)
                    .and_then(|p| self.ix.cfg.profiles.get(*p as usize));
                if p.is_some_and(|p| p.recovery != Recovery::Resend) {
                    self.ask_all(at, sink);
                }
                self.release(at, sink);
            }
            Row::Logout { .. } => {
                if let Some(r) = self.st.routes.get_mut(at as usize) {
                    r.up = false;
                }
            }
            Row::Gap { session, .. } => {
                self.alert("gap", format!("{session}: the broker skipped reports that we asked for"), sink);
                self.forget_listings(at);
                self.ask_all(at, sink);
                let ix = Arc::clone(&self.ix);
                self.plan_questions(&ix, at);
            }
        }
    }

    fn went_out<S: Sink>(&mut self, at: u32, id: &[u8], try_no: u16, sink: &mut S) {
        let Some(o) = self.known(id) else { return };
        let Some(order) = self.st.orders.get(o as usize) else { return };
        if order.cl_ord_id[..] != *id || !is_try(order, try_no) || order.state != State::Dispatched {
            return;
        }
        self.set_state(o, Input::OutRow, sink);
        let due = self.st.at_ns.saturating_add(self.ix.cfg.timing.ack_timeout_ms.saturating_mul(MS));
        if let Some(r) = self.st.routes.get_mut(at as usize) {
            r.out.push_back((due, o, try_no));
        }
        // A target that moved meanwhile may want it withdrawn.
        self.rework(o, sink);
    }

    fn not_sent<S: Sink>(&mut self, id: &[u8], try_no: u16, sink: &mut S) {
        let Some(o) = self.known(id) else { return self.question_unsent(id) };
        let Some(order) = self.st.orders.get(o as usize) else { return };
        if order.cl_ord_id[..] != *id {
            return self.cancel_failed(o, sink);
        }
        if is_try(order, try_no) && order.state == State::Dispatched {
            let mirror = order.mirror;
            self.hold(o, Input::NotSent, sink);
            // Doubles up to 6.4 s: a close has no deadline, and its tries must outlast a route that halted.
            let pause = AGAIN_NS.saturating_mul(1_i64 << try_no.saturating_sub(1).min(5));
            self.st.due.insert((self.st.at_ns.saturating_add(pause), DUE_HELD, o));
            if mirror {
                // A close may have waited for what did not leave.
                self.rework(o, sink);
            }
        }
    }

    /// Back to held under the next try number; answers for the old one are ignored from now on.
    pub(super) fn hold<S: Sink>(&mut self, o: u32, input: Input, sink: &mut S) {
        if !self.set_state(o, input, sink) {
            return;
        }
        let Some(order) = self.st.orders.get_mut(o as usize) else { return };
        order.try_no = order.try_no.saturating_add(1);
        let route = order.route;
        if let Some(r) = self.st.routes.get_mut(route as usize) {
            r.held.insert(o);
        }
    }

    /// Every older row is applied: what was dispatched and has no OUT row never left.
    fn synced<S: Sink>(&mut self, at: u32, incarnation: u64, epoch: u64, sink: &mut S) {
        let now_epoch = self.st.epoch;
        let Some(r) = self.st.routes.get_mut(at as usize) else { return };
        if r.incarnation != incarnation || epoch != now_epoch {
            return;
        }
        r.synced = true;
        let of_route: Vec<u32> = self.live_of(at);
        for o in of_route {
            // A SYNC proves nothing about orders handed over after its greeting: two greetings in flight would send
            // the orders between them twice.
            let older = |x: &&crate::order::Order| x.incarnation != incarnation || x.epoch != epoch;
            match self.st.orders.get(o as usize).filter(older).map(|x| x.state) {
                Some(State::Dispatched) => self.hold(o, Input::NotSent, sink),
                Some(State::Out) => self.doubt(o, sink),
                _ => {}
            }
        }
        self.release(at, sink);
    }

    /// The order of ours behind a ClOrdID(11), its own or its cancel's.
    pub(super) fn known(&self, id: &[u8]) -> Option<u32> {
        let id = ClOrdId::from_text(id).filter(|i| !i.is_empty())?;
        let o = *self.st.ids.get(&id.key())?;
        let order = self.st.orders.get(o as usize)?;
        let own = order.cl_ord_id == id || order.cancel_id == Some(id);
        // Answers to earlier cancels come late as well.
        (own || (0..order.cancels).rev().any(|n| order.cl_ord_id.of_cancel(n) == id)).then_some(o)
    }

    pub(super) fn live_of(&self, route: u32) -> Vec<u32> {
        let on = |o: &u32| self.st.orders.get(*o as usize).is_some_and(|x| x.route == route);
        let ordinary = self.st.lines.iter().flat_map(|l| l.live.iter().copied()).filter(on);
        ordinary.chain(self.live_mirrors_of(route)).collect()
    }

    /// The route is ready: held orders go out, lines that wanted a cancel are worked.
    fn release<S: Sink>(&mut self, at: u32, sink: &mut S) {
        if !self.send_held(at, sink) {
            return;
        }
        let primary = self.ix.primary_of(at);
        let on = |l: &super::LineState| self.ix.subs.get(l.sub as usize).is_some_and(|s| s.route == primary);
        let lines: Vec<usize> =
            self.st.lines.iter().enumerate().filter(|(_, l)| on(l)).map(|(i, _)| i).collect();
        let ix = Arc::clone(&self.ix);
        for l in lines {
            self.work_line(&ix, u32::try_from(l).unwrap_or(u32::MAX), sink);
        }
        self.join_due(sink);
        self.plan_questions(&ix, at);
    }

    /// What waits for a route goes out, where it may. False: the route is not ready.
    pub(super) fn send_held<S: Sink>(&mut self, at: u32, sink: &mut S) -> bool {
        let Some(route) = self.st.routes.get(at as usize).filter(|r| r.ready()) else { return false };
        for o in route.held.iter().copied().collect::<Vec<_>>() {
            self.again(at, o, sink);
        }
        true
    }

    /// A held order: sent if its route is ready and it is fresh, given up if it is an open past its deadline.
    pub(super) fn again<S: Sink>(&mut self, at: u32, o: u32, sink: &mut S) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        if order.state != State::Held {
            return;
        }
        let at = if self.ix.reserves.is_empty() { at } else { self.choose_way(o) };
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let (deadline, line, reduces) = (order.deadline_ns, order.line, order.reduces);
        let held_back = self.st.lines.get(line as usize).is_some_and(|l| l.line.bust_hold);
        let stopped = self.stopped_at(&self.ix, line);
        if reduces && stopped == Some(Level::Halt) {
            return; // released, it goes out
        }
        let end = match () {
            () if deadline != 0 && deadline <= self.st.at_ns && kept(Rule::Deadline) => Some(End::Missed),
            () if stopped.is_some() && !reduces => {
                let code =
                    self.st.lines.get(line as usize).map_or(Code::Kill, |l| self.stop_code(&self.ix, l));
                Some(End::Refused(code))
            }
            () if held_back && !reduces => Some(End::Refused(Code::BustHold)),
            () => None,
        };
        if let Some(end) = end {
            let ix = Arc::clone(&self.ix);
            self.end_unsent(&ix, o, end, sink);
            self.work_line(&ix, line, sink);
        } else if self.st.routes.get(at as usize).is_some_and(super::RouteState::ready) {
            self.push(at, o, SendKind::New);
        } else if deadline != 0 {
            self.st.due.insert((deadline, DUE_HELD, o));
        }
    }

    pub(super) fn on_unsent<S: Sink>(&mut self, ev: &Event<'_>, sink: &mut S) {
        if self.route_index(ev.session).is_none() {
            return;
        }
        if let Ok(Frame::Orders(orders)) = link::decode(ev.payload) {
            for x in orders.iter() {
                self.not_sent(x.cl_ord_id.as_bytes(), x.try_no, sink);
            }
        }
    }

    pub(super) fn rework<S: Sink>(&mut self, o: u32, sink: &mut S) {
        if let Some(line) = self.st.orders.get(o as usize).map(|x| x.line) {
            let ix = Arc::clone(&self.ix);
            self.work_line(&ix, line, sink);
        }
    }

    /// Everything that is due now.
    pub(super) fn run_due<S: Sink>(&mut self, sink: &mut S) {
        let now = self.st.at_ns;
        for at in 0..u32::try_from(self.st.routes.len()).unwrap_or(0) {
            self.run_queues(at, now, sink);
        }
        if !self.ix.reserves.is_empty() {
            self.look_at_ways(sink);
        }
        if self.st.due.first().is_none_or(|d| d.0 > now) {
            return;
        }
        // Not the event's own cause, and one numbering for all that is due: the same line may be worked twice, and
        // what it makes must not look like a duplicate.
        (self.cause.id, self.cause.slices) = (self.seed("due", self.st.seq), 0);
        self.cause.repeated = false;
        // Bounded: what a timer makes due again lies in the future.
        while let Some(first) = self.st.due.first().copied().filter(|d| d.0 <= now) {
            self.st.due.remove(&first);
            let (_, kind, id) = first;
            let ix = Arc::clone(&self.ix);
            match kind {
                DUE_LINE => self.work_line(&ix, id, sink),
                DUE_ASK => self.ask_positions(&ix, id, sink),
                DUE_HOLDINGS => self.holdings_due(&ix, id, sink),
                DUE_GUARD => self.guard_due(&ix, id, sink),
                DUE_SUB_GUARD => self.sub_guard_due(&ix, id, sink),
                DUE_GUARDS => self.guards_due(&ix, sink),
                DUE_LEADER => self.leader_due(&ix, id, sink),
                DUE_MASS => self.listings_due(&ix, id),
                DUE_WAY => {} // looked at by every event
                _ => self.order_due(kind, id, sink),
            }
        }
    }

    fn order_due<S: Sink>(&mut self, kind: u8, o: u32, sink: &mut S) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let route = order.route;
        match kind {
            DUE_HELD => self.again(route, o, sink),
            DUE_QUERY if order.state == State::Unknown && kept(Rule::AsksAgain) => self.query(o),
            // No answer: its frame may be lost (09.10). The timer of an earlier request says nothing of a newer one.
            DUE_CANCEL if order.cancel_after_ns <= self.st.at_ns => self.cancel_failed(o, sink),
            _ => {}
        }
    }

    fn run_queues<S: Sink>(&mut self, at: u32, now: i64, sink: &mut S) {
        loop {
            let Some(r) = self.st.routes.get_mut(at as usize) else { return };
            let Some((due, o, try_no)) = r.dispatched.front().copied() else { break };
            let order = self.st.orders.get(o as usize);
            let open = order.is_some_and(|x| x.state == State::Dispatched && x.try_no == try_no);
            if open && due > now {
                break;
            }
            r.dispatched.pop_front();
            if let (true, Some(x)) = (open, order) {
                let again = now.saturating_add(self.ix.cfg.timing.dispatch_timeout_ms.saturating_mul(MS));
                r.dispatched.push_back((again, o, try_no));
                if let Ok(frame) = link::encode_probe(&x.cl_ord_id[..], try_no)
                    && kept(Rule::Probe)
                {
                    self.frames.push((at, frame));
                }
            }
        }
        loop {
            let Some(r) = self.st.routes.get_mut(at as usize) else { return };
            let Some((due, o, try_no)) = r.out.front().copied() else { break };
            let order = self.st.orders.get(o as usize);
            let open = order.is_some_and(|x| x.state == State::Out && x.try_no == try_no);
            if open && due > now {
                break;
            }
            r.out.pop_front();
            if open && kept(Rule::AckTimeout) {
                self.doubt(o, sink);
            }
        }
    }
}

/// An answer is about the try of an order that is on its way now.
fn is_try(order: &Order, try_no: u16) -> bool {
    order.try_no == try_no || !kept(Rule::TryNumbers)
}
