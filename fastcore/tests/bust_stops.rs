//! Opens that wait after a bust are listed among the stops: which execution, since when, and what ends it.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::OnBust;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::status::StopStatus;
use support::{SAME, World, tell};

/// The venue takes an execution back (H), corrects it to another quantity (G), or restates an order (D).
fn amended(w: &mut World, order: &str, exec: u64, kind: char, last: &str) {
    w.exec += 1;
    let n = w.exec;
    let more = if kind == 'D' { "378=0|".to_owned() } else { format!("19=E{exec}|") };
    let text = format!(
        "35=8|34={n}|37={order}|17=E{n}|{more}150={kind}|39=1|55=EURUSD|54=1|38=5|32={last}|31=1.1|14={last}|151=0|60=20231114-22:13:20|"
    );
    w.apply(EventKind::Leader, "L", &support::fix(&text));
}

fn stops(w: &World) -> Vec<StopStatus> {
    w.engine.status().stops
}

/// What is stopped, how, why, in which words, and what ends it.
fn words(stop: &StopStatus) -> [String; 6] {
    let release = stop.release.clone().unwrap_or_default();
    [stop.scope, &stop.name, stop.level, stop.code, &stop.numbers, &release].map(str::to_owned)
}

fn copies(numbers: &str) -> [String; 6] {
    ["copies", "l EURUSD", "no_opens", "bust_hold", numbers, "bust-resume l"].map(str::to_owned)
}

/// The first one says since when and why, later ones are counted; a new start of the core has it still, a person ends it.
#[test]
fn a_bust_that_waits_for_a_person_is_listed() {
    let mut w = World::new(SAME, "");
    w.leader("o1", 1, "5", "5", "5");
    w.leader("o2", 1, "5", "5", "5");
    amended(&mut w, "o1", 1, 'H', "5");
    let since = w.now.to_string();
    let first = stops(&w);
    assert_eq!(first.iter().map(words).collect::<Vec<_>>(), [copies("execution E1 of order o1 was busted")]);
    assert_eq!((first[0].at_ns.as_str(), first[0].who.as_str()), (since.as_str(), ""));
    amended(&mut w, "o2", 2, 'G', "3");
    w.engine = Engine::restore(support::config(SAME, ""), &w.engine.snapshot()).unwrap();
    let both = stops(&w);
    let text = "execution E1 of order o1 was busted, and 1 more";
    assert_eq!(both.iter().map(words).collect::<Vec<_>>(), [copies(text)]);
    assert_eq!(both[0].at_ns, since);
    tell(&mut w, r#"{"cmd":"bust_resume","who":"ann","leader":"l"}"#);
    assert!(stops(&w).is_empty());
    amended(&mut w, "o2", 2, 'H', "3");
    assert_eq!(words(&stops(&w)[0]), copies("execution E2 of order o2 was busted"), "a new one");
    assert_ne!(stops(&w)[0].at_ns, since);
}

/// Whatever makes opens wait says what it was; what is corrected to the same quantity holds nothing and is not listed.
#[test]
fn each_reason_is_told() {
    let cases = [
        (1, 'G', "3", Some("execution E1 of order o1 was corrected")),
        (77, 'H', "5", Some("execution E77 of order o1 was busted")),
        (1, 'D', "5", Some("order o1 was restated, a corporate action")),
        (1, 'G', "5", None),
    ];
    for (exec, kind, last, want) in cases {
        let mut w = World::new(SAME, "");
        w.leader("o1", 1, "5", "5", "5");
        amended(&mut w, "o1", exec, kind, last);
        let found: Vec<_> = stops(&w).iter().map(words).collect();
        assert_eq!(found, want.map(copies).into_iter().collect::<Vec<_>>(), "{kind} {exec}");
    }
}

/// A subscription that follows busts waits alone where it cannot follow one, and is listed by its own name.
#[test]
fn who_cannot_follow_is_listed_alone() {
    let mut w = World::with(SAME, "", |c| c.subscriptions[0].on_bust = OnBust::Follow);
    let sent = w.leader("o1", 1, "5", "5", "5");
    w.out(&sent[0]);
    w.fill(&sent[0], "5", "5");
    let transfer = r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","position":"6","reason":"transfer"}"#;
    tell(&mut w, transfer);
    amended(&mut w, "o1", 1, 'H', "5");
    let why = "EURUSD: execution E1 of order o1 was busted, and it cannot follow";
    let found: Vec<_> = stops(&w).iter().map(words).collect();
    assert_eq!(
        found,
        [["subscription", "s", "no_opens", "bust_hold", why, "bust-resume l"].map(str::to_owned)]
    );
    tell(&mut w, r#"{"cmd":"bust_resume","who":"ann","leader":"l"}"#);
    assert!(stops(&w).is_empty());
}

/// A broker's ids are cut for people, whatever they have in them.
#[test]
fn a_long_id_is_cut() {
    let mut w = World::new(SAME, "");
    let long = "x".repeat(500);
    w.leader(&long, 1, "5", "5", "5");
    amended(&mut w, &long, 1, 'H', "5");
    assert_eq!(words(&stops(&w)[0]), copies(&format!("execution E1 of order {} was busted", &long[..64])));
}
