//! How long dead messages and dead letters are kept.

use engine::reply::State;

use super::{Message, Model};

impl Model {
    /// When a dead message, or a dead letter that nobody holds, is gone. Nothing of a queue's dead goes while it is redriven.
    pub(super) fn retires_ms(&self, message: &Message) -> Option<u64> {
        let retention_ms = self.queue_of(message).config.dead_retention_ms;
        let letter = message.death.as_ref().filter(|death| !death.over);
        let since_ms = match message.state {
            State::Dead => Some(message.at_ms),
            _ => letter.map(|death| death.died_at_ms),
        };
        let queue = self.queue_of(message);
        let mut sweeps = self.sweeps.iter();
        let stays = sweeps.any(|sweep| sweep.redrives((queue.number, queue.life)));
        let since_ms = since_ms.filter(|_| retention_ms > 0 && !stays);
        since_ms.map(|since_ms| since_ms + retention_ms)
    }

    /// When a message dies or is gone. 0: never.
    pub(super) fn ends_ms(&self, message: &Message) -> u64 {
        let lives = message.state != State::Dead;
        let dies_ms = if lives { message.expires_at_ms } else { 0 };
        self.retires_ms(message).unwrap_or(dies_ms)
    }

    /// Nobody gets it any more.
    pub(super) fn is_over(&self, message: &Message) -> bool {
        (1..=self.now_ms).contains(&self.ends_ms(message))
    }

    /// Messages that were dead for long enough are gone.
    pub(super) fn retire(&mut self) {
        let is_over = |message: &Message| {
            let retires_ms = self.retires_ms(message);
            message.state != State::Leased && retires_ms.is_some_and(|at_ms| at_ms <= self.now_ms)
        };
        let over: Vec<usize> = (0..self.messages.len())
            .rev()
            .filter(|&at| is_over(&self.messages[at]))
            .collect();
        for at in over {
            self.gone.push(self.messages[at].token);
            self.saw(Some(self.messages[at].state), "retire", "gone");
            self.remove(at);
        }
    }
}
