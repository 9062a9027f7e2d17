//! Guards of one subscription: what its own orders won and lost stops it alone.

use crate::support::{SAME, World, add_second, d, one};
use crate::{copied, fill_all, quote, tell};
use fastcore::config::Config;
use fastcore::decimal::{Dec, Round};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::Row;

const S: i64 = 1_000_000_000;
const LOSS: &str = r#"{"rule":"daily_loss","amount":"100","auto_reset":true}"#;
const FALL: &str = r#"{"rule":"drawdown","period":"week","amount":"150"}"#;
const CLOSE: &str = r#"{"rule":"daily_loss","amount":"200","action":"close_all"}"#;

fn rules(c: &mut Config, sub: usize, rules: &str) {
    let text = format!(r#"{{"zone":"UTC","day_begins_s":0,"max_age_ms":3600000,"rules":[{rules}]}}"#);
    c.subscriptions[sub].guards = Some(Box::new(serde_json::from_str(&text).unwrap()));
    c.followers.iter_mut().for_each(|f| f.currency = Some("USD".to_owned()));
}

/// One follower whose subscription `s` is guarded and whose `t`, of another leader, is not.
fn two(of: &str) -> World {
    let mut w = World::with(SAME, "", |c| {
        let mut other = c.leaders[0].clone();
        (other.name, other.session) = ("m".to_owned(), "M".to_owned());
        c.leaders.push(other);
        let mut sub = c.subscriptions[0].clone();
        (sub.name, sub.leader) = ("t".to_owned(), "m".to_owned());
        c.subscriptions.push(sub);
        rules(c, 0, of);
    });
    w.alerts.clear();
    w
}

/// A trade of the leader whose subscription is not guarded.
fn other(w: &mut World, qty: &str) -> usize {
    w.exec += 1;
    let (e, mut time) = (w.exec, Vec::new());
    fastcore::time::write_utc(w.now, &mut time);
    let time = String::from_utf8(time).unwrap();
    let raw = crate::support::fix(&format!(
        "35=8|34={e}|37=m{e}|17=M{e}|150=F|39=2|55=EURUSD|54=1|38={qty}|32={qty}|31=1.1|14={qty}|151=0|60={time}|"
    ));
    let sent = w.apply(EventKind::Leader, "M", &raw);
    let n = sent.len();
    fill_all(w, sent);
    n
}

fn stops(w: &World) -> Vec<(String, &'static str, &'static str)> {
    w.engine.status().stops.iter().map(|s| (format!("{} {}", s.scope, s.name), s.level, s.code)).collect()
}

/// 1,000 at 1.1: at 1.0 they have lost 100. The other subscription of the same account trades on, closes go out, and the
/// next day releases it.
#[test]
fn a_loss_of_a_subscription_stops_it_alone() {
    let mut w = two(LOSS);
    quote(&mut w, "1.1", "1.1");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.001", "1.001");
    assert_eq!(w.engine.won_by(0), Some(d("-99")));
    assert!(stops(&w).is_empty());
    quote(&mut w, "1", "1");
    assert_eq!(stops(&w), [("subscription s".to_owned(), "no_opens", "daily_loss")]);
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty());
    assert_eq!(w.engine.status().refusals.get("daily_loss"), Some(&1));
    assert_eq!(other(&mut w, "5"), 1);
    // 400 of the leader's 1,005, of which 5 were refused here.
    one(&w.leader("o3", 2, "400", "400", "400"), false, "399");
    let day = w.now + 86_400 * S;
    w.run_to(day);
    assert!(stops(&w).is_empty());
}

/// Half as many units at twice the price: the prices of before count no more, and nothing was lost.
#[test]
fn a_split_is_no_loss_of_a_subscription() {
    let mut w = two(LOSS);
    quote(&mut w, "1.1", "1.1");
    copied(&mut w, "o1", 1, "1000");
    let split =
        r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","reason":"split","factor":"1/2"}"#;
    tell(&mut w, split);
    assert_eq!((w.engine.state().lines[0].line.filled, w.engine.won_by(0)), (d("500"), None));
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty(), "nobody knows what it is worth");
    quote(&mut w, "2.2", "2.2");
    assert_eq!((stops(&w), w.engine.won_by(0)), (vec![], Some(d("0"))));
    quote(&mut w, "2", "2");
    assert_eq!(stops(&w), [("subscription s".to_owned(), "no_opens", "daily_loss")]);
}

/// Realised and floating are added, over fills and new values of the account: those begin the account's measures anew, and
/// not those of the subscription.
#[test]
fn what_was_won_and_lost_outlives_a_new_account_value() {
    let mut w = two(FALL);
    quote(&mut w, "1.1", "1.1");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.2", "1.2");
    assert_eq!(w.engine.won_by(0), Some(d("100")), "the highest");
    crate::worth(&mut w, "5000");
    // Sold at 1.1: nothing won or lost, 100 below the highest.
    copied(&mut w, "o2", 2, "600");
    assert_eq!(w.engine.won_by(0), Some(d("40")), "400 are worth 0.1 more each");
    quote(&mut w, "1.0", "1.0");
    assert_eq!(w.engine.won_by(0), Some(d("-40")));
    assert!(stops(&w).is_empty(), "140 below the highest");
    quote(&mut w, "0.97", "0.97");
    assert_eq!(stops(&w), [("subscription s".to_owned(), "no_opens", "period_drawdown")]);
    // A person releases its follower: it is measured from now on.
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert!(stops(&w).is_empty());
    quote(&mut w, "0.9", "0.9");
    assert_eq!(w.leader("o4", 1, "5", "5", "5").len(), 1);
}

/// An open that waits for its route when the guard stops the subscription does not leave when the route is back.
#[test]
fn an_open_that_waits_does_not_leave_behind_the_stop() {
    for (stops, expected) in [(true, 0), (false, 1)] {
        let mut w = two(LOSS);
        quote(&mut w, "1.1", "1.1");
        copied(&mut w, "o1", 1, "1000");
        w.rows(&[Row::Logout { session: "R" }]);
        assert!(w.leader("o2", 1, "5", "5", "5").is_empty(), "the route is down");
        if stops {
            quote(&mut w, "1", "1");
        }
        assert_eq!(w.rows(&[Row::Logon { session: "R" }]).len(), expected, "stopped: {stops}");
    }
}

/// `close_all` closes what the subscription holds, and nothing of the other.
#[test]
fn close_all_closes_the_subscription_alone() {
    let mut w = two(CLOSE);
    quote(&mut w, "1.1", "1.1");
    copied(&mut w, "o1", 1, "1000");
    other(&mut w, "50");
    let close = one(&quote(&mut w, "0.9", "0.9"), false, "1000");
    w.out(&close);
    w.fill(&close, "1000", "1000");
    let held: Vec<_> = w.engine.status().subscriptions.iter().map(|l| l.filled).collect();
    assert_eq!(held, [Dec::ZERO, d("50")]);
    assert_eq!(stops(&w), [("subscription s".to_owned(), "close_only", "daily_loss")]);
}

/// Nobody can say what it lost while a price is too old: nothing is opened, and closes go out.
#[test]
fn without_a_fresh_price_nothing_is_opened() {
    let mut w = two(LOSS);
    copied(&mut w, "o1", 1, "1000");
    w.now += 3_601 * S;
    assert!(w.leader("o2", 1, "5", "5", "5").is_empty());
    assert_eq!(w.engine.status().refusals.get("stale_account"), Some(&1));
    // 400 of the leader's 1,005, of which 5 were refused here.
    one(&w.leader("o3", 2, "400", "400", "400"), false, "399");
}

/// What was held before the guard came costs what it is worth at the first price that is heard; a restart keeps a stop.
#[test]
fn a_guard_begins_with_what_is_held() {
    let mut w = World::with(SAME, "", |_| {});
    quote(&mut w, "1.1", "1.1");
    copied(&mut w, "o1", 1, "1000");
    crate::restarted(&mut w, |c| rules(c, 0, LOSS));
    w.link(8);
    assert_eq!(w.engine.won_by(0), None);
    quote(&mut w, "1.05", "1.05");
    assert_eq!(w.engine.won_by(0), Some(Dec::ZERO));
    quote(&mut w, "0.95", "0.95");
    assert_eq!(stops(&w).len(), 1);
    crate::restarted(&mut w, |c| rules(c, 0, LOSS));
    assert_eq!(stops(&w).len(), 1);
}

/// An amount has no base of its own in a percentage, and a subscription has no equity.
#[test]
fn a_subscription_has_no_floor_and_no_percentage() {
    for bad in [r#"{"rule":"equity_floor","amount":"5"}"#, r#"{"rule":"daily_loss","percent":"5"}"#] {
        let mut c = crate::support::config(SAME, "");
        rules(&mut c, 0, bad);
        assert!(Engine::new(c).unwrap_err().to_string().contains("subscription \"s\""), "{bad}");
    }
}

proptest::proptest! {
    /// Whatever the prices do and whichever rule stops one of two subscriptions: it is flat when its leader is.
    #[test]
    fn a_subscriptions_guard_never_holds_back_a_close(
        set in proptest::sample::subsequence(vec![LOSS, FALL, CLOSE], 1..=3),
        steps in proptest::collection::vec((0_u8..4, 1_i64..400, 80_i64..130), 1..30),
    ) {
        let mut w = World::with(SAME, "", |c| { add_second(c); rules(c, 0, &set.join(",")); });
        quote(&mut w, "1.1", "1.1");
        let mut position = 0_i64;
        for (n, (what, qty, px)) in steps.iter().enumerate() {
            match what {
                0 | 1 => {
                    let side = what + 1;
                    position += if side == 1 { *qty } else { -*qty };
                    copied(&mut w, &format!("o{n}"), side, &qty.to_string());
                }
                2 => {
                    let px = Dec::from_int(*px).div(Dec::from_int(100), Round::Down).unwrap().to_text();
                    let sent = quote(&mut w, &px, &px);
                    fill_all(&mut w, sent);
                }
                _ => drop(tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#)),
            }
        }
        if position != 0 {
            copied(&mut w, "last", if position > 0 { 2 } else { 1 }, &position.abs().to_string());
        }
        for l in w.engine.status().subscriptions {
            assert!(l.filled.is_zero() && l.target.is_zero(), "{} holds {}", l.subscription, l.filled);
        }
    }
}
