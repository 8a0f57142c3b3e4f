//! Very many fairness keys: what they cost while they are used, while they are held back, and afterwards.

use super::limits::{limited, received};
use super::turns::{many, of_key};
use super::{SECOND, Twin, ack, config, limit, receive};
use crate::command::{Command, ConfigPatch};
use crate::config::{QueueConfig, RateLimit};
use crate::members::NOBODY;
use crate::partition::Partition;
use crate::reply::{LimitedBy, Reply};

/// The replica is not fed: comparing after each step takes too long with so many messages.
fn new_partition(key_rate_limit: Option<RateLimit>) -> Twin {
    let mut twin = Twin::new();
    twin.create(
        "q",
        QueueConfig {
            key_rate_limit,
            ..config()
        },
    );
    twin
}

fn step(partition: &mut Partition, now_ms: u64, command: Command) -> Reply {
    partition.step(now_ms, vec![command]).replies.remove(0)
}

#[test]
fn a_hundred_thousand_keys_take_turns_and_leave_nothing() {
    const KEYS: u64 = 100_000;
    let Twin {
        live: mut partition,
        mut now_ms,
        ..
    } = new_partition(limit(1, SECOND, 2));
    for round in 0..2 {
        for first in (0..KEYS).step_by(1000) {
            let messages = (first..first + 1000).map(of_key).collect();
            step(&mut partition, now_ms + round, many("q", messages));
        }
    }
    assert_eq!(partition.state().flows.len() as u64, KEYS);
    now_ms += 2;
    let mut numbers = Vec::new();
    while numbers.len() < 2 * KEYS as usize {
        let delivered = received(step(&mut partition, now_ms, receive("q", 1000)));
        assert_eq!(delivered.len(), 1000);
        numbers.extend(delivered.iter().map(|one| one.lease.message.number));
        let acks = delivered.iter().map(|one| ack(one.lease));
        partition.step(now_ms, acks.collect());
    }
    assert!(numbers.is_sorted(), "each key once, then each again");
    assert_eq!(partition.state().flows.len(), 0);
    now_ms += 2 * SECOND;
    let limiters = |partition: &Partition| {
        let mut queues = partition.state().queues.iter();
        queues.next().expect("a queue").dispatch.keys.len()
    };
    assert_eq!(limiters(&partition) as u64, KEYS);
    // One key goes on being used, and with it the others are forgotten.
    for _ in 0..KEYS.div_ceil(64) {
        step(&mut partition, now_ms, receive("q", 1));
    }
    assert_eq!(limiters(&partition), 0);
}

/// LIMITED_MESSAGES says how many; `make scale` runs a million behind ten thousand keys.
#[test]
#[allow(
    clippy::disallowed_methods,
    reason = "the environment says how large the test is"
)]
fn what_limited_keys_hold_back_is_not_looked_at() {
    let count: u64 =
        std::env::var("LIMITED_MESSAGES").map_or(20_000, |count| count.parse().expect("a number"));
    let keys = count / 100;
    let Twin {
        live: mut partition,
        now_ms,
        ..
    } = new_partition(limit(1, 3600 * SECOND, 1));
    for first in (0..count).step_by(1000) {
        let messages = (first..first + 1000).map(|i| of_key(i % keys)).collect();
        step(&mut partition, now_ms, many("q", messages));
    }
    partition.fence(now_ms, [7; 32]);
    let due_ms = now_ms + 3600 * SECOND;
    let number = partition
        .state()
        .queues
        .iter()
        .next()
        .expect("a queue")
        .number;
    let look = |partition: &mut Partition, now_ms: u64| {
        let answer = step(partition, now_ms, receive("q", 1));
        let mut visits = 1 << 20;
        let lists = partition.state().queues.get(number).lists_of(NOBODY);
        partition.state_mut().front_of(number, lists, &mut visits);
        (answer, (1 << 20) - visits)
    };
    let mut rounds = 0;
    while step(&mut partition, now_ms, receive("q", 1)) == limited(LimitedBy::Key, Some(1)) {
        rounds += 1;
    }
    assert!(
        rounds <= keys / 1000 + 1,
        "a receive looks at some keys at most"
    );
    for at_ms in [now_ms, now_ms + 1, due_ms - 1] {
        let expected = limited(LimitedBy::Key, Some(due_ms - at_ms));
        assert_eq!(
            look(&mut partition, at_ms),
            (expected, 0),
            "no key is looked at"
        );
    }
    // The token of each key comes, and takes as many looks as there are messages to go.
    let mut delivered = 0;
    while delivered < keys {
        let some = received(step(&mut partition, due_ms, receive("q", 100))).len() as u64;
        assert!(some > 0, "{delivered} went");
        delivered += some;
    }
    while step(&mut partition, due_ms, receive("q", 1)) == limited(LimitedBy::Key, Some(1)) {}
    assert_eq!(look(&mut partition, due_ms).1, 0);
}

#[test]
fn after_a_change_all_that_is_held_back_is_looked_at_again_in_time() {
    const KEYS: usize = 100;
    let mut twin = new_partition(limit(1, SECOND, 1));
    let each = || (0..KEYS as u64).map(of_key).collect();
    twin.step(vec![many("q", each()), many("q", each())]);
    assert_eq!(twin.receive("q", 1000).len(), KEYS);
    let later = limited(LimitedBy::Key, Some(SECOND));
    assert_eq!(twin.ask(receive("q", 9)), later);
    let patch = ConfigPatch {
        max_retries: Some(9),
        ..ConfigPatch::default()
    };
    let name = "q".into();
    twin.ask(Command::UpdateQueue {
        name,
        patch: patch.into(),
    });
    let soon = limited(LimitedBy::Key, Some(1));
    assert_eq!(twin.ask(receive("q", 9)), soon, "there are more to look at");
    assert_eq!(twin.ask(receive("q", 9)), later);
    assert_eq!(twin.wait(SECOND).receive("q", 1000).len(), KEYS);
}
