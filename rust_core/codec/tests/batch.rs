//! Batches come back as they were; whatever is not the batch that was written is refused, and says why.

mod records;

use codec::batch::{
    Batch, Draft, FORMAT_VERSION, Fault, HEADER_BYTES, Header, MAGIC, View, verify,
};
use codec::hash;
use codec::record;
use engine::ids::Location;
use engine::record::Record;
use proptest::prelude::*;

const PREVIOUS: [u8; 16] = [3; 16];

fn draft(lsn: u64, payloads: &[Vec<u8>], other: &[Record]) -> (Vec<u8>, Vec<Record>) {
    let mut records: Vec<Record> = other
        .iter()
        .filter(|record| !brings_blob(record))
        .cloned()
        .collect();
    for (number, payload) in (1..).zip(payloads) {
        records.push(Record::Enqueued(enqueued(number, payload.len() as u32)));
    }
    let mut encoded = Vec::new();
    records
        .iter()
        .for_each(|record| record::encode(&mut encoded, record));
    let blobs: Vec<_> = payloads
        .iter()
        .map(|payload| [&payload[..1], &payload[1..], &[]])
        .collect();
    let record_count = records.len() as u32;
    let header = Header {
        lsn,
        epoch: 2,
        now_ms: 1_700_000_000_000,
        previous: PREVIOUS,
        record_count,
    };
    (
        Draft {
            header,
            records: &encoded,
            blobs: &blobs,
        }
        .to_bytes()
        .0,
        records,
    )
}

fn brings_blob(record: &Record) -> bool {
    use Record::{Completed, DeadLettered, Died, Enqueued, Moved, Retried};
    matches!(
        record,
        Enqueued(_)
            | Retried { .. }
            | Died { .. }
            | DeadLettered { .. }
            | Completed { .. }
            | Moved { .. }
    )
}

fn enqueued(number: u64, blob_bytes: u32) -> engine::record::Enqueued {
    engine::record::Enqueued {
        message: engine::ids::MessageId { number, slot: 0 },
        queue: engine::ids::QueueNumber(0),
        priority: 1,
        due_ms: 0,
        expires_at_ms: 0,
        dedup: None,
        ordering_key: None,
        fairness_key: None,
        max_retries: None,
        backoff: None,
        blob_bytes,
    }
}

fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..60), 0..8)
}

/// Writes the right hash under changed bytes.
fn sealed(mut batch: Vec<u8>) -> Vec<u8> {
    let body = batch.len() - 16;
    let hash = hash::batch(&batch[..body]);
    batch[body..].copy_from_slice(&hash);
    batch
}

proptest! {
    #[test]
    fn a_batch_comes_back(payloads in payloads(), other in proptest::collection::vec(records::record(), 0..8)) {
        let (bytes, records) = draft(7, &payloads, &other);
        let batch = Batch::decode(&bytes, 7, &PREVIOUS).unwrap();
        prop_assert_eq!(&batch.records, &records);
        prop_assert_eq!(batch.hash, View::open(&bytes).unwrap().hash().unwrap());
        let (view, mut offset) = (View::open(&bytes).unwrap(), 0);
        for payload in &payloads {
            let at = Location { lsn: 7, offset, length: payload.len() as u32 };
            prop_assert_eq!(view.blob(at).unwrap(), &payload[..]);
            offset += at.length;
        }
        let outside = Location { lsn: 7, offset, length: 1 };
        prop_assert!(view.blob(outside).is_err());
        let far_outside = Location { lsn: 7, offset: u32::MAX, length: u32::MAX };
        prop_assert!(view.blob(far_outside).is_err());
    }

    #[test]
    fn any_change_of_a_byte_is_noticed(payloads in payloads(), at: prop::sample::Index, by in 1..=255u8) {
        let (mut bytes, _) = draft(7, &payloads, &[]);
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        prop_assert!(verify(&bytes).is_err());
    }

    #[test]
    fn a_changed_byte_under_a_right_hash_never_panics(
        payloads in payloads(), other in proptest::collection::vec(records::record(), 0..8),
        at: prop::sample::Index, by in 1..=255u8,
    ) {
        let (mut bytes, _) = draft(7, &payloads, &other);
        let at = at.index(bytes.len() - 16);
        bytes[at] ^= by;
        let _ = Batch::decode(&sealed(bytes), 7, &PREVIOUS);
    }

    #[test]
    fn any_bytes_are_taken(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Batch::decode(&bytes, 1, &PREVIOUS);
        let framed = [&MAGIC[..], &FORMAT_VERSION.to_le_bytes(), &[0, 0], &bytes].concat();
        let _ = Batch::decode(&framed, 1, &PREVIOUS);
    }

    #[test]
    fn every_early_end_is_noticed(payloads in payloads(), at: prop::sample::Index) {
        let (bytes, _) = draft(7, &payloads, &[]);
        let found = verify(&bytes[..at.index(bytes.len())]);
        prop_assert_eq!(found.unwrap_err().reason(), "truncated");
    }
}

#[test]
fn each_fault_has_its_reason() {
    let (good, _) = draft(7, &[b"payload".to_vec()], &[]);
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let reason = |bytes: &[u8], lsn, previous: &[u8; 16]| {
        Batch::decode(bytes, lsn, previous).unwrap_err().reason()
    };
    assert_eq!(reason(&changed(0, b'X'), 7, &PREVIOUS), "magic");
    assert_eq!(reason(&changed(4, 9), 7, &PREVIOUS), "version");
    assert_eq!(reason(&good[..good.len() - 1], 7, &PREVIOUS), "truncated");
    assert_eq!(
        reason(
            &changed(good.len() - 1, good[good.len() - 1] ^ 1),
            7,
            &PREVIOUS
        ),
        "hash"
    );
    assert_eq!(reason(&good, 7, &[4; 16]), "chain");
    assert_eq!(reason(&good, 8, &PREVIOUS), "sequence");
    assert_eq!(
        reason(&[&good[..], &[0]].concat(), 7, &PREVIOUS),
        "malformed"
    );
    assert_eq!(
        reason(&sealed(changed(HEADER_BYTES, 0)), 7, &PREVIOUS),
        "malformed"
    );
    assert_eq!(reason(&sealed(changed(48, 200)), 7, &PREVIOUS), "malformed");
    let too_large = changed(HEADER_BYTES - 1, 4); // 64 MiB of blobs
    assert_eq!(reason(&too_large, 7, &PREVIOUS), "malformed");
}

#[test]
fn a_newer_format_is_refused_politely() {
    let (mut bytes, _) = draft(7, &[], &[]);
    bytes[4..6].copy_from_slice(&(FORMAT_VERSION + 1).to_le_bytes());
    let fault = verify(&bytes).unwrap_err();
    assert_eq!(
        fault,
        Fault::Version {
            found: FORMAT_VERSION + 1
        }
    );
    let text = fault.to_string();
    assert!(
        text.contains(&FORMAT_VERSION.to_string()) && text.contains("newer server"),
        "{text}"
    );
}

#[test]
fn blobs_that_no_record_accounts_for_are_refused() {
    for claimed in [6, 8] {
        let mut records = Vec::new();
        record::encode(&mut records, &Record::Enqueued(enqueued(1, claimed)));
        let header = Header {
            lsn: 1,
            epoch: 1,
            now_ms: 0,
            previous: PREVIOUS,
            record_count: 1,
        };
        let blobs: [codec::blob::Pieces<'_>; 1] = [[b"payload", b"", b""]];
        let draft = Draft {
            header,
            records: &records,
            blobs: &blobs,
        };
        let fault = Batch::decode(&draft.to_bytes().0, 1, &PREVIOUS).unwrap_err();
        assert_eq!(fault.reason(), "malformed", "{claimed} bytes claimed");
    }
}
