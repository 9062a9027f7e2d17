//! The deployment as the core sees it: names resolved by the gateway, decimals as text.

mod limits;
mod numbers;

pub use limits::{
    ClockRule, Faults, InactiveRule, LimitSet, Limits, OnBreach, PriceWindow, SelfMatch, Together,
};

use crate::bucket::Allowance;
use crate::decimal::Dec;
use crate::guard::Guards;
use crate::instrument::Lots;
use crate::profile::Profile;
use crate::table::Table;
use crate::worth::Pays;
use serde::{Deserialize, Serialize};

/// Why a core configuration cannot be used. The gateway's `check` finds these earlier and better.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl std::fmt::Display for ConfigError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// The whole configuration.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Name of the deployment: part of every ClOrdID.
    pub deployment: String,
    /// Timeouts of the delivery rules.
    #[serde(default)]
    pub timing: Timing,
    /// What stops a follower by itself.
    #[serde(default)]
    pub faults: Faults,
    /// How often followers' positions are compared with their brokers'.
    #[serde(default)]
    pub reconcile: Reconcile,
    /// An order that ended this long ago is given back, milliseconds; 0: never, as before there was a choice.
    #[serde(default)]
    pub retire_after_ms: i64,
    /// How far the machine's clock may be from UTC; none: as far as it likes.
    #[serde(default)]
    pub clock: Option<ClockRule>,
    /// How many messages all routes together may send.
    #[serde(default)]
    pub messages: Option<Allowance>,
    /// Bounds over all followers together.
    #[serde(default)]
    pub together: Option<Together>,
    /// Venue profiles by name.
    pub profiles: Vec<Profile>,
    /// Instruments by name.
    pub instruments: Vec<InstrumentConfig>,
    /// Accounts that are copied.
    pub leaders: Vec<LeaderConfig>,
    /// Ways to follower brokers.
    pub routes: Vec<RouteConfig>,
    /// Accounts that copy.
    pub followers: Vec<FollowerConfig>,
    /// Who copies whom.
    pub subscriptions: Vec<SubscriptionConfig>,
    /// Order in which followers are served.
    #[serde(default)]
    pub dispatch: Dispatch,
}

impl Config {
    /// Reads the JSON text that the gateway compiles.
    ///
    /// # Errors
    /// `ConfigError` with serde's place and reason.
    pub fn from_json(text: &str) -> Result<Config, ConfigError> {
        serde_json::from_str(text).map_err(|e| ConfigError(format!("core config: {e}")))
    }

    /// Refuses numbers that no order could be sized or bounded by.
    ///
    /// # Errors
    /// `ConfigError` with every number that cannot be used.
    pub fn usable(&self) -> Result<(), ConfigError> {
        numbers::usable(self)
    }
}

/// Timeouts, milliseconds.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Timing {
    /// A dispatched order without OUT or NOT_SENT is probed after this.
    pub dispatch_timeout_ms: i64,
    /// An order that went out without any report is unknown after this.
    pub ack_timeout_ms: i64,
    /// "Not known" counts only this long after the order could last have been sent.
    pub settle_ms: i64,
    /// An unanswered query is asked again after this.
    pub query_retry_ms: i64,
    /// First pause before a rejected close is sent again; doubles.
    pub close_retry_ms: i64,
    /// Longest pause before a rejected close is sent again.
    pub close_retry_max_ms: i64,
}

impl Default for Timing {
    fn default() -> Self {
        Timing {
            dispatch_timeout_ms: 2_000,
            ack_timeout_ms: 5_000,
            settle_ms: 3_000,
            query_retry_ms: 5_000,
            close_retry_ms: 500,
            close_retry_max_ms: 30_000,
        }
    }
}

/// Comparing positions with the followers' brokers.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Reconcile {
    /// Pause between two questions about one follower's positions, milliseconds; 0: they are asked for when a close needs it.
    pub every_ms: i64,
    /// Lots by which both may differ.
    pub tolerance_lots: Dec,
}

impl Reconcile {
    /// Positions are asked for all the time.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.every_ms > 0
    }
}

/// What happens by itself when a follower's broker reports another position than ours.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBreak {
    /// A person is told.
    #[default]
    Alert,
    /// The follower opens nothing until a person has looked.
    NoOpens,
    /// Our books follow the broker's.
    Adopt,
    /// What is more than ours is closed, what is less is given up.
    Close,
    /// The difference is let be.
    Ignore,
}

/// Order in which followers are served.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dispatch {
    /// The first follower changes with every event.
    #[default]
    Rotate,
    /// As listed in the configuration.
    Listed,
}

/// One tradable thing at one venue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstrumentConfig {
    /// Name used by the other sections.
    pub name: String,
    /// Units in one lot.
    pub contract_size: Dec,
    /// Smallest change of quantity, lots.
    pub lot_step: Lots,
    /// Smallest order, lots.
    pub min_lot: Lots,
    /// Largest order that the venue takes, lots.
    #[serde(default)]
    pub max_lot: Option<Lots>,
    /// Smallest change of price.
    pub tick: Dec,
    /// Currency of one unit, where it has one (EUR of EURUSD).
    #[serde(default)]
    pub base: Option<String>,
    /// Currency of the price (USD of EURUSD); of an inverse contract what it is settled in.
    pub currency: String,
    /// A unit is worth 1 / price in `currency`.
    #[serde(default)]
    pub inverse: bool,
}

impl InstrumentConfig {
    /// How it pays.
    #[must_use]
    pub const fn pays(&self) -> Pays {
        Pays::of(self.inverse)
    }
}

/// An account that is copied.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeaderConfig {
    /// Name used by subscriptions.
    pub name: String,
    /// FIX session its reports arrive on.
    pub session: String,
    /// Venue profile of that session.
    pub profile: String,
    /// Account text in the reports; none: every report of the session.
    #[serde(default)]
    pub account: Option<String>,
    /// Currency of its account values.
    #[serde(default)]
    pub currency: Option<String>,
    /// Symbol text of the venue → instrument.
    pub symbols: Table<String, String>,
    /// The account holds nothing when copying starts.
    #[serde(default)]
    pub assume_flat: bool,
    /// Signed units held when copying starts, by instrument.
    #[serde(default)]
    pub initial_positions: Table<String, Dec>,
    /// When it is inactive; none: never.
    #[serde(default)]
    pub inactive: Option<InactiveRule>,
    /// Bounds over all followers that copy it together.
    #[serde(default)]
    pub together: Option<Together>,
}

/// A way to a follower's broker.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteConfig {
    /// Name of the route and its process.
    pub name: String,
    /// FIX session of the route.
    pub session: String,
    /// Venue profile of that session.
    pub profile: String,
    /// How many messages it may send.
    #[serde(default)]
    pub messages: Option<Allowance>,
    /// The route that takes new orders while this one ails: another session to the same accounts.
    #[serde(default)]
    pub reserve: Option<String>,
    /// When.
    #[serde(default)]
    pub switch: Switch,
}

/// When new orders go by the reserve, and when they come back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Switch {
    /// The route is not linked, or its session not logged on, for this long.
    pub down_ms: i64,
    /// An order that left has no answer for this long; 0: that does not count.
    pub ack_ms: i64,
    /// So many orders wait in the route; 0: that does not count.
    pub queue: u32,
    /// So many opens were rejected within the window; 0: that does not count.
    pub rejects: u32,
    /// The window.
    pub window_ms: i64,
    /// Back when nothing is wrong for this long; 0: by hand only.
    pub back_ms: i64,
}

impl Default for Switch {
    fn default() -> Self {
        Switch { down_ms: 5_000, ack_ms: 0, queue: 0, rejects: 0, window_ms: 60_000, back_ms: 60_000 }
    }
}

/// An account that copies.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FollowerConfig {
    /// Name used by subscriptions.
    pub name: String,
    /// Route of its orders.
    pub route: String,
    /// Account text on its orders.
    #[serde(default)]
    pub account: Option<String>,
    /// Currency of its account values.
    #[serde(default)]
    pub currency: Option<String>,
    /// Symbol text of the venue → instrument.
    pub symbols: Table<String, String>,
    /// Instruments that it may not open.
    #[serde(default)]
    pub restricted: Vec<String>,
    /// Bounds over all its subscriptions.
    #[serde(default)]
    pub limits: Limits,
    /// How many messages its orders may be.
    #[serde(default)]
    pub messages: Option<Allowance>,
    /// What happens by itself when its broker reports another position than ours.
    #[serde(default)]
    pub on_break: OnBreak,
    /// What stops it when it loses too much; most followers have none.
    #[serde(default)]
    pub guards: Option<Box<Guards>>,
}

/// One follower copying one leader.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionConfig {
    /// Name, unique in the deployment.
    pub name: String,
    /// Who copies.
    pub follower: String,
    /// Who is copied.
    pub leader: String,
    /// How much.
    pub sizing: Sizing,
    /// Largest follower lots per leader lot.
    pub max_ratio: Dec,
    /// Its part of the follower's account values: sizing and its leverage count by that.
    #[serde(default = "one")]
    pub capital_share: Dec,
    /// From target to lots.
    #[serde(default)]
    pub rounding: Rounding,
    /// Largest min_lot ÷ target that `min_lot_if_nonzero` accepts.
    #[serde(default = "three")]
    pub max_inflation: Dec,
    /// Buy what the leader sells.
    #[serde(default)]
    pub reverse: bool,
    /// Leader instrument → follower instrument; absent means not copied.
    pub symbol_map: Table<String, SymbolMap>,
    /// Opens that are left out.
    #[serde(default)]
    pub filters: Filters,
    /// Type of opening orders.
    #[serde(default)]
    pub order_type: OrderType,
    /// Distance of a limit open from the leader's price, basis points.
    #[serde(default)]
    pub max_slippage_bps: Dec,
    /// How far the price may have moved against the follower since the leader's trade, basis points.
    #[serde(default)]
    pub max_drift_bps: Option<Dec>,
    /// Largest copy: this many times the leader's position, units with `qty_factor`.
    #[serde(default)]
    pub max_amplification: Option<Dec>,
    /// Oldest leader trade that is opened, milliseconds.
    #[serde(default = "minute_ms")]
    pub max_age_ms: i64,
    /// Oldest account value that is used, milliseconds.
    #[serde(default = "hour_ms")]
    pub account_max_age_ms: i64,
    /// What a bust or correction does to the target.
    #[serde(default)]
    pub on_bust: OnBust,
    /// What the missing part of a rejected open becomes.
    #[serde(default)]
    pub on_reject: OnReject,
    /// How long a rejected open is tried again, milliseconds.
    #[serde(default)]
    pub retry_window_ms: i64,
    /// What it does with the position that its leader holds when it begins.
    #[serde(default)]
    pub joining: Joining,
    /// It leaves, by this rule; none: it copies.
    #[serde(default)]
    pub leaving: Option<Leaving>,
    /// What stops it when it loses too much: losses and drawdowns as amounts.
    #[serde(default)]
    pub guards: Option<Box<Guards>>,
    /// Bounds of this subscription, with global and leader bounds folded in.
    #[serde(default)]
    pub limits: Limits,
    /// What is copied.
    #[serde(default)]
    pub copy: Copied,
    /// With `fills`: the leader's stops that close are copied as well.
    #[serde(default)]
    pub copy_stops: bool,
    /// With `orders`: what a mirror filled beyond the leader's order when that ended.
    #[serde(default)]
    pub ahead: Ahead,
    /// With `orders`: what a mirror has not filled when the leader's order ended.
    #[serde(default)]
    pub leader_filled: LeaderFilled,
    /// When that rule acts after the end of the leader's order, milliseconds.
    #[serde(default)]
    pub leader_filled_ms: i64,
    /// Distance of a protective stop from the entry, in distances of the leader's.
    #[serde(default = "one")]
    pub stop_multiplier: Dec,
}

impl SubscriptionConfig {
    /// Some of the leader's working orders have one of the follower's beside them.
    #[must_use]
    pub fn mirrors(&self) -> bool {
        self.copy == Copied::Orders || self.copy_stops
    }

    /// An order of the leader's has one, as far as its type says.
    #[must_use]
    pub fn mirrors_type(&self, stop: bool) -> bool {
        self.copy == Copied::Orders || self.copy_stops && stop
    }
}

/// What is copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Copied {
    /// What the leader's orders fill.
    #[default]
    Fills,
    /// His working orders as well.
    Orders,
}

/// What a mirror filled beyond the leader's order when that ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ahead {
    /// It is closed.
    #[default]
    Close,
    /// It is kept while the leader holds a position on its side.
    Keep,
}

/// What a mirror has not filled when the leader's order ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaderFilled {
    /// It works on.
    #[default]
    None,
    /// It is cancelled after a time, and what is missing is opened at the market.
    MarketAfterS,
    /// It is cancelled after a time, and what is missing is given up.
    CancelAfterS,
}

const fn three() -> Dec {
    Dec::from_int(3)
}
const fn minute_ms() -> i64 {
    60_000
}
const fn hour_ms() -> i64 {
    3_600_000
}

/// How much is copied.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Sizing {
    /// k units per leader unit.
    Multiplier { k: Dec },
    /// percent / 100 units per leader unit.
    Percent { percent: Dec },
    /// k lots per leader lot.
    LotsMultiplier { k: Dec },
    /// The same lots for every leader order.
    Fixed { lots: Lots },
    /// k x follower equity / leader equity, units per unit.
    Equity { k: Dec },
    /// k x follower balance / leader balance.
    Balance { k: Dec },
    /// k x follower free margin / leader free margin.
    FreeMargin { k: Dec },
    /// k x leader contract value / follower contract value, lots per lot.
    Notional { k: Dec },
    /// percent of the follower's equity in notional for every leader order.
    PercentEquity { percent: Dec },
    /// A part of the leader's quantity, which is divided by weight among all that copy it so.
    Block {
        #[serde(default = "one")]
        weight: Dec,
        #[serde(default)]
        by: By,
    },
}

/// What a member's weight in a block is multiplied by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// Nothing.
    #[default]
    Weight,
    /// Its account's equity.
    Equity,
    /// Its account's balance.
    Balance,
    /// Its account's free margin.
    FreeMargin,
}

impl Sizing {
    /// The mode's name in configuration and audit.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Sizing::Multiplier { .. } => "multiplier",
            Sizing::Percent { .. } => "percent",
            Sizing::LotsMultiplier { .. } => "lots_multiplier",
            Sizing::Fixed { .. } => "fixed",
            Sizing::Equity { .. } => "equity",
            Sizing::Balance { .. } => "balance",
            Sizing::FreeMargin { .. } => "free_margin",
            Sizing::Notional { .. } => "notional",
            Sizing::PercentEquity { .. } => "percent_equity",
            Sizing::Block { .. } => "block",
        }
    }
}

/// From target to lots.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rounding {
    /// Never more than the target.
    #[default]
    TowardZero,
    /// The nearest step, ties toward zero.
    Nearest,
    /// Keep what is held until the target is a whole step away.
    Hold,
    /// Open the minimum lot where the target is smaller; keep it until the leader is flat.
    MinLotIfNonzero,
}

impl Rounding {
    /// The policy's name in configuration and audit.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Rounding::TowardZero => "toward_zero",
            Rounding::Nearest => "nearest",
            Rounding::Hold => "hold",
            Rounding::MinLotIfNonzero => "min_lot_if_nonzero",
        }
    }
}

/// One leader instrument at the follower's venue.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SymbolMap {
    /// Follower instrument.
    pub instrument: String,
    /// Follower units per leader unit, before sizing.
    #[serde(default = "one")]
    pub qty_factor: Dec,
    /// Follower price per leader price.
    #[serde(default = "one")]
    pub price_factor: Dec,
}

const fn one() -> Dec {
    Dec::ONE
}

/// Opens that are left out; closes are never filtered.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Filters {
    /// Leader instruments that are copied; none: all that are mapped.
    pub instruments: Option<Vec<String>>,
    /// Leader position sides that are copied.
    pub side: SideFilter,
    /// Smallest leader order that is copied, units.
    pub min_order_qty: Dec,
    /// Fields that a leader report must carry.
    pub tags: Vec<(u32, String)>,
}

impl Filters {
    /// Nothing is left out.
    #[must_use]
    pub fn passes_all(&self) -> bool {
        let any_order = self.side == SideFilter::Both && !self.min_order_qty.is_positive();
        any_order && self.instruments.is_none() && self.tags.is_empty()
    }
}

/// Leader position sides that are copied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SideFilter {
    /// Long and short.
    #[default]
    Both,
    /// Long only.
    Long,
    /// Short only.
    Short,
}

/// Type of opening orders.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderType {
    /// At the market.
    #[default]
    Market,
    /// Immediate-or-cancel at the leader's price plus the allowed slippage.
    Limit,
}

/// What a new subscription does with the position that its leader holds already.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Joining {
    /// Nothing: it copies what comes, and closes of that position close nothing here.
    #[default]
    Flat,
    /// Opens it, once.
    Target,
}

/// What becomes of the position of a subscription that leaves. Nothing is opened any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Leaving {
    /// It stays, and nothing of it is worked any more.
    Keep,
    /// It is closed at once.
    CloseNow,
    /// It is closed as the leader closes his.
    CloseWithLeader,
}

impl Leaving {
    /// The rule's name in configuration, commands and status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Leaving::Keep => "keep",
            Leaving::CloseNow => "close_now",
            Leaving::CloseWithLeader => "close_with_leader",
        }
    }
}

/// What a bust or correction of a leader's trade does to the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBust {
    /// P moves, the target waits for the operator.
    #[default]
    Alert,
    /// The target is worked out again without it.
    Follow,
}

/// What the missing part of a rejected open becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnReject {
    /// Dropped.
    #[default]
    Drop,
    /// Tried again inside the window.
    Retry,
}
