//! The one mutator. A step applies what it decided, a replay what was decided once: the same records at the
//! same instants give the same state. It decides nothing; what contradicts the state is a bug, and asserted.

use crate::history::Death;
use crate::ids::{GROUP_DEFAULT, Location, MESSAGE_NUMBER_MAX, MessageId, QueueNumber};
use crate::message::{Flag, Message, NONE, Place};
use crate::rate::Limiter;
use crate::record::{DeathReason, Enqueued, FailureCause, Lease, Record};
use crate::settled::Ending;
use crate::state::{End, State};

impl State {
    /// Applies one record of the batch that `cursor` names.
    pub fn apply(&mut self, record: &Record) {
        match *record {
            Record::Founded { secret } => self.found(secret),
            Record::Fenced { epoch } => self.fence(epoch),
            Record::QueueCreated {
                queue,
                ref name,
                ref config,
            } => {
                self.queues
                    .insert(queue, name, config.clone(), self.cursor.now_ms);
            }
            Record::QueueUpdated { queue, ref config } => self.update_queue(queue, config),
            Record::QueueDeleted { queue } => self.queues.delete(queue),
            Record::Reaped { queue, count } => self.reap(queue, count),
            Record::Enqueued(ref enqueued) => self.enqueue(enqueued),
            Record::Due { message } => self.due(message),
            Record::Leased {
                queue,
                until_ms,
                ref messages,
                ..
            } => self.lease(queue, until_ms, messages),
            Record::Acked { message, group } => {
                assert_eq!(group, GROUP_DEFAULT);
                self.ack(message);
            }
            Record::Retried {
                message,
                cause,
                due_ms,
                priority,
                error_bytes,
                ..
            } => {
                self.retry(message, cause, due_ms, priority, error_bytes);
            }
            Record::Extended {
                message, until_ms, ..
            } => self.extend(message, until_ms),
            Record::Released { message, .. } => self.release(message),
            Record::Died {
                message,
                reason,
                error_bytes,
            } => self.die(message, reason, error_bytes),
            Record::DeadLettered {
                message,
                reason,
                error_bytes,
                queue,
                dead_letter,
            } => {
                self.dead_letter(message, reason, error_bytes, queue, dead_letter);
            }
        }
    }

    fn found(&mut self, secret: [u8; 32]) {
        assert!(self.secret.is_none(), "a journal is founded once");
        self.secret = Some(secret);
    }

    fn fence(&mut self, epoch: u64) {
        assert_eq!(epoch, self.epoch + 1, "epochs count up by one");
        self.epoch = epoch;
        let now_ms = self.cursor.now_ms;
        for queue in self.queues.iter_mut() {
            if let Some(limit) = queue.config.rate_limit {
                queue.limiter = Limiter::empty(limit, now_ms);
            }
        }
    }

    fn update_queue(&mut self, number: QueueNumber, config: &crate::config::QueueConfig) {
        let now_ms = self.cursor.now_ms;
        let queue = self.queues.get_mut(number);
        if queue.config.rate_limit != config.rate_limit {
            let empty = config.rate_limit.map(|limit| Limiter::empty(limit, now_ms));
            queue.limiter = empty.unwrap_or_default();
        }
        queue.config = config.clone();
        self.wake(number);
    }

    fn reap(&mut self, number: QueueNumber, count: u32) {
        assert!(
            self.queues.get(number).deleted,
            "only a deleted queue is reaped"
        );
        for _ in 0..count {
            let slot = self
                .queues
                .get(number)
                .any_message()
                .expect("a queue holds what its reaping counts");
            self.remove(slot);
        }
        let queue = self.queues.get_mut(number);
        self.dedup
            .reap(&mut queue.dedup, crate::verbs::timers::REAPED_PER_STEP_MAX);
        self.queues.drop_if_reaped(number);
    }

    fn enqueue(&mut self, enqueued: &Enqueued) {
        let now_ms = self.cursor.now_ms;
        let envelope = self.cursor.take(enqueued.blob_bytes);
        let mut message = self.message(
            enqueued.message,
            enqueued.queue,
            enqueued.priority,
            envelope,
        );
        message.expires_at_ms = enqueued.expires_at_ms;
        let slot = enqueued.message.slot;
        if let Some(retries_max) = enqueued.max_retries {
            self.history
                .set_retries_max(slot, &mut message, retries_max);
        }
        self.messages.insert(slot, message);
        let queue = self.queues.get_mut(enqueued.queue);
        self.dedup.purge(&mut queue.dedup, now_ms);
        if let Some(entry) = enqueued.dedup {
            self.dedup
                .put(enqueued.queue, entry, enqueued.message, &mut queue.dedup);
        }
        match enqueued.ordering_key {
            Some(hash) => self.join_key(slot, hash, enqueued.due_ms),
            None => self.settle_in_when_due(slot, enqueued.due_ms),
        }
    }

    /// The next message's index entry; takes its number.
    fn message(
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

    fn join_key(&mut self, slot: u32, hash: u64, due_ms: u64) {
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

    fn due(&mut self, id: MessageId) {
        let slot = self.slot(id);
        assert!(
            self.messages[slot].place() == Place::Delayed,
            "only a delayed message comes due"
        );
        self.relocate(slot, Place::Ready, self.cursor.now_ms, End::Back);
    }

    fn lease(&mut self, number: QueueNumber, until_ms: u64, leases: &[Lease]) {
        for lease in leases {
            let slot = self.slot(lease.message);
            let message = &mut self.messages[slot];
            assert!(
                message.place() == Place::Ready && message.queue == number,
                "only a ready message is leased"
            );
            assert_eq!(
                lease.delivery,
                message.deliveries + 1,
                "deliveries count up by one"
            );
            message.deliveries = lease.delivery;
            message.set(Flag::Nacked, false);
            self.relocate(slot, Place::Leased, until_ms, End::Back);
        }
        let queue = self.queues.get_mut(number);
        if let Some(limit) = queue.config.rate_limit {
            queue
                .limiter
                .take(limit, self.cursor.now_ms, leases.len() as u32);
        }
    }

    fn leased_slot(&self, id: MessageId) -> u32 {
        let slot = self.slot(id);
        assert!(
            self.messages[slot].place() == Place::Leased,
            "a lease ends that nobody holds"
        );
        slot
    }

    fn ack(&mut self, id: MessageId) {
        let slot = self.leased_slot(id);
        self.settled
            .put(id.number, self.messages[slot].deliveries, Ending::Acked);
        self.remove(slot);
    }

    fn retry(
        &mut self,
        id: MessageId,
        cause: FailureCause,
        due_ms: u64,
        priority: u8,
        error_bytes: u32,
    ) {
        let slot = self.leased_slot(id);
        self.unlink(slot);
        self.fail(slot, error_bytes);
        let message = &mut self.messages[slot];
        message.priority = priority;
        message.set(Flag::Nacked, cause == FailureCause::Nack);
        self.settle_in_when_due(slot, due_ms);
    }

    fn fail(&mut self, slot: u32, error_bytes: u32) {
        let error = (error_bytes > 0).then(|| self.cursor.take(error_bytes));
        self.history
            .fail(slot, &mut self.messages[slot], self.cursor.now_ms, error);
    }

    fn extend(&mut self, id: MessageId, until_ms: u64) {
        let slot = self.leased_slot(id);
        self.messages[slot].set_place(Place::Leased, until_ms);
        self.deadlines.set(slot, id.number, Some(until_ms));
    }

    /// Back to the front, before what became ready later; its wait begins with that of the one behind it.
    fn release(&mut self, id: MessageId) {
        let slot = self.leased_slot(id);
        let message = &self.messages[slot];
        let behind = self.queues.get(message.queue).ready.head(message.priority);
        let now_ms = self.cursor.now_ms;
        let since_ms = behind.map_or(now_ms, |slot| self.messages[slot].at_ms.min(now_ms));
        self.relocate(slot, Place::Ready, since_ms, End::Front);
    }

    /// Counts the failed attempt, if a lease ended with it, and tells how the message died.
    fn end(&mut self, id: MessageId, reason: DeathReason, error_bytes: u32) -> (u32, Death) {
        let slot = self.slot(id);
        if self.messages[slot].place() == Place::Leased {
            self.fail(slot, error_bytes);
        }
        let message = &self.messages[slot];
        assert!(message.place() != Place::Dead, "a message dies once");
        let death = Death {
            reason,
            source_queue: self.queues.get(message.queue).name.clone(),
            source_message: id,
            deliveries: message.deliveries,
            attempts: u32::from(message.attempts),
            failures: self.history.failures(slot, message),
        };
        (slot, death)
    }

    fn die(&mut self, id: MessageId, reason: DeathReason, error_bytes: u32) {
        let (slot, death) = self.end(id, reason, error_bytes);
        self.unlink(slot);
        self.release_key(slot);
        self.messages[slot].set(Flag::Nacked, by_nack(reason));
        self.history
            .set_death(slot, &mut self.messages[slot], death);
        self.settle_in(slot, Place::Dead, self.cursor.now_ms, End::Back);
    }

    fn dead_letter(
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
            self.settled.put(id.number, old.deliveries, Ending::Nacked);
        }
        let mut message = self.message(new, to, old.priority, old.envelope);
        assert!(
            message.key == NONE && message.expires_at_ms == 0,
            "a dead letter waits for nothing"
        );
        self.history.set_death(new.slot, &mut message, death);
        self.messages.insert(new.slot, message);
        self.settle_in(new.slot, Place::Ready, self.cursor.now_ms, End::Back);
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
