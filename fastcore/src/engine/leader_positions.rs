//! Hedging leaders: which of his positions a report moves, and what his broker says of them one by one (decision 0029).
//! Nothing here holds back a copy or makes one: his net decides, and it is counted as any leader's.

use super::leaders::Execution;
use super::tickets::names;
use super::{Engine, Index, LeaderState};
use crate::action::Sink;
use crate::decimal::Dec;
use crate::fix::Message;
use crate::leader::LeaderOrder;
use crate::leader_tickets::{Difference, Moved, Named, name};
use crate::ledger::sum;
use crate::order::PositionId;
use crate::profile::Profile;
use crate::report::{Position, Report};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// Questions in a row for names that do not settle: a venue whose names are no positions' would be asked for ever.
const ASKS_MAX: u8 = 5;
/// Names in the text of an alert; the status has all of them.
const NAMES_MAX: usize = 8;

/// The positions of one answer, as far as they came.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Rows {
    of: BTreeMap<u32, Row>,
    /// One of them is no quantity that we could add.
    unfit: bool,
}

/// What an answer says of one instrument.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Row {
    named: Named,
    /// All of it, what has no name too.
    net: Dec,
}

impl Rows {
    fn add(&mut self, instrument: u32, id: &[u8], units: Option<Dec>) {
        let Some(units) = units else {
            self.unfit = true;
            return;
        };
        let row = self.of.entry(instrument).or_default();
        row.net = sum(row.net, units);
        if let Some(id) = PositionId::from_text(id) {
            let held = row.named.entry(id).or_default();
            *held = sum(*held, units);
        }
    }
}

/// The name that a report gives, where it is believed: of an order that has traded (design 04), as followers' are.
fn believed<'a>(r: &Report<'a>, moves: bool) -> Option<&'a [u8]> {
    name(r.position_id).filter(|_| moves || names(&r.kind))
}

impl Engine {
    /// The leader's account is a hedging one: so says the profile of his session.
    pub(crate) fn hedges(ix: &Index, leader: u32) -> bool {
        Self::profile_of(ix, leader).is_some_and(Profile::hedges)
    }

    /// An account that nets, by the configuration of now, has no positions side by side.
    pub(super) fn fit_leader_tickets(&mut self) {
        let ix = Arc::clone(&self.ix);
        for (leader, state) in (0_u32..).zip(&mut self.st.leaders) {
            if !Self::hedges(&ix, leader) {
                state.tickets.clear();
                state.rows = Rows::default();
            }
        }
    }

    /// An execution moved the leader's net: the position that it belongs to moves with it.
    pub(super) fn leader_ticket_moved<S: Sink>(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        order: u128,
        sink: &mut S,
    ) {
        if !Self::hedges(ix, x.leader) {
            return;
        }
        let (now, keep_ns) = (self.st.at_ns, ix.cfg.retire_after_ms.saturating_mul(MS));
        let Some(state) = self.st.leaders.get_mut(x.leader as usize) else { return };
        let tickets = state.tickets.entry(x.instrument).or_default();
        let said = believed(x.report, true);
        let moved = tickets.moved(order, said, x.delta, now);
        if keep_ns > 0 {
            tickets.forget_old(now.saturating_sub(keep_ns));
        }
        match moved {
            Moved::Named => {}
            Moved::Unnamed => {
                if tickets.tells_unnamed() {
                    self.tell_unnamed(ix, x, sink);
                }
            }
            Moved::Turned { before, after } => self.tell_turned(ix, x, (before, after), sink),
        }
    }

    fn tell_unnamed<S: Sink>(&mut self, ix: &Index, x: &Execution<'_>, sink: &mut S) {
        let order = String::from_utf8_lossy(x.report.order_id);
        let text = format!(
            "{}: a fill of order {order:?} names no position: copied as any other, and his broker is asked",
            leader_and_instrument(ix, x.leader, x.instrument)
        );
        self.alert("leader_unnamed", text, sink);
        self.ask_positions_soon(x.leader);
    }

    fn tell_turned<S: Sink>(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        (before, after): (Dec, Dec),
        sink: &mut S,
    ) {
        let id = String::from_utf8_lossy(x.report.position_id);
        let text = format!(
            "{}: position {id} held {before} units and was traded by {}: by its reports it holds {after}. The net is \
             copied, and his broker is asked",
            leader_and_instrument(ix, x.leader, x.instrument),
            x.delta
        );
        self.alert("leader_position_odd", text, sink);
        self.ask_positions_soon(x.leader);
    }

    /// A report that moves nothing may still say which position its order has traded.
    pub(super) fn leader_named(
        &mut self,
        ix: &Index,
        (leader, instrument): (u32, u32),
        order: &LeaderOrder,
        r: &Report<'_>,
    ) {
        if r.position_id.is_empty() || !Self::hedges(ix, leader) {
            return;
        }
        let traded = order.known.is_positive() || order.busted;
        let (Some(id), now) = (believed(r, false).filter(|_| traded), self.st.at_ns) else { return };
        // Also before anything of the instrument was counted: a fill that follows may name nothing.
        if let Some(state) = self.st.leaders.get_mut(leader as usize) {
            state.tickets.entry(instrument).or_default().noted(order.id, Some(id), now);
        }
    }

    /// Part of the leader's net is in no position that has a name.
    pub(super) fn has_unnamed(&self, ix: &Index, leader: u32) -> bool {
        let Some(state) = self.st.leaders.get(leader as usize).filter(|_| Self::hedges(ix, leader)) else {
            return false;
        };
        state.positions.iter().any(|(i, net)| !unnamed(state, *i, *net).is_zero())
    }

    /// A PositionReport(AP) of a hedging account: one of the positions of an answer, or said unasked.
    pub(super) fn leader_row<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        leader: u32,
        message: &Message<'_>,
        p: &Position<'_>,
        (instrument, units): (Option<u32>, Option<Dec>),
        sink: &mut S,
    ) {
        let Some(state) = self.st.leaders.get_mut(leader as usize) else { return };
        let before = state.listing.place();
        let complete = state.listing.completed_by(p, instrument);
        let after = state.listing.place();
        if before.0 != after.0 {
            state.rows = Rows::default();
        }
        match instrument {
            Some(i) if before != after => state.rows.add(i, p.position_id, units),
            Some(i) => self.unasked(leader, i, p, units, sink),
            None if p.symbol.is_empty() => {}
            None => self.note("position of a symbol that is not mapped"),
        }
        if complete {
            self.leader_answered(ix, leader, message, sink);
        }
    }

    /// One position by itself is no net. Where it is not ours, all of them are asked for.
    fn unasked<S: Sink>(
        &mut self,
        leader: u32,
        instrument: u32,
        p: &Position<'_>,
        units: Option<Dec>,
        sink: &mut S,
    ) {
        let tickets = self.st.leaders.get(leader as usize).and_then(|s| s.tickets.get(&instrument));
        let ours = tickets.map_or(Dec::ZERO, |t| t.units(p.position_id));
        self.note("position of a hedging account that stands in no answer");
        if units != Some(ours) {
            self.ask_for_names(leader, instrument, sink);
        }
    }

    /// An answer is complete: what it names of an instrument is all that he holds of it.
    fn leader_answered<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        leader: u32,
        message: &Message<'_>,
        sink: &mut S,
    ) {
        let Some(state) = self.st.leaders.get_mut(leader as usize) else { return };
        let mut rows = std::mem::take(&mut state.rows);
        if rows.unfit {
            return self.note("answer with a position that does not fit in units");
        }
        let mapped = ix.leader_symbols.get(leader as usize).into_iter().flat_map(|m| m.values().copied());
        for instrument in mapped.collect::<BTreeSet<u32>>() {
            let row = rows.of.remove(&instrument).unwrap_or_default();
            self.all_said(ix, (leader, instrument), message, row, sink);
        }
    }

    fn all_said<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        (leader, instrument): (u32, u32),
        message: &Message<'_>,
        row: Row,
        sink: &mut S,
    ) {
        let Some(state) = self.st.leaders.get_mut(leader as usize) else { return };
        let (seen, before) = (state.executions, state.positions.get(&instrument).copied());
        let tickets = state.tickets.entry(instrument).or_default();
        let net = row.net;
        let named = Named::from_iter(row.named.into_iter().filter(|(_, units)| !units.is_zero()));
        // Before any execution nothing can be in flight that we would count twice.
        let sure = tickets.hear(named, seen) || seen == 0;
        self.position_said(ix, leader, instrument, message, net, sink);
        let Some(state) = self.st.leaders.get_mut(leader as usize) else { return };
        let after = state.positions.get(&instrument).copied();
        let Some(tickets) = state.tickets.get_mut(&instrument) else { return };
        if tickets.agrees() {
            tickets.settled();
            if tickets.is_empty() {
                state.tickets.remove(&instrument);
            }
        } else if !sure {
            self.ask_for_names(leader, instrument, sink);
        } else if after == Some(net) {
            self.take_over_names(ix, (leader, instrument), (before, net), sink);
        } else if after != before {
            // Flat by the broker's word: what he holds beyond that is none of what we counted.
            state.tickets.remove(&instrument);
        }
    }

    /// The broker's names stand, and their sum is the net that is copied. Told, unless it is how the net began, or came down
    /// to theirs, which is told already.
    fn take_over_names<S: Sink>(
        &mut self,
        ix: &Index,
        (leader, instrument): (u32, u32),
        (before, net): (Option<Dec>, Dec),
        sink: &mut S,
    ) {
        let state = self.st.leaders.get_mut(leader as usize);
        let Some(tickets) = state.and_then(|s| s.tickets.get_mut(&instrument)) else { return };
        let (differ, unnamed) = (tickets.differences(), tickets.unnamed(net));
        tickets.take_over();
        if before != Some(net) {
            return;
        }
        let (of, list) = (leader_and_instrument(ix, leader, instrument), listed(&differ));
        if unnamed.is_zero() {
            let text = format!(
                "{of}: the sum of his positions is his broker's, and they are not: {list}. Nothing is traded for it; the \
                 broker's are counted from here"
            );
            self.alert("leader_position_break", text, sink);
        } else {
            self.alert("leader_position", format!("{of}: his broker names his positions: {list}"), sink);
        }
    }

    /// The broker is asked again for what is not settled, a few times.
    fn ask_for_names<S: Sink>(&mut self, leader: u32, instrument: u32, sink: &mut S) {
        let state = self.st.leaders.get_mut(leader as usize);
        let Some(tickets) = state.map(|s| s.tickets.entry(instrument).or_default()) else { return };
        let asks = tickets.asked();
        if asks <= ASKS_MAX {
            return self.ask_positions_soon(leader);
        }
        if asks == ASKS_MAX.saturating_add(1) {
            let ix = Arc::clone(&self.ix);
            let text = format!(
                "{}: asked {ASKS_MAX} times, his broker names no positions that stay the same{}. The net is copied; check \
                 `position_id_tag` of the profile",
                leader_and_instrument(&ix, leader, instrument),
                self.names_that_differ(leader, instrument)
            );
            self.alert("leader_position_odd", text, sink);
        }
    }

    /// For the text of an alert: positions that his broker has otherwise; empty for an account that nets.
    pub(super) fn names_that_differ(&self, leader: u32, instrument: u32) -> String {
        let state = self.st.leaders.get(leader as usize);
        let Some((state, tickets)) = state.and_then(|s| Some((s, s.tickets.get(&instrument)?))) else {
            return String::new();
        };
        let differ = tickets.differences();
        let rest = state.positions.get(&instrument).map_or(Dec::ZERO, |net| tickets.unnamed(*net));
        match (differ.is_empty(), rest.is_zero()) {
            (false, true) => format!(": {}", listed(&differ)),
            (false, false) => format!(": {}; {rest} units here have no name", listed(&differ)),
            (true, false) => {
                format!(": every position is as we count it, and {rest} units here have no name")
            }
            (true, true) => String::new(),
        }
    }
}

/// Signed units of a net that are in no position with a name.
pub(crate) fn unnamed(state: &LeaderState, instrument: u32, net: Dec) -> Dec {
    state.tickets.get(&instrument).map_or(net, |t| t.unnamed(net))
}

fn leader_and_instrument(ix: &Index, leader: u32, instrument: u32) -> String {
    let name = ix.cfg.leaders.get(leader as usize).map_or("", |l| l.name.as_str());
    format!("{name} {}", ix.cfg.instruments.get(instrument as usize).map_or("", |i| i.name.as_str()))
}

fn listed(differ: &[Difference]) -> String {
    let one = |(id, ours, theirs): &Difference| format!("position {id} {theirs} there, {ours} here");
    let mut text = differ.iter().take(NAMES_MAX).map(one).collect::<Vec<_>>().join("; ");
    if let Some(more) = differ.len().checked_sub(NAMES_MAX).filter(|n| *n > 0) {
        text.push_str(&format!("; and {more} more"));
    }
    text
}
