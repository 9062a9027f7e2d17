//! Every check that an open passes, in order. A close passes none of them: a control never blocks a reduce.
//!
//! This list is the one place to add a limit to.

use crate::config::OnBreach;
use crate::decimal::{Dec, Round};
use crate::refusal::{Code, Refusal};

/// Bounds of one follower instrument, units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bounds {
    /// Largest single order.
    pub max_order_qty: Option<Dec>,
    /// Largest value of a single order, in the currency of the instrument's price.
    pub max_order_value: Option<Dec>,
    /// Largest position, counted from orders entered.
    pub max_position: Option<Dec>,
    /// What an open beyond a bound becomes.
    pub on_breach: OnBreach,
}

/// What the checks compare; gathered by the engine, all in units.
#[derive(Clone, Copy, Debug)]
pub struct Open<'a> {
    /// Units that the open asks for.
    pub qty: Dec,
    /// Price of one unit, where a bound asks for it; none without a fresh quote and without a leader's price.
    pub px: Option<Dec>,
    /// The kill switch is on.
    pub killed: bool,
    /// The subscription is paused, or leaves.
    pub life: Option<Code>,
    /// A guard of the follower's equity stopped it, or cannot say what the account is worth.
    pub guard: Option<Refusal>,
    /// The instrument is not permitted.
    pub restricted: bool,
    /// The line waits for an operator after a bust.
    pub bust_hold: bool,
    /// Units on this side that the subscription holds or has entered.
    pub sub_entered: Dec,
    /// Units on this side that all subscriptions of the follower hold or have entered.
    pub follower_entered: Dec,
    /// Bounds of the subscription.
    pub sub: &'a Bounds,
    /// Bounds of the follower.
    pub follower: &'a Bounds,
    /// How far the price may have moved, where that is bounded.
    pub drift: Option<Drift>,
}

/// How far the price moved against the follower since the leader's trade, basis points.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The bound.
    pub limit: Dec,
    /// What was found, 0 where it moved in the follower's favour; none without a leader price or a fresh quote.
    pub found: Option<Dec>,
}

/// The largest open that no bound touches, whatever is held, entered and paid; none where that matters, or nothing may open.
///
/// What is worked out once for a lane spares its usual opens the list below.
#[must_use]
pub fn free_up_to(restricted: bool, sub: &Bounds, follower: &Bounds, drift: bool) -> Option<Dec> {
    let asks = |set: &Bounds| set.max_position.is_some() || set.max_order_value.is_some();
    let largest = [sub.max_order_qty, follower.max_order_qty].into_iter().flatten().min();
    (!restricted && !drift && !asks(sub) && !asks(follower))
        .then(|| largest.unwrap_or(Dec::from_raw(i128::MAX)))
}

/// A check's answer: none lets all pass, else the units that it leaves and why.
type Clip = Option<(Dec, Refusal)>;
type Check = fn(&Open<'_>) -> Clip;

/// The checks, in their documented order; every one sees the whole open, the smallest answer wins.
pub const CHECKS: &[(Code, Check)] = &[
    (Code::Kill, kill),
    (Code::Paused, life),
    (Code::SuspendedEquity, guard),
    (Code::BustHold, bust_hold),
    (Code::Restricted, restricted),
    (Code::MaxOrderQty, max_order_qty),
    (Code::MaxOrderValue, max_order_value),
    (Code::MaxPosition, max_position),
    (Code::Drift, drift),
];

/// Units that may be opened, and every refusal or clip on the way.
pub fn admit(open: &Open<'_>, refusals: &mut impl Extend<Refusal>) -> Dec {
    let mut left = open.qty;
    for (_, check) in CHECKS {
        if let Some((units, refusal)) = check(open) {
            refusals.extend([refusal]);
            left = left.min(units);
            if !left.is_positive() {
                return Dec::ZERO;
            }
        }
    }
    left
}

fn latch(on: bool, code: Code) -> Clip {
    on.then(|| (Dec::ZERO, Refusal::bare(code)))
}

fn kill(o: &Open<'_>) -> Clip {
    latch(o.killed, Code::Kill)
}

fn life(o: &Open<'_>) -> Clip {
    o.life.map(|code| (Dec::ZERO, Refusal::bare(code)))
}

fn guard(o: &Open<'_>) -> Clip {
    o.guard.map(|refusal| (Dec::ZERO, refusal))
}

fn bust_hold(o: &Open<'_>) -> Clip {
    latch(o.bust_hold, Code::BustHold)
}

fn restricted(o: &Open<'_>) -> Clip {
    latch(o.restricted, Code::Restricted)
}

/// The smaller of two answers: the subscription's and the follower's.
fn smaller(a: Clip, b: Clip) -> Clip {
    match (a, b) {
        (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
        (a, b) => a.or(b),
    }
}

fn clip(code: Code, set: &Bounds, limit: Dec, value: Dec, room: Dec) -> Clip {
    let left = if set.on_breach == OnBreach::Refuse { Dec::ZERO } else { room.max(Dec::ZERO) };
    Some((left, Refusal::over(code, limit, value)))
}

fn max_order_qty(o: &Open<'_>) -> Clip {
    let one = |set: &Bounds| {
        let limit = set.max_order_qty.filter(|limit| o.qty > *limit)?;
        clip(Code::MaxOrderQty, set, limit, o.qty, limit)
    };
    smaller(one(o.sub), one(o.follower))
}

/// Without any price nobody can say what it is worth: not opened.
fn max_order_value(o: &Open<'_>) -> Clip {
    let one = |set: &Bounds| {
        let limit = set.max_order_value?;
        let Some(px) = o.px.filter(|px| px.is_positive()) else {
            return Some((Dec::ZERO, Refusal::bare(Code::NoQuote)));
        };
        // What does not fit in a number is beyond every bound.
        let value = o.qty.mul(px, Round::Ceil).unwrap_or(Dec::from_raw(i128::MAX));
        let room = limit.div(px, Round::Down).unwrap_or(o.qty);
        if value <= limit { None } else { clip(Code::MaxOrderValue, set, limit, value, room) }
    };
    smaller(one(o.sub), one(o.follower))
}

fn max_position(o: &Open<'_>) -> Clip {
    let one = |set: &Bounds, entered: Dec| {
        let limit = set.max_position?;
        let room = limit.checked_sub(entered).unwrap_or(Dec::ZERO);
        if o.qty <= room {
            return None;
        }
        clip(Code::MaxPosition, set, limit, entered.checked_add(o.qty).unwrap_or(entered), room)
    };
    smaller(one(o.sub, o.sub_entered), one(o.follower, o.follower_entered))
}

/// Without a fresh quote nobody can say how far it moved: not opened.
fn drift(o: &Open<'_>) -> Clip {
    let Drift { limit, found } = o.drift?;
    let Some(found) = found else { return Some((Dec::ZERO, Refusal::bare(Code::NoQuote))) };
    (found > limit).then(|| (Dec::ZERO, Refusal::over(Code::Drift, limit, found)))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn bounds() -> (Bounds, Bounds) {
        let sub = Bounds { max_order_qty: Some(Dec::from_int(5)), ..Bounds::default() };
        (sub, Bounds { max_position: Some(Dec::from_int(8)), ..Bounds::default() })
    }

    fn open((sub, follower): &(Bounds, Bounds), qty: i64) -> Open<'_> {
        Open {
            qty: Dec::from_int(qty),
            px: None,
            killed: false,
            life: None,
            guard: None,
            restricted: false,
            bust_hold: false,
            sub_entered: Dec::ZERO,
            follower_entered: Dec::from_int(4),
            sub,
            follower,
            drift: None,
        }
    }

    fn run(o: &Open<'_>) -> (Dec, Vec<Code>) {
        let mut r = Vec::new();
        let left = admit(o, &mut r);
        (left, r.into_iter().map(|r| r.code).collect())
    }

    /// The smallest clip wins and every code is recorded.
    #[test]
    fn several_clips_leave_the_smallest_and_all_codes() {
        assert_eq!(run(&open(&bounds(), 3)), (Dec::from_int(3), vec![]));
        assert_eq!(run(&open(&bounds(), 9)), (Dec::from_int(4), vec![Code::MaxOrderQty, Code::MaxPosition]));
    }

    /// `refuse` sends nothing where `clip` would send less.
    #[test]
    fn refuse_sends_nothing() {
        let mut bounds = bounds();
        bounds.0.on_breach = OnBreach::Refuse;
        assert_eq!(run(&open(&bounds, 9)), (Dec::ZERO, vec![Code::MaxOrderQty]));
    }

    proptest::proptest! {
        /// What is free by its lane passes every check whole; only the two latches that a person sets can stop it.
        #[test]
        fn what_is_free_passes_the_whole_list(
            bounds in proptest::collection::vec(proptest::option::of(1_i64..20), 6), restricted: bool, drift: bool,
            qty in 1_i64..25, entered in 0_i64..20, clips: bool,
        ) {
            let set = |order: Option<i64>, position: Option<i64>, value: Option<i64>| Bounds {
                max_order_qty: order.map(Dec::from_int),
                max_position: position.map(Dec::from_int),
                max_order_value: value.map(Dec::from_int),
                on_breach: if clips { OnBreach::Clip } else { OnBreach::Refuse },
            };
            let both = (set(bounds[0], bounds[1], bounds[4]), set(bounds[2], bounds[3], bounds[5]));
            let mut o = open(&both, qty);
            (o.restricted, o.sub_entered, o.follower_entered) = (restricted, Dec::from_int(entered), Dec::from_int(entered));
            o.drift = drift.then_some(Drift { limit: Dec::ONE, found: None });
            if free_up_to(restricted, o.sub, o.follower, drift).is_some_and(|most| o.qty <= most) {
                proptest::prop_assert_eq!(run(&o), (o.qty, vec![]));
            }
            let nothing_set = bounds.iter().all(Option::is_none) && !restricted && !drift;
            proptest::prop_assert!(!nothing_set || free_up_to(restricted, o.sub, o.follower, drift).is_some());
        }
    }

    /// At the bound it may be opened, above it not, and not where nobody knows.
    #[test]
    fn a_price_that_moved_too_far_or_is_not_known_opens_nothing() {
        let bounds = <(Bounds, Bounds)>::default();
        let found = |found: Option<i64>| {
            let drift = Some(Drift { limit: Dec::from_int(5), found: found.map(Dec::from_int) });
            run(&Open { drift, ..open(&bounds, 3) })
        };
        assert_eq!(found(Some(5)), (Dec::from_int(3), vec![]));
        assert_eq!(found(Some(6)), (Dec::ZERO, vec![Code::Drift]));
        assert_eq!(found(None), (Dec::ZERO, vec![Code::NoQuote]));
    }

    /// At 3 a unit an order worth 10 is 3 units and a rest; at the bound it passes, and without a price nothing does.
    #[test]
    fn an_order_worth_too_much_is_cut_to_its_value() {
        let of = |on_breach, limit| Bounds {
            max_order_value: Some(Dec::from_int(limit)),
            on_breach,
            ..Bounds::default()
        };
        let found = |px: Option<i64>, qty, on_breach| {
            let bounds = (of(on_breach, 12), of(OnBreach::Clip, 10));
            run(&Open { px: px.map(Dec::from_int), ..open(&bounds, qty) })
        };
        assert_eq!(found(Some(2), 5, OnBreach::Clip), (Dec::from_int(5), vec![]));
        let (left, codes) = found(Some(3), 9, OnBreach::Clip);
        assert_eq!(
            (left, codes),
            (Dec::from_int(10).div(Dec::from_int(3), Round::Down).unwrap(), vec![Code::MaxOrderValue])
        );
        assert_eq!(found(Some(3), 9, OnBreach::Refuse), (Dec::ZERO, vec![Code::MaxOrderValue]));
        assert_eq!(found(None, 1, OnBreach::Clip), (Dec::ZERO, vec![Code::NoQuote]));
        assert_eq!(found(Some(i64::MAX), i64::MAX, OnBreach::Clip).1, vec![Code::MaxOrderValue]);
    }

    /// The kill switch is the first check.
    #[test]
    fn the_kill_switch_comes_first() {
        let bounds = bounds();
        let mut o = open(&bounds, 9);
        o.killed = true;
        o.restricted = true;
        assert_eq!(run(&o), (Dec::ZERO, vec![Code::Kill]));
    }
}
