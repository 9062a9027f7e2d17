//! What a person or a dashboard may read of the engine.

use crate::decimal::Dec;
use crate::engine::Engine;
use crate::ledger::QUANTA;
use serde::Serialize;
use std::collections::BTreeMap;

/// One ledger line.
#[derive(Debug, Serialize)]
pub struct LineStatus {
    /// Subscription name.
    pub subscription: String,
    /// Follower name.
    pub follower: String,
    /// Leader name.
    pub leader: String,
    /// Leader instrument.
    pub instrument: String,
    /// Follower instrument.
    pub follower_instrument: String,
    /// Leader's position, units.
    pub leader_position: Option<Dec>,
    /// Target, whole and broken steps as text.
    pub target_steps: Dec,
    /// Units in one step.
    pub step: Dec,
    /// Smallest order, units.
    pub min: Dec,
    /// Filled, signed units.
    pub filled: Dec,
    /// Working buys and sells, units.
    pub working_buy: Dec,
    /// Working sells, units.
    pub working_sell: Dec,
    /// Orders whose outcome is not known.
    pub unknown: u32,
    /// Waits for an operator after a bust.
    pub bust_hold: bool,
}

/// One route.
#[derive(Debug, Serialize)]
pub struct RouteStatus {
    /// Name.
    pub name: String,
    /// Linked and synced.
    pub synced: bool,
    /// FIX session logged on.
    pub up: bool,
    /// Orders that wait.
    pub held: usize,
}

/// The whole of it.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Last journal row.
    pub seq: u64,
    /// Start of the core.
    pub epoch: u64,
    /// Kill switch.
    pub killed: bool,
    /// Leader executions counted.
    pub leader_executions: u64,
    /// Orders handed to routes.
    pub orders_sent: u64,
    /// Fills of followers.
    pub follower_fills: u64,
    /// Refusals by code.
    pub refusals: BTreeMap<&'static str, u64>,
    /// Alerts by code.
    pub alerts: BTreeMap<String, u64>,
    /// Orders by state.
    pub orders: BTreeMap<&'static str, u64>,
    /// Routes.
    pub routes: Vec<RouteStatus>,
    /// Ledger lines.
    pub lines: Vec<LineStatus>,
}

impl Engine {
    /// A copy for people; never read by the engine.
    #[must_use]
    pub fn status(&self) -> Status {
        let (st, ix) = (self.state(), self.index());
        let mut orders = BTreeMap::new();
        for o in &st.orders {
            let n: &mut u64 = orders.entry(o.state.name()).or_insert(0);
            *n = n.saturating_add(1);
        }
        let route = |(r, c): (&crate::engine::RouteState, &crate::config::RouteConfig)| RouteStatus {
            name: c.name.clone(),
            synced: r.synced,
            up: r.up,
            held: r.held.len(),
        };
        Status {
            seq: st.seq,
            epoch: st.epoch,
            killed: st.killed,
            leader_executions: st.leaders.iter().map(|l| l.executions).sum(),
            orders_sent: st.orders_sent,
            follower_fills: st.follower_fills,
            refusals: st.refusals.iter().map(|(c, n)| (c.as_str(), *n)).collect(),
            alerts: st.alerts.clone(),
            orders,
            routes: st.routes.iter().zip(&ix.cfg.routes).map(route).collect(),
            lines: (0..st.lines.len()).filter_map(|i| self.line_status(i)).collect(),
        }
    }

    fn line_status(&self, at: usize) -> Option<LineStatus> {
        let (st, ix) = (self.state(), self.index());
        let l = st.lines.get(at)?;
        let (s, cfg) = (ix.subs.get(l.sub as usize)?, ix.cfg.subscriptions.get(l.sub as usize)?);
        let name = |i: u32| ix.cfg.instruments.get(i as usize).map_or_else(String::new, |x| x.name.clone());
        let grid = ix.grids.get(l.follower_instrument as usize)?;
        debug_assert!(QUANTA == Dec::ONE.raw());
        Some(LineStatus {
            subscription: cfg.name.clone(),
            follower: cfg.follower.clone(),
            leader: cfg.leader.clone(),
            instrument: name(l.instrument),
            follower_instrument: name(l.follower_instrument),
            leader_position: st.leaders.get(s.leader as usize)?.positions.get(&l.instrument).copied(),
            target_steps: Dec::from_raw(l.line.target),
            step: grid.step,
            min: grid.min,
            filled: l.line.filled,
            working_buy: l.line.working_buy,
            working_sell: l.line.working_sell,
            unknown: l.line.unknown,
            bust_hold: l.line.bust_hold,
        })
    }
}
