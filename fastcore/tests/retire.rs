//! Orders that ended long ago are given back: nothing else changes.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::SendKind;
use fastcore::order::State;
use support::{SAME, Sent, World, config, d, texts};

const S: i64 = 1_000_000_000;
const KEEP_S: i64 = 60;
/// Orders of one chunk.
const CHUNK: usize = 256;

fn with(retire_after_ms: i64) -> World {
    World::with(SAME, "", |c| c.retire_after_ms = retire_after_ms)
}

fn orders(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|s| s.kind == SendKind::New).collect()
}

/// The leader buys and sells one, and the follower's broker fills it, `pairs` times; every order of ours.
fn traded(w: &mut World, pairs: usize) -> Vec<Sent> {
    let mut all = Vec::new();
    for n in 0..pairs * 2 {
        let (name, side) = (format!("o{}-{n}", w.seq), if n % 2 == 0 { 1 } else { 2 });
        let sent = orders(w.leader(&name, side, "1", "1", "1"));
        assert_eq!(sent.len(), 1);
        w.out(&sent[0]);
        w.fill(&sent[0], "1", "1");
        all.extend(sent);
    }
    all
}

/// Time goes by, with events that nobody waits for.
fn later(w: &mut World, seconds: i64) {
    w.run_to(w.now + seconds * S);
    for _ in 0..40 {
        w.now += S;
        w.apply(EventKind::Timer, "", b"");
    }
}

fn kept(w: &World) -> usize {
    w.engine.state().orders.iter().count()
}

fn report(s: &Sent, kind: &str, exec: &str, cum: &str) -> String {
    let (id, side) = (&s.id, if s.buy { 1 } else { 2 });
    format!("35=8|37=B{id}|11={id}|17={exec}|{kind}|55=EURUSD|54={side}|38=1|32=1|31=1.1|14={cum}|151=0|")
}

/// What is kept is what is young; status and books say what they said.
#[test]
fn orders_that_ended_long_ago_are_given_back_and_still_counted() {
    let mut w = with(KEEP_S * 1_000);
    traded(&mut w, 400);
    assert_eq!(kept(&w), 800, "all of them are young");
    let (before, sent) = (w.engine.status(), w.engine.state().sent_by_line());
    later(&mut w, KEEP_S);
    assert_eq!(kept(&w), 800 - 3 * CHUNK, "all but the chunk that is not full");
    assert_eq!(w.engine.state().fills.iter().count(), 800 - 3 * CHUNK);
    let after = w.engine.status();
    assert_eq!((&before.orders, before.orders_sent), (&after.orders, after.orders_sent));
    assert_eq!(after.orders.get("filled"), Some(&800));
    assert_eq!(w.engine.state().sent_by_line(), sent);
    assert_eq!((w.filled(), w.target()), (d("0"), d("0")));
    // Life goes on, with numbers that go on.
    let new = traded(&mut w, 1);
    let id = fastcore::order::ClOrdId::from_text(new[0].id.as_bytes()).unwrap();
    assert_eq!(w.engine.state().orders.get(800).unwrap().cl_ord_id, id);
}

/// Without the rule, and before its time, everything is kept.
#[test]
fn nothing_is_given_back_before_its_time_or_without_the_rule() {
    for (retire_after_ms, wait_s) in [(0, 100 * KEEP_S), (3_600_000, 3_000)] {
        let mut w = with(retire_after_ms);
        traded(&mut w, 300);
        later(&mut w, wait_s);
        assert_eq!(kept(&w), 600, "{retire_after_ms} ms");
    }
}

/// An order that works keeps its neighbours, and is filled as ever when its time comes.
#[test]
fn an_order_that_lives_is_kept_with_its_chunk() {
    let mut w = World::with(SAME, "", |c| {
        c.retire_after_ms = KEEP_S * 1_000;
        support::add_second(c);
    });
    let first = orders(w.leader("first", 1, "1", "1", "1"));
    w.out(&first[0]);
    w.fill(&first[0], "1", "1");
    w.out(&first[1]);
    w.acknowledge(&first[1]); // and nothing more: it works for hours, whatever is asked
    let close = orders(w.leader("last", 2, "1", "1", "1"));
    w.out(&close[0]);
    w.fill(&close[0], "1", "1");
    traded(&mut w, 400);
    later(&mut w, KEEP_S);
    let made = w.engine.state().orders.len();
    assert_eq!(kept(&w), made - 2 * CHUNK, "the first chunk and the last one of {made}");
    w.fill(&first[1], "1", "1");
    assert_eq!(w.engine.state().orders[1].state, State::Filled);
    let late: Vec<String> = w.engine.status().subscriptions.iter().map(|l| l.filled.to_string()).collect();
    assert_eq!(late, ["0", "1"]);
    later(&mut w, KEEP_S);
    assert_eq!(kept(&w), w.engine.state().orders.len() - 3 * CHUNK, "its turn came as well");
}

/// A fill, a bust or a correction so late is told and not counted; other words about it are no news; somebody else's order
/// stays somebody else's.
#[test]
fn a_report_of_an_order_that_was_given_back_is_told_and_not_counted() {
    let mut w = with(KEEP_S * 1_000);
    let old = traded(&mut w, 300)[0].clone();
    later(&mut w, KEEP_S);
    let alerts = w.alerts.len();
    for (n, kind) in ["150=F|39=2", "150=H|39=2|19=X1", "150=G|39=2|19=X1"].into_iter().enumerate() {
        w.broker(&report(&old, kind, &format!("late{n}"), "2"));
        let told = texts(&w, "retired_order");
        assert_eq!(told.len(), n + 1);
        assert!(told[n].starts_with(&old.id) && told[n].contains("nothing was counted"), "{told:?}");
        assert_eq!((w.filled(), w.target()), (d("0"), d("0")));
    }
    for kind in ["150=0|39=0", "150=I|39=2", "150=4|39=4"] {
        w.broker(&report(&old, kind, "again", "1"));
    }
    w.broker(&format!("35=9|37=B1|11={}|41={}|39=2|434=1|102=0|", old.id, old.id));
    assert_eq!(w.alerts.len(), alerts + 3, "{:?}", w.alerts.last());
    assert_eq!(w.engine.state().notes["report of an order that ended long ago"], 4);
    let mut foreign = old;
    foreign.id = "NOTOURS".to_owned();
    w.broker(&report(&foreign, "150=F|39=2", "f", "1"));
    assert_eq!(texts(&w, "foreign_order").len(), 1);
}

/// Bytes of the state come back as the state, and go on as it would.
#[test]
fn a_snapshot_keeps_what_is_kept() {
    let mut w = with(KEEP_S * 1_000);
    traded(&mut w, 400);
    later(&mut w, KEEP_S);
    let bytes = w.engine.snapshot();
    let mut same = config(SAME, "");
    same.retire_after_ms = KEEP_S * 1_000;
    let engine = Engine::restore(same, &bytes).unwrap();
    assert_eq!(engine.snapshot(), bytes);
    w.engine = engine;
    assert_eq!(kept(&w), 800 - 3 * CHUNK);
    assert_eq!(traded(&mut w, 2).len(), 4);
}

/// A small generator: the test needs thousands of steps, not clever ones.
struct Rng(u64);

impl Rng {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// One step of both worlds, whatever is sent; what the first one sent.
fn both(worlds: &mut [World; 2], step: impl Fn(&mut World) -> Vec<Sent>) -> Vec<Sent> {
    let [a, b] = worlds;
    let (sent, same) = (step(a), step(b));
    assert_eq!(sent, same, "what was given back was missing");
    sent
}

/// Thousands of orders that are filled, filled in part, rejected, canceled or left, over hours: a gateway that gives back
/// decides as one that keeps everything.
#[test]
fn a_gateway_that_gives_back_decides_as_one_that_keeps() {
    for seed in 0..4 {
        let mut rng = Rng(seed);
        let mut worlds = [with(KEEP_S * 1_000), with(0)];
        let mut open: Vec<Sent> = Vec::new();
        for n in 0..2_000 {
            let (side, qty) = (1 + u8::try_from(rng.below(2)).unwrap(), (1 + rng.below(5)).to_string());
            let order = format!("o{n}");
            open.extend(both(&mut worlds, |w| w.leader(&order, side, &qty, &qty, &qty)));
            open.retain(|s| s.kind == SendKind::New);
            while open.len() > usize::try_from(rng.below(3)).unwrap() {
                let s = open.remove(0);
                both(&mut worlds, |w| w.out(&s));
                let told = rng.below(12);
                let more = both(&mut worlds, |w| match told {
                    0 => w.reject(&s),
                    1 => w.acknowledge(&s),
                    2 if s.qty != "1" => w.fill(&s, "1", "1"),
                    3 => w.broker(&report(&s, "150=4|39=4", "c", "0")),
                    _ => w.fill(&s, &s.qty, &s.qty),
                });
                open.extend(more.into_iter().filter(|s| s.kind == SendKind::New));
                if told == 1 || told == 2 {
                    open.push(s); // the rest of its story comes later
                }
            }
            let pause = i64::try_from(rng.below(4)).unwrap() * S;
            open.extend(both(&mut worlds, |w| w.run_to(w.now + pause)));
        }
        let [gives, keeps] = &worlds;
        assert_eq!(gives.engine.digest(), keeps.engine.digest());
        let status = |w: &World| serde_json::to_value(w.engine.status()).unwrap();
        assert_eq!(status(gives), status(keeps));
        assert!(kept(gives) * 2 < kept(keeps), "{} of {}", kept(gives), kept(keeps));
    }
}

/// The rule may be changed from one start to the next.
#[test]
fn the_rule_may_be_changed_by_a_new_configuration() {
    let mut w = with(0);
    traded(&mut w, 300);
    later(&mut w, KEEP_S);
    let mut changed: Config = config(SAME, "");
    changed.retire_after_ms = KEEP_S * 1_000;
    w.engine = Engine::restore(changed, &w.engine.snapshot()).unwrap();
    later(&mut w, 1);
    assert_eq!(kept(&w), 600 - 2 * CHUNK);
}
