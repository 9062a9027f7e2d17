//! Values by the number of what they are of: a follower, a subscription, a ledger line.

use serde::{Deserialize, Serialize};

/// A map whose keys are small numbers, found at once.
///
/// An open asks some twenty such maps; in sorted trees of a thousand followers that was a fifth of its time. A number without a
/// value takes the room of one, so what few have is better kept elsewhere. Equal content is equal bytes: there is nothing
/// behind the last value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Slots<T>(Vec<Option<T>>);

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Slots<T> {
    /// The value of a number.
    #[must_use]
    pub fn get(&self, at: u32) -> Option<&T> {
        self.0.get(at as usize)?.as_ref()
    }

    /// The value of a number, to change.
    pub fn get_mut(&mut self, at: u32) -> Option<&mut T> {
        self.0.get_mut(at as usize)?.as_mut()
    }

    /// Whether a number has a value.
    #[must_use]
    pub fn has(&self, at: u32) -> bool {
        self.get(at).is_some()
    }

    /// Nothing has a value.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Enters a value, in place of the one that is there.
    pub fn insert(&mut self, at: u32, value: T) {
        let at = at as usize;
        if self.0.len() <= at {
            self.0.resize_with(at.saturating_add(1), || None);
        }
        if let Some(slot) = self.0.get_mut(at) {
            *slot = Some(value);
        }
    }

    /// Takes a value out.
    pub fn remove(&mut self, at: u32) -> Option<T> {
        let value = self.0.get_mut(at as usize)?.take();
        self.trim();
        value
    }

    /// Keeps the values that are wanted.
    pub fn retain(&mut self, mut wanted: impl FnMut(u32) -> bool) {
        for (at, slot) in (0_u32..).zip(&mut self.0) {
            if slot.is_some() && !wanted(at) {
                *slot = None;
            }
        }
        self.trim();
    }

    /// All values, by rising number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0_u32..).zip(&self.0).filter_map(|(at, slot)| Some((at, slot.as_ref()?)))
    }

    /// All numbers that have a value, rising.
    pub fn keys(&self) -> impl Iterator<Item = u32> {
        self.iter().map(|(at, _)| at)
    }

    fn trim(&mut self) {
        while self.0.last().is_some_and(Option::is_none) {
            self.0.pop();
        }
    }
}

impl<T: Default> Slots<T> {
    /// The value of a number, to change; a new one where there is none.
    pub fn get_or_default(&mut self, at: u32) -> Option<&mut T> {
        if !self.has(at) {
            self.insert(at, T::default());
        }
        self.get_mut(at)
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u32, i64),
        Remove(u32),
        Default(u32),
        Add(u32, i64),
        Retain(u32),
    }

    fn step() -> impl Strategy<Value = Step> {
        let at = || 0..20_u32;
        prop_oneof![
            (at(), any::<i64>()).prop_map(|(at, v)| Step::Insert(at, v)),
            at().prop_map(Step::Remove),
            at().prop_map(Step::Default),
            (at(), -9..9_i64).prop_map(|(at, v)| Step::Add(at, v)),
            (2..4_u32).prop_map(Step::Retain),
        ]
    }

    proptest! {
        /// Whatever was done to them, slots are a sorted map, and their bytes are those of its content alone.
        #[test]
        fn are_a_map_by_number(steps in proptest::collection::vec(step(), 0..60)) {
            let (mut slots, mut map) = (Slots::default(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Insert(at, v) => { slots.insert(at, v); map.insert(at, v); }
                    Step::Remove(at) => prop_assert_eq!(slots.remove(at), map.remove(&at)),
                    Step::Default(at) => {
                        prop_assert_eq!(slots.get_or_default(at).copied(), Some(*map.entry(at).or_default()));
                    }
                    Step::Add(at, v) => {
                        let sum = |old: &mut i64| *old = old.wrapping_add(v);
                        prop_assert_eq!(slots.get_mut(at).map(sum), map.get_mut(&at).map(sum));
                    }
                    Step::Retain(n) => { slots.retain(|at| at % n == 0); map.retain(|at, _| at % n == 0); }
                }
                prop_assert_eq!(slots.iter().map(|(at, v)| (at, *v)).collect::<Vec<_>>(), map.clone().into_iter().collect::<Vec<_>>());
                prop_assert!(slots.keys().eq(map.keys().copied()));
                prop_assert_eq!(slots.is_empty(), map.is_empty());
                prop_assert!((0..21).all(|at| slots.get(at) == map.get(&at) && slots.has(at) == map.contains_key(&at)));
            }
            let mut again = Slots::default();
            map.into_iter().rev().for_each(|(at, v)| again.insert(at, v));
            prop_assert_eq!(postcard::to_stdvec(&slots), postcard::to_stdvec(&again));
            prop_assert_eq!(postcard::from_bytes::<Slots<i64>>(&postcard::to_stdvec(&slots).unwrap()).unwrap(), slots);
        }
    }
}
