//! A second opinion on every step, kept from replies and records alone: who holds what, what may be delivered
//! when, and where every accepted message is.

use std::collections::BTreeMap;

use super::Twin;
use crate::command::Command;
use crate::config::QueueConfig;
use crate::ids::{LeaseId, MessageId};
use crate::partition::Step;
use crate::record::{Enqueued, FailureCause, Paused, Record};
use crate::reply::{Delivered, Reply};

/// A message that was accepted and isn't gone.
struct Entry {
    queue: u32,
    ordering_key: Option<u64>,
    /// Not before.
    due_ms: u64,
    /// The lease on it, and its end.
    lease: Option<(LeaseId, u64)>,
    /// Since when.
    dead: Option<u64>,
}

/// Nothing comes in or goes out.
const BOTH: Paused = Paused {
    enqueue: true,
    receive: true,
};

/// See the module.
#[derive(Default)]
pub(super) struct Ledger {
    entries: BTreeMap<u64, Entry>,
    /// Every lease ever given, in order.
    pub leases: Vec<LeaseId>,
    /// Every message ever accepted, in order.
    pub messages: Vec<MessageId>,
    /// By queue number: settings, and what is paused.
    queues: BTreeMap<u32, (QueueConfig, Paused)>,
    /// In order of death.
    deaths: Vec<u64>,
    now_ms: u64,
}

impl Ledger {
    pub fn step(&mut self, twin: &mut Twin, commands: Vec<Command>) -> Step {
        let step = twin.step(commands);
        self.now_ms = twin.now_ms;
        step.records.iter().for_each(|record| self.enter(record));
        step.replies
            .iter()
            .for_each(|reply| self.check_reply(reply));
        assert_eq!(
            self.entries.len() as u64,
            twin.live.message_count(),
            "no message is lost or made up"
        );
        step
    }

    fn enter(&mut self, record: &Record) {
        match record {
            Record::Enqueued(enqueued) => self.accept(enqueued),
            Record::QueueCreated { queue, config, .. } => {
                let config = (**config).clone();
                self.queues.insert(queue.0, (config, Paused::default()));
            }
            Record::QueueUpdated { queue, config } => self.queue(queue.0).0 = (**config).clone(),
            Record::QueuePaused { queue, paused } => self.queue(queue.0).1 = *paused,
            Record::Leased {
                messages, until_ms, ..
            } => {
                messages.iter().for_each(|lease| {
                    self.lease(super::lease(lease.message, lease.delivery), *until_ms)
                });
            }
            Record::Acked { message, .. } => {
                let entry = self.entries.remove(&message.number).expect("acked once");
                assert!(entry.lease.is_some(), "acked without a lease");
            }
            Record::Retried {
                message,
                due_ms,
                cause,
                ..
            } => {
                let now_ms = self.now_ms;
                let entry = self.entry(*message);
                let (_, until_ms) = entry.lease.take().expect("retried without a lease");
                assert!(
                    *cause == FailureCause::Nack || until_ms <= now_ms,
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
            Record::Died { message, .. } => {
                let now_ms = self.now_ms;
                let entry = self.entry(*message);
                (entry.dead, entry.lease) = (Some(now_ms), None);
                self.deaths.push(message.number);
            }
            Record::DeadLettered {
                message,
                queue,
                dead_letter,
                ..
            } => {
                self.entries
                    .remove(&message.number)
                    .expect("dead-lettered once");
                let entry = Entry {
                    queue: queue.0,
                    ordering_key: None,
                    due_ms: 0,
                    lease: None,
                    dead: None,
                };
                self.messages.push(*dead_letter);
                self.entries.insert(dead_letter.number, entry);
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
                let entry = self.entries.remove(&message.number).expect("deleted once");
                assert!(entry.lease.is_none(), "deleted while held");
            }
            Record::QueuePurged { queue, fresh } => {
                let successor = self.queue(queue.0).clone();
                self.queues.insert(fresh.0, successor);
                self.queue(queue.0).1 = BOTH;
            }
            Record::Retired { queue, count } => self.retire(queue.0, *count),
            Record::Reaped { queue, count, .. } => self.reap(queue.0, *count),
            _ => {}
        }
    }

    fn entry(&mut self, id: MessageId) -> &mut Entry {
        self.entries
            .get_mut(&id.number)
            .expect("a message that isn't gone")
    }

    fn queue(&mut self, number: u32) -> &mut (QueueConfig, Paused) {
        self.queues.get_mut(&number).expect("a queue that was made")
    }

    fn count(&self, queue: u32, of: impl Fn(&Entry) -> bool) -> u64 {
        let entries = self.entries.values();
        entries
            .filter(|entry| entry.queue == queue && of(entry))
            .count() as u64
    }

    fn accept(&mut self, enqueued: &Enqueued) {
        let Enqueued {
            message,
            queue,
            ordering_key,
            due_ms,
            ..
        } = *enqueued;
        let entry = Entry {
            queue: queue.0,
            ordering_key,
            due_ms,
            lease: None,
            dead: None,
        };
        let (config, paused) = self.queue(queue.0).clone();
        assert!(!paused.enqueue, "accepted while paused");
        let held = self.count(queue.0, |_| true);
        assert!(
            config.messages_max == 0 || held < config.messages_max,
            "accepted though full"
        );
        assert!(
            self.entries.insert(message.number, entry).is_none(),
            "an id is used twice"
        );
        self.messages.push(message);
    }

    fn lease(&mut self, lease: LeaseId, until_ms: u64) {
        let number = lease.message.number;
        let entry = &self.entries[&number];
        assert!(
            entry.lease.is_none() && entry.dead.is_none(),
            "leased twice, or dead"
        );
        assert!(entry.due_ms <= self.now_ms, "delivered early");
        let (config, paused) = &self.queues[&entry.queue];
        assert!(!paused.receive, "delivered while paused");
        let leased = self.count(entry.queue, |entry| entry.lease.is_some());
        let in_flight_max = u64::from(config.in_flight_max);
        assert!(
            in_flight_max == 0 || leased < in_flight_max,
            "too many are leased"
        );
        if let Some(key) = entry.ordering_key {
            let same = |e: &Entry| {
                e.queue == entry.queue && e.ordering_key == Some(key) && e.dead.is_none()
            };
            let older = self.entries.range(..number).find(|(_, e)| same(e));
            assert!(
                older.is_none(),
                "delivered before an older message of its key"
            );
        }
        self.entry(lease.message).lease = Some((lease, until_ms));
        assert!(!self.leases.contains(&lease), "a lease is given twice");
        self.leases.push(lease);
    }

    /// The queue's first dead ones, each kept long enough.
    fn retire(&mut self, queue: u32, count: u32) {
        let retention_ms = self.queue(queue).0.dead_retention_ms;
        for _ in 0..count {
            let is_here = |number: &&u64| {
                let entry = self.entries.get(number);
                entry.is_some_and(|entry| entry.queue == queue && entry.dead.is_some())
            };
            let first = self.deaths.iter().find(is_here).copied();
            let first = first.and_then(|number| self.entries.remove(&number));
            let dead_ms = first.and_then(|entry| entry.dead).expect("a dead message");
            assert!(retention_ms > 0 && dead_ms + retention_ms <= self.now_ms);
        }
    }

    /// Which ones went the record doesn't say: so many of that queue.
    fn reap(&mut self, queue: u32, count: u32) {
        let held = self.entries.len();
        self.entries.retain(|_, entry| entry.queue != queue);
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
