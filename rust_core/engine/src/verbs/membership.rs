//! What the verbs of members share: who asks becomes a member, and keys follow a change of members.
//!
//! What a member held whose session ends comes back free of charge, since it may not have been begun. Once: what was
//! handed out in vain before may be what ends its consumers, so that is a failed attempt, as a lease that ends is.

use super::timers;
use crate::batch::Batch;
use crate::budget::{Budget, MEMBER_LEFT_BYTES_MAX, REASSIGNED_BYTES_MAX, RETURNED_BYTES_MAX};
use crate::ids::QueueNumber;
use crate::members::{Holder, NOBODY};
use crate::message::Message;
use crate::queue::Queue;
use crate::record::Record;
use crate::rejection::Rejection;

/// Messages that are assigned anew right when members change, so that nobody waits for the next step.
const REASSIGNED_AT_ONCE_MAX: u32 = 512;

/// And in a step, at less than two microseconds each.
const REASSIGNED_PER_STEP_MAX: u32 = 2048;

/// Leases of a member that leaves that are returned right then.
const RETURNED_AT_ONCE_MAX: u32 = 512;

/// And in a step.
const RETURNED_PER_STEP_MAX: u32 = 2048;

/// Leases of members whose sessions are over that are looked at in a step, before the members leave.
const LOST_PER_STEP_MAX: u32 = 2048;

/// Members whose sessions turn out to last longer than was noted, in a step.
const RANKED_PER_STEP_MAX: u32 = 1024;

/// `consumer` is a member of the group from here on, unless it has no name. As what it holds leases is the answer.
pub(super) fn join(
    batch: &mut Batch,
    number: QueueNumber,
    consumer: &str,
    members_max: u64,
) -> Result<Holder, Rejection> {
    let queue = batch.state().queues.get(number);
    let holder = queue.members.holder(consumer);
    if consumer.is_empty() || holder != NOBODY {
        return Ok(holder);
    }
    if queue.members.len() as u64 >= members_max {
        return Err(exhausted(queue, members_max));
    }
    batch.commit(Record::MemberJoined {
        queue: number,
        consumer: consumer.into(),
    });
    reassign_at_once(batch, number);
    Ok(batch.state().queues.get(number).members.holder(consumer))
}

fn exhausted(queue: &Queue, members_max: u64) -> Rejection {
    Rejection::MembersExhausted {
        queue: (*queue.name).into(),
        group: (*queue.group.name).into(),
        members_max,
    }
}

/// Answers how many leases `consumer` had.
pub(super) fn leave(batch: &mut Batch, number: QueueNumber, consumer: &str) -> u64 {
    let Some(member) = batch.state().queues.get(number).members.find(consumer) else {
        return 0;
    };
    let released = member.leases.len() as u64;
    batch.commit(Record::MemberLeft {
        queue: number,
        consumer: consumer.into(),
    });
    let max = RETURNED_AT_ONCE_MAX.min(batch.moves_left);
    batch.moves_left -= give_back_left(batch, number, max);
    reassign_at_once(batch, number);
    released
}

/// Answers how many leases of members that left were returned.
fn give_back_left(batch: &mut Batch, queue: QueueNumber, max: u32) -> u32 {
    let count = batch.state().queues.get(queue).members.to_return(max);
    if count > 0 {
        batch.commit(Record::Returned { queue, count });
    }
    count
}

/// What is left of what members held who left.
pub(super) fn return_due(batch: &mut Batch, budget: &mut Budget) {
    let mut left = RETURNED_PER_STEP_MAX;
    while let Some(&queue) = batch.state().returning.first() {
        if left == 0 || !budget.take(RETURNED_BYTES_MAX) {
            return;
        }
        let count = give_back_left(batch, queue, left);
        left -= count;
        if count == 0 {
            // The last of them ended by themselves.
            batch.change_volatile(|state| {
                state.returning.remove(&queue);
            });
        }
    }
}

/// Answers how many were assigned.
fn reassign(batch: &mut Batch, queue: QueueNumber, max: u32) -> u32 {
    let retired = batch.state().queues.get(queue).lists.retired();
    let count = retired.min(u64::from(max)) as u32;
    if count > 0 {
        batch.commit(Record::Reassigned { queue, count });
    }
    count
}

fn reassign_at_once(batch: &mut Batch, queue: QueueNumber) {
    let max = REASSIGNED_AT_ONCE_MAX.min(batch.moves_left);
    if max > 0 {
        batch.moves_left -= reassign(batch, queue, max);
    }
}

/// What is left of changes of members.
pub(super) fn reassign_due(batch: &mut Batch, budget: &mut Budget) {
    let mut left = REASSIGNED_PER_STEP_MAX;
    while let Some(&queue) = batch.state().reassigning.first() {
        if left == 0 || !budget.take(REASSIGNED_BYTES_MAX) {
            return;
        }
        left -= reassign(batch, queue, left);
    }
}

/// Members that were not seen for their session's time leave.
pub(super) fn end_sessions(batch: &mut Batch, budget: &mut Budget) {
    let (mut left, mut lost) = (RANKED_PER_STEP_MAX, LOST_PER_STEP_MAX);
    while let Some((first_ms, number, consumer)) = batch.state().sessions.first() {
        let now_ms = batch.now_ms;
        if *first_ms > now_ms {
            return;
        }
        let (number, consumer) = (*number, consumer.clone());
        let until_ms = batch.state().session_until_ms(number, &consumer);
        if until_ms.is_some_and(|until_ms| until_ms > now_ms) {
            if left == 0 {
                return;
            }
            left -= 1;
            batch.change_volatile(|state| state.rank_session(number, &consumer));
            continue;
        }
        if !fail_lost(batch, budget, number, &consumer, &mut lost)
            || !budget.take(MEMBER_LEFT_BYTES_MAX)
        {
            return;
        }
        leave(batch, number, &consumer);
    }
}

/// False: what the member holds is not looked at to its end in this step.
fn fail_lost(
    batch: &mut Batch,
    budget: &mut Budget,
    number: QueueNumber,
    consumer: &str,
    left: &mut u32,
) -> bool {
    let state = batch.state();
    let member = state.queues.get(number).members.find(consumer);
    let member = member.expect("a session is a member's");
    let slots = member.leases.from(member.lost_before);
    let mut slots: Vec<u32> = slots.take(*left as usize).collect();
    let looked_at = slots.len() as u32;
    let before = slots.last().map_or(member.lost_before, |last| last + 1);
    slots.retain(|&slot| in_vain(&state.messages[slot]));
    slots.sort_unstable_by_key(|&slot| state.messages[slot].number());
    for slot in slots {
        if !timers::fire(batch, slot, budget) {
            return false;
        }
    }
    *left -= looked_at;
    batch.change_volatile(|state| {
        let members = &mut state.queues.get_mut(number).members;
        let member = members.find_mut(consumer).expect("it is there");
        member.lost_before = before;
    });
    *left > 0
}

/// Whether a message was handed out before without a failed attempt having come of it.
fn in_vain(message: &Message) -> bool {
    message.deliveries - u32::from(message.attempts) > 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::TIMER_BYTES_MAX;
    use crate::command::{Command, NewMessage};
    use crate::config::QueueConfig;
    use crate::reply::{Delivered, Reply};
    use crate::twin::checkpoints::CheckpointMove;
    use crate::twin::turns::many;
    use crate::twin::{SECOND, Twin, config, message, receive};

    /// A queue whose members' sessions are over long before their leases.
    fn twin() -> Twin {
        let mut twin = Twin::new();
        let config = QueueConfig {
            session_timeout_ms: SECOND,
            max_retries: 9,
            ..config()
        };
        twin.create("q", config);
        twin
    }

    fn heartbeat(consumer: &str) -> Command {
        Command::Heartbeat {
            queue: "q".into(),
            group: "default".into(),
            consumer: consumer.into(),
            members_max: u64::MAX,
        }
    }

    fn leave(consumer: &str) -> Command {
        Command::Leave {
            queue: "q".into(),
            group: "default".into(),
            consumer: consumer.into(),
        }
    }

    fn received(twin: &mut Twin, name: &str, messages_max: u32) -> Vec<Delivered> {
        let mut command = receive("q", messages_max);
        if let Command::Receive { consumer, .. } = &mut command {
            *consumer = name.into();
        }
        match twin.ask(command) {
            Reply::Received { messages, .. } => messages,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn whoever_leaves_with_little_leaves_nothing_to_do() {
        let mut twin = twin();
        twin.ask(heartbeat("ann"));
        assert_eq!(twin.step(vec![leave("ann")]).records.len(), 1);
        twin.enqueue("q", message());
        assert_eq!(received(&mut twin, "ann", 1).len(), 1);
        let step = twin.step(vec![leave("ann")]);
        assert_eq!(step.records.len(), 2, "left, returned");
        assert_eq!(step.next_deadline_ms, None);
    }

    #[test]
    fn whoever_leaves_with_others_gives_back_so_much_at_once_and_the_rest_behind_them() {
        let mut twin = twin();
        let names = ["ann", "bob", "cat", "dan"];
        for name in names {
            let messages = vec![message(); RETURNED_AT_ONCE_MAX as usize];
            twin.step(vec![many("q", messages)]);
            received(&mut twin, name, RETURNED_AT_ONCE_MAX);
        }
        let step = twin.step(names.map(leave).into());
        assert_eq!(step.next_deadline_ms, Some(twin.now_ms));
        let returned = step.records.iter().map(|record| match record {
            Record::Returned { count, .. } => *count,
            _ => 0,
        });
        assert_eq!(returned.collect::<Vec<_>>(), [0, 512, 0, 512, 0, 0]);
    }

    #[test]
    fn a_delivery_that_failed_was_not_in_vain() {
        let mut twin = twin();
        let id = twin.enqueue("q", message()).message;
        let lease = received(&mut twin, "ann", 1)[0].lease;
        twin.nack(lease, Some(0));
        assert_eq!(received(&mut twin, "bob", 1)[0].lease.delivery, 2);
        twin.wait(SECOND).step(vec![]);
        assert_eq!(twin.group("q", "default").members, []);
        assert_eq!(twin.message(id).attempts, 1, "that one, and no other");
    }

    #[test]
    fn nobody_is_gone_before_all_that_it_held_was_looked_at() {
        let mut twin = twin();
        twin.ask(Command::Enqueue {
            queue: "q".into(),
            messages: vec![message(); LOST_PER_STEP_MAX as usize],
            atomic: true,
        });
        let urgent = NewMessage {
            priority: 9,
            ..message()
        };
        let last = twin.enqueue("q", urgent).message;
        assert_eq!(received(&mut twin, "ann", 1)[0].message, last);
        twin.ask(leave("ann"));
        let held: usize = (0..3).map(|_| received(&mut twin, "bob", 1000).len()).sum();
        assert_eq!(held as u32, LOST_PER_STEP_MAX + 1);
        twin.wait(SECOND);
        while twin.step(vec![]).next_deadline_ms == Some(twin.now_ms) {}
        assert_eq!(twin.group("q", "default").members, []);
        assert_eq!(twin.message(last).attempts, 1, "it was handed out in vain");
    }

    #[test]
    fn sessions_that_last_longer_are_noted_in_bounded_parts() {
        let mut twin = twin();
        let everybody = || {
            let names = (0..RANKED_PER_STEP_MAX + 6).map(|number| number.to_string());
            names.map(|name| heartbeat(&name)).collect()
        };
        twin.step(everybody());
        let began_ms = twin.now_ms;
        twin.wait(SECOND / 2).step(everybody());
        let next_ms = |twin: &mut Twin| twin.step(vec![]).next_deadline_ms;
        twin.wait(SECOND / 2);
        assert_eq!(next_ms(&mut twin), Some(began_ms + SECOND), "some are left");
        assert_eq!(next_ms(&mut twin), Some(began_ms + SECOND * 3 / 2));
    }

    #[test]
    fn whoever_takes_over_from_a_checkpoint_goes_on_assigning_keys() {
        let mut twin = twin();
        let keyed = (0..600).map(|key| NewMessage {
            ordering_key: Some(key),
            ..message()
        });
        twin.ask(Command::Enqueue {
            queue: "q".into(),
            messages: keyed.collect(),
            atomic: true,
        });
        twin.ask(heartbeat("ann"));
        twin.checkpoint(CheckpointMove::Begin);
        twin.checkpoint(CheckpointMove::End);
        twin.fence();
        twin.step(vec![]);
        assert_eq!(received(&mut twin, "ann", 1000).len(), 600);
    }

    #[test]
    fn keys_of_a_member_are_those_that_wait_for_it_and_those_that_it_holds() {
        let mut twin = twin();
        twin.ask(heartbeat("ann"));
        for ordering_key in [Some(1), Some(2), None] {
            twin.enqueue(
                "q",
                NewMessage {
                    ordering_key,
                    ..message()
                },
            );
        }
        let keys = |twin: &mut Twin| twin.group("q", "default").members[0].keys;
        assert_eq!(keys(&mut twin), 2);
        assert_eq!(received(&mut twin, "ann", 3).len(), 3);
        assert_eq!(keys(&mut twin), 2);
    }

    #[test]
    fn so_many_sessions_end_in_a_step_as_a_batch_has_room_for() {
        let mut twin = twin();
        let each = 267 + RETURNED_BYTES_MAX + REASSIGNED_BYTES_MAX;
        let most = TIMER_BYTES_MAX / each;
        let names = (0..=most).map(|number| number.to_string());
        twin.step(names.map(|name| heartbeat(&name)).collect());
        let step = twin.wait(SECOND).step(vec![]);
        assert_eq!(step.records.len() as u32, most);
        assert_eq!(twin.step(vec![]).records.len(), 1);
    }
}
