//! settle: acks, nacks and extensions of one queue in one call, each with its own result.

use super::{ack, extend, nack};
use crate::batch::Batch;
use crate::command::{Ack, Extend, Nack};
use crate::rejection::Rejection;
use crate::reply::Reply;

pub(super) fn run(
    batch: &mut Batch,
    queue: &str,
    acks: &[Ack],
    nacks: &[Nack],
    extends: &[Extend],
) -> Result<Reply, Rejection> {
    batch.state().queues.named(queue)?;
    let queue = Some(queue);
    Ok(Reply::Settled {
        acks: acks
            .iter()
            .map(|&entry| ack::run(batch, entry, queue))
            .collect(),
        nacks: nacks
            .iter()
            .map(|&entry| nack::run(batch, entry, queue))
            .collect(),
        extends: extends
            .iter()
            .map(|&entry| extend::run(batch, entry, queue))
            .collect(),
    })
}
