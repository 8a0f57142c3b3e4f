//! Which messages to look at.

use crate::record::DeathReason;

/// Which of a queue's messages to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeekState {
    /// May be delivered now.
    Ready,
    /// Wait behind an earlier message of their ordering key. They come key by key, each in its order.
    Blocked,
    /// Wait until they are due.
    Delayed,
    /// A consumer holds them.
    Leased,
    /// Can't be delivered.
    Dead,
}

/// Which of the messages in one state to look at: those that all of it is true of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PeekFilter {
    /// Hash of their ordering key. A dead message has left its key.
    pub ordering_key: Option<u64>,
    /// Hash of their fairness key.
    pub fairness_key: Option<u64>,
    /// Why they died, here or in the queue they came from.
    pub reason: Option<DeathReason>,
}

impl PeekFilter {
    /// Messages that a page looks at when only some are shown.
    pub(crate) const LOOKED_AT_MAX: usize = 10_000;

    /// Messages that a page looks at when it shows so many at most.
    pub(crate) fn looked_at_max(&self, limit: usize) -> usize {
        match *self == PeekFilter::default() {
            true => limit,
            false => PeekFilter::LOOKED_AT_MAX,
        }
    }
}
