//! The bytes of a message's going because the journal lost what it says.

use super::decode::message;
use super::encode::about;
use super::tag;
use crate::varint::{Malformed, Reader};
use engine::record::Record;

/// Appends this record; false: it is none.
pub fn encode(out: &mut Vec<u8>, record: &Record) -> bool {
    let &Record::Lost { message, freed } = record else {
        return false;
    };
    about(out, tag::LOST, message, &[freed.is_some().into()]);
    if let Some(key) = freed {
        out.extend_from_slice(&key.to_le_bytes());
    }
    true
}

/// Reads what follows this record's tag; None: the tag is another's.
pub fn decode(tag: u8, reader: &mut Reader<'_>) -> Result<Option<Record>, Malformed> {
    if tag != tag::LOST {
        return Ok(None);
    }
    let message = message(reader)?;
    let freed = match reader.u64()? {
        0 => None,
        1 => Some(u128::from_le_bytes(reader.array()?)),
        _ => return Err(Malformed("it is unknown what a lost message frees")),
    };
    Ok(Some(Record::Lost { message, freed }))
}
