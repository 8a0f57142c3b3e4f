//! Answers about leases: ack, nack, extend, release, and many of them at once.

use super::enqueued::{put_acked, put_refused};
use super::write::Json;
use super::{Context, rejection};
use crate::json::request::{Refusal, Refused};
use engine::ids::MessageId;
use engine::reply::{AckRefusal, Acked, Nacked, Released, Reply};

/// The answer to one verb, and to any reply that no other file writes.
pub fn put(json: &mut Json, context: &Context, reply: &Reply) {
    match reply {
        Reply::Acked { already } => put_acked(json, context, *already, &[]),
        Reply::Nacked(nacked) => put_nacked(json, context, *nacked),
        Reply::Extended { leased_until_ms } => put_extended(json, *leased_until_ms),
        Reply::Released(released) => put_released(json, context, *released),
        Reply::Settled { .. } => put_merged(json, context, reply, &Refused::default()),
        Reply::GivenBack { messages } => {
            json.object(|json| json.number("messages", u64::from(*messages)))
        }
        Reply::MessageDeleted => json.object(|json| json.plain("state", b"deleted")),
        Reply::Rejected(refused) => rejection::put(json, refused),
        Reply::QueueCreated { .. }
        | Reply::Trimming(_)
        | Reply::Dropped(_)
        | Reply::Moved { .. }
        | Reply::Queue(_)
        | Reply::QueueDeleted { .. }
        | Reply::QueuePurged { .. }
        | Reply::Queues { .. }
        | Reply::GroupCreated { .. }
        | Reply::Group(_)
        | Reply::GroupDeleted { .. }
        | Reply::Groups(_)
        | Reply::Session { .. }
        | Reply::Left { .. }
        | Reply::Enqueued(_)
        | Reply::Completed { .. }
        | Reply::FollowUpsRefused(_)
        | Reply::Done(_)
        | Reply::Received { .. }
        | Reply::Message(_)
        | Reply::Explained(_)
        | Reply::Sweep(_)
        | Reply::Sweeps { .. }
        | Reply::SweepStepped(_)
        | Reply::Peeked { .. } => unreachable!("other files write these"),
    }
}

/// The answer to a settle: the engine's results, and the refusals of entries it never saw, in the order the
/// entries came.
pub fn put_merged(json: &mut Json, context: &Context, reply: &Reply, refused: &Refused) {
    let Reply::Settled {
        acks,
        nacks,
        extends,
        releases,
    } = reply
    else {
        return put(json, context, reply);
    };
    let mut failed = 0;
    json.object(|json| {
        json.name("acks");
        let put_refusal = |json: &mut Json, refusal: &AckRefusal| match refusal {
            AckRefusal::Rejected(rejection) => rejection::put(json, rejection),
            AckRefusal::FollowUps(results) => put_refused(json, context, results),
        };
        let put_ack = |json: &mut Json, acked: &Acked| {
            put_acked(json, context, acked.already, &acked.enqueued)
        };
        failed += put_entries(json, acks, &refused.acks, put_ack, put_refusal);
        json.name("nacks");
        let put_nack = |json: &mut Json, nacked: &Nacked| put_nacked(json, context, *nacked);
        failed += put_entries(json, nacks, &refused.nacks, put_nack, rejection::put);
        json.name("extends");
        let put_extend = |json: &mut Json, until_ms: &u64| put_extended(json, *until_ms);
        failed += put_entries(json, extends, &refused.extends, put_extend, rejection::put);
        json.name("releases");
        let put_release =
            |json: &mut Json, released: &Released| put_released(json, context, *released);
        failed += put_entries(
            json,
            releases,
            &refused.releases,
            put_release,
            rejection::put,
        );
        json.number("failed", failed);
    });
}

/// Writes entries and returns how many failed.
fn put_entries<T, E>(
    json: &mut Json,
    results: &[Result<T, E>],
    refused: &[Option<Refusal>],
    put: impl Fn(&mut Json, &T),
    put_error: impl Fn(&mut Json, &E),
) -> u64 {
    let (mut failed, mut results) = (0, results.iter());
    let mut put_result = |json: &mut Json, result: &Result<T, E>| match result {
        Ok(value) => put(json, value),
        Err(refused) => {
            failed += 1;
            put_error(json, refused);
        }
    };
    let mut refusals = 0;
    json.array(|json| {
        for entry in refused {
            match entry {
                Some(refusal) => {
                    refusals += 1;
                    rejection::put_error(json, refusal.code(), refusal.detail(), None);
                }
                None => results
                    .next()
                    .into_iter()
                    .for_each(|result| put_result(json, result)),
            }
        }
        results.for_each(|result| put_result(json, result));
    });
    failed + refusals
}

fn put_nacked(json: &mut Json, context: &Context, nacked: Nacked) {
    json.object(|json| match nacked {
        Nacked::Retry { due_ms } => put_due(json, context, due_ms),
        Nacked::Dead => put_dead(json, context, None),
        Nacked::DeadLettered { message } => put_dead(json, context, Some(message)),
        Nacked::Already => json.plain("state", b"settled"),
    });
}

fn put_released(json: &mut Json, context: &Context, released: Released) {
    json.object(|json| match released {
        Released::Until { due_ms } => put_due(json, context, due_ms),
        Released::Dead => put_dead(json, context, None),
        Released::DeadLettered { message } => put_dead(json, context, Some(message)),
        Released::Already => json.plain("state", b"settled"),
    });
}

fn put_due(json: &mut Json, context: &Context, due_ms: u64) {
    let ready = due_ms <= context.now_ms;
    json.plain("state", if ready { b"ready" } else { b"delayed" });
    json.instant("dueAt", due_ms);
}

fn put_dead(json: &mut Json, context: &Context, dead_letter: Option<MessageId>) {
    match dead_letter {
        None => json.plain("state", b"dead"),
        Some(message) => {
            json.plain("state", b"deadLettered");
            json.id("deadLetterId", context.partition, message);
        }
    }
}

fn put_extended(json: &mut Json, leased_until_ms: u64) {
    json.object(|json| json.instant("leasedUntil", leased_until_ms));
}
