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

#[cfg(test)]
mod tests {
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{SECOND, Twin, ack, config, extend, message};

    #[test]
    fn the_lease_ends_later_or_sooner_counted_from_now() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        let leased_until_ms = twin.wait(29 * SECOND).now_ms + 40 * SECOND;
        assert_eq!(
            twin.ask(extend(lease, 40 * SECOND)),
            Reply::Extended { leased_until_ms }
        );
        let since_ms = twin.live.state().messages[lease.message.slot].since_ms();
        assert_eq!(since_ms, twin.now_ms - 29 * SECOND, "it was leased before");
        assert_eq!(twin.wait(39 * SECOND).step(vec![]).records, []);
        assert!(matches!(twin.ask(extend(lease, 5)), Reply::Extended { .. }));
        assert_eq!(
            twin.wait(5).ask(extend(lease, SECOND)),
            Reply::Rejected(Rejection::LeaseLost)
        );
        assert_eq!(twin.ask(ack(lease)), Reply::Rejected(Rejection::LeaseLost));
        assert_eq!(twin.queue("q").counts.delayed, 1);
    }
}
