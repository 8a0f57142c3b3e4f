//! Ordering keys in use. Of each key only the oldest message may be delivered; the others wait in the key's
//! list, in order of acceptance. A key without messages is forgotten.

use std::ops::{Index, IndexMut};

use crate::checkpoint::Paged;
use crate::ids::QueueNumber;
use crate::list::List;
use crate::lists::{ListId, SHARED};
use crate::message::NONE;
use crate::segmented::{Segmented, mix};

/// One ordering key of one queue.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub queue: QueueNumber,
    pub hash: u64,
    /// Which of its group's lists the head lies in while it is ready.
    pub list: ListId,
    /// The message that may be delivered. In a free entry: the next free one.
    pub head: u32,
    /// Those behind it.
    pub waiting: List,
    /// Neighbours among the queue's keys that messages wait behind.
    pub next: u32,
    pub previous: u32,
}

/// A queue's keys that messages wait behind, in the order in which they came to that; the links are in the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Chain {
    pub first: u32,
    pub last: u32,
}

impl Chain {
    pub const EMPTY: Chain = Chain {
        first: NONE,
        last: NONE,
    };
}

/// See the module.
pub(crate) struct Keys {
    pub keys: Paged<Key>,
    pub free: u32,
    table: Segmented<u32>,
}

impl Keys {
    pub fn new() -> Self {
        Keys {
            keys: Paged::new(),
            free: NONE,
            table: Segmented::new(),
        }
    }

    pub fn find(&self, queue: QueueNumber, hash: u64) -> Option<u32> {
        let equal = |&slot: &u32| self[slot].queue == queue && self[slot].hash == hash;
        self.table.find(spread(queue, hash), equal).copied()
    }

    pub fn insert(&mut self, queue: QueueNumber, hash: u64, head: u32) -> u32 {
        assert!(
            self.find(queue, hash).is_none(),
            "an ordering key is in use already"
        );
        let slot = self.take_slot();
        self[slot] = Key {
            queue,
            hash,
            list: SHARED,
            head,
            waiting: List::EMPTY,
            next: NONE,
            previous: NONE,
        };
        self.find_at(slot);
        slot
    }

    /// The key at a slot is found from here on.
    pub fn find_at(&mut self, slot: u32) {
        let keys = &self.keys;
        let rehash = |&slot: &u32| spread(keys[slot].queue, keys[slot].hash);
        self.table.put(rehash(&slot), slot, |_| false, rehash);
    }

    pub fn remove(&mut self, slot: u32) {
        let key = self[slot];
        assert!(
            key.waiting.is_empty(),
            "messages wait behind an ordering key that is removed"
        );
        let removed = self
            .table
            .remove(spread(key.queue, key.hash), |&other| other == slot);
        assert!(removed.is_some(), "an ordering key isn't in its table");
        self[slot].head = self.free;
        self.free = slot;
    }

    /// Puts a key at the chain's end.
    pub fn chain(&mut self, chain: &mut Chain, slot: u32) {
        (self[slot].previous, self[slot].next) = (chain.last, NONE);
        match chain.last {
            NONE => chain.first = slot,
            last => self[last].next = slot,
        }
        chain.last = slot;
    }

    pub fn unchain(&mut self, chain: &mut Chain, slot: u32) {
        let Key { next, previous, .. } = self[slot];
        match previous {
            NONE => chain.first = next,
            previous => self[previous].next = next,
        }
        match next {
            NONE => chain.last = previous,
            next => self[next].previous = previous,
        }
        (self[slot].previous, self[slot].next) = (NONE, NONE);
    }

    fn take_slot(&mut self) -> u32 {
        if self.free == NONE {
            self.keys.push(Key {
                queue: QueueNumber(0),
                hash: 0,
                list: SHARED,
                head: NONE,
                waiting: List::EMPTY,
                next: NONE,
                previous: NONE,
            });
            return self.keys.len() as u32 - 1;
        }
        let slot = self.free;
        self.free = self[slot].head;
        slot
    }
}

fn spread(queue: QueueNumber, hash: u64) -> u64 {
    mix(hash ^ mix(u64::from(queue.0)))
}

impl Index<u32> for Keys {
    type Output = Key;

    fn index(&self, slot: u32) -> &Key {
        &self.keys[slot]
    }
}

impl IndexMut<u32> for Keys {
    fn index_mut(&mut self, slot: u32) -> &mut Key {
        &mut self.keys[slot]
    }
}

#[cfg(test)]
impl Keys {
    pub fn len(&self) -> usize {
        self.table.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::NewMessage;
    use crate::reply::State;
    use crate::twin::{SECOND, Twin, ack, config, message};

    #[test]
    fn the_same_key_of_two_queues_is_two_keys() {
        let mut keys = Keys::new();
        let one = keys.insert(QueueNumber(1), 7, 0);
        let two = keys.insert(QueueNumber(2), 7, 1);
        assert_ne!(one, two);
        keys.remove(one);
        assert_eq!(keys.find(QueueNumber(1), 7), None);
        assert_eq!(keys.find(QueueNumber(2), 7), Some(two));
        assert_eq!(keys.insert(QueueNumber(3), 7, 2), one);
    }

    #[test]
    fn an_ordering_key_goes_one_at_a_time_in_order_of_acceptance() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let keyed = |delay_ms| NewMessage {
            ordering_key: Some(5),
            delay_ms: Some(delay_ms),
            ..message()
        };
        let ids: Vec<_> = [SECOND, 0, 0]
            .map(|delay| twin.enqueue("q", keyed(delay)).message)
            .into();
        assert_eq!(twin.receive("q", 9), [], "a delayed head blocks");
        assert_eq!(twin.message(ids[1]).state, State::Blocked);
        twin.wait(SECOND);
        for id in ids {
            let delivered = twin.receive("q", 9);
            assert_eq!(
                delivered
                    .iter()
                    .map(|d| d.lease.message)
                    .collect::<Vec<_>>(),
                [id]
            );
            twin.nack(delivered[0].lease, Some(10));
            assert_eq!(
                twin.receive("q", 9),
                [],
                "a head that is backing off blocks"
            );
            let again = twin.wait(10).receive("q", 9);
            twin.ask(ack(again[0].lease));
        }
    }
}
