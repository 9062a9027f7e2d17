//! Closes at venues without a reduce-only tag: never more than what the account holds by its broker's own word.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, SubscriptionConfig};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::{Row, SendKind};
use fastcore::profile::QuantityUnit;
use support::{SAME, Sent, World, config, d, one};

const S: i64 = 1_000_000_000;

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", change)
}

/// A second subscription of the same account to the same leader.
fn twice(c: &mut Config, change: impl FnOnce(&mut SubscriptionConfig)) {
    let mut second = config(SAME, "").subscriptions.remove(0);
    second.name = "s2".to_owned();
    change(&mut second);
    c.subscriptions.push(second);
    c.dispatch = fastcore::config::Dispatch::Listed;
}

/// The venue answers RequestForPositions(AN).
fn answers(c: &mut Config) {
    c.profiles[0].supports.positions = true;
}

/// A PositionReport(AP) of the follower's broker.
fn holds(w: &mut World, long: &str, short: &str) -> Vec<Sent> {
    w.broker(&format!("35=AP|1=F|55=EURUSD|702=1|703=TQ|704={long}|705={short}|"))
}

fn holds_now(w: &World, units: &str) {
    assert_eq!(w.engine.state().holdings[0].positions.get(&0), Some(&d(units)));
}

/// The leader trades; everything of ours is filled at once.
fn copied(w: &mut World, order: &str, side: u8, qty: &str) {
    for s in w.leader(order, side, qty, qty, qty) {
        w.fill(&s, &s.qty.clone(), &s.qty.clone());
    }
}

fn alerts(w: &World, code: &str) -> usize {
    w.alerts.iter().filter(|a| a.code == code).count()
}

fn capped(w: &World) -> Vec<String> {
    w.engine.status().subscriptions.iter().map(|l| l.close_capped.to_string()).collect()
}

fn questions(sent: &[Sent]) -> usize {
    sent.iter().filter(|s| s.kind == SendKind::Other).count()
}

/// Six of ten were sold by hand: the close sells the four that are left, and a person is told of the six, once.
#[test]
fn a_close_sells_no_more_than_the_broker_holds() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    assert!(holds(&mut w, "4", "0").is_empty());
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "4");
    assert_eq!(capped(&w), ["6"]);
    assert!(w.fill(&close, "4", "4").is_empty(), "the broker holds nothing any more");
    assert_eq!((w.filled(), capped(&w)), (d("6"), vec!["6".to_owned()]));
    let told: Vec<_> = w.alerts.iter().filter(|a| a.code == "close_capped").collect();
    assert_eq!(told.len(), 1, "{told:?}");
    for part in ["f:", "EURUSD", "6 units", "as soon as"] {
        assert!(told[0].text.contains(part), "{part:?} is not in {:?}", told[0].text);
    }
}

/// Whatever was traded by hand, the account is never turned to the other side.
#[test]
fn a_close_never_turns_an_account() {
    for (long, short) in [("0", "0"), ("0", "3")] {
        let mut w = with(|_| {});
        copied(&mut w, "o1", 1, "10");
        holds(&mut w, long, short);
        assert!(w.leader("o2", 2, "10", "10", "10").is_empty(), "the broker holds {long} and -{short}");
        assert_eq!((capped(&w), alerts(&w, "close_capped")), (vec!["10".to_owned()], 1));
    }
}

/// A short is closed by buys: the cap is the short position. Quantities are in the venue's lots.
#[test]
fn a_short_is_capped_by_the_short_position_in_the_venues_unit() {
    let mut w = with(|c| {
        c.instruments[0].contract_size = d("1000");
        c.profiles[0].quantity_unit = QuantityUnit::Lots;
    });
    copied(&mut w, "o1", 2, "10");
    holds(&mut w, "0", "7");
    one(&w.leader("o2", 1, "10", "10", "10"), true, "7");
    assert_eq!(capped(&w), ["3000"]);
}

/// Where the venue itself keeps a close from opening, it is sent whole.
#[test]
fn a_close_with_a_reduce_only_tag_is_not_capped() {
    let mut w = with(|c| c.profiles[0].reduce_only = Some((77, "C".to_owned())));
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "4", "0");
    one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
}

/// No report, no cap; one of another account or symbol says nothing about this one.
#[test]
fn a_position_that_was_never_reported_caps_nothing() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    w.broker("35=AP|1=G|55=EURUSD|702=1|703=TQ|704=4|705=0|");
    w.broker("35=AP|1=F|55=GBPUSD|702=1|703=TQ|704=4|705=0|");
    one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    assert_eq!(alerts(&w, "close_capped"), 0);
}

/// Where positions are kept apart, one report is one of several and proves nothing about the sum.
#[test]
fn one_position_of_a_hedging_account_caps_nothing() {
    let mut w = with(|c| c.profiles[0].position_model = fastcore::profile::PositionModel::Hedging);
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    let id = &open.id;
    w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=X1|150=F|39=2|55=EURUSD|54=1|38=10|32=10|31=1.1|14=10|151=0|721=P1|"
    ));
    holds(&mut w, "4", "0");
    one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
}

/// An old report does not cap what was opened after it, nor does it allow again what was closed after it.
#[test]
fn fills_after_a_report_move_what_the_broker_holds() {
    let mut w = with(|_| {});
    holds(&mut w, "0", "0");
    copied(&mut w, "o1", 1, "10");
    copied(&mut w, "o2", 2, "4");
    assert_eq!((w.filled(), alerts(&w, "close_capped")), (d("6"), 0));
    holds(&mut w, "5", "0");
    copied(&mut w, "o3", 1, "3");
    copied(&mut w, "o4", 2, "2");
    one(&w.leader("o5", 2, "7", "7", "7"), false, "6");
}

/// A fill that the broker takes back is not held any more.
#[test]
fn a_bust_moves_what_the_broker_holds() {
    let mut w = with(|_| {});
    holds(&mut w, "0", "0");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.fill(&open, "10", "10");
    let (id, exec) = (&open.id, w.exec);
    copied(&mut w, "o2", 1, "5");
    w.broker(&format!("35=8|37=B{id}|11={id}|17=H1|19=X{exec}|150=H|39=4|54=1|38=10|32=10|14=0|"));
    assert_eq!(w.filled(), d("5"));
    holds_now(&w, "5");
    one(&w.leader("o3", 2, "15", "15", "15"), false, "5");
}

/// Two subscriptions of one account that close together sell what it holds, not twice what it holds.
#[test]
fn two_subscriptions_share_what_their_account_holds() {
    let mut w = with(|c| twice(c, |_| {}));
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "15", "0");
    let sent = w.leader("o2", 2, "10", "10", "10");
    let sells: i64 = sent.iter().map(|s| if s.buy { 0 } else { s.qty.parse::<i64>().unwrap() }).sum();
    assert_eq!(sells, 15, "{sent:?}");
    assert_eq!(alerts(&w, "close_capped"), 1);
    for s in &sent {
        assert!(w.fill(s, &s.qty, &s.qty).is_empty());
    }
}

/// What one subscription lost by hand is not taken from another that goes on holding.
#[test]
fn a_capped_close_takes_nothing_from_another_subscription() {
    let mut w = with(|c| {
        twice(c, |s| s.leader = "l2".to_owned());
        let mut second = c.leaders[0].clone();
        (second.name, second.session) = ("l2".to_owned(), "L2".to_owned());
        c.leaders.push(second);
    });
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "4", "0");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "4");
    w.fill(&close, "4", "4");
    w.exec += 1;
    let (e, mut time) = (w.exec, Vec::new());
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    let trade = support::fix(&format!(
        "35=8|34={e}|37=p1|17=E{e}|150=F|39=2|55=EURUSD|54=1|38=6|32=6|31=1.1|14=6|151=0|60={time}|"
    ));
    let open = one(&w.apply(EventKind::Leader, "L2", &trade), true, "6");
    assert!(w.fill(&open, "6", "6").is_empty(), "the six are the other subscription's");
    assert!(holds(&mut w, "6", "0").is_empty());
    assert_eq!(holds(&mut w, "9", "0").len(), 1, "three were bought back by hand");
}

/// Subscriptions that hold against each other show nothing at the broker; both can be closed.
#[test]
fn positions_that_cancel_out_can_be_closed() {
    let mut w = with(|c| twice(c, |s| s.reverse = true));
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "0", "0");
    let sent = w.leader("o2", 2, "10", "10", "10");
    assert_eq!(
        sent.iter().map(|s| (s.buy, s.qty.as_str())).collect::<Vec<_>>(),
        [(false, "10"), (true, "10")]
    );
    // Three of the first were sold by hand: its close sells seven, whatever the other holds.
    let mut w = with(|c| twice(c, |s| s.reverse = true));
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "0", "3");
    let sent = w.leader("o2", 2, "10", "10", "10");
    assert_eq!(
        sent.iter().map(|s| (s.buy, s.qty.as_str())).collect::<Vec<_>>(),
        [(false, "7"), (true, "10")]
    );
}

/// A flip is a close and an open: only the close is capped.
#[test]
fn a_flip_opens_beyond_what_the_broker_holds() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "10", "0");
    let sent = w.leader("o2", 2, "15", "15", "15");
    assert_eq!(
        sent.iter().map(|s| (s.buy, s.qty.as_str())).collect::<Vec<_>>(),
        [(false, "10"), (false, "5")]
    );
    assert_eq!(alerts(&w, "close_capped"), 0);
}

/// While a part of the close is not sent, the open of a flip waits: it would be counted as the missing close.
#[test]
fn the_open_of_a_flip_waits_for_its_capped_close() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "4", "0");
    let close = one(&w.leader("o2", 2, "15", "15", "15"), false, "4");
    assert!(w.fill(&close, "4", "4").is_empty());
    let sent = holds(&mut w, "6", "0");
    assert_eq!(
        sent.iter().map(|s| (s.buy, s.qty.as_str())).collect::<Vec<_>>(),
        [(false, "6"), (false, "5")]
    );
    for s in &sent {
        w.fill(s, &s.qty, &s.qty);
    }
    assert_eq!((w.filled(), w.target()), (d("-5"), d("-5")));

    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "4", "0");
    let close = one(&w.leader("o2", 2, "15", "15", "15"), false, "4");
    w.fill(&close, "4", "4");
    let end = w.now + 100 * S;
    w.run_to(end);
    assert_eq!(w.target(), d("0"), "the open was too late, as any open that waits");
    one(&holds(&mut w, "6", "0"), false, "6");
}

/// A report that allows more sends the rest at once; a person is told again only when it begins anew.
#[test]
fn a_larger_position_sends_the_rest_at_once() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "4", "0");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "4");
    w.fill(&close, "4", "4");
    one(&holds(&mut w, "2", "0"), false, "2");
    assert_eq!((capped(&w), alerts(&w, "close_capped")), (vec!["4".to_owned()], 1));
    let rest = one(&holds(&mut w, "6", "0"), false, "4");
    assert_eq!(capped(&w), ["0"]);
    w.fill(&rest, "4", "4");
    assert_eq!(w.target(), d("0"));
}

/// A report that was sent before a fill which overtook it caps a close for as long as it is the last word, and no longer.
#[test]
fn a_report_that_a_fill_overtook_is_healed_by_the_next() {
    let mut w = with(answers);
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "0", "0"); // from before the fill
    let sent = w.leader("o2", 2, "10", "10", "10");
    assert_eq!((sent.len(), questions(&sent), alerts(&w, "close_capped")), (1, 1, 1), "{sent:?}");
    one(&holds(&mut w, "10", "0"), false, "10");
    assert_eq!(capped(&w), ["0"]);
}

/// While a close is capped the broker is asked again and again, with pauses; not any more when it is not.
#[test]
fn the_broker_of_a_capped_close_is_asked_until_it_is_sent() {
    let mut w = with(answers);
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "4", "0");
    w.leader("o2", 2, "10", "10", "10");
    let end = w.now + 100 * S;
    assert_eq!(questions(&w.run_to(end)), 3);
    let rest = holds(&mut w, "10", "0");
    assert_eq!(rest.len(), 1, "{rest:?}");
    let end = w.now + 200 * S;
    assert_eq!(questions(&w.run_to(end)), 0);
}

/// When a session logs on, what its followers hold may have been traded by hand meanwhile: holders are asked for.
#[test]
fn a_logon_asks_what_the_followers_hold() {
    let logon = |w: &mut World| w.rows(&[Row::Logout { session: "R" }, Row::Logon { session: "R" }]);
    let mut w = with(answers);
    assert_eq!(questions(&logon(&mut w)), 0, "nothing is held");
    copied(&mut w, "o1", 1, "10");
    let sent = logon(&mut w);
    assert_eq!(questions(&sent), 1);
    let asked = sent.iter().find(|s| s.kind == SendKind::Other).unwrap();
    let answer = format!("35=AP|1=F|55=EURUSD|710={}|728=0|727=1|702=1|703=TQ|704=4|705=0|", asked.id);
    w.broker(&answer);
    let sent = w.leader("o2", 2, "10", "10", "10");
    assert_eq!((sent.last().unwrap().qty.as_str(), questions(&sent)), ("4", 1), "{sent:?}");
    let released = w.apply(EventKind::Operator, "", br#"{"cmd":"kill","who":"ann","level":"halt"}"#);
    let sent = w.apply(EventKind::Operator, "", br#"{"cmd":"arm","who":"ann"}"#);
    assert_eq!((questions(&released), questions(&sent)), (0, 0), "a release changes nothing at the broker");
    for change in [
        (|_: &mut Config| {}) as fn(&mut Config), // the venue answers no such question
        |c| {
            answers(c);
            c.profiles[0].reduce_only = Some((77, "C".to_owned())); // nothing is capped
        },
    ] {
        let mut w = with(change);
        copied(&mut w, "o1", 1, "10");
        assert_eq!(questions(&logon(&mut w)), 0);
    }
}

/// A complete answer that does not name an instrument says that none of it is held.
#[test]
fn an_instrument_that_an_answer_does_not_name_is_not_held() {
    let mut w = with(answers);
    copied(&mut w, "o1", 1, "10");
    w.broker("35=AP|1=F|710=Q1|728=2|727=0|702=0|");
    let sent = w.leader("o2", 2, "10", "10", "10");
    assert_eq!((sent.len(), questions(&sent)), (1, 1), "only the question: {sent:?}");
}

/// What a broker said about one account is not taken for another that a reload puts in its place.
#[test]
fn a_reload_forgets_what_another_account_held() {
    let mut w = with(|_| {});
    holds(&mut w, "0", "0");
    let start = |w: &mut World, account: &str, epoch: u64| {
        let text =
            support::config_text(SAME, "").replace(r#""account":"F""#, &format!(r#""account":"{account}""#));
        w.apply(EventKind::Start, "", format!(r#"{{"epoch":{epoch},"config":{text}}}"#).as_bytes());
        let hello = fastcore::link::encode_hello("r", 7, 1, w.row + 1, 0, &["R"]).unwrap();
        w.apply(EventKind::Link, "r", &hello);
        w.rows(&[Row::Sync { incarnation: 7, epoch }]);
    };
    start(&mut w, "F", 1);
    holds(&mut w, "0", "5");
    start(&mut w, "G", 2);
    copied(&mut w, "o1", 1, "10");
    one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    // The same account keeps what is known of it.
    let mut w = with(|_| {});
    holds(&mut w, "0", "5");
    start(&mut w, "F", 1);
    copied(&mut w, "o1", 1, "10");
    one(&w.leader("o2", 2, "10", "10", "10"), false, "5");
}

/// What the broker holds, and that a close is capped, survive in a snapshot.
#[test]
fn a_snapshot_keeps_what_the_broker_holds() {
    let mut w = with(|_| {});
    copied(&mut w, "o1", 1, "10");
    holds(&mut w, "4", "0");
    w.engine = Engine::restore(config(SAME, ""), &w.engine.snapshot()).unwrap();
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "4");
    w.fill(&close, "4", "4");
    w.engine = Engine::restore(config(SAME, ""), &w.engine.snapshot()).unwrap();
    assert_eq!(capped(&w), ["6"]);
    one(&holds(&mut w, "6", "0"), false, "6");
    assert_eq!(alerts(&w, "close_capped"), 1);
}
