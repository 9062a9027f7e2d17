//! Frames on their way to the routes, in decision order, held until their row is committed (09.5).

use fastcore::action::{Alert, Sink};
use std::collections::VecDeque;

/// Frames waiting at most; beyond, the newest is dropped and its orders are found by the dispatch timeout (06).
pub const OUTBOX_MAX: usize = 65_536;
/// Questions to leaders' brokers waiting at most: one that is not asked now is asked at the next logon.
const QUESTIONS_MAX: usize = 1_024;
/// Alerts kept for the status page.
pub const ALERTS_MAX: usize = 256;

#[derive(Debug)]
struct Waiting {
    seq: u64,
    identity: Vec<u8>,
    frame: Vec<u8>,
}

/// The queue, and what is linked now.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Waiting>,
    /// By route index: identity of the live link.
    pub(crate) links: Vec<Option<Vec<u8>>>,
    pub(crate) alerts: VecDeque<(u64, Alert)>,
    /// Alerts that nobody took yet.
    fresh: usize,
    pub(crate) dropped: u64,
    /// By route index: rows that it had not acknowledged at its last heartbeat.
    pub(crate) rows: Vec<u64>,
    /// Questions to leaders' brokers: session, message.
    questions: Vec<(String, Vec<u8>)>,
    /// The row whose frames are being queued.
    pub(crate) seq: u64,
}

impl Outbox {
    pub(crate) fn link(&mut self, route: u32, identity: Option<Vec<u8>>) {
        let at = route as usize;
        if self.links.len() <= at {
            self.links.resize(at.saturating_add(1), None);
        }
        if let Some(place) = self.links.get_mut(at) {
            *place = identity;
        }
    }

    /// A heartbeat told how many rows the route keeps.
    pub(crate) fn told_rows(&mut self, route: u32, rows: u64) {
        let at = route as usize;
        if self.rows.len() <= at {
            self.rows.resize(at.saturating_add(1), 0);
        }
        if let Some(place) = self.rows.get_mut(at) {
            *place = rows;
        }
    }

    pub(crate) fn linked(&self, route: u32) -> Option<&[u8]> {
        self.links.get(route as usize)?.as_deref()
    }

    pub(crate) fn queue(&mut self, identity: &[u8], frame: &[u8]) {
        if self.queue.len() >= OUTBOX_MAX {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        self.queue.push_back(Waiting {
            seq: self.seq,
            identity: identity.to_owned(),
            frame: frame.to_owned(),
        });
    }

    /// Takes frames whose rows are committed.
    pub(crate) fn drain(&mut self, committed: u64, max: usize) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut out = Vec::new();
        while out.len() < max && self.queue.front().is_some_and(|w| w.seq <= committed) {
            let Some(w) = self.queue.pop_front() else { break };
            out.push((w.identity, w.frame));
        }
        out
    }

    /// The newest row that a waiting frame belongs to.
    pub(crate) fn newest(&self) -> Option<u64> {
        self.queue.back().map(|w| w.seq)
    }

    pub(crate) fn take_alerts(&mut self) -> Vec<(u64, &'static str, String)> {
        let from = self.alerts.len().saturating_sub(std::mem::take(&mut self.fresh));
        self.alerts.iter().skip(from).map(|(seq, a)| (*seq, a.code, a.text.clone())).collect()
    }

    /// They may leave before their row is durable: whatever is answered is a report of its own.
    pub(crate) fn take_questions(&mut self) -> Vec<(String, Vec<u8>)> {
        std::mem::take(&mut self.questions)
    }

    pub(crate) fn len(&self) -> usize {
        self.queue.len()
    }
}

impl Sink for Outbox {
    const WANTS_DECISIONS: bool = false;

    fn frame(&mut self, route: u32, frame: &[u8]) {
        match self.linked(route).map(<[u8]>::to_owned) {
            Some(identity) => self.queue(&identity, frame),
            None => self.dropped = self.dropped.saturating_add(1),
        }
    }

    fn question(&mut self, session: &str, message: &[u8]) {
        if self.questions.len() < QUESTIONS_MAX {
            self.questions.push((session.to_owned(), message.to_owned()));
        }
    }

    fn alert(&mut self, alert: &Alert) {
        if self.alerts.len() >= ALERTS_MAX {
            self.alerts.pop_front();
        }
        self.alerts.push_back((self.seq, alert.clone()));
        self.fresh = self.fresh.saturating_add(1).min(ALERTS_MAX);
    }
}
