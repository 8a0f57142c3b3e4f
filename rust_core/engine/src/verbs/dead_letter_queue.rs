//! Naming a dead-letter queue: it must lead to an end, and it is made when it is not there.

use crate::config::QueueConfig;
use crate::ids::QueueNumber;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::state::State;

/// Queues that a message can pass by dying. More are no way of working, and each is a step of this check.
const CHAIN_MAX: usize = 16;

/// A message must not come back to queue `name` by dying, nor die on and on.
pub(super) fn check(state: &State, name: &str, config: &QueueConfig) -> Result<(), Rejection> {
    let Some(first) = config.dead_letter_queue.as_deref() else {
        return Ok(());
    };
    if first == name {
        return Err(Rejection::DeadLetterQueueIsItself { queue: name.into() });
    }
    let (queue, dead_letter_queue) = (name.into(), first.into());
    let mut chain = std::iter::successors(Some(first), |&name| next(state, name));
    if chain.by_ref().take(CHAIN_MAX).any(|next| next == name) {
        return Err(Rejection::DeadLetterQueueLeadsBack {
            queue,
            dead_letter_queue,
        });
    }
    match chain.next() {
        Some(_) => Err(Rejection::DeadLetterQueueChainTooLong {
            queue,
            dead_letter_queue,
            queues_max: CHAIN_MAX as u32,
        }),
        None => Ok(()),
    }
}

fn next<'a>(state: &'a State, name: &str) -> Option<&'a str> {
    let queue = state.queues.find(name)?;
    queue.config.dead_letter_queue.as_deref()
}

/// The record that makes the dead-letter queue `config` names, when it is not there.
pub(super) fn missing(state: &State, config: &QueueConfig, number: QueueNumber) -> Option<Record> {
    let name = config.dead_letter_queue.as_ref()?;
    let is_missing = state.queues.find(name).is_none();
    is_missing.then(|| created(state, number, name.clone()))
}

/// The record that makes a dead-letter queue somebody named: with a new queue's settings, as if it were asked for.
pub(super) fn created(state: &State, queue: QueueNumber, name: Box<str>) -> Record {
    Record::QueueCreated {
        queue,
        name,
        config: state.settings.queue_config.clone().into(),
    }
}

/// Whether so many queues more are allowed.
pub(super) fn check_room(state: &State, queues: usize) -> Result<(), Rejection> {
    let queues_max = state.settings.queues_max;
    let count = (state.queues.count() + queues) as u64;
    if queues > 0 && count > queues_max {
        return Err(Rejection::QueuesExhausted { queues_max });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, ConfigPatch};
    use crate::config::QueueConfig;
    use crate::rejection::Rejection;
    use crate::reply::{Nacked, Reply};
    use crate::twin::{Twin, config, message, settings};

    fn dying_into(name: &str) -> QueueConfig {
        QueueConfig {
            dead_letter_queue: Some(name.into()),
            ..config()
        }
    }

    fn update(name: &str, to: &str) -> Command {
        let patch = ConfigPatch {
            dead_letter_queue: Some(Some(to.into())),
            ..ConfigPatch::default()
        };
        Command::UpdateQueue {
            name: name.into(),
            patch: patch.into(),
        }
    }

    #[test]
    fn a_message_never_comes_back_by_dying() {
        let mut twin = Twin::new();
        let leads_back = |queue: &str, to: &str| {
            Reply::Rejected(Rejection::DeadLetterQueueLeadsBack {
                queue: queue.into(),
                dead_letter_queue: to.into(),
            })
        };
        assert_eq!(
            twin.create("a", dying_into("a")),
            Reply::Rejected(Rejection::DeadLetterQueueIsItself { queue: "a".into() })
        );
        twin.create("a", dying_into("b"));
        assert_eq!(twin.ask(update("b", "a")), leads_back("b", "a"));
        assert!(matches!(twin.ask(update("b", "c")), Reply::Queue(_)));
        assert_eq!(twin.ask(update("c", "a")), leads_back("c", "a"));
    }

    #[test]
    fn a_chain_is_bounded_and_an_equal_queue_walks_none() {
        let mut twin = Twin::new();
        twin.create("q0", config());
        for i in 1..=16 {
            let reply = twin.create(&format!("q{i}"), dying_into(&format!("q{}", i - 1)));
            assert!(matches!(reply, Reply::QueueCreated { created: true, .. }));
        }
        let too_long = Reply::Rejected(Rejection::DeadLetterQueueChainTooLong {
            queue: "q17".into(),
            dead_letter_queue: "q16".into(),
            queues_max: 16,
        });
        assert_eq!(twin.create("q17", dying_into("q16")), too_long);
        twin.ask(update("q0", "below"));
        let again = twin.create("q16", dying_into("q15"));
        assert!(matches!(again, Reply::QueueCreated { created: false, .. }));
        let patch = ConfigPatch {
            max_retries: Some(1),
            ..ConfigPatch::default()
        };
        let name = "q16".into();
        let reply = twin.ask(Command::UpdateQueue {
            name,
            patch: patch.into(),
        });
        assert!(
            matches!(reply, Reply::Queue(_)),
            "its chain is not asked about"
        );
    }

    #[test]
    fn queues_are_bounded_those_made_by_name_and_by_death_too() {
        let mut twin = Twin::with(crate::config::Settings {
            queues_max: 3,
            ..settings()
        });
        let exhausted = Reply::Rejected(Rejection::QueuesExhausted { queues_max: 3 });
        let dies_at_once = QueueConfig {
            max_retries: 0,
            ..dying_into("dead")
        };
        twin.create("q", dies_at_once);
        assert_eq!(twin.create("x", dying_into("new")), exhausted);
        twin.create("x", dying_into("dead"));
        assert_eq!(twin.create("y", config()), exhausted);
        assert_eq!(twin.ask(update("x", "new")), exhausted);
        let equal = twin.create("x", dying_into("dead"));
        assert!(matches!(equal, Reply::QueueCreated { created: false, .. }));
        // The dead-letter queue's place is taken: what dies stays in its queue.
        twin.ask(Command::DeleteQueue {
            name: "dead".into(),
        });
        twin.create("y", config());
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        assert_eq!(twin.nack(lease, None), Nacked::Dead);
        assert_eq!(twin.queue("q").counts.dead, 1);
    }

    #[test]
    fn when_fewer_queues_are_allowed_than_there_are_those_can_be_changed_still() {
        let mut twin = Twin::new();
        twin.create("one", config());
        twin.create("other", config());
        for partition in [&mut twin.live, &mut twin.replica] {
            partition.state_mut().settings.queues_max = 1;
        }
        let patch = |max_retries, dead_letter_queue| ConfigPatch {
            max_retries: Some(max_retries),
            dead_letter_queue,
            ..ConfigPatch::default()
        };
        let mut update = |patch: ConfigPatch| {
            let name = "one".into();
            twin.ask(Command::UpdateQueue {
                name,
                patch: patch.into(),
            })
        };
        let changed = update(patch(7, Some(Some("other".into()))));
        assert!(matches!(changed, Reply::Queue(view) if view.config.max_retries == 7));
        let refused = update(patch(8, Some(Some("third".into()))));
        let queues_max = 1;
        let exhausted = Rejection::QueuesExhausted { queues_max };
        assert_eq!(refused, Reply::Rejected(exhausted));
    }
}
