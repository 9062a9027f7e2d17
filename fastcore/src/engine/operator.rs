//! Operator commands: each one is a journaled event.

use super::Engine;
use super::accounts::{Given, newer, set_values};
use super::adjust::AdjustText;
use super::breaks::Reconcile;
use super::joining::JoinText;
use super::life::{LeaveText, Named, Pausing};
use super::stops::Stopping;
use super::ticket_words::PositionText;
use super::ways::Rerouting;
use crate::action::Sink;
use crate::decimal::Dec;
use crate::event::Event;
use crate::time::parse_utc;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(tag = "cmd", rename_all = "snake_case")]
enum Command {
    /// Stop, sticky: everything, or one leader, follower, instrument or route.
    Kill(Stopping),
    /// Release the stop of the same scope.
    Arm(Stopping),
    /// No opens of one subscription.
    Pause(Pausing),
    /// The end of its pause.
    Resume(Named),
    /// One subscription opens nothing any more, and closes by a rule.
    Leave(LeaveText),
    /// One that leaves copies again.
    Join(JoinText),
    /// The targets of one subscription as if it joined now.
    Resync(Named),
    /// A leader's position after a corporate action or a transfer.
    Adjust(AdjustText),
    /// What is done about a position that a follower's broker reports otherwise.
    Reconcile(Reconcile),
    /// What one position of a hedging follower holds.
    Position(PositionText),
    /// By which of two routes new orders go.
    Reroute(Rerouting),
    /// Account values of a leader or follower by name.
    Account {
        #[serde(default)]
        who: String,
        account: String,
        #[serde(default)]
        balance: Option<Dec>,
        #[serde(default)]
        equity: Option<Dec>,
        #[serde(default)]
        free_margin: Option<Dec>,
        /// When they were true, UTC as FIX has it; now where it is left out.
        #[serde(default)]
        as_of: Option<String>,
        /// Paid in since the last value, out where it is negative: guards count it as neither profit nor loss.
        #[serde(default)]
        deposit: Option<Dec>,
    },
    /// A core's FIX engine rejected a message of the leader's broker: it was not applied.
    Refused {
        #[serde(default)]
        session: String,
        #[serde(default, rename = "raw")]
        _raw: serde_json::Value,
        #[serde(flatten)]
        _rest: std::collections::BTreeMap<String, serde_json::Value>,
    },
    /// The core process measured its machine's clock.
    Clock {
        #[serde(default)]
        error_us: Option<i64>,
    },
    /// The core process saw its machine's clock put forward.
    ClockStep {
        #[serde(default)]
        by_ms: i64,
    },
    /// The operator looked at a bust: opens on the leader's instruments go on.
    BustResume { who: String, leader: String },
}

impl Engine {
    pub(super) fn on_operator<S: Sink>(&mut self, ev: &Event<'_>, sink: &mut S) {
        let read: Result<Command, _> = serde_json::from_slice(ev.payload);
        let command = match read {
            Ok(c) => c,
            Err(e) => return self.alert("bad_command", format!("operator command: {e}"), sink),
        };
        match command {
            Command::Kill(stop) => self.stop(stop, sink),
            Command::Arm(stop) if !stop.who.is_empty() => self.release_stop(&stop, sink),
            Command::Arm(_) => self.alert("bad_command", "arm needs a named operator".to_owned(), sink),
            Command::Pause(pause) => self.pause(pause, sink),
            Command::Resume(by) => self.resume(&by, sink),
            Command::Leave(leave) => self.leave(leave, sink),
            Command::Join(join) => self.join(join, sink),
            Command::Resync(by) => self.resync(&by, sink),
            Command::Adjust(text) => self.adjust(&text, sink),
            Command::Reroute(said) => self.reroute(&said, sink),
            Command::Position(said) => self.say_position(&said, sink),
            Command::Reconcile(said) => self.reconcile(&said, sink),
            Command::Account { who, account, balance, equity, free_margin, as_of, deposit } => {
                self.alert("account", format!("account values of {account} given by {who:?}"), sink);
                let given = (balance, equity, free_margin);
                self.named_account(&account, given, as_of.as_deref(), deposit, sink);
            }
            Command::Refused { session, .. } => {
                self.alert(
                    "we_rejected",
                    format!("{session}: our FIX engine rejected a leader's message"),
                    sink,
                );
            }
            Command::Clock { error_us } => self.clock_measured(error_us, sink),
            Command::ClockStep { by_ms } => self.clock_stepped(by_ms, sink),
            Command::BustResume { who, leader } => self.bust_resume(&who, &leader, sink),
        }
    }

    fn named_account<S: Sink>(
        &mut self,
        name: &str,
        given: Given,
        as_of: Option<&str>,
        deposit: Option<Dec>,
        sink: &mut S,
    ) {
        let ix = Arc::clone(&self.ix);
        let own_ns = as_of.map(|text| parse_utc(text.as_bytes()));
        if own_ns == Some(None) {
            let said = as_of.unwrap_or_default();
            let text = format!("account {name:?}: {said:?} is no time as FIX has it: nothing was taken");
            return self.alert("bad_command", text, sink);
        }
        let at = self.as_of(own_ns.flatten());
        let leader = ix.cfg.leaders.iter().position(|l| l.name == name);
        let follower = (0_u32..).zip(&ix.cfg.followers).find(|(_, f)| f.name == name).map(|(n, _)| n);
        let known = match (leader, follower) {
            (Some(l), _) => self.st.leaders.get(l).map(|l| l.values),
            (None, Some(f)) => self.st.followers.get(f as usize).copied(),
            (None, None) => None,
        };
        // All of it or nothing: whoever is told that it was refused says it once more, with its deposit.
        if known.is_some_and(|known| newer(&known, given, at) != given) {
            let text = format!(
                "account {name:?}: a value is older than the one that is known, which stays: nothing was taken"
            );
            return self.alert("bad_command", text, sink);
        }
        if leader.is_some() && deposit.is_some() {
            let text =
                format!("a deposit to leader {name:?} changes nothing: only guards of followers count it");
            self.alert("bad_command", text, sink);
        }
        if let Some(l) = leader.and_then(|i| self.st.leaders.get_mut(i)) {
            set_values(&mut l.values, given, at);
        } else if let Some(f) = follower {
            if let Some(amount) = deposit {
                self.deposit(f, amount, sink);
            }
            self.follower_values(&ix, f, given, at);
        } else {
            self.alert("bad_command", format!("account {name:?} is neither a leader nor a follower"), sink);
        }
    }

    fn bust_resume<S: Sink>(&mut self, who: &str, leader: &str, sink: &mut S) {
        let at = self.ix.cfg.leaders.iter().position(|l| l.name == leader);
        let Some(at) = at.and_then(|at| u32::try_from(at).ok()) else {
            return self.alert("bad_command", format!("leader {leader:?} is not defined"), sink);
        };
        self.release_busts(at);
        self.alert("bust_resume", format!("opens after busts of {leader} allowed by {who}"), sink);
    }
}
