//! Where the market was lately (design 03, `price_collar` over a window): the lowest and the highest quote of each instrument.
//!
//! A collar around the newest quote follows a market that runs away. This one asks how far an open's price is from where
//! the market was within the window.

use super::Engine;
use super::market::Question;
use super::prices::Of;
use crate::config::{Config, Limits, PriceWindow};
use crate::decimal::{Dec, Round};
use crate::ledger::abs;
use crate::risk::OffRange;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const MS: i64 = 1_000_000;
/// Parts of each window that its quotes are kept in: it reaches back by up to a part more than it says.
const PARTS: i64 = 64;

/// Quotes of one instrument by length of window, nanoseconds; the oldest part first. Each has parts of its own: in those of
/// an hour five seconds would be a minute.
pub type Ranges = BTreeMap<i64, VecDeque<Range>>;

/// Quotes of one part of the window, the middle of bid and ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// When its first quote came.
    from_ns: i64,
    /// When its last one came.
    to_ns: i64,
    low: Dec,
    high: Dec,
}

/// The windows that bounds have, nanoseconds.
pub(super) fn windows_ns(cfg: &Config) -> BTreeSet<i64> {
    let sets = |l: &Limits| {
        let sets = l.instruments.into_iter().map(|(_, set)| set).chain([&l.default]);
        sets.flat_map(|set| &set.price_windows).map(|w| w.window_ms.saturating_mul(MS)).collect::<Vec<_>>()
    };
    let followers = cfg.followers.iter().flat_map(|f| sets(&f.limits));
    let subscriptions = cfg.subscriptions.iter().flat_map(|s| sets(&s.limits));
    followers.chain(subscriptions).filter(|window_ns| *window_ns > 0).collect()
}

impl Engine {
    /// A quote came, that was so at `at_ns`.
    pub(super) fn note_range(&mut self, instrument: u32, (bid, ask): (Dec, Dec), at_ns: i64) {
        if self.ix.windows_ns.is_empty() {
            return;
        }
        let middle = bid.checked_add(ask).and_then(|sum| sum.div(Dec::from_int(2), Round::HalfEven));
        let Some(px) = middle else { return };
        let ranges = self.st.ranges.entry(instrument).or_default();
        ranges.retain(|window_ns, _| self.ix.windows_ns.contains(window_ns));
        for window_ns in &self.ix.windows_ns {
            note(ranges.entry(*window_ns).or_default(), *window_ns, px, at_ns);
        }
    }

    /// The lowest and the highest quote of a window, and the newest one, however old.
    fn range(&self, instrument: u32, window_ns: i64, newest: Dec) -> (Dec, Dec) {
        let since_ns = self.st.at_ns.saturating_sub(window_ns);
        let list = self.st.ranges.get(&instrument).and_then(|ranges| ranges.get(&window_ns));
        let within = list.into_iter().flatten().filter(|r| r.to_ns >= since_ns);
        within.fold((newest, newest), |(low, high), r| (low.min(r.low), high.max(r.high)))
    }

    /// Of several windows the one that leaves the open's price the least; a price that is not known leaves nothing.
    pub(super) fn off_ranges(&self, q: &Question, windows: &[PriceWindow]) -> Option<OffRange> {
        let of = |w: &PriceWindow| {
            let found = self.off_range(q, w.window_ms.saturating_mul(MS));
            OffRange { limit: w.bps, found }
        };
        let beyond = |o: &OffRange| o.found.and_then(|found| found.checked_sub(o.limit));
        // None is what nobody can say: it comes first.
        windows.iter().map(of).min_by_key(|o| beyond(o).map(std::cmp::Reverse))
    }

    /// How far an open's price is from the lowest or the highest quote of a window, whichever is further, basis points of
    /// that quote; none where one of both is not known.
    fn off_range(&self, q: &Question, window_ns: i64) -> Option<Dec> {
        let market = self.market_of(&q.source, q.oldest_ns)?;
        let (low, high) = self.range(market.instrument, window_ns, market.quote.px(Of::Middle)?);
        let px = q.order_px(self.market_px(&q.source, Of::Middle, q.oldest_ns))?;
        let off = |quote: Dec| {
            let quote = quote.mul(market.factor, Round::HalfEven).filter(|q| q.is_positive())?;
            abs(px.checked_sub(quote)?).mul_div(Dec::from_int(10_000), quote, Round::Ceil)
        };
        Some(off(low)?.max(off(high)?))
    }
}

/// A quote of a window, in the part of its time.
fn note(list: &mut VecDeque<Range>, window_ns: i64, px: Dec, at_ns: i64) {
    let part_ns = window_ns.checked_div(PARTS).unwrap_or(0).max(1);
    match list.back_mut().filter(|r| at_ns.saturating_sub(r.from_ns) < part_ns) {
        Some(r) => (r.to_ns, r.low, r.high) = (at_ns, r.low.min(px), r.high.max(px)),
        None => list.push_back(Range { from_ns: at_ns, to_ns: at_ns, low: px, high: px }),
    }
    let oldest_ns = at_ns.saturating_sub(window_ns);
    while list.front().is_some_and(|r| r.to_ns < oldest_ns) {
        list.pop_front();
    }
}
