//! Containers that grow without a pause: a doubling table or list would stop a leader's fill for milliseconds.

use rustc_hash::FxHashMap;
use serde::de::DeserializeOwned;
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::hash::Hash;
use std::mem;

/// Tables that a sharded one consists of: one grows at a time, and is a 64th of the whole.
const SHARDS: usize = 64;
/// Tables that one [`Sharded::prepare`] lets grow at most: its pause is theirs.
const GROWN_AT_ONCE: usize = 2;
/// Things in one chunk.
pub const CHUNK: usize = 256;
/// Chunks that were given back and are kept for use.
const SPARE_MAX: usize = 16;
/// Entries of a [`Growing`] map that are a list.
const FEW: usize = 16;
/// Entries by which a list grows at first: most orders have two reports.
const FEW_AT_FIRST: usize = 2;

/// A key that says which shard it belongs to, evenly.
pub trait Spread {
    /// Any number that is spread over its whole range.
    fn spread(&self) -> usize;
}

impl Spread for u128 {
    fn spread(&self) -> usize {
        usize::try_from(self >> 100).unwrap_or(0)
    }
}

impl Spread for u64 {
    fn spread(&self) -> usize {
        usize::try_from(self >> 40).unwrap_or(0)
    }
}

/// A hash map in many small tables. Its bytes in a snapshot are sorted: the same content gives the same bytes.
#[derive(Clone, Debug)]
pub struct Sharded<K, V>(Vec<FxHashMap<K, V>>);

impl<K, V> Default for Sharded<K, V> {
    fn default() -> Self {
        Self((0..SHARDS).map(|_| FxHashMap::default()).collect())
    }
}

impl<K: Spread + Hash + Eq + Copy, V> Sharded<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        self.0.get(key.spread() & (SHARDS - 1))?.get(key)
    }

    /// The value of a key, to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.get_mut(key.spread() & (SHARDS - 1))?.get_mut(key)
    }

    /// Makes room for `ahead` more, while nothing is urgent: few tables at a time.
    pub fn prepare(&mut self, ahead: usize) {
        let each = ahead.div_ceil(SHARDS);
        let short = |shard: &&mut FxHashMap<K, V>| shard.capacity().saturating_sub(shard.len()) < each;
        self.0.iter_mut().filter(short).take(GROWN_AT_ONCE).for_each(|shard| shard.reserve(each));
    }

    /// Enters a value when the key is new.
    ///
    /// # Errors
    /// The value that is there, which stays.
    pub fn insert_new(&mut self, key: K, value: V) -> Result<(), V>
    where
        V: Copy,
    {
        let Some(shard) = self.0.get_mut(key.spread() & (SHARDS - 1)) else { return Err(value) };
        match shard.entry(key) {
            std::collections::hash_map::Entry::Occupied(there) => Err(*there.get()),
            std::collections::hash_map::Entry::Vacant(place) => {
                place.insert(value);
                Ok(())
            }
        }
    }
}

impl<K: Serialize + Ord + Copy, V: Serialize> Serialize for Sharded<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries: Vec<(&K, &V)> = self.0.iter().flatten().collect();
        entries.sort_unstable_by_key(|(k, _)| **k);
        let mut out = serializer.serialize_seq(Some(entries.len()))?;
        for entry in entries {
            out.serialize_element(&entry)?;
        }
        out.end()
    }
}

impl<'de, K: DeserializeOwned + Spread + Hash + Eq + Copy, V: DeserializeOwned + Copy> Deserialize<'de>
    for Sharded<K, V>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut out = Self::default();
        entries(deserializer, |k, v| out.insert_new(k, v))?;
        Ok(out)
    }
}

/// Entries of a map from its bytes, each key once.
fn entries<'de, K: DeserializeOwned, V: DeserializeOwned, D: Deserializer<'de>>(
    deserializer: D,
    mut enter: impl FnMut(K, V) -> Result<(), V>,
) -> Result<(), D::Error> {
    for (k, v) in Vec::<(K, V)>::deserialize(deserializer)? {
        enter(k, v).map_err(|_| serde::de::Error::custom("the same key twice"))?;
    }
    Ok(())
}

/// A map that is a short list until it is long: an order of ours has a few reports, a leader has millions. A table for each
/// order would take more than what is in it; one table for all orders could not forget those of one.
#[derive(Clone, Debug)]
pub enum Growing<K, V> {
    /// At most [`FEW`].
    Few(Vec<(K, V)>),
    /// More.
    Many(Box<Sharded<K, V>>),
}

impl<K, V> Default for Growing<K, V> {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl<K: Spread + Hash + Eq + Copy, V: Copy> Growing<K, V> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<&V> {
        match self {
            Self::Few(list) => list.iter().find(|(k, _)| k == key).map(|(_, v)| v),
            Self::Many(map) => map.get(key),
        }
    }

    /// The value of a key, to change.
    pub fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        match self {
            Self::Few(list) => list.iter_mut().find(|(k, _)| k == key).map(|(_, v)| v),
            Self::Many(map) => map.get_mut(key),
        }
    }

    /// Enters a value when the key is new.
    ///
    /// # Errors
    /// The value that is there, which stays.
    pub fn insert_new(&mut self, key: K, value: V) -> Result<(), V> {
        let list = match self {
            Self::Many(map) => return map.insert_new(key, value),
            Self::Few(list) => list,
        };
        if let Some((_, there)) = list.iter().find(|(k, _)| *k == key) {
            return Err(*there);
        }
        if list.len() < FEW {
            if list.len() == list.capacity() {
                list.reserve_exact(list.len().max(FEW_AT_FIRST));
            }
            list.push((key, value));
            return Ok(());
        }
        self.expect_many();
        self.insert_new(key, value)
    }

    /// It will be long: a table from now on, so that becoming one does not hold up an entry later.
    pub fn expect_many(&mut self) {
        if let Self::Few(list) = self {
            let mut map = Sharded::default();
            for (k, v) in mem::take(list) {
                let _ = map.insert_new(k, v); // every key is there once
            }
            *self = Self::Many(Box::new(map));
        }
    }
}

impl<K: Serialize + Ord + Copy, V: Serialize + Copy> Serialize for Growing<K, V> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Few(list) => {
                let mut sorted = list.clone();
                sorted.sort_unstable_by_key(|(k, _)| *k);
                sorted.serialize(serializer)
            }
            Self::Many(map) => map.serialize(serializer),
        }
    }
}

impl<'de, K: DeserializeOwned + Spread + Hash + Eq + Copy, V: DeserializeOwned + Copy> Deserialize<'de>
    for Growing<K, V>
{
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut out = Self::default();
        entries(deserializer, |k, v| out.insert_new(k, v))?;
        Ok(out)
    }
}

/// Things by number, in chunks: nothing moves when it grows. A chunk of which nothing is needed any more is given back, and
/// the numbers of all others stay.
#[derive(Clone, Debug)]
pub struct Chunked<T> {
    /// An empty one before the last was given back.
    chunks: Vec<Vec<T>>,
    /// Empty chunks whose memory was written to before: see [`Chunked::prepare`].
    spare: Vec<Vec<T>>,
}

impl<T> Default for Chunked<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), spare: Vec::new() }
    }
}

impl<T> Chunked<T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let full = self.chunks.len().saturating_sub(1).saturating_mul(CHUNK);
        self.chunks.last().map_or(0, |last| full.saturating_add(last.len()))
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// One of them, to change.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }

    /// Makes room for `ahead` more, while nothing is urgent.
    ///
    /// The first write to a page of fresh memory costs the kernel 0.5 to 2 µs, which was a third of what an order cost.
    /// `blank` is written into every place and dropped again.
    pub fn prepare(&mut self, ahead: usize, blank: impl Fn() -> T) {
        while self.spare.len() < ahead.div_ceil(CHUNK) {
            let mut chunk = Vec::with_capacity(CHUNK);
            chunk.resize_with(CHUNK, &blank);
            chunk.clear();
            self.spare.push(chunk);
        }
        self.chunks.reserve(self.spare.len());
    }

    /// Adds one at the end.
    #[inline]
    pub fn push(&mut self, one: T) {
        if self.chunks.last().is_none_or(|last| last.len() >= CHUNK) {
            self.begin_chunk();
        }
        if let Some(last) = self.chunks.last_mut() {
            last.push(one);
        }
    }

    #[cold]
    fn begin_chunk(&mut self) {
        let chunk = self.spare.pop().unwrap_or_else(|| Vec::with_capacity(CHUNK));
        self.chunks.push(chunk);
    }

    /// One of them, to change; the list grows until there is one.
    pub fn get_or_grow(&mut self, at: usize) -> Option<&mut T>
    where
        T: Default,
    {
        while self.len() <= at {
            self.push(T::default());
        }
        self.get_mut(at)
    }

    /// All that are kept, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        self.chunks.iter().flatten()
    }

    /// Chunks that are full: all but the last, with those that were given back.
    #[must_use]
    pub fn full_chunks(&self) -> usize {
        self.chunks.len().saturating_sub(1)
    }

    /// What is in a chunk; nothing where it was given back.
    #[must_use]
    pub fn chunk(&self, number: usize) -> &[T] {
        self.chunks.get(number).map_or(&[], Vec::as_slice)
    }

    /// Gives a full chunk back. Its memory is used again for the next one.
    pub fn retire(&mut self, number: usize) {
        let full = self.full_chunks();
        if let Some(chunk) = self.chunks.get_mut(number).filter(|c| number < full && !c.is_empty()) {
            let mut chunk = mem::take(chunk);
            chunk.clear();
            // Room that was touched already is better than fresh room, as long as it is not hoarded.
            if self.spare.len() < SPARE_MAX {
                self.spare.push(chunk);
            }
        }
    }
}

impl<T> std::ops::Index<usize> for Chunked<T> {
    type Output = T;
    fn index(&self, at: usize) -> &T {
        // For tests, where a missing one is a failed test; the engine uses `get`.
        self.get(at).unwrap_or_else(|| unreachable!("number {at} of {}", self.len()))
    }
}

impl<'a, T> IntoIterator for &'a Chunked<T> {
    type Item = &'a T;
    type IntoIter = std::iter::Flatten<std::slice::Iter<'a, Vec<T>>>;
    fn into_iter(self) -> Self::IntoIter {
        self.chunks.iter().flatten()
    }
}

impl<T: Serialize> Serialize for Chunked<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.chunks.serialize(serializer)
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Chunked<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut chunks = Vec::<Vec<T>>::deserialize(deserializer)?;
        let full = chunks.len().saturating_sub(1);
        let given_back_or_full = chunks.iter().take(full).all(|c| c.is_empty() || c.len() == CHUNK);
        if !given_back_or_full || chunks.last().is_some_and(|c| c.is_empty() || c.len() > CHUNK) {
            return Err(serde::de::Error::custom("a chunk that is neither full nor given back"));
        }
        // Room for all of the last one, as it was.
        if let Some(last) = chunks.last_mut() {
            last.reserve_exact(CHUNK.saturating_sub(last.len()));
        }
        Ok(Self { chunks, spare: Vec::new() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::order::{ClOrdId, Order};

    /// Entries come back from bytes, and the same content gives the same bytes whatever order it came in.
    #[test]
    fn a_sharded_map_has_one_form_in_bytes() {
        let (mut a, mut b) = (Sharded::<u128, u32>::default(), Sharded::<u128, u32>::default());
        let keys: Vec<u128> =
            (0..1_000_u128).map(|n| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes())).collect();
        for (n, k) in (0_u32..).zip(&keys) {
            assert_eq!(a.insert_new(*k, n), Ok(()));
            assert_eq!(a.insert_new(*k, 7), Err(n));
        }
        for (n, k) in (0_u32..).zip(&keys).collect::<Vec<_>>().into_iter().rev() {
            b.insert_new(*k, n).unwrap();
        }
        let bytes = postcard::to_stdvec(&a).unwrap();
        assert_eq!(bytes, postcard::to_stdvec(&b).unwrap());
        let back: Sharded<u128, u32> = postcard::from_bytes(&bytes).unwrap();
        assert_eq!(back.get(keys.get(500).unwrap()), Some(&500));
    }

    /// Room is made for all that was asked for, few tables at a time, and what is entered into it moves nothing.
    #[test]
    fn a_sharded_map_makes_room_ahead_a_few_tables_at_a_time() {
        let mut map = Sharded::<u128, u32>::default();
        let room = |map: &Sharded<u128, u32>| map.0.iter().map(FxHashMap::capacity).collect::<Vec<_>>();
        for _ in 0..SHARDS / GROWN_AT_ONCE {
            let before = room(&map);
            map.prepare(1_000);
            let grown = before.iter().zip(room(&map)).filter(|(was, is)| *was < is).count();
            assert_eq!(grown, GROWN_AT_ONCE);
        }
        let before = room(&map);
        assert!(before.iter().all(|room| *room >= 16), "{before:?}");
        map.prepare(1_000);
        (0..1_000_u128).for_each(|n| map.insert_new(n << 100, 0).unwrap());
        assert_eq!(room(&map), before);
    }

    /// Orders keep their numbers over chunk borders and through bytes.
    #[test]
    fn orders_keep_their_numbers() {
        let mut orders = Chunked::<Order>::default();
        for n in 0..2_500_u32 {
            assert_eq!(orders.len(), n as usize);
            if n % 700 == 0 {
                orders.prepare(500, || Order::new(ClOrdId::from_hash(0, 20), u32::MAX, 0));
            }
            orders.push(Order::new(ClOrdId::from_hash(u128::from(n), 20), n, 0));
        }
        let back: Chunked<Order> = postcard::from_bytes(&postcard::to_stdvec(&orders).unwrap()).unwrap();
        for n in [0, 255, 256, 1_023, 1_024, 2_499] {
            assert_eq!(back.get(n).unwrap(), orders.get(n).unwrap());
            assert_eq!(back.get(n).unwrap().sub as usize, n);
        }
        assert!(back.get(2_500).is_none());
    }

    /// What is given back is gone, whole chunks of it; all others keep their numbers, also through bytes, and the last one
    /// stays: it is not full.
    #[test]
    fn a_chunk_that_is_given_back_moves_no_number() {
        let mut list = Chunked::<usize>::default();
        (0..1_000).for_each(|n| list.push(n));
        [1, 3, 9].into_iter().for_each(|chunk| list.retire(chunk));
        let mut back: Chunked<usize> = postcard::from_bytes(&postcard::to_stdvec(&list).unwrap()).unwrap();
        for list in [&mut list, &mut back] {
            assert_eq!((list.len(), list.full_chunks()), (1_000, 3));
            assert_eq!(
                [255, 256, 511, 512, 768, 999].map(|n| list.get(n).copied()),
                [Some(255), None, None, Some(512), Some(768), Some(999)]
            );
            list.push(1_000);
            assert_eq!(list.get(1_000), Some(&1_000));
            assert_eq!(list.iter().count(), 1_001 - CHUNK);
        }
    }

    /// Bytes that are no list of chunks are refused: numbers would be others.
    #[test]
    fn bytes_with_a_chunk_in_part_are_refused() {
        for chunks in [vec![vec![1; 3], vec![1]], vec![vec![1; CHUNK], vec![]], vec![vec![1; CHUNK + 1]]] {
            let bytes = postcard::to_stdvec(&chunks).unwrap();
            assert!(postcard::from_bytes::<Chunked<u32>>(&bytes).is_err(), "{} chunks", chunks.len());
        }
    }

    /// A map that grows answers as a table does, on both sides of where it becomes one, and comes back from its bytes.
    #[test]
    fn a_growing_map_is_a_map_at_every_size() {
        for size in [0, 1, FEW - 1, FEW, FEW + 1, 200] {
            let mut map = Growing::<u128, usize>::default();
            let key = |n: usize| xxhash_rust::xxh3::xxh3_128(&n.to_le_bytes());
            for n in 0..size {
                assert_eq!(map.get(&key(n)), None);
                assert_eq!(map.insert_new(key(n), n), Ok(()));
                assert_eq!(map.insert_new(key(n), 7_777), Err(n));
            }
            assert_eq!(matches!(map, Growing::Many(_)), size > FEW, "{size}");
            let bytes = postcard::to_stdvec(&map).unwrap();
            let mut back: Growing<u128, usize> = postcard::from_bytes(&bytes).unwrap();
            assert_eq!(postcard::to_stdvec(&back).unwrap(), bytes);
            for n in 0..size {
                *back.get_mut(&key(n)).unwrap() += 1;
                assert_eq!((map.get(&key(n)), back.get(&key(n))), (Some(&n), Some(&(n + 1))));
            }
        }
    }
}
