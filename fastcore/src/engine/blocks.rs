//! Blocks: one leader's quantity divided among the subscriptions that copy it by `block` (design 02).
//!
//! All members are dealt before the first of them is worked: a lot that one may not take is not another one's.

use super::leaders::Execution;
use super::{Engine, Index};
use crate::action::Dealt;
use crate::block::Block;
use crate::config::{Config, ConfigError, Sizing};
use crate::decimal::Dec;
use crate::leader::LeaderOrder;
use crate::ledger::{abs, fits, reduced};
use crate::sizing::Rule;

/// The members of each leader's block: place among the leader's subscriptions, and subscription.
pub(super) type Members = Vec<Vec<(usize, u32)>>;

/// Who is in whose block.
///
/// # Errors
/// `ConfigError` where members of one block would count different lots.
pub(super) fn members(ix: &Index, cfg: &Config) -> Result<Members, ConfigError> {
    let is_member = |sub: &u32| {
        matches!(cfg.subscriptions.get(*sub as usize).map(|s| &s.sizing), Some(Sizing::Block { .. }))
    };
    let of = |subs: &Vec<u32>| -> Vec<(usize, u32)> {
        subs.iter().copied().enumerate().filter(|(_, sub)| is_member(sub)).collect()
    };
    let all: Members = ix.subs_of.iter().map(of).collect();
    let mirrored = cfg.subscriptions.iter().find(|s| matches!(s.sizing, Sizing::Block { .. }) && s.mirrors());
    if let Some(s) = mirrored {
        return Err(ConfigError(format!("subscription {:?}: a block divides fills, not orders", s.name)));
    }
    for (leader, block) in all.iter().enumerate() {
        let instruments = ix.leader_symbols.get(leader).into_iter().flat_map(|m| m.values());
        for instrument in instruments {
            let mut lots = block.iter().filter_map(|(_, sub)| {
                let lane = ix.lanes.list.get(*ix.lanes.at.get(&(*sub, *instrument))? as usize)?;
                Some((lane.grid.step, lane.qty_factor, lane.reverse))
            });
            let first = lots.next();
            if lots.any(|other| Some(other) != first) {
                let name = cfg.leaders.get(leader).map_or("", |l| l.name.as_str());
                let what = "members count different lots (lot_step, qty_factor or reverse)";
                return Err(ConfigError(format!("block of leader {name:?}: {what}")));
            }
        }
    }
    Ok(all)
}

impl Engine {
    /// Divides one execution, or a change of position that no execution told (`order` is none), among the leader's block.
    pub(super) fn deal(&mut self, ix: &Index, x: &Execution<'_>, order: Option<(&mut LeaderOrder, u32)>) {
        self.cause.dealt.clear();
        let Some(all) = ix.blocks.get(x.leader as usize).filter(|m| !m.is_empty()) else { return };
        // Who has left with its position, or without one, is no part of the block any more.
        let stays = |(_, sub): &&(usize, u32)| !self.has_left(*sub);
        let members: Vec<(usize, u32)> = all.iter().filter(stays).copied().collect();
        let subs: Vec<u32> = members.iter().map(|(_, sub)| *sub).collect();
        let at = (x.leader, x.instrument);
        let mut block = self.st.blocks.remove(&at).unwrap_or_default();
        block.seat(&subs);
        let before = block.dealt.clone();
        // A bust leaves the block to the operator, as it leaves targets; but a flat leader has no block.
        if x.reduce.is_positive() && (!x.hold || x.reduce >= abs(x.before)) {
            block.target = reduced(block.target, x.before, x.reduce);
            block.take_back();
        }
        let kept = block.dealt.clone();
        let mut weights = Vec::new();
        if let Some((order, date)) = order.filter(|_| x.increase.is_positive() && !x.hold) {
            weights = self.weights(ix, x, &members, order, date);
            grow(ix, x, &members, &mut block, &weights);
            block.deal(&weights);
        }
        let all = weights.iter().fold(0_i128, |sum, w| sum.saturating_add(*w));
        for (n, sub) in subs.iter().enumerate() {
            let of = |list: &[i128]| list.get(n).copied().unwrap_or(0);
            let (before, kept, after) = (of(&before), of(&kept), of(&block.dealt));
            let dealt = Dealt { before, kept, after, block: block.lots(), weights: Dec::from_raw(all) };
            self.cause.dealt.push((*sub, dealt));
        }
        self.st.blocks.insert(at, block);
    }

    /// A member's part in the event that is being worked.
    pub(super) fn dealt(&self, sub: u32) -> Option<Dealt> {
        // In the order of the configuration, so by rising numbers.
        let at = self.cause.dealt.binary_search_by_key(&sub, |(member, _)| *member).ok()?;
        self.cause.dealt.get(at).map(|(_, dealt)| *dealt)
    }

    /// What each member weighs for this order of the leader: 0 where it cannot take part, or leaves, and will say why.
    fn weights(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        members: &[(usize, u32)],
        order: &mut LeaderOrder,
        date: u32,
    ) -> Vec<i128> {
        let mut weights = Vec::with_capacity(members.len());
        for (place, sub) in members {
            let lane = ix.lanes.at.get(&(*sub, x.instrument)).and_then(|l| ix.lanes.list.get(*l as usize));
            let leaves = self.mode_of(*sub).leaves();
            let rule = match (lane.filter(|_| !leaves), ix.cfg.subscriptions.get(*sub as usize)) {
                (Some(lane), Some(cfg)) => {
                    self.frozen(x, order, (*sub, *place, u32::MAX), cfg, lane, date).ok()
                }
                _ => None,
            };
            weights.push(if let Some(Rule::Rate(weight)) = rule { weight.raw() } else { 0 });
        }
        weights
    }
}

/// What the leader opened is a part of the block; where nobody can take part it is refused, and nobody is dealt it later.
fn grow(ix: &Index, x: &Execution<'_>, members: &[(usize, u32)], block: &mut Block, weights: &[i128]) {
    let lane = |sub: &u32| ix.lanes.list.get(*ix.lanes.at.get(&(*sub, x.instrument))? as usize);
    let Some(lane) = members.iter().find_map(|(_, sub)| lane(sub)) else { return };
    let size =
        x.sizes.rate(lane.qty_factor, x.increase, lane.grid).filter(|_| weights.iter().any(|w| *w > 0));
    let target = size.and_then(|size| block.target.checked_add(size)).filter(|t| fits(*t, lane.grid));
    block.target = target.unwrap_or(block.target);
}
