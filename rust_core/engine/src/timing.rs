//! Which messages have a timer in the heap. Delayed and leased ones lie in their list in the order they came, mostly
//! that of their deadlines. So one that comes up no sooner than the message before it needs no timer: it gets one when
//! that message leaves, or is to come up later. In whatever order, the first of all is in the heap.

use crate::deadlines::Timer;
use crate::message::{NONE, Place};
use crate::state::State;

impl State {
    /// Sets the timer of the message in `slot`, whose place or deadline changed, or puts it out.
    pub fn arm(&mut self, slot: u32) {
        match self
            .timer(slot)
            .filter(|timer| !self.is_covered(slot, *timer))
        {
            Some(timer) => self.deadlines.set(timer),
            None => self.deadlines.remove(slot),
        }
    }

    /// The same for the message behind it, if there is one: it may have relied on that one. In a deleted queue timers
    /// mean nothing.
    pub fn arm_next(&mut self, next: u32) {
        if next == NONE || !is_in_order(self.messages[next].place()) {
            return;
        }
        let is_deleted = self.queues.get(self.messages[next].queue).deleted;
        if !is_deleted && !self.deadlines.is_set(next) {
            self.arm(next);
        }
    }

    /// When the message in `slot` comes up; None: never.
    pub fn timer(&self, slot: u32) -> Option<Timer> {
        let message = &self.messages[slot];
        let deadline_ms = message.deadline_ms();
        deadline_ms.map(|deadline_ms| Timer::new(deadline_ms, message.number(), slot))
    }

    /// Whether the message before it in its list comes up before it.
    pub fn is_covered(&self, slot: u32, timer: Timer) -> bool {
        let message = &self.messages[slot];
        is_in_order(message.place())
            && message.previous != NONE
            && self
                .timer(message.previous)
                .is_some_and(|before| before < timer)
    }
}

/// Whether the list of that place is mostly in order of deadlines.
fn is_in_order(place: Place) -> bool {
    matches!(place, Place::Delayed | Place::Leased)
}
