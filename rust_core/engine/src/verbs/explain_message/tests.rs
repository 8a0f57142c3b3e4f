//! Every reason, and an order that comes true.

mod newcomers;
mod newcomers_among_many;
mod over;

use super::*;
use crate::command::{Command, NewMessage};
use crate::config::{Fairness, QueueConfig, Scheduling, Weight};
use crate::record::{DeathReason, Paused};
use crate::reply::State as Shown;
use crate::twin::{SECOND, Twin, ack, config, limit, message, receive};

fn explain(twin: &mut Twin, message: MessageId, group: Option<&str>) -> Explanation {
    let (group, consumer) = (group.map(Into::into), None);
    match twin.ask(Command::ExplainMessage {
        message,
        group,
        consumer,
    }) {
        Reply::Explained(explanation) => explanation,
        other => panic!("{other:?}"),
    }
}

fn reasons(twin: &mut Twin, message: MessageId) -> Vec<Reason> {
    explain(twin, message, None).reasons
}

#[test]
fn a_message_that_goes_next_has_no_reason_and_others_say_how_many_go_first() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let messages = vec![message(); AHEAD_MAX as usize + 2];
    let (queue, atomic) = ("q".into(), false);
    let Reply::Enqueued(accepted) = twin.ask(Command::Enqueue {
        queue,
        messages,
        atomic,
    }) else {
        panic!("no results")
    };
    let id = |at: u32| accepted[at as usize].clone().expect("accepted").message;
    let first = explain(&mut twin, id(0), None);
    assert_eq!((first.reasons.len(), first.is_deliverable()), (0, true));
    for (at, ahead, more) in [
        (1, 1, false),
        (AHEAD_MAX, AHEAD_MAX, false),
        (AHEAD_MAX + 1, AHEAD_MAX, true),
    ] {
        let other = explain(&mut twin, id(at), None);
        assert_eq!(other.reasons, [Reason::Behind { ahead, more }]);
        assert!(other.is_deliverable());
    }
    let urgent = NewMessage {
        priority: 9,
        ..message()
    };
    twin.enqueue("q", urgent);
    let (ahead, more) = (1, false);
    assert_eq!(
        reasons(&mut twin, id(0)),
        [Reason::Behind { ahead, more }],
        "what has a higher priority goes first"
    );
}

#[test]
fn every_state_says_what_it_waits_for() {
    let mut twin = Twin::new();
    let config = QueueConfig {
        max_retries: 0,
        ..config()
    };
    twin.create("q", config);
    let keyed = NewMessage {
        ordering_key: Some(1),
        delay_ms: Some(SECOND),
        ..message()
    };
    let [head, behind] = [(); 2].map(|()| twin.enqueue("q", keyed.clone()).message);
    let until_ms = twin.now_ms + SECOND;
    let key = |state| Reason::OrderingKey {
        behind: head,
        state,
    };
    let delayed = || Reason::Delayed { until_ms };
    assert_eq!(reasons(&mut twin, head), [delayed()]);
    assert_eq!(
        reasons(&mut twin, behind),
        [delayed(), key(Shown::Delayed)],
        "each thing that it waits for"
    );
    let lease = twin.wait(SECOND).receive("q", 1)[0].lease;
    let until_ms = twin.now_ms + 30 * SECOND;
    let held = explain(&mut twin, head, None);
    let consumer = None;
    assert_eq!(held.reasons, [Reason::Leased { until_ms, consumer }]);
    assert!(!held.is_deliverable());
    assert_eq!(reasons(&mut twin, behind), [key(Shown::Leased)]);
    twin.nack(lease, None);
    let reason = DeathReason::RetriesExhausted;
    assert_eq!(reasons(&mut twin, head), [Reason::Dead { reason }]);
    assert_eq!(reasons(&mut twin, behind), []);
    let lease = twin.receive("q", 1)[0].lease;
    twin.ask(ack(lease));
    let gone = Command::ExplainMessage {
        message: behind,
        group: None,
        consumer: None,
    };
    let gone = twin.ask(gone);
    assert_eq!(gone, Reply::Rejected(Rejection::MessageNotFound));
}

#[test]
fn what_holds_the_queue_back_holds_its_messages_back() {
    let mut twin = Twin::new();
    let config = QueueConfig {
        rate_limit: limit(1, SECOND, 1),
        in_flight_max: 1,
        ..config()
    };
    twin.create("q", config);
    let [_, waiting] = [(); 2].map(|()| twin.enqueue("q", message()).message);
    twin.receive("q", 1);
    let what = Paused {
        enqueue: false,
        receive: true,
    };
    let name = "q".into();
    twin.ask(Command::PauseQueue { name, what });
    let retry_after_ms = SECOND;
    let explanation = explain(&mut twin, waiting, None);
    let limited = Reason::QueueRateLimit { retry_after_ms };
    assert_eq!(
        explanation.reasons,
        [Reason::Paused, Reason::QueueInFlight, limited]
    );
    assert!(!explanation.is_deliverable());
}

#[test]
fn each_group_s_copy_has_its_own_reasons() {
    let mut twin = Twin::new();
    twin.create("q", config());
    twin.create_group("q", "audit");
    let id = twin.enqueue("q", message()).message;
    let lease = twin.receive("q", 1)[0].lease;
    let held = explain(&mut twin, id, None);
    assert_eq!((&*held.group, held.state), ("default", Some(Shown::Leased)));
    let free = explain(&mut twin, id, Some("audit"));
    assert_eq!((&*free.group, free.reasons.len()), ("audit", 0));
    twin.ask(ack(lease));
    let left = explain(&mut twin, id, None);
    assert_eq!((&*left.group, left.message), ("audit", id));
    let (queue, group) = ("q".into(), "nobody".into());
    let missing = Reply::Rejected(Rejection::GroupNotFound { queue, group });
    assert_eq!(ask_of(&mut twin, id, Some("nobody")), missing);
}

fn receive_as(twin: &mut Twin, consumer: &str, count: u32) -> Vec<MessageId> {
    let mut command = receive("q", count);
    if let Command::Receive { consumer: of, .. } = &mut command {
        *of = consumer.into();
    }
    let Reply::Received { messages, .. } = twin.ask(command) else {
        panic!("no answer")
    };
    messages.iter().map(|one| one.lease.message).collect()
}

#[test]
fn messages_go_in_the_order_that_was_foretold() {
    let mut twin = Twin::new();
    let weights = vec![Weight {
        key: "b".into(),
        hash: 1,
        weight: 3,
    }];
    let fairness = Fairness {
        weights,
        in_flight_max: 0,
    };
    let scheduling = Scheduling::Fair { aging_ms: 20 };
    twin.create(
        "q",
        QueueConfig {
            fairness,
            scheduling,
            ..config()
        },
    );
    let of = |i: u64| NewMessage {
        priority: (i * 7 % 3) as u8,
        fairness_key: (i % 5 > 0).then_some(i * i % 4),
        ..message()
    };
    let ids: Vec<_> = (0..60)
        .map(|i| twin.wait(i % 4).enqueue("q", of(i)).message)
        .collect();
    let mut told: Vec<_> = ids.iter().map(|&id| (reasons(&mut twin, id), id)).collect();
    told.sort_by_key(|(reasons, _)| match reasons.as_slice() {
        [] => 0,
        [Reason::Behind { ahead, .. }] => *ahead,
        other => panic!("{other:?}"),
    });
    let told: Vec<_> = told.into_iter().map(|(_, id)| id).collect();
    assert_eq!(receive_as(&mut twin, "", 60), told);
}

#[test]
fn a_fairness_key_holds_its_messages_back_and_no_others() {
    let mut twin = Twin::new();
    let fairness = Fairness {
        weights: vec![],
        in_flight_max: 1,
    };
    let config = QueueConfig {
        fairness,
        key_rate_limit: limit(1, SECOND, 2),
        ..config()
    };
    twin.create("q", config);
    let keyed = NewMessage {
        fairness_key: Some(7),
        ..message()
    };
    let [_, held] = [(); 2].map(|()| twin.enqueue("q", keyed.clone()).message);
    let other = twin.enqueue("q", message()).message;
    let lease = twin.receive("q", 1)[0].lease;
    assert_eq!(reasons(&mut twin, held), [Reason::KeyInFlight]);
    assert_eq!(reasons(&mut twin, other), []);
    twin.ask(ack(lease));
    assert!(explain(&mut twin, held, None).is_deliverable());
    let last = twin.enqueue("q", keyed).message;
    for lease in twin.receive("q", 2) {
        twin.ask(ack(lease.lease));
    }
    let retry_after_ms = SECOND;
    let limited = Reason::KeyRateLimit { retry_after_ms };
    assert_eq!(reasons(&mut twin, last), [limited]);
}

#[test]
fn a_key_of_a_member_is_for_nobody_else() {
    let mut twin = Twin::new();
    let config = QueueConfig {
        consumer_rate_limit: limit(1, SECOND, 1),
        ..config()
    };
    twin.create("q", config);
    let keyed = NewMessage {
        ordering_key: Some(1),
        ..message()
    };
    twin.enqueue("q", message());
    let held = receive_as(&mut twin, "worker", 1)[0];
    let consumer = Some("worker".into());
    let until_ms = twin.now_ms + 30 * SECOND;
    let leased = Reason::Leased { until_ms, consumer };
    assert_eq!(reasons(&mut twin, held), [leased]);
    let message = twin.enqueue("q", keyed).message;
    let mut ask = |consumer: Option<&str>| {
        let (group, consumer) = (None, consumer.map(Into::into));
        let command = Command::ExplainMessage {
            message,
            group,
            consumer,
        };
        match twin.ask(command) {
            Reply::Explained(explanation) => explanation,
            other => panic!("{other:?}"),
        }
    };
    let assigned = |elsewhere| Reason::KeyAssigned {
        member: "worker".into(),
        elsewhere,
    };
    let retry_after_ms = SECOND;
    let limited = Reason::ConsumerRateLimit { retry_after_ms };
    for consumer in [None, Some("worker")] {
        assert_eq!(ask(consumer).reasons, [assigned(false), limited.clone()]);
    }
    let other = ask(Some("other"));
    assert_eq!(other.reasons, [assigned(true)]);
    assert!(!other.is_deliverable());
    let own = explain(twin.wait(SECOND), message, None);
    assert_eq!(own.reasons, [assigned(false)]);
    assert!(own.is_deliverable(), "to that member");
}

fn ask_of(twin: &mut Twin, message: MessageId, group: Option<&str>) -> Reply {
    let group = group.map(Into::into);
    twin.ask(Command::ExplainMessage {
        message,
        group,
        consumer: None,
    })
}

/// Acks the message of a group, and keeps a result.
fn done_by(twin: &mut Twin, group: &str) -> u64 {
    let lease = twin.receive_for("q", group, 1)[0].lease;
    let result = Some(crate::command::Blob {
        index: 0,
        length: 5,
    });
    twin.ask(Command::Complete(Box::new(crate::command::Complete {
        lease,
        result,
        enqueue: vec![],
    })));
    twin.now_ms
}

#[test]
fn a_message_that_is_done_says_so_while_its_result_is_kept() {
    let mut twin = Twin::new();
    let config = QueueConfig {
        result_retention_ms: 5 * SECOND,
        ..config()
    };
    twin.create("q", config);
    let id = twin.enqueue("q", message()).message;
    let done_at_ms = done_by(&mut twin, "default");
    let result = Some(KeptResult {
        done_at_ms,
        expires_at_ms: done_at_ms + 5 * SECOND,
    });
    twin.wait(5 * SECOND - 1);
    for group in [None, Some("default")] {
        let done = explain(&mut twin, id, group);
        assert_eq!((&*done.queue, &*done.group), ("q", "default"));
        assert_eq!((done.state, done.is_deliverable()), (None, false));
        assert_eq!(done.reasons, [Reason::Done { result }]);
    }
    let no_group = Rejection::GroupNotFound {
        queue: "q".into(),
        group: "audit".into(),
    };
    let reply = ask_of(&mut twin, id, Some("audit"));
    assert_eq!(reply, Reply::Rejected(no_group));
    let gone = Reply::Rejected(Rejection::MessageNotFound);
    twin.create_group("q", "audit");
    let never = Rejection::NotInGroup {
        group: "audit".into(),
    };
    assert_eq!(
        ask_of(&mut twin, id, Some("audit")),
        Reply::Rejected(never),
        "it was made later"
    );
    assert_eq!(ask_of(twin.wait(1), id, None), gone);
    let id = twin.enqueue("q", message()).message;
    done_by(&mut twin, "default");
    twin.ask(Command::DeleteQueue { name: "q".into() });
    assert_eq!(ask_of(&mut twin, id, None), gone, "with its queue");
}

#[test]
fn a_group_that_is_done_says_so_while_others_hold_the_message() {
    let mut twin = Twin::new();
    twin.create("q", config());
    twin.create_group("q", "audit");
    let id = twin.enqueue("q", message()).message;
    let lease = twin.receive("q", 1)[0].lease;
    twin.ask(ack(lease));
    let done = explain(&mut twin, id, Some("default"));
    assert_eq!(done.reasons, [Reason::Done { result: None }]);
    assert_eq!(explain(&mut twin, id, Some("audit")).reasons, []);
    twin.create_group("q", "late");
    let never = ask_of(&mut twin, id, Some("late"));
    let group = "late".into();
    assert_eq!(never, Reply::Rejected(Rejection::NotInGroup { group }));
    let done_at_ms = done_by(&mut twin, "audit");
    let by_audit = explain(&mut twin, id, None);
    assert_eq!(&*by_audit.group, "audit", "whose result is kept");
    let told = |one: &Reason| matches!(one, Reason::Done { result: Some(kept) } if kept.done_at_ms == done_at_ms);
    assert!(told(&by_audit.reasons[0]));
    let done = explain(&mut twin, id, Some("default"));
    assert_eq!(done.reasons, [Reason::Done { result: None }]);
}
