//! Closes are never blocked: every limit at once, set so low that each is reached, in random combinations and histories; with
//! what alone may keep one back: `halt`, a route that is down, a broker's own refusal. Then it is shown, and goes out.

use crate::support::{Sent, World, d, lots};
use crate::{DAX, EURUSD, OTHER, S, desk, equity, quote, tell, trade, window};
use fastcore::bucket::Allowance;
use fastcore::config::{ClockRule, Config, InactiveRule, OnBreach, SelfMatch, Together};
use fastcore::decimal::Dec;
use fastcore::engine::stops::Level;
use fastcore::event::EventKind;
use fastcore::guard::Action;
use fastcore::link::{Row, SendKind};
use proptest::prelude::{Just, Strategy, any, prop_oneof, proptest};
use std::collections::BTreeSet;

#[derive(Clone, Debug)]
enum Step {
    Trade(u8, bool, u8),
    Answer(u8, bool),
    Quote(u8),
    Equity(i16),
    Stop(u8),
    Arm(u8),
    Session(bool),
    Clock(i16),
    Venue(bool),
    Route(bool),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0_u8..3, any::<bool>(), 1_u8..12).prop_map(|(of, buy, qty)| Step::Trade(of, buy, qty)),
        6 => (any::<u8>(), any::<bool>()).prop_map(|(n, fills)| Step::Answer(n, fills)),
        2 => (80_u8..120).prop_map(Step::Quote),
        1 => (-50_i16..200).prop_map(Step::Equity),
        1 => (0_u8..12).prop_map(Step::Stop),
        1 => (0_u8..4).prop_map(Step::Arm),
        1 => any::<bool>().prop_map(Step::Session),
        1 => (0_i16..2_000).prop_map(Step::Clock),
        1 => any::<bool>().prop_map(Step::Venue),
        1 => (0_u8..3).prop_map(|n| Step::Route(n > 0)),
        2 => (1_u16..400).prop_map(Step::Wait),
    ]
}

/// Limits by bits: every one of them is sometimes set and sometimes not.
fn limit(c: &mut Config, bits: u64, low: i64) {
    let on = |n: u32| bits & (1 << n) != 0;
    let n = Dec::from_int(low);
    let few = u32::try_from(low).unwrap();
    let set = |l: &mut fastcore::config::Limits, at: u32| {
        let of = |n: u32| on((n + at) % 24);
        l.default.max_order_qty_lots = of(0).then(|| lots("2"));
        l.default.max_order_value = of(1).then_some(n);
        l.default.price_collar_bps = of(2).then(|| d("100"));
        l.default.max_position_lots = of(3).then(|| lots("3"));
        l.default.price_windows = window(on(27 + at / 8).then_some("150"), 5_000);
        l.totals.max_open_orders = of(4).then_some(1);
        l.totals.max_exposure = of(5).then_some(n);
        l.totals.max_leverage = of(6).then(|| d("0.1"));
        l.default.on_breach = if of(7) { OnBreach::Refuse } else { OnBreach::Clip };
    };
    set(&mut c.followers[0].limits, 0);
    set(&mut c.subscriptions[0].limits, 8);
    c.subscriptions[0].max_drift_bps = on(16).then(|| d("50"));
    c.subscriptions[0].max_amplification = on(17).then(|| d("0.5"));
    c.messages = on(18).then_some(Allowance { per_s: 1, burst: few, kept: few / 2 });
    c.followers[0].messages = on(19).then_some(Allowance { per_s: 2, burst: 2, kept: 2 });
    if on(20) {
        (c.faults.repeated_copies, c.faults.repeated_window_ms) = (2, 60_000);
    }
    if on(29) {
        c.faults.self_match = SelfMatch::Wait;
    }
    c.clock = (on(32) && on(34)).then_some(ClockRule { max_error_us: 1_000 });
    c.followers[0].restricted = if on(33) && on(35) { vec!["DAX".to_owned()] } else { Vec::new() };
    let action = if on(22) { Action::CloseAll } else { Action::NoOpens };
    c.leaders[0].inactive = on(21).then_some(InactiveRule { down_ms: 5_000, silent_ms: 30_000, action });
    let together = |on: bool| {
        let mut of = Together { currency: Some("USD".to_owned()), max_age_ms: 60_000, ..Together::default() };
        of.limits.default.max_position_lots = Some(lots("4"));
        (of.limits.totals.max_open_orders, of.limits.totals.max_exposure) = (Some(few), Some(n));
        on.then_some(of)
    };
    (c.together, c.leaders[0].together) = (together(on(24)), together(on(25)));
    if on(23) {
        let rules = r#"{"zone":"UTC","day_begins_s":0,"max_age_ms":60000,"rules":[
            {"rule":"equity_floor","amount":"90"},{"rule":"daily_loss","amount":"1"}]}"#;
        c.followers[0].guards = Some(Box::new(serde_json::from_str(rules).unwrap()));
    }
    if on(26) {
        let rules = r#"{"zone":"UTC","day_begins_s":0,"max_age_ms":60000,"rules":[
            {"rule":"daily_loss","amount":"3","action":"close_all"},{"rule":"drawdown","amount":"0.5"}]}"#;
        c.subscriptions[1].guards = Some(Box::new(serde_json::from_str(rules).unwrap()));
    }
}

const SCOPES: [&str; 4] = ["", r#","leader":"l""#, r#","follower":"f""#, r#","instrument":"EURUSD""#];

struct Play {
    w: World,
    /// Orders that the broker has not answered.
    live: Vec<Sent>,
    /// Signed positions of the leaders: two of the first, one of the second.
    held: [i64; 3],
}

const PLACES: [(&str, &str); 3] = [EURUSD, DAX, OTHER];

impl Play {
    fn take(&mut self, sent: Vec<Sent>) {
        for s in sent {
            if s.kind == SendKind::New {
                self.w.out(&s);
                self.live.push(s);
            }
        }
        self.reduces_are_out();
    }

    /// No part of a close waits: what is to be reduced works already. But under `halt`, where it is told, and in the pause after
    /// a broker's refusal.
    fn reduces_are_out(&self) {
        let (st, ix) = (self.w.engine.state(), self.w.engine.index());
        for ls in &st.lines {
            let (lane, line) = (ix.lane(ls).unwrap(), &mut ls.line.clone());
            let plan = line.plan(lane.grid, lane.rounding, lane.max_inflation, st.at_ns);
            let told = ls.close_waits && st.stops.values().any(|stop| stop.level == Level::Halt);
            let waits = told || ls.retry_at_ns > st.at_ns;
            assert!(waits || plan.reduce.is_zero(), "{} units of a close wait: {ls:?}", plan.reduce);
        }
    }

    /// Nothing stands in the way any more: what waited goes out, and brokers fill it, not always at once.
    fn let_go(&mut self) {
        for scope in SCOPES {
            let arm = format!(r#"{{"cmd":"arm","who":"ann"{scope}}}"#);
            let sent = tell(&mut self.w, &arm);
            self.take(sent);
        }
        self.step(&Step::Route(true));
        for round in 0..100 {
            for _ in 0..self.live.len() {
                self.answer(0, round > 0);
            }
            self.step(&Step::Wait(100));
        }
    }

    fn trade(&mut self, of: usize, units: i64) {
        self.held[of] += units;
        let px = if of == 1 { "2" } else { "1" };
        let sent = trade(&mut self.w, PLACES[of], units > 0, &units.abs().to_string(), px);
        self.take(sent);
    }

    fn answer(&mut self, n: usize, fills: bool) {
        if self.live.is_empty() {
            return;
        }
        let s = self.live.swap_remove(n % self.live.len());
        let more = if fills { self.w.fill(&s, &s.qty, &s.qty) } else { self.w.reject(&s) };
        self.take(more);
    }

    fn step(&mut self, step: &Step) {
        let w = &mut self.w;
        let sent = match step {
            Step::Trade(of, buy, qty) => {
                let units = i64::from(*qty) * if *buy { 1 } else { -1 };
                return self.trade(usize::from(*of), units);
            }
            Step::Answer(n, fills) => return self.answer(usize::from(*n), *fills),
            Step::Quote(px) => {
                let px = d(&format!("{}.{:02}", px / 100, px % 100)).to_text();
                quote(w, "EURUSD", &px, &px)
            }
            Step::Equity(n) => {
                equity(w, &n.to_string());
                Vec::new()
            }
            Step::Stop(n) => {
                let level = ["no_opens", "close_only", "halt"][usize::from(n >> 2)];
                let scope = SCOPES[usize::from(n & 3)];
                tell(w, &format!(r#"{{"cmd":"kill","who":"ann","level":"{level}"{scope}}}"#))
            }
            Step::Arm(n) => tell(w, &format!(r#"{{"cmd":"arm","who":"ann"{}}}"#, SCOPES[usize::from(n & 3)])),
            Step::Session(up) => w.apply(EventKind::Session, "L", if *up { b"up" } else { b"down" }),
            Step::Clock(us) => tell(w, &format!(r#"{{"cmd":"clock","error_us":{us}}}"#)),
            Step::Venue(trades) => w.broker(&format!("35=f|55=EURUSD|326={}|", if *trades { 17 } else { 2 })),
            Step::Route(up) => {
                w.rows(&[if *up { Row::Logon { session: "R" } } else { Row::Logout { session: "R" } }])
            }
            Step::Wait(tenths) => w.run_to(w.now + i64::from(*tenths) * S / 10),
        };
        self.take(sent);
    }
}

/// Codes that some history of the property refused an open for.
fn play(bits: u64, low: i64, steps: &[Step]) -> BTreeSet<&'static str> {
    let mut p = Play { w: desk(|c| limit(c, bits, low)), live: Vec::new(), held: [0; 3] };
    steps.iter().for_each(|s| p.step(s));
    for of in 0..3 {
        if p.held[of] != 0 {
            p.trade(of, -p.held[of]);
        }
    }
    p.let_go();
    for l in &p.w.engine.status().subscriptions {
        assert!(
            l.target.is_zero() && l.filled.is_zero(),
            "{} {}: {} left",
            l.subscription,
            l.instrument,
            l.filled
        );
    }
    p.w.engine.status().refusals.into_keys().collect()
}

proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(600))]

    /// Every reduce goes out with the event that asks for it, or is told to wait and goes out when it can; and a flat leader is a
    /// flat follower, whatever is breached.
    #[test]
    fn no_limit_in_any_combination_holds_back_a_close(
        bits in prop_oneof![any::<u64>(), Just(u64::from(u32::MAX))], low in 1_i64..9, steps in proptest::collection::vec(step(), 1..60),
    ) {
        play(bits, low, &steps);
    }
}

/// The histories above reach the limits: each code refuses something in a few thousand of them.
#[test]
fn the_histories_reach_every_limit() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let all = (any::<u64>(), 1_i64..9, proptest::collection::vec(step(), 1..60));
    let mut found = BTreeSet::new();
    for _ in 0..4_000 {
        let (bits, low, steps) = all.new_tree(&mut runner).unwrap().current();
        found.extend(play(bits, low, &steps));
    }
    for code in [
        "kill",
        "suspended_equity",
        "daily_loss",
        "period_drawdown",
        "provider_inactive",
        "repeated_execution",
        "max_order_qty",
        "max_order_value",
        "price_collar",
        "price_collar_window",
        "max_messages",
        "max_position",
        "max_open_orders",
        "max_exposure",
        "max_leverage",
        "amplification",
        "drift",
        "no_quote",
        "bad_account",
        "stale_account",
        "clock",
        "restricted",
        "broker_reject",
        "missed",
    ] {
        assert!(found.contains(code), "{code} was never reached: {found:?}");
    }
}
