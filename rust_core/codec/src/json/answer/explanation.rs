//! Why a message is not being delivered now: a code and its fields for programs, a sentence for people.

use super::Context;
use super::message::state_name;
use super::write::Json;
use crate::json::names;
use crate::{id, instant};
use engine::reply::{Explanation, Reason};

/// The answer to an explain.
pub fn put(json: &mut Json, context: &Context, explanation: &Explanation) {
    json.object(|json| {
        json.id("id", context.partition, explanation.message);
        json.text("queue", &explanation.queue);
        json.text("group", &explanation.group);
        json.plain("state", explanation.state.map_or(b"done", state_name));
        json.boolean("deliverable", explanation.is_deliverable());
        json.name("reasons");
        json.array(|json| {
            for reason in &explanation.reasons {
                json.object(|json| {
                    json.text("code", code(reason));
                    json.text("detail", &detail(context, reason));
                    put_fields(json, context, reason);
                });
            }
        });
    });
}

/// Codes are never renamed; spec/openapi.yaml lists them.
fn code(reason: &Reason) -> &'static str {
    match reason {
        Reason::Paused => "paused",
        Reason::Delayed { .. } => "delayed",
        Reason::Leased { .. } => "leased",
        Reason::Expired { .. } => "expired",
        Reason::Dead { .. } => "dead",
        Reason::Done { .. } => "done",
        Reason::OrderingKey { .. } => "ordering_key",
        Reason::QueueRateLimit { .. } => "queue_rate_limit",
        Reason::ConsumerRateLimit { .. } => "consumer_rate_limit",
        Reason::KeyRateLimit { .. } => "key_rate_limit",
        Reason::KeyInFlight => "key_in_flight",
        Reason::QueueInFlight => "queue_in_flight",
        Reason::KeyAssigned { .. } => "key_assigned",
        Reason::Behind { .. } => "behind",
    }
}

fn put_fields(json: &mut Json, context: &Context, reason: &Reason) {
    match *reason {
        Reason::Paused | Reason::Expired { .. } | Reason::KeyInFlight | Reason::QueueInFlight => {}
        Reason::Delayed { until_ms } => json.instant("until", until_ms),
        Reason::Leased {
            until_ms,
            ref consumer,
        } => {
            json.instant("until", until_ms);
            if let Some(consumer) = consumer {
                json.text("consumer", consumer);
            }
        }
        Reason::Dead { reason } => json.text("reason", names::death_reason_name(reason)),
        Reason::Done { result } => {
            if let Some(result) = result {
                json.instant("doneAt", result.done_at_ms);
                json.instant("resultExpiresAt", result.expires_at_ms);
            }
        }
        Reason::OrderingKey { behind, state } => {
            json.id("behind", context.partition, behind);
            json.plain("state", state_name(state));
        }
        Reason::KeyAssigned { ref member, .. } => json.text("member", member),
        Reason::QueueRateLimit { retry_after_ms }
        | Reason::ConsumerRateLimit { retry_after_ms }
        | Reason::KeyRateLimit { retry_after_ms } => {
            json.thousandths("retryAfter", retry_after_ms);
        }
        Reason::Behind { ahead, more: false } => json.number("ahead", u64::from(ahead)),
        Reason::Behind { ahead, more: true } => json.text("ahead", &more_than(ahead)),
    }
}

fn more_than(count: u32) -> String {
    format!("more than {count}")
}

fn detail(context: &Context, reason: &Reason) -> String {
    match *reason {
        Reason::Paused => "the queue is paused and hands nothing out until it is resumed".into(),
        Reason::Delayed { until_ms } => format!("it is delayed until {}", instant(until_ms)),
        Reason::Leased {
            until_ms,
            ref consumer,
        } => {
            let (until, who) = (instant(until_ms), consumer.as_deref().unwrap_or("a consumer"));
            format!("{who} holds it until {until}, unless it is done or extended before")
        }
        Reason::Expired { is_letter: false } => {
            "its time to live is over: it is about to die".into()
        }
        Reason::Expired { is_letter: true } => {
            "its dead-letter queue has kept it for its deadRetention: it is about to go".into()
        }
        Reason::Dead { reason } => {
            let reason = names::death_reason_name(reason);
            format!("it is dead ({reason}): redrive it, or delete it")
        }
        Reason::Done { result: None } => "this consumer group is done with it".into(),
        Reason::Done {
            result: Some(result),
        } => {
            let (at, until) = (instant(result.done_at_ms), instant(result.expires_at_ms));
            format!("it was done at {at}; its result is kept until {until}")
        }
        Reason::OrderingKey { behind, state } => {
            let behind = id::encode(context.partition, behind);
            let behind = String::from_utf8_lossy(&behind);
            let state = String::from_utf8_lossy(state_name(state));
            format!(
                "an earlier message of its ordering key has to be done first: {behind}, which is {state}"
            )
        }
        Reason::QueueRateLimit { retry_after_ms } => {
            let seconds = seconds(retry_after_ms);
            format!("the queue's rate limit lets the next message go in {seconds} s")
        }
        Reason::ConsumerRateLimit { retry_after_ms } => {
            let seconds = seconds(retry_after_ms);
            format!("the rate limit of each consumer lets this one's next message go in {seconds} s")
        }
        Reason::KeyRateLimit { retry_after_ms } => {
            let seconds = seconds(retry_after_ms);
            format!("the rate limit of its fairness key lets the next message go in {seconds} s")
        }
        Reason::KeyInFlight => {
            "as many messages of its fairness key are leased as may be: the next goes when one is done".into()
        }
        Reason::KeyAssigned { ref member, .. } => {
            format!("its ordering key sticks to {member}, who alone gets it while it is a member")
        }
        Reason::QueueInFlight => {
            "as many messages of the queue are leased as may be: the next goes when one is done"
                .into()
        }
        Reason::Behind {
            ahead: 1,
            more: false,
        } => "one other message goes first".into(),
        Reason::Behind { ahead, more: false } => format!("{ahead} other messages go first"),
        Reason::Behind { ahead, more: true } => {
            format!("{} other messages go first", more_than(ahead))
        }
    }
}

fn instant(ms: u64) -> String {
    String::from_utf8_lossy(&instant::text(ms)).into_owned()
}

/// Milliseconds, as people read them.
pub fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}
