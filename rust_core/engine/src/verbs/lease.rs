//! What the verbs about one message share: is this lease held now, and by this receipt? Does nobody hold it?

use crate::ids::{LeaseId, MessageId};
use crate::message::{Message, Place};
use crate::queue::Queue;
use crate::rejection::Rejection;
use crate::state::State;

/// The leased message and its queue. A lease is lost when it ended, whoever ended it.
pub(super) fn held(state: &State, lease: LeaseId) -> Result<(&Message, &Queue), Rejection> {
    let is_held = |message: &Message, queue: &Queue| {
        message.place() == Place::Leased
            && message.deliveries == lease.delivery
            && queue.group.number == lease.group
    };
    state
        .find(lease.message)
        .filter(|(message, queue)| is_held(message, queue))
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

/// All copies of a message that is there and that nobody holds.
pub(super) fn free(state: &State, id: MessageId) -> Result<Vec<MessageId>, Rejection> {
    let copies = state.copies_of(id);
    if copies.is_empty() {
        return Err(Rejection::MessageNotFound);
    }
    let is_held = |id: &MessageId| state.messages[id.slot].place() == Place::Leased;
    if copies.iter().any(is_held) {
        return Err(Rejection::MessageLeased);
    }
    Ok(copies)
}
