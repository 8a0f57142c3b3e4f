//! Making a journal: commands in, framed batches out, and what kinds of record they hold.

use codec::batch::{Draft, Header};
use codec::hash::{BATCH_HASH_NONE, BatchHash};
use codec::record;
use engine::command::{Command, DedupKey, DropLost, Move, NewMessage};
use engine::config::{QueueConfig, Settings};
use engine::ids::{Part, PartitionNumber};
use engine::record::Record;
use engine::reply::{Delivered, Reply, Survivor};
use engine::{Partition, Step};

pub const FOUNDED_MS: u64 = 1_700_000_000_000;
pub const BLOB: [u8; 10] = [b'7'; 10];

pub fn partition() -> Partition {
    let settings = Settings {
        queue_config: QueueConfig::new(30_000, 3),
        queues_max: 100,
        dedup_ids_max: u64::MAX,
        results_bytes_max: u64::MAX,
        segment_bytes: 64 << 20,
    };
    Partition::new(PartitionNumber(0), settings)
}

pub fn message() -> NewMessage {
    NewMessage::plain(BLOB.len() as u32)
}

pub fn with_dedup(hash: u128) -> NewMessage {
    let fingerprint = 1;
    NewMessage {
        dedup: Some(DedupKey {
            hash,
            fingerprint,
            until_done: false,
        }),
        ..message()
    }
}

pub fn enqueue(queue: &str, messages: Vec<NewMessage>) -> Command {
    Command::Enqueue {
        queue: queue.into(),
        messages,
        atomic: false,
    }
}

pub fn receive(queue: &str, messages_max: u32) -> Command {
    Command::Receive {
        queue: queue.into(),
        group: "default".into(),
        consumer: "worker-1".into(),
        members_max: 9,
        wait_ms: 0,
        messages_max,
        visibility_timeout_ms: None,
        answer_bytes_max: 1 << 20,
        attempt: None,
    }
}

pub fn create(name: &str, config: QueueConfig) -> Command {
    Command::CreateQueue {
        name: name.into(),
        config: config.into(),
    }
}

/// Writes a journal while it makes one.
pub struct Writer {
    partition: Partition,
    now_ms: u64,
    previous: BatchHash,
    pub journal: Vec<u8>,
    pub kinds: Vec<&'static str>,
}

impl Writer {
    pub fn new() -> Self {
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

    /// A message whose envelope is written again, as if it stood in the journal's way.
    pub fn moved(&mut self, queue: &str) {
        let accepted = match self
            .step(1, vec![enqueue(queue, vec![message()])])
            .remove(0)
        {
            Reply::Enqueued(results) => results[0].clone().expect("accepted"),
            other => panic!("{other:?}"),
        };
        let asked = Command::GetMessage {
            message: accepted.message,
        };
        let at = match self.step(0, vec![asked]).remove(0) {
            Reply::Message(view) => view.envelope,
            other => panic!("{other:?}"),
        };
        let survivor = Survivor {
            message: accepted.message,
            part: Part::Envelope,
            at,
        };
        let blob = message().blob;
        let moves = vec![Move { survivor, blob }];
        self.step(1, vec![Command::Move { moves }]);
    }

    /// A message that the journal loses, with a dedup id; there must be no other yet.
    pub fn lost(&mut self, queue: &str) {
        self.step(1, vec![enqueue(queue, vec![with_dedup(1)])]);
        let drop = DropLost {
            before_lsn: self.partition.lsn() + 1,
            from_slot: 0,
            text: message().blob,
        };
        self.step(1, vec![Command::DropLost(drop)]);
    }

    pub fn fence(&mut self) {
        let step = self.partition.fence(self.now_ms, [7; 32]);
        self.append(&step);
    }

    pub fn step(&mut self, wait_ms: u64, commands: Vec<Command>) -> Vec<Reply> {
        self.now_ms += wait_ms;
        let step = self.partition.step(self.now_ms, commands);
        self.append(&step);
        step.replies
    }

    pub fn received(&mut self, queue: &str, messages_max: u32) -> Vec<Delivered> {
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

fn kind_of_sweep(record: &Record) -> &'static str {
    match record {
        Record::SweepStarted { .. } => "SweepStarted",
        Record::SweepAdvanced { .. } => "SweepAdvanced",
        Record::SweepEnded { .. } => "SweepEnded",
        Record::SweepForgotten { .. } => "SweepForgotten",
        Record::Redriven { .. } => "Redriven",
        _ => unreachable!("every other kind is named elsewhere"),
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
        Record::GroupCreated { .. } => "GroupCreated",
        Record::MemberJoined { .. } => "MemberJoined",
        Record::MemberLeft { .. } => "MemberLeft",
        Record::Reassigned { .. } => "Reassigned",
        Record::Returned { .. } => "Returned",
        Record::QueueDeleted { .. } => "QueueDeleted",
        Record::Reaped { .. } => "Reaped",
        Record::Forgotten { .. } => "Forgotten",
        Record::Enqueued(_) => "Enqueued",
        Record::Due { .. } => "Due",
        Record::Leased { .. } => "Leased",
        Record::Changed { .. } => "Changed",
        Record::Deleted { .. } => "Deleted",
        Record::Retired { .. } => "Retired",
        Record::Acked { .. } => "Acked",
        Record::Completed { .. } => "Completed",
        Record::Moved { .. } => "Moved",
        Record::Lost { .. } => "Lost",
        Record::FollowedUp { .. } => "FollowedUp",
        Record::ResultsEvicted { .. } => "ResultsEvicted",
        Record::ResultsForgotten { .. } => "ResultsForgotten",
        Record::Retried { .. } => "Retried",
        Record::Extended { .. } => "Extended",
        Record::Released { .. } => "Released",
        Record::Died { .. } => "Died",
        Record::DeadLettered { .. } => "DeadLettered",
        other => kind_of_sweep(other),
    }
}
