//! Numbers that mean nothing are refused by the core itself, whoever wrote its configuration.

mod support;

use fastcore::config::Config;
use fastcore::engine::Engine;
use serde_json::{Value, json};
use support::config_text;

/// A configuration with everything that has a number, each of them usable.
fn full() -> Value {
    let mut c: Value = serde_json::from_str(&config_text(r#"{"mode":"multiplier","k":"1"}"#, "")).unwrap();
    let set = json!({"max_order_qty_lots": "5", "max_order_value": "9", "price_collar_bps": "0", "max_position_lots": "0",
        "price_windows": [{"bps": "0", "window_ms": 1_000}]});
    let totals = json!({"max_open_orders": 3, "max_exposure": "100", "max_leverage": "2"});
    let limits = json!({"totals": totals, "default": set, "instruments": {"EURUSD": set}});
    let guards = json!({"zone": "UTC", "day_begins_s": 0, "max_age_ms": 1, "rules": [
        {"rule": "daily_loss", "percent": "5"}, {"rule": "equity_floor", "amount": "1"}]});
    let messages = json!({"per_s": 1, "burst": 2, "kept": 1});
    c["timing"] = json!({"dispatch_timeout_ms": 1, "ack_timeout_ms": 1, "settle_ms": 0, "query_retry_ms": 1,
        "close_retry_ms": 1, "close_retry_max_ms": 1});
    c["faults"] = json!({"reject_burst": 1, "reject_window_ms": 1, "repeated_copies": 1, "repeated_window_ms": 1,
        "lookalike_window_ms": 0});
    c["reconcile"] = json!({"every_ms": 0, "tolerance_lots": "0"});
    c["retire_after_ms"] = json!(0);
    c["clock"] = json!({"max_error_us": 1});
    c["messages"] = messages.clone();
    let mut bound = limits.clone();
    bound["totals"]["max_leverage"] = json!(null);
    c["together"] = json!({"currency": "USD", "max_age_ms": 1, "limits": bound});
    c["instruments"][0]["max_lot"] = json!("10");
    c["instruments"][0]["base"] = json!("EUR");
    c["leaders"][0]["inactive"] = json!({"down_ms": 1, "silent_ms": 0});
    c["leaders"][0]["together"] = c["together"].clone();
    c["routes"][0]["messages"] = messages.clone();
    c["routes"][0]["switch"] =
        json!({"down_ms": 0, "ack_ms": 0, "queue": 0, "rejects": 1, "window_ms": 1, "back_ms": 0});
    for (key, value) in [("limits", &limits), ("guards", &guards), ("messages", &messages)] {
        c["followers"][0][key] = value.clone();
    }
    c["followers"][0]["currency"] = json!("USD");
    let s = &mut c["subscriptions"][0];
    s["guards"] = json!({"zone": "UTC", "day_begins_s": 0, "max_age_ms": 1,
        "rules": [{"rule": "daily_loss", "amount": "5"}]});
    s["limits"] = limits;
    for (key, value) in
        [("max_ratio", "2"), ("capital_share", "1"), ("max_inflation", "1"), ("stop_multiplier", "1")]
    {
        s[key] = json!(value);
    }
    for (key, value) in [("max_slippage_bps", "0"), ("max_drift_bps", "0"), ("max_amplification", "1")] {
        s[key] = json!(value);
    }
    for (key, value) in
        [("max_age_ms", 1), ("account_max_age_ms", 1), ("retry_window_ms", 0), ("leader_filled_ms", 0)]
    {
        s[key] = json!(value);
    }
    s["symbol_map"]["EURUSD"] = json!({"instrument": "EURUSD", "qty_factor": "1", "price_factor": "1"});
    s["filters"] = json!({"min_order_qty": "0", "tags": [[9_001, "x"]]});
    c
}

/// The same with one value in another place; `/subscriptions/0/max_ratio`.
fn with(mut c: Value, place: &str, value: &Value) -> Value {
    let (parent, key) = place.rsplit_once('/').unwrap();
    let parent = c.pointer_mut(parent).unwrap();
    match parent.as_array_mut() {
        Some(list) => list[key.parse::<usize>().unwrap()] = value.clone(),
        None => parent[key] = value.clone(),
    }
    c
}

fn said(c: &Value) -> String {
    let built = Config::from_json(&c.to_string()).and_then(Engine::new);
    built.err().map_or_else(String::new, |e| e.to_string())
}

/// Every number at the edge of what it may be is taken.
#[test]
fn numbers_at_their_edge_are_taken() {
    assert_eq!(said(&full()), "");
    for edge in ["0.000000000000000001", "0.5", "1"] {
        assert_eq!(said(&with(full(), "/subscriptions/0/capital_share", &json!(edge))), "", "{edge}");
    }
}

/// A share of an account is above 0 and at most all of it: twice the account would open twice as much.
#[test]
fn a_share_of_an_account_is_a_part_of_it() {
    for share in ["0", "-1", "2", "1.000000000000000001"] {
        assert_eq!(
            said(&with(full(), "/subscriptions/0/capital_share", &json!(share))),
            format!("subscription \"s\": capital_share must be above 0 and at most 1, got {share}")
        );
    }
}

/// What has to be above 0, by its place: 0 and less are refused, and the word names the key.
#[test]
fn what_has_to_be_above_0_is() {
    let text = [
        "/instruments/0/contract_size",
        "/instruments/0/lot_step",
        "/instruments/0/min_lot",
        "/instruments/0/max_lot",
        "/instruments/0/tick",
        "/subscriptions/0/sizing/k",
        "/subscriptions/0/max_ratio",
        "/subscriptions/0/max_inflation",
        "/subscriptions/0/max_amplification",
        "/subscriptions/0/stop_multiplier",
        "/subscriptions/0/symbol_map/EURUSD/qty_factor",
        "/subscriptions/0/symbol_map/EURUSD/price_factor",
        "/subscriptions/0/guards/rules/0/amount",
        "/followers/0/guards/rules/0/percent",
        "/followers/0/limits/totals/max_exposure",
        "/followers/0/limits/totals/max_leverage",
        "/followers/0/limits/default/max_order_qty_lots",
        "/followers/0/limits/instruments/EURUSD/max_order_value",
        "/together/limits/totals/max_exposure",
    ];
    let whole = [
        "/timing/dispatch_timeout_ms",
        "/timing/ack_timeout_ms",
        "/timing/query_retry_ms",
        "/timing/close_retry_ms",
        "/faults/reject_window_ms",
        "/faults/repeated_window_ms",
        "/clock/max_error_us",
        "/together/max_age_ms",
        "/leaders/0/together/max_age_ms",
        "/routes/0/switch/window_ms",
        "/followers/0/guards/max_age_ms",
        "/followers/0/limits/default/price_windows/0/window_ms",
        "/subscriptions/0/max_age_ms",
        "/subscriptions/0/account_max_age_ms",
    ];
    let numbers = whole.iter().flat_map(|at| [json!(0), json!(-1)].map(|bad| (*at, bad)));
    for (at, bad) in text.iter().flat_map(|at| [json!("0"), json!("-1")].map(|b| (*at, b))).chain(numbers) {
        let (key, got) = (at.rsplit('/').next().unwrap(), said(&with(full(), at, &bad)));
        let word =
            format!("{key} must be above 0, got {}", bad.as_str().map_or(bad.to_string(), str::to_owned));
        assert!(got.contains(&word), "{at} {bad}: {got:?}");
    }
    for at in ["/messages", "/routes/0/messages", "/followers/0/messages"] {
        for key in ["per_s", "burst"] {
            let got = said(&with(full(), &format!("{at}/{key}"), &json!(0)));
            assert!(got.contains(&format!("{key} must be above 0, got 0")), "{at}: {got:?}");
        }
        let got = said(&with(full(), &format!("{at}/kept"), &json!(3)));
        assert!(got.contains("kept must be at most burst, 2, got 3"), "{at}: {got:?}");
    }
}

/// What may be 0 is not below it.
#[test]
fn what_may_be_0_is_not_below_it() {
    let text = [
        "/reconcile/tolerance_lots",
        "/subscriptions/0/max_slippage_bps",
        "/subscriptions/0/max_drift_bps",
        "/subscriptions/0/filters/min_order_qty",
        "/subscriptions/0/limits/default/price_collar_bps",
        "/subscriptions/0/limits/default/max_position_lots",
        "/subscriptions/0/limits/instruments/EURUSD/price_windows/0/bps",
    ];
    let whole = [
        "/timing/settle_ms",
        "/faults/lookalike_window_ms",
        "/reconcile/every_ms",
        "/retire_after_ms",
        "/leaders/0/inactive/down_ms",
        "/leaders/0/inactive/silent_ms",
        "/routes/0/switch/down_ms",
        "/routes/0/switch/ack_ms",
        "/routes/0/switch/back_ms",
        "/subscriptions/0/retry_window_ms",
        "/subscriptions/0/leader_filled_ms",
    ];
    let all = text.iter().map(|at| (*at, json!("-1"))).chain(whole.iter().map(|at| (*at, json!(-1))));
    for (at, bad) in all {
        let (key, got) = (at.rsplit('/').next().unwrap(), said(&with(full(), at, &bad)));
        assert!(got.contains(&format!("{key} must not be below 0, got -1")), "{at}: {got:?}");
    }
}

/// Every mode of sizing has a number that is above 0.
#[test]
fn every_sizing_has_a_number_above_0() {
    let modes = [
        ("multiplier", "k"),
        ("percent", "percent"),
        ("lots_multiplier", "k"),
        ("fixed", "lots"),
        ("equity", "k"),
        ("balance", "k"),
        ("free_margin", "k"),
        ("notional", "k"),
        ("percent_equity", "percent"),
        ("block", "weight"),
    ];
    for ((mode, key), bad) in modes.iter().flat_map(|m| ["0", "-2"].map(|bad| (m, bad))) {
        let got = said(&with(full(), "/subscriptions/0/sizing", &json!({"mode": mode, *key: bad})));
        assert!(got.contains(&format!("sizing.{key} must be above 0, got {bad}")), "{mode}: {got:?}");
    }
}

/// Numbers that belong together: two that are each possible alone.
#[test]
fn numbers_that_contradict_each_other_are_refused() {
    let two = |at: &str, value: Value| said(&with(full(), at, &value));
    assert!(
        two("/instruments/0/min_lot", json!("1.5"))
            .contains("min_lot must be a whole number of lot_step, 1, got 1.5")
    );
    assert!(
        two("/instruments/0/max_lot", json!("0.5")).contains("max_lot must be at least min_lot, 1, got 0.5")
    );
    let less = with(full(), "/timing/close_retry_ms", &json!(2));
    assert!(said(&less).contains("close_retry_max_ms must be at least close_retry_ms, 2, got 1"));
    let rule = json!({"rule": "daily_loss", "percent": "100"});
    let got = two("/followers/0/guards/rules/0", rule);
    assert!(got.contains("guards.rules[0].percent must be below 100, got 100"), "{got}");
    for rule in [json!({"rule": "drawdown"}), json!({"rule": "drawdown", "amount": "1", "percent": "1"})] {
        let got = two("/followers/0/guards/rules/0", rule);
        assert!(got.contains("guards.rules[0] must have an amount or a percent, and not both"), "{got}");
    }
}

/// A tag of 0 is no field: a message with it is none.
#[test]
fn a_tag_is_above_0() {
    for at in ["/profiles/0/symbol_tag", "/profiles/0/position_id_tag", "/profiles/0/close_position_id_tag"] {
        assert!(said(&with(full(), at, &json!(0))).contains("_tag must be above 0, got 0"), "{at}");
    }
    assert!(
        said(&with(full(), "/profiles/0/reduce_only", &json!([0, "C"])))
            .contains("reduce_only must be above 0")
    );
    assert!(
        said(&with(full(), "/subscriptions/0/filters/tags/0", &json!([0, "x"])))
            .contains("filters.tags must be above 0")
    );
    assert!(
        said(&with(full(), "/profiles/0/cl_ord_id", &json!({"max_len": 0})))
            .contains("max_len must be above 0, got 0")
    );
}

/// All mistakes are told at once.
#[test]
fn every_mistake_is_told() {
    let c = with(with(full(), "/subscriptions/0/max_ratio", &json!("0")), "/retire_after_ms", &json!(-1));
    assert_eq!(
        said(&c),
        "retire_after_ms must not be below 0, got -1; subscription \"s\": max_ratio must be above 0, got 0"
    );
}
