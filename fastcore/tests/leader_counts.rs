//! How much a leader did, where reports contradict each other or are taken back (design 02, step 1).
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::SubscriptionConfig;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::profile::{BustCum, FillQty};
use support::{SAME, Sent, World, config, d, fix, one};

fn tell(w: &mut World, text: &str) -> Vec<Sent> {
    w.now += 1_000_000;
    let mut time = Vec::new();
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    w.apply(EventKind::Leader, "L", &fix(&format!("35=8|37=1|{text}|55=EURUSD|54=1|60={time}|")))
}

fn position(w: &World) -> Dec {
    *w.engine.state().leaders[0].positions.values().next().unwrap()
}

fn target(w: &World) -> Dec {
    w.engine.status().subscriptions[0].target
}

/// A CumQty(14) that falls without a bust contradicts what is known: the order opens no more, and it is shown.
#[test]
fn a_lower_cum_qty_without_a_bust_opens_no_more() {
    let mut w = World::new(SAME, "");
    tell(&mut w, "17=0|150=0|39=0|38=20|14=0");
    one(&tell(&mut w, "17=1|150=F|39=1|38=20|32=10|31=1|14=10"), true, "10");
    tell(&mut w, "17=2|150=5|39=1|38=20|14=5");
    assert_eq!(w.alerts.iter().map(|a| a.code).collect::<Vec<_>>(), ["contradiction"]);
    tell(&mut w, "17=3|150=F|39=2|38=20|32=10|31=1|14=20");
    assert_eq!((position(&w), target(&w)), (d("20"), d("10")));
}

/// A bust may name the correction of an execution instead of the execution itself.
#[test]
fn a_correction_can_be_busted_by_its_own_name() {
    let mut w = World::new(SAME, "");
    tell(&mut w, "17=1|150=F|39=2|38=10|32=10|31=1|14=10");
    tell(&mut w, "17=2|19=1|150=G|39=1|38=10|32=6|31=1|14=6");
    assert_eq!(position(&w), d("6"));
    tell(&mut w, "17=3|19=2|150=H|39=1|38=10|32=6|31=1|14=0");
    assert_eq!((position(&w), target(&w)), (d("0"), d("0")));
}

/// Some venues keep CumQty(14) after a bust: from then on an order's trades count by LastQty(32).
#[test]
fn after_a_bust_trades_count_by_their_own_quantity() {
    let mut w = World::new(SAME, "");
    tell(&mut w, "17=1|150=F|39=1|38=20|32=10|31=1|14=10");
    tell(&mut w, "17=2|19=1|150=H|39=1|38=20|32=10|31=1|14=10");
    tell(&mut w, "17=3|150=F|39=1|38=20|32=5|31=1|14=15");
    assert_eq!(position(&w), d("5"));
}

/// Some venues print the trade's quantity as OrderQty(38) of a bust: an amount is shared by the order's own.
#[test]
fn the_order_qty_of_a_bust_is_not_the_orders() {
    let mut w = World::new(r#"{"mode":"fixed","lots":"10"}"#, "");
    one(&tell(&mut w, "17=1|150=F|39=1|38=20|32=10|31=1|14=10"), true, "5");
    tell(&mut w, "17=2|19=1|150=H|39=1|38=10|32=10|31=1|14=0");
    w.apply(EventKind::Operator, "", br#"{"cmd":"bust_resume","who":"ann","leader":"l"}"#);
    assert_eq!(target(&w), d("0"), "flat is flat");
    tell(&mut w, "17=3|150=F|39=1|38=10|32=10|31=1|14=10");
    assert_eq!(target(&w), d("2.5"), "half of the 5 that are left, for half of the 20");
}

/// A larger position than the one we count is shown and copied by nobody, however often it is said.
#[test]
fn a_larger_position_report_is_only_shown() {
    let mut w = World::new(SAME, "");
    one(&tell(&mut w, "17=1|150=F|39=2|38=10|32=10|31=1|14=10"), true, "10");
    for n in 0..3 {
        let said = format!("35=AP|721={n}|55=EURUSD|702=1|703=TQ|704=12|705=0|");
        assert!(w.apply(EventKind::Leader, "L", &fix(&said)).is_empty());
    }
    assert_eq!((position(&w), target(&w)), (d("10"), d("10")));
    assert!(w.alerts.iter().any(|a| a.code == "leader_drift"), "{:?}", w.alerts);
}

/// After a bust trades count by LastQty(32) alone: a CumQty(14) that no trade explains is shown and asked about, once, and
/// copied by nobody. Where a bust keeps CumQty, what was taken back explains as much.
#[test]
fn a_cum_qty_that_no_trade_explains_after_a_bust_is_shown() {
    // Where a bust keeps CumQty it may say anything about itself.
    for (kept, bust, explained, higher) in
        [(BustCum::Reduced, "0", "0", "4"), (BustCum::Kept, "19", "10", "14")]
    {
        let mut w = World::with(SAME, "", |c| {
            c.profiles[0].bust_cum = kept;
            c.profiles[0].supports.positions = true;
        });
        one(&tell(&mut w, "17=1|150=F|39=1|38=20|32=10|31=1|14=10"), true, "10");
        tell(&mut w, &format!("17=2|19=1|150=H|39=1|38=20|32=10|31=1|14={bust}"));
        w.alerts.clear();
        tell(&mut w, &format!("17=3|150=I|39=1|38=20|14={explained}"));
        assert!(w.alerts.is_empty() && w.questions.is_empty(), "{kept:?}: {:?}", w.alerts);
        tell(&mut w, &format!("17=4|150=I|39=1|38=20|14={higher}"));
        assert_eq!(w.alerts.iter().map(|a| a.code).collect::<Vec<_>>(), ["fill_missing"], "{kept:?}");
        assert_eq!(w.questions.len(), 2, "{:?}", w.questions);
        assert!(w.questions[0].contains("|35=H|") && w.questions[1].contains("|35=AN|"), "{:?}", w.questions);
        tell(&mut w, &format!("17=5|150=I|39=1|38=20|14={higher}"));
        assert_eq!((w.alerts.len(), w.questions.len()), (1, 2), "once");
        assert_eq!(position(&w), d("0"));
        // A trade of its own that comes after one that is missing shows it as well.
        let more = format!("17=6|150=F|39=1|38=20|32=1|31=1|14={}", if higher == "4" { 6 } else { 16 });
        tell(&mut w, &more);
        assert_eq!((w.alerts.len(), position(&w)), (2, d("1")), "{:?}", w.alerts);
    }
}

/// Where only LastQty(32) is to be trusted, CumQty(14) contradicts nothing, after a bust neither.
#[test]
fn a_cum_qty_that_is_not_trusted_contradicts_nothing_after_a_bust() {
    let mut w = World::with(SAME, "", |c| c.profiles[0].fill_qty = FillQty::LastQty);
    tell(&mut w, "17=1|150=F|39=1|38=20|32=10|31=1|14=10");
    tell(&mut w, "17=2|19=1|150=H|39=1|38=20|32=10|31=1|14=0");
    w.alerts.clear();
    tell(&mut w, "17=3|150=I|39=1|38=20|14=15");
    assert!(w.alerts.is_empty(), "{:?}", w.alerts);
}

/// A report from before the bust that comes late is no contradiction of it.
#[test]
fn a_report_from_before_a_bust_is_no_contradiction() {
    let mut w = World::new(SAME, "");
    tell(&mut w, "17=1|150=F|39=1|38=20|32=10|31=1|14=10");
    w.now += 1_000_000_000;
    tell(&mut w, "17=2|19=1|150=H|39=1|38=20|32=10|31=1|14=0");
    w.alerts.clear();
    w.now -= 1_000_000_000;
    tell(&mut w, "17=3|150=I|39=1|38=20|14=10");
    assert!(w.alerts.is_empty(), "{:?}", w.alerts);
}

/// The core goes on with these subscriptions.
fn copied_by(w: &mut World, names: &[&str]) {
    let mut next = config(SAME, "");
    let given = next.subscriptions[0].clone();
    let named = |name: &&str| SubscriptionConfig { name: (*name).into(), ..given.clone() };
    next.subscriptions = names.iter().map(named).collect();
    w.engine = Engine::restore(next, &w.engine.snapshot()).unwrap();
}

/// A subscription that is added after a bust opens nothing either until the operator has looked, also where nobody copied
/// the instrument before.
#[test]
fn a_subscription_added_after_a_bust_waits_for_the_operator_as_well() {
    let seen = "17=2|19=1|150=H|39=1|38=20|32=4|31=1|14=6";
    let never_seen = "17=2|19=9|150=H|39=1|38=20|32=4|31=1|14=10";
    for (bust, copied) in [(seen, true), (never_seen, true), (seen, false), (never_seen, false)] {
        let mut w = World::with(SAME, "", |c| c.subscriptions.truncate(usize::from(copied)));
        tell(&mut w, "17=0|150=F|39=1|38=20|32=6|31=1|14=6");
        tell(&mut w, "17=1|150=F|39=1|38=20|32=4|31=1|14=10");
        tell(&mut w, bust);
        copied_by(&mut w, &["s", "added"]);
        let sent = tell(&mut w, "17=3|150=F|39=1|38=20|32=5|31=1|14=11");
        assert!(sent.is_empty(), "{bust} {copied}: {sent:?}");
        w.apply(EventKind::Operator, "", br#"{"cmd":"bust_resume","who":"ann","leader":"l"}"#);
        copied_by(&mut w, &["s", "added", "later"]);
        let sent = tell(&mut w, "17=4|150=F|39=1|38=20|32=1|31=1|14=12");
        assert_eq!(sent.len(), 3, "{bust} {copied}: {sent:?}");
    }
}
