//! What the market says is asked once for all followers that ask the same: none of them may get an answer of another one.

use crate::support::{SAME, World, d, field};
use crate::{EURUSD, build, quote, trade, window};
use fastcore::config::{OrderType, SubscriptionConfig};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// How one follower differs from the next.
#[derive(Clone, Debug)]
struct Kind {
    max_age_ms: i64,
    factor: &'static str,
    reverse: bool,
    own_name: bool,
    slippage_bps: Option<&'static str>,
    collar_bps: [Option<&'static str>; 2],
    window_bps: [Option<&'static str>; 2],
    window_ms: [i64; 2],
    drift_bps: Option<&'static str>,
    order_value: Option<&'static str>,
    exposure: Option<&'static str>,
}

fn pick<T: Clone + std::fmt::Debug + 'static>(of: &'static [T]) -> impl Strategy<Value = T> {
    proptest::sample::select(of)
}

fn kind() -> impl Strategy<Value = Kind> {
    let bps: &'static [Option<&'static str>] = &[None, Some("10"), Some("120")];
    let pair = || [pick(bps), pick(bps)];
    let windows = [pick(&[500, 5_000]), pick(&[500, 5_000])];
    let names = (pick(&[1_500, 60_000]), pick(&["1", "2"]), any::<bool>(), any::<bool>());
    let bounds = (pair(), pair(), windows, pick(bps));
    let worth = (pick(&[None, Some("6")]), pick(&[None, Some("8")]), pick(&[None, Some("5"), Some("50")]));
    (names, bounds, worth).prop_map(|(names, bounds, worth)| Kind {
        max_age_ms: names.0,
        factor: names.1,
        reverse: names.2,
        own_name: names.3,
        collar_bps: bounds.0,
        window_bps: bounds.1,
        window_ms: bounds.2,
        drift_bps: bounds.3,
        order_value: worth.0,
        exposure: worth.1,
        slippage_bps: worth.2,
    })
}

/// Four followers of which each differs from the first in one thing: whoever takes its answer for his own is found.
fn four() -> impl Strategy<Value = Vec<Kind>> {
    (kind(), proptest::collection::vec((kind(), 0_u8..8), 3)).prop_map(|(first, others)| {
        let mut all = vec![first.clone()];
        all.extend(others.into_iter().map(|(other, part)| first.with(part, other)));
        all
    })
}

impl Kind {
    /// This kind with one part of another.
    fn with(&self, part: u8, other: Kind) -> Kind {
        let own = self.clone();
        match part {
            0 => Kind { max_age_ms: other.max_age_ms, ..own },
            1 => Kind { factor: other.factor, ..own },
            2 => Kind { reverse: other.reverse, ..own },
            3 => Kind { own_name: other.own_name, ..own },
            4 => Kind { slippage_bps: other.slippage_bps, ..own },
            5 => Kind { window_bps: other.window_bps, ..own },
            6 => Kind { window_ms: other.window_ms, ..own },
            _ => Kind { collar_bps: other.collar_bps, drift_bps: other.drift_bps, ..own },
        }
    }

    fn subscription(&self, s: &mut SubscriptionConfig) {
        (s.max_age_ms, s.reverse) = (self.max_age_ms, self.reverse);
        let map = s.symbol_map.get_mut("EURUSD").unwrap();
        map.price_factor = d(self.factor);
        if self.own_name {
            map.instrument = "DAX".to_owned();
        }
        if let Some(bps) = self.slippage_bps {
            (s.order_type, s.max_slippage_bps) = (OrderType::Limit, d(bps));
        }
        s.max_drift_bps = self.drift_bps.map(d);
        let set = &mut s.limits.default;
        (set.price_collar_bps, set.max_order_value) = (self.collar_bps[0].map(d), self.order_value.map(d));
        set.price_windows = window(self.window_bps[0], self.window_ms[0]);
    }

    fn follower(&self, limits: &mut fastcore::config::Limits) {
        limits.totals.max_exposure = self.exposure.map(d);
        let set = &mut limits.default;
        set.price_collar_bps = self.collar_bps[1].map(d);
        set.price_windows = window(self.window_bps[1], self.window_ms[1]);
    }
}

/// Followers of these kinds, by their numbers: each with one subscription.
fn deployment(kinds: &[(usize, Kind)]) -> World {
    World::with(SAME, "", |c| {
        build(c);
        c.instruments[1].currency = "USD".to_owned();
        let (follower, sub) = (c.followers.remove(0), c.subscriptions.remove(0));
        c.subscriptions.clear();
        for (n, kind) in kinds {
            let mut f = follower.clone();
            (f.name, f.account) = (format!("f{n}"), Some(format!("F{n}")));
            kind.follower(&mut f.limits);
            c.followers.push(f);
            let mut s = sub.clone();
            (s.name, s.follower) = (format!("s{n}"), format!("f{n}"));
            kind.subscription(&mut s);
            c.subscriptions.push(s);
        }
    })
}

/// What happens at the market.
#[derive(Clone, Debug)]
enum Step {
    Quote(&'static str, u32, u32),
    Trade(bool, u32),
    Wait(i64),
}

fn step() -> impl Strategy<Value = Step> {
    let px = 9_900_u32..10_100;
    prop_oneof![
        (pick(&["EURUSD", "DAX"]), px.clone(), 0_u32..40)
            .prop_map(|(i, bid, spread)| Step::Quote(i, bid, spread)),
        (any::<bool>(), px).prop_map(|(buy, px)| Step::Trade(buy, px)),
        (1_i64..2_000).prop_map(Step::Wait),
    ]
}

/// Orders by account, and refusals by code.
type Told = (BTreeMap<String, Vec<String>>, BTreeMap<String, u64>);

fn played(kinds: &[(usize, Kind)], steps: &[Step]) -> Told {
    let mut w = deployment(kinds);
    let mut orders: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let px = |n: u32| format!("0.{n:05}");
    for (n, step) in steps.iter().enumerate() {
        let sent = match step {
            Step::Quote(i, bid, spread) => quote(&mut w, i, &px(*bid), &px(bid + spread)),
            Step::Trade(buy, at) => trade(&mut w, EURUSD, *buy, "5", &px(*at)),
            Step::Wait(ms) => w.run_to(w.now + ms * 1_000_000),
        };
        for s in &sent {
            let raw = s.text.replace('|', "\u{1}");
            let what = format!("{n}: {} {} {}", s.buy, s.qty, s.terms);
            orders.entry(field(raw.as_bytes(), "1")).or_default().push(what);
        }
        crate::fill_all(&mut w, sent);
    }
    let refusals = w.engine.status().refusals.iter().map(|(code, n)| ((*code).to_owned(), *n)).collect();
    (orders, refusals)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    /// Four followers beside each other get what each of them gets alone: orders, prices and refusals.
    #[test]
    fn a_follower_gets_the_same_alone_and_beside_others(
        kinds in four(), steps in proptest::collection::vec(step(), 4..24),
    ) {
        let kinds: Vec<(usize, Kind)> = kinds.into_iter().enumerate().collect();
        let together = played(&kinds, &steps);
        let mut each = Told::default();
        for one in &kinds {
            let (orders, refusals) = played(std::slice::from_ref(one), &steps);
            each.0.extend(orders);
            for (code, n) in refusals {
                *each.1.entry(code).or_default() += n;
            }
        }
        prop_assert_eq!(together, each);
    }
}

/// The kinds reach every answer: else the property would compare nothing.
#[test]
fn the_kinds_are_refused_by_every_bound_that_asks_the_market() {
    let all = Kind {
        max_age_ms: 60_000,
        factor: "1",
        reverse: false,
        own_name: false,
        slippage_bps: None,
        collar_bps: [None; 2],
        window_bps: [None; 2],
        window_ms: [500, 5_000],
        drift_bps: None,
        order_value: None,
        exposure: None,
    };
    let kinds = [
        (0, Kind { collar_bps: [Some("10"), None], ..all.clone() }),
        (1, Kind { window_bps: [None, Some("10")], ..all.clone() }),
        (2, Kind { drift_bps: Some("10"), ..all.clone() }),
        (3, Kind { order_value: Some("0.4"), ..all.clone() }),
        (4, Kind { exposure: Some("0.4"), ..all.clone() }),
        (5, all),
    ];
    let steps = [Step::Quote("EURUSD", 10_000, 10), Step::Trade(true, 9_900)];
    let (orders, refusals) = played(&kinds, &steps);
    assert_eq!(orders.keys().collect::<Vec<_>>(), ["F3", "F4", "F5"]);
    let codes = ["drift", "max_exposure", "max_order_value", "price_collar", "price_collar_window"];
    assert_eq!(refusals.keys().map(String::as_str).collect::<Vec<_>>(), codes);
}
