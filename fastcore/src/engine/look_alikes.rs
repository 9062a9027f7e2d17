//! Look-alikes (design 03, `duplicate`): opens of one subscription, instrument, side and quantity that come from different
//! causes within a short time. Told, never refused: three fills of one lot each are three real orders.

use super::{Engine, Index};
use crate::action::Sink;
use crate::decimal::Dec;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

const MS: i64 = 1_000_000;
/// Opens that are remembered of one ledger line: a leader who trades faster than this is told about already.
const REMEMBERED: usize = 64;

/// Opens of one ledger line lately.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Lately {
    /// When, by which cause, buy, and units; the oldest first.
    opens: VecDeque<(i64, u128, bool, Dec)>,
    /// It was told then.
    told_ns: Option<i64>,
}

impl Engine {
    /// An open has gone out. One that looks like another of the window is counted, and told once in a window.
    pub(super) fn look_alike<S: Sink>(&mut self, ix: &Index, at: u32, buy: bool, units: Dec, sink: &mut S) {
        let (now, cause) = (self.st.at_ns, self.cause.id);
        let window_ns = ix.cfg.faults.lookalike_window_ms.saturating_mul(MS);
        let since_ns = now.saturating_sub(window_ns);
        let lately = self.st.lately.entry(at).or_default();
        while lately.opens.front().is_some_and(|o| o.0 < since_ns) || lately.opens.len() >= REMEMBERED {
            lately.opens.pop_front();
        }
        let alike = lately.opens.iter().rev().find(|o| o.1 != cause && (o.2, o.3) == (buy, units));
        let before_ns = alike.map(|o| o.0);
        lately.opens.push_back((now, cause, buy, units));
        let Some(before_ns) = before_ns else { return };
        let told = lately.told_ns.is_some_and(|t| t >= since_ns);
        lately.told_ns = Some(now);
        self.note("open that looks like another one");
        if told {
            return;
        }
        let ms = now.saturating_sub(before_ns).checked_div(MS).unwrap_or(0);
        let (what, side) = (self.line_text(ix, at), if buy { "buy" } else { "sell" });
        let text = format!("{what}: {side} {units} units twice within {ms} ms, by two trades of the leader");
        self.alert("look_alike", text, sink);
    }
}
