//! What bounds opens and what stops them, as configured.

use crate::decimal::Dec;
use crate::guard::Action;
use crate::instrument::Lots;
use crate::risk::Totals;
use crate::table::Table;
use serde::Deserialize;

/// Faults that stop a follower's opens by themselves; a person releases it.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// So many opens of one follower rejected within the window; 0: no number is too many.
    pub reject_burst: u32,
    /// The window, milliseconds.
    pub reject_window_ms: i64,
    /// So many automatic copies of one ledger line within the window; 0: no number is too many.
    pub repeated_copies: u32,
    /// The window, milliseconds.
    pub repeated_window_ms: i64,
    /// Equal opens of one ledger line by different causes within this are told, milliseconds; 0: none are.
    pub lookalike_window_ms: i64,
    /// Orders of one account that could fill each other.
    pub self_match: SelfMatch,
}

/// What happens when two subscriptions of one account have opposite sides of one instrument at work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SelfMatch {
    /// Nothing.
    Off,
    /// A person is told.
    #[default]
    Alert,
    /// The later open waits as well, within its window.
    Wait,
}

/// How far the machine's clock may be from UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockRule {
    /// Microseconds.
    pub max_error_us: i64,
}

/// When a leader that nobody hears is inactive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InactiveRule {
    /// Its session is down for this long, milliseconds; 0: however long.
    #[serde(default)]
    pub down_ms: i64,
    /// Nothing is heard of its session for this long, quotes included, milliseconds; 0: however long.
    #[serde(default)]
    pub silent_ms: i64,
    /// What happens then.
    #[serde(default)]
    pub action: Action,
}

/// Bounds over all followers together: of the deployment, or of those that copy one leader. Of its limits it has
/// `max_position_lots`, `on_breach`, `max_open_orders` and `max_exposure`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Together {
    /// Currency of `max_exposure`.
    pub currency: Option<String>,
    /// Oldest quote and exchange rate that worth goes by, milliseconds.
    pub max_age_ms: i64,
    /// The bounds.
    pub limits: Limits,
}

/// Bounds, with exceptions by instrument.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Over all instruments.
    pub totals: Totals,
    /// For every instrument without an entry of its own.
    pub default: LimitSet,
    /// By follower instrument.
    pub instruments: Table<String, LimitSet>,
}

impl Limits {
    /// The bounds for one instrument.
    #[must_use]
    pub fn of(&self, instrument: &str) -> &LimitSet {
        self.instruments.get(instrument).unwrap_or(&self.default)
    }
}

/// Bounds of one instrument, lots.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSet {
    /// Largest single order.
    pub max_order_qty_lots: Option<Lots>,
    /// Largest value of a single order, in the currency of the instrument's price.
    pub max_order_value: Option<Dec>,
    /// How far the price of an open may be from the market, basis points.
    pub price_collar_bps: Option<Dec>,
    /// How far it may be from the lowest and the highest quote of a window: every section's own pair.
    pub price_windows: Vec<PriceWindow>,
    /// Largest position, counted from orders entered.
    pub max_position_lots: Option<Lots>,
    /// What an open beyond a bound becomes.
    pub on_breach: OnBreach,
}

/// A collar over a window: both numbers belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceWindow {
    /// How far from its lowest and its highest quote, basis points.
    pub bps: Dec,
    /// The window, milliseconds.
    pub window_ms: i64,
}

/// What an open beyond a bound becomes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnBreach {
    /// Cut down to the bound.
    #[default]
    Clip,
    /// Refused whole.
    Refuse,
}
