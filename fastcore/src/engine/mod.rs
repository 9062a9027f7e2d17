//! `Engine::apply`: the only function that changes anything.

pub mod accounts;
mod adjust;
mod admission;
mod blocks;
mod bookings;
mod books;
pub mod breaks;
pub mod bust_holds;
mod busts;
pub mod clock;
mod close_px;
mod corrections;
mod dispatch;
pub mod doubts;
pub mod guards;
mod halts;
mod held_back;
mod holdings;
pub mod inactive;
mod increase;
mod joining;
pub mod lanes;
pub(crate) mod leader_positions;
mod leaders;
pub mod life;
mod lines;
pub mod look_alikes;
mod making;
mod market;
pub mod mass;
pub mod mirrors;
mod needless;
mod opens;
mod operator;
mod parts;
mod positions;
mod prices;
pub mod proofs;
mod questions;
pub mod ranges;
mod reload;
pub mod rescaling;
pub mod retire;
mod routes;
mod self_match;
mod state;
pub mod stops;
pub mod sub_guards;
pub mod throttle;
mod ticket_words;
pub mod tickets;
pub mod together;
pub mod turns;
mod values;
pub mod ways;
mod windows;

pub use state::{Index, LeaderState, LineState, RouteState, State};

use crate::action::{Alert, Dealt, Later, Sink};
use crate::config::{Config, ConfigError};
use crate::decimal::Dec;
use crate::event::{Event, EventKind};
use crate::fix::Field;
use crate::mirrored::{Said, Why};
use crate::order::{ClOrdId, Order};
use crate::refusal::Refusal;
use rustc_hash::FxHashMap;
use smallvec::SmallVec;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_128;

/// Orders that there is room for before a leader's fill comes: two for every line, 0.2 to 0.9 MB.
const ORDERS_AHEAD_MIN: usize = 1_024;
const ORDERS_AHEAD_MAX: usize = 4_096;

/// What one event is known by while its orders are made.
#[derive(Debug, Default)]
struct Cause {
    /// Hash of the event's identity.
    id: u128,
    /// Refusals and orders of the line being worked.
    refusals: Vec<Refusal>,
    orders: Vec<(Vec<u8>, Dec)>,
    /// What members of the leader's block were dealt.
    dealt: Vec<(u32, Dealt)>,
    /// Orders made so far for the same subscription and cause.
    slices: u32,
    /// The same cause came before: its orders may have been made.
    repeated: bool,
    /// A follower's broker took back a fill.
    bust: bool,
    /// Nothing was stopped when the event began, and nothing has been since: asked once, and not by every line.
    calm: bool,
    /// The line whose target stands where its mirrors lead it.
    shifted: Option<u32>,
    /// End of the window of the leader's increase that is being worked; 0: none is.
    until_ns: i64,
    /// What that increase added to the target, quanta without sign.
    size: i128,
    /// What an execution counted of its order's amount for the line that is being worked, units.
    counted: Dec,
    /// The leader's report that is applied, where somebody mirrors him.
    said: Option<Arc<Said>>,
    /// The leader's order that it is about, while its mirrors are worked.
    own: Option<u128>,
    /// Mirrors that a decision of this event was told of, by line and leader's order.
    told: Vec<(u32, u128)>,
    /// Why a broker refused a request.
    refused: Option<Why>,
}

/// The deciding core.
#[derive(Debug)]
pub struct Engine {
    ix: Arc<Index>,
    st: State,
    cause: Cause,
    /// Messages of this event by route.
    pending: Vec<dispatch::Messages>,
    /// Routes that this event concerns, in order of their first message.
    concerned: Vec<u32>,
    /// TransactTime(60) of this event's orders, by precision of the route's profile.
    times: dispatch::Times,
    /// Frames without orders: probes, acknowledgements, greetings.
    frames: Vec<(u32, Vec<u8>)>,
    fields: Vec<Field>,
    buffer: Vec<u8>,
    /// What the market last answered in this event.
    market: Option<(market::Question, market::Market)>,
    /// Parts that this event made of what was too much for one order, by line.
    parts: FxHashMap<u32, i128>,
    /// What the digest is to cover of this event's orders.
    made: Vec<u8>,
    /// When the route wrote the row that is being applied; 0 outside of one. Reported, never decided by.
    route_ns: i64,
}

fn grow<T: Default>(list: &mut Vec<T>, len: usize) {
    while list.len() < len {
        list.push(T::default());
    }
}

impl Engine {
    /// An engine with nothing done yet.
    ///
    /// # Errors
    /// `ConfigError` when a name is not defined or a number cannot be used.
    pub fn new(config: Config) -> Result<Engine, ConfigError> {
        let ix = Index::new(config)?;
        let mut engine = Engine {
            ix: Arc::new(ix),
            st: State::default(),
            cause: Cause::default(),
            pending: Vec::new(),
            concerned: Vec::new(),
            times: dispatch::Times::default(),
            frames: Vec::new(),
            fields: Vec::new(),
            buffer: Vec::new(),
            market: None,
            parts: FxHashMap::default(),
            made: Vec::new(),
            route_ns: 0,
        };
        engine.fit();
        Ok(engine)
    }

    /// Room for every name of the configuration; starting positions of what is new to a leader.
    fn fit(&mut self) {
        grow(&mut self.st.leaders, self.ix.cfg.leaders.len());
        self.st.leaders.iter_mut().for_each(|l| l.seen.expect_many());
        grow(&mut self.st.followers, self.ix.cfg.followers.len());
        grow(&mut self.st.holdings, self.ix.cfg.followers.len());
        self.forget_other_accounts();
        self.st.mirrors.keep_entries(&self.ix.mirrored);
        grow(&mut self.st.routes, self.ix.cfg.routes.len());
        grow(&mut self.st.groups, self.ix.lanes.groups);
        grow(&mut self.pending, self.ix.cfg.routes.len());
        // One line for each lane at most. Room for all is address space until it is written to.
        let lines = self.ix.lanes.list.len().saturating_sub(self.st.lines.len());
        self.st.lines.reserve_exact(lines);
        // Groups are numbered by the configuration: a name that is added may move all that follow.
        self.st.groups.iter_mut().for_each(SmallVec::clear);
        grow(&mut self.st.accounts, self.ix.cfg.followers.len());
        self.st.accounts.iter_mut().for_each(SmallVec::clear);
        for (at, l) in (0_u32..).zip(&mut self.st.lines) {
            let follower = self.ix.subs.get(l.sub as usize).map(|s| s.follower);
            if let Some(lines) = follower.and_then(|f| self.st.accounts.get_mut(f as usize)) {
                lines.push(at);
            }
            l.lane = self.ix.lanes.at.get(&(l.sub, l.instrument)).copied().unwrap_or(u32::MAX);
            let Some(lane) = self.ix.lanes.list.get(l.lane as usize) else { continue };
            // Another one only where nothing is held: see `accepted`.
            l.follower_instrument = lane.follower_instrument;
            if let Some(lines) = self.st.groups.get_mut(lane.group as usize) {
                lines.push(at);
            }
        }
        self.fit_guards();
        self.fit_sub_guards();
        self.fit_inactive();
        self.fit_ways();
        self.fit_together();
        self.fit_leader_tickets();
        self.fit_leader_positions();
    }

    /// Applies one event. Never panics and never fails: bad input becomes alerts and refusals.
    pub fn apply<S: Sink>(&mut self, ev: &Event<'_>, sink: &mut S) {
        self.st.seq = ev.seq;
        self.st.at_ns = ev.at_ns.max(self.st.at_ns);
        self.cause.id = self.seed("row", ev.seq);
        self.cause.slices = 0;
        (self.cause.repeated, self.cause.bust) = (false, false);
        self.cause.calm = self.nothing_stopped();
        (self.cause.said, self.cause.own, self.cause.refused) = (None, None, None);
        self.cause.told.clear();
        self.route_ns = 0;
        self.market = None;
        if !self.parts.is_empty() {
            self.parts.clear();
        }
        match ev.kind {
            EventKind::Start => self.on_start(ev, sink),
            EventKind::Leader => self.on_leader(ev, sink),
            EventKind::Session => {
                self.heard(ev.session, Some(ev.payload == b"up"), sink);
                self.leader_session(ev.session, ev.payload, sink);
            }
            EventKind::Link => self.on_link(ev, sink),
            EventKind::Route => self.on_route(ev, sink),
            EventKind::Unsent => self.on_unsent(ev, sink),
            EventKind::Timer => {}
            EventKind::Operator => self.on_operator(ev, sink),
            EventKind::Quote => self.on_quote(ev, sink),
        }
        self.run_due(sink);
        if S::WANTS_DECISIONS {
            self.tell_later(sink);
        }
        self.flush(sink);
        self.digest_made();
        if ev.kind != EventKind::Leader {
            self.retire();
            // Nobody waits for these as followers wait for a leader's fill: memory for the next fills is made now.
            let ahead = self.ix.lanes.list.len().saturating_mul(2).clamp(ORDERS_AHEAD_MIN, ORDERS_AHEAD_MAX);
            self.st.orders.prepare(ahead, || Order::new(ClOrdId::from_hash(0, 0), 0, 0));
            self.st.ids.prepare(ahead);
            self.st.routes.iter_mut().for_each(|r| r.dispatched.reserve(ahead));
        }
    }

    /// The orders of this event that no decision has: they are the newest ones.
    fn tell_later<S: Sink>(&mut self, sink: &mut S) {
        let made = std::mem::take(&mut self.cause.orders).len();
        for at in self.st.orders.len().saturating_sub(made)..self.st.orders.len() {
            let Some(order) = self.st.orders.get(at) else { continue };
            let instrument = self.st.lines.get(order.line as usize).map_or(u32::MAX, |ls| ls.instrument);
            sink.later(&Later {
                sub: order.sub,
                cl_ord_id: &order.cl_ord_id,
                instrument: self.ix.cfg.instruments.get(instrument as usize).map_or("", |i| &i.name),
                qty: lines::signed(order.qty, order.buy),
            });
        }
    }

    /// Hash of a cause that has no identity of its own: the deployment, what it is, and its number, as text.
    fn seed(&mut self, what: &str, number: u64) -> u128 {
        self.buffer.clear();
        self.buffer.extend_from_slice(self.ix.cfg.deployment.as_bytes());
        self.buffer.push(1);
        self.buffer.extend_from_slice(what.as_bytes());
        self.buffer.push(1);
        crate::decimal::write_word(number, &mut self.buffer);
        xxh3_128(&self.buffer)
    }

    /// When the next timer row is needed.
    #[must_use]
    pub fn next_due_ns(&self) -> Option<i64> {
        let timers = self.st.due.first().map(|d| d.0);
        let queues = self.st.routes.iter().flat_map(|r| [r.dispatched.front(), r.out.front()]);
        queues.flatten().map(|q| q.0).chain(timers).min()
    }

    /// Running digest over (ClOrdID, side, qty, px) of every order made by the events so far.
    #[must_use]
    pub fn digest(&self) -> u128 {
        self.st.digest
    }

    /// Name of a route.
    #[must_use]
    pub fn route_name(&self, route: u32) -> &str {
        self.ix.cfg.routes.get(route as usize).map_or("", |r| r.name.as_str())
    }

    /// Index of a route.
    #[must_use]
    pub fn route_index(&self, name: &str) -> Option<u32> {
        self.ix.cfg.routes.iter().position(|r| r.name == name).and_then(|i| u32::try_from(i).ok())
    }

    /// Highest MsgSeqNum(34) that a leader session gave us.
    #[must_use]
    pub fn last_msg_seq_num(&self, session: &str) -> Option<u64> {
        self.st.seq_nums.get(session).copied()
    }

    /// The state, for status pages and tests.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.st
    }

    /// The configuration with its names resolved.
    #[must_use]
    pub fn index(&self) -> &Index {
        &self.ix
    }

    /// State from a snapshot, under a configuration that extends the one it was taken with.
    pub(crate) fn with_state(config: Config, state: State) -> Result<Engine, ConfigError> {
        let mut engine = Engine::new(config)?;
        engine.st = state;
        engine.fit();
        Ok(engine)
    }

    fn alert<S: Sink>(&mut self, code: &'static str, text: String, sink: &mut S) {
        let count = self.st.alerts.entry(code.to_owned()).or_insert(0);
        *count = count.saturating_add(1);
        sink.alert(&Alert { code, text });
    }

    fn refuse(&mut self, refusal: Refusal) {
        let count = self.st.refusals.entry(refusal.code).or_insert(0);
        *count = count.saturating_add(1);
        self.cause.refusals.push(refusal);
    }
}
