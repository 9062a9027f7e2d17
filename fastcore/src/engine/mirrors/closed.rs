//! All mirrors of a line settled together, and what closes have closed ahead of the leader. Pure.
//!
//! What one mirror takes off the target is less for the share of another: that is worked out at once, so that a report which
//! changes nothing moves no target.

use super::parts::Any;
use super::settle::{has_closed, opened, share, toward_zero};
use super::tell::Settled;
use super::{Given, Mirror};
use crate::decimal::{Dec, Round, mul_div};
use crate::ledger::{Line, abs};

/// Nothing moves after two, where nothing is given up after three.
const PASSES: usize = 8;

/// Settles until nothing moves any more. Which mirrors were settled, in order, and whether something was given up.
pub(super) fn settle_all(
    list: &mut [Mirror],
    line: &mut Line,
    some: &[Any],
    g: &Given,
) -> (Vec<(usize, Settled)>, bool) {
    let (mut told, mut gave) = (Vec::new(), false);
    for _ in 0..PASSES {
        let had = told.len();
        told.extend(undo_turn(list, line.target, g));
        for (n, (m, some)) in list.iter_mut().zip(some).enumerate().filter(|(_, (m, _))| m.part == 0) {
            let before = (m.ahead, line.target);
            gave |= m.settle(line, g, some);
            let after = (m.ahead, line.target);
            if before != after {
                told.push((n, Settled { before, after }));
            }
        }
        for buy in [true, false] {
            settle_closed(list, line, g, buy, &mut told);
        }
        if told.len() == had {
            break;
        }
    }
    (told, gave)
}

/// Alternatives that filled both have turned the account, and that is closed again: together they are never ahead by more than
/// there was to close, or what is opened later would be closed for it a second time. Which come down.
fn undo_turn(list: &mut [Mirror], target: i128, g: &Given) -> Vec<(usize, Settled)> {
    let opened = opened(list, target, g);
    let (mut room, mut taken) = (opened.saturating_abs(), Vec::new());
    let against = |m: &Mirror| has_closed(m, g) && m.dir().saturating_mul(opened.signum()) <= 0;
    for (n, m) in list.iter_mut().enumerate().filter(|(_, m)| against(m)) {
        if m.ahead > room {
            taken.push((n, Settled { before: (m.ahead, target), after: (room, target) }));
            m.ahead = room;
        }
        room = room.saturating_sub(m.ahead);
    }
    taken
}

/// Closes of one side that have closed more than their shares of the target and of what mirrors of opens are ahead by. What was
/// closed stays closed: first that is what opens had ahead, the newest first, then the target comes down by it.
fn settle_closed(
    list: &mut [Mirror],
    line: &mut Line,
    g: &Given,
    buy: bool,
    told: &mut Vec<(usize, Settled)>,
) {
    let mine = |m: &Mirror| m.part == 0 && m.buy == buy && has_closed(m, g);
    let dir = if buy { 1 } else { -1 };
    if !list.iter().any(mine) {
        return;
    }
    let opens = |m: &Mirror| m.part == 0 && m.ahead > 0 && m.buy != buy && m.opens(g.position);
    let beside = list.iter().filter(|m| opens(m)).fold(0_i128, |sum, m| sum.saturating_add(m.ahead));
    let all = line.target.saturating_mul(dir).saturating_neg().max(0).saturating_add(beside);
    let closes: Vec<&Mirror> = list.iter().filter(|m| mine(m)).collect();
    let off = taken_off(&closes, all, g);
    let mut closed = off.min(beside);
    let before = line.target;
    toward_zero(&mut line.target, dir, off.saturating_sub(closed));
    let mut moved = before;
    for (n, m) in list.iter_mut().enumerate().filter(|(_, m)| mine(m)) {
        let rest = share_of(m, all.saturating_sub(off), g);
        if m.ahead > rest {
            told.push((n, Settled { before: (m.ahead, moved), after: (rest, line.target) }));
            (m.ahead, moved) = (rest, line.target);
        }
    }
    for (n, m) in list.iter_mut().enumerate().rev().filter(|(_, m)| opens(m)) {
        let part = closed.min(m.ahead);
        if part > 0 {
            let after = (m.ahead.saturating_sub(part), line.target);
            told.push((n, Settled { before: (m.ahead, line.target), after }));
            m.ahead = after.0;
            m.refused = m.refused.saturating_add(part); // it is not bought again
            closed = closed.saturating_sub(part);
        }
    }
}

/// What the leader's order would take off so much if it filled whole now.
fn share_of(m: &Mirror, all: i128, g: &Given) -> i128 {
    if m.closes(g.position) { share(all, m.left, abs(g.position)) } else { 0 }
}

/// What is taken off all that there is to close for those that have closed more than their shares: so much that each has just
/// closed its share of the rest. An order of the whole position, or more, takes nothing off: what rounding held beyond the
/// target is closed with it, and is none of the target.
fn taken_off(closes: &[&Mirror], all: i128, g: &Given) -> i128 {
    let position = abs(g.position);
    let part = |m: &Mirror| if m.closes(g.position) { m.left.min(position) } else { Dec::ZERO };
    let (mut rest, mut over) = (closes.to_vec(), Vec::new());
    rest.retain(|m| part(m) < position || !m.closes(g.position));
    let mut off = 0_i128;
    // Each round has more that are over.
    while !rest.is_empty() {
        let left = all.saturating_sub(off);
        let (more, fewer): (Vec<&Mirror>, Vec<&Mirror>) =
            rest.into_iter().partition(|m| m.ahead > share_of(m, left, g));
        if more.is_empty() {
            break;
        }
        over.extend(more);
        rest = fewer;
        let beyond = |m: &&Mirror| m.ahead.saturating_sub(share_of(m, all, g));
        let excess = over.iter().map(beyond).fold(0, i128::saturating_add);
        let parts = over.iter().try_fold(Dec::ZERO, |sum, m| sum.checked_add(part(m)));
        let next = match parts.and_then(|parts| position.checked_sub(parts)) {
            _ if parts == Some(Dec::ZERO) => Some(excess),
            Some(left) if left.is_positive() => mul_div(excess, position.raw(), left.raw(), Round::Ceil),
            _ => None, // together they have closed no more than there is
        };
        off = next.unwrap_or(off).min(all).max(off);
    }
    off
}
