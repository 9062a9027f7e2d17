//! What a message from a venue means, read through the venue's profile.
//!
//! One pass over the fields, the first of a tag wins, nothing is copied. Text noise in a field that the meaning does
//! not need is taken as absent: losing a fill over an unreadable price would be worse. A quantity that the meaning
//! does need makes the message `Unreadable`, which the engine alerts on.

use crate::decimal::Dec;
use crate::fix::{Message, number, small_number};
use crate::profile::{AccountField, ExecTransType, FillPx, FillQty, Multileg, OrderKey, Profile, TimeSource};
use crate::time::parse_utc;

mod fields;
mod meaning;

use fields::Seen;
pub use meaning::{
    Account, CancelReject, Inbound, Kind, Position, Quote, Reject, Report, Side, Trading, Unreadable,
};

/// MsgSeqNum(34).
#[must_use]
pub fn msg_seq_num(m: &Message<'_>) -> Option<u64> {
    m.get(34).and_then(number)
}

/// Reads a message's meaning.
///
/// # Errors
/// `Unreadable` when the meaning needs a value that cannot be read.
pub fn read<'a>(m: &Message<'a>, p: &Profile) -> Result<Inbound<'a>, Unreadable> {
    let ignored = |why| Ok(Inbound::Ignored { why });
    match m.msg_type() {
        b"8" => execution(&Seen::scan(m, p), p),
        b"9" => Ok(Inbound::CancelReject(cancel_reject(&Seen::scan(m, p)))),
        b"j" => Ok(Inbound::BusinessReject(reject(m, 380))),
        b"3" => Ok(Inbound::SessionReject(reject(m, 373))),
        b"AP" => position(m, &Seen::scan(m, p)),
        b"BA" => account(m, &Seen::scan(m, p), p),
        b"W" => Ok(Inbound::Quote(quote(m, p))),
        b"f" => Ok(Inbound::Trading(trading(m, p, 326, &[2, 18], &[3, 17]))),
        b"h" => Ok(Inbound::Trading(trading(m, p, 340, &[1, 3], &[2]))),
        b"B" => Ok(Inbound::News { headline: m.get(148).unwrap_or(&[]) }),
        b"" => Err(Unreadable::new(35, b"", "is missing")),
        b"0" | b"1" | b"2" | b"4" | b"5" | b"A" => ignored("session message"),
        b"AE" | b"AR" | b"AQ" => ignored("trade capture: fills are taken from ExecutionReports"),
        _ => ignored("message type is not used"),
    }
}

fn execution<'a>(s: &Seen<'a>, p: &Profile) -> Result<Inbound<'a>, Unreadable> {
    let ignored = |why| Ok(Inbound::Ignored { why });
    match (s.multileg_type, p.multileg) {
        (b"2", Multileg::Summary) => return ignored("leg of a strategy whose summary is copied"),
        (b"3", Multileg::Legs) => return ignored("summary of a strategy whose legs are copied"),
        _ => {}
    }
    if s.copy_flag == b"Y" && !p.drop_copy {
        return ignored("drop copy");
    }
    let (cum_qty, last_qty) = (quantity(14, s.cum_qty), quantity(32, s.last_qty));
    let filled = [&cum_qty, &last_qty].into_iter().any(|q| matches!(q, Ok(Some(q)) if q.is_positive()));
    // Bytes that cannot be read are not "nothing filled".
    let nothing_filled = !filled && cum_qty.is_ok() && last_qty.is_ok();
    let kind = kind_of(s, p, nothing_filled);
    let (cum_qty, last_qty) = needed_quantities(kind, p, cum_qty, last_qty)?;
    Ok(Inbound::Execution(report(s, p, kind, cum_qty, last_qty)))
}

/// Keeps what the meaning needs and drops noise in what it does not.
fn needed_quantities(
    kind: Kind,
    p: &Profile,
    cum_qty: Result<Option<Dec>, Unreadable>,
    last_qty: Result<Option<Dec>, Unreadable>,
) -> Result<(Option<Dec>, Option<Dec>), Unreadable> {
    if kind == Kind::Rejected {
        // Nothing happened, and real rejects carry placeholders.
        return Ok((cum_qty.unwrap_or(None), last_qty.unwrap_or(None)));
    }
    let counts_last = p.fill_qty == FillQty::LastQty;
    let is_fill = matches!(kind, Kind::Trade | Kind::Bust | Kind::Correct);
    if is_fill && (counts_last || kind != Kind::Trade || matches!(cum_qty, Ok(None))) {
        let last_qty = last_qty?;
        return Ok((if counts_last { cum_qty.unwrap_or(None) } else { cum_qty? }, last_qty));
    }
    // A CumQty above what we know is a fill on any report, so it is needed on any report.
    let cum_qty = if counts_last { cum_qty.unwrap_or(None) } else { cum_qty? };
    Ok((cum_qty, last_qty.unwrap_or(None)))
}

/// A quantity: absent, readable, or the reason why not. FIX quantities of reports are never negative.
fn quantity(tag: u32, text: &[u8]) -> Result<Option<Dec>, Unreadable> {
    if text.is_empty() {
        return Ok(None);
    }
    match Dec::parse(text) {
        Ok(value) if value.is_negative() => Err(Unreadable::new(tag, text, "is negative")),
        Ok(value) => Ok(Some(value)),
        Err(e) => Err(Unreadable::new(tag, text, e.why())),
    }
}

fn kind_of(s: &Seen<'_>, p: &Profile, nothing_filled: bool) -> Kind {
    // ExecTransType first: with it a report of any ExecType can be a bust (FIX 4.2, ExecutionReport).
    if p.exec_trans_type == ExecTransType::Trust {
        match s.exec_trans_type {
            b"1" => return Kind::Bust,
            b"2" => return Kind::Correct,
            b"3" => return Kind::Status,
            _ => {}
        }
    }
    let ord_status = one(s.ord_status);
    let exec_type = match one(s.exec_type) {
        // FIX 4.0, and FXCM's rejects: no ExecType, so the status has to say it.
        0 if matches!(ord_status, b'1' | b'2') && nothing_filled => return Kind::Note(ord_status),
        0 => ord_status,
        other => other,
    };
    let is_fill = matches!(exec_type, b'F' | b'1' | b'2');
    match (exec_type, ord_status) {
        // QuickFIX's banzai acknowledges with ExecType 2 and nothing filled.
        (_, b'0') if is_fill && nothing_filled => Kind::New,
        (_, b'A') if is_fill && nothing_filled => Kind::PendingNew,
        (b'1' | b'2', _) if nothing_filled => Kind::Note(exec_type),
        (b'F' | b'1' | b'2', _) => Kind::Trade,
        // Some venues print a match as 150 = 3: a day that is done fills nothing.
        (b'3', b'1' | b'2') if quantity(32, s.last_qty).is_ok_and(|q| q.is_some_and(Dec::is_positive)) => {
            Kind::Trade
        }
        _ => plain_kind(exec_type, s),
    }
}

/// The kinds that ExecType alone decides.
fn plain_kind(exec_type: u8, s: &Seen<'_>) -> Kind {
    match exec_type {
        b'A' => Kind::PendingNew,
        b'0' => Kind::New,
        b'3' => Kind::DoneForDay,
        b'4' => Kind::Canceled,
        b'5' => Kind::Replaced,
        b'6' => Kind::PendingCancel,
        b'8' => Kind::Rejected,
        b'C' => Kind::Expired,
        b'D' => Kind::Restated { reason: small_number(s.restatement_reason) },
        b'E' => Kind::PendingReplace,
        b'G' => Kind::Correct,
        b'H' => Kind::Bust,
        b'I' => Kind::Status,
        other => Kind::Note(other),
    }
}

fn report<'a>(
    s: &Seen<'a>,
    p: &Profile,
    kind: Kind,
    cum_qty: Option<Dec>,
    last_qty: Option<Dec>,
) -> Report<'a> {
    let order_id = real_id(s.order_id);
    let by_venue = first_of([order_id, s.cl_ord_id, s.orig_cl_ord_id]);
    let by_client = first_of([s.cl_ord_id, real_orig(s.orig_cl_ord_id), order_id]);
    Report {
        kind,
        exec_type: one(s.exec_type),
        ord_status: one(s.ord_status),
        order_id,
        order_key: if p.order_key == OrderKey::OrderId { by_venue } else { by_client },
        cl_ord_id: s.cl_ord_id,
        orig_cl_ord_id: real_orig(s.orig_cl_ord_id),
        exec_id: s.exec_id.trim_ascii(),
        exec_ref_id: s.exec_ref_id.trim_ascii(),
        account: s.account,
        symbol: s.symbol,
        side: side(s.side),
        order_qty: tolerant(s.order_qty),
        cum_qty,
        last_qty,
        leaves_qty: tolerant(s.leaves_qty),
        last_px: tolerant(if p.fill_px == FillPx::Last { s.last_px } else { s.avg_px }),
        avg_px: tolerant(s.avg_px),
        px: tolerant(s.px),
        stop_px: tolerant(s.stop_px),
        transact_ns: match p.time_source {
            TimeSource::TransactTime => parse_utc(s.transact_time),
            TimeSource::SendingTime => parse_utc(s.sending_time),
            TimeSource::None => None,
        },
        poss_dup: s.poss_dup == b"Y",
        poss_resend: s.poss_resend == b"Y",
        rej_reason: (!s.rej_reason.is_empty()).then_some(s.rej_reason),
        status_req_id: first_of([s.status_req_id, s.mass_status_req_id, b""]),
        position_id: s.position_id,
        text: s.text,
        total_reports: small_number(s.total_reports),
        last_rpt_requested: s.last_rpt_requested == b"Y",
    }
}

fn cancel_reject<'a>(s: &Seen<'a>) -> CancelReject<'a> {
    CancelReject {
        cl_ord_id: s.cl_ord_id,
        orig_cl_ord_id: real_orig(s.orig_cl_ord_id),
        order_id: real_id(s.order_id),
        reason: s.cxl_rej_reason,
        ord_status: one(s.ord_status),
        response_to: one(s.cxl_rej_response_to),
        text: s.text,
    }
}

fn reject<'a>(m: &Message<'a>, reason_tag: u32) -> Reject<'a> {
    let text = |tag| m.get(tag).unwrap_or(&[]);
    Reject {
        ref_seq_num: number(text(45)),
        ref_id: text(379),
        ref_msg_type: text(372),
        ref_tag: small_number(text(371)),
        reason: text(reason_tag),
        text: text(58),
    }
}

/// A position that cannot be read must not be taken for none.
fn position<'a>(m: &Message<'a>, s: &Seen<'a>) -> Result<Inbound<'a>, Unreadable> {
    if m.get(724) == Some(b"1") {
        return Ok(Inbound::Ignored { why: "closed position" });
    }
    let (mut long, mut short) = (&[][..], &[][..]);
    let mut total = false;
    for (tag, value) in m.fields() {
        match tag {
            // PosType(703) opens an entry; TQ is the position itself, whatever entries stand around it.
            703 if value == b"TQ" => (total, long, short) = (true, &[], &[]),
            703 if total => break,
            704 if long.is_empty() => long = value,
            705 if short.is_empty() => short = value,
            _ => {}
        }
    }
    Ok(Inbound::Position(Position {
        symbol: s.symbol,
        account: s.account,
        long: quantity(704, long)?,
        short: quantity(705, short)?,
        position_id: s.position_id,
        total_reports: m.get(727).and_then(small_number),
        request_id: m.get(710).unwrap_or(&[]),
        result: m.get(728).and_then(small_number),
    }))
}

fn account<'a>(m: &Message<'a>, s: &Seen<'a>, p: &Profile) -> Result<Inbound<'a>, Unreadable> {
    let tags = p.account_values;
    let value = |tag: u32| match m.get(tag) {
        Some(text) if tag != 0 && !text.is_empty() => {
            Dec::parse(text).map(Some).map_err(|e| Unreadable::new(tag, text, e.why()))
        }
        _ => Ok(None),
    };
    Ok(Inbound::Account(Account {
        account: s.account,
        balance: value(tags.balance)?,
        equity: value(tags.equity)?,
        free_margin: value(tags.free_margin)?,
        currency: m.get(tags.currency).unwrap_or(&[]),
        as_of_ns: own_time(m, p),
    }))
}

/// When a message's word was true: TransactTime(60) where the profile trusts it, else when it was first sent. A message
/// that is sent again has that in OrigSendingTime(122).
fn own_time(m: &Message<'_>, p: &Profile) -> Option<i64> {
    let of = |tag| m.get(tag).and_then(parse_utc);
    let transact = if p.time_source == TimeSource::TransactTime { of(60) } else { None };
    transact.or_else(|| of(122)).or_else(|| of(52))
}

/// The first bid and the first offer: venues list the best first.
fn quote<'a>(m: &Message<'a>, p: &Profile) -> Quote<'a> {
    let (symbol, as_of_ns) = (m.get(p.symbol_tag).unwrap_or(&[]), own_time(m, p));
    let mut quote = Quote { symbol, bid: None, ask: None, as_of_ns };
    let mut entry: &[u8] = b"";
    for (tag, value) in m.fields() {
        match (tag, entry) {
            (269, _) => entry = value,
            (270, b"0") if quote.bid.is_none() => quote.bid = tolerant(value),
            (270, b"1") if quote.ask.is_none() => quote.ask = tolerant(value),
            _ => {}
        }
    }
    quote
}

fn trading<'a>(m: &Message<'a>, p: &Profile, tag: u32, stops: &[u32], goes: &[u32]) -> Trading<'a> {
    let status = m.get(tag).and_then(small_number);
    let halted = match status {
        Some(s) if stops.contains(&s) => Some(true),
        Some(s) if goes.contains(&s) => Some(false),
        _ => None,
    };
    let text = |tag| m.get(tag).unwrap_or(&[]);
    Trading { symbol: text(p.symbol_tag), session: text(336), status, halted, text: text(58) }
}

fn side(text: &[u8]) -> Side {
    match text {
        b"" => Side::Missing,
        b"1" => Side::Buy,
        b"2" | b"5" => Side::Sell,
        [other, ..] => Side::Other(*other),
    }
}

/// A one-character code; a longer one is none of those we know.
const fn one(text: &[u8]) -> u8 {
    match text {
        [] => 0,
        [only] => *only,
        _ => b'?',
    }
}

/// Absent when it is noise.
fn tolerant(text: &[u8]) -> Option<Dec> {
    Dec::parse(text).ok()
}

/// OrderID is required even where there is none, so venues invent placeholders.
fn real_id(text: &[u8]) -> &[u8] {
    match text {
        b"NONE" | b"UNKNOWN" | b"-1" | b"0" | b"N/A" => &[],
        real => real,
    }
}

/// CME prints 41=0 on orders that replace nothing.
fn real_orig(text: &[u8]) -> &[u8] {
    if text == b"0" { &[] } else { text }
}

fn first_of(ids: [&[u8]; 3]) -> &[u8] {
    ids.into_iter().find(|id| !id.is_empty()).unwrap_or(&[])
}

#[cfg(test)]
mod tests;
