//! The ready messages of one priority: a FIFO for each fairness key, one for the messages without. Whose turn it is
//! follows from stride scheduling (Waldspurger 1995) on finish times, as self-clocked fair queueing has them (Golestani
//! 1994): a lane's `pass` is when its next message would be done, were each key served at the rate of its weight.
//!
//! A lane that comes back pays as one that never left, so leaving gains nothing. Passes and turns are volatile: which
//! messages a lane holds follows from the records, whose turn it is doesn't.
//!
//! As long as there was one lane only, it needs no order: `turns` and the ages are empty.

mod inserted;
mod line;
#[cfg(test)]
mod valid;

use inserted::Mark;
#[cfg(test)]
pub(crate) use inserted::PASSED_MAX;
pub(crate) use line::Line;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;

use crate::flows::Flows;
use crate::list::List;
use crate::message::NONE;
use crate::slab::Slab;

/// What one delivery costs a key of weight 1.
pub(crate) const COST: u64 = 1 << 24;

/// Parked until one of the key's messages in flight is done.
pub(crate) const UNTIL_DONE: u64 = u64::MAX;

struct Lane {
    list: List,
    flow: u32,
    /// Of the first message.
    since_ms: u64,
    /// The least goes first; of equals, who joined first.
    pass: u64,
    joined: u64,
    /// None: it takes part. Otherwise it is parked until then, or [`UNTIL_DONE`].
    parked_until_ms: Option<u64>,
}

/// See the module.
pub(crate) struct Lanes {
    lanes: Vec<Lane>,
    free: Vec<u32>,
    /// The lane of messages without a key, or [`NONE`].
    unkeyed: u32,
    /// The others that are open, by flow: closed ones may be very many.
    keyed: BTreeMap<u32, u32>,
    /// Lanes that take part, by (pass, joined) and by age.
    turns: BTreeSet<(u64, u64, u32)>,
    ages: BTreeSet<(u64, u32)>,
    /// Parked ones, by age.
    parked_ages: BTreeSet<(u64, u32)>,
    /// The pass of the last message that went.
    passed: u64,
    joins: u64,
    /// Volatile.
    mark: Mark,
}

impl Lanes {
    pub fn new() -> Self {
        Lanes {
            lanes: Vec::new(),
            free: Vec::new(),
            unkeyed: NONE,
            keyed: BTreeMap::new(),
            turns: BTreeSet::new(),
            ages: BTreeSet::new(),
            parked_ages: BTreeSet::new(),
            passed: 0,
            joins: 0,
            mark: Mark::default(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.lanes.len() == self.free.len()
    }

    pub fn push_back(&mut self, slab: &mut Slab, flows: &mut Flows, slot: u32) {
        match self.find(slab[slot].flow) {
            Some(lane) => self.lanes[lane as usize].list.push_back(slab, slot),
            None => self.open(slab, flows, slot),
        }
    }

    pub fn push_front(&mut self, slab: &mut Slab, flows: &mut Flows, slot: u32) {
        match self.find(slab[slot].flow) {
            Some(lane) => {
                self.lanes[lane as usize].list.push_front(slab, slot);
                self.age(slab, lane);
            }
            None => self.open(slab, flows, slot),
        }
    }

    /// Takes a message out. When its lane closes: until when that was parked.
    pub fn remove(&mut self, slab: &mut Slab, slot: u32) -> Option<u64> {
        let lane = self.lane_of(slab[slot].flow);
        let list = &mut self.lanes[lane as usize].list;
        list.remove(slab, slot);
        if list.is_empty() {
            return self.close(lane);
        }
        self.age(slab, lane);
        None
    }

    /// A message of `flow` goes: its lane pays for the next one, and its turn comes again after that of others who pay
    /// less. With its last message it closes, and pays when it comes back.
    pub fn charge(&mut self, flow: u32, cost: impl FnOnce() -> u64) {
        let lane = self.lane_of(flow);
        let Lane { pass, list, .. } = self.lanes[lane as usize];
        self.passed = self.passed.max(pass);
        if list.head != list.tail {
            self.requeue(lane, pass.saturating_add(cost()));
        }
    }

    /// Takes a lane out of the turns.
    pub fn park(&mut self, flow: u32, until_ms: u64) {
        let lane = self.lane_of(flow);
        self.leave_turns(lane);
        self.lanes[lane as usize].parked_until_ms = Some(until_ms);
        self.join_turns(lane);
    }

    /// A parked lane takes part again.
    pub fn unpark(&mut self, flow: u32) {
        let lane = self.lane_of(flow);
        let pass = self.lanes[lane as usize].pass.max(self.passed);
        self.lanes[lane as usize].parked_until_ms = None;
        self.requeue(lane, pass);
    }

    /// The flow's weight is another: so is how far off the turn is that it paid for.
    pub fn reweigh(&mut self, flow: u32, before: u32, weight: u32) {
        let Some(lane) = self.find(flow) else {
            return;
        };
        let ahead = self.lanes[lane as usize].pass.saturating_sub(self.passed);
        let ahead = u128::from(ahead) * u128::from(before) / u128::from(weight);
        let ahead = u64::try_from(ahead).unwrap_or(u64::MAX);
        self.requeue(lane, self.passed.saturating_add(ahead));
    }

    /// Until when the flow's lane is parked, if it has one that is.
    pub fn parked_until_ms(&self, flow: u32) -> Option<u64> {
        let lane = self.find(flow)?;
        self.lanes[lane as usize].parked_until_ms
    }

    /// The message whose turn it is, and its flow.
    pub fn front(&self) -> Option<(u32, u32)> {
        let lane = &self.lanes[match self.turns.first() {
            Some(&(_, _, lane)) => lane as usize,
            None => self.sole()?,
        }];
        Some((lane.list.head, lane.flow))
    }

    /// Since when the oldest message waits of those whose turn can come.
    pub fn oldest_ms(&self) -> Option<u64> {
        match self.ages.first() {
            Some(&(since_ms, _)) => Some(since_ms),
            None => self.sole().map(|lane| self.lanes[lane].since_ms),
        }
    }

    /// Since when the oldest message waits, whether or not its turn can come.
    pub fn oldest_of_all_ms(&self) -> Option<u64> {
        if let [lane] = &*self.lanes {
            return Some(lane.since_ms);
        }
        let firsts = [&self.ages, &self.parked_ages].map(BTreeSet::first);
        firsts.into_iter().flatten().map(|&(ms, _)| ms).min()
    }

    /// Since when the first message of a flow waits.
    pub fn since_ms(&self, flow: u32) -> Option<u64> {
        self.find(flow)
            .map(|lane| self.lanes[lane as usize].since_ms)
    }

    /// All messages that take part, in the order of their turns.
    pub fn line(&self) -> Line<'_> {
        Line::new(self)
    }

    /// All messages: those without a key, then key by key, each first in first out.
    pub fn iter<'a>(&'a self, slab: &'a Slab) -> impl Iterator<Item = u32> + 'a {
        let unkeyed = (self.unkeyed != NONE).then_some(self.unkeyed);
        let lanes = unkeyed.into_iter().chain(self.keyed.values().copied());
        lanes.flat_map(|lane| self.lanes[lane as usize].list.iter(slab))
    }

    /// The first message of the first lane.
    pub fn first(&self) -> Option<u32> {
        let unkeyed = (self.unkeyed != NONE).then_some(self.unkeyed);
        let lane = unkeyed.or_else(|| self.keyed.first_key_value().map(|(_, &lane)| lane));
        lane.map(|lane| self.lanes[lane as usize].list.head)
    }

    /// The first message of the lane after the flow's.
    pub fn first_after(&self, flow: u32) -> Option<u32> {
        let after = match flow {
            NONE => Bound::Unbounded,
            flow => Bound::Excluded(flow),
        };
        let next = self.keyed.range((after, Bound::Unbounded)).next();
        next.map(|(_, &lane)| self.lanes[lane as usize].list.head)
    }

    /// The only lane there ever was, when it takes part.
    fn sole(&self) -> Option<usize> {
        let sole = self.lanes.len() == 1 && self.lanes[0].parked_until_ms.is_none();
        sole.then_some(0)
    }

    fn find(&self, flow: u32) -> Option<u32> {
        if flow == NONE {
            return (self.unkeyed != NONE).then_some(self.unkeyed);
        }
        self.keyed.get(&flow).copied()
    }

    fn lane_of(&self, flow: u32) -> u32 {
        self.find(flow).expect("a ready message's lane is there")
    }

    fn open(&mut self, slab: &mut Slab, flows: &mut Flows, slot: u32) {
        let mut list = List::EMPTY;
        list.push_back(slab, slot);
        self.open_with(slab, flows, list);
    }

    /// A lane of these messages, which are linked.
    pub fn open_with(&mut self, slab: &Slab, flows: &mut Flows, list: List) {
        let (flow, since_ms) = (slab[list.head].flow, slab[list.head].at_ms());
        let slot = self.add(Lane {
            list,
            flow,
            since_ms,
            pass: 0,
            joined: 0,
            parked_until_ms: None,
        });
        match flow {
            NONE => self.unkeyed = slot,
            flow => {
                self.keyed.insert(flow, slot);
            }
        }
        self.requeue(slot, self.passed.saturating_add(flows.charge(flow)));
    }

    fn add(&mut self, lane: Lane) -> u32 {
        if let Some(slot) = self.free.pop() {
            self.lanes[slot as usize] = lane;
            return slot;
        }
        if self.lanes.is_empty() {
            self.lanes.reserve_exact(1);
        }
        self.lanes.push(lane);
        if self.lanes.len() == 2 {
            self.join_turns(0);
        }
        self.lanes.len() as u32 - 1
    }

    fn close(&mut self, lane: u32) -> Option<u64> {
        self.leave_turns(lane);
        let Lane {
            flow,
            parked_until_ms,
            ..
        } = self.lanes[lane as usize];
        match flow {
            NONE => self.unkeyed = NONE,
            flow => {
                self.keyed.remove(&flow).expect("a keyed lane is found");
            }
        }
        if self.lanes.len() == 1 {
            self.lanes.clear();
        } else {
            self.free.push(lane);
        }
        parked_until_ms
    }

    /// Gives a lane its next turn.
    fn requeue(&mut self, lane: u32, pass: u64) {
        self.leave_turns(lane);
        self.joins += 1;
        let joined = self.joins;
        let entry = &mut self.lanes[lane as usize];
        (entry.pass, entry.joined) = (pass, joined);
        self.join_turns(lane);
    }

    /// A parked one has an age, and no turn.
    fn join_turns(&mut self, lane: u32) {
        let entry = &self.lanes[lane as usize];
        if self.lanes.len() == 1 {
            return;
        }
        if entry.parked_until_ms.is_some() {
            self.parked_ages.insert((entry.since_ms, lane));
            return;
        }
        self.turns.insert((entry.pass, entry.joined, lane));
        self.ages.insert((entry.since_ms, lane));
    }

    fn leave_turns(&mut self, lane: u32) {
        if self.lanes.len() == 1 {
            return;
        }
        let entry = &self.lanes[lane as usize];
        let age = (entry.since_ms, lane);
        self.turns.remove(&(entry.pass, entry.joined, lane));
        if !self.ages.remove(&age) {
            self.parked_ages.remove(&age);
        }
    }

    /// After its first message changed.
    fn age(&mut self, slab: &Slab, lane: u32) {
        let entry = &mut self.lanes[lane as usize];
        let before_ms = std::mem::replace(&mut entry.since_ms, slab[entry.list.head].at_ms());
        if before_ms == entry.since_ms {
            return;
        }
        for ages in [&mut self.ages, &mut self.parked_ages] {
            if ages.remove(&(before_ms, lane)) {
                ages.insert((entry.since_ms, lane));
            }
        }
    }
}
