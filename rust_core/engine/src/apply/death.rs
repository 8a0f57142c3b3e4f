//! Applies the death of a message, in its queue or into a dead-letter queue.

use crate::history::Death;
use crate::ids::{MessageId, QueueNumber};
use crate::message::{Flag, NONE, Place};
use crate::record::DeathReason;
use crate::settled::Ending;
use crate::state::{End, State};

impl State {
    /// Counts the failed attempt, if a lease ended with it, and tells how the message died.
    pub(super) fn end(
        &mut self,
        id: MessageId,
        reason: DeathReason,
        error_bytes: u32,
    ) -> (u32, Death) {
        let slot = self.slot(id);
        if matches!(
            reason,
            DeathReason::RetriesExhausted | DeathReason::Rejected
        ) {
            self.see_holder(slot);
        }
        match self.messages[slot].place() {
            Place::Leased => self.fail(slot, error_bytes),
            // It may have stood before others when a receive looked.
            Place::Ready => self.wake(self.messages[slot].queue),
            _ => {}
        }
        let message = &self.messages[slot];
        assert!(message.place() != Place::Dead, "a message dies once");
        // A dead letter that dies again still comes from where it came from.
        let earlier = self.history.death(slot, message);
        let redrives = earlier.map_or(0, |earlier| earlier.redrives);
        let (source_queue, source_group, source_message) =
            match earlier.filter(|earlier| !earlier.over) {
                Some(earlier) => (
                    earlier.source_queue.clone(),
                    earlier.source_group.clone(),
                    earlier.source_message,
                ),
                None => {
                    let queue = self.queues.get(message.queue);
                    let known_as = self.copies.known_as(id);
                    (queue.name.clone(), queue.group.name.clone(), known_as)
                }
            };
        let death = Death {
            reason,
            source_queue,
            source_group,
            source_message,
            deliveries: message.deliveries,
            attempts: u32::from(message.attempts),
            failures: self.history.failures(slot, message),
            died_at_ms: self.cursor.now_ms,
            ordering_key: self.ordering_key(slot),
            redrives,
            over: false,
        };
        (slot, death)
    }

    pub(super) fn die(&mut self, id: MessageId, reason: DeathReason, error_bytes: u32) {
        let (slot, death) = self.end(id, reason, error_bytes);
        self.dedup.release(id);
        self.unlink(slot);
        self.release_key(slot);
        self.messages[slot].set(Flag::Returned, by_nack(reason));
        self.let_go_of_errors(slot);
        self.history
            .set_death(slot, &mut self.messages[slot], death);
        self.hold_errors(slot);
        self.settle_in(slot, Place::Dead, self.cursor.now_ms, End::Back);
    }

    pub(super) fn dead_letter(
        &mut self,
        id: MessageId,
        reason: DeathReason,
        error_bytes: u32,
        to: QueueNumber,
        new: MessageId,
    ) {
        let (slot, death) = self.end(id, reason, error_bytes);
        let old = self.messages[slot];
        if by_nack(reason) {
            self.settled.put(self.lease_of(slot), Ending::Nacked);
        }
        let mut message = self.message(new, to, old.priority, old.envelope());
        assert!(
            message.key == NONE && message.expires_at_ms() == 0,
            "a dead letter waits for nothing"
        );
        message.set(Flag::Moved, old.has(Flag::Moved));
        self.live.take(old.envelope(), true);
        let own_retries = self.history.own_retries(slot, &old);
        self.history
            .set_own_retries(new.slot, &mut message, own_retries);
        self.history.set_death(new.slot, &mut message, death);
        self.messages.insert(new.slot, message);
        self.hold_errors(new.slot);
        if old.flow != NONE {
            let hash = self.flows[old.flow].hash;
            self.join_flow(new.slot, hash);
        }
        self.settle_in(new.slot, Place::Ready, self.cursor.now_ms, End::Back);
        self.copy_to_groups(new.slot);
        self.remove(slot);
    }
}

/// Whether a nack caused the death, so that the same nack may be repeated.
fn by_nack(reason: DeathReason) -> bool {
    matches!(
        reason,
        DeathReason::RetriesExhausted | DeathReason::Rejected
    )
}
