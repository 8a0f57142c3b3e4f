//! What was decided. Replaying records rebuilds the state; nothing is decided again, so tomorrow's rules can't change
//! yesterday's history. The byte format lives in the codec; a variant more is a change of format, with its ritual.

mod dedup_entry;

pub use dedup_entry::DedupEntry;
use std::sync::Arc;

use crate::config::{Backoff, QueueConfig};
use crate::ids::{GroupNumber, Location, MessageId, Part, QueueNumber};
use crate::sweep::{SweepEnd, SweepPlan, SweepTally};

/// One decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The first record of a journal: the secret that receipts are signed with.
    Founded {
        /// 32 random bytes.
        secret: [u8; 32],
    },
    /// A new owner: every earlier writer is refused from here on. Limiters start empty.
    Fenced {
        /// Counts up by one from 1.
        epoch: u64,
    },
    /// A queue was made.
    QueueCreated {
        /// The queue.
        queue: QueueNumber,
        /// The queue's name.
        name: Box<str>,
        /// Its settings.
        config: Box<QueueConfig>,
    },
    /// A queue's settings were replaced.
    QueueUpdated {
        /// The queue.
        queue: QueueNumber,
        /// Its settings.
        config: Box<QueueConfig>,
    },
    /// What of a queue is paused from here on.
    QueuePaused {
        /// The queue.
        queue: QueueNumber,
        /// All that is paused.
        paused: Paused,
    },
    /// The queue goes on under a fresh number, and its further groups under those behind, without their messages:
    /// `Reaped` takes them away under the old ones.
    QueuePurged {
        /// The number it had.
        queue: QueueNumber,
        /// The one it has from here on.
        fresh: QueueNumber,
    },
    /// A consumer group was made: what its queue accepts from here on, whatever record says so, it accepts as well, as
    /// a copy of the same number in the next slot. Groups follow each other in order of their making.
    GroupCreated {
        /// The queue it is a group of.
        queue: QueueNumber,
        /// Its number there.
        group: GroupNumber,
        /// Its name.
        name: Box<str>,
        /// Its number among the queues.
        shadow: QueueNumber,
    },
    /// A consumer became a member of a group; ordering keys that stick to it follow by `Reassigned`.
    MemberJoined {
        /// The group's number among the queues.
        queue: QueueNumber,
        /// Who.
        consumer: Box<str>,
    },
    /// A member is none any more. What it held follows by `Returned`, its keys by `Reassigned`.
    MemberLeft {
        /// The group's number among the queues.
        queue: QueueNumber,
        /// Who.
        consumer: Box<str>,
    },
    /// After a change of members, so many ready messages were put where those take them to whom their keys stick.
    Reassigned {
        /// The group's number among the queues.
        queue: QueueNumber,
        /// Messages.
        count: u32,
    },
    /// Leases that members held who left ended: their messages are ready again, no attempt counted.
    Returned {
        /// The group's queue number.
        queue: QueueNumber,
        /// Leases ended.
        count: u32,
    },
    /// A queue, with its further groups; or one of those. The name is free at once; the messages are taken away by
    /// `Reaped`.
    QueueDeleted {
        /// The queue.
        queue: QueueNumber,
    },
    /// Dead messages that were kept long enough are gone: the queue's first ones.
    Retired {
        /// The queue.
        queue: QueueNumber,
        /// How many.
        count: u32,
    },
    /// Something of a deleted or purged queue was dropped. With its last message and dedup entry the queue is gone.
    Reaped {
        /// The queue.
        queue: QueueNumber,
        /// Messages dropped.
        count: u32,
        /// Dedup entries dropped.
        dedup_entries: u32,
    },
    /// Dedup entries whose time was over were dropped, the earliest first. What they said had ended before.
    Forgotten {
        /// The queue.
        queue: QueueNumber,
        /// Entries dropped.
        dedup_entries: u32,
    },
    /// A message was accepted.
    Enqueued(Enqueued),
    /// A delay is over: the message is ready.
    Due {
        /// The message.
        message: MessageId,
    },
    /// One receive's outcome.
    Leased {
        /// The queue.
        queue: QueueNumber,
        /// The consumer group.
        group: GroupNumber,
        /// Who asked, for people to see.
        consumer: Arc<str>,
        /// When the lease ends, an instant.
        until_ms: u64,
        /// 128 bits of the hash of the attempt id it came with: repeated, it gets the same leases.
        attempt: Option<u128>,
        /// The messages, in order.
        messages: Vec<Lease>,
    },
    /// A message that nobody holds is to be delivered at another time, or sooner or later than others.
    Changed {
        /// The message.
        message: MessageId,
        /// Its priority from now on.
        priority: u8,
        /// When it may be delivered, an instant. None: as it was.
        due_ms: Option<u64>,
    },
    /// Somebody removed it, for good.
    Deleted {
        /// The message.
        message: MessageId,
    },
    /// Done, and gone.
    Acked {
        /// The message.
        message: MessageId,
        /// The consumer group.
        group: GroupNumber,
    },
    /// Done, and gone; what came of it is kept. The result is the batch's next blob.
    Completed {
        /// The message.
        message: MessageId,
        /// The consumer group.
        group: GroupNumber,
        /// When the result is forgotten, an instant.
        expires_at_ms: u64,
        /// Length of the result.
        result_bytes: u32,
    },
    /// What was enqueued with the ack that follows.
    FollowedUp {
        /// The message that is acked.
        message: MessageId,
        /// The consumer group.
        group: GroupNumber,
        /// In the order they came.
        messages: Box<[Followed]>,
    },
    /// Results whose time was over were dropped, the earliest first.
    ResultsForgotten {
        /// Results dropped.
        count: u32,
    },
    /// Results made room for another one: those that came first.
    ResultsEvicted {
        /// Results dropped.
        count: u32,
    },
    /// An attempt failed (`cause`), another follows at `due_ms`.
    Retried {
        /// The message.
        message: MessageId,
        /// The consumer group.
        group: GroupNumber,
        /// How the attempt failed.
        cause: FailureCause,
        /// When the next delivery may be, an instant.
        due_ms: u64,
        /// Its priority from now on.
        priority: u8,
        /// Length of the error's text, the batch's next blob; 0: there is none.
        error_bytes: u32,
    },
    /// The lease's new end.
    Extended {
        /// The message.
        message: MessageId,
        /// The consumer group.
        group: GroupNumber,
        /// When the lease ends, an instant.
        until_ms: u64,
    },
    /// Given back, to the front of its level; no attempt counted.
    Released {
        /// The message.
        message: MessageId,
        /// The consumer group.
        group: GroupNumber,
        /// Since when it waits, an instant: not after that of the one behind it.
        since_ms: u64,
    },
    /// Released by its consumer: delivered again, not before `due_ms`; no attempt counted.
    Postponed {
        /// The message.
        message: MessageId,
        /// The consumer group.
        group: GroupNumber,
        /// When the next delivery may be, an instant.
        due_ms: u64,
    },
    /// Can't be delivered; stays in its queue, in state `dead`.
    Died {
        /// The message.
        message: MessageId,
        /// Why.
        reason: DeathReason,
        /// Length of the error's text, the batch's next blob; 0: there is none.
        error_bytes: u32,
    },
    /// Can't be delivered; lives on in a dead-letter queue as `dead_letter`, its payload where it lies.
    DeadLettered {
        /// The message.
        message: MessageId,
        /// Why.
        reason: DeathReason,
        /// Length of the error's text, the batch's next blob; 0: there is none.
        error_bytes: u32,
        /// The dead-letter queue.
        queue: QueueNumber,
        /// Its id there.
        dead_letter: MessageId,
    },
    /// A sweep began, over the messages accepted until here.
    SweepStarted {
        /// Counts from 1.
        sweep: u64,
        /// The queue it walks over.
        queue: QueueNumber,
        /// What it was asked.
        plan: Box<SweepPlan>,
    },
    /// One step of a sweep, after the records of what it did.
    SweepAdvanced {
        /// The sweep.
        sweep: u64,
        /// Messages up to this number had their turn.
        cursor: u64,
        /// What this step did.
        tally: SweepTally,
        /// What this step adds to a dry run's sample.
        sample: Vec<MessageId>,
    },
    /// A sweep is over.
    SweepEnded {
        /// The sweep.
        sweep: u64,
        /// How it ended.
        end: SweepEnd,
    },
    /// An ended sweep can be asked about no longer.
    SweepForgotten {
        /// The sweep.
        sweep: u64,
    },
    /// A blob that is still needed was written again, as the batch's next one, so that the journal may begin later.
    Moved {
        /// Whose it is: all copies of this message share it.
        message: MessageId,
        /// What it is.
        part: Part,
        /// Where it lay.
        from: Location,
        /// Length of the blob.
        blob_bytes: u32,
    },
    /// The journal lost what the message says: it is gone from all groups, whoever held it.
    Lost {
        /// The message, as everybody knows it.
        message: MessageId,
        /// The dedup id that is free from here on, by the key under which it was remembered.
        freed: Option<u128>,
    },
    /// A message begins anew as `new`, its payload where it lies.
    Redriven {
        /// The message.
        message: MessageId,
        /// Where it goes.
        queue: QueueNumber,
        /// Its id there.
        new: MessageId,
        /// 0: never.
        expires_at_ms: u64,
    },
}

/// A message was accepted. Its blob is the batch's next one: the location follows from the order of records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enqueued {
    /// Its id.
    pub message: MessageId,
    /// Where it was accepted.
    pub queue: QueueNumber,
    /// 0 to 255, higher is sooner.
    pub priority: u8,
    /// When it may be delivered first, an instant. At or before the batch's `now`: it is ready.
    pub due_ms: u64,
    /// 0: never.
    pub expires_at_ms: u64,
    /// Present when its dedup id is remembered.
    pub dedup: Option<DedupEntry>,
    /// Hash of its ordering key.
    pub ordering_key: Option<u64>,
    /// Hash of its fairness key.
    pub fairness_key: Option<u64>,
    /// Replaces the queue's `max_retries`.
    pub max_retries: Option<u32>,
    /// Replaces the queue's backoff.
    pub backoff: Option<Backoff>,
    /// Length of its blob.
    pub blob_bytes: u32,
}

/// Which of a queue's two ends stand still.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Paused {
    /// No message is accepted.
    pub enqueue: bool,
    /// No message is handed out.
    pub receive: bool,
}

/// One message of a [`Record::Leased`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The message.
    pub message: MessageId,
    /// Which handing-out of the message: 1, 2, 3, …
    pub delivery: u32,
}

/// One message of a [`Record::FollowedUp`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Followed {
    /// The message.
    pub message: MessageId,
    /// It had been accepted earlier, under the same dedup id.
    pub duplicate: bool,
}

/// How an attempt failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FailureCause {
    /// The consumer said so.
    Nack,
    /// The lease ended before it was settled.
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
