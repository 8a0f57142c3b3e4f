//! A second opinion on every step, kept from replies and records alone: who holds what, what may be delivered
//! when, and where every accepted message is.

use std::collections::BTreeMap;

use super::Twin;
use crate::command::Command;
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
    dead: bool,
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
    /// By queue number.
    paused: BTreeMap<u32, Paused>,
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
            Record::QueuePaused { queue, paused } => {
                self.paused.insert(queue.0, *paused);
            }
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
                let entry = self.entry(*message);
                (entry.dead, entry.lease) = (true, None);
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
                    dead: false,
                };
                self.messages.push(*dead_letter);
                self.entries.insert(dead_letter.number, entry);
            }
            Record::Changed {
                message, due_ms, ..
            } => {
                let entry = self.entry(*message);
                assert!(entry.lease.is_none() && !entry.dead, "changed while held");
                entry.due_ms = due_ms.unwrap_or(entry.due_ms);
            }
            Record::Deleted { message } => {
                let entry = self.entries.remove(&message.number).expect("deleted once");
                assert!(entry.lease.is_none(), "deleted while held");
            }
            Record::QueuePurged { queue, fresh } => {
                let paused = self.paused(queue.0);
                self.paused.insert(fresh.0, paused);
                self.paused.insert(queue.0, BOTH);
            }
            Record::Reaped { queue, count, .. } => self.reap(queue.0, *count),
            _ => {}
        }
    }

    fn entry(&mut self, id: MessageId) -> &mut Entry {
        self.entries
            .get_mut(&id.number)
            .expect("a message that isn't gone")
    }

    fn paused(&self, queue: u32) -> Paused {
        self.paused.get(&queue).copied().unwrap_or_default()
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
            dead: false,
        };
        assert!(!self.paused(queue.0).enqueue, "accepted while paused");
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
            entry.lease.is_none() && !entry.dead,
            "leased twice, or dead"
        );
        assert!(entry.due_ms <= self.now_ms, "delivered early");
        assert!(!self.paused(entry.queue).receive, "delivered while paused");
        if let Some(key) = entry.ordering_key {
            let same = |e: &Entry| e.queue == entry.queue && e.ordering_key == Some(key) && !e.dead;
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
