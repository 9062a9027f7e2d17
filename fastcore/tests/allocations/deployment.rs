//! A deployment of many followers of one leader on one route, and what its leader and its brokers say.

use serde_json::{Value, json};

/// What a case changes in every subscription.
pub type Change = fn(&mut Value);

/// Marks a subscription whose leader is on a hedging account.
pub const HEDGES: &str = "its leader hedges";

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
    let marks = subscriptions.iter_mut().filter_map(|s| s.as_object_mut()?.remove(HEDGES)).count();
    let profile = if marks > 0 { "h" } else { "p" };
    json!({"deployment": "t", "profiles": [{"name": "p", "begin_string": "FIX.4.4"},
            {"name": "h", "begin_string": "FIX.4.4", "position_model": "hedging"}],
        "instruments": [{"name": "I", "contract_size": "1", "lot_step": "1", "min_lot": "1", "tick": "0.00001",
            "currency": "USD"}],
        "leaders": [{"name": "l", "session": "L", "profile": profile, "currency": "USD", "symbols": {"I": "I"},
            "assume_flat": true}],
        "routes": [{"name": "r", "session": "R", "profile": "p"}],
        "followers": accounts, "subscriptions": subscriptions})
    .to_string()
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
