//! What ack, nack, extend and release share: is this lease held now, and by this receipt?

use crate::ids::{GROUP_DEFAULT, LeaseId};
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
