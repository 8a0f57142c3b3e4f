//! Whether a queue takes new messages now. A duplicate is none: it is answered whatever stands here.

use crate::queue::Queue;
use crate::rejection::Rejection;

/// Whether the last of `new` messages may come at `now_ms`, when those before it came and `leaving` others went.
pub(super) fn check(queue: &Queue, now_ms: u64, new: u64, leaving: u64) -> Result<(), Rejection> {
    let name = || (*queue.name).into();
    if queue.paused.enqueue {
        return Err(Rejection::QueuePaused { queue: name() });
    }
    let messages_max = queue.config.messages_max;
    let held = queue.messages_held() - leaving;
    if messages_max > 0 && held.saturating_add(new) > messages_max {
        let queue = name();
        return Err(Rejection::QueueFull {
            queue,
            messages_max,
        });
    }
    check_rate(queue, now_ms, new)
}

fn check_rate(queue: &Queue, now_ms: u64, new: u64) -> Result<(), Rejection> {
    let Some(limit) = queue.config.ingress_limit else {
        return Ok(());
    };
    if new <= u64::from(queue.ingress.available(limit, now_ms)) {
        return Ok(());
    }
    let limiter = queue.ingress;
    Err(Rejection::RateLimited {
        queue: (*queue.name).into(),
        burst: limit.burst,
        retry_after_ms: limiter.retry_many_after_ms(limit, now_ms, new),
    })
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

    fn limited(requests: u32, burst: u32) -> Twin {
        let mut twin = Twin::new();
        let config = QueueConfig {
            ingress_limit: crate::twin::limit(requests, SECOND, burst),
            ..config()
        };
        twin.create("q", config);
        twin
    }

    fn refused(retry_after_ms: u64, burst: u32) -> Rejection {
        let queue = "q".into();
        Rejection::RateLimited {
            queue,
            burst,
            retry_after_ms,
        }
    }

    fn results(twin: &mut Twin, messages: Vec<NewMessage>, atomic: bool) -> Vec<Option<Rejection>> {
        let Reply::Enqueued(results) = twin.ask(enqueue(messages, atomic)) else {
            panic!("no results")
        };
        results.into_iter().map(Result::err).collect()
    }

    #[test]
    fn acceptance_is_limited_and_a_duplicate_is_none() {
        let mut twin = limited(10, 3);
        let entries = vec![
            with_dedup(1, 1),
            message(),
            with_dedup(1, 1),
            message(),
            message(),
        ];
        let wait = Some(refused(100, 3));
        assert_eq!(
            results(&mut twin, entries, false),
            [None, None, None, None, wait]
        );
        let again = vec![with_dedup(1, 1)];
        assert_eq!(results(&mut twin, again, false), [None]);
        let wait = Some(refused(1, 3));
        assert_eq!(results(twin.wait(99), vec![message()], false), [wait]);
        assert_eq!(results(twin.wait(1), vec![message()], false), [None]);
    }

    #[test]
    fn an_atomic_batch_waits_for_all_its_tokens() {
        let mut twin = limited(10, 3);
        let aborted = || Some(Rejection::BatchAborted);
        let two = || vec![message(), message()];
        assert_eq!(results(&mut twin, two(), true), [None, None]);
        assert_eq!(
            results(&mut twin, two(), true),
            [aborted(), Some(refused(100, 3))]
        );
        assert_eq!(results(twin.wait(100), two(), true), [None, None]);
        let four = vec![message(); 4];
        let outcome = results(twin.wait(SECOND), four, true);
        assert_eq!(
            outcome[3],
            Some(refused(0, 3)),
            "more than a burst never fits"
        );
    }

    #[test]
    fn a_takeover_and_a_new_limit_begin_with_nothing_left() {
        let mut twin = limited(10, 3);
        twin.fence();
        assert_eq!(
            results(&mut twin, vec![message()], false),
            [Some(refused(100, 3))]
        );
        twin.wait(SECOND);
        let patch = crate::command::ConfigPatch {
            ingress_limit: Some(crate::twin::limit(1, SECOND, 9)),
            ..Default::default()
        };
        let name = "q".into();
        twin.ask(Command::UpdateQueue {
            name,
            patch: patch.into(),
        });
        assert_eq!(
            results(&mut twin, vec![message()], false),
            [Some(refused(SECOND, 9))]
        );
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
