//! An ordered map that a checkpoint takes block by block while it goes on changing: what [`Paged`] is for arrays. A
//! block is a range of keys. Every change goes through here, so none can be forgotten.
//!
//! [`Paged`]: super::paged::Paged

use std::collections::{BTreeMap, BTreeSet};

/// Keys of a block.
const SHIFT: u32 = 10;

/// See the module.
pub(crate) struct Tracked<V> {
    entries: BTreeMap<u64, V>,
    /// Blocks changed since the last checkpoint began.
    changed: BTreeSet<u64>,
    /// The one that changed last: mostly it changes again.
    last: Option<u64>,
    /// Blocks of the checkpoint under way, and those it has yet to take.
    begun: Vec<u64>,
    awaited: BTreeSet<u64>,
    /// Entries as they were when the checkpoint began; None: not there.
    kept: BTreeMap<u64, Option<V>>,
}

impl<V> Default for Tracked<V> {
    fn default() -> Self {
        Tracked {
            entries: BTreeMap::new(),
            changed: BTreeSet::new(),
            last: None,
            begun: Vec::new(),
            awaited: BTreeSet::new(),
            kept: BTreeMap::new(),
        }
    }
}

impl<V: Clone> Tracked<V> {
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn get(&self, key: u64) -> Option<&V> {
        self.entries.get(&key)
    }

    /// By key.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (u64, &V)> {
        self.entries.iter().map(|(&key, value)| (key, value))
    }

    /// By key, those after this one.
    pub fn after(&self, key: u64) -> impl Iterator<Item = (u64, &V)> {
        let after = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
        self.entries.range(after).map(|(&key, value)| (key, value))
    }

    pub fn first(&self) -> Option<(u64, &V)> {
        let first = self.entries.first_key_value();
        first.map(|(&key, value)| (key, value))
    }

    pub fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        if !self.entries.contains_key(&key) {
            return None;
        }
        self.touch(key);
        self.entries.get_mut(&key)
    }

    pub fn insert(&mut self, key: u64, value: V) -> Option<V> {
        self.touch(key);
        self.entries.insert(key, value)
    }

    pub fn remove(&mut self, key: u64) -> Option<V> {
        if !self.entries.contains_key(&key) {
            return None;
        }
        self.touch(key);
        self.entries.remove(&key)
    }

    pub fn pop_first(&mut self) -> Option<(u64, V)> {
        let (&key, _) = self.entries.first_key_value()?;
        self.remove(key).map(|value| (key, value))
    }

    /// Blocks that changed since the last checkpoint began.
    #[cfg(test)]
    pub fn changed(&self) -> usize {
        self.changed.len()
    }

    /// Entries of those, at most.
    pub fn changed_entries(&self) -> usize {
        self.len().min(self.changed.len() << SHIFT)
    }

    /// Has the block written with the next checkpoint, changed or not.
    pub fn rewrite(&mut self, block: u64) {
        self.changed.insert(block);
    }

    /// A checkpoint begins: it takes what changed as it is now.
    pub fn begin(&mut self) {
        self.last = None;
        self.begun = self.changed.iter().copied().collect();
        self.awaited = std::mem::take(&mut self.changed);
    }

    /// The checkpoint's next block: its number and its entries, none if nothing is left there.
    pub fn next(&mut self) -> Option<(u64, Vec<(u64, V)>)> {
        let block = self.awaited.pop_first()?;
        // What is kept is not looked for any more when the block is taken.
        self.last = None;
        let (first, last) = (block << SHIFT, block << SHIFT | ((1 << SHIFT) - 1));
        let mut taken: BTreeMap<u64, V> = self
            .entries
            .range(first..=last)
            .map(|(&key, value)| (key, value.clone()))
            .collect();
        let mut kept = self.kept.split_off(&first);
        let mut behind = last
            .checked_add(1)
            .map_or_else(BTreeMap::new, |next| kept.split_off(&next));
        self.kept.append(&mut behind);
        for (key, value) in kept {
            match value {
                Some(value) => taken.insert(key, value),
                None => taken.remove(&key),
            };
        }
        Some((block, taken.into_iter().collect()))
    }

    /// The checkpoint came to nothing: its blocks count as changed.
    pub fn abandon(&mut self) {
        self.changed.extend(self.begun.drain(..));
        self.awaited.clear();
        self.kept.clear();
        self.last = None;
    }

    /// As read from a checkpoint: no change.
    pub fn load(&mut self, key: u64, value: V) -> Option<V> {
        self.entries.insert(key, value)
    }

    fn touch(&mut self, key: u64) {
        let block = key >> SHIFT;
        if self.last != Some(block) {
            self.changed.insert(block);
            self.last = Some(block);
        }
        if self.awaited.contains(&block) && !self.kept.contains_key(&key) {
            self.kept.insert(key, self.entries.get(&key).cloned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checkpoint_takes_what_changed_as_it_was_when_it_began() {
        let mut map = Tracked::default();
        (0..3000).for_each(|key| {
            map.insert(key, key);
        });
        assert_eq!((map.changed(), map.changed_entries()), (3, 3000));
        map.begin();
        map.insert(5, 0);
        map.remove(7);
        map.insert(4000, 4000);
        *map.get_mut(2999).unwrap() = 1;
        let blocks: Vec<_> = std::iter::from_fn(|| map.next()).collect();
        let entries: Vec<_> = blocks.iter().flat_map(|(_, block)| block.clone()).collect();
        assert_eq!(entries, (0..3000).map(|key| (key, key)).collect::<Vec<_>>());
        assert!(map.kept.is_empty());
        map.begin();
        let blocks: Vec<_> = std::iter::from_fn(|| map.next()).collect();
        assert_eq!(
            blocks.iter().map(|(block, _)| *block).collect::<Vec<_>>(),
            [0, 2, 3]
        );
        assert_eq!((blocks[0].1.len(), blocks[0].1[5]), (1023, (5, 0)));
        assert_eq!(map.changed(), 0);
        (4000..5000).for_each(|key| {
            map.remove(key);
        });
        map.begin();
        assert_eq!(map.next(), Some((3, vec![])), "nothing is left there");
        map.insert(u64::MAX, 0);
        assert_eq!(map.changed_entries(), 1024);
    }

    #[test]
    fn what_changes_between_blocks_is_kept_and_what_comes_to_nothing_is_written_again() {
        let mut map = Tracked::default();
        (0..3000).for_each(|key| {
            map.insert(key, 0);
        });
        map.begin();
        map.next();
        (0..3000).for_each(|key| {
            map.insert(key, 1);
        });
        assert_eq!(map.kept.len(), 3000 - 1024);
        assert!(map.next().unwrap().1.iter().all(|&(_, value)| value == 0));
        map.abandon();
        assert_eq!((map.changed(), map.kept.len()), (3, 0));
        map.begin();
        let mut taken = std::iter::from_fn(|| map.next()).flat_map(|(_, block)| block);
        assert!(taken.all(|(_, value)| value == 1));
    }
}
