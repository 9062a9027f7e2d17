//! What a close leaves to mirrors that close and may still fill: it follows when they are cut down, so that no lot is closed
//! twice (decision 0017, 4).

use super::settle::{Closing, led};
use super::{Given, Mirror, parts};
use crate::decimal::Dec;
use crate::engine::lanes::Lane;
use crate::engine::lines::whole_steps;
use crate::engine::{Engine, LineState};
use crate::ledger::{abs, quanta};
use crate::order::State;

impl Engine {
    /// What the target is moved by while the line is worked.
    pub(super) fn shift(&self, at: u32, list: &[Mirror], given: &Given) -> i128 {
        let Some(ls) = self.st.lines.get(at as usize) else { return 0 };
        let Some(lane) = self.ix.lane(ls) else { return 0 };
        let led = led(list, ls.line.target, given);
        let side = i128::from(ls.line.filled.signum());
        let floor = self.left_to_mirrors(ls, lane, list, led, given);
        // Nothing is left to one: the line is worked as any, also across zero.
        let waits = floor > 0 && led.saturating_mul(side) < floor;
        let worked = if waits { side.saturating_mul(floor) } else { led };
        worked.saturating_sub(ls.line.target)
    }

    /// Quanta that stay held for them, without sign. Mirrors are alternatives: what counts is the largest.
    fn left_to_mirrors(
        &self,
        ls: &LineState,
        lane: &Lane,
        list: &[Mirror],
        led: i128,
        given: &Given,
    ) -> i128 {
        let held = ls.line.filled;
        let closing = Closing::of(list, &ls.line, led, lane, given);
        let (mut most, mut over) = (Dec::ZERO, Dec::ZERO);
        for n in (0..list.len()).filter(|n| list.get(*n).is_some_and(|m| m.part == 0)) {
            let Some(m) = parts::whole(list, n) else { continue };
            let open = self.open_to_close(list, m.key, held, given);
            let rest = whole_steps(closing.rest(&m, given), given.grid);
            let rest = if rest < given.grid.min { Dec::ZERO } else { rest };
            most = most.max(open);
            over = over.max(open.checked_sub(rest).unwrap_or(Dec::ZERO));
        }
        let all = quanta(abs(held), given.grid).unwrap_or(0);
        let floor = quanta(most, given.grid).unwrap_or(0);
        if over.is_zero() {
            return floor.min(all);
        }
        // What one has open beyond what it is to have may fill before it is cut: then it is the close that is wanted. A close
        // that works already is not taken back for it.
        let working = if held.is_positive() { ls.line.closing_sell } else { ls.line.closing_buy };
        let free = all.saturating_sub(quanta(working, given.grid).unwrap_or(0));
        let kept = led.saturating_mul(i128::from(held.signum())).max(0);
        let kept = kept.saturating_add(quanta(over, given.grid).unwrap_or(0)).min(free);
        floor.max(kept).min(all)
    }

    /// Units of what is held that orders of a mirror may still close. One whose outcome is not known holds every close back by
    /// itself, and that is told. One that has not left is taken back, and holds nothing back.
    fn open_to_close(&self, list: &[Mirror], key: u128, held: Dec, given: &Given) -> Dec {
        let mine = list.iter().filter(|m| m.key == key && m.live && m.buy == held.is_negative());
        let orders = mine.filter_map(|m| Some((m, self.st.orders.get(*m.orders.last()? as usize)?)));
        let closes = orders.filter(|(m, o)| {
            (!m.opens(given.position) || o.reduces) && !matches!(o.state, State::Unknown | State::Held)
        });
        closes.fold(Dec::ZERO, |sum, (m, o)| sum.checked_add(m.open(o)).unwrap_or(sum))
    }
}
