//! What must hold after every event, for every message that leaves, and at rest (design 02, "Properties").

use crate::broker::field;
use crate::leaders::Leaders;
use crate::setup::{FOLLOWERS, Rule, SCOPES, SYMBOLS, Setup, Version};
use crate::way::Way;
use crate::world::MS;
use fastcore::decimal::Dec;
use fastcore::engine::{Engine, LineState, State};
use fastcore::link::{self, Frame, SendKind};
use fastcore::order::Order;
use std::collections::{BTreeMap, BTreeSet};

/// Longest time that an open may take, from the leader's trade to our route.
const MAX_AGE_NS: i64 = 60_000 * MS;
/// Fixed-point rounding that an amount's parts may add up to, raw.
const DUST: i128 = 1_000;

/// What a ledger line was, to compare with after an event; units as raw decimals.
#[derive(Clone, Copy, Default)]
struct Was {
    target: i128,
    lo: i128,
    hi: i128,
}

/// What people did to one subscription.
#[derive(Clone, Copy, Debug, Default)]
pub struct Life {
    /// Level of its pause.
    pub pause: usize,
    /// The rule by which it leaves.
    pub leaves: Option<&'static str>,
}

impl Life {
    fn kept(self) -> bool {
        self.leaves == Some("keep")
    }
}

/// What the world notes beside the engine.
#[derive(Default)]
pub struct Books {
    /// The leader order that is being told about; its leader and symbol, where a trade is taken back or corrected.
    pub told: Option<(usize, Option<(usize, usize)>)>,
    /// Several rows are applied one after another: what was true for an order may not be after the last of them.
    pub several: bool,
    /// The level of each stop, until somebody releases it.
    pub stops: [usize; SCOPES.len()],
    /// By subscription.
    pub lives: [Life; 3],
    /// The subscription that a command of this event is for.
    pub commanded: Option<usize>,
    /// Subscriptions that joined or were resynced in this event.
    pub asked: BTreeSet<usize>,
    /// All of them: subscription, symbol, when, and the leader's position of then.
    asks: Vec<(usize, usize, i64, i64)>,
    /// Lines whose leader took a trade back, until somebody has looked.
    pub held: BTreeSet<usize>,
    /// Equity of each follower; each leader has 1000.
    pub equity: [i64; FOLLOWERS],
    lines: Vec<Was>,
    /// The ratio that each leader order was copied by first, in thousandths, and whether it opened anything yet.
    ratios: BTreeMap<(usize, usize), (i64, bool)>,
    /// What each leader order added to each line's target.
    opened: BTreeMap<(usize, usize), i128>,
}

/// The engine before an event.
pub struct Before {
    /// By leader, by symbol.
    positions: Vec<Vec<i128>>,
    filled: Vec<i128>,
    targets: Vec<i128>,
    /// Opens wait for these lines: something works, or its cancel is open, since before.
    busy: Vec<Vec<(u32, bool)>>,
    orders: usize,
}

fn raw(units: i64) -> i128 {
    i128::from(units) * Dec::ONE.raw()
}

/// Leader positions as the engine knows them.
fn positions(st: &State) -> Vec<Vec<i128>> {
    let of = |l: &fastcore::engine::LeaderState| {
        (0..SYMBOLS.len()).map(|s| l.positions.get(&(s as u32)).map_or(0, |p| p.raw())).collect()
    };
    st.leaders.iter().map(of).collect()
}

/// What a line can come to hold on one side.
fn entered(line: &fastcore::ledger::Line, buy: bool) -> i128 {
    let (working, held) =
        if buy { (line.working_buy, line.filled.raw()) } else { (line.working_sell, -line.filled.raw()) };
    (working.raw() + held).max(0)
}

/// Its cancel is not answered.
fn asked(o: &Order) -> bool {
    o.cancel_id.is_some()
}

impl Books {
    pub fn before(&self, engine: &Engine) -> Before {
        let st = engine.state();
        let filled = st.lines.iter().map(|l| l.line.filled.raw()).collect();
        let targets = st.lines.iter().map(|l| l.line.target).collect();
        let busy =
            st.lines.iter().map(|l| l.live.iter().map(|o| (*o, asked(&st.orders[*o as usize]))).collect());
        Before { positions: positions(st), filled, targets, busy: busy.collect(), orders: st.orders.len() }
    }

    /// What the leader holds of which targets were set now.
    pub fn note_asked(&mut self, engine: &Engine, setup: &Setup, now: i64) {
        let held = positions(engine.state());
        for sub in &self.asked {
            let of = &held[setup.rules[*sub].leader];
            let units = |p: i128| i64::try_from(p / Dec::ONE.raw()).unwrap();
            self.asks.extend(of.iter().enumerate().map(|(symbol, p)| (*sub, symbol, now, units(*p))));
        }
    }

    pub fn check(&mut self, engine: &Engine, setup: &Setup, v: Version, by_leader: bool, before: Before) {
        let st = engine.state();
        let after = positions(st);
        self.lines.resize(st.lines.len(), Was::default());
        for (at, l) in st.lines.iter().enumerate() {
            let rule = &setup.rules[l.sub as usize];
            let of = |p: &[Vec<i128>]| p[rule.leader][l.instrument as usize];
            let (p, was) = (of(&after), of(&before.positions));
            if self.lives[l.sub as usize].kept() {
                kept(at, l, st, setup, before.orders);
                self.lines[at].target = l.line.target;
                continue;
            }
            assert!(p != 0 || l.line.target == 0, "P = 0 but T = {}", l.line.target);
            let leader_grew = by_leader && (p.abs() > was.abs() || p.signum() * was.signum() < 0);
            let grew = if leader_grew {
                if p.signum() * was.signum() < 0 { p.abs() } else { p.abs() - was.abs() }
            } else {
                0
            };
            self.target(at, l, setup, v, grew);
            let told = self.commanded == Some(l.sub as usize) || self.asked.contains(&(l.sub as usize));
            if !by_leader && !self.several && !told {
                self.given_up(l, setup, before.targets.get(at).copied().unwrap_or(0));
            }
            works(st, l);
            self.hull(at, l, st, setup, rule);
        }
        if let Some((_, Some((leader, symbol)))) = self.told
            && after[leader][symbol] != before.positions[leader][symbol]
        {
            self.hold(st, setup, leader, symbol);
        }
        for n in before.orders..st.orders.len() {
            self.made(st, &st.orders[n], setup, v, &before);
        }
    }

    /// Only a leader increase enlarges the target; one order of an amount never by more than that amount, and by account
    /// values never by more than they were worth when the order began to be copied.
    fn target(&mut self, at: usize, l: &LineState, setup: &Setup, v: Version, leader_grew: i128) {
        let rule = &setup.rules[l.sub as usize];
        let (was, now) = (self.lines[at].target, l.line.target);
        let flips = now.signum() * was.signum() < 0;
        let grew = if flips { now.abs() } else { (now.abs() - was.abs()).max(0) };
        let asked = grew > 0 && self.asked.contains(&(l.sub as usize));
        assert!(
            grew == 0 || leader_grew > 0 || asked,
            "T grew from {was} to {now} without a leader increase"
        );
        if asked {
            let held = self.asks.iter().rev().find(|a| a.0 == l.sub as usize && a.1 == l.instrument as usize);
            let worth = raw(rule.worth(held.map_or(0, |a| a.3.abs()), 1));
            assert!(
                now.abs() * i128::from(setup.step) <= worth + DUST,
                "T = {now} of a position worth {worth}"
            );
        }
        self.lines[at].target = now;
        let Some((order, _)) = self.told.filter(|_| leader_grew > 0) else { return };
        let grew = grew * i128::from(setup.step);
        if let Some(amount) = rule.amount() {
            let sum = self.opened.entry((at, order)).or_default();
            *sum += grew;
            assert!(
                *sum <= raw(amount) + DUST,
                "a leader order opened {}, not {amount}",
                Dec::from_raw(*sum)
            );
        }
        if let Some(ratio) = rule.ratio(self.equity[rule.follower], v) {
            let first = self.ratios.entry((at, order)).or_insert((ratio, false));
            // Refused or given up at once, it leaves no trace here: frozen it may be, or not yet.
            first.0 = if first.1 { first.0 } else { first.0.max(ratio) };
            first.1 |= grew > 0;
            let most = leader_grew * i128::from(first.0) / 1_000 + DUST;
            assert!(grew <= most, "T grew by {}, at first it was {} ‰", Dec::from_raw(grew), first.0);
        }
    }

    /// What is not the leader's doing takes off the target only what no order stands for.
    fn given_up(&self, l: &LineState, setup: &Setup, before: i128) {
        let now = l.line.target;
        if now.abs() < before.abs() {
            let side = before > 0;
            let committed = entered(&l.line, side);
            let rounding = raw(setup.step).max(raw(setup.min));
            let left = now.abs() * i128::from(setup.step) + rounding;
            let least = committed.min(before.abs() * i128::from(setup.step));
            assert!(
                left >= least,
                "T fell from {before} to {now}: {} is held or works",
                Dec::from_raw(committed)
            );
        }
    }

    /// `filled` stays among the targets since the line was flat.
    fn hull(&mut self, at: usize, l: &LineState, st: &State, setup: &Setup, rule: &Rule) {
        let (line, b) = (&l.line, &mut self.lines[at]);
        if line.filled.is_zero() && line.target == 0 && l.live.is_empty() {
            (b.lo, b.hi) = (0, 0);
        }
        let slack = match rule.rounding {
            "nearest" => raw(setup.step) / 2,
            "min_lot_if_nonzero" => raw(setup.min),
            _ => raw(setup.step) / 1_000_000,
        };
        // A broker's bust moves what is held without us; what is told out of order after it, counts late.
        let busted = st.orders.iter().filter(|o| o.line as usize == at && !o.busted.is_zero());
        let slack = slack + busted.map(|o| o.qty.raw() + o.busted.raw()).sum::<i128>();
        let (target, filled) = (line.target * i128::from(setup.step), line.filled.raw());
        (b.lo, b.hi) = (b.lo.min(target), b.hi.max(target));
        let (lo, hi) = (Dec::from_raw(b.lo), Dec::from_raw(b.hi));
        let inside = filled >= b.lo - slack && filled <= b.hi + slack;
        assert!(inside, "filled {} is outside of its targets {lo}..{hi}", line.filled);
    }

    /// An order as it is made: a close never asks for more than is held; an open keeps to the grid and every limit.
    fn made(&mut self, st: &State, o: &Order, setup: &Setup, v: Version, before: &Before) {
        let at = o.line as usize;
        let (l, qty) = (&st.lines[at], o.qty.raw());
        let rule = &setup.rules[l.sub as usize];
        if o.reduces {
            let held = [l.line.filled.raw(), before.filled.get(at).copied().unwrap_or(0)];
            let most = held.into_iter().map(|h| if o.buy { -h } else { h }).max().unwrap_or(0);
            assert!(self.several || qty <= most, "a close of {} of {}", o.qty, Dec::from_raw(most));
            assert!(self.level(l, setup) < 3, "a close while its line is halted");
            return;
        }
        assert!(self.level(l, setup) < 1, "an open while its line is stopped");
        assert!(self.lives[l.sub as usize].leaves.is_none(), "an open after its subscription left");
        // Nothing that was there before the event and is still there may be in its way.
        let busy =
            before.busy.get(at).into_iter().flatten().map(|(n, cancel)| (&st.orders[*n as usize], *cancel));
        for (x, cancel) in busy.filter(|(x, _)| !x.state.is_done() && !self.several) {
            assert!(x.buy == o.buy, "an open while {:?} works the other way", x.cl_ord_id);
            assert!(!(cancel && asked(x)), "an open while a cancel is open");
            assert!(x.state != fastcore::order::State::Unknown, "an open while an order is unknown");
        }
        assert!(!self.held.contains(&at), "an open after a bust that nobody has looked at");
        assert!(qty >= raw(setup.min) && qty % raw(setup.step) == 0, "an open of {}", o.qty);
        assert!(setup.max.is_none_or(|m| qty <= raw(m)), "an open of {} beyond max_lot", o.qty);
        let bound = |b: Option<i64>| b.filter(|_| !v.unbound).map(raw);
        assert!(bound(rule.max_order).is_none_or(|m| qty <= m), "an open of {} beyond max_order_qty", o.qty);
        if !self.several {
            let mine = entered(&l.line, o.buy);
            assert!(bound(rule.max_position).is_none_or(|m| mine <= m), "beyond max_position: {mine}");
            let same = |x: &&LineState| {
                setup.rules[x.sub as usize].follower == rule.follower
                    && x.follower_instrument == l.follower_instrument
            };
            let all: i128 = st.lines.iter().filter(same).map(|x| entered(&x.line, o.buy)).sum();
            assert!(setup.follower_max.is_none_or(|m| all <= raw(m)), "beyond the follower's: {all}");
        }
    }

    /// A leader's trade was taken back or corrected: nothing that copies it may open.
    fn hold(&mut self, st: &State, setup: &Setup, leader: usize, symbol: usize) {
        for (at, l) in st.lines.iter().enumerate() {
            if setup.rules[l.sub as usize].leader == leader && l.instrument as usize == symbol {
                self.held.insert(at);
            }
        }
    }

    /// The level that a line is stopped at: each follower has a route of its own number.
    fn level(&self, l: &LineState, setup: &Setup) -> usize {
        let rule = &setup.rules[l.sub as usize];
        let (leader, follower) = (1 + rule.leader, 3 + rule.follower);
        let (route, symbol) = (5 + rule.follower, 7 + l.instrument as usize);
        let life = self.lives[l.sub as usize];
        let own = if life.leaves.is_some() { 2 } else { life.pause };
        [0, leader, follower, route, symbol].into_iter().map(|s| self.stops[s]).max().unwrap_or(0).max(own)
    }

    /// A frame as it is handed over: a switch holds for what was made before it as well.
    pub fn hands_over(&self, frame: &[u8], engine: &Engine, setup: &Setup) {
        let Ok(Frame::Orders(orders)) = link::decode(frame) else { return };
        for x in orders.iter().filter(|x| x.kind == SendKind::New) {
            let order = engine.state().orders.iter().find(|o| o.cl_ord_id[..] == *x.cl_ord_id.as_bytes());
            let order = order.expect("an order of ours");
            let at = order.line as usize;
            let most = if order.reduces { 2 } else { 0 };
            let level = self.level(&engine.state().lines[at], setup);
            assert!(level <= most, "handed over while its line is stopped: {order:?}");
            assert!(order.reduces || !self.held.contains(&at), "an open is handed over after a bust");
        }
    }

    /// A message as it leaves. An open is never older than the leader's trades that ask for it, and never more than
    /// those are worth; a limit is where the allowed slippage is.
    pub fn sent(&self, fix: &[u8], engine: &Engine, setup: &Setup, leaders: &Leaders, now: i64) {
        let text = String::from_utf8_lossy(fix);
        if field(&text, "35") != "D" {
            return;
        }
        let st = engine.state();
        let order = st.orders.iter().find(|o| o.cl_ord_id[..] == *field(&text, "11").as_bytes());
        let order = order.expect("an order of ours");
        let (l, qty) = (&st.lines[order.line as usize], field(&text, "38"));
        let rule = &setup.rules[l.sub as usize];
        assert_eq!(SYMBOLS[l.instrument as usize], field(&text, "55"));
        if order.reduces && setup.limits_only {
            let (px, ticks) = (order.px.expect("a limit").raw(), Dec::ONE.raw() / 10_000);
            assert!(
                px > 0 && px % ticks == 0 && field(&text, "59") == "3",
                "a close at {}",
                field(&text, "44")
            );
            return;
        }
        // By the leader's trade, or by the quote of a join or resync.
        let px = match (rule.limit && !order.reduces, order.buy) {
            (false, _) => [""; 2],
            (true, true) => ["1.1055", "10.05"],
            (true, false) => ["1.0945", "9.95"],
        };
        let found = field(&text, "44");
        let quoted = self.asks.iter().any(|a| a.0 == l.sub as usize);
        assert!(found == px[0] || quoted && found == px[1], "price {found}");
        if order.reduces {
            return;
        }
        let wanted = order.buy != rule.reverse;
        let young = leaders.executions.iter().filter(|e| {
            let o = &leaders.orders[e.order];
            let same = o.leader == rule.leader && o.symbol == l.instrument as usize && o.buy == wanted;
            same && e.at_ns + MAX_AGE_NS > now
        });
        let units: i64 = young.clone().map(|e| e.most).sum();
        let side = |p: i64| p != 0 && (p > 0) == wanted;
        let asks = self.asks.iter().filter(|a| a.0 == l.sub as usize && a.1 == l.instrument as usize);
        let asks = asks.filter(|a| side(a.3) && a.2 + MAX_AGE_NS > now);
        let held: i64 = asks.clone().map(|a| rule.worth(a.3.abs(), 1)).sum();
        assert!(units > 0 || asks.count() > 0, "an open leaves, and every trade that asks for it is too old");
        let orders: BTreeSet<usize> = young.map(|e| e.order).collect();
        // What was too little for an order stays in the target, and counts with the next increase.
        let worth = rule.worth(units, orders.len() as i64) + held + 2 * setup.min + setup.step;
        let qty: i64 = qty.parse().expect("whole units");
        assert!(qty <= worth, "an open of {qty}, and the trades that are not too old are worth {worth}");
    }

    pub fn at_rest(&self, engine: &Engine, setup: &Setup, ways: &[Way]) {
        let st = engine.state();
        let after = positions(st);
        let mut held = BTreeMap::new();
        for l in &st.lines {
            let (line, rule) = (&l.line, &setup.rules[l.sub as usize]);
            let p = after[rule.leader][l.instrument as usize];
            assert!(line.quiet() && l.live.is_empty(), "orders are left: {line:?}");
            let bound = raw(setup.min);
            // Shown to a person, and only less than a minimum lot.
            let told = st.alerts.contains_key("stuck_residue");
            let stuck = l.stuck_residue && told && line.filled.raw().abs() < bound;
            let life = self.lives[l.sub as usize];
            let ends = p == 0 && !life.kept() || life.leaves == Some("close_now");
            assert!(!ends || stuck || line.filled.is_zero(), "to be flat, follower holds {}", line.filled);
            let target = line.target * i128::from(setup.step);
            let off = (line.filled.raw() - target).abs();
            let within = off < if stuck { 2 * bound } else { bound };
            assert!(within, "filled {} is off its target {}", line.filled, Dec::from_raw(target));
            *held.entry((rule.follower, l.follower_instrument as usize)).or_insert(0) += line.filled.raw();
        }
        for (f, way) in ways.iter().enumerate() {
            for (s, symbol) in SYMBOLS.iter().enumerate() {
                let ours = held.get(&(f, s)).copied().unwrap_or(0);
                assert_eq!(
                    ours,
                    raw(way.broker.position(symbol)),
                    "the books of broker {f} in {symbol} differ"
                );
            }
        }
    }
}

/// What works is what the live orders leave.
fn works(st: &State, l: &LineState) {
    let live = l.live.iter().map(|o| &st.orders[*o as usize]);
    let sum = |buy: bool, closes: bool| {
        let mine = live.clone().filter(|o| o.buy == buy && (!closes || o.reduces));
        mine.map(|o| o.leaves().raw()).sum::<i128>()
    };
    let line = &l.line;
    assert_eq!(line.working_buy.raw(), sum(true, false), "working buys");
    assert_eq!(line.working_sell.raw(), sum(false, false), "working sells");
    assert_eq!(line.closing_buy.raw(), sum(true, true), "closing buys");
    assert_eq!(line.closing_sell.raw(), sum(false, true), "closing sells");
}

/// What is kept is its own target, whatever the leader does, and nothing of it is worked.
fn kept(at: usize, l: &LineState, st: &State, setup: &Setup, orders: usize) {
    let made = st.orders.iter().skip(orders).filter(|o| o.line as usize == at).count();
    assert_eq!(made, 0, "an order of what was kept");
    let step = i128::from(setup.step);
    let off = l.line.target * step - l.line.filled.raw();
    assert!(off.abs() <= step, "kept {}, and T = {}", l.line.filled, l.line.target);
    works(st, l);
}
