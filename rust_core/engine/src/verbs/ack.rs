//! ack: the message is done and gone. Repeating it is `already`, as long as the lease is remembered.

use super::complete;
use crate::batch::Batch;
use crate::command::Ack;
use crate::rejection::Rejection;
use crate::reply::Reply;

pub(super) fn run(batch: &mut Batch, ack: Ack) -> Result<Reply, Rejection> {
    Ok(match complete::run(batch, &ack.into())? {
        Reply::Completed { already, enqueued } if enqueued.is_empty() => Reply::Acked { already },
        other => other,
    })
}

#[cfg(test)]
mod tests {
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{SECOND, Twin, ack, config, lease, message};

    #[test]
    fn an_ack_is_done_once_and_may_be_repeated() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        assert_eq!(twin.ask(ack(lease)), Reply::Acked { already: false });
        assert_eq!(twin.ask(ack(lease)), Reply::Acked { already: true });
        assert_eq!(twin.live.message_count(), 0);
    }

    #[test]
    fn a_stale_receipt_never_acks_a_later_lease() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.enqueue("q", message());
        let stale = twin.receive("q", 1)[0].lease;
        twin.wait(60 * SECOND).step(vec![]);
        twin.wait(60 * SECOND);
        let later = twin.receive("q", 1)[0].lease;
        assert_eq!(
            (stale.message, stale.delivery + 1),
            (later.message, later.delivery)
        );
        assert_eq!(twin.ask(ack(stale)), Reply::Rejected(Rejection::LeaseLost));
        assert_eq!(twin.ask(ack(later)), Reply::Acked { already: false });
        assert_eq!(
            twin.ask(ack(stale)),
            Reply::Rejected(Rejection::LeaseLost),
            "another lease had done it"
        );
    }

    #[test]
    fn a_lease_ends_at_its_instant_not_before() {
        let mut twin = Twin::new();
        twin.create("q", config());
        (0..2).for_each(|_| {
            twin.enqueue("q", message());
        });
        let leases = twin.receive("q", 2);
        twin.wait(30 * SECOND - 1);
        assert_eq!(
            twin.ask(ack(leases[0].lease)),
            Reply::Acked { already: false }
        );
        twin.wait(1);
        assert_eq!(
            twin.ask(ack(leases[1].lease)),
            Reply::Rejected(Rejection::LeaseLost)
        );
    }

    #[test]
    fn a_made_up_receipt_is_lost() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let id = twin.enqueue("q", message()).message;
        for delivery in [0, 1] {
            assert_eq!(
                twin.ask(ack(lease(id, delivery))),
                Reply::Rejected(Rejection::LeaseLost)
            );
        }
    }
}
