//! create group: makes a consumer group, which gets what its queue accepts from then on. Asking again changes nothing.

use crate::batch::Batch;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::state::State;
use crate::view;

pub(super) fn run(
    batch: &mut Batch,
    queue: Box<str>,
    group: Box<str>,
    groups_max: u64,
) -> Result<Reply, Rejection> {
    let record = decide(batch.state(), &queue, &group, groups_max)?;
    let created = record.is_some();
    record.into_iter().for_each(|record| batch.commit(record));
    let state = batch.state();
    let group = view::group(state, state.queues.group(&queue, &group)?).into();
    Ok(Reply::GroupCreated { created, group })
}

fn decide(
    state: &State,
    queue: &str,
    group: &str,
    groups_max: u64,
) -> Result<Option<Record>, Rejection> {
    let source = state.queues.named(queue)?;
    if state.queues.group(queue, group).is_ok() {
        return Ok(None);
    }
    if source.groups.len() as u64 >= groups_max {
        return Err(Rejection::GroupsExhausted {
            queue: queue.into(),
            groups_max,
        });
    }
    Ok(Some(Record::GroupCreated {
        queue: source.number,
        group: state.queues.next_group(source),
        name: group.into(),
        shadow: state.queues.next_number(),
    }))
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, ConfigPatch, Nack, NewMessage};
    use crate::config::QueueConfig;
    use crate::ids::{GroupNumber, MessageId};
    use crate::rejection::Rejection;
    use crate::reply::{Nacked, Reply, State};
    use crate::twin::{Twin, ack, config, message, nack};

    fn twin(config: QueueConfig) -> Twin {
        let mut twin = Twin::new();
        twin.create("q", config);
        twin.create_group("q", "audit");
        twin
    }

    fn states(twin: &mut Twin, id: MessageId) -> Vec<(Box<str>, Option<State>)> {
        twin.message(id).groups
    }

    #[test]
    fn a_group_gets_what_is_accepted_from_then_on_and_is_made_once() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.enqueue("q", message());
        assert!(twin.create_group("q", "audit"));
        assert!(!twin.create_group("q", "audit"));
        assert!(!twin.create_group("q", "default"));
        let id = twin.enqueue("q", message()).message;
        let delivered = twin.receive_for("q", "audit", 9);
        assert_eq!(delivered.len(), 1);
        assert_eq!(delivered[0].message, id);
        assert_eq!(twin.receive("q", 9).len(), 2);
    }

    #[test]
    fn a_message_goes_when_every_group_is_done_with_it() {
        let mut twin = twin(config());
        let id = twin.enqueue("q", message()).message;
        let one = twin.receive("q", 1)[0].lease;
        let other = twin.receive_for("q", "audit", 1)[0].lease;
        assert_eq!((one.delivery, other.delivery), (1, 1));
        twin.ask(ack(one));
        assert_eq!(twin.live.message_count(), 1);
        let leased = Some(State::Leased);
        assert_eq!(
            states(&mut twin, id),
            [("default".into(), None), ("audit".into(), leased)]
        );
        assert_eq!(twin.ask(ack(other)), Reply::Acked { already: false });
        assert_eq!(twin.ask(ack(other)), Reply::Acked { already: true });
        assert_eq!(twin.ask(ack(one)), Reply::Acked { already: true });
        assert_eq!(twin.live.message_count(), 0);
        let gone = twin.ask(Command::GetMessage { message: id });
        assert_eq!(gone, Reply::Rejected(Rejection::MessageNotFound));
    }

    #[test]
    fn a_receipt_is_of_its_group() {
        let mut twin = twin(config());
        twin.enqueue("q", message());
        let mut lease = twin.receive_for("q", "audit", 1)[0].lease;
        lease.group = GroupNumber(0);
        assert_eq!(twin.ask(ack(lease)), Reply::Rejected(Rejection::LeaseLost));
    }

    #[test]
    fn keys_delays_retries_and_times_to_live_are_each_group_s() {
        let mut twin = twin(config());
        let keyed = |delay_ms| NewMessage {
            ordering_key: Some(7),
            max_retries: Some(0),
            ttl_ms: Some(90_000),
            delay_ms,
            ..message()
        };
        let first = twin.enqueue("q", keyed(Some(10))).message;
        let second = twin.enqueue("q", keyed(None)).message;
        assert_eq!(twin.receive_for("q", "audit", 9), []);
        let delivered = twin.wait(10).receive_for("q", "audit", 9);
        assert_eq!(delivered.len(), 1);
        assert_eq!(delivered[0].message, first);
        assert_eq!(twin.nack(delivered[0].lease, None), Nacked::Dead);
        assert_eq!(twin.receive("q", 9)[0].message, first);
        assert_eq!(twin.receive_for("q", "audit", 9)[0].message, second);
        twin.wait(90_000).step(vec![]);
        assert_eq!(twin.group("q", "audit").counts.dead, 2);
    }

    #[test]
    fn a_group_s_dead_letter_says_which_and_is_copied_to_the_groups_of_where_it_goes() {
        let config = QueueConfig {
            dead_letter_queue: Some("dead".into()),
            ..config()
        };
        let mut twin = twin(config);
        twin.create_group("dead", "alarm");
        let id = twin.enqueue("q", message()).message;
        let lease = twin.receive_for("q", "audit", 1)[0].lease;
        let nack = Nack {
            reject: true,
            ..nack(lease)
        };
        let nacked = twin.ask(Command::Nack(nack));
        let Reply::Nacked(Nacked::DeadLettered { message: dead }) = nacked else {
            panic!("{nacked:?}")
        };
        assert_eq!(
            twin.ask(Command::Nack(nack)),
            Reply::Nacked(Nacked::Already)
        );
        let delivered = twin.receive_for("dead", "alarm", 1);
        assert_eq!(delivered[0].message, dead);
        let letter = delivered[0].dead_letter.clone().unwrap();
        assert_eq!(
            (&*letter.source_group, letter.source_message),
            ("audit", id)
        );
        assert_eq!(twin.queue("q").counts.ready, 1);
    }

    #[test]
    fn settings_reach_every_group() {
        let mut twin = twin(config());
        let patch = ConfigPatch {
            max_retries: Some(0),
            ..ConfigPatch::default()
        };
        let name = "q".into();
        twin.ask(Command::UpdateQueue {
            name,
            patch: patch.into(),
        });
        twin.enqueue("q", message());
        let lease = twin.receive_for("q", "audit", 1)[0].lease;
        assert_eq!(twin.nack(lease, None), Nacked::Dead);
    }

    #[test]
    fn groups_are_bounded_and_their_numbers_used_again() {
        let mut twin = Twin::new();
        twin.create("q", config());
        for group in ["a", "b"] {
            assert!(twin.create_group("q", group));
        }
        let third = Command::CreateGroup {
            queue: "q".into(),
            group: "c".into(),
            groups_max: 2,
        };
        let exhausted = Rejection::GroupsExhausted {
            queue: "q".into(),
            groups_max: 2,
        };
        assert_eq!(twin.ask(third.clone()), Reply::Rejected(exhausted));
        twin.enqueue("q", message());
        assert_eq!(
            twin.delete_group("q", "a"),
            Reply::GroupDeleted { messages: 1 }
        );
        assert!(matches!(twin.ask(third), Reply::GroupCreated { .. }));
        assert_eq!(twin.receive_for("q", "c", 1), []);
        twin.enqueue("q", message());
        let lease = twin.receive_for("q", "c", 1)[0].lease;
        assert_eq!(lease.group, GroupNumber(1));
    }

    #[test]
    fn a_poll_is_woken_by_its_group() {
        let mut twin = twin(config());
        let enqueue = Command::Enqueue {
            queue: "q".into(),
            messages: vec![message()],
            atomic: false,
        };
        let step = twin.step(vec![enqueue]);
        assert_eq!(step.woken, [("q".into(), 1), ("q/audit".into(), 1)]);
    }
}
