//! explain: why a message is not being delivered now. It looks at all that a receive looks at, and tells each thing
//! that stands in the message's way, also those that would follow when the first one is gone.

use std::cmp::Reverse;

use crate::command::AHEAD_MAX;
use crate::config::Scheduling;
use crate::ids::MessageId;
use crate::message::{Message, NONE, Place};
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::reply::{Explanation, Reason, Reply};
use crate::state::State;
use crate::view;

pub(super) fn run(
    state: &State,
    id: MessageId,
    group: Option<&str>,
    now_ms: u64,
) -> Result<Reply, Rejection> {
    let slot = copy(state, id, group)?;
    let message = &state.messages[slot];
    let queue = state.queues.get(message.queue);
    Ok(Reply::Explained(Explanation {
        message: id,
        queue: (*queue.name).into(),
        group: (*queue.group.name).into(),
        state: view::shown(message.place()),
        reasons: reasons(state, slot, message, queue, now_ms),
    }))
}

/// The group's copy of the message.
fn copy(state: &State, id: MessageId, group: Option<&str>) -> Result<u32, Rejection> {
    let known = state.known(id).ok_or(Rejection::MessageNotFound)?;
    let Some(group) = group else { return Ok(known) };
    let name = &state.queues.get(state.messages[known].queue).name;
    let queue = state.queues.group(name, group)?;
    let of_group = |id: &MessageId| state.messages[id.slot].queue == queue.number;
    let copies = state.copies_of(id);
    let copy = copies.into_iter().find(of_group);
    copy.map(|id| id.slot).ok_or(Rejection::MessageNotFound)
}

fn reasons(state: &State, slot: u32, message: &Message, queue: &Queue, now_ms: u64) -> Vec<Reason> {
    let mut reasons = Vec::new();
    match message.place() {
        Place::Dead => {
            let death = state.history.death(slot, message);
            let reason = death.expect("a dead message died").reason;
            return vec![Reason::Dead { reason }];
        }
        Place::Leased => {
            let until_ms = state.deadlines.of(slot).expect("a lease ends");
            let holder = queue.members.holder(slot);
            let consumer = holder.map(|name| (**name).into());
            reasons.push(Reason::Leased { until_ms, consumer });
        }
        _ if message.is_expired(now_ms) => reasons.push(Reason::Expired),
        _ => {}
    }
    let waits = matches!(message.place(), Place::Delayed | Place::Blocked);
    if waits && message.at_ms() > now_ms {
        let until_ms = message.at_ms();
        reasons.push(Reason::Delayed { until_ms });
    }
    if message.place() == Place::Blocked {
        reasons.push(behind_its_key(state, message));
    }
    reasons.extend(of_its_member(state, slot, queue));
    reasons.extend(of_queue(queue, now_ms));
    if message.place() == Place::Ready {
        reasons.extend(behind_others(state, slot, queue));
    }
    reasons
}

fn behind_its_key(state: &State, message: &Message) -> Reason {
    assert!(message.key != NONE, "a blocked message has a key");
    let head = state.keys[message.key].head;
    let id = state.messages.id(head);
    Reason::OrderingKey {
        behind: state.copies.known_as(id),
        state: view::shown(state.messages[head].place()),
    }
}

/// The member that a ready message's key sticks to.
fn of_its_member(state: &State, slot: u32, queue: &Queue) -> Option<Reason> {
    let message = &state.messages[slot];
    let is_waiting = message.place() == Place::Ready && message.key != NONE;
    let key = is_waiting.then(|| state.keys[message.key].hash)?;
    let member = queue.members.of_key(key)?;
    Some(Reason::KeyAssigned {
        member: (**member).into(),
    })
}

/// What keeps a queue from handing anything out.
fn of_queue(queue: &Queue, now_ms: u64) -> impl Iterator<Item = Reason> {
    let paused = queue.paused.receive.then_some(Reason::Paused);
    let full = (queue.leases_left() == 0).then_some(Reason::QueueInFlight);
    let limited = queue.config.rate_limit.and_then(|limit| {
        let retry_after_ms = queue.limiter.retry_after_ms(limit, now_ms);
        (retry_after_ms > 0).then_some(Reason::QueueRateLimit { retry_after_ms })
    });
    paused.into_iter().chain(full).chain(limited)
}

/// As far as the order within levels and among them says; whose turn it is among keys isn't known before.
fn behind_others(state: &State, slot: u32, queue: &Queue) -> Option<Reason> {
    let place = |slot: u32| {
        let message = &state.messages[slot];
        let since_ms = i128::from(message.at_ms());
        let waited = match queue.config.scheduling {
            Scheduling::Fair { aging_ms } => {
                since_ms - i128::from(message.priority) * i128::from(aging_ms)
            }
            Scheduling::Strict => 0,
        };
        let at_ms = message.at_ms();
        (waited, Reverse(message.priority), at_ms, message.number)
    };
    let member = queue.members.of_list_name(state.list_of(slot));
    let lists = queue.lists_of(member.unwrap_or(""));
    let lists = lists.filter_map(|list| queue.lists.get(list));
    let ahead = lists
        .flat_map(|ready| ready.iter(&state.messages))
        .filter(|&other| place(other) < place(slot))
        .take(AHEAD_MAX as usize + 1);
    let ahead = ahead.count() as u32;
    (ahead > 0).then_some(Reason::Behind {
        ahead: ahead.min(AHEAD_MAX),
        more: ahead > AHEAD_MAX,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, NewMessage};
    use crate::config::QueueConfig;
    use crate::record::{DeathReason, Paused};
    use crate::reply::State as Shown;
    use crate::twin::{SECOND, Twin, ack, config, limit, message};

    fn explain(twin: &mut Twin, message: MessageId, group: Option<&str>) -> Explanation {
        let group = group.map(Into::into);
        match twin.ask(Command::ExplainMessage { message, group }) {
            Reply::Explained(explanation) => explanation,
            other => panic!("{other:?}"),
        }
    }

    fn reasons(twin: &mut Twin, message: MessageId) -> Vec<Reason> {
        explain(twin, message, None).reasons
    }

    #[test]
    fn a_message_that_goes_next_has_no_reason_and_others_say_how_many_go_first() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let messages = vec![message(); AHEAD_MAX as usize + 2];
        let (queue, atomic) = ("q".into(), false);
        let Reply::Enqueued(accepted) = twin.ask(Command::Enqueue {
            queue,
            messages,
            atomic,
        }) else {
            panic!("no results")
        };
        let id = |at: u32| accepted[at as usize].clone().expect("accepted").message;
        let first = explain(&mut twin, id(0), None);
        assert_eq!((first.reasons.len(), first.is_deliverable()), (0, true));
        for (at, ahead, more) in [
            (1, 1, false),
            (AHEAD_MAX, AHEAD_MAX, false),
            (AHEAD_MAX + 1, AHEAD_MAX, true),
        ] {
            let other = explain(&mut twin, id(at), None);
            assert_eq!(other.reasons, [Reason::Behind { ahead, more }]);
            assert!(other.is_deliverable());
        }
        let urgent = NewMessage {
            priority: 9,
            ..message()
        };
        twin.enqueue("q", urgent);
        let (ahead, more) = (1, false);
        assert_eq!(
            reasons(&mut twin, id(0)),
            [Reason::Behind { ahead, more }],
            "what has a higher priority goes first"
        );
    }

    #[test]
    fn every_state_says_what_it_waits_for() {
        let mut twin = Twin::new();
        let config = QueueConfig {
            max_retries: 0,
            ..config()
        };
        twin.create("q", config);
        let keyed = NewMessage {
            ordering_key: Some(1),
            delay_ms: Some(SECOND),
            ..message()
        };
        let [head, behind] = [(); 2].map(|()| twin.enqueue("q", keyed.clone()).message);
        let until_ms = twin.now_ms + SECOND;
        let key = |state| Reason::OrderingKey {
            behind: head,
            state,
        };
        let delayed = || Reason::Delayed { until_ms };
        assert_eq!(reasons(&mut twin, head), [delayed()]);
        assert_eq!(
            reasons(&mut twin, behind),
            [delayed(), key(Shown::Delayed)],
            "each thing that it waits for"
        );
        let lease = twin.wait(SECOND).receive("q", 1)[0].lease;
        let until_ms = twin.now_ms + 30 * SECOND;
        let held = explain(&mut twin, head, None);
        let consumer = None;
        assert_eq!(held.reasons, [Reason::Leased { until_ms, consumer }]);
        assert!(!held.is_deliverable());
        assert_eq!(reasons(&mut twin, behind), [key(Shown::Leased)]);
        twin.nack(lease, None);
        let reason = DeathReason::RetriesExhausted;
        assert_eq!(reasons(&mut twin, head), [Reason::Dead { reason }]);
        assert_eq!(reasons(&mut twin, behind), []);
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(ack(lease));
        let gone = Command::ExplainMessage {
            message: behind,
            group: None,
        };
        let gone = twin.ask(gone);
        assert_eq!(gone, Reply::Rejected(Rejection::MessageNotFound));
    }

    #[test]
    fn what_holds_the_queue_back_holds_its_messages_back() {
        let mut twin = Twin::new();
        let config = QueueConfig {
            rate_limit: limit(1, SECOND, 1),
            in_flight_max: 1,
            ..config()
        };
        twin.create("q", config);
        let [_, waiting] = [(); 2].map(|()| twin.enqueue("q", message()).message);
        twin.receive("q", 1);
        let what = Paused {
            enqueue: false,
            receive: true,
        };
        let name = "q".into();
        twin.ask(Command::PauseQueue { name, what });
        let retry_after_ms = SECOND;
        let explanation = explain(&mut twin, waiting, None);
        let limited = Reason::QueueRateLimit { retry_after_ms };
        assert_eq!(
            explanation.reasons,
            [Reason::Paused, Reason::QueueInFlight, limited]
        );
        assert!(!explanation.is_deliverable());
    }

    #[test]
    fn a_key_that_sticks_to_a_member_says_to_whom_and_a_lease_who_holds_it() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let keyed = NewMessage {
            ordering_key: Some(1),
            ..message()
        };
        let id = twin.enqueue("q", keyed).message;
        let mut receive = crate::twin::receive("q", 1);
        if let Command::Receive {
            consumer,
            messages_max,
            ..
        } = &mut receive
        {
            (*consumer, *messages_max) = ("a".into(), 0);
        }
        twin.ask(receive.clone());
        let waiting = explain(&mut twin, id, None);
        let member: Box<str> = "a".into();
        assert!(waiting.is_deliverable());
        let assigned = Reason::KeyAssigned {
            member: member.clone(),
        };
        assert_eq!(waiting.reasons, [assigned]);
        if let Command::Receive { messages_max, .. } = &mut receive {
            *messages_max = 1;
        }
        twin.ask(receive);
        let held = explain(&mut twin, id, None).reasons;
        assert!(matches!(&held[0], Reason::Leased { consumer, .. } if *consumer == Some(member)));
    }

    #[test]
    fn each_group_s_copy_has_its_own_reasons() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "audit");
        let id = twin.enqueue("q", message()).message;
        let lease = twin.receive("q", 1)[0].lease;
        let held = explain(&mut twin, id, None);
        assert_eq!((&*held.group, held.state), ("default", Shown::Leased));
        let free = explain(&mut twin, id, Some("audit"));
        assert_eq!((&*free.group, free.reasons.len()), ("audit", 0));
        twin.ask(ack(lease));
        let left = explain(&mut twin, id, None);
        assert_eq!((&*left.group, left.message), ("audit", id));
        let ask = |group: &str| Command::ExplainMessage {
            message: id,
            group: Some(group.into()),
        };
        let done = twin.ask(ask("default"));
        assert_eq!(done, Reply::Rejected(Rejection::MessageNotFound));
        let (queue, group) = ("q".into(), "nobody".into());
        let missing = Rejection::GroupNotFound { queue, group };
        assert_eq!(twin.ask(ask("nobody")), Reply::Rejected(missing));
    }
}
