//! From decisions to frames: one ORDERS frame for each route that an event concerns.

use super::lines::{DUE_HELD, End};
use super::{Engine, Index};
use crate::action::Sink;
use crate::link::{OrdersWriter, SendKind};
use crate::order::{Input, State};
use crate::outbound;
use std::sync::Arc;

const MS: i64 = 1_000_000;

impl Engine {
    /// Hands this event's messages to their routes: one ORDERS frame a route.
    pub(super) fn flush<S: Sink>(&mut self, sink: &mut S) {
        for (route, frame) in std::mem::take(&mut self.frames) {
            sink.frame(route, &frame);
        }
        let mut pending = std::mem::take(&mut self.pending);
        let ix = Arc::clone(&self.ix);
        while let Some(route) = pending.first().map(|p| p.0) {
            let (mine, rest): (Vec<_>, Vec<_>) = pending.into_iter().partition(|p| p.0 == route);
            pending = rest;
            self.send(&ix, route, &mine, sink);
        }
    }

    fn send<S: Sink>(&mut self, ix: &Arc<Index>, route: u32, list: &[(u32, u32, SendKind)], sink: &mut S) {
        let ready = self.st.routes.get(route as usize).is_some_and(super::RouteState::ready);
        let incarnation = self.st.routes.get(route as usize).map_or(0, |r| r.incarnation);
        let mut bytes = std::mem::take(&mut self.buffer);
        let mut left = list;
        while !left.is_empty() {
            bytes.clear();
            let mut writer = OrdersWriter::begin(&mut bytes, self.st.epoch, incarnation, self.st.seq);
            let mut taken = 0_usize;
            for (_, o, kind) in left {
                if ready && !self.write_one(ix, route, *o, *kind, incarnation, &mut writer, sink) && taken > 0
                {
                    break; // the frame is full: the next one takes it
                }
                taken = taken.saturating_add(1);
                if !ready && *kind == SendKind::New {
                    self.wait(route, *o);
                }
            }
            if writer.finish() > 0 {
                sink.frame(route, &bytes);
            }
            left = left.get(taken..).unwrap_or(&[]);
        }
        self.buffer = bytes;
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

    /// Writes one message into the frame. False: the frame is full and nothing changed.
    #[allow(clippy::too_many_arguments)]
    fn write_one<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        route: u32,
        o: u32,
        kind: SendKind,
        incarnation: u64,
        w: &mut OrdersWriter<'_>,
        sink: &mut S,
    ) -> bool {
        let now = self.st.at_ns;
        let Some(order) = self.st.orders.get(o as usize) else { return true };
        let stale = match kind {
            SendKind::New => order.state != State::Held,
            SendKind::Cancel => order.cancel_id.is_none(),
            _ => order.state.is_done(),
        };
        let (Some(s), Some(r)) = (ix.subs.get(order.sub as usize), ix.cfg.routes.get(route as usize)) else {
            return true;
        };
        let profile = ix.route_profiles.get(route as usize).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let (Some(profile), false) = (profile, stale) else { return true };
        let follower = ix.cfg.followers.get(s.follower as usize);
        let instrument = self.st.lines.get(order.line as usize).map_or(0, |l| l.follower_instrument);
        let symbol = ix.follower_symbols.get(s.follower as usize).and_then(|m| m.get(&instrument));
        let account = follower.and_then(|f| f.account.as_deref()).filter(|_| profile.account_on_order);
        let to = outbound::Route {
            profile,
            account,
            symbol: symbol.map_or("", String::as_str),
            unit: ix.unit(profile, instrument),
        };
        let query_id = order.query_no.to_string();
        let cancel_id = order.cancel_id.clone().unwrap_or_default();
        let status_id = [&order.cl_ord_id[..], b".", query_id.as_bytes()].concat();
        let (key, try_no, deadline) = match kind {
            SendKind::New => (&order.cl_ord_id, order.try_no, order.deadline_ns),
            SendKind::Cancel => (&cancel_id, 1, 0),
            _ => (&status_id, 1, 0),
        };
        let written = w.order_if(key, try_no, kind, deadline, &r.session, |out| match kind {
            SendKind::New => outbound::new_order(out, order, &to, now).is_ok(),
            SendKind::Cancel => outbound::cancel(out, order, &to, now).is_ok(),
            _ => outbound::status(out, order, &to, query_id.as_bytes()).is_ok(),
        });
        match (written, kind) {
            (Err(_), _) => return false,
            (Ok(true), SendKind::New) => self.handed_over(route, o, incarnation, sink),
            (Ok(false), SendKind::New) => {
                self.end_unsent(ix, o, End::Missed, sink);
                self.alert("unwritable", "an order cannot be written: account or symbol".to_owned(), sink);
            }
            _ => {}
        }
        true
    }

    fn handed_over<S: Sink>(&mut self, route: u32, o: u32, incarnation: u64, sink: &mut S) {
        self.set_state(o, Input::Dispatch, sink);
        self.st.orders_sent = self.st.orders_sent.saturating_add(1);
        let due = self.st.at_ns.saturating_add(self.ix.cfg.timing.dispatch_timeout_ms.saturating_mul(MS));
        let (mut try_no, epoch) = (1, self.st.epoch);
        if let Some(order) = self.st.orders.get_mut(o as usize) {
            order.incarnation = incarnation;
            order.epoch = epoch;
            try_no = order.try_no;
        }
        if let Some(r) = self.st.routes.get_mut(route as usize) {
            r.held.remove(&o);
            r.dispatched.push_back((due, o, try_no));
        }
    }
}
