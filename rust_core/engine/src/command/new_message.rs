//! What is to be accepted.

use super::Blob;
use crate::config::Backoff;

/// A dedup id, hashed at the edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedupKey {
    /// 128 bits of a cryptographic hash of the id.
    pub hash: u128,
    /// 64 bits of a hash of the payload: the same id with another payload is refused.
    pub fingerprint: u64,
    /// The id is held until the message is done. False: for the queue's dedup window.
    pub until_done: bool,
}

/// One message to accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewMessage {
    /// 0 to 255, higher is sooner.
    pub priority: u8,
    /// Milliseconds until it may be delivered. None: the queue's default.
    pub delay_ms: Option<u64>,
    /// Milliseconds until it expires, counted from acceptance. None: the queue's default; 0: never.
    pub ttl_ms: Option<u64>,
    /// Present when the message has a dedup id.
    pub dedup: Option<DedupKey>,
    /// Hash of the ordering key, when it has one.
    pub ordering_key: Option<u64>,
    /// Hash of the fairness key, when it has one.
    pub fairness_key: Option<u64>,
    /// Replaces the queue's `max_retries`.
    pub max_retries: Option<u32>,
    /// Replaces the queue's backoff.
    pub backoff: Option<Backoff>,
    /// Payload, metadata and keys, as the codec laid them out.
    pub blob: Blob,
}

impl NewMessage {
    /// One of priority 1 that brings the command's first blob, of so many bytes, and leaves the rest to its queue.
    pub fn plain(blob_bytes: u32) -> Self {
        NewMessage {
            priority: 1,
            delay_ms: None,
            ttl_ms: None,
            dedup: None,
            ordering_key: None,
            fairness_key: None,
            max_retries: None,
            backoff: None,
            blob: Blob {
                index: 0,
                length: blob_bytes,
            },
        }
    }
}
