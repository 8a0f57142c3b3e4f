//! Bytes to record.

use super::{complete, config, enqueued, group as groups, lost, manage, moved, sweep, tag};
use crate::varint::{Malformed, Reader};
use engine::ids::{GroupNumber, MESSAGE_NUMBER_MAX, MessageId, QueueNumber};
use engine::record::{DeathReason, FailureCause, Lease, Record};

const LEASE_BYTES_MIN: usize = 3;

/// Reads one record.
pub fn decode(reader: &mut Reader<'_>) -> Result<Record, Malformed> {
    match reader.byte()? {
        tag::FOUNDED => Ok(Record::Founded {
            secret: reader.array()?,
        }),
        tag::FENCED => Ok(Record::Fenced {
            epoch: reader.u64()?,
        }),
        tag::QUEUE_CREATED => Ok(Record::QueueCreated {
            queue: queue(reader)?,
            name: reader.text()?.into(),
            config: config::decode(reader)?.into(),
        }),
        tag::QUEUE_UPDATED => Ok(Record::QueueUpdated {
            queue: queue(reader)?,
            config: config::decode(reader)?.into(),
        }),
        tag @ tag::GROUP_CREATED..=tag::RETURNED => groups::decode(tag, reader),
        tag::QUEUE_DELETED => Ok(Record::QueueDeleted {
            queue: queue(reader)?,
        }),
        tag::REAPED => Ok(Record::Reaped {
            queue: queue(reader)?,
            count: reader.u32()?,
            dedup_entries: reader.u32()?,
        }),
        tag::FORGOTTEN => Ok(Record::Forgotten {
            queue: queue(reader)?,
            dedup_entries: reader.u32()?,
        }),
        tag::ENQUEUED => Ok(Record::Enqueued(enqueued::decode(reader)?)),
        tag::LEASED => leased(reader, None),
        tag::LEASED_BY_ATTEMPT => {
            let attempt = u128::from_le_bytes(reader.array()?);
            leased(reader, Some(attempt))
        }
        other => decode_change(other, reader),
    }
}

/// The tags of [`decode_change`].
fn is_change(tag: u8) -> bool {
    (tag::DUE..=tag::DEAD_LETTERED).contains(&tag) || tag == tag::POSTPONED
}

/// Records about one message that was accepted earlier.
fn decode_change(tag: u8, reader: &mut Reader<'_>) -> Result<Record, Malformed> {
    if !is_change(tag) {
        let mut record = manage::decode(tag, reader)?;
        for decode in [sweep::decode, complete::decode, moved::decode, lost::decode] {
            if record.is_none() {
                record = decode(tag, reader)?;
            }
        }
        return record.ok_or(Malformed("a record has an unknown tag"));
    }
    let message = message(reader)?;
    Ok(match tag {
        tag::DUE => Record::Due { message },
        tag::ACKED => Record::Acked {
            message,
            group: group(reader)?,
        },
        tag::RETRIED => retried(message, reader)?,
        tag::EXTENDED => Record::Extended {
            message,
            group: group(reader)?,
            until_ms: reader.u64()?,
        },
        tag::RELEASED => Record::Released {
            message,
            group: group(reader)?,
            since_ms: reader.u64()?,
        },
        tag::POSTPONED => Record::Postponed {
            message,
            group: group(reader)?,
            due_ms: reader.u64()?,
        },
        tag::DIED => Record::Died {
            message,
            reason: reason(reader)?,
            error_bytes: reader.u32()?,
        },
        _ => Record::DeadLettered {
            message,
            reason: reason(reader)?,
            error_bytes: reader.u32()?,
            queue: queue(reader)?,
            dead_letter: self::message(reader)?,
        },
    })
}

fn retried(message: MessageId, reader: &mut Reader<'_>) -> Result<Record, Malformed> {
    Ok(Record::Retried {
        message,
        group: group(reader)?,
        cause: cause(reader)?,
        due_ms: reader.u64()?,
        priority: priority(reader)?,
        error_bytes: reader.u32()?,
    })
}

fn leased(reader: &mut Reader<'_>, attempt: Option<u128>) -> Result<Record, Malformed> {
    let (queue, group) = (queue(reader)?, group(reader)?);
    let (consumer, until_ms) = (reader.text()?.into(), reader.u64()?);
    let count = reader.count(LEASE_BYTES_MIN)?;
    let mut messages = Vec::with_capacity(count);
    for _ in 0..count {
        messages.push(Lease {
            message: message(reader)?,
            delivery: reader.u32()?,
        });
    }
    Ok(Record::Leased {
        queue,
        group,
        consumer,
        until_ms,
        attempt,
        messages,
    })
}

/// Reads a message's number and slot.
pub(crate) fn message(reader: &mut Reader<'_>) -> Result<MessageId, Malformed> {
    let number = reader.u64()?;
    if number == 0 || number > MESSAGE_NUMBER_MAX {
        return Err(Malformed("a message number is out of range"));
    }
    Ok(MessageId {
        number,
        slot: reader.u32()?,
    })
}

/// Reads a queue's number.
pub(super) fn queue(reader: &mut Reader<'_>) -> Result<QueueNumber, Malformed> {
    Ok(QueueNumber(reader.u32()?))
}

/// Reads a group's number.
pub(super) fn group(reader: &mut Reader<'_>) -> Result<GroupNumber, Malformed> {
    Ok(GroupNumber(reader.u16()?))
}

/// Reads a priority.
pub(super) fn priority(reader: &mut Reader<'_>) -> Result<u8, Malformed> {
    u8::try_from(reader.u64()?).map_err(|_| Malformed("a priority exceeds 255"))
}

fn cause(reader: &mut Reader<'_>) -> Result<FailureCause, Malformed> {
    match reader.u64()? {
        0 => Ok(FailureCause::Nack),
        1 => Ok(FailureCause::LeaseEnded),
        _ => Err(Malformed("a failure has an unknown cause")),
    }
}

/// Reads why a message died.
pub(crate) fn reason(reader: &mut Reader<'_>) -> Result<DeathReason, Malformed> {
    match reader.u64()? {
        0 => Ok(DeathReason::RetriesExhausted),
        1 => Ok(DeathReason::LeaseEnded),
        2 => Ok(DeathReason::Expired),
        3 => Ok(DeathReason::Rejected),
        _ => Err(Malformed("a death has an unknown reason")),
    }
}
