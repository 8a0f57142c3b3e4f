//! Answers to enqueues.

use super::Context;
use super::message::state_name;
use super::rejection;
use super::write::Json;
use engine::rejection::Rejection;
use engine::reply::Accepted;

/// The result of a single enqueue.
pub fn put_one(json: &mut Json, context: &Context, results: &[Result<Accepted, Rejection>]) {
    for result in results {
        put(json, context, result);
    }
}

/// The results of a batch.
pub fn put_batch(json: &mut Json, context: &Context, results: &[Result<Accepted, Rejection>]) {
    let failed = results.iter().filter(|result| result.is_err()).count();
    json.object(|json| {
        json.name("results");
        json.array(|json| results.iter().for_each(|result| put(json, context, result)));
        json.number("failed", failed as u64);
    });
}

fn put(json: &mut Json, context: &Context, result: &Result<Accepted, Rejection>) {
    match result {
        Err(refused) => rejection::put(json, refused),
        Ok(accepted) => json.object(|json| {
            json.id("id", context.partition, accepted.message);
            let state = match (accepted.duplicate, accepted.state) {
                (false, _) if accepted.due_ms <= context.now_ms => b"ready".as_slice(),
                (false, _) => b"delayed",
                (true, Some(state)) => state_name(state),
                (true, None) => b"done",
            };
            json.plain("state", state);
            json.boolean("duplicate", accepted.duplicate);
        }),
    }
}
