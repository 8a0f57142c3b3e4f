//! Applies what begins, prolongs and ends a lease, while the message lives on or is done.

use crate::ids::{GroupNumber, LeaseId, MessageId, QueueNumber};
use crate::members::Holder;
use crate::message::{Flag, Place};
use crate::record::{FailureCause, Followed, Lease};
use crate::results::Done;
use crate::settled::Ending;
use crate::state::{End, State};

impl State {
    pub(super) fn due(&mut self, id: MessageId) {
        let slot = self.slot(id);
        assert!(
            self.messages[slot].place() == Place::Delayed,
            "only a delayed message comes due"
        );
        self.relocate(slot, Place::Ready, self.cursor.now_ms, End::Back);
    }

    pub(super) fn lease(
        &mut self,
        number: QueueNumber,
        consumer: &str,
        until_ms: u64,
        leases: &[Lease],
    ) {
        let holder = self.queues.get(number).members.holder(consumer);
        for &lease in leases {
            self.lease_one(number, holder, until_ms, lease);
        }
        self.count_leases(number, leases.len() as u32);
    }

    pub(crate) fn lease_one(
        &mut self,
        number: QueueNumber,
        holder: Holder,
        until_ms: u64,
        lease: Lease,
    ) {
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
        message.set(Flag::Returned, false);
        self.hand_out(slot, until_ms, holder);
    }

    /// Towards the queue's rate limit.
    pub(crate) fn count_leases(&mut self, number: QueueNumber, count: u32) {
        let queue = self.queues.get_mut(number);
        if let Some(limit) = queue.config.rate_limit {
            queue.limiter.take(limit, self.cursor.now_ms, count);
        }
    }

    /// So that the receive can be repeated.
    pub(crate) fn remember_attempt(
        &mut self,
        number: QueueNumber,
        attempt: Option<u128>,
        leases: &[Lease],
    ) {
        if let Some(hash) = attempt {
            self.attempts.put(number, hash, self.cursor.now_ms, leases);
        }
    }

    /// The last lease of the message in `slot`.
    pub(super) fn lease_of(&self, slot: u32) -> LeaseId {
        let message = &self.messages[slot];
        LeaseId {
            message: self.messages.id(slot),
            group: self.queues.get(message.queue).group.number,
            delivery: message.deliveries,
        }
    }

    pub(super) fn leased_slot(&self, id: MessageId) -> u32 {
        let slot = self.slot(id);
        assert!(
            self.messages[slot].place() == Place::Leased,
            "a lease ends that nobody holds"
        );
        slot
    }

    pub(super) fn ack(&mut self, id: MessageId, group: GroupNumber) {
        let slot = self.leased_slot(id);
        let lease = self.lease_of(slot);
        assert_eq!(lease.group, group, "a group acks another's copy");
        self.settled.put(lease, Ending::Acked);
        self.see_holder(slot);
        self.remove(slot);
    }

    /// The ack comes next.
    pub(super) fn follow_up(&mut self, id: MessageId, group: GroupNumber, messages: &[Followed]) {
        let lease = self.lease_of(self.leased_slot(id));
        assert_eq!(lease.group, group, "a group acks another's copy");
        self.settled.follow(messages);
    }

    /// The result is the message's, whichever group's copy it was; of several the last.
    pub(super) fn complete(
        &mut self,
        id: MessageId,
        group: GroupNumber,
        expires_at_ms: u64,
        result_bytes: u32,
    ) {
        let known = self.copies.known_as(id);
        let queue = self.queues.get(self.messages[self.slot(id)].queue);
        let done = Done {
            slot: known.slot,
            queue: queue.group.source,
            group,
            done_at_ms: self.cursor.now_ms,
            expires_at_ms,
            result: self.cursor.take(result_bytes),
        };
        self.results.put(known.number, done, &mut self.live);
        self.ack(id, group);
    }

    pub(super) fn retry(
        &mut self,
        id: MessageId,
        cause: FailureCause,
        due_ms: u64,
        priority: u8,
        error_bytes: u32,
    ) {
        let slot = self.leased_slot(id);
        if cause == FailureCause::Nack {
            self.see_holder(slot);
        }
        self.unlink(slot);
        self.fail(slot, error_bytes);
        let message = &mut self.messages[slot];
        message.priority = priority;
        message.set(Flag::Returned, cause == FailureCause::Nack);
        self.settle_in_when_due(slot, due_ms);
    }

    pub(super) fn fail(&mut self, slot: u32, error_bytes: u32) {
        let error = (error_bytes > 0).then(|| self.cursor.take(error_bytes));
        self.let_go_of_errors(slot);
        self.history
            .fail(slot, &mut self.messages[slot], self.cursor.now_ms, error);
        self.hold_errors(slot);
    }

    pub(super) fn extend(&mut self, id: MessageId, until_ms: u64) {
        let slot = self.leased_slot(id);
        self.see_holder(slot);
        let message = &mut self.messages[slot];
        message.lease(message.since_ms(), until_ms);
        self.arm(slot);
        self.arm_next(self.messages[slot].next);
    }

    /// Later, and no attempt counted.
    pub(super) fn postpone(&mut self, id: MessageId, due_ms: u64) {
        let slot = self.leased_slot(id);
        self.see_holder(slot);
        self.unlink(slot);
        self.messages[slot].set(Flag::Returned, true);
        self.settle_in_when_due(slot, due_ms);
    }

    /// Back to the front, before what became ready later.
    pub(super) fn release(&mut self, id: MessageId, since_ms: u64) {
        let slot = self.leased_slot(id);
        self.relocate(slot, Place::Ready, since_ms, End::Front);
    }
}
