//! Duplicates: messages whose dedup id another one holds. A window counts from acceptance and outlives the ack; an id
//! that is held until its message is done is free with the ack by the group `default`, and with every other end.

use crate::command::{DedupKey, NewMessage};
use crate::ids::{MessageId, QueueNumber};
use crate::queue::Queue;
use crate::record::DedupEntry;
use crate::rejection::Rejection;
use crate::state::State;

/// Whether a message accepted under this id holds it.
pub(super) fn is_remembered(queue: &Queue, dedup: &DedupKey) -> bool {
    dedup.until_done || queue.config.dedup_window_ms > 0
}

/// The message accepted earlier under the same dedup id.
pub(super) fn find(
    state: &State,
    now_ms: u64,
    queue: QueueNumber,
    message: &NewMessage,
) -> Result<Option<MessageId>, Rejection> {
    let Some(dedup) = message.dedup else {
        return Ok(None);
    };
    let queue = state.queues.get(queue);
    match state.remembered(queue, dedup.hash, now_ms) {
        Some(earlier) if earlier.fingerprint == dedup.fingerprint => Ok(Some(earlier.message())),
        Some(_) => Err(Rejection::DedupConflict),
        None => Ok(None),
    }
}

/// Before each of these is looked for.
pub(super) fn load_ahead(state: &State, queue: QueueNumber, messages: &[NewMessage]) {
    let window = &state.queues.get(queue).dedup;
    let keys = messages.iter().filter_map(|message| message.dedup);
    state.dedup.load_ahead(window, keys.map(|key| key.hash));
}

/// Whether the last of `ids` new ones can be remembered: one that can't is refused, not accepted twice in silence.
pub(super) fn check_room(state: &State, ids: u64) -> Result<(), Rejection> {
    if ids == 0 || state.has_dedup_room(ids) {
        return Ok(());
    }
    let ids_max = state.settings.dedup_ids_max;
    Err(Rejection::DedupMemoryFull { ids_max })
}

/// What is remembered of an id from now on.
pub(super) fn entry(queue: &Queue, now_ms: u64, dedup: DedupKey) -> DedupEntry {
    DedupEntry {
        hash: dedup.hash,
        fingerprint: dedup.fingerprint,
        expires_at_ms: match dedup.until_done {
            true => DedupEntry::UNTIL_DONE,
            false => now_ms.saturating_add(queue.config.dedup_window_ms),
        },
    }
}

#[cfg(test)]
mod tests {
    use crate::command::{Command, ConfigPatch, Nack, NewMessage};
    use crate::rejection::Rejection;
    use crate::reply::{Reply, State};
    use crate::twin::checkpoints::CheckpointMove;
    use crate::twin::{SECOND, Twin, ack, config, nack, with_dedup};

    fn batch(messages: Vec<NewMessage>, atomic: bool) -> Command {
        Command::Enqueue {
            queue: "q".into(),
            messages,
            atomic,
        }
    }

    fn twin() -> Twin {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin
    }

    fn until_done(hash: u128) -> NewMessage {
        let mut message = with_dedup(hash, 1);
        message.dedup.as_mut().expect("it has one").until_done = true;
        message
    }

    fn held(twin: &Twin) -> [usize; 2] {
        [&twin.live, &twin.replica].map(|partition| partition.state().dedup.held())
    }

    #[test]
    fn an_id_held_until_done_outlives_its_window_and_is_free_with_each_end() {
        let mut twin = twin();
        let ends: [fn(&mut Twin); 6] = [
            |twin| {
                let lease = twin.receive("q", 1)[0].lease;
                twin.ask(ack(lease));
            },
            |twin| {
                let lease = twin.receive("q", 1)[0].lease;
                let reject = true;
                twin.ask(Command::Nack(Nack {
                    reject,
                    ..nack(lease)
                }));
            },
            |twin| {
                let message = twin.enqueue("q", until_done(7)).message;
                twin.ask(Command::DeleteMessage { message });
            },
            |twin| {
                twin.ask(Command::PurgeQueue { name: "q".into() });
            },
            |twin| {
                twin.ask(Command::DeleteQueue { name: "q".into() });
                twin.create("q", config());
                twin.ask(Command::CreateGroup {
                    queue: "q".into(),
                    group: "holds it still".into(),
                    groups_max: 1,
                });
            },
            |twin| {
                let lease = twin.receive("q", 1)[0].lease;
                twin.ask(ack(lease));
            },
        ];
        for end in ends {
            let first = twin.enqueue("q", until_done(7));
            assert!(!first.duplicate, "the end before set it free");
            let again = twin.wait(900 * SECOND).enqueue("q", with_dedup(7, 1));
            assert_eq!((again.duplicate, again.message), (true, first.message));
            assert_eq!(again.state, Some(State::Ready));
            let conflict = twin.ask(batch(vec![with_dedup(7, 2)], false));
            assert_eq!(
                conflict,
                Reply::Enqueued(vec![Err(Rejection::DedupConflict)])
            );
            end(&mut twin);
        }
        assert_eq!(twin.live.message_count(), 1, "the further group's copy");
        (0..9).for_each(|_| drop(twin.step(vec![])));
        assert_eq!(held(&twin), [0, 0]);
    }

    #[test]
    fn a_successor_of_a_purged_message_holds_its_id_when_that_is_taken_away() {
        let mut twin = twin();
        twin.enqueue("q", until_done(7));
        let purge = Command::PurgeQueue { name: "q".into() };
        let step = twin.step(vec![purge, batch(vec![until_done(7)], false)]);
        assert!(
            matches!(&step.replies[1], Reply::Enqueued(results) if !results[0].as_ref().unwrap().duplicate)
        );
        (0..9).for_each(|_| drop(twin.step(vec![])));
        assert_eq!((held(&twin), twin.live.message_count()), ([1, 1], 1));
        assert!(twin.enqueue("q", until_done(7)).duplicate);
    }

    #[test]
    fn a_duplicate_tells_what_became_of_the_first_one() {
        let mut twin = twin();
        let state = |twin: &mut Twin| twin.enqueue("q", with_dedup(7, 1)).state;
        let delay_ms = Some(SECOND);
        twin.enqueue(
            "q",
            NewMessage {
                delay_ms,
                ..with_dedup(7, 1)
            },
        );
        assert_eq!(state(&mut twin), Some(State::Delayed));
        twin.wait(SECOND).step(vec![]);
        assert_eq!(state(&mut twin), Some(State::Ready));
        let lease = twin.receive("q", 1)[0].lease;
        assert_eq!(state(&mut twin), Some(State::Leased));
        twin.ask(ack(lease));
        assert_eq!(state(&mut twin), None);
    }

    #[test]
    fn an_atomic_batch_knows_ids_that_are_held_until_done() {
        let mut twin = twin();
        let no_window = ConfigPatch {
            dedup_window_ms: Some(0),
            ..ConfigPatch::default()
        };
        twin.ask(Command::UpdateQueue {
            name: "q".into(),
            patch: no_window.into(),
        });
        let entries = vec![with_dedup(7, 1), until_done(7), with_dedup(7, 1)];
        let Reply::Enqueued(results) = twin.ask(batch(entries, true)) else {
            panic!()
        };
        let duplicates: Vec<_> = results
            .into_iter()
            .map(|result| result.unwrap().duplicate)
            .collect();
        assert_eq!(duplicates, [false, false, true]);
        let entries = vec![until_done(8), with_dedup(8, 2)];
        let refused = [Rejection::BatchAborted, Rejection::DedupConflict];
        assert_eq!(
            twin.ask(batch(entries, true)),
            Reply::Enqueued(refused.map(Err).into())
        );
    }

    #[test]
    fn of_several_entries_of_an_id_a_restored_state_finds_the_latest_wherever_it_lies() {
        for (latest, comes_before) in [
            (with_dedup(7, 1), false),
            (until_done(7), false),
            (with_dedup(7, 1), true),
            (until_done(7), true),
        ] {
            let mut twin = twin();
            // More than are forgotten with what comes when their time is over.
            let older = (100..300).chain([7]).map(|hash| with_dedup(hash, 1));
            let message = twin.enqueue("q", until_done(99)).message;
            twin.step(vec![batch(older.collect(), true)]);
            twin.wait(300 * SECOND);
            if comes_before {
                twin.ask(Command::DeleteMessage { message });
            }
            let message = twin.enqueue("q", latest).message;
            twin.checkpoint(CheckpointMove::Begin);
            twin.checkpoint(CheckpointMove::End);
            twin.fence();
            let again = twin.enqueue("q", with_dedup(7, 1));
            assert_eq!((again.duplicate, again.message), (true, message));
            let others = usize::from(!comes_before);
            twin.ask(Command::DeleteMessage { message });
            assert_eq!(held(&twin), [others; 2]);
        }
    }
}
