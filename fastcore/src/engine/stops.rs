//! Stops: latches that a person or a fault sets, and only a named person releases (design 03, `kill`).
//!
//! A stop is sticky: it is state like any other, and survives restarts. What one of several scopes stops is stopped.

use super::lines::End;
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::order::State;
use crate::refusal::Code;
use crate::time::parse_utc;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How much is stopped; each level stops what the one before it stops.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing is opened.
    #[default]
    NoOpens,
    /// Opens that work are cancelled as well. Closes go on.
    CloseOnly,
    /// Closes wait too, until somebody releases it.
    Halt,
}

impl Level {
    /// The name in commands, status and alerts.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Level::NoOpens => "no_opens",
            Level::CloseOnly => "close_only",
            Level::Halt => "halt",
        }
    }
}

/// What is stopped, by its number in the configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Scope {
    /// Everything.
    Global,
    /// What copies this leader.
    Leader(u32),
    /// This follower.
    Follower(u32),
    /// This instrument, the leader's or the follower's.
    Instrument(u32),
    /// The followers of this route.
    Route(u32),
}

/// One latch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stop {
    /// How much.
    pub level: Level,
    /// Who set it, or which fault.
    pub who: String,
    /// When it was set at this level.
    pub at_ns: i64,
}

impl Stop {
    /// What a fault stops, now.
    pub(super) const fn of_opens(who: String, at_ns: i64) -> Self {
        Self { level: Level::NoOpens, who, at_ns }
    }
}

/// A stop as an operator names it: one scope, or none for everything. A name that is spelt wrong must not stop, or
/// release, something else: unknown fields are errors.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stopping {
    /// Who answers for it.
    pub(super) who: String,
    #[serde(default)]
    level: Level,
    #[serde(default)]
    leader: Option<String>,
    #[serde(default)]
    follower: Option<String>,
    #[serde(default)]
    instrument: Option<String>,
    #[serde(default)]
    route: Option<String>,
    /// When it was left while no core answered, UTC as FIX has it; now where it is left out.
    #[serde(default)]
    since: Option<String>,
}

impl Stopping {
    /// The scope, or what is wrong with the name.
    fn scope(&self, ix: &Index) -> Result<Scope, String> {
        fn find<'a>(
            what: &str,
            name: &str,
            names: impl Iterator<Item = &'a String>,
            scope: fn(u32) -> Scope,
        ) -> Result<Scope, String> {
            let at = names.zip(0_u32..).find(|(known, _)| *known == name);
            at.map(|(_, n)| scope(n)).ok_or_else(|| format!("{what} {name:?} is not defined"))
        }
        let c = &ix.cfg;
        match (&self.leader, &self.follower, &self.instrument, &self.route) {
            (None, None, None, None) => Ok(Scope::Global),
            (Some(n), None, None, None) => {
                find("leader", n, c.leaders.iter().map(|x| &x.name), Scope::Leader)
            }
            (None, Some(n), None, None) => {
                find("follower", n, c.followers.iter().map(|x| &x.name), Scope::Follower)
            }
            (None, None, Some(n), None) => {
                find("instrument", n, c.instruments.iter().map(|x| &x.name), Scope::Instrument)
            }
            (None, None, None, Some(n)) => find("route", n, c.routes.iter().map(|x| &x.name), Scope::Route),
            _ => Err("a stop has one scope".to_owned()),
        }
    }
}

impl Scope {
    /// Kind and name, for people: `follower "f1"`, `everything`.
    #[must_use]
    pub fn text(self, ix: &Index) -> String {
        let (kind, name) = self.kind_and_name(ix);
        if self == Scope::Global { "everything".to_owned() } else { format!("{kind} {name:?}") }
    }

    /// The kind, and the name in the configuration.
    #[must_use]
    pub fn kind_and_name(self, ix: &Index) -> (&'static str, &str) {
        let c = &ix.cfg;
        match self {
            Scope::Global => ("global", ""),
            Scope::Leader(i) => ("leader", c.leaders.get(i as usize).map_or("", |x| &x.name)),
            Scope::Follower(i) => ("follower", c.followers.get(i as usize).map_or("", |x| &x.name)),
            Scope::Instrument(i) => ("instrument", c.instruments.get(i as usize).map_or("", |x| &x.name)),
            Scope::Route(i) => ("route", c.routes.get(i as usize).map_or("", |x| &x.name)),
        }
    }
}

const MS: i64 = 1_000_000;

impl Engine {
    /// No person, no guard and no venue stops anything.
    pub(super) fn nothing_stopped(&self) -> bool {
        self.st.stops.is_empty()
            && self.st.tripped.is_empty()
            && self.st.sub_tripped.is_empty()
            && self.st.halts.is_empty()
            && !self.any_inactive()
            && self.clock_refusal().is_none()
    }

    /// The highest level of what stops a line: persons, faults, the guards of its follower, and its subscription's life.
    pub(super) fn stopped(&self, ix: &Index, ls: &LineState) -> Option<Level> {
        let follower = ix.subs.get(ls.sub as usize)?.follower;
        let inactive = ix.subs.get(ls.sub as usize).and_then(|s| self.leader_inactive(s.leader));
        let by_itself = self.hardest(follower).map(|trip| trip.level).max(inactive.map(|i| i.level));
        let own = self.hardest_of_sub(ls.sub).map(|trip| trip.level);
        self.killed(ix, ls).max(by_itself).max(own).max(ls.mode.level())
    }

    /// The highest level of the kill switches that a line is under.
    pub(super) fn killed(&self, ix: &Index, ls: &LineState) -> Option<Level> {
        if self.st.stops.is_empty() {
            return None;
        }
        let s = ix.subs.get(ls.sub as usize)?;
        let scopes = [
            Scope::Global,
            Scope::Leader(s.leader),
            Scope::Follower(s.follower),
            Scope::Instrument(ls.instrument),
            Scope::Instrument(ls.follower_instrument),
            Scope::Route(s.route),
            Scope::Route(self.way(s.route)),
        ];
        scopes.iter().filter_map(|scope| self.st.stops.get(scope)).map(|stop| stop.level).max()
    }

    /// The code of what is refused because it is stopped.
    pub(super) fn stop_code(&self, ix: &Index, ls: &LineState) -> Code {
        let sub = ix.subs.get(ls.sub as usize).filter(|_| self.killed(ix, ls).is_none());
        let guard = sub.and_then(|s| self.hardest(s.follower).or_else(|| self.hardest_of_sub(ls.sub)));
        let guard = guard.map(|trip| trip.code);
        let inactive = sub.and_then(|s| self.leader_inactive(s.leader)).map(|_| Code::ProviderInactive);
        let life = ls.mode.code().filter(|_| sub.is_some());
        guard.or(inactive).or(life).unwrap_or(Code::Kill)
    }

    /// The same by the number of the line.
    pub(super) fn stopped_at(&self, ix: &Index, at: u32) -> Option<Level> {
        self.st.lines.get(at as usize).and_then(|ls| self.stopped(ix, ls))
    }

    /// Sets a stop. Never lowers one: that would be a release, which needs a name.
    pub(super) fn stop<S: Sink>(&mut self, stop: Stopping, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        match stop.scope(&ix) {
            Ok(scope) => {
                // A time that nobody can read holds no stop back.
                let left_ns = stop.since.as_deref().and_then(|text| parse_utc(text.as_bytes()));
                let at_ns = self.as_of(left_ns);
                self.latch(&ix, scope, Stop { level: stop.level, who: stop.who, at_ns }, sink);
            }
            Err(why) => self.alert("bad_command", format!("kill: {why}"), sink),
        }
    }

    /// Sets a stop of a scope that is known.
    pub(super) fn latch<S: Sink>(&mut self, ix: &Arc<Index>, scope: Scope, stop: Stop, sink: &mut S) {
        let (what, level) = (scope.text(ix), stop.level);
        if let Some(there) = self.st.stops.get(&scope).filter(|s| s.level >= level) {
            let text = format!("{what} is stopped at {} already, by {}", there.level.name(), there.who);
            return self.alert("kill", text, sink);
        }
        self.alert("kill", format!("{what} stopped at {} by {}", level.name(), stop.who), sink);
        self.st.stops.insert(scope, stop);
        self.cause.calm = false;
        if level > Level::NoOpens {
            self.work_all(ix, sink);
        }
    }

    /// A broker that rejects one open after the other is a fault: its follower opens nothing until a person has looked.
    /// Rejects of closes do not count: closes are tried until they are done.
    pub(super) fn open_rejected<S: Sink>(&mut self, ix: &Arc<Index>, o: u32, sink: &mut S) {
        if !ix.reserves.is_empty() {
            self.way_rejected(o);
        }
        let (faults, now) = (ix.cfg.faults, self.st.at_ns);
        let order = self.st.orders.get(o as usize).filter(|x| !x.reduces && faults.reject_burst > 0);
        let Some(follower) = order.and_then(|x| ix.subs.get(x.sub as usize)).map(|s| s.follower) else {
            return;
        };
        let since_ns = now.saturating_sub(faults.reject_window_ms.saturating_mul(MS));
        let rejects = self.st.rejects.entry(follower).or_default();
        rejects.push_back(now);
        while rejects.front().is_some_and(|at| *at <= since_ns) {
            rejects.pop_front();
        }
        if rejects.len() >= faults.reject_burst as usize {
            self.st.rejects.remove(&follower);
            let window_s = faults.reject_window_ms.checked_div(1_000).unwrap_or(0);
            let who = format!("fault: {} opens rejected in {window_s} s", faults.reject_burst);
            self.latch(ix, Scope::Follower(follower), Stop::of_opens(who, now), sink);
        }
    }

    /// Releases the stop of one scope; others stay.
    pub(super) fn release_stop<S: Sink>(&mut self, by: &Stopping, sink: &mut S) {
        let (ix, who) = (Arc::clone(&self.ix), &by.who);
        let scope = match by.scope(&ix) {
            Ok(scope) => scope,
            Err(why) => return self.alert("bad_command", format!("arm: {why}"), sink),
        };
        let what = scope.text(&ix);
        let by_itself = match scope {
            Scope::Follower(f) => {
                self.release_guard(f) | self.release_sub_guards(&ix, f) | self.release_copies(&ix, f)
            }
            Scope::Leader(l) => self.release_inactive(l),
            Scope::Global | Scope::Instrument(_) | Scope::Route(_) => false,
        };
        let stop = self.st.stops.remove(&scope);
        if stop.is_none() && !by_itself {
            return self.alert("arm", format!("{what} is not stopped; {who} asked for it"), sink);
        }
        let was = stop.map_or("stopped by itself", |stop| stop.level.name());
        self.alert("arm", format!("{what} released by {who}; it was {was}"), sink);
        // Closes that waited go out now, those that a route holds and those that were never made.
        for at in 0..u32::try_from(self.st.routes.len()).unwrap_or(0) {
            self.send_held(at, sink);
        }
        self.work_all(&ix, sink);
    }

    fn work_all<S: Sink>(&mut self, ix: &Arc<Index>, sink: &mut S) {
        for at in 0..u32::try_from(self.st.lines.len()).unwrap_or(0) {
            self.work_line(ix, at, sink);
        }
    }

    /// `close_only` and above: what would still open is taken back, from the broker or before it was sent.
    pub(super) fn cancel_opens<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, sink: &mut S) {
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let code = self.stop_code(ix, ls);
        for o in ls.live.clone() {
            match self.st.orders.get(o as usize) {
                Some(order) if order.reduces => {}
                Some(order) if order.state == State::Held => {
                    self.end_unsent(ix, o, End::Refused(code), sink);
                }
                Some(_) => self.ask_cancel(ix, o),
                None => {}
            }
        }
    }
}
