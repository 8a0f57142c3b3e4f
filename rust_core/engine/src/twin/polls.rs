//! Members whose polls wait: until when they are seen.

use super::members::{enqueue, heartbeat, members, poll, received};
use crate::command::Command;
use crate::config::QueueConfig;
use crate::twin::{SECOND, Twin, ack, config, extend, message};

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
