//! A batch on its way to the journal: its length is known before a byte is written, so it is written once, into
//! memory of its exact size.

use super::FRAME_BYTES;
use super::decode::blob_bytes;
use super::header::{Header, Lengths};
use crate::blob::{self, Pieces};
use crate::hash::{self, BatchHash};
use crate::out::Out;
use engine::record::Record;

/// What a batch will hold.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// The header.
    pub header: Header,
    /// `header.record_count` encoded records.
    pub records: &'a [u8],
    /// The blobs, in the order of the records that brought them.
    pub blobs: &'a [Pieces<'a>],
}

impl Draft<'_> {
    fn blob_bytes(&self) -> usize {
        self.blobs.iter().map(blob::length).sum()
    }

    /// Bytes of the batch.
    pub fn length(&self) -> usize {
        FRAME_BYTES + self.records.len() + self.blob_bytes()
    }

    /// Writes the batch's [`Draft::length`] bytes into `out`, which is empty, and returns its hash.
    ///
    /// # Panics
    /// When a section exceeds 4 GiB: callers cap batches far below.
    pub fn write(&self, out: &mut impl Out) -> BatchHash {
        let records = u32::try_from(self.records.len()).expect("records fit 32 bits");
        let blobs = u32::try_from(self.blob_bytes()).expect("blobs fit 32 bits");
        out.put(&self.header.encode(Lengths { records, blobs }));
        out.put(self.records);
        self.blobs.iter().flatten().for_each(|piece| out.put(piece));
        let hash = hash::batch(out.written());
        out.put(&hash);
        hash
    }

    /// The batch's bytes and its hash.
    pub fn to_bytes(&self) -> (Vec<u8>, BatchHash) {
        let mut out = Vec::with_capacity(self.length());
        let hash = self.write(&mut out);
        (out, hash)
    }
}

/// Each record has its own bytes: what decodes is not enough, since bytes that are of another record may be as many.
///
/// # Panics
/// When a record brings other bytes than it says, or when there are more than the records say.
pub fn assert_accounted(records: &[Record], blobs: &[Pieces<'_>]) {
    let lengths = blobs.iter().map(|pieces| blob::length(pieces) as u64);
    let mut lengths = lengths.filter(|&bytes| bytes > 0);
    for record in records {
        let bytes = u64::from(blob_bytes(record));
        let brought = if bytes > 0 { lengths.next() } else { None };
        assert_eq!(brought.unwrap_or(0), bytes, "{record:?} brings other bytes");
    }
    assert_eq!(lengths.next(), None, "bytes of no record");
}
