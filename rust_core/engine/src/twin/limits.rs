//! Limits on dispatch: of a key's messages in flight, of the rates of keys and consumers. What is limited waits
//! without being looked at, others go on, and an empty receive says what held it back.

use super::members::{heartbeat, poll};
use super::turns::{fairness, key, many, of_key};
use super::{SECOND, Twin, ack, config, limit, message, nack, receive};
use crate::command::{Command, ConfigPatch, GiveBack, Nack, NewMessage};
use crate::config::{QueueConfig, RateLimit};
use crate::partition::Step;
use crate::reply::{Delivered, Limited, LimitedBy, Reply};

pub(super) fn limited(by: LimitedBy, retry_after_ms: Option<u64>) -> Reply {
    let (messages, limited) = (vec![], Some(Limited { by, retry_after_ms }));
    Reply::Received { messages, limited }
}

fn receive_as(consumer: &str, messages_max: u32) -> Command {
    let mut command = receive("q", messages_max);
    if let Command::Receive { consumer: of, .. } = &mut command {
        *of = consumer.into();
    }
    command
}

pub(super) fn received(reply: Reply) -> Vec<Delivered> {
    match reply {
        Reply::Received { messages, .. } => messages,
        other => panic!("{other:?}"),
    }
}

/// A key with one message in flight, and no more allowed, when `end` ends that.
fn a_key_goes_on(max_retries: u32, end: impl Fn(&mut Twin, &Delivered) -> Step) {
    let mut twin = Twin::new();
    let config = QueueConfig {
        fairness: fairness(&[], 1),
        max_retries,
        dead_letter_queue: Some("letters".into()),
        ..config()
    };
    twin.create("q", config);
    let priorities = [1, 1, 9, 9].map(|priority| NewMessage {
        priority,
        ..of_key(7)
    });
    twin.step(vec![many("q", priorities.to_vec())]);
    let first = twin.receive("q", 9);
    assert_eq!(first.len(), 1);
    assert_eq!(twin.ask(receive("q", 9)), limited(LimitedBy::Key, None));
    twin.step(vec![many("q", vec![of_key(8), message(), of_key(7)])]);
    assert_eq!(twin.receive("q", 9).len(), 2, "others go on");
    assert_eq!(twin.ask(receive("q", 9)), limited(LimitedBy::Key, None));

    let step = end(&mut twin, &first[0]);
    assert!(
        step.woken.iter().any(|(queue, _)| &**queue == "q"),
        "{:?}",
        step.woken
    );
    let next = twin.receive("q", 9);
    assert_eq!(
        next.iter().map(|one| key(&twin, one)).collect::<Vec<_>>(),
        [7]
    );
    assert_eq!(twin.ask(receive("q", 9)), limited(LimitedBy::Key, None));
}

#[test]
fn a_key_at_its_cap_goes_on_with_an_ack() {
    a_key_goes_on(3, |twin, one| twin.step(vec![ack(one.lease)]));
}

#[test]
fn a_key_at_its_cap_goes_on_with_a_nack() {
    a_key_goes_on(3, |twin, one| {
        let delay_ms = Some(60 * SECOND);
        let command = Command::Nack(Nack {
            delay_ms,
            ..nack(one.lease)
        });
        twin.step(vec![command])
    });
}

#[test]
fn a_key_at_its_cap_goes_on_with_a_release() {
    a_key_goes_on(3, |twin, one| {
        let (lease, ready_since_ms) = (one.lease, one.ready_since_ms);
        let leases = vec![GiveBack {
            lease,
            ready_since_ms,
            told: 0,
        }];
        twin.step(vec![Command::GiveBack { leases }])
    });
}

#[test]
fn a_key_at_its_cap_goes_on_with_a_death() {
    a_key_goes_on(3, |twin, one| {
        let command = Command::Nack(Nack {
            reject: true,
            ..nack(one.lease)
        });
        twin.step(vec![command])
    });
    a_key_goes_on(0, |twin, one| {
        twin.step(vec![Command::Nack(nack(one.lease))])
    });
}

#[test]
fn a_key_at_its_cap_goes_on_when_its_lease_ends() {
    let mut twin = Twin::new();
    let fairness = fairness(&[], 1);
    twin.create(
        "q",
        QueueConfig {
            fairness,
            ..config()
        },
    );
    twin.step(vec![many("q", vec![of_key(7); 2])]);
    twin.receive("q", 9);
    assert_eq!(twin.ask(receive("q", 9)), limited(LimitedBy::Key, None));
    let step = twin.wait(30 * SECOND).step(vec![]);
    assert_eq!(step.woken.len(), 1);
    assert_eq!(twin.receive("q", 9).len(), 1);
}

#[test]
fn what_waits_for_its_key_can_be_deleted_purged_and_freed_by_another_cap() {
    let mut twin = Twin::new();
    let one = fairness(&[], 1);
    twin.create(
        "q",
        QueueConfig {
            fairness: one,
            ..config()
        },
    );
    let first = twin.enqueue("q", of_key(7)).message;
    let held = [twin.receive("q", 1), vec![]].concat();
    assert_eq!(held[0].message, first);
    let second = twin.enqueue("q", of_key(7)).message;
    twin.step(vec![many("q", vec![of_key(7); 3])]);
    assert_eq!(twin.ask(receive("q", 9)), limited(LimitedBy::Key, None));
    twin.ask(Command::DeleteMessage { message: second });
    assert_eq!(twin.ask(receive("q", 9)), limited(LimitedBy::Key, None));
    let patch = ConfigPatch {
        fairness_in_flight_max: Some(2),
        ..Default::default()
    };
    let name = "q".into();
    let step = twin.step(vec![Command::UpdateQueue {
        name,
        patch: patch.into(),
    }]);
    assert_eq!(step.woken.len(), 1);
    assert_eq!(twin.receive("q", 9).len(), 1);
    assert_eq!(twin.ask(receive("q", 9)), limited(LimitedBy::Key, None));
    twin.ask(Command::PurgeQueue { name: "q".into() });
    twin.step(vec![many("q", vec![of_key(7); 3])]);
    assert_eq!(
        twin.receive("q", 9).len(),
        2,
        "what was purged is in flight no more"
    );
}

#[test]
fn dead_letters_and_redriven_ones_have_the_key_of_the_message() {
    let mut twin = super::sweeps::letters(0);
    twin.enqueue("q", of_key(7));
    let lease = twin.receive("q", 1)[0].lease;
    twin.ask(Command::Nack(nack(lease)));
    let letter = twin.receive("letters", 1);
    assert_eq!(key(&twin, &letter[0]), 7);
    let (lease, ready_since_ms) = (letter[0].lease, letter[0].ready_since_ms);
    let leases = vec![GiveBack {
        lease,
        ready_since_ms,
        told: 0,
    }];
    twin.ask(Command::GiveBack { leases });
    twin.sweep("letters", super::sweeps::redrive());
    let again = twin.receive("q", 1);
    assert_eq!(key(&twin, &again[0]), 7);
    twin.step(vec![ack(again[0].lease)]);
    assert_eq!(twin.live.state().flows.len(), 0);
}

/// No window of time holds more than a burst and what comes in meanwhile.
fn assert_within(limit: RateLimit, sent_ms: &[u64]) {
    for (i, first_ms) in sent_ms.iter().enumerate() {
        for (count, last_ms) in (1..).zip(&sent_ms[i..]) {
            let most = u64::from(limit.burst)
                + (last_ms - first_ms) * u64::from(limit.requests) / limit.per_ms;
            assert!(count <= most, "{count} in {} ms", last_ms - first_ms);
        }
    }
}

#[test]
fn no_key_and_no_consumer_exceeds_its_rate_in_any_window_and_each_has_it_whole() {
    let of = |requests, burst| limit(requests, SECOND, burst).expect("a limit");
    let (by_key, by_consumer) = (of(7, 3), of(20, 2));
    let mut twin = Twin::new();
    let config = QueueConfig {
        key_rate_limit: Some(by_key),
        consumer_rate_limit: Some(by_consumer),
        ..config()
    };
    twin.create("q", config);
    (1..4).for_each(|hash| {
        twin.step(vec![many("q", vec![of_key(hash); 60])]);
    });
    twin.step(vec![many("q", vec![message(); 120])]);
    let mut sent = [const { Vec::new() }; 6];
    for round in 0..500 {
        twin.wait([3, 17, 10][round % 3]);
        for (consumer, name) in ["a", "b"].into_iter().enumerate() {
            for one in received(twin.ask(receive_as(name, 3))) {
                sent[key(&twin, &one) as usize].push(twin.now_ms);
                sent[4 + consumer].push(twin.now_ms);
                twin.step(vec![ack(one.lease)]);
            }
        }
    }
    (1..4).for_each(|hash| assert_within(by_key, &sent[hash]));
    (4..6).for_each(|consumer| assert_within(by_consumer, &sent[consumer]));
    let counts = sent.map(|sent| sent.len());
    assert!(
        counts[1..4].iter().all(|count| (33..=39).contains(count)),
        "{counts:?}"
    );
    assert!(
        counts[4..].iter().all(|count| (95..=103).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn an_empty_receive_says_who_is_limited_and_when_to_come_back() {
    let mut twin = Twin::new();
    let config = QueueConfig {
        key_rate_limit: limit(10, SECOND, 1),
        consumer_rate_limit: limit(2, SECOND, 3),
        ..config()
    };
    twin.create("q", config);
    twin.step(vec![many("q", vec![of_key(1), of_key(1), of_key(1)])]);
    assert_eq!(received(twin.ask(receive_as("a", 9))).len(), 1);
    assert_eq!(
        twin.ask(receive_as("a", 9)),
        limited(LimitedBy::Key, Some(100))
    );
    twin.enqueue("q", of_key(2));
    assert_eq!(
        received(twin.ask(receive_as("b", 9))).len(),
        1,
        "another key goes on"
    );
    assert_eq!(
        twin.wait(99).ask(receive_as("b", 9)),
        limited(LimitedBy::Key, Some(1))
    );
    assert_eq!(received(twin.wait(1).ask(receive_as("b", 9))).len(), 1);
    twin.step(vec![many("q", vec![message(); 9])]);
    assert_eq!(received(twin.ask(receive_as("a", 9))).len(), 2);
    let consumer = limited(LimitedBy::Consumer, Some(400));
    assert_eq!(twin.ask(receive_as("a", 9)), consumer);
    assert_eq!(
        received(twin.ask(receive_as("c", 9))).len(),
        3,
        "another consumer goes on"
    );
    assert_eq!(received(twin.ask(receive_as("", 2))).len(), 2);
    assert_eq!(received(twin.ask(receive_as("", 2))).len(), 1);
    assert_eq!(
        twin.ask(receive_as("", 9)),
        limited(LimitedBy::Consumer, Some(500))
    );
    assert_eq!(received(twin.wait(400).ask(receive_as("a", 9))).len(), 1);
}

#[test]
fn after_a_takeover_the_limiters_of_keys_and_consumers_are_empty() {
    let mut twin = Twin::new();
    let config = QueueConfig {
        key_rate_limit: limit(10, SECOND, 5),
        consumer_rate_limit: limit(20, SECOND, 5),
        ..config()
    };
    twin.create("q", config);
    twin.step(vec![many("q", vec![of_key(1); 9])]);
    twin.fence();
    assert_eq!(
        twin.ask(receive("q", 9)),
        limited(LimitedBy::Consumer, Some(50))
    );
    assert_eq!(
        twin.wait(50).ask(receive("q", 9)),
        limited(LimitedBy::Key, Some(50))
    );
    assert_eq!(twin.wait(50).receive("q", 9).len(), 1);
}

#[test]
fn what_sticks_to_another_member_is_said_to_who_gets_nothing() {
    let mut twin = Twin::new();
    twin.create("q", config());
    assert_eq!(received(twin.ask(poll("a", 1))), []);
    let sticky = NewMessage {
        ordering_key: Some(1),
        ..message()
    };
    twin.enqueue("q", sticky.clone());
    let assigned = limited(LimitedBy::KeyAssigned, None);
    assert_eq!(twin.ask(poll("", 1)), assigned, "of nobody");
    assert_eq!(received(twin.ask(poll("a", 1))).len(), 1);
    let reply = twin.ask(poll("", 1));
    let is_empty = matches!(reply, Reply::Received { limited: None, .. });
    assert!(is_empty, "none is ready: {reply:?}");
    // More keys than are assigned at once.
    let mut twin = Twin::new();
    twin.create("q", config());
    let many = (0..5000).map(|key| NewMessage {
        ordering_key: Some(key),
        ..message()
    });
    super::members::enqueue(&mut twin, many.collect());
    let step = twin.step(vec![heartbeat("a"), poll("a", 1000), poll("a", 1)]);
    let moving = limited(LimitedBy::KeyAssigned, Some(1));
    assert_eq!(step.replies[2], moving, "some may be its own in a moment");
}

#[test]
fn a_limit_that_is_changed_starts_empty_and_others_go_on_as_they_were() {
    let mut twin = Twin::new();
    let config = QueueConfig {
        key_rate_limit: limit(10, SECOND, 5),
        consumer_rate_limit: limit(20, SECOND, 5),
        ..config()
    };
    twin.create("q", config);
    let change = |twin: &mut Twin, patch: ConfigPatch| {
        let name = "q".into();
        twin.ask(Command::UpdateQueue {
            name,
            patch: patch.into(),
        });
    };
    twin.step(vec![
        many("q", vec![message(); 9]),
        many("q", vec![of_key(1); 9]),
    ]);
    change(
        &mut twin,
        ConfigPatch {
            delay_ms: Some(1),
            ..ConfigPatch::default()
        },
    );
    let first = twin.receive("q", 2);
    assert_eq!([0, 1].map(|at| key(&twin, &first[at])), [0, 1]);
    change(
        &mut twin,
        ConfigPatch {
            consumer_rate_limit: Some(limit(2, SECOND, 5)),
            ..ConfigPatch::default()
        },
    );
    assert_eq!(
        twin.ask(receive("q", 9)),
        limited(LimitedBy::Consumer, Some(500))
    );
    change(
        &mut twin,
        ConfigPatch {
            consumer_rate_limit: Some(None),
            key_rate_limit: Some(limit(4, SECOND, 5)),
            ..ConfigPatch::default()
        },
    );
    assert_eq!(twin.receive("q", 99).len(), 8, "those without a key");
    assert_eq!(
        twin.ask(receive("q", 9)),
        limited(LimitedBy::Key, Some(250))
    );
}
