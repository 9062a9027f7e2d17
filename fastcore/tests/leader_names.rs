//! Which leader order a report is about, and what becomes of a position that cannot be counted.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::profile::{FillKey, FillQty, OrderKey};
use support::{SAME, Sent, World, config, d, fix, lots, one};

const DAY_NS: i64 = 86_400_000_000_000;

fn with(sizing: &str, change: impl FnOnce(&mut Config)) -> World {
    World::with(sizing, "", change)
}

/// A leader's report with the present time.
fn tell(w: &mut World, text: &str) -> Vec<Sent> {
    let mut time = Vec::new();
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    w.apply(EventKind::Leader, "L", &fix(&format!("35=8|{text}|55=EURUSD|60={time}|")))
}

/// An OrderID that the venue uses again on the next day is another order, with or without its own New.
#[test]
fn an_order_id_used_again_on_a_later_day_is_another_order() {
    for with_new in [true, false] {
        let mut w = with(SAME, |_| {});
        let open = one(&tell(&mut w, "37=1|17=1|150=F|39=2|54=1|38=10|32=10|31=1|14=10|151=0"), true, "10");
        w.out(&open);
        w.fill(&open, "10", "10");
        w.now += DAY_NS;
        if with_new {
            assert!(tell(&mut w, "37=1|17=0|150=0|39=0|54=2|38=10|14=0|151=10").is_empty());
        }
        let close = tell(&mut w, "37=1|17=1|150=F|39=1|54=2|38=10|32=4|31=1|14=4|151=6");
        one(&close, false, "4");
        assert_eq!((w.filled(), w.target()), (d("10"), d("6")), "with_new {with_new}");
        assert!(w.alerts.is_empty(), "{:?}", w.alerts);
    }
}

/// An order that goes on over days keeps its name: only what cannot be its next report begins another.
#[test]
fn an_order_that_goes_on_over_days_is_one_order() {
    let mut w = with(r#"{"mode":"fixed","lots":"10"}"#, |_| {});
    one(&tell(&mut w, "37=1|17=1|150=F|39=1|54=1|38=10|32=4|31=1|14=4|151=6"), true, "4");
    w.now += DAY_NS;
    tell(&mut w, "37=1|17=2|150=F|39=2|54=1|38=10|32=6|31=1|14=10|151=0");
    assert_eq!(w.target(), d("10"), "fixed opens its amount once");
}

/// The same execution, word for word but for its date, is a repetition: copied once, and shown.
#[test]
fn a_repeated_execution_of_a_later_day_is_shown_and_not_copied() {
    let mut w = with(SAME, |_| {});
    let text = "37=1|17=1|150=F|39=2|54=1|38=10|32=10|31=1|14=10|151=0";
    one(&tell(&mut w, text), true, "10");
    w.now += DAY_NS;
    assert!(tell(&mut w, text).is_empty());
    assert_eq!(w.target(), d("10"));
    assert_eq!(w.alerts.last().map(|a| a.code), Some("repeated_execution"));
}

/// Where orders are named by ClOrdID(11), a replace gives a new name to the same order: an amount is opened once.
#[test]
fn a_replaced_order_is_the_same_order_under_its_new_name() {
    let mut w = with(r#"{"mode":"fixed","lots":"10"}"#, |c| c.profiles[0].order_key = OrderKey::ClOrdId);
    one(&tell(&mut w, "37=x|11=A|17=1|150=F|39=1|54=1|38=10|32=5|31=1|14=5|151=5"), true, "5");
    assert!(tell(&mut w, "37=x|11=B|41=A|17=2|150=5|39=5|54=1|38=20|14=5|151=15").is_empty());
    tell(&mut w, "37=x|11=C|41=B|17=3|150=5|39=5|54=1|38=20|14=5|151=15");
    tell(&mut w, "37=x|11=C|17=4|150=F|39=2|54=1|38=20|32=15|31=1|14=20|151=0");
    assert_eq!(w.target(), d("10"), "5, and the other 5: not 10 for each name");
    // A bust names an execution of the first name.
    tell(&mut w, "37=x|11=C|17=5|19=1|150=H|39=1|54=1|38=20|32=5|31=1|14=15|151=5");
    assert_eq!(w.engine.state().leaders[0].positions.values().next(), Some(&d("15")));
}

/// A position that leaves the range of numbers is not known any more: nothing is copied from a wrong one.
#[test]
fn a_position_beyond_counting_is_not_known_any_more() {
    let mut w = with(SAME, |_| {});
    let huge = "100000000000000000000";
    let open = one(&tell(&mut w, "37=1|17=1|150=F|39=2|54=1|38=10|32=10|31=1|14=10|151=0"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    for n in 2..4 {
        tell(&mut w, &format!("37={n}|17={n}|150=F|39=2|54=1|38={huge}|32={huge}|31=1|14={huge}|151=0"));
    }
    assert!(w.alerts.iter().any(|a| a.code == "leader_position_lost"), "{:?}", w.alerts);
    assert!(w.engine.state().leaders[0].positions.is_empty());
    let sent = tell(&mut w, "37=4|17=4|150=F|39=2|54=1|38=5|32=5|31=1|14=5|151=0");
    assert!(sent.is_empty(), "{sent:?}");
    let status = w.engine.status();
    assert!(status.refusals.contains_key("leader_position_unknown"), "{:?}", status.refusals);
    // A restart assumes nothing about it, and the broker's word, said twice, ends what was copied.
    let bytes = w.engine.snapshot();
    w.engine = Engine::restore(config(SAME, ""), &bytes).unwrap();
    assert!(w.engine.state().leaders[0].positions.is_empty(), "assume_flat is no answer any more");
    let flat = fix("35=AP|721=1|55=EURUSD|702=1|703=TQ|704=0|705=0|");
    let mut sent = w.apply(EventKind::Leader, "L", &flat);
    sent.extend(w.apply(EventKind::Leader, "L", &flat));
    assert!(sent.iter().any(|s| !s.buy && s.qty == "10"), "{sent:?}");
}

/// A quantity that does not fit in units counts nowhere: a lot of a large contract is not taken for nothing filled.
#[test]
fn a_quantity_that_does_not_fit_in_units_is_not_nothing() {
    let mut w = with(SAME, |c| {
        c.instruments[0].contract_size = d("100000");
        c.instruments[0].lot_step = lots("1");
        c.profiles[0].quantity_unit = fastcore::profile::QuantityUnit::Lots;
    });
    let huge = "100000000000000000";
    tell(&mut w, &format!("37=1|17=1|150=F|39=2|54=1|38={huge}|32={huge}|31=1|14={huge}|151=0"));
    assert!(w.alerts.iter().any(|a| a.code == "leader_position_lost"), "{:?}", w.alerts);
}

/// Two fills of one size without an ExecID are two fills where the profile tells them apart by their time.
#[test]
fn fills_without_an_exec_id_are_told_apart_by_their_time() {
    let mut w = with(SAME, |c| {
        c.profiles[0].fill_qty = FillQty::LastQty;
        c.profiles[0].fill_key = FillKey::OrderCumTime;
    });
    let text = "37=1|150=F|39=1|54=1|38=10|32=5|31=1|14=0|151=0";
    tell(&mut w, text);
    w.now += 1_000_000_000;
    tell(&mut w, text);
    assert_eq!(w.target(), d("10"));
}

/// An instrument that a leader gets later starts as the configuration says; one that was counted keeps its count.
#[test]
fn an_instrument_added_later_starts_as_the_configuration_says() {
    let mut w = with(SAME, |_| {});
    tell(&mut w, "37=1|17=1|150=F|39=2|54=1|38=10|32=10|31=1|14=10|151=0");
    let bytes = w.engine.snapshot();
    let mut next = config(SAME, "");
    let mut usd = next.instruments[0].clone();
    usd.name = "USDJPY".into();
    next.instruments.push(usd);
    next.leaders[0].symbols.insert("USDJPY".into(), "USDJPY".into());
    next.leaders[0].initial_positions.insert("USDJPY".into(), d("7"));
    next.leaders[0].initial_positions.insert("EURUSD".into(), d("3"));
    w.engine = Engine::restore(next, &bytes).unwrap();
    let held: Vec<Dec> = w.engine.state().leaders[0].positions.values().copied().collect();
    assert_eq!(held, [d("10"), d("7")]);
}
