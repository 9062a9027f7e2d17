//! A deployment whose every switch is thrown at random: what one story is played with.

use crate::rng::Rng;
use serde_json::{Value, json};

pub const LEADERS: usize = 2;
pub const ROUTES: usize = 2;
pub const FOLLOWERS: usize = 3;
pub const SYMBOLS: [&str; 3] = ["X", "Y", "EURUSD"];

fn profile(name: &str, rng: &mut Rng) -> Value {
    let types = rng.pick(&[json!(["market", "limit"]), json!(["market"]), json!(["limit"])]).clone();
    let tag = rng.pick(&[json!(null), json!([77, "C"])]).clone();
    let flag = |rng: &mut Rng| !rng.one_in(3);
    json!({"name": name, "begin_string": rng.pick(&["FIX.4.4", "FIX.4.2"]),
        "quantity_unit": rng.pick(&["units", "units", "lots"]),
        "position_model": rng.pick(&["netting", "netting", "hedging"]),
        "multileg": rng.pick(&["summary", "legs"]), "bust_cum": rng.pick(&["reduced", "kept"]),
        "bust_style": rng.pick(&["exec_type", "exec_trans_type"]),
        "exec_trans_type": rng.pick(&["trust", "ignore"]), "fill_key": rng.pick(&["exec_id", "exec_id", "order_cum_time"]),
        "fill_qty": rng.pick(&["cum_delta", "cum_delta", "last_qty"]),
        "order_key": rng.pick(&["order_id", "order_id", "cl_ord_id"]), "fill_px": rng.pick(&["last", "avg"]),
        "time_source": rng.pick(&["transact_time", "transact_time", "transact_time", "sending_time", "none"]),
        "recovery": rng.pick(&["resend", "none", "resend_marker"]), "query_covers": rng.pick(&["working", "all"]),
        "reduce_only": tag, "order_types": types, "tifs": rng.pick(&[json!(["ioc"]), json!(["fok"]), json!(["day"])]),
        "supports": {"status_request": flag(rng), "mass_status": flag(rng), "positions": flag(rng),
            "account_inquiry": flag(rng)},
        "time_precision": rng.pick(&["s", "ms", "us"]), "handl_inst_21": rng.one_in(2)})
}

fn sizing(rng: &mut Rng) -> Value {
    rng.pick(&[
        json!({"mode": "multiplier", "k": "1"}),
        json!({"mode": "multiplier", "k": "1"}),
        json!({"mode": "multiplier", "k": "0.333333333333333333"}),
        json!({"mode": "multiplier", "k": "20"}),
        json!({"mode": "percent", "percent": "150"}),
        json!({"mode": "lots_multiplier", "k": "2.5"}),
        json!({"mode": "fixed", "lots": "7"}),
        json!({"mode": "equity", "k": "1.1"}),
        json!({"mode": "balance", "k": "0.6"}),
        json!({"mode": "free_margin", "k": "0.9"}),
        json!({"mode": "notional", "k": "1.5"}),
        json!({"mode": "percent_equity", "percent": "10"}),
    ])
    .clone()
}

fn limits(rng: &mut Rng) -> Value {
    let some = |rng: &mut Rng, values: &[&str]| {
        if rng.one_in(5) { json!(rng.pick(values)) } else { json!(null) }
    };
    json!({"default": {"max_order_qty_lots": some(rng, &["7", "0.5", "30"]), "max_order_value": some(rng, &["50", "1"]),
        "max_position_lots": some(rng, &["5", "40", "100000000000000000"]),
        "on_breach": rng.pick(&["clip", "refuse"])}})
}

fn guards(rng: &mut Rng) -> Value {
    if !rng.one_in(3) {
        return json!(null);
    }
    let rules = [
        json!({"rule": "equity_floor", "amount": "500", "action": "close_all"}),
        json!({"rule": "equity_floor", "percent": "80", "of": "high_water"}),
        json!({"rule": "daily_loss", "percent": "5", "auto_reset": true}),
        json!({"rule": "drawdown", "period": "week", "percent": "10", "auto_reset": true}),
        json!({"rule": "drawdown", "period": "lifetime", "amount": "0.000000000001"}),
    ];
    let rule = rng.pick(&rules);
    json!({"zone": rng.pick(&["UTC", "America/New_York"]), "day_begins_s": 61_200, "max_age_ms": 60_000, "rules": [rule]})
}

fn instruments(rng: &mut Rng) -> Value {
    let one = |name: &str, rng: &mut Rng| {
        let (contract, step, min) =
            *rng.pick(&[("1", "1", "1"), ("1", "1", "3"), ("100000", "0.01", "0.01"), ("0.1", "0.1", "0.2")]);
        let max = if rng.one_in(3) { json!("20") } else { json!(null) };
        json!({"name": name, "contract_size": contract, "lot_step": step, "min_lot": min, "max_lot": max,
            "tick": rng.pick(&["0.00001", "0.25"]), "currency": "USD",
            "base": if name == "EURUSD" { json!("EUR") } else { json!(null) }})
    };
    SYMBOLS.iter().map(|name| one(name, rng)).collect()
}

/// Who copies whom; each leader and each route has at least one.
fn subscriptions(rng: &mut Rng) -> Value {
    let mut list = Vec::new();
    for n in 0..2 + rng.below(4) {
        let mut map = serde_json::Map::new();
        for name in SYMBOLS {
            let to = if rng.one_in(6) { "X" } else { name };
            let factor = *rng.pick(&["1", "1", "1", "1", "0.01", "100"]);
            if !rng.one_in(12) {
                map.insert(
                    name.to_owned(),
                    json!({"instrument": to, "qty_factor": factor, "price_factor": "1"}),
                );
            }
        }
        list.push(json!({"name": format!("s{n}"), "follower": format!("f{}", rng.below(FOLLOWERS)),
            "leader": format!("l{}", n % LEADERS), "sizing": sizing(rng), "max_ratio": rng.pick(&["1000000000000000", "1000000000000000", "2"]),
            "rounding": rng.pick(&["toward_zero", "nearest", "hold", "min_lot_if_nonzero"]),
            "max_inflation": "3", "reverse": rng.one_in(4), "symbol_map": map,
            "filters": if rng.one_in(6) { rng.pick(&[json!({"side": "long"}), json!({"min_order_qty": "3"})]).clone() } else { json!({}) },
            "order_type": rng.pick(&["market", "market", "limit"]), "max_slippage_bps": rng.pick(&["0", "10", "20000"]),
            "max_drift_bps": if rng.one_in(8) { json!("5") } else { json!(null) },
            "max_age_ms": rng.pick(&[60_000, 60_000, 1_000, 86_400_000]), "account_max_age_ms": 3_600_000,
            "on_reject": rng.pick(&["drop", "retry"]), "retry_window_ms": 30_000, "limits": limits(rng)}));
    }
    json!(list)
}

/// A whole configuration as the engine reads it.
pub fn config(rng: &mut Rng) -> Value {
    let symbols = json!({"X": "X", "Y": "Y", "EURUSD": "EURUSD"});
    let leaders: Vec<Value> = (0..LEADERS)
        .map(|n| {
            json!({"name": format!("l{n}"), "session": format!("L{n}"), "profile": format!("p{}", rng.below(2)),
                "symbols": symbols, "assume_flat": !rng.one_in(12), "currency": rng.pick(&["USD", "EUR"]),
                "initial_positions": if rng.one_in(6) { rng.pick(&[json!({"X": "50"}), json!({"Y": "-100000000000000000000"})]).clone() } else { json!({}) }})
        })
        .collect();
    let routes: Vec<Value> = (0..ROUTES)
        .map(|n| json!({"name": format!("r{n}"), "session": format!("R{n}"), "profile": format!("p{}", 1 + rng.below(2))}))
        .collect();
    let followers: Vec<Value> = (0..FOLLOWERS)
        .map(|n| {
            json!({"name": format!("f{n}"), "route": format!("r{}", n % ROUTES), "account": format!("A{n}"),
                "symbols": symbols, "currency": rng.pick(&["USD", "EUR"]), "limits": limits(rng), "guards": guards(rng),
                "restricted": if rng.one_in(8) { json!(["Y"]) } else { json!([]) }})
        })
        .collect();
    let profiles = ["p0", "p1", "p2"].map(|name| profile(name, rng));
    json!({"deployment": "t", "profiles": profiles, "instruments": instruments(rng), "leaders": leaders,
        "routes": routes, "followers": followers, "subscriptions": subscriptions(rng),
        "faults": rng.pick(&[json!({"reject_burst": 0, "reject_window_ms": 0}), json!({"reject_burst": 3, "reject_window_ms": 60_000})]),
        "dispatch": rng.pick(&["rotate", "listed"])})
}
