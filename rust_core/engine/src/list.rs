//! A doubly linked list of messages, its links inside the messages. A message is in one list at a time.

use crate::message::NONE;
use crate::slab::Slab;

/// First and last slot; the links are in the slab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct List {
    pub head: u32,
    pub tail: u32,
}

impl List {
    pub const EMPTY: List = List {
        head: NONE,
        tail: NONE,
    };

    pub fn is_empty(self) -> bool {
        self.head == NONE
    }

    pub fn push_back(&mut self, slab: &mut Slab, slot: u32) {
        slab[slot].previous = self.tail;
        slab[slot].next = NONE;
        match self.tail {
            NONE => self.head = slot,
            tail => slab[tail].next = slot,
        }
        self.tail = slot;
    }

    pub fn push_front(&mut self, slab: &mut Slab, slot: u32) {
        slab[slot].previous = NONE;
        slab[slot].next = self.head;
        match self.head {
            NONE => self.tail = slot,
            head => slab[head].previous = slot,
        }
        self.head = slot;
    }

    /// Right behind one that is in the list.
    pub fn insert_after(&mut self, slab: &mut Slab, before: u32, slot: u32) {
        let next = slab[before].next;
        if next == NONE {
            return self.push_back(slab, slot);
        }
        (slab[slot].previous, slab[slot].next) = (before, next);
        slab[before].next = slot;
        slab[next].previous = slot;
    }

    pub fn remove(&mut self, slab: &mut Slab, slot: u32) {
        let (previous, next) = (slab[slot].previous, slab[slot].next);
        match previous {
            NONE => self.head = replaced(self.head, slot, next),
            previous => slab[previous].next = replaced(slab[previous].next, slot, next),
        }
        match next {
            NONE => self.tail = replaced(self.tail, slot, previous),
            next => slab[next].previous = replaced(slab[next].previous, slot, previous),
        }
    }

    /// The slots in order.
    pub fn iter(self, slab: &Slab) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(some(self.head), |&slot| some(slab[slot].next))
    }
}

fn some(slot: u32) -> Option<u32> {
    (slot != NONE).then_some(slot)
}

/// Both neighbours must know the slot that leaves: the message is in this list and in no other.
fn replaced(link: u32, slot: u32, by: u32) -> u32 {
    assert_eq!(link, slot, "a message is linked in a list it isn't in");
    by
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Location, QueueNumber};
    use crate::message::Message;

    fn slab(count: u32) -> Slab {
        let mut slab = Slab::new();
        (0..count).for_each(|i| {
            slab.insert(
                i,
                Message::new(u64::from(i) + 1, QueueNumber(0), 1, Location::default()),
            )
        });
        slab
    }

    #[test]
    fn keeps_order_when_ends_and_middle_leave() {
        let (mut slab, mut list) = (slab(5), List::EMPTY);
        (1..5).for_each(|slot| list.push_back(&mut slab, slot));
        list.push_front(&mut slab, 0);
        assert_eq!(list.iter(&slab).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        list.remove(&mut slab, 4);
        list.insert_after(&mut slab, 3, 4);
        list.remove(&mut slab, 3);
        list.insert_after(&mut slab, 2, 3);
        assert_eq!(list.iter(&slab).collect::<Vec<_>>(), [0, 1, 2, 3, 4]);
        [2, 0, 4]
            .into_iter()
            .for_each(|slot| list.remove(&mut slab, slot));
        assert_eq!(list.iter(&slab).collect::<Vec<_>>(), [1, 3]);
        [1, 3]
            .into_iter()
            .for_each(|slot| list.remove(&mut slab, slot));
        assert_eq!(list, List::EMPTY);
    }

    #[test]
    #[should_panic(expected = "a list it isn't in")]
    fn removing_from_another_list_is_a_bug() {
        let (mut slab, mut one, mut other) = (slab(2), List::EMPTY, List::EMPTY);
        one.push_back(&mut slab, 0);
        other.push_back(&mut slab, 1);
        other.remove(&mut slab, 0);
    }
}
