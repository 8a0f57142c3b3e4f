//! leave: a member goes. What it held is ready again, no attempt counted, and its ordering keys stick to others: some
//! hundreds at once, the rest in bounded parts; what has not had its turn its receipts still settle.
//! Leaving again changes nothing.

use super::membership;
use crate::batch::Batch;
use crate::rejection::Rejection;
use crate::reply::Reply;

pub(super) fn run(
    batch: &mut Batch,
    queue: &str,
    group: &str,
    consumer: &str,
) -> Result<Reply, Rejection> {
    let number = batch.state().queues.group(queue, group)?.number;
    let released = membership::leave(batch, number, consumer);
    Ok(Reply::Left { released })
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::ids::LeaseId;
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::checkpoints::CheckpointMove;
    use crate::twin::members::heartbeat;
    use crate::twin::{SECOND, Twin, ack, config, message, receive};

    const COUNT: u32 = 4096;

    /// A member that holds many messages.
    fn holding() -> (Twin, Vec<LeaseId>) {
        let mut twin = Twin::new();
        twin.create("q", config());
        let mut held = Vec::new();
        for _ in 0..COUNT / 512 {
            twin.step(vec![Command::Enqueue {
                queue: "q".into(),
                messages: vec![message(); 512],
                atomic: false,
            }]);
            let mut poll = receive("q", 512);
            if let Command::Receive { consumer, .. } = &mut poll {
                *consumer = "a".into();
            }
            let Reply::Received { messages, .. } = twin.ask(poll) else {
                panic!("not received")
            };
            held.extend(messages.iter().map(|one| one.lease));
        }
        (twin, held)
    }

    fn leave(twin: &mut Twin) -> Reply {
        twin.ask(Command::Leave {
            queue: "q".into(),
            group: "default".into(),
            consumer: "a".into(),
        })
    }

    #[test]
    fn many_leases_are_returned_in_bounded_parts_and_hold_until_then() {
        let (mut twin, held) = holding();
        let released = u64::from(COUNT);
        assert_eq!(leave(&mut twin), Reply::Left { released });
        let ready = |twin: &mut Twin| twin.live.state().queues.find("q").unwrap().counts.ready;
        assert_eq!(ready(&mut twin), 512);
        let last = *held.last().unwrap();
        let lost = Reply::Rejected(Rejection::LeaseLost);
        assert_eq!(twin.ask(ack(last)), lost, "its turn came first");
        assert_eq!(ready(&mut twin), 512 + 2048);
        let done = Reply::Acked { already: false };
        let step = twin.step(vec![ack(held[0]), Command::GetQueue { name: "q".into() }]);
        assert_eq!((step.replies[0] == done, ready(&mut twin)), (false, 4096));
        assert_eq!(step.next_deadline_ms, None);
        let order: Vec<_> = (0..8).flat_map(|_| twin.receive("q", 512)).collect();
        let ids: Vec<_> = order.iter().map(|one| one.lease.message).collect();
        let expected: Vec<_> = held.iter().map(|lease| lease.message).collect();
        assert_eq!(ids, expected, "the older first");
    }

    #[test]
    fn leases_that_end_by_themselves_need_no_return() {
        let (mut twin, held) = holding();
        leave(&mut twin);
        let done = Reply::Acked { already: false };
        assert_eq!(twin.step(vec![ack(held[0])]).replies, [done]);
        assert_eq!(
            twin.live.state().queues.find("q").unwrap().counts.ready,
            512 + 2048
        );
        twin.wait(30 * SECOND);
        while twin.step(vec![]).next_deadline_ms == Some(twin.now_ms) {}
        let counts = twin.queue("q").counts;
        assert_eq!((counts.leased, counts.ready + counts.delayed), (0, 4095));
    }

    #[test]
    fn whoever_takes_over_from_a_checkpoint_goes_on_returning_them() {
        let (mut twin, _) = holding();
        leave(&mut twin);
        twin.checkpoint(CheckpointMove::Begin);
        twin.checkpoint(CheckpointMove::End);
        twin.fence();
        while twin.step(vec![]).next_deadline_ms == Some(twin.now_ms) {}
        let counts = twin.queue("q").counts;
        assert_eq!((counts.leased, counts.ready), (0, u64::from(COUNT)));
    }

    #[test]
    fn only_the_keys_of_who_leaves_are_assigned_anew() {
        let mut twin = Twin::new();
        twin.create("q", config());
        for consumer in ["a", "b", "c"] {
            twin.ask(heartbeat(consumer));
        }
        let keyed = |key| crate::command::NewMessage {
            ordering_key: Some(key),
            ..message()
        };
        twin.step(vec![Command::Enqueue {
            queue: "q".into(),
            messages: (0..30).map(keyed).collect(),
            atomic: false,
        }]);
        let keys = twin.group("q", "default").members[0].keys as u32;
        assert!((1..30).contains(&keys));
        let step = twin.step(vec![Command::Leave {
            queue: "q".into(),
            group: "default".into(),
            consumer: "a".into(),
        }]);
        let assigned = crate::record::Record::Reassigned {
            queue: crate::ids::QueueNumber(0),
            count: keys,
        };
        assert!(step.records.contains(&assigned), "{:?}", step.records);
    }
}
