//! What checkpoints keep: the state as plain values, cut into blocks. The byte format lives in the codec; a change
//! here is a format change, with its ritual there.
//!
//! Slots, links and free chains are kept as they are, because records name slots and the order of lists is part of
//! the state. Counts, tables, timers and lanes follow from them and are made anew.

use super::kind::Kind;
use crate::config::{Backoff, QueueConfig};
use crate::ids::{GroupNumber, Location, MessageId, PartitionNumber, QueueNumber};
use crate::record::{DeathReason, Followed, Lease, Paused};
use crate::sweep::SweepView;

/// A part of a checkpoint, written again when something in it changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Which part of its kind.
    pub index: u64,
    /// What it holds. Nothing: the part is forgotten, and need not be kept.
    pub image: Image,
}

/// What a block holds, by kind. Arrays are dense: entry `i` of block `b` is at `b * 8192 + i`. Maps are by ascending key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// Array: index entries, by slot.
    Messages(Vec<MessageImage>),
    /// Array: ordering keys.
    Keys(Vec<KeyImage>),
    /// Array: fairness keys.
    Flows(Vec<FlowImage>),
    /// Array: dedup ids.
    DedupIds(Vec<DedupIdImage>),
    /// Array: the last leases that ended a message's life, round and round.
    Settled(Vec<SettledImage>),
    /// What was enqueued with an ack, by its serial among the settled ones.
    Followed(Vec<(u64, Vec<Followed>)>),
    /// `max_retries` of messages that have their own, by slot.
    Retries(Vec<(u64, u32)>),
    /// Backoffs of messages that have their own, by slot.
    Backoffs(Vec<(u64, Backoff)>),
    /// Failed attempts, by slot.
    Failures(Vec<(u64, FailuresImage)>),
    /// Deaths, by slot.
    Deaths(Vec<(u64, DeathImage)>),
    /// Which groups hold a message, by its number.
    Copies(Vec<(u64, CopiesImage)>),
    /// Results, by message number.
    Results(Vec<(u64, ResultImage)>),
    /// Receives that can be repeated, by serial.
    Attempts(Vec<(u64, AttemptImage)>),
    /// Queues and further groups, by number.
    Queues(Vec<(u64, QueueImage)>),
    /// Sweeps, by number.
    Sweeps(Vec<(u64, SweepImage)>),
}

impl Image {
    /// Which kind it is of.
    pub fn kind(&self) -> Kind {
        match self {
            Image::Messages(_) => Kind::Messages,
            Image::Keys(_) => Kind::Keys,
            Image::Flows(_) => Kind::Flows,
            Image::DedupIds(_) => Kind::DedupIds,
            Image::Settled(_) => Kind::Settled,
            Image::Followed(_) => Kind::Followed,
            Image::Retries(_) => Kind::Retries,
            Image::Backoffs(_) => Kind::Backoffs,
            Image::Failures(_) => Kind::Failures,
            Image::Deaths(_) => Kind::Deaths,
            Image::Copies(_) => Kind::Copies,
            Image::Results(_) => Kind::Results,
            Image::Attempts(_) => Kind::Attempts,
            Image::Queues(_) => Kind::Queues,
            Image::Sweeps(_) => Kind::Sweeps,
        }
    }

    /// Nothing is in it: the block need not be kept.
    pub fn is_empty(&self) -> bool {
        match self {
            Image::Messages(entries) => entries.is_empty(),
            Image::Keys(entries) => entries.is_empty(),
            Image::Flows(entries) => entries.is_empty(),
            Image::DedupIds(entries) => entries.is_empty(),
            Image::Settled(entries) => entries.is_empty(),
            Image::Followed(entries) => entries.is_empty(),
            Image::Retries(entries) => entries.is_empty(),
            Image::Backoffs(entries) => entries.is_empty(),
            Image::Failures(entries) => entries.is_empty(),
            Image::Deaths(entries) => entries.is_empty(),
            Image::Copies(entries) => entries.is_empty(),
            Image::Results(entries) => entries.is_empty(),
            Image::Attempts(entries) => entries.is_empty(),
            Image::Queues(entries) => entries.is_empty(),
            Image::Sweeps(entries) => entries.is_empty(),
        }
    }
}

/// One index entry; in a free slot, `number` is 0 and `next` the next free slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageImage {
    /// Its number.
    pub number: u64,
    /// Where its envelope lies.
    pub envelope: Location,
    /// Ready, dead, leased: since. Delayed, blocked: due.
    pub at_ms: u64,
    /// When its lease ends; 0 when it is not leased.
    pub leased_until_ms: u64,
    /// 0: never.
    pub expires_at_ms: u64,
    /// Its queue.
    pub queue: QueueNumber,
    /// Slot of its ordering key; `u32::MAX`: none.
    pub key: u32,
    /// Slot of its fairness key; `u32::MAX`: none.
    pub flow: u32,
    /// The next of its list; `u32::MAX`: none.
    pub next: u32,
    /// The one before in its list; `u32::MAX`: none.
    pub previous: u32,
    /// Deliveries so far.
    pub deliveries: u32,
    /// Failed attempts.
    pub attempts: u16,
    /// Higher is sooner.
    pub priority: u8,
    /// Place and flags.
    pub status: u8,
}

/// One ordering key; in a free entry, `head` is the next free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyImage {
    /// Its queue.
    pub queue: QueueNumber,
    /// Its hash.
    pub hash: u64,
    /// The list its head lies in while that is ready.
    pub list: u64,
    /// Slot of the message that may be delivered.
    pub head: u32,
    /// Slots of the first and the last of those behind it; `u32::MAX`: none.
    pub waiting: (u32, u32),
    /// The next key of its queue that messages wait behind; `u32::MAX`: none.
    pub next: u32,
    /// The one before; `u32::MAX`: none.
    pub previous: u32,
}

/// One fairness key; in a free entry, `messages` is the next free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FlowImage {
    /// Its queue.
    pub queue: QueueNumber,
    /// Its hash.
    pub hash: u64,
    /// How many messages it has.
    pub messages: u32,
}

/// One dedup id; in a free entry, the message's number is 0 and `next` the next free one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupIdImage {
    /// The id's hash, made its queue's own.
    pub key: u128,
    /// Of the payload.
    pub fingerprint: u64,
    /// `u64::MAX`: when its message is done.
    pub expires_at_ms: u64,
    /// The message accepted under it.
    pub message: MessageId,
    /// The next of its run; `u32::MAX`: none.
    pub next: u32,
}

/// One lease that ended a message's life; `delivery` 0: none yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SettledImage {
    /// The message's number, and its group's in the upper 16 bits.
    pub copy: u64,
    /// Which handing-out.
    pub delivery: u32,
    /// Acked, or else moved to a dead-letter queue by a nack.
    pub acked: bool,
}

/// A message's failed attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailuresImage {
    /// When the first was.
    pub first_ms: u64,
    /// When the last was.
    pub last_ms: u64,
    /// The last error that had a text.
    pub error: Location,
}

/// How a message died.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeathImage {
    /// Why.
    pub reason: DeathReason,
    /// Name of the queue it died in first.
    pub source_queue: Box<str>,
    /// The group there.
    pub source_group: Box<str>,
    /// Its id there.
    pub source_message: MessageId,
    /// Deliveries until then.
    pub deliveries: u32,
    /// Failed attempts until then.
    pub attempts: u32,
    /// Of those.
    pub failures: Option<FailuresImage>,
    /// When.
    pub died_at_ms: u64,
    /// Hash of the ordering key it had.
    pub ordering_key: Option<u64>,
    /// How often it was redriven since.
    pub redrives: u32,
    /// It lives again.
    pub over: bool,
}

/// Which groups hold a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiesImage {
    /// The slot its id names.
    pub first: u32,
    /// Each group's queue number and slot; `u32::MAX`: that group is done.
    pub copies: Vec<(QueueNumber, u32)>,
}

/// What was kept with an ack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResultImage {
    /// Of its id.
    pub slot: u32,
    /// Its queue.
    pub queue: QueueNumber,
    /// Whose result it is.
    pub group: GroupNumber,
    /// When it was acked.
    pub done_at_ms: u64,
    /// When it is forgotten.
    pub expires_at_ms: u64,
    /// Where the result lies.
    pub result: Location,
}

/// A receive that can be repeated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttemptImage {
    /// The attempt id's hash, made its queue's own.
    pub key: u128,
    /// When.
    pub at_ms: u64,
    /// What it handed out.
    pub leases: Vec<Lease>,
}

/// A queue, or a further group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueImage {
    /// The queue's name, also of a further group.
    pub name: Box<str>,
    /// Its number among the queue's groups.
    pub group: GroupNumber,
    /// The group's name.
    pub group_name: Box<str>,
    /// The queue it is a group of; itself for `default`.
    pub source: QueueNumber,
    /// Its further groups.
    pub groups: Vec<QueueNumber>,
    /// Its settings.
    pub config: QueueConfig,
    /// When it was made.
    pub created_at_ms: u64,
    /// What is paused.
    pub paused: Paused,
    /// Its messages are being taken away.
    pub deleted: bool,
    /// Messages that only its further groups hold.
    pub orphans: u64,
    /// Theoretical arrival time of its rate limit, in ticks.
    pub dispatched: u128,
    /// Of its ingress limit.
    pub ingressed: u128,
    /// The list of the keys that stick to nobody, and the last list number given.
    pub lists: (u64, u64),
    /// Lists whose messages are being assigned anew.
    pub retired: Vec<u64>,
    /// Its members, by name.
    pub members: Vec<MemberImage>,
    /// Slots, ascending, of the messages that members held who left, member by member.
    pub left: Vec<Vec<u32>>,
    /// The queue number its dedup ids are told by.
    pub dedup_of: QueueNumber,
    /// First and last entry of each run of dedup ids.
    pub dedup_runs: Vec<(u32, u32)>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberImage {
    /// Its consumer id.
    pub name: Box<str>,
    /// When it joined.
    pub joined_at_ms: u64,
    /// Where the ready messages of its keys lie.
    pub list: u64,
    /// Slots of the messages it holds, ascending.
    pub leases: Vec<u32>,
}

/// A sweep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepImage {
    /// What everybody may know.
    pub view: SweepView,
    /// The number of its queue.
    pub queue: QueueNumber,
    /// The last message number given when it began.
    pub numbered: u64,
    /// Messages up to this number had their turn.
    pub cursor: u64,
    /// When its rate lets it go on.
    pub next_at_ms: u64,
}

/// The facts of a checkpoint that are in no block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Whose.
    pub partition: PartitionNumber,
    /// The state is that after this batch.
    pub lsn: u64,
    /// The last epoch begun.
    pub epoch: u64,
    /// The instant of that batch.
    pub now_ms: u64,
    /// What receipts are signed with.
    pub secret: [u8; 32],
    /// The last message number given.
    pub numbered: u64,
    /// Length and first free entry (`u32::MAX`: none) of the arrays of messages, keys, flows and dedup ids.
    pub arrays: [(u32, u32); 4],
    /// Leases settled so far.
    pub settled: u64,
    /// Receives with an attempt id so far.
    pub attempts: u64,
    /// Queue numbers given so far.
    pub queues: u32,
    /// Deleted queues that still hold something, in order of deletion.
    pub reaping: Vec<QueueNumber>,
    /// Sweeps begun so far.
    pub sweeps: u64,
}
