//! What waits for a person after busts, as stops.

use super::StopStatus;
use crate::engine::Engine;
use crate::engine::bust_holds::BustHold;
use crate::engine::stops::{Level, Scope};
use crate::refusal::Code;

impl Engine {
    /// Opens that wait after busts: of all that copies an instrument of a leader, and of lines that could not follow one.
    pub(super) fn bust_holds(&self) -> Vec<StopStatus> {
        let (st, cfg) = (self.state(), &self.index().cfg);
        let instrument = |i: u32| cfg.instruments.get(i as usize).map_or("", |x| x.name.as_str());
        let leader = |l: u32| cfg.leaders.get(l as usize).map_or("", |x| x.name.as_str());
        let mut all = Vec::new();
        for (l, state) in (0_u32..).zip(&st.leaders) {
            // No scope that a person stops: `kill` and `arm` of the leader are another matter.
            all.extend(state.bust_holds.iter().map(|(i, hold)| StopStatus {
                scope: "copies",
                name: format!("{} {}", leader(l), instrument(*i)),
                ..self.after_bust(leader(l), hold, hold.text())
            }));
        }
        for (at, hold) in &st.bust_lines {
            let Some(ls) = st.lines.get(*at as usize) else { continue };
            let l = self.index().subs.get(ls.sub as usize).map_or(u32::MAX, |s| s.leader);
            let numbers = format!("{}: {}, and it cannot follow", instrument(ls.instrument), hold.text());
            let name = cfg.subscriptions.get(ls.sub as usize).map_or_else(String::new, |s| s.name.clone());
            all.push(StopStatus { scope: "subscription", name, ..self.after_bust(leader(l), hold, numbers) });
        }
        all
    }

    fn after_bust(&self, leader: &str, hold: &BustHold, numbers: String) -> StopStatus {
        let stop = self.stop_status(Scope::Global, (Level::NoOpens, Code::BustHold), numbers, hold.at_ns);
        StopStatus { release: Some(format!("bust-resume {leader}")), ..stop }
    }
}
