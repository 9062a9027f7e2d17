//! What a guarded account is worth while positions stand on both sides: moving units from one line to another wins and loses
//! nothing.

use crate::support::{World, d, one, tell};
use crate::{alerts, fill, hedges, report};
use fastcore::config::Config;
use fastcore::event::EventKind;

const RULES: &str = r#"{"zone":"UTC","day_begins_s":0,"max_age_ms":3600000,"rules":[
    {"rule":"daily_loss","amount":"3","action":"close_all"}]}"#;

/// A long of 6 and a short of 5 of one account, which was worth 1,000; both were traded at 1.1.
fn pair(change: impl FnOnce(&mut Config)) -> World {
    let mut w = World::with(crate::support::SAME, "", |c| {
        hedges(c);
        c.followers[0].currency = Some("USD".to_owned());
        change(c);
    });
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","equity":"1000"}"#);
    let open = one(&w.leader("o1", 1, "10", "10", "10"), true, "10");
    w.out(&open);
    w.acknowledge(&open);
    w.leader("o2", 2, "15", "15", "15");
    let short = report(&mut w, &open, ("4", "4"), "0", "0", "");
    fill(&mut w, &short[0], "5", "5", "P2");
    fill(&mut w, &open, "6", "6", "P1");
    assert_eq!(alerts(&w, "position_pair"), 1);
    w
}

fn quote(w: &mut World, px: &str) {
    let text = format!(r#"{{"instrument":"EURUSD","bid":"{px}","ask":"{px}"}}"#);
    w.apply(EventKind::Quote, "", text.as_bytes());
    w.run_to(w.now + 260_000_000);
}

/// Worth as before when nothing has moved; and what the net of both sides, one unit long, has won when the price has.
#[test]
fn an_account_with_a_pair_is_worth_what_it_was() {
    let mut w = pair(|c| c.followers[0].guards = Some(Box::new(serde_json::from_str(RULES).unwrap())));
    let equity = |w: &World| w.engine.status().guards[0].equity;
    quote(&mut w, "1.1");
    assert_eq!(equity(&w), Some(d("1000")));
    quote(&mut w, "1.3");
    assert_eq!(equity(&w), Some(d("1000.2")));
    assert_eq!(alerts(&w, "guard"), 0);
}

/// The same for the guard of the subscription.
#[test]
fn a_subscription_with_a_pair_has_won_what_it_had() {
    let mut w = pair(|c| c.subscriptions[0].guards = Some(Box::new(serde_json::from_str(RULES).unwrap())));
    quote(&mut w, "1.1");
    assert_eq!(w.engine.won_by(0), Some(d("0")));
    quote(&mut w, "1.3");
    assert_eq!(w.engine.won_by(0), Some(d("0.2")));
    assert_eq!(alerts(&w, "guard"), 0);
}
