//! Making one order of ours: derived ClOrdID(11), digest, books.

use super::Engine;
use super::lanes::Lane;
use super::lines::signed;
use crate::action::Sink;
use crate::decimal::Dec;
use crate::link::SendKind;
use crate::order::{ClOrdId, Order};
use crate::refusal::{Code, Refusal};
use xxhash_rust::xxh3::xxh3_128;

/// Bytes that wait for the digest at most: what fits the first cache beside other things.
const MADE_MAX: usize = 8_192;

/// What an order is to be, before it has an identity.
pub(super) struct Draft {
    pub(super) buy: bool,
    pub(super) qty: Dec,
    pub(super) reduces: bool,
    pub(super) px: Option<Dec>,
    pub(super) deadline_ns: i64,
}

impl Engine {
    /// Makes one order of a line. False when the same identity was made before.
    pub(super) fn make_order<S: Sink>(&mut self, at: u32, lane: &Lane, draft: &Draft, sink: &mut S) -> bool {
        let Some(o) = self.new_order(at, lane, draft, false, sink) else { return false };
        if let Some(ls) = self.st.lines.get_mut(at as usize) {
            ls.live.push(o);
            ls.line.add_working(draft.buy, draft.reduces, draft.qty);
        }
        true
    }

    /// An order on its way: derived ClOrdID, digest, list. None when the same identity was made before.
    #[inline(always)]
    pub(super) fn new_order<S: Sink>(
        &mut self,
        at: u32,
        lane: &Lane,
        draft: &Draft,
        mirror: bool,
        _sink: &mut S,
    ) -> Option<u32> {
        let sub = self.st.lines.get(at as usize)?.sub;
        let o = u32::try_from(self.st.orders.len()).ok()?;
        let Some(id) = self.new_id(lane.sub_hash, at, usize::from(lane.id_len), draft.reduces) else {
            self.refuse(Refusal::bare(Code::Duplicate));
            return None;
        };
        self.note_made(&id, draft);
        if S::WANTS_DECISIONS {
            self.cause.orders.push((id.to_vec(), signed(draft.qty, draft.buy)));
        }
        let route = self.way(lane.route);
        self.st.orders.push(Order {
            route,
            buy: draft.buy,
            reduces: draft.reduces,
            mirror,
            qty: draft.qty,
            px: draft.px,
            deadline_ns: draft.deadline_ns,
            since_ns: self.st.at_ns,
            ..Order::new(id, sub, at)
        });
        self.push(route, o, SendKind::New);
        Some(o)
    }

    /// A new ClOrdID. An open whose identity was made before is a duplicate; a close takes the next slice, because it
    /// must never be lost.
    fn new_id(&mut self, sub_hash: u64, at: u32, len: usize, reduces: bool) -> Option<ClOrdId> {
        let mut id = self.derive(sub_hash, at, len);
        // Only a cause that came before can have made it.
        while self.cause.repeated && (self.known(&id).is_some() || self.is_retired(&id)) {
            if !reduces {
                return None;
            }
            id = self.derive(sub_hash, at, len);
        }
        Some(id)
    }

    /// Enters the ClOrdIDs of this event's new orders, all in one go: the table is larger than the caches, and misses
    /// that do not wait for each other cost a fraction of those that do.
    pub(super) fn enter_ids(&mut self, list: &[(u32, SendKind)]) {
        for (o, _) in list.iter().filter(|(_, kind)| *kind == SendKind::New) {
            let Some(order) = self.st.orders.get_mut(*o as usize) else { continue };
            // An id whose key another order has, by chance of the hash, gives way before anything is sent.
            while self.st.ids.insert_new(order.cl_ord_id.key(), *o).is_err_and(|owner| owner != *o) {
                order.cl_ord_id = order.cl_ord_id.of_cancel(u32::MAX);
            }
        }
    }

    /// What the digest is to cover of one order: ClOrdID, side, qty, px.
    fn note_made(&mut self, id: &ClOrdId, draft: &Draft) {
        // Every part has its own place: fixed copies cost a fraction of growing ones.
        let mut bytes = [0_u8; 54];
        let (text, len) = id.parts();
        bytes[..16].copy_from_slice(&draft.qty.raw().to_le_bytes());
        bytes[16..32].copy_from_slice(&draft.px.map_or(i128::MIN, Dec::raw).to_le_bytes());
        bytes[32..52].copy_from_slice(text);
        bytes[52] = len;
        bytes[53] = u8::from(draft.buy);
        self.made.extend_from_slice(&bytes);
        if self.made.len() >= MADE_MAX {
            self.digest_made();
        }
    }

    /// Takes the orders of this event into the digest, many in one go: one hash over many bytes costs a fraction of many
    /// over few.
    pub(super) fn digest_made(&mut self) {
        if self.made.is_empty() {
            return;
        }
        self.made.extend_from_slice(&self.st.digest.to_le_bytes());
        self.st.digest = xxh3_128(&self.made);
        self.made.clear();
    }

    fn derive(&mut self, sub_hash: u64, at: u32, len: usize) -> ClOrdId {
        let mut seed = [0_u8; 32];
        seed[..16].copy_from_slice(&self.cause.id.to_le_bytes());
        seed[16..24].copy_from_slice(&sub_hash.to_le_bytes());
        seed[24..28].copy_from_slice(&at.to_le_bytes());
        seed[28..32].copy_from_slice(&self.cause.slices.to_le_bytes());
        self.cause.slices = self.cause.slices.saturating_add(1);
        ClOrdId::from_hash(xxh3_128(&seed), len)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::action::Discard;
    use crate::config::Config;
    use crate::order::State;
    use std::sync::Arc;

    const CONFIG: &str = r#"{"deployment":"t","retire_after_ms":60000,"profiles":[{"name":"p","begin_string":"FIX.4.4"}],
        "instruments":[{"name":"I","contract_size":"1","lot_step":"1","min_lot":"1","tick":"1","currency":"USD"}],
        "leaders":[{"name":"l","session":"L","profile":"p","symbols":{"I":"I"},"assume_flat":true}],
        "routes":[{"name":"r","session":"R","profile":"p"}],
        "followers":[{"name":"f","route":"r","account":"F","symbols":{"I":"I"}}],
        "subscriptions":[{"name":"s","follower":"f","leader":"l","sizing":{"mode":"multiplier","k":"1"},
          "max_ratio":"9","symbol_map":{"I":{"instrument":"I"}}}]}"#;

    /// The same cause a second time: its open is refused, because it was made before; its close goes out under an
    /// identity of its own, because it must never be lost. So it is when its orders were given back long ago.
    #[test]
    fn an_open_is_made_once_for_one_cause_and_a_close_is_never_lost() {
        let mut engine = Engine::new(Config::from_json(CONFIG).unwrap()).unwrap();
        let ix = Arc::clone(&engine.ix);
        let at = engine.line_of(&ix, 0, 0, 0).unwrap();
        let lane = ix.lane(engine.st.lines.first().unwrap()).unwrap();
        let by = |engine: &mut Engine, cause: u128, repeated: bool, reduces: bool| {
            (engine.cause.id, engine.cause.slices, engine.cause.repeated) = (cause, 0, repeated);
            engine.cause.refusals.clear();
            let draft = Draft { buy: true, qty: Dec::ONE, reduces, px: None, deadline_ns: 0 };
            let made = engine.make_order(at, lane, &draft, &mut Discard);
            engine.flush(&mut Discard);
            (made, engine.cause.refusals.iter().map(|r| r.code).collect::<Vec<_>>())
        };
        let made = |engine: &mut Engine, repeated, reduces| by(engine, 7, repeated, reduces);
        assert_eq!(made(&mut engine, false, false), (true, vec![]));
        assert_eq!(made(&mut engine, true, false), (false, vec![Code::Duplicate]));
        assert_eq!(made(&mut engine, true, true), (true, vec![]));
        let ids = [0, 1].map(|n| engine.st.orders.get(n).unwrap().cl_ord_id);
        assert!(engine.st.orders.len() == 2 && ids.first() != ids.last());
        for cause in 1_000..1_600 {
            assert_eq!(by(&mut engine, cause, false, false), (true, vec![]));
        }
        for o in 0..602 {
            engine.st.orders.get_mut(o).unwrap().state = State::Filled;
        }
        engine.st.fills.get_or_grow(601).unwrap(); // a broker has reported the newest
        engine.st.at_ns = 61_000_000_000;
        engine.retire();
        assert_eq!(engine.st.orders.iter().count(), 602 - 512, "two chunks were given back");
        assert_eq!(made(&mut engine, true, false), (false, vec![Code::Duplicate]));
        assert_eq!(made(&mut engine, true, true), (true, vec![]));
        let newest = engine.st.orders.get(602).unwrap().cl_ord_id;
        assert!(!ids.contains(&newest), "a name that the broker knows already");
    }
}
