//! The bytes of dense arrays: a column for each field.

use super::column::{column, column_u32, count, hashes, narrow, put_column, put_count, put_hashes};
use crate::varint::{Malformed, Reader};
use engine::checkpoint::{DedupIdImage, FlowImage, KeyImage, MessageImage, SettledImage};
use engine::ids::{Location, MessageId, QueueNumber};

/// Appends index entries.
pub fn put_messages(out: &mut Vec<u8>, entries: &[MessageImage]) {
    put_count(out, entries.len());
    let fields: [fn(&MessageImage) -> u64; 16] = [
        |entry| entry.number,
        |entry| entry.envelope.lsn,
        |entry| u64::from(entry.envelope.offset),
        |entry| u64::from(entry.envelope.length),
        |entry| entry.at_ms,
        |entry| entry.leased_until_ms,
        |entry| entry.expires_at_ms,
        |entry| u64::from(entry.queue.0),
        |entry| u64::from(entry.key),
        |entry| u64::from(entry.flow),
        |entry| u64::from(entry.next),
        |entry| u64::from(entry.previous),
        |entry| u64::from(entry.deliveries),
        |entry| u64::from(entry.attempts),
        |entry| u64::from(entry.priority),
        |entry| u64::from(entry.status),
    ];
    for field in fields {
        put_column(out, entries.iter().map(field));
    }
}

/// Reads index entries.
pub fn messages(reader: &mut Reader<'_>) -> Result<Vec<MessageImage>, Malformed> {
    let count = count(reader)?;
    let (numbers, lsns) = (column(reader, count)?, column(reader, count)?);
    let (offsets, lengths) = (column_u32(reader, count)?, column_u32(reader, count)?);
    let instants = [
        column(reader, count)?,
        column(reader, count)?,
        column(reader, count)?,
    ];
    let mut links = [const { Vec::new() }; 6];
    for link in &mut links {
        *link = column_u32(reader, count)?;
    }
    let attempts: Vec<u16> = narrow(reader, count)?;
    let (priorities, statuses): (Vec<u8>, Vec<u8>) =
        (narrow(reader, count)?, narrow(reader, count)?);
    let entry = |at: usize| MessageImage {
        number: numbers[at],
        envelope: Location {
            lsn: lsns[at],
            offset: offsets[at],
            length: lengths[at],
        },
        at_ms: instants[0][at],
        leased_until_ms: instants[1][at],
        expires_at_ms: instants[2][at],
        queue: QueueNumber(links[0][at]),
        key: links[1][at],
        flow: links[2][at],
        next: links[3][at],
        previous: links[4][at],
        deliveries: links[5][at],
        attempts: attempts[at],
        priority: priorities[at],
        status: statuses[at],
    };
    Ok((0..count).map(entry).collect())
}

/// Appends ordering keys.
pub fn put_keys(out: &mut Vec<u8>, entries: &[KeyImage]) {
    put_count(out, entries.len());
    put_hashes(out, entries.iter().map(|entry| entry.hash));
    let fields: [fn(&KeyImage) -> u64; 7] = [
        |entry| entry.list,
        |entry| u64::from(entry.queue.0),
        |entry| u64::from(entry.head),
        |entry| u64::from(entry.waiting.0),
        |entry| u64::from(entry.waiting.1),
        |entry| u64::from(entry.next),
        |entry| u64::from(entry.previous),
    ];
    for field in fields {
        put_column(out, entries.iter().map(field));
    }
}

/// Reads ordering keys.
pub fn keys(reader: &mut Reader<'_>) -> Result<Vec<KeyImage>, Malformed> {
    let count = count(reader)?;
    let (hashes, lists) = (hashes(reader, count)?, column(reader, count)?);
    let mut links = [const { Vec::new() }; 6];
    for link in &mut links {
        *link = column_u32(reader, count)?;
    }
    let entry = |at: usize| KeyImage {
        queue: QueueNumber(links[0][at]),
        hash: hashes[at],
        list: lists[at],
        head: links[1][at],
        waiting: (links[2][at], links[3][at]),
        next: links[4][at],
        previous: links[5][at],
    };
    Ok((0..count).map(entry).collect())
}

/// Appends fairness keys.
pub fn put_flows(out: &mut Vec<u8>, entries: &[FlowImage]) {
    put_count(out, entries.len());
    put_hashes(out, entries.iter().map(|entry| entry.hash));
    put_column(out, entries.iter().map(|entry| u64::from(entry.queue.0)));
    put_column(out, entries.iter().map(|entry| u64::from(entry.messages)));
}

/// Reads fairness keys.
pub fn flows(reader: &mut Reader<'_>) -> Result<Vec<FlowImage>, Malformed> {
    let count = count(reader)?;
    let hashes = hashes(reader, count)?;
    let (queues, messages) = (column_u32(reader, count)?, column_u32(reader, count)?);
    let entry = |at: usize| FlowImage {
        queue: QueueNumber(queues[at]),
        hash: hashes[at],
        messages: messages[at],
    };
    Ok((0..count).map(entry).collect())
}

/// Appends dedup ids.
pub fn put_dedup_ids(out: &mut Vec<u8>, entries: &[DedupIdImage]) {
    put_count(out, entries.len());
    put_hashes(out, entries.iter().map(|entry| entry.key as u64));
    put_hashes(out, entries.iter().map(|entry| (entry.key >> 64) as u64));
    put_hashes(out, entries.iter().map(|entry| entry.fingerprint));
    let fields: [fn(&DedupIdImage) -> u64; 4] = [
        |entry| entry.expires_at_ms,
        |entry| entry.message.number,
        |entry| u64::from(entry.message.slot),
        |entry| u64::from(entry.next),
    ];
    for field in fields {
        put_column(out, entries.iter().map(field));
    }
}

/// Reads dedup ids.
pub fn dedup_ids(reader: &mut Reader<'_>) -> Result<Vec<DedupIdImage>, Malformed> {
    let count = count(reader)?;
    let (low, high) = (hashes(reader, count)?, hashes(reader, count)?);
    let fingerprints = hashes(reader, count)?;
    let (expiries, numbers) = (column(reader, count)?, column(reader, count)?);
    let (slots, nexts) = (column_u32(reader, count)?, column_u32(reader, count)?);
    let entry = |at: usize| DedupIdImage {
        key: u128::from(high[at]) << 64 | u128::from(low[at]),
        fingerprint: fingerprints[at],
        expires_at_ms: expiries[at],
        message: MessageId {
            number: numbers[at],
            slot: slots[at],
        },
        next: nexts[at],
    };
    Ok((0..count).map(entry).collect())
}

/// Appends settled leases.
pub fn put_settled(out: &mut Vec<u8>, entries: &[SettledImage]) {
    put_count(out, entries.len());
    put_column(out, entries.iter().map(|entry| entry.copy));
    put_column(out, entries.iter().map(|entry| u64::from(entry.delivery)));
    put_column(out, entries.iter().map(|entry| u64::from(entry.acked)));
}

/// Reads settled leases.
pub fn settled(reader: &mut Reader<'_>) -> Result<Vec<SettledImage>, Malformed> {
    let count = count(reader)?;
    let copies = column(reader, count)?;
    let deliveries = column_u32(reader, count)?;
    let acked = column(reader, count)?;
    if acked.iter().any(|acked| *acked > 1) {
        return Err(Malformed("a settled lease has an unknown ending"));
    }
    let entry = |at: usize| SettledImage {
        copy: copies[at],
        delivery: deliveries[at],
        acked: acked[at] == 1,
    };
    Ok((0..count).map(entry).collect())
}
