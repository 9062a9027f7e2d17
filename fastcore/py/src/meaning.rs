//! The meaning of a message as JSON: bytes as text, decimals as strings, absent fields as null.

use fastcore::decimal::Dec;
use fastcore::fix;
use fastcore::profile::Profile;
use fastcore::report::{self, Inbound, Report};
use serde_json::{Value, json};

fn text(bytes: &[u8]) -> Value {
    if bytes.is_empty() { Value::Null } else { json!(String::from_utf8_lossy(bytes)) }
}

fn dec(value: Option<Dec>) -> Value {
    value.map_or(Value::Null, |v| json!(v.to_string()))
}

fn letter(byte: u8) -> Value {
    if byte == 0 { Value::Null } else { json!(char::from(byte).to_string()) }
}

/// Reads one message; an error says what is wrong in words.
pub fn read(raw: &[u8], profile_json: &str) -> Result<String, String> {
    let profile: Profile = serde_json::from_str(profile_json).map_err(|e| format!("profile: {e}"))?;
    let mut fields = Vec::new();
    let message = fix::parse(raw, &mut fields).map_err(|e| format!("garbled: {e}"))?;
    match report::read(&message, &profile) {
        Ok(inbound) => Ok(inbound_json(&inbound).to_string()),
        Err(u) => {
            let value = text(&u.value);
            Ok(json!({"type": "unreadable", "tag": u.tag, "value": value, "why": u.why}).to_string())
        }
    }
}

fn inbound_json(inbound: &Inbound<'_>) -> Value {
    match inbound {
        Inbound::Execution(r) => execution_json(r),
        Inbound::CancelReject(c) => json!({"type": "cancel_reject", "cl_ord_id": text(c.cl_ord_id),
            "orig_cl_ord_id": text(c.orig_cl_ord_id), "order_id": text(c.order_id), "reason": text(c.reason),
            "ord_status": letter(c.ord_status), "text": text(c.text)}),
        Inbound::BusinessReject(r) | Inbound::SessionReject(r) => {
            let kind = if matches!(inbound, Inbound::SessionReject(_)) {
                "session_reject"
            } else {
                "business_reject"
            };
            json!({"type": kind, "ref_seq_num": r.ref_seq_num, "ref_id": text(r.ref_id),
                "ref_msg_type": text(r.ref_msg_type), "reason": text(r.reason), "text": text(r.text)})
        }
        Inbound::Position(p) => {
            json!({"type": "position", "symbol": text(p.symbol), "account": text(p.account),
            "long": dec(p.long), "short": dec(p.short), "position_id": text(p.position_id),
            "total_reports": p.total_reports, "request_id": text(p.request_id)})
        }
        Inbound::Account(a) => {
            json!({"type": "account", "account": text(a.account), "balance": dec(a.balance),
            "equity": dec(a.equity), "free_margin": dec(a.free_margin), "currency": text(a.currency)})
        }
        Inbound::Quote(q) => {
            json!({"type": "quote", "symbol": text(q.symbol), "bid": dec(q.bid), "ask": dec(q.ask)})
        }
        Inbound::Trading(t) => json!({"type": "trading", "detail": format!("{t:?}")}),
        Inbound::News { headline } => json!({"type": "news", "headline": text(headline)}),
        Inbound::Ignored { why } => json!({"type": "ignored", "why": why}),
    }
}

fn execution_json(r: &Report<'_>) -> Value {
    json!({"type": "execution", "kind": format!("{:?}", r.kind), "ord_status": letter(r.ord_status),
        "order_id": text(r.order_id), "order_key": text(r.order_key), "cl_ord_id": text(r.cl_ord_id),
        "orig_cl_ord_id": text(r.orig_cl_ord_id), "exec_id": text(r.exec_id), "exec_ref_id": text(r.exec_ref_id),
        "account": text(r.account), "symbol": text(r.symbol), "side": format!("{:?}", r.side),
        "order_qty": dec(r.order_qty), "cum_qty": dec(r.cum_qty), "last_qty": dec(r.last_qty),
        "leaves_qty": dec(r.leaves_qty), "last_px": dec(r.last_px), "avg_px": dec(r.avg_px), "px": dec(r.px),
        "transact_ns": r.transact_ns.map(|ns| ns.to_string()), "poss_dup": r.poss_dup,
        "poss_resend": r.poss_resend, "rej_reason": r.rej_reason.map(text), "status_req_id": text(r.status_req_id),
        "position_id": text(r.position_id), "text": text(r.text)})
}
