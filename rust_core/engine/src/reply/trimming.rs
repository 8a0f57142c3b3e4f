//! What of the journal can go, and what keeps the rest.

use super::State;
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

/// A message that is gone because the journal lost what it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostMessage {
    /// As everybody knew it.
    pub message: MessageId,
    /// Where it lay.
    pub queue: Box<str>,
    /// Its state there.
    pub state: State,
    /// As [`MessageView::groups`](super::MessageView::groups).
    pub groups: Vec<(Box<str>, Option<State>)>,
}

/// What was taken away because the journal lost it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Each once, however many groups had it.
    pub messages: Vec<LostMessage>,
    /// Errors whose text is lost.
    pub errors: u64,
    /// Results of messages that are done.
    pub results: u32,
    /// Where to go on; None: that was all.
    pub next_slot: Option<u32>,
}
