//! The journal's time: the wall clock, but always later than the last row, also where the clock was put back.
//!
//! While the clock is behind, time goes on at half its speed until the clock is there again. Standing still instead, a
//! deadline would not come for as long as the clock was put back.

/// Half the speed: whoever waits, waits twice as long, and what was put back by ten seconds is made up for in twenty.
const SLOWER: i64 = 2;
/// What passes between two looks at most. The clock is read before the lock is taken, so a reading may be older than one
/// that came first; across a step back it would look like as much time as the step.
const BETWEEN_LOOKS_NS: i64 = 1_000_000_000;

/// Reads no clock: it is told what the clock says, ten times a second and with every row.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rising {
    /// Time of the last row.
    last_ns: i64,
    /// The journal's time at the last look.
    now_ns: i64,
    /// What the clock said then.
    wall_ns: Option<i64>,
}

impl Rising {
    /// Behind the last row of a journal.
    pub(crate) const fn behind(last_ns: i64) -> Self {
        Self { last_ns, now_ns: last_ns, wall_ns: None }
    }

    /// What the clock says now.
    pub(crate) fn look(&mut self, wall_ns: i64) {
        let before = self.wall_ns.unwrap_or(wall_ns);
        if wall_ns < self.now_ns {
            let passed = wall_ns.saturating_sub(before).clamp(0, BETWEEN_LOOKS_NS);
            self.now_ns = self.now_ns.saturating_add(passed / SLOWER);
        }
        self.now_ns = self.now_ns.max(wall_ns);
        self.wall_ns = Some(wall_ns);
    }

    /// The time that a row gets behind the last look.
    pub(crate) fn next_ns(&self) -> i64 {
        self.now_ns.max(self.last_ns.saturating_add(1))
    }

    /// A row was written with this time.
    pub(crate) fn wrote(&mut self, at_ns: i64) {
        self.last_ns = at_ns;
        self.now_ns = self.now_ns.max(at_ns);
    }

    /// What the clock, which says `wall_ns`, says when the journal's time comes to `due_ns`.
    pub(crate) fn wall_of(&self, due_ns: i64, wall_ns: i64) -> i64 {
        let now_ns = self.next_ns();
        if now_ns <= wall_ns {
            return due_ns;
        }
        let slowly = wall_ns.saturating_add(due_ns.saturating_sub(now_ns).max(0).saturating_mul(SLOWER));
        // The clock may be there before that: from then on both are the same.
        slowly.min(due_ns.max(wall_ns))
    }

    /// By how much the journal's time is ahead of the clock.
    pub(crate) fn ahead_ns(&self, wall_ns: i64) -> i64 {
        self.next_ns().saturating_sub(wall_ns).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Rising;

    const S: i64 = 1_000_000_000;

    fn row(time: &mut Rising, wall: i64) -> i64 {
        time.look(wall);
        let at = time.next_ns();
        time.wrote(at);
        at
    }

    /// A look every second of the clock.
    fn looks(time: &mut Rising, from_s: i64, to_s: i64) {
        (from_s..=to_s).for_each(|s| time.look(s * S));
    }

    #[test]
    fn a_clock_that_goes_forward_is_followed_at_once() {
        let mut time = Rising::behind(0);
        for s in [1, 2, 100] {
            assert_eq!(row(&mut time, s * S), s * S);
        }
        assert_eq!((time.wall_of(105 * S, 101 * S), time.ahead_ns(101 * S)), (105 * S, 0));
    }

    #[test]
    fn two_rows_of_one_instant_are_one_behind_the_other() {
        let mut time = Rising::behind(0);
        assert_eq!([row(&mut time, S), row(&mut time, S), row(&mut time, S)], [S, S + 1, S + 2]);
    }

    /// Put back by 20 s at 100: half the speed, until both are the same at 120.
    #[test]
    fn a_clock_that_was_put_back_is_made_up_for_in_twice_the_time() {
        let mut time = Rising::behind(0);
        row(&mut time, 100 * S);
        for (from, to, at) in [(80, 80, 100 * S + 1), (81, 90, 105 * S + 1), (91, 119, 119 * S + S / 2 + 1)] {
            looks(&mut time, from, to);
            assert_eq!(row(&mut time, to * S), at, "{to}");
        }
        assert_eq!(row(&mut time, 121 * S), 121 * S);
    }

    #[test]
    fn what_is_due_comes_while_the_clock_is_behind() {
        let mut time = Rising::behind(0);
        row(&mut time, 100 * S);
        time.look(80 * S);
        assert_eq!(time.ahead_ns(80 * S), 20 * S + 1);
        assert_eq!(time.wall_of(103 * S, 80 * S), 86 * S - 2);
        // No row is needed for that: the looks of the main loop are enough.
        looks(&mut time, 81, 86);
        assert!(time.next_ns() >= 103 * S);
        assert_eq!(time.wall_of(103 * S, 86 * S), 86 * S, "due now");
        assert_eq!(time.wall_of(130 * S, 86 * S), 130 * S, "where both have met the clock decides");
    }

    /// Two threads read the clock on both sides of a step, and come in the other order.
    #[test]
    fn a_reading_from_before_the_step_is_not_time_that_passed() {
        let mut time = Rising::behind(0);
        row(&mut time, 100 * S);
        row(&mut time, 80 * S);
        assert!(row(&mut time, 100 * S) < 101 * S, "and not 110");
        assert!(row(&mut time, 80 * S) < 101 * S);
    }

    #[test]
    fn after_a_start_time_goes_on_from_the_last_row() {
        let mut time = Rising::behind(100 * S);
        assert_eq!(row(&mut time, 80 * S), 100 * S + 1);
        looks(&mut time, 81, 84);
        assert_eq!(row(&mut time, 84 * S), 102 * S + 1);
        assert_eq!(row(&mut Rising::behind(100 * S), 101 * S), 101 * S);
    }
}
