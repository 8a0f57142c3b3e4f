//! Retention: messages that have been dead for as long as their queue keeps them are taken away, in bounded parts. So are
//! dead letters, counted from the death that brought them; one that somebody holds waits until its lease is over, and all
//! wait for a redrive of their queue.

use crate::batch::Batch;
use crate::budget::{Budget, RETIRED_BYTES_MAX, RETIRED_LETTER_BYTES_MAX};
use crate::record::Record;

/// Messages that go in one step.
pub(super) const RETIRED_PER_STEP_MAX: u32 = 1024;

/// As many as are `left` of a step's.
pub(super) fn run(batch: &mut Batch, budget: &mut Budget, left: &mut u32) {
    while let Some((retires_ms, queue)) = batch.state().retention.first() {
        if retires_ms > batch.now_ms || *left == 0 {
            return;
        }
        let (count, bytes, record) = match batch.state().retired_letter(queue, batch.now_ms) {
            Some(message) => (1, RETIRED_LETTER_BYTES_MAX, Record::Deleted { message }),
            None => {
                let count = batch.state().retired(queue, batch.now_ms, *left);
                (count, RETIRED_BYTES_MAX, Record::Retired { queue, count })
            }
        };
        if !budget.take(bytes) {
            return;
        }
        *left -= count;
        batch.commit(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{FIRED_BYTES_MAX, TIMER_BYTES_MAX};
    use crate::command::{Command, ConfigPatch, NewMessage};
    use crate::config::QueueConfig;
    use crate::ids::{MessageId, QueueNumber};
    use crate::rejection::Rejection;
    use crate::reply::{Nacked, Reply};
    use crate::sweep::{SweepPlan, SweepProgress, SweepRate};
    use crate::twin::sweeps::redrive;
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
        retain_in("q", dead_retention_ms)
    }

    fn retain_in(name: &str, dead_retention_ms: u64) -> Command {
        let patch = ConfigPatch {
            dead_retention_ms: Some(dead_retention_ms),
            ..ConfigPatch::default()
        };
        let name = name.into();
        Command::UpdateQueue {
            name,
            patch: patch.into(),
        }
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

    /// A dead letter in `letters`, which keeps them for ten seconds.
    fn lettered(twin: &mut Twin) -> MessageId {
        twin.create("letters", fragile(10 * SECOND));
        let config = QueueConfig {
            dead_letter_queue: Some("letters".into()),
            ..fragile(SECOND)
        };
        twin.create("q", config);
        letter(twin)
    }

    fn letter(twin: &mut Twin) -> MessageId {
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        match twin.nack(lease, None) {
            Nacked::DeadLettered { message } => message,
            other => panic!("{other:?}"),
        }
    }

    fn is_gone(twin: &mut Twin, message: MessageId) -> bool {
        let reply = twin.ask(Command::GetMessage { message });
        matches!(reply, Reply::Rejected(Rejection::MessageNotFound))
    }

    #[test]
    fn a_dead_letter_goes_when_its_queue_has_kept_it_long_enough() {
        let mut twin = Twin::new();
        let first = lettered(&mut twin);
        let died_ms = twin.now_ms;
        let second = letter(twin.wait(SECOND));
        let other = twin.enqueue("letters", message()).message;
        assert_eq!(twin.message(first).expires_at_ms, died_ms + 10 * SECOND);
        let step = twin.wait(9 * SECOND - 1).step(vec![]);
        assert_eq!(step.next_deadline_ms, Some(died_ms + 10 * SECOND));
        assert_eq!(twin.queue("letters").counts.ready, 3);
        let step = twin.wait(1).step(vec![]);
        assert_eq!(step.records, [Record::Deleted { message: first }]);
        assert_eq!(step.next_deadline_ms, Some(died_ms + 11 * SECOND));
        twin.wait(SECOND).step(vec![]);
        assert!(is_gone(&mut twin, first) && is_gone(&mut twin, second));
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
        assert_eq!(twin.receive("letters", 9)[0].lease.message, other);
    }

    #[test]
    fn a_dead_letter_that_is_held_goes_when_it_comes_back_and_to_nobody_else() {
        let mut twin = Twin::new();
        let first = lettered(&mut twin);
        let second = letter(&mut twin);
        let ends_ms = twin.now_ms + 10 * SECOND;
        let leases = twin.wait(9 * SECOND).receive("letters", 2);
        assert_eq!(leases[0].expires_at_ms, ends_ms);
        twin.wait(5 * SECOND).step(vec![]);
        assert_eq!(twin.queue("letters").counts.leased, 2);
        let release = Command::Release(crate::command::Release {
            lease: leases[0].lease,
            delay_ms: Some(0),
        });
        let step = twin.step(vec![release, crate::twin::receive("letters", 1)]);
        assert!(
            matches!(&step.replies[1], Reply::Received { messages, .. } if messages.is_empty())
        );
        assert_eq!(step.next_deadline_ms, Some(ends_ms), "it is due");
        twin.step(vec![]);
        assert!(is_gone(&mut twin, first));
        twin.ask(retain_in("letters", 0));
        twin.ask(Command::UpdateQueue {
            name: "letters".into(),
            patch: Box::new(ConfigPatch {
                max_retries: Some(1),
                ..ConfigPatch::default()
            }),
        });
        twin.ask(retain_in("letters", 10 * SECOND));
        let step = twin.wait(30 * SECOND).step(vec![]);
        assert_eq!(step.records.len(), 2, "its lease ended, and it is gone");
        assert!(is_gone(&mut twin, second));
    }

    #[test]
    fn a_dead_letter_that_dies_again_is_kept_anew_and_one_that_lives_again_is_none() {
        let mut twin = Twin::new();
        let again = lettered(&mut twin);
        let lease = twin.wait(9 * SECOND).receive("letters", 1)[0].lease;
        assert_eq!(twin.nack(lease, None), Nacked::Dead);
        let expires_at_ms = twin.now_ms + 10 * SECOND;
        assert_eq!(twin.message(again).expires_at_ms, expires_at_ms);
        twin.wait(SECOND).step(vec![]);
        assert!(!is_gone(&mut twin, again));
        letter(&mut twin);
        let tally = twin.sweep("letters", redrive()).tally;
        assert_eq!(tally.moved, 2);
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
        twin.wait(100 * SECOND).step(vec![]);
        assert_eq!(twin.queue("q").counts.ready, 2);
    }

    fn slowly() -> SweepPlan {
        let rate = Some(SweepRate {
            messages: 1,
            per_ms: 60 * SECOND,
        });
        SweepPlan { rate, ..redrive() }
    }

    #[test]
    fn a_redrive_that_takes_longer_than_letters_are_kept_finds_all_of_them() {
        let mut twin = Twin::new();
        lettered(&mut twin);
        (0..3).for_each(|_| {
            letter(&mut twin);
        });
        let late = twin.enqueue("letters", message()).message;
        let view = twin.sweep("letters", slowly());
        assert_eq!((view.tally.moved, view.tally.skipped), (4, 0));
        assert_eq!(twin.queue("q").counts.ready, 4);
        assert_eq!(twin.receive("letters", 9)[0].lease.message, late);
    }

    #[test]
    fn what_is_over_goes_when_the_redrive_ends_and_is_handed_out_until_then() {
        let mut twin = Twin::new();
        let first = lettered(&mut twin);
        let second = letter(&mut twin);
        let expires_at_ms = twin.now_ms + 10 * SECOND;
        let dry = SweepPlan {
            dry_run: true,
            ..slowly()
        };
        twin.start_sweep("letters", dry);
        assert_eq!(twin.message(first).expires_at_ms, expires_at_ms);
        let sweep = twin.start_sweep("letters", slowly());
        assert_eq!(twin.message(first).expires_at_ms, 0);
        assert_eq!(twin.wait(10 * SECOND).step(vec![]).next_deadline_ms, None);
        let lease = twin.receive("letters", 1)[0].lease;
        assert_eq!(lease.message, first);
        twin.fence();
        let kept_ms = 60_000;
        twin.ask(Command::CancelSweep { sweep, kept_ms });
        assert!(is_gone(&mut twin, second), "nothing is on its way to it");
        twin.ask(crate::twin::ack(lease));
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
    }

    #[test]
    fn what_is_dead_in_its_own_queue_waits_for_a_redrive_in_every_group() {
        let mut twin = Twin::new();
        twin.create("q", fragile(10 * SECOND));
        let sweep = twin.start_sweep("q", slowly());
        twin.create_group("q", "audit");
        let died = dead(&mut twin);
        let lease = twin.receive_for("q", "audit", 1)[0].lease;
        twin.nack(lease, None);
        twin.wait(20 * SECOND).step(vec![]);
        let dead =
            |twin: &mut Twin| ["default", "audit"].map(|group| twin.group("q", group).counts.dead);
        assert_eq!(dead(&mut twin), [1, 1]);
        while twin.step_sweep(sweep, None) != SweepProgress::Over {}
        twin.step(vec![]);
        assert_eq!(dead(&mut twin), [0, 0]);
        assert!(is_gone(&mut twin, died), "it came after the redrive began");
    }

    #[test]
    fn what_is_dead_for_ever_has_no_end() {
        let mut twin = Twin::new();
        let config = QueueConfig {
            ttl_ms: 60 * SECOND,
            ..fragile(0)
        };
        twin.create("q", config);
        let died = dead(&mut twin);
        assert_eq!(twin.message(died).expires_at_ms, 0);
    }

    #[test]
    fn a_changed_retention_is_true_of_letters_that_are_there_and_many_go_in_bounded_parts() {
        let mut twin = Twin::new();
        lettered(&mut twin);
        twin.ask(retain_in("letters", 0));
        let patch = ConfigPatch {
            ttl_ms: Some(SECOND),
            ..ConfigPatch::default()
        };
        let name = "q".into();
        twin.ask(Command::UpdateQueue {
            name,
            patch: patch.into(),
        });
        let count = u64::from(RETIRED_PER_STEP_MAX) + 5;
        let messages = vec![message(); count as usize];
        let (queue, atomic) = ("q".into(), false);
        twin.step(vec![Command::Enqueue {
            queue,
            messages,
            atomic,
        }]);
        twin.wait(SECOND).step(vec![]);
        assert_eq!(twin.queue("letters").counts.ready, count + 1);
        twin.wait(60 * SECOND);
        twin.step(vec![retain_in("letters", SECOND)]);
        let step = twin.step(vec![]);
        assert_eq!(step.records.len() as u32, RETIRED_PER_STEP_MAX);
        twin.step(vec![]);
        assert_eq!(twin.live.message_count(), 0);
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
    }

    #[test]
    fn what_is_over_at_once_goes_with_one_record() {
        let mut twin = Twin::new();
        twin.create("q", fragile(SECOND));
        (0..3).for_each(|_| _ = dead(&mut twin));
        let step = twin.wait(SECOND).step(vec![]);
        let (queue, count) = (QueueNumber(0), 3);
        assert_eq!(step.records, [Record::Retired { queue, count }]);
    }
}
