//! Two limits that count over time (design 03): messages of a route, a follower or everything, and automatic copies of one
//! ledger line.

use super::{Engine, Index};
use crate::action::Sink;
use crate::bucket::{Allowance, Bucket};
use crate::config::Config;
use crate::decimal::Dec;
use crate::refusal::{Code, Refusal};
use crate::risk::Messages;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const MS: i64 = 1_000_000;

/// Automatic copies of one ledger line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// When they were made, within the window, the oldest first.
    pub at_ns: VecDeque<i64>,
    /// There were too many: nothing is opened since then, until a person has looked.
    pub stopped_ns: Option<i64>,
}

/// What is left of the allowances that messages have been counted against.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Buckets {
    all: Option<Bucket>,
    routes: Vec<Option<Bucket>>,
    followers: Vec<Option<Bucket>>,
}

impl Buckets {
    /// Of everything, of a route, of a follower.
    fn find(&self, route: u32, follower: u32) -> [Option<Bucket>; 3] {
        let at = |list: &[Option<Bucket>], i: u32| list.get(i as usize).copied().flatten();
        [self.all, at(&self.routes, route), at(&self.followers, follower)]
    }

    fn slots(&mut self, route: u32, follower: u32) -> [Option<&mut Option<Bucket>>; 3] {
        let (route, follower) = (route as usize, follower as usize);
        super::grow(&mut self.routes, route.saturating_add(1));
        super::grow(&mut self.followers, follower.saturating_add(1));
        [Some(&mut self.all), self.routes.get_mut(route), self.followers.get_mut(follower)]
    }
}

/// The three allowances that a message counts against: of everything, of its route, of its follower.
fn allowances(ix: &Index, route: u32, follower: u32) -> [Option<Allowance>; 3] {
    let of_route = ix.cfg.routes.get(route as usize).and_then(|r| r.messages);
    let of_follower = ix.cfg.followers.get(follower as usize).and_then(|f| f.messages);
    [ix.cfg.messages, of_route, of_follower]
}

/// Whether any message has an allowance.
pub(super) fn any_allowance(cfg: &Config) -> bool {
    let routes = cfg.routes.iter().any(|r| r.messages.is_some());
    routes || cfg.messages.is_some() || cfg.followers.iter().any(|f| f.messages.is_some())
}

impl Engine {
    /// Counts one message of an order, as soon as it is decided.
    pub(super) fn count_message(&mut self, route: u32, o: u32) {
        let (ix, now) = (&*self.ix, self.st.at_ns);
        let sub = self.st.orders.get(o as usize).and_then(|x| ix.subs.get(x.sub as usize));
        let Some(follower) = sub.map(|s| s.follower) else { return };
        let slots = self.st.buckets.slots(route, follower);
        for (slot, allowance) in slots.into_iter().zip(allowances(ix, route, follower)) {
            if let (Some(slot), Some(of)) = (slot, allowance) {
                slot.get_or_insert_with(|| of.full(now)).take(&of, now);
            }
        }
    }

    /// The smallest allowance that is left for opens of a line.
    pub(super) fn messages_left(&self, ix: &Index, route: u32, follower: u32) -> Option<Messages> {
        let now = self.st.at_ns;
        let left = |(bucket, allowance): (Option<Bucket>, Option<Allowance>)| {
            let of = allowance?;
            let bucket = bucket.unwrap_or_else(|| of.full(now));
            Some(Messages { limit: of.for_opens(), room: bucket.room(&of, now) })
        };
        let buckets = self.st.buckets.find(route, follower);
        let all = buckets.into_iter().zip(allowances(ix, route, follower));
        all.filter_map(left).min_by_key(|m| m.room)
    }

    /// Counts an automatic copy. One too many disables the line's opens: a loop of somebody's is no trading.
    pub(super) fn count_copy<S: Sink>(&mut self, ix: &Index, at: u32, sink: &mut S) {
        let (faults, now) = (ix.cfg.faults, self.st.at_ns);
        let since_ns = now.saturating_sub(faults.repeated_window_ms.saturating_mul(MS));
        let Some(copies) = self.st.copies.get_or_default(at) else { return };
        copies.at_ns.push_back(now);
        while copies.at_ns.front().is_some_and(|t| *t <= since_ns) {
            copies.at_ns.pop_front();
        }
        if copies.at_ns.len() < faults.repeated_copies as usize || copies.stopped_ns.is_some() {
            return;
        }
        copies.stopped_ns = Some(now);
        copies.at_ns.clear();
        let window_s = faults.repeated_window_ms.checked_div(1_000).unwrap_or(0);
        let text = format!(
            "{}: {} copies in {window_s} s: nothing is opened until somebody releases its follower",
            self.line_text(ix, at),
            faults.repeated_copies
        );
        self.alert("repeated_copies", text, sink);
    }

    /// Why a line's opens are disabled.
    pub(super) fn too_many_copies(&self, ix: &Index, at: u32) -> Option<Refusal> {
        self.st.copies.get(at)?.stopped_ns?;
        let most = Dec::from_int(i64::from(ix.cfg.faults.repeated_copies));
        Some(Refusal::over(Code::RepeatedExecution, most, most))
    }

    /// A person lets the lines of a follower go. False where none was disabled.
    pub(super) fn release_copies(&mut self, ix: &Index, follower: u32) -> bool {
        let of_follower = |at: u32, st: &super::State| {
            let sub = st.lines.get(at as usize).and_then(|ls| ix.subs.get(ls.sub as usize));
            sub.is_some_and(|s| s.follower == follower)
        };
        let stopped = self.st.copies.iter().filter(|(_, c)| c.stopped_ns.is_some()).map(|(at, _)| at);
        let found: Vec<u32> = stopped.filter(|at| of_follower(*at, &self.st)).collect();
        for at in &found {
            self.st.copies.remove(*at);
        }
        !found.is_empty()
    }

    /// Subscription and follower instrument of a line, for people.
    pub(crate) fn line_text(&self, ix: &Index, at: u32) -> String {
        let Some(ls) = self.st.lines.get(at as usize) else { return String::new() };
        let sub = ix.cfg.subscriptions.get(ls.sub as usize).map_or("", |s| s.name.as_str());
        let instrument =
            ix.cfg.instruments.get(ls.follower_instrument as usize).map_or("", |i| i.name.as_str());
        format!("{sub}, {instrument}")
    }
}
