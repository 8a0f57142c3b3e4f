//! When dead messages go. They die in order of time, so a queue's first dead one goes first: one entry a queue, by
//! that instant. It follows from the queues' lists and settings and is no state of its own.

use std::collections::BTreeSet;

use crate::ids::QueueNumber;
use crate::state::State;

/// Queues with a dead message that goes some time.
#[derive(Default)]
pub(crate) struct Retention {
    queues: BTreeSet<(u64, QueueNumber)>,
}

impl Retention {
    /// The queue whose first dead message goes first, and when.
    pub fn first(&self) -> Option<(u64, QueueNumber)> {
        self.queues.first().copied()
    }
}

impl State {
    /// To be called when a queue's first dead message, or its settings, may have changed.
    pub fn rank_dead(&mut self, number: QueueNumber) {
        let Some(queue) = self.queues.try_get_mut(number) else {
            return;
        };
        let first = (!queue.dead.is_empty() && !queue.deleted).then_some(queue.dead.head);
        let retires_ms = first.and_then(|slot| queue.retired_ms(self.messages[slot].at_ms()));
        let before = std::mem::replace(&mut queue.retires_ms, retires_ms);
        if before == retires_ms {
            return;
        }
        if let Some(before) = before {
            self.retention.queues.remove(&(before, number));
        }
        if let Some(retires_ms) = retires_ms {
            self.retention.queues.insert((retires_ms, number));
        }
    }

    /// How many of a queue's dead messages are to go by now, at most `max`.
    pub fn retired(&self, number: QueueNumber, now_ms: u64, max: u32) -> u32 {
        let queue = self.queues.get(number);
        let is_over = |slot: &u32| {
            let retired_ms = queue.retired_ms(self.messages[*slot].at_ms());
            retired_ms.is_some_and(|retired_ms| retired_ms <= now_ms)
        };
        let dead = queue.dead.iter(&self.messages).take(max as usize);
        dead.take_while(is_over).count() as u32
    }
}

#[cfg(test)]
impl Retention {
    /// Panics unless each queue is ranked as its lists and settings say.
    pub fn assert_of(&self, state: &State) {
        let ranked = state.queues.iter().filter(|queue| !queue.deleted);
        let ranked = ranked.filter_map(|queue| {
            let first = queue.dead.iter(&state.messages).next()?;
            let retired_ms = queue.retired_ms(state.messages[first].at_ms())?;
            Some((retired_ms, queue.number))
        });
        assert_eq!(self.queues, ranked.collect::<BTreeSet<_>>(), "retention");
    }
}
