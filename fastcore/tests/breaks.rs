//! Position breaks: a follower's broker reports another position than our own orders filled.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, OnBreak};
use fastcore::event::EventKind;
use fastcore::link::{Row, SendKind};
use support::{SAME, Sent, World, d, one};

const S: i64 = 1_000_000_000;

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", |c| {
        c.profiles[0].supports.positions = true;
        c.reconcile.every_ms = 60_000;
        change(c);
    })
}

/// A PositionReport(AP) of the follower's broker.
fn holds(w: &mut World, long: &str, short: &str) -> Vec<Sent> {
    w.broker(&format!("35=AP|1=F|55=EURUSD|702=1|703=TQ|704={long}|705={short}|"))
}

/// The same position, reported twice as far apart as it takes.
fn holds_still(w: &mut World, long: &str, short: &str) -> Vec<Sent> {
    let mut sent = holds(w, long, short);
    w.now += 4 * S;
    sent.extend(holds(w, long, short));
    sent
}

/// The leader trades, and everything of ours is filled at once.
fn copied(w: &mut World, order: &str, side: u8, qty: &str) -> Vec<Sent> {
    let sent = orders(w.leader(order, side, qty, qty, qty));
    for s in &sent {
        w.fill(s, &s.qty.clone(), &s.qty.clone());
    }
    sent
}

fn orders(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|s| s.kind == SendKind::New).collect()
}

fn questions(sent: &[Sent]) -> usize {
    sent.iter().filter(|s| s.kind == SendKind::Other).count()
}

fn alerts(w: &World, code: &str) -> usize {
    w.alerts.iter().filter(|a| a.code == code).count()
}

fn last(w: &World) -> String {
    w.alerts.last().map(|a| format!("{}: {}", a.code, a.text)).unwrap_or_default()
}

fn remedy(w: &mut World, remedy: &str) -> Vec<Sent> {
    let text = format!(
        r#"{{"cmd":"reconcile","who":"ann","follower":"f","instrument":"EURUSD","remedy":"{remedy}"}}"#
    );
    w.apply(EventKind::Operator, "", text.as_bytes())
}

/// Units of the break, and what was let be.
fn shown(w: &World) -> Option<(String, String, bool)> {
    let found = w.engine.status().breaks;
    found.first().map(|b| (b.units.to_string(), b.accepted.to_string(), b.confirmed))
}

/// Six of ten were closed by hand. One report may be old; the second one is a break, and a person is told once.
#[test]
fn a_difference_is_a_break_when_it_is_reported_twice() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "4", "0");
    assert_eq!((alerts(&w, "position_break"), shown(&w).unwrap().2), (0, false));
    w.now += S;
    holds(&mut w, "4", "0");
    assert_eq!(alerts(&w, "position_break"), 0, "too soon after the first");
    for _ in 0..3 {
        w.now += 4 * S;
        assert!(orders(holds(&mut w, "4", "0")).is_empty(), "nothing is traded for it");
    }
    assert_eq!(alerts(&w, "position_break"), 1);
    assert!(
        last(&w).contains("f EURUSD: its broker holds 4 units and our books 10: -6 units"),
        "{}",
        last(&w)
    );
    assert_eq!(shown(&w).unwrap(), ("-6".to_owned(), "0".to_owned(), true));
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")), "the books stay what they are");
    holds(&mut w, "10", "0");
    assert_eq!((alerts(&w, "position_break_ends"), shown(&w)), (1, None));
}

/// A report that a fill overtook says what was, and the same number again behind a fill is another difference.
#[test]
fn a_fill_between_two_reports_makes_them_say_nothing() {
    let mut w = with(|_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "4", "4");
    holds(&mut w, "0", "0");
    w.fill(&open, "6", "10");
    w.now += 4 * S;
    holds(&mut w, "6", "0");
    assert_eq!((alerts(&w, "position_break"), shown(&w).unwrap().0), (0, "-4".to_owned()));
    w.now += 4 * S;
    holds(&mut w, "10", "0");
    assert_eq!(shown(&w), None);
}

/// What became of an order is asked first: a broker that holds more than we know of may have filled it.
#[test]
fn an_order_in_doubt_is_no_break() {
    let mut w = with(|_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.run_to(w.now + 6 * S);
    holds_still(&mut w, "10", "0");
    assert_eq!((alerts(&w, "position_break"), shown(&w)), (0, None));
}

/// The same difference stays one break while we trade on: it is told once, and a report that a fill overtook changes nothing.
#[test]
fn a_break_is_told_once_while_we_trade_on() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "15", "0");
    for n in 1..4 {
        copied(&mut w, &format!("p{n}"), 1, "1");
        w.now += 70 * S;
        holds(&mut w, &(14 + n).to_string(), "0"); // from before the fill
        assert!(orders(remedy(&mut w, "close")).is_empty());
        assert!(last(&w).contains("said another number since"), "{}", last(&w));
        holds_still(&mut w, &(15 + n).to_string(), "0");
        assert_eq!(shown(&w).unwrap(), ("5".to_owned(), "0".to_owned(), true));
    }
    assert_eq!((alerts(&w, "position_break"), alerts(&w, "position_break_ends")), (1, 0));
    one(&orders(remedy(&mut w, "close")), false, "5");
}

/// Who acts on an old word may sell what the account does not hold any more: a broker that answers is asked first.
#[test]
fn a_remedy_needs_a_fresh_word_of_the_broker() {
    let mut w = with(|c| c.reconcile.every_ms = 3_600_000);
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "15", "0");
    w.now += 62 * S;
    for what in ["close", "adopt"] {
        assert!(orders(remedy(&mut w, what)).is_empty());
        assert!(last(&w).contains("last word is 62 s old"), "{}", last(&w));
    }
    assert_eq!(questions(&remedy(&mut w, "ask")), 1);
    holds(&mut w, "15", "0");
    one(&orders(remedy(&mut w, "close")), false, "5");

    let mut w = with(|c| c.profiles[0].supports.positions = false);
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "4", "0");
    w.now += 600 * S;
    remedy(&mut w, "adopt");
    assert_eq!(w.filled(), d("4"), "one that cannot be asked has said what it says");
}

/// `adopt` of what is missing: it is gone, its target too, and nothing opens it again. The leader's close takes the rest.
#[test]
fn adopting_a_close_by_hand_never_opens_it_again() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "4", "0");
    assert!(orders(remedy(&mut w, "adopt")).is_empty());
    assert_eq!((w.filled(), w.target(), shown(&w)), (d("4"), d("4"), None));
    assert!(last(&w).contains("adopt of -6 units by ann; 0 of them are let be"), "{}", last(&w));
    let more = copied(&mut w, "o2", 1, "1");
    assert_eq!(one(&more, true, "1").qty, "1", "only what the leader opens is opened");
    one(&copied(&mut w, "o3", 2, "11"), false, "5");
    assert_eq!((w.filled(), w.target()), (d("0"), d("0")));
}

/// `adopt` of what is more than the target: it is a person's, is not closed with ours, and is told no more.
#[test]
fn what_a_person_bought_is_never_ours() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "15", "0");
    assert!(orders(remedy(&mut w, "adopt")).is_empty());
    assert_eq!((w.filled(), shown(&w).unwrap()), (d("10"), ("0".to_owned(), "5".to_owned(), false)));
    one(&copied(&mut w, "o2", 2, "10"), false, "10");
    holds_still(&mut w, "5", "0");
    assert_eq!(alerts(&w, "position_break"), 1);
    // It is sold by hand: that is another difference, and told.
    holds_still(&mut w, "0", "0");
    assert_eq!(alerts(&w, "position_break"), 2);
    remedy(&mut w, "ignore");
    assert_eq!(shown(&w), None, "nothing is let be any more");
}

/// `adopt` of what an open of ours bought without our knowing: it is ours as far as the target goes.
#[test]
fn what_is_missing_to_the_target_is_adopted_as_ours() {
    let mut w = with(|_| {});
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "6", "6");
    w.now += 4 * S;
    holds_still(&mut w, "13", "0");
    assert!(remedy(&mut w, "adopt").is_empty());
    assert!(last(&w).contains("orders of ours are on their way there"), "{}", last(&w));
    w.fill(&open, "4", "10");
    holds_still(&mut w, "13", "0");
    remedy(&mut w, "adopt");
    assert_eq!((w.filled(), shown(&w).unwrap().1), (d("10"), "3".to_owned()));
}

/// `close` sells what is more than ours as a close of ours: it is tried until it is done, and the books agree.
#[test]
fn closing_a_break_sells_what_is_more() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "15", "0");
    let close = one(&orders(remedy(&mut w, "close")), false, "5");
    w.fill(&close, "5", "5");
    assert_eq!((w.filled(), w.target(), shown(&w)), (d("10"), d("10"), None));
    holds_still(&mut w, "10", "0");
    assert_eq!(alerts(&w, "position_break"), 1);
}

/// `close` of an account that was turned: what we had is gone, and what it holds the other way is bought back.
#[test]
fn closing_a_turned_account_leaves_it_flat() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "0", "5");
    let close = one(&orders(remedy(&mut w, "close")), true, "5");
    w.fill(&close, "5", "5");
    assert_eq!((w.filled(), w.target()), (d("0"), d("0")));
    assert!(copied(&mut w, "o2", 2, "10").is_empty(), "the leader's close finds nothing to close");
}

/// A position that is let be is told again only when it changes.
#[test]
fn what_is_ignored_is_told_again_when_it_changes() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "15", "0");
    remedy(&mut w, "ignore");
    holds_still(&mut w, "15", "0");
    assert_eq!(alerts(&w, "position_break"), 1);
    holds_still(&mut w, "17", "0");
    assert_eq!(
        (alerts(&w, "position_break"), shown(&w).unwrap()),
        (2, ("2".to_owned(), "5".to_owned(), true))
    );
}

/// The rule of the configuration does what a person would, at the same moment as it tells.
#[test]
fn the_rule_of_the_configuration_is_applied_by_itself() {
    let by = |rule: OnBreak, long: &str| {
        let mut w = with(|c| c.followers[0].on_break = rule);
        copied(&mut w, "o1", 1, "10");
        let sent = orders(holds_still(&mut w, long, "0"));
        assert_eq!(alerts(&w, "position_break"), 1, "{rule:?}");
        (sent.iter().map(|s| (s.buy, s.qty.clone())).collect::<Vec<_>>(), w.target().to_string(), w)
    };
    let (sent, target, _) = by(OnBreak::Alert, "4");
    assert!(sent.is_empty() && target == "10");
    let (sent, target, _) = by(OnBreak::Adopt, "4");
    assert!(sent.is_empty() && target == "4");
    let (sent, target, _) = by(OnBreak::Close, "15");
    assert_eq!((sent, target.as_str()), (vec![(false, "5".to_owned())], "10"));
    let (sent, _, w) = by(OnBreak::Ignore, "15");
    assert_eq!((sent.len(), shown(&w).unwrap().1), (0, "5".to_owned()));
}

/// `no_opens`: nothing more is opened until a person has looked, and closes go on.
#[test]
fn a_break_may_stop_opens_and_never_a_close() {
    let mut w = with(|c| c.followers[0].on_break = OnBreak::NoOpens);
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "12", "0");
    assert!(copied(&mut w, "o2", 1, "1").is_empty());
    assert_eq!(w.engine.status().stops[0].who, "fault: position break");
    one(&copied(&mut w, "o3", 2, "5"), false, "5");
}

/// A rule waits until nothing of ours works: what is on its way may be a part of the difference.
#[test]
fn a_rule_waits_for_orders_that_work() {
    let mut w = with(|c| c.followers[0].on_break = OnBreak::Adopt);
    copied(&mut w, "o1", 1, "10");
    let more = one(&w.leader("o2", 1, "5", "5", "5"), true, "5");
    w.acknowledge(&more);
    holds_still(&mut w, "4", "0");
    assert_eq!((alerts(&w, "position_break"), w.target()), (1, d("15")));
    w.fill(&more, "5", "5");
    holds_still(&mut w, "9", "0");
    assert_eq!((w.filled(), w.target()), (d("9"), d("9")));
}

/// Positions are asked for when the session logs on and all the time, also of an account that is flat by our books.
#[test]
fn brokers_are_asked_at_the_logon_and_all_the_time() {
    let mut w = with(|_| {});
    w.now += S;
    let greeted = w.link(8);
    assert_eq!(questions(&greeted) + questions(&w.run_to(w.now + S)), 1, "behind the greeting");
    assert_eq!(questions(&w.run_to(w.now + 58 * S)), 0);
    assert_eq!(questions(&w.run_to(w.now + 122 * S)), 3);
    w.rows(&[Row::Logout { session: "R" }]);
    assert_eq!(questions(&w.run_to(w.now + 120 * S)), 0, "nobody to ask");
    let back = w.rows(&[Row::Logon { session: "R" }]);
    assert_eq!(questions(&back) + questions(&w.run_to(w.now + S)), 1);
    let mut silent = with(|c| c.reconcile.every_ms = 0);
    assert_eq!(questions(&silent.run_to(silent.now + 600 * S)), 0);
}

/// Bad commands change nothing and say why.
#[test]
fn a_remedy_needs_a_break_and_a_name() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    for (text, why) in [
        (
            r#"{"cmd":"reconcile","who":"ann","follower":"f","instrument":"EURUSD","remedy":"adopt"}"#,
            "no break",
        ),
        (
            r#"{"cmd":"reconcile","who":"","follower":"f","instrument":"EURUSD","remedy":"adopt"}"#,
            "named operator",
        ),
        (
            r#"{"cmd":"reconcile","who":"ann","follower":"x","instrument":"EURUSD","remedy":"adopt"}"#,
            "no follower",
        ),
        (
            r#"{"cmd":"reconcile","who":"ann","follower":"f","instrument":"X","remedy":"adopt"}"#,
            "no instrument",
        ),
        (
            r#"{"cmd":"reconcile","who":"ann","follower":"f","instrument":"EURUSD","remedy":"sell"}"#,
            "operator command",
        ),
    ] {
        assert!(orders(w.apply(EventKind::Operator, "", text.as_bytes())).is_empty());
        assert!(last(&w).starts_with("bad_command") && last(&w).contains(why), "{why}: {}", last(&w));
    }
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")));
    assert_eq!(questions(&remedy(&mut w, "ask")), 1);
}

/// Two subscriptions of one account are one position at the broker; what is missing is taken from them in their order.
#[test]
fn two_subscriptions_of_one_account_are_one_position() {
    let mut w = with(|c| {
        let mut second = support::config(SAME, "").subscriptions.remove(0);
        second.name = "s2".to_owned();
        c.subscriptions.push(second);
        c.dispatch = fastcore::config::Dispatch::Listed;
    });
    copied(&mut w, "o1", 1, "10");
    holds_still(&mut w, "20", "0");
    assert_eq!(alerts(&w, "position_break"), 0);
    holds_still(&mut w, "7", "0");
    remedy(&mut w, "adopt");
    let filled: Vec<String> = w.engine.status().subscriptions.iter().map(|l| l.filled.to_string()).collect();
    assert_eq!(filled, ["0", "7"]);
    one(&copied(&mut w, "o2", 2, "10"), false, "7");
}
