//! create queue: makes it, and the dead-letter queue it names. Asking again for an equal one changes nothing.

use crate::batch::Batch;
use crate::config::QueueConfig;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(
    batch: &mut Batch,
    name: Box<str>,
    config: QueueConfig,
) -> Result<Reply, Rejection> {
    let records = decide(batch.state(), &name, config)?;
    let created = !records.is_empty();
    records.into_iter().for_each(|record| batch.commit(record));
    let queue = view::queue(batch.state().queues.named(&name)?);
    Ok(Reply::QueueCreated { created, queue })
}

fn decide(state: &State, name: &str, config: QueueConfig) -> Result<Vec<Record>, Rejection> {
    check_dead_letter_queue(state, name, &config)?;
    match state.queues.find(name) {
        Some(queue) if queue.config == config => Ok(Vec::new()),
        Some(_) => Err(Rejection::QueueConflict { queue: name.into() }),
        None => {
            let mut number = state.queues.next_number();
            let dead_letter_queue = missing_dead_letter_queue(state, &config);
            let created = Record::QueueCreated {
                queue: number,
                name: name.into(),
                config,
            };
            number.0 += 1;
            let dead_letter_queue =
                dead_letter_queue.map(|name| dead_letter_queue_created(number, name));
            Ok(std::iter::once(created).chain(dead_letter_queue).collect())
        }
    }
}

/// A message must not come back to a queue by dying: the chain of dead-letter queues never closes.
pub(super) fn check_dead_letter_queue(
    state: &State,
    name: &str,
    config: &QueueConfig,
) -> Result<(), Rejection> {
    let mut next = config.dead_letter_queue.as_deref();
    while let Some(dead_letter_queue) = next {
        if dead_letter_queue == name {
            return Err(Rejection::DeadLetterQueueIsItself { queue: name.into() });
        }
        next = state
            .queues
            .find(dead_letter_queue)
            .and_then(|queue| queue.config.dead_letter_queue.as_deref());
    }
    Ok(())
}

/// The name of the dead-letter queue that must be made too.
pub(super) fn missing_dead_letter_queue(state: &State, config: &QueueConfig) -> Option<Box<str>> {
    config
        .dead_letter_queue
        .clone()
        .filter(|name| state.queues.find(name).is_none())
}

/// The record that makes a dead-letter queue somebody named.
pub(super) fn dead_letter_queue_created(queue: crate::ids::QueueNumber, name: Box<str>) -> Record {
    Record::QueueCreated {
        queue,
        name,
        config: QueueConfig::of_dead_letter_queue(),
    }
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, ConfigPatch};
    use crate::config::QueueConfig;
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{Twin, config};

    fn dying_into(name: &str) -> QueueConfig {
        QueueConfig {
            dead_letter_queue: Some(name.into()),
            ..config()
        }
    }

    #[test]
    fn an_equal_one_is_fine_and_a_different_one_a_conflict() {
        let mut twin = Twin::new();
        assert!(matches!(
            twin.create("q", config()),
            Reply::QueueCreated { created: true, .. }
        ));
        assert!(matches!(
            twin.create("q", config()),
            Reply::QueueCreated { created: false, .. }
        ));
        let other = QueueConfig {
            max_retries: 9,
            ..config()
        };
        assert_eq!(
            twin.create("q", other),
            Reply::Rejected(Rejection::QueueConflict { queue: "q".into() })
        );
    }

    #[test]
    fn the_dead_letter_queue_is_made_with_it() {
        let mut twin = Twin::new();
        twin.create("q", dying_into("dead"));
        assert_eq!(
            twin.queue("dead").config,
            QueueConfig::of_dead_letter_queue()
        );
        assert_eq!(twin.live.queue_count(), 2);
    }

    #[test]
    fn a_message_never_comes_back_by_dying() {
        let mut twin = Twin::new();
        let refused = |queue: &str| {
            Reply::Rejected(Rejection::DeadLetterQueueIsItself {
                queue: queue.into(),
            })
        };
        assert_eq!(twin.create("a", dying_into("a")), refused("a"));
        twin.create("a", dying_into("b"));
        let patch = |to: &str| ConfigPatch {
            dead_letter_queue: Some(Some(to.into())),
            ..ConfigPatch::default()
        };
        assert_eq!(
            twin.ask(Command::UpdateQueue {
                name: "b".into(),
                patch: patch("a")
            }),
            refused("b")
        );
        assert!(matches!(
            twin.ask(Command::UpdateQueue {
                name: "b".into(),
                patch: patch("c")
            }),
            Reply::Queue(_)
        ));
        assert_eq!(
            twin.ask(Command::UpdateQueue {
                name: "c".into(),
                patch: patch("a")
            }),
            refused("c")
        );
    }
}
