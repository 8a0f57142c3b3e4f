//! A hash table in 256 segments. A table that doubles moves all it holds at once; a segment moves a 256th, so
//! growth never stops the partition for long. The caller gives the hash; nothing iterates, so no order leaks.

use std::hint::black_box;

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

use crate::ids::QueueNumber;

const SEGMENTS: usize = 256;

/// Entries found by a hash and an equality the caller supplies.
pub(crate) struct Segmented<T> {
    segments: Box<[HashTable<T>]>,
    count: usize,
}

impl<T> Segmented<T> {
    pub fn new() -> Self {
        Segmented {
            segments: (0..SEGMENTS).map(|_| HashTable::new()).collect(),
            count: 0,
        }
    }

    pub fn find(&self, hash: u64, equal: impl FnMut(&T) -> bool) -> Option<&T> {
        self.segments[segment(hash)].find(hash, equal)
    }

    /// Reads where an entry of this hash would lie, and waits for nothing.
    pub fn load_ahead(&self, hash: u64) {
        black_box(self.find(hash, |_| false));
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds `value`, in place of an equal one if there is one.
    pub fn put(
        &mut self,
        hash: u64,
        value: T,
        equal: impl FnMut(&T) -> bool,
        rehash: impl Fn(&T) -> u64,
    ) {
        match self.segments[segment(hash)].entry(hash, equal, rehash) {
            Entry::Occupied(mut entry) => *entry.get_mut() = value,
            Entry::Vacant(entry) => {
                entry.insert(value);
                self.count += 1;
            }
        }
    }

    pub fn remove(&mut self, hash: u64, equal: impl FnMut(&T) -> bool) -> Option<T> {
        let entry = self.segments[segment(hash)].find_entry(hash, equal).ok()?;
        self.count -= 1;
        Some(entry.remove().0)
    }

    pub fn len(&self) -> usize {
        self.count
    }
}

/// Bits the table itself uses neither for the bucket nor for its tag.
fn segment(hash: u64) -> usize {
    (hash >> 40) as usize % SEGMENTS
}

/// A hash made a queue's own: the key of an id that two queues may both know. Checkpoints hold such keys.
pub(crate) fn key_in(queue: QueueNumber, hash: u128) -> u128 {
    let queue = u64::from(queue.0);
    hash ^ wide(mix(queue), mix(!queue))
}

/// Both halves of a wide hash.
pub(crate) fn wide(high: u64, low: u64) -> u128 {
    (u128::from(high) << 64) + u128::from(low)
}

/// Spreads an integer's bits over the whole word (the finalizer of splitmix64, Steele et al. 2014).
pub(crate) fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_what_they_were_in_every_checkpoint() {
        assert_eq!(
            key_in(QueueNumber(0), 0),
            0xe220_a839_7b1d_cdaf_e4d9_7177_1b65_2c20
        );
        assert_eq!(
            key_in(QueueNumber(3), u128::MAX),
            0xe2f4_eb1b_24fe_7012_3e9b_4484_d464_c1c5
        );
    }
}
