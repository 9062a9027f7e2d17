//! Profit and loss when a follower's broker takes back or corrects an execution (decision 0032): what was booked goes at the
//! price that it was booked at, and what holds now comes at its own.
//!
//! Prices of executions are remembered with their order, and only while somebody guards its line.

use super::state::Counted;
use super::{Engine, Index};
use crate::action::Sink;
use crate::decimal::{Dec, Round};
use crate::leader::{Change, Counting, Trade, named_execution};
use crate::ledger::less;
use crate::report::{Kind, Report};
use crate::worth::{Pays, harmonic};

/// An execution that a report names, as it was before the report was counted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Named {
    key: u128,
    /// Units that count of it; none where its own trade report did not come yet.
    units: Option<Dec>,
    /// What it was booked at.
    px: Option<Dec>,
}

/// What a report does to the profit and loss of a line, signed units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Booking {
    /// Units that were filled, and by which execution.
    Fill(Dec, Option<Dec>, u128),
    /// Units that are taken back or added at a price of then.
    Amend(Dec, Option<Dec>),
    /// Units of an execution at a price are others at another one: what was booked is exactly undone.
    Correct(u128, [(Dec, Dec); 2]),
}

impl Booking {
    /// The same of a sale.
    fn sold(self) -> Self {
        let sold = |units| less(Dec::ZERO, units);
        match self {
            Booking::Fill(units, px, of) => Booking::Fill(sold(units), px, of),
            Booking::Amend(units, px) => Booking::Amend(sold(units), px),
            Booking::Correct(of, parts) => Booking::Correct(of, parts.map(|(units, px)| (sold(units), px))),
        }
    }
}

impl Counted {
    fn px_of(&self, key: u128) -> Option<Dec> {
        self.prices.get(&key).copied().flatten()
    }

    /// None: nobody knows it any more.
    fn remember(&mut self, key: u128, px: Option<Dec>) {
        if self.prices.insert_new(key, px).is_err()
            && let Some(known) = self.prices.get_mut(&key)
        {
            *known = px;
        }
    }
}

/// Two parts of one execution at the price at which both together cost the same.
fn average(pays: Pays, (a, a_px): (Dec, Dec), (b, b_px): (Dec, Dec)) -> Option<Dec> {
    if pays == Pays::Inverse {
        return harmonic((a, a_px), (b, b_px));
    }
    let worth = a.mul(a_px, Round::HalfEven)?.checked_add(b.mul(b_px, Round::HalfEven)?)?;
    worth.div(a.checked_add(b)?, Round::HalfEven)
}

fn price(r: &Report<'_>) -> Option<Dec> {
    r.last_px.filter(|px| px.is_positive())
}

impl Engine {
    /// What a report of an order names, where profit and loss of its line count. To be asked before it is counted.
    pub(super) fn execution_of(&self, ix: &Index, o: u32, r: &Report<'_>) -> Option<Named> {
        if ix.guards.is_empty() && ix.sub_guards.is_empty() {
            return None;
        }
        let order = self.st.orders.get(o as usize)?;
        let follower = ix.subs.get(order.sub as usize)?.follower;
        if !ix.guards.has(follower) && !ix.sub_guards.has(order.sub) {
            return None;
        }
        let nothing = Counted::default();
        let counted = self.st.fills.get(o as usize).unwrap_or(&nothing);
        let key = named_execution(&counted.seen, &counted.order, r);
        let execution = counted.seen.executions.get(&key).filter(|e| e.trade == Trade::Counted);
        (key != 0).then(|| Named { key, units: execution.map(|e| e.qty), px: counted.px_of(key) })
    }

    /// Books what a report changed, before the books move, and remembers the price of what it names.
    pub(super) fn book_report<S: Sink>(
        &mut self,
        ix: &Index,
        o: u32,
        (r, counting): (&Report<'_>, &Counting),
        (change, named): (Change, Option<Named>),
        sink: &mut S,
    ) {
        let px = price(r);
        let booking = match change {
            Change::Fill { qty, .. } => Some(Booking::Fill(qty, px, named.map_or(0, |n| n.key))),
            Change::Bust { delta } => Some(amended(r, delta, named)),
            Change::None if r.kind == Kind::Correct && px.is_some() => {
                Some(amended(r, Dec::ZERO, named)).filter(|b| matches!(b, Booking::Correct(..)))
            }
            _ => None,
        };
        let order = self.st.orders.get(o as usize).map(|x| (x.line, x.buy));
        if let Some((booking, (at, buy))) = booking.zip(order) {
            self.book_pnl(ix, at, if buy { booking } else { booking.sold() });
        }
        let Some(named) = named.filter(|_| !matches!(change, Change::Duplicate | Change::Overflow)) else {
            return;
        };
        if r.kind == Kind::Correct && px.is_some() && named.units.is_some() && named.px.is_none() {
            let id = String::from_utf8_lossy(r.cl_ord_id).into_owned();
            let text = format!("{id}: nobody knows the price of what its broker corrects: see its equity");
            self.alert("correction_unpriced", text, sink);
        }
        let pays = order.map_or(Pays::Linear, |(at, _)| self.pays_of_line(ix, at));
        self.remember_px(o, r, (counting, pays), named);
    }

    fn remember_px(&mut self, o: u32, r: &Report<'_>, (counting, pays): (&Counting, Pays), named: Named) {
        let px = price(r);
        let Some(counted) = self.st.fills.get_mut(o as usize) else { return };
        match (r.kind, named.units) {
            (Kind::Correct, _) if px.is_some() => counted.remember(named.key, px),
            // Its correction came first, and said the price.
            (Kind::Trade, None) if named.px.is_some() => {}
            (Kind::Trade, None) => counted.remember(named.key, px),
            // A venue that repeats an ExecID on real fills: what can be taken back is the sum.
            (Kind::Trade, Some(units)) => {
                let last = counting.in_units(r.last_qty);
                let both = |((before, px), last)| average(pays, (units, before), (last, px));
                counted.remember(named.key, named.px.zip(px).zip(last).and_then(both));
            }
            _ => {}
        }
    }
}

/// How what a report takes back or corrects is booked.
fn amended(r: &Report<'_>, delta: Dec, named: Option<Named>) -> Booking {
    let (px, known) = (price(r), named.and_then(|n| n.px));
    let booked = named.and_then(|n| Some((n.key, n.units?, n.px?))).filter(|_| r.kind == Kind::Correct);
    let Some((key, units, old)) = booked else { return Booking::Amend(delta, known.or(px)) };
    match units.checked_add(delta) {
        Some(left) => Booking::Correct(key, [(units, old), (left, px.unwrap_or(old))]),
        None => Booking::Amend(delta, None),
    }
}
