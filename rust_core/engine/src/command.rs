//! What can be asked of a partition. Commands come validated: every number is within its limit.

use crate::config::QueueConfig;
use crate::ids::{LeaseId, MessageId};

/// Index of a blob among those that came with this step's commands, and its length. The engine never sees
/// a blob's bytes; `Step::blobs` says which of them the batch must carry, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Position in the caller's table.
    pub index: u32,
    /// Bytes.
    pub length: u32,
}

/// A dedup id, hashed at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupKey {
    /// 128 bits of a cryptographic hash of the id.
    pub hash: u128,
    /// 64 bits of a hash of the payload: the same id with another payload is refused.
    pub fingerprint: u64,
}

/// One message to accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// 0 to 255, higher is sooner.
    pub priority: u8,
    /// Milliseconds until it may be delivered. None: the queue's default.
    pub delay_ms: Option<u64>,
    /// Milliseconds until it expires, counted from acceptance. None: the queue's default; 0: never.
    pub ttl_ms: Option<u64>,
    /// Present when the message has a dedup id.
    pub dedup: Option<DedupKey>,
    /// Hash of the ordering key, when it has one.
    pub ordering_key: Option<u64>,
    /// Hash of the fairness key, when it has one.
    pub fairness_key: Option<u64>,
    /// Replaces the queue's `max_retries`.
    pub max_retries: Option<u32>,
    /// Payload, metadata and keys, as the codec laid them out.
    pub blob: Blob,
}

/// A request to a partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make a queue, and the dead-letter queue it names. Equal to an existing one: no change.
    CreateQueue {
        /// The queue's name.
        name: Box<str>,
        /// Its settings.
        config: QueueConfig,
    },
    /// Replace a queue's settings. A rate limit that changes starts empty; a new queue's starts full.
    UpdateQueue {
        /// The queue's name.
        name: Box<str>,
        /// What to change.
        patch: ConfigPatch,
    },
    /// Remove a queue and all its messages.
    DeleteQueue {
        /// The queue's name.
        name: Box<str>,
    },
    /// Read one queue.
    GetQueue {
        /// The queue's name.
        name: Box<str>,
    },
    /// Read queues in order of name, after `after`, at most `limit`.
    ListQueues {
        /// Where the page before ended.
        after: Option<Box<str>>,
        /// At most this many.
        limit: u32,
    },
    /// Accept messages. `atomic`: all or none.
    Enqueue {
        /// The queue.
        queue: Box<str>,
        /// The messages, in order.
        messages: Vec<NewMessage>,
        /// All or none.
        atomic: bool,
    },
    /// Lease up to `messages_max` messages.
    Receive {
        /// The queue.
        queue: Box<str>,
        /// The consumer group.
        group: Box<str>,
        /// Who asked, for people to see.
        consumer: Box<str>,
        /// At most this many.
        messages_max: u32,
        /// Length of the lease. None: the queue's.
        visibility_timeout_ms: Option<u64>,
        /// Stop before the envelopes and error texts of the answer exceed these bytes; one message always goes.
        answer_bytes_max: u64,
    },
    /// The message is done.
    Ack(Ack),
    /// The delivery failed.
    Nack(Nack),
    /// The consumer needs more time.
    Extend(Extend),
    /// Many of them at once, each with its own result. When `queue` is given, receipts of another queue are refused.
    Settle {
        /// Receipts of another queue are refused.
        queue: Box<str>,
        /// Leases to ack.
        acks: Vec<Ack>,
        /// Leases to nack.
        nacks: Vec<Nack>,
        /// Leases to extend.
        extends: Vec<Extend>,
    },
    /// Give a lease back: the message is ready at once and no attempt is counted. For a client that vanished
    /// before it saw the message.
    Release {
        /// The leases, in the order they were handed out.
        leases: Vec<Release>,
    },
    /// Read one message.
    GetMessage {
        /// The message.
        message: MessageId,
    },
    /// Look at messages of one state without leasing them, in the order of that state, after `after`.
    Peek {
        /// The queue.
        queue: Box<str>,
        /// Which messages.
        state: PeekState,
        /// Where the page before ended.
        after: Option<MessageId>,
        /// At most this many.
        limit: u32,
        /// As of a receive.
        answer_bytes_max: u64,
    },
}

impl Command {
    /// Messages, or queues, that carrying it out touches at most: what bounds how long it takes.
    pub fn messages_max(&self) -> usize {
        match self {
            Command::Enqueue { messages, .. } => messages.len(),
            Command::Receive { messages_max, .. } => *messages_max as usize,
            Command::Settle {
                acks,
                nacks,
                extends,
                ..
            } => acks.len() + nacks.len() + extends.len(),
            Command::Release { leases } => leases.len(),
            Command::ListQueues { limit, .. } | Command::Peek { limit, .. } => *limit as usize,
            Command::CreateQueue { .. }
            | Command::UpdateQueue { .. }
            | Command::DeleteQueue { .. }
            | Command::GetQueue { .. }
            | Command::Ack(_)
            | Command::Nack(_)
            | Command::Extend(_)
            | Command::GetMessage { .. } => 1,
        }
    }

    /// Messages it asks to accept.
    pub(crate) fn messages_brought(&self) -> usize {
        match self {
            Command::Enqueue { messages, .. } => messages.len(),
            _ => 0,
        }
    }
}

/// See [`Command::Ack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The lease it ends.
    pub lease: LeaseId,
}

/// See [`Command::Release`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// The lease it ends.
    pub lease: LeaseId,
    /// [`Delivered::ready_since_ms`](crate::reply::Delivered::ready_since_ms): nobody saw the message, so it
    /// waits since then.
    pub ready_since_ms: u64,
}

/// See [`Command::Nack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The lease it ends.
    pub lease: LeaseId,
    /// Milliseconds until the next delivery. None: the queue's backoff.
    pub delay_ms: Option<u64>,
    /// Replaces the message's priority.
    pub priority: Option<u8>,
    /// The error's text, when one came. Kept beside the message until it is gone.
    pub error: Option<Blob>,
    /// Dead at once, whatever retries are left.
    pub reject: bool,
}

/// See [`Command::Extend`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extend {
    /// The lease it prolongs.
    pub lease: LeaseId,
    /// The lease now ends this many milliseconds from now. None: the queue's visibility timeout.
    pub visibility_timeout_ms: Option<u64>,
}

/// Settings to change; None leaves one as it is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigPatch {
    /// Deliveries that may follow a failed first one.
    pub max_retries: Option<u32>,
    /// Length of a lease.
    pub visibility_timeout_ms: Option<u64>,
    /// Some(None) removes it.
    pub dead_letter_queue: Option<Option<Box<str>>>,
    /// Some(None) removes it.
    pub rate_limit: Option<Option<crate::config::RateLimit>>,
    /// Choice among priority levels.
    pub scheduling: Option<crate::config::Scheduling>,
    /// Delay after a failed attempt.
    pub backoff: Option<crate::config::Backoff>,
    /// How long a dedup id is remembered; 0: not at all.
    pub dedup_window_ms: Option<u64>,
    /// Delay of a message that names none.
    pub delay_ms: Option<u64>,
    /// Time to live of a message that names none; 0: for ever.
    pub ttl_ms: Option<u64>,
}

impl ConfigPatch {
    /// The settings it makes of `config`.
    pub fn over(self, config: &QueueConfig) -> QueueConfig {
        QueueConfig {
            max_retries: self.max_retries.unwrap_or(config.max_retries),
            visibility_timeout_ms: self
                .visibility_timeout_ms
                .unwrap_or(config.visibility_timeout_ms),
            dead_letter_queue: self
                .dead_letter_queue
                .unwrap_or_else(|| config.dead_letter_queue.clone()),
            rate_limit: self.rate_limit.unwrap_or(config.rate_limit),
            scheduling: self.scheduling.unwrap_or(config.scheduling),
            backoff: self.backoff.unwrap_or(config.backoff),
            dedup_window_ms: self.dedup_window_ms.unwrap_or(config.dedup_window_ms),
            delay_ms: self.delay_ms.unwrap_or(config.delay_ms),
            ttl_ms: self.ttl_ms.unwrap_or(config.ttl_ms),
        }
    }
}

/// Which of a queue's messages to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekState {
    /// May be delivered now.
    Ready,
    /// Wait until they are due.
    Delayed,
    /// A consumer holds them.
    Leased,
    /// Can't be delivered.
    Dead,
}
