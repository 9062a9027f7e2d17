//! Our own FIX messages: NewOrderSingle(D), OrderCancelRequest(F), OrderStatusRequest(H); to leaders' brokers H, AF, AN; to followers' AN.

use crate::decimal::{Dec, three_digits};
use crate::fix::{self, BadValue, Field, SOH, Writer, checksum};
use crate::mirror::Terms;
use crate::order::{CL_ORD_ID_MAX, Order};
use crate::profile::{OrderType, Profile, TimePrecision};
use crate::report::{Report, Side};

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

/// A NewOrderSingle(D) with gaps for what differs from order to order.
///
/// Ids, sides and times have fixed lengths, so that all up to OrderQty(38) is one copy with three patches. Its bytes and
/// places are kept together: for a thousand followers, what is fetched from memory costs more than what is computed.
#[derive(Clone, Debug)]
pub struct Template {
    /// Everything but the numbers: from BeginString(8) up to the `=` of TransactTime(60), with zeros in the gaps; then
    /// what is between quantity and price, or all the rest; then what is behind Price(44), where the order has one.
    text: Box<[u8]>,
    /// Where the first part ends, and the second.
    head_end: u16,
    middle_end: u16,
    /// Where the body begins, and where ClOrdID(11) and Side(54) go.
    body_at: u16,
    id_at: u16,
    side_at: u16,
    /// The order has a Price(44).
    priced: bool,
    /// Sum of all bytes that do not differ: CheckSum(10) adds only the others.
    sum: u8,
    unit: Dec,
}

/// TransactTime(60) and the name of what follows it, OrderQty(38), in a place of fixed size.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeText {
    text: [u8; 32],
    len: usize,
    /// Sum of the time's bytes, for CheckSum(10).
    sum: u8,
}

/// What stands between the time and the quantity.
const BEHIND_TIME: &[u8] = b"\x0138=";

impl TimeText {
    /// In the profile's precision.
    #[must_use]
    pub fn of(at_ns: i64, p: &Profile) -> Self {
        let (mut written, mut text) = (Vec::with_capacity(32), [0; 32]);
        write_time(at_ns, p, &mut written);
        let sum = checksum(&written);
        written.extend_from_slice(BEHIND_TIME);
        let len = written.len().min(text.len());
        text.iter_mut().zip(written).for_each(|(to, from)| *to = from);
        Self { text, len, sum }
    }
}

/// Leaves room for numbers below the 999 bytes that BodyLength(9) has place for.
const TEMPLATE_BYTES_MAX: usize = 800;
/// BodyLength(9) and its separator, in the head.
const LENGTH_GAP: usize = 3;

impl Template {
    /// Cut from a whole message whose ClOrdID(11) has its final length; none when the order cannot be written at all.
    #[must_use]
    pub fn of(order: &Order, route: &Route<'_>) -> Option<Template> {
        let mut whole = Vec::new();
        new_order(&mut whole, order, route, 0).ok()?;
        let mut fields: Vec<Field> = Vec::new();
        let message = fix::parse(&whole, &mut fields).ok()?;
        if whole.len() > TEMPLATE_BYTES_MAX {
            return None;
        }
        let mut text = [b"8=", route.profile.begin_string.as_bytes(), b"\x019=\0\0\0\x01"].concat();
        let body_at = text.len();
        let (mut id_at, mut side_at, mut time_at, mut qty_at, mut px_at) = (0, 0, 0, 0, None);
        for (tag, value) in message.fields().filter(|(tag, _)| !matches!(tag, 8..=10)) {
            text.extend_from_slice(tag.to_string().as_bytes());
            text.push(b'=');
            let gap = match tag {
                11 => &mut id_at,
                54 => &mut side_at,
                60 => &mut time_at,
                38 => &mut qty_at,
                44 => px_at.insert(0),
                _ => {
                    text.extend_from_slice(value);
                    text.push(SOH);
                    continue;
                }
            };
            *gap = text.len();
            if !matches!(tag, 38 | 44) {
                text.resize(text.len().checked_add(value.len())?, 0);
            }
            text.push(SOH);
        }
        // The head ends at the time: its gaps come before, and the quantity right behind, as `new_order` writes them.
        let head = text.get(..time_at).filter(|_| id_at.max(side_at) < time_at)?;
        text.get(time_at..qty_at).filter(|t| t.ends_with(BEHIND_TIME))?;
        let middle = text.get(qty_at..px_at.unwrap_or(text.len()))?;
        let tail = px_at.and_then(|at| text.get(at..));
        let place = |at: usize| u16::try_from(at).ok();
        Some(Template {
            text: [head, middle, tail.unwrap_or_default()].concat().into(),
            head_end: place(head.len())?,
            middle_end: place(head.len().checked_add(middle.len())?)?,
            body_at: place(body_at)?,
            id_at: place(id_at)?,
            side_at: place(side_at)?,
            priced: tail.is_some(),
            sum: checksum(&text),
            unit: route.unit,
        })
    }

    /// Whether the order's quantity can be said in the venue's unit.
    #[must_use]
    pub fn fits(&self, o: &Order) -> bool {
        self.unit == Dec::ONE || in_units(o.qty, self.unit).is_some()
    }

    /// Writes an order that [`Self::fits`].
    pub fn write(&self, out: &mut Vec<u8>, o: &Order, time: &TimeText) {
        let start = out.len();
        let at = |place: u16| start.saturating_add(usize::from(place));
        let (head, rest) = self.text.split_at_checked(usize::from(self.head_end)).unwrap_or_default();
        out.extend_from_slice(head);
        let side = if o.buy { b'1' } else { b'2' };
        let (id, id_len) = o.cl_ord_id.parts();
        put(out, at(self.id_at), id, usize::from(id_len));
        put(out, at(self.side_at), &[side], 1);
        let end = out.len().saturating_add(time.len);
        out.extend_from_slice(&time.text);
        out.truncate(end);
        let mut sum = self.sum.wrapping_add(id_sum(id)).wrapping_add(side).wrapping_add(time.sum);
        sum = sum.wrapping_add(number(in_units(o.qty, self.unit).unwrap_or_default(), out));
        if self.priced {
            let middle = usize::from(self.middle_end.saturating_sub(self.head_end));
            let (middle, tail) = rest.split_at_checked(middle).unwrap_or_default();
            out.extend_from_slice(middle);
            sum = sum.wrapping_add(number(o.px.unwrap_or_default(), out));
            out.extend_from_slice(tail);
        } else {
            out.extend_from_slice(rest);
        }
        let body_at = at(self.body_at);
        let length = three_digits(out.len().saturating_sub(body_at));
        put(out, body_at.saturating_sub(LENGTH_GAP.saturating_add(1)), &length, LENGTH_GAP);
        let [a, b, c] = three_digits(usize::from(sum.wrapping_add(checksum(&length))));
        out.extend_from_slice(&[b'1', b'0', b'=', a, b, c, SOH]);
    }
}

/// Writes the first `len` of `bytes` over what is there. Copying all `N` is a move or two, any other number is a call.
fn put<const N: usize>(out: &mut [u8], at: usize, bytes: &[u8; N], len: usize) {
    let Some(place) = out.get_mut(at..) else { return };
    match place.first_chunk_mut() {
        Some(place) if len == N => *place = *bytes,
        _ => put_some(place, bytes.get(..len).unwrap_or(bytes)),
    }
}

#[cold]
#[inline(never)]
fn put_some(place: &mut [u8], bytes: &[u8]) {
    place.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
}

/// The sum of the bytes of a word: the odd ones and the even ones in lanes of 16 bits, then the lanes.
const fn word_sum(word: u64) -> u64 {
    const LANES: u64 = 0x00FF_00FF_00FF_00FF;
    // At most eight times 255: a lane holds it, and the product's top lane is the sum of all four.
    (word & LANES).wrapping_add((word >> 8) & LANES).wrapping_mul(0x0001_0001_0001_0001) >> 48
}

/// The sum of an id's bytes modulo 256.
fn id_sum(id: &[u8; CL_ORD_ID_MAX]) -> u8 {
    let (words, rest) = id.as_chunks::<8>();
    let rest = rest.first_chunk().map_or(0, |w| word_sum(u64::from(u32::from_le_bytes(*w))));
    low_byte(words.iter().fold(rest, |sum, w| sum.wrapping_add(word_sum(u64::from_le_bytes(*w)))))
}

const fn low_byte(sum: u64) -> u8 {
    let [low, ..] = sum.to_le_bytes();
    low
}

/// Appends a number, and answers the sum of its bytes.
fn number(value: Dec, out: &mut Vec<u8>) -> u8 {
    let from = out.len();
    value.write(out);
    let written = out.get(from..).unwrap_or_default();
    match out.last_chunk::<8>() {
        // A short number stands at the end of eight bytes that are there: the others are shifted out.
        Some(end) if (1..=8).contains(&written.len()) => {
            let others = u32::try_from(written.len()).map_or(0, |n| 64_u32.wrapping_sub(n.wrapping_mul(8)));
            low_byte(word_sum(u64::from_le_bytes(*end).wrapping_shr(others)))
        }
        _ => checksum(written),
    }
}

fn begin<'a>(out: &'a mut Vec<u8>, p: &Profile, msg_type: &[u8]) -> Result<Writer<'a>, BadValue> {
    Writer::begin(out, p.begin_string.as_bytes(), msg_type)
}

/// A quantity in the venue's own unit; none where it does not fit: another unit's number would be another quantity.
fn in_units(units: Dec, unit: Dec) -> Option<Dec> {
    if unit == Dec::ONE { Some(units) } else { units.div(unit, crate::decimal::Round::HalfEven) }
}

fn qty(units: Dec, r: &Route<'_>) -> Result<Dec, BadValue> {
    in_units(units, r.unit).ok_or(BadValue::Overflow)
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
    w.with(60, |out| write_time(at_ns, r.profile, out));
    Ok(())
}

/// Name, account, side, symbol and quantity of an order of ours.
fn order_head(w: &mut Writer<'_>, o: &Order, r: &Route<'_>, at_ns: i64) -> Result<(), BadValue> {
    w.text(11, &o.cl_ord_id)?;
    if let Some(a) = r.account {
        w.text(1, a.as_bytes())?;
    }
    if r.profile.handl_inst_21 {
        w.char(21, b'1')?;
    }
    common(w, o, r, at_ns)?;
    w.dec(38, qty(o.qty, r)?)
}

/// PossResend(97), which stands in the header: the order may have come before, under another MsgSeqNum(34).
fn possibly_sent(w: &mut Writer<'_>, o: &Order, r: &Route<'_>) -> Result<(), BadValue> {
    if o.again && r.profile.supports.poss_resend { w.char(97, b'Y') } else { Ok(()) }
}

/// What a profile adds to an order of ours.
fn order_tail(mut w: Writer<'_>, o: &Order, r: &Route<'_>) -> Result<(), BadValue> {
    if let (true, Some((tag, value))) = (o.reduces, &r.profile.reduce_only) {
        w.text(*tag, value.as_bytes())?;
    }
    if let (true, Some(tag)) = (o.reduces, r.profile.closes_by_name()) {
        // Without a name it would open a second position.
        w.text(tag, o.position.as_deref().ok_or(BadValue::Empty { tag })?)?;
    }
    for (tag, value) in &r.profile.extra_fields {
        w.text(*tag, value.as_bytes())?;
    }
    w.finish()
}

/// NewOrderSingle(D).
///
/// # Errors
/// `BadValue` when an account or symbol cannot stand in a FIX field.
pub fn new_order(out: &mut Vec<u8>, o: &Order, r: &Route<'_>, at_ns: i64) -> Result<(), BadValue> {
    let mut w = begin(out, r.profile, b"D")?;
    possibly_sent(&mut w, o, r)?;
    order_head(&mut w, o, r, at_ns)?;
    match o.px {
        Some(px) => {
            w.char(40, b'2')?;
            w.dec(44, px)?;
            w.char(59, r.profile.limit_tif())?;
        }
        None => w.char(40, b'1')?,
    }
    order_tail(w, o, r)
}

/// NewOrderSingle(D) on the terms of a mirror; `replaces`: OrderCancelReplaceRequest(G) of the order that the broker
/// knows by that name.
///
/// # Errors
/// As [`new_order`].
pub fn mirror(
    out: &mut Vec<u8>,
    o: &Order,
    t: &Terms,
    replaces: Option<&[u8]>,
    r: &Route<'_>,
    at_ns: i64,
) -> Result<(), BadValue> {
    let mut w = begin(out, r.profile, if replaces.is_some() { b"G" } else { b"D" })?;
    if let Some(name) = replaces {
        w.text(41, name)?;
        if !o.order_id.is_empty() {
            w.text(37, &o.order_id)?;
        }
    } else {
        possibly_sent(&mut w, o, r)?;
    }
    order_head(&mut w, o, r, at_ns)?;
    w.char(40, t.order_type.char())?;
    for (tag, px) in [(44, t.px), (99, t.stop_px)] {
        if let Some(px) = px {
            w.dec(tag, px)?;
        }
    }
    if t.order_type != OrderType::Market {
        w.char(59, t.tif.char())?;
    }
    if let Some(expire_ns) = t.expire_ns {
        let mut time = Vec::with_capacity(32);
        write_time(expire_ns, r.profile, &mut time);
        w.text(126, &time)?;
    }
    order_tail(w, o, r)
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
    w.dec(38, qty(o.qty, r)?)?;
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

/// What a question to a broker about an account needs.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// Venue profile.
    pub profile: &'a Profile,
    /// Account(1), where the profile puts it on our messages.
    pub account: Option<&'a str>,
    /// Identity of the question.
    pub id: &'a [u8],
    /// Now.
    pub at_ns: i64,
}

impl Asked<'_> {
    fn account(&self, w: &mut Writer<'_>) -> Result<(), BadValue> {
        self.account.map_or(Ok(()), |a| w.text(1, a.as_bytes()))
    }
}

/// OrderStatusRequest(H) for a leader's order, named as its report names it.
///
/// # Errors
/// As [`new_order`].
pub fn status_of_leader(out: &mut Vec<u8>, q: &Asked<'_>, r: &Report<'_>) -> Result<(), BadValue> {
    let mut w = begin(out, q.profile, b"H")?;
    for (tag, value) in [(37, r.order_id), (11, r.cl_ord_id), (55, r.symbol)] {
        if !value.is_empty() {
            w.text(tag, value)?;
        }
    }
    match r.side {
        Side::Buy => w.char(54, b'1')?,
        Side::Sell => w.char(54, b'2')?,
        Side::Other(_) | Side::Missing => {}
    }
    q.account(&mut w)?;
    if !q.profile.begin_string.ends_with("4.2") {
        w.text(790, q.id)?;
    }
    w.finish()
}

/// OrderMassStatusRequest(AF) for all orders of the account.
///
/// # Errors
/// As [`new_order`].
pub fn mass_status(out: &mut Vec<u8>, q: &Asked<'_>) -> Result<(), BadValue> {
    let mut w = begin(out, q.profile, b"AF")?;
    w.text(584, q.id)?;
    w.char(585, b'7')?;
    q.account(&mut w)?;
    w.finish()
}

/// RequestForPositions(AN).
///
/// # Errors
/// As [`new_order`].
pub fn positions(out: &mut Vec<u8>, q: &Asked<'_>) -> Result<(), BadValue> {
    let mut w = begin(out, q.profile, b"AN")?;
    w.text(710, q.id)?;
    w.char(724, b'0')?;
    q.account(&mut w)?;
    w.text(715, crate::time::trade_date(q.at_ns).to_string().as_bytes())?;
    w.with(60, |out| write_time(q.at_ns, q.profile, out));
    w.finish()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::order::ClOrdId;
    use proptest::prelude::*;

    fn draft((id, len): (u128, usize), qty: i64, px: Option<Dec>, buy: bool) -> Order {
        let mut o = Order::new(ClOrdId::from_hash(id, len), 0, 0);
        (o.qty, o.px, o.buy) = (Dec::from_raw(i128::from(qty) * 10_i128.pow(15)), px, buy);
        o
    }

    proptest! {
        /// An order from a template is, byte for byte, the order that the plain writer makes.
        #[test]
        fn a_template_writes_what_the_plain_writer_writes(
            id in (any::<u128>(), 8..=CL_ORD_ID_MAX), qty in 1..i64::MAX, px in prop::option::of(1..i64::MAX), buy in any::<bool>(),
            account in "[A-Z]{1,30}", at_ns in 0..4_000_000_000_000_000_000_i64, reduces in any::<bool>(),
            precision in 0..3_usize, unit in prop_oneof![Just(1_i64), Just(100_000)],
        ) {
            let mut p = Profile::standard("p", "FIX.4.4");
            p.handl_inst_21 = buy;
            p.reduce_only = Some((77, "C".to_owned()));
            p.extra_fields = vec![(1028, "N".to_owned())];
            p.time_precision = [TimePrecision::S, TimePrecision::Ms, TimePrecision::Us][precision];
            let route = Route { profile: &p, account: Some(&account), symbol: "EURUSD", unit: Dec::from_int(unit) };
            let px = px.map(|px| Dec::from_raw(i128::from(px)));
            let mut sample = draft((0, id.1), 1, px.map(|_| Dec::ONE), true);
            let mut order = draft(id, qty, px, buy);
            (sample.reduces, order.reduces) = (reduces, reduces);
            let (mut plain, mut cut) = (b"before".to_vec(), b"before".to_vec());
            new_order(&mut plain, &order, &route, at_ns).unwrap();
            let time = TimeText::of(at_ns, &p);
            Template::of(&sample, &route).unwrap().write(&mut cut, &order, &time);
            prop_assert_eq!(String::from_utf8(cut).unwrap(), String::from_utf8(plain).unwrap());
        }
    }
}
