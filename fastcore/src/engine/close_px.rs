//! The price of a close at a venue that takes no market orders: a limit beyond the market, further at every attempt and
//! without bound (design 02, "What is copied").

use super::lanes::Lane;
use super::prices::{Of, Source};
use super::{Engine, Index};
use crate::action::Sink;
use crate::config::SubscriptionConfig;
use crate::decimal::{Dec, Round, mul_div};
use std::sync::Arc;

/// How far the first attempt goes where opens may not slip at all.
const STEP_BPS_MIN: Dec = Dec::from_int(10);
/// From here on it goes no further: 2³⁰ x 10 bps is a million times the price.
const DOUBLINGS_MAX: u32 = 30;

/// A limit `step_bps` x 2^tries beyond `px`, on the tick beyond, and never below one tick.
fn beyond(px: Dec, step_bps: Dec, tries: u32, tick: Dec, buy: bool) -> Option<Dec> {
    let bps = step_bps.raw().checked_mul(1_i128.checked_shl(tries)?)?;
    let slip = px.mul_div(Dec::from_raw(bps), Dec::from_int(10_000), Round::HalfEven)?;
    let raw = if buy { px.checked_add(slip)? } else { px.checked_sub(slip)? };
    let round = if buy { Round::Ceil } else { Round::Floor };
    let ticks = mul_div(raw.raw(), 1, tick.raw(), round)?.max(1);
    ticks.checked_mul(tick.raw()).map(Dec::from_raw)
}

impl Engine {
    /// The price of a limit close; none while no price is known at all.
    fn close_px(&self, at: u32, cfg: &SubscriptionConfig, lane: &Lane, buy: bool) -> Option<Dec> {
        let ls = self.st.lines.get(at as usize)?;
        // However old: a close never waits for a better price than the newest that is known.
        let (px, _) = self.newest_px(ls, &Source::of(ls, lane), Of::trade(buy))?;
        let step = cfg.max_slippage_bps.max(Dec::ZERO);
        let step = if step.is_zero() { STEP_BPS_MIN } else { step };
        // A number that does not fit any more is not needed to cross a market: the last that did.
        let tries = ls.close_tries.min(DOUBLINGS_MAX);
        (0..=tries).rev().find_map(|n| beyond(px, step, n, lane.tick, buy))
    }

    /// The price of a close; none for a market order.
    ///
    /// # Errors
    /// No price is known yet, which was told.
    pub(super) fn priced<S: Sink>(
        &mut self,
        ix: &Index,
        at: u32,
        lane: &Lane,
        buy: bool,
        sink: &mut S,
    ) -> Result<Option<Dec>, ()> {
        if !lane.limit_closes {
            return Ok(None);
        }
        let sub = self.st.lines.get(at as usize).map_or(u32::MAX, |l| l.sub);
        let Some(cfg) = ix.cfg.subscriptions.get(sub as usize) else { return Err(()) };
        if let Some(px) = self.close_px(at, cfg, lane, buy) {
            self.st.unpriced.remove(&at);
            return Ok(Some(px));
        }
        if self.st.unpriced.insert(at) {
            let name =
                ix.cfg.instruments.get(lane.follower_instrument as usize).map_or("", |i| i.name.as_str());
            let text = format!(
                "{}: {}: a close of {name} has no price, and its venue takes no market orders: it is sent with the \
                 first quote, or the leader's next price",
                cfg.follower, cfg.name
            );
            self.alert("close_no_price", text, sink);
        }
        Err(())
    }

    /// An instrument has a price: closes that wait for one go out.
    pub(super) fn work_unpriced<S: Sink>(&mut self, instrument: u32, sink: &mut S) {
        if self.st.unpriced.is_empty() {
            return;
        }
        let ix = Arc::clone(&self.ix);
        let of = |l: &super::LineState| l.follower_instrument == instrument || l.instrument == instrument;
        let mine = |at: &&u32| self.st.lines.get(**at as usize).is_some_and(of);
        let lines: Vec<u32> = self.st.unpriced.iter().filter(mine).copied().collect();
        for at in lines {
            self.work_line(&ix, at, sink);
        }
    }

    /// Nothing of a line is to be closed: what its closes have come to is over.
    pub(super) fn closed(&mut self, ix: &Index, at: u32) {
        self.uncap(ix, at);
        self.st.unpriced.remove(&at);
        if let Some(ls) = self.st.lines.get_mut(at as usize)
            && ls.line.closing_buy.is_zero()
            && ls.line.closing_sell.is_zero()
        {
            ls.close_tries = 0;
        }
    }
}
