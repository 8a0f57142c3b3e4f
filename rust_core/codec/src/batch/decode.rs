//! Reading batches: whole for replay, or just the blobs of one that was verified before.

use super::fault::Fault;
use super::header::{HEADER_BYTES, Header};
use crate::hash::{self, BATCH_HASH_BYTES, BatchHash};
use crate::record;
use crate::varint::{Malformed, Reader};
use engine::ids::Location;
use engine::record::Record;

/// Bytes of the shortest record: no count of records may promise more than the bytes can hold.
const RECORD_BYTES_MIN: usize = 2;

/// A batch whose frame makes sense. Its hash was not checked.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The header.
    pub header: Header,
    records: &'a [u8],
    blobs: &'a [u8],
    body: &'a [u8],
    trailer: &'a [u8],
}

impl<'a> View<'a> {
    /// Reads the frame: a few comparisons, whatever the batch's size.
    pub fn open(batch: &'a [u8]) -> Result<View<'a>, Fault> {
        let (header, lengths) = Header::decode(batch)?;
        let (body, trailer) = batch.split_at(batch.len() - BATCH_HASH_BYTES);
        let (records, blobs) = body[HEADER_BYTES..].split_at(lengths.records as usize);
        Ok(View {
            header,
            records,
            blobs,
            body,
            trailer,
        })
    }

    /// The bytes at a location in this batch.
    pub fn blob(&self, location: Location) -> Result<&'a [u8], Malformed> {
        let start = location.offset as usize;
        let end = start.checked_add(location.length as usize);
        let blob = end.and_then(|end| self.blobs.get(start..end));
        blob.ok_or(Malformed("a blob lies outside its batch"))
    }

    /// The batch's hash, after checking that it is the hash of its bytes.
    pub fn hash(&self) -> Result<BatchHash, Fault> {
        let hash = hash::batch(self.body);
        if hash == self.trailer {
            Ok(hash)
        } else {
            Err(Fault::Hash)
        }
    }

    fn check_sequence(&self, expected: u64) -> Result<(), Fault> {
        let found = self.header.lsn;
        if found == expected {
            Ok(())
        } else {
            Err(Fault::Sequence { expected, found })
        }
    }

    fn records(&self) -> Result<Vec<Record>, Malformed> {
        let count = self.header.record_count as usize;
        if count > self.records.len() / RECORD_BYTES_MIN {
            return Err(Malformed(
                "the record count exceeds what the records' bytes can hold",
            ));
        }
        let mut reader = Reader::new(self.records);
        let records = (0..count)
            .map(|_| record::decode(&mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        reader.end()?;
        Ok(records)
    }
}

/// A batch that was verified and decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The header.
    pub header: Header,
    /// Its hash: what the next batch names as its predecessor.
    pub hash: BatchHash,
    /// What was decided, in order.
    pub records: Vec<Record>,
}

impl Batch {
    /// Whether the batch read at `sequence` bears an epoch below `epoch`: its writer was deposed. An append compares
    /// sequences only, so one that was on its way can land behind the fence that refused the one before it. It was
    /// never acknowledged to anybody: its bytes are proven, and what it says is void.
    pub fn is_deposed(bytes: &[u8], sequence: u64, epoch: u64) -> Result<bool, Fault> {
        let view = View::open(bytes)?;
        if view.header.epoch >= epoch {
            return Ok(false);
        }
        view.hash()?;
        view.check_sequence(sequence)?;
        Ok(true)
    }

    /// Decodes the batch read at `sequence`, which must follow the batch whose hash is `previous`.
    pub fn decode(bytes: &[u8], sequence: u64, previous: &BatchHash) -> Result<Batch, Fault> {
        let view = View::open(bytes)?;
        let hash = view.hash()?;
        view.check_sequence(sequence)?;
        if view.header.previous != *previous {
            return Err(Fault::Chain { lsn: sequence });
        }
        let records = view.records()?;
        check_blobs(&records, view.blobs.len())?;
        Ok(Batch {
            header: view.header,
            hash,
            records,
        })
    }
}

/// The records account for every byte of the blobs: a location follows from their order.
fn check_blobs(records: &[Record], found: usize) -> Result<(), Malformed> {
    let expected: u64 = records
        .iter()
        .map(|record| u64::from(blob_bytes(record)))
        .sum();
    if expected == found as u64 {
        Ok(())
    } else {
        Err(Malformed("blobs and records differ in bytes"))
    }
}

/// What it brings.
pub(super) fn blob_bytes(record: &Record) -> u32 {
    match record {
        Record::Enqueued(enqueued) => enqueued.blob_bytes,
        Record::Retried { error_bytes, .. }
        | Record::Died { error_bytes, .. }
        | Record::DeadLettered { error_bytes, .. } => *error_bytes,
        Record::Completed { result_bytes, .. } => *result_bytes,
        Record::Moved { blob_bytes, .. } => *blob_bytes,
        _ => 0,
    }
}

/// Checks the frame and hash of a batch that was read back for its blobs.
pub fn verify(bytes: &[u8]) -> Result<(), Fault> {
    View::open(bytes)?.hash().map(|_| ())
}
