//! An amount for each order of the leader, where a part of the order was filled before anybody here copied it: what fills
//! afterwards opens its share, and a position that an amount was opened for opens no second one.

use crate::support::{self, SAME, World, d, one};
use crate::{fill_all, start_with, tell};
use fastcore::config::Copied;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use serde_json::{Value, json};

const TEN: &str = r#"{"mode":"fixed","lots":"10"}"#;

/// The leader's order reports a fill, and what it makes is filled: the target of the only subscription.
fn copied(w: &mut World, order: &str, side: u8, qty: &str, last: &str, cum: &str) -> Dec {
    let sent = w.leader(order, side, qty, last, cum);
    fill_all(w, &sent);
    w.target()
}

/// The same, where nothing is a fill: an answer to a question.
fn status(w: &mut World, order: &str, side: u8, qty: &str, cum: &str) {
    let text = format!(
        "35=8|34=90|37={order}|17=I{order}|150=I|39=1|55=EURUSD|54={side}|38={qty}|14={cum}|151=0|60=20231114-22:13:20|"
    );
    let sent = w.apply(EventKind::Leader, "L", &support::fix(&text));
    assert!(sent.is_empty(), "what it had filled is not copied");
}

/// Its first report that is heard is a fill, or says only what was filled: 6 of 10 follow, and 6 of 10 lots are opened.
#[test]
fn an_order_that_began_before_we_listened_opens_what_is_left_of_its_amount() {
    for says_first in [false, true] {
        let mut w = World::new(TEN, "");
        if says_first {
            status(&mut w, "A", 1, "10", "4");
        }
        assert_eq!(copied(&mut w, "A", 1, "10", "2", "6"), d("2"));
        // A core that starts anew in between knows it still.
        w.engine = Engine::restore(support::config(TEN, ""), &w.engine.snapshot()).unwrap();
        assert_eq!(copied(&mut w, "A", 1, "10", "4", "10"), d("6"));
        assert_eq!(copied(&mut w, "B", 1, "5", "5", "5"), d("16"), "another order, another amount");
    }
}

/// An order without a quantity: its amount is shared out by what it has filled when it is heard.
#[test]
fn an_order_without_a_quantity_is_as_large_as_it_is_heard() {
    let mut w = World::new(TEN, "");
    let text = "35=8|34=91|37=A|17=X1|150=F|39=1|55=EURUSD|54=1|32=2|31=1.1|14=8|60=20231114-22:13:20|";
    let sent = w.apply(EventKind::Leader, "L", &support::fix(text));
    fill_all(&mut w, &sent);
    assert_eq!(w.target(), d("2.5"), "2 of the 8");
}

/// What was filled before and closed the other side has opened nothing: what opens has the whole amount, as ever.
#[test]
fn a_part_that_closed_the_other_side_has_used_up_nothing() {
    let mut w = World::new(TEN, "");
    assert_eq!(copied(&mut w, "S", 2, "20", "20", "20"), d("-10"));
    assert_eq!(copied(&mut w, "A", 1, "38", "2", "10"), d("-9"), "18 are left of his 20");
    assert_eq!(copied(&mut w, "A", 1, "38", "28", "38"), d("10"));
}

/// After a resync the amount is opened for all that he holds: what is left of an order that nobody had heard of is a part of
/// that, and opens nothing; one that begins later, and one of the other side, has its own.
#[test]
fn a_position_that_was_joined_opens_no_second_amount_by_an_order_that_is_heard_later() {
    let mut w = World::new(TEN, "");
    assert_eq!(copied(&mut w, "A", 1, "6", "6", "6"), d("10"));
    tell(&mut w, r#"{"cmd":"resync","who":"ann","subscription":"s"}"#);
    w.engine = Engine::restore(support::config(TEN, ""), &w.engine.snapshot()).unwrap();
    assert_eq!(copied(&mut w, "B", 1, "10", "3", "8"), d("10"), "5 of them are in the position");
    assert_eq!(copied(&mut w, "B", 1, "10", "2", "10"), d("10"));
    assert_eq!(copied(&mut w, "C", 1, "4", "4", "4"), d("20"), "it began afterwards");
    assert_eq!(copied(&mut w, "D", 2, "30", "15", "20"), d("0"), "he is flat");
    // What he held then is gone: an order of before opens the share of what it fills.
    assert_eq!(copied(&mut w, "E", 1, "10", "2", "6"), d("2"));
}

/// `s`, who copies all, and `t`, a follower more with an amount for each order.
fn with_t(joining: &str) -> String {
    let mut c: Value = serde_json::from_str(&support::config_text(SAME, "")).unwrap();
    c["dispatch"] = json!("listed");
    let mut follower = c["followers"][0].clone();
    (follower["name"], follower["account"]) = (json!("g"), json!("G"));
    c["followers"].as_array_mut().unwrap().push(follower);
    let mut sub = c["subscriptions"][0].clone();
    (sub["name"], sub["follower"], sub["joining"]) = (json!("t"), json!("g"), json!(joining));
    sub["sizing"] = serde_json::from_str(TEN).unwrap();
    c["subscriptions"].as_array_mut().unwrap().push(sub);
    c.to_string()
}

fn of_t(w: &World) -> Dec {
    w.engine.status().subscriptions.iter().find(|l| l.subscription == "t").map_or(Dec::ZERO, |l| l.target)
}

/// Who joins flat begins where he joins: 4 of an order's 10 were filled before, and 6 of 10 lots are opened.
#[test]
fn who_joins_flat_opens_what_is_left_of_the_amount() {
    let mut w = World::new(SAME, "");
    copied(&mut w, "A", 1, "10", "4", "4");
    let new = "35=8|34=77|37=B|17=N77|150=0|39=0|55=EURUSD|54=1|38=5|14=0|151=5|60=20231114-22:13:20|";
    w.apply(EventKind::Leader, "L", &support::fix(new));
    assert!(start_with(&mut w, &with_t("flat")).is_empty());
    copied(&mut w, "A", 1, "10", "3", "7");
    assert_eq!(of_t(&w), d("3"));
    assert!(start_with(&mut w, &with_t("flat")).is_empty(), "a start is no join");
    copied(&mut w, "A", 1, "10", "3", "10");
    assert_eq!(of_t(&w), d("6"));
    copied(&mut w, "B", 1, "5", "5", "5");
    assert_eq!(of_t(&w), d("16"), "it had filled nothing");
}

/// Who joins with the target has an amount for all that the leader holds, also for what nobody had heard of.
#[test]
fn who_joins_with_the_target_opens_one_amount() {
    let mut w = World::new(SAME, "");
    copied(&mut w, "A", 1, "6", "6", "6");
    let sent = start_with(&mut w, &with_t("target"));
    one(&sent, true, "10");
    fill_all(&mut w, &sent);
    let sent = w.leader("B", 1, "10", "3", "8");
    one(&sent, true, "3");
    assert_eq!(of_t(&w), d("10"));
}

/// A working order that is heard of half filled is mirrored by what is left of the amount.
#[test]
fn the_mirror_of_a_half_filled_order_has_what_is_left_of_the_amount() {
    let mut w = World::with(TEN, "", |c| c.subscriptions[0].copy = Copied::Orders);
    let text = "35=8|34=92|37=A|17=I1|150=I|39=1|55=EURUSD|54=1|38=10|40=2|44=1.05|59=1|14=4|151=6|60=20231114-22:13:20|";
    let sent = w.apply(EventKind::Leader, "L", &support::fix(text));
    one(&sent, true, "6");
}

/// A fill that it missed while it was leaving is gone for who comes back, as one that a limit refused is.
#[test]
fn what_fills_while_a_subscription_leaves_is_missed() {
    let mut w = World::new(TEN, "");
    assert_eq!(copied(&mut w, "A", 1, "10", "4", "4"), d("4"));
    let sent = tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"close_now"}"#);
    fill_all(&mut w, &sent);
    assert_eq!(copied(&mut w, "A", 1, "10", "3", "7"), d("0"));
    tell(&mut w, r#"{"cmd":"join","who":"ann","subscription":"s","joining":"flat"}"#);
    assert_eq!(copied(&mut w, "A", 1, "10", "3", "10"), d("3"), "{:?}", support::texts(&w, "bad_command"));
}

/// Filled whole, and raised by a replace: what it had filled then is the part that was missed, or joined.
#[test]
fn an_order_that_was_full_and_is_raised_has_what_is_left_of_its_amount() {
    for (joining, after) in [("flat", "5"), ("target", "10")] {
        let mut w = World::new(SAME, "");
        copied(&mut w, "A", 1, "10", "10", "10");
        let sent = start_with(&mut w, &with_t(joining));
        fill_all(&mut w, &sent);
        let raised =
            "35=8|34=97|37=A|17=R1|150=5|39=1|55=EURUSD|54=1|38=20|14=10|151=10|60=20231114-22:13:20|";
        w.apply(EventKind::Leader, "L", &support::fix(raised));
        copied(&mut w, "A", 1, "20", "10", "20");
        assert_eq!(of_t(&w), d(after), "{joining}");
    }
}

/// A venue whose trades count by LastQty(32): what CumQty(14) says beyond the first of them was filled before.
#[test]
fn what_a_first_trade_says_beyond_itself_was_missed() {
    let mut w = World::with(TEN, "", |c| c.profiles[0].fill_qty = fastcore::profile::FillQty::LastQty);
    assert_eq!(copied(&mut w, "A", 1, "10", "3", "7"), d("3"));
    assert_eq!(copied(&mut w, "A", 1, "10", "3", "10"), d("6"));
}

/// A corporate action makes other units of what was missed.
#[test]
fn what_was_missed_is_rescaled_by_a_corporate_action() {
    let mut w = World::new(TEN, "");
    status(&mut w, "A", 1, "10", "4");
    let split =
        "35=8|34=98|37=A|17=D1|150=D|378=0|39=1|55=EURUSD|54=1|38=100|14=40|151=60|60=20231114-22:13:20|";
    w.apply(EventKind::Leader, "L", &support::fix(split));
    tell(&mut w, r#"{"cmd":"bust_resume","who":"ann","leader":"l"}"#);
    assert_eq!(copied(&mut w, "A", 1, "100", "60", "100"), d("6"));
}

/// A person says that he is flat: an order of his that comes then is no part of what an amount was opened for.
#[test]
fn who_is_flat_by_an_adjustment_has_left_what_was_joined() {
    let mut w = World::new(TEN, "");
    copied(&mut w, "A", 1, "6", "6", "6");
    tell(&mut w, r#"{"cmd":"resync","who":"ann","subscription":"s"}"#);
    let flat = r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","position":"0","rescale":true,"reason":"expired"}"#;
    let sent = tell(&mut w, flat);
    fill_all(&mut w, &sent);
    assert_eq!(copied(&mut w, "B", 1, "10", "4", "6"), d("4"));
}

/// What was filled while nobody knew his position was copied by nobody.
#[test]
fn what_fills_before_his_position_is_known_is_missed() {
    let mut w = World::with(TEN, "", |c| c.leaders[0].assume_flat = false);
    status(&mut w, "A", 1, "10", "4");
    let says = |w: &mut World| {
        w.exec += 1;
        let text = format!("35=AP|34={}|721=1|55=EURUSD|702=1|703=TQ|704=4|705=0|", w.exec);
        w.apply(EventKind::Leader, "L", &support::fix(&text));
    };
    says(&mut w);
    says(&mut w);
    assert_eq!(copied(&mut w, "A", 1, "10", "6", "10"), d("6"));
}

/// Of a good-till-cancelled order an amount is made anew each day; one that was used up stays so, and a smaller one gives nothing
/// back.
#[test]
fn an_amount_of_another_day_opens_no_second_one() {
    const DAY: i64 = 86_400_000_000_000;
    let good_till = |w: &mut World, last: &str, cum: &str| {
        w.exec += 1;
        let mut time = Vec::new();
        fastcore::time::write_utc(w.now, &mut time);
        let (e, time) = (w.exec, String::from_utf8(time).unwrap());
        let text = format!(
            "35=8|34={e}|37=A|17=E{e}|150=F|39=1|55=EURUSD|54=1|38=100|32={last}|31=1.1|14={cum}|151=1|59=1|60={time}|"
        );
        let sent = w.apply(EventKind::Leader, "L", &support::fix(&text));
        fill_all(w, &sent);
        w.target()
    };
    let lots = |n: &str| support::config_text(&format!(r#"{{"mode":"fixed","lots":"{n}"}}"#), "");
    let mut w = World::new(TEN, "");
    assert_eq!(good_till(&mut w, "40", "40"), d("4"));
    let sent = tell(&mut w, r#"{"cmd":"resync","who":"ann","subscription":"s"}"#);
    fill_all(&mut w, &sent);
    assert_eq!(w.target(), d("10"));
    w.now += DAY;
    start_with(&mut w, &lots("20"));
    assert_eq!(good_till(&mut w, "30", "70"), d("10"), "the amount of the resync is all of it");

    let mut w = World::new(TEN, "");
    assert_eq!(good_till(&mut w, "80", "80"), d("8"));
    w.now += DAY;
    start_with(&mut w, &lots("4"));
    assert_eq!(good_till(&mut w, "10", "90"), d("8"));
    w.now += DAY;
    start_with(&mut w, &lots("10"));
    assert_eq!(good_till(&mut w, "10", "100"), d("8"), "4 were used up, and more");
}

/// His position was counted in units of his profile: another unit waits until he is flat, also where nobody copies him now.
#[test]
fn the_unit_of_a_leader_stays_while_he_holds() {
    let mut w = World::new(TEN, "");
    copied(&mut w, "A", 1, "5", "5", "5");
    let sent = tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"close_now"}"#);
    fill_all(&mut w, &sent);
    let mut other = support::config(TEN, "");
    other.instruments[0].contract_size = d("100");
    other.profiles[0].quantity_unit = fastcore::profile::QuantityUnit::Lots;
    let why = w.engine.accepts(&other).unwrap_err().0;
    assert!(
        why.contains(r#"leader "l" holds 5 units of EURUSD"#) && why.contains("once he is flat"),
        "{why}"
    );
    copied(&mut w, "A", 2, "5", "5", "5");
}
