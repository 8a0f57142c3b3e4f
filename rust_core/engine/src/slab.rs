//! The messages of a partition, by slot. A freed slot is used again, last freed first; which slot comes next
//! is part of the state, because records name slots.

use std::ops::{Index, IndexMut};

use crate::checkpoint::Paged;
use crate::ids::MessageId;
use crate::message::{Message, NONE, Place};

/// Message slots.
pub(crate) struct Slab {
    pub slots: Paged<Message>,
    free: u32,
    count: u64,
}

impl Slab {
    pub fn new() -> Self {
        Slab {
            slots: Paged::new(),
            free: NONE,
            count: 0,
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    pub fn slots(&self) -> u32 {
        self.slots.len() as u32
    }

    pub fn first_free(&self) -> u32 {
        self.free
    }

    /// What follows from the slots of a checkpoint.
    pub fn load(&mut self, free: u32, count: u64) {
        (self.free, self.count) = (free, count);
    }

    /// The slot the next message gets.
    pub fn next_slot(&self) -> u32 {
        if self.free != NONE {
            return self.free;
        }
        let slot = u32::try_from(self.slots.len()).expect("slots fit 32 bits");
        assert!(slot != NONE, "the slab is full");
        slot
    }

    pub fn insert(&mut self, slot: u32, message: Message) {
        assert_eq!(
            slot,
            self.next_slot(),
            "a record names a slot that isn't the next free one"
        );
        if self.free == NONE {
            self.slots.push(message);
        } else {
            assert!(self[slot].place() == Place::Free, "slot {slot} is taken");
            self.free = self[slot].next;
            self[slot] = message;
        }
        self.count += 1;
    }

    pub fn remove(&mut self, slot: u32) {
        assert!(
            self[slot].place() != Place::Free,
            "slot {slot} is free already"
        );
        self[slot] = Message::free(self.free);
        self.free = slot;
        self.count -= 1;
    }

    /// The message of that name, unless it is gone.
    pub fn find(&self, id: MessageId) -> Option<&Message> {
        let known = id.slot < self.slots() && id.number != 0;
        known
            .then(|| &self[id.slot])
            .filter(|message| message.number() == id.number)
    }

    pub fn id(&self, slot: u32) -> MessageId {
        MessageId {
            number: self[slot].number(),
            slot,
        }
    }
}

impl Index<u32> for Slab {
    type Output = Message;

    fn index(&self, slot: u32) -> &Message {
        &self.slots[slot]
    }
}

impl IndexMut<u32> for Slab {
    fn index_mut(&mut self, slot: u32) -> &mut Message {
        &mut self.slots[slot]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{Location, QueueNumber};

    fn message(number: u64) -> Message {
        let mut message = Message::new(number, QueueNumber(0), 1, Location::default());
        message.set_place(Place::Ready, 0);
        message
    }

    #[test]
    fn a_number_tells_a_slots_tenants_apart() {
        let mut slab = Slab::new();
        slab.insert(0, message(1));
        slab.remove(0);
        slab.insert(slab.next_slot(), message(2));
        assert!(slab.find(MessageId { number: 1, slot: 0 }).is_none());
        assert!(slab.find(MessageId { number: 2, slot: 0 }).is_some());
        assert!(slab.find(MessageId { number: 2, slot: 9 }).is_none());
        assert!(slab.find(MessageId { number: 3, slot: 1 }).is_none());
    }

    #[test]
    #[should_panic(expected = "isn't the next free one")]
    fn a_record_that_names_a_taken_slot_is_a_bug() {
        let mut slab = Slab::new();
        slab.insert(0, message(1));
        slab.insert(0, message(2));
    }
}
