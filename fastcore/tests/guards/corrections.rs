//! A follower's broker corrects a fill: what was won and lost is what it would be had the fill been so from the beginning.

use crate::support::{SAME, Sent, World, d, texts};
use crate::{FLOOR, equity, guard, guarded, quote, refused, worth};
use fastcore::config::Config;
use fastcore::engine::Engine;
use fastcore::event::EventKind;
use fastcore::stores::Growing;

const LOSS: &str = r#"{"rule":"daily_loss","amount":"50"}"#;

/// The subscription is guarded, and no account value is needed.
fn sub_guard(c: &mut Config, rules: &str) {
    guard(c, rules);
    c.subscriptions[0].guards = c.followers[0].guards.take();
}

fn of_subscription() -> World {
    let mut w = World::with(SAME, "", |c| sub_guard(c, LOSS));
    w.alerts.clear();
    w
}

fn of_account() -> World {
    let mut w = guarded(FLOOR);
    worth(&mut w, "10000");
    w
}

/// The leader's order of 10, bought or sold.
fn ordered(w: &mut World, buy: bool) -> Sent {
    w.exec += 1;
    let order = format!("o{}", w.exec);
    let sent = w.leader(&order, if buy { 1 } else { 2 }, "10", "10", "10");
    assert_eq!(sent.len(), 1, "{sent:?}");
    w.out(&sent[0]);
    sent[0].clone()
}

/// A report of the broker's: what it is, its name, and its other fields.
fn says(w: &mut World, s: &Sent, kind: &str, exec: &str, more: &str) {
    let (id, side) = (&s.id, if s.buy { 1 } else { 2 });
    w.broker(&format!(
        "35=8|37=B{id}|11={id}|17={exec}|150={kind}|39=2|55=EURUSD|54={side}|38=10|151=0|{more}"
    ));
}

fn bought(w: &mut World, exec: &str, px: &str) -> Sent {
    let s = ordered(w, true);
    says(w, &s, "F", exec, &format!("32=10|14=10|31={px}|"));
    s
}

/// What the account is worth beyond 10,000, or what the subscription won; the market is at 100.
fn won(w: &mut World, subscription: bool) -> Option<fastcore::decimal::Dec> {
    quote(w, "100", "100");
    if subscription {
        return w.engine.won_by(0);
    }
    equity(w)?.checked_sub(d("10000"))
}

fn both(claim: impl Fn(&mut World, bool)) {
    claim(&mut of_account(), false);
    claim(&mut of_subscription(), true);
}

/// 10 at 100 are 8 at 110: 8 are held that cost 880, and are worth 800.
#[test]
fn a_corrected_quantity_comes_at_its_own_price_and_the_old_one_goes_at_its_own() {
    both(|w, sub| {
        let s = bought(w, "X1", "100");
        says(w, &s, "G", "C1", "19=X1|32=8|14=8|31=110|");
        assert_eq!(won(w, sub), Some(d("-80")));
    });
}

/// FIX 4.2 says it with ExecTransType(20) = 2.
#[test]
fn a_correction_of_a_4_2_venue_counts_the_same() {
    both(|w, sub| {
        let s = bought(w, "X1", "100");
        says(w, &s, "2", "C1", "20=2|19=X1|32=8|14=8|31=110|");
        assert_eq!(won(w, sub), Some(d("-80")));
    });
}

/// The price alone: 10 that cost 110 are worth 100, and a loss of 100 stops at a limit of 50.
#[test]
fn a_price_that_is_corrected_is_a_loss_like_any_other() {
    both(|w, sub| {
        let s = bought(w, "X1", "100");
        assert_eq!(won(w, sub), Some(d("0")));
        says(w, &s, "G", "C1", "19=X1|32=10|14=10|31=110|");
        assert_eq!(won(w, sub), Some(d("-100")));
    });
    let mut w = of_subscription();
    let s = bought(&mut w, "X1", "100");
    says(&mut w, &s, "G", "C1", "19=X1|32=10|14=10|31=110|");
    quote(&mut w, "101", "101");
    assert_eq!(w.engine.status().stops[0].code, "daily_loss");
    assert!(w.leader("o9", 1, "5", "5", "5").is_empty());
    assert_eq!(refused(&w, "daily_loss"), 1);
}

/// The same report twice is one correction; another one begins where the last one ended, by either name.
#[test]
fn a_correction_counts_once_and_may_be_corrected() {
    both(|w, sub| {
        let s = bought(w, "X1", "100");
        says(w, &s, "G", "C1", "19=X1|32=8|14=8|31=110|");
        says(w, &s, "G", "C1", "19=X1|32=8|14=8|31=110|");
        assert_eq!(won(w, sub), Some(d("-80")));
        says(w, &s, "G", "C2", "19=C1|32=9|14=9|31=90|");
        assert_eq!(won(w, sub), Some(d("90")));
        says(w, &s, "H", "C3", "19=X1|32=9|14=0|31=90|");
        assert_eq!(won(w, sub), Some(d("0")), "nothing was ever bought");
    });
}

/// One of several fills: the others keep their cost.
#[test]
fn one_of_two_fills_is_corrected() {
    both(|w, sub| {
        let s = ordered(w, true);
        says(w, &s, "F", "X1", "32=4|14=4|31=100|");
        says(w, &s, "F", "X2", "32=6|14=10|31=120|");
        assert_eq!(won(w, sub), Some(d("-120")));
        says(w, &s, "G", "C1", "19=X2|32=6|14=10|31=105|");
        assert_eq!(won(w, sub), Some(d("-30")));
    });
}

/// A part of it is sold: what it was sold for is told, and what it cost is another sum.
#[test]
fn a_fill_that_was_sold_since_is_corrected() {
    both(|w, sub| {
        let s = bought(w, "X1", "100");
        let back = ordered(w, false);
        says(w, &back, "F", "X2", "32=10|14=10|31=130|");
        assert_eq!(won(w, sub), Some(d("300")));
        says(w, &s, "G", "C1", "19=X1|32=10|14=10|31=110|");
        assert_eq!(won(w, sub), Some(d("200")));
    });
}

/// Short: a sale at 110 that was one at 90.
#[test]
fn a_sale_is_corrected_the_other_way() {
    both(|w, sub| {
        let s = ordered(w, false);
        says(w, &s, "F", "X1", "32=10|14=10|31=110|");
        assert_eq!(won(w, sub), Some(d("100")));
        says(w, &s, "G", "C1", "19=X1|32=10|14=10|31=90|");
        assert_eq!(won(w, sub), Some(d("-100")));
    });
}

/// A venue that repeats an ExecID(17) on real fills: what the correction names is their sum, at the price of both.
#[test]
fn fills_of_one_name_are_corrected_at_their_average() {
    both(|w, sub| {
        let s = ordered(w, true);
        says(w, &s, "F", "X1", "32=5|14=5|31=100|");
        says(w, &s, "F", "X1", "32=5|14=10|31=120|");
        says(w, &s, "F", "X1", "32=5|14=5|31=100|"); // sent again
        assert_eq!(won(w, sub), Some(d("-100")));
        says(w, &s, "G", "C1", "19=X1|32=10|14=10|31=100|");
        assert_eq!(won(w, sub), Some(d("0")));
    });
}

/// A bust that says no price takes back what was booked, at the price that it was booked at; so does one that says another.
#[test]
fn a_bust_goes_by_the_price_of_its_fill() {
    for px in ["", "31=100|", "31=77|"] {
        both(|w, sub| {
            let s = bought(w, "X1", "100");
            says(w, &s, "H", "X2", &format!("19=X1|32=10|14=0|{px}"));
            assert_eq!(won(w, sub), Some(d("0")), "{px:?}");
        });
    }
}

/// A new account value has the price that was corrected later: only the difference is counted from then on.
#[test]
fn a_correction_after_a_new_equity_is_counted_beside_it() {
    let mut w = of_account();
    let s = bought(&mut w, "X1", "100");
    quote(&mut w, "100", "100");
    worth(&mut w, "10000");
    says(&mut w, &s, "G", "C1", "19=X1|32=8|14=8|31=110|");
    assert_eq!(won(&mut w, false), Some(d("-80")));
}

/// The price of the newest fill is what is held is worth while nothing is quoted: a correction of it is one of that as well.
#[test]
fn a_corrected_price_is_not_worth_anything_any_more() {
    let mut w = of_account();
    let s = bought(&mut w, "X1", "1000");
    assert_eq!(equity(&w), Some(d("10000")));
    says(&mut w, &s, "G", "C1", "19=X1|32=10|14=10|31=100|");
    assert_eq!(equity(&w), Some(d("10000")), "10 that cost 100 and are worth 100");
}

/// The correction overtakes its fill: the fill comes at the price that is right.
#[test]
fn a_correction_that_overtakes_its_fill_says_the_price() {
    both(|w, sub| {
        let s = ordered(w, true);
        says(w, &s, "G", "C1", "19=X1|32=8|14=8|31=110|");
        says(w, &s, "F", "X1", "32=10|14=10|31=100|");
        assert_eq!((w.filled(), won(w, sub)), (d("8"), Some(d("-80"))));
        says(w, &s, "G", "C2", "19=C1|32=9|14=9|31=90|");
        assert_eq!((w.filled(), won(w, sub)), (d("9"), Some(d("90"))), "8 at 110 are taken back");
    });
}

/// Filled before anybody guarded the line: the price is not remembered, the difference is booked at the new one, and said.
#[test]
fn a_price_that_nobody_remembers_is_told() {
    let mut w = World::new(SAME, "");
    let s = bought(&mut w, "X1", "100");
    let mut c = crate::config(SAME, "");
    guard(&mut c, FLOOR);
    w.engine = Engine::restore(c, &w.engine.snapshot()).unwrap();
    w.apply(EventKind::Timer, "", b"");
    quote(&mut w, "100", "100");
    worth(&mut w, "10000");
    says(&mut w, &s, "G", "C1", "19=X1|32=8|14=8|31=110|");
    assert_eq!(won(&mut w, false), Some(d("20")), "2 are taken back at 110, which is wrong");
    assert!(texts(&w, "correction_unpriced")[0].starts_with(&s.id));
    says(&mut w, &s, "G", "C2", "19=X1|32=8|14=8|31=105|");
    assert_eq!(won(&mut w, false), Some(d("60")), "from here on it is known");
}

/// Two fills at one price: only a correction of the newest says what the market is, while nobody quotes it.
#[test]
fn a_correction_of_an_older_fill_is_no_price_of_now() {
    for (corrected, px, left) in [("X1", "150", "-250"), ("X1", "50", "250"), ("X2", "50", "-250")] {
        let mut w = of_subscription();
        let s = ordered(&mut w, true);
        says(&mut w, &s, "F", "X1", "32=5|14=5|31=100|");
        says(&mut w, &s, "F", "X2", "32=5|14=10|31=100|");
        says(&mut w, &s, "G", "C1", &format!("19={corrected}|32=5|14=10|31={px}|"));
        assert_eq!(w.engine.won_by(0), Some(d(left)), "{corrected} at {px}");
        assert_eq!(w.engine.status().stops.len(), usize::from(left == "-250"));
    }
}

/// Guarded while something is held: until the first price is heard a correction changes no cost, and nothing was won.
#[test]
fn a_correction_before_the_first_price_wins_nothing() {
    let mut w = World::new(SAME, "");
    let s = bought(&mut w, "X1", "100");
    crate::restarted(&mut w, |c| sub_guard(c, LOSS));
    says(&mut w, &s, "G", "C1", "19=X1|32=8|14=8|31=110|");
    assert_eq!(won(&mut w, true), Some(d("0")));
}

/// What is taken back at a price that nobody knows leaves a cost that nobody knows: what is held then begins at the next
/// price, whatever is corrected until it comes.
#[test]
fn a_bust_of_unknown_price_begins_the_subscription_anew() {
    let mut w = World::new(SAME, "");
    let s = ordered(&mut w, true);
    says(&mut w, &s, "F", "X0", "32=4|14=4|31=100|");
    crate::restarted(&mut w, |c| sub_guard(c, LOSS));
    assert_eq!(won(&mut w, true), Some(d("0")));
    says(&mut w, &s, "F", "X1", "32=6|14=10|31=100|");
    let back = w.leader("back", 2, "3", "3", "3")[0].clone();
    w.out(&back);
    says(&mut w, &back, "F", "X2", "32=3|14=3|31=100|");
    says(&mut w, &s, "H", "X3", "19=X0|14=6|32=4|");
    says(&mut w, &s, "G", "C1", "19=X1|32=6|14=6|31=110|");
    assert_eq!((w.filled(), won(&mut w, true)), (d("3"), Some(d("0"))));
}

/// An account that nobody guards remembers no prices.
#[test]
fn prices_are_remembered_for_guards_alone() {
    let kept = |mut w: World| {
        bought(&mut w, "X1", "100");
        matches!(&w.engine.state().fills.get(0).unwrap().prices, Growing::Few(list) if list.len() == 1)
    };
    assert!(!kept(World::new(SAME, "")));
    assert!(kept(of_account()));
    assert!(kept(of_subscription()));
}

/// A restart in between changes nothing.
#[test]
fn prices_outlive_a_restart() {
    let mut w = of_subscription();
    let s = bought(&mut w, "X1", "100");
    crate::restarted(&mut w, |c| sub_guard(c, LOSS));
    says(&mut w, &s, "G", "C1", "19=X1|32=8|14=8|31=110|");
    assert_eq!(won(&mut w, true), Some(d("-80")));
}
