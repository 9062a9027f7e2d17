//! Instruments that a follower's venue does not trade now (design 03, `restricted`): a SecurityStatus(f) of its session said so.
//!
//! Nothing is opened there until it says that trading goes on, or a new session begins, where it says again what stands still.
//! Closes go out as ever: only the venue's own answer keeps one back, and it is tried again until it is done. A
//! TradingSessionStatus(h) names no instrument, and sessions overlap: it is an alert.

use super::lanes::Lane;
use super::{Engine, Index};
use crate::action::Sink;
use crate::report::{Inbound, Trading};
use std::ops::Bound;

impl Engine {
    /// What a venue says of its trading.
    pub(super) fn venue_trades<S: Sink>(&mut self, route: u32, t: &Trading<'_>, sink: &mut S) {
        let key = (route, t.symbol.to_vec());
        match t.halted.filter(|_| !t.symbol.is_empty()) {
            Some(true) => {
                self.st.halts.entry(key).or_insert(self.st.at_ns);
                self.cause.calm = false;
            }
            Some(false) => {
                self.st.halts.remove(&key);
            }
            None => {}
        }
        let name = self.route_name(route).to_owned();
        self.session_other(&name, &Inbound::Trading(t.clone()), sink);
    }

    /// A new session of a route: what was said in the one before counts no more.
    pub(super) fn forget_halts(&mut self, route: u32) {
        let of_route =
            (Bound::Included((route, Vec::new())), Bound::Excluded((route.saturating_add(1), Vec::new())));
        let said: Vec<_> = self.st.halts.range(of_route).map(|(key, _)| key.clone()).collect();
        for key in said {
            self.st.halts.remove(&key);
        }
    }

    /// Whether a lane's venue has stopped trading its instrument. A reserve speaks to the same venue.
    pub(super) fn venue_halts(&self, ix: &Index, lane: &Lane, follower: u32) -> bool {
        if self.st.halts.is_empty() {
            return false;
        }
        let symbols = ix.follower_symbols.get(follower as usize);
        let Some(symbol) = symbols.and_then(|s| s.get(&lane.follower_instrument)) else { return false };
        let said = |route: u32| self.st.halts.contains_key(&(route, symbol.clone().into_bytes()));
        said(lane.route) || said(self.way(lane.route))
    }
}
