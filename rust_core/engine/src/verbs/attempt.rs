//! A receive that is repeated under the same attempt id gets the leases it was given, as long as they hold. Those that
//! were settled or have ended are left out; with none left it is a receive like any other.

use super::lease;
use super::receive::deliver;
use crate::batch::Batch;
use crate::ids::{LeaseId, QueueNumber};
use crate::reply::Delivered;
use crate::state::State;

/// Whoever is told leases has them: what an earlier answer gives back that did not reach its client is passed over.
pub(super) fn leases(
    batch: &mut Batch,
    number: QueueNumber,
    attempt: Option<u128>,
) -> Vec<Delivered> {
    let Some(hash) = attempt else {
        return Vec::new();
    };
    let mut messages = held(batch.state(), batch.now_ms, number, hash);
    for message in &mut messages {
        batch.change_volatile(|state| state.attempts.tell(message.lease));
        message.told = batch.state().attempts.told(message.lease);
    }
    messages
}

fn held(state: &State, now_ms: u64, number: QueueNumber, hash: u128) -> Vec<Delivered> {
    let group = state.queues.get(number).group.number;
    let is_held = |id: LeaseId| lease::held(state, id).is_ok();
    let given = state.attempts.find(number, hash, now_ms).iter();
    let held = given.filter(|given| {
        is_held(LeaseId {
            message: given.message,
            group,
            delivery: given.delivery,
        })
    });
    let until_ms = |slot: u32| {
        let until_ms = state.messages[slot].leased_until_ms();
        until_ms.expect("what is held is leased")
    };
    held.map(|&given| deliver(state, given, group, until_ms(given.message.slot)))
        .collect()
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, GiveBack};
    use crate::ids::LeaseId;
    use crate::reply::Reply;
    use crate::twin::{SECOND, Twin, ack, config, message, receive};

    fn twin(messages: usize) -> Twin {
        let mut twin = Twin::new();
        twin.create("q", config());
        (0..messages).for_each(|_| {
            twin.enqueue("q", message());
        });
        twin
    }

    fn attempt(twin: &mut Twin, hash: u128) -> Vec<(LeaseId, u64)> {
        let mut command = receive("q", 2);
        if let Command::Receive { attempt, .. } = &mut command {
            *attempt = Some(hash);
        }
        let Reply::Received { messages, .. } = twin.ask(command) else {
            panic!("a receive is answered otherwise")
        };
        let seen = |message: &crate::reply::Delivered| (message.lease, message.leased_until_ms);
        messages.iter().map(seen).collect()
    }

    #[test]
    fn what_was_told_again_is_not_given_back_by_an_answer_nobody_saw() {
        let mut twin = twin(1);
        let mut command = receive("q", 1);
        if let Command::Receive { attempt, .. } = &mut command {
            *attempt = Some(7);
        }
        let give_back = |reply: &Reply| {
            let Reply::Received { messages, .. } = reply else {
                panic!("a receive is answered otherwise")
            };
            let leases = messages.iter().map(|one| GiveBack {
                lease: one.lease,
                ready_since_ms: one.ready_since_ms,
                told: one.told,
            });
            Command::GiveBack {
                leases: leases.collect(),
            }
        };
        let (lost, again) = (twin.ask(command.clone()), twin.ask(command));
        let given_back = |messages| Reply::GivenBack { messages };
        assert_eq!(twin.ask(give_back(&lost)), given_back(0));
        assert_eq!(
            twin.ask(give_back(&again)),
            given_back(1),
            "the last one is lost too"
        );
    }

    #[test]
    fn the_same_attempt_gets_the_same_leases_also_after_a_takeover() {
        let mut twin = twin(4);
        let first = attempt(&mut twin, 7);
        assert_eq!((first.len(), twin.queue("q").counts.leased), (2, 2));
        assert_eq!(attempt(&mut twin, 7), first);
        twin.fence();
        assert_eq!(attempt(&mut twin, 7), first);
        let other = attempt(&mut twin, 8);
        assert!(other.len() == 2 && !other.contains(&first[0]));
    }

    #[test]
    fn what_was_settled_or_has_ended_is_left_out_and_the_last_one_frees_the_id() {
        let mut twin = twin(3);
        let first = attempt(&mut twin, 7);
        twin.ask(ack(first[0].0));
        assert_eq!(attempt(&mut twin, 7), first[1..]);
        twin.ask(ack(first[1].0));
        let fresh = attempt(&mut twin, 7);
        assert_eq!((fresh.len(), fresh[0].0.message.number), (1, 3));
        twin.wait(30 * SECOND).step(vec![]);
        let again = attempt(&mut twin, 7);
        assert!(again.is_empty() || again[0].0.delivery == 2);
    }

    #[test]
    fn after_five_minutes_it_is_a_receive_like_any_other() {
        let mut twin = twin(1);
        let first = attempt(&mut twin, 7);
        let visibility_timeout_ms = Some(3600 * SECOND);
        let extend = crate::command::Extend {
            lease: first[0].0,
            visibility_timeout_ms,
        };
        twin.ask(Command::Extend(extend));
        assert_eq!(attempt(twin.wait(299 * SECOND), 7).len(), 1);
        assert_eq!(attempt(twin.wait(SECOND), 7), []);
    }
}
