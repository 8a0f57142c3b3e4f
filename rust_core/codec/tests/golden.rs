//! Recordings of every on-disk format load for ever. `HANZO_RECORD=1 cargo test -p codec --test golden` writes the
//! newest one when it is not there; an existing recording is never written again.
#![allow(clippy::disallowed_methods)] // a test of files reads files

mod finished;
mod grouped;
mod said;
mod swept;

use codec::batch::{Batch, Draft, FORMAT_VERSION, FORMAT_VERSION_OLDEST, Header, View};
use codec::hash::BATCH_HASH_NONE;
use codec::{envelope, record};
use engine::config::{Backoff, Fairness, QueueConfig, RateLimit, Scheduling, Weight};
use engine::ids::{GROUP_DEFAULT, Location, MessageId, QueueNumber};
use engine::record::{DeathReason, DedupEntry, Enqueued, FailureCause, Lease, Paused, Record};
use said::says;
use std::fmt::Write;
use std::path::PathBuf;

const PAYLOAD: &[u8] = br#"{"to": "user@example.com", "amount": 1.10}"#;
const METADATA: &[u8] = br#"{"source":"golden"}"#;
const ERROR: &str = "connection refused";

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/golden")
        .join(name)
}

fn message(number: u64) -> MessageId {
    MessageId {
        number,
        slot: number as u32 * 300,
    }
}

fn config() -> QueueConfig {
    QueueConfig {
        max_retries: 3,
        visibility_timeout_ms: 30_000,
        dead_letter_queue: Some("email-dlq".into()),
        rate_limit: Some(RateLimit {
            requests: 100,
            per_ms: 1000,
            burst: 200,
        }),
        scheduling: Scheduling::Fair { aging_ms: 60_000 },
        backoff: Backoff {
            initial_ms: 1000,
            multiplier_permille: 2000,
            max_ms: 600_000,
            jitter_permille: 200,
        },
        dedup_window_ms: 300_000,
        delay_ms: 0,
        ttl_ms: 86_400_000,
        ..QueueConfig::new(30_000, 3)
    }
}

/// Every setting that came with format 2.
fn tagged() -> QueueConfig {
    let limit = |requests| {
        Some(RateLimit {
            requests,
            per_ms: 60_000,
            burst: 2 * requests,
        })
    };
    let weight = |key: &str, hash, weight| Weight {
        key: key.into(),
        hash,
        weight,
    };
    QueueConfig {
        consumer_rate_limit: limit(10),
        key_rate_limit: limit(11),
        ingress_limit: limit(12),
        fairness: Fairness {
            weights: vec![weight("tenant-7", 5, 10), weight("tenant-8", 6, 2)],
            in_flight_max: 4,
        },
        messages_max: 1_000_000,
        in_flight_max: 500,
        dead_retention_ms: 604_800_000,
        result_retention_ms: 0,
        session_timeout_ms: 10_000,
        ..strict()
    }
}

fn strict() -> QueueConfig {
    QueueConfig {
        dead_letter_queue: None,
        rate_limit: None,
        scheduling: Scheduling::Strict,
        ..config()
    }
}

fn blob() -> Vec<u8> {
    let texts = envelope::Texts {
        dedup_id: Some("welcome-user-123"),
        ordering_key: Some("user-123"),
        fairness_key: Some("tenant-7"),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    };
    let mut blob = Vec::new();
    envelope::put_head(&mut blob, &texts, METADATA.len());
    [&blob, METADATA, PAYLOAD].concat()
}

fn enqueued(blob_bytes: usize) -> [Record; 2] {
    let full = Enqueued {
        message: message(1),
        queue: QueueNumber(0),
        priority: 200,
        due_ms: 1_700_000_060_000,
        expires_at_ms: 1_700_086_400_000,
        dedup: Some(DedupEntry {
            hash: 1 << 100,
            fingerprint: 77,
            expires_at_ms: 1_700_000_300_000,
        }),
        ordering_key: Some(u64::MAX),
        fairness_key: Some(5),
        max_retries: Some(9),
        backoff: Some(Backoff {
            initial_ms: 250,
            multiplier_permille: 1500,
            max_ms: 60_000,
            jitter_permille: 0,
        }),
        blob_bytes: blob_bytes as u32,
    };
    let bare = Enqueued {
        message: message(2),
        expires_at_ms: 0,
        dedup: None,
        ordering_key: None,
        fairness_key: None,
        max_retries: None,
        backoff: None,
        blob_bytes: 6,
        ..full
    };
    [Record::Enqueued(full), Record::Enqueued(bare)]
}

/// Every variant, and every value of their enums.
fn records(blob_bytes: usize) -> Vec<Record> {
    let (queue, group, error_bytes) = (QueueNumber(0), GROUP_DEFAULT, ERROR.len() as u32);
    let retried = |number, cause, error_bytes| Record::Retried {
        message: message(number),
        group,
        cause,
        due_ms: 1_700_000_061_000,
        priority: 1,
        error_bytes,
    };
    let died = |number, reason| Record::Died {
        message: message(number),
        reason,
        error_bytes: 0,
    };
    let leases = vec![
        Lease {
            message: message(1),
            delivery: 1,
        },
        Lease {
            message: message(2),
            delivery: 130,
        },
    ];
    let mut records = founding(queue);
    records.extend(enqueued(blob_bytes));
    records.extend([
        Record::Due {
            message: message(1),
        },
        Record::Leased {
            attempt: None,
            queue,
            group,
            consumer: "worker-1".into(),
            until_ms: 1_700_000_090_000,
            messages: leases,
        },
        Record::Extended {
            message: message(1),
            group,
            until_ms: 1_700_000_120_000,
        },
        Record::Released {
            message: message(2),
            group,
            since_ms: 1_700_000_000_000,
        },
        Record::Postponed {
            message: message(2),
            group,
            due_ms: 1_700_000_030_000,
        },
        retried(1, FailureCause::Nack, error_bytes),
        retried(2, FailureCause::LeaseEnded, 0),
        Record::Acked {
            message: message(1),
            group,
        },
        died(3, DeathReason::RetriesExhausted),
        died(4, DeathReason::LeaseEnded),
        died(5, DeathReason::Expired),
        Record::DeadLettered {
            message: message(6),
            reason: DeathReason::Rejected,
            error_bytes,
            queue: QueueNumber(1),
            dead_letter: message(7),
        },
    ]);
    records.extend(finished::results(error_bytes));
    records.extend(managed(queue));
    records.extend(swept::swept(queue));
    records.extend(grouped::of_groups(queue));
    records.extend(taken_away(queue));
    records
}

fn taken_away(queue: QueueNumber) -> [Record; 3] {
    [
        Record::Forgotten {
            queue,
            dedup_entries: 1,
        },
        Record::QueueDeleted { queue },
        Record::Reaped {
            queue,
            count: 2,
            dedup_entries: 1,
        },
    ]
}

/// Owners, queues and their settings.
fn founding(queue: QueueNumber) -> Vec<Record> {
    vec![
        Record::Founded {
            secret: std::array::from_fn(|index| index as u8),
        },
        Record::Fenced { epoch: 1 },
        Record::QueueCreated {
            queue,
            name: "email-notifications".into(),
            config: config().into(),
        },
        Record::QueueCreated {
            queue: QueueNumber(1),
            name: "email-dlq".into(),
            config: strict().into(),
        },
        Record::QueueUpdated {
            queue,
            config: strict().into(),
        },
        Record::QueueUpdated {
            queue,
            config: tagged().into(),
        },
    ]
}

/// What people do to queues and messages.
fn managed(queue: QueueNumber) -> Vec<Record> {
    let paused = |enqueue, receive| Record::QueuePaused {
        queue,
        paused: Paused { enqueue, receive },
    };
    let changed = |due_ms| Record::Changed {
        message: message(2),
        priority: 9,
        due_ms,
    };
    vec![
        paused(true, false),
        paused(false, true),
        Record::QueuePurged {
            queue,
            fresh: QueueNumber(2),
        },
        changed(None),
        changed(Some(1_700_000_060_000)),
        Record::Deleted {
            message: message(2),
        },
        Record::Retired { queue, count: 300 },
    ]
}

fn written() -> Vec<u8> {
    let blob = blob();
    let records = records(blob.len());
    let mut encoded = Vec::new();
    records
        .iter()
        .for_each(|record| record::encode(&mut encoded, record));
    let (bare, error): (&[u8], &[u8]) = (&[0, 0, 0, 0, 0, b'1'], ERROR.as_bytes());
    let mut blobs = vec![[&blob[..], &[], &[]], [bare, &[], &[]]];
    blobs.extend([[error, &[], &[]]; 4]);
    let header = Header {
        lsn: 1,
        epoch: 1,
        now_ms: 1_700_000_000_000,
        previous: BATCH_HASH_NONE,
        record_count: records.len() as u32,
    };
    Draft {
        header,
        records: &encoded,
        blobs: &blobs,
    }
    .to_bytes()
    .0
}

/// What a batch holds, in text: a recording is judged by what it meant when it was made.
fn meaning(bytes: &[u8]) -> String {
    let batch = Batch::decode(bytes, 1, &BATCH_HASH_NONE).expect("a recording decodes");
    let mut text = format!("{:?}\n", batch.header);
    for record in &batch.records {
        writeln!(text, "{record:?}").expect("text grows");
    }
    text
}

fn check(version: u16) {
    let (batch, account) = (
        path(&format!("batch-v{version}.bin")),
        path(&format!("batch-v{version}.txt")),
    );
    if std::env::var_os("HANZO_RECORD").is_some() && !batch.exists() {
        assert_eq!(version, FORMAT_VERSION, "only the newest format is written");
        std::fs::write(&batch, written()).expect("the recording can be written");
        std::fs::write(&account, meaning(&written())).expect("its account can be written");
    }
    let bytes = std::fs::read(batch).expect("the recording is there");
    let then = std::fs::read_to_string(account).expect("its account is there");
    let today = meaning(&bytes);
    assert!(says(&today, &then), "then:\n{then}\ntoday:\n{today}");
}

#[test]
fn every_format_means_what_it_meant() {
    (FORMAT_VERSION_OLDEST..=FORMAT_VERSION).for_each(check);
}

#[test]
fn an_account_that_lacks_something_is_told_from_one_that_grew() {
    let then = "Due { message: 1, slot: 2 }";
    assert!(says("Due { message: 1, slot: 2, group: 0 }", then));
    assert!(!says("Due { message: 1, group: 0 }", then));
    assert!(!says("Due { message: 1, slot: 3 }", then));
}

#[test]
fn the_newest_recording_is_what_is_written_today() {
    assert_eq!(
        std::fs::read(path(&format!("batch-v{FORMAT_VERSION}.bin")))
            .expect("the recording is there"),
        written()
    );
}

#[test]
fn its_blobs_are_where_they_were() {
    let bytes = std::fs::read(path(&format!("batch-v{FORMAT_VERSION}.bin")))
        .expect("the recording is there");
    let view = View::open(&bytes).expect("a recording opens");
    let length = blob().len() as u32;
    let envelope = envelope::decode(
        view.blob(Location {
            lsn: 1,
            offset: 0,
            length,
        })
        .unwrap(),
    )
    .unwrap();
    assert_eq!(
        (envelope.payload, envelope.metadata),
        (PAYLOAD, Some(METADATA))
    );
    assert_eq!(envelope.texts.ordering_key, Some("user-123"));
    let error = view.blob(Location {
        lsn: 1,
        offset: length + 6,
        length: ERROR.len() as u32,
    });
    assert_eq!(error.unwrap(), ERROR.as_bytes());
}
