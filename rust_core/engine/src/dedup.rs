//! Which message was accepted under a dedup id. An entry with a window is true until it expires, whether it was
//! forgotten or not; forgetting only gives memory back. How many entries go is recorded, so a replay keeps step.
//! An entry without one is true as long as its message is held and not dead, and leaves with it; whoever asks looks
//! at the message too, because that of a purged or deleted queue is taken away later.

use std::collections::BTreeSet;

use crate::expiries::{Expiries, Expiry};
use crate::ids::{MessageId, QueueNumber};
use crate::record::DedupEntry;
use crate::segmented::{Segmented, mix};

/// What is remembered of one dedup id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembered {
    key: u128,
    pub fingerprint: u64,
    pub expires_at_ms: u64,
    pub message: MessageId,
}

/// Which id a message holds until it is done.
#[derive(Clone, Copy, Debug)]
struct Held {
    message: MessageId,
    key: u128,
}

/// The ids of all queues.
pub(crate) struct Dedup {
    table: Segmented<Remembered>,
    held: Segmented<Held>,
    /// Queues that can be named and remember something, by their earliest expiry.
    queues: BTreeSet<(u64, QueueNumber)>,
}

impl Dedup {
    pub fn new() -> Self {
        Dedup {
            table: Segmented::new(),
            held: Segmented::new(),
            queues: BTreeSet::new(),
        }
    }

    /// Ids remembered, whether their time is over or not: what takes memory.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// The entry whose window is not over, or that has none.
    pub fn find(&self, window: &Expiries, hash: u128, now_ms: u64) -> Option<&Remembered> {
        let key = key(window.of, hash);
        self.table
            .find(key as u64, |entry| entry.key == key)
            .filter(|entry| entry.expires_at_ms > now_ms)
    }

    pub fn put(
        &mut self,
        queue: QueueNumber,
        entry: DedupEntry,
        message: MessageId,
        expiries: &mut Expiries,
    ) {
        let DedupEntry {
            hash,
            fingerprint,
            expires_at_ms,
        } = entry;
        let key = key(expiries.of, hash);
        let value = Remembered {
            key,
            fingerprint,
            expires_at_ms,
            message,
        };
        self.table.put(
            key as u64,
            value,
            |old| old.key == key,
            |old| old.key as u64,
        );
        if entry.is_until_done() {
            self.hold(message, key);
            return;
        }
        let before = expiries.first_ms();
        expiries.push(Expiry::new(key, expires_at_ms));
        self.rank(queue, before, expiries);
    }

    fn hold(&mut self, message: MessageId, key: u128) {
        let held = Held { message, key };
        let (equal, rehash) = (is_of(message), |old: &Held| mix(old.message.number));
        self.held.put(mix(message.number), held, equal, rehash);
    }

    /// The message is done: the id it holds, if any, is free. A successor's entry is left alone.
    pub fn release(&mut self, message: MessageId) {
        if self.held.is_empty() {
            return;
        }
        let held = self.held.remove(mix(message.number), is_of(message));
        if let Some(Held { key, .. }) = held {
            let equal = |entry: &Remembered| entry.key == key && entry.message == message;
            self.table.remove(key as u64, equal);
        }
    }

    /// Feeds the id that a message holds.
    pub fn fold_held(&self, message: MessageId, fold: &mut impl FnMut(&[u8])) {
        let held = self.held.find(mix(message.number), is_of(message));
        if let Some(held) = held.filter(|_| message.number > 0) {
            let entry = self.table.find(held.key as u64, |e| e.key == held.key);
            fold(format!("{held:?} {entry:?}").as_bytes());
        }
    }

    /// A queue whose earliest entry's time is over.
    pub fn first_due(&self, now_ms: u64) -> Option<QueueNumber> {
        let first = self.queues.first();
        first
            .filter(|(first_ms, _)| *first_ms <= now_ms)
            .map(|(_, queue)| *queue)
    }

    /// A deleted queue's entries are reaped, not forgotten.
    pub fn delete(&mut self, queue: QueueNumber, expiries: &Expiries) {
        if let Some(first_ms) = expiries.first_ms() {
            self.queues.remove(&(first_ms, queue));
        }
    }

    /// The queue goes on under another number.
    pub fn renumber(&mut self, queue: QueueNumber, fresh: QueueNumber, expiries: &Expiries) {
        if let Some(first_ms) = expiries.first_ms() {
            self.queues.remove(&(first_ms, queue));
            self.queues.insert((first_ms, fresh));
        }
    }

    fn rank(&mut self, queue: QueueNumber, before: Option<u64>, expiries: &Expiries) {
        let after = expiries.first_ms();
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
        let before = expiries.first_ms();
        for _ in 0..count {
            // One that is not over decides something still: it stays, whatever a record counts.
            if expiries.first_ms().is_none_or(|first_ms| first_ms > now_ms) {
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

    /// An id accepted again after its window has a later entry; the first expiry must not take that one.
    fn drop_first(&mut self, expiries: &mut Expiries) {
        let expiry = expiries
            .pop()
            .expect("a dedup entry is forgotten that isn't there");
        let key = expiry.key();
        self.table.remove(key as u64, |e| {
            e.key == key && e.expires_at_ms == expiry.expires_at_ms
        });
    }

    /// Feeds the queue's window, in order of acceptance.
    pub fn fold(&self, expiries: &Expiries, fold: &mut impl FnMut(&[u8])) {
        for expiry in expiries.iter() {
            let key = expiry.key();
            fold(&key.to_le_bytes());
            fold(&expiry.expires_at_ms.to_le_bytes());
            if let Some(entry) = self.table.find(key as u64, |entry| entry.key == key) {
                fold(format!("{entry:?}").as_bytes());
            }
        }
    }
}

fn is_of(message: MessageId) -> impl Fn(&Held) -> bool {
    move |held| held.message == message
}

/// The id's hash, made the queue's own.
fn key(queue: QueueNumber, hash: u128) -> u128 {
    let queue = u64::from(queue.0);
    hash ^ (u128::from(mix(queue)) << 64 | u128::from(mix(!queue)))
}

#[cfg(test)]
impl Dedup {
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Panics unless queues are ranked by their earliest expiry.
    pub fn assert_ranked<'a>(&self, of: impl Iterator<Item = (QueueNumber, &'a Expiries)>) {
        let ranks = of.filter_map(|(queue, expiries)| Some((expiries.first_ms()?, queue)));
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
                .map(|entry| entry.message.number),
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
