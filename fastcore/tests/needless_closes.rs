//! Closes that an increase of the leader has made needless, and that fill after all: what is wanted again has the window
//! of that increase.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::engine::Engine;
use fastcore::link::SendKind;
use support::{SAME, Sent, World, config, d, one};

const S: i64 = 1_000_000_000;

fn orders(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|s| s.kind == SendKind::New).collect()
}

/// 5 are held, and a close of them is at the broker.
fn closing() -> (World, Sent) {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "5", "5", "5"), true, "5");
    w.out(&open);
    w.fill(&open, "5", "5");
    let close = one(&w.leader("o2", 2, "5", "5", "5"), false, "5");
    w.out(&close);
    let id = &close.id;
    w.broker(&format!("35=8|37=B{id}|11={id}|17=A{id}|150=0|39=0|55=EURUSD|54=2|38=5|14=0|151=5|"));
    (w, close)
}

/// The leader buys: no order, but the cancel of the close or nothing.
fn buys(w: &mut World, order: &str, qty: &str) -> Vec<Sent> {
    let sent = w.leader(order, 1, qty, qty, qty);
    assert!(sent.iter().all(|s| s.kind != SendKind::New), "{sent:?}");
    sent
}

/// The broker takes the cancel of what is left of the close.
fn canceled(w: &mut World, close: &Sent, cancel: &Sent, cum: &str) -> Vec<Sent> {
    let (id, of) = (&cancel.id, &close.id);
    orders(w.broker(&format!(
        "35=8|37=B{of}|11={id}|41={of}|17=C{of}|150=4|39=4|55=EURUSD|54=2|38=5|14={cum}|151=0|"
    )))
}

/// The trade that made the close needless is too old when the close fills: only the younger trade is opened.
#[test]
fn what_a_needless_close_took_does_not_ride_on_a_newer_trade() {
    let (mut w, close) = closing();
    let start = w.now;
    assert_eq!(buys(&mut w, "o3", "5")[0].kind, SendKind::Cancel);
    w.run_to(start + 70 * S);
    buys(&mut w, "o4", "1");
    one(&orders(w.fill(&close, "5", "5")), true, "1");
    assert_eq!((w.filled(), w.target()), (d("0"), d("1")));
    assert_eq!(w.engine.status().refusals.get("stale"), Some(&1));
}

/// Within its window it is opened again, together with what a newer trade asks for.
#[test]
fn what_a_needless_close_took_is_opened_again_within_the_window() {
    let (mut w, close) = closing();
    let start = w.now;
    buys(&mut w, "o3", "5");
    w.run_to(start + 50 * S);
    buys(&mut w, "o4", "1");
    one(&orders(w.fill(&close, "5", "5")), true, "6");
    assert_eq!((w.filled(), w.target()), (d("0"), d("6")));
}

/// Each part that a needless close takes has its window, the oldest first, also where the rest is canceled.
#[test]
fn parts_that_a_needless_close_took_are_wanted_again_one_by_one() {
    let (mut w, close) = closing();
    let start = w.now;
    let cancel = buys(&mut w, "o3", "5")[0].clone();
    assert!(orders(w.fill(&close, "2", "2")).is_empty(), "waits for the cancel");
    w.run_to(start + 30 * S);
    one(&canceled(&mut w, &close, &cancel, "2"), true, "2");
    assert_eq!((w.filled(), w.target()), (d("3"), d("5")));

    let (mut w, close) = closing();
    let start = w.now;
    let cancel = buys(&mut w, "o3", "5")[0].clone();
    w.fill(&close, "2", "2");
    w.run_to(start + 70 * S);
    buys(&mut w, "o4", "1");
    assert_eq!(w.target(), d("4"), "2 were given up when their window ended");
    w.fill(&close, "1", "3");
    one(&canceled(&mut w, &close, &cancel, "3"), true, "1");
    assert_eq!((w.filled(), w.target()), (d("2"), d("3")), "the third is as late as the first two");
}

/// A close that is canceled in the end took nothing: there is nothing to open again, and nothing to give up.
#[test]
fn a_needless_close_that_is_canceled_leaves_nothing_to_open() {
    let (mut w, close) = closing();
    let start = w.now;
    let cancel = buys(&mut w, "o3", "5")[0].clone();
    w.run_to(start + 70 * S);
    buys(&mut w, "o4", "1");
    one(&canceled(&mut w, &close, &cancel, "0"), true, "1");
    assert_eq!((w.filled(), w.target()), (d("5"), d("6")));
    assert_eq!(w.engine.status().refusals.get("stale"), None);
}

/// Two increases made a close needless, one after the other: what each of them asked for has its own window.
#[test]
fn two_increases_that_made_a_close_needless_have_two_windows() {
    for (after_s, sent) in [(50, "7"), (70, "4"), (105, "")] {
        let (mut w, close) = closing();
        let start = w.now;
        buys(&mut w, "o3", "3"); // 3 of the close are needless
        w.run_to(start + 40 * S);
        buys(&mut w, "o4", "4"); // the other 2 as well, and 2 more are to be opened
        w.run_to(start + after_s * S);
        let opened = orders(w.fill(&close, "5", "5"));
        assert_eq!(opened.iter().map(|s| s.qty.as_str()).collect::<String>(), sent, "after {after_s} s");
        assert_eq!(w.target(), d(if sent.is_empty() { "0" } else { sent }), "after {after_s} s");
    }
}

/// A close that is needless in part first does the part that is needed: that asks for nothing.
#[test]
fn what_a_close_still_has_to_do_is_not_opened_again() {
    let (mut w, close) = closing();
    let start = w.now;
    let cancel = buys(&mut w, "o3", "3")[0].clone();
    w.run_to(start + 70 * S);
    w.fill(&close, "2", "2");
    assert_eq!((w.filled(), w.target()), (d("3"), d("3")));
    assert!(canceled(&mut w, &close, &cancel, "2").is_empty());
    assert_eq!(w.target(), d("3"));
}

/// The leader sells again: the close is needed after all, and nothing is wanted any more when it fills.
#[test]
fn a_close_that_is_needed_again_opens_nothing() {
    let (mut w, close) = closing();
    buys(&mut w, "o3", "5");
    assert!(orders(w.leader("o4", 2, "5", "5", "5")).is_empty());
    assert!(orders(w.fill(&close, "5", "5")).is_empty());
    assert_eq!((w.filled(), w.target()), (d("0"), d("0")));
}

/// A fill after the end of a needless close, which no window waits for, has the oldest that it can have.
#[test]
fn a_fill_after_the_end_of_a_close_does_not_ride_on_a_newer_trade() {
    for (after_s, sent) in [(50, "6"), (70, "1")] {
        let (mut w, close) = closing();
        let start = w.now;
        let cancel = buys(&mut w, "o3", "5")[0].clone();
        canceled(&mut w, &close, &cancel, "0");
        w.run_to(start + after_s * S);
        let more = one(&w.leader("o4", 1, "1", "1", "1"), true, "1");
        w.out(&more);
        let again = orders(w.fill(&close, "5", "5"));
        let qty: i64 = again.iter().map(|s| s.qty.parse::<i64>().unwrap()).sum();
        assert_eq!((qty + 1).to_string(), sent, "after {after_s} s");
        assert_eq!(w.target(), d(sent), "after {after_s} s");
    }
}

/// A start from a snapshot forgets no window.
#[test]
fn a_restart_keeps_the_window_of_a_needless_close() {
    for (after_s, sent) in [(50, "6"), (70, "1")] {
        let (mut w, close) = closing();
        let start = w.now;
        buys(&mut w, "o3", "5");
        let bytes = w.engine.snapshot();
        w.engine = Engine::restore(config(SAME, ""), &bytes).unwrap();
        w.run_to(start + after_s * S);
        buys(&mut w, "o4", "1");
        one(&orders(w.fill(&close, "5", "5")), true, sent);
    }
}

/// A fill of one of our buys, and its bust.
fn fill_and_bust(w: &mut World, s: &Sent, bust: bool) -> Vec<Sent> {
    let (id, qty) = (&s.id, &s.qty);
    if !bust {
        w.out(s);
        return orders(w.broker(&format!(
            "35=8|37=B{id}|11={id}|17=X{id}|150=F|39=2|55=EURUSD|54=1|38={qty}|32={qty}|31=1.1|14={qty}|151=0|"
        )));
    }
    orders(w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=H{id}|19=X{id}|150=H|39=4|55=EURUSD|54=1|38={qty}|32={qty}|14=0|151=0|"
    )))
}

/// A close that the bust of an open has made needless was asked for by nobody: what it takes all the same is not opened
/// in the window of the leader's last trade, which was worth 1.
#[test]
fn what_a_bust_made_needless_has_no_window() {
    let mut w = World::new(SAME, "");
    let first = one(&w.leader("o1", 1, "50", "50", "50"), true, "50");
    fill_and_bust(&mut w, &first, false);
    let second = one(&w.leader("o2", 1, "50", "50", "50"), true, "50");
    fill_and_bust(&mut w, &second, false);
    let start = w.now;
    w.run_to(start + 70 * S);
    let third = one(&w.leader("o3", 1, "1", "1", "1"), true, "1");
    fill_and_bust(&mut w, &third, false);
    let close = one(&w.leader("o4", 2, "51", "51", "51"), false, "51");
    w.out(&close);
    fill_and_bust(&mut w, &first, true);
    assert_eq!((w.filled(), w.target()), (d("51"), d("50")));
    assert!(orders(w.fill(&close, "51", "51")).is_empty());
    assert_eq!((w.filled(), w.target()), (d("0"), d("0")));
}

/// The broker fills a part of an open and takes it back while a close of it is on its way: the close is to cross zero, as
/// the open that the leader wants. Canceled by the broker it is lost like an open, and not sent again in a new window.
#[test]
fn a_close_that_a_bust_turned_into_an_open_is_lost_like_one() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "6", "6", "6"), true, "6");
    w.out(&open);
    w.leader("o2", 2, "100", "100", "100"); // the leader is short 94
    let id = &open.id;
    let part = format!("35=8|37=B{id}|11={id}|17=X1|150=F|39=1|55=EURUSD|54=1|38=6|32=5|31=1.1|14=5|151=1|");
    let close = one(&orders(w.broker(&part)), false, "5");
    w.out(&close);
    let bust = format!("35=8|37=B{id}|11={id}|17=H1|19=X1|150=H|39=1|55=EURUSD|54=1|38=6|32=5|14=0|151=6|");
    assert!(orders(w.broker(&bust)).is_empty());
    let start = w.now;
    w.run_to(start + 70 * S);
    assert_eq!(w.target(), d("-5"), "what waited is too late; five are on their way");
    w.leader("o3", 2, "1", "1", "1");
    assert_eq!(w.target(), d("-6"));
    let of = &close.id;
    w.broker(&format!("35=8|37=B{of}|11={of}|17=C{of}|150=4|39=4|55=EURUSD|54=2|38=5|14=0|151=0|"));
    assert_eq!(w.target(), d("-1"), "the five are lost");
}
