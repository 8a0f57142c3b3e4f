//! get message: what is known of one message, wherever it is.

use crate::ids::MessageId;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, id: MessageId) -> Result<Reply, Rejection> {
    let slot = state.known(id).ok_or(Rejection::MessageNotFound)?;
    Ok(Reply::Message(view::message(state, slot)))
}
