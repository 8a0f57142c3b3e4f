//! Names of things inside one partition. Numbers are never reused; slots are.

/// Which partition: the unit of single-writer ownership, with one journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PartitionNumber(pub u16);

/// A queue's number inside its partition. Counts from 0 and is never reused, so a deleted queue's
/// messages and dedup entries can't be mistaken for those of a later queue with its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueNumber(pub u32);

/// A consumer group's number inside its queue. 0 is `default`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupNumber(pub u16);

/// The group every queue has.
pub const GROUP_DEFAULT: GroupNumber = GroupNumber(0);

/// A message's name: its number (unique for ever, in order of acceptance, below 2^48) and the slot its
/// index entry lies in. The slot makes a look-up one array access, with no map from id to entry; the
/// number tells a slot's present tenant from an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MessageId {
    /// 1, 2, 3, … below 2^48.
    pub number: u64,
    /// Index into the message slab.
    pub slot: u32,
}

/// No number is higher, so that an id's text form has a fixed width.
pub const MESSAGE_NUMBER_MAX: u64 = (1 << 48) - 1;

/// One lease of one message: what a receipt proves. A delivery number is never used twice for a message,
/// so a receipt of an earlier lease can't settle a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseId {
    /// The message that was handed out.
    pub message: MessageId,
    /// The group it was handed out to.
    pub group: GroupNumber,
    /// Which handing-out of this message: 1, 2, 3, …
    pub delivery: u32,
}

impl LeaseId {
    /// The message's number and the group in one: what tells a group's copy of a message from another's.
    pub(crate) fn copy(&self) -> u64 {
        self.message.number | u64::from(self.group.0) << 48
    }
}

/// Where bytes lie in the journal: the batch (its LSN), then an offset and length inside that batch's blob
/// section. Sixteen bytes stand for a payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Location {
    /// LSN of the batch. 0 means "nowhere": LSNs start at 1.
    pub lsn: u64,
    /// Bytes from the start of the batch's blob section.
    pub offset: u32,
    /// Bytes.
    pub length: u32,
}

/// No LSN is higher: at a million batches a second, for nine years.
pub const LSN_MAX: u64 = (1 << 48) - 1;

/// The blobs of a batch have no more bytes, all together. JetStream stores no message of more than half as many.
pub const BLOBS_BYTES_MAX: u32 = (1 << 26) - 1;

impl Location {
    /// Whether a batch can have it.
    pub(crate) fn can_be(&self) -> bool {
        let end = self.offset.checked_add(self.length);
        self.lsn <= LSN_MAX && end.is_some_and(|end| end <= BLOBS_BYTES_MAX)
    }
}

/// What of a message lies in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Its payload, metadata and texts. Once moved, it begins with when the message was accepted.
    Envelope,
    /// An error's text.
    Error,
    /// The result it left.
    Result,
}
