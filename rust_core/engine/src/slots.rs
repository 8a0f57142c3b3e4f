//! A set of slots, in order, 64 to a word: messages that came together mostly lie together, and what holds them leases
//! them together.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

const WORD: u32 = u64::BITS;

/// See the module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Slots {
    /// By their first slot's number of words; never zero.
    words: BTreeMap<u32, u64>,
    len: usize,
}

impl Slots {
    pub fn len(&self) -> usize {
        self.len
    }

    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// False: it is there already.
    pub fn insert(&mut self, slot: u32) -> bool {
        let word = self.words.entry(slot / WORD).or_default();
        let is_new = *word & bit(slot) == 0;
        *word |= bit(slot);
        self.len += usize::from(is_new);
        is_new
    }

    /// Takes out one that is there.
    pub fn remove(&mut self, slot: u32) {
        let Entry::Occupied(mut word) = self.words.entry(slot / WORD) else {
            panic!("slot {slot} isn't there");
        };
        assert!(*word.get() & bit(slot) != 0, "slot {slot} isn't there");
        *word.get_mut() &= !bit(slot);
        self.len -= 1;
        if *word.get() == 0 {
            word.remove();
        }
    }

    /// In order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = u32> + '_ {
        self.from(0)
    }

    /// In order, those before `first` left out.
    pub fn from(&self, first: u32) -> impl DoubleEndedIterator<Item = u32> + '_ {
        let words = self.words.range(first / WORD..);
        let slots = words.flat_map(|(&place, &word)| {
            let bits = (0..WORD).filter(move |bit| word >> bit & 1 == 1);
            bits.map(move |bit| place * WORD + bit)
        });
        slots.filter(move |&slot| slot >= first)
    }
}

impl FromIterator<u32> for Slots {
    fn from_iter<T: IntoIterator<Item = u32>>(slots: T) -> Self {
        let mut set = Slots::default();
        slots.into_iter().for_each(|slot| {
            set.insert(slot);
        });
        set
    }
}

fn bit(slot: u32) -> u64 {
    1 << (slot % WORD)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn agrees_with_a_sorted_set(toggled in prop::collection::vec(0_u32..300, 1..300), from in 0_u32..300) {
            let (mut slots, mut model) = (Slots::default(), BTreeSet::new());
            for slot in toggled {
                let is_new = model.insert(slot);
                prop_assert_eq!(slots.insert(slot), is_new);
                if !is_new {
                    model.remove(&slot);
                    slots.remove(slot);
                }
                prop_assert_eq!((slots.len(), slots.is_empty()), (model.len(), model.is_empty()));
            }
            prop_assert!(slots.iter().eq(model.iter().copied()));
            prop_assert!(slots.iter().rev().eq(model.iter().rev().copied()));
            prop_assert!(slots.from(from).eq(model.range(from..).copied()));
            prop_assert_eq!(&slots, &model.iter().copied().collect());
            prop_assert!(slots.words.values().all(|&word| word != 0));
        }
    }

    #[test]
    fn a_word_goes_with_its_last_slot() {
        let mut slots: Slots = [64].into_iter().collect();
        slots.remove(64);
        assert_eq!(slots, Slots::default());
    }

    #[test]
    #[should_panic(expected = "isn't there")]
    fn what_is_not_there_is_not_taken_out() {
        let mut slots: Slots = [64].into_iter().collect();
        slots.remove(65);
    }
}
