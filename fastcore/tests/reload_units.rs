//! What a quantity of a venue is in units is no small change while something is held: the next close would be another one.

mod support;

use fastcore::config::Config;
use fastcore::event::EventKind;
use fastcore::profile::QuantityUnit;
use support::{SAME, Sent, World, one};

/// Lots of 10 units; the leader's venue and the follower's have a profile each, and both count units.
fn venues() -> Config {
    let mut c = support::config(SAME, "");
    c.instruments[0].contract_size = support::d("10");
    let own = c.profiles[0].clone();
    c.profiles.push(fastcore::profile::Profile { name: "q".to_owned(), ..own });
    c.routes[0].profile = "q".to_owned();
    c
}

/// The leader's (0) or the follower's (1) venue counts otherwise.
fn counting(profile: usize, unit: QuantityUnit) -> Config {
    let mut c = venues();
    c.profiles[profile].quantity_unit = unit;
    c
}

fn tell(w: &mut World, text: &str) -> Vec<Sent> {
    w.apply(EventKind::Operator, "", text.as_bytes())
}

fn refused(w: &World, next: &Config) -> String {
    w.engine.accepts(next).err().map_or_else(String::new, |e| e.to_string())
}

fn filled(w: &mut World, sent: &[Sent], qty: &str) {
    w.out(&sent[0]);
    w.fill(&sent[0], qty, qty);
}

/// 50 units are five lots: read as 50 lots, a close of them would be one of 500 units, or of five.
#[test]
fn what_a_quantity_is_stays_while_something_is_held() {
    let (leaders, followers) = (counting(0, QuantityUnit::Lots), counting(1, QuantityUnit::Lots));
    let mut w = World::with(SAME, "", |c| *c = venues());
    assert_eq!(
        (refused(&w, &leaders), refused(&w, &followers)),
        (String::new(), String::new()),
        "nothing is held"
    );
    let sent = w.leader("o1", 1, "50", "50", "50");
    one(&sent, true, "50");
    filled(&mut w, &sent, "50");
    assert_eq!(refused(&w, &venues()), "");
    let word = |whose: &str| {
        format!(
            "subscription \"s\" holds a position: quantity_unit of its {whose}'s profile changed: change it once everything is flat"
        )
    };
    assert_eq!(refused(&w, &leaders), word("leader"));
    assert_eq!(refused(&w, &followers), word("follower"));
    assert_eq!(refused(&w, &counting(1, QuantityUnit::Contracts)), word("follower"));
    tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"keep"}"#);
    let holds = "leader \"l\" holds 50 units of EURUSD: quantity_unit of its profile, or contract_size, changed: change it once he is flat";
    assert_eq!(refused(&w, &leaders), holds, "what was kept follows nobody, and he is not flat");
    assert_eq!(refused(&w, &followers), word("follower"), "what was kept is closed one day");
    let sent = tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"close_now"}"#);
    filled(&mut w, &sent, "50");
    assert_eq!((refused(&w, &leaders), refused(&w, &followers)), (holds.to_owned(), String::new()));
    w.leader("o2", 2, "50", "50", "50");
    assert_eq!(
        (refused(&w, &leaders), refused(&w, &followers)),
        (String::new(), String::new()),
        "flat again"
    );
}

/// A start with such a file is refused as other changes are, and the one before stays in force.
#[test]
fn a_start_with_another_quantity_unit_is_refused() {
    let mut w = World::with(SAME, "", |c| *c = venues());
    let sent = w.leader("o1", 1, "50", "50", "50");
    filled(&mut w, &sent, "50");
    let mut c: serde_json::Value = serde_json::from_str(&support::config_text(SAME, "")).unwrap();
    c["instruments"][0]["contract_size"] = serde_json::json!("10");
    let mut q = c["profiles"][0].clone();
    (q["name"], q["quantity_unit"]) = (serde_json::json!("q"), serde_json::json!("lots"));
    c["profiles"].as_array_mut().unwrap().push(q);
    c["routes"][0]["profile"] = serde_json::json!("q");
    let alerts = w.alerts.len();
    w.apply(EventKind::Start, "", format!(r#"{{"epoch":2,"config":{c}}}"#).as_bytes());
    assert!(w.alerts[alerts..].iter().any(|a| a.text.contains("quantity_unit")), "{:?}", &w.alerts[alerts..]);
}

/// Lots and contracts are the same number, and lots of one unit are units: nothing that is held means anything else.
#[test]
fn another_word_for_the_same_number_is_no_change() {
    let mut w = World::with(SAME, "", |c| *c = counting(1, QuantityUnit::Lots));
    let sent = w.leader("o1", 1, "50", "50", "50");
    one(&sent, true, "5");
    filled(&mut w, &sent, "5");
    assert_eq!(refused(&w, &counting(1, QuantityUnit::Contracts)), "");
    let ones = |unit| {
        let mut c = counting(1, unit);
        c.instruments[0].contract_size = support::d("1");
        c
    };
    let mut w = World::with(SAME, "", |c| *c = ones(QuantityUnit::Units));
    let sent = w.leader("o1", 1, "50", "50", "50");
    filled(&mut w, &sent, "50");
    assert_eq!(refused(&w, &ones(QuantityUnit::Lots)), "");
}
