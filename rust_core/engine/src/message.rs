//! A message's index entry: one cache line. The payload, keys and texts lie in the journal; what only few
//! messages need (retries of their own, failures, a death) lies in `history`, and a flag says so.

use crate::ids::{Location, QueueNumber};

/// "No slot": the end of a list, no ordering key, or no fairness key.
pub(crate) const NONE: u32 = u32::MAX;

/// Where a message is: it decides which list it is linked in and what its deadline means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Place {
    Free = 0,
    Ready = 1,
    Blocked = 2,
    Delayed = 3,
    Leased = 4,
    Dead = 5,
}

const PLACES: [Place; 6] = [
    Place::Free,
    Place::Ready,
    Place::Blocked,
    Place::Delayed,
    Place::Leased,
    Place::Dead,
];
const PLACE_MASK: u8 = 0b111;

/// What is true of a message beside its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Flag {
    /// Its last lease was ended by a nack or a release, so that may be repeated.
    Returned = 1 << 3,
    /// It has a `max_retries` or a backoff of its own.
    OwnRetries = 1 << 4,
    /// It has failed before.
    Failed = 1 << 5,
    /// It died, here or in the queue it came from.
    Died = 1 << 6,
    /// Its envelope was moved: that says when it was accepted, and where it lies does not.
    Moved = 1 << 7,
}

/// One slot of the slab.
#[derive(Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Message {
    /// 0 in a free slot.
    pub number: u64,
    pub envelope: Location,
    at_low: u32,
    expires_at_low: u32,
    at_high: u16,
    expires_at_high: u16,
    pub queue: QueueNumber,
    /// Slot of its ordering key, or [`NONE`].
    pub key: u32,
    /// Slot of its fairness key, or [`NONE`].
    pub flow: u32,
    pub next: u32,
    pub previous: u32,
    pub deliveries: u32,
    pub attempts: u16,
    pub priority: u8,
    status: u8,
}

const _: () = assert!(size_of::<Message>() == 64, "a message is one cache line");

/// The latest instant an index entry can hold, in the year 10889: 48 bits leave room for the fairness key.
pub(crate) const INSTANT_MS_MAX: u64 = (1 << 48) - 1;

impl Message {
    /// A free slot, linked to the next free one.
    pub fn free(next: u32) -> Self {
        Message {
            number: 0,
            envelope: Location::default(),
            at_low: 0,
            expires_at_low: 0,
            at_high: 0,
            expires_at_high: 0,
            queue: QueueNumber(0),
            key: NONE,
            flow: NONE,
            next,
            previous: NONE,
            deliveries: 0,
            attempts: 0,
            priority: 0,
            status: Place::Free as u8,
        }
    }

    /// A message that is in no list yet.
    pub fn new(number: u64, queue: QueueNumber, priority: u8, envelope: Location) -> Self {
        assert!(number > 0, "message numbers count from 1");
        Message {
            number,
            queue,
            priority,
            envelope,
            ..Message::free(NONE)
        }
    }

    pub fn place(&self) -> Place {
        PLACES[usize::from(self.status & PLACE_MASK)]
    }

    pub fn set_place(&mut self, place: Place, at_ms: u64) {
        self.status = (self.status & !PLACE_MASK) | place as u8;
        (self.at_low, self.at_high) = split(at_ms);
    }

    /// Ready, dead, leased: since. Delayed, blocked: due.
    pub fn at_ms(&self) -> u64 {
        joined(self.at_low, self.at_high)
    }

    /// 0: never.
    pub fn expires_at_ms(&self) -> u64 {
        joined(self.expires_at_low, self.expires_at_high)
    }

    pub fn set_expiry(&mut self, expires_at_ms: u64) {
        (self.expires_at_low, self.expires_at_high) = split(expires_at_ms);
    }

    pub fn has(&self, flag: Flag) -> bool {
        self.status & flag as u8 != 0
    }

    pub fn set(&mut self, flag: Flag, value: bool) {
        self.status = if value {
            self.status | flag as u8
        } else {
            self.status & !(flag as u8)
        };
    }

    /// When a timer must look at it. That of a leased one is its lease's end.
    pub fn deadline_ms(&self) -> Option<u64> {
        let expiry = Some(self.expires_at_ms()).filter(|&expires_at_ms| expires_at_ms != 0);
        match self.place() {
            Place::Free | Place::Dead => None,
            Place::Ready | Place::Blocked => expiry,
            Place::Delayed => {
                Some(expiry.map_or(self.at_ms(), |expires| expires.min(self.at_ms())))
            }
            Place::Leased => unreachable!("a lease's end is set with the lease"),
        }
    }

    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms() != 0 && self.expires_at_ms() <= now_ms
    }

    /// Place, flags and instant as a checkpoint has them. The status must be one that [`Message::status`] gave.
    pub fn restore(&mut self, status: u8, at_ms: u64) {
        self.status = status;
        (self.at_low, self.at_high) = split(at_ms);
    }

    pub fn status(&self) -> u8 {
        self.status
    }
}

fn split(instant_ms: u64) -> (u32, u16) {
    let instant_ms = instant_ms.min(INSTANT_MS_MAX);
    (instant_ms as u32, (instant_ms >> 32) as u16)
}

fn joined(low: u32, high: u16) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_beyond_the_latest_is_the_latest() {
        let mut message = Message::new(1, QueueNumber(0), 1, Location::default());
        for instant_ms in [0, 1, 1 << 32, (1 << 48) - 1] {
            message.set_place(Place::Delayed, instant_ms);
            assert_eq!(message.at_ms(), instant_ms);
        }
        message.set_place(Place::Delayed, 1 << 48);
        message.set_expiry(u64::MAX);
        let shown = (message.at_ms(), message.expires_at_ms());
        assert_eq!(shown, ((1 << 48) - 1, (1 << 48) - 1));
    }
}
