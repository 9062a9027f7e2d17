//! Orders in doubt at a venue that answers no OrderStatusRequest(H): one OrderMassStatusRequest(AF) asks for all, and where
//! its answer covers working orders only, the account's position decides, or a person.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::link::{Row, SendKind};
use fastcore::order::State;
use fastcore::profile::{AccountField, FillQty, QueryCovers, Recovery};
use support::{SAME, Sent, World, add_second, d, one, tell, texts};

const S: i64 = 1_000_000_000;

/// A venue that answers AF and not H; its answers cover every order of the day.
fn all(change: impl FnOnce(&mut Config)) -> World {
    World::with(SAME, "", |c| {
        (c.profiles[0].supports.status_request, c.profiles[0].supports.mass_status) = (false, true);
        change(c);
    })
}

/// The same; its answers cover working orders only, and it tells positions.
fn working(change: impl FnOnce(&mut Config)) -> World {
    let mut w = all(|c| {
        c.profiles[0].query_covers = QueryCovers::Working;
        c.profiles[0].supports.positions = true;
        c.reconcile.every_ms = 600_000;
        change(c);
    });
    w.rows(&[Row::Logon { session: "R" }]);
    w
}

fn state(w: &World, o: usize) -> State {
    w.engine.state().orders[o].state
}

fn tag(s: &Sent, tag: &str) -> String {
    let begin = format!("|{tag}=");
    let at = s.text.find(&begin).unwrap_or_else(|| panic!("no {tag} in {}", s.text));
    s.text[at + begin.len()..].split('|').next().unwrap().to_owned()
}

fn of(sent: Vec<Sent>, msg_type: &str) -> Vec<Sent> {
    sent.into_iter().filter(|s| tag(s, "35") == msg_type).collect()
}

/// The next question about orders: time runs until it is asked.
fn asked(w: &mut World) -> Sent {
    for _ in 0..50 {
        w.now = w.now.max(w.engine.next_due_ns().unwrap());
        let mut found = of(w.apply(fastcore::event::EventKind::Timer, "", b""), "AF");
        if let Some(first) = found.pop() {
            assert!(found.is_empty(), "one question for all");
            return first;
        }
    }
    panic!("never asked");
}

/// The answer that no order is there.
fn none(w: &mut World, question: &Sent) -> Vec<Sent> {
    let id = tag(question, "584");
    w.broker(&format!("35=8|37=NONE|17=0|150=I|39=8|103=5|54=1|38=0|14=0|584={id}|911=0|912=Y|"))
}

/// One report of an answer with so many.
fn lists(w: &mut World, question: &Sent, order: &str, (n, of): (u32, u32)) -> Vec<Sent> {
    let (id, last) = (tag(question, "584"), if n == of { "Y" } else { "N" });
    w.broker(&format!("35=8|17=L{n}|150=I|{order}|54=1|584={id}|911={of}|912={last}|"))
}

/// An open of 10 that left.
fn open(w: &mut World) -> Sent {
    let sent = w.leader("o1", 1, "10", "10", "10");
    let open = one(&sent.into_iter().filter(|s| s.kind == SendKind::New).collect::<Vec<_>>(), true, "10");
    w.out(&open);
    open
}

fn alerts(w: &World, code: &str) -> usize {
    w.alerts.iter().filter(|a| a.code == code).count()
}

/// Both followers' orders of one route are in doubt: one AF asks for each account, and names it; no H leaves.
#[test]
fn one_question_for_each_account_asks_for_all_orders_in_doubt() {
    let mut w = all(add_second);
    for n in 0..3 {
        for s in w.leader(&format!("o{n}"), 1, "10", "10", "10") {
            w.out(&s);
        }
    }
    let asked = w.run_to(w.now + 6 * S);
    assert!(asked.iter().all(|s| s.kind == SendKind::Status), "{asked:?}");
    let accounts: Vec<String> = asked.iter().map(|s| tag(s, "1")).collect();
    assert_eq!(accounts, ["F", "G"], "{asked:?}");
    assert!(asked.iter().all(|s| tag(s, "35") == "AF" && tag(s, "585") == "7"));
    let again = w.run_to(w.now + 5 * S);
    assert_eq!(again.len(), 2, "asked again once for each account: {again:?}");
    assert_ne!(tag(&again[0], "584"), tag(&asked[0], "584"));
}

/// Where our messages name no account, one question asks for the whole session.
#[test]
fn a_session_that_names_no_account_is_asked_once() {
    let mut w = all(|c| {
        add_second(c);
        c.profiles[0].account_on_order = false;
        c.profiles[0].account_field = AccountField::CompId;
    });
    for s in w.leader("o1", 1, "10", "10", "10") {
        w.out(&s);
    }
    let asked = w.run_to(w.now + 6 * S);
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert!(!asked[0].text.contains("|1="));
}

/// What the answer names is settled by it: working, filled, cancelled.
#[test]
fn an_order_that_is_listed_is_what_the_list_says() {
    for (listed, after, filled) in [
        ("39=0|14=0|38=10", State::Acknowledged, "0"),
        ("39=1|14=4|38=10", State::PartlyFilled, "4"),
        ("39=2|14=10|38=10", State::Filled, "10"),
        ("39=4|14=0|38=10", State::Canceled, "0"),
    ] {
        let mut w = all(|_| {});
        let open = open(&mut w);
        let question = asked(&mut w);
        let sent = lists(&mut w, &question, &format!("37=B1|11={}|{listed}", open.id), (1, 1));
        assert!(sent.is_empty(), "{listed}: {sent:?}");
        assert_eq!((state(&w, 0), w.filled()), (after, d(filled)), "{listed}");
    }
}

/// A venue prints no ClOrdID(11) there (cTrader's own example): the order is found by the broker's name for it.
#[test]
fn an_order_that_is_listed_without_our_name_is_found_by_the_brokers() {
    let mut w = all(|c| c.profiles[0].recovery = Recovery::None);
    let open = open(&mut w);
    w.acknowledge(&open);
    let sent = w.rows(&[Row::Logon { session: "R" }]);
    assert_eq!((state(&w, 0), sent.len()), (State::Unknown, 1));
    let listed = format!("37=B{}|39=0|38=10|14=0|40=2|44=1.35265|55=EURUSD|59=1|721=617", open.id);
    lists(&mut w, &sent[0], &listed, (1, 1));
    assert_eq!(state(&w, 0), State::Acknowledged);
}

/// "Not known" counts twice, a settle time apart, and only from complete answers: then the order goes out again, once.
#[test]
fn what_a_complete_answer_leaves_out_is_not_known() {
    let mut w = all(|_| {});
    let open = open(&mut w);
    let first = asked(&mut w);
    assert!(none(&mut w, &first).is_empty(), "the settle time begins");
    assert!(none(&mut w, &first).is_empty(), "the same answer again");
    let second = asked(&mut w);
    let again = one(&none(&mut w, &second), true, "10");
    assert_eq!((again.id.as_str(), again.try_no), (open.id.as_str(), 2));
    assert!(none(&mut w, &second).is_empty());
    w.out(&again);
    assert!(none(&mut w, &second).is_empty(), "an answer to a question about the earlier try");
    let third = asked(&mut w);
    assert!(none(&mut w, &third).is_empty(), "the first about this try");
}

/// An answer to an older question proves nothing.
#[test]
fn the_answer_to_an_older_question_proves_no_absence() {
    let mut w = all(|_| {});
    let _open = open(&mut w);
    let old = asked(&mut w);
    none(&mut w, &old);
    let _new = asked(&mut w);
    for _ in 0..3 {
        assert!(none(&mut w, &old).is_empty());
    }
    assert_eq!(state(&w, 0), State::Unknown);
}

/// One report of several is no answer yet, the same one twice is one, and a last one behind a hole is the end of nothing.
#[test]
fn an_answer_with_a_hole_proves_no_absence() {
    let mut w = all(|_| {});
    let open = open(&mut w);
    let first = asked(&mut w);
    none(&mut w, &first);
    let second = asked(&mut w);
    for n in [1, 1, 1, 3] {
        let sent = lists(&mut w, &second, &format!("37=X{n}|11=other{n}|39=0|38=1|14=0"), (n, 3));
        assert!(sent.is_empty(), "report {n}");
    }
    let sent = lists(&mut w, &second, "37=X2|11=other2|39=0|38=1|14=0", (2, 3));
    assert_eq!(one(&sent, true, "10").id, open.id, "all three are there, and none is ours");
}

/// Behind a logon or a gap, what was asked before may be answered in part: it counts no more.
#[test]
fn an_answer_that_a_logon_cut_proves_no_absence() {
    for cut in [Row::Logon { session: "R" }, Row::Gap { session: "R", from: 1, to: 2 }] {
        let mut w = all(|_| {});
        let _open = open(&mut w);
        let first = asked(&mut w);
        none(&mut w, &first);
        let second = asked(&mut w);
        w.rows(&[cut]);
        assert!(none(&mut w, &second).iter().all(|s| s.kind != SendKind::New));
        assert_eq!(state(&w, 0), State::Unknown);
    }
}

/// An order without our name may be ours: nothing is sent again, and a person is told once.
#[test]
fn a_listed_order_without_a_name_may_be_the_one_in_doubt() {
    let mut w = all(|_| {});
    let _open = open(&mut w);
    for _ in 0..4 {
        let question = asked(&mut w);
        assert!(lists(&mut w, &question, "37=X1|39=0|38=10|14=0|55=EURUSD", (1, 1)).is_empty());
    }
    assert_eq!(state(&w, 0), State::Unknown);
    assert_eq!(texts(&w, "unknown_order").len(), 1, "{:?}", w.alerts);
}

/// An empty answer may come as 35=j. Its text counts where the profile knows it; any other refusal proves nothing.
#[test]
fn a_reject_that_says_no_orders_is_an_answer_and_another_is_none() {
    for (text, known, sent_again) in [
        ("380=0|58=ORDER_NOT_FOUND:no orders found", Some("ORDER_NOT_FOUND"), true),
        ("380=0|58=ORDER_NOT_FOUND:no orders found", None, false),
        ("380=1|58=unknown id", None, true),
        ("380=3|58=unsupported message type", Some("ORDER_NOT_FOUND"), false),
    ] {
        let mut w = all(|c| c.profiles[0].no_orders_text = known.map(str::to_owned));
        let open = open(&mut w);
        let mut sent = Vec::new();
        for _ in 0..2 {
            let question = asked(&mut w);
            let id = tag(&question, "584");
            sent = w.broker(&format!("35=j|372=AF|379={id}|{text}|"));
        }
        assert_eq!(sent.first().map(|s| s.id.clone()), sent_again.then_some(open.id), "{text} {known:?}");
        assert_eq!(alerts(&w, "query_rejected"), if sent_again { 0 } else { 2 });
    }
}

// Where the answers know working orders only.

/// A position of the account, as the answer to the newest question; none was asked: as news.
fn holds(w: &mut World, question: &str, long: &str) -> Vec<Sent> {
    w.broker(&format!("35=AP|710={question}|1=F|55=EURUSD|727=1|728=0|702=1|703=TQ|704={long}|705=0|"))
}

/// The next question for positions.
fn positions_asked(w: &mut World) -> String {
    for _ in 0..50 {
        w.now = w.now.max(w.engine.next_due_ns().unwrap());
        if let Some(s) = of(w.apply(fastcore::event::EventKind::Timer, "", b""), "AN").pop() {
            return tag(&s, "710");
        }
    }
    panic!("never asked");
}

/// An open of 10 that is known not to work; the account was ours before, if so said. Gives the question for its position.
fn idle(w: &mut World, ours: bool) -> (Sent, String) {
    if ours {
        holds(w, "news", "0");
    }
    let open = open(w);
    let first = asked(w);
    assert!(of(none(w, &first), "AN").is_empty(), "the settle time begins");
    let second = asked(w);
    let sent = of(none(w, &second), "AN");
    let question = sent.first().map_or(String::new(), |s| tag(s, "710"));
    (open, question)
}

/// The account holds what the order was for, twice: it was filled, and the books follow. A late report changes nothing.
#[test]
fn a_position_that_moved_by_the_order_says_that_it_was_filled() {
    let mut w = working(|_| {});
    let (open, question) = idle(&mut w, true);
    holds(&mut w, &question, "10");
    assert_eq!(state(&w, 0), State::Unknown, "said once");
    let question = positions_asked(&mut w);
    assert!(holds(&mut w, &question, "10").iter().all(|s| s.kind != SendKind::New));
    assert_eq!((state(&w, 0), w.filled(), w.target()), (State::Filled, d("10"), d("10")));
    assert_eq!(w.engine.state().holdings[0].positions[&0], d("10"), "the fill is not counted twice");
    assert_eq!((alerts(&w, "order_settled"), alerts(&w, "position_break")), (1, 0));
    w.fill(&open, "10", "10");
    assert_eq!(w.filled(), d("10"), "its own report comes late");
    // What was settled is what the broker holds: the next order can be told apart as well.
    let sent = w.leader("o2", 2, "10", "10", "10");
    w.out(&one(&sent.into_iter().filter(|s| s.kind == SendKind::New).collect::<Vec<_>>(), false, "10"));
    assert_eq!(gone(&mut w, "10").try_no, 2);
}

/// The account holds what it held, twice: the order is gone, and goes out again under its own name while it is fresh.
#[test]
fn a_position_that_did_not_move_says_that_it_is_gone() {
    let mut w = working(|_| {});
    let (open, question) = idle(&mut w, true);
    assert!(holds(&mut w, &question, "0").iter().all(|s| s.kind != SendKind::New), "said once");
    let question = positions_asked(&mut w);
    let sent: Vec<Sent> =
        holds(&mut w, &question, "0").into_iter().filter(|s| s.kind == SendKind::New).collect();
    assert_eq!((one(&sent, true, "10").id, sent[0].try_no), (open.id, 2));
}

/// What answers an older question, or none, is too old to prove anything; so is what comes too soon behind the first.
#[test]
fn only_answers_to_the_newest_question_count() {
    let mut w = working(|_| {});
    let (_open, question) = idle(&mut w, true);
    for other in ["news", "Q1.0", ""] {
        holds(&mut w, other, "0");
        w.now += S;
    }
    holds(&mut w, &question, "0");
    w.now += 4 * S;
    holds(&mut w, &question, "0");
    assert_eq!(state(&w, 0), State::Unknown, "the same question answered twice is said once");
}

/// A fill of another order between the two words makes the first say nothing.
#[test]
fn two_words_that_differ_say_nothing() {
    let mut w = working(|_| {});
    let (_open, question) = idle(&mut w, true);
    holds(&mut w, &question, "0");
    let question = positions_asked(&mut w);
    holds(&mut w, &question, "10");
    assert_eq!(state(&w, 0), State::Unknown);
    let question = positions_asked(&mut w);
    holds(&mut w, &question, "10");
    assert_eq!(state(&w, 0), State::Filled);
}

/// A fill of the account between both words: the first one was about another position, also where it said the same.
#[test]
fn a_fill_between_two_words_begins_anew() {
    let mut w = working(|_| {});
    let early: Vec<Sent> =
        w.leader("o0", 1, "3", "3", "3").into_iter().filter(|s| s.kind == SendKind::New).collect();
    w.out(&early[0]);
    w.broker(&format!("35=8|37=B|11={}|17=C|150=4|39=4|55=EURUSD|54=1|38=3|14=0|151=0|", early[0].id));
    let (_open, question) = idle(&mut w, true);
    holds(&mut w, &question, "0");
    w.fill(&early[0], "3", "3"); // after its end: the books follow the broker
    let question = positions_asked(&mut w);
    holds(&mut w, &question, "3");
    assert_eq!(state(&w, 1), State::Unknown, "said once of this position");
    let question = positions_asked(&mut w);
    holds(&mut w, &question, "3");
    assert_ne!(state(&w, 1), State::Unknown);
}

/// Two orders in doubt on one position: whichever it was, the position does not say which.
#[test]
fn two_orders_on_one_position_are_not_told_apart() {
    let mut w = working(|c| {
        let mut second = c.subscriptions[0].clone();
        second.name = "t".to_owned();
        c.subscriptions.push(second);
    });
    holds(&mut w, "news", "0");
    for s in w.leader("o1", 1, "10", "10", "10").into_iter().filter(|s| s.kind == SendKind::New) {
        w.out(&s);
    }
    for _ in 0..2 {
        let question = asked(&mut w);
        none(&mut w, &question);
    }
    for _ in 0..2 {
        w.now += 4 * S;
        assert!(holds(&mut w, "news", "0").iter().all(|s| s.kind != SendKind::New));
    }
    assert_eq!([0, 1].map(|o| state(&w, o)), [State::Unknown; 2]);
    assert_eq!(alerts(&w, "unknown_order"), 2);
}

/// Each case in which the position cannot tell: held, told once, sent again never, and ended by a person's word.
#[test]
fn what_cannot_be_told_apart_is_held_and_told() {
    type Case = (&'static str, bool, fn(&mut Config), &'static str);
    let cases: [Case; 4] = [
        ("no word from before", false, |_| {}, "was not known to be ours"),
        ("no positions", true, |c| c.profiles[0].supports.positions = false, "tells no position"),
        ("a part", true, |_| {}, "neither with it nor without it"),
        ("last quantities", true, |c| c.profiles[0].fill_qty = FillQty::LastQty, "would count twice"),
    ];
    for (name, ours, change, why) in cases {
        let mut w = working(change);
        let (_open, question) = idle(&mut w, ours);
        let mut sent = Vec::new();
        for _ in 0..3 {
            sent.extend(holds(&mut w, &question, "6"));
            let again = asked(&mut w);
            sent.extend(none(&mut w, &again));
        }
        assert!(sent.iter().all(|s| s.kind != SendKind::New), "{name}: {sent:?}");
        assert_eq!(state(&w, 0), State::Unknown, "{name}");
        let told = texts(&w, "unknown_order");
        assert_eq!(told.len(), 1, "{name}: {told:?}");
        assert!(
            told[0].contains(why) && told[0].contains("reconcile f EURUSD --remedy filled, or gone"),
            "{told:?}"
        );
    }
}

/// A difference that was there before the order left is no fill of it.
#[test]
fn an_account_that_somebody_else_traded_before_proves_nothing() {
    let mut w = working(|_| {});
    holds(&mut w, "news", "0");
    w.now += S;
    holds(&mut w, "news", "10");
    let (_open, question) = idle(&mut w, false);
    assert_eq!(question, "");
    assert_eq!(state(&w, 0), State::Unknown);
    assert!(texts(&w, "unknown_order")[0].contains("was not known to be ours"));
}

fn said(w: &mut World, remedy: &str) -> Vec<Sent> {
    tell(
        w,
        &format!(
            r#"{{"cmd":"reconcile","who":"ann","follower":"f","instrument":"EURUSD","remedy":"{remedy}"}}"#
        ),
    )
}

/// A person says what became of it: the books follow, and what is still wanted has another name.
#[test]
fn a_person_says_what_became_of_an_order() {
    let mut w = working(|_| {});
    idle(&mut w, false);
    said(&mut w, "filled");
    assert_eq!((state(&w, 0), w.filled()), (State::Filled, d("10")));
    said(&mut w, "filled");
    assert!(texts(&w, "bad_command")[0].contains("no order is in doubt"));

    let mut w = working(|_| {});
    let (open, _) = idle(&mut w, false);
    let sent: Vec<Sent> = said(&mut w, "gone").into_iter().filter(|s| s.kind == SendKind::New).collect();
    assert!(state(&w, 0).is_done());
    assert_ne!(one(&sent, true, "10").id, open.id, "fresh, and still wanted");
}

/// A close is never lost: what the position proves gone is sent again, and what the broker had before has another name then.
#[test]
fn a_close_that_the_broker_had_before_comes_under_another_name() {
    let mut w = working(|_| {});
    holds(&mut w, "news", "0");
    let open = open(&mut w);
    w.fill(&open, "10", "10");
    w.now += S;
    holds(&mut w, "news", "10");
    w.now += S;
    let sent: Vec<Sent> =
        w.leader("o2", 2, "10", "10", "10").into_iter().filter(|s| s.kind == SendKind::New).collect();
    let close = one(&sent, false, "10");
    w.out(&close);
    let again = gone(&mut w, "10");
    assert_eq!((again.id.as_str(), again.try_no, again.buy), (close.id.as_str(), 2, false));
    w.out(&again);
    let id = &again.id;
    w.broker(&format!("35=8|37=NONE|11={id}|17=R1|150=8|39=8|103=6|55=EURUSD|54=2|38=10|14=0|"));
    let other = gone(&mut w, "10");
    assert_eq!((other.qty.as_str(), other.buy), ("10", false));
    assert_ne!(other.id, close.id);
}

/// Asked, not listed, and the position stays: what is sent then.
fn gone(w: &mut World, long: &str) -> Sent {
    let (mut sent, mut asked) = (Vec::new(), 0);
    while sent.iter().all(|s: &Sent| s.kind != SendKind::New) {
        asked += 1;
        assert!(asked < 40, "{sent:?}");
        w.now = w.now.max(w.engine.next_due_ns().unwrap());
        for s in w.apply(fastcore::event::EventKind::Timer, "", b"") {
            let mut questions = vec![s];
            while let Some(s) = questions.pop() {
                match tag(&s, "35").as_str() {
                    "AF" => questions.extend(none(w, &s)),
                    "AN" => questions.extend(holds(w, &tag(&s, "710"), long)),
                    _ => sent.push(s),
                }
            }
        }
    }
    sent.into_iter().find(|s| s.kind == SendKind::New).unwrap()
}

/// The venue answers neither H nor AF: told at once what to do, and a person's word ends it.
#[test]
fn a_venue_that_answers_no_question_is_settled_by_a_person() {
    let mut w = World::with(SAME, "", |c| c.profiles[0].supports.status_request = false);
    open(&mut w);
    assert!(w.run_to(w.now + 60 * S).is_empty());
    assert!(texts(&w, "unknown_order")[0].contains("reconcile f EURUSD --remedy filled, or gone"));
    said(&mut w, "filled");
    assert_eq!((state(&w, 0), w.filled()), (State::Filled, d("10")));
}
