//! One entry a decoder: any bytes in, no panic out, and what was understood is understood the same way again.
//! The fuzzer (rust_core/fuzz) and the property tests (hostile.rs) share them.

use codec::batch::{Batch, Draft, FORMAT_VERSION, View, verify};
use codec::hash;
use codec::json::request::{Peek, Receive, Request, Requests};
use codec::json::{Invalid, Limits, partition_of_message};
use codec::receipt::Receipt;
use codec::varint::Reader;
use codec::{checkpoint, envelope, id, record};
use engine::checkpoint::{Block, Head, Restoration};
use engine::config::{QueueConfig, Settings};
use engine::ids::PartitionNumber;

/// A batch as it comes, and the same bytes under the hash they would need.
pub fn batch(bytes: &[u8]) {
    let _ = verify(bytes);
    decode_batch(bytes);
    if bytes.len() >= 16 {
        let mut sealed = bytes.to_vec();
        let body = sealed.len() - 16;
        let hash = hash::batch(&sealed[..body]);
        sealed[body..].copy_from_slice(&hash);
        decode_batch(&sealed);
    }
}

fn decode_batch(bytes: &[u8]) {
    let Ok(view) = View::open(bytes) else { return };
    let Ok(batch) = Batch::decode(bytes, view.header.lsn, &view.header.previous) else {
        return;
    };
    if bytes[4..6] != FORMAT_VERSION.to_le_bytes() {
        return;
    }
    let mut records = Vec::new();
    batch
        .records
        .iter()
        .for_each(|record| record::encode(&mut records, record));
    let blobs = &bytes[codec::batch::HEADER_BYTES + records.len()..bytes.len() - 16];
    let again = Draft {
        header: batch.header,
        records: &records,
        blobs: &[[blobs, &[], &[]]],
    }
    .to_bytes();
    assert_eq!(
        again,
        (bytes.to_vec(), batch.hash),
        "what decodes encodes back"
    );
}

/// One record.
pub fn one_record(bytes: &[u8]) {
    let mut reader = Reader::new(bytes);
    let Ok(read) = record::decode(&mut reader) else {
        return;
    };
    let mut again = Vec::new();
    record::encode(&mut again, &read);
    assert_eq!(
        again,
        &bytes[..bytes.len() - reader.remaining()],
        "what decodes encodes back"
    );
}

/// A message's blob.
pub fn one_envelope(bytes: &[u8]) {
    let Ok(read) = envelope::decode(bytes) else {
        return;
    };
    let mut again = Vec::new();
    let metadata = read.metadata.unwrap_or(&[]);
    envelope::put_head(&mut again, &read.texts, metadata.len());
    again.extend_from_slice(metadata);
    again.extend_from_slice(read.payload);
    assert_eq!(again, bytes, "what decodes encodes back");
}

/// An id's or a receipt's text.
pub fn names(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    if let Some((partition, message)) = id::decode(text) {
        assert_eq!(&id::encode(partition, message), bytes, "an id has one text");
    }
    if let Some(receipt) = Receipt::decode(text) {
        assert!(
            !receipt.verify(receipt.claim().partition, &[9; 32]),
            "nobody knows that secret"
        );
    }
    let _ = partition_of_message(text);
}

/// Requests with limits that are easily reached.
pub fn requests() -> Requests {
    let limits = Limits::from_table(|name| match name {
        "batch_entries_max" => Some(3),
        "payload_depth_max" => Some(100),
        _ => Some(5000),
    });
    Requests {
        limits: limits.expect("every limit is there"),
        config_default: QueueConfig::new(1000, 3),
        payload_limit_source: "HANZO_MAX_PAYLOAD".into(),
    }
}

/// A body, as every kind of request. What is accepted refers to bytes that are there; and whatever the reader of plain
/// bodies says of one, the careful one says of the same with an escape in its first name, which sends it there.
pub fn bodies(bytes: &[u8]) {
    let requests = requests();
    let said = what_is_said(&requests, bytes);
    if let Some(doubtful) = with_escaped_name(bytes) {
        let careful = what_is_said(&requests, &doubtful);
        assert_eq!(said, careful, "{}", bytes.escape_ascii());
    }
    let text = std::str::from_utf8(bytes).unwrap_or("q");
    let _ = requests.queue_of_body(bytes);
    let peek = Peek {
        state: Some(text),
        after: Some(text),
        ordering_key: Some(text),
        fairness_key: Some(text),
        reason: Some(text),
        ..Peek::default()
    };
    let _ = requests.peek(text, peek);
    let _ = requests.receive(
        text,
        Receive {
            group: Some(text),
            consumer: Some(text),
            ..Receive::default()
        },
    );
}

/// What a body says as each kind of request, but for where its bytes lie; or what is wrong with it.
fn what_is_said(requests: &Requests, body: &[u8]) -> [Result<Said, Invalid>; 14] {
    let id = "00000000000020000000";
    let read: [Result<Request, Invalid>; 14] = [
        requests.create_queue(body),
        requests.update_queue("q", body),
        requests.enqueue("q", body),
        requests.enqueue_batch("q", body),
        requests.ack(id, body),
        requests.nack(id, body),
        requests.extend(id, body),
        requests.release(id, body),
        requests.settle("q", body),
        requests.pause_queue("q", body),
        requests.resume_queue("q", body),
        requests.change_message(id, body),
        requests.redrive("q", body),
        requests.sweep("q", body),
    ];
    read.map(|request| match request {
        Ok(request) => Ok(Said::of(request, body)),
        Err(mut invalid) => {
            assert!(!invalid.detail.is_empty() && invalid.problems.len() <= 20);
            if invalid.code == "json_invalid" {
                invalid.detail = "in some column".into();
            }
            Err(invalid)
        }
    })
}

#[derive(Debug, PartialEq)]
struct Said {
    ask: String,
    blobs: Vec<Vec<u8>>,
    batch_bytes_max: usize,
}

impl Said {
    fn of(request: Request, body: &[u8]) -> Self {
        let blob = |index| request.blobs.pieces(body, index).concat();
        Said {
            ask: format!("{:?}", request.ask),
            blobs: (0..request.blobs.count()).map(blob).collect(),
            batch_bytes_max: request.batch_bytes_max,
        }
    }
}

/// A body with the first character of its first name escaped; None where it begins in another way than a plain one.
fn with_escaped_name(body: &[u8]) -> Option<Vec<u8>> {
    let object = body.trim_ascii_start().strip_prefix(b"{")?;
    let name = object.trim_ascii_start().strip_prefix(b"\"")?;
    let (first @ (b' ' | b'!' | b'#'..=b'[' | b']'..=b'~'), rest) = name.split_first()? else {
        return None;
    };
    let before = &body[..body.len() - name.len()];
    Some([before, format!("\\u{first:04x}").as_bytes(), rest].concat())
}

/// A block or a manifest as it comes, and the same bytes under the hash they would need.
pub fn checkpoint(bytes: &[u8]) {
    decode_checkpoint(bytes);
    if bytes.len() >= 16 {
        let mut sealed = bytes.to_vec();
        let body = sealed.len() - 16;
        let hash = hash::batch(&sealed[..body]);
        sealed[body..].copy_from_slice(&hash);
        decode_checkpoint(&sealed);
    }
}

fn decode_checkpoint(bytes: &[u8]) {
    if let Ok((block, lsn)) = checkpoint::decode_block(bytes) {
        let (again, _) = checkpoint::encode_block(&block, lsn);
        assert_eq!(again, bytes, "what decodes encodes back");
        restore(block, lsn);
    }
    if let Ok(manifest) = checkpoint::Manifest::decode(bytes) {
        assert_eq!(manifest.encode(), bytes, "what decodes encodes back");
    }
}

/// Whatever a block says, to restore it ends without a panic.
fn restore(block: Block, lsn: u64) {
    let head = Head {
        partition: PartitionNumber(0),
        lsn,
        epoch: 1,
        now_ms: 1,
        secret: [0; 32],
        numbered: 1000,
        arrays: [(21, 19), (1, u32::MAX), (1, u32::MAX), (1, u32::MAX)],
        settled: 2,
        attempts: 10,
        queues: 10,
        reaping: Vec::new(),
        sweeps: 2,
    };
    let settings = Settings {
        queue_config: QueueConfig::new(1000, 3),
        queues_max: 10,
        dedup_ids_max: 10,
        results_bytes_max: 1000,
        segment_bytes: 1000,
    };
    let mut restoration = Restoration::new(head, settings);
    if restoration.add(block).is_ok() {
        let _ = restoration.finish();
    }
}
