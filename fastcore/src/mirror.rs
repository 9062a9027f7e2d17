//! Orders that mirror a leader's working order (`copy = "orders"`): their life cycle and their terms. Pure.
//!
//! The life of the order at the broker is [`crate::order`]'s. Here is what a mirror does next: where its order stands,
//! what the leader's order asks for, and the act that follows.

use crate::decimal::{Dec, Round, mul_div};
use crate::fix::Message;
use crate::order::State;
use crate::profile::{OrderType, Profile, Tif};
use crate::time::parse_utc;
use serde::{Deserialize, Serialize};

/// Where a mirror's order stands, as far as something can be asked of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There is none, or it has ended.
    Absent,
    /// It waits for its route.
    Held,
    /// On its way, or nobody knows where: a request that names it could arrive before it.
    Away,
    /// The broker has it.
    Working,
    /// The broker has it and was asked to replace it.
    Replacing,
    /// The broker has it and was asked to cancel it.
    Canceling,
}

impl Standing {
    /// Every standing.
    pub const ALL: [Standing; 6] = [
        Standing::Absent,
        Standing::Held,
        Standing::Away,
        Standing::Working,
        Standing::Replacing,
        Standing::Canceling,
    ];
}

/// A request about an order that is not answered yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// None.
    Nothing,
    /// OrderCancelReplaceRequest(G).
    Replace,
    /// OrderCancelRequest(F).
    Cancel,
}

impl Asked {
    /// Every kind.
    pub const ALL: [Asked; 3] = [Asked::Nothing, Asked::Replace, Asked::Cancel];
}

/// What the leader's order asks of the mirror's, compared with what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// No order.
    Gone,
    /// The order that there is.
    Keep,
    /// An order of another size, price or type, or the first one.
    Change,
}

impl Wish {
    /// Every wish.
    pub const ALL: [Wish; 3] = [Wish::Gone, Wish::Keep, Wish::Change];
}

/// What is done next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    /// Nothing, or nothing yet.
    Nothing,
    /// A new order.
    Place,
    /// The order is taken back before it leaves.
    Withdraw,
    /// The order is replaced.
    Replace,
    /// The order is cancelled. Where another one is wanted, it is placed when the broker has answered.
    Cancel,
}

/// Where an order stands.
#[must_use]
pub const fn standing(state: State, asked: Asked) -> Standing {
    match (state, asked) {
        (State::Held, _) => Standing::Held,
        (State::Dispatched | State::Out | State::Unknown, _) => Standing::Away,
        (State::Acknowledged | State::PartlyFilled, Asked::Nothing) => Standing::Working,
        (State::Acknowledged | State::PartlyFilled, Asked::Replace) => Standing::Replacing,
        (State::Acknowledged | State::PartlyFilled, Asked::Cancel) => Standing::Canceling,
        (State::Filled | State::Canceled | State::Rejected | State::Expired | State::Missed, _) => {
            Standing::Absent
        }
    }
}

/// The table: one request at a time, and a new order only when no other can fill any more.
///
/// `replaces`: the venue takes a replace, and has not refused one of this order.
#[must_use]
pub const fn act(standing: Standing, wish: Wish, replaces: bool) -> Act {
    match (standing, wish) {
        (Standing::Absent, Wish::Change) => Act::Place,
        (Standing::Held, Wish::Gone | Wish::Change) => Act::Withdraw,
        (Standing::Working, Wish::Change) if replaces => Act::Replace,
        (Standing::Working, Wish::Change | Wish::Gone) => Act::Cancel,
        (Standing::Absent | Standing::Held | Standing::Working, Wish::Gone | Wish::Keep)
        | (Standing::Away | Standing::Replacing | Standing::Canceling, _) => Act::Nothing,
    }
}

/// OrdType(40) with its prices, and how long it is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// OrdType(40).
    pub order_type: OrderType,
    /// Price(44) of a limit and of a stop-limit.
    pub px: Option<Dec>,
    /// StopPx(99) of a stop and of a stop-limit.
    pub stop_px: Option<Dec>,
    /// TimeInForce(59).
    pub tif: Tif,
    /// ExpireTime(126), with good till date.
    pub expire_ns: Option<i64>,
}

impl Terms {
    /// The price that the order is to trade at: its limit, else its stop; none at the market.
    #[must_use]
    pub fn price(&self) -> Option<Dec> {
        self.px.or(self.stop_px)
    }
}

/// Why terms cannot be mirrored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unmirrored {
    /// OrdType(40) is missing, or none that we know.
    OrderType,
    /// Its Price(44) or StopPx(99) is missing, not positive, or does not fit.
    Price,
    /// TimeInForce(59) is none that we know.
    Tif,
    /// The follower's venue does not take the order type.
    VenueType,
    /// The follower's venue takes nothing that stays in force as long.
    VenueTif,
}

impl Unmirrored {
    /// What it says to a person.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Unmirrored::OrderType => "its OrdType(40) is none of market, limit, stop, stop-limit",
            Unmirrored::Price => "a price of it is missing, not positive or too large",
            Unmirrored::Tif => "its TimeInForce(59) is none of day, GTC, IOC, FOK, GTD",
            Unmirrored::VenueType => "the follower's venue does not take its order type",
            Unmirrored::VenueTif => "the follower's venue takes no time in force that lasts as long",
        }
    }
}

fn price(m: &Message<'_>, tag: u32) -> Result<Option<Dec>, Unmirrored> {
    let px = m.get(tag).and_then(|text| Dec::parse(text).ok()).filter(|px| px.is_positive());
    px.map(Some).ok_or(Unmirrored::Price)
}

impl Terms {
    /// The terms that a leader's report shows.
    ///
    /// # Errors
    /// [`Unmirrored`]: what is not known is not guessed.
    pub fn read(m: &Message<'_>) -> Result<Terms, Unmirrored> {
        let (order_type, px, stop_px) = match m.get(40) {
            Some(b"1") => (OrderType::Market, None, None),
            Some(b"2") => (OrderType::Limit, price(m, 44)?, None),
            Some(b"3") => (OrderType::Stop, None, price(m, 99)?),
            Some(b"4") => (OrderType::StopLimit, price(m, 44)?, price(m, 99)?),
            _ => return Err(Unmirrored::OrderType),
        };
        let tif = match m.get(59) {
            // FIX 4.4, TimeInForce: absence is day.
            None | Some(b"" | b"0") => Tif::Day,
            Some(b"1") => Tif::Gtc,
            Some(b"3") => Tif::Ioc,
            Some(b"4") => Tif::Fok,
            Some(b"6") => Tif::Gtd,
            Some(_) => return Err(Unmirrored::Tif),
        };
        let expire_ns = m.get(126).filter(|_| tif == Tif::Gtd).and_then(parse_utc);
        Ok(Terms { order_type, px, stop_px, tif, expire_ns })
    }

    /// A stop at `m` times its distance from the entry, on the same side of it; a limit behind it moves along.
    ///
    /// None where the prices do not fit or leave what is positive.
    #[must_use]
    pub fn stretched(&self, entry: Dec, m: Dec) -> Option<Terms> {
        let Some(stop) = self.stop_px else { return Some(*self) };
        let moved = entry.checked_add(stop.checked_sub(entry)?.mul(m, Round::HalfEven)?)?;
        let by = moved.checked_sub(stop)?;
        let px = match self.px {
            Some(px) => Some(px.checked_add(by).filter(|px| px.is_positive())?),
            None => None,
        };
        Some(Terms { px, stop_px: Some(moved).filter(|px| px.is_positive()), ..*self })
            .filter(|t| t.stop_px.is_some())
    }
}

/// What stands between a leader's terms and a follower's.
#[derive(Clone, Copy, Debug)]
pub struct Mapping<'a> {
    /// The follower's venue.
    pub profile: &'a Profile,
    /// Follower price per leader price.
    pub price_factor: Dec,
    /// Smallest change of price.
    pub tick: Dec,
    /// The follower buys what the leader sells: what waits for a better price waits for a worse one.
    pub reverse: bool,
    /// The follower buys.
    pub buy: bool,
}

fn on_tick(px: Dec, tick: Dec, up: bool) -> Option<Dec> {
    let round = if up { Round::Ceil } else { Round::Floor };
    let ticks = mul_div(px.raw(), 1, tick.raw(), round).filter(|n| *n > 0)?;
    ticks.checked_mul(tick.raw()).map(Dec::from_raw)
}

impl<'a> Mapping<'a> {
    /// Between a leader and a follower who buys, or sells.
    #[must_use]
    pub const fn between(
        profile: &'a Profile,
        price_factor: Dec,
        tick: Dec,
        reverse: bool,
        buy: bool,
    ) -> Self {
        Mapping { profile, price_factor, tick, reverse, buy }
    }

    /// The follower's terms. A limit is never worse than the leader's: a buy rounds down, a sell up. A stop is rounded
    /// away from the market: a buy up, a sell down.
    ///
    /// # Errors
    /// [`Unmirrored`].
    pub fn terms(&self, leader: &Terms) -> Result<Terms, Unmirrored> {
        let turned = if self.reverse { reversed(leader) } else { *leader };
        if !self.profile.order_types.contains(&turned.order_type) {
            return Err(Unmirrored::VenueType);
        }
        let scaled = |px: Option<Dec>, up: bool| match px {
            Some(px) => px
                .mul(self.price_factor, Round::HalfEven)
                .and_then(|px| on_tick(px, self.tick, up))
                .map(Some)
                .ok_or(Unmirrored::Price),
            None => Ok(None),
        };
        let (tif, expire_ns) = self.in_force(&turned)?;
        Ok(Terms {
            order_type: turned.order_type,
            px: scaled(turned.px, !self.buy)?,
            stop_px: scaled(turned.stop_px, self.buy)?,
            tif,
            expire_ns,
        })
    }

    /// Price(44) and StopPx(99) before they are put on the tick.
    #[must_use]
    pub fn exact(&self, leader: &Terms) -> (Option<Dec>, Option<Dec>) {
        let turned = if self.reverse { reversed(leader) } else { *leader };
        let scaled = |px: Option<Dec>| px.and_then(|px| px.mul(self.price_factor, Round::HalfEven));
        (scaled(turned.px), scaled(turned.stop_px))
    }

    /// The leader's own time in force, or one that lasts longer: his order's end is the mirror's end anyway.
    fn in_force(&self, t: &Terms) -> Result<(Tif, Option<i64>), Unmirrored> {
        if t.order_type == OrderType::Market {
            return Ok((Tif::Day, None));
        }
        let takes = |tif: Tif| self.profile.tifs.contains(&tif);
        let longer = match t.tif {
            Tif::Gtd if t.expire_ns.is_some() && takes(Tif::Gtd) => return Ok((Tif::Gtd, t.expire_ns)),
            Tif::Gtd => Tif::Gtc,
            tif if takes(tif) => tif,
            Tif::Day => Tif::Gtc,
            tif => tif,
        };
        if takes(longer) { Ok((longer, None)) } else { Err(Unmirrored::VenueTif) }
    }
}

/// Who copies in reverse sells where the leader buys, at the same price: a limit becomes a stop, a stop a limit.
fn reversed(t: &Terms) -> Terms {
    match t.order_type {
        OrderType::Market => *t,
        OrderType::Limit => Terms { order_type: OrderType::Stop, px: None, stop_px: t.px, ..*t },
        // Where the leader's stop is triggered is where the other side has its limit.
        OrderType::Stop | OrderType::StopLimit => {
            Terms { order_type: OrderType::Limit, px: t.stop_px, stop_px: None, ..*t }
        }
    }
}

#[cfg(test)]
#[path = "mirror_tests.rs"]
mod tests;
