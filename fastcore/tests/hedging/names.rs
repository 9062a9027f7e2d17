//! Positions without a name: a close of them is held back until somebody names them.

use crate::support::{Sent, World, d, one, tell, texts};
use crate::{alerts, expect, fill, held, holds, opened, report, told, world};

/// An open of ten whose fills name no position.
fn nameless(w: &mut World) -> Sent {
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    report(w, &open, ("F", "1"), "4", "4", "");
    report(w, &open, ("F", "2"), "6", "10", "");
    open
}

/// It is told once, and the close is not sent: without a name it would open a second position.
#[test]
fn a_close_without_a_name_is_held_back() {
    let mut w = world();
    nameless(&mut w);
    assert_eq!((alerts(&w, "position_unnamed"), held(&w)), (1, (vec![], "10".to_owned())));
    assert!(w.leader("o2", 2, "10", "10", "10").is_empty());
    assert!(w.run_to(w.now + 60_000_000_000).is_empty());
    assert_eq!((alerts(&w, "close_unnamed"), w.target(), w.filled()), (1, d("0"), d("10")));
    assert!(texts(&w, "close_unnamed")[0].contains("10 units"), "{:?}", w.alerts);
}

/// A later report of the order that names the position lets the close go.
#[test]
fn a_later_report_of_the_order_names_it() {
    let mut w = world();
    let open = nameless(&mut w);
    w.leader("o2", 2, "10", "10", "10");
    let close = report(&mut w, &open, ("I", "2"), "0", "10", "721=P1|");
    assert_eq!(told(&close), expect(&[(false, "10", "P1")]));
    holds(&w, &[("P1", "10")]);
}

/// What an acknowledgement or a reject calls a position is not believed: a position id is taken from trades only.
#[test]
fn an_acknowledgement_names_nothing() {
    let mut w = world();
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    report(&mut w, &open, ("0", "0"), "0", "0", "721=P7|");
    report(&mut w, &open, ("I", "0"), "0", "0", "721=P8|");
    report(&mut w, &open, ("F", "2"), "10", "10", "");
    assert_eq!(held(&w), (vec![], "10".to_owned()));
    report(&mut w, &open, ("5", "2"), "0", "10", "721=P7|");
    assert_eq!(held(&w), (vec![], "10".to_owned()));
}

/// An answer that counts a fill and names no position adds to the one that the order's trades have named.
#[test]
fn a_status_without_a_name_adds_to_the_orders_position() {
    let mut w = world();
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    fill(&mut w, &open, "4", "4", "P1");
    report(&mut w, &open, ("I", "2"), "0", "10", "");
    holds(&w, &[("P1", "10")]);
}

/// What has a name is closed, also while other units have none.
#[test]
fn what_has_a_name_is_closed_meanwhile() {
    let mut w = world();
    nameless(&mut w);
    opened(&mut w, "o2", 1, "5", "P2");
    let close = w.leader("o3", 2, "15", "15", "15");
    assert_eq!(told(&close), expect(&[(false, "5", "P2")]));
    fill(&mut w, &close[0], "5", "5", "P2");
    assert_eq!((w.filled(), held(&w)), (d("10"), (vec![], "10".to_owned())));
}

const NAME: &str = r#"{"cmd":"position","who":"ann","reason":"seen in the terminal","subscription":"s","instrument":"EURUSD","id":"P1","units":"10"}"#;

/// A person names it: the close goes out at once. More than has no name is refused, and so is a command without a reason.
#[test]
fn a_person_names_it() {
    let mut w = world();
    nameless(&mut w);
    w.leader("o2", 2, "10", "10", "10");
    for bad in [
        NAME.replace(r#""10""#, r#""11""#),
        NAME.replace(r#""10""#, r#""-1""#),
        NAME.replace("seen in the terminal", " "),
        NAME.replace(r#""s""#, r#""t""#),
        NAME.replace("EURUSD", "GBPUSD"),
        NAME.replace("P1", ""),
    ] {
        assert!(tell(&mut w, &bad).is_empty(), "{bad}");
    }
    assert_eq!(texts(&w, "bad_command").len(), 6, "{:?}", w.alerts);
    let close = tell(&mut w, NAME);
    assert_eq!(told(&close), expect(&[(false, "10", "P1")]));
    assert_eq!(alerts(&w, "position"), 1);
}

/// A name longer than any broker's is no name: what a hostile broker says is not kept without bound.
#[test]
fn a_name_without_end_is_no_name() {
    let mut w = world();
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    fill(&mut w, &open, "10", "10", &"9".repeat(65));
    assert_eq!(held(&w), (vec![], "10".to_owned()));
}
