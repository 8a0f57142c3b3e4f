//! Answers to enqueues, and to acks that enqueue.

use super::message::state_name;
use super::rejection;
use super::write::Json;
use super::{Batches, Context};
use crate::batch::Fault;
use engine::rejection::Rejection;
use engine::reply::Accepted;

/// The result of a single enqueue.
pub fn put_one<'a>(
    json: &mut Json<'a>,
    context: &Context,
    results: &[Result<Accepted, Rejection>],
    batches: &Batches<'a>,
) -> Result<(), Fault> {
    results
        .iter()
        .try_for_each(|result| put(json, context, result, batches))
}

/// The results of a batch.
pub fn put_batch<'a>(
    json: &mut Json<'a>,
    context: &Context,
    results: &[Result<Accepted, Rejection>],
    batches: &Batches<'a>,
) -> Result<(), Fault> {
    let mut written = Ok(());
    json.object(|json| written = put_results(json, context, results, batches));
    written
}

fn put_results<'a>(
    json: &mut Json<'a>,
    context: &Context,
    results: &[Result<Accepted, Rejection>],
    batches: &Batches<'a>,
) -> Result<(), Fault> {
    let failed = results.iter().filter(|result| result.is_err()).count();
    let mut written = Ok(());
    json.name("results");
    json.array(|json| written = put_one(json, context, results, batches));
    json.number("failed", failed as u64);
    written
}

/// An ack that was done. What was there before is told with its state now: what an earlier ack enqueued, and duplicates,
/// whose results are left out.
pub fn put_acked(json: &mut Json, context: &Context, already: bool, enqueued: &[Accepted]) {
    json.object(|json| {
        json.plain("state", b"acked");
        json.boolean("already", already);
        if enqueued.is_empty() {
            return;
        }
        json.name("enqueued");
        json.array(|json| {
            for accepted in enqueued {
                let earlier = already || accepted.duplicate;
                json.object(|json| put_accepted(json, context, accepted, earlier));
            }
        });
    });
}

/// An ack whose messages were refused, among others.
pub fn put_refused(json: &mut Json, context: &Context, results: &[Result<Accepted, Rejection>]) {
    json.object(|json| {
        rejection::name_error(json, "batch_aborted", rejection::FOLLOW_UPS_REFUSED, None);
        put_results(json, context, results, &Batches::default()).expect("none was accepted");
    });
}

fn put<'a>(
    json: &mut Json<'a>,
    context: &Context,
    result: &Result<Accepted, Rejection>,
    batches: &Batches<'a>,
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
        put_accepted(json, context, accepted, accepted.duplicate);
        if let Some((result, _)) = kept {
            json.splice("result", result);
        }
    });
    Ok(())
}

/// `earlier`: it was accepted before this request.
fn put_accepted(json: &mut Json, context: &Context, accepted: &Accepted, earlier: bool) {
    json.id("id", context.partition, accepted.message);
    let state = match (earlier, accepted.state) {
        (false, _) if accepted.due_ms <= context.now_ms => b"ready".as_slice(),
        (false, _) => b"delayed",
        (true, Some(state)) => state_name(state),
        (true, None) => b"done",
    };
    json.plain("state", state);
    json.boolean("duplicate", accepted.duplicate);
}
