//! The last leases that ended a message's life, so that repeating an ack or a nack whose answer was lost is
//! told from a lease lost to somebody else. Bounded; what is older is forgotten.

use std::collections::VecDeque;

use crate::segmented::{Segmented, mix};

/// Leases remembered. At 50,000 acks a second, more than two seconds: longer than a client's first retry. It may be
/// changed: no record and no apply depends on what is remembered, only the answer to a repeated ack or nack.
pub(crate) const SETTLED_MAX: usize = 131_072;

/// How a lease ended a message's life here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Acked,
    /// A nack moved it to the dead-letter queue.
    Nacked,
}

#[derive(Clone, Copy)]
struct Entry {
    number: u64,
    delivery: u32,
    ending: Ending,
}

/// See the module.
pub(crate) struct Settled {
    table: Segmented<Entry>,
    order: VecDeque<u64>,
}

impl Settled {
    pub fn new() -> Self {
        Settled {
            table: Segmented::new(),
            order: VecDeque::new(),
        }
    }

    pub fn put(&mut self, number: u64, delivery: u32, ending: Ending) {
        if self.order.len() == SETTLED_MAX {
            let oldest = self.order.pop_front().expect("the memory is full");
            self.table
                .remove(mix(oldest), |entry| entry.number == oldest);
        }
        self.order.push_back(number);
        let entry = Entry {
            number,
            delivery,
            ending,
        };
        self.table.put(
            mix(number),
            entry,
            |old| old.number == number,
            |old| mix(old.number),
        );
    }

    /// How this very lease ended the message, if it did and is remembered.
    pub fn ending(&self, number: u64, delivery: u32) -> Option<Ending> {
        let entry = self
            .table
            .find(mix(number), |entry| entry.number == number)?;
        (entry.delivery == delivery).then_some(entry.ending)
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        for &number in &self.order {
            let entry = self
                .table
                .find(mix(number), |entry| entry.number == number)
                .expect("remembered");
            fold(&number.to_le_bytes());
            fold(&entry.delivery.to_le_bytes());
            fold(&[entry.ending as u8]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_lease_is_recognised_and_only_the_last_ones() {
        let mut settled = Settled::new();
        settled.put(1, 4, Ending::Acked);
        assert_eq!(settled.ending(1, 4), Some(Ending::Acked));
        assert_eq!(settled.ending(1, 3), None);
        (2..=SETTLED_MAX as u64).for_each(|number| settled.put(number, 1, Ending::Nacked));
        assert_eq!(settled.ending(1, 4), Some(Ending::Acked));
        settled.put(SETTLED_MAX as u64 + 1, 1, Ending::Acked);
        assert_eq!(settled.ending(1, 4), None);
        assert_eq!(settled.table.len(), SETTLED_MAX);
    }
}
