//! The bytes of the commonest record: a set of flags says which optional fields follow.

use super::config;
use super::decode::{message, priority, queue};
use super::encode::put_message;
use crate::varint::{Malformed, Reader, put};
use engine::record::{DedupEntry, Enqueued};

const DEDUP: u8 = 1;
const ORDERING_KEY: u8 = 2;
const FAIRNESS_KEY: u8 = 4;
const MAX_RETRIES: u8 = 8;
/// Its dedup id is held until it is done; there is no instant then.
const UNTIL_DONE: u8 = 16;
/// Came with format 3.
const BACKOFF: u8 = 32;
const FLAGS: u8 = DEDUP | ORDERING_KEY | FAIRNESS_KEY | MAX_RETRIES | UNTIL_DONE | BACKOFF;

fn flags(record: &Enqueued) -> u8 {
    let flag = |present: bool, bit: u8| if present { bit } else { 0 };
    let until_done = |dedup: DedupEntry| dedup.is_until_done();
    flag(record.dedup.is_some(), DEDUP)
        | flag(record.dedup.is_some_and(until_done), UNTIL_DONE)
        | flag(record.ordering_key.is_some(), ORDERING_KEY)
        | flag(record.fairness_key.is_some(), FAIRNESS_KEY)
        | flag(record.max_retries.is_some(), MAX_RETRIES)
        | flag(record.backoff.is_some(), BACKOFF)
}

/// Appends the fields after the tag.
pub fn encode(out: &mut Vec<u8>, record: &Enqueued) {
    out.push(flags(record));
    put_message(out, record.message);
    for field in [
        u64::from(record.queue.0),
        u64::from(record.priority),
        record.due_ms,
        record.expires_at_ms,
    ] {
        put(out, field);
    }
    put(out, u64::from(record.blob_bytes));
    if let Some(dedup) = &record.dedup {
        out.extend_from_slice(&dedup.hash.to_le_bytes());
        out.extend_from_slice(&dedup.fingerprint.to_le_bytes());
        if !dedup.is_until_done() {
            put(out, dedup.expires_at_ms);
        }
    }
    for key in [record.ordering_key, record.fairness_key]
        .into_iter()
        .flatten()
    {
        out.extend_from_slice(&key.to_le_bytes());
    }
    if let Some(max_retries) = record.max_retries {
        put(out, u64::from(max_retries));
    }
    if let Some(backoff) = &record.backoff {
        config::put_backoff(out, backoff);
    }
}

/// Reads the fields after the tag.
pub fn decode(reader: &mut Reader<'_>) -> Result<Enqueued, Malformed> {
    let flags = reader.byte()?;
    if flags & !FLAGS != 0 {
        return Err(Malformed("an enqueue has an unknown flag"));
    }
    let has = |bit: u8| flags & bit != 0;
    if has(UNTIL_DONE) && !has(DEDUP) {
        return Err(Malformed("an enqueue holds a dedup id that it has not"));
    }
    Ok(Enqueued {
        message: message(reader)?,
        queue: queue(reader)?,
        priority: priority(reader)?,
        due_ms: reader.u64()?,
        expires_at_ms: reader.u64()?,
        blob_bytes: reader.u32()?,
        dedup: if has(DEDUP) {
            Some(dedup(reader, has(UNTIL_DONE))?)
        } else {
            None
        },
        ordering_key: if has(ORDERING_KEY) {
            Some(key(reader)?)
        } else {
            None
        },
        fairness_key: if has(FAIRNESS_KEY) {
            Some(key(reader)?)
        } else {
            None
        },
        max_retries: if has(MAX_RETRIES) {
            Some(reader.u32()?)
        } else {
            None
        },
        backoff: if has(BACKOFF) {
            Some(config::backoff(reader)?)
        } else {
            None
        },
    })
}

fn dedup(reader: &mut Reader<'_>, until_done: bool) -> Result<DedupEntry, Malformed> {
    let hash = u128::from_le_bytes(reader.array()?);
    Ok(DedupEntry {
        hash,
        fingerprint: key(reader)?,
        expires_at_ms: match until_done {
            true => DedupEntry::UNTIL_DONE,
            false => reader.u64()?,
        },
    })
}

fn key(reader: &mut Reader<'_>) -> Result<u64, Malformed> {
    Ok(u64::from_le_bytes(reader.array()?))
}
