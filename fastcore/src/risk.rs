//! The checks that an open passes, in order. A close passes none of them: a control never blocks a reduce.
//!
//! What stops an open whatever its size (kill, guards, a restricted instrument …) is asked before, in
//! `engine/admission.rs`. This list is the one place to add a bound to.

use crate::config::{OnBreach, PriceWindow};
use crate::decimal::{Dec, Round, div_rem};
use crate::refusal::{Code, Refusal};
use crate::worth::Unit;
use serde::Deserialize;
use std::cell::LazyCell;
use std::sync::Arc;

/// Bounds of one follower instrument, units.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Largest single order.
    pub max_order_qty: Option<Dec>,
    /// Largest value of a single order, in the instrument's currency.
    pub max_order_value: Option<Dec>,
    /// How far the order's price may be from the market, basis points.
    pub price_collar_bps: Option<Dec>,
    /// How far it may be from the lowest and the highest quote of a window: all of these hold.
    pub price_windows: Option<Arc<[PriceWindow]>>,
    /// Largest position, counted from orders entered.
    pub max_position: Option<Dec>,
    /// What an open beyond a bound becomes.
    pub on_breach: OnBreach,
    /// Bounds over all instruments.
    pub totals: Totals,
}

/// Bounds over everything that a subscription, or an account, holds and has entered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Totals {
    /// Orders that are not done.
    pub max_open_orders: Option<u32>,
    /// Worth of what is held and entered, longs and shorts added, in the account's currency.
    pub max_exposure: Option<Dec>,
    /// That worth, in equities of the account.
    pub max_leverage: Option<Dec>,
}

impl Totals {
    /// Any of them is set.
    #[must_use]
    pub fn any(&self) -> bool {
        *self != Totals::default()
    }

    /// What is held and entered has to be valued.
    #[must_use]
    pub const fn ask_worth(&self) -> bool {
        self.max_exposure.is_some() || self.max_leverage.is_some()
    }
}

impl Bounds {
    /// Something has to be asked that the size of the order alone does not answer.
    fn asks(&self) -> bool {
        let collar = self.price_collar_bps.is_some() || self.price_windows.is_some();
        let of_order = self.max_order_value.is_some() || collar;
        of_order || self.max_position.is_some() || self.totals.any()
    }

    /// A price of the instrument has to be known.
    #[must_use]
    pub const fn ask_price(&self) -> bool {
        self.max_order_value.is_some() || self.totals.ask_worth()
    }
}

/// What the checks compare; gathered by the engine, all in units.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// Units that the open asks for.
    pub qty: Dec,
    /// Units of the same order that were asked for before: bounds of one order count them.
    pub beside: Dec,
    /// An order that works becomes as much larger: it takes no place of its own.
    pub replaces: bool,
    /// What one unit is worth in the instrument's currency, where a bound asks for it; none without a fresh quote and without
    /// a leader's price.
    pub px: Option<Unit>,
    /// Largest order that the venue takes: more goes in parts.
    pub venue_max: Option<Dec>,
    /// How far the order's price is from the market, basis points; none where one of both is not known.
    pub off_market_bps: Option<Dec>,
    /// The subscription.
    pub sub: Scope<'a>,
    /// Its follower, with all subscriptions.
    pub follower: Scope<'a>,
    /// All followers together: of the deployment, and of the leader, where they are bounded.
    pub together: &'a [Scope<'a>],
    /// How much larger than the leader's position the copy may be, where that is bounded.
    pub amplification: Option<Amplification>,
    /// How far the price may have moved, where that is bounded.
    pub drift: Option<Drift>,
    /// Messages that may be sent, where that is bounded.
    pub messages: Option<Messages>,
}

/// What is left of the allowance that has the least left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Messages {
    /// Messages that opens may take at once at the most.
    pub limit: u32,
    /// Messages that they may take now.
    pub room: u32,
}

impl Open<'_> {
    /// The whole order. What does not fit in a number is beyond every bound.
    fn all(&self) -> Dec {
        self.qty.checked_add(self.beside).unwrap_or(Dec::from_raw(i128::MAX))
    }
}

/// One of those that bounds are asked for: the subscription, the follower with all of its subscriptions, all followers
/// together.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Its bounds.
    pub bounds: &'a Bounds,
    /// How far the order's price is from where the market was, by the window that leaves it the least; none without one.
    pub off_range: Option<OffRange>,
    /// Units on the open's side of the instrument that it holds or has entered.
    pub position: Dec,
    /// Its orders that are not done.
    pub orders: u32,
    /// What it holds and has entered of everything; none where a price or exchange rate is missing.
    pub exposure: Option<Exposure>,
    /// Equity of the account, or the code of why it is not known.
    pub equity: Result<Dec, Code>,
}

/// How far a price is from the lowest or highest quote of a window, basis points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OffRange {
    /// The bound.
    pub limit: Dec,
    /// What was found; none without a price or a fresh quote.
    pub found: Option<Dec>,
}

/// What is held and entered, in the account's currency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exposure {
    /// Worth of everything but the open's own line.
    pub others: Dec,
    /// Units of that line on the open's side.
    pub same: Dec,
    /// Units of that line on the other side.
    pub opposite: Dec,
    /// Worth of one of its units.
    pub unit: Unit,
    /// Worth of everything after the open: both bounds compare it.
    after: Dec,
}

impl Exposure {
    /// What an open of `qty` units meets: see the fields. A line is worth its larger side: only one of both can be held.
    /// What does not fit in a number is beyond every bound.
    #[must_use]
    pub fn of(others: Dec, (same, opposite): (Dec, Dec), unit: Unit, qty: Dec) -> Self {
        let line = same.checked_add(qty).map(|same| same.max(opposite));
        let worth = line.and_then(|line| unit.worth(line, Round::Ceil)?.checked_add(others));
        Self { others, same, opposite, unit, after: worth.unwrap_or(Dec::from_raw(i128::MAX)) }
    }

    /// Units that still fit below a worth.
    fn room(&self, limit: Dec) -> Option<Dec> {
        let units = self.unit.units(limit.checked_sub(self.others)?, Round::Floor)?;
        if units < self.opposite { None } else { units.checked_sub(self.same) }
    }
}

/// The copy beside what is copied, units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Amplification {
    /// The largest copy that the leader's position allows.
    pub limit: Dec,
    /// What the line holds or has entered on the open's side.
    pub position: Dec,
}

/// How far the price moved against the follower since the leader's trade, basis points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The bound.
    pub limit: Dec,
    /// What was found, 0 where it moved in the follower's favour; none without a leader price or a fresh quote.
    pub found: Option<Dec>,
}

/// The largest open that no bound touches, whatever is held, entered and paid; none where that matters (`asked`: by
/// something else than these bounds), or nothing may open.
///
/// What is worked out once for a lane spares its usual opens the list below.
#[must_use]
pub fn free_up_to(sub: &Bounds, follower: &Bounds, asked: bool) -> Option<Dec> {
    let largest = [sub.max_order_qty, follower.max_order_qty].into_iter().flatten().min();
    (!asked && !sub.asks() && !follower.asks()).then(|| largest.unwrap_or(Dec::from_raw(i128::MAX)))
}

/// A check's answer: none lets all pass, else the units that it leaves and why.
type Clip = Option<(Dec, Refusal)>;
type Check = fn(&Open<'_>) -> Clip;

/// The checks, in their documented order; every one sees the whole open, the smallest answer wins.
pub const CHECKS: &[(Code, Check)] = &[
    (Code::MaxOrderQty, max_order_qty),
    (Code::MaxOrderValue, max_order_value),
    (Code::PriceCollar, price_collar),
    (Code::PriceCollarWindow, price_collar_window),
    (Code::MaxMessages, max_messages),
    (Code::MaxPosition, max_position),
    (Code::MaxOpenOrders, max_open_orders),
    (Code::MaxExposure, max_exposure),
    (Code::MaxLeverage, max_leverage),
    (Code::Amplification, amplification),
    (Code::Drift, drift),
];

/// Units that may be opened, and every refusal or clip on the way.
pub fn admit(open: &Open<'_>, refusals: &mut impl Extend<Refusal>) -> Dec {
    let mut left = open.qty;
    for (_, check) in CHECKS {
        if let Some((units, refusal)) = check(open) {
            refusals.extend([refusal]);
            left = left.min(units);
            if !left.is_positive() {
                return Dec::ZERO;
            }
        }
    }
    left
}

/// The smallest of all answers, the first of equals: the subscription's, the follower's, everybody's.
fn each(o: &Open<'_>, ask: impl Fn(&Scope<'_>) -> Clip) -> Clip {
    let scopes = [&o.sub, &o.follower].into_iter().chain(o.together);
    scopes.filter_map(ask).reduce(|a, b| if b.0 < a.0 { b } else { a })
}

fn clip(code: Code, on_breach: OnBreach, limit: Dec, value: Dec, room: Dec) -> Clip {
    let left = if on_breach == OnBreach::Refuse { Dec::ZERO } else { room.max(Dec::ZERO) };
    Some((left, Refusal::over(code, limit, value)))
}

/// Nothing may be opened, because a number is not known.
const fn not_known(code: Code) -> Clip {
    Some((Dec::ZERO, Refusal::bare(code)))
}

fn max_order_qty(o: &Open<'_>) -> Clip {
    each(o, |s| {
        let all = o.all();
        let limit = s.bounds.max_order_qty.filter(|limit| all > *limit)?;
        let room = limit.checked_sub(o.beside).unwrap_or(Dec::ZERO);
        clip(Code::MaxOrderQty, s.bounds.on_breach, limit, all, room)
    })
}

/// Without any price nobody can say what it is worth: not opened.
fn max_order_value(o: &Open<'_>) -> Clip {
    let worth = LazyCell::new(|| {
        let px = o.px.filter(|px| px.is_positive())?;
        // What does not fit in a number is beyond every bound.
        Some((px, px.worth(o.all(), Round::Ceil).unwrap_or(Dec::from_raw(i128::MAX))))
    });
    each(o, |s| {
        let limit = s.bounds.max_order_value?;
        let Some((px, value)) = *worth else { return not_known(Code::NoQuote) };
        if value <= limit {
            return None;
        }
        let room =
            px.units(limit, Round::Down).and_then(|units| units.checked_sub(o.beside)).unwrap_or(o.qty);
        clip(Code::MaxOrderValue, s.bounds.on_breach, limit, value, room)
    })
}

/// A price far from the market is a mistake of somebody; without a fresh quote nobody can say: not opened.
fn price_collar(o: &Open<'_>) -> Clip {
    each(o, |s| {
        let limit = s.bounds.price_collar_bps?;
        let Some(found) = o.off_market_bps else { return not_known(Code::NoQuote) };
        (found > limit).then(|| (Dec::ZERO, Refusal::over(Code::PriceCollar, limit, found)))
    })
}

/// A market that runs away takes the newest quote with it, and not where it was a moment ago.
fn price_collar_window(o: &Open<'_>) -> Clip {
    each(o, |s| {
        let OffRange { limit, found } = s.off_range?;
        let Some(found) = found else { return not_known(Code::NoQuote) };
        (found > limit).then(|| (Dec::ZERO, Refusal::over(Code::PriceCollarWindow, limit, found)))
    })
}

fn max_position(o: &Open<'_>) -> Clip {
    each(o, |s| {
        let limit = s.bounds.max_position?;
        let room = limit.checked_sub(s.position).unwrap_or(Dec::ZERO);
        if o.qty <= room {
            return None;
        }
        let value = s.position.checked_add(o.qty).unwrap_or(s.position);
        clip(Code::MaxPosition, s.bounds.on_breach, limit, value, room)
    })
}

/// An open takes one place, or as many as the venue makes it parts.
fn max_open_orders(o: &Open<'_>) -> Clip {
    each(o, |s| {
        let limit = s.bounds.totals.max_open_orders.filter(|_| !o.replaces)?;
        let room = limit.saturating_sub(s.orders);
        let parts = parts(o);
        if parts <= room {
            return None;
        }
        let (of, value) = (Dec::from_int(i64::from(limit)), s.orders.saturating_add(parts));
        let value = Dec::from_int(i64::from(value));
        clip(Code::MaxOpenOrders, s.bounds.on_breach, of, value, in_orders(o, room))
    })
}

/// Each part of an open is a message. It is a fuse, not a queue: what does not fit is not sent later.
fn max_messages(o: &Open<'_>) -> Clip {
    let Messages { limit, room } = o.messages?;
    let parts = parts(o);
    if parts <= room {
        return None;
    }
    let used = limit.saturating_sub(room).saturating_add(parts);
    let (of, value) = (Dec::from_int(i64::from(limit)), Dec::from_int(i64::from(used)));
    clip(Code::MaxMessages, o.sub.bounds.on_breach, of, value, in_orders(o, room))
}

/// Orders that an open becomes.
fn parts(o: &Open<'_>) -> u32 {
    let split = o.venue_max.and_then(|most| div_rem(o.qty.raw(), most.raw()));
    let (whole, rest) = split.unwrap_or((0, 1));
    u32::try_from(whole.saturating_add(i128::from(rest > 0))).unwrap_or(u32::MAX)
}

/// Units that so many orders carry.
fn in_orders(o: &Open<'_>, orders: u32) -> Dec {
    match (orders, o.venue_max) {
        (0, _) => Dec::ZERO,
        (n, Some(most)) => most.mul(Dec::from_int(i64::from(n)), Round::Down).unwrap_or(o.qty),
        (_, None) => o.qty,
    }
}

fn max_exposure(o: &Open<'_>) -> Clip {
    each(o, |s| {
        let limit = s.bounds.totals.max_exposure?;
        let Some(exposure) = s.exposure else { return not_known(Code::NoQuote) };
        let worth = exposure.after;
        if worth <= limit {
            return None;
        }
        let room = exposure.room(limit).unwrap_or(Dec::ZERO);
        clip(Code::MaxExposure, s.bounds.on_breach, limit, worth, room)
    })
}

fn max_leverage(o: &Open<'_>) -> Clip {
    each(o, |s| {
        let limit = s.bounds.totals.max_leverage?;
        let Some(exposure) = s.exposure else { return not_known(Code::NoQuote) };
        let equity = match s.equity {
            Ok(equity) if equity.is_positive() => equity,
            Ok(_) => return not_known(Code::BadAccount),
            Err(code) => return not_known(code),
        };
        let most = limit.mul(equity, Round::Floor).unwrap_or(Dec::from_raw(i128::MAX));
        let worth = exposure.after;
        if worth <= most {
            return None;
        }
        let times = worth.div(equity, Round::Ceil).unwrap_or(worth);
        let room = exposure.room(most).unwrap_or(Dec::ZERO);
        clip(Code::MaxLeverage, s.bounds.on_breach, limit, times, room)
    })
}

/// Positions are compared, never one order with one fill: what waited for its smallest lot would look like ten times as
/// much, and never open.
fn amplification(o: &Open<'_>) -> Clip {
    let Amplification { limit, position } = o.amplification?;
    let room = limit.checked_sub(position).unwrap_or(Dec::ZERO);
    if o.qty <= room {
        return None;
    }
    let value = position.checked_add(o.qty).unwrap_or(position);
    clip(Code::Amplification, o.sub.bounds.on_breach, limit, value, room)
}

/// Without a fresh quote nobody can say how far it moved: not opened.
fn drift(o: &Open<'_>) -> Clip {
    let Drift { limit, found } = o.drift?;
    let Some(found) = found else { return not_known(Code::NoQuote) };
    (found > limit).then(|| (Dec::ZERO, Refusal::over(Code::Drift, limit, found)))
}

#[cfg(test)]
#[path = "risk_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "risk_edges.rs"]
mod edges;
