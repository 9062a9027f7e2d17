//! A mirror of several orders: what the venue, or a bound of one order, takes at once may be less than the leader's order is
//! worth (decision 0031). What the mirror is to the leader's order stands once, at its first part; every part has an order of
//! its own, and the table of [`crate::mirror`] is asked for each.

use super::Mirror;
use super::work::Wanted;
use crate::action::Sink;
use crate::decimal::Dec;
use crate::engine::admission::Wish;
use crate::engine::lanes::Lane;
use crate::engine::parts::Parts;
use crate::engine::{Engine, Index};
use crate::ledger::{Grid, quanta};
use crate::mirror::Asked;
use crate::mirrored::Limits;
use crate::order::Order;
use crate::stores::Chunked;
use std::sync::Arc;

/// What one order of a mirror is to have open, and what the others have.
#[derive(Clone, Copy, Debug)]
pub(super) struct Share {
    pub(super) units: Dec,
    /// Units that its other orders may still fill.
    pub(super) others: Dec,
    /// Orders that the mirror has, or is to have.
    pub(super) parts: u32,
    /// Units that no order is for because of the largest that there may be.
    pub(super) short: Dec,
}

fn minus(a: Dec, b: Dec) -> Dec {
    a.checked_sub(b).unwrap_or(Dec::ZERO).max(Dec::ZERO)
}

fn sum(of: impl Iterator<Item = Dec>) -> Dec {
    of.fold(Dec::ZERO, |sum, units| sum.checked_add(units).unwrap_or(sum))
}

/// Orders that a quantity takes.
fn count(whole: Dec, cap: Option<Dec>, grid: Grid) -> usize {
    Parts::of(whole, cap, grid).count().max(1)
}

/// What each order is to have open. What works stays as it is as far as it may: the last are cut first, and what is more
/// goes to orders that are still to be placed, in equal parts. `has`: what each has open, as far as the broker answered.
fn shares(whole: Dec, cap: Option<Dec>, has: &[Dec], grows: bool, grid: Grid) -> Vec<Dec> {
    let most = cap.unwrap_or(whole);
    let mut left = whole;
    let mut take = |asked: Dec| {
        let units = asked.min(left);
        let units = if units < grid.min { Dec::ZERO } else { units };
        left = minus(left, units);
        units
    };
    let mut shares: Vec<Dec> = has.iter().map(|h| take((*h).min(most))).collect();
    if !grows || !left.is_positive() {
        return shares;
    }
    let idle = shares.iter().filter(|s| s.is_zero()).count();
    let fits = sum((0..idle).map(|_| most)).min(left);
    let mut parts = Parts::of(fits, cap, grid);
    for share in shares.iter_mut().filter(|s| s.is_zero()) {
        let units = parts.next().unwrap_or(Dec::ZERO);
        if units >= grid.min {
            (*share, left) = (units, minus(left, units));
        }
    }
    for share in shares.iter_mut().filter(|s| s.is_positive()) {
        let more = minus(most, *share).min(left);
        *share = share.checked_add(more).unwrap_or(*share);
        left = minus(left, more);
    }
    if left.is_positive() {
        // Equal parts may have room for what is too little for an order beside full ones.
        let mut equal = Parts::of(whole, cap, grid);
        let equal: Vec<Dec> = has.iter().map(|_| equal.next().unwrap_or(Dec::ZERO)).collect();
        if sum(equal.iter().copied()) > sum(shares.iter().copied()) {
            return equal;
        }
    }
    shares
}

/// A part as if it were the whole mirror: with what stands at the first one. It is lost when all are.
pub(super) fn whole(list: &[Mirror], n: usize) -> Option<Mirror> {
    let part = list.get(n)?;
    let head = list.iter().find(|m| m.key == part.key && m.part == 0).unwrap_or(part);
    let mut m = part.clone();
    (m.ahead, m.counted, m.barred, m.stopped) = (head.ahead, head.counted, head.barred, head.stopped);
    (m.refused, m.rejected) = (head.refused, head.rejected);
    m.lost = list.iter().filter(|p| p.key == part.key).all(|p| p.lost);
    Some(m)
}

/// What is so of some order of a mirror.
#[derive(Clone, Copy, Debug)]
pub(super) struct Any {
    /// It may still fill.
    pub(super) live: bool,
    /// It is lost.
    pub(super) lost: bool,
    /// Its cancel is not answered.
    pub(super) ending: bool,
}

/// What is so of some order of a mirror.
pub(super) fn any(list: &[Mirror], key: u128, orders: &Chunked<Order>) -> Any {
    let parts = || list.iter().filter(|p| p.key == key);
    let ending = |p: &Mirror| {
        let order = p.orders.last().filter(|_| p.live).and_then(|o| orders.get(*o as usize));
        order.is_some_and(|o| p.asked(o.cancel_id) == Asked::Cancel)
    };
    Any { live: parts().any(|p| p.live), lost: parts().any(|p| p.lost), ending: parts().any(ending) }
}

impl Mirror {
    /// Another order of the same mirror.
    fn another(&self, part: u32) -> Mirror {
        let mut m = Mirror { part, orders: Vec::new(), lost: false, ..self.clone() };
        (m.ahead, m.counted, m.refused, m.rejected, m.gone) = (0, 0, 0, 0, 0);
        m.over();
        m
    }
}

impl Engine {
    /// The share of one part, where the mirror is to have so much open in all. The first part makes room for as many as it
    /// takes; each grows only as far as the others cannot fill what it asks for.
    pub(super) fn share(&mut self, (at, n): (u32, usize), all: Dec, cap: Option<Dec>, grid: Grid) -> Share {
        let list = self.st.mirrors.of(at);
        let Some(me) = list.get(n) else {
            return Share { units: Dec::ZERO, others: Dec::ZERO, parts: 1, short: Dec::ZERO };
        };
        let (key, lost) = (me.key, list.iter().any(|p| p.key == me.key && p.lost));
        let mut parts = list.iter().filter(|m| m.key == key).count();
        let needed = count(all, cap, grid);
        if me.part == 0 && !lost && needed > parts {
            let more = (parts..needed).filter_map(|part| Some(me.another(u32::try_from(part).ok()?)));
            let more: Vec<Mirror> = more.collect();
            self.st.mirrors.add(at, more);
            parts = needed;
        }
        let list = self.st.mirrors.of(at);
        let order = |m: &Mirror| self.st.orders.get(*m.orders.last().filter(|_| m.live)? as usize);
        let group: Vec<(&Mirror, Option<&Order>)> =
            list.iter().filter(|m| m.key == key).map(|m| (m, order(m))).collect();
        let has: Vec<Dec> = group.iter().map(|(_, o)| o.map_or(Dec::ZERO, Order::leaves)).collect();
        let shares = shares(all, cap, &has, !lost, grid);
        let mine = group.iter().position(|(m, _)| m.part == list.get(n).map_or(0, |m| m.part)).unwrap_or(0);
        let open = |(m, o): &(&Mirror, Option<&Order>)| o.map_or(Dec::ZERO, |o| m.open(o));
        let others = sum(group.iter().enumerate().filter(|(k, _)| *k != mine).map(|(_, part)| open(part)));
        let (share, has) = [&shares, &has].map(|of| of.get(mine).copied().unwrap_or(Dec::ZERO)).into();
        let units = if share > has { share.min(minus(all, others).max(has)) } else { share };
        let units = if units < grid.min { Dec::ZERO } else { units };
        // What is less than a lot in all has no order without any cap.
        let capped = !lost && cap.is_some_and(|most| all > most);
        let short = if capped { minus(all, sum(shares.iter().copied())) } else { Dec::ZERO };
        Share { units, others, parts: u32::try_from(parts).unwrap_or(u32::MAX), short }
    }

    /// Limits left less than was asked for: what is left is dealt out anew, before anything of it is placed.
    pub(super) fn clip(
        &mut self,
        wanted: &mut Wanted,
        part: (u32, usize),
        lane: &Lane,
        open: &Wish,
        admitted: Dec,
    ) {
        wanted.whole = minus(wanted.whole, minus(open.qty, admitted));
        wanted.share = self.share(part, wanted.whole, lane.venue_max, lane.grid);
        wanted.units = wanted.share.units;
        wanted.size.units = wanted.units;
    }

    /// One mirror is one copy, however many orders it has.
    pub(super) fn count_mirror<S: Sink>(
        &mut self,
        ix: &Arc<Index>,
        (at, n): (u32, usize),
        wanted: &Wanted,
        limits: Option<Limits>,
        sink: &mut S,
    ) {
        let Some(m) = self.st.mirrors.of(at).get(n).filter(|m| m.part == 0) else { return };
        let buy = m.buy;
        if ix.cfg.faults.repeated_copies > 0 {
            self.count_copy(ix, at, sink);
        }
        if ix.cfg.faults.lookalike_window_ms > 0 {
            self.look_alike(ix, at, buy, limits.map_or(wanted.whole, |l| l.admitted), sink);
        }
    }

    /// What has no order, because a whole one is too large and the rest too small: told when there is more of a close. Of an open
    /// it is refused: nothing asks for it again.
    pub(super) fn tell_short<S: Sink>(
        &mut self,
        (at, n): (u32, usize),
        wanted: &Wanted,
        lane: &Lane,
        sink: &mut S,
    ) {
        let short = wanted.share.short;
        let Some(m) = self.st.mirrors.get_mut(at, n).filter(|m| m.part == 0) else { return };
        let grew = short > m.short;
        let (what, most) =
            if wanted.opens { ("opening", lane.venue_max) } else { ("closing", lane.close_max) };
        if wanted.opens {
            m.refused = m.refused.saturating_add(quanta(short, lane.grid).unwrap_or(0));
        } else {
            m.short = short;
        }
        if grew {
            let most = most.unwrap_or(short);
            let text = format!(
                "{}: {short} of {} units have no {what} order: one order is {} to {most} units",
                self.line_text(&Arc::clone(&self.ix), at),
                wanted.whole,
                lane.grid.min
            );
            self.alert("mirror_lost", text, sink);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn d(n: i64) -> Dec {
        Dec::from_int(n)
    }

    fn of(whole: i64, cap: i64, has: &[i64], grows: bool, min: i64) -> Vec<i64> {
        let grid = Grid { step: Dec::ONE, min: d(min) };
        let has: Vec<Dec> = has.iter().map(|n| d(*n)).collect();
        let found = shares(d(whole), Some(d(cap)), &has, grows, grid);
        found.iter().map(|s| i64::try_from(s.raw() / Dec::ONE.raw()).unwrap()).collect()
    }

    #[test]
    fn what_works_stays_and_what_is_more_goes_to_new_orders_in_equal_parts() {
        assert_eq!(of(12, 5, &[0, 0, 0], true, 1), [4, 4, 4]);
        assert_eq!(of(12, 5, &[4, 0, 0], true, 1), [4, 4, 4], "the second, when the first is placed");
        assert_eq!(of(12, 5, &[2, 5, 5], true, 1), [2, 5, 5], "one has filled in part");
        assert_eq!(of(14, 5, &[4, 4, 4], true, 1), [5, 5, 4]);
        assert_eq!(of(7, 5, &[4, 4, 4], true, 1), [4, 3, 0], "cut from the end");
        assert_eq!(of(12, 5, &[4, 0, 4], false, 1), [4, 0, 4], "one was lost");
        assert_eq!(of(3, 5, &[0], true, 1), [3]);
    }

    #[test]
    fn what_is_too_little_beside_full_orders_finds_room_in_equal_ones() {
        assert_eq!(of(11, 5, &[5, 5, 0], true, 3), [4, 4, 3]);
        assert_eq!(of(6, 5, &[0, 0], true, 4), [5, 0], "6 are no two orders of 4");
        let grid = Grid { step: Dec::ONE, min: Dec::ONE };
        assert_eq!(count(d(600), Some(d(5)), grid), 100, "no more");
        assert_eq!(of(600, 5, &[0; 100], true, 1), [5; 100], "and as much as they take");
    }
}
