//! What was decided. Replaying records rebuilds the state; nothing is decided again, so tomorrow's rules
//! can't change yesterday's history. The byte format lives in the codec; adding a variant there is a format
//! change, with its ritual.

use crate::config::QueueConfig;
use crate::ids::{GroupNumber, MessageId, QueueNumber};

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The first record of a journal: the secret that receipts are signed with.
    Founded {
        secret: [u8; 32],
    },
    /// A new owner: every earlier writer is refused from here on. Limiters start empty.
    Fenced {
        epoch: u64,
    },
    QueueCreated {
        queue: QueueNumber,
        name: Box<str>,
        config: QueueConfig,
    },
    QueueUpdated {
        queue: QueueNumber,
        config: QueueConfig,
    },
    /// The name is free at once; its messages are taken away by `Reaped`.
    QueueDeleted {
        queue: QueueNumber,
    },
    /// `count` messages of a deleted queue were dropped.
    Reaped {
        queue: QueueNumber,
        count: u32,
    },
    Enqueued(Enqueued),
    /// A delay is over: the message is ready.
    Due {
        message: MessageId,
    },
    /// One receive's outcome.
    Leased {
        queue: QueueNumber,
        group: GroupNumber,
        consumer: Box<str>,
        until_ms: u64,
        messages: Vec<Lease>,
    },
    /// Done, and gone.
    Acked {
        message: MessageId,
        group: GroupNumber,
    },
    /// An attempt failed (`cause`), another follows at `due_ms`.
    Retried {
        message: MessageId,
        group: GroupNumber,
        cause: FailureCause,
        due_ms: u64,
        priority: u8,
        error_bytes: u32,
    },
    /// The lease's new end.
    Extended {
        message: MessageId,
        group: GroupNumber,
        until_ms: u64,
    },
    /// Given back; no attempt counted.
    Released {
        message: MessageId,
        group: GroupNumber,
    },
    /// Can't be delivered; stays in its queue, in state `dead`.
    Died {
        message: MessageId,
        reason: DeathReason,
        error_bytes: u32,
    },
    /// Can't be delivered; lives on in a dead-letter queue as `dead_letter`, its payload where it lies.
    DeadLettered {
        message: MessageId,
        reason: DeathReason,
        error_bytes: u32,
        queue: QueueNumber,
        dead_letter: MessageId,
    },
}

/// A message was accepted. Its blob is the batch's next one: the location follows from the order of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    pub message: MessageId,
    pub queue: QueueNumber,
    pub priority: u8,
    /// When it may be delivered first, an instant. At or before the batch's `now`: it is ready.
    pub due_ms: u64,
    /// 0: never.
    pub expires_at_ms: u64,
    pub dedup: Option<DedupEntry>,
    pub ordering_key: Option<u64>,
    pub fairness_key: Option<u64>,
    pub max_retries: Option<u32>,
    pub blob_bytes: u32,
}

/// What the dedup window remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupEntry {
    pub hash: u128,
    pub fingerprint: u64,
    pub expires_at_ms: u64,
}

/// One message of a [`Record::Leased`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    pub message: MessageId,
    pub delivery: u32,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCause {
    Nack,
    LeaseEnded,
}

/// Why a message can't be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeathReason {
    /// `attempts > max_retries`; the last one was a nack.
    RetriesExhausted,
    /// `attempts > max_retries`; the last one was a lease that ended.
    LeaseEnded,
    /// Its time to live was over.
    Expired,
    /// The consumer said so.
    Rejected,
}
