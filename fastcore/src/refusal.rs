//! Why nothing, or less, was sent. A refusal is data, not an error.

use crate::decimal::Dec;
use serde::{Deserialize, Serialize};

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal),+ $(,)?) => {
        /// Stable codes: added, never renamed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code { $($(#[$doc])* #[serde(rename = $text)] $name),+ }

        impl Code {
            /// Every code, in documentation order.
            pub const ALL: &'static [Code] = &[$(Code::$name),+];

            /// The name in journals, logs and metrics.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Code::$name => $text),+ }
            }
        }
    };
}

codes! {
    /// The kill switch is on.
    Kill = "kill",
    /// The follower may not trade the instrument, or no mapping exists.
    Restricted = "restricted",
    /// The subscription's filter leaves this order out.
    Filtered = "filtered",
    /// The leader's position is not known: an increase cannot be told from a close.
    LeaderPositionUnknown = "leader_position_unknown",
    /// The leader's trade is older than allowed, or of unknown age.
    Stale = "stale",
    /// Account value, ratio or price that sizing needs is missing or not positive.
    BadAccount = "bad_account",
    /// Account value is older than allowed.
    StaleAccount = "stale_account",
    /// The ratio exceeds the mandatory bound.
    MaxRatio = "max_ratio",
    /// Quote or exchange rate that sizing needs is missing.
    NoQuote = "no_quote",
    /// The order is larger than allowed.
    MaxOrderQty = "max_order_qty",
    /// The order is worth more than allowed.
    MaxOrderValue = "max_order_value",
    /// The order's price is too far from the market.
    PriceCollar = "price_collar",
    /// The order's price is too far from where the market was lately.
    PriceCollarWindow = "price_collar_window",
    /// Too many messages were sent.
    MaxMessages = "max_messages",
    /// The position would be larger than allowed.
    MaxPosition = "max_position",
    /// More orders would be open than allowed.
    MaxOpenOrders = "max_open_orders",
    /// Everything held and entered would be worth more than allowed.
    MaxExposure = "max_exposure",
    /// The same, for the account's equity.
    MaxLeverage = "max_leverage",
    /// The copy would be too large for the leader's position.
    Amplification = "amplification",
    /// The same order identity was made before.
    Duplicate = "duplicate",
    /// Arithmetic left its range.
    Overflow = "overflow",
    /// The instrument waits for an operator after a bust or correction.
    BustHold = "bust_hold",
    /// The leader order's quantities contradict each other: its increases are frozen.
    FrozenOrder = "frozen_order",
    /// A side that is neither buy, sell nor short sale.
    BadSide = "bad_side",
    /// The follower's broker refused the order.
    BrokerReject = "broker_reject",
    /// The order could not be sent while it was fresh.
    Missed = "missed",
    /// The minimum lot would inflate the position beyond `max_inflation`.
    MaxInflation = "max_inflation",
    /// The follower's equity is at or below a floor.
    SuspendedEquity = "suspended_equity",
    /// The follower lost too much since the day began.
    DailyLoss = "daily_loss",
    /// The follower lost too much since the highest equity of a period.
    PeriodDrawdown = "period_drawdown",
    /// The price moved too far since the leader's trade.
    Drift = "drift",
    /// Too many automatic copies of one subscription and instrument in a short time.
    RepeatedExecution = "repeated_execution",
    /// The leader's session is down or silent for too long.
    ProviderInactive = "provider_inactive",
    /// The machine's clock is too far from UTC, or nobody knows how far.
    Clock = "clock",
    /// A person paused the subscription.
    Paused = "paused",
    /// The subscription leaves, or has left.
    Leaving = "leaving",
    /// The follower's venue takes no order like the leader's: it is not mirrored, and its fills are copied.
    OrderTerms = "order_terms",
    /// The leader's order ended, and its mirror had not filled as much.
    NotFilled = "not_filled",
}

/// A refusal with the numbers that were compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// Why.
    pub code: Code,
    /// The bound, in the code's unit.
    pub limit: Dec,
    /// The value compared with it.
    pub value: Dec,
}

impl Refusal {
    /// A refusal without numbers.
    #[must_use]
    pub const fn bare(code: Code) -> Refusal {
        Refusal { code, limit: Dec::ZERO, value: Dec::ZERO }
    }

    /// A refusal because `value` exceeds `limit`.
    #[must_use]
    pub const fn over(code: Code, limit: Dec, value: Dec) -> Refusal {
        Refusal { code, limit, value }
    }
}
