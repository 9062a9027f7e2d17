//! What a leader's broker is asked: the status of an order that contradicts itself, and, where reports may be lost, all
//! working orders and positions (design 02 step 1, 04, 09.3). Answers are ordinary reports.

use super::{Engine, Index};
use crate::action::Sink;
use crate::decimal::Dec;
use crate::fix::BadValue;
use crate::outbound;
use crate::profile::{Profile, Recovery};
use crate::report::{Position, Report};
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::BTreeSet;
use xxhash_rust::xxh3::xxh3_128;

/// Timer kind of a position that is asked for again, stored in snapshots.
pub(super) const DUE_ASK: u8 = 4;
/// Pause between two questions for the positions of one leader.
const ASK_AGAIN_NS: i64 = 1_000_000_000;
/// PosReqResult(728) of an answer: found, none, or not said.
const ANSWERS: [Option<u32>; 3] = [Some(0), Some(2), None];

/// The PositionReports(AP) of one answer, as far as they came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Listing {
    /// Hash of PosReqID(710).
    request: u128,
    /// Reports so far, by what they say: one may come twice, and stands for no other.
    reports: BTreeSet<u128>,
    /// Instruments that were named.
    named: BTreeSet<u32>,
}

impl Listing {
    /// Counts one report of an answer. True: the answer is complete, what it does not name is not held.
    pub(super) fn completed_by(&mut self, p: &Position<'_>, instrument: Option<u32>) -> bool {
        let Some(total) = p.total_reports.filter(|_| ANSWERS.contains(&p.result)) else { return false };
        if p.request_id.is_empty() {
            return false;
        }
        let request = xxh3_128(p.request_id);
        if self.request != request {
            *self = Listing { request, ..Listing::default() };
        }
        let mut text = SmallVec::<[u8; 64]>::new();
        for part in [p.symbol, p.position_id] {
            text.extend_from_slice(part);
            text.push(1);
        }
        for units in [p.long, p.short] {
            text.extend_from_slice(&units.map_or(i128::MIN, Dec::raw).to_le_bytes());
        }
        let total = usize::try_from(total.max(1)).unwrap_or(usize::MAX);
        let new = self.reports.len() < total && self.reports.insert(xxh3_128(&text));
        self.named.extend(instrument);
        new && self.reports.len() == total
    }

    pub(super) fn names(&self, instrument: u32) -> bool {
        self.named.contains(&instrument)
    }

    /// Which answer is coming in, and how many of its reports came: a report that changes neither counts for none.
    pub(super) fn place(&self) -> (u128, usize) {
        (self.request, self.reports.len())
    }
}

impl Engine {
    pub(super) fn profile_of(ix: &Index, leader: u32) -> Option<&Profile> {
        ix.leader_profiles.get(leader as usize).and_then(|p| ix.cfg.profiles.get(*p as usize))
    }

    fn ask<S: Sink>(
        &mut self,
        ix: &Index,
        leader: u32,
        sink: &mut S,
        write: impl FnOnce(&mut Vec<u8>, &outbound::Asked<'_>) -> Result<(), BadValue>,
    ) {
        let (Some(l), Some(profile)) = (ix.cfg.leaders.get(leader as usize), Self::profile_of(ix, leader))
        else {
            return;
        };
        let id = format!("Q{}.{leader}", self.st.seq);
        let account = l.account.as_deref().filter(|_| profile.account_on_order);
        let mut out = Vec::new();
        let asked = outbound::Asked { profile, account, id: id.as_bytes(), at_ns: self.st.at_ns };
        if write(&mut out, &asked).is_ok() {
            sink.question(&l.session, &out);
        }
    }

    /// The order's status (H): its quantities contradict each other.
    pub(super) fn ask_status<S: Sink>(&mut self, ix: &Index, leader: u32, r: &Report<'_>, sink: &mut S) {
        if Self::profile_of(ix, leader).is_some_and(|p| p.supports.status_request) {
            self.ask(ix, leader, sink, |out, asked| outbound::status_of_leader(out, asked, r));
        }
    }

    /// All that a gap may have hidden: working orders (AF) and positions (AN) of every leader on the session.
    pub(super) fn ask_all_of<S: Sink>(&mut self, ix: &Index, session: &str, orders: bool, sink: &mut S) {
        for (leader, l) in (0_u32..).zip(&ix.cfg.leaders) {
            if l.session != session {
                continue;
            }
            if orders && Self::profile_of(ix, leader).is_some_and(|p| p.supports.mass_status) {
                self.ask(ix, leader, sink, outbound::mass_status);
            }
            self.ask_positions(ix, leader, sink);
        }
    }

    pub(super) fn ask_positions<S: Sink>(&mut self, ix: &Index, leader: u32, sink: &mut S) {
        if Self::profile_of(ix, leader).is_some_and(|p| p.supports.positions) {
            self.ask(ix, leader, sink, outbound::positions);
        }
    }

    /// Soon, once for all that is not confirmed yet.
    pub(super) fn ask_positions_soon(&mut self, leader: u32) {
        let pending = |d: &&(i64, u8, u32)| d.1 == DUE_ASK && d.2 == leader;
        if self.st.due.iter().find(pending).is_none() {
            self.st.due.insert((self.st.at_ns.saturating_add(ASK_AGAIN_NS), DUE_ASK, leader));
        }
    }

    /// A leader session logged on. A venue that resends nothing is asked for what happened meanwhile, and any venue for
    /// positions that are not known, or have no name.
    pub(super) fn leader_session<S: Sink>(&mut self, session: &str, state: &[u8], sink: &mut S) {
        if state != b"up" {
            return;
        }
        let ix = std::sync::Arc::clone(&self.ix);
        for (leader, l) in (0_u32..).zip(&ix.cfg.leaders) {
            if l.session != session {
                continue;
            }
            let Some(profile) = Self::profile_of(&ix, leader) else { continue };
            let held = self.st.leaders.get(leader as usize).map(|s| &s.positions);
            let mapped = ix.leader_symbols.get(leader as usize);
            let known = |i: &u32| held.is_some_and(|h| h.contains_key(i));
            if profile.recovery != Recovery::Resend {
                return self.ask_all_of(&ix, session, true, sink);
            }
            if !mapped.is_some_and(|m| m.values().all(known)) || self.has_unnamed(&ix, leader) {
                self.ask_positions(&ix, leader, sink);
            }
        }
    }

    /// Counts the reports of one answer. When it is complete: the instruments that it does not name, which are flat.
    pub(super) fn listed(
        &mut self,
        ix: &Index,
        leader: u32,
        p: &Position<'_>,
        instrument: Option<u32>,
    ) -> Vec<u32> {
        let Some(state) = self.st.leaders.get_mut(leader as usize) else { return Vec::new() };
        if !state.listing.completed_by(p, instrument) {
            return Vec::new();
        }
        let mapped = ix.leader_symbols.get(leader as usize).into_iter().flat_map(|m| m.values().copied());
        let (held, listing) = (&state.positions, &state.listing);
        let news = |i: &u32| !listing.names(*i) && held.get(i).is_none_or(|q| !q.is_zero());
        mapped.filter(news).collect::<BTreeSet<u32>>().into_iter().collect()
    }
}
