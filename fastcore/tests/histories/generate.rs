//! How often each step happens.

use crate::setup::{FOLLOWERS, LEADERS, SCOPES, TOLD, Version};
use crate::steps::{AtBroker, OnWay, Step};
use proptest::prelude::*;

fn on_way() -> impl Strategy<Value = OnWay> {
    prop_oneof![
        6 => Just(OnWay::Takes),
        4 => Just(OnWay::Rows),
        1 => Just(OnWay::LoseFrame),
        1 => Just(OnWay::LoseMessage),
        1 => any::<u8>().prop_map(|reason| OnWay::Bars { reason }),
        10 => Just(OnWay::Says),
        2 => prop_oneof![3 => Just(0_usize), 1 => Just(1_usize)].prop_map(|symbol| OnWay::Position { symbol }),
        2 => Just(OnWay::Swap),
        2 => Just(OnWay::Repeat),
        1 => Just(OnWay::Gap),
        3 => any::<bool>().prop_map(|up| OnWay::Session { up }),
        2 => any::<bool>().prop_map(|up| OnWay::Link { up }),
        2 => Just(OnWay::KillRoute),
        1 => Just(OnWay::LoseLog),
    ]
}

fn qty() -> impl Strategy<Value = i64> {
    prop_oneof![3 => 1..=12_i64, 1 => Just(100_i64)]
}

fn at_broker() -> impl Strategy<Value = AtBroker> {
    prop_oneof![
        2 => Just(AtBroker::Acknowledge),
        8 => qty().prop_map(|qty| AtBroker::Fill { qty }),
        4 => prop_oneof![Just('4'), Just('8'), Just('C')].prop_map(|how| AtBroker::End { how }),
        1 => (1..=6_i64).prop_map(|keep| AtBroker::Decline { keep }),
        3 => any::<bool>().prop_map(|accept| AtBroker::CancelAnswer { accept }),
        1 => Just(AtBroker::Bust),
    ]
}

pub fn step() -> impl Strategy<Value = Step> {
    let n = any::<u8>;
    let of = || (0..LEADERS, prop_oneof![5 => Just(0_usize), 1 => Just(1_usize)]);
    let way = || 0..FOLLOWERS;
    let version = any::<(bool, bool, bool, bool)>()
        .prop_map(|(sizing, unbound, symbol, last_rule)| Version { sizing, unbound, symbol, last_rule });
    prop_oneof![
        3 => (of(), any::<bool>(), qty()).prop_map(|(of, buy, qty)| Step::Order { of, buy, qty }),
        8 => (of(), any::<bool>(), qty()).prop_map(|(of, buy, qty)| Step::Trade { of, buy, qty }),
        6 => (n(), qty()).prop_map(|(order, qty)| Step::Fill { order, qty }),
        1 => n().prop_map(|order| Step::Cancel { order }),
        2 => (n(), qty()).prop_map(|(order, more)| Step::Replace { order, more }),
        3 => of().prop_map(|of| Step::GoFlat { of }),
        1 => (n(), prop_oneof![2 => Just(0_i64), 1 => 1..=12_i64])
            .prop_map(|(execution, qty)| Step::Amend { execution, qty }),
        1 => (of(), any::<bool>(), qty(), prop_oneof![Just(300_i64), Just(70_000)])
            .prop_map(|(of, buy, qty, ms)| Step::Overtaken { of, buy, qty, ms }),
        1 => (of(), any::<bool>(), qty(), prop_oneof![2 => Just(0_i64), 1 => 1..=12_i64])
            .prop_map(|(of, buy, qty, to)| Step::AmendFirst { of, buy, qty, to }),
        1 => (way(), prop_oneof![Just(500_i64), Just(1_000), Just(2_000)])
            .prop_map(|(follower, value)| Step::Equity { follower, value }),
        1 => Just(Step::Resume),
        4 => (n(), n()).prop_map(|(order, which)| Step::Hear { order, which }),
        4 => Just(Step::HearAll),
        2 => (n(), n()).prop_map(|(order, which)| Step::Again { order, which }),
        8 => Just(Step::Copied),
        16 => (way(), on_way()).prop_map(|(way, what)| Step::Way { way, what }),
        18 => (way(), n(), at_broker()).prop_map(|(way, order, what)| Step::Broker { way, order, what }),
        3 => prop_oneof![Just(300_i64), Just(3_000), Just(6_000), Just(30_000), Just(70_000)]
            .prop_map(|ms| Step::Wait { ms }),
        1 => (0..=100_u8).prop_map(|snapshot| Step::KillCore { snapshot }),
        1 => version.prop_map(|to| Step::Reload { to }),
        1 => (0..SCOPES.len(), 0..=3_usize).prop_map(|(scope, level)| Step::Stop { scope, level }),
        1 => (n(), proptest::sample::select(&TOLD[..])).prop_map(|(sub, told)| Step::Life { sub, told }),
    ]
}
