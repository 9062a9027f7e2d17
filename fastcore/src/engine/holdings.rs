//! What a follower's account holds by its broker's own word, and what a close is capped by where the venue has no
//! reduce-only tag (design 02, step 4): an account must not be turned by a close of what was traded away by hand.
//!
//! A PositionReport(AP) has no time and may be older than fills that we have counted. So every fill moves what is known,
//! a cap that is too small is healed by the next report, and while a close is capped the broker is asked for one.

use super::lanes::{Closes, Lane};
use super::life::Mode;
use super::lines::whole_steps;
use super::questions::Listing;
use super::{Engine, Index, LineState};
use crate::action::Sink;
use crate::decimal::{Dec, Round};
use crate::ledger::{abs, units};
use crate::link::{OrdersWriter, SendKind};
use crate::outbound;
use crate::profile::{PositionModel, Profile};
use crate::report::Position;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Timer kind of a follower whose broker is asked for positions, stored in snapshots.
pub(super) const DUE_HOLDINGS: u8 = 5;
/// Pause between the questions for two followers of one route: closes on the same session come first.
const NEXT_FOLLOWER_NS: i64 = 10_000_000;
const MS: i64 = 1_000_000;

/// What one follower's broker said.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Holding {
    /// Signed units by follower instrument as reported last, moved by every fill of ours since; absent: not known.
    pub positions: BTreeMap<u32, Dec>,
    /// The answer to a request for positions that is coming in.
    pub listing: Listing,
    /// When it is asked next; 0: not planned.
    pub ask_ns: i64,
    /// Hash of what the positions were read by.
    pub read_by: u64,
    /// Fills of ours, and busts.
    pub moves: u32,
    /// By follower instrument: when the position was reported first that every report since has said again, moved by our fills,
    /// and when it was last.
    pub stands: BTreeMap<u32, (i64, i64)>,
    /// By follower instrument: since when the broker's word and our books agree.
    pub agreed: BTreeMap<u32, super::proofs::Agreed>,
    /// The newest question: the event that asked, and when.
    pub asked: (u64, i64),
}

/// A position that this venue reports can be compared with ours: one report is the whole position.
pub(super) fn reads(profile: &Profile) -> bool {
    profile.position_model == PositionModel::Netting
}

/// A close at this venue is capped: nothing of its own keeps one from opening, and one report is the whole position.
pub(super) fn caps(profile: &Profile) -> bool {
    profile.reduce_only.is_none() && profile.position_model == PositionModel::Netting
}

fn side(units: Dec, positive: bool) -> i128 {
    if positive { units.raw().max(0) } else { units.raw().saturating_neg().max(0) }
}

/// Units that a line goes on holding on one side: not what its closes take, not what its target, with what its mirrors are
/// ahead by, gives up, and not what counts as gone.
fn kept(ls: &LineState, ahead: i128, gone: i128, long: bool, step: Dec) -> i128 {
    let closing = if long { ls.line.closing_sell } else { ls.line.closing_buy };
    let target = units(ls.line.target.saturating_add(ahead), step).map_or(i128::MAX, Dec::raw);
    let holds = side(ls.line.filled, long).saturating_sub(closing.raw()).saturating_sub(gone);
    holds.min(side(Dec::from_raw(target), long)).max(0)
}

impl Engine {
    pub(super) fn follower_of(ix: &Index, route: u32, account: &[u8]) -> Option<u32> {
        let primary = ix.primary_of(route);
        let name = ix.cfg.routes.get(primary as usize).map_or("", |r| r.name.as_str());
        let mine = |f: &crate::config::FollowerConfig| {
            f.route == name && f.account.as_ref().is_none_or(|x| x.as_bytes() == account)
        };
        ix.cfg.followers.iter().position(mine).and_then(|i| u32::try_from(i).ok())
    }

    /// A PositionReport(AP) of a follower's broker.
    pub(super) fn follower_position<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        route: u32,
        profile: &Profile,
        p: &Position<'_>,
        sink: &mut S,
    ) {
        if !reads(profile) {
            return self.note("position of a follower");
        }
        let Some(follower) = Self::follower_of(ix, route, p.account) else {
            return self.note("position of an account that is no follower");
        };
        let Some(symbols) = ix.follower_symbols.get(follower as usize) else { return };
        let instrument = symbols.iter().find(|(_, text)| text.as_bytes() == p.symbol).map(|(i, _)| *i);
        let now = self.st.at_ns;
        let Some(holding) = self.st.holdings.get_mut(follower as usize) else { return };
        let mut said = Vec::new();
        if let Some(instrument) = instrument {
            let (long, short) = (p.long.unwrap_or(Dec::ZERO), p.short.unwrap_or(Dec::ZERO));
            let units =
                long.checked_sub(short).and_then(|q| q.mul(ix.unit(profile, instrument), Round::HalfEven));
            said.extend(units.map(|units| (instrument, units)));
        }
        if holding.listing.completed_by(p, instrument) {
            let flat = symbols.iter().map(|(i, _)| *i).filter(|i| !holding.listing.names(*i));
            said.extend(flat.map(|i| (i, Dec::ZERO)));
        }
        if holding.positions.is_empty() && !said.is_empty() {
            holding.read_by = read_by(ix, follower).unwrap_or(0);
        }
        for (instrument, units) in &said {
            let again = holding.positions.insert(*instrument, *units) == Some(*units);
            let first = holding.stands.get(instrument).filter(|_| again).map_or(now, |(first, _)| *first);
            holding.stands.insert(*instrument, (first, now));
        }
        if said.is_empty() {
            self.note("position of a symbol that is not mapped");
        }
        self.work_capped(ix, follower, sink);
        self.work_resting(ix, follower, sink);
        let asked_ns = self.holdings_asked(follower, p.request_id);
        for (instrument, units) in said {
            self.position_tells(ix, (follower, instrument), units, asked_ns, sink);
            self.compare(ix, follower, instrument, units, sink);
        }
    }

    /// A fill of ours, or its bust: the broker holds that much more.
    pub(super) fn holding_moved(&mut self, at: u32, units: Dec) {
        let Some(ls) = self.st.lines.get(at as usize) else { return };
        let follower = self.ix.subs.get(ls.sub as usize).map(|s| s.follower);
        let Some(holding) = follower.and_then(|f| self.st.holdings.get_mut(f as usize)) else { return };
        holding.moves = holding.moves.wrapping_add(1);
        if let Some(held) = holding.positions.get_mut(&ls.follower_instrument) {
            *held = Dec::from_raw(held.raw().saturating_add(units.raw()));
        }
    }

    /// The broker holds other units of the same: nobody knows whether its last report has them already. The smaller of both
    /// never turns an account, and the next report heals it. `again`: for another leader of the account it was done already;
    /// what was reported since may be of before or of after it.
    pub(super) fn holding_rescaled(
        &mut self,
        (follower, instrument): (u32, u32),
        (num, den): (Dec, Dec),
        again: bool,
    ) {
        let Some(holding) = self.st.holdings.get_mut(follower as usize) else { return };
        holding.agreed.remove(&instrument);
        let reported = holding.stands.remove(&instrument).is_some();
        if let Some(held) = holding.positions.get_mut(&instrument) {
            let scaled = held.mul_div(num, den, Round::Down).unwrap_or(*held);
            let smaller = abs(scaled) < abs(*held) && (reported || !again);
            *held = if smaller { scaled } else { *held };
            self.plan_question(follower, self.st.at_ns);
        }
    }

    /// Units that a line may close now: what its account holds, without what other subscriptions go on holding and
    /// without what works as a close already. What was kept is the person's, who may have sold it: it holds back no close.
    /// None: not known.
    pub(super) fn room(&self, ix: &Index, at: u32, lane: &Lane, buy: bool) -> Option<Dec> {
        let ls = self.st.lines.get(at as usize)?;
        let follower = ix.subs.get(ls.sub as usize)?.follower;
        let held = *self.st.holdings.get(follower as usize)?.positions.get(&ls.follower_instrument)?;
        let mut room = if buy { held.raw().saturating_neg() } else { held.raw() };
        let mut missing = self.missing(lane, held, buy);
        for (n, other) in self.in_order_of_loss(ix, (follower, ls.follower_instrument), lane.group) {
            let gone = missing.min(side(other.line.filled, !buy));
            missing = missing.saturating_sub(gone);
            // What another subscription holds on the other side is netted with what this one holds.
            room = room.saturating_add(side(other.line.filled, buy));
            let closing = if buy { other.line.closing_buy } else { other.line.closing_sell };
            room = room.saturating_sub(closing.raw());
            if n != at && other.follows() {
                room = room.saturating_sub(kept(other, self.mirror_shift(ix, n), gone, !buy, lane.grid.step));
            }
        }
        Some(Dec::from_raw(room.max(0)))
    }

    /// Lines of one account and instrument, and whose units are gone first where the account has less than all of them: what was
    /// kept, which is the person's, and then as they stand. Of an account that is being rescaled those in units of before are
    /// the first, or the last, whose number is too large.
    fn in_order_of_loss(
        &self,
        ix: &Index,
        key: (u32, u32),
        group: u32,
    ) -> impl Iterator<Item = (u32, &LineState)> {
        let shrinks = self.shrinks(key);
        let rank = move |n: u32, l: &LineState| match (l.mode == Mode::Kept, self.is_rescaling(key)) {
            (true, _) => 0_u8,
            (false, false) => 1,
            (false, true) => 1_u8.saturating_add(u8::from(self.is_not_adjusted(ix, key, n) != shrinks)),
        };
        (0..=2).flat_map(move |of| {
            let group = self.st.groups.get(group as usize).into_iter().flatten();
            let lines = group.filter_map(|n| Some((*n, self.st.lines.get(*n as usize)?)));
            lines.filter(move |(n, l)| rank(*n, l) == of)
        })
    }

    /// Raw units that the account has less than its lines hold, on the side that `buy` closes.
    fn missing(&self, lane: &Lane, held: Dec, buy: bool) -> i128 {
        let group = self.st.groups.get(lane.group as usize).into_iter().flatten();
        let lines = group.filter_map(|n| self.st.lines.get(*n as usize));
        let ours = lines.fold(0_i128, |sum, l| sum.saturating_add(l.line.filled.raw()));
        side(Dec::from_raw(ours.saturating_sub(held.raw())), !buy)
    }

    /// The part of a close that the broker's position allows. What it does not allow is shown, and told once.
    pub(super) fn cap<S: Sink>(
        &mut self,
        ix: &Index,
        at: u32,
        reduce: Dec,
        lane: &Lane,
        sink: &mut S,
    ) -> Dec {
        let (wanted, buy) = (abs(reduce), reduce.is_positive());
        let room = if lane.closes == Closes::Capped { self.room(ix, at, lane, buy) } else { None };
        let allowed = match room {
            Some(room) if room < wanted => {
                Some(whole_steps(room, lane.grid)).filter(|q| *q >= lane.grid.min).unwrap_or(Dec::ZERO)
            }
            _ => wanted,
        };
        let missing = wanted.checked_sub(allowed).unwrap_or(Dec::ZERO);
        if missing.is_zero() {
            self.uncap(ix, at);
            return allowed;
        }
        let now = self.st.at_ns;
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return allowed };
        let begins = std::mem::replace(&mut ls.capped, missing).is_zero();
        let sub = ls.sub;
        self.st.capped.insert(at);
        if begins {
            self.tell_capped(ix, sub, lane, missing, sink);
        }
        let follower = ix.subs.get(sub as usize).map_or(u32::MAX, |s| s.follower);
        let pause = if begins { 0 } else { ix.cfg.timing.close_retry_max_ms.saturating_mul(MS) };
        self.plan_question(follower, now.saturating_add(pause));
        allowed
    }

    /// Nothing of the line's close is kept back any more.
    pub(super) fn uncap(&mut self, ix: &Index, at: u32) {
        let Some(ls) = self.st.lines.get_mut(at as usize).filter(|l| !l.capped.is_zero()) else { return };
        ls.capped = Dec::ZERO;
        let follower = ix.subs.get(ls.sub as usize).map_or(u32::MAX, |s| s.follower);
        self.st.capped.remove(&at);
        if self.capped_of(ix, follower).is_empty()
            && !self.mirrors_capped(follower)
            && let Some(holding) = self.st.holdings.get_mut(follower as usize)
        {
            holding.ask_ns = 0;
            self.plan_regular_question(ix, follower);
        }
    }

    pub(super) fn tell_capped<S: Sink>(
        &mut self,
        ix: &Index,
        sub: u32,
        lane: &Lane,
        missing: Dec,
        sink: &mut S,
    ) {
        let Some(cfg) = ix.cfg.subscriptions.get(sub as usize) else { return };
        let instrument = ix.cfg.instruments.get(lane.follower_instrument as usize);
        let text = format!(
            "{}: {} closes {} less by {missing} units: the account does not hold more by its broker's own report. Look \
             at the account: what was not closed by hand is sent as soon as a report or a fill allows it",
            cfg.follower,
            cfg.name,
            instrument.map_or("", |i| i.name.as_str()),
        );
        self.alert("close_capped", text, sink);
    }

    fn capped_of(&self, ix: &Index, follower: u32) -> Vec<u32> {
        let line = |at: &u32| self.st.lines.get(*at as usize).and_then(|l| ix.subs.get(l.sub as usize));
        self.st.capped.iter().filter(|at| line(at).is_some_and(|s| s.follower == follower)).copied().collect()
    }

    /// What the account holds, or works as a close, has changed: its capped closes are worked again.
    pub(super) fn work_capped<S: Sink>(&mut self, ix: &Arc<Index>, follower: u32, sink: &mut S) {
        if self.st.capped.is_empty() {
            return;
        }
        for at in self.capped_of(ix, follower) {
            self.work_line(ix, at, sink);
        }
    }

    /// The same for the follower of a line.
    pub(super) fn work_capped_with<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, sink: &mut S) {
        let sub = self.st.lines.get(at as usize).and_then(|l| ix.subs.get(l.sub as usize));
        if let Some(follower) = sub.map(|s| s.follower) {
            self.work_capped(ix, follower, sink);
        }
    }

    /// Asks for a follower's positions at `at_ns`, unless it is asked before that.
    pub(super) fn plan_question(&mut self, follower: u32, at_ns: i64) {
        let Some(holding) = self.st.holdings.get_mut(follower as usize) else { return };
        if holding.ask_ns == 0 || holding.ask_ns > at_ns {
            holding.ask_ns = at_ns;
            self.st.due.insert((at_ns, DUE_HOLDINGS, follower));
        }
    }

    /// A session is there again, or reports are lost: positions may have been traded by hand meanwhile. Followers that
    /// hold something are asked for, one after another.
    pub(super) fn plan_questions(&mut self, ix: &Index, route: u32) {
        let profile = ix.route_profiles.get(route as usize).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let answers = |p: &Profile| reads(p) && p.supports.positions && (caps(p) || ix.cfg.reconcile.is_on());
        if !profile.is_some_and(answers) {
            return;
        }
        let holds = |l: &&LineState| !l.line.filled.is_zero() || !l.live.is_empty();
        let holders = self.st.lines.iter().filter(holds).filter_map(|l| ix.subs.get(l.sub as usize));
        // Who holds nothing by our books may hold something by its broker's.
        let all = ix.subs.iter().filter(|_| ix.cfg.reconcile.is_on());
        let subs = holders.chain(all).filter(|s| self.way(s.route) == route);
        let followers: BTreeSet<u32> = subs.map(|s| s.follower).collect();
        let mut at_ns = self.st.at_ns;
        for follower in followers {
            self.plan_question(follower, at_ns);
            at_ns = at_ns.saturating_add(NEXT_FOLLOWER_NS);
        }
    }

    /// The time of a planned question: it is sent, and capped closes are worked again, which plans the next.
    pub(super) fn holdings_due<S: Sink>(&mut self, ix: &Arc<Index>, follower: u32, sink: &mut S) {
        let now = self.st.at_ns;
        let holding = self.st.holdings.get_mut(follower as usize);
        let Some(holding) = holding.filter(|h| h.ask_ns != 0 && h.ask_ns <= now) else { return };
        holding.ask_ns = 0;
        self.ask_holdings(ix, follower);
        self.plan_regular_question(ix, follower);
        self.work_capped(ix, follower, sink);
        self.work_resting(ix, follower, sink);
    }

    /// The next question of those that are asked all the time.
    fn plan_regular_question(&mut self, ix: &Index, follower: u32) {
        if ix.cfg.reconcile.is_on() {
            let every_ns = ix.cfg.reconcile.every_ms.saturating_mul(MS);
            self.plan_question(follower, self.st.at_ns.saturating_add(every_ns));
        }
    }

    /// The follower's venue answers requests for positions.
    pub(super) fn answers_positions(&self, ix: &Index, follower: u32) -> bool {
        let route = ix.cfg.followers.get(follower as usize).and_then(|f| self.route_index(&f.route));
        let profile = route.and_then(|at| ix.route_profiles.get(at as usize));
        profile
            .and_then(|p| ix.cfg.profiles.get(*p as usize))
            .is_some_and(|p| reads(p) && p.supports.positions)
    }

    /// RequestForPositions(AN), as a frame of its own: it names no order, and nothing waits for what becomes of it.
    pub(super) fn ask_holdings(&mut self, ix: &Index, follower: u32) -> Option<()> {
        let f = ix.cfg.followers.get(follower as usize)?;
        let primary = u32::try_from(ix.cfg.routes.iter().position(|r| r.name == f.route)?).ok()?;
        let at = self.way(primary) as usize;
        let (route, state) = (ix.cfg.routes.get(at)?, self.st.routes.get(at).filter(|r| r.ready())?);
        let profile = ix.cfg.profiles.get(*ix.route_profiles.get(at)? as usize)?;
        if !reads(profile) || !profile.supports.positions {
            return None;
        }
        let id = format!("Q{}.{follower}", self.st.seq);
        let account = f.account.as_deref().filter(|_| profile.account_on_order);
        let asked = outbound::Asked { profile, account, id: id.as_bytes(), at_ns: self.st.at_ns };
        let mut frame = Vec::new();
        let mut writer = OrdersWriter::begin(&mut frame, self.st.epoch, state.incarnation, self.st.seq);
        let written = writer.order_if(&id, 1, SendKind::Other, 0, &route.session, |out| {
            outbound::positions(out, &asked).is_ok()
        });
        if written == Ok(true) && writer.finish() > 0 {
            self.frames.push((u32::try_from(at).ok()?, frame));
            if let Some(holding) = self.st.holdings.get_mut(follower as usize) {
                holding.asked = (self.st.seq, self.st.at_ns);
            }
        }
        Some(())
    }

    /// When the question was asked that an answer names; none: it is not the newest.
    fn holdings_asked(&self, follower: u32, request_id: &[u8]) -> Option<i64> {
        let (no, at_ns) = self.st.holdings.get(follower as usize)?.asked;
        (no != 0 && format!("Q{no}.{follower}").as_bytes() == request_id).then_some(at_ns)
    }

    /// What was said of one account is not taken for another: positions stay only where all that they were read by does.
    pub(super) fn forget_other_accounts(&mut self) {
        let ix = Arc::clone(&self.ix);
        for (follower, holding) in (0_u32..).zip(&mut self.st.holdings) {
            if !holding.positions.is_empty() && Some(holding.read_by) != read_by(&ix, follower) {
                *holding = Holding::default();
                self.st.breaks.retain(|(f, _), _| *f != follower);
                self.st.rescaling.retain(|(f, _), _| *f != follower);
            }
        }
    }
}

/// Hash of the account, its session, and the names and units of its instruments.
fn read_by(ix: &Index, follower: u32) -> Option<u64> {
    let f = ix.cfg.followers.get(follower as usize)?;
    let at = ix.cfg.routes.iter().position(|r| r.name == f.route)?;
    let (route, profile) =
        (ix.cfg.routes.get(at)?, ix.cfg.profiles.get(*ix.route_profiles.get(at)? as usize)?);
    let mut text = format!("{}\u{1}{:?}\u{1}{}", route.session, f.account, caps(profile));
    for (i, symbol) in ix.follower_symbols.get(follower as usize)? {
        text.push_str(&format!("\u{1}{i}={symbol}={}", ix.unit(profile, *i)));
    }
    Some(xxhash_rust::xxh3::xxh3_64(text.as_bytes()))
}
