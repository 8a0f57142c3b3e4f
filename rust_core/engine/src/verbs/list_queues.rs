//! list queues: a page of them, in order of name.

use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(state: &State, after: Option<&str>, limit: u32) -> Reply {
    let mut rest = state.queues.after(after);
    let queues = rest
        .by_ref()
        .take(limit as usize)
        .map(view::queue)
        .collect();
    Reply::Queues {
        queues,
        more: rest.next().is_some(),
    }
}
