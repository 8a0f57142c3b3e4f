//! The bytes of a head.

use super::map::{list, put_all, put_list};
use crate::varint::{Malformed, Reader, put};
use engine::checkpoint::Head;
use engine::ids::{PartitionNumber, QueueNumber};

/// Appends a head.
pub fn put_head(out: &mut Vec<u8>, head: &Head) {
    put(out, u64::from(head.partition.0));
    put_all(out, [head.lsn, head.epoch, head.now_ms]);
    out.extend_from_slice(&head.secret);
    put(out, head.numbered);
    for (length, free) in head.arrays {
        put_all(out, [u64::from(length), u64::from(free)]);
    }
    put_all(out, [head.settled, head.attempts, u64::from(head.queues)]);
    put_list(out, &head.reaping, |out, queue| {
        put(out, u64::from(queue.0))
    });
    put(out, head.sweeps);
}

/// Reads a head.
pub fn head(reader: &mut Reader<'_>) -> Result<Head, Malformed> {
    let partition = PartitionNumber(reader.u16()?);
    let (lsn, epoch, now_ms) = (reader.u64()?, reader.u64()?, reader.u64()?);
    let (secret, numbered) = (reader.array()?, reader.u64()?);
    let mut arrays = [(0, 0); 4];
    for array in &mut arrays {
        *array = (reader.u32()?, reader.u32()?);
    }
    Ok(Head {
        partition,
        lsn,
        epoch,
        now_ms,
        secret,
        numbered,
        arrays,
        settled: reader.u64()?,
        attempts: reader.u64()?,
        queues: reader.u32()?,
        reaping: list(reader, 1, |reader| Ok(QueueNumber(reader.u32()?)))?,
        sweeps: reader.u64()?,
    })
}
