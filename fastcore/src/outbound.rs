//! Our own FIX messages: NewOrderSingle(D), OrderCancelRequest(F), OrderStatusRequest(H).

use crate::decimal::Dec;
use crate::fix::{BadValue, Writer};
use crate::order::Order;
use crate::profile::Profile;

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

fn begin<'a>(out: &'a mut Vec<u8>, p: &Profile, msg_type: &[u8]) -> Result<Writer<'a>, BadValue> {
    Writer::begin(out, p.begin_string.as_bytes(), msg_type)
}

fn qty(units: Dec, r: &Route<'_>) -> Dec {
    if r.unit == Dec::ONE {
        units
    } else {
        units.div(r.unit, crate::decimal::Round::HalfEven).unwrap_or(units)
    }
}

fn common(w: &mut Writer<'_>, o: &Order, r: &Route<'_>, at_ns: i64) -> Result<(), BadValue> {
    w.text(55, r.symbol.as_bytes())?;
    w.char(54, if o.buy { b'1' } else { b'2' })?;
    w.utc(60, at_ns)
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
