//! A bust or correction that a subscription follows: its target is what it would have been without the execution.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::config::{Config, OnBust};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::SendKind;
use proptest::prelude::*;
use support::{SAME, Sent, World, d, fix, one, texts};

const S: i64 = 1_000_000_000;

fn with(sizing: &str, change: impl FnOnce(&mut Config)) -> World {
    World::with(sizing, "", |c| {
        c.subscriptions[0].on_bust = OnBust::Follow;
        change(c);
    })
}

fn plain() -> World {
    with(SAME, |_| {})
}

fn orders(sent: Vec<Sent>) -> Vec<Sent> {
    sent.into_iter().filter(|s| s.kind == SendKind::New).collect()
}

/// One execution of the leader: its order, side, quantity, and the number of its ExecID(17).
#[derive(Clone, Debug)]
struct Done {
    order: String,
    side: u8,
    qty: u64,
    exec: u64,
}

fn trades(w: &mut World, side: u8, qty: u64) -> (Done, Vec<Sent>) {
    let (order, text) = (format!("o{}", w.seq), qty.to_string());
    let sent = orders(w.leader(&order, side, &text, &text, &text));
    (Done { order, side, qty, exec: w.exec }, sent)
}

/// The leader trades, and all that follows is filled.
fn copied(w: &mut World, side: u8, qty: u64) -> Done {
    let (done, sent) = trades(w, side, qty);
    filled(w, sent);
    done
}

fn filled(w: &mut World, sent: Vec<Sent>) {
    let mut left = orders(sent);
    while let Some(s) = left.pop() {
        w.out(&s);
        left.extend(orders(w.fill(&s, &s.qty.clone(), &s.qty.clone())));
    }
}

fn at(w: &World, ago_s: i64) -> String {
    let mut time = Vec::new();
    fastcore::time::write_utc(w.now - ago_s * S, &mut time);
    String::from_utf8(time).unwrap()
}

/// The venue says that an execution was of another quantity; 0: that it never was.
fn amended(w: &mut World, e: &Done, qty: u64, ago_s: i64) -> Vec<Sent> {
    w.exec += 1;
    let (time, kind, n) = (at(w, ago_s), if qty == 0 { 'H' } else { 'G' }, w.exec);
    let last = if qty == 0 { e.qty } else { qty };
    let Done { order, side, exec, .. } = e;
    let raw = fix(&format!(
        "35=8|34={n}|37={order}|17=E{n}|19=E{exec}|150={kind}|39=1|55=EURUSD|54={side}|38={}|32={last}|31=1.1|14={qty}|151=0|60={time}|",
        e.qty
    ));
    w.apply(EventKind::Leader, "L", &raw)
}

fn busted(w: &mut World, e: &Done) -> Vec<Sent> {
    orders(amended(w, e, 0, 0))
}

/// An open that never was is closed, and the leader's next trade is copied as if nothing had been.
#[test]
fn a_busted_open_is_closed() {
    let mut w = plain();
    let first = copied(&mut w, 1, 5);
    copied(&mut w, 1, 3);
    let close = busted(&mut w, &first);
    filled(&mut w, vec![one(&close, false, "5")]);
    assert_eq!((w.target(), w.filled()), (d("3"), d("3")));
    assert_eq!(texts(&w, "bust").len(), 1);
    assert!(texts(&w, "bust")[0].contains("1 subscriptions follow it"), "{:?}", texts(&w, "bust"));
    one(&trades(&mut w, 1, 2).1, true, "2");
}

/// A close that never was: the leader holds it still, so the follower buys it again, as long as that is young.
#[test]
fn a_busted_close_is_opened_again_while_it_is_young() {
    for (ago_s, expected) in [(5, Some("2")), (61, None)] {
        let mut w = plain();
        copied(&mut w, 1, 5);
        let close = copied(&mut w, 2, 2);
        let sent = orders(amended(&mut w, &close, 0, ago_s));
        match expected {
            Some(qty) => drop(one(&sent, true, qty)),
            None => assert!(sent.is_empty(), "{sent:?}"),
        }
        filled(&mut w, sent);
        let held = if expected.is_some() { "5" } else { "3" };
        assert_eq!((w.target(), w.filled()), (d(held), d(held)), "{ago_s} s");
        let refused = w.engine.status().refusals.get("stale").copied();
        assert_eq!(refused, expected.is_none().then_some(1), "{ago_s} s");
        // Whatever was too late is given up: the next trade does not bring it back.
        one(&trades(&mut w, 1, 1).1, true, "1");
    }
}

/// What is too late is given up also where it is less than a lot, and no order shows it: the next trade does not bring it.
#[test]
fn a_part_of_a_lot_that_is_too_late_is_given_up() {
    for (ago_s, target, next) in [(61, "2", 0), (5, "2.4", 1)] {
        let mut w = with(r#"{"mode":"multiplier","k":"0.4"}"#, |_| {});
        copied(&mut w, 1, 6);
        let close = copied(&mut w, 2, 1);
        assert_eq!((w.target(), w.filled()), (d("2"), d("2")));
        assert!(orders(amended(&mut w, &close, 0, ago_s)).is_empty());
        assert_eq!(w.target(), d(target), "{ago_s} s");
        assert_eq!(trades(&mut w, 1, 2).1.len(), next, "{ago_s} s");
    }
}

/// The leader is flat without it: so is the follower, at once, whatever rounding has left in the target.
#[test]
fn a_leader_who_is_flat_without_it_has_flat_followers() {
    let mut w = with(r#"{"mode":"multiplier","k":"0.7"}"#, |_| {});
    copied(&mut w, 1, 3);
    let more = copied(&mut w, 1, 4);
    copied(&mut w, 2, 3);
    let sent = busted(&mut w, &more);
    filled(&mut w, sent);
    assert_eq!((w.target(), w.filled()), (d("0"), d("0")));
}

/// The execution before the last flat is busted: the leader is short since then, and so is the follower.
#[test]
fn a_bust_from_before_the_last_flat_turns_the_target() {
    let mut w = plain();
    let open = copied(&mut w, 1, 4);
    copied(&mut w, 2, 4);
    let sent = busted(&mut w, &open);
    filled(&mut w, vec![one(&sent, false, "4")]);
    assert_eq!((w.target(), w.filled()), (d("-4"), d("-4")));
    // It is corrected once more by its own name: it was there after all, smaller.
    let again = orders(amended(&mut w, &open, 1, 0));
    filled(&mut w, vec![one(&again, true, "1")]);
    assert_eq!((w.target(), w.filled()), (d("-3"), d("-3")));
}

/// What was refused or rejected stays so: of a trade that nobody copied nothing is taken back, and another's copy stays.
#[test]
fn what_was_rejected_then_is_not_taken_back_again() {
    let mut w = plain();
    copied(&mut w, 1, 3);
    let (second, sent) = trades(&mut w, 1, 5);
    w.out(&sent[0]);
    w.reject(&sent[0]);
    assert_eq!((w.target(), w.filled()), (d("3"), d("3")));
    assert!(busted(&mut w, &second).is_empty());
    assert_eq!((w.target(), w.filled()), (d("3"), d("3")));
    one(&trades(&mut w, 2, 3).1, false, "3");
}

/// What was lost behind a reduce stays lost, whatever is busted afterwards.
#[test]
fn what_was_lost_behind_a_reduce_stays_lost() {
    let mut w = plain();
    let (_, sent) = trades(&mut w, 1, 8);
    w.out(&sent[0]);
    w.fill(&sent[0], "8", "8");
    let (id, exec) = (sent[0].id.clone(), w.exec);
    copied(&mut w, 2, 4);
    assert_eq!((w.target(), w.filled()), (d("4"), d("4")));
    // The follower's broker corrects its fill to 6: two of them are gone, and nobody opens them again.
    w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=C1|19=X{exec}|150=G|39=1|55=EURUSD|54=1|38=8|32=6|31=1.1|14=6|151=0|"
    ));
    assert_eq!((w.target(), w.filled()), (d("2"), d("2")));
    let more = copied(&mut w, 1, 4);
    assert_eq!(w.target(), d("6"));
    let sent = busted(&mut w, &more);
    filled(&mut w, vec![one(&sent, false, "4")]);
    assert_eq!((w.target(), w.filled()), (d("2"), d("2")));
}

/// A trade that turned the leader around was copied in part; without it he is where he was, and so is the follower.
#[test]
fn what_a_turn_lost_is_the_turns() {
    for (qty, left) in [(0, "-5"), (10, "1")] {
        let limit = r#","limits":{"default":{"max_position_lots":"5","on_breach":"clip"}}"#;
        let mut w = World::with(SAME, limit, |c| c.subscriptions[0].on_bust = OnBust::Follow);
        copied(&mut w, 2, 5);
        let turn = copied(&mut w, 1, 20);
        assert_eq!((w.target(), w.filled()), (d("5"), d("5")), "15 were cut to 5");
        let sent = amended(&mut w, &turn, qty, 0);
        filled(&mut w, sent);
        // Of 10 it opens 5, a third of what it opened: and a third of the 5 that were copied of it, in whole lots.
        assert_eq!(w.filled(), d(left), "{qty}");
    }
}

/// What was rejected on one side is nothing that the other side has lost.
#[test]
fn a_loss_does_not_outlive_its_side() {
    let mut w = plain();
    let (first, sent) = trades(&mut w, 1, 8);
    let (id, exec) = (sent[0].id.clone(), w.exec + 1);
    w.out(&sent[0]);
    w.fill(&sent[0], "8", "8");
    copied(&mut w, 2, 4);
    w.broker(&format!(
        "35=8|37=B{id}|11={id}|17=C1|19=X{exec}|150=G|39=1|55=EURUSD|54=1|38=8|32=6|31=1.1|14=6|151=0|"
    ));
    assert_eq!((w.target(), w.filled()), (d("2"), d("2")), "two were lost, of 4 that were held");
    // Without the first he has sold 4, and nothing of that was lost.
    let sent = busted(&mut w, &first);
    filled(&mut w, sent);
    assert_eq!((w.target(), w.filled()), (d("-4"), d("-4")));
}

/// Corrected upwards too late, it stays what it was, whatever is busted later.
#[test]
fn what_was_corrected_too_late_never_comes_back() {
    let mut w = plain();
    let first = copied(&mut w, 1, 4);
    let second = copied(&mut w, 1, 3);
    assert!(orders(amended(&mut w, &first, 6, 61)).is_empty());
    assert_eq!(w.target(), d("7"));
    let close = busted(&mut w, &second);
    one(&close, false, "3");
    assert_eq!(w.target(), d("4"), "the 2 that were too late are not opened for it");
}

/// An order gets as much of an amount as before: the correction changes its own part in proportion.
#[test]
fn a_corrected_part_of_an_amount_changes_in_proportion() {
    let mut w = with(r#"{"mode":"fixed","lots":"8"}"#, |_| {});
    w.leader("o", 1, "40", "20", "20");
    let first = Done { order: "o".to_owned(), side: 1, qty: 20, exec: w.exec };
    w.leader("o", 1, "40", "20", "40");
    assert_eq!(w.target(), d("8"));
    amended(&mut w, &first, 10, 0);
    assert_eq!(w.target(), d("6"), "half of the first half");
}

/// What it does not remember, or cannot name, it does not guess: opens wait for a person, closes go on.
#[test]
fn what_cannot_be_followed_waits_for_a_person() {
    let unknown = Done { order: "o".to_owned(), side: 1, qty: 5, exec: 77 };
    let transfer = r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","position":"6","reason":"transfer"}"#;
    for (name, set) in [("never seen", false), ("before the position was set", true)] {
        let mut w = plain();
        let mut e = copied(&mut w, 1, 5);
        if set {
            w.apply(EventKind::Operator, "", transfer.as_bytes());
            assert!(texts(&w, "bad_command").is_empty(), "{:?}", w.alerts);
        } else {
            e = unknown.clone();
        }
        let before = w.target();
        assert!(busted(&mut w, &e).is_empty(), "{name}");
        assert_eq!(w.target(), before, "{name}");
        assert!(texts(&w, "bust").iter().any(|t| t.contains("wait")), "{name}: {:?}", texts(&w, "bust"));
        assert!(trades(&mut w, 1, 2).1.is_empty(), "{name}: opens wait");
        w.apply(EventKind::Operator, "", br#"{"cmd":"bust_resume","who":"ann","leader":"l"}"#);
        assert!(!trades(&mut w, 1, 2).1.is_empty(), "{name}: released");
    }
}

/// Two of a trade's five were counted through CumQty(14) alone, without its name: what is taken back of the other three is followed,
/// more than that waits for a person, also where it comes in two reports.
#[test]
fn what_was_counted_without_a_name_waits_for_a_person() {
    for (first, target, waits) in [(2, "3", 0), (4, "5", 0), (0, "6", 1)] {
        let mut w = plain();
        w.leader("o", 1, "10", "1", "1");
        let now = at(&w, 0);
        let status = format!("35=8|34=90|37=o|17=S|150=I|39=1|55=EURUSD|54=1|38=10|14=3|151=7|60={now}|");
        w.apply(EventKind::Leader, "L", &fix(&status));
        w.leader("o", 1, "10", "5", "6");
        let e = Done { order: "o".to_owned(), side: 1, qty: 5, exec: w.exec };
        assert_eq!(w.target(), d("6"));
        amended(&mut w, &e, first, 0);
        assert_eq!((w.target(), unfollowed(&w)), (d(target), waits), "of 5 it is {first}");
        if first == 2 {
            amended(&mut w, &Done { qty: 2, ..e }, 0, 0);
            assert_eq!((w.target(), unfollowed(&w)), (d("3"), 1), "and then nothing");
        }
    }
}

/// Beside one that follows, one that does not waits: each by its own rule.
#[test]
fn each_subscription_has_its_own_rule() {
    let mut w = World::with(SAME, "", |c| {
        support::add_second(c);
        c.subscriptions[1].on_bust = OnBust::Follow;
    });
    let (first, sent) = trades(&mut w, 1, 5);
    filled(&mut w, sent);
    let sent = busted(&mut w, &first);
    // The leader is flat: both close. Then he opens, and one of them waits.
    assert_eq!(sent.len(), 2);
    filled(&mut w, sent);
    let (_, sent) = trades(&mut w, 1, 2);
    assert_eq!(sent.len(), 1);
    assert!(sent[0].text.contains("|1=G|"), "{}", sent[0].text);
    assert!(
        texts(&w, "bust")[0].contains("1 subscriptions follow it, opens of 1 wait"),
        "{:?}",
        texts(&w, "bust")
    );
}

/// The memory of a line is bounded: what is older is for a person, what is younger is followed as ever.
#[test]
fn the_memory_is_bounded() {
    let mut w = plain();
    copied(&mut w, 1, 50);
    let old = copied(&mut w, 1, 5);
    let mut young = old.clone();
    for _ in 0..1_100 {
        young = copied(&mut w, 1, 1);
        copied(&mut w, 2, 1);
    }
    let sent = busted(&mut w, &young);
    filled(&mut w, vec![one(&sent, false, "1")]);
    assert_eq!(w.target(), d("54"));
    assert!(busted(&mut w, &old).is_empty());
    assert_eq!(w.target(), d("54"));
    assert_eq!(texts(&w, "bust").iter().filter(|t| t.contains("cannot follow")).count(), 1);
}

fn resync(w: &mut World) {
    let sent = support::tell(w, r#"{"cmd":"resync","who":"ann","subscription":"s"}"#);
    filled(w, sent);
}

fn unfollowed(w: &World) -> usize {
    texts(w, "bust").iter().filter(|t| t.contains("cannot follow")).count()
}

/// A target that a person has set is no loss of the newest executions: a bust of an older one is for a person. What comes
/// after it is followed, and a resync that changes nothing forgets nothing.
#[test]
fn what_a_resync_has_set_is_no_loss() {
    let mut w = plain();
    let first = copied(&mut w, 1, 10);
    copied(&mut w, 1, 10);
    let mut half = support::config(support::HALF, "");
    half.subscriptions[0].on_bust = OnBust::Follow;
    w.engine = Engine::restore(half, &w.engine.snapshot()).unwrap();
    resync(&mut w);
    assert_eq!((w.target(), w.filled()), (d("10"), d("10")));
    let later = copied(&mut w, 1, 4);
    resync(&mut w);
    let sent = busted(&mut w, &later);
    filled(&mut w, vec![one(&sent, false, "2")]);
    assert_eq!((w.target(), unfollowed(&w)), (d("10"), 0));
    assert!(busted(&mut w, &first).is_empty());
    assert_eq!((w.target(), w.filled(), unfollowed(&w)), (d("10"), d("10"), 1));
}

/// Three orders, one amount each, and one for all after the resync: a bust of the first leaves it.
#[test]
fn an_amount_of_a_resync_outlives_the_bust_of_an_order() {
    let mut w = with(r#"{"mode":"fixed","lots":"1"}"#, |_| {});
    let first = copied(&mut w, 1, 10);
    copied(&mut w, 1, 10);
    copied(&mut w, 1, 10);
    assert_eq!(w.target(), d("3"));
    resync(&mut w);
    assert_eq!((w.target(), w.filled()), (d("1"), d("1")));
    assert!(busted(&mut w, &first).is_empty());
    assert_eq!((w.target(), w.filled(), unfollowed(&w)), (d("1"), d("1"), 1));
}

/// What the leader adds while opens wait for a person is over when they go on, also where it is less than a lot and nothing
/// refused it: his next reduce opens nothing, his next increase does.
#[test]
fn what_came_while_opens_waited_asks_for_no_lot_afterwards() {
    let least = r#","rounding":"min_lot_if_nonzero","max_inflation":"100""#;
    let mut w = World::with(r#"{"mode":"multiplier","k":"0.1"}"#, least, |_| {});
    let first = copied(&mut w, 1, 5);
    assert_eq!(w.filled(), d("1"), "a smallest lot for half of one");
    taken_back(&mut w, &first);
    assert!(trades(&mut w, 1, 4).1.is_empty(), "opens wait");
    assert_eq!((w.target(), w.filled()), (d("0.4"), d("0")));
    w.apply(EventKind::Operator, "", br#"{"cmd":"bust_resume","who":"ann","leader":"l"}"#);
    assert!(trades(&mut w, 2, 1).1.is_empty());
    assert_eq!((w.target(), w.filled()), (d("0.3"), d("0")));
    one(&trades(&mut w, 1, 1).1, true, "1");
}

/// An execution is busted, and what that closes is filled.
fn taken_back(w: &mut World, e: &Done) {
    let sent = busted(w, e);
    filled(w, sent);
}

/// What a person gave up as closed by hand is no loss of executions either.
#[test]
fn what_was_given_up_by_hand_is_no_loss() {
    let mut w = with(SAME, |c| {
        c.profiles[0].supports.positions = true;
        c.reconcile.every_ms = 60_000;
    });
    let first = copied(&mut w, 1, 10);
    copied(&mut w, 1, 10);
    for _ in 0..2 {
        w.broker("35=AP|1=F|55=EURUSD|702=1|703=TQ|704=10|705=0|");
        w.now += 4 * S;
    }
    support::tell(
        &mut w,
        r#"{"cmd":"reconcile","who":"ann","follower":"f","instrument":"EURUSD","remedy":"adopt"}"#,
    );
    assert_eq!((w.target(), w.filled()), (d("10"), d("10")));
    assert!(busted(&mut w, &first).is_empty());
    assert_eq!((w.target(), w.filled(), unfollowed(&w)), (d("10"), d("10"), 1));
}

/// Bytes of the state remember as much as the state.
#[test]
fn a_snapshot_remembers_what_may_be_busted() {
    let mut w = plain();
    let first = copied(&mut w, 1, 5);
    copied(&mut w, 1, 3);
    let mut same = support::config(SAME, "");
    same.subscriptions[0].on_bust = OnBust::Follow;
    w.engine = Engine::restore(same, &w.engine.snapshot()).unwrap();
    let sent = busted(&mut w, &first);
    one(&sent, false, "5");
}

/// A leader's trade, and what becomes of one: side, quantity, which is amended afterwards, and to what.
type Told = (u8, u64, Option<(usize, u64)>);

fn history() -> impl Strategy<Value = Vec<Told>> {
    let amend = proptest::option::of((0_usize..64, 0_u64..9));
    proptest::collection::vec((1_u8..3, 1_u64..9, amend), 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever is busted or corrected, and whenever: the target is what it would have been if the executions had been so
    /// from the beginning, and what is held is the target in lots.
    #[test]
    fn a_target_is_as_if_the_execution_had_never_been(steps in history(), k in 1_u32..30) {
        let sizing = format!(r#"{{"mode":"multiplier","k":"{}.{}"}}"#, k / 10, k % 10);
        let (mut w, mut all) = (with(&sizing, |_| {}), Vec::<Done>::new());
        for (side, qty, amend) in steps {
            all.push(copied(&mut w, side, qty));
            if let Some((n, qty)) = amend {
                let n = n % all.len();
                // Taken back for good, or the same again, is nothing new.
                if all[n].qty != 0 && all[n].qty != qty {
                    let sent = amended(&mut w, &all[n].clone(), qty, 0);
                    filled(&mut w, sent);
                    all[n].qty = qty;
                }
            }
            let mut fresh = with(&sizing, |_| {});
            for e in all.iter().filter(|e| e.qty > 0) {
                copied(&mut fresh, e.side, e.qty);
            }
            let apart = w.target().checked_sub(fresh.target()).unwrap();
            // An increase that changed is worked out from the one that it was: a few times 10⁻¹⁸ of a step.
            prop_assert!(apart.raw().abs() < 1_000, "{} and {}", w.target(), fresh.target());
            prop_assert_eq!(w.filled(), fresh.filled());
            prop_assert!(texts(&w, "bust").iter().all(|t| !t.contains("cannot")), "{:?}", texts(&w, "bust"));
        }
    }
}
