//! Mirrors of a leader's working orders (`copy = "orders"`; design 02, "What is copied", and decision 0017).
//!
//! A mirror is a leader's order at one follower. Its fills and the leader's need not come at the same time, so a ledger
//! line has for each mirror how far its fills are `ahead` of what the leader's moved the target by. The line is worked
//! for the target and all that its mirrors may be ahead or behind: to it, a mirror that will fill is none of its business.

mod capped;
mod closed;
mod entered;
mod entry;
mod leader;
mod left;
mod orders;
mod parts;
mod settle;
mod tell;
mod work;

use entry::Entry;
pub(super) use settle::Given;

use crate::decimal::Dec;
use crate::ledger::{less, sum};
use crate::mirror::Terms;
use crate::mirrored::Said;
use crate::order::{ClOrdId, Order};
use crate::sizing::Rule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A leader's order at one follower.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mirror {
    /// The leader's order.
    pub key: u128,
    /// Which of its orders this is: what the venue takes at once may be less than it is worth. What is said of the leader's
    /// order is kept in all, what the mirror is ahead by and has lost in the first, 0.
    pub part: u32,
    /// Units of a close that no order is for, as far as that was told.
    pub short: Dec,
    /// It is a close that the broker's position makes smaller; that was told.
    pub capped: bool,
    /// Journal row in which it began.
    pub begun: u64,
    /// The newest report of the leader's order; all that mirror it share one.
    #[serde(with = "shared")]
    pub said: Arc<Said>,
    /// The leader buys.
    pub leader_buy: bool,
    /// The follower buys.
    pub buy: bool,
    /// It began as a close of the leader's position: it never opens one.
    pub closing: bool,
    /// What the leader's order is worth, frozen when it began.
    pub rule: Rule,
    /// The leader's terms.
    pub terms: Terms,
    /// What the leader's order may still fill, leader units.
    pub left: Dec,
    /// When the leader's order ended; 0: it works.
    pub ended_ns: i64,
    /// Until when the newest increase that came from it may be opened.
    pub until_ns: i64,
    /// What the target gained by it, quanta without sign.
    pub counted: i128,
    /// Quanta that its fills are ahead of the target, in its direction; negative: behind.
    pub ahead: i128,
    /// Quanta that limits refused, which nothing opens any more.
    pub refused: i128,
    /// Quanta that a reject refused: what of them the leader has not filled is asked for again when he changes his order.
    pub rejected: i128,
    /// Quanta of what it is behind that a reject refused, and that the leader had filled when he changed his order: given up.
    pub gone: i128,
    /// Its order ended, and we had not asked for that: there is none again before the leader changes his.
    pub lost: bool,
    /// Nothing that it fills counts for the leader's order any more: a guard closed all, or its subscription has left.
    pub barred: bool,
    /// A stop cancels it, or did: what the leader fills meanwhile is given up.
    pub stopped: bool,
    /// Orders of ours, the newest last: a late fill of an older one is its fill too.
    pub orders: Vec<u32>,
    /// The newest of them may still fill.
    pub live: bool,
    /// We asked for the end of the newest.
    pub ours: bool,
    /// Terms of the newest.
    pub has: Option<Terms>,
    /// The newest request to replace it.
    pub replace: Option<Replace>,
    /// The largest OrderQty(38) of requests to replace it that nobody has answered, units; zero: there are none.
    pub unanswered: Dec,
    /// The broker has refused to replace it.
    pub irreplaceable: bool,
    /// The ClOrdID(11) that the broker knows it by now; none: its own.
    pub name: Option<ClOrdId>,
    /// The ClOrdID(11) that it is asked for by, where the broker does not know that one; none: that one.
    pub asked_as: Option<ClOrdId>,
}

/// In a snapshot each mirror has the report for itself.
mod shared {
    use super::{Arc, Said};
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(said: &Arc<Said>, to: S) -> Result<S::Ok, S::Error> {
        Said::serialize(said, to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Arc<Said>, D::Error> {
        Said::deserialize(from).map(Arc::new)
    }
}

/// A request to replace an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replace {
    /// Its ClOrdID(11).
    pub id: ClOrdId,
    /// OrderQty(38) that it asks for, units.
    pub qty: Dec,
    /// Terms that it asks for.
    pub terms: Terms,
    /// The largest OrderQty(38) of those before it that nobody has answered, units; zero: there are none.
    pub before: Dec,
}

impl Mirror {
    /// Units that its newest order may still fill, as far as anybody knows: a replace that is not answered may have been
    /// accepted, and what was taken back may work again.
    #[must_use]
    pub fn open(&self, order: &Order) -> Dec {
        if order.state.is_done() {
            return Dec::ZERO;
        }
        let leaves = order.leaves().max(less(self.unanswered, order.cum));
        sum(leaves, order.busted)
    }
}

/// Every mirror, by ledger line.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Mirrors {
    lines: BTreeMap<u32, Vec<Mirror>>,
    /// Entries of leaders with mirrors, by leader and instrument.
    entries: BTreeMap<(u32, u32), Entry>,
}

impl Mirrors {
    /// There are none: nothing of this costs anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// A leader's average entry means nothing any more.
    pub(in crate::engine) fn forget_entry(&mut self, leader: u32, instrument: u32) {
        self.entries.remove(&(leader, instrument));
    }

    /// Entries of leaders whom nobody mirrors any more are not kept up.
    pub(in crate::engine) fn keep_entries(&mut self, mirrored: &[bool]) {
        self.entries.retain(|(leader, _), _| mirrored.get(*leader as usize) == Some(&true));
    }

    /// Those of a line.
    #[must_use]
    pub fn of(&self, line: u32) -> &[Mirror] {
        self.lines.get(&line).map_or(&[], Vec::as_slice)
    }

    /// Nothing that a line's mirrors fill, or have filled, could count twice beside a target that is set anew: they only
    /// close what is held, and none is ahead.
    #[must_use]
    pub fn at_rest(&self, line: u32) -> bool {
        self.of(line).iter().all(|m| m.closing && m.ahead == 0)
    }

    /// No order of a line's mirrors may still fill, and none is ahead or behind.
    #[must_use]
    pub fn idle(&self, line: u32) -> bool {
        self.at_rest(line) && self.of(line).iter().all(|m| !m.live)
    }

    /// All, with their lines.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &Mirror)> {
        self.lines.iter().flat_map(|(line, list)| list.iter().map(|m| (*line, m)))
    }

    fn take(&mut self, line: u32) -> Option<Vec<Mirror>> {
        self.lines.remove(&line)
    }

    fn put(&mut self, line: u32, list: Vec<Mirror>) {
        if !list.is_empty() {
            self.lines.insert(line, list);
        }
    }

    fn list_mut(&mut self, line: u32) -> &mut [Mirror] {
        self.lines.get_mut(&line).map_or(&mut [], Vec::as_mut_slice)
    }

    /// More orders of mirrors that a line has.
    fn add(&mut self, line: u32, more: Vec<Mirror>) {
        self.lines.entry(line).or_default().extend(more);
    }

    /// The first part of the mirror that this is a part of.
    fn head_mut(&mut self, line: u32, n: usize) -> Option<&mut Mirror> {
        let list = self.lines.get_mut(&line)?;
        let key = list.get(n)?.key;
        list.iter_mut().find(|m| m.key == key && m.part == 0)
    }

    /// The first part of the mirror that an order of ours is, or was, of.
    fn head_of_order(&mut self, line: u32, order: u32) -> Option<&mut Mirror> {
        let n = self.of(line).iter().position(|m| m.orders.contains(&order))?;
        self.head_mut(line, n)
    }

    fn get_mut(&mut self, line: u32, n: usize) -> Option<&mut Mirror> {
        self.lines.get_mut(&line)?.get_mut(n)
    }

    /// The mirror that an order of ours is, or was, of.
    fn of_order(&mut self, line: u32, order: u32) -> Option<&mut Mirror> {
        self.list_mut(line).iter_mut().find(|m| m.orders.contains(&order))
    }
}
