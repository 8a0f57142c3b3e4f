//! A queue's settings, as the engine needs them: integers, every default resolved.

/// How the next message of a queue is chosen among its priority levels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheduling {
    /// Rank is ready time minus priority times `aging_ms`: a lower level goes first once it has waited that
    /// much longer, so nothing starves.
    Fair {
        /// Milliseconds of waiting that equal one priority level.
        aging_ms: u64,
    },
    /// A lower level waits until every higher one is empty.
    Strict,
}

impl Scheduling {
    /// A minute of waiting is a level.
    pub const AGING_MS_DEFAULT: u64 = 60_000;
    /// A new queue's.
    pub const DEFAULT: Scheduling = Scheduling::Fair {
        aging_ms: Scheduling::AGING_MS_DEFAULT,
    };
}

/// Delay before the next delivery after a failed attempt: `initial * multiplier^(attempts - 1)`, at most
/// `max`, then spread by jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Delay after the first failed attempt, in milliseconds. 0: at once.
    pub initial_ms: u64,
    /// Growth a failed attempt, in thousandths (2000 doubles). At least 1000.
    pub multiplier_permille: u32,
    /// Largest delay, in milliseconds.
    pub max_ms: u64,
    /// Spread, in thousandths of the delay: the delay is drawn from `delay * (1 - jitter) ..= delay`.
    pub jitter_permille: u16,
}

impl Backoff {
    /// A new queue's.
    pub const DEFAULT: Backoff = Backoff {
        initial_ms: 1000,
        multiplier_permille: 2000,
        max_ms: 600_000,
        jitter_permille: 200,
    };
}

/// A rate as GCRA sees it: one message every `per_ms / requests`, with `burst` at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Messages per `per_ms`. At least 1.
    pub requests: u32,
    /// The period, in milliseconds.
    pub per_ms: u64,
    /// Messages that may go at once after a pause. At least 1.
    pub burst: u32,
}

/// One fairness key's share of a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// The key, for people to see.
    pub key: Box<str>,
    /// Its hash, as messages carry it.
    pub hash: u64,
    /// Its share, beside 1 for every key that is not named. At least 1.
    pub weight: u32,
}

/// How the fairness keys of a queue share it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fairness {
    /// Keys whose share is not 1, in order of their text.
    pub weights: Vec<Weight>,
    /// Messages of one key that may be leased at the same time. 0: no bound.
    pub in_flight_max: u32,
}

/// A queue's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueConfig {
    /// Deliveries that may follow a failed first one.
    pub max_retries: u32,
    /// Length of a lease when the receive names none, in milliseconds.
    pub visibility_timeout_ms: u64,
    /// Where a message goes that can't be delivered. None: it stays, in state `dead`.
    pub dead_letter_queue: Option<Box<str>>,
    /// Limit on dispatch, retries included.
    pub rate_limit: Option<RateLimit>,
    /// The same for each consumer.
    pub consumer_rate_limit: Option<RateLimit>,
    /// The same for each fairness key.
    pub key_rate_limit: Option<RateLimit>,
    /// Limit on acceptance.
    pub ingress_limit: Option<RateLimit>,
    /// How fairness keys share the queue.
    pub fairness: Fairness,
    /// Messages the queue holds at most. 0: no bound.
    pub messages_max: u64,
    /// Messages that may be leased at the same time. 0: no bound.
    pub in_flight_max: u32,
    /// Choice among priority levels.
    pub scheduling: Scheduling,
    /// Delay after a failed attempt.
    pub backoff: Backoff,
    /// How long a dedup id is remembered, in milliseconds. 0: not at all.
    pub dedup_window_ms: u64,
    /// Delay of a message whose enqueue names none, in milliseconds.
    pub delay_ms: u64,
    /// Time to live of a message whose enqueue names none, in milliseconds. 0: for ever.
    pub ttl_ms: u64,
    /// How long a message stays in state `dead`, in milliseconds. 0: for ever.
    pub dead_retention_ms: u64,
    /// How long the result of an ack is kept, in milliseconds. 0: not at all.
    pub result_retention_ms: u64,
    /// How long a member stays in a consumer group that shows no sign of life, in milliseconds.
    pub session_timeout_ms: u64,
}

impl QueueConfig {
    /// A day.
    pub const RESULT_RETENTION_MS_DEFAULT: u64 = 86_400_000;
    /// Ten heartbeats of three seconds.
    pub const SESSION_TIMEOUT_MS_DEFAULT: u64 = 30_000;

    /// A new queue's settings where its creator names none: fair scheduling with 60 s of aging, backoff from 1 s,
    /// doubling, to 600 s with a jitter of a fifth, a dedup window of 300 s, results kept for a day, sessions of 30 s;
    /// no limit, no bound, no delay, no time to live, and no dead-letter queue, so what dies there stays there.
    pub fn new(visibility_timeout_ms: u64, max_retries: u32) -> Self {
        QueueConfig {
            max_retries,
            visibility_timeout_ms,
            dead_letter_queue: None,
            rate_limit: None,
            consumer_rate_limit: None,
            key_rate_limit: None,
            ingress_limit: None,
            fairness: Fairness::default(),
            messages_max: 0,
            in_flight_max: 0,
            scheduling: Scheduling::DEFAULT,
            backoff: Backoff::DEFAULT,
            dedup_window_ms: 300_000,
            delay_ms: 0,
            ttl_ms: 0,
            dead_retention_ms: 0,
            result_retention_ms: Self::RESULT_RETENTION_MS_DEFAULT,
            session_timeout_ms: Self::SESSION_TIMEOUT_MS_DEFAULT,
        }
    }
}

/// Bytes of memory that one remembered dedup id takes at most: its entry, and its place in two tables that have just
/// doubled, by its hash and by the message that holds it.
pub const DEDUP_ID_BYTES: u64 = 72;

/// What a partition's owner sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// A new queue's settings: also those of a dead-letter queue that is made because somebody named it.
    pub queue_config: QueueConfig,
    /// Queues at most.
    pub queues_max: u64,
    /// Dedup ids remembered at most, in all queues. See [`DEDUP_ID_BYTES`](crate::config::DEDUP_ID_BYTES).
    pub dedup_ids_max: u64,
    /// Bytes of results kept at most, in all queues; each counts a KiB at least.
    pub results_bytes_max: u64,
    /// How much more than what it must keep the journal may hold, about. Looked at in quarters.
    pub segment_bytes: u64,
}

impl Settings {
    /// What of the journal is looked at as one.
    pub(crate) fn range_bytes(&self) -> u64 {
        self.segment_bytes / 4
    }
}
