//! Where a message goes that can't be delivered: to the dead-letter queue its queue names, made when it is not
//! there, or into state `dead`.

use super::create_queue::dead_letter_queue_created;
use crate::batch::Batch;
use crate::ids::MessageId;
use crate::record::{DeathReason, Record};
use crate::state::State;

/// What to record for a death: a dead-letter queue made first, perhaps, then where the message went.
pub(super) struct Death {
    queue_created: Option<Record>,
    record: Record,
    /// Its id in the dead-letter queue.
    pub dead_letter: Option<MessageId>,
}

pub(super) fn decide(
    state: &State,
    message: MessageId,
    reason: DeathReason,
    error_bytes: u32,
) -> Death {
    let queue = state.queues.get(state.messages[message.slot].queue);
    let Some(name) = &queue.config.dead_letter_queue else {
        let record = Record::Died {
            message,
            reason,
            error_bytes,
        };
        return Death {
            queue_created: None,
            record,
            dead_letter: None,
        };
    };
    let existing = state.queues.find(name).map(|queue| queue.number);
    let queue = existing.unwrap_or(state.queues.next_number());
    let queue_created = existing
        .is_none()
        .then(|| dead_letter_queue_created(queue, name.clone()));
    let dead_letter = state.next_id();
    let record = Record::DeadLettered {
        message,
        reason,
        error_bytes,
        queue,
        dead_letter,
    };
    Death {
        queue_created,
        record,
        dead_letter: Some(dead_letter),
    }
}

pub(super) fn commit(batch: &mut Batch, death: Death) {
    death
        .queue_created
        .into_iter()
        .chain([death.record])
        .for_each(|record| batch.commit(record));
}
