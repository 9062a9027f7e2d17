//! Reserve routes: a second FIX session to the same accounts, that takes new orders while the first one ails (design 06).
//!
//! An order has one way for life once it has been handed over: what is on it, or may be, is known by that route's rows and
//! that session's answers. Only what never left, and is known never to have, goes the other way.

use super::{Engine, Index, RouteState};
use crate::action::Sink;
use crate::config::{Config, ConfigError, Switch};
use crate::order::State;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::sync::Arc;

/// Timer kind of a route with a reserve, stored in snapshots.
pub(super) const DUE_WAY: u8 = 9;
const MS: i64 = 1_000_000;

/// A route and its reserve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reserve {
    /// The route of the followers.
    pub primary: u32,
    /// The one that takes its place.
    pub reserve: u32,
    /// When.
    pub switch: Switch,
}

/// Who decides which way new orders go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// The thresholds.
    #[default]
    Auto,
    /// A person: by the primary, whatever it does.
    Primary,
    /// A person: by the reserve.
    Reserve,
}

/// The state of a route with a reserve.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Way {
    /// New orders go by the reserve.
    pub on_reserve: bool,
    /// Who decides.
    pub choice: Choice,
    /// Why and by whom it was switched last.
    pub why: String,
    /// When.
    pub at_ns: i64,
    /// Since when the primary may not be used; none: it may.
    down_ns: Option<i64>,
    /// The same of the reserve.
    reserve_down_ns: Option<i64>,
    /// Since when nothing is wrong with the primary.
    well_ns: Option<i64>,
    /// Opens that its broker rejected, within the window.
    rejects: VecDeque<i64>,
}

/// What an operator says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rerouting {
    who: String,
    route: String,
    to: Choice,
}

/// Routes with reserves.
///
/// # Errors
/// `ConfigError` where a reserve is no route, is used otherwise, or speaks to another venue.
pub(super) fn reserves(cfg: &Config) -> Result<Vec<Reserve>, ConfigError> {
    let mut list: Vec<Reserve> = Vec::new();
    for (primary, route) in (0_u32..).zip(&cfg.routes) {
        let Some(name) = &route.reserve else { continue };
        let found = (0_u32..).zip(&cfg.routes).find(|(_, r)| r.name == *name);
        let bad = |what: &str| ConfigError(format!("route {:?}: reserve {name:?} {what}", route.name));
        let (reserve, other) = found.ok_or_else(|| bad("is not defined"))?;
        if reserve == primary || other.reserve.is_some() {
            return Err(bad("must be another route, without a reserve of its own"));
        }
        if list.iter().any(|x| x.reserve == reserve) || cfg.followers.iter().any(|f| f.route == *name) {
            return Err(bad("is used by others: a reserve belongs to one route"));
        }
        if other.profile != route.profile {
            return Err(bad("has another profile: it must be the same venue"));
        }
        list.push(Reserve { primary, reserve, switch: route.switch });
    }
    Ok(list)
}

impl Index {
    /// The route of the followers whose orders this one may carry.
    #[must_use]
    pub(super) fn primary_of(&self, route: u32) -> u32 {
        self.reserves.iter().find(|x| x.reserve == route).map_or(route, |x| x.primary)
    }
}

impl Engine {
    /// The route by which a new order of these followers goes.
    pub(super) fn way(&self, primary: u32) -> u32 {
        if self.st.ways.is_empty() {
            return primary;
        }
        let on_reserve = self.st.ways.get(&primary).is_some_and(|w| w.on_reserve);
        let reserve = self.ix.reserves.iter().find(|x| x.primary == primary && on_reserve);
        reserve.map_or(primary, |x| x.reserve)
    }

    fn is_ready(&self, route: u32) -> bool {
        self.st.routes.get(route as usize).is_some_and(RouteState::ready)
    }

    /// Looks at every route with a reserve, and switches where it has to.
    pub(super) fn look_at_ways<S: Sink>(&mut self, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        for pair in &ix.reserves {
            self.note_health(pair);
            match self.wanted_way(pair) {
                Some((on_reserve, why)) => self.switch(pair, on_reserve, &why, sink),
                None => self.plan_look(pair),
            }
        }
    }

    /// Since when which of both is down, and the primary well.
    fn note_health(&mut self, pair: &Reserve) {
        let now = self.st.at_ns;
        let (ready, reserve_ready) = (self.is_ready(pair.primary), self.is_ready(pair.reserve));
        let well = ready && self.ails(pair).is_none();
        let way = self.st.ways.entry(pair.primary).or_default();
        let since = |known: Option<i64>, holds: bool| holds.then(|| known.unwrap_or(now));
        way.down_ns = since(way.down_ns, !ready);
        way.reserve_down_ns = since(way.reserve_down_ns, !reserve_ready);
        way.well_ns = since(way.well_ns, well);
        let oldest = now.saturating_sub(pair.switch.window_ms.saturating_mul(MS));
        while way.rejects.front().is_some_and(|at| *at <= oldest) {
            way.rejects.pop_front();
        }
    }

    /// What is wrong with the primary, beyond being down: late answers, a queue, rejects.
    fn ails(&self, pair: &Reserve) -> Option<String> {
        let (now, s) = (self.st.at_ns, pair.switch);
        if s.ack_ms > 0
            && let Some(sent) = self.oldest_unanswered(pair.primary)
            && sent.saturating_add(s.ack_ms.saturating_mul(MS)) <= now
        {
            return Some(format!("an order has no answer for {} ms", s.ack_ms));
        }
        let r = self.st.routes.get(pair.primary as usize)?;
        if s.queue > 0 && r.dispatched.len() >= s.queue as usize {
            let open = r.dispatched.iter().filter(|(_, o, _)| self.is_dispatched(*o)).count();
            if open >= s.queue as usize {
                return Some(format!("{open} orders wait in it"));
            }
        }
        let rejects = self.st.ways.get(&pair.primary).map_or(0, |w| w.rejects.len());
        let many = s.rejects > 0 && rejects >= s.rejects as usize;
        many.then(|| format!("its broker rejected {rejects} opens"))
    }

    fn is_dispatched(&self, o: u32) -> bool {
        self.st.orders.get(o as usize).is_some_and(|x| x.state == State::Dispatched)
    }

    /// When the oldest order went out that nothing was heard of. Its entry stands for the end of its time.
    fn oldest_unanswered(&self, route: u32) -> Option<i64> {
        let timeout_ns = self.ix.cfg.timing.ack_timeout_ms.saturating_mul(MS);
        let out = |o: u32, try_no: u16| {
            let order = self.st.orders.get(o as usize);
            order.is_some_and(|x| matches!(x.state, State::Out | State::Unknown) && x.try_no == try_no)
        };
        let r = self.st.routes.get(route as usize)?;
        let oldest = r.out.iter().find(|(_, o, try_no)| out(*o, *try_no));
        oldest.map(|(due, _, _)| due.saturating_sub(timeout_ns))
    }

    /// Where new orders are to go, if not as they do now, and why.
    fn wanted_way(&self, pair: &Reserve) -> Option<(bool, String)> {
        let (now, s, way) = (self.st.at_ns, pair.switch, self.st.ways.get(&pair.primary)?);
        if way.choice != Choice::Auto {
            return None; // a person decides
        }
        let for_ms = |since: Option<i64>, ms: i64| {
            since.is_some_and(|t| t.saturating_add(ms.saturating_mul(MS)) <= now)
        };
        if !way.on_reserve {
            let down = for_ms(way.down_ns, s.down_ms).then(|| format!("it is down for {} ms", s.down_ms));
            let why = down.or_else(|| self.ails(pair))?;
            return self.is_ready(pair.reserve).then_some((true, why));
        }
        let well = s.back_ms > 0 && for_ms(way.well_ns, s.back_ms);
        if well {
            return Some((false, format!("the primary is well for {} ms", s.back_ms)));
        }
        let lost = way.down_ns.is_none() && for_ms(way.reserve_down_ns, s.down_ms);
        lost.then(|| (false, format!("the reserve is down for {} ms", s.down_ms)))
    }

    /// The next moment at which nothing but the time changes what is wanted.
    fn plan_look(&mut self, pair: &Reserve) {
        let (now, s) = (self.st.at_ns, pair.switch);
        let Some(way) = self.st.ways.get(&pair.primary) else { return };
        let unanswered = self.oldest_unanswered(pair.primary).filter(|_| s.ack_ms > 0 && !way.on_reserve);
        let at = |since: Option<i64>, ms: i64| since.map(|t| t.saturating_add(ms.saturating_mul(MS)));
        let moments = [
            at(way.down_ns.filter(|_| !way.on_reserve), s.down_ms),
            at(way.reserve_down_ns.filter(|_| way.on_reserve), s.down_ms),
            at(way.well_ns.filter(|_| way.on_reserve && s.back_ms > 0), s.back_ms),
            at(way.rejects.front().copied().filter(|_| way.on_reserve), s.window_ms),
            at(unanswered, s.ack_ms),
        ];
        for due in moments.into_iter().flatten().filter(|due| *due > now) {
            self.st.due.insert((due, DUE_WAY, pair.primary));
        }
    }

    fn switch<S: Sink>(&mut self, pair: &Reserve, on_reserve: bool, why: &str, sink: &mut S) {
        let now = self.st.at_ns;
        let way = self.st.ways.entry(pair.primary).or_default();
        (way.on_reserve, way.at_ns) = (on_reserve, now);
        why.clone_into(&mut way.why);
        let (from, to) = if on_reserve { (pair.primary, pair.reserve) } else { (pair.reserve, pair.primary) };
        let text =
            format!("new orders of {} go by {}: {why}", self.route_name(pair.primary), self.route_name(to));
        self.alert("route_switched", text, sink);
        self.move_held(from);
        let ix = Arc::clone(&self.ix);
        self.plan_questions(&ix, to);
        self.send_held(to, sink);
        self.plan_look(pair);
    }

    /// What waits for one route never left, or is proven not to have: it waits for the other one from now on.
    fn move_held(&mut self, from: u32) {
        let held = self.st.routes.get(from as usize).map(|r| r.held.iter().copied().collect::<Vec<u32>>());
        for o in held.unwrap_or_default() {
            self.choose_way(o);
        }
    }

    /// A held order goes the way that new ones go.
    pub(super) fn choose_way(&mut self, o: u32) -> u32 {
        let Some(order) = self.st.orders.get(o as usize) else { return 0 };
        let from = order.route;
        let to = self.way(self.ix.primary_of(from));
        if to != from {
            if let Some(r) = self.st.routes.get_mut(from as usize) {
                r.held.remove(&o);
            }
            if let Some(r) = self.st.routes.get_mut(to as usize) {
                r.held.insert(o);
            }
            if let Some(order) = self.st.orders.get_mut(o as usize) {
                order.route = to;
            }
        }
        to
    }

    /// An open that the broker rejected counts against the route that carried it.
    pub(super) fn way_rejected(&mut self, o: u32) {
        let route = self.st.orders.get(o as usize).map(|x| x.route);
        let pair = self.ix.reserves.iter().find(|x| Some(x.primary) == route && x.switch.rejects > 0);
        if let Some(primary) = pair.map(|x| x.primary) {
            let now = self.st.at_ns;
            self.st.ways.entry(primary).or_default().rejects.push_back(now);
        }
    }

    /// A configuration may have other reserves.
    pub(super) fn fit_ways(&mut self) {
        let ix = Arc::clone(&self.ix);
        self.st.ways.retain(|primary, _| ix.reserves.iter().any(|x| x.primary == *primary));
    }

    /// An operator's word: by the primary, by the reserve, or as the thresholds say.
    pub(super) fn reroute<S: Sink>(&mut self, said: &Rerouting, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        let Rerouting { who, route, to } = said;
        let at = self.route_index(route);
        let pair = ix.reserves.iter().find(|x| Some(x.primary) == at);
        let Some(pair) = pair.filter(|_| !who.is_empty()) else {
            let why =
                if who.is_empty() { "needs a named operator" } else { "has no reserve, or is no route" };
            return self.alert("bad_command", format!("reroute: {route:?} {why}"), sink);
        };
        let way = self.st.ways.entry(pair.primary).or_default();
        let on_reserve = way.on_reserve;
        way.choice = *to;
        let what = match to {
            Choice::Auto => "as the thresholds say",
            Choice::Primary => "by the primary",
            Choice::Reserve => "by the reserve",
        };
        self.alert("reroute", format!("new orders of {route} go {what}, by {who}"), sink);
        match (to, on_reserve) {
            (Choice::Primary, true) => self.switch(pair, false, &format!("by {who}"), sink),
            (Choice::Reserve, false) => self.switch(pair, true, &format!("by {who}"), sink),
            _ => {}
        }
    }
}
