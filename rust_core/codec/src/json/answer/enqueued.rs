//! Answers to enqueues, and to acks that enqueue.

use super::message::state_name;
use super::rejection;
use super::write::Json;
use super::{Batches, Context};
use crate::batch::Fault;
use engine::rejection::Rejection;
use engine::reply::Accepted;

/// The result of a single enqueue.
pub fn put_one(
    json: &mut Json,
    context: &Context,
    results: &[Result<Accepted, Rejection>],
    batches: &Batches<'_>,
) -> Result<(), Fault> {
    results
        .iter()
        .try_for_each(|result| put(json, context, result, batches))
}

/// The results of a batch.
pub fn put_batch(
    json: &mut Json,
    context: &Context,
    results: &[Result<Accepted, Rejection>],
    batches: &Batches<'_>,
) -> Result<(), Fault> {
    let failed = results.iter().filter(|result| result.is_err()).count();
    let mut written = Ok(());
    json.object(|json| {
        json.name("results");
        json.array(|json| written = put_one(json, context, results, batches));
        json.number("failed", failed as u64);
    });
    written
}

/// The answer to an ack that may have enqueued messages. What it repeats of their results is left out.
pub fn put_completed(json: &mut Json, context: &Context, already: bool, enqueued: &[Accepted]) {
    json.object(|json| {
        json.plain("state", b"acked");
        json.boolean("already", already);
        json.name("enqueued");
        json.array(|json| {
            for accepted in enqueued {
                json.object(|json| put_accepted(json, context, accepted));
            }
        });
    });
}

fn put(
    json: &mut Json,
    context: &Context,
    result: &Result<Accepted, Rejection>,
    batches: &Batches<'_>,
) -> Result<(), Fault> {
    let accepted = match result {
        Ok(accepted) => accepted,
        Err(refused) => {
            rejection::put(json, refused);
            return Ok(());
        }
    };
    let kept = Some(accepted.result).filter(|at| at.lsn > 0);
    let kept = kept.map(|at| batches.blob(at)).transpose()?;
    json.object(|json| {
        put_accepted(json, context, accepted);
        if let Some((result, _)) = kept {
            json.raw("result", result);
        }
    });
    Ok(())
}

fn put_accepted(json: &mut Json, context: &Context, accepted: &Accepted) {
    json.id("id", context.partition, accepted.message);
    let state = match (accepted.duplicate, accepted.state) {
        (false, _) if accepted.due_ms <= context.now_ms => b"ready".as_slice(),
        (false, _) => b"delayed",
        (true, Some(state)) => state_name(state),
        (true, None) => b"done",
    };
    json.plain("state", state);
    json.boolean("duplicate", accepted.duplicate);
}
