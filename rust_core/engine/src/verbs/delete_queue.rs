//! delete queue: the name is free and the messages are out of reach at once; `timers` takes them away in
//! bounded parts.

use crate::batch::Batch;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;

pub(super) fn run(batch: &mut Batch, name: &str) -> Result<Reply, Rejection> {
    let queue = batch.state().queues.named(name)?;
    let messages = queue.messages();
    let deleted = Record::QueueDeleted {
        queue: queue.number,
    };
    batch.commit(deleted);
    Ok(Reply::QueueDeleted { messages })
}
