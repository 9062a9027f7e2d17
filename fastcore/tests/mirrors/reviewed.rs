//! Mirrors whose orders are replaced, lost, forgotten or held back while the other side acts.

use crate::play::*;
use crate::support::{Sent, World, add_second, d, tell};
use fastcore::decimal::Dec;
use fastcore::link::Row;

const SECOND: i64 = 1_000_000_000;

/// Both hold `qty`.
fn held(w: &mut World, qty: &str) {
    let open = w.leader("first", 1, qty, qty, qty);
    w.out(&open[0]);
    w.fill(&open[0], qty, qty);
    assert_eq!(w.filled(), d(qty));
}

/// The order under the name of a request that was accepted.
fn renamed(m: &Sent, by: &Sent) -> Sent {
    Sent { id: by.id.clone(), qty: by.qty.clone(), ..m.clone() }
}

/// The broker says "unknown" to the newest question about an order.
fn unknown(w: &mut World, asked: &Sent) -> Vec<Sent> {
    w.exec += 1;
    let (e, id) = (w.exec, crate::support::field(asked.text.replace('|', "\u{1}").as_bytes(), "11"));
    let no = asked.id.rsplit_once('.').map(|(_, no)| no.to_owned()).unwrap();
    w.broker(&format!("35=8|37=NONE|11={id}|17=S{e}|150=I|39=8|103=5|55=EURUSD|54=1|38=0|14=0|790={no}|"))
}

/// It was at the broker, was replaced and filled in part, and is gone: what is left of it is placed anew, as an order of its
/// own. Sent again as it once was it would be larger than what is held.
#[test]
fn what_the_broker_has_lost_is_placed_anew_with_what_is_left() {
    let mut w = world("");
    held(&mut w, "10");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let r = only(&replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.05|59=1|"), "replace sell 10 3 /1.05 1");
    assert!(accepted(&mut w, &stop, &r, "0").is_empty());
    assert!(w.fill(&renamed(&stop, &r), "4", "4").is_empty());
    let first = only(&w.rows(&[Row::Gap { session: "R", from: 1, to: 2 }]), "status");
    assert!(unknown(&mut w, &first).is_empty(), "not settled");
    let again = only(&w.run_to(w.now + 6 * SECOND), "status");
    let anew = only(&unknown(&mut w, &again), "new sell 6 3 /1.05 1");
    assert_ne!(anew.id, stop.id);
    work(&mut w, &anew);
    let moved = only(&replaced(&mut w, "sl", 2, "10", "0", STOP), "replace sell 6 3 /1 1");
    assert!(moved.text.contains(&format!("|41={}|", anew.id)), "{}", moved.text);
}

/// The same of an open that was never larger than it is: it has an identity of its own as well.
#[test]
fn an_open_that_the_broker_has_lost_is_placed_anew() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "3", "3");
    let asked = only(&w.rows(&[Row::Gap { session: "R", from: 1, to: 2 }]), "status");
    assert!(unknown(&mut w, &asked).is_empty(), "not settled");
    let again = only(&w.run_to(w.now + 6 * SECOND), "status");
    let anew = only(&unknown(&mut w, &again), "new buy 7 2 1.1/ 1");
    assert_ne!(anew.id, m.id);
}

/// The report of a replace may be lost: the broker is asked by both names before anything is placed anew.
#[test]
fn what_may_have_another_name_is_asked_for_by_that_too() {
    for found in [true, false] {
        let mut w = world("");
        held(&mut w, "10");
        let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
        work(&mut w, &stop);
        let r =
            only(&replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.05|59=1|"), "replace sell 10 3 /1.05 1");
        let asked = only(&w.rows(&[Row::Gap { session: "R", from: 1, to: 2 }]), "status");
        assert!(unknown(&mut w, &asked).is_empty(), "not settled");
        let again = w.run_to(w.now + 6 * SECOND).pop().unwrap();
        let other = only(&unknown(&mut w, &again), "status");
        let id = &r.id;
        assert!(other.text.contains(&format!("|11={id}|")), "{}", other.text);
        if found {
            let alive =
                format!("35=8|37=B{0}|11={id}|17=I1|150=I|39=0|55=EURUSD|54=2|38=10|14=0|151=10|", stop.id);
            assert!(w.broker(&alive).is_empty());
            let gone = only(&canceled(&mut w, "sl", 2, "10", "0"), "cancel");
            assert!(gone.text.contains(&format!("|41={id}|")), "{}", gone.text);
        } else {
            only(&unknown(&mut w, &other), "new sell 10 3 /1.05 1");
        }
    }
}

/// A replace that is not answered may have been accepted: the close leaves it what it asks for.
#[test]
fn a_close_leaves_to_a_stop_what_a_replace_on_its_way_asks_for() {
    let mut w = world("");
    held(&mut w, "10");
    let stop = only(&new(&mut w, "sl", 2, "5", STOP), "new sell 5 3 /1 1");
    work(&mut w, &stop);
    let more = only(&replaced(&mut w, "sl", 2, "10", "0", STOP), "replace sell 10 3 /1 1");
    assert!(w.leader("x", 2, "5", "5", "5").is_empty(), "10 may be sold by the stop");
    let less = only(&accepted(&mut w, &stop, &more, "0"), "replace sell 5 3 /1 1");
    let close = only(&accepted(&mut w, &stop, &less, "0"), "new sell 5 1 /");
    w.out(&close);
    assert!(w.fill(&close, "5", "5").is_empty());
    assert_eq!(w.filled(), d("5"));
}

/// No answer comes to the replace: it is asked for again, and the close follows that answer.
#[test]
fn a_replace_without_an_answer_is_asked_for_again_where_a_close_waits() {
    let mut w = world("");
    held(&mut w, "10");
    let stop = only(&new(&mut w, "sl", 2, "5", STOP), "new sell 5 3 /1 1");
    work(&mut w, &stop);
    only(&replaced(&mut w, "sl", 2, "10", "0", STOP), "replace sell 10 3 /1 1");
    assert!(w.leader("x", 2, "5", "5", "5").is_empty());
    let again = only(&acts(w.run_to(w.now + 8 * SECOND)), "replace sell 5 3 /1 1");
    only(&accepted(&mut w, &stop, &again, "0"), "new sell 5 1 /");
}

/// A refused replace has no more than it had.
#[test]
fn a_refused_replace_holds_no_close_back() {
    let mut w = world("");
    held(&mut w, "10");
    let stop = only(&new(&mut w, "sl", 2, "5", STOP), "new sell 5 3 /1 1");
    work(&mut w, &stop);
    let more = only(&replaced(&mut w, "sl", 2, "10", "0", STOP), "replace sell 10 3 /1 1");
    assert!(w.leader("x", 2, "5", "5", "5").is_empty());
    only(&acts(refused(&mut w, &stop, &more, b'2')), "new sell 5 1 /");
}

/// And the limits count what it asks for.
#[test]
fn a_replace_on_its_way_counts_as_entered() {
    let mut w = world(r#","limits":{"default":{"max_position_lots":"20"}}"#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    let r = only(&replaced(&mut w, "o", 1, "20", "0", LIMIT), "replace buy 20 2 1.1/ 1");
    assert!(new(&mut w, "p", 1, "10", LIMIT).is_empty());
    // What was admitted once is not asked for a second time.
    let back = only(&acts(w.run_to(w.now + 8 * SECOND)), "replace buy 20 2 1.1/ 1");
    assert_ne!(back.id, r.id);
    assert_eq!(w.engine.status().refusals.get("max_position"), Some(&1));
}

/// Both filled and the mirror is forgotten: what the broker takes back then is not bought again.
#[test]
fn a_bust_after_the_mirror_is_forgotten_is_given_up() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "10", "10");
    let ref_id = format!("X{}", w.exec);
    traded(&mut w, "o", 1, "10", "10", "10");
    assert!(w.engine.state().mirrors.is_empty());
    let id = &m.id;
    let bust = format!(
        "35=8|37=B{id}|11={id}|17=Z1|19={ref_id}|150=H|39=0|55=EURUSD|54=1|38=10|32=10|31=1.1|14=0|151=10|"
    );
    assert!(w.broker(&bust).is_empty());
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
}

/// A stop that fills after it was cancelled has closed: that is not opened again.
#[test]
fn a_stop_that_fills_after_its_mirror_is_forgotten_stays_closed() {
    let mut w = world("");
    held(&mut w, "10");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let gone = only(&canceled(&mut w, "sl", 2, "10", "0"), "cancel");
    assert!(ended(&mut w, &stop, &gone, "0").is_empty());
    assert!(w.engine.state().mirrors.is_empty());
    assert!(w.fill(&stop, "10", "10").is_empty());
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
    assert!(w.alerts.iter().any(|a| a.code == "unexpected_fill"));
}

/// An open that fills after it was cancelled, with nobody to remember it, is closed.
#[test]
fn an_open_that_fills_after_its_mirror_is_forgotten_is_closed() {
    let mut w = world("");
    held(&mut w, "10");
    let m = only(&new(&mut w, "o", 1, "5", LIMIT), "new buy 5 2 1.1/ 1");
    work(&mut w, &m);
    let gone = only(&canceled(&mut w, "o", 1, "5", "0"), "cancel");
    assert!(ended(&mut w, &m, &gone, "0").is_empty());
    only(&w.fill(&m, "5", "5"), "new sell 5 1 /");
    assert_eq!(w.target(), d("10"));
}

fn not_sent(w: &mut World, s: &Sent) -> Vec<Sent> {
    let row = Row::NotSent { cl_ord_id: &s.id, try_no: s.try_no, reason: 2 };
    w.rows(&[row])
}

/// The stop never left. A leader who goes flat meanwhile is followed at once.
#[test]
fn a_stop_that_waits_to_be_sent_holds_no_close_back() {
    let mut w = world("");
    held(&mut w, "10");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    assert!(not_sent(&mut w, &stop).is_empty());
    let close = only(&w.leader("x", 2, "10", "10", "10"), "new sell 10 1 /");
    w.out(&close);
    w.fill(&close, "10", "10");
    assert!(w.run_to(w.now + 60 * SECOND).is_empty());
    assert_eq!(w.filled(), Dec::ZERO);
}

/// The same where the route says it after the leader is flat.
#[test]
fn a_stop_that_did_not_leave_is_taken_back_and_the_close_goes_out() {
    let mut w = world("");
    held(&mut w, "10");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    assert!(w.leader("x", 2, "10", "10", "10").is_empty(), "it may be at the broker");
    only(&not_sent(&mut w, &stop), "new sell 10 1 /");
}

/// And where nobody knew whether it left, and it did not.
#[test]
fn a_stop_that_is_proven_absent_is_taken_back_and_the_close_goes_out() {
    let mut w = world("");
    held(&mut w, "10");
    let stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    w.out(&stop);
    let asked = only(&w.link(8), "status");
    assert!(w.leader("x", 2, "10", "10", "10").is_empty());
    assert!(unknown(&mut w, &asked).is_empty(), "not settled");
    let again = only(&w.run_to(w.now + 6 * SECOND), "status");
    only(&unknown(&mut w, &again), "new sell 10 1 /");
}

/// A guard that closes all, and who leaves at once, keep nothing of what fills before the cancel.
#[test]
fn nothing_that_fills_after_all_is_closed_is_kept() {
    let mut w = world(r#","ahead":"keep""#);
    held(&mut w, "5");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    let sent = tell(&mut w, r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"close_now"}"#);
    let close = sent.iter().find(|s| s.qty == "5").unwrap().clone();
    w.out(&close);
    w.fill(&close, "5", "5");
    only(&w.fill(&m, "10", "10"), "new sell 10 1 /");
    assert_eq!(w.target(), Dec::ZERO);
}

/// Who leaves and keeps what he has keeps that too, whatever the rule for what is ahead.
#[test]
fn what_fills_before_the_cancel_is_kept_by_who_keeps() {
    for ahead in ["keep", "close"] {
        let mut w = world(&format!(r#","ahead":"{ahead}""#));
        held(&mut w, "5");
        let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
        work(&mut w, &m);
        let leave = r#"{"cmd":"leave","who":"ann","subscription":"s","rule":"keep"}"#;
        only(&tell(&mut w, leave), "cancel");
        assert!(w.fill(&m, "10", "10").is_empty(), "{ahead}");
        assert_eq!(w.filled(), d("15"), "{ahead}");
    }
}

/// A stop took the mirror back, and the leader filled meanwhile: that is given up, and not placed when it is released.
#[test]
fn what_the_leader_filled_while_opens_were_stopped_is_not_made_up_for() {
    for (last, cum) in [("10", "10"), ("4", "4")] {
        let mut w = world("");
        let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
        work(&mut w, &m);
        let gone = only(&tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"close_only"}"#), "cancel");
        assert!(ended(&mut w, &m, &gone, "0").is_empty());
        assert!(traded(&mut w, "o", 1, "10", last, cum).is_empty());
        assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
        w.run_to(w.now + 5 * 3_600 * SECOND);
        let after = tell(&mut w, r#"{"cmd":"arm","who":"ann"}"#);
        let left: Vec<String> = if cum == "10" { vec![] } else { vec!["new buy 6 2 1.1/ 1".to_owned()] };
        assert_eq!(words(&after), left, "what the leader's order may still fill");
    }
}

/// Released before the broker has answered the cancel: what the leader filled meanwhile is given up all the same.
#[test]
fn a_stop_that_ends_before_its_cancel_is_answered_makes_up_for_nothing() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    let gone = only(&tell(&mut w, r#"{"cmd":"kill","who":"ann","level":"close_only"}"#), "cancel");
    assert!(traded(&mut w, "o", 1, "10", "4", "4").is_empty());
    assert!(tell(&mut w, r#"{"cmd":"arm","who":"ann"}"#).is_empty());
    only(&ended(&mut w, &m, &gone, "0"), "new buy 6 2 1.1/ 1");
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
}

/// An amount is opened once for a leader's order, also where that grows after it was filled.
#[test]
fn an_amount_that_was_opened_is_not_mirrored_again() {
    let mut w = World::with(r#"{"mode":"fixed","lots":"3"}"#, r#","copy":"orders""#, takes_all);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 3 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "3", "3");
    traded(&mut w, "o", 1, "10", "10", "10");
    assert!(w.engine.state().mirrors.is_empty());
    assert!(replaced(&mut w, "o", 1, "12", "10", LIMIT).is_empty());
    let sent = traded(&mut w, "o", 1, "12", "2", "12");
    assert_eq!((words(&sent), w.filled(), w.target()), (Vec::<String>::new(), d("3"), d("3")));
}

/// A rejected open is placed again when the leader changes his order.
#[test]
fn a_rejected_open_is_placed_again_by_the_leaders_change() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    w.out(&m);
    assert!(w.reject(&m).is_empty());
    only(&replaced(&mut w, "o", 1, "10", "0", "40=2|44=1.12|59=1|"), "new buy 10 2 1.12/ 1");
}

/// What he filled while it was rejected is given up, as the limits' refusals are.
#[test]
fn what_the_leader_fills_of_a_rejected_open_is_given_up() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    w.out(&m);
    assert!(w.reject(&m).is_empty());
    assert!(traded(&mut w, "o", 1, "10", "4", "4").is_empty());
    let anew = only(&replaced(&mut w, "o", 1, "10", "4", "40=2|44=1.12|59=1|"), "new buy 6 2 1.12/ 1");
    work(&mut w, &anew);
    assert!(w.fill(&anew, "6", "6").is_empty());
    assert!(traded(&mut w, "o", 1, "10", "6", "10").is_empty());
    assert_eq!((w.filled(), w.target()), (d("6"), d("6")));
}

/// A stop that trails for days has no request under an identity that was used: after some hundred it is placed anew.
#[test]
fn a_stop_that_trails_is_placed_anew_now_and_then() {
    let mut w = world("");
    held(&mut w, "10");
    let mut stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    let mut ids = std::collections::BTreeSet::from([stop.id.clone()]);
    let mut anew = 0;
    for n in 0..1_000 {
        w.now += SECOND;
        let px = format!("40=3|99=1.0{}|59=1|", 1 + n % 9);
        let sent = replaced(&mut w, "sl", 2, "10", "0", &px);
        assert_eq!(sent.len(), 1, "{n}: {sent:?}");
        assert!(ids.insert(sent[0].id.clone()), "{n}");
        if words(&sent) == ["cancel"] {
            let again = ended(&mut w, &stop, &sent[0], "0");
            assert_eq!((again.len(), again[0].qty.as_str()), (1, "10"), "{again:?}");
            assert!(ids.insert(again[0].id.clone()));
            stop = again[0].clone();
            work(&mut w, &stop);
            anew += 1;
        } else {
            assert!(accepted(&mut w, &stop, &sent[0], "0").is_empty());
        }
    }
    assert!((2..=20).contains(&anew), "{anew}");
    assert!(w.engine.state().orders.len() <= 22);
}

/// Where a venue does not replace, every change is an order: the newest are remembered, and no more.
#[test]
fn a_mirror_remembers_its_newest_orders() {
    let mut w = plain_world("");
    held(&mut w, "10");
    let mut stop = only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    for n in 0..100 {
        w.now += SECOND;
        let px = format!("40=3|99=1.0{}|59=1|", 1 + n % 9);
        let gone = only(&replaced(&mut w, "sl", 2, "10", "0", &px), "cancel");
        stop = ended(&mut w, &stop, &gone, "0")[0].clone();
        work(&mut w, &stop);
    }
    let kept = w.engine.state().mirrors.iter().map(|(_, m)| m.orders.len()).max();
    assert!(kept <= Some(16), "{kept:?}");
}

/// Followers take turns, also where every order of the leader's is placed and then filled.
#[test]
fn followers_take_turns_where_orders_are_placed_and_filled() {
    let mut w = World::with(crate::support::SAME, r#","copy":"orders""#, |c| {
        takes_all(c);
        add_second(c);
    });
    let mut first = [0, 0];
    for n in 0..40 {
        let sent = new(&mut w, &format!("o{n}"), 1, "1", LIMIT);
        assert_eq!(sent.len(), 2);
        first[usize::from(sent[0].text.contains("|1=G|"))] += 1;
        traded(&mut w, &format!("o{n}"), 1, "1", "1", "1");
    }
    assert!(first.iter().all(|n| *n >= 10), "{first:?}");
}
