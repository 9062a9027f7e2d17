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
use std::collections::VecDeque;

const MS: i64 = 1_000_000;
/// Parts of the longest window that quotes are kept in: a shorter one reaches back by up to a part more than it says.
const PARTS: i64 = 64;

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

/// The longest window that any bound has, nanoseconds; 0: none.
pub(super) fn longest_ns(cfg: &Config) -> i64 {
    let sets = |l: &Limits| {
        let sets = l.instruments.into_iter().map(|(_, set)| set).chain([&l.default]);
        sets.flat_map(|set| &set.price_windows).map(|w| w.window_ms).max().unwrap_or(0)
    };
    let followers = cfg.followers.iter().map(|f| sets(&f.limits));
    let subscriptions = cfg.subscriptions.iter().map(|s| sets(&s.limits));
    followers.chain(subscriptions).max().unwrap_or(0).saturating_mul(MS)
}

impl Engine {
    /// A quote came, that was so at `at_ns`.
    pub(super) fn note_range(&mut self, instrument: u32, (bid, ask): (Dec, Dec), at_ns: i64) {
        let (window_ns, now) = (self.ix.range_ns, at_ns);
        if window_ns == 0 {
            return;
        }
        let middle = bid.checked_add(ask).and_then(|sum| sum.div(Dec::from_int(2), Round::HalfEven));
        let Some(px) = middle else { return };
        let list: &mut VecDeque<Range> = self.st.ranges.entry(instrument).or_default();
        let part_ns = window_ns.checked_div(PARTS).unwrap_or(0).max(1);
        match list.back_mut().filter(|r| now.saturating_sub(r.from_ns) < part_ns) {
            Some(r) => (r.to_ns, r.low, r.high) = (now, r.low.min(px), r.high.max(px)),
            None => list.push_back(Range { from_ns: now, to_ns: now, low: px, high: px }),
        }
        let oldest_ns = now.saturating_sub(window_ns);
        while list.front().is_some_and(|r| r.to_ns < oldest_ns) {
            list.pop_front();
        }
    }

    /// The lowest and the highest quote since then, the newest one included, however old.
    fn range(&self, instrument: u32, since_ns: i64) -> Option<(Dec, Dec)> {
        let list = self.st.ranges.get(&instrument)?;
        let newest = list.back().copied();
        let within = list.iter().filter(|r| r.to_ns >= since_ns).copied().chain(newest);
        within.map(|r| (r.low, r.high)).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
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
        let since_ns = self.st.at_ns.saturating_sub(window_ns);
        let market = self.market_of(&q.source, q.oldest_ns)?;
        let (low, high) = self.range(market.instrument, since_ns)?;
        let px = q.order_px(self.market_px(&q.source, Of::Middle, q.oldest_ns))?;
        let off = |quote: Dec| {
            let quote = quote.mul(market.factor, Round::HalfEven).filter(|q| q.is_positive())?;
            abs(px.checked_sub(quote)?).mul_div(Dec::from_int(10_000), quote, Round::Ceil)
        };
        Some(off(low)?.max(off(high)?))
    }
}
