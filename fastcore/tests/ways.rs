//! Reserve routes: a second session to the same accounts takes new orders, and no order ever travels both.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, RouteConfig, Switch};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::{self, KeysBuf, Row, RowRef, SendKind};
use fastcore::order::State;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use support::{SAME, Sent, World, config, d, fix};

const S: i64 = 1_000_000_000;

fn reserve(name: &str, session: &str) -> RouteConfig {
    RouteConfig {
        name: name.to_owned(),
        session: session.to_owned(),
        profile: "p".to_owned(),
        messages: None,
        reserve: None,
        switch: Switch::default(),
    }
}

fn add_reserve(c: &mut Config) {
    c.routes.push(reserve("b", "B"));
    c.routes[0].reserve = Some("b".to_owned());
}

/// A route process played by the test.
struct Line {
    route: &'static str,
    session: &'static str,
    row: u64,
    incarnation: u64,
}

/// A deployment with a primary and a reserve, both linked and logged on.
struct Two {
    w: World,
    primary: Line,
    reserve: Line,
}

impl Line {
    fn rows(&mut self, w: &mut World, rows: &[Row<'_>]) -> Vec<Sent> {
        let first = self.row + 1;
        self.row += rows.len() as u64;
        let refs: Vec<RowRef<'_>> =
            (first..).zip(rows).map(|(row_no, row)| RowRef { row_no, at_ns: w.now, row: *row }).collect();
        let frame = link::encode_rows(self.incarnation, &refs).unwrap();
        w.apply(EventKind::Route, self.route, &frame)
    }

    fn link(&mut self, w: &mut World) -> Vec<Sent> {
        self.incarnation += 1;
        let hello =
            link::encode_hello(self.route, self.incarnation, 1, self.row + 1, 0, &[self.session]).unwrap();
        let mut sent = w.apply(EventKind::Link, self.route, &hello);
        sent.extend(self.rows(w, &[Row::Sync { incarnation: self.incarnation, epoch: 0 }]));
        sent
    }

    fn lost(&mut self, w: &mut World) -> Vec<Sent> {
        w.apply(EventKind::Link, self.route, b"")
    }

    fn out(&mut self, w: &mut World, sent: &Sent) -> Vec<Sent> {
        let mut keys = KeysBuf::default();
        keys.push(&sent.id, sent.try_no).unwrap();
        self.rows(w, &[Row::Out { journal_no: w.seq, keys: keys.as_keys() }])
    }

    fn hears(&mut self, w: &mut World, text: &str) -> Vec<Sent> {
        let raw = fix(text);
        self.rows(w, &[Row::In { session: self.session, msg_seq_num: 1, raw: &raw }])
    }

    fn filled(&mut self, w: &mut World, s: &Sent) -> Vec<Sent> {
        w.exec += 1;
        let (id, qty, e, side) = (&s.id, &s.qty, w.exec, if s.buy { 1 } else { 2 });
        self.hears(w, &format!("35=8|37=B{id}|11={id}|17=X{e}|150=F|39=2|55=EURUSD|54={side}|38={qty}|32={qty}|31=1.1|14={qty}|151=0|"))
    }

    fn rejected(&mut self, w: &mut World, s: &Sent) -> Vec<Sent> {
        let (id, qty) = (&s.id, &s.qty);
        self.hears(
            w,
            &format!("35=8|37=NONE|11={id}|17=R{id}|150=8|39=8|103=99|55=EURUSD|54=1|38={qty}|14=0|"),
        )
    }

    fn logs(&mut self, w: &mut World, on: bool) -> Vec<Sent> {
        let session = self.session;
        self.rows(w, &[if on { Row::Logon { session } } else { Row::Logout { session } }])
    }
}

fn two(change: impl FnOnce(&mut Config)) -> Two {
    let mut w = World::with(SAME, "", |c| {
        add_reserve(c);
        change(c);
    });
    let primary = Line { route: "r", session: "R", row: w.row, incarnation: 7 };
    let mut reserve = Line { route: "b", session: "B", row: 0, incarnation: 0 };
    reserve.link(&mut w);
    Two { w, primary, reserve }
}

fn new(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|s| s.kind == SendKind::New).collect()
}

fn only(sent: Vec<Sent>) -> Sent {
    let mut sent = new(sent);
    assert_eq!(sent.len(), 1, "{sent:?}");
    sent.remove(0)
}

fn why(w: &World) -> String {
    w.engine.status().routes[0].switched.clone()
}

fn on_reserve(w: &World) -> bool {
    w.engine.status().routes[0].on_reserve
}

/// An order that waits goes by the reserve once the primary was down for `down_ms`, and so does its close.
#[test]
fn orders_go_by_the_reserve_while_the_primary_is_down() {
    let Two { mut w, mut primary, mut reserve } = two(|_| {});
    primary.logs(&mut w, false);
    assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
    assert!(new(w.run_to(w.now + 4 * S)).is_empty(), "a short break is waited for");
    let open = only(w.run_to(w.now + 2 * S));
    assert_eq!(
        (open.session.as_str(), open.qty.as_str(), why(&w).as_str()),
        ("B", "10", "it is down for 5000 ms")
    );
    assert!(
        w.alerts.iter().any(|a| a.code == "route_switched" && a.text.contains("new orders of r go by b"))
    );
    reserve.out(&mut w, &open);
    reserve.filled(&mut w, &open);
    let close = only(w.leader("o2", 2, "10", "10", "10"));
    assert_eq!((close.session.as_str(), close.buy), ("B", false));
    reserve.out(&mut w, &close);
    reserve.filled(&mut w, &close);
    assert_eq!(w.filled(), d("0"));
}

/// What either session says of an instrument is the venue's word: nothing is opened while one of both says that it stands still.
#[test]
fn a_halt_is_the_venues_whichever_session_says_it() {
    for by_reserve in [false, true] {
        let Two { mut w, mut primary, mut reserve } = two(|_| {});
        let line = if by_reserve { &mut reserve } else { &mut primary };
        line.hears(&mut w, "35=f|55=EURUSD|326=2|");
        primary.logs(&mut w, false);
        w.run_to(w.now + 6 * S);
        assert!(on_reserve(&w));
        assert!(new(w.leader("o1", 1, "10", "10", "10")).is_empty(), "{by_reserve}");
        let line = if by_reserve { &mut reserve } else { &mut primary };
        line.hears(&mut w, "35=f|55=EURUSD|326=3|");
        assert_eq!(only(w.leader("o2", 1, "5", "5", "5")).session, "B");
    }
}

/// A new session takes back what that session said before, and nothing of another one's.
#[test]
fn a_logon_forgets_the_halts_of_its_own_session() {
    for of_reserve in [false, true] {
        let Two { mut w, mut primary, mut reserve } = two(|_| {});
        for line in [&mut primary, &mut reserve] {
            line.hears(&mut w, "35=f|55=EURUSD|326=2|");
        }
        let line = if of_reserve { &mut reserve } else { &mut primary };
        line.logs(&mut w, false);
        line.logs(&mut w, true);
        let left: Vec<u32> = w.engine.state().halts.keys().copied().collect();
        assert_eq!(left, [u32::from(!of_reserve)]);
    }
}

/// Back when the primary was well for `back_ms`, and not at its first sign of life: no flapping.
#[test]
fn orders_come_back_when_the_primary_is_well_for_long_enough() {
    let Two { mut w, mut primary, .. } = two(|_| {});
    primary.logs(&mut w, false);
    w.run_to(w.now + 6 * S);
    for _ in 0..3 {
        primary.logs(&mut w, true);
        w.run_to(w.now + 50 * S);
        assert!(on_reserve(&w));
        primary.logs(&mut w, false);
        w.run_to(w.now + S);
    }
    primary.logs(&mut w, true);
    w.run_to(w.now + 61 * S);
    assert_eq!((on_reserve(&w), why(&w).as_str()), (false, "the primary is well for 60000 ms"));
    assert_eq!(only(w.leader("o1", 1, "10", "10", "10")).session, "R");
}

/// What was handed to the primary stays there until its rows tell: with an OUT row it is asked about by its own session,
/// without one it never left, and goes by the reserve.
#[test]
fn what_was_handed_over_stays_until_it_is_known() {
    for left in [false, true] {
        let Two { mut w, mut primary, mut reserve } = two(|_| {});
        let open = only(w.leader("o1", 1, "10", "10", "10"));
        if left {
            primary.out(&mut w, &open);
        }
        primary.lost(&mut w);
        let sent = w.run_to(w.now + 20 * S);
        assert!(on_reserve(&w) && sent.iter().all(|s| s.kind != SendKind::New), "{sent:?}");
        let later = primary.link(&mut w);
        if left {
            assert!(new(later.clone()).is_empty());
            assert!(later.iter().all(|s| s.session == "R" && s.kind == SendKind::Status), "{later:?}");
            assert_eq!(w.engine.state().orders[0].state, State::Unknown);
            // The report comes by whatever session the broker likes.
            reserve.filled(&mut w, &open);
            assert_eq!(w.filled(), d("10"));
        } else {
            let again = only(later);
            assert_eq!((again.id.as_str(), again.try_no, again.session.as_str()), (open.id.as_str(), 2, "B"));
        }
    }
}

/// A late answer, a queue, or a row of rejects: each threshold switches by itself, and none does where it is 0.
#[test]
fn each_threshold_switches() {
    let Two { mut w, mut primary, .. } = two(|c| c.routes[0].switch.ack_ms = 1_000);
    let open = only(w.leader("o1", 1, "10", "10", "10"));
    primary.out(&mut w, &open);
    w.run_to(w.now + 900_000_000);
    assert!(!on_reserve(&w));
    w.run_to(w.now + 200_000_000);
    assert_eq!(why(&w), "an order has no answer for 1000 ms");

    let Two { mut w, .. } = two(|c| c.routes[0].switch.queue = 3);
    for n in 1..=3 {
        assert_eq!(only(w.leader(&format!("o{n}"), 1, "1", "1", "1")).session, "R");
    }
    w.run_to(w.now + 1);
    w.apply(EventKind::Timer, "", b"");
    assert_eq!(
        (why(&w).as_str(), only(w.leader("o4", 1, "1", "1", "1")).session.as_str()),
        ("3 orders wait in it", "B")
    );

    let Two { mut w, mut primary, .. } = two(|c| c.routes[0].switch.rejects = 2);
    for n in 1..=2 {
        let open = only(w.leader(&format!("o{n}"), 1, "1", "1", "1"));
        primary.out(&mut w, &open);
        primary.rejected(&mut w, &open);
    }
    assert_eq!(why(&w), "its broker rejected 2 opens");
    w.run_to(w.now + 130 * S);
    assert!(!on_reserve(&w), "rejects are forgotten with their window");

    let Two { mut w, mut primary, .. } = two(|_| {});
    for n in 1..=30 {
        let open = only(w.leader(&format!("o{n}"), 1, "1", "1", "1"));
        primary.out(&mut w, &open);
        primary.rejected(&mut w, &open);
        w.run_to(w.now + 3 * S);
    }
    assert!(!on_reserve(&w));
}

/// Nothing is switched to a reserve that is down itself, and orders come back when only the primary lives.
#[test]
fn a_reserve_that_is_down_takes_nothing() {
    let Two { mut w, mut primary, mut reserve } = two(|_| {});
    reserve.logs(&mut w, false);
    primary.logs(&mut w, false);
    w.run_to(w.now + 60 * S);
    assert!(!on_reserve(&w));
    reserve.logs(&mut w, true);
    assert!(on_reserve(&w), "as soon as it is there");
    reserve.logs(&mut w, false);
    w.run_to(w.now + 60 * S);
    assert!(on_reserve(&w), "both are down: it is as good as the other");
    primary.logs(&mut w, true);
    w.run_to(w.now + 6 * S);
    assert_eq!((on_reserve(&w), why(&w).as_str()), (false, "the reserve is down for 5000 ms"));
}

/// A person's word holds until another one, whatever the thresholds say.
#[test]
fn a_person_decides_over_the_thresholds() {
    let Two { mut w, mut primary, .. } = two(|_| {});
    let say = |w: &mut World, to: &str| {
        let text = format!(r#"{{"cmd":"reroute","who":"ann","route":"r","to":"{to}"}}"#);
        w.apply(EventKind::Operator, "", text.as_bytes())
    };
    say(&mut w, "reserve");
    assert_eq!((on_reserve(&w), why(&w).as_str()), (true, "by ann"));
    w.run_to(w.now + 600 * S);
    assert!(on_reserve(&w), "nothing brings it back");
    say(&mut w, "primary");
    primary.logs(&mut w, false);
    w.run_to(w.now + 60 * S);
    assert!(!on_reserve(&w));
    say(&mut w, "auto");
    assert!(on_reserve(&w), "the thresholds again");
    for (text, why) in [
        (r#"{"cmd":"reroute","who":"","route":"r","to":"auto"}"#, "named operator"),
        (r#"{"cmd":"reroute","who":"ann","route":"b","to":"auto"}"#, "has no reserve"),
        (r#"{"cmd":"reroute","who":"ann","route":"x","to":"auto"}"#, "is no route"),
        (r#"{"cmd":"reroute","who":"ann","route":"r","to":"left"}"#, "operator command"),
    ] {
        w.apply(EventKind::Operator, "", text.as_bytes());
        let last = w.alerts.last().unwrap();
        assert!(last.code == "bad_command" && last.text.contains(why), "{last:?}");
    }
}

/// A reserve is one route's alone, at the same venue, and has none itself.
#[test]
fn a_reserve_belongs_to_one_route() {
    let refused = |change: &dyn Fn(&mut Config)| {
        let mut c = config(SAME, "");
        add_reserve(&mut c);
        change(&mut c);
        Engine::new(c).map(|_| ()).unwrap_err().to_string()
    };
    for (said, why) in [
        (refused(&|c| c.routes[0].reserve = Some("x".to_owned())), "is not defined"),
        (refused(&|c| c.routes[0].reserve = Some("r".to_owned())), "another route"),
        (refused(&|c| c.routes[1].reserve = Some("r".to_owned())), "another route"),
        (refused(&|c| c.followers[0].route = "b".to_owned()), "used by others"),
        (
            refused(&|c| {
                c.routes.push(reserve("c", "C"));
                c.routes[2].reserve = Some("b".to_owned());
            }),
            "used by others",
        ),
        (
            refused(&|c| {
                let mut other = c.profiles[0].clone();
                other.name = "q".to_owned();
                c.profiles.push(other);
                c.routes[1].profile = "q".to_owned();
            }),
            "another profile",
        ),
    ] {
        assert!(said.contains(why), "{said}");
    }
}

#[derive(Clone, Debug)]
enum Step {
    Leader {
        buy: bool,
        lots: u8,
    },
    Log {
        reserve: bool,
        on: bool,
    },
    Lose {
        reserve: bool,
    },
    Link {
        reserve: bool,
    },
    /// What was handed over is passed on, refused, or forgotten with the process that had it.
    Pass {
        not_sent: bool,
    },
    Answer {
        filled: bool,
    },
    Wait {
        ms: u32,
    },
    Say {
        to: u8,
    },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (any::<bool>(), 1_u8..5).prop_map(|(buy, lots)| Step::Leader { buy, lots }),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(reserve, on)| Step::Log { reserve, on }),
        1 => any::<bool>().prop_map(|reserve| Step::Lose { reserve }),
        2 => any::<bool>().prop_map(|reserve| Step::Link { reserve }),
        4 => prop::bool::weighted(0.2).prop_map(|not_sent| Step::Pass { not_sent }),
        3 => prop::bool::weighted(0.8).prop_map(|filled| Step::Answer { filled }),
        3 => (1_u32..20_000).prop_map(|ms| Step::Wait { ms }),
        1 => (0_u8..3).prop_map(|to| Step::Say { to }),
    ]
}

/// Both routes and their broker, by what was handed over and what left.
struct Play {
    two: Two,
    linked: [bool; 2],
    handed: Vec<Sent>,
    left: BTreeMap<String, BTreeSet<String>>,
    working: Vec<Sent>,
    leader: i64,
    serial: u32,
}

impl Play {
    fn takes(&mut self, sent: Vec<Sent>) {
        self.handed.extend(new(sent));
    }

    fn line(&mut self, reserve: bool) -> (&mut World, &mut Line) {
        let two = &mut self.two;
        (&mut two.w, if reserve { &mut two.reserve } else { &mut two.primary })
    }

    fn does(&mut self, step: &Step) {
        let sent = match *step {
            Step::Leader { buy, lots } => {
                self.serial += 1;
                self.leader += if buy { i64::from(lots) } else { -i64::from(lots) };
                let (order, lots) = (format!("o{}", self.serial), lots.to_string());
                self.two.w.leader(&order, if buy { 1 } else { 2 }, &lots, &lots, &lots)
            }
            Step::Log { reserve, on } => {
                if !self.linked[usize::from(reserve)] {
                    return;
                }
                let (w, line) = self.line(reserve);
                line.logs(w, on)
            }
            Step::Lose { reserve } => {
                self.linked[usize::from(reserve)] = false;
                let session = if reserve { "B" } else { "R" };
                self.handed.retain(|s| s.session != session);
                let (w, line) = self.line(reserve);
                line.lost(w)
            }
            Step::Link { reserve } => {
                self.linked[usize::from(reserve)] = true;
                let session = if reserve { "B" } else { "R" };
                self.handed.retain(|s| s.session != session);
                let (w, line) = self.line(reserve);
                line.link(w)
            }
            Step::Pass { not_sent } => {
                let Some(s) = (!self.handed.is_empty()).then(|| self.handed.remove(0)) else { return };
                let (w, line) = self.line(s.session == "B");
                if not_sent {
                    line.rows(w, &[Row::NotSent { cl_ord_id: &s.id, try_no: s.try_no, reason: 1 }])
                } else {
                    let sent = line.out(w, &s);
                    self.left.entry(s.id.clone()).or_default().insert(s.session.clone());
                    self.working.push(s);
                    sent
                }
            }
            Step::Answer { filled } => {
                let Some(s) = (!self.working.is_empty()).then(|| self.working.remove(0)) else { return };
                let (w, line) = self.line(s.session == "B");
                if filled { line.filled(w, &s) } else { line.rejected(w, &s) }
            }
            Step::Wait { ms } => {
                let end = self.two.w.now + i64::from(ms) * 1_000_000;
                self.two.w.run_to(end)
            }
            Step::Say { to } => {
                let to = ["auto", "primary", "reserve"][usize::from(to)];
                let text = format!(r#"{{"cmd":"reroute","who":"ann","route":"r","to":"{to}"}}"#);
                self.two.w.apply(EventKind::Operator, "", text.as_bytes())
            }
        };
        self.takes(sent);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// Whatever happens to both routes: an order leaves by one of them, once; and at the end, with both of them well, the
    /// follower closes all that it holds when the leader is flat.
    #[test]
    fn no_order_ever_travels_both(steps in prop::collection::vec(step(), 1..80)) {
        let two = two(|c| {
            c.routes[0].switch = Switch { ack_ms: 2_000, queue: 4, rejects: 3, back_ms: 10_000, ..Switch::default() };
            c.faults.reject_burst = 0;
        });
        let mut play = Play {
            two, linked: [true, true], handed: vec![], left: BTreeMap::new(), working: vec![], leader: 0, serial: 0,
        };
        for step in &steps {
            play.does(step);
        }
        prop_assert!(play.left.values().all(|sessions| sessions.len() == 1), "{:?}", play.left);
        for reserve in [false, true] {
            play.does(&Step::Link { reserve });
        }
        let (buy, lots) = (play.leader < 0, play.leader.unsigned_abs());
        if lots > 0 {
            let lots = lots.to_string();
            let sent = play.two.w.leader("last", if buy { 1 } else { 2 }, &lots, &lots, &lots);
            play.takes(sent);
        }
        for _ in 0..200 {
            play.does(&Step::Pass { not_sent: false });
            play.does(&Step::Answer { filled: true });
            play.does(&Step::Wait { ms: 1_000 });
        }
        prop_assert!(play.left.values().all(|sessions| sessions.len() == 1), "{:?}", play.left);
        prop_assert_eq!(play.two.w.filled(), d("0"));
    }
}
