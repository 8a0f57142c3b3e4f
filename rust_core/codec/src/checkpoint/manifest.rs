//! A manifest: the head of a checkpoint, the hash of the batch it was taken at, and where its blocks lie.

use super::fault::Fault;
use super::head::{head, put_head};
use super::map::put_all;
use super::{MANIFEST_MAGIC, block, frame};
use crate::hash::BatchHash;
use crate::varint::{Malformed, put};
use engine::checkpoint::{Head, Kind};

/// A kind, three numbers of a byte at least, and a hash.
const ENTRY_BYTES_MIN: usize = 21;

/// Where a block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its kind.
    pub kind: Kind,
    /// Which of its kind.
    pub index: u64,
    /// Where its first part lies in the store; the others lie behind it.
    pub sequence: u64,
    /// How many parts it has.
    pub parts: u32,
    /// Bytes in all.
    pub byte_count: u64,
    /// Its hash.
    pub hash: BatchHash,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// The facts that are in no block.
    pub head: Head,
    /// Hash of the batch at the head's LSN: what the batch after it names as the one before.
    pub batch_hash: BatchHash,
    /// Every block, by kind and index.
    pub directory: Vec<Entry>,
}

impl Manifest {
    /// Its bytes.
    ///
    /// # Panics
    /// When the directory is out of order.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = frame::begin(MANIFEST_MAGIC);
        out.extend_from_slice(&[0, 0]);
        put_head(&mut out, &self.head);
        out.extend_from_slice(&self.batch_hash);
        put(&mut out, self.directory.len() as u64);
        let order = self.directory.iter().map(place);
        assert!(order.is_sorted_by(|a, b| a < b), "a directory is in order");
        for entry in &self.directory {
            out.push(entry.kind as u8);
            let parts = u64::from(entry.parts);
            put_all(
                &mut out,
                [entry.index, entry.sequence, parts, entry.byte_count],
            );
            out.extend_from_slice(&entry.hash);
        }
        frame::seal(&mut out);
        out
    }

    /// Reads one.
    pub fn decode(bytes: &[u8]) -> Result<Manifest, Fault> {
        let (_, mut reader, _) = frame::open(bytes, MANIFEST_MAGIC)?;
        if reader.array()? != [0, 0] {
            return Err(Fault::Malformed("a reserved byte is set"));
        }
        let (head, batch_hash) = (head(&mut reader)?, reader.array()?);
        let count = reader.count(ENTRY_BYTES_MIN)?;
        let mut directory: Vec<Entry> = Vec::with_capacity(count);
        for _ in 0..count {
            let entry = Entry {
                kind: block::kind(reader.byte()?)?,
                index: reader.u64()?,
                sequence: reader.u64()?,
                parts: reader.u32()?,
                byte_count: reader.u64()?,
                hash: reader.array()?,
            };
            let follows = directory
                .last()
                .is_none_or(|last| place(last) < place(&entry));
            if !follows || entry.parts == 0 {
                return Err(Malformed("a directory is out of order").into());
            }
            directory.push(entry);
        }
        reader.end()?;
        Ok(Manifest {
            head,
            batch_hash,
            directory,
        })
    }
}

fn place(entry: &Entry) -> (Kind, u64) {
    (entry.kind, entry.index)
}
