//! What a person says of a position at a hedging venue: how it is called, or that it is gone (decision 0025).

use super::lanes::Closes;
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::decimal::Dec;
use crate::ledger::{abs, less};
use crate::order::PositionId;
use serde::Deserialize;
use std::sync::Arc;

/// What a person says that a position of a follower holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PositionText {
    who: String,
    reason: String,
    subscription: String,
    /// The follower's instrument.
    instrument: String,
    /// Its broker's name of it.
    id: String,
    /// Signed units that it holds; 0: it is not there.
    units: Dec,
}

impl Engine {
    /// An operator's word about one position: what had no name gets it, what is gone is not ours any more.
    pub(super) fn say_position<S: Sink>(&mut self, said: &PositionText, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        if let Err(why) = self.position_said_by(&ix, said, sink) {
            self.alert("bad_command", format!("position: {why}"), sink);
        }
    }

    fn position_said_by<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        said: &PositionText,
        sink: &mut S,
    ) -> Result<(), String> {
        if said.who.is_empty() || said.reason.trim().is_empty() {
            return Err("it needs a named operator and a reason".to_owned());
        }
        let id = PositionId::from_text(said.id.as_bytes()).ok_or("an id has 1 to 64 characters")?;
        let at = self.line_with(ix, said, &id)?;
        let known = self.st.tickets.get(&at).and_then(|t| t.list.iter().find(|t| t.id == id));
        let known = known.map_or(Dec::ZERO, |t| t.units);
        let moved = less(said.units, known);
        let nameless = self.nameless(at);
        let live = self.st.lines.get(at as usize).map(|l| self.works_on(&l.live, &id)).unwrap_or_default();
        let named = moved.signum() == nameless.signum() && abs(moved) <= abs(nameless);
        let gone = abs(said.units) < abs(known) && said.units.signum().saturating_mul(known.signum()) >= 0;
        if live.is_positive() {
            return Err(format!("a close of position {id} works: again when it is done"));
        }
        if !named && !gone {
            return Err(format!(
                "position {id} holds {known} by our orders, and {nameless} units have no name: {} is more than that",
                said.units
            ));
        }
        let tickets = self.tickets_of(at);
        tickets.add(&id, moved, false);
        tickets.told = false;
        if named {
            // Whose they were does not matter any more: what an order's report may still name is what is left.
            tickets.unnamed.clear();
        } else {
            let before = self.st.lines.get(at as usize).map_or(0, |l| l.line.target);
            self.attribute(ix, at, moved);
            self.lower(ix, at, known.is_positive(), abs(moved));
            self.set_by_hand(at, before);
        }
        let what = format!("position {id} holds {} units, by {}: {}", said.units, said.who, said.reason);
        self.tell_position(ix, at, "position", &what, sink);
        self.part_pairs(ix, at, sink);
        self.work_line(ix, at, sink);
        Ok(())
    }

    /// The line that has the position; else the one that has units without a name.
    fn line_with(&self, ix: &Index, said: &PositionText, id: &PositionId) -> Result<u32, String> {
        let sub = ix.cfg.subscriptions.iter().position(|s| s.name == said.subscription);
        let sub = sub.ok_or_else(|| format!("subscription {:?} is not defined", said.subscription))?;
        let mine = |l: &LineState| {
            let name = ix.cfg.instruments.get(l.follower_instrument as usize).map(|i| i.name.as_str());
            l.sub as usize == sub && name == Some(said.instrument.as_str())
        };
        let by_name = |l: &LineState| ix.lane(l).is_some_and(|l| l.closes == Closes::ByName);
        let lines: Vec<u32> =
            (0_u32..).zip(&self.st.lines).filter(|(_, l)| mine(l) && by_name(l)).map(|(at, _)| at).collect();
        let has = |at: &&u32| self.st.tickets.get(at).is_some_and(|t| t.list.iter().any(|t| t.id == *id));
        let nameless = |at: &&u32| !self.nameless(**at).is_zero();
        lines.iter().find(has).or_else(|| lines.iter().find(nameless)).copied().ok_or_else(|| {
            format!("{} {}: no such position, and nothing without a name", said.subscription, said.instrument)
        })
    }
}
