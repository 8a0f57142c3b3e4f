//! Which message was accepted under a dedup id. An entry with a window is true until it expires, whether it was
//! forgotten or not; forgetting only gives memory back. How many entries go is recorded, so a replay keeps step.
//! An entry without one is true as long as its message is held and not dead, and leaves with it; whoever asks looks
//! at the message too, because that of a purged or deleted queue is taken away later. One that was freed because the
//! journal lost its message is true no more: nobody finds it, and it takes its place until it would have expired.

mod by_message;
mod ids;

pub(crate) use ids::{Id, Ids};

use std::collections::BTreeSet;

use by_message::ByMessage;

use crate::expiries::Expiries;
use crate::ids::{MessageId, QueueNumber};
use crate::message::NONE;
use crate::record::DedupEntry;
use crate::segmented::{Segmented, key_in, mix};

/// The ids of all queues.
pub(crate) struct Dedup {
    pub ids: Ids,
    /// By key: of several entries of one the latest.
    table: Segmented<u32>,
    /// By message, those that it holds until it is done.
    held: Segmented<u32>,
    /// Queues that can be named and remember something, by their earliest expiry.
    queues: BTreeSet<(u64, QueueNumber)>,
    /// Volatile.
    by_message: Option<ByMessage>,
}

impl Dedup {
    pub fn new() -> Self {
        Dedup {
            ids: Ids::new(),
            table: Segmented::new(),
            held: Segmented::new(),
            queues: BTreeSet::new(),
            by_message: None,
        }
    }

    /// Ids remembered, whether their time is over or not: what takes memory.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// The entry whose window is not over, or that has none.
    pub fn find(&self, window: &Expiries, hash: u128, now_ms: u64) -> Option<&Id> {
        let place = self.place(key_in(window.of, hash))?;
        let entry = Some(&self.ids[place]);
        entry.filter(|entry| entry.expires_at_ms > now_ms)
    }

    /// Has the processor load at once what finding these ids will look at: it lies at random, and found one after the
    /// other each would wait for the memory alone.
    pub fn load_ahead(&self, window: &Expiries, hashes: impl Iterator<Item = u128>) {
        hashes.for_each(|hash| self.table.load_ahead(key_in(window.of, hash) as u64));
    }

    /// Whoever asks finds the id no more that is remembered under this key.
    pub fn free(&mut self, key: u128) {
        let place = self.place(key);
        let place = place.expect("a dedup id is freed that isn't remembered");
        self.ids[place].slot = NONE;
        self.table.remove(key as u64, |&other| other == place);
    }

    pub fn put(
        &mut self,
        queue: QueueNumber,
        entry: DedupEntry,
        message: MessageId,
        expiries: &mut Expiries,
    ) {
        let key = key_in(expiries.of, entry.hash);
        let id = Id::new(key, entry.fingerprint, entry.expires_at_ms, message);
        let place = self.ids.add(id);
        self.find_at(place);
        if entry.is_until_done() {
            return;
        }
        let before = expiries.first_ms(&self.ids);
        expiries.push(&mut self.ids, place);
        self.rank(queue, before, expiries);
    }

    /// The entry at a place is found from here on: by its key, and by its message if that holds it.
    fn find_at(&mut self, place: u32) {
        let (ids, id) = (&self.ids, self.ids[place]);
        let equal = |&other: &u32| ids[other].key() == id.key();
        let rehash = |&other: &u32| ids[other].key_low;
        self.table.put(id.key_low, place, equal, rehash);
        if id.is_until_done() {
            let equal = |&other: &u32| ids[other].message() == id.message();
            let rehash = |&other: &u32| mix(ids[other].number);
            self.held.put(mix(id.number), place, equal, rehash);
        }
    }

    /// What follows from the entries of a checkpoint: of several of one key the latest is found.
    pub fn load(&mut self, free: &[bool]) {
        for place in (0..free.len() as u32).filter(|&place| !free[place as usize]) {
            let id = self.ids[place];
            if id.is_freed() {
                continue;
            }
            let earlier = self.place(id.key());
            let is_latest = earlier.is_none_or(|earlier| self.ids[earlier].number < id.number);
            self.find_at(place);
            if let Some(earlier) = earlier.filter(|_| !is_latest) {
                self.find_at(earlier);
            }
        }
    }

    /// How many entries the runs of a queue have, if they end and have no more than `max`.
    pub fn count_runs(&self, expiries: &Expiries, max: usize) -> Option<usize> {
        let places = self.ids.entries.len() as u32;
        let mut count = 0;
        for run in &expiries.runs {
            let mut place = run.head;
            loop {
                count += 1;
                if place >= places || count > max || self.ids[place].number == 0 {
                    return None;
                }
                if place == run.tail {
                    break;
                }
                place = self.ids[place].next;
            }
        }
        Some(count)
    }

    /// Ranks a queue of a checkpoint.
    pub fn rank_loaded(&mut self, queue: QueueNumber, expiries: &Expiries) {
        self.rank(queue, None, expiries);
    }

    fn place(&self, key: u128) -> Option<u32> {
        let equal = |&place: &u32| self.ids[place].key() == key;
        self.table.find(key as u64, equal).copied()
    }

    /// The message is done: the id it holds, if any, is free. A successor's entry is left alone.
    pub fn release(&mut self, message: MessageId) {
        if self.held.is_empty() {
            return;
        }
        let ids = &self.ids;
        let of_message = |&place: &u32| ids[place].message() == message;
        let held = self.held.remove(mix(message.number), of_message);
        if let Some(place) = held {
            self.remove(place);
        }
    }

    /// An id accepted again after its window has a later entry, which stays.
    fn remove(&mut self, place: u32) {
        let key_low = self.ids[place].key_low;
        self.table.remove(key_low, |&other| other == place);
        self.ids.remove(place);
    }

    /// Feeds the id that a message holds.
    pub fn fold_held(&self, message: MessageId, fold: &mut impl FnMut(&[u8])) {
        let of_message = |&place: &u32| self.ids[place].message() == message;
        let held = self.held.find(mix(message.number), of_message);
        if let Some(&place) = held {
            self.fold_at(place, fold);
        }
    }

    fn fold_at(&self, place: u32, fold: &mut impl FnMut(&[u8])) {
        let id = Id {
            next: NONE,
            ..self.ids[place]
        };
        let is_latest = self.place(id.key()) == Some(place);
        fold(format!("{id:?} {is_latest}").as_bytes());
    }

    /// A queue whose earliest entry's time is over.
    pub fn first_due(&self, now_ms: u64) -> Option<QueueNumber> {
        let first = self.queues.first();
        first
            .filter(|(first_ms, _)| *first_ms <= now_ms)
            .map(|(_, queue)| *queue)
    }

    /// How many of a queue's entries are over, counted up to `max`.
    pub fn due(&self, expiries: &Expiries, now_ms: u64, max: usize) -> usize {
        expiries.due(&self.ids, now_ms, max)
    }

    /// A deleted queue's entries are reaped, not forgotten.
    pub fn delete(&mut self, queue: QueueNumber, expiries: &Expiries) {
        if let Some(first_ms) = expiries.first_ms(&self.ids) {
            self.queues.remove(&(first_ms, queue));
        }
    }

    /// The queue goes on under another number.
    pub fn renumber(&mut self, queue: QueueNumber, fresh: QueueNumber, expiries: &Expiries) {
        if let Some(first_ms) = expiries.first_ms(&self.ids) {
            self.queues.remove(&(first_ms, queue));
            self.queues.insert((first_ms, fresh));
        }
    }

    fn rank(&mut self, queue: QueueNumber, before: Option<u64>, expiries: &Expiries) {
        let after = expiries.first_ms(&self.ids);
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.queues.remove(&(before, queue));
        }
        if let Some(after) = after {
            self.queues.insert((after, queue));
        }
    }

    /// Forgets `count` entries whose time is over, the earliest first.
    pub fn forget(&mut self, queue: QueueNumber, expiries: &mut Expiries, count: u32, now_ms: u64) {
        let before = expiries.first_ms(&self.ids);
        for _ in 0..count {
            // One that is not over decides something still: it stays, whatever a record counts.
            let first_ms = expiries.first_ms(&self.ids);
            if first_ms.is_none_or(|first_ms| first_ms > now_ms) {
                break;
            }
            self.drop_first(expiries);
        }
        self.rank(queue, before, expiries);
    }

    /// Forgets `count` entries of a deleted queue, whatever their time.
    pub fn reap(&mut self, expiries: &mut Expiries, count: u32) {
        (0..count).for_each(|_| self.drop_first(expiries));
    }

    fn drop_first(&mut self, expiries: &mut Expiries) {
        let place = expiries.pop(&mut self.ids);
        self.remove(place.expect("a dedup entry is forgotten that isn't there"));
    }

    /// Feeds the queue's window, in order of acceptance.
    pub fn fold(&self, expiries: &Expiries, fold: &mut impl FnMut(&[u8])) {
        expiries
            .iter(&self.ids)
            .for_each(|place| self.fold_at(place, fold));
    }
}

#[cfg(test)]
impl Dedup {
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Panics unless queues are ranked by their earliest expiry.
    pub fn assert_ranked<'a>(&self, of: impl Iterator<Item = (QueueNumber, &'a Expiries)>) {
        let ranks = of.filter_map(|(queue, one)| Some((one.first_ms(&self.ids)?, queue)));
        assert!(
            self.queues
                .iter()
                .copied()
                .eq(ranks.collect::<BTreeSet<_>>())
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const QUEUE: QueueNumber = QueueNumber(3);

    fn remember(
        dedup: &mut Dedup,
        expiries: &mut Expiries,
        hash: u128,
        number: u64,
        expires_at_ms: u64,
    ) {
        let entry = DedupEntry {
            hash,
            fingerprint: 1,
            expires_at_ms,
        };
        dedup.put(QUEUE, entry, MessageId { number, slot: 0 }, expiries);
    }

    #[test]
    fn an_entry_ends_with_its_window_purged_or_not() {
        let (mut dedup, mut expiries) = (Dedup::new(), Expiries::new(QUEUE));
        remember(&mut dedup, &mut expiries, 7, 1, 100);
        assert!(dedup.find(&expiries, 7, 99).is_some());
        assert!(
            dedup.find(&Expiries::new(QueueNumber(4)), 7, 99).is_none(),
            "another queue's id"
        );
        assert!(dedup.find(&expiries, 7, 100).is_none());
    }

    #[test]
    fn purging_an_old_entry_leaves_its_successor() {
        let (mut dedup, mut expiries) = (Dedup::new(), Expiries::new(QUEUE));
        remember(&mut dedup, &mut expiries, 7, 1, 100);
        remember(&mut dedup, &mut expiries, 7, 2, 200);
        dedup.forget(QUEUE, &mut expiries, 9, 150);
        assert_eq!(
            dedup
                .find(&expiries, 7, 150)
                .map(|entry| entry.message().number),
            Some(2)
        );
        dedup.forget(QUEUE, &mut expiries, 9, 200);
        assert_eq!(dedup.len(), 0);
        assert!(expiries.is_empty());
    }

    #[test]
    fn so_many_are_forgotten_as_are_counted_and_none_before_its_time() {
        let (mut dedup, mut expiries) = (Dedup::new(), Expiries::new(QUEUE));
        (0..3000).for_each(|i| remember(&mut dedup, &mut expiries, i, i as u64 + 1, 100));
        remember(&mut dedup, &mut expiries, 3000, 3001, 101);
        dedup.forget(QUEUE, &mut expiries, 4, 100);
        assert_eq!((dedup.len(), dedup.first_due(100)), (2997, Some(QUEUE)));
        dedup.forget(QUEUE, &mut expiries, 5000, 100);
        assert_eq!((dedup.len(), dedup.first_due(100)), (1, None));
        dedup.delete(QUEUE, &expiries);
        dedup.reap(&mut expiries, 1);
        assert_eq!((dedup.len(), expiries.is_empty()), (0, true));
        assert_eq!(dedup.first_due(u64::MAX), None);
    }
}
