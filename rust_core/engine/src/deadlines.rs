//! Timers: one indexed 4-ary heap of deadlines. Positions are kept by slot, so any message leaves or moves in
//! O(log n) and nothing stale stays behind. Ties go to the older message, so firing order is deterministic.
//!
//! The positions lie in their own array: sifting touches heap and positions only, never a message. The children of an
//! entry are one cache line of the heap (LaMarca and Ladner 1996), and an entry is one number to compare.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::chunked::Chunked;
use crate::message::INSTANT_MS_MAX;
use crate::positions::{ABSENT, Positions};

const ARITY: usize = 4;

/// Where the first entry lies, in the first line's last place: so the four children of the entry at `position` are the line
/// `position - 2`.
const FIRST: usize = ARITY - 1;

/// Tells the members of a group apart, and who left and held messages: by the lease's entry here it is known who has it.
/// It decides nothing.
pub(crate) type Holder = u16;

/// Of what nobody holds, or who is no member.
pub(crate) const NOBODY: Holder = 0;

/// From the highest bits: deadline (48), age (the number's low half, 32), slot (32), holder (16). Slots are unique, so the
/// holder never decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entry(u128);

/// Behind the last entry: no entry is after it.
const END: Entry = Entry(u128::MAX);

impl Entry {
    fn new(deadline_ms: u64, number: u64, slot: u32) -> Self {
        let deadline_ms = u128::from(deadline_ms.min(INSTANT_MS_MAX));
        let age = u128::from(number as u32);
        Entry(deadline_ms << 80 | age << 48 | u128::from(slot) << 16)
    }

    fn deadline_ms(self) -> u64 {
        (self.0 >> 80) as u64
    }

    fn slot(self) -> u32 {
        (self.0 >> 16) as u32
    }

    fn holder(self) -> Holder {
        self.0 as Holder
    }

    fn held_by(self, holder: Holder) -> Self {
        Entry(self.0 & !u128::from(Holder::MAX) | u128::from(holder))
    }
}

/// Entries beside each other.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line([Entry; ARITY]);

/// See the module.
pub(crate) struct Deadlines {
    lines: Chunked<Line>,
    /// Where the next entry goes.
    end: usize,
    positions: Positions,
    /// Slots that the checkpoint under way has yet to take, and the deadlines they had when it began, where another
    /// came or it ended.
    awaited: Range<u32>,
    kept: BTreeMap<u32, u64>,
}

impl Deadlines {
    pub fn new() -> Self {
        Deadlines {
            lines: Chunked::new(),
            end: FIRST,
            positions: Positions::default(),
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
        let first = (self.end > FIRST).then(|| self.at(FIRST))?;
        Some((first.deadline_ms(), first.slot()))
    }

    /// The deadline of a slot's message, if it has one.
    pub fn of(&self, slot: u32) -> Option<u64> {
        self.entry(slot).map(Entry::deadline_ms)
    }

    /// Who holds the message in a slot.
    pub fn holder(&self, slot: u32) -> Holder {
        self.entry(slot).map_or(NOBODY, Entry::holder)
    }

    /// Notes who holds the message in a slot, which has a deadline.
    pub fn hold(&mut self, slot: u32, holder: Holder) {
        let position = self.positions.of(slot) as usize;
        assert!(position >= FIRST, "a message is held without end");
        let entry = self.at_mut(position);
        *entry = entry.held_by(holder);
    }

    /// Nobody holds it from here on. Answers who did.
    pub fn let_go(&mut self, slot: u32) -> Holder {
        let position = self.positions.of(slot);
        if position == ABSENT {
            return NOBODY;
        }
        let entry = self.at_mut(position as usize);
        std::mem::replace(entry, entry.held_by(NOBODY)).holder()
    }

    fn entry(&self, slot: u32) -> Option<Entry> {
        let position = self.positions.of(slot);
        (position != ABSENT).then(|| self.at(position as usize))
    }

    /// Sets, moves or (None) removes the deadline of the message `number` in `slot`. Who holds it does so still.
    pub fn set(&mut self, slot: u32, number: u64, deadline_ms: Option<u64>) {
        if !self.awaited.is_empty() {
            self.keep(slot);
        }
        let position = self.positions.of(slot);
        match (position, deadline_ms) {
            (ABSENT, None) => {}
            (ABSENT, Some(deadline_ms)) => self.insert(Entry::new(deadline_ms, number, slot)),
            (position, None) => self.remove(position as usize),
            (position, Some(deadline_ms)) => {
                let position = position as usize;
                let holder = self.at(position).holder();
                let entry = Entry::new(deadline_ms, number, slot);
                self.settle(position, entry.held_by(holder));
            }
        }
    }

    fn insert(&mut self, entry: Entry) {
        if self.end / ARITY == self.lines.len() {
            self.lines.push(Line([END; ARITY]));
        }
        self.positions.begin(entry.slot(), self.end as u32);
        self.end += 1;
        self.rise(self.end - 1, entry);
    }

    fn remove(&mut self, position: usize) {
        let gone = self.at(position).slot();
        assert_eq!(
            self.positions.of(gone) as usize,
            position,
            "a position points elsewhere"
        );
        self.positions.set(gone, ABSENT);
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

    /// Puts `entry` where it belongs, given that nothing is at `position`.
    fn settle(&mut self, position: usize, entry: Entry) {
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

    fn rise(&mut self, mut position: usize, entry: Entry) {
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

    fn at(&self, position: usize) -> Entry {
        self.lines[position / ARITY].0[position % ARITY]
    }

    fn at_mut(&mut self, position: usize) -> &mut Entry {
        &mut self.lines[position / ARITY].0[position % ARITY]
    }

    fn put(&mut self, position: usize, entry: Entry) {
        *self.at_mut(position) = entry;
        self.positions.set(entry.slot(), position as u32);
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

    pub fn assert_valid(&self) {
        for position in FIRST..self.end {
            let entry = self.at(position);
            let above = if position == FIRST {
                position
            } else {
                parent(position)
            };
            assert!(self.at(above) <= entry, "heap order");
            let known = self.positions.of(entry.slot()) as usize;
            assert_eq!(known, position, "heap position");
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

    #[test]
    fn who_holds_a_message_is_known_while_its_deadline_moves_and_decides_nothing() {
        let mut deadlines = Deadlines::new();
        (0..100).for_each(|slot| deadlines.set(slot, u64::from(slot) + 1, Some(500)));
        deadlines.hold(0, Holder::MAX);
        deadlines.hold(50, 7);
        assert_eq!(
            deadlines.first(),
            Some((500, 0)),
            "the older one, whoever holds it"
        );
        deadlines.set(50, 51, Some(900));
        (1..100).for_each(|slot| deadlines.set(slot, u64::from(slot) + 1, Some(700)));
        let holders = [0, 1, 50, 1000].map(|slot| deadlines.holder(slot));
        assert_eq!(holders, [Holder::MAX, NOBODY, 7, NOBODY]);
        assert_eq!((deadlines.let_go(50), deadlines.let_go(50)), (7, NOBODY));
        assert_eq!(deadlines.let_go(1000), NOBODY);
        deadlines.set(0, 1, None);
        deadlines.set(0, 200, Some(1));
        assert_eq!(deadlines.holder(0), NOBODY, "another message");
    }

    #[test]
    fn a_deadline_beyond_the_latest_instant_is_that() {
        let mut deadlines = Deadlines::new();
        deadlines.set(3, 1, Some(u64::MAX));
        assert_eq!(deadlines.of(3), Some(INSTANT_MS_MAX));
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
