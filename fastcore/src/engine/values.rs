//! Account values, quotes and exchange rates: what sizing is allowed to know.

use super::Engine;
use crate::action::Sink;
use crate::config::{InstrumentConfig, SubscriptionConfig};
use crate::decimal::{Dec, Round};
use crate::engine::state::Quote;
use crate::event::Event;
use crate::sizing::{Inputs, Values};
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
            Some(i) => self.quote(i, q.bid, q.ask, sink),
            None => self.alert("bad_quote", format!("quote for unknown instrument {:?}", q.instrument), sink),
        }
    }

    pub(super) fn quote<S: Sink>(&mut self, instrument: u32, bid: Dec, ask: Dec, sink: &mut S) {
        if bid.is_positive() && ask >= bid {
            self.st.quotes.insert(instrument, Quote { bid, ask, at_ns: self.st.at_ns });
            self.market = None;
            self.note_range(instrument, bid, ask);
            self.work_unpriced(instrument, sink);
            self.guards_after_quote();
        }
    }

    /// Between bid and ask, where the quote is not older than that: a price of last week sizes nothing.
    pub(super) fn mid(&self, instrument: u32, oldest_ns: i64) -> Option<Dec> {
        let q = self.st.quotes.get(instrument).filter(|q| q.at_ns >= oldest_ns)?;
        q.bid.checked_add(q.ask)?.div(Dec::from_int(2), Round::HalfEven)
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
