//! A partition's state, and how a message moves in it. Every move keeps this: a message is in exactly the list
//! its place names, its queue's counts agree, and what comes up first has a timer in the heap (see `timing`).
//!
//! Only `apply` changes the state; verbs read it.

use std::collections::BTreeSet;

use crate::attempts::Attempts;
use crate::config::Settings;
use crate::copies::{Copies, Orphans};
use crate::deadlines::Deadlines;
use crate::dedup::{Dedup, Id};
use crate::flows::Flows;
use crate::history::History;
use crate::ids::{Location, MessageId, QueueNumber};
use crate::keys::Keys;
use crate::lists::SHARED;
use crate::live::Live;
use crate::members::{Holder, NOBODY};
use crate::message::{Flag, Message, NONE, Place};
use crate::queue::Queue;
use crate::queues::Queues;
use crate::record::DedupEntry;
use crate::results::Results;
use crate::retention::Retention;
use crate::sessions::Sessions;
use crate::settled::Settled;
use crate::slab::Slab;
use crate::survey::Survey;
use crate::sweeps::Sweeps;

/// See the module.
pub(crate) struct State {
    /// What the owner set; decisions follow it, records don't.
    pub settings: Settings,
    pub lsn: u64,
    pub epoch: u64,
    pub secret: Option<[u8; 32]>,
    /// The last message number given.
    pub numbered: u64,
    pub messages: Slab,
    pub copies: Copies,
    /// Follows from the messages and their lists.
    pub deadlines: Deadlines,
    pub keys: Keys,
    pub flows: Flows,
    pub queues: Queues,
    pub dedup: Dedup,
    pub retention: Retention,
    /// Volatile.
    pub sessions: Sessions,
    /// Groups whose messages are being assigned anew. Follows from their lists.
    pub reassigning: BTreeSet<QueueNumber>,
    /// Groups with leases of members that left. Follows from those, but for groups whose last such lease ended by itself.
    pub returning: BTreeSet<QueueNumber>,
    pub settled: Settled,
    pub results: Results,
    pub attempts: Attempts,
    pub history: History,
    pub sweeps: Sweeps,
    pub cursor: Cursor,
    /// Follows from the rest.
    pub live: Live,
    /// Volatile.
    pub survey: Option<Survey>,
    /// Queues in which a message became ready in this step. Not part of the state.
    pub woken: Vec<QueueNumber>,
}

/// The batch being applied: its LSN, its instant, and where its next blob lies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cursor {
    pub lsn: u64,
    pub now_ms: u64,
    pub offset: u32,
}

impl Cursor {
    pub fn take(&mut self, length: u32) -> Location {
        let location = Location {
            lsn: self.lsn,
            offset: self.offset,
            length,
        };
        assert!(location.can_be(), "no batch is as large");
        self.offset += length;
        location
    }
}

/// Where in its list a message joins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Back,
    Front,
    /// Among ready ones: by since when it waits, in a round of [`Lists::round`](crate::lists::Lists::round).
    InOrder(u64),
}

impl State {
    pub fn new(settings: Settings) -> Self {
        let live = Live::new(settings.range_bytes());
        State {
            settings,
            lsn: 0,
            epoch: 0,
            secret: None,
            numbered: 0,
            messages: Slab::new(),
            copies: Copies::new(),
            deadlines: Deadlines::new(),
            keys: Keys::new(),
            flows: Flows::new(),
            queues: Queues::default(),
            dedup: Dedup::new(),
            retention: Retention::default(),
            sessions: Sessions::default(),
            reassigning: BTreeSet::new(),
            returning: BTreeSet::new(),
            settled: Settled::new(),
            results: Results::default(),
            attempts: Attempts::new(),
            history: History::default(),
            sweeps: Sweeps::default(),
            cursor: Cursor {
                lsn: 0,
                now_ms: 0,
                offset: 0,
            },
            live,
            survey: None,
            woken: Vec::new(),
        }
    }

    /// The name the next message gets.
    pub fn next_id(&self) -> MessageId {
        MessageId {
            number: self.numbered + 1,
            slot: self.messages.next_slot(),
        }
    }

    /// The message of that name and its queue, unless either is gone.
    pub fn find(&self, id: MessageId) -> Option<(&Message, &Queue)> {
        let message = self.messages.find(id)?;
        let queue = self.queues.get(message.queue);
        (!queue.deleted).then_some((message, queue))
    }

    /// Where the message lies that everybody knows by this id: its own slot, or that of a further group's copy when
    /// `default` is done with it.
    pub fn known(&self, id: MessageId) -> Option<u32> {
        let here = |slot| MessageId { slot, ..id };
        match self.copies.of(id) {
            Some(copied) => {
                let mut slots = copied.copies.iter().map(|copy| copy.slot);
                slots.find(|&slot| slot != NONE && self.find(here(slot)).is_some())
            }
            None => self.find(id).map(|_| id.slot),
        }
    }

    /// All there is of the message that everybody knows by this id: each group's copy, or itself.
    pub fn copies_of(&self, id: MessageId) -> Vec<MessageId> {
        let here = |slot| MessageId { slot, ..id };
        let slots = match self.copies.of(id) {
            Some(copied) => copied.copies.iter().map(|copy| copy.slot).collect(),
            None => vec![id.slot],
        };
        let ids = slots.into_iter().map(here);
        ids.filter(|&id| self.find(id).is_some()).collect()
    }

    /// Whether so many more dedup ids can be remembered.
    pub fn has_dedup_room(&self, ids: u64) -> bool {
        let remembered = self.dedup.len() as u64;
        remembered.saturating_add(ids) <= self.settings.dedup_ids_max
    }

    /// The message that holds a dedup id of this queue now, or was accepted under it within its window.
    pub fn remembered(&self, queue: &Queue, hash: u128, now_ms: u64) -> Option<&Id> {
        let entry = self.dedup.find(&queue.dedup, hash, now_ms)?;
        let is_held = || {
            let held = self.find(entry.message());
            held.is_some_and(|(message, _)| message.place() != Place::Dead)
        };
        (entry.expires_at_ms != DedupEntry::UNTIL_DONE || is_held()).then_some(entry)
    }

    /// Hash of the ordering key a message came with: it keeps its key until it dies, and then what its death tells.
    pub fn ordering_key(&self, slot: u32) -> Option<u64> {
        let message = &self.messages[slot];
        match message.key {
            NONE => self.history.death(slot, message)?.ordering_key,
            key => Some(self.keys[key].hash),
        }
    }

    /// Whether the message in `slot` died in `queue` or lies there, in whichever group: to any other it is new.
    pub fn had(&self, slot: u32, queue: &Queue) -> bool {
        let message = &self.messages[slot];
        let death = self.history.death(slot, message);
        let died_there = death.is_some_and(|death| !death.over && death.source_queue == queue.name);
        died_there || self.queues.get(message.queue).group.source == queue.group.source
    }

    /// The slot a record names; it must be there.
    pub fn slot(&self, id: MessageId) -> u32 {
        assert!(
            self.messages.find(id).is_some(),
            "a record names a message that is gone"
        );
        id.slot
    }

    /// Takes a message from the place it is in to another.
    pub fn relocate(&mut self, slot: u32, place: Place, at_ms: u64, end: End) {
        self.unlink(slot);
        self.settle_in(slot, place, at_ms, end);
    }

    /// Gives a message that is in no list its place.
    pub fn settle_in(&mut self, slot: u32, place: Place, at_ms: u64, end: End) {
        self.messages[slot].set_place(place, at_ms);
        self.link(slot, end);
        self.arm(slot);
    }

    /// A consumer gets a ready message until then.
    pub fn hand_out(&mut self, slot: u32, until_ms: u64, holder: Holder) {
        self.drop_dead(slot);
        let list = self.list_of(slot);
        let queue = self.queues.get_mut(self.messages[slot].queue);
        queue.counts.ready -= 1;
        queue.counts.leased += 1;
        if queue.lists.remove(list, &mut self.messages, slot) {
            self.reassigning.remove(&queue.number);
        }
        let message = &mut self.messages[slot];
        message.lease(self.cursor.now_ms, until_ms);
        message.holder = holder;
        queue.leased.push_back(&mut self.messages, slot);
        if holder != NOBODY {
            queue.members.hold(holder, slot);
        }
        self.arm(slot);
        self.lease_begins(slot);
    }

    /// Ready when `due_ms` has come, else delayed until then.
    pub fn settle_in_when_due(&mut self, slot: u32, due_ms: u64) {
        let now_ms = self.cursor.now_ms;
        if due_ms <= now_ms {
            self.settle_in(slot, Place::Ready, now_ms, End::Back);
        } else {
            self.settle_in(slot, Place::Delayed, due_ms, End::Back);
        }
    }

    /// Removes a message for good.
    pub fn remove(&mut self, slot: u32) {
        self.dedup.release(self.messages.id(slot));
        self.unlink(slot);
        self.release_key(slot);
        let message = self.messages[slot];
        if message.has(Flag::Failed) || message.has(Flag::Died) {
            self.let_go_of_errors(slot);
        }
        let is_last = self.copies.is_last(self.messages.id(slot));
        self.live.drop(message.envelope(), is_last);
        self.history.forget(slot, &message);
        self.deadlines.remove(slot);
        let orphans = self.copies.leave(self.messages.id(slot));
        self.count_orphans(message.queue, orphans);
        self.messages.remove(slot);
        if message.flow != NONE {
            self.flows.leave(message.flow);
        }
    }

    /// Keeps the count of the queue that `number` is a group of.
    pub fn count_orphans(&mut self, number: QueueNumber, orphans: Orphans) {
        if orphans == Orphans::AsBefore {
            return;
        }
        let source = self.queues.get(number).group.source;
        // The source of a deleted group may be gone before it.
        if let Some(source) = self.queues.try_get_mut(source) {
            match orphans {
                Orphans::More => source.orphans += 1,
                _ => source.orphans -= 1,
            }
        }
    }

    /// A message that is in no list leaves its ordering key; if it was the key's head the next one takes over.
    pub fn release_key(&mut self, slot: u32) {
        let key = std::mem::replace(&mut self.messages[slot].key, NONE);
        if key == NONE || self.keys[key].head != slot {
            return;
        }
        match self.keys[key].waiting.head {
            NONE => self.keys.remove(key),
            next => self.promote(key, next),
        }
    }

    fn promote(&mut self, key: u32, slot: u32) {
        assert!(
            self.messages[slot].place() == Place::Blocked,
            "only a blocked message waits"
        );
        let due_ms = self.messages[slot].at_ms();
        self.unlink(slot);
        self.keys[key].head = slot;
        self.settle_in_when_due(slot, due_ms);
    }

    fn link(&mut self, slot: u32, end: End) {
        let message = &self.messages[slot];
        let (place, key) = (message.place(), message.key);
        let list = match place {
            Place::Ready => self.assign(slot),
            _ => SHARED,
        };
        let queue = self.queues.get_mut(self.messages[slot].queue);
        *queue.count_mut(place) += 1;
        let (messages, flows) = (&mut self.messages, &mut self.flows);
        match place {
            Place::Ready => match end {
                End::Back => queue.lists.counted(list).push_back(messages, flows, slot),
                End::Front => queue.lists.counted(list).push_front(messages, flows, slot),
                End::InOrder(round) => queue
                    .lists
                    .counted(list)
                    .insert(messages, flows, slot, round),
            },
            Place::Delayed => queue.delayed.push_back(messages, slot),
            Place::Leased => unreachable!("a message is leased by handing it out"),
            Place::Dead => queue.dead.push_back(messages, slot),
            Place::Blocked => {
                if self.keys[key].waiting.is_empty() {
                    self.keys.chain(&mut queue.blocked, key);
                }
                self.keys[key].waiting.push_back(messages, slot);
            }
            Place::Free => unreachable!("a free slot is in no queue's list"),
        }
        if place == Place::Ready {
            self.wake_for(slot);
        }
        self.note_dead(slot);
    }

    pub fn unlink(&mut self, slot: u32) {
        let message = &self.messages[slot];
        let (place, key) = (message.place(), message.key);
        let list = self.list_of(slot);
        let queue = self.queues.get_mut(self.messages[slot].queue);
        *queue.count_mut(place) -= 1;
        let (number, is_deleted) = (queue.number, queue.deleted);
        let next = self.messages[slot].next;
        let is_capped = queue.config.in_flight_max > 0;
        let messages = &mut self.messages;
        match place {
            Place::Ready => {
                if queue.lists.remove(list, messages, slot) {
                    self.reassigning.remove(&number);
                }
            }
            Place::Delayed => queue.delayed.remove(messages, slot),
            Place::Leased => queue.leased.remove(messages, slot),
            Place::Dead => queue.dead.remove(messages, slot),
            Place::Blocked => {
                self.keys[key].waiting.remove(messages, slot);
                if self.keys[key].waiting.is_empty() {
                    self.keys.unchain(&mut queue.blocked, key);
                }
            }
            Place::Free => unreachable!("a free slot is in no queue's list"),
        }
        if place == Place::Leased {
            let holder = std::mem::replace(&mut self.messages[slot].holder, NOBODY);
            if holder != NOBODY && !is_deleted {
                self.queues.get_mut(number).members.let_go(holder, slot);
            }
            self.lease_ends(slot);
            if is_capped {
                self.wake(number);
            }
        }
        self.arm_next(next);
        self.drop_dead(slot);
    }
}
