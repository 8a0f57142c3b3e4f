//! The rate bound: what a queue handed out, against what its limit allows.

use engine::config::RateLimit;

/// What a queue handed out under one limit.
pub(super) struct Dispatched {
    pub limit: RateLimit,
    /// When, and how many.
    pub counts: Vec<(u64, u64)>,
}

impl Dispatched {
    /// In no stretch of time more than a burst, and what the rate brings meanwhile.
    pub fn check(&self) {
        let RateLimit {
            requests,
            per_ms,
            burst,
        } = self.limit;
        for (index, (from_ms, _)) in self.counts.iter().enumerate() {
            let mut sum = 0;
            for (to_ms, count) in &self.counts[index..] {
                sum += count;
                let brought =
                    u128::from(to_ms - from_ms) * u128::from(requests) / u128::from(per_ms);
                let most = u128::from(burst) + brought;
                assert!(
                    u128::from(sum) <= most,
                    "{sum} in {} ms under {:?}",
                    to_ms - from_ms,
                    self.limit
                );
            }
        }
    }
}
