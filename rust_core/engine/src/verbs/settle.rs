//! settle: acks, nacks, extensions and releases of one queue in one call, each with its own result.

use super::{complete, extend, nack, release};
use crate::batch::Batch;
use crate::command::{Complete, Extend, Nack, Release};
use crate::rejection::Rejection;
use crate::reply::Reply;

/// What is to be done with each lease.
pub(super) struct Entries {
    pub acks: Vec<Complete>,
    pub nacks: Vec<Nack>,
    pub extends: Vec<Extend>,
    pub releases: Vec<Release>,
}

pub(super) fn run(batch: &mut Batch, queue: &str, entries: Entries) -> Result<Reply, Rejection> {
    batch.state().queues.named(queue)?;
    let queue = Some(queue);
    let Entries {
        acks,
        nacks,
        extends,
        releases,
    } = &entries;
    batch.expect(acks.len() + nacks.len() + extends.len() + releases.len());
    let acks = entries.acks.into_iter();
    let nacks = entries.nacks.into_iter();
    let extends = entries.extends.into_iter();
    let releases = entries.releases.into_iter();
    Ok(Reply::Settled {
        acks: acks
            .map(|entry| complete::ack(batch, &entry, queue))
            .collect(),
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
    use crate::command::{Ack, FollowUp};
    use crate::reply::{AckRefusal, Acked, Nacked, Released};
    use crate::twin::{Twin, config, message, nack};

    fn acked(already: bool) -> Acked {
        Acked {
            already,
            enqueued: vec![],
        }
    }

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
                .map(|lease| Ack { lease }.into())
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
            acks: vec![
                Ok(acked(false)),
                Ok(acked(true)),
                Err(other_queue.clone().into()),
            ],
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

    #[test]
    fn acks_bring_messages_each_by_itself() {
        let mut twin = Twin::new();
        twin.create("q", config());
        (0..2).for_each(|_| {
            twin.enqueue("q", message());
        });
        let held = twin.receive("q", 2);
        let ack = |at: usize, queue: &str| {
            let lease = held[at].lease;
            let enqueue = vec![FollowUp {
                queue: queue.into(),
                message: message(),
            }];
            let plain = Complete::from(Ack { lease });
            Complete { enqueue, ..plain }
        };
        let settle = Command::Settle {
            queue: "q".into(),
            acks: vec![ack(0, "none"), ack(1, "q"), ack(1, "q")],
            nacks: vec![],
            extends: vec![],
            releases: vec![],
        };
        let Reply::Settled { acks, .. } = twin.ask(settle) else {
            panic!("a settle is answered otherwise")
        };
        assert!(matches!(acks[0], Err(AckRefusal::FollowUps(_))));
        let (first, again) = (acks[1].as_ref().unwrap(), acks[2].as_ref().unwrap());
        assert_eq!((first.already, again.already), (false, true));
        assert_eq!(first.enqueued[0].message, again.enqueued[0].message);
        let counts = twin.queue("q").counts;
        assert_eq!((counts.leased, counts.ready), (1, 1));
    }
}
