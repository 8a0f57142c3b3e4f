//! What a step may record by itself, beside its commands: timers, the taking away of deleted queues and of dead
//! messages, forgetting.
//!
//! Counted in bytes of the journal, because that is what a batch has little of: a caller keeps `STEP_BYTES_MAX`
//! free, and `FIRED_BYTES_MAX` with each message it brings. The engine knows no format; that a record takes no more
//! than its cost here is a test of the codec, which does.

/// Bytes of timers and of taking away. Room for two thousand timers, or for 250 deaths that each make a
/// dead-letter queue; a step stays near a millisecond.
pub(crate) const TIMER_BYTES_MAX: u32 = 73_728;

/// Bytes a step's own records take at most, beside what the messages it brings allow.
pub const STEP_BYTES_MAX: u32 =
    TIMER_BYTES_MAX + (FORGOTTEN_QUEUES_PER_STEP_MAX + 1) * FORGOTTEN_BYTES_MAX;

/// Cost of a timer's record: `Due`, `Retried`, `Died` or `DeadLettered`. A batch has room for one more with each
/// message that is brought, so timers keep up with whatever rate delayed messages come at.
pub const FIRED_BYTES_MAX: u32 = 36;

/// Cost of making a dead-letter queue that a death calls for, beside its name.
pub const DEAD_LETTER_QUEUE_BYTES_MAX: u32 = 120;

/// Cost of one `Reaped`.
pub const REAPED_BYTES_MAX: u32 = 16;

/// Cost of one `Forgotten`, or `ResultsForgotten`.
pub const FORGOTTEN_BYTES_MAX: u32 = 11;

/// Cost of one `Retired`.
pub const RETIRED_BYTES_MAX: u32 = 11;

/// Cost of one `Deleted`, of a dead letter whose time is over.
pub const RETIRED_LETTER_BYTES_MAX: u32 = 16;

/// Cost of one `Reassigned`.
pub const REASSIGNED_BYTES_MAX: u32 = 11;

/// Cost of one `Returned`.
pub const RETURNED_BYTES_MAX: u32 = 11;

/// Cost of one `MemberLeft`, when a consumer's id has at most 256 bytes, and of what is returned and assigned anew right
/// then.
pub const MEMBER_LEFT_BYTES_MAX: u32 = 267 + RETURNED_BYTES_MAX + REASSIGNED_BYTES_MAX;

/// Messages that the changes of members in one step move right then, all together: what one change moves at most.
pub(crate) const MOVED_AT_ONCE_MAX: u32 = 1024;

/// Queues that entries are forgotten of in one step, a record each.
pub(crate) const FORGOTTEN_QUEUES_PER_STEP_MAX: u32 = 16;

/// What is left for timers and taking away.
pub(crate) struct Budget {
    bytes: u32,
}

impl Budget {
    /// For a step that brings so many messages.
    pub fn new(messages: usize) -> Self {
        let messages = u32::try_from(messages).unwrap_or(u32::MAX);
        Budget {
            bytes: TIMER_BYTES_MAX.saturating_add(messages.saturating_mul(FIRED_BYTES_MAX)),
        }
    }

    /// Takes a record's cost, if that much is left.
    pub fn take(&mut self, bytes: u32) -> bool {
        let left = self.bytes.checked_sub(bytes);
        self.bytes = left.unwrap_or(self.bytes);
        left.is_some()
    }
}
