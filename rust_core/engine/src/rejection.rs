//! When the rules say no. A rejection is a value: nothing changed, and asking again changes nothing.
//! Each has one code, listed in spec/errors.toml; the detail is for people and may change.

use crate::config::QueueConfig;

/// Why a command, or one entry of a batch, was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rejection {
    /// No queue of that name.
    QueueNotFound {
        /// The name asked for.
        queue: Box<str>,
    },
    /// A queue of that name exists with other settings.
    QueueConflict {
        /// The name asked for.
        queue: Box<str>,
        /// The settings it has.
        there: Box<QueueConfig>,
        /// The settings asked for.
        asked: Box<QueueConfig>,
    },
    /// The dead-letter queue named is the queue itself.
    DeadLetterQueueIsItself {
        /// The name asked for.
        queue: Box<str>,
    },
    /// Dead letters of the queue would come back to it through the dead-letter queue named.
    DeadLetterQueueLeadsBack {
        /// The name asked for.
        queue: Box<str>,
        /// The first of those that lead back.
        dead_letter_queue: Box<str>,
    },
    /// Dead letters of the queue would pass too many queues.
    DeadLetterQueueChainTooLong {
        /// The name asked for.
        queue: Box<str>,
        /// The first of them.
        dead_letter_queue: Box<str>,
        /// How many are allowed.
        queues_max: u32,
    },
    /// There are as many queues as may be.
    QueuesExhausted {
        /// How many that is.
        queues_max: u64,
    },
    /// The queue accepts nothing for now.
    QueuePaused {
        /// The name asked for.
        queue: Box<str>,
    },
    /// The queue holds as many messages as it may.
    QueueFull {
        /// The name asked for.
        queue: Box<str>,
        /// How many that is.
        messages_max: u64,
    },
    /// The queue has accepted as many messages as its ingress limit allows by now.
    RateLimited {
        /// The name asked for.
        queue: Box<str>,
        /// Messages that may come at once.
        burst: u32,
        /// Milliseconds until as many can be accepted, or a whole burst when they are more than that.
        retry_after_ms: u64,
    },
    /// As many dedup ids are remembered as may be.
    DedupMemoryFull {
        /// How many that is, in all queues.
        ids_max: u64,
    },
    /// The queue has no such consumer group.
    GroupNotFound {
        /// The name asked for.
        queue: Box<str>,
        /// The group asked for.
        group: Box<str>,
    },
    /// The queue has as many consumer groups as may be.
    GroupsExhausted {
        /// The name asked for.
        queue: Box<str>,
        /// How many that is, beside `default`.
        groups_max: u64,
    },
    /// The group has as many members as may be.
    MembersExhausted {
        /// The name asked for.
        queue: Box<str>,
        /// The group asked for.
        group: Box<str>,
        /// How many that is.
        members_max: u64,
    },
    /// The group `default` can't be removed.
    GroupIsDefault {
        /// The name asked for.
        queue: Box<str>,
    },
    /// The message is gone, or never was.
    MessageNotFound,
    /// The message is there, or was, but the consumer group never had it.
    NotInGroup {
        /// The group asked for.
        group: Box<str>,
    },
    /// The message that a page goes on after has left the state that is peeked at.
    PageLost,
    /// A consumer holds the message.
    MessageLeased,
    /// The message is dead: it is delivered no more.
    MessageDead,
    /// The lease ended and somebody else may hold the message, or it is gone.
    LeaseLost,
    /// The receipt is of another queue than the one named.
    ReceiptOfOtherQueue {
        /// The name asked for.
        queue: Box<str>,
    },
    /// The dedup id was used within the window with another payload.
    DedupConflict,
    /// Another entry of an atomic batch was refused.
    BatchAborted,
    /// No such sweep, or it ended long ago.
    SweepNotFound,
    /// As many sweeps are under way as may be.
    SweepsExhausted {
        /// How many that is.
        running_max: u64,
    },
}

impl Rejection {
    /// The code, as in spec/errors.toml.
    pub fn code(&self) -> &'static str {
        match self {
            Rejection::QueueNotFound { .. } => "queue_not_found",
            Rejection::QueueConflict { .. } => "queue_conflict",
            Rejection::DeadLetterQueueIsItself { .. }
            | Rejection::DeadLetterQueueLeadsBack { .. }
            | Rejection::DeadLetterQueueChainTooLong { .. } => "dead_letter_queue_invalid",
            Rejection::QueuesExhausted { .. } => "queues_exhausted",
            Rejection::QueuePaused { .. } => "queue_paused",
            Rejection::QueueFull { .. } => "queue_full",
            Rejection::DedupMemoryFull { .. } => "dedup_memory_full",
            Rejection::RateLimited { .. } => "rate_limited",
            Rejection::GroupNotFound { .. } => "group_not_found",
            Rejection::GroupsExhausted { .. } => "groups_exhausted",
            Rejection::MembersExhausted { .. } => "members_exhausted",
            Rejection::GroupIsDefault { .. } => "group_is_default",
            Rejection::MessageNotFound | Rejection::NotInGroup { .. } | Rejection::PageLost => {
                "message_not_found"
            }
            Rejection::MessageLeased => "message_leased",
            Rejection::MessageDead => "message_dead",
            Rejection::LeaseLost => "lease_lost",
            Rejection::ReceiptOfOtherQueue { .. } => "receipt_invalid",
            Rejection::DedupConflict => "dedup_conflict",
            Rejection::BatchAborted => "batch_aborted",
            Rejection::SweepNotFound => "sweep_not_found",
            Rejection::SweepsExhausted { .. } => "sweeps_exhausted",
        }
    }
}
