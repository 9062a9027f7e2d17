//! Orders whose outcome is not known: they are asked about, never sent again before an answer proves that they may be
//! (design 06).

use super::lines::DUE_QUERY;
use super::mass::is_mass_id;
use super::{Engine, Index};
use crate::action::Sink;
use crate::link::SendKind;
use crate::order::{Input, State};
use crate::profile::{FillQty, Profile, QueryCovers};
use crate::report::Report;
use crate::rules::{Rule, kept};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// Open questions about one order that have a time of their own. Those beyond are counted with the last one, as if they had
/// been asked then: what is not counted at all, its answer would be taken for one of a later question.
const OPEN_MAX: usize = 8;

/// Status requests that no answer was counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Asked {
    /// Number of the first.
    pub no: u32,
    /// When it was asked.
    pub at_ns: i64,
    /// How many they are.
    pub count: u32,
}

impl Engine {
    /// Out without a report: unknown, and asked about.
    pub(super) fn doubt<S: Sink>(&mut self, o: u32, sink: &mut S) {
        let proof = self.before_doubt(o);
        if !self.set_state(o, Input::Silence, sink) {
            return;
        }
        if let Some(proof) = proof {
            self.st.proofs.insert(o, proof);
        }
        if self.answers_status(o) || self.answers_mass(o) {
            self.query(o);
        } else if let Some(order) = self.st.orders.get(o as usize) {
            let id = String::from_utf8_lossy(&order.cl_ord_id).into_owned();
            let text = format!(
                "{id}: no report in time, and the venue answers no status request: look at its own screen, and say what \
                 became of it: reconcile {} --remedy filled, or gone",
                self.position_text(o)
            );
            self.alert("unknown_order", text, sink);
        }
    }

    pub(super) fn ask_all<S: Sink>(&mut self, at: u32, sink: &mut S) {
        for o in self.live_of(at) {
            match self.st.orders.get(o as usize).map(|x| x.state) {
                // In doubt until it is answered: only then is an unanswered question asked again.
                Some(State::Out | State::Acknowledged | State::PartlyFilled) => self.doubt(o, sink),
                Some(State::Unknown) => self.query(o),
                _ => {}
            }
        }
    }

    fn answers_status(&self, o: u32) -> bool {
        self.venue_profile(o).is_some_and(|p| p.supports.status_request)
    }

    /// The profile of the venue that has, or will have, an order.
    pub(super) fn venue_profile(&self, o: u32) -> Option<&Profile> {
        let route = self.st.orders.get(o as usize)?.route;
        self.ix.cfg.profiles.get(*self.ix.route_profiles.get(route as usize)? as usize)
    }

    /// Asks for an order's status (H), or for all orders' (AF), where the venue answers that: by the session that carries the
    /// order.
    pub(super) fn query(&mut self, o: u32) {
        if self.answers_mass(o) {
            return self.want_listing(o);
        }
        if !self.answers_status(o) {
            return;
        }
        let now = self.st.at_ns;
        let due = now.saturating_add(self.ix.cfg.timing.query_retry_ms.saturating_mul(MS));
        let Some(order) = self.st.orders.get_mut(o as usize) else { return };
        order.query_no = order.query_no.saturating_add(1);
        order.asked_ns = now;
        let route = order.route;
        self.st.due.insert((due, DUE_QUERY, o));
        self.push(route, o, SendKind::Status);
    }

    /// A question is on its way to the route.
    pub(super) fn question_open(&mut self, o: u32) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let open = self.st.asked.entry(o).or_default();
        let open_count = open.len();
        match open.back_mut() {
            Some(last) if open_count >= OPEN_MAX => last.count = last.count.saturating_add(1),
            _ => open.push_back(Asked { no: order.query_no, at_ns: order.asked_ns, count: 1 }),
        }
    }

    /// A question did not leave the route: nobody answers it. `id` is the order's ClOrdID(11), a dot, and its number.
    pub(super) fn question_unsent(&mut self, id: &[u8]) {
        let mut parts = id.rsplitn(2, |b| *b == b'.');
        let no = parts.next().and_then(|digits| core::str::from_utf8(digits).ok()?.parse::<u32>().ok());
        let (Some(no), Some(own)) = (no, parts.next()) else { return };
        let Some(open) = self.known(own).and_then(|o| self.st.asked.get_mut(&o)) else { return };
        if let Some(at) = open.iter().rposition(|x| x.no <= no) {
            take_one(open, at);
        }
    }

    /// When the question was asked that an answer is about; none where that is not known, or is not the newest.
    ///
    /// Where the answer names it (OrdStatusReqID, 790), only the newest counts. Where it does not, as in FIX 4.2, a session
    /// answers in the order of the questions, and answers are counted: where one was lost, the next counts for an older
    /// question, which proves less, never more.
    pub(super) fn answered(&mut self, o: u32, named: &[u8]) -> Option<i64> {
        let order = self.st.orders.get(o as usize)?;
        if is_mass_id(named) {
            return self.listing_asked(o, named);
        }
        if named.is_empty() {
            return take_one(self.st.asked.get_mut(&o)?, 0);
        }
        if order.query_no.to_string().as_bytes() != named && kept(Rule::QueryIds) {
            return None;
        }
        self.st.asked.remove(&o);
        Some(order.asked_ns)
    }

    /// The broker does not know the order (06): proof only after the settle time, and where its queries cover all.
    ///
    /// The first answer proves that the broker has read what was sent before the question; its gateway may still hold the
    /// order. So the settle time begins there. Begun when the order left, it would pass while a line that stalls holds
    /// both, and lets them through together.
    ///
    /// `asked_ns`: when the question was asked that this answers. What was asked before the order was in doubt says nothing.
    pub(super) fn absent<S: Sink>(&mut self, o: u32, asked_ns: Option<i64>, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        let now = self.st.at_ns;
        let proves = self.venue_profile(o).is_some_and(|p| p.query_covers == QueryCovers::All);
        let (Some(asked_ns), Some(order)) = (asked_ns, self.st.orders.get_mut(o as usize)) else { return };
        if asked_ns < order.since_ns && !order.denied {
            return;
        }
        if order.state == State::Unknown && !order.denied && kept(Rule::Settle) {
            (order.denied, order.since_ns) = (true, now);
            return; // asked again when the query is due
        }
        // Counted to the question, not to the answer: a slow line may carry an old answer for longer than it settles.
        let settles = order.since_ns.saturating_add(ix.cfg.timing.settle_ms.saturating_mul(MS));
        let settled = settles <= asked_ns || !kept(Rule::Settle);
        let mirror = order.mirror;
        if order.state != State::Unknown || !settled {
            return; // asked again when the query is due
        }
        // A listing has every name.
        if mirror && self.answers_status(o) && self.other_name(o) {
            return self.query(o);
        }
        if !proves {
            return self.ask_position(o, sink);
        }
        self.proven_absent(&ix, o, sink);
    }

    /// The state that a status answer proves; none when it proves nothing or absence.
    pub(super) fn status_input(
        &self,
        ix: &Index,
        route: u32,
        o: u32,
        r: &Report<'_>,
        asked_ns: Option<i64>,
    ) -> Option<Input> {
        let order = self.st.orders.get(o as usize)?;
        let profile = ix.route_profiles.get(route as usize).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let by_last = profile.is_some_and(|p| p.fill_qty == FillQty::LastQty);
        if !r.status_req_id.is_empty() && asked_ns.is_none() {
            return None; // the answer to an older question
        }
        match r.ord_status {
            b'0' | b'A' | b'1' | b'6' | b'E' | b'5' if order.cum.is_zero() => Some(Input::Acknowledge),
            b'0' | b'A' | b'1' | b'6' | b'E' | b'5' => Some(Input::PartFill),
            b'2' if order.cum >= order.qty => Some(Input::Fill),
            // Only its trade reports say how much: taken for canceled, what it filled would be nobody's.
            b'2' if by_last => None,
            // Done at the broker; what we count less was taken back, or a report of it is still to come.
            b'2' | b'4' => Some(Input::Cancel),
            b'C' => Some(Input::Expire),
            b'8' if r.rej_reason != Some(b"5") => Some(Input::Reject),
            _ => None,
        }
    }

    /// A status that proves no state. `asked_ns`: when it was asked for; none: an older question, or none of ours.
    pub(super) fn status_unknown<S: Sink>(
        &mut self,
        o: u32,
        r: &Report<'_>,
        asked_ns: Option<i64>,
        sink: &mut S,
    ) {
        if r.ord_status == b'8' {
            self.absent(o, asked_ns, sink);
        }
        if asked_ns.is_some() && r.ord_status == b'2' {
            let id = String::from_utf8_lossy(r.cl_ord_id).into_owned();
            let text =
                format!("{id}: filled at the broker, and its trade reports are missing: see its own screen");
            self.alert("unknown_order", text, sink);
        }
    }
}

/// One question less at this place; when it was asked.
fn take_one(open: &mut VecDeque<Asked>, at: usize) -> Option<i64> {
    let asked = open.get_mut(at)?;
    asked.count = asked.count.saturating_sub(1);
    let (at_ns, gone) = (asked.at_ns, asked.count == 0);
    if gone {
        open.remove(at);
    }
    Some(at_ns)
}
