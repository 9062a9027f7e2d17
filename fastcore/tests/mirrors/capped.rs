//! Resting closes beside what the follower's broker says is held (decision 0011): no account is turned by a stop that rests, and
//! none is left without one by a report that was overtaken.

use crate::play::*;
use crate::support::{SAME, Sent, World, d, texts};
use fastcore::config::OnBreak;
use fastcore::event::EventKind;
use fastcore::link::SendKind;

const S: i64 = 1_000_000_000;
const BOTH: [&str; 2] = [r#","copy":"orders""#, r#","copy_stops":true"#];

/// A follower who holds 10, at a broker who answers questions about that.
fn held(extra: &str, rule: OnBreak) -> World {
    let mut w = World::with(SAME, extra, |c| {
        takes_all(c);
        c.profiles[0].supports.positions = true;
        c.reconcile.every_ms = 60_000;
        c.followers[0].on_break = rule;
    });
    let open = w.leader("first", 1, "10", "10", "10");
    w.out(&open[0]);
    w.fill(&open[0], "10", "10");
    w
}

fn stop(w: &mut World) -> Sent {
    let stop = only(&orders(new(w, "sl", 2, "10", STOP)), "new sell 10 3 /1 1");
    work(w, &stop);
    stop
}

fn orders(sent: Vec<Sent>) -> Vec<Sent> {
    acts(sent).into_iter().filter(|s| s.kind != SendKind::Other).collect()
}

/// The follower's broker says what he holds.
fn says(w: &mut World, long: &str) -> Vec<Sent> {
    w.now += 4 * S;
    orders(w.broker(&format!("35=AP|1=F|55=EURUSD|702=1|703=TQ|704={long}|705=0|")))
}

fn remedy(w: &mut World, remedy: &str) -> Vec<Sent> {
    let text = format!(
        r#"{{"cmd":"reconcile","who":"ann","follower":"f","instrument":"EURUSD","remedy":"{remedy}"}}"#
    );
    orders(w.apply(EventKind::Operator, "", text.as_bytes()))
}

fn questions(sent: &[Sent]) -> usize {
    sent.iter().filter(|s| s.kind == SendKind::Other).count()
}

fn asked(w: &mut World, within_s: i64) -> usize {
    let sent = w.run_to(w.now + within_s * S);
    questions(&sent)
}

/// A stop that is placed by a report of 4; how often the broker was asked at once.
fn small(w: &mut World) -> usize {
    assert!(says(w, "4").is_empty());
    let mut sent = new(w, "sl", 2, "10", STOP);
    let stop = only(&orders(sent.clone()), "new sell 4 3 /1 1");
    sent.extend(work(w, &stop));
    assert_eq!(texts(w, "close_capped").len(), 1);
    questions(&sent)
}

/// Six of ten are sold at the broker's screen while a stop of ten rests: said once the broker is asked, said twice it is cut.
#[test]
fn a_resting_stop_is_cut_to_what_the_broker_says_twice() {
    for extra in BOTH {
        let mut w = held(extra, OnBreak::Alert);
        let stop = stop(&mut w);
        assert!(says(&mut w, "4").is_empty(), "it may be older than a fill of ours");
        assert_eq!(asked(&mut w, 4), 1, "so the broker is asked soon");
        let cut = only(&says(&mut w, "4"), "replace sell 4 3 /1 1");
        assert_eq!(texts(&w, "close_capped").len(), 1);
        accepted(&mut w, &stop, &cut, "0");
        assert!(says(&mut w, "4").is_empty());
        assert_eq!(texts(&w, "close_capped").len(), 1, "told once");
        // He buys them back: the stop covers all again.
        only(&says(&mut w, "10"), "replace sell 10 3 /1 1");
    }
}

/// A stop that is placed by a report that a fill had overtaken is too small until the next one, which is asked for.
#[test]
fn a_stop_that_an_old_report_made_too_small_grows_with_the_next() {
    for extra in BOTH {
        let mut w = held(extra, OnBreak::Alert);
        assert_eq!(small(&mut w), 1);
        only(&says(&mut w, "10"), "replace sell 10 3 /1 1");
    }
}

/// While a stop is kept back the broker is asked every `close_retry_max_ms`, and no more often.
#[test]
fn a_stop_that_is_kept_back_is_asked_for_now_and_then() {
    let mut w = held(BOTH[1], OnBreak::Alert);
    small(&mut w);
    assert_eq!(asked(&mut w, 100), 3, "30, 60 and 90 s later");
}

/// A report that a fill overtook takes nothing off the stop that protects all.
#[test]
fn a_report_that_was_overtaken_cuts_no_stop() {
    for extra in BOTH {
        let mut w = held(extra, OnBreak::Alert);
        assert!(says(&mut w, "10").is_empty());
        assert!(says(&mut w, "10").is_empty(), "and it is sure of that");
        let open = only(&orders(w.leader("second", 1, "10", "10", "10")), "new buy 10 1 /");
        w.out(&open);
        w.fill(&open, "10", "10");
        let stop = only(&orders(new(&mut w, "sl", 2, "20", STOP)), "new sell 20 3 /1 1");
        work(&mut w, &stop);
        assert!(says(&mut w, "10").is_empty(), "of before the fill");
        assert!(says(&mut w, "20").is_empty());
        assert!(says(&mut w, "20").is_empty());
        assert!(texts(&w, "close_capped").is_empty());
    }
}

/// A stop rests for weeks: a break is settled beside it, and it follows what the books have then.
#[test]
fn a_break_is_settled_while_a_stop_rests() {
    for (extra, rule) in [(BOTH[0], OnBreak::Alert), (BOTH[1], OnBreak::Alert), (BOTH[1], OnBreak::Adopt)] {
        let mut w = held(extra, rule);
        let stop = stop(&mut w);
        says(&mut w, "4");
        let cut = only(&says(&mut w, "4"), "replace sell 4 3 /1 1");
        if rule == OnBreak::Alert {
            assert!(remedy(&mut w, "adopt").is_empty());
            assert!(
                texts(&w, "bad_command").last().unwrap().contains("on their way"),
                "the cut is not answered"
            );
        }
        accepted(&mut w, &stop, &cut, "0");
        assert!(says(&mut w, "4").is_empty());
        if rule == OnBreak::Alert {
            assert!(remedy(&mut w, "adopt").is_empty(), "the stop is what it has to be");
        }
        assert_eq!((w.filled(), w.target()), (d("4"), d("4")));
        w.fill(&stop, "4", "4");
        assert_eq!(w.filled(), d("0"));
    }
}

/// Two subscriptions of one account hold ten each, and fifteen, or ten, are there: what is missing is missing once, and all that
/// is there has a stop.
#[test]
fn what_is_missing_is_taken_off_one_stop() {
    for (extra, (there, left)) in
        BOTH.iter().flat_map(|x| [("15", "5"), ("10", "0"), ("19", "9")].map(|of| (*x, of)))
    {
        let mut w = World::with(SAME, extra, |c| {
            takes_all(c);
            let mut second = c.subscriptions[0].clone();
            second.name = "t".to_owned();
            c.subscriptions.push(second);
        });
        for open in w.leader("first", 1, "10", "10", "10") {
            w.out(&open);
            w.fill(&open, "10", "10");
        }
        let stops = orders(new(&mut w, "sl", 2, "10", STOP));
        assert_eq!(words(&stops), ["new sell 10 3 /1 1", "new sell 10 3 /1 1"]);
        for stop in &stops {
            work(&mut w, stop);
        }
        says(&mut w, there);
        let cut = says(&mut w, there);
        let word = if left == "0" { "cancel".to_owned() } else { format!("replace sell {left} 3 /1 1") };
        assert_eq!(words(&cut), [word], "{there} of twenty");
    }
}

/// A stop that is asked to end may have filled: what the account has less is not gone by hand.
#[test]
fn a_stop_that_is_on_its_way_out_is_no_rest() {
    let mut w = held(BOTH[1], OnBreak::Alert);
    let stop = stop(&mut w);
    says(&mut w, "13");
    says(&mut w, "13");
    let gone = only(&orders(canceled(&mut w, "sl", 2, "10", "0")), "cancel");
    assert!(remedy(&mut w, "close").is_empty());
    assert!(texts(&w, "bad_command").last().unwrap().contains("on their way"));
    ended(&mut w, &stop, &gone, "0");
    only(&remedy(&mut w, "close"), "new sell 3 1 /");
}

/// What a person bought is closed beside a stop, which covers the rest.
#[test]
fn what_is_more_is_closed_beside_a_stop() {
    let mut w = held(BOTH[1], OnBreak::Alert);
    stop(&mut w);
    assert!(says(&mut w, "13").is_empty());
    assert!(says(&mut w, "13").is_empty());
    let close = only(&remedy(&mut w, "close"), "new sell 3 1 /");
    w.out(&close);
    assert!(w.fill(&close, "3", "3").is_empty());
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")));
    assert!(says(&mut w, "10").is_empty());
}

/// One that has filled ahead of the leader's is no rest: what the account has less is not gone by hand.
#[test]
fn a_mirror_that_is_ahead_settles_first() {
    let mut w = held(BOTH[0], OnBreak::Alert);
    let take = only(&orders(new(&mut w, "tp", 2, "10", TAKE)), "new sell 10 2 1.2/ 1");
    work(&mut w, &take);
    assert!(orders(w.fill(&take, "4", "4")).is_empty());
    says(&mut w, "9");
    says(&mut w, "9");
    assert!(remedy(&mut w, "adopt").is_empty());
    assert!(texts(&w, "bad_command").last().unwrap().contains("on their way"));
}

/// A feed of positions that is behind our fills may say the old one twice in a row: the stop that protects all stays.
#[test]
fn two_reports_in_a_row_are_one_word() {
    let mut w = held(BOTH[1], OnBreak::Alert);
    stop(&mut w);
    for _ in 0..3 {
        assert!(orders(w.broker("35=AP|1=F|55=EURUSD|702=1|703=TQ|704=0|705=0|")).is_empty());
    }
    assert!(says(&mut w, "10").is_empty());
}
