//! Feeds the state to a hasher, for tests: everything a later decision could depend on, in an order that follows
//! from the state alone. Links are fed as they are; they are what the lists' order is.

use crate::message::{Message, NONE};
use crate::queue::Queue;
use crate::state::State;

impl State {
    /// See [`Partition::fold_state`](crate::partition::Partition::fold_state).
    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        [self.lsn, self.epoch, self.numbered]
            .iter()
            .for_each(|n| fold(&n.to_le_bytes()));
        fold(&self.secret.unwrap_or_default());
        self.queues.fold_reaping(fold);
        self.queues
            .iter()
            .for_each(|queue| self.fold_queue(queue, fold));
        fold(&self.messages.first_free().to_le_bytes());
        (0..self.messages.slots()).for_each(|slot| self.fold_message(slot, fold));
        self.settled.fold(fold);
        self.history.fold(fold);
    }

    fn fold_queue(&self, queue: &Queue, fold: &mut impl FnMut(&[u8])) {
        let Queue {
            number,
            name,
            config,
            created_at_ms,
            counts,
            delayed,
            leased,
            dead,
            deleted,
            ..
        } = queue;
        let facts = (
            number,
            name,
            config,
            created_at_ms,
            counts,
            delayed,
            leased,
            dead,
            deleted,
        );
        fold(format!("{facts:?}").as_bytes());
        queue
            .ready
            .iter(&self.messages)
            .for_each(|slot| fold(&slot.to_le_bytes()));
        queue.limiter.fold(fold);
        self.dedup.fold(&queue.dedup, fold);
    }

    fn fold_message(&self, slot: u32, fold: &mut impl FnMut(&[u8])) {
        let message = &self.messages[slot];
        let Message {
            number,
            envelope,
            at_ms,
            expires_at_ms,
            queue,
            key,
            ..
        } = *message;
        let Message {
            next,
            previous,
            deliveries,
            attempts,
            priority,
            ..
        } = *message;
        let long = [number, envelope.lsn, at_ms, expires_at_ms];
        let short = [
            envelope.offset,
            envelope.length,
            queue.0,
            next,
            previous,
            deliveries,
        ];
        long.iter().for_each(|n| fold(&n.to_le_bytes()));
        short.iter().for_each(|n| fold(&n.to_le_bytes()));
        fold(&attempts.to_le_bytes());
        fold(&[priority, message.status()]);
        if key != NONE {
            fold(format!("{:?}", self.keys[key]).as_bytes());
        }
    }
}
