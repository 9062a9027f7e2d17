//! Equity guards: what an account is worth after fills and quotes, what each rule stops, and how it is released. Closes are
//! never held back.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod support;

use fastcore::decimal::{Dec, Round};
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::link::SendKind;
use support::{SAME, Sent, World, config, d, one};

/// A follower with rules as JSON, in the zone UTC.
fn guarded(rules: &str) -> World {
    let mut w = World::with(SAME, "", |c| guard(c, rules));
    w.alerts.clear();
    w
}

fn guard(c: &mut fastcore::config::Config, rules: &str) {
    let text = format!(r#"{{"zone":"UTC","day_begins_s":0,"max_age_ms":3600000,"rules":[{rules}]}}"#);
    c.followers[0].guards = Some(Box::new(serde_json::from_str(&text).unwrap()));
    c.followers[0].currency = Some("USD".to_owned());
}

fn tell(w: &mut World, command: &str) -> Vec<Sent> {
    w.apply(EventKind::Operator, "", command.as_bytes())
}

fn worth(w: &mut World, equity: &str) {
    let text = format!(r#"{{"cmd":"account","who":"ann","account":"f","equity":"{equity}"}}"#);
    assert!(tell(w, &text).is_empty());
}

fn quote(w: &mut World, bid: &str, ask: &str) -> Vec<Sent> {
    let text = format!(r#"{{"instrument":"EURUSD","bid":"{bid}","ask":"{ask}"}}"#);
    let mut sent = w.apply(EventKind::Quote, "", text.as_bytes());
    // Accounts are valued within a quarter of a second, however many quotes come.
    sent.extend(w.run_to(w.now + 260_000_000));
    sent
}

/// The leader trades with a new order, and what the follower is to do is filled at 1.1, with what comes of it.
fn copied(w: &mut World, order: &str, side: u8, qty: &str) -> Vec<Sent> {
    let sent = w.leader(order, side, qty, qty, qty);
    fill_all(w, sent.clone());
    sent
}

fn fill_all(w: &mut World, mut sent: Vec<Sent>) {
    while let Some(s) = sent.pop() {
        sent.extend(w.out(&s));
        sent.extend(w.fill(&s, &s.qty, &s.qty));
    }
}

fn equity(w: &World) -> Option<Dec> {
    w.engine.status().guards[0].equity
}

fn refused(w: &World, code: &str) -> u64 {
    w.engine.status().refusals.get(code).copied().unwrap_or(0)
}

fn stops(w: &World) -> Vec<(String, &'static str, &'static str)> {
    w.engine.status().stops.into_iter().map(|s| (s.name, s.level, s.code)).collect()
}

const FLOOR: &str = r#"{"rule":"equity_floor","amount":"900"}"#;
const DAY: &str = r#"{"rule":"daily_loss","amount":"50","auto_reset":true}"#;
const FALL: &str = r#"{"rule":"drawdown","period":"week","percent":"10"}"#;
const CLOSE: &str = r#"{"rule":"equity_floor","percent":"80","action":"close_all"}"#;

/// 1,000 units bought at 1.1: longs are worth the bid, shorts the ask, and what was closed has been earned.
#[test]
fn equity_is_the_last_value_and_what_was_won_since() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "10000");
    assert_eq!(equity(&w), Some(d("10000")));
    copied(&mut w, "o1", 1, "1000");
    assert_eq!(equity(&w), Some(d("10000")));
    quote(&mut w, "1.2", "1.3");
    assert_eq!(equity(&w), Some(d("10100")));
    // Closes 1,000 at 1.1, and sells 500, which cost 1.3 to buy back: one fill moves no quote.
    copied(&mut w, "o2", 2, "1500");
    assert_eq!(equity(&w), Some(d("9900")));
    // The broker's word replaces what was counted; a deposit is added to it.
    worth(&mut w, "9890");
    assert_eq!(equity(&w), Some(d("9890")));
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","deposit":"-90"}"#);
    assert_eq!(equity(&w), Some(d("9800")));
    quote(&mut w, "1.1", "1.2");
    assert_eq!(equity(&w), Some(d("9850")));
}

/// A balance has nothing of what is held in it; an equity has, and is not replaced by a balance.
#[test]
fn a_balance_is_without_what_is_held() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "10000");
    copied(&mut w, "o1", 1, "1000");
    let balance = r#"{"cmd":"account","who":"ann","account":"f","balance":"5000"}"#;
    tell(&mut w, balance);
    quote(&mut w, "1.2", "1.3");
    assert_eq!(equity(&w), Some(d("10100")));
    let mut w = guarded(FLOOR);
    tell(&mut w, balance);
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.2", "1.3");
    assert_eq!(equity(&w), Some(d("5100")));
    tell(&mut w, balance);
    assert_eq!(equity(&w), Some(d("5100")));
}

/// Nobody knows what an account is worth before its broker, or a person, has said so, or with a price of long ago.
#[test]
fn without_a_value_or_a_price_nothing_is_opened() {
    let mut w = guarded(FLOOR);
    assert!(copied(&mut w, "o1", 1, "10").is_empty());
    assert_eq!(refused(&w, "stale_account"), 1);
    worth(&mut w, "10000");
    assert_eq!(copied(&mut w, "o2", 1, "10").len(), 1);
    w.now += 3_600_000_000_000;
    assert!(copied(&mut w, "o3", 1, "10").is_empty());
    assert_eq!((equity(&w), refused(&w, "stale_account")), (None, 2));
    // The close is not asked.
    one(&copied(&mut w, "o4", 2, "30"), false, "10");
    assert!(stops(&w).is_empty());
}

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
    let bytes = w.engine.snapshot();
    let mut c = config(SAME, "");
    guard(&mut c, FLOOR);
    w.engine = Engine::restore(c, &bytes).unwrap();
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

/// A bust takes back what its fill won or lost; the broker's CollateralReport says what the account is worth.
#[test]
fn busts_and_the_brokers_own_reports_are_counted() {
    let mut w = guarded(FLOOR);
    w.broker("35=BA|908=1|910=3|1=F|15=USD|900=5000|901=4000|60=20231114-22:13:20|");
    assert_eq!(equity(&w), Some(d("5000")));
    let sent = w.leader("o1", 1, "100", "100", "100");
    let id = &sent[0].id;
    w.out(&sent[0]);
    let report = |kind: &str, exec: &str, more: &str, cum: &str| {
        format!(
            "35=8|37=B|11={id}|17={exec}|150={kind}|39=1|55=EURUSD|54=1|38=100|31=1.1|14={cum}|151=0|{more}"
        )
    };
    w.broker(&report("F", "X1", "32=40|", "40"));
    quote(&mut w, "2.1", "2.1");
    assert_eq!(equity(&w), Some(d("5040")));
    w.broker(&report("H", "X2", "19=X1|32=40|", "0"));
    assert_eq!((equity(&w), w.filled()), (Some(d("5000")), Dec::ZERO));
}

/// A deposit is no gain, and a withdrawal no loss.
#[test]
fn money_paid_in_or_out_moves_the_base_as_well() {
    let mut w = guarded(DAY);
    worth(&mut w, "1000");
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","deposit":"-500"}"#);
    assert!(stops(&w).is_empty());
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.06", "1.06");
    assert!(stops(&w).is_empty());
    quote(&mut w, "1.05", "1.05");
    assert_eq!(stops(&w).len(), 1);
    assert_eq!(equity(&w), Some(d("450")));
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

/// Guards that come while something is held do not know its cost: they wait for the next account value.
#[test]
fn guards_that_come_later_wait_for_an_account_value() {
    let mut w = World::new(SAME, "");
    copied(&mut w, "o1", 1, "1000");
    let bytes = w.engine.snapshot();
    let mut c = config(SAME, "");
    guard(&mut c, FLOOR);
    w.engine = Engine::restore(c, &bytes).unwrap();
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","balance":"1000"}"#);
    assert_eq!(equity(&w), None);
    worth(&mut w, "1000");
    assert_eq!(equity(&w), Some(d("1000")), "what is held is in it");
    quote(&mut w, "1.2", "1.2");
    assert_eq!(equity(&w), Some(d("1000")), "it counts from its first price on");
    quote(&mut w, "1.3", "1.3");
    assert_eq!(equity(&w), Some(d("1100")));
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

/// 100,000 yen won at 100 yen a dollar are 1,000 dollars; without a rate nobody knows.
#[test]
fn profit_is_converted_to_the_accounts_currency() {
    let mut w = World::with(SAME, "", |c| {
        guard(c, FLOOR);
        c.instruments[0].currency = "JPY".to_owned();
        let mut pair = c.instruments[0].clone();
        (pair.name, pair.base) = ("USDJPY".to_owned(), Some("USD".to_owned()));
        c.instruments.push(pair);
    });
    worth(&mut w, "5000");
    copied(&mut w, "o1", 1, "1000");
    assert_eq!(equity(&w), Some(d("5000")), "nothing won needs no rate");
    quote(&mut w, "101.1", "101.1");
    assert_eq!(equity(&w), None);
    w.apply(EventKind::Quote, "", br#"{"instrument":"USDJPY","bid":"99","ask":"101"}"#);
    assert_eq!(equity(&w), Some(d("6000")));
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

/// The broker itself says that the account is below its floor: no price is needed to believe it.
#[test]
fn an_account_value_is_judged_without_a_price() {
    let mut w = guarded(CLOSE);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    w.now += 7_200_000_000_000;
    let told = r#"{"cmd":"account","who":"ann","account":"f","equity":"700"}"#;
    one(&tell(&mut w, told), false, "1000");
    assert_eq!(stops(&w), [("f".to_owned(), "close_only", "suspended_equity")]);
}

/// An equity that comes after hours without quotes has the move of those hours in it: the next quote brings no loss.
#[test]
fn a_move_that_is_in_an_account_value_is_not_counted_again() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "10000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.1", "1.1");
    w.now += 7_200_000_000_000;
    worth(&mut w, "9900");
    quote(&mut w, "1", "1");
    assert_eq!(equity(&w), Some(d("9900")));
    quote(&mut w, "0.99", "0.99");
    assert_eq!(equity(&w), Some(d("9890")));
}

/// An account that stands still behind an old price is judged by it: only opens need a fresh one.
#[test]
fn a_breach_is_found_behind_an_old_price() {
    let mut w = guarded(FLOOR);
    worth(&mut w, "1000");
    copied(&mut w, "o1", 1, "1000");
    quote(&mut w, "1.05", "1.05");
    w.now += 7_200_000_000_000;
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","deposit":"-60"}"#);
    assert_eq!((equity(&w), stops(&w).len()), (None, 1));
}

/// Other rules in a new configuration neither release a stop nor begin what the same rules measure anew.
#[test]
fn a_new_configuration_releases_nothing_and_forgets_nothing() {
    let restart = |w: &mut World, rules: Option<&str>, account: &str| {
        let bytes = w.engine.snapshot();
        let mut c = config(SAME, "");
        c.followers[0].account = Some(account.to_owned());
        c.followers[0].currency = Some("USD".to_owned());
        if let Some(rules) = rules {
            guard(&mut c, rules);
        }
        w.engine = Engine::restore(c, &bytes).unwrap();
        w.apply(EventKind::Timer, "", b"");
    };
    let mut w = guarded(FALL);
    worth(&mut w, "2000");
    worth(&mut w, "1810");
    restart(&mut w, Some(&format!("{DAY},{FALL}")), "F");
    worth(&mut w, "1800");
    let code = "period_drawdown";
    assert_eq!(stops(&w).iter().map(|s| s.2).collect::<Vec<_>>(), [code], "of 2,000, not of 1,810");
    // Without any guards the stop stays, until somebody releases it.
    restart(&mut w, None, "F");
    assert!(copied(&mut w, "o1", 1, "10").is_empty());
    assert_eq!(refused(&w, code), 1);
    tell(&mut w, r#"{"cmd":"arm","who":"ann","follower":"f"}"#);
    assert_eq!(copied(&mut w, "o2", 1, "10").len(), 1);
    // Another account: nothing is known of it, and the highest equity of the one before is not its own.
    let mut w = guarded(FALL);
    worth(&mut w, "2000");
    restart(&mut w, Some(FALL), "G");
    assert_eq!(equity(&w), None);
    worth(&mut w, "100");
    assert!(stops(&w).is_empty());
}

/// Where a broker sends balances only: one that comes while nothing is held says all.
#[test]
fn a_balance_of_a_flat_account_is_its_equity() {
    let balance = |w: &mut World, amount: &str| {
        let text = format!(r#"{{"cmd":"account","who":"ann","account":"f","balance":"{amount}"}}"#);
        tell(w, &text);
    };
    let mut w = World::new(SAME, "");
    copied(&mut w, "o1", 1, "1000");
    let bytes = w.engine.snapshot();
    let mut c = config(SAME, "");
    guard(&mut c, FLOOR);
    w.engine = Engine::restore(c, &bytes).unwrap();
    balance(&mut w, "5000");
    assert_eq!(equity(&w), None, "nobody knows what is held cost");
    copied(&mut w, "o2", 2, "1000");
    balance(&mut w, "4990");
    assert_eq!(equity(&w), Some(d("4990")));
    worth(&mut w, "4980");
    balance(&mut w, "4970");
    assert_eq!(equity(&w), Some(d("4970")), "also after an equity was given once");
}

/// A bust that does not say its price makes the profit unknown, and one that does is no price of now.
#[test]
fn a_bust_is_no_price() {
    for (px, found) in [("", None), ("31=1.1|", Some("10000"))] {
        let mut w = guarded(FLOOR);
        worth(&mut w, "10000");
        let sent = w.leader("o1", 1, "100", "100", "100");
        let id = &sent[0].id;
        w.out(&sent[0]);
        w.broker(&format!(
            "35=8|37=B|11={id}|17=X1|150=F|39=1|55=EURUSD|54=1|38=100|32=40|31=1.1|14=40|151=60|"
        ));
        w.broker(&format!(
            "35=8|37=B|11={id}|17=X2|150=F|39=1|55=EURUSD|54=1|38=100|32=40|31=2.1|14=80|151=20|"
        ));
        assert_eq!(equity(&w), Some(d("10040")));
        w.broker(&format!(
            "35=8|37=B|11={id}|17=X3|19=X1|150=H|39=1|55=EURUSD|54=1|38=100|32=40|{px}14=40|151=60|"
        ));
        // The fill at 2.1 is the newest price still: what is left is worth 2.1, and cost 1.6 on average.
        let want = found.map(|_| d("10000"));
        assert_eq!(equity(&w), want, "{px:?}");
    }
}
