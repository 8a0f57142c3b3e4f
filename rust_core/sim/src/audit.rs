//! The audit: a finished journal, read back from its bytes and held against what holds of any queue at any time. A
//! third opinion, of records alone; it knows neither the engine nor the model.

mod dispatched;

use std::collections::{BTreeMap, BTreeSet};

use codec::batch::Batch;
use codec::hash::BATCH_HASH_NONE;
use engine::config::RateLimit;
use engine::ids::MessageId;
use engine::record::{Enqueued, FailureCause, Record};

use self::dispatched::Dispatched;
use crate::journal::Stored;

/// A message, or a further group's copy of it, that is not gone.
struct Entry {
    /// None: a copy, of a group that is known from its first lease.
    queue: Option<u32>,
    ordering_key: Option<u64>,
    /// Not before.
    due_ms: u64,
    /// Until when it is leased.
    leased_until_ms: Option<u64>,
    /// By whom.
    holder: Box<str>,
    deliveries: u32,
    dead: bool,
}

#[derive(Default)]
struct Audit {
    now_ms: u64,
    numbered: u64,
    epoch: u64,
    /// By number and slot.
    entries: BTreeMap<(u64, u32), Entry>,
    gone: BTreeSet<(u64, u32)>,
    /// A queue's further groups, in order.
    groups: BTreeMap<u32, Vec<u32>>,
    dispatched: BTreeMap<u32, Dispatched>,
    /// Until when a dedup id is taken.
    windows: BTreeMap<(u32, u128), u64>,
    /// When each message was done that left a result, and when that is forgotten.
    results: BTreeMap<u64, (u64, u64)>,
    /// Numbers of messages that the journal lost.
    lost_messages: BTreeSet<u64>,
    /// Who held what failed before its lease's end: their sessions end in this batch.
    lost: BTreeSet<Box<str>>,
}

/// Panics at what must not be. Returns how many ownerships there were.
pub(crate) fn check(batches: &[Stored]) -> u64 {
    let (mut audit, mut previous) = (Audit::default(), BATCH_HASH_NONE);
    for (sequence, stored) in (1..).zip(batches).filter(|(_, stored)| stored.counts) {
        let batch = Batch::decode(&stored.bytes, sequence, &previous).expect("a batch that counts");
        previous = batch.hash;
        assert!(batch.header.now_ms >= audit.now_ms, "time goes back");
        audit.now_ms = batch.header.now_ms;
        batch.records.iter().for_each(|record| audit.enter(record));
        assert!(audit.lost.is_empty(), "a lease ends early, and nobody left");
    }
    audit.dispatched.values().for_each(Dispatched::check);
    audit.epoch
}

impl Audit {
    fn enter(&mut self, record: &Record) {
        match record {
            Record::Fenced { epoch } => {
                assert_eq!(*epoch, self.epoch + 1, "an epoch is missing");
                self.epoch = *epoch;
            }
            Record::QueueCreated { queue, config, .. } => self.limit(queue.0, config.rate_limit),
            Record::QueueUpdated { queue, config } => {
                let groups = self.groups.get(&queue.0).cloned().unwrap_or_default();
                let all = groups.into_iter().chain([queue.0]);
                all.for_each(|queue| self.limit(queue, config.rate_limit));
            }
            Record::GroupCreated { queue, shadow, .. } => {
                self.groups.entry(queue.0).or_default().push(shadow.0);
                let limit = self.dispatched.get(&queue.0).map(|of| of.limit);
                self.limit(shadow.0, limit);
            }
            Record::QueueDeleted { queue } => {
                self.drop_queue(queue.0);
                self.groups
                    .values_mut()
                    .for_each(|groups| groups.retain(|group| *group != queue.0));
                let groups = self.groups.remove(&queue.0).unwrap_or_default();
                groups.into_iter().for_each(|group| self.drop_queue(group));
            }
            Record::QueuePurged { queue, fresh } => self.purge(queue.0, fresh.0),
            Record::Enqueued(enqueued) => self.accept(enqueued),
            Record::Leased {
                queue,
                until_ms,
                messages,
                consumer,
                ..
            } => {
                for lease in messages {
                    self.lease(queue.0, lease.message, lease.delivery, *until_ms);
                    self.entry(lease.message).holder = (**consumer).into();
                }
                if let Some(dispatched) = self.dispatched.get_mut(&queue.0) {
                    dispatched.counts.push((self.now_ms, messages.len() as u64));
                }
            }
            Record::MemberLeft { queue, consumer } => self.leave(queue.0, consumer),
            Record::Due { message } => {
                let now_ms = self.now_ms;
                assert!(self.entry(*message).due_ms <= now_ms, "due early");
            }
            Record::Acked { message, .. } => {
                self.end_lease(*message);
                self.remove(*message);
            }
            Record::Completed {
                message,
                expires_at_ms,
                ..
            } => {
                self.end_lease(*message);
                self.remove(*message);
                self.keep_result(*message, *expires_at_ms);
            }
            Record::ResultsForgotten { count } => self.forget_results(*count),
            Record::Extended {
                message, until_ms, ..
            } => {
                self.end_lease(*message);
                self.entry(*message).leased_until_ms = Some(*until_ms);
            }
            _ => self.change(record),
        }
    }

    /// What happens to a message that stays.
    fn change(&mut self, record: &Record) {
        match record {
            Record::Retried {
                message,
                cause,
                due_ms,
                ..
            } => {
                let until_ms = self.end_lease(*message);
                self.entry(*message).due_ms = *due_ms;
                if *cause == FailureCause::LeaseEnded && until_ms > self.now_ms {
                    self.lose(*message);
                }
            }
            Record::Released { message, .. } => {
                self.end_lease(*message);
            }
            Record::Postponed {
                message, due_ms, ..
            } => {
                self.end_lease(*message);
                self.entry(*message).due_ms = *due_ms;
            }
            Record::Changed {
                message, due_ms, ..
            } => {
                let entry = self.entry(*message);
                assert!(
                    entry.leased_until_ms.is_none(),
                    "a leased message is changed"
                );
                entry.due_ms = due_ms.unwrap_or(entry.due_ms);
            }
            Record::Redriven {
                message,
                queue,
                new,
                ..
            } => {
                let is_held = self.entry(*message).leased_until_ms.is_some();
                assert!(!is_held, "a leased message is redriven");
                self.remove(*message);
                self.number(*new, queue.0, None, 0);
            }
            Record::ResultsEvicted { count } => self.evict_results(*count),
            Record::Lost { message, freed } => self.lose_message(*message, freed.is_some()),
            Record::Deleted { message } => {
                let is_held = self.entry(*message).leased_until_ms.is_some();
                assert!(!is_held, "a leased message is deleted");
                self.remove(*message);
            }
            Record::Died { message, .. } => {
                let entry = self.entry(*message);
                assert!(!entry.dead, "dies twice");
                (entry.dead, entry.leased_until_ms) = (true, None);
            }
            Record::DeadLettered {
                message,
                queue,
                dead_letter,
                ..
            } => {
                self.entry(*message);
                self.remove(*message);
                self.number(*dead_letter, queue.0, None, 0);
            }
            _ => {}
        }
    }

    /// A lease ends early by itself: its holder is lost, and it is not the first one of its message.
    fn lose(&mut self, id: MessageId) {
        let entry = self.entry(id);
        assert!(!entry.holder.is_empty(), "a lease of nobody's ends early");
        assert!(entry.deliveries > 1, "a first lease ends early");
        let holder = entry.holder.clone();
        self.lost.insert(holder);
    }

    fn entry(&mut self, id: MessageId) -> &mut Entry {
        let key = (id.number, id.slot);
        let is_gone = self.gone.contains(&key) || self.lost_messages.contains(&id.number);
        let was = id.number <= self.numbered && !is_gone;
        assert!(was, "a record names a message that is gone");
        self.entries.entry(key).or_insert(Entry {
            queue: None,
            ordering_key: None,
            due_ms: 0,
            leased_until_ms: None,
            holder: "".into(),
            deliveries: 0,
            dead: false,
        })
    }

    fn remove(&mut self, id: MessageId) {
        self.entries.remove(&(id.number, id.slot));
        self.gone.insert((id.number, id.slot));
    }

    fn drop_queue(&mut self, queue: u32) {
        let all = std::mem::take(&mut self.entries).into_iter();
        let (gone, left) = all.partition(|(_, entry)| entry.queue == Some(queue));
        self.entries = left;
        let gone: BTreeMap<(u64, u32), Entry> = gone;
        self.gone.extend(gone.into_keys());
    }

    /// It goes on under another number, and its groups under those behind.
    fn purge(&mut self, queue: u32, fresh: u32) {
        let groups = self.groups.remove(&queue).unwrap_or_default();
        for (old, new) in [queue].iter().chain(&groups).zip(fresh..) {
            self.drop_queue(*old);
            let limited = self.dispatched.remove(old).map(|limited| (new, limited));
            self.dispatched.extend(limited);
            let windows = std::mem::take(&mut self.windows).into_iter();
            let renumbered = windows.map(|((of, hash), until_ms)| {
                let of = if of == *old { new } else { of };
                ((of, hash), until_ms)
            });
            self.windows = renumbered.collect();
        }
        let count = groups.len() as u32;
        self.groups
            .insert(fresh, (fresh + 1..=fresh + count).collect());
    }

    fn number(&mut self, id: MessageId, queue: u32, ordering_key: Option<u64>, due_ms: u64) {
        self.numbered += 1;
        assert_eq!(id.number, self.numbered, "numbers count up by one");
        let entry = self.entry(id);
        entry.queue = Some(queue);
        (entry.ordering_key, entry.due_ms) = (ordering_key, due_ms);
    }

    fn accept(&mut self, enqueued: &Enqueued) {
        let queue = enqueued.queue.0;
        self.number(
            enqueued.message,
            queue,
            enqueued.ordering_key,
            enqueued.due_ms,
        );
        if let Some(dedup) = enqueued.dedup {
            let key = (queue, dedup.hash);
            let until_ms = match dedup.is_until_done() {
                true => self.windows.get(&key).copied(),
                false => self.windows.insert(key, dedup.expires_at_ms),
            };
            let taken = until_ms.is_some_and(|until_ms| until_ms > self.now_ms);
            assert!(!taken, "two messages of one dedup id in its window");
        }
    }

    fn lease(&mut self, queue: u32, id: MessageId, delivery: u32, until_ms: u64) {
        let now_ms = self.now_ms;
        let entry = self.entry(id);
        assert!(entry.leased_until_ms.is_none(), "two hold one message");
        let same = *entry.queue.get_or_insert(queue) == queue;
        assert!(same && !entry.dead, "a dead message, or another queue's");
        assert!(entry.due_ms <= now_ms, "delivered early");
        assert_eq!(entry.deliveries + 1, delivery, "a delivery is missing");
        entry.deliveries = delivery;
        entry.leased_until_ms = Some(until_ms);
        let key = entry.ordering_key;
        let mut older = self.entries.range(..(id.number, 0)).map(|(_, older)| older);
        let ahead = older.any(|older| {
            let same = older.queue == Some(queue) && older.ordering_key == key;
            key.is_some() && same && !older.dead
        });
        assert!(
            !ahead,
            "delivered before an older message of its ordering key"
        );
    }

    fn keep_result(&mut self, id: MessageId, expires_at_ms: u64) {
        self.results.insert(id.number, (self.now_ms, expires_at_ms));
    }

    /// None before its time.
    fn forget_results(&mut self, count: u32) {
        for _ in 0..count {
            let results = self.results.iter();
            let first = results.map(|(&number, &(_, at_ms))| (at_ms, number)).min();
            let (at_ms, number) = first.expect("a result is there");
            assert!(at_ms <= self.now_ms, "a result is forgotten early");
            self.results.remove(&number);
        }
    }

    /// The first that came.
    fn evict_results(&mut self, count: u32) {
        for _ in 0..count {
            let results = self.results.iter();
            let first = results.map(|(&number, &(done_ms, _))| (done_ms, number));
            let (_, number) = first.min().expect("a result is there");
            self.results.remove(&number);
        }
    }

    /// From all groups. Which dedup id is free is told in a way that the engine alone knows.
    fn lose_message(&mut self, id: MessageId, freed: bool) {
        self.lost_messages.insert(id.number);
        self.entries.retain(|(number, _), _| *number != id.number);
        if freed {
            self.windows.clear();
        }
    }

    /// What it held nobody holds any more, though its lease lasts.
    fn leave(&mut self, queue: u32, consumer: &str) {
        assert!(!consumer.is_empty(), "nobody leaves");
        self.lost.remove(consumer);
        let here = self.entries.values_mut().filter(|entry| {
            let is_held = entry.leased_until_ms.is_some();
            is_held && entry.queue == Some(queue) && *entry.holder == *consumer
        });
        here.for_each(|entry| entry.leased_until_ms = None);
    }

    fn end_lease(&mut self, id: MessageId) -> u64 {
        let lease = self.entry(id).leased_until_ms.take();
        lease.expect("a lease ends that nobody holds")
    }

    fn limit(&mut self, queue: u32, limit: Option<RateLimit>) {
        let before = self
            .dispatched
            .get(&queue)
            .map(|dispatched| dispatched.limit);
        if before == limit {
            return;
        }
        if let Some(before) = self.dispatched.remove(&queue) {
            before.check();
        }
        let new = limit.map(|limit| {
            (
                queue,
                Dispatched {
                    limit,
                    counts: Vec::new(),
                },
            )
        });
        self.dispatched.extend(new);
    }
}
