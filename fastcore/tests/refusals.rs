//! Refusals that hardly ever happen, with the numbers they carry; and fills that say nothing, which are not passed over.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::action::{Decision, Later, Sink};
use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::event::{Event, EventKind};
use fastcore::refusal::{Code, Refusal};
use support::{SAME, World, d, fix, one};

/// What the audit log hears of one event.
#[derive(Default)]
struct Told {
    refusals: Vec<Refusal>,
    decided: usize,
    later: Vec<(String, String, String)>,
}

impl Sink for Told {
    const WANTS_DECISIONS: bool = true;
    fn frame(&mut self, _route: u32, _frame: &[u8]) {}
    fn decision(&mut self, d: &Decision<'_>) {
        self.decided += 1;
        self.refusals.extend(d.refusals);
    }
    fn later(&mut self, o: &Later<'_>) {
        let id = String::from_utf8_lossy(o.cl_ord_id).into_owned();
        self.later.push((o.instrument.to_owned(), id, o.qty.to_string()));
    }
}

fn tell(w: &mut World, kind: EventKind, session: &str, payload: &[u8]) -> Told {
    w.seq += 1;
    w.now += 1_000;
    let mut told = Told::default();
    w.engine.apply(&Event { seq: w.seq, at_ns: w.now, kind, session, payload }, &mut told);
    told
}

fn leader(w: &mut World, fields: &str) -> Told {
    w.exec += 1;
    let e = w.exec;
    let raw = fix(&format!("35=8|34={e}|37=o{e}|17=E{e}|150=F|39=1|55=EURUSD|60=20231114-22:13:20|{fields}"));
    tell(w, EventKind::Leader, "L", &raw)
}

fn alerts(w: &World, code: &str) -> usize {
    w.alerts.iter().filter(|a| a.code == code).count()
}

/// More than can be worked is refused whole, not sent in part and not forgotten; a smaller one after it is copied.
#[test]
fn a_target_beyond_every_number_is_an_overflow() {
    let mut w = World::new(SAME, "");
    let told =
        leader(&mut w, "54=1|38=100000000000000000000|32=90000000000000000000|14=90000000000000000000|");
    assert_eq!(told.refusals, [Refusal::bare(Code::Overflow)]);
    assert_eq!(w.target(), Dec::ZERO);
    let told = leader(&mut w, "54=1|38=7|32=7|14=7|");
    assert_eq!((told.refusals.len(), w.engine.state().orders_sent), (0, 1));
}

/// A side that is neither buy, sell nor short sale is refused and shown.
#[test]
fn a_fill_on_another_side_is_not_copied() {
    let mut w = World::new(SAME, "");
    let raw = fix("35=8|34=1|37=o|17=E|150=F|39=1|55=EURUSD|54=8|38=7|32=7|14=7|60=20231114-22:13:20|");
    assert!(w.apply(EventKind::Leader, "L", &raw).is_empty());
    assert_eq!(w.engine.status().refusals.get("bad_side"), Some(&1));
    assert_eq!(alerts(&w, "bad_side"), 1);
}

/// A fill that says neither its own nor the order's quantity cannot be counted: it is shown, and the broker is asked.
#[test]
fn a_fill_without_a_quantity_is_shown_and_asked_about() {
    for quantities in ["", "32=0|14=0|", "32=0|", "14=0|"] {
        let mut w = World::new(SAME, "");
        let raw = fix(&format!("35=8|34=1|37=o|11=c|17=E|150=F|39=2|55=EURUSD|54=1|38=7|{quantities}"));
        assert!(w.apply(EventKind::Leader, "L", &raw).is_empty());
        assert_eq!((alerts(&w, "empty_fill"), w.questions.len()), (1, 1), "leader: {quantities:?}");
        let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
        w.out(&open);
        let id = &open.id;
        let asked = w.broker(&format!("35=8|37=B|11={id}|17=X|150=F|39=2|55=EURUSD|54=1|38=10|{quantities}"));
        assert_eq!(alerts(&w, "empty_fill"), 2, "follower: {quantities:?}");
        assert!(asked.iter().any(|s| s.kind == fastcore::link::SendKind::Status), "{asked:?}");
        // The fill itself comes later, and is counted.
        w.fill(&open, "10", "10");
        assert_eq!(w.filled(), d("10"));
    }
}

/// An account value that is too old is refused with the bound and its age; one that was never given has no age.
#[test]
fn a_stale_account_says_how_old_it_is() {
    let equity = r#"{"mode":"equity","k":"1"}"#;
    let mut w = World::with(equity, r#","account_max_age_ms":1000"#, |c: &mut Config| {
        c.leaders[0].currency = Some("USD".to_owned());
        c.followers[0].currency = Some("USD".to_owned());
    });
    let told = leader(&mut w, "54=1|38=7|32=7|14=7|");
    assert_eq!(told.refusals, [Refusal::bare(Code::StaleAccount)]);
    for account in ["l", "f"] {
        let text = format!(r#"{{"cmd":"account","who":"ann","account":"{account}","equity":"1000"}}"#);
        w.apply(EventKind::Operator, "", text.as_bytes());
    }
    w.now += 2_500_000_000;
    let told = leader(&mut w, "54=1|38=7|32=7|14=7|");
    assert_eq!(told.refusals, [Refusal::over(Code::StaleAccount, d("1000"), d("2500"))]);
}

/// A close that is tried again, by a timer, is told as an order of its own: no decision has it.
#[test]
fn an_order_without_a_decision_is_told_as_such() {
    let mut w = World::new(SAME, "");
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.fill(&open, "10", "10");
    let close = one(&w.leader("o2", 2, "10", "10", "10"), false, "10");
    w.out(&close);
    w.reject(&close);
    w.now = w.engine.next_due_ns().unwrap();
    let told = tell(&mut w, EventKind::Timer, "", b"");
    assert_eq!(told.decided, 0);
    let [(instrument, id, qty)] = &told.later[..] else { panic!("{:?}", told.later) };
    assert_eq!((instrument.as_str(), qty.as_str(), id.len()), ("EURUSD", "-10", 20));
    // What a decision has is not told again, in its own event or in the next.
    let mut w = World::new(SAME, "");
    let told = leader(&mut w, "54=1|38=7|32=7|14=7|");
    assert_eq!((told.decided, w.engine.state().orders.len(), told.later.len()), (1, 1, 0));
    assert!(tell(&mut w, EventKind::Timer, "", b"").later.is_empty());
}

/// Each filter leaves an open out, and none of them a close.
#[test]
fn a_filter_leaves_opens_out_and_never_a_close() {
    let all =
        [r#""side":"short""#, r#""min_order_qty":"8""#, r#""tags":[[58,"copy"]]"#, r#""instruments":[]"#];
    for filter in all {
        let mut w = World::new(SAME, &format!(r#","filters":{{{filter}}}"#));
        let told = leader(&mut w, "54=1|38=7|32=7|14=7|");
        assert_eq!(told.refusals.iter().map(|r| r.code).collect::<Vec<_>>(), [Code::Filtered], "{filter}");
        assert_eq!(w.engine.state().orders_sent, 0, "{filter}");
    }
    let mut w = World::new(SAME, r#","filters":{"min_order_qty":"8","tags":[[58,"copy"]]}"#);
    let raw = "35=8|34=1|37=o|17=E|150=F|39=1|55=EURUSD|54=1|38=9|32=9|14=9|58=copy|60=20231114-22:13:20|";
    let open = one(&w.apply(EventKind::Leader, "L", &fix(raw)), true, "9");
    w.out(&open);
    w.fill(&open, "9", "9");
    one(&w.leader("o2", 2, "9", "9", "9"), false, "9");
}
