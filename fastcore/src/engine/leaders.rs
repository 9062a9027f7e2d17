//! Leader sessions: from a FIX message to changes of targets (design 02, steps 1 and 2).

use super::bust_holds::{self, BustHold};
use super::lanes::Lane;
use super::turns::Served;
use super::{Engine, Index, busts};
use crate::action::{Conversion, Decision, Held, Sink};
use crate::config::{OnBust, SubscriptionConfig};
use crate::decimal::Dec;
use crate::event::Event;
use crate::fix::{self, Message};
use crate::leader::{
    Change, Counting, LeaderOrder, fill_missing, identify, named_execution, observe, repeated_later,
};
use crate::ledger::{abs, less, reduced, split};
use crate::refusal::{Code, Refusal};
use crate::report::{Inbound, Kind, Report, Side, read};
use crate::sizing::Sizes;
use crate::time::trade_date;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// One leader execution on its way to the subscriptions.
pub(super) struct Execution<'a> {
    pub(super) leader: u32,
    pub(super) instrument: u32,
    pub(super) report: &'a Report<'a>,
    pub(super) message: &'a Message<'a>,
    /// Position before, signed change, and its two parts.
    pub(super) before: Dec,
    pub(super) delta: Dec,
    pub(super) reduce: Dec,
    pub(super) increase: Dec,
    /// Part of the increase that carries the report's time.
    pub(super) timed: Dec,
    /// TransactTime(60) of the order's previous report.
    pub(super) previous_ns: i64,
    pub(super) cum: Dec,
    /// It takes back or corrects an earlier one.
    pub(super) hold: bool,
    /// What a bust of it would name, or the execution that it takes back; 0 where there is no name.
    pub(super) execution: u128,
    pub(super) sizes: Sizes,
}

/// What became of one target, for the decision.
pub(super) struct Moved {
    pub(super) ratio: Option<Dec>,
    pub(super) before: i128,
    pub(super) after: i128,
    pub(super) step: Dec,
    pub(super) conversion: Option<Conversion>,
    /// The ledger line.
    pub(super) line: Option<u32>,
}

impl Moved {
    /// There is no target to move.
    pub(super) const NOTHING: Self =
        Self { ratio: None, before: 0, after: 0, step: Dec::ONE, conversion: None, line: None };
}

impl<'a> Execution<'a> {
    /// What was traded at and when; what is taken back or corrected is no trade of now.
    fn px(&self, now: i64) -> Option<(Dec, i64)> {
        let px = self.report.last_px.filter(|_| !self.hold)?;
        Some((px, self.report.transact_ns.unwrap_or(now).min(now)))
    }

    /// How old what is copied of its increase is: where a part has no time of its own, the order's report before vouches for
    /// it, and only for as long.
    pub(super) fn as_of(&self, counted: Result<Dec, Refusal>, now: i64) -> i64 {
        let own = self.report.transact_ns.unwrap_or(now).min(now);
        let all_timed = counted.map_or(true, |units| units <= self.timed) || self.previous_ns == 0;
        if all_timed { own } else { own.min(self.previous_ns) }
    }

    /// The numbers of a conversion, before the increase.
    pub(super) fn conversion(
        &self,
        ix: &Index,
        cfg: &SubscriptionConfig,
        lane: &Lane,
        reduce: Dec,
    ) -> Conversion {
        let instrument = ix.cfg.instruments.get(self.instrument as usize);
        Conversion {
            position_before: self.before,
            reduce,
            increase: self.increase,
            counted: Dec::ZERO,
            reverse: cfg.reverse,
            qty_factor: lane.qty_factor,
            leader_contract: instrument.map_or(Dec::ONE, |i| i.contract_size),
            follower_contract: lane.contract,
            dealt: None,
            shared: None,
            recomputed: false,
            target_moved: 0,
            line: Held::default(),
        }
    }

    /// A change of position that no report told.
    pub(super) fn of_position(
        leader: u32,
        instrument: u32,
        report: &'a Report<'a>,
        message: &'a Message<'a>,
        before: Dec,
        after: Dec,
        reduce: Dec,
    ) -> Self {
        let delta = after.checked_sub(before).unwrap_or(Dec::ZERO);
        let (increase, timed, cum) = (Dec::ZERO, Dec::ZERO, Dec::ZERO);
        Execution {
            leader,
            instrument,
            report,
            message,
            before,
            delta,
            reduce,
            increase,
            timed,
            previous_ns: 0,
            cum,
            hold: false,
            execution: 0,
            sizes: Sizes::default(),
        }
    }
}

impl Engine {
    pub(super) fn on_leader<S: Sink>(&mut self, ev: &Event<'_>, sink: &mut S) {
        self.heard(ev.session, None, sink);
        let mut fields = std::mem::take(&mut self.fields);
        match fix::parse(ev.payload, &mut fields) {
            Ok(message) => self.leader_message(ev, &message, sink),
            Err(e) => self.alert("garbled", format!("{}: {e:?}", ev.session), sink),
        }
        self.fields = fields;
    }

    fn leader_message<S: Sink>(&mut self, ev: &Event<'_>, message: &Message<'_>, sink: &mut S) {
        if let Some(n) = message.get(34).and_then(fix::number) {
            // Only what is sent again may lie behind: a new message with a lower number begins a new sequence.
            let again = message.get(43) == Some(b"Y");
            match self.st.seq_nums.get_mut(ev.session) {
                Some(top) => *top = if again { n.max(*top) } else { n },
                None => drop(self.st.seq_nums.insert(ev.session.to_owned(), n)),
            }
        }
        let ix = Arc::clone(&self.ix);
        let first = ix.cfg.leaders.iter().position(|l| l.session == ev.session);
        let profile =
            first.and_then(|l| ix.leader_profiles.get(l)).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let Some(profile) = profile else {
            return self.alert("unknown_session", format!("no leader on session {}", ev.session), sink);
        };
        match read(message, profile) {
            Ok(Inbound::Execution(r)) => match leader_of(&ix, ev.session, r.account) {
                Some(l) => self.execution(&ix, l, message, &r, sink),
                None => {
                    self.alert("unknown_account", "report for an account that is no leader".to_owned(), sink)
                }
            },
            Ok(Inbound::Quote(crate::report::Quote { symbol, bid, ask, as_of_ns })) => {
                let at = first.and_then(|l| ix.leader_symbols.get(l)).and_then(|m| m.get(symbol));
                if let (Some(i), Some(bid), Some(ask)) = (at, bid, ask) {
                    self.quote(*i, (bid, ask), self.as_of(as_of_ns), sink);
                }
            }
            Ok(Inbound::Account(a)) => self.leader_account(&ix, ev.session, &a, sink),
            Ok(Inbound::SessionReject(_) | Inbound::BusinessReject(_)) => {
                self.alert("leader_reject", format!("{} rejected a message of ours", ev.session), sink);
            }
            Ok(other) => self.leader_other(&ix, ev.session, message, &other, sink),
            Err(e) => self.alert("unreadable", format!("{}: tag {}: {}", ev.session, e.tag, e.why), sink),
        }
    }

    fn execution<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        leader: u32,
        message: &Message<'_>,
        report: &Report<'_>,
        sink: &mut S,
    ) {
        let l = leader as usize;
        let Some(instrument) = ix.leader_symbols.get(l).and_then(|m| m.get(report.symbol)).copied() else {
            let symbol = String::from_utf8_lossy(report.symbol).into_owned();
            return self.alert(
                "unknown_symbol",
                format!("symbol {symbol:?} is not mapped: not copied"),
                sink,
            );
        };
        let profile = ix.leader_profiles.get(l).and_then(|p| ix.cfg.profiles.get(*p as usize));
        let Some(profile) = profile else { return };
        let counting = Counting::of(profile, ix.unit(profile, instrument));
        let Some(state) = self.st.leaders.get_mut(l) else { return };
        let key = identify(&mut state.names, &state.orders, &state.seen, report, &counting);
        let known = state.orders.remove(&key);
        let first = known.is_none() && !matches!(report.kind, Kind::New | Kind::PendingNew);
        let mut order = known.unwrap_or_default();
        (order.id, order.instrument) = (key, instrument);
        order.bought = match report.side {
            Side::Buy => Some(true),
            Side::Sell => Some(false),
            Side::Other(_) | Side::Missing => order.bought,
        };
        let (previous_ns, was_frozen) = (order.last_ns, order.frozen);
        let held = state.positions.get(&instrument).copied();
        let repeats_later = repeated_later(&order, report);
        let change = observe(&mut state.seen, &mut order, first, report, &counting);
        if first {
            let counts = if let Change::Fill { qty, .. } = change { qty } else { Dec::ZERO };
            order.missed_from(0, less(order.known, counts), held);
        }
        if let Some(tif) = message.get(59).filter(|_| change != Change::Duplicate) {
            order.outlives_day = matches!(tif, b"1" | b"6");
        }
        let execution = named_execution(&state.seen, &order, report);
        self.note_leader_order(ix, (leader, instrument), &order, &change, report, message);
        let mut x = Execution {
            leader,
            instrument,
            report,
            message,
            before: Dec::ZERO,
            delta: Dec::ZERO,
            reduce: Dec::ZERO,
            increase: Dec::ZERO,
            timed: Dec::ZERO,
            previous_ns,
            cum: order.known,
            hold: false,
            execution,
            sizes: Sizes::default(),
        };
        let units = match change {
            Change::Fill { qty, timed } => {
                x.timed = timed;
                Some(qty)
            }
            Change::Bust { delta } => {
                x.hold = true;
                self.told_bust(ix, leader, sink);
                self.hold_opens(leader, instrument, &bust_holds::why(report), true);
                Some(delta)
            }
            Change::UnknownBust => {
                let what =
                    "bust or correction of an execution that was never seen: opens wait for the operator";
                self.alert("bust", what.to_owned(), sink);
                self.hold_opens(leader, instrument, &bust_holds::why(report), false);
                None
            }
            Change::Rescaled => {
                let what = "corporate action (378=0): adjust positions and targets by hand; opens wait";
                self.alert("corporate_action", what.to_owned(), sink);
                self.hold_opens(leader, instrument, &bust_holds::why(report), false);
                None
            }
            Change::None if report.is_empty_trade() => {
                let order = String::from_utf8_lossy(report.order_id);
                let what = format!("a fill of order {order:?} says no quantity: nothing was copied");
                self.alert("empty_fill", what, sink);
                self.ask_status(ix, leader, report, sink);
                None
            }
            Change::None => {
                if !matches!(report.kind, Kind::New | Kind::Trade | Kind::Status) {
                    self.note(report.kind.name());
                }
                None
            }
            Change::Duplicate if repeats_later => {
                let what = "an execution that is known came again with a later trade date: not copied again";
                self.alert("repeated_execution", what.to_owned(), sink);
                None
            }
            Change::Overflow => {
                self.lose_position(ix, leader, instrument, sink);
                None
            }
            Change::Contradiction | Change::Duplicate => None,
        };
        if order.frozen && !was_frozen {
            let what = "CumQty contradicts what is known: increases of this order are refused".to_owned();
            self.alert("contradiction", what, sink);
            self.ask_status(ix, leader, report, sink);
        }
        if fill_missing(&mut order, report, &counting) {
            let what =
                "after a bust only trades count, and CumQty is above theirs: a trade is missing".to_owned();
            self.alert("fill_missing", what, sink);
            self.ask_status(ix, leader, report, sink);
            self.ask_positions(ix, leader, sink);
        }
        match units {
            Some(units) => self.moved(ix, x, &mut order, units, sink),
            None => {
                if change == Change::None && report.kind == Kind::Correct {
                    self.correct_entry(ix, &x, sink);
                }
                self.leader_named(ix, (leader, instrument), &order, report);
            }
        }
        self.mirror_leader_order(ix, (leader, instrument, held), &mut order, report, message, sink);
        if let Some(state) = self.st.leaders.get_mut(l) {
            state.orders.insert(key, order);
        }
    }

    /// The leader's position does not fit in a number any more: none is better than a wrong one.
    fn lose_position<S: Sink>(&mut self, ix: &Index, leader: u32, instrument: u32, sink: &mut S) {
        if let Some(state) = self.st.leaders.get_mut(leader as usize) {
            state.positions.remove(&instrument);
            state.tickets.remove(&instrument);
            state.lost.insert(instrument);
        }
        let what =
            "a quantity beyond 10^20 units: the leader's position is not known any more and not copied";
        self.alert("leader_position_lost", what.to_owned(), sink);
        self.ask_positions(ix, leader, sink);
    }

    /// No opens on what copies this instrument, now or later, until the operator has looked. `followed`: but for what
    /// follows a bust by itself.
    fn hold_opens(&mut self, leader: u32, instrument: u32, why: &str, followed: bool) {
        let ix = Arc::clone(&self.ix);
        let subs = ix.subs_of.get(leader as usize).map_or(&[][..], Vec::as_slice);
        let by_itself =
            |sub: &u32| followed && ix.cfg.subscriptions.get(*sub as usize).is_some_and(busts::can_follow);
        let now = self.st.at_ns;
        let waits = subs.is_empty() || !subs.iter().all(by_itself);
        if let Some(state) = self.st.leaders.get_mut(leader as usize).filter(|_| waits) {
            let known = state.bust_holds.remove(&instrument);
            state.bust_holds.insert(instrument, BustHold::again(known, now, why));
        }
        for (place, _) in subs.iter().enumerate().filter(|(_, sub)| !by_itself(sub)) {
            // Also where nothing was copied yet: the line is made to show it.
            let Some(at) = self.line_of(&ix, leader, instrument, place) else { continue };
            if let Some(ls) = self.st.lines.get_mut(at as usize) {
                ls.line.bust_hold = true;
            }
        }
    }

    fn moved<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        mut x: Execution<'_>,
        order: &mut LeaderOrder,
        units: Dec,
        sink: &mut S,
    ) {
        let bought = if matches!(x.report.side, Side::Other(_)) { None } else { order.bought };
        x.delta = match bought {
            Some(true) => units,
            Some(false) => Dec::from_raw(units.raw().saturating_neg()),
            None => {
                self.refuse(Refusal::bare(Code::BadSide));
                return self.alert(
                    "bad_side",
                    "a fill whose side is not 1, 2 or 5 was not copied".to_owned(),
                    sink,
                );
            }
        };
        let foretold = self.take_foretold(&x);
        if !foretold.is_zero() {
            x.delta = Dec::from_raw(x.delta.raw().saturating_sub(foretold.raw()));
            let name = ix.cfg.leaders.get(x.leader as usize).map_or("", |l| l.name.as_str());
            let text = format!(
                "{name}: {foretold} units of an execution of before were in his broker's position, and are copied"
            );
            self.alert("leader_drift", text, sink);
        }
        let Some(state) = self.st.leaders.get_mut(x.leader as usize) else { return };
        state.executions = state.executions.saturating_add(1);
        let known = state.positions.get(&x.instrument).copied();
        let after = known.and_then(|p| p.checked_add(x.delta));
        match (known, after) {
            (Some(before), Some(after)) => {
                x.before = before;
                (x.reduce, x.increase) = split(before, x.delta);
                state.positions.insert(x.instrument, after);
                self.leader_ticket_moved(ix, &x, order.id, sink);
            }
            (Some(_), None) => self.lose_position(ix, x.leader, x.instrument, sink),
            (None, _) => {}
        }
        self.note_entry(ix, &x, known.is_some() && after.is_some(), sink);
        let r = x.report;
        let date = trade_date(r.transact_ns.unwrap_or(self.st.at_ns));
        let session = ix.cfg.leaders.get(x.leader as usize).map_or("", |l| l.session.as_str());
        self.buffer.clear();
        for part in [ix.cfg.deployment.as_bytes(), session.as_bytes(), r.order_key, r.exec_id] {
            self.buffer.extend_from_slice(part);
            self.buffer.push(1);
        }
        self.buffer.extend_from_slice(&date.to_le_bytes());
        self.buffer.extend_from_slice(&x.cum.raw().to_le_bytes());
        self.buffer.extend_from_slice(&order.busts.to_le_bytes());
        self.cause.id = xxh3_128(&self.buffer);
        self.cause.repeated = self.st.causes.insert_new(self.cause.id, ()).is_err();
        let subs = ix.subs_of.get(x.leader as usize).map_or(&[][..], Vec::as_slice);
        let n = u32::try_from(subs.len()).unwrap_or(u32::MAX);
        let served = Served::of(x.reduce, x.increase);
        let start = self.served_first(ix, x.leader, served, subs.len());
        let order_of_service = subs.iter().enumerate().cycle().skip(start).take(subs.len());
        if known.is_some() && after.is_some() {
            self.deal(ix, &x, Some((&mut *order, date)));
        }
        let mut lines = self.take_lines(x.leader, x.instrument);
        for (k, (place, sub)) in (1_u32..).zip(order_of_service) {
            self.cause.refusals.clear();
            self.cause.orders.clear();
            self.cause.slices = 0;
            if known.is_none() || after.is_none() {
                let code = if known.is_none() { Code::LeaderPositionUnknown } else { Code::Overflow };
                self.refuse(Refusal::bare(code));
                self.decided(ix, &x, *sub, &Moved::NOTHING, (k, n), sink);
                continue;
            }
            let line = self.line_in(ix, &mut lines, x.leader, x.instrument, place);
            self.subscription(ix, &x, order, (*sub, place, line), date, (k, n), sink);
        }
        self.put_lines(x.leader, x.instrument, lines);
    }

    #[allow(clippy::too_many_arguments)]
    fn subscription<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        x: &Execution<'_>,
        order: &mut LeaderOrder,
        (sub, place_of_sub, line): (u32, usize, Option<u32>),
        date: u32,
        place: (u32, u32),
        sink: &mut S,
    ) {
        let Some(cfg) = ix.cfg.subscriptions.get(sub as usize) else { return };
        let Some(at) = line else {
            if x.increase.is_positive() {
                self.refuse(Refusal::bare(Code::Restricted));
            }
            return self.decided(ix, x, sub, &Moved::NOTHING, place, sink);
        };
        let dealt = self.dealt(sub);
        let px = x.px(self.st.at_ns);
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let before = ls.line.target;
        let mut reduce = Dec::ZERO;
        if let Some((px, at_ns)) = px {
            (ls.leader_px, ls.leader_px_ns, ls.unquoted) = (Some(px), at_ns, false);
        }
        if x.reduce.is_positive() && x.reduce >= abs(x.before) {
            ls.joined = None;
        }
        let recomputed = x.hold && self.follow_bust(ix, at, (cfg, place_of_sub), x, order);
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        // A bust leaves the target to the operator, but a flat leader always means a flat follower.
        if !recomputed && x.reduce.is_positive() && ls.follows() && (!x.hold || x.reduce >= abs(x.before)) {
            ls.line.target = match dealt {
                Some(dealt) => dealt.reduced(ls.line.target),
                None => reduced(ls.line.target, x.before, x.reduce),
            };
            // News from the leader is tried at once, whatever the broker said to the last close.
            ls.retry_at_ns = 0;
            reduce = x.reduce;
        }
        let (Some(lane), leaves, kept) = (ix.lane(ls), ls.mode.leaves(), !ls.follows()) else { return };
        let mut told = S::WANTS_DECISIONS.then(|| Conversion {
            dealt,
            recomputed,
            ..x.conversion(ix, cfg, lane, reduce)
        });
        let mut ratio = None;
        self.cause.counted = Dec::ZERO;
        if x.increase.is_positive() && !x.hold {
            let grown = self.increase(
                ix,
                x,
                order,
                (sub, place_of_sub, leaves),
                cfg,
                (at, lane),
                date,
                told.as_mut(),
            );
            match grown {
                Ok(rate) => ratio = Some(rate),
                Err(refusal) => self.refuse(refusal),
            }
        } else if kept {
            self.refuse(Refusal::bare(Code::Leaving));
        }
        if x.hold && !recomputed && cfg.on_bust == OnBust::Follow {
            self.cannot_follow(at, x, cfg, sink);
        }
        if lane.follows_busts {
            self.note_step(at, x, before, (order.id, self.cause.counted));
        }
        if !self.st.mirrors.is_empty() {
            self.mirrors_follow(x, at, order.id, before, ratio.is_some());
        }
        let target = |engine: &Self| engine.st.lines.get(at as usize).map_or(0, |l| l.line.target);
        if let (Some(told), Some(ls)) = (&mut told, self.st.lines.get(at as usize)) {
            told.target_moved = ls.line.target;
            told.line = ls.line.held(lane.grid, cfg.rounding, cfg.max_inflation, self.st.at_ns);
        }
        self.work_line(ix, at, sink);
        self.cause.until_ns = 0;
        if S::WANTS_DECISIONS {
            let (after, step) = (target(self), lane.grid.step);
            let moved = Moved { ratio, before, after, step, conversion: told, line: Some(at) };
            self.decided(ix, x, sub, &moved, place, sink);
        }
    }

    pub(super) fn decided<S: Sink>(
        &mut self,
        ix: &Index,
        x: &Execution<'_>,
        sub: u32,
        moved: &Moved,
        place: (u32, u32),
        sink: &mut S,
    ) {
        if !S::WANTS_DECISIONS {
            return;
        }
        let after = x.before.checked_add(x.delta).unwrap_or(x.before);
        sink.decision(&Decision {
            sub,
            order_id: x.report.order_id,
            cl_ord_id: x.report.cl_ord_id,
            exec_id: x.report.exec_id,
            instrument: ix.cfg.instruments.get(x.instrument as usize).map_or("", |i| i.name.as_str()),
            leader_delta: x.delta,
            leader_position: after,
            px: x.report.last_px,
            ratio: moved.ratio,
            target_before: moved.before,
            target_after: moved.after,
            step: moved.step,
            conversion: moved.conversion,
            refusals: &self.cause.refusals,
            orders: &self.cause.orders,
            held_back: moved.line.and_then(|at| self.held_back(ix, at)),
            k: place.0,
            n: place.1,
        });
        // Told: what the event makes after this is no part of it.
        self.cause.orders.clear();
    }
}

pub(super) fn leader_of(ix: &Index, session: &str, account: &[u8]) -> Option<u32> {
    let mine = |l: &crate::config::LeaderConfig| {
        l.session == session && l.account.as_ref().is_none_or(|a| a.as_bytes() == account)
    };
    ix.cfg.leaders.iter().position(mine).and_then(|i| u32::try_from(i).ok())
}
