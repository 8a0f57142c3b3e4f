//! What a sweep is asked to do, and what is told of it. A sweep walks over messages of one queue in the background,
//! a bounded part at a time, and moves, cancels or changes those that match.

use crate::ids::MessageId;
use crate::record::DeathReason;
use crate::reply::State;

/// Messages that one step of a sweep looks at, or acts on.
pub const SWEEP_CHUNK_MAX: usize = 100;

/// And at most, when the last one has copies in further groups: all copies of a message have their turn at once.
pub const SWEEP_ACTED_MAX: usize = 256;

/// Ids that a dry run shows.
pub const SWEEP_SAMPLE_MAX: usize = 10;

/// Ended sweeps that are forgotten when one starts: more than one, so that a lowered bound is reached.
pub const FORGOTTEN_PER_START: usize = 8;

/// What a sweep does, to which messages, and how fast. It never changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepPlan {
    /// What becomes of a message.
    pub action: SweepAction,
    /// Which messages.
    pub filter: SweepFilter,
    /// These messages only, ascending; None: all that match.
    pub ids: Option<Vec<MessageId>>,
    /// At most this many; 0: all.
    pub messages_max: u64,
    /// None: as fast as it goes.
    pub rate: Option<SweepRate>,
    /// Count and show, and change nothing.
    pub dry_run: bool,
}

/// What becomes of a message that matches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepAction {
    /// It begins anew in another queue, or in its own.
    Redrive {
        /// Where; None: in the queue it died in.
        destination: Option<Box<str>>,
    },
    /// It is gone for good.
    Cancel,
    /// Another time, another priority.
    Change {
        /// Milliseconds until it may be delivered, from when its turn comes; 0: at once. None: as it was.
        delay_ms: Option<u64>,
        /// None: as it was.
        priority: Option<u8>,
    },
}

/// Which messages match: all that is given must be true. Ages count until the sweep began: since a message died, or
/// since it was accepted when it never did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SweepFilter {
    /// None: what the action is meant for.
    pub state: Option<State>,
    /// Why it died.
    pub reason: Option<DeathReason>,
    /// A part of its last error's text. Whoever drives the sweep looks.
    pub error: Option<Box<str>>,
    /// A JSON object: each of its members is one of the message's metadata. Whoever drives the sweep looks.
    pub metadata: Option<Box<str>>,
    /// At least this old, in milliseconds.
    pub older_than_ms: Option<u64>,
    /// At most this old, in milliseconds.
    pub newer_than_ms: Option<u64>,
    /// The batches that messages of this age were accepted with, first and last: the engine keeps no instants of its
    /// messages. None: one that never died is of no age.
    pub accepted: Option<(u64, u64)>,
}

impl SweepFilter {
    /// Whether every message's bytes must be read to know.
    pub fn reads_bytes(&self) -> bool {
        self.error.is_some() || self.metadata.is_some()
    }

    /// Whether some messages' bytes may have to be read.
    pub(crate) fn may_read_bytes(&self) -> bool {
        self.reads_bytes() || self.older_than_ms.is_some() || self.newer_than_ms.is_some()
    }
}

/// At most so many messages a period, evenly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepRate {
    /// At least 1.
    pub messages: u32,
    /// The period.
    pub per_ms: u64,
}

/// What a sweep did, or one step of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepTally {
    /// Messages that matched and were there when their turn came.
    pub matched: u64,
    /// Those it was done to.
    pub moved: u64,
    /// Messages that had left their state when their turn came, and ids that are not there.
    pub skipped: u64,
    /// Those it could not be done to, by reason, in the order of [`SweepFailure`].
    pub failed: [u64; SWEEP_FAILURES.len()],
}

/// Why it could not be done to a message. The message stays where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepFailure {
    /// It never died, so it comes from nowhere; and no destination was given.
    NoSource,
    /// The queue it would go to is gone.
    QueueNotFound,
    /// The queue it would go to holds as many messages as it may.
    QueueFull,
    /// The consumer group it would go to is gone.
    GroupNotFound,
}

/// Each failure, in order.
pub const SWEEP_FAILURES: [SweepFailure; 4] = [
    SweepFailure::NoSource,
    SweepFailure::QueueNotFound,
    SweepFailure::QueueFull,
    SweepFailure::GroupNotFound,
];

impl SweepTally {
    /// Those it could not be done to, whatever the reason.
    pub fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// Counts a message that could not be moved.
    pub(crate) fn fail(&mut self, failure: SweepFailure) {
        self.matched += 1;
        self.failed[failure as usize] += 1;
    }

    pub(crate) fn add(&mut self, more: &SweepTally) {
        self.matched += more.matched;
        self.moved += more.moved;
        self.skipped += more.skipped;
        let failed = self.failed.iter_mut().zip(more.failed);
        failed.for_each(|(count, more)| *count += more);
    }
}

/// How a sweep ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SweepEnd {
    /// Nothing is left to do, or it did as many as it may.
    Done,
    /// Somebody stopped it.
    Cancelled,
    /// Its queue was deleted.
    QueueDeleted,
}

/// A sweep as seen from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepView {
    /// Counts from 1.
    pub number: u64,
    /// The queue it walks over.
    pub queue: Box<str>,
    /// What it was asked. Filter and ids of an ended one are forgotten.
    pub plan: SweepPlan,
    /// Messages it could concern when it began, at most: those in the state it is about that nobody held, or those it
    /// lists. None: it began before that was counted.
    pub total: Option<u64>,
    /// What it did until now.
    pub tally: SweepTally,
    /// An instant.
    pub created_at_ms: u64,
    /// How and when it ended.
    pub ended: Option<(SweepEnd, u64)>,
    /// Of a dry run: the first ones that matched.
    pub sample: Vec<MessageId>,
}

/// Where a sweep is after one step of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SweepProgress {
    /// It has ended, or never was.
    Over,
    /// Go on, after this many milliseconds.
    GoOn {
        /// 0: at once.
        wait_ms: u64,
    },
    /// Bytes must be looked at: of these messages those that match are to be chosen.
    Look(SweepPage),
}

/// Messages that match a sweep's filter as far as can be known without their bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepPage {
    /// The sweep.
    pub sweep: u64,
    /// Up to which message number this page goes.
    pub until: u64,
    /// Ascending.
    pub messages: Vec<SweepCandidate>,
    /// As in [`SweepFilter`].
    pub error: Option<Box<str>>,
    /// As in [`SweepFilter`].
    pub metadata: Option<Box<str>>,
    /// Accepted at these instants, first and last.
    pub accepted_ms: (u64, u64),
}

/// One of a [`SweepPage`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SweepCandidate {
    /// The message.
    pub message: MessageId,
    /// Where its envelope lies.
    pub envelope: crate::ids::Location,
    /// Where its last error's text lies; `lsn` 0 when there is none.
    pub error: crate::ids::Location,
    /// It was moved, and only its envelope says when it was accepted.
    pub asks_age: bool,
    /// It had failed so often: once more, and it may have another error.
    pub attempts: u16,
}

/// See [`Command::StartSweep`](crate::command::Command::StartSweep).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StartSweep {
    /// The queue.
    pub queue: Box<str>,
    /// What to do.
    pub plan: SweepPlan,
    /// With so many under way no other begins.
    pub running_max: u64,
    /// Ended ones that are remembered.
    pub kept_max: u64,
    /// For how long.
    pub kept_ms: u64,
}

/// See [`Command::StepSweep`](crate::command::Command::StepSweep).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SweepChoice {
    /// [`SweepPage::until`].
    pub until: u64,
    /// Those of the page that match, ascending.
    pub messages: Vec<SweepCandidate>,
}
