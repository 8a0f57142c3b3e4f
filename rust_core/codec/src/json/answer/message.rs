//! Messages: as handed to a consumer, and as seen from outside.

use super::Context;
use super::batches::Batches;
use super::queue::put_backoff;
use super::write::Json;
use crate::batch::Fault;
use crate::envelope::{self, Envelope};
use crate::json::names;
use crate::receipt::Claim;
use engine::ids::{Location, MessageId};
use engine::reply::{
    DeadLetter, Delivered, DoneView, Failures, Limited, LimitedBy, MessageView, State,
};
use std::hint::black_box;

/// What a message's blobs say.
struct Contents<'a> {
    envelope: Envelope<'a>,
    enqueued_at_ms: u64,
    /// The last error of its failed attempts, while it lives.
    last_error: Option<&'a str>,
    /// The last error before its death.
    error: Option<&'a str>,
}

impl<'a> Contents<'a> {
    fn read(
        batches: &Batches<'a>,
        (blob, now_ms): (&'a [u8], u64),
        failures: Option<&Failures>,
        dead_letter: Option<&DeadLetter>,
    ) -> Result<Self, Fault> {
        let envelope = envelope::decode(blob)?;
        let enqueued_at_ms = envelope.accepted_at_ms.unwrap_or(now_ms);
        Ok(Contents {
            envelope,
            enqueued_at_ms,
            last_error: error(batches, failures.map(|failed| failed.error))?,
            error: error(batches, dead_letter.map(|dead| dead.error))?,
        })
    }
}

fn error<'a>(batches: &Batches<'a>, at: Option<Location>) -> Result<Option<&'a str>, Fault> {
    match at.filter(|at| at.lsn > 0) {
        None => Ok(None),
        Some(at) => text(batches.blob(at)?.0).map(Some),
    }
}

fn text(bytes: &[u8]) -> Result<&str, Fault> {
    std::str::from_utf8(bytes).map_err(|_| Fault::Malformed("an error's text is not UTF-8"))
}

/// The answer to a receive.
pub fn put_received<'a>(
    json: &mut Json<'a>,
    context: &Context,
    queue: &str,
    messages: &[Delivered],
    limited: Option<Limited>,
    batches: &Batches<'a>,
) -> Result<(), Fault> {
    if messages.len() > 1 {
        load_ahead(messages, batches);
    }
    let mut contents = Vec::with_capacity(messages.len());
    for message in messages {
        let blob = batches.blob(message.envelope)?;
        let (failures, letter) = (message.failures.as_deref(), message.dead_letter.as_deref());
        contents.push(Contents::read(batches, blob, failures, letter)?);
    }
    json.object(|json| {
        json.name("messages");
        json.array(|json| {
            for (message, contents) in messages.iter().zip(&contents) {
                put_delivered(json, context, queue, message, contents);
            }
        });
        if let Some(limited) = limited {
            json.plain("limitedBy", limit_name(limited.by));
            if let Some(retry_after_ms) = limited.retry_after_ms {
                json.thousandths("retryAfter", retry_after_ms);
            }
        }
    });
    Ok(())
}

/// Has the processor load the beginning of each at once: received by priority they lie anywhere, and read one after the
/// other each would wait for the memory alone.
fn load_ahead(messages: &[Delivered], batches: &Batches<'_>) {
    let first = |message: &Delivered| {
        let (blob, _) = batches.blob(message.envelope).ok()?;
        blob.first().copied()
    };
    black_box(messages.iter().filter_map(first).fold(0, u8::wrapping_add));
}

fn limit_name(by: LimitedBy) -> &'static [u8] {
    match by {
        LimitedBy::Paused => b"paused",
        LimitedBy::InFlight => b"inFlight",
        LimitedBy::QueueRateLimit => b"queue",
        LimitedBy::Consumer => b"consumer",
        LimitedBy::Key => b"key",
        LimitedBy::KeyAssigned => b"keyAssigned",
    }
}

fn put_delivered<'a>(
    json: &mut Json<'a>,
    context: &Context,
    queue: &str,
    message: &Delivered,
    contents: &Contents<'a>,
) {
    let Context {
        partition, epoch, ..
    } = *context;
    let receipt = Claim {
        partition,
        lease: message.lease,
        epoch,
    }
    .sign(&context.secret);
    json.object(|json| {
        json.id("id", partition, message.message);
        json.plain("receipt", &receipt);
        json.text("queue", queue);
        put_contents(json, message.priority, contents);
        json.number("deliveries", u64::from(message.lease.delivery));
        json.number("attempts", u64::from(message.attempts));
        put_failures(json, message.failures.as_deref(), contents);
        json.instant("leasedUntil", message.leased_until_ms);
        put_options(
            json,
            context,
            message.expires_at_ms,
            message.dead_letter.as_deref(),
            contents,
        );
    });
}

/// The answer to a get.
pub fn put_view<'a>(
    json: &mut Json<'a>,
    context: &Context,
    message: &MessageView,
    batches: &Batches<'a>,
) -> Result<(), Fault> {
    let (failures, dead_letter) = (message.failures.as_deref(), message.dead_letter.as_deref());
    let blob = batches.blob(message.envelope)?;
    let contents = Contents::read(batches, blob, failures, dead_letter)?;
    let (state, at) = state_names(message.state);
    json.object(|json| {
        json.id("id", context.partition, message.message);
        json.text("queue", &message.queue);
        json.plain("state", state);
        put_contents(json, message.priority, &contents);
        json.number("deliveries", u64::from(message.deliveries));
        json.number("attempts", u64::from(message.attempts));
        put_failures(json, failures, &contents);
        json.instant(at, message.at_ms);
        put_options(json, context, message.expires_at_ms, dead_letter, &contents);
        if let Some(max_retries) = message.max_retries {
            json.number("maxRetries", u64::from(max_retries));
        }
        if let Some(backoff) = message.backoff {
            put_backoff(json, backoff);
        }
        put_groups(json, &message.groups);
    });
    Ok(())
}

/// The answer to a get of a message that is done.
pub fn put_done<'a>(
    json: &mut Json<'a>,
    context: &Context,
    done: &DoneView,
    batches: &Batches<'a>,
) -> Result<(), Fault> {
    let (result, _) = batches.blob(done.result)?;
    json.object(|json| {
        json.id("id", context.partition, done.message);
        json.text("queue", &done.queue);
        json.plain("state", b"done");
        json.instant("doneAt", done.done_at_ms);
        json.splice("result", result);
        json.instant("resultExpiresAt", done.expires_at_ms);
    });
    Ok(())
}

/// The answer to a peek; `next` continues it.
pub fn put_page<'a>(
    json: &mut Json<'a>,
    context: &Context,
    messages: &[MessageView],
    next: Option<MessageId>,
    batches: &Batches<'a>,
) -> Result<(), Fault> {
    let mut written = Ok(());
    json.object(|json| {
        json.name("messages");
        json.array(|json| {
            written = messages
                .iter()
                .try_for_each(|message| put_view(json, context, message, batches));
        });
        match next {
            Some(next) => json.id("next", context.partition, next),
            None => json.null("next"),
        }
    });
    written
}

fn put_contents<'a>(json: &mut Json<'a>, priority: u8, contents: &Contents<'a>) {
    json.splice("payload", contents.envelope.payload);
    json.number("priority", u64::from(priority));
    json.raw("metadata", contents.envelope.metadata.unwrap_or(b"{}"));
    json.instant("enqueuedAt", contents.enqueued_at_ms);
}

/// How it failed, when it did and lives on.
fn put_failures(json: &mut Json, failures: Option<&Failures>, contents: &Contents<'_>) {
    let Some(failures) = failures else {
        return;
    };
    if let Some(error) = contents.last_error {
        json.text("lastError", error);
    }
    json.instant("firstFailureAt", failures.first_ms);
    json.instant("lastFailureAt", failures.last_ms);
}

/// Fields that are left out when there is nothing to say.
fn put_options(
    json: &mut Json,
    context: &Context,
    expires_at_ms: u64,
    dead_letter: Option<&DeadLetter>,
    contents: &Contents<'_>,
) {
    if expires_at_ms > 0 {
        json.instant("expiresAt", expires_at_ms);
    }
    let texts = &contents.envelope.texts;
    let named = [
        ("dedupId", texts.dedup_id),
        ("orderingKey", texts.ordering_key),
        ("fairnessKey", texts.fairness_key),
        ("traceparent", texts.traceparent),
    ];
    for (name, text) in named {
        if let Some(text) = text {
            json.text(name, text);
        }
    }
    if let Some(dead_letter) = dead_letter {
        put_dead_letter(json, context, dead_letter, contents.error);
    }
}

fn put_dead_letter(json: &mut Json, context: &Context, dead: &DeadLetter, error: Option<&str>) {
    json.name("deadLetter");
    json.object(|json| {
        let reason = names::death_reason_name(dead.reason);
        json.plain("reason", reason.as_bytes());
        if let Some(error) = error {
            json.text("error", error);
        }
        json.text("sourceQueue", &dead.source_queue);
        if *dead.source_group != *"default" {
            json.text("sourceGroup", &dead.source_group);
        }
        json.id("sourceId", context.partition, dead.source_message);
        json.number("deliveries", u64::from(dead.deliveries));
        json.number("attempts", u64::from(dead.attempts));
        if dead.redrives > 0 {
            json.number("redrives", u64::from(dead.redrives));
        }
        for (name, ms) in [
            ("firstFailureAt", dead.first_failure_ms),
            ("lastFailureAt", dead.last_failure_ms),
        ] {
            if ms > 0 {
                json.instant(name, ms);
            }
        }
    });
}

/// Its state in each group, when further ones got it; `done` is no state of a message that is there.
pub fn put_groups(json: &mut Json, groups: &[(Box<str>, Option<State>)]) {
    if groups.is_empty() {
        return;
    }
    json.name("groups");
    json.map(groups.iter().map(|(name, state)| {
        let state = state.map_or(&b"done"[..], |state| state_names(state).0);
        (&**name, state)
    }));
}

/// A state's name.
pub fn state_name(state: State) -> &'static [u8] {
    state_names(state).0
}

/// A state's name, and the name of the instant that belongs to it.
fn state_names(state: State) -> (&'static [u8], &'static str) {
    match state {
        State::Ready => (b"ready", "readyAt"),
        State::Blocked => (b"blocked", "readyAt"),
        State::Delayed => (b"delayed", "dueAt"),
        State::Leased => (b"leased", "leasedUntil"),
        State::Dead => (b"dead", "deadAt"),
    }
}
