//! Members of a consumer group: to whom keys go, what becomes of leases, how sessions end.

use crate::command::{Command, ConfigPatch, Nack, NewMessage, Release};
use crate::config::QueueConfig;
use crate::ids::LeaseId;
use crate::ids::QueueNumber;
use crate::partition::Step;
use crate::record::Record;
use crate::rejection::Rejection;
use crate::reply::{Delivered, Reply};
use crate::twin::{SECOND, Twin, ack, config, extend, message, nack, receive};

/// As `membership` has them.
const AT_ONCE_MAX: u32 = 512;
const PER_STEP_MAX: u32 = 2048;

const WORKERS: [&str; 3] = ["a", "b", "c"];

pub(super) fn poll(consumer: &str, messages_max: u32) -> Command {
    let mut command = receive("q", messages_max);
    if let Command::Receive { consumer: of, .. } = &mut command {
        *of = consumer.into();
    }
    command
}

pub(super) fn received(twin: &mut Twin, consumer: &str) -> Vec<Delivered> {
    match twin.ask(poll(consumer, 1000)) {
        Reply::Received { messages, .. } => messages,
        other => panic!("{other:?}"),
    }
}

fn leave(twin: &mut Twin, consumer: &str) -> u64 {
    let command = Command::Leave {
        queue: "q".into(),
        group: "default".into(),
        consumer: consumer.into(),
    };
    match twin.ask(command) {
        Reply::Left { released } => released,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn heartbeat(consumer: &str) -> Command {
    Command::Heartbeat {
        queue: "q".into(),
        group: "default".into(),
        consumer: consumer.into(),
        members_max: 3,
    }
}

pub(super) fn members(twin: &mut Twin) -> Vec<Box<str>> {
    let members = twin.group("q", "default").members;
    members.into_iter().map(|member| member.consumer).collect()
}

fn keyed(key: u64) -> NewMessage {
    NewMessage {
        ordering_key: Some(key),
        ..message()
    }
}

pub(crate) fn enqueue(twin: &mut Twin, messages: Vec<NewMessage>) -> Step {
    let queue = "q".into();
    twin.step(vec![Command::Enqueue {
        queue,
        messages,
        atomic: false,
    }])
}

/// A queue with three members.
fn twin() -> Twin {
    let mut twin = Twin::new();
    twin.create("q", config());
    WORKERS.iter().for_each(|name| {
        twin.ask(heartbeat(name));
    });
    twin
}

#[test]
fn a_key_sticks_to_one_member_and_what_has_none_goes_to_whoever_asks() {
    let mut twin = twin();
    enqueue(&mut twin, (0..30).map(keyed).collect());
    enqueue(&mut twin, vec![message(); 2]);
    assert_eq!(received(&mut twin, "").len(), 2, "nobody has no keys");
    let mut got = Vec::new();
    for _ in 0..2 {
        let shares = WORKERS.map(|name| received(&mut twin, name));
        let keys = shares.each_ref().map(|share| share.len());
        assert!(keys.iter().all(|&keys| keys > 3), "{keys:?}");
        assert_eq!(keys.iter().sum::<usize>(), 30);
        got.push(keys);
        for delivered in shares.into_iter().flatten() {
            twin.ask(ack(delivered.lease));
        }
        enqueue(&mut twin, (0..30).map(keyed).collect());
    }
    assert_eq!(got[0], got[1], "the same keys");
}

#[test]
fn without_members_anybody_takes_keys_in_order_with_the_rest() {
    let mut twin = Twin::new();
    twin.create("q", config());
    enqueue(&mut twin, vec![keyed(1), message(), keyed(2), message()]);
    let numbers = received(&mut twin, "").into_iter();
    let numbers: Vec<u64> = numbers.map(|one| one.lease.message.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
}

#[test]
fn who_comes_or_goes_moves_keys_only_while_nothing_of_them_is_in_flight() {
    let mut twin = Twin::new();
    twin.create("q", config());
    received(&mut twin, "a");
    let twice = (0..40).map(|i| keyed(i % 20)).collect();
    enqueue(&mut twin, twice);
    let firsts = received(&mut twin, "a");
    assert_eq!(firsts.len(), 20);
    assert_eq!(received(&mut twin, "b"), [], "all are in flight");
    for delivered in &firsts[..10] {
        twin.ask(ack(delivered.lease));
    }
    let (a, b) = (received(&mut twin, "a"), received(&mut twin, "b"));
    assert_eq!(a.len() + b.len(), 10);
    assert!(!b.is_empty(), "some stick to the other now");
    leave(&mut twin, "b");
    assert_eq!(received(&mut twin, "a").len(), b.len());
}

#[test]
fn leaving_gives_back_what_was_held_free_of_charge_and_in_order() {
    let mut twin = twin();
    enqueue(&mut twin, vec![message(); 4]);
    let held = received(&mut twin, "a");
    assert_eq!(twin.group("q", "default").members[0].leased, 4);
    assert_eq!((leave(&mut twin, "a"), leave(&mut twin, "a")), (4, 0));
    let lost = Reply::Rejected(Rejection::LeaseLost);
    assert_eq!(twin.ask(ack(held[0].lease)), lost);
    let again = received(&mut twin, "b");
    let leases = |all: &[Delivered]| -> Vec<LeaseId> {
        let next = |one: &Delivered| LeaseId {
            delivery: 2,
            ..one.lease
        };
        all.iter().map(next).collect()
    };
    assert_eq!(leases(&again), leases(&held));
    assert!(again.iter().all(|one| one.attempts == 0));
    assert_eq!(&*members(&mut twin)[0], "b");
}

#[test]
fn a_session_ends_unless_its_member_is_seen() {
    let mut twin = twin();
    enqueue(&mut twin, vec![message(); 2]);
    let lease = received(&mut twin, "a")[0].lease;
    let step = twin.wait(29 * SECOND).step(vec![heartbeat("b")]);
    assert_eq!(step.next_deadline_ms, Some(twin.now_ms + SECOND));
    twin.ask(extend(lease, 90 * SECOND));
    twin.wait(SECOND).step(vec![]);
    assert_eq!(members(&mut twin), ["a".into(), "b".into()]);
    let step = twin.wait(28 * SECOND).step(vec![]);
    assert_eq!(step.next_deadline_ms, Some(twin.now_ms + SECOND));
    twin.ask(Command::Nack(nack(lease)));
    twin.wait(SECOND).step(vec![]);
    assert_eq!(members(&mut twin), ["a".into()]);
    twin.wait(29 * SECOND).step(vec![]);
    assert_eq!(members(&mut twin), []);
    assert_eq!(twin.queue("q").counts.leased, 0, "the other one is back");
}

#[test]
fn whatever_a_member_does_with_a_lease_shows_that_it_is_there() {
    let lasts = |lease: LeaseId| extend(lease, 90 * SECOND);
    let released = |lease| {
        let delay_ms = None;
        Command::Release(Release { lease, delay_ms })
    };
    let rejected = |lease| {
        let reject = true;
        Command::Nack(Nack {
            reject,
            ..nack(lease)
        })
    };
    let ends: [&dyn Fn(LeaseId) -> Command; 4] = [&ack, &lasts, &released, &rejected];
    for end in ends {
        let mut twin = twin();
        enqueue(&mut twin, vec![message()]);
        let lease = received(&mut twin, "a")[0].lease;
        twin.wait(20 * SECOND).step(vec![end(lease)]);
        twin.wait(29 * SECOND).step(vec![]);
        assert_eq!(members(&mut twin), ["a".into()]);
        twin.wait(SECOND).step(vec![]);
        assert_eq!(members(&mut twin), []);
    }
}

#[test]
fn a_takeover_and_a_shorter_timeout_are_followed() {
    let mut twin = twin();
    twin.wait(29 * SECOND).fence();
    twin.wait(29 * SECOND).step(vec![]);
    assert_eq!(members(&mut twin).len(), 3, "the new owner saw them");
    let patch = ConfigPatch {
        session_timeout_ms: Some(SECOND),
        ..ConfigPatch::default()
    };
    let name = "q".into();
    twin.ask(Command::UpdateQueue {
        name,
        patch: patch.into(),
    });
    twin.step(vec![]);
    assert_eq!(members(&mut twin), []);
}

#[test]
fn members_are_bounded_and_a_member_is_welcome() {
    let mut twin = twin();
    assert!(matches!(twin.ask(heartbeat("a")), Reply::Session { .. }));
    let exhausted = Rejection::MembersExhausted {
        queue: "q".into(),
        group: "default".into(),
        members_max: 3,
    };
    assert_eq!(twin.ask(heartbeat("d")), Reply::Rejected(exhausted));
}

#[test]
fn only_the_member_that_a_key_sticks_to_is_woken() {
    let mut twin = twin();
    let step = enqueue(&mut twin, vec![keyed(1), keyed(1)]);
    assert_eq!((step.woken.len(), step.woken_members.len()), (0, 1));
    let (_, owner, ready) = step.woken_members[0].clone();
    assert_eq!(ready, 1);
    let delivered = received(&mut twin, &owner);
    let step = twin.step(vec![ack(delivered[0].lease)]);
    assert_eq!(step.woken_members, [("q".into(), owner, 1)]);
    assert_eq!(enqueue(&mut twin, vec![message()]).woken.len(), 1);
    let step = enqueue(&mut twin, vec![keyed(2)]);
    assert_eq!(
        (step.woken.len(), step.woken_members.len()),
        (0, 1),
        "of what anybody may take all were told"
    );
}

#[test]
fn many_keys_change_hands_in_bounded_parts_and_nobody_waits_for_all_of_them() {
    let mut twin = Twin::new();
    twin.create("q", config());
    let count = u64::from(2 * PER_STEP_MAX);
    enqueue(&mut twin, (0..count).map(keyed).collect());
    let first = received(&mut twin, "a");
    assert_eq!(first.len() as u32, AT_ONCE_MAX);
    let step = twin.step(vec![]);
    assert_eq!(step.next_deadline_ms, Some(twin.now_ms));
    let queue = QueueNumber(0);
    let count = PER_STEP_MAX;
    assert_eq!(step.records, [Record::Reassigned { queue, count }]);
    twin.step(vec![]);
    let all = first.len()
        + (0..4)
            .map(|_| received(&mut twin, "a").len())
            .sum::<usize>();
    assert_eq!(all as u32, 2 * PER_STEP_MAX);
}

#[test]
fn keys_that_nobody_takes_cost_the_others_nothing() {
    let mut twin = twin();
    let many = 5000;
    enqueue(&mut twin, (0..many).map(keyed).collect());
    let mine = |twin: &mut Twin| twin.group("q", "default").members[0].keys;
    let stalled = mine(&mut twin);
    assert!(
        stalled > 1000,
        "{stalled} keys wait for a member that does nothing"
    );
    let others: usize = (0..9)
        .map(|_| received(&mut twin, "b").len() + received(&mut twin, "c").len())
        .sum();
    assert_eq!(others as u64, many - stalled);
    assert_eq!(mine(&mut twin), stalled);
}

#[test]
fn a_purge_keeps_members_and_a_further_group_has_its_own() {
    let mut twin = twin();
    twin.create_group("q", "audit");
    enqueue(&mut twin, (0..9).map(keyed).collect());
    received(&mut twin, "a");
    twin.ask(Command::PurgeQueue { name: "q".into() });
    assert_eq!(members(&mut twin).len(), 3);
    assert_eq!(twin.group("q", "audit").members, []);
    assert_eq!(twin.receive_for("q", "audit", 9), []);
    enqueue(&mut twin, (0..9).map(keyed).collect());
    assert_eq!(twin.receive_for("q", "audit", 9).len(), 9);
    let all: usize = WORKERS
        .iter()
        .map(|name| received(&mut twin, name).len())
        .sum();
    assert_eq!(all, 9);
    twin.wait(30 * SECOND).step(vec![]);
    assert_eq!(members(&mut twin), []);
}

#[test]
fn a_queue_s_settings_may_end_sessions_soon() {
    let mut twin = Twin::new();
    let session_timeout_ms = SECOND;
    let config = QueueConfig {
        session_timeout_ms,
        ..config()
    };
    twin.create("q", config);
    twin.ask(heartbeat("a"));
    twin.wait(SECOND).step(vec![]);
    assert_eq!(members(&mut twin), []);
}

/// A queue whose members' sessions are over long before their leases.
fn of_short_sessions(max_retries: u32) -> Twin {
    let mut twin = Twin::new();
    let config = QueueConfig {
        session_timeout_ms: SECOND,
        max_retries,
        ..config()
    };
    twin.create("q", config);
    twin
}

#[test]
fn what_ends_its_consumers_dies_and_what_they_held_once_comes_back_free_of_charge() {
    let mut twin = of_short_sessions(1);
    enqueue(&mut twin, vec![message()]);
    let killer = received(&mut twin, "a")[0].lease.message;
    enqueue(&mut twin, vec![message()]);
    twin.wait(SECOND);
    assert_eq!(received(&mut twin, "b").len(), 2);
    let counts = |twin: &mut Twin| (twin.message(killer).attempts, twin.queue("q").counts);
    assert_eq!(counts(&mut twin).0, 0, "the first time is free");
    let step = twin.wait(SECOND).step(vec![]);
    assert_eq!(step.records.len(), 3, "failed, left, returned");
    let (attempts, there) = counts(&mut twin);
    assert_eq!((attempts, there.ready, there.delayed), (1, 1, 1));
    assert_eq!(received(&mut twin, "c")[0].attempts, 0, "the other one");
    twin.now_ms = twin.message(killer).at_ms;
    assert_eq!(received(&mut twin, "d")[0].attempts, 1);
    twin.wait(SECOND).step(vec![]);
    let view = twin.message(killer);
    assert_eq!((view.deliveries, view.attempts), (3, 2));
    let death = view.dead_letter.expect("dead");
    assert_eq!(death.reason, crate::record::DeathReason::LeaseEnded);
}

#[test]
fn who_leaves_fails_nothing_however_often() {
    let mut twin = of_short_sessions(0);
    enqueue(&mut twin, vec![message()]);
    for _ in 0..4 {
        assert_eq!(received(&mut twin, "a").len(), 1);
        assert_eq!(leave(&mut twin, "a"), 1);
    }
    assert_eq!(received(&mut twin, "a")[0].attempts, 0);
}

#[test]
fn what_many_leases_were_for_is_looked_at_in_bounded_parts() {
    let mut twin = of_short_sessions(9);
    let most = PER_STEP_MAX as usize;
    for _ in 0..2 {
        enqueue(&mut twin, vec![message(); most]);
    }
    let take_all =
        |twin: &mut Twin, name: &str| -> usize { (0..5).map(|_| received(twin, name).len()).sum() };
    assert_eq!(take_all(&mut twin, "a"), 2 * most);
    leave(&mut twin, "a");
    while twin.step(vec![]).next_deadline_ms == Some(twin.now_ms) {}
    assert_eq!(take_all(&mut twin, "b"), 2 * most);
    // A step has room for some two thousand failures.
    let step = twin.wait(SECOND).step(vec![]);
    assert!((most / 2..=most).contains(&step.records.len()));
    assert!(
        step.next_deadline_ms
            .is_some_and(|at_ms| at_ms <= twin.now_ms)
    );
}
