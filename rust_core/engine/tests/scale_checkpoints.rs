//! Size must not stop a partition that takes a checkpoint: it begins, hands over each block, and steps between them in
//! short times, takes again only what changed, and is restored soon.
//!
//! SCALE_MESSAGES says how many lie in it; `make scale` runs ten million.
#![allow(
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a measurement reads the clock and the environment, and is printed"
)]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use engine::checkpoint::{Block, Head, Kind, Restoration};
use engine::command::{Ack, Command, DedupKey, NewMessage};
use engine::config::{QueueConfig, Settings};
use engine::ids::PartitionNumber;
use engine::record::Record;
use engine::reply::Reply;
use engine::{Partition, Step};

const NOW_MS: u64 = 1_700_000_000_000;
const HOUR_MS: u64 = 3_600_000;
/// Messages that a step enqueues while the queue is filled.
const EACH: u64 = 1000;
/// Messages that lie in a block.
const BLOCK: u64 = 8192;

fn messages() -> u64 {
    std::env::var("SCALE_MESSAGES").map_or(100_000, |count| count.parse().expect("a number"))
}

fn settings() -> Settings {
    Settings {
        queue_config: QueueConfig::new(12 * HOUR_MS, 3),
        queues_max: 100,
        dedup_ids_max: u64::MAX,
        results_bytes_max: u64::MAX,
        segment_bytes: 64 << 20,
    }
}

/// A tenth each is delayed, has a dedup id, and has one of ten thousand ordering keys.
fn message(number: u64) -> NewMessage {
    let tenth = number % 10;
    NewMessage {
        delay_ms: (tenth == 1).then_some(HOUR_MS + number % HOUR_MS),
        dedup: (tenth == 2).then_some(DedupKey {
            hash: u128::from(number) << 64 | u128::from(!number),
            fingerprint: number,
            until_done: false,
        }),
        ordering_key: (tenth == 3).then_some(number % 9973),
        ..NewMessage::plain(1024)
    }
}

/// A partition, and what its checkpoints left: the last block of each name.
struct Broker {
    partition: Partition,
    kept: BTreeMap<(Kind, u64), Block>,
    /// Since the last checkpoint began.
    since: Vec<Step>,
    numbered: u64,
    steps: Vec<Duration>,
}

/// What a checkpoint took: blocks, and the steps between them.
struct Taken {
    begin: Duration,
    blocks: Vec<Duration>,
    steps: Vec<Duration>,
}

impl Taken {
    fn show(&mut self, what: &str) {
        println!(
            "{what}: {} blocks, begun in {:?}",
            self.blocks.len(),
            self.begin
        );
        show("  a block", &mut self.blocks);
        show("  a step between", &mut self.steps);
    }
}

/// On a machine that does other things too the slowest one says little.
fn show(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    let (median, late, slowest) = (at(50), at(99), at(100));
    println!("{what}: median {median:?}, 99 of 100 in {late:?}, slowest {slowest:?}");
    // Many times what a build for tests takes.
    assert!(median < Duration::from_millis(50), "a long stop");
}

impl Broker {
    fn filled(count: u64) -> Self {
        let mut broker = Broker {
            partition: Partition::new(PartitionNumber(0), settings()),
            kept: BTreeMap::new(),
            since: Vec::new(),
            numbered: 0,
            steps: Vec::new(),
        };
        broker.partition.fence(NOW_MS, [7; 32]);
        broker.step(vec![Command::CreateQueue {
            name: "all".into(),
            config: settings().queue_config.into(),
        }]);
        while broker.numbered < count {
            broker.enqueue(EACH);
            broker.since.clear();
        }
        broker
    }

    fn step(&mut self, commands: Vec<Command>) -> Vec<Reply> {
        let began = Instant::now();
        let mut step = self.partition.step(NOW_MS, commands);
        self.steps.push(began.elapsed());
        let replies = std::mem::take(&mut step.replies);
        if !step.records.is_empty() {
            self.since.push(step);
        }
        replies
    }

    fn enqueue(&mut self, count: u64) {
        let messages = (self.numbered..self.numbered + count).map(message);
        self.numbered += count;
        self.step(vec![Command::Enqueue {
            queue: "all".into(),
            messages: messages.collect(),
            atomic: false,
        }]);
    }

    /// First in, first out: some come, as many are received, and acked.
    fn work(&mut self, count: u64) {
        self.enqueue(count);
        let receive = Command::Receive {
            queue: "all".into(),
            group: "default".into(),
            consumer: "".into(),
            members_max: 1000,
            wait_ms: 0,
            messages_max: count as u32,
            visibility_timeout_ms: None,
            answer_bytes_max: 8 << 20,
            attempt: None,
        };
        let received = self.step(vec![receive]).remove(0);
        let Reply::Received { messages, .. } = received else {
            panic!("{received:?}");
        };
        let acks = messages.iter().map(|message| Ack {
            lease: message.lease,
        });
        self.step(acks.map(Command::Ack).collect());
    }

    /// Takes a checkpoint, and works between its blocks.
    fn checkpoint(&mut self) -> (Head, Taken) {
        self.steps.clear();
        self.since.clear();
        let began = Instant::now();
        let begun = self.partition.begin_checkpoint();
        let begin = began.elapsed();
        assert!(begun.is_some(), "none is under way");
        let mut blocks = Vec::new();
        loop {
            let began = Instant::now();
            let block = self.partition.next_block();
            let took = began.elapsed();
            let Some(block) = block else { break };
            blocks.push(took);
            let place = (block.image.kind(), block.index);
            match block.image.is_empty() {
                true => self.kept.remove(&place),
                false => self.kept.insert(place, block),
            };
            self.work(10);
        }
        let steps = std::mem::take(&mut self.steps);
        let head = self.partition.end_checkpoint();
        let taken = Taken {
            begin,
            blocks,
            steps,
        };
        (head, taken)
    }

    fn restored(&self, head: Head) -> (Partition, Duration) {
        let blocks: Vec<Block> = self.kept.values().cloned().collect();
        let began = Instant::now();
        let mut restoration = Restoration::new(head, settings());
        for block in blocks {
            restoration.add(block).expect("a block of the checkpoint");
        }
        let partition = restoration.finish().expect("a whole checkpoint");
        (partition, began.elapsed())
    }
}

fn folded(partition: &Partition) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    partition.fold_state(&mut |bytes| {
        for &byte in bytes {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    });
    hash
}

/// Of the whole process, in MB.
fn resident_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kb = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    kb.unwrap_or_default() / 1024
}

#[test]
fn a_checkpoint_stops_nobody_and_takes_what_changed() {
    let count = messages();
    let mut broker = Broker::filled(count);
    println!("{count} messages, {} MB", resident_mb());

    let (_, mut whole) = broker.checkpoint();
    whole.show("everything");
    let all = whole.blocks.len() as u64;
    assert!(all > count / BLOCK, "every message lies in a block");

    (0..1000).for_each(|_| broker.work(10));
    show("a step without a checkpoint", &mut broker.steps);
    let (head, mut changed) = broker.checkpoint();
    changed.show("what changed");
    let again = changed.blocks.len() as u64;
    let few = all < 100 || again < all / 10;
    assert!(few, "{again} of {all} blocks are taken again");

    let (mut restored, took) = broker.restored(head);
    println!("restored in {took:?}, {} MB with the blocks", resident_mb());
    for step in broker.since.drain(..) {
        let records: &[Record] = &step.records;
        restored.replay(step.lsn, NOW_MS, records);
    }
    assert_eq!(folded(&restored), folded(&broker.partition));
}
