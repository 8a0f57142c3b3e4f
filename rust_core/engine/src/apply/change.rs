//! Applies what is done to a message that nobody holds: another time, another priority, its removal; and its loss.

use crate::ids::MessageId;
use crate::message::Place;
use crate::state::{End, State};

impl State {
    /// What waits behind its key or for its time only notes a change; what is ready stays as long in line as it was.
    pub(super) fn change(&mut self, id: MessageId, priority: u8, due_ms: Option<u64>) {
        let slot = self.slot(id);
        let (place, at_ms) = (self.messages[slot].place(), self.messages[slot].at_ms());
        match (place, due_ms) {
            (Place::Blocked, _) => {
                self.messages[slot].priority = priority;
                self.messages[slot].set_place(place, due_ms.unwrap_or(at_ms));
            }
            (Place::Ready | Place::Delayed, Some(due_ms)) => {
                self.unlink(slot);
                self.messages[slot].priority = priority;
                self.settle_in_when_due(slot, due_ms);
            }
            (Place::Ready, None) => {
                self.unlink(slot);
                self.messages[slot].priority = priority;
                self.settle_in(slot, place, at_ms, End::InOrder(0));
            }
            (Place::Delayed, None) => self.messages[slot].priority = priority,
            _ => unreachable!("a message is changed that isn't waiting"),
        }
    }

    pub(super) fn delete(&mut self, id: MessageId) {
        let slot = self.slot(id);
        let is_held = self.messages[slot].place() == Place::Leased;
        assert!(!is_held, "a message is deleted that somebody holds");
        self.take_away(slot);
    }

    /// From all groups, whoever holds it.
    pub(super) fn lose(&mut self, id: MessageId, freed: Option<u128>) {
        let copies = self.copies_of(id);
        assert!(!copies.is_empty(), "a message is lost that is gone");
        copies.iter().for_each(|copy| self.take_away(copy.slot));
        if let Some(key) = freed {
            self.dedup.free(key);
        }
    }

    fn take_away(&mut self, slot: u32) {
        if self.messages[slot].place() == Place::Ready {
            // It may have stood before others when a receive looked.
            self.wake(self.messages[slot].queue);
        }
        self.remove(slot);
    }
}
