//! Instruments that a follower's venue does not trade now (design 03, `restricted`): a SecurityStatus(f) of its session said so.
//!
//! Nothing is opened there until it says that trading goes on, or a new session begins, where it says again what stands still.
//! Closes go out as ever: only the venue's own answer keeps one back, and it is tried again until it is done. A
//! TradingSessionStatus(h) names no instrument, and sessions overlap: it is an alert.

use super::lanes::Lane;
use super::{Engine, Index};
use crate::action::Sink;
use crate::report::{Inbound, Trading};

impl Engine {
    /// What a venue says of its trading.
    pub(super) fn venue_trades<S: Sink>(&mut self, route: u32, t: &Trading<'_>, sink: &mut S) {
        match t.halted.filter(|_| !t.symbol.is_empty()) {
            Some(true) => {
                let halts = self.st.halts.entry(route).or_default();
                halts.entry(t.symbol.to_vec()).or_insert(self.st.at_ns);
                self.cause.calm = false;
            }
            Some(false) => {
                if let Some(halts) = self.st.halts.get_mut(&route) {
                    halts.remove(t.symbol);
                }
                // Nothing that stands still anywhere is nothing that every open has to ask.
                self.st.halts.retain(|_, halts| !halts.is_empty());
            }
            None => {}
        }
        let name = self.route_name(route).to_owned();
        self.session_other(&name, &Inbound::Trading(t.clone()), sink);
    }

    /// A new session of a route: what was said in the one before counts no more.
    pub(super) fn forget_halts(&mut self, route: u32) {
        self.st.halts.remove(&route);
    }

    /// Whether a lane's venue has stopped trading its instrument. A reserve speaks to the same venue.
    pub(super) fn venue_halts(&self, ix: &Index, lane: &Lane, follower: u32) -> bool {
        if self.st.halts.is_empty() {
            return false;
        }
        let symbols = ix.follower_symbols.get(follower as usize);
        let Some(symbol) = symbols.and_then(|s| s.get(&lane.follower_instrument)) else { return false };
        let said = |route: u32| self.st.halts.get(&route).is_some_and(|h| h.contains_key(symbol.as_bytes()));
        said(lane.route) || said(self.way(lane.route))
    }
}
