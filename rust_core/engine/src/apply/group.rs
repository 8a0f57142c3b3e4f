//! Copies what a queue accepts to its further groups. That follows from the groups there are, so no record lists the
//! copies: a batch's bytes don't grow with them, and whatever lands a message in a queue reaches its groups.

use crate::copies::Copy;
use crate::ids::QueueNumber;
use crate::message::{Flag, Message, NONE, Place};
use crate::state::State;

impl State {
    /// The message in slot `first` was just accepted: so it is by each further group of its queue.
    pub(super) fn copy_to_groups(&mut self, first: u32) {
        let queue = self.queues.get(self.messages[first].queue);
        if queue.groups.is_empty() && queue.group.is_default() {
            return;
        }
        let source = queue.group.source;
        let mut copies = vec![Copy {
            queue: source,
            slot: first,
        }];
        if queue.group.is_default() {
            for group in queue.groups.clone() {
                let slot = self.copy(first, group);
                copies.push(Copy { queue: group, slot });
            }
        } else {
            // It landed in that group alone.
            let queue = queue.number;
            copies[0].slot = NONE;
            copies.push(Copy { queue, slot: first });
        }
        let id = self.messages.id(first);
        let orphans = self.copies.put(id, copies.into());
        self.count_orphans(source, orphans);
    }

    fn copy(&mut self, first: u32, to: QueueNumber) -> u32 {
        let original = self.messages[first];
        let slot = self.messages.next_slot();
        let mut message = Message::new(
            original.number(),
            to,
            original.priority,
            original.envelope(),
        );
        message.set_expiry(original.expires_at_ms());
        message.set(Flag::Moved, original.has(Flag::Moved));
        self.live.take(message.envelope(), false);
        // Its errors are those of the first, and count there.
        self.history.copy(first, &original, slot, &mut message);
        self.messages.insert(slot, message);
        if original.flow != NONE {
            self.join_flow(slot, self.flows[original.flow].hash);
        }
        let due_ms = match original.place() {
            Place::Delayed | Place::Blocked => original.at_ms(),
            _ => self.cursor.now_ms,
        };
        match original.key {
            NONE => self.settle_in_when_due(slot, due_ms),
            key => self.join_key(slot, self.keys[key].hash, due_ms),
        }
        slot
    }
}
