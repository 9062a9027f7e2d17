//! Orders in doubt where the broker's queries know working orders only: what is not listed is gone, or filled. The account's
//! position decides, where it can be told apart, and otherwise the order is held and a person is told (design 06).
//!
//! It can be told apart where the account was ours before the order left: the broker's word and our books agreed then. A
//! PositionReport(AP) has no time, so it counts only as the answer to our newest question, asked after the order was proven
//! not to work, and only when a second one, `settle_ms` later, says the same.

use super::lines::{End, signed};
use super::{Engine, Index};
use crate::action::Sink;
use crate::decimal::{Dec, Round};
use crate::order::{Input, State};
use crate::profile::{FillQty, QueryCovers};
use crate::report::{Kind, Report};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MS: i64 = 1_000_000;

/// When a broker's word about one position agreed with our books.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// Since when it does; 0: it never did.
    since_ns: i64,
    /// Since when it does not; 0: it does.
    other_ns: i64,
}

impl Agreed {
    fn said(&mut self, agrees: bool, now: i64) {
        match (agrees, self.other_ns) {
            (true, 0) if self.since_ns != 0 => {}
            (true, _) => *self = Self { since_ns: now, other_ns: 0 },
            (false, 0) => self.other_ns = now,
            (false, _) => {}
        }
    }

    /// The newest word from before that time agreed.
    const fn before(self, at_ns: i64) -> bool {
        self.since_ns != 0 && self.since_ns < at_ns && (self.other_ns == 0 || self.other_ns > at_ns)
    }
}

/// What a position is to prove about an order in doubt.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Proof {
    /// The account was ours before the order left.
    ours: bool,
    /// Since when it is known not to work; 0: it may.
    idle_ns: i64,
    /// What was said once.
    said: Option<Said>,
    /// A person was told that it is held.
    told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    became: Became,
    /// When it was asked.
    asked_ns: i64,
    /// Fills of the account then.
    moves: u32,
}

/// What became of an order that does not work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Became {
    /// The position moved by exactly what it left.
    Filled,
    /// The position did not move.
    Gone,
}

impl Engine {
    fn by_position_only(&self, o: u32) -> bool {
        self.venue_profile(o).is_some_and(|p| p.query_covers == QueryCovers::Working)
    }

    /// What is known of an order before it is in doubt: when it was last heard of, all that is known came before.
    pub(super) fn before_doubt(&self, o: u32) -> Option<Proof> {
        if !self.by_position_only(o) {
            return None;
        }
        let (order, (follower, instrument)) = (self.st.orders.get(o as usize)?, self.position_of(o)?);
        let agreed = self.st.holdings.get(follower as usize)?.agreed.get(&instrument);
        Some(Proof { ours: agreed.is_some_and(|a| a.before(order.since_ns)), ..Proof::default() })
    }

    /// Follower and instrument of an order.
    fn position_of(&self, o: u32) -> Option<(u32, u32)> {
        let order = self.st.orders.get(o as usize)?;
        let ls = self.st.lines.get(order.line as usize)?;
        Some((self.ix.subs.get(order.sub as usize)?.follower, ls.follower_instrument))
    }

    /// Why a position could not tell what became of an order; none: it can.
    fn unprovable(&self, ix: &Index, o: u32) -> Option<&'static str> {
        let (Some(order), Some((follower, instrument))) =
            (self.st.orders.get(o as usize), self.position_of(o))
        else {
            return Some("it belongs to nobody");
        };
        if !self.answers_positions(ix, follower) {
            return Some("its venue tells no position of the account");
        }
        if ix.reserves.iter().any(|r| r.primary == ix.primary_of(order.route)) {
            return Some("its account has a second line, and the order of their words is not known");
        }
        if self.venue_profile(o).is_some_and(|p| p.fill_qty == FillQty::LastQty) {
            return Some("a trade report that comes late would count twice");
        }
        let taken_back = self.st.fills.get(o as usize).is_some_and(|f| f.order.busted);
        if taken_back || !order.busted.is_zero() {
            return Some("a fill of it was taken back");
        }
        if order.mirror
            && self
                .st
                .mirrors
                .of(order.line)
                .iter()
                .any(|m| m.orders.contains(&o) && m.unanswered.is_positive())
        {
            return Some("whether a replace of it was taken is not known");
        }
        if !self.st.proofs.get(&o).is_some_and(|p| p.ours) {
            return Some("the account's position was not known to be ours before it left");
        }
        let others = self.live_on(ix, follower, instrument).len() > 1;
        others.then_some("other orders of ours live on the same position")
    }

    /// Orders of ours that are not done, of all lines that are one position at the broker.
    fn live_on(&self, ix: &Index, follower: u32, instrument: u32) -> Vec<u32> {
        let lines = self.one_position(ix, follower, instrument);
        let on = |o: &u32| {
            let order = self.st.orders.get(*o as usize).filter(|x| !x.state.is_done());
            order.is_some_and(|x| lines.contains(&x.line))
        };
        let ordinary =
            lines.iter().filter_map(|at| self.st.lines.get(*at as usize)).flat_map(|l| l.live.iter());
        let mirrors = lines.iter().flat_map(|at| self.st.mirrors.of(*at)).flat_map(|m| m.orders.iter());
        ordinary.chain(mirrors).copied().filter(on).collect()
    }

    /// The order does not work at its broker: whether it was filled, its position may tell.
    pub(super) fn ask_position<S: Sink>(&mut self, o: u32, sink: &mut S) {
        let (ix, now) = (Arc::clone(&self.ix), self.st.at_ns);
        if let Some(why) = self.unprovable(&ix, o) {
            return self.hold_in_doubt(o, why, sink);
        }
        let Some((follower, _)) = self.position_of(o) else { return };
        if let Some(proof) = self.st.proofs.get_mut(&o).filter(|p| p.idle_ns == 0) {
            proof.idle_ns = now;
        }
        self.plan_question(follower, now);
    }

    /// Nobody but a person can tell: told once for each doubt.
    pub(super) fn hold_in_doubt<S: Sink>(&mut self, o: u32, why: &str, sink: &mut S) {
        let proof = self.st.proofs.entry(o).or_default();
        proof.said = None;
        if std::mem::replace(&mut proof.told, true) {
            return;
        }
        let id = self.st.orders.get(o as usize).map(|x| String::from_utf8_lossy(&x.cl_ord_id).into_owned());
        let text = format!(
            "{}: not known at its broker, and {why}: held. Look at the account, and say what became of it: reconcile {} \
             --remedy filled, or gone",
            id.unwrap_or_default(),
            self.position_text(o),
        );
        self.alert("unknown_order", text, sink);
    }

    /// Follower and instrument of an order, as a command names them.
    pub(super) fn position_text(&self, o: u32) -> String {
        self.position_of(o).map(|at| Self::position_name(&self.ix, at)).unwrap_or_default()
    }

    /// A broker's word about one position, for the order in doubt there. `asked_ns`: when it was asked, if it answers our
    /// newest question.
    pub(super) fn position_tells<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        (follower, instrument): (u32, u32),
        held: Dec,
        asked_ns: Option<i64>,
        sink: &mut S,
    ) {
        let (now, beyond) = (self.st.at_ns, self.beyond_books(ix, follower, instrument, held));
        let Some(holding) = self.st.holdings.get_mut(follower as usize) else { return };
        holding.agreed.entry(instrument).or_default().said(beyond == 0, now);
        let moves = holding.moves;
        if self.st.proofs.is_empty() {
            return;
        }
        let live = self.live_on(ix, follower, instrument);
        let idle = |o: &u32| self.st.proofs.get(o).filter(|p| p.idle_ns != 0).map(|p| (*o, *p));
        let Some((o, proof)) = live.iter().find_map(idle) else { return };
        let Some(asked_ns) = asked_ns.filter(|at| *at >= proof.idle_ns) else { return };
        if let Some(why) = self.unprovable(ix, o) {
            return self.hold_in_doubt(o, why, sink);
        }
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let became = match beyond {
            0 => Became::Gone,
            b if b == signed(order.leaves(), order.buy).raw() => Became::Filled,
            _ => {
                return self.hold_in_doubt(
                    o,
                    "the account holds neither with it nor without it what ours filled",
                    sink,
                );
            }
        };
        let settle_ns = ix.cfg.timing.settle_ms.saturating_mul(MS);
        let same = proof.said.filter(|s| s.became == became && s.moves == moves);
        match same {
            Some(first) if first.asked_ns.saturating_add(settle_ns) <= asked_ns => {
                self.became(ix, o, became, "its account's position, twice", sink);
                // Our books are what the broker said now.
                let agrees = self.beyond_books(ix, follower, instrument, held) == 0;
                if let Some(holding) = self.st.holdings.get_mut(follower as usize).filter(|_| agrees) {
                    holding.agreed.entry(instrument).or_default().said(true, now);
                }
            }
            _ => {
                let first = same.unwrap_or(Said { became, asked_ns, moves });
                if let Some(proof) = self.st.proofs.get_mut(&o) {
                    proof.said = Some(first);
                }
                self.plan_question(follower, first.asked_ns.saturating_add(settle_ns).max(now));
            }
        }
    }

    /// What became of an order in doubt is known.
    pub(super) fn became<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        o: u32,
        became: Became,
        by: &str,
        sink: &mut S,
    ) {
        let Some(order) = self.st.orders.get(o as usize).filter(|x| x.state == State::Unknown) else {
            return;
        };
        let id = String::from_utf8_lossy(&order.cl_ord_id).into_owned();
        let what = match became {
            Became::Filled => "filled",
            Became::Gone => "not at its broker, with nothing more filled",
        };
        self.alert("order_settled", format!("{id}: {what}, by {by}"), sink);
        match became {
            Became::Filled => self.taken_as_filled(ix, o, sink),
            Became::Gone => self.proven_absent(ix, o, sink),
        }
    }

    /// As if the broker had said it in answer to a question: reports that come late find it counted.
    fn taken_as_filled<S: Sink>(&mut self, ix: &Arc<Index>, o: u32, sink: &mut S) {
        let (Some(order), Some((follower, instrument))) =
            (self.st.orders.get(o as usize), self.position_of(o))
        else {
            return;
        };
        let (route, id, leaves, buy) = (order.route, order.cl_ord_id, order.leaves(), order.buy);
        let Some(profile) = self.venue_profile(o).cloned() else { return };
        let known = self.st.fills.get(o as usize).map_or(Dec::ZERO, |f| f.order.known);
        let cum =
            known.checked_add(leaves).and_then(|q| q.div(ix.unit(&profile, instrument), Round::HalfEven));
        // The position that was told has it already; the fill is about to move it.
        let moved = signed(leaves, buy);
        let holding = self.st.holdings.get_mut(follower as usize);
        if let Some(held) = holding.and_then(|h| h.positions.get_mut(&instrument)) {
            *held = Dec::from_raw(held.raw().saturating_sub(moved.raw()));
        }
        let r =
            Report { kind: Kind::Status, ord_status: b'2', cl_ord_id: &id, cum_qty: cum, ..Report::none() };
        self.order_report(ix, route, &profile, o, &r, sink);
    }

    /// The broker does not have it: it goes out again where it is still wanted and never was there, and is given up otherwise.
    pub(super) fn proven_absent<S: Sink>(&mut self, ix: &Arc<Index>, o: u32, sink: &mut S) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let (route, taken) = (order.route, order.taken);
        self.hold(o, Input::Absent, sink);
        if let Some(order) = self.st.orders.get_mut(o as usize) {
            order.again = true;
        }
        if taken {
            // As it was it may be larger by now than what is left of it, and is known to the broker by another name.
            self.end_unsent(ix, o, End::Withdrawn, sink);
        }
        // A target that moved meanwhile may want none of it.
        self.rework(o, sink);
        self.again(route, o, sink);
    }

    /// A duplicate ClOrdID(11), where nobody can be asked what it was: the broker had the order, and it works no more.
    pub(super) fn had_before(&mut self, o: u32) {
        let only = self.by_position_only(o);
        if let Some(order) = self.st.orders.get_mut(o as usize).filter(|x| only && x.again) {
            order.taken = true;
        }
    }

    /// A person's word about the orders in doubt on one position. Gives how many they are.
    pub(super) fn settled_by_hand<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        (follower, instrument): (u32, u32),
        what: Became,
        who: &str,
        sink: &mut S,
    ) -> usize {
        let mut live = self.live_on(ix, follower, instrument);
        live.retain(|o| self.st.orders.get(*o as usize).is_some_and(|x| x.state == State::Unknown));
        for o in &live {
            if let Some(order) = self.st.orders.get_mut(*o as usize) {
                order.taken = true; // what is still wanted has another name: the broker may know this one
            }
            self.became(ix, *o, what, who, sink);
        }
        self.plan_question(follower, self.st.at_ns);
        live.len()
    }
}
