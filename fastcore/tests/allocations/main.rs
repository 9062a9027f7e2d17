//! How often the core asks for memory while a leader's fill becomes orders: an allocator that counts, bytes in and
//! bytes out. Once warm, none for a follower. What stays is stated beside its case, with its reason.

mod counting;
mod deployment;
mod rig;

use deployment::{Change, HEDGES, LIMITED};
use fastcore::link::SendKind;
use rig::{NEW, REJECTED, Rig, Sent};
use serde_json::{Value, json};

#[global_allocator]
static ALLOCATOR: counting::Counting = counting::Counting;

const FEW: usize = 10;
const MANY: usize = 1_000;
/// Rounds before the one that is measured: every list has had its size by then.
const WARM: usize = 5;
/// Tables that remember a leader's orders, reports, executions and causes grow by what the leader does: one each at
/// most, whoever copies it. A frame has its TransactTime(60) as text.
const OF_THE_FILL_MAX: u64 = 5;

/// How long an open that was rejected is tried again.
const RETRY_MS: i64 = 60_000;

/// A leader's fill: bought or sold, how much, and the messages that each follower is sent for it.
type Step = (bool, u32, usize);

fn no_change(_: &mut Value) {}

fn limits(sub: &mut Value, set: Value) {
    sub["limits"]["default"] = set;
}

/// Runs the round until it is warm, and once more. For each fill of the last: allocations with frames and in a replay.
fn measured(followers: usize, change: Change, told: &[&str], round: &[Step]) -> Vec<(u64, u64)> {
    let mut rig = Rig::new(followers, change);
    told.iter().for_each(|command| rig.operator(followers, command));
    let mut last = Vec::new();
    for _ in 0..=WARM {
        last.clear();
        for (buys, qty, each) in round {
            let (sent, calls) = rig.leader(*buys, *qty);
            assert_eq!(sent.len(), followers * each, "{buys} {qty}");
            last.push(calls);
            rig.fill(sent);
        }
    }
    let replayed = rig.replayed();
    let from = replayed.len() - round.len();
    last.into_iter().zip(replayed[from..].iter().copied()).collect()
}

/// A thousand followers ask for as much memory as ten do: none of it is for a follower.
fn asks_for_nothing(change: Change, round: &[Step]) {
    asks_for_nothing_when_told(change, &[], round);
}

/// The same after commands of an operator; `*` in one stands for every follower in turn.
fn asks_for_nothing_when_told(change: Change, told: &[&str], round: &[Step]) {
    let (few, many) = (measured(FEW, change, told, round), measured(MANY, change, told, round));
    assert_eq!(few, many, "allocations of {FEW} followers and of {MANY}");
    assert!(many.iter().all(|(live, replay)| live.max(replay) <= &OF_THE_FILL_MAX), "{many:?}");
}

/// Market orders that open, add, reduce and close.
#[test]
fn opens_and_closes_ask_for_no_memory_per_follower() {
    asks_for_nothing(no_change, &[(true, 10, 1), (true, 20, 1), (false, 5, 1), (false, 25, 1)]);
}

/// A flip is a close and an open for each follower.
#[test]
fn flips_ask_for_no_memory_per_follower() {
    asks_for_nothing(no_change, &[(true, 10, 1), (false, 20, 2), (true, 10, 1)]);
}

/// At `max_position` every follower refuses, and the leader's close closes what is held.
#[test]
fn refusals_ask_for_no_memory_per_follower() {
    let refuses: Change = |s| limits(s, json!({"max_position_lots": "5", "on_breach": "refuse"}));
    asks_for_nothing(refuses, &[(true, 3, 1), (true, 10, 0), (true, 3, 0), (false, 16, 1)]);
    let clips: Change = |s| limits(s, json!({"max_position_lots": "5", "on_breach": "clip"}));
    asks_for_nothing(clips, &[(true, 3, 1), (true, 10, 1), (true, 3, 0), (false, 16, 1)]);
    let leaves_out: Change = |s| s["filters"] = json!({"side": "short"});
    asks_for_nothing(leaves_out, &[(true, 3, 0), (false, 3, 0)]);
    let killed = r#"{"cmd":"kill","who":"anna"}"#;
    asks_for_nothing_when_told(no_change, &[killed], &[(true, 3, 0), (false, 3, 0)]);
}

/// Every limit of every scope, and none is reached: what they compare and count is in lists that all followers share.
#[test]
fn limits_ask_for_no_memory_per_follower() {
    let limited: Change = |s| s[LIMITED] = json!(true);
    let told = [r#"{"cmd":"clock","error_us":9}"#, r#"{"cmd":"account","account":"f*","equity":"1000000"}"#];
    asks_for_nothing_when_told(
        limited,
        &told,
        &[(true, 10, 1), (true, 20, 1), (false, 5, 1), (false, 25, 1)],
    );
}

/// Limit orders with a price of their own, the smallest lot, and amounts that a leader's order is given.
#[test]
fn prices_and_rules_ask_for_no_memory_per_follower() {
    let limit: Change = |s| {
        s["order_type"] = json!("limit");
        s["max_slippage_bps"] = json!("5");
    };
    asks_for_nothing(limit, &[(true, 7, 1), (true, 7, 1), (false, 14, 1)]);
    let smallest: Change = |s| {
        s["sizing"]["k"] = json!("0.5");
        s["rounding"] = json!("min_lot_if_nonzero");
    };
    asks_for_nothing(smallest, &[(true, 1, 1), (true, 3, 1), (false, 4, 1)]);
    let equity: Change = |s| s["sizing"] = json!({"mode": "equity", "k": "1"});
    let leader = r#"{"cmd":"account","account":"l","equity":"1000"}"#;
    let followers = r#"{"cmd":"account","account":"f*","equity":"2000"}"#;
    asks_for_nothing_when_told(equity, &[leader, followers], &[(true, 7, 1), (true, 7, 1), (false, 14, 1)]);
    // One list for the rules of all, and two tables more: the order has something to remember.
    let amount: Change = |s| s["sizing"] = json!({"mode": "fixed", "lots": "3"});
    asks_for_nothing(amount, &[(true, 7, 1), (true, 7, 1), (false, 14, 1)]);
}

/// What a hedging leader's order names is remembered once, whoever copies it: its name, the position's where that is new,
/// and their places in three tables.
#[test]
fn a_hedging_leaders_positions_ask_for_no_memory_per_follower() {
    let hedges: Change = |s| s[HEDGES] = json!(true);
    let round: [Step; 4] = [(true, 10, 1), (true, 20, 1), (false, 5, 1), (false, 25, 1)];
    let (few, many) = (measured(FEW, hedges, &[], &round), measured(MANY, hedges, &[], &round));
    assert_eq!(few, many, "allocations of {FEW} followers and of {MANY}");
    let most = OF_THE_FILL_MAX + 5;
    assert!(many.iter().all(|(live, replay)| live.max(replay) <= &most), "{many:?}");
}

/// A position of 28 lots closes in four orders of 7 for each follower. There is room ahead for two orders of each
/// line: of 4,000 orders in chunks of 256, eight chunks are made while they are needed, which is one for 500 followers.
#[test]
fn a_close_in_many_parts_asks_for_a_chunk_beyond_what_is_ahead() {
    let parts: Change = |s| limits(s, json!({"max_order_qty_lots": "7"}));
    let round: [Step; 5] = [(true, 7, 1), (true, 7, 1), (true, 7, 1), (true, 7, 1), (false, 28, 4)];
    let (few, many) = (measured(FEW, parts, &[], &round), measured(MANY, parts, &[], &round));
    let more: Vec<_> = few.iter().zip(&many).map(|(few, many)| (many.0 - few.0, many.1 - few.1)).collect();
    assert_eq!(more, [(0, 0), (0, 0), (0, 0), (0, 0), (8, 8)]);
    // Two parts have their room.
    asks_for_nothing(parts, &[(true, 7, 1), (true, 7, 1), (false, 14, 2)]);
}

/// Opens that the broker has acknowledged and not filled are canceled when the leader is flat again. Each cancel is
/// timed, and the timers are a tree: a node for about six of them, and nothing else.
#[test]
fn cancels_ask_for_a_node_for_every_six_timers() {
    let measured = |followers: usize| {
        let mut rig = Rig::new(followers, no_change);
        let mut last = 0;
        for _ in 0..=WARM {
            let opens = rig.leader(true, 10).0;
            rig.answer(&opens, NEW);
            let (cancels, calls) = rig.leader(false, 10);
            assert!(cancels.len() == followers && cancels.iter().all(|s| s.kind == SendKind::Cancel));
            last = calls;
            // They came too late: what was filled is closed.
            rig.fill(opens);
        }
        last
    };
    let more = measured(MANY) - measured(FEW);
    let nodes = (MANY - FEW) as u64;
    assert!(more > nodes / 8 && more < nodes / 5, "{more} more for {} followers more", MANY - FEW);
}

/// What a broker rejected waits to be tried again; what the leader adds meanwhile waits with it.
#[test]
fn opens_that_wait_ask_for_no_memory_per_follower() {
    let retries: Change = |s| {
        s["on_reject"] = json!("retry");
        s["retry_window_ms"] = json!(RETRY_MS);
    };
    let measured = |followers: usize| {
        let mut rig = Rig::new(followers, retries);
        let mut last = vec![];
        for _ in 0..=WARM {
            let (opens, first) = rig.leader(true, 10);
            rig.answer(&opens, REJECTED);
            let (more, added) = rig.leader(true, 10);
            let (closes, closed) = rig.leader(false, 20);
            assert_eq!((opens.len(), more.len(), closes.len()), (followers, 0, 0));
            last = vec![first, added, closed];
            rig.pass(RETRY_MS);
        }
        last
    };
    assert_eq!(measured(FEW), measured(MANY));
}

/// Up to four orders of a line that the broker has not answered lie in the line itself. The fifth makes a list of it
/// for good: one for each follower, which has room for what comes.
#[test]
fn the_fifth_order_on_its_way_makes_one_list_per_follower() {
    let measured = |followers: usize| -> Vec<u64> {
        let mut rig = Rig::new(followers, no_change);
        let mut calls = Vec::new();
        for round in 0..2 {
            let mut sent: Vec<Sent> = Vec::new();
            for _ in 0..6 {
                let (orders, of_this) = rig.leader(true, 1);
                assert_eq!(orders.len(), followers, "round {round}");
                sent.extend(orders);
                calls.push(of_this);
            }
            rig.fill(sent);
            let closes = rig.leader(false, 6).0;
            rig.fill(closes);
        }
        calls
    };
    let more: Vec<u64> =
        measured(FEW).iter().zip(measured(MANY)).skip(1).map(|(few, many)| many - few).collect();
    assert_eq!(more, [0, 0, 0, (MANY - FEW) as u64, 0, 0, 0, 0, 0, 0, 0]);
}

/// The first fill of all, which is not warm: lists of all followers double up to their size, no follower has its own.
#[test]
fn the_first_fill_grows_lists_of_all_followers() {
    let first = |followers| Rig::new(followers, no_change).leader(true, 10).1;
    let (few, many) = (first(FEW), first(MANY));
    assert!(many - few < 40, "{few} for {FEW} followers, {many} for {MANY}");
}
