//! What a partition answers. Values only: text and JSON are made at the edge.

mod acked;
mod explanation;
mod failures;
mod limited;
mod trimming;

pub use acked::{AckRefusal, Acked};
pub use explanation::{Explanation, KeptResult, Reason};
pub use failures::Failures;
pub use limited::{Limited, LimitedBy};
pub use trimming::{Dropped, LostMessage, Survivor, Trimming};

use crate::config::{Backoff, QueueConfig};
use crate::ids::{LeaseId, Location, MessageId};
use crate::record::{DeathReason, Paused};
use crate::rejection::Rejection;
use crate::sweep::{SweepProgress, SweepView};

/// The answer to one command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `created` is false when an equal queue was there already.
    QueueCreated {
        /// False: it was there already.
        created: bool,
        /// The queue as it is now.
        queue: Box<QueueView>,
    },
    /// What can go of the journal.
    Trimming(Trimming),
    /// What was taken away because the journal lost it.
    Dropped(Dropped),
    /// So many were written again; what was gone was passed over.
    Moved {
        /// Blobs.
        count: usize,
    },
    /// Answer to update and get.
    Queue(Box<QueueView>),
    /// The queue is gone, with this many messages.
    QueueDeleted {
        /// Messages that went with it.
        messages: u64,
    },
    /// The queue is empty.
    QueuePurged {
        /// Messages that are gone.
        messages: u64,
    },
    /// `more`: there are further queues after the last one.
    Queues {
        /// In order of name.
        queues: Vec<QueueView>,
        /// There are further ones.
        more: bool,
    },
    /// `created` is false when the group was there already.
    GroupCreated {
        /// False: it was there already.
        created: bool,
        /// The group as it is now.
        group: Box<GroupView>,
    },
    /// Answer to get group.
    Group(Box<GroupView>),
    /// The group is gone, with this many copies.
    GroupDeleted {
        /// Copies that went with it.
        messages: u64,
    },
    /// The session lasts until then, unless the member is seen again.
    Session {
        /// An instant.
        until_ms: u64,
    },
    /// The member is gone, or was none.
    Left {
        /// Leases given back.
        released: u64,
    },
    /// `default` first, then in order of their making.
    Groups(Vec<GroupView>),
    /// One result an entry, in the order they came. In an atomic batch that was refused every entry is an
    /// `Err`: its own reason, or `Rejection::BatchAborted`.
    Enqueued(Vec<Result<Accepted, Rejection>>),
    /// The leased messages, possibly none; then `limited` may say why.
    Received {
        /// In order of delivery.
        messages: Vec<Delivered>,
        /// Why there are none, although some are ready.
        limited: Option<Limited>,
    },
    /// The message is done. `already`: an earlier ack of the same lease had done it.
    Acked {
        /// An earlier ack of the same lease had done it.
        already: bool,
    },
    /// Where the message went.
    Nacked(Nacked),
    /// The message is done. `already`: an earlier ack of the same lease had done it; then nothing was enqueued now.
    Completed {
        /// An earlier ack of the same lease had done it.
        already: bool,
        /// What was enqueued with it, in order.
        enqueued: Vec<Accepted>,
    },
    /// A message to enqueue with an ack was refused, so nothing changed: for each its own reason, or
    /// `Rejection::BatchAborted`.
    FollowUpsRefused(Vec<Result<Accepted, Rejection>>),
    /// The lease's new end.
    Extended {
        /// An instant.
        leased_until_ms: u64,
    },
    /// When the message is delivered again.
    Released(Released),
    /// One result an entry, in the order they came.
    Settled {
        /// What became of each.
        acks: Vec<Result<Acked, AckRefusal>>,
        /// Where each went.
        nacks: Vec<Result<Nacked, Rejection>>,
        /// Each lease's new end.
        extends: Vec<Result<u64, Rejection>>,
        /// When each is delivered again.
        releases: Vec<Result<Released, Rejection>>,
    },
    /// How many leases were still held, and were given back.
    GivenBack {
        /// Leases given back.
        messages: u32,
    },
    /// Answer to get and change message.
    Message(Box<MessageView>),
    /// Answer to get of a message that is done and left a result.
    Done(DoneView),
    /// Why a message is not being delivered now.
    Explained(Explanation),
    /// The message is gone.
    MessageDeleted,
    /// `more`: there are further messages to look at, after `last`.
    Peeked {
        /// In the order of their state.
        messages: Vec<MessageView>,
        /// There are further ones.
        more: bool,
        /// The last one that was looked at, shown or not: a page looks at a bounded number.
        last: Option<MessageId>,
    },
    /// Answer to start, get and cancel sweep.
    Sweep(Box<SweepView>),
    /// `more`: there are earlier sweeps than the last one.
    Sweeps {
        /// The latest first.
        sweeps: Vec<SweepView>,
        /// There are earlier ones.
        more: bool,
    },
    /// Where a sweep is after one step of it.
    SweepStepped(SweepProgress),
    /// The rules say no; nothing changed.
    Rejected(Rejection),
}

/// An accepted message, or the one accepted earlier under the same dedup id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id.
    pub message: MessageId,
    /// True: nothing was stored, `message` is the first one's id.
    pub duplicate: bool,
    /// When it may be delivered first (instant, ms); at or before now means it is ready. 0 for a duplicate.
    pub due_ms: u64,
    /// Of a duplicate: the first one's state now; None: it is done, and gone.
    pub state: Option<State>,
    /// Of a duplicate: where the first one's result lies; `lsn` 0 when none is kept.
    pub result: Location,
}

/// A message that is done and left a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DoneView {
    /// Its id.
    pub message: MessageId,
    /// Where it was.
    pub queue: Box<str>,
    /// When it was acked, an instant.
    pub done_at_ms: u64,
    /// When the result is forgotten, an instant.
    pub expires_at_ms: u64,
    /// Where the result lies.
    pub result: Location,
}

/// A message as handed to a consumer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// Proof of the lease, to settle it.
    pub lease: LeaseId,
    /// Its id: that of the lease, but for a further group's copy.
    pub message: MessageId,
    /// 0 to 255, higher is sooner.
    pub priority: u8,
    /// Failed attempts before this delivery.
    pub attempts: u32,
    /// Since when it had been ready, an instant. Only a release needs it.
    pub ready_since_ms: u64,
    /// How often the lease had been told before, to repetitions of its receive. Only giving it back needs it.
    pub told: u32,
    /// When the lease ends, an instant.
    pub leased_until_ms: u64,
    /// 0: never.
    pub expires_at_ms: u64,
    /// Where its envelope lies. The batch's `now` is when the message was accepted.
    pub envelope: Location,
    /// Present when it failed before.
    pub failures: Option<Box<Failures>>,
    /// Present when the message is a dead letter.
    pub dead_letter: Option<Box<DeadLetter>>,
}

/// Where a nacked message went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nacked {
    /// It will be delivered again, not before `due_ms`.
    Retry {
        /// An instant; at or before now: it is ready.
        due_ms: u64,
    },
    /// It is in state `dead` in its own queue.
    Dead,
    /// It is in the dead-letter queue, under this id.
    DeadLettered {
        /// Its id there.
        message: MessageId,
    },
    /// An earlier nack of the same lease had done it.
    Already,
}

/// What became of a released message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Released {
    /// It will be delivered again, not before `due_ms`.
    Until {
        /// An instant; at or before now: it is ready.
        due_ms: u64,
    },
    /// Its time to live is over: it stays in its queue, dead.
    Dead,
    /// Its time to live is over: it went to the dead-letter queue.
    DeadLettered {
        /// Its id there.
        message: MessageId,
    },
    /// An earlier release or nack of the same lease had done it.
    Already,
}

/// The history a dead letter carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Why it died.
    pub reason: DeathReason,
    /// Where the last error's text lies; `lsn` 0 when there was none.
    pub error: Location,
    /// The queue it died in first, though it died again as a dead letter. For a message in state `dead` that
    /// never moved: its own.
    pub source_queue: Box<str>,
    /// The group it died in there.
    pub source_group: Box<str>,
    /// Its id there.
    pub source_message: MessageId,
    /// Deliveries until then.
    pub deliveries: u32,
    /// Failed attempts until then.
    pub attempts: u32,
    /// 0: it never failed (it expired).
    pub first_failure_ms: u64,
    /// 0: it never failed.
    pub last_failure_ms: u64,
    /// How often it was redriven until now.
    pub redrives: u32,
}

/// A message as seen from outside, leased to nobody by looking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageView {
    /// Its id.
    pub message: MessageId,
    /// Where it is.
    pub queue: Box<str>,
    /// Its state.
    pub state: State,
    /// 0 to 255, higher is sooner.
    pub priority: u8,
    /// Times it was handed out.
    pub deliveries: u32,
    /// Failed attempts.
    pub attempts: u32,
    /// Ready: since when. Delayed: until when. Leased: until when. Dead: since when. Blocked: since when.
    pub at_ms: u64,
    /// When it goes by itself, an instant. 0: never.
    pub expires_at_ms: u64,
    /// In place of its queue's; it rests while the message is a dead letter.
    pub max_retries: Option<u32>,
    /// The same.
    pub backoff: Option<Backoff>,
    /// Where its envelope lies.
    pub envelope: Location,
    /// Present when it failed and lives on.
    pub failures: Option<Box<Failures>>,
    /// Present for a message in state `dead` and for a dead letter.
    pub dead_letter: Option<Box<DeadLetter>>,
    /// The consumer groups that got it and its state in each; None: that one is done with it. Empty when only
    /// `default` got it.
    pub groups: Vec<(Box<str>, Option<State>)>,
}

/// A message's state. `Blocked` is a ready message that waits behind an earlier one of its ordering key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// May be delivered now.
    Ready,
    /// Waits behind an earlier message of its ordering key.
    Blocked,
    /// Waits until it is due.
    Delayed,
    /// A consumer holds it.
    Leased,
    /// Can't be delivered.
    Dead,
}

/// A queue as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueView {
    /// The queue's name.
    pub name: Box<str>,
    /// Its settings.
    pub config: QueueConfig,
    /// An instant.
    pub created_at_ms: u64,
    /// What of it stands still.
    pub paused: Paused,
    /// Its messages, by state.
    pub counts: Counts,
    /// Since when the message is ready that has been for the longest, an instant. None: none is.
    pub oldest_ready_ms: Option<u64>,
}

/// A consumer group as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// The group's name.
    pub name: Box<str>,
    /// Its queue.
    pub queue: Box<str>,
    /// An instant.
    pub created_at_ms: u64,
    /// Its messages, by state.
    pub counts: Counts,
    /// As of a queue.
    pub oldest_ready_ms: Option<u64>,
    /// In order of name.
    pub members: Vec<MemberView>,
}

/// A member of a consumer group as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberView {
    /// Who.
    pub consumer: Box<str>,
    /// An instant.
    pub joined_at_ms: u64,
    /// An instant; now, while a poll of it waits.
    pub seen_ms: u64,
    /// Messages it holds.
    pub leased: u64,
    /// Ordering keys that stick to it and have a message that is ready or held.
    pub keys: u64,
}

/// How many messages are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// May be delivered now.
    pub ready: u64,
    /// Behind an earlier message of their ordering key.
    pub blocked: u64,
    /// Wait until they are due.
    pub delayed: u64,
    /// Held by a consumer.
    pub leased: u64,
    /// Can't be delivered.
    pub dead: u64,
}
