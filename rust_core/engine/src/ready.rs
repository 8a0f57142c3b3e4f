//! A queue's ready messages: one FIFO per priority level. A bitmap says which levels hold any; only those
//! take memory, lowest first, so a queue that uses one priority costs one list.
//!
//! A level knows since when its first message waits, so choosing among levels touches no message.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;

use crate::config::Scheduling;
use crate::list::List;
use crate::message::NONE;
use crate::slab::Slab;

/// Messages that one passes on its way to its place.
const PASSED_MAX: usize = 1000;

/// See the module.
#[derive(Default)]
pub(crate) struct Ready {
    bitmap: [u64; 4],
    levels: Vec<Level>,
}

/// The messages of one priority, never none.
struct Level {
    list: List,
    /// Of the first one.
    since_ms: u64,
    priority: u8,
}

impl Ready {
    pub fn push_back(&mut self, slab: &mut Slab, priority: u8, slot: u32) {
        let level = self.level_or_new(priority);
        level.list.push_back(slab, slot);
        level.since_ms = slab[level.list.head].at_ms;
    }

    pub fn push_front(&mut self, slab: &mut Slab, priority: u8, slot: u32) {
        let level = self.level_or_new(priority);
        level.list.push_front(slab, slot);
        level.since_ms = slab[slot].at_ms;
    }

    /// Among those of its level by since when it waits. Where too many came later it is put before the last of them,
    /// as if it had come with them.
    pub fn insert(&mut self, slab: &mut Slab, priority: u8, slot: u32) {
        let at_ms = slab[slot].at_ms;
        if self
            .since_ms(priority)
            .is_none_or(|since_ms| at_ms < since_ms)
        {
            return self.push_front(slab, priority, slot);
        }
        let rank = self.rank(priority);
        let list = &mut self.levels[rank].list;
        let mut before = list.tail;
        for _ in 0..PASSED_MAX {
            if slab[before].at_ms <= at_ms {
                break;
            }
            before = slab[before].previous;
        }
        slab[slot].at_ms = at_ms.max(slab[before].at_ms);
        list.insert_after(slab, before, slot);
    }

    pub fn remove(&mut self, slab: &mut Slab, priority: u8, slot: u32) {
        assert!(self.holds(priority), "a ready message's level is empty");
        let rank = self.rank(priority);
        let level = &mut self.levels[rank];
        level.list.remove(slab, slot);
        if level.list.is_empty() {
            self.levels.remove(rank);
            self.bitmap[usize::from(priority >> 6)] &= !(1 << (priority & 63));
        } else {
            level.since_ms = slab[level.list.head].at_ms;
        }
    }

    /// Since when the first message of a level waits.
    pub fn since_ms(&self, priority: u8) -> Option<u64> {
        self.holds(priority)
            .then(|| self.levels[self.rank(priority)].since_ms)
    }

    /// The first message of the highest level that is at or below this one.
    pub fn first_at_or_below(&self, priority: u8) -> Option<u32> {
        let levels = self.rank(priority) + usize::from(self.holds(priority));
        levels
            .checked_sub(1)
            .map(|rank| self.levels[rank].list.head)
    }

    /// The last in line: lowest level first.
    pub fn any(&self) -> Option<u32> {
        self.levels.first().map(|level| level.list.head)
    }

    /// All messages: highest level first, then first in first out.
    pub fn iter<'a>(&'a self, slab: &'a Slab) -> impl Iterator<Item = u32> + 'a {
        self.levels
            .iter()
            .rev()
            .flat_map(|level| level.list.iter(slab))
    }

    /// All messages in the order they would be delivered now.
    pub fn line<'a>(&self, slab: &'a Slab, scheduling: Scheduling) -> Line<'a> {
        let head = |level: &Level| Head {
            rank: rank(scheduling, level.since_ms, level.priority),
            priority: Reverse(level.priority),
            slot: level.list.head,
        };
        let heads: Vec<_> = self.levels.iter().map(head).map(Reverse).collect();
        Line {
            slab,
            scheduling,
            heads: heads.into(),
        }
    }

    fn level_or_new(&mut self, priority: u8) -> &mut Level {
        let rank = self.rank(priority);
        if !self.holds(priority) {
            self.bitmap[usize::from(priority >> 6)] |= 1 << (priority & 63);
            let level = Level {
                list: List::EMPTY,
                since_ms: 0,
                priority,
            };
            self.levels.insert(rank, level);
        }
        &mut self.levels[rank]
    }

    fn holds(&self, priority: u8) -> bool {
        self.bitmap[usize::from(priority >> 6)] & (1 << (priority & 63)) != 0
    }

    /// How many lower levels hold messages: the level's place in `levels`.
    fn rank(&self, priority: u8) -> usize {
        let word = usize::from(priority >> 6);
        let below: u32 = self.bitmap[..word]
            .iter()
            .map(|bits| bits.count_ones())
            .sum();
        (below + (self.bitmap[word] & ((1 << (priority & 63)) - 1)).count_ones()) as usize
    }
}

/// Walks ready messages in the order of delivery without moving them.
pub(crate) struct Line<'a> {
    slab: &'a Slab,
    scheduling: Scheduling,
    /// The next message of each level: the first in line on top.
    heads: BinaryHeap<Reverse<Head>>,
}

/// Compared field by field: rank, then the higher level.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Head {
    rank: i128,
    priority: Reverse<u8>,
    slot: u32,
}

impl Iterator for Line<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let mut top = self.heads.peek_mut()?;
        let slot = top.0.slot;
        match self.slab[slot].next {
            NONE => drop(PeekMut::pop(top)),
            next => {
                let message = &self.slab[next];
                top.0.slot = next;
                top.0.rank = rank(self.scheduling, message.at_ms, message.priority);
            }
        }
        Some(slot)
    }
}

/// The smallest goes first. Fair: ready time minus priority times aging. Strict: levels alone decide.
fn rank(scheduling: Scheduling, since_ms: u64, priority: u8) -> i128 {
    match scheduling {
        Scheduling::Fair { aging_ms } => {
            i128::from(since_ms) - i128::from(priority) * i128::from(aging_ms)
        }
        Scheduling::Strict => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Location, QueueNumber};
    use crate::message::{Message, Place};

    /// Messages as (priority, ready since), in slots 0, 1, …
    fn ready(messages: &[(u8, u64)]) -> (Slab, Ready) {
        let (mut slab, mut ready) = (Slab::new(), Ready::default());
        for (slot, &(priority, since_ms)) in (0_u32..).zip(messages) {
            let mut message = Message::new(
                u64::from(slot) + 1,
                QueueNumber(0),
                priority,
                Location::default(),
            );
            message.set_place(Place::Ready, since_ms);
            slab.insert(slot, message);
            ready.push_back(&mut slab, priority, slot);
        }
        (slab, ready)
    }

    #[test]
    fn strict_never_looks_down() {
        let (slab, ready) = ready(&[(0, 0), (255, 900), (64, 5), (64, 6), (63, 1)]);
        assert_eq!(
            ready.line(&slab, Scheduling::Strict).collect::<Vec<_>>(),
            [1, 2, 3, 4, 0]
        );
    }

    #[test]
    fn fair_lets_a_lower_level_go_once_it_waited_long_enough() {
        let fair = Scheduling::Fair { aging_ms: 100 };
        let order = |messages: &[(u8, u64)]| {
            let (slab, ready) = ready(messages);
            ready.line(&slab, fair).collect::<Vec<_>>()
        };
        assert_eq!(
            order(&[(1, 0), (2, 99)]),
            [1, 0],
            "99 ms of waiting are less than one level"
        );
        assert_eq!(
            order(&[(1, 0), (2, 100)]),
            [1, 0],
            "a tie goes to the higher level"
        );
        assert_eq!(order(&[(1, 0), (2, 101)]), [0, 1]);
    }

    #[test]
    fn one_that_changes_its_level_keeps_its_time_unless_too_many_came_later() {
        let (mut slab, mut ready) = ready(&[(1, 10), (2, 5), (2, 10), (2, 15), (2, 15)]);
        ready.remove(&mut slab, 1, 0);
        ready.insert(&mut slab, 2, 0);
        assert_eq!(ready.iter(&slab).collect::<Vec<_>>(), [1, 2, 0, 3, 4]);
        ready.remove(&mut slab, 2, 1);
        slab[1].at_ms = 4;
        ready.insert(&mut slab, 2, 1);
        assert_eq!(ready.since_ms(2), Some(4));
        ready.remove(&mut slab, 2, 4);
        ready.insert(&mut slab, 3, 4);
        assert_eq!(ready.iter(&slab).collect::<Vec<_>>(), [4, 1, 2, 0, 3]);

        for later in [PASSED_MAX, PASSED_MAX + 1] {
            let count = later + 2;
            let of = |i: usize| (2, if i == 0 { 5 } else { 10 + i as u64 });
            let (mut slab, mut ready) = self::ready(&(0..count).map(of).collect::<Vec<_>>());
            let last = count as u32 - 1;
            ready.remove(&mut slab, 2, last);
            slab[last].at_ms = 6;
            ready.insert(&mut slab, 2, last);
            let passed = ready.iter(&slab).skip_while(|&slot| slot != last).count() - 1;
            assert_eq!(passed, PASSED_MAX);
            assert_eq!(slab[last].at_ms, if later > PASSED_MAX { 11 } else { 6 });
        }
    }

    #[test]
    fn an_empty_level_takes_no_memory() {
        let (mut slab, mut ready) = ready(&[(1, 0), (200, 0), (1, 0)]);
        assert_eq!(ready.levels.len(), 2);
        ready.remove(&mut slab, 200, 1);
        assert_eq!(
            (ready.levels.len(), ready.since_ms(200), ready.since_ms(1)),
            (1, None, Some(0))
        );
        assert_eq!(ready.iter(&slab).collect::<Vec<_>>(), [0, 2]);
        ready.remove(&mut slab, 1, 0);
        ready.remove(&mut slab, 1, 2);
        assert_eq!(ready.any(), None);
    }

    #[test]
    fn a_line_of_many_levels_is_the_one_that_looking_at_all_of_them_gives() {
        let aging_ms = 7;
        let of = |i: u64| ((i * 37 % 256) as u8, i / 3);
        let messages: Vec<(u8, u64)> = (0..2000).map(of).collect();
        let (slab, ready) = ready(&messages);
        let line: Vec<u32> = ready.line(&slab, Scheduling::Fair { aging_ms }).collect();
        let mut expected: Vec<u32> = (0..2000).collect();
        expected.sort_by_key(|&slot| {
            let (priority, since_ms) = messages[slot as usize];
            (since_ms as i64 - i64::from(priority) * 7, Reverse(priority))
        });
        assert_eq!(line, expected);
    }
}
