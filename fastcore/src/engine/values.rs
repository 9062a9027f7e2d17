//! Account values, quotes and exchange rates: what sizing is allowed to know.

use super::Engine;
use super::lanes::Lane;
use super::prices::{Of, Source};
use crate::action::Sink;
use crate::config::{Config, SubscriptionConfig};
use crate::decimal::{Dec, Round};
use crate::engine::state::Quote;
use crate::event::Event;
use crate::sizing::{Inputs, Values};
use crate::worth::{Pays, Unit};
use serde::Deserialize;

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
            Some(i) => self.quote(i, (q.bid, q.ask), self.st.at_ns, sink),
            None => self.alert("bad_quote", format!("quote for unknown instrument {:?}", q.instrument), sink),
        }
    }

    /// A quote and when it was so; one that is older than what is known says nothing.
    pub(super) fn quote<S: Sink>(
        &mut self,
        instrument: u32,
        (bid, ask): (Dec, Dec),
        at_ns: i64,
        sink: &mut S,
    ) {
        let overtaken = self.st.quotes.get(instrument).is_some_and(|known| known.at_ns > at_ns);
        if bid.is_positive() && ask >= bid && !overtaken {
            self.st.quotes.insert(instrument, Quote { bid, ask, at_ns });
            self.market = None;
            self.note_range(instrument, (bid, ask), at_ns);
            self.work_unpriced(instrument, sink);
            self.guards_after_quote();
        }
    }

    /// Units of `to` for one unit of `from`, by the newest quote of a pair of both, of equals the first in the file; none
    /// where all of them are older than that.
    pub(super) fn fx(&self, from: &str, to: &str, oldest_ns: i64) -> Option<Dec> {
        if from == to {
            return Some(Dec::ONE);
        }
        let mut found: Option<(&Quote, Pays, bool)> = None;
        for at in &self.ix.pairs {
            let Some(i) = self.ix.cfg.instruments.get(*at as usize) else { continue };
            let base = i.base.as_deref();
            let back = base == Some(to) && i.currency == from;
            let direct = base == Some(from) && i.currency == to;
            if !back && !direct {
                continue;
            }
            let newer =
                |q: &&Quote| q.at_ns >= oldest_ns && found.is_none_or(|(old, ..)| q.at_ns > old.at_ns);
            if let Some(quote) = self.st.quotes.get(*at).filter(newer) {
                found = Some((quote, i.pays(), direct));
            }
        }
        let (quote, pays, of_unit) = found?;
        pays.rate(quote.px(Of::Middle)?, of_unit)
    }

    /// What a unit is worth in a currency, by the middle of the market.
    fn unit_value(&self, source: &Source, currency: &str, oldest_ns: i64) -> Option<Unit> {
        let px = self.market_px(source, Of::Middle, oldest_ns)?;
        self.unit_at(&self.ix, source.follower, px, (currency, oldest_ns), Round::HalfEven)
    }

    pub(super) fn inputs(&self, sub: u32, cfg: &SubscriptionConfig, li: u32, lane: &Lane) -> Inputs {
        let fi = lane.follower_instrument;
        let ix = self.ix.subs.get(sub as usize);
        let (leader, follower) = ix.map_or((0, 0), |s| (s.leader as usize, s.follower as usize));
        let theirs = self.ix.cfg.leaders.get(leader).and_then(|l| l.currency.as_deref()).unwrap_or("");
        let ours = self.ix.cfg.followers.get(follower).and_then(|f| f.currency.as_deref()).unwrap_or("");
        let contract = |i: u32| self.ix.cfg.instruments.get(i as usize).map_or(Dec::ONE, |x| x.contract_size);
        let max_age_ns = cfg.account_max_age_ms.saturating_mul(1_000_000);
        let oldest_ns = self.st.at_ns.saturating_sub(max_age_ns).max(1);
        let theirs_of = |i: u32| Source { leader: i, follower: i, factor: Dec::ONE };
        let source = Source { follower: fi, factor: lane.price_factor, ..theirs_of(li) };
        Inputs {
            qty_factor: lane.qty_factor,
            leader_contract: contract(li),
            follower_contract: contract(fi),
            leader: self.st.leaders.get(leader).map_or_else(Values::default, |l| l.values),
            follower: self.st.followers.get(follower).map_or_else(Values::default, |v| share_of(*v, cfg)),
            account_fx: self.fx(theirs, ours, oldest_ns),
            leader_unit_value: self.unit_value(&theirs_of(li), ours, oldest_ns),
            follower_unit_value: self.unit_value(&source, ours, oldest_ns),
            max_ratio: cfg.max_ratio,
            now_ns: self.st.at_ns,
            max_age_ms: cfg.account_max_age_ms,
        }
    }
}

/// The part of an account's values that is a subscription's; half-even at 10⁻¹⁸.
fn share_of(all: Values, cfg: &SubscriptionConfig) -> Values {
    let part = |value: Dec| value.mul(cfg.capital_share, Round::HalfEven).unwrap_or(Dec::ZERO);
    if cfg.capital_share == Dec::ONE {
        return all;
    }
    Values { equity: part(all.equity), balance: part(all.balance), free_margin: part(all.free_margin), ..all }
}

/// Instruments that have a currency on both sides: every exchange rate is looked for among them.
pub(super) fn pairs(cfg: &Config) -> Vec<u32> {
    (0_u32..).zip(&cfg.instruments).filter(|(_, i)| i.base.is_some()).map(|(n, _)| n).collect()
}
