//! Names of orders, requests and positions, and what an order can still fill.
#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects, clippy::indexing_slicing)]

use super::*;

proptest::proptest! {
    /// Every five bits of the hash are one character, the lowest first: no bit of the first hundred is lost or used twice.
    #[test]
    fn an_id_is_a_hundred_bits_of_its_hash(high: u64, low: u64, len in 0_usize..30) {
        let hash = u128::from(high) << 64 | u128::from(low);
        let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
        let want: Vec<u8> = (0..len.min(CL_ORD_ID_MAX))
            .map(|n| letters[usize::try_from(hash >> (5 * n) & 31).unwrap()])
            .collect();
        proptest::prop_assert_eq!(&ClOrdId::from_hash(hash, len)[..], &want[..]);
    }
}

/// An id is what its text says, up to the longest that we make; equal texts are equal ids, however they were made.
#[test]
fn an_id_is_its_text() {
    let made = ClOrdId::from_hash(7, 20);
    let read = ClOrdId::from_text(&made).unwrap();
    assert_eq!((read, read.key()), (made, made.key()));
    assert_eq!(&ClOrdId::from_text(b"A-1").unwrap()[..], b"A-1");
    assert_eq!(format!("{:?}", ClOrdId::from_text(b"A-1").unwrap()), "A-1");
    assert!(ClOrdId::from_text(&[b'A'; CL_ORD_ID_MAX]).is_some());
    assert!(ClOrdId::from_text(&[b'A'; CL_ORD_ID_MAX + 1]).is_none());
    assert!(ClOrdId::from_text(&[b'A'; 300]).is_none());
    let short = ClOrdId::from_hash(7, 5);
    assert_eq!(short.parts(), (&short.parts().0.clone(), 5));
    assert!(short.parts().0[5..].iter().all(|b| *b == 0), "what is not used is the same in equal ids");
}

/// Each request about an order has an id of its own, as long as the order's.
#[test]
fn requests_about_an_order_have_ids_of_their_own() {
    let order = ClOrdId::from_hash(7, 12);
    let mut ids = vec![order, order.of_cancel(0), order.of_cancel(1), order.of_cancel(256)];
    ids.push(ClOrdId::from_hash(8, 12).of_cancel(0));
    assert!(ids.iter().all(|id| id.len() == 12));
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 5);
}

/// A position has the name that its broker gives it; an empty one, or one that is too long, is none.
#[test]
fn a_position_is_called_as_its_broker_calls_it() {
    let id = PositionId::from_text(b"P-7").unwrap();
    assert_eq!((&id[..], id.to_string()), (&b"P-7"[..], "P-7".to_owned()));
    let named = std::collections::BTreeMap::from([(id, 1)]);
    assert_eq!((named.get(&b"P-7"[..]), named.get(&b"P-8"[..])), (Some(&1), None));
    assert!(PositionId::from_text(b"").is_none());
    assert!(PositionId::from_text(&[b'P'; POSITION_ID_MAX]).is_some());
    assert!(PositionId::from_text(&[b'P'; POSITION_ID_MAX + 1]).is_none());
}

/// What is open can fill; never less than nothing, and nothing once the order has ended.
#[test]
fn an_order_can_fill_what_it_has_not_until_it_ends() {
    let mut order = Order { qty: Dec::from_int(5), ..Order::new(ClOrdId::from_hash(0, 20), 0, 0) };
    assert_eq!(order.leaves(), Dec::from_int(5));
    for (cum, leaves) in [(2, 3), (5, 0), (6, 0)] {
        order.cum = Dec::from_int(cum);
        assert_eq!(order.leaves(), Dec::from_int(leaves));
    }
    order.cum = Dec::from_int(2);
    for state in State::ALL {
        order.state = state;
        assert_eq!(order.leaves().is_zero(), state.is_done(), "{state:?}");
    }
}

/// A new order was sent nowhere, asked about by nobody, and is its first try.
#[test]
fn a_new_order_begins_with_nothing() {
    let order = Order::new(ClOrdId::from_hash(0, 20), 3, 4);
    let counts = [order.route, order.cancels, order.query_no].map(u64::from);
    let times = [order.deadline_ns, order.since_ns, order.cancel_after_ns, order.asked_ns];
    assert_eq!((counts, times, order.incarnation, order.epoch), ([0; 3], [0; 4], 0, 0));
    assert_eq!((order.sub, order.line, order.try_no, order.state), (3, 4, 1, State::Held));
    assert_eq!([order.qty, order.cum, order.busted], [Dec::ZERO; 3]);
}

/// Each state has a name of its own in status and audit.
#[test]
fn states_have_names_of_their_own() {
    let names = State::ALL.map(State::name);
    let want = "held dispatched out acknowledged partial unknown filled canceled rejected expired missed";
    assert_eq!(names.join(" "), want);
}
