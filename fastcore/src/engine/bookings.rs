//! Profit and loss of guarded followers, line by line, as fills come, are taken back, or go from one line to another.

use super::corrections::Booking;
use super::guards::DUE_GUARD;
use super::{Engine, Index};
use crate::decimal::Dec;
use crate::ledger::less;

impl Engine {
    /// Counts a fill of a line, or what is taken back or corrected, before the books move: units at the broker's price.
    pub(super) fn book_pnl(&mut self, ix: &Index, at: u32, booking: Booking) {
        if !ix.sub_guards.is_empty() {
            self.book_sub_order(ix, at, booking);
        }
        let Some((follower, held)) = self.held_by(ix, at) else { return };
        let now = self.st.at_ns;
        let known = match booking {
            Booking::Fill(units, px, _) => {
                px.map(|px| (px, now)).or_else(|| self.mark(ix, at, units, self.oldest_ns(ix, follower)))
            }
            _ => None,
        };
        let pays = self.pays_of_line(ix, at);
        let Some(pnl) = self.st.pnl.get_or_default(at) else { return };
        match (booking, known) {
            (Booking::Fill(units, told, of), Some((px, at_ns))) => {
                pnl.book(pays, held, units, px, at_ns);
                pnl.px_of = told.map_or(0, |_| of);
            }
            // What is held waits for a price of now, and this is one of then.
            (Booking::Amend(..) | Booking::Correct(..), _) if pnl.waits_since_ns.is_some() => {
                pnl.unknown = true;
            }
            (Booking::Amend(units, Some(px)), _) => pnl.take_back(pays, held, units, px),
            (Booking::Correct(of, parts), _) => pnl.correct(pays, held, of, parts),
            // What is taken back had a price of its own.
            (Booking::Fill(..) | Booking::Amend(_, None), _) => pnl.unknown = true,
        }
        self.st.due.insert((now, DUE_GUARD, follower));
    }

    /// Units that a line holds from now on without a fill: bought, or sold, at what they are worth now.
    pub(super) fn book_at_mark(&mut self, ix: &Index, at: u32, units: Dec) {
        self.book_sub(ix, at, units, None);
        let Some((follower, _)) = self.held_by(ix, at) else { return };
        let known = self.mark(ix, at, units, self.oldest_ns(ix, follower));
        self.book_at(ix, at, units, known);
    }

    /// Units are about to go from one line of a follower to another one of its instrument: sold and bought at one price,
    /// so that nothing is won or lost by it.
    pub(super) fn book_moved(&mut self, ix: &Index, from: u32, to: u32, units: Dec) {
        let out = less(Dec::ZERO, units);
        if !ix.sub_guards.is_empty() {
            let px = self.sub_mark(ix, from, units).map(|(px, _)| px);
            self.book_sub(ix, from, out, px);
            self.book_sub(ix, to, units, px);
        }
        let Some((follower, _)) = self.held_by(ix, from) else { return };
        let known = self.mark(ix, from, units, self.oldest_ns(ix, follower));
        self.book_at(ix, from, out, known);
        self.book_at(ix, to, units, known);
    }

    fn book_at(&mut self, ix: &Index, at: u32, units: Dec, known: Option<(Dec, i64)>) {
        let Some((follower, held)) = self.held_by(ix, at) else { return };
        let pays = self.pays_of_line(ix, at);
        let Some(pnl) = self.st.pnl.get_or_default(at) else { return };
        match known {
            Some((px, at_ns)) => pnl.book(pays, held, units, px, at_ns),
            None => pnl.unknown = true,
        }
        self.st.due.insert((self.st.at_ns, DUE_GUARD, follower));
    }

    /// The guarded follower of a line, and what the line holds.
    fn held_by(&self, ix: &Index, at: u32) -> Option<(u32, Dec)> {
        let follower = self.follower_of_line(ix, at)?;
        ix.guards.has(follower).then_some((follower, self.held(at)))
    }
}
