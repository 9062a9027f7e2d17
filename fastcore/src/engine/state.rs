//! Everything that an event can change, and the indexes made from the configuration.

use super::bust_holds::BustHold;
use super::stops::{Scope, Stop};
use crate::config::{Config, ConfigError, InstrumentConfig, LeaderConfig, SubscriptionConfig};
use crate::decimal::{Dec, Round};
use crate::leader::{LeaderOrder, Seen};
use crate::leader_tickets::LeaderTickets;
use crate::ledger::{Grid, Line};
use crate::order::Order;
use crate::profile::{Profile, QuantityUnit};
use crate::refusal::Code;
use crate::sizing::Values;
use crate::slots::Slots;
use crate::stores::{Chunked, Growing, Sharded};
use crate::table::Table;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use smallvec::SmallVec;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// One leader account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct LeaderState {
    /// Signed units by instrument; absent: not known.
    pub positions: BTreeMap<u32, Dec>,
    /// Orders by key.
    #[serde(serialize_with = "crate::canonical::map")]
    pub orders: FxHashMap<u128, LeaderOrder>,
    /// Names of orders that are not their own: a replace's ClOrdID(11), an OrderID(37) used again.
    #[serde(serialize_with = "crate::canonical::map")]
    pub names: FxHashMap<u128, u128>,
    /// Instruments whose position was known and is not any more.
    pub lost: BTreeSet<u32>,
    /// Instruments of which an execution was taken back or rescaled: no opens, by whatever copies them or will, until the
    /// operator has looked.
    pub bust_holds: BTreeMap<u32, BustHold>,
    /// Reports and executions.
    pub seen: Seen,
    /// Account values.
    pub values: Values,
    /// Ledger lines by leader instrument.
    pub lines: BTreeMap<u32, Vec<u32>>,
    /// Executions counted.
    pub executions: u64,
    /// Events so far by kind: whose turn it is to be served first.
    pub turns: super::turns::Turns,
    /// Last reported position by instrument, and how many executions were counted then.
    pub reported: BTreeMap<u32, (Dec, u64)>,
    /// By instrument: what his broker's position was ahead of his executions.
    pub foretold: BTreeMap<u32, Foretold>,
    /// `assume_flat` has been taken at its word for all that was mapped then.
    pub assumed_flat: bool,
    /// `initial_positions` as they were read last, of what was mapped.
    pub initial: BTreeMap<u32, Dec>,
    /// The answer to a request for positions that is coming in.
    pub listing: super::questions::Listing,
    /// Positions by instrument, where his account is a hedging one.
    pub tickets: BTreeMap<u32, LeaderTickets>,
    /// What the answer that is coming in says of them.
    pub rows: super::leader_positions::Rows,
}

impl LeaderState {
    /// What he holds of an instrument is not known any more, and nothing that was said of it before counts.
    pub(super) fn forget(&mut self, instrument: u32) {
        self.positions.remove(&instrument);
        self.forget_words(instrument);
    }

    /// His position is known from now on: what his orders filled before that was copied by nobody.
    pub(super) fn begins(&mut self, instrument: u32, position: Dec) {
        self.positions.insert(instrument, position);
        let mine = |o: &&mut LeaderOrder| o.instrument == instrument && (!o.ended || o.is_filled());
        for order in self.orders.values_mut().filter(mine) {
            order.missed_from(0, order.known, Some(position));
        }
    }

    /// The same of what was said: his position is known by another word.
    pub(super) fn forget_words(&mut self, instrument: u32) {
        self.reported.remove(&instrument);
        self.foretold.remove(&instrument);
        self.tickets.remove(&instrument);
    }
}

/// A position that was believed before the executions that lead to it came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Foretold {
    /// Signed units that executions of before are still to bring, and that have been copied.
    pub units: Dec,
    /// The position was so when it was reported first.
    pub until_ns: i64,
    /// When the newest position was reported first.
    pub said_ns: i64,
}

/// What a follower's broker reported of one order of ours.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Counted {
    /// Its counting.
    pub order: LeaderOrder,
    /// Its reports and executions.
    pub seen: Seen,
    /// What executions were booked at, by their key, while somebody guards the line; none: nobody knows it any more.
    pub prices: Growing<u128, Option<Dec>>,
}

/// Numbers of which there are few as a rule: they lie in place, as large as a list that points elsewhere.
pub type Few = SmallVec<[u32; 4]>;

/// One ledger line with its orders. In whole cache lines: a fill touches that of every follower.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[repr(align(64))]
pub struct LineState {
    /// Subscription.
    pub sub: u32,
    /// Leader instrument.
    pub instrument: u32,
    /// Follower instrument.
    pub follower_instrument: u32,
    /// Index of the lane, which the configuration gives.
    #[serde(skip)]
    pub lane: u32,
    /// The ledger.
    pub line: Line,
    /// Orders that are not done.
    pub live: Few,
    /// Leader's last price, for limit opens.
    pub leader_px: Option<Dec>,
    /// When he traded at it.
    pub leader_px_ns: i64,
    /// Its target was set by a person since, without a quote of then: no limit is set by that price.
    pub unquoted: bool,
    /// No close before this, after a reject.
    pub retry_at_ns: i64,
    /// No open before this, after a reject; a close never waits for it.
    pub open_retry_at_ns: i64,
    /// Next pause after a reject, milliseconds.
    pub backoff_ms: i64,
    /// The same of opens that are tried again.
    pub open_backoff_ms: i64,
    /// Opens that wait, signed units by the end of their window, the oldest first.
    pub waiting: Vec<(i64, Dec)>,
    /// Closes that are not wanted any more and may fill still: signed units to open again, by the end of the window.
    pub needless: Vec<(i64, Dec)>,
    /// The broker refused to close what is below the minimum lot: not tried again until the position changes.
    pub stuck_residue: bool,
    /// It was told that a close waits for an order whose outcome is not known.
    pub close_waits: bool,
    /// What its subscription's life lets it do.
    pub mode: super::life::Mode,
    /// Units of a close that are not sent: the broker does not hold them.
    pub capped: Dec,
    /// Attempts to close that left something, since nothing was to be closed.
    pub close_tries: u32,
    /// An amount was opened for all that the leader held on this side, bought or sold; none: for none, or he has left it.
    pub joined: Option<bool>,
}

/// One route.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct RouteState {
    /// The process that is linked now; 0: none.
    pub incarnation: u64,
    /// Its SYNC row was reached.
    pub synced: bool,
    /// Its FIX session is logged on.
    pub up: bool,
    /// Identity of its file.
    pub log_id: u64,
    /// Highest row applied.
    pub last_row: u64,
    /// Orders that wait for the route.
    pub held: BTreeSet<u32>,
    /// Dispatched orders by due time of the probe.
    pub dispatched: VecDeque<(i64, u32, u16)>,
    /// Orders that went out, by due time of the first report.
    pub out: VecDeque<(i64, u32, u16)>,
}

impl RouteState {
    /// Orders may be handed over.
    #[must_use]
    pub const fn ready(&self) -> bool {
        self.synced && self.up
    }
}

/// Best prices of an instrument.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Quote {
    /// Bid.
    pub bid: Dec,
    /// Ask.
    pub ask: Dec,
    /// When.
    pub at_ns: i64,
}

/// Everything that an event can change.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct State {
    /// Last event.
    pub seq: u64,
    /// Time of the last event.
    pub at_ns: i64,
    /// Start of the core that decides now.
    pub epoch: u64,
    /// Running digest of the orders.
    pub digest: u128,
    /// What is stopped, and by whom.
    pub stops: BTreeMap<Scope, Stop>,
    /// What guards know, by follower.
    pub guards: Slots<super::guards::GuardState>,
    /// Subscriptions that are paused, leave, or have left.
    pub lives: BTreeMap<u32, super::life::Life>,
    /// Subscriptions that have begun: later ones are new.
    pub begun: u32,
    /// Followers that a guard has stopped.
    pub tripped: BTreeMap<u32, Vec<super::guards::Trip>>,
    /// Profit and loss of guarded followers since their account value was given, by ledger line.
    pub pnl: Slots<crate::guard::Pnl>,
    /// What guards of subscriptions know.
    pub sub_guards: Slots<super::sub_guards::SubGuard>,
    /// Subscriptions that a guard of their own has stopped.
    pub sub_tripped: BTreeMap<u32, Vec<super::guards::Trip>>,
    /// Profit and loss of guarded subscriptions, by ledger line.
    pub sub_pnl: Slots<crate::guard::Pnl>,
    /// When opens were rejected lately, by follower, the oldest first: as many as make a burst.
    pub rejects: BTreeMap<u32, VecDeque<i64>>,
    /// Blocks by leader and instrument.
    pub blocks: BTreeMap<(u32, u32), crate::block::Block>,
    /// What is left of message allowances.
    pub buckets: super::throttle::Buckets,
    /// Automatic copies lately, by ledger line, where they are counted.
    pub copies: Slots<super::throttle::Copies>,
    /// Pairs of ledger lines whose orders could fill each other now.
    pub crosses: BTreeSet<(u32, u32)>,
    /// Opens lately, by ledger line, where look-alikes are told.
    pub lately: BTreeMap<u32, super::look_alikes::Lately>,
    /// How far the machine's clock is from UTC, where that is measured.
    pub clock: Option<super::clock::Measured>,
    /// Since when venues do not trade an instrument, by route and symbol.
    pub halts: BTreeMap<u32, BTreeMap<Vec<u8>, i64>>,
    /// When leaders were heard, where it matters.
    pub heard: BTreeMap<u32, super::inactive::Heard>,
    /// Guarded accounts are not valued again before, however many quotes come.
    pub sweep_ns: i64,
    /// By leader index.
    pub leaders: Vec<LeaderState>,
    /// Account values by follower index.
    pub followers: Vec<Values>,
    /// Account values in another currency than the account's, the last refused one of each.
    pub odd_values: BTreeMap<super::accounts::Of, super::accounts::OddValue>,
    /// What followers hold by their brokers' own word, by follower index.
    pub holdings: Vec<super::holdings::Holding>,
    /// By follower and its instrument: where a broker's position is not ours, or was let be.
    pub breaks: BTreeMap<(u32, u32), super::breaks::Break>,
    /// By follower and its instrument: what is adjusted, and its broker has not said so yet.
    pub rescaling: BTreeMap<(u32, u32), super::rescaling::Rescaling>,
    /// By route that has a reserve.
    pub ways: BTreeMap<u32, super::ways::Way>,
    /// Ledger lines.
    pub lines: Vec<LineState>,
    /// By ledger line that follows busts: how its target came about.
    pub trails: BTreeMap<u32, super::busts::Trail>,
    /// Ledger lines that were to follow a bust and could not: no opens until the operator has looked.
    pub bust_lines: BTreeMap<u32, BustHold>,
    /// Positions of hedging followers, by ledger line.
    pub tickets: BTreeMap<u32, super::tickets::Tickets>,
    /// Ledger lines with a close of which a part is not sent, because the broker does not hold it.
    pub capped: BTreeSet<u32>,
    /// Ledger lines with a close that has no price yet, at a venue that takes no market orders.
    pub unpriced: BTreeSet<u32>,
    /// Ledger lines by group: those that share a follower and its instrument.
    pub groups: Vec<Few>,
    /// Ledger lines by follower.
    #[serde(skip)]
    pub accounts: Vec<Few>,
    /// What all followers together hold and have entered, where that is bounded.
    pub together: super::together::Sums,
    /// Mirrors of leaders' working orders.
    pub mirrors: super::mirrors::Mirrors,
    /// Orders of ours: all of them but those that ended long ago.
    pub orders: Chunked<Order>,
    /// Those that ended long ago.
    pub retired: super::retire::Retired,
    /// Hash of a ClOrdID(11), of an order or a cancel, to order, for ever: nothing is sent twice.
    pub ids: Sharded<u64, u32>,
    /// By route and follower: what is asked about all orders in doubt, where no single one can be asked about.
    pub mass: BTreeMap<super::mass::Scope, super::mass::Mass>,
    /// By order in doubt: what its account's position is to prove, where queries know working orders only.
    pub proofs: BTreeMap<u32, super::proofs::Proof>,
    /// By order in doubt: questions that no answer was counted for, the oldest first.
    pub asked: BTreeMap<u32, VecDeque<super::doubts::Asked>>,
    /// Leader executions that made orders, by the hash of their identity.
    pub causes: Sharded<u128, ()>,
    /// By route index.
    pub routes: Vec<RouteState>,
    /// Counting of follower orders, by order; as many as reports have named.
    pub fills: Chunked<Counted>,
    /// By instrument index.
    pub quotes: Slots<Quote>,
    /// Where quotes were lately, by instrument; where a window bounds prices.
    pub ranges: BTreeMap<u32, super::ranges::Ranges>,
    /// Highest MsgSeqNum(34) of the present sequence by leader session.
    pub seq_nums: BTreeMap<String, u64>,
    /// Refusals by code.
    pub refusals: BTreeMap<Code, u64>,
    /// Alerts by code.
    pub alerts: BTreeMap<String, u64>,
    /// Messages that were understood and have no consequence, by kind.
    pub notes: BTreeMap<String, u64>,
    /// Things that are due: time, kind, index.
    pub due: BTreeSet<(i64, u8, u32)>,
    /// Orders handed to routes, fills received.
    pub orders_sent: u64,
    /// Fills received from follower brokers.
    pub follower_fills: u64,
}

/// A subscription with its names resolved.
#[derive(Clone, Debug)]
pub struct SubIndex {
    /// Follower index.
    pub follower: u32,
    /// Leader index.
    pub leader: u32,
    /// Route index.
    pub route: u32,
    /// Name's hash, part of every ClOrdID.
    pub hash: u64,
    /// Leader instrument → follower instrument, quantity factor, price factor.
    pub map: Table<u32, (u32, Dec, Dec)>,
    /// Leader instruments that pass the filter; none: all.
    pub instruments: Option<BTreeSet<u32>>,
}

/// The configuration with its names resolved.
#[derive(Clone, Debug)]
pub struct Index {
    /// As given, without the symbols of followers and subscriptions, which are resolved below.
    pub cfg: Config,
    /// Lot grid by instrument.
    pub grids: Vec<Grid>,
    /// Profile index by leader.
    pub leader_profiles: Vec<u32>,
    /// Profile index by route.
    pub route_profiles: Vec<u32>,
    /// Symbol text → instrument by leader.
    pub leader_symbols: Vec<BTreeMap<Vec<u8>, u32>>,
    /// Instrument → symbol text by follower.
    pub follower_symbols: Vec<Table<u32, String>>,
    /// Instruments that a follower may not open.
    pub restricted: Vec<BTreeSet<u32>>,
    /// By subscription and leader instrument, worked out.
    pub lanes: super::lanes::Lanes,
    /// When days, weeks and months of guarded followers begin.
    pub guards: Slots<crate::guard::Calendar>,
    /// The same of guarded subscriptions.
    pub sub_guards: Slots<crate::guard::Calendar>,
    /// Routes with reserves.
    pub reserves: Vec<super::ways::Reserve>,
    /// Bounds over all followers together.
    pub together: super::together::Bounded,
    /// The windows of quotes that are asked for, nanoseconds.
    pub windows_ns: std::collections::BTreeSet<i64>,
    /// Instruments that are a rate of two currencies.
    pub pairs: Vec<u32>,
    /// Some messages have an allowance.
    pub counts_messages: bool,
    /// By subscription.
    pub subs: Vec<SubIndex>,
    /// Subscriptions by leader.
    pub subs_of: Vec<Vec<u32>>,
    /// Members of each leader's block.
    pub(super) blocks: super::blocks::Members,
    /// A subscription mirrors orders, by leader.
    pub mirrored: Vec<bool>,
}

/// Names of one kind and their numbers; of two that are the same, the first.
struct Names<'a> {
    what: &'static str,
    numbers: FxHashMap<&'a str, u32>,
}

impl<'a> Names<'a> {
    fn of(what: &'static str, names: impl Iterator<Item = &'a String>) -> Self {
        let mut numbers = FxHashMap::default();
        for (number, name) in (0_u32..).zip(names) {
            numbers.entry(name.as_str()).or_insert(number);
        }
        Names { what, numbers }
    }

    fn find(&self, name: &str) -> Result<u32, ConfigError> {
        let found = self.numbers.get(name).copied();
        found.ok_or_else(|| ConfigError(format!("{} {name:?} is not defined", self.what)))
    }
}

/// Everything that a subscription may name.
struct Known<'a> {
    instruments: Names<'a>,
    leaders: Names<'a>,
    followers: Names<'a>,
    routes: Names<'a>,
}

impl<'a> Known<'a> {
    fn of(cfg: &'a Config) -> Self {
        Known {
            instruments: Names::of("instrument", cfg.instruments.iter().map(|x| &x.name)),
            leaders: Names::of("leader", cfg.leaders.iter().map(|x| &x.name)),
            followers: Names::of("follower", cfg.followers.iter().map(|x| &x.name)),
            routes: Names::of("route", cfg.routes.iter().map(|x| &x.name)),
        }
    }
}

fn grid(i: &InstrumentConfig) -> Result<Grid, ConfigError> {
    let bad = |what: &str| ConfigError(format!("instrument {:?}: {what}", i.name));
    let step = i.lot_step.units(i.contract_size, Round::HalfEven).filter(|s| s.is_positive());
    let min = i.min_lot.units(i.contract_size, Round::HalfEven);
    let step = step.ok_or_else(|| bad("lot_step x contract_size must be positive"))?;
    let min = min.filter(|m| *m >= step).ok_or_else(|| bad("min_lot must be at least lot_step"))?;
    if min > Grid::MIN_MAX {
        return Err(bad("min_lot x contract_size must not be above 10^19 units"));
    }
    Ok(Grid { step, min })
}

impl Index {
    /// Resolves every name.
    ///
    /// # Errors
    /// `ConfigError` for the first name that is not defined or number that cannot be used.
    pub fn new(mut cfg: Config) -> Result<Index, ConfigError> {
        cfg.usable()?;
        let grids = cfg.instruments.iter().map(grid).collect::<Result<Vec<_>, _>>()?;
        let known = Known::of(&cfg);
        let instrument = |n: &str| known.instruments.find(n);
        let profiles = Names::of("profile", cfg.profiles.iter().map(|p| &p.name));
        let profile = |n: &str| profiles.find(n);
        let leader_profiles =
            cfg.leaders.iter().map(|l| profile(&l.profile)).collect::<Result<Vec<_>, _>>()?;
        let route_profiles = cfg.routes.iter().map(|r| profile(&r.profile)).collect::<Result<Vec<_>, _>>()?;
        let mut leader_symbols = Vec::new();
        for l in &cfg.leaders {
            leader_symbols.push(symbols_in(l, &instrument)?);
        }
        let followers = cfg.followers.len();
        let (mut follower_symbols, mut restricted) =
            (Vec::with_capacity(followers), Vec::with_capacity(followers));
        for f in &cfg.followers {
            let mut out = Table::default();
            for (text, name) in &f.symbols {
                out.insert(instrument(name)?, text.clone());
            }
            follower_symbols.push(out);
            restricted.push(f.restricted.iter().map(|n| instrument(n)).collect::<Result<BTreeSet<_>, _>>()?);
        }
        let mut subs = Vec::with_capacity(cfg.subscriptions.len());
        let mut subs_of = vec![Vec::new(); cfg.leaders.len()];
        let mut mirrored = vec![false; cfg.leaders.len()];
        for (i, s) in cfg.subscriptions.iter().enumerate() {
            let sub = resolve(s, &cfg, &known)?;
            if let Some(list) = subs_of.get_mut(sub.leader as usize) {
                list.push(u32::try_from(i).unwrap_or(u32::MAX));
            }
            if let Some(any) = mirrored.get_mut(sub.leader as usize) {
                *any |= s.mirrors();
            }
            subs.push(sub);
        }
        let mut ix = Index {
            lanes: super::lanes::Lanes::default(),
            grids,
            leader_profiles,
            route_profiles,
            leader_symbols,
            follower_symbols,
            restricted,
            reserves: super::ways::reserves(&cfg)?,
            windows_ns: super::ranges::windows_ns(&cfg),
            pairs: super::values::pairs(&cfg),
            counts_messages: super::throttle::any_allowance(&cfg),
            together: super::together::Bounded::default(),
            guards: super::guards::calendars(&cfg).map_err(ConfigError)?,
            sub_guards: super::sub_guards::calendars(&cfg).map_err(ConfigError)?,
            subs,
            subs_of,
            blocks: Vec::new(),
            mirrored,
            cfg: Config::default(),
        };
        ix.cfg.instruments.clone_from(&cfg.instruments);
        ix.together = super::together::bounded(&ix, &cfg);
        ix.lanes = super::lanes::lanes(&ix, &cfg)?;
        ix.blocks = super::blocks::members(&ix, &cfg)?;
        // What stays has its own size: lists that grew hold up to twice of what is in them.
        cfg.followers.shrink_to_fit();
        cfg.subscriptions.shrink_to_fit();
        // Resolved by now: nobody looks for these names again.
        cfg.followers.iter_mut().for_each(|f| f.symbols.clear());
        cfg.subscriptions.iter_mut().for_each(|s| s.symbol_map.clear());
        ix.cfg = cfg;
        Ok(ix)
    }

    /// The lane of a ledger line.
    #[must_use]
    pub fn lane(&self, line: &LineState) -> Option<&super::lanes::Lane> {
        self.lanes.list.get(line.lane as usize)
    }

    /// Units in one quantity of a profile for an instrument.
    #[must_use]
    pub fn unit(&self, profile: &Profile, instrument: u32) -> Dec {
        match profile.quantity_unit {
            QuantityUnit::Units => Dec::ONE,
            QuantityUnit::Lots | QuantityUnit::Contracts => {
                self.cfg.instruments.get(instrument as usize).map_or(Dec::ONE, |i| i.contract_size)
            }
        }
    }
}

fn symbols_in(
    l: &LeaderConfig,
    instrument: &impl Fn(&str) -> Result<u32, ConfigError>,
) -> Result<BTreeMap<Vec<u8>, u32>, ConfigError> {
    l.symbols.iter().map(|(text, name)| Ok((text.clone().into_bytes(), instrument(name)?))).collect()
}

fn resolve(s: &SubscriptionConfig, cfg: &Config, known: &Known<'_>) -> Result<SubIndex, ConfigError> {
    let instrument = |n: &str| known.instruments.find(n);
    let (follower, leader) = (known.followers.find(&s.follower)?, known.leaders.find(&s.leader)?);
    let route_name = cfg.followers.get(follower as usize).map_or("", |f| f.route.as_str());
    let route = known.routes.find(route_name)?;
    let mut map = Table::default();
    for (name, m) in &s.symbol_map {
        map.insert(instrument(name)?, (instrument(&m.instrument)?, m.qty_factor, m.price_factor));
    }
    let instruments = match &s.filters.instruments {
        Some(list) => Some(list.iter().map(|n| instrument(n)).collect::<Result<BTreeSet<_>, _>>()?),
        None => None,
    };
    let hash = xxhash_rust::xxh3::xxh3_64(s.name.as_bytes());
    Ok(SubIndex { follower, leader, route, hash, map, instruments })
}
