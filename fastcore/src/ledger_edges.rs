//! Where one answer of the ledger becomes another: the last number that is one, and the first that is not.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use super::*;
use Rounding::{Hold, MinLotIfNonzero, Nearest, TowardZero};

fn d(t: &str) -> Dec {
    Dec::parse(t.as_bytes()).unwrap()
}

fn grid(step: &str, min: &str) -> Grid {
    Grid { step: d(step), min: d(min) }
}

/// Its units decide, rounded away from zero: the bound itself fits, the least beyond it does not.
#[test]
fn a_target_fits_up_to_the_bound_and_not_beyond() {
    let two = grid("2", "2");
    assert!(fits(1 << 124, two) && fits(-(1 << 124), two), "2 x 2^124 is the bound");
    assert!(!fits((1 << 124) + 1, two) && !fits(-(1 << 124) - 1, two));
    // A quantum is 10⁻¹⁸ unit more than one of these: the last that fits ends within a unit of the bound.
    let odd = Grid { step: Dec::from_raw(QUANTA + 1), min: Dec::ONE };
    let last = mul_div(UNITS_MAX, QUANTA, odd.step.raw(), Round::Down).unwrap();
    assert!(fits(last, odd) && !fits(last + 1, odd));
}

/// Sums of a few targets fit their type only while each is below 2¹²⁵ quanta, however small its units are.
#[test]
fn a_target_has_no_more_quanta_than_sums_have_room_for() {
    let tiny = Grid { step: Dec::from_raw(1), min: Dec::from_raw(1) };
    assert!(fits(UNITS_MAX - 1, tiny) && !fits(UNITS_MAX, tiny));
    let largest = Grid { step: Grid::MIN_MAX, min: Grid::MIN_MAX };
    assert!(fits(4 * QUANTA, largest) && !fits(5 * QUANTA, largest), "40 and 50 x 10^18 units");
    assert!(!fits(UNITS_MAX - 1, largest), "their product leaves every type");
}

/// A third of a step and what a reduce leaves are nearest to what they should be: neither drifts towards zero.
#[test]
fn quanta_are_rounded_to_the_nearest() {
    assert_eq!(quanta(d("2"), grid("3", "3")), Some(666_666_666_666_666_667));
    assert_eq!(quanta(d("-2"), grid("3", "3")), Some(-666_666_666_666_666_667));
    assert_eq!(reduced(5, d("3"), d("2")), 2);
    assert_eq!(reduced(-5, d("3"), d("2")), -2);
}

/// 02: within 10⁻⁶ step below a whole number a target is that number, and not further away; of either sign.
#[test]
fn a_millionth_of_a_step_below_a_whole_number_is_that_number() {
    for (below, steps) in [(0, 3), (SNAP, 3), (SNAP + 1, 2)] {
        assert_eq!(steps_toward_zero(3 * QUANTA - below), steps);
        assert_eq!(steps_toward_zero(below - 3 * QUANTA), -steps);
    }
    assert_eq!(steps_toward_zero(3 * QUANTA + SNAP), 3);
}

/// A target of a millionth of a step is none: what is held is closed. Of more, a part fill is kept.
#[test]
fn a_target_of_a_millionth_of_a_step_is_none() {
    for sign in [1, -1] {
        let mut line =
            Line { target: sign * SNAP, filled: Dec::from_int(2 * sign as i64), ..Line::default() };
        let all = neg_if(sign > 0, d("2"));
        assert_eq!(line.plan(grid("1", "5"), TowardZero, d("3"), 0).reduce, all);
        line = Line { target: sign * (SNAP + 1), filled: line.filled, ..Line::default() };
        assert_eq!(line.plan(grid("1", "5"), TowardZero, d("3"), 0).need, Dec::ZERO);
    }
}

/// Less than a minimum lot cannot be sold: above one, one stays to be closed whole; below one, what is there stays.
#[test]
fn a_position_above_the_minimum_lot_goes_down_by_no_less_than_it() {
    let found = |filled: &str| {
        let line = Line { target: QUANTA, filled: d(filled), ..Line::default() };
        line.desired(grid("1", "10"), MinLotIfNonzero, d("3"), true)
    };
    for (filled, stays) in [("9", "9"), ("10", "10"), ("11", "1"), ("19", "9"), ("20", "10"), ("25", "10")] {
        assert_eq!(found(filled), d(stays), "of {filled}");
    }
}

/// The smallest lot stands for less than it only in the window of an increase, without a bust that waits, and where
/// nothing of that increase was refused or lost; the window ends at its time, not after it.
#[test]
fn the_smallest_lot_needs_a_window_and_nothing_against_it() {
    let now_ns = 100;
    let opens = |open_until_ns, bust_hold, declined| {
        let mut line = Line { target: 4 * QUANTA, open_until_ns, bust_hold, declined, ..Line::default() };
        let held = line.held(grid("1", "10"), MinLotIfNonzero, d("3"), now_ns).rounded;
        let need = line.plan(grid("1", "10"), MinLotIfNonzero, d("3"), now_ns).need;
        assert_eq!(held, need, "what is explained is what is done");
        need == d("10")
    };
    assert!(opens(101, false, false));
    assert!(!opens(100, false, false));
    assert!(!opens(101, true, false));
    assert!(!opens(101, false, true));
}

/// `max_inflation` itself is allowed; what it allows is rounded down, and beyond every number it allows all.
#[test]
fn the_smallest_lot_may_be_as_much_more_as_max_inflation_says() {
    let opens = |target, max_inflation| {
        let line = Line { target, ..Line::default() };
        line.desired(grid("1", "10"), MinLotIfNonzero, d(max_inflation), true) == d("10")
    };
    assert!(opens(4 * QUANTA, "2.5"));
    assert!(!opens(4 * QUANTA - 1, "2.5"));
    assert!(!opens(5_263_157_894_736_842_105, "1.9"), "ten steps without half a quantum");
    assert!(opens(4 * QUANTA, "100000000000000000000"));
}

/// `hold`: only whole steps beyond what is committed move it, up and down, and the odd ones stay.
#[test]
fn hold_moves_by_the_whole_steps_beyond_what_is_committed() {
    let need = |halves: i128, filled, working| {
        let mut line = Line { target: halves * QUANTA / 2, filled: d(filled), ..Line::default() };
        line.working_buy = d(working);
        line.desired(grid("1", "1"), Hold, d("3"), true)
    };
    assert_eq!(need(25, "10", "0"), d("12"));
    assert_eq!(need(21, "10", "0"), d("10"));
    assert_eq!(need(19, "10", "0"), d("10"));
    assert_eq!(need(17, "10", "0"), d("9"));
    assert_eq!(need(25, "8", "2"), d("12"));
}

/// The largest target that fits is worked, up to the bound itself.
#[test]
fn the_bound_of_a_line_can_be_reached() {
    let g = Grid { step: Dec::from_raw(1 << 60), min: Dec::from_raw(1 << 60) };
    let line = Line { target: (1 << 65) * QUANTA, ..Line::default() };
    assert!(fits(line.target, g));
    assert_eq!(line.desired(g, TowardZero, d("3"), true).raw(), UNITS_MAX);
}

/// The least that a broker can fill is closed, or waits to be; as a part of a step it counts against the target.
#[test]
fn the_least_quantity_counts() {
    let least = Dec::from_raw(1);
    let mut line = Line { filled: least, ..Line::default() };
    assert_eq!(line.plan(grid("1", "1"), TowardZero, d("3"), 0).reduce, Dec::from_raw(-1));
    line.unknown = 1;
    assert!(line.plan(grid("1", "1"), TowardZero, d("3"), 0).close_waits);
    let two = Grid { step: Dec::from_raw(2), min: Dec::from_raw(2) };
    line = Line { target: QUANTA * 5 / 4, filled: least, open_until_ns: 1, ..Line::default() };
    assert_eq!(
        line.plan(two, TowardZero, d("3"), 0).need,
        Dec::ZERO,
        "half a step is held, and 3/4 more are none"
    );
}

/// Nothing is taken off a target that has no odd rest beside it: a quantum above a tie is nearer to the next step.
#[test]
fn without_an_odd_rest_the_whole_target_is_rounded() {
    let line = Line { target: QUANTA * 3 / 2 + 1, ..Line::default() };
    assert_eq!(line.desired(grid("1", "1"), Nearest, d("3"), true), d("2"));
}

/// Draining is of a target below the smallest lot, however little it is; of a flat leader it is none, so that what is
/// asked for again may stand.
#[test]
fn a_flat_leaders_close_is_no_draining() {
    let mut line = Line { filled: d("2"), ..Line::default() };
    line.plan(grid("1", "5"), TowardZero, d("3"), 0);
    assert!(!line.draining);
    line.target = 1;
    line.plan(grid("1", "5"), TowardZero, d("3"), 0);
    assert!(line.draining);
}

/// What is explained is what the plan starts from.
#[test]
fn what_is_held_is_told_as_it_is() {
    let line = Line {
        target: -7 * QUANTA,
        filled: d("-2"),
        working_buy: d("3"),
        working_sell: d("4"),
        ..Line::default()
    };
    let held = line.held(grid("1", "1"), TowardZero, d("3"), 0);
    let want = Held { rounded: d("-7"), filled: d("-2"), working_buy: d("3"), working_sell: d("4") };
    assert_eq!(held, want);
}

/// Nothing works and nothing is open: one of the four is enough to say that something is.
#[test]
fn a_line_is_quiet_without_orders_doubts_and_cancels() {
    assert!(Line { filled: d("5"), target: QUANTA, ..Line::default() }.quiet());
    assert!(!Line { working_buy: d("1"), ..Line::default() }.quiet());
    assert!(!Line { working_sell: d("1"), ..Line::default() }.quiet());
    assert!(!Line { unknown: 1, ..Line::default() }.quiet());
    assert!(!Line { cancels: 1, ..Line::default() }.quiet());
}

/// Nothing that is lost takes nothing off the target, and does not count as lost.
#[test]
fn a_loss_of_nothing_changes_nothing() {
    let line = Line { target: 5 * QUANTA, ..Line::default() };
    for m in [Dec::ZERO, d("-3")] {
        let mut after = line.clone();
        after.lower(m, grid("1", "1"), TowardZero, d("3"));
        assert_eq!(after, line);
    }
    let mut flat = Line::default();
    flat.lower(d("3"), grid("1", "1"), TowardZero, d("3"));
    assert_eq!(flat, Line::default());
}

proptest::proptest! {
    /// Whatever the rounding and whatever is held: an increase on the way away from zero is called whole, so that nobody
    /// divides again, except where the smallest lot decides.
    #[test]
    fn an_increase_beyond_the_smallest_lot_is_called_whole(
        target in 5_i64..40, part in 0_i64..10, halves in 0_i64..60, short: bool, policy in 0_usize..3,
    ) {
        let sign = if short { -1 } else { 1 };
        let mut line = Line {
            target: i128::from(sign) * (QUANTA * i128::from(target) + QUANTA / 10 * i128::from(part)),
            filled: Dec::from_raw(i128::from(sign * halves) * Dec::ONE.raw() / 2),
            open_until_ns: 1,
            ..Line::default()
        };
        let plan = line.plan(grid("1", "1"), [TowardZero, Nearest, Hold][policy], d("3"), 0);
        proptest::prop_assert!(plan.whole || plan.increase.is_zero(), "{:?} {:?}", line, plan);
    }
}
