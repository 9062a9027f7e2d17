//! From decisions to frames: one ORDERS frame for each route that an event concerns.

use super::lanes::Closes;
use super::lines::{DUE_HELD, End};
use super::{Engine, Index};
use crate::action::Sink;
use crate::link::{OrdersWriter, SendKind};
use crate::order::{Input, State, next};
use crate::outbound::{self, TimeText};
use crate::profile::TimePrecision;
use crate::refusal::Code;
use std::sync::Arc;

const MS: i64 = 1_000_000;

/// TransactTime(60) of one event as text, written once for all its orders.
#[derive(Clone, Debug, Default)]
pub(super) struct Times {
    at_ns: i64,
    by_precision: [Option<TimeText>; 3],
}

impl Times {
    fn of(&mut self, at_ns: i64, p: &crate::profile::Profile) -> &TimeText {
        if self.at_ns != at_ns {
            self.at_ns = at_ns;
            self.by_precision = [None; 3];
        }
        let [s, ms, us] = &mut self.by_precision;
        let text = match p.time_precision {
            TimePrecision::S => s,
            TimePrecision::Ms => ms,
            TimePrecision::Us => us,
        };
        text.get_or_insert_with(|| TimeText::of(at_ns, p))
    }
}

/// Where the orders of one frame go, looked up once for all of them.
pub(super) struct To<'a> {
    pub(super) number: u32,
    pub(super) incarnation: u64,
    pub(super) session: &'a str,
    /// TransactTime(60), where frames are wanted.
    time: TimeText,
}

/// Messages of one event for one route, each kind in order of decision: order, kind.
#[derive(Clone, Debug, Default)]
pub(super) struct Messages {
    /// Closes, cancels and changes: what brings a follower out waits for nobody's way in.
    first: Vec<(u32, SendKind)>,
    /// Opens and questions.
    then: Vec<(u32, SendKind)>,
}

impl Messages {
    fn is_empty(&self) -> bool {
        self.first.is_empty() && self.then.is_empty()
    }

    /// All of them as they go out. Mostly there is one kind alone, and nothing is moved.
    fn in_turn(&mut self) -> &mut Vec<(u32, SendKind)> {
        if self.first.is_empty() {
            return &mut self.then;
        }
        self.first.append(&mut self.then);
        &mut self.first
    }
}

impl Engine {
    /// Queues one message of this event for its route: closes before opens, whoever was served first.
    ///
    /// An order that is asked to end or change has left before, so no request overtakes what it is about. A close is never
    /// sized on an open that works, so it may overtake an open of its own line; a flip's close is decided before its open.
    #[inline]
    pub(super) fn push(&mut self, route: u32, o: u32, kind: SendKind) {
        let first = match kind {
            SendKind::New => self.closes(o),
            SendKind::Cancel => true,
            _ => false,
        };
        let Some(messages) = self.pending.get_mut(route as usize) else { return };
        if messages.is_empty() {
            self.concerned.push(route);
        }
        let list = if first { &mut messages.first } else { &mut messages.then };
        list.push((o, kind));
        if self.ix.counts_messages && matches!(kind, SendKind::New | SendKind::Cancel) {
            self.count_message(route, o);
        }
    }

    /// Hands this event's messages to their routes: one ORDERS frame a route.
    pub(super) fn flush<S: Sink>(&mut self, sink: &mut S) {
        for (route, frame) in self.frames.drain(..) {
            sink.frame(route, &frame);
        }
        if self.concerned.is_empty() {
            return;
        }
        let ix = Arc::clone(&self.ix);
        let routes = std::mem::take(&mut self.concerned);
        for route in &routes {
            let at = *route as usize;
            let Some(mut messages) = self.pending.get_mut(at).map(std::mem::take) else { continue };
            let list = messages.in_turn();
            self.enter_ids(list);
            self.send(&ix, *route, list, sink);
            list.clear();
            if let Some(place) = self.pending.get_mut(at) {
                *place = messages;
            }
        }
        self.concerned = routes;
        self.concerned.clear();
    }

    fn send<S: Sink>(&mut self, ix: &Arc<Index>, route: u32, list: &[(u32, SendKind)], sink: &mut S) {
        let Some(state) = self.st.routes.get(route as usize) else { return };
        if !state.ready() {
            let mut closes = 0_u32;
            for (o, _) in list.iter().filter(|(_, kind)| *kind == SendKind::New) {
                self.wait(route, *o);
                closes = closes.saturating_add(u32::from(self.closes(*o)));
            }
            if closes > 0 {
                let text = format!("route {} is not up: {closes} closes wait for it", self.route_name(route));
                self.alert("close_waits", text, sink);
            }
            return;
        }
        let incarnation = state.incarnation;
        let profile = ix.route_profiles.get(route as usize).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let (Some(r), Some(profile)) = (ix.cfg.routes.get(route as usize), profile) else { return };
        let time = if S::WANTS_FRAMES { *self.times.of(self.st.at_ns, profile) } else { TimeText::default() };
        let to = To { number: route, incarnation, session: &r.session, time };
        let mut bytes = std::mem::take(&mut self.buffer);
        let mut left = list;
        while !left.is_empty() {
            bytes.clear();
            let mut writer = OrdersWriter::begin(&mut bytes, self.st.epoch, incarnation, self.st.seq);
            let mut taken = 0_usize;
            for (o, kind) in left {
                let written = match kind {
                    SendKind::New => self.write_order(ix, &to, *o, &mut writer, sink),
                    _ => self.write_other(ix, route, *o, *kind, &mut writer),
                };
                if !written && taken > 0 {
                    break; // the frame is full: the next one takes it
                }
                taken = taken.saturating_add(1);
            }
            if writer.finish() > 0 {
                sink.frame(route, &bytes);
            }
            left = left.get(taken..).unwrap_or(&[]);
        }
        self.buffer = bytes;
    }

    fn closes(&self, o: u32) -> bool {
        self.st.orders.get(o as usize).is_some_and(|x| x.reduces)
    }

    fn wait(&mut self, route: u32, o: u32) {
        let deadline = self.st.orders.get(o as usize).map_or(0, |x| x.deadline_ns);
        if let Some(r) = self.st.routes.get_mut(route as usize) {
            r.held.insert(o);
        }
        if deadline != 0 {
            self.st.due.insert((deadline, DUE_HELD, o));
        }
    }

    /// Writes a new order from its lane's template. False: the frame is full and nothing changed.
    fn write_order<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        to: &To<'_>,
        o: u32,
        w: &mut OrdersWriter<'_>,
        sink: &mut S,
    ) -> bool {
        let Some(order) = self.st.orders.get(o as usize).filter(|x| x.state == State::Held) else {
            return true;
        };
        if order.mirror {
            return self.write_mirror(ix, to, o, w, sink);
        }
        let lane = self.st.lines.get(order.line as usize).and_then(|l| ix.lane(l));
        let template = lane.and_then(|l| if order.reduces { l.close.as_ref() } else { l.open.as_ref() });
        let Some(template) = template else {
            self.end_unsent(ix, o, End::Missed, sink);
            self.alert("unwritable", "an order cannot be written: account or symbol".to_owned(), sink);
            return true;
        };
        if !template.fits(order) {
            self.end_unsent(ix, o, End::Refused(Code::Overflow), sink);
            self.alert("unwritable", "an order's quantity does not fit the venue's unit".to_owned(), sink);
            return true;
        }
        let by_name = lane.is_some_and(|l| l.closes == Closes::ByName) && order.reduces;
        if by_name && order.position.is_none() {
            self.end_unsent(ix, o, End::Missed, sink);
            self.alert("unwritable", "a close names no position, and would open one".to_owned(), sink);
            return true;
        }
        if S::WANTS_FRAMES {
            let (id, try_no, deadline) = (&order.cl_ord_id, order.try_no, order.deadline_ns);
            let written = if order.again || by_name {
                let venue = self.venue_of(ix, to.number, order);
                let now = self.st.at_ns;
                w.order_if(&id[..], try_no, SendKind::New, deadline, to.session, |out| {
                    venue.is_some_and(|venue| outbound::new_order(out, order, &venue, now).is_ok())
                })
                .map(|_| ())
            } else {
                w.order(&id[..], try_no, SendKind::New, deadline, to.session, |out| {
                    template.write(out, order, &to.time);
                })
            };
            if written.is_err() {
                return false;
            }
        }
        self.handed_over(to.number, o, to.incarnation, sink);
        true
    }

    /// Writes a cancel or a query. False: the frame is full and nothing changed.
    fn write_other(
        &mut self,
        ix: &Arc<Index>,
        route: u32,
        o: u32,
        kind: SendKind,
        w: &mut OrdersWriter<'_>,
    ) -> bool {
        let now = self.st.at_ns;
        let Some(order) = self.st.orders.get(o as usize) else { return true };
        let (Some(to), Some(r)) = (self.venue_of(ix, route, order), ix.cfg.routes.get(route as usize)) else {
            return true;
        };
        let about = |out: &mut Vec<u8>| self.write_about_mirror(&to, order, o, kind, out);
        let written = match (kind, order.cancel_id) {
            (SendKind::Cancel, Some(id)) if order.mirror => {
                w.order_if(&id[..], 1, kind, 0, &r.session, about)
            }
            (SendKind::Cancel, Some(id)) => w.order_if(&id[..], 1, kind, 0, &r.session, |out| {
                outbound::cancel(out, order, &to, now).is_ok()
            }),
            // Answered meanwhile: nothing to cancel any more.
            (SendKind::Cancel, None) => return true,
            _ if order.state.is_done() => return true,
            _ => {
                let query = order.query_no.to_string();
                let id = [&order.cl_ord_id[..], b".", query.as_bytes()].concat();
                w.order_if(&id, 1, kind, 0, &r.session, |out| {
                    if order.mirror {
                        about(out)
                    } else {
                        outbound::status(out, order, &to, query.as_bytes()).is_ok()
                    }
                })
            }
        };
        if written == Ok(true) && kind == SendKind::Status {
            self.question_open(o);
        }
        written.is_ok()
    }

    /// What a message about an order needs beside the order.
    pub(super) fn venue_of<'a>(
        &self,
        ix: &'a Index,
        route: u32,
        order: &crate::order::Order,
    ) -> Option<outbound::Route<'a>> {
        let s = ix.subs.get(order.sub as usize)?;
        let profile = ix.cfg.profiles.get(*ix.route_profiles.get(route as usize)? as usize)?;
        let follower = ix.cfg.followers.get(s.follower as usize);
        let instrument = self.st.lines.get(order.line as usize).map_or(0, |l| l.follower_instrument);
        let symbol = ix.follower_symbols.get(s.follower as usize).and_then(|m| m.get(&instrument));
        Some(outbound::Route {
            profile,
            account: follower.and_then(|f| f.account.as_deref()).filter(|_| profile.account_on_order),
            symbol: symbol.map_or("", String::as_str),
            unit: ix.unit(profile, instrument),
        })
    }

    pub(super) fn handed_over<S: Sink>(&mut self, route: u32, o: u32, incarnation: u64, sink: &mut S) {
        if S::WANTS_DECISIONS {
            self.set_state(o, Input::Dispatch, sink);
        }
        self.st.orders_sent = self.st.orders_sent.saturating_add(1);
        let due = self.st.at_ns.saturating_add(self.ix.cfg.timing.dispatch_timeout_ms.saturating_mul(MS));
        let (mut try_no, epoch) = (1, self.st.epoch);
        if let Some(order) = self.st.orders.get_mut(o as usize) {
            if !S::WANTS_DECISIONS {
                // The same without an outcome to tell: what works stays what it was.
                order.state = next(order.state, Input::Dispatch).unwrap_or(order.state);
                order.since_ns = self.st.at_ns;
            }
            order.incarnation = incarnation;
            order.epoch = epoch;
            try_no = order.try_no;
        }
        if let Some(r) = self.st.routes.get_mut(route as usize) {
            if !r.held.is_empty() {
                r.held.remove(&o);
            }
            r.dispatched.push_back((due, o, try_no));
        }
    }
}
