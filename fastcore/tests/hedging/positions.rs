//! What fills make of positions, and which of them a close takes from.

use crate::support::{SAME, Sent, World, config, d, fix, lots, one, tell, texts};
use crate::{alerts, expect, fill, hedges, holds, named, opened, report, tag, told, world};
use fastcore::config::OnBust;
use fastcore::event::EventKind;
use fastcore::link::SendKind;

/// A close carries the tag of the position that its open made; an open carries none.
#[test]
fn a_close_names_the_position_that_the_open_made() {
    let mut w = world();
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    assert_eq!(named(&open), "", "an open makes a position of its own");
    fill(&mut w, &open, "10", "10", "P1");
    holds(&w, &[("P1", "10")]);
    let part = w.leader("o2", 2, "4", "4", "4");
    assert_eq!(told(&part), expect(&[(false, "4", "P1")]));
    fill(&mut w, &part[0], "4", "4", "P1");
    holds(&w, &[("P1", "6")]);
    let rest = w.leader("o3", 2, "6", "6", "6");
    assert_eq!(told(&rest), expect(&[(false, "6", "P1")]));
    fill(&mut w, &rest[0], "6", "6", "P1");
    holds(&w, &[]);
    // The leader is at the same venue here, and his reports name nothing.
    assert!(w.filled().is_zero() && w.alerts.iter().all(|a| a.code == "leader_unnamed"), "{:?}", w.alerts);
}

/// Several positions are closed in the order in which they were opened, each by its own order.
#[test]
fn the_oldest_position_is_closed_first() {
    let mut w = world();
    for (n, qty) in [(1, "3"), (2, "4"), (3, "5")] {
        opened(&mut w, &format!("o{n}"), 1, qty, &format!("P{n}"));
    }
    let sent = w.leader("o4", 2, "9", "9", "9");
    assert_eq!(told(&sent), expect(&[(false, "3", "P1"), (false, "4", "P2"), (false, "2", "P3")]));
    for s in sent {
        fill(&mut w, &s, &s.qty.clone(), &s.qty.clone(), &named(&s));
    }
    holds(&w, &[("P3", "3")]);
}

/// What works on a position already is not closed a second time.
#[test]
fn no_more_than_a_position_holds_beside_what_works_on_it() {
    let mut w = world();
    opened(&mut w, "o1", 2, "10", "P1");
    opened(&mut w, "o2", 2, "5", "P2");
    let first = w.leader("o3", 1, "4", "4", "4");
    assert_eq!(told(&first), expect(&[(true, "4", "P1")]));
    let second = w.leader("o4", 1, "11", "11", "11");
    assert_eq!(told(&second), expect(&[(true, "6", "P1"), (true, "5", "P2")]));
}

/// The venue's own tag for closes, where it is another one than in reports.
#[test]
fn the_tag_on_closes_may_be_another_one() {
    let mut w = World::with(SAME, "", |c| {
        hedges(c);
        c.profiles[0].close_position_id_tag = Some(9041);
    });
    opened(&mut w, "o1", 1, "10", "P1");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    assert_eq!((tag(&close, 9041), tag(&close, 721)), ("P1".to_owned(), String::new()));
}

/// An open that has filled in part is cancelled, what it filled is closed at once, and what fills later as well.
#[test]
fn a_part_of_an_open_is_closed_while_the_rest_still_works() {
    let mut w = world();
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    fill(&mut w, &open, "4", "4", "P1");
    let sent = w.leader("o2", 2, "10", "10", "10");
    let closes: Vec<_> = sent.iter().filter(|s| s.kind == SendKind::New).cloned().collect();
    assert_eq!(told(&closes), expect(&[(false, "4", "P1")]));
    assert_eq!(sent.len(), 2, "and the open is cancelled: {sent:?}");
    fill(&mut w, &closes[0], "4", "4", "P1");
    holds(&w, &[]);
    let late = fill(&mut w, &open, "2", "6", "P1");
    assert_eq!(told(&late), expect(&[(false, "2", "P1")]));
    fill(&mut w, &late[0], "2", "2", "P1");
    report(&mut w, &open, ("4", "4"), "0", "6", "721=P1|");
    holds(&w, &[]);
    assert_eq!(w.filled(), d("0"));
}

/// The other side is opened when what was held is closed: sent beside each other, a lost close would leave a pair.
#[test]
fn a_flip_opens_when_the_close_has_filled() {
    let mut w = world();
    opened(&mut w, "o1", 1, "10", "P1");
    let close = w.leader("o2", 2, "15", "15", "15");
    assert_eq!(told(&close), expect(&[(false, "10", "P1")]));
    assert!(fill(&mut w, &close[0], "6", "6", "P1").is_empty(), "four are still held");
    let open = fill(&mut w, &close[0], "4", "10", "P1");
    assert_eq!(told(&open), expect(&[(false, "5", "")]));
    fill(&mut w, &open[0], "5", "5", "P2");
    holds(&w, &[("P2", "-5")]);
}

/// A rejected close comes again with the same name; so does one that its broker denied.
#[test]
fn a_close_that_is_sent_again_names_the_same_position() {
    let mut w = world();
    opened(&mut w, "o1", 1, "10", "P1");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    w.out(&close);
    w.reject(&close);
    let again = w.run_to(w.now + 60_000_000_000);
    assert_eq!(told(&again), expect(&[(false, "10", "P1")]));
    w.out(&again[0]);
    let asked = w.run_to(w.now + 60_000_000_000);
    assert!(asked.iter().all(|s| s.kind == SendKind::Status), "{asked:?}");
    let mut sent = vec![];
    while sent.is_empty() {
        let (id, no) = (&again[0].id, w.engine.state().orders[2].query_no);
        sent = w.broker(&format!("35=8|37=NONE|11={id}|17=S{no}|150=I|39=8|103=5|54=1|38=0|14=0|790={no}|"));
        sent.retain(|s| s.kind == SendKind::New);
        let end = w.now + 1_000_000_000;
        sent.extend(w.run_to(end).into_iter().filter(|s| s.kind == SendKind::New));
    }
    assert_eq!(told(&sent), expect(&[(false, "10", "P1")]));
    assert_eq!((sent[0].id.clone(), sent[0].try_no), (again[0].id.clone(), 2));
}

/// More than the venue takes at once is split on top: every part names the position.
#[test]
fn parts_of_a_large_close_name_their_position() {
    let mut w = World::with(SAME, "", |c| {
        hedges(c);
        c.instruments[0].max_lot = Some(lots("3"));
    });
    for (n, s) in w.leader("o1", 1, "5", "5", "5").into_iter().enumerate() {
        fill(&mut w, &s, &s.qty.clone(), &s.qty.clone(), &format!("P{n}"));
    }
    holds(&w, &[("P0", "3"), ("P1", "2")]);
    opened(&mut w, "o2", 1, "2", "P1");
    let sent = w.leader("o3", 2, "7", "7", "7");
    assert_eq!(told(&sent), expect(&[(false, "3", "P0"), (false, "2", "P1"), (false, "2", "P1")]));
}

/// A bust of a close gives the position back, and it is closed again; one of an open takes it away.
#[test]
fn a_bust_moves_the_position_of_its_order() {
    let mut w = world();
    opened(&mut w, "o1", 1, "10", "P1");
    opened(&mut w, "o2", 1, "5", "P2");
    let close = one(&w.leader("o3", 2, "10", "10", "10"), false, "10");
    fill(&mut w, &close, "10", "10", "P1");
    holds(&w, &[("P2", "5")]);
    let bust = |w: &mut World, id: &str, exec: &str, qty: &str, side: u8| {
        w.broker(&format!(
            "35=8|37=B{id}|11={id}|17=H{exec}|19={exec}|150=H|39=4|55=EURUSD|54={side}|38={qty}|32={qty}|14=0|151=0|"
        ))
    };
    let exec = format!("X{}", w.exec);
    let again = bust(&mut w, &close.id.clone(), &exec, "10", 2);
    assert_eq!(told(&again), expect(&[(false, "10", "P1")]));
    holds(&w, &[("P1", "10"), ("P2", "5")]);
    fill(&mut w, &again[0], "10", "10", "P1");
    let (open, exec) = (w.engine.state().orders[1].cl_ord_id, format!("X{}", 4));
    bust(&mut w, std::str::from_utf8(&open).unwrap(), &exec, "5", 1);
    holds(&w, &[]);
    assert_eq!(w.filled(), d("0"));
}

/// A cancelled open fills after the leader has turned: the pair is closed, and the target is not traded against.
#[test]
fn a_late_fill_on_the_wrong_side_is_closed_by_itself() {
    let mut w = world();
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.acknowledge(&open);
    w.leader("o2", 2, "15", "15", "15");
    let short = report(&mut w, &open, ("4", "4"), "0", "0", "");
    assert_eq!(told(&short), expect(&[(false, "5", "")]));
    fill(&mut w, &short[0], "5", "5", "P2");
    let close = fill(&mut w, &open, "6", "6", "P1");
    assert_eq!(told(&close), expect(&[(false, "6", "P1")]));
    holds(&w, &[("P2", "-5")]);
    assert_eq!((w.filled(), w.target(), alerts(&w, "position_pair")), (d("-5"), d("-5"), 1));
    assert!(fill(&mut w, &close[0], "6", "6", "P1").is_empty());
    assert!(w.engine.state().tickets.values().flat_map(|t| &t.list).all(|t| t.id[..] == *b"P2"));
    // And the last bust of that open finds its position where it went.
    let end = w.leader("o3", 1, "5", "5", "5");
    assert_eq!(told(&end), expect(&[(true, "5", "P2")]));
    fill(&mut w, &end[0], "5", "5", "P2");
    assert_eq!(w.engine.state().lines.iter().map(|l| l.line.filled).collect::<Vec<_>>(), [d("0"), d("0")]);
}

/// The broker takes a fill back, or says that it was of another quantity.
fn amended(w: &mut World, s: &Sent, kind: (&str, &str), exec: u64, qty: &str, cum: &str) -> Vec<Sent> {
    let (id, all, side) = (&s.id, &s.qty, if s.buy { 1 } else { 2 });
    let (exec_type, status) = kind;
    w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=H{exec}|19=X{exec}|150={exec_type}|39={status}|55=EURUSD|54={side}|38={all}|32={qty}|31=1.1|14={cum}|151=0|"
    ))
}

/// The close of a flip never was, or of less: what it brings back is closed by itself, and what the leader has is held on.
#[test]
fn a_bust_of_the_close_of_a_flip_leaves_what_was_opened() {
    for (kind, qty, back) in [("H", "5", "5"), ("G", "3", "2")] {
        let mut w = world();
        opened(&mut w, "o1", 1, "5", "P1");
        let close = one(&w.leader("o2", 2, "8", "8", "8"), false, "5");
        let open = one(&fill(&mut w, &close, "5", "5", "P1"), false, "3");
        let exec = w.exec;
        fill(&mut w, &open, "3", "3", "P2");
        let cum = if kind == "H" { "0" } else { qty };
        let again = amended(&mut w, &close, (kind, "4"), exec, qty, cum);
        assert_eq!(told(&again), expect(&[(false, back, "P1")]));
        holds(&w, &[("P2", "-3")]);
        assert_eq!((w.target(), w.filled(), alerts(&w, "position_pair")), (d("-3"), d("-3"), 1));
        assert!(fill(&mut w, &again[0], back, back, "P1").is_empty());
        let end = w.leader("o3", 1, "3", "3", "3");
        assert_eq!(told(&end), expect(&[(true, "3", "P2")]));
        fill(&mut w, &end[0], "3", "3", "P2");
        assert!(w.engine.state().lines.iter().all(|l| l.line.filled.is_zero()));
    }
}

/// The same before the other side was opened, and while its order works: it is opened once, as the leader has it.
#[test]
fn a_bust_of_the_close_before_the_open_has_filled_loses_nothing() {
    let mut w = world();
    opened(&mut w, "o1", 1, "5", "P1");
    let close = one(&w.leader("o2", 2, "8", "8", "8"), false, "5");
    let open = one(&fill(&mut w, &close, "5", "5", "P1"), false, "3");
    w.out(&open);
    w.acknowledge(&open);
    let exec = w.exec;
    let again = amended(&mut w, &close, ("H", "4"), exec, "5", "0");
    assert_eq!((told(&again), w.target()), (expect(&[(false, "5", "P1")]), d("-3")));
    assert!(fill(&mut w, &again[0], "5", "5", "P1").is_empty(), "three are on their way");
    fill(&mut w, &open, "3", "3", "P2");
    holds(&w, &[("P2", "-3")]);
    assert_eq!((w.target(), w.filled()), (d("-3"), d("-3")));
}

/// A close that was of more than was told has closed what the leader holds still: that is lost to the target, as ever.
#[test]
fn a_close_that_was_larger_is_lost_to_the_target() {
    let mut w = world();
    opened(&mut w, "o1", 1, "10", "P1");
    let close = one(&w.leader("o2", 2, "4", "4", "4"), false, "4");
    let exec = w.exec + 1;
    fill(&mut w, &close, "4", "4", "P1");
    assert!(amended(&mut w, &close, ("G", "2"), exec, "6", "6").is_empty());
    holds(&w, &[("P1", "4")]);
    assert_eq!((w.target(), w.filled()), (d("4"), d("4")));
}

/// A broker that does not close what is named opened something instead: a person must look.
#[test]
fn a_close_that_trades_as_another_position_is_told() {
    let mut w = world();
    opened(&mut w, "o1", 1, "10", "P1");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    let sent = fill(&mut w, &close, "10", "10", "P9");
    assert_eq!(alerts(&w, "position_other"), 1);
    // The pair that it made is taken apart: each leg is closed by its name.
    let mut legs = told(&sent);
    legs.sort();
    assert_eq!(legs, expect(&[(false, "10", "P1"), (true, "10", "P9")]));
}

/// A position that was closed by hand is said to be gone: no close of it is tried again, and the target gives it up.
#[test]
fn a_position_that_is_gone_is_given_up_by_a_persons_word() {
    let mut w = world();
    opened(&mut w, "o1", 1, "10", "P1");
    opened(&mut w, "o2", 1, "5", "P2");
    let gone = r#"{"cmd":"position","who":"ann","reason":"by hand","subscription":"s","instrument":"EURUSD","id":"P1","units":"0"}"#;
    assert!(tell(&mut w, gone).is_empty());
    holds(&w, &[("P2", "5")]);
    assert_eq!((w.filled(), w.target(), texts(&w, "bad_command")), (d("5"), d("5"), vec![]));
    let close = w.leader("o3", 2, "15", "15", "15");
    assert_eq!(told(&close), expect(&[(false, "5", "P2")]));
    let more = gone.replace("\"0\"", "\"7\"").replace("P1", "P2");
    tell(&mut w, &more);
    assert_eq!(texts(&w, "bad_command").len(), 1, "a close works on it, and seven are more than it holds");
}

/// It is no loss of the newest executions: the bust of an older one, which is followed elsewhere, is for a person.
#[test]
fn a_position_that_was_given_up_is_no_loss_of_executions() {
    let mut w = World::with(SAME, "", |c| {
        hedges(c);
        c.subscriptions[0].on_bust = OnBust::Follow;
    });
    opened(&mut w, "o1", 1, "10", "P1");
    opened(&mut w, "o2", 1, "10", "P2");
    let gone = r#"{"cmd":"position","who":"ann","reason":"by hand","subscription":"s","instrument":"EURUSD","id":"P1","units":"0"}"#;
    assert!(tell(&mut w, gone).is_empty());
    let bust = "35=8|34=9|37=o1|17=B1|19=E1|20=1|150=H|39=1|55=EURUSD|54=1|38=10|32=10|14=0|151=0|";
    assert!(w.apply(EventKind::Leader, "L", &fix(bust)).is_empty());
    assert_eq!((w.target(), w.filled()), (d("10"), d("10")));
    assert!(texts(&w, "bust").iter().any(|t| t.contains("cannot follow")), "{:?}", texts(&w, "bust"));
}

/// A netting account is closed as ever: nothing is named, nothing is kept.
#[test]
fn a_netting_account_names_nothing() {
    let mut w = World::with(SAME, "", |_| {});
    opened(&mut w, "o1", 1, "10", "P1");
    let both = w.leader("o2", 2, "15", "15", "15");
    assert_eq!(told(&both), expect(&[(false, "10", ""), (false, "5", "")]));
    assert!(w.engine.state().tickets.is_empty());
}

/// Whether orders name positions is no small change while one is held: the next close would open, or net, something else.
#[test]
fn the_position_model_stays_while_something_is_held() {
    let (netting, mut hedging) = (config(SAME, ""), config(SAME, ""));
    hedges(&mut hedging);
    for (now, next) in [(&netting, &hedging), (&hedging, &netting)] {
        let mut w = World::with(SAME, "", |c| *c = now.clone());
        assert!(w.engine.accepts(next).is_ok(), "nothing is held");
        opened(&mut w, "o1", 1, "5", "P1");
        assert!(w.engine.accepts(now).is_ok());
        let said = w.engine.accepts(next).unwrap_err().to_string();
        assert!(said.contains("position_model"), "{said}");
        tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"keep"}"#);
        assert!(w.engine.accepts(next).is_err(), "what was kept is closed one day");
        let sent = tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"close_now"}"#);
        fill(&mut w, &sent[0], "5", "5", "P1");
        assert!(w.engine.accepts(next).is_ok(), "flat again");
    }
}
