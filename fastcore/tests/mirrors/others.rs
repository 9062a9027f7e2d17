//! Mirrors beside what else there is: limits, pauses, subscriptions that leave, commands.

use crate::play::*;
use crate::support::{Sent, World, d, tell};
use fastcore::bucket::Allowance;
use fastcore::config::Config;
use fastcore::event::EventKind;

fn with(change: impl FnOnce(&mut Config)) -> World {
    World::with(crate::support::SAME, r#","copy":"orders""#, |c| {
        takes_all(c);
        change(c);
    })
}

fn count(w: &World, code: &str) -> u64 {
    w.engine.status().refusals.get(code).copied().unwrap_or(0)
}

fn quote(w: &mut World, px: &str) {
    let text = format!(r#"{{"instrument":"EURUSD","bid":"{px}","ask":"{px}"}}"#);
    w.apply(EventKind::Quote, "", text.as_bytes());
}

/// A working mirror is entered: it counts in exposure and in open orders like any other order.
#[test]
fn a_mirror_counts_in_what_is_entered() {
    let mut w = with(|c| {
        c.followers[0].currency = Some("USD".to_owned());
        c.followers[0].limits.totals.max_exposure = Some(d("11"));
    });
    quote(&mut w, "1.1");
    only(&new(&mut w, "o", 1, "6", LIMIT), "new buy 6 2 1.1/ 1");
    only(&new(&mut w, "p", 1, "6", LIMIT), "new buy 4 2 1.1/ 1");
    assert_eq!(count(&w, "max_exposure"), 1);
    let mut w = with(|c| c.followers[0].limits.totals.max_open_orders = Some(1));
    only(&new(&mut w, "o", 1, "6", LIMIT), "new buy 6 2 1.1/ 1");
    assert!(new(&mut w, "p", 1, "6", LIMIT).is_empty());
    assert_eq!(count(&w, "max_open_orders"), 1);
}

/// The collar of a mirror is about its own price.
#[test]
fn a_mirror_far_from_the_market_is_not_placed() {
    let mut w = with(|c| c.subscriptions[0].limits.default.price_collar_bps = Some(d("100")));
    quote(&mut w, "1.1");
    only(&new(&mut w, "o", 1, "6", "40=2|44=1.09|59=1|"), "new buy 6 2 1.09/ 1");
    assert!(new(&mut w, "p", 1, "6", "40=2|44=1.08|59=1|").is_empty());
    assert!(new(&mut w, "q", 1, "6", "40=3|99=1.2|59=1|").is_empty());
    assert_eq!(count(&w, "price_collar"), 2);
}

/// Mirrors are messages; their cancel goes out beyond the allowance.
#[test]
fn mirrors_are_messages() {
    let mut w = with(|c| c.messages = Some(Allowance { per_s: 1, burst: 1, kept: 0 }));
    let m = only(&new(&mut w, "o", 1, "6", LIMIT), "new buy 6 2 1.1/ 1");
    work(&mut w, &m);
    assert!(new(&mut w, "p", 1, "6", LIMIT).is_empty());
    assert_eq!(count(&w, "max_messages"), 1);
    only(&canceled(&mut w, "o", 1, "6", "0"), "cancel");
}

/// A pause at `no_opens` places nothing new; at `close_only` it cancels what would open. A resume makes up for nothing that was
/// refused, and places again what the leader's order may still fill.
#[test]
fn a_pause_places_no_mirror_and_close_only_cancels() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "6", LIMIT), "new buy 6 2 1.1/ 1");
    work(&mut w, &m);
    assert!(tell(&mut w, r#"{"cmd":"pause","who":"ann","subscription":"s"}"#).is_empty());
    assert!(new(&mut w, "p", 1, "6", LIMIT).is_empty());
    assert_eq!(count(&w, "paused"), 1);
    let pause = r#"{"cmd":"pause","who":"ann","subscription":"s","level":"close_only"}"#;
    let cancel = only(&tell(&mut w, pause), "cancel");
    ended(&mut w, &m, &cancel, "0");
    only(&tell(&mut w, r#"{"cmd":"resume","who":"ann","subscription":"s"}"#), "new buy 6 2 1.1/ 1");
    assert_eq!(w.filled(), d("0"));
}

fn leave(w: &mut World, rule: &str) -> Vec<Sent> {
    tell(w, &format!(r#"{{"cmd":"leave","who":"ann","subscription":"s","rule":"{rule}"}}"#))
}

/// Who leaves has no mirror any more: what works is cancelled, what filled is closed or kept by the rule.
#[test]
fn who_leaves_has_no_mirrors() {
    for (rule, closes) in [("close_now", true), ("keep", false), ("close_with_leader", false)] {
        let mut w = world("");
        let m = only(&new(&mut w, "o", 1, "6", LIMIT), "new buy 6 2 1.1/ 1");
        work(&mut w, &m);
        w.fill(&m, "2", "2");
        traded(&mut w, "o", 1, "6", "2", "2");
        assert_eq!((w.filled(), w.target()), (d("2"), d("2")), "{rule}");
        let sent = leave(&mut w, rule);
        let cancel = sent.iter().find(|s| words(std::slice::from_ref(s)) == ["cancel"]).unwrap().clone();
        let mut closing: Vec<Sent> = sent.into_iter().filter(|s| s.id != cancel.id).collect();
        closing.extend(ended(&mut w, &m, &cancel, "2"));
        closing.extend(traded(&mut w, "o", 1, "6", "4", "6"));
        closing.extend(new(&mut w, "p", 1, "6", LIMIT));
        let found = words(&closing);
        assert_eq!(found, if closes { vec!["new sell 2 1 /".to_owned()] } else { vec![] }, "{rule}");
        if !closes {
            let all = new(&mut w, "x", 2, "6", "40=2|44=1.2|59=1|");
            let kept = rule == "keep";
            assert_eq!(
                words(&all).is_empty(),
                kept,
                "{rule}: a leader's close is no business of what was kept"
            );
        }
        assert!(count(&w, "leaving") > 0);
    }
}

/// Who has left has nothing that works: it is told when the last mirror is gone, and not before.
#[test]
fn who_leaves_has_left_when_no_mirror_works() {
    let left = |w: &World| w.alerts.iter().any(|a| a.code == "left");
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "6", LIMIT), "new buy 6 2 1.1/ 1");
    work(&mut w, &m);
    let cancel = only(&leave(&mut w, "close_with_leader"), "cancel");
    assert!(!left(&w));
    ended(&mut w, &m, &cancel, "0");
    assert!(left(&w));
}

/// A split makes prices of before meaningless: a stop is placed at the leader's own distance then.
#[test]
fn a_split_forgets_the_entry_that_stops_are_measured_from() {
    let mut w = world(r#","stop_multiplier":"1.5""#);
    let sent = traded(&mut w, "o", 1, "10", "10", "10");
    for s in &sent {
        w.out(s);
        w.fill(s, "10", "10");
    }
    let adjust =
        r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","factor":"2","reason":"split"}"#;
    tell(&mut w, adjust);
    only(&new(&mut w, "p", 2, "20", "40=3|99=0.5|59=1|"), "new sell 20 3 /0.5 1");
}

/// Targets are not set by hand while orders of the leader are mirrored.
#[test]
fn neither_resync_nor_adjust_moves_what_is_mirrored() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "6", LIMIT), "new buy 6 2 1.1/ 1");
    work(&mut w, &m);
    w.fill(&m, "2", "2");
    assert!(tell(&mut w, r#"{"cmd":"resync","who":"ann","subscription":"s"}"#).is_empty());
    assert!(w.alerts.iter().any(|a| a.text.contains("mirrored, nothing changes")));
    let adjust =
        r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","factor":"2","reason":"split"}"#;
    assert!(tell(&mut w, adjust).is_empty());
    assert!(w.alerts.iter().any(|a| a.code == "bad_command" && a.text.contains("work or wait")));
    assert_eq!((w.filled(), w.target()), (d("2"), d("0")));
}

/// Nothing is held, and an order works that was sized and priced by the map: neither its factors nor what it means may change.
#[test]
fn what_a_working_mirror_was_made_by_does_not_change() {
    let mut w = world("");
    let m = only(&new(&mut w, "o", 1, "6", LIMIT), "new buy 6 2 1.1/ 1");
    work(&mut w, &m);
    let next = |change: fn(&mut Config)| {
        let mut c = crate::support::config(crate::support::SAME, r#","copy":"orders""#);
        takes_all(&mut c);
        change(&mut c);
        w.engine.accepts(&c).map_err(|e| e.to_string())
    };
    for (what, change) in [
        ("factor", (|c| map(c).qty_factor = d("2")) as fn(&mut Config)),
        ("factor", |c| map(c).price_factor = d("2")),
        ("reverse", |c| c.subscriptions[0].reverse = true),
    ] {
        let said = next(change).unwrap_err();
        assert!(said.contains(what), "{said}");
    }
    assert_eq!(next(|_| {}), Ok(()));
}

fn map(c: &mut Config) -> &mut fastcore::config::SymbolMap {
    c.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap()
}

/// A block divides fills; a subscription that asks for both is refused.
#[test]
fn a_block_is_not_mirrored() {
    let mut c = crate::support::config(r#"{"mode":"block"}"#, r#","copy":"orders""#);
    takes_all(&mut c);
    let error = fastcore::engine::Engine::new(c).unwrap_err();
    assert!(error.0.contains("a block divides fills"), "{error}");
}

/// A resume under another stop places nothing that it would be refused for good: it comes back when the last stop ends.
#[test]
fn a_resume_under_another_stop_waits_for_its_end() {
    for level in ["no_opens", "close_only", "halt"] {
        let mut w = world("");
        let mirror = only(&new(&mut w, "in", 1, "10", LIMIT), "new buy 10 2 1.1/ 1");
        work(&mut w, &mirror);
        let pause = r#"{"cmd":"pause","who":"ann","subscription":"s","level":"close_only"}"#;
        let gone = only(&tell(&mut w, pause), "cancel");
        assert!(ended(&mut w, &mirror, &gone, "0").is_empty());
        tell(&mut w, &format!(r#"{{"cmd":"kill","who":"ann","level":"{level}"}}"#));
        assert!(tell(&mut w, r#"{"cmd":"resume","who":"ann","subscription":"s"}"#).is_empty());
        assert!(traded(&mut w, "in", 1, "10", "4", "4").is_empty());
        only(&tell(&mut w, r#"{"cmd":"arm","who":"ann"}"#), "new buy 6 2 1.1/ 1");
    }
}
