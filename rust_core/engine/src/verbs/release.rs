//! release: the consumer can't do it now ("limited for 30 seconds"). The message is delivered again after a delay,
//! or at once but behind what is ready, and no attempt is counted. One whose time to live is over comes back and dies of
//! that. Repeating it is `Already`, as for a nack.

use super::{death, lease, nack};
use crate::batch::Batch;
use crate::command::Release;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Released;
use crate::state::State;

pub(super) fn run(
    batch: &mut Batch,
    release: Release,
    queue: Option<&str>,
) -> Result<Released, Rejection> {
    let Some((due_ms, is_over)) = decide(batch.state(), batch.now_ms, release, queue)? else {
        return Ok(Released::Already);
    };
    let message = release.lease.message;
    batch.commit(Record::Postponed {
        message,
        group: release.lease.group,
        due_ms,
    });
    if !is_over {
        return Ok(Released::Until { due_ms });
    }
    let dead_letter = death::expire(batch, message);
    Ok(dead_letter.map_or(Released::Dead, |message| Released::DeadLettered { message }))
}

/// When it comes back, and whether its time to live is over. None: an earlier release or nack of the same lease had done
/// it.
fn decide(
    state: &State,
    now_ms: u64,
    release: Release,
    queue: Option<&str>,
) -> Result<Option<(u64, bool)>, Rejection> {
    lease::of_queue(state, release.lease, queue)?;
    if nack::is_repeated(state, release.lease) {
        return Ok(None);
    }
    let (message, _) = lease::held(state, release.lease)?;
    Ok(Some(if message.is_expired(now_ms) {
        (now_ms, true)
    } else {
        let delay_ms = release.delay_ms.unwrap_or(0);
        (now_ms.saturating_add(delay_ms), false)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, NewMessage};
    use crate::config::QueueConfig;
    use crate::record::DeathReason;
    use crate::reply::{Nacked, Reply, State as Shown};
    use crate::twin::{SECOND, Twin, config, message};

    fn released(twin: &mut Twin, release: Release) -> Result<Released, Rejection> {
        match twin.ask(Command::Release(release)) {
            Reply::Released(released) => Ok(released),
            Reply::Rejected(rejection) => Err(rejection),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn it_comes_back_when_asked_and_no_attempt_is_counted() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let id = twin.enqueue("q", message()).message;
        for round in 1..=20 {
            let lease = twin.receive("q", 1)[0].lease;
            let release = Release {
                lease,
                delay_ms: Some(5 * SECOND),
            };
            let due_ms = twin.now_ms + 5 * SECOND;
            assert_eq!(released(&mut twin, release), Ok(Released::Until { due_ms }));
            let view = twin.message(id);
            assert_eq!((view.state, view.at_ms), (Shown::Delayed, due_ms));
            assert_eq!((view.deliveries, view.attempts), (round, 0));
            assert_eq!(twin.wait(5 * SECOND - 1).receive("q", 1), []);
            twin.wait(1);
        }
    }

    #[test]
    fn one_whose_time_is_over_dies_and_no_attempt_is_counted() {
        for dead_letter_queue in [None, Some("dead".into())] {
            let mut twin = Twin::new();
            let config = QueueConfig {
                ttl_ms: 5 * SECOND,
                dead_letter_queue,
                ..config()
            };
            twin.create("q", config);
            let key = NewMessage {
                ordering_key: Some(1),
                ..message()
            };
            let late = NewMessage {
                ttl_ms: Some(0),
                ..key.clone()
            };
            twin.enqueue("q", key);
            let next = twin.enqueue("q", late).message;
            let lease = twin.receive("q", 1)[0].lease;
            twin.wait(5 * SECOND);
            let release = Release {
                lease,
                delay_ms: Some(SECOND),
            };
            let dead = match released(&mut twin, release).expect("held") {
                Released::Dead => lease.message,
                Released::DeadLettered { message } => message,
                other => panic!("{other:?}"),
            };
            let story = twin.message(dead).dead_letter.expect("it died");
            assert_eq!((story.reason, story.attempts), (DeathReason::Expired, 0));
            assert_eq!(twin.receive("q", 2)[0].lease.message, next, "its turn came");
        }
    }

    #[test]
    fn without_a_delay_it_goes_behind_what_is_ready() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let first = twin.enqueue("q", message()).message;
        let second = twin.enqueue("q", message()).message;
        let lease = twin.receive("q", 1)[0].lease;
        let release = Release {
            lease,
            delay_ms: None,
        };
        released(&mut twin, release).expect("held");
        let order = twin.receive("q", 2).into_iter().map(|d| d.lease.message);
        assert_eq!(order.collect::<Vec<_>>(), [second, first]);
    }

    #[test]
    fn repeating_it_is_settled_and_a_later_lease_is_untouched() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        let release = Release {
            lease,
            delay_ms: Some(SECOND),
        };
        released(&mut twin, release).expect("held");
        assert_eq!(released(&mut twin, release), Ok(Released::Already));
        assert_eq!(twin.nack(lease, None), Nacked::Already);
        twin.wait(SECOND);
        let later = twin.receive("q", 1)[0].lease;
        assert_eq!(released(&mut twin, release), Err(Rejection::LeaseLost));
        twin.nack(later, None);
        let repeated = Release {
            lease: later,
            delay_ms: None,
        };
        assert_eq!(released(&mut twin, repeated), Ok(Released::Already));
    }

    #[test]
    fn a_key_s_next_message_waits_for_the_released_one() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let keyed = NewMessage {
            ordering_key: Some(1),
            ..message()
        };
        let first = twin.enqueue("q", keyed.clone()).message;
        twin.enqueue("q", keyed);
        let lease = twin.receive("q", 1)[0].lease;
        let release = Release {
            lease,
            delay_ms: Some(SECOND),
        };
        released(&mut twin, release).expect("held");
        assert_eq!(twin.receive("q", 2), []);
        twin.wait(SECOND);
        assert_eq!(twin.receive("q", 2)[0].lease.message, first);
    }
}
