//! What can be asked of a partition. Commands come validated: every number is within its limit.

mod config_patch;
mod lease;
mod new_message;
mod peek;
mod trim;

pub use config_patch::{BackoffPatch, ConfigPatch, SchedulingPatch};
pub use lease::{Ack, Complete, Extend, FollowUp, GiveBack, Nack, Release};
pub use new_message::{DedupKey, NewMessage};
pub use peek::{PeekFilter, PeekState};
pub use trim::{DropLost, Move, Trim};

/// Messages ahead of one that an explanation counts; of more it says that there are more.
pub(crate) const AHEAD_MAX: u32 = 1000;

use crate::config::QueueConfig;
use crate::ids::MessageId;
use crate::record::Paused;
use crate::sweep::SWEEP_CHUNK_MAX;
pub use crate::sweep::{StartSweep, SweepChoice};

/// Index of a blob among those that came with this step's commands, and its length. The engine never sees
/// a blob's bytes; `Step::blobs` says which of them the batch must carry, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blob {
    /// Position in the caller's table.
    pub index: u32,
    /// Bytes.
    pub length: u32,
}

/// A request to a partition. What is large and rare is boxed: commands and replies are moved by every step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Make a queue, and the dead-letter queue it names. Equal to an existing one: no change.
    CreateQueue {
        /// The queue's name.
        name: Box<str>,
        /// Its settings.
        config: Box<QueueConfig>,
    },
    /// Replace a queue's settings. A rate limit that changes starts empty; a new queue's starts full.
    UpdateQueue {
        /// The queue's name.
        name: Box<str>,
        /// What to change.
        patch: Box<ConfigPatch>,
    },
    /// Stop accepting messages, handing them out, or both. What is not named stays as it is.
    PauseQueue {
        /// The queue's name.
        name: Box<str>,
        /// What stops.
        what: Paused,
    },
    /// Go on with what was paused. What is not named stays as it is.
    ResumeQueue {
        /// The queue's name.
        name: Box<str>,
        /// What goes on.
        what: Paused,
    },
    /// Remove all messages of a queue, leased ones too. The queue stays, and what its dedup windows remember.
    PurgeQueue {
        /// The queue's name.
        name: Box<str>,
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
        /// Only those whose names begin with this.
        prefix: Box<str>,
        /// Where the page before ended.
        after: Option<Box<str>>,
        /// At most this many.
        limit: u32,
    },
    /// Make a consumer group, which gets a copy of what the queue accepts from then on. Equal to an existing one: no
    /// change.
    CreateGroup {
        /// The queue.
        queue: Box<str>,
        /// The group's name.
        group: Box<str>,
        /// Groups a queue may have beside `default`.
        groups_max: u64,
    },
    /// Remove a consumer group and its copies. `default` can't be removed.
    DeleteGroup {
        /// The queue.
        queue: Box<str>,
        /// The group's name.
        group: Box<str>,
    },
    /// Read one consumer group.
    GetGroup {
        /// The queue.
        queue: Box<str>,
        /// The group's name.
        group: Box<str>,
    },
    /// Read a queue's consumer groups.
    ListGroups {
        /// The queue.
        queue: Box<str>,
    },
    /// A member of a group is there: it joins unless it is one.
    Heartbeat {
        /// The queue.
        queue: Box<str>,
        /// The consumer group.
        group: Box<str>,
        /// Who.
        consumer: Box<str>,
        /// As of a receive.
        members_max: u64,
    },
    /// A member was there until now: the last of its polls that waited has ended. Whoever is no member stays none.
    Seen {
        /// The queue.
        queue: Box<str>,
        /// The consumer group.
        group: Box<str>,
        /// Who.
        consumer: Box<str>,
    },
    /// A member goes: what it holds is ready again, no attempt counted, and its keys stick to others.
    Leave {
        /// The queue.
        queue: Box<str>,
        /// The consumer group.
        group: Box<str>,
        /// Who.
        consumer: Box<str>,
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
        /// Who asks. It becomes a member of the group; without a name it is nobody.
        consumer: Box<str>,
        /// Members a group may have.
        members_max: u64,
        /// How long it waits for a message when there is none, in milliseconds.
        wait_ms: u64,
        /// At most this many.
        messages_max: u32,
        /// Length of the lease. None: the queue's.
        visibility_timeout_ms: Option<u64>,
        /// Stop before the envelopes and error texts of the answer exceed these bytes; one message always goes.
        answer_bytes_max: u64,
        /// 128 bits of a hash of its attempt id and consumer: repeated, it gets the same leases, as long as they hold.
        attempt: Option<u128>,
    },
    /// The message is done.
    Ack(Ack),
    /// The message is done, its result is kept, and messages are enqueued: all of it, or nothing.
    Complete(Box<Complete>),
    /// The delivery failed.
    Nack(Nack),
    /// The consumer needs more time.
    Extend(Extend),
    /// The consumer can't do it now: the message comes back later, and no attempt is counted.
    Release(Release),
    /// Many of them at once, each with its own result. When `queue` is given, receipts of another queue are refused.
    Settle {
        /// Receipts of another queue are refused.
        queue: Box<str>,
        /// Leases to ack.
        acks: Vec<Complete>,
        /// Leases to nack.
        nacks: Vec<Nack>,
        /// Leases to extend.
        extends: Vec<Extend>,
        /// Leases to release.
        releases: Vec<Release>,
    },
    /// Give a lease back: the message is ready at once and no attempt is counted. For a client that vanished
    /// before it saw the message.
    GiveBack {
        /// The leases, in the order they were handed out.
        leases: Vec<GiveBack>,
    },
    /// Read one message.
    GetMessage {
        /// The message.
        message: MessageId,
    },
    /// Say why a message is not being delivered now.
    ExplainMessage {
        /// The message.
        message: MessageId,
        /// To which consumer group. None: the first one that holds it.
        group: Option<Box<str>>,
        /// To whom. None: to whoever asks, or to the member that its ordering key sticks to.
        consumer: Option<Box<str>>,
    },
    /// Change when, or how soon, a message that nobody holds is delivered.
    ChangeMessage {
        /// The message.
        message: MessageId,
        /// Milliseconds until it may be delivered; 0: now. None: as it is.
        delay_ms: Option<u64>,
        /// 0 to 255. None: as it is.
        priority: Option<u8>,
    },
    /// Remove a message that nobody holds, for good.
    DeleteMessage {
        /// The message.
        message: MessageId,
    },
    /// Look at messages of one state without leasing them, in the order of that state, after `after`.
    Peek {
        /// The queue.
        queue: Box<str>,
        /// The consumer group whose copies to look at.
        group: Box<str>,
        /// Which messages.
        state: PeekState,
        /// Only those of them.
        filter: PeekFilter,
        /// Where the page before ended.
        after: Option<MessageId>,
        /// At most this many.
        limit: u32,
        /// As of a receive.
        answer_bytes_max: u64,
    },
    /// Begin to walk over messages of a queue.
    StartSweep(Box<StartSweep>),
    /// Read one sweep.
    GetSweep {
        /// The sweep.
        sweep: u64,
        /// One that ended longer ago is not found.
        kept_ms: u64,
    },
    /// Read sweeps, the latest first.
    ListSweeps {
        /// Where the page before ended: earlier ones follow.
        before: Option<u64>,
        /// At most this many.
        limit: u32,
        /// As of a get.
        kept_ms: u64,
    },
    /// Let a sweep go no further.
    CancelSweep {
        /// The sweep.
        sweep: u64,
        /// As of a get.
        kept_ms: u64,
    },
    /// Say where the journal may begin. Asked by whoever trims it, one after the other.
    Trim(Trim),
    /// Write these blobs again: what [`Reply::Trimming`](crate::reply::Reply::Trimming) found, and their bytes.
    Move {
        /// In order.
        moves: Vec<Move>,
    },
    /// Take away what refers to batches that the journal lost, a part of it. Asked by whoever repairs it, one after the
    /// other.
    DropLost(DropLost),
    /// One step of a sweep. Asked by whoever drives it, one after the other.
    StepSweep {
        /// The sweep.
        sweep: u64,
        /// After a page that was to be looked at: what of it matches.
        choice: Option<SweepChoice>,
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
                releases,
                ..
            } => {
                let acks = acks.iter().map(Complete::messages_max);
                acks.sum::<usize>() + nacks.len() + extends.len() + releases.len()
            }
            Command::GiveBack { leases } => leases.len(),
            Command::Complete(complete) => complete.messages_max(),
            Command::ListQueues { limit, .. } | Command::ListSweeps { limit, .. } => {
                *limit as usize
            }
            Command::Peek { limit, filter, .. } => filter.looked_at_max(*limit as usize),
            Command::ExplainMessage { .. } => AHEAD_MAX as usize,
            Command::Trim(_) | Command::DropLost(_) => 1024,
            Command::Move { moves } => moves.len(),
            Command::StepSweep { .. } => 4 * SWEEP_CHUNK_MAX,
            Command::StartSweep(_) | Command::GetSweep { .. } | Command::CancelSweep { .. } => 1,
            Command::CreateQueue { .. }
            | Command::UpdateQueue { .. }
            | Command::PauseQueue { .. }
            | Command::ResumeQueue { .. }
            | Command::PurgeQueue { .. }
            | Command::DeleteQueue { .. }
            | Command::GetQueue { .. }
            | Command::CreateGroup { .. }
            | Command::DeleteGroup { .. }
            | Command::GetGroup { .. }
            | Command::ListGroups { .. }
            | Command::Heartbeat { .. }
            | Command::Seen { .. }
            | Command::Leave { .. }
            | Command::Ack(_)
            | Command::Nack(_)
            | Command::Extend(_)
            | Command::Release(_)
            | Command::GetMessage { .. }
            | Command::ChangeMessage { .. }
            | Command::DeleteMessage { .. } => 1,
        }
    }

    /// Messages it asks to accept.
    pub(crate) fn messages_brought(&self) -> usize {
        match self {
            Command::Enqueue { messages, .. } => messages.len(),
            Command::Complete(complete) => complete.enqueue.len(),
            Command::Settle { acks, .. } => acks.iter().map(|ack| ack.enqueue.len()).sum(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests;
