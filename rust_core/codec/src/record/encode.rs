//! Record to bytes.

use super::{complete, config, enqueued, group as groups, lost, manage, moved, sweep, tag};
use crate::varint::{put, put_text};
use engine::ids::{GroupNumber, MessageId, QueueNumber};
use engine::record::{DeathReason, FailureCause, Lease, Record};

/// Appends one record.
pub fn encode(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Founded { secret } => {
            out.push(tag::FOUNDED);
            out.extend_from_slice(secret);
        }
        Record::Fenced { epoch } => numbers(out, tag::FENCED, &[*epoch]),
        Record::QueueCreated {
            queue,
            name,
            config,
        } => {
            numbers(out, tag::QUEUE_CREATED, &[u64::from(queue.0)]);
            put_text(out, name);
            config::encode(out, config);
        }
        Record::QueueUpdated { queue, config } => {
            numbers(out, tag::QUEUE_UPDATED, &[u64::from(queue.0)]);
            config::encode(out, config);
        }
        Record::QueueDeleted { queue } => numbers(out, tag::QUEUE_DELETED, &[u64::from(queue.0)]),
        Record::Reaped {
            queue,
            count,
            dedup_entries,
        } => {
            let fields = [queue.0, *count, *dedup_entries].map(u64::from);
            numbers(out, tag::REAPED, &fields);
        }
        Record::Forgotten {
            queue,
            dedup_entries,
        } => {
            let fields = [queue.0, *dedup_entries].map(u64::from);
            numbers(out, tag::FORGOTTEN, &fields);
        }
        Record::Enqueued(message) => {
            out.push(tag::ENQUEUED);
            enqueued::encode(out, message);
        }
        Record::Leased {
            queue,
            group,
            consumer,
            until_ms,
            attempt,
            messages,
        } => {
            match attempt {
                Some(hash) => {
                    out.push(tag::LEASED_BY_ATTEMPT);
                    out.extend_from_slice(&hash.to_le_bytes());
                }
                None => out.push(tag::LEASED),
            }
            leased(out, *queue, *group, consumer, *until_ms, messages);
        }
        Record::GroupCreated { .. }
        | Record::MemberJoined { .. }
        | Record::MemberLeft { .. }
        | Record::Reassigned { .. }
        | Record::Returned { .. } => groups::encode(out, record),
        other => encode_change(out, other),
    }
}

/// Records about one message that was accepted earlier.
fn encode_change(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Due { message } => about(out, tag::DUE, *message, &[]),
        Record::Acked { message, group } => about(out, tag::ACKED, *message, &[u64::from(group.0)]),
        Record::Retried {
            message,
            group,
            cause,
            due_ms,
            priority,
            error_bytes,
        } => {
            let cause = u64::from(cause_code(*cause));
            let fields = [
                u64::from(group.0),
                cause,
                *due_ms,
                u64::from(*priority),
                u64::from(*error_bytes),
            ];
            about(out, tag::RETRIED, *message, &fields);
        }
        Record::Extended {
            message,
            group,
            until_ms,
        } => {
            about(
                out,
                tag::EXTENDED,
                *message,
                &[u64::from(group.0), *until_ms],
            );
        }
        Record::Postponed {
            message,
            group,
            due_ms,
        } => {
            let fields = [u64::from(group.0), *due_ms];
            about(out, tag::POSTPONED, *message, &fields);
        }
        Record::Released {
            message,
            group,
            since_ms,
        } => {
            about(
                out,
                tag::RELEASED,
                *message,
                &[u64::from(group.0), *since_ms],
            );
        }
        other => encode_death(out, other),
    }
}

fn encode_death(out: &mut Vec<u8>, record: &Record) {
    match record {
        Record::Died {
            message,
            reason,
            error_bytes,
        } => {
            about(
                out,
                tag::DIED,
                *message,
                &[reason_code(*reason), u64::from(*error_bytes)],
            );
        }
        Record::DeadLettered {
            message,
            reason,
            error_bytes,
            queue,
            dead_letter,
        } => {
            let fields = [
                reason_code(*reason),
                u64::from(*error_bytes),
                u64::from(queue.0),
            ];
            about(out, tag::DEAD_LETTERED, *message, &fields);
            put_message(out, *dead_letter);
        }
        other => assert!(
            manage::encode(out, other)
                || sweep::encode(out, other)
                || complete::encode(out, other)
                || moved::encode(out, other)
                || lost::encode(out, other),
            "every other record is written above"
        ),
    }
}

/// Appends a tag and its fields.
pub(super) fn numbers(out: &mut Vec<u8>, tag: u8, fields: &[u64]) {
    out.push(tag);
    for field in fields {
        put(out, *field);
    }
}

/// Appends a tag, the message it is about, and its fields.
pub(super) fn about(out: &mut Vec<u8>, tag: u8, message: MessageId, fields: &[u64]) {
    out.push(tag);
    put_message(out, message);
    for field in fields {
        put(out, *field);
    }
}

/// Appends a message's number and slot.
pub(crate) fn put_message(out: &mut Vec<u8>, message: MessageId) {
    put(out, message.number);
    put(out, u64::from(message.slot));
}

fn leased(
    out: &mut Vec<u8>,
    queue: QueueNumber,
    group: GroupNumber,
    consumer: &str,
    until_ms: u64,
    messages: &[Lease],
) {
    put(out, u64::from(queue.0));
    put(out, u64::from(group.0));
    put_text(out, consumer);
    put(out, until_ms);
    put(out, messages.len() as u64);
    for lease in messages {
        put_message(out, lease.message);
        put(out, u64::from(lease.delivery));
    }
}

fn cause_code(cause: FailureCause) -> u8 {
    match cause {
        FailureCause::Nack => 0,
        FailureCause::LeaseEnded => 1,
    }
}

/// Why a message died, as it is written.
pub(crate) fn reason_code(reason: DeathReason) -> u64 {
    match reason {
        DeathReason::RetriesExhausted => 0,
        DeathReason::LeaseEnded => 1,
        DeathReason::Expired => 2,
        DeathReason::Rejected => 3,
    }
}
