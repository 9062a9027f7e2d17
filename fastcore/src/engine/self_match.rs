//! Orders of one account that could fill each other (design 03; self-match): two subscriptions have opposite sides of one
//! instrument at work at the same time. It is told; where the policy says so, the later open waits. Closes never wait.

use super::lines::DUE_LINE;
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::config::SelfMatch;
use crate::decimal::Dec;
use smallvec::SmallVec;

impl Engine {
    /// Another subscription of the same account trades the line's instrument.
    pub(super) fn shared(&self, ix: &Index, at: u32) -> bool {
        self.st.lines.get(at as usize).and_then(|ls| ix.lane(ls)).is_some_and(|lane| lane.shared)
    }

    /// Units of one side that a line and its mirrors have at work, closes too.
    fn at_work(&self, at: u32, ls: &LineState, buy: bool) -> Dec {
        let own = if buy { ls.line.working_buy } else { ls.line.working_sell };
        own.checked_add(self.mirrors_at_work(at, buy)).unwrap_or(own)
    }

    /// Lines of other subscriptions of the same account and instrument that have one side at work, with how much.
    fn against(&self, ix: &Index, at: u32, buy: bool) -> SmallVec<[(u32, Dec); 4]> {
        let mut out = SmallVec::new();
        let Some(ls) = self.st.lines.get(at as usize) else { return out };
        let group = ix.lane(ls).and_then(|lane| self.st.groups.get(lane.group as usize));
        for other in group.into_iter().flatten().filter(|other| **other != at) {
            let Some(theirs) = self.st.lines.get(*other as usize).filter(|o| o.sub != ls.sub) else {
                continue;
            };
            let units = self.at_work(*other, theirs, buy);
            if units.is_positive() {
                out.push((*other, units));
            }
        }
        out
    }

    /// An open of a line has to wait until orders of the other side are done.
    pub(super) fn waits_for_others(&self, ix: &Index, at: u32, buy: bool) -> bool {
        ix.cfg.faults.self_match == SelfMatch::Wait && !self.against(ix, at, !buy).is_empty()
    }

    /// A line was worked: what of it now stands against an order of another subscription is told, once for each pair as
    /// long as it lasts.
    pub(super) fn look_for_crosses<S: Sink>(&mut self, ix: &Index, at: u32, sink: &mut S) {
        if ix.cfg.faults.self_match == SelfMatch::Off {
            return;
        }
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let own = [true, false].map(|buy| (buy, self.at_work(at, ls, buy)));
        let mut now = SmallVec::<[(u32, bool, Dec, Dec); 4]>::new();
        for (buy, units) in own.into_iter().filter(|(_, units)| units.is_positive()) {
            now.extend(self.against(ix, at, !buy).into_iter().map(|(o, theirs)| (o, buy, units, theirs)));
        }
        // Only those of its own account: there may be thousands of others.
        for other in
            ix.lane(ls).and_then(|lane| self.st.groups.get(lane.group as usize)).into_iter().flatten()
        {
            if now.iter().all(|n| n.0 != *other) {
                self.st.crosses.remove(&(at.min(*other), at.max(*other)));
            }
        }
        for (other, buy, units, theirs) in now {
            if !self.st.crosses.insert((at.min(other), at.max(other))) {
                continue;
            }
            self.note("orders of one account that could fill each other");
            let side = |buy: bool| if buy { "buys" } else { "sells" };
            let text = format!(
                "{} {} {units} units while {} {} {theirs}: one account could trade with itself",
                self.line_text(ix, at),
                side(buy),
                self.line_text(ix, other),
                side(!buy),
            );
            self.alert("self_match", text, sink);
        }
    }

    /// An order of a line is done: opens of others that may have waited for it are tried.
    pub(super) fn wake_others(&mut self, ix: &Index, at: u32) {
        if ix.cfg.faults.self_match != SelfMatch::Wait || !ix.lanes.shared {
            return;
        }
        let group = self.st.lines.get(at as usize).and_then(|ls| ix.lane(ls)).map(|l| l.group as usize);
        let now = self.st.at_ns;
        for other in group.and_then(|g| self.st.groups.get(g)).into_iter().flatten() {
            if *other != at && self.st.lines.get(*other as usize).is_some_and(|l| !l.waiting.is_empty()) {
                self.st.due.insert((now, DUE_LINE, *other));
            }
        }
    }
}
