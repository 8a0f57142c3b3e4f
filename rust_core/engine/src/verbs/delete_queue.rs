//! delete queue: the name is free and the messages are out of reach at once; `timers` takes them away in
//! bounded parts.

use crate::batch::Batch;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;

pub(super) fn run(batch: &mut Batch, name: &str) -> Result<Reply, Rejection> {
    let queue = batch.state().queues.named(name)?;
    let messages = queue.messages_held();
    let deleted = Record::QueueDeleted {
        queue: queue.number,
    };
    batch.commit(deleted);
    Ok(Reply::QueueDeleted { messages })
}

#[cfg(test)]
mod tests {
    use super::super::timers::REAPED_PER_STEP_MAX;
    use crate::command::{Command, NewMessage};
    use crate::ids::QueueNumber;
    use crate::record::Record;
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::turns::many;
    use crate::twin::{SECOND, Twin, ack, config, message, with_dedup};

    fn delete(name: &str) -> Command {
        Command::DeleteQueue { name: name.into() }
    }

    #[test]
    fn its_messages_are_out_of_reach_at_once_and_its_name_is_free() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let ready = twin.enqueue("q", with_dedup(1, 1)).message;
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        let message = Command::GetMessage { message: ready };
        let commands = vec![delete("q"), message, ack(lease), delete("q")];
        let replies = twin.step(commands).replies;
        let gone = Rejection::QueueNotFound { queue: "q".into() };
        let lost = [Rejection::MessageNotFound, Rejection::LeaseLost, gone].map(Reply::Rejected);
        assert_eq!(replies[0], Reply::QueueDeleted { messages: 2 });
        assert_eq!(replies[1..], lost);
        assert!(matches!(
            twin.create("q", config()),
            Reply::QueueCreated { created: true, .. }
        ));
        assert!(
            !twin.enqueue("q", with_dedup(1, 2)).duplicate,
            "the new queue has a window of its own"
        );
        assert_eq!(
            (twin.queue("q").counts.ready, twin.live.message_count()),
            (1, 1)
        );
    }

    #[test]
    fn the_rest_goes_in_bounded_parts_and_holds_up_no_other_queue() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create("other", config());
        let each = |i: u32| match i % 4 {
            0 => NewMessage {
                delay_ms: Some(SECOND),
                ..message()
            },
            1 => NewMessage {
                ordering_key: Some(u64::from(i % 3)),
                ..message()
            },
            2 => NewMessage {
                ttl_ms: Some(SECOND),
                ..message()
            },
            _ => with_dedup(u128::from(i), 1),
        };
        let count = 2 * REAPED_PER_STEP_MAX + 10;
        let messages = (0..count).map(each).collect();
        twin.step(vec![Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic: false,
        }]);
        twin.enqueue(
            "other",
            NewMessage {
                delay_ms: Some(SECOND),
                ..message()
            },
        );
        twin.receive("q", 100);
        assert_eq!(
            twin.step(vec![delete("q")]).next_deadline_ms,
            Some(twin.now_ms)
        );
        let mut left = Vec::new();
        for _ in 0..3 {
            let records = twin.step(vec![]).records;
            let expected = |record: &Record| matches!(record, Record::Reaped { .. });
            assert!(
                records.len() <= 1 && records.iter().all(expected),
                "{records:?}"
            );
            left.push(twin.live.message_count());
        }
        assert_eq!(left, [u64::from(REAPED_PER_STEP_MAX) + 11, 11, 1]);
        twin.wait(SECOND);
        assert_eq!(twin.queue("other").counts.ready, 1);
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
    }

    #[test]
    fn parts_of_any_size_are_replayed() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let messages = (0..10).map(|id| with_dedup(id, 1)).collect();
        twin.step(vec![Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic: false,
        }]);
        let (queue, now_ms) = (QueueNumber(0), twin.now_ms);
        let reaped = |count, dedup_entries| Record::Reaped {
            queue,
            count,
            dedup_entries,
        };
        // As a server with other bounds would have it.
        let batches = [
            vec![Record::QueueDeleted { queue }, reaped(3, 1)],
            vec![reaped(7, 0)],
            vec![reaped(0, 8), reaped(0, 1)],
        ];
        for records in batches {
            twin.replica
                .replay(twin.replica.lsn() + 1, now_ms, &records);
            twin.replica.assert_invariants();
        }
        let state = twin.replica.state();
        assert_eq!((state.messages.count(), state.dedup.len()), (0, 0));
        assert!(state.queues.reaping().is_none());
    }

    #[test]
    fn leases_of_a_deleted_queue_are_in_a_checkpoint_though_their_timers_are_out() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.step(vec![many("q", vec![message(); 2000])]);
        (0..2).for_each(|_| assert_eq!(twin.receive("q", 1000).len(), 1000));
        twin.wait(30 * SECOND - 1).step(vec![delete("q")]);
        twin.checkpoint_each_step(true);
        twin.wait(1).step(vec![]);
        let state = twin.live.state();
        assert_eq!((state.deadlines.len(), state.messages.count()), (0, 976));
    }
}
