//! enqueue: accepts messages, or gives the id of the one accepted earlier under the same dedup id. Each entry has
//! its own result; an atomic batch is checked as a whole before anything is accepted.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::{admission, duplicate};
use crate::batch::Batch;
use crate::command::{DedupKey, NewMessage};
use crate::ids::{Location, MessageId, QueueNumber};
use crate::queue::Queue;
use crate::record::{Enqueued, Record};
use crate::rejection::Rejection;
use crate::reply::{Accepted, Reply};
use crate::state::State;
use crate::view;

type Outcome = Result<Accepted, Rejection>;

pub(super) fn run(
    batch: &mut Batch,
    queue: &str,
    messages: &[NewMessage],
    atomic: bool,
) -> Result<Reply, Rejection> {
    let queue = batch.queue(queue)?;
    if messages.len() > 1 {
        duplicate::load_ahead(batch.state(), queue, messages);
    }
    let aborted = if atomic {
        refusals(batch.state(), batch.now_ms, queue, messages, 0)
    } else {
        None
    };
    let results = aborted.unwrap_or_else(|| {
        batch.expect(messages.len());
        messages
            .iter()
            .map(|message| accept(batch, queue, message))
            .collect()
    });
    Ok(Reply::Enqueued(results))
}

/// Accepts one message, or says which one it repeats.
fn accept(batch: &mut Batch, queue: QueueNumber, message: &NewMessage) -> Outcome {
    let state = batch.state();
    if let Some(earlier) = duplicate::find(state, batch.now_ms, queue, message)? {
        return Ok(earlier_one(state, batch.now_ms, earlier));
    }
    let checked = state.queues.get(queue);
    admission::check(checked, batch.now_ms, 1, 0)?;
    duplicate::check_room(state, ids(checked, message))?;
    Ok(store(batch, queue, message))
}

/// The same for a message that [`refusals`] has nothing against.
pub(super) fn accept_checked(
    batch: &mut Batch,
    queue: QueueNumber,
    message: &NewMessage,
) -> Accepted {
    let state = batch.state();
    let earlier = duplicate::find(state, batch.now_ms, queue, message);
    match earlier.expect("it was checked") {
        Some(earlier) => earlier_one(state, batch.now_ms, earlier),
        None => store(batch, queue, message),
    }
}

/// A message that was accepted before, as it is now.
pub(super) fn earlier_one(state: &State, now_ms: u64, message: MessageId) -> Accepted {
    let first = state.find(message);
    let done = view::done(state, message, now_ms);
    Accepted {
        message,
        duplicate: true,
        due_ms: 0,
        state: first.map(|(message, _)| view::shown(message.place())),
        result: done.map_or(Location::default(), |done| done.result),
    }
}

fn store(batch: &mut Batch, queue: QueueNumber, message: &NewMessage) -> Accepted {
    let state = batch.state();
    let enqueued = decide(state, batch.now_ms, state.queues.get(queue), message);
    let accepted = Accepted {
        message: enqueued.message,
        duplicate: false,
        due_ms: enqueued.due_ms,
        state: None,
        result: Location::default(),
    };
    batch.carry(message.blob);
    batch.commit(Record::Enqueued(enqueued));
    accepted
}

fn decide(state: &State, now_ms: u64, queue: &Queue, message: &NewMessage) -> Enqueued {
    let config = &queue.config;
    let ttl_ms = message.ttl_ms.unwrap_or(config.ttl_ms);
    let dedup = message
        .dedup
        .filter(|dedup| duplicate::is_remembered(queue, dedup))
        .map(|dedup| duplicate::entry(queue, now_ms, dedup));
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
        backoff: message.backoff,
        blob_bytes: message.blob.length,
    }
}

/// Dedup ids that are remembered with it.
fn ids(queue: &Queue, message: &NewMessage) -> u64 {
    let mut dedup = message.dedup.iter();
    u64::from(dedup.any(|dedup| duplicate::is_remembered(queue, dedup)))
}

/// The results of a batch that can't be accepted whole. `leaving`: messages of the queue that go in the same step.
pub(super) fn refusals(
    state: &State,
    now_ms: u64,
    queue: QueueNumber,
    messages: &[NewMessage],
    leaving: u64,
) -> Option<Vec<Outcome>> {
    let queue = state.queues.get(queue);
    let (mut firsts, mut new, mut new_ids) = (BTreeMap::new(), 0, 0);
    // What an entry is compared with: the message in the window, or else the batch's first of its id.
    let mut earlier = |dedup: DedupKey| match state.remembered(queue, dedup.hash, now_ms) {
        Some(earlier) => Some(earlier.fingerprint),
        None => match firsts.entry(dedup.hash) {
            Entry::Occupied(first) => Some(*first.get()),
            Entry::Vacant(none) => {
                if duplicate::is_remembered(queue, &dedup) {
                    none.insert(dedup.fingerprint);
                }
                None
            }
        },
    };
    let mut check = |message: &NewMessage| {
        let earlier = message.dedup.and_then(&mut earlier);
        if earlier.is_none() {
            new += 1;
            new_ids += ids(queue, message);
            let room = |()| duplicate::check_room(state, new_ids * ids(queue, message));
            return admission::check(queue, now_ms, new, leaving).and_then(room);
        }
        let is_equal = earlier == message.dedup.map(|dedup| dedup.fingerprint);
        is_equal.then_some(()).ok_or(Rejection::DedupConflict)
    };
    let checks: Vec<_> = messages.iter().map(&mut check).collect();
    let aborted =
        |check: Result<(), Rejection>| Err(check.err().unwrap_or(Rejection::BatchAborted));
    let refused = checks.iter().any(Result::is_err);
    refused.then(|| checks.into_iter().map(aborted).collect())
}

#[cfg(test)]
mod tests {
    use crate::command::{Blob, Command, NewMessage};
    use crate::ids::Location;
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{SECOND, Twin, ack, config, message, with_dedup};

    fn batch(messages: Vec<NewMessage>, atomic: bool) -> Command {
        Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic,
        }
    }

    fn twin() -> Twin {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin
    }

    #[test]
    fn a_duplicate_gets_the_first_ones_id_even_after_the_ack() {
        let mut twin = twin();
        let first = twin.enqueue("q", with_dedup(7, 1));
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(ack(lease));
        let again = twin.wait(300 * SECOND - 1).enqueue("q", with_dedup(7, 1));
        assert_eq!((again.duplicate, again.message), (true, first.message));
        let later = twin.wait(1).enqueue("q", with_dedup(7, 1));
        assert!(!later.duplicate && later.message != first.message);
    }

    #[test]
    fn the_same_id_with_another_payload_is_refused() {
        let mut twin = twin();
        let reply = twin.ask(batch(
            vec![
                with_dedup(7, 1),
                with_dedup(7, 1),
                with_dedup(7, 2),
                message(),
            ],
            false,
        ));
        let Reply::Enqueued(results) = reply else {
            panic!("{reply:?}")
        };
        let first = results[0].clone().unwrap();
        assert_eq!(
            results[1].clone().map(|r| (r.duplicate, r.message)),
            Ok((true, first.message))
        );
        assert_eq!(results[2], Err(Rejection::DedupConflict));
        assert!(results[3].is_ok());
        assert_eq!(twin.live.message_count(), 2);
    }

    #[test]
    fn an_atomic_batch_is_all_or_nothing() {
        let mut twin = twin();
        let step = twin.step(vec![batch(
            vec![message(), with_dedup(7, 1), with_dedup(7, 2)],
            true,
        )]);
        let aborted = || Err(Rejection::BatchAborted);
        assert_eq!(
            step.replies[0],
            Reply::Enqueued(vec![aborted(), aborted(), Err(Rejection::DedupConflict)])
        );
        assert!(step.records.is_empty() && step.blobs.is_empty());
        let reply = twin.ask(batch(
            vec![message(), with_dedup(7, 1), with_dedup(7, 1)],
            true,
        ));
        assert!(matches!(reply, Reply::Enqueued(results) if results.iter().all(Result::is_ok)));
        assert_eq!(twin.live.message_count(), 2);
    }

    #[test]
    fn an_aborted_batch_blames_only_what_conflicts() {
        let mut twin = twin();
        twin.enqueue("q", with_dedup(7, 1));
        let entries = vec![with_dedup(7, 2), with_dedup(7, 1), with_dedup(8, 1)];
        let refused = [
            Rejection::DedupConflict,
            Rejection::BatchAborted,
            Rejection::BatchAborted,
        ];
        assert_eq!(
            twin.ask(batch(entries, true)),
            Reply::Enqueued(refused.map(Err).into())
        );
    }

    #[test]
    fn blobs_of_accepted_messages_lie_one_after_another() {
        let mut twin = twin();
        let with_blob = |index, length, make: NewMessage| NewMessage {
            blob: Blob { index, length },
            ..make
        };
        let messages = vec![
            with_blob(4, 10, with_dedup(1, 1)),
            with_blob(5, 20, with_dedup(1, 1)),
            with_blob(6, 30, message()),
        ];
        let step = twin.step(vec![batch(messages, false)]);
        assert_eq!(step.blobs, [4, 6]);
        let envelopes: Vec<Location> = twin
            .receive("q", 9)
            .iter()
            .map(|message| message.envelope)
            .collect();
        let lsn = step.lsn;
        assert_eq!(
            envelopes,
            [
                Location {
                    lsn,
                    offset: 0,
                    length: 10
                },
                Location {
                    lsn,
                    offset: 10,
                    length: 30
                }
            ]
        );
    }

    #[test]
    fn a_delayed_message_comes_when_it_is_due_not_before() {
        let mut twin = twin();
        let accepted = twin.enqueue(
            "q",
            NewMessage {
                delay_ms: Some(60 * SECOND),
                ..message()
            },
        );
        assert_eq!(accepted.due_ms, twin.now_ms + 60 * SECOND);
        assert_eq!(twin.wait(60 * SECOND - 1).receive("q", 1), []);
        let step = twin.wait(1).step(vec![]);
        assert_eq!(step.woken, [("q".into(), 1)]);
        assert_eq!(twin.receive("q", 1).len(), 1);
    }
}
