//! The properties at the end of design 02 over generated histories: leaders whose reports come in any order, twice or
//! late, routes and a core that are killed and reloaded, and brokers that reject, expire, decline a part, cancel late,
//! fill while a cancel is on its way, and take fills back. A counterexample shrinks to the shortest list of steps,
//! printed as a story.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![allow(clippy::panic, clippy::cast_possible_truncation)]

mod broker;
mod checks;
mod generate;
mod leaders;
mod setup;
mod steps;
mod story;
mod way;
mod world;

use generate::step;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use setup::{FOLLOWERS, LEADERS, ROUNDINGS, Rule, SIZINGS, SYMBOLS, Setup, Sizing};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use steps::{Step, all_flat, happen};
use world::World;

fn rule(leader: impl Strategy<Value = usize>) -> impl Strategy<Value = Rule> {
    let names: Vec<&str> = ROUNDINGS.iter().map(|r| r.0).collect();
    let limit = |from| prop_oneof![3 => Just(None), 1 => (from..40_i64).prop_map(Some)];
    (
        (leader, 0..FOLLOWERS),
        proptest::sample::select(&SIZINGS[..]),
        proptest::sample::select(names),
        any::<(bool, bool, bool)>(),
        proptest::bool::weighted(0.25),
        limit(24),
        limit(1),
    )
        .prop_map(|(who, sizing, rounding, (reverse, retry, joins), limit, max_order, max_position)| {
            Rule {
                leader: who.0,
                follower: who.1,
                sizing,
                rounding,
                reverse,
                retry,
                limit,
                joins,
                max_order,
                max_position,
            }
        })
}

fn setup() -> impl Strategy<Value = Setup> {
    let lots = prop_oneof![3 => Just((1_i64, 1_i64)), 1 => (1..=4_i64, 1..=3_i64)];
    let max = prop_oneof![3 => Just(None), 1 => (3..=20_i64).prop_map(Some)];
    let follower_max = prop_oneof![3 => Just(None), 1 => (1..60_i64).prop_map(Some)];
    let flags = (any::<(bool, bool, bool)>(), proptest::bool::weighted(0.25));
    (lots, max, follower_max, flags, rule(Just(0)), rule(Just(1)), prop::option::of(rule(0..LEADERS)))
        .prop_map(
            |((step, lots), max, follower_max, ((strict, by_client, positions), limits_only), a, b, c)| {
                let mut rules = vec![a, b];
                rules.extend(c);
                let min = step * lots;
                Setup {
                    step,
                    min,
                    max: max.map(|m| min + step * m),
                    strict,
                    follower_max,
                    positions,
                    limits_only,
                    by_client,
                    rules,
                }
            },
        )
}

thread_local! {
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs a history. Gives what went wrong, with everything that happened before if it is to be `told`.
fn run(setup: &Setup, steps: &[Step], told: bool) -> Result<(), String> {
    let mut w = World::new(setup.clone(), told);
    let ran = catch_unwind(AssertUnwindSafe(|| {
        for step in steps {
            happen(&mut w, *step);
        }
        w.tell(|| "everything is delivered, answered and filled".to_owned());
        w.settle();
        all_flat(&mut w);
        w.settle();
        w.replays();
    }));
    ran.map_err(|why| {
        let text = why.downcast_ref::<String>().cloned();
        let text = text.or_else(|| why.downcast_ref::<&str>().map(|t| (*t).to_owned())).unwrap_or_default();
        format!("{setup:#?}\n{}\n{text}", w.story.unwrap_or_default().join("\n"))
    })
}

/// Searches; on failure shrinks and panics with the story of the shortest history.
fn search<S: Strategy>(strategy: &S, run: impl Fn(&S::Value, bool) -> Result<(), String>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info)
            }
        }));
    });
    // The same 20,000 every time: a change fails for its own sake. `HISTORIES=N` makes N that nobody has seen.
    let asked = std::env::var("HISTORIES").ok().and_then(|n| n.parse().ok());
    let cases = asked.unwrap_or(20_000);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200_000,
        ..ProptestConfig::default()
    };
    let mut runner = match asked {
        Some(_) => TestRunner::new(config),
        None => TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha)),
    };
    QUIET.set(true);
    let found = runner.run(strategy, |value| run(&value, false).map_err(|_| TestCaseError::fail("")));
    let story = match found {
        Ok(()) => None,
        Err(TestError::Fail(_, value)) => Some(run(&value, true).err().unwrap_or_default()),
        Err(TestError::Abort(why)) => Some(why.message().to_owned()),
    };
    QUIET.set(false);
    if let Some(story) = story {
        panic!("{story}");
    }
}

/// P = 0 ⇒ T = 0; at rest a flat leader has flat followers, every follower is within a lot of its target, and the
/// brokers' books are ours; `filled` stays among its targets; T grows with the leader only; an open keeps to its limits
/// and is younger than its leader's trade allows; no ClOrdID reaches a broker twice; replay, through a snapshot as well,
/// decides the same.
#[test]
fn any_history_keeps_the_promises() {
    search(&(setup(), prop::collection::vec(step(), 1..60)), |(setup, steps), told| run(setup, steps, told));
}

/// The same fills in any partition give the same lots.
#[test]
fn any_partition_gives_the_same_lots() {
    let sizing = proptest::sample::select(&SIZINGS[..]);
    let rounding = proptest::sample::select(vec!["toward_zero", "nearest"]);
    let cuts = prop::collection::vec(1..9_i64, 1..8);
    search(&(sizing, rounding, cuts, 0..5_i64), |(sizing, rounding, cuts, rest), _| {
        let total: i64 = cuts.iter().sum();
        let (parts, whole) = (held(*sizing, rounding, cuts, *rest), held(*sizing, rounding, &[total], *rest));
        if parts == whole {
            Ok(())
        } else {
            Err(format!("{sizing:?} {rounding} {cuts:?}+{rest}: {parts}, whole {whole}"))
        }
    });
}

/// What a follower holds after a leader's order of all parts and `rest` was filled part by part.
fn held(sizing: Sizing, rounding: &'static str, parts: &[i64], rest: i64) -> i64 {
    let rule = |leader| Rule {
        leader,
        follower: 0,
        sizing,
        rounding,
        reverse: false,
        retry: false,
        limit: false,
        joins: false,
        max_order: None,
        max_position: None,
    };
    let (max, follower_max, strict, by_client) = (None, None, false, false);
    let (positions, limits_only) = (false, false);
    let rules = vec![rule(0), rule(1)];
    let mut w = World::new(
        Setup { step: 1, min: 1, max, strict, follower_max, positions, limits_only, by_client, rules },
        false,
    );
    let o = w.leaders.order(0, 0, true, parts.iter().sum::<i64>() + rest);
    for part in parts {
        w.leaders.fill(o, *part);
    }
    w.settle();
    w.ways[0].broker.position(SYMBOLS[0])
}
