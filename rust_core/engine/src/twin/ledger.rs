//! A second opinion on every step, kept from replies and records: who holds what, what may be delivered when, and
//! where every accepted message is. Each group's copy is a matter of its own; only in which slot it lies is looked up.

mod completes;
mod groups;

use std::collections::{BTreeMap, BTreeSet};

use super::Twin;
use crate::command::Command;
use crate::config::QueueConfig;
use crate::ids::{LeaseId, MessageId};
use crate::partition::Step;
use crate::record::{Enqueued, FailureCause, Lease, Paused, Record};
use crate::reply::{Delivered, Reply};

/// A group's copy of a message that was accepted, until that group is done with it.
#[derive(Clone)]
struct Entry {
    ordering_key: Option<u64>,
    /// The ordering key it was accepted with: a dead letter has none, and has it again once it is redriven.
    came_with: Option<u64>,
    /// Not before.
    due_ms: u64,
    /// The lease on it, its end, and whether it may fail before: with its member's session, not for the first time.
    lease: Option<(LeaseId, u64, bool)>,
    /// Since when.
    dead: Option<u64>,
    /// The queue it died in first, since it was accepted or redriven.
    died_in: Option<Box<str>>,
}

/// Nothing comes in or goes out.
const BOTH: Paused = Paused {
    enqueue: true,
    receive: true,
};

/// See the module.
#[derive(Default)]
pub(super) struct Ledger {
    /// By message number, then by the queue number of its group.
    entries: BTreeMap<(u64, u32), Entry>,
    /// Which group's copy lies in a slot, by message number and slot.
    slots: BTreeMap<(u64, u32), u32>,
    /// The queue numbers of each queue's further groups.
    groups: BTreeMap<u32, Vec<u32>>,
    /// Of each queue, by its number and those of its groups.
    names: BTreeMap<u32, Box<str>>,
    /// Every lease ever given, in order.
    pub leases: Vec<LeaseId>,
    /// Every message ever accepted, in order.
    pub messages: Vec<MessageId>,
    /// By queue number: settings, and what is paused.
    queues: BTreeMap<u32, (QueueConfig, Paused)>,
    /// The members of each group.
    members: BTreeMap<u32, BTreeSet<Box<str>>>,
    /// To whom each ordering key of a group went last, since its members changed.
    sticky: BTreeMap<(u32, u64), Box<str>>,
    /// Which member holds a message.
    holders: BTreeMap<(u64, u32), Box<str>>,
    /// In order of death.
    deaths: Vec<(u64, u32)>,
    /// Whose ack must follow, as messages were enqueued with it; and what was told of each.
    awaited: Option<MessageId>,
    /// The queue that took one too many, for a message of it that must be acked next.
    overfull: Option<u32>,
    pub completed: Vec<completes::FollowedUp>,
    /// The last sweep that began.
    pub sweeps: u64,
    /// Deleted, or gone on under fresh numbers: what they held is reaped, whatever befalls it.
    gone: BTreeSet<u32>,
    /// Redrives under way, by the queue each takes from.
    redrives: BTreeMap<u64, u32>,
    now_ms: u64,
}

impl Ledger {
    pub fn step(&mut self, twin: &mut Twin, commands: Vec<Command>) -> Step {
        let step = twin.step(commands.clone());
        self.now_ms = twin.now_ms;
        step.records.iter().for_each(|record| self.enter(record));
        step.replies
            .iter()
            .for_each(|reply| self.check_reply(reply));
        self.check_completes(&commands, &step);
        let numbers: BTreeSet<u64> = self.entries.keys().map(|&(number, _)| number).collect();
        assert_eq!(
            numbers.len() as u64,
            twin.live.message_count(),
            "no message is lost or made up"
        );
        assert_eq!(
            self.entries.len() as u64,
            twin.live.state().messages.count(),
            "nor a copy"
        );
        self.look_up_slots(twin, &numbers);
        step
    }

    fn enter(&mut self, record: &Record) {
        match record {
            Record::Enqueued(enqueued) => self.accept(enqueued),
            Record::Leased {
                queue,
                group,
                consumer,
                messages,
                until_ms,
                attempt: _,
            } => messages.iter().for_each(|&Lease { message, delivery }| {
                let group = *group;
                self.slots.insert((message.number, message.slot), queue.0);
                self.lease(
                    LeaseId {
                        message,
                        group,
                        delivery,
                    },
                    *until_ms,
                    !consumer.is_empty(),
                );
                self.check_member(message, consumer);
            }),
            Record::Acked { message, group } => self.done(*message, *group),
            Record::Completed {
                message,
                group,
                expires_at_ms,
                ..
            } => {
                self.keep_result(*message, *expires_at_ms);
                self.done(*message, *group);
            }
            Record::FollowedUp {
                message,
                group,
                messages,
            } => self.follow_up(*message, *group, messages),
            Record::Died { message, .. } => {
                let (now_ms, name) = (self.now_ms, self.name(*message));
                let entry = self.entry(*message);
                (entry.dead, entry.lease) = (Some(now_ms), None);
                entry.died_in.get_or_insert(name);
                self.deaths.push(self.key(*message));
            }
            Record::DeadLettered {
                message,
                queue,
                dead_letter,
                ..
            } => {
                let name = self.name(*message);
                let old = self.take(*message);
                let entry = Entry {
                    died_in: old.died_in.or(Some(name)),
                    ordering_key: None,
                    came_with: old.came_with,
                    due_ms: 0,
                    lease: None,
                    dead: None,
                };
                self.insert(*dead_letter, queue.0, entry);
            }
            Record::Changed {
                message, due_ms, ..
            } => {
                let entry = self.entry(*message);
                assert!(
                    entry.lease.is_none() && entry.dead.is_none(),
                    "changed while held"
                );
                entry.due_ms = due_ms.unwrap_or(entry.due_ms);
            }
            Record::Deleted { message } => {
                let entry = self.take(*message);
                assert!(entry.lease.is_none(), "deleted while held");
            }
            other => self.enter_lease(other),
        }
    }

    /// What ends or prolongs a lease of a message that stays.
    fn enter_lease(&mut self, record: &Record) {
        match record {
            Record::Retried {
                message,
                due_ms,
                cause,
                ..
            } => {
                let now_ms = self.now_ms;
                let entry = self.entry(*message);
                let (_, until_ms, may_be_lost) =
                    entry.lease.take().expect("retried without a lease");
                assert!(
                    *cause == FailureCause::Nack || until_ms <= now_ms || may_be_lost,
                    "a lease ended early"
                );
                entry.due_ms = *due_ms;
            }
            Record::Extended {
                message, until_ms, ..
            } => {
                self.entry(*message)
                    .lease
                    .as_mut()
                    .expect("extended without a lease")
                    .1 = *until_ms;
            }
            Record::Released { message, .. } => {
                let now_ms = self.now_ms;
                let entry = self.entry(*message);
                entry.lease.take().expect("released without a lease");
                entry.due_ms = now_ms;
            }
            Record::Postponed {
                message, due_ms, ..
            } => {
                let entry = self.entry(*message);
                entry.lease.take().expect("postponed without a lease");
                entry.due_ms = *due_ms;
            }
            other => self.enter_of_queue(other),
        }
    }

    /// Whose copy it is.
    fn key(&self, id: MessageId) -> (u64, u32) {
        let group = self.slots.get(&(id.number, id.slot));
        (id.number, *group.expect("a message in a slot"))
    }

    /// To the queue it died in, or lies in, for one group alone.
    fn redrive(&mut self, message: MessageId, queue: u32, new: MessageId) {
        let (_, group) = self.key(message);
        let old = self.take(message);
        assert!(old.lease.is_none(), "redriven while somebody holds it");
        let entry = Entry {
            ordering_key: old.came_with,
            dead: None,
            due_ms: 0,
            died_in: None,
            ..old.clone()
        };
        let to = &self.names[&queue];
        if old.died_in.as_ref() == Some(to) || self.names[&group] == *to {
            self.insert_for(&[queue], new, entry);
        } else {
            self.insert(new, queue, entry);
        }
    }

    /// Of the queue whose message it is.
    fn name(&self, id: MessageId) -> Box<str> {
        self.names[&self.key(id).1].clone()
    }

    fn entry(&mut self, id: MessageId) -> &mut Entry {
        let key = self.key(id);
        self.entries
            .get_mut(&key)
            .expect("a message that isn't gone")
    }

    fn take(&mut self, id: MessageId) -> Entry {
        let key = self.key(id);
        self.entries.remove(&key).expect("gone once")
    }

    fn queue(&mut self, number: u32) -> &mut (QueueConfig, Paused) {
        self.queues.get_mut(&number).expect("a queue that was made")
    }

    fn count(&self, queue: u32, of: impl Fn(&Entry) -> bool) -> u64 {
        let entries = self.entries.iter();
        entries
            .filter(|((_, group), entry)| *group == queue && of(entry))
            .count() as u64
    }

    fn accept(&mut self, enqueued: &Enqueued) {
        let entry = Entry {
            ordering_key: enqueued.ordering_key,
            came_with: enqueued.ordering_key,
            due_ms: enqueued.due_ms,
            lease: None,
            dead: None,
            died_in: None,
        };
        let queue = enqueued.queue.0;
        let (config, paused) = self.queue(queue).clone();
        assert!(!paused.enqueue, "accepted while paused");
        let groups = self.all_groups(queue);
        let of = self.entries.keys().filter(|(_, of)| groups.contains(of));
        let held: BTreeSet<u64> = of.map(|&(number, _)| number).collect();
        if config.messages_max > 0 && held.len() as u64 >= config.messages_max {
            let (owed, one_too_many) = (self.overfull.replace(queue), config.messages_max + 1);
            assert_eq!(owed, None, "accepted though full");
            assert!((held.len() as u64) < one_too_many, "accepted though full");
        }
        self.insert(enqueued.message, queue, entry);
    }

    /// One copy for each group.
    fn insert(&mut self, id: MessageId, queue: u32, entry: Entry) {
        self.insert_for(&self.all_groups(queue), id, entry);
    }

    /// The group whose slot the id names first.
    fn insert_for(&mut self, groups: &[u32], id: MessageId, entry: Entry) {
        for &group in groups {
            let earlier = self.entries.insert((id.number, group), entry.clone());
            assert!(earlier.is_none(), "an id is used twice");
        }
        self.slots.insert((id.number, id.slot), groups[0]);
        self.messages.push(id);
    }

    fn lease(&mut self, lease: LeaseId, until_ms: u64, by_member: bool) {
        let (number, group) = self.key(lease.message);
        let entry = &self.entries[&(number, group)];
        assert!(
            entry.lease.is_none() && entry.dead.is_none(),
            "leased twice, or dead"
        );
        assert!(entry.due_ms <= self.now_ms, "delivered early");
        let (config, paused) = &self.queues[&group];
        assert!(!paused.receive, "delivered while paused");
        let leased = self.count(group, |entry| entry.lease.is_some());
        let in_flight_max = u64::from(config.in_flight_max);
        assert!(
            in_flight_max == 0 || leased < in_flight_max,
            "too many are leased"
        );
        if let Some(key) = entry.ordering_key {
            let same =
                |of: u32, e: &Entry| of == group && e.ordering_key == Some(key) && e.dead.is_none();
            let mut older = self.entries.range(..(number, 0));
            let older = older.find(|((_, of), entry)| same(*of, entry));
            assert!(
                older.is_none(),
                "delivered before an older message of its key"
            );
        }
        let may_be_lost = by_member && lease.delivery > 1;
        self.entry(lease.message).lease = Some((lease, until_ms, may_be_lost));
        assert!(!self.leases.contains(&lease), "a lease is given twice");
        self.leases.push(lease);
    }

    /// The queue's first dead ones, each kept long enough.
    fn retire(&mut self, queue: u32, count: u32) {
        let mut redriven = self.redrives.values();
        let stays = redriven.any(|&of| self.all_groups(of).contains(&queue));
        assert!(!stays, "a redrive is on its way to what goes");
        let retention_ms = self.queue(queue).0.dead_retention_ms;
        for _ in 0..count {
            let is_here = |key: &&(u64, u32)| {
                let entry = self.entries.get(key);
                key.1 == queue && entry.is_some_and(|entry| entry.dead.is_some())
            };
            let first = self.deaths.iter().find(is_here).copied();
            let first = first.and_then(|key| self.entries.remove(&key));
            let dead_ms = first.and_then(|entry| entry.dead).expect("a dead message");
            assert!(retention_ms > 0 && dead_ms + retention_ms <= self.now_ms);
        }
    }

    /// Which ones went the record doesn't say: so many of that queue.
    fn reap(&mut self, queue: u32, count: u32) {
        let held = self.entries.len();
        self.entries.retain(|&(_, group), _| group != queue);
        let gone = held - self.entries.len();
        assert_eq!(gone, count as usize, "small queues are reaped at once");
    }

    fn check_reply(&self, reply: &Reply) {
        if let Reply::Received { messages, .. } = reply {
            messages
                .iter()
                .for_each(|delivered: &Delivered| assert!(self.leases.contains(&delivered.lease)));
        }
    }
}
