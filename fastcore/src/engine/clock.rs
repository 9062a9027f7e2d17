//! The machine's clock (design 03, `clock`): while nobody can say how far it is from UTC, or it is too far, nothing is opened.
//! Ages of leaders' trades and the audit log's times rest on it.

use super::Engine;
use crate::action::Sink;
use crate::decimal::Dec;
use crate::refusal::{Code, Refusal};
use serde::{Deserialize, Serialize};

/// What was measured last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measured {
    /// How far the clock may be from UTC, microseconds; none: the machine does not know.
    pub error_us: Option<i64>,
    /// When it turned good or bad.
    pub since_ns: i64,
}

impl Engine {
    /// Why the clock opens nothing.
    pub(crate) fn clock_refusal(&self) -> Option<Refusal> {
        let limit_us = self.index().cfg.clock?.max_error_us;
        let of = |error_us| Refusal::over(Code::Clock, Dec::from_int(limit_us), Dec::from_int(error_us));
        match self.state().clock.and_then(|m| m.error_us) {
            None => Some(Refusal::bare(Code::Clock)),
            Some(error_us) => (error_us > limit_us).then(|| of(error_us)),
        }
    }

    /// The clock was put forward: time seems to have passed that has not. What a broker's gateway may still hold has to
    /// settle from now on, else "not known" would be believed of an order that is about to be taken.
    pub(super) fn clock_stepped<S: Sink>(&mut self, by_ms: i64, sink: &mut S) {
        let now = self.st.at_ns;
        for route in 0..u32::try_from(self.st.routes.len()).unwrap_or(0) {
            for o in self.live_of(route) {
                if let Some(order) = self.st.orders.get_mut(o as usize) {
                    order.since_ns = now;
                }
            }
        }
        self.alert("clock_step", format!("the clock was put forward by {by_ms} ms"), sink);
    }

    /// A measurement of the core process.
    pub(super) fn clock_measured<S: Sink>(&mut self, error_us: Option<i64>, sink: &mut S) {
        let before = self.st.clock.map(|_| self.clock_refusal().is_some());
        let since_ns = self.st.clock.map_or(self.st.at_ns, |m| m.since_ns);
        self.st.clock = Some(Measured { error_us, since_ns });
        self.cause.calm = false;
        let bad = self.clock_refusal().is_some();
        if before == Some(bad) {
            return;
        }
        self.st.clock = Some(Measured { error_us, since_ns: self.st.at_ns });
        let found = error_us.map_or("nobody knows how far".to_owned(), |us| format!("{us} us"));
        match (self.ix.cfg.clock, bad) {
            (Some(rule), true) => {
                let text = format!("from UTC: {found}, at most {} us: nothing is opened", rule.max_error_us);
                self.alert("clock", text, sink);
            }
            (Some(_), false) if before == Some(true) => {
                self.alert("clock", format!("from UTC: {found}: opens go on"), sink);
            }
            _ => {}
        }
    }
}
