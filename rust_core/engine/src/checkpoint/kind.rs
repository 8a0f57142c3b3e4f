//! The kinds of blocks. Numbers are never used again; those of a newer format come last.

/// The kinds of blocks, each with its number in the byte format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
#[allow(missing_docs, reason = "as the variants of Image")]
pub enum Kind {
    Messages = 1,
    Keys = 2,
    Flows = 3,
    DedupIds = 4,
    Settled = 5,
    Followed = 6,
    Retries = 7,
    Failures = 8,
    Deaths = 9,
    Copies = 10,
    Results = 11,
    Attempts = 12,
    Queues = 13,
    Sweeps = 14,
    Backoffs = 15,
}

impl Kind {
    /// All of them, in order.
    pub const ALL: [Kind; 15] = [
        Kind::Messages,
        Kind::Keys,
        Kind::Flows,
        Kind::DedupIds,
        Kind::Settled,
        Kind::Followed,
        Kind::Retries,
        Kind::Failures,
        Kind::Deaths,
        Kind::Copies,
        Kind::Results,
        Kind::Attempts,
        Kind::Queues,
        Kind::Sweeps,
        Kind::Backoffs,
    ];
}

/// How much there is of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Which.
    pub kind: Kind,
    /// Blocks that a checkpoint begun now has; tests hold them against those it had.
    #[cfg(test)]
    pub changed_blocks: usize,
    /// Entries of those, at most.
    pub changed: usize,
    /// Entries in all.
    pub all: usize,
}
