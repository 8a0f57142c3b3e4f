//! Timers: one indexed 4-ary heap of deadlines. Positions are kept by slot, so any message leaves or moves in
//! O(log n) and nothing stale stays behind. Ties go to the older message, so firing order is deterministic. Which messages
//! need a timer here is not its concern.
//!
//! The positions lie in their own array: sifting touches heap and positions only, never a message. The children of an
//! entry are one cache line of the heap (LaMarca and Ladner 1996), and an entry is one number to compare.

use std::num::NonZeroU32;

use crate::chunked::Chunked;
use crate::message::INSTANT_MS_MAX;
use crate::sparse::Sparse;

const ARITY: usize = 4;

/// Where the first entry lies, in the first line's last place: so the four children of the entry at `position` are the line
/// `position - 2`.
const FIRST: usize = ARITY - 1;

/// From the highest bits: deadline (48), age (the number's low half, 32), slot (32). Less is sooner; slots are unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer(u128);

/// Behind the last entry: no entry is after it.
const END: Timer = Timer(u128::MAX);

impl Timer {
    pub fn new(deadline_ms: u64, number: u64, slot: u32) -> Self {
        let deadline_ms = u128::from(deadline_ms.min(INSTANT_MS_MAX));
        let age = u128::from(number as u32);
        Timer(deadline_ms << 64 | age << 32 | u128::from(slot))
    }

    pub fn deadline_ms(self) -> u64 {
        (self.0 >> 64) as u64
    }

    pub fn slot(self) -> u32 {
        self.0 as u32
    }
}

/// Entries beside each other.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([Timer; ARITY]);

/// See the module.
pub(crate) struct Deadlines {
    lines: Chunked<Line>,
    /// Where the next entry goes.
    end: usize,
    /// Where each slot's entry lies.
    positions: Sparse<NonZeroU32>,
}

impl Deadlines {
    pub fn new() -> Self {
        Deadlines {
            lines: Chunked::new(),
            end: FIRST,
            positions: Sparse::new(),
        }
    }

    /// The one that comes up first.
    pub fn first(&self) -> Option<Timer> {
        (self.end > FIRST).then(|| self.at(FIRST))
    }

    /// Whether the message in a slot has a timer.
    pub fn is_set(&self, slot: u32) -> bool {
        self.positions.get(slot).is_some()
    }

    /// Sets or moves the timer of a slot.
    pub fn set(&mut self, timer: Timer) {
        match self.position(timer.slot()) {
            None => self.insert(timer),
            Some(position) => self.settle(position, timer),
        }
    }

    /// Puts out the timer of a slot, if it has one.
    pub fn remove(&mut self, slot: u32) {
        let Some(position) = self.positions.remove(slot) else {
            return;
        };
        let position = position.get() as usize;
        assert_eq!(
            self.at(position).slot(),
            slot,
            "a position points elsewhere"
        );
        self.end -= 1;
        let last = self.at(self.end);
        *self.at_mut(self.end) = END;
        if self.end % ARITY == 0 {
            self.lines.pop();
        }
        if position != self.end {
            self.settle(position, last);
        }
    }

    fn position(&self, slot: u32) -> Option<usize> {
        let position = self.positions.get(slot)?;
        Some(position.get() as usize)
    }

    fn insert(&mut self, entry: Timer) {
        if self.end / ARITY == self.lines.len() {
            self.lines.push(Line([END; ARITY]));
        }
        self.end += 1;
        self.rise(self.end - 1, entry);
    }

    /// Puts `entry` where it belongs, given that nothing is at `position`.
    fn settle(&mut self, position: usize, entry: Timer) {
        let is_early = position > FIRST && entry < self.at(parent(position));
        let position = if is_early {
            position
        } else {
            self.sink(position)
        };
        self.rise(position, entry);
    }

    /// Fills the place at `position` from below, to the end: what comes in its stead was mostly the last, and belongs
    /// there (Wegener 1993). Answers which place is free instead.
    fn sink(&mut self, mut position: usize) -> usize {
        while position - 2 < self.lines.len() {
            let Line(children) = self.lines[position - 2];
            let (mut child, mut least) = (0, children[0]);
            for (other, &entry) in children.iter().enumerate().skip(1) {
                (child, least) = if entry < least {
                    (other, entry)
                } else {
                    (child, least)
                };
            }
            if least == END {
                break;
            }
            self.put(position, least);
            position = (position - 2) * ARITY + child;
        }
        position
    }

    fn rise(&mut self, mut position: usize, entry: Timer) {
        while position > FIRST {
            let above = self.at(parent(position));
            if above <= entry {
                break;
            }
            self.put(position, above);
            position = parent(position);
        }
        self.put(position, entry);
    }

    fn at(&self, position: usize) -> Timer {
        self.lines[position / ARITY].0[position % ARITY]
    }

    fn at_mut(&mut self, position: usize) -> &mut Timer {
        &mut self.lines[position / ARITY].0[position % ARITY]
    }

    fn put(&mut self, position: usize, entry: Timer) {
        *self.at_mut(position) = entry;
        let position = NonZeroU32::new(position as u32).expect("it is behind the first place");
        self.positions.insert(entry.slot(), position);
    }
}

fn parent(position: usize) -> usize {
    position / ARITY + 2
}

#[cfg(test)]
impl Deadlines {
    pub fn len(&self) -> usize {
        self.end - FIRST
    }

    pub fn timers(&self) -> std::collections::BTreeSet<Timer> {
        (FIRST..self.end)
            .map(|position| self.at(position))
            .collect()
    }

    pub fn assert_valid(&self) {
        for position in FIRST..self.end {
            let entry = self.at(position);
            let above = if position == FIRST {
                position
            } else {
                parent(position)
            };
            assert!(self.at(above) <= entry, "heap order");
            assert_eq!(self.position(entry.slot()), Some(position), "heap position");
        }
        let places = self.lines.len() * ARITY;
        let is_bare = places == 0 && self.end == FIRST;
        assert!(
            is_bare || places == self.end.next_multiple_of(ARITY),
            "lines"
        );
        assert!((self.end..places).all(|position| self.at(position) == END));
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
        deadlines.set(Timer::new(5, 9, 0));
        deadlines.set(Timer::new(5, 8, 1));
        assert_eq!(deadlines.first(), Some(Timer::new(5, 8, 1)));
    }

    #[test]
    fn a_deadline_beyond_the_latest_instant_is_that() {
        let timer = Timer::new(u64::MAX, u64::MAX, u32::MAX);
        assert_eq!(
            (timer.deadline_ms(), timer.slot()),
            (INSTANT_MS_MAX, u32::MAX)
        );
        assert!(timer < END);
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(ops in prop::collection::vec((0_u32..40, prop::option::of(0_u64..50)), 1..300)) {
            let (mut deadlines, mut model) = (Deadlines::new(), BTreeMap::new());
            for (slot, deadline) in ops {
                match deadline {
                    Some(deadline) => {
                        deadlines.set(Timer::new(deadline, u64::from(slot) + 1, slot));
                        model.insert(slot, deadline);
                    }
                    None => {
                        deadlines.remove(slot);
                        model.remove(&slot);
                    }
                }
                deadlines.assert_valid();
                let first = model.iter().map(|(&slot, &deadline)| (deadline, slot)).min();
                let known = deadlines.first().map(|first| (first.deadline_ms(), first.slot()));
                prop_assert_eq!(known, first);
                prop_assert_eq!(deadlines.len(), model.len());
                prop_assert!((0..40).all(|slot| deadlines.is_set(slot) == model.contains_key(&slot)));
            }
        }
    }
}
