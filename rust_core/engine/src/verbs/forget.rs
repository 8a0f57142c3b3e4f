//! Forgetting: with each batch of records some results and dedup entries go whose time is over, of whatever queue. A batch that
//! brings messages takes more with it than it brings, so the windows of busy queues shrink as they should.

use crate::batch::Batch;
use crate::budget::FORGOTTEN_QUEUES_PER_STEP_MAX;
use crate::record::Record;

/// Entries that go with any batch.
const FORGOTTEN_PER_STEP: usize = 64;

/// And with each message it brings: more than one, so that forgetting overtakes.
const FORGOTTEN_PER_MESSAGE: usize = 4;

/// A step that records nothing forgets nothing, for it would be the only reason to journal; unless the memory is full,
/// which refuses what would be recorded.
pub(crate) fn run(batch: &mut Batch, messages_brought: usize) {
    if batch.is_empty() && batch.state().has_dedup_room(1) {
        return;
    }
    let mut left = FORGOTTEN_PER_STEP + FORGOTTEN_PER_MESSAGE * messages_brought;
    let results = batch.state().results.due(batch.now_ms, left);
    if results > 0 {
        left -= results;
        let count = results as u32;
        batch.commit(Record::ResultsForgotten { count });
    }
    for _ in 0..FORGOTTEN_QUEUES_PER_STEP_MAX {
        let state = batch.state();
        let Some(queue) = state.dedup.first_due(batch.now_ms).filter(|_| left > 0) else {
            return;
        };
        let due = state
            .dedup
            .due(&state.queues.get(queue).dedup, batch.now_ms, left);
        left -= due;
        batch.commit(Record::Forgotten {
            queue,
            dedup_entries: due as u32,
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::budget::*;
    use crate::command::{Command, Complete, ConfigPatch, NewMessage};
    use crate::config::QueueConfig;
    use crate::ids::QueueNumber;
    use crate::record::{Paused, Record};
    use crate::rejection::Rejection;
    use crate::reply::Reply;
    use crate::twin::{SECOND, Twin, config, message, with_dedup};

    fn enqueue(queue: &str, messages: Vec<NewMessage>) -> Command {
        Command::Enqueue {
            queue: queue.into(),
            messages,
            atomic: false,
        }
    }

    fn remembered(twin: &Twin) -> usize {
        let sizes = [&twin.live, &twin.replica].map(|partition| partition.state().dedup.len());
        assert_eq!(sizes[0], sizes[1], "a replica forgets as much");
        sizes[0]
    }

    #[test]
    fn an_idle_queue_s_window_is_forgotten_too() {
        let mut twin = Twin::new();
        twin.create("idle", config());
        twin.create("busy", config());
        let messages = (0..1000).map(|id| with_dedup(id, 1)).collect();
        twin.step(vec![enqueue("idle", messages)]);
        twin.wait(300 * SECOND - 1).enqueue("busy", message());
        assert_eq!(remembered(&twin), 1000, "the window is not over");
        twin.wait(1).step(vec![]);
        assert_eq!(remembered(&twin), 1000, "nothing is journaled for it alone");
        (0..15).for_each(|_| {
            twin.enqueue("busy", message());
        });
        assert_eq!(remembered(&twin), 0);
    }

    #[test]
    fn a_full_memory_refuses_new_ids_alone_and_forgets_by_itself() {
        let mut twin = Twin::with(crate::config::Settings {
            dedup_ids_max: 2,
            ..crate::twin::settings()
        });
        twin.create("q", config());
        let full = || Err(Rejection::DedupMemoryFull { ids_max: 2 });
        let aborted = || Err(Rejection::BatchAborted);
        let entries = vec![
            with_dedup(1, 1),
            message(),
            with_dedup(2, 1),
            with_dedup(3, 1),
        ];
        let mut command = enqueue("q", entries.clone());
        if let Command::Enqueue { atomic, .. } = &mut command {
            *atomic = true;
        }
        let refused = vec![aborted(), aborted(), aborted(), full()];
        assert_eq!(twin.ask(command), Reply::Enqueued(refused));
        let Reply::Enqueued(results) = twin.ask(enqueue("q", entries)) else {
            panic!("an enqueue is answered otherwise")
        };
        assert!(results[..3].iter().all(Result::is_ok) && results[3] == full());
        assert!(twin.enqueue("q", with_dedup(1, 1)).duplicate);
        let late = enqueue("q", vec![with_dedup(3, 1)]);
        let refused = Reply::Enqueued(vec![full()]);
        assert_eq!(twin.wait(300 * SECOND).ask(late), refused);
        assert_eq!(remembered(&twin), 0, "though the step accepted nothing");
        assert!(!twin.enqueue("q", with_dedup(1, 1)).duplicate);
    }

    #[test]
    fn a_shortened_window_is_not_held_up_by_older_entries() {
        let mut twin = Twin::new();
        let week = QueueConfig {
            dedup_window_ms: 7 * 86_400 * SECOND,
            ..config()
        };
        twin.create("q", week);
        twin.enqueue("q", with_dedup(u128::MAX, 1));
        let patch = ConfigPatch {
            dedup_window_ms: Some(SECOND),
            ..ConfigPatch::default()
        };
        twin.ask(Command::UpdateQueue {
            name: "q".into(),
            patch: patch.into(),
        });
        for id in 0..50 {
            twin.wait(2 * SECOND).enqueue("q", with_dedup(id, 1));
        }
        assert_eq!(remembered(&twin), 2, "the old one and the last one");
        assert!(twin.enqueue("q", with_dedup(u128::MAX, 1)).duplicate);
    }

    #[test]
    fn a_step_forgets_so_many_in_all_and_more_with_each_message_that_it_brings() {
        let mut twin = Twin::new();
        let config = QueueConfig {
            result_retention_ms: 300 * SECOND,
            ..config()
        };
        for queue in ["a", "b"] {
            twin.create(queue, config.clone());
        }
        for _ in 0..30 {
            twin.enqueue("b", message());
            let complete = Complete {
                lease: twin.receive("b", 1)[0].lease,
                result: Some(message().blob),
                enqueue: vec![],
            };
            twin.ask(Command::Complete(Box::new(complete)));
        }
        for queue in ["a", "b"] {
            let ids = (0..100).map(|id| with_dedup(id, 1));
            twin.step(vec![enqueue(queue, ids.collect())]);
        }
        twin.wait(300 * SECOND);
        let pause = Command::PauseQueue {
            name: "a".into(),
            what: Paused {
                enqueue: false,
                receive: true,
            },
        };
        let forgotten = |queue, dedup_entries| Record::Forgotten {
            queue: QueueNumber(queue),
            dedup_entries,
        };
        let step = twin.step(vec![pause]);
        let expected = [Record::ResultsForgotten { count: 30 }, forgotten(0, 34)];
        assert_eq!(step.records[1..], expected, "64 of all");
        let step = twin.step(vec![enqueue("a", vec![message()])]);
        assert_eq!(step.records[1..], [forgotten(0, 66), forgotten(1, 2)]);
    }

    #[test]
    fn an_id_that_no_window_remembers_takes_no_memory() {
        let mut twin = Twin::with(crate::config::Settings {
            dedup_ids_max: 0,
            ..crate::twin::settings()
        });
        let dedup_window_ms = 0;
        let config = QueueConfig {
            dedup_window_ms,
            ..config()
        };
        twin.create("q", config);
        assert!(!twin.enqueue("q", with_dedup(1, 1)).duplicate);
        assert!(!twin.enqueue("q", with_dedup(1, 1)).duplicate);
    }

    #[test]
    fn a_step_that_has_everything_to_do_takes_all_that_is_kept_for_it_and_no_more() {
        let mut twin = Twin::new();
        let config = QueueConfig {
            result_retention_ms: 300 * SECOND,
            ..config()
        };
        for number in 0..=FORGOTTEN_QUEUES_PER_STEP_MAX {
            let queue = number.to_string();
            twin.create(&queue, config.clone());
            twin.enqueue(&queue, with_dedup(1, 1));
        }
        let complete = Complete {
            lease: twin.receive("0", 1)[0].lease,
            result: Some(message().blob),
            enqueue: vec![],
        };
        twin.ask(Command::Complete(Box::new(complete)));
        let late = NewMessage {
            delay_ms: Some(300 * SECOND),
            ..message()
        };
        twin.step(vec![enqueue("0", vec![late; 3000])]);
        let step = twin.wait(300 * SECOND).step(vec![]);
        let cost = |record: &Record| match record {
            Record::Due { .. } => FIRED_BYTES_MAX,
            Record::ResultsForgotten { .. } | Record::Forgotten { .. } => FORGOTTEN_BYTES_MAX,
            other => panic!("{other:?}"),
        };
        let bytes: u32 = step.records.iter().map(cost).sum();
        assert_eq!(bytes, STEP_BYTES_MAX);
    }
}
