//! What a checkpoint doesn't keep, made from what it keeps: free chains, tables, counts, lists, lanes, timers and ranks.
//! One pass over each array, in order.

use std::collections::BTreeMap;

use super::image::Head;
use super::restore::{Contradiction, check, free_entries};
use crate::ids::QueueNumber;
use crate::list::List;
use crate::lists::{ListId, SHARED};
use crate::live::Live;
use crate::members::NOBODY;
use crate::message::{Flag, NONE, Place};
use crate::settled::SETTLED_MAX;
use crate::state::State;

/// A lane of ready messages: its queue, its list, its priority and its fairness key.
type Lane = (QueueNumber, ListId, u8, u32);

/// Makes the rest of a state all of whose blocks were added.
pub(super) fn finish(state: &mut State, head: &Head) -> Result<(), Contradiction> {
    check_lengths(state, head)?;
    state.queues.load(head.queues, &head.reaping)?;
    keys(state, head)?;
    flows(state, head)?;
    let lanes = messages(state, head)?;
    held(state)?;
    blocked(state)?;
    for list in lanes.values() {
        state.open_lane(*list);
    }
    dedup(state, head)?;
    state.settled.load();
    state.attempts.load();
    state.results.load();
    state.copies.load();
    count_live(state);
    forget_changes(state);
    queues(state)
}

fn count_live(state: &mut State) {
    let mut live = Live::restored(state.lsn, state.settings.range_bytes());
    state.locations(|at, counts| live.take(at, counts));
    state.live = live;
}

fn check_lengths(state: &State, head: &Head) -> Result<(), Contradiction> {
    let lengths = [
        state.messages.slots.len(),
        state.keys.keys.len(),
        state.flows.flows.len(),
        state.dedup.ids.entries.len(),
    ];
    for (length, (expected, _)) in lengths.into_iter().zip(head.arrays) {
        check(length == expected as usize, || {
            format!("{length} entries are there of {expected}")
        })?;
    }
    let (settled, expected) = (&state.settled, head.settled.min(SETTLED_MAX as u64));
    check(settled.ring.len() as u64 == expected, || {
        format!(
            "{} settled leases are there of {expected}",
            settled.ring.len()
        )
    })
}

fn keys(state: &mut State, head: &Head) -> Result<(), Contradiction> {
    let (len, first) = head.arrays[1];
    let free = free_entries("ordering key", first, len, |key| {
        Some(state.keys.keys[key].head)
    })?;
    state.keys.free = first;
    for key in (0..len).filter(|&key| !free[key as usize]) {
        let entry = state.keys.keys[key];
        let is_there = state.queues.holds(entry.queue) && entry.head < state.messages.slots();
        let is_new = is_there && state.keys.find(entry.queue, entry.hash).is_none();
        check(is_new, || {
            format!("ordering key {key} is of no queue, or twice")
        })?;
        state.keys.find_at(key);
    }
    Ok(())
}

fn flows(state: &mut State, head: &Head) -> Result<(), Contradiction> {
    let (len, first) = head.arrays[2];
    let next = |flow| Some(state.flows.flows[flow].messages);
    let free = free_entries("fairness key", first, len, next)?;
    state.flows.free = first;
    for flow in (0..len).filter(|&flow| !free[flow as usize]) {
        let entry = state.flows.flows[flow];
        let is_there = state.queues.holds(entry.queue) && entry.messages > 0;
        let is_new = is_there && state.flows.find(entry.queue, entry.hash).is_none();
        check(is_new, || {
            format!("fairness key {flow} is of no queue, or twice")
        })?;
        state.weigh_flow(flow);
        state.flows.find_at(flow);
    }
    Ok(())
}

/// Counts messages and links their lists; the lanes of the ready ones are returned.
fn messages(state: &mut State, head: &Head) -> Result<BTreeMap<Lane, List>, Contradiction> {
    let (len, first) = head.arrays[0];
    let next = |slot| {
        let message = &state.messages[slot];
        (message.place() == Place::Free).then_some(message.next)
    };
    let free = free_entries("slot", first, len, next)?;
    let mut lanes = BTreeMap::new();
    let mut count = 0;
    for slot in (0..len).filter(|&slot| !free[slot as usize]) {
        message(state, slot, &mut lanes)?;
        count += 1;
    }
    state.messages.load(first, count);
    let whole = |list: &List| list.head != NONE && list.tail != NONE;
    check(lanes.values().all(whole), || {
        "a line of ready messages has one end".to_owned()
    })?;
    Ok(lanes)
}

fn message(
    state: &mut State,
    slot: u32,
    lanes: &mut BTreeMap<Lane, List>,
) -> Result<(), Contradiction> {
    let message = state.messages[slot];
    let place = message.place();
    let valid = place != Place::Free
        && message.number() <= state.numbered
        && state.queues.holds(message.queue)
        && (message.key == NONE) | state.is_key_of(message.key, message.queue)
        && (message.flow == NONE) | state.is_flow_of(message.flow, message.queue)
        && (place == Place::Blocked) <= (message.key != NONE)
        && has_history(state, slot)
        && is_linked(state, slot);
    check(valid, || {
        format!("slot {slot}: message {} can't be", message.number())
    })?;
    state.arm(slot);
    state.note_dead(slot);
    let list = state.list_of(slot);
    let queue = state.queues.get_mut(message.queue);
    *queue.count_mut(place) += 1;
    let ends = match place {
        Place::Ready => {
            queue.lists.count_in(list);
            let lane = (message.queue, list, message.priority, message.flow);
            if message.previous != NONE && message.next != NONE {
                return Ok(());
            }
            lanes.entry(lane).or_insert(List::EMPTY)
        }
        Place::Delayed => &mut queue.delayed,
        Place::Leased => {
            if message.flow != NONE {
                state.flows.flows[message.flow].in_flight += 1;
            }
            &mut queue.leased
        }
        Place::Dead => &mut queue.dead,
        Place::Blocked | Place::Free => return Ok(()),
    };
    let free_ends = (message.previous != NONE) | (ends.head == NONE)
        && (message.next != NONE) | (ends.tail == NONE);
    check(free_ends, || {
        format!("slot {slot}: a second end of its list")
    })?;
    if message.previous == NONE {
        ends.head = slot;
    }
    if message.next == NONE {
        ends.tail = slot;
    }
    Ok(())
}

fn has_history(state: &State, slot: u32) -> bool {
    let (message, history) = (&state.messages[slot], &state.history);
    let key = u64::from(slot);
    let has_own = history.retries_max.get(key).is_some() || history.backoffs.get(key).is_some();
    message.has(Flag::OwnRetries) == has_own
        && message.has(Flag::Failed) == history.failures.get(key).is_some()
        && message.has(Flag::Died) == history.deaths.get(key).is_some()
}

/// Its neighbours know it.
fn is_linked(state: &State, slot: u32) -> bool {
    let (message, slots) = (&state.messages[slot], state.messages.slots());
    let same = |other: u32| {
        state.messages[other].queue == message.queue
            && state.messages[other].place() == message.place()
    };
    let is_next = |next: u32| next < slots && same(next) && state.messages[next].previous == slot;
    let is_previous =
        |previous: u32| previous < slots && same(previous) && state.messages[previous].next == slot;
    (message.next == NONE || is_next(message.next))
        && (message.previous == NONE || is_previous(message.previous))
}

/// Who holds which lease: every one that a member holds is one, and nobody else's.
fn held(state: &mut State) -> Result<(), Contradiction> {
    for queue in state.queues.iter() {
        for (holder, slot) in queue.members.held() {
            let is_leased = slot < state.messages.slots()
                && state.messages[slot].place() == Place::Leased
                && state.messages[slot].queue == queue.number;
            check(is_leased && state.messages[slot].holder == NOBODY, || {
                format!("slot {slot} is held and not leased, or held twice")
            })?;
            state.messages[slot].holder = holder;
        }
    }
    Ok(())
}

/// The chains of keys that messages wait behind.
fn blocked(state: &mut State) -> Result<(), Contradiction> {
    for key in 0..state.keys.keys.len() as u32 {
        let entry = state.keys.keys[key];
        if state.keys.find(entry.queue, entry.hash) != Some(key) || entry.waiting.is_empty() {
            continue;
        }
        let of_key = |slot: u32| {
            slot < state.messages.slots()
                && state.messages[slot].key == key
                && state.messages[slot].place() == Place::Blocked
        };
        let holds = of_key(entry.waiting.head) && of_key(entry.waiting.tail);
        check(holds, || {
            format!("ordering key {key}: nothing waits behind it")
        })?;
        let chain = &mut state.queues.get_mut(entry.queue).blocked;
        if entry.previous == NONE {
            chain.first = key;
        }
        if entry.next == NONE {
            chain.last = key;
        }
    }
    Ok(())
}

fn dedup(state: &mut State, head: &Head) -> Result<(), Contradiction> {
    let (len, first) = head.arrays[3];
    let next = |place| {
        let id = &state.dedup.ids[place];
        (id.message().number == 0).then_some(id.next)
    };
    let free = free_entries("dedup id", first, len, next)?;
    state.dedup.ids.free = first;
    state.dedup.load(&free);
    let numbers: Vec<QueueNumber> = state.queues.iter().map(|queue| queue.number).collect();
    let mut left = free.iter().filter(|&&free| !free).count();
    for number in numbers {
        let queue = state.queues.get_mut(number);
        let counted = state.dedup.count_runs(&queue.dedup, left);
        let Some(counted) = counted else {
            return Err(Contradiction(format!(
                "queue {}: its dedup ids don't end",
                number.0
            )));
        };
        left -= counted;
        queue.dedup.len = counted;
        if !queue.deleted {
            state.dedup.rank_loaded(number, &queue.dedup);
        }
    }
    Ok(())
}

fn forget_changes(state: &mut State) {
    state.messages.slots.forget_changes();
    state.keys.keys.forget_changes();
    state.flows.flows.forget_changes();
    state.dedup.ids.entries.forget_changes();
    state.settled.ring.forget_changes();
}

/// Ranks by time, and what is under way. Members were all seen now.
fn queues(state: &mut State) -> Result<(), Contradiction> {
    let numbers: Vec<QueueNumber> = state.queues.iter().map(|queue| queue.number).collect();
    for &number in &numbers {
        let queue = state.queues.get_mut(number);
        queue.lists.load_heads(&state.messages);
        if queue.lists.has_retired() && !queue.deleted {
            state.reassigning.insert(number);
        }
        if queue.members.left().next().is_some() && !queue.deleted {
            state.returning.insert(number);
        }
        let names = queue.members.iter().map(|(_, member)| member.list);
        let known = names
            .chain([queue.lists.unassigned(), SHARED])
            .all(|list| list <= queue.lists.numbers().1);
        check(known, || {
            format!("queue {}: a list without a number", number.0)
        })?;
        state.rank_dead(number);
    }
    state.see_everybody();
    state.queues.marks.load(state.queues.numbered.len());
    Ok(())
}

impl State {
    /// Whether there is such an ordering key, of that queue.
    pub fn is_key_of(&self, key: u32, queue: QueueNumber) -> bool {
        key < self.keys.keys.len() as u32 && self.keys[key].queue == queue
    }

    /// Whether there is such a fairness key, of that queue.
    pub fn is_flow_of(&self, flow: u32, queue: QueueNumber) -> bool {
        flow < self.flows.flows.len() as u32 && self.flows[flow].queue == queue
    }

    /// Puts linked ready messages, already counted, in their lane.
    pub fn open_lane(&mut self, list: List) {
        let id = self.list_of(list.head);
        let queue = self.queues.get_mut(self.messages[list.head].queue);
        let ready = queue.lists.get_mut(id).expect("its messages were counted");
        ready.open(&self.messages, &mut self.flows, list);
    }
}
