//! settle: acks, nacks, extensions and releases of one queue in one call, each with its own result.

use super::{ack, extend, nack, release};
use crate::batch::Batch;
use crate::command::{Ack, Extend, Nack, Release};
use crate::rejection::Rejection;
use crate::reply::Reply;

/// What is to be done with each lease.
pub(super) struct Entries {
    pub acks: Vec<Ack>,
    pub nacks: Vec<Nack>,
    pub extends: Vec<Extend>,
    pub releases: Vec<Release>,
}

pub(super) fn run(batch: &mut Batch, queue: &str, entries: Entries) -> Result<Reply, Rejection> {
    batch.state().queues.named(queue)?;
    let queue = Some(queue);
    let acks = entries.acks.into_iter();
    let nacks = entries.nacks.into_iter();
    let extends = entries.extends.into_iter();
    let releases = entries.releases.into_iter();
    Ok(Reply::Settled {
        acks: acks.map(|entry| ack::run(batch, entry, queue)).collect(),
        nacks: nacks.map(|entry| nack::run(batch, entry, queue)).collect(),
        extends: extends
            .map(|entry| extend::run(batch, entry, queue))
            .collect(),
        releases: releases
            .map(|entry| release::run(batch, entry, queue))
            .collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Command;
    use crate::reply::{Nacked, Released};
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
            releases: vec![Release {
                lease: held[1],
                delay_ms: None,
            }],
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
            releases: vec![Ok(Released::Already)],
        };
        assert_eq!(reply, expected);
    }
}
