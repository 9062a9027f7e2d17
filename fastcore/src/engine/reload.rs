//! Which configuration may follow the present one: what a held position means must not change under it (design 02).

use super::life::Mode;
use super::{Engine, Index, LineState};
use crate::config::{Config, ConfigError, Sizing};
use crate::decimal::Dec;

impl Engine {
    /// Whether a configuration may follow the present one while positions are held.
    ///
    /// # Errors
    /// `ConfigError` naming what was removed, moved or changed: names may only be added at the end, and what a position
    /// means changes only while target and position are zero and nothing works.
    pub fn accepts(&self, next: &Config) -> Result<(), ConfigError> {
        self.accepted(next.clone()).map(|_| ())
    }

    /// The same, with its names resolved.
    pub(super) fn accepted(&self, next: Config) -> Result<Index, ConfigError> {
        let now = &self.ix.cfg;
        extends("leader", now.leaders.iter().map(|x| &x.name), next.leaders.iter().map(|x| &x.name))?;
        extends("route", now.routes.iter().map(|x| &x.name), next.routes.iter().map(|x| &x.name))?;
        extends("follower", now.followers.iter().map(|x| &x.name), next.followers.iter().map(|x| &x.name))?;
        extends(
            "instrument",
            now.instruments.iter().map(|x| &x.name),
            next.instruments.iter().map(|x| &x.name),
        )?;
        extends(
            "subscription",
            now.subscriptions.iter().map(|x| &x.name),
            next.subscriptions.iter().map(|x| &x.name),
        )?;
        for (a, b) in now.subscriptions.iter().zip(&next.subscriptions) {
            if a.leader != b.leader || a.follower != b.follower {
                let hint = "add a subscription under another name";
                return Err(ConfigError(format!(
                    "subscription {:?} keeps its leader and its follower: {hint}",
                    a.name
                )));
            }
        }
        let next = Index::new(next)?;
        let idle = |l: &LineState| l.line.target == 0 && l.line.filled.is_zero() && l.live.is_empty();
        let mirrors = |at: u32| !self.st.mirrors.of(at).is_empty();
        let lines = (0_u32..).zip(&self.st.lines);
        for (at, l) in lines.filter(|(at, l)| !idle(l) || mirrors(*at)) {
            if let Some(what) = changed(&self.ix, &next, l, mirrors(at)) {
                let name = now.subscriptions.get(l.sub as usize).map_or("", |s| s.name.as_str());
                let hint = "change it once everything is flat";
                return Err(ConfigError(format!("subscription {name:?} holds a position: {what}: {hint}")));
            }
        }
        self.leaders_count_alike(&next)?;
        Ok(next)
    }

    /// A leader's position is counted by his reports, also where no follower holds anything of it now: his close would be one of
    /// other units.
    fn leaders_count_alike(&self, next: &Index) -> Result<(), ConfigError> {
        for ((n, leader), state) in (0_u32..).zip(&self.ix.cfg.leaders).zip(&self.st.leaders) {
            let held = state.positions.iter().filter(|(_, units)| !units.is_zero());
            for (instrument, units) in held {
                if theirs(&self.ix, n, *instrument) != theirs(next, n, *instrument) {
                    let name =
                        self.ix.cfg.instruments.get(*instrument as usize).map_or("", |i| i.name.as_str());
                    return Err(ConfigError(format!(
                        "leader {:?} holds {units} units of {name}: quantity_unit of its profile, or contract_size, \
                         changed: change it once he is flat",
                        leader.name
                    )));
                }
            }
        }
        Ok(())
    }
}

/// What a quantity of a leader's reports is in units.
fn theirs(ix: &Index, leader: u32, instrument: u32) -> Option<Dec> {
    unit(ix, ix.leader_profiles.get(leader as usize), instrument)
}

fn unit(ix: &Index, profile: Option<&u32>, instrument: u32) -> Option<Dec> {
    ix.cfg.profiles.get(*profile? as usize).map(|p| ix.unit(p, instrument))
}

/// What a line's position depends on and the two configurations say differently.
fn changed(now: &Index, next: &Index, l: &LineState, mirrors: bool) -> Option<&'static str> {
    let (sub, li) = (l.sub as usize, l.instrument);
    let (a, b) = (now.cfg.subscriptions.get(sub)?, next.cfg.subscriptions.get(sub)?);
    let (s, t) = (now.subs.get(sub)?, next.subs.get(sub)?);
    let (was, is) = (s.map.get(&li), t.map.get(&li));
    if was.map(|m| m.0) != is.map(|m| m.0) {
        return Some("its symbol map changed");
    }
    // Factors are of opens: what is held closes by the leader's share. Orders that work were priced with them, and a block
    // was dealt by them.
    if was != is && (mirrors || !l.live.is_empty() || matches!(a.sizing, Sizing::Block { .. })) {
        return Some("a factor of its symbol map changed");
    }
    // What was kept by a subscription that left follows nobody: only what it is, and where, has to stay.
    let rules = [
        (a.reverse != b.reverse, "reverse changed"),
        (std::mem::discriminant(&a.sizing) != std::mem::discriminant(&b.sizing), "its sizing mode changed"),
        (a.copy != b.copy, "what it copies changed"),
        (a.filters != b.filters, "its filters changed"),
    ];
    if let Some((_, what)) = rules.into_iter().find(|(changed, _)| *changed && l.mode != Mode::Kept) {
        return Some(what);
    }
    let lots = |ix: &Index, i: u32| {
        let at = i as usize;
        let of = ix.cfg.instruments.get(at)?;
        Some((*ix.grids.get(at)?, of.contract_size, of.inverse))
    };
    if [li, l.follower_instrument].into_iter().any(|i| lots(now, i) != lots(next, i)) {
        return Some("lots of its instrument, or how it pays, changed");
    }
    if let Some(what) = counted_otherwise(now, next, l) {
        return Some(what);
    }
    let accounts = |ix: &Index| {
        let leader = ix.cfg.leaders.get(s.leader as usize)?;
        let follower = ix.cfg.followers.get(s.follower as usize)?;
        Some((leader.session.clone(), leader.account.clone(), follower.account.clone()))
    };
    if accounts(now) != accounts(next) {
        return Some("an account or leader session changed");
    }
    let session = |ix: &Index, route: u32| ix.cfg.routes.get(route as usize).map(|r| r.session.clone());
    if s.route != t.route || session(now, s.route) != session(next, t.route) {
        return Some("the follower's route changed");
    }
    // A close that names nothing opens a position on a hedging account; one that names something is no order elsewhere.
    (hedges(now, s.route) != hedges(next, t.route))
        .then_some("position_model of its follower's profile changed")
}

/// What a quantity of its reports is in units, where both say it differently: what is held was counted by the one, and what
/// closes it would be by the other.
fn counted_otherwise(now: &Index, next: &Index, l: &LineState) -> Option<&'static str> {
    let (s, t) = (now.subs.get(l.sub as usize)?, next.subs.get(l.sub as usize)?);
    let ours =
        |ix: &Index, route: u32| unit(ix, ix.route_profiles.get(route as usize), l.follower_instrument);
    if ours(now, s.route) != ours(next, t.route) {
        return Some("quantity_unit of its follower's profile changed");
    }
    // What was kept follows nobody: how the leader counts is nothing to it.
    (l.mode != Mode::Kept && theirs(now, s.leader, l.instrument) != theirs(next, t.leader, l.instrument))
        .then_some("quantity_unit of its leader's profile changed")
}

fn hedges(ix: &Index, route: u32) -> Option<bool> {
    let profile = ix.cfg.profiles.get(*ix.route_profiles.get(route as usize)? as usize)?;
    Some(profile.hedges())
}

fn extends<'a>(
    what: &str,
    now: impl Iterator<Item = &'a String>,
    mut next: impl Iterator<Item = &'a String>,
) -> Result<(), ConfigError> {
    for name in now {
        if next.next() != Some(name) {
            let hint = if what == "subscription" {
                "a name stays: `leaving` ends it; or begin a new state_dir once everything is flat"
            } else {
                "add names at the end, or begin a new state_dir once everything is flat"
            };
            return Err(ConfigError(format!("{what} {name:?} was removed or moved: {hint}")));
        }
    }
    Ok(())
}
