//! receive: leases the messages whose turn it is, one after the other, as many as asked for and as the limits allow.

use super::{attempt, membership};
use crate::batch::{Batch, Leasing};
use crate::ids::{GroupNumber, LeaseId, QueueNumber};
use crate::lanes::UNTIL_DONE;
use crate::members::Holder;
use crate::queue::Queue;
use crate::ready::Front;
use crate::record::Lease;
use crate::rejection::Rejection;
use crate::reply::{Delivered, Limited, LimitedBy, Reply};
use crate::state::State;
use crate::view;

/// Lanes that one receive parks and takes back at most, so that it takes no longer however many keys are limited.
const VISITS_MAX: u32 = 1024;

/// When a receive that looked at so many may go on.
const GO_ON_AFTER_MS: u64 = 1;

pub(super) struct Request {
    pub queue: Box<str>,
    pub group: Box<str>,
    pub consumer: Box<str>,
    pub members_max: u64,
    pub wait_ms: u64,
    pub messages_max: u32,
    pub visibility_timeout_ms: Option<u64>,
    pub answer_bytes_max: u64,
    pub attempt: Option<u128>,
}

pub(super) fn run(batch: &mut Batch, request: Request) -> Result<Reply, Rejection> {
    let (now_ms, state) = (batch.now_ms, batch.state());
    let number = state.queues.group(&request.queue, &request.group)?.number;
    let holder = membership::join(batch, number, &request.consumer, request.members_max)?;
    let messages = attempt::leases(batch, number, request.attempt);
    let reply = match messages.is_empty() {
        true => lease(batch, number, holder, &request),
        false => Reply::Received {
            messages,
            limited: None,
        },
    };
    let found = matches!(&reply, Reply::Received { messages, .. } if !messages.is_empty());
    let until_ms = if found {
        now_ms
    } else {
        now_ms.saturating_add(request.wait_ms)
    };
    batch.change_volatile(|state| state.see_until(number, holder, until_ms));
    Ok(reply)
}

fn lease(batch: &mut Batch, number: QueueNumber, holder: Holder, request: &Request) -> Reply {
    let (now_ms, state) = (batch.now_ms, batch.state());
    let queue = state.queues.get(number);
    if queue.paused.receive {
        return Reply::Received {
            messages: Vec::new(),
            limited: Some(Limited {
                by: LimitedBy::Paused,
                retry_after_ms: None,
            }),
        };
    }
    let answer_bytes_max = request.answer_bytes_max;
    let timeout_ms = request
        .visibility_timeout_ms
        .unwrap_or(queue.config.visibility_timeout_ms);
    let until_ms = now_ms.saturating_add(timeout_ms);
    let tokens = queue
        .tokens(now_ms)
        .min(queue.consumer_tokens(&request.consumer, now_ms));
    let tokens = u64::from(tokens).min(queue.leases_left());
    let count = tokens.min(u64::from(request.messages_max)) as usize;
    let (group, consumer) = (queue.group.number, &*request.consumer);
    let lists = queue.lists_of(holder);
    let messages_max = queue.ready_for(holder).min(count as u64) as usize;
    let (mut messages, mut visits) = (Vec::with_capacity(messages_max), VISITS_MAX);
    let (mut left, mut front) = (answer_bytes_max, Front::Nothing);
    let leasing = Leasing {
        queue: number,
        group,
        holder,
        until_ms,
        attempt: request.attempt,
        messages_max,
    };
    batch.lease(leasing, |state| {
        if messages.len() == count {
            return None;
        }
        front = state.front_of(number, lists.clone(), &mut visits);
        let Front::Message { slot, .. } = front else {
            return None;
        };
        let message = &state.messages[slot];
        let rest = left.checked_sub(view::answer_bytes(state, slot));
        // An expired one is not passed over: its timer, which had to wait for its turn, is due now.
        if state.is_over(slot, message, now_ms) || (rest.is_none() && !messages.is_empty()) {
            return None;
        }
        left = rest.unwrap_or(0);
        let lease = Lease {
            message: state.messages.id(slot),
            delivery: message.deliveries + 1,
        };
        messages.push(deliver(state, lease, group, until_ms));
        Some(lease)
    });
    let limited = match messages.is_empty() {
        true => {
            let queue = batch.state().queues.get(number);
            limited(queue, (consumer, holder), now_ms, front)
        }
        false => None,
    };
    Reply::Received { messages, limited }
}

pub(super) fn deliver(
    state: &State,
    lease: Lease,
    group: GroupNumber,
    leased_until_ms: u64,
) -> Delivered {
    let Lease {
        message: id,
        delivery,
    } = lease;
    let message = &state.messages[id.slot];
    Delivered {
        message: state.copies.known_as(id),
        lease: LeaseId {
            message: id,
            group,
            delivery,
        },
        priority: message.priority,
        attempts: u32::from(message.attempts),
        ready_since_ms: message.since_ms(),
        told: 0,
        leased_until_ms,
        expires_at_ms: state.ends_ms(id.slot, message),
        envelope: message.envelope(),
        failures: view::failures(state, id.slot, message),
        dead_letter: view::dead_letter(state, id.slot, message),
    }
}

/// Nothing of what is ready is this consumer's. What is being assigned anew may be in a moment.
fn assigned(queue: &Queue) -> Option<Limited> {
    let moves = queue.lists.has_retired();
    (queue.counts.ready > 0).then_some(Limited {
        by: LimitedBy::KeyAssigned,
        retry_after_ms: moves.then_some(GO_ON_AFTER_MS),
    })
}

/// Why a queue with ready messages hands out none.
fn limited(
    queue: &Queue,
    (consumer, holder): (&str, Holder),
    now_ms: u64,
    front: Front,
) -> Option<Limited> {
    if queue.ready_for(holder) == 0 {
        return assigned(queue);
    }
    if queue.leases_left() == 0 {
        return Some(Limited {
            by: LimitedBy::InFlight,
            retry_after_ms: None,
        });
    }
    let limits = [
        (LimitedBy::QueueRateLimit, queue.retry_after_ms(now_ms)),
        (
            LimitedBy::Consumer,
            queue.consumer_retry_after_ms(consumer, now_ms),
        ),
    ];
    for (by, retry_after_ms) in limits {
        if retry_after_ms > 0 {
            let retry_after_ms = Some(retry_after_ms);
            return Some(Limited { by, retry_after_ms });
        }
    }
    let retry_after_ms = match front {
        Front::Message { .. } => return None,
        Front::Later => Some(GO_ON_AFTER_MS),
        Front::Nothing => match queue.parked_until_ms(holder)? {
            UNTIL_DONE => None,
            until_ms => Some(until_ms.saturating_sub(now_ms)),
        },
    };
    Some(Limited {
        by: LimitedBy::Key,
        retry_after_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::{FIRED_BYTES_MAX, TIMER_BYTES_MAX};
    use crate::command::{Blob, Command, NewMessage};
    use crate::config::{QueueConfig, Scheduling};
    use crate::twin::{SECOND, Twin, config, limit, message, receive};

    #[test]
    fn no_more_are_leased_than_may_be_and_each_end_of_a_lease_wakes() {
        let mut twin = Twin::new();
        let config = QueueConfig {
            in_flight_max: 2,
            ..config()
        };
        twin.create("q", config);
        (0..4).for_each(|_| {
            twin.enqueue("q", message());
        });
        let leases = twin.receive("q", 9);
        assert_eq!(leases.len(), 2);
        let step = twin.step(vec![receive("q", 9)]);
        let limited = Some(Limited {
            by: LimitedBy::InFlight,
            retry_after_ms: None,
        });
        let messages = vec![];
        assert_eq!(step.replies, [Reply::Received { messages, limited }]);
        let step = twin.step(vec![crate::twin::ack(leases[0].lease)]);
        assert_eq!(step.woken, [("q".into(), 1)]);
        assert_eq!(twin.receive("q", 9).len(), 1);
        let step = twin.wait(30 * SECOND).step(vec![]);
        assert_eq!(step.woken, [("q".into(), 1)], "one is left");
        assert_eq!(twin.receive("q", 9).len(), 1);
    }

    fn numbers(delivered: &[Delivered]) -> Vec<u64> {
        delivered
            .iter()
            .map(|delivered| delivered.lease.message.number)
            .collect()
    }

    #[test]
    fn by_priority_then_first_in_first_out() {
        let mut twin = Twin::new();
        twin.create(
            "q",
            QueueConfig {
                scheduling: Scheduling::Strict,
                ..config()
            },
        );
        for priority in [1, 9, 1, 9, 0] {
            twin.enqueue(
                "q",
                NewMessage {
                    priority,
                    ..message()
                },
            );
        }
        assert_eq!(numbers(&twin.receive("q", 2)), [2, 4]);
        assert_eq!(numbers(&twin.receive("q", 9)), [1, 3, 5]);
    }

    #[test]
    fn a_fair_queue_starves_nobody() {
        let mut twin = Twin::new();
        twin.create(
            "q",
            QueueConfig {
                scheduling: Scheduling::Fair { aging_ms: SECOND },
                ..config()
            },
        );
        twin.enqueue("q", message());
        let high = || NewMessage {
            priority: 3,
            ..message()
        };
        twin.wait(2 * SECOND).enqueue("q", high());
        twin.wait(1).enqueue("q", high());
        assert_eq!(numbers(&twin.receive("q", 9)), [2, 1, 3]);
    }

    #[test]
    fn an_empty_receive_says_what_held_it_back() {
        let mut twin = Twin::new();
        twin.create(
            "q",
            QueueConfig {
                rate_limit: limit(10, SECOND, 2),
                ..config()
            },
        );
        let empty = |limited| Reply::Received {
            messages: vec![],
            limited,
        };
        assert_eq!(twin.ask(receive("q", 1)), empty(None));
        (0..4).for_each(|_| {
            twin.enqueue("q", message());
        });
        assert_eq!(twin.receive("q", 9).len(), 2);
        let limited = Some(Limited {
            by: LimitedBy::QueueRateLimit,
            retry_after_ms: Some(100),
        });
        assert_eq!(twin.ask(receive("q", 1)), empty(limited));
        assert_eq!(twin.wait(99).receive("q", 1).len(), 0);
        assert_eq!(twin.wait(1).receive("q", 9).len(), 1);
        twin.wait(60 * SECOND);
        twin.fence();
        assert_eq!(
            twin.receive("q", 9).len(),
            0,
            "after a takeover a limiter starts empty"
        );
        assert_eq!(twin.wait(100).receive("q", 9).len(), 1);
    }

    #[test]
    fn an_answer_is_bounded_in_bytes_and_holds_at_least_one_message() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let of = |length| NewMessage {
            blob: Blob { index: 0, length },
            ..message()
        };
        for length in [600, 400, 1, 5000, 1] {
            twin.enqueue("q", of(length));
        }
        let mut received = || {
            let mut command = receive("q", 9);
            if let Command::Receive {
                answer_bytes_max, ..
            } = &mut command
            {
                *answer_bytes_max = 1000;
            }
            let reply = twin.ask(command);
            let Reply::Received { messages, .. } = reply else {
                panic!("{reply:?}")
            };
            numbers(&messages)
        };
        let answers = [received(), received(), received(), received(), received()];
        assert_eq!(answers, [vec![1, 2], vec![3], vec![4], vec![5], vec![]]);
    }

    #[test]
    fn only_the_default_group_is_known() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let mut command = receive("q", 1);
        if let Command::Receive { group, .. } = &mut command {
            *group = "audit".into();
        }
        let reply = twin.ask(command);
        let expected = Rejection::GroupNotFound {
            queue: "q".into(),
            group: "audit".into(),
        };
        assert_eq!(reply, Reply::Rejected(expected));
    }

    #[test]
    fn what_has_expired_is_not_handed_out_though_its_timer_waits_for_its_turn() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let expiring = NewMessage {
            ttl_ms: Some(5),
            ..message()
        };
        let fired = (TIMER_BYTES_MAX / FIRED_BYTES_MAX) as usize;
        twin.step(vec![Command::Enqueue {
            queue: "q".into(),
            messages: vec![expiring; fired + 2],
            atomic: false,
        }]);
        let last = twin.enqueue("q", message()).message.number;
        let step = twin.wait(5).step(vec![receive("q", 1)]);
        let nothing = Reply::Received {
            messages: vec![],
            limited: None,
        };
        assert_eq!(step.replies, [nothing]);
        assert_eq!(step.next_deadline_ms, Some(twin.now_ms));
        assert_eq!(twin.step(vec![]).woken, [("q".into(), 1)]);
        assert_eq!(numbers(&twin.receive("q", 9)), [last]);
    }
}
