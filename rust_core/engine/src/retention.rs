//! When dead messages go: those in state `dead`, and the dead letters of a dead-letter queue that nobody holds. Both came
//! in order of time, so a queue's first one goes first: one entry a queue, by that instant. It follows from the queues'
//! lists, deaths and settings and is no state of its own.
//!
//! While a redrive of a queue is under way nothing of its dead goes: what it is on its way to is there when it comes.

use std::collections::BTreeSet;

use crate::ids::{MessageId, QueueNumber};
use crate::message::{Flag, Message, Place};
use crate::queue::Queue;
use crate::state::State;

/// Queues with a dead message that goes some time.
#[derive(Default)]
pub(crate) struct Retention {
    queues: BTreeSet<(u64, QueueNumber)>,
    /// Dead letters that nobody holds: queue, number, slot. Numbers are given in order of time.
    letters: BTreeSet<(QueueNumber, u64, u32)>,
}

impl Retention {
    /// The queue whose first dead message goes first, and when.
    pub fn first(&self) -> Option<(u64, QueueNumber)> {
        self.queues.first().copied()
    }

    fn first_letter(&self, queue: QueueNumber) -> Option<MessageId> {
        let of_queue = (queue, 0, 0)..=(queue, u64::MAX, u32::MAX);
        let &(_, number, slot) = self.letters.range(of_queue).next()?;
        Some(MessageId { number, slot })
    }
}

impl State {
    /// Since when the message in `slot` lies in a dead-letter queue; None: it came otherwise, or is dead there too.
    fn letter_since_ms(&self, slot: u32) -> Option<u64> {
        let message = &self.messages[slot];
        let death = self.history.death(slot, message)?;
        (!death.over && message.place() != Place::Dead).then_some(death.died_at_ms)
    }

    /// When the message in `slot` goes for good, held or not; None: not as long as a redrive of its queue is under way.
    fn retires_ms(&self, slot: u32) -> Option<u64> {
        let message = &self.messages[slot];
        let since_ms = match message.place() {
            Place::Dead => message.at_ms(),
            _ => self.letter_since_ms(slot)?,
        };
        let queue = self.queues.get(message.queue);
        let stays = self.sweeps.redrives(queue.group.source);
        queue.retired_ms(since_ms).filter(|_| !stays)
    }

    /// When the time of the message in `slot` is over: it dies then, or goes. 0: never. What is dead lives no longer.
    pub fn ends_ms(&self, slot: u32, message: &Message) -> u64 {
        let died = message.has(Flag::Died);
        let retires_ms = died.then(|| self.retires_ms(slot)).flatten();
        let lives = message.place() != Place::Dead;
        let dies_ms = if lives { message.expires_at_ms() } else { 0 };
        retires_ms.unwrap_or(dies_ms)
    }

    /// Whether its time is over: it is not handed out any more.
    pub fn is_over(&self, slot: u32, message: &Message, now_ms: u64) -> bool {
        let ends_ms = self.ends_ms(slot, message);
        ends_ms != 0 && ends_ms <= now_ms
    }

    /// The message in `slot` came into its place. Dead ones, and dead letters that nobody holds, wait there for the end of
    /// their time.
    pub fn note_dead(&mut self, slot: u32) {
        let message = &self.messages[slot];
        if !message.has(Flag::Died) {
            return;
        }
        let (place, key) = (message.place(), (message.queue, message.number(), slot));
        let waits = place != Place::Leased && self.letter_since_ms(slot).is_some();
        let came = waits && self.retention.letters.insert(key);
        if came {
            self.queues.get_mut(key.0).letters += 1;
        }
        if came || place == Place::Dead {
            self.rank_dead(key.0);
        }
    }

    /// The message in `slot` left its place.
    pub fn drop_dead(&mut self, slot: u32) {
        let message = &self.messages[slot];
        if !message.has(Flag::Died) {
            return;
        }
        let (place, key) = (message.place(), (message.queue, message.number(), slot));
        let went = self.retention.letters.remove(&key);
        if went {
            self.queues.get_mut(key.0).letters -= 1;
        }
        if went || place == Place::Dead {
            self.rank_dead(key.0);
        }
    }

    /// To be called when a queue's first dead message, or its settings, may have changed.
    pub fn rank_dead(&mut self, number: QueueNumber) {
        let Some(queue) = self.queues.try_get(number) else {
            return;
        };
        let retires_ms = self.first_retires_ms(queue);
        let queue = self.queues.get_mut(number);
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

    fn first_retires_ms(&self, queue: &Queue) -> Option<u64> {
        let dead = (!queue.dead.is_empty()).then_some(queue.dead.head);
        let letter = self.retention.first_letter(queue.number);
        let firsts = dead.into_iter().chain(letter.map(|letter| letter.slot));
        let firsts = firsts.filter(|_| !queue.deleted);
        firsts.filter_map(|slot| self.retires_ms(slot)).min()
    }

    /// The first dead letter of a queue, if it is to go by now.
    pub fn retired_letter(&self, number: QueueNumber, now_ms: u64) -> Option<MessageId> {
        let letter = self.retention.first_letter(number);
        letter.filter(|letter| self.is_over(letter.slot, &self.messages[letter.slot], now_ms))
    }

    /// How many of a queue's messages in state `dead` are to go by now, at most `max`.
    pub fn retired(&self, number: QueueNumber, now_ms: u64, max: u32) -> u32 {
        let queue = self.queues.get(number);
        let is_over = |slot: &u32| {
            let retires_ms = self.retires_ms(*slot);
            retires_ms.is_some_and(|retires_ms| retires_ms <= now_ms)
        };
        let dead = queue.dead.iter(&self.messages).take(max as usize);
        dead.take_while(is_over).count() as u32
    }
}

#[cfg(test)]
impl Retention {
    /// Panics unless each queue is ranked as its lists and settings say.
    pub fn assert_of(&self, state: &State) {
        let slab = &state.messages;
        let is_letter = |slot: &u32| {
            let waits = !matches!(slab[*slot].place(), Place::Free | Place::Leased);
            waits && state.letter_since_ms(*slot).is_some()
        };
        let letters = (0..slab.slots()).filter(is_letter);
        let letters = letters.map(|slot| (slab[slot].queue, slab[slot].number(), slot));
        assert_eq!(self.letters, letters.collect(), "dead letters");
        for queue in state.queues.iter() {
            let of_queue = self.letters.iter().filter(|(of, ..)| *of == queue.number);
            assert_eq!(queue.letters, of_queue.count() as u64, "a queue's letters");
        }
        let mut ranked = BTreeSet::new();
        for queue in state.queues.iter().filter(|queue| !queue.deleted) {
            let goes = |slot: &u32| {
                let of_queue = slab[*slot].queue == queue.number;
                of_queue && !matches!(slab[*slot].place(), Place::Free | Place::Leased)
            };
            let slots = (0..slab.slots()).filter(goes);
            let first = slots.filter_map(|slot| state.retires_ms(slot)).min();
            ranked.extend(first.map(|retires_ms| (retires_ms, queue.number)));
        }
        assert_eq!(self.queues, ranked, "retention");
    }
}
