//! What one run of the engine came to: orders, fills, refusals, positions, profit and loss by ledger line.

use super::paper::order_of;
use super::prices::Trades;
use fastcore::action::{Decision, Outcome, Sink};
use fastcore::config::InstrumentConfig;
use fastcore::decimal::Dec;
use fastcore::engine::Engine;
use fastcore::engine::retire::Sent;
use fastcore::guard::Pnl;
use fastcore::order::State;
use fastcore::refusal::Code;
use fastcore::worth::Pays;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// What the engine told while it applied one event.
#[derive(Debug, Default)]
pub(crate) struct Told<const FRAMES: bool> {
    /// Frames for routes.
    pub(crate) frames: Vec<(u32, Vec<u8>)>,
    refusals: Vec<(u32, Code)>,
    /// ClOrdID(11), filled so far, price.
    fills: Vec<(Vec<u8>, Dec, Dec)>,
    /// A leader's trade: one of its subscriptions, instrument, price.
    traded: Option<(u32, String, Dec)>,
}

impl<const FRAMES: bool> Sink for Told<FRAMES> {
    const WANTS_DECISIONS: bool = true;
    const WANTS_FRAMES: bool = FRAMES;

    fn frame(&mut self, route: u32, frame: &[u8]) {
        if FRAMES {
            self.frames.push((route, frame.to_vec()));
        }
    }
    fn decision(&mut self, d: &Decision<'_>) {
        self.refusals.extend(d.refusals.iter().map(|r| (d.sub, r.code)));
        if let (None, Some(px)) = (&self.traded, d.px.filter(|px| px.is_positive())) {
            self.traded = Some((d.sub, d.instrument.to_owned(), px));
        }
    }
    fn outcome(&mut self, o: &Outcome<'_>) {
        match o.px {
            Some(px) if o.moved.is_some_and(|m| m.act == "fill") => {
                self.fills.push((o.cl_ord_id.to_vec(), o.cum_qty, px))
            }
            // No decision has it: the broker answers later.
            None if o.state == REJECTED => self.refusals.push((o.sub, Code::BrokerReject)),
            _ => {}
        }
    }
}

const REJECTED: &str = State::Rejected.name();

/// Fills of one ledger line.
#[derive(Debug, Default)]
struct Fills {
    held: Dec,
    pnl: Pnl,
}

/// Counts that the engine has kept since its beginning.
#[derive(Debug, Default)]
struct Before {
    sent: BTreeMap<u32, Sent>,
    executions: Vec<u64>,
    refusals: BTreeMap<Code, u64>,
    alerts: BTreeMap<String, u64>,
}

/// Counts of a run, from the moment where counting begins.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Prices of leaders' trades.
    pub(crate) trades: Trades,
    lines: Vec<Fills>,
    /// Filled so far, by order.
    booked: Vec<Dec>,
    /// By subscription.
    refusals: BTreeMap<u32, BTreeMap<Code, u64>>,
    before: Before,
}

/// Written for values that a broker told: they come in as commands of the comparison itself.
const OUR_OWN_ALERT: &str = "account";

impl Tally {
    /// Counts what one event told.
    pub(crate) fn take<const FRAMES: bool>(&mut self, engine: &Engine, told: &mut Told<FRAMES>) {
        if let Some((sub, instrument, px)) = told.traded.take() {
            self.trades.traded(engine, sub, &instrument, px);
        }
        for (sub, code) in told.refusals.drain(..) {
            let count = self.refusals.entry(sub).or_default().entry(code).or_insert(0);
            *count = count.saturating_add(1);
        }
        for (id, cum, px) in told.fills.drain(..) {
            self.fill(engine, &id, cum, px);
        }
    }

    fn fill(&mut self, engine: &Engine, id: &[u8], cum: Dec, px: Dec) -> Option<()> {
        let (at, order) = order_of(engine, id)?;
        if self.booked.len() <= at {
            self.booked.resize(at.saturating_add(1), Dec::ZERO);
        }
        let booked = self.booked.get_mut(at)?;
        let more = cum.checked_sub(*booked).filter(|q| q.is_positive())?;
        *booked = cum;
        let units = if order.buy { more } else { more.checked_neg()? };
        let line = order.line as usize;
        if self.lines.len() <= line {
            self.lines.resize_with(line.saturating_add(1), Fills::default);
        }
        let fills = self.lines.get_mut(line)?;
        let pays = pays_of(engine, order.line);
        fills.pnl.book(pays, fills.held, units, px, engine.state().at_ns);
        fills.held = fills.held.checked_add(units)?;
        Some(())
    }

    /// Counting begins now: what was earned and refused before is not counted.
    pub(crate) fn begin(&mut self, engine: &Engine) {
        let st = engine.state();
        self.refusals.clear();
        self.before = Before {
            sent: st.sent_by_line(),
            executions: st.leaders.iter().map(|l| l.executions).collect(),
            refusals: st.refusals.clone(),
            alerts: st.alerts.clone(),
        };
        for (fills, ls) in self.lines.iter_mut().zip(&st.lines) {
            let pays = pays_of_instrument(engine, ls.follower_instrument);
            let mark = self.trades.market(engine, ls, fills.held.is_negative());
            fills.pnl = Pnl::default();
            match mark {
                _ if fills.held.is_zero() => {}
                Some(px) => fills.pnl.start(pays, fills.held, px),
                None => fills.pnl.unknown = true,
            }
        }
    }

    /// Everything that was counted, as JSON: quantities in units, decimals as text.
    pub(crate) fn report(&self, engine: &Engine) -> Value {
        let (st, ix) = (engine.state(), engine.index());
        let mut sent = st.sent_by_line();
        for (line, before) in &self.before.sent {
            let sent = sent.entry(*line).or_default();
            sent.orders = sent.orders.saturating_sub(before.orders);
            sent.opened = sent.opened.checked_sub(before.opened).unwrap_or(sent.opened);
        }
        let refused = |sub: u32| -> Map<String, Value> {
            let own = self.refusals.get(&sub).into_iter().flatten();
            own.map(|(code, n)| (code.as_str().to_owned(), json!(n))).collect()
        };
        let mut lines: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
        for (at, ls) in (0_u32..).zip(&st.lines) {
            let line = self.line(engine, at, sent.get(&at).copied().unwrap_or_default());
            lines.entry(ls.sub).or_default().push(line);
        }
        let subs: Vec<Value> = (0_u32..)
            .zip(&ix.cfg.subscriptions)
            .map(|(n, s)| {
                json!({"name": s.name, "follower": s.follower, "leader": s.leader, "refusals": refused(n),
                    "lines": lines.remove(&n).unwrap_or_default()})
            })
            .collect();
        json!({"orders": sent.values().map(|s| s.orders).fold(0, u64::saturating_add), "refusals": self.all_refusals(engine),
            "alerts": self.alerts(engine), "leaders": self.leaders(engine), "subscriptions": subs})
    }

    fn line(&self, engine: &Engine, at: u32, sent: Sent) -> Value {
        let (st, ix) = (engine.state(), engine.index());
        let Some(ls) = st.lines.get(at as usize) else { return Value::Null };
        let instrument = |i: u32| ix.cfg.instruments.get(i as usize);
        let name = |i: u32| instrument(i).map_or("", |x| x.name.as_str());
        let theirs = instrument(ls.follower_instrument);
        let none = Fills::default();
        let fills = self.lines.get(at as usize).unwrap_or(&none);
        // A bust, or a fill without a price, is in the position and not in the fills: the rest says nothing then.
        let known = fills.held == ls.line.filled && !fills.pnl.unknown;
        let mark = self.trades.market(engine, ls, ls.line.filled.is_negative());
        let floating = if ls.line.filled.is_zero() {
            Some(Dec::ZERO)
        } else {
            let pays = pays_of_instrument(engine, ls.follower_instrument);
            mark.and_then(|px| fills.pnl.floating(pays, ls.line.filled, px))
        };
        let text = |d: Option<Dec>| d.filter(|_| known).map(|d| d.to_string());
        json!({"leader_instrument": name(ls.instrument), "instrument": name(ls.follower_instrument),
            "currency": theirs.map(|i: &InstrumentConfig| i.currency.clone()),
            "contract_size": theirs.map(|i| i.contract_size.to_string()),
            "orders": sent.orders, "opened": sent.opened.to_string(), "position": ls.line.filled.to_string(),
            "realised": text(Some(fills.pnl.realised)), "floating": text(floating)})
    }

    fn all_refusals(&self, engine: &Engine) -> Map<String, Value> {
        let since = |(code, n): (&Code, &u64)| {
            let before = self.before.refusals.get(code).copied().unwrap_or(0);
            (code.as_str().to_owned(), n.saturating_sub(before))
        };
        counted(engine.state().refusals.iter().map(since))
    }

    fn alerts(&self, engine: &Engine) -> Map<String, Value> {
        let since = |(code, n): (&String, &u64)| {
            let before = self.before.alerts.get(code).copied().unwrap_or(0);
            (code.clone(), n.saturating_sub(before))
        };
        counted(engine.state().alerts.iter().filter(|(code, _)| *code != OUR_OWN_ALERT).map(since))
    }

    fn leaders(&self, engine: &Engine) -> Vec<Value> {
        let (st, ix) = (engine.state(), engine.index());
        let before = self.before.executions.iter().copied().chain(std::iter::repeat(0));
        let each = ix.cfg.leaders.iter().zip(&st.leaders).zip(before);
        each.map(
            |((cfg, l), before)| json!({"name": cfg.name, "executions": l.executions.saturating_sub(before)}),
        )
        .collect()
    }
}

/// How what a line holds pays.
fn pays_of(engine: &Engine, line: u32) -> Pays {
    let ls = engine.state().lines.get(line as usize);
    ls.map_or(Pays::Linear, |ls| pays_of_instrument(engine, ls.follower_instrument))
}

fn pays_of_instrument(engine: &Engine, instrument: u32) -> Pays {
    engine.index().cfg.instruments.get(instrument as usize).map_or(Pays::Linear, InstrumentConfig::pays)
}

fn counted(counts: impl Iterator<Item = (String, u64)>) -> Map<String, Value> {
    counts.filter(|(_, n)| *n > 0).map(|(code, n)| (code, json!(n))).collect()
}
