//! enqueue: accepts messages, or gives the id of the one accepted earlier under the same dedup id. Each entry has
//! its own result; an atomic batch is checked as a whole before anything is accepted.

use std::collections::BTreeMap;

use crate::batch::Batch;
use crate::command::NewMessage;
use crate::ids::{MessageId, QueueNumber};
use crate::queue::Queue;
use crate::record::{DedupEntry, Enqueued, Record};
use crate::rejection::Rejection;
use crate::reply::{Accepted, Reply};
use crate::state::State;

type Outcome = Result<Accepted, Rejection>;

pub(super) fn run(
    batch: &mut Batch,
    queue: &str,
    messages: &[NewMessage],
    atomic: bool,
) -> Result<Reply, Rejection> {
    let queue = batch.queue(queue)?;
    let aborted = if atomic {
        refusals(batch.state(), batch.now_ms, queue, messages)
    } else {
        None
    };
    let results = aborted.unwrap_or_else(|| {
        messages
            .iter()
            .map(|message| accept(batch, queue, message))
            .collect()
    });
    Ok(Reply::Enqueued(results))
}

fn accept(batch: &mut Batch, queue: QueueNumber, message: &NewMessage) -> Outcome {
    let state = batch.state();
    if let Some(earlier) = duplicate(state, batch.now_ms, queue, message)? {
        return Ok(Accepted {
            message: earlier,
            duplicate: true,
            due_ms: 0,
        });
    }
    let enqueued = decide(state, batch.now_ms, state.queues.get(queue), message);
    let accepted = Accepted {
        message: enqueued.message,
        duplicate: false,
        due_ms: enqueued.due_ms,
    };
    batch.carry(message.blob);
    batch.commit(Record::Enqueued(enqueued));
    Ok(accepted)
}

fn decide(state: &State, now_ms: u64, queue: &Queue, message: &NewMessage) -> Enqueued {
    let config = &queue.config;
    let ttl_ms = message.ttl_ms.unwrap_or(config.ttl_ms);
    let dedup = message
        .dedup
        .filter(|_| config.dedup_window_ms > 0)
        .map(|dedup| DedupEntry {
            hash: dedup.hash,
            fingerprint: dedup.fingerprint,
            expires_at_ms: now_ms.saturating_add(config.dedup_window_ms),
        });
    Enqueued {
        message: state.next_id(),
        queue: queue.number,
        priority: message.priority,
        due_ms: now_ms.saturating_add(message.delay_ms.unwrap_or(config.delay_ms)),
        expires_at_ms: if ttl_ms == 0 {
            0
        } else {
            now_ms.saturating_add(ttl_ms)
        },
        dedup,
        ordering_key: message.ordering_key,
        fairness_key: message.fairness_key,
        max_retries: message.max_retries,
        blob_bytes: message.blob.length,
    }
}

/// The message accepted earlier under the same dedup id.
fn duplicate(
    state: &State,
    now_ms: u64,
    queue: QueueNumber,
    message: &NewMessage,
) -> Result<Option<MessageId>, Rejection> {
    let Some(dedup) = message.dedup else {
        return Ok(None);
    };
    match state.dedup.find(queue, dedup.hash, now_ms) {
        Some(earlier) if earlier.fingerprint == dedup.fingerprint => Ok(Some(earlier.message)),
        Some(_) => Err(Rejection::DedupConflict),
        None => Ok(None),
    }
}

/// The results of a batch that can't be accepted whole.
fn refusals(
    state: &State,
    now_ms: u64,
    queue: QueueNumber,
    messages: &[NewMessage],
) -> Option<Vec<Outcome>> {
    let remembers = state.queues.get(queue).config.dedup_window_ms > 0;
    let mut earlier_entries = BTreeMap::new();
    let mut conflicts = |message: &NewMessage| {
        let Some(dedup) = message.dedup else {
            return false;
        };
        let first = *earlier_entries
            .entry(dedup.hash)
            .or_insert(dedup.fingerprint);
        (remembers && first != dedup.fingerprint)
            || duplicate(state, now_ms, queue, message).is_err()
    };
    let conflicting: Vec<bool> = messages.iter().map(&mut conflicts).collect();
    let refusal = |conflict: bool| {
        if conflict {
            Rejection::DedupConflict
        } else {
            Rejection::BatchAborted
        }
    };
    conflicting.contains(&true).then(|| {
        conflicting
            .into_iter()
            .map(|conflict| Err(refusal(conflict)))
            .collect()
    })
}
