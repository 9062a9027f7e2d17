//! Joining and resync: targets of a subscription are set from what its leader holds, as if he had opened all of it now
//! (design 02, "Late, missed, manual"). Set, not added to: whatever is filled or works already counts, so nothing is
//! opened twice.

use super::lanes::Lane;
use super::life::{Life, Named};
use super::{Engine, Index};
use crate::action::Sink;
use crate::config::{Joining, SideFilter, Sizing, SubscriptionConfig};
use crate::decimal::Dec;
use crate::leader::{Frozen, LeaderOrder};
use crate::ledger::{abs, fits, quanta, units};
use crate::refusal::{Code, Refusal};
use crate::sizing::{Rule, Sizes, rule};
use crate::time::trade_date;
use serde::Deserialize;
use std::sync::Arc;

const MS: i64 = 1_000_000;
/// Instruments named in one alert: a person reads it.
const NAMED_MAX: usize = 20;

/// The end of leaving.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JoinText {
    who: String,
    subscription: String,
    #[serde(default)]
    joining: Joining,
}

impl Engine {
    /// Subscriptions that this configuration has for the first time. Those that join with their leader's position wait for
    /// their route and for his position; no restart makes them wait again.
    pub(super) fn begin_new(&mut self) {
        let ix = Arc::clone(&self.ix);
        let begun = usize::try_from(self.st.begun).unwrap_or(usize::MAX);
        self.missed_by_new(&ix, self.st.begun);
        for (sub, cfg) in (0_u32..).zip(&ix.cfg.subscriptions).skip(begun) {
            if cfg.joining == Joining::Target && cfg.leaving.is_none() {
                let life = self.st.lives.entry(sub).or_default();
                life.joins = mapped(&ix, sub).into_iter().collect();
            }
        }
        self.st.begun = u32::try_from(ix.cfg.subscriptions.len()).unwrap_or(u32::MAX);
    }

    /// What the leaders' orders have filled by now is nothing to who begins now: of an amount only the part behind it is
    /// opened.
    fn missed_by_new(&mut self, ix: &Index, begun: u32) {
        for (subs, state) in ix.subs_of.iter().zip(&mut self.st.leaders) {
            let first = subs.iter().position(|sub| *sub >= begun).and_then(|n| u32::try_from(n).ok());
            let Some(place) = first else { continue };
            let positions = &state.positions;
            // A filled one may be raised by a replace.
            for order in state.orders.values_mut().filter(|o| !o.ended || o.is_filled()) {
                let known = order.known;
                order.missed_from(place, known, positions.get(&order.instrument).copied());
            }
        }
    }

    /// Joins that waited and can be done now, each once.
    pub(super) fn join_due<S: Sink>(&mut self, sink: &mut S) {
        let ix = Arc::clone(&self.ix);
        let due = |(sub, life): (&u32, &Life)| {
            let can = |i: &&u32| self.can_join(&ix, *sub, **i);
            let found: Vec<u32> = life.joins.iter().filter(can).copied().collect();
            (!found.is_empty()).then_some((*sub, found))
        };
        let all: Vec<(u32, Vec<u32>)> = self.st.lives.iter().filter_map(due).collect();
        for (sub, instruments) in all {
            if let Some(life) = self.st.lives.get_mut(&sub) {
                life.joins.retain(|i| !instruments.contains(i));
            }
            self.live_by(sub);
            let said = self.aim_all(&ix, sub, &instruments, sink);
            let text = format!("subscription {:?} joins its leader: {said}", name_of(&ix, sub));
            self.alert("join", text, sink);
        }
    }

    /// The route can take orders, nobody has to guess what the leader holds, and no order of his that opens is mirrored: what
    /// it fills would count twice.
    fn can_join(&self, ix: &Index, sub: u32, instrument: u32) -> bool {
        let Some(s) = ix.subs.get(sub as usize) else { return false };
        let ready = self.st.routes.get(self.way(s.route) as usize).is_some_and(super::RouteState::ready);
        let leader = self.st.leaders.get(s.leader as usize);
        let of_line = |l: &super::LineState| l.sub == sub && l.instrument == instrument;
        let mut lines = (0_u32..).zip(&self.st.lines).filter(|(_, l)| of_line(l));
        let free = lines.all(|(at, _)| self.st.mirrors.at_rest(at));
        ready && free && leader.is_some_and(|l| l.positions.contains_key(&instrument))
    }

    /// A subscription that was leaving copies again.
    pub(super) fn join<S: Sink>(&mut self, text: JoinText, sink: &mut S) {
        let by = Named { who: text.who, subscription: text.subscription };
        let Some(sub) = self.named("join", &by, sink) else { return };
        let name = &by.subscription;
        let held = |l: &&super::LineState| l.sub == sub && !l.line.filled.is_zero();
        if self.mode_of(sub) == super::life::Mode::Kept && self.st.lines.iter().any(|l| held(&l)) {
            let text = format!(
                "join: subscription {name:?} holds what it kept, which no leader closes: `leave` it by close_now \
                 first, or add a subscription under another name"
            );
            return self.alert("bad_command", text, sink);
        }
        let left = self.st.lives.get_mut(&sub).and_then(|life| life.leaving.take());
        self.live_by(sub);
        let did = if left.is_some() { "copies again" } else { "was not leaving" };
        let ix = Arc::clone(&self.ix);
        let aimed = match text.joining {
            Joining::Flat => String::new(),
            Joining::Target => format!(": {}", self.aim_all(&ix, sub, &mapped(&ix, sub), sink)),
        };
        self.alert("join", format!("subscription {name:?} {did}, by {}{aimed}", by.who), sink);
    }

    /// The targets of a subscription as if it joined now.
    pub(super) fn resync<S: Sink>(&mut self, by: &Named, sink: &mut S) {
        let Some(sub) = self.named("resync", by, sink) else { return };
        let name = &by.subscription;
        if self.mode_of(sub).leaves() {
            let text = format!("resync: subscription {name:?} leaves: `join` makes it copy again");
            return self.alert("bad_command", text, sink);
        }
        if let Some(life) = self.st.lives.get_mut(&sub) {
            life.joins.clear();
        }
        self.live_by(sub);
        let ix = Arc::clone(&self.ix);
        let said = self.aim_all(&ix, sub, &mapped(&ix, sub), sink);
        self.alert("resync", format!("subscription {name:?} resynced by {}: {said}", by.who), sink);
    }

    /// Sets the targets of these instruments, and says what became of them.
    fn aim_all<S: Sink>(&mut self, ix: &Arc<Index>, sub: u32, instruments: &[u32], sink: &mut S) -> String {
        let mut said: Vec<String> = instruments.iter().filter_map(|i| self.aim(ix, sub, *i, sink)).collect();
        let more = said.len().saturating_sub(NAMED_MAX);
        said.truncate(NAMED_MAX);
        if more > 0 {
            said.push(format!("{more} more"));
        }
        if said.is_empty() { "nothing changes".to_owned() } else { said.join("; ") }
    }

    /// Sets one target from the leader's position; what is to be said of it, if anything.
    fn aim<S: Sink>(&mut self, ix: &Arc<Index>, sub: u32, instrument: u32, sink: &mut S) -> Option<String> {
        let (s, cfg) = (ix.subs.get(sub as usize)?, ix.cfg.subscriptions.get(sub as usize)?);
        let place = ix.subs_of.get(s.leader as usize)?.iter().position(|n| *n == sub)?;
        let at = self.line_of(ix, s.leader, instrument, place)?;
        let what = ix.cfg.instruments.get(instrument as usize).map_or("", |i| i.name.as_str());
        let known = self.st.leaders.get(s.leader as usize)?.positions.get(&instrument).copied();
        let Some(position) = known else {
            return Some(format!("{what}: the leader's position is not known, nothing changes"));
        };
        if matches!(cfg.sizing, Sizing::Block { .. }) {
            // Its share is what was dealt to it, lot by lot: a position alone does not say.
            return Some(format!("{what}: a block deals only what comes, nothing changes"));
        }
        if !self.st.mirrors.at_rest(at) {
            return Some(format!(
                "{what}: orders of the leader are mirrored, nothing changes while they work"
            ));
        }
        let line = self.st.lines.get(at as usize)?;
        let (lane, before) = (ix.lane(line)?, line.line.target);
        self.cause.refusals.clear();
        match self.worth(ix, sub, cfg, lane, (instrument, position)) {
            Ok((target, made)) => {
                self.no_second_amount(s.leader, (place, at), (instrument, position), made);
                self.retarget(ix, at, target, lane, cfg, sink);
            }
            Err(refusal) => self.refuse(refusal),
        }
        let refused: Vec<&str> = self.cause.refusals.iter().map(|r| r.code.as_str()).collect();
        let after = self.st.lines.get(at as usize)?.line.target;
        if refused.is_empty() && after == before {
            return None;
        }
        let units = |t: i128| units(t, lane.grid.step).unwrap_or(Dec::ZERO);
        let why =
            if refused.is_empty() { String::new() } else { format!(", refused: {}", refused.join(", ")) };
        Some(format!("{what}: target {} units, it was {}{why}", units(after), units(before)))
    }

    /// An amount is opened for the whole position: none is left to the leader's orders that are part of it, whatever they
    /// fill later.
    fn no_second_amount(
        &mut self,
        leader: u32,
        (place, at): (usize, u32),
        (instrument, position): (u32, Dec),
        made: Option<Rule>,
    ) {
        // Of an order that nobody has heard of yet, its first report says whether it is one of them.
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.joined = matches!(made, Some(Rule::Amount(_))).then_some(position.is_positive());
        }
        let (Some(rule @ Rule::Amount(sized)), now) = (made, self.st.at_ns) else { return };
        let Some(state) = self.st.leaders.get_mut(leader as usize) else { return };
        let side = Some(position.is_positive());
        let part =
            |o: &&mut LeaderOrder| o.instrument == instrument && o.bought == side && o.known.is_positive();
        for order in state.orders.values_mut().filter(part) {
            if order.rules.len() <= place {
                if order.is_filled() {
                    continue; // raised by a replace, it is one that began before
                }
                order.rules.resize(place.saturating_add(1), None);
            }
            if let Some(slot) = order.rules.get_mut(place) {
                *slot = Some(Frozen { rule, sized, date: trade_date(now) });
            }
        }
    }

    /// The target for a leader's position, as if it were one order that he fills now, and the rule that made it.
    ///
    /// # Errors
    /// What sizing refuses; `filtered` where nobody can tell which part of the position passes the filters.
    fn worth(
        &self,
        ix: &Index,
        sub: u32,
        cfg: &SubscriptionConfig,
        lane: &Lane,
        (instrument, position): (u32, Dec),
    ) -> Result<(i128, Option<Rule>), Refusal> {
        let (f, held) = (&cfg.filters, abs(position));
        let listed = ix.subs.get(sub as usize).and_then(|s| s.instruments.as_ref());
        let side = match f.side {
            SideFilter::Both => true,
            SideFilter::Long => position.is_positive(),
            SideFilter::Short => position.is_negative(),
        };
        if position.is_zero() || !side || listed.is_some_and(|l| !l.contains(&instrument)) {
            return Ok((0, None));
        }
        if !f.tags.is_empty() {
            return Err(Refusal::bare(Code::Filtered));
        }
        if held < f.min_order_qty {
            return Err(Refusal::over(Code::Filtered, f.min_order_qty, held));
        }
        let overflow = Refusal::bare(Code::Overflow);
        let made = match (lane.rate, lane.no_rate) {
            (Some(rate), _) => Rule::Rate(rate),
            (None, Some(refusal)) => return Err(refusal),
            (None, None) => {
                let inputs = self.inputs(sub, cfg, instrument, lane);
                rule(&cfg.sizing, &inputs)?
            }
        };
        let size = match made {
            Rule::Rate(rate) => Sizes::default().rate(rate, held, lane.grid),
            Rule::Amount(amount) => quanta(amount, lane.grid),
        };
        let size = size.filter(|t| fits(*t, lane.grid)).ok_or(overflow)?;
        Ok((if position.is_negative() == lane.reverse { size } else { size.saturating_neg() }, Some(made)))
    }

    /// Moves a target by a person's word: a reduce goes out at once, an increase is an open like any other, asked for now.
    fn retarget<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        target: i128,
        lane: &Lane,
        cfg: &SubscriptionConfig,
        sink: &mut S,
    ) {
        let now = self.st.at_ns;
        let px = self.px_now(at, target > 0, now.saturating_sub(cfg.max_age_ms.saturating_mul(MS)));
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let before = ls.line.target;
        let same_side = before.signum() == target.signum();
        let from = if same_side { before.saturating_abs() } else { 0 };
        let grown = target.saturating_abs().saturating_sub(from);
        ls.line.target = target;
        // A person asks: what the broker said to the last close is asked for once more.
        (ls.retry_at_ns, ls.stuck_residue) = (0, false);
        if grown > 0 {
            let until = now.saturating_add(lane.max_age_ns);
            ls.line.declined = false;
            ls.line.open_until_ns = if same_side { ls.line.open_until_ns.max(until) } else { until };
            // There is no trade of the leader to compare a price with: it is the price of now.
            ls.unquoted = px.is_none();
            if let Some((px, at_ns)) = px {
                (ls.leader_px, ls.leader_px_ns) = (Some(px), at_ns);
            }
            (self.cause.until_ns, self.cause.size) = (until, grown);
        }
        self.set_by_hand(at, before);
        self.work_line(ix, at, sink);
        self.cause.until_ns = 0;
    }

    /// What the leader's instrument costs now, by a fresh quote, and when that came.
    fn px_now(&self, at: u32, buy: bool, oldest_ns: i64) -> Option<(Dec, i64)> {
        let ls = self.st.lines.get(at as usize)?;
        let quote = self.st.quotes.get(ls.instrument).filter(|q| q.at_ns >= oldest_ns)?;
        Some((if buy { quote.ask } else { quote.bid }, quote.at_ns))
    }
}

fn name_of(ix: &Index, sub: u32) -> &str {
    ix.cfg.subscriptions.get(sub as usize).map_or("", |s| s.name.as_str())
}

/// The leader instruments that a subscription copies, in their order.
fn mapped(ix: &Index, sub: u32) -> Vec<u32> {
    let mut all: Vec<u32> =
        ix.subs.get(sub as usize).map_or_else(Vec::new, |s| (&s.map).into_iter().map(|(i, _)| *i).collect());
    all.sort_unstable();
    all
}
