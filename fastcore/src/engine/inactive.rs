//! A leader that nobody hears (design 03, `provider_inactive`): its session is down, or silent, for longer than its rule says.
//!
//! Opens stop by themselves, and end by themselves when the leader is heard again; what was closed needs a person.

use super::stops::{Level, Scope};
use super::{Engine, Index};
use crate::action::Sink;
use crate::config::InactiveRule;
use crate::decimal::Dec;
use crate::guard::Action;
use crate::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// Timer kind, stored in snapshots.
pub(super) const DUE_LEADER: u8 = 8;

/// What is known of a leader that has a rule.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When its session went down; none: it is up.
    pub down_ns: Option<i64>,
    /// When it said anything last.
    pub last_ns: i64,
    /// It is inactive: since when, by which bound, and how much is stopped.
    pub inactive: Option<Inactive>,
    /// When its one timer runs; 0: it has none.
    pub asked_ns: i64,
}

/// A leader that is inactive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inactive {
    /// When it was found.
    pub at_ns: i64,
    /// The bound that was reached, milliseconds.
    pub limit_ms: i64,
    /// Nothing was heard since then.
    pub since_ns: i64,
    /// How much is stopped.
    pub level: Level,
}

impl Inactive {
    /// The numbers, for people.
    #[must_use]
    pub fn numbers(&self) -> String {
        format!("not heard for {} ms", self.limit_ms)
    }
}

impl Engine {
    /// Every leader with a rule has a place; its session has to come up first.
    pub(super) fn fit_inactive(&mut self) {
        let (ix, now) = (Arc::clone(&self.ix), self.st.at_ns);
        let rule = |l: &u32| ix.cfg.leaders.get(*l as usize).is_some_and(|l| l.inactive.is_some());
        self.st.heard.retain(|l, _| rule(l));
        for l in (0_u32..).zip(&ix.cfg.leaders).filter(|(_, c)| c.inactive.is_some()).map(|(n, _)| n) {
            let new = Heard { down_ns: Some(now), last_ns: now, ..Heard::default() };
            self.st.heard.entry(l).or_insert(new);
        }
    }

    /// A new core: its sessions are down until they come up.
    pub(super) fn unheard(&mut self) {
        let now = self.st.at_ns;
        let leaders: Vec<u32> = self.st.heard.keys().copied().collect();
        for l in leaders {
            if let Some(h) = self.st.heard.get_mut(&l) {
                // A leader that is new to the state was made before there was a time.
                h.down_ns = h.down_ns.filter(|t| *t > 0).or(Some(now));
                h.last_ns = if h.last_ns > 0 { h.last_ns } else { now };
            }
            self.ask_leader(l, now);
        }
    }

    /// Each leader has one timer, however much he says: an earlier one takes the place of a later one.
    fn ask_leader(&mut self, leader: u32, at_ns: i64) {
        let Some(h) = self.st.heard.get_mut(&leader) else { return };
        if h.asked_ns == 0 || at_ns < h.asked_ns {
            self.st.due.remove(&(h.asked_ns, DUE_LEADER, leader));
            self.st.due.insert((at_ns, DUE_LEADER, leader));
            h.asked_ns = at_ns;
        }
    }

    /// A message of a session, or its state: `up` where it is told.
    pub(super) fn heard<S: Sink>(&mut self, session: &str, up: Option<bool>, sink: &mut S) {
        if self.st.heard.is_empty() {
            return;
        }
        let (ix, now) = (Arc::clone(&self.ix), self.st.at_ns);
        let (mut back, mut ask) = (Vec::new(), Vec::new());
        for (l, h) in &mut self.st.heard {
            if ix.cfg.leaders.get(*l as usize).is_none_or(|c| c.session != session) {
                continue;
            }
            match up {
                Some(false) => h.down_ns = h.down_ns.or(Some(now)),
                _ => (h.down_ns, h.last_ns) = (None, now),
            }
            // What is heard only puts the end of a silence off: the timer finds that out by itself.
            if h.asked_ns == 0 || up == Some(false) {
                ask.push(*l);
            }
            if up != Some(false) && h.inactive.is_some_and(|i| i.level == Level::NoOpens) {
                h.inactive = None;
                back.push(*l);
            }
        }
        ask.into_iter().for_each(|l| self.ask_leader(l, now));
        for l in back {
            let what = Scope::Leader(l).text(&ix);
            self.alert("provider_active", format!("{what} is heard again: opens go on"), sink);
        }
    }

    /// A leader's timer: finds out whether it is inactive, or when to ask again.
    pub(super) fn leader_due<S: Sink>(&mut self, ix: &Arc<Index>, leader: u32, sink: &mut S) {
        let rule = ix.cfg.leaders.get(leader as usize).and_then(|l| l.inactive);
        let (Some(rule), Some(h)) = (rule, self.st.heard.get(&leader).copied()) else { return };
        let now = self.st.at_ns;
        if let Some(h) = self.st.heard.get_mut(&leader) {
            h.asked_ns = 0;
        }
        if h.inactive.is_some() {
            return;
        }
        let (next_ns, found) = reached(&rule, &h, now);
        let Some((limit_ms, since_ns)) = found else {
            if next_ns < i64::MAX {
                self.ask_leader(leader, next_ns);
            }
            return;
        };
        let level = if rule.action == Action::CloseAll { Level::CloseOnly } else { Level::NoOpens };
        let inactive = Inactive { at_ns: now, limit_ms, since_ns, level };
        if let Some(h) = self.st.heard.get_mut(&leader) {
            h.inactive = Some(inactive);
            self.cause.calm = false;
        }
        let text =
            format!("{} {}: stopped at {}", Scope::Leader(leader).text(ix), inactive.numbers(), level.name());
        self.alert("provider_inactive", text, sink);
        if level > Level::NoOpens {
            self.close_lines(ix, |s| s.leader == leader, sink);
        }
    }

    /// Some leader is inactive.
    pub(super) fn any_inactive(&self) -> bool {
        self.st.heard.values().any(|h| h.inactive.is_some())
    }

    /// Why a leader's opens are stopped.
    pub(super) fn leader_inactive(&self, leader: u32) -> Option<Inactive> {
        self.st.heard.get(&leader)?.inactive
    }

    /// The same as a refusal, with the time that nothing was heard in.
    pub(super) fn inactive_refusal(&self, leader: u32) -> Option<Refusal> {
        let inactive = self.leader_inactive(leader)?;
        let silent_ms = self.st.at_ns.saturating_sub(inactive.since_ns).checked_div(MS).unwrap_or(0);
        let (limit, value) = (Dec::from_int(inactive.limit_ms), Dec::from_int(silent_ms));
        Some(Refusal::over(Code::ProviderInactive, limit, value))
    }

    /// A person lets a leader go that was stopped as inactive: it is asked about anew. False where it was not.
    pub(super) fn release_inactive(&mut self, leader: u32) -> bool {
        let now = self.st.at_ns;
        let Some(h) = self.st.heard.get_mut(&leader).filter(|h| h.inactive.is_some()) else { return false };
        (h.inactive, h.last_ns) = (None, now);
        h.down_ns = h.down_ns.map(|_| now);
        self.ask_leader(leader, now);
        true
    }
}

/// When to ask again, and the bound that is reached with the time since which nothing was heard.
fn reached(rule: &InactiveRule, h: &Heard, now: i64) -> (i64, Option<(i64, i64)>) {
    let down = h.down_ns.filter(|_| rule.down_ms > 0).map(|since| (rule.down_ms, since));
    let silent = Some((rule.silent_ms, h.last_ns)).filter(|_| rule.silent_ms > 0);
    let mut next_ns = i64::MAX;
    for (limit_ms, since_ns) in [down, silent].into_iter().flatten() {
        let end_ns = since_ns.saturating_add(limit_ms.saturating_mul(MS));
        if end_ns <= now {
            return (now, Some((limit_ms, since_ns)));
        }
        next_ns = next_ns.min(end_ns);
    }
    (next_ns, None)
}
