//! Orders that open: placed, changed and ended with the leader's; who fills first.

use crate::play::*;
use crate::support::{World, d};
use fastcore::decimal::Dec;
use fastcore::event::EventKind;

const SECOND: i64 = 1_000_000_000;

fn count(w: &World, code: &str) -> u64 {
    w.engine.status().refusals.get(code).copied().unwrap_or(0)
}

/// The leader's limit order becomes the follower's, with price and time in force; so does a market and a stop order.
#[test]
fn a_working_order_is_mirrored_on_its_own_terms() {
    for (terms, word) in [
        (LIMIT, "new buy 10 2 1.1/ 1"),
        ("40=1|59=0|", "new buy 10 1 /"),
        ("40=3|99=1.3|59=0|", "new buy 10 3 /1.3 0"),
        ("40=4|44=1.31|99=1.3|59=6|126=20231120-10:00:00|", "new buy 10 4 1.31/1.3 6"),
        ("40=2|44=1.1|59=3|", "new buy 10 2 1.1/ 3"),
    ] {
        let mut w = world("");
        let sent = only(&new(&mut w, "o", 1, "10", terms), word);
        assert_eq!(sent.text.contains("|126=20231120-10:00:00.000|"), terms.contains("126="));
        assert_eq!(w.target(), Dec::ZERO, "the target moves with the leader's fills");
    }
}

/// The same New twice is one order, and a leader who only fills has nothing mirrored.
#[test]
fn an_order_is_mirrored_once() {
    let mut w = world("");
    let one = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    assert!(new(&mut w, "o", 1, "10", LIMIT).is_empty());
    assert!(work(&mut w, &one).is_empty());
    only(&w.leader("p", 1, "5", "5", "5"), "new buy 5 1 /");
}

/// What a venue does not take is not mirrored, and says why; its fills are copied.
#[test]
fn an_order_that_the_venue_does_not_take_is_copied_by_its_fills() {
    let mut w = World::with(crate::support::SAME, r#","copy":"orders""#, |_| {});
    for (terms, refusals) in [(STOP, 1), ("40=2|44=1.1|59=4|", 2), ("44=1|", 3), ("40=P|44=1|", 4)] {
        assert!(new(&mut w, &format!("o{refusals}"), 1, "10", terms).is_empty());
        assert_eq!(count(&w, "order_terms"), refusals, "{terms}");
    }
    only(&traded(&mut w, "o1", 1, "10", "10", "10"), "new buy 10 1 /");
}

/// Both fill: the mirror is what was wanted, nothing else is sent, whoever is first.
#[test]
fn both_fill_and_nothing_else_is_sent() {
    for leader_first in [true, false] {
        let mut w = world("");
        let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
        assert!(work(&mut w, &m).is_empty());
        if leader_first {
            assert!(traded(&mut w, "o", 1, "10", "10", "10").is_empty());
            assert!(w.fill(&m, "10", "10").is_empty());
        } else {
            assert!(w.fill(&m, "10", "10").is_empty());
            assert!(traded(&mut w, "o", 1, "10", "10", "10").is_empty());
        }
        assert_eq!((w.filled(), w.target()), (d("10"), d("10")), "leader first: {leader_first}");
        only(&w.leader("p", 2, "10", "10", "10"), "new sell 10 1 /");
        assert!(w.engine.state().mirrors.is_empty());
    }
}

/// Part by part, in any order: only the mirror trades.
#[test]
fn parts_of_both_make_up_for_each_other() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    assert!(w.fill(&m, "4", "4").is_empty());
    assert!(traded(&mut w, "o", 1, "10", "7", "7").is_empty());
    assert!(w.fill(&m, "5", "9").is_empty());
    assert!(traded(&mut w, "o", 1, "10", "3", "10").is_empty());
    assert!(w.fill(&m, "1", "10").is_empty());
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")));
}

/// The leader cancels: so does the follower, and what he had filled first is closed.
#[test]
fn a_canceled_order_is_canceled_and_what_it_was_ahead_is_closed() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    assert!(w.fill(&m, "4", "4").is_empty());
    let sent = canceled(&mut w, "o", 1, "10", "0");
    assert_eq!(words(&sent), ["new sell 4 1 /", "cancel"]);
    assert!(ended(&mut w, &m, &sent[1], "4").is_empty());
    w.out(&sent[0]);
    w.fill(&sent[0], "4", "4");
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
    assert!(w.engine.state().mirrors.is_empty());
}

/// `ahead = "keep"` keeps it while the leader holds something on that side, and closes with him.
#[test]
fn what_is_ahead_is_kept_where_that_is_asked_for() {
    let mut w = world(r#","ahead":"keep""#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "6", "6");
    traded(&mut w, "o", 1, "10", "2", "2");
    let sent = only(&canceled(&mut w, "o", 1, "10", "2"), "cancel");
    assert!(ended(&mut w, &m, &sent, "6").is_empty());
    assert_eq!((w.filled(), w.target()), (d("6"), d("6")));
    only(&w.leader("p", 2, "2", "2", "2"), "new sell 6 1 /");
}

/// With a flat leader nothing is kept: there is nobody to close it with.
#[test]
fn nothing_is_kept_with_a_flat_leader() {
    let mut w = world(r#","ahead":"keep""#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "6", "6");
    assert_eq!(words(&canceled(&mut w, "o", 1, "10", "0")), ["new sell 6 1 /", "cancel"]);
}

/// The leader's order expires or is rejected after all: as a cancel.
#[test]
fn an_expired_or_rejected_order_ends_its_mirror() {
    for kind in [('C', 'C'), ('8', '8')] {
        let mut w = world("");
        let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
        work(&mut w, &m);
        only(&report(&mut w, kind, "o", 1, "10", "0", ""), "cancel");
    }
}

/// The leader changes price or quantity: the mirror is replaced, and the next request names the newest order.
#[test]
fn a_replaced_order_replaces_its_mirror() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    let first = only(&replaced(&mut w, "o", 1, "10", "0", "40=2|44=1.12|59=1|"), "replace buy 10 2 1.12/ 1");
    assert!(
        first.text.contains(&format!("|41={}|", m.id)) && first.text.contains(&format!("|11={}|", first.id))
    );
    assert!(accepted(&mut w, &m, &first, "0").is_empty());
    let second = only(&replaced(&mut w, "o", 1, "15", "0", "40=2|44=1.12|59=1|"), "replace buy 15 2 1.12/ 1");
    assert!(second.text.contains(&format!("|41={}|", first.id)), "{}", second.text);
    assert!(accepted(&mut w, &m, &second, "0").is_empty());
    let gone = only(&canceled(&mut w, "o", 1, "15", "0"), "cancel");
    assert!(gone.text.contains(&format!("|41={}|", second.id)), "{}", gone.text);
    // Fills under any name of the chain are fills of the one order.
    let filled = crate::support::Sent { id: second.id.clone(), qty: "15".into(), ..m.clone() };
    w.fill(&filled, "15", "15");
    assert_eq!(w.filled(), d("15"));
}

/// Where the venue does not replace, the mirror is cancelled first, and placed anew with what is left.
#[test]
fn a_venue_without_replace_gets_a_cancel_and_a_new_order() {
    let mut w = plain_world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    let gone = only(&replaced(&mut w, "o", 1, "10", "0", "40=2|44=1.12|59=1|"), "cancel");
    w.fill(&m, "3", "3");
    only(&ended(&mut w, &m, &gone, "3"), "new buy 7 2 1.12/ 1");
}

/// A change that comes before the broker has the order waits for its acknowledgement.
#[test]
fn a_change_waits_until_the_broker_has_the_order() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    w.out(&m);
    assert!(replaced(&mut w, "o", 1, "8", "0", LIMIT).is_empty());
    let r = only(&w.acknowledge(&m), "replace buy 8 2 1.1/ 1");
    accepted(&mut w, &m, &r, "0");
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    w.out(&m);
    assert!(canceled(&mut w, "o", 1, "10", "0").is_empty());
    only(&w.acknowledge(&m), "cancel");
}

/// A report that was overtaken shows old terms: it changes nothing.
#[test]
fn an_overtaken_report_changes_no_terms() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    let r = only(&replaced(&mut w, "o", 1, "10", "0", "40=2|44=1.12|59=1|"), "replace buy 10 2 1.12/ 1");
    accepted(&mut w, &m, &r, "0");
    let late = "40=2|44=1.05|59=1|60=20231114-22:13:19.000|";
    w.exec += 1;
    let e = w.exec;
    let raw = format!("35=8|34={e}|37=o|17=E{e}|150=5|39=5|55=EURUSD|54=1|38=10|14=0|151=0|{late}");
    assert!(w.apply(EventKind::Leader, "L", &crate::support::fix(&raw)).is_empty());
}

/// The ratio is the subscription's; what is below a lot stays in the target and counts later.
#[test]
fn a_mirror_has_the_size_of_the_rule_in_whole_lots() {
    let mut w = World::with(crate::support::HALF, r#","copy":"orders""#, takes_all);
    let m = only(&new(&mut w, "o", 1, "7", LIMIT), "new buy 3 2 1.1/ 1");
    work(&mut w, &m);
    traded(&mut w, "o", 1, "7", "7", "7");
    assert!(w.fill(&m, "3", "3").is_empty());
    assert_eq!((w.filled(), w.target()), (d("3"), d("3.5")));
    only(&w.leader("p", 1, "1", "1", "1"), "new buy 1 1 /");
}

/// An amount is opened once, however the leader's order fills; the mirror has what is left of it.
#[test]
fn an_amount_is_mirrored_once() {
    let mut w = World::with(r#"{"mode":"fixed","lots":"8"}"#, r#","copy":"orders""#, takes_all);
    let m = only(&new(&mut w, "o", 1, "100", LIMIT), "new buy 8 2 1.1/ 1");
    work(&mut w, &m);
    for (last, cum) in [("25", "25"), ("50", "75"), ("25", "100")] {
        assert!(traded(&mut w, "o", 1, "100", last, cum).is_empty());
    }
    assert!(w.fill(&m, "8", "8").is_empty());
    assert_eq!((w.filled(), w.target()), (d("8"), d("8")));
}

/// In reverse the leader's buy limit is the follower's sell stop at the same price, and both fill.
#[test]
fn reverse_mirrors_a_limit_as_a_stop() {
    let mut w = world(r#","reverse":true"#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new sell 10 3 /1.1 1");
    work(&mut w, &m);
    assert!(traded(&mut w, "o", 1, "10", "10", "10").is_empty());
    assert!(w.fill(&m, "10", "10").is_empty());
    assert_eq!((w.filled(), w.target()), (d("-10"), d("-10")));
}

/// All checks of an open apply when it is placed. What they refuse is not opened by the leader's fills either.
#[test]
fn limits_apply_when_a_mirror_is_placed() {
    let limits = r#","limits":{"default":{"max_order_qty_lots":"6"}}"#;
    let mut w = world(limits);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 6 2 1.1/ 1");
    assert_eq!(count(&w, "max_order_qty"), 1);
    work(&mut w, &m);
    assert!(traded(&mut w, "o", 1, "10", "10", "10").is_empty());
    assert!(w.fill(&m, "6", "6").is_empty());
    assert_eq!((w.filled(), w.target()), (d("6"), d("6")), "4 were refused");
    assert_eq!(count(&w, "max_order_qty"), 1, "asked once");
}

/// What works as a mirror counts as entered, on its own line too.
#[test]
fn mirrors_count_as_entered() {
    let mut w = world(r#","limits":{"default":{"max_position_lots":"12"}}"#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    only(&new(&mut w, "p", 1, "10", LIMIT), "new buy 2 2 1.1/ 1");
    assert!(w.leader("q", 1, "1", "1", "1").is_empty(), "the ordinary open has no room left");
    assert_eq!(count(&w, "max_position"), 2);
}

/// A kill refuses what is placed; `close_only` cancels what works; a close by the leader goes out.
#[test]
fn a_stop_refuses_and_cancels_opening_mirrors() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "4", "4");
    traded(&mut w, "o", 1, "10", "4", "4");
    w.apply(EventKind::Operator, "", br#"{"cmd":"kill","who":"ann"}"#);
    assert!(new(&mut w, "p", 1, "10", LIMIT).is_empty());
    assert_eq!(count(&w, "kill"), 1);
    only(&w.apply(EventKind::Operator, "", br#"{"cmd":"kill","who":"ann","level":"close_only"}"#), "cancel");
    assert_eq!(w.filled(), d("4"));
    only(&w.leader("q", 2, "4", "4", "4"), "new sell 4 1 /");
}

/// An order that was placed long ago opens nothing, and a fill of a mirrored order is never stale.
#[test]
fn an_old_order_is_stale_and_an_old_fill_of_a_mirrored_one_is_not() {
    let mut w = world("");
    let old = "35=8|37=x|17=S0|150=0|39=0|55=EURUSD|54=1|38=10|14=0|40=2|44=1.1|60=20200101-00:00:00|";
    assert!(w.apply(EventKind::Leader, "L", &crate::support::fix(old)).is_empty());
    assert_eq!(count(&w, "stale"), 1);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "10", "10");
    let at = time(w.now - 3_000 * SECOND);
    let late = format!("35=8|37=o|17=S1|150=F|39=2|55=EURUSD|54=1|38=10|32=10|31=1|14=10|151=0|60={at}|");
    assert!(w.apply(EventKind::Leader, "L", &crate::support::fix(&late)).is_empty());
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")));
}

/// The leader has filled and the follower has not: by default the mirror works on.
#[test]
fn a_mirror_works_on_after_the_leaders_fill() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    traded(&mut w, "o", 1, "10", "10", "10");
    assert!(w.run_to(w.now + 3_600 * SECOND).is_empty());
    assert!(w.fill(&m, "10", "10").is_empty());
    assert_eq!(w.filled(), d("10"));
}

/// The leader cancels after a part: what he filled and the follower did not is left to the mirror, the rest is cut.
#[test]
fn a_part_filled_order_that_ends_leaves_its_part_to_the_mirror() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    traded(&mut w, "o", 1, "10", "4", "4");
    let r = only(&canceled(&mut w, "o", 1, "10", "4"), "replace buy 4 2 1.1/ 1");
    assert!(accepted(&mut w, &m, &r, "0").is_empty());
    w.fill(&crate::support::Sent { id: r.id, qty: "4".into(), ..m }, "4", "4");
    assert_eq!((w.filled(), w.target()), (d("4"), d("4")));
    assert!(w.engine.state().mirrors.is_empty());
}

/// `market_after_s`: the mirror is cancelled after the time, and what is missing goes to the market, once.
#[test]
fn what_is_missing_goes_to_the_market_after_its_time() {
    let mut w = world(r#","leader_filled":"market_after_s","leader_filled_ms":2000"#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "3", "3");
    traded(&mut w, "o", 1, "10", "10", "10");
    let end = w.now + 2 * SECOND;
    assert!(w.run_to(end - SECOND).is_empty());
    let gone = only(&w.run_to(end + SECOND), "cancel");
    w.fill(&m, "1", "4");
    let market = only(&ended(&mut w, &m, &gone, "4"), "new buy 6 1 /");
    w.out(&market);
    assert!(w.fill(&market, "6", "6").is_empty());
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")));
}

/// `cancel_after_s`: what is missing is given up, with a reason, and is not opened by the next fill.
#[test]
fn what_is_missing_is_given_up_after_its_time() {
    let mut w = world(r#","leader_filled":"cancel_after_s","leader_filled_ms":2000"#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "3", "3");
    traded(&mut w, "o", 1, "10", "10", "10");
    let gone = only(&w.run_to(w.now + 3 * SECOND), "cancel");
    assert!(ended(&mut w, &m, &gone, "3").is_empty());
    assert_eq!((w.filled(), w.target()), (d("3"), d("3")));
    assert_eq!(count(&w, "not_filled"), 1);
    only(&w.leader("p", 1, "1", "1", "1"), "new buy 1 1 /");
}

/// A mirror that its broker rejects is not sent again, and what it would have opened is given up with the leader's fill.
#[test]
fn a_rejected_mirror_is_given_up() {
    for rule in ["", r#","leader_filled":"market_after_s","leader_filled_ms":1000"#] {
        let mut w = world(rule);
        let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
        w.out(&m);
        assert!(w.reject(&m).is_empty());
        assert!(traded(&mut w, "o", 1, "10", "10", "10").is_empty());
        assert!(w.run_to(w.now + 60 * SECOND).is_empty());
        assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO), "{rule}");
        assert!(w.engine.state().mirrors.is_empty());
    }
}

/// A mirror that ends by itself, an IOC or a hand at the broker, is there again when the leader changes his order.
#[test]
fn a_lost_mirror_is_placed_again_by_the_leaders_change_only() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    let id = &m.id;
    let hand = format!("35=8|37=B{id}|11={id}|17=H1|150=4|39=4|55=EURUSD|54=1|38=10|14=0|151=0|378=0|");
    assert!(w.broker(&hand).is_empty());
    assert!(traded(&mut w, "o", 1, "10", "2", "2").is_empty());
    only(&replaced(&mut w, "o", 1, "10", "2", "40=2|44=1.12|59=1|"), "new buy 10 2 1.12/ 1");
}

/// The leader reduces while the follower is behind: what is missing shrinks as the position does, and the mirror with it.
#[test]
fn what_is_missing_shrinks_with_the_leaders_position() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "4", "4");
    traded(&mut w, "o", 1, "10", "10", "10");
    let sent = w.leader("p", 2, "5", "5", "5");
    assert_eq!(
        words(&sent),
        ["new sell 2 1 /", "replace buy 7 2 1.1/ 1"],
        "half of 4, and half of 6 missing"
    );
    accepted(&mut w, &m, &sent[1], "4");
    w.out(&sent[0]);
    w.fill(&sent[0], "2", "2");
    let sent = w.leader("q", 2, "5", "5", "5");
    assert_eq!(words(&sent), ["new sell 2 1 /", "cancel"], "flat: nothing is missing any more");
    w.fill(&crate::support::Sent { id: m.id.clone(), qty: "7".into(), ..m.clone() }, "3", "7");
    w.out(&sent[0]);
    w.fill(&sent[0], "2", "2");
    assert_eq!(w.target(), Dec::ZERO);
    assert_eq!(w.filled(), d("3"), "filled before the cancel");
}

/// What the follower filled first counts for the leader's live order; it is not closed by a reduce of something else.
#[test]
fn what_is_ahead_of_a_live_order_is_not_closed_by_another() {
    let mut w = world("");
    let open = only(&w.leader("x", 1, "4", "4", "4"), "new buy 4 1 /");
    w.out(&open);
    w.fill(&open, "4", "4");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "5", "5");
    let close = only(&w.leader("y", 2, "4", "4", "4"), "new sell 4 1 /");
    w.out(&close);
    w.fill(&close, "4", "4");
    assert_eq!(w.filled(), d("5"));
    traded(&mut w, "o", 1, "10", "10", "10");
    w.fill(&m, "5", "10");
    assert_eq!((w.filled(), w.target()), (d("10"), d("10")));
}

/// A leader without a known position has nothing mirrored: an open could not be told from a close.
#[test]
fn an_unknown_position_mirrors_nothing() {
    let mut w = World::with(crate::support::SAME, r#","copy":"orders""#, |c| {
        takes_all(c);
        c.leaders[0].assume_flat = false;
    });
    assert!(new(&mut w, "o", 1, "10", LIMIT).is_empty());
    assert_eq!(count(&w, "leader_position_unknown"), 1);
}
