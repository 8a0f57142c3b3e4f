//! enqueue: what is accepted, what is a duplicate, what is refused.

use engine::command::NewMessage;
use engine::ids::MessageId;
use engine::rejection::Rejection;
use engine::reply::{Reply, State};

use super::{Message, Model, Remembered};

impl Model {
    pub(super) fn enqueue(
        &mut self,
        queue: &str,
        entries: &[NewMessage],
        atomic: bool,
        reply: &Reply,
    ) {
        let at = match self.named(queue) {
            Ok(at) => at,
            Err(rejection) => return assert_eq!(*reply, Reply::Rejected(rejection)),
        };
        let Reply::Enqueued(results) = reply else {
            panic!("an enqueue is answered with {reply:?}")
        };
        assert_eq!(results.len(), entries.len(), "one result an entry");
        if let Some(refusals) = self.refusals(at, entries).filter(|_| atomic) {
            let results: Vec<_> = results.iter().map(|result| result.clone().err()).collect();
            return assert_eq!(results, refusals, "an atomic batch is refused as a whole");
        }
        for (entry, result) in entries.iter().zip(results) {
            self.enqueue_one(at, entry, result);
        }
    }

    fn enqueue_one(
        &mut self,
        at: usize,
        entry: &NewMessage,
        result: &Result<engine::reply::Accepted, Rejection>,
    ) {
        let earlier = entry.dedup.and_then(|dedup| self.earlier(at, dedup.hash));
        if let (Some(earlier), Some(dedup)) = (earlier, entry.dedup) {
            let state = self
                .position(earlier.number)
                .map(|at| self.messages[at].state);
            if earlier.fingerprint != dedup.fingerprint {
                self.saw(state, "enqueue again", "conflict");
                return assert_eq!(*result, Err(Rejection::DedupConflict), "another payload");
            }
            self.saw(state, "enqueue again", "duplicate");
            let accepted = result
                .as_ref()
                .expect("a duplicate is told the first one's id");
            let first = MessageId {
                number: earlier.number,
                slot: earlier.slot,
            };
            return assert_eq!(
                (accepted.duplicate, accepted.message, accepted.due_ms),
                (true, first, 0)
            );
        }
        let accepted = result.as_ref().expect("accepted");
        let due_ms = self.accept(at, entry);
        assert_eq!(
            (accepted.duplicate, accepted.due_ms),
            (false, due_ms),
            "accepted otherwise"
        );
        assert_eq!(
            accepted.message.number, self.numbered,
            "numbers count up by one"
        );
        self.learn(accepted.message);
        if let Some(dedup) = entry
            .dedup
            .filter(|_| self.queues[at].config.dedup_window_ms > 0)
        {
            let queue = &self.queues[at];
            self.remembered.push(Remembered {
                queue: queue.number,
                hash: dedup.hash,
                fingerprint: dedup.fingerprint,
                expires_at_ms: self.now_ms + queue.config.dedup_window_ms,
                number: accepted.message.number,
                slot: accepted.message.slot,
            });
        }
    }

    /// Takes it in; says when it is due.
    fn accept(&mut self, at: usize, entry: &NewMessage) -> u64 {
        let queue = &self.queues[at];
        let due_ms = self.now_ms + entry.delay_ms.unwrap_or(queue.config.delay_ms);
        let ttl_ms = entry.ttl_ms.unwrap_or(queue.config.ttl_ms);
        let number = queue.number;
        let waits = entry.ordering_key.is_some_and(|key| {
            let ahead = |other: &&Message| {
                other.queue == number
                    && other.ordering_key == Some(key)
                    && other.state != State::Dead
            };
            self.messages.iter().any(|other| ahead(&other))
        });
        let expires_at_ms = if ttl_ms == 0 { 0 } else { self.now_ms + ttl_ms };
        let at = self.add(number, entry.priority, entry.blob.index, entry.blob.length);
        let message = &mut self.messages[at];
        message.expires_at_ms = expires_at_ms;
        message.ordering_key = entry.ordering_key;
        message.max_retries = entry.max_retries;
        if waits {
            self.place(at, State::Blocked, due_ms);
        } else {
            self.place_when_due(at, due_ms);
        }
        self.saw(None, "enqueue", super::look::name(self.messages[at].state));
        due_ms
    }

    /// A message with the next number, that still needs a place.
    pub(super) fn add(&mut self, queue: u32, priority: u8, token: u32, bytes: u32) -> usize {
        self.numbered += 1;
        self.messages.push(Message {
            number: self.numbered,
            slot: None,
            queue,
            token,
            bytes,
            priority,
            state: State::Ready,
            at_ms: 0,
            expires_at_ms: 0,
            ordering_key: None,
            max_retries: None,
            line: 0,
            deliveries: 0,
            attempts: 0,
            nacked: None,
            first_failure_ms: 0,
            last_failure_ms: 0,
            error: None,
            death: None,
        });
        self.messages.len() - 1
    }

    fn earlier(&self, at: usize, hash: u128) -> Option<Remembered> {
        let queue = self.queues[at].number;
        let same = |entry: &&Remembered| entry.queue == queue && entry.hash == hash;
        self.remembered.iter().find(same).copied()
    }

    /// Why an atomic batch can't be accepted: for each entry, its own conflict or that of another.
    fn refusals(&self, at: usize, entries: &[NewMessage]) -> Option<Vec<Option<Rejection>>> {
        let remembers = self.queues[at].config.dedup_window_ms > 0;
        let conflicts = |index: usize, entry: &NewMessage| {
            let Some(dedup) = entry.dedup else {
                return false;
            };
            let in_batch = || {
                let mut before = entries[..index].iter().filter_map(|entry| entry.dedup);
                before
                    .find(|other| other.hash == dedup.hash)
                    .filter(|_| remembers)
            };
            let first = match self.earlier(at, dedup.hash) {
                Some(earlier) => Some(earlier.fingerprint),
                None => in_batch().map(|first| first.fingerprint),
            };
            first.is_some_and(|first| first != dedup.fingerprint)
        };
        let found: Vec<bool> = entries
            .iter()
            .enumerate()
            .map(|(index, entry)| conflicts(index, entry))
            .collect();
        let refusal = |&conflict: &bool| match conflict {
            true => Some(Rejection::DedupConflict),
            false => Some(Rejection::BatchAborted),
        };
        found
            .contains(&true)
            .then(|| found.iter().map(refusal).collect())
    }
}
