//! get group: a consumer group's counts and members.

use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, queue: &str, group: &str) -> Result<Reply, Rejection> {
    let group = state.queues.group(queue, group)?;
    Ok(Reply::Group(view::group(state, group).into()))
}
