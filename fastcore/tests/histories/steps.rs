//! The steps of a history, and what each of them does to the world.

use crate::setup::{FOLLOWERS, LEADERS, SYMBOLS, Told, Version};
use crate::world::World;

/// One thing that happens. Small numbers pick among what there is: they mean something in every state, so that
/// a history stays a history when steps are taken out of it.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    Order {
        of: (usize, usize),
        buy: bool,
        qty: i64,
    },
    Trade {
        of: (usize, usize),
        buy: bool,
        qty: i64,
    },
    Fill {
        order: u8,
        qty: i64,
    },
    Cancel {
        order: u8,
    },
    Replace {
        order: u8,
        more: i64,
    },
    GoFlat {
        of: (usize, usize),
    },
    /// Two fills of one order, `ms` apart; the second is heard first.
    Overtaken {
        of: (usize, usize),
        buy: bool,
        qty: i64,
        ms: i64,
    },
    Equity {
        follower: usize,
        value: i64,
    },
    Amend {
        execution: u8,
        qty: i64,
    },
    /// A fill and its bust or correction, which is heard first.
    AmendFirst {
        of: (usize, usize),
        buy: bool,
        qty: i64,
        to: i64,
    },
    Resume,
    Hear {
        order: u8,
        which: u8,
    },
    HearAll,
    Again {
        order: u8,
        which: u8,
    },
    Copied,
    Way {
        way: usize,
        what: OnWay,
    },
    Broker {
        way: usize,
        order: u8,
        what: AtBroker,
    },
    Wait {
        ms: i64,
    },
    KillCore {
        snapshot: u8,
    },
    Reload {
        to: Version,
    },
    /// Stops one scope at a level, or releases it at level 0.
    Stop {
        scope: usize,
        level: usize,
    },
    Life {
        sub: u8,
        told: Told,
    },
}

/// What happens between the core and one broker.
#[derive(Clone, Copy, Debug)]
pub enum OnWay {
    Takes,
    Rows,
    LoseFrame,
    LoseMessage,
    Bars { reason: u8 },
    Says,
    Position { symbol: usize },
    Swap,
    Repeat,
    Gap,
    Session { up: bool },
    Link { up: bool },
    KillRoute,
    LoseLog,
}

/// What a broker does with one of its orders.
#[derive(Clone, Copy, Debug)]
pub enum AtBroker {
    Acknowledge,
    Fill { qty: i64 },
    End { how: char },
    Decline { keep: i64 },
    CancelAnswer { accept: bool },
    Bust,
}

fn pick(n: u8, len: usize) -> Option<usize> {
    if len == 0 { None } else { Some(usize::from(n) % len) }
}

pub fn happen(w: &mut World, step: Step) {
    w.tell(|| format!("{step:?}"));
    match step {
        Step::Order { of: (leader, symbol), buy, qty } => {
            w.leaders.order(leader, symbol, buy, qty);
        }
        Step::Trade { of, buy, qty } => trade(w, of, buy, qty),
        Step::Fill { order, qty } => {
            let open: Vec<usize> =
                (0..w.leaders.orders.len()).filter(|o| !w.leaders.orders[*o].done).collect();
            if let Some(i) = pick(order, open.len()) {
                w.leaders.fill(open[i], qty);
            }
        }
        Step::Cancel { order } => {
            if let Some(o) = pick(order, w.leaders.orders.len()) {
                w.leaders.cancel(o);
            }
        }
        Step::Replace { order, more } => {
            let open: Vec<usize> =
                (0..w.leaders.orders.len()).filter(|o| !w.leaders.orders[*o].done).collect();
            if let Some(i) = pick(order, open.len()) {
                w.leaders.replace(open[i], more);
            }
        }
        Step::GoFlat { of } => go_flat(w, of),
        Step::Overtaken { of: (leader, symbol), buy, qty, ms } => {
            let o = w.leaders.order(leader, symbol, buy, qty + 1);
            w.hear(o, 0);
            w.leaders.fill(o, qty);
            w.wait(ms);
            w.leaders.fill(o, 1);
            w.hear(o, 2);
        }
        Step::AmendFirst { of: (leader, symbol), buy, qty, to } => {
            let o = w.leaders.order(leader, symbol, buy, qty + 1);
            w.hear(o, 0);
            w.leaders.fill(o, qty);
            w.leaders.amend(w.leaders.executions.len() - 1, to);
            if w.leaders.orders[o].told.len() > 2 {
                w.hear(o, 2);
            }
        }
        Step::Amend { execution, qty } => {
            if let Some(e) = pick(execution, w.leaders.executions.len()) {
                w.leaders.amend(e, qty);
            }
        }
        Step::Hear { order, which } => hear(w, order, which),
        Step::HearAll => hear_all(w),
        Step::Again { order, which } => again(w, order, which),
        _ => at_ours(w, step),
    }
}

fn at_ours(w: &mut World, step: Step) {
    match step {
        Step::Resume => {
            w.books.held.clear();
            for l in 0..LEADERS {
                w.operator(&format!(r#"{{"cmd":"bust_resume","who":"ann","leader":"l{l}"}}"#));
            }
        }
        Step::Wait { ms } => w.wait(ms),
        Step::Equity { follower, value } => w.equity(&format!("f{follower}"), value),
        Step::Stop { scope, level } => w.stop(scope, level),
        Step::Life { sub, told } => {
            if let Some(sub) = pick(sub, w.listed()) {
                w.life(sub, told);
            }
        }
        Step::Copied => {
            hear_all(w);
            for way in 0..FOLLOWERS {
                while w.route_takes(way) {}
                w.drain_rows(way);
            }
        }
        Step::KillCore { snapshot } => w.restart_core(snapshot),
        Step::Reload { to } => w.reload(to),
        Step::Way { way, what } => on_the_way(w, way, what),
        Step::Broker { way, order, what } => at_the_broker(w, way, order, what),
        other => unreachable!("{other:?}"),
    }
}

fn on_the_way(w: &mut World, way: usize, what: OnWay) {
    match what {
        OnWay::Takes => {
            w.route_takes(way);
        }
        OnWay::Rows => {
            w.drain_rows(way);
        }
        OnWay::LoseFrame => w.lose_frame(way),
        OnWay::LoseMessage => w.ways[way].lose_next = true,
        OnWay::Bars { reason } => w.bars(way, reason),
        OnWay::Says => {
            while w.broker_says(way) {}
            w.drain_rows(way);
        }
        OnWay::Position { symbol } if w.setup.positions => w.ways[way].broker.volunteer(SYMBOLS[symbol]),
        OnWay::Position { .. } => {}
        OnWay::Swap => {
            let broker = &mut w.ways[way].broker;
            let same = broker.says.len() > 1 && broker.says[0].0 == broker.says[1].0;
            if same && !broker.says[0].1.contains("|150=H|") {
                broker.says.swap(0, 1);
                broker.swapped = true;
            }
        }
        OnWay::Repeat => {
            if let Some(front) = w.ways[way].broker.says.front().cloned() {
                w.ways[way].broker.says.push_front(front);
            }
        }
        OnWay::Gap => {
            let now = w.now;
            if w.ways[way].gap(now) {
                w.tell(|| format!("broker {way} fills a gap over what was on its way"));
            }
        }
        OnWay::Session { up } => w.session(way, up),
        OnWay::Link { up } => w.link(way, up),
        OnWay::KillRoute => w.restart_route(way),
        OnWay::LoseLog => w.lose_log(way),
    }
}

fn at_the_broker(w: &mut World, way: usize, order: u8, what: AtBroker) {
    let broker = &mut w.ways[way].broker;
    let busts = matches!(what, AtBroker::Bust);
    let ids: Vec<&String> = broker.orders.iter().filter(|(_, o)| o.live || busts).map(|(id, _)| id).collect();
    let Some(id) = pick(order, ids.len()).map(|i| ids[i].clone()) else { return };
    match what {
        AtBroker::Acknowledge => broker.acknowledge(&id),
        AtBroker::Fill { qty } => broker.fill(&id, qty),
        AtBroker::End { how } => broker.end(&id, how),
        AtBroker::Decline { keep } => broker.decline(&id, keep),
        AtBroker::CancelAnswer { accept } => broker.answer_cancel(&id, accept),
        AtBroker::Bust => broker.bust(&id),
    }
}

fn trade(w: &mut World, (leader, symbol): (usize, usize), buy: bool, qty: i64) {
    let o = w.leaders.order(leader, symbol, buy, qty);
    w.leaders.fill(o, qty);
}

fn go_flat(w: &mut World, of: (usize, usize)) {
    let held = w.leaders.position(of.0, of.1);
    if held != 0 {
        trade(w, of, held < 0, held.abs());
    }
}

/// Every leader closes everything.
pub fn all_flat(w: &mut World) {
    for leader in 0..LEADERS {
        (0..SYMBOLS.len()).for_each(|symbol| go_flat(w, (leader, symbol)));
    }
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
    let fence = waiting.iter().position(|i| told[*i].fence);
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
