//! Dedup windows: which message was accepted under a dedup id. An entry is true until it expires, whether it
//! has been purged or not; purging only gives memory back, a few entries with each enqueue, the same at replay.

use std::collections::VecDeque;

use crate::ids::{MessageId, QueueNumber};
use crate::record::DedupEntry;
use crate::segmented::{Segmented, mix};

/// Purged at most, with each message accepted: more than one, so that purging overtakes.
const PURGED_PER_ENQUEUE: usize = 4;

/// What is remembered of one dedup id.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembered {
    key: u128,
    pub fingerprint: u64,
    pub expires_at_ms: u64,
    pub message: MessageId,
}

/// The windows of all queues.
pub(crate) struct Dedup {
    table: Segmented<Remembered>,
}

impl Dedup {
    pub fn new() -> Self {
        Dedup {
            table: Segmented::new(),
        }
    }

    pub fn find(&self, queue: QueueNumber, hash: u128, now_ms: u64) -> Option<&Remembered> {
        let key = key(queue, hash);
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
        let key = key(queue, hash);
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
        expiries.push(Expiry {
            key_high: (key >> 64) as u64,
            key_low: key as u64,
            expires_at_ms,
        });
    }

    /// Forgets a few entries whose time is over.
    pub fn purge(&mut self, expiries: &mut Expiries, now_ms: u64) {
        for _ in 0..PURGED_PER_ENQUEUE {
            match expiries.first() {
                Some(first) if first.expires_at_ms <= now_ms => self.drop_first(expiries),
                _ => return,
            }
        }
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

/// The id's hash, made the queue's own.
fn key(queue: QueueNumber, hash: u128) -> u128 {
    let queue = u64::from(queue.0);
    hash ^ (u128::from(mix(queue)) << 64 | u128::from(mix(!queue)))
}

/// When an entry's time is over.
#[derive(Clone, Copy)]
struct Expiry {
    key_high: u64,
    key_low: u64,
    expires_at_ms: u64,
}

impl Expiry {
    fn key(&self) -> u128 {
        u128::from(self.key_high) << 64 | u128::from(self.key_low)
    }
}

/// A queue's dedup entries in order of acceptance, in chunks, so that growing copies little.
#[derive(Default)]
pub(crate) struct Expiries {
    chunks: VecDeque<Vec<Expiry>>,
    /// Taken from the first chunk already.
    taken: usize,
    len: usize,
}

const CHUNK: usize = 1024;

impl Expiries {
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub fn len(&self) -> usize {
        self.len
    }

    fn push(&mut self, expiry: Expiry) {
        self.len += 1;
        match self.chunks.back_mut() {
            Some(chunk) if chunk.len() < CHUNK => chunk.push(expiry),
            _ => self.chunks.push_back(vec![expiry]),
        }
    }

    fn first(&self) -> Option<Expiry> {
        self.chunks.front().map(|chunk| chunk[self.taken])
    }

    fn pop(&mut self) -> Option<Expiry> {
        let first = self.first()?;
        self.taken += 1;
        self.len -= 1;
        if self.taken == self.chunks[0].len() {
            self.chunks.pop_front();
            self.taken = 0;
        }
        Some(first)
    }

    fn iter(&self) -> impl Iterator<Item = &Expiry> {
        self.chunks.iter().flatten().skip(self.taken)
    }
}

#[cfg(test)]
impl Dedup {
    pub fn len(&self) -> usize {
        self.table.len()
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
        let (mut dedup, mut expiries) = (Dedup::new(), Expiries::default());
        remember(&mut dedup, &mut expiries, 7, 1, 100);
        assert!(dedup.find(QUEUE, 7, 99).is_some());
        assert!(
            dedup.find(QueueNumber(4), 7, 99).is_none(),
            "another queue's id"
        );
        assert!(dedup.find(QUEUE, 7, 100).is_none());
    }

    #[test]
    fn purging_an_old_entry_leaves_its_successor() {
        let (mut dedup, mut expiries) = (Dedup::new(), Expiries::default());
        remember(&mut dedup, &mut expiries, 7, 1, 100);
        remember(&mut dedup, &mut expiries, 7, 2, 200);
        dedup.purge(&mut expiries, 150);
        assert_eq!(
            dedup.find(QUEUE, 7, 150).map(|entry| entry.message.number),
            Some(2)
        );
        dedup.purge(&mut expiries, 200);
        assert_eq!(dedup.len(), 0);
        assert!(expiries.is_empty());
    }

    #[test]
    fn a_purge_is_bounded() {
        let (mut dedup, mut expiries) = (Dedup::new(), Expiries::default());
        (0..3000).for_each(|i| remember(&mut dedup, &mut expiries, i, i as u64 + 1, 100));
        dedup.purge(&mut expiries, 100);
        assert_eq!(dedup.len(), 3000 - PURGED_PER_ENQUEUE);
        let left = expiries.len() as u32;
        dedup.reap(&mut expiries, left);
        assert_eq!((dedup.len(), expiries.is_empty()), (0, true));
    }
}
