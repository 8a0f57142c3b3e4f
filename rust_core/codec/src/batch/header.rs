//! A batch's header.

use super::fault::Fault;
use super::{FORMAT_VERSION, FORMAT_VERSION_OLDEST, MAGIC};
use crate::hash::{BATCH_HASH_BYTES, BatchHash};
use crate::varint::Reader;
use engine::ids::BLOBS_BYTES_MAX;

/// Bytes of the header.
pub const HEADER_BYTES: usize = 60;

/// What a header says beside the lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The batch's place: 1, 2, 3, …, equal to the journal's sequence.
    pub lsn: u64,
    /// The ownership that wrote it.
    pub epoch: u64,
    /// The instant of the step, in milliseconds since 1970.
    pub now_ms: u64,
    /// The hash of the batch before; zeros for the first.
    pub previous: BatchHash,
    /// How many records it has.
    pub record_count: u32,
}

/// How long a batch's sections are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lengths {
    pub records: u32,
    pub blobs: u32,
}

impl Header {
    pub(super) fn encode(&self, lengths: Lengths) -> [u8; HEADER_BYTES] {
        let mut header = [0; HEADER_BYTES];
        let mut rest = &mut header[..];
        let mut next = |bytes: &[u8]| {
            let (head, tail) = std::mem::take(&mut rest).split_at_mut(bytes.len());
            head.copy_from_slice(bytes);
            rest = tail;
        };
        next(&MAGIC);
        next(&FORMAT_VERSION.to_le_bytes());
        next(&[0, 0]);
        for field in [self.lsn, self.epoch, self.now_ms] {
            next(&field.to_le_bytes());
        }
        next(&self.previous);
        for field in [self.record_count, lengths.records, lengths.blobs] {
            next(&field.to_le_bytes());
        }
        header
    }

    /// Reads a header, and checks that the batch is as long as it says.
    pub(super) fn decode(batch: &[u8]) -> Result<(Header, Lengths), Fault> {
        check_start(batch)?;
        let (header, lengths) = fields(batch).map_err(|_| Fault::Truncated {
            expected: (HEADER_BYTES + BATCH_HASH_BYTES) as u64,
            found: batch.len() as u64,
        })?;
        if lengths.blobs > BLOBS_BYTES_MAX {
            return Err(Fault::Malformed("its blobs are more than a batch can have"));
        }
        let frame = (HEADER_BYTES + BATCH_HASH_BYTES) as u64;
        let expected = frame + u64::from(lengths.records) + u64::from(lengths.blobs);
        let found = batch.len() as u64;
        match found.cmp(&expected) {
            std::cmp::Ordering::Less => Err(Fault::Truncated { expected, found }),
            std::cmp::Ordering::Greater => Err(Fault::Malformed("bytes follow the batch")),
            std::cmp::Ordering::Equal => Ok((header, lengths)),
        }
    }
}

/// Magic and version come first, so that a file of another kind, or of the future, is called what it is.
fn check_start(batch: &[u8]) -> Result<(), Fault> {
    let Some((start, rest)) = batch.split_first_chunk::<4>() else {
        return Err(Fault::Truncated {
            expected: HEADER_BYTES as u64,
            found: batch.len() as u64,
        });
    };
    if *start != MAGIC {
        return Err(Fault::Magic { found: *start });
    }
    let Some((version, rest)) = rest.split_first_chunk::<2>() else {
        return Err(Fault::Truncated {
            expected: HEADER_BYTES as u64,
            found: batch.len() as u64,
        });
    };
    let version = u16::from_le_bytes(*version);
    if !(FORMAT_VERSION_OLDEST..=FORMAT_VERSION).contains(&version) {
        return Err(Fault::Version { found: version });
    }
    if rest.len() >= 2 && rest[..2] != [0, 0] {
        return Err(Fault::Malformed("the header's reserved bytes are not zero"));
    }
    Ok(())
}

fn fields(batch: &[u8]) -> Result<(Header, Lengths), crate::varint::Malformed> {
    let mut reader = Reader::new(batch);
    reader.take(8)?;
    let header = Header {
        lsn: u64::from_le_bytes(reader.array()?),
        epoch: u64::from_le_bytes(reader.array()?),
        now_ms: u64::from_le_bytes(reader.array()?),
        previous: reader.array()?,
        record_count: u32::from_le_bytes(reader.array()?),
    };
    let records = u32::from_le_bytes(reader.array()?);
    Ok((
        header,
        Lengths {
            records,
            blobs: u32::from_le_bytes(reader.array()?),
        },
    ))
}
