//! What the leader's broker says that is no execution: positions, trading halts, and everything that is only noted.

use super::leaders::{Execution, Moved, leader_of};
use super::{Engine, Index, LineState};
use crate::action::{Conversion, Sink};
use crate::decimal::Dec;
use crate::fix::Message;
use crate::ledger::{abs, less, reduced, sum};
use crate::refusal::{Code, Refusal};
use crate::report::{Inbound, Position, Report};
use std::collections::BTreeSet;
use std::sync::Arc;

impl Engine {
    /// What the configuration says of positions that are not known. What was counted, or was lost to counting, it never sets
    /// again. What has come into the file since `assume_flat` was said is not assumed: he may have traded it meanwhile.
    pub(super) fn fit_leader_positions(&mut self) {
        let ix = Arc::clone(&self.ix);
        let held = |l: &LineState| l.line.target != 0 || !l.line.filled.is_zero();
        let lines = self.st.lines.iter().filter(|l| held(l));
        let copied: BTreeSet<(u32, u32)> =
            lines.filter_map(|l| Some((ix.subs.get(l.sub as usize)?.leader, l.instrument))).collect();
        for (leader, (cfg, state)) in (0_u32..).zip(ix.cfg.leaders.iter().zip(&mut self.st.leaders)) {
            let mapped: BTreeSet<u32> = ix
                .leader_symbols
                .get(leader as usize)
                .map(|m| m.values().copied().collect())
                .unwrap_or_default();
            // Nobody counts what is not mapped: no report and no number of before says anything of it.
            let gone = |at: &u32| !mapped.contains(at) && !copied.contains(&(leader, *at));
            for at in state.positions.keys().copied().filter(gone).collect::<Vec<_>>() {
                state.forget(at);
            }
            for at in mapped.into_iter().filter(|at| !state.lost.contains(at)) {
                let Some(instrument) = ix.cfg.instruments.get(at as usize) else { continue };
                // What was said once is no news when it is read again.
                let given = cfg.initial_positions.get(&instrument.name).copied();
                let news = given.filter(|units| state.initial.get(&at) != Some(units));
                let flat = (cfg.assume_flat && !state.assumed_flat).then_some(Dec::ZERO);
                if let (Some(units), false) = (news.or(flat), state.positions.contains_key(&at)) {
                    state.positions.insert(at, units);
                }
                state.initial.extend(given.map(|units| (at, units)));
            }
            state.assumed_flat = cfg.assume_flat;
        }
    }

    /// Everything of a leader session that moves nothing by itself. Nothing is dropped in silence: it is counted.
    pub(super) fn leader_other<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        session: &str,
        message: &Message<'_>,
        inbound: &Inbound<'_>,
        sink: &mut S,
    ) {
        match inbound {
            Inbound::Position(p) => match leader_of(ix, session, p.account) {
                Some(l) => self.leader_position(ix, l, message, p, sink),
                None => {
                    self.alert("unknown_account", "position of an account that is no leader".to_owned(), sink)
                }
            },
            // The shell hands on a GapFill only where it passes over what never came: a fill may be among it.
            Inbound::Ignored { .. } if message.get(35) == Some(b"4") => {
                let number = |tag| String::from_utf8_lossy(message.get(tag).unwrap_or(b"?")).into_owned();
                let text =
                    format!("{session}: not resent, from number {} to before {}", number(34), number(36));
                self.alert("leader_gap", text, sink);
                self.ask_all_of(ix, session, true, sink);
            }
            other => self.session_other(session, other, sink),
        }
    }

    /// What means the same on a leader's session and on a follower's.
    pub(super) fn session_other<S: Sink>(&mut self, session: &str, inbound: &Inbound<'_>, sink: &mut S) {
        match inbound {
            Inbound::Trading(t) if t.halted == Some(true) => {
                let (symbol, text) = (String::from_utf8_lossy(t.symbol), String::from_utf8_lossy(t.text));
                self.alert("trading_halt", format!("{session}: trading of {symbol:?} stopped: {text}"), sink);
            }
            Inbound::Ignored { why } => self.note(why),
            Inbound::News { .. } => self.note("news"),
            Inbound::Trading(_) => self.note("trading status"),
            Inbound::CancelReject(_) => self.note("cancel reject on a leader session"),
            Inbound::Quote(_) => self.note("quote"),
            _ => {}
        }
    }

    /// Counts what was understood and has no consequence.
    pub(super) fn note(&mut self, what: &str) {
        if let Some(n) = self.st.notes.get_mut(what) {
            *n = n.saturating_add(1);
        } else {
            self.st.notes.insert(what.to_owned(), 1);
        }
    }

    /// A PositionReport has no TransactTime and races with fills in flight: it counts when it says the same twice with
    /// no execution in between. Then a smaller position is a reduce that we missed; a larger one is only shown.
    fn leader_position<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        leader: u32,
        message: &Message<'_>,
        p: &Position<'_>,
        sink: &mut S,
    ) {
        let l = leader as usize;
        let profile = ix.leader_profiles.get(l).and_then(|i| ix.cfg.profiles.get(*i as usize));
        let instrument = ix.leader_symbols.get(l).and_then(|m| m.get(p.symbol)).copied();
        let unit = instrument.zip(profile).map_or(Dec::ONE, |(i, p)| ix.unit(p, i));
        let (long, short) = (p.long.unwrap_or(Dec::ZERO), p.short.unwrap_or(Dec::ZERO));
        let signed = long.checked_sub(short).and_then(|q| q.mul(unit, crate::decimal::Round::HalfEven));
        if Self::hedges(ix, leader) {
            // Each report is one of several positions: two equal ones are not one that is said twice.
            return self.leader_row(ix, leader, message, p, (instrument, signed), sink);
        }
        match (instrument, signed) {
            (Some(instrument), Some(held)) => {
                self.position_said(ix, leader, instrument, message, held, sink);
            }
            (Some(_), None) => self.note("position that does not fit in units"),
            (None, _) => self.note("position of a symbol that is not mapped"),
        }
        for flat in self.listed(ix, leader, p, instrument) {
            self.position_said(ix, leader, flat, message, Dec::ZERO, sink);
        }
    }

    pub(super) fn position_said<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        leader: u32,
        instrument: u32,
        message: &Message<'_>,
        reported: Dec,
        sink: &mut S,
    ) {
        let Some(state) = self.st.leaders.get_mut(leader as usize) else { return };
        let seen = state.executions;
        let before = state.reported.insert(instrument, (reported, seen));
        let known = state.positions.get(&instrument).copied();
        let confirmed = before == Some((reported, seen));
        if !confirmed {
            state.foretold.entry(instrument).or_default().said_ns = self.st.at_ns;
        }
        match known {
            // Before any execution nothing can be in flight that we would count twice.
            None if confirmed || seen == 0 => {
                state.begins(instrument, reported);
                state.lost.remove(&instrument);
                self.alert("leader_position", format!("the leader holds {reported} to begin with"), sink);
                if reported.is_zero() {
                    // Whatever was copied before its position was lost: a flat leader has flat followers.
                    self.reduce_all(ix, leader, instrument, message, (Dec::ONE, Dec::ZERO), sink);
                }
                self.join_due(sink);
            }
            Some(held) if confirmed && held != reported => {
                self.leader_differs(ix, leader, instrument, message, held, reported, sink);
            }
            // Said once: nobody may say it again unless he is asked.
            Some(held) if held != reported => self.ask_positions_soon(leader),
            None => self.ask_positions_soon(leader),
            Some(_) => {}
        }
    }

    #[allow(clippy::too_many_arguments)]
    fn leader_differs<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        leader: u32,
        instrument: u32,
        message: &Message<'_>,
        held: Dec,
        reported: Dec,
        sink: &mut S,
    ) {
        let name = ix.cfg.leaders.get(leader as usize).map_or("", |l| l.name.as_str());
        let names = self.names_that_differ(leader, instrument);
        let text = format!("{name}: the broker reports {reported} units, we count {held}{names}");
        self.alert("leader_drift", text, sink);
        // Towards zero, at most to zero: what lies beyond would be an increase.
        let same_side = reported.signum() == held.signum();
        let to = if same_side { reported } else { Dec::ZERO };
        if abs(to) >= abs(held) {
            return;
        }
        if let Some(state) = self.st.leaders.get_mut(leader as usize) {
            state.positions.insert(instrument, to);
            let foretold = state.foretold.entry(instrument).or_default();
            let before = if foretold.units.signum() == held.signum() { Dec::ZERO } else { foretold.units };
            (foretold.units, foretold.until_ns) = (sum(before, less(to, held)), foretold.said_ns);
        }
        self.reduce_all(ix, leader, instrument, message, (held, to), sink);
    }

    /// What of an execution his broker's position was ahead of: it is in what is copied already. What CumQty(14) alone tells
    /// was traded before its report, nobody knows when: it may be. A trade of its own may be by its TransactTime(60), to which
    /// the whole of its last second belongs where it has no fractions: one of now must not be taken for it.
    pub(super) fn take_foretold(&mut self, x: &Execution<'_>) -> Dec {
        const SECOND_NS: i64 = 1_000_000_000;
        let Some(state) = self.st.leaders.get_mut(x.leader as usize) else { return Dec::ZERO };
        let Some(foretold) = state.foretold.get_mut(&x.instrument) else { return Dec::ZERO };
        if x.hold || foretold.units.signum() != x.delta.signum() {
            return Dec::ZERO;
        }
        let until_ns = foretold.until_ns;
        let of_before = x.report.transact_ns.is_some_and(|ns| {
            let end_ns = if ns % SECOND_NS == 0 { ns.saturating_add(SECOND_NS) } else { ns };
            end_ns <= until_ns
        });
        let all = abs(x.delta);
        let may_be = if of_before { all } else { less(all, x.timed).max(Dec::ZERO) };
        let taken = may_be.min(abs(foretold.units));
        let taken = if x.delta.is_negative() { less(Dec::ZERO, taken) } else { taken };
        foretold.units = less(foretold.units, taken);
        if !taken.is_zero() {
            // What was lost for good, and looked like this, is found so.
            self.ask_positions_soon(x.leader);
        }
        taken
    }

    /// The leader's position came nearer to zero without an execution: every target follows.
    fn reduce_all<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        leader: u32,
        instrument: u32,
        message: &Message<'_>,
        (held, to): (Dec, Dec),
        sink: &mut S,
    ) {
        let reduce = abs(held).checked_sub(abs(to)).unwrap_or(Dec::ZERO);
        let report = Report::none();
        let x = Execution::of_position(leader, instrument, &report, message, held, to, reduce);
        let subs = ix.subs_of.get(leader as usize).map_or(&[][..], Vec::as_slice);
        let n = u32::try_from(subs.len()).unwrap_or(u32::MAX);
        self.deal(ix, &x, None);
        for (k, (place, sub)) in (1_u32..).zip(subs.iter().enumerate()) {
            self.cause.refusals.clear();
            self.cause.orders.clear();
            self.cause.slices = 0;
            let dealt = self.dealt(*sub);
            let line = self.line_of(ix, leader, instrument, place);
            let Some((at, ls)) = line.and_then(|at| Some((at, self.st.lines.get_mut(at as usize)?))) else {
                self.decided(ix, &x, *sub, &Moved::NOTHING, (k, n), sink);
                continue;
            };
            if reduce >= abs(held) {
                ls.joined = None;
            }
            let before = ls.line.target;
            let kept = !ls.follows();
            let reduce = if kept { Dec::ZERO } else { reduce };
            let dealt = dealt.filter(|_| !kept);
            ls.line.target = dealt.map_or_else(|| reduced(before, held, reduce), |d| d.reduced(before));
            // News from the leader is tried at once, whatever the broker said to the last close.
            ls.retry_at_ns = 0;
            let after = ls.line.target;
            self.mirrors_count(at, None, before, 0, false);
            let Some(ls) = self.st.lines.get(at as usize) else { continue };
            let (lane, cfg) = (ix.lane(ls), ix.cfg.subscriptions.get(*sub as usize));
            let conversion = lane.zip(cfg).map(|(lane, cfg)| Conversion {
                target_moved: after,
                line: ls.line.held(lane.grid, cfg.rounding, cfg.max_inflation, self.st.at_ns),
                dealt,
                ..x.conversion(ix, cfg, lane, reduce)
            });
            let step = lane.map_or(Dec::ONE, |l| l.grid.step);
            if kept {
                self.refuse(Refusal::bare(Code::Leaving));
            }
            self.work_line(ix, at, sink);
            let moved = Moved { ratio: None, before, after, step, conversion, line: Some(at) };
            self.decided(ix, &x, *sub, &moved, (k, n), sink);
        }
    }
}
