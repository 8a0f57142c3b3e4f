//! What one verb costs with a million messages resident: per message, alone in its step and a hundred at a time.
//!
//! The population is kept at a million: what a timed part adds or takes, an untimed part takes or adds.

#![allow(missing_docs)]
#![allow(clippy::disallowed_types, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::command::{Ack, Command, NewMessage};
use engine::config::{QueueConfig, Settings};
use engine::ids::{LeaseId, PartitionNumber};
use engine::reply::{Delivered, Reply};
use engine::{Partition, Step};

const RESIDENT: u64 = 1_000_000;
const QUEUE: &str = "orders";
/// Messages a timed part handles before the population is restored.
const ROUND: u64 = 10_000;

struct Broker {
    partition: Partition,
    step: Step,
    commands: Vec<Command>,
    now_ms: u64,
}

impl Broker {
    fn with_a_million() -> Self {
        let mut broker = Broker {
            partition: Partition::new(PartitionNumber(0), settings()),
            step: Step::default(),
            commands: Vec::new(),
            now_ms: 1_700_000_000_000,
        };
        let config = QueueConfig {
            visibility_timeout_ms: 43_200_000,
            ..QueueConfig::new(30_000, 3)
        };
        broker.step(Command::CreateQueue {
            name: QUEUE.into(),
            config: config.into(),
        });
        broker.enqueue(RESIDENT, 100);
        broker
    }

    /// Time passes a little with each step, as it does.
    fn step(&mut self, command: Command) -> Reply {
        self.now_ms += 1;
        self.commands.push(command);
        self.partition
            .step_into(&mut self.step, self.now_ms, &mut self.commands, None);
        self.step.replies.pop().expect("a command has a reply")
    }

    fn enqueue(&mut self, count: u64, each: u64) {
        for _ in 0..count / each {
            black_box(self.step(enqueue(each)));
        }
    }

    fn lease(&mut self, count: u64, each: u64) -> Vec<LeaseId> {
        let mut leases = Vec::with_capacity(count as usize);
        for _ in 0..count / each {
            let messages = received(self.step(receive(each)));
            leases.extend(messages.iter().map(|message| message.lease));
        }
        leases
    }

    fn ack(&mut self, leases: &[LeaseId], each: u64) {
        for leases in leases.chunks(each as usize) {
            black_box(self.step(ack(leases)));
        }
    }
}

fn settings() -> Settings {
    Settings {
        queue_config: QueueConfig::new(30_000, 3),
        queues_max: 100_000,
        dedup_ids_max: u64::MAX,
        results_bytes_max: u64::MAX,
        segment_bytes: 64 << 20,
    }
}

fn enqueue(count: u64) -> Command {
    let message = NewMessage::plain(1024);
    Command::Enqueue {
        queue: QUEUE.into(),
        messages: vec![message; count as usize],
        atomic: false,
    }
}

fn receive(count: u64) -> Command {
    let (group, consumer) = ("default".into(), "bench".into());
    Command::Receive {
        queue: QUEUE.into(),
        group,
        consumer,
        members_max: 1000,
        wait_ms: 0,
        messages_max: count as u32,
        visibility_timeout_ms: None,
        answer_bytes_max: 8 << 20,
        attempt: None,
    }
}

fn ack(leases: &[LeaseId]) -> Command {
    match *leases {
        [lease] => Command::Ack(Ack { lease }),
        _ => {
            let acks = leases.iter().map(|&lease| Ack { lease }.into()).collect();
            Command::Settle {
                queue: QUEUE.into(),
                acks,
                nacks: Vec::new(),
                releases: vec![],
                extends: Vec::new(),
            }
        }
    }
}

fn received(reply: Reply) -> Vec<Delivered> {
    match reply {
        Reply::Received { messages, .. } => messages,
        other => panic!("{other:?}"),
    }
}

fn timed<T>(spent: &mut Duration, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    *spent += start.elapsed();
    result
}

/// One round of a verb: adds the time it took to `spent`, and leaves a million messages ready.
type Round = fn(&mut Broker, u64, &mut Duration);

fn enqueue_round(broker: &mut Broker, each: u64, spent: &mut Duration) {
    timed(spent, || broker.enqueue(ROUND, each));
    let leases = broker.lease(ROUND, 100);
    broker.ack(&leases, 100);
}

fn lease_round(broker: &mut Broker, each: u64, spent: &mut Duration) {
    let leases = timed(spent, || broker.lease(ROUND, each));
    broker.ack(&leases, 100);
    broker.enqueue(ROUND, 100);
}

fn ack_round(broker: &mut Broker, each: u64, spent: &mut Duration) {
    let leases = broker.lease(ROUND, 100);
    timed(spent, || broker.ack(&leases, each));
    broker.enqueue(ROUND, 100);
}

fn million(criterion: &mut Criterion) {
    let mut broker = Broker::with_a_million();
    measure(criterion, &mut broker, "ready");
    // Everything leased: each ack takes the earliest of a million deadlines out of the heap.
    let mut held = broker.lease(RESIDENT, 100);
    let mut group = criterion.benchmark_group("a million leased");
    group.throughput(Throughput::Elements(1)).sample_size(10);
    group.bench_function("ack, 1 a step", |bencher| {
        bencher.iter_custom(|iterations| {
            let mut spent = Duration::ZERO;
            for _ in 0..iterations.div_ceil(ROUND) {
                let oldest: Vec<LeaseId> = held.drain(..ROUND as usize).collect();
                timed(&mut spent, || broker.ack(&oldest, 1));
                broker.enqueue(ROUND, 100);
                held.extend(broker.lease(ROUND, 100));
            }
            per_iteration(spent, iterations)
        });
    });
    group.finish();
}

fn measure(criterion: &mut Criterion, broker: &mut Broker, population: &str) {
    let rounds: [(&str, Round); 3] = [
        ("enqueue", enqueue_round),
        ("lease", lease_round),
        ("ack", ack_round),
    ];
    let mut group = criterion.benchmark_group(format!("a million {population}"));
    group.throughput(Throughput::Elements(1)).sample_size(10);
    for (verb, round) in rounds {
        for each in [1, 100] {
            group.bench_function(format!("{verb}, {each} a step"), |bencher| {
                bencher.iter_custom(|iterations| {
                    let mut spent = Duration::ZERO;
                    (0..iterations.div_ceil(ROUND)).for_each(|_| round(broker, each, &mut spent));
                    per_iteration(spent, iterations)
                });
            });
        }
    }
    group.finish();
}

/// Whole rounds were run; criterion asked for the time of so many messages.
fn per_iteration(spent: Duration, iterations: u64) -> Duration {
    let handled = u128::from(iterations.div_ceil(ROUND) * ROUND);
    Duration::from_nanos((spent.as_nanos() * u128::from(iterations) / handled) as u64)
}

criterion_group!(benches, million);
criterion_main!(benches);
