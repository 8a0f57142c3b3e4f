//! The bytes of a blob's moving to the journal's end.

use super::decode::message;
use super::encode::about;
use super::tag;
use crate::varint::{Malformed, Reader};
use engine::ids::{Location, Part};
use engine::record::Record;

const PARTS: [Part; 3] = [Part::Envelope, Part::Error, Part::Result];

/// Appends this record; false: it is none.
pub fn encode(out: &mut Vec<u8>, record: &Record) -> bool {
    let &Record::Moved {
        message,
        part,
        from,
        blob_bytes,
    } = record
    else {
        return false;
    };
    let part = PARTS.iter().position(|&known| known == part);
    let part = part.expect("every part has a code") as u64;
    let lengths = [from.offset, from.length, blob_bytes].map(u64::from);
    let fields = [&[part, from.lsn], &lengths[..]].concat();
    about(out, tag::MOVED, message, &fields);
    true
}

/// Reads what follows this record's tag; None: the tag is another's.
pub fn decode(tag: u8, reader: &mut Reader<'_>) -> Result<Option<Record>, Malformed> {
    if tag != tag::MOVED {
        return Ok(None);
    }
    Ok(Some(Record::Moved {
        message: message(reader)?,
        part: part(reader.u64()?)?,
        from: Location {
            lsn: reader.u64()?,
            offset: reader.u32()?,
            length: reader.u32()?,
        },
        blob_bytes: reader.u32()?,
    }))
}

fn part(code: u64) -> Result<Part, Malformed> {
    let index = usize::try_from(code).unwrap_or(usize::MAX);
    let part = PARTS.get(index).copied();
    part.ok_or(Malformed("what was moved is unknown"))
}
