//! What the market says about an open: what a unit costs, how far the open is from the market and from where it was, how far
//! the price went away from the leader's trade.
//!
//! Prices stand still while an event is applied, and of a thousand followers most ask the same. So the last answer is kept
//! beside everything that it depends on; whoever differs in any of it gets one of his own.

use super::admission::Wish;
use super::lanes::Lane;
use super::prices::{Of, Source};
use super::{Engine, Index, LineState};
use crate::config::PriceWindow;
use crate::decimal::{Dec, Round};
use crate::ledger::abs;
use crate::risk::OffRange;
use std::sync::Arc;

const MS: i64 = 1_000_000;

/// Everything that an answer depends on beside the quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) source: Source,
    leader_px: Option<Dec>,
    pub(super) limit: Option<Dec>,
    pub(super) oldest_ns: i64,
    buy: bool,
    /// A mirror without a price of its own: the market itself is its price.
    mirror: bool,
    /// Which of the first three answers a bound asks for.
    asks: [bool; 3],
    /// Windows that bound the price: the subscription's, the follower's.
    windows: [Option<Arc<[PriceWindow]>>; 2],
}

/// The answers; none where a price is missing, or nothing asks.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Market {
    /// What a unit of the follower's instrument costs.
    pub(super) unit_px: Option<Dec>,
    /// How far the open's price is from the market, basis points of the market's price.
    pub(super) off_market_bps: Option<Dec>,
    /// How far the price is from the leader's last trade, against the follower, basis points.
    pub(super) moved_bps: Option<Dec>,
    /// How far the open's price is from where the market was, by the windows of both.
    pub(super) off_range: [Option<OffRange>; 2],
}

impl Engine {
    /// All answers for an open of a line.
    pub(super) fn market(&mut self, ix: &Index, at: u32, lane: &Lane, wish: &Wish) -> Market {
        let Some(q) =
            self.st.lines.get(at as usize).and_then(|ls| question(self.st.at_ns, ix, ls, lane, wish))
        else {
            return Market::default();
        };
        if let Some((_, known)) = self.market.as_ref().filter(|(asked, _)| *asked == q) {
            return *known;
        }
        let [unit, off_market, moved] = q.asks;
        let found = Market {
            unit_px: if unit { self.unit_px(&q) } else { None },
            off_market_bps: if off_market { self.off_market(&q) } else { None },
            moved_bps: if moved { self.drifted(&q) } else { None },
            off_range: q.windows.each_ref().map(|windows| self.off_ranges(&q, windows.as_deref()?)),
        };
        self.market = Some((q, found));
        found
    }

    /// What a unit of a line's instrument costs.
    pub(super) fn price_of_line(&self, ix: &Index, ls: &LineState, lane: &Lane, buy: bool) -> Option<Dec> {
        let wish = Wish { qty: Dec::ZERO, buy, px: None, mirror: None, beside: Dec::ZERO, replaces: false };
        self.unit_px(&question(self.st.at_ns, ix, ls, lane, &wish)?)
    }

    /// By the market, else by the leader's last price.
    fn unit_px(&self, q: &Question) -> Option<Dec> {
        self.market_px(&q.source, Of::trade(q.buy), q.oldest_ns).or_else(|| q.copied_px())
    }

    fn off_market(&self, q: &Question) -> Option<Dec> {
        let market = self.market_px(&q.source, Of::Middle, q.oldest_ns)?;
        let px = q.order_px(Some(market))?;
        abs(px.checked_sub(market)?).mul_div(Dec::from_int(10_000), market, Round::Ceil)
    }

    /// The quote may be as old as a trade that is opened.
    fn drifted(&self, q: &Question) -> Option<Dec> {
        let quote = self.st.quotes.get(q.source.leader).filter(|quote| quote.at_ns >= q.oldest_ns)?;
        let px = q.leader_px.filter(|px| px.is_positive())?;
        let worse = if q.buy { quote.ask.checked_sub(px) } else { px.checked_sub(quote.bid) }?;
        worse.max(Dec::ZERO).mul_div(Dec::from_int(10_000), px, Round::HalfEven)
    }
}

fn question(now_ns: i64, ix: &Index, ls: &LineState, lane: &Lane, wish: &Wish) -> Option<Question> {
    let cfg = ix.cfg.subscriptions.get(ls.sub as usize)?;
    let (sub, follower) = (&lane.sub_bounds, &lane.follower_bounds);
    let collar = sub.price_collar_bps.is_some() || follower.price_collar_bps.is_some();
    Some(Question {
        source: Source::of(ls, lane),
        leader_px: ls.leader_px,
        limit: wish.px,
        oldest_ns: now_ns.saturating_sub(cfg.max_age_ms.saturating_mul(MS)),
        buy: wish.buy,
        mirror: wish.mirror.is_some(),
        // A mirror leaves no trade of the leader's behind that the price could have moved away from.
        asks: [
            sub.ask_price() || follower.ask_price(),
            collar,
            cfg.max_drift_bps.is_some() && wish.mirror.is_none(),
        ],
        windows: [sub, follower].map(|b| b.price_windows.clone()),
    })
}

impl Question {
    /// What an open's price is: its limit; at the market the price that it is copied at, or of a mirror the market's.
    pub(super) fn order_px(&self, market: Option<Dec>) -> Option<Dec> {
        self.limit.or_else(|| if self.mirror { market } else { self.copied_px() })
    }

    /// The leader's last price, as one of the follower's instrument.
    pub(super) fn copied_px(&self) -> Option<Dec> {
        self.source.scaled(self.leader_px?)
    }
}
