//! Members whose polls wait: until when they are seen.

use super::members::{enqueue, heartbeat, members, poll, received};
use crate::command::{Command, NewMessage};
use crate::config::QueueConfig;
use crate::record::{Paused, Record};
use crate::reply::Reply;
use crate::twin::{SECOND, Twin, ack, config, extend, message, receive};
use crate::woken::Woken;

#[test]
fn a_poll_that_waits_is_seen_until_it_ends() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let mut waiting = poll("a", 1);
    if let Command::Receive { wait_ms, .. } = &mut waiting {
        *wait_ms = 20 * SECOND;
    }
    twin.ask(waiting);
    assert_eq!(members(&mut twin), ["a".into()]);
    twin.wait(50 * SECOND - 1).step(vec![]);
    assert_eq!(members(&mut twin), ["a".into()]);
    twin.wait(1).step(vec![]);
    assert_eq!(members(&mut twin), []);
}

#[test]
fn a_poll_whose_client_is_gone_is_seen_no_longer() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let mut waiting = poll("a", 1);
    if let Command::Receive { wait_ms, .. } = &mut waiting {
        *wait_ms = 20 * SECOND;
    }
    twin.ask(waiting);
    twin.wait(SECOND).ask(Command::Seen {
        queue: "q".into(),
        group: "default".into(),
        consumer: "a".into(),
    });
    twin.wait(30 * SECOND).step(vec![]);
    assert_eq!(members(&mut twin), []);
}

#[test]
fn a_session_that_was_noted_to_last_longer_ends_with_its_poll() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let mut waiting = poll("a", 1);
    if let Command::Receive { wait_ms, .. } = &mut waiting {
        *wait_ms = 60 * SECOND;
    }
    twin.ask(waiting);
    twin.wait(30 * SECOND).step(vec![]);
    twin.wait(SECOND).ask(Command::Seen {
        queue: "q".into(),
        group: "default".into(),
        consumer: "a".into(),
    });
    twin.wait(30 * SECOND - 1).step(vec![]);
    assert_eq!(members(&mut twin), ["a".into()]);
    twin.wait(1).step(vec![]);
    assert_eq!(members(&mut twin), []);
}

#[test]
fn a_member_whose_poll_waits_is_there_whatever_else_it_does_meanwhile() {
    let mut twin = Twin::new();
    let session_timeout_ms = SECOND;
    twin.create(
        "q",
        QueueConfig {
            session_timeout_ms,
            ..config()
        },
    );
    enqueue(&mut twin, vec![message(); 2]);
    let [done, held] = &received(&mut twin, "a")[..] else {
        panic!("two are ready");
    };
    let mut waiting = poll("a", 1);
    if let Command::Receive { wait_ms, .. } = &mut waiting {
        *wait_ms = 20 * SECOND;
    }
    twin.ask(waiting);
    twin.wait(10).step(vec![ack(done.lease), heartbeat("a")]);
    twin.wait(5 * SECOND).step(vec![]);
    assert_eq!(members(&mut twin), ["a".into()]);
    twin.ask(extend(held.lease, 30 * SECOND));
    twin.wait(15 * SECOND).step(vec![]);
    assert_eq!(members(&mut twin), ["a".into()], "the poll just ended");
    twin.wait(SECOND).step(vec![]);
    assert!(members(&mut twin).is_empty());
}

#[test]
fn a_poll_that_ends_or_is_shorter_says_nothing_of_another_that_waits() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let waiting = |wait_s: u64| {
        let mut waiting = poll("a", 1);
        if let Command::Receive { wait_ms, .. } = &mut waiting {
            *wait_ms = wait_s * SECOND;
        }
        waiting
    };
    twin.step(vec![waiting(20), waiting(5)]);
    enqueue(&mut twin, vec![message()]);
    assert_eq!(received(&mut twin, "a").len(), 1);
    twin.wait(49 * SECOND).step(vec![]);
    assert_eq!(members(&mut twin), ["a".into()]);
    twin.wait(SECOND).step(vec![]);
    assert_eq!(members(&mut twin), []);
}

fn enqueued(count: usize) -> Command {
    Command::Enqueue {
        queue: "q".into(),
        messages: vec![message(); count],
        atomic: false,
    }
}

fn woken(ready: u64) -> Woken {
    Woken {
        queues: vec![("q".into(), ready)],
        members: vec![],
    }
}

#[test]
fn a_message_and_the_lease_of_who_waits_for_it_are_one_batch() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let mut told = Vec::new();
    let mut polls = vec![vec![receive("q", 1), receive("q", 9)], vec![]].into_iter();
    let step = twin.step_and_wake(vec![enqueued(3)], |woken| {
        told.push(woken);
        polls.next().expect("asked until it has none")
    });
    assert_eq!(told, [woken(3)], "a receive makes nothing ready");
    let leased = step.replies[1..].iter().map(|reply| match reply {
        Reply::Received { messages, .. } => messages.len(),
        other => panic!("{other:?}"),
    });
    assert_eq!(leased.collect::<Vec<_>>(), [1, 2]);
    let leases = |record: &Record| matches!(record, Record::Leased { .. });
    assert_eq!(
        step.records.iter().filter(|record| leases(record)).count(),
        2
    );
    assert_eq!(
        (step.woken.len(), step.woken_members.len()),
        (0, 0),
        "nothing is left"
    );
}

#[test]
fn who_looked_before_it_was_ready_is_told_by_the_step() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let mut told = Vec::new();
    let step = twin.step_and_wake(vec![receive("q", 1), enqueued(2)], |woken| {
        told.push(woken);
        vec![]
    });
    assert_eq!(
        (&told[..], &step.woken[..]),
        (&[woken(2)][..], &[("q".into(), 2)][..])
    );
    let mut polls = vec![vec![receive("q", 1)], vec![]].into_iter();
    let step = twin.step_and_wake(vec![enqueued(1)], |_| {
        polls.next().expect("asked until it has none")
    });
    assert_eq!(step.woken, [("q".into(), 2)], "as many as are left");
}

#[test]
fn a_member_who_looked_before_its_key_was_free_is_told_by_the_step() {
    let mut twin = Twin::new();
    twin.create("q", config());
    twin.ask(poll("a", 1));
    let keyed = NewMessage {
        ordering_key: Some(7),
        ..message()
    };
    enqueue(&mut twin, vec![keyed; 2]);
    let held = received(&mut twin, "a");
    let mut told = Vec::new();
    let step = twin.step_and_wake(vec![poll("a", 1), ack(held[0].lease)], |woken| {
        told.push(woken.members);
        vec![]
    });
    assert_eq!(told, [[("q".into(), "a".into(), 1)]]);
    assert_eq!(step.woken_members, [("q".into(), "a".into(), 1)]);
}

#[test]
fn whoever_waits_is_asked_as_long_as_more_becomes_ready() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let mut told = Vec::new();
    let step = twin.step_and_wake(vec![enqueued(1)], |woken| {
        told.push(woken);
        if told.len() < 3 {
            vec![enqueued(1)]
        } else {
            vec![]
        }
    });
    assert_eq!(told, [woken(1), woken(2), woken(3)]);
    assert_eq!(
        (step.replies.len(), &step.woken[..]),
        (3, &[("q".into(), 3)][..])
    );
}

#[test]
fn timers_wake_within_the_step_too() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let delayed = NewMessage {
        delay_ms: Some(SECOND),
        ..message()
    };
    let accepted = twin.enqueue("q", delayed);
    twin.wait(SECOND);
    let mut polls = vec![vec![receive("q", 1)], vec![]].into_iter();
    let step = twin.step_and_wake(vec![], |_| polls.next().expect("asked until it has none"));
    let Reply::Received { messages, .. } = &step.replies[0] else {
        panic!("{:?}", step.replies);
    };
    assert_eq!(messages[0].lease.message, accepted.message);
}

#[test]
fn a_lease_that_ends_wakes_somebody_only_where_it_was_in_the_way() {
    for (in_flight_max, woken) in [(0, vec![]), (9, vec![("q".into(), 1)])] {
        let mut twin = Twin::new();
        let config = QueueConfig {
            in_flight_max,
            ..config()
        };
        twin.create("q", config);
        enqueue(&mut twin, vec![message(); 2]);
        let lease = twin.receive("q", 1)[0].lease;
        assert_eq!(twin.step(vec![ack(lease)]).woken, woken);
    }
}

#[test]
fn a_member_is_told_of_what_its_keys_have_and_it_may_take() {
    let mut twin = Twin::new();
    let in_flight_max = 9;
    let config = QueueConfig {
        in_flight_max,
        ..config()
    };
    twin.create("q", config);
    twin.ask(heartbeat("a"));
    enqueue(&mut twin, vec![message(); 2]);
    let lease = twin.receive("q", 1)[0].lease;
    let step = twin.step(vec![ack(lease)]);
    assert_eq!(step.woken, [("q".into(), 1)]);
    assert_eq!(step.woken_members, [], "nothing is of its keys");
    let what = Paused {
        enqueue: false,
        receive: true,
    };
    let name = || "q".into();
    twin.ask(Command::PauseQueue { name: name(), what });
    let keyed = NewMessage {
        ordering_key: Some(1),
        ..message()
    };
    assert_eq!(enqueue(&mut twin, vec![keyed]).woken_members, []);
    let step = twin.step(vec![Command::ResumeQueue { name: name(), what }]);
    assert_eq!(step.woken_members, [("q".into(), "a".into(), 1)]);
}
