//! pause and resume: a queue stops accepting, handing out, or both, until it is told to go on. What is held stays:
//! timers run, leases can be settled, dead letters still come in. Asking for what is so changes nothing.

use crate::batch::Batch;
use crate::record::{Paused, Record};
use crate::rejection::Rejection;
use crate::reply::Reply;
use crate::view;

pub(super) fn pause(batch: &mut Batch, name: &str, what: Paused) -> Result<Reply, Rejection> {
    change(batch, name, |paused| Paused {
        enqueue: paused.enqueue || what.enqueue,
        receive: paused.receive || what.receive,
    })
}

pub(super) fn resume(batch: &mut Batch, name: &str, what: Paused) -> Result<Reply, Rejection> {
    change(batch, name, |paused| Paused {
        enqueue: paused.enqueue && !what.enqueue,
        receive: paused.receive && !what.receive,
    })
}

fn change(
    batch: &mut Batch,
    name: &str,
    to: impl FnOnce(Paused) -> Paused,
) -> Result<Reply, Rejection> {
    let queue = batch.state().queues.named(name)?;
    let (number, paused) = (queue.number, to(queue.paused));
    if paused != queue.paused {
        batch.commit(Record::QueuePaused {
            queue: number,
            paused,
        });
    }
    let queue = view::queue(batch.state().queues.named(name)?);
    Ok(Reply::Queue(queue.into()))
}

#[cfg(test)]
mod tests {
    use crate::command::Command;
    use crate::record::Paused;
    use crate::rejection::Rejection;
    use crate::reply::{Limited, LimitedBy, Reply};
    use crate::twin::{Twin, ack, config, message, receive, with_dedup};

    const BOTH: Paused = Paused {
        enqueue: true,
        receive: true,
    };
    const RECEIVE: Paused = Paused {
        enqueue: false,
        receive: true,
    };
    const ENQUEUE: Paused = Paused {
        enqueue: true,
        receive: false,
    };

    fn pause(what: Paused) -> Command {
        let name = "q".into();
        Command::PauseQueue { name, what }
    }

    fn resume(what: Paused) -> Command {
        let name = "q".into();
        Command::ResumeQueue { name, what }
    }

    fn twin() -> Twin {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin
    }

    #[test]
    fn each_end_is_paused_by_itself_and_asking_again_records_nothing() {
        let mut twin = twin();
        let steps = [
            (pause(ENQUEUE), ENQUEUE),
            (pause(RECEIVE), BOTH),
            (resume(RECEIVE), ENQUEUE),
            (pause(RECEIVE), BOTH),
            (resume(ENQUEUE), RECEIVE),
            (pause(ENQUEUE), BOTH),
            (resume(BOTH), Paused::default()),
            (pause(ENQUEUE), ENQUEUE),
            (resume(ENQUEUE), Paused::default()),
            (pause(RECEIVE), RECEIVE),
            (resume(RECEIVE), Paused::default()),
        ];
        for (command, paused) in steps {
            let step = twin.step(vec![command.clone(), command]);
            assert_eq!(step.records.len(), 1);
            assert_eq!(twin.queue("q").paused, paused);
        }
    }

    #[test]
    fn a_paused_receive_hands_out_nothing_and_its_end_wakes() {
        let mut twin = twin();
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(pause(RECEIVE));
        let step = twin.step(vec![receive("q", 1)]);
        let limited = Some(Limited {
            by: LimitedBy::Paused,
            retry_after_ms: None,
        });
        let messages = vec![];
        assert_eq!(step.replies, [Reply::Received { messages, limited }]);
        assert_eq!(twin.ask(ack(lease)), Reply::Acked { already: false });
        let enqueue = Command::Enqueue {
            queue: "q".into(),
            messages: vec![message(); 2],
            atomic: false,
        };
        assert_eq!(twin.step(vec![enqueue]).woken, [], "nobody may have it");
        assert_eq!(twin.step(vec![resume(BOTH)]).woken, [("q".into(), 2)]);
        assert_eq!(twin.receive("q", 9).len(), 2);
    }

    #[test]
    fn a_paused_enqueue_accepts_nothing_new_and_knows_what_it_accepted() {
        let mut twin = twin();
        let first = twin.enqueue("q", with_dedup(1, 1)).message;
        twin.ask(pause(ENQUEUE));
        let paused = || Err(Rejection::QueuePaused { queue: "q".into() });
        let batch = |atomic| Command::Enqueue {
            queue: "q".into(),
            messages: vec![with_dedup(1, 1), message(), with_dedup(1, 2)],
            atomic,
        };
        let Reply::Enqueued(results) = twin.ask(batch(false)) else {
            panic!("no results")
        };
        assert!(matches!(&results[0], Ok(again) if again.message == first && again.duplicate));
        let conflict = || Err(Rejection::DedupConflict);
        assert_eq!(results[1..], [paused(), conflict()]);
        let aborted = Err(Rejection::BatchAborted);
        assert_eq!(
            twin.ask(batch(true)),
            Reply::Enqueued(vec![aborted, paused(), conflict()])
        );
        assert_eq!(twin.receive("q", 9).len(), 1);
    }

    #[test]
    fn a_queue_that_is_not_there() {
        let name = "q".into();
        let command = Command::PauseQueue { name, what: BOTH };
        let missing = Rejection::QueueNotFound { queue: "q".into() };
        assert_eq!(Twin::new().ask(command), Reply::Rejected(missing));
    }
}
