//! The bytes of acks that leave a result, and of results that are forgotten.

use super::decode::{group, message};
use super::encode::{about, numbers};
use super::tag;
use crate::varint::{Malformed, Reader};
use engine::record::Record;

/// Appends one of these records; false: it is none of them.
pub fn encode(out: &mut Vec<u8>, record: &Record) -> bool {
    match *record {
        Record::Completed {
            message,
            group,
            expires_at_ms,
            result_bytes,
        } => {
            let fields = [u64::from(group.0), expires_at_ms, u64::from(result_bytes)];
            about(out, tag::COMPLETED, message, &fields);
        }
        Record::ResultsForgotten { count } => {
            numbers(out, tag::RESULTS_FORGOTTEN, &[u64::from(count)]);
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
        tag::RESULTS_FORGOTTEN => Record::ResultsForgotten {
            count: reader.u32()?,
        },
        _ => return Ok(None),
    }))
}
