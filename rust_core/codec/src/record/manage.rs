//! The bytes of what people do to queues and messages (pausing, purging, changing and deleting), and of dead messages
//! that a queue keeps no longer.

use super::decode::{message, priority, queue};
use super::encode::{about, numbers};
use super::tag;
use crate::varint::{Malformed, Reader};
use engine::record::{Paused, Record};

const ENQUEUE: u8 = 1;
const RECEIVE: u8 = 2;

/// Appends one of these records; false: it is none of them.
pub fn encode(out: &mut Vec<u8>, record: &Record) -> bool {
    match *record {
        Record::QueuePaused { queue, paused } => {
            numbers(out, tag::QUEUE_PAUSED, &[u64::from(queue.0)]);
            out.push(flags(paused));
        }
        Record::QueuePurged { queue, fresh } => {
            let fields = [queue.0, fresh.0].map(u64::from);
            numbers(out, tag::QUEUE_PURGED, &fields);
        }
        Record::Retired { queue, count } => {
            numbers(out, tag::RETIRED, &[queue.0, count].map(u64::from));
        }
        Record::Changed {
            message,
            priority,
            due_ms,
        } => {
            let fields = [u64::from(priority), u64::from(due_ms.is_some())];
            let due_ms = due_ms.as_slice();
            about(out, tag::CHANGED, message, &[&fields, due_ms].concat());
        }
        Record::Deleted { message } => about(out, tag::DELETED, message, &[]),
        _ => return false,
    }
    true
}

/// Reads what follows one of these records' tags; None: the tag is none of them.
pub fn decode(tag: u8, reader: &mut Reader<'_>) -> Result<Option<Record>, Malformed> {
    Ok(Some(match tag {
        tag::QUEUE_PAUSED => Record::QueuePaused {
            queue: queue(reader)?,
            paused: paused(reader.byte()?)?,
        },
        tag::QUEUE_PURGED => Record::QueuePurged {
            queue: queue(reader)?,
            fresh: queue(reader)?,
        },
        tag::RETIRED => Record::Retired {
            queue: queue(reader)?,
            count: reader.u32()?,
        },
        tag::CHANGED => Record::Changed {
            message: message(reader)?,
            priority: priority(reader)?,
            due_ms: due_ms(reader)?,
        },
        tag::DELETED => Record::Deleted {
            message: message(reader)?,
        },
        _ => return Ok(None),
    }))
}

fn flags(paused: Paused) -> u8 {
    let flag = |set: bool, bit: u8| if set { bit } else { 0 };
    flag(paused.enqueue, ENQUEUE) | flag(paused.receive, RECEIVE)
}

fn paused(flags: u8) -> Result<Paused, Malformed> {
    if flags & !(ENQUEUE | RECEIVE) != 0 {
        return Err(Malformed("a pause has an unknown flag"));
    }
    Ok(Paused {
        enqueue: flags & ENQUEUE != 0,
        receive: flags & RECEIVE != 0,
    })
}

fn due_ms(reader: &mut Reader<'_>) -> Result<Option<u64>, Malformed> {
    match reader.byte()? {
        0 => Ok(None),
        1 => reader.u64().map(Some),
        _ => Err(Malformed("a change has an unknown flag")),
    }
}
