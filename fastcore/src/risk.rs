//! Every check that an open passes, in order. A close passes none of them: a control never blocks a reduce.
//!
//! This list is the one place to add a limit to.

use crate::config::OnBreach;
use crate::decimal::Dec;
use crate::refusal::{Code, Refusal};

/// Bounds of one follower instrument, units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bounds {
    /// Largest single order.
    pub max_order_qty: Option<Dec>,
    /// Largest position, counted from orders entered.
    pub max_position: Option<Dec>,
    /// What an open beyond a bound becomes.
    pub on_breach: OnBreach,
}

/// What the checks compare; gathered by the engine, all in units.
#[derive(Clone, Copy, Debug)]
pub struct Open {
    /// Units that the open asks for.
    pub qty: Dec,
    /// The kill switch is on.
    pub killed: bool,
    /// The instrument is not permitted.
    pub restricted: bool,
    /// The line waits for an operator after a bust.
    pub bust_hold: bool,
    /// Units on this side that the subscription holds or has entered.
    pub sub_entered: Dec,
    /// Units on this side that all subscriptions of the follower hold or have entered.
    pub follower_entered: Dec,
    /// Bounds of the subscription.
    pub sub: Bounds,
    /// Bounds of the follower.
    pub follower: Bounds,
}

/// What a check makes of an open: the units it leaves.
type Check = fn(&Open) -> Result<Dec, (Dec, Refusal)>;

/// The checks, in their documented order; every one sees the whole open, the smallest answer wins.
pub const CHECKS: &[(Code, Check)] = &[
    (Code::Kill, kill),
    (Code::BustHold, bust_hold),
    (Code::Restricted, restricted),
    (Code::MaxOrderQty, max_order_qty),
    (Code::MaxPosition, max_position),
];

/// Units that may be opened, and every refusal or clip on the way.
pub fn admit(open: &Open, refusals: &mut impl Extend<Refusal>) -> Dec {
    let mut left = open.qty;
    for (_, check) in CHECKS {
        match check(open) {
            Ok(units) => left = left.min(units),
            Err((units, refusal)) => {
                refusals.extend([refusal]);
                left = left.min(units);
            }
        }
        if !left.is_positive() {
            return Dec::ZERO;
        }
    }
    left
}

fn kill(o: &Open) -> Result<Dec, (Dec, Refusal)> {
    if o.killed { Err((Dec::ZERO, Refusal::bare(Code::Kill))) } else { Ok(o.qty) }
}

fn bust_hold(o: &Open) -> Result<Dec, (Dec, Refusal)> {
    if o.bust_hold { Err((Dec::ZERO, Refusal::bare(Code::BustHold))) } else { Ok(o.qty) }
}

fn restricted(o: &Open) -> Result<Dec, (Dec, Refusal)> {
    if o.restricted { Err((Dec::ZERO, Refusal::bare(Code::Restricted))) } else { Ok(o.qty) }
}

fn bounded(
    code: Code,
    o: &Open,
    set: &Bounds,
    limit: Dec,
    value: Dec,
    room: Dec,
) -> Result<Dec, (Dec, Refusal)> {
    if o.qty <= room {
        return Ok(o.qty);
    }
    let left = if set.on_breach == OnBreach::Refuse { Dec::ZERO } else { room.max(Dec::ZERO) };
    Err((left, Refusal::over(code, limit, value)))
}

fn smaller(a: Result<Dec, (Dec, Refusal)>, b: Result<Dec, (Dec, Refusal)>) -> Result<Dec, (Dec, Refusal)> {
    let units = |r: &Result<Dec, (Dec, Refusal)>| r.as_ref().map_or_else(|e| e.0, |u| *u);
    if units(&b) < units(&a) { b } else { a }
}

fn max_order_qty(o: &Open) -> Result<Dec, (Dec, Refusal)> {
    let one = |set: &Bounds| match set.max_order_qty {
        Some(limit) => bounded(Code::MaxOrderQty, o, set, limit, o.qty, limit),
        None => Ok(o.qty),
    };
    smaller(one(&o.sub), one(&o.follower))
}

fn max_position(o: &Open) -> Result<Dec, (Dec, Refusal)> {
    let one = |set: &Bounds, entered: Dec| match set.max_position {
        Some(limit) => {
            let room = limit.checked_sub(entered).unwrap_or(Dec::ZERO);
            let value = entered.checked_add(o.qty).unwrap_or(entered);
            bounded(Code::MaxPosition, o, set, limit, value, room)
        }
        None => Ok(o.qty),
    };
    smaller(one(&o.sub, o.sub_entered), one(&o.follower, o.follower_entered))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn open(qty: i64) -> Open {
        let sub = Bounds { max_order_qty: Some(Dec::from_int(5)), ..Bounds::default() };
        let follower = Bounds { max_position: Some(Dec::from_int(8)), ..Bounds::default() };
        Open {
            qty: Dec::from_int(qty),
            killed: false,
            restricted: false,
            bust_hold: false,
            sub_entered: Dec::ZERO,
            follower_entered: Dec::from_int(4),
            sub,
            follower,
        }
    }

    fn run(o: &Open) -> (Dec, Vec<Code>) {
        let mut r = Vec::new();
        let left = admit(o, &mut r);
        (left, r.into_iter().map(|r| r.code).collect())
    }

    /// The smallest clip wins and every code is recorded.
    #[test]
    fn several_clips_leave_the_smallest_and_all_codes() {
        assert_eq!(run(&open(3)), (Dec::from_int(3), vec![]));
        assert_eq!(run(&open(9)), (Dec::from_int(4), vec![Code::MaxOrderQty, Code::MaxPosition]));
    }

    /// `refuse` sends nothing where `clip` would send less.
    #[test]
    fn refuse_sends_nothing() {
        let mut o = open(9);
        o.sub.on_breach = OnBreach::Refuse;
        assert_eq!(run(&o), (Dec::ZERO, vec![Code::MaxOrderQty]));
    }

    /// The kill switch is the first check.
    #[test]
    fn the_kill_switch_comes_first() {
        let mut o = open(9);
        o.killed = true;
        o.restricted = true;
        assert_eq!(run(&o), (Dec::ZERO, vec![Code::Kill]));
    }
}
