//! The bytes of acks that leave a result or bring messages, and of results that are forgotten.

use super::decode::{group, message};
use super::encode::{about, numbers, put_message};
use super::tag;
use crate::varint::{Malformed, Reader};
use engine::record::{Followed, Record};

/// Whether it is a duplicate, and its id's two varints.
const FOLLOWED_BYTES_MIN: usize = 3;

/// Appends one of these records; false: it is none of them.
pub fn encode(out: &mut Vec<u8>, record: &Record) -> bool {
    match record {
        &Record::Completed {
            message,
            group,
            expires_at_ms,
            result_bytes,
        } => {
            let fields = [u64::from(group.0), expires_at_ms, u64::from(result_bytes)];
            about(out, tag::COMPLETED, message, &fields);
        }
        &Record::ResultsForgotten { count } => {
            numbers(out, tag::RESULTS_FORGOTTEN, &[u64::from(count)]);
        }
        &Record::ResultsEvicted { count } => {
            numbers(out, tag::RESULTS_EVICTED, &[u64::from(count)]);
        }
        Record::FollowedUp {
            message,
            group,
            messages,
        } => {
            let fields = [u64::from(group.0), messages.len() as u64];
            about(out, tag::FOLLOWED_UP, *message, &fields);
            for one in messages {
                out.push(u8::from(one.duplicate));
                put_message(out, one.message);
            }
        }
        _ => return false,
    }
    true
}

/// Reads what follows one of these records' tags; None: the tag is none of them.
pub fn decode(tag: u8, reader: &mut Reader<'_>) -> Result<Option<Record>, Malformed> {
    Ok(Some(match tag {
        tag::COMPLETED => Record::Completed {
            message: message(reader)?,
            group: group(reader)?,
            expires_at_ms: reader.u64()?,
            result_bytes: reader.u32()?,
        },
        tag::FOLLOWED_UP => Record::FollowedUp {
            message: message(reader)?,
            group: group(reader)?,
            messages: followed(reader)?,
        },
        tag::RESULTS_EVICTED => Record::ResultsEvicted {
            count: reader.u32()?,
        },
        tag::RESULTS_FORGOTTEN => Record::ResultsForgotten {
            count: reader.u32()?,
        },
        _ => return Ok(None),
    }))
}

fn followed(reader: &mut Reader<'_>) -> Result<Box<[Followed]>, Malformed> {
    let count = reader.count(FOLLOWED_BYTES_MIN)?;
    let mut messages = Vec::with_capacity(count);
    for _ in 0..count {
        let duplicate = match reader.byte()? {
            0 => false,
            1 => true,
            _ => return Err(Malformed("a follow-up is neither new nor a duplicate")),
        };
        messages.push(Followed {
            message: message(reader)?,
            duplicate,
        });
    }
    Ok(messages.into())
}
