//! Ready messages: one level a priority, each with a lane a fairness key. Only levels that hold any are there, lowest
//! first, so a queue that uses one priority and no keys costs one list.
//!
//! Among levels the oldest message of each decides, within a level the keys take turns. Lanes of keys that may not go
//! now are parked, out of every turn, until their time comes or one of theirs is done: what is held back costs
//! nothing, however much it is. Parking happens when a lane's turn comes, and is volatile: not part of the state.

mod parked;
mod rank;

pub(crate) use rank::Rank;

use crate::config::Scheduling;
use crate::flows::Flows;
use crate::lanes::{Lanes, Line, UNTIL_DONE};
use crate::list::List;
use crate::slab::Slab;
use parked::Parked;

/// Parked lanes that are taken back at a time, however many could be: the others' turn comes with the next messages.
const UNPARKED_MAX: usize = 64;

/// See the module. Self-contained: there may be several beside each other, and [`Front::Message`] tells which goes.
#[derive(Default)]
pub(crate) struct Ready {
    levels: Vec<Level>,
    parked: Parked,
}

/// The messages of one priority, never none.
struct Level {
    lanes: Lanes,
    priority: u8,
}

/// The next message, or why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Front {
    /// It goes next; among several `Ready` the least rank does.
    Message { rank: Rank, slot: u32 },
    /// Nothing may go before `parked_until_ms`.
    Nothing,
    /// Looking on would take too long. Ask again.
    Later,
}

impl Ready {
    pub fn push_back(&mut self, slab: &mut Slab, flows: &mut Flows, slot: u32) {
        let level = self.level_or_new(slab[slot].priority);
        level.lanes.push_back(slab, flows, slot);
    }

    pub fn push_front(&mut self, slab: &mut Slab, flows: &mut Flows, slot: u32) {
        let level = self.level_or_new(slab[slot].priority);
        level.lanes.push_front(slab, flows, slot);
    }

    /// See [`Lanes::insert`].
    pub fn insert(&mut self, slab: &mut Slab, flows: &mut Flows, slot: u32, round: u64) {
        let level = self.level_or_new(slab[slot].priority);
        level.lanes.insert(slab, flows, slot, round);
    }

    /// A lane of these messages, which are linked.
    pub fn open(&mut self, slab: &Slab, flows: &mut Flows, list: List) {
        let level = self.level_or_new(slab[list.head].priority);
        level.lanes.open_with(slab, flows, list);
    }

    pub fn remove(&mut self, slab: &mut Slab, slot: u32) {
        let (priority, flow) = (slab[slot].priority, slab[slot].flow);
        let rank = self.rank(priority);
        assert!(
            self.is_at(rank, priority),
            "a ready message's level is empty"
        );
        let level = &mut self.levels[rank];
        if let Some(until_ms) = level.lanes.remove(slab, slot) {
            self.parked.remove(&(until_ms, priority, flow));
        }
        if self.levels[rank].lanes.is_empty() {
            self.levels.remove(rank);
        }
    }

    /// The message to go now. `visits` is how many lanes may be parked or taken back on the way, and is counted down;
    /// `held` says until when the messages of a flow may not go, if they may not.
    pub fn front(
        &mut self,
        scheduling: Scheduling,
        now_ms: u64,
        visits: &mut u32,
        mut held: impl FnMut(u32) -> Option<u64>,
    ) -> Front {
        self.unpark_due(now_ms, visits);
        while let Some((rank, level)) = self.first_level(scheduling) {
            let Level { lanes, priority } = &mut self.levels[level];
            let (slot, flow) = lanes.front().expect("a level that takes part has a turn");
            let Some(until_ms) = held(flow) else {
                return Front::Message { rank, slot };
            };
            lanes.park(flow, until_ms);
            self.parked.waiting.insert((until_ms, *priority, flow));
            let Some(left) = visits.checked_sub(1) else {
                return Front::Later;
            };
            *visits = left;
        }
        if self.parked.is_due(now_ms) {
            return Front::Later;
        }
        Front::Nothing
    }

    /// When the first parked lane may go; None: nothing is parked. [`UNTIL_DONE`]: no time is known.
    pub fn parked_until_ms(&self) -> Option<u64> {
        let first = self.parked.waiting.first();
        first.map(|&(until_ms, ..)| until_ms)
    }

    /// A message of a flow is about to go.
    pub fn charge(&mut self, priority: u8, flow: u32, cost: impl FnOnce() -> u64) {
        let rank = self.rank(priority);
        self.levels[rank].lanes.charge(flow, cost);
    }

    /// A message of the flow is done: what waited for that takes part again.
    pub fn unpark(&mut self, flow: u32) {
        for Level { lanes, priority } in &mut self.levels {
            if lanes.parked_until_ms(flow) == Some(UNTIL_DONE) {
                self.parked.remove(&(UNTIL_DONE, *priority, flow));
                lanes.unpark(flow);
            }
        }
    }

    /// See [`Lanes::reweigh`].
    pub fn reweigh(&mut self, flow: u32, before: u32, weight: u32) {
        for level in &mut self.levels {
            level.lanes.reweigh(flow, before, weight);
        }
    }

    /// What held lanes back may have changed: all are looked at again, in time.
    pub fn unpark_all(&mut self) {
        let mut waiting = std::mem::take(&mut self.parked.waiting);
        self.parked.freed.append(&mut waiting);
    }

    fn unpark_due(&mut self, now_ms: u64, visits: &mut u32) {
        for _ in 0..UNPARKED_MAX {
            let Some(left) = visits.checked_sub(1) else {
                return;
            };
            let Some((_, priority, flow)) = self.parked.pop_due(now_ms) else {
                return;
            };
            *visits = left;
            let rank = self.rank(priority);
            self.levels[rank].lanes.unpark(flow);
        }
    }

    /// The level whose turn it is among those that take part. It is looked for at each message that goes: mostly the
    /// highest one has it.
    fn first_level(&self, scheduling: Scheduling) -> Option<(Rank, usize)> {
        let mut first: Option<(Rank, usize)> = None;
        for (i, Level { lanes, priority }) in self.levels.iter().enumerate().rev() {
            // None: every lane of the level is parked.
            let Some(since_ms) = lanes.oldest_ms() else {
                continue;
            };
            let rank = Rank::of(scheduling, since_ms, *priority);
            if first.is_none_or(|(least, _)| rank < least) {
                first = Some((rank, i));
            }
        }
        first
    }

    /// Since when the oldest message waits, whether or not it may go now.
    pub fn oldest_ms(&self) -> Option<u64> {
        let levels = self.levels.iter();
        let oldest = levels.filter_map(|level| level.lanes.oldest_of_all_ms());
        oldest.min()
    }

    /// Since when the first message of a flow waits in a level.
    pub fn since_ms(&self, priority: u8, flow: u32) -> Option<u64> {
        let rank = self.rank(priority);
        let holds = self.is_at(rank, priority);
        holds.then(|| &self.levels[rank])?.lanes.since_ms(flow)
    }

    /// The first message of the highest level that is at or below this one, in the order of [`Ready::iter`].
    pub fn first_at_or_below(&self, priority: u8) -> Option<u32> {
        let levels = self
            .levels
            .partition_point(|level| level.priority <= priority);
        let level = levels.checked_sub(1)?;
        self.levels[level].lanes.first()
    }

    /// The message after the last one of a lane, of the same level.
    pub fn first_after(&self, priority: u8, flow: u32) -> Option<u32> {
        self.levels[self.rank(priority)].lanes.first_after(flow)
    }

    /// One of the last in line.
    pub fn any(&self) -> Option<u32> {
        self.levels.first().and_then(|level| level.lanes.first())
    }

    /// All messages: highest level first, then lane by lane, each first in first out.
    pub fn iter<'a>(&'a self, slab: &'a Slab) -> impl Iterator<Item = u32> + 'a {
        let levels = self.levels.iter().rev();
        levels.flat_map(|level| level.lanes.iter(slab))
    }

    /// The line of each level, with its priority.
    pub fn lines(&self) -> impl Iterator<Item = (u8, Line<'_>)> {
        let levels = self.levels.iter();
        levels.map(|level| (level.priority, level.lanes.line()))
    }

    fn level_or_new(&mut self, priority: u8) -> &mut Level {
        let rank = self.rank(priority);
        if !self.is_at(rank, priority) {
            let level = Level {
                lanes: Lanes::new(),
                priority,
            };
            self.levels.insert(rank, level);
        }
        &mut self.levels[rank]
    }

    /// How many lower levels hold messages: the level's place in `levels`.
    fn rank(&self, priority: u8) -> usize {
        self.levels
            .partition_point(|level| level.priority < priority)
    }

    fn is_at(&self, rank: usize, priority: u8) -> bool {
        self.levels
            .get(rank)
            .is_some_and(|level| level.priority == priority)
    }
}

#[cfg(test)]
impl Ready {
    pub fn assert_valid(&self, slab: &Slab) {
        let mut parked = std::collections::BTreeSet::new();
        for Level { lanes, priority } in &self.levels {
            lanes.assert_valid(slab, |flow, until_ms| {
                parked.insert((until_ms, *priority, flow));
            });
        }
        let known = self.parked.waiting.union(&self.parked.freed);
        assert!(parked.iter().eq(known), "the parked lanes");
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;
    use crate::ids::{Location, QueueNumber};
    use crate::lanes::PASSED_MAX;
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
            ready.push_back(&mut slab, &mut Flows::new(), slot);
        }
        (slab, ready)
    }

    /// All messages in the order of delivery.
    fn line(messages: &[(u8, u64)], scheduling: Scheduling) -> Vec<u32> {
        let (mut slab, mut ready) = ready(messages);
        let mut line = Vec::new();
        while let Front::Message { slot, .. } = ready.front(scheduling, 0, &mut 0, |_| None) {
            ready.remove(&mut slab, slot);
            line.push(slot);
        }
        line
    }

    /// Puts a message among those of another level, since when it waits.
    fn insert(slab: &mut Slab, ready: &mut Ready, slot: u32, priority: u8, since_ms: u64) {
        slab[slot].priority = priority;
        slab[slot].set_place(Place::Ready, since_ms);
        ready.insert(slab, &mut Flows::new(), slot, 0);
    }

    #[test]
    fn strict_never_looks_down() {
        let messages = [(0, 0), (255, 900), (64, 5), (64, 6), (63, 1)];
        assert_eq!(line(&messages, Scheduling::Strict), [1, 2, 3, 4, 0]);
    }

    #[test]
    fn fair_lets_a_lower_level_go_once_it_waited_long_enough() {
        let order = |messages: &[(u8, u64)]| line(messages, Scheduling::Fair { aging_ms: 100 });
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
        ready.remove(&mut slab, 0);
        insert(&mut slab, &mut ready, 0, 2, 10);
        assert_eq!(ready.iter(&slab).collect::<Vec<_>>(), [1, 2, 0, 3, 4]);
        ready.remove(&mut slab, 1);
        insert(&mut slab, &mut ready, 1, 2, 4);
        assert_eq!(ready.since_ms(2, crate::message::NONE), Some(4));
        ready.remove(&mut slab, 4);
        insert(&mut slab, &mut ready, 4, 3, 15);
        assert_eq!(ready.iter(&slab).collect::<Vec<_>>(), [4, 1, 2, 0, 3]);

        for later in [PASSED_MAX, PASSED_MAX + 1] {
            let count = later + 2;
            let of = |i: usize| (2, if i == 0 { 5 } else { 10 + i as u64 });
            let (mut slab, mut ready) = self::ready(&(0..count).map(of).collect::<Vec<_>>());
            let last = count as u32 - 1;
            ready.remove(&mut slab, last);
            insert(&mut slab, &mut ready, last, 2, 6);
            let passed = ready.iter(&slab).skip_while(|&slot| slot != last).count() - 1;
            assert_eq!(passed, PASSED_MAX);
            let expected = if later > PASSED_MAX { 11 } else { 6 };
            assert_eq!(slab[last].at_ms(), expected);
        }
    }

    #[test]
    fn an_empty_level_takes_no_memory() {
        let (mut slab, mut ready) = ready(&[(1, 0), (200, 0), (1, 0)]);
        assert_eq!(ready.levels.len(), 2);
        ready.remove(&mut slab, 1);
        assert_eq!(ready.levels.len(), 1);
        assert_eq!(ready.iter(&slab).collect::<Vec<_>>(), [0, 2]);
        ready.remove(&mut slab, 0);
        ready.remove(&mut slab, 2);
        assert_eq!(ready.any(), None);
    }

    #[test]
    fn a_line_of_many_levels_is_the_one_that_looking_at_all_of_them_gives() {
        let of = |i: u64| ((i * 37 % 256) as u8, i / 3);
        let messages: Vec<(u8, u64)> = (0..2000).map(of).collect();
        let mut expected: Vec<u32> = (0..2000).collect();
        expected.sort_by_key(|&slot| {
            let (priority, since_ms) = messages[slot as usize];
            (since_ms as i64 - i64::from(priority) * 7, Reverse(priority))
        });
        assert_eq!(line(&messages, Scheduling::Fair { aging_ms: 7 }), expected);
    }
}
