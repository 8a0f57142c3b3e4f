//! Size must not stop a partition whose messages died by the million: they die, are redriven, and go when their time is
//! over in bounded steps, and everybody else is served between them.
//!
//! DEAD_MESSAGES says how many; `make scale` runs two million.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a measurement reads the clock and the environment, and is printed"
)]

use std::time::{Duration, Instant};

use engine::command::{Ack, Command, ConfigPatch, NewMessage, StartSweep};
use engine::config::{QueueConfig, Settings};
use engine::ids::PartitionNumber;
use engine::record::Record;
use engine::reply::{Counts, Reply};
use engine::sweep::{SWEEP_ACTED_MAX, SweepAction, SweepFilter, SweepPlan, SweepProgress};
use engine::{Partition, Step};

const NOW_MS: u64 = 1_700_000_000_000;
const SECOND: u64 = 1000;
/// Messages that a step enqueues while the queue is filled.
const EACH: u64 = 1000;
/// Messages whose time to live may end in a step that brings one.
const DIED_MAX: u64 = 2049;
/// Letters, or dead messages, that a step may take away.
const RETIRED_MAX: u64 = 1024;

fn messages() -> u64 {
    std::env::var("DEAD_MESSAGES").map_or(10_000, |count| count.parse().expect("a number"))
}

fn message() -> NewMessage {
    NewMessage::plain(1024)
}

struct Broker {
    partition: Partition,
    now_ms: u64,
    steps: Vec<Duration>,
}

impl Broker {
    /// Messages of `q` die into `letters`, those of `own` stay there, after a second; `other` is everybody else's.
    fn new() -> Self {
        let config = QueueConfig::new(3600 * SECOND, 3);
        let settings = Settings {
            queue_config: config.clone(),
            queues_max: 100,
            dedup_ids_max: u64::MAX,
            results_bytes_max: u64::MAX,
            segment_bytes: 64 << 20,
        };
        let mut broker = Broker {
            partition: Partition::new(PartitionNumber(0), settings),
            now_ms: NOW_MS,
            steps: Vec::new(),
        };
        let mortal = |dead_letter_queue: Option<&str>| QueueConfig {
            ttl_ms: SECOND,
            dead_letter_queue: dead_letter_queue.map(Into::into),
            ..config.clone()
        };
        let queues = [
            ("other", config.clone()),
            ("q", mortal(Some("letters"))),
            ("own", mortal(None)),
        ];
        for (name, config) in queues {
            let name = name.into();
            broker.step(vec![Command::CreateQueue {
                name,
                config: config.into(),
            }]);
        }
        broker
    }

    fn step(&mut self, commands: Vec<Command>) -> Step {
        let began = Instant::now();
        let step = self.partition.step(self.now_ms, commands);
        self.steps.push(began.elapsed());
        step
    }

    fn fill(&mut self, queue: &str, count: u64) {
        for _ in 0..count / EACH {
            self.step(vec![enqueue(queue, EACH)]);
        }
    }

    fn patch(&mut self, name: &str, patch: ConfigPatch) {
        let name = name.into();
        self.step(vec![Command::UpdateQueue {
            name,
            patch: patch.into(),
        }]);
    }

    fn counts(&mut self, name: &str) -> Counts {
        let name = name.into();
        match self.step(vec![Command::GetQueue { name }]).replies.pop() {
            Some(Reply::Queue(view)) => view.counts,
            other => panic!("{other:?}"),
        }
    }

    /// Somebody else enqueues, receives and acks a message meanwhile. The steps of that do what is due, too.
    fn serve(&mut self) -> Vec<Step> {
        let enqueued = self.step(vec![enqueue("other", 1)]);
        let received = self.step(vec![receive("other")]);
        let Some(Reply::Received { messages, .. }) = received.replies.last() else {
            panic!("no messages")
        };
        assert_eq!(messages.len(), 1, "others are served meanwhile");
        let lease = messages[0].lease;
        let acked = self.step(vec![Command::Ack(Ack { lease })]);
        vec![enqueued, received, acked]
    }

    /// Does what is due by now; `bound` are the records that one step may do of it.
    fn catch_up(&mut self, what: &str, bound: u64, is_it: impl Fn(&Record) -> u64) -> u64 {
        self.steps.clear();
        let mut done = 0;
        loop {
            let steps = self.serve();
            for step in &steps {
                let here: u64 = step.records.iter().map(&is_it).sum();
                assert!(here <= bound, "{what}: {here} in a step");
                done += here;
            }
            let last = steps.last().expect("three steps");
            if last.next_deadline_ms.is_none_or(|ms| ms > self.now_ms) {
                show(what, done, &mut self.steps);
                return done;
            }
        }
    }

    fn redrive(&mut self, queue: &str, messages_max: u64) -> u64 {
        let plan = SweepPlan {
            action: SweepAction::Redrive { destination: None },
            filter: SweepFilter::default(),
            ids: None,
            messages_max,
            rate: None,
            dry_run: false,
        };
        let start = StartSweep {
            queue: queue.into(),
            plan,
            running_max: 1,
            kept_max: 1,
            kept_ms: 60_000,
        };
        self.steps.clear();
        self.step(vec![Command::StartSweep(Box::new(start))]);
        let (mut moved, sweep) = (0, 1);
        loop {
            let choice = None;
            let step = self.step(vec![Command::StepSweep { sweep, choice }]);
            let is_moved = |record: &&Record| matches!(record, Record::Redriven { .. });
            let here = step.records.iter().filter(is_moved).count();
            assert!(here <= SWEEP_ACTED_MAX, "{here} in a step");
            moved += here as u64;
            if step.replies == [Reply::SweepStepped(SweepProgress::Over)] {
                show("redriven", moved, &mut self.steps);
                return moved;
            }
            if moved % (100 * EACH) == 0 {
                self.serve();
            }
        }
    }
}

/// On a machine that does other things too the slowest one says little.
fn show(what: &str, count: u64, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let (all, steps) = (times.iter().sum::<Duration>(), times.len());
    let (median, late, slowest) = (at(50), at(99), at(100));
    println!(
        "{what}: {count} in {steps} steps and {all:?}; median {median:?}, 99 of 100 in {late:?}, slowest {slowest:?}"
    );
    // Many times what a build for tests takes.
    assert!(median < Duration::from_millis(50), "a long stop");
}

fn enqueue(queue: &str, count: u64) -> Command {
    Command::Enqueue {
        queue: queue.into(),
        messages: vec![message(); count as usize],
        atomic: false,
    }
}

fn receive(queue: &str) -> Command {
    Command::Receive {
        queue: queue.into(),
        group: "default".into(),
        consumer: "".into(),
        members_max: 1000,
        wait_ms: 0,
        messages_max: 100,
        visibility_timeout_ms: None,
        answer_bytes_max: 8 << 20,
        attempt: None,
    }
}

fn keep_dead(dead_retention_ms: u64) -> ConfigPatch {
    ConfigPatch {
        dead_retention_ms: Some(dead_retention_ms),
        ..ConfigPatch::default()
    }
}

#[test]
fn millions_of_dead_messages_are_redriven_and_go_in_short_steps() {
    let (mut broker, count) = (Broker::new(), messages());
    broker.fill("q", count);
    broker.fill("own", count / 2);
    broker.now_ms += SECOND;
    let has_died = |record: &Record| {
        let died = matches!(record, Record::DeadLettered { .. } | Record::Died { .. });
        u64::from(died)
    };
    let died = broker.catch_up("died", DIED_MAX, has_died);
    assert_eq!(died, count + count / 2);
    assert_eq!(broker.counts("letters").ready, count);
    assert_eq!(broker.counts("own").dead, count / 2);

    let lives = ConfigPatch {
        ttl_ms: Some(0),
        ..ConfigPatch::default()
    };
    broker.patch("q", lives);
    assert_eq!(broker.redrive("letters", count / 2), count / 2);
    assert_eq!(broker.counts("q").ready, count / 2);

    for queue in ["letters", "own"] {
        broker.patch(queue, keep_dead(SECOND));
    }
    broker.now_ms += SECOND;
    let has_gone = |record: &Record| match *record {
        Record::Deleted { .. } => 1,
        Record::Retired { count, .. } => u64::from(count),
        _ => 0,
    };
    let gone = broker.catch_up("gone", RETIRED_MAX, has_gone);
    assert_eq!(gone, count, "letters, and what died in its own queue");
    assert_eq!(broker.counts("letters").ready, 0);
    assert_eq!(broker.counts("own").dead, 0);
    assert_eq!(broker.partition.message_count(), count / 2);
}
