//! What bounds an order that is mirrored: prices, values, positions, copies (decision 0031).

use crate::entries::holds;
use crate::play::*;
use crate::support::{Sent, World, d, lots, texts};
use fastcore::decimal::Dec;
use fastcore::event::EventKind;

const MARKET: &str = "40=1|59=0|";

fn count(w: &World, code: &str) -> u64 {
    w.engine.status().refusals.get(code).copied().unwrap_or(0)
}

fn quote(w: &mut World, px: &str) {
    let text = format!(r#"{{"instrument":"EURUSD","bid":"{px}","ask":"{px}"}}"#);
    assert!(w.apply(EventKind::Quote, "", text.as_bytes()).is_empty());
}

/// At the market a mirror's price is the market: it is off by nothing, whatever the leader traded at before. Without a
/// fresh quote nobody can say what the market is.
#[test]
fn a_market_mirror_is_on_the_market() {
    for collar in [r#""price_collar_bps":"100""#, r#""price_windows":[{"bps":"100","window_ms":1000}]"#] {
        let mut w = world(&format!(r#","limits":{{"default":{{{collar}}}}}"#));
        assert!(new(&mut w, "unknown", 1, "10", MARKET).is_empty());
        assert_eq!(count(&w, "no_quote"), 1, "{collar}");
        quote(&mut w, "1.1");
        let m = only(&new(&mut w, "o", 1, "10", MARKET), "new buy 10 1 /");
        work(&mut w, &m);
        w.fill(&m, "10", "10");
        traded(&mut w, "o", 1, "10", "10", "10");
        w.now += 5_000_000_000;
        quote(&mut w, "1.3");
        only(&new(&mut w, "p", 1, "10", MARKET), "new buy 10 1 /");
        assert_eq!(count(&w, "price_collar") + count(&w, "price_collar_window"), 0, "{collar}");
    }
}

/// A market that has run away within the window stops a mirror at the market too; and a price far off stops any.
#[test]
fn a_collar_still_stops_what_is_off() {
    let window = r#""price_windows":[{"bps":"100","window_ms":60000}]"#;
    let mut w = world(&format!(r#","limits":{{"default":{{{window}}}}}"#));
    quote(&mut w, "1.1");
    quote(&mut w, "1.3");
    assert!(new(&mut w, "o", 1, "10", MARKET).is_empty());
    assert_eq!(count(&w, "price_collar_window"), 1);
    let mut w = world(r#","limits":{"default":{"price_collar_bps":"100"}}"#);
    quote(&mut w, "1.2");
    assert!(new(&mut w, "o", 1, "10", LIMIT).is_empty());
    assert_eq!(count(&w, "price_collar"), 1);
}

/// A mirror has nothing to drift from: its price is the bound. What the leader fills without one has.
#[test]
fn a_mirror_does_not_drift() {
    for terms in [LIMIT, MARKET] {
        let mut w = world(r#","max_drift_bps":"50""#);
        assert_eq!(
            new(&mut w, "o", 1, "10", terms).len(),
            1,
            "the leader never traded, and there is no quote"
        );
        let mut w = world(r#","max_drift_bps":"50""#);
        quote(&mut w, "1.1");
        holds(&mut w, "first", "10", "1.1");
        quote(&mut w, "1.2");
        assert_eq!(new(&mut w, "o", 1, "10", terms).len(), 1, "his last trade was far away");
        assert!(w.leader("x", 1, "10", "10", "10").is_empty());
        assert_eq!(count(&w, "drift"), 1, "a fill at 1.1 is");
    }
}

/// The copy may be as large as what the leader would hold if his working orders filled, times the bound; not larger.
#[test]
fn what_the_leader_works_counts_for_amplification() {
    let mut w = World::with(
        r#"{"mode":"multiplier","k":"3"}"#,
        r#","copy":"orders","max_amplification":"2""#,
        takes_all,
    );
    only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 20 2 1.1/ 1"); // not 30
    assert_eq!(count(&w, "amplification"), 1);
    let mut w = world(r#","max_amplification":"1""#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    only(&new(&mut w, "p", 1, "5", LIMIT), "new buy 5 2 1.1/ 1");
    only(&new(&mut w, "q", 2, "5", TAKE), "new sell 5 2 1.2/ 1");
    traded(&mut w, "o", 1, "10", "10", "10");
    w.fill(&m, "10", "10");
    only(&new(&mut w, "r", 1, "5", LIMIT), "new buy 5 2 1.1/ 1");
    assert_eq!(count(&w, "amplification"), 0);
    // An order that is over counts no more.
    let mut w = world(r#","max_amplification":"1","leader_filled":"none""#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    traded(&mut w, "o", 1, "10", "4", "4");
    only(&canceled(&mut w, "o", 1, "10", "4"), "replace buy 4 2 1.1/ 1");
    assert!(new(&mut w, "p", 1, "2", LIMIT).is_empty(), "10 may be held for 4 and 2");
    assert_eq!(count(&w, "amplification"), 1);
}

/// However many orders the venue makes of a mirror, the leader has one.
#[test]
fn an_order_in_parts_counts_once_for_amplification() {
    let mut w =
        World::with(r#"{"mode":"multiplier","k":"3"}"#, r#","copy":"orders","max_amplification":"2""#, |c| {
            takes_all(c);
            c.instruments[0].max_lot = Some(lots("5"));
        });
    assert_eq!(words(&new(&mut w, "o", 1, "10", LIMIT)), ["new buy 5 2 1.1/ 1"; 4]);
    assert_eq!(count(&w, "amplification"), 1, "20 for 10, and not 30");
}

/// A mirror is worth what it may trade at: its own price; a stop to buy, or a limit to sell, the market's if that is more.
#[test]
fn a_mirror_is_worth_its_own_price() {
    // Side, terms, market, and what a bound of 12 leaves of 20 (none: it is refused without a quote).
    for (side, terms, market, left) in [
        (1, "40=2|44=0.5|59=1|", None, Some("20")),
        (1, "40=2|44=0.5|59=1|", Some("1"), Some("20")),
        (1, "40=3|99=2|59=1|", Some("1"), Some("6")),
        (1, "40=3|99=0.5|59=1|", Some("1"), Some("12")),
        (1, "40=4|44=1.2|99=1|59=1|", Some("2"), Some("10")),
        (2, "40=2|44=1.2|59=1|", None, Some("10")),
        (2, "40=2|44=0.5|59=1|", Some("1"), Some("12")),
        (2, "40=3|99=0.5|59=1|", Some("1"), Some("20")),
        (1, MARKET, Some("1"), Some("12")),
        (1, MARKET, None, None),
    ] {
        let mut w = world(r#","limits":{"default":{"max_order_value":"12","on_breach":"clip"}}"#);
        if let Some(px) = market {
            quote(&mut w, px);
        }
        let sent = new(&mut w, "o", side, "20", terms);
        assert_eq!(sent.first().map(|s| s.qty.as_str()), left, "{side} {terms} at {market:?}");
        assert_eq!(count(&w, "no_quote"), u64::from(left.is_none()));
    }
}

/// An inverse contract is worth more at a lower price: a limit to buy, and a stop to sell, may trade at less than they name.
#[test]
fn a_mirror_of_an_inverse_contract_is_worth_most_at_the_lowest_price() {
    for (side, terms, market, left) in [
        (1, "40=2|44=2|59=1|", None, "20"),
        (1, "40=2|44=2|59=1|", Some("1"), "12"),
        (1, "40=2|44=0.5|59=1|", Some("1"), "6"),
        (1, "40=3|99=2|59=1|", Some("1"), "20"),
        (1, "40=4|44=1.2|99=0.5|59=1|", Some("2"), "14"),
        (2, "40=2|44=2|59=1|", Some("1"), "20"),
        (2, "40=3|99=0.5|59=1|", Some("1"), "6"),
        (2, "40=3|99=2|59=1|", Some("1"), "12"),
        (1, MARKET, Some("1"), "12"),
    ] {
        let bound = r#","copy":"orders","limits":{"default":{"max_order_value":"12","on_breach":"clip"}}"#;
        let mut w = World::with(crate::support::SAME, bound, |c| {
            takes_all(c);
            c.instruments[0].inverse = true;
        });
        if let Some(px) = market {
            quote(&mut w, px);
        }
        let sent = new(&mut w, "o", side, "20", terms);
        assert_eq!(sent.first().map(|s| s.qty.as_str()), Some(left), "{side} {terms} at {market:?}");
    }
}

/// A bound of one order is one of the whole order: also when the leader makes it larger bit by bit.
#[test]
fn an_order_that_grows_is_one_order_to_its_bounds() {
    let mut w = world(r#","limits":{"default":{"max_order_qty_lots":"12","on_breach":"clip"}}"#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    only(&replaced(&mut w, "o", 1, "20", "0", LIMIT), "replace buy 12 2 1.1/ 1");
    assert_eq!(count(&w, "max_order_qty"), 1);
}

/// Each mirror that opens is an automatic copy, and one that looks like another is told.
#[test]
fn mirrors_are_counted_as_copies() {
    let faults = |c: &mut fastcore::config::Config| {
        takes_all(c);
        (c.faults.repeated_copies, c.faults.repeated_window_ms) = (2, 60_000);
        c.faults.lookalike_window_ms = 60_000;
    };
    let mut w = World::with(crate::support::SAME, r#","copy":"orders""#, faults);
    let m = only(&new(&mut w, "a", 1, "1", LIMIT), "new buy 1 2 1.1/ 1");
    work(&mut w, &m);
    only(&replaced(&mut w, "a", 1, "1", "0", "40=2|44=1.11|59=1|"), "replace buy 1 2 1.11/ 1");
    assert!(texts(&w, "look_alike").is_empty() && texts(&w, "repeated_copies").is_empty(), "it is one copy");
    only(&new(&mut w, "b", 1, "1", LIMIT), "new buy 1 2 1.1/ 1");
    assert_eq!((texts(&w, "look_alike").len(), texts(&w, "repeated_copies").len()), (1, 1));
    assert!(new(&mut w, "c", 1, "1", LIMIT).is_empty());
    assert_eq!(count(&w, "repeated_execution"), 1);
}

/// One that closes is none.
#[test]
fn a_mirror_that_closes_is_no_copy() {
    let mut w = World::with(crate::support::SAME, r#","copy":"orders""#, |c| {
        takes_all(c);
        (c.faults.repeated_copies, c.faults.repeated_window_ms) = (2, 60_000);
    });
    holds(&mut w, "first", "10", "1.1");
    only(&new(&mut w, "sl", 2, "10", STOP), "new sell 10 3 /1 1");
    only(&new(&mut w, "tp", 2, "10", TAKE), "new sell 10 2 1.2/ 1");
    assert!(texts(&w, "repeated_copies").is_empty());
}

fn capped(max_lot: &str, min_lot: &str, extra: &str) -> World {
    World::with(crate::support::SAME, &format!(r#","copy":"orders"{extra}"#), |c| {
        takes_all(c);
        (c.instruments[0].max_lot, c.instruments[0].min_lot) = (Some(lots(max_lot)), lots(min_lot));
    })
}

/// Works several orders; nothing is left to do for them.
fn work_all(w: &mut World, sent: &[Sent]) {
    for s in sent {
        assert_eq!(acts(work(w, s)), vec![]);
    }
}

/// A protective stop for more than one order is several, and none of the position is without one: by the venue's largest
/// lot, and by a bound of one order.
#[test]
fn a_stop_is_as_many_orders_as_its_caps_make_it() {
    let bound = r#","limits":{"default":{"max_order_qty_lots":"5","on_breach":"clip"}}"#;
    for (max_lot, extra) in [("5", ""), ("100", bound)] {
        let mut w = capped(max_lot, "1", extra);
        for n in ["a", "b", "c"] {
            holds(&mut w, n, "4", "1.1");
        }
        let stops = new(&mut w, "sl", 2, "12", STOP);
        assert_eq!(words(&stops), ["new sell 4 3 /1 1"; 3]);
        work_all(&mut w, &stops);
        // The leader's is cut: from the end, and the rest stays as it is.
        let cut = replaced(&mut w, "sl", 2, "7", "0", STOP);
        assert_eq!(words(&cut), ["replace sell 3 3 /1 1", "cancel"]);
        accepted(&mut w, &stops[1], &cut[0], "0");
        ended(&mut w, &stops[2], &cut[1], "0");
        // And moved: all of it.
        let moved = replaced(&mut w, "sl", 2, "7", "0", "40=3|99=1.05|59=1|");
        assert_eq!(words(&moved), ["replace sell 4 3 /1.05 1", "replace sell 3 3 /1.05 1"]);
        assert!(texts(&w, "mirror_lost").is_empty());
    }
}

/// The stop fills, order by order: what each fills is the leader's close, and closed once.
#[test]
fn a_stop_of_several_orders_fills_as_one() {
    let mut w = capped("5", "1", "");
    holds(&mut w, "a", "5", "1.1");
    holds(&mut w, "b", "5", "1.1");
    let stops = new(&mut w, "sl", 2, "10", STOP);
    assert_eq!(words(&stops), ["new sell 5 3 /1 1"; 2]);
    work_all(&mut w, &stops);
    assert_eq!(words(&w.fill(&stops[0], "5", "5")), [""; 0]);
    // The leader's fills half: that much is filled already.
    assert_eq!(words(&traded(&mut w, "sl", 2, "10", "5", "5")), [""; 0]);
    assert_eq!((w.filled(), w.target()), (d("5"), d("5")));
    // The rest of his: our second is taken back, and what it has not filled goes to the market once.
    let gone = only(&traded(&mut w, "sl", 2, "10", "5", "10"), "cancel");
    let close = only(&ended(&mut w, &stops[1], &gone, "0"), "new sell 5 1 /");
    w.out(&close);
    w.fill(&close, "5", "5");
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
    assert!(w.engine.state().mirrors.is_empty());
}

/// A close at the market leaves to all of them what they may still fill.
#[test]
fn a_close_waits_for_every_order_of_a_stop() {
    let mut w = capped("5", "1", "");
    holds(&mut w, "a", "5", "1.1");
    holds(&mut w, "b", "5", "1.1");
    let stops = new(&mut w, "sl", 2, "10", STOP);
    work_all(&mut w, &stops);
    let gone = w.leader("x", 2, "10", "10", "10");
    assert_eq!(words(&gone), ["cancel", "cancel"]);
    let one = only(&ended(&mut w, &stops[0], &gone[0], "0"), "new sell 5 1 /");
    w.out(&one);
    let two = only(&ended(&mut w, &stops[1], &gone[1], "0"), "new sell 5 1 /");
    w.out(&two);
    w.fill(&one, "5", "5");
    w.fill(&two, "5", "5");
    assert_eq!(w.filled(), Dec::ZERO);
}

/// One of them is gone at the broker: that is told, the others stay, and it is placed again when the leader changes his.
#[test]
fn a_lost_part_of_a_stop_leaves_the_others() {
    let mut w = capped("5", "1", "");
    holds(&mut w, "a", "5", "1.1");
    holds(&mut w, "b", "5", "1.1");
    let stops = new(&mut w, "sl", 2, "10", STOP);
    work_all(&mut w, &stops);
    let id = &stops[1].id;
    let expired = format!("35=8|37=B{id}|11={id}|17=C1|150=C|39=C|55=EURUSD|54=2|38=5|14=0|151=0|");
    assert!(w.broker(&expired).is_empty());
    assert_eq!(texts(&w, "mirror_lost").len(), 1);
    assert!(w.run_to(w.now + 60_000_000_000).is_empty());
    let moved = replaced(&mut w, "sl", 2, "10", "0", "40=3|99=1.05|59=1|");
    assert_eq!(words(&moved), ["replace sell 5 3 /1.05 1", "new sell 5 3 /1.05 1"]);
}

/// What is no order of its own beside full ones is told, once, and with what it is.
#[test]
fn what_no_order_of_a_stop_can_be_for_is_told() {
    let mut w = capped("5", "4", "");
    holds(&mut w, "a", "5", "1.1");
    w.leader("b", 1, "1", "1", "1");
    let one = w.leader("c", 1, "4", "4", "4");
    for o in &one {
        w.out(o);
        w.fill(o, &o.qty, &o.qty);
    }
    w.leader("d", 2, "4", "4", "4").iter().for_each(|o| {
        w.out(o);
        w.fill(o, &o.qty, &o.qty);
    });
    assert_eq!(w.filled(), d("6"));
    let stop = only(&new(&mut w, "sl", 2, "6", STOP), "new sell 5 3 /1 1");
    work(&mut w, &stop);
    assert_eq!(
        texts(&w, "mirror_lost"),
        ["s, EURUSD: 1 of 6 units have no closing order: one order is 4 to 5 units"]
    );
    only(&replaced(&mut w, "sl", 2, "6", "0", "40=3|99=1.05|59=1|"), "replace sell 5 3 /1.05 1");
    assert_eq!(texts(&w, "mirror_lost").len(), 1);
}

/// An open of more orders than there may be: what no order is for is told, and given up with the leader's order.
#[test]
fn what_no_order_of_an_open_can_be_for_is_told_and_given_up() {
    let mut w = capped("5", "1", "");
    let sent = new(&mut w, "o", 1, "600", LIMIT);
    assert_eq!(sent.len(), 100);
    for s in &sent {
        work(&mut w, s);
        w.fill(s, "5", "5");
    }
    traded(&mut w, "o", 1, "600", "600", "600");
    assert_eq!(
        texts(&w, "mirror_lost"),
        ["s, EURUSD: 100 of 600 units have no opening order: one order is 1 to 5 units"]
    );
    assert_eq!((w.filled(), w.target()), (d("500"), d("500")));
    assert!(w.engine.state().mirrors.is_empty());
}

/// An open order that becomes larger takes no second place.
#[test]
fn a_replace_takes_no_place_among_open_orders() {
    let mut w = world(r#","limits":{"totals":{"max_open_orders":1}}"#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    only(&replaced(&mut w, "o", 1, "20", "0", LIMIT), "replace buy 20 2 1.1/ 1");
    assert!(new(&mut w, "p", 1, "5", LIMIT).is_empty());
    assert_eq!(count(&w, "max_open_orders"), 1);
}

/// An opening order that is more than the venue takes at once is several, as the opens of fills are; a bound of one order
/// is asked for the whole.
#[test]
fn an_open_is_several_orders_where_the_venue_takes_less() {
    let mut w = capped("5", "1", "");
    let sent = new(&mut w, "o", 1, "12", LIMIT);
    assert_eq!(words(&sent), ["new buy 4 2 1.1/ 1"; 3]);
    work_all(&mut w, &sent);
    w.fill(&sent[0], "4", "4");
    assert!(traded(&mut w, "o", 1, "12", "12", "12").is_empty());
    w.fill(&sent[1], "4", "4");
    w.fill(&sent[2], "4", "4");
    assert_eq!((w.filled(), w.target()), (d("12"), d("12")));
    assert!(w.engine.state().mirrors.is_empty());
    for (breach, left) in [("clip", &["new buy 4 2 1.1/ 1", "new buy 3 2 1.1/ 1"][..]), ("refuse", &[])] {
        let mut w = capped(
            "5",
            "1",
            &format!(r#","limits":{{"default":{{"max_order_qty_lots":"7","on_breach":"{breach}"}}}}"#),
        );
        let sent = new(&mut w, "o", 1, "12", LIMIT);
        assert_eq!(words(&sent), left);
        assert_eq!(count(&w, "max_order_qty"), 1);
    }
    // Open orders are counted one by one.
    let mut w =
        capped("5", "1", r#","limits":{"default":{"on_breach":"clip"},"totals":{"max_open_orders":2}}"#);
    assert_eq!(words(&new(&mut w, "o", 1, "12", LIMIT)), ["new buy 5 2 1.1/ 1"; 2]);
    assert_eq!(count(&w, "max_open_orders"), 1);
}
