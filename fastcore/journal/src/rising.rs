//! The journal's time: the wall clock, but always later than the last row, also where the clock was put back.
//!
//! While the clock is behind the last row, time goes on at half its speed until the clock is there again. Standing
//! still instead, a deadline would not come for as long as the clock was put back.

/// Half the speed: whoever waits, waits twice as long, and what was put back by ten seconds is made up for in twenty.
const SLOWER: i64 = 2;

/// Rises from the last row. Reads no clock: it is told what the clock says.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rising {
    /// Time of the last row.
    last_ns: i64,
    /// What the clock said then, or, where it was put back since, the least it said.
    wall_ns: Option<i64>,
}

impl Rising {
    /// Behind the last row of a journal; what the clock said when it was written is not known.
    pub(crate) const fn behind(last_ns: i64) -> Self {
        Self { last_ns, wall_ns: None }
    }

    /// What the clock says. A clock that was put back is noticed here, so that what passes from now on counts.
    pub(crate) fn look(&mut self, wall_ns: i64) {
        if self.wall_ns.is_none_or(|before| wall_ns < before) {
            self.wall_ns = Some(wall_ns);
        }
    }

    /// The time that a row gets now.
    pub(crate) fn next_ns(&self, wall_ns: i64) -> i64 {
        let passed = self.wall_ns.map_or(0, |before| wall_ns.saturating_sub(before));
        wall_ns.max(self.last_ns.saturating_add((passed.max(0) / SLOWER).max(1)))
    }

    /// A row was written with this time.
    pub(crate) fn wrote(&mut self, at_ns: i64, wall_ns: i64) {
        (self.last_ns, self.wall_ns) = (at_ns, Some(wall_ns));
    }

    /// What the clock says when the journal's time comes to `due_ns`.
    pub(crate) fn wall_of(&self, due_ns: i64, wall_ns: i64) -> i64 {
        let now_ns = self.next_ns(wall_ns);
        if now_ns <= wall_ns {
            return due_ns;
        }
        let slowly = wall_ns.saturating_add(due_ns.saturating_sub(now_ns).max(0).saturating_mul(SLOWER));
        // The clock may be there before that: from then on both are the same.
        slowly.min(due_ns.max(wall_ns))
    }

    /// By how much the journal's time is ahead of the clock.
    pub(crate) fn ahead_ns(&self, wall_ns: i64) -> i64 {
        self.next_ns(wall_ns).saturating_sub(wall_ns).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::Rising;

    const S: i64 = 1_000_000_000;

    /// Rows at these times of the clock; gives the time of each.
    fn rows(time: &mut Rising, walls: &[i64]) -> Vec<i64> {
        let row = |wall: &i64| {
            time.look(*wall);
            let at = time.next_ns(*wall);
            time.wrote(at, *wall);
            at
        };
        walls.iter().map(row).collect()
    }

    #[test]
    fn a_clock_that_goes_forward_is_followed_at_once() {
        let mut time = Rising::behind(0);
        assert_eq!(rows(&mut time, &[S, 2 * S, 100 * S]), [S, 2 * S, 100 * S]);
        assert_eq!((time.wall_of(105 * S, 101 * S), time.ahead_ns(101 * S)), (105 * S, 0));
    }

    #[test]
    fn two_rows_of_one_instant_are_one_behind_the_other() {
        assert_eq!(rows(&mut Rising::behind(0), &[S, S, S]), [S, S + 1, S + 2]);
    }

    /// Put back by 20 s at 100: half the speed, until both are the same at 120.
    #[test]
    fn a_clock_that_was_put_back_is_made_up_for_in_twice_the_time() {
        let mut time = Rising::behind(0);
        let at = rows(&mut time, &[100 * S, 80 * S, 90 * S, 110 * S, 119 * S, 121 * S]);
        assert_eq!(at, [100 * S, 100 * S + 1, 105 * S + 1, 115 * S + 1, 119 * S + S / 2 + 1, 121 * S]);
    }

    #[test]
    fn what_is_due_comes_while_the_clock_is_behind() {
        let mut time = Rising::behind(0);
        rows(&mut time, &[100 * S]);
        // No row since: the step is noticed by a look.
        time.look(80 * S);
        assert_eq!(time.ahead_ns(80 * S), 20 * S + 1);
        let due = time.wall_of(103 * S, 80 * S);
        assert_eq!(due, 86 * S - 2);
        time.look(due + 2);
        assert!(time.next_ns(due + 2) >= 103 * S);
        assert_eq!(time.wall_of(103 * S, due + 2), due + 2, "due now");
        // Behind the point where both meet the clock decides.
        assert_eq!(time.wall_of(130 * S, 80 * S), 130 * S);
    }

    #[test]
    fn after_a_start_time_goes_on_from_the_last_row() {
        let mut time = Rising::behind(100 * S);
        assert_eq!(rows(&mut time, &[80 * S, 84 * S]), [100 * S + 1, 102 * S + 1]);
        assert_eq!(rows(&mut Rising::behind(100 * S), &[101 * S]), [101 * S]);
    }
}
