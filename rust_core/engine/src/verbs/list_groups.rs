//! list groups: a queue's consumer groups. There are few, so they come all at once.

use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, queue: &str) -> Result<Reply, Rejection> {
    let source = state.queues.named(queue)?;
    let groups = state.queues.groups_of(source);
    let shown = groups.map(|group| view::group(state, group));
    Ok(Reply::Groups(shown.collect()))
}
