//! change message: another time, another priority, for a message that nobody holds, in every consumer group. `delay` 0
//! runs it now.
//!
//! The head of an ordering key that is put off holds up those behind it: they stay in order. One that waits behind its
//! key's head notes when it may go, and waits on.

use super::lease;
use crate::batch::Batch;
use crate::ids::MessageId;
use crate::message::{Message, Place};
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::view;

pub(super) fn run(
    batch: &mut Batch,
    id: MessageId,
    delay_ms: Option<u64>,
    priority: Option<u8>,
) -> Result<Reply, Rejection> {
    let mut copies = lease::free(batch.state(), id)?;
    let is_dead = |id: &MessageId| batch.state().messages[id.slot].place() == Place::Dead;
    copies.retain(|id| !is_dead(id));
    let first = *copies.first().ok_or(Rejection::MessageDead)?;
    for copy in copies {
        let message = &batch.state().messages[copy.slot];
        let changed = decide(copy, message, batch.now_ms, delay_ms, priority);
        changed.into_iter().for_each(|record| batch.commit(record));
    }
    let shown = view::message(batch.state(), first.slot);
    Ok(Reply::Message(shown.into()))
}

/// None: it is so already.
pub(super) fn decide(
    id: MessageId,
    message: &Message,
    now_ms: u64,
    delay_ms: Option<u64>,
    priority: Option<u8>,
) -> Option<Record> {
    let priority = priority.unwrap_or(message.priority);
    let due_ms = delay_ms.map(|delay_ms| now_ms.saturating_add(delay_ms));
    // What may go already is not made to wait anew.
    let is_due = |due_ms: &u64| *due_ms <= now_ms && message.at_ms() <= now_ms;
    let due_ms = due_ms.filter(|due_ms| !is_due(due_ms));
    let is_so = due_ms.is_none_or(|due_ms| due_ms == message.at_ms());
    (!is_so || priority != message.priority).then_some(Record::Changed {
        message: id,
        priority,
        due_ms,
    })
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, NewMessage};
    use crate::config::{QueueConfig, Scheduling};
    use crate::ids::MessageId;
    use crate::rejection::Rejection;
    use crate::reply::{Reply, State};
    use crate::twin::{SECOND, Twin, config, message};

    fn change(message: MessageId, delay_ms: Option<u64>, priority: Option<u8>) -> Command {
        Command::ChangeMessage {
            message,
            delay_ms,
            priority,
        }
    }

    fn twin() -> Twin {
        let mut twin = Twin::new();
        let scheduling = Scheduling::Fair {
            aging_ms: 60 * SECOND,
        };
        twin.create(
            "q",
            QueueConfig {
                scheduling,
                ..config()
            },
        );
        twin
    }

    fn late(seconds: u64) -> NewMessage {
        NewMessage {
            delay_ms: Some(seconds * SECOND),
            ..message()
        }
    }

    fn received(twin: &mut Twin) -> Vec<MessageId> {
        let received = twin.receive("q", 9);
        received.iter().map(|one| one.lease.message).collect()
    }

    #[test]
    fn a_delayed_message_runs_now_or_at_another_time() {
        let mut twin = twin();
        let [now, later] = [60, 60].map(|delay| twin.enqueue("q", late(delay)).message);
        let step = twin.step(vec![change(now, Some(0), None), change(now, Some(0), None)]);
        assert_eq!((step.records.len(), step.woken), (1, vec![("q".into(), 1)]));
        twin.ask(change(later, Some(90 * SECOND), None));
        assert_eq!(received(&mut twin), [now]);
        twin.wait(60 * SECOND).step(vec![]);
        assert_eq!(twin.message(later).state, State::Delayed);
        twin.wait(30 * SECOND);
        assert_eq!(twin.message(later).state, State::Ready);
        let Reply::Message(view) = twin.ask(change(later, Some(5), None)) else {
            panic!("no message")
        };
        assert_eq!((view.state, view.at_ms), (State::Delayed, twin.now_ms + 5));
    }

    #[test]
    fn another_priority_takes_no_time_from_the_wait() {
        let mut twin = twin();
        let low = twin.enqueue("q", message()).message;
        let high = |priority| NewMessage {
            priority,
            ..message()
        };
        let two = twin.wait(100 * SECOND).enqueue("q", high(2)).message;
        let three = twin.wait(SECOND).enqueue("q", high(3)).message;
        twin.ask(change(three, None, Some(2)));
        let since_ms = twin.now_ms - 101 * SECOND;
        let Reply::Message(view) = twin.ask(change(low, None, Some(2))) else {
            panic!("no message")
        };
        assert_eq!((view.priority, view.at_ms), (2, since_ms));
        assert_eq!(received(&mut twin), [low, two, three]);
        let delayed = twin.enqueue("q", late(1)).message;
        twin.ask(change(delayed, None, Some(9)));
        assert_eq!(twin.wait(SECOND).receive("q", 1)[0].priority, 9);
    }

    #[test]
    fn a_key_waits_for_its_head_that_is_put_off() {
        let mut twin = twin();
        let keyed = NewMessage {
            ordering_key: Some(1),
            ..message()
        };
        let [head, behind] = [(); 2].map(|()| twin.enqueue("q", keyed.clone()).message);
        twin.ask(change(head, Some(SECOND), None));
        twin.ask(change(behind, Some(3 * SECOND), Some(7)));
        assert_eq!(received(&mut twin), []);
        let lease = twin.wait(SECOND).receive("q", 9)[0].lease;
        assert_eq!(lease.message, head);
        twin.ask(crate::twin::ack(lease));
        let view = twin.message(behind);
        assert_eq!((view.state, view.priority), (State::Delayed, 7));
        assert_eq!(twin.wait(2 * SECOND).receive("q", 9).len(), 1);
    }

    #[test]
    fn what_is_held_dead_or_gone_is_not_changed() {
        let mut twin = twin();
        let id = twin.enqueue("q", message()).message;
        let lease = twin.receive("q", 1)[0].lease;
        let ask = |twin: &mut Twin| twin.ask(change(id, Some(0), None));
        assert_eq!(ask(&mut twin), Reply::Rejected(Rejection::MessageLeased));
        twin.ask(Command::Nack(crate::command::Nack {
            reject: true,
            ..crate::twin::nack(lease)
        }));
        assert_eq!(ask(&mut twin), Reply::Rejected(Rejection::MessageDead));
        twin.ask(Command::DeleteMessage { message: id });
        assert_eq!(ask(&mut twin), Reply::Rejected(Rejection::MessageNotFound));
    }
}
