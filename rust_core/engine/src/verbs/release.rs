//! release: leases nobody saw are given back. The messages are ready at once, before those behind them, and no
//! attempt is counted. Leases that ended meanwhile are passed over.

use super::lease;
use crate::batch::Batch;
use crate::ids::LeaseId;
use crate::record::Record;
use crate::reply::Reply;

/// Each goes to the front, so the last one goes first and their order is kept.
pub(super) fn run(batch: &mut Batch, leases: &[LeaseId]) -> Reply {
    let mut messages = 0;
    for &lease in leases.iter().rev() {
        if lease::held(batch.state(), lease).is_ok() {
            batch.commit(Record::Released {
                message: lease.message,
                group: lease.group,
            });
            messages += 1;
        }
    }
    Reply::Released { messages }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::twin::{Twin, ack, config, message};

    #[test]
    fn messages_come_back_in_front_in_order_with_no_attempt_counted() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let ids: Vec<_> = (0..4)
            .map(|_| twin.enqueue("q", message()).message)
            .collect();
        let leases: Vec<_> = twin
            .receive("q", 3)
            .iter()
            .map(|delivered| delivered.lease)
            .collect();
        twin.ask(ack(leases[1]));
        let step = twin.wait(1000).step(vec![Command::Release {
            leases: leases.clone(),
        }]);
        assert_eq!(step.replies, [Reply::Released { messages: 2 }]);
        assert_eq!(step.woken, [("q".into(), 3)]);
        let again = twin.receive("q", 9);
        assert_eq!(
            again.iter().map(|d| d.lease.message).collect::<Vec<_>>(),
            [ids[0], ids[2], ids[3]]
        );
        assert_eq!((again[0].attempts, again[0].lease.delivery), (0, 2));
    }
}
