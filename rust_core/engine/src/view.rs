//! What the state looks like from outside: queues and messages as replies show them.

use crate::copies::Copy;
use crate::ids::MessageId;
use crate::members::Member;
use crate::message::{Message, NONE, Place};
use crate::queue::Queue;
use crate::reply::{
    DeadLetter, DoneView, Failures, GroupView, MemberView, MessageView, QueueView, State as Shown,
};
use crate::state::State;

/// A queue as replies show it.
pub(crate) fn queue(queue: &Queue) -> QueueView {
    QueueView {
        name: (*queue.name).into(),
        config: queue.config.clone(),
        created_at_ms: queue.created_at_ms,
        paused: queue.paused,
        counts: queue.counts,
        oldest_ready_ms: queue.lists.oldest_ms(),
    }
}

/// A consumer group as replies show it.
pub(crate) fn group(state: &State, group: &Queue) -> GroupView {
    let members = group.members.iter();
    GroupView {
        members: members
            .map(|(name, one)| member(state, group, name, one))
            .collect(),
        name: (*group.group.name).into(),
        queue: (*group.name).into(),
        created_at_ms: group.created_at_ms,
        counts: group.counts,
        oldest_ready_ms: group.lists.oldest_ms(),
    }
}

fn member(state: &State, group: &Queue, name: &str, member: &Member) -> MemberView {
    let keyed = |&slot: &u32| state.messages[slot].key != NONE;
    MemberView {
        consumer: name.into(),
        joined_at_ms: member.joined_at_ms,
        seen_ms: member.seen_ms.min(state.cursor.now_ms),
        leased: member.leases.len() as u64,
        keys: group.lists.count(member.list) + member.leases.iter().filter(keyed).count() as u64,
    }
}

/// The groups that got a message, as far as they are there still, and its state in each.
fn groups(state: &State, number: u64) -> Vec<(Box<str>, Option<Shown>)> {
    let Some(copied) = state.copies.find(number) else {
        return Vec::new();
    };
    let shown = |copy: &Copy| {
        let group = state.queues.try_get(copy.queue)?;
        let place = (copy.slot != NONE).then(|| state.messages[copy.slot].place());
        (!group.deleted).then(|| ((*group.group.name).into(), place.map(self::shown)))
    };
    copied.copies.iter().filter_map(shown).collect()
}

/// A message that is done and whose result is kept. Of a queue that is gone, or was purged since, nothing is shown.
pub(crate) fn done(state: &State, id: MessageId, now_ms: u64) -> Option<DoneView> {
    let done = state.results.find(id, now_ms)?;
    let queue = state.queues.try_get(done.queue);
    let queue = queue.filter(|queue| !queue.deleted)?;
    Some(DoneView {
        message: id,
        queue: (*queue.name).into(),
        done_at_ms: done.done_at_ms,
        expires_at_ms: done.expires_at_ms,
        result: done.result,
    })
}

/// A message as replies show it.
pub(crate) fn message(state: &State, slot: u32) -> MessageView {
    let message = &state.messages[slot];
    let queue = state.queues.get(message.queue);
    let own = state.history.own_retries(slot, message);
    MessageView {
        message: state.copies.known_as(state.messages.id(slot)),
        queue: (*queue.name).into(),
        state: shown(message.place()),
        priority: message.priority,
        deliveries: message.deliveries,
        attempts: u32::from(message.attempts),
        at_ms: message.at_ms(),
        expires_at_ms: state.ends_ms(slot, message),
        max_retries: own.max,
        backoff: own.backoff,
        envelope: message.envelope(),
        failures: failures(state, slot, message),
        dead_letter: dead_letter(state, slot, message),
        groups: groups(state, message.number()),
    }
}

/// Bytes of a message that an answer shows: its envelope, and the texts of its last error and of its death's.
pub(crate) fn answer_bytes(state: &State, slot: u32) -> u64 {
    let message = &state.messages[slot];
    let death = state.history.death(slot, message);
    let errors = [
        death.and_then(|death| death.failures),
        living_failures(state, slot, message),
    ];
    let errors = errors.into_iter().flatten();
    u64::from(message.envelope().length)
        + errors.map(|told| u64::from(told.error.length)).sum::<u64>()
}

/// True as long as what was taken fits an answer. The first message always does.
pub(crate) fn fits(state: &State, bytes_max: u64) -> impl FnMut(&u32) -> bool {
    let (mut left, mut first) = (bytes_max, true);
    move |&slot| {
        let rest = left.checked_sub(answer_bytes(state, slot));
        left = rest.unwrap_or(0);
        std::mem::take(&mut first) || rest.is_some()
    }
}

/// How a message failed that lives on. Of a dead one its death tells.
pub(crate) fn failures(state: &State, slot: u32, message: &Message) -> Option<Box<Failures>> {
    living_failures(state, slot, message).map(Box::new)
}

fn living_failures(state: &State, slot: u32, message: &Message) -> Option<Failures> {
    let lives = message.place() != Place::Dead;
    lives.then(|| state.history.failures(slot, message))?
}

/// How a message died, if it did.
pub(crate) fn dead_letter(state: &State, slot: u32, message: &Message) -> Option<Box<DeadLetter>> {
    state
        .history
        .death(slot, message)
        .map(|death| Box::new(death.view()))
}

/// A place as replies show it.
pub(crate) fn shown(place: Place) -> Shown {
    match place {
        Place::Ready => Shown::Ready,
        Place::Blocked => Shown::Blocked,
        Place::Delayed => Shown::Delayed,
        Place::Leased => Shown::Leased,
        Place::Dead => Shown::Dead,
        Place::Free => unreachable!("a free slot isn't shown"),
    }
}
