//! Applies the acceptance of a message.

use crate::history::OwnRetries;
use crate::ids::{Location, MESSAGE_NUMBER_MAX, MessageId, QueueNumber};
use crate::message::{Message, Place};
use crate::record::Enqueued;
use crate::state::{End, State};

impl State {
    pub(super) fn enqueue(&mut self, enqueued: &Enqueued) {
        let envelope = self.cursor.take(enqueued.blob_bytes);
        self.live.take(envelope, true);
        let mut message = self.message(
            enqueued.message,
            enqueued.queue,
            enqueued.priority,
            envelope,
        );
        message.set_expiry(enqueued.expires_at_ms);
        let slot = enqueued.message.slot;
        let own = OwnRetries {
            max: enqueued.max_retries,
            backoff: enqueued.backoff,
        };
        self.history.set_own_retries(slot, &mut message, own);
        self.messages.insert(slot, message);
        if let Some(hash) = enqueued.fairness_key {
            self.join_flow(slot, hash);
        }
        let queue = self.queues.get_mut(enqueued.queue);
        if let Some(limit) = queue.config.ingress_limit {
            queue.ingress.take(limit, self.cursor.now_ms, 1);
        }
        if let Some(entry) = enqueued.dedup {
            let queue = self.queues.get_mut(enqueued.queue);
            self.dedup
                .put(enqueued.queue, entry, enqueued.message, &mut queue.dedup);
        }
        match enqueued.ordering_key {
            Some(hash) => self.join_key(slot, hash, enqueued.due_ms),
            None => self.settle_in_when_due(slot, enqueued.due_ms),
        }
        self.copy_to_groups(slot);
    }

    /// The next message's index entry; takes its number.
    pub(super) fn message(
        &mut self,
        id: MessageId,
        queue: QueueNumber,
        priority: u8,
        envelope: Location,
    ) -> Message {
        assert_eq!(
            id.number,
            self.numbered + 1,
            "message numbers count up by one"
        );
        assert!(
            id.number <= MESSAGE_NUMBER_MAX,
            "message numbers are used up"
        );
        self.numbered = id.number;
        Message::new(id.number, queue, priority, envelope)
    }

    pub(super) fn join_key(&mut self, slot: u32, hash: u64, due_ms: u64) {
        let queue = self.messages[slot].queue;
        match self.keys.find(queue, hash) {
            Some(key) => {
                self.messages[slot].key = key;
                self.settle_in(slot, Place::Blocked, due_ms, End::Back);
            }
            None => {
                self.messages[slot].key = self.keys.insert(queue, hash, slot);
                self.settle_in_when_due(slot, due_ms);
            }
        }
    }
}
