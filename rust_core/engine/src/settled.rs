//! The last leases that ended a message's life, so that repeating an ack or a nack whose answer was lost is
//! told from a lease lost to somebody else, and is told what was enqueued with it. Groups
//! are told apart. Bounded; what is older is forgotten.

use crate::checkpoint::{Paged, Tracked};
use crate::ids::LeaseId;
use crate::record::Followed;
use crate::segmented::mix;

/// Leases remembered. At 50,000 acks a second, more than two seconds: longer than a client's first retry. No
/// record and no apply depends on what is remembered, only the answer to a repeated ack or nack; but a checkpoint whose
/// ring has another length is refused.
pub(crate) const SETTLED_MAX: usize = 131_072;

/// Chains that the entries are found by. Few, so that those who add stay in the processor's cache: only who repeats itself
/// or has lost its lease looks along one.
const CHAINS: usize = SETTLED_MAX / 8;

/// Follow-ups remembered, of all those leases together, at 24 bytes each. It may be changed.
pub(crate) const FOLLOWED_MAX: usize = 131_072;

/// How a lease ended a message's life here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Acked,
    /// A nack moved it to the dead-letter queue.
    Nacked,
}

#[derive(Clone, Copy)]
pub(crate) struct Entry {
    pub copy: u64,
    pub delivery: u32,
    pub ending: Ending,
}

/// See the module.
pub(crate) struct Settled {
    /// Round and round: the one of a serial lies at the serial's remainder.
    pub ring: Paged<Entry>,
    /// Of the next one.
    pub serial: u64,
    /// The last entry of each chain, and by place the one before it: by the low halves of their serials, as deflate finds
    /// matches (Deutsch 1996). Nothing is taken out: a chain ends where the next would be no older, or is forgotten.
    lasts: Box<[u32]>,
    before: Vec<u32>,
    /// What was enqueued with an ack, by its serial.
    pub followed: Tracked<Box<[Followed]>>,
    followed_count: usize,
}

impl Settled {
    pub fn new() -> Self {
        Settled {
            ring: Paged::new(),
            serial: 0,
            lasts: vec![0; CHAINS].into(),
            before: Vec::new(),
            followed: Tracked::default(),
            followed_count: 0,
        }
    }

    /// What was enqueued with the ack that ends a lease next.
    pub fn follow(&mut self, messages: &[Followed]) {
        self.followed.insert(self.serial, messages.into());
        self.followed_count += messages.len();
        while self.followed_count > FOLLOWED_MAX {
            self.forget_followed();
        }
    }

    /// What was enqueued with the ack of a lease that is remembered, as long as that is.
    pub fn followed(&self, lease: LeaseId) -> &[Followed] {
        let place = self.place(lease.copy());
        let followed = place.and_then(|place| self.followed.get(self.serial_at(place)));
        followed.map_or(&[], |messages| messages)
    }

    fn forget_followed(&mut self) {
        let (_, messages) = self.followed.pop_first().expect("one is remembered");
        self.followed_count -= messages.len();
    }

    pub fn put(&mut self, lease: LeaseId, ending: Ending) {
        let entry = Entry {
            copy: lease.copy(),
            delivery: lease.delivery,
            ending,
        };
        let place = place_of(self.serial);
        if self.ring.len() < SETTLED_MAX {
            self.ring.push(entry);
        } else {
            self.forget_at(place);
            self.ring[place] = entry;
        }
        self.chain(self.serial);
        self.serial += 1;
    }

    fn forget_at(&mut self, place: u32) {
        let first = self.followed.first().map(|(serial, _)| serial);
        if first.is_some_and(|first| first == self.serial_at(place)) {
            self.forget_followed();
        }
    }

    /// The entry of a serial is found by its copy from here on.
    fn chain(&mut self, serial: u64) {
        let place = place_of(serial);
        let last = &mut self.lasts[chain_of(self.ring[place].copy)];
        let before = std::mem::replace(last, serial as u32);
        match self.before.get_mut(place as usize) {
            Some(known) => *known = before,
            None => self.before.push(before),
        }
    }

    /// What follows from the entries of a checkpoint.
    pub fn load(&mut self) {
        let count = self.ring.len() as u64;
        self.before = vec![0; self.ring.len()];
        (self.serial - count..self.serial).for_each(|serial| self.chain(serial));
        self.followed_count = self
            .followed
            .iter()
            .map(|(_, messages)| messages.len())
            .sum();
    }

    fn place(&self, copy: u64) -> Option<u32> {
        let (mut age, mut serial) = (0, self.lasts[chain_of(copy)]);
        loop {
            let next = (self.serial as u32).wrapping_sub(serial);
            if next <= age || next as usize > self.ring.len() {
                return None;
            }
            age = next;
            let place = place_of(serial.into());
            if self.ring[place].copy == copy {
                return Some(place);
            }
            serial = self.before[place as usize];
        }
    }

    /// The serial of what lies at a place.
    fn serial_at(&self, place: u32) -> u64 {
        let (next, max) = (self.serial, SETTLED_MAX as u64);
        let round = next - next % max;
        let here = round + u64::from(place);
        if here < next { here } else { here - max }
    }

    /// How this very lease ended the message, if it did and is remembered.
    pub fn ending(&self, lease: LeaseId) -> Option<Ending> {
        let entry = self.ring[self.place(lease.copy())?];
        (entry.delivery == lease.delivery).then_some(entry.ending)
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        fold(&self.serial.to_le_bytes());
        for place in 0..self.ring.len() as u32 {
            let entry = self.ring[place];
            fold(&entry.copy.to_le_bytes());
            fold(&entry.delivery.to_le_bytes());
            fold(&[entry.ending as u8]);
        }
        for entry in self.followed.iter() {
            fold(format!("{entry:?}").as_bytes());
        }
    }
}

/// The low half of a serial has the same place.
fn place_of(serial: u64) -> u32 {
    (serial % SETTLED_MAX as u64) as u32
}

const _: () = assert!(
    SETTLED_MAX.is_power_of_two(),
    "the low half of a serial has its place"
);

fn chain_of(copy: u64) -> usize {
    mix(copy) as usize % CHAINS
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{GROUP_DEFAULT, GroupNumber, MessageId};

    fn lease(number: u64, delivery: u32) -> LeaseId {
        LeaseId {
            message: MessageId { number, slot: 0 },
            group: GROUP_DEFAULT,
            delivery,
        }
    }

    fn followed(count: u64) -> Vec<Followed> {
        let ids = (1..=count).map(|number| MessageId { number, slot: 0 });
        let followed = ids.map(|message| Followed {
            message,
            duplicate: false,
        });
        followed.collect()
    }

    #[test]
    fn what_was_enqueued_is_forgotten_with_its_lease_or_when_it_is_too_much() {
        let mut settled = Settled::new();
        settled.follow(&followed(2));
        settled.put(lease(1, 1), Ending::Acked);
        (2..=SETTLED_MAX as u64).for_each(|number| settled.put(lease(number, 1), Ending::Acked));
        assert_eq!(settled.followed(lease(1, 1)), followed(2));
        settled.put(lease(SETTLED_MAX as u64 + 1, 1), Ending::Acked);
        assert_eq!(settled.followed(lease(1, 1)), []);
        assert_eq!(settled.followed_count, 0);

        let max = FOLLOWED_MAX as u64;
        for (number, count, all) in [
            (900_000, max - 1, max - 1),
            (900_001, 1, max),
            (900_002, 1, 2),
        ] {
            settled.follow(&followed(count));
            settled.put(lease(number, 1), Ending::Acked);
            assert_eq!(settled.followed_count as u64, all);
        }
        assert_eq!(settled.followed(lease(900_000, 1)), []);
        assert_eq!(settled.followed(lease(900_001, 1)), followed(1));
        assert_eq!(settled.ending(lease(900_000, 1)), Some(Ending::Acked));
    }

    #[test]
    fn only_the_same_lease_is_recognised_and_only_the_last_ones() {
        let mut settled = Settled::new();
        settled.put(lease(1, 4), Ending::Acked);
        assert_eq!(settled.ending(lease(1, 4)), Some(Ending::Acked));
        assert_eq!(settled.ending(lease(1, 3)), None);
        let other = LeaseId {
            group: GroupNumber(1),
            ..lease(1, 4)
        };
        assert_eq!(settled.ending(other), None, "another group's");
        (2..=SETTLED_MAX as u64).for_each(|number| settled.put(lease(number, 1), Ending::Nacked));
        assert_eq!(settled.ending(lease(1, 4)), Some(Ending::Acked));
        settled.put(lease(SETTLED_MAX as u64 + 1, 1), Ending::Acked);
        assert_eq!(settled.ending(lease(1, 4)), None);
        let known = |number| settled.ending(lease(number, 1)).is_some();
        assert!((2..=SETTLED_MAX as u64 + 1).all(known));
    }

    #[test]
    fn chains_go_on_after_a_checkpoint_and_where_the_low_halves_of_serials_begin_anew() {
        let (max, anew) = (SETTLED_MAX as u64, 1 << 32);
        let mut settled = Settled::new();
        settled.serial = anew - 100;
        for place in 0..SETTLED_MAX as u32 {
            settled.ring.push(Entry {
                copy: lease(settled.serial_at(place), 1).copy(),
                delivery: 1,
                ending: Ending::Acked,
            });
        }
        settled.followed.insert(anew - 101, followed(3).into());
        settled.load();
        assert_eq!(settled.followed_count, 3);
        let known = |settled: &Settled, serial| settled.ending(lease(serial, 1)).is_some();
        assert!((anew - 100 - max..anew - 100).all(|serial| known(&settled, serial)));
        assert!((1..max).all(|serial| !known(&settled, serial)));
        (anew - 100..anew + 200).for_each(|serial| settled.put(lease(serial, 1), Ending::Acked));
        assert!((anew + 200 - max..anew + 200).all(|serial| known(&settled, serial)));
        assert!((anew - 100 - max..anew + 200 - max).all(|serial| !known(&settled, serial)));
    }
}
