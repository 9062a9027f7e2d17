//! Orders that ended long ago are given back (decision 0024): memory, and what a snapshot takes, follow the orders of some
//! days, not of all years. Their names stay for ever, so that nothing is sent twice and no report is taken for somebody
//! else's.

use super::{Engine, State};
use crate::action::Sink;
use crate::decimal::Dec;
use crate::order::{ClOrdId, Order, State as OrderState};
use crate::report::{Kind, Report};
use crate::stores::CHUNK;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

const MS: i64 = 1_000_000;
/// Pause between two looks while nothing can be given back.
const LOOK_NS: i64 = 1_000 * MS;
/// Chunks that one event looks at.
const AT_ONCE: usize = 4;

/// Orders that were given back.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Retired {
    /// How many there are, by the state that they ended in.
    pub by_state: BTreeMap<OrderState, u64>,
    /// What those of a ledger line came to.
    pub by_line: BTreeMap<u32, Sent>,
    /// All chunks before this one were given back.
    first: u32,
    /// The chunk to look at next.
    next: u32,
    /// Not before.
    look_ns: i64,
}

/// What orders of one ledger line came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// Orders that were handed to a route.
    pub orders: u64,
    /// Units that opens filled.
    pub opened: Dec,
}

impl Sent {
    fn add(&mut self, order: &Order) {
        if order.epoch == 0 {
            return; // it never left
        }
        self.orders = self.orders.saturating_add(1);
        if !order.reduces {
            let filled = order.cum.checked_sub(order.busted).unwrap_or(order.cum);
            self.opened = self.opened.checked_add(filled).unwrap_or(self.opened);
        }
    }
}

impl State {
    /// What all orders of each ledger line came to, those that were given back too.
    #[must_use]
    pub fn sent_by_line(&self) -> BTreeMap<u32, Sent> {
        let mut sent = self.retired.by_line.clone();
        for order in &self.orders {
            sent.entry(order.line).or_default().add(order);
        }
        sent
    }

    /// Nothing can come of it any more but a report that is later than anybody waits for.
    fn is_over(&self, o: u32, order: &Order, before_ns: i64) -> bool {
        // What a leader's working order remembers as its newest order must not look as if there had never been one.
        order.state.is_done()
            && order.since_ns < before_ns
            && !self.asked.contains_key(&o)
            && !(order.mirror && self.mirrors.of(order.line).iter().any(|m| m.orders.contains(&o)))
    }

    fn chunk_is_over(&self, number: usize, before_ns: i64) -> bool {
        // Counting grows with the reports: a chunk that it has not left yet is not full, and would grow again.
        if number >= self.fills.full_chunks() {
            return false;
        }
        let first = u32::try_from(number.saturating_mul(CHUNK)).unwrap_or(u32::MAX);
        self.orders.chunk(number).iter().zip(first..).all(|(order, o)| self.is_over(o, order, before_ns))
    }

    /// The next chunk that is old enough to be looked at; orders are in the order of their making.
    fn next_chunk(&mut self, before_ns: i64) -> Option<usize> {
        let (full, mut at) = (self.orders.full_chunks(), self.retired.next as usize);
        while at < full && self.orders.chunk(at).is_empty() {
            at = at.saturating_add(1);
        }
        if self.retired.next == self.retired.first {
            self.retired.first = u32::try_from(at).unwrap_or(0);
        }
        let newest = self.orders.chunk(at).last().filter(|_| at < full)?;
        self.retired.next = u32::try_from(at.saturating_add(1)).unwrap_or(0);
        (newest.since_ns < before_ns).then_some(at)
    }

    fn retire_chunk(&mut self, number: usize) {
        for order in self.orders.chunk(number) {
            let count = self.retired.by_state.entry(order.state).or_insert(0);
            *count = count.saturating_add(1);
            self.retired.by_line.entry(order.line).or_default().add(order);
        }
        self.orders.retire(number);
        self.fills.retire(number);
    }
}

impl Engine {
    /// Gives back the orders whose time is over, a few chunks at a time, while nobody waits.
    pub(super) fn retire(&mut self) {
        let (now, keep_ms) = (self.st.at_ns, self.ix.cfg.retire_after_ms);
        if now < self.st.retired.look_ns || keep_ms <= 0 {
            return;
        }
        let before_ns = now.saturating_sub(keep_ms.saturating_mul(MS));
        for _ in 0..AT_ONCE {
            match self.st.next_chunk(before_ns) {
                Some(number) if self.st.chunk_is_over(number, before_ns) => self.st.retire_chunk(number),
                Some(_) => {} // an order in it lives: looked at again in the next round
                None => {
                    // Whatever is behind is younger.
                    self.st.retired.next = self.st.retired.first;
                    self.st.retired.look_ns = now.saturating_add(LOOK_NS);
                    return;
                }
            }
        }
    }

    /// The name was ours, and its order was given back.
    pub(super) fn is_retired(&self, id: &[u8]) -> bool {
        let key = ClOrdId::from_text(id).filter(|i| !i.is_empty()).map(|i| i.key());
        let o = key.and_then(|k| self.st.ids.get(&k).copied());
        o.is_some_and(|o| (o as usize) < self.st.orders.len() && self.st.orders.get(o as usize).is_none())
    }

    /// A broker's word about an order that we do not have.
    pub(super) fn of_no_order<S: Sink>(&mut self, r: &Report<'_>, sink: &mut S) {
        let id = String::from_utf8_lossy(r.cl_ord_id).into_owned();
        if !self.is_retired(r.cl_ord_id) && !self.is_retired(r.orig_cl_ord_id) {
            let text = format!("report for ClOrdID {id:?}, which is not ours");
            return self.alert("foreign_order", text, sink);
        }
        if !matches!(r.kind, Kind::Trade | Kind::Bust | Kind::Correct) {
            return self.note("report of an order that ended long ago");
        }
        // Told again, or news: nobody can say any more. The broker's positions can.
        let text = format!(
            "{id}: a fill, bust or correction of an order that ended more than retire_after_s ago: nothing was counted; \
             compare the position with the broker's"
        );
        self.alert("retired_order", text, sink);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::engine::state::Counted;

    const CONFIG: &str = r#"{"deployment":"t","retire_after_ms":60000,"profiles":[],"instruments":[],"leaders":[],"routes":[],
        "followers":[],"subscriptions":[]}"#;
    const NOW_NS: i64 = 1_000_000_000_000;

    /// Three full chunks of orders that ended at the beginning, each counted, and one order more.
    fn old() -> Engine {
        let mut engine = Engine::new(Config::from_json(CONFIG).unwrap()).unwrap();
        for n in 0..=u32::try_from(3 * CHUNK).unwrap() {
            let id = ClOrdId::from_hash(u128::from(n), 20);
            engine.st.orders.push(Order { state: OrderState::Filled, epoch: 1, ..Order::new(id, 0, 0) });
            engine.st.fills.push(Counted::default());
        }
        engine.st.at_ns = NOW_NS;
        engine
    }

    fn kept(change: impl FnOnce(&mut State)) -> usize {
        let mut engine = old();
        change(&mut engine.st);
        let before = engine.st.sent_by_line();
        engine.retire();
        assert_eq!(engine.st.sent_by_line(), before, "what they came to stays counted");
        engine.st.orders.iter().count()
    }

    /// One order that is not over keeps its chunk and no other: one that works, one that ended lately although it was made
    /// long ago, one with an open question.
    #[test]
    fn what_is_not_over_keeps_its_chunk() {
        assert_eq!(kept(|_| {}), 1);
        for state in OrderState::ALL.into_iter().filter(|s| !s.is_done()) {
            assert_eq!(kept(|st| st.orders.get_mut(300).unwrap().state = state), 1 + CHUNK, "{state:?}");
        }
        assert_eq!(kept(|st| st.orders.get_mut(300).unwrap().since_ns = NOW_NS - 1), 1 + CHUNK);
        assert_eq!(kept(|st| drop(st.asked.insert(300, std::collections::VecDeque::new()))), 1 + CHUNK);
    }

    /// Counting that has not come further than a chunk keeps it: it could not be given back with it.
    #[test]
    fn counting_is_given_back_with_its_orders() {
        let behind = |st: &mut State| {
            let mut fills = crate::stores::Chunked::default();
            (0..300).for_each(|_| fills.push(Counted::default()));
            st.fills = fills;
        };
        assert_eq!(kept(behind), 1 + 2 * CHUNK, "the second chunk, and the third");
    }
}
