//! What a person or a dashboard may read of the engine.

use crate::decimal::{Dec, Round};
use crate::engine::Engine;
use crate::engine::breaks::Break;
use crate::engine::guards::Trip;
use crate::engine::life::Life;
use crate::engine::stops::{Level, Scope};
use crate::engine::together::Used;
use crate::engine::ways::Choice;
use crate::ledger::units;
use crate::order::State as OrderState;
use crate::refusal::Code;
use serde::Serialize;
use std::collections::BTreeMap;

mod busts;
mod leaders;

pub use leaders::LeaderPositionStatus;

/// One ledger line.
#[derive(Debug, Serialize)]
pub struct LineStatus {
    /// Subscription name.
    pub subscription: String,
    /// Follower name.
    pub follower: String,
    /// Leader name.
    pub leader: String,
    /// Leader instrument.
    pub leader_instrument: String,
    /// Follower instrument.
    pub instrument: String,
    /// Leader's position, units.
    pub leader_position: Option<Dec>,
    /// Target before rounding to lots, signed units.
    pub target: Dec,
    /// Units in one step.
    pub step: Dec,
    /// Smallest order, units.
    pub min: Dec,
    /// Filled, signed units.
    pub filled: Dec,
    /// Units that still work at the broker or wait for the route, both sides.
    pub working: Dec,
    /// Orders whose outcome is not known.
    pub unknown: u32,
    /// Waits for an operator after a bust.
    pub bust_hold: bool,
    /// A close waits.
    pub close_waits: bool,
    /// Units of a close that are not sent, because the follower's broker does not hold them.
    pub close_capped: Dec,
    /// Units that work as mirrors of the leader's orders, both sides; alternatives count each.
    pub mirrored: Dec,
    /// Positions at a hedging venue, in order of opening.
    pub positions: Vec<PositionStatus>,
    /// Units at a hedging venue whose position nobody named: a close of them is held back.
    pub unnamed: Dec,
}

/// One position at a hedging venue.
#[derive(Debug, Serialize)]
pub struct PositionStatus {
    /// Its broker's name of it.
    pub id: String,
    /// Signed units.
    pub units: Dec,
}

/// One route.
#[derive(Debug, Serialize)]
pub struct RouteStatus {
    /// Name.
    pub name: String,
    /// Linked and synced.
    pub synced: bool,
    /// FIX session logged on.
    pub up: bool,
    /// Orders that wait.
    pub held: usize,
    /// Its reserve.
    pub reserve: Option<String>,
    /// New orders go by the reserve.
    pub on_reserve: bool,
    /// Why and by whom it was switched last; empty: never.
    pub switched: String,
    /// `auto`, `primary` or `reserve`: who decides.
    pub choice: Choice,
}

/// One stop.
#[derive(Debug, Serialize)]
pub struct StopStatus {
    /// `global`, `leader`, `follower`, `instrument`, `route`, `subscription`, `venue`: a symbol of a route, or `copies`: all
    /// that copies an instrument of a leader.
    pub scope: &'static str,
    /// Which one; empty for `global`.
    pub name: String,
    /// `no_opens`, `close_only` or `halt`.
    pub level: &'static str,
    /// Why: `kill`, `paused`, or the code of a guard.
    pub code: &'static str,
    /// Who set it, or which fault; empty where it stopped by itself.
    pub who: String,
    /// What was compared, or found, where it stopped by itself.
    pub numbers: String,
    /// When, nanoseconds.
    pub at_ns: String,
    /// When it ends by itself, nanoseconds; none: with what it is about, or by a named person.
    pub until_ns: Option<String>,
    /// The command that ends it, where that is another one than `arm`, `resume` or nothing at all.
    pub release: Option<String>,
}

/// A subscription that leaves or has left.
#[derive(Debug, Serialize)]
pub struct LeavingStatus {
    /// Subscription name.
    pub subscription: String,
    /// `keep`, `close_now` or `close_with_leader`.
    pub rule: &'static str,
    /// Who said so.
    pub who: String,
    /// When, nanoseconds.
    pub at_ns: String,
    /// Nothing works any more, and what was to be closed is closed.
    pub done: bool,
}

/// A new subscription that is still to open what its leader holds.
#[derive(Debug, Serialize)]
pub struct JoiningStatus {
    /// Subscription name.
    pub subscription: String,
    /// Leader instruments whose position is not known, or that wait for the follower's route.
    pub instruments: Vec<String>,
}

/// A follower whose equity is guarded.
#[derive(Debug, Serialize)]
pub struct GuardStatus {
    /// Follower name.
    pub follower: String,
    /// Currency of the account.
    pub currency: String,
    /// What the account is worth now; none while an account value, a price or a rate is missing: nothing is opened.
    pub equity: Option<Dec>,
    /// The highest floor of its rules; none before the first equity.
    pub floor: Option<Dec>,
    /// The rule that it is of.
    pub code: Option<&'static str>,
    /// A guard has stopped it.
    pub stopped: bool,
}

/// What all followers together hold and have entered of one instrument, where that is bounded.
#[derive(Debug, Serialize)]
pub struct TogetherStatus {
    /// `global` or `leader`.
    pub scope: &'static str,
    /// The leader; empty for `global`.
    pub name: String,
    /// Follower instrument.
    pub instrument: String,
    /// Lots long.
    pub long_lots: Dec,
    /// Lots short.
    pub short_lots: Dec,
    /// The largest position that is allowed, lots.
    pub max_position_lots: Option<Dec>,
}

/// A position that a follower's broker reports otherwise, or a difference that was let be.
#[derive(Debug, Serialize)]
pub struct BreakStatus {
    /// Follower name.
    pub follower: String,
    /// Its instrument.
    pub instrument: String,
    /// Signed units that the broker reported beyond ours.
    pub units: Dec,
    /// The same in lots.
    pub lots: Dec,
    /// What it is worth at the last quote, in the instrument's currency; none without a quote.
    pub value: Option<Dec>,
    /// Signed units that are not ours and are let be.
    pub accepted: Dec,
    /// Reported twice; once may be a report that a fill overtook.
    pub confirmed: bool,
    /// When it was reported first, nanoseconds.
    pub since_ns: String,
}

/// The whole of it.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Rows in the journal.
    pub journal_rows: u64,
    /// Start of the core.
    pub epoch: u64,
    /// Everything is stopped, at some level.
    pub killed: bool,
    /// Every stop, the widest first.
    pub stops: Vec<StopStatus>,
    /// Subscriptions that leave or have left.
    pub leaving: Vec<LeavingStatus>,
    /// New subscriptions that are still to open what their leaders hold.
    pub joining: Vec<JoiningStatus>,
    /// Followers with guards.
    pub guards: Vec<GuardStatus>,
    /// What all followers together hold, where that is bounded.
    pub together: Vec<TogetherStatus>,
    /// Where brokers report other positions than ours.
    pub breaks: Vec<BreakStatus>,
    /// Positions of leaders on hedging accounts.
    pub leader_positions: Vec<LeaderPositionStatus>,
    /// Leader executions counted.
    pub leader_executions: u64,
    /// Orders handed to routes.
    pub orders_sent: u64,
    /// Fills of followers.
    pub follower_fills: u64,
    /// Refusals by code.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Alerts by code.
    pub alerts: BTreeMap<String, u64>,
    /// Messages that were understood and have no consequence.
    pub notes: BTreeMap<String, u64>,
    /// Orders by state.
    pub orders: BTreeMap<&'static str, u64>,
    /// Routes.
    pub routes: Vec<RouteStatus>,
    /// Ledger lines, one per subscription and instrument.
    pub subscriptions: Vec<LineStatus>,
}

impl Engine {
    /// A copy for people; never read by the engine.
    #[must_use]
    pub fn status(&self) -> Status {
        let (st, ix) = (self.state(), self.index());
        let retired = |(state, n): (&OrderState, &u64)| (state.name(), *n);
        let mut orders: BTreeMap<&'static str, u64> = st.retired.by_state.iter().map(retired).collect();
        for o in &st.orders {
            let n = orders.entry(o.state.name()).or_insert(0);
            *n = n.saturating_add(1);
        }
        let leaving = |(sub, life): (&u32, &Life)| {
            let (l, s) = (life.leaving.as_ref()?, ix.cfg.subscriptions.get(*sub as usize)?);
            let (subscription, who, at_ns) = (s.name.clone(), l.who.clone(), l.at_ns.to_string());
            Some(LeavingStatus { subscription, rule: l.rule.name(), who, at_ns, done: l.done })
        };
        Status {
            journal_rows: st.seq,
            epoch: st.epoch,
            killed: st.stops.contains_key(&Scope::Global),
            stops: self.stops(),
            leaving: st.lives.iter().filter_map(leaving).collect(),
            joining: st.lives.iter().filter_map(|(sub, life)| self.joining_status(*sub, life)).collect(),
            guards: ix.guards.keys().filter_map(|f| self.guard_status(f)).collect(),
            together: self.together_used().iter().filter_map(|u| self.together_status(u)).collect(),
            breaks: st.breaks.iter().filter_map(|(key, b)| self.break_status(*key, b)).collect(),
            leader_positions: self.leader_positions(),
            leader_executions: st.leaders.iter().map(|l| l.executions).sum(),
            orders_sent: st.orders_sent,
            follower_fills: st.follower_fills,
            refusals: st.refusals.iter().map(|(c, n)| (c.as_str(), *n)).collect(),
            alerts: st.alerts.clone(),
            notes: st.notes.clone(),
            orders,
            routes: (0..st.routes.len()).filter_map(|at| self.route_status(at)).collect(),
            subscriptions: (0..st.lines.len()).filter_map(|i| self.line_status(i)).collect(),
        }
    }

    fn together_status(&self, used: &Used) -> Option<TogetherStatus> {
        let ix = self.index();
        let instrument = ix.cfg.instruments.get(used.instrument as usize)?;
        let (scope, name) = match used.scope {
            Scope::Leader(l) => ("leader", ix.cfg.leaders.get(l as usize)?.name.clone()),
            _ => ("global", String::new()),
        };
        let lots = |units: Dec| units.div(instrument.contract_size, Round::HalfEven);
        Some(TogetherStatus {
            scope,
            name,
            instrument: instrument.name.clone(),
            long_lots: lots(used.long)?,
            short_lots: lots(used.short)?,
            max_position_lots: used.max_position.and_then(lots),
        })
    }

    fn joining_status(&self, sub: u32, life: &Life) -> Option<JoiningStatus> {
        let cfg = &self.index().cfg;
        let name = |i: &u32| cfg.instruments.get(*i as usize).map_or_else(String::new, |x| x.name.clone());
        let instruments: Vec<String> = life.joins.iter().map(name).collect();
        let subscription = cfg.subscriptions.get(sub as usize)?.name.clone();
        (!instruments.is_empty()).then_some(JoiningStatus { subscription, instruments })
    }

    /// Everything that is stopped: by persons and faults, then what stopped by itself.
    fn stops(&self) -> Vec<StopStatus> {
        let (st, no_opens) = (self.state(), Level::NoOpens);
        let by_name = st.stops.iter().map(|(s, x)| StopStatus {
            who: x.who.clone(),
            ..self.stop_status(*s, (x.level, Code::Kill), String::new(), x.at_ns)
        });
        let mut all: Vec<StopStatus> = by_name.collect();
        for (l, i) in st.heard.iter().filter_map(|(l, h)| Some((*l, h.inactive?))) {
            let why = (i.level, Code::ProviderInactive);
            all.push(self.stop_status(Scope::Leader(l), why, i.numbers(), i.at_ns));
        }
        all.extend(self.tripped());
        all.extend(self.bust_holds());
        for (at, since_ns) in st.copies.iter().filter_map(|(at, c)| Some((at, c.stopped_ns?))) {
            let scope = self.follower_of_line(self.index(), at).map_or(Scope::Global, Scope::Follower);
            let line = self.line_text(self.index(), at);
            all.push(self.stop_status(scope, (no_opens, Code::RepeatedExecution), line, since_ns));
        }
        for (route, (symbol, since_ns)) in st.halts.iter().flat_map(|(r, h)| h.iter().map(|h| (*r, h))) {
            let name = format!("{} {}", self.route_name(route), String::from_utf8_lossy(symbol));
            let why = "its venue does not trade it".to_owned();
            // No scope that a person stops: nobody can release it.
            let stop = self.stop_status(Scope::Route(route), (no_opens, Code::Restricted), why, *since_ns);
            all.push(StopStatus { scope: "venue", name, ..stop });
        }
        if let Some(refusal) = self.clock_refusal() {
            let measured = st.clock.and_then(|m| m.error_us);
            let what = measured.map_or("nobody knows how far it is from UTC".to_owned(), |us| {
                format!("{us} us from UTC, at most {}", refusal.limit)
            });
            let since_ns = st.clock.map_or(0, |m| m.since_ns);
            all.push(self.stop_status(Scope::Global, (no_opens, Code::Clock), what, since_ns));
        }
        let paused = st.lives.iter().filter_map(|(sub, life)| Some((*sub, life.paused.as_ref()?)));
        all.extend(paused.map(|(sub, s)| StopStatus {
            who: s.who.clone(),
            ..self.stop_of_sub(sub, (s.level, Code::Paused), String::new(), s.at_ns)
        }));
        all
    }

    /// What guards stopped: of followers, of subscriptions.
    fn tripped(&self) -> Vec<StopStatus> {
        let (st, mut all) = (self.state(), Vec::new());
        let until = |t: &Trip| (t.rule.auto_reset && t.until_ns != i64::MAX).then(|| t.until_ns.to_string());
        for (f, t) in st.tripped.iter().flat_map(|(f, trips)| trips.iter().map(move |t| (*f, t))) {
            let stop = self.stop_status(Scope::Follower(f), (t.level, t.code), t.numbers(), t.at_ns);
            all.push(StopStatus { until_ns: until(t), ..stop });
        }
        for (sub, t) in st.sub_tripped.iter().flat_map(|(s, trips)| trips.iter().map(move |t| (*s, t))) {
            let stop = self.stop_of_sub(sub, (t.level, t.code), t.won(), t.at_ns);
            all.push(StopStatus { until_ns: until(t), ..stop });
        }
        all
    }

    fn stop_status(
        &self,
        scope: Scope,
        (level, code): (Level, Code),
        numbers: String,
        at_ns: i64,
    ) -> StopStatus {
        let (scope, name) = scope.kind_and_name(self.index());
        StopStatus {
            scope,
            name: name.to_owned(),
            level: level.name(),
            code: code.as_str(),
            who: String::new(),
            numbers,
            at_ns: at_ns.to_string(),
            until_ns: None,
            release: None,
        }
    }

    fn stop_of_sub(&self, sub: u32, why: (Level, Code), numbers: String, at_ns: i64) -> StopStatus {
        let name =
            self.index().cfg.subscriptions.get(sub as usize).map_or_else(String::new, |s| s.name.clone());
        StopStatus { scope: "subscription", name, ..self.stop_status(Scope::Global, why, numbers, at_ns) }
    }

    fn guard_status(&self, follower: u32) -> Option<GuardStatus> {
        let (st, ix) = (self.state(), self.index());
        let (state, cfg) = (st.guards.get(follower)?, ix.cfg.followers.get(follower as usize)?);
        let floors = state.rules.iter().zip(&state.bases);
        let floors = floors.filter_map(|(rule, base)| Some(((*base)?.floor, rule.code().as_str())));
        let highest = floors.max_by_key(|(floor, _)| *floor);
        Some(GuardStatus {
            follower: cfg.name.clone(),
            currency: cfg.currency.clone().unwrap_or_default(),
            equity: self.equity(ix, follower),
            floor: highest.map(|(floor, _)| floor),
            code: highest.map(|(_, code)| code),
            stopped: st.tripped.contains_key(&follower),
        })
    }

    fn route_status(&self, at: usize) -> Option<RouteStatus> {
        let (r, c) = (self.state().routes.get(at)?, self.index().cfg.routes.get(at)?);
        let way = u32::try_from(at).ok().and_then(|at| self.state().ways.get(&at));
        Some(RouteStatus {
            name: c.name.clone(),
            synced: r.synced,
            up: r.up,
            held: r.held.len(),
            reserve: c.reserve.clone(),
            on_reserve: way.is_some_and(|w| w.on_reserve),
            switched: way.map_or_else(String::new, |w| w.why.clone()),
            choice: way.map_or(Choice::Auto, |w| w.choice),
        })
    }

    fn break_status(&self, (follower, instrument): (u32, u32), b: &Break) -> Option<BreakStatus> {
        let cfg = &self.index().cfg;
        let i = cfg.instruments.get(instrument as usize)?;
        let quote = self.state().quotes.get(instrument);
        // What was reported once is shown too: a person who asks sees that something is on its way.
        let (units, since_ns) = match b.once {
            Some(once) if !b.confirmed() => (once.units, once.at_ns),
            _ => (b.units, b.since_ns),
        };
        Some(BreakStatus {
            follower: cfg.followers.get(follower as usize)?.name.clone(),
            instrument: i.name.clone(),
            units,
            lots: units.div(i.contract_size, Round::HalfEven).unwrap_or(Dec::ZERO),
            value: quote
                .and_then(|q| i.pays().unit(q.bid, Dec::ONE, Round::HalfEven)?.worth(units, Round::HalfEven)),
            accepted: b.accepted,
            confirmed: b.confirmed(),
            since_ns: since_ns.to_string(),
        })
    }

    fn line_status(&self, at: usize) -> Option<LineStatus> {
        let (st, ix) = (self.state(), self.index());
        let l = st.lines.get(at)?;
        let (s, cfg) = (ix.subs.get(l.sub as usize)?, ix.cfg.subscriptions.get(l.sub as usize)?);
        let name = |i: u32| ix.cfg.instruments.get(i as usize).map_or_else(String::new, |x| x.name.clone());
        let grid = ix.grids.get(l.follower_instrument as usize)?;
        let by_name = ix.lane(l).is_some_and(|l| l.closes == crate::engine::lanes::Closes::ByName);
        Some(LineStatus {
            subscription: cfg.name.clone(),
            follower: cfg.follower.clone(),
            leader: cfg.leader.clone(),
            leader_instrument: name(l.instrument),
            instrument: name(l.follower_instrument),
            leader_position: st.leaders.get(s.leader as usize)?.positions.get(&l.instrument).copied(),
            target: units(l.line.target, grid.step).unwrap_or(Dec::ZERO),
            step: grid.step,
            min: grid.min,
            filled: l.line.filled,
            working: l.line.working_buy.checked_add(l.line.working_sell).unwrap_or(l.line.working_buy),
            unknown: l.line.unknown,
            bust_hold: l.line.bust_hold,
            close_waits: l.close_waits,
            close_capped: l.capped,
            mirrored: self.mirrored(u32::try_from(at).ok()?),
            positions: self.positions_of(u32::try_from(at).ok()?),
            unnamed: if by_name { self.nameless(u32::try_from(at).ok()?) } else { Dec::ZERO },
        })
    }

    fn positions_of(&self, line: u32) -> Vec<PositionStatus> {
        let tickets = self.state().tickets.get(&line);
        let status =
            |t: &crate::engine::tickets::Ticket| PositionStatus { id: t.id.to_string(), units: t.units };
        tickets.map_or_else(Vec::new, |t| t.list.iter().map(status).collect())
    }
}
