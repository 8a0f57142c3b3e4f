//! The bytes of what sweeps are and do. What may be absent has a bit in a byte of flags before it.

pub mod view;

use super::decode::{message, priority, queue, reason};
use super::encode::{about, numbers, put_message, reason_code};
use super::tag;
use crate::varint::{Malformed, Reader, put, put_text};
use engine::ids::MessageId;
use engine::record::Record;
use engine::reply::State;
use engine::sweep::*;

const MESSAGE_BYTES_MIN: usize = 2;
const STATES: [State; 5] = [
    State::Ready,
    State::Blocked,
    State::Delayed,
    State::Leased,
    State::Dead,
];
const ENDS: [SweepEnd; 3] = [SweepEnd::Done, SweepEnd::Cancelled, SweepEnd::QueueDeleted];

/// Appends one of these records; false: it is none of them.
pub fn encode(out: &mut Vec<u8>, record: &Record) -> bool {
    match record {
        Record::SweepStarted { sweep, queue, plan } => {
            numbers(out, tag::SWEEP_STARTED, &[*sweep, u64::from(queue.0)]);
            put_plan(out, plan);
        }
        Record::SweepAdvanced {
            sweep,
            cursor,
            tally,
            sample,
        } => {
            let SweepTally {
                matched,
                moved,
                skipped,
                failed,
            } = *tally;
            let fields = [*sweep, *cursor, matched, moved, skipped];
            numbers(out, tag::SWEEP_ADVANCED, &fields);
            put_failed(out, &failed);
            put_messages(out, sample);
        }
        Record::SweepEnded { sweep, end } => {
            let end = ENDS.iter().position(|known| known == end);
            let end = end.expect("every end is listed") as u64;
            numbers(out, tag::SWEEP_ENDED, &[*sweep, end]);
        }
        Record::SweepForgotten { sweep } => numbers(out, tag::SWEEP_FORGOTTEN, &[*sweep]),
        Record::Redriven {
            message,
            queue,
            new,
            expires_at_ms,
        } => {
            about(out, tag::REDRIVEN, *message, &[u64::from(queue.0)]);
            put_message(out, *new);
            put(out, *expires_at_ms);
        }
        _ => return false,
    }
    true
}

/// Reads what follows one of these records' tags; None: the tag is none of them.
pub fn decode(tag: u8, reader: &mut Reader<'_>) -> Result<Option<Record>, Malformed> {
    Ok(Some(match tag {
        tag::SWEEP_STARTED => Record::SweepStarted {
            sweep: reader.u64()?,
            queue: queue(reader)?,
            plan: plan(reader)?.into(),
        },
        tag::SWEEP_ADVANCED => Record::SweepAdvanced {
            sweep: reader.u64()?,
            cursor: reader.u64()?,
            tally: SweepTally {
                matched: reader.u64()?,
                moved: reader.u64()?,
                skipped: reader.u64()?,
                failed: failed(reader)?,
            },
            sample: messages(reader)?,
        },
        tag::SWEEP_ENDED => Record::SweepEnded {
            sweep: reader.u64()?,
            end: known(&ENDS, reader.u64()?, "a sweep has an unknown end")?,
        },
        tag::SWEEP_FORGOTTEN => Record::SweepForgotten {
            sweep: reader.u64()?,
        },
        tag::REDRIVEN => Record::Redriven {
            message: message(reader)?,
            queue: queue(reader)?,
            new: message(reader)?,
            expires_at_ms: reader.u64()?,
        },
        _ => return Ok(None),
    }))
}

fn known<T: Copy>(values: &[T], code: u64, fault: &'static str) -> Result<T, Malformed> {
    let index = usize::try_from(code).unwrap_or(usize::MAX);
    values.get(index).copied().ok_or(Malformed(fault))
}

fn put_plan(out: &mut Vec<u8>, plan: &SweepPlan) {
    let SweepPlan {
        action,
        filter,
        ids,
        messages_max,
        rate,
        dry_run,
    } = plan;
    put_flags(out, [ids.is_some(), rate.is_some(), *dry_run]);
    put_action(out, action);
    put_filter(out, filter);
    if let Some(ids) = ids {
        put_messages(out, ids);
    }
    put(out, *messages_max);
    if let Some(rate) = rate {
        put(out, u64::from(rate.messages));
        put(out, rate.per_ms);
    }
}

fn plan(reader: &mut Reader<'_>) -> Result<SweepPlan, Malformed> {
    let [has_ids, has_rate, dry_run] = flags(reader)?;
    Ok(SweepPlan {
        action: action(reader)?,
        filter: filter(reader)?,
        ids: when(has_ids, || messages(reader))?,
        messages_max: reader.u64()?,
        rate: when(has_rate, || {
            Ok(SweepRate {
                messages: reader.u32()?,
                per_ms: reader.u64()?,
            })
        })?,
        dry_run,
    })
}

fn put_action(out: &mut Vec<u8>, action: &SweepAction) {
    match action {
        SweepAction::Redrive { destination } => {
            out.push(0);
            put_flags(out, [destination.is_some()]);
            destination.iter().for_each(|name| put_text(out, name));
        }
        SweepAction::Cancel => out.push(1),
        SweepAction::Change { delay_ms, priority } => {
            out.push(2);
            put_flags(out, [delay_ms.is_some(), priority.is_some()]);
            delay_ms.iter().for_each(|ms| put(out, *ms));
            priority
                .iter()
                .for_each(|priority| put(out, u64::from(*priority)));
        }
    }
}

fn action(reader: &mut Reader<'_>) -> Result<SweepAction, Malformed> {
    match reader.byte()? {
        0 => {
            let [has_destination] = flags(reader)?;
            let destination = when(has_destination, || text(reader))?;
            Ok(SweepAction::Redrive { destination })
        }
        1 => Ok(SweepAction::Cancel),
        2 => {
            let [has_delay, has_priority] = flags(reader)?;
            Ok(SweepAction::Change {
                delay_ms: when(has_delay, || reader.u64())?,
                priority: when(has_priority, || priority(reader))?,
            })
        }
        _ => Err(Malformed("a sweep has an unknown action")),
    }
}

fn put_filter(out: &mut Vec<u8>, filter: &SweepFilter) {
    let SweepFilter {
        state,
        reason,
        error,
        metadata,
        older_than_ms,
        newer_than_ms,
        accepted,
    } = filter;
    let given = [
        state.is_some(),
        reason.is_some(),
        error.is_some(),
        metadata.is_some(),
        older_than_ms.is_some(),
        newer_than_ms.is_some(),
        accepted.is_some(),
    ];
    put_flags(out, given);
    if let Some(state) = state {
        let code = STATES.iter().position(|known| known == state);
        put(out, code.expect("every state is listed") as u64);
    }
    reason
        .iter()
        .for_each(|reason| put(out, reason_code(*reason)));
    let texts = [error, metadata].into_iter().flatten();
    texts.for_each(|text| put_text(out, text));
    let ages = [older_than_ms, newer_than_ms].into_iter().flatten();
    ages.for_each(|ms| put(out, *ms));
    if let Some((first, last)) = accepted {
        put(out, *first);
        put(out, *last);
    }
}

fn filter(reader: &mut Reader<'_>) -> Result<SweepFilter, Malformed> {
    let given: [bool; 7] = flags(reader)?;
    Ok(SweepFilter {
        state: when(given[0], || {
            known(&STATES, reader.u64()?, "a filter has an unknown state")
        })?,
        reason: when(given[1], || reason(reader))?,
        error: when(given[2], || text(reader))?,
        metadata: when(given[3], || text(reader))?,
        older_than_ms: when(given[4], || reader.u64())?,
        newer_than_ms: when(given[5], || reader.u64())?,
        accepted: when(given[6], || Ok((reader.u64()?, reader.u64()?)))?,
    })
}

/// Counts by reason, without the last ones that are 0: a server that knows more reasons reads them too.
fn put_failed(out: &mut Vec<u8>, failed: &[u64]) {
    let count = failed.iter().rposition(|count| *count > 0);
    let count = count.map_or(0, |last| last + 1);
    put(out, count as u64);
    failed[..count].iter().for_each(|count| put(out, *count));
}

fn failed(reader: &mut Reader<'_>) -> Result<[u64; SWEEP_FAILURES.len()], Malformed> {
    let mut failed = [0; SWEEP_FAILURES.len()];
    let count = reader.count(1)?;
    let counts = failed
        .get_mut(..count)
        .ok_or(Malformed("a sweep has an unknown failure"))?;
    for slot in counts.iter_mut() {
        *slot = reader.u64()?;
    }
    if counts.last() == Some(&0) {
        return Err(Malformed("failures are spelled longer than needed"));
    }
    Ok(failed)
}

fn put_messages(out: &mut Vec<u8>, messages: &[MessageId]) {
    put(out, messages.len() as u64);
    messages
        .iter()
        .for_each(|message| put_message(out, *message));
}

fn messages(reader: &mut Reader<'_>) -> Result<Vec<MessageId>, Malformed> {
    let count = reader.count(MESSAGE_BYTES_MIN)?;
    (0..count).map(|_| message(reader)).collect()
}

fn text(reader: &mut Reader<'_>) -> Result<Box<str>, Malformed> {
    reader.text().map(Into::into)
}

fn put_flags<const N: usize>(out: &mut Vec<u8>, flags: [bool; N]) {
    let bits = flags.iter().enumerate();
    out.push(bits.fold(0, |byte, (bit, &set)| byte | (u8::from(set) << bit)));
}

fn flags<const N: usize>(reader: &mut Reader<'_>) -> Result<[bool; N], Malformed> {
    let byte = reader.byte()?;
    if u16::from(byte) >> N != 0 {
        return Err(Malformed("a sweep has an unknown flag"));
    }
    Ok(std::array::from_fn(|bit| byte & (1 << bit) != 0))
}

/// What is there only when its flag says so.
fn when<T>(
    given: bool,
    read: impl FnOnce() -> Result<T, Malformed>,
) -> Result<Option<T>, Malformed> {
    if given { read().map(Some) } else { Ok(None) }
}
