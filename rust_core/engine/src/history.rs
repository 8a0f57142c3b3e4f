//! What only some messages have: an own `max_retries`, failures, a death. Kept beside the index, by slot, so
//! that the others pay nothing; a flag in the message says whether to look here.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::ids::{Location, MessageId};
use crate::message::{Flag, Message};
use crate::record::DeathReason;
use crate::reply::DeadLetter;

/// A message's failed attempts.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Failures {
    pub first_ms: u64,
    pub last_ms: u64,
    /// The last error that had a text.
    pub error: Location,
}

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

/// See the module.
#[derive(Default)]
pub(crate) struct History {
    retries_max: BTreeMap<u32, u32>,
    failures: BTreeMap<u32, Failures>,
    deaths: BTreeMap<u32, Death>,
}

impl History {
    pub fn retries_max(&self, slot: u32, message: &Message) -> Option<u32> {
        message
            .has(Flag::OwnRetries)
            .then(|| self.retries_max[&slot])
    }

    pub fn set_retries_max(&mut self, slot: u32, message: &mut Message, retries_max: u32) {
        message.set(Flag::OwnRetries, true);
        self.retries_max.insert(slot, retries_max);
    }

    pub fn failures(&self, slot: u32, message: &Message) -> Option<Failures> {
        message.has(Flag::Failed).then(|| self.failures[&slot])
    }

    /// Counts a failed attempt.
    pub fn fail(&mut self, slot: u32, message: &mut Message, now_ms: u64, error: Option<Location>) {
        message.attempts = message.attempts.saturating_add(1);
        message.set(Flag::Failed, true);
        let new = Failures {
            first_ms: now_ms,
            last_ms: now_ms,
            error: Location::default(),
        };
        let failures = self.failures.entry(slot).or_insert(new);
        failures.last_ms = now_ms;
        failures.error = error.unwrap_or(failures.error);
    }

    pub fn death(&self, slot: u32, message: &Message) -> Option<&Death> {
        message.has(Flag::Died).then(|| &self.deaths[&slot])
    }

    pub fn set_death(&mut self, slot: u32, message: &mut Message, death: Death) {
        message.set(Flag::Died, true);
        self.deaths.insert(slot, death);
    }

    /// What a new copy of the message in slot `from` has of it: its own retries, its death.
    pub fn copy(&mut self, from: u32, original: &Message, slot: u32, message: &mut Message) {
        if let Some(retries_max) = self.retries_max(from, original) {
            self.set_retries_max(slot, message, retries_max);
        }
        if let Some(death) = self.death(from, original).cloned() {
            self.set_death(slot, message, death);
        }
    }

    /// Forgets a message that is gone.
    pub fn forget(&mut self, slot: u32, message: &Message) {
        if message.has(Flag::OwnRetries) {
            self.retries_max.remove(&slot);
        }
        if message.has(Flag::Failed) {
            self.failures.remove(&slot);
        }
        if message.has(Flag::Died) {
            self.deaths.remove(&slot);
        }
    }

    pub fn fold(&self, fold: &mut impl FnMut(&[u8])) {
        self.retries_max
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
        let flagged = |flag| (0..slab.slots()).filter(move |&slot| slab[slot].has(flag));
        assert!(
            flagged(Flag::OwnRetries).eq(self.retries_max.keys().copied()),
            "own retries"
        );
        assert!(
            flagged(Flag::Failed).eq(self.failures.keys().copied()),
            "failures"
        );
        assert!(
            flagged(Flag::Died).eq(self.deaths.keys().copied()),
            "deaths"
        );
    }
}
