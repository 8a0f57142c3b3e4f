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
    CreateQueue { name: Box<str>, config: QueueConfig },
    /// Replace a queue's settings.
    UpdateQueue { name: Box<str>, patch: ConfigPatch },
    /// Remove a queue and all its messages.
    DeleteQueue { name: Box<str> },
    /// Read one queue.
    GetQueue { name: Box<str> },
    /// Read queues in order of name, after `after`, at most `limit`.
    ListQueues { after: Option<Box<str>>, limit: u32 },
    /// Accept messages. `atomic`: all or none.
    Enqueue {
        queue: Box<str>,
        messages: Vec<NewMessage>,
        atomic: bool,
    },
    /// Lease up to `messages_max` messages.
    Receive {
        queue: Box<str>,
        group: Box<str>,
        consumer: Box<str>,
        messages_max: u32,
        visibility_timeout_ms: Option<u64>,
    },
    /// The message is done.
    Ack(Ack),
    /// The delivery failed.
    Nack(Nack),
    /// The consumer needs more time.
    Extend(Extend),
    /// Many of them at once, each with its own result. When `queue` is given, receipts of another queue are refused.
    Settle {
        queue: Box<str>,
        acks: Vec<Ack>,
        nacks: Vec<Nack>,
        extends: Vec<Extend>,
    },
    /// Give a lease back: the message is ready at once and no attempt is counted. For a client that vanished
    /// before it saw the message.
    Release { leases: Vec<LeaseId> },
    /// Read one message.
    GetMessage { message: MessageId },
    /// Look at messages of one state without leasing them, in the order of that state, after `after`.
    Peek {
        queue: Box<str>,
        state: PeekState,
        after: Option<MessageId>,
        limit: u32,
    },
}

/// See [`Command::Ack`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The lease it ends.
    pub lease: LeaseId,
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
    pub max_retries: Option<u32>,
    pub visibility_timeout_ms: Option<u64>,
    /// Some(None) removes it.
    pub dead_letter_queue: Option<Option<Box<str>>>,
    /// Some(None) removes it.
    pub rate_limit: Option<Option<crate::config::RateLimit>>,
    pub scheduling: Option<crate::config::Scheduling>,
    pub backoff: Option<crate::config::Backoff>,
    pub dedup_window_ms: Option<u64>,
    pub delay_ms: Option<u64>,
    pub ttl_ms: Option<u64>,
}

/// Which of a queue's messages to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekState {
    Ready,
    Delayed,
    Leased,
    Dead,
}
