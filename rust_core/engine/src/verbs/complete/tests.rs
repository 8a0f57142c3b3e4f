//! Tests of acks that bring something.

use super::*;
use crate::command::{Blob, Command};
use crate::config::QueueConfig;
use crate::ids::LeaseId;
use crate::twin::checkpoints::CheckpointMove;
use crate::twin::{SECOND, Twin, ack, config, message, with_dedup};

fn complete(lease: LeaseId, result: Option<u32>, enqueue: Vec<(&str, NewMessage)>) -> Command {
    let enqueue = enqueue.into_iter().map(|(queue, message)| FollowUp {
        queue: queue.into(),
        message,
    });
    Command::Complete(Box::new(Complete {
        lease,
        result: result.map(|length| Blob { index: 9, length }),
        enqueue: enqueue.collect(),
    }))
}

fn twin() -> (Twin, LeaseId) {
    let mut twin = Twin::new();
    twin.create("q", config());
    twin.create(
        "next",
        QueueConfig {
            messages_max: 2,
            ..config()
        },
    );
    twin.enqueue("q", message());
    let lease = twin.receive("q", 1)[0].lease;
    (twin, lease)
}

fn counts(twin: &mut Twin, queue: &str) -> (u64, u64) {
    let counts = twin.queue(queue).counts;
    (counts.ready, counts.leased)
}

#[test]
fn the_ack_and_what_follows_are_one_step() {
    let (mut twin, lease) = twin();
    let follow = vec![
        ("next", with_dedup(1, 1)),
        ("q", message()),
        ("next", with_dedup(1, 1)),
    ];
    let step = twin.step(vec![complete(lease, Some(7), follow)]);
    assert_eq!(step.records.len(), 4, "two came, they followed, it is done");
    let Reply::Completed {
        already: false,
        enqueued,
    } = &step.replies[0]
    else {
        panic!("{:?}", step.replies)
    };
    assert_eq!(
        enqueued.iter().map(|one| one.duplicate).collect::<Vec<_>>(),
        [false, false, true]
    );
    assert_eq!(step.blobs, [0, 0, 9], "in the order of their records");
    assert_eq!(
        (counts(&mut twin, "next"), counts(&mut twin, "q")),
        ((1, 0), (1, 0))
    );
    let again = twin.ask(complete(lease, None, vec![("q", message())]));
    let Reply::Completed {
        already: true,
        enqueued: told,
    } = again
    else {
        panic!("{again:?}")
    };
    let ids = |all: &[Accepted]| -> Vec<_> {
        let ids = all.iter().map(|one| (one.message, one.duplicate));
        ids.collect()
    };
    assert_eq!(ids(&told), ids(enqueued), "the same");
    assert_eq!(
        told[0].state,
        Some(crate::reply::State::Ready),
        "as it is now"
    );
    assert_eq!(counts(&mut twin, "q"), (1, 0));
    assert!(matches!(
        twin.ask(ack(lease)),
        Reply::Completed { already: true, .. }
    ));
}

#[test]
fn the_acked_message_leaves_room_for_one_in_its_queue() {
    let (mut twin, _) = twin();
    (0..2).for_each(|_| {
        twin.enqueue("next", message());
    });
    let lease = twin.receive("next", 1)[0].lease;
    let two = vec![("next", message()), ("next", message())];
    let refused = twin.ask(complete(lease, None, two));
    assert!(matches!(refused, Reply::FollowUpsRefused(_)));
    let one = complete(lease, None, vec![("next", message())]);
    assert!(matches!(twin.ask(one), Reply::Completed { .. }));
    assert_eq!(counts(&mut twin, "next"), (2, 0));

    twin.create_group("next", "audit");
    let lease = twin.receive("next", 1)[0].lease;
    twin.ask(ack(lease));
    twin.enqueue("next", message());
    let lease = twin.receive("next", 2)[1].lease;
    let stays = complete(lease, None, vec![("next", message())]);
    let refused = twin.ask(stays);
    assert!(
        matches!(refused, Reply::FollowUpsRefused(_)),
        "another group holds it still"
    );
}

#[test]
fn one_that_is_refused_refuses_all() {
    let (mut twin, lease) = twin();
    let follow = vec![
        ("q", message()),
        ("next", message()),
        ("next", message()),
        ("next", message()),
        ("none", message()),
    ];
    let step = twin.step(vec![complete(lease, Some(7), follow)]);
    let Reply::FollowUpsRefused(results) = &step.replies[0] else {
        panic!("{:?}", step.replies)
    };
    let codes: Vec<_> = results
        .iter()
        .map(|one| one.as_ref().unwrap_err().code())
        .collect();
    let aborted = "batch_aborted";
    assert_eq!(
        codes,
        [aborted, aborted, aborted, "queue_full", "queue_not_found"]
    );
    assert!(
        step.records.is_empty() && step.blobs.is_empty(),
        "nothing changed"
    );
    assert_eq!(
        (counts(&mut twin, "next"), counts(&mut twin, "q")),
        ((0, 0), (0, 1))
    );
    twin.ask(ack(lease));
    let lost = twin.ask(complete(lease, None, vec![("none", message())]));
    assert!(matches!(lost, Reply::Completed { already: true, .. }));
}

#[test]
fn the_memory_of_dedup_ids_is_one_for_all_queues() {
    let mut settings = crate::twin::settings();
    settings.dedup_ids_max = 1;
    let mut twin = Twin::with(settings);
    twin.create("q", config());
    twin.create("next", config());
    twin.enqueue("q", message());
    let lease = twin.receive("q", 1)[0].lease;
    let follow = vec![("q", with_dedup(1, 1)), ("next", with_dedup(2, 1))];
    let Reply::FollowUpsRefused(results) = twin.ask(complete(lease, None, follow)) else {
        panic!("accepted")
    };
    let codes = results.iter().map(|one| one.as_ref().unwrap_err().code());
    assert_eq!(
        codes.collect::<Vec<_>>(),
        ["batch_aborted", "dedup_memory_full"]
    );
}

#[test]
fn a_result_is_seen_until_its_time_is_over() {
    let (mut twin, lease) = twin();
    let id = lease.message;
    twin.ask(complete(lease, Some(7), vec![]));
    let get = Command::GetMessage { message: id };
    let Reply::Done(done) = twin.ask(get.clone()) else {
        panic!("the result is gone")
    };
    let kept_ms = QueueConfig::RESULT_RETENTION_MS_DEFAULT;
    assert_eq!(
        (done.message, &*done.queue, done.result.length),
        (id, "q", 7)
    );
    assert_eq!(done.expires_at_ms, twin.now_ms + kept_ms);
    twin.fence();
    assert!(matches!(
        twin.wait(kept_ms - 1).ask(get.clone()),
        Reply::Done(_)
    ));
    let gone = Reply::Rejected(Rejection::MessageNotFound);
    assert_eq!(twin.wait(1).ask(get.clone()), gone);
    let step = twin.step(vec![Command::Enqueue {
        queue: "q".into(),
        messages: vec![message()],
        atomic: false,
    }]);
    assert!(
        step.records
            .contains(&Record::ResultsForgotten { count: 1 })
    );
}

#[test]
fn no_result_is_kept_where_none_is_wanted_nor_of_a_queue_that_is_gone() {
    let (mut twin, lease) = twin();
    let id = lease.message;
    twin.ask(complete(lease, Some(7), vec![]));
    twin.ask(Command::DeleteQueue { name: "q".into() });
    let get = |message| Command::GetMessage { message };
    let gone = Reply::Rejected(Rejection::MessageNotFound);
    assert_eq!(twin.ask(get(id)), gone);
    twin.create(
        "forgets",
        QueueConfig {
            result_retention_ms: 0,
            ..config()
        },
    );
    twin.enqueue("forgets", message());
    let lease = twin.wait(SECOND).receive("forgets", 1)[0].lease;
    let step = twin.step(vec![complete(lease, Some(7), vec![])]);
    assert!(step.blobs.is_empty(), "nobody will read it");
    assert_eq!(twin.ask(get(lease.message)), gone);
}

#[test]
fn a_duplicate_is_told_what_came_of_the_first_one() {
    let mut twin = Twin::new();
    twin.create("q", config());
    twin.enqueue("q", with_dedup(1, 1));
    let lease = twin.receive("q", 1)[0].lease;
    twin.ask(complete(lease, Some(7), vec![]));
    let again = twin.enqueue("q", with_dedup(1, 1));
    assert_eq!(
        (again.duplicate, again.state, again.result.length),
        (true, None, 7)
    );
}

#[test]
fn a_duplicate_that_comes_with_an_ack_is_told_as_the_ack_leaves_it() {
    let in_order = |dedup| NewMessage {
        ordering_key: Some(5),
        ..with_dedup(dedup, 1)
    };
    let mut twin = Twin::new();
    twin.create("q", config());
    let behind = [1, 2].map(|dedup| twin.enqueue("q", in_order(dedup)).message);
    let lease = twin.receive("q", 1)[0].lease;
    let follow = vec![("q", in_order(1)), ("q", in_order(2))];
    let told = |reply| match reply {
        Reply::Completed { enqueued, .. } => enqueued,
        other => panic!("{other:?}"),
    };
    let first = told(twin.ask(complete(lease, Some(7), follow)));
    let as_it_is = first.iter().map(|one| (one.message, one.state));
    let expected = [None, Some(crate::reply::State::Ready)];
    assert!(as_it_is.eq(behind.into_iter().zip(expected)));
    assert_eq!(first[0].result.length, 7, "what the ack itself left");
    assert_eq!(
        told(twin.ask(ack(lease))),
        first,
        "and repeated it says the same"
    );
}

fn result_bytes(twin: &mut Twin, message: crate::ids::MessageId) -> Option<u32> {
    match twin.ask(Command::GetMessage { message }) {
        Reply::Done(done) => Some(done.result.length),
        _ => None,
    }
}

#[test]
fn the_oldest_results_make_room_each_counting_a_kib_at_least() {
    let mut settings = crate::twin::settings();
    settings.results_bytes_max = 4096;
    let mut twin = Twin::with(settings);
    twin.create("q", config());
    let done = |twin: &mut Twin, length| {
        twin.enqueue("q", message());
        let lease = twin.receive("q", 1)[0].lease;
        twin.ask(complete(lease, Some(length), vec![]));
        lease.message
    };
    let first = [7, 2048, 7, 7].map(|length| done(&mut twin, length));
    let kept = first.map(|id| result_bytes(&mut twin, id));
    assert_eq!(kept, [None, Some(2048), Some(7), Some(7)]);
    let then = [3000, 5000].map(|length| done(&mut twin, length));
    let kept = first.map(|id| result_bytes(&mut twin, id));
    assert_eq!(kept, [None, None, None, Some(7)]);
    let kept = then.map(|id| result_bytes(&mut twin, id));
    assert_eq!(kept, [Some(3000), None]);
}

#[test]
fn whoever_takes_over_from_a_checkpoint_forgets_results_in_time() {
    let (mut twin, lease) = twin();
    twin.ask(complete(lease, Some(7), vec![]));
    twin.checkpoint(CheckpointMove::Begin);
    twin.checkpoint(CheckpointMove::End);
    twin.fence();
    let kept = |twin: &Twin| twin.live.state().results.done.len();
    assert_eq!(kept(&twin), 1);
    twin.wait(QueueConfig::RESULT_RETENTION_MS_DEFAULT);
    twin.enqueue("q", message());
    assert_eq!(kept(&twin), 0);
}

#[test]
fn the_result_of_default_stays_whatever_other_groups_leave() {
    for order in [["default", "audit"], ["audit", "default"]] {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.create_group("q", "audit");
        let id = twin.enqueue("q", message()).message;
        for group in order {
            let lease = twin.receive_for("q", group, 1)[0].lease;
            let length = if group == "default" { 7 } else { 8 };
            twin.ask(complete(lease, Some(length), vec![]));
        }
        assert_eq!(result_bytes(&mut twin, id), Some(7));
    }
}
