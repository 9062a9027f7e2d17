//! What the engine says about mirrors: each step with its reason and its numbers, in the order in which it came about.

use crate::play::*;
use crate::support::{Told, World, d, fix};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::Row;
use fastcore::mirror::{Asked, Unmirrored};
use fastcore::mirrored::{Part, Step, Why};
use fastcore::refusal::Code;
use fastcore::sizing::Rule;

const SECOND: i64 = 1_000_000_000;
const QUANTA: i128 = 1_000_000_000_000_000_000;

/// What was said since the last time: step and reason, with the leader's report that it is about.
fn words(w: &mut World) -> Vec<String> {
    w.told.drain(..).map(|t| format!("{}: {}", t.said, t.word())).collect()
}

/// The only thing that was said since the last time.
fn only_told(w: &mut World, word: &str) -> Told {
    let told: Vec<Told> = w.told.drain(..).collect();
    assert_eq!(told.iter().map(Told::word).collect::<Vec<_>>(), [word], "{told:#?}");
    told[0].clone()
}

/// Placed, replaced, cancelled: each because of the leader's report that asked for it.
#[test]
fn an_order_is_placed_replaced_and_cancelled_because_of_the_leaders_reports() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    assert_eq!(words(&mut w), ["E1: place begins"]);
    work(&mut w, &m);
    let r = only(&replaced(&mut w, "o", 1, "15", "0", "40=2|44=1.12|59=1|"), "replace buy 15 2 1.12/ 1");
    let t = only_told(&mut w, "replace changed");
    assert_eq!((t.said.as_str(), t.cause.as_str()), ("E2", "E2"));
    assert_eq!((t.had(), t.sent()), (Some(m.id.clone()), Some(r.id.clone())));
    let (had, to) = (t.order.unwrap(), t.to.unwrap());
    assert_eq!((had.qty, had.cum, had.terms.unwrap().px), (d("10"), d("0"), Some(d("1.1"))));
    assert_eq!((to.qty, to.terms.unwrap().px), (Some(d("15")), Some(d("1.12"))));
    accepted(&mut w, &m, &r, "0");
    assert_eq!(words(&mut w), ["E2: accepted asked"]);
    let c = only(&canceled(&mut w, "o", 1, "15", "0"), "cancel");
    let t = only_told(&mut w, "cancel leader_ended");
    assert_eq!((t.sent(), t.order.unwrap().qty), (Some(c.id.clone()), d("15")));
    ended(&mut w, &m, &c, "0");
    assert_eq!(words(&mut w), ["E4: ended asked", "E4: over leader_ended"]);
}

/// Half of what the leader orders, on ticks of 0.05: every number on the way.
#[test]
fn a_placed_order_has_the_numbers_that_it_came_from() {
    let mut w = World::with(crate::support::HALF, r#","copy":"orders""#, |c| {
        takes_all(c);
        c.instruments[0].tick = d("0.05");
    });
    only(&new(&mut w, "o", 1, "9", "40=2|44=1.12|59=1|"), "new buy 4 2 1.1/ 1");
    let t = only_told(&mut w, "place begins");
    let size = t.size.unwrap();
    let rest = 4 * QUANTA + QUANTA / 2;
    let part = Part::Open { rule: Rule::Rate(d("0.5")), counted: 0, opening: rest, rest };
    assert_eq!((size.part, size.units), (Some(part), d("4")));
    assert_eq!((t.leader.left, t.leader.position, t.leader.buy), (d("9"), Some(d("0")), true));
    let prices = t.prices.unwrap();
    assert_eq!((prices.exact.0, prices.terms.unwrap().px), (Some(d("1.12")), Some(d("1.1"))));
    let limits = t.limits.unwrap();
    assert_eq!((limits.asked, limits.admitted), (d("4"), d("4")));
}

/// A report that changes nothing keeps the order, and says so once; a duplicate is told as what it is not: news.
#[test]
fn a_report_that_changes_nothing_keeps_the_order() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.told.clear();
    replaced(&mut w, "o", 1, "10", "0", LIMIT);
    let t = only_told(&mut w, "keep as_wanted");
    assert_eq!((t.had(), t.sent()), (Some(m.id), None));
}

/// The leader's change comes while the order is on its way: it waits, and the broker's answer lets it go.
#[test]
fn a_change_waits_for_the_broker_and_names_the_report_that_asked_for_it() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    w.out(&m);
    w.told.clear();
    assert!(replaced(&mut w, "o", 1, "8", "0", LIMIT).is_empty());
    assert_eq!(words(&mut w), ["E2: wait away"]);
    only(&w.acknowledge(&m), "replace buy 8 2 1.1/ 1");
    let t = only_told(&mut w, "replace changed");
    assert_eq!(
        (t.said.as_str(), t.cause.as_str()),
        ("E2", ""),
        "the report is remembered, and is not the cause"
    );
    assert!(replaced(&mut w, "o", 1, "7", "0", LIMIT).is_empty());
    assert_eq!(words(&mut w), ["E3: wait replacing"]);
}

/// A fill that comes while a cancel is on its way, and the cancel that is too late.
#[test]
fn a_fill_during_a_cancel_is_told_as_that() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    let c = only(&canceled(&mut w, "o", 1, "10", "0"), "cancel");
    w.told.clear();
    w.fill(&m, "4", "4");
    let told: Vec<Told> = w.told.drain(..).collect();
    assert_eq!(told.iter().map(Told::word).collect::<Vec<_>>(), ["fill canceling", "settled closed"]);
    let (fill, settled) = (told[0].moved.unwrap(), told[1].moved.unwrap());
    assert_eq!((fill.units, fill.ahead_before, fill.ahead_after), (Some(d("4")), 0, 4 * QUANTA));
    assert_eq!((settled.ahead_before, settled.ahead_after), (4 * QUANTA, 0));
    assert_eq!(told[0].order.unwrap().asked, Asked::Cancel);
    refused(&mut w, &m, &c, 0);
    assert_eq!(words(&mut w), ["E2: cancel_refused too_late"]);
}

/// The leader's close is counted, and his take profit's mirror fills while it is cancelled: it was the close.
#[test]
fn a_closing_mirror_that_fills_late_is_the_close_that_was_wanted() {
    let mut w = world("");
    let open = only(&w.leader("p", 1, "10", "10", "10"), "new buy 10 1 /");
    w.out(&open);
    w.fill(&open, "10", "10");
    let take = only(&new(&mut w, "t", 2, "10", TAKE), "new sell 10 2 1.2/ 1");
    work(&mut w, &take);
    only(&traded(&mut w, "t", 2, "10", "10", "10"), "cancel");
    w.told.clear();
    assert!(w.fill(&take, "10", "10").is_empty());
    let said: Vec<String> = w.told.iter().map(Told::word).collect();
    assert_eq!(said, ["fill canceling", "ended filled", "over leader_ended"]);
    let moved = w.told[0].moved.unwrap();
    assert_eq!(
        (moved.units, moved.ahead_before, moved.ahead_after),
        (Some(d("10")), 0, 0),
        "ahead of nothing"
    );
}

/// A replace that the broker refuses becomes a cancel and a new order, and each says why.
#[test]
fn a_refused_replace_is_told_up_to_the_order_in_its_place() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    let r = only(&replaced(&mut w, "o", 1, "8", "0", LIMIT), "replace buy 8 2 1.1/ 1");
    w.told.clear();
    refused(&mut w, &m, &r, 2);
    assert_eq!(words(&mut w), ["E2: replace_refused brokers_choice"]);
    let c = only(&acts(w.run_to(w.now + 2 * SECOND)), "cancel");
    assert_eq!(words(&mut w), ["E2: cancel irreplaceable"]);
    only(&ended(&mut w, &m, &c, "0"), "new buy 8 2 1.1/ 1");
    assert_eq!(words(&mut w), ["E2: ended asked", "E2: place anew"]);
}

/// What is not mirrored says why: terms that the venue does not take, terms that nobody can read, a leader's order that is
/// too old.
#[test]
fn a_refusal_says_what_was_missing() {
    let mut w = World::with(crate::support::SAME, r#","copy":"orders""#, |_| {});
    for (order, terms, why) in [
        ("a", STOP, Unmirrored::VenueType),
        ("b", "40=2|59=1|", Unmirrored::Price),
        ("c", "40=P|", Unmirrored::OrderType),
    ] {
        assert!(new(&mut w, order, 1, "10", terms).is_empty());
        let t = only_told(&mut w, "refuse refused");
        assert_eq!((t.codes(), t.begun), (vec![Code::OrderTerms], 0));
        assert_eq!(t.prices.unwrap().unmirrored, Some(why), "{order}");
        assert_eq!((t.leader.left, t.buy), (d("10"), true));
    }
    let mut w = world(r#","max_age_ms":1000"#);
    let old = time(w.now - 5 * SECOND);
    let raw = format!("35=8|34=9|37=o|17=E9|150=0|39=0|55=EURUSD|54=1|38=10|14=0|151=0|60={old}|{LIMIT}");
    assert!(w.apply(EventKind::Leader, "L", &fix(&raw)).is_empty());
    let t = only_told(&mut w, "refuse refused");
    assert_eq!(
        (t.codes(), t.refusals[0].limit, t.refusals[0].value),
        (vec![Code::Stale], d("1000"), d("5000"))
    );
}

/// Limits let through a part, or nothing: asked for and admitted, with the refusal's own numbers.
#[test]
fn limits_are_told_with_what_they_were_asked_and_what_passed() {
    let clip = r#","limits":{"default":{"max_position_lots":"6","on_breach":"clip"}}"#;
    let mut w = world(clip);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 6 2 1.1/ 1");
    let t = only_told(&mut w, "place begins");
    let limits = t.limits.unwrap();
    assert_eq!((limits.asked, limits.admitted, t.codes()), (d("10"), d("6"), vec![Code::MaxPosition]));
    assert_eq!((t.refusals[0].limit, t.refusals[0].value), (d("6"), d("10")));
    work(&mut w, &m);
    assert!(replaced(&mut w, "o", 1, "12", "0", LIMIT).is_empty());
    let t = only_told(&mut w, "keep limited");
    let limits = t.limits.unwrap();
    assert_eq!((limits.asked, limits.admitted, t.between.refused), (d("2"), d("0"), 4 * QUANTA));
    let mut w = world(&clip.replace("clip", "refuse"));
    assert!(new(&mut w, "o", 1, "10", LIMIT).is_empty());
    let t = only_told(&mut w, "refuse refused");
    assert_eq!((t.codes(), t.limits.unwrap().admitted), (vec![Code::MaxPosition], d("0")));
}

/// The leader's order is filled and the follower's is not: after its time the order is cancelled and the rest given up.
#[test]
fn what_the_leader_filled_first_is_told_until_it_is_given_up() {
    let mut w = world(r#","leader_filled":"cancel_after_s","leader_filled_ms":1000"#);
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    work(&mut w, &m);
    w.told.clear();
    traded(&mut w, "o", 1, "10", "10", "10");
    let t = only_told(&mut w, "keep as_wanted");
    assert_eq!((t.said.as_str(), t.between.ahead), ("E2", -10 * QUANTA), "the follower is behind");
    let c = only(&acts(w.run_to(w.now + 2 * SECOND)), "cancel");
    assert_eq!(words(&mut w), ["E2: cancel leader_filled"]);
    ended(&mut w, &m, &c, "0");
    let told: Vec<Told> = w.told.drain(..).collect();
    let said: Vec<String> = told.iter().map(Told::word).collect();
    assert_eq!(said, ["ended asked", "settled given_up", "over leader_ended"]);
    let moved = told[1].moved.unwrap();
    assert_eq!((moved.target_before, moved.target_after), (Some(10 * QUANTA), Some(0)));
    assert_eq!((moved.ahead_before, moved.ahead_after), (-10 * QUANTA, 0));
}

/// A stop of twice the distance, of half of what is held: entry, multiplier and share are told.
#[test]
fn a_stop_is_told_with_the_entry_that_it_is_measured_from() {
    let mut w = world(r#","stop_multiplier":"2""#);
    let open = only(&w.leader("p", 1, "10", "10", "10"), "new buy 10 1 /");
    w.out(&open);
    w.fill(&open, "10", "10");
    w.told.clear();
    only(&new(&mut w, "s", 2, "5", STOP), "new sell 5 3 /0.9 1");
    let t = only_told(&mut w, "place begins");
    let prices = t.prices.unwrap();
    assert_eq!((prices.entry, prices.multiplier, prices.exact.1), (Some(d("1.1")), d("2"), Some(d("0.9"))));
    let Some(Part::Close { held, base, share, done, room, broker }) = t.size.unwrap().part else {
        panic!("{t:?}")
    };
    assert_eq!((held, base, share, done, room, broker), (d("10"), d("10"), d("5"), d("0"), d("10"), None));
    assert_eq!((t.limits, t.leader.position), (None, Some(d("10"))));
}

/// The take profit fills: the stop is cut down, because of a report about another order.
#[test]
fn a_report_of_one_order_is_the_cause_of_a_step_of_another() {
    let mut w = world("");
    let open = only(&w.leader("p", 1, "10", "10", "10"), "new buy 10 1 /");
    w.out(&open);
    w.fill(&open, "10", "10");
    let stop = only(&new(&mut w, "s", 2, "10", STOP), "new sell 10 3 /1 1");
    work(&mut w, &stop);
    w.told.clear();
    let sent = w.leader("q", 2, "4", "4", "4");
    assert!(sent.iter().any(|s| s.text.contains("35=G")), "{sent:?}");
    let t = w.told.iter().find(|t| t.step == Step::Replace).unwrap();
    assert_eq!((t.said.as_str(), t.cause.as_str(), t.why), ("E3", "E4", Why::Changed));
}

/// Held for its route, taken back, placed anew: nothing leaves twice, and each is told.
#[test]
fn an_order_that_never_left_is_told_as_withdrawn() {
    let mut w = world("");
    w.rows(&[Row::Logout { session: "R" }]);
    w.told.clear();
    assert!(new(&mut w, "o", 1, "10", LIMIT).is_empty());
    assert!(replaced(&mut w, "o", 1, "8", "0", LIMIT).is_empty());
    assert_eq!(words(&mut w), ["E1: place begins", "E2: withdraw changed", "E2: place anew"]);
    canceled(&mut w, "o", 1, "8", "0");
    let said = words(&mut w);
    assert_eq!(said.first().map(String::as_str), Some("E3: withdraw leader_ended"), "{said:?}");
}

/// A core that went on from a snapshot says the same: the leader's report is part of the state.
#[test]
fn a_snapshot_keeps_the_report_that_is_told_later() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
    w.out(&m);
    assert!(replaced(&mut w, "o", 1, "8", "0", LIMIT).is_empty());
    let bytes = w.engine.snapshot();
    let mut config = crate::support::config(crate::support::SAME, r#","copy":"orders""#);
    takes_all(&mut config);
    w.engine = Engine::restore(config, &bytes).unwrap();
    w.told.clear();
    w.acknowledge(&m);
    assert_eq!(words(&mut w), ["E2: replace changed"]);
}
