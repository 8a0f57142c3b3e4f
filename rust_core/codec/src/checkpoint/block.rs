//! A block's bytes.

use super::fault::Fault;
use super::manifest::Entry;
use super::{BLOCK_MAGIC, array, frame, map, queue};
use crate::hash::BatchHash;
use crate::record::{read_backoff, write_backoff};
use crate::varint::{Malformed, Reader};
use engine::checkpoint::{Block, Image, Kind};

/// A block written with the checkpoint of batch `lsn`, and its hash.
pub fn encode(block: &Block, lsn: u64) -> (Vec<u8>, BatchHash) {
    let mut out = frame::begin(BLOCK_MAGIC);
    out.extend_from_slice(&[block.image.kind() as u8, 0]);
    out.extend_from_slice(&block.index.to_le_bytes());
    out.extend_from_slice(&lsn.to_le_bytes());
    match &block.image {
        Image::Messages(entries) => array::put_messages(&mut out, entries),
        Image::Keys(entries) => array::put_keys(&mut out, entries),
        Image::Flows(entries) => array::put_flows(&mut out, entries),
        Image::DedupIds(entries) => array::put_dedup_ids(&mut out, entries),
        Image::Settled(entries) => array::put_settled(&mut out, entries),
        Image::Followed(entries) => map::put(&mut out, entries, |out, followed| {
            map::put_followed(out, followed)
        }),
        Image::Retries(entries) => map::put(&mut out, entries, map::put_retries),
        Image::Backoffs(entries) => map::put(&mut out, entries, write_backoff),
        Image::Failures(entries) => map::put(&mut out, entries, map::put_failures),
        Image::Deaths(entries) => map::put(&mut out, entries, map::put_death),
        Image::Copies(entries) => map::put(&mut out, entries, map::put_copies),
        Image::Results(entries) => map::put(&mut out, entries, map::put_result),
        Image::Attempts(entries) => map::put(&mut out, entries, map::put_attempt),
        Image::Queues(entries) => map::put(&mut out, entries, queue::put_queue),
        Image::Sweeps(entries) => map::put(&mut out, entries, queue::put_sweep),
    }
    let hash = frame::seal(&mut out);
    (out, hash)
}

/// The kind of that number.
pub fn kind(number: u8) -> Result<Kind, Malformed> {
    let mut kinds = Kind::ALL.into_iter();
    kinds
        .find(|kind| *kind as u8 == number)
        .ok_or(Malformed("a block has an unknown kind"))
}

/// Reads a block, and the LSN of the checkpoint it was written with.
pub fn decode(bytes: &[u8]) -> Result<(Block, u64), Fault> {
    let (version, mut reader, _) = frame::open(bytes, BLOCK_MAGIC)?;
    let (kind, index, lsn) = header(&mut reader)?;
    let image = image(kind, version, &mut reader)?;
    reader.end()?;
    Ok((Block { index, image }, lsn))
}

fn header(reader: &mut Reader<'_>) -> Result<(Kind, u64, u64), Malformed> {
    let kind = kind(reader.byte()?)?;
    if reader.byte()? != 0 {
        return Err(Malformed("a reserved byte is set"));
    }
    let index = u64::from_le_bytes(reader.array()?);
    Ok((kind, index, u64::from_le_bytes(reader.array()?)))
}

/// What a directory says of a block that is stored there, in so many parts.
pub fn entry(bytes: &[u8], sequence: u64, parts: u32) -> Result<Entry, Fault> {
    let (_, mut reader, hash) = frame::open(bytes, BLOCK_MAGIC)?;
    let (kind, index, _) = header(&mut reader)?;
    Ok(Entry {
        kind,
        index,
        sequence,
        parts,
        byte_count: bytes.len() as u64,
        hash,
    })
}

fn image(kind: Kind, version: u16, reader: &mut Reader<'_>) -> Result<Image, Malformed> {
    Ok(match kind {
        Kind::Messages => Image::Messages(array::messages(reader)?),
        Kind::Keys => Image::Keys(array::keys(reader)?),
        Kind::Flows => Image::Flows(array::flows(reader)?),
        Kind::DedupIds => Image::DedupIds(array::dedup_ids(reader)?),
        Kind::Settled => Image::Settled(array::settled(reader)?),
        Kind::Followed => Image::Followed(map::read(reader, map::followed)?),
        Kind::Retries => Image::Retries(map::read(reader, |reader| reader.u32())?),
        Kind::Backoffs => Image::Backoffs(map::read(reader, read_backoff)?),
        Kind::Failures => Image::Failures(map::read(reader, map::failures)?),
        Kind::Deaths => Image::Deaths(map::read(reader, map::death)?),
        Kind::Copies => Image::Copies(map::read(reader, map::copies)?),
        Kind::Results => Image::Results(map::read(reader, map::result)?),
        Kind::Attempts => Image::Attempts(map::read(reader, map::attempt)?),
        Kind::Queues => Image::Queues(map::read(reader, queue::queue)?),
        Kind::Sweeps if version == 1 => Image::Sweeps(map::read(reader, queue::sweep_of_1)?),
        Kind::Sweeps => Image::Sweeps(map::read(reader, queue::sweep)?),
    })
}
