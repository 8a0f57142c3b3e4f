//! Upper bounds of encoded records, from which a command's share of a batch is known before it is decided.

/// Varints of a u16, a u32, a message number and a u64.
const U16: usize = 3;
const U32: usize = 5;
const NUMBER: usize = 7;
const U64: usize = 10;
const TAG: usize = 1;
const FLAGS: usize = 1;
const PRIORITY: usize = 2;
const CODE: usize = 1;
const MESSAGE: usize = NUMBER + U32;
/// A backoff, of a queue or of a message.
pub const BACKOFF: usize = U64 + U32 + U64 + U16;

const fn text(bytes: usize) -> usize {
    U32 + bytes
}

const fn config(name_bytes_max: usize) -> usize {
    let rate_limit = U32 + U64 + U32;
    let tagged = U32 + 3 * (TAG + rate_limit) + 5 * (TAG + U64) + TAG + U32 + U32;
    FLAGS + U32 + U64 + text(name_bytes_max) + rate_limit + U64 + BACKOFF + 3 * U64 + tagged
}

/// `weights` fairness keys of a queue's settings, whose texts have `key_bytes_max` bytes at most.
pub const fn weights(weights: usize, key_bytes_max: usize) -> usize {
    weights * (text(key_bytes_max) + 8 + U32)
}

/// The records that begin an epoch.
pub const FENCE: usize = TAG + 32 + TAG + U64;

/// `QueueCreated` or `QueueUpdated`, when names have at most `name_bytes_max` bytes, beside its weights.
pub const fn queue(name_bytes_max: usize) -> usize {
    TAG + U32 + text(name_bytes_max) + config(name_bytes_max)
}

/// `QueuePaused`.
pub const QUEUE_PAUSED: usize = TAG + U32 + FLAGS;

/// `QueuePurged`.
pub const QUEUE_PURGED: usize = TAG + U32 + U32;

/// `QueueDeleted`.
pub const QUEUE_DELETED: usize = TAG + U32;

/// `GroupCreated`, when names have at most `name_bytes_max` bytes.
pub const fn group(name_bytes_max: usize) -> usize {
    TAG + U32 + U16 + U32 + text(name_bytes_max)
}

/// `MemberJoined` or `MemberLeft` of a consumer whose name has `consumer_bytes` bytes, and what is returned and assigned
/// anew then.
pub const fn member(consumer_bytes: usize) -> usize {
    TAG + U32 + text(consumer_bytes) + MEMBERS_CHANGED
}

const MEMBERS_CHANGED: usize =
    (engine::budget::RETURNED_BYTES_MAX + engine::budget::REASSIGNED_BYTES_MAX) as usize;

/// `Enqueued`, without its blob and a backoff of its own.
pub const ENQUEUED: usize =
    TAG + FLAGS + MESSAGE + U32 + PRIORITY + 2 * U64 + U32 + (24 + U64) + 16 + U32;

/// `Enqueued`, and the timer that a step may fire more with each message it brings.
pub const BROUGHT: usize = ENQUEUED + engine::budget::FIRED_BYTES_MAX as usize;

/// `Leased` of `messages` messages to a consumer whose name has `consumer_bytes` bytes.
pub const fn leased(consumer_bytes: usize, messages: usize) -> usize {
    TAG + 16 + U32 + U16 + text(consumer_bytes) + U64 + U32 + messages * (MESSAGE + U32)
}

/// `ResultsEvicted`, with a result that is kept.
pub const RESULTS_EVICTED: usize = TAG + U32;

/// `FollowedUp` of one message, beside what comes with each.
pub const FOLLOWED_UP: usize = TAG + MESSAGE + U16 + U32;

/// `Enqueued` of one message of a `FollowedUp`, the timer it may fire, and its share of that record.
pub const FOLLOWED: usize = BROUGHT + FLAGS + MESSAGE;

/// Any record about one message that was accepted earlier, without an error's text.
pub const CHANGE: usize = TAG + MESSAGE + max(RETRIED, DEAD_LETTERED);
const RETRIED: usize = U16 + CODE + U64 + PRIORITY + U32;
const DEAD_LETTERED: usize = CODE + U32 + U32 + MESSAGE;

/// `SweepStarted`, when it names `ids` messages and its texts have `text_bytes` bytes.
pub const fn sweep_started(text_bytes: usize, ids: usize) -> usize {
    let action = CODE + FLAGS + max(U32, U64 + PRIORITY);
    let filter = FLAGS + CODE + CODE + 2 * U32 + 4 * U64;
    let rate = U32 + U64;
    TAG + U64 + U32 + FLAGS + action + filter + U32 + ids * MESSAGE + U64 + rate + text_bytes
}

/// `SweepForgotten`, as many as a sweep that begins may cause.
pub const SWEEPS_FORGOTTEN: usize = engine::sweep::FORGOTTEN_PER_START * (TAG + U64);

/// `SweepEnded`.
pub const SWEEP_ENDED: usize = TAG + U64 + CODE;

/// `SweepAdvanced`.
pub const SWEEP_ADVANCED: usize = {
    let failed = U32 + engine::sweep::SWEEP_FAILURES.len() * U64;
    TAG + 5 * U64 + failed + U32 + engine::sweep::SWEEP_SAMPLE_MAX * MESSAGE
};

/// `Redriven`.
pub const REDRIVEN: usize = TAG + MESSAGE + U32 + MESSAGE + U64;

/// `Moved`, without its blob.
pub const MOVED: usize = TAG + MESSAGE + CODE + U64 + 3 * U32;

/// `Lost`.
pub const LOST: usize = TAG + MESSAGE + FLAGS + 16;

/// One step of a sweep, or its end.
pub const SWEEP_STEP: usize =
    SWEEP_ADVANCED + engine::sweep::SWEEP_ACTED_MAX * max(REDRIVEN, CHANGE);

/// What a step records by itself, beside what its commands announce.
pub const STEP: usize = engine::budget::STEP_BYTES_MAX as usize;

const fn max(a: usize, b: usize) -> usize {
    if a > b { a } else { b }
}
