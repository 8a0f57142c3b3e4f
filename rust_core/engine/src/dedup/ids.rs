//! The entries of dedup ids, by place. A freed place is used again, last freed first.

use std::ops::{Index, IndexMut};

use crate::checkpoint::Paged;
use crate::ids::MessageId;
use crate::message::NONE;
use crate::record::DedupEntry;
use crate::segmented::wide;

/// What is remembered of one dedup id: three quarters of a cache line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Id {
    pub key_high: u64,
    pub key_low: u64,
    pub fingerprint: u64,
    pub expires_at_ms: u64,
    /// The message's number; 0 in a free entry.
    pub number: u64,
    /// [`NONE`]: the journal lost the message, and the id is free.
    pub slot: u32,
    /// The next that ends, in its run. In a free entry: the next free one.
    pub next: u32,
}

const _: () = assert!(size_of::<Id>() == 48, "what DEDUP_ID_BYTES counts");

impl Id {
    const FREE: Id = Id {
        key_high: 0,
        key_low: 0,
        fingerprint: 0,
        expires_at_ms: 0,
        number: 0,
        slot: 0,
        next: NONE,
    };

    pub fn new(key: u128, fingerprint: u64, expires_at_ms: u64, message: MessageId) -> Self {
        Id {
            key_high: (key >> 64) as u64,
            key_low: key as u64,
            fingerprint,
            expires_at_ms,
            number: message.number,
            slot: message.slot,
            next: NONE,
        }
    }

    pub fn key(&self) -> u128 {
        wide(self.key_high, self.key_low)
    }

    /// The message accepted under it.
    pub fn message(&self) -> MessageId {
        MessageId {
            number: self.number,
            slot: self.slot,
        }
    }

    pub fn is_until_done(&self) -> bool {
        self.expires_at_ms == DedupEntry::UNTIL_DONE
    }

    pub fn is_freed(&self) -> bool {
        self.slot == NONE
    }
}

/// The entries of all ids, by place.
pub(crate) struct Ids {
    pub entries: Paged<Id>,
    pub free: u32,
}

impl Ids {
    pub fn new() -> Self {
        Ids {
            entries: Paged::new(),
            free: NONE,
        }
    }

    pub fn add(&mut self, id: Id) -> u32 {
        if self.free == NONE {
            self.entries.push(id);
            return self.entries.len() as u32 - 1;
        }
        let place = self.free;
        self.free = self[place].next;
        self[place] = id;
        place
    }

    pub fn remove(&mut self, place: u32) {
        let next = self.free;
        self[place] = Id { next, ..Id::FREE };
        self.free = place;
    }
}

impl Index<u32> for Ids {
    type Output = Id;

    fn index(&self, place: u32) -> &Id {
        &self.entries[place]
    }
}

impl IndexMut<u32> for Ids {
    fn index_mut(&mut self, place: u32) -> &mut Id {
        &mut self.entries[place]
    }
}

#[cfg(test)]
impl Id {
    pub fn ending(expires_at_ms: u64) -> Self {
        let message = MessageId { number: 1, slot: 0 };
        Id::new(0, 0, expires_at_ms, message)
    }
}
