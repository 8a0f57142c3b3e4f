//! The last leases that ended a message's life, so that repeating an ack or a nack whose answer was lost is
//! told from a lease lost to somebody else, and is told what was enqueued with it. Groups
//! are told apart. Bounded; what is older is forgotten.

use std::collections::{BTreeMap, VecDeque};

use crate::ids::LeaseId;
use crate::record::Followed;
use crate::segmented::{Segmented, mix};

/// Leases remembered. At 50,000 acks a second, more than two seconds: longer than a client's first retry. It may be
/// changed: no record and no apply depends on what is remembered, only the answer to a repeated ack or nack.
pub(crate) const SETTLED_MAX: usize = 131_072;

/// Follow-ups remembered, of all those leases together, at 24 bytes each. As `SETTLED_MAX`, it may be changed.
pub(crate) const FOLLOWED_MAX: usize = 131_072;

/// How a lease ended a message's life here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Acked,
    /// A nack moved it to the dead-letter queue.
    Nacked,
}

#[derive(Clone, Copy)]
struct Entry {
    copy: u64,
    delivery: u32,
    ending: Ending,
}

/// See the module.
pub(crate) struct Settled {
    table: Segmented<Entry>,
    order: VecDeque<u64>,
    /// What was enqueued with an ack; in `followed_order` those that have any.
    followed: BTreeMap<u64, Box<[Followed]>>,
    followed_order: VecDeque<u64>,
    followed_count: usize,
}

impl Settled {
    pub fn new() -> Self {
        Settled {
            table: Segmented::new(),
            order: VecDeque::new(),
            followed: BTreeMap::new(),
            followed_order: VecDeque::new(),
            followed_count: 0,
        }
    }

    /// What was enqueued with the ack that ends this lease next.
    pub fn follow(&mut self, lease: LeaseId, messages: &[Followed]) {
        self.followed_order.push_back(lease.copy());
        self.followed.insert(lease.copy(), messages.into());
        self.followed_count += messages.len();
        while self.followed_count > FOLLOWED_MAX {
            self.forget_followed();
        }
    }

    /// What was enqueued with the ack of a lease that is remembered, as long as that is.
    pub fn followed(&self, lease: LeaseId) -> &[Followed] {
        let followed = self.followed.get(&lease.copy());
        followed.map_or(&[], |messages| messages)
    }

    fn forget_followed(&mut self) {
        let oldest = self.followed_order.pop_front().expect("one is remembered");
        let messages = self.followed.remove(&oldest).expect("as long as its lease");
        self.followed_count -= messages.len();
    }

    pub fn put(&mut self, lease: LeaseId, ending: Ending) {
        let (copy, delivery) = (lease.copy(), lease.delivery);
        if self.order.len() == SETTLED_MAX {
            let oldest = self.order.pop_front().expect("the memory is full");
            self.table.remove(mix(oldest), |entry| entry.copy == oldest);
            if self.followed_order.front() == Some(&oldest) {
                self.forget_followed();
            }
        }
        self.order.push_back(copy);
        let entry = Entry {
            copy,
            delivery,
            ending,
        };
        self.table.put(
            mix(copy),
            entry,
            |old| old.copy == copy,
            |old| mix(old.copy),
        );
    }

    /// How this very lease ended the message, if it did and is remembered.
    pub fn ending(&self, lease: LeaseId) -> Option<Ending> {
        let copy = lease.copy();
        let entry = self.table.find(mix(copy), |entry| entry.copy == copy)?;
        (entry.delivery == lease.delivery).then_some(entry.ending)
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        for &copy in &self.order {
            let entry = self
                .table
                .find(mix(copy), |entry| entry.copy == copy)
                .expect("remembered");
            fold(&copy.to_le_bytes());
            fold(&entry.delivery.to_le_bytes());
            fold(&[entry.ending as u8]);
        }
        for copy in &self.followed_order {
            fold(format!("{copy} {:?}", self.followed[copy]).as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{GROUP_DEFAULT, GroupNumber, MessageId};

    fn lease(number: u64, delivery: u32) -> LeaseId {
        LeaseId {
            message: MessageId { number, slot: 0 },
            group: GROUP_DEFAULT,
            delivery,
        }
    }

    fn followed(count: u64) -> Vec<Followed> {
        let ids = (1..=count).map(|number| MessageId { number, slot: 0 });
        let followed = ids.map(|message| Followed {
            message,
            duplicate: false,
        });
        followed.collect()
    }

    #[test]
    fn what_was_enqueued_is_forgotten_with_its_lease_or_when_it_is_too_much() {
        let mut settled = Settled::new();
        settled.follow(lease(1, 1), &followed(2));
        settled.put(lease(1, 1), Ending::Acked);
        (2..=SETTLED_MAX as u64).for_each(|number| settled.put(lease(number, 1), Ending::Acked));
        assert_eq!(settled.followed(lease(1, 1)), followed(2));
        settled.put(lease(SETTLED_MAX as u64 + 1, 1), Ending::Acked);
        assert_eq!(settled.followed(lease(1, 1)), []);

        let max = FOLLOWED_MAX as u64;
        for (number, count) in [(900_000, max - 1), (900_001, 1), (900_002, 1)] {
            settled.follow(lease(number, 1), &followed(count));
            settled.put(lease(number, 1), Ending::Acked);
        }
        assert_eq!(settled.followed(lease(900_000, 1)), []);
        assert_eq!(settled.followed(lease(900_001, 1)), followed(1));
        assert_eq!(settled.ending(lease(900_000, 1)), Some(Ending::Acked));
    }

    #[test]
    fn only_the_same_lease_is_recognised_and_only_the_last_ones() {
        let mut settled = Settled::new();
        settled.put(lease(1, 4), Ending::Acked);
        assert_eq!(settled.ending(lease(1, 4)), Some(Ending::Acked));
        assert_eq!(settled.ending(lease(1, 3)), None);
        let other = LeaseId {
            group: GroupNumber(1),
            ..lease(1, 4)
        };
        assert_eq!(settled.ending(other), None, "another group's");
        (2..=SETTLED_MAX as u64).for_each(|number| settled.put(lease(number, 1), Ending::Nacked));
        assert_eq!(settled.ending(lease(1, 4)), Some(Ending::Acked));
        settled.put(lease(SETTLED_MAX as u64 + 1, 1), Ending::Acked);
        assert_eq!(settled.ending(lease(1, 4)), None);
        assert_eq!(settled.table.len(), SETTLED_MAX);
    }
}
