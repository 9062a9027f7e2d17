//! A leader's quantity divided among the members of its block: every lot is somebody's, and nobody is dealt what another one
//! was refused (design 02, mode `block`).
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};
use support::{SAME, Sent, World, config, d, fix};

fn weights(c: &mut Config, of: &[&str], by: &str) {
    let (follower, sub) = (c.followers[0].clone(), c.subscriptions[0].clone());
    c.followers.clear();
    c.subscriptions.clear();
    for (n, weight) in of.iter().enumerate() {
        let name = format!("f{n}");
        let mut f = follower.clone();
        (f.name, f.account, f.currency) = (name.clone(), Some(name.to_uppercase()), Some("USD".to_owned()));
        c.followers.push(f);
        let mut s = sub.clone();
        (s.name, s.follower) = (format!("s{n}"), name);
        s.sizing =
            serde_json::from_str(&format!(r#"{{"mode":"block","weight":"{weight}","by":"{by}"}}"#)).unwrap();
        c.subscriptions.push(s);
    }
    c.leaders[0].currency = Some("USD".to_owned());
}

fn block(of: &[&str]) -> World {
    World::with(SAME, "", |c| weights(c, of, "weight"))
}

fn targets(w: &World) -> Vec<String> {
    let mut all = vec!["-".to_owned(); w.engine.index().cfg.subscriptions.len()];
    for (ls, l) in w.engine.state().lines.iter().zip(w.engine.status().subscriptions) {
        all[ls.sub as usize] = l.target.to_text();
    }
    all
}

fn fill_all(w: &mut World, mut sent: Vec<Sent>) {
    while let Some(s) = sent.pop() {
        sent.extend(w.out(&s));
        sent.extend(w.fill(&s, &s.qty, &s.qty));
    }
}

fn copied(w: &mut World, order: &str, side: u8, qty: &str) {
    let sent = w.leader(order, side, qty, qty, qty);
    fill_all(w, sent);
}

fn tell(w: &mut World, command: &str) {
    w.apply(EventKind::Operator, "", command.as_bytes());
}

fn equity(w: &mut World, of: &str, amount: &str) {
    tell(w, &format!(r#"{{"cmd":"account","who":"ann","account":"{of}","equity":"{amount}"}}"#));
}

fn refused(w: &World, code: &str) -> u64 {
    w.engine.status().refusals.get(code).copied().unwrap_or(0)
}

/// 5, 3 and 2 of 10; 8 left of them are 4, 2 and 2; a flat leader is three flat followers, and a flip deals anew.
#[test]
fn every_lot_of_the_leader_is_one_members() {
    let mut w = block(&["50", "30", "20"]);
    copied(&mut w, "o1", 1, "10");
    assert_eq!(targets(&w), ["5", "3", "2"]);
    copied(&mut w, "o2", 2, "2");
    assert_eq!(targets(&w), ["4", "2", "2"]);
    copied(&mut w, "o3", 2, "18");
    assert_eq!(targets(&w), ["-5", "-3", "-2"]);
    copied(&mut w, "o4", 1, "10");
    assert_eq!(targets(&w), ["0", "0", "0"]);
    assert!(w.engine.status().subscriptions.iter().all(|l| l.filled.is_zero()));
}

/// The orders are those of the targets: one order each, and none for who was dealt nothing.
#[test]
fn who_is_dealt_nothing_is_sent_nothing() {
    let mut w = block(&["3", "1"]);
    let sent = w.leader("o1", 1, "1", "1", "1");
    assert_eq!(sent.iter().map(|s| s.qty.as_str()).collect::<Vec<_>>(), ["1"]);
    assert_eq!(targets(&w), ["1", "0"]);
}

/// A member that may not take its lots leaves them: neither this deal nor the next gives them to another one.
#[test]
fn refused_lots_are_not_dealt_again() {
    let mut w = World::with(SAME, "", |c| {
        weights(c, &["1", "1"], "weight");
        c.followers[1].restricted = vec!["EURUSD".to_owned()];
    });
    copied(&mut w, "o1", 1, "10");
    assert_eq!(targets(&w), ["5", "0"]);
    copied(&mut w, "o2", 1, "10");
    assert_eq!(targets(&w), ["10", "0"]);
    // Half of the block closes: half of what each was dealt.
    copied(&mut w, "o3", 2, "10");
    assert_eq!(targets(&w), ["5", "0"]);
}

/// A part that was cut off stays off: of 4 held for 5 dealt, 3 dealt are 2.4.
#[test]
fn what_was_cut_off_stays_off() {
    let mut w = World::with(SAME, "", |c| {
        weights(c, &["1", "1"], "weight");
        c.subscriptions[1].limits.default.max_position_lots = Some(support::lots("4"));
    });
    copied(&mut w, "o1", 1, "10");
    assert_eq!(targets(&w), ["5", "4"]);
    copied(&mut w, "o2", 2, "4");
    assert_eq!(targets(&w), ["3", "2.4"]);
}

/// By equity; who has none takes no part and says so, and the others have the whole block.
#[test]
fn shares_by_equity_are_those_of_the_leaders_order() {
    let mut w = World::with(SAME, "", |c| weights(c, &["1", "1", "2"], "equity"));
    equity(&mut w, "f0", "300");
    equity(&mut w, "f1", "700");
    let first = w.leader("o1", 1, "20", "10", "10");
    fill_all(&mut w, first);
    assert_eq!(targets(&w), ["3", "7", "0"]);
    assert_eq!(refused(&w, "stale_account"), 1);
    // What an account is worth after the order began changes nothing of it; the one without a value has one now.
    equity(&mut w, "f0", "900");
    equity(&mut w, "f2", "500");
    let second = w.leader("o1", 1, "20", "10", "20");
    fill_all(&mut w, second);
    assert_eq!(targets(&w), ["3", "7", "10"], "20 lots by 300, 700 and 2 x 500");
}

/// Nobody can take part: it is refused, and not made up for later.
#[test]
fn what_nobody_could_take_is_not_dealt_later() {
    let mut w = World::with(SAME, "", |c| weights(c, &["1", "1"], "equity"));
    copied(&mut w, "o1", 1, "10");
    assert_eq!(refused(&w, "stale_account"), 2);
    equity(&mut w, "f0", "1");
    equity(&mut w, "f1", "1");
    copied(&mut w, "o2", 1, "4");
    assert_eq!(targets(&w), ["2", "2"]);
    // Of 14, 7 close: half.
    copied(&mut w, "o3", 2, "7");
    assert_eq!(targets(&w), ["1", "1"]);
}

/// A fill that is too old is refused by each, and dealt to nobody else.
#[test]
fn a_stale_fill_is_refused_by_all() {
    let mut w = block(&["1", "1"]);
    w.now += 120_000_000_000;
    let raw =
        fix("35=8|34=1|37=o|17=E|150=F|39=2|55=EURUSD|54=1|38=4|32=4|31=1.1|14=4|60=20231114-22:13:20|");
    assert!(w.apply(EventKind::Leader, "L", &raw).is_empty());
    assert_eq!((targets(&w), refused(&w, "stale")), (vec!["0".to_owned(); 2], 2));
    copied(&mut w, "o2", 1, "4");
    assert_eq!(targets(&w), ["2", "2"]);
}

/// A PositionReport that shows less takes back as a trade would; a restart in between changes nothing.
#[test]
fn a_position_report_and_a_restart_keep_the_block() {
    let mut w = block(&["50", "30", "20"]);
    copied(&mut w, "o1", 1, "10");
    let bytes = w.engine.snapshot();
    let mut c = config(SAME, "");
    weights(&mut c, &["50", "30", "20"], "weight");
    w.engine = Engine::restore(c, &bytes).unwrap();
    w.link(8);
    for n in 0..2 {
        let raw = fix(&format!("35=AP|34=9{n}|721=p{n}|728=0|727=1|55=EURUSD|702=1|703=TOT|704=8|705=0|"));
        let sent = w.apply(EventKind::Leader, "L", &raw);
        fill_all(&mut w, sent);
    }
    assert_eq!(targets(&w), ["4", "2", "2"]);
}

/// Who leaves at once is no part of the block; who leaves with the leader gives back with the others and gets nothing more.
/// What the leader opens goes to those who stay.
#[test]
fn who_leaves_is_dealt_nothing_and_the_others_have_the_block() {
    for (rule, opened, closed) in [
        ("close_now", ["9", "0"], ["4", "0"]),
        ("keep", ["9", "5"], ["4", "5"]),
        ("close_with_leader", ["9", "5"], ["4", "3"]),
    ] {
        let mut w = block(&["1", "1"]);
        copied(&mut w, "o1", 1, "10");
        let leave = format!(r#"{{"cmd":"leave","who":"ann","subscription":"s1","rule":"{rule}"}}"#);
        let sent = w.apply(EventKind::Operator, "", leave.as_bytes());
        fill_all(&mut w, sent);
        copied(&mut w, "o2", 1, "4");
        assert_eq!(targets(&w), opened, "{rule}");
        assert_eq!(refused(&w, "leaving"), 1, "{rule}");
        copied(&mut w, "o3", 2, "7");
        assert_eq!(targets(&w), closed, "{rule}");
        copied(&mut w, "o4", 2, "7");
        assert_eq!(targets(&w), ["0", if rule == "keep" { "5" } else { "0" }], "{rule}");
    }
}

/// Members count the same lots, or the configuration is refused.
#[test]
fn members_of_one_block_count_the_same_lots() {
    let mut c = config(SAME, "");
    weights(&mut c, &["1", "1"], "weight");
    c.subscriptions[1].symbol_map.get_mut("EURUSD").unwrap().qty_factor = d("2");
    let error = Engine::new(c).unwrap_err();
    assert!(error.0.contains("block of leader \"l\""), "{error}");
}

proptest! {
    /// The same trades in any partition give every member the same lots, and all of them together the leader's position.
    #[test]
    fn a_block_is_the_leaders_position_however_it_fills(
        of in proptest::collection::vec(1_u32..50, 1..6),
        trades in proptest::collection::vec((any::<bool>(), 1_i64..40), 1..12), whole: bool,
    ) {
        let text: Vec<String> = of.iter().map(u32::to_string).collect();
        let of: Vec<&str> = text.iter().map(String::as_str).collect();
        let (mut w, mut position) = (block(&of), 0_i64);
        for (n, (buy, qty)) in trades.into_iter().enumerate() {
            let side = if buy { 1 } else { 2 };
            let parts = if whole { vec![qty] } else { vec![qty / 3, qty - qty / 3] };
            let mut cum = 0;
            for part in parts.into_iter().filter(|p| *p > 0) {
                cum += part;
                let (all, last, sum) = (qty.to_string(), part.to_string(), cum.to_string());
                let sent = w.leader(&format!("o{n}"), side, &all, &last, &sum);
                fill_all(&mut w, sent);
            }
            position += if buy { qty } else { -qty };
            let held: i64 = targets(&w).iter().map(|t| t.parse::<i64>().unwrap()).sum();
            prop_assert_eq!(held, position);
        }
        // Where it is reached in one trade, it is made of the same lots.
        let mut at_once = block(&of);
        if position != 0 {
            copied(&mut at_once, "o", if position > 0 { 1 } else { 2 }, &position.abs().to_string());
            prop_assert_eq!(targets(&w), targets(&at_once));
        }
        prop_assert!(w.engine.status().subscriptions.iter().all(|l| l.filled == l.target));
    }
}

/// What a block dealt is counted by its factors: they stay while something is held, also where no order works.
#[test]
fn the_factors_of_what_was_dealt_do_not_change() {
    let mut w = block(&["1", "1"]);
    copied(&mut w, "o", 1, "10");
    let with = |w: &World, factor: &str| {
        let mut c = config(SAME, "");
        weights(&mut c, &["1", "1"], "weight");
        for s in &mut c.subscriptions {
            s.symbol_map.get_mut("EURUSD").unwrap().qty_factor = d(factor);
        }
        w.engine.accepts(&c).map_err(|e| e.to_string())
    };
    assert!(with(&w, "2").unwrap_err().contains("factor"));
    copied(&mut w, "p", 2, "10");
    assert_eq!(with(&w, "2"), Ok(()), "flat");
}
