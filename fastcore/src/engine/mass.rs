//! Orders in doubt at a venue that answers no OrderStatusRequest(H): one OrderMassStatusRequest(AF) asks for all of them
//! (design 06). Its answer names orders; what a complete one leaves out is "not known", as an H would say it.

use super::{Engine, Index};
use crate::action::Sink;
use crate::link::{OrdersWriter, SendKind};
use crate::order::State;
use crate::outbound;
use crate::profile::Profile;
use crate::report::{Kind, Reject, Report};
use crate::rules::{Rule, kept};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

const MS: i64 = 1_000_000;
/// Timer kind of a route whose broker is asked for all orders in doubt, stored in snapshots.
pub(super) const DUE_MASS: u8 = 10;
/// Distinct reports of one answer that are told apart. An answer beyond is never complete, and proves no absence.
const REPORTS_MAX: usize = 65_536;
/// The follower of a question that names no account: it is about all of its session.
const ALL: u32 = u32::MAX;

/// One question's place: the route that carries it, and the follower whose Account(1) it names.
pub type Scope = (u32, u32);

/// What one broker is asked about all orders in doubt, and its answer as far as it came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mass {
    /// Event that asked last; 0: none did, or its answer counts no more.
    no: u64,
    /// When.
    asked_ns: i64,
    /// When it is asked next; 0: not planned.
    due_ns: i64,
    /// Somebody wants an answer whatever is in doubt.
    wanted: bool,
    /// Hashes of the reports of the answer: one that comes twice is one.
    reports: BTreeSet<u64>,
    /// Orders that it named.
    named: BTreeSet<u32>,
    /// It named an order by what we do not know it by: it may be any of those in doubt.
    stranger: bool,
    /// It was complete.
    heard: bool,
}

impl Mass {
    /// Counts one report. True: with it the answer is complete.
    fn completed_by(&mut self, r: &Report<'_>) -> bool {
        if self.heard || self.reports.len() >= REPORTS_MAX {
            return false;
        }
        self.reports.insert(identity(r));
        let count = u32::try_from(self.reports.len()).unwrap_or(u32::MAX);
        // A last one that comes before all are there is the last of an answer with a hole: it proves nothing.
        self.heard = match r.total_reports {
            Some(total) => count == total.max(1),
            None => r.last_rpt_requested,
        };
        self.heard
    }
}

/// What tells two reports of one answer apart: an order is listed once.
fn identity(r: &Report<'_>) -> u64 {
    xxh3_64(&[r.order_id, r.cl_ord_id, r.orig_cl_ord_id, r.exec_id].join(&1))
}

/// MassStatusReqID(584): no OrdStatusReqID(790) of ours begins like that.
fn mass_id((route, follower): Scope, no: u64) -> String {
    if follower == ALL { format!("M{no}.{route}") } else { format!("M{no}.{route}.{follower}") }
}

pub(super) fn is_mass_id(id: &[u8]) -> bool {
    id.first() == Some(&b'M')
}

/// The venue answers no question about one order, and one about all.
pub(super) fn lists(p: &Profile) -> bool {
    !p.supports.status_request && p.supports.mass_status
}

impl Engine {
    pub(super) fn answers_mass(&self, o: u32) -> bool {
        self.venue_profile(o).is_some_and(lists)
    }

    fn scope_of(&self, ix: &Index, o: u32) -> Option<Scope> {
        let order = self.st.orders.get(o as usize)?;
        let follower = ix.subs.get(order.sub as usize)?.follower;
        let named = ix.cfg.followers.get(follower as usize).is_some_and(|f| f.account.is_some());
        let said = self.venue_profile(o).is_some_and(|p| p.account_on_order);
        Some((order.route, if named && said { follower } else { ALL }))
    }

    /// An order in doubt is asked about by the next question for all: at once, or when the one before has had its time.
    pub(super) fn want_listing(&mut self, o: u32) {
        let ix = Arc::clone(&self.ix);
        let (Some(scope), Some(order)) = (self.scope_of(&ix, o), self.st.orders.get(o as usize)) else {
            return;
        };
        if order.state.is_done() {
            return;
        }
        let (now, pause) = (self.st.at_ns, ix.cfg.timing.query_retry_ms.saturating_mul(MS));
        let mass = self.st.mass.entry(scope).or_default();
        mass.wanted = true;
        let at_ns = if mass.no == 0 { now } else { now.max(mass.asked_ns.saturating_add(pause)) };
        self.plan_listing(scope, at_ns);
    }

    fn plan_listing(&mut self, scope: Scope, at_ns: i64) {
        let mass = self.st.mass.entry(scope).or_default();
        if mass.due_ns == 0 || mass.due_ns > at_ns {
            mass.due_ns = at_ns;
            self.st.due.insert((at_ns, DUE_MASS, scope.0));
        }
    }

    /// What was asked before a logon, or before reports were lost, may be answered in part: it counts no more.
    pub(super) fn forget_listings(&mut self, route: u32) {
        for (_, mass) in self.st.mass.iter_mut().filter(|((at, _), _)| *at == route) {
            *mass = Mass { due_ns: mass.due_ns, wanted: mass.wanted, ..Mass::default() };
        }
    }

    /// The time of a planned question.
    pub(super) fn listings_due(&mut self, ix: &Index, route: u32) {
        let now = self.st.at_ns;
        let due = |(_, m): &(&Scope, &Mass)| m.due_ns != 0 && m.due_ns <= now;
        let scopes: Vec<Scope> =
            self.st.mass.range((route, 0)..=(route, ALL)).filter(due).map(|(scope, _)| *scope).collect();
        for scope in scopes {
            let doubts = !self.doubts_of(ix, scope).is_empty();
            let Some(mass) = self.st.mass.get_mut(&scope) else { continue };
            mass.due_ns = 0;
            let again = doubts && kept(Rule::AsksAgain);
            if std::mem::take(&mut mass.wanted) || again {
                self.ask_listing(ix, scope);
            }
            if doubts {
                let pause = ix.cfg.timing.query_retry_ms.saturating_mul(MS);
                self.plan_listing(scope, now.saturating_add(pause));
            }
        }
    }

    /// Orders that the answer to this question is to settle.
    fn doubts_of(&self, ix: &Index, scope: Scope) -> Vec<u32> {
        let unknown = |o: &u32| self.st.orders.get(*o as usize).is_some_and(|x| x.state == State::Unknown);
        let mine = |o: &u32| self.scope_of(ix, *o) == Some(scope);
        self.live_of(scope.0).into_iter().filter(unknown).filter(mine).collect()
    }

    /// OrderMassStatusRequest(AF), as a frame of its own: it names no order, and one that is lost is asked again.
    fn ask_listing(&mut self, ix: &Index, scope: Scope) -> Option<()> {
        let (at, no) = (scope.0 as usize, self.st.seq);
        let (route, state) = (ix.cfg.routes.get(at)?, self.st.routes.get(at).filter(|r| r.ready())?);
        let profile = ix.cfg.profiles.get(*ix.route_profiles.get(at)? as usize)?;
        let account = ix.cfg.followers.get(scope.1 as usize).and_then(|f| f.account.as_deref());
        let id = mass_id(scope, no);
        let asked = outbound::Asked { profile, account, id: id.as_bytes(), at_ns: self.st.at_ns };
        let mut frame = Vec::new();
        let mut writer = OrdersWriter::begin(&mut frame, self.st.epoch, state.incarnation, no);
        let written = writer.order_if(&id, 1, SendKind::Status, 0, &route.session, |out| {
            outbound::mass_status(out, &asked).is_ok()
        });
        if written == Ok(true) && writer.finish() > 0 {
            self.frames.push((scope.0, frame));
            let due_ns = self.st.mass.get(&scope).map_or(0, |m| m.due_ns);
            let asked = Mass { no, asked_ns: self.st.at_ns, due_ns, ..Mass::default() };
            self.st.mass.insert(scope, asked);
        }
        Some(())
    }

    /// The newest question of a route, if this is its name.
    fn listing_named(&self, route: u32, id: &[u8]) -> Option<Scope> {
        let mine = self.st.mass.range((route, 0)..=(route, ALL));
        mine.filter(|(_, m)| m.no != 0)
            .find(|(scope, m)| mass_id(**scope, m.no).as_bytes() == id)
            .map(|(scope, _)| *scope)
    }

    /// When the question was asked that a report of an answer names; none: it is not the newest.
    pub(super) fn listing_asked(&self, o: u32, id: &[u8]) -> Option<i64> {
        let route = self.st.orders.get(o as usize)?.route;
        self.listing_named(route, id).and_then(|scope| self.st.mass.get(&scope)).map(|m| m.asked_ns)
    }

    /// The order of ours that an entry is about: by its names or, where it has none, by the broker's own.
    fn listed_order(&self, route: u32, r: &Report<'_>) -> Option<u32> {
        if !r.cl_ord_id.is_empty() || r.order_id.is_empty() {
            return self.order_of(r);
        }
        let same = |o: &u32| self.st.orders.get(*o as usize).is_some_and(|x| *x.order_id == *r.order_id);
        self.order_of(r).or_else(|| self.live_of(route).into_iter().find(same))
    }

    /// One report of an answer to a question about all orders.
    pub(super) fn listed_report<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        route: u32,
        profile: &Profile,
        r: &Report<'_>,
        sink: &mut S,
    ) {
        let (scope, o) = (self.listing_named(route, r.status_req_id), self.listed_order(route, r));
        match o {
            Some(o) => self.order_report(ix, route, profile, o, r, sink),
            None => self.note("order in a mass status that is none of ours"),
        }
        let Some(scope) = scope else { return };
        let Some(mass) = self.st.mass.get_mut(&scope) else { return };
        mass.named.extend(o);
        // "No orders" names none. An order that has no name of ours may be one of ours, except where it has another's.
        let empty = r.order_id.is_empty() || r.kind == Kind::Rejected;
        mass.stranger |= o.is_none() && r.cl_ord_id.is_empty() && !(empty && r.ord_status == b'8');
        if mass.completed_by(r) {
            self.listing_complete(ix, scope, sink);
        }
    }

    /// A reject of our newest question. "Unknown ID" (380=1), or the text that the profile names, says that there is no order.
    pub(super) fn listing_rejected<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        route: u32,
        profile: &Profile,
        r: &Reject<'_>,
        sink: &mut S,
    ) {
        let named = profile.no_orders_text.as_ref();
        let none = r.reason == b"1" || named.is_some_and(|t| r.text.starts_with(t.as_bytes()));
        if !none {
            let text = String::from_utf8_lossy(r.text).into_owned();
            return self.alert("query_rejected", format!("route {}: {text}", self.route_name(route)), sink);
        }
        let Some(scope) = self.listing_named(route, r.ref_id) else { return };
        let Some(mass) = self.st.mass.get_mut(&scope).filter(|m| !m.heard && m.reports.is_empty()) else {
            return;
        };
        mass.heard = true;
        self.listing_complete(ix, scope, sink);
    }

    /// The answer is complete: orders in doubt that it does not name are not known to it.
    fn listing_complete<S: Sink>(&mut self, ix: &Index, scope: Scope, sink: &mut S) {
        let Some(mass) = self.st.mass.get(&scope) else { return };
        let (asked_ns, stranger, named) = (mass.asked_ns, mass.stranger, mass.named.clone());
        for o in self.doubts_of(ix, scope).into_iter().filter(|o| !named.contains(o)) {
            if stranger {
                self.hold_in_doubt(o, "its broker lists an order without our name, which may be it", sink);
            } else {
                self.absent(o, Some(asked_ns), sink);
            }
        }
    }
}
