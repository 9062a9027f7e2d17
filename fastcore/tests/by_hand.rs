//! What a person trades by hand beside a copy is the person's: undone, it is given back first, and touches no copy.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, OnBreak};
use fastcore::event::EventKind;
use fastcore::link::SendKind;
use proptest::prelude::*;
use support::{SAME, Sent, World, tell, texts};

const S: i64 = 1_000_000_000;

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", |c| {
        c.profiles[0].supports.positions = true;
        c.reconcile.every_ms = 600_000;
        c.dispatch = fastcore::config::Dispatch::Listed;
        change(c);
    })
}

fn by_rule(rule: OnBreak) -> World {
    with(|c| c.followers[0].on_break = rule)
}

/// A second leader `m`, and a subscription `t` of the same account to him; `first`: it stands before `s`.
fn add_leader(c: &mut Config, first: bool) {
    let mut leader = c.leaders[0].clone();
    (leader.name, leader.session) = ("m".to_owned(), "M".to_owned());
    c.leaders.push(leader);
    let mut sub = c.subscriptions[0].clone();
    (sub.name, sub.leader) = ("t".to_owned(), "m".to_owned());
    c.subscriptions.insert(usize::from(!first), sub);
}

/// Subscription `s` of leader `l` and `t` of `m`, one account.
fn two_leaders(rule: OnBreak) -> World {
    with(|c| {
        c.followers[0].on_break = rule;
        add_leader(c, false);
    })
}

/// The leader at a session trades signed units in one order.
fn leads(w: &mut World, session: &str, units: i64) -> Vec<Sent> {
    w.exec += 1;
    let (e, qty, side) = (w.exec, units.abs(), if units > 0 { 1 } else { 2 });
    let mut time = Vec::new();
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    let trade = support::fix(&format!(
        "35=8|34={e}|37=o{e}|17=E{e}|150=F|39=2|55=EURUSD|54={side}|38={qty}|32={qty}|31=1.1|14={qty}|151=0|60={time}|"
    ));
    orders(w.apply(EventKind::Leader, session, &trade))
}

/// The same, and everything of ours is filled at once: signed units that were filled.
fn copied(w: &mut World, session: &str, units: i64) -> i64 {
    let sent = leads(w, session, units);
    fill(w, sent)
}

fn fill(w: &mut World, mut sent: Vec<Sent>) -> i64 {
    let mut all = 0;
    while let Some(s) = sent.pop() {
        all += s.qty.parse::<i64>().unwrap() * if s.buy { 1 } else { -1 };
        sent.extend(orders(w.fill(&s, &s.qty.clone(), &s.qty.clone())));
    }
    all
}

/// Signed units of the only order.
fn fill_of_one(sent: Vec<Sent>) -> i64 {
    assert_eq!(sent.len(), 1);
    sent[0].qty.parse::<i64>().unwrap() * if sent[0].buy { 1 } else { -1 }
}

fn orders(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|s| s.kind == SendKind::New).collect()
}

/// The account's position by its broker, once.
fn holds(w: &mut World, units: i64) -> Vec<Sent> {
    let (long, short) = (units.max(0), (-units).max(0));
    orders(w.broker(&format!("35=AP|1=F|55=EURUSD|702=1|703=TQ|704={long}|705={short}|")))
}

/// The same twice, as far apart as it takes.
fn holds_still(w: &mut World, units: i64) -> Vec<Sent> {
    let mut sent = holds(w, units);
    w.now += 4 * S;
    sent.extend(holds(w, units));
    sent
}

fn remedy(w: &mut World, remedy: &str) -> Vec<Sent> {
    orders(tell(
        w,
        &format!(
            r#"{{"cmd":"reconcile","who":"ann","follower":"f","instrument":"EURUSD","remedy":"{remedy}"}}"#
        ),
    ))
}

fn adjust(w: &mut World, leader: &str, factor: &str) {
    let text = format!(
        r#"{{"cmd":"adjust","who":"ann","leader":"{leader}","instrument":"EURUSD","reason":"split","factor":"{factor}"}}"#
    );
    assert!(orders(tell(w, &text)).is_empty());
}

/// Target and filled of a subscription, as text.
fn line(w: &World, name: &str) -> (String, String) {
    let lines = w.engine.status().subscriptions;
    let found = lines.iter().find(|l| l.subscription == name);
    found.map_or(is("0"), |l| (l.target.to_string(), l.filled.to_string()))
}

fn is(units: &str) -> (String, String) {
    (units.to_owned(), units.to_owned())
}

/// Units that are let be.
fn let_be(w: &World) -> String {
    w.engine.status().breaks.first().map_or("0".to_owned(), |b| b.accepted.to_string())
}

fn last(w: &World) -> String {
    w.alerts.last().map(|a| format!("{}: {}", a.code, a.text)).unwrap_or_default()
}

/// Three are bought by hand and let be, and the same three are sold again: the copy is what it was, and closes whole.
#[test]
fn a_round_trip_by_hand_leaves_the_copy_alone() {
    for (side, command) in [(1, false), (1, true), (-1, false), (-1, true)] {
        let mut w = by_rule(if command { OnBreak::Alert } else { OnBreak::Adopt });
        copied(&mut w, "L", 10 * side);
        assert!(holds_still(&mut w, 13 * side).is_empty());
        if command {
            remedy(&mut w, "ignore");
        }
        assert_eq!(let_be(&w), (3 * side).to_string());
        assert!(holds_still(&mut w, 10 * side).is_empty());
        if command {
            assert!(remedy(&mut w, "adopt").is_empty());
        }
        assert_eq!((line(&w, "s"), let_be(&w)), (is(&(10 * side).to_string()), "0".to_owned()));
        let undone = format!("0 of them are let be, and {} undo what was let be", -3 * side);
        assert!(last(&w).contains(&undone), "{}", last(&w));
        assert_eq!(copied(&mut w, "L", -10 * side), -10 * side, "all of it is closed with the leader");
    }
}

/// Four of ours were sold by hand and let be, and bought back: nothing is sold of an account that agrees with the leader.
#[test]
fn a_short_by_hand_that_is_covered_closes_nothing() {
    for what in ["close", "adopt", "ignore"] {
        let mut w = by_rule(OnBreak::Alert);
        copied(&mut w, "L", 10);
        holds_still(&mut w, 6);
        remedy(&mut w, "ignore");
        holds_still(&mut w, 10);
        assert!(remedy(&mut w, what).is_empty(), "{what}");
        assert_eq!((line(&w, "s"), let_be(&w)), (is("10"), "0".to_owned()), "{what}");
        assert_eq!(copied(&mut w, "L", -10), -10, "{what}");
    }
}

/// Only what is beyond what was let be touches the copy.
#[test]
fn what_is_beyond_what_was_let_be_is_settled_as_ever() {
    let after = |let_be_at: i64, then: i64, what: &str| {
        let mut w = by_rule(OnBreak::Alert);
        copied(&mut w, "L", 10);
        holds_still(&mut w, let_be_at);
        remedy(&mut w, "ignore");
        holds_still(&mut w, then);
        let sent = remedy(&mut w, what);
        let traded = fill(&mut w, sent);
        (traded, line(&w, "s").1, let_be(&w))
    };
    let text = |(traded, filled, let_be): (i64, &str, &str)| (traded, filled.to_owned(), let_be.to_owned());
    assert_eq!(after(13, 8, "adopt"), text((0, "8", "0")), "three were theirs, two ours");
    assert_eq!(after(13, 8, "close"), text((0, "8", "0")));
    assert_eq!(after(13, 8, "ignore"), text((0, "10", "-2")));
    assert_eq!(after(13, 12, "adopt"), text((0, "10", "2")), "two of theirs are left");
    assert_eq!(after(13, 15, "adopt"), text((0, "10", "5")), "two more are theirs");
    assert_eq!(after(13, 15, "close"), text((-2, "10", "3")), "what was let be stays, the new two are sold");
    assert_eq!(after(6, 12, "close"), text((-2, "10", "0")), "four came back, and two are more than ours");
    assert_eq!(after(6, 4, "adopt"), text((0, "8", "-4")), "two more of ours are gone");
}

proptest! {
    /// Whatever a person buys and sells beside a copy, as long as it is never more than the person's own, the copy is the
    /// leader's position, and books and what is let be are the account.
    #[test]
    fn trades_by_hand_of_ones_own_never_touch_the_copy(
        steps in proptest::collection::vec((any::<bool>(), 0_i64..12, 0_u8..3), 1..12),
        reverse in any::<bool>(),
    ) {
        let side = if reverse { -1 } else { 1 };
        let mut w = by_rule(OnBreak::Alert);
        let (mut leads, mut by_hand) = (0, 0);
        for (leader, level, what) in steps {
            if leader {
                let moves = level * side - leads;
                if moves != 0 {
                    prop_assert_eq!(copied(&mut w, "L", moves), moves);
                }
                leads = level * side;
            } else {
                by_hand = level * side;
            }
            prop_assert!(holds_still(&mut w, leads + by_hand).is_empty());
            if w.engine.status().breaks.first().is_some_and(|b| b.confirmed) {
                let sent = remedy(&mut w, if what == 0 { "ignore" } else { "adopt" });
                prop_assert_eq!(sent, []);
            }
            prop_assert_eq!(line(&w, "s"), is(&leads.to_string()));
            prop_assert_eq!(let_be(&w), by_hand.to_string());
        }
    }
}

/// What was let be is rescaled with the account that holds it.
#[test]
fn a_factor_rescales_what_was_let_be() {
    for (factor, account, copy, by_hand) in [("1/2", 7, "5", "2"), ("2", 28, "20", "8")] {
        for rule in [OnBreak::Adopt, OnBreak::Ignore] {
            let mut w = by_rule(rule);
            copied(&mut w, "L", 10);
            holds_still(&mut w, 14);
            adjust(&mut w, "l", factor);
            assert!(holds_still(&mut w, account).is_empty(), "{factor} {rule:?}");
            assert_eq!((line(&w, "s"), let_be(&w)), (is(copy), by_hand.to_owned()), "{factor} {rule:?}");
            assert_eq!(texts(&w, "position_break").len(), 1);
        }
    }
}

/// Each leader of an account is adjusted by a command of its own; what was let be is rescaled once, as its broker says.
#[test]
fn two_adjustments_of_one_account_rescale_what_was_let_be_once() {
    for between in [None, Some(12), Some(24)] {
        let mut w = two_leaders(OnBreak::Alert);
        copied(&mut w, "L", 10);
        copied(&mut w, "M", 10);
        holds_still(&mut w, 24);
        remedy(&mut w, "ignore");
        adjust(&mut w, "l", "1/2");
        if let Some(account) = between {
            holds(&mut w, account);
        }
        adjust(&mut w, "m", "1/2");
        if between.is_none() {
            let held = w.engine.state().holdings[0].positions.get(&0).copied();
            assert_eq!(held, Some(support::d("12")), "what caps closes is divided once as well");
        }
        holds_still(&mut w, 12);
        assert_eq!((let_be(&w), texts(&w, "position_break").len()), ("2".to_owned(), 1), "{between:?}");
        // The word of the broker has settled it: a change is a change again.
        holds_still(&mut w, 11);
        assert_eq!(texts(&w, "position_break").len(), 2, "{between:?}");
        assert!(remedy(&mut w, "adopt").is_empty());
        assert_eq!((line(&w, "s"), line(&w, "t"), let_be(&w)), (is("5"), is("5"), "1".to_owned()));
    }
}

/// Between the commands, and before its broker rescales, an account differs from the books: it is told, and no rule sells or
/// takes over anything. What was let be is divided once, also where another time would give no quantity.
#[test]
fn no_rule_trades_for_an_account_that_is_being_rescaled() {
    let cases = [
        (OnBreak::Close, 0),
        (OnBreak::Alert, 6),
        (OnBreak::Adopt, 6),
        (OnBreak::NoOpens, 6),
        (OnBreak::Ignore, 0),
    ];
    for (rule, by_hand) in cases {
        for rescaled_first in [true, false] {
            let mut w = two_leaders(rule);
            copied(&mut w, "L", 9);
            copied(&mut w, "M", 9);
            let mut account = 18 + by_hand;
            if by_hand != 0 {
                holds_still(&mut w, account);
                remedy(&mut w, "ignore");
                tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
            }
            let told = texts(&w, "position_break").len();
            if rescaled_first {
                account /= 3;
            }
            adjust(&mut w, "l", "1/3");
            assert!(holds_still(&mut w, account).is_empty() && holds(&mut w, account).is_empty());
            assert_eq!(texts(&w, "position_break").len(), told + 1);
            assert!(texts(&w, "position_break")[told].ends_with("before both agree"), "{rule:?}");
            adjust(&mut w, "m", "1/3");
            if !rescaled_first {
                assert!(holds_still(&mut w, account).is_empty() && holds(&mut w, account).is_empty());
                account /= 3;
            }
            assert!(holds_still(&mut w, account).is_empty());
            let what = format!("{rule:?} {by_hand} {rescaled_first}");
            assert_eq!((line(&w, "s"), line(&w, "t")), (is("3"), is("3")), "{what}");
            assert_eq!(let_be(&w), (by_hand / 3).to_string(), "{what}");
            assert!(w.engine.status().stops.is_empty(), "{what}");
        }
    }
}

/// Once the broker's word has agreed, the rule holds as before; a person may settle before that.
#[test]
fn a_rule_holds_again_once_the_account_agrees_or_a_person_has_settled_it() {
    for by_person in [false, true] {
        let mut w = two_leaders(OnBreak::Close);
        copied(&mut w, "L", 10);
        copied(&mut w, "M", 10);
        adjust(&mut w, "l", "1/2");
        adjust(&mut w, "m", "1/2");
        if by_person {
            assert!(holds_still(&mut w, 11).is_empty());
            assert_eq!(fill_of_one(remedy(&mut w, "close")), -1);
        } else {
            assert!(holds_still(&mut w, 10).is_empty());
            assert_eq!(fill_of_one(holds_still(&mut w, 11)), -1);
        }
    }
}

/// A leader who holds nothing of the account is adjusted after its broker has agreed: what was let be is not divided again.
#[test]
fn what_was_let_be_is_not_divided_again_for_a_leader_who_is_flat() {
    let mut w = two_leaders(OnBreak::Alert);
    copied(&mut w, "M", 9);
    copied(&mut w, "M", -9);
    copied(&mut w, "L", 9);
    holds_still(&mut w, 9);
    holds_still(&mut w, 12);
    remedy(&mut w, "ignore");
    adjust(&mut w, "l", "1/3");
    holds_still(&mut w, 4);
    assert_eq!((line(&w, "s"), let_be(&w)), (is("3"), "1".to_owned()));
    adjust(&mut w, "m", "1/3");
    assert!(!last(&w).starts_with("bad_command"), "{}", last(&w));
    holds_still(&mut w, 4);
    assert_eq!((line(&w, "s"), let_be(&w)), (is("3"), "1".to_owned()));
}

/// While leaders of one account are adjusted one by one, what seems to be missing is in the units that are too large: who is
/// adjusted closes his, and nothing of another.
#[test]
fn what_seems_missing_while_an_account_is_rescaled_is_in_other_units() {
    for (name, session, other) in [("l", "L", "M"), ("m", "M", "L")] {
        let after = |factor: &str, account: i64, closes: i64| {
            let mut w = two_leaders(OnBreak::Alert);
            copied(&mut w, "L", 10);
            copied(&mut w, "M", 10);
            holds(&mut w, 20);
            adjust(&mut w, name, factor);
            holds_still(&mut w, account);
            let closed = copied(&mut w, session, closes);
            holds(&mut w, account + closed);
            (closed, copied(&mut w, other, -10))
        };
        assert_eq!(
            after("1/2", 10, -5),
            (-5, -5),
            "{name}: his broker rescaled before the other was adjusted"
        );
        assert_eq!(after("1/2", 20, -5), (-5, -10), "{name}: his broker has not rescaled yet");
        assert_eq!(after("2", 20, -20), (-10, -10), "{name}: his broker has not rescaled yet");
        assert_eq!(after("2", 40, -20), (-20, -10), "{name}: he holds in units of before what it doubled");
    }
}

/// A word of before that agrees, because what was adjusted shows nothing, is no word about the adjustment.
#[test]
fn an_old_word_that_agrees_ends_no_adjustment() {
    for rule in [OnBreak::Close, OnBreak::Adopt] {
        let mut w = two_leaders(rule);
        copied(&mut w, "L", 5);
        copied(&mut w, "L", -5);
        copied(&mut w, "M", 10);
        adjust(&mut w, "l", "2");
        assert!(holds_still(&mut w, 10).is_empty());
        assert!(holds_still(&mut w, 20).is_empty() && holds(&mut w, 20).is_empty(), "{rule:?}");
        adjust(&mut w, "m", "2");
        assert!(holds_still(&mut w, 20).is_empty());
        assert_eq!(line(&w, "t"), is("20"));
        assert_eq!(w.engine.state().rescaling.len(), 0, "and now it is over");
    }
    // The same of what was let be, where nothing is copied.
    let mut w = by_rule(OnBreak::NoOpens);
    copied(&mut w, "L", 5);
    copied(&mut w, "L", -5);
    holds_still(&mut w, 8);
    remedy(&mut w, "ignore");
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    adjust(&mut w, "l", "2");
    for account in [8, 16] {
        holds_still(&mut w, account);
        assert!(w.engine.status().stops.is_empty(), "{account}");
    }
    assert_eq!((let_be(&w), texts(&w, "position_break").len()), ("16".to_owned(), 1));
    // Another account has none of it.
    adjust(&mut w, "l", "2");
    let mut c = support::config(SAME, "");
    c.profiles[0].supports.positions = true;
    c.followers[0].account = Some("another".to_owned());
    w.engine = fastcore::engine::Engine::restore(c, &w.engine.snapshot()).unwrap();
    assert_eq!((w.engine.state().breaks.len(), w.engine.state().rescaling.len()), (0, 0));
}

/// Where no quantity comes out nothing changes, as for what is copied. A break of before is no number of now.
#[test]
fn a_factor_that_makes_no_quantity_of_what_was_let_be_is_refused() {
    let mut w = by_rule(OnBreak::Alert);
    copied(&mut w, "L", 9);
    holds_still(&mut w, 13);
    remedy(&mut w, "ignore");
    adjust(&mut w, "l", "1/3");
    assert!(
        last(&w).starts_with("bad_command: adjust: f EURUSD, let be: 4 x 1/3 is no quantity"),
        "{}",
        last(&w)
    );
    assert_eq!((line(&w, "s"), let_be(&w)), (is("9"), "4".to_owned()));
    holds_still(&mut w, 10);
    adjust(&mut w, "l", "2");
    assert!(remedy(&mut w, "adopt").is_empty());
    assert!(last(&w).contains("no break is known"), "{}", last(&w));
    holds_still(&mut w, 20);
    remedy(&mut w, "adopt");
    assert_eq!((line(&w, "s"), let_be(&w)), (is("18"), "2".to_owned()));
}

/// `s` left and kept ten; `t` copies the other leader in the same account.
fn with_kept(rule: OnBreak, first: bool, side: i64) -> World {
    let mut w = with(|c| {
        c.followers[0].on_break = rule;
        add_leader(c, first);
    });
    copied(&mut w, "M", 5 * side);
    copied(&mut w, "L", 10 * side);
    tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"keep"}"#);
    holds(&mut w, 15 * side);
    w
}

/// What was kept and then sold by hand holds back no close of another subscription, whatever came first.
#[test]
fn what_was_kept_holds_back_no_close_of_others() {
    for side in [1, -1] {
        let mut w = two_leaders(OnBreak::Alert);
        copied(&mut w, "L", 10 * side);
        tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"keep"}"#);
        holds(&mut w, 0);
        copied(&mut w, "M", 5 * side);
        assert_eq!(copied(&mut w, "M", -5 * side), -5 * side, "sold by hand, then bought and sold for `t`");
        assert_eq!(texts(&w, "close_capped"), [""; 0]);
        for (sold, closes) in [(0, 5), (4, 5), (10, 5), (12, 3), (15, 0), (17, 0)] {
            for first in [false, true] {
                let mut w = with_kept(OnBreak::Alert, first, side);
                holds(&mut w, (15 - sold) * side);
                assert_eq!(copied(&mut w, "M", -5 * side), -closes * side, "{sold} of fifteen sold by hand");
                let capped = texts(&w, "close_capped").len();
                assert_eq!(capped, usize::from(closes < 5), "{sold}: the account is never turned");

                let mut w = with_kept(OnBreak::Alert, first, side);
                assert_eq!(copied(&mut w, "M", -5 * side), -5 * side);
                assert!(holds(&mut w, (10 - sold) * side).is_empty(), "{sold} sold behind the close");
                assert_eq!(line(&w, "s"), is(&(10 * side).to_string()));
            }
        }
    }
}

/// What is missing is gone once: of what was kept, and then of the lines as they stand. It holds nobody else's close back.
#[test]
fn what_is_missing_is_gone_once() {
    for first in ["M", "L"] {
        let mut w = with(|c| {
            add_leader(c, false);
            let mut third = c.subscriptions[1].clone();
            (third.name, third.leader) = ("u".to_owned(), "l".to_owned());
            c.subscriptions.push(third);
        });
        copied(&mut w, "L", 10);
        copied(&mut w, "M", 5);
        tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"keep"}"#);
        // Twelve of 25 by hand: the ten that were kept, and two of `u`, which held something before `t` did.
        holds(&mut w, 13);
        let closes = [("M", -5), ("L", -10)];
        for (leader, units) in
            closes.iter().filter(|c| c.0 == first).chain(closes.iter().filter(|c| c.0 != first))
        {
            assert_eq!(copied(&mut w, leader, *units), if *leader == "M" { -5 } else { -8 }, "{first} first");
        }
        assert_eq!((line(&w, "t"), line(&w, "u")), (is("0"), ("0".to_owned(), "2".to_owned())));
    }
}

/// What is kept on the other side is netted with what another subscription closes.
#[test]
fn what_was_kept_on_the_other_side_is_netted() {
    for (bought_back, account) in [(0, -5), (4, -1), (5, 0), (10, 5)] {
        let mut w = two_leaders(OnBreak::Alert);
        copied(&mut w, "L", -10);
        copied(&mut w, "M", 5);
        tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"keep"}"#);
        holds(&mut w, account);
        assert_eq!(copied(&mut w, "M", -5), -5, "{bought_back} bought back by hand");
    }
}

/// What a person sells comes off what was kept first, in whatever order subscriptions stand; only then off what is copied.
#[test]
fn what_was_kept_is_given_up_first() {
    for (first, rule, side) in [
        (false, OnBreak::Adopt, 1),
        (true, OnBreak::Adopt, 1),
        (true, OnBreak::Close, 1),
        (true, OnBreak::Adopt, -1),
    ] {
        let text = |units: i64| is(&(units * side).to_string());
        for (sold, kept, copy) in [(4, 6, 5), (10, 0, 5), (12, 0, 3)] {
            let mut w = with_kept(rule, first, side);
            assert!(holds_still(&mut w, (15 - sold) * side).is_empty());
            assert_eq!((line(&w, "s"), line(&w, "t")), (text(kept), text(copy)), "{sold} {first} {rule:?}");
            assert_eq!(copied(&mut w, "M", -5 * side), -copy * side);
        }
        // Bought besides and let be: that goes before what was kept.
        let mut w = with_kept(OnBreak::Alert, first, side);
        holds_still(&mut w, 18 * side);
        remedy(&mut w, "adopt");
        holds_still(&mut w, 11 * side);
        assert!(remedy(&mut w, "adopt").is_empty());
        assert_eq!((line(&w, "s"), line(&w, "t"), let_be(&w)), (text(6), text(5), "0".to_owned()));
    }
}
