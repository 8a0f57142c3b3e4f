//! Queues, and what belongs to them: ordering and fairness keys, dedup ids, members and their leases.

use super::{MAILS, NOWHERE, ORDERS, Taken, assert_refused};
use crate::checkpoint::{FlowImage, KeyImage};
use crate::ids::QueueNumber;
use crate::message::{NONE, Place};

#[test]
fn keys_of_no_queue_or_twice() {
    assert_refused(
        "is of no queue, or twice",
        &[
            ("an ordering key of no queue", |taken| {
                taken.keys[0].queue = NOWHERE;
            }),
            ("its head is not there", |taken| {
                taken.keys[0].head = taken.messages.len() as u32;
            }),
            ("an ordering key twice", |taken| {
                let first = taken.keys[0];
                let of_queue = |key: &&mut KeyImage| key.queue == first.queue;
                let second = taken.keys[1..].iter_mut().find(of_queue);
                second.unwrap().hash = first.hash;
            }),
            ("a fairness key of no queue", |taken| {
                taken.flows[0].queue = NOWHERE;
            }),
            ("a fairness key of no message", |taken| {
                taken.flows[0].messages = 0;
            }),
            ("a fairness key twice", |taken| {
                let first = taken.flows[0];
                let of_queue = |flow: &&mut FlowImage| flow.queue == first.queue;
                let second = taken.flows[1..].iter_mut().find(of_queue);
                second.unwrap().hash = first.hash;
            }),
        ],
    );
}

#[test]
fn an_ordering_key_that_nothing_waits_behind() {
    fn waited_for(taken: &mut Taken) -> &mut KeyImage {
        let mut keys = taken.keys.iter_mut();
        keys.find(|key| key.waiting.0 != NONE).expect("one waits")
    }
    assert_refused(
        "nothing waits behind it",
        &[
            ("its first is not there", |taken| {
                waited_for(taken).waiting.0 = taken.messages.len() as u32;
            }),
            ("its first does not wait", |taken| {
                let key = waited_for(taken);
                key.waiting.0 = key.head;
            }),
            ("its last does not wait", |taken| {
                let key = waited_for(taken);
                key.waiting.1 = key.head;
            }),
            ("its last waits behind another", |taken| {
                let own = waited_for(taken).waiting;
                let other = |key: &&KeyImage| key.waiting.0 != NONE && key.waiting != own;
                let others = taken.keys.iter().find(other).expect("two wait").waiting.1;
                waited_for(taken).waiting.1 = others;
            }),
        ],
    );
}

#[test]
fn a_lease_that_is_held_and_none() {
    fn holder(taken: &mut Taken) -> &mut Vec<u32> {
        let members = taken
            .queues
            .iter_mut()
            .flat_map(|(_, one)| &mut one.members);
        let mut leases = members.map(|member| &mut member.leases);
        leases.next().expect("there are members")
    }
    assert_refused(
        "is held and not leased",
        &[
            ("not there", |taken| {
                let slot = taken.messages.len() as u32;
                holder(taken).push(slot);
            }),
            ("ready", |taken| {
                let slot = taken.slot(Place::Ready, ORDERS) as u32;
                holder(taken).push(slot);
            }),
            ("of another queue", |taken| {
                let slot = taken.slot(Place::Leased, MAILS) as u32;
                holder(taken).push(slot);
            }),
            ("by who has left", |taken| {
                let slot = taken.slot(Place::Ready, MAILS) as u32;
                taken.queue(1).left.push(vec![slot]);
            }),
        ],
    );
}

#[test]
fn dedup_ids_without_end() {
    assert_refused(
        "dedup ids don't end",
        &[
            ("not there", |taken| {
                let place = taken.ids.len() as u32;
                taken.queue(0).dedup_runs.push((place, place));
            }),
            ("of two runs", |taken| {
                let run = taken.queue(0).dedup_runs[0];
                taken.queue(0).dedup_runs.push(run);
            }),
            ("in a circle", |taken| {
                let (head, tail) = taken.queue(0).dedup_runs[0];
                taken.ids[tail as usize].next = head;
                taken.queue(0).dedup_runs[0] = (head, NONE - 1);
            }),
        ],
    );
}

#[test]
fn queues_that_can_not_be() {
    assert_refused(
        "can't be",
        &[
            ("a group of none", |taken| {
                let group = taken.queues.iter_mut().find(|(_, one)| one.group.0 > 0);
                group.expect("there is a group").1.source = NOWHERE;
            }),
            ("with a group that is not there", |taken| {
                taken.queue(0).groups.push(NOWHERE);
            }),
            ("with a name twice", |taken| {
                taken.queue(1).name = taken.queue(0).name.clone();
            }),
            ("gone, and not being taken away", |taken| {
                taken.queue(1).deleted = true;
            }),
        ],
    );
    assert_refused(
        "taken away that isn't deleted",
        &[("there", |taken| taken.head.reaping.push(QueueNumber(MAILS)))],
    );
    assert_refused(
        "queues are there of",
        &[
            ("too few numbers", |taken| taken.head.queues = 1),
            ("too many", |taken| taken.head.queues = 1 << 25),
        ],
    );
    assert_refused(
        "out of order",
        &[("backwards", |taken| taken.queues.reverse())],
    );
    assert_refused(
        "comes after queue",
        &[("far off", |taken| {
            taken.queues.last_mut().unwrap().0 = (1 << 24) + 9;
        })],
    );
    assert_refused(
        "a list without a number",
        &[
            ("nobody's", |taken| {
                taken.queue(0).lists.0 = taken.queue(0).lists.1 + 1;
            }),
            ("a member's", |taken| {
                let numbered = taken.queue(0).lists.1;
                let members = &mut taken.queue(0).members;
                members.first_mut().unwrap().list = numbered + 1;
            }),
        ],
    );
}
