//! Retention: messages that have been dead for as long as their queue keeps them are taken away, in bounded parts.

use crate::batch::Batch;
use crate::budget::{Budget, RETIRED_BYTES_MAX};
use crate::record::Record;

/// Messages that go in one step.
const RETIRED_PER_STEP_MAX: u32 = 1024;

pub(super) fn run(batch: &mut Batch, budget: &mut Budget) {
    let mut left = RETIRED_PER_STEP_MAX;
    while let Some((retires_ms, queue)) = batch.state().retention.first() {
        if retires_ms > batch.now_ms || left == 0 || !budget.take(RETIRED_BYTES_MAX) {
            return;
        }
        let count = batch.state().retired(queue, batch.now_ms, left);
        left -= count;
        batch.commit(Record::Retired { queue, count });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{FIRED_BYTES_MAX, TIMER_BYTES_MAX};
    use crate::command::{Command, ConfigPatch, NewMessage};
    use crate::config::QueueConfig;
    use crate::ids::MessageId;
    use crate::reply::{Nacked, Reply};
    use crate::twin::{SECOND, Twin, config, message};

    fn fragile(dead_retention_ms: u64) -> QueueConfig {
        QueueConfig {
            max_retries: 0,
            dead_retention_ms,
            ..config()
        }
    }

    fn dead(twin: &mut Twin) -> MessageId {
        let id = twin.enqueue("q", message()).message;
        let lease = twin.receive("q", 1)[0].lease;
        assert_eq!(twin.nack(lease, None), Nacked::Dead);
        id
    }

    fn retain(dead_retention_ms: u64) -> Command {
        let patch = ConfigPatch {
            dead_retention_ms: Some(dead_retention_ms),
            ..ConfigPatch::default()
        };
        let name = "q".into();
        Command::UpdateQueue { name, patch }
    }

    #[test]
    fn a_dead_message_goes_when_its_time_is_over_not_before() {
        let mut twin = Twin::new();
        twin.create("q", fragile(10 * SECOND));
        let (first, died_ms) = (dead(&mut twin), twin.now_ms);
        twin.wait(SECOND);
        dead(&mut twin);
        let view = twin.message(first);
        assert_eq!(view.expires_at_ms, died_ms + 10 * SECOND);
        let step = twin.wait(9 * SECOND - 1).step(vec![]);
        assert_eq!(step.next_deadline_ms, Some(died_ms + 10 * SECOND));
        assert_eq!(twin.queue("q").counts.dead, 2);
        let step = twin.wait(1).step(vec![]);
        assert_eq!(step.records.len(), 1);
        assert_eq!(step.next_deadline_ms, Some(died_ms + 11 * SECOND));
        let gone = twin.ask(Command::GetMessage { message: first });
        assert!(matches!(gone, Reply::Rejected(_)));
        assert_eq!(twin.wait(SECOND).queue("q").counts.dead, 0);
    }

    #[test]
    fn a_changed_retention_is_true_of_what_is_dead_already() {
        let mut twin = Twin::new();
        twin.create("q", fragile(0));
        let message = dead(&mut twin);
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
        let due_ms = twin.now_ms + 5 * SECOND;
        let step = twin.wait(SECOND).step(vec![retain(5 * SECOND)]);
        assert_eq!(step.next_deadline_ms, Some(due_ms));
        assert_eq!(twin.step(vec![retain(0)]).next_deadline_ms, None);
        twin.ask(retain(5 * SECOND));
        twin.ask(Command::DeleteMessage { message });
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
        dead(&mut twin);
        let step = twin.step(vec![Command::DeleteQueue { name: "q".into() }]);
        assert_eq!(step.next_deadline_ms, Some(twin.now_ms));
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
    }

    #[test]
    fn many_go_in_bounded_parts() {
        let mut twin = Twin::new();
        let config = QueueConfig {
            ttl_ms: SECOND,
            ..fragile(SECOND)
        };
        twin.create("q", config);
        let count = u64::from(RETIRED_PER_STEP_MAX) + 5;
        let messages = vec![message(); count as usize];
        let queue = "q".into();
        twin.step(vec![Command::Enqueue {
            queue,
            messages,
            atomic: false,
        }]);
        twin.wait(SECOND).step(vec![]);
        assert_eq!(twin.queue("q").counts.dead, count);
        let step = twin.wait(SECOND).step(vec![]);
        assert_eq!(step.next_deadline_ms, Some(twin.now_ms));
        assert_eq!(twin.live.message_count(), 5);
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
        assert_eq!(twin.live.message_count(), 0);
    }

    #[test]
    fn what_goes_takes_from_the_budget_of_timers() {
        let mut twin = Twin::new();
        twin.create("q", fragile(SECOND));
        dead(&mut twin);
        let late = NewMessage {
            delay_ms: Some(SECOND),
            ..message()
        };
        let timers = TIMER_BYTES_MAX / FIRED_BYTES_MAX;
        let messages = vec![late; timers as usize];
        let (queue, atomic) = ("q".into(), false);
        twin.step(vec![Command::Enqueue {
            queue,
            messages,
            atomic,
        }]);
        let step = twin.wait(SECOND).step(vec![]);
        assert_eq!(step.records.len() as u32, timers, "one less is due");
        assert_eq!(step.next_deadline_ms, Some(twin.now_ms));
    }
}
