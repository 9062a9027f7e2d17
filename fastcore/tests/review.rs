//! Corners of the delivery rules and of the ledger, each found by reading the rule against the code.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::{self, Row, SendKind};
use support::{SAME, Sent, World, config, d, fix, lots, one};

fn kinds(sent: &[Sent]) -> Vec<SendKind> {
    sent.iter().map(|s| s.kind).collect()
}

/// An open of 10 whose outcome is unknown, long enough ago for an answer to count.
fn unknown_open() -> (World, Sent) {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.now = w.engine.next_due_ns().unwrap();
    assert_eq!(kinds(&w.apply(EventKind::Timer, "", b"")), vec![SendKind::Status]);
    w.now = w.engine.next_due_ns().unwrap();
    assert_eq!(kinds(&w.apply(EventKind::Timer, "", b"")), vec![SendKind::Status]);
    (w, open)
}

/// A question that the broker refused is no answer: an order sent again on it would be held twice.
#[test]
fn a_refused_question_about_an_unknown_order_proves_nothing() {
    for reason in ["0", "3", "4", "6", "8"] {
        let (mut w, open) = unknown_open();
        let id = &open.id;
        let sent = w.broker(&format!("35=j|45=3|372=H|379={id}|380={reason}|58=busy|"));
        assert!(sent.iter().all(|s| s.kind != SendKind::New), "380={reason}: {sent:?}");
        assert_eq!(w.alerts.last().map(|a| a.code), Some("query_rejected"));
    }
    let (mut w, open) = unknown_open();
    let mut deny = || {
        let sent = w.broker(&format!("35=j|45=3|372=H|379={}|380=1|58=unknown id|", open.id));
        w.now = w.engine.next_due_ns().unwrap();
        w.apply(EventKind::Timer, "", b"");
        sent
    };
    assert!(deny().is_empty(), "from now on it settles");
    assert!(deny().is_empty(), "to the second question, asked before it began to settle");
    let sent = deny();
    assert_eq!((sent[0].kind, sent[0].try_no), (SendKind::New, 2), "380=1 is the answer: not known");
}

/// The same "unknown order" again is the answer to a new question, not a repeated report.
#[test]
fn the_same_unknown_order_reject_counts_again() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    let id = &open.id;
    let unknown = format!("35=8|37=NONE|11={id}|17=0|150=8|39=8|103=5|55=EURUSD|54=1|38=0|14=0|151=0|");
    w.now = w.engine.next_due_ns().unwrap();
    w.apply(EventKind::Timer, "", b"");
    assert!(w.broker(&unknown).is_empty(), "the broker's gateway may still hold it");
    w.now = w.engine.next_due_ns().unwrap();
    w.apply(EventKind::Timer, "", b"");
    let again = w.broker(&unknown);
    assert_eq!((again[0].id.as_str(), again[0].try_no), (open.id.as_str(), 2));
}

/// says "unknown order" of one that it filled. A close sent again on it would be a second close.
#[test]
fn an_acknowledged_close_that_the_venue_forgot_is_not_sent_again() {
    let mut c = config(SAME, "");
    c.profiles[0].query_covers = fastcore::profile::QueryCovers::Working;
    c.profiles[0].recovery = fastcore::profile::Recovery::None;
    let mut w = World::new(SAME, "");
    w.engine = Engine::new(c).unwrap();
    w.row = 0;
    w.link(7);
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    w.out(&close);
    let id = close.id.clone();
    w.broker(&format!("35=8|37=B1|11={id}|17=A1|150=0|39=0|55=EURUSD|54=2|38=10|14=0|151=10|"));
    w.rows(&[Row::Logout { session: "R" }]);
    assert_eq!(kinds(&w.rows(&[Row::Logon { session: "R" }])), vec![SendKind::Status]);
    w.broker(&format!("35=8|37=NONE|11={id}|17=0|150=8|39=8|103=5|55=EURUSD|54=2|38=0|14=0|151=0|"));
    for _ in 0..20 {
        w.now = w.engine.next_due_ns().unwrap();
        let sent = w.apply(EventKind::Timer, "", b"");
        assert!(sent.iter().all(|s| s.kind == SendKind::Status), "{sent:?}");
    }
    assert_eq!(w.engine.status().orders.get("unknown"), Some(&1), "and it is still asked about");
    w.fill(&close, "10", "10");
    assert_eq!(w.filled(), d("0"));
}

/// A route whose file is new cannot know what the old one sent: what was on its way is asked about, never sent again.
#[test]
fn a_lost_route_file_does_not_prove_that_an_order_never_left() {
    let mut w = World::new(SAME, "");
    let _open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    let hello = link::encode_hello("r", 8, 2, 1, 0, &["R"]).unwrap();
    w.apply(EventKind::Link, "r", &hello);
    w.row = 0;
    let mut sent = w.rows(&[Row::Sync { incarnation: 8, epoch: 0 }]);
    w.now = w.engine.next_due_ns().unwrap();
    sent.extend(w.apply(EventKind::Timer, "", b""));
    assert!(!sent.is_empty() && sent.iter().all(|s| s.kind == SendKind::Status), "{sent:?}");
    assert!(w.alerts.iter().any(|a| a.code == "route_log_lost"));
}

/// Rows that the route deleted, and that our journal has lost again, never come: they are counted as lost and not waited for,
/// and what was on its way is asked about.
#[test]
fn rows_that_were_acknowledged_and_lost_are_not_waited_for() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.row += 5;
    let mut sent = w.link(8);
    w.now = w.engine.next_due_ns().unwrap();
    sent.extend(w.apply(EventKind::Timer, "", b""));
    assert!(!sent.is_empty() && sent.iter().all(|s| s.kind == SendKind::Status), "{sent:?}");
    assert!(
        w.alerts.iter().any(|a| a.code == "route_log_lost" && a.text.contains("5 rows")),
        "{:?}",
        w.alerts
    );
    w.fill(&open, "10", "10");
    assert_eq!(w.filled(), d("10"), "the row behind the gap is taken");
}

/// An open that waits for its route does not leave after the kill switch was set.
#[test]
fn a_held_open_does_not_leave_after_the_kill() {
    let mut w = World::new(SAME, "");
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
    w.apply(EventKind::Operator, "", br#"{"cmd":"kill","who":"ann"}"#);
    assert!(w.rows(&[Row::Logon { session: "R" }]).is_empty());
    assert_eq!(w.engine.status().refusals.get("kill"), Some(&1));
    w.apply(EventKind::Operator, "", br#"{"cmd":"arm","who":"ann"}"#);
    one(&w.leader("o2", 1, "1", "1", "1"), true, "1");
}

/// A cancel whose frame was lost is made again: the order works on, and nothing else would ever end it.
#[test]
fn a_lost_cancel_is_made_again() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.broker(&format!("35=8|37=B1|11={}|17=A1|150=0|39=0|55=EURUSD|54=1|38=10|14=0|151=10|", open.id));
    let first = w.leader("o2", 2, "10", "10", "10");
    assert_eq!(kinds(&first), vec![SendKind::Cancel]);
    let mut sent = Vec::new();
    for _ in 0..6 {
        let Some(due) = w.engine.next_due_ns() else { break };
        w.now = due;
        sent.extend(w.apply(EventKind::Timer, "", b""));
    }
    let again: Vec<&Sent> = sent.iter().filter(|s| s.kind == SendKind::Cancel).collect();
    assert!(!again.is_empty() && again.iter().all(|s| s.id != first[0].id), "{sent:?}");
    // The answer to the first cancel, late: what we withdrew ourselves is no loss.
    let (id, by) = (&open.id, &first[0].id);
    w.broker(&format!("35=8|37=B1|11={by}|41={id}|17=X1|150=4|39=4|55=EURUSD|54=1|38=10|14=0|151=0|"));
    one(&w.leader("o3", 1, "3", "3", "3"), true, "3");
}

/// MsgSeqNum(34) that begins again is followed down; a resent message of the present sequence does not lower it.
#[test]
fn a_sequence_reset_is_followed() {
    let mut w = World::new(SAME, "");
    let report = |n: u32, more: &str| {
        fix(&format!("35=8|34={n}|{more}37=q{n}|17=Q{n}|150=0|39=0|55=EURUSD|54=1|38=1|14=0|151=1|"))
    };
    w.apply(EventKind::Leader, "L", &report(900, ""));
    w.apply(EventKind::Leader, "L", &report(880, "43=Y|"));
    assert_eq!(w.engine.last_msg_seq_num("L"), Some(900));
    w.apply(EventKind::Leader, "L", &report(3, ""));
    assert_eq!(w.engine.last_msg_seq_num("L"), Some(3));
}

/// A bust of what was never seen stops opens also where nothing was copied yet.
#[test]
fn an_unknown_bust_holds_a_line_that_was_never_used() {
    let mut w = World::new(SAME, "");
    let bust = "35=8|37=o9|17=H|19=E77|150=H|39=1|55=EURUSD|54=1|38=20|14=0|151=20|60=20231114-22:13:20|";
    w.apply(EventKind::Leader, "L", &fix(bust));
    assert!(w.alerts.iter().any(|a| a.code == "bust"));
    assert!(w.leader("o1", 1, "5", "5", "5").is_empty());
    assert_eq!(w.engine.status().refusals.get("bust_hold"), Some(&1));
}

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", change)
}

/// A flip's close is not counted against the position that the flip opens.
#[test]
fn a_flip_may_open_up_to_the_bound() {
    let mut w = with(|c| c.subscriptions[0].limits.default.max_position_lots = Some(lots("15")));
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let flip: Vec<String> = w.leader("o2", 2, "30", "30", "30").into_iter().map(|s| s.qty).collect();
    assert_eq!(flip, ["10", "15"]);
}

/// More parts than one event makes: the rest of an open follows, it is not dropped without a word.
#[test]
fn the_rest_of_an_open_in_very_many_parts_follows() {
    let mut w = with(|c| c.instruments[0].max_lot = Some(lots("1")));
    let first = w.leader("o1", 1, "150", "150", "150");
    assert_eq!(first.len(), 100);
    let mut more = 0;
    for s in &first {
        more += w.out(s).len() + w.fill(s, "1", "1").len();
    }
    assert_eq!(more, 50);
}

/// A symbol that is added to an early subscription moves no line of another into its group.
#[test]
fn groups_keep_their_lines_when_a_symbol_is_added() {
    let two = |first: &str| {
        let map = |names: &str| {
            let one = |n: &str| format!(r#""{n}":{{"instrument":"{n}"}}"#);
            names.split(',').map(one).collect::<Vec<_>>().join(",")
        };
        let mut c = config(SAME, "");
        let text = |name: &str, follower: &str, names: &str, limit: &str| {
            format!(
                r#"{{"name":"{name}","follower":"{follower}","leader":"l","sizing":{SAME},"max_ratio":"9","symbol_map":{{{}}}{limit}}}"#,
                map(names)
            )
        };
        let mut usd = c.instruments[0].clone();
        usd.name = "USDJPY".into();
        c.instruments.push(usd);
        c.leaders[0].symbols.insert("USDJPY".into(), "USDJPY".into());
        c.followers[0].symbols.insert("USDJPY".into(), "USDJPY".into());
        let mut g = c.followers[0].clone();
        (g.name, g.account) = ("g".into(), Some("G".into()));
        g.limits.default.max_position_lots = Some(lots("10"));
        c.followers.push(g);
        c.subscriptions = vec![
            serde_json::from_str(&text("a", "f", first, "")).unwrap(),
            serde_json::from_str(&text("b", "g", "USDJPY", "")).unwrap(),
        ];
        c
    };
    let mut w = World::new(SAME, "");
    w.engine = Engine::new(two("EURUSD")).unwrap();
    w.row = 0;
    w.link(7);
    let usdjpy = |w: &mut World, order: &str, qty: &str| {
        let mut time = Vec::new();
        fastcore::time::write_utc(w.now, &mut time);
        let time = String::from_utf8(time).unwrap();
        let text = format!(
            "35=8|37={order}|17={order}|150=F|39=2|55=USDJPY|54=1|38={qty}|32={qty}|31=1|14={qty}|151=0|60={time}|"
        );
        w.apply(EventKind::Leader, "L", &fix(&text))
    };
    let open = one(&usdjpy(&mut w, "o1", "8"), true, "8");
    w.out(&open);
    w.fill(&open, "8", "8");
    let bytes = w.engine.snapshot();
    w.engine = Engine::restore(two("EURUSD,USDJPY"), &bytes).unwrap();
    let mut sent: Vec<String> = usdjpy(&mut w, "o2", "5").into_iter().map(|s| s.qty).collect();
    sent.sort();
    assert_eq!(sent, ["2", "5"], "follower g holds 8 of 10, f nothing");
}

type Edit = fn(&mut Config);

/// What a held position means does not change under it; what only opens depend on does.
#[test]
fn a_configuration_that_changes_the_meaning_of_a_position_is_refused() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    let changes: [(&str, Edit); 10] = [
        ("reverse", |c| c.subscriptions[0].reverse = true),
        ("symbol map", |c| c.subscriptions[0].symbol_map.clear()),
        ("factor", |c| c.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap().qty_factor = d("2")),
        ("sizing mode", |c| c.subscriptions[0].sizing = fastcore::config::Sizing::Fixed { lots: lots("1") }),
        ("filters", |c| c.subscriptions[0].filters.min_order_qty = d("2")),
        ("lots", |c| c.instruments[0].contract_size = d("10")),
        ("lots", |c| c.instruments[0].lot_step = lots("0.1")),
        ("account", |c| c.followers[0].account = Some("G".into())),
        ("account", |c| c.leaders[0].account = Some("G".into())),
        ("route", |c| c.routes[0].session = "R2".into()),
    ];
    for (what, change) in changes {
        let mut next = config(SAME, "");
        change(&mut next);
        let text = w.engine.accepts(&next).unwrap_err().to_string();
        assert!(text.contains(what), "{what}: {text}");
    }
    let mut next = config(r#"{"mode":"multiplier","k":"2"}"#, "");
    next.followers[0].limits.default.max_position_lots = Some(lots("1"));
    w.engine.accepts(&next).unwrap();
    w.out(&open);
    w.fill(&open, "10", "10");
    // Nothing works any more: a factor is of the next open, like a ratio.
    next.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap().qty_factor = d("2");
    w.engine.accepts(&next).unwrap();
    next.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap().instrument = "OTHER".into();
    w.engine.accepts(&next).unwrap_err();
    next = config(SAME, "");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    w.out(&close);
    w.fill(&close, "10", "10");
    next.subscriptions[0].reverse = true;
    w.engine.accepts(&next).unwrap();
}

/// Who copies whom is a subscription's identity: under another leader it would answer for another's lines.
#[test]
fn a_subscription_keeps_its_leader_and_follower() {
    let w = World::new(SAME, "");
    let mut next = config(SAME, "");
    next.leaders.push(fastcore::config::LeaderConfig { name: "m".into(), ..next.leaders[0].clone() });
    w.engine.accepts(&next).unwrap();
    next.subscriptions[0].leader = "m".into();
    assert!(w.engine.accepts(&next).unwrap_err().to_string().contains("leader"));
}

/// A route that takes nothing for hours does not use up a close's tries.
#[test]
fn a_close_is_tried_with_back_off_and_never_given_up() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let mut close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    let (start, mut tries) = (w.now, 0);
    while w.now < start + 3_600_000_000_000 {
        let (id, try_no) = (close.id.clone(), close.try_no);
        w.rows(&[Row::NotSent { cl_ord_id: &id, try_no, reason: 11 }]);
        w.now = w.engine.next_due_ns().unwrap();
        close = one(&w.apply(EventKind::Timer, "", b""), false, "10");
        tries += 1;
    }
    assert!(tries < 1_000, "{tries} tries in an hour");
    w.out(&close);
    w.fill(&close, "10", "10");
    assert_eq!(w.filled(), d("0"));
}

/// A broker that acknowledges an order after it said that it does not know it has it: it is not sent again.
#[test]
fn an_order_that_is_acknowledged_while_it_waits_is_not_sent_again() {
    let (mut w, open) = unknown_open();
    let id = &open.id;
    let rows = [
        fix(&format!("35=8|37=NONE|11={id}|17=0|150=8|39=8|103=5|55=EURUSD|54=1|38=0|14=0|151=0|")),
        fix(&format!("35=8|37=B1|11={id}|17=A1|150=0|39=0|55=EURUSD|54=1|38=10|14=0|151=10|")),
    ];
    let sent = w.rows(&rows.each_ref().map(|raw| Row::In { session: "R", msg_seq_num: 1, raw }));
    assert!(sent.iter().all(|s| s.kind != SendKind::New), "{sent:?}");
    w.fill(&open, "10", "10");
    assert_eq!(w.filled(), d("10"));
}

/// Each account value has its own age: a new balance does not make an old equity fresh.
#[test]
fn a_new_balance_does_not_make_an_old_equity_fresh() {
    let mut w = World::new(r#"{"mode":"equity","k":"1"}"#, r#","account_max_age_ms":1000"#);
    let mut c = config(r#"{"mode":"equity","k":"1"}"#, r#","account_max_age_ms":1000"#);
    c.leaders[0].currency = Some("USD".into());
    c.followers[0].currency = Some("USD".into());
    w.engine = Engine::new(c).unwrap();
    w.row = 0;
    w.link(7);
    for account in ["l", "f"] {
        let text = format!(r#"{{"cmd":"account","account":"{account}","equity":"1000"}}"#);
        w.apply(EventKind::Operator, "", text.as_bytes());
    }
    one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.now += 2_000_000_000;
    for account in ["l", "f"] {
        let text = format!(r#"{{"cmd":"account","account":"{account}","balance":"1000"}}"#);
        w.apply(EventKind::Operator, "", text.as_bytes());
    }
    assert!(w.leader("o2", 1, "10", "10", "10").is_empty());
    assert_eq!(w.engine.status().refusals.get("stale_account"), Some(&1));
}

/// A price that is older than account values may be sizes nothing: it may be last week's.
#[test]
fn an_old_quote_sizes_nothing() {
    let sizing = r#"{"mode":"notional","k":"1"}"#;
    let mut c = config(sizing, r#","account_max_age_ms":1000"#);
    (c.leaders[0].currency, c.followers[0].currency) = (Some("USD".into()), Some("USD".into()));
    let mut w = World::new(sizing, "");
    w.engine = Engine::new(c).unwrap();
    w.row = 0;
    w.link(7);
    w.apply(EventKind::Quote, "", br#"{"instrument":"EURUSD","bid":"1.1","ask":"1.2"}"#);
    one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.now += 2_000_000_000;
    assert!(w.leader("o2", 1, "10", "10", "10").is_empty());
    assert_eq!(w.engine.status().refusals.get("no_quote"), Some(&1));
}

/// A close that the broker rejects is alerted; a rejected open is a refusal and no alarm.
#[test]
fn a_rejected_close_is_an_alert() {
    let mut w = World::new(SAME, "");
    let dropped = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&dropped);
    w.reject(&dropped);
    assert!(w.alerts.is_empty(), "{:?}", w.alerts);
    let open = one(&w.leader("o2", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o3", 2, "20", "20", "20"), false, "10");
    w.out(&close);
    w.reject(&close);
    assert_eq!(w.alerts.last().map(|a| a.code), Some("close_rejected"));
}

/// A broker that corrects a fill upwards takes nothing away: an increase that waits stays wanted.
#[test]
fn a_fill_corrected_upwards_lowers_no_target() {
    let mut w = World::new(SAME, "");
    let first = one(&w.leader("o1", 1, "2", "2", "2"), true, "2");
    w.out(&first);
    let id = &first.id;
    w.broker(&format!("35=8|37=B1|11={id}|17=X9|150=F|39=1|55=EURUSD|54=1|38=2|32=1|31=1|14=1|151=1|"));
    let second = one(&w.leader("o2", 1, "10", "10", "10"), true, "10");
    w.out(&second);
    w.now = w.engine.next_due_ns().unwrap();
    assert_eq!(kinds(&w.apply(EventKind::Timer, "", b"")), vec![SendKind::Status]);
    assert!(w.leader("o3", 1, "5", "5", "5").is_empty(), "waits until the second is known");
    let more = "17=C1|19=X9|150=G|39=1|55=EURUSD|54=1|38=2|32=2|31=1|14=2|151=0|";
    w.broker(&format!("35=8|37=B1|11={id}|{more}"));
    assert_eq!((w.filled(), w.engine.status().subscriptions[0].target), (d("2"), d("17")));
}

/// A close that its broker corrects upwards took more than the leader's reduce: it is not opened again.
#[test]
fn a_close_corrected_upwards_is_not_opened_again() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o2", 2, "5", "5", "5"), false, "5");
    w.out(&close);
    let id = &close.id;
    w.broker(&format!("35=8|37=B1|11={id}|17=X9|150=F|39=2|55=EURUSD|54=2|38=5|32=5|31=1|14=5|151=0|"));
    let more = "17=C1|19=X9|150=G|39=2|55=EURUSD|54=2|38=5|32=6|31=1|14=6|151=0|";
    assert!(w.broker(&format!("35=8|37=B1|11={id}|{more}")).is_empty());
    assert_eq!((w.filled(), w.engine.status().subscriptions[0].target), (d("4"), d("4")));
}

/// What the broker answered before the order could have settled proves nothing, however late the answer comes.
#[test]
fn a_slow_answer_to_an_early_question_proves_nothing() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.now = w.engine.next_due_ns().unwrap();
    assert_eq!(kinds(&w.apply(EventKind::Timer, "", b"")), vec![SendKind::Status]);
    w.now += 4_000_000_000;
    let id = &open.id;
    let unknown = "37=NONE|17=0|150=I|39=8|103=5|55=EURUSD|54=1|38=0|14=0|151=0";
    assert!(w.broker(&format!("35=8|11={id}|{unknown}|790=1|")).is_empty());
    w.now = w.engine.next_due_ns().unwrap();
    assert_eq!(kinds(&w.apply(EventKind::Timer, "", b"")), vec![SendKind::Status]);
    assert!(w.broker(&format!("35=8|11={id}|{unknown}|790=2|")).is_empty());
    w.now = w.engine.next_due_ns().unwrap();
    assert_eq!(kinds(&w.apply(EventKind::Timer, "", b"")), vec![SendKind::Status]);
    let again = w.broker(&format!("35=8|11={id}|{unknown}|790=3|"));
    assert_eq!((again[0].kind, again[0].try_no), (SendKind::New, 2));
}

/// A frame of rows works a line once for each row: together they make no more parts than one event may. A hundred orders
/// that went out made a hundred more each, and a leader's slip of the finger a million in three frames.
#[test]
fn an_event_of_many_rows_makes_no_more_parts_than_any_other() {
    let mut w = with(|c| c.instruments[0].max_lot = Some(lots("1")));
    let mut sent = w.leader("A", 1, "450", "450", "450");
    let mut made = vec![sent.len()];
    while !sent.is_empty() {
        let mut keys = fastcore::link::KeysBuf::default();
        sent.iter().for_each(|s| keys.push(&s.id, s.try_no).unwrap());
        let journal_no = w.seq;
        sent = w.rows(&[Row::Out { journal_no, keys: keys.as_keys() }]);
        made.push(sent.len());
    }
    assert_eq!(made, [100, 100, 100, 100, 50, 0]);
}
