//! What follower brokers report: fills move the books, everything else moves the order (design 04).

use super::lines::signed;
use super::mass::is_mass_id;
use super::state::Counted;
use super::{Engine, Index, LineState};
use crate::action::{Moved, Sink};
use crate::config::OnReject;
use crate::decimal::Dec;
use crate::fix::{self, Message};
use crate::leader::{Change, Counting, fill_missing, named_execution, observe};
use crate::ledger::abs;
use crate::order::{Input, State};
use crate::profile::Profile;
use crate::refusal::{Code, Refusal};
use crate::report::{CancelReject, Inbound, Kind, Reject, Report, read};
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// No second cancel of an order this soon after the first was refused.
const CANCEL_AGAIN_NS: i64 = 1_000 * MS;

impl Engine {
    pub(super) fn on_report<S: Sink>(&mut self, route: u32, raw: &[u8], sink: &mut S) {
        let mut fields = std::mem::take(&mut self.fields);
        match fix::parse(raw, &mut fields) {
            Ok(message) => self.broker_message(route, &message, sink),
            Err(e) => self.alert("garbled", format!("route {}: {e:?}", self.route_name(route)), sink),
        }
        self.fields = fields;
    }

    /// A reject of the very message that carried this ClOrdID(11): the broker did not take the order (09.10).
    ///
    /// Known only while the route that sent it lives. After its restart such a reject comes as any other report, and
    /// what it does not name itself is asked about.
    pub(super) fn on_rejected<S: Sink>(&mut self, route: u32, id: &str, raw: &[u8], sink: &mut S) {
        if self.known(id.as_bytes()).is_none() {
            return self.on_report(route, raw, sink);
        }
        let mut fields = std::mem::take(&mut self.fields);
        let text = fix::parse(raw, &mut fields).ok().and_then(|m| m.get(58)).unwrap_or(&[]);
        let text = format!("route {}: {id}: {}", self.route_name(route), String::from_utf8_lossy(text));
        self.fields = fields;
        self.alert("order_rejected", text, sink);
        let ix = Arc::clone(&self.ix);
        self.message_rejected(&ix, id.as_bytes(), true, sink);
    }

    fn broker_message<S: Sink>(&mut self, route: u32, message: &Message<'_>, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        let profile = ix.route_profiles.get(route as usize).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let Some(profile) = profile else { return };
        match read(message, profile) {
            Ok(Inbound::Execution(r)) if is_mass_id(r.status_req_id) => {
                self.listed_report(&ix, route, profile, &r, sink);
            }
            Ok(Inbound::Execution(r)) => self.broker_execution(&ix, route, profile, &r, sink),
            Ok(Inbound::CancelReject(r)) => self.cancel_rejected(&r, sink),
            Ok(Inbound::BusinessReject(r)) if is_mass_id(r.ref_id) && self.known(r.ref_id).is_none() => {
                self.listing_rejected(&ix, route, profile, &r, sink);
            }
            Ok(Inbound::BusinessReject(r)) => self.business_reject(&ix, route, &r, sink),
            Ok(Inbound::SessionReject(r)) => {
                let text = String::from_utf8_lossy(r.text).into_owned();
                self.alert("session_reject", format!("route {}: {text}", self.route_name(route)), sink);
            }
            Ok(Inbound::Account(a)) => self.follower_account(&ix, route, &a, sink),
            Ok(Inbound::Position(p)) => self.follower_position(&ix, route, profile, &p, sink),
            Ok(Inbound::Trading(t)) => self.venue_trades(route, &t, sink),
            Ok(other) => {
                let name = self.route_name(route).to_owned();
                self.session_other(&name, &other, sink);
            }
            Err(e) => {
                let text = format!("route {}: tag {}: {}", self.route_name(route), e.tag, e.why);
                self.alert("unreadable", text, sink);
            }
        }
    }

    pub(super) fn order_of(&self, r: &Report<'_>) -> Option<u32> {
        self.known(r.cl_ord_id).or_else(|| self.known(r.orig_cl_ord_id))
    }

    fn broker_execution<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        route: u32,
        profile: &Profile,
        r: &Report<'_>,
        sink: &mut S,
    ) {
        let Some(o) = self.order_of(r) else {
            return self.of_no_order(r, sink);
        };
        self.order_report(ix, route, profile, o, r, sink);
    }

    /// A report about one order of ours.
    pub(super) fn order_report<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        route: u32,
        profile: &Profile,
        o: u32,
        r: &Report<'_>,
        sink: &mut S,
    ) {
        let Some(order) = self.st.orders.get_mut(o as usize) else { return };
        if !r.order_id.is_empty() && order.order_id.is_empty() {
            order.order_id = r.order_id.into();
        }
        let (own_id, at, before) = (order.cl_ord_id, order.line, order.leaves());
        // An answer to a cancel that we gave up waiting for is still the answer to a cancel of ours.
        let asked = order.cancel_id.is_some() || (order.cancels > 0 && *r.cl_ord_id != own_id[..]);
        let instrument = self.st.lines.get(at as usize).map_or(0, |l| l.follower_instrument);
        let counting = Counting::of(profile, ix.unit(profile, instrument));
        let mirror = order.mirror;
        let named = self.execution_of(ix, o, r);
        let execution = if S::WANTS_DECISIONS { self.key_of(o, r) } else { 0 };
        let change = self.counted(o, r, &counting, sink);
        let hedges = profile.hedges();
        if hedges {
            self.position_named(o, r);
        }
        self.book_report(ix, o, (r, &counting), (change, named), sink);
        match change {
            Change::Fill { qty, .. } => {
                self.filled(o, at, qty, sink);
                if hedges {
                    self.position_moved(ix, o, qty, r, sink);
                }
            }
            Change::Bust { delta } => {
                self.busted(ix, o, (at, hedges), delta, sink);
                if hedges {
                    self.position_moved(ix, o, delta, r, sink);
                }
            }
            Change::Contradiction | Change::UnknownBust | Change::Rescaled | Change::Overflow => {
                self.alert("contradiction", "a broker's CumQty contradicts its own reports".to_owned(), sink);
                self.query(o);
            }
            Change::None if r.is_empty_trade() => {
                let id = String::from_utf8_lossy(r.cl_ord_id).into_owned();
                self.alert("empty_fill", format!("{id}: a fill says no quantity: nothing was counted"), sink);
                self.query(o);
            }
            // "Unknown order" has no identity of its own: the same bytes answer each question anew.
            Change::Duplicate if r.kind != Kind::Status && !self.denies(o, r) => return,
            Change::None | Change::Duplicate => {}
        }
        if r.kind == (Kind::Restated { reason: Some(5) }) {
            self.declined(ix, o, r, &counting);
        }
        if mirror {
            self.mirror_reported(o, r, &counting, sink);
        }
        let lost = self.st.orders.get(o as usize).map_or(Dec::ZERO, crate::order::Order::leaves);
        self.transition(ix, route, o, r, sink);
        let after = self.st.orders.get(o as usize);
        // What is not at the broker has left what it leaves where that was found.
        let ended = after.is_some_and(|x| x.state.is_done() && x.state != State::Missed);
        if S::WANTS_DECISIONS {
            self.told_moved(ix, (o, at), r, (change, execution), sink);
        }
        if ended && before.is_positive() && lost.is_positive() {
            let ours = asked && matches!(r.kind, Kind::Canceled | Kind::Status);
            self.remainder(ix, o, lost, ours);
        }
        if hedges {
            self.part_pairs(ix, at, sink);
        }
        self.work_line(ix, at, sink);
        self.work_capped_with(ix, at, sink);
    }

    /// The execution that a report names. To be asked before it is counted.
    fn key_of(&self, o: u32, r: &Report<'_>) -> u128 {
        let nothing = Counted::default();
        let counted = self.st.fills.get(o as usize).unwrap_or(&nothing);
        named_execution(&counted.seen, &counted.order, r)
    }

    /// Tells what a report moved, for profit and loss of every line.
    fn told_moved<S: Sink>(
        &self,
        ix: &Index,
        (o, at): (u32, u32),
        r: &Report<'_>,
        (change, execution): (Change, u128),
        sink: &mut S,
    ) {
        let (act, units) = match (change, r.kind) {
            (Change::Fill { qty, .. }, _) => ("fill", qty),
            (Change::Bust { delta }, Kind::Correct) => ("correct", delta),
            (Change::Bust { delta }, _) => ("bust", delta),
            (Change::None, Kind::Correct) if r.last_px.is_some() => ("correct", Dec::ZERO),
            _ => return,
        };
        let (instruments, line) = (&ix.cfg.instruments, self.st.lines.get(at as usize));
        let of = |n: u32| instruments.get(n as usize);
        let moved = line.zip(self.st.orders.get(o as usize)).and_then(|(line, order)| {
            let traded = of(line.follower_instrument)?;
            let instrument = of(line.instrument).map_or("", |i| &i.name);
            Some(Moved { act, buy: order.buy, units, exec_id: r.exec_id, execution, instrument, traded })
        });
        self.outcome(o, r.last_px, moved, sink);
    }

    /// What a report changes, and whether it says that another one is missing.
    fn counted<S: Sink>(&mut self, o: u32, r: &Report<'_>, counting: &Counting, sink: &mut S) -> Change {
        let Some(counted) = self.st.fills.get_or_grow(o as usize) else { return Change::None };
        let change = observe(&mut counted.seen, &mut counted.order, false, r, counting);
        if fill_missing(&mut counted.order, r, counting) {
            let what = "after a bust only trades count, and CumQty is above theirs: a trade is missing";
            let id = String::from_utf8_lossy(r.cl_ord_id).into_owned();
            self.alert("fill_missing", format!("{id}: {what}"), sink);
            self.query(o);
        }
        change
    }

    /// Partial decline (378=5): the broker takes less of the order than was asked for.
    fn declined(&mut self, ix: &Index, o: u32, r: &Report<'_>, c: &Counting) {
        let Some(order) = self.st.orders.get_mut(o as usize).filter(|x| !x.state.is_done()) else { return };
        let open = c.in_units(r.leaves_qty).and_then(|left| order.cum.checked_add(left));
        let Some(taken) = [c.in_units(r.order_qty), open].into_iter().flatten().min() else { return };
        let taken = taken.max(order.cum);
        let lost = order.qty.checked_sub(taken).unwrap_or(Dec::ZERO);
        if !lost.is_positive() {
            return;
        }
        let before = order.leaves();
        order.qty = taken;
        if order.mirror {
            return self.mirror_declined(o, lost);
        }
        let less = Dec::from_raw(order.leaves().raw().saturating_sub(before.raw()));
        let (at, buy, closes) = (order.line, order.buy, order.reduces);
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.line.add_working(buy, closes, less);
        }
        self.remainder(ix, o, lost, false);
    }

    /// The broker says again that it does not know an order whose outcome we do not know.
    fn denies(&self, o: u32, r: &Report<'_>) -> bool {
        let unknown = self.st.orders.get(o as usize).is_some_and(|x| x.state == State::Unknown);
        unknown && r.kind == Kind::Rejected && r.rej_reason == Some(b"5")
    }

    fn filled<S: Sink>(&mut self, o: u32, at: u32, qty: Dec, sink: &mut S) {
        let Some(order) = self.st.orders.get_mut(o as usize) else { return };
        let leaves = order.leaves();
        order.cum = order.cum.checked_add(qty).unwrap_or(order.cum);
        let (buy, left, over) = (order.buy, order.leaves(), order.cum > order.qty);
        let (late, closes, mirror) = (order.state.is_done(), order.reduces, order.mirror);
        // Nothing is remembered of such a close but when it was made, which is before whatever made it needless.
        let cfg = self.ix.cfg.subscriptions.get(order.sub as usize).filter(|_| closes && (late || over));
        let since = cfg.map(|c| order.since_ns.saturating_add(c.max_age_ms.saturating_mul(MS)));
        let instead = if closes || mirror { Dec::ZERO } else { self.beyond_closes(at, buy, qty) };
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.line.add_filled(signed(qty, buy));
            (ls.backoff_ms, ls.open_backoff_ms) = (0, 0);
            ls.stuck_residue = false;
            if !mirror {
                ls.line.add_working(buy, closes, Dec::from_raw(left.raw().saturating_sub(leaves.raw())));
                let newest = ls.line.open_until_ns;
                ls.take_needless(signed(qty, !buy), since.map(|end| end.min(newest)));
            }
        }
        self.holding_moved(at, signed(qty, buy));
        if mirror {
            // Nobody remembers what it closed for: that stays closed, and the target comes down to it.
            if !self.mirror_moved(o, at, qty, sink) && closes {
                let ix = Arc::clone(&self.ix);
                self.lower(&ix, at, !buy, qty);
            }
        } else if instead.is_positive() {
            // What an open closes in the place of a close that was lost is lost to the target, as the close would be.
            let ix = Arc::clone(&self.ix);
            self.lower(&ix, at, buy, instead);
        }
        self.st.follower_fills = self.st.follower_fills.saturating_add(1);
        if over || late {
            let what = if over { "filled more than ordered" } else { "filled after its end" };
            self.alert(
                "unexpected_fill",
                format!("an order of ours was {what}: the books follow the broker"),
                sink,
            );
        }
    }

    fn busted<S: Sink>(&mut self, ix: &Index, o: u32, (at, hedges): (u32, bool), delta: Dec, sink: &mut S) {
        let Some(order) = self.st.orders.get_mut(o as usize) else { return };
        let (moved, mirror) = (signed(delta, order.buy), order.mirror);
        // A close that names its position brings that one back. Where the target has turned since it stands beside what
        // was opened for it, and is closed as a line of its own: nothing is lost to the target (decision 0025).
        let apart = hedges && order.reduces && delta.is_negative();
        order.busted = Dec::from_raw(order.busted.raw().saturating_sub(delta.raw()));
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.line.add_filled(moved);
            ls.stuck_residue = false;
        }
        self.holding_moved(at, moved);
        self.cause.bust = true;
        // Only what moves away from the target is lost to it: an open busted, or a close corrected upwards. What a mirror
        // lost is settled with it, as long as there is one.
        if !(apart || mirror && self.mirror_moved(o, at, delta, sink)) {
            self.lower(ix, at, moved.is_negative(), abs(delta));
        }
        self.alert("broker_bust", "a broker took back or corrected a fill of ours".to_owned(), sink);
    }

    fn transition<S: Sink>(&mut self, ix: &Arc<Index>, route: u32, o: u32, r: &Report<'_>, sink: &mut S) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        // What was taken back of it may have filled again, or still work: the broker says whether it is done.
        let works = order.busted.is_positive() && matches!(r.ord_status, b'0' | b'1');
        let whole = order.cum >= order.qty && !works;
        let for_cancel = order.cancel_id.as_deref() == Some(r.cl_ord_id);
        let ended = matches!(r.ord_status, b'2' | b'4' | b'8' | b'C');
        let before = order.state;
        let denies = r.kind == Kind::Rejected && r.rej_reason == Some(b"5");
        let answers = r.kind == Kind::Status || (denies && !for_cancel);
        let asked_ns = if answers { self.answered(o, r.status_req_id) } else { None };
        let input = match r.kind {
            Kind::Trade if whole => Input::Fill,
            Kind::Trade if ended => {
                // The broker is done with it and we count less than was ordered: fills are missing, or were taken back.
                self.set_state(o, Input::PartFill, sink);
                return self.doubt(o, sink);
            }
            Kind::Trade => Input::PartFill,
            Kind::Bust | Kind::Correct if ended => Input::Cancel,
            // Cut to what it has filled: nothing is left of it.
            Kind::Restated { .. } | Kind::Replaced if whole => Input::Fill,
            Kind::New | Kind::PendingNew | Kind::Restated { .. } | Kind::DoneForDay | Kind::Replaced => {
                Input::Acknowledge
            }
            Kind::Canceled => Input::Cancel,
            Kind::Expired => Input::Expire,
            Kind::Rejected if for_cancel => return self.request_refused(o, r.cl_ord_id, sink),
            Kind::Rejected if r.rej_reason == Some(b"6") => {
                self.had_before(o);
                return self.query(o);
            }
            Kind::Rejected if denies && before == State::Unknown => {
                return self.absent(o, asked_ns, sink);
            }
            // It had the order: "unknown" now is no reject of it, and it may have been filled meanwhile.
            Kind::Rejected if denies && matches!(before, State::Acknowledged | State::PartlyFilled) => {
                return self.doubt(o, sink);
            }
            // An answer to a question about an earlier try: this one is on its way, and is not rejected by it.
            Kind::Rejected if denies && matches!(before, State::Held | State::Dispatched | State::Out) => {
                return;
            }
            Kind::Rejected => Input::Reject,
            Kind::Status => match self.status_input(ix, route, o, r, asked_ns) {
                Some(input) => input,
                None => return self.status_unknown(o, r, asked_ns, sink),
            },
            Kind::Bust | Kind::Correct | Kind::PendingCancel | Kind::PendingReplace | Kind::Note(_) => return,
        };
        let changed = self.set_state(o, input, sink);
        if input == Input::Reject {
            self.refuse(Refusal::bare(Code::BrokerReject));
            // A closed market (103=2) is no fault of the broker's, and a second word about one order is no second order.
            if changed && r.rej_reason != Some(b"2") {
                self.open_rejected(ix, o, sink);
            }
            self.close_rejected(o, r.text, r.rej_reason, sink);
        }
    }

    /// A person should see a close that the broker does not take (02): it is tried again until it is done, unless it is
    /// less than the minimum lot: then asking for ever would only hide it. A closed market (103=2) opens again.
    fn close_rejected<S: Sink>(&mut self, o: u32, text: &[u8], reason: Option<&[u8]>, sink: &mut S) {
        let Some(order) = self.st.orders.get(o as usize).filter(|x| x.reduces) else { return };
        let id = String::from_utf8_lossy(&order.cl_ord_id).into_owned();
        let left = order.qty.checked_sub(order.cum).unwrap_or(Dec::ZERO);
        let text = String::from_utf8_lossy(text).into_owned();
        let line = self.st.lines.get_mut(order.line as usize);
        let min = |ls: &LineState| self.ix.grids.get(ls.follower_instrument as usize).map(|g| g.min);
        let small = line.filter(|ls| min(ls).is_some_and(|m| left < m) && reason != Some(b"2"));
        if let Some(ls) = small {
            ls.stuck_residue = true;
            let text = format!(
                "{id}: the broker does not close {left} units, less than the minimum lot: {text}: not tried again \
                 until the position changes or the core starts anew"
            );
            return self.alert("stuck_residue", text, sink);
        }
        self.alert("close_rejected", format!("{id}: the broker rejected a close: {text}"), sink);
    }

    /// What an ended order leaves: an open lowers the target or is tried again, a close is tried again after a pause.
    /// What we cancelled ourselves is still wanted as far as the plan says, within the order's own window.
    fn remainder(&mut self, ix: &Index, o: u32, lost: Dec, ours: bool) {
        let now = self.st.at_ns;
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let (at, reduces, buy, until) = (order.line, order.reduces, order.buy, order.deadline_ns);
        if order.mirror {
            return; // what it leaves is settled with its mirror
        }
        let units = signed(lost, buy);
        let Some(cfg) = ix.cfg.subscriptions.get(order.sub as usize) else { return };
        if ours && reduces {
            return;
        }
        if reduces {
            // A bust may have left it nothing to close: by then it was to open, and that is lost like any open.
            self.lower(ix, at, buy, self.beyond_zero(at, buy, lost));
        }
        if ours {
            return self.wait_again(at, until, units);
        }
        let window = cfg.retry_window_ms.saturating_sub(cfg.max_age_ms).saturating_mul(MS);
        let retry = cfg.on_reject == OnReject::Retry && now < until.min(until.saturating_add(window));
        if !reduces && !retry {
            return self.lower(ix, at, buy, lost);
        }
        let timing = ix.cfg.timing;
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        // The first pause of a close is never that of an open that was tried before it.
        let pause_ms = if reduces { &mut ls.backoff_ms } else { &mut ls.open_backoff_ms };
        *pause_ms = pause_ms.saturating_mul(2).clamp(timing.close_retry_ms, timing.close_retry_max_ms);
        let again_ns = now.saturating_add(pause_ms.saturating_mul(MS));
        if reduces {
            ls.close_tries = ls.close_tries.saturating_add(1);
            ls.retry_at_ns = again_ns;
        } else {
            ls.open_retry_at_ns = again_ns;
            self.wait_again(at, until, units);
        }
    }

    /// Units held that orders of one side would close, and no close on its way will.
    fn to_close(&self, at: u32, buy: bool) -> i128 {
        let Some(line) = self.st.lines.get(at as usize).map(|l| &l.line) else { return 0 };
        let held = signed(line.filled, !buy).max(Dec::ZERO);
        let closing = if buy { line.closing_buy } else { line.closing_sell };
        held.raw().saturating_sub(closing.raw()).max(0)
    }

    /// Of what a close on one side has lost: the units that would have crossed zero.
    fn beyond_zero(&self, at: u32, buy: bool, lost: Dec) -> Dec {
        Dec::from_raw(lost.raw().saturating_sub(self.to_close(at, buy)).max(0))
    }

    /// Of what an open fills, before it does: the units that close, beside the closes that are on their way.
    fn beyond_closes(&self, at: u32, buy: bool, qty: Dec) -> Dec {
        Dec::from_raw(qty.raw().min(self.to_close(at, buy)))
    }

    fn cancel_rejected<S: Sink>(&mut self, r: &CancelReject<'_>, sink: &mut S) {
        self.note_why_refused(r.reason);
        match self.known(r.cl_ord_id).or_else(|| self.known(r.orig_cl_ord_id)) {
            Some(o) => self.request_refused(o, r.cl_ord_id, sink),
            None if self.is_retired(r.cl_ord_id) || self.is_retired(r.orig_cl_ord_id) => {
                self.note("report of an order that ended long ago");
            }
            None => {
                self.alert("foreign_order", "a cancel reject for an order that is not ours".to_owned(), sink);
            }
        }
    }

    /// The order lives on, or its end is on the way: a fill or a status decides, never the reject itself.
    pub(super) fn cancel_failed<S: Sink>(&mut self, o: u32, sink: &mut S) {
        let now = self.st.at_ns;
        let Some(order) = self.st.orders.get_mut(o as usize) else { return };
        if order.cancel_id.take().is_none() {
            return;
        }
        order.cancel_after_ns = now.saturating_add(CANCEL_AGAIN_NS);
        let (line, mirror) = (order.line, order.mirror);
        if let Some(ls) = self.st.lines.get_mut(line as usize).filter(|_| !mirror) {
            ls.line.cancels = ls.line.cancels.saturating_sub(1);
        }
        let ix = Arc::clone(&self.ix);
        self.query(o);
        self.work_line(&ix, line, sink);
    }

    fn business_reject<S: Sink>(&mut self, ix: &Arc<Index>, route: u32, r: &Reject<'_>, sink: &mut S) {
        if self.known(r.ref_id).is_none() {
            let text = String::from_utf8_lossy(r.text).into_owned();
            return self.alert("business_reject", format!("route {}: {text}", self.route_name(route)), sink);
        }
        // Of a question, only "unknown ID" (380=1) is an answer. Any other reject says that it was not asked: the order
        // may work on, and sent again it would be held twice.
        let answers = r.reason == b"1" && self.is_unknown(r.ref_id);
        if matches!(r.ref_msg_type, b"H" | b"AF") && !answers {
            let text = String::from_utf8_lossy(r.text).into_owned();
            return self.alert("query_rejected", format!("route {}: {text}", self.route_name(route)), sink);
        }
        self.message_rejected(ix, r.ref_id, false, sink);
    }

    fn is_unknown(&self, id: &[u8]) -> bool {
        let order = self.known(id).and_then(|o| self.st.orders.get(o as usize));
        order.is_some_and(|x| x.state == State::Unknown)
    }

    /// `certain`: it was the order's own message that was rejected, not a question about it.
    fn message_rejected<S: Sink>(&mut self, ix: &Arc<Index>, id: &[u8], certain: bool, sink: &mut S) {
        let Some(o) = self.known(id) else { return };
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let (own, at, lost) = (order.cl_ord_id[..] == *id, order.line, order.leaves());
        if !own {
            return self.request_refused(o, id, sink);
        }
        if order.state == State::Unknown && !certain {
            let asked_ns = self.answered(o, b"");
            return self.absent(o, asked_ns, sink);
        }
        if self.set_state(o, Input::Reject, sink) {
            self.refuse(Refusal::bare(Code::BrokerReject));
            self.open_rejected(ix, o, sink);
            self.close_rejected(o, b"", None, sink);
            self.remainder(ix, o, lost, false);
            self.work_line(ix, at, sink);
            self.work_capped_with(ix, at, sink);
        }
    }
}
