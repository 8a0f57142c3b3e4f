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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::reply::Nacked;
    use crate::twin::{Twin, config, message, nack};

    #[test]
    fn each_entry_has_its_own_result() {
        let mut twin = Twin::new();
        ["q", "other"].iter().for_each(|name| {
            twin.create(name, config());
        });
        (0..3).for_each(|_| {
            twin.enqueue("q", message());
        });
        twin.enqueue("other", message());
        let held: Vec<_> = twin
            .receive("q", 3)
            .iter()
            .map(|delivered| delivered.lease)
            .collect();
        let foreign = twin.receive("other", 1)[0].lease;
        let reply = twin.ask(Command::Settle {
            queue: "q".into(),
            acks: [held[0], held[0], foreign]
                .map(|lease| Ack { lease })
                .into(),
            nacks: vec![
                nack(held[0]),
                Nack {
                    delay_ms: Some(7),
                    ..nack(held[1])
                },
            ],
            extends: [held[2], foreign]
                .map(|lease| Extend {
                    lease,
                    visibility_timeout_ms: Some(9),
                })
                .into(),
        });
        let other_queue = Rejection::ReceiptOfOtherQueue { queue: "q".into() };
        let expected = Reply::Settled {
            acks: vec![Ok(false), Ok(true), Err(other_queue.clone())],
            nacks: vec![
                Err(Rejection::LeaseLost),
                Ok(Nacked::Retry {
                    due_ms: twin.now_ms + 7,
                }),
            ],
            extends: vec![Ok(twin.now_ms + 9), Err(other_queue)],
        };
        assert_eq!(reply, expected);
    }
}
