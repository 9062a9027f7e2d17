//! A ledger line with mirrors: what it is worked for, and what its mirrors do next.

use super::closed::settle_all;
use super::parts::{self, Share};
use super::settle::{Closing, led, whole_units};
use super::tell::{Done, End as Ends};
use super::{Given, Mirror};
use crate::action::Sink;
use crate::config::SubscriptionConfig;
use crate::decimal::Dec;
use crate::engine::admission::Wish as Opening;
use crate::engine::lanes::Lane;
use crate::engine::lines::{End, whole_steps};
use crate::engine::making::Draft;
use crate::engine::stops::Level;
use crate::engine::{Engine, Index, LineState};
use crate::ledger::quanta;
use crate::mirror::{Act, Asked, Mapping, Standing, Terms, Unmirrored, Wish, act, standing};
use crate::mirrored::{Limits, Size, Step, To, Why};
use crate::order::State;
use crate::profile::{OrderType, Profile, Tif};
use crate::refusal::{Code, Refusal};
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// An order that was asked for so often is cancelled and placed anew: no request has an identity that was used.
const REQUESTS_MAX: u32 = 200;

/// What a mirror's order is to be, and how that came about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// Units that it has open.
    pub(super) units: Dec,
    pub(super) terms: Terms,
    /// Units that all of its mirror's orders are to have open.
    pub(super) whole: Dec,
    pub(super) share: Share,
    pub(super) opens: bool,
    pub(super) size: Size,
    /// The leader's terms, stretched where a stop is.
    pub(super) leaders: Terms,
    /// The entry that they were stretched from.
    pub(super) entry: Option<Dec>,
    /// Units of a close that the broker's position leaves no order.
    pub(super) kept_back: Dec,
    /// Why nothing is wanted, where that is so.
    pub(super) why: Why,
    pub(super) unmirrored: Option<Unmirrored>,
}

impl Engine {
    /// Works a line that may have mirrors: the ordinary way for what they leave to it, then the mirrors themselves.
    #[inline(never)]
    pub(in crate::engine) fn work_mirrored<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, sink: &mut S) {
        self.work_once(ix, at, sink);
        // What a limit has refused of an order of the leader's that is over is asked for by nothing any more: it leaves the target
        // now, and not with the next report.
        let over = |m: &Mirror| m.part == 0 && m.ended_ns != 0 && m.ahead < 0 && m.refused > 0;
        if self.st.mirrors.of(at).iter().any(over) {
            self.work_once(ix, at, sink);
        }
    }

    fn work_once<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, sink: &mut S) {
        let Some(mut list) = self.st.mirrors.take(at) else { return self.work_plain(ix, at, sink) };
        let ended = if S::WANTS_DECISIONS { self.ended(&list) } else { Vec::new() };
        let unprotected = self.note_ends(&mut list);
        for (n, had, why) in ended {
            self.tell_end(at, &list, n, Ends::Order(had, why), sink);
        }
        for what in unprotected {
            let text =
                format!("{what}, and the leader's order works on: it is placed again when he changes his");
            self.alert("mirror_lost", text, sink);
        }
        let given = self.given(ix, at);
        let mut shift = 0;
        if let Some(given) = given {
            self.settle(at, &mut list, &given, sink);
            shift = self.shift(at, &list, &given);
        }
        self.st.mirrors.put(at, list);
        if given.is_some() {
            let before = self.move_target(at, shift);
            // The target has moved already, also for what is refused on the way.
            self.cause.shifted = Some(at);
            self.work_plain(ix, at, sink);
            self.cause.shifted = None;
            self.move_target_back(at, shift, before);
        }
        let mut n = 0;
        while n < self.st.mirrors.of(at).len() {
            self.drive(ix, at, n, sink);
            n = n.saturating_add(1); // it may have become more orders
        }
    }

    /// What a line's mirrors move the target by, quanta; 0 while it is being worked.
    pub(in crate::engine) fn mirror_shift(&self, ix: &Index, at: u32) -> i128 {
        let list = self.st.mirrors.of(at);
        let (Some(ls), Some(given)) = (self.st.lines.get(at as usize), self.given(ix, at)) else { return 0 };
        if list.is_empty() || self.cause.shifted == Some(at) {
            0
        } else {
            led(list, ls.line.target, &given).saturating_sub(ls.line.target)
        }
    }

    /// Moves a line's target for a while; what it was.
    pub(in crate::engine) fn move_target(&mut self, at: u32, shift: i128) -> i128 {
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return 0 };
        let before = ls.line.target;
        ls.line.target = before.saturating_add(shift);
        before
    }

    /// And back. What was lost meanwhile is lost to the target itself, but never past zero: the rest was the mirrors'.
    pub(in crate::engine) fn move_target_back(&mut self, at: u32, shift: i128, before: i128) {
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.line.target = ls.line.target.saturating_sub(shift).clamp(before.min(0), before.max(0));
        }
    }

    fn stopped_line(&self, ix: &Index, at: u32, ls: &LineState) -> Option<Level> {
        if self.free(at) { None } else { self.stopped(ix, ls) }
    }

    pub(super) fn given(&self, ix: &Index, at: u32) -> Option<Given> {
        let ls = self.st.lines.get(at as usize)?;
        let (s, cfg) = (ix.subs.get(ls.sub as usize)?, ix.cfg.subscriptions.get(ls.sub as usize)?);
        let position = self.st.leaders.get(s.leader as usize)?.positions.get(&ls.instrument).copied();
        Some(Given {
            position: position.unwrap_or(Dec::ZERO),
            grid: ix.lane(ls)?.grid,
            ahead: cfg.ahead,
            leader_filled: cfg.leader_filled,
            after_ns: cfg.leader_filled_ms.saturating_mul(MS),
            now_ns: self.st.at_ns,
            stopped: self.stopped_line(ix, at, ls) >= Some(Level::CloseOnly),
            no_opens: self.stopped_line(ix, at, ls).is_some(),
        })
    }

    /// Orders of mirrors that have ended. Where we had not asked for that, the follower has lost his; a close that he has
    /// lost is returned: the leader is protected, and he is not.
    fn note_ends(&self, list: &mut [Mirror]) -> Vec<String> {
        let (mut unprotected, mut rejected) = (Vec::new(), Vec::new());
        for m in list.iter_mut().filter(|m| m.live) {
            let Some(order) = m.orders.last().and_then(|o| self.st.orders.get(*o as usize)) else { continue };
            if !order.state.is_done() {
                continue;
            }
            m.lost |= order.state != State::Filled && !m.ours;
            // What was refused is refused to the market as well.
            if matches!(order.state, State::Rejected | State::Missed) && m.lost {
                let left = order.qty.checked_sub(order.cum).unwrap_or(Dec::ZERO);
                let grid =
                    self.st.lines.get(order.line as usize).and_then(|ls| self.ix.lane(ls)).map(|l| l.grid);
                let q = grid.and_then(|g| quanta(left.max(Dec::ZERO), g)).unwrap_or(0);
                rejected.push((m.key, q));
            }
            // A reject is told by itself, and what was to fill at once protected nothing.
            let stays = m
                .has
                .is_some_and(|t| t.order_type != OrderType::Market && !matches!(t.tif, Tif::Ioc | Tif::Fok));
            if m.lost && stays && order.reduces && m.ended_ns == 0 && order.state != State::Rejected {
                let id = String::from_utf8_lossy(&order.cl_ord_id);
                unprotected.push(format!("{id} is {}", order.state.name()));
            }
            m.over();
        }
        for (key, q) in rejected {
            for m in list.iter_mut().filter(|m| m.key == key && m.part == 0) {
                m.rejected = m.rejected.saturating_add(q);
            }
        }
        unprotected
    }

    fn settle<S: Sink>(&mut self, at: u32, list: &mut Vec<Mirror>, given: &Given, sink: &mut S) {
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let some: Vec<_> = list.iter().map(|m| parts::any(list, m.key, &self.st.orders)).collect();
        let (told, gave) = settle_all(list, &mut ls.line, &some, given);
        for (n, settled) in told {
            self.tell_end(at, list, n, Ends::Settled(settled, given), sink);
        }
        let heads = list.iter().filter(|m| m.part == 0);
        let live = |m: &Mirror| list.iter().any(|p| p.key == m.key && p.live);
        let over = heads.filter(|m| m.ended_ns != 0 && m.ahead == 0 && !live(m));
        let over: Vec<u128> = over.map(|m| m.key).collect();
        if S::WANTS_DECISIONS {
            let ends = |m: &Mirror| m.part == 0 && over.contains(&m.key);
            for n in (0..list.len()).filter(|n| list.get(*n).is_some_and(ends)) {
                self.tell_end(at, list, n, Ends::Over, sink);
            }
        }
        list.retain(|m| !over.contains(&m.key));
        if gave {
            self.refuse(Refusal::bare(Code::NotFilled));
        }
    }

    /// Brings one mirror's order nearer to what the leader's asks for: one request at a time.
    fn drive<S: Sink>(&mut self, ix: &Arc<Index>, at: u32, n: usize, sink: &mut S) {
        // Twice: what is withdrawn before it left may be placed anew at once.
        for _ in 0..2 {
            let Some(m) = parts::whole(self.st.mirrors.of(at), n) else { return };
            let Some(ls) = self.st.lines.get(at as usize) else { return };
            let (Some(lane), Some(cfg)) = (ix.lane(ls), ix.cfg.subscriptions.get(ls.sub as usize)) else {
                return;
            };
            let profile =
                ix.route_profiles.get(lane.route as usize).and_then(|p| ix.cfg.profiles.get(*p as usize));
            let Some(profile) = profile else { return };
            let mark = self.cause.refusals.len();
            let mut wanted = match self.wanted(ix, (at, n), &m, lane, cfg, profile) {
                Ok(wanted) => wanted,
                Err(why) => return self.tell_stuck(at, &m, why, sink),
            };
            self.tell_short((at, n), &wanted, lane, sink);
            self.keep_back(ix, (at, n), &wanted, lane, sink);
            let had = if S::WANTS_DECISIONS { self.had(&m) } else { None };
            let current =
                m.orders.last().filter(|_| m.live).and_then(|o| Some((*o, self.st.orders.get(*o as usize)?)));
            let (standing, leaves) = current.map_or((Standing::Absent, Dec::ZERO), |(_, order)| {
                (standing(order.state, m.asked(order.cancel_id)), order.leaves())
            });
            // What began as a close and would open now is placed anew as an open, with the limits of one.
            let turned = wanted.opens && current.is_some_and(|(_, order)| order.reduces);
            // What nobody has answered is asked for again: it is not known what there is.
            let known = !m.unanswered.is_positive();
            let same = wanted.units == leaves && (m.has == Some(wanted.terms) && known || !m.live);
            let wish = match wanted.units.is_positive() && !turned {
                false => Wish::Gone,
                true if same => Wish::Keep,
                true => Wish::Change,
            };
            let o = current.map_or(u32::MAX, |(o, _)| o);
            let often = current.is_some_and(|(_, order)| order.cancels >= REQUESTS_MAX);
            let gone = match () {
                () if turned => Why::Turned,
                () if !wanted.units.is_positive() => wanted.why,
                () if !profile.supports.replace => Why::NoReplace,
                () if m.irreplaceable => Why::Irreplaceable,
                () => Why::Requests,
            };
            let act = act(standing, wish, profile.supports.replace && !m.irreplaceable && !often);
            let done = match act {
                Act::Nothing => Done::nothing(standing, wish, gone),
                Act::Place => self.place(ix, (at, n), lane, cfg, &mut wanted, sink),
                Act::Replace => self.grow_or_cut(ix, (at, n), lane, o, &wanted),
                Act::Cancel => match self.ask_change(ix, (at, n), o, None) {
                    Some(id) => {
                        let to = To { cl_ord_id: id, qty: None, terms: None };
                        Done { to: Some(to), ..Done::of(Step::Cancel, gone) }
                    }
                    None => Done::of(Step::Wait, Why::Pause),
                },
                Act::Withdraw => {
                    self.end_unsent(ix, o, End::Withdrawn, sink);
                    if let Some(m) = self.st.mirrors.get_mut(at, n) {
                        m.over();
                    }
                    Done::of(Step::Withdraw, if wish == Wish::Gone { gone } else { Why::Changed })
                }
            };
            if S::WANTS_DECISIONS {
                let given = Mapping::between(profile, lane.price_factor, lane.tick, lane.reverse, m.buy);
                self.tell_driven(at, &m, &given, cfg, &wanted, had, &done, mark, sink);
            }
            if act != Act::Withdraw {
                return;
            }
        }
    }

    /// What a mirror's order is to be.
    ///
    /// # Errors
    /// Why it stays as it is.
    fn wanted(
        &mut self,
        ix: &Arc<Index>,
        (at, n): (u32, usize),
        m: &Mirror,
        lane: &Lane,
        cfg: &SubscriptionConfig,
        profile: &Profile,
    ) -> Result<Wanted, Why> {
        let unknown = Why::UnknownPosition;
        let ls = self.st.lines.get(at as usize).ok_or(unknown)?;
        let leader = ix.subs.get(ls.sub as usize).ok_or(unknown)?.leader;
        // Nobody can say what it would open or close.
        let positions = self.st.leaders.get(leader as usize).map(|l| &l.positions);
        let known = positions.is_some_and(|p| p.contains_key(&ls.instrument));
        let given = self.given(ix, at).ok_or(unknown)?;
        let mut wanted = Wanted::nothing(m, m.opens(given.position), lane);
        if !known {
            // What a guard, or a person, has ended is to go whatever the leader holds: a close waits for that.
            return if m.barred { Ok(Wanted { why: Why::Barred, ..wanted }) } else { Err(unknown) };
        }
        if !ls.follows() {
            // What was kept is nobody's here any more.
            return Ok(wanted);
        }
        if !cfg.mirrors_type(m.terms.order_type.is_stop()) {
            return Ok(Wanted { why: Why::NotCopied, ..wanted });
        }
        let level = self.stopped_line(ix, at, ls);
        if !wanted.opens && cfg.stop_multiplier != Dec::ONE {
            let entry = self.st.mirrors.entries.get(&(leader, ls.instrument)).and_then(super::Entry::px);
            // Without an entry there is no distance: the leader's own stop protects better than none.
            let stretched = entry.and_then(|px| m.terms.stretched(px, cfg.stop_multiplier));
            wanted.entry = stretched.and(entry);
            wanted.leaders = stretched.unwrap_or(m.terms);
            wanted.terms = wanted.leaders;
        }
        let mapping = Mapping::between(profile, lane.price_factor, lane.tick, lane.reverse, m.buy);
        let (part, units) = if wanted.opens {
            // One that a stop has cancelled waits for the end of every stop: what it is refused now it would be refused for good.
            if level >= Some(Level::CloseOnly) || m.stopped && level.is_some() {
                return Ok(Wanted { why: Why::Stopped, ..wanted });
            }
            (m.part(&given), whole_units(m.opening_rest(&given), lane.grid))
        } else {
            if level == Some(Level::Halt) {
                return Err(Why::Halt);
            }
            let list = self.st.mirrors.of(at);
            let led = led(list, ls.line.target, &given);
            let closing = Closing::of(list, &ls.line, led, lane, &given);
            let closing = closing.beside(self.not_asked_to_go(at, m), self.resting(at, m));
            let rest = closing.rest(m, &given);
            let (room, kept_back) = self.resting_room(ix, at, m, lane, rest);
            wanted.kept_back = kept_back;
            let units = whole_steps(rest.min(room.unwrap_or(rest)), lane.grid);
            (closing.part(m, &ls.line, &given, room), units)
        };
        wanted.size.part = Some(part);
        // A close is never left out: what is more than one order is several.
        let most = if wanted.opens { lane.venue_max } else { lane.close_max };
        let share = self.share((at, n), units, most, lane.grid);
        (wanted.whole, wanted.share) = (units, share);
        let size = Size { venue_max: most, others: share.others, parts: share.parts, ..wanted.size };
        wanted.size = size;
        let lost = self.st.mirrors.of(at).get(n).is_some_and(|m| m.lost);
        let units = if lost { Dec::ZERO } else { share.units };
        if units < lane.grid.min {
            if lost && !m.barred {
                return Ok(Wanted { why: Why::Lost, ..wanted });
            }
            return Ok(Wanted { why: m.why_nothing(&part, &given), ..wanted });
        }
        match mapping.terms(&wanted.leaders) {
            Ok(terms) => {
                wanted.size.units = units;
                Ok(Wanted { units, terms, ..wanted })
            }
            Err(unmirrored) => {
                if let Some(m) = self.st.mirrors.get_mut(at, n) {
                    m.lost = true;
                }
                self.refuse(Refusal::bare(Code::OrderTerms));
                Ok(Wanted { why: Why::Terms, unmirrored: Some(unmirrored), ..wanted })
            }
        }
    }

    /// The part of an open that the limits allow; what they refuse is not asked for again.
    fn allowed(&mut self, ix: &Index, (at, n): (u32, usize), lane: &Lane, open: &Opening) -> Dec {
        let units = open.qty;
        let admitted = whole_steps(self.admitted(ix, at, lane, open), lane.grid);
        let refused = units.checked_sub(admitted).unwrap_or(Dec::ZERO);
        if let Some(m) = self.st.mirrors.head_mut(at, n) {
            m.refused = m.refused.saturating_add(quanta(refused, lane.grid).unwrap_or(0));
        }
        admitted
    }

    fn place<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        (at, n): (u32, usize),
        lane: &Lane,
        cfg: &SubscriptionConfig,
        wanted: &mut Wanted,
        sink: &mut S,
    ) -> Done {
        let nothing = Done::of(Step::Refuse, Why::Refused);
        let Some((buy, first)) = self.st.mirrors.of(at).get(n).map(|m| (m.buy, m.orders.is_empty())) else {
            return nothing;
        };
        let (mut qty, mut limits) = (wanted.units, None);
        if wanted.opens {
            let open = wanted.opening(buy, Dec::ZERO);
            let admitted = self.allowed(ix, (at, n), lane, &open);
            limits = Some(Limits { asked: open.qty, admitted });
            if wanted.share.parts > 1 && admitted < open.qty {
                self.clip(wanted, (at, n), lane, &open, admitted);
            }
            qty = wanted.units.min(admitted);
        }
        let refused = Done { limits, ..nothing };
        if qty < lane.grid.min {
            return refused;
        }
        let deadline_ns =
            if wanted.opens { self.st.at_ns.saturating_add(cfg.max_age_ms.saturating_mul(MS)) } else { 0 };
        let draft = Draft { buy, qty, reduces: !wanted.opens, px: wanted.terms.price(), deadline_ns };
        let Some(id) = self.make_mirror((at, n), lane, &draft, wanted.terms, sink) else { return refused };
        if wanted.opens && first {
            self.count_mirror(ix, (at, n), wanted, limits, sink);
        }
        let to = To { cl_ord_id: id, qty: Some(qty), terms: Some(wanted.terms) };
        let why = if first { Why::Begins } else { Why::Anew };
        Done { to: Some(to), limits, ..Done::of(Step::Place, why) }
    }

    fn grow_or_cut(
        &mut self,
        ix: &Arc<Index>,
        (at, n): (u32, usize),
        lane: &Lane,
        o: u32,
        wanted: &Wanted,
    ) -> Done {
        let (Some(order), Some(m)) = (self.st.orders.get(o as usize), self.st.mirrors.of(at).get(n)) else {
            return Done::of(Step::Wait, Why::Pause);
        };
        let why = if m.unanswered.is_positive() { Why::Unanswered } else { Why::Changed };
        let (leaves, cum, buy, most) = (order.leaves(), order.cum, order.buy, m.open(order));
        let as_it_is = (m.has == Some(wanted.terms) && !m.unanswered.is_positive()).then_some(leaves);
        let (mut units, mut limits) = (wanted.units, None);
        // What was asked for once has passed the limits, and counts there.
        if wanted.opens && units > most {
            let open = wanted.opening(buy, most);
            let admitted = self.allowed(ix, (at, n), lane, &open);
            limits = Some(Limits { asked: open.qty, admitted });
            units = units.min(most.checked_add(admitted).unwrap_or(most));
        }
        if as_it_is == Some(units) {
            return Done { limits, ..Done::of(Step::Keep, Why::Limited) };
        }
        let asked = cum.checked_add(units);
        let asked =
            asked.and_then(|qty| Some((qty, self.ask_change(ix, (at, n), o, Some((qty, wanted.terms)))?)));
        let Some((qty, id)) = asked else { return Done { limits, ..Done::of(Step::Wait, Why::Pause) } };
        let to = To { cl_ord_id: id, qty: Some(qty), terms: Some(wanted.terms) };
        Done { to: Some(to), limits, ..Done::of(Step::Replace, why) }
    }
}

impl Wanted {
    /// What its mirror is to open beside what its orders may still fill; `has`: units that this one may.
    fn opening(&self, buy: bool, has: Dec) -> Opening {
        let beside = self.share.others.checked_add(has).unwrap_or(has);
        let qty = self.whole.checked_sub(beside).unwrap_or(Dec::ZERO);
        Opening {
            qty,
            buy,
            px: self.terms.price(),
            mirror: Some(self.terms),
            beside,
            replaces: has.is_positive(),
        }
    }
}

impl Mirror {
    /// Its newest order can not fill any more, as far as anybody knows.
    pub(super) fn over(&mut self) {
        (self.live, self.ours, self.irreplaceable) = (false, false, false);
        (self.has, self.replace, self.unanswered) = (None, None, Dec::ZERO);
        (self.name, self.asked_as) = (None, None);
    }

    /// What the broker was asked and has not answered.
    pub(super) fn asked(&self, request: Option<crate::order::ClOrdId>) -> Asked {
        match request {
            None => Asked::Nothing,
            Some(id) if self.replace.is_some_and(|r| r.id == id) => Asked::Replace,
            Some(_) => Asked::Cancel,
        }
    }
}
