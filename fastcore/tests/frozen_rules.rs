//! How long an amount stands that was worked out for a leader's order: as long as the order, and for one that outlives its
//! day (GTC, GTD) a day (design 02, step 2; decision 0033).
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use support::{World, config, d, fix, one, tell};

const S: i64 = 1_000_000_000;
/// 14 November 2023, 23:59:30 UTC.
const LATE: i64 = 1_700_006_370 * S;

/// A fill of 5 of the leader's order for 10, with a TimeInForce(59) or without.
fn fill(w: &mut World, cum: &str, tif: &str) -> i64 {
    w.exec += 1;
    let (e, mut time) = (w.exec, Vec::new());
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    let raw = fix(&format!(
        "35=8|34={e}|37=o|17=E{e}|150=F|39=1|55=EURUSD|54=1|38=10|32=5|31=1|14={cum}|151=0|60={time}|{tif}"
    ));
    let sent = w.apply(EventKind::Leader, "L", &raw);
    assert_eq!(sent.len(), 1, "{sent:?}");
    w.out(&sent[0]);
    w.fill(&sent[0], &sent[0].qty, &sent[0].qty);
    sent[0].qty.parse().unwrap()
}

/// Ten percent of 100 is 10 units, of 200 it is 20. Half before midnight, half after it, with more equity.
fn over_midnight(first: &str, second: &str) -> (i64, i64) {
    over_midnight_with(first, second, |_| {})
}

/// The same, with what is said between both.
fn over_midnight_with(first: &str, second: &str, between: impl FnOnce(&mut World)) -> (i64, i64) {
    let sizing = r#"{"mode":"percent_equity","percent":"10"}"#;
    let mut w = World::with(sizing, "", |c| c.followers[0].currency = Some("USD".to_owned()));
    w.now = LATE;
    w.apply(EventKind::Quote, "", br#"{"instrument":"EURUSD","bid":"1","ask":"1"}"#);
    tell(&mut w, r#"{"cmd":"account","account":"f","equity":"100"}"#);
    let before = fill(&mut w, "5", first);
    between(&mut w);
    w.now = LATE + 40 * S;
    tell(&mut w, r#"{"cmd":"account","account":"f","equity":"200"}"#);
    let after = fill(&mut w, "10", second);
    assert_eq!(w.target(), d(&(before + after).to_string()));
    (before, after)
}

/// A day order opens exactly its amount, however its fills lie about the end of a UTC day: 59 is 0, another that ends with
/// its session, or left out.
#[test]
fn a_day_order_keeps_its_amount_over_midnight() {
    for tif in ["59=0|", "59=3|", ""] {
        assert_eq!(over_midnight(tif, tif), (5, 5), "{tif:?}");
    }
}

/// One that outlives its day is worked out again on the next; a later report that leaves 59 out changes nothing of it.
#[test]
fn an_order_good_till_cancelled_is_worked_out_again_each_day() {
    for tif in ["59=1|", "59=6|"] {
        assert_eq!(over_midnight(tif, tif), (5, 15), "{tif:?}");
        assert_eq!(over_midnight(tif, ""), (5, 15), "{tif:?}");
    }
}

/// A day order that is replaced by one good till cancelled is one from then on: its first fill, sent again, says what was.
#[test]
fn a_report_that_is_sent_again_says_nothing_of_the_day() {
    let replaced = |w: &mut World| {
        let first = w.log.iter().rev().find(|(_, kind, ..)| *kind == EventKind::Leader).unwrap().3.clone();
        let raw = fix("35=8|34=90|37=o|17=R|150=5|39=5|55=EURUSD|54=1|38=10|14=5|151=5|59=1|");
        assert!(w.apply(EventKind::Leader, "L", &raw).is_empty());
        assert!(w.apply(EventKind::Leader, "L", &first).is_empty());
    };
    assert_eq!(over_midnight_with("59=0|", "", replaced), (5, 15));
}

/// Another `k` in the file: a ratio by account values is the order's that it was worked out for, and only his next order has the
/// new one; a ratio that the file says itself binds the rest of the order, too.
#[test]
fn a_new_ratio_by_values_binds_the_next_order() {
    for (mode, rest, next) in [("equity", 5, "20"), ("multiplier", 10, "20")] {
        let sizing = |k| format!(r#"{{"mode":"{mode}","k":"{k}"}}"#);
        let in_usd = |c: &mut Config| {
            c.leaders[0].currency = Some("USD".to_owned());
            c.followers[0].currency = Some("USD".to_owned());
        };
        let mut w = World::with(&sizing(1), "", in_usd);
        for account in ["l", "f"] {
            tell(&mut w, &format!(r#"{{"cmd":"account","account":"{account}","equity":"1000"}}"#));
        }
        assert_eq!(fill(&mut w, "5", ""), 5);
        let mut other = config(&sizing(2), "");
        in_usd(&mut other);
        w.engine = Engine::restore(other, &w.engine.snapshot()).unwrap();
        assert_eq!(fill(&mut w, "10", ""), rest, "{mode}: of the order that is half filled");
        one(&w.leader("p", 1, "10", "10", "10"), true, next);
    }
}
