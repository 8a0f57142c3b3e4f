//! extend: the consumer needs more time; the lease now ends that much after now.

use super::lease;
use crate::batch::Batch;
use crate::command::Extend;
use crate::record::Record;
use crate::rejection::Rejection;

/// Answers the lease's new end.
pub(super) fn run(
    batch: &mut Batch,
    extend: Extend,
    queue: Option<&str>,
) -> Result<u64, Rejection> {
    let state = batch.state();
    lease::of_queue(state, extend.lease, queue)?;
    let (_, queue) = lease::held(state, extend.lease)?;
    let timeout_ms = extend
        .visibility_timeout_ms
        .unwrap_or(queue.config.visibility_timeout_ms);
    let until_ms = batch.now_ms.saturating_add(timeout_ms);
    let (message, group) = (extend.lease.message, extend.lease.group);
    batch.commit(Record::Extended {
        message,
        group,
        until_ms,
    });
    Ok(until_ms)
}
