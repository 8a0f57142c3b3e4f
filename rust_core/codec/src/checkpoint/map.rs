//! The bytes of ordered maps: each key as its distance from the one before, then what it leads to.

use super::column::{count as entries, put_count};
use crate::record::{read_death_reason, read_message, write_death_reason, write_message};
use crate::varint::{Malformed, Reader, put as put_number, put_text};
use engine::checkpoint::{AttemptImage, CopiesImage, DeathImage, FailuresImage, ResultImage};
use engine::ids::{GroupNumber, Location, QueueNumber};
use engine::record::{Followed, Lease};

/// Appends a map.
pub fn put<T>(out: &mut Vec<u8>, map: &[(u64, T)], put_one: fn(&mut Vec<u8>, &T)) {
    put_count(out, map.len());
    let mut before = 0;
    for (at, (key, value)) in map.iter().enumerate() {
        let distance = if at == 0 { *key } else { *key - before - 1 };
        put_number(out, distance);
        put_one(out, value);
        before = *key;
    }
}

/// Reads a map.
pub fn read<T>(
    reader: &mut Reader<'_>,
    read_one: fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<(u64, T)>, Malformed> {
    let count = entries(reader)?;
    let mut map: Vec<(u64, T)> = Vec::new();
    for _ in 0..count {
        let distance = reader.u64()?;
        let key = match map.last() {
            None => Some(distance),
            Some((before, _)) => distance
                .checked_add(1)
                .and_then(|distance| before.checked_add(distance)),
        };
        let key = key.ok_or(Malformed("a key exceeds 64 bits"))?;
        map.push((key, read_one(reader)?));
    }
    Ok(map)
}

/// Appends numbers.
pub fn put_all<const N: usize>(out: &mut Vec<u8>, numbers: [u64; N]) {
    numbers
        .into_iter()
        .for_each(|number| put_number(out, number));
}

/// Appends a flag.
pub fn put_flag(out: &mut Vec<u8>, flag: bool) {
    out.push(u8::from(flag));
}

/// Reads a flag.
pub fn flag(reader: &mut Reader<'_>) -> Result<bool, Malformed> {
    match reader.byte()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Malformed("a flag is neither set nor unset")),
    }
}

fn put_location(out: &mut Vec<u8>, location: Location) {
    let (offset, length) = (u64::from(location.offset), u64::from(location.length));
    put_all(out, [location.lsn, offset, length]);
}

fn location(reader: &mut Reader<'_>) -> Result<Location, Malformed> {
    Ok(Location {
        lsn: reader.u64()?,
        offset: reader.u32()?,
        length: reader.u32()?,
    })
}

/// Appends a list: how many, then each.
pub fn put_list<T>(out: &mut Vec<u8>, list: &[T], put_one: impl Fn(&mut Vec<u8>, &T)) {
    put_number(out, list.len() as u64);
    list.iter().for_each(|one| put_one(out, one));
}

/// Reads a list whose entries have `bytes_min` bytes at least.
pub fn list<T>(
    reader: &mut Reader<'_>,
    bytes_min: usize,
    read_one: impl Fn(&mut Reader<'_>) -> Result<T, Malformed>,
) -> Result<Vec<T>, Malformed> {
    let count = reader.count(bytes_min)?;
    (0..count).map(|_| read_one(reader)).collect()
}

/// What was enqueued with an ack.
pub fn put_followed(out: &mut Vec<u8>, followed: &[Followed]) {
    put_list(out, followed, |out, one| {
        write_message(out, one.message);
        put_flag(out, one.duplicate);
    });
}

/// As [`put_followed`] wrote it.
pub fn followed(reader: &mut Reader<'_>) -> Result<Vec<Followed>, Malformed> {
    list(reader, 3, |reader| {
        Ok(Followed {
            message: read_message(reader)?,
            duplicate: flag(reader)?,
        })
    })
}

/// A message's own `max_retries`.
pub fn put_retries(out: &mut Vec<u8>, retries: &u32) {
    put_number(out, u64::from(*retries));
}

/// A message's failed attempts.
pub fn put_failures(out: &mut Vec<u8>, failures: &FailuresImage) {
    put_all(out, [failures.first_ms, failures.last_ms]);
    put_location(out, failures.error);
}

/// As [`put_failures`] wrote them.
pub fn failures(reader: &mut Reader<'_>) -> Result<FailuresImage, Malformed> {
    Ok(FailuresImage {
        first_ms: reader.u64()?,
        last_ms: reader.u64()?,
        error: location(reader)?,
    })
}

/// How a message died.
pub fn put_death(out: &mut Vec<u8>, death: &DeathImage) {
    put_number(out, write_death_reason(death.reason));
    put_text(out, &death.source_queue);
    put_text(out, &death.source_group);
    write_message(out, death.source_message);
    let counters = [death.deliveries, death.attempts, death.redrives];
    put_all(out, counters.map(u64::from));
    put_number(out, death.died_at_ms);
    put_flag(out, death.over);
    put_flag(out, death.failures.is_some());
    death.failures.iter().for_each(|one| put_failures(out, one));
    put_flag(out, death.ordering_key.is_some());
    let key = death.ordering_key.iter();
    key.for_each(|key| out.extend_from_slice(&key.to_le_bytes()));
}

/// As [`put_death`] wrote it.
pub fn death(reader: &mut Reader<'_>) -> Result<DeathImage, Malformed> {
    let reason = read_death_reason(reader)?;
    let (source_queue, source_group) = (reader.text()?.into(), reader.text()?.into());
    let source_message = read_message(reader)?;
    let (deliveries, attempts, redrives) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let (died_at_ms, over) = (reader.u64()?, flag(reader)?);
    let failures = if flag(reader)? {
        Some(failures(reader)?)
    } else {
        None
    };
    let ordering_key = if flag(reader)? {
        Some(u64::from_le_bytes(reader.array()?))
    } else {
        None
    };
    Ok(DeathImage {
        reason,
        source_queue,
        source_group,
        source_message,
        deliveries,
        attempts,
        failures,
        died_at_ms,
        ordering_key,
        redrives,
        over,
    })
}

/// Which groups hold a message.
pub fn put_copies(out: &mut Vec<u8>, copies: &CopiesImage) {
    put_number(out, u64::from(copies.first));
    put_list(out, &copies.copies, |out, (queue, slot)| {
        put_all(out, [u64::from(queue.0), u64::from(*slot)]);
    });
}

/// As [`put_copies`] wrote them.
pub fn copies(reader: &mut Reader<'_>) -> Result<CopiesImage, Malformed> {
    Ok(CopiesImage {
        first: reader.u32()?,
        copies: list(reader, 2, |reader| {
            Ok((QueueNumber(reader.u32()?), reader.u32()?))
        })?,
    })
}

/// What was kept with an ack.
pub fn put_result(out: &mut Vec<u8>, result: &ResultImage) {
    let of = [result.slot, result.queue.0].map(u64::from);
    put_all(out, of);
    put_number(out, u64::from(result.group.0));
    put_all(out, [result.done_at_ms, result.expires_at_ms]);
    put_location(out, result.result);
}

/// As [`put_result`] wrote it.
pub fn result(reader: &mut Reader<'_>) -> Result<ResultImage, Malformed> {
    Ok(ResultImage {
        slot: reader.u32()?,
        queue: QueueNumber(reader.u32()?),
        group: GroupNumber(reader.u16()?),
        done_at_ms: reader.u64()?,
        expires_at_ms: reader.u64()?,
        result: location(reader)?,
    })
}

/// A receive that can be repeated.
pub fn put_attempt(out: &mut Vec<u8>, attempt: &AttemptImage) {
    out.extend_from_slice(&attempt.key.to_le_bytes());
    put_number(out, attempt.at_ms);
    put_list(out, &attempt.leases, |out, lease| {
        write_message(out, lease.message);
        put_number(out, u64::from(lease.delivery));
    });
}

/// As [`put_attempt`] wrote it.
pub fn attempt(reader: &mut Reader<'_>) -> Result<AttemptImage, Malformed> {
    Ok(AttemptImage {
        key: u128::from_le_bytes(reader.array()?),
        at_ms: reader.u64()?,
        leases: list(reader, 3, |reader| {
            Ok(Lease {
                message: read_message(reader)?,
                delivery: reader.u32()?,
            })
        })?,
    })
}
