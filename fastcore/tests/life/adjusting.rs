//! What a person tells of a leader's position: splits, give-ups, transfers. Nothing is opened by it.

use crate::support::{self, SAME, Sent, World, d, one};
use crate::{fill_all, holding, leave, lines, sides, tell, texts};
use fastcore::decimal::Dec;
use fastcore::event::EventKind;
use proptest::prelude::*;

fn adjust(w: &mut World, more: &str) -> Vec<Sent> {
    let said = r#""cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","reason":"split""#;
    tell(w, &format!("{{{said},{more}}}"))
}

fn position(w: &World) -> Option<Dec> {
    w.engine.state().leaders[0].positions.get(&0).copied()
}

fn refusal(w: &World) -> String {
    texts(w, "bad_command").pop().unwrap_or_default()
}

/// Two for one: all are twice what they were, nothing is traded, and the leader's next close is the same share of it.
#[test]
fn a_split_rescales_everything_alike() {
    let mut w = holding("9");
    assert!(adjust(&mut w, r#""factor":"2""#).is_empty());
    assert_eq!(position(&w), Some(d("18")));
    assert_eq!(lines(&w), [(d("18"), d("18")); 2]);
    let said = r#"leader "l" EURUSD: position 9 → 18, x 2, 2 positions of followers with it, by ann: split"#;
    assert_eq!(texts(&w, "adjust"), [said]);
    let sent = w.leader("o2", 2, "6", "6", "6");
    assert_eq!(sides(&sent), [(false, "6"), (false, "6")]);
    fill_all(&mut w, &sent);
    // Back by a third of it, exactly.
    assert!(adjust(&mut w, r#""factor":"1/3""#).is_empty());
    assert_eq!((position(&w), lines(&w)), (Some(d("4")), [(d("4"), d("4")); 2]));
    assert!(adjust(&mut w, r#""factor":"1.25/0.5""#).is_empty());
    assert_eq!((position(&w), lines(&w)), (Some(d("10")), [(d("10"), d("10")); 2]));
}

/// A broker that rescales nothing: what its follower holds closes by the leader's share, and what it opens goes by factors
/// that the next configuration brings.
#[test]
fn a_broker_that_rescales_nothing_gets_factors_of_its_own() {
    let mut w = holding("10");
    assert!(adjust(&mut w, r#""factor":"2","except":["g"]"#).is_empty());
    assert_eq!((position(&w), lines(&w)), (Some(d("20")), [(d("20"), d("20")), (d("10"), d("10"))]));
    let mut next = crate::config();
    next.subscriptions[1].symbol_map.get_mut("EURUSD").unwrap().qty_factor = d("0.5");
    w.engine.accepts(&next).unwrap();
    let bytes = w.engine.snapshot();
    w.engine = fastcore::engine::Engine::restore(next, &bytes).unwrap();
    assert_eq!(sides(&w.leader("o2", 1, "4", "4", "4")), [(true, "4"), (true, "2")]);
}

/// A guard would value what its follower holds at half of its price.
#[test]
fn a_guarded_follower_is_no_exception() {
    let guards =
        r#"{"zone":"UTC","day_begins_s":0,"max_age_ms":60000,"rules":[{"rule":"daily_loss","amount":"5"}]}"#;
    for of_sub in [false, true] {
        let mut w = World::with(SAME, "", |c| {
            *c = crate::config();
            c.followers.iter_mut().for_each(|f| f.currency = Some("USD".to_owned()));
            let guards = Some(Box::new(serde_json::from_str(guards).unwrap()));
            if of_sub { c.subscriptions[1].guards = guards } else { c.followers[1].guards = guards }
        });
        tell(&mut w, r#"{"cmd":"account","who":"ann","account":"g","equity":"1000"}"#);
        w.apply(EventKind::Quote, "", br#"{"instrument":"EURUSD","bid":"1","ask":"1"}"#);
        let sent = w.leader("o1", 1, "10", "10", "10");
        assert_eq!(sides(&sent), [(true, "10"), (true, "10")]);
        fill_all(&mut w, &sent);
        adjust(&mut w, r#""factor":"2","except":["g"]"#);
        assert!(refusal(&w).contains(r#"a guard values what "t" holds"#), "{}", refusal(&w));
        assert_eq!((position(&w), lines(&w)), (Some(d("10")), [(d("10"), d("10")); 2]));
        adjust(&mut w, r#""factor":"2""#);
        assert_eq!(lines(&w), [(d("20"), d("20")); 2]);
    }
}

/// A third of 4 is no number: a broker would round it, and nobody knows how. Nothing changes.
#[test]
fn what_is_no_number_is_refused() {
    let mut w = holding("4");
    for (more, says) in [
        (r#""factor":"1/3""#, "is no quantity of at most 18 decimals"),
        (r#""factor":"0""#, "no positive number or fraction"),
        (r#""factor":"-2""#, "no positive number or fraction"),
        (r#""factor":"2/0""#, "no positive number or fraction"),
        (r#""factor":"two""#, "no positive number or fraction"),
        (r#""factor":"100000000000000000000/1""#, ""),
        (r#""factor":"2","position":"3""#, "one of factor"),
        (r#""factor":"2","rescale":true"#, "one of factor"),
        (r#""position":"3","except":["f"]"#, "one of factor"),
        (r#""factor":"2","except":["nobody"]"#, r#"follower "nobody" is not defined"#),
    ] {
        assert!(adjust(&mut w, more).is_empty());
        assert!(refusal(&w).contains(says), "{more}: {}", refusal(&w));
    }
    for wrong in [
        r#"{"cmd":"adjust","who":"","leader":"l","instrument":"EURUSD","reason":"x","factor":"2"}"#,
        r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","reason":" ","factor":"2"}"#,
        r#"{"cmd":"adjust","who":"ann","leader":"m","instrument":"EURUSD","reason":"x","factor":"2"}"#,
        r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"GOLD","reason":"x","factor":"2"}"#,
        r#"{"cmd":"adjust","who":"ann","leader":"l","instrument":"EURUSD","reason":"x"}"#,
    ] {
        tell(&mut w, wrong);
    }
    assert_eq!((texts(&w, "bad_command").len(), texts(&w, "adjust").len()), (15, 0));
    assert_eq!((position(&w), lines(&w)), (Some(d("4")), [(d("4"), d("4")); 2]));
}

/// What works was asked for in other units: nothing is adjusted until it is done.
#[test]
fn nothing_is_adjusted_while_orders_work() {
    let mut w = holding("9");
    let sent = w.leader("o2", 1, "3", "3", "3");
    w.out(&sent[0]);
    fill_all(&mut w, &sent[1..]);
    for more in [r#""factor":"2""#, r#""position":"8""#] {
        assert!(adjust(&mut w, more).is_empty());
        assert!(refusal(&w).contains(r#"orders of subscription "s" work or wait"#), "{}", refusal(&w));
    }
    assert_eq!(position(&w), Some(d("12")));
    w.fill(&sent[0], "3", "3");
    assert!(adjust(&mut w, r#""factor":"2""#).is_empty());
    assert_eq!(lines(&w), [(d("24"), d("24")); 2]);
}

/// A follower whose broker does not rescale keeps what it holds; the next close is the same share of that.
#[test]
fn who_is_excepted_keeps_what_it_holds() {
    let mut w = holding("9");
    assert!(adjust(&mut w, r#""factor":"2","except":["g"]"#).is_empty());
    assert_eq!(lines(&w), [(d("18"), d("18")), (d("9"), d("9"))]);
    let sent = w.leader("o2", 2, "6", "6", "6");
    assert_eq!(sides(&sent), [(false, "6"), (false, "3")]);
}

/// 4 of 10 are given up: with targets that stay, his 6 are all that is left to close; rescaled, 4 of 10 close here.
#[test]
fn a_give_up_moves_the_position_and_targets_only_where_told() {
    let mut w = holding("10");
    assert!(adjust(&mut w, r#""position":"6""#).is_empty());
    assert_eq!((position(&w), lines(&w)), (Some(d("6")), [(d("10"), d("10")); 2]));
    let sent = w.leader("o2", 2, "6", "6", "6");
    assert_eq!(sides(&sent), [(false, "10"), (false, "10")]);
    let mut w = holding("10");
    let sent = adjust(&mut w, r#""position":"6","rescale":true"#);
    assert_eq!(sides(&sent), [(false, "4"), (false, "4")]);
    fill_all(&mut w, &sent);
    assert_eq!(lines(&w), [(d("6"), d("6")); 2]);
    let sent = adjust(&mut w, r#""position":"0","rescale":true"#);
    assert_eq!(sides(&sent), [(false, "6"), (false, "6")]);
}

/// A target that nobody would close is refused, as is one that would grow; a kept one is nobody's.
#[test]
fn no_position_leaves_a_target_behind_or_enlarges_one() {
    let mut w = holding("10");
    for (more, says) in [
        (r#""position":"0""#, "nobody would close it"),
        (r#""position":"-3""#, "nobody would close it"),
        (r#""position":"12","rescale":true"#, "only the leader enlarges a target"),
        (r#""position":"-3","rescale":true"#, "only the leader enlarges a target"),
    ] {
        assert!(adjust(&mut w, more).is_empty());
        assert!(refusal(&w).contains(says), "{more}: {}", refusal(&w));
    }
    assert_eq!(position(&w), Some(d("10")));
    leave(&mut w, "s", "keep");
    leave(&mut w, "t", "keep");
    assert!(adjust(&mut w, r#""position":"0""#).is_empty());
    assert_eq!((position(&w), lines(&w)), (Some(d("0")), [(d("10"), d("10")); 2]));
    assert!(adjust(&mut w, r#""position":"7""#).is_empty(), "a transfer in opens nothing");
    assert!(texts(&w, "adjust")[1].contains("position 0 → 7, targets stay"));
}

/// A position that was not known is known from then on; one that can be rescaled by nothing is refused.
#[test]
fn a_position_that_was_not_known_is_told() {
    let mut w = World::with(SAME, "", |c| c.leaders[0].assume_flat = false);
    assert!(w.leader("o1", 1, "5", "5", "5").is_empty());
    for (more, says) in [
        (r#""factor":"2""#, "is not known: give a position"),
        (r#""position":"2","rescale":true"#, "is not known: nothing to rescale"),
    ] {
        adjust(&mut w, more);
        assert!(refusal(&w).contains(says), "{}", refusal(&w));
    }
    adjust(&mut w, r#""position":"5""#);
    assert!(texts(&w, "adjust")[0].contains("position not known → 5"));
    one(&w.leader("o2", 1, "5", "5", "5"), true, "5");
}

/// Of a report of before the split and another one of before it, none is confirmed: nothing closes.
#[test]
fn a_report_of_before_is_not_confirmed_by_the_adjustment() {
    let mut w = holding("9");
    let report = "35=AP|34=1|721=1|55=EURUSD|702=1|703=TQ|704=10|705=0|";
    w.apply(EventKind::Leader, "L", &support::fix(report));
    adjust(&mut w, r#""factor":"2""#);
    let sent = w.apply(EventKind::Leader, "L", &support::fix(report));
    assert!(sent.is_empty() && position(&w) == Some(d("18")));
}

/// After a corporate action opens wait; the adjustment says so, and leaves the decision to `bust-resume`.
#[test]
fn an_adjustment_does_not_end_a_bust_hold() {
    let mut w = holding("9");
    let restated = "35=8|34=9|37=o1|17=R1|150=D|378=0|39=2|55=EURUSD|54=1|38=18|14=18|151=0|";
    w.apply(EventKind::Leader, "L", &support::fix(restated));
    adjust(&mut w, r#""factor":"2""#);
    assert!(texts(&w, "adjust")[0].ends_with("opens wait for `bust-resume`"), "{:?}", texts(&w, "adjust"));
    assert!(w.leader("o2", 1, "4", "4", "4").is_empty());
}

/// Twice 1.9 lots are 3 lots more than the one that is held: nobody asked for them, and they are given up.
#[test]
fn what_a_split_makes_whole_lots_of_is_not_opened() {
    let mut w = World::new(r#"{"mode":"multiplier","k":"0.95"}"#, "");
    let open = one(&w.leader("o1", 1, "2", "2", "2"), true, "1");
    fill_all(&mut w, &[open]);
    assert_eq!(w.target(), d("1.9"));
    assert!(adjust(&mut w, r#""factor":"2""#).is_empty());
    assert_eq!((w.target(), w.filled()), (d("2.8"), d("2")));
    assert_eq!(w.engine.state().refusals.len(), 0);
    one(&w.leader("o2", 1, "2", "2", "2"), true, "2");
}

/// What a block was dealt lot by lot no position tells: it is neither set anew nor rescaled, and a flat one is in nobody's way.
#[test]
fn a_block_is_neither_set_anew_nor_rescaled() {
    let mut w = World::new(r#"{"mode":"block","weight":"7"}"#, "");
    let open = one(&w.leader("o1", 1, "6", "6", "6"), true, "6");
    fill_all(&mut w, &[open]);
    assert!(tell(&mut w, r#"{"cmd":"resync","who":"ann","subscription":"s"}"#).is_empty());
    assert!(texts(&w, "resync")[0].contains("a block deals only what comes"), "{:?}", texts(&w, "resync"));
    assert!(adjust(&mut w, r#""factor":"2""#).is_empty());
    assert!(refusal(&w).contains("what was dealt is not rescaled"), "{}", refusal(&w));
    assert_eq!((w.target(), w.filled(), position(&w)), (d("6"), d("6"), Some(d("6"))));
    let close = one(&w.leader("o2", 2, "6", "6", "6"), false, "6");
    fill_all(&mut w, &[close]);
    adjust(&mut w, r#""position":"4""#);
    assert_eq!(position(&w), Some(d("4")));
}

/// A close that is capped by the broker's position keeps the smaller reading of a report that may be of before: it never
/// turns an account, and the next report heals it.
#[test]
fn a_report_of_before_never_lets_a_close_turn_an_account() {
    // Factor, reported of 10 held, the leader's close of all, what is closed at once, what the next report says.
    for (factor, reported, all, at_once, next) in [("2", "10", "20", "10", "10"), ("1/2", "4", "5", "2", "3")]
    {
        let mut w = holding("10");
        let say = |w: &mut World, long: &str| {
            w.broker(&format!("35=AP|1=F|55=EURUSD|702=1|703=TQ|704={long}|705=0|"))
        };
        say(&mut w, reported);
        assert!(adjust(&mut w, &format!(r#""factor":"{factor}""#)).is_empty());
        let sent = w.leader("o2", 2, all, all, all);
        assert_eq!(sides(&sent), [(false, at_once), (false, all)], "{factor}");
        fill_all(&mut w, &sent);
        let rest = say(&mut w, next);
        one(&rest, false, next);
        fill_all(&mut w, &rest);
        assert_eq!(lines(&w)[0], (d("0"), d("0")));
    }
}

/// A short of 100 at 1.1 is 200 at 0.55, not a loss of 110: no guard acts before a quote of after.
#[test]
fn no_guard_takes_a_split_for_a_loss() {
    let rules = r#"{"rule":"daily_loss","amount":"50","action":"close_all"}"#;
    let guards = format!(r#"{{"zone":"UTC","day_begins_s":0,"max_age_ms":3600000,"rules":[{rules}]}}"#);
    let mut w = World::with(SAME, "", |c| {
        c.followers[0].guards = Some(Box::new(serde_json::from_str(&guards).unwrap()));
        c.followers[0].currency = Some("USD".to_owned());
    });
    let quote = |w: &mut World, px: &str| {
        let text = format!(r#"{{"instrument":"EURUSD","bid":"{px}","ask":"{px}"}}"#);
        w.apply(EventKind::Quote, "", text.as_bytes());
        w.run_to(w.now + 300_000_000);
    };
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","equity":"1000"}"#);
    quote(&mut w, "1.1");
    let open = one(&w.leader("o1", 2, "100", "100", "100"), false, "100");
    fill_all(&mut w, &[open]);
    quote(&mut w, "1.1");
    let equity = |w: &World| w.engine.status().guards[0].equity;
    assert_eq!(equity(&w), Some(d("1000")));
    assert!(adjust(&mut w, r#""factor":"2""#).is_empty());
    tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","balance":"1000"}"#);
    let end = w.now + 2_000_000_000;
    assert!(w.run_to(end).is_empty());
    assert_eq!((equity(&w), w.engine.status().stops.len()), (None, 0), "not known, and not guessed");
    quote(&mut w, "0.55");
    assert_eq!((equity(&w), w.engine.status().stops.len()), (Some(d("1000")), 0));
    quote(&mut w, "0.9");
    assert_eq!(w.engine.status().stops.len(), 1, "a loss is one");
}

proptest! {
    /// Whatever is held and by which fraction: either nothing changes, or position and holdings are exactly by it, nothing
    /// is opened, and a leader who goes flat leaves nobody behind.
    #[test]
    fn any_fraction_is_exact_and_opens_nothing(
        k in 1_i64..300, buys in prop::collection::vec(1_i64..40, 1..4), num in 1_i64..12, den in 1_i64..12,
        rounding in proptest::sample::select(vec!["toward_zero", "nearest", "hold", "min_lot_if_nonzero"]),
    ) {
        let sizing = format!(r#"{{"mode":"percent","percent":"{k}"}}"#);
        let mut w = World::new(&sizing, &format!(r#","rounding":"{rounding}""#));
        let mut p = 0;
        for (n, qty) in buys.into_iter().enumerate() {
            let text = qty.to_string();
            let sent = w.leader(&format!("o{n}"), 1, &text, &text, &text);
            fill_all(&mut w, &sent);
            p += qty;
        }
        let before = (w.target(), w.filled());
        let sent = adjust(&mut w, &format!(r#""factor":"{num}/{den}""#));
        prop_assert!(sent.iter().all(|s| !s.buy), "opened {sent:?}");
        let done = !texts(&w, "adjust").is_empty();
        let exact = |x: Dec| x.mul_div(Dec::from_int(num), Dec::from_int(den), fastcore::decimal::Round::HalfEven).unwrap();
        if done {
            prop_assert_eq!(position(&w).unwrap().raw() * i128::from(den), Dec::from_int(p).raw() * i128::from(num));
            prop_assert_eq!(w.filled().raw() * i128::from(den), before.1.raw() * i128::from(num));
            // Of the target only whole lots that nobody holds are given up.
            let lost = exact(before.0).raw() - w.target().raw();
            prop_assert!(lost >= -1 && lost < exact(Dec::ONE).raw() + Dec::ONE.raw() + 2, "lost {lost}");
        } else {
            prop_assert_eq!((position(&w).unwrap(), w.target(), w.filled()), (Dec::from_int(p), before.0, before.1));
        }
        fill_all(&mut w, &sent);
        let all = position(&w).unwrap().to_string();
        let sent = w.leader("out", 2, &all, &all, &all);
        fill_all(&mut w, &sent);
        let end = w.now + 60_000_000_000;
        let more = w.run_to(end);
        fill_all(&mut w, &more);
        let (target, filled) = (w.target(), w.filled());
        prop_assert!(target.is_zero() && filled.is_zero(), "{target} {filled}");
    }
}

/// A split before anything was copied: the quote of the follower's own instrument is of before as well, and sizes nothing.
#[test]
fn a_split_forgets_prices_also_where_nothing_is_copied_yet() {
    for (except, refusals) in [("", 1), (r#","except":["f"]"#, 0)] {
        let mut w = World::with(r#"{"mode":"percent_equity","percent":"10"}"#, "", |c| {
            let mut ours = c.instruments[0].clone();
            ours.name = "OURS".to_owned();
            c.instruments.push(ours);
            c.followers[0].currency = Some("USD".to_owned());
            c.followers[0].symbols.insert("OURS".to_owned(), "OURS".to_owned());
            c.subscriptions[0].symbol_map.get_mut("EURUSD").unwrap().instrument = "OURS".to_owned();
        });
        tell(&mut w, r#"{"cmd":"account","who":"ann","account":"f","equity":"1000"}"#);
        w.apply(EventKind::Quote, "", br#"{"instrument":"OURS","bid":"10","ask":"10"}"#);
        assert!(adjust(&mut w, r#""position":"10""#).is_empty());
        assert!(adjust(&mut w, &format!(r#""factor":"0.1"{except}"#)).is_empty());
        assert_eq!(position(&w), Some(d("1")));
        assert_eq!(w.leader("o1", 1, "2", "2", "2").is_empty(), refusals > 0);
        assert_eq!(crate::refused(&w, fastcore::refusal::Code::NoQuote), refusals);
    }
}
