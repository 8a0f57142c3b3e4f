//! explain: why a message is not being delivered now. It looks at all that a receive looks at, and tells each thing
//! that stands in the message's way, also those that would follow when the first one is gone. Of one that is done it tells
//! that, as long as a group holds it still or its result is kept.

use super::line::Order;
use crate::command::AHEAD_MAX;
use crate::copies::Copied;
use crate::dispatch::held_until_ms;
use crate::ids::MessageId;
use crate::lanes::UNTIL_DONE;
use crate::message::{Message, NONE, Place};
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::reply::{Explanation, KeptResult, Reason, Reply};
use crate::results::Done;
use crate::state::State;
use crate::view;

pub(super) fn run(
    state: &State,
    id: MessageId,
    group: Option<&str>,
    consumer: Option<&str>,
    now_ms: u64,
) -> Result<Reply, Rejection> {
    let Some(slot) = copy(state, id, group)? else {
        return done(state, id, group, now_ms).map(Reply::Explained);
    };
    let message = &state.messages[slot];
    let queue = state.queues.get(message.queue);
    let case = Case {
        state,
        queue,
        slot,
        message,
        now_ms,
    };
    Ok(Reply::Explained(Explanation {
        message: id,
        queue: (*queue.name).into(),
        group: (*queue.group.name).into(),
        state: Some(view::shown(message.place())),
        reasons: case.reasons(consumer),
    }))
}

/// The group's copy of the message; None: it holds none.
fn copy(state: &State, id: MessageId, group: Option<&str>) -> Result<Option<u32>, Rejection> {
    let Some((known, group)) = state.known(id).zip(group) else {
        return Ok(state.known(id));
    };
    let name = &state.queues.get(state.messages[known].queue).name;
    let queue = state.queues.group(name, group)?;
    let of_group = |id: &MessageId| state.messages[id.slot].queue == queue.number;
    let copies = state.copies_of(id);
    Ok(copies.into_iter().find(of_group).map(|id| id.slot))
}

/// Of a message that the group is done with, or all are.
fn done(
    state: &State,
    id: MessageId,
    group: Option<&str>,
    now_ms: u64,
) -> Result<Explanation, Rejection> {
    let result = state.results.find(id, now_ms);
    let number = match state.known(id) {
        Some(slot) => state.queues.get(state.messages[slot].queue).group.source,
        None => result.ok_or(Rejection::MessageNotFound)?.queue,
    };
    let source = state.queues.try_get(number).filter(|queue| !queue.deleted);
    let source = source.ok_or(Rejection::MessageNotFound)?;
    let left = |done: &&Done| {
        let mut groups = state.queues.groups_of(source);
        groups.find(|queue| queue.group.number == done.group)
    };
    let queue = match group {
        Some(group) => state.queues.group(&source.name, group)?,
        None => result.as_ref().and_then(left).unwrap_or(source),
    };
    let got_it = |copied: &Copied| copied.copies.iter().any(|copy| copy.queue == queue.number);
    let never_had_it = match (state.known(id), result) {
        (Some(_), _) => !state.copies.of(id).is_some_and(got_it),
        (None, result) => result.is_some_and(|done| done.done_at_ms < queue.created_at_ms),
    };
    if never_had_it {
        let group = (*queue.group.name).into();
        return Err(Rejection::NotInGroup { group });
    }
    let result = result.filter(|done| done.group == queue.group.number);
    let result = result.map(|done| KeptResult {
        done_at_ms: done.done_at_ms,
        expires_at_ms: done.expires_at_ms,
    });
    Ok(Explanation {
        message: id,
        queue: (*queue.name).into(),
        group: (*queue.group.name).into(),
        state: None,
        reasons: vec![Reason::Done { result }],
    })
}

/// One copy of a message, and where it is.
struct Case<'a> {
    state: &'a State,
    queue: &'a Queue,
    slot: u32,
    message: &'a Message,
    now_ms: u64,
}

impl Case<'_> {
    fn reasons(&self, consumer: Option<&str>) -> Vec<Reason> {
        let place = self.message.place();
        if place == Place::Dead {
            let death = self.state.history.death(self.slot, self.message);
            let reason = death.expect("a dead message died").reason;
            return vec![Reason::Dead { reason }];
        }
        // What holds back those that wait is not in its way: some of it is its own lease.
        if place == Place::Leased {
            return vec![self.leased()];
        }
        let mut reasons: Vec<Reason> = self.of_message().collect();
        let member = self.member();
        let comes = consumer.filter(|consumer| self.comes(self.slot, consumer));
        if let Some(member) = member.filter(|_| comes.is_none()) {
            reasons.push(Reason::KeyAssigned {
                member: member.into(),
                elsewhere: consumer.is_some_and(|consumer| consumer != member),
            });
        }
        reasons.extend(self.of_queue());
        reasons.extend(consumer.or(member).and_then(|one| self.of_consumer(one)));
        let of_key = self.of_fairness_key();
        if place == Place::Ready && of_key.is_none() {
            reasons.extend(self.behind_others(consumer.or(member)));
        }
        reasons.extend(of_key);
        reasons
    }

    /// What it waits for by itself.
    fn of_message(&self) -> impl Iterator<Item = Reason> {
        let (place, at_ms) = (self.message.place(), self.message.at_ms());
        let expired = self.state.is_over(self.slot, self.message, self.now_ms);
        let waits = matches!(place, Place::Delayed | Place::Blocked) && at_ms > self.now_ms;
        let blocked = (place == Place::Blocked).then(|| self.behind_its_key());
        let is_letter = !self.message.is_expired(self.now_ms);
        let expired = expired.then_some(Reason::Expired { is_letter });
        let delayed = waits.then_some(Reason::Delayed { until_ms: at_ms });
        let reasons = [expired, delayed, blocked];
        reasons.into_iter().flatten()
    }

    fn leased(&self) -> Reason {
        let holder = self.queue.members.name(self.message.holder);
        Reason::Leased {
            until_ms: self.message.leased_until_ms().expect("it is leased"),
            consumer: holder.map(|name| (**name).into()),
        }
    }

    fn behind_its_key(&self) -> Reason {
        let (state, key) = (self.state, self.message.key);
        assert!(key != NONE, "a blocked message has a key");
        let head = state.keys[key].head;
        Reason::OrderingKey {
            behind: state.copies.known_as(state.messages.id(head)),
            state: view::shown(state.messages[head].place()),
        }
    }

    /// The member that its ordering key sticks to.
    fn member(&self) -> Option<&str> {
        if self.message.key == NONE {
            return None;
        }
        let key = self.state.keys[self.message.key].hash;
        self.queue.members.of_key(key).map(|owner| &*owner.name)
    }

    /// Whoever asks becomes a member, and of the ordering keys at rest some follow.
    fn is_newcomer(&self, consumer: &str) -> bool {
        let members = &self.queue.members;
        !consumer.is_empty() && !members.is_empty() && members.find(consumer).is_none()
    }

    /// Whether the ordering key of the message in `slot` would come to `consumer`, a newcomer.
    fn comes(&self, slot: u32, consumer: &str) -> bool {
        let message = &self.state.messages[slot];
        if message.key == NONE || !self.is_newcomer(consumer) {
            return false;
        }
        let key = &self.state.keys[message.key];
        let at_rest = self.state.messages[key.head].place() != Place::Leased;
        at_rest && self.queue.members.would_have(key.hash, consumer)
    }

    /// Whether a ready message of the lists that are looked at for `consumer` is for it.
    fn is_for(&self, slot: u32, consumer: &str) -> bool {
        let has_key = self.state.messages[slot].key != NONE;
        !has_key || !self.is_newcomer(consumer) || self.comes(slot, consumer)
    }

    /// What keeps the queue from handing anything out.
    fn of_queue(&self) -> impl Iterator<Item = Reason> {
        let queue = self.queue;
        let paused = queue.paused.receive.then_some(Reason::Paused);
        let full = (queue.leases_left() == 0).then_some(Reason::QueueInFlight);
        let retry_after_ms = queue.retry_after_ms(self.now_ms);
        let limited = (retry_after_ms > 0).then_some(Reason::QueueRateLimit { retry_after_ms });
        [paused, full, limited].into_iter().flatten()
    }

    fn of_consumer(&self, consumer: &str) -> Option<Reason> {
        let retry_after_ms = self.queue.consumer_retry_after_ms(consumer, self.now_ms);
        (retry_after_ms > 0).then_some(Reason::ConsumerRateLimit { retry_after_ms })
    }

    fn of_fairness_key(&self) -> Option<Reason> {
        let Queue {
            config, dispatch, ..
        } = self.queue;
        let (flow, now_ms, flows) = (self.message.flow, self.now_ms, &self.state.flows);
        match held_until_ms(config, dispatch, flow, now_ms, |flow| flows[flow])? {
            UNTIL_DONE => Some(Reason::KeyInFlight),
            until_ms => Some(Reason::KeyRateLimit {
                retry_after_ms: until_ms - now_ms,
            }),
        }
    }

    /// Messages that would go to the same consumer before it, as far as it may have it.
    fn behind_others(&self, consumer: Option<&str>) -> Option<Reason> {
        let own = self.state.list_of(self.slot);
        let consumer = consumer.unwrap_or_default();
        let holder = self.queue.members.holder(consumer);
        let mut lists: Vec<_> = self.queue.lists_of(holder).collect();
        if self.is_newcomer(consumer) {
            let members = self.queue.members.iter();
            lists.extend(members.map(|(_, member)| member.list));
        }
        if !lists.contains(&own) {
            lists.push(own);
        }
        let mut order = Order::of(self.state, self.queue, lists.into_iter(), self.now_ms);
        let before = order.by_ref().take_while(|&other| other != self.slot);
        let before: Vec<u32> = before.take(AHEAD_MAX as usize + 1).collect();
        let goes_first = |&&slot: &&u32| self.is_for(slot, consumer);
        let ahead = before.iter().filter(goes_first).count() as u32;
        // Of those that were not looked at it may be none.
        let more = order.is_cut_short || before.len() > AHEAD_MAX as usize;
        (ahead > 0).then(|| Reason::Behind {
            ahead: ahead - u32::from(more),
            more,
        })
    }
}

#[cfg(test)]
mod tests;
