//! Rate limits: a bucket of tokens each, for a group, its consumers and its fairness keys.

use engine::config::{QueueConfig, RateLimit};

/// The buckets of a consumer group.
#[derive(Clone, Default)]
pub(crate) struct Limits {
    pub group: Option<Bucket>,
    /// What is accepted; only that of `default` counts.
    pub ingress: Option<Bucket>,
    pub consumers: Buckets<Box<str>>,
    pub keys: Buckets<u64>,
}

/// A bucket for each of many, all alike.
#[derive(Clone)]
pub(crate) struct Buckets<K> {
    /// That of whoever took nothing yet.
    fresh: Option<Bucket>,
    used: Vec<(K, Bucket)>,
}

/// A bucket of tokens, counted in shares: `per_ms` shares are one token, and each millisecond brings `requests`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    limit: RateLimit,
    shares: u128,
    at_ms: u64,
}

impl Bucket {
    pub fn full(limit: RateLimit, now_ms: u64) -> Self {
        let shares = u128::from(limit.burst) * u128::from(limit.per_ms);
        Bucket {
            limit,
            shares,
            at_ms: now_ms,
        }
    }

    fn empty(limit: RateLimit, now_ms: u64) -> Self {
        Bucket {
            limit,
            shares: 0,
            at_ms: now_ms,
        }
    }

    fn fill(&mut self, now_ms: u64) {
        let brought = u128::from(now_ms - self.at_ms) * u128::from(self.limit.requests);
        let most = u128::from(self.limit.burst) * u128::from(self.limit.per_ms);
        self.shares = most.min(self.shares + brought);
        self.at_ms = now_ms;
    }

    pub fn has_one(&mut self, now_ms: u64) -> bool {
        self.fill(now_ms);
        self.shares >= u128::from(self.limit.per_ms)
    }

    pub fn take(&mut self, now_ms: u64) {
        assert!(
            self.has_one(now_ms),
            "more were delivered than the rate limit allows"
        );
        self.shares -= u128::from(self.limit.per_ms);
    }

    /// Milliseconds until so many are there, or a whole burst. None: so many are there.
    pub fn wait_many_ms(mut self, many: u64, now_ms: u64) -> Option<u64> {
        self.fill(now_ms);
        let shares = |tokens: u64| u128::from(tokens) * u128::from(self.limit.per_ms);
        if shares(many) <= self.shares {
            return None;
        }
        let burst = u64::from(self.limit.burst);
        let missing = shares(many.min(burst)) - self.shares;
        Some(missing.div_ceil(u128::from(self.limit.requests)) as u64)
    }

    /// Milliseconds until there is one.
    pub fn wait_ms(&mut self, now_ms: u64) -> u64 {
        self.fill(now_ms);
        let missing = u128::from(self.limit.per_ms).saturating_sub(self.shares);
        missing.div_ceil(u128::from(self.limit.requests)) as u64
    }
}

impl Limits {
    /// Of a group that handed out nothing yet.
    pub fn full(config: &QueueConfig, now_ms: u64) -> Self {
        let full = |limit: Option<RateLimit>| limit.map(|limit| Bucket::full(limit, now_ms));
        Limits {
            group: full(config.rate_limit),
            ingress: full(config.ingress_limit),
            consumers: Buckets::of(full(config.consumer_rate_limit)),
            keys: Buckets::of(full(config.key_rate_limit)),
        }
    }

    /// What was handed out is unknown.
    pub fn empty(&mut self, config: &QueueConfig, now_ms: u64) {
        let empty = |limit: Option<RateLimit>| limit.map(|limit| Bucket::empty(limit, now_ms));
        self.group = empty(config.rate_limit);
        self.ingress = empty(config.ingress_limit);
        self.consumers = Buckets::of(empty(config.consumer_rate_limit));
        self.keys = Buckets::of(empty(config.key_rate_limit));
    }

    /// A limit that changed starts empty.
    pub fn change(&mut self, before: &QueueConfig, config: &QueueConfig, now_ms: u64) {
        let old = self.clone();
        self.empty(config, now_ms);
        if before.rate_limit == config.rate_limit {
            self.group = old.group;
        }
        if before.ingress_limit == config.ingress_limit {
            self.ingress = old.ingress;
        }
        if before.consumer_rate_limit == config.consumer_rate_limit {
            self.consumers = old.consumers;
        }
        if before.key_rate_limit == config.key_rate_limit {
            self.keys = old.keys;
        }
    }
}

impl<K> Default for Buckets<K> {
    fn default() -> Self {
        Buckets::of(None)
    }
}

impl<K> Buckets<K> {
    fn of(fresh: Option<Bucket>) -> Self {
        let used = Vec::new();
        Buckets { fresh, used }
    }
}

impl<K: PartialEq + Clone> Buckets<K> {
    /// Milliseconds until it has a token; 0: it has one, or is not limited.
    pub fn wait_ms(&self, of: &K, now_ms: u64) -> u64 {
        let used = self.used.iter().find(|(used, _)| used == of);
        let bucket = used.map(|(_, bucket)| *bucket).or(self.fresh);
        bucket.map_or(0, |mut bucket| bucket.wait_ms(now_ms))
    }

    pub fn take(&mut self, of: &K, now_ms: u64) {
        let Some(fresh) = self.fresh else { return };
        if !self.used.iter().any(|(used, _)| used == of) {
            self.used.push((of.clone(), fresh));
        }
        let mut used = self.used.iter_mut();
        let found = used.find(|(used, _)| used == of);
        found.expect("it was added").1.take(now_ms);
    }
}
