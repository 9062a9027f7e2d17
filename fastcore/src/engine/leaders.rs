//! Leader sessions: from a FIX message to changes of targets (design 02, steps 1 and 2).

use super::{Engine, Index};
use crate::action::{Decision, Sink};
use crate::config::{SideFilter, Sizing, SubscriptionConfig};
use crate::decimal::{Dec, Round};
use crate::event::Event;
use crate::fix::{self, Message};
use crate::leader::{Change, Counting, Frozen, LeaderOrder, observe, order_key};
use crate::ledger::{abs, quanta, reduced, split};
use crate::profile::{BustCum, FillQty};
use crate::refusal::{Code, Refusal};
use crate::report::{Inbound, Kind, Report, Side, read};
use crate::sizing::{Rule, amount_share, rate_size, rule};
use crate::time::trade_date;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

const MS: i64 = 1_000_000;

/// One leader execution on its way to the subscriptions.
struct Execution<'a> {
    leader: u32,
    instrument: u32,
    report: &'a Report<'a>,
    message: &'a Message<'a>,
    /// Position before, signed change, and its two parts.
    before: Dec,
    delta: Dec,
    reduce: Dec,
    increase: Dec,
    /// Part of the increase that carries the report's time.
    timed: Dec,
    /// TransactTime(60) of the order's previous report.
    previous_ns: i64,
    cum: Dec,
    hold: bool,
}

impl Engine {
    pub(super) fn on_leader<S: Sink>(&mut self, ev: &Event<'_>, sink: &mut S) {
        let mut fields = std::mem::take(&mut self.fields);
        match fix::parse(ev.payload, &mut fields) {
            Ok(message) => self.leader_message(ev, &message, sink),
            Err(e) => self.alert("garbled", format!("{}: {e:?}", ev.session), sink),
        }
        self.fields = fields;
    }

    fn leader_message<S: Sink>(&mut self, ev: &Event<'_>, message: &Message<'_>, sink: &mut S) {
        if let Some(n) = message.get(34).and_then(fix::number) {
            let top = self.st.seq_nums.entry(ev.session.to_owned()).or_insert(0);
            *top = n.max(*top);
        }
        let ix = Arc::clone(&self.ix);
        let first = ix.cfg.leaders.iter().position(|l| l.session == ev.session);
        let profile =
            first.and_then(|l| ix.leader_profiles.get(l)).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let Some(profile) = profile else {
            return self.alert("unknown_session", format!("no leader on session {}", ev.session), sink);
        };
        match read(message, profile) {
            Ok(Inbound::Execution(r)) => match leader_of(&ix, ev.session, r.account) {
                Some(l) => self.execution(&ix, l, message, &r, sink),
                None => {
                    self.alert("unknown_account", "report for an account that is no leader".to_owned(), sink)
                }
            },
            Ok(Inbound::Quote(crate::report::Quote { symbol, bid, ask })) => {
                let at = first.and_then(|l| ix.leader_symbols.get(l)).and_then(|m| m.get(symbol));
                if let (Some(i), Some(bid), Some(ask)) = (at, bid, ask) {
                    self.quote(*i, bid, ask);
                }
            }
            Ok(Inbound::Account(crate::report::Account {
                account, balance, equity, free_margin, ..
            })) => {
                if let Some(l) = leader_of(&ix, ev.session, account) {
                    let at = self.st.at_ns;
                    if let Some(state) = self.st.leaders.get_mut(l as usize) {
                        set_values(&mut state.values, balance, equity, free_margin, at);
                    }
                }
            }
            Ok(Inbound::SessionReject(_) | Inbound::BusinessReject(_)) => {
                self.alert("leader_reject", format!("{} rejected a message of ours", ev.session), sink);
            }
            Ok(_) => {}
            Err(e) => self.alert("unreadable", format!("{}: tag {}: {}", ev.session, e.tag, e.why), sink),
        }
    }

    fn execution<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        leader: u32,
        message: &Message<'_>,
        report: &Report<'_>,
        sink: &mut S,
    ) {
        let l = leader as usize;
        let Some(instrument) = ix.leader_symbols.get(l).and_then(|m| m.get(report.symbol)).copied() else {
            let symbol = String::from_utf8_lossy(report.symbol).into_owned();
            return self.alert(
                "unknown_symbol",
                format!("symbol {symbol:?} is not mapped: not copied"),
                sink,
            );
        };
        let profile = ix.leader_profiles.get(l).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let Some(profile) = profile else { return };
        let counting = Counting {
            by_last: profile.fill_qty == FillQty::LastQty,
            bust_reduces_cum: profile.bust_cum == BustCum::Reduced,
            factor: ix.unit(profile, instrument),
        };
        let key = order_key(report);
        let Some(state) = self.st.leaders.get_mut(l) else { return };
        let known = state.orders.remove(&key);
        let first = known.is_none() && !matches!(report.kind, Kind::New | Kind::PendingNew);
        let mut order = known.unwrap_or_default();
        let (previous_ns, was_frozen) = (order.last_ns, order.frozen);
        let change = observe(&mut state.seen, &mut order, first, report, &counting);
        let mut x = Execution {
            leader,
            instrument,
            report,
            message,
            before: Dec::ZERO,
            delta: Dec::ZERO,
            reduce: Dec::ZERO,
            increase: Dec::ZERO,
            timed: Dec::ZERO,
            previous_ns,
            cum: order.known,
            hold: false,
        };
        let units = match change {
            Change::Fill { qty, timed } => {
                x.timed = timed;
                Some(qty)
            }
            Change::Bust { delta } => {
                x.hold = true;
                self.alert(
                    "bust",
                    "a leader execution was taken back: opens wait for the operator".to_owned(),
                    sink,
                );
                Some(delta)
            }
            Change::UnknownBust => {
                let what = "bust or correction of an execution that was never seen: opens wait for the operator";
                self.alert("bust", what.to_owned(), sink);
                self.hold_opens(leader, instrument);
                None
            }
            Change::Rescaled => {
                let what = "corporate action (378=0): adjust positions and targets by hand; opens wait";
                self.alert("corporate_action", what.to_owned(), sink);
                self.hold_opens(leader, instrument);
                None
            }
            Change::Contradiction | Change::None | Change::Duplicate => None,
        };
        if order.frozen && !was_frozen {
            let what = "CumQty contradicts what is known: increases of this order are refused".to_owned();
            self.alert("contradiction", what, sink);
        }
        if let Some(units) = units {
            self.moved(ix, x, &mut order, units, sink);
        }
        if let Some(state) = self.st.leaders.get_mut(l) {
            state.orders.insert(key, order);
        }
    }

    /// No opens on what copies this instrument until the operator has looked.
    fn hold_opens(&mut self, leader: u32, instrument: u32) {
        let lines = self.st.leaders.get(leader as usize).and_then(|l| l.lines.get(&instrument));
        for at in lines.cloned().unwrap_or_default() {
            if let Some(ls) = self.st.lines.get_mut(at as usize) {
                ls.line.bust_hold = true;
            }
        }
    }

    fn moved<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        mut x: Execution<'_>,
        order: &mut LeaderOrder,
        units: Dec,
        sink: &mut S,
    ) {
        x.delta = match x.report.side {
            Side::Buy => units,
            Side::Sell => Dec::from_raw(units.raw().saturating_neg()),
            Side::Other(_) | Side::Missing => {
                self.refuse(Refusal::bare(Code::BadSide));
                return self.alert(
                    "bad_side",
                    "a fill whose side is not 1, 2 or 5 was not copied".to_owned(),
                    sink,
                );
            }
        };
        let Some(state) = self.st.leaders.get_mut(x.leader as usize) else { return };
        state.executions = state.executions.saturating_add(1);
        let known = state.positions.get(&x.instrument).copied();
        let after = known.and_then(|p| p.checked_add(x.delta));
        if let (Some(before), Some(after)) = (known, after) {
            x.before = before;
            (x.reduce, x.increase) = split(before, x.delta);
            state.positions.insert(x.instrument, after);
        }
        let r = x.report;
        let date = trade_date(r.transact_ns.unwrap_or(self.st.at_ns));
        let session = ix.cfg.leaders.get(x.leader as usize).map_or("", |l| l.session.as_str());
        self.buffer.clear();
        for part in [ix.cfg.deployment.as_bytes(), session.as_bytes(), r.order_key, r.exec_id] {
            self.buffer.extend_from_slice(part);
            self.buffer.push(1);
        }
        self.buffer.extend_from_slice(&date.to_le_bytes());
        self.buffer.extend_from_slice(&x.cum.raw().to_le_bytes());
        self.buffer.extend_from_slice(&order.busts.to_le_bytes());
        self.cause.id = xxh3_128(&self.buffer);
        let subs = ix.subs_of.get(x.leader as usize).map_or(&[][..], Vec::as_slice);
        let n = u32::try_from(subs.len()).unwrap_or(u32::MAX);
        let start = self.first_served(ix, subs.len());
        let order_of_service = subs.iter().cycle().skip(start).take(subs.len());
        for (k, sub) in (1_u32..).zip(order_of_service) {
            self.cause.refusals.clear();
            self.cause.orders.clear();
            self.cause.slices = 0;
            if known.is_none() || after.is_none() {
                let code = if known.is_none() { Code::LeaderPositionUnknown } else { Code::Overflow };
                self.refuse(Refusal::bare(code));
                self.decided(ix, &x, *sub, None, (0, 0), Dec::ONE, (k, n), sink);
                continue;
            }
            self.subscription(ix, &x, order, *sub, date, (k, n), sink);
        }
    }

    fn first_served(&mut self, ix: &Index, n: usize) -> usize {
        if ix.cfg.dispatch == crate::config::Dispatch::Listed || n == 0 {
            return 0;
        }
        let at = self.st.rotation;
        self.st.rotation = at.wrapping_add(1);
        usize::try_from(at.checked_rem(n as u64).unwrap_or(0)).unwrap_or(0)
    }

    #[allow(clippy::too_many_arguments)]
    fn subscription<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        x: &Execution<'_>,
        order: &mut LeaderOrder,
        sub: u32,
        date: u32,
        place: (u32, u32),
        sink: &mut S,
    ) {
        let Some(cfg) = ix.cfg.subscriptions.get(sub as usize) else { return };
        let Some(at) = self.line_of(ix, x.leader, x.instrument, sub) else {
            if x.increase.is_positive() {
                self.refuse(Refusal::bare(Code::Restricted));
            }
            return self.decided(ix, x, sub, None, (0, 0), Dec::ONE, place, sink);
        };
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let before = ls.line.target;
        ls.leader_px = x.report.last_px.or(ls.leader_px);
        if x.hold {
            ls.line.bust_hold = true;
        }
        if x.reduce.is_positive() {
            // A bust leaves the target to the operator, but a flat leader always means a flat follower.
            if !x.hold || x.reduce >= abs(x.before) {
                ls.line.target = reduced(ls.line.target, x.before, x.reduce);
            }
        }
        let fi = ls.follower_instrument;
        let mut ratio = None;
        if x.increase.is_positive() && !x.hold {
            match self.increase(ix, x, order, sub, cfg, at, date) {
                Ok(rate) => ratio = Some(rate),
                Err(refusal) => self.refuse(refusal),
            }
        }
        self.work_line(ix, at, sink);
        let after = self.st.lines.get(at as usize).map_or(0, |l| l.line.target);
        let step = ix.grids.get(fi as usize).map_or(Dec::ONE, |g| g.step);
        self.decided(ix, x, sub, ratio, (before, after), step, place, sink);
    }

    #[allow(clippy::too_many_arguments)]
    fn increase(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        order: &mut LeaderOrder,
        sub: u32,
        cfg: &SubscriptionConfig,
        at: u32,
        date: u32,
    ) -> Result<Dec, Refusal> {
        filters(ix, x, order, sub, cfg)?;
        if order.frozen {
            return Err(Refusal::bare(Code::FrozenOrder));
        }
        let fresh = self.fresh_part(x, cfg)?;
        let (grid, fi) = {
            let fi = self.st.lines.get(at as usize).map_or(0, |l| l.follower_instrument);
            (ix.grids.get(fi as usize).copied().ok_or(Refusal::bare(Code::Restricted))?, fi)
        };
        let overflow = Refusal::bare(Code::Overflow);
        let frozen = self.frozen(ix, x, order, sub, cfg, fi, date)?;
        let size = match frozen {
            Rule::Rate(rate) => rate_size(rate, fresh, grid).ok_or(overflow)?,
            Rule::Amount(amount) => {
                let slot = order.rules.iter_mut().find(|r| r.0 == sub).ok_or(overflow)?;
                let leaves = x.report.leaves_qty.unwrap_or(Dec::ZERO);
                let qty = order.order_qty.or_else(|| x.cum.checked_add(leaves)).unwrap_or(x.cum);
                let share = amount_share(amount, slot.1.sized, x.increase, qty, x.cum).ok_or(overflow)?;
                slot.1.sized = slot.1.sized.checked_add(share).ok_or(overflow)?;
                let part = share.mul_div(fresh, x.increase, Round::HalfEven).ok_or(overflow)?;
                quanta(part.max(Dec::ZERO), grid).ok_or(overflow)?
            }
        };
        let negative = x.delta.is_negative() != cfg.reverse;
        let signed = if negative { size.saturating_neg() } else { size };
        let now = self.st.at_ns;
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return Err(overflow) };
        let bound = i128::MAX.checked_div(4).unwrap_or(i128::MAX);
        let target =
            ls.line.target.checked_add(signed).filter(|t| t.saturating_abs() < bound).ok_or(overflow)?;
        ls.line.target = target;
        let age = cfg.max_age_ms.saturating_mul(MS);
        let until = x.report.transact_ns.unwrap_or(now).min(now).saturating_add(age);
        ls.line.open_until_ns = ls.line.open_until_ns.max(until);
        Ok(match frozen {
            Rule::Rate(v) | Rule::Amount(v) => v,
        })
    }

    /// The part of the increase that is young enough (02 step 1).
    fn fresh_part(&mut self, x: &Execution<'_>, cfg: &SubscriptionConfig) -> Result<Dec, Refusal> {
        let now = self.st.at_ns;
        let oldest = now.saturating_sub(cfg.max_age_ms.saturating_mul(MS));
        let timed = x.increase.min(x.timed);
        let rest = x.increase.checked_sub(timed).unwrap_or(Dec::ZERO);
        let own = x.report.transact_ns.is_some_and(|t| t >= oldest);
        let unknown_age = own && x.previous_ns >= oldest;
        let mut fresh = if own { timed } else { Dec::ZERO };
        if unknown_age {
            fresh = fresh.checked_add(rest).unwrap_or(fresh);
        }
        let age_ms = now.saturating_sub(x.report.transact_ns.unwrap_or(0)).checked_div(MS).unwrap_or(0);
        let stale = Refusal::over(Code::Stale, Dec::from_int(cfg.max_age_ms), Dec::from_int(age_ms));
        if fresh.is_zero() {
            return Err(stale);
        }
        if fresh < x.increase {
            self.refuse(stale);
        }
        Ok(fresh)
    }

    /// The rule of this leader order: frozen at its first increase that can be sized, and again each trade date.
    #[allow(clippy::too_many_arguments)]
    fn frozen(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        order: &mut LeaderOrder,
        sub: u32,
        cfg: &SubscriptionConfig,
        fi: u32,
        date: u32,
    ) -> Result<Rule, Refusal> {
        let constant = matches!(
            cfg.sizing,
            Sizing::Multiplier { .. } | Sizing::Percent { .. } | Sizing::LotsMultiplier { .. }
        );
        let slot = order.rules.iter().position(|r| r.0 == sub);
        if let Some(found) = slot.and_then(|i| order.rules.get(i)).filter(|r| r.1.date == date) {
            return Ok(found.1.rule);
        }
        let map = ix.subs.get(sub as usize).and_then(|s| s.map.get(&x.instrument));
        let (_, qty_factor, _) = map.copied().unwrap_or((0, Dec::ONE, Dec::ONE));
        let inputs = self.inputs(sub, cfg, x.instrument, fi, qty_factor);
        let made = rule(&cfg.sizing, &inputs)?;
        if constant {
            return Ok(made);
        }
        match slot.and_then(|i| order.rules.get_mut(i)) {
            Some(s) => {
                s.1.rule = made;
                s.1.date = date;
            }
            None => order.rules.push((sub, Frozen { rule: made, sized: Dec::ZERO, date })),
        }
        Ok(made)
    }

    #[allow(clippy::too_many_arguments)]
    fn decided<S: Sink>(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        sub: u32,
        ratio: Option<Dec>,
        target: (i128, i128),
        step: Dec,
        place: (u32, u32),
        sink: &mut S,
    ) {
        if !S::WANTS_DECISIONS {
            return;
        }
        let after = x.before.checked_add(x.delta).unwrap_or(x.before);
        sink.decision(&Decision {
            sub,
            order_id: x.report.order_id,
            cl_ord_id: x.report.cl_ord_id,
            exec_id: x.report.exec_id,
            instrument: ix.cfg.instruments.get(x.instrument as usize).map_or("", |i| i.name.as_str()),
            leader_delta: x.delta,
            leader_position: after,
            px: x.report.last_px,
            ratio,
            target_before: target.0,
            target_after: target.1,
            step,
            refusals: &self.cause.refusals,
            orders: &self.cause.orders,
            k: place.0,
            n: place.1,
        });
    }
}

fn leader_of(ix: &Index, session: &str, account: &[u8]) -> Option<u32> {
    let mine = |l: &crate::config::LeaderConfig| {
        l.session == session && l.account.as_ref().is_none_or(|a| a.as_bytes() == account)
    };
    ix.cfg.leaders.iter().position(mine).and_then(|i| u32::try_from(i).ok())
}

pub(super) fn set_values(
    v: &mut crate::sizing::Values,
    balance: Option<Dec>,
    equity: Option<Dec>,
    free_margin: Option<Dec>,
    at_ns: i64,
) {
    v.balance = balance.unwrap_or(v.balance);
    v.equity = equity.unwrap_or(v.equity);
    v.free_margin = free_margin.unwrap_or(v.free_margin);
    v.as_of_ns = at_ns;
}

fn filters(
    ix: &Index,
    x: &Execution<'_>,
    order: &LeaderOrder,
    sub: u32,
    cfg: &SubscriptionConfig,
) -> Result<(), Refusal> {
    let f = &cfg.filters;
    let listed = ix.subs.get(sub as usize).and_then(|s| s.instruments.as_ref());
    let long = x.delta.is_positive();
    let side = match f.side {
        SideFilter::Both => true,
        SideFilter::Long => long,
        SideFilter::Short => !long,
    };
    let qty = order.order_qty.unwrap_or(x.cum);
    let tags = f.tags.iter().all(|(tag, text)| x.message.get(*tag) == Some(text.as_bytes()));
    if listed.is_some_and(|l| !l.contains(&x.instrument)) || !side || !tags {
        return Err(Refusal::bare(Code::Filtered));
    }
    if qty < f.min_order_qty {
        return Err(Refusal::over(Code::Filtered, f.min_order_qty, qty));
    }
    Ok(())
}
