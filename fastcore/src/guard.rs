//! Equity guards of one follower (design 03): what its account is worth now, and the floor at which copying stops.
//!
//! Pure: prices, account values and the time are given. Amounts are in the follower's account currency.

use crate::decimal::{Dec, Round};
use crate::ledger::abs;
use crate::refusal::Code;
use crate::worth::Pays;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use serde::{Deserialize, Serialize};

/// The guards of one follower, as configured.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Guards {
    /// Time zone of days, weeks and months: an IANA name.
    pub zone: String,
    /// Local time at which a day begins, seconds after midnight. One that begins at noon or later is the next date's.
    pub day_begins_s: i64,
    /// Oldest price of something held, and oldest exchange rate, that equity is worked out with.
    pub max_age_ms: i64,
    /// What stops copying.
    pub rules: Vec<Rule>,
}

/// One rule: copying stops at a floor of the equity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What the floor is measured from.
    pub rule: Kind,
    /// Of an `equity_floor` in percent: percent of what.
    #[serde(default)]
    pub of: Of,
    /// Of a `drawdown`: whose highest equity.
    #[serde(default)]
    pub period: Period,
    /// The floor, or the loss, as an amount.
    #[serde(default)]
    pub amount: Option<Dec>,
    /// The same in percent; one of both is set.
    #[serde(default)]
    pub percent: Option<Dec>,
    /// What happens at the floor.
    #[serde(default)]
    pub action: Action,
    /// The next period releases it.
    #[serde(default)]
    pub auto_reset: bool,
}

/// What a floor is measured from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// An amount of equity, or a part of a base.
    EquityFloor,
    /// A loss since the day began.
    DailyLoss,
    /// A loss since the highest equity of a period.
    Drawdown,
}

/// Base of an equity floor in percent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Of {
    /// The first equity that was known.
    #[default]
    Start,
    /// The highest equity that was seen.
    HighWater,
}

/// Days begin as configured, weeks with the day of Monday, months with the day of the first.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// One day.
    #[default]
    Day,
    /// One week.
    Week,
    /// One month.
    Month,
    /// Without an end.
    Lifetime,
}

/// What happens at the floor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Nothing is opened; closes go on.
    #[default]
    NoOpens,
    /// Working opens are cancelled and everything is closed.
    CloseAll,
}

/// The equity that a rule measures from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// Equity at its beginning, or the highest since.
    pub equity: Dec,
    /// It counts until then; `i64::MAX`: without an end.
    pub until_ns: i64,
    /// The rule's floor of that equity: worked out when the base is, and not at every open.
    pub floor: Dec,
}

impl Rule {
    /// The code of its refusals.
    #[must_use]
    pub const fn code(&self) -> Code {
        match self.rule {
            Kind::EquityFloor => Code::SuspendedEquity,
            Kind::DailyLoss => Code::DailyLoss,
            Kind::Drawdown => Code::PeriodDrawdown,
        }
    }

    /// How long one base counts.
    #[must_use]
    pub const fn counts(&self) -> Period {
        match self.rule {
            Kind::EquityFloor => Period::Lifetime,
            Kind::DailyLoss => Period::Day,
            Kind::Drawdown => self.period,
        }
    }

    /// The base after `equity` was seen: a new one where there is none that still counts.
    #[must_use]
    pub fn base(&self, known: Option<Base>, equity: Dec, now_ns: i64, calendar: &Calendar) -> Base {
        let follows = match self.rule {
            Kind::EquityFloor => self.of == Of::HighWater,
            Kind::DailyLoss => false,
            Kind::Drawdown => true,
        };
        match known.filter(|base| now_ns < base.until_ns) {
            Some(base) if follows && equity > base.equity => self.measured(equity, base.until_ns),
            Some(base) => base,
            None => self.measured(equity, calendar.end(self.counts(), now_ns)),
        }
    }

    /// A base of this rule.
    #[must_use]
    pub fn measured(&self, equity: Dec, until_ns: i64) -> Base {
        Base { equity, until_ns, floor: self.floor(equity) }
    }

    /// The equity at which, or below, it stops. An account that was worth nothing from the beginning is stopped at once.
    #[must_use]
    pub fn floor(&self, base: Dec) -> Dec {
        let part = |percent: Dec| base.mul_div(percent, Dec::from_int(100), Round::Ceil);
        let floor = match (self.rule, self.amount, self.percent) {
            (Kind::EquityFloor, Some(amount), _) => Some(amount),
            (_, None, Some(_)) if !base.is_positive() => Some(base),
            (Kind::EquityFloor, None, Some(percent)) => part(percent),
            (_, Some(amount), _) => base.checked_sub(amount),
            // Rounded up as well: what a loss in percent leaves.
            (_, None, Some(percent)) => Dec::from_int(100).checked_sub(percent).and_then(part),
            (_, None, None) => None,
        };
        floor.unwrap_or(base)
    }
}

/// Where days, weeks and months begin.
#[derive(Debug, Clone)]
pub struct Calendar {
    zone: TimeZone,
    begins_s: i64,
}

const DAY_S: i64 = 86_400;

impl Calendar {
    /// Days of a zone that begin at a local time.
    ///
    /// # Errors
    /// What is wrong with the zone's name or the time.
    pub fn new(zone: &str, begins_s: i64) -> Result<Self, String> {
        if !(0..DAY_S).contains(&begins_s) {
            return Err(format!("a day cannot begin {begins_s} s after midnight"));
        }
        let found = TimeZone::get(zone).map_err(|_| format!("time zone {zone:?} is not known"))?;
        Ok(Self { zone: found, begins_s })
    }

    /// The first moment after `now_ns` at which the next day, week or month begins; `i64::MAX` when none does.
    #[must_use]
    pub fn end(&self, period: Period, now_ns: i64) -> i64 {
        self.find(period, now_ns).unwrap_or(i64::MAX)
    }

    fn find(&self, period: Period, now_ns: i64) -> Option<i64> {
        let local = self.zone.to_datetime(Timestamp::from_nanosecond(i128::from(now_ns)).ok()?).date();
        // The day of now is named by the local date, the one before or the one after it.
        let mut date = local.yesterday().ok()?;
        loop {
            let begins_ns = self.begins(date)?;
            if begins_ns > now_ns && (period == Period::Day || self.is_first(period, date)) {
                return if period == Period::Lifetime { None } else { Some(begins_ns) };
            }
            date = date.tomorrow().ok()?;
        }
    }

    fn is_first(&self, period: Period, date: Date) -> bool {
        match period {
            Period::Week => date.weekday() == jiff::civil::Weekday::Monday,
            Period::Month => date.day() == 1,
            Period::Day | Period::Lifetime => true,
        }
    }

    /// When the day of a date begins. A local time that a clock change leaves out is as much later, one that comes twice
    /// is the first.
    fn begins(&self, date: Date) -> Option<i64> {
        let on = if self.begins_s >= DAY_S / 2 { date.yesterday().ok()? } else { date };
        let local =
            on.to_datetime(jiff::civil::Time::midnight()).checked_add(self.begins_s.seconds()).ok()?;
        i64::try_from(self.zone.to_timestamp(local).ok()?.as_nanosecond()).ok()
    }
}

/// Profit and loss of one ledger line since the account's value was given, in the currency of the instrument.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pnl {
    /// Of what was closed, by average cost.
    pub realised: Dec,
    /// Signed cost of what is held, as [`Pays::value`] counts it: units x price, of an inverse contract -units / price.
    pub basis: Dec,
    /// Price of the last fill.
    pub px: Dec,
    /// When.
    pub px_ns: i64,
    /// The execution that had it; 0: it has no name.
    pub px_of: u128,
    /// What is held has no known cost: only a new account value helps.
    pub unknown: bool,
    /// What is held is in the account value of then, and counts from the first price that is younger.
    pub waits_since_ns: Option<i64>,
}

impl Pnl {
    /// Counts a fill of signed units, with `held` signed units before it. What waits for a price begins at this one; what
    /// does not fit in a number is unknown.
    pub fn book(&mut self, pays: Pays, held: Dec, units: Dec, px: Dec, at_ns: i64) {
        if self.waits_since_ns.is_some() {
            self.begin(pays, held, px);
        }
        (self.px, self.px_ns, self.px_of) = (px, at_ns, 0);
        self.take_back(pays, held, units, px);
    }

    /// The same for units that a bust takes back: the price of an old trade is no price of now.
    pub fn take_back(&mut self, pays: Pays, held: Dec, units: Dec, px: Dec) {
        if self.try_book(pays, held, units, px).is_none() {
            self.unknown = true;
        }
    }

    /// Signed units of an execution at one price are others at another price from now on, with `held` signed units before.
    /// The price of an old trade is no price of now, unless it was the newest one.
    pub fn correct(&mut self, pays: Pays, held: Dec, execution: u128, [old, new]: [(Dec, Dec); 2]) {
        if execution != 0 && self.px_of == execution {
            self.px = new.1;
        }
        if self.try_correct(pays, held, old, new).is_none() {
            self.unknown = true;
        }
    }

    /// As long as all of it can be held still, only its cost is another one. Else it is sold at its old price and bought at
    /// its new one: realised and open together come to the same.
    fn try_correct(&mut self, pays: Pays, held: Dec, old: (Dec, Dec), new: (Dec, Dec)) -> Option<()> {
        if held.signum() == old.0.signum() && abs(held) >= abs(old.0) {
            let (before, after) = (pays.value(old.0, old.1)?, pays.value(new.0, new.1)?);
            self.basis = self.basis.checked_sub(before)?.checked_add(after)?;
            return Some(());
        }
        let left = held.checked_sub(old.0)?;
        self.try_book(pays, held, negative(old.0)?, old.1)?;
        self.try_book(pays, left, new.0, new.1)
    }

    fn try_book(&mut self, pays: Pays, held: Dec, units: Dec, px: Dec) -> Option<()> {
        let against = i128::from(held.signum()).checked_mul(i128::from(units.signum()))? < 0;
        let closed = if against { abs(held).min(abs(units)) } else { Dec::ZERO };
        let mut opened = units;
        if closed.is_positive() {
            let cost = self.basis.mul_div(closed, abs(held), Round::HalfEven)?;
            let signed = if held.is_negative() { negative(closed)? } else { closed };
            let gain = pays.value(signed, px)?.checked_sub(cost)?;
            self.realised = self.realised.checked_add(gain)?;
            self.basis = self.basis.checked_sub(cost)?;
            opened = units.checked_add(signed)?;
        }
        self.basis = self.basis.checked_add(pays.value(opened, px)?)?;
        Some(())
    }

    /// Realised and floating, with what is held at a price.
    #[must_use]
    pub fn total(&self, pays: Pays, held: Dec, px: Dec) -> Option<Dec> {
        self.floating(pays, held, px)?.checked_add(self.realised)
    }

    /// What is held at a price won or lost so far.
    #[must_use]
    pub fn floating(&self, pays: Pays, held: Dec, px: Dec) -> Option<Dec> {
        pays.value(held, px)?.checked_sub(self.basis)
    }

    /// What is held is in an account value, at a price that is not known.
    pub fn wait(&mut self, at_ns: i64) {
        (self.realised, self.basis, self.unknown, self.waits_since_ns) =
            (Dec::ZERO, Dec::ZERO, false, Some(at_ns));
    }

    /// What waited for a price begins at one. What was taken back while it waited was in the account value, at a price that
    /// nobody told: it stays unknown until the next one.
    pub fn begin(&mut self, pays: Pays, held: Dec, px: Dec) {
        let unknown = self.unknown;
        self.start(pays, held, px);
        self.unknown |= unknown;
    }

    /// From now on: what is held costs what it is worth, and nothing was earned.
    pub fn start(&mut self, pays: Pays, held: Dec, px: Dec) {
        self.waits_since_ns = None;
        let basis = pays.value(held, px);
        (self.realised, self.unknown) = (Dec::ZERO, basis.is_none());
        self.basis = basis.unwrap_or(Dec::ZERO);
    }
}

fn negative(d: Dec) -> Option<Dec> {
    Dec::ZERO.checked_sub(d)
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
