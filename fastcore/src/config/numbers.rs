//! Which numbers of a configuration can be used, each by itself and beside those that it belongs to.
//!
//! The gateway's reader says the same earlier and with the line of the file. The core does not rely on it: a share of 2 or
//! a step below 0 would size orders, whoever wrote the configuration.

use super::{
    Config, ConfigError, FollowerConfig, InstrumentConfig, LeaderConfig, Limits, RouteConfig, Sizing,
    SubscriptionConfig, Timing, Together,
};
use crate::bucket::Allowance;
use crate::decimal::{Dec, Round, div_rem};
use crate::guard::Guards;
use crate::instrument::Lots;
use crate::profile::Profile;
use std::fmt::Display;

/// Mistakes in one error: a person reads it.
const TOLD_MAX: usize = 20;

/// Refuses what no order could be sized or bounded by.
///
/// # Errors
/// `ConfigError` with every number that cannot be used: whose it is, its key, its bound and what it is.
pub fn usable(cfg: &Config) -> Result<(), ConfigError> {
    let mut found = Found::default();
    deployment(cfg, &mut found);
    cfg.profiles.iter().for_each(|p| profile(p, &mut found));
    cfg.instruments.iter().for_each(|i| instrument(i, &mut found));
    cfg.leaders.iter().for_each(|l| leader(l, &mut found));
    cfg.routes.iter().for_each(|r| route(r, &mut found));
    cfg.followers.iter().for_each(|f| follower(f, &mut found));
    cfg.subscriptions.iter().for_each(|s| subscription(s, &mut found));
    if found.told.is_empty() { Ok(()) } else { Err(ConfigError(found.told.join("; "))) }
}

/// What is wrong, and with what.
#[derive(Default)]
struct Found<'a> {
    /// Kind and name of the section that is looked at; none: the deployment.
    of: Option<(&'static str, &'a str)>,
    told: Vec<String>,
}

impl Found<'_> {
    fn tell(&mut self, key: &str, what: &str, got: Option<&dyn Display>) {
        if self.told.len() >= TOLD_MAX {
            return;
        }
        let of = self.of.map_or_else(String::new, |(kind, name)| format!("{kind} {name:?}: "));
        let got = got.map_or_else(String::new, |got| format!(", got {got}"));
        self.told.push(format!("{of}{key} must {what}{got}"));
    }

    fn above_0<N: Number>(&mut self, key: &str, number: N) {
        if number.number() <= Dec::ZERO {
            self.tell(key, "be above 0", Some(&number.number()));
        }
    }

    fn not_below_0<N: Number>(&mut self, key: &str, number: N) {
        if number.number().is_negative() {
            self.tell(key, "not be below 0", Some(&number.number()));
        }
    }

    /// The same of keys of one section; `at` is `guards.` or nothing.
    fn all_above_0<N: Number>(&mut self, at: &str, list: &[(&str, Option<N>)]) {
        for (key, number) in list {
            number.iter().for_each(|n| self.above_0(&format!("{at}{key}"), *n));
        }
    }

    fn none_below_0<N: Number>(&mut self, at: &str, list: &[(&str, Option<N>)]) {
        for (key, number) in list {
            number.iter().for_each(|n| self.not_below_0(&format!("{at}{key}"), *n));
        }
    }
}

/// What a configuration counts in: all of it is compared, and told, as a decimal.
trait Number: Copy {
    fn number(self) -> Dec;
}

impl Number for Dec {
    fn number(self) -> Dec {
        self
    }
}

impl Number for Lots {
    fn number(self) -> Dec {
        // Times one: exact, whatever the rounding.
        self.units(Dec::ONE, Round::Down).unwrap_or(Dec::ZERO)
    }
}

impl Number for i64 {
    fn number(self) -> Dec {
        Dec::from_int(self)
    }
}

impl Number for u32 {
    fn number(self) -> Dec {
        Dec::from_int(i64::from(self))
    }
}

fn deployment(cfg: &Config, found: &mut Found<'_>) {
    timing(&cfg.timing, found);
    let f = &cfg.faults;
    found.none_below_0("faults.", &[("lookalike_window_ms", Some(f.lookalike_window_ms))]);
    // A window of something that is not counted may be anything, as an empty section has it.
    let windows = [
        ("reject_window_ms", (f.reject_burst > 0).then_some(f.reject_window_ms)),
        ("repeated_window_ms", (f.repeated_copies > 0).then_some(f.repeated_window_ms)),
    ];
    found.all_above_0("faults.", &windows);
    found.not_below_0("reconcile.every_ms", cfg.reconcile.every_ms);
    found.not_below_0("reconcile.tolerance_lots", cfg.reconcile.tolerance_lots);
    found.not_below_0("retire_after_ms", cfg.retire_after_ms);
    cfg.clock.iter().for_each(|c| found.above_0("clock.max_error_us", c.max_error_us));
    allowance(cfg.messages.as_ref(), found);
    together(cfg.together.as_ref(), found);
}

fn timing(t: &Timing, found: &mut Found<'_>) {
    let some = [
        ("dispatch_timeout_ms", Some(t.dispatch_timeout_ms)),
        ("ack_timeout_ms", Some(t.ack_timeout_ms)),
        ("query_retry_ms", Some(t.query_retry_ms)),
        ("close_retry_ms", Some(t.close_retry_ms)),
    ];
    found.all_above_0("timing.", &some);
    found.not_below_0("timing.settle_ms", t.settle_ms);
    if t.close_retry_max_ms < t.close_retry_ms {
        let what = format!("be at least close_retry_ms, {}", t.close_retry_ms);
        found.tell("timing.close_retry_max_ms", &what, Some(&t.close_retry_max_ms));
    }
}

fn allowance(of: Option<&Allowance>, found: &mut Found<'_>) {
    let Some(a) = of else { return };
    found.all_above_0("messages.", &[("per_s", Some(a.per_s)), ("burst", Some(a.burst))]);
    if a.kept > a.burst {
        let what = format!("be at most burst, {}", a.burst);
        found.tell("messages.kept", &what, Some(&a.kept));
    }
}

fn together(of: Option<&Together>, found: &mut Found<'_>) {
    let Some(t) = of else { return };
    match t.limits.totals.max_exposure {
        Some(_) => found.above_0("together.max_age_ms", t.max_age_ms),
        None => found.not_below_0("together.max_age_ms", t.max_age_ms),
    }
    limits("together.limits.", &t.limits, found);
}

fn limits(at: &str, of: &Limits, found: &mut Found<'_>) {
    let totals = [("max_exposure", of.totals.max_exposure), ("max_leverage", of.totals.max_leverage)];
    found.all_above_0(at, &totals);
    found.all_above_0(at, &[("max_open_orders", of.totals.max_open_orders)]);
    let own = of.instruments.iter().map(|(_, set)| set);
    for set in std::iter::once(&of.default).chain(own) {
        found.all_above_0(at, &[("max_order_qty_lots", set.max_order_qty_lots)]);
        found.all_above_0(at, &[("max_order_value", set.max_order_value)]);
        found.none_below_0(at, &[("max_position_lots", set.max_position_lots)]);
        found.none_below_0(at, &[("price_collar_bps", set.price_collar_bps)]);
        for w in &set.price_windows {
            found.none_below_0(at, &[("price_windows.bps", Some(w.bps))]);
            found.all_above_0(at, &[("price_windows.window_ms", Some(w.window_ms))]);
        }
    }
}

fn guards(of: Option<&Guards>, found: &mut Found<'_>) {
    let Some(g) = of else { return };
    found.above_0("guards.max_age_ms", g.max_age_ms);
    for (n, r) in g.rules.iter().enumerate() {
        let at = format!("guards.rules[{n}]");
        if r.amount.is_some() == r.percent.is_some() {
            found.tell(&at, "have an amount or a percent, and not both", None);
        }
        found.all_above_0(&format!("{at}."), &[("amount", r.amount), ("percent", r.percent)]);
        if let Some(percent) = r.percent.filter(|p| *p >= Dec::from_int(100)) {
            found.tell(&format!("{at}.percent"), "be below 100", Some(&percent));
        }
    }
}

fn profile<'a>(p: &'a Profile, found: &mut Found<'a>) {
    found.of = Some(("profile", &p.name));
    let tags = [
        ("symbol_tag", Some(p.symbol_tag)),
        ("position_id_tag", Some(p.position_id_tag)),
        ("close_position_id_tag", p.close_position_id_tag),
        ("reduce_only", p.reduce_only.as_ref().map(|(tag, _)| *tag)),
        ("messages_per_s", p.messages_per_s),
    ];
    found.all_above_0("", &tags);
    p.extra_fields.iter().for_each(|(tag, _)| found.above_0("extra_fields", *tag));
    found.above_0("cl_ord_id.max_len", u32::try_from(p.cl_ord_id.max_len).unwrap_or(u32::MAX));
}

fn instrument<'a>(i: &'a InstrumentConfig, found: &mut Found<'a>) {
    found.of = Some(("instrument", &i.name));
    found.all_above_0("", &[("contract_size", Some(i.contract_size)), ("tick", Some(i.tick))]);
    found.all_above_0(
        "",
        &[("lot_step", Some(i.lot_step)), ("min_lot", Some(i.min_lot)), ("max_lot", i.max_lot)],
    );
    let step = i.lot_step.number();
    for (key, lots) in [("min_lot", Some(i.min_lot)), ("max_lot", i.max_lot)] {
        let Some(lots) = lots.map(Number::number) else { continue };
        if step.is_positive() && div_rem(lots.raw(), step.raw()).is_some_and(|(_, rest)| rest != 0) {
            found.tell(key, &format!("be a whole number of lot_step, {step}"), Some(&lots));
        }
    }
    if let Some(max) = i.max_lot.filter(|max| *max < i.min_lot) {
        let what = format!("be at least min_lot, {}", i.min_lot.number());
        found.tell("max_lot", &what, Some(&max.number()));
    }
}

fn leader<'a>(l: &'a LeaderConfig, found: &mut Found<'a>) {
    found.of = Some(("leader", &l.name));
    if let Some(i) = &l.inactive {
        found.none_below_0("inactive.", &[("down_ms", Some(i.down_ms)), ("silent_ms", Some(i.silent_ms))]);
    }
    together(l.together.as_ref(), found);
}

fn route<'a>(r: &'a RouteConfig, found: &mut Found<'a>) {
    found.of = Some(("route", &r.name));
    allowance(r.messages.as_ref(), found);
    let s = &r.switch;
    let some = [("down_ms", Some(s.down_ms)), ("ack_ms", Some(s.ack_ms)), ("back_ms", Some(s.back_ms))];
    found.none_below_0("switch.", &some);
    found.all_above_0("switch.", &[("window_ms", (s.rejects > 0).then_some(s.window_ms))]);
}

fn follower<'a>(f: &'a FollowerConfig, found: &mut Found<'a>) {
    found.of = Some(("follower", &f.name));
    allowance(f.messages.as_ref(), found);
    limits("limits.", &f.limits, found);
    guards(f.guards.as_deref(), found);
}

fn subscription<'a>(s: &'a SubscriptionConfig, found: &mut Found<'a>) {
    found.of = Some(("subscription", &s.name));
    sizing(&s.sizing, found);
    if !s.capital_share.is_positive() || s.capital_share > Dec::ONE {
        found.tell("capital_share", "be above 0 and at most 1", Some(&s.capital_share));
    }
    let above = [
        ("max_ratio", Some(s.max_ratio)),
        ("max_inflation", Some(s.max_inflation)),
        ("max_amplification", s.max_amplification),
        ("stop_multiplier", Some(s.stop_multiplier)),
    ];
    found.all_above_0("", &above);
    found.none_below_0(
        "",
        &[("max_slippage_bps", Some(s.max_slippage_bps)), ("max_drift_bps", s.max_drift_bps)],
    );
    let ages = [("max_age_ms", Some(s.max_age_ms)), ("account_max_age_ms", Some(s.account_max_age_ms))];
    found.all_above_0("", &ages);
    let waits =
        [("retry_window_ms", Some(s.retry_window_ms)), ("leader_filled_ms", Some(s.leader_filled_ms))];
    found.none_below_0("", &waits);
    for (name, map) in &s.symbol_map {
        let at = format!("symbol_map.{name}.");
        let factors = [("qty_factor", Some(map.qty_factor)), ("price_factor", Some(map.price_factor))];
        found.all_above_0(&at, &factors);
    }
    found.not_below_0("filters.min_order_qty", s.filters.min_order_qty);
    s.filters.tags.iter().for_each(|(tag, _)| found.above_0("filters.tags", *tag));
    limits("limits.", &s.limits, found);
    guards(s.guards.as_deref(), found);
}

fn sizing(of: &Sizing, found: &mut Found<'_>) {
    match of {
        Sizing::Multiplier { k }
        | Sizing::LotsMultiplier { k }
        | Sizing::Equity { k }
        | Sizing::Balance { k }
        | Sizing::FreeMargin { k }
        | Sizing::Notional { k } => found.above_0("sizing.k", *k),
        Sizing::Percent { percent } | Sizing::PercentEquity { percent } => {
            found.above_0("sizing.percent", *percent);
        }
        Sizing::Fixed { lots } => found.above_0("sizing.lots", *lots),
        Sizing::Block { weight, .. } => found.above_0("sizing.weight", *weight),
    }
}
