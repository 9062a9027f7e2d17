//! Opens that wait on one line: how much, and until when. Each leader increase has its own window (design 02, step 3c):
//! what was asked for early does not live longer because something was asked for late.

use crate::decimal::Dec;
use crate::ledger::abs;

/// Signed units by the end of their window, the oldest first; all of one side.
pub(super) type Windows = Vec<(i64, Dec)>;

/// Adds `units` whose window ends at `until_ns`. What waits on the other side was asked for later: it stays, and an order
/// that was withdrawn for it is not wanted any more.
pub(super) fn insert(list: &mut Windows, until_ns: i64, units: Dec) {
    let other = list.first().is_some_and(|w| w.1.signum() != units.signum());
    if units.is_zero() || other {
        return;
    }
    let at = list.partition_point(|w| w.0 <= until_ns);
    list.insert(at, (until_ns, units));
}

/// Makes the list sum up to `wanted`. What is missing was asked for last, and its window is the newest; what is too
/// much is taken from the newest, so that nothing old gains time.
pub(super) fn trim(list: &mut Windows, wanted: Dec, newest_ns: i64) {
    list.retain(|w| w.1.signum() == wanted.signum());
    let mut left = wanted;
    for w in list.iter_mut() {
        if abs(w.1) > abs(left) {
            w.1 = left;
        }
        left = left.checked_sub(w.1).unwrap_or(Dec::ZERO);
    }
    list.retain(|w| !w.1.is_zero());
    insert(list, newest_ns, left);
}

/// Takes out what waits no longer: its size without sign, and the end of the next window (0: none).
pub(super) fn take_late(list: &mut Windows, now_ns: i64) -> (Dec, i64) {
    let late = list.partition_point(|w| w.0 <= now_ns);
    let sum = list.drain(..late).fold(Dec::ZERO, |sum, w| sum.checked_add(abs(w.1)).unwrap_or(sum));
    (sum, list.first().map_or(0, |w| w.0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn dec(n: i64) -> Dec {
        Dec::from_int(n)
    }

    /// Nothing old gains time, whatever is asked for next.
    #[test]
    fn what_is_wanted_no_more_goes_from_the_newest() {
        let mut list = vec![(10, dec(5)), (20, dec(3))];
        trim(&mut list, dec(6), 30);
        assert_eq!(list, [(10, dec(5)), (20, dec(1))]);
        trim(&mut list, dec(8), 30);
        assert_eq!(list, [(10, dec(5)), (20, dec(1)), (30, dec(2))]);
        assert_eq!(take_late(&mut list, 20), (dec(6), 30));
        trim(&mut list, dec(-4), 40);
        assert_eq!(list, [(40, dec(-4))], "the other side has no part in it");
    }

    proptest! {
        /// The list is the quantity that is wanted, in order of the windows, and no part outlives the window it had.
        #[test]
        fn the_windows_sum_up_to_what_is_wanted(steps in prop::collection::vec((1_i64..100, -20_i64..20), 1..30)) {
            let mut list = Windows::new();
            let mut now = 0;
            for (more, wanted) in steps {
                let newest = now + 50 + more;
                let before: i64 = list.iter().filter(|w| w.0 <= newest).map(|w| w.0).min().unwrap_or(newest);
                trim(&mut list, dec(wanted), newest);
                let sum = list.iter().fold(Dec::ZERO, |s, w| s.checked_add(w.1).unwrap());
                prop_assert_eq!(sum, dec(wanted));
                prop_assert!(list.is_sorted_by_key(|w| w.0));
                prop_assert!(list.iter().all(|w| w.0 >= before && w.0 <= newest.max(before)));
                now += more;
                let (late, next) = take_late(&mut list, now);
                prop_assert!(!late.is_negative() && list.iter().all(|w| w.0 > now) && (next > now || list.is_empty()));
            }
        }
    }
}
