//! What time does by itself, at the start of a step: delays end, leases end, messages expire, and what deleted
//! queues left is taken away. All in bounded parts; what is left keeps the next deadline at now.
//!
//! A deleted queue's timers mean nothing and hold up nobody's: one that is due just leaves the heap.

use super::death::{self, Death};
use super::membership;
use super::nack::{due_ms, is_last};
use super::retention;
use crate::batch::Batch;
use crate::budget::{Budget, FIRED_BYTES_MAX, REAPED_BYTES_MAX};
use crate::message::Place;
use crate::record::{DeathReason, FailureCause, Record};
use crate::state::State;

/// Messages of deleted queues, and as many dedup entries, that go in one step.
pub const REAPED_PER_STEP_MAX: u32 = 1024;

/// Deleted queues that something is taken from in one step, a record each.
const REAPED_QUEUES_PER_STEP_MAX: u32 = 256;

/// Timers of deleted queues that are put out in one step. They leave no record.
const DISARMED_PER_STEP_MAX: u32 = 2048;

pub(crate) fn run(batch: &mut Batch, budget: &mut Budget) {
    reap(batch, budget);
    let mut retired = retention::RETIRED_PER_STEP_MAX;
    retention::run(batch, budget, &mut retired);
    membership::return_due(batch, budget);
    membership::reassign_due(batch, budget);
    // A lease that ended by itself is a failed attempt, also when its holder's session is over by now.
    if fire_due(batch, budget) {
        membership::end_sessions(batch, budget);
        // Dead letters that came back just now may have been kept for long enough.
        retention::run(batch, budget, &mut retired);
    }
}

/// False: some are left for the next step.
fn fire_due(batch: &mut Batch, budget: &mut Budget) -> bool {
    let mut disarmed = 0;
    while let Some(timer) = batch.state().deadlines.first() {
        let (state, slot) = (batch.state(), timer.slot());
        if timer.deadline_ms() > batch.now_ms {
            return true;
        }
        if state.queues.get(state.messages[slot].queue).deleted {
            if disarmed == DISARMED_PER_STEP_MAX {
                return false;
            }
            batch.disarm(slot);
            disarmed += 1;
        } else if !fire(batch, slot, budget) {
            return false;
        }
    }
    true
}

/// Takes from the queue that was deleted first, then from the next ones, until the count is used up.
fn reap(batch: &mut Batch, budget: &mut Budget) {
    let mut left = REAPED_PER_STEP_MAX;
    for _ in 0..REAPED_QUEUES_PER_STEP_MAX {
        let Some(queue) = batch.state().queues.reaping() else {
            return;
        };
        let count = bounded(queue.messages(), left);
        let dedup_entries = bounded(queue.dedup.len() as u64, left);
        if left == 0 || !budget.take(REAPED_BYTES_MAX) {
            return;
        }
        left -= count.max(dedup_entries);
        let queue = queue.number;
        batch.commit(Record::Reaped {
            queue,
            count,
            dedup_entries,
        });
    }
}

fn bounded(count: u64, max: u32) -> u32 {
    count.min(u64::from(max)) as u32
}

/// False: the budget doesn't allow it in this step.
pub(super) fn fire(batch: &mut Batch, slot: u32, budget: &mut Budget) -> bool {
    let state = batch.state();
    let message = &state.messages[slot];
    let id = state.messages.id(slot);
    let death =
        death_reason(state, slot, batch.now_ms).map(|reason| death::decide(state, id, reason, 0));
    if !budget.take(death.as_ref().map_or(FIRED_BYTES_MAX, Death::bytes_max)) {
        return false;
    }
    match death {
        Some(death) => death::commit(batch, death),
        None if message.place() == Place::Leased => {
            let record = lease_ended(state, slot, batch.now_ms);
            batch.commit(record);
        }
        None => batch.commit(Record::Due { message: id }),
    }
    true
}

/// Why the message whose timer fires can't be delivered any more. While it is leased its time to live waits.
fn death_reason(state: &State, slot: u32, now_ms: u64) -> Option<DeathReason> {
    let message = &state.messages[slot];
    if message.place() == Place::Leased && is_last(state, slot, state.queues.get(message.queue)) {
        return Some(DeathReason::LeaseEnded);
    }
    message.is_expired(now_ms).then_some(DeathReason::Expired)
}

fn lease_ended(state: &State, slot: u32, now_ms: u64) -> Record {
    let message = &state.messages[slot];
    let queue = state.queues.get(message.queue);
    Record::Retried {
        message: state.messages.id(slot),
        group: queue.group.number,
        cause: FailureCause::LeaseEnded,
        due_ms: due_ms(state, slot, queue, None, now_ms),
        priority: message.priority,
        error_bytes: 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{DEAD_LETTER_QUEUE_BYTES_MAX, TIMER_BYTES_MAX};
    use crate::command::{Command, NewMessage};
    use crate::config::QueueConfig;
    use crate::reply::State as Shown;
    use crate::twin::turns::many;
    use crate::twin::{SECOND, Twin, config, message, receive};

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

    fn late(delay_ms: u64, count: u32) -> Command {
        let message = NewMessage {
            delay_ms: Some(delay_ms),
            ..message()
        };
        Command::Enqueue {
            queue: "q".into(),
            messages: vec![message; count as usize],
            atomic: false,
        }
    }

    #[test]
    fn a_step_fires_a_bounded_number_and_asks_to_come_back() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let fired = TIMER_BYTES_MAX / FIRED_BYTES_MAX;
        twin.step(vec![late(5, fired + 1)]);
        let step = twin.wait(5).step(vec![]);
        assert_eq!(step.woken, [("q".into(), u64::from(fired))]);
        assert_eq!(step.next_deadline_ms, Some(twin.now_ms));
        let step = twin.step(vec![]);
        assert_eq!((step.records.len(), step.next_deadline_ms), (1, None));
    }

    #[test]
    fn timers_keep_up_with_whatever_comes_delayed() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let each = TIMER_BYTES_MAX / FIRED_BYTES_MAX + 500;
        (0..8).for_each(|_| {
            twin.step(vec![late(10, each)]);
            twin.wait(10);
        });
        assert_eq!(twin.step(vec![]).next_deadline_ms, Some(twin.now_ms));
        twin.step(vec![]);
        let counts = twin.queue("q").counts;
        assert_eq!((counts.delayed, counts.ready), (0, u64::from(8 * each)));
    }

    #[test]
    fn deaths_that_make_queues_take_more_of_the_budget() {
        let mut twin = Twin::new();
        let each = FIRED_BYTES_MAX + DEAD_LETTER_QUEUE_BYTES_MAX + "dead000".len() as u32;
        let count = TIMER_BYTES_MAX / each + 1;
        for i in 0..count {
            let name = format!("q{i}");
            let dead_letter_queue = Some(format!("dead{i:03}").into());
            let config = QueueConfig {
                dead_letter_queue,
                ttl_ms: SECOND,
                ..config()
            };
            let create = Command::CreateQueue {
                name: name.as_str().into(),
                config: config.into(),
            };
            let enqueue = Command::Enqueue {
                queue: name.into(),
                messages: vec![message()],
                atomic: false,
            };
            let delete = Command::DeleteQueue {
                name: format!("dead{i:03}").into(),
            };
            twin.step(vec![create, enqueue, delete]);
        }
        let dead = |records: &[Record]| {
            let died = |record: &&Record| matches!(record, Record::DeadLettered { .. });
            records.iter().filter(died).count() as u32
        };
        assert_eq!(dead(&twin.wait(SECOND).step(vec![]).records), count - 1);
        assert_eq!(dead(&twin.step(vec![]).records), 1);
    }

    #[test]
    fn a_deleted_queue_s_timers_hold_up_nobody() {
        let mut twin = Twin::new();
        ["big", "q", "live"].iter().for_each(|name| {
            twin.create(name, config());
        });
        let messages = vec![message(); 3 * REAPED_PER_STEP_MAX as usize];
        twin.step(vec![Command::Enqueue {
            queue: "big".into(),
            messages,
            atomic: false,
        }]);
        twin.step(vec![late(SECOND, 5)]);
        let due = NewMessage {
            delay_ms: Some(SECOND + 1),
            ..message()
        };
        twin.enqueue("live", due);
        let delete = ["big", "q"].map(|name| Command::DeleteQueue { name: name.into() });
        twin.step(delete.into());
        twin.wait(SECOND + 1);
        assert_eq!(twin.receive("live", 1).len(), 1);
    }

    #[test]
    fn small_deleted_queues_go_many_a_step() {
        let mut twin = Twin::new();
        let count = REAPED_QUEUES_PER_STEP_MAX + 1;
        for i in 0..count {
            twin.create(&format!("q{i}"), config());
            twin.enqueue(&format!("q{i}"), message());
        }
        let delete = |i| Command::DeleteQueue {
            name: format!("q{i}").into(),
        };
        twin.step((0..count).map(delete).collect());
        twin.step(vec![]);
        assert_eq!(twin.live.message_count(), 1);
        twin.step(vec![]);
        assert_eq!(twin.live.message_count(), 0);
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
    }

    #[test]
    fn timers_of_a_deleted_queue_are_put_out_in_bounded_parts() {
        let mut twin = Twin::new();
        twin.create("q", config());
        // Each is due before the one before it.
        let delayed = |number: u64| NewMessage {
            delay_ms: Some(5000 - number),
            ..message()
        };
        twin.step(vec![many("q", (0..4000).map(delayed).collect())]);
        let delete = Command::DeleteQueue { name: "q".into() };
        twin.step(vec![delete]);
        twin.wait(5 * SECOND).step(vec![]);
        let left = 4000 - REAPED_PER_STEP_MAX - DISARMED_PER_STEP_MAX;
        assert_eq!(twin.live.state().deadlines.len() as u32, left);
    }

    #[test]
    fn without_room_in_the_batch_nothing_is_recorded() {
        let mut twin = Twin::new();
        for name in ["q", "gone"] {
            twin.create(name, config());
        }
        twin.enqueue("gone", message());
        let keyed = (0..2000).map(|key| NewMessage {
            ordering_key: Some(key),
            ..message()
        });
        let enqueue = |messages| Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic: false,
        };
        let (plain, keyed) = (vec![message(); 600], keyed.collect());
        twin.step(vec![enqueue(plain), enqueue(keyed)]);
        let mut poll = receive("q", 1000);
        if let Command::Receive { consumer, .. } = &mut poll {
            *consumer = "ann".into();
        }
        let leave = Command::Leave {
            queue: "q".into(),
            group: "default".into(),
            consumer: "ann".into(),
        };
        let delete = Command::DeleteQueue {
            name: "gone".into(),
        };
        // More than a step does at once of each, and leases that end.
        twin.step(vec![poll, leave, delete]);
        let now_ms = twin.now_ms + 60 * SECOND;
        let state = twin.live.state_mut();
        assert!(!state.returning.is_empty() && !state.reassigning.is_empty());
        assert!(state.queues.reaping().is_some() && state.deadlines.first().is_some());
        let (mut records, mut blobs, mut budget) = (vec![], vec![], Budget::new(0));
        let mut batch = Batch::new(state, now_ms, (&mut records, &mut blobs));
        while budget.take(1) {}
        run(&mut batch, &mut budget);
        assert!(batch.is_empty());
    }
}
