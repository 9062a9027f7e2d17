//! The life of a subscription: copying, paused by a person, or leaving (design 02, "Late, missed, manual").
//!
//! It is kept by subscription, and as one byte in each of its ledger lines: what copies as usual pays nothing for it, and
//! what is paused or has left costs the others nothing, however long it stays so.

use super::stops::{Level, Stop};
use super::{Engine, Index};
use crate::action::Sink;
use crate::refusal::Code;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a person did to one subscription.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// Nothing is opened until somebody resumes it.
    pub paused: Option<Stop>,
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
}

impl Mode {
    /// How much is stopped. Never closes.
    #[must_use]
    pub const fn level(self) -> Option<Level> {
        match self {
            Mode::Copies => None,
            Mode::NoOpens => Some(Level::NoOpens),
            Mode::CloseOnly => Some(Level::CloseOnly),
        }
    }

    /// Why an open is refused.
    #[must_use]
    pub const fn code(self) -> Option<Code> {
        match self {
            Mode::Copies => None,
            Mode::NoOpens | Mode::CloseOnly => Some(Code::Paused),
        }
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

impl Engine {
    /// Neither a person nor a guard stops a line, and its subscription copies.
    pub(super) fn free(&self, at: u32) -> bool {
        self.nothing_stopped() && self.st.lines.get(at as usize).is_none_or(|l| l.mode == Mode::Copies)
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
    }

    /// What a new line of a subscription may do.
    pub(super) fn mode_of(&self, sub: u32) -> Mode {
        match self.st.lives.get(&sub).and_then(|life| life.paused.as_ref()) {
            None => Mode::Copies,
            Some(stop) if stop.level == Level::NoOpens => Mode::NoOpens,
            Some(_) => Mode::CloseOnly,
        }
    }

    /// Every line of a subscription does what its life says. A life of which nothing is to be told is forgotten.
    fn live_by(&mut self, sub: u32) {
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
