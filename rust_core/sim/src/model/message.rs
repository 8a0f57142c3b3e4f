//! What the model knows of one message.

use engine::config::Backoff;
use engine::ids::MessageId;
use engine::record::DeathReason;
use engine::reply::State;

/// One message that is not gone.
#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub number: u64,
    /// The slot of its id, known from the first reply that names it, and the one a group's copy has of its own.
    pub known_slot: Option<u32>,
    pub slot: Option<u32>,
    /// The consumer group it is in.
    pub home: u32,
    /// The groups that got it, when there were several: `default` first.
    pub homes: Vec<u32>,
    /// Its envelope, among all texts of the run, and the bytes of it.
    pub token: u32,
    pub bytes: u32,
    pub priority: u8,
    pub state: State,
    /// Ready, dead: since. Delayed, blocked: due. Leased: until.
    pub at_ms: u64,
    /// 0: never.
    pub expires_at_ms: u64,
    pub ordering_key: Option<u64>,
    pub fairness_key: Option<u64>,
    pub max_retries: Option<u32>,
    pub backoff: Option<Backoff>,
    /// Its place among those of its state: the smallest is first.
    pub line: i64,
    /// Blocked: the line of the one that was the first to wait behind its key.
    pub key_line: i64,
    /// Leased: since when.
    pub held_since_ms: u64,
    /// Ready, with an ordering key: the member whose it is, or nobody.
    pub list: Option<Box<str>>,
    /// Leased: the member that holds it.
    pub holder: Option<Box<str>>,
    pub deliveries: u32,
    pub attempts: u32,
    /// The delivery that a nack ended, as long as no other began.
    pub nacked: Option<u32>,
    /// 0: it never failed.
    pub first_failure_ms: u64,
    pub last_failure_ms: u64,
    /// Of the last failure that had a text.
    pub error: Option<Text>,
    pub death: Option<Death>,
}

/// An error's text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Text {
    pub token: u32,
    pub bytes: u32,
}

/// How it died, here or where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Death {
    pub reason: DeathReason,
    pub source_queue: Box<str>,
    /// None: one of several that died at the same time, unseen.
    pub source_group: Option<Box<str>>,
    pub source_number: u64,
    pub deliveries: u32,
    pub attempts: u32,
    pub first_failure_ms: u64,
    pub last_failure_ms: u64,
    pub error: Option<Text>,
    pub died_at_ms: u64,
    /// The one it had.
    pub ordering_key: Option<u64>,
    /// How often it was redriven; and whether it lives again since.
    pub redrives: u32,
    pub over: bool,
}

impl Message {
    /// Ready messages that share it are first in, first out. Those with an ordering key lie apart from the others, and
    /// those that stick to one member apart from another's.
    pub fn lane(&self) -> (u32, u8, Option<u64>, Option<&str>) {
        let list = self.list.as_deref();
        (self.home, self.priority, self.fairness_key, list)
    }

    /// It died elsewhere, or here: where it lies, that queue's settings hold.
    pub fn is_letter(&self) -> bool {
        self.death.as_ref().is_some_and(|death| !death.over)
    }

    /// One that its ordering key waits for.
    pub fn is_of_key(&self, home: u32, key: u64) -> bool {
        self.home == home && self.ordering_key == Some(key) && self.state != State::Dead
    }

    /// When time does something with it by itself.
    pub fn deadline_ms(&self) -> Option<u64> {
        let expiry = Some(self.expires_at_ms).filter(|&at_ms| at_ms > 0);
        match self.state {
            State::Ready | State::Blocked => expiry,
            State::Delayed => Some(self.at_ms.min(expiry.unwrap_or(u64::MAX))),
            State::Leased => Some(self.at_ms),
            State::Dead => None,
        }
    }

    pub fn is_expired(&self, now_ms: u64) -> bool {
        self.expires_at_ms > 0 && self.expires_at_ms <= now_ms
    }

    /// Bytes of it that an answer shows.
    pub fn answer_bytes(&self) -> u64 {
        let died = self.death.as_ref().and_then(|death| death.error);
        let failed = self.error.filter(|_| self.state != State::Dead);
        let errors = [died, failed].into_iter().flatten();
        u64::from(self.bytes) + errors.map(|text| u64::from(text.bytes)).sum::<u64>()
    }
}

/// A dedup id in its window, or held by its message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Remembered {
    pub queue: u32,
    pub hash: u128,
    pub fingerprint: u64,
    pub expires_at_ms: u64,
    pub number: u64,
    pub slot: u32,
}

/// A lease that ended a message's life.
#[derive(Clone, Debug)]
pub(crate) struct Ending {
    pub number: u64,
    pub group: u16,
    pub delivery: u32,
    pub acked: bool,
    /// What was enqueued with an ack, and whether it is a duplicate.
    pub followed: Vec<(MessageId, bool)>,
}
