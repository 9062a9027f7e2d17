#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]
use super::*;

fn d(t: &str) -> Dec {
    Dec::parse(t.as_bytes()).unwrap()
}
fn grid(step: &str, min: &str) -> Grid {
    Grid { step: d(step), min: d(min) }
}
fn steps(n: i128) -> i128 {
    n * QUANTA
}
fn plan(line: &mut Line, g: Grid) -> Plan {
    line.plan(g, Rounding::TowardZero, d("3"), 0)
}

/// 02: with 10⁻¹² units, 0.01 lot filled in three thirds gave 0 lots.
#[test]
fn three_thirds_of_a_step_are_one_step() {
    let third = quanta(d("333.333333333333333333"), grid("1000", "1000")).unwrap();
    let line = Line { target: third * 3, ..Line::default() };
    assert_eq!(line.desired(grid("1000", "1000"), Rounding::TowardZero, d("3"), true), d("1000"));
}

/// 02: buy 10 in flight, leader flat, sell 10 sent, buy rejected: follower short 10.
#[test]
fn a_close_is_never_sized_on_an_unfilled_buy() {
    let mut line = Line { working_buy: d("10"), ..Line::default() };
    let p = plan(&mut line, grid("1", "1"));
    assert_eq!((p.reduce, p.increase, p.cancel_buy), (Dec::ZERO, Dec::ZERO, d("10")));
}

/// 02 step 4: follower stopped out, T kept: the leader's next +1 sent +11.
#[test]
fn what_is_lost_is_not_opened_again_by_the_next_increase() {
    let g = grid("1", "1");
    let mut line = Line { target: steps(10), ..Line::default() };
    line.lower(d("10"), g, Rounding::TowardZero, d("3"));
    assert_eq!(line.target, 0);
    line.target += steps(1);
    line.open_until_ns = 1;
    assert_eq!(plan(&mut line, g).increase, d("1"));
}

/// A residue below one step survives a refusal and counts later.
#[test]
fn a_refusal_keeps_the_residue() {
    let mut line = Line { target: steps(10) + QUANTA / 2, ..Line::default() };
    line.lower(d("10"), grid("1", "1"), Rounding::TowardZero, d("3"));
    assert_eq!(line.target, QUANTA / 2);
}

/// P = 0 gives T = 0 exactly, whatever the rounding before.
#[test]
fn a_flat_leader_makes_the_target_exactly_zero() {
    assert_eq!(reduced(123_456_789, d("0.3"), d("0.3")), 0);
    assert_eq!(reduced(steps(10), d("-4"), d("1")), steps(10) * 3 / 4);
}

/// A flip is a reduce to zero, then an increase.
#[test]
fn a_flip_splits_at_zero() {
    assert_eq!(split(d("10"), d("-25")), (d("10"), d("15")));
    assert_eq!(split(d("-10"), d("4")), (d("4"), Dec::ZERO));
    assert_eq!(split(Dec::ZERO, d("-4")), (Dec::ZERO, d("4")));
}

/// Crossing zero is a close and an open; both go the same way and may go at once.
#[test]
fn crossing_zero_is_two_orders() {
    let mut line = Line { target: -steps(10), filled: d("10"), open_until_ns: 1, ..Line::default() };
    let p = plan(&mut line, grid("1", "1"));
    assert_eq!((p.reduce, p.increase, p.blocked), (d("-10"), d("-10"), false));
}

/// A broker that fills less than a step: whole steps lead to positions with the same odd rest, so the nearest of them
/// is wanted; else the follower would stay more than a step away from its target.
#[test]
fn a_position_off_the_grid_is_worked_in_whole_steps() {
    let g = grid("2", "2");
    let mut line =
        Line { target: -steps(16) - QUANTA * 2 / 3, filled: d("-31"), open_until_ns: 1, ..Line::default() };
    assert_eq!(plan(&mut line, g).increase, d("-2"));
    line.filled = d("-33");
    assert_eq!(plan(&mut line, g).need, Dec::ZERO);
    line.target = -steps(2);
    assert_eq!(plan(&mut line, g).reduce, d("30"));
    line.target = 0;
    assert_eq!(plan(&mut line, g).reduce, d("33"));
}

/// A target nearer to zero than the odd rest that is held: there is no whole step to it, so everything is closed.
#[test]
fn a_target_below_the_odd_rest_closes_everything() {
    let mut line = Line { target: QUANTA * 5 / 9, filled: d("5"), ..Line::default() };
    assert_eq!(line.plan(grid("3", "3"), Rounding::Nearest, d("3"), 0).reduce, d("-5"));
}

/// `hold`: small give-and-take does not churn, the target 0 closes.
#[test]
fn hold_waits_for_a_whole_step() {
    let g = grid("1", "1");
    let mut line = Line { target: steps(10) - QUANTA / 2, filled: d("10"), ..Line::default() };
    assert_eq!(line.plan(g, Rounding::Hold, d("3"), 0).need, Dec::ZERO);
    line.target = 0;
    assert_eq!(line.plan(g, Rounding::Hold, d("3"), 0).reduce, d("-10"));
}

/// `nearest` rounds ties toward zero.
#[test]
fn nearest_breaks_ties_toward_zero() {
    assert_eq!(steps_nearest(steps(1) + QUANTA / 2), 1);
    assert_eq!(steps_nearest(-(steps(1) + QUANTA / 2)), -1);
    assert_eq!(steps_nearest(steps(1) + QUANTA / 2 + 2 * SNAP), 2);
}

/// A reduce below the minimum lot closes all, and goes on closing after a part fill.
#[test]
fn a_reduce_below_the_minimum_lot_closes_everything() {
    let g = grid("1", "5");
    let mut line = Line { target: steps(3), filled: d("8"), ..Line::default() };
    assert_eq!(plan(&mut line, g).reduce, d("-8"));
    line.filled = d("2");
    assert_eq!(plan(&mut line, g).reduce, d("-2"));
}

/// A part fill below the minimum lot is held until the target is 0.
#[test]
fn a_part_fill_below_the_minimum_lot_is_held() {
    let g = grid("1", "5");
    let mut line = Line { target: steps(2), filled: d("2"), ..Line::default() };
    assert_eq!(plan(&mut line, g).need, Dec::ZERO);
    line.target = 0;
    assert_eq!(plan(&mut line, g).reduce, d("-2"));
}

/// `min_lot_if_nonzero` opens the minimum only when an increase caused it and the inflation is allowed.
#[test]
fn min_lot_if_nonzero_respects_max_inflation() {
    let g = grid("1", "10");
    let mut line = Line { target: steps(4), open_until_ns: 1, ..Line::default() };
    assert_eq!(line.plan(g, Rounding::MinLotIfNonzero, d("3"), 0).increase, d("10"));
    line.target = steps(3);
    assert_eq!(line.plan(g, Rounding::MinLotIfNonzero, d("3"), 0).increase, Dec::ZERO);
    line.filled = d("10");
    assert_eq!(line.plan(g, Rounding::MinLotIfNonzero, d("3"), 0).need, Dec::ZERO);
}

proptest::proptest! {
    /// The inflation is named exactly where it alone keeps the smallest lot back: a higher bound would open it.
    #[test]
    fn inflation_is_told_where_a_higher_bound_would_open(
        target in -30_i64..30, filled in -30_i64..30, buy in 0_i64..20, sell in 0_i64..20, max in 1_i64..6, now in 0_i64..2,
        bust_hold: bool,
    ) {
        let (g, max) = (grid("1", "10"), Dec::from_int(max));
        let mut line = Line { target: steps(i128::from(target)), filled: Dec::from_int(filled), working_buy: Dec::from_int(buy),
            working_sell: Dec::from_int(sell), open_until_ns: 1, bust_hold, ..Line::default() };
        let told = line.inflated(g, max, now);
        let open = |line: &mut Line, max| line.plan(g, Rounding::MinLotIfNonzero, max, now).need;
        let (now_need, any) = (open(&mut line, max), open(&mut line, d("1000000")));
        proptest::prop_assert_eq!(told.is_some(), now_need != any, "{:?}", line);
        if let Some(times) = told {
            proptest::prop_assert_eq!(open(&mut line, times), any, "at that bound it opens");
        }
    }
}

/// An unknown order holds the close back: it may be the close.
#[test]
fn an_unknown_order_holds_the_reduce() {
    let mut line = Line { filled: d("5"), unknown: 1, ..Line::default() };
    assert_eq!(plan(&mut line, grid("1", "1")).reduce, Dec::ZERO);
}

proptest::proptest! {
    /// Where the plan says that its increase is whole, dividing again would change nothing.
    #[test]
    fn an_increase_that_is_called_whole_is_whole_steps(
        target in -40_i64..40, part in 0_i64..10, filled in -60_i64..60, buy in 0_i64..60, sell in 0_i64..60,
        closing in 0_i64..20, policy in 0_usize..4, min in 1_i128..4,
    ) {
        use Rounding::{Hold, MinLotIfNonzero, Nearest, TowardZero};
        let half = |n: i64| Dec::from_raw(i128::from(n) * Dec::ONE.raw() / 2);
        let g = Grid { step: Dec::ONE, min: Dec::from_raw(min * Dec::ONE.raw()) };
        let mut line = Line {
            target: steps(i128::from(target)) + QUANTA / 10 * i128::from(part), filled: half(filled),
            working_buy: half(buy), working_sell: half(sell), closing_buy: half(closing.min(buy)),
            open_until_ns: 1, ..Line::default()
        };
        let plan = line.plan(g, [TowardZero, Nearest, Hold, MinLotIfNonzero][policy], d("3"), 0);
        proptest::prop_assert!(!plan.whole || plan.increase.raw() % Dec::ONE.raw() == 0, "{:?} {:?}", line, plan);
    }
}

/// Beyond what a line counts to, its numbers stay where they are and keep their signs.
#[test]
fn no_quantity_of_a_line_passes_its_bound() {
    let most = Dec::from_raw(UNITS_MAX);
    let mut line = Line::default();
    (0..3).for_each(|_| line.add_working(true, true, most));
    (0..3).for_each(|_| line.add_filled(Dec::from_raw(-UNITS_MAX)));
    assert_eq!((line.working_buy, line.closing_buy, line.filled.raw()), (most, most, -UNITS_MAX));
}

proptest::proptest! {
    /// However large its numbers are: a plan is the difference to what is filled, closes no more than that, and asks for
    /// no more than is missing.
    #[test]
    fn the_largest_numbers_are_planned_as_the_small_ones(
        target in proptest::prop_oneof![-9..9_i128, proptest::prelude::Just(i128::MAX / 4), proptest::prelude::Just(i128::MIN / 4)],
        quantities in proptest::collection::vec(proptest::prop_oneof![0..9_i128, UNITS_MAX - 9..=UNITS_MAX], 5),
        short: bool, policy in 0_usize..4, step in proptest::prop_oneof![1..9_i128, proptest::prelude::Just(Grid::MIN_MAX.raw())],
    ) {
        use Rounding::{Hold, MinLotIfNonzero, Nearest, TowardZero};
        let [filled, buy, sell, closing_buy, closing_sell] = quantities[..] else { unreachable!() };
        let filled = if short { -filled } else { filled };
        let mut line = Line {
            target, filled: Dec::from_raw(filled), working_buy: Dec::from_raw(buy), working_sell: Dec::from_raw(sell),
            closing_buy: Dec::from_raw(closing_buy.min(buy)), closing_sell: Dec::from_raw(closing_sell.min(sell)),
            open_until_ns: 1, ..Line::default()
        };
        let g = Grid { step: Dec::from_raw(step), min: Dec::from_raw(step) };
        let policy = [TowardZero, Nearest, Hold, MinLotIfNonzero][policy];
        let desired = line.desired(g, policy, d("3"), true);
        let plan = line.plan(g, policy, d("3"), 0);
        proptest::prop_assert_eq!(Some(plan.need), desired.checked_sub(line.filled));
        let (reduce, increase) = (plan.reduce.raw(), plan.increase.raw());
        proptest::prop_assert!(reduce == 0 || (reduce < 0) != short && abs(plan.reduce) <= abs(line.filled));
        let asked = reduce.unsigned_abs() + increase.unsigned_abs();
        proptest::prop_assert!(asked <= plan.need.raw().unsigned_abs(), "{:?} {:?}", line, plan);
    }
}
