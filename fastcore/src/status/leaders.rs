//! What is shown of leaders whose positions stand side by side.

use super::PositionStatus;
use crate::decimal::Dec;
use crate::engine::leader_positions::unnamed;
use crate::engine::{Engine, LeaderState};
use serde::Serialize;
use std::collections::BTreeSet;

/// What a leader on a hedging account holds of one instrument.
#[derive(Debug, Serialize)]
pub struct LeaderPositionStatus {
    /// Leader name.
    pub leader: String,
    /// His instrument.
    pub instrument: String,
    /// Signed units that are copied: the sum of what follows; none: not known.
    pub net: Option<Dec>,
    /// His positions, by name.
    pub positions: Vec<PositionStatus>,
    /// Signed units that no report named.
    pub unnamed: Dec,
}

impl Engine {
    pub(super) fn leader_positions(&self) -> Vec<LeaderPositionStatus> {
        let (st, ix) = (self.state(), self.index());
        let mut all = Vec::new();
        for (leader, state) in (0_u32..).zip(&st.leaders).filter(|(l, _)| Engine::hedges(ix, *l)) {
            let instruments = state.positions.keys().chain(state.tickets.keys());
            for instrument in instruments.copied().collect::<BTreeSet<u32>>() {
                all.extend(self.leader_position_status(leader, state, instrument));
            }
        }
        all
    }

    fn leader_position_status(
        &self,
        leader: u32,
        state: &LeaderState,
        instrument: u32,
    ) -> Option<LeaderPositionStatus> {
        let cfg = &self.index().cfg;
        let net = state.positions.get(&instrument).copied();
        let unnamed = net.map_or(Dec::ZERO, |net| unnamed(state, instrument, net));
        let held = state.tickets.get(&instrument).map(|t| t.held()).into_iter().flatten();
        let positions: Vec<PositionStatus> =
            held.map(|(id, units)| PositionStatus { id: id.to_string(), units: *units }).collect();
        (!positions.is_empty() || !unnamed.is_zero()).then_some(LeaderPositionStatus {
            leader: cfg.leaders.get(leader as usize)?.name.clone(),
            instrument: cfg.instruments.get(instrument as usize)?.name.clone(),
            net,
            positions,
            unnamed,
        })
    }
}
