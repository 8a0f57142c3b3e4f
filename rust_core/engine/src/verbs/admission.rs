//! Whether a queue takes new messages now. A duplicate is none: it is answered whatever stands here.

use crate::queue::Queue;
use crate::rejection::Rejection;

/// Whether the last of `new` messages may come, when those before it came.
pub(super) fn check(queue: &Queue, _new: u64) -> Result<(), Rejection> {
    if queue.paused.enqueue {
        return Err(Rejection::QueuePaused {
            queue: (*queue.name).into(),
        });
    }
    Ok(())
}
