//! What of the journal can go, and what keeps the rest.

use crate::ids::{Location, MessageId, Part};

/// A blob that is needed and lies where the journal could end its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Survivor {
    /// Whose it is.
    pub message: MessageId,
    /// What it is.
    pub part: Part,
    /// Where it lies.
    pub at: Location,
}

/// What can go of the journal, and what must be moved for more to go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trimming {
    /// No blob before this batch is needed.
    pub oldest_live_lsn: u64,
    /// There may be more to move: ask again.
    pub more: bool,
    /// To be moved, in order of where they lie.
    pub found: Vec<Survivor>,
}

/// What was taken away because the journal lost it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Messages, each copy that a group had of one.
    pub messages: Vec<MessageId>,
    /// Errors whose text is lost.
    pub errors: u64,
    /// Results of messages that are done.
    pub results: u32,
    /// Where to go on; None: that was all.
    pub next_slot: Option<u32>,
}
