//! Steps of mirrors as canonical JSON (decision 0030).

use fastcore::mirror::{Asked, Terms};
use fastcore::mirrored::{Had, LeaderOrder, Mirrored, Moved, Part, Prices, Size, To};
use fastcore::sizing::Rule;
use serde_json::{Map, Value, json};

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn or_null<T: ToString>(value: Option<T>) -> Value {
    value.map_or(Value::Null, |v| Value::String(v.to_string()))
}

const fn side(buy: bool) -> &'static str {
    if buy { "buy" } else { "sell" }
}

/// Order type, prices and time in force, each `null` where it is not known.
fn terms(t: Option<&Terms>) -> Map<String, Value> {
    let word = |v: Option<Value>| v.unwrap_or(Value::Null);
    let fields = [
        ("order_type", word(t.and_then(|t| serde_json::to_value(t.order_type).ok()))),
        ("px", or_null(t.and_then(|t| t.px))),
        ("stop_px", or_null(t.and_then(|t| t.stop_px))),
        ("tif", word(t.and_then(|t| serde_json::to_value(t.tif).ok()))),
        ("expire_ns", or_null(t.and_then(|t| t.expire_ns))),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn with_terms(mut body: Value, t: Option<&Terms>) -> Value {
    if let Some(object) = body.as_object_mut() {
        object.extend(terms(t));
    }
    body
}

fn leader_order(l: &LeaderOrder) -> Value {
    let body = json!({"side": side(l.buy), "left": l.left.to_string(), "ended": l.ended,
        "position": or_null(l.position)});
    with_terms(body, l.terms.as_ref())
}

fn size(s: &Size) -> Value {
    let mut body = match &s.part {
        None => json!({"opens": null}),
        Some(Part::Open { rule, counted, opening, rest }) => {
            let (ratio, amount) = match rule {
                Rule::Rate(rate) => (Some(*rate), None),
                Rule::Amount(amount) => (None, Some(*amount)),
            };
            json!({"opens": true, "ratio": or_null(ratio), "amount": or_null(amount),
                "counted": counted.to_string(), "opening": opening.to_string(), "rest": rest.to_string()})
        }
        Some(Part::Close { held, base, share, done, room, broker }) => {
            json!({"opens": false, "held": held.to_string(), "base": base.to_string(),
                "share": share.to_string(), "done": done.to_string(), "room": room.to_string(),
                "broker": or_null(*broker)})
        }
    };
    if let Some(object) = body.as_object_mut() {
        object.insert("min".into(), json!(s.min.to_string()));
        object.insert("venue_max".into(), or_null(s.venue_max));
        object.insert("parts".into(), json!(s.parts));
        object.insert("others".into(), json!(s.others.to_string()));
        object.insert("units".into(), json!(s.units.to_string()));
    }
    body
}

fn prices(p: &Prices) -> Value {
    let body = json!({"entry": or_null(p.entry), "multiplier": p.multiplier.to_string(), "reverse": p.reverse,
        "factor": p.factor.to_string(), "tick": p.tick.to_string(), "exact_px": or_null(p.exact.0),
        "exact_stop_px": or_null(p.exact.1), "unmirrored": p.unmirrored.map(fastcore::mirror::Unmirrored::text)});
    with_terms(body, p.terms.as_ref())
}

fn had(h: &Had) -> Value {
    let asked = match h.asked {
        Asked::Nothing => None,
        Asked::Replace => Some("replace"),
        Asked::Cancel => Some("cancel"),
    };
    let body = json!({"cl_ord_id": text(&h.cl_ord_id), "state": h.state, "closes": h.reduces,
        "qty": h.qty.to_string(), "cum_qty": h.cum.to_string(), "asked": asked,
        "unanswered": h.unanswered.to_string()});
    with_terms(body, h.terms.as_ref())
}

fn to(t: &To) -> Value {
    with_terms(json!({"cl_ord_id": text(&t.cl_ord_id), "qty": or_null(t.qty)}), t.terms.as_ref())
}

fn moved(m: &Moved) -> Value {
    json!({"units": or_null(m.units), "ahead_before": m.ahead_before.to_string(),
        "ahead_after": m.ahead_after.to_string(), "target_before": or_null(m.target_before),
        "target_after": or_null(m.target_after)})
}

/// The fields of an entry but for its names of accounts; `cause` is the kind of the journal row.
pub(crate) fn body(m: &Mirrored<'_>, cause: &str) -> Value {
    let between = json!({"ahead": m.between.ahead.to_string(), "refused": m.between.refused.to_string(),
        "rejected": m.between.rejected.to_string()});
    let limits = m.limits.map(|l| json!({"asked": l.asked.to_string(), "admitted": l.admitted.to_string()}));
    json!({"instrument": m.instrument, "order_id": text(&m.said.order_id), "cl_ord_id": text(&m.said.cl_ord_id),
        "exec_id": text(&m.said.exec_id), "report": m.said.row.to_string(), "cause": cause,
        "cause_exec_id": (!m.cause.is_empty()).then(|| text(m.cause)),
        "begun": (m.begun > 0).then(|| m.begun.to_string()), "act": m.step.as_str(), "why": m.why.as_str(),
        "side": side(m.buy), "step": m.between.step.to_string(), "leader_order": leader_order(&m.leader),
        "between": between, "size": m.size.as_ref().map(size), "prices": m.prices.as_ref().map(prices),
        "order": m.order.as_ref().map(had), "to": m.to.as_ref().map(to), "limits": limits,
        "moved": m.moved.as_ref().map(moved), "code": m.refusals.first().map(|r| r.code.as_str()),
        "refusals": serde_json::to_value(m.refusals).unwrap_or_default()})
}
