//! The properties at the end of design 02 over generated histories: a leader whose reports come in any order, twice or
//! late, a route and a core that are killed, and a broker that rejects, expires, cancels late, fills while a cancel is
//! on its way, and takes fills back. A counterexample shrinks to the shortest list of steps, printed as a story.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing, clippy::panic)]

mod parties;
mod setup;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{TestCaseError, TestError, TestRunner};
use setup::{LEADERS, ROUNDINGS, Rule, Setup};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Once;
use world::World;

/// One thing that happens. Small numbers pick among what there is: they mean something in every state, so that
/// a history stays a history when steps are taken out of it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Order { leader: u8, buy: bool, qty: i64 },
    Trade { leader: u8, buy: bool, qty: i64 },
    Fill { order: u8, qty: i64 },
    Cancel { order: u8 },
    GoFlat { leader: u8 },
    Amend { execution: u8, qty: i64 },
    Resume,
    Hear { order: u8, which: u8 },
    HearAll,
    Again { order: u8, which: u8 },
    Route,
    Rows,
    Copied,
    LoseFrame,
    LoseMessage,
    Acknowledge { order: u8 },
    BrokerFill { order: u8, qty: i64 },
    BrokerEnd { order: u8, how: char },
    CancelAnswer { order: u8, accept: bool },
    Bust { order: u8 },
    BrokerSays,
    SwapReports,
    RepeatReport,
    Wait { ms: i64 },
    Session { up: bool },
    KillRoute,
    KillCore,
    Kill { on: bool },
}

fn step() -> impl Strategy<Value = Step> {
    let n = any::<u8>;
    let leader = || 0..u8::try_from(LEADERS).unwrap();
    let qty = || prop_oneof![3 => 1..=12_i64, 1 => Just(100_i64)];
    prop_oneof![
        3 => (leader(), any::<bool>(), qty()).prop_map(|(leader, buy, qty)| Step::Order { leader, buy, qty }),
        8 => (leader(), any::<bool>(), qty()).prop_map(|(leader, buy, qty)| Step::Trade { leader, buy, qty }),
        6 => (n(), qty()).prop_map(|(order, qty)| Step::Fill { order, qty }),
        1 => n().prop_map(|order| Step::Cancel { order }),
        3 => leader().prop_map(|leader| Step::GoFlat { leader }),
        1 => (n(), prop_oneof![2 => Just(0_i64), 1 => 1..=12_i64])
            .prop_map(|(execution, qty)| Step::Amend { execution, qty }),
        1 => Just(Step::Resume),
        4 => (n(), n()).prop_map(|(order, which)| Step::Hear { order, which }),
        4 => Just(Step::HearAll),
        2 => (n(), n()).prop_map(|(order, which)| Step::Again { order, which }),
        8 => Just(Step::Copied),
        3 => Just(Step::Route),
        2 => Just(Step::Rows),
        1 => Just(Step::LoseFrame),
        1 => Just(Step::LoseMessage),
        2 => n().prop_map(|order| Step::Acknowledge { order }),
        8 => (n(), qty()).prop_map(|(order, qty)| Step::BrokerFill { order, qty }),
        4 => (n(), prop_oneof![Just('4'), Just('8'), Just('C')])
            .prop_map(|(order, how)| Step::BrokerEnd { order, how }),
        3 => (n(), any::<bool>()).prop_map(|(order, accept)| Step::CancelAnswer { order, accept }),
        1 => n().prop_map(|order| Step::Bust { order }),
        6 => Just(Step::BrokerSays),
        1 => Just(Step::SwapReports),
        1 => Just(Step::RepeatReport),
        2 => prop_oneof![Just(300_i64), Just(3_000), Just(6_000), Just(70_000)].prop_map(|ms| Step::Wait { ms }),
        1 => any::<bool>().prop_map(|up| Step::Session { up }),
        1 => Just(Step::KillRoute),
        1 => Just(Step::KillCore),
        1 => any::<bool>().prop_map(|on| Step::Kill { on }),
    ]
}

const SIZINGS: [&str; 6] = [
    r#"{"mode":"multiplier","k":"1"}"#,
    r#"{"mode":"percent","percent":"50"}"#,
    r#"{"mode":"multiplier","k":"0.333333333333333333"}"#,
    r#"{"mode":"lots_multiplier","k":"2.5"}"#,
    r#"{"mode":"fixed","lots":"7"}"#,
    r#"{"mode":"equity","k":"1.1"}"#,
];

fn setup() -> impl Strategy<Value = Setup> {
    let rule = |leader| {
        let names: Vec<&str> = ROUNDINGS.iter().map(|r| r.0).collect();
        let limit = |from| prop_oneof![3 => Just(None), 1 => (from..40_i64).prop_map(Some)];
        (
            proptest::sample::select(&SIZINGS[..]),
            proptest::sample::select(names),
            any::<(bool, bool)>(),
            limit(24),
            limit(1),
        )
            .prop_map(move |(sizing, rounding, (reverse, retry), max_order, max_position)| Rule {
                leader,
                sizing,
                rounding,
                reverse,
                retry,
                max_order,
                max_position,
            })
    };
    let lots = prop_oneof![3 => Just((1_i64, 1_i64)), 1 => (1..=4_i64, 1..=3_i64)];
    (lots, rule(0), rule(1), prop::option::of(rule(0))).prop_map(|((step, lots), a, b, c)| {
        let mut rules = vec![a, b];
        rules.extend(c);
        Setup { step, min: step * lots, rules }
    })
}

fn pick(n: u8, len: usize) -> Option<usize> {
    if len == 0 { None } else { Some(usize::from(n) % len) }
}

fn broker_order(w: &World, n: u8) -> Option<String> {
    let live: Vec<&String> = w.broker.orders.iter().filter(|(_, o)| o.live).map(|(id, _)| id).collect();
    pick(n, live.len()).map(|i| live[i].clone())
}

fn happen(w: &mut World, step: Step) {
    w.story.push(format!("{step:?}"));
    let at = w.clock();
    match step {
        Step::Order { leader, buy, qty } => {
            w.leaders.order(usize::from(leader), buy, qty, &at);
        }
        Step::Trade { leader, buy, qty } => trade(w, usize::from(leader), buy, qty),
        Step::Fill { order, qty } => {
            let open: Vec<usize> =
                (0..w.leaders.orders.len()).filter(|o| !w.leaders.orders[*o].done).collect();
            if let Some(i) = pick(order, open.len()) {
                w.leaders.fill(open[i], qty, &at);
            }
        }
        Step::Cancel { order } => {
            if let Some(o) = pick(order, w.leaders.orders.len()) {
                w.leaders.cancel(o, &at);
            }
        }
        Step::GoFlat { leader } => go_flat(w, usize::from(leader)),
        Step::Amend { execution, qty } => {
            if let Some(e) = pick(execution, w.leaders.executions.len()) {
                w.leaders.amend(e, qty, &at);
            }
        }
        Step::Resume => {
            for l in 0..LEADERS {
                w.operator(&format!(r#"{{"cmd":"bust_resume","who":"ann","leader":"l{l}"}}"#));
            }
        }
        Step::Hear { order, which } => hear(w, order, which),
        Step::HearAll => hear_all(w),
        Step::Again { order, which } => again(w, order, which),
        Step::Wait { ms } => w.wait(ms),
        Step::Kill { on: true } => w.operator(r#"{"cmd":"kill","who":"ann"}"#),
        Step::Kill { on: false } => w.operator(r#"{"cmd":"arm","who":"ann"}"#),
        _ => on_the_way(w, step),
    }
}

fn on_the_way(w: &mut World, step: Step) {
    match step {
        Step::Route => {
            w.route_takes();
        }
        Step::Rows => {
            w.drain_rows();
        }
        Step::Copied => {
            hear_all(w);
            while w.route_takes() {}
            w.drain_rows();
        }
        Step::LoseFrame => w.lose_frame(),
        Step::LoseMessage => w.lose_next = true,
        Step::Session { up } => w.session(up),
        Step::KillRoute => w.restart_route(),
        Step::KillCore => w.restart_core(),
        Step::BrokerSays => {
            while w.broker_says() {}
            w.drain_rows();
        }
        _ => at_the_broker(w, step),
    }
}

fn at_the_broker(w: &mut World, step: Step) {
    match step {
        Step::Acknowledge { order } => {
            if let Some(id) = broker_order(w, order) {
                w.broker.acknowledge(&id);
            }
        }
        Step::BrokerFill { order, qty } => {
            if let Some(id) = broker_order(w, order) {
                w.broker.fill(&id, qty);
            }
        }
        Step::BrokerEnd { order, how } => {
            if let Some(id) = broker_order(w, order) {
                w.broker.end(&id, how);
            }
        }
        Step::CancelAnswer { order, accept } => {
            if let Some(id) = broker_order(w, order) {
                w.broker.answer_cancel(&id, accept);
            }
        }
        Step::Bust { order } => {
            let ids: Vec<String> = w.broker.orders.keys().cloned().collect();
            if let Some(i) = pick(order, ids.len()) {
                w.broker.bust(&ids[i]);
            }
        }
        Step::SwapReports => {
            let same = w.broker.says.len() > 1 && w.broker.says[0].0 == w.broker.says[1].0;
            if same && !is_amendment(&w.broker.says[0].1) {
                w.broker.says.swap(0, 1);
            }
        }
        Step::RepeatReport => {
            if let Some(front) = w.broker.says.front().cloned() {
                w.broker.says.push_front(front);
            }
        }
        other => unreachable!("{other:?}"),
    }
}

fn trade(w: &mut World, leader: usize, buy: bool, qty: i64) {
    let at = w.clock();
    let o = w.leaders.order(leader, buy, qty, &at);
    w.leaders.fill(o, qty, &at);
}

fn go_flat(w: &mut World, leader: usize) {
    let held = w.leaders.position(leader);
    if held != 0 {
        trade(w, leader, held < 0, held.abs());
    }
}

/// Nothing overtakes a bust or correction: a fill of the quantity that it gave back would look like one fill that is told
/// under two ExecIDs. (They themselves may overtake what they take back.)
fn is_amendment(text: &str) -> bool {
    text.contains("|150=H|") || text.contains("|150=G|")
}

/// Reports of one order may overtake each other, but nothing overtakes the first: an order whose beginning was not seen
/// is taken for one that began before we listened (02 step 1).
fn hear(w: &mut World, order: u8, which: u8) {
    let Some(o) = pick(order, w.leaders.orders.len()) else { return };
    let told = &w.leaders.orders[o].told;
    if !told[0].heard {
        return w.hear(o, 0);
    }
    let waiting: Vec<usize> = (0..told.len()).filter(|i| !told[*i].heard).collect();
    let fence = waiting.iter().position(|i| is_amendment(&told[*i].text));
    if let Some(i) = pick(which, fence.map_or(waiting.len(), |f| f + 1)) {
        w.hear(o, waiting[i]);
    }
}

fn hear_all(w: &mut World) {
    for o in 0..w.leaders.orders.len() {
        for i in 0..w.leaders.orders[o].told.len() {
            if !w.leaders.orders[o].told[i].heard {
                w.hear(o, i);
            }
        }
    }
}

fn again(w: &mut World, order: u8, which: u8) {
    let Some(o) = pick(order, w.leaders.orders.len()) else { return };
    let told = &w.leaders.orders[o].told;
    let heard: Vec<usize> = (0..told.len()).filter(|i| told[*i].heard).collect();
    if let Some(i) = pick(which, heard.len()) {
        w.hear(o, heard[i]);
    }
}

thread_local! {
    static QUIET: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Runs a history. Gives what went wrong, with everything that happened before.
fn run(setup: &Setup, steps: &[Step]) -> Result<(), String> {
    let mut w = World::new(setup.clone());
    let told = catch_unwind(AssertUnwindSafe(|| {
        for step in steps {
            happen(&mut w, *step);
        }
        w.story.push("everything is delivered, answered and filled".to_owned());
        w.settle();
        for leader in 0..LEADERS {
            go_flat(&mut w, leader);
        }
        w.settle();
    }));
    told.map_err(|why| {
        let text = why.downcast_ref::<String>().cloned();
        let text = text.or_else(|| why.downcast_ref::<&str>().map(|t| (*t).to_owned())).unwrap_or_default();
        format!("{setup:#?}\n{}\n{text}", w.story.join("\n"))
    })
}

/// Searches; on failure shrinks and panics with the story of the shortest history.
fn search<S: Strategy>(strategy: &S, run: impl Fn(&S::Value) -> Result<(), String>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let loud = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                loud(info)
            }
        }));
    });
    let cases = std::env::var("HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(20_000);
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 200_000,
        ..ProptestConfig::default()
    };
    let mut runner = TestRunner::new(config);
    QUIET.set(true);
    let found = runner.run(strategy, |value| run(&value).map_err(|_| TestCaseError::fail("")));
    let story = match found {
        Ok(()) => None,
        Err(TestError::Fail(_, value)) => Some(run(&value).err().unwrap_or_default()),
        Err(TestError::Abort(why)) => Some(why.message().to_owned()),
    };
    QUIET.set(false);
    if let Some(story) = story {
        panic!("{story}");
    }
}

/// P = 0 ⇒ T = 0; at rest a flat leader has flat followers, every follower is within a lot of its target, and the
/// broker's books are ours; `filled` stays among its targets; T grows with the leader only; no ClOrdID reaches the
/// broker twice; replay, through a snapshot as well, decides the same.
#[test]
fn any_history_keeps_the_promises() {
    search(&(setup(), prop::collection::vec(step(), 1..60)), |(setup, steps)| run(setup, steps));
}

/// The same fills in any partition give the same lots.
#[test]
fn any_partition_gives_the_same_lots() {
    let sizing = proptest::sample::select(&SIZINGS[..]);
    let rounding = proptest::sample::select(vec!["toward_zero", "nearest"]);
    let cuts = prop::collection::vec(1..9_i64, 1..8);
    search(&(sizing, rounding, cuts, 0..5_i64), |(sizing, rounding, cuts, rest)| {
        let total: i64 = cuts.iter().sum();
        let (parts, whole) = (held(sizing, rounding, cuts, *rest), held(sizing, rounding, &[total], *rest));
        if parts == whole {
            Ok(())
        } else {
            Err(format!("{sizing} {rounding} {cuts:?}+{rest}: {parts}, whole {whole}"))
        }
    });
}

/// What a follower holds after a leader's order of all parts and `rest` was filled part by part.
fn held(sizing: &'static str, rounding: &'static str, parts: &[i64], rest: i64) -> i64 {
    let rule = |leader| Rule {
        leader,
        sizing,
        rounding,
        reverse: false,
        retry: false,
        max_order: None,
        max_position: None,
    };
    let mut w = World::new(Setup { step: 1, min: 1, rules: vec![rule(0), rule(1)] });
    let at = w.clock();
    let o = w.leaders.order(0, true, parts.iter().sum::<i64>() + rest, &at);
    for part in parts {
        let at = w.clock();
        w.leaders.fill(o, *part, &at);
    }
    w.settle();
    w.broker.position()
}
