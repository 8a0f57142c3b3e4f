//! get message: what is known of one message, wherever it is, or of its result when it is done and one is kept.

use crate::ids::MessageId;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, now_ms: u64, id: MessageId) -> Result<Reply, Rejection> {
    if let Some(slot) = state.known(id) {
        return Ok(Reply::Message(view::message(state, slot)));
    }
    let done = view::done(state, id, now_ms);
    done.map(Reply::Done).ok_or(Rejection::MessageNotFound)
}
