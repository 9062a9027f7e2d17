//! What his broker says of positions, one report for each, set against what we count.

use crate::support::{World, d, fix, one, texts};
use crate::{answer, asked, asked_soon, codes, copied, filled, holds, row, said, trade, unknown, world};
use fastcore::event::EventKind;

/// Long A of 10, short B of 4: a net of 6, copied.
fn pair() -> World {
    let mut w = world();
    copied(&mut w, 1, "10", "A");
    copied(&mut w, 2, "4", "B");
    assert_eq!(w.filled(), d("6"));
    w
}

/// Several rows are one answer: their sum is the net. In any order, twice, or with one that comes again, nothing differs.
#[test]
fn the_rows_of_an_answer_are_summed() {
    let mut w = pair();
    for (request, rows) in [("Q1", [("A", 10), ("B", -4)]), ("Q2", [("B", -4), ("A", 10)])] {
        assert!(answer(&mut w, request, &rows).is_empty());
    }
    row(&mut w, "Q3", 2, "A", 10);
    row(&mut w, "Q3", 2, "A", 10);
    row(&mut w, "Q3", 2, "B", -4);
    assert!(codes(&w).is_empty() && asked_soon(&mut w).is_empty(), "{:?}", w.alerts);
    holds(&w, "6", &[("A", "10"), ("B", "-4")], "0");
}

/// An answer of which a row is missing says nothing, however often it is said.
#[test]
fn an_answer_that_is_not_complete_says_nothing() {
    let mut w = pair();
    for request in ["Q1", "Q2", "Q3"] {
        assert!(row(&mut w, request, 2, "B", -4).is_empty());
    }
    // The other row of an answer that nobody waits for any more completes none.
    assert!(row(&mut w, "Q1", 2, "A", 3).is_empty());
    assert!(codes(&w).is_empty() && asked_soon(&mut w).is_empty(), "{:?}", w.alerts);
    holds(&w, "6", &[("A", "10"), ("B", "-4")], "0");
}

/// He closed a part of A, and no report came: said twice, the net comes down, and the alert says that it was A.
#[test]
fn a_close_that_was_missed_is_copied_and_its_position_named() {
    let mut w = pair();
    assert!(answer(&mut w, "Q1", &[("A", 7), ("B", -4)]).is_empty(), "said once");
    assert_eq!(asked_soon(&mut w), ["AN"], "nobody says it again unless he is asked");
    one(&answer(&mut w, "Q2", &[("A", 7), ("B", -4)]), false, "3");
    let told = texts(&w, "leader_drift");
    assert_eq!(told, ["l: the broker reports 3 units, we count 6: position A 7 there, 10 here"]);
    assert_eq!(codes(&w).len(), 1, "{:?}", w.alerts);
    holds(&w, "3", &[("A", "7"), ("B", "-4")], "0");
    copied(&mut w, 2, "7", "A");
    holds(&w, "-4", &[("B", "-4")], "0");
    assert!(!codes(&w).contains(&"leader_position_odd".to_owned()));
}

/// An execution between two answers makes them two first ones.
#[test]
fn what_is_said_on_both_sides_of_an_execution_is_not_said_twice() {
    let mut w = pair();
    answer(&mut w, "Q1", &[("A", 7), ("B", -4)]);
    trade(&mut w, 1, "1", "C");
    assert!(answer(&mut w, "Q2", &[("A", 7), ("B", -4)]).is_empty());
    assert!(codes(&w).is_empty(), "{:?}", w.alerts);
    holds(&w, "7", &[("A", "10"), ("B", "-4"), ("C", "1")], "0");
}

/// The sum is ours, and its parts are not: told with their names, traded by nobody, and counted from there.
#[test]
fn positions_that_differ_under_one_net_are_told_by_name() {
    let mut w = pair();
    let theirs = [("A", 8), ("C", 2), ("B", -4)];
    assert!(answer(&mut w, "Q1", &theirs).is_empty());
    assert!(codes(&w).is_empty(), "said once");
    assert_eq!(asked_soon(&mut w), ["AN"]);
    assert!(answer(&mut w, "Q2", &theirs).is_empty(), "nothing is traded for it");
    let told = texts(&w, "leader_position_break");
    assert_eq!(told.len(), 1, "{:?}", w.alerts);
    assert!(
        told[0].contains("l EURUSD: ")
            && told[0].contains("position A 8 there, 10 here; position C 2 there, 0 here.")
    );
    assert!(!told[0].contains("position B"), "{told:?}");
    holds(&w, "6", &[("A", "8"), ("B", "-4"), ("C", "2")], "0");
    answer(&mut w, "Q3", &theirs);
    assert_eq!(codes(&w).len(), 1, "once");
    assert!(asked_soon(&mut w).is_empty());
}

/// A missed open is shown with its name, and copied by nobody.
#[test]
fn a_larger_net_is_only_shown() {
    let mut w = pair();
    for request in ["Q1", "Q2"] {
        assert!(answer(&mut w, request, &[("A", 10), ("B", -4), ("C", 5)]).is_empty());
    }
    assert_eq!(
        texts(&w, "leader_drift"),
        ["l: the broker reports 11 units, we count 6: position C 5 there, 0 here"]
    );
    holds(&w, "6", &[("A", "10"), ("B", "-4")], "0");
}

/// His broker has him on the other side: followers come to nothing, and what lies beyond is copied by nobody.
#[test]
fn a_net_on_the_other_side_is_flat() {
    let mut w = pair();
    answer(&mut w, "Q1", &[("B", -4)]);
    one(&answer(&mut w, "Q2", &[("B", -4)]), false, "6");
    holds(&w, "0", &[], "0");
    assert!(texts(&w, "leader_drift")[0].ends_with("position A 0 there, 10 here"), "{:?}", w.alerts);
}

/// No positions at all, said twice: the close of everything was missed.
#[test]
fn an_answer_of_nothing_is_flat() {
    let mut w = pair();
    answer(&mut w, "Q1", &[]);
    one(&answer(&mut w, "Q2", &[]), false, "6");
    holds(&w, "0", &[], "0");
}

/// Closed by pairs on one side and the other, a net that stays: the pair that is gone is told, by both names.
#[test]
fn a_pair_that_was_closed_unseen_is_told() {
    let mut w = pair();
    copied(&mut w, 1, "4", "C");
    for request in ["Q1", "Q2"] {
        assert!(answer(&mut w, request, &[("A", 10)]).is_empty());
    }
    let told = texts(&w, "leader_position_break");
    assert!(told[0].contains("position B 0 there, -4 here; position C 0 there, 4 here"), "{told:?}");
    holds(&w, "10", &[("A", "10")], "0");
}

/// What he holds at the start is the sum of an answer's rows, by their names.
#[test]
fn the_first_answer_says_what_he_holds() {
    let mut w = unknown();
    w.apply(EventKind::Session, "L", b"up");
    assert_eq!(asked(&mut w), ["AN"]);
    row(&mut w, "Q1", 2, "A", 10);
    assert!(w.engine.state().leaders[0].positions.is_empty(), "one of two");
    row(&mut w, "Q1", 2, "B", -4);
    holds(&w, "6", &[("A", "10"), ("B", "-4")], "0");
    assert_eq!(codes(&w), ["leader_position"]);
    // What is left of the pair is a net on the other side, and that is new.
    let sent = one(&trade(&mut w, 2, "10", "A"), false, "4");
    filled(&mut w, &[sent]);
    holds(&w, "-4", &[("B", "-4")], "0");
    assert_eq!(w.filled(), d("-4"));
}

/// A net that a person gave has no names: his broker is asked for them at the logon, and says them twice once he trades.
#[test]
fn a_given_net_gets_its_names_from_the_broker() {
    let mut w = World::with(crate::SAME, "", |c| {
        crate::hedging_leader(c);
        c.leaders[0].assume_flat = false;
        c.leaders[0].initial_positions.insert("EURUSD".to_owned(), d("6"));
    });
    w.apply(EventKind::Session, "L", b"up");
    assert_eq!(asked(&mut w), ["AN"]);
    holds(&w, "6", &[], "6");
    trade(&mut w, 2, "4", "A");
    holds(&w, "2", &[("A", "-4")], "6");
    for request in ["Q1", "Q2"] {
        answer(&mut w, request, &[("A", 6), ("B", -4)]);
    }
    holds(&w, "2", &[("A", "6"), ("B", "-4")], "0");
    assert_eq!(codes(&w), ["leader_position"]);
    assert!(
        texts(&w, "leader_position")[0].contains("position A 6 there, -4 here; position B -4 there, 0 here")
    );
    w.apply(EventKind::Session, "L", b"up");
    assert!(asked(&mut w).is_empty(), "all is known and named");
}

/// A report that nobody asked for is one position: where it is ours nothing follows, else all of them are asked for.
#[test]
fn one_position_by_itself_is_no_net() {
    let mut w = pair();
    for _ in 0..2 {
        assert!(said(&mut w, "721=A|55=EURUSD|702=1|703=TQ|704=10|").is_empty());
    }
    assert!(asked_soon(&mut w).is_empty());
    for _ in 0..2 {
        assert!(said(&mut w, "721=A|55=EURUSD|702=1|703=TQ|704=7|").is_empty());
    }
    assert_eq!(asked_soon(&mut w), ["AN"]);
    assert!(codes(&w).is_empty(), "{:?}", w.alerts);
    holds(&w, "6", &[("A", "10"), ("B", "-4")], "0");
}

/// A venue whose names are those of reports and not of positions: asked a few times, told once, and the net is compared.
#[test]
fn names_that_never_stay_the_same_are_not_asked_for_for_ever() {
    let mut w = pair();
    for n in 0..20 {
        answer(&mut w, &format!("Q{n}"), &[(&format!("R{n}"), 10), (&format!("S{n}"), -4)]);
        let asks = asked_soon(&mut w);
        assert_eq!(asks.len(), usize::from(n < 5), "{n}: {asks:?}");
    }
    assert_eq!(codes(&w), ["leader_position_odd"]);
    answer(&mut w, "Q20", &[("R20", 7), ("S20", -4)]);
    one(&answer(&mut w, "Q21", &[("R21", 7), ("S21", -4)]), false, "3");
}

/// Rows without a name count for the net.
#[test]
fn rows_without_a_name_count_for_the_net() {
    let mut w = pair();
    let rows = |w: &mut World, request: &str| {
        said(w, &format!("710={request}|727=2|728=0|55=EURUSD|702=1|703=TQ|704=9|"));
        said(w, &format!("710={request}|721=B|727=2|728=0|55=EURUSD|702=1|703=TQ|705=4|"))
    };
    assert!(rows(&mut w, "Q1").is_empty());
    one(&rows(&mut w, "Q2"), false, "1");
    holds(&w, "5", &[("B", "-4")], "9");
}

/// A quantity that does not fit makes an answer none at all.
#[test]
fn an_answer_with_a_quantity_that_does_not_fit_says_nothing() {
    let mut w = World::with(crate::SAME, "", |c| {
        crate::hedging_leader(c);
        c.profiles[1].quantity_unit = fastcore::profile::QuantityUnit::Lots;
        c.instruments[0].contract_size = d("100000");
        c.instruments[0].lot_step = crate::support::lots("0.00001");
        c.instruments[0].min_lot = crate::support::lots("0.00001");
    });
    copied(&mut w, 1, "10", "A");
    for request in ["Q1", "Q2"] {
        let big = "99999999999999999999";
        let text = format!("710={request}|721=B|727=2|728=0|55=EURUSD|702=1|703=TQ|704={big}|");
        assert!(said(&mut w, &text).is_empty());
        assert!(row(&mut w, request, 2, "A", 1).is_empty());
    }
    assert!(codes(&w).is_empty(), "{:?}", w.alerts);
    holds(&w, "1000000", &[("A", "1000000")], "0");
}

/// A gap that his broker does not fill asks for positions: the answer of several rows makes no false break.
#[test]
fn a_gap_is_answered_by_rows() {
    let mut w = pair();
    w.apply(EventKind::Leader, "L", &fix("35=4|34=5|43=Y|123=Y|36=9|"));
    assert_eq!(asked(&mut w), ["AN"]);
    w.alerts.clear();
    for request in ["Q1", "Q2"] {
        assert!(answer(&mut w, request, &[("A", 10), ("B", -4)]).is_empty());
    }
    assert!(codes(&w).is_empty(), "{:?}", w.alerts);
}

/// The same names before and after an execution, and a net that is theirs only after it: said once since.
#[test]
fn names_are_not_confirmed_over_an_execution() {
    let mut w = world();
    copied(&mut w, 1, "10", "A");
    let theirs = [("A", 7), ("B", 4)];
    answer(&mut w, "Q1", &theirs);
    copied(&mut w, 1, "1", "C");
    answer(&mut w, "Q2", &theirs);
    holds(&w, "11", &[("A", "10"), ("C", "1")], "0");
    assert!(codes(&w).is_empty(), "{:?}", w.alerts);
    answer(&mut w, "Q3", &theirs);
    holds(&w, "11", &[("A", "7"), ("B", "4")], "0");
    assert_eq!(codes(&w), ["leader_position_break"]);
}
