//! What mirrors have open: entered like any other order.

use super::Mirror;
use crate::decimal::Dec;
use crate::engine::{Engine, LineState};
use crate::order::Order;

impl Engine {
    /// Units that a line's mirrors have open.
    pub(crate) fn mirrored(&self, at: u32) -> Dec {
        self.open_of(at, |_, _| true)
    }

    /// Units that mirrors have open on one side, of one subscription or of all, where lines are one instrument at the
    /// follower: entered like any other order.
    pub(in crate::engine) fn mirrors_entered(&self, group: u32, buy: bool, of: Option<u32>) -> Dec {
        if self.st.mirrors.is_empty() {
            return Dec::ZERO;
        }
        let lines = self.st.groups.get(group as usize).map_or(&[][..], |lines| lines.as_slice());
        let counted = |at: &&u32| {
            self.st.lines.get(**at as usize).is_some_and(|l: &LineState| of.is_none_or(|sub| l.sub == sub))
        };
        let entered = lines.iter().filter(counted).map(|at| self.mirrors_entered_at(*at, buy));
        entered.fold(Dec::ZERO, |sum, units| sum.checked_add(units).unwrap_or(sum))
    }

    /// The same of one line.
    pub(in crate::engine) fn mirrors_entered_at(&self, at: u32, buy: bool) -> Dec {
        self.open_of(at, |m, o| m.buy == buy && !o.reduces)
    }

    /// Units of one side that a line's mirrors have open, closes too.
    pub(in crate::engine) fn mirrors_at_work(&self, at: u32, buy: bool) -> Dec {
        self.open_of(at, |m, _| m.buy == buy)
    }

    /// Units that those of a line's mirrors have open which are meant.
    fn open_of(&self, at: u32, meant: impl Fn(&Mirror, &Order) -> bool) -> Dec {
        let live = self.st.mirrors.of(at).iter().filter(|m| m.live);
        let orders = live.filter_map(|m| Some((m, self.st.orders.get(*m.orders.last()? as usize)?)));
        let open = orders.filter(|(m, o)| meant(m, o)).map(|(m, o)| m.open(o));
        open.fold(Dec::ZERO, |sum, units| sum.checked_add(units).unwrap_or(sum))
    }

    /// What the leader's orders that a line mirrors on one side may still fill, leader units.
    pub(in crate::engine) fn mirrored_of(&self, at: u32, buy: bool, position: Dec) -> Dec {
        let mirrors = self.st.mirrors.of(at).iter();
        // Each part of a mirror knows the leader's order: it counts once.
        let opens = mirrors.filter(|m| m.part == 0 && m.buy == buy && m.opens(position) && !m.barred);
        opens.fold(Dec::ZERO, |sum, m| sum.checked_add(m.left).unwrap_or(sum))
    }

    /// Orders of a line's mirrors that are not done.
    pub(in crate::engine) fn mirrors_live(&self, at: u32) -> usize {
        self.st.mirrors.of(at).iter().filter(|m| m.live).count()
    }
}
