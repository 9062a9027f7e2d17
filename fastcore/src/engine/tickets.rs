//! Positions of hedging followers, side by side at the broker: which one a fill made, and which one a close takes from
//! (decision 0025). The ledger counts their sum as on any other account; only what it closes is dealt out to them.

use super::lanes::{Closes, Lane};
use super::lines::signed;
use super::making::Draft;
use super::parts::PARTS_MAX;
use super::state::Few;
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::decimal::Dec;
use crate::ledger::{Grid, Line, abs, less, sum};
use crate::order::PositionId;
use crate::report::{Kind, Report};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// One position at the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    /// Its name.
    pub id: PositionId,
    /// Signed units that it holds by the reports of our own orders.
    pub units: Dec,
}

/// The positions of one ledger line, in order of opening.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tickets {
    /// Those that hold something.
    pub list: Vec<Ticket>,
    /// Opens whose fills named no position, and signed units of these.
    pub unnamed: std::collections::BTreeMap<u32, Dec>,
    /// It was told that a close is held back.
    pub told: bool,
    /// Lines that close what stands on the wrong side: shorts, longs.
    pub apart: [Option<u32>; 2],
    /// Of such a line: the one that it was parted from.
    pub of: Option<u32>,
}

/// A part of a close: units of one position.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    id: PositionId,
    take: Dec,
    /// Units that it holds and no close works on.
    free: Dec,
}

impl Tickets {
    /// Moves what a position holds. Taken back, a close's position is the oldest again: the oldest are closed first.
    pub(super) fn add(&mut self, id: &PositionId, units: Dec, reopens: bool) {
        let Some(at) = self.list.iter().position(|t| t.id == *id) else {
            let at = if reopens { 0 } else { self.list.len() };
            return self.list.insert(at, Ticket { id: id.clone(), units });
        };
        if let Some(ticket) = self.list.get_mut(at) {
            ticket.units = sum(ticket.units, units);
            if ticket.units.is_zero() {
                self.list.remove(at);
            }
        }
    }

    /// Signed units of all positions that have a name.
    #[must_use]
    pub fn named(&self) -> Dec {
        self.list.iter().fold(Dec::ZERO, |all, t| sum(all, t.units))
    }

    /// The units of an order that had no name have this one.
    fn name(&mut self, o: u32, id: &PositionId) {
        if let Some(units) = self.unnamed.remove(&o) {
            self.add(id, units, false);
        }
    }
}

/// A position's name comes from trade reports, and from what is said later of an order that has traded (design 04): the
/// name on an acknowledgement may be that of a position that never comes to be.
pub(super) fn names(kind: &Kind) -> bool {
    matches!(kind, Kind::Trade | Kind::Status | Kind::Bust | Kind::Correct)
}

/// A close dealt out to positions, the oldest first; and what no position has units for.
fn pieces(free: impl Iterator<Item = (PositionId, Dec)>, qty: Dec, grid: Grid) -> (Vec<Piece>, Dec) {
    let mut out: Vec<Piece> = Vec::new();
    let mut left = qty;
    for (id, free) in free {
        if !left.is_positive() {
            break;
        }
        let take = left.min(free);
        left = less(left, take);
        out.push(Piece { id, take, free });
    }
    // Less than the minimum lot may only leave a position when it is all of it: the one before gives up as much.
    if let [.., before, last] = &mut out[..] {
        let lacks = less(grid.min, last.take);
        let given = less(before.take, lacks);
        if last.take < last.free && lacks.is_positive() && last.free >= grid.min && given >= grid.min {
            (before.take, last.take) = (given, grid.min);
        }
    }
    out.retain(|p| p.take >= grid.min || p.take == p.free);
    (out, left)
}

impl Engine {
    pub(super) fn tickets_of(&mut self, at: u32) -> &mut Tickets {
        self.st.tickets.entry(at).or_default()
    }

    /// What an order's report calls the position that it opened. Units of it that had no name get this one.
    pub(super) fn position_named(&mut self, o: u32, r: &Report<'_>) {
        let Some(id) = PositionId::from_text(r.position_id).filter(|_| names(&r.kind)) else { return };
        let Some(order) = self.st.orders.get_mut(o as usize).filter(|x| !x.reduces) else { return };
        let (at, known) = (order.line, order.position.as_deref() == Some(&id));
        // Of an order that has not traded a status may name anything: only its trades are believed at once.
        if r.kind == Kind::Status && order.cum.is_zero() && !r.cum_qty.is_some_and(|c| c.is_positive()) {
            return;
        }
        if !known {
            order.position = Some(Box::new(id.clone()));
        }
        if let Some(tickets) = self.st.tickets.get_mut(&at) {
            tickets.name(o, &id);
        }
    }

    /// A fill of ours, or its bust, moves the position that the report names, else the order's own.
    pub(super) fn position_moved<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        o: u32,
        qty: Dec,
        r: &Report<'_>,
        sink: &mut S,
    ) {
        let Some(order) = self.st.orders.get(o as usize) else { return };
        let (at, closes, moved) = (order.line, order.reduces, signed(qty, order.buy));
        let own = order.position.as_deref().cloned();
        let said = PositionId::from_text(r.position_id).filter(|_| names(&r.kind));
        if closes && said.is_some() && said != own {
            let (said, own) = (text(said.as_ref()), text(own.as_ref()));
            let what = format!("a close of position {own} traded as position {said}: look at the account");
            self.tell_position(ix, at, "position_other", &what, sink);
        }
        let Some(id) = said.or(own) else { return self.unnamed(ix, o, at, moved, sink) };
        let to = self.line_that_has(at, &id);
        self.tickets_of(to).add(&id, moved, closes && qty.signum() < 0);
        if to != at {
            self.move_filled(ix, at, to, moved);
            self.work_line(ix, to, sink);
        }
    }

    /// The line that a line was parted from, or itself.
    fn root(&self, at: u32) -> u32 {
        self.st.tickets.get(&at).and_then(|t| t.of).unwrap_or(at)
    }

    /// A position that was parted from its line is still the one that the line's orders name, and stands in one of them.
    fn line_that_has(&self, at: u32, id: &PositionId) -> u32 {
        let has = |line: &u32| self.st.tickets.get(line).is_some_and(|t| t.list.iter().any(|t| t.id == *id));
        let root = self.root(at);
        let apart = self.st.tickets.get(&root).map_or([None, None], |t| t.apart);
        [Some(at), Some(root)].into_iter().chain(apart).flatten().find(has).unwrap_or(at)
    }

    fn move_filled(&mut self, ix: &Index, from: u32, to: u32, units: Dec) {
        self.book_moved(ix, from, to, units);
        for (line, units) in [(from, less(Dec::ZERO, units)), (to, units)] {
            if let Some(ls) = self.st.lines.get_mut(line as usize) {
                ls.line.add_filled(units);
            }
        }
    }

    fn unnamed<S: Sink>(&mut self, ix: &Index, o: u32, at: u32, moved: Dec, sink: &mut S) {
        let tickets = self.tickets_of(at);
        let first = !tickets.unnamed.contains_key(&o);
        let units = tickets.unnamed.entry(o).or_default();
        *units = sum(*units, moved);
        if units.is_zero() {
            tickets.unnamed.remove(&o);
        }
        if first {
            let id = self.st.orders.get(o as usize).map(|x| format!("{:?}", x.cl_ord_id));
            let what = format!(
                "a fill of order {} names no position: a close of it waits until a report, or a person, does",
                id.unwrap_or_default()
            );
            self.tell_position(ix, at, "position_unnamed", &what, sink);
        }
    }

    pub(super) fn tell_position<S: Sink>(
        &mut self,
        ix: &Index,
        at: u32,
        code: &'static str,
        what: &str,
        sink: &mut S,
    ) {
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let cfg = ix.cfg.subscriptions.get(ls.sub as usize);
        let instrument = ix.cfg.instruments.get(ls.follower_instrument as usize);
        let (follower, name) = cfg.map_or(("", ""), |c| (c.follower.as_str(), c.name.as_str()));
        let instrument = instrument.map_or("", |i| i.name.as_str());
        self.alert(code, format!("{follower}: {name} {instrument}: {what}"), sink);
    }

    /// Units of a line that no named position has, signed.
    pub(crate) fn nameless(&self, at: u32) -> Dec {
        let filled = self.st.lines.get(at as usize).map_or(Dec::ZERO, |l| l.line.filled);
        self.st.tickets.get(&at).map_or(filled, |t| less(filled, t.named()))
    }

    /// Something is held that an order of this side would close, if it named it.
    pub(super) fn holds_against(&self, at: u32, buy: bool) -> bool {
        let against = |units: Dec| if buy { units.is_negative() } else { units.is_positive() };
        let named = self.st.tickets.get(&at).is_some_and(|t| t.list.iter().any(|t| against(t.units)));
        named || against(self.nameless(at))
    }

    /// Units that live closes of a line work on one position.
    pub(super) fn works_on(&self, live: &Few, id: &PositionId) -> Dec {
        let of = |o: &u32| self.st.orders.get(*o as usize).filter(|x| x.position.as_deref() == Some(id));
        let leaves = live.iter().filter_map(of).filter(|x| x.reduces).map(crate::order::Order::leaves);
        leaves.fold(Dec::ZERO, sum)
    }

    /// A close as orders that name their positions, the oldest first. What has no name is held back: unnamed, it would
    /// open a position.
    pub(super) fn close_by_name<S: Sink>(&mut self, at: u32, close: &Draft, lane: &Lane, sink: &mut S) {
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let tickets = self.st.tickets.get(&at);
        let held = |t: &&Ticket| signed(t.units, !close.buy).is_positive();
        let free = tickets.iter().flat_map(|t| t.list.iter().filter(held)).map(|t| {
            let free = less(abs(t.units), self.works_on(&ls.live, &t.id));
            (t.id.clone(), free)
        });
        let (mut pieces, left) = pieces(free.filter(|(_, free)| free.is_positive()), close.qty, lane.grid);
        let made = self.parts.entry(at).or_default();
        pieces.truncate(usize::try_from(PARTS_MAX.saturating_sub(*made)).unwrap_or(0));
        *made = made.saturating_add(i128::try_from(pieces.len()).unwrap_or(PARTS_MAX));
        for piece in pieces {
            for qty in self.parts(at, piece.take, lane.close_max, lane.grid) {
                self.make_close(at, lane, &Draft { qty, ..*close }, &piece.id, sink);
            }
        }
        self.hold_back(at, left, sink);
    }

    fn make_close<S: Sink>(&mut self, at: u32, lane: &Lane, draft: &Draft, id: &PositionId, sink: &mut S) {
        let Some(o) = self.new_order(at, lane, draft, false, sink) else { return };
        // Two orders that differ only in what they close are two decisions.
        self.made.extend_from_slice(id);
        if let Some(order) = self.st.orders.get_mut(o as usize) {
            order.position = Some(Box::new(id.clone()));
        }
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.live.push(o);
            ls.line.add_working(draft.buy, true, draft.qty);
        }
    }

    fn hold_back<S: Sink>(&mut self, at: u32, left: Dec, sink: &mut S) {
        let tickets = self.tickets_of(at);
        let tells = left.is_positive() && !std::mem::replace(&mut tickets.told, left.is_positive());
        if tells {
            let ix = Arc::clone(&self.ix);
            let what = format!(
                "a close of {left} units waits: no report named their position, and without its name the order would \
                 open one. Close them by hand or name it with `position`"
            );
            self.tell_position(&ix, at, "close_unnamed", &what, sink);
        }
    }

    /// Positions of both sides come of late fills and busts: they net to what the ledger counts, and would stand for ever.
    /// Those of the wrong side become a line of their own whose target is zero, which closes them as any line does.
    pub(super) fn part_pairs<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, sink: &mut S) {
        let Some((ls, tickets)) = self.st.lines.get(at as usize).zip(self.st.tickets.get(&at)) else {
            return;
        };
        let any = |long: bool| tickets.list.iter().any(|t| t.units.is_positive() == long);
        if !(any(true) && any(false)) || ix.lane(ls).is_none_or(|l| l.closes != Closes::ByName) {
            return;
        }
        let root = self.root(at);
        let place = self.st.tickets.get(&root).and_then(|t| t.apart.iter().position(|x| *x == Some(at)));
        let long = match (place, ls.line.target) {
            (Some(place), _) => place == 0,
            (None, 0) => !ls.line.filled.is_positive(),
            (None, target) => target < 0,
        };
        let closing: BTreeSet<&PositionId> = (ls.live.iter())
            .filter_map(|o| self.st.orders.get(*o as usize))
            .filter_map(|x| x.position.as_deref().filter(|_| x.reduces))
            .collect();
        let wrong = |t: &&Ticket| t.units.is_positive() == long && !closing.contains(&t.id);
        let moves: Vec<Ticket> = tickets.list.iter().filter(wrong).cloned().collect();
        if moves.is_empty() {
            return; // what closes them is on its way: its report brings us here again
        }
        let Some(to) = self.apart(root, long) else { return };
        let units = moves.iter().fold(Dec::ZERO, |all, t| sum(all, t.units));
        for t in moves {
            self.tickets_of(at).add(&t.id, less(Dec::ZERO, t.units), false);
            self.tickets_of(to).add(&t.id, t.units, false);
        }
        self.move_filled(ix, at, to, units);
        let what = format!("{units} units stand beside a position of the other side: they are closed");
        self.tell_position(ix, at, "position_pair", &what, sink);
        self.work_line(ix, to, sink);
    }

    /// The line that closes what stands on the wrong side of this one.
    fn apart(&mut self, at: u32, long: bool) -> Option<u32> {
        let found = self.st.tickets.get(&at).and_then(|t| *t.apart.get(usize::from(long))?);
        if found.is_some() {
            return found;
        }
        let ls = self.st.lines.get(at as usize)?;
        let (group, sub) = (self.ix.lane(ls)?.group, ls.sub);
        let new = LineState {
            sub,
            instrument: ls.instrument,
            follower_instrument: ls.follower_instrument,
            lane: ls.lane,
            line: Line::default(),
            leader_px: ls.leader_px,
            leader_px_ns: ls.leader_px_ns,
            unquoted: ls.unquoted,
            mode: ls.mode,
            ..LineState::default()
        };
        let to = u32::try_from(self.st.lines.len()).ok()?;
        self.st.lines.push(new);
        self.st.groups.get_mut(group as usize)?.push(to);
        let follower = self.ix.subs.get(sub as usize).map(|s| s.follower);
        if let Some(lines) = follower.and_then(|f| self.st.accounts.get_mut(f as usize)) {
            lines.push(to);
        }
        self.tickets_of(to).of = Some(at);
        *self.tickets_of(at).apart.get_mut(usize::from(long))? = Some(to);
        Some(to)
    }
}

fn text(id: Option<&PositionId>) -> String {
    id.map_or("?".to_owned(), ToString::to_string)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn dealt(free: &[i64], qty: i64, min: i64) -> (Vec<i64>, i64) {
        let units = |n: &i64| Dec::from_int(*n);
        let list = (0_u8..).zip(free).map(|(n, f)| (PositionId::from_text(&[b'A' + n]).unwrap(), units(f)));
        let (out, left) = pieces(list, Dec::from_int(qty), Grid { step: Dec::ONE, min: Dec::from_int(min) });
        let whole = |d: Dec| i64::try_from(d.raw() / Dec::ONE.raw()).unwrap();
        (out.iter().map(|p| whole(p.take)).collect(), whole(left))
    }

    /// The oldest first; what no position has is left; less than a minimum lot only where it is all of a position.
    #[test]
    fn a_close_is_dealt_to_the_oldest_positions_first() {
        assert_eq!(dealt(&[3, 4, 5], 6, 1), (vec![3, 3], 0));
        assert_eq!(dealt(&[3, 4], 9, 1), (vec![3, 4], 2));
        assert_eq!(dealt(&[], 2, 1), (vec![], 2));
        assert_eq!(dealt(&[15, 50], 20, 10), (vec![10, 10], 0));
        assert_eq!(dealt(&[10, 50], 12, 10), (vec![10], 0));
        assert_eq!(dealt(&[15, 3], 18, 10), (vec![15, 3], 0));
    }
}
