//! complete: an ack that leaves something behind: a result, which is kept for a while, and messages to enqueue. All of it
//! in one step, or nothing: a message that is refused refuses the ack. Repeating it is `already`, as for a plain ack.
//!
//! The messages are enqueued first, so what is checked is what happens: a dedup id that the message itself holds until it
//! is done is still held. Their number is checked as if the acked message were gone: it leaves room for one in its queue.
//! What was there before is told as the whole step leaves it: a repeated ack says the same.

use std::collections::BTreeMap;

use super::{duplicate, enqueue, lease};
use crate::batch::Batch;
use crate::command::{Blob, Complete, FollowUp, NewMessage};
use crate::ids::{GROUP_DEFAULT, LeaseId, QueueNumber};
use crate::record::{Followed, Record};
use crate::rejection::Rejection;
use crate::reply::{Accepted, AckRefusal, Acked, Reply};
use crate::settled::Ending;
use crate::state::State;

pub(super) fn run(batch: &mut Batch, complete: &Complete) -> Result<Reply, Rejection> {
    match ack(batch, complete, None) {
        Ok(Acked { already, enqueued }) => Ok(Reply::Completed { already, enqueued }),
        Err(AckRefusal::FollowUps(refused)) => Ok(Reply::FollowUpsRefused(refused)),
        Err(AckRefusal::Rejected(rejection)) => Err(rejection),
    }
}

/// A plain ack brings nothing. With `queue`, the receipt of another one's is refused.
pub(super) fn ack(
    batch: &mut Batch,
    complete: &Complete,
    queue: Option<&str>,
) -> Result<Acked, AckRefusal> {
    let (state, lease) = (batch.state(), complete.lease);
    lease::of_queue(state, lease, queue)?;
    if let Err(lost) = lease::held(state, lease) {
        let is_repeated = state.settled.ending(lease) == Some(Ending::Acked);
        let earlier = is_repeated.then(|| earlier(state, lease, batch.now_ms));
        return earlier.ok_or(lost.into());
    }
    if complete.enqueue.is_empty() {
        end(batch, lease, complete.result);
        return Ok(Acked::default());
    }
    if let Some(refused) = refusals(state, batch.now_ms, complete) {
        return Err(AckRefusal::FollowUps(refused));
    }
    let mut enqueued = follow_up(batch, complete);
    end(batch, lease, complete.result);
    for one in enqueued.iter_mut().filter(|one| one.duplicate) {
        *one = enqueue::earlier_one(batch.state(), batch.now_ms, one.message);
    }
    Ok(Acked {
        already: false,
        enqueued,
    })
}

/// The message is done. Its result is kept where results are; not that of a further group beside the one of `default`.
fn end(batch: &mut Batch, lease: LeaseId, result: Option<Blob>) {
    let (message, group) = (lease.message, lease.group);
    let kept = result.and_then(|result| room(batch.state(), batch.now_ms, lease, result));
    let (
        Some(result),
        Some(Room {
            evicted,
            retention_ms,
        }),
    ) = (result, kept)
    else {
        return batch.commit(Record::Acked { message, group });
    };
    if evicted > 0 {
        batch.commit(Record::ResultsEvicted { count: evicted });
    }
    batch.carry(result);
    batch.commit(Record::Completed {
        message,
        group,
        expires_at_ms: batch.now_ms.saturating_add(retention_ms),
        result_bytes: result.length,
    });
}

/// What a result that is kept needs.
struct Room {
    /// Results that go before their time.
    evicted: u32,
    retention_ms: u64,
}

fn room(state: &State, now_ms: u64, lease: LeaseId, result: Blob) -> Option<Room> {
    let queue = state.queues.get(state.messages[lease.message.slot].queue);
    let retention_ms = queue.config.result_retention_ms;
    let known = state.copies.known_as(lease.message);
    let is_second = lease.group != GROUP_DEFAULT && state.results.has_default_s(known, now_ms);
    if retention_ms == 0 || is_second {
        return None;
    }
    let bytes_max = state.settings.results_bytes_max;
    let evicted = state.results.too_many(result.length, bytes_max)?;
    Some(Room {
        evicted,
        retention_ms,
    })
}

/// What an earlier ack of the lease did.
fn earlier(state: &State, lease: LeaseId, now_ms: u64) -> Acked {
    let enqueued = state.settled.followed(lease).iter();
    let enqueued = enqueued.map(|one| Accepted {
        duplicate: one.duplicate,
        ..enqueue::earlier_one(state, now_ms, one.message)
    });
    Acked {
        already: true,
        enqueued: enqueued.collect(),
    }
}

/// Enqueues what comes with an ack, all of which was checked.
fn follow_up(batch: &mut Batch, complete: &Complete) -> Vec<Accepted> {
    let mut enqueued = Vec::with_capacity(complete.enqueue.len());
    for one in &complete.enqueue {
        let queue = batch.queue(&one.queue).expect("its queue was there");
        enqueued.push(enqueue::accept_checked(batch, queue, &one.message));
    }
    let followed = enqueued.iter().map(|one| Followed {
        message: one.message,
        duplicate: one.duplicate,
    });
    batch.commit(Record::FollowedUp {
        message: complete.lease.message,
        group: complete.lease.group,
        messages: followed.collect(),
    });
    enqueued
}

/// A result an entry, when any can't be accepted: its own reason, or that another was refused.
fn refusals(
    state: &State,
    now_ms: u64,
    complete: &Complete,
) -> Option<Vec<Result<Accepted, Rejection>>> {
    let entries = &complete.enqueue;
    let mut results: Vec<Result<Accepted, Rejection>> =
        vec![Err(Rejection::BatchAborted); entries.len()];
    let mut by_queue: BTreeMap<QueueNumber, Vec<usize>> = BTreeMap::new();
    let mut refused = false;
    for (index, entry) in entries.iter().enumerate() {
        match state.queues.named(&entry.queue) {
            Ok(queue) => by_queue.entry(queue.number).or_default().push(index),
            Err(rejection) => {
                results[index] = Err(rejection);
                refused = true;
            }
        }
    }
    // Each queue's check counts its own; the memory is one for all. A duplicate counts too, near the bound.
    let with_id = |entry: &FollowUp| entry.message.dedup.is_some();
    let ids = entries.iter().filter(|entry| with_id(entry)).count() as u64;
    if let (Some(last), Err(full)) = (
        entries.iter().rposition(with_id),
        duplicate::check_room(state, ids),
    ) {
        results[last] = Err(full);
        refused = true;
    }
    for (queue, indexes) in by_queue {
        let messages: Vec<NewMessage> = indexes
            .iter()
            .map(|&index| entries[index].message.clone())
            .collect();
        let leaving = leaving(state, complete.lease, queue);
        let Some(outcomes) = enqueue::refusals(state, now_ms, queue, &messages, leaving) else {
            continue;
        };
        refused = true;
        for (index, outcome) in indexes.into_iter().zip(outcomes) {
            results[index] = outcome;
        }
    }
    refused.then_some(results)
}

/// Messages of `queue` that go with the ack: the acked one, when its last group is done with it.
fn leaving(state: &State, lease: LeaseId, queue: QueueNumber) -> u64 {
    let of = state.messages[lease.message.slot].queue;
    let goes = state.queues.get(of).group.source == queue && state.copies.is_last(lease.message);
    u64::from(goes)
}

#[cfg(test)]
mod tests;
