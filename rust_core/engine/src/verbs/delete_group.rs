//! delete group: its copies are out of reach at once; `timers` takes them away. What other groups hold stays.

use crate::batch::Batch;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;

pub(super) fn run(batch: &mut Batch, queue: &str, group: &str) -> Result<Reply, Rejection> {
    let shadow = batch.state().queues.group(queue, group)?;
    if shadow.group.is_default() {
        return Err(Rejection::GroupIsDefault {
            queue: queue.into(),
        });
    }
    let messages = shadow.messages();
    let deleted = Record::QueueDeleted {
        queue: shadow.number,
    };
    batch.commit(deleted);
    Ok(Reply::GroupDeleted { messages })
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{Twin, ack, config, message};

    #[test]
    fn what_it_holds_goes_and_what_others_hold_stays() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "audit");
        let ids = [(); 3].map(|()| twin.enqueue("q", message()).message);
        let lease = twin.receive_for("q", "audit", 1)[0].lease;
        let done = twin.receive("q", 1)[0].lease;
        twin.ask(ack(done));
        assert_eq!(
            twin.delete_group("q", "audit"),
            Reply::GroupDeleted { messages: 3 }
        );
        assert_eq!(twin.ask(ack(lease)), Reply::Rejected(Rejection::LeaseLost));
        let gone = twin.ask(Command::GetMessage { message: ids[0] });
        assert_eq!(gone, Reply::Rejected(Rejection::MessageNotFound));
        assert_eq!(
            twin.message(ids[1]).groups,
            [("default".into(), Some(crate::reply::State::Ready))]
        );
        twin.step(vec![]);
        assert_eq!(twin.live.message_count(), 2);
        assert_eq!(twin.receive("q", 9).len(), 2);
    }

    #[test]
    fn default_stays_and_an_unknown_one_is_not_found() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let queue: Box<str> = "q".into();
        let refused = Rejection::GroupIsDefault {
            queue: queue.clone(),
        };
        assert_eq!(twin.delete_group("q", "default"), Reply::Rejected(refused));
        let group = "audit".into();
        let missing = Rejection::GroupNotFound { queue, group };
        assert_eq!(twin.delete_group("q", "audit"), Reply::Rejected(missing));
    }

    #[test]
    fn deleting_the_queue_deletes_its_groups_and_counts_a_message_once() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "audit");
        twin.create_group("q", "search");
        (0..3).for_each(|_| {
            twin.enqueue("q", message());
        });
        for lease in twin.receive("q", 2) {
            twin.ask(ack(lease.lease));
        }
        let name = "q".into();
        let deleted = twin.ask(Command::DeleteQueue { name });
        assert_eq!(deleted, Reply::QueueDeleted { messages: 3 });
        twin.step(vec![]);
        assert_eq!(twin.live.message_count(), 0);
        assert_eq!(twin.step(vec![]).next_deadline_ms, None);
    }

    #[test]
    fn a_message_that_it_held_is_seen_where_others_hold_it_at_once() {
        let mut twin = Twin::new();
        twin.create("q", config());
        for group in ["audit", "search"] {
            twin.create_group("q", group);
        }
        let message = twin.enqueue("q", message()).message;
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(ack(lease));
        let delete = Command::DeleteGroup {
            queue: "q".into(),
            group: "audit".into(),
        };
        let (group, consumer) = (None, None);
        let explain = Command::ExplainMessage {
            message,
            group,
            consumer,
        };
        // What it held is taken away with the next step.
        let replies = twin.step(vec![delete, explain]).replies;
        assert!(matches!(&replies[1], Reply::Explained(told) if *told.group == *"search"));
    }
}
