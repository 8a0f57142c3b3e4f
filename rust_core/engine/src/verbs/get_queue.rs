//! get queue: its settings and counts.

use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, name: &str) -> Result<Reply, Rejection> {
    state
        .queues
        .named(name)
        .map(|queue| Reply::Queue(view::queue(queue).into()))
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, NewMessage};
    use crate::config::QueueConfig;
    use crate::record::Paused;
    use crate::twin::members::heartbeat;
    use crate::twin::turns::{many, of_key};
    use crate::twin::{SECOND, Twin, ack, config, limit, message};

    /// For how long the oldest ready message has been ready.
    fn age_ms(twin: &mut Twin) -> Option<u64> {
        let since_ms = twin.queue("q").oldest_ready_ms;
        assert_eq!(since_ms, twin.group("q", "default").oldest_ready_ms);
        since_ms.map(|since_ms| twin.now_ms - since_ms)
    }

    #[test]
    fn the_oldest_ready_message_is_known_whatever_its_priority() {
        let mut twin = Twin::new();
        twin.create("q", config());
        assert_eq!(age_ms(&mut twin), None);
        for priority in [1, 255, 0] {
            twin.enqueue(
                "q",
                NewMessage {
                    priority,
                    ..message()
                },
            );
            twin.wait(SECOND);
        }
        assert_eq!(age_ms(&mut twin), Some(3 * SECOND));
        let highest = twin.receive("q", 1)[0].lease;
        assert_eq!(age_ms(&mut twin), Some(3 * SECOND));
        twin.receive("q", 1);
        assert_eq!(age_ms(&mut twin), Some(SECOND), "the lowest is left");
        twin.receive("q", 1);
        assert_eq!(age_ms(&mut twin), None, "what is held is not ready");
        twin.nack(highest, Some(0));
        assert_eq!(age_ms(twin.wait(5)), Some(5), "it is ready anew");
    }

    #[test]
    fn what_is_delayed_or_blocked_is_as_old_as_it_is_ready() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let late = NewMessage {
            delay_ms: Some(10 * SECOND),
            ..message()
        };
        twin.enqueue("q", late);
        let keyed = NewMessage {
            ordering_key: Some(7),
            ..message()
        };
        let two = vec![keyed; 2];
        twin.step(vec![many("q", two)]);
        let first = twin.receive("q", 1)[0].lease;
        assert_eq!(age_ms(twin.wait(9 * SECOND)), None);
        assert_eq!(age_ms(twin.wait(SECOND)), Some(0));
        twin.wait(SECOND).ask(ack(first));
        assert_eq!(age_ms(twin.wait(SECOND)), Some(2 * SECOND));
        twin.receive("q", 1);
        assert_eq!(age_ms(&mut twin), Some(SECOND));
    }

    #[test]
    fn what_a_limit_or_a_pause_holds_back_grows_old() {
        let mut twin = Twin::new();
        let key_rate_limit = limit(1, 3600 * SECOND, 1);
        twin.create(
            "q",
            QueueConfig {
                key_rate_limit,
                ..config()
            },
        );
        for key in [1, 1, 2, 2, 3] {
            twin.enqueue("q", of_key(key));
            twin.wait(SECOND);
        }
        assert_eq!(twin.receive("q", 9).len(), 3, "the others are parked");
        assert_eq!(age_ms(&mut twin), Some(4 * SECOND));
        twin.enqueue("q", of_key(4));
        assert_eq!(age_ms(twin.wait(SECOND)), Some(5 * SECOND));
        twin.fence();
        let what = Paused {
            enqueue: false,
            receive: true,
        };
        let name = "q".into();
        twin.ask(Command::PauseQueue { name, what });
        assert_eq!(age_ms(twin.wait(SECOND)), Some(6 * SECOND));
        twin.ask(Command::PurgeQueue { name: "q".into() });
        assert_eq!(age_ms(&mut twin), None);
    }

    #[test]
    fn keys_of_members_count_in_their_group_alone() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "audit");
        twin.ask(heartbeat("a"));
        let keyed = NewMessage {
            ordering_key: Some(7),
            ..message()
        };
        twin.enqueue("q", keyed);
        twin.wait(SECOND).enqueue("q", message());
        let held = twin.receive_for("q", "audit", 9);
        assert_eq!(held.len(), 2);
        assert_eq!(twin.group("q", "audit").oldest_ready_ms, None);
        assert_eq!(age_ms(&mut twin), Some(SECOND));
        twin.ask(heartbeat("b"));
        assert_eq!(age_ms(&mut twin), Some(SECOND), "assigned anew");
    }
}
