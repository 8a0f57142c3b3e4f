//! nack: the delivery failed. Another follows after a delay, until the retries are used up or the consumer
//! rejects the message; then it is dead. One whose time to live is over comes back and dies of that, in one step.

use super::death::{self, Death};
use super::lease;
use crate::backoff;
use crate::batch::Batch;
use crate::command::{Blob, Nack};
use crate::ids::{LeaseId, MessageId};
use crate::message::{Flag, Message};
use crate::queue::Queue;
use crate::record::{DeathReason, FailureCause, Record};
use crate::rejection::Rejection;
use crate::reply::Nacked;
use crate::settled::Ending;
use crate::state::State;

enum Decision {
    Already,
    Retry { record: Record, due_ms: u64 },
    Expire { record: Record },
    Die(Death),
}

pub(super) fn run(batch: &mut Batch, nack: Nack, queue: Option<&str>) -> Result<Nacked, Rejection> {
    let error = nack.error.filter(|error| error.length > 0);
    let decision = decide(batch.state(), batch.now_ms, nack, error, queue)?;
    if !matches!(decision, Decision::Already) {
        error.into_iter().for_each(|error| batch.carry(error));
    }
    Ok(match decision {
        Decision::Already => Nacked::Already,
        Decision::Retry { record, due_ms } => {
            batch.commit(record);
            Nacked::Retry { due_ms }
        }
        Decision::Expire { record } => {
            batch.commit(record);
            went(death::expire(batch, nack.lease.message))
        }
        Decision::Die(death) => {
            let nacked = went(death.dead_letter);
            death::commit(batch, death);
            nacked
        }
    })
}

fn went(dead_letter: Option<MessageId>) -> Nacked {
    dead_letter.map_or(Nacked::Dead, |message| Nacked::DeadLettered { message })
}

fn decide(
    state: &State,
    now_ms: u64,
    nack: Nack,
    error: Option<Blob>,
    queue: Option<&str>,
) -> Result<Decision, Rejection> {
    lease::of_queue(state, nack.lease, queue)?;
    if is_repeated(state, nack.lease) {
        return Ok(Decision::Already);
    }
    let (message, queue) = lease::held(state, nack.lease)?;
    let id = nack.lease.message;
    let error_bytes = error.map_or(0, |error| error.length);
    let reason = if nack.reject {
        Some(DeathReason::Rejected)
    } else {
        None
    };
    let reason = reason.or(is_last(state, id.slot, queue).then_some(DeathReason::RetriesExhausted));
    Ok(match reason {
        Some(reason) => Decision::Die(death::decide(state, id, reason, error_bytes)),
        None => {
            let is_over = message.is_expired(now_ms);
            let due_ms = if is_over {
                now_ms
            } else {
                due_ms(state, id.slot, queue, nack.delay_ms, now_ms)
            };
            let (group, cause) = (nack.lease.group, FailureCause::Nack);
            let priority = nack.priority.unwrap_or(message.priority);
            let record = Record::Retried {
                message: id,
                group,
                cause,
                due_ms,
                priority,
                error_bytes,
            };
            if is_over {
                Decision::Expire { record }
            } else {
                Decision::Retry { record, due_ms }
            }
        }
    })
}

/// Whether an earlier nack or release of the same lease was recorded already.
pub(super) fn is_repeated(state: &State, lease: LeaseId) -> bool {
    let ended =
        |message: &Message| message.has(Flag::Returned) && message.deliveries == lease.delivery;
    state
        .find(lease.message)
        .is_some_and(|(message, _)| ended(message))
        || state.settled.ending(lease) == Some(Ending::Nacked)
}

/// Whether one more failed attempt uses up the retries.
pub(super) fn is_last(state: &State, slot: u32, queue: &Queue) -> bool {
    let message = &state.messages[slot];
    let own = state.history.retries(slot, message);
    let retries_max = own.max.unwrap_or(queue.config.max_retries);
    u32::from(message.attempts) + 1 > retries_max
}

/// When the next delivery may be: after the delay asked for, or else its own backoff, or its queue's.
pub(super) fn due_ms(
    state: &State,
    slot: u32,
    queue: &Queue,
    delay_ms: Option<u64>,
    now_ms: u64,
) -> u64 {
    let message = &state.messages[slot];
    let attempts = u32::from(message.attempts) + 1;
    let own = state.history.retries(slot, message);
    let backoff = own.backoff.unwrap_or(queue.config.backoff);
    let delay_ms =
        delay_ms.unwrap_or_else(|| backoff::delay_ms(backoff, message.number(), attempts));
    now_ms.saturating_add(delay_ms)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::config::{Backoff, QueueConfig};
    use crate::reply::{Failures, Reply};
    use crate::twin::{SECOND, Twin, ack, config, message, nack};
    use crate::view;

    fn twin(config: QueueConfig) -> Twin {
        let mut twin = Twin::new();
        twin.create("q", config);
        twin.enqueue("q", message());
        twin
    }

    #[test]
    fn one_delivery_and_as_many_more_as_the_queue_says() {
        let mut twin = twin(QueueConfig {
            max_retries: 2,
            ..config()
        });
        for attempts in 0..3 {
            let delivered = twin.receive("q", 1).remove(0);
            assert_eq!(
                (delivered.attempts, delivered.lease.delivery),
                (attempts, attempts + 1)
            );
            let nacked = twin.nack(delivered.lease, Some(0));
            let expected = if attempts < 2 {
                Nacked::Retry {
                    due_ms: twin.now_ms,
                }
            } else {
                Nacked::Dead
            };
            assert_eq!(nacked, expected);
        }
        assert_eq!(
            (twin.receive("q", 1).len(), twin.queue("q").counts.dead),
            (0, 1)
        );
    }

    #[test]
    fn the_message_s_own_retries_go_first() {
        let mut twin = twin(config());
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(ack(lease));
        twin.enqueue(
            "q",
            crate::command::NewMessage {
                max_retries: Some(0),
                ..message()
            },
        );
        let lease = twin.receive("q", 1)[0].lease;
        assert_eq!(twin.nack(lease, None), Nacked::Dead);
    }

    #[test]
    fn the_message_s_own_backoff_goes_first_after_a_nack_and_after_a_lease() {
        let mut twin = twin(config());
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(ack(lease));
        let backoff = Some(Backoff {
            initial_ms: 7,
            multiplier_permille: 3000,
            max_ms: 1000,
            jitter_permille: 0,
        });
        let own = crate::command::NewMessage {
            backoff,
            ..message()
        };
        let id = twin.enqueue("q", own).message;
        let lease = twin.receive("q", 1)[0].lease;
        let due_ms = twin.now_ms + 7;
        assert_eq!(twin.nack(lease, None), Nacked::Retry { due_ms });
        twin.wait(7).receive("q", 1);
        twin.wait(30 * SECOND).step(vec![]);
        assert_eq!(twin.message(id).at_ms, twin.now_ms + 21);
        let lease = twin.wait(21).receive("q", 1)[0].lease;
        let due_ms = twin.now_ms + 5;
        let nacked = twin.nack(lease, Some(5));
        assert_eq!(nacked, Nacked::Retry { due_ms }, "what a nack names wins");
    }

    #[test]
    fn repeating_a_nack_changes_nothing_and_an_ack_comes_too_late() {
        let mut twin = twin(config());
        let lease = twin.receive("q", 1)[0].lease;
        let due_ms = twin.now_ms + 5;
        assert_eq!(twin.nack(lease, Some(5)), Nacked::Retry { due_ms });
        assert_eq!(twin.nack(lease, Some(99)), Nacked::Already);
        assert_eq!(twin.ask(ack(lease)), Reply::Rejected(Rejection::LeaseLost));
        let later = twin.wait(5).receive("q", 1)[0].lease;
        assert_eq!(
            twin.ask(Command::Nack(nack(lease))),
            Reply::Rejected(Rejection::LeaseLost)
        );
        assert_eq!(twin.ask(ack(later)), Reply::Acked { already: false });
        assert_eq!(
            twin.ask(Command::Nack(nack(later))),
            Reply::Rejected(Rejection::LeaseLost)
        );
    }

    #[test]
    fn backoff_grows_with_the_attempts() {
        let mut twin = twin(config());
        for range in [800..=1000, 1600..=2000, 3200..=4000] {
            let lease = twin.receive("q", 1)[0].lease;
            let Nacked::Retry { due_ms } = twin.nack(lease, None) else {
                panic!("no retry")
            };
            assert!(range.contains(&(due_ms - twin.now_ms)));
            twin.now_ms = due_ms;
        }
    }

    #[test]
    fn what_failed_and_lives_tells_how_until_it_dies() {
        let mut twin = twin(QueueConfig {
            max_retries: 2,
            ..config()
        });
        let fail = |twin: &mut Twin, lease, error: Option<Blob>| {
            let step = twin.step(vec![Command::Nack(Nack {
                error,
                delay_ms: Some(0),
                ..nack(lease)
            })]);
            (twin.now_ms, step.lsn)
        };
        let first = twin.receive("q", 1).remove(0);
        assert_eq!(first.failures, None);
        let told = |length| Some(Blob { index: 0, length });
        let (first_ms, lsn) = fail(&mut twin, first.lease, told(40));
        let error = crate::ids::Location {
            lsn,
            offset: 0,
            length: 40,
        };
        let failures = |last_ms| Failures {
            first_ms,
            last_ms,
            error,
        };
        let bytes = |twin: &Twin| view::answer_bytes(twin.live.state(), first.lease.message.slot);
        assert_eq!(bytes(&twin), 100 + 40, "an answer shows the text");
        let second = twin.wait(7).receive("q", 1).remove(0);
        assert_eq!(second.failures.as_deref(), Some(&failures(first_ms)));
        let (last_ms, _) = fail(&mut twin, second.lease, None);
        assert!(last_ms > first_ms);
        let view = twin.message(second.message);
        assert_eq!(
            view.failures.as_deref(),
            Some(&failures(last_ms)),
            "the last text there was"
        );
        let third = twin.receive("q", 1).remove(0);
        fail(&mut twin, third.lease, told(9));
        let view = twin.message(third.message);
        assert_eq!((view.failures, view.dead_letter.is_some()), (None, true));
        assert_eq!(bytes(&twin), 100 + 9, "of the dead, once");
    }

    #[test]
    fn a_priority_given_with_a_nack_stays() {
        let mut twin = twin(config());
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(Command::Nack(Nack {
            priority: Some(200),
            delay_ms: Some(0),
            ..nack(lease)
        }));
        assert_eq!(twin.wait(SECOND).receive("q", 1)[0].priority, 200);
    }

    #[test]
    fn a_nack_that_killed_may_be_repeated_and_one_after_the_lease_s_end_not() {
        let mut twin = twin(QueueConfig {
            max_retries: 0,
            ..config()
        });
        twin.enqueue("q", message());
        let [one, other] = [twin.receive("q", 1)[0].lease, twin.receive("q", 1)[0].lease];
        assert_eq!(
            [twin.nack(one, None), twin.nack(one, None)],
            [Nacked::Dead, Nacked::Already]
        );
        twin.wait(30 * SECOND);
        assert_eq!(
            twin.ask(Command::Nack(nack(other))),
            Reply::Rejected(Rejection::LeaseLost)
        );
        assert_eq!(twin.queue("q").counts.dead, 2);
    }

    #[test]
    fn a_message_whose_time_is_over_dies_with_the_nack() {
        for dead_letter_queue in [None, Some("dead".into())] {
            let mut twin = twin(QueueConfig {
                ttl_ms: 5 * SECOND,
                dead_letter_queue,
                ..config()
            });
            let lease = twin.receive("q", 1)[0].lease;
            let retried = twin.nack(lease, Some(0));
            let due_ms = twin.now_ms;
            assert_eq!(retried, Nacked::Retry { due_ms }, "it is not over yet");
            let lease = twin.receive("q", 1)[0].lease;
            twin.wait(5 * SECOND);
            let error = Some(Blob {
                index: 0,
                length: 40,
            });
            let step = twin.step(vec![Command::Nack(Nack {
                error,
                delay_ms: Some(SECOND),
                ..nack(lease)
            })]);
            let story = match step.replies[0] {
                Reply::Nacked(Nacked::Dead) => twin.message(lease.message).dead_letter,
                Reply::Nacked(Nacked::DeadLettered { message }) => {
                    twin.message(message).dead_letter
                }
                ref other => panic!("{other:?}"),
            };
            let story = story.expect("it died");
            assert_eq!((story.reason, story.attempts), (DeathReason::Expired, 2));
            assert_eq!(story.error.length, 40, "the error it was nacked with");
        }
    }

    #[test]
    fn an_error_without_text_is_none() {
        let mut twin = twin(config());
        twin.enqueue("q", message());
        let error = Some(Blob {
            index: 3,
            length: 0,
        });
        let lease = twin.receive("q", 1)[0].lease;
        let step = twin.step(vec![Command::Nack(Nack {
            error,
            ..nack(lease)
        })]);
        assert_eq!(step.blobs, [], "nothing lies in the journal of it");
    }
}
