//! What is remembered of a dedup id.

/// What is remembered of a dedup id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupEntry {
    /// 128 bits of the id's hash.
    pub hash: u128,
    /// 64 bits of the payload's hash.
    pub fingerprint: u64,
    /// When it is forgotten, an instant; [`DedupEntry::UNTIL_DONE`]: when its message is done.
    pub expires_at_ms: u64,
}

impl DedupEntry {
    /// No instant: the id is free when the message is acked, deleted, dead, or gone with its queue.
    pub const UNTIL_DONE: u64 = u64::MAX;

    /// Its id is held by its message, not for a time.
    pub fn is_until_done(&self) -> bool {
        self.expires_at_ms == DedupEntry::UNTIL_DONE
    }
}
