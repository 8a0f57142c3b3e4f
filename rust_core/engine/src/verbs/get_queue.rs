//! get queue: its settings and counts.

use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, name: &str) -> Result<Reply, Rejection> {
    state
        .queues
        .named(name)
        .map(|queue| Reply::Queue(view::queue(queue)))
}
