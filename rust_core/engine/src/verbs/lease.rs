//! What the verbs about one message share: is this lease held now, and by this receipt? Does nobody hold it?

use crate::ids::{GROUP_DEFAULT, LeaseId, MessageId};
use crate::message::{Message, Place};
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::state::State;

/// The leased message and its queue. A lease is lost when it ended, whoever ended it.
pub(super) fn held(state: &State, lease: LeaseId) -> Result<(&Message, &Queue), Rejection> {
    let found = state
        .find(lease.message)
        .filter(|_| lease.group == GROUP_DEFAULT);
    let is_held = |message: &Message| {
        message.place() == Place::Leased && message.deliveries == lease.delivery
    };
    found
        .filter(|(message, _)| is_held(message))
        .ok_or(Rejection::LeaseLost)
}

/// A call that names a queue takes receipts of that queue only.
pub(super) fn of_queue(
    state: &State,
    lease: LeaseId,
    queue: Option<&str>,
) -> Result<(), Rejection> {
    match (queue, state.find(lease.message)) {
        (Some(name), Some((_, actual))) if *actual.name != *name => {
            Err(Rejection::ReceiptOfOtherQueue { queue: name.into() })
        }
        _ => Ok(()),
    }
}

/// A message that is there and that nobody holds.
pub(super) fn free(state: &State, id: MessageId) -> Result<&Message, Rejection> {
    let (message, _) = state.find(id).ok_or(Rejection::MessageNotFound)?;
    match message.place() {
        Place::Leased => Err(Rejection::MessageLeased),
        _ => Ok(message),
    }
}
