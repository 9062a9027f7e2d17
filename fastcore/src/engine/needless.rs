//! Closes that an increase of the leader has made needless. Until their cancel is answered they may fill after all: what
//! is wanted again then was asked for by that increase, and has its window (design 02, step 3c).

use super::windows::{self, Windows};
use super::{LineState, lines::signed};
use crate::decimal::Dec;
use crate::ledger::Line;

/// What is held on one side, and what works against it; units without sign.
fn held(line: &Line, long: bool) -> (Dec, Dec) {
    let (held, against) = if long {
        (line.filled, line.working_sell)
    } else {
        (Dec::from_raw(line.filled.raw().saturating_neg()), line.working_buy)
    };
    (held.max(Dec::ZERO), against)
}

/// Signed units that would be wanted beside those that are, if all that works against the position filled.
fn needless(line: &Line, desired: Dec) -> Dec {
    let long = !desired.is_negative();
    let (held, against) = held(line, long);
    let lacking = |held: i128| desired.raw().saturating_abs().saturating_sub(held.max(0)).max(0);
    let then = lacking(held.raw().saturating_sub(against.raw()));
    signed(Dec::from_raw(then.saturating_sub(lacking(held.raw()))), long)
}

impl LineState {
    /// After a plan: what became needless has the window of the increase that is being worked, and what is not needless
    /// any more is taken from the newest.
    pub(super) fn note_needless(&mut self, desired: Dec, newest_ns: i64) {
        windows::trim(&mut self.needless, needless(&self.line, desired), newest_ns);
    }

    /// After a fill of `units`: those that a needless close took wait in their windows. A close that filled after its end
    /// or beyond its quantity took what no window waits for: `otherwise_ns` is the end of its window.
    pub(super) fn take_needless(&mut self, units: Dec, otherwise_ns: Option<i64>) {
        let mut taken = Dec::ZERO;
        if let Some(first) = self.needless.first() {
            let (held, against) = held(&self.line, first.1.is_positive());
            // What is still to be closed was closed first.
            taken = hand_over(&mut self.needless, &mut self.waiting, held.min(against));
        }
        if let Some(until) = otherwise_ns {
            windows::insert(&mut self.waiting, until, units.checked_sub(taken).unwrap_or(units));
        }
    }
}

/// Moves the oldest units over until `keep` are left; what was moved, signed.
fn hand_over(from: &mut Windows, to: &mut Windows, keep: Dec) -> Dec {
    let total = from.iter().fold(0_i128, |sum, w| sum.saturating_add(w.1.raw()));
    let moved = total.saturating_abs().saturating_sub(keep.raw()).max(0);
    let mut left = moved;
    for w in from.iter_mut() {
        let part = left.min(w.1.raw().saturating_abs());
        left = left.saturating_sub(part);
        let part = signed(Dec::from_raw(part), total > 0);
        windows::insert(to, w.0, part);
        w.1 = w.1.checked_sub(part).unwrap_or(Dec::ZERO);
    }
    from.retain(|w| !w.1.is_zero());
    signed(Dec::from_raw(moved), total > 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dec(n: i64) -> Dec {
        Dec::from_int(n)
    }

    fn line(filled: i64, buys: i64, sells: i64) -> Line {
        let (filled, working_buy, working_sell) = (dec(filled), dec(buys), dec(sells));
        Line { filled, working_buy, working_sell, ..Line::default() }
    }

    /// Needless is what works against the position beyond what still has to be closed.
    #[test]
    fn needless_is_what_the_target_would_lack_again() {
        for (filled, buys, sells, desired, wanted) in [
            (5, 0, 5, 5, 5),
            (5, 0, 5, 3, 3),
            (5, 0, 2, 3, 0),
            (5, 0, 5, 8, 5),
            (5, 0, 8, 5, 5), // 3 of the sells were to cross zero
            (5, 0, 5, 0, 0),
            (5, 0, 5, -3, 0),
            (-5, 5, 0, -5, -5),
            (-3, 0, 2, 5, 0), // sells that open lose nothing that a buyer wants
        ] {
            let found = needless(&line(filled, buys, sells), dec(desired));
            assert_eq!(found, dec(wanted), "{filled} {buys} {sells} {desired}");
        }
    }

    /// The oldest goes first, and keeps its window.
    #[test]
    fn what_is_handed_over_keeps_its_window() {
        let (mut from, mut to) = (vec![(10, dec(-3)), (20, dec(-4))], vec![(15, dec(-1))]);
        assert_eq!(hand_over(&mut from, &mut to, dec(2)), dec(-5));
        assert_eq!(from, [(20, dec(-2))]);
        assert_eq!(to, [(10, dec(-3)), (15, dec(-1)), (20, dec(-2))]);
        assert_eq!(hand_over(&mut from, &mut to, dec(9)), dec(0));
    }

    proptest! {
        /// However the sells fill, what the fills hand over is what became wanted by them: nothing is left for the
        /// window of a trade that asked for something else.
        #[test]
        fn fills_hand_over_what_they_make_wanted(
            held in 0_i64..20, sells in 0_i64..30, desired in 0_i64..30,
            fills in prop::collection::vec(1_i64..6, 1..12),
        ) {
            let ls = &mut LineState { line: line(held, 0, sells), ..LineState::default() };
            let lacking = |filled: Dec| (dec(desired).checked_sub(filled.max(Dec::ZERO)).unwrap()).max(Dec::ZERO);
            let (mut left, before) = (sells, lacking(ls.line.filled));
            ls.note_needless(dec(desired), 7);
            for qty in fills {
                let qty = qty.min(left);
                left -= qty;
                ls.line.add_filled(dec(-qty));
                ls.line.add_working(false, false, dec(-qty));
                ls.take_needless(dec(qty), None);
                let handed = ls.waiting.iter().fold(Dec::ZERO, |s, w| s.checked_add(w.1).unwrap());
                prop_assert_eq!(before.checked_add(handed).unwrap(), lacking(ls.line.filled));
                let kept = ls.needless.clone();
                ls.note_needless(dec(desired), 9);
                prop_assert_eq!(&ls.needless, &kept, "nothing else becomes needless by a fill");
            }
        }
    }
}
