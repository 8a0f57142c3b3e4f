//! Rejections in words.

use super::Asked;
use super::write::Json;
use engine::config::QueueConfig;
use engine::rejection::Rejection;
use engine::reply::Reply;
use std::borrow::Cow;

const NOT_FOUND: &str = "there is no message with this id: it was acked, deleted or purged, kept for long enough when it was dead, or \
    moved by its death or a redrive (it has a new id then), or it never was";

const DEDUP_CONFLICT: &str = "this dedup id is taken by a message with another payload (payloads are compared byte for \
    byte: another order of members is another payload); use a new id";

/// What is wrong and what would be right.
pub fn detail(rejection: &Rejection) -> Cow<'static, str> {
    match rejection {
        Rejection::QueueNotFound { queue } => format!("there is no queue {queue}; create it first").into(),
        Rejection::QueueConflict { queue, there, asked } => conflict(queue, there, asked).into(),
        Rejection::DeadLetterQueueIsItself { queue } => {
            format!("queue {queue} can't be its own dead-letter queue; name another").into()
        }
        Rejection::DeadLetterQueueLeadsBack {
            queue,
            dead_letter_queue,
        } => {
            format!("dead letters of queue {queue} would come back to it through {dead_letter_queue}; name another").into()
        }
        Rejection::DeadLetterQueueChainTooLong { queue, dead_letter_queue, queues_max } => {
            chain_too_long(queue, dead_letter_queue, *queues_max).into()
        }
        Rejection::QueuesExhausted { queues_max } => {
            format!("there are {queues_max} queues already, or would be more with the dead-letter queue; delete one first")
                .into()
        }
        Rejection::QueuePaused { queue } => {
            format!("queue {queue} is paused and accepts no messages until it is resumed").into()
        }
        Rejection::QueueFull { queue, messages_max } => {
            format!("queue {queue} holds {messages_max} messages at most, and this would be one too many").into()
        }
        Rejection::DedupMemoryFull { ids_max } => {
            format!("{ids_max} dedup ids are remembered, as many as may be (HANZO_DEDUP_MEMORY)").into()
        }
        Rejection::RateLimited { queue, burst, retry_after_ms } => limited(queue, *burst, *retry_after_ms).into(),
        Rejection::GroupNotFound { queue, group } => {
            format!("queue {queue} has no consumer group {group}").into()
        }
        Rejection::GroupsExhausted { queue, groups_max } => {
            format!("queue {queue} has {groups_max} consumer groups beside default; delete one first").into()
        }
        Rejection::MembersExhausted { queue, group, members_max } => {
            format!("group {group} of queue {queue} has {members_max} members already").into()
        }
        Rejection::GroupIsDefault { queue } => {
            format!("the group default of queue {queue} can't be deleted; every queue has it").into()
        }
        Rejection::MessageNotFound => NOT_FOUND.into(),
        Rejection::NotInGroup { group } => {
            format!("consumer group {group} never had this message: the group was made later").into()
        }
        Rejection::PageLost => "the message of `after` has left the state that is looked at; begin with the first page".into(),
        Rejection::MessageLeased => {
            "a consumer holds the message; it is free again when its lease ends".into()
        }
        Rejection::MessageDead => "the message is dead: redrive it, or delete it".into(),
        Rejection::LeaseLost => {
            "the lease has ended: its visibility timeout or its consumer's session passed and the message may be with \
             another consumer, or it was settled, purged, or deleted with its queue"
                .into()
        }
        Rejection::ReceiptOfOtherQueue { queue } => {
            format!("the receipt is of a message of another queue than {queue}").into()
        }
        Rejection::DedupConflict => DEDUP_CONFLICT.into(),
        Rejection::SweepNotFound => {
            "there is no redrive or sweep with this id, or it ended long ago".into()
        }
        Rejection::SweepsExhausted { running_max } => {
            format!("{running_max} redrives and sweeps are under way already; wait for one, or cancel one").into()
        }
        Rejection::BatchAborted => "the batch is atomic and another entry of it was refused".into(),
    }
}

fn chain_too_long(queue: &str, dead_letter_queue: &str, queues_max: u32) -> String {
    format!(
        "dead letters of queue {queue} could pass more than {queues_max} queues, beginning with {dead_letter_queue}; \
         name another"
    )
}

fn conflict(queue: &str, there: &QueueConfig, asked: &QueueConfig) -> String {
    let differences = super::queue::differences(there, asked);
    format!(
        "queue {queue} exists with other settings ({differences}); change them with PATCH, or create it as it is"
    )
}

fn limited(queue: &str, burst: u32, retry_after_ms: u64) -> String {
    if retry_after_ms == 0 {
        return format!(
            "queue {queue} never accepts more than {burst} messages at once; send fewer"
        );
    }
    let seconds = super::explanation::seconds(retry_after_ms);
    format!(
        "queue {queue} has accepted as many messages as its ingress limit allows; come back in {seconds} s"
    )
}

/// An ack that was refused with what it brings.
pub const FOLLOW_UPS_REFUSED: &str =
    "nothing was acked or enqueued: the results say which messages were refused and why";

/// When asking again can succeed, where a time is known.
pub fn retry_after_ms(rejection: &Rejection) -> Option<u64> {
    match rejection {
        Rejection::RateLimited { retry_after_ms, .. } => Some(*retry_after_ms).filter(|&ms| ms > 0),
        _ => None,
    }
}

/// The no to the whole request.
pub fn of_whole<'a>(reply: &'a Reply, asked: &Asked) -> Option<&'a Rejection> {
    match (reply, asked) {
        (Reply::Rejected(rejection), _) => Some(rejection),
        (Reply::Enqueued(results), Asked::EnqueueOne) => match results.as_slice() {
            [Err(rejection)] => Some(rejection),
            _ => None,
        },
        _ => None,
    }
}

/// Code and detail when a reply says no to the whole request.
pub fn of_reply(reply: &Reply, asked: &Asked) -> Option<(&'static str, Cow<'static, str>)> {
    if let Some(rejection) = of_whole(reply, asked) {
        return Some((rejection.code(), detail(rejection)));
    }
    match (reply, asked) {
        (Reply::Enqueued(results), Asked::EnqueueAtomic) if results.iter().any(Result::is_err) => {
            let detail = "nothing of the atomic batch was accepted: the results say which entries were refused and why";
            Some(("batch_aborted", detail.into()))
        }
        (Reply::FollowUpsRefused(_), _) => Some(("batch_aborted", FOLLOW_UPS_REFUSED.into())),
        _ => None,
    }
}

/// `{"error": {code, detail, retryAfter?}}`
pub fn put_error(json: &mut Json, code: &str, detail: &str, retry_after_ms: Option<u64>) {
    json.object(|json| name_error(json, code, detail, retry_after_ms));
}

/// The member `error` alone.
pub fn name_error(json: &mut Json, code: &str, detail: &str, retry_after_ms: Option<u64>) {
    json.name("error");
    json.object(|json| {
        json.plain("code", code.as_bytes());
        json.text("detail", detail);
        if let Some(retry_after_ms) = retry_after_ms {
            json.thousandths("retryAfter", retry_after_ms);
        }
    });
}

/// An entry that was refused.
pub fn put(json: &mut Json, rejection: &Rejection) {
    let retry_after_ms = retry_after_ms(rejection);
    put_error(json, rejection.code(), &detail(rejection), retry_after_ms);
}
