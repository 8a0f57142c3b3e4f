//! Whether a queue takes new messages now. A duplicate is none: it is answered whatever stands here.

use crate::queue::Queue;
use crate::rejection::Rejection;

/// Whether the last of `new` messages may come, when those before it came.
pub(super) fn check(queue: &Queue, new: u64) -> Result<(), Rejection> {
    let name = || (*queue.name).into();
    if queue.paused.enqueue {
        return Err(Rejection::QueuePaused { queue: name() });
    }
    let messages_max = queue.config.messages_max;
    if messages_max > 0 && queue.messages_held().saturating_add(new) > messages_max {
        let queue = name();
        return Err(Rejection::QueueFull {
            queue,
            messages_max,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, NewMessage};
    use crate::config::QueueConfig;
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{SECOND, Twin, ack, config, message, with_dedup};

    fn enqueue(messages: Vec<NewMessage>, atomic: bool) -> Command {
        Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic,
        }
    }

    fn full<T>() -> Result<T, Rejection> {
        Err(Rejection::QueueFull {
            queue: "q".into(),
            messages_max: 3,
        })
    }

    #[test]
    fn a_full_queue_takes_what_fits_and_no_more_whatever_the_states() {
        let mut twin = Twin::new();
        let config = QueueConfig {
            messages_max: 3,
            ..config()
        };
        twin.create("q", config);
        let late = NewMessage {
            delay_ms: Some(SECOND),
            ..message()
        };
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        let entries = vec![late, with_dedup(1, 1), message(), with_dedup(1, 1)];
        let Reply::Enqueued(results) = twin.ask(enqueue(entries, false)) else {
            panic!("no results")
        };
        assert!(results[0].is_ok() && results[1].is_ok());
        assert_eq!(results[2], full());
        assert!(matches!(&results[3], Ok(again) if again.duplicate));
        twin.ask(ack(lease));
        twin.enqueue("q", message());
    }

    #[test]
    fn an_atomic_batch_fits_as_a_whole_or_not() {
        let mut twin = Twin::new();
        let config = QueueConfig {
            messages_max: 3,
            ..config()
        };
        twin.create("q", config);
        let aborted = || Err(Rejection::BatchAborted);
        let reply = twin.ask(enqueue(vec![message(); 4], true));
        let refused = vec![aborted(), aborted(), aborted(), full()];
        assert_eq!(reply, Reply::Enqueued(refused));
        let twice = vec![message(), message(), with_dedup(1, 1), with_dedup(1, 1)];
        let Reply::Enqueued(results) = twin.ask(enqueue(twice, true)) else {
            panic!("no results")
        };
        assert!(
            results.iter().all(Result::is_ok),
            "a duplicate takes no room"
        );
    }
}
