//! Why a receive is empty.

/// Why nothing was handed out although messages are, or may be, ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limited {
    /// Which limit.
    pub by: LimitedBy,
    /// Milliseconds until a receive can succeed. None: no time does it.
    pub retry_after_ms: Option<u64>,
}

/// Which limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitedBy {
    /// The queue is paused.
    Paused,
    /// As many messages are leased as may be: the queue's `in_flight_max`.
    InFlight,
    /// The queue's `rate_limit`.
    QueueRateLimit,
    /// The `consumer_rate_limit`, of the one who asks.
    Consumer,
    /// Each message that is ready has a fairness key with no token left, or with as many in flight as may be.
    Key,
    /// Each message that is ready has an ordering key that sticks to another member of the group.
    KeyAssigned,
}
