//! A message allowance (design 03, `max_messages`): a token bucket in whole numbers, of which a share is kept for closes.
//!
//! Pure: the time is given. Levels are billionths of a message: `per_s` messages a second are `per_s` of them a nanosecond.

use serde::{Deserialize, Serialize};

/// Billionths of a message. A bucket holds less than 2⁶³ of them, whatever its allowance: 2³² messages.
const ONE: i64 = 1_000_000_000;

/// How many messages a scope may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Allowance {
    /// In the long run, messages a second.
    pub per_s: u32,
    /// At once, messages.
    pub burst: u32,
    /// Of `burst`, kept for closes: an open never takes them.
    pub kept: u32,
}

/// What is left of an allowance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bucket {
    level: i64,
    at_ns: i64,
}

impl Allowance {
    /// A full bucket.
    #[must_use]
    pub fn full(&self, now_ns: i64) -> Bucket {
        Bucket { level: self.most(), at_ns: now_ns }
    }

    fn most(&self) -> i64 {
        i64::from(self.burst).saturating_mul(ONE)
    }

    /// Messages that opens may take at the most.
    #[must_use]
    pub const fn for_opens(&self) -> u32 {
        self.burst.saturating_sub(self.kept)
    }
}

impl Bucket {
    fn level(&self, of: &Allowance, now_ns: i64) -> i64 {
        let elapsed_ns = now_ns.saturating_sub(self.at_ns).max(0);
        self.level.saturating_add(elapsed_ns.saturating_mul(i64::from(of.per_s))).min(of.most())
    }

    /// Messages that opens may take now.
    #[must_use]
    pub fn room(&self, of: &Allowance, now_ns: i64) -> u32 {
        let above = self.level(of, now_ns).saturating_sub(i64::from(of.kept).saturating_mul(ONE));
        u32::try_from(above.max(0).checked_div(ONE).unwrap_or(0)).unwrap_or(u32::MAX)
    }

    /// Counts a message that goes out, allowed or not: closes are never held back, and what they took beyond the
    /// allowance is owed, up to one `burst`.
    pub fn take(&mut self, of: &Allowance, now_ns: i64) {
        let owed_most = of.most().saturating_neg();
        self.level = self.level(of, now_ns).saturating_sub(ONE).max(owed_most);
        self.at_ns = self.at_ns.max(now_ns);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::{prop_assert, prop_assert_eq, proptest};

    const S: i64 = 1_000_000_000;

    /// Ten at once, of which two are kept for closes; then one every half second.
    #[test]
    fn opens_take_all_but_what_is_kept_and_get_it_back_with_time() {
        let of = Allowance { per_s: 2, burst: 10, kept: 2 };
        let mut b = of.full(0);
        assert_eq!(b.room(&of, 0), 8);
        (0..8).for_each(|_| b.take(&of, 0));
        assert_eq!(b.room(&of, 0), 0);
        assert_eq!((b.room(&of, S / 2 - 1), b.room(&of, S / 2), b.room(&of, S)), (0, 1, 2));
        assert_eq!(b.room(&of, 100 * S), 8);
    }

    /// Closes go out beyond the allowance, and what they took is owed: opens wait for it, no longer than for one burst.
    #[test]
    fn what_closes_took_beyond_it_is_owed() {
        let of = Allowance { per_s: 1, burst: 4, kept: 1 };
        let mut b = of.full(0);
        (0..6).for_each(|_| b.take(&of, 0));
        assert_eq!((b.room(&of, 3 * S), b.room(&of, 4 * S)), (0, 1));
        (0..1_000).for_each(|_| b.take(&of, 0));
        assert_eq!((b.room(&of, 5 * S), b.room(&of, 6 * S)), (0, 1));
    }

    /// A clock that steps back gives nothing twice.
    #[test]
    fn time_that_goes_back_gives_nothing() {
        let of = Allowance { per_s: 1, burst: 1, kept: 0 };
        let mut b = of.full(10 * S);
        b.take(&of, 10 * S);
        b.take(&of, 5 * S);
        assert_eq!((b.room(&of, 11 * S), b.room(&of, 12 * S)), (0, 1));
    }

    proptest! {
        /// In any stretch of time, opens alone take no more than what was left at its beginning and what came in it.
        #[test]
        fn opens_never_exceed_burst_and_rate(
            per_s in 1_u32..50, burst in 1_u32..50, kept in 0_u32..10, gaps in proptest::collection::vec(0_i64..S, 1..200),
        ) {
            let of = Allowance { per_s, burst, kept: kept.min(burst - 1) };
            let (mut b, mut now, mut sent) = (of.full(0), 0, Vec::new());
            for gap in gaps {
                now += gap;
                if b.room(&of, now) > 0 {
                    b.take(&of, now);
                    sent.push(now);
                }
            }
            for (i, from) in sent.iter().enumerate() {
                for (n, until) in (1_i128..).zip(&sent[i..]) {
                    let allowed = i128::from(of.for_opens()) * i128::from(ONE) + i128::from(until - from) * i128::from(per_s);
                    prop_assert!(n * i128::from(ONE) <= allowed);
                }
            }
            prop_assert_eq!(of.full(0).room(&of, now), of.for_opens());
        }
    }
}
