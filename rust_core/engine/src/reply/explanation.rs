//! Why a message is not being delivered now.

use crate::ids::MessageId;
use crate::record::DeathReason;
use crate::reply::State;

/// The answer to explain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The message.
    pub message: MessageId,
    /// Where it is.
    pub queue: Box<str>,
    /// The consumer group this is about.
    pub group: Box<str>,
    /// Its state there; None: it is done.
    pub state: Option<State>,
    /// All that stands in its way, what lasts first.
    pub reasons: Vec<Reason>,
}

impl Explanation {
    /// A receive that takes enough gets it now: nothing but messages before it stands in its way.
    pub fn is_deliverable(&self) -> bool {
        let lets_through = |reason: &Reason| match reason {
            Reason::Behind { .. } => true,
            Reason::KeyAssigned { elsewhere, .. } => !elsewhere,
            _ => false,
        };
        self.state == Some(State::Ready) && self.reasons.iter().all(lets_through)
    }
}

/// What stands in a message's way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The queue hands nothing out until it is resumed.
    Paused,
    /// It waits for its time, an instant.
    Delayed {
        /// When it may be delivered.
        until_ms: u64,
    },
    /// A consumer holds it.
    Leased {
        /// When the lease ends, an instant.
        until_ms: u64,
        /// Who, when it is a member of the group.
        consumer: Option<Box<str>>,
    },
    /// Its time is over: it is about to die, or to go.
    Expired {
        /// It goes for good: its dead-letter queue has kept it for long enough.
        is_letter: bool,
    },
    /// It is dead.
    Dead {
        /// Why.
        reason: DeathReason,
    },
    /// The group is done with it.
    Done {
        /// When its result was kept, and until when that is; None: none is.
        result: Option<KeptResult>,
    },
    /// It waits for an earlier message of its ordering key.
    OrderingKey {
        /// The one that has to be done first.
        behind: MessageId,
        /// What that one is doing.
        state: State,
    },
    /// The queue's `rate_limit` is used up.
    QueueRateLimit {
        /// Milliseconds until the next message may go.
        retry_after_ms: u64,
    },
    /// The queue's `consumer_rate_limit` is used up by the one who would get it.
    ConsumerRateLimit {
        /// Milliseconds until the next message may go to that one.
        retry_after_ms: u64,
    },
    /// The queue's `key_rate_limit` is used up by its fairness key.
    KeyRateLimit {
        /// Milliseconds until the key's next message may go.
        retry_after_ms: u64,
    },
    /// As many messages of its fairness key are leased as may be.
    KeyInFlight,
    /// As many messages are leased as may be: the queue's `in_flight_max`.
    QueueInFlight,
    /// Its ordering key sticks to a member of the group: nobody else gets it.
    KeyAssigned {
        /// The member.
        member: Box<str>,
        /// It was asked about another consumer.
        elsewhere: bool,
    },
    /// Others go first.
    Behind {
        /// How many.
        ahead: u32,
        /// There are more than that.
        more: bool,
    },
}

/// Of a result that is kept: instants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptResult {
    /// When the message was acked.
    pub done_at_ms: u64,
    /// When the result is forgotten.
    pub expires_at_ms: u64,
}
