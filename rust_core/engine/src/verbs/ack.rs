//! ack: the message is done and gone. Repeating it is `already`, as long as the lease is remembered.

use super::lease;
use crate::batch::Batch;
use crate::command::Ack;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::settled::Ending;
use crate::state::State;

/// Answers whether an earlier ack of the same lease had done it.
pub(super) fn run(batch: &mut Batch, ack: Ack, queue: Option<&str>) -> Result<bool, Rejection> {
    let record = decide(batch.state(), ack, queue)?;
    let already = record.is_none();
    record.into_iter().for_each(|record| batch.commit(record));
    Ok(already)
}

fn decide(state: &State, ack: Ack, queue: Option<&str>) -> Result<Option<Record>, Rejection> {
    let lease = ack.lease;
    lease::of_queue(state, lease, queue)?;
    if state.settled.ending(lease.message.number, lease.delivery) == Some(Ending::Acked) {
        return Ok(None);
    }
    lease::held(state, lease)?;
    Ok(Some(Record::Acked {
        message: lease.message,
        group: lease.group,
    }))
}
