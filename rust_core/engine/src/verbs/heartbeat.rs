//! heartbeat: a consumer says that it is there, and is a member of its group. A poll says so too, as long as it waits.

use super::membership;
use crate::batch::Batch;
use crate::rejection::Rejection;
use crate::reply::Reply;

pub(super) fn run(
    batch: &mut Batch,
    queue: &str,
    group: &str,
    consumer: &str,
    members_max: u64,
) -> Result<Reply, Rejection> {
    let number = batch.state().queues.group(queue, group)?.number;
    let holder = membership::join(batch, number, consumer, members_max)?;
    batch.change_volatile(|state| state.see_now(number, holder));
    let until_ms = batch.state().session_until_ms(number, consumer);
    Ok(Reply::Session {
        until_ms: until_ms.expect("it is a member"),
    })
}

/// The last poll of a member that waited has ended, whatever was to come.
pub(super) fn seen(
    batch: &mut Batch,
    queue: &str,
    group: &str,
    consumer: &str,
) -> Result<Reply, Rejection> {
    let (number, now_ms) = (
        batch.state().queues.group(queue, group)?.number,
        batch.now_ms,
    );
    batch.change_volatile(|state| state.see_polls_end(number, consumer));
    let until_ms = batch.state().session_until_ms(number, consumer);
    Ok(Reply::Session {
        until_ms: until_ms.unwrap_or(now_ms),
    })
}
