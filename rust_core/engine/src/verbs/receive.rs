//! receive: leases the next messages in line, as many as asked for and as the rate limit allows.

use crate::batch::Batch;
use crate::ids::{GroupNumber, LeaseId};
use crate::queue::Queue;
use crate::record::{Lease, Record};
use crate::rejection::Rejection;
use crate::reply::{Delivered, Limited, LimitedBy, Reply};
use crate::state::State;
use crate::view;

/// Messages whose time to live is over and whose timer has not fired yet are passed over, at most this many.
const EXPIRED_PASSED_MAX: usize = 1024;

pub(super) struct Request {
    pub queue: Box<str>,
    pub group: Box<str>,
    pub consumer: Box<str>,
    pub messages_max: u32,
    pub visibility_timeout_ms: Option<u64>,
    pub answer_bytes_max: u64,
}

pub(super) fn run(batch: &mut Batch, request: Request) -> Result<Reply, Rejection> {
    let now_ms = batch.now_ms;
    let state = batch.state();
    let queue = state.queues.group(&request.queue, &request.group)?;
    if queue.paused.receive {
        return Ok(Reply::Received {
            messages: Vec::new(),
            limited: Some(Limited {
                by: LimitedBy::Paused,
                retry_after_ms: None,
            }),
        });
    }
    let messages = choose(state, queue, now_ms, &request);
    if messages.is_empty() {
        return Ok(Reply::Received {
            messages: Vec::new(),
            limited: limited(queue, now_ms),
        });
    }
    let timeout_ms = request
        .visibility_timeout_ms
        .unwrap_or(queue.config.visibility_timeout_ms);
    let until_ms = now_ms.saturating_add(timeout_ms);
    let (queue, group, consumer) = (queue.number, queue.group.number, request.consumer);
    let delivered = messages
        .iter()
        .map(|&lease| deliver(state, lease, group, until_ms))
        .collect();
    batch.commit(Record::Leased {
        queue,
        group,
        consumer,
        until_ms,
        messages,
    });
    Ok(Reply::Received {
        messages: delivered,
        limited: None,
    })
}

fn choose(state: &State, queue: &Queue, now_ms: u64, request: &Request) -> Vec<Lease> {
    let tokens = u64::from(queue.tokens(now_ms)).min(queue.leases_left());
    let count = tokens.min(u64::from(request.messages_max)) as usize;
    let line = queue.ready.line(&state.messages, queue.config.scheduling);
    line.take(count + EXPIRED_PASSED_MAX)
        .filter(|&slot| !state.messages[slot].is_expired(now_ms))
        .take(count)
        .take_while(view::fits(state, request.answer_bytes_max))
        .map(|slot| Lease {
            message: state.messages.id(slot),
            delivery: state.messages[slot].deliveries + 1,
        })
        .collect()
}

fn deliver(state: &State, lease: Lease, group: GroupNumber, leased_until_ms: u64) -> Delivered {
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
        ready_since_ms: message.at_ms,
        leased_until_ms,
        expires_at_ms: message.expires_at_ms,
        envelope: message.envelope,
        dead_letter: view::dead_letter(state, id.slot, message),
    }
}

/// Why a queue with ready messages hands out none.
fn limited(queue: &Queue, now_ms: u64) -> Option<Limited> {
    if queue.counts.ready > 0 && queue.leases_left() == 0 {
        return Some(Limited {
            by: LimitedBy::InFlight,
            retry_after_ms: None,
        });
    }
    let limit = queue.config.rate_limit.filter(|_| queue.counts.ready > 0)?;
    let retry_after_ms = queue.limiter.retry_after_ms(limit, now_ms);
    (retry_after_ms > 0).then_some(Limited {
        by: LimitedBy::QueueRateLimit,
        retry_after_ms: Some(retry_after_ms),
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
            let Command::Receive {
                queue,
                group,
                consumer,
                ..
            } = receive("q", 9)
            else {
                unreachable!()
            };
            let reply = twin.ask(Command::Receive {
                queue,
                group,
                consumer,
                messages_max: 9,
                visibility_timeout_ms: None,
                answer_bytes_max: 1000,
            });
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
        let Command::Receive {
            queue,
            consumer,
            messages_max,
            visibility_timeout_ms,
            answer_bytes_max,
            ..
        } = receive("q", 1)
        else {
            unreachable!()
        };
        let group = "audit".into();
        let reply = twin.ask(Command::Receive {
            queue,
            group,
            consumer,
            messages_max,
            visibility_timeout_ms,
            answer_bytes_max,
        });
        let expected = Rejection::GroupNotFound {
            queue: "q".into(),
            group: "audit".into(),
        };
        assert_eq!(reply, Reply::Rejected(expected));
    }

    #[test]
    fn what_has_expired_is_passed_over_though_its_timer_waits_for_its_turn() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let expiring = NewMessage {
            ttl_ms: Some(5),
            ..message()
        };
        let count = (TIMER_BYTES_MAX / FIRED_BYTES_MAX) as usize + 2;
        let messages = vec![expiring; count];
        twin.step(vec![Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic: false,
        }]);
        let last = twin.enqueue("q", message()).message.number;
        assert_eq!(numbers(&twin.wait(5).receive("q", 9)), [last]);
        assert_eq!(twin.queue("q").counts.dead, count as u64);
    }

    #[test]
    fn a_queue_wakes_when_what_hid_a_message_is_gone() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let expiring = NewMessage {
            ttl_ms: Some(5),
            ..message()
        };
        let fired = (TIMER_BYTES_MAX / FIRED_BYTES_MAX) as usize;
        let messages = vec![expiring; fired + EXPIRED_PASSED_MAX + 1];
        twin.step(vec![Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic: false,
        }]);
        twin.enqueue("q", message());
        assert_eq!(twin.wait(5).receive("q", 1), [], "hidden behind too many");
        assert_eq!(twin.step(vec![]).woken, [("q".into(), 1)]);
        assert_eq!(twin.receive("q", 1).len(), 1);
    }
}
