//! Out: what was kept, closed at once, or closed with the leader.

use crate::support::{self, SAME, World, d, one};
use crate::{canceled, config, fill_all, holding, leave, lines, refused, sides, start, tell, texts};
use fastcore::action::{Decision, Sink};
use fastcore::decimal::Dec;
use fastcore::event::{Event, EventKind};
use fastcore::link::{Row, SendKind};
use fastcore::refusal::Code;

/// What is kept stays when the leader adds, reduces and goes flat; the other subscription follows him.
#[test]
fn what_is_kept_is_never_worked_again() {
    let mut w = holding("5");
    assert!(leave(&mut w, "s", "keep").is_empty());
    assert_eq!(texts(&w, "left"), [r#"subscription "s" has left: what it holds stays, and nothing works"#]);
    for (order, side, qty) in [("o2", 1, "4"), ("o3", 2, "2"), ("o4", 2, "7"), ("o5", 2, "3"), ("o6", 1, "3")]
    {
        let sent = w.leader(order, side, qty, qty, qty);
        assert_eq!(sent.len(), 1, "{order}: {sent:?}");
        fill_all(&mut w, &sent);
    }
    assert_eq!(lines(&w), [(d("5"), d("5")), (d("0"), d("0"))]);
    assert_eq!(refused(&w, Code::Leaving), 5, "each is told why nothing follows");
    let end = w.now + 120_000_000_000;
    assert!(w.run_to(end).is_empty());
}

/// Each decision: what the leader reduced it by, and the target before, moved and after; whole units.
struct Decided(Vec<(u32, i128, i128, i128, i128)>);

impl Sink for Decided {
    const WANTS_DECISIONS: bool = true;
    fn frame(&mut self, _route: u32, _frame: &[u8]) {}
    fn decision(&mut self, d: &Decision<'_>) {
        let (reduce, moved) = d.conversion.as_ref().map_or((0, 0), |c| (c.reduce.raw(), c.target_moved));
        let units = |t: i128| t / Dec::ONE.raw();
        self.0.push((d.sub, units(reduce), units(d.target_before), units(moved), units(d.target_after)));
    }
}

/// The audit log has a decision for what was kept as well: nothing moves.
#[test]
fn a_leaders_close_moves_no_target_of_what_was_kept() {
    let mut w = holding("5");
    leave(&mut w, "s", "keep");
    let text = "35=8|34=9|37=o2|17=E9|150=F|39=2|55=EURUSD|54=2|38=2|32=2|31=1.1|14=2|151=0|";
    let (raw, mut told) = (support::fix(text), Decided(vec![]));
    let (seq, at_ns) = (w.seq + 1, w.now + 1_000);
    w.engine.apply(&Event { seq, at_ns, kind: EventKind::Leader, session: "L", payload: &raw }, &mut told);
    assert_eq!(told.0, [(0, 0, 5, 5, 5), (1, 2, 5, 3, 3)]);
}

/// An open that works is cancelled; what it filled before belongs to what is kept. A close on its way goes on.
#[test]
fn what_was_on_its_way_ends_and_what_it_filled_is_kept() {
    let mut w = holding("5");
    let open = w.leader("o2", 1, "4", "4", "4")[0].clone();
    w.out(&open);
    w.acknowledge(&open);
    w.fill(&open, "1", "1");
    let asked = leave(&mut w, "s", "keep");
    assert_eq!(asked.iter().map(|s| s.kind).collect::<Vec<_>>(), [SendKind::Cancel]);
    assert!(texts(&w, "left").is_empty(), "an order still works");
    w.fill(&open, "1", "2");
    assert!(canceled(&mut w, &open, "2").is_empty());
    assert_eq!(lines(&w)[0], (d("7"), d("7")));
    assert_eq!(texts(&w, "left").len(), 1);
    let mut w = holding("5");
    let close = w.leader("o2", 2, "2", "2", "2")[0].clone();
    w.out(&close);
    assert!(leave(&mut w, "s", "keep").is_empty());
    w.fill(&close, "1", "1");
    w.broker(&format!("35=8|37=B{0}|11={0}|17=Z|150=C|39=C|55=EURUSD|54=2|38=2|14=1|151=0|", close.id));
    let end = w.now + 120_000_000_000;
    assert!(w.run_to(end).is_empty(), "what it did not close stays");
    assert_eq!(lines(&w)[0], (d("4"), d("4")));
}

/// `close_now` closes at once what is held, and what an open on its way fills after all; it is told when it is flat.
#[test]
fn close_now_ends_flat() {
    let mut w = holding("5");
    let open = w.leader("o2", 1, "4", "4", "4")[0].clone();
    w.out(&open);
    w.acknowledge(&open);
    let sent = leave(&mut w, "s", "close_now");
    let close = sent.iter().find(|s| s.kind == SendKind::New).unwrap().clone();
    assert_eq!((sent.len(), close.buy, close.qty.as_str()), (2, false, "5"));
    fill_all(&mut w, &[close]);
    assert!(texts(&w, "left").is_empty());
    let more = w.fill(&open, "4", "4");
    let more = one(&more, false, "4");
    fill_all(&mut w, &[more]);
    assert_eq!((lines(&w)[0], texts(&w, "left").len()), ((d("0"), d("0")), 1));
    assert!(w.leader("o3", 1, "6", "6", "6").iter().all(|s| s.id != open.id && s.qty == "6"));
    assert_eq!((lines(&w)[0], refused(&w, Code::Leaving)), ((d("0"), d("0")), 1));
}

/// 9 held, the leader adds 6 (not copied) and sells 5 of his 15: a third goes, and at his flat the rest.
#[test]
fn close_with_leader_closes_by_his_shares() {
    let mut w = holding("9");
    assert!(leave(&mut w, "s", "close_with_leader").is_empty());
    // What the leader trades, and all that is sent: s is listed before t.
    for (order, side, qty, all) in [
        ("o2", 1, "6", &[(true, "6")][..]),
        ("o3", 2, "5", &[(false, "3"), (false, "5")]),
        ("o4", 2, "12", &[(false, "6"), (false, "10"), (false, "2")]),
    ] {
        let sent = w.leader(order, side, qty, qty, qty);
        assert_eq!(sent.iter().map(|s| (s.buy, s.qty.as_str())).collect::<Vec<_>>(), all, "{order}");
        fill_all(&mut w, &sent);
    }
    assert_eq!(lines(&w)[0], (d("0"), d("0")), "he is short 2 by now, and that is not copied");
    assert_eq!(texts(&w, "left"), [r#"subscription "s" has left: it is flat, and nothing works"#]);
    assert_eq!(refused(&w, Code::Leaving), 2);
}

/// What was kept while the leader turned around is on a side that he closes no more: it is closed when it leaves with him.
/// On his side it goes by his shares.
#[test]
fn what_was_kept_is_closed_where_the_leader_has_turned() {
    for reverse in [false, true] {
        let mut w = World::with(SAME, "", |c| {
            *c = config();
            c.subscriptions[0].reverse = reverse;
        });
        let sent = w.leader("o1", 1, "9", "9", "9");
        fill_all(&mut w, &sent);
        leave(&mut w, "s", "keep");
        let sent = w.leader("o2", 2, "13", "13", "13");
        fill_all(&mut w, &sent);
        let close = one(&leave(&mut w, "s", "close_with_leader"), reverse, "9");
        fill_all(&mut w, &[close]);
        assert_eq!((lines(&w)[0], texts(&w, "left").len()), ((d("0"), d("0")), 2));
        one(&w.leader("o3", 1, "2", "2", "2"), true, "2");
    }
    let mut w = holding("9");
    leave(&mut w, "s", "keep");
    let sent = w.leader("o2", 2, "5", "5", "5");
    fill_all(&mut w, &sent);
    assert!(leave(&mut w, "s", "close_with_leader").is_empty());
    assert_eq!(
        sides(&w.leader("o3", 2, "2", "2", "2")),
        [(false, "5"), (false, "2")],
        "half of 9, whole lots"
    );
}

/// Opens that wait for their route are given up, a close goes out when it is back.
#[test]
fn who_leaves_while_the_route_is_down_is_closed_when_it_is_back() {
    let mut w = holding("5");
    w.rows(&[Row::Logout { session: "R" }]);
    assert!(w.leader("o2", 1, "4", "4", "4").is_empty());
    assert!(leave(&mut w, "s", "close_now").is_empty());
    let sent = w.rows(&[Row::Logon { session: "R" }]);
    let mine: Vec<_> = sent.iter().map(|s| (s.buy, s.qty.as_str())).collect();
    assert!(mine.len() == 2 && mine.contains(&(false, "5")) && mine.contains(&(true, "4")), "{mine:?}");
}

/// A rule can be changed: what was kept is closed after all. The same rule twice changes nothing; a pause is over.
#[test]
fn a_rule_can_be_changed() {
    let mut w = holding("5");
    tell(&mut w, r#"{"cmd":"pause","who":"ann","subscription":"s"}"#);
    leave(&mut w, "s", "keep");
    tell(&mut w, r#"{"cmd":"pause","who":"ann","subscription":"s"}"#);
    assert!(texts(&w, "bad_command")[0].contains("leaves: nothing is opened any more"));
    assert!(w.engine.status().stops.is_empty());
    leave(&mut w, "s", "keep");
    assert!(texts(&w, "leave")[1].contains("leaves by keep already, by ann"));
    one(&leave(&mut w, "s", "close_now"), false, "5");
    let leaving = w.engine.status().leaving;
    assert_eq!((leaving.len(), leaving[0].rule, leaving[0].done), (1, "close_now", false));
    for wrong in [
        r#"{"cmd":"leave","who":"","subscription":"t","rule":"keep"}"#,
        r#"{"cmd":"leave","who":"ann","subscription":"x","rule":"keep"}"#,
        r#"{"cmd":"leave","who":"ann","subscription":"t","rule":"gone"}"#,
        r#"{"cmd":"leave","who":"ann","subscription":"t"}"#,
    ] {
        tell(&mut w, wrong);
    }
    assert_eq!((texts(&w, "bad_command").len(), w.engine.status().leaving.len()), (5, 1));
}

/// The file's `leaving` is followed once: a later command is not undone by a restart, and a line of it that was taken out
/// brings nobody back. Its name cannot be taken out.
#[test]
fn the_configuration_ends_a_subscription() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    fill_all(&mut w, &[open]);
    assert!(start(&mut w, r#","leaving":"keep""#).is_empty());
    assert!(
        texts(&w, "leave")[0].contains("leaves by keep: nothing is opened any more, by the configuration")
    );
    one(&leave(&mut w, "s", "close_now"), false, "5");
    start(&mut w, r#","leaving":"keep""#);
    assert_eq!(w.engine.status().leaving[0].rule, "close_now");
    start(&mut w, "");
    assert!(texts(&w, "leave")[2].contains("leaves also without its line"), "{:?}", texts(&w, "leave"));
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty() && w.engine.status().leaving.len() == 1);
    let mut without = support::config(SAME, "");
    without.subscriptions.clear();
    let said = w.engine.accepts(&without).unwrap_err().to_string();
    assert!(said.contains("`leaving` ends it"), "{said}");
}

/// What a held position means does not change under it; what was kept means nothing here any more.
#[test]
fn only_what_is_worked_holds_back_a_new_configuration() {
    for (rule, accepted) in [("keep", true), ("close_with_leader", false)] {
        let mut w = holding("5");
        leave(&mut w, "s", rule);
        let mut next = config();
        next.subscriptions[0].reverse = true;
        assert_eq!(w.engine.accepts(&next).is_ok(), accepted, "{rule}");
    }
}

/// What was kept is what it was, and where it was: a file that calls it something else is refused, and a close of it later
/// is of what is held.
#[test]
fn what_was_kept_stays_what_it_is() {
    let mut w = holding("5");
    leave(&mut w, "s", "keep");
    let mut other = config();
    other.instruments.push(fastcore::config::InstrumentConfig {
        name: "OTHER".to_owned(),
        ..other.instruments[0].clone()
    });
    other.followers[0].symbols.insert("OTHER".to_owned(), "OTHER".to_owned());
    let map = other.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap();
    map.instrument = "OTHER".to_owned();
    assert!(w.engine.accepts(&other).is_err());
    let mut moved = config();
    moved.followers[0].account = Some("ELSEWHERE".to_owned());
    assert!(w.engine.accepts(&moved).is_err());
    // Flat, it may become another one, and is written as that.
    let closes = leave(&mut w, "s", "close_now");
    fill_all(&mut w, &closes);
    assert!(w.engine.accepts(&other).is_ok());
    let bytes = w.engine.snapshot();
    w.engine = fastcore::engine::Engine::restore(other, &bytes).unwrap();
    assert_eq!(w.engine.status().subscriptions[0].instrument, "OTHER");
}

/// Kept while the leader went flat, then to be closed with him: he is flat, so it is closed.
#[test]
fn who_closes_with_a_flat_leader_closes() {
    let mut w = holding("5");
    leave(&mut w, "s", "keep");
    let other = w.leader("o2", 2, "5", "5", "5");
    fill_all(&mut w, &other);
    one(&leave(&mut w, "s", "close_with_leader"), false, "5");
}

/// A guard that closes everything leaves alone what was kept: a person took it out of our hands.
#[test]
fn no_guard_closes_what_was_kept() {
    for (rule, closes) in [("keep", 0), ("close_with_leader", 1)] {
        let rules = r#"{"rule":"equity_floor","amount":"900","action":"close_all"}"#;
        let guards = format!(r#"{{"zone":"UTC","day_begins_s":0,"max_age_ms":3600000,"rules":[{rules}]}}"#);
        let mut w = World::with(SAME, "", |c| {
            c.followers[0].guards = Some(Box::new(serde_json::from_str(&guards).unwrap()));
            c.followers[0].currency = Some("USD".to_owned());
        });
        tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","equity":"1000"}"#);
        let open = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
        fill_all(&mut w, &[open]);
        leave(&mut w, "s", rule);
        let sent = tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","equity":"800"}"#);
        assert_eq!((sent.len(), w.engine.status().stops.len()), (closes, 1), "{rule}");
        assert_eq!(w.filled(), d("5"));
    }
}
