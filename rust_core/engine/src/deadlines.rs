//! Timers: one indexed 4-ary heap of deadlines. Positions are kept by slot, so any message leaves or moves in
//! O(log n) and nothing stale stays behind. Ties go to the older message, so firing order is deterministic.
//!
//! The positions lie in their own array: sifting touches heap and positions only, never a message.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::chunked::Chunked;

const ARITY: usize = 4;
const ABSENT: u32 = u32::MAX;

/// Compared field by field: deadline, then age (the number's low half), then slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    deadline_ms: u64,
    number_low: u32,
    slot: u32,
}

/// See the module.
pub(crate) struct Deadlines {
    heap: Chunked<Entry>,
    positions: Chunked<u32>,
    /// Slots that the checkpoint under way has yet to take, and the deadlines they had when it began, where another
    /// came or it ended.
    awaited: Range<u32>,
    kept: BTreeMap<u32, u64>,
}

impl Deadlines {
    pub fn new() -> Self {
        Deadlines {
            heap: Chunked::new(),
            positions: Chunked::new(),
            awaited: 0..0,
            kept: BTreeMap::new(),
        }
    }

    /// A checkpoint begins: it takes the deadlines of the first `slots` slots as they are now, in order.
    pub fn begin(&mut self, slots: u32) {
        self.awaited = 0..slots;
        self.kept.clear();
    }

    /// The checkpoint has those before `slot`.
    pub fn taken(&mut self, slot: u32) {
        self.awaited.start = slot;
        self.kept = self.kept.split_off(&slot);
    }

    /// The deadline that a slot had when the checkpoint began.
    pub fn then(&self, slot: u32) -> Option<u64> {
        let kept = self.kept.get(&slot).copied();
        kept.or_else(|| self.of(slot))
    }

    fn keep(&mut self, slot: u32) {
        if self.awaited.contains(&slot) && !self.kept.contains_key(&slot) {
            self.kept
                .extend(self.of(slot).map(|deadline_ms| (slot, deadline_ms)));
        }
    }

    /// The earliest deadline and its slot.
    pub fn first(&self) -> Option<(u64, u32)> {
        (self.heap.len() > 0).then(|| (self.heap[0].deadline_ms, self.heap[0].slot))
    }

    /// The deadline of a slot's message, if it has one.
    pub fn of(&self, slot: u32) -> Option<u64> {
        let position =
            ((slot as usize) < self.positions.len()).then(|| self.positions[slot as usize]);
        position
            .filter(|&p| p != ABSENT)
            .map(|p| self.heap[p as usize].deadline_ms)
    }

    /// Sets, moves or (None) removes the deadline of the message `number` in `slot`.
    pub fn set(&mut self, slot: u32, number: u64, deadline_ms: Option<u64>) {
        while self.positions.len() <= slot as usize {
            self.positions.push(ABSENT);
        }
        if !self.awaited.is_empty() {
            self.keep(slot);
        }
        let position = self.positions[slot as usize];
        match (position, deadline_ms) {
            (ABSENT, None) => {}
            (ABSENT, Some(deadline_ms)) => self.insert(Entry {
                deadline_ms,
                number_low: number as u32,
                slot,
            }),
            (position, None) => self.remove(position as usize),
            (position, Some(deadline_ms)) => {
                let entry = Entry {
                    deadline_ms,
                    number_low: number as u32,
                    slot,
                };
                self.settle(position as usize, entry);
            }
        }
    }

    fn insert(&mut self, entry: Entry) {
        self.heap.push(entry);
        self.sift_up(self.heap.len() - 1, entry);
    }

    fn remove(&mut self, position: usize) {
        let last = self.heap[self.heap.len() - 1];
        let gone = self.heap[position].slot;
        assert_eq!(
            self.positions[gone as usize] as usize, position,
            "a position points elsewhere"
        );
        self.positions[gone as usize] = ABSENT;
        self.heap.pop();
        if gone != last.slot {
            self.settle(position, last);
        }
    }

    /// Puts `entry` at `position`, then moves it to where it belongs.
    fn settle(&mut self, position: usize, entry: Entry) {
        let position = self.sift_up(position, entry);
        self.sift_down(position, entry);
    }

    fn sift_up(&mut self, mut position: usize, entry: Entry) -> usize {
        while position > 0 {
            let parent = (position - 1) / ARITY;
            if self.heap[parent] <= entry {
                break;
            }
            self.put(position, self.heap[parent]);
            position = parent;
        }
        self.put(position, entry);
        position
    }

    fn sift_down(&mut self, mut position: usize, entry: Entry) {
        while let Some(child) = self.least_child(position) {
            if entry <= self.heap[child] {
                break;
            }
            self.put(position, self.heap[child]);
            position = child;
        }
        self.put(position, entry);
    }

    fn least_child(&self, position: usize) -> Option<usize> {
        let first = position * ARITY + 1;
        let last = (first + ARITY).min(self.heap.len());
        (first..last).min_by_key(|&child| self.heap[child])
    }

    fn put(&mut self, position: usize, entry: Entry) {
        self.heap[position] = entry;
        self.positions[entry.slot as usize] = position as u32;
    }
}

#[cfg(test)]
impl Deadlines {
    pub fn len(&self) -> usize {
        self.heap.len()
    }

    pub fn assert_valid(&self) {
        for position in 0..self.heap.len() {
            assert!(
                self.heap[position.saturating_sub(1) / ARITY] <= self.heap[position],
                "heap order"
            );
            assert_eq!(
                self.positions[self.heap[position].slot as usize] as usize, position,
                "heap position"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    #[test]
    fn ties_go_to_the_older_message() {
        let mut deadlines = Deadlines::new();
        deadlines.set(0, 9, Some(5));
        deadlines.set(1, 8, Some(5));
        assert_eq!(deadlines.first(), Some((5, 1)));
    }

    #[test]
    fn a_checkpoint_takes_what_was_there_when_it_began_and_keeps_no_more_than_it_awaits() {
        let mut deadlines = Deadlines::new();
        (0..4).for_each(|slot| deadlines.set(slot, 1, Some(10)));
        deadlines.begin(3);
        for deadline_ms in [Some(20), None] {
            (0..4).for_each(|slot| deadlines.set(slot, 1, deadline_ms));
        }
        let then = |deadlines: &Deadlines| [0, 1, 2, 3].map(|slot| deadlines.then(slot));
        assert_eq!(then(&deadlines), [Some(10), Some(10), Some(10), None]);
        deadlines.taken(2);
        deadlines.set(1, 1, Some(30));
        deadlines.set(1, 1, Some(40));
        assert_eq!(deadlines.kept, BTreeMap::from([(2, 10)]));
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(ops in prop::collection::vec((0_u32..40, prop::option::of(0_u64..50)), 1..300)) {
            let (mut deadlines, mut model) = (Deadlines::new(), BTreeMap::new());
            for (slot, deadline) in ops {
                deadlines.set(slot, u64::from(slot) + 1, deadline);
                match deadline {
                    Some(deadline) => { model.insert(slot, deadline); }
                    None => { model.remove(&slot); }
                }
                deadlines.assert_valid();
                let first = model.iter().map(|(&slot, &deadline)| (deadline, slot)).min();
                prop_assert_eq!(deadlines.first(), first);
                prop_assert_eq!(deadlines.len(), model.len());
            }
        }
    }
}
