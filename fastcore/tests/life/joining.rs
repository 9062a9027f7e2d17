//! In: a new subscription, and one that is set anew, hold what the leader's position is worth; once, and as opens like any
//! other.

use crate::support::{self, SAME, Sent, World, d, one};
use crate::{config, fill_all, holding, leave, lines, link_up, refused, sides, start_with, tell, texts};
use fastcore::config::{Dispatch, InstrumentConfig, SymbolMap};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::{Row, SendKind};
use fastcore::refusal::Code;
use serde_json::{Value, json};

/// The configuration of `s`, and of `t`, who has these keys of its own.
fn text(more: &Value, sizing: &str) -> String {
    let mut c: Value = serde_json::from_str(&support::config_text(SAME, "")).unwrap();
    c["dispatch"] = json!("listed");
    let mut follower = c["followers"][0].clone();
    (follower["name"], follower["account"]) = (json!("g"), json!("G"));
    follower["currency"] = json!("USD");
    c["followers"].as_array_mut().unwrap().push(follower);
    let mut sub = c["subscriptions"][0].clone();
    (sub["name"], sub["follower"]) = (json!("t"), json!("g"));
    sub["sizing"] = serde_json::from_str(sizing).unwrap();
    for (key, value) in more.as_object().unwrap() {
        sub[key] = value.clone();
    }
    c["subscriptions"].as_array_mut().unwrap().push(sub);
    c.to_string()
}

/// A leader whose 6 lots only `s` holds.
fn alone() -> World {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "6", "6", "6"), true, "6");
    fill_all(&mut w, &[open]);
    w
}

fn resync(w: &mut World, sub: &str) -> Vec<Sent> {
    tell(w, &format!(r#"{{"cmd":"resync","who":"ann","subscription":"{sub}"}}"#))
}

fn quote(w: &mut World, bid: &str, ask: &str) {
    let text = format!(r#"{{"instrument":"EURUSD","bid":"{bid}","ask":"{ask}"}}"#);
    w.apply(EventKind::Quote, "", text.as_bytes());
}

/// `flat` leaves the leader's position alone: his closes of it close nothing here, his next opens are copied whole.
#[test]
fn who_joins_flat_copies_what_comes() {
    let mut w = alone();
    assert!(start_with(&mut w, &text(&json!({}), SAME)).is_empty());
    let sent = w.leader("o2", 2, "2", "2", "2");
    assert_eq!(sides(&sent), [(false, "2")]);
    fill_all(&mut w, &sent);
    let sent = w.leader("o3", 1, "3", "3", "3");
    assert_eq!(sides(&sent), [(true, "3"), (true, "3")]);
    fill_all(&mut w, &sent);
    // A third of his 7, by then 3 of which are copied.
    let sent = w.leader("o4", 2, "7", "7", "7");
    assert_eq!(sides(&sent), [(false, "7"), (false, "3")]);
}

/// `target` opens it at once, when the route is there, by the same sizing; after the next start it is not opened again.
#[test]
fn who_joins_with_the_target_opens_it_once() {
    let half = text(&json!({"joining": "target"}), r#"{"mode":"multiplier","k":"0.5"}"#);
    let mut w = alone();
    let sent = start_with(&mut w, &half);
    one(&sent, true, "3");
    fill_all(&mut w, &sent);
    assert_eq!(texts(&w, "join"), [r#"subscription "t" joins its leader: EURUSD: target 3 units, it was 0"#]);
    assert_eq!(lines(&w)[1], (d("3"), d("3")));
    assert!(start_with(&mut w, &half).is_empty());
    let sent = tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"t","rule":"close_now"}"#);
    fill_all(&mut w, &sent);
    assert!(start_with(&mut w, &half).is_empty(), "nor after it was closed");
    assert_eq!(texts(&w, "join").len(), 1);
}

/// A join waits for the route, over restarts, and sets the target then: what the leader trades meanwhile is not added twice.
#[test]
fn a_join_that_waited_adds_nothing_twice() {
    let file = text(&json!({"joining": "target"}), SAME);
    let mut w = alone();
    let start = format!(r#"{{"epoch":1,"config":{file}}}"#);
    w.apply(EventKind::Start, "", start.as_bytes());
    assert!(w.leader("o2", 1, "2", "2", "2").is_empty());
    let waits =
        |w: &World| w.engine.status().joining.iter().map(|j| j.subscription.clone()).collect::<Vec<_>>();
    assert_eq!(waits(&w), ["t"]);
    // A restart in between, from a snapshot: it still waits.
    let config = fastcore::config::Config::from_json(&file).unwrap();
    w.engine = Engine::restore(config, &w.engine.snapshot()).unwrap();
    w.apply(EventKind::Start, "", start.replace("\"epoch\":1", "\"epoch\":2").as_bytes());
    let sent = link_up(&mut w);
    assert!(waits(&w).is_empty());
    let of_t: i64 = sent.iter().map(|s| s.qty.parse::<i64>().unwrap()).sum::<i64>() - 2;
    assert_eq!(of_t, 8, "{:?}", sides(&sent));
    fill_all(&mut w, &sent);
    assert_eq!(lines(&w), [(d("8"), d("8")), (d("8"), d("8"))]);
}

/// Nobody guesses what the leader holds: the join waits for his broker's report, and for a flat one opens nothing.
#[test]
fn a_join_waits_for_a_position_that_is_not_known() {
    for (long, opens) in [("6", &[(true, "6")][..]), ("0", &[])] {
        let mut c: Value = serde_json::from_str(&text(&json!({"joining": "target"}), SAME)).unwrap();
        c["leaders"][0]["assume_flat"] = json!(false);
        let config = fastcore::config::Config::from_json(&c.to_string()).unwrap();
        let mut w = World::with(SAME, "", |new| *new = config);
        assert!(start_with(&mut w, &c.to_string()).is_empty());
        let report = format!("35=AP|34=1|721=1|55=EURUSD|702=1|703=TQ|704={long}|705=0|");
        let sent = w.apply(EventKind::Leader, "L", &support::fix(&report));
        assert_eq!(sides(&sent), opens);
    }
}

/// A join passes every check of an open, is asked for once, and says what refused it; `resync` asks again.
#[test]
fn a_join_is_an_open_like_any_other() {
    let limits = json!({"default": {"max_position_lots": "4"}});
    let bound = text(&json!({"joining": "target", "limits": limits}), SAME);
    let mut w = alone();
    let sent = start_with(&mut w, &bound);
    one(&sent, true, "4");
    fill_all(&mut w, &sent);
    assert_eq!(lines(&w)[1], (d("4"), d("4")));
    let said = &texts(&w, "join")[0];
    assert!(said.ends_with("target 4 units, it was 0, refused: max_position"), "{said}");
    let mut w = alone();
    tell(&mut w, r#"{"cmd":"kill","who":"ann"}"#);
    assert!(start_with(&mut w, &text(&json!({"joining": "target"}), SAME)).is_empty());
    tell(&mut w, r#"{"cmd":"arm","who":"ann"}"#);
    assert!(lines(&w)[1] == (d("0"), d("0")) && texts(&w, "join")[0].ends_with("refused: kill"));
    one(&resync(&mut w, "t"), true, "6");
}

/// Account values that are missing size nothing, and the target stays as it was.
#[test]
fn what_cannot_be_sized_changes_nothing() {
    let equity = r#"{"mode":"equity","k":"1"}"#;
    let mut c: Value = serde_json::from_str(&text(&json!({"joining": "target"}), equity)).unwrap();
    c["leaders"][0]["currency"] = json!("USD");
    let mut w = alone();
    assert!(start_with(&mut w, &c.to_string()).is_empty());
    assert!(texts(&w, "join")[0].contains("refused: stale_account"), "{:?}", texts(&w, "join"));
    tell(&mut w, r#"{"cmd":"account","account":"l","equity":"1000"}"#);
    tell(&mut w, r#"{"cmd":"account","account":"g","equity":"500"}"#);
    let sent = resync(&mut w, "t");
    one(&sent, true, "3");
    fill_all(&mut w, &sent);
    w.now += 3_600_000_000_000;
    assert!(resync(&mut w, "t").is_empty());
    assert_eq!(lines(&w)[1], (d("3"), d("3")), "a value that is too old closes nothing");
}

/// An amount is opened once for the whole position, as for one order of the leader; short ones short, reversed ones long.
#[test]
fn an_amount_is_opened_once_and_on_the_right_side() {
    for (side, reverse, buy) in [(1, false, true), (2, false, false), (2, true, true)] {
        let mut w = World::new(SAME, "");
        for n in 0..3 {
            let sent = w.leader(&format!("o{n}"), side, "6", "6", "6");
            fill_all(&mut w, &sent);
        }
        let more = json!({"joining": "target", "reverse": reverse});
        one(&start_with(&mut w, &text(&more, r#"{"mode":"fixed","lots":"5"}"#)), buy, "5");
    }
}

/// An order of his that was filled in part is a part of that position: what it fills later is no second amount.
#[test]
fn a_half_filled_order_opens_no_second_amount() {
    let mut w = World::new(SAME, "");
    let sent = w.leader("A", 1, "10", "4", "4");
    fill_all(&mut w, &sent);
    let sent = start_with(&mut w, &text(&json!({"joining": "target"}), r#"{"mode":"fixed","lots":"2"}"#));
    one(&sent, true, "2");
    fill_all(&mut w, &sent);
    let rest = w.leader("A", 1, "10", "6", "10");
    one(&rest, true, "6");
    fill_all(&mut w, &rest);
    assert_eq!(lines(&w), [(d("10"), d("10")), (d("2"), d("2"))]);
    assert_eq!(
        sides(&w.leader("B", 1, "5", "5", "5")),
        [(true, "5"), (true, "2")],
        "another order, another amount"
    );
}

/// The same after a resync; an order that had filled nothing, or only closes, has its amount still.
#[test]
fn a_resync_counts_every_order_that_is_part_of_the_position() {
    let mut w = World::new(r#"{"mode":"fixed","lots":"10"}"#, "");
    let mut copied = |order: &str, side: u8, qty: &str, last: &str, cum: &str| {
        let sent = w.leader(order, side, qty, last, cum);
        fill_all(&mut w, &sent);
        w.target()
    };
    assert_eq!(copied("A", 1, "10", "4", "4"), d("4"));
    assert_eq!(copied("S", 2, "20", "1", "1"), d("3"));
    let new = "35=8|34=77|37=B|17=N77|150=0|39=0|55=EURUSD|54=1|38=5|14=0|151=5|";
    assert!(w.apply(EventKind::Leader, "L", &support::fix(new)).is_empty());
    let open = one(&resync(&mut w, "s"), true, "7");
    fill_all(&mut w, &[open]);
    let bytes = w.engine.snapshot();
    let config = support::config(r#"{"mode":"fixed","lots":"10"}"#, "");
    w.engine = Engine::restore(config, &bytes).unwrap();
    let mut copied = |order: &str, side: u8, qty: &str, last: &str, cum: &str| {
        let sent = w.leader(order, side, qty, last, cum);
        fill_all(&mut w, &sent);
        w.target()
    };
    assert_eq!(copied("A", 1, "10", "6", "10"), d("10"), "one position, one amount");
    assert_eq!(copied("B", 1, "5", "5", "5"), d("20"));
    assert_eq!(copied("S", 2, "20", "19", "20"), d("-10"), "5 of the 19 open");
}

/// An order of another instrument, which he has closed meanwhile, is no part of it.
#[test]
fn a_resync_leaves_orders_of_other_instruments_their_amounts() {
    let gbp = |w: &mut World, side: u8, order: &str, last: &str, cum: &str| {
        w.exec += 1;
        let e = w.exec;
        let text = format!(
            "35=8|34={e}|37={order}|17=E{e}|150=F|39=1|55=GBPUSD|54={side}|38=10|32={last}|31=1.1|14={cum}|151=0|60=20231114-22:13:20|"
        );
        let sent = w.apply(EventKind::Leader, "L", &support::fix(&text));
        fill_all(w, &sent);
        sent
    };
    let mut w = World::with(r#"{"mode":"fixed","lots":"10"}"#, "", |c| {
        let name = "GBPUSD".to_owned();
        c.instruments.push(InstrumentConfig { name: name.clone(), ..c.instruments[0].clone() });
        c.leaders[0].symbols.insert(name.clone(), name.clone());
        c.followers[0].symbols.insert(name.clone(), name.clone());
        let map = &mut c.subscriptions[0].symbol_map;
        let other = SymbolMap { instrument: name.clone(), ..map.get("EURUSD").unwrap().clone() };
        map.insert(name, other);
    });
    one(&gbp(&mut w, 1, "G", "4", "4"), true, "4");
    one(&gbp(&mut w, 2, "H", "4", "4"), false, "4");
    let sent = w.leader("A", 1, "10", "4", "4");
    fill_all(&mut w, &sent);
    let sent = resync(&mut w, "s");
    one(&sent, true, "6");
    fill_all(&mut w, &sent);
    one(&gbp(&mut w, 1, "G", "6", "10"), true, "6");
}

/// What a reject took off the target is opened by a resync; a second one changes nothing, while orders work and after.
#[test]
fn a_resync_opens_what_is_missing_and_nothing_twice() {
    let mut w = holding("5");
    let sent = w.leader("o2", 1, "4", "4", "4");
    w.out(&sent[0]);
    w.reject(&sent[0]);
    fill_all(&mut w, &sent[1..]);
    assert_eq!(lines(&w), [(d("5"), d("5")), (d("9"), d("9"))]);
    let open = one(&resync(&mut w, "s"), true, "4");
    assert!(resync(&mut w, "s").is_empty(), "it works");
    w.out(&open);
    w.fill(&open, "3", "3");
    assert!(resync(&mut w, "s").is_empty());
    w.fill(&open, "1", "4");
    assert!(resync(&mut w, "s").is_empty());
    assert_eq!(lines(&w)[0], (d("9"), d("9")));
    assert_eq!(
        texts(&w, "resync"),
        [
            r#"subscription "s" resynced by ann: EURUSD: target 9 units, it was 5"#,
            r#"subscription "s" resynced by ann: nothing changes"#,
            r#"subscription "s" resynced by ann: nothing changes"#,
            r#"subscription "s" resynced by ann: nothing changes"#,
        ]
    );
}

/// A ratio that was lowered changes opens only, until a resync: it closes at once, and turns nothing by itself.
#[test]
fn a_resync_closes_what_is_too_much() {
    let mut w = alone();
    assert!(start_with(&mut w, &support::config_text(support::HALF, "")).is_empty());
    let close = one(&resync(&mut w, "s"), false, "3");
    fill_all(&mut w, &[close]);
    assert!(resync(&mut w, "s").is_empty());
    let sent = w.leader("o2", 2, "6", "6", "6");
    one(&sent, false, "3");
}

/// While somebody has to look at a bust, a resync opens nothing; what it would close it closes. `bust-resume` comes first.
#[test]
fn a_resync_does_not_end_a_bust_hold() {
    let mut w = holding("5");
    let bust = "35=8|34=9|37=o1|17=B1|19=E1|20=1|150=H|39=1|55=EURUSD|54=1|38=5|32=5|14=0|151=5|";
    let closes = w.apply(EventKind::Leader, "L", &support::fix(bust));
    assert_eq!(sides(&closes), [(false, "5"), (false, "5")]);
    fill_all(&mut w, &closes);
    assert!(w.leader("o2", 1, "7", "7", "7").is_empty());
    assert_eq!(refused(&w, Code::BustHold), 2);
    assert!(resync(&mut w, "s").is_empty());
    let said = texts(&w, "resync").pop().unwrap();
    assert!(said.contains("refused: bust_hold"), "{said}");
    assert_eq!(lines(&w)[0], (d("0"), d("0")));
    tell(&mut w, r#"{"cmd":"bust_resume","who":"ann","leader":"l"}"#);
    one(&resync(&mut w, "s"), true, "7");
}

/// Where the filters ask for what only an order has, nobody can tell which part of a position passes.
#[test]
fn a_filtered_position_is_not_guessed() {
    for (filters, opens) in [
        (json!({"side": "long"}), &[(true, "6")][..]),
        (json!({"side": "short"}), &[]),
        (json!({"min_order_qty": "6"}), &[(true, "6")]),
        (json!({"min_order_qty": "7"}), &[]),
        (json!({"tags": [[58, "x"]]}), &[]),
        (json!({"instruments": []}), &[]),
    ] {
        let mut w = alone();
        let sent = start_with(&mut w, &text(&json!({"joining": "target", "filters": filters}), SAME));
        assert_eq!(sides(&sent), opens, "{filters}");
    }
}

/// The price of a resync is the price of now: a limit is set by the quote, and the leader's old trade is no drift.
#[test]
fn a_resync_is_priced_by_the_quote() {
    for drift in [r#","max_drift_bps":"5""#, ""] {
        let more = format!(r#","order_type":"limit","max_slippage_bps":"10"{drift}"#);
        let mut w = World::new(SAME, &more);
        quote(&mut w, "1.1", "1.1");
        let open = one(&w.leader("o1", 1, "6", "6", "6"), true, "6");
        w.out(&open);
        w.reject(&open);
        w.now += 100_000_000_000;
        assert!(resync(&mut w, "s").is_empty(), "no limit is set by a trade of {drift:?} before");
        assert!(texts(&w, "resync")[0].contains("refused: no_quote"), "{:?}", texts(&w, "resync"));
        quote(&mut w, "1.2", "1.3");
        let sent = resync(&mut w, "s");
        assert_eq!(one(&sent, true, "6").terms, "2|1.3013|3");
    }
    // His next trade has a price again, without any quote.
    let mut w = World::new(SAME, r#","order_type":"limit","max_slippage_bps":"10""#);
    let open = one(&w.leader("o1", 1, "6", "6", "6"), true, "6");
    w.out(&open);
    w.reject(&open);
    assert!(resync(&mut w, "s").is_empty());
    one(&w.leader("o2", 1, "2", "2", "2"), true, "2");
}

/// An open of a resync lives as long as one of a trade: what waits for its route longer than that is given up.
#[test]
fn an_open_of_a_resync_has_a_window() {
    let mut w = holding("5");
    let sent = w.leader("o2", 1, "4", "4", "4");
    w.out(&sent[0]);
    w.reject(&sent[0]);
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(resync(&mut w, "s").is_empty());
    let end = w.now + 61_000_000_000;
    w.run_to(end);
    assert!(w.rows(&[Row::Logon { session: "R" }]).iter().all(|s| s.kind != SendKind::New));
    assert_eq!((lines(&w)[0], refused(&w, Code::Missed)), ((d("5"), d("5")), 1));
}

/// Who was leaving can copy again; what was kept is nobody's here, and a name that is wrong does nothing.
#[test]
fn who_was_leaving_can_join_again() {
    let mut w = holding("5");
    assert_eq!(config().dispatch, Dispatch::Listed);
    leave(&mut w, "s", "close_with_leader");
    assert_eq!(w.leader("o2", 1, "4", "4", "4").len(), 1);
    resync(&mut w, "s");
    let join = |w: &mut World, more: &str| {
        tell(w, &format!(r#"{{"cmd":"join","who":"ann","subscription":"s"{more}}}"#))
    };
    assert!(texts(&w, "bad_command")[0].contains("`join` makes it copy again"));
    assert!(join(&mut w, "").is_empty());
    assert_eq!(texts(&w, "join"), [r#"subscription "s" copies again, by ann"#]);
    assert!(w.engine.status().leaving.is_empty());
    leave(&mut w, "s", "close_with_leader");
    one(&join(&mut w, r#","joining":"target""#), true, "4");
    leave(&mut w, "s", "keep");
    join(&mut w, "");
    assert!(texts(&w, "bad_command")[1].contains("close_now first"), "{:?}", texts(&w, "bad_command"));
    assert_eq!(w.engine.status().leaving.len(), 1);
    for wrong in [
        r#"{"cmd":"resync","who":"","subscription":"t"}"#,
        r#"{"cmd":"resync","who":"ann","subscription":"x"}"#,
        r#"{"cmd":"join","who":"","subscription":"t"}"#,
        r#"{"cmd":"join","who":"ann","subscription":"t","joining":"now"}"#,
    ] {
        tell(&mut w, wrong);
    }
    assert_eq!(texts(&w, "bad_command").len(), 6);
}
