//! Opens of one ledger line: their windows, the limits that they pass, their price and their parts (design 02, step 3c).

use super::admission::Wish;
use super::lanes::Lane;
use super::lines::{DUE_LINE, newest_ns, signed, whole_steps};
use super::making::Draft;
use super::prices::Source;
use super::{Engine, Index, LineState, windows};
use crate::action::Sink;
use crate::config::SubscriptionConfig;
use crate::decimal::{Dec, Round, mul_div};
use crate::ledger::{Grid, Plan, abs, quanta};
use crate::refusal::{Code, Refusal};
use std::sync::Arc;

const MS: i64 = 1_000_000;

impl Engine {
    #[allow(clippy::too_many_arguments)]
    pub(super) fn open<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        plan: &Plan,
        lane: &Lane,
        cfg: &SubscriptionConfig,
        waits: bool,
        sink: &mut S,
    ) {
        let (now, grid) = (self.st.at_ns, lane.grid);
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return };
        let (asked, buy) = (abs(plan.increase), plan.increase.is_positive());
        let wanted = if plan.whole { asked } else { whole_steps(asked, grid) };
        if wanted < grid.min {
            // The next part of a needless close may make it enough.
            if ls.needless.is_empty() {
                ls.waiting.clear();
            }
            return; // waits for the next increase; not a refusal
        }
        let newest = newest_ns(&ls.line, self.cause.until_ns);
        let blocked = plan.blocked || waits;
        let all_new = ls.waiting.is_empty();
        let waited = if all_new { 0 } else { quanta_of(&ls.waiting, grid) };
        let unsent = if !blocked && newest > now && all_new {
            self.open_now(ix, at, (wanted, buy), lane, cfg, newest, sink)
        } else {
            self.open_by_window(ix, at, (wanted, buy), lane, cfg, (newest, blocked), sink)
        };
        // A refusal now takes no more off the target than the increase that is being worked, and what waited: what was too
        // little for an order before stays, and counts later.
        let asked = self.cause.until_ns != 0;
        let most = if asked { self.cause.size.saturating_add(waited) } else { i128::MAX };
        if let (true, Some(ls)) = (unsent.is_positive(), self.st.lines.get_mut(at as usize)) {
            ls.line.lower_within(unsent, most, grid, cfg.rounding, cfg.max_inflation);
            // Parts that are no whole steps may leave one together: no window asks for it, and no event would send it.
            let left = ls.line.gap(grid, cfg.rounding, cfg.max_inflation, false);
            if !blocked && ls.waiting.is_empty() && left >= grid.min {
                ls.line.lower(left, grid, cfg.rounding, cfg.max_inflation);
            }
        }
    }

    /// An increase of which parts waited, or have to: each as long as its own window. What is not wanted any more is
    /// returned.
    #[allow(clippy::too_many_arguments)]
    fn open_by_window<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        (wanted, buy): (Dec, bool),
        lane: &Lane,
        cfg: &SubscriptionConfig,
        (newest, blocked): (i64, bool),
        sink: &mut S,
    ) -> Dec {
        let (now, grid) = (self.st.at_ns, lane.grid);
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return Dec::ZERO };
        let oldest = ls.waiting.first().map_or(newest, |w| w.0);
        let (late, until) = if blocked || !ls.waiting.is_empty() {
            windows::trim(&mut ls.waiting, signed(wanted, buy), newest);
            windows::take_late(&mut ls.waiting, now)
        } else {
            (wanted, newest)
        };
        if late.is_positive() && newest > 0 {
            // A window ends when the trade that it is of becomes too old.
            let over_ms = now.saturating_sub(oldest).checked_div(MS).unwrap_or(0);
            let age_ms = Dec::from_int(cfg.max_age_ms.saturating_add(over_ms));
            self.refuse(Refusal::over(Code::Stale, Dec::from_int(cfg.max_age_ms), age_ms));
        }
        // A part of an order that was declined or canceled may be no whole step: what is left without it neither.
        let young = match wanted.checked_sub(late).unwrap_or(Dec::ZERO) {
            all if late.is_zero() => all,
            rest => whole_steps(rest, grid),
        };
        if young >= grid.min && blocked {
            self.st.due.insert((until, DUE_LINE, at));
        } else if young >= grid.min {
            let left = self.open_now(ix, at, (young, buy), lane, cfg, until, sink);
            return late.checked_add(left).unwrap_or(late);
        }
        late
    }

    /// Sends an increase as far as the limits allow; what they refuse is returned.
    #[allow(clippy::too_many_arguments)]
    fn open_now<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        at: u32,
        (wanted, buy): (Dec, bool),
        lane: &Lane,
        cfg: &SubscriptionConfig,
        until: i64,
        sink: &mut S,
    ) -> Dec {
        let grid = lane.grid;
        let Some(ls) = self.st.lines.get_mut(at as usize) else { return wanted };
        ls.waiting.clear();
        let px = match limit_px(ls, lane, buy, cfg) {
            Ok(px) => px,
            Err(refusal) => {
                self.refuse(refusal);
                return wanted;
            }
        };
        let admitted = self.admitted(
            ix,
            at,
            lane,
            &Wish { qty: wanted, buy, px, mirror: None, beside: Dec::ZERO, replaces: false },
        );
        let units = if admitted == wanted { admitted } else { whole_steps(admitted, grid) };
        if units < grid.min {
            return wanted;
        }
        let refused = wanted.checked_sub(units).unwrap_or(Dec::ZERO);
        let draft = Draft { buy, qty: units, reduces: false, px, deadline_ns: until };
        let lost = if units <= lane.free_up_to || lane.venue_max.is_none_or(|most| units <= most) {
            if self.make_order(at, lane, &draft, sink) { Dec::ZERO } else { units }
        } else {
            self.open_in_parts(at, lane, draft, sink)
        };
        if ix.cfg.faults.repeated_copies > 0 && lost < units {
            self.count_copy(ix, at, sink);
        }
        if ix.cfg.faults.lookalike_window_ms > 0 && lost < units {
            self.look_alike(ix, at, buy, units, sink);
        }
        refused.checked_add(lost).unwrap_or(refused)
    }

    /// Sends more than the venue takes at once; what was sent before under the same identity is returned.
    fn open_in_parts<S: Sink>(&mut self, at: u32, lane: &Lane, mut draft: Draft, sink: &mut S) -> Dec {
        let (mut lost, mut later) = (Dec::ZERO, draft.qty);
        for qty in self.parts(at, draft.qty, lane.venue_max, lane.grid) {
            draft.qty = qty;
            later = later.checked_sub(qty).unwrap_or(later);
            if !self.make_order(at, lane, &draft, sink) {
                lost = lost.checked_add(qty).unwrap_or(lost);
            }
        }
        // More parts than one event makes, or less than a part may be: it goes out with the next event of the line that
        // can take it, within the same window.
        if later.is_positive() {
            self.wait_again(at, draft.deadline_ns, signed(later, draft.buy));
            self.st.due.insert((draft.deadline_ns, DUE_LINE, at));
        }
        lost
    }

    /// What an order was to open and did not is still wanted within the order's own window.
    pub(super) fn wait_again(&mut self, at: u32, until: i64, units: Dec) {
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            windows::insert(&mut ls.waiting, until, units);
        }
    }
}

/// What waits, in quanta.
#[cold]
fn quanta_of(waiting: &windows::Windows, grid: Grid) -> i128 {
    waiting.iter().filter_map(|w| quanta(abs(w.1), grid)).fold(0, i128::saturating_add)
}

/// The limit of an opening order: the leader's price and the allowed slippage, on the tick; none for market orders.
///
/// # Errors
/// `no_quote`: a limit was asked for and there is no leader price to set it by. A market order would have no bound.
pub(super) fn limit_px(
    ls: &LineState,
    lane: &Lane,
    buy: bool,
    cfg: &SubscriptionConfig,
) -> Result<Option<Dec>, Refusal> {
    if !lane.limit_opens {
        return Ok(None);
    }
    let limit = || {
        let px = Source::of(ls, lane).scaled(ls.leader_px.filter(|_| !ls.unquoted)?)?;
        let slip = px.mul_div(cfg.max_slippage_bps, Dec::from_int(10_000), Round::HalfEven)?;
        let raw = if buy { px.checked_add(slip)? } else { px.checked_sub(slip)? };
        // Never beyond the allowed slippage: a buy limit rounds down, a sell limit up.
        let ticks = raw.div(lane.tick, if buy { Round::Floor } else { Round::Ceil })?.raw();
        let whole = mul_div(ticks, 1, Dec::ONE.raw(), if buy { Round::Floor } else { Round::Ceil })?;
        whole.checked_mul(lane.tick.raw()).map(Dec::from_raw).filter(|px| px.is_positive())
    };
    limit().map(Some).ok_or(Refusal::bare(Code::NoQuote))
}
