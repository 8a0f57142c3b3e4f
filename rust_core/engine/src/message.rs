//! A message's index entry: one cache line. The payload, keys and texts lie in the journal; what only few
//! messages need (retries of their own, failures, a death) lies in `history`, and a flag says so.

use crate::ids::{BLOBS_BYTES_MAX, LSN_MAX, Location, MESSAGE_NUMBER_MAX, QueueNumber};
use crate::members::{Holder, NOBODY};

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
    /// Where its envelope lies, and for how long it is leased at most: LSN, offset, length, milliseconds; from the highest
    /// bits on, each as wide as its largest value.
    lies: u128,
    number_low: u32,
    at_low: u32,
    expires_at_low: u32,
    number_high: u16,
    at_high: u16,
    expires_at_high: u16,
    /// Of its lease; nobody's while it is not leased. Who it is decides nothing.
    pub holder: Holder,
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

/// For how long a lease is known to last: three days, where it begins with twelve hours at most. One that is extended for
/// longer began so long before the latest of its ends, and costs its key no more.
pub(crate) const LEASED_MS_MAX: u64 = (1 << LENGTH_SHIFT) - 1;

const LENGTH_SHIFT: u32 = 28;
const OFFSET_SHIFT: u32 = LENGTH_SHIFT + BLOBS_BYTES_MAX.count_ones();
const LSN_SHIFT: u32 = OFFSET_SHIFT + BLOBS_BYTES_MAX.count_ones();
const _: () = assert!(
    LSN_MAX == u64::MAX >> (LSN_SHIFT - 64),
    "all of it has 128 bits"
);

impl Message {
    /// A free slot, linked to the next free one.
    pub fn free(next: u32) -> Self {
        Message {
            lies: 0,
            number_low: 0,
            at_low: 0,
            expires_at_low: 0,
            number_high: 0,
            at_high: 0,
            expires_at_high: 0,
            holder: NOBODY,
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
        let is_number = (1..=MESSAGE_NUMBER_MAX).contains(&number);
        assert!(is_number, "message numbers count from 1 to 2^48 - 1");
        let (number_low, number_high) = split(number);
        let mut message = Message {
            number_low,
            number_high,
            queue,
            priority,
            ..Message::free(NONE)
        };
        message.set_envelope(envelope);
        message
    }

    /// 0 in a free slot.
    pub fn number(&self) -> u64 {
        joined(self.number_low, self.number_high)
    }

    pub fn envelope(&self) -> Location {
        let bytes_max = u128::from(BLOBS_BYTES_MAX);
        Location {
            lsn: (self.lies >> LSN_SHIFT) as u64,
            offset: (self.lies >> OFFSET_SHIFT & bytes_max) as u32,
            length: (self.lies >> LENGTH_SHIFT & bytes_max) as u32,
        }
    }

    pub fn set_envelope(&mut self, at: Location) {
        assert!(at.can_be(), "no batch is as large");
        let lsn = u128::from(at.lsn) << LSN_SHIFT;
        let offset = u128::from(at.offset) << OFFSET_SHIFT;
        let length = u128::from(at.length) << LENGTH_SHIFT;
        self.lies = lsn | offset | length | u128::from(self.leased_ms());
    }

    pub fn place(&self) -> Place {
        PLACES[usize::from(self.status & PLACE_MASK)]
    }

    pub fn set_place(&mut self, place: Place, at_ms: u64) {
        self.status = (self.status & !PLACE_MASK) | place as u8;
        (self.at_low, self.at_high) = instant(at_ms);
    }

    /// Ready, dead: since. Delayed, blocked: due. Leased: until.
    pub fn at_ms(&self) -> u64 {
        joined(self.at_low, self.at_high)
    }

    /// The same, but of what is leased since when: [`LEASED_MS_MAX`] before the lease's end at most.
    pub fn since_ms(&self) -> u64 {
        match self.place() {
            Place::Leased => self.at_ms().saturating_sub(self.leased_ms()),
            _ => self.at_ms(),
        }
    }

    /// 0: never.
    pub fn expires_at_ms(&self) -> u64 {
        joined(self.expires_at_low, self.expires_at_high)
    }

    /// It is leased since then, until then.
    pub fn lease(&mut self, since_ms: u64, until_ms: u64) {
        self.set_place(Place::Leased, until_ms.max(1)); // 0 stands for no lease in a checkpoint
        let leased_ms = self.at_ms().saturating_sub(since_ms).min(LEASED_MS_MAX);
        self.lies = self.lies & !u128::from(LEASED_MS_MAX) | u128::from(leased_ms);
    }

    fn leased_ms(&self) -> u64 {
        self.lies as u64 & LEASED_MS_MAX
    }

    /// When its lease ends, if it is leased.
    pub fn leased_until_ms(&self) -> Option<u64> {
        (self.place() == Place::Leased).then(|| self.at_ms())
    }

    pub fn set_expiry(&mut self, expires_at_ms: u64) {
        (self.expires_at_low, self.expires_at_high) = instant(expires_at_ms);
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

    /// When a timer must look at it. What is leased dies when its lease has ended.
    pub fn deadline_ms(&self) -> Option<u64> {
        let expiry = Some(self.expires_at_ms()).filter(|&expires_at_ms| expires_at_ms != 0);
        match self.place() {
            Place::Free | Place::Dead => None,
            Place::Ready | Place::Blocked => expiry,
            Place::Delayed => {
                Some(expiry.map_or(self.at_ms(), |expires| expires.min(self.at_ms())))
            }
            Place::Leased => Some(self.at_ms()),
        }
    }

    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms() != 0 && self.expires_at_ms() <= now_ms
    }

    /// Place, flags and instant as a checkpoint has them. The status must be one that [`Message::status`] gave.
    pub fn restore(&mut self, status: u8, at_ms: u64) {
        self.status = status;
        (self.at_low, self.at_high) = instant(at_ms);
    }

    pub fn status(&self) -> u8 {
        self.status
    }
}

fn instant(instant_ms: u64) -> (u32, u16) {
    split(instant_ms.min(INSTANT_MS_MAX))
}

/// Of a number below 2^48.
fn split(number: u64) -> (u32, u16) {
    (number as u32, (number >> 32) as u16)
}

fn joined(low: u32, high: u16) -> u64 {
    u64::from(high) << 32 | u64::from(low)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_number_and_holder_fit_beside_each_other() {
        let new = |number| Message::new(number, QueueNumber(0), 1, Location::default());
        for number in [1, 1 << 32, MESSAGE_NUMBER_MAX] {
            let mut message = new(number);
            assert_eq!((message.number(), message.holder), (number, NOBODY));
            message.holder = Holder::MAX;
            assert_eq!((message.number(), message.holder), (number, Holder::MAX));
        }
        assert_eq!(Message::free(NONE).number(), 0);
    }

    #[test]
    fn where_it_lies_and_how_long_it_is_leased_fit_beside_each_other() {
        let mut message = Message::new(1, QueueNumber(0), 1, Location::default());
        message.lease(1000, 1000 + LEASED_MS_MAX);
        let most = BLOBS_BYTES_MAX;
        for (lsn, offset, length) in [
            (LSN_MAX, 0, 0),
            (0, most, 0),
            (0, 0, most),
            (LSN_MAX, 1, most - 1),
        ] {
            let at = Location {
                lsn,
                offset,
                length,
            };
            message.set_envelope(at);
            assert_eq!((message.envelope(), message.since_ms()), (at, 1000));
            message.lease(2000, 2001);
            assert_eq!((message.envelope(), message.since_ms()), (at, 2000));
            message.lease(1000, 1000 + LEASED_MS_MAX);
        }
    }

    #[test]
    #[should_panic(expected = "no batch is as large")]
    fn what_no_batch_can_hold_has_no_place_in_one() {
        let mut message = Message::free(NONE);
        message.set_envelope(Location {
            offset: 1,
            length: BLOBS_BYTES_MAX,
            lsn: 1,
        });
    }

    #[test]
    fn a_lease_of_more_than_three_days_began_three_days_before_its_end() {
        let mut message = Message::new(1, QueueNumber(0), 1, Location::default());
        message.lease(1000, 1001 + LEASED_MS_MAX);
        assert_eq!(message.since_ms(), 1001);
        message.lease(9, 5);
        assert_eq!(
            (message.since_ms(), message.leased_until_ms()),
            (5, Some(5))
        );
    }

    #[test]
    fn only_what_is_leased_has_a_lease_that_ends() {
        let mut message = Message::new(1, QueueNumber(0), 1, Location::default());
        message.set_expiry(5);
        message.set_place(Place::Leased, 9);
        let ends = (message.leased_until_ms(), message.deadline_ms());
        assert_eq!(
            ends,
            (Some(9), Some(9)),
            "it expires when its lease is over"
        );
        message.set_place(Place::Delayed, 9);
        assert_eq!(
            (message.leased_until_ms(), message.deadline_ms()),
            (None, Some(5))
        );
    }

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
