//! leave: a member goes. What it held is ready again at once, no attempt counted, and its ordering keys stick to others.
//! Leaving again changes nothing.

use super::membership;
use crate::batch::Batch;
use crate::rejection::Rejection;
use crate::reply::Reply;

pub(super) fn run(
    batch: &mut Batch,
    queue: &str,
    group: &str,
    consumer: &str,
) -> Result<Reply, Rejection> {
    let number = batch.state().queues.group(queue, group)?.number;
    let released = membership::leave(batch, number, consumer);
    Ok(Reply::Left { released })
}
