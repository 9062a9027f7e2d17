//! The arithmetic of mirrors: what a line is worked for, and what becomes of a mirror that is ahead or behind. Pure.

use super::Mirror;
use super::parts::Any;
use crate::config::{Ahead, LeaderFilled};
use crate::decimal::{Dec, Round, div_rem, mul_div};
use crate::engine::lanes::Lane;
use crate::ledger::{Grid, Line, QUANTA, SNAP, abs, fits, less, quanta};
use crate::mirrored::Part;
use crate::sizing::Rule;

/// What the rules of a subscription and its leader give.
#[derive(Clone, Copy, Debug)]
pub(in crate::engine) struct Given {
    /// Leader's position.
    pub(in crate::engine) position: Dec,
    /// Follower's lot grid.
    pub(in crate::engine) grid: Grid,
    /// What a mirror filled beyond the leader's order.
    pub(in crate::engine) ahead: Ahead,
    /// What a mirror has not filled.
    pub(in crate::engine) leader_filled: LeaderFilled,
    /// When that acts after the end of the leader's order.
    pub(in crate::engine) after_ns: i64,
    /// Time of the event.
    pub(in crate::engine) now_ns: i64,
    /// Opens are cancelled: a stop at `close_only` or above.
    pub(in crate::engine) stopped: bool,
    /// Some stop lets nothing open.
    pub(in crate::engine) no_opens: bool,
}

/// Whole steps of a quantity without sign, as units.
pub(super) fn whole_units(q: i128, grid: Grid) -> Dec {
    let (steps, _) = div_rem(q.saturating_add(SNAP).max(0), QUANTA).unwrap_or((0, 0));
    Dec::from_raw(steps.saturating_mul(grid.step.raw()))
}

/// A quantity without sign as units, parts of a step too.
fn exact_units(q: i128, grid: Grid) -> Dec {
    Dec::from_raw(mul_div(q.max(0), grid.step.raw(), QUANTA, Round::Down).unwrap_or(0))
}

/// `x` times `part` of `all`, at most `x`.
pub(super) fn share(x: i128, part: Dec, all: Dec) -> i128 {
    if part >= all {
        return x;
    }
    mul_div(x, part.raw(), all.raw(), Round::HalfEven).unwrap_or(0)
}

/// Takes `q` quanta of one direction off what stands against it, never past zero; what was taken.
pub(super) fn toward_zero(target: &mut i128, dir: i128, q: i128) -> i128 {
    let held = if target.signum().saturating_mul(dir) < 0 { target.saturating_abs() } else { 0 };
    let low = q.min(held).max(0);
    *target = target.saturating_add(dir.saturating_mul(low));
    low
}

impl Mirror {
    /// The direction at the follower.
    pub(super) const fn dir(&self) -> i128 {
        if self.buy { 1 } else { -1 }
    }

    fn against(&self, position: Dec) -> bool {
        let sign = position.signum();
        if self.leader_buy { sign < 0 } else { sign > 0 }
    }

    /// A fill of the leader's order takes off his position.
    pub(super) fn closes(&self, position: Dec) -> bool {
        self.against(position)
    }

    /// A fill of the leader's order adds to his position, and is mirrored as such.
    pub(super) fn opens(&self, position: Dec) -> bool {
        !self.closing && !self.against(position)
    }

    /// What the leader's order would still open if it filled whole, quanta.
    pub(super) fn opening(&self, grid: Grid) -> i128 {
        if !self.left.is_positive() {
            return 0;
        }
        match self.rule {
            Rule::Rate(rate) => {
                mul_div(rate.raw(), self.left.raw(), grid.step.raw(), Round::HalfEven).unwrap_or(0)
            }
            Rule::Amount(all) => quanta(all, grid).unwrap_or(0).saturating_sub(self.counted).max(0),
        }
    }

    /// The leader's order ended long enough ago for the rule to act.
    pub(super) fn timed_out(&self, g: &Given) -> bool {
        self.ended_ns != 0
            && g.leader_filled != LeaderFilled::None
            && self.ended_ns.saturating_add(g.after_ns) <= g.now_ns
    }

    /// Settles what the mirror can not make good any more; what closes are ahead by is settled for all together. `some`: of its
    /// orders. Whether something was given up.
    pub(super) fn settle(&mut self, line: &mut Line, g: &Given, some: &Any) -> bool {
        if self.ahead > 0 && self.opens(g.position) {
            self.settle_ahead(line, g);
        }
        self.stopped |= g.stopped;
        let gone = std::mem::take(&mut self.gone).min(self.ahead.saturating_neg());
        let mut gave = gone > 0 && self.give_up(line, gone);
        gave |= self.ahead < 0 && self.settle_behind(line, g, some);
        // It is over when the cancel that it asked for is answered, and the last stop is released; it may have asked for none.
        self.stopped = g.stopped || self.stopped && (some.ending || g.no_opens && !some.live);
        gave
    }

    /// An open that is ahead by more than the leader's order can bring: that is closed, or kept by the rule.
    fn settle_ahead(&mut self, line: &mut Line, g: &Given) {
        let future = if self.barred { 0 } else { self.opening(g.grid) };
        let excess = self.ahead.saturating_sub(future);
        if excess <= 0 {
            return;
        }
        self.ahead = future;
        if g.ahead == Ahead::Keep && !g.position.is_zero() && !self.barred {
            let kept = line.target.saturating_add(self.dir().saturating_mul(excess));
            if fits(kept, g.grid) {
                line.target = kept;
            }
        }
    }

    /// Behind what the leader's order has filled.
    fn settle_behind(&mut self, line: &mut Line, g: &Given, some: &Any) -> bool {
        let dir = self.dir();
        // No more is missing than is wanted.
        let wanted = line.target.saturating_mul(dir).max(0);
        self.ahead = self.ahead.max(wanted.saturating_neg());
        if self.stopped && !some.live {
            return self.give_up(line, self.ahead.saturating_neg());
        }
        if self.ended_ns == 0 {
            return false;
        }
        let refused = std::mem::take(&mut self.refused).saturating_add(std::mem::take(&mut self.rejected));
        let mut gave = self.give_up(line, refused.min(self.ahead.saturating_neg()));
        let market = g.leader_filled == LeaderFilled::MarketAfterS;
        let timed_out = self.timed_out(g);
        if some.live {
            return gave;
        }
        let behind = self.ahead.saturating_neg();
        if market && timed_out {
            // From now on it is like any open that waits.
            line.open_until_ns = line.open_until_ns.max(self.until_ns);
            self.ahead = 0;
        } else if timed_out || (some.lost && !market) {
            gave |= self.give_up(line, behind);
        } else if whole_units(behind, g.grid) < g.grid.min {
            // Too little for an order: it stays in the target, and counts later.
            self.ahead = 0;
        }
        gave
    }

    fn give_up(&mut self, line: &mut Line, q: i128) -> bool {
        let dir = self.dir().saturating_neg();
        toward_zero(&mut line.target, dir, q);
        self.ahead = self.ahead.saturating_add(q).min(0);
        q >= QUANTA
    }

    /// How that comes about, for a reader.
    pub(super) fn part(&self, g: &Given) -> Part {
        let (opening, rest) = (self.opening(g.grid), self.opening_rest(g));
        Part::Open { rule: self.rule, counted: self.counted, opening, rest }
    }

    /// Quanta that its order is to have open, as an open.
    pub(super) fn opening_rest(&self, g: &Given) -> i128 {
        if self.lost || self.timed_out(g) {
            return 0;
        }
        let none = self.refused.saturating_add(self.rejected);
        self.opening(g.grid).saturating_sub(self.ahead).saturating_sub(none).max(0)
    }
}

/// The target that a line is worked for: what mirrors of opens may be ahead is wanted, what they are behind is not wanted yet,
/// and what closes have closed ahead is wanted no more, of one or of the other.
pub(super) fn led(list: &[Mirror], target: i128, g: &Given) -> i128 {
    let closed = list.iter().filter(|m| has_closed(m, g)).fold(0_i128, |sum, m| sum.saturating_add(m.ahead));
    let mut led = opened(list, target, g);
    let against = led.signum().saturating_neg();
    toward_zero(&mut led, against, closed);
    led
}

pub(super) fn has_closed(m: &Mirror, g: &Given) -> bool {
    m.ahead > 0 && !m.opens(g.position)
}

/// The same without what closes have closed ahead.
pub(super) fn opened(list: &[Mirror], target: i128, g: &Given) -> i128 {
    let (mut behind, mut on) = (0_i128, 0_i128);
    for m in list {
        if m.ahead < 0 {
            behind = behind.saturating_sub(m.ahead);
        } else if m.opens(g.position) {
            on = on.saturating_add(m.dir().saturating_mul(m.ahead));
        }
    }
    let mut led = target;
    toward_zero(&mut led, target.signum().saturating_neg(), behind);
    led.saturating_add(on)
}

/// Units that closing mirrors are to have open: never more than the share of what is held that the leader's order has of
/// his position. They are alternatives: each is sized alone.
pub(super) struct Closing {
    /// Held, with what closing mirrors are ahead by; units without sign.
    base: Dec,
    /// The most that may be left to a mirror, units.
    room: Dec,
    long: bool,
}

impl Closing {
    /// Of a line that is worked for `led`.
    pub(super) fn of(list: &[Mirror], line: &Line, led: i128, lane: &Lane, g: &Given) -> Closing {
        let long = line.filled.is_positive();
        let held = abs(line.filled);
        let mine = |m: &&Mirror| m.ahead > 0 && m.buy != long && !m.opens(g.position);
        let ahead = list.iter().filter(mine).fold(0_i128, |sum, m| sum.saturating_add(m.ahead));
        let base = held.checked_add(exact_units(ahead, g.grid)).unwrap_or(held);
        // What opens at the market closes first what is held, where its cancel comes too late.
        let working = if long { line.working_sell } else { line.working_buy };
        let free = held.checked_sub(working).unwrap_or(Dec::ZERO);
        // What is to be held is rounded as everywhere: what that is more than the target is protected too.
        let held =
            Line { target: led, ..line.clone() }.desired(g.grid, lane.rounding, lane.max_inflation, false);
        let side = if long { held } else { Dec::from_raw(held.raw().saturating_neg()) };
        Closing { base, room: free.min(side), long }
    }

    /// The same for a mirror beside others that protect so many units still: it grows no further, and gives up nothing of what it
    /// has open.
    pub(super) fn beside(self, others: Dec, open: Dec) -> Closing {
        Closing { room: self.room.min(less(self.room, others).max(open)), ..self }
    }

    /// For one mirror.
    pub(super) fn rest(&self, m: &Mirror, g: &Given) -> Dec {
        if self.nothing_for(m, g) {
            return Dec::ZERO;
        }
        let (all, done) = self.share_of(m, g);
        let rest = Dec::from_raw(all.raw().saturating_sub(done.raw()));
        rest.min(self.room).max(Dec::ZERO)
    }

    fn nothing_for(&self, m: &Mirror, g: &Given) -> bool {
        m.lost || m.buy == self.long || !m.closes(g.position)
    }

    /// Its share of what is held, and what it has closed of that already.
    fn share_of(&self, m: &Mirror, g: &Given) -> (Dec, Dec) {
        let all = share(self.base.raw(), m.left, abs(g.position));
        (Dec::from_raw(all), exact_units(m.ahead, g.grid))
    }

    /// How its rest comes about, for a reader; where there is nothing that it could close the share is zero.
    pub(super) fn part(&self, m: &Mirror, line: &Line, g: &Given, broker: Option<Dec>) -> Part {
        let (share, done) = if self.nothing_for(m, g) { (Dec::ZERO, Dec::ZERO) } else { self.share_of(m, g) };
        Part::Close { held: line.filled, base: self.base, share, done, room: self.room, broker }
    }
}
