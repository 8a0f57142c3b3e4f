//! What only some messages have: retries of their own, failures, a death. Kept beside the index, by slot, so
//! that the others pay nothing; a flag in the message says whether to look here.

use std::sync::Arc;

use crate::checkpoint::Tracked;
use crate::config::Backoff;
use crate::ids::{Location, MessageId};
use crate::message::{Flag, Message};
use crate::record::DeathReason;
use crate::reply::{DeadLetter, Failures};

/// How a message died.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    pub reason: DeathReason,
    pub source_queue: Arc<str>,
    pub source_group: Arc<str>,
    pub source_message: MessageId,
    pub deliveries: u32,
    pub attempts: u32,
    pub failures: Option<Failures>,
    pub died_at_ms: u64,
    /// Hash of the ordering key it had.
    pub ordering_key: Option<u64>,
    /// How often it was redriven since its first death. More than that death says of it is over: it lives again.
    pub redrives: u32,
    /// It lives again: when it dies, that is a death of its own.
    pub over: bool,
}

impl Death {
    /// As the message carries it into its next life.
    pub fn redriven(&self) -> Death {
        Death {
            redrives: self.redrives.saturating_add(1),
            over: true,
            ..self.clone()
        }
    }

    pub fn view(&self) -> DeadLetter {
        DeadLetter {
            reason: self.reason,
            error: self
                .failures
                .map_or(Location::default(), |failures| failures.error),
            source_queue: (*self.source_queue).into(),
            source_group: (*self.source_group).into(),
            source_message: self.source_message,
            deliveries: self.deliveries,
            attempts: self.attempts,
            first_failure_ms: self.failures.map_or(0, |failures| failures.first_ms),
            last_failure_ms: self.failures.map_or(0, |failures| failures.last_ms),
            redrives: self.redrives,
        }
    }
}

/// What of how it is retried a message has of its own, in place of its queue's settings.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnRetries {
    pub max: Option<u32>,
    pub backoff: Option<Backoff>,
}

const FLAGGED: &str = "a message's flag says that there is more of it";

/// See the module.
#[derive(Default)]
pub(crate) struct History {
    pub retries_max: Tracked<u32>,
    pub backoffs: Tracked<Backoff>,
    pub failures: Tracked<Failures>,
    pub deaths: Tracked<Death>,
}

impl History {
    /// Those it came with.
    pub fn own_retries(&self, slot: u32, message: &Message) -> OwnRetries {
        if !message.has(Flag::OwnRetries) {
            return OwnRetries::default();
        }
        OwnRetries {
            max: self.retries_max.get(slot.into()).copied(),
            backoff: self.backoffs.get(slot.into()).copied(),
        }
    }

    /// Those that hold now: a dead letter's rest until it lives again, since where it lies it is another's business.
    pub fn retries(&self, slot: u32, message: &Message) -> OwnRetries {
        match self.death(slot, message) {
            Some(death) if !death.over => OwnRetries::default(),
            _ => self.own_retries(slot, message),
        }
    }

    pub fn set_own_retries(&mut self, slot: u32, message: &mut Message, own: OwnRetries) {
        if let Some(max) = own.max {
            message.set(Flag::OwnRetries, true);
            self.retries_max.insert(slot.into(), max);
        }
        if let Some(backoff) = own.backoff {
            message.set(Flag::OwnRetries, true);
            self.backoffs.insert(slot.into(), backoff);
        }
    }

    pub fn failures(&self, slot: u32, message: &Message) -> Option<Failures> {
        let failed = message.has(Flag::Failed);
        failed.then(|| *self.failures.get(slot.into()).expect(FLAGGED))
    }

    /// Counts a failed attempt.
    pub fn fail(&mut self, slot: u32, message: &mut Message, now_ms: u64, error: Option<Location>) {
        message.attempts = message.attempts.saturating_add(1);
        message.set(Flag::Failed, true);
        let earlier = self.failures.get(slot.into());
        let failures = Failures {
            first_ms: earlier.map_or(now_ms, |earlier| earlier.first_ms),
            last_ms: now_ms,
            error: error
                .or(earlier.map(|earlier| earlier.error))
                .unwrap_or_default(),
        };
        self.failures.insert(slot.into(), failures);
    }

    /// What was said at `from` lies at `to` now.
    pub fn move_error(&mut self, slot: u32, from: Location, to: Location) {
        let failures = self.failures.get_mut(slot.into());
        let death = self.deaths.get_mut(slot.into());
        let death = death.and_then(|death| death.failures.as_mut());
        for failures in failures.into_iter().chain(death) {
            if failures.error == from {
                failures.error = to;
            }
        }
    }

    pub fn death(&self, slot: u32, message: &Message) -> Option<&Death> {
        let died = message.has(Flag::Died);
        died.then(|| self.deaths.get(slot.into()).expect(FLAGGED))
    }

    pub fn set_death(&mut self, slot: u32, message: &mut Message, death: Death) {
        message.set(Flag::Died, true);
        self.deaths.insert(slot.into(), death);
    }

    /// What a new copy of the message in slot `from` has of it: its own retries, its death.
    pub fn copy(&mut self, from: u32, original: &Message, slot: u32, message: &mut Message) {
        self.set_own_retries(slot, message, self.own_retries(from, original));
        if let Some(death) = self.death(from, original).cloned() {
            self.set_death(slot, message, death);
        }
    }

    /// Forgets a message that is gone.
    pub fn forget(&mut self, slot: u32, message: &Message) {
        if message.has(Flag::OwnRetries) {
            self.retries_max.remove(slot.into());
            self.backoffs.remove(slot.into());
        }
        if message.has(Flag::Failed) {
            self.failures.remove(slot.into());
        }
        if message.has(Flag::Died) {
            self.deaths.remove(slot.into());
        }
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        self.retries_max
            .iter()
            .for_each(|entry| fold(format!("{entry:?}").as_bytes()));
        self.backoffs
            .iter()
            .for_each(|entry| fold(format!("{entry:?}").as_bytes()));
        self.failures
            .iter()
            .for_each(|entry| fold(format!("{entry:?}").as_bytes()));
        self.deaths
            .iter()
            .for_each(|entry| fold(format!("{entry:?}").as_bytes()));
    }
}

#[cfg(test)]
impl History {
    /// Panics unless each entry is of a message whose flag says so, and each such message has one.
    pub fn assert_of(&self, slab: &crate::slab::Slab) {
        let flagged = |flag| {
            let slots = (0..slab.slots()).filter(move |&slot| slab[slot].has(flag));
            slots.map(u64::from)
        };
        let max = self.retries_max.iter().map(|(slot, _)| slot);
        let own = max.chain(self.backoffs.iter().map(|(slot, _)| slot));
        let own: std::collections::BTreeSet<u64> = own.collect();
        assert!(flagged(Flag::OwnRetries).eq(own), "own retries");
        assert!(
            flagged(Flag::Failed).eq(self.failures.iter().map(|(slot, _)| slot)),
            "failures"
        );
        assert!(
            flagged(Flag::Died).eq(self.deaths.iter().map(|(slot, _)| slot)),
            "deaths"
        );
    }
}
