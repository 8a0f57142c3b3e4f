//! The rate limiters of a queue's keys or consumers: one each, while it isn't full. Who has none has a full one, or,
//! for as long after a restart as that takes to fill, what an empty one would have by now.
//!
//! Volatile: it follows from no record, and a takeover empties it, so that no limit is exceeded.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};

use crate::config::RateLimit;
use crate::rate::Limiter;

/// Full ones that are forgotten at a time: more than one, so that forgetting overtakes.
const FORGOTTEN_MAX: usize = 64;

/// See the module.
pub(crate) struct Fills<K> {
    /// The one of whoever has none.
    first: Limiter,
    limiters: BTreeMap<K, Limiter>,
    /// When each is full again.
    full: BTreeSet<(u64, K)>,
}

impl<K: Ord + Clone> Fills<K> {
    /// Of a queue that handed out nothing yet: full.
    pub fn new() -> Self {
        Fills {
            first: Limiter::default(),
            limiters: BTreeMap::new(),
            full: BTreeSet::new(),
        }
    }

    /// All are empty: the limit is new, or what was handed out is unknown.
    pub fn restart(&mut self, limit: Option<RateLimit>, now_ms: u64) {
        *self = Fills::new();
        self.first = limit.map_or(self.first, |limit| Limiter::empty(limit, now_ms));
    }

    pub fn of<Q: Ord + ?Sized>(&self, key: &Q) -> Limiter
    where
        K: Borrow<Q>,
    {
        self.limiters.get(key).copied().unwrap_or(self.first)
    }

    pub fn take<Q: Ord + ToOwned<Owned = O> + ?Sized, O: Into<K>>(
        &mut self,
        key: &Q,
        limit: RateLimit,
        now_ms: u64,
    ) where
        K: Borrow<Q>,
    {
        let mut limiter = self.of(key);
        let mut full = (limiter.full_at_ms(limit), key.to_owned().into());
        self.full.remove(&full);
        limiter.take(limit, now_ms, 1);
        full.0 = limiter.full_at_ms(limit);
        self.limiters.insert(full.1.clone(), limiter);
        self.full.insert(full);
    }

    /// Full ones need not be remembered.
    pub fn forget(&mut self, now_ms: u64) {
        for _ in 0..FORGOTTEN_MAX {
            if self
                .full
                .first()
                .is_none_or(|&(full_at_ms, _)| full_at_ms > now_ms)
            {
                return;
            }
            let (_, key) = self.full.pop_first().expect("there is a first");
            self.limiters.remove(&key);
        }
    }

    #[cfg(test)]
    pub fn len(&self) -> usize {
        assert_eq!(self.limiters.len(), self.full.len());
        self.limiters.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEN: RateLimit = RateLimit {
        requests: 10,
        per_ms: 1000,
        burst: 2,
    };

    #[test]
    fn each_key_has_its_own_and_full_ones_are_forgotten() {
        let mut fills = Fills::<u64>::new();
        fills.take(&1, TEN, 1000);
        fills.take(&1, TEN, 1000);
        fills.take(&2, TEN, 1000);
        let available = |fills: &Fills<u64>, key, now_ms| fills.of(&key).available(TEN, now_ms);
        assert_eq!([1, 2, 3].map(|key| available(&fills, key, 1000)), [0, 1, 2]);
        fills.forget(1199);
        assert_eq!(fills.len(), 1, "the second is full after 100 ms");
        fills.forget(1200);
        assert_eq!(fills.len(), 0);
        assert_eq!(available(&fills, 1, 1200), 2);
    }

    #[test]
    fn after_a_restart_a_key_nobody_knows_has_what_an_empty_one_has_by_now() {
        let mut fills = Fills::<u64>::new();
        fills.take(&1, TEN, 1000);
        fills.restart(Some(TEN), 1000);
        for key in [1, 2] {
            assert_eq!(fills.of(&key).available(TEN, 1099), 0);
            assert_eq!(fills.of(&key).available(TEN, 1100), 1);
        }
        assert_eq!(fills.of(&3).available(TEN, 9000), 2);
    }
}
