//! What his reports do to positions.

use crate::support::{SAME, World, d, one, tell as command, texts};
use crate::{asked, asked_soon, codes, copied, hedging_leader, holds, tell, trade, world};
use fastcore::engine::Engine;

/// Long A and short B stand side by side at his broker. A follower's account has their net: it holds no pair because of him.
#[test]
fn a_pair_is_copied_as_its_net() {
    let mut w = world();
    let sent = trade(&mut w, 1, "10", "A");
    let open = one(&sent, true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let close = one(&trade(&mut w, 2, "10", "B"), false, "10");
    w.out(&close);
    w.fill(&close, "10", "10");
    assert_eq!(w.filled(), d("0"));
    holds(&w, "0", &[("A", "10"), ("B", "-10")], "0");
    copied(&mut w, 1, "5", "B");
    assert_eq!(w.filled(), d("5"));
    holds(&w, "5", &[("A", "10"), ("B", "-5")], "0");
    copied(&mut w, 2, "10", "A");
    assert_eq!(w.filled(), d("-5"));
    holds(&w, "-5", &[("B", "-5")], "0");
    copied(&mut w, 1, "5", "B");
    assert_eq!(w.filled(), d("0"));
    holds(&w, "0", &[], "0");
    assert!(codes(&w).is_empty() && asked_soon(&mut w).is_empty(), "{:?}", w.alerts);
}

/// A fill that names no position is copied as any other. It is told once, and asked about.
#[test]
fn a_fill_without_a_name_is_copied_and_told_once() {
    let mut w = world();
    one(&trade(&mut w, 1, "10", ""), true, "10");
    holds(&w, "10", &[], "10");
    assert_eq!(codes(&w), ["leader_unnamed"]);
    assert_eq!(asked_soon(&mut w), ["AN"]);
    one(&trade(&mut w, 1, "1", ""), true, "1");
    assert_eq!(codes(&w), ["leader_unnamed"]);
    assert!(texts(&w, "leader_unnamed")[0].starts_with("l EURUSD: a fill of order \"o1\""), "{:?}", w.alerts);
}

/// A status that says more than is counted is a fill; the trade that explains it gives the name.
#[test]
fn a_name_may_come_later() {
    let mut w = world();
    tell(&mut w, "37=1|17=0|150=0|39=0|54=1|38=10|14=0|151=10|721=WRONG");
    tell(&mut w, "37=1|17=1|150=I|39=1|54=1|38=10|14=4|151=6");
    holds(&w, "4", &[], "4");
    tell(&mut w, "37=1|17=2|150=F|39=1|54=1|38=10|32=4|31=1|14=4|151=6|721=A");
    holds(&w, "4", &[("A", "4")], "0");
    tell(&mut w, "37=1|17=3|150=I|39=2|54=1|38=10|14=10|151=0");
    holds(&w, "10", &[("A", "10")], "0");
}

/// A status of an order that traded before anybody listened names its position, also where nothing was counted yet.
#[test]
fn a_name_may_come_before_the_first_fill() {
    let mut w = world();
    tell(&mut w, "37=1|17=1|150=I|39=1|54=1|38=10|14=3|151=7|721=A");
    tell(&mut w, "37=1|17=2|150=F|39=1|54=1|38=10|32=3|31=1|14=6|151=4");
    holds(&w, "3", &[("A", "3")], "0");
    assert_eq!(codes(&w), [""; 0]);
}

/// An acknowledgement's name may be that of a position that never comes to be.
#[test]
fn the_name_on_an_acknowledgement_is_not_believed() {
    let mut w = world();
    copied(&mut w, 1, "3", "A");
    tell(&mut w, "37=1|17=0|150=0|39=0|54=1|38=10|14=0|151=10|721=WRONG");
    tell(&mut w, "37=1|17=9|150=I|39=0|54=1|38=10|14=0|151=10|721=WRONG");
    tell(&mut w, "37=1|17=1|150=F|39=2|54=1|38=10|32=10|31=1|14=10|151=0");
    holds(&w, "13", &[("A", "3")], "10");
}

/// Nor is one on a word about a request, also of an order that has traded.
#[test]
fn the_name_on_an_answer_to_a_request_is_not_believed() {
    let mut w = world();
    tell(&mut w, "37=1|17=1|150=F|39=1|54=1|38=10|32=4|31=1|14=4|151=6");
    tell(&mut w, "37=1|17=2|150=5|39=1|54=1|38=9|14=4|151=5|721=WRONG");
    tell(&mut w, "37=1|17=3|150=4|39=4|54=1|38=9|14=4|151=0|721=WRONG");
    holds(&w, "4", &[], "4");
}

/// A close of more than its position holds closes and opens by the net, as it would without names. It is told.
#[test]
fn a_position_that_changes_its_side_is_told_and_copied() {
    let mut w = world();
    copied(&mut w, 1, "10", "A");
    let sent = trade(&mut w, 2, "15", "A");
    assert_eq!(sent.iter().map(|s| s.qty.as_str()).collect::<Vec<_>>(), ["10", "5"]);
    holds(&w, "-5", &[("A", "-5")], "0");
    let told = texts(&w, "leader_position_odd");
    assert_eq!(told.len(), 1, "{:?}", w.alerts);
    assert!(
        told[0].contains("position A held 10 units and was traded by -15: by its reports it holds -5"),
        "{told:?}"
    );
    assert_eq!(asked_soon(&mut w), ["AN"]);
}

/// Reports in another order than trades: the end is the same, and nothing is odd.
#[test]
fn a_close_that_overtakes_its_open_leaves_nothing() {
    let mut w = world();
    trade(&mut w, 2, "10", "A");
    holds(&w, "-10", &[("A", "-10")], "0");
    trade(&mut w, 1, "10", "A");
    holds(&w, "0", &[], "0");
    assert!(codes(&w).is_empty(), "{:?}", w.alerts);
}

/// A bust moves the position that it names, else its order's; one that is gone is there again.
#[test]
fn a_bust_or_correction_moves_its_position() {
    for named in ["|721=A", ""] {
        let mut w = world();
        tell(&mut w, "37=1|17=1|150=F|39=2|54=1|38=10|32=10|31=1|14=10|151=0|721=A");
        tell(&mut w, &format!("37=1|17=2|19=1|150=G|39=1|54=1|38=10|32=6|31=1|14=6{named}"));
        holds(&w, "6", &[("A", "6")], "0");
        tell(&mut w, "37=2|17=3|150=F|39=2|54=2|38=6|32=6|31=1|14=6|151=0|721=A");
        holds(&w, "0", &[], "0");
        tell(&mut w, &format!("37=2|17=4|19=3|150=H|39=4|54=2|38=6|32=6|31=1|14=0{named}"));
        holds(&w, "6", &[("A", "6")], "0");
        tell(&mut w, &format!("37=1|17=5|19=1|150=H|39=4|54=1|38=10|32=6|31=1|14=0{named}"));
        holds(&w, "0", &[], "0");
        assert!(codes(&w).iter().all(|c| c == "bust"), "{named:?}: {:?}", w.alerts);
    }
}

/// The same report again, and a trade of a side that nobody knows, move no position either.
#[test]
fn what_is_not_counted_moves_no_position() {
    let mut w = world();
    for _ in 0..2 {
        tell(&mut w, "37=1|17=1|150=F|39=2|54=1|38=10|32=10|31=1|14=10|151=0|721=A");
    }
    tell(&mut w, "37=2|17=2|150=F|39=2|54=8|38=10|32=10|31=1|14=10|151=0|721=B");
    holds(&w, "10", &[("A", "10")], "0");
}

/// Positions that are closed leave nothing, and what their orders named is given back with the age of orders.
#[test]
fn memory_follows_what_is_open_and_young() {
    let mut w = World::with(SAME, "", |c| {
        hedging_leader(c);
        c.retire_after_ms = 1_000;
    });
    for n in 0..1_500 {
        // 2 ms for each pair.
        copied(&mut w, 1, "1", &format!("P{n}"));
        copied(&mut w, 2, "1", &format!("P{n}"));
    }
    let tickets = &w.engine.state().leaders[0].tickets[&0];
    assert!(tickets.held().is_empty());
    assert!((900..1_100).contains(&tickets.remembered()), "{}", tickets.remembered());
}

/// A person's word about the net says nothing of positions: what is named later, his broker names.
#[test]
fn an_adjusted_position_has_no_names_until_the_broker_says_them() {
    let mut w = world();
    copied(&mut w, 1, "10", "A");
    let text =
        r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","reason":"split","factor":"2"}"#;
    command(&mut w, text);
    holds(&w, "20", &[], "20");
    assert_eq!(asked_soon(&mut w), ["AN"]);
    for request in ["Q1", "Q2"] {
        crate::answer(&mut w, request, &[("A", 20)]);
    }
    holds(&w, "20", &[("A", "20")], "0");
    assert_eq!(codes(&w).last().unwrap(), "leader_position");
}

/// A snapshot has the positions, what orders named, and what the broker said; what comes after is decided the same.
#[test]
fn a_snapshot_keeps_positions() {
    let mut w = world();
    copied(&mut w, 1, "10", "A");
    trade(&mut w, 1, "4", "");
    let mut config = crate::support::config(SAME, "");
    hedging_leader(&mut config);
    crate::answer(&mut w, "Q1", &[("A", 10), ("B", 4)]);
    let rest = |w: &mut World| {
        asked(w);
        crate::answer(w, "Q2", &[("A", 10), ("B", 4)]);
        tell(w, "37=o1|17=x|19=e1|150=H|39=4|54=1|38=10|32=10|31=1|14=0");
        (crate::held_by(&w.engine), w.engine.digest(), w.engine.snapshot())
    };
    let (snapshot, seq, now) = (w.engine.snapshot(), w.seq, w.now);
    let live = rest(&mut w);
    assert_eq!(live.0, ("4".into(), vec![("B".into(), "4".into())], "0".into()));
    w.engine = Engine::restore(config, &snapshot).unwrap();
    (w.seq, w.now) = (seq, now);
    assert_eq!(rest(&mut w), live);
}

/// An account that nets has no positions side by side, whatever its reports name.
#[test]
fn a_leader_who_nets_has_no_names() {
    let mut w = World::new(SAME, "");
    trade(&mut w, 1, "10", "A");
    trade(&mut w, 2, "15", "A");
    assert!(w.engine.status().leader_positions.is_empty());
    assert!(w.engine.state().leaders[0].tickets.is_empty());
    assert!(codes(&w).is_empty(), "{:?}", w.alerts);
}

/// A quantity beyond all numbers loses the net, and the names with it: both are what his broker says next, said twice.
#[test]
fn a_net_that_is_lost_comes_back_with_its_names() {
    let mut w = world();
    copied(&mut w, 1, "10", "A");
    let most = "100000000000000000000";
    trade(&mut w, 1, most, "B");
    trade(&mut w, 1, most, "C");
    assert!(w.engine.state().leaders[0].positions.is_empty(), "{:?}", w.alerts);
    assert!(codes(&w).contains(&"leader_position_lost".to_owned()));
    trade(&mut w, 2, "4", "A");
    assert!(w.engine.status().leader_positions.is_empty(), "nothing adds up to what nobody knows");
    for request in ["Q1", "Q2"] {
        crate::answer(&mut w, request, &[("A", 6), ("D", -2)]);
    }
    holds(&w, "4", &[("A", "6"), ("D", "-2")], "0");
}

/// A configuration that says that his account nets forgets the names: a later one that says otherwise begins anew.
#[test]
fn names_do_not_outlive_the_profile_that_read_them() {
    let mut w = world();
    copied(&mut w, 1, "10", "A");
    let mut nets = crate::support::config(SAME, "");
    hedging_leader(&mut nets);
    let hedges = nets.clone();
    nets.profiles[1].position_model = fastcore::profile::PositionModel::Netting;
    w.engine = Engine::restore(nets, &w.engine.snapshot()).unwrap();
    assert!(w.engine.state().leaders[0].tickets.is_empty() && w.engine.status().leader_positions.is_empty());
    trade(&mut w, 2, "4", "A");
    w.engine = Engine::restore(hedges, &w.engine.snapshot()).unwrap();
    holds(&w, "6", &[], "6");
}

/// An order that traded two positions: a fill of it without a name is neither's.
#[test]
fn a_fill_of_an_order_of_two_positions_is_not_guessed() {
    let mut w = world();
    for (n, name) in [(1, "|721=A"), (2, "|721=B"), (3, "")] {
        tell(&mut w, &format!("37=1|17={n}|150=F|39=1|54=1|38=10|32=2|31=1|14={}|151=0{name}", 2 * n));
    }
    holds(&w, "6", &[("A", "2"), ("B", "2")], "2");
}
