//! What a unit of a follower's instrument costs (decision 0032): sizing, limits, exposure, guards and closes ask here.
//!
//! Quotes come from the sessions of leaders. So what a follower trades has quotes of its own only where some leader trades
//! it under the same name; everything else costs what the leader's instrument does, times the symbol map's factor. The same
//! name on both sides is one quote, the leader's: it has the factor.

use super::lanes::Lane;
use super::state::Quote;
use super::{Engine, Index, LineState};
use crate::config::InstrumentConfig;
use crate::decimal::{Dec, Round};
use crate::worth::{Pays, Unit};
use serde::{Deserialize, Serialize};

/// Where the prices of a follower's instrument come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Source {
    /// The leader's instrument.
    pub(super) leader: u32,
    /// The follower's.
    pub(super) follower: u32,
    /// Follower price per leader price.
    pub(super) factor: Dec,
}

/// Which price of a quote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Of {
    Bid,
    Ask,
    /// Between both.
    Middle,
}

/// A price, and since when it is known.
pub(super) type Known = (Dec, i64);

/// The quote that is the market of a follower's instrument.
#[derive(Clone, Copy, Debug)]
pub(super) struct Market<'a> {
    /// Whose it is.
    pub(super) instrument: u32,
    /// What its prices are multiplied by.
    pub(super) factor: Dec,
    /// What it says.
    pub(super) quote: &'a Quote,
}

impl Of {
    /// What is paid for a buy, or got for a sale.
    pub(super) const fn trade(buy: bool) -> Self {
        if buy { Of::Ask } else { Of::Bid }
    }
}

impl Quote {
    pub(super) fn px(&self, of: Of) -> Option<Dec> {
        match of {
            Of::Bid => Some(self.bid),
            Of::Ask => Some(self.ask),
            Of::Middle => self.bid.checked_add(self.ask)?.div(Dec::from_int(2), Round::HalfEven),
        }
    }
}

impl Source {
    pub(super) const fn of(ls: &LineState, lane: &Lane) -> Self {
        Source { leader: ls.instrument, follower: ls.follower_instrument, factor: lane.price_factor }
    }

    /// The follower's instrument, where quotes of it are not the leader's.
    fn own(&self) -> Option<u32> {
        Some(self.follower).filter(|i| *i != self.leader)
    }

    /// A price of the leader's instrument as one of the follower's.
    pub(super) fn scaled(&self, px: Dec) -> Option<Dec> {
        scaled(px, self.factor)
    }
}

fn scaled(px: Dec, factor: Dec) -> Option<Dec> {
    if factor == Dec::ONE { Some(px) } else { px.mul(factor, Round::HalfEven) }
}

impl Index {
    /// How an instrument pays.
    pub(super) fn pays(&self, instrument: u32) -> Pays {
        self.cfg.instruments.get(instrument as usize).map_or(Pays::Linear, InstrumentConfig::pays)
    }
}

impl Engine {
    /// How what a line holds pays.
    pub(super) fn pays_of_line(&self, ix: &Index, at: u32) -> Pays {
        self.st.lines.get(at as usize).map_or(Pays::Linear, |ls| ix.pays(ls.follower_instrument))
    }

    /// What a unit of an instrument is worth in a currency, at a price of it; none where no exchange rate is known.
    pub(super) fn unit_at(
        &self,
        ix: &Index,
        instrument: u32,
        px: Dec,
        (currency, oldest_ns): (&str, i64),
        round: Round,
    ) -> Option<Unit> {
        let of = ix.cfg.instruments.get(instrument as usize)?;
        of.pays().unit(px, self.fx(&of.currency, currency, oldest_ns)?, round)
    }

    /// The follower's own quote where it is not older than that, else the leader's: a price of last week is no market.
    pub(super) fn market_of(&self, of: &Source, oldest_ns: i64) -> Option<Market<'_>> {
        let fresh = |i: u32| self.st.quotes.get(i).filter(|q| q.at_ns >= oldest_ns);
        let own = of.own().and_then(|i| Some(Market { instrument: i, factor: Dec::ONE, quote: fresh(i)? }));
        own.or_else(|| Some(Market { instrument: of.leader, factor: of.factor, quote: fresh(of.leader)? }))
    }

    /// A price of that market.
    pub(super) fn market_px(&self, source: &Source, of: Of, oldest_ns: i64) -> Option<Dec> {
        let market = self.market_of(source, oldest_ns)?;
        scaled(market.quote.px(of)?, market.factor)
    }

    /// The newest quote, however old: of the follower's instrument, or of the leader's.
    pub(super) fn newest_quote(&self, source: &Source, of: Of) -> Option<Known> {
        let known = |i: u32, factor: Dec| {
            let quote = self.st.quotes.get(i)?;
            Some((scaled(quote.px(of)?, factor)?, quote.at_ns))
        };
        let own = source.own().and_then(|i| known(i, Dec::ONE));
        newest(own, known(source.leader, source.factor))
    }

    /// The newest price of all, however old: a quote, or the leader's trade. Of one time the quote counts.
    pub(super) fn newest_px(&self, ls: &LineState, source: &Source, of: Of) -> Option<Known> {
        let trade = ls.leader_px.and_then(|px| Some((source.scaled(px)?, ls.leader_px_ns)));
        let positive = |known: &Known| known.0.is_positive();
        newest(trade.filter(positive), self.newest_quote(source, of).filter(positive))
    }
}

/// The newer one of two prices, of one time the second.
pub(super) fn newest(a: Option<Known>, b: Option<Known>) -> Option<Known> {
    a.into_iter().chain(b).max_by_key(|(_, at_ns)| *at_ns)
}
