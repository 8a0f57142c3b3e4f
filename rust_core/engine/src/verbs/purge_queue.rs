//! purge: all messages of a queue are out of reach at once, leased ones too, however many there are; `timers` takes
//! them away in bounded parts, as a deleted queue's. Settings, pauses, limits and dedup windows go on. Sweeps of the queue
//! are done: what they were to find is gone.

use crate::batch::Batch;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::sweep::SweepEnd;

pub(super) fn run(batch: &mut Batch, name: &str) -> Result<Reply, Rejection> {
    let queue = batch.state().queues.named(name)?;
    let messages = queue.messages_held();
    if messages > 0 {
        let (queue, fresh) = (queue.number, batch.state().queues.next_number());
        let end = SweepEnd::Done;
        for sweep in batch.state().sweeps.running_of(queue) {
            batch.commit(Record::SweepEnded { sweep, end });
        }
        batch.commit(Record::QueuePurged { queue, fresh });
    }
    Ok(Reply::QueuePurged { messages })
}

#[cfg(test)]
mod tests {
    use super::super::timers::REAPED_PER_STEP_MAX;
    use crate::command::{Command, NewMessage};
    use crate::config::QueueConfig;
    use crate::record::Record;
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{SECOND, Twin, ack, config, limit, message, receive, with_dedup};

    fn purge() -> Command {
        Command::PurgeQueue { name: "q".into() }
    }

    #[test]
    fn messages_of_every_state_are_gone_at_once_and_the_queue_goes_on() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let keyed = NewMessage {
            ordering_key: Some(1),
            ..message()
        };
        let messages = [keyed.clone(), keyed, message()].map(|m| twin.enqueue("q", m).message);
        let lease = twin.receive("q", 1)[0].lease;
        let (before, number) = (twin.queue("q"), twin.live.message_count());
        let get = Command::GetMessage {
            message: messages[2],
        };
        let step = twin.step(vec![purge(), get, ack(lease), receive("q", 9), purge()]);
        assert_eq!(step.records.len(), 1);
        assert_eq!(step.replies[0], Reply::QueuePurged { messages: 3 });
        assert_eq!(step.replies[1], Reply::Rejected(Rejection::MessageNotFound));
        assert_eq!(step.replies[2], Reply::Rejected(Rejection::LeaseLost));
        assert!(
            matches!(&step.replies[3], Reply::Received { messages, .. } if messages.is_empty())
        );
        assert_eq!(step.replies[4], Reply::QueuePurged { messages: 0 });
        assert_eq!((number, step.next_deadline_ms), (3, Some(twin.now_ms)));
        let after = twin.queue("q");
        assert_eq!(
            (after.config, after.created_at_ms),
            (before.config, before.created_at_ms)
        );
        assert_eq!((after.counts.ready, twin.live.message_count()), (0, 0));
        let keyed = NewMessage {
            ordering_key: Some(1),
            ..message()
        };
        twin.enqueue("q", keyed);
        assert_eq!(twin.receive("q", 9).len(), 1, "nothing of its key is left");
    }

    #[test]
    fn dedup_windows_and_limits_stay_through_any_number_of_purges() {
        let mut twin = Twin::new();
        let rate_limit = limit(1, 1000 * SECOND, 2);
        let config = QueueConfig {
            rate_limit,
            ..config()
        };
        twin.create("q", config);
        let first = twin.enqueue("q", with_dedup(7, 1)).message;
        assert_eq!(twin.receive("q", 1).len(), 1);
        twin.ask(purge());
        assert_eq!(twin.enqueue("q", with_dedup(7, 1)).message, first);
        assert!(!twin.enqueue("q", with_dedup(8, 1)).duplicate);
        twin.ask(purge());
        for id in [7, 8] {
            assert!(twin.enqueue("q", with_dedup(id, 1)).duplicate);
        }
        twin.enqueue("q", message());
        twin.enqueue("q", message());
        assert_eq!(twin.receive("q", 9).len(), 1, "one token was left");
        let later = twin.wait(300 * SECOND).enqueue("q", with_dedup(7, 1));
        assert!(!later.duplicate);
        (0..2).for_each(|_| {
            twin.enqueue("q", message());
        });
        assert_eq!(
            twin.live.state().dedup.len(),
            1,
            "what is over is forgotten"
        );
        twin.ask(Command::DeleteQueue { name: "q".into() });
        twin.step(vec![]);
        assert_eq!(twin.live.state().dedup.len(), 0);
    }

    #[test]
    fn what_is_taken_away_holds_up_nobody() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let count = 2 * REAPED_PER_STEP_MAX;
        let messages = vec![message(); count as usize];
        let enqueue = Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic: false,
        };
        twin.step(vec![enqueue]);
        twin.ask(purge());
        let enqueued = twin.enqueue("q", message()).message;
        assert_eq!(twin.receive("q", 9)[0].lease.message, enqueued);
        let step = twin.step(vec![]);
        let is_reaping = |record: &Record| matches!(record, Record::Reaped { .. });
        assert!(step.records.len() <= 1 && step.records.iter().all(is_reaping));
        assert_eq!(twin.live.message_count(), 1);
    }
}
