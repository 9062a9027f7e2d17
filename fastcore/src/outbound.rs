//! Our own FIX messages: NewOrderSingle(D), OrderCancelRequest(F), OrderStatusRequest(H).

use crate::decimal::Dec;
use crate::fix::{self, BadValue, Field, SOH, Writer, checksum};
use crate::order::Order;
use crate::profile::{Profile, TimePrecision};

/// What an order message needs beside the order.
#[derive(Clone, Copy, Debug)]
pub struct Route<'a> {
    /// Venue profile.
    pub profile: &'a Profile,
    /// Account(1), where the profile puts it on orders.
    pub account: Option<&'a str>,
    /// Symbol(55) at the venue.
    pub symbol: &'a str,
    /// Units in one of the venue's quantities.
    pub unit: Dec,
}

/// One stretch of an order message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Piece {
    /// Text of the template, from and to.
    Text(u16, u16),
    /// ClOrdID(11).
    Id,
    /// Side(54).
    Side,
    /// TransactTime(60), as the event has it.
    Time,
    /// OrderQty(38).
    Qty,
    /// Price(44).
    Px,
}

/// A NewOrderSingle(D) with gaps for what differs from order to order.
#[derive(Clone, Debug)]
pub struct Template {
    text: Box<[u8]>,
    pieces: Box<[Piece]>,
    unit: Dec,
}

/// Leaves room for ids and numbers below the 999 bytes that BodyLength(9) has place for.
const TEMPLATE_BYTES_MAX: usize = 800;

impl Template {
    /// Cut from a whole message; none when the order cannot be written at all.
    #[must_use]
    pub fn of(order: &Order, route: &Route<'_>) -> Option<Template> {
        let mut whole = Vec::new();
        new_order(&mut whole, order, route, 0).ok()?;
        if whole.len() > TEMPLATE_BYTES_MAX {
            return None;
        }
        let mut fields: Vec<Field> = Vec::new();
        let message = fix::parse(&whole, &mut fields).ok()?;
        let (mut text, mut pieces, mut from) = (Vec::new(), Vec::new(), 0_usize);
        let at = |n: usize| u16::try_from(n).ok();
        for (tag, value) in message.fields().filter(|(tag, _)| !matches!(tag, 8..=10)) {
            text.extend_from_slice(tag.to_string().as_bytes());
            text.push(b'=');
            let piece = match tag {
                11 => Piece::Id,
                54 => Piece::Side,
                60 => Piece::Time,
                38 => Piece::Qty,
                44 => Piece::Px,
                _ => {
                    text.extend_from_slice(value);
                    text.push(SOH);
                    continue;
                }
            };
            pieces.extend([Piece::Text(at(from)?, at(text.len())?), piece]);
            from = text.len();
            text.push(SOH);
        }
        pieces.push(Piece::Text(at(from)?, at(text.len())?));
        let head = [b"8=", route.profile.begin_string.as_bytes(), b"\x019="].concat();
        let body = text.len();
        text.extend_from_slice(&head);
        pieces.insert(0, Piece::Text(at(body)?, at(text.len())?));
        Some(Template { text: text.into(), pieces: pieces.into(), unit: route.unit })
    }

    /// Writes an order. `time` is TransactTime(60) as text.
    pub fn write(&self, out: &mut Vec<u8>, o: &Order, time: &[u8]) {
        let start = out.len();
        let mut pieces = self.pieces.iter();
        let text = |from: u16, to: u16| self.text.get(usize::from(from)..usize::from(to)).unwrap_or(&[]);
        if let Some(Piece::Text(from, to)) = pieces.next() {
            out.extend_from_slice(text(*from, *to));
        }
        let length_at = out.len();
        out.extend_from_slice(b"000\x01");
        let body_at = out.len();
        for piece in pieces {
            match *piece {
                Piece::Text(from, to) => out.extend_from_slice(text(from, to)),
                Piece::Id => out.extend_from_slice(&o.cl_ord_id),
                Piece::Side => out.push(if o.buy { b'1' } else { b'2' }),
                Piece::Time => out.extend_from_slice(time),
                Piece::Qty => in_units(o.qty, self.unit).write(out),
                Piece::Px => o.px.unwrap_or_default().write(out),
            }
        }
        let digits =
            |n: usize| [n / 100, n / 10, n].map(|d| b'0'.wrapping_add(u8::try_from(d % 10).unwrap_or(0)));
        let length = digits(out.len().saturating_sub(body_at));
        if let Some(place) = out.get_mut(length_at..length_at.saturating_add(3)) {
            place.copy_from_slice(&length);
        }
        let sum = digits(usize::try_from(checksum(out.get(start..).unwrap_or(&[]))).unwrap_or(0));
        out.extend_from_slice(b"10=");
        out.extend_from_slice(&sum);
        out.push(SOH);
    }
}

fn begin<'a>(out: &'a mut Vec<u8>, p: &Profile, msg_type: &[u8]) -> Result<Writer<'a>, BadValue> {
    Writer::begin(out, p.begin_string.as_bytes(), msg_type)
}

fn in_units(units: Dec, unit: Dec) -> Dec {
    if unit == Dec::ONE { units } else { units.div(unit, crate::decimal::Round::HalfEven).unwrap_or(units) }
}

fn qty(units: Dec, r: &Route<'_>) -> Dec {
    in_units(units, r.unit)
}

/// TransactTime(60) in the profile's precision.
pub fn write_time(at_ns: i64, p: &Profile, out: &mut Vec<u8>) {
    let decimals = match p.time_precision {
        TimePrecision::S => 0,
        TimePrecision::Ms => 3,
        TimePrecision::Us => 6,
    };
    crate::time::write_utc_digits(at_ns, decimals, out);
}

fn common(w: &mut Writer<'_>, o: &Order, r: &Route<'_>, at_ns: i64) -> Result<(), BadValue> {
    w.text(55, r.symbol.as_bytes())?;
    w.char(54, if o.buy { b'1' } else { b'2' })?;
    let mut time = Vec::with_capacity(32);
    write_time(at_ns, r.profile, &mut time);
    w.text(60, &time)
}

/// NewOrderSingle(D).
///
/// # Errors
/// `BadValue` when an account or symbol cannot stand in a FIX field.
pub fn new_order(out: &mut Vec<u8>, o: &Order, r: &Route<'_>, at_ns: i64) -> Result<(), BadValue> {
    let mut w = begin(out, r.profile, b"D")?;
    w.text(11, &o.cl_ord_id)?;
    if let Some(a) = r.account {
        w.text(1, a.as_bytes())?;
    }
    if r.profile.handl_inst_21 {
        w.char(21, b'1')?;
    }
    common(&mut w, o, r, at_ns)?;
    w.dec(38, qty(o.qty, r))?;
    match o.px {
        Some(px) => {
            w.char(40, b'2')?;
            w.dec(44, px)?;
            w.char(59, b'3')?;
        }
        None => w.char(40, b'1')?,
    }
    if let (true, Some((tag, value))) = (o.reduces, &r.profile.reduce_only) {
        w.text(*tag, value.as_bytes())?;
    }
    for (tag, value) in &r.profile.extra_fields {
        w.text(*tag, value.as_bytes())?;
    }
    w.finish()
}

/// OrderCancelRequest(F) under the order's cancel id.
///
/// # Errors
/// As [`new_order`].
pub fn cancel(out: &mut Vec<u8>, o: &Order, r: &Route<'_>, at_ns: i64) -> Result<(), BadValue> {
    let mut w = begin(out, r.profile, b"F")?;
    w.text(41, &o.cl_ord_id)?;
    if let Some(id) = &o.cancel_id {
        w.text(11, id)?;
    }
    if !o.order_id.is_empty() {
        w.text(37, &o.order_id)?;
    }
    if let Some(a) = r.account {
        w.text(1, a.as_bytes())?;
    }
    common(&mut w, o, r, at_ns)?;
    w.dec(38, qty(o.qty, r))?;
    w.finish()
}

/// OrderStatusRequest(H); the query id goes where FIX 4.4 and later have a place for it.
///
/// # Errors
/// As [`new_order`].
pub fn status(out: &mut Vec<u8>, o: &Order, r: &Route<'_>, query_id: &[u8]) -> Result<(), BadValue> {
    let mut w = begin(out, r.profile, b"H")?;
    w.text(11, &o.cl_ord_id)?;
    if !o.order_id.is_empty() {
        w.text(37, &o.order_id)?;
    }
    if let Some(a) = r.account {
        w.text(1, a.as_bytes())?;
    }
    w.text(55, r.symbol.as_bytes())?;
    w.char(54, if o.buy { b'1' } else { b'2' })?;
    if !r.profile.begin_string.ends_with("4.2") {
        w.text(790, query_id)?;
    }
    w.finish()
}
