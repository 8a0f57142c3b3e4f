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

#[cfg(test)]
mod tests {
    use crate::command::{Command, NewMessage};
    use crate::record::Record;
    use crate::twin::turns::many;
    use crate::twin::{Twin, config, message};

    fn delayed(delay_ms: u64) -> NewMessage {
        NewMessage {
            delay_ms: Some(delay_ms),
            ..message()
        }
    }

    #[test]
    fn what_comes_up_behind_the_one_before_it_has_no_timer() {
        let mut twin = Twin::new();
        twin.create("q", config());
        twin.step(vec![many("q", [5, 5, 9, 7].map(delayed).into())]);
        assert_eq!(twin.live.state().deadlines.len(), 2, "5 and 7");
        twin.step(vec![many("q", vec![message(); 3])]);
        assert_eq!(twin.receive("q", 3).len(), 3);
        assert_eq!(twin.live.state().deadlines.len(), 3);
    }

    #[test]
    fn what_comes_up_in_the_same_instant_goes_by_age_whatever_its_list_says() {
        let mut twin = Twin::new();
        twin.create("q", config());
        let older = twin.enqueue("q", message()).message;
        let newer = twin.enqueue("q", delayed(10)).message;
        twin.ask(Command::ChangeMessage {
            message: older,
            delay_ms: Some(10),
            priority: None,
        });
        let records = twin.wait(10).step(vec![]).records;
        assert_eq!(
            records,
            [older, newer].map(|message| Record::Due { message })
        );
    }
}
