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
    /// Its state there.
    pub state: State,
    /// All that stands in its way, what lasts first.
    pub reasons: Vec<Reason>,
}

impl Explanation {
    /// Nothing stands in its way but messages before it, or that its member has to ask.
    pub fn is_deliverable(&self) -> bool {
        let only_others =
            |reason: &Reason| matches!(reason, Reason::Behind { .. } | Reason::KeyAssigned { .. });
        self.state == State::Ready && self.reasons.iter().all(only_others)
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
        /// Who holds it, when that is a member of the group.
        consumer: Option<Box<str>>,
    },
    /// Its time to live is over: it is about to die.
    Expired,
    /// It is dead.
    Dead {
        /// Why.
        reason: DeathReason,
    },
    /// It waits for an earlier message of its ordering key.
    OrderingKey {
        /// The one that has to be done first.
        behind: MessageId,
        /// What that one is doing.
        state: State,
    },
    /// Its ordering key sticks to a member of the group, which has to ask for it.
    KeyAssigned {
        /// Who.
        member: Box<str>,
    },
    /// The queue's `rate_limit` is used up.
    QueueRateLimit {
        /// Milliseconds until the next message may go.
        retry_after_ms: u64,
    },
    /// As many messages are leased as may be: the queue's `in_flight_max`.
    QueueInFlight,
    /// Others go first.
    Behind {
        /// How many.
        ahead: u32,
        /// There are more than that.
        more: bool,
    },
}
