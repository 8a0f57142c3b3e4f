//! What can be asked of one lease.

use super::{Blob, NewMessage};
use crate::ids::LeaseId;

/// See [`Command::Ack`](super::Command::Ack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// The lease it ends.
    pub lease: LeaseId,
}

/// See [`Command::Complete`](super::Command::Complete).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complete {
    /// The lease it ends.
    pub lease: LeaseId,
    /// What is kept for the queue's `result_retention_ms`.
    pub result: Option<Blob>,
    /// What is enqueued in the same step, in order.
    pub enqueue: Vec<FollowUp>,
}

impl From<Ack> for Complete {
    fn from(ack: Ack) -> Self {
        Complete {
            lease: ack.lease,
            result: None,
            enqueue: Vec::new(),
        }
    }
}

impl Complete {
    /// Messages that carrying it out touches.
    pub fn messages_max(&self) -> usize {
        1 + self.enqueue.len()
    }
}

/// A message that is enqueued with an ack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FollowUp {
    /// Where to.
    pub queue: Box<str>,
    /// The message.
    pub message: NewMessage,
}

/// See [`Command::GiveBack`](super::Command::GiveBack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GiveBack {
    /// The lease it ends.
    pub lease: LeaseId,
    /// [`Delivered::ready_since_ms`](crate::reply::Delivered::ready_since_ms): nobody saw the message, so it
    /// waits since then.
    pub ready_since_ms: u64,
    /// [`Delivered::told`](crate::reply::Delivered::told): when the lease was told once more since, somebody has it.
    pub told: u32,
}

/// See [`Command::Nack`](super::Command::Nack).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nack {
    /// The lease it ends.
    pub lease: LeaseId,
    /// Milliseconds until the next delivery. None: the queue's backoff.
    pub delay_ms: Option<u64>,
    /// Replaces the message's priority.
    pub priority: Option<u8>,
    /// The error's text, when one came. Kept beside the message until it is gone.
    pub error: Option<Blob>,
    /// Dead at once, whatever retries are left.
    pub reject: bool,
}

/// See [`Command::Release`](super::Command::Release).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Release {
    /// The lease it ends.
    pub lease: LeaseId,
    /// Milliseconds until the next delivery. None: ready at once, behind what is ready already.
    pub delay_ms: Option<u64>,
}

/// See [`Command::Extend`](super::Command::Extend).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extend {
    /// The lease it prolongs.
    pub lease: LeaseId,
    /// The lease now ends this many milliseconds from now. None: the queue's visibility timeout.
    pub visibility_timeout_ms: Option<u64>,
}
