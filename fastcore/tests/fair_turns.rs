//! Fair dispatch: in each round of a leader's opens everybody has every place once; of his closes, and of his flips, too
//! (decision 0033).
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, Dispatch};
use fastcore::event::EventKind;
use fastcore::link::SendKind;
use fastcore::profile::{OrderType, Tif};
use std::collections::BTreeMap;
use support::{SAME, Sent, World, field, fix};

const LEADERS: usize = 2;

/// Two leaders, each copied by `n` accounts of its own.
fn shared_out(c: &mut Config, n: usize) {
    let (leader, follower, sub) = (c.leaders[0].clone(), c.followers[0].clone(), c.subscriptions[0].clone());
    (c.leaders, c.followers, c.subscriptions) = (vec![], vec![], vec![]);
    for l in 0..LEADERS {
        let mut leader = leader.clone();
        (leader.name, leader.session) = (format!("l{l}"), format!("L{l}"));
        c.leaders.push(leader);
        for k in 0..n {
            let (mut follower, mut sub) = (follower.clone(), sub.clone());
            follower.name = format!("f{l}.{k}");
            follower.account = Some(follower.name.clone());
            (sub.name, sub.follower, sub.leader) =
                (format!("s{l}.{k}"), follower.name.clone(), format!("l{l}"));
            c.followers.push(follower);
            c.subscriptions.push(sub);
        }
    }
    c.dispatch = Dispatch::Rotate;
}

fn trade(w: &mut World, leader: usize, qty: i64) -> Vec<Sent> {
    w.exec += 1;
    let (e, mut time) = (w.exec, Vec::new());
    fastcore::time::write_utc(w.now, &mut time);
    let (time, side, qty) = (String::from_utf8(time).unwrap(), if qty > 0 { 1 } else { 2 }, qty.abs());
    let raw = fix(&format!(
        "35=8|34={e}|37=o{e}|17=E{e}|150=F|39=2|55=EURUSD|54={side}|38={qty}|32={qty}|31=1.1|14={qty}|151=0|60={time}|"
    ));
    w.apply(EventKind::Leader, &format!("L{leader}"), &raw)
}

/// Accounts in the order of the wire, each once.
fn served(sent: &[Sent]) -> Vec<String> {
    let mut seen = Vec::new();
    for s in sent.iter().filter(|s| s.kind == SendKind::New) {
        let account = field(s.text.replace('|', "\u{1}").as_bytes(), "1");
        if !seen.contains(&account) {
            seen.push(account);
        }
    }
    seen
}

fn fill_all(w: &mut World, mut sent: Vec<Sent>) {
    while let Some(s) = sent.pop() {
        w.out(&s);
        sent.extend(w.fill(&s, &s.qty, &s.qty));
    }
}

/// Everybody has every place once in each round of as many events as there are followers.
fn is_fair(orders: &[Vec<String>], n: usize) {
    for round in orders.chunks_exact(n) {
        for place in 0..n {
            let mut here: Vec<&String> = round.iter().map(|order| &order[place]).collect();
            here.sort_unstable();
            here.dedup();
            assert_eq!(here.len(), n, "place {place} of {round:?}");
        }
    }
}

/// What a leader's trade does to his position.
fn kind(before: i64, qty: i64) -> &'static str {
    let after = before + qty;
    match before.signum() * after.signum() {
        -1 => "flip",
        _ if after.abs() > before.abs() => "open",
        _ => "close",
    }
}

/// Plays trades, one leader each; by leader and kind, who was served in which order.
fn play(n: usize, trades: &[(usize, i64)]) -> BTreeMap<(usize, &'static str), Vec<Vec<String>>> {
    let mut w = World::with(SAME, "", |c| shared_out(c, n));
    let (mut held, mut orders) = ([0_i64; LEADERS], BTreeMap::<_, Vec<_>>::new());
    for (leader, qty) in trades {
        let sent = trade(&mut w, *leader, *qty);
        let order = served(&sent);
        assert_eq!(order.len(), n, "{sent:?}");
        orders.entry((*leader, kind(held[*leader], *qty))).or_default().push(order);
        held[*leader] += qty;
        fill_all(&mut w, sent);
    }
    orders
}

/// Over any interleaving of two leaders, opens, closes and flips.
#[test]
fn any_interleaving_is_fair_in_every_round_of_each_kind() {
    let mut state = 7_u64;
    let mut draw = |n: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % n
    };
    for n in 1..6 {
        let mut trades = Vec::new();
        while trades.len() < 80 {
            let qty = draw(7) as i64 - 3;
            if qty != 0 {
                trades.push((draw(2) as usize, qty * 10));
            }
        }
        let played = play(n, &trades);
        assert!(played.len() >= 4, "kinds: {:?}", played.keys());
        played.values().for_each(|orders| is_fair(orders, n));
    }
}

/// A leader who opens and closes in turn, and two leaders in turn: one counter of events put the same one first for ever.
#[test]
fn habits_of_leaders_put_nobody_first_for_ever() {
    for n in [2, 4] {
        let opens_and_closes: Vec<(usize, i64)> =
            (0..16 * n).map(|t| (0, if t % 2 == 0 { 10 } else { -10 })).collect();
        let in_turn: Vec<(usize, i64)> =
            (0..16 * n).map(|t| (t % 2, if t / 2 % 2 == 0 { 10 } else { -10 })).collect();
        for trades in [opens_and_closes, in_turn] {
            for ((leader, kind), orders) in play(n, &trades) {
                for k in 0..n {
                    let first = orders.iter().filter(|o| o[0] == format!("f{leader}.{k}")).count();
                    assert_eq!(first, orders.len() / n, "{n} followers, leader {leader}, {kind}, f{k}");
                }
            }
        }
    }
}

/// Working orders that are mirrored have rounds of their own, those that open and those that close.
#[test]
fn mirrors_are_served_in_rounds_too() {
    let n = 3;
    let mut w = World::with(SAME, r#","copy":"orders""#, |c| {
        shared_out(c, n);
        c.profiles[0].order_types = vec![OrderType::Market, OrderType::Limit, OrderType::Stop];
        c.profiles[0].tifs = vec![Tif::Day, Tif::Gtc, Tif::Ioc];
    });
    let first = trade(&mut w, 0, 100);
    fill_all(&mut w, first);
    let (mut entries, mut stops) = (vec![], vec![]);
    for t in 0..2 * n {
        for (side, terms, orders) in
            [(1, "40=2|44=1.0|59=1|", &mut entries), (2, "40=3|99=0.9|59=1|", &mut stops)]
        {
            w.exec += 1;
            let (e, mut time) = (w.exec, Vec::new());
            fastcore::time::write_utc(w.now, &mut time);
            let time = String::from_utf8(time).unwrap();
            let raw = fix(&format!(
                "35=8|34={e}|37=m{side}.{t}|17=E{e}|150=0|39=0|55=EURUSD|54={side}|38=5|14=0|151=5|60={time}|{terms}"
            ));
            let order = served(&w.apply(EventKind::Leader, "L0", &raw));
            assert_eq!(order.len(), n);
            orders.push(order);
        }
    }
    is_fair(&entries, n);
    is_fair(&stops, n);
}

/// A fill that closes everything is one of a close: his position before it says so.
#[test]
fn the_last_close_has_the_turn_of_a_close() {
    let mut w = World::with(SAME, r#","copy":"orders""#, |c| shared_out(c, 2));
    let turns = |w: &World| format!("{:?}", w.engine.state().leaders[0].turns);
    let open = trade(&mut w, 0, 10);
    fill_all(&mut w, open);
    assert_eq!(turns(&w), "Turns([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0])");
    let close = trade(&mut w, 0, -10);
    fill_all(&mut w, close);
    assert_eq!(turns(&w), "Turns([1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0])");
}

/// As listed, everybody has the place of the file at every event.
#[test]
fn a_listed_dispatch_serves_in_the_order_of_the_file() {
    let n = 3;
    let mut w = World::with(SAME, "", |c| {
        shared_out(c, n);
        c.dispatch = Dispatch::Listed;
    });
    for qty in [10, 10, -5, -5, -20, 30, -15] {
        let sent = trade(&mut w, 0, qty);
        assert_eq!(served(&sent), ["f0.0", "f0.1", "f0.2"]);
        fill_all(&mut w, sent);
    }
}
