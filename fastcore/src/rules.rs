//! The rules of delivery (design 06), so that a test build can leave one out and see that its absence is found.
//!
//! As shipped every rule is kept: [`kept`] is a constant then, and nothing of this is in the program. With the feature
//! `leave_out`, which nobody's build has but that of `make fault-rules`, one rule of the process can be switched off.

/// A rule that can be left out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Rule {
    /// A report that was counted is not counted again.
    Dedupe = 1,
    /// No order leaves before its OUT row is written.
    OutRow,
    /// What was on its way to a route that is new is judged behind the route's older rows.
    Sync,
    /// An order that a route does not answer for is asked about.
    Probe,
    /// An order that left and is not answered is asked about.
    AckTimeout,
    /// A question that is not answered is asked again.
    AsksAgain,
    /// "Not known" proves nothing before the settle time.
    Settle,
    /// An open past its deadline does not leave.
    Deadline,
    /// A route that was taken for lost is asked who it is.
    Who,
    /// An answer about another try of an order does not count for this one.
    TryNumbers,
    /// The answer to an older question does not count for the newest.
    QueryIds,
}

impl Rule {
    /// Every rule, by the name that a test uses.
    pub const NAMED: [(&'static str, Self); 11] = [
        ("dedupe", Self::Dedupe),
        ("out_row", Self::OutRow),
        ("sync", Self::Sync),
        ("probe", Self::Probe),
        ("ack_timeout", Self::AckTimeout),
        ("asks_again", Self::AsksAgain),
        ("settle", Self::Settle),
        ("deadline", Self::Deadline),
        ("who", Self::Who),
        ("try_numbers", Self::TryNumbers),
        ("query_ids", Self::QueryIds),
    ];
}

/// Whether the rule is kept.
#[cfg(not(feature = "leave_out"))]
#[must_use]
#[inline]
pub const fn kept(_rule: Rule) -> bool {
    true
}

#[cfg(feature = "leave_out")]
static LEFT_OUT: core::sync::atomic::AtomicU8 = core::sync::atomic::AtomicU8::new(0);

/// Whether the rule is kept.
#[cfg(feature = "leave_out")]
#[must_use]
pub fn kept(rule: Rule) -> bool {
    LEFT_OUT.load(core::sync::atomic::Ordering::Relaxed) != rule as u8
}

/// Leaves a rule out of this process. False: there is none of this name.
#[cfg(feature = "leave_out")]
pub fn leave_out(name: &str) -> bool {
    let found = Rule::NAMED.into_iter().find(|(known, _)| *known == name);
    if let Some((_, rule)) = found {
        LEFT_OUT.store(rule as u8, core::sync::atomic::Ordering::Relaxed);
    }
    found.is_some()
}
