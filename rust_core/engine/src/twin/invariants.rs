//! What must be true of a partition after every step.

use std::collections::{BTreeMap, BTreeSet};

use crate::copies::Copy;
use crate::lists::ListId;
use crate::members::NOBODY;
use crate::message::{NONE, Place};
use crate::partition::Partition;
use crate::queue::Queue;
use crate::ready::Ready;
use crate::reply::Counts;
use crate::state::State;

impl Partition {
    /// Panics when one is broken.
    pub fn assert_invariants(&self) {
        let state = self.state();
        let mut seen = BTreeSet::new();
        state
            .queues
            .iter()
            .for_each(|queue| check_queue(state, queue, &mut seen));
        assert_eq!(
            seen.len() as u64,
            state.messages.count(),
            "each message is in one list"
        );
        let copies = self.copies().filter(|(id, queue)| {
            let message = &state.messages[id.slot];
            (message.number(), message.queue) == (id.number, *queue)
        });
        assert_eq!(
            copies.count() as u64,
            state.messages.count(),
            "each is told"
        );
        check_deadlines(state, &seen);
        check_keys(state, &seen);
        check_copies(state, &seen);
        check_members(state);
        check_holders(state, &seen);
        check_flows(state, &seen);
        check_live(state);
        self.assert_all_told();
        state.history.assert_of(&state.messages);
        state.retention.assert_of(state);
        let named = state.queues.iter().filter(|queue| !queue.deleted);
        state
            .dedup
            .assert_ranked(named.map(|queue| (queue.number, &queue.dedup)));
        let windows: usize = state.queues.iter().map(|queue| queue.dedup.len()).sum();
        let (remembered, held) = (state.dedup.len(), state.dedup.held());
        assert!(remembered <= windows + held, "a dedup entry has an end");
        let messages = state.messages.count() as usize;
        assert!(held <= messages, "an id is held by a message");
    }
}

fn check_queue(state: &State, queue: &Queue, seen: &mut BTreeSet<u32>) {
    let slab = &state.messages;
    let mut count = |slots: &mut dyn Iterator<Item = u32>, place: Place| {
        let mut count = 0;
        for slot in slots {
            assert!(
                slab[slot].place() == place && slab[slot].queue == queue.number,
                "in a list of another place"
            );
            assert!(seen.insert(slot), "slot {slot} is in two lists");
            count += 1;
        }
        count
    };
    let counts = Counts {
        ready: count(&mut queue.lists.iter(slab), Place::Ready),
        delayed: count(&mut queue.delayed.iter(slab), Place::Delayed),
        leased: count(&mut queue.leased.iter(slab), Place::Leased),
        dead: count(&mut queue.dead.iter(slab), Place::Dead),
        blocked: count(&mut blocked(state, queue).into_iter(), Place::Blocked),
    };
    assert_eq!(queue.counts, counts, "a queue's counts");
    let waiting = queue.lists.iter(slab).map(|slot| slab[slot].at_ms());
    assert_eq!(queue.lists.oldest_ms(), waiting.min(), "the oldest");
    queue
        .lists
        .all()
        .for_each(|(list, ready)| check_list(state, queue, list, ready));
}

fn check_list(state: &State, queue: &Queue, list: ListId, ready: &Ready) {
    let slab = &state.messages;
    ready.assert_valid(slab);
    let slots: Vec<u32> = ready.iter(slab).collect();
    assert_eq!(
        slots.len() as u64,
        queue.lists.count(list),
        "a list's count"
    );
    for pair in slots.windows(2) {
        let (one, next) = (&slab[pair[0]], &slab[pair[1]]);
        assert!(one.priority >= next.priority, "levels descend");
        let same_lane = (one.priority, one.flow) == (next.priority, next.flow);
        assert!(
            !same_lane || one.at_ms() <= next.at_ms(),
            "each is in order of time"
        );
    }
    for slot in slots {
        assert_eq!(state.list_of(slot), list, "where a ready message lies");
        let key = slab[slot].key;
        if key == NONE || queue.deleted || queue.lists.is_retired(list) {
            continue;
        }
        let owner = queue.members.of_key(state.keys[key].hash);
        let of = owner.and_then(|owner| queue.members.find(&owner.name));
        let expected = of.map_or(queue.lists.unassigned(), |member| member.list);
        assert_eq!(list, expected, "a key sticks to its member");
    }
}

/// Who holds what, and what is left to be assigned anew.
fn check_members(state: &State) {
    for queue in state.queues.iter() {
        for (name, member) in queue.members.iter() {
            for slot in member.leases.iter() {
                let message = &state.messages[slot];
                assert!(message.place() == Place::Leased && message.queue == queue.number);
                let holder = state.messages[slot].holder;
                assert_eq!(queue.members.name(holder), Some(name), "a holder");
            }
        }
        let behind = queue.lists.retired() > 0 && !queue.deleted;
        assert_eq!(behind, state.reassigning.contains(&queue.number));
    }
    state.sessions.assert_of(state);
}

/// A lease knows who holds it, or held it and left; nothing else is held.
fn check_holders(state: &State, seen: &BTreeSet<u32>) {
    for queue in state.queues.iter().filter(|queue| !queue.deleted) {
        let of_queue = |slot: &&u32| state.messages[**slot].queue == queue.number;
        let noted = seen.iter().filter(of_queue).copied();
        let noted = noted.map(|slot| (slot, state.messages[slot].holder));
        let noted: BTreeMap<_, _> = noted.filter(|&(_, holder)| holder != NOBODY).collect();
        let held: BTreeMap<_, _> = queue
            .members
            .held()
            .map(|(holder, slot)| (slot, holder))
            .collect();
        assert_eq!(noted, held, "who holds what");
    }
}

/// Each copy is where its message's entry says, and what follows from the copies is counted.
fn check_copies(state: &State, seen: &BTreeSet<u32>) {
    let (mut left, mut numbers) = (0, BTreeSet::new());
    for &slot in seen {
        let message = &state.messages[slot];
        let Some(copied) = state.copies.find(message.number()) else {
            continue;
        };
        let here = |copy: &&Copy| copy.slot == slot && copy.queue == message.queue;
        assert_eq!(copied.copies.iter().filter(here).count(), 1, "a copy");
        numbers.insert(message.number());
        left += 1;
    }
    assert_eq!(state.copies.len(), numbers.len(), "copies of a message");
    assert_eq!(state.copies.extra(), left - numbers.len() as u64);
    for queue in state.queues.iter().filter(|queue| queue.group.is_default()) {
        let copies = numbers
            .iter()
            .filter_map(|&number| state.copies.find(number));
        let orphans = copies.filter(|copied| {
            let of = |copy: &Copy| state.queues.get(copy.queue).group.source;
            let held = copied.copies.iter().filter(|copy| copy.slot != NONE);
            let mut sources = held.map(of);
            copied.copies[0].slot == NONE && sources.any(|source| source == queue.number)
        });
        assert_eq!(queue.orphans, orphans.count() as u64, "orphans");
        for group in state.queues.groups_of(queue) {
            assert_eq!(group.config, queue.config, "a group's settings");
        }
    }
}

/// Those behind the heads of the queue's ordering keys.
fn blocked(state: &State, queue: &Queue) -> Vec<u32> {
    let key = |slot: u32| (slot != NONE).then_some(slot);
    let next = |&slot: &u32| key(state.keys[slot].next);
    let keys = std::iter::successors(key(queue.blocked.first), next);
    keys.flat_map(|key| {
        let key = &state.keys[key];
        assert!(!key.waiting.is_empty() && key.queue == queue.number);
        key.waiting.iter(&state.messages)
    })
    .collect()
}

fn check_deadlines(state: &State, seen: &BTreeSet<u32>) {
    state.deadlines.assert_valid();
    let mut armed = BTreeSet::new();
    for &slot in seen {
        let (message, timer) = (&state.messages[slot], state.timer(slot));
        // A deleted queue's timer may be out already.
        let is_deleted = state.queues.get(message.queue).deleted;
        match timer.filter(|_| state.deadlines.is_set(slot)) {
            Some(timer) => assert!(armed.insert(timer)),
            None => {
                let comes_up = timer.is_some_and(|timer| !state.is_covered(slot, timer));
                assert!(is_deleted || !comes_up, "a timer is missing");
            }
        }
    }
    assert_eq!(state.deadlines.timers(), armed, "the timers there are");
}

fn check_flows(state: &State, seen: &BTreeSet<u32>) {
    let mut counted: BTreeMap<u32, (u32, u32)> = BTreeMap::new();
    for &slot in seen {
        let message = &state.messages[slot];
        if message.flow != NONE {
            assert_eq!(
                state.flows[message.flow].queue, message.queue,
                "a key is of its messages' queue"
            );
            let (messages, in_flight) = counted.entry(message.flow).or_default();
            *messages += 1;
            *in_flight += u32::from(message.place() == Place::Leased);
        }
    }
    assert_eq!(
        state.flows.len(),
        counted.len(),
        "a fairness key without messages is forgotten"
    );
    for (flow, counts) in counted {
        let flow = &state.flows[flow];
        assert_eq!(
            (flow.messages, flow.in_flight),
            counts,
            "a fairness key's counts"
        );
    }
}

fn check_keys(state: &State, seen: &BTreeSet<u32>) {
    let heads = seen.iter().filter(|&&slot| {
        let message = &state.messages[slot];
        message.key != NONE && state.keys[message.key].head == slot
    });
    assert_eq!(
        state.keys.len(),
        heads.count(),
        "a key has a head and is forgotten with it"
    );
    for &slot in seen {
        let message = &state.messages[slot];
        if message.key == NONE {
            assert!(message.place() != Place::Blocked);
            continue;
        }
        let key = &state.keys[message.key];
        assert_eq!(key.queue, message.queue, "a key is of its messages' queue");
        assert_eq!(
            key.head == slot,
            message.place() != Place::Blocked,
            "one message of a key may go"
        );
        assert!(
            state.messages[key.head].number() <= message.number(),
            "a key's oldest message goes first"
        );
    }
}

/// Who refers to the journal is counted as a recount counts it.
fn check_live(state: &State) {
    let mut live = state.live.emptied();
    state.locations(|at, counts| live.take(at, counts));
    assert_eq!(state.live.counts(), live.counts(), "what is still needed");
}
