//! Size must not stop a partition: millions of delayed messages, and very many due at the same instant. A step stays
//! bounded, everybody else is served meanwhile, and each message comes due once, not before its time.
//!
//! SCALE_MESSAGES says how many; `make scale` runs ten million, of which a million are due in one second.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a measurement reads the clock and the environment, and is printed"
)]

use std::time::{Duration, Instant};

use engine::budget::{FIRED_BYTES_MAX, STEP_BYTES_MAX};
use engine::command::{Ack, Command, NewMessage};
use engine::config::{QueueConfig, Settings};
use engine::ids::PartitionNumber;
use engine::record::Record;
use engine::reply::{Delivered, Reply};
use engine::{Partition, Step};

const NOW_MS: u64 = 1_700_000_000_000;
const HOUR_MS: u64 = 3_600_000;
/// Messages that a step enqueues while the queue is filled.
const EACH: u64 = 1000;

fn messages() -> u64 {
    std::env::var("SCALE_MESSAGES").map_or(100_000, |count| count.parse().expect("a number"))
}

fn message(delay_ms: u64) -> NewMessage {
    NewMessage {
        delay_ms: Some(delay_ms),
        ..NewMessage::plain(1024)
    }
}

struct Broker {
    partition: Partition,
    slowest: Duration,
    /// Messages that came due.
    due: u64,
}

impl Broker {
    fn new() -> Self {
        let config = QueueConfig::new(12 * HOUR_MS, 3);
        let settings = Settings {
            queue_config: config.clone(),
            queues_max: 100,
            dedup_ids_max: u64::MAX,
            results_bytes_max: u64::MAX,
            segment_bytes: 64 << 20,
        };
        let mut broker = Broker {
            partition: Partition::new(PartitionNumber(0), settings),
            slowest: Duration::ZERO,
            due: 0,
        };
        for name in ["later", "other"] {
            let create = Command::CreateQueue {
                name: name.into(),
                config: config.clone().into(),
            };
            broker.step(NOW_MS, vec![create]);
        }
        broker
    }

    fn step(&mut self, now_ms: u64, commands: Vec<Command>) -> Step {
        let began = Instant::now();
        let step = self.partition.step(now_ms, commands);
        self.slowest = self.slowest.max(began.elapsed());
        let is_due = |record: &&Record| matches!(record, Record::Due { .. });
        let due = step.records.iter().filter(is_due).count();
        let brought = 1 + (STEP_BYTES_MAX / FIRED_BYTES_MAX) as usize;
        assert!(due <= brought, "a step is bounded");
        self.due += due as u64;
        step
    }

    /// What the next step answers to the last command.
    fn ask(&mut self, now_ms: u64, command: Command) -> Reply {
        self.step(now_ms, vec![command])
            .replies
            .pop()
            .expect("one reply a command")
    }

    fn receive(&mut self, now_ms: u64, queue: &str) -> Vec<Delivered> {
        let command = Command::Receive {
            queue: queue.into(),
            group: "default".into(),
            consumer: "".into(),
            members_max: 1000,
            wait_ms: 0,
            messages_max: 100,
            visibility_timeout_ms: None,
            answer_bytes_max: 8 << 20,
            attempt: None,
        };
        match self.ask(now_ms, command) {
            Reply::Received { messages, .. } => messages,
            other => panic!("{other:?}"),
        }
    }

    fn delayed_and_ready(&mut self, now_ms: u64) -> (u64, u64) {
        let name = "later".into();
        match self.ask(now_ms, Command::GetQueue { name }) {
            Reply::Queue(view) => (view.counts.delayed, view.counts.ready),
            other => panic!("{other:?}"),
        }
    }
}

fn enqueue(queue: &str, messages: Vec<NewMessage>) -> Command {
    Command::Enqueue {
        queue: queue.into(),
        messages,
        atomic: false,
    }
}

/// Spreads them over ten hours, one after another in no order; each tenth is due at the end of the first hour.
fn delay_ms(number: u64) -> u64 {
    if number % 10 == 0 {
        return HOUR_MS;
    }
    HOUR_MS + 1000 + number.wrapping_mul(0x9e37_79b9_7f4a_7c15) % (9 * HOUR_MS)
}

#[test]
fn a_tenth_of_all_delayed_messages_come_due_at_once() {
    let (mut broker, count) = (Broker::new(), messages());
    for first in (0..count).step_by(EACH as usize) {
        let delayed = (first..first + EACH).map(|number| message(delay_ms(number)));
        broker.step(NOW_MS, vec![enqueue("later", delayed.collect())]);
    }
    let filling = std::mem::take(&mut broker.slowest);
    assert_eq!(broker.delayed_and_ready(NOW_MS + HOUR_MS - 1), (count, 0));

    let (due_ms, began) = (NOW_MS + HOUR_MS, Instant::now());
    let mut rounds = 0;
    while broker.due < count / 10 {
        let one = enqueue("other", vec![message(0)]);
        let step = broker.step(due_ms, vec![one]);
        let (is_over, is_now) = (
            broker.due == count / 10,
            step.next_deadline_ms <= Some(due_ms),
        );
        assert!(is_over || is_now, "what is left comes at once");
        let served = broker.receive(due_ms, "other");
        assert_eq!(served.len(), 1, "others are served meanwhile");
        let lease = served[0].lease;
        broker.step(due_ms, vec![Command::Ack(Ack { lease })]);
        rounds += 1;
    }
    let firing = (began.elapsed(), broker.slowest);
    assert_eq!(
        broker.delayed_and_ready(due_ms),
        (count - count / 10, count / 10)
    );
    let first = broker.receive(due_ms, "later");
    assert!(first.is_sorted_by_key(|delivered| delivered.lease.message.number));
    println!(
        "{count} delayed; {} due at once in {:?} and {rounds} rounds; slowest step {:?} filling, {:?} firing",
        broker.due, firing.0, filling, firing.1
    );
}

/// What is left to do takes no longer however many lists it lies in: one more of many members comes, and a queue of many
/// fairness keys is purged. The bound is several times what a build for tests takes.
#[test]
fn what_many_keys_and_members_leave_to_do_is_done_in_short_steps() {
    let mut broker = Broker::new();
    let (members, keys) = (500, 20_000_u64);
    let heartbeat = |member: u64| Command::Heartbeat {
        queue: "other".into(),
        group: "default".into(),
        consumer: format!("worker-{member}").into(),
        members_max: members + 1,
    };
    (0..members).for_each(|member| drop(broker.step(NOW_MS, vec![heartbeat(member)])));
    let keyed = |key: u64| NewMessage {
        ordering_key: Some(key.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        fairness_key: Some(key),
        ..message(0)
    };
    (0..keys).for_each(|key| drop(broker.step(NOW_MS, vec![enqueue("other", vec![keyed(key)])])));
    let purge = Command::PurgeQueue {
        name: "other".into(),
    };
    for begin in [heartbeat(members), purge] {
        broker.slowest = Duration::ZERO;
        let (mut step, mut steps) = (broker.step(NOW_MS, vec![begin]), 1);
        while step.next_deadline_ms == Some(NOW_MS) {
            step = broker.step(NOW_MS, vec![]);
            steps += 1;
        }
        println!("{steps} steps, the slowest {:?}", broker.slowest);
        assert!(steps > 5, "it is done in parts");
        assert!(broker.slowest < Duration::from_millis(1500), "a long step");
    }
}
