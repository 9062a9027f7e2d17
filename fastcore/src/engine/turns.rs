//! Whose turn it is to be served first (design 02, fair dispatch; decision 0033).
//!
//! Of each leader, and of each kind of event by itself, a round is as many events as followers. In a round everybody has
//! every place once. Where a round begins is drawn by a hash, so that no habit of the leader's (two instruments in turn, two
//! leaders in turn, an open and its close) puts the same follower first for ever. Nothing else is drawn: a replay serves as
//! the live core did.

use super::{Engine, Index};
use crate::decimal::Dec;
use crate::report::Kind;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Kinds of events that followers are served at; each has rounds of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    /// The leader's position grew.
    Open,
    /// It shrank.
    Close,
    /// It crossed zero.
    Flip,
    /// A report of a mirrored order: by what it says, and whether the order closes.
    Mirror(Kind, bool),
}

const KINDS: usize = 11;

/// Events so far of one leader, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turns([u64; KINDS]);

impl Served {
    /// What a leader's execution is, by its two parts.
    pub(super) fn of(reduce: Dec, increase: Dec) -> Self {
        match (reduce.is_positive(), increase.is_positive()) {
            (true, true) => Served::Flip,
            (true, false) => Served::Close,
            (false, _) => Served::Open,
        }
    }

    const fn number(self) -> usize {
        let (kind, closes) = match self {
            Served::Open => return 0,
            Served::Close => return 1,
            Served::Flip => return 2,
            Served::Mirror(kind, closes) => (kind, closes),
        };
        let by_kind: usize = match kind {
            Kind::New => 3,
            Kind::Trade => 5,
            Kind::Replaced => 7,
            _ => 9,
        };
        if closes { by_kind.saturating_add(1) } else { by_kind }
    }
}

impl Turns {
    /// Who of `n` is served first at the next event of a kind; the others follow in the order of the file.
    pub(super) fn next(&mut self, ix: &Index, leader: u32, served: Served, n: usize) -> usize {
        if ix.cfg.dispatch == crate::config::Dispatch::Listed || n == 0 {
            return 0;
        }
        let kind = served.number();
        let Some(turn) = self.0.get_mut(kind) else { return 0 };
        let at = *turn;
        *turn = at.wrapping_add(1);
        let name = ix.cfg.leaders.get(leader as usize).map_or("", |l| l.name.as_str());
        first_of(at, n as u64, name.as_bytes(), kind as u64)
    }
}

impl Engine {
    /// Who of a leader's `n` subscriptions is served first at this event.
    pub(super) fn served_first(&mut self, ix: &Index, leader: u32, served: Served, n: usize) -> usize {
        let state = self.st.leaders.get_mut(leader as usize);
        state.map_or(0, |l| l.turns.next(ix, leader, served, n))
    }
}

fn first_of(at: u64, n: u64, leader: &[u8], kind: u64) -> usize {
    let (round, place) = (at.checked_div(n).unwrap_or(0), at.checked_rem(n).unwrap_or(0));
    // A hash of the round alone: everybody who replays it draws the same.
    let seed = xxh3_64_with_seed(leader, kind);
    let begins = xxh3_64_with_seed(&round.to_le_bytes(), seed).checked_rem(n).unwrap_or(0);
    let first = begins.wrapping_add(place).checked_rem(n).unwrap_or(0);
    usize::try_from(first).unwrap_or(0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]
mod tests {
    use super::*;

    /// In each round everybody is first once, whoever the leader is.
    #[test]
    fn a_round_serves_everybody_first_once() {
        for n in 1..40_u64 {
            for round in 0..20 {
                let mut seen: Vec<usize> =
                    (0..n).map(|place| first_of(round * n + place, n, b"l0", 1)).collect();
                seen.sort_unstable();
                assert_eq!(seen, (0..n as usize).collect::<Vec<_>>());
            }
        }
    }

    /// Every second event, as of one of two instruments in turn, is shared out too: within a tenth.
    #[test]
    fn a_habit_of_the_leader_serves_nobody_first_for_ever() {
        for n in [2_u64, 3, 4, 6, 8] {
            for every in [2, n, 2 * n] {
                let mut first = vec![0_u64; n as usize];
                (0..100_000 * n).filter(|at| at % every == 0).for_each(|at| {
                    first[first_of(at, n, b"l0", 0)] += 1;
                });
                let fair = 100_000 / every;
                assert!(first.iter().all(|f| f.abs_diff(fair) * 10 <= fair), "{n}, every {every}: {first:?}");
            }
        }
    }
}
