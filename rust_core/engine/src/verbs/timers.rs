//! What time does by itself, at the start of a step: delays end, leases end, messages expire, and what deleted
//! queues left is taken away. All in bounded parts; what is left keeps the next deadline at now.

use super::death;
use super::nack::{due_ms, is_last};
use crate::batch::Batch;
use crate::ids::GROUP_DEFAULT;
use crate::message::{Message, Place};
use crate::queue::Queue;
use crate::record::{DeathReason, FailureCause, Record};
use crate::state::State;

/// Timers that become records in one step: each is a record of some twenty bytes and well under a
/// microsecond, so a step stays below a millisecond.
pub const FIRED_PER_STEP_MAX: u32 = 1024;

/// Messages of deleted queues, and as many dedup entries, that go in one step. One record covers them all.
pub const REAPED_PER_STEP_MAX: u32 = 1024;

pub(crate) fn run(batch: &mut Batch) {
    reap(batch);
    for _ in 0..FIRED_PER_STEP_MAX {
        let state = batch.state();
        match state.deadlines.first() {
            // The rest of a deleted queue: its timers don't matter, and `reap` takes those first.
            Some((_, slot)) if state.queues.get(state.messages[slot].queue).deleted => return,
            Some((deadline_ms, slot)) if deadline_ms <= batch.now_ms => fire(batch, slot),
            _ => return,
        }
    }
}

fn reap(batch: &mut Batch) {
    if let Some(queue) = batch.state().queues.reaping() {
        let count = queue.messages().min(u64::from(REAPED_PER_STEP_MAX)) as u32;
        let record = Record::Reaped {
            queue: queue.number,
            count,
        };
        batch.commit(record);
    }
}

fn fire(batch: &mut Batch, slot: u32) {
    let state = batch.state();
    let message = &state.messages[slot];
    let queue = state.queues.get(message.queue);
    let id = state.messages.id(slot);
    let record = match death_reason(state, slot, batch.now_ms) {
        Some(reason) => return death::commit(batch, death::decide(state, id, reason, 0)),
        None if message.place() == Place::Leased => lease_ended(message, queue, slot, batch.now_ms),
        None => Record::Due { message: id },
    };
    batch.commit(record);
}

/// Why the message whose timer fires can't be delivered any more. While it is leased its time to live waits.
fn death_reason(state: &State, slot: u32, now_ms: u64) -> Option<DeathReason> {
    let message = &state.messages[slot];
    if message.place() == Place::Leased && is_last(state, slot, state.queues.get(message.queue)) {
        return Some(DeathReason::LeaseEnded);
    }
    message.is_expired(now_ms).then_some(DeathReason::Expired)
}

fn lease_ended(message: &Message, queue: &Queue, slot: u32, now_ms: u64) -> Record {
    Record::Retried {
        message: crate::ids::MessageId {
            number: message.number,
            slot,
        },
        group: GROUP_DEFAULT,
        cause: FailureCause::LeaseEnded,
        due_ms: due_ms(message, queue, None, now_ms),
        priority: message.priority,
        error_bytes: 0,
    }
}
