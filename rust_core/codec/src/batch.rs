//! A batch: what one step decided, framed for the journal.
//!
//! ```text
//! magic 4 | version u16 | zero u16 | LSN u64 | epoch u64 | now_ms u64 | hash of the batch before 16
//!         | record count u32 | records' bytes u32 | blobs' bytes u32          = 60 bytes, little endian
//! records | blobs | hash 16 of all bytes before it
//! ```
//! The hash proves the bytes, the chain of hashes proves the order, and the LSN equals the journal's sequence.
//! Blobs lie in the order of the records that brought them; a location's offset counts from the first blob.

mod decode;
mod draft;
mod fault;
mod header;

pub use decode::{Batch, View, verify};
pub use draft::{Draft, assert_accounted};
pub use fault::Fault;
pub use header::{HEADER_BYTES, Header};

/// The first bytes of every batch.
pub const MAGIC: [u8; 4] = *b"HZQJ";

/// The version this code writes, and the newest it reads. Journals are kept for ever, so to change the format:
///
/// 1. Add one to this number, and keep reading every older version, told apart by the header.
/// 2. Record tests/golden/batch-v<N>.bin with every variant; leave the older recordings as they are.
/// 3. Record a store of it for the server: HANZO_RECORD=1 pytest tests/faults/test_golden_store.py.
/// 4. Say in CHANGELOG.md that older servers can't read what this one writes: there is no way back.
///
/// Format 2 only added tags, flags and tagged settings to format 1, format 3 a flag to format 2, and format 4 a tag to
/// format 3: what reads the last one reads the others.
pub const FORMAT_VERSION: u16 = 4;

/// The oldest it reads.
pub const FORMAT_VERSION_OLDEST: u16 = 1;

/// Bytes of a batch beside its records and blobs.
pub const FRAME_BYTES: usize = HEADER_BYTES + crate::hash::BATCH_HASH_BYTES;
