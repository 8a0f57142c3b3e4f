//! What the codec does for 100 messages of 1 KB, and for one: bodies to commands, records and payloads to a batch, a
//! batch back to records, and a receive's answer with payloads and receipts.

#![allow(missing_docs)]

use std::hint::black_box;

use codec::batch::{Batch, Draft, Header};
use codec::blob::Pieces;
use codec::hash::{BATCH_HASH_NONE, BatchHash};
use codec::json::Limits;
use codec::json::answer::{Answer, Batches, Context};
use codec::json::request::{Ask, Receive, Request, Requests};
use codec::record;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use engine::command::Command;
use engine::config::{QueueConfig, Settings};
use engine::ids::PartitionNumber;
use engine::{Partition, Step};

const QUEUE: &str = "orders";
const NOW_MS: u64 = 1_700_000_000_000;
const SECRET: [u8; 32] = [7; 32];

fn requests() -> Requests {
    let limits = Limits::from_table(|name| match name {
        "payload_depth_max" | "batch_entries_max" => Some(100),
        _ => Some(1_000_000),
    });
    Requests {
        limits: limits.expect("every limit is there"),
        config_default: QueueConfig::new(30_000, 3),
        payload_limit_source: "HANZO_MAX_PAYLOAD".into(),
    }
}

fn body(messages: usize) -> Vec<u8> {
    let one = format!("{{\"payload\":\"{}\"}}", "x".repeat(1022));
    match messages {
        1 => one.into_bytes(),
        _ => format!("{{\"messages\":[{}]}}", vec![one; messages].join(",")).into_bytes(),
    }
}

fn parse(requests: &Requests, body: &[u8], messages: usize) -> Request {
    let read = match messages {
        1 => requests.enqueue(QUEUE, body),
        _ => requests.enqueue_batch(QUEUE, body),
    };
    read.expect("a body without faults")
}

fn command(ask: &Ask) -> Command {
    match ask {
        Ask::Plain(command) | Ask::EnqueueOne(command) => command.clone(),
        _ => panic!("no receipts here"),
    }
}

/// An engine with one queue, and the number of its next batch.
fn partition() -> Partition {
    let settings = Settings {
        queue_config: QueueConfig::new(30_000, 3),
        queues_max: 10,
        dedup_ids_max: u64::MAX,
        results_bytes_max: u64::MAX,
        segment_bytes: 64 << 20,
    };
    let mut partition = Partition::new(PartitionNumber(0), settings);
    partition.fence(NOW_MS, SECRET);
    let config = QueueConfig::new(30_000, 3);
    let name = QUEUE.into();
    partition.step(
        NOW_MS,
        vec![Command::CreateQueue {
            name,
            config: config.into(),
        }],
    );
    partition
}

fn encode(step: &Step, blobs: &[Pieces<'_>]) -> (Vec<u8>, BatchHash) {
    let mut records = Vec::new();
    for record in &step.records {
        record::encode(&mut records, record);
    }
    let header = Header {
        lsn: step.lsn,
        epoch: 1,
        now_ms: NOW_MS,
        previous: BATCH_HASH_NONE,
        record_count: step.records.len() as u32,
    };
    let draft = Draft {
        header,
        records: &records,
        blobs,
    };
    draft.to_bytes()
}

fn messages(criterion: &mut Criterion) {
    for count in [1, 100] {
        let (requests, body) = (requests(), body(count));
        let request = parse(&requests, &body, count);
        let mut partition = partition();
        let step = partition.step(NOW_MS, vec![command(&request.ask)]);
        let blobs: Vec<Pieces<'_>> = (0..count)
            .map(|index| request.blobs.pieces(&body, index))
            .collect();
        let (batch, _) = encode(&step, &blobs);

        let mut group = criterion.benchmark_group(format!("codec, {count} x 1 KB"));
        group.throughput(Throughput::Elements(count as u64));
        group.bench_function("parse the body", |bencher| {
            bencher.iter(|| parse(&requests, black_box(&body), count));
        });
        group.bench_function("write the batch", |bencher| {
            bencher.iter(|| encode(black_box(&step), &blobs));
        });
        group.bench_function("read the batch", |bencher| {
            bencher.iter(|| Batch::decode(black_box(&batch), step.lsn, &BATCH_HASH_NONE));
        });
        let answer = received(&requests, &mut partition, count);
        assert_eq!(answer.message_count(), count);
        group.bench_function("write the answer of a receive", |bencher| {
            bencher.iter(|| {
                let mut batches = Batches::default();
                batches.add(step.lsn, &batch).expect("a batch");
                let json = answer.render(&batches).expect("every payload is there");
                json.to_bytes()
            });
        });
        group.finish();
    }
}

fn received(requests: &Requests, partition: &mut Partition, count: usize) -> Answer {
    let receive = Receive {
        group: None,
        consumer: None,
        wait_ms: 0,
        messages_max: Some(count as i64),
        attempt: None,
        visibility_timeout_ms: None,
    };
    let request = requests.receive(QUEUE, receive).expect("a valid receive");
    let mut step = partition.step(NOW_MS, vec![command(&request.ask)]);
    let context = Context {
        partition: PartitionNumber(0),
        secret: SECRET,
        epoch: 1,
        now_ms: NOW_MS,
    };
    Answer::replied(&request.ask, context, step.replies.remove(0))
}

criterion_group!(benches, messages);
criterion_main!(benches);
