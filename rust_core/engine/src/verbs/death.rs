//! Where a message goes that can't be delivered: to the dead-letter queue its queue names, made when it is not
//! there, or into state `dead`: also when there are as many queues as may be.

use super::dead_letter_queue;
use crate::batch::Batch;
use crate::budget::{DEAD_LETTER_QUEUE_BYTES_MAX, FIRED_BYTES_MAX};
use crate::ids::MessageId;
use crate::record::{DeathReason, Record};
use crate::state::State;

/// What to record for a death: a dead-letter queue made first, perhaps, then where the message went.
pub(super) struct Death {
    queue_created: Option<Record>,
    record: Record,
    /// Its id in the dead-letter queue.
    pub dead_letter: Option<MessageId>,
}

impl Death {
    /// What its records take of a step's budget.
    pub fn bytes_max(&self) -> u32 {
        FIRED_BYTES_MAX
            + match &self.queue_created {
                Some(Record::QueueCreated { name, .. }) => {
                    DEAD_LETTER_QUEUE_BYTES_MAX + name.len() as u32
                }
                _ => 0,
            }
    }
}

pub(super) fn decide(
    state: &State,
    message: MessageId,
    reason: DeathReason,
    error_bytes: u32,
) -> Death {
    let queue = state.queues.get(state.messages[message.slot].queue);
    let existing = |name: &str| state.queues.find(name).map(|queue| queue.number);
    let can_go =
        |name: &&str| existing(name).is_some() || dead_letter_queue::check_room(state, 1).is_ok();
    let Some(name) = queue.config.dead_letter_queue.as_deref().filter(can_go) else {
        let record = Record::Died {
            message,
            reason,
            error_bytes,
        };
        return Death {
            queue_created: None,
            record,
            dead_letter: None,
        };
    };
    let existing = existing(name);
    let queue = existing.unwrap_or(state.queues.next_number());
    let queue_created = existing
        .is_none()
        .then(|| dead_letter_queue::created(state, queue, name.into()));
    let dead_letter = state.next_id();
    let record = Record::DeadLettered {
        message,
        reason,
        error_bytes,
        queue,
        dead_letter,
    };
    Death {
        queue_created,
        record,
        dead_letter: Some(dead_letter),
    }
}

pub(super) fn commit(batch: &mut Batch, death: Death) {
    death
        .queue_created
        .into_iter()
        .chain([death.record])
        .for_each(|record| batch.commit(record));
}

/// A message that came back, and whose time to live is over: it dies of that before anybody can have it. Its dead letter,
/// if it is one.
pub(super) fn expire(batch: &mut Batch, message: MessageId) -> Option<MessageId> {
    let death = decide(batch.state(), message, DeathReason::Expired, 0);
    let dead_letter = death.dead_letter;
    commit(batch, death);
    dead_letter
}

#[cfg(test)]
mod tests {
    use crate::command::{Blob, Command, Nack};
    use crate::config::QueueConfig;
    use crate::ids::Location;
    use crate::record::DeathReason;
    use crate::rejection::Rejection;
    use crate::reply::{Nacked, Reply, State};
    use crate::twin::{Twin, config, message, nack};

    fn twin(config: QueueConfig) -> Twin {
        let mut twin = Twin::new();
        twin.create("q", config);
        twin.enqueue("q", message());
        twin
    }

    #[test]
    fn a_dead_letter_keeps_its_payload_and_tells_its_story() {
        let mut twin = twin(QueueConfig {
            dead_letter_queue: Some("dead".into()),
            ..config()
        });
        let lease = twin.receive("q", 1)[0].lease;
        let envelope = twin.message(lease.message).envelope;
        twin.nack(lease, Some(10));
        let first_failure_ms = twin.now_ms;
        let lease = twin.wait(10).receive("q", 1)[0].lease;
        let error = Some(Blob {
            index: 3,
            length: 40,
        });
        let rejected = Command::Nack(Nack {
            reject: true,
            error,
            ..nack(lease)
        });
        let step = twin.step(vec![rejected.clone()]);
        assert_eq!(
            (&step.blobs[..], &step.woken[..]),
            (&[3][..], &[("dead".into(), 1)][..])
        );
        let letter = twin.receive("dead", 1).remove(0);
        assert_eq!(
            step.replies[0],
            Reply::Nacked(Nacked::DeadLettered {
                message: letter.lease.message
            })
        );
        assert_eq!(
            (letter.envelope, letter.attempts, letter.lease.delivery),
            (envelope, 0, 1)
        );
        let story = letter.dead_letter.unwrap();
        assert_eq!(
            (story.reason, story.deliveries, story.attempts),
            (DeathReason::Rejected, 2, 2)
        );
        assert_eq!(
            story.error,
            Location {
                lsn: step.lsn,
                offset: 0,
                length: 40
            }
        );
        assert_eq!(
            (&*story.source_queue, story.source_message),
            ("q", lease.message)
        );
        assert_eq!(
            (story.first_failure_ms, story.last_failure_ms),
            (first_failure_ms, twin.now_ms)
        );
        assert_eq!(twin.ask(rejected), Reply::Nacked(Nacked::Already));
        assert_eq!(
            twin.ask(Command::GetMessage {
                message: lease.message
            }),
            Reply::Rejected(Rejection::MessageNotFound)
        );
    }

    #[test]
    fn a_dead_letter_queue_deleted_since_is_made_again_and_its_own_dead_keep_their_source() {
        let mut twin = twin(QueueConfig {
            max_retries: 0,
            dead_letter_queue: Some("dead".into()),
            ..config()
        });
        twin.ask(Command::DeleteQueue {
            name: "dead".into(),
        });
        let lease = twin.receive("q", 1)[0].lease;
        let source = lease.message;
        let Nacked::DeadLettered { message: letter } = twin.nack(lease, None) else {
            panic!("not dead")
        };
        let lease = twin.receive("dead", 1)[0].lease;
        twin.ask(Command::Nack(Nack {
            reject: true,
            ..nack(lease)
        }));
        let view = twin.message(letter);
        let story = view.dead_letter.unwrap();
        assert_eq!(
            (view.state, &*story.source_queue, story.source_message),
            (State::Dead, "q", source)
        );
        assert_eq!((story.reason, story.attempts), (DeathReason::Rejected, 1));
    }
}
