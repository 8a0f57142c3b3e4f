//! The bytes of records about consumer groups and their members.

use super::decode::{group, queue};
use super::encode::numbers;
use super::tag;
use crate::varint::{Malformed, Reader, put_text};
use engine::record::Record;

/// Appends one of them.
pub fn encode(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::GroupCreated {
            queue,
            group,
            name,
            shadow,
        } => {
            let fields = [u64::from(queue.0), u64::from(group.0), u64::from(shadow.0)];
            numbers(out, tag::GROUP_CREATED, &fields);
            put_text(out, name);
        }
        Record::MemberJoined { queue, consumer } => {
            numbers(out, tag::MEMBER_JOINED, &[u64::from(queue.0)]);
            put_text(out, consumer);
        }
        Record::MemberLeft { queue, consumer } => {
            numbers(out, tag::MEMBER_LEFT, &[u64::from(queue.0)]);
            put_text(out, consumer);
        }
        Record::Reassigned { queue, count } => {
            numbers(out, tag::REASSIGNED, &[queue.0, *count].map(u64::from));
        }
        Record::Returned { queue, count } => {
            numbers(out, tag::RETURNED, &[queue.0, *count].map(u64::from));
        }
        _ => unreachable!("every other record is written elsewhere"),
    }
}

/// Reads what [`encode`] wrote after the tag.
pub fn decode(tag: u8, reader: &mut Reader<'_>) -> Result<Record, Malformed> {
    let queue_of = queue(reader)?;
    Ok(match tag {
        tag::GROUP_CREATED => {
            let (group, shadow) = (group(reader)?, queue(reader)?);
            let (queue, name) = (queue_of, reader.text()?.into());
            Record::GroupCreated {
                queue,
                group,
                name,
                shadow,
            }
        }
        tag::MEMBER_JOINED => Record::MemberJoined {
            queue: queue_of,
            consumer: reader.text()?.into(),
        },
        tag::MEMBER_LEFT => Record::MemberLeft {
            queue: queue_of,
            consumer: reader.text()?.into(),
        },
        tag::REASSIGNED => Record::Reassigned {
            queue: queue_of,
            count: reader.u32()?,
        },
        _ => Record::Returned {
            queue: queue_of,
            count: reader.u32()?,
        },
    })
}
