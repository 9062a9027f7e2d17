//! What a deal is: every lot, to the one that is furthest behind, and back in reverse.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::{any, prop_assert, prop_assert_eq, proptest};

fn seats(n: usize) -> Vec<u32> {
    (0..u32::try_from(n).unwrap()).collect()
}

fn dealt(weights: &[i128], lots: i128) -> Vec<i128> {
    let mut b = Block { target: lots * QUANTA, ..Block::default() };
    b.seat(&seats(weights.len()));
    b.deal(weights);
    b.dealt
}

/// Lot by lot, slowly: what the level search has to give at once.
fn one_by_one(weights: &[i128], lots: i128) -> Vec<i128> {
    let parts = weights.to_vec();
    let mut has = vec![0; weights.len()];
    for _ in 0..lots {
        let mut first: Option<usize> = None;
        for i in (0..has.len()).filter(|i| parts[*i] > 0) {
            if first.is_none_or(|f| behind(&has, &parts, i, f).is_lt()) {
                first = Some(i);
            }
        }
        has[first.unwrap()] += 1;
    }
    has
}

/// 10 lots by 50, 30 and 20 are 5, 3 and 2; 7 are 4, 2 and 1; the first lot is the heaviest member's.
#[test]
fn lots_follow_the_weights() {
    assert_eq!(dealt(&[50, 30, 20], 10), [5, 3, 2]);
    assert_eq!(dealt(&[50, 30, 20], 7), [4, 2, 1]);
    assert_eq!(dealt(&[50, 30, 20], 1), [1, 0, 0]);
    assert_eq!(dealt(&[1, 1, 1], 4), [2, 1, 1], "equals in the order of the configuration");
    assert_eq!(dealt(&[1, 0, 3], 8), [2, 0, 6], "without a weight no part");
    assert_eq!(dealt(&[0, 0], 8), [0, 0]);
    assert_eq!(dealt(&[], 8), [] as [i128; 0]);
}

/// A third of a lot three times is one lot, as it is in every target.
#[test]
fn thirds_add_up_to_a_lot() {
    let mut b = Block::default();
    b.seat(&[0, 1]);
    for n in [0, 0, 1] {
        b.target += QUANTA / 3;
        b.deal(&[1, 1]);
        assert_eq!(sum(&b.dealt), n);
    }
}

/// New weights move nothing that was dealt: they say who is next.
#[test]
fn new_weights_deal_the_next_lots_only() {
    let mut b = Block { target: 4 * QUANTA, ..Block::default() };
    b.seat(&[0, 1]);
    b.deal(&[1, 1]);
    b.target = 8 * QUANTA;
    b.deal(&[1, 3]);
    assert_eq!(b.dealt, [2, 6]);
    b.target = 7 * QUANTA;
    b.deal(&[9, 1]);
    assert_eq!(b.dealt, [2, 6], "a deal takes nothing back");
    b.take_back();
    assert_eq!(b.dealt, [2, 5], "by now the second one is furthest ahead");
}

/// Who has no weight any more gives back as before.
#[test]
fn a_member_without_a_weight_gives_back_by_the_one_it_had() {
    let mut b = Block { target: 4 * QUANTA, ..Block::default() };
    b.seat(&[0, 1]);
    b.deal(&[1, 1]);
    b.target = 6 * QUANTA;
    b.deal(&[0, 1]);
    assert_eq!(b.dealt, [2, 4]);
    b.target = 3 * QUANTA;
    b.take_back();
    assert_eq!(b.dealt, [2, 1]);
    b.target = 0;
    b.take_back();
    assert_eq!(b.dealt, [0, 0]);
}

/// The same where the weights of two deals are of different size: 3,000 beside 1,000, and then 900 alone.
#[test]
fn weights_of_different_deals_are_compared_as_they_were_given() {
    let mut b = Block { target: 4 * QUANTA, ..Block::default() };
    b.seat(&[0, 1]);
    b.deal(&[3_000, 1_000]);
    assert_eq!(b.dealt, [3, 1]);
    b.target = 5 * QUANTA;
    b.deal(&[0, 900]);
    assert_eq!(b.dealt, [3, 2]);
    b.target = 4 * QUANTA;
    b.take_back();
    assert_eq!(b.dealt, [3, 1], "(2 - ½) / 900 is ahead of (3 - ½) / 3,000");
    b.target = 3 * QUANTA;
    b.take_back();
    assert_eq!(b.dealt, [2, 1], "(3 - ½) / 3,000 is ahead of (1 - ½) / 900");
}

/// Thirds have no end in any number of parts: that makes no difference between (1 + ½) / 3 and ½ / 1.
#[test]
fn equals_come_in_the_order_of_the_configuration_whatever_their_weights() {
    assert_eq!(dealt(&[3, 1], 2), [2, 0]);
    assert_eq!(dealt(&[1, 3], 2), [1, 1]);
    assert_eq!(dealt(&[50, 2], 13), [13, 0]);
    assert_eq!(dealt(&[2, 50], 13), [1, 12]);
    let large = 1_000_000_000_000_000_000;
    assert_eq!(dealt(&[3 * large, large], 2), [2, 0]);
    let mut b = Block { target: 2 * QUANTA, ..Block::default() };
    b.seat(&[0, 1]);
    b.deal(&[1, 3]);
    b.target = QUANTA;
    b.take_back();
    assert_eq!(b.dealt, [0, 1], "the way down is the way up");
}

/// A member may come between two others, and one may go with what it had.
#[test]
fn members_keep_their_lots_when_others_come_and_go() {
    let mut b = Block { target: 6 * QUANTA, ..Block::default() };
    b.seat(&[3, 7]);
    b.deal(&[1, 2]);
    b.seat(&[3, 5, 7]);
    assert_eq!((b.target, &b.dealt[..]), (6 * QUANTA, &[2, 0, 4][..]));
    b.seat(&[3, 5]);
    assert_eq!((b.target, &b.dealt[..]), (2 * QUANTA, &[2, 0][..]));
}

/// 10⁸ lots among a thousand members: at once, and every lot of them.
#[test]
fn large_blocks_are_dealt_at_once() {
    let weights: Vec<i128> = (1..=1_000).map(|n| n * n).collect();
    let all = dealt(&weights, 100_000_000);
    assert_eq!(sum(&all), 100_000_000);
    let whole: i128 = weights.iter().sum();
    for (has, w) in all.iter().zip(&weights) {
        let exact = w * 100_000_000 / whole;
        assert!((has - exact).abs() <= 1, "{has} for {exact}");
    }
}

proptest! {
    /// The level search gives what dealing one by one gives.
    #[test]
    fn a_deal_is_lot_by_lot(weights in proptest::collection::vec(0_i128..60, 1..9), lots in 0_i128..200) {
        if weights.iter().any(|w| *w > 0) {
            prop_assert_eq!(dealt(&weights, lots), one_by_one(&weights, lots));
        }
    }

    /// In any steps, up and down, the same number of lots is dealt in the same way.
    #[test]
    fn what_a_block_is_made_of_depends_on_its_size_alone(
        weights in proptest::collection::vec(1_i128..60, 1..9), steps in proptest::collection::vec(0_i128..150, 1..9),
    ) {
        let mut b = Block::default();
        b.seat(&seats(weights.len()));
        for lots in steps {
            b.target = lots * QUANTA;
            b.deal(&weights);
            b.take_back();
            prop_assert_eq!(sum(&b.dealt), lots);
            prop_assert_eq!(&b.dealt, &one_by_one(&weights, lots));
        }
    }

    /// With weights that change, still every lot is somebody's; a deal takes from nobody, and taking back gives nobody more.
    #[test]
    fn no_lot_is_lost_or_moved(
        rounds in proptest::collection::vec((proptest::collection::vec(0_i128..60, 5), 0_i128..150), 1..9),
    ) {
        let mut b = Block::default();
        b.seat(&seats(5));
        for (weights, lots) in rounds {
            b.target = lots * QUANTA;
            let before = b.dealt.clone();
            b.deal(&weights);
            prop_assert!(b.dealt.iter().zip(&before).all(|(now, was)| now >= was));
            let before = b.dealt.clone();
            b.take_back();
            prop_assert!(b.dealt.iter().zip(&before).all(|(now, was)| now <= was && *now >= 0));
            if weights.iter().any(|w| *w > 0) || lots <= sum(&before) {
                prop_assert_eq!(sum(&b.dealt), lots);
            }
        }
    }

    /// No number panics, hangs or makes a negative lot.
    #[test]
    fn extreme_numbers_deal_something_sane(weights in proptest::collection::vec(any::<i128>(), 1..5), target: i128) {
        let mut b = Block { target, ..Block::default() };
        b.seat(&seats(weights.len()));
        b.deal(&weights);
        prop_assert!(b.dealt.iter().all(|n| *n >= 0));
        b.target = b.target.checked_div(2).unwrap();
        b.take_back();
        prop_assert!(b.dealt.iter().all(|n| *n >= 0));
    }
}
