//! A recorded journal is replayed for ever, and then answers as it answered: what a replay makes of old records hangs
//! on no constant of today. `HANZO_RECORD=1 cargo test -p codec --test golden_journal` writes it when it is not there.
#![allow(clippy::disallowed_methods)] // a test of files reads files

mod said;

use codec::batch::{Batch, Draft, FORMAT_VERSION, FORMAT_VERSION_OLDEST, Header};
use codec::hash::{BATCH_HASH_NONE, BatchHash};
use codec::record;
use engine::command::{
    Ack, Blob, Command, ConfigPatch, DedupKey, Extend, Nack, NewMessage, PeekState, Release,
};
use engine::config::{QueueConfig, RateLimit, Settings};
use engine::ids::PartitionNumber;
use engine::record::{Paused, Record};
use engine::reply::{Delivered, Reply};
use engine::{Partition, Step};
use said::says;
use std::fmt::Write;
use std::path::PathBuf;

const FOUNDED_MS: u64 = 1_700_000_000_000;
const BLOB: [u8; 10] = [b'7'; 10];

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

fn partition() -> Partition {
    let settings = Settings {
        queue_config: QueueConfig::new(30_000, 3),
        queues_max: 100,
    };
    Partition::new(PartitionNumber(0), settings)
}

fn message() -> NewMessage {
    NewMessage {
        priority: 1,
        delay_ms: None,
        ttl_ms: None,
        dedup: None,
        ordering_key: None,
        fairness_key: None,
        max_retries: None,
        blob: Blob {
            index: 0,
            length: BLOB.len() as u32,
        },
    }
}

fn with_dedup(hash: u128) -> NewMessage {
    let fingerprint = 1;
    NewMessage {
        dedup: Some(DedupKey { hash, fingerprint }),
        ..message()
    }
}

fn enqueue(queue: &str, messages: Vec<NewMessage>) -> Command {
    Command::Enqueue {
        queue: queue.into(),
        messages,
        atomic: false,
    }
}

fn receive(queue: &str, messages_max: u32) -> Command {
    Command::Receive {
        queue: queue.into(),
        group: "default".into(),
        consumer: "worker-1".into(),
        messages_max,
        visibility_timeout_ms: None,
        answer_bytes_max: 1 << 20,
    }
}

fn create(name: &str, config: QueueConfig) -> Command {
    Command::CreateQueue {
        name: name.into(),
        config,
    }
}

/// Writes a journal while it makes one.
struct Writer {
    partition: Partition,
    now_ms: u64,
    previous: BatchHash,
    journal: Vec<u8>,
    kinds: Vec<&'static str>,
}

impl Writer {
    fn new() -> Self {
        let mut writer = Writer {
            partition: partition(),
            now_ms: FOUNDED_MS,
            previous: BATCH_HASH_NONE,
            journal: Vec::new(),
            kinds: Vec::new(),
        };
        writer.fence();
        writer
    }

    fn fence(&mut self) {
        let step = self.partition.fence(self.now_ms, [7; 32]);
        self.append(&step);
    }

    fn step(&mut self, wait_ms: u64, commands: Vec<Command>) -> Vec<Reply> {
        self.now_ms += wait_ms;
        let step = self.partition.step(self.now_ms, commands);
        self.append(&step);
        step.replies
    }

    fn received(&mut self, queue: &str, messages_max: u32) -> Vec<Delivered> {
        match self.step(1, vec![receive(queue, messages_max)]).remove(0) {
            Reply::Received { messages, .. } => messages,
            other => panic!("{other:?}"),
        }
    }

    fn append(&mut self, step: &Step) {
        if step.records.is_empty() {
            return;
        }
        let mut records = Vec::new();
        for record in &step.records {
            record::encode(&mut records, record);
            self.kinds.push(kind(record));
        }
        let blobs: Vec<[&[u8]; 3]> = step.blobs.iter().map(|_| [&BLOB[..], &[], &[]]).collect();
        let header = Header {
            lsn: step.lsn,
            epoch: self.partition.epoch(),
            now_ms: self.now_ms,
            previous: self.previous,
            record_count: step.records.len() as u32,
        };
        let draft = Draft {
            header,
            records: &records,
            blobs: &blobs,
        };
        let (batch, hash) = draft.to_bytes();
        self.previous = hash;
        self.journal.extend((batch.len() as u32).to_le_bytes());
        self.journal.extend(batch);
    }
}

fn kind(record: &Record) -> &'static str {
    match record {
        Record::Founded { .. } => "Founded",
        Record::Fenced { .. } => "Fenced",
        Record::QueueCreated { .. } => "QueueCreated",
        Record::QueueUpdated { .. } => "QueueUpdated",
        Record::QueuePaused { .. } => "QueuePaused",
        Record::QueuePurged { .. } => "QueuePurged",
        Record::QueueDeleted { .. } => "QueueDeleted",
        Record::Reaped { .. } => "Reaped",
        Record::Forgotten { .. } => "Forgotten",
        Record::Enqueued(_) => "Enqueued",
        Record::Due { .. } => "Due",
        Record::Leased { .. } => "Leased",
        Record::Changed { .. } => "Changed",
        Record::Deleted { .. } => "Deleted",
        Record::Acked { .. } => "Acked",
        Record::Retried { .. } => "Retried",
        Record::Extended { .. } => "Extended",
        Record::Released { .. } => "Released",
        Record::Died { .. } => "Died",
        Record::DeadLettered { .. } => "DeadLettered",
    }
}

/// A bit of everything.
fn written() -> Writer {
    let mut writer = Writer::new();
    let config = QueueConfig {
        dead_letter_queue: Some("mails-dlq".into()),
        dedup_window_ms: 10_000,
        ..QueueConfig::new(30_000, 3)
    };
    let limited = QueueConfig {
        rate_limit: Some(RateLimit {
            requests: 5,
            per_ms: 60_000,
            burst: 2,
        }),
        ..QueueConfig::new(30_000, 0)
    };
    writer.step(0, vec![create("mails", config), create("limited", limited)]);
    writer.step(0, vec![create("gone", QueueConfig::new(30_000, 3))]);
    let keyed = |delay_ms| NewMessage {
        ordering_key: Some(5),
        delay_ms,
        max_retries: Some(0),
        ..message()
    };
    let expiring = NewMessage {
        ttl_ms: Some(5000),
        priority: 9,
        ..message()
    };
    let mails = vec![
        keyed(Some(1000)),
        keyed(None),
        expiring,
        with_dedup(1),
        with_dedup(2),
        message(),
        message(),
    ];
    writer.step(
        5,
        vec![
            enqueue("mails", mails),
            enqueue("limited", vec![message(); 4]),
        ],
    );
    writer.step(
        5,
        vec![enqueue("gone", (0..1100).map(with_dedup).collect())],
    );
    leases(&mut writer);
    let delete = Command::DeleteQueue {
        name: "gone".into(),
    };
    writer.step(1, vec![delete]);
    (0..3).for_each(|_| {
        writer.step(0, vec![]);
    });
    let patch = ConfigPatch {
        dedup_window_ms: Some(60_000),
        ..ConfigPatch::default()
    };
    let name = "mails".into();
    writer.step(11_000, vec![Command::UpdateQueue { name, patch }]);
    writer.step(0, vec![enqueue("mails", vec![with_dedup(3)])]);
    writer.step(30_000, vec![]);
    managed(&mut writer);
    writer.fence();
    writer
}

/// What people do to queues and messages.
fn managed(writer: &mut Writer) {
    let enqueued = enqueue("managed", vec![message(), with_dedup(9)]);
    let commands = vec![create("managed", QueueConfig::new(30_000, 3)), enqueued];
    let Reply::Enqueued(accepted) = writer.step(1, commands).remove(1) else {
        panic!("nothing was accepted")
    };
    let accepted = accepted
        .into_iter()
        .map(|one| one.expect("accepted").message);
    let messages: Vec<_> = accepted.collect();
    let change = Command::ChangeMessage {
        message: messages[0],
        delay_ms: Some(60_000),
        priority: Some(7),
    };
    let delete = Command::DeleteMessage {
        message: messages[1],
    };
    writer.step(1, vec![change, delete]);
    let name: Box<str> = "managed".into();
    let what = Paused {
        enqueue: false,
        receive: true,
    };
    let purge = Command::PurgeQueue { name: name.clone() };
    let more = enqueue("managed", vec![with_dedup(9), message()]);
    writer.step(1, vec![purge, Command::PauseQueue { name, what }, more]);
}

fn leases(writer: &mut Writer) {
    let held = writer.received("mails", 5);
    let [expiring, one, two, three, four] = &held[..] else {
        panic!("five are ready")
    };
    let error = Some(Blob {
        index: 0,
        length: BLOB.len() as u32,
    });
    let nack = |delivered: &Delivered, reject| {
        Command::Nack(Nack {
            lease: delivered.lease,
            delay_ms: Some(500),
            priority: Some(3),
            error,
            reject,
        })
    };
    let leases = vec![Release {
        lease: four.lease,
        ready_since_ms: four.ready_since_ms,
    }];
    let commands = vec![
        Command::Ack(Ack { lease: one.lease }),
        nack(two, false),
        nack(three, true),
        Command::Extend(Extend {
            lease: expiring.lease,
            visibility_timeout_ms: Some(60_000),
        }),
        Command::Release { leases },
    ];
    writer.step(2, commands);
    for delivered in writer.received("limited", 2) {
        writer.step(1, vec![nack(&delivered, false)]);
    }
}

/// What the replayed partition answers.
fn account(journal: &[u8]) -> String {
    let (mut partition, mut previous, mut rest) = (partition(), BATCH_HASH_NONE, journal);
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (bytes, tail) = tail.split_at(u32::from_le_bytes(*length) as usize);
        let batch =
            Batch::decode(bytes, partition.lsn() + 1, &previous).expect("a recording decodes");
        partition.replay(batch.header.lsn, batch.header.now_ms, &batch.records);
        (previous, rest) = (batch.hash, tail);
    }
    let now_ms = partition.now_ms();
    let mut text = format!(
        "lsn {} epoch {} now {now_ms}\n",
        partition.lsn(),
        partition.epoch()
    );
    let mut commands = vec![Command::ListQueues {
        after: None,
        limit: 9,
    }];
    for queue in ["mails", "mails-dlq", "limited", "managed"] {
        for state in [
            PeekState::Ready,
            PeekState::Delayed,
            PeekState::Leased,
            PeekState::Dead,
        ] {
            commands.push(Command::Peek {
                queue: queue.into(),
                state,
                after: None,
                limit: 9,
                answer_bytes_max: 1 << 20,
            });
        }
    }
    commands.push(enqueue("mails", (1..4).map(with_dedup).collect()));
    commands.extend(["mails", "mails-dlq", "limited"].map(|queue| receive(queue, 9)));
    for command in commands {
        let reply = partition.step(now_ms, vec![command]).replies.remove(0);
        writeln!(text, "{reply:?}").expect("text grows");
    }
    text
}

fn check(version: u16) {
    let (journal, answers) = (
        path(&format!("journal-v{version}.bin")),
        path(&format!("journal-v{version}.txt")),
    );
    if std::env::var_os("HANZO_RECORD").is_some() && !journal.exists() {
        assert_eq!(version, FORMAT_VERSION, "only the newest format is written");
        let written = written().journal;
        std::fs::write(&journal, &written).expect("the recording can be written");
        std::fs::write(&answers, account(&written)).expect("its account can be written");
    }
    let journal = std::fs::read(journal).expect("the recording is there");
    let then = std::fs::read_to_string(answers).expect("its account is there");
    let today = account(&journal);
    assert!(says(&today, &then), "then:\n{then}\ntoday:\n{today}");
}

#[test]
fn a_journal_of_every_format_answers_as_it_answered() {
    (FORMAT_VERSION_OLDEST..=FORMAT_VERSION).for_each(check);
}

#[test]
fn the_recording_has_every_kind_of_record() {
    let mut kinds = written().kinds;
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds.len(), 20, "{kinds:?}");
}
