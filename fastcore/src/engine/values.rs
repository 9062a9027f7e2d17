//! Account values, quotes and exchange rates: what sizing is allowed to know.

use super::admission::Wish;
use super::lanes::Lane;
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::config::{InstrumentConfig, SubscriptionConfig};
use crate::decimal::{Dec, Round};
use crate::engine::state::Quote;
use crate::event::Event;
use crate::ledger::abs;
use crate::risk::Drift;
use crate::sizing::{Inputs, Values};
use serde::Deserialize;

const MS: i64 = 1_000_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct QuoteText {
    instrument: String,
    bid: Dec,
    ask: Dec,
}

impl Engine {
    pub(super) fn on_quote<S: Sink>(&mut self, ev: &Event<'_>, sink: &mut S) {
        let read: Result<QuoteText, _> = serde_json::from_slice(ev.payload);
        let Ok(q) = read else {
            return self.alert("bad_quote", "quote event is not {instrument, bid, ask}".to_owned(), sink);
        };
        let at = self.ix.cfg.instruments.iter().position(|i| i.name == q.instrument);
        match at.and_then(|i| u32::try_from(i).ok()) {
            Some(i) => self.quote(i, q.bid, q.ask, sink),
            None => self.alert("bad_quote", format!("quote for unknown instrument {:?}", q.instrument), sink),
        }
    }

    pub(super) fn quote<S: Sink>(&mut self, instrument: u32, bid: Dec, ask: Dec, sink: &mut S) {
        if bid.is_positive() && ask >= bid {
            self.st.quotes.insert(instrument, Quote { bid, ask, at_ns: self.st.at_ns });
            self.note_range(instrument, bid, ask);
            self.work_unpriced(instrument, sink);
            self.guards_after_quote();
        }
    }

    /// Between bid and ask, where the quote is not older than that: a price of last week sizes nothing.
    fn mid(&self, instrument: u32, oldest_ns: i64) -> Option<Dec> {
        let q = self.st.quotes.get(&instrument).filter(|q| q.at_ns >= oldest_ns)?;
        q.bid.checked_add(q.ask)?.div(Dec::from_int(2), Round::HalfEven)
    }

    /// How far the price is from the leader's last trade, against the follower, where that is bounded. The quote may be
    /// as old as a trade that is opened.
    pub(super) fn drift(&self, ix: &Index, ls: &LineState, buy: bool) -> Option<Drift> {
        let cfg = ix.cfg.subscriptions.get(ls.sub as usize)?;
        let oldest_ns = self.st.at_ns.saturating_sub(cfg.max_age_ms.saturating_mul(MS));
        let quote = self.st.quotes.get(&ls.instrument).filter(|q| q.at_ns >= oldest_ns);
        let found = || {
            let (px, quote) = (ls.leader_px.filter(|px| px.is_positive())?, quote?);
            let worse = if buy { quote.ask.checked_sub(px) } else { px.checked_sub(quote.bid) }?;
            worse.max(Dec::ZERO).mul_div(Dec::from_int(10_000), px, Round::HalfEven)
        };
        Some(Drift { limit: cfg.max_drift_bps?, found: found() })
    }

    /// What a unit of the follower's instrument costs, where a bound asks: its fresh quote, else that of the leader's
    /// instrument, else the leader's last price.
    pub(super) fn unit_px(&self, ix: &Index, ls: &LineState, lane: &Lane, buy: bool) -> Option<Dec> {
        if !lane.sub_bounds.ask_price() && !lane.follower_bounds.ask_price() {
            return None;
        }
        let cfg = ix.cfg.subscriptions.get(ls.sub as usize)?;
        let oldest_ns = self.st.at_ns.saturating_sub(cfg.max_age_ms.saturating_mul(MS));
        let side = |instrument: u32| {
            let quote = self.st.quotes.get(&instrument).filter(|q| q.at_ns >= oldest_ns);
            quote.map(|q| if buy { q.ask } else { q.bid })
        };
        // The same name on both sides is one quote, the leader's: it has the factor.
        let own = Some(ls.follower_instrument).filter(|i| *i != ls.instrument);
        let theirs = || side(ls.instrument)?.mul(lane.price_factor, Round::HalfEven);
        let quoted = own.and_then(side).or_else(theirs);
        quoted.or_else(|| ls.leader_px?.mul(lane.price_factor, Round::HalfEven))
    }

    /// How far an open's price is from the market, basis points of the market's price: its limit, or for an order at the
    /// market the price that it is copied at. None where that is not bounded, or one of both is not known.
    pub(super) fn off_market(&self, ix: &Index, ls: &LineState, lane: &Lane, wish: &Wish) -> Option<Dec> {
        lane.sub_bounds.price_collar_bps.or(lane.follower_bounds.price_collar_bps)?;
        let cfg = ix.cfg.subscriptions.get(ls.sub as usize)?;
        let oldest_ns = self.st.at_ns.saturating_sub(cfg.max_age_ms.saturating_mul(MS));
        let theirs = || self.mid(ls.instrument, oldest_ns)?.mul(lane.price_factor, Round::HalfEven);
        // The same name on both sides is one quote, the leader's: it has the factor.
        let own = Some(ls.follower_instrument).filter(|i| *i != ls.instrument);
        let market = own.and_then(|i| self.mid(i, oldest_ns)).or_else(theirs)?;
        let px = wish.px.or_else(|| ls.leader_px?.mul(lane.price_factor, Round::HalfEven))?;
        abs(px.checked_sub(market)?).mul_div(Dec::from_int(10_000), market, Round::Ceil)
    }

    /// Units of `to` for one unit of `from`, by one quoted pair.
    pub(super) fn fx(&self, from: &str, to: &str, oldest_ns: i64) -> Option<Dec> {
        if from == to {
            return Some(Dec::ONE);
        }
        for (n, i) in self.ix.cfg.instruments.iter().enumerate() {
            let at = u32::try_from(n).ok()?;
            let base = i.base.as_deref();
            if base == Some(from) && i.currency == to {
                return self.mid(at, oldest_ns);
            }
            if base == Some(to) && i.currency == from {
                return Dec::ONE.div(self.mid(at, oldest_ns)?, Round::HalfEven);
            }
        }
        None
    }

    fn unit_value(&self, instrument: u32, currency: &str, oldest_ns: i64) -> Option<Dec> {
        let i: &InstrumentConfig = self.ix.cfg.instruments.get(instrument as usize)?;
        self.mid(instrument, oldest_ns)?.mul(self.fx(&i.currency, currency, oldest_ns)?, Round::HalfEven)
    }

    pub(super) fn inputs(
        &self,
        sub: u32,
        cfg: &SubscriptionConfig,
        li: u32,
        fi: u32,
        qty_factor: Dec,
    ) -> Inputs {
        let ix = self.ix.subs.get(sub as usize);
        let (leader, follower) = ix.map_or((0, 0), |s| (s.leader as usize, s.follower as usize));
        let theirs = self.ix.cfg.leaders.get(leader).and_then(|l| l.currency.as_deref()).unwrap_or("");
        let ours = self.ix.cfg.followers.get(follower).and_then(|f| f.currency.as_deref()).unwrap_or("");
        let contract = |i: u32| self.ix.cfg.instruments.get(i as usize).map_or(Dec::ONE, |x| x.contract_size);
        let max_age_ns = cfg.account_max_age_ms.saturating_mul(1_000_000);
        let oldest_ns = self.st.at_ns.saturating_sub(max_age_ns).max(1);
        Inputs {
            qty_factor,
            leader_contract: contract(li),
            follower_contract: contract(fi),
            leader: self.st.leaders.get(leader).map_or_else(Values::default, |l| l.values),
            follower: self.st.followers.get(follower).copied().unwrap_or_default(),
            account_fx: self.fx(theirs, ours, oldest_ns),
            leader_unit_value: self.unit_value(li, ours, oldest_ns),
            follower_unit_value: self.unit_value(fi, ours, oldest_ns),
            max_ratio: cfg.max_ratio,
            now_ns: self.st.at_ns,
            max_age_ms: cfg.account_max_age_ms,
        }
    }
}
