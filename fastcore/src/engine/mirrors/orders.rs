//! Orders of mirrors on their way to the broker and back: how they are made, changed and written, and what their reports
//! mean to a mirror.

use super::Replace;
use super::settle::led;
use crate::action::Sink;
use crate::decimal::Dec;
use crate::engine::dispatch::To;
use crate::engine::lanes::Lane;
use crate::engine::lines::{End, signed};
use crate::engine::making::Draft;
use crate::engine::{Engine, Index};
use crate::leader::Counting;
use crate::ledger::{Line, abs, quanta};
use crate::link::{OrdersWriter, SendKind};
use crate::mirror::Terms;
use crate::mirrored::{Step, Why};
use crate::order::{ClOrdId, Order};
use crate::outbound;
use crate::refusal::{Code, Refusal};
use crate::report::{Kind, Report};
use std::sync::Arc;

/// Orders of ours that a mirror remembers: who is asked for more has placed them anew again and again.
const REMEMBERED: usize = 16;

impl Engine {
    /// Makes a mirror's order. It is no part of what the line has at work: the target does not stand for it yet.
    pub(super) fn make_mirror<S: Sink>(
        &mut self,
        (at, n): (u32, usize),
        lane: &Lane,
        draft: &Draft,
        terms: Terms,
        sink: &mut S,
    ) -> Option<ClOrdId> {
        let o = self.new_order(at, lane, draft, true, sink)?;
        if let Some(m) = self.st.mirrors.get_mut(at, n) {
            if m.orders.len() >= REMEMBERED {
                m.orders.remove(0);
            }
            m.orders.push(o);
            (m.live, m.has) = (true, Some(terms));
        }
        self.st.orders.get(o as usize).map(|order| order.cl_ord_id)
    }

    /// Asks the broker to replace a mirror's order, or to cancel it; the request's name. None: not now.
    pub(super) fn ask_change(
        &mut self,
        ix: &Index,
        (at, n): (u32, usize),
        o: u32,
        to: Option<(Dec, Terms)>,
    ) -> Option<ClOrdId> {
        let id = self.request(ix, o)?;
        let m = self.st.mirrors.get_mut(at, n)?;
        match to {
            Some((qty, terms)) => {
                m.replace = Some(Replace { id, qty, terms, before: m.unanswered });
                (m.unanswered, m.asked_as) = (m.unanswered.max(qty), None);
            }
            None => m.ours = true,
        }
        Some(id)
    }

    /// Writes a mirror's new order. False: the frame is full and nothing changed.
    pub(in crate::engine) fn write_mirror<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        to: &To<'_>,
        o: u32,
        w: &mut OrdersWriter<'_>,
        sink: &mut S,
    ) -> bool {
        let Some(order) = self.st.orders.get(o as usize) else { return true };
        let terms =
            self.st.mirrors.of(order.line).iter().find(|m| m.orders.last() == Some(&o)).and_then(|m| m.has);
        let venue = self.venue_of(ix, to.number, order);
        let written = venue.zip(terms).map_or(Ok(false), |(venue, terms)| {
            w.order_if(
                &order.cl_ord_id[..],
                order.try_no,
                SendKind::New,
                order.deadline_ns,
                to.session,
                |out| outbound::mirror(out, order, &terms, None, &venue, self.st.at_ns).is_ok(),
            )
        });
        match written {
            Ok(true) => self.handed_over(to.number, o, to.incarnation, sink),
            Ok(false) => {
                self.end_unsent(ix, o, End::Missed, sink);
                self.alert("unwritable", "an order cannot be written: account or symbol".to_owned(), sink);
            }
            Err(_) => return false,
        }
        true
    }

    /// Writes a request about a mirror's order: it names the order as the broker knows it by now.
    pub(in crate::engine) fn write_about_mirror(
        &self,
        venue: &outbound::Route<'_>,
        order: &Order,
        o: u32,
        kind: SendKind,
        out: &mut Vec<u8>,
    ) -> bool {
        let mirror = self.st.mirrors.of(order.line).iter().find(|m| m.orders.contains(&o));
        let name =
            mirror.filter(|m| m.orders.last() == Some(&o)).and_then(|m| m.name).unwrap_or(order.cl_ord_id);
        let replace = mirror.and_then(|m| m.replace).filter(|r| order.cancel_id == Some(r.id));
        let named = Order { cl_ord_id: name, ..order.clone() };
        let now = self.st.at_ns;
        let written = match (kind, replace) {
            (SendKind::Cancel, Some(r)) => {
                let changed = Order { qty: r.qty, cl_ord_id: r.id, ..named };
                outbound::mirror(out, &changed, &r.terms, Some(&name), venue, now)
            }
            (SendKind::Cancel, None) => outbound::cancel(out, &named, venue, now),
            _ => {
                let cl_ord_id = mirror.and_then(|m| m.asked_as).unwrap_or(name);
                let asked = Order { cl_ord_id, ..named };
                outbound::status(out, &asked, venue, order.query_no.to_string().as_bytes())
            }
        };
        written.is_ok()
    }

    /// Orders of mirrors on a route that are not done.
    pub(in crate::engine) fn live_mirrors_of(&self, route: u32) -> Vec<u32> {
        let on = |o: &u32| {
            let order = self.st.orders.get(*o as usize).filter(|x| !x.state.is_done());
            order.is_some_and(|x| x.route == route)
        };
        self.st.mirrors.iter().flat_map(|(_, m)| m.orders.iter().copied()).filter(on).collect()
    }

    /// A fill of a mirror's order, or its bust: it is that much ahead, or behind. False: no mirror remembers the order.
    pub(in crate::engine) fn mirror_moved<S: Sink>(
        &mut self,
        o: u32,
        at: u32,
        qty: Dec,
        sink: &mut S,
    ) -> bool {
        let grid = self.st.lines.get(at as usize).and_then(|ls| self.ix.lane(ls)).map(|l| l.grid);
        let wanted = self.wanted_close(o, at, qty);
        let in_quanta = |units: Dec| grid.and_then(|g| quanta(units, g)).unwrap_or(0);
        let (q, wanted) = (in_quanta(qty), wanted.map(in_quanta));
        let Some(m) = self.st.mirrors.head_of_order(at, o) else { return false };
        let before = m.ahead;
        let after = before.saturating_add(q);
        m.ahead = wanted.map_or(after, |done| after.saturating_sub(done).max(before.min(0)));
        // How much of what was taken back works again nobody says: it is not asked for a second time.
        m.refused = m.refused.saturating_add(q.saturating_neg().max(0));
        let moved = m.ahead.saturating_sub(before);
        if qty.is_negative() {
            // Nor is a quantity that a replace would ask for known: CumQty(14) may count it still, or not.
            let parts = self.st.mirrors.list_mut(at).iter_mut();
            parts.filter(|p| p.live && p.orders.contains(&o)).for_each(|p| p.irreplaceable = true);
        }
        self.tell_fill(at, o, qty, moved, sink);
        true
    }

    /// Of a fill that closes, the units that were to be closed already, and for which nothing else works: they are ahead of
    /// nothing. None: it is no fill of a close.
    fn wanted_close(&self, o: u32, at: u32, qty: Dec) -> Option<Dec> {
        let order = self.st.orders.get(o as usize)?;
        let ls = self.st.lines.get(at as usize)?;
        let (lane, given) = (self.ix.lane(ls)?, self.given(&self.ix, at)?);
        let list = self.st.mirrors.of(at);
        // What was placed to close, or would close by now: both are left to it (decision 0017, 4).
        let m = list.iter().find(|m| m.orders.contains(&o));
        let m = m.filter(|m| order.reduces || !m.opens(given.position))?;
        let fill = signed(qty, m.buy);
        let held = ls.line.filled.checked_sub(fill)?;
        if held.signum().saturating_mul(fill.signum()) > 0 {
            return Some(Dec::ZERO);
        }
        let line = Line { target: led(list, ls.line.target, &given), filled: held, ..ls.line.clone() };
        let desired = line.desired(lane.grid, lane.rounding, lane.max_inflation, false);
        let keep = if desired.signum() == held.signum() { abs(desired) } else { Dec::ZERO };
        let working = if held.is_positive() { line.closing_sell } else { line.closing_buy };
        let over = abs(held).checked_sub(keep)?.checked_sub(working)?;
        Some(over.min(qty).max(Dec::ZERO))
    }

    /// What a report says about the order's name and terms, before it moves the order's state.
    pub(in crate::engine) fn mirror_reported<S: Sink>(
        &mut self,
        o: u32,
        r: &Report<'_>,
        c: &Counting,
        sink: &mut S,
    ) {
        let Some(order) = self.st.orders.get_mut(o as usize) else { return };
        let (at, asked) = (order.line, order.cancel_id);
        let Some(m) = self.st.mirrors.of_order(at, o).filter(|m| m.orders.last() == Some(&o)) else { return };
        let alive = matches!(r.ord_status, b'0' | b'1' | b'5');
        let replaced = match r.kind {
            Kind::Replaced => true,
            // A status that names the order by the request: it was accepted, and its report is lost.
            Kind::Status => {
                alive
                    && m.replace.is_some_and(|x| x.id[..] == *r.cl_ord_id)
                    && m.name != m.replace.map(|x| x.id)
            }
            _ => false,
        };
        if !replaced {
            return;
        }
        let Some(id) = ClOrdId::from_text(r.cl_ord_id) else { return };
        let why = if m.replace.is_some_and(|x| x.id == id) { Why::Asked } else { Why::Unasked };
        (m.name, m.asked_as) = (Some(id), None);
        if let Some(replace) = m.replace.filter(|x| x.id == id) {
            (order.qty, m.has, m.unanswered) = (replace.qty, Some(replace.terms), Dec::ZERO);
            order.px = replace.terms.px.or(replace.terms.stop_px);
        } else if let Some(qty) = c.in_units(r.order_qty).filter(|q| q.is_positive()) {
            order.qty = qty;
        }
        if asked == Some(id) {
            (order.cancel_id, order.cancel_after_ns) = (None, 0);
        }
        self.tell_heard(at, o, Step::Accepted, why, sink);
    }

    /// The broker refused a request about an order. A mirror's that it does not replace is cancelled, and placed anew.
    pub(in crate::engine) fn request_refused<S: Sink>(&mut self, o: u32, id: &[u8], sink: &mut S) {
        let mirror = self.st.orders.get(o as usize).filter(|x| x.mirror).map(|x| (x.line, x.cancel_id));
        if let Some((at, asked)) = mirror {
            let late = asked.is_some_and(|asked| asked[..] != *id) && self.known(id) == Some(o);
            self.tell_request_refused(at, o, id, sink);
            if let Some(m) = self.st.mirrors.of_order(at, o)
                && let Some(replace) = m.replace.filter(|r| r.id[..] == *id)
            {
                (m.irreplaceable, m.unanswered) = (true, replace.before);
            }
            if late {
                let ix = Arc::clone(&self.ix);
                self.recount(&ix, at);
                return; // what was asked since then is not answered yet
            }
        }
        self.cancel_failed(o, sink);
    }

    /// The broker does not know an order by the name that it was asked for by. True: it may have accepted the newest replace
    /// without our knowing, and is to be asked by that name.
    pub(in crate::engine) fn other_name(&mut self, o: u32) -> bool {
        let at = self.st.orders.get(o as usize).map_or(u32::MAX, |x| x.line);
        let Some(m) = self.st.mirrors.of_order(at, o).filter(|m| m.orders.last() == Some(&o)) else {
            return false;
        };
        let other = m.replace.filter(|_| m.unanswered.is_positive()).map(|r| r.id);
        let untried = other.is_some() && m.asked_as != other;
        if untried {
            m.asked_as = other;
        }
        untried
    }

    /// A mirror's order ended before it left, or is not at the broker any more.
    pub(in crate::engine) fn mirror_unsent(&mut self, o: u32, end: End) {
        match end {
            End::Withdrawn => {
                let at = self.st.orders.get(o as usize).map_or(u32::MAX, |x| x.line);
                if let Some(m) = self.st.mirrors.of_order(at, o).filter(|m| m.orders.last() == Some(&o)) {
                    m.ours = true;
                }
            }
            End::Missed => self.refuse(Refusal::bare(Code::Missed)),
            End::Refused(code) => self.refuse(Refusal::bare(code)),
        }
    }

    /// The broker takes less of a mirror's order than was asked for.
    pub(in crate::engine) fn mirror_declined(&mut self, o: u32, lost: Dec) {
        let Some(at) = self.st.orders.get(o as usize).map(|x| x.line) else { return };
        let grid = self.st.lines.get(at as usize).and_then(|ls| self.ix.lane(ls)).map(|l| l.grid);
        let q = grid.and_then(|g| quanta(lost, g)).unwrap_or(0);
        if let Some(m) = self.st.mirrors.head_of_order(at, o) {
            m.refused = m.refused.saturating_add(q);
        }
    }

    /// Everything of a line's mirrors is to end: a guard closes all that it holds.
    pub(in crate::engine) fn end_mirrors(&mut self, at: u32) {
        for m in self.st.mirrors.list_mut(at) {
            (m.ahead, m.lost, m.barred) = (0, true, true);
        }
    }
}
