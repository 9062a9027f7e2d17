//! Whether an open may go out (design 03): what stops it whatever its size, and the numbers that its bounds compare.

use super::lanes::Lane;
use super::{Engine, Index, LineState};
use crate::decimal::{Dec, Round};
use crate::ledger::{Line, abs};
use crate::mirror::Terms;
use crate::refusal::{Code, Refusal};
use crate::risk::{Amplification, Bounds, Drift, Exposure, OffRange, Open, Scope, admit};
use crate::worth::{Pays, Unit};
use smallvec::SmallVec;

const MS: i64 = 1_000_000;

/// An open before it is admitted.
pub(super) struct Wish {
    pub(super) qty: Dec,
    pub(super) buy: bool,
    /// Its limit; none: at the market.
    pub(super) px: Option<Dec>,
    /// Terms of a mirror: it is no copy of a trade.
    pub(super) mirror: Option<Terms>,
    /// Units that belong to the same order, and have been asked for.
    pub(super) beside: Dec,
    /// An order that works becomes as much larger: it takes no place of its own.
    pub(super) replaces: bool,
}

/// An open, and what all of its bounds are asked with.
struct Asked<'a> {
    at: u32,
    lane: &'a Lane,
    wish: &'a Wish,
    follower: u32,
    /// The follower's lines.
    lines: &'a [u32],
    /// What a unit of the line costs.
    unit_px: Option<Dec>,
    /// Equity by the follower's guards, where it has some: not known is none.
    equity: Option<Option<Dec>>,
}

impl Engine {
    /// Units of an open that may go out.
    #[inline]
    pub(super) fn admitted(&mut self, ix: &Index, at: u32, lane: &Lane, wish: &Wish) -> Dec {
        let Some(ls) = self.st.lines.get(at as usize) else { return Dec::ZERO };
        let held = !self.free(at) || ls.line.bust_hold;
        if !held && wish.beside.is_zero() && wish.qty <= lane.free_up_to {
            return wish.qty;
        }
        self.checked(ix, at, lane, wish)
    }

    /// Asks everything.
    #[inline(never)]
    fn checked(&mut self, ix: &Index, at: u32, lane: &Lane, wish: &Wish) -> Dec {
        let sub = self.st.lines.get(at as usize).map(|ls| ls.sub);
        let (Some(sub), Some(follower)) = (sub, self.follower_of_line(ix, at)) else { return Dec::ZERO };
        // Guards and leverage ask for one equity.
        let equity = ix.guards.has(follower).then(|| self.equity(ix, follower));
        if let Some(refusal) = self.latched(ix, at, lane, equity.flatten()) {
            self.refuse(refusal);
            return Dec::ZERO;
        }
        let market = self.market(ix, at, lane, wish);
        let [off_range_of_sub, off_range] = market.off_range;
        let together = self.together(ix, at, lane, wish);
        let Some(ls) = self.st.lines.get(at as usize) else { return Dec::ZERO };
        let asked = Asked {
            at,
            lane,
            wish,
            follower,
            lines: self.lines_of_account(follower),
            equity,
            unit_px: market.unit_px,
        };
        let of_follower = self.scope(ix, &asked, (&lane.follower_bounds, None), (None, off_range));
        // Where the follower has no other subscription, what it holds and has entered is the same.
        let alone = self.lines_with(&asked, None).all(|(_, l)| l.sub == sub);
        let known = of_follower.exposure.filter(|_| alone);
        let open = Open {
            qty: wish.qty,
            px: wish.worth(lane.pays, market.unit_px),
            beside: wish.beside,
            replaces: wish.replaces,
            venue_max: lane.venue_max,
            off_market_bps: market.off_market_bps,
            sub: self.scope(ix, &asked, (&lane.sub_bounds, Some(sub)), (known, off_range_of_sub)),
            follower: of_follower,
            together: &together,
            amplification: self.amplification(ix, at, ls, lane, wish.buy),
            drift: drift(ix, ls, market.moved_bps).filter(|_| wish.mirror.is_none()),
            messages: self.messages_left(ix, self.way(lane.route), follower),
        };
        let mut refusals = SmallVec::<[Refusal; 4]>::new();
        let left = admit(&open, &mut refusals);
        for r in &refusals {
            self.refuse(*r);
        }
        left
    }

    /// What stops an open whatever its size, in the documented order; the first one that is found.
    fn latched(&mut self, ix: &Index, at: u32, lane: &Lane, equity: Option<Dec>) -> Option<Refusal> {
        let ls = self.st.lines.get(at as usize)?;
        let (bust_hold, of, sub) = (ls.line.bust_hold, ls.sub, ix.subs.get(ls.sub as usize)?);
        if self.killed(ix, ls).is_some() {
            return Some(Refusal::bare(Code::Kill));
        }
        if let Some(code) = ls.mode.code() {
            return Some(Refusal::bare(code));
        }
        self.guarded(ix, sub.follower, equity)
            .or_else(|| self.sub_guarded(ix, of))
            .or_else(|| self.inactive_refusal(sub.leader))
            .or_else(|| self.clock_refusal())
            .or_else(|| bust_hold.then_some(Refusal::bare(Code::BustHold)))
            .or_else(|| self.too_many_copies(ix, at))
            .or_else(|| {
                let restricted = lane.restricted || self.venue_halts(ix, lane, sub.follower);
                restricted.then_some(Refusal::bare(Code::Restricted))
            })
    }

    /// What one of both scopes holds and has entered, as far as its bounds ask.
    fn scope<'a>(
        &self,
        ix: &Index,
        asked: &Asked<'_>,
        (bounds, sub): (&'a Bounds, Option<u32>),
        (known, off_range): (Option<Exposure>, Option<OffRange>),
    ) -> Scope<'a> {
        let (totals, lane, wish) = (&bounds.totals, asked.lane, asked.wish);
        Scope {
            bounds,
            off_range,
            position: bounds.max_position.map_or(Dec::ZERO, |_| self.entered_by(lane.group, wish.buy, sub)),
            orders: totals.max_open_orders.map_or(0, |_| self.open_orders(asked, sub)),
            exposure: if totals.ask_worth() { known.or_else(|| self.exposure(ix, asked, sub)) } else { None },
            equity: totals.max_leverage.map_or(Err(Code::BadAccount), |_| self.capital(ix, asked, sub)),
        }
    }

    /// Held and entered on one side by all lines that are one instrument at the follower: of one subscription, or of all.
    fn entered_by(&self, group: u32, buy: bool, of: Option<u32>) -> Dec {
        let lines = self.st.groups.get(group as usize).map_or(&[][..], SmallVec::as_slice);
        let lines = lines.iter().filter_map(|l| self.st.lines.get(*l as usize));
        let counted = lines.filter(|l| of.is_none_or(|sub| l.sub == sub));
        let mirrors = self.mirrors_entered(group, buy, of);
        counted.map(|l| entered(&l.line, buy)).fold(mirrors, |sum, e| sum.checked_add(e).unwrap_or(sum))
    }

    /// Every line of a follower.
    pub(super) fn lines_of_account(&self, follower: u32) -> &[u32] {
        self.st.accounts.get(follower as usize).map_or(&[][..], SmallVec::as_slice)
    }

    /// Every line of the follower, or of one of its subscriptions.
    fn lines_with<'a>(
        &'a self,
        asked: &Asked<'a>,
        sub: Option<u32>,
    ) -> impl Iterator<Item = (u32, &'a LineState)> {
        let lines = asked.lines.iter().filter_map(|l| Some((*l, self.st.lines.get(*l as usize)?)));
        lines.filter(move |(_, l)| sub.is_none_or(|sub| l.sub == sub))
    }

    fn open_orders(&self, asked: &Asked<'_>, sub: Option<u32>) -> u32 {
        let live = self.lines_with(asked, sub).map(|(at, l)| {
            u32::try_from(l.live.len().saturating_add(self.mirrors_live(at))).unwrap_or(u32::MAX)
        });
        live.fold(0, u32::saturating_add)
    }

    /// What is held and entered, in the account's currency; none where a price or exchange rate is missing.
    fn exposure(&self, ix: &Index, asked: &Asked<'_>, sub: Option<u32>) -> Option<Exposure> {
        let (at, buy) = (asked.at, asked.wish.buy);
        let mut others = Dec::ZERO;
        for (l, ls) in self.lines_with(asked, sub).filter(|(l, _)| *l != at) {
            let units = self.entered_at(l, ls, true).max(self.entered_at(l, ls, false));
            if units.is_positive() {
                let lane = ix.lane(ls)?;
                let px = self.price_of_line(ix, ls, lane, lane.pays.dearer_to_buy());
                let unit = self.in_account(ix, asked.follower, ls, px)?;
                others = others.checked_add(unit.worth(units, Round::Ceil)?)?;
            }
        }
        let ls = self.st.lines.get(at as usize)?;
        let sides = (self.entered_at(at, ls, buy), self.entered_at(at, ls, !buy));
        let unit = self.in_account(ix, asked.follower, ls, asked.unit_px)?;
        Some(Exposure::of(others, sides, unit, asked.wish.qty))
    }

    /// What a unit of a line's instrument is worth at a price, in the currency of its account.
    fn in_account(&self, ix: &Index, follower: u32, ls: &LineState, px: Option<Dec>) -> Option<Unit> {
        let px = px.filter(|px| px.is_positive())?;
        let cfg = ix.cfg.subscriptions.get(ls.sub as usize)?;
        let follower = ix.cfg.followers.get(follower as usize)?;
        let oldest_ns = self.st.at_ns.saturating_sub(cfg.account_max_age_ms.saturating_mul(MS));
        let into = (follower.currency.as_deref()?, oldest_ns);
        self.unit_at(ix, ls.follower_instrument, px, into, Round::Ceil).filter(|unit| unit.is_positive())
    }

    /// What the leverage of a subscription, or of all of an account, is measured by.
    fn capital(&self, ix: &Index, asked: &Asked<'_>, sub: Option<u32>) -> Result<Dec, Code> {
        let equity = self.equity_asked(ix, asked)?;
        let cfg = sub.and_then(|sub| ix.cfg.subscriptions.get(sub as usize));
        match cfg.map(|cfg| cfg.capital_share).filter(|share| *share != Dec::ONE) {
            Some(share) => equity.mul(share, Round::Floor).ok_or(Code::BadAccount),
            None => Ok(equity),
        }
    }

    /// Equity of the account that leverage is measured by: as its guards work it out, else as its broker or a person said it.
    fn equity_asked(&self, ix: &Index, asked: &Asked<'_>) -> Result<Dec, Code> {
        if let Some(equity) = asked.equity {
            return equity.ok_or(Code::StaleAccount);
        }
        let sub = self.st.lines.get(asked.at as usize).map_or(u32::MAX, |ls| ls.sub);
        let (Some(cfg), Some(values)) =
            (ix.cfg.subscriptions.get(sub as usize), self.st.followers.get(asked.follower as usize))
        else {
            return Err(Code::BadAccount);
        };
        let oldest_ns = self.st.at_ns.saturating_sub(cfg.account_max_age_ms.saturating_mul(MS));
        match values.equity_ns {
            0 => Err(Code::BadAccount),
            given if given < oldest_ns => Err(Code::StaleAccount),
            _ => Ok(values.equity),
        }
    }

    /// How large the copy is, and may be, for what the leader holds now, and would hold if his mirrored orders filled.
    fn amplification(
        &self,
        ix: &Index,
        at: u32,
        ls: &LineState,
        lane: &Lane,
        buy: bool,
    ) -> Option<Amplification> {
        let most = ix.cfg.subscriptions.get(ls.sub as usize)?.max_amplification?;
        let leader = ix.subs.get(ls.sub as usize)?.leader;
        let held = self.st.leaders.get(leader as usize)?.positions.get(&ls.instrument).copied();
        let held = held.unwrap_or(Dec::ZERO);
        // His working orders that are mirrored are what their mirrors are copies of.
        let all = abs(held).checked_add(self.mirrored_of(at, buy, held)).unwrap_or(Dec::from_raw(i128::MAX));
        let units = all.mul(lane.qty_factor, Round::Floor);
        let limit = units.and_then(|u| u.mul(most, Round::Floor)).unwrap_or(Dec::from_raw(i128::MAX));
        Some(Amplification { limit, position: self.entered_at(at, ls, buy) })
    }

    /// What a line and its mirrors hold and have entered on one side.
    pub(super) fn entered_at(&self, at: u32, ls: &LineState, buy: bool) -> Dec {
        let own = entered(&ls.line, buy);
        own.checked_add(self.mirrors_entered_at(at, buy)).unwrap_or(own)
    }
}

impl Wish {
    /// What a unit of it may be worth at the most, as far as is known: an open at the market what the market says, a mirror
    /// with a price what that says. A stop to buy, and a limit to sell, may trade at more than they name; a limit to buy, and
    /// a stop to sell, at less, which is where an inverse contract is worth more.
    fn worth(&self, pays: Pays, market: Option<Dec>) -> Option<Unit> {
        let px = match self.mirror.and_then(|t| Some((t, t.price()?))) {
            None => market?,
            Some((terms, px)) => {
                let above = if self.buy { terms.px.is_none() } else { terms.px.is_some() };
                let beyond = above == pays.dearer_to_buy();
                market.filter(|_| beyond).map_or(px, |market| pays.dearer(market, px))
            }
        };
        pays.unit(px, Dec::ONE, Round::Ceil)
    }
}

/// The largest position on one side that what is held and entered can become: a close on its way only leads to zero.
fn entered(line: &Line, buy: bool) -> Dec {
    let (filled, working) = if buy {
        (line.filled, line.working_buy)
    } else {
        (Dec::from_raw(line.filled.raw().saturating_neg()), line.working_sell)
    };
    working.checked_add(filled).unwrap_or(working).max(Dec::ZERO)
}

/// How far the price may have moved, where that is bounded.
fn drift(ix: &Index, ls: &LineState, found: Option<Dec>) -> Option<Drift> {
    Some(Drift { limit: ix.cfg.subscriptions.get(ls.sub as usize)?.max_drift_bps?, found })
}
