//! redrive: a message begins anew, in the queue it died in or elsewhere, as if it were accepted now: ready at once, its
//! attempts not counted, with the queue's time to live. It keeps payload, priority, keys and its own retries.
//!
//! The queue it died in, named or not, means the group it died in: the others had their own copies. To any other queue
//! it is new, so that queue's groups all get it.

use crate::history::Death;
use crate::ids::MessageId;
use crate::queue::Queue;
use crate::record::Record;
use crate::state::State;
use crate::sweep::SweepFailure;

pub(super) fn decide(
    state: &State,
    now_ms: u64,
    id: MessageId,
    destination: Option<&str>,
) -> Result<Record, SweepFailure> {
    let message = &state.messages[id.slot];
    let death = state.history.death(id.slot, message);
    let death = death.filter(|death| !death.over);
    let died_in = |name: &&str| death.is_some_and(|death| *death.source_queue == **name);
    let queue = match destination.filter(|name| !died_in(name)) {
        Some(name) => state.queues.find(name).ok_or(SweepFailure::QueueNotFound)?,
        None => source(state, death.ok_or(SweepFailure::NoSource)?)?,
    };
    let (full, holder) = (
        queue.config.messages_max,
        state.queues.get(queue.group.source),
    );
    let from = state.queues.get(message.queue).group.source;
    if full > 0 && holder.messages_held() >= full && holder.number != from {
        return Err(SweepFailure::QueueFull);
    }
    let ttl_ms = queue.config.ttl_ms;
    Ok(Record::Redriven {
        message: id,
        queue: queue.number,
        new: state.next_id(),
        expires_at_ms: if ttl_ms == 0 {
            0
        } else {
            now_ms.saturating_add(ttl_ms)
        },
    })
}

/// The group it died in: the others had their own copies of it.
fn source<'a>(state: &'a State, death: &Death) -> Result<&'a Queue, SweepFailure> {
    let queue = state.queues.find(&death.source_queue);
    let mut groups = state
        .queues
        .groups_of(queue.ok_or(SweepFailure::QueueNotFound)?);
    let group = groups.find(|queue| queue.group.name == death.source_group);
    group.ok_or(SweepFailure::GroupNotFound)
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, Nack, NewMessage};
    use crate::config::{Backoff, QueueConfig};
    use crate::ids::MessageId;
    use crate::record::DeathReason;
    use crate::rejection::Rejection;
    use crate::reply::{MessageView, Nacked, Reply, State};
    use crate::sweep::{SweepEnd, SweepPlan};
    use crate::twin::sweeps::{redrive, to};
    use crate::twin::{SECOND, Twin, config, message, nack};

    fn dying(dead_letter_queue: Option<&str>) -> QueueConfig {
        QueueConfig {
            max_retries: 0,
            dead_letter_queue: dead_letter_queue.map(Into::into),
            ttl_ms: 60 * SECOND,
            ..config()
        }
    }

    /// Enqueues a message and lets it die; its id from then on.
    fn dead(twin: &mut Twin, queue: &str, message: NewMessage) -> MessageId {
        let id = twin.enqueue(queue, message).message;
        let lease = twin.receive(queue, 1)[0].lease;
        assert_eq!(lease.message, id);
        match twin.nack(lease, None) {
            Nacked::DeadLettered { message } => message,
            _ => id,
        }
    }

    fn redriven(twin: &mut Twin, queue: &str, plan: SweepPlan) -> Vec<MessageId> {
        let before = twin.live.state().numbered;
        let view = twin.sweep(queue, plan);
        assert_eq!(view.ended.map(|(end, _)| end), Some(SweepEnd::Done));
        let slab = &twin.live.state().messages;
        let ids = (0..slab.slots()).map(|slot| slab.id(slot));
        let mut new: Vec<_> = ids.filter(|id| id.number > before).collect();
        new.sort();
        new
    }

    #[test]
    fn it_keeps_its_fairness_key() {
        let mut twin = Twin::new();
        let mut one_at_a_time = dying(Some("letters"));
        one_at_a_time.fairness.in_flight_max = 1;
        twin.create("q", one_at_a_time);
        for _ in 0..2 {
            let fair = NewMessage {
                fairness_key: Some(7),
                ..message()
            };
            dead(&mut twin, "q", fair);
        }
        redriven(&mut twin, "letters", redrive());
        assert_eq!(twin.receive("q", 9).len(), 1, "the other waits for its key");
    }

    #[test]
    fn a_dead_letter_begins_anew_in_the_queue_it_died_in() {
        let mut twin = Twin::new();
        twin.create("q", dying(Some("letters")));
        let kept = NewMessage {
            priority: 9,
            ..message()
        };
        let envelope = dead(&mut twin, "q", kept);
        let envelope = twin.message(envelope).envelope;
        twin.wait(5);
        let new = redriven(&mut twin, "letters", redrive())[0];
        let MessageView {
            state,
            priority,
            deliveries,
            attempts,
            expires_at_ms,
            envelope: found,
            dead_letter,
            ..
        } = twin.message(new);
        assert_eq!((state, priority, found), (State::Ready, 9, envelope));
        assert_eq!((deliveries, attempts), (0, 0));
        assert_eq!(expires_at_ms, twin.now_ms + 60 * SECOND);
        let story = dead_letter.unwrap();
        assert_eq!(story.redrives, 1);
        assert_eq!(story.reason, DeathReason::RetriesExhausted);
        assert_eq!(twin.queue("letters").counts.ready, 0);
        // Its next death is one of its own.
        let lease = twin.receive("q", 1)[0].lease;
        let Nacked::DeadLettered { message: letter } = twin.nack(lease, None) else {
            panic!("not dead")
        };
        let story = twin.message(letter).dead_letter.unwrap();
        assert_eq!((story.source_message, story.redrives), (new, 1));
    }

    #[test]
    fn what_is_dead_in_its_own_queue_goes_on_there_or_elsewhere() {
        let mut twin = Twin::new();
        twin.create("q", dying(None));
        twin.create("other", config());
        dead(&mut twin, "q", message());
        redriven(&mut twin, "q", redrive());
        let counts = twin.queue("q").counts;
        assert_eq!((counts.ready, counts.dead), (1, 0));
        let lease = twin.receive("q", 1)[0].lease;
        twin.nack(lease, None);
        let new = redriven(&mut twin, "q", to("other"))[0];
        assert_eq!(&*twin.message(new).queue, "other");
        assert_eq!(twin.message(new).expires_at_ms, 0);
    }

    #[test]
    fn messages_of_a_key_come_back_in_order_behind_those_that_are_there() {
        let mut twin = Twin::new();
        twin.create("q", dying(Some("letters")));
        let keyed = || NewMessage {
            ordering_key: Some(7),
            ..message()
        };
        (0..3).for_each(|_| {
            dead(&mut twin, "q", keyed());
        });
        let first = twin.enqueue("q", keyed()).message;
        let new = redriven(&mut twin, "letters", redrive());
        let order: Vec<_> = [first].into_iter().chain(new).collect();
        for id in order {
            let delivered = twin.receive("q", 9);
            assert_eq!((delivered.len(), delivered[0].lease.message), (1, id));
            twin.ask(crate::twin::ack(delivered[0].lease));
        }
    }

    #[test]
    fn what_can_not_go_stays_and_is_counted() {
        let mut twin = Twin::new();
        twin.create("q", dying(Some("letters")));
        dead(&mut twin, "q", message());
        twin.enqueue("letters", message());
        twin.ask(Command::DeleteQueue { name: "q".into() });
        let plan = SweepPlan {
            filter: crate::sweep::SweepFilter {
                state: Some(State::Ready),
                ..Default::default()
            },
            ..redrive()
        };
        let view = twin.sweep("letters", plan.clone());
        let tally = view.tally;
        assert_eq!(
            (tally.matched, tally.moved, tally.failed),
            (2, 0, [1, 1, 0, 0])
        );
        assert_eq!(twin.queue("letters").counts.ready, 2);
        let gone = Reply::Rejected(Rejection::QueueNotFound { queue: "q".into() });
        assert_eq!(
            twin.ask(crate::twin::sweeps::start("letters", to("q"))),
            gone
        );
        twin.create("q", config());
        assert_eq!(twin.sweep("letters", redrive()).tally.moved, 1);
    }

    #[test]
    fn own_retries_are_kept_and_a_held_letter_is_left_alone() {
        let mut twin = Twin::new();
        twin.create("q", dying(None));
        let own = NewMessage {
            max_retries: Some(1),
            ..message()
        };
        let id = twin.enqueue("q", own).message;
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(Command::Nack(Nack {
            reject: true,
            ..nack(lease)
        }));
        let new = redriven(
            &mut twin,
            "q",
            SweepPlan {
                ids: Some(vec![id]),
                ..redrive()
            },
        );
        let lease = twin.receive("q", 1)[0].lease;
        assert_eq!(lease.message, new[0]);
        let view = twin.sweep(
            "q",
            SweepPlan {
                ids: Some(new),
                ..redrive()
            },
        );
        assert_eq!((view.tally.moved, view.tally.skipped), (0, 1));
        assert!(matches!(twin.nack(lease, None), Nacked::Retry { .. }));
    }

    #[test]
    fn own_retries_rest_in_a_dead_letter_queue_and_hold_again_after_it() {
        let mut twin = Twin::new();
        twin.create("q", dying(Some("letters")));
        let backoff = Backoff {
            initial_ms: 7,
            jitter_permille: 0,
            ..Backoff::DEFAULT
        };
        let own = NewMessage {
            max_retries: Some(1),
            backoff: Some(backoff),
            ..message()
        };
        twin.enqueue("q", own);
        let dies = |twin: &mut Twin| {
            let lease = twin.receive("q", 1)[0].lease;
            let due_ms = twin.now_ms + 7;
            assert_eq!(twin.nack(lease, None), Nacked::Retry { due_ms });
            let lease = twin.wait(7).receive("q", 1)[0].lease;
            let died = twin.nack(lease, None);
            assert!(matches!(died, Nacked::DeadLettered { .. }));
        };
        dies(&mut twin);
        for attempts in 1..=2 {
            let lease = twin.wait(9 * SECOND).receive("letters", 1)[0].lease;
            let Nacked::Retry { due_ms } = twin.nack(lease, None) else {
                panic!("attempt {attempts}: the queue's retries hold")
            };
            assert!(due_ms >= twin.now_ms + 800, "and its backoff");
        }
        redriven(&mut twin, "letters", redrive());
        dies(&mut twin);
    }

    /// A queue with the group `audit`, of which a message died in `audit` alone.
    fn died_for_audit(dead_letter_queue: Option<&str>) -> Twin {
        let mut twin = Twin::new();
        twin.create("q", dying(dead_letter_queue));
        twin.create_group("q", "audit");
        twin.enqueue("q", message());
        let held = twin.receive("q", 1)[0].lease;
        twin.ask(crate::twin::ack(held));
        let lease = twin.receive_for("q", "audit", 1)[0].lease;
        twin.nack(lease, None);
        twin
    }

    #[test]
    fn a_group_s_dead_letter_goes_back_to_that_group_alone() {
        for (dead_letter_queue, swept) in [(Some("letters"), "letters"), (None, "q")] {
            let mut twin = died_for_audit(dead_letter_queue);
            assert_eq!(twin.sweep(swept, redrive()).tally.moved, 1);
            assert_eq!(twin.receive("q", 9), []);
            assert_eq!(twin.receive_for("q", "audit", 9).len(), 1);
        }
        let mut twin = died_for_audit(Some("letters"));
        assert_eq!(twin.sweep("letters", to("q")).tally.moved, 1);
        assert_eq!(twin.receive("q", 9), [], "named or not");
        assert_eq!(twin.receive_for("q", "audit", 9).len(), 1);
        let mut twin = died_for_audit(Some("letters"));
        twin.delete_group("q", "audit");
        let tally = twin.sweep("letters", redrive()).tally;
        assert_eq!((tally.moved, tally.failed), (0, [0, 0, 0, 1]));
    }

    #[test]
    fn groups_that_were_done_with_it_do_not_get_it_again() {
        for (dead_letter_queue, swept) in [(Some("letters"), "letters"), (None, "q")] {
            for plan in [redrive(), to("q")] {
                let mut twin = Twin::new();
                twin.create("q", dying(dead_letter_queue));
                twin.create_group("q", "audit");
                twin.enqueue("q", message());
                let lease = twin.receive_for("q", "audit", 1)[0].lease;
                twin.ask(crate::twin::ack(lease));
                let lease = twin.receive("q", 1)[0].lease;
                twin.nack(lease, None);
                let new = redriven(&mut twin, swept, plan)[0];
                assert_eq!(twin.message(new).groups, [], "`default` alone got it");
                assert_eq!(twin.receive_for("q", "audit", 9), []);
                assert_eq!(twin.receive("q", 9).len(), 1);
            }
        }
    }

    #[test]
    fn what_died_for_a_group_is_new_elsewhere() {
        let mut twin = died_for_audit(Some("letters"));
        twin.create("other", config());
        twin.create_group("other", "alerts");
        assert_eq!(twin.sweep("letters", to("other")).tally.moved, 1);
        assert_eq!(twin.receive("other", 9).len(), 1);
        assert_eq!(twin.receive_for("other", "alerts", 9).len(), 1);
    }

    #[test]
    fn messages_that_only_further_groups_hold_fill_a_destination_too() {
        let mut twin = Twin::new();
        twin.create("q", dying(Some("letters")));
        let full = QueueConfig {
            messages_max: 1,
            ..config()
        };
        twin.create("full", full);
        twin.create_group("full", "audit");
        twin.enqueue("full", message());
        let lease = twin.receive("full", 1)[0].lease;
        twin.ask(crate::twin::ack(lease));
        dead(&mut twin, "q", message());
        assert_eq!(twin.sweep("letters", to("full")).tally.failed, [0, 0, 1, 0]);
    }

    #[test]
    fn copies_of_a_dead_letter_bring_it_back_once() {
        let mut twin = Twin::new();
        twin.create("q", dying(Some("letters")));
        twin.create_group("letters", "alerts");
        dead(&mut twin, "q", message());
        assert_eq!(twin.sweep("letters", redrive()).tally.moved, 1);
        assert_eq!(twin.queue("q").counts.ready, 1);
        assert_eq!(twin.receive_for("letters", "alerts", 9).len(), 1);
    }

    #[test]
    fn a_destination_s_groups_all_get_it() {
        let mut twin = Twin::new();
        twin.create("q", dying(None));
        twin.create("other", config());
        twin.create_group("other", "audit");
        dead(&mut twin, "q", message());
        redriven(&mut twin, "q", to("other"));
        assert_eq!(twin.receive("other", 9).len(), 1);
        assert_eq!(twin.receive_for("other", "audit", 9).len(), 1);
    }
}
