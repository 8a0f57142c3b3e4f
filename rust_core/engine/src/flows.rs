//! Fairness keys in use: how many messages each has, how many of them are in flight, and what it owes. A key is
//! forgotten with its last message, so a key nobody uses costs nothing.
//!
//! `debt` influences only who goes next. It is volatile: part of no fold, and whatever it is, a replay agrees.

use std::ops::{Index, IndexMut};

use crate::checkpoint::Paged;
use crate::ids::QueueNumber;
use crate::lanes::COST;
use crate::message::NONE;
use crate::segmented::{Segmented, mix};

/// One fairness key of one queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flow {
    pub queue: QueueNumber,
    pub hash: u64,
    /// Of every state. In a free entry: the next free one.
    pub messages: u32,
    /// Leased ones.
    pub in_flight: u32,
    /// Its share of its level, as against other keys.
    pub weight: u32,
    /// Messages of it wait until one in flight is done.
    pub waits: bool,
    pub debt: Debt,
}

/// What deliveries cost more (or less) than was charged when they were handed out, known once their leases ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Debt(i64);

impl Debt {
    /// A delivery is charged at least a sixteenth, so that a key always pays something; the rest stays owed.
    pub fn charge(&mut self) -> u64 {
        let charged = (COST as i64 + self.0).clamp(COST as i64 / 16, COST as i64 * 64);
        self.0 += COST as i64 - charged;
        charged as u64
    }

    /// A lease cost so much, and `COST` was charged for it.
    pub fn correct(&mut self, cost: u64) {
        let most = COST as i64 * 64;
        self.0 = (self.0 + cost as i64 - COST as i64).clamp(-most, most);
    }
}

/// See the module.
pub(crate) struct Flows {
    pub flows: Paged<Flow>,
    pub free: u32,
    table: Segmented<u32>,
}

impl Flows {
    pub fn new() -> Self {
        Flows {
            flows: Paged::new(),
            free: NONE,
            table: Segmented::new(),
        }
    }

    pub fn find(&self, queue: QueueNumber, hash: u64) -> Option<u32> {
        let equal = |&slot: &u32| self[slot].queue == queue && self[slot].hash == hash;
        self.table.find(spread(queue, hash), equal).copied()
    }

    /// What divides the cost of a delivery. Messages without a key share one lane of weight 1.
    pub fn weight(&self, flow: u32) -> u64 {
        if flow == NONE {
            return 1;
        }
        u64::from(self[flow].weight)
    }

    /// What the next delivery of a key costs it. Those without a key, whose debt is their queue's, begin without one.
    pub fn charge(&mut self, flow: u32) -> u64 {
        if flow == NONE {
            return COST;
        }
        let weight = self.weight(flow);
        self[flow].debt.charge() / weight
    }

    /// One message more of that key; `weight` is for a key that is new.
    pub fn join(&mut self, queue: QueueNumber, hash: u64, weight: impl Fn() -> u32) -> u32 {
        let slot = match self.find(queue, hash) {
            Some(slot) => slot,
            None => self.insert(Flow {
                queue,
                hash,
                messages: 0,
                in_flight: 0,
                weight: weight(),
                waits: false,
                debt: Debt::default(),
            }),
        };
        self[slot].messages += 1;
        slot
    }

    /// One message less.
    pub fn leave(&mut self, slot: u32) {
        self[slot].messages -= 1;
        if self[slot].messages > 0 {
            return;
        }
        let flow = self[slot];
        assert_eq!(flow.in_flight, 0, "messages in flight of a key without any");
        let removed = self
            .table
            .remove(spread(flow.queue, flow.hash), |&other| other == slot);
        assert!(removed.is_some(), "a fairness key isn't in its table");
        self[slot].messages = self.free;
        self.free = slot;
    }

    fn insert(&mut self, flow: Flow) -> u32 {
        let slot = self.free;
        let slot = if slot == NONE {
            self.flows.push(flow);
            self.flows.len() as u32 - 1
        } else {
            self.free = self[slot].messages;
            self[slot] = flow;
            slot
        };
        self.find_at(slot);
        slot
    }

    /// The key at a slot is found from here on.
    pub fn find_at(&mut self, slot: u32) {
        let flows = &self.flows;
        let rehash = |&slot: &u32| spread(flows[slot].queue, flows[slot].hash);
        self.table.put(rehash(&slot), slot, |_| false, rehash);
    }
}

fn spread(queue: QueueNumber, hash: u64) -> u64 {
    mix(hash ^ mix(u64::from(queue.0)))
}

impl Index<u32> for Flows {
    type Output = Flow;

    fn index(&self, slot: u32) -> &Flow {
        &self.flows[slot]
    }
}

impl IndexMut<u32> for Flows {
    fn index_mut(&mut self, slot: u32) -> &mut Flow {
        &mut self.flows[slot]
    }
}

#[cfg(test)]
impl Flows {
    pub fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_forgotten_with_its_last_message() {
        let mut flows = Flows::new();
        let one = flows.join(QueueNumber(1), 7, || 3);
        assert_eq!(flows.join(QueueNumber(1), 7, || 9), one);
        assert_ne!(flows.join(QueueNumber(2), 7, || 1), one);
        assert_eq!((flows[one].messages, flows[one].weight), (2, 3));
        flows.leave(one);
        flows.leave(one);
        assert_eq!((flows.find(QueueNumber(1), 7), flows.len()), (None, 1));
        assert_eq!(flows.join(QueueNumber(3), 7, || 1), one);
    }

    #[test]
    fn what_is_owed_is_paid_whole_though_not_at_once() {
        let mut debt = Debt::default();
        debt.correct(3 * COST);
        debt.correct(COST / 2);
        assert_eq!(debt.charge(), COST * 5 / 2);
        (0..3).for_each(|_| debt.correct(0));
        let paid: u64 = (0..4).map(|_| debt.charge()).sum();
        assert_eq!((paid, debt), (COST, Debt::default()));
    }

    #[test]
    fn neither_what_a_key_owes_nor_what_it_is_owed_grows_without_end() {
        let mut debt = Debt::default();
        (0..1000).for_each(|_| debt.correct(16 * COST));
        assert_eq!(debt.charge(), 64 * COST, "and no more at once");
        assert_eq!(debt.charge(), 2 * COST, "64 deliveries in all");
        assert_eq!((debt.charge(), debt), (COST, Debt::default()));
        (0..1000).for_each(|_| debt.correct(0));
        let owed = (0..).take_while(|_| debt.charge() < COST).count();
        // 64 deliveries are owed to it, and each pays a sixteenth.
        assert_eq!(owed, 64 * 16 / 15 + 1);
    }
}
