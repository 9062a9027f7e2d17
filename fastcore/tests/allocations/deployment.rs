//! A deployment of many followers of one leader on one route, and what its leader and its brokers say.

use serde_json::{Value, json};

/// What a case changes in every subscription.
pub type Change = fn(&mut Value);

/// Marks a subscription whose leader is on a hedging account.
pub const HEDGES: &str = "its leader hedges";

/// Marks a subscription of a deployment with every limit that there is, in every scope that has it; none is reached.
pub const LIMITED: &str = "everything is bounded";

/// `followers` accounts with one subscription each, which `change` may edit.
pub fn config(followers: usize, change: Change) -> String {
    let accounts: Vec<Value> = (0..followers)
        .map(|n| {
            json!({"name": format!("f{n}"), "route": "r", "account": format!("F{n}"), "currency": "USD",
                "symbols": {"I": "I"}})
        })
        .collect();
    let mut subscriptions: Vec<Value> = (0..followers)
        .map(|n| {
            let mut sub = json!({"name": format!("s{n}"), "follower": format!("f{n}"), "leader": "l",
                "sizing": {"mode": "multiplier", "k": "1"}, "max_ratio": "10",
                "symbol_map": {"I": {"instrument": "I"}}, "limits": {"default": {}}});
            change(&mut sub);
            sub
        })
        .collect();
    let mut marked =
        |mark| subscriptions.iter_mut().filter_map(|s| s.as_object_mut()?.remove(mark)).count() > 0;
    let (profile, limited) = (if marked(HEDGES) { "h" } else { "p" }, marked(LIMITED));
    let mut config = json!({"deployment": "t", "profiles": [{"name": "p", "begin_string": "FIX.4.4"},
            {"name": "h", "begin_string": "FIX.4.4", "position_model": "hedging"}],
        "instruments": [{"name": "I", "contract_size": "1", "lot_step": "1", "min_lot": "1", "tick": "0.00001",
            "currency": "USD"}],
        "leaders": [{"name": "l", "session": "L", "profile": profile, "currency": "USD", "symbols": {"I": "I"},
            "assume_flat": true}],
        "routes": [{"name": "r", "session": "R", "profile": "p"}],
        "followers": accounts, "subscriptions": subscriptions});
    if limited {
        bound(&mut config);
    }
    config.to_string()
}

/// Every limit, far away.
fn bound(config: &mut Value) {
    let far = "1000000000";
    let limits = json!({"totals": {"max_open_orders": 1_000, "max_exposure": far, "max_leverage": far},
        "default": {"max_order_qty_lots": far, "max_order_value": far, "price_collar_bps": "100",
            "price_windows": [{"bps": "100", "window_ms": 60_000}], "max_position_lots": far}});
    let rules =
        |rules: Value| json!({"zone": "UTC", "day_begins_s": 0, "max_age_ms": 3_600_000, "rules": rules});
    let loss = json!({"rule": "daily_loss", "amount": far});
    let guards =
        rules(json!([{"rule": "equity_floor", "amount": "1"}, loss, {"rule": "drawdown", "percent": "60"}]));
    let messages = json!({"per_s": 100_000, "burst": 1_000_000, "kept": 2});
    let together = json!({"currency": "USD", "max_age_ms": 3_600_000, "limits": {
        "totals": {"max_open_orders": 1_000_000, "max_exposure": far}, "default": {"max_position_lots": far}}});
    let mut each = |key: &str, more: Value| {
        for one in config[key].as_array_mut().unwrap() {
            one.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        }
    };
    each("followers", json!({"limits": limits, "messages": messages, "guards": guards}));
    each("routes", json!({"messages": messages}));
    each("leaders", json!({"together": together, "inactive": {"down_ms": 60_000, "silent_ms": 60_000}}));
    each(
        "subscriptions",
        json!({"limits": limits, "guards": rules(json!([loss])), "max_drift_bps": "100",
        "max_amplification": "100"}),
    );
    (config["messages"], config["together"]) = (messages, together);
    config["clock"] = json!({"max_error_us": 1_000});
    config["faults"] = json!({"reject_burst": 20, "reject_window_ms": 60_000, "repeated_copies": 1_000,
        "repeated_window_ms": 60_000});
}

/// A message whose sum is not looked at.
pub fn fix(body: &str) -> Vec<u8> {
    format!("8=FIX.4.4|9={}|{body}10=000|", body.len()).replace('|', "\u{1}").into_bytes()
}

/// The leader's n-th fill, of an order of its own, and of the position that its name says where he hedges.
pub fn leader_fill(n: u64, buys: bool, qty: u32, at_ns: i64) -> Vec<u8> {
    let mut time = Vec::new();
    fastcore::time::write_utc(at_ns, &mut time);
    let (side, time) = (if buys { 1 } else { 2 }, String::from_utf8(time).unwrap());
    fix(&format!(
        "35=8|34={n}|37=O{n}|17=E{n}|150=F|39=2|55=I|54={side}|38={qty}|32={qty}|31=1.1|14={qty}|151=0|721=P|60={time}|"
    ))
}

/// A value of an order that was sent.
pub fn field(fix: &[u8], tag: &str) -> String {
    let text = String::from_utf8_lossy(fix).into_owned();
    text.split('\u{1}').find_map(|f| f.strip_prefix(tag).map(str::to_owned)).unwrap_or_default()
}

/// A broker's report of an order; `state` says what of it: ExecType(150) and what goes with it.
pub fn report(order: &[u8], state: &str) -> Vec<u8> {
    let [id, qty, side] = ["11=", "38=", "54="].map(|tag| field(order, tag));
    fix(&format!("35=8|37=B{id}|11={id}|17=X{id}|55=I|54={side}|38={qty}|{}", state.replace('*', &qty)))
}
