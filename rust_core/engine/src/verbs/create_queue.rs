//! create queue: makes it, and the dead-letter queue it names. Asking again for an equal one changes nothing.

use super::dead_letter_queue;
use crate::batch::Batch;
use crate::config::QueueConfig;
use crate::ids::QueueNumber;
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
    let queue = view::queue(batch.state().queues.named(&name)?).into();
    Ok(Reply::QueueCreated { created, queue })
}

fn decide(state: &State, name: &str, config: QueueConfig) -> Result<Vec<Record>, Rejection> {
    match state.queues.find(name) {
        Some(queue) if queue.config == config => return Ok(Vec::new()),
        Some(queue) => {
            return Err(Rejection::QueueConflict {
                queue: name.into(),
                there: Box::new(queue.config.clone()),
                asked: Box::new(config),
            });
        }
        None => {}
    }
    dead_letter_queue::check(state, name, &config)?;
    let queue = state.queues.next_number();
    let after = QueueNumber(queue.0 + 1);
    let dead_letter_queue = dead_letter_queue::missing(state, &config, after);
    let created = Record::QueueCreated {
        queue,
        name: name.into(),
        config: config.into(),
    };
    let records: Vec<Record> = [created].into_iter().chain(dead_letter_queue).collect();
    dead_letter_queue::check_room(state, records.len())?;
    Ok(records)
}

#[cfg(test)]
mod tests {
    use crate::config::QueueConfig;
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{Twin, config, settings};

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
            twin.create("q", other.clone()),
            Reply::Rejected(Rejection::QueueConflict {
                queue: "q".into(),
                there: Box::new(config()),
                asked: Box::new(other),
            })
        );
    }

    #[test]
    fn the_dead_letter_queue_is_made_with_it() {
        let mut twin = Twin::new();
        twin.create("q", dying_into("dead"));
        assert_eq!(twin.queue("dead").config, settings().queue_config);
        assert_eq!(twin.live.queue_count(), 2);
    }
}
