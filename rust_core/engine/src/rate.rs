//! Rate limits: the generic cell rate algorithm (ITU-T I.371), exact in integers.
//!
//! Time is counted in ticks of 1/requests ms, so one message is worth exactly `per_ms` ticks whatever the rate.
//! `arrival` is the theoretical arrival time: tokens are there while it is less than a burst ahead of now.

use crate::config::RateLimit;

/// One limiter. A new one is full: a burst may go at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Limiter {
    arrival: u128,
}

impl Limiter {
    /// No token is left; the next comes after one interval.
    pub fn empty(limit: RateLimit, now_ms: u64) -> Self {
        Limiter {
            arrival: ticks(limit, now_ms) + burst(limit),
        }
    }

    /// Messages that may go now.
    pub fn available(&self, limit: RateLimit, now_ms: u64) -> u32 {
        let used = self.arrival.saturating_sub(ticks(limit, now_ms));
        (burst(limit).saturating_sub(used) / u128::from(limit.per_ms)) as u32
    }

    pub fn take(&mut self, limit: RateLimit, now_ms: u64, count: u32) {
        let now = ticks(limit, now_ms);
        let cost = u128::from(count) * u128::from(limit.per_ms);
        self.arrival = self.arrival.max(now) + cost;
        assert!(
            self.arrival <= now + burst(limit),
            "more messages than the rate limit allows"
        );
    }

    /// Milliseconds until a message may go; 0: now.
    pub fn retry_after_ms(&self, limit: RateLimit, now_ms: u64) -> u64 {
        self.retry_many_after_ms(limit, now_ms, 1)
    }

    /// Milliseconds until so many may go at once; 0: now. More than a burst never may, so they wait for a whole one.
    pub fn retry_many_after_ms(&self, limit: RateLimit, now_ms: u64, count: u64) -> u64 {
        let free = ticks(limit, now_ms) + burst(limit);
        let count = u128::from(count.min(u64::from(limit.burst)));
        let missing = (self.arrival + count * u128::from(limit.per_ms)).saturating_sub(free);
        u64::try_from(missing.div_ceil(u128::from(limit.requests))).unwrap_or(u64::MAX)
    }

    /// From when on it is as a new one.
    pub fn full_at_ms(&self, limit: RateLimit) -> u64 {
        u64::try_from(self.arrival.div_ceil(u128::from(limit.requests))).unwrap_or(u64::MAX)
    }

    /// Its theoretical arrival time, in ticks: all there is of it.
    pub fn arrival(&self) -> u128 {
        self.arrival
    }

    /// One of that arrival time.
    pub fn arriving(arrival: u128) -> Self {
        Limiter { arrival }
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        fold(&self.arrival.to_le_bytes());
    }
}

fn ticks(limit: RateLimit, ms: u64) -> u128 {
    assert!(
        limit.requests > 0 && limit.per_ms > 0 && limit.burst > 0,
        "a rate limit of nothing"
    );
    u128::from(ms) * u128::from(limit.requests)
}

fn burst(limit: RateLimit) -> u128 {
    u128::from(limit.burst) * u128::from(limit.per_ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HUNDRED: RateLimit = RateLimit {
        requests: 100,
        per_ms: 1000,
        burst: 100,
    };

    #[test]
    fn a_burst_then_one_each_interval() {
        let mut limiter = Limiter::default();
        assert_eq!(limiter.available(HUNDRED, 5000), 100);
        limiter.take(HUNDRED, 5000, 100);
        assert_eq!(
            (
                limiter.available(HUNDRED, 5000),
                limiter.retry_after_ms(HUNDRED, 5000)
            ),
            (0, 10)
        );
        assert_eq!(
            (
                limiter.available(HUNDRED, 5009),
                limiter.retry_after_ms(HUNDRED, 5009)
            ),
            (0, 1)
        );
        assert_eq!(
            (
                limiter.available(HUNDRED, 5010),
                limiter.retry_after_ms(HUNDRED, 5010)
            ),
            (1, 0)
        );
        assert_eq!(limiter.available(HUNDRED, 60_000), 100);
    }

    #[test]
    fn an_empty_one_fills_from_nothing() {
        let limiter = Limiter::empty(HUNDRED, 7);
        assert_eq!(
            (
                limiter.available(HUNDRED, 7),
                limiter.available(HUNDRED, 17)
            ),
            (0, 1)
        );
    }

    #[test]
    fn a_million_a_second_is_exact() {
        let fast = RateLimit {
            requests: 1_000_000,
            per_ms: 1000,
            burst: 1,
        };
        let slow = RateLimit {
            requests: 7,
            per_ms: 1000,
            burst: 1,
        };
        for (limit, seconds) in [(fast, 1), (slow, 100)] {
            let (mut limiter, mut sent) = (Limiter::default(), 0);
            for ms in 1_700_000_000_000..1_700_000_000_000 + seconds * 1000 {
                let count = limiter.available(limit, ms);
                limiter.take(limit, ms, count);
                sent += u64::from(count);
            }
            let burst_bound = seconds * u64::from(limit.requests) + 1;
            assert!(sent <= burst_bound, "{sent} sent");
        }
    }

    #[test]
    #[should_panic(expected = "more messages than")]
    fn taking_what_is_not_there_is_a_bug() {
        Limiter::default().take(HUNDRED, 0, 101);
    }
}
