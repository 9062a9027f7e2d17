//! Any history of a leader's orders and a broker's answers: every message about a mirror has one entry that explains it,
//! and the entry's numbers lead to the message. Worked out again here, by other arithmetic than the core's.

use crate::any::{Play, SIZINGS, cases, config, tag};
use crate::support::{Out, Sent, Told, d};
use fastcore::config::Config;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::event::Event;
use fastcore::link::SendKind;
use fastcore::mirror::Terms;
use fastcore::mirrored::{Part, Prices, Step, Why};
use fastcore::profile::OrderType;
use fastcore::sizing::Rule;
use num_rational::BigRational as Ratio;
use num_traits::{Signed, Zero};
use proptest::prelude::*;
use std::collections::BTreeMap;

/// 10⁻¹⁸ of a lot step; a target this close to a whole step is that step.
const QUANTA: i64 = 1_000_000_000_000_000_000;
const SNAP: i64 = 1_000_000_000_000;
const TICK: &str = "0.04";

fn whole(n: impl Into<num_bigint::BigInt>) -> Ratio {
    Ratio::from_integer(n.into())
}

fn units(x: Dec) -> Ratio {
    whole(x.raw()) / whole(QUANTA)
}

/// Half-even: Rust's own `round` goes away from zero.
fn half_even(x: &Ratio) -> Ratio {
    let (down, half) = (x.floor(), Ratio::new(1.into(), 2.into()));
    let up = &down + whole(1);
    match (x - &down).cmp(&half) {
        std::cmp::Ordering::Less => down,
        std::cmp::Ordering::Greater => up,
        std::cmp::Ordering::Equal if (&down / whole(2)).is_integer() => down,
        std::cmp::Ordering::Equal => up,
    }
}

/// What a text of the message says.
fn said(s: &Sent, name: &str) -> Option<Dec> {
    Some(tag(s, name)).filter(|t| !t.is_empty()).map(|t| d(&t))
}

/// Units that the order is to have open, from the entry's numbers alone.
fn size(t: &Told) -> Ratio {
    let size = t.size.unwrap();
    let step = units(t.between.step);
    let left = units(t.leader.left);
    let (rest, of) = match size.part {
        None => (Ratio::zero(), "nothing"),
        Some(Part::Open { rule, counted, opening, rest }) => {
            let opens = match rule {
                _ if !left.is_positive() => Ratio::zero(),
                Rule::Rate(rate) => half_even(&(units(rate) * &left / &step * whole(QUANTA))),
                Rule::Amount(all) => (units(all) / &step * whole(QUANTA) - whole(counted)).max(Ratio::zero()),
            };
            assert_eq!(opens, whole(opening), "{t:?}");
            let b = t.between;
            let mut left = opens - whole(b.ahead) - whole(b.refused) - whole(b.rejected);
            if matches!(t.why, Why::Lost | Why::LeaderFilled | Why::Barred) {
                left = Ratio::zero();
            }
            assert_eq!(left.clone().max(Ratio::zero()), whole(rest), "{t:?}");
            (((whole(rest) + whole(SNAP)) / whole(QUANTA)).floor() * &step, "an open")
        }
        Some(Part::Close { held, base, share, done, room, broker }) => {
            let position = units(t.leader.position.unwrap()).abs();
            assert!(units(base) >= units(held).abs(), "{t:?}");
            if t.why != Why::Lost && !share.is_zero() {
                let all = if left >= position { units(base) } else { units(base) * &left / &position };
                assert_eq!(half_even(&(all * whole(QUANTA))), whole(share.raw()), "{t:?}");
            }
            let rest = (units(share) - units(done)).min(units(room)).max(Ratio::zero());
            let rest = broker.map_or(rest.clone(), |b| rest.min(units(b)));
            ((rest / &step).floor() * &step, "a close")
        }
    };
    if size.parts > 1 {
        return part_of(t, &rest, of);
    }
    let rest = size.venue_max.map_or(rest.clone(), |most| rest.min(units(most)));
    let found = if rest < units(size.min) { Ratio::zero() } else { rest };
    assert_eq!(found, units(size.units), "{of}: {t:?}");
    found
}

/// One order of several: not beyond the largest that there may be, and no more with the others than is wanted in all, unless
/// it had that much already.
fn part_of(t: &Told, all: &Ratio, of: &str) -> Ratio {
    let size = t.size.unwrap();
    let found = units(size.units);
    assert!(found.is_zero() || found >= units(size.min), "{of}: {t:?}");
    // What began as a close of several may open by now, where no bound divides.
    let most = size.venue_max.map_or(all.clone(), units);
    assert!(&found <= all && found <= most, "{of}: {t:?}");
    let had = t.order.map_or(Ratio::zero(), |h| units(h.qty) - units(h.cum));
    assert!(found <= had || &found + units(size.others) <= *all, "{of}: {t:?}");
    found
}

/// Price(44) and StopPx(99) of the follower: the leader's, turned where the copy is, on the tick and never nearer.
fn prices(t: &Told, p: &Prices) {
    let leader = t.leader.terms.unwrap();
    let (limit, stop) = match (p.reverse, leader.order_type) {
        (true, OrderType::Limit) => (None, leader.px),
        (true, OrderType::Stop | OrderType::StopLimit) => (leader.stop_px, None),
        _ => (leader.px, leader.stop_px),
    };
    let exact = |px: Option<Dec>| px.map(|px| units(px) * units(p.factor));
    assert_eq!((exact(limit), exact(stop)), (p.exact.0.map(units), p.exact.1.map(units)), "{t:?}");
    let tick = units(d(TICK));
    let on = |px: Ratio, up: bool| {
        let ticks = px / &tick;
        (if up { ticks.ceil() } else { ticks.floor() }) * &tick
    };
    let terms = p.terms.unwrap();
    assert_eq!(exact(limit).map(|px| on(px, !t.buy)), terms.px.map(units), "{t:?}");
    assert_eq!(exact(stop).map(|px| on(px, t.buy)), terms.stop_px.map(units), "{t:?}");
}

/// Limits are asked for all that a mirror is still to enter: one order of several takes a part of it.
fn asks(t: &Told, asked: &Ratio, own: &Ratio) -> bool {
    if t.size.unwrap().parts > 1 { asked >= own } else { asked == own }
}

/// A message and the entry that explains it say the same, and the entry leads to it.
fn explains(t: &Told, s: &Sent) {
    let wanted = size(t);
    if let Some(p) = &t.prices {
        prices(t, p);
    }
    let to = t.to.unwrap();
    let terms = |terms: Terms| (terms.px, terms.stop_px, terms.order_type.char());
    let message = (said(s, "44"), said(s, "99"), tag(s, "40").bytes().next().unwrap_or(0));
    match t.step {
        Step::Place => {
            assert_eq!((s.kind, tag(s, "35").as_str()), (SendKind::New, "D"), "{t:?} {s:?}");
            let admitted = t.limits.map_or(wanted.clone(), |l| units(l.admitted).min(wanted.clone()));
            assert!(t.limits.is_none_or(|l| asks(t, &units(l.asked), &wanted)), "{t:?}");
            assert_eq!(Some(admitted), to.qty.map(units), "{t:?}");
        }
        Step::Replace => {
            assert_eq!(tag(s, "35"), "G", "{t:?} {s:?}");
            let had = t.order.unwrap();
            let cum = units(had.cum);
            let most = (units(had.qty) - &cum).max(units(had.unanswered) - &cum).max(Ratio::zero());
            let grows = t.limits.map(|l| {
                assert!(asks(t, &units(l.asked), &(&wanted - &most)), "{t:?}");
                (&most + units(l.admitted)).min(wanted.clone())
            });
            assert_eq!(Some(cum + grows.unwrap_or(wanted)), to.qty.map(units), "{t:?}");
        }
        Step::Cancel => {
            assert_eq!(tag(s, "35"), "F", "{t:?} {s:?}");
            assert_eq!(to.qty, None);
            let anew = matches!(t.why, Why::NoReplace | Why::Irreplaceable | Why::Requests | Why::Turned);
            assert!(anew || wanted.is_zero(), "{t:?}");
            return assert_eq!(t.buy, s.buy);
        }
        other => panic!("{other:?} sends nothing: {t:?}"),
    }
    assert_eq!((t.buy, to.qty), (s.buy, Some(d(&s.qty))), "{t:?} {s:?}");
    assert_eq!(terms(to.terms.unwrap()), message, "{t:?} {s:?}");
    assert_eq!(t.prices.unwrap().terms, to.terms, "{t:?}");
}

/// Every message about a mirror by its name, each once; nobody explains what was not sent.
fn explained(p: &Play) {
    let mut by_name: BTreeMap<String, &Told> = BTreeMap::new();
    for t in &p.w.told {
        if let Some(name) = t.sent() {
            assert!(by_name.insert(name, t).is_none(), "told twice: {t:?}");
        }
    }
    let st = p.w.engine.state();
    let mirrors: Vec<String> = (&st.orders)
        .into_iter()
        .filter(|o| o.mirror)
        .map(|o| String::from_utf8_lossy(&o.cl_ord_id).into_owned())
        .collect();
    let of_mirror = |s: &Sent| match s.kind {
        SendKind::New => mirrors.contains(&s.id),
        // Orders of mirrors are asked about by any name of theirs; the broker here knows the first one.
        SendKind::Cancel => p.order_named(s).is_some_and(|id| mirrors.contains(&id)),
        _ => false,
    };
    for s in p.sent.iter().filter(|s| of_mirror(s)) {
        let t = by_name.remove(&s.id).unwrap_or_else(|| panic!("nobody explains {s:?}"));
        explains(t, s);
    }
    // What waited for its route and was taken back, or was too late, left nothing.
    for (name, t) in by_name {
        let order = (&st.orders).into_iter().find(|o| *o.cl_ord_id == *name.as_bytes());
        assert!(order.is_some_and(|o| o.epoch == 0), "explained, and not sent: {t:?}");
    }
}

/// Each fill of a mirror's order, its end, and the mirror's own end, is told once.
fn ends(p: &Play) {
    let st = p.w.engine.state();
    let of = |step: Step| p.w.told.iter().filter(move |t| t.step == step);
    for order in (&st.orders).into_iter().filter(|o| o.mirror) {
        let id = String::from_utf8_lossy(&order.cl_ord_id).into_owned();
        let mine = |t: &&Told| t.had().as_deref() == Some(id.as_str());
        let fills = of(Step::Fill).filter(mine).map(|t| units(t.moved.unwrap().units.unwrap()));
        assert_eq!(fills.fold(Ratio::zero(), |sum, u| sum + u), units(order.cum), "{id}");
        let ends = of(Step::Ended).filter(mine).count() + of(Step::Withdraw).filter(mine).count();
        assert_eq!(ends, 1, "{id}: {:?}", order.state);
    }
    let mut begun: Vec<u64> = p.w.told.iter().map(|t| t.begun).filter(|b| *b > 0).collect();
    begun.sort_unstable();
    begun.dedup();
    for mirror in begun {
        assert_eq!(of(Step::Over).filter(|t| t.begun == mirror).count(), 1, "mirror of row {mirror}");
    }
}

/// The audit process replays the same rows, now and then from a snapshot: it hears the same.
fn replays(p: &Play, config: &Config) {
    let mut again = Engine::new(config.clone()).unwrap();
    let mut out = Out::default();
    let mut told = vec![];
    for (seq, (at_ns, kind, session, payload)) in (1..).zip(&p.w.log) {
        if seq % 16 == 0 {
            again = Engine::restore(config.clone(), &again.snapshot()).unwrap();
        }
        again.apply(&Event { seq, at_ns: *at_ns, kind: *kind, session, payload }, &mut out);
        told.extend(out.told.drain(..).map(|t| Told { seq, ..t }));
    }
    assert_eq!(told, p.w.told);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), max_shrink_iters: 40_000, ..ProptestConfig::default() })]

    #[test]
    fn every_message_about_a_mirror_is_explained_once_and_by_numbers_that_lead_to_it(
        replaces: bool, reverse: bool, rule in 0..8_usize, sizing in 0..SIZINGS.len(), limits: bool, largest in 0..3_usize,
        steps in prop::collection::vec((0..23_u8, any::<u8>(), any::<u8>()), 1..60),
    ) {
        let rules = [
            "",
            r#","ahead":"keep""#,
            r#","leader_filled":"market_after_s","leader_filled_ms":1000"#,
            r#","leader_filled":"cancel_after_s","leader_filled_ms":1000"#,
        ];
        let limits = if limits { r#","limits":{"default":{"max_position_lots":"8","on_breach":"clip"}}"# } else { "" };
        let of_orders = rules.get(rule).unwrap_or(&"");
        let mut config = config(replaces, SIZINGS[sizing], &format!(r#"{of_orders},"reverse":{reverse}{limits}"#));
        if let Some(n) = rule.checked_sub(rules.len()) {
            crate::any::only_stops(&mut config, n);
        }
        config.instruments[0].tick = d(TICK);
        crate::any::largest_order(&mut config, largest);
        let mut p = Play::new(config.clone());
        for (op, a, b) in steps {
            p.act(op, a, b);
        }
        p.quiet();
        explained(&p);
        ends(&p);
        replays(&p, &config);
    }
}
