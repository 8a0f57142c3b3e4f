//! complete: an ack that leaves something behind: a result, which is kept for a while, and messages to enqueue. All of it
//! in one step, or nothing: a message that is refused refuses the ack. Repeating it is `already`, as for a plain ack.
//!
//! The messages are enqueued first, so what is checked is what happens: a dedup id that the message itself holds until it
//! is done is still held. Their number is checked as if the acked message were gone: it leaves room for one in its queue.

use std::collections::BTreeMap;

use super::{duplicate, enqueue, lease};
use crate::batch::Batch;
use crate::command::{Complete, FollowUp, NewMessage};
use crate::ids::{LeaseId, QueueNumber};
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
    if state.settled.ending(lease) == Some(Ending::Acked) {
        return Ok(earlier(state, lease, batch.now_ms));
    }
    let (_, held_by) = lease::held(state, lease)?;
    let retention_ms = held_by.config.result_retention_ms;
    if let Some(refused) = refusals(state, batch.now_ms, complete) {
        return Err(AckRefusal::FollowUps(refused));
    }
    let enqueued = follow_up(batch, complete);
    let (message, group) = (lease.message, lease.group);
    let kept = complete.result.filter(|_| retention_ms > 0);
    let expires_at_ms = batch.now_ms.saturating_add(retention_ms);
    kept.into_iter().for_each(|result| batch.carry(result));
    batch.commit(match kept {
        None => Record::Acked { message, group },
        Some(result) => Record::Completed {
            message,
            group,
            expires_at_ms,
            result_bytes: result.length,
        },
    });
    Ok(Acked {
        already: false,
        enqueued,
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
    if !enqueued.is_empty() {
        let followed = enqueued.iter().map(|one| Followed {
            message: one.message,
            duplicate: one.duplicate,
        });
        batch.commit(Record::FollowedUp {
            message: complete.lease.message,
            group: complete.lease.group,
            messages: followed.collect(),
        });
    }
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
mod tests {
    use super::*;
    use crate::command::{Blob, Command};
    use crate::config::QueueConfig;
    use crate::ids::LeaseId;
    use crate::twin::{SECOND, Twin, ack, config, message, with_dedup};

    fn complete(lease: LeaseId, result: Option<u32>, enqueue: Vec<(&str, NewMessage)>) -> Command {
        let enqueue = enqueue.into_iter().map(|(queue, message)| FollowUp {
            queue: queue.into(),
            message,
        });
        Command::Complete(Box::new(Complete {
            lease,
            result: result.map(|length| Blob { index: 9, length }),
            enqueue: enqueue.collect(),
        }))
    }

    fn twin() -> (Twin, LeaseId) {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create(
            "next",
            QueueConfig {
                messages_max: 2,
                ..config()
            },
        );
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        (twin, lease)
    }

    fn counts(twin: &mut Twin, queue: &str) -> (u64, u64) {
        let counts = twin.queue(queue).counts;
        (counts.ready, counts.leased)
    }

    #[test]
    fn the_ack_and_what_follows_are_one_step() {
        let (mut twin, lease) = twin();
        let follow = vec![
            ("next", with_dedup(1, 1)),
            ("q", message()),
            ("next", with_dedup(1, 1)),
        ];
        let step = twin.step(vec![complete(lease, Some(7), follow)]);
        let Reply::Completed {
            already: false,
            enqueued,
        } = &step.replies[0]
        else {
            panic!("{:?}", step.replies)
        };
        assert_eq!(
            enqueued.iter().map(|one| one.duplicate).collect::<Vec<_>>(),
            [false, false, true]
        );
        assert_eq!(step.blobs, [0, 0, 9], "in the order of their records");
        assert_eq!(
            (counts(&mut twin, "next"), counts(&mut twin, "q")),
            ((1, 0), (1, 0))
        );
        let again = twin.ask(complete(lease, None, vec![("q", message())]));
        let Reply::Completed {
            already: true,
            enqueued: told,
        } = again
        else {
            panic!("{again:?}")
        };
        let ids = |all: &[Accepted]| -> Vec<_> {
            let ids = all.iter().map(|one| (one.message, one.duplicate));
            ids.collect()
        };
        assert_eq!(ids(&told), ids(enqueued), "the same");
        assert_eq!(
            told[0].state,
            Some(crate::reply::State::Ready),
            "as it is now"
        );
        assert_eq!(counts(&mut twin, "q"), (1, 0));
        assert!(matches!(
            twin.ask(ack(lease)),
            Reply::Completed { already: true, .. }
        ));
    }

    #[test]
    fn the_acked_message_leaves_room_for_one_in_its_queue() {
        let (mut twin, _) = twin();
        (0..2).for_each(|_| {
            twin.enqueue("next", message());
        });
        let lease = twin.receive("next", 1)[0].lease;
        let two = vec![("next", message()), ("next", message())];
        let refused = twin.ask(complete(lease, None, two));
        assert!(matches!(refused, Reply::FollowUpsRefused(_)));
        let one = complete(lease, None, vec![("next", message())]);
        assert!(matches!(twin.ask(one), Reply::Completed { .. }));
        assert_eq!(counts(&mut twin, "next"), (2, 0));

        twin.create_group("next", "audit");
        let lease = twin.receive("next", 1)[0].lease;
        twin.ask(ack(lease));
        twin.enqueue("next", message());
        let lease = twin.receive("next", 2)[1].lease;
        let stays = complete(lease, None, vec![("next", message())]);
        let refused = twin.ask(stays);
        assert!(
            matches!(refused, Reply::FollowUpsRefused(_)),
            "another group holds it still"
        );
    }

    #[test]
    fn one_that_is_refused_refuses_all() {
        let (mut twin, lease) = twin();
        let follow = vec![
            ("q", message()),
            ("next", message()),
            ("next", message()),
            ("next", message()),
            ("none", message()),
        ];
        let step = twin.step(vec![complete(lease, Some(7), follow)]);
        let Reply::FollowUpsRefused(results) = &step.replies[0] else {
            panic!("{:?}", step.replies)
        };
        let codes: Vec<_> = results
            .iter()
            .map(|one| one.as_ref().unwrap_err().code())
            .collect();
        let aborted = "batch_aborted";
        assert_eq!(
            codes,
            [aborted, aborted, aborted, "queue_full", "queue_not_found"]
        );
        assert!(
            step.records.is_empty() && step.blobs.is_empty(),
            "nothing changed"
        );
        assert_eq!(
            (counts(&mut twin, "next"), counts(&mut twin, "q")),
            ((0, 0), (0, 1))
        );
        twin.ask(ack(lease));
        let lost = twin.ask(complete(lease, None, vec![("none", message())]));
        assert!(matches!(lost, Reply::Completed { already: true, .. }));
    }

    #[test]
    fn the_memory_of_dedup_ids_is_one_for_all_queues() {
        let mut settings = crate::twin::settings();
        settings.dedup_ids_max = 1;
        let mut twin = Twin::with(settings);
        twin.create("q", config());
        twin.create("next", config());
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        let follow = vec![("q", with_dedup(1, 1)), ("next", with_dedup(2, 1))];
        let Reply::FollowUpsRefused(results) = twin.ask(complete(lease, None, follow)) else {
            panic!("accepted")
        };
        let codes = results.iter().map(|one| one.as_ref().unwrap_err().code());
        assert_eq!(
            codes.collect::<Vec<_>>(),
            ["batch_aborted", "dedup_memory_full"]
        );
    }

    #[test]
    fn a_result_is_seen_until_its_time_is_over() {
        let (mut twin, lease) = twin();
        let id = lease.message;
        twin.ask(complete(lease, Some(7), vec![]));
        let get = Command::GetMessage { message: id };
        let Reply::Done(done) = twin.ask(get.clone()) else {
            panic!("the result is gone")
        };
        let kept_ms = QueueConfig::RESULT_RETENTION_MS_DEFAULT;
        assert_eq!(
            (done.message, &*done.queue, done.result.length),
            (id, "q", 7)
        );
        assert_eq!(done.expires_at_ms, twin.now_ms + kept_ms);
        twin.fence();
        assert!(matches!(
            twin.wait(kept_ms - 1).ask(get.clone()),
            Reply::Done(_)
        ));
        let gone = Reply::Rejected(Rejection::MessageNotFound);
        assert_eq!(twin.wait(1).ask(get.clone()), gone);
        let step = twin.step(vec![Command::Enqueue {
            queue: "q".into(),
            messages: vec![message()],
            atomic: false,
        }]);
        assert!(
            step.records
                .contains(&Record::ResultsForgotten { count: 1 })
        );
    }

    #[test]
    fn no_result_is_kept_where_none_is_wanted_nor_of_a_queue_that_is_gone() {
        let (mut twin, lease) = twin();
        let id = lease.message;
        twin.ask(complete(lease, Some(7), vec![]));
        twin.ask(Command::DeleteQueue { name: "q".into() });
        let get = |message| Command::GetMessage { message };
        let gone = Reply::Rejected(Rejection::MessageNotFound);
        assert_eq!(twin.ask(get(id)), gone);
        twin.create(
            "forgets",
            QueueConfig {
                result_retention_ms: 0,
                ..config()
            },
        );
        twin.enqueue("forgets", message());
        let lease = twin.wait(SECOND).receive("forgets", 1)[0].lease;
        let step = twin.step(vec![complete(lease, Some(7), vec![])]);
        assert!(step.blobs.is_empty(), "nobody will read it");
        assert_eq!(twin.ask(get(lease.message)), gone);
    }

    #[test]
    fn a_duplicate_is_told_what_came_of_the_first_one() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.enqueue("q", with_dedup(1, 1));
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(complete(lease, Some(7), vec![]));
        let again = twin.enqueue("q", with_dedup(1, 1));
        assert_eq!(
            (again.duplicate, again.state, again.result.length),
            (true, None, 7)
        );
    }
}
