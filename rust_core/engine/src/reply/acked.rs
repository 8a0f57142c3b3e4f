//! What became of one of several acks.

use super::Accepted;
use crate::rejection::Rejection;

/// The message is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Acked {
    /// An earlier ack of the same lease had done it.
    pub already: bool,
    /// What was enqueued with it, in order; by an earlier ack, as long as that is remembered: with its state now.
    pub enqueued: Vec<Accepted>,
}

/// Nothing changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AckRefusal {
    /// The rules say no.
    Rejected(Rejection),
    /// A message to enqueue was refused: for each its own reason, or `Rejection::BatchAborted`.
    FollowUps(Vec<Result<Accepted, Rejection>>),
}

impl From<Rejection> for AckRefusal {
    fn from(rejection: Rejection) -> Self {
        AckRefusal::Rejected(rejection)
    }
}
