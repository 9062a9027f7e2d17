//! The life of a subscription: copying, paused by a person, or leaving (design 02, "Late, missed, manual").
//!
//! It is kept by subscription, and as one byte in each of its ledger lines: what copies as usual pays nothing for it, and
//! what is paused or has left costs the others nothing, however long it stays so.

use super::stops::{Level, Stop};
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::config::Leaving;
use crate::decimal::Dec;
use crate::ledger::quanta;
use crate::refusal::Code;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a person did to one subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Nothing is opened until somebody resumes it.
    pub paused: Option<Stop>,
    /// It leaves, or has left.
    pub leaving: Option<Leave>,
    /// What the configuration said last: it is followed once, so that a later command is not undone by a restart.
    pub by_file: Option<Leaving>,
    /// Leader instruments whose position is still to be opened, as the configuration says of a new subscription.
    pub joins: BTreeSet<u32>,
}

/// A subscription on its way out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// What becomes of its position.
    pub rule: Leaving,
    /// Who said so.
    pub who: String,
    /// When.
    pub at_ns: i64,
    /// Nothing of it works any more, and what was to be closed is closed.
    pub done: bool,
}

/// What a ledger line may do by the life of its subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Mode {
    /// Everything.
    #[default]
    Copies,
    /// Paused: nothing is opened.
    NoOpens,
    /// Paused: opens that work are cancelled as well.
    CloseOnly,
    /// Leaving: nothing is opened any more, and what is held is closed by the rule.
    Leaves,
    /// Left with its position: nothing is worked any more.
    Kept,
}

impl Mode {
    /// How much is stopped. Never closes.
    #[must_use]
    pub const fn level(self) -> Option<Level> {
        match self {
            Mode::Copies => None,
            Mode::NoOpens => Some(Level::NoOpens),
            Mode::CloseOnly | Mode::Leaves | Mode::Kept => Some(Level::CloseOnly),
        }
    }

    /// Why an open is refused.
    #[must_use]
    pub const fn code(self) -> Option<Code> {
        match self {
            Mode::Copies => None,
            Mode::NoOpens | Mode::CloseOnly => Some(Code::Paused),
            Mode::Leaves | Mode::Kept => Some(Code::Leaving),
        }
    }

    /// The leader's increases are no business of it any more.
    #[must_use]
    pub const fn leaves(self) -> bool {
        matches!(self, Mode::Leaves | Mode::Kept)
    }
}

/// One subscription, and who answers for what is done to it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Named {
    pub(super) who: String,
    pub(super) subscription: String,
}

/// A pause. A word that is spelt wrong must not pause something else: unknown fields are errors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pausing {
    who: String,
    subscription: String,
    #[serde(default)]
    level: Level,
}

/// How one subscription leaves.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LeaveText {
    who: String,
    subscription: String,
    rule: Leaving,
}

impl LineState {
    /// The leader's closes are its own: all but what was kept.
    pub(super) fn follows(&self) -> bool {
        self.mode != Mode::Kept
    }

    /// Its target is not on the side that a leader's position copies to.
    pub(super) fn is_on_another_side(&self, reverse: bool, position: Dec) -> bool {
        let side = if reverse { position.signum().saturating_neg() } else { position.signum() };
        i128::from(side) != self.line.target.signum()
    }
}

impl Engine {
    /// Neither a person nor a guard stops a line, and its subscription copies.
    #[inline]
    pub(super) fn free(&self, at: u32) -> bool {
        self.cause.calm && self.st.lines.get(at as usize).is_none_or(|l| l.mode == Mode::Copies)
    }

    /// The number of a subscription, for a command that somebody answers for. What is wrong is told.
    pub(super) fn named<S: Sink>(&mut self, cmd: &str, by: &Named, sink: &mut S) -> Option<u32> {
        let found = (0_u32..).zip(&self.ix.cfg.subscriptions).find(|(_, s)| s.name == by.subscription);
        let sub = found.map(|(n, _)| n);
        let wrong = match sub {
            None => format!("{cmd}: subscription {:?} is not defined", by.subscription),
            Some(_) if by.who.is_empty() => format!("{cmd} needs a named operator"),
            Some(_) => return sub,
        };
        self.alert("bad_command", wrong, sink);
        None
    }

    /// Opens nothing of one subscription. Never lowers a pause: that would be a release.
    pub(super) fn pause<S: Sink>(&mut self, p: Pausing, sink: &mut S) {
        if p.level == Level::Halt {
            let text = "pause: a pause never holds back closes: no_opens or close_only".to_owned();
            return self.alert("bad_command", text, sink);
        }
        let by = Named { who: p.who, subscription: p.subscription };
        let Some(sub) = self.named("pause", &by, sink) else { return };
        if self.mode_of(sub).leaves() {
            let text =
                format!("pause: subscription {:?} leaves: nothing is opened any more", by.subscription);
            return self.alert("bad_command", text, sink);
        }
        let life = self.st.lives.entry(sub).or_default();
        if let Some(there) = life.paused.as_ref().filter(|there| there.level >= p.level) {
            let text = format!(
                "subscription {:?} is paused at {} already, by {}",
                by.subscription,
                there.level.name(),
                there.who
            );
            return self.alert("pause", text, sink);
        }
        let text = format!("subscription {:?} paused at {} by {}", by.subscription, p.level.name(), by.who);
        life.paused = Some(Stop { level: p.level, who: by.who, at_ns: self.st.at_ns });
        self.alert("pause", text, sink);
        self.live_by(sub);
        self.work_sub(sub, sink);
    }

    /// Lets a paused subscription open again. What it missed is not made up.
    pub(super) fn resume<S: Sink>(&mut self, by: &Named, sink: &mut S) {
        let Some(sub) = self.named("resume", by, sink) else { return };
        let was = self.st.lives.get_mut(&sub).and_then(|life| life.paused.take());
        let name = &by.subscription;
        let text = match was {
            Some(stop) => {
                format!("subscription {name:?} resumed by {}; it was {}", by.who, stop.level.name())
            }
            None => format!("subscription {name:?} is not paused; {} asked for it", by.who),
        };
        self.alert("resume", text, sink);
        self.live_by(sub);
        self.work_sub(sub, sink); // what the leader's orders may still fill is mirrored again
    }

    /// One subscription opens nothing any more.
    pub(super) fn leave<S: Sink>(&mut self, text: LeaveText, sink: &mut S) {
        let by = Named { who: text.who, subscription: text.subscription };
        if let Some(sub) = self.named("leave", &by, sink) {
            self.leave_by(sub, text.rule, by.who, sink);
        }
    }

    /// What the configuration says, where it says it for the first time.
    pub(super) fn leave_by_file<S: Sink>(&mut self, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        for (sub, cfg) in (0_u32..).zip(&ix.cfg.subscriptions) {
            let known = self.st.lives.get(&sub).and_then(|life| life.by_file);
            if known == cfg.leaving {
                continue;
            }
            self.st.lives.entry(sub).or_default().by_file = cfg.leaving;
            match cfg.leaving {
                Some(rule) => self.leave_by(sub, rule, "the configuration".to_owned(), sink),
                None => {
                    let leaves = self.mode_of(sub).leaves();
                    self.live_by(sub);
                    if leaves {
                        let text = format!(
                            "subscription {:?} leaves also without its line: `join` ends it",
                            cfg.name
                        );
                        self.alert("leave", text, sink);
                    }
                }
            }
        }
    }

    fn leave_by<S: Sink>(&mut self, sub: u32, rule: Leaving, who: String, sink: &mut S) {
        let name = self.ix.cfg.subscriptions.get(sub as usize).map_or("", |s| s.name.as_str()).to_owned();
        let life = self.st.lives.entry(sub).or_default();
        if let Some(there) = life.leaving.as_ref().filter(|there| there.rule == rule) {
            let text = format!("subscription {name:?} leaves by {} already, by {}", rule.name(), there.who);
            return self.alert("leave", text, sink);
        }
        let text =
            format!("subscription {name:?} leaves by {}: nothing is opened any more, by {who}", rule.name());
        life.leaving = Some(Leave { rule, who, at_ns: self.st.at_ns, done: false });
        // What has left is not paused as well: that would have to be released for nothing.
        life.paused = None;
        life.joins.clear();
        self.alert("leave", text, sink);
        self.live_by(sub);
        if rule != Leaving::CloseWithLeader {
            let lines = (0_u32..).zip(&self.st.lines).filter(|(_, l)| l.sub == sub);
            let lines: Vec<u32> = lines.map(|(at, _)| at).collect();
            lines.into_iter().for_each(|at| self.end_mirrors(at));
        }
        if rule == Leaving::CloseNow {
            for ls in self.st.lines.iter_mut().filter(|l| l.sub == sub) {
                ls.line.target = 0;
                (ls.waiting, ls.needless, ls.retry_at_ns) = (Vec::new(), Vec::new(), 0);
            }
        }
        if rule == Leaving::CloseWithLeader {
            self.close_what_the_leader_has_not(sub);
        }
        self.work_sub(sub, sink);
        self.left(sub, sink);
    }

    /// A flat leader has flat followers, also where a position was kept from him before; and where he has turned around
    /// since, what he closes is on the other side.
    fn close_what_the_leader_has_not(&mut self, sub: u32) {
        let leader = self.ix.subs.get(sub as usize).map_or(u32::MAX, |s| s.leader);
        let reverse = self.ix.cfg.subscriptions.get(sub as usize).is_some_and(|c| c.reverse);
        let held = self.st.leaders.get(leader as usize).map(|l| &l.positions);
        for ls in self.st.lines.iter_mut().filter(|l| l.sub == sub && l.line.target != 0) {
            let Some(position) = held.and_then(|h| h.get(&ls.instrument)) else { continue };
            if ls.is_on_another_side(reverse, *position) {
                (ls.line.target, ls.retry_at_ns) = (0, 0);
            }
        }
    }

    /// A line of a subscription that leaves, before it is worked. True: there is nothing to work.
    pub(super) fn leaves<S: Sink>(&mut self, ix: &Index, at: u32, sink: &mut S) -> bool {
        let Some(ls) = self.st.lines.get_mut(at as usize).filter(|l| l.mode.leaves()) else { return false };
        let (sub, kept) = (ls.sub, ls.mode == Mode::Kept);
        if kept {
            // Its target is what it holds: fills of orders that were on their way belong to it as well.
            let grid = ix.grids.get(ls.follower_instrument as usize);
            ls.line.target = grid.and_then(|g| quanta(ls.line.filled, *g)).unwrap_or(ls.line.target);
            (ls.waiting, ls.needless, ls.close_waits) = (Vec::new(), Vec::new(), false);
            self.uncap(ix, at);
        }
        if self.gone(at) {
            self.left(sub, sink);
        }
        kept
    }

    /// Nothing of a line is worked, or will be.
    fn gone(&self, at: u32) -> bool {
        let Some(l) = self.st.lines.get(at as usize) else { return true };
        let flat = l.line.target == 0 && l.line.filled.is_zero();
        (flat || l.mode == Mode::Kept) && l.live.is_empty() && self.mirrors_live(at) == 0
    }

    /// Tells once that nothing is left to do for a subscription.
    fn left<S: Sink>(&mut self, sub: u32, sink: &mut S) {
        let leave = self.st.lives.get(&sub).and_then(|life| life.leaving.as_ref());
        let Some(leave) = leave.filter(|leave| !leave.done) else { return };
        let rule = leave.rule;
        let lines = (0_u32..).zip(&self.st.lines).filter(|(_, l)| l.sub == sub);
        if !lines.map(|(at, _)| at).all(|at| self.gone(at)) {
            return;
        }
        if let Some(leave) = self.st.lives.get_mut(&sub).and_then(|life| life.leaving.as_mut()) {
            leave.done = true;
        }
        let what = if rule == Leaving::Keep { "what it holds stays" } else { "it is flat" };
        let name = self.ix.cfg.subscriptions.get(sub as usize).map_or("", |s| s.name.as_str());
        self.alert("left", format!("subscription {name:?} has left: {what}, and nothing works"), sink);
    }

    /// A subscription whose position is closed at once or kept: nothing of the leader concerns it any more.
    pub(super) fn has_left(&self, sub: u32) -> bool {
        let leaving = self.st.lives.get(&sub).and_then(|life| life.leaving.as_ref());
        leaving.is_some_and(|leave| leave.rule != Leaving::CloseWithLeader)
    }

    /// What a new line of a subscription may do.
    pub(super) fn mode_of(&self, sub: u32) -> Mode {
        let Some(life) = self.st.lives.get(&sub) else { return Mode::Copies };
        match (&life.leaving, &life.paused) {
            (Some(leave), _) if leave.rule == Leaving::Keep => Mode::Kept,
            (Some(_), _) => Mode::Leaves,
            (None, Some(stop)) if stop.level == Level::NoOpens => Mode::NoOpens,
            (None, Some(_)) => Mode::CloseOnly,
            (None, None) => Mode::Copies,
        }
    }

    /// Every line of a subscription does what its life says. A life of which nothing is to be told is forgotten.
    pub(super) fn live_by(&mut self, sub: u32) {
        let mode = self.mode_of(sub);
        self.st.lines.iter_mut().filter(|l| l.sub == sub).for_each(|l| l.mode = mode);
        if self.st.lives.get(&sub) == Some(&Life::default()) {
            self.st.lives.remove(&sub);
        }
    }

    /// Works every line of a subscription.
    fn work_sub<S: Sink>(&mut self, sub: u32, sink: &mut S) {
        let ix: Arc<Index> = Arc::clone(&self.ix);
        for at in 0..u32::try_from(self.st.lines.len()).unwrap_or(0) {
            if self.st.lines.get(at as usize).is_some_and(|l| l.sub == sub) {
                self.work_line(&ix, at, sink);
            }
        }
    }
}
