//! The price that a simulated broker fills at: the market's, as far as the recording shows it.

use fastcore::decimal::{Dec, Round};
use fastcore::engine::{Engine, LineState};
use std::collections::BTreeMap;

/// A quote that is not older than this is the market. Fixed: a bound of one of the two configurations would let them
/// trade at different prices.
const QUOTE_AGE_NS: i64 = 60_000_000_000;

/// A price and when it was true.
type Px = (Dec, i64);

/// The last price of each leader's own trades.
#[derive(Debug, Default)]
pub(crate) struct Trades {
    /// By leader and instrument.
    last: BTreeMap<(u32, u32), Px>,
    /// Instruments by name: decisions name them.
    numbers: BTreeMap<String, u32>,
}

impl Trades {
    /// Reads the names of a configuration.
    pub(crate) fn learn(&mut self, engine: &Engine) {
        let names = engine.index().cfg.instruments.iter().map(|i| i.name.clone());
        self.numbers = names.zip(0_u32..).collect();
    }

    /// A leader of this subscription traded.
    pub(crate) fn traded(&mut self, engine: &Engine, sub: u32, instrument: &str, px: Dec) {
        let leader = engine.index().subs.get(sub as usize).map(|s| s.leader);
        if let (Some(leader), Some(i)) = (leader, self.numbers.get(instrument)) {
            self.last.insert((leader, *i), (px, engine.state().at_ns));
        }
    }

    /// What a unit of a line's follower instrument costs now, to buy or to sell; none while no price is known.
    ///
    /// A quote that is fresh, else the younger of the last quote and the leader's last trade.
    pub(crate) fn market(&self, engine: &Engine, ls: &LineState, buy: bool) -> Option<Dec> {
        let (st, ix) = (engine.state(), engine.index());
        let factor = ix.lane(ls)?.price_factor;
        let leader = ix.subs.get(ls.sub as usize)?.leader;
        let times = |(px, at_ns): Px| Some((px.mul(factor, Round::HalfEven)?, at_ns));
        let quote = |i: u32| st.quotes.get(i).map(|q| (if buy { q.ask } else { q.bid }, q.at_ns));
        let theirs = quote(ls.instrument).and_then(times);
        // The same name on both sides is one quote, the leader's: it has the factor.
        let own = quote(ls.follower_instrument).filter(|_| ls.follower_instrument != ls.instrument);
        let traded = self.last.get(&(leader, ls.instrument)).copied().and_then(times);
        let quoted = younger(own, theirs);
        let fresh = quoted.filter(|(_, at_ns)| *at_ns >= st.at_ns.saturating_sub(QUOTE_AGE_NS));
        fresh.or_else(|| younger(quoted, traded)).map(|(px, _)| px)
    }
}

/// The younger of two; of the same age, the first.
fn younger(a: Option<Px>, b: Option<Px>) -> Option<Px> {
    match (a, b) {
        (Some(a), Some(b)) => Some(if a.1 >= b.1 { a } else { b }),
        (a, b) => a.or(b),
    }
}
