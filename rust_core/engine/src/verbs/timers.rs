//! What time does by itself, at the start of a step: delays end, leases end, messages expire, and what deleted
//! queues left is taken away. All in bounded parts; what is left keeps the next deadline at now.

use super::death;
use super::nack::{due_ms, is_last};
use crate::batch::Batch;
use crate::ids::GROUP_DEFAULT;
use crate::message::{Message, Place};
use crate::queue::Queue;
use crate::record::{DeathReason, FailureCause, Record};
use crate::state::State;

/// Timers that become records in one step. A batch keeps room for all of them to be deaths that each make a
/// dead-letter queue, some 280 bytes, so that requests of every allowed size still fit; and a step stays below a
/// millisecond.
pub const FIRED_PER_STEP_MAX: u32 = 256;

/// Messages of deleted queues, and as many dedup entries, that go in one step. One record covers them all.
pub const REAPED_PER_STEP_MAX: u32 = 1024;

pub(crate) fn run(batch: &mut Batch) {
    reap(batch);
    for _ in 0..FIRED_PER_STEP_MAX {
        let state = batch.state();
        match state.deadlines.first() {
            // The rest of a deleted queue: its timers don't matter, and `reap` takes those first.
            Some((_, slot)) if state.queues.get(state.messages[slot].queue).deleted => return,
            Some((deadline_ms, slot)) if deadline_ms <= batch.now_ms => fire(batch, slot),
            _ => return,
        }
    }
}

fn reap(batch: &mut Batch) {
    if let Some(queue) = batch.state().queues.reaping() {
        let count = queue.messages().min(u64::from(REAPED_PER_STEP_MAX)) as u32;
        let record = Record::Reaped {
            queue: queue.number,
            count,
        };
        batch.commit(record);
    }
}

fn fire(batch: &mut Batch, slot: u32) {
    let state = batch.state();
    let message = &state.messages[slot];
    let queue = state.queues.get(message.queue);
    let id = state.messages.id(slot);
    let record = match death_reason(state, slot, batch.now_ms) {
        Some(reason) => return death::commit(batch, death::decide(state, id, reason, 0)),
        None if message.place() == Place::Leased => lease_ended(message, queue, slot, batch.now_ms),
        None => Record::Due { message: id },
    };
    batch.commit(record);
}

/// Why the message whose timer fires can't be delivered any more. While it is leased its time to live waits.
fn death_reason(state: &State, slot: u32, now_ms: u64) -> Option<DeathReason> {
    let message = &state.messages[slot];
    if message.place() == Place::Leased && is_last(state, slot, state.queues.get(message.queue)) {
        return Some(DeathReason::LeaseEnded);
    }
    message.is_expired(now_ms).then_some(DeathReason::Expired)
}

fn lease_ended(message: &Message, queue: &Queue, slot: u32, now_ms: u64) -> Record {
    Record::Retried {
        message: crate::ids::MessageId {
            number: message.number,
            slot,
        },
        group: GROUP_DEFAULT,
        cause: FailureCause::LeaseEnded,
        due_ms: due_ms(message, queue, None, now_ms),
        priority: message.priority,
        error_bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, NewMessage};
    use crate::config::QueueConfig;
    use crate::reply::State as Shown;
    use crate::twin::{SECOND, Twin, config, message};

    fn reason(twin: &mut Twin, message: crate::ids::MessageId) -> DeathReason {
        let view = twin.message(message);
        assert_eq!(view.state, Shown::Dead);
        view.dead_letter.expect("a death").reason
    }

    #[test]
    fn a_lease_that_ends_is_a_failed_attempt() {
        let mut twin = Twin::new();
        twin.create(
            "q",
            QueueConfig {
                max_retries: 1,
                ..config()
            },
        );
        let id = twin.enqueue("q", message()).message;
        twin.receive("q", 1);
        twin.wait(30 * SECOND).step(vec![]);
        let view = twin.message(id);
        assert_eq!(
            (view.state, view.attempts, view.deliveries),
            (Shown::Delayed, 1, 1)
        );
        twin.now_ms = view.at_ms;
        assert_eq!(twin.receive("q", 1).len(), 1);
        twin.wait(30 * SECOND);
        assert_eq!(reason(&mut twin, id), DeathReason::LeaseEnded);
    }

    #[test]
    fn ready_delayed_and_blocked_messages_expire_and_a_leased_one_at_its_lease_s_end() {
        let mut twin = Twin::new();
        twin.create(
            "q",
            QueueConfig {
                ttl_ms: SECOND,
                ..config()
            },
        );
        let leased = twin.enqueue("q", message()).message;
        twin.receive("q", 1);
        let keyed = |ttl_ms| NewMessage {
            ordering_key: Some(1),
            ttl_ms,
            ..message()
        };
        let head = twin.enqueue("q", keyed(Some(0))).message;
        let blocked = twin.enqueue("q", keyed(None)).message;
        let ready = twin.enqueue("q", message()).message;
        let late = NewMessage {
            delay_ms: Some(9 * SECOND),
            ..message()
        };
        let delayed = twin.enqueue("q", late).message;
        let for_ever = twin
            .enqueue(
                "q",
                NewMessage {
                    ttl_ms: Some(0),
                    ..message()
                },
            )
            .message;
        twin.wait(SECOND - 1).step(vec![]);
        assert_eq!(twin.queue("q").counts.dead, 0);
        twin.wait(1).step(vec![]);
        for id in [ready, blocked, delayed] {
            assert_eq!(reason(&mut twin, id), DeathReason::Expired);
        }
        assert_eq!(twin.message(leased).state, Shown::Leased);
        assert_eq!(twin.message(head).state, Shown::Ready);
        assert_eq!(twin.message(for_ever).state, Shown::Ready);
        twin.wait(30 * SECOND);
        assert_eq!(reason(&mut twin, leased), DeathReason::Expired);
    }

    #[test]
    fn a_step_fires_a_bounded_number_and_asks_to_come_back() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let messages = vec![
            NewMessage {
                delay_ms: Some(5),
                ..message()
            };
            FIRED_PER_STEP_MAX as usize + 1
        ];
        twin.step(vec![Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic: false,
        }]);
        let step = twin.wait(5).step(vec![]);
        assert_eq!(step.woken, [("q".into(), u64::from(FIRED_PER_STEP_MAX))]);
        assert_eq!(step.next_deadline_ms, Some(twin.now_ms));
        let step = twin.step(vec![]);
        assert_eq!((step.records.len(), step.next_deadline_ms), (1, None));
    }
}
