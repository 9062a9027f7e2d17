//! What each rule stops, and what releases it.

use crate::support::{SAME, Sent, World, config, d, one};
use crate::{
    CLOSE, DAY, FALL, FLOOR, copied, equity, fill_all, guard, guarded, quote, refused, restarted, stops,
    tell, worth,
};
use fastcore::decimal::{Dec, Round};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::{Row, SendKind};

/// At the floor opens are refused with both numbers, closes go on, and only a name releases it.
#[test]
fn at_the_floor_nothing_is_opened_and_everything_can_be_closed() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.01", "1.02");
    assert_eq!(equity(&w), Some(d("910")));
    assert!(stops(&w).is_empty());
    quote(&mut w, "1", "1.01");
    assert_eq!(stops(&w), [("f".to_owned(), "no_opens", "suspended_equity")]);
    assert!(
        w.alerts
            .iter()
            .any(|a| a.code == "guard" && a.text.contains("suspended_equity: equity 900 at or below 900"))
    );
    assert!(copied(&mut w, "o2", 1, "10").is_empty());
    assert_eq!(refused(&w, "suspended_equity"), 1);
    one(&copied(&mut w, "o3", 2, "505"), false, "500");
    // The price comes back, the stop stays: over a restart too.
    quote(&mut w, "1.2", "1.2");
    restarted(&mut w, |c| guard(c, FLOOR));
    assert!(copied(&mut w, "o4", 1, "10").is_empty());
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert!(stops(&w).is_empty());
    assert_eq!(copied(&mut w, "o5", 1, "10").len(), 1);
}

/// A release below a fixed floor stops again at once: the account, or the floor, has to change first.
#[test]
fn a_release_below_a_fixed_floor_does_not_hold() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "900");
    assert_eq!(stops(&w).len(), 1);
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert_eq!(stops(&w).len(), 1);
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","deposit":"100"}"#);
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert!(stops(&w).is_empty());
}

/// A loss of the day stops until the next day where it resets itself, and is measured from the equity of that morning.
#[test]
fn a_daily_loss_is_over_the_next_day() {
    let mut w = guarded(DAY);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.06", "1.06");
    quote(&mut w, "1.05", "1.05");
    assert_eq!(stops(&w), [("f".to_owned(), "no_opens", "daily_loss")]);
    // A timer ends it, without anybody's event; the quote is from yesterday evening by then.
    let due = w.engine.next_due_ns().unwrap();
    assert_eq!(due % 86_400_000_000_000, 0, "midnight UTC");
    w.now = due - 1_000_000_000;
    quote(&mut w, "1.05", "1.05");
    assert_eq!(stops(&w).len(), 1);
    w.run_to(due + 1);
    assert!(stops(&w).is_empty());
    quote(&mut w, "1.01", "1.01");
    assert!(stops(&w).is_empty(), "40 of this day");
    quote(&mut w, "1", "1");
    assert_eq!(stops(&w).len(), 1, "50 of this day");
}

/// Without `auto_reset` a new day changes nothing: somebody has to look first.
#[test]
fn a_stop_that_does_not_reset_itself_stays() {
    let mut w = guarded(r#"{"rule":"daily_loss","amount":"50"}"#);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1", "1");
    assert_eq!(stops(&w).len(), 1);
    w.now += 86_400_000_000_000;
    quote(&mut w, "1", "1");
    quote(&mut w, "1.2", "1.2");
    assert_eq!(stops(&w).len(), 1);
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert!(stops(&w).is_empty());
    // What it is measured from begins anew with the release.
    quote(&mut w, "1.16", "1.16");
    assert!(stops(&w).is_empty());
    quote(&mut w, "1.15", "1.15");
    assert_eq!(stops(&w).len(), 1);
}

/// The floor of a drawdown rises with the equity and never falls.
#[test]
fn a_drawdown_is_measured_from_the_highest_equity() {
    let mut w = guarded(FALL);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "2.1", "2.1"); // 2,000
    quote(&mut w, "1.91", "1.91"); // 1,810
    assert!(stops(&w).is_empty());
    assert_eq!(w.engine.status().guards[0].floor, Some(d("1800")));
    quote(&mut w, "1.9", "1.9");
    assert_eq!(stops(&w), [("f".to_owned(), "no_opens", "period_drawdown")]);
}

/// `close_all` withdraws what would still open, and closes what is held; the leader's closes later find nothing to do.
#[test]
fn close_all_cancels_opens_and_closes_positions() {
    let mut w = guarded(CLOSE);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    let open = one(&w.leader("o2", 1, "7", "7", "7"), true, "7");
    w.out(&open);
    w.acknowledge(&open);
    let sent = quote(&mut w, "0.9", "0.9"); // 800
    assert_eq!(stops(&w), [("f".to_owned(), "close_only", "suspended_equity")]);
    let kinds: Vec<_> = sent.iter().map(|s| (s.kind, s.buy, s.qty.as_str())).collect();
    assert_eq!(kinds, [(SendKind::Cancel, true, "7"), (SendKind::New, false, "1000")]);
    w.out(&sent[1]);
    w.fill(&sent[1], "1000", "1000");
    assert!(w.leader("o3", 2, "500", "500", "500").is_empty());
    assert_eq!((w.filled(), w.target()), (Dec::ZERO, Dec::ZERO));
}

/// A close that the broker has just refused, and that waits to be tried again, does not hold back what a guard closes.
#[test]
fn close_all_does_not_wait_for_the_pause_after_a_refused_close() {
    let mut w = guarded(CLOSE);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    let part = one(&w.leader("o2", 2, "300", "300", "300"), false, "300");
    w.out(&part);
    assert!(w.reject(&part).is_empty());
    let all = one(&quote(&mut w, "0.9", "0.9"), false, "1000"); // 800
    w.out(&all);
    assert!(w.reject(&all).is_empty());
    assert!(quote(&mut w, "0.8", "0.8").is_empty(), "its own retry is paced as ever");
}

/// A rule that closes everything is obeyed also where a milder one has stopped the follower before.
#[test]
fn a_harder_rule_follows_a_milder_one() {
    let mut w = guarded(&format!("{FLOOR},{CLOSE}"));
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1", "1");
    assert_eq!(stops(&w), [("f".to_owned(), "no_opens", "suspended_equity")]);
    one(&quote(&mut w, "0.9", "0.9"), false, "1000");
    let all: Vec<_> = stops(&w).into_iter().map(|stop| stop.1).collect();
    assert_eq!(all, ["no_opens", "close_only"]);
}

/// A breach that nobody valued yet is found by the open that would make it worse.
#[test]
fn an_open_is_asked_at_its_own_time() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    w.apply(EventKind::Quote, "", br#"{"instrument":"EURUSD","bid":"1.05","ask":"1.05"}"#);
    // Within the quarter of a second, before the next valuation.
    w.apply(EventKind::Quote, "", br#"{"instrument":"EURUSD","bid":"0.99","ask":"0.99"}"#);
    assert!(stops(&w).is_empty());
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty());
    assert_eq!((refused(&w, "suspended_equity"), stops(&w).len()), (1, 1));
}

/// Two subscriptions of other followers trade on: a guard stops its own follower alone.
#[test]
fn a_guard_stops_its_own_follower() {
    let mut w = World::with(SAME, "", |c| {
        let mut other = c.followers[0].clone();
        (other.name, other.account) = ("g".to_owned(), Some("G".to_owned()));
        c.followers.push(other);
        let mut sub = c.subscriptions[0].clone();
        (sub.name, sub.follower) = ("t".to_owned(), "g".to_owned());
        c.subscriptions.push(sub);
        guard(c, FLOOR);
    });
    worth(&mut w, "100");
    assert_eq!(w.leader("o1", 1, "5", "5", "5").len(), 1);
}

proptest::proptest! {
    /// Whatever the prices do and whichever rules stop the follower: it opens nothing while it is stopped, holds no more
    /// than the leader, and is flat when the leader is.
    #[test]
    fn a_guard_never_holds_back_a_close(
        rules in proptest::sample::subsequence(vec![FLOOR, DAY, FALL, CLOSE], 1..=4),
        steps in proptest::collection::vec((0_u8..4, 1_i64..400, 80_i64..130), 1..30),
    ) {
        let mut w = guarded(&rules.join(","));
        worth(&mut w, "1000");
        let mut position = 0_i64;
        let mut trade = |w: &mut World, n: usize, side: u8, qty: i64| {
            let stopped = !stops(w).is_empty();
            let held = w.filled();
            let sent = copied(w, &format!("o{n}"), side, &qty.to_string());
            if stopped {
                let against = |s: &Sent| held.is_positive() != s.buy && !held.is_zero();
                assert!(sent.iter().all(against), "{held} {sent:?}");
            }
            position += if side == 1 { qty } else { -qty };
            let most = Dec::from_int(position);
            let within = if position < 0 { w.filled() >= most } else { w.filled() <= most };
            assert!(within || w.filled().is_zero(), "{} of {position}", w.filled());
            position
        };
        for (n, (what, qty, px)) in steps.iter().enumerate() {
            match what {
                0 => drop(trade(&mut w, n, 1, *qty)),
                1 => drop(trade(&mut w, n, 2, *qty)),
                2 => {
                    let px = Dec::from_int(*px).div(Dec::from_int(100), Round::Down).unwrap().to_text();
                    let sent = quote(&mut w, &px, &px);
                    fill_all(&mut w, sent);
                }
                _ => drop(tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#)),
            }
        }
        let left = trade(&mut w, 1_000, 1, 1) ;
        trade(&mut w, 1_001, if left > 0 { 2 } else { 1 }, left.abs().max(1));
        if left != 0 {
            assert_eq!(w.filled(), Dec::ZERO, "the leader is flat");
        }
    }
}

/// What cannot be guarded is an error of the configuration.
#[test]
fn bad_guards_are_errors() {
    let bad = [r#"{"rule":"daily_loss"}"#, r#"{"rule":"daily_loss","amount":"1","percent":"1"}"#];
    for rules in bad {
        let mut c = config(SAME, "");
        guard(&mut c, rules);
        assert!(Engine::new(c).unwrap_err().to_string().contains("follower \"f\""), "{rules}");
    }
}

/// Each rule stops and ends by itself: one that resets itself takes no other stop with it.
#[test]
fn a_stop_that_resets_itself_leaves_the_others() {
    let mut w = guarded(&format!("{DAY},{FLOOR}"));
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.04", "1.04"); // 940: the loss of the day
    quote(&mut w, "0.99", "0.99"); // 890: the floor as well
    assert_eq!(stops(&w).len(), 2);
    w.now += 86_400_000_000_000;
    quote(&mut w, "1.1", "1.1");
    assert_eq!(stops(&w), [("f".to_owned(), "no_opens", "suspended_equity")]);
    assert!(copied(&mut w, "o2", 1, "10").is_empty());
}

/// Other rules in a new configuration neither release a stop nor begin what the same rules measure anew.
#[test]
fn a_new_configuration_releases_nothing_and_forgets_nothing() {
    let mut w = guarded(FALL);
    worth(&mut w, "2000");
    worth(&mut w, "1810");
    restarted(&mut w, |c| guard(c, &format!("{DAY},{FALL}")));
    worth(&mut w, "1800");
    let code = "period_drawdown";
    assert_eq!(stops(&w).iter().map(|s| s.2).collect::<Vec<_>>(), [code], "of 2,000, not of 1,810");
    // Without any guards the stop stays, until somebody releases it.
    restarted(&mut w, |_| {});
    assert!(copied(&mut w, "o1", 1, "10").is_empty());
    assert_eq!(refused(&w, code), 1);
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert_eq!(copied(&mut w, "o2", 1, "10").len(), 1);
    // Another account: nothing is known of it, and the highest equity of the one before is not its own.
    let mut w = guarded(FALL);
    worth(&mut w, "2000");
    restarted(&mut w, |c| {
        guard(c, FALL);
        c.followers[0].account = Some("G".to_owned());
    });
    assert_eq!(equity(&w), None);
    worth(&mut w, "100");
    assert!(stops(&w).is_empty());
}

/// An open that waits for its route is refused by the rule that stopped its follower, at once or when the route is back.
#[test]
fn an_open_that_waits_for_its_route_is_refused_by_the_rule() {
    for rules in [FLOOR, CLOSE] {
        let mut w = guarded(rules);
        worth(&mut w, "1000");
        w.rows(&[Row::Logout { session: "R" }]);
        assert!(w.leader("o1", 1, "10", "10", "10").is_empty());
        worth(&mut w, "100");
        assert!(w.rows(&[Row::Logon { session: "R" }]).is_empty(), "{rules}");
        assert_eq!((refused(&w, "suspended_equity"), refused(&w, "kill")), (1, 0), "{rules}");
        assert_eq!(w.target(), Dec::ZERO, "{rules}");
    }
}
