//! update queue: replaces settings. What they decide from now on follows the new ones; deadlines that are set
//! (leases, delays, expiries, dedup windows) stay.
//!
//! A changed rate limit starts empty, so that changing it never lets more through than either limit allows; that of
//! a new queue starts full, because nothing has gone yet.

use super::dead_letter_queue;
use crate::batch::Batch;
use crate::command::ConfigPatch;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(batch: &mut Batch, name: &str, patch: ConfigPatch) -> Result<Reply, Rejection> {
    let records = decide(batch.state(), name, patch)?;
    records.into_iter().for_each(|record| batch.commit(record));
    let queue = view::queue(batch.state().queues.named(name)?);
    Ok(Reply::Queue(queue.into()))
}

fn decide(state: &State, name: &str, patch: ConfigPatch) -> Result<Vec<Record>, Rejection> {
    let queue = state.queues.named(name)?;
    let config = patch.over(&queue.config);
    if config == queue.config {
        return Ok(Vec::new());
    }
    if config.dead_letter_queue != queue.config.dead_letter_queue {
        dead_letter_queue::check(state, name, &config)?;
    }
    let created = dead_letter_queue::missing(state, &config, state.queues.next_number());
    dead_letter_queue::check_room(state, created.iter().count())?;
    let updated = Record::QueueUpdated {
        queue: queue.number,
        config: config.into(),
    };
    Ok(created.into_iter().chain([updated]).collect())
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, ConfigPatch};
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{Twin, config, limit, message, receive};

    #[test]
    fn changes_what_is_named_and_leaves_the_rest() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let patch = ConfigPatch {
            max_retries: Some(9),
            ..ConfigPatch::default()
        };
        twin.ask(Command::UpdateQueue {
            name: "q".into(),
            patch: patch.into(),
        });
        assert_eq!(
            twin.queue("q").config,
            crate::config::QueueConfig {
                max_retries: 9,
                ..config()
            }
        );
        let same = ConfigPatch {
            max_retries: Some(9),
            ..ConfigPatch::default()
        };
        assert_eq!(
            twin.step(vec![Command::UpdateQueue {
                name: "q".into(),
                patch: same.into()
            }])
            .records,
            []
        );
    }

    #[test]
    fn a_new_limit_starts_empty_and_its_removal_wakes() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.enqueue("q", message());
        let rate_limit = |limit| Command::UpdateQueue {
            name: "q".into(),
            patch: Box::new(ConfigPatch {
                rate_limit: Some(limit),
                ..ConfigPatch::default()
            }),
        };
        twin.ask(rate_limit(limit(1, 1000, 1)));
        let step = twin.step(vec![receive("q", 1), rate_limit(None), receive("q", 1)]);
        assert!(
            matches!(&step.replies[0], Reply::Received { messages, limited: Some(_) } if messages.is_empty())
        );
        assert!(
            matches!(&step.replies[2], Reply::Received { messages, .. } if messages.len() == 1)
        );
        twin.enqueue("q", message());
        let step = twin.step(vec![rate_limit(limit(1, 1000, 1))]);
        assert_eq!(step.woken, [("q".into(), 1)]);
    }

    #[test]
    fn a_queue_that_is_not_there() {
        let mut twin = Twin::new();
        let command = Command::UpdateQueue {
            name: "q".into(),
            patch: ConfigPatch::default().into(),
        };
        assert_eq!(
            twin.ask(command),
            Reply::Rejected(Rejection::QueueNotFound { queue: "q".into() })
        );
    }
}
