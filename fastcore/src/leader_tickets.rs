//! Positions of a hedging leader, side by side at his broker, by the names that reports give them (decision 0029). Pure.
//!
//! He is copied by his net, and nothing here decides about that: this is a second book beside it, which says what the net
//! consists of, and finds what does not fit. So whatever is odd here is told, and copying goes on.

use crate::decimal::Dec;
use crate::ledger::{less, sum};
use crate::order::{POSITION_ID_MAX, PositionId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};

/// Orders whose age one report looks at: more than it adds, so that what is remembered comes down to what is young.
const AT_ONCE: usize = 2;

/// Signed units by the names of their positions; what holds nothing is not there.
pub type Named = BTreeMap<PositionId, Dec>;

/// A leader's positions of one instrument.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaderTickets {
    held: Named,
    /// Sum of what is held.
    sum: Dec,
    /// What the reports of an order named, by the order, while it is young.
    orders: BTreeMap<u128, Of>,
    /// The same orders by age, the oldest first.
    aging: VecDeque<(i64, u128)>,
    /// It was told that units have no name.
    told: bool,
    /// What his broker said last, where that is not what we hold.
    said: Option<Said>,
    /// Questions in a row whose answer did not settle that.
    asks: u8,
}

/// What is remembered of one order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Of {
    /// The position that its reports named last.
    position: Option<PositionId>,
    /// They named several: a fill without a name is nobody's then.
    several: bool,
    /// Signed units whose reports named none.
    unnamed: Dec,
    last_ns: i64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Said {
    named: Named,
    /// Executions of the leader that were counted then.
    executions: u64,
}

/// What a fill, or one that is taken back, did to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    /// It moved the position that it belongs to.
    Named,
    /// Nobody knows which position it belongs to.
    Unnamed,
    /// It took more from a position than that held: what is left stands on the other side.
    Turned {
        /// Signed units before.
        before: Dec,
        /// Signed units after.
        after: Dec,
    },
}

/// A position that two books have otherwise: its name, our units, theirs.
pub type Difference = (PositionId, Dec, Dec);

/// The name that a text is; none where it is empty or longer than any that is kept.
#[must_use]
pub fn name(text: &[u8]) -> Option<&[u8]> {
    (1..=POSITION_ID_MAX).contains(&text.len()).then_some(text)
}

impl LeaderTickets {
    /// What is held by name.
    #[must_use]
    pub fn held(&self) -> &Named {
        &self.held
    }

    /// Signed units of one position; 0 where there is none.
    #[must_use]
    pub fn units(&self, id: &[u8]) -> Dec {
        self.held.get(id).copied().unwrap_or(Dec::ZERO)
    }

    /// Signed units of a net that no position has: the rest, so that positions and rest are the net whatever happens.
    #[must_use]
    pub fn unnamed(&self, net: Dec) -> Dec {
        less(net, self.sum)
    }

    /// Orders that are remembered.
    #[must_use]
    pub fn remembered(&self) -> usize {
        self.orders.len()
    }

    /// Nothing is held, and nothing is remembered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// A fill, or what a bust or correction changes: signed units of the position that its report names, else of the one
    /// that its order's reports named. Units of one name add up in any order: a close may be told before its open.
    pub fn moved(&mut self, order: u128, said: Option<&[u8]>, units: Dec, now_ns: i64) -> Moved {
        self.noted(order, said, now_ns);
        let Some(of) = self.orders.get_mut(&order) else { return Moved::Unnamed };
        let own = of.position.clone().filter(|_| said.is_none() && !of.several);
        match said.or(own.as_deref()) {
            Some(id) => self.add(id, units),
            None => {
                of.unnamed = sum(of.unnamed, units);
                Moved::Unnamed
            }
        }
    }

    /// What a report calls the position of its order. Units of the order that had no name get this one.
    pub fn noted(&mut self, order: u128, said: Option<&[u8]>, now_ns: i64) {
        let aging = &mut self.aging;
        let of = self.orders.entry(order).or_insert_with(|| {
            aging.push_back((now_ns, order));
            Of::default()
        });
        of.last_ns = now_ns;
        let Some(id) = said else { return };
        if of.position.as_deref() != Some(id) {
            of.several |= of.position.is_some();
            of.position = PositionId::from_text(id);
        }
        if !of.several {
            let units = std::mem::take(&mut of.unnamed);
            self.add(id, units);
        }
    }

    fn add(&mut self, id: &[u8], units: Dec) -> Moved {
        self.sum = sum(self.sum, units);
        let Some(held) = self.held.get_mut(id) else {
            if let Some(id) = PositionId::from_text(id).filter(|_| !units.is_zero()) {
                self.held.insert(id, units);
            }
            return Moved::Named;
        };
        let (before, after) = (*held, sum(*held, units));
        *held = after;
        if after.is_zero() {
            self.held.remove(id);
        }
        let turned = before.is_positive() == after.is_negative() && !after.is_zero();
        if turned { Moved::Turned { before, after } } else { Moved::Named }
    }

    /// Gives back what is remembered of orders that nobody mentioned since; a few at a time.
    pub fn forget_old(&mut self, before_ns: i64) {
        for _ in 0..AT_ONCE {
            let Some((_, order)) = self.aging.front().copied().filter(|(at_ns, _)| *at_ns < before_ns) else {
                return;
            };
            self.aging.pop_front();
            match self.orders.get(&order).map(|of| of.last_ns) {
                Some(last_ns) if last_ns >= before_ns => self.aging.push_back((last_ns, order)),
                _ => drop(self.orders.remove(&order)),
            }
        }
    }

    /// True once, until the units that have no name have one.
    pub fn tells_unnamed(&mut self) -> bool {
        !std::mem::replace(&mut self.told, true)
    }

    /// Notes what his broker says. True: it said the same before, and nothing was executed between.
    pub fn hear(&mut self, named: Named, executions: u64) -> bool {
        let said = Some(Said { named, executions });
        let again = self.said == said;
        self.said = said;
        again
    }

    /// What his broker said last and we hold otherwise, by name.
    #[must_use]
    pub fn differences(&self) -> Vec<Difference> {
        let Some(said) = &self.said else { return Vec::new() };
        let theirs = |id: &PositionId| said.named.get(id).copied().unwrap_or(Dec::ZERO);
        let ours = self.held.iter().map(|(id, ours)| (id.clone(), *ours, theirs(id)));
        let more = said.named.iter().filter(|(id, _)| !self.held.contains_key(*id));
        ours.filter(|(_, ours, theirs)| ours != theirs)
            .chain(more.map(|(id, theirs)| (id.clone(), Dec::ZERO, *theirs)))
            .collect()
    }

    /// What his broker said last is what we hold, by name.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.said.as_ref().is_none_or(|said| said.named == self.held)
    }

    /// What his broker said last is what is held, by name: nothing is open between the books any more.
    pub fn settled(&mut self) {
        (self.said, self.told, self.asks) = (None, false, 0);
        // Whose they were is in what was said: a later report must not name them a second time.
        self.orders.values_mut().for_each(|of| of.unnamed = Dec::ZERO);
    }

    /// What his broker said last is what is held from now on.
    pub fn take_over(&mut self) {
        let Some(said) = self.said.take() else { return };
        self.sum = said.named.values().fold(Dec::ZERO, |all, units| sum(all, *units));
        self.held = said.named;
        self.settled();
    }

    /// One question more that did not settle what differs: how many there were.
    pub fn asked(&mut self) -> u8 {
        self.asks = self.asks.saturating_add(1);
        self.asks
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn u(n: i64) -> Dec {
        Dec::from_int(n)
    }

    fn held(t: &LeaderTickets) -> Vec<(String, Dec)> {
        t.held().iter().map(|(id, units)| (id.to_string(), *units)).collect()
    }

    fn is(t: &LeaderTickets, of: &[(&str, i64)]) {
        assert_eq!(held(t), of.iter().map(|(id, n)| ((*id).to_owned(), u(*n))).collect::<Vec<_>>());
    }

    /// A position that is closed is gone, and one that stands beside it is not touched.
    #[test]
    fn a_pair_stands_side_by_side_and_what_is_closed_is_gone() {
        let mut t = LeaderTickets::default();
        assert_eq!(t.moved(1, Some(b"A"), u(10), 0), Moved::Named);
        assert_eq!(t.moved(2, Some(b"B"), u(-10), 0), Moved::Named);
        assert_eq!(t.unnamed(u(0)), u(0));
        is(&t, &[("A", 10), ("B", -10)]);
        t.moved(3, Some(b"B"), u(5), 0);
        t.moved(4, Some(b"A"), u(-10), 0);
        is(&t, &[("B", -5)]);
        assert_eq!(t.unnamed(u(-5)), u(0));
    }

    /// Units of a name add up whatever comes first: no order of reports leaves anything behind.
    #[test]
    fn a_close_may_be_told_before_its_open() {
        let mut t = LeaderTickets::default();
        t.moved(2, Some(b"A"), u(-10), 0);
        is(&t, &[("A", -10)]);
        assert_eq!(t.moved(1, Some(b"A"), u(10), 0), Moved::Named);
        is(&t, &[]);
    }

    /// More taken than held is told, and counted: a later report, or the broker's word, puts it right.
    #[test]
    fn a_position_that_turns_is_told() {
        let mut t = LeaderTickets::default();
        t.moved(1, Some(b"A"), u(10), 0);
        let turned = Moved::Turned { before: u(10), after: u(-5) };
        assert_eq!(t.moved(2, Some(b"A"), u(-15), 0), turned);
        is(&t, &[("A", -5)]);
        assert_eq!(t.unnamed(u(-5)), u(0));
        assert_eq!(t.moved(3, Some(b"A"), u(-1), 0), Moved::Named, "once for each crossing");
    }

    /// What a report does not name is its order's, if that was one position; else it is nobody's, until a report names it.
    #[test]
    fn units_without_a_name_are_their_orders_or_nobodys() {
        let mut t = LeaderTickets::default();
        t.moved(1, Some(b"A"), u(4), 0);
        assert_eq!(t.moved(1, None, u(6), 0), Moved::Named);
        is(&t, &[("A", 10)]);
        assert_eq!(t.moved(2, None, u(3), 0), Moved::Unnamed);
        assert_eq!(t.unnamed(u(13)), u(3));
        t.noted(2, Some(b"B"), 0);
        is(&t, &[("A", 10), ("B", 3)]);
        t.noted(2, Some(b"B"), 0);
        is(&t, &[("A", 10), ("B", 3)]);
        t.moved(2, Some(b"C"), u(1), 0);
        assert_eq!(t.moved(2, None, u(1), 0), Moved::Unnamed, "it has two");
        t.noted(2, Some(b"C"), 0);
        assert_eq!(t.unnamed(u(15)), u(1));
    }

    /// What orders named is given back when nobody mentioned them for as long as orders are kept; what is held stays.
    #[test]
    fn what_old_orders_named_is_given_back() {
        let mut t = LeaderTickets::default();
        for n in 0..1_000_i64 {
            t.moved(u128::try_from(n).unwrap(), Some(b"A"), u(1), n);
            t.forget_old(n - 10);
        }
        assert!(t.remembered() <= 11, "{}", t.remembered());
        is(&t, &[("A", 1_000)]);
        let mut t = LeaderTickets::default();
        for n in 0..100_i64 {
            t.moved(7, Some(b"A"), u(1), n);
            t.forget_old(n - 10);
        }
        assert_eq!(t.remembered(), 1, "mentioned all the time");
    }

    /// Two answers agree only where nothing was executed between them; what is taken over has its names.
    #[test]
    fn what_is_said_twice_is_taken_over() {
        let mut t = LeaderTickets::default();
        t.moved(1, None, u(10), 0);
        let theirs = || Named::from([(PositionId::from_text(b"A").unwrap(), u(10))]);
        assert!(!t.hear(theirs(), 1));
        assert!(!t.hear(theirs(), 2), "an execution between");
        assert!(t.hear(theirs(), 2));
        assert_eq!(t.differences(), [(PositionId::from_text(b"A").unwrap(), u(0), u(10))]);
        t.take_over();
        is(&t, &[("A", 10)]);
        t.noted(1, Some(b"A"), 0);
        is(&t, &[("A", 10)]);
        assert!(t.agrees() && t.differences().is_empty());
    }
}
