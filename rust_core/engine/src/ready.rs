//! A queue's ready messages: one FIFO per priority level. A bitmap says which levels hold any; only those
//! take memory, lowest first, so a queue that uses one priority costs one list.

use crate::config::Scheduling;
use crate::list::List;
use crate::message::NONE;
use crate::slab::Slab;

/// See the module.
#[derive(Default)]
pub(crate) struct Ready {
    bitmap: [u64; 4],
    levels: Vec<List>,
}

impl Ready {
    pub fn push_back(&mut self, slab: &mut Slab, priority: u8, slot: u32) {
        let level = self.level_or_new(priority);
        level.push_back(slab, slot);
    }

    pub fn push_front(&mut self, slab: &mut Slab, priority: u8, slot: u32) {
        let level = self.level_or_new(priority);
        level.push_front(slab, slot);
    }

    pub fn remove(&mut self, slab: &mut Slab, priority: u8, slot: u32) {
        assert!(self.holds(priority), "a ready message's level is empty");
        let rank = self.rank(priority);
        self.levels[rank].remove(slab, slot);
        if self.levels[rank].is_empty() {
            self.levels.remove(rank);
            self.bitmap[usize::from(priority >> 6)] &= !(1 << (priority & 63));
        }
    }

    /// The first message of a level.
    pub fn head(&self, priority: u8) -> Option<u32> {
        self.holds(priority)
            .then(|| self.levels[self.rank(priority)].head)
    }

    /// The first message of the highest level that is at or below this one.
    pub fn first_at_or_below(&self, priority: u8) -> Option<u32> {
        let levels = self.rank(priority) + usize::from(self.holds(priority));
        levels.checked_sub(1).map(|rank| self.levels[rank].head)
    }

    /// The last in line: lowest level first.
    pub fn any(&self) -> Option<u32> {
        self.levels.first().map(|level| level.head)
    }

    /// All messages: highest level first, then first in first out.
    pub fn iter<'a>(&'a self, slab: &'a Slab) -> impl Iterator<Item = u32> + 'a {
        self.levels.iter().rev().flat_map(|level| level.iter(slab))
    }

    /// All messages in the order they would be delivered now.
    pub fn line<'a>(&self, slab: &'a Slab, scheduling: Scheduling) -> Line<'a> {
        Line {
            slab,
            scheduling,
            heads: self.levels.iter().rev().map(|level| level.head).collect(),
        }
    }

    fn level_or_new(&mut self, priority: u8) -> &mut List {
        let rank = self.rank(priority);
        if !self.holds(priority) {
            self.bitmap[usize::from(priority >> 6)] |= 1 << (priority & 63);
            self.levels.insert(rank, List::EMPTY);
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
    /// The next message of each level, highest level first.
    heads: Vec<u32>,
}

impl Iterator for Line<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        let level = self.next_level()?;
        let slot = self.heads[level];
        match self.slab[slot].next {
            NONE => drop(self.heads.remove(level)),
            next => self.heads[level] = next,
        }
        Some(slot)
    }
}

impl Line<'_> {
    fn next_level(&self) -> Option<usize> {
        let Scheduling::Fair { aging_ms } = self.scheduling else {
            return (!self.heads.is_empty()).then_some(0);
        };
        // `min_by_key` keeps the first of equals: the higher level.
        (0..self.heads.len()).min_by_key(|&level| rank(&self.slab[self.heads[level]], aging_ms))
    }
}

/// Ready time minus priority times aging: the smallest goes first.
fn rank(message: &crate::message::Message, aging_ms: u64) -> i128 {
    i128::from(message.at_ms) - i128::from(message.priority) * i128::from(aging_ms)
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
    fn an_empty_level_takes_no_memory() {
        let (mut slab, mut ready) = ready(&[(1, 0), (200, 0), (1, 0)]);
        assert_eq!(ready.levels.len(), 2);
        ready.remove(&mut slab, 200, 1);
        assert_eq!(
            (ready.levels.len(), ready.head(200), ready.head(1)),
            (1, None, Some(0))
        );
        assert_eq!(ready.iter(&slab).collect::<Vec<_>>(), [0, 2]);
        ready.remove(&mut slab, 1, 0);
        ready.remove(&mut slab, 1, 2);
        assert_eq!(ready.any(), None);
    }
}
