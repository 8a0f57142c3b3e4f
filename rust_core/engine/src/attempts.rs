//! What the last receives handed out, by the attempt id they came with: a receive whose answer was lost is repeated and
//! gets the same leases. Bounded in time, in attempts and in leases; what is forgotten is leased until its time is over.

use std::collections::BTreeMap;

use crate::checkpoint::Tracked;
use crate::ids::{LeaseId, QueueNumber};
use crate::record::Lease;
use crate::segmented::{Segmented, key_in};

/// How long a receive can be repeated.
pub(crate) const ATTEMPT_MS: u64 = 300_000;

/// Attempts remembered.
pub(crate) const ATTEMPTS_MAX: usize = 131_072;

/// Leases remembered of all of them: about six megabytes.
pub(crate) const ATTEMPT_LEASES_MAX: usize = 262_144;

#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub key: u128,
    pub at_ms: u64,
    pub leases: Box<[Lease]>,
}

/// See the module.
pub(crate) struct Attempts {
    /// In order.
    pub by_serial: Tracked<Attempt>,
    serials: Segmented<Serial>,
    leases: usize,
    pub serial: u64,
    /// How often leases were told again, by number, slot and delivery: whoever was told last has them. Not part of the
    /// state: after a takeover nobody gives back what another owner handed out.
    told: BTreeMap<(u64, u32, u32), u32>,
}

#[derive(Clone, Copy)]
struct Serial {
    key: u128,
    serial: u64,
}

/// Leases whose repetitions are counted; the oldest messages' are forgotten first.
const TOLD_MAX: usize = 65_536;

impl Attempts {
    pub fn new() -> Self {
        Attempts {
            by_serial: Tracked::default(),
            serials: Segmented::new(),
            leases: 0,
            serial: 0,
            told: BTreeMap::new(),
        }
    }

    /// The lease is told once more.
    pub fn tell(&mut self, lease: LeaseId) {
        *self.told.entry(told_key(lease)).or_default() += 1;
        if self.told.len() > TOLD_MAX {
            self.told.pop_first();
        }
    }

    /// How often it was told again.
    pub fn told(&self, lease: LeaseId) -> u32 {
        self.told.get(&told_key(lease)).copied().unwrap_or(0)
    }

    pub fn put(&mut self, queue: QueueNumber, hash: u128, now_ms: u64, leases: &[Lease]) {
        let key = key_in(queue, hash);
        self.serial += 1;
        self.forget(key);
        let attempt = Attempt {
            key,
            at_ms: now_ms,
            leases: leases.into(),
        };
        self.leases += leases.len();
        self.by_serial.insert(self.serial, attempt);
        self.name(key, self.serial);
        while let Some(first) = self.first_over(now_ms) {
            self.forget(first);
        }
    }

    /// What follows from the attempts of a checkpoint.
    pub fn load(&mut self) {
        let keys = self
            .by_serial
            .iter()
            .map(|(serial, one)| (one.key, serial, one.leases.len()));
        for (key, serial, leases) in keys.collect::<Vec<_>>() {
            self.name(key, serial);
            self.leases += leases;
        }
    }

    fn name(&mut self, key: u128, serial: u64) {
        let serial = Serial { key, serial };
        let (equal, rehash) = (|old: &Serial| old.key == key, |old: &Serial| old.key as u64);
        self.serials.put(key as u64, serial, equal, rehash);
    }

    /// The key of the oldest one, when its time is over or it is one too many.
    fn first_over(&self, now_ms: u64) -> Option<u128> {
        let (_, first) = self.by_serial.first()?;
        let is_over = self.by_serial.len() > ATTEMPTS_MAX
            || self.leases > ATTEMPT_LEASES_MAX
            || first.at_ms.saturating_add(ATTEMPT_MS) <= now_ms;
        is_over.then_some(first.key)
    }

    fn forget(&mut self, key: u128) {
        let serial = self.serials.remove(key as u64, |one| one.key == key);
        if let Some(Serial { serial, .. }) = serial {
            let attempt = self.by_serial.remove(serial).expect("it has a serial");
            self.leases -= attempt.leases.len();
        }
    }

    /// What this attempt was given, and may still hold.
    pub fn find(&self, queue: QueueNumber, hash: u128, now_ms: u64) -> &[Lease] {
        let key = key_in(queue, hash);
        let serial = self.serials.find(key as u64, |one| one.key == key);
        let attempt = serial.and_then(|one| self.by_serial.get(one.serial));
        attempt
            .filter(|attempt| attempt.at_ms.saturating_add(ATTEMPT_MS) > now_ms)
            .map_or(&[], |attempt| &attempt.leases)
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        fold(&self.serial.to_le_bytes());
        self.by_serial
            .iter()
            .for_each(|entry| fold(format!("{entry:?}").as_bytes()));
    }
}

fn told_key(lease: LeaseId) -> (u64, u32, u32) {
    (lease.message.number, lease.message.slot, lease.delivery)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{GROUP_DEFAULT, MessageId};

    const QUEUE: QueueNumber = QueueNumber(1);

    fn leases(count: u64) -> Vec<Lease> {
        let lease = |number| Lease {
            message: MessageId { number, slot: 0 },
            delivery: 1,
        };
        (1..=count).map(lease).collect()
    }

    #[test]
    fn an_attempt_is_remembered_for_its_queue_and_its_time() {
        let mut attempts = Attempts::new();
        attempts.put(QUEUE, 7, 1000, &leases(2));
        assert_eq!(attempts.find(QUEUE, 7, 1000 + ATTEMPT_MS - 1), leases(2));
        assert!(attempts.find(QUEUE, 7, 1000 + ATTEMPT_MS).is_empty());
        assert!(attempts.find(QueueNumber(2), 7, 1000).is_empty());
        assert!(attempts.find(QUEUE, 8, 1000).is_empty());
        attempts.put(QUEUE, 8, 1000 + ATTEMPT_MS, &leases(1));
        assert_eq!((attempts.by_serial.len(), attempts.leases), (1, 1));
    }

    #[test]
    fn each_lease_has_its_own_count_of_repetitions_and_the_oldest_messages_lose_theirs() {
        let lease = |number, slot, delivery| LeaseId {
            message: MessageId { number, slot },
            group: GROUP_DEFAULT,
            delivery,
        };
        let mut attempts = Attempts::new();
        attempts.tell(lease(1, 1, 1));
        attempts.tell(lease(1, 1, 1));
        let others = [lease(2, 1, 1), lease(1, 2, 1), lease(1, 1, 2)];
        assert_eq!(attempts.told(lease(1, 1, 1)), 2);
        assert_eq!(others.map(|other| attempts.told(other)), [0; 3]);
        (2..=TOLD_MAX as u64).for_each(|number| attempts.tell(lease(number, 0, 1)));
        assert_eq!(attempts.told(lease(1, 1, 1)), 2);
        attempts.tell(lease(u64::MAX, 0, 1));
        assert_eq!(attempts.told(lease(1, 1, 1)), 0);
        assert_eq!(attempts.told(lease(2, 0, 1)), 1);
    }

    #[test]
    fn memory_is_bounded_and_a_repeated_id_outlives_its_first_use() {
        let mut attempts = Attempts::new();
        attempts.put(QUEUE, 0, 0, &leases(1));
        attempts.put(QUEUE, 0, 0, &leases(2));
        (1..ATTEMPTS_MAX as u128).for_each(|hash| attempts.put(QUEUE, hash, 0, &leases(1)));
        assert_eq!(attempts.find(QUEUE, 0, 0).len(), 2);
        assert_eq!(attempts.by_serial.len(), ATTEMPTS_MAX);
        attempts.put(QUEUE, u128::MAX, 0, &leases(ATTEMPT_LEASES_MAX as u64));
        assert_eq!(
            (attempts.by_serial.len(), attempts.leases),
            (1, ATTEMPT_LEASES_MAX)
        );
    }
}
